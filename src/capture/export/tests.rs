use serde_json::{json, Value};

use super::*;
use crate::capture::payload::{Event, Form};

fn payload(text: &str) -> Payload {
    Payload { text: Some(text.into()), bytes: text.len() as u64, ..Payload::default() }
}

fn stream(data: &[&str]) -> Payload {
    let event = |data: &&str| Event { at_ms: 1, event: None, data: (*data).to_owned() };
    Payload { form: Form::Events, events: Some(data.iter().map(event).collect()), ..Payload::default() }
}

fn sent(dialect: Dialect, outcome: &str, request: &str, response: Payload) -> Sent {
    Sent {
        model: "house/m".into(),
        dialect: dialect.name().into(),
        url: String::new(),
        headers: Default::default(),
        body: payload(request),
        role: "first".into(),
        outcome: outcome.into(),
        response,
    }
}

fn captured(sent: Vec<Sent>) -> (Meta, Capture) {
    let meta = json!({"object": "capture", "id": "i", "captured_ms": 1_764_200_000_000_u64, "expires_ms": 2, "why": "sample",
        "request_id": "r", "trace_id": "t", "principal": "p", "dialect": "openai-chat", "route": "/", "stream": true,
        "requested_model": "m", "policy": "best", "task": "qa", "status": 200, "attempts": "", "duration_ms": 1, "bytes": 1,
        "redacted": 0, "truncated": false, "encrypted": false});
    let none = json!({"form": "text", "text": "", "bytes": 0, "truncated": false});
    let capture = json!({"version": 1, "request": {"method": "POST", "path": "/", "query": "", "headers": {}, "body": none},
        "decision": null, "sent": [], "answer": {"status": 200, "payload": none}, "redactions": {}, "record": {}});
    let capture: Capture = serde_json::from_value(capture).unwrap();
    (serde_json::from_value(meta).unwrap(), Capture { sent, ..capture })
}

const ASKED: &str = "{\"model\":\"m\",\"messages\":[\n {\"role\":\"user\",\"content\":\"a\\nb\"}\n],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]}";

#[test]
fn a_conversation_of_chat_keeps_its_own_words_on_one_line() {
    let whole = payload(
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Yes.","x":1},"finish_reason":"stop"}]}"#,
    );
    let chunks = stream(&[
        r#"{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"Ye"}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":"{\"q\""}}]}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#,
        r#"{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        "[DONE]",
    ]);
    let call = json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"q\":1}"}}]);
    for (answer, message) in [
        (whole, json!({"role": "assistant", "content": "Yes.", "x": 1})),
        (chunks, json!({"role": "assistant", "content": "Ye", "tool_calls": call})),
    ] {
        let (meta, capture) = captured(vec![sent(Dialect::OpenAiChat, "200", ASKED, answer)]);
        let exported = export(&meta, &capture, Format::OpenAiJsonl).unwrap();
        assert_eq!((exported.content_type, exported.body.matches('\n').count()), ("application/jsonl", 1));
        let line: Value = serde_json::from_str(&exported.body).unwrap();
        assert_eq!(line["messages"][0], json!({"role": "user", "content": "a\nb"}));
        for (name, value) in message.as_object().unwrap() {
            assert_eq!(&line["messages"][1][name], value, "{line}");
        }
        assert_eq!(line["tools"][0]["function"]["name"], "f");
    }
}

#[test]
fn a_conversation_in_another_dialect_is_translated_and_says_what_is_not_exact() {
    let request =
        r#"{"model":"m","max_tokens":9,"system":"Be kind.","top_k":3,"messages":[{"role":"user","content":"Hi"}]}"#;
    let answer = r#"{"id":"1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;
    let (meta, capture) = captured(vec![
        sent(Dialect::AnthropicMessages, "503", "{}", payload("{}")),
        sent(Dialect::AnthropicMessages, "200", request, payload(answer)),
    ]);
    let exported = export(&meta, &capture, Format::OpenAiJsonl).unwrap();
    let line: Value = serde_json::from_str(&exported.body).unwrap();
    let told: Vec<(&str, &str)> = line["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap()))
        .collect();
    assert!(matches!(told[0].0, "system" | "developer") && told[0].1 == "Be kind.", "{told:?}");
    assert_eq!(told[1..], [("user", "Hi"), ("assistant", "Hello")]);
    assert_eq!(exported.losses, ["top_k"]);
}

#[test]
fn a_fixture_is_the_answering_call_byte_for_byte() {
    let failed = sent(Dialect::OpenAiChat, "503", "{}", payload("{}"));
    let (meta, capture) =
        captured(vec![failed.clone(), sent(Dialect::OpenAiChat, "200", ASKED, stream(&["{}", "[DONE]"]))]);
    let exported = export(&meta, &capture, Format::Fixture).unwrap();
    let page: Value = serde_json::from_str(&exported.body).unwrap();
    assert_eq!(page["files"]["request.json"], ASKED);
    assert_eq!(page["files"]["response.sse"], "data: {}\n\ndata: [DONE]\n\n");
    let about: Value = serde_json::from_str(page["files"]["case.json"].as_str().unwrap()).unwrap();
    assert_eq!(
        [&about["dialect"], &about["framing"], &about["status"], &about["provider"]],
        [&json!("openai-chat"), &json!("sse"), &json!(200), &json!("house")]
    );
    let (meta, capture) = captured(vec![failed]);
    let page: Value = serde_json::from_str(&export(&meta, &capture, Format::Fixture).unwrap().body).unwrap();
    assert_eq!(page["files"]["response.json"], "{}", "of what nobody answered the last call");
}

#[test]
fn half_an_exchange_is_no_example() {
    let (meta, capture) = captured(vec![sent(Dialect::OpenAiChat, "200", ASKED, payload("{}"))]);
    let cut = Meta { truncated: true, ..meta.clone() };
    for format in FORMATS.map(|(_, format)| format) {
        assert!(export(&cut, &capture, format).is_err());
        assert!(export(&meta, &Capture { sent: Vec::new(), ..capture.clone() }, format).is_err());
    }
    assert!(export(&meta, &capture, Format::OpenAiJsonl).is_err(), "there is no answer");
}
