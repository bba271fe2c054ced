//! The register: what all isolates have told of requests that are over. It keeps a bounded ring of records, roll-ups by day
//! and by minute, circuits, and all metrics. It lives in an object (`HEALTH`) and is written down as rows by its keeper, so
//! that it outlives the object's memory; here is no storage and no clock.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::metric::{Meter, OTHER};
use super::outbox::Push;
use super::prometheus::Gauge;
use super::record::RequestRecord;
use super::stats::Query;
use crate::accounting::day::{day_of, DAY_MS};
use crate::accounting::{Certainty, Cost};
use crate::health::histogram::Histogram;
use crate::sorted::{self, Map, Set};

pub mod ledgers;
pub mod stored;

/// Requests in the ring.
pub const MOST_RECENT: usize = 500;
/// Days that are kept.
pub const DAYS: u64 = 31;
/// Minutes that are kept.
pub const MINUTES: u64 = 24 * 60;
/// Keys of one dimension on one day; beyond it new ones are added up under `other`.
const MOST_KEYS: usize = 200;
/// Changes of circuits that are kept.
const MOST_CHANGES: usize = 200;
/// Isolates whose last message is remembered.
const MOST_ISOLATES: usize = 2_000;

/// What requests are added up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// All of them.
    All,
    /// `provider/model` of each attempt.
    Model,
    /// Provider of each attempt.
    Provider,
    /// Opaque principal id.
    Principal,
    /// Kind of task.
    Task,
    /// Policy.
    Policy,
    /// Error code.
    Error,
}

/// Sums of requests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sums {
    /// How many.
    pub requests: u64,
    /// Of them: failed by a provider's fault or ours.
    pub failed: u64,
    /// Of them: refused by the caller's fault or a policy.
    pub refused: u64,
    /// Of them: the caller left first.
    pub left: u64,
    /// Of them: answered by another attempt than the first.
    pub rescued: u64,
    /// Calls to providers.
    pub attempts: u64,
    /// Prompt tokens at the full price.
    pub input_tokens: u64,
    /// Prompt tokens from a cache.
    pub cached_tokens: u64,
    /// Prompt tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Generated tokens, reasoning apart.
    pub output_tokens: u64,
    /// Generated reasoning tokens.
    pub reasoning_tokens: u64,
    /// Picodollars, estimates included.
    pub picousd: u64,
    /// Of them: estimates.
    pub estimated_picousd: u64,
    /// Attempts without a price.
    pub unpriced: u64,
    /// Picodollars that the best candidates were expected to cost, where both costs were known.
    pub best_picousd: u64,
    /// Picodollars that the chosen ones were expected to cost in the same requests.
    pub expected_picousd: u64,
    /// From arrival to first content.
    pub ttft: Histogram,
    /// From arrival to the end.
    pub duration: Histogram,
}

/// A circuit that opened or closed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, Unix ms.
    pub at_ms: u64,
    /// `provider/model`.
    pub candidate: String,
    /// `opened` or `closed`.
    pub state: String,
}

/// A row to be written down: the roll-up of a key on a day, or of a minute.
pub type RowKey = (u64, By, String);

/// The register.
#[derive(Debug, Default)]
pub struct Register {
    /// All metrics since the register began.
    pub meter: Meter,
    /// Newest last.
    recent: VecDeque<RequestRecord>,
    /// Day number since 1970 first.
    days: Map<RowKey, Sums>,
    minutes: Map<u64, Sums>,
    changes: VecDeque<Change>,
    /// What ledgers told, in the answer to a query: the keeper has it as rows alone.
    pub ledgers: Vec<ledgers::Row>,
    told: Map<u64, u64>,
    dirty: Set<RowKey>,
    dirty_minutes: Set<u64>,
}

impl Register {
    /// Takes a message; one that came before changes nothing. True if it was new.
    pub fn take(&mut self, push: Push) -> bool {
        let last = self.told.get(&push.from).copied().unwrap_or(0);
        if push.number <= last {
            return false;
        }
        if self.told.len() >= MOST_ISOLATES && last == 0 {
            self.told.forget_first();
        }
        self.told.insert(push.from, push.number);
        self.merge(push.part.into());
        true
    }

