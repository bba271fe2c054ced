//! The answer of `GET /v1/usage`: a principal's sums, in all, per model and per UTC day. Its JSON Schema is
//! `docs/schemas/usage.schema.json`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counters::Counters;
use super::ledger::Place;
use crate::money::PicoSum;

/// Days that an answer lists at most; its totals and models cover everything.
pub const DAYS: usize = 92;

/// Renders the answer from every sum of one principal.
#[must_use]
pub fn usage<'a>(principal: &str, sums: impl IntoIterator<Item = (&'a Place, &'a Counters)>) -> String {
    let mut totals = Counters::default();
    let mut models: BTreeMap<&str, Counters> = BTreeMap::new();
    let mut days: BTreeMap<&str, Counters> = BTreeMap::new();
    for ((day, model), counters) in sums {
        totals.add(counters);
        models.entry(model).or_default().add(counters);
        days.entry(day).or_default().add(counters);
    }
    let report = Report {
        object: "signalbox.usage",
        principal,
        since: days.keys().next().copied(),
        totals: Sums::of(&totals),
        models: models.iter().map(|(model, counters)| OfModel { model, sums: Sums::of(counters) }).collect(),
        days: days.iter().rev().take(DAYS).map(|(day, counters)| OfDay { day, sums: Sums::of(counters) }).collect(),
    };
    // Strings and integers only: there is nothing here that JSON cannot say.
    serde_json::to_string(&report).unwrap_or_default()
}

#[derive(Serialize)]
struct Report<'a> {
    object: &'static str,
    principal: &'a str,
    since: Option<&'a str>,
    totals: Sums,
    models: Vec<OfModel<'a>>,
    days: Vec<OfDay<'a>>,
}

#[derive(Serialize)]
struct OfModel<'a> {
    model: &'a str,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct OfDay<'a> {
    day: &'a str,
    #[serde(flatten)]
    sums: Sums,
}

#[derive(Serialize)]
struct Sums {
    requests: u64,
    attempts: u64,
    open: u64,
    outcomes: Outcomes,
    input_tokens: u64,
    cached_input_tokens: u64,
    cache_write_5m_tokens: u64,
    cache_write_1h_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    audio_input_tokens: u64,
    audio_output_tokens: u64,
    cost_usd: String,
    cost_picousd: PicoSum,
    certainty: ByCertainty,
}

#[derive(Serialize)]
struct Outcomes {
    completed: u64,
    failed: u64,
    cut: u64,
    client_gone: u64,
    hedged: u64,
    expired: u64,
}

#[derive(Serialize)]
struct ByCertainty {
    exact: Share,
    estimated: Share,
    unpriced: u64,
}

#[derive(Serialize)]
struct Share {
    attempts: u64,
    cost_usd: String,
    cost_picousd: PicoSum,
}

impl Sums {
    fn of(counters: &Counters) -> Self {
        let share = |attempts, picousd: PicoSum| Share { attempts, cost_usd: picousd.usd(), cost_picousd: picousd };
        Self {
            requests: counters.requests,
            attempts: counters.attempts,
            open: counters.open,
            outcomes: Outcomes {
                completed: counters.completed,
                failed: counters.failed,
                cut: counters.cut,
                client_gone: counters.client_gone,
                hedged: counters.hedged,
                expired: counters.expired,
            },
            input_tokens: counters.input_tokens,
            cached_input_tokens: counters.cached_input_tokens,
            cache_write_5m_tokens: counters.cache_write_5m_tokens,
            cache_write_1h_tokens: counters.cache_write_1h_tokens,
            output_tokens: counters.output_tokens,
            reasoning_tokens: counters.reasoning_tokens,
            audio_input_tokens: counters.audio_input_tokens,
            audio_output_tokens: counters.audio_output_tokens,
            cost_usd: counters.picousd().usd(),
            cost_picousd: counters.picousd(),
            certainty: ByCertainty {
                exact: share(counters.exact_attempts, counters.exact_picousd),
                estimated: share(counters.estimated_attempts, counters.estimated_picousd),
                unpriced: counters.unpriced_attempts,
            },
        }
    }
}

#[cfg(test)]
mod tests;
