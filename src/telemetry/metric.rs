//! Counters and distributions, gathered from records. One table names every instrument; label values come from the
//! configuration or from short lists, never from what a caller wrote; beyond a bound of series new ones are counted under
//! `other`. Values are integers, so that what isolates have counted adds up to the same whatever the order.

use std::fmt;

use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::record::{AttemptRecord, RequestRecord};
use super::{names, otlp};
use crate::accounting::{Certainty, Cost};
use crate::config::telemetry::Profile;
use crate::sorted::Map;

mod instruments;

pub use instruments::{Instrument, Shape, TABLE};

use instruments as id;

/// Series in one place; beyond it values are counted under [`OTHER`].
pub const MOST_SERIES: usize = 2_000;
/// Stands for label values that are not told apart.
pub const OTHER: &str = "other";

/// What is counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Reading {
    /// A sum in the instrument's integer unit.
    Sum(u64),
    /// A sum, and how many values fell into each bucket.
    Spread(u64, Vec<u64>),
}

/// All series of one place, by instrument and label values.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meter {
    series: Map<(usize, Vec<String>), Reading>,
}

impl Meter {
    /// Counts a request and its attempts.
    pub fn count(&mut self, record: &RequestRecord) {
        let status = record.status.to_string();
        let outcome =
            record.blame.as_deref().unwrap_or(if record.status == 499 { "client_disconnected" } else { "ok" });
        self.spread(id::HTTP_DURATION, &[&record.method, &record.route, &status], record.duration_ms);
        self.add(id::REQUESTS, &[&record.route, &record.dialect, outcome, &record.policy, &record.task], 1);
        if let (Some(blame), Some(error)) = (&record.blame, &record.error) {
            self.add(id::ERRORS, &[error, blame], 1);
        }
        if let Some(shadow) = &record.shadow {
            let result = if shadow.same { "same" } else { "different" };
            self.add(id::SHADOW, &[&record.policy, &shadow.policy, result], 1);
        }
        for seam in &record.seams {
            self.add(id::SEAMS, &[&seam.mode], 1);
        }
        if !record.losses.is_empty() {
            self.add(id::LOSSES, &[&record.dialect], record.losses.len() as u64);
        }
        for attempt in &record.attempts {
            self.count_attempt(record, attempt);
        }
        if record.asked_a_model() {
            self.count_answer(record);
        }
    }

    /// As the caller saw it.
    fn count_answer(&mut self, record: &RequestRecord) {
        let answering = record.attempts.iter().rev().find(|attempt| attempt.answered());
        let provider = answering.map_or("", well_known);
        let model = answering.map_or("", |attempt| labels(attempt).1);
        let error = record.error.as_deref().unwrap_or(if record.status == 499 { "client_disconnected" } else { "" });
        self.spread(id::SERVER_DURATION, &[&record.operation, provider, model, error], record.duration_ms);
        if let (Some(ttft), true) = (record.ttft_ms, error.is_empty()) {
            self.spread(id::SERVER_TTFT, &[&record.operation, provider, model], ttft);
            let tokens = record.usage.map_or(0, |usage| usage.completion_tokens());
            if let (true, Some(us)) = (record.stream, per_token_us(record.duration_ms, ttft, tokens)) {
                self.spread(id::SERVER_PER_TOKEN, &[&record.operation, provider, model], us);
            }
        }
    }

    /// As we saw the provider.
    fn count_attempt(&mut self, record: &RequestRecord, attempt: &AttemptRecord) {
        let (provider, model) = labels(attempt);
        let outcome = attempt.class.as_deref().unwrap_or(if attempt.answered() { "ok" } else { "cancelled" });
        let error = if attempt.answered() { "" } else { outcome };
        self.add(id::ATTEMPTS, &[provider, model, &attempt.role, outcome], 1);
        let told = well_known(attempt);
        self.spread(id::CLIENT_DURATION, &[&record.operation, told, model, error], attempt.duration_ms);
        if let (Some(ttft), true) = (attempt.ttft_ms, record.stream) {
            self.spread(id::CLIENT_TTFT, &[&record.operation, told, model], ttft);
        }
        let usage = &attempt.usage;
        if attempt.answered() && usage.prompt_tokens() + usage.completion_tokens() > 0 {
            let (input, output) = (usage.prompt_tokens(), usage.completion_tokens());
            self.spread(id::CLIENT_TOKENS, &[&record.operation, told, model, "input"], input);
            self.spread(id::CLIENT_TOKENS, &[&record.operation, told, model, "output"], output);
        }
        for (kind, count) in [
            ("input", usage.input_tokens),
            ("cache_read", usage.cached_input_tokens.unwrap_or(0)),
            ("cache_write", usage.cache_write_tokens()),
            ("output", usage.output_tokens),
            ("reasoning", usage.reasoning_tokens.unwrap_or(0)),
        ] {
            if count > 0 {
                self.add(id::TOKENS, &[provider, model, kind], count);
            }
        }
        match attempt.cost.map(|cost| (cost.certainty(), cost)) {
            Some((Certainty::Unpriced, _)) => self.add(id::UNPRICED, &[provider, model], 1),
            Some((certainty, cost)) => {
                let nano = cost.picousd().unwrap_or(0).div_ceil(1_000);
                if cost != Cost::NOTHING {
                    self.add(id::COST, &[provider, model, certainty.name()], nano);
                }
            }
            None => {}
        }
        if let Some(change) = &attempt.circuit {
            self.add(id::BREAKERS, &[provider, model, change], 1);
        }
    }

