//! What the requests of one isolate share: retry budgets and circuits.

use std::collections::BTreeMap;

use super::require;
use crate::schedules::gateway;
use crate::schedules::schedule::Schedule;
use crate::schedules::world::{Seen, Transcript};
use crate::schedules::Finding;

/// How many failures in a row open a circuit.
const FAILURES: usize = 5;
/// Seconds that a retry budget remembers.
const SECONDS: u64 = 10;

/// All calls of an isolate.
pub struct Isolate<'a> {
    requests: Vec<(&'a Schedule, &'a Transcript)>,
    /// When which candidate failed, in order of time.
    failures: BTreeMap<String, Vec<u64>>,
}

impl<'a> Isolate<'a> {
    pub fn of(requests: &[(&'a Schedule, &'a Transcript)]) -> Self {
        let mut failures: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for (schedule, transcript) in requests.iter().filter(|_| requests.len() > 1) {
            for call in &transcript.calls {
                let complete = call.said.complete_from.is_some_and(|from| super::plot::taken(call) >= from);
                if !complete || call.said.unsound || call.said.gap_from.is_some() {
                    let name = gateway::name(&schedule.candidates[call.candidate], call.candidate);
                    // Its end is at its beginning at the earliest.
                    failures.entry(name).or_default().push(call.real_at);
                }
            }
        }
        Self { requests: requests.to_vec(), failures }
    }

    /// Whether a candidate's circuit can have been open at an instant: not before it has failed often enough.
    pub fn may_be_open(&self, name: &str, at: u64) -> bool {
        self.failures.get(name).is_some_and(|times| times.iter().filter(|time| **time <= at).count() >= FAILURES)
    }

    /// In any ten seconds a provider sees a retry for every fifth first call, and five besides.
    pub fn check(&self) -> Result<(), Finding> {
        if self.requests.len() < 2 {
            return Ok(());
        }
        let mut providers: BTreeMap<String, (Vec<u64>, Vec<u64>)> = BTreeMap::new();
        for (schedule, transcript) in &self.requests {
            for (at, call) in transcript.calls.iter().enumerate() {
                let name = gateway::provider(&schedule.candidates[call.candidate]);
                let again = transcript.calls[..at].iter().any(|other| other.candidate == call.candidate);
                let (firsts, retries) = providers.entry(name).or_default();
                // A retry is charged when it is decided on, before its pause.
                let ends = transcript.calls[..at].iter().map(Seen::ended_at);
                let decided = ends.filter(|end| *end <= call.real_at).max().unwrap_or(call.real_at);
                if again { retries } else { firsts }.push(if again { decided } else { call.real_at } / 1_000);
            }
        }
        for (name, (firsts, retries)) in &providers {
            for last in retries {
                let within = |list: &[u64]| list.iter().filter(|s| **s <= *last && **s + SECONDS > *last).count();
                let (many, first) = (within(retries), within(firsts));
                require(many * 5 <= first + 25, "retries are a share of traffic", || {
                    format!("{many} retries and {first} first calls at {name} in ten seconds")
                })?;
            }
        }
        Ok(())
    }
}
