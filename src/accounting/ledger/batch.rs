//! What a sender tells a ledger in one call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Counters, Key, Place, Row};

/// A batch as it arrives.
#[derive(Debug, Default)]
pub struct Batch {
    /// Who sent it.
    pub sent: Sent,
    /// Attempts that were told for the first time when they were over, summed by where they are counted.
    pub sums: Vec<(Place, Counters)>,
    /// Messages about single attempts, those that can be read, in order.
    pub rows: Vec<Row>,
    /// How many cannot be read.
    pub malformed: u64,
}

/// Which batch of which sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The sender: opaque, another one in each isolate.
    pub by: String,
    /// Counter of its batches, from 1. Greater in each new batch.
    pub number: u64,
    /// When it was made, Unix ms.
    pub made_ms: u64,
}

impl Batch {
    /// Reads what [`Batch::write`] wrote. One bad message does not cost the others their place in the books.
    ///
    /// # Errors
    /// The sender's: no batch.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Envelope<'a> {
            sent: Sent,
            sums: Vec<(String, String, Counters)>,
            #[serde(borrow)]
            rows: Vec<&'a RawValue>,
        }
        let Envelope { sent, sums, rows } = serde_json::from_slice(body)?;
        let sums = sums.into_iter().map(|(day, model, sum)| ((day, model), sum)).collect();
        let mut batch = Self { sent, sums, ..Self::default() };
        for raw in rows {
            match serde_json::from_str(raw.get()) {
                Ok(row) => batch.rows.push(row),
                Err(_) => batch.malformed += 1,
            }
        }
        Ok(batch)
    }

    /// The body of `POST /rows`: `{"sent":{"by","number","made_ms"},"sums":[[day,model,counters]],"rows":[…]}`.
    #[must_use]
    pub fn write(&self) -> String {
        #[derive(Serialize)]
        struct Envelope<'a> {
            sent: &'a Sent,
            sums: Vec<(&'a str, &'a str, &'a Counters)>,
            rows: &'a [Row],
        }
        let sums = self.sums.iter().map(|((day, model), sum)| (day.as_str(), model.as_str(), sum)).collect();
        // These types hold nothing that JSON cannot say.
        serde_json::to_string(&Envelope { sent: &self.sent, sums, rows: &self.rows }).unwrap_or_default()
    }

    /// The attempts it speaks of singly.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<Key> {
        self.rows.iter().map(|row| (row.opened().id.clone(), row.opened().attempt)).collect()
    }
}