    /// Adds a request up. All of them are in the metrics.
    pub fn count(&mut self, record: &RequestRecord) {
        self.meter.count(record);
        if !record.is_listed() {
            return;
        }
        let minute = record.ended_ms() / 60_000;
        let sums = Sums::of(record);
        self.minutes.entry(minute).or_default().plus(&sums);
        let day = record.ended_ms() / DAY_MS;
        self.roll((day, By::All, String::new()), &sums);
        for (by, key) in [
            (By::Principal, record.principal.as_str()),
            (By::Task, &record.task),
            (By::Policy, &record.policy),
            (By::Error, record.error.as_deref().unwrap_or_default()),
        ] {
            if !key.is_empty() {
                self.roll((day, by, key.to_owned()), &sums);
            }
        }
        for attempt in &record.attempts {
            let name = format!("{}/{}", attempt.provider, if attempt.listed { &attempt.model } else { OTHER });
            let sums = Sums::of_attempt(record, attempt);
            self.roll((day, By::Provider, attempt.provider.clone()), &sums);
            if let Some(state) = &attempt.circuit {
                let (at_ms, candidate) = (attempt.ended_ms(), name.clone());
                self.changes.push_back(Change { at_ms, candidate, state: state.clone() });
            }
            self.roll((day, By::Model, name), &sums);
        }
    }

    /// Puts a request into the ring.
    pub fn show(&mut self, record: RequestRecord) {
        self.recent.push_back(record);
    }

    /// Itself as a message's part.
    #[must_use]
    pub fn into_part(self) -> Slice {
        let rest = Rest { meter: self.meter, recent: self.recent, changes: self.changes, told: Map::new() };
        Slice {
            days: self.days.into_iter().collect(),
            minutes: self.minutes.into_iter().collect(),
            ledgers: self.ledgers,
            rest,
        }
    }

    /// Forgets days and minutes that are too long ago; the days' keys, for the keeper to delete.
    pub fn forget(&mut self, now_ms: u64) {
        let first_day = (now_ms / DAY_MS).saturating_sub(DAYS - 1);
        self.days.forget_before(&(first_day, By::All, String::new()));
        let first_minute = (now_ms / 60_000).saturating_sub(MINUTES - 1);
        self.minutes.forget_before(&first_minute);
        self.dirty.forget_before(&(first_day, By::All, String::new()));
        self.dirty_minutes.forget_before(&first_minute);
    }

    /// Requests, newest first, that came after an instant.
    pub fn recent(&self, since_ms: u64) -> impl Iterator<Item = &RequestRecord> {
        self.recent.iter().rev().filter(move |record| record.ended_ms() > since_ms)
    }

    /// Roll-ups of days.
    pub fn days(&self) -> impl Iterator<Item = (u64, By, &str, &Sums)> {
        self.days.iter().map(|((day, by, key), sums)| (*day, *by, key.as_str(), sums))
    }

    /// Roll-ups of minutes, by minutes since 1970.
    pub fn minutes(&self) -> impl Iterator<Item = (u64, &Sums)> {
        self.minutes.iter().map(|(minute, sums)| (*minute, sums))
    }

    /// Circuits, oldest change first.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }

    /// States for `/metrics`.
    #[must_use]
    pub fn gauges(&self) -> Vec<Gauge> {
        let mut states: Map<&str, &Change> = Map::new();
        self.changes.iter().for_each(|change| {
            states.insert(&change.candidate, change);
        });
        let point = |change: &&Change| {
            let (provider, model) = change.candidate.split_once('/').unwrap_or((&change.candidate, ""));
            let labels = vec![("signalbox_provider", provider.to_owned()), ("signalbox_model", model.to_owned())];
            (labels, f64::from(u8::from(change.state == "opened")))
        };
        vec![Gauge {
            name: "signalbox_breaker_open",
            help: "1 while the last change of a circuit was its opening.",
            points: states.values().map(point).collect(),
        }]
    }

    /// What has changed since the last time, to be written down.
    pub fn changed(&mut self) -> Changed {
        let rows = std::mem::take(&mut self.dirty);
        let rows = rows.into_iter().filter_map(|key| self.days.get(&key).map(|sums| (key, sums.clone())));
        let minutes = std::mem::take(&mut self.dirty_minutes);
        let minutes = minutes.into_iter().filter_map(|at| self.minutes.get(&at).map(|sums| (at, sums.clone())));
        Changed {
            rows: rows.collect(),
            minutes: minutes.collect(),
            rest: Rest {
                meter: self.meter.clone(),
                recent: self.recent.clone(),
                changes: self.changes.clone(),
                told: self.told.clone(),
            },
        }
    }

