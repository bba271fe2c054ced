//! The ledger's books: which attempts are open, which are settled, and what they sum up to. One ledger per principal.
//!
//! A batch holds two things. Attempts that were over before anything of them was told come as sums, made by the sender.
//! Of all others each message carries the whole of what its attempt is, and messages may come late, twice or in the wrong
//! order; what they sum up to depends on the set of messages alone:
//!
//! - an open that follows its settle, or its twin, changes nothing;
//! - a settle without its open is the attempt;
//! - the first settle counts, later ones do not;
//! - an attempt that is still open [`GRACE_MS`] after its deadline is closed with the estimate made before the call; if its
//!   settle comes after all, it replaces that estimate.
//!
//! A sender numbers its batches and sends the next one when the last is acknowledged, so a number that is not above the
//! sender's last one is a repetition: sums in it have been entered. An ended attempt and a sender are remembered for
//! [`KEEP_MS`]; what is older than [`LATE_MS`] is refused, because what it speaks of may be forgotten. [`store`] has the SQL;
//! who runs it is the edge. Read `tests` first.

mod batch;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use batch::{Batch, Sent};

use super::cost::Cost;
use super::counters::Counters;
use super::day::day_of;
use crate::dialect::canonical::Usage;

/// How long after its deadline an attempt may stay open.
pub const GRACE_MS: u64 = 60_000;
/// How long an ended attempt is remembered.
pub const KEEP_MS: u64 = 24 * HOUR_MS;
/// Messages about attempts that began longer ago are refused. Shorter than [`KEEP_MS`] by more than clocks differ.
pub const LATE_MS: u64 = 23 * HOUR_MS;
/// Longest believable time between an attempt's start and its deadline.
const LONGEST_MS: u64 = 6 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;

/// A message to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Row {
    /// An attempt is about to be sent.
    Open {
        /// The attempt.
        #[serde(flatten)]
        opened: Opened,
    },
    /// An attempt is over. Repeats what its open said, for the case that this arrives first or alone.
    Settle {
        /// The attempt.
        #[serde(flatten)]
        opened: Opened,
        /// How it ended.
        settled: Settled,
    },
}

/// What is known of an attempt before it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// Request id.
    pub id: String,
    /// Counter of attempts within the request, from 1.
    pub attempt: u32,
    /// When it began, Unix ms. Decides the UTC day it is counted on.
    pub ts_ms: u64,
    /// When it must be over, Unix ms: the request's total deadline.
    pub deadline_ms: u64,
    /// Provider name.
    pub provider: String,
    /// The model's name there.
    pub model: String,
    /// Version of the price table in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_version: Option<String>,
    /// What it is expected to use and cost.
    pub estimate: Estimate,
}

/// What an attempt is expected to use and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Expected tokens.
    pub usage: Usage,
    /// Expected cost.
    pub cost: Cost,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Tokens used; all zero where the provider refused the call.
    pub usage: Usage,
    /// What they cost.
    pub cost: Cost,
    /// In what way it ended.
    pub outcome: Outcome,
    /// From its start to its end.
    pub duration_ms: u64,
}

/// In what way an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its whole answer came.
    Completed,
    /// It failed before its answer began.
    Failed,
    /// Its answer broke off.
    Cut,
    /// The caller left.
    ClientGone,
    /// It was stopped, because the call made beside it had brought content first.
    Hedged,
}

impl Row {
    /// The message's JSON, one member of a batch.
    #[must_use]
    pub fn to_json(&self) -> String {
        // These types hold nothing that JSON cannot say.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The attempt it is about.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        match self {
            Self::Open { opened } | Self::Settle { opened, .. } => opened,
        }
    }
}

/// A request id and the attempt's counter.
pub type Key = (String, u32);
/// A UTC day and `provider/model`: where an attempt is counted.
pub type Place = (String, String);

/// An attempt in the books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it is.
    pub opened: Opened,
    /// How it ended; absent = open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// When the ledger learned of its end, Unix ms; 0 while open.
    #[serde(default)]
    pub ended_ms: u64,
}

/// How an attempt was closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// By its settle.
    Settled(Settled),
    /// By the clock; its settle may still come.
    Expired,
}

