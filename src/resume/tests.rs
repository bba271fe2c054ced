use super::errand::{handed_over, hash, Run, Visit};
use super::reader::Reader;
use super::record::{Plan, Record, Stage};
use super::rows::{Due, Row, GATHER_MS};
use super::*;
use crate::dialect::Dialect;
use crate::http::{Headers, Request};
use crate::identity::limits::{Budget, Period};
use crate::identity::{Limits, Principal};
use crate::money::Usd;
use crate::sse::{Decoder, Frame};
use crate::telemetry::trace::TraceContext;

const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini, Dialect::OpenAiResponses];

fn run(dialect: Dialect) -> Run {
    let mut principal = Principal::local(b"");
    principal.limits = Limits {
        budgets: vec![Budget { amount: Usd(u64::MAX), period: Period::Month, models: vec!["a/*".into()] }],
        models: vec![vec!["a/*".into()]],
        ..Limits::default()
    };
    Run {
        id: "name".into(),
        line: ["POST".into(), "/v1/x".into(), "alt=sse".into()],
        headers: vec![("x-signalbox-task".into(), "code".into())],
        principal,
        request_id: "req_1".into(),
        trace: TraceContext::join(None, [1, 2, 3]),
        arrived_ms: 5,
        version: "v".into(),
        hash: "h".into(),
        dialect,
        array: false,
        keep_ms: 600_000,
    }
}

fn opened(dialect: Dialect) -> Log {
    let mut log = Log::new(Record::of(&run(dialect)));
    log.open(ResponseHead { status: 200, headers: Headers::new() });
    log
}

/// The rows as a table has them.
fn stored(log: &mut Log, table: &mut Vec<Row>) {
    table.extend(log.take(0));
}

/// What a reader who has every event up to `after` gets of a table.
fn read(record: &Record, table: &[Row], after: u64) -> Vec<u8> {
    let mut reader = Reader::new(record, after);
    let mut out = Vec::new();
    for (at, row) in table.iter().enumerate().filter(|(_, row)| row.reach > after) {
        out.extend_from_slice(&reader.take(at as u64 + 1, row.first, row.last, &row.bytes));
    }
    out.extend(reader.end());
    out
}

fn sample(events: usize) -> Vec<u8> {
    let mut out = b"\xef\xbb\xbf: begin\n\n".to_vec();
    for at in 0..events {
        match at % 4 {
            0 => out.extend_from_slice(format!("event: e\r\ndata: {{\"n\":{at}}}\r\n\r\n").as_bytes()),
            1 => out.extend_from_slice(format!("id: theirs\ndata: {{\"n\":\ndata: {at}}}\n\n: ping\n\n").as_bytes()),
            2 => out.extend_from_slice(format!("data: {{\"n\":{at}}}\r\r").as_bytes()),
            _ => out.extend_from_slice(format!("data: {{\"n\":{at}}}\n\n").as_bytes()),
        }
    }
    out
}

/// Number, id and payload of the events as a client dispatches them.
fn dispatched(bytes: &[u8]) -> Vec<(String, String)> {
    let mut frames = Decoder::new();
    frames.push(bytes).unwrap();
    let (mut id, mut all) = (String::new(), Vec::new());
    let mut dispatch = |frame: &Frame<'_>| {
        if let Some(own) = &frame.id {
            id = String::from_utf8(own.to_vec()).unwrap();
        }
        if let Some(data) = &frame.data {
            all.push((id.clone(), String::from_utf8(data.to_vec()).unwrap()));
        }
    };
    while let Some(frame) = frames.next_frame() {
        dispatch(&frame);
    }
    if let Some(rest) = frames.finish() {
        dispatch(&rest.frame);
    }
    all
}

#[test]
fn every_event_has_its_number_and_the_providers_own_id_does_not_count() {
    for dialect in DIALECTS {
        let (mut log, mut table) = (opened(dialect), Vec::new());
        log.append(&sample(9)).unwrap();
        stored(&mut log, &mut table);
        let events = dispatched(&read(log.record(), &table, 0));
        assert_eq!(events.len(), 9);
        for (at, (id, data)) in events.iter().enumerate() {
            assert_eq!(data.replace('\n', ""), format!("{{\"n\":{at}}}"));
            // In Gemini's dialect the id comes behind its event: while that is dispatched it is still the one before.
            let apart = dialect == Dialect::Gemini;
            let expected =
                if apart && at % 4 == 1 { "theirs".into() } else { (at + 1 - usize::from(apart)).to_string() };
            assert_eq!(*id, if expected == "0" { String::new() } else { expected }, "{dialect:?}");
        }
    }
}

