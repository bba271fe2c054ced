//! What a sender tells a ledger in one call.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Place, Row};
use crate::accounting::counters::Counters;
use crate::json;

/// A batch as it arrives.
#[derive(Debug, Default)]
pub struct Batch {
    /// Who sent it.
    pub sent: Sent,
    /// Attempts that were told for the first time when they were over, summed by where they are counted.
    pub sums: Vec<(Place, Counters)>,
    /// Messages about single attempts, those that can be read, in order.
    pub rows: Vec<Row>,
    /// By model: picodollars that the sender has taken out of its slice since its last batch, less what it has put back.
    pub used: Vec<(String, i64)>,
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
            #[serde(borrow)]
            sums: Vec<&'a RawValue>,
            #[serde(borrow)]
            rows: Vec<&'a RawValue>,
            #[serde(default)]
            used: Vec<(String, String)>,
        }
        let Envelope { sent, sums, rows, used } = json::from_slice(body)?;
        let sums = sums.into_iter().map(|raw| summed(raw.get())).collect::<Result<_, _>>()?;
        let mut batch = Self { sent, sums, ..Self::default() };
        for raw in rows {
            match Row::read(raw.get()) {
                Ok(row) => batch.rows.push(row),
                Err(_) => batch.malformed += 1,
            }
        }
        for (model, picousd) in used {
            match picousd.parse() {
                Ok(picousd) => batch.used.push((model, picousd)),
                Err(_) => batch.malformed += 1,
            }
        }
        Ok(batch)
    }

    /// The body of `POST /rows`: `{"sent":{"by","number","made_ms"},"sums":[[day,model,task,counters]],"rows":[…],
    /// "used":[[model,picousd]]}`.
    #[must_use]
    pub fn write(&self) -> String {
        #[derive(Serialize)]
        struct Envelope<'a> {
            sent: &'a Sent,
            sums: Vec<(&'a str, &'a str, &'a str, &'a Counters)>,
            rows: &'a [Row],
            #[serde(skip_serializing_if = "Vec::is_empty")]
            used: Vec<(&'a str, String)>,
        }
        let sums = self.sums.iter().map(|((day, model, task), sum)| (day.as_str(), model.as_str(), task.as_str(), sum));
        let used = self.used.iter().map(|(model, picousd)| (model.as_str(), picousd.to_string()));
        // These types hold nothing that JSON cannot say.
        serde_json::to_string(&Envelope {
            sent: &self.sent,
            sums: sums.collect(),
            rows: &self.rows,
            used: used.collect(),
        })
        .unwrap_or_default()
    }
}

/// A sum with its place. Senders of an earlier version know no tasks.
fn summed(text: &str) -> Result<(Place, Counters), serde_json::Error> {
    if let Ok((day, model, task, sum)) = json::from_str(text) {
        return Ok(((day, model, task), sum));
    }
    json::from_str(text).map(|(day, model, sum)| ((day, model, String::new()), sum))
}
