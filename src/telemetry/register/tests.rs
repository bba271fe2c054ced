use super::*;
use crate::dialect::canonical::Usage;
use crate::telemetry::record::{AttemptRecord, RequestRecord};

const NOON: u64 = 1_800_000_000_000;

fn request(principal: &str, picousd: u64, ended_ms: u64) -> RequestRecord {
    let attempt = AttemptRecord {
        provider: "acme".into(),
        model: "big".into(),
        listed: true,
        outcome: "200".into(),
        usage: Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() },
        cost: Some(Cost::Exact { picousd }),
        ..AttemptRecord::default()
    };
    RequestRecord {
        request_id: format!("req_{ended_ms}"),
        principal: principal.into(),
        route: "/v1/chat/completions".into(),
        operation: "chat".into(),
        started_ms: ended_ms - 100,
        duration_ms: 100,
        ttft_ms: Some(40),
        status: 200,
        attempts: vec![attempt],
        ..RequestRecord::default()
    }
}

fn push(from: u64, number: u64, records: Vec<RequestRecord>) -> Push {
    let mut part = Register::default();
    for record in records {
        part.count(&record);
        part.show(record);
    }
    Push { from, number, part: part.into_part() }
}

fn of(register: &Register, by: By) -> Vec<(String, u64, u64)> {
    let rows = register.days().filter(|(_, found, _, _)| *found == by);
    rows.map(|(_, _, key, sums)| (key.to_owned(), sums.requests, sums.picousd)).collect()
}

#[test]
fn what_two_isolates_tell_adds_up_and_a_repeated_message_counts_once() {
    let mut register = Register::default();
    assert!(register.take(push(1, 1, vec![request("a", 7, NOON)])));
    assert!(register.take(push(2, 1, vec![request("a", 5, NOON), request("b", 1, NOON + 1)])));
    assert!(!register.take(push(2, 1, vec![request("a", 5, NOON)])));
    assert_eq!(of(&register, By::Principal), [("a".into(), 2, 12), ("b".into(), 1, 1)]);
    assert_eq!(of(&register, By::Model), [("acme/big".into(), 3, 13)]);
    assert_eq!(register.recent(0).count(), 3);
    assert_eq!(register.recent(NOON).count(), 1, "those that came after");
}

#[test]
fn whoever_reads_pages_is_neither_counted_nor_listed_but_in_the_metrics() {
    let page = |method: &str, error: Option<&str>| RequestRecord {
        method: method.to_owned(),
        route: "/v1/stats".into(),
        error: error.map(str::to_owned),
        ..RequestRecord::default()
    };
    let (read, refused) = (page("GET", None), page("POST", Some("invalid_api_key")));
    let mut register = Register::default();
    for record in [read.clone(), page("GET", Some("invalid_api_key")), refused, request("a", 1, 100)] {
        register.count(&record);
    }
    assert_eq!(register.days().find(|(_, by, _, _)| *by == By::All).map(|(_, _, _, sums)| sums.requests), Some(2));
    let mut meter = Meter::default();
    meter.count(&read);
    assert!(!meter.is_empty());
}

#[test]
fn it_is_the_same_after_it_was_written_down_and_read_back() {
    let mut register = Register::default();
    let mut open = request("a", 7, NOON);
    open.attempts[0].circuit = Some("opened".into());
    register.take(push(1, 1, vec![open, request("b", 2, NOON + 60_000)]));
    let first = register.changed();
    register.take(push(1, 2, vec![request("a", 1, NOON + 5)]));
    let second = register.changed();
    assert!(second.rows.iter().all(|((_, _, key), _)| key != "b"), "only what has changed is written again");
    let mut rows: Map<RowKey, Sums> = first.rows.into_iter().collect();
    rows.extend(second.rows);
    let mut minutes: Map<u64, Sums> = first.minutes.into_iter().collect();
    minutes.extend(second.minutes);
    let json = serde_json::to_string(&second.rest).unwrap();
    let mut read = Register::restored(
        rows.into_iter().collect(),
        minutes.into_iter().collect(),
        serde_json::from_str(&json).unwrap(),
    );
    assert_eq!(of(&read, By::Principal), of(&register, By::Principal));
    assert_eq!((read.meter.clone(), read.gauges()), (register.meter.clone(), register.gauges()));
    assert!(!read.take(push(1, 2, vec![request("a", 1, NOON + 5)])), "and it knows what it has");
}

#[test]
fn it_is_bounded_whatever_comes() {
    let mut register = Register::default();
    for n in 0..2_000 {
        register.take(push(n, 1, vec![request(&format!("caller {n}"), 1, NOON + n)]));
    }
    assert_eq!(register.recent(0).count(), MOST_RECENT);
    let principals = of(&register, By::Principal);
    assert!(principals.len() <= MOST_KEYS + 1, "{}", principals.len());
    assert_eq!(principals.iter().map(|(_, requests, _)| requests).sum::<u64>(), 2_000, "nothing is lost by it");
    register.forget(NOON + 40 * DAY_MS);
    assert_eq!((register.days().count(), register.minutes().count()), (0, 0));
}

#[test]
fn shards_are_told_of_as_one() {
    let (mut one, mut other) = (Register::default(), Register::default());
    one.take(push(1, 1, vec![request("a", 1, NOON + 2)]));
    other.take(push(2, 1, vec![request("a", 2, NOON + 1)]));
    one.merge(other);
    assert_eq!(of(&one, By::All), [(String::new(), 2, 3)]);
    let order: Vec<&str> = one.recent(0).map(|record| record.request_id.as_str()).collect();
    assert_eq!(order, [format!("req_{}", NOON + 2), format!("req_{}", NOON + 1)]);
}

#[test]
fn rows_that_are_written_are_read_back() {
    let mut register = Register::default();
    register.take(push(1, 1, vec![request("a/b", 7, NOON), request("c", 1, NOON)]));
    let statements = stored::statements(&register.changed(), 0);
    let column = |at: usize| -> Vec<String> {
        let rows: Vec<Vec<serde_json::Value>> = serde_json::from_str(&statements[at].1).unwrap();
        rows.into_iter().map(|row| row.last().unwrap().as_str().unwrap().to_owned()).collect()
    };
    let read = stored::restored(&column(0), &column(1), &column(2));
    assert_eq!(of(&read, By::Principal), of(&register, By::Principal));
    assert_eq!((read.recent(0).count(), read.meter.clone()), (2, register.meter.clone()));
    let unreadable = stored::restored(&["{".to_owned()], &["[1]".to_owned()], &[String::new()]);
    assert_eq!((unreadable.days().count(), unreadable.recent(0).count()), (0, 0));
}
