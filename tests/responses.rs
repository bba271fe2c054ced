//! Responses over a scripted world: callers of it, providers of it, and the way between. The dialect itself is tested
//! beside its code and on recordings (`tests/dialect_responses.rs`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::Value;
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Piece, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "other": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/other/v1", "api_key": "k-other"},
    "only": {"kind": "openai-responses", "base_url": "http://127.0.0.1:9/only/v1", "api_key": "k-only", "prices_of": "openai"}
  }
}"#;

fn serve(fake: &Fake, method: &str, path: &str, body: &str, headers: &[(&str, &str)]) {
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    let request = Request {
        method: method.into(),
        path: path.into(),
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: body.as_bytes().to_vec(),
    };
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
}

fn ask(fake: &Fake, body: &str) {
    serve(fake, "POST", "/v1/responses", body, &[]);
}

fn sent(fake: &Fake, call: usize) -> (String, Value) {
    let request = fake.calls()[call].request.clone();
    (request.url, serde_json::from_slice(&request.body).unwrap())
}

fn events(fake: &Fake) -> Vec<Value> {
    let body = fake.body();
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

const CREATED: &str = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"in_progress\",\"model\":\"gpt-4o-mini\",\"output\":[]}}\n\n";
const ADDED: &str = "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":1,\"output_index\":0,\"item\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\n";
const NEW: &str =
    "event: response.brand_new\ndata: {\"type\":\"response.brand_new\",\"sequence_number\":2,\"x\":1.0}\n\n";
const HELLO: &str = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":3,\"output_index\":0,\"content_index\":0,\"item_id\":\"msg_1\",\"delta\":\"Hello\"}\n\n";
const COMPLETED: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":4,\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"status\":\"completed\",\"model\":\"gpt-4o-mini\",\"output\":[{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":9,\"output_tokens\":2,\"total_tokens\":11}}}\n\n";
const WHOLE: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"gpt-4o-mini","new_member":[1.0],"output":[{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"Hello","annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}}"#;

fn hello() -> Script {
    Script::stream([CREATED, ADDED, NEW, HELLO, COMPLETED])
}

#[test]
fn a_native_stream_keeps_its_bytes_and_its_end_carries_the_cost() {
    let fake = Fake::new([hello()]);
    ask(
        &fake,
        r#"{"model":"openai/gpt-4o-mini","input":"Say hello","stream":true,"store":true,"brand_new":{"a":1.0},"session_id":"s1","provider":{"sort":"price"},"models":["openai/gpt-4.1-nano"]}"#,
    );
    assert_eq!(fake.status(), 200);
    let (url, _) = sent(&fake, 0);
    assert_eq!(url, "http://127.0.0.1:9/openai/v1/responses");
    let body = String::from_utf8(fake.calls()[0].request.body.clone()).unwrap();
    assert_eq!(body, r#"{"model":"gpt-4o-mini","input":"Say hello","stream":true,"store":true,"brand_new":{"a":1.0}}"#);
    let body = fake.body();
    assert!(body.starts_with(&[CREATED, ADDED, NEW, HELLO].concat()), "{body}");
    let end = &body[[CREATED, ADDED, NEW, HELLO].concat().len()..];
    let cost = end.find(",\"cost\":0.00000255").expect("the cost stands in the usage");
    assert_eq!(format!("{}{}", &end[..cost], &end[cost + ",\"cost\":0.00000255".len()..]), COMPLETED);
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
}

#[test]
fn a_native_answer_keeps_every_byte_but_the_cost() {
    let fake = Fake::new([Script::json(200, WHOLE)]);
    serve(
        &fake,
        "POST",
        "/v1/responses",
        r#"{"model":"openai/gpt-4o-mini","input":"Say hello"}"#,
        &[("x-signalbox-explain", "true")],
    );
    let body: Value = serde_json::from_str(&fake.body()).unwrap();
    assert!(fake.body().starts_with(WHOLE.split("\"total_tokens\":11").next().unwrap()));
    assert!(body["usage"]["cost"].is_number() && body["signalbox"]["decision"].is_object());
    assert_eq!(fake.header("x-signalbox-cost-certainty").as_deref(), Some("exact"));
}

#[test]
fn an_explained_stream_tells_its_story_in_its_last_event() {
    let fake = Fake::new([hello()]);
    let body = r#"{"model":"openai/gpt-4o-mini","input":"x","stream":true}"#;
    serve(&fake, "POST", "/v1/responses", body, &[("x-signalbox-explain", "true")]);
    let events = events(&fake);
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    assert_eq!(last["signalbox"]["model"], "openai/gpt-4o-mini");
}

#[test]
fn a_responses_caller_is_answered_by_anthropic_in_the_whole_grammar() {
    let event = |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let fake = Fake::new([Script::stream([
        event(
            "message_start",
            r#","message":{"id":"msg_9","type":"message","role":"assistant","model":"claude-x","content":[],"usage":{"input_tokens":5,"output_tokens":1}}"#,
        ),
        event("content_block_start", r#","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}"#),
        event("content_block_delta", r#","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}"#),
        event("content_block_delta", r#","index":0,"delta":{"type":"signature_delta","signature":"SIG"}"#),
        event("content_block_stop", r#","index":0"#),
        event(
            "content_block_start",
            r#","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}"#,
        ),
        event("content_block_delta", r#","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\": 1}"}"#),
        event("content_block_stop", r#","index":1"#),
        event(
            "message_delta",
            r#","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}"#,
        ),
        event("message_stop", ""),
    ])]);
    ask(
        &fake,
        r#"{"model":"anthropic/claude-haiku-4-5","stream":true,"instructions":"Look first.","input":[{"role":"user","content":"q"}],"tools":[{"type":"function","name":"look","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}],"metadata":{"k":"v"}}"#,
    );
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let (url, body) = sent(&fake, 0);
    assert_eq!(url, "http://127.0.0.1:9/anthropic/v1/messages");
    assert_eq!(body["tools"][0]["name"], "look");
    let events = events(&fake);
    assert_eq!(
        kinds(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.reasoning_summary_part.added",
            "response.reasoning_summary_text.delta",
            "response.reasoning_summary_text.done",
            "response.reasoning_summary_part.done",
            "response.output_item.done",
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let answer = &events.last().unwrap()["response"];
    assert_eq!(
        (&answer["output"][1]["call_id"], &answer["output"][1]["arguments"]),
        (&"toolu_1".into(), &"{\"a\": 1}".into())
    );
    assert_eq!(
        (&answer["metadata"]["k"], &answer["store"], &answer["instructions"]),
        (&"v".into(), &false.into(), &"Look first.".into())
    );
    assert_eq!((&answer["usage"]["output_tokens"], &answer["tools"][0]["name"]), (&7.into(), &"look".into()));
    assert!(answer["usage"]["cost"].is_number());
    assert!(fake.header("x-signalbox-losses").unwrap().contains("metadata:advisory"));

    // The next turn: the client sends the items back, and the thinking reaches Anthropic as it was.
    let mut input = vec![serde_json::json!({"role": "user", "content": "q"})];
    input.extend(answer["output"].as_array().unwrap().iter().cloned());
    input.push(serde_json::json!({"type": "function_call_output", "call_id": "toolu_1", "output": "found"}));
    let next = serde_json::json!({"model": "anthropic/claude-haiku-4-5", "input": input, "tools": answer["tools"]});
    let whole = r#"{"id":"msg_10","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"Done."}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}}"#;
    let fake = Fake::new([Script::json(200, whole)]);
    ask(&fake, &next.to_string());
    let (_, body) = sent(&fake, 0);
    assert_eq!(
        body["messages"][1]["content"][0],
        serde_json::json!({"type": "thinking", "thinking": "hm", "signature": "SIG"})
    );
    assert_eq!(body["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
    let answer: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((&answer["output"][0]["content"][0]["text"], &answer["status"]), (&"Done.".into(), &"completed".into()));
}

#[test]
fn a_server_that_is_not_known_to_have_responses_is_asked_in_chat() {
    let whole = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"No."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
    let fake = Fake::new([Script::json(200, whole)]);
    ask(&fake, r#"{"model":"other/m","input":"q","instructions":"s"}"#);
    let (url, body) = sent(&fake, 0);
    assert_eq!(url, "http://127.0.0.1:9/other/v1/chat/completions");
    assert_eq!(body["messages"][0]["role"], "system");
    let answer: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(answer["output"][0]["content"][0], serde_json::json!({"type": "refusal", "refusal": "No."}));
}

#[test]
fn callers_of_chat_are_answered_by_a_provider_that_has_only_responses() {
    let fake = Fake::new([hello()]);
    let body = r#"{"model":"only/gpt-4o-mini","messages":[{"role":"user","content":"q"}],"stream":true,"stream_options":{"include_usage":true}}"#;
    serve(&fake, "POST", "/v1/chat/completions", body, &[]);
    let (url, sent) = sent(&fake, 0);
    assert_eq!(url, "http://127.0.0.1:9/only/v1/responses");
    assert_eq!((&sent["store"], &sent["input"][0]["content"]), (&false.into(), &"q".into()));
    let body = fake.body();
    assert!(body.contains("\"content\":\"Hello\"") && body.ends_with("data: [DONE]\n\n"), "{body}");
    assert!(body.contains("\"prompt_tokens\":9"), "{body}");
}

#[test]
fn what_needs_kept_responses_is_refused_by_name_where_the_provider_is_not_one_of_this_dialect() {
    for (member, value) in
        [("previous_response_id", "\"resp_1\""), ("conversation", "\"c\""), ("background", "true"), ("store", "true")]
    {
        let fake = Fake::new([]);
        ask(&fake, &format!(r#"{{"model":"anthropic/claude-haiku-4-5","input":"q","{member}":{value}}}"#));
        assert_eq!(fake.status(), 400);
        let error: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!(
            (&error["error"]["param"], &error["error"]["code"]),
            (&member.into(), &"unsupported_parameter".into())
        );
        assert!(fake.calls().is_empty());
    }
    let fake = Fake::new([hello()]);
    ask(&fake, r#"{"model":"openai/gpt-4o-mini","input":"q","stream":true,"previous_response_id":"resp_1"}"#);
    assert_eq!((fake.status(), sent(&fake, 0).1["previous_response_id"].clone()), (200, "resp_1".into()));
}

#[test]
fn kept_responses_are_not_offered() {
    for (method, path, status) in
        [("GET", "/v1/responses/resp_1", 404), ("DELETE", "/v1/responses/resp_1", 404), ("GET", "/v1/responses", 405)]
    {
        let fake = Fake::new([]);
        serve(&fake, method, path, "", &[]);
        assert_eq!(fake.status(), status, "{method} {path}");
        assert!(serde_json::from_str::<Value>(&fake.body()).unwrap()["error"]["message"].is_string());
    }
}

#[test]
fn a_failure_before_content_is_invisible_and_one_after_it_is_a_typed_end() {
    let failed = "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"m\",\"param\":null,\"sequence_number\":1}\n\n";
    let fake = Fake::new([Script::stream([CREATED, failed]), Script::stream([CREATED, failed]), hello()]);
    ask(&fake, r#"{"model":"openai/gpt-4o-mini","models":["only/gpt-4o-mini"],"input":"q","stream":true}"#);
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("only/gpt-4o-mini"));
    assert!(!fake.body().contains("event: error"));

    for broken in [
        Script::stream([CREATED, HELLO, failed]),
        Script::stream([CREATED, HELLO]),
        Script::stream([CREATED, HELLO]).then(5, Piece::Reset),
        Script::stream([CREATED, HELLO, "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"m\"}}}\n\n"]),
    ] {
        let fake = Fake::new([broken]);
        ask(&fake, r#"{"model":"openai/gpt-4o-mini","input":"q","stream":true}"#);
        let events = events(&fake);
        let last = events.last().unwrap();
        assert_eq!((&last["type"], &last["sequence_number"]), (&"error".into(), &4.into()), "{}", fake.body());
        assert!(!fake.body().contains("response.completed"));
    }
}

#[test]
fn a_translated_turn_that_fails_after_content_has_one_end_and_it_is_the_typed_one() {
    let chunk = |delta: &str, finish: &str| {
        format!("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{delta}\"}},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let part = |rest: &str| {
        format!("data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\"parts\":[{{\"text\":\"Hel\"}}]}}{rest}}}]}}\r\n\r\n")
    };
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    for (model, script) in [
        ("other/m", Script::stream([chunk("Hel", "null"), chunk("", "\"error\""), usage.to_owned()])),
        ("gemini/gemini-2.5-flash", Script::stream([part(""), part(",\"finishReason\":\"MALFORMED_FUNCTION_CALL\"")])),
    ] {
        let fake = Fake::new([script]);
        ask(&fake, &format!(r#"{{"model":"{model}","input":"q","stream":true}}"#));
        let events = events(&fake);
        let ends: Vec<&str> = kinds(&events)
            .into_iter()
            .filter(|kind| ["error", "response.failed", "response.completed", "response.incomplete"].contains(kind))
            .collect();
        assert_eq!(ends, ["error"], "{}", fake.body());
        let numbers: Vec<u64> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, (0..events.len() as u64).collect::<Vec<_>>());
        assert_eq!(events.last().unwrap()["type"], "error");
        assert!(fake.body().contains("\"delta\":\"Hel\""));
    }
}

#[test]
fn an_end_without_its_blank_line_carries_the_cost_all_the_same() {
    let bare = COMPLETED.trim_end();
    for tail in ["", "\n"] {
        let fake = Fake::new([Script::stream([CREATED, ADDED, HELLO, &format!("{bare}{tail}")])]);
        ask(&fake, r#"{"model":"openai/gpt-4o-mini","input":"q","stream":true}"#);
        let body = fake.body();
        assert!(body.ends_with("\n\n"), "{body}");
        let last = events(&fake).pop().unwrap();
        assert_eq!(last["type"], "response.completed");
        assert!(last["response"]["usage"]["cost"].is_number() && body.contains("\"cost\":0.00000255"), "{body}");
    }
}

#[test]
fn a_verdict_of_the_provider_is_told_as_its_own() {
    let failed = r#"{"id":"r","object":"response","status":"failed","error":{"code":"invalid_prompt","message":"no"},"output":[]}"#;
    let fake = Fake::new([Script::json(200, failed)]);
    ask(&fake, r#"{"model":"openai/gpt-4o-mini","models":["only/gpt-4o-mini"],"input":"q"}"#);
    assert_eq!((fake.status(), fake.calls().len()), (400, 1), "a safety verdict is no reason to ask a laxer model");
}

#[test]
fn a_dry_run_reads_this_dialect() {
    let fake = Fake::new([]);
    let body = r#"{"model":"anthropic/claude-haiku-4-5","input":"q","truncation":"auto"}"#;
    serve(&fake, "POST", "/v1/route", body, &[("x-signalbox-dialect", "openai-responses")]);
    assert_eq!(fake.status(), 200);
    assert!(fake.body().contains("truncation"), "{}", fake.body());
}

#[test]
fn routing_fields_are_read_in_this_dialects_bodies_too() {
    let fake = Fake::new([]);
    ask(&fake, r#"{"model":"openai/gpt-4o-mini","input":"q","provider":{"quantizations":["int4"]}}"#);
    assert_eq!(fake.status(), 400);
    assert!(fake.body().contains("quantizations"));
}

#[test]
fn reasoning_that_another_provider_sealed_never_reaches_a_server_of_this_dialect() {
    let fake = Fake::new([Script::json(200, WHOLE)]);
    ask(
        &fake,
        r#"{"model":"openai/gpt-4o-mini","input":[{"role":"user","content":"q"},{"type":"reasoning","summary":[],"encrypted_content":"signalbox:AbC_"},{"role":"user","content":"r"}]}"#,
    );
    assert_eq!(sent(&fake, 0).1["input"].as_array().unwrap().len(), 2);
}
