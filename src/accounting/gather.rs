//! What this isolate has to tell the ledgers, gathered per principal for a few milliseconds: an object call costs more than
//! the rest of a request (`workers.md` §2c).
//!
//! An attempt that is over before its open has gone out is only counted: it becomes part of a sum, and a thousand of them
//! cost the ledger as much as one. All others are told singly, by their open and their settle.
//!
//! Whoever pushes a row and is told to flush waits [`WINDOW_MS`], sends what [`Gatherer::take`] gives, reports
//! [`Gatherer::taken`] or [`Gatherer::refused`], and does so again until nothing is left. That duty is a lease, not a flag: a
//! request whose handler is dropped never gives anything back, and the next push after the lease takes over. A batch that is
//! not acknowledged stays as it is and goes first: the ledger knows it by its number. What is lost with an isolate is at most
//! one window of rows; the sender states and measures that.
//!
//! Under a limit the ledger may lend an isolate that asks often a slice of what is left. Attempts that it pays for need not
//! ask; what has been taken out of it or put back goes along with the next batch.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

use super::counters::Counters;
use super::ledger::{Batch, Opened, Place, Row, Sent, Settled};
use super::limit::Slice;
use crate::sorted::Map;

/// How long rows are gathered.
pub const WINDOW_MS: u64 = 20;
/// How long a flusher is believed to be alive.
const LEASE_MS: u64 = 500;
/// Rows in one call.
const BATCH_ROWS: usize = 500;
/// How far back an attempt's open is looked for when it is settled.
const LOOK_BACK_ROWS: usize = 256;
/// Rows kept for one principal whose ledger does not answer; beyond it the oldest go and are counted.
const KEPT_ROWS: usize = 10_000;

/// What all principals of this isolate have used.
#[derive(Debug)]
pub struct Gatherer {
    sender: String,
    batches: u64,
    queues: HashMap<String, Queue>,
    /// Rows given up since the isolate began: attempts that no ledger will know.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Whole attempts that no row has spoken of.
    sums: Vec<(Place, Counters)>,
    rows: Vec<Row>,
    /// Sent and not acknowledged.
    pending: Option<Pending>,
    /// What is lent to this isolate, by model.
    slices: Map<String, Held>,
    lease_until_ms: u64,
}

/// A slice in use.
#[derive(Debug, Default)]
struct Held {
    free: u64,
    until_ms: u64,
    /// The bounds under which it was lent: for requests under others it does not hold.
    bounds: String,
    /// Taken out since the last batch, less what was put back.
    untold: i64,
}

/// A batch on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its number.
    pub number: u64,
    /// The body of `POST /rows`.
    pub body: Rc<str>,
}

impl Gatherer {
    /// An isolate's gatherer. `sender` tells it from all others.
    #[must_use]
    pub fn new(sender: u64) -> Self {
        Self { sender: format!("{sender:016x}"), batches: 0, queues: HashMap::new(), lost: 0 }
    }

    /// Adds a row. `true`: the caller is this principal's flusher, waits [`WINDOW_MS`] and then sends what
    /// [`Gatherer::take`] gives until it gives nothing.
    #[must_use]
    pub fn push(&mut self, principal: &str, row: Row, now_ms: u64) -> bool {
        let queue = match self.queues.get_mut(principal) {
            Some(queue) => queue,
            None => self.queues.entry(principal.to_owned()).or_default(),
        };
        queue.push(row);
        self.lost += queue.trim();
        let flusher = queue.lease_until_ms <= now_ms;
        if flusher {
            queue.lease_until_ms = now_ms.saturating_add(LEASE_MS);
        }
        flusher
    }

    /// The batch to send, which renews the lease; `None` ends the flusher's duty.
    pub fn take(&mut self, principal: &str, now_ms: u64) -> Option<Pending> {
        let queue = self.queues.get_mut(principal)?;
        if queue.pending.is_none() {
            if queue.rows.is_empty() && queue.sums.is_empty() {
                queue.slices.retain(|_, held| now_ms < held.until_ms);
                if queue.slices.is_empty() {
                    self.queues.remove(principal);
                } else {
                    queue.lease_until_ms = 0;
                }
                return None;
            }
            self.batches = self.batches.saturating_add(1);
            let sent = Sent { by: self.sender.clone(), number: self.batches, made_ms: now_ms };
            queue.pending = Some(queue.batch(sent));
        }
        queue.lease_until_ms = now_ms.saturating_add(LEASE_MS);
        queue.pending.clone()
    }

