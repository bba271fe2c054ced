//! Rows on their way to the ledgers, gathered per principal for a few milliseconds: an object call costs more than the rest
//! of a request (`workers.md` §2c).
//!
//! An attempt that is over before its open has gone out is told in one row: a settle repeats what its open said.
//!
//! Whoever pushes a row and is told to flush waits [`WINDOW_MS`], takes the batch and sends it, and again until nothing is
//! left. That duty is a lease, not a flag: a request whose handler is dropped never gives anything back, and the next push after the lease takes over. What
//! is lost with an isolate is at most one window of rows; the sender states and measures that.

use std::collections::BTreeMap;

use super::ledger::Row;

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

/// The rows of all principals in this isolate.
#[derive(Debug, Default)]
pub struct Gatherer {
    queues: BTreeMap<String, Queue>,
    /// Rows given up since the isolate began: attempts that no ledger will know.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Queue {
    rows: Vec<Row>,
    lease_until_ms: u64,
}

/// Rows for one call, in the order in which they were pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Bundle {
    /// In the order in which they were pushed.
    pub rows: Vec<Row>,
}

impl Bundle {
    /// The body of `POST /rows`.
    #[must_use]
    pub fn body(&self) -> String {
        const USUAL_ROW_BYTES: usize = 512;
        let mut body = String::with_capacity(self.rows.len() * USUAL_ROW_BYTES + 12);
        body.push_str("{\"rows\":[");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            body.push_str(&row.to_json());
        }
        body.push_str("]}");
        body
    }
}

impl Gatherer {
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

    /// Takes a batch, which renews the lease; `None` ends the flusher's duty.
    pub fn take(&mut self, principal: &str, now_ms: u64) -> Option<Bundle> {
        let queue = self.queues.get_mut(principal)?;
        if queue.rows.is_empty() {
            self.queues.remove(principal);
            return None;
        }
        queue.lease_until_ms = now_ms.saturating_add(LEASE_MS);
        let rest = queue.rows.split_off(queue.rows.len().min(BATCH_ROWS));
        Some(Bundle { rows: std::mem::replace(&mut queue.rows, rest) })
    }

    /// Takes back a batch that could not be delivered, to go out with the next push. The ledger ignores repetitions, so
    /// a batch that did arrive does no harm.
    pub fn put_back(&mut self, principal: &str, mut bundle: Bundle) {
        let queue = self.queues.entry(principal.to_owned()).or_default();
        bundle.rows.append(&mut queue.rows);
        queue.rows = bundle.rows;
        queue.lease_until_ms = 0;
        self.lost += queue.trim();
    }
}

impl Queue {
    fn push(&mut self, row: Row) {
        let same = |earlier: &Row| match (&row, earlier) {
            (Row::Settle { opened, .. }, Row::Open { opened: begun }) => {
                opened.attempt == begun.attempt && opened.id == begun.id
            }
            _ => false,
        };
        let found = self.rows.iter().rev().take(LOOK_BACK_ROWS).position(same);
        if let Some(slot) = found.and_then(|back| self.rows.iter_mut().rev().nth(back)) {
            *slot = row;
        } else {
            self.rows.push(row);
        }
    }