impl Opened {
    /// Where it is counted.
    #[must_use]
    pub fn place(&self) -> Place {
        (day_of(self.ts_ms), format!("{}/{}", self.provider, self.model))
    }
}

impl Sender {
    /// When it can be forgotten, Unix ms.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        forgotten_at(self.made_ms)
    }
}

/// [`KEEP_MS`] later, on a whole hour, so that a busy ledger wakes once an hour for it.
fn forgotten_at(ended_ms: u64) -> u64 {
    (ended_ms.saturating_add(KEEP_MS) / HOUR_MS).saturating_add(1).saturating_mul(HOUR_MS)
}

impl Attempt {
    /// When the ledger must look at it again, Unix ms: to expire it while it is open, to forget it afterwards.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        match self.end {
            None => {
                let longest = self.opened.ts_ms.saturating_add(LONGEST_MS);
                self.opened.deadline_ms.min(longest).saturating_add(GRACE_MS)
            }
            Some(_) => forgotten_at(self.ended_ms),
        }
    }
}

/// The part of the books that is in memory: all of them, or those that a batch speaks of and what was needed before.
#[derive(Debug, Default)]
pub struct Book {
    attempts: BTreeMap<Key, Attempt>,
    counters: BTreeMap<Place, Counters>,
    senders: BTreeMap<String, Sender>,
    changed: BTreeSet<Key>,
    moved: BTreeSet<Place>,
    heard: BTreeSet<String>,
}

/// Sums and senders that [`Book::tidy`] keeps in memory.
const KEPT_PLACES: usize = 64;

/// A sender of batches: one isolate's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sender {
    /// Number of its last batch.
    pub number: u64,
    /// When that was made, Unix ms.
    pub made_ms: u64,
}

/// What became of a batch: messages, and attempts that came summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Messages that changed the books.
    pub applied: u64,
    /// Messages that said nothing new.
    pub repeated: u64,
    /// Messages about attempts too old to be known.
    pub late: u64,
    /// Messages that could not be read.
    pub malformed: u64,
}

impl Book {
    /// Puts a stored attempt on the desk.
    pub fn load_attempt(&mut self, attempt: Attempt) {
        self.attempts.insert((attempt.opened.id.clone(), attempt.opened.attempt), attempt);
    }

    /// Puts stored sums on the desk. Must precede every change to an attempt that is counted there.
    pub fn load_counters(&mut self, place: Place, counters: Counters) {
        self.counters.insert(place, counters);
    }

    /// Puts a stored sender on the desk.
    pub fn load_sender(&mut self, name: String, sender: Sender) {
        self.senders.insert(name, sender);
    }