    /// What `/metrics` tells of.
    #[must_use]
    pub fn metrics(&self) -> Rest {
        Rest { meter: self.meter.clone(), changes: self.changes.clone(), ..Rest::default() }
    }

    /// What a query of `/v1/stats` tells of, as a register of its own.
    #[must_use]
    pub fn slice(&self, query: Query, now_ms: u64) -> Slice {
        let first_day = (now_ms / DAY_MS).saturating_sub(query.days.saturating_sub(1));
        let first_minute = (now_ms / 60_000).saturating_sub(query.minutes);
        let mut recent: VecDeque<RequestRecord> = self.recent(query.since_ms).take(query.limit).cloned().collect();
        recent.make_contiguous().reverse();
        Slice {
            days: self
                .days
                .starting_at(&(first_day, By::All, String::new()))
                .map(|(k, s)| (k.clone(), s.clone()))
                .collect(),
            minutes: self.minutes.starting_at(&first_minute).map(|(at, sums)| (*at, sums.clone())).collect(),
            ledgers: Vec::new(),
            rest: Rest { recent, changes: self.changes.clone(), ..Rest::default() },
        }
    }

    /// A register as it was written down.
    #[must_use]
    pub fn restored(rows: Vec<(RowKey, Sums)>, minutes: Vec<(u64, Sums)>, rest: Rest) -> Self {
        Self {
            meter: rest.meter,
            recent: rest.recent,
            changes: rest.changes,
            told: rest.told,
            days: rows.into_iter().collect(),
            minutes: minutes.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds what another one holds.
    pub fn merge(&mut self, other: Self) {
        self.meter.merge(other.meter);
        for (key, sums) in other.days {
            self.roll(key, &sums);
        }
        for (minute, sums) in other.minutes {
            self.minutes.entry(minute).or_default().plus(&sums);
            self.dirty_minutes.insert(minute);
        }
        self.ledgers.extend(other.ledgers);
        self.recent.extend(other.recent);
        sorted::sort_by_key(self.recent.make_contiguous(), RequestRecord::ended_ms);
        self.recent.drain(..self.recent.len().saturating_sub(MOST_RECENT));
        self.changes.extend(other.changes);
        sorted::sort_by_key(self.changes.make_contiguous(), |change| change.at_ms);
        self.changes.drain(..self.changes.len().saturating_sub(MOST_CHANGES));
    }

    fn roll(&mut self, mut at: RowKey, sums: &Sums) {
        if !self.days.contains_key(&at) {
            let later = self.days.starting_at(&(at.0, at.1, String::new()));
            if later.take_while(|(key, _)| (key.0, key.1) == (at.0, at.1)).count() >= MOST_KEYS {
                OTHER.clone_into(&mut at.2);
            }
        }
        self.days.entry(at.clone()).or_default().plus(sums);
        self.dirty.insert(at);
    }
}

/// What a keeper writes down.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// Roll-ups of days.
    pub rows: Vec<(RowKey, Sums)>,
    /// Roll-ups of minutes.
    pub minutes: Vec<(u64, Sums)>,
    /// All else, whole.
    pub rest: Rest,
}

/// A part of the register, as a shard answers a query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slice {
    days: Vec<(RowKey, Sums)>,
    minutes: Vec<(u64, Sums)>,
    /// What ledgers told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ledgers: Vec<ledgers::Row>,
    rest: Rest,
}

/// What is written down whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rest {
    meter: Meter,
    recent: VecDeque<RequestRecord>,
    changes: VecDeque<Change>,
    told: Map<u64, u64>,
}