    fn trim(&mut self) -> u64 {
        let surplus = self.rows.len().saturating_sub(KEPT_ROWS);
        self.rows.drain(..surplus);
        surplus as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::ledger::{Estimate, Opened, Settled};
    use crate::accounting::{Cost, Outcome};
    use crate::dialect::canonical::Usage;

    fn row(id: &str) -> Row {
        Row::Open { opened: opened(id) }
    }

    fn opened(id: &str) -> Opened {
        Opened {
            id: id.to_owned(),
            attempt: 1,
            ts_ms: 0,
            deadline_ms: 0,
            provider: "p".to_owned(),
            model: "m".to_owned(),
            price_version: None,
            estimate: Estimate { usage: Usage::default(), cost: Cost::NOTHING },
        }
    }

    fn settle(id: &str) -> Row {
        let settled =
            Settled { usage: Usage::default(), cost: Cost::NOTHING, outcome: Outcome::Completed, duration_ms: 1 };
        Row::Settle { opened: opened(id), settled }
    }

    fn ids(bundle: Option<Bundle>) -> Vec<String> {
        let id = |row: Row| match row {
            Row::Open { opened } => opened.id,
            Row::Settle { opened, .. } => format!("{} settled", opened.id),
        };
        bundle.map(|b| b.rows.into_iter().map(id).collect()).unwrap_or_default()
    }

    #[test]
    fn one_flusher_per_principal_sends_everything_in_order() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", row("1"), 0));
        assert!(!gatherer.push("a", row("2"), 5));
        assert!(gatherer.push("b", row("3"), 5), "each principal has its own ledger");
        let bundle = gatherer.take("a", 0).unwrap();
        assert_eq!(bundle.body(), format!(r#"{{"rows":[{},{}]}}"#, row("1").to_json(), row("2").to_json()));
        assert_eq!(gatherer.take("a", 0), None);
        assert!(gatherer.push("a", row("4"), 25), "after the duty ends the next push has it");
        assert_eq!(ids(gatherer.take("b", 0)), ["3"]);
    }

    #[test]
    fn an_attempt_that_is_over_before_its_open_goes_out_is_told_once() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", row("1"), 0));
        assert!(!gatherer.push("a", row("2"), 0));
        assert!(!gatherer.push("a", settle("1"), 5));
        assert_eq!(ids(gatherer.take("a", 0)), ["1 settled", "2"]);
        assert!(!gatherer.push("a", settle("2"), 30));
        assert_eq!(ids(gatherer.take("a", 0)), ["2 settled"], "an open that is under way is not taken back");
    }

    #[test]
    fn rows_pushed_while_a_batch_is_under_way_go_out_with_the_same_flusher() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", row("1"), 0));
        assert_eq!(ids(gatherer.take("a", 0)), ["1"]);
        assert!(!gatherer.push("a", row("2"), 30));
        assert_eq!(ids(gatherer.take("a", 0)), ["2"]);
        assert_eq!(gatherer.take("a", 0), None);
    }

    #[test]
    fn a_flusher_that_died_is_replaced() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", row("1"), 0));
        assert!(!gatherer.push("a", row("2"), LEASE_MS - 1));
        assert!(gatherer.push("a", row("3"), LEASE_MS));
        assert_eq!(ids(gatherer.take("a", LEASE_MS)), ["1", "2", "3"]);
        assert!(!gatherer.push("a", row("4"), 2 * LEASE_MS - 1), "whoever sends is alive");
        assert!(gatherer.push("a", row("5"), 2 * LEASE_MS));
    }

    #[test]
    fn a_batch_that_failed_goes_first_next_time() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", row("1"), 0));
        let bundle = gatherer.take("a", 0).unwrap();
        assert!(!gatherer.push("a", row("2"), 1));
        gatherer.put_back("a", bundle);
        assert!(gatherer.push("a", row("3"), 2));
        assert_eq!(ids(gatherer.take("a", 0)), ["1", "2", "3"]);
    }

    #[test]
    fn batches_and_memory_are_bounded_and_losses_are_counted() {
        let mut gatherer = Gatherer::default();
        for n in 0..KEPT_ROWS + 3 {
            let _ = gatherer.push("a", row(&n.to_string()), 0);
        }
        assert_eq!(gatherer.lost, 3);
        let first = ids(gatherer.take("a", 0));
        assert_eq!((first.len(), first[0].as_str()), (BATCH_ROWS, "3"));
        let mut left = 0;
        while let Some(bundle) = gatherer.take("a", 0) {
            left += bundle.rows.len();
        }
        assert_eq!(left, KEPT_ROWS - BATCH_ROWS);
    }
}
