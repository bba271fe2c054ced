use super::*;
use crate::config::Config;
use crate::config::Mode;

fn settings(telemetry: &str) -> Telemetry {
    let overlay = format!(r#"{{"identity":{{"mode":"none"}},"telemetry":{telemetry}}}"#);
    Config::load(&[crate::config::DEFAULT, &overlay], Mode::Local, &|_| None).unwrap().telemetry
}

fn two_collectors() -> Telemetry {
    settings(
        r#"{"otlp":[{"endpoint":"http://127.0.0.1:1","encoding":"json"},
            {"endpoint":"http://127.0.0.1:2/otel","signals":["traces"],"flavour":"langfuse"}]}"#,
    )
}

fn record(n: u64) -> RequestRecord {
    RequestRecord {
        request_id: format!("req_{n}"),
        trace_id: format!("{n:032x}"),
        span_id: format!("{n:016x}"),
        method: "POST".into(),
        route: "/v1/chat/completions".into(),
        operation: "chat".into(),
        started_ms: 1_000 + n,
        duration_ms: 5,
        status: 200,
        ..RequestRecord::default()
    }
}

#[test]
fn one_of_many_flushes_and_each_collector_gets_what_it_takes() {
    let settings = two_collectors();
    let mut outbox = Outbox::new(7);
    assert!(outbox.push(record(1)));
    assert!(!outbox.push(record(2)), "somebody is about to flush");
    let (exports, push) = outbox.flush(&settings, 2_000);
    let told: Vec<(&str, &str, u64)> = exports.iter().map(|e| (e.url.as_str(), e.content_type, e.items)).collect();
    assert_eq!(
        told,
        [
            ("http://127.0.0.1:1/v1/traces", "application/json", 2),
            ("http://127.0.0.1:2/otel/v1/traces", "application/x-protobuf", 2)
        ]
    );
    assert_eq!(shown(push), 2);
    assert!(outbox.more(), "metrics wait for their interval");
    assert!(outbox.flush_metrics(&settings, 3_000, false).is_empty());
    let metrics = outbox.flush_metrics(&settings, 11_001, false);
    assert_eq!(metrics.iter().map(|e| e.url.as_str()).collect::<Vec<_>>(), ["http://127.0.0.1:1/v1/metrics"]);
    assert!(!outbox.more());
    assert!(outbox.push(record(3)), "a new flusher is wanted");
}

#[test]
fn what_does_not_fit_is_counted() {
    let settings = two_collectors();
    let mut outbox = Outbox::new(7);
    for n in 0..2_003 {
        outbox.push(record(n));
    }
    let (_, push) = outbox.flush(&settings, 2_000);
    let register = Register::from(push.clone().unwrap().part);
    assert_eq!((shown(push), requests(&register)), (MOST_SHOWN, 2_000), "the newest are shown, all are counted");
    assert_eq!(dropped(&register.meter), [("records".to_owned(), 3)]);
}

fn with_content(n: u64, text: &str) -> Told {
    use crate::telemetry::content::{Message, Part};
    let parts = vec![Part::Text { content: text.into() }];
    let input = vec![Message { role: "user", parts, finish_reason: None }];
    Told { record: record(n), content: Some(Box::new(Content { input, ..Content::default() })) }
}

#[test]
fn what_was_said_goes_to_the_collector_that_asks_for_it_and_nowhere_else() {
    let settings = settings(
        r#"{"otlp":[{"endpoint":"http://127.0.0.1:1"},{"endpoint":"http://127.0.0.1:2","content":true},
            {"endpoint":"http://127.0.0.1:3","content":true,"signals":["metrics"]}]}"#,
    );
    let mut outbox = Outbox::new(7);
    let mut told = with_content(1, "CANARY");
    told.record.attempts.push(Default::default());
    outbox.push(told);
    let (mut exports, push) = outbox.flush(&settings, 2_000);
    exports.extend(outbox.flush_metrics(&settings, 3_000, true));
    let has = |export: &&Export| export.body.windows(6).any(|part| part == b"CANARY");
    let holders: Vec<(usize, &str)> = exports.iter().filter(has).map(|e| (e.collector, e.signal)).collect();
    assert_eq!((exports.len(), holders), (5, vec![(1, "traces")]));
    assert!(!serde_json::to_string(&push).unwrap().contains("CANARY"), "nor to the register");
}