impl Rest {
    /// In parts, because each must fit a row.
    #[must_use]
    pub fn parts(self) -> [(&'static str, Self); 4] {
        let Self { meter, recent, changes, told } = self;
        [
            ("meter", Self { meter, ..Self::default() }),
            ("recent", Self { recent, ..Self::default() }),
            ("changes", Self { changes, ..Self::default() }),
            ("told", Self { told, ..Self::default() }),
        ]
    }

    /// Together with another part.
    #[must_use]
    pub fn with(mut self, part: Self) -> Self {
        self.meter.merge(part.meter);
        self.recent.extend(part.recent);
        self.changes.extend(part.changes);
        self.told.extend(part.told);
        self
    }
}

impl From<Slice> for Register {
    fn from(slice: Slice) -> Self {
        Self { ledgers: slice.ledgers, ..Self::restored(slice.days, slice.minutes, slice.rest) }
    }
}

impl From<Rest> for Register {
    fn from(rest: Rest) -> Self {
        Self::restored(Vec::new(), Vec::new(), rest)
    }
}

impl Sums {
    fn of(record: &RequestRecord) -> Self {
        let blame = record.blame.as_deref();
        let mut sums = Self {
            requests: 1,
            failed: u64::from(record.failed()),
            refused: u64::from(matches!(blame, Some("caller" | "policy"))),
            left: u64::from(record.status == 499),
            rescued: u64::from(blame.is_none() && record.attempts.len() > 1 && record.status == 200),
            attempts: record.attempts.len() as u64,
            ..Self::default()
        };
        record.attempts.iter().for_each(|attempt| sums.spent(&attempt.usage, attempt.cost));
        if let Some((best, chosen)) =
            record.best.as_ref().and_then(|best| Some((best.expected_picousd?, best.chosen_picousd?)))
        {
            (sums.best_picousd, sums.expected_picousd) = (best, chosen);
        }
        if record.asked_a_model() {
            sums.duration.add(record.duration_ms);
            record.ttft_ms.into_iter().for_each(|ms| sums.ttft.add(ms));
        }
        sums
    }

    fn of_attempt(record: &RequestRecord, attempt: &super::record::AttemptRecord) -> Self {
        let mut sums = Self {
            requests: 1,
            failed: u64::from(attempt.class.is_some()),
            left: u64::from(attempt.class.is_none() && !attempt.answered()),
            rescued: u64::from(attempt.answered() && record.attempts.len() > 1),
            attempts: 1,
            ..Self::default()
        };
        sums.spent(&attempt.usage, attempt.cost);
        if attempt.answered() {
            sums.duration.add(attempt.duration_ms);
            attempt.ttft_ms.into_iter().for_each(|ms| sums.ttft.add(ms));
        }
        sums
    }

    fn spent(&mut self, usage: &crate::dialect::canonical::Usage, cost: Option<Cost>) {
        self.input_tokens += usage.input_tokens;
        self.cached_tokens += usage.cached_input_tokens.unwrap_or(0);
        self.cache_write_tokens += usage.cache_write_tokens();
        self.output_tokens += usage.output_tokens;
        self.reasoning_tokens += usage.reasoning_tokens.unwrap_or(0);
        let Some(cost) = cost else { return };
        let picousd = cost.picousd().unwrap_or(0);
        self.picousd = self.picousd.saturating_add(picousd);
        match cost.certainty() {
            Certainty::Estimated => self.estimated_picousd = self.estimated_picousd.saturating_add(picousd),
            Certainty::Unpriced => self.unpriced += 1,
            Certainty::Exact => {}
        }
    }

    /// Adds others.
    pub fn plus(&mut self, other: &Self) {
        for (own, more) in [
            (&mut self.requests, other.requests),
            (&mut self.failed, other.failed),
            (&mut self.refused, other.refused),
            (&mut self.left, other.left),
            (&mut self.rescued, other.rescued),
            (&mut self.attempts, other.attempts),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.cached_tokens, other.cached_tokens),
            (&mut self.cache_write_tokens, other.cache_write_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.picousd, other.picousd),
            (&mut self.estimated_picousd, other.estimated_picousd),
            (&mut self.unpriced, other.unpriced),
            (&mut self.best_picousd, other.best_picousd),
            (&mut self.expected_picousd, other.expected_picousd),
        ] {
            *own = own.saturating_add(more);
        }
        self.ttft.merge(&other.ttft);
        self.duration.merge(&other.duration);
    }
}

/// `YYYY-MM-DD` of a day number.
#[must_use]
pub fn day_name(day: u64) -> String {
    day_of(day.saturating_mul(DAY_MS))
}

#[cfg(test)]
mod tests;
