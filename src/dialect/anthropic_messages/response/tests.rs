use serde_json::json;
use serde_json::value::{RawValue, Value};

use super::{decode, encode};
use crate::dialect::anthropic_messages::foreign;
use crate::dialect::canonical::{
    ChatResponse, Choice, Extra, Finish, FinishReason, Media, MediaSource, Part, ReasoningPart, ToolCall, Usage,
};
use crate::dialect::{Dialect, ReplyContext, StreamFault, Tail};

fn answer(parts: Vec<Part>, reason: FinishReason, raw: &str) -> ChatResponse {
    let finish = Finish { reason, raw: raw.into(), stop_sequence: None };
    ChatResponse {
        id: Some("chatcmpl-1".into()),
        model: Some("gpt-x".into()),
        choices: vec![Choice { index: 0, parts, finish: Some(finish) }],
        usage: Some(Usage { input_tokens: 5, output_tokens: 7, ..Usage::default() }),
        ..ChatResponse::default()
    }
}

fn written(response: &ChatResponse) -> (Value, Vec<String>) {
    let context = ReplyContext { request_id: "req-9".into(), estimated_input_tokens: 40, ..ReplyContext::default() };
    let encoded = encode(response, &context, &Tail::default());
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses.into_iter().map(|loss| loss.field).collect())
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

#[test]
fn an_answer_is_read_block_by_block() {
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "t", "signature": "S="},
            {"type": "redacted_thinking", "data": "D="},
            {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "caller": {"type": "direct"}}],
        "stop_reason": "tool_use", "stop_sequence": null, "stop_details": null, "container": {"id": "c"},
        "usage": {"input_tokens": 3, "cache_creation_input_tokens": 12304, "cache_read_input_tokens": 0, "output_tokens": 550,
            "service_tier": "standard", "server_tool_use": {"web_search_requests": 1}}});
    let response = decode(body.to_string().as_bytes()).unwrap();
    let [Part::Reasoning(one), Part::Reasoning(two), Part::Text(text), Part::ToolCall(call)] =
        &response.choices[0].parts[..]
    else {
        panic!("{response:?}")
    };
    assert_eq!((one.text.as_str(), one.signature.as_deref(), one.redacted), ("t", Some("S="), false));
    assert_eq!((two.signature.as_deref(), two.redacted), (Some("D="), true));
    assert_eq!((text.as_str(), call.arguments.as_str()), ("a", "{}"));
    assert_eq!(response.choices[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let usage = response.usage.unwrap();
    assert_eq!((usage.prompt_tokens(), usage.cache_write_tokens(), usage.completion_tokens()), (12307, 12304, 550));
    let mut fields: Vec<&str> = response.extras.iter().map(|extra| extra.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["container", "content.2.citations", "content.3", "usage.server_tool_use"]);
}

#[test]
fn each_stop_reason_has_its_meaning() {
    for (raw, reason) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Paused),
    ] {
        let body = json!({"type": "message", "content": [], "stop_reason": raw, "stop_sequence": "END"});
        let response = decode(body.to_string().as_bytes()).unwrap();
        let finish = response.choices[0].finish.clone().unwrap();
        assert_eq!((finish.reason, finish.raw.as_str(), finish.stop_sequence.as_deref()), (reason, raw, Some("END")));
    }
}

#[test]
fn an_error_inside_a_200_is_no_answer() {
    let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#;
    let Err(StreamFault::Provider(error)) = decode(body) else { panic!() };
    assert_eq!(error.kind.as_deref(), Some("overloaded_error"));
    for body in ["", "[]", "{}", "<html>", r#"{"content":"x"}"#] {
        assert!(matches!(decode(body.as_bytes()), Err(StreamFault::Malformed(_))), "{body:?}");
    }
}