    /// This isolate's name.
    #[must_use]
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Takes an attempt's reservation out of what is lent to this isolate; `false`: the ledger has to be asked.
    pub fn draw(&mut self, principal: &str, model: &str, bounds: &str, picousd: u64, now_ms: u64) -> bool {
        let held = self.queues.get_mut(principal).and_then(|queue| queue.slices.get_mut(model));
        let Some(held) = held.filter(|held| now_ms < held.until_ms && held.bounds == bounds) else { return false };
        let Some(free) = held.free.checked_sub(picousd) else { return false };
        held.free = free;
        held.untold = held.untold.saturating_add_unsigned(picousd);
        true
    }

    /// The ledger has lent a slice to one who asked at `asked_ms`.
    pub fn lend(&mut self, principal: &str, model: &str, bounds: &str, slice: Slice, asked_ms: u64) {
        let queue = self.queues.entry(principal.to_owned()).or_default();
        let held = queue.slices.entry(model.to_owned()).or_default();
        if held.bounds != bounds {
            // What is left of the other one runs out at the ledger.
            (held.free, held.bounds) = (0, bounds.to_owned());
        }
        held.free = held.free.saturating_add(slice.picousd);
        held.until_ms = asked_ms.saturating_add(slice.ms);
    }

    /// A batch has been acknowledged.
    pub fn taken(&mut self, principal: &str, number: u64) {
        if let Some(queue) = self.queues.get_mut(principal) {
            queue.pending.take_if(|pending| pending.number == number);
        }
    }

    /// A batch could not be delivered, as far as one knows. It goes out again with the next push.
    pub fn refused(&mut self, principal: &str) {
        if let Some(queue) = self.queues.get_mut(principal) {
            queue.lease_until_ms = 0;
        }
    }
}

impl Queue {
    fn push(&mut self, row: Row) {
        let Row::Settle { opened, settled } = row else { return self.rows.push(row) };
        self.put_back(&opened, &settled);
        let its_open = |earlier: &Row| match earlier {
            Row::Open { opened: begun } => opened.attempt == begun.attempt && opened.id == begun.id,
            Row::Settle { .. } | Row::Release { .. } => false,
        };
        let back = self.rows.iter().rev().take(LOOK_BACK_ROWS).position(its_open);
        match back.and_then(|back| self.rows.len().checked_sub(back + 1)) {
            Some(at) => {
                self.rows.remove(at);
                self.count(opened.place(), &Counters::settled(&opened, &settled));
            }
            None => self.rows.push(Row::Settle { opened, settled }),
        }
    }

    /// What an attempt has left over of its reservation goes back into the slice that it came from.
    fn put_back(&mut self, opened: &Opened, settled: &Settled) {
        let Some(reserved) = opened.reserved.filter(|reserved| reserved.sliced) else { return };
        let Some(held) = self.slices.get_mut(&opened.name()) else { return };
        let cost = settled.cost.picousd().unwrap_or(reserved.picousd);
        held.free = held.free.saturating_add(reserved.picousd).saturating_sub(cost);
        held.untold = held.untold.saturating_sub_unsigned(reserved.picousd).saturating_add_unsigned(cost);
    }

    fn count(&mut self, place: Place, own: &Counters) {
        match self.sums.iter_mut().find(|(counted, _)| *counted == place) {
            Some((_, sum)) => sum.add(own),
            None => self.sums.push((place, own.clone())),
        }
    }

    fn batch(&mut self, sent: Sent) -> Pending {
        let rest = self.rows.split_off(self.rows.len().min(BATCH_ROWS));
        let rows = mem::replace(&mut self.rows, rest);
        let untold = self.slices.iter_mut().map(|(model, held)| (model.clone(), mem::take(&mut held.untold)));
        let used = untold.filter(|(_, picousd)| *picousd != 0).collect();
        let batch = Batch { sent, sums: mem::take(&mut self.sums), rows, used, malformed: 0 };
        Pending { number: batch.sent.number, body: batch.write().into() }
    }

    fn trim(&mut self) -> u64 {
        let surplus = self.rows.len().saturating_sub(KEPT_ROWS);
        self.rows.drain(..surplus);
        surplus as u64
    }
}

#[cfg(test)]
mod tests;
