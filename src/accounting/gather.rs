//! Rows on their way to the ledgers, gathered per principal for a few milliseconds: an object call costs more than the rest
//! of a request (`workers.md` §2c).
//!
//! Whoever pushes a row and is told to flush waits [`WINDOW_MS`], takes the batch and sends it. That duty is a lease, not a
//! flag: a request whose handler is dropped never gives anything back, and the next push after the lease takes over. What
//! is lost with an isolate is at most one window of rows; the sender states and measures that.

use std::collections::BTreeMap;

/// How long rows are gathered.
pub const WINDOW_MS: u64 = 20;
/// How long a flusher is believed to be alive.
const LEASE_MS: u64 = 500;
/// Rows in one call.
const BATCH_ROWS: usize = 500;
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
    rows: Vec<String>,
    lease_until_ms: u64,
}

/// Rows for one call, in the order in which they were pushed.
#[derive(Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Each a [`super::ledger::Row`]'s JSON.
    pub rows: Vec<String>,
}

impl Bundle {
    /// The body of `POST /rows`.
    #[must_use]
    pub fn body(&self) -> String {
        let size = self.rows.iter().map(|row| row.len() + 1).sum::<usize>();
        let mut body = String::with_capacity(size + 12);
        body.push_str("{\"rows\":[");
        for (at, row) in self.rows.iter().enumerate() {
            if at > 0 {
                body.push(',');
            }
            body.push_str(row);
        }
        body.push_str("]}");
        body
    }
}

impl Gatherer {
    /// Adds a row. `true`: the caller is this principal's flusher, waits [`WINDOW_MS`] and then sends what
    /// [`Gatherer::take`] gives until it gives nothing.
    #[must_use]
    pub fn push(&mut self, principal: &str, row: String, now_ms: u64) -> bool {
        let queue = match self.queues.get_mut(principal) {
            Some(queue) => queue,
            None => self.queues.entry(principal.to_owned()).or_default(),
        };
        queue.rows.push(row);
        self.lost += queue.trim();
        let flusher = queue.lease_until_ms <= now_ms;
        if flusher {
            queue.lease_until_ms = now_ms.saturating_add(LEASE_MS);
        }
        flusher
    }

    /// Takes a batch; `None` ends the flusher's duty.
    pub fn take(&mut self, principal: &str) -> Option<Bundle> {
        let queue = self.queues.get_mut(principal)?;
        if queue.rows.is_empty() {
            self.queues.remove(principal);
            return None;
        }
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
    fn trim(&mut self) -> u64 {
        let surplus = self.rows.len().saturating_sub(KEPT_ROWS);
        self.rows.drain(..surplus);
        surplus as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bundle: Option<Bundle>) -> Vec<String> {
        bundle.map(|b| b.rows).unwrap_or_default()
    }

    #[test]
    fn one_flusher_per_principal_sends_everything_in_order() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", "1".into(), 0));
        assert!(!gatherer.push("a", "2".into(), 5));
        assert!(gatherer.push("b", "3".into(), 5), "each principal has its own ledger");
        let bundle = gatherer.take("a").unwrap();
        assert_eq!(bundle.body(), r#"{"rows":[1,2]}"#);
        assert_eq!(gatherer.take("a"), None);
        assert!(gatherer.push("a", "4".into(), 25), "after the duty ends the next push has it");
        assert_eq!(rows(gatherer.take("b")), ["3"]);
    }

    #[test]
    fn rows_pushed_while_a_batch_is_under_way_go_out_with_the_same_flusher() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", "1".into(), 0));
        assert_eq!(rows(gatherer.take("a")), ["1"]);
        assert!(!gatherer.push("a", "2".into(), 30));
        assert_eq!(rows(gatherer.take("a")), ["2"]);
        assert_eq!(gatherer.take("a"), None);
    }

    #[test]
    fn a_flusher_that_died_is_replaced() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", "1".into(), 0));
        assert!(!gatherer.push("a", "2".into(), LEASE_MS - 1));
        assert!(gatherer.push("a", "3".into(), LEASE_MS));
        assert_eq!(rows(gatherer.take("a")), ["1", "2", "3"]);
    }

    #[test]
    fn a_batch_that_failed_goes_first_next_time() {
        let mut gatherer = Gatherer::default();
        assert!(gatherer.push("a", "1".into(), 0));
        let bundle = gatherer.take("a").unwrap();
        assert!(!gatherer.push("a", "2".into(), 1));
        gatherer.put_back("a", bundle);
        assert!(gatherer.push("a", "3".into(), 2));
        assert_eq!(rows(gatherer.take("a")), ["1", "2", "3"]);
    }

    #[test]
    fn batches_and_memory_are_bounded_and_losses_are_counted() {
        let mut gatherer = Gatherer::default();
        for n in 0..KEPT_ROWS + 3 {
            let _ = gatherer.push("a", n.to_string(), 0);
        }
        assert_eq!(gatherer.lost, 3);
        let first = rows(gatherer.take("a"));
        assert_eq!((first.len(), first[0].as_str()), (BATCH_ROWS, "3"));
        let mut left = 0;
        while let Some(bundle) = gatherer.take("a") {
            left += bundle.rows.len();
        }
        assert_eq!(left, KEPT_ROWS - BATCH_ROWS);
    }
}