    /// Whether a sender is on the desk.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.senders.contains_key(name)
    }

    /// The sums that a batch can change, given the loaded attempts, and that are not on the desk yet.
    #[must_use]
    pub fn places(&self, batch: &Batch) -> BTreeSet<Place> {
        let new = batch.rows.iter().map(|row| row.opened().place());
        let loaded = self.attempts.values().map(|attempt| attempt.opened.place());
        let summed = batch.sums.iter().map(|(place, _)| place.clone());
        loaded.chain(new).chain(summed).filter(|place| !self.counters.contains_key(place)).collect()
    }

    /// Enters a batch.
    pub fn enter(&mut self, batch: Batch, now_ms: u64) -> Receipt {
        let mut receipt = Receipt { malformed: batch.malformed, ..Receipt::default() };
        let summed: u64 = batch.sums.iter().map(|(_, sum)| sum.attempts).sum();
        match self.hear(&batch.sent, now_ms) {
            Heard::First => {
                receipt.applied += summed;
                for (place, sum) in batch.sums {
                    self.counters.entry(place.clone()).or_default().add(&sum);
                    self.moved.insert(place);
                }
            }
            Heard::Before => receipt.repeated += summed,
            Heard::TooLate => receipt.late += summed,
        }
        for row in batch.rows {
            let counter = if row.opened().ts_ms.saturating_add(LATE_MS) < now_ms {
                &mut receipt.late
            } else if self.apply(row, now_ms) {
                &mut receipt.applied
            } else {
                &mut receipt.repeated
            };
            *counter += 1;
        }
        receipt
    }

    fn apply(&mut self, row: Row, now_ms: u64) -> bool {
        let key = (row.opened().id.clone(), row.opened().attempt);
        let known = self.attempts.get(&key);
        match row {
            Row::Open { .. } if known.is_some() => false,
            Row::Open { opened } => self.put(key, Attempt { opened, end: None, ended_ms: 0 }),
            Row::Settle { .. } if known.is_some_and(|a| matches!(a.end, Some(End::Settled(_)))) => false,
            Row::Settle { opened, settled } => {
                self.put(key, Attempt { opened, end: Some(End::Settled(settled)), ended_ms: now_ms })
            }
        }
    }

    fn hear(&mut self, sent: &Sent, now_ms: u64) -> Heard {
        if sent.made_ms.saturating_add(LATE_MS) < now_ms {
            return Heard::TooLate;
        }
        let known = self.senders.entry(sent.by.clone()).or_default();
        if sent.number <= known.number {
            return Heard::Before;
        }
        *known = Sender { number: sent.number, made_ms: sent.made_ms };
        self.heard.insert(sent.by.clone());
        Heard::First
    }

    /// Clears the desk after what has changed is stored. Sums and senders stay, as far as they are few: who is alone in
    /// changing the store needs not read them again.
    pub fn tidy(&mut self) {
        self.attempts.clear();
        self.changed.clear();
        self.moved.clear();
        self.heard.clear();
        if self.counters.len() > KEPT_PLACES {
            self.counters.clear();
        }
        if self.senders.len() > KEPT_PLACES {
            self.senders.clear();
        }
    }

    /// Closes what is overdue and forgets what is old enough; returns what was forgotten.
    pub fn sweep(&mut self, now_ms: u64) -> Vec<Key> {
        let due: Vec<Key> =
            self.attempts.iter().filter(|(_, a)| a.due_ms() <= now_ms).map(|(k, _)| k.clone()).collect();
        let mut forgotten = Vec::new();
        for key in due {
            match self.attempts.get(&key) {
                Some(open) if open.end.is_none() => {
                    let expired = Attempt { opened: open.opened.clone(), end: Some(End::Expired), ended_ms: now_ms };
                    self.put(key, expired);
                }
                _ => {
                    self.attempts.remove(&key);
                    self.changed.remove(&key);
                    forgotten.push(key);
                }
            }
        }
        forgotten
    }

    /// Sums and attempts that differ from what was loaded.
    pub fn changes(&self) -> (impl Iterator<Item = (&Key, &Attempt)>, impl Iterator<Item = (&Place, &Counters)>) {
        (
            self.changed.iter().filter_map(|key| self.attempts.get_key_value(key)),
            self.moved.iter().filter_map(|place| self.counters.get_key_value(place)),
        )
    }

    /// Senders of which something new was heard.
    pub fn heard(&self) -> impl Iterator<Item = (&String, &Sender)> {
        self.heard.iter().filter_map(|name| self.senders.get_key_value(name))
    }

    /// When the earliest of the changed attempts and senders is due, Unix ms.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let attempts = self.changes().0.map(|(_, attempt)| attempt.due_ms());
        attempts.chain(self.heard().map(|(_, sender)| sender.due_ms())).min()
    }

    /// The loaded sums, in order of day and model.
    pub fn counters(&self) -> impl Iterator<Item = (&Place, &Counters)> {
        self.counters.iter()
    }

    fn put(&mut self, key: Key, attempt: Attempt) -> bool {
        self.count(&attempt, Counters::add);
        if let Some(before) = self.attempts.insert(key.clone(), attempt) {
            self.count(&before, Counters::remove);
        }
        self.changed.insert(key);
        true
    }

    fn count(&mut self, attempt: &Attempt, how: fn(&mut Counters, &Counters)) {
        let place = attempt.opened.place();
        how(self.counters.entry(place.clone()).or_default(), &Counters::of(attempt));
        self.moved.insert(place);
    }
}

enum Heard {
    First,
    Before,
    TooLate,
}

#[cfg(test)]
mod tests;