#[test]
fn a_reader_gets_exactly_the_rest_from_any_event_wherever_rows_and_writes_end() {
    for dialect in DIALECTS {
        let source = sample(11); // its last byte is a CR
        for size in [1, 7, 40, source.len()] {
            let (mut log, mut table) = (opened(dialect), Vec::new());
            for piece in source.chunks(size) {
                log.append(piece).unwrap();
                stored(&mut log, &mut table);
            }
            log.end(false);
            stored(&mut log, &mut table);
            let whole = read(log.record(), &table, 0);
            for after in 0..=11 {
                let rest = read(log.record(), &table, after);
                assert!(whole.ends_with(&rest), "{dialect:?}, writes of {size}, after {after}");
                let had = &whole[..whole.len() - rest.len()];
                assert_eq!(dispatched(had).len() as u64, after);
                assert!(after == 0 || ends_at(had, after), "nothing of what comes next");
            }
        }
    }
}

/// Whether bytes end with the id of an event, so that a client that has them knows that it has the event.
fn ends_at(had: &[u8], number: u64) -> bool {
    String::from_utf8_lossy(had).trim_end_matches(['\r', '\n']).ends_with(&format!("id: {number}"))
}

#[test]
fn an_array_goes_on_where_it_was() {
    let (mut log, mut table) = (opened(Dialect::Gemini), Vec::new());
    log.record.array = true;
    for at in 0..5 {
        log.append(format!("data: {{\"n\":{at}}}\r\n\r\n").as_bytes()).unwrap();
        stored(&mut log, &mut table);
    }
    let whole = read(log.record(), &table, 0);
    assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&whole).unwrap().len(), 5);
    for after in 1..=5 {
        let rest = read(log.record(), &table, after);
        let had = &whole[..whole.len() - rest.len()];
        assert!(whole.ends_with(&rest));
        assert_eq!(had.iter().filter(|byte| **byte == b'}').count() as u64, after);
    }
}

#[test]
fn an_event_larger_than_a_row_is_read_whole_and_skipped_whole() {
    let (mut log, mut table) = (opened(Dialect::OpenAiChat), Vec::new());
    let large = "x".repeat(3 * 1024 * 1024);
    for data in ["1", &large, "3"] {
        log.append(format!("data: {data}\n\n").as_bytes()).unwrap();
    }
    stored(&mut log, &mut table);
    assert!(table.iter().all(|row| row.bytes.len() < 2_000_000), "the platform's bound");
    assert_eq!(
        dispatched(&read(log.record(), &table, 1)).iter().map(|(_, d)| d.len()).collect::<Vec<_>>(),
        [large.len(), 1]
    );
    assert_eq!(read(log.record(), &table, 2), b"data: 3\nid: 3\n\n");
}

#[test]
fn what_comes_after_a_silence_is_stored_at_once_and_a_burst_once_in_fifty_milliseconds() {
    let mut log = opened(Dialect::OpenAiChat);
    assert_eq!(log.due(1_000), Due::Now);
    log.take(1_000);
    assert_eq!(log.due(1_010), Due::In(GATHER_MS - 10));
    assert_eq!(log.due(1_020), Due::Known);
    log.take(1_050);
    assert_eq!(log.due(1_100), Due::Now);
}

#[test]
fn an_answer_whose_writer_is_no_more_ends_in_its_dialects_error_with_a_number() {
    for dialect in DIALECTS {
        let (mut log, mut table) = (opened(dialect), Vec::new());
        log.append(b"data: {\"n\":1}\n\n: ping\n\n").unwrap();
        stored(&mut log, &mut table);
        let mut record: Record = serde_json::from_str(&serde_json::to_string(log.record()).unwrap()).unwrap();
        let (last, row) = (table.last().unwrap().last, table.last().unwrap().bytes.clone());
        table.extend(record.interrupted(last, &row));
        assert_eq!(record.stage, Stage::Failed);
        let told = dispatched(&read(&record, &table, 1));
        let error = dispatched(&record.cut("x", 1)).len();
        assert_eq!(told.len(), error);
        assert!(told[0].1.contains("interrupted"), "{told:?}");
        assert!(ends_at(&read(&record, &table, 0), 1 + error as u64));
    }
}

