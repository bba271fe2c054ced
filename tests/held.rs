//! Tool calls and JSON documents that a policy holds back until they are whole: a broken one is tried again unseen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::json;
use signalbox::gateway::Gateway;
use support::{post, serve, Fake, Piece, Script, START_MS};

fn gateway(hold_back: bool) -> Rc<Gateway> {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k"}
        },
        "policies": {"balanced": {"hold_back": hold_back}}
    });
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

fn chunk(delta: &str, finish: &str) -> String {
    format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
}

fn call(arguments: &str) -> String {
    let arguments = serde_json::to_string(arguments).unwrap();
    chunk(&format!("{{\"tool_calls\":[{{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{{\"name\":\"f\",\"arguments\":{arguments}}}}}]}}"), "null")
}

fn text(text: &str) -> String {
    chunk(&format!("{{\"content\":{}}}", serde_json::to_string(text).unwrap()), "null")
}

const TOOLS: &str = r#""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#;
const JSON: &str = r#""response_format":{"type":"json_object"}"#;

fn chat(more: &str) -> String {
    format!(r#"{{"model":"openai/gpt-4o-mini","stream":true,"messages":[{{"role":"user","content":"Hi"}}],{more}}}"#)
}

fn run(hold_back: bool, body: &str, scripts: Vec<Script>) -> Fake {
    let fake = Fake::new(scripts);
    serve(&fake, &gateway(hold_back), post("/v1/chat/completions", body, &[]));
    fake
}

fn done(finish: &str) -> [String; 2] {
    [chunk("{}", finish), "data: [DONE]\n\n".to_owned()]
}

/// A document without one of its elements is JSON too.
#[test]
fn a_document_with_an_event_that_cannot_be_read_is_tried_again_unseen() {
    let whole = [text("[1"), text(",2"), text("]")];
    let garbled = [text("[1"), "data: {\"choices\": \n\n".to_owned(), text("]")];
    let of = |pieces: [String; 3]| Script::stream(pieces.into_iter().chain(done("\"stop\"")));
    let fake = run(true, &chat(JSON), vec![of(garbled.clone()), of(whole.clone())]);
    assert_eq!(fake.body(), [whole.concat(), done("\"stop\"").concat()].concat());
    assert_eq!(fake.calls().len(), 2);
    // What is behind the end of the document takes nothing from it.
    let behind = [chunk("{}", "\"stop\""), "data: {\"usage\": \n\n".to_owned(), "data: [DONE]\n\n".to_owned()];
    let fake = run(true, &chat(JSON), vec![Script::stream(whole.iter().cloned().chain(behind))]);
    assert_eq!((fake.status(), fake.calls().len()), (200, 1));
    // Without the option it is skipped and the rest goes out.
    let fake = run(false, &chat(JSON), vec![of(garbled)]);
    assert_eq!((fake.status(), fake.calls().len()), (200, 1));
}

#[test]
fn a_broken_call_or_document_is_tried_again_unseen() {
    for (more, half, whole, finish) in [
        (TOOLS, call("{\"a\":"), call("{\"a\":1}"), "\"tool_calls\""),
        (JSON, text("{\"a\":"), text("{\"a\":1}"), "\"stop\""),
    ] {
        let sound = || Script::stream([whole.clone()].into_iter().chain(done(finish)));
        // Cut, and whole by its provider's word alone.
        for broken in [
            Script::stream([half.clone()]).then(1, Piece::Reset),
            Script::stream([half.clone()].into_iter().chain(done(finish))),
        ] {
            let fake = run(true, &chat(more), vec![broken.clone(), sound()]);
            assert_eq!(fake.status(), 200);
            assert_eq!(fake.body(), [whole.clone(), done(finish).concat()].concat(), "{more}");
            assert_eq!(fake.calls().len(), 2);
            // Without the option it goes out as it comes.
            let fake = run(false, &chat(more), vec![broken, sound()]);
            assert!(fake.body().starts_with(&half) && fake.calls().len() == 1, "{more} {}", fake.body());
        }
        let fake =
            run(true, &chat(more), vec![Script::stream([half.clone()]).then(1, Piece::Reset), Script::json(401, "{}")]);
        assert!(fake.status() >= 500, "nothing went out: {}", fake.status());
    }
}

#[test]
fn only_the_call_waits_and_it_goes_out_whole_or_not_at_all() {
    let pieces = |end: Vec<String>| [vec![text("Let me see."), call("{\"a\":")], end].concat();
    let rest = chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#, "null");
    let fake =
        run(true, &chat(TOOLS), vec![Script::stream(pieces([vec![rest], done("\"tool_calls\"").to_vec()].concat()))]);
    let written = fake.0.written.borrow().clone();
    let first = String::from_utf8(written[0].1.clone()).unwrap();
    assert_eq!((first.as_str(), written[0].0 - START_MS), (text("Let me see.").as_str(), 30), "text does not wait");
    assert!(fake.body().contains("\"1}\"") && fake.body().ends_with("[DONE]\n\n"), "{}", fake.body());

    let fake = run(true, &chat(TOOLS), vec![Script::stream(pieces(vec![])).then(1, Piece::Reset)]);
    assert!(fake.body().contains("\"error\"") && !fake.body().contains("tool_calls"), "{}", fake.body());
}

#[test]
fn an_answer_without_a_call_does_not_wait() {
    let fake =
        run(true, &chat(TOOLS), vec![Script::stream([text("a"), text("b")].into_iter().chain(done("\"stop\"")))]);
    assert_eq!(fake.0.opened_at.get(), Some(START_MS + 30));
}

#[test]
fn a_native_call_of_another_dialect_is_held_too() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"f\",\"input\":{}}}\n\n";
    let part = |json: &str| {
        format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":{}}}}}\n\n", serde_json::to_string(json).unwrap())
    };
    let end = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let whole = [start, &part("{\"a\":"), &part("1}"), end].concat();
    let body = r#"{"model":"anthropic/claude-sonnet-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}"#;
    let fake = Fake::new([Script::stream([start, &part("{\"a\":")]).then(1, Piece::Reset), Script::stream([&whole])]);
    serve(&fake, &gateway(true), post("/v1/messages", body, &[]));
    assert_eq!((fake.body(), fake.calls().len()), (whole, 2));
}