#[test]
fn another_providers_answer_looks_like_anthropics() {
    let call = ToolCall { id: "call_1".into(), name: "f".into(), arguments: r#"{"z": 1.0}"#.into(), signature: None };
    let response = answer(vec![text("hi"), text(""), Part::ToolCall(call)], FinishReason::Stop, "stop");
    let (body, losses) = written(&response);
    assert_eq!(
        body,
        json!({"id": "msg_req9", "type": "message", "role": "assistant", "model": "gpt-x",
            "content": [{"type": "text", "text": "hi"}, {"type": "tool_use", "id": "call_1", "name": "f", "input": {"z": 1.0}}],
            "stop_reason": "tool_use", "stop_sequence": null,
            "usage": {"input_tokens": 5, "output_tokens": 7}})
    );
    assert_eq!(losses, [""; 0]);
}

#[test]
fn each_end_has_its_stop_reason() {
    for (reason, raw, expected) in [
        (FinishReason::Stop, "stop", json!("end_turn")),
        (FinishReason::Length, "length", json!("max_tokens")),
        (FinishReason::Length, "model_length", json!("model_context_window_exceeded")),
        (FinishReason::ToolCalls, "tool_calls", json!("tool_use")),
        (FinishReason::ContentFilter, "SAFETY", json!("refusal")),
        (FinishReason::Paused, "pause_turn", json!("pause_turn")),
        (FinishReason::Paused, "CONTINUATION", json!("max_tokens")),
        (FinishReason::Failed, "MALFORMED_RESPONSE", json!(null)),
    ] {
        assert_eq!(written(&answer(vec![text("x")], reason, raw)).0["stop_reason"], expected, "{raw}");
    }
    let mut hit = answer(vec![text("x")], FinishReason::Stop, "stop");
    hit.choices[0].finish.as_mut().unwrap().stop_sequence = Some("END".into());
    let (body, _) = written(&hit);
    assert_eq!((&body["stop_reason"], &body["stop_sequence"]), (&json!("stop_sequence"), &json!("END")));
}

#[test]
fn a_refusal_is_text_that_ends_as_one() {
    let (body, losses) = written(&answer(vec![Part::Refusal("no".into())], FinishReason::Stop, "stop"));
    assert_eq!(body["content"], json!([{"type": "text", "text": "no"}]));
    assert_eq!((body["stop_reason"].as_str(), losses.len()), (Some("refusal"), 0));
}

#[test]
fn token_classes_stay_apart() {
    let mut response = answer(vec![text("x")], FinishReason::Stop, "stop");
    response.usage = Some(Usage {
        input_tokens: 60,
        cached_input_tokens: Some(40),
        cache_write_5m_tokens: Some(3),
        cache_write_1h_tokens: Some(4),
        output_tokens: 10,
        reasoning_tokens: Some(30),
        ..Usage::default()
    });
    let expected = json!({"input_tokens": 60, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 40,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 40, "output_tokens_details": {"thinking_tokens": 30}});
    assert_eq!(written(&response).0["usage"], expected);
    let again = decode(written(&response).0.to_string().as_bytes()).unwrap();
    assert_eq!(again.usage, response.usage);
    response.usage = None;
    let (body, losses) = written(&response);
    assert_eq!((&body["usage"], losses), (&json!({"input_tokens": 40, "output_tokens": 1}), vec!["usage".to_owned()]));
}

#[test]
fn only_the_first_choice_has_a_place() {
    let mut response = answer(vec![text("first")], FinishReason::Stop, "stop");
    response.choices.push(Choice { index: 1, parts: vec![text("second")], finish: None });
    let (body, losses) = written(&response);
    assert_eq!(body["content"][0]["text"], "first");
    assert_eq!(losses, ["choices[1]"]);
}

#[test]
fn what_has_no_place_is_reported() {
    let image =
        Media { source: MediaSource::Base64 { mime: "image/png".into(), data: "A".into() }, detail: None, name: None };
    let mut response = answer(vec![text("x"), Part::Image(image)], FinishReason::ContentFilter, "SAFETY");
    let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
    // A verdict is none of it: it goes into the `signalbox` member.
    for (field, is_default) in
        [("safetyRatings", false), ("avgLogprobs", false), ("system_fingerprint", true), ("stop_details", false)]
    {
        let value = raw(r#"{"type":"refusal"}"#);
        response.extras.push(Extra { field: field.into(), value, advisory: true, is_default });
    }
    let (body, losses) = written(&response);
    assert_eq!(losses, ["content[1]", "avgLogprobs"]);
    assert_eq!(body["stop_details"]["type"], "refusal");
}

#[test]
fn thinking_of_others_is_sealed_so_that_it_finds_home() {
    let thought = |signature: Option<&str>, origin| {
        Part::Reasoning(ReasoningPart {
            text: "t".into(),
            signature: signature.map(str::to_owned),
            redacted: false,
            origin,
        })
    };
    let call = ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into(), signature: Some("CS".into()) };
    let parts = vec![
        thought(Some("S="), Dialect::AnthropicMessages),
        thought(Some("G"), Dialect::Gemini),
        thought(None, Dialect::OpenAiChat),
        Part::ToolCall(call),
    ];
    let (body, losses) = written(&answer(parts, FinishReason::ToolCalls, "tool_calls"));
    let signatures: Vec<&str> =
        body["content"].as_array().unwrap().iter().filter_map(|b| b["signature"].as_str()).collect();
    assert_eq!(
        signatures,
        [
            "S=".to_owned(),
            foreign::seal(Dialect::Gemini, Some("G"), false, ""),
            foreign::seal(Dialect::OpenAiChat, None, false, ""),
            foreign::seal_call("CS", ""),
        ]
    );
    assert_eq!(losses, [""; 0]);
}

#[test]
fn arguments_that_were_cut_still_make_an_object() {
    let call = ToolCall { id: "c".into(), name: "f".into(), arguments: r#"{"a":"#.into(), signature: None };
    let (body, losses) = written(&answer(vec![Part::ToolCall(call)], FinishReason::Length, "length"));
    assert_eq!(body["content"][0]["input"], json!({"__raw": "{\"a\":"}));
    assert_eq!((body["stop_reason"].as_str(), losses), (Some("max_tokens"), vec!["content[0].arguments".to_owned()]));
}

#[test]
fn an_explained_answer_has_the_member_on_top_and_the_tails_usage() {
    let response = answer(vec![text("x")], FinishReason::Stop, "stop");
    let tail = Tail {
        usage: Some(Usage { input_tokens: 9, output_tokens: 9, ..Usage::default() }),
        signalbox: Some(r#"{"a":1}"#.into()),
        ..Tail::default()
    };
    let encoded = encode(&response, &ReplyContext::default(), &tail);
    let body: Value = serde_json::from_slice(&encoded.body).unwrap();
    assert_eq!((&body["signalbox"], &body["usage"]["input_tokens"]), (&json!({"a": 1}), &json!(9)));
    assert_eq!(body["id"], "msg_chatcmpl1");
}

#[test]
fn calls_without_ids_get_ids_that_differ_and_are_the_same_in_a_stream() {
    let call = |name: &str| json!({"type": "tool_use", "id": "", "name": name, "input": {}});
    let message = |content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}});
    let whole = decode(message(json!([call("f"), call("f")])).to_string().as_bytes()).unwrap();
    let ids: Vec<&str> = whole.choices[0]
        .parts
        .iter()
        .filter_map(|part| if let Part::ToolCall(c) = part { Some(c.id.as_str()) } else { None })
        .collect();
    assert!(ids.len() == 2 && ids[0] != ids[1] && ids.iter().all(|id| id.starts_with("call_")), "{ids:?}");
    let event = |data: Value| format!("data: {data}\n\n");
    let mut stream = event(json!({"type": "message_start", "message": message(json!([]))}));
    for index in 0..2 {
        stream += &event(json!({"type": "content_block_start", "index": index, "content_block": call("f")}));
        stream += &event(json!({"type": "content_block_stop", "index": index}));
    }
    let (mut frames, mut decoder, mut events) =
        (crate::sse::Decoder::new(), Dialect::AnthropicMessages.stream_decoder(), Vec::new());
    frames.push(stream.as_bytes()).unwrap();
    while let Some(frame) = frames.next_frame() {
        decoder.frame(&frame, &mut events).unwrap();
    }
    let started = events.iter().filter_map(|event| match event {
        crate::dialect::canonical::StreamEvent::ToolCallStart { id, .. } => Some(id.as_str()),
        _ => None,
    });
    assert_eq!(started.collect::<Vec<_>>(), ids);
}