#[test]
fn an_answer_that_is_longer_than_what_is_kept_says_so() {
    let (mut log, mut table) = (opened(Dialect::OpenAiChat), Vec::new());
    let event = format!("data: {}\n\n", "x".repeat(1024 * 1024));
    assert!((0..64).any(|_| {
        let full = log.append(event.as_bytes()).is_err();
        log.take(0);
        full
    }));
    log.end(false);
    stored(&mut log, &mut table);
    assert_eq!(log.record().stage, Stage::Failed);
    assert!(String::from_utf8_lossy(&table[0].bytes).contains("longer than what is kept"));
}

#[test]
fn a_request_joins_its_own_answer_and_no_other() {
    let asked = run(Dialect::OpenAiChat);
    let mut record = Record::of(&asked);
    assert_eq!(record.plan(&asked), Plan::Join, "while nothing has come");
    assert!(!record.is_stream_of(&asked.principal.id), "nor is there anything to read");
    record.answered(ResponseHead { status: 200, headers: Headers::new() });
    for stage in [Stage::Running, Stage::Complete] {
        record.stage = stage;
        assert_eq!(record.plan(&asked), Plan::Join);
    }
    assert!(record.is_stream_of(&asked.principal.id) && !record.is_stream_of("another"));
    assert_eq!(record.plan(&Run { hash: "other".into(), ..run(Dialect::OpenAiChat) }), Plan::Refuse);
    let mut stranger = run(Dialect::OpenAiChat);
    stranger.principal.id = "another".into();
    assert_eq!(record.plan(&stranger), Plan::Refuse);
    record.stage = Stage::Failed;
    assert_eq!(record.plan(&asked), Plan::Begin, "an error is no result");
    record.stage = Stage::Running;
    record.answered(ResponseHead { status: 503, headers: Headers::new() });
    assert_eq!(record.plan(&asked), Plan::Begin);
    record.answered(ResponseHead { status: 200, headers: Headers::new() });
    record.whole = true;
    assert!(!record.is_stream_of(&asked.principal.id), "a whole body is no stream");
}

#[test]
fn an_errand_arrives_as_it_was_sent_without_credentials() {
    let asked = run(Dialect::Gemini);
    let (came, body) = Run::parse(&asked.with_body(b"{\n\"a\":1}\n")).unwrap();
    assert_eq!(body, b"{\n\"a\":1}\n");
    assert_eq!(came.principal, asked.principal);
    assert_eq!((came.trace, came.line, came.headers), (asked.trace, asked.line, asked.headers));
    assert!(Run::parse(b"{}\n{}").is_none() && Run::parse(b"{}").is_none());
    let visit: Visit = serde_json::from_str(r#"{"principal":"p","after":3}"#).unwrap();
    assert_eq!((visit.principal.as_str(), visit.after), ("p", 3));

    let keys = ["authorization", "proxy-authorization", "x-api-key", "x-goog-api-key", "api-key"];
    let sent = ["cf-access-jwt-assertion", "x-signalbox-assertion", "x-signalbox-principal", "cookie", "origin"];
    let headers: Headers = keys.into_iter().chain(sent).chain(["x-signalbox-task"]).map(|name| (name, "v")).collect();
    assert_eq!(handed_over(&headers), [("x-signalbox-task".to_owned(), "v".to_owned())]);
}

#[test]
fn another_path_query_or_body_is_another_request() {
    let at = |path: &str, query: &str| Request { path: path.into(), query: query.into(), ..Request::default() };
    let hashes = [
        hash(&at("/v1/a", ""), b"{}"),
        hash(&at("/v1/b", ""), b"{}"),
        hash(&at("/v1/a", "alt=sse"), b"{}"),
        hash(&at("/v1/a", ""), b"{ }"),
    ];
    for (at, one) in hashes.iter().enumerate() {
        assert!(hashes.iter().skip(at + 1).all(|other| other != one));
    }
}

#[test]
fn an_end_of_ours_takes_the_number_behind_the_last_event_also_where_one_before_it_is_missing() {
    let (mut log, mut table) = (opened(Dialect::OpenAiResponses), Vec::new());
    for number in [0, 1, 3] {
        log.append(format!("data: {{\"type\":\"x\",\"sequence_number\":{number}}}\n\n").as_bytes()).unwrap();
    }
    stored(&mut log, &mut table);
    let mut reader = Reader::new(log.record(), 0);
    let row = table.last().unwrap();
    reader.take(1, row.first, row.last, &row.bytes);
    assert_eq!(reader.next, 4);
    let mut record = log.record().clone();
    let told: Vec<u8> = record.interrupted(row.last, &row.bytes).into_iter().flat_map(|row| row.bytes).collect();
    assert!(String::from_utf8(told).unwrap().contains("\"sequence_number\":4,"));
}