    /// Counts what only the newest conventions have: tokens of every call, failed ones included, by counters of which some are
    /// parts of others. Nothing tells us how many of them were text or sound in all dialects, so none is said to be.
    pub fn count_for_latest(&mut self, record: &RequestRecord) {
        for attempt in &record.attempts {
            let usage = &attempt.usage;
            for (kind, count) in [
                ("input_tokens", usage.prompt_tokens()),
                ("output_tokens", usage.completion_tokens()),
                ("cache_read.input_tokens", usage.cached_input_tokens.unwrap_or(0)),
                ("cache_write.input_tokens", usage.cache_write_tokens()),
                ("reasoning.output_tokens", usage.reasoning_tokens.unwrap_or(0)),
            ] {
                let labels = [record.operation.as_str(), well_known(attempt), labels(attempt).1, "unknown", kind];
                self.add(id::USAGE, &labels, count);
            }
        }
    }

    /// Begins counters that have to be there before their first reading: one that appears with it shows no increase.
    pub fn begin(&mut self) {
        ["traces", "metrics", "records"].into_iter().for_each(|signal| self.dropped(signal, 0));
    }

    /// Spans, metrics or records that nobody got.
    pub fn dropped(&mut self, signal: &'static str, count: u64) {
        self.add(id::DROPPED, &[signal], count);
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Adds what another place has counted.
    pub fn merge(&mut self, other: Self) {
        for ((instrument, labels), reading) in other.series {
            let Some(row) = TABLE.get(instrument) else { continue };
            match (self.entry(instrument, labels, row), reading) {
                (Reading::Sum(own), Reading::Sum(more)) => *own = own.saturating_add(more),
                (Reading::Spread(sum, counts), Reading::Spread(more, theirs)) => {
                    *sum = sum.saturating_add(more);
                    counts.iter_mut().zip(theirs).for_each(|(own, count)| *own = own.saturating_add(count));
                }
                _ => {}
            }
        }
    }

    /// Series by instrument, for encoders.
    pub fn series(&self) -> impl Iterator<Item = (&'static Instrument, &[String], &Reading)> {
        self.series.iter().filter_map(|((at, labels), reading)| Some((TABLE.get(*at)?, labels.as_slice(), reading)))
    }

    /// The readings as OTLP metrics under a collector's names.
    #[must_use]
    pub fn to_otlp(&self, profile: Profile) -> Vec<otlp::Metric> {
        let mut metrics: Vec<otlp::Metric> = Vec::new();
        for (instrument, labels, reading) in self.series() {
            let mut told: Vec<_> = instrument.labels.iter().copied().zip(labels.iter().map(String::as_str)).collect();
            told.retain(|(_, value)| !value.is_empty());
            let Some(name) = name_under(profile, instrument, &mut told) else { continue };
            let attributes = told.into_iter().map(|(label, value)| (label, typed(label, value))).collect();
            let at = metrics.iter().position(|metric| metric.name == name).unwrap_or_else(|| {
                let points = match instrument.shape {
                    Shape::Sum => otlp::Points::Sums(Vec::new()),
                    Shape::Spread(bounds) => otlp::Points::Histograms(bounds, Vec::new()),
                };
                let (description, unit) = (instrument.description, instrument.unit);
                metrics.push(otlp::Metric { name, description, unit, points });
                metrics.len() - 1
            });
            match (metrics.get_mut(at).map(|metric| &mut metric.points), reading) {
                (Some(otlp::Points::Sums(points)), Reading::Sum(value)) => {
                    points.push(otlp::Sum { attributes, value: instrument.scaled(*value) });
                }
                (Some(otlp::Points::Histograms(_, points)), Reading::Spread(sum, counts)) => {
                    let (sum, counts) = (instrument.scaled(*sum), counts.clone());
                    points.push(otlp::Distribution { attributes, sum, counts });
                }
                _ => {}
            }
        }
        metrics
    }

    fn add(&mut self, instrument: usize, labels: &[&str], count: u64) {
        let Some(row) = TABLE.get(instrument) else { return };
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        if let Reading::Sum(sum) = self.entry(instrument, labels, row) {
            *sum = sum.saturating_add(count);
        }
    }

    fn spread(&mut self, instrument: usize, labels: &[&str], value: u64) {
        let Some(row) = TABLE.get(instrument) else { return };
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let bucket = row.bucket(value);
        if let Reading::Spread(sum, counts) = self.entry(instrument, labels, row) {
            *sum = sum.saturating_add(value);
            if let Some(count) = counts.get_mut(bucket) {
                *count = count.saturating_add(1);
            }
        }
    }

    fn entry(&mut self, instrument: usize, labels: Vec<String>, row: &Instrument) -> &mut Reading {
        let mut key = (instrument, labels);
        if self.series.len() >= MOST_SERIES && !self.series.contains_key(&key) {
            key.1.iter_mut().for_each(|label| OTHER.clone_into(label));
        }
        self.series.entry(key).or_insert_with(|| row.nothing())
    }
}

/// A provider and model as labels: a model that the catalogue does not list is not told apart, because callers name it.
fn labels(attempt: &AttemptRecord) -> (&str, &str) {
    (&attempt.provider, if attempt.listed { &attempt.model } else { OTHER })
}

/// The provider as the conventions call it.
fn well_known(attempt: &AttemptRecord) -> &str {
    names::provider(&attempt.provider, &attempt.profile)
}

/// The newer conventions tell tokens in and out by two histograms in place of one with a label, and count them
/// (semantic-conventions-genai, `model/gen-ai/token-metrics.yaml` at 066d4a7). `None`: not under this profile.
fn name_under(
    profile: Profile,
    instrument: &Instrument,
    labels: &mut Vec<(&'static str, &str)>,
) -> Option<&'static str> {
    let is_latest = profile == Profile::Latest;
    let by = match instrument.name {
        instruments::USAGE_NAME if is_latest => instruments::USAGE_KIND,
        instruments::USAGE_NAME => return None,
        "gen_ai.client.token.usage" if is_latest => names::TOKEN_TYPE.under(profile),
        name => return Some(name),
    };
    let at = labels.iter().position(|(key, _)| *key == by)?;
    let kind = labels.remove(at).1;
    names::LATEST_TOKENS.iter().find(|(of, word, _)| *of == instrument.name && *word == kind).map(|(.., name)| *name)
}

/// A label's value as the conventions type it.
fn typed(label: &str, value: &str) -> otlp::Value {
    match value.parse() {
        Ok(number) if label == names::HTTP_STATUS.under(Profile::V141) => otlp::Value::Int(number),
        _ => otlp::Value::Text(value.to_owned()),
    }
}

fn per_token_us(duration_ms: u64, ttft_ms: u64, tokens: u64) -> Option<u64> {
    let after_first = tokens.checked_sub(1).filter(|rest| *rest > 0)?;
    duration_ms.saturating_sub(ttft_ms).saturating_mul(1_000).checked_div(after_first)
}

impl<'de> Deserialize<'de> for Reading {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReadingVisitor;
        impl<'de> Visitor<'de> for ReadingVisitor {
            type Value = Reading;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a sum, or a sum with its buckets")
            }
            fn visit_u64<E: Error>(self, sum: u64) -> Result<Reading, E> {
                Ok(Reading::Sum(sum))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Reading, A::Error> {
                match (list.next_element()?, list.next_element()?) {
                    (Some(sum), Some(counts)) => Ok(Reading::Spread(sum, counts)),
                    _ => Err(Error::invalid_length(1, &self)),
                }
            }
        }
        deserializer.deserialize_any(ReadingVisitor)
    }
}

impl Serialize for Meter {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(
            self.series.iter().map(|((at, labels), reading)| {
                (TABLE.get(*at).map_or("", |instrument| instrument.name), labels, reading)
            }),
        )
    }
}

/// An instrument of another version is left out: isolates of two versions run side by side while one is rolled out.
impl<'de> Deserialize<'de> for Meter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut meter = Self::default();
        for (name, labels, reading) in Vec::<(String, Vec<String>, Reading)>::deserialize(deserializer)? {
            let Some(at) = TABLE.iter().position(|instrument| instrument.name == name) else { continue };
            let fits = TABLE.get(at).is_some_and(|row| row.labels.len() == labels.len() && row.takes(&reading));
            if fits {
                meter.series.insert((at, labels), reading);
            }
        }
        Ok(meter)
    }
}

#[cfg(test)]
mod tests;