#[test]
fn content_that_does_not_fit_is_left_out_and_counted_and_its_record_is_not() {
    let settings = settings(r#"{"otlp":[{"endpoint":"http://127.0.0.1:1","content":true}]}"#);
    let mut outbox = Outbox::new(7);
    let long = "x".repeat(MOST_CONTENT_BYTES / 4);
    for n in 0..5 {
        outbox.push(with_content(n, &long));
    }
    let (exports, push) = outbox.flush(&settings, 2_000);
    assert_eq!(exports[0].items, 5);
    assert_eq!(dropped(&Register::from(push.unwrap().part).meter), [("content".to_owned(), 2)]);
    outbox.push(with_content(9, &long));
    let (_, push) = outbox.flush(&settings, 3_000);
    assert!(dropped(&Register::from(push.unwrap().part).meter).is_empty(), "what has gone makes room");
}

#[test]
fn what_nobody_takes_is_counted_with_the_next_message() {
    let settings = two_collectors();
    let mut outbox = Outbox::new(7);
    outbox.push(record(1));
    let (exports, push) = outbox.flush(&settings, 2_000);
    let (first, number) = (push.unwrap(), 1);
    assert_eq!(first.number, number);
    outbox.refused(first);
    outbox.dropped(&exports[0]);
    outbox.push(record(2));
    let (_, push) = outbox.flush(&settings, 3_000);
    assert_eq!((push.as_ref().unwrap().number, shown(push.clone())), (2, 2));
    let register = Register::from(push.unwrap().part);
    assert_eq!(dropped(&register.meter), [("traces".to_owned(), exports[0].items)]);
    assert_eq!(requests(&register), 2);
}

#[test]
fn only_what_can_pass_is_tried_again_and_not_for_ever() {
    assert_eq!(next(Some(200), None, 1, 0), Next::Done);
    assert_eq!(next(Some(400), None, 1, 0), Next::Drop, "our own fault does not pass");
    assert_eq!(next(Some(500), None, 1, 0), Next::Drop);
    for status in [None, Some(429), Some(502), Some(503), Some(504)] {
        assert!(matches!(next(status, None, 1, 9), Next::Again(500..=1_000)), "{status:?}");
        assert_eq!(next(status, None, TRIES, 9), Next::Drop);
    }
    assert_eq!(next(Some(503), Some(2_000), 1, 0), Next::Again(2_000));
    assert_eq!(next(Some(503), Some(60_000), 1, 0), Next::Drop, "no background work lives that long");
}

#[test]
fn without_a_register_nothing_is_told_to_it() {
    let settings = settings(r#"{"register":false}"#);
    let mut outbox = Outbox::new(1);
    outbox.push(record(1));
    assert_eq!(outbox.flush(&settings, 2_000), (Vec::new(), None));
    assert!(!outbox.more());
}

fn shown(push: Option<Push>) -> usize {
    Register::from(push.unwrap().part).recent(0).count()
}

fn requests(register: &Register) -> u64 {
    register.minutes().map(|(_, sums)| sums.requests).sum()
}

fn dropped(meter: &Meter) -> Vec<(String, u64)> {
    let rows = meter.series().filter(|(instrument, _, _)| instrument.name == "signalbox.export.dropped");
    rows.map(|(_, labels, reading)| match reading {
        crate::telemetry::metric::Reading::Sum(count) => (labels[0].clone(), *count),
        other => panic!("{other:?}"),
    })
    .collect()
}
