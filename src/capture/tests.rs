use super::made::Made;
use super::payload::{Form, Payload};
use super::tape::{Tape, SLACK};
use super::{prefix_of, Id, Meta, Why, INDEX};
use crate::config::capture::{Capture as Settings, Rule};
use crate::http::{Request, UpstreamRequest};
use crate::redact;
use crate::telemetry::record::{AttemptRecord, RequestRecord};

const PRINCIPAL: &str = "abcdefghijklmnopqrstuvwx";

fn settings(most: usize) -> Settings {
    Settings {
        rule: Rule::default(),
        policies: Default::default(),
        claim: false,
        max_request_bytes: most,
        max_response_bytes: most,
        keep_ms: 1_000,
        redaction: redact::Settings::default(),
        keys: Vec::new(),
        lacks_key: false,
    }
}

fn tape(most: usize, body: &str) -> Tape {
    Tape::new(Id::new(5, &[7; 18], PRINCIPAL), Some(Why::Sample), &settings(most), body.as_bytes(), "{}".into())
}

fn made(tape: Tape, most: usize) -> Made {
    let request = Request {
        method: "POST".into(),
        path: "/v1beta/models/m:generateContent".into(),
        query: "key=AIzaSyA1234567890abcdefghijklmnopqrstuv&alt=sse".into(),
        headers: [
            ("authorization", "Bearer caller-credential"),
            ("cookie", "session=blue"),
            ("user-agent", "sdk/1 (ada@mail.example)"),
            ("x-signalbox-key-openai", "own-key-of-caller"),
            ("x-signalbox-assertion", "sub=ada;t=1;sig=0a1b"),
            ("x-signalbox-principal", "ada"),
            ("x-signalbox-task", "code"),
        ]
        .into_iter()
        .collect(),
        body: Vec::new(),
    };
    let attempt =
        AttemptRecord { provider: "p".into(), model: "m".into(), outcome: "200".into(), ..Default::default() };
    let record = RequestRecord {
        started_ms: 1_000,
        status: 200,
        requested_model: "ask ada@mail.example".into(),
        attempts: vec![attempt],
        principal: PRINCIPAL.into(),
        ..RequestRecord::default()
    };
    Made {
        tape,
        record,
        request,
        settings: settings(most),
        known: vec!["caller-credential".into(), "own-key-of-caller".into()],
    }
}

#[test]
fn names_in_order_are_newest_first_and_say_whose_they_are() {
    let [older, newer] = [1_700_000_000_000, 1_700_000_000_001].map(|at| Id::new(at, &[3; 18], PRINCIPAL));
    assert!(newer.key() < older.key() && newer.index_key() < older.index_key());
    assert_eq!(Id::parse(older.as_str()), Some(older.clone()));
    assert_eq!(older.principal(), PRINCIPAL);
    assert!(older.key().starts_with(&prefix_of(PRINCIPAL)) && older.index_key().starts_with(INDEX));
    let long = format!("{}x", older.as_str());
    let traversal = older.as_str().replace("abc", "../");
    for wrong in ["", "x", &long, &traversal, &older.as_str().to_uppercase()] {
        assert_eq!(Id::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn a_capture_holds_no_credential_wherever_it_stood() {
    let mut tape = tape(100_000, r#"{"contents":"my own-key-of-caller and caller-credential"}"#);
    let headers = [("authorization", "Bearer sk-of-the-operator"), ("content-type", "application/json")];
    tape.sent(
        0,
        &UpstreamRequest {
            url: "https://p.example/v1?key=operators-key".into(),
            headers: headers.into_iter().collect(),
            body: b"{}".to_vec(),
            model: None,
        },
    );
    tape.heard(0, 1_010, br#"{"error":"bad key caller-credential"}"#, false);
    tape.said(1_020, b"{}", false);
    let stored = made(tape, 100_000).stored();
    let document = String::from_utf8(stored.document).unwrap();
    for secret in ["caller-credential", "own-key-of-caller", "AIza", "operators-key", "sk-of-the", "blue", "ada@"] {
        assert!(!document.contains(secret), "{secret}: {document}");
    }
    let meta: Meta = serde_json::from_str(&document).unwrap();
    assert_eq!(serde_json::from_str::<Meta>(&stored.meta).unwrap(), meta, "the document's members are the list's too");
    assert_eq!((meta.expires_ms, meta.attempts.as_str(), meta.truncated), (2_000, "p/m:200", false));
    let read: super::Capture = serde_json::from_str(&document).unwrap();
    assert_eq!(read.request.query, "alt=sse");
    assert_eq!(read.request.headers.keys().collect::<Vec<_>>(), ["user-agent", "x-signalbox-task"]);
}

#[test]
fn a_stream_keeps_its_events_and_when_they_passed() {
    let mut tape = tape(100_000, "{}");
    // A secret in two deltas, cut within an event, with a comment between.
    tape.said(1_010, b": ping\n\nevent: delta\ndata: {\"delta\":{\"text\":\"mail ada.lovel\"}}\n\nda", true);
    tape.said(1_030, b"ta: {\"delta\":{\"text\":\"ace@mail.example now\"}}\n\ndata: [DONE]\n\n", true);
    let kept = made(tape, 100_000).capture().answer.payload;
    let events = kept.events.clone().unwrap();
    let times: Vec<u64> = events.iter().map(|event| event.at_ms).collect();
    assert_eq!((kept.form, times), (Form::Events, vec![10, 30, 30]));
    assert_eq!(events[0].data, r#"{"delta":{"text":"mail [redacted:email]"}}"#);
    assert_eq!(events[1].data, r#"{"delta":{"text":" now"}}"#);
    assert!(kept.wire().starts_with("event: delta\ndata: {") && kept.wire().ends_with("data: [DONE]\n\n"));
}

#[test]
fn what_is_longer_than_its_bound_is_cut_and_no_half_of_a_secret_is_left() {
    let secret = "sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ";
    for at in 0..40 {
        let most = 1_000;
        let body = format!("{}{secret}{}", " ".repeat(most - at), "x ".repeat(SLACK));
        let kept = made(tape(most, &body), most).capture().request.body;
        assert!(kept.truncated && kept.bytes == body.len() as u64);
        let text = kept.text.unwrap();
        assert!(text.len() <= most && !text.contains("sk-"), "{at}: {text}");
    }
    let mut long = tape(100, "{}");
    for _ in 0..2_000 {
        long.said(1_001, b"data: {\"delta\":\"word \"}\n\n", true);
    }
    let kept: Payload = made(long, 100).capture().answer.payload;
    assert!(kept.truncated && kept.events.unwrap().len() < 20);
}
