//! The ledger's books: which attempts are open and what is reserved for them, and what the others sum up to. One ledger
//! per principal.
//!
//! A sender (one isolate's life) numbers its batches and sends the next one when the last is acknowledged, so a number that
//! is not above the sender's last one is a repetition, and a batch counts once, whole. In it attempts that were over before
//! anything of them was told come as sums; all others are told by their open and their settle, each of which carries the
//! whole of what its attempt is:
//!
//! - an open whose attempt is known, open or over, changes nothing;
//! - a settle without its open is the attempt, and an open that comes after all is known for its follower;
//! - an attempt that is still open [`GRACE_MS`] after its deadline is closed with the estimate made before the call; if its
//!   settle comes after all, it replaces that estimate.
//!
//! Under a limit an attempt is opened by a grant ([`Book::grant`]), which no batch carries: the books know it by its key,
//! so that its repetition, or a release that overtakes it, does no harm. What is over is forgotten but for the sums; a sender
//! and what the clock closed are remembered for [`KEEP_MS`], and what is older than [`LATE_MS`] is refused. [`store`] has the
//! SQL; who runs it is the edge. Read `tests` first.

mod batch;
mod book;
mod grant;
mod rates;
pub mod shard;
mod sheet;
pub mod store;

use serde::{Deserialize, Serialize};

pub use batch::{Batch, Sent};
pub use book::{Book, Receipt, Sender};
pub use sheet::{Entry, Sheet, State};

use super::cost::Cost;
use super::day::day_of;
use crate::dialect::canonical::Usage;
use crate::money::picousd_text;

/// How long after its deadline an attempt may stay open.
pub const GRACE_MS: u64 = 60_000;
/// How long a sender, and an attempt that the clock has closed, are remembered.
pub const KEEP_MS: u64 = 24 * HOUR_MS;
/// Messages about attempts that began longer ago are refused. Shorter than [`KEEP_MS`] by more than clocks differ.
pub const LATE_MS: u64 = 23 * HOUR_MS;
/// Longest believable time between an attempt's start and its deadline.
const LONGEST_MS: u64 = 6 * HOUR_MS;
const HOUR_MS: u64 = 3_600_000;

/// A message to the ledger, as JSON one object: what is known of the attempt, `op`, and `settled` where it is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // moved a few times in its life, and made once per attempt
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
    /// An attempt was never sent: what was granted to it, if it was, is free again.
    Release {
        /// The attempt.
        #[serde(flatten)]
        opened: Opened,
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
    /// Kind of task; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub task: String,
    /// Version of the price table in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_version: Option<String>,
    /// What it is expected to use and cost.
    pub estimate: Estimate,
    /// What it was granted, under a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Reserved>,
    /// The shard that keeps it; 0 = the principal's first ledger.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub shard: u32,
}

/// What an attempt is expected to use and cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// Expected tokens.
    pub usage: Usage,
    /// Expected cost.
    pub cost: Cost,
}

/// What is kept free for an attempt until it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Picodollars.
    #[serde(with = "picousd_text")]
    pub picousd: u64,
    /// Tokens.
    pub tokens: u64,
    /// It comes out of a slice that was lent to the isolate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sliced: bool,
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
    /// Reads a message's JSON: twice, for its kind and for the attempt. What serde derives for such a shape puts every member
    /// into a list first, and reads that.
    ///
    /// # Errors
    /// The sender's: no message.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum Op {
            Open,
            Settle,
            Release,
        }
        #[derive(Deserialize)]
        struct Kind {
            op: Op,
            settled: Option<Settled>,
        }
        let Kind { op, settled } = crate::json::from_str(text)?;
        let opened = crate::json::from_str(text)?;
        match (op, settled) {
            (Op::Open, _) => Ok(Self::Open { opened }),
            (Op::Release, _) => Ok(Self::Release { opened }),
            (Op::Settle, Some(settled)) => Ok(Self::Settle { opened, settled }),
            (Op::Settle, None) => Err(serde::de::Error::missing_field("settled")),
        }
    }

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
            Self::Open { opened } | Self::Settle { opened, .. } | Self::Release { opened } => opened,
        }
    }
}

/// A request id and the attempt's counter.
pub type Key = (String, u32);
/// A UTC day, `provider/model` and the kind of task: where an attempt is counted.
pub type Place = (String, String, String);

impl Opened {
    /// What it is known by.
    #[must_use]
    pub fn key(&self) -> Key {
        (self.id.clone(), self.attempt)
    }

    /// `provider/model`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.provider, self.model)
    }

    /// Where it is counted.
    #[must_use]
    pub fn place(&self) -> Place {
        (day_of(self.ts_ms), self.name(), self.task.clone())
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // what serde passes
fn is_zero(shard: &u32) -> bool {
    *shard == 0
}

/// [`KEEP_MS`] later, on a whole hour, so that a busy ledger wakes once an hour for it.
fn forgotten_at(ended_ms: u64) -> u64 {
    (ended_ms.saturating_add(KEEP_MS) / HOUR_MS).saturating_add(1).saturating_mul(HOUR_MS)
}

#[cfg(test)]
mod tests;
