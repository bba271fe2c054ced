use super::*;
use crate::accounting::ledger::{Book, Estimate, Opened, Settled};
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
        task: String::new(),
        price_version: None,
        estimate: Estimate { usage: Usage::default(), cost: Cost::NOTHING },
        reserved: None,
        shard: 0,
    }
}

fn settle(id: &str) -> Row {
    let cost = Cost::Exact { picousd: 7 };
    let settled = Settled { usage: Usage::default(), cost, outcome: Outcome::Completed, duration_ms: 1 };
    Row::Settle { opened: opened(id), settled }
}

fn read(pending: &Pending) -> Batch {
    Batch::parse(pending.body.as_bytes()).unwrap()
}

/// Takes a batch and acknowledges it: the attempts that it tells singly, and how many come summed.
fn ids(gatherer: &mut Gatherer, principal: &str, now_ms: u64) -> (Vec<String>, u64) {
    let Some(pending) = gatherer.take(principal, now_ms) else { return (Vec::new(), 0) };
    gatherer.taken(principal, pending.number);
    let batch = read(&pending);
    let id = |row: Row| match row {
        Row::Open { opened } => opened.id,
        Row::Settle { opened, .. } => format!("{} settled", opened.id),
        Row::Release { opened } => format!("{} released", opened.id),
    };
    (batch.rows.into_iter().map(id).collect(), batch.sums.iter().map(|(_, sum)| sum.attempts).sum())
}

fn told(singly: &[&str], summed: u64) -> (Vec<String>, u64) {
    (singly.iter().map(|id| (*id).to_owned()).collect(), summed)
}

#[test]
fn one_flusher_per_principal_sends_everything_in_order() {
    let mut gatherer = Gatherer::new(1);
    assert!(gatherer.push("a", row("1"), 0));
    assert!(!gatherer.push("a", row("2"), 5));
    assert!(gatherer.push("b", row("3"), 5), "each principal has its own ledger");
    assert_eq!(ids(&mut gatherer, "a", 0), told(&["1", "2"], 0));
    assert_eq!(gatherer.take("a", 0), None);
    assert!(gatherer.push("a", row("4"), 25), "after the duty ends the next push has it");
    assert_eq!(ids(&mut gatherer, "b", 0), told(&["3"], 0));
}

#[test]
fn an_attempt_that_is_over_before_its_open_goes_out_is_only_counted() {
    let mut gatherer = Gatherer::new(1);
    assert!(gatherer.push("a", row("1"), 0));
    assert!(!gatherer.push("a", row("2"), 0));
    assert!(!gatherer.push("a", settle("1"), 5));
    assert_eq!(ids(&mut gatherer, "a", 0), told(&["2"], 1));
    assert!(!gatherer.push("a", settle("2"), 30));
    assert_eq!(ids(&mut gatherer, "a", 0), told(&["2 settled"], 0), "an open that was sent is not taken back");
}

#[test]
fn sums_say_what_their_attempts_would_have_said() {
    let (mut gatherer, mut summed, mut singly) = (Gatherer::new(1), Book::default(), Book::default());
    for id in ["1", "2", "3"] {
        let _ = gatherer.push("a", row(id), 0);
        let _ = gatherer.push("a", settle(id), 0);
    }
    summed.enter(read(&gatherer.take("a", 0).unwrap()), 0);
    let rows = ["1", "2", "3"].into_iter().flat_map(|id| [row(id), settle(id)]).collect();
    let sent = Sent { by: "2".to_owned(), number: 1, made_ms: 0 };
    singly.enter(Batch { sent, rows, ..Batch::default() }, 0);
    assert_eq!(summed.counters().collect::<Vec<_>>(), singly.counters().collect::<Vec<_>>());
    assert_eq!(summed.counters().map(|(_, sum)| sum.attempts).sum::<u64>(), 3);
}

#[test]
fn rows_pushed_while_a_batch_is_under_way_go_out_with_the_same_flusher() {
    let mut gatherer = Gatherer::new(1);
    assert!(gatherer.push("a", row("1"), 0));
    let first = gatherer.take("a", 0).unwrap();
    assert!(!gatherer.push("a", row("2"), 30));
    gatherer.taken("a", first.number);
    assert_eq!(ids(&mut gatherer, "a", 0), told(&["2"], 0));
    assert_eq!(gatherer.take("a", 0), None);
}

#[test]
fn a_flusher_that_died_is_replaced() {
    let mut gatherer = Gatherer::new(1);
    assert!(gatherer.push("a", row("1"), 0));
    assert!(!gatherer.push("a", row("2"), LEASE_MS - 1));
    assert!(gatherer.push("a", row("3"), LEASE_MS));
    assert_eq!(ids(&mut gatherer, "a", LEASE_MS), told(&["1", "2", "3"], 0));
    assert!(!gatherer.push("a", row("4"), 2 * LEASE_MS - 1), "whoever sends is alive");
    assert!(gatherer.push("a", row("5"), 2 * LEASE_MS));
}

#[test]
fn a_batch_that_failed_goes_first_next_time_and_as_it_was() {
    let mut gatherer = Gatherer::new(1);
    assert!(gatherer.push("a", row("1"), 0));
    let sent = gatherer.take("a", 0).unwrap();
    assert!(!gatherer.push("a", settle("1"), 1));
    gatherer.refused("a");
    assert!(gatherer.push("a", row("3"), 2));
    assert_eq!(gatherer.take("a", 3), Some(sent.clone()), "it may have arrived all the same");
    gatherer.taken("a", sent.number);
    assert_eq!(ids(&mut gatherer, "a", 3), told(&["1 settled", "3"], 0));
}

#[test]
fn two_flushers_at_once_do_not_overtake_each_other() {
    let mut gatherer = Gatherer::new(1);
    let _ = gatherer.push("a", row("1"), 0);
    let one = gatherer.take("a", 0).unwrap();
    let _ = gatherer.push("a", row("2"), 0);
    assert_eq!(gatherer.take("a", 0), Some(one.clone()), "the second batch waits for the first one's acknowledgement");
    gatherer.taken("a", one.number);
    let two = gatherer.take("a", 0).unwrap();
    assert!(two.number > one.number);
    gatherer.taken("a", one.number);
    assert_eq!(gatherer.take("a", 0), Some(two), "a late acknowledgement speaks of its own batch only");
}

#[test]
fn batches_and_memory_are_bounded_and_losses_are_counted() {
    let mut gatherer = Gatherer::new(1);
    for n in 0..KEPT_ROWS + 3 {
        let _ = gatherer.push("a", row(&n.to_string()), 0);
    }
    assert_eq!(gatherer.lost, 3);
    let (first, _) = ids(&mut gatherer, "a", 0);
    assert_eq!((first.len(), first[0].as_str()), (BATCH_ROWS, "3"));
    let mut left = 0;
    loop {
        match ids(&mut gatherer, "a", 0) {
            (rows, 0) if rows.is_empty() => break,
            (rows, _) => left += rows.len(),
        }
    }
    assert_eq!(left, KEPT_ROWS - BATCH_ROWS);
}
