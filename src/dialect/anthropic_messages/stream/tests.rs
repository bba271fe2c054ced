use proptest::prelude::*;
use serde_json::value::{RawValue, Value};
use serde_json::{json, Map};

use super::{Decoder, Encoder, PING};
use crate::dialect::anthropic_messages::foreign;
use crate::dialect::canonical::{Extra, Finish, FinishReason, Loss, StreamEvent, Usage};
use crate::dialect::{Dialect, ReplyContext, StreamFault, Tail};
use crate::sse;

fn decode_all(body: &str) -> (Vec<StreamEvent>, Decoder, Vec<StreamFault>) {
    let mut frames = sse::Decoder::new();
    frames.push(body.as_bytes()).unwrap();
    let (mut events, mut decoder, mut faults) = (Vec::new(), Decoder::default(), Vec::new());
    while let Some(frame) = frames.next_frame() {
        faults.extend(decoder.frame(&frame, &mut events).err());
    }
    (events, decoder, faults)
}

fn wire(events: &[Value]) -> String {
    events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())).collect()
}

fn shown(events: &[StreamEvent]) -> Vec<String> {
    let show = |event: &StreamEvent| match event {
        StreamEvent::Start { id, model, .. } => format!("start {id:?} {model:?}"),
        StreamEvent::TextDelta { text, .. } => format!("text {text}"),
        StreamEvent::ReasoningDelta { text, .. } => format!("thinking {text}"),
        StreamEvent::ReasoningEnd { signature, redacted, .. } => format!("end {signature:?} {redacted}"),
        StreamEvent::RefusalDelta { text, .. } => format!("refusal {text}"),
        StreamEvent::ToolCallStart { index, id, name, .. } => format!("call {index} {id} {name}"),
        StreamEvent::ToolCallDelta { index, arguments, .. } => format!("arguments {index} {arguments}"),
        StreamEvent::ToolCallEnd { index, .. } => format!("called {index}"),
        StreamEvent::Finish { finish, .. } => format!("finish {:?} {}", finish.reason, finish.raw),
        StreamEvent::Usage(usage) => format!("usage {} {}", usage.prompt_tokens(), usage.completion_tokens()),
        StreamEvent::Extra(extra) => format!("extra {} {}", extra.field, extra.value.get()),
        StreamEvent::CustomCallStart { .. } | StreamEvent::CustomCallDelta { .. } | StreamEvent::Media { .. } => {
            format!("{event:?}")
        }
    };
    events.iter().map(show).collect()
}

#[test]
fn a_stream_is_read_in_wire_order() {
    let start =
        |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let stop = |index: u64| json!({"type": "content_block_stop", "index": index});
    let body = wire(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "model": "claude-x", "content": [],
            "usage": {"input_tokens": 27, "output_tokens": 1, "service_tier": "priority"}}}),
        json!({"type": "ping"}),
        start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, json!({"type": "signature_delta", "signature": "S="})),
        stop(0),
        start(1, json!({"type": "redacted_thinking", "data": "D="})),
        stop(1),
        start(2, json!({"type": "text", "text": ""})),
        delta(2, json!({"type": "text_delta", "text": "a"})),
        delta(2, json!({"type": "citations_delta", "citation": {"type": "page_location"}})),
        stop(2),
        start(3, json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "{\"q\":"})),
        delta(3, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(3),
        start(4, json!({"type": "tool_use", "id": "t1", "name": "f", "input": {}})),
        delta(4, json!({"type": "input_json_delta", "partial_json": ""})),
        stop(4),
        start(5, json!({"type": "tool_use", "id": "t2", "name": "g", "input": {}})),
        delta(5, json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(5, json!({"type": "input_json_delta", "partial_json": "1}"})),
        stop(5),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null},
            "usage": {"input_tokens": 27, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}}),
        json!({"type": "message_stop"}),
    ]);
    let (events, decoder, faults) = decode_all(&body);
    assert_eq!(
        shown(&events),
        [
            "start Some(\"msg_1\") Some(\"claude-x\")",
            "usage 27 1",
            "extra service_tier \"priority\"",
            "thinking hm",
            "end Some(\"S=\") false",
            "end Some(\"D=\") true",
            "text a",
            "extra content.2.citations {\"type\":\"page_location\"}",
            "extra content.3 {\"id\":\"s\",\"input\":{\"q\":1},\"name\":\"web_search\",\"type\":\"server_tool_use\"}",
            "call 0 t1 f",
            "arguments 0 {}",
            "called 0",
            "call 1 t2 g",
            "arguments 1 {\"a\":",
            "arguments 1 1}",
            "called 1",
            "usage 27 9",
            "finish ToolCalls tool_use",
        ]
    );
    assert!(decoder.complete() && faults.is_empty());
}

#[test]
fn a_stream_without_its_terminator_is_cut() {
    let body = wire(&[
        json!({"type": "message_start", "message": {"id": "msg_1", "content": []}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
    ]);
    assert!(!decode_all(&body).1.complete());
}

#[test]
fn the_providers_error_is_told_apart_from_a_broken_event() {
    let body =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":7}}\n\n\
        data: {oops\n\n: comment\n\ndata: [DONE]\n\n";
    let (events, _, faults) = decode_all(body);
    assert!(matches!(&faults[0], StreamFault::Provider(error) if error.kind.as_deref() == Some("overloaded_error")));
    assert!(matches!(&faults[1..], [StreamFault::Malformed(_), StreamFault::Malformed(_)]));
    assert!(events.is_empty());
}

#[test]
fn what_is_not_known_does_no_harm_and_is_told() {
    let body = wire(&[
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "text": 5}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "hologram_delta", "text": 5}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_stop", "index": 7}),
        json!({"type": "weather", "index": "north", "delta": "x"}),
        json!({"type": "season", "name": "winter"}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "glow_delta", "glow": 1}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "hue_delta", "text": 7}}),
        json!({"type": "ping"}),
    ]);
    let (events, _, faults) = decode_all(&body);
    let expected = [
        r#"extra content.0 {"text":5,"type":"hologram"}"#,
        r#"extra events.weather {"delta":"x","index":"north","type":"weather"}"#,
        r#"extra events.season {"name":"winter","type":"season"}"#,
        r#"extra content.1.glow_delta {"glow":1,"type":"glow_delta"}"#,
        r#"extra content.1.hue_delta {"text":7,"type":"hue_delta"}"#,
    ];
    assert_eq!(shown(&events), expected);
    assert_eq!(faults, []);
}

#[test]
fn blocks_that_a_server_forgot_to_stop_are_closed() {
    let body = wire(&[
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "b", "name": "f", "input": {}}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
    ]);
    assert_eq!(
        shown(&decode_all(&body).0),
        [
            "call 0 a f",
            "arguments 0 {\"x\":1}",
            "called 0",
            "call 1 b f",
            "arguments 1 {}",
            "called 1",
            "finish ToolCalls tool_use"
        ]
    );
}

/// What a client of the dialect makes of the bytes, with the grammar checked on the way.
fn client_reads(body: &[u8]) -> (Vec<Value>, Value) {
    let mut frames = sse::Decoder::new();
    frames.push(body).unwrap();
    let (mut content, mut open, mut started, mut end) = (Vec::new(), None, false, Value::Null);
    while let Some(frame) = frames.next_frame() {
        let data: Value = serde_json::from_slice(frame.data.as_deref().unwrap()).unwrap();
        let kind = data["type"].as_str().unwrap();
        assert_eq!(frame.event.as_deref(), Some(kind.as_bytes()));
        assert_eq!(kind == "message_start", !std::mem::replace(&mut started, true), "first, and once");
        match kind {
            "content_block_start" => {
                assert_eq!((open, data["index"].as_u64()), (None, Some(content.len() as u64)));
                open = data["index"].as_u64();
                let mut block = data["content_block"].clone();
                block.as_object_mut().map(|block: &mut Map<_, _>| block.remove("input"));
                content.push(block);
            }
            "content_block_delta" => {
                assert_eq!(data["index"].as_u64(), open);
                for (name, more) in data["delta"].as_object().unwrap().iter().filter(|(name, _)| *name != "type") {
                    let block = content.last_mut().unwrap();
                    let old = block[name].as_str().unwrap_or("").to_owned();
                    block[name] = json!(old + more.as_str().unwrap());
                }
            }
            "content_block_stop" => assert_eq!(data["index"].as_u64(), open.take()),
            "message_delta" => end = data.clone(),
            _ => {}
        }
    }
    assert_eq!(open, None);
    (content, end)
}

fn encode_all(events: &[StreamEvent], tail: &Tail) -> (Vec<u8>, Vec<Loss>) {
    let context = ReplyContext {
        request_id: "r-1".into(),
        model: "m".into(),
        estimated_input_tokens: 33,
        ..ReplyContext::default()
    };
    let (mut encoder, mut out, mut losses) = (Encoder::new(context), Vec::new(), Vec::new());
    for event in events {
        encoder.event(event, &mut out, &mut losses);
    }
    encoder.end(tail, &mut out);
    (out, losses)
}

fn start(id: &str, model: &str) -> StreamEvent {
    StreamEvent::Start { id: Some(id.into()), model: Some(model.into()), created: None }
}

fn text(text: &str) -> StreamEvent {
    StreamEvent::TextDelta { choice: 0, text: text.into() }
}

fn call(index: u32) -> StreamEvent {
    let id = format!("call_{index}");
    StreamEvent::ToolCallStart { choice: 0, index, id, name: "f".into(), signature: None }
}

fn arguments(index: u32, text: &str) -> StreamEvent {
    StreamEvent::ToolCallDelta { choice: 0, index, arguments: text.into() }
}

fn called(index: u32) -> StreamEvent {
    StreamEvent::ToolCallEnd { choice: 0, index }
}

fn finish(reason: FinishReason, raw: &str) -> StreamEvent {
    StreamEvent::Finish { choice: 0, finish: Finish { reason, raw: raw.into(), stop_sequence: None } }
}

#[test]
fn another_providers_stream_becomes_anthropics() {
    let usage = Usage { input_tokens: 60, cached_input_tokens: Some(40), output_tokens: 7, ..Usage::default() };
    let events = [
        start("chatcmpl-1", "gpt-x"),
        text("Hel"),
        text("lo"),
        finish(FinishReason::Stop, "stop"),
        StreamEvent::Usage(usage),
    ];
    let (out, losses) = encode_all(&events, &Tail { signalbox: Some("{\"a\":\n1}".into()), ..Tail::default() });
    let (content, end) = client_reads(&out);
    assert_eq!(content, [json!({"type": "text", "text": "Hello"})]);
    assert_eq!(end["delta"], json!({"stop_reason": "end_turn", "stop_sequence": null}));
    assert_eq!(end["usage"], json!({"input_tokens": 60, "cache_read_input_tokens": 40, "output_tokens": 7}));
    assert_eq!(end["signalbox"], json!({"a": 1}));
    let body = String::from_utf8(out).unwrap();
    assert!(body.starts_with("event: message_start\n"));
    assert!(body.contains(r#""id":"msg_r1","type":"message","role":"assistant","model":"gpt-x""#));
    assert!(body.contains(r#""usage":{"input_tokens":33,"output_tokens":0}"#), "the prompt is announced as estimated");
    assert!(body.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"));
    assert!(losses.is_empty());
}

#[test]
fn text_goes_out_as_it_comes() {
    let (mut encoder, mut out, mut losses) = (Encoder::new(ReplyContext::default()), Vec::new(), Vec::new());
    for event in [start("x", "m"), text("a"), call(0), arguments(0, "{\"k\"")] {
        let before = out.len();
        encoder.event(&event, &mut out, &mut losses);
        assert!(out.len() > before, "{event:?} waits for nothing");
    }
}

#[test]
fn interleaved_calls_never_overlap() {
    let events = [
        text("calling"),
        call(0),
        call(1),
        arguments(0, "{\"a\":"),
        arguments(1, "{\"b\":"),
        arguments(0, "1}"),
        text("meanwhile"),
        arguments(1, "2}"),
        called(1),
        called(0),
        finish(FinishReason::Stop, "stop"),
    ];
    let (out, losses) = encode_all(&events, &Tail::default());
    let (content, end) = client_reads(&out);
    assert_eq!(
        content,
        [
            json!({"type": "text", "text": "calling"}),
            json!({"type": "tool_use", "id": "call_0", "name": "f", "partial_json": "{\"a\":1}"}),
            json!({"type": "tool_use", "id": "call_1", "name": "f", "partial_json": "{\"b\":2}"}),
            json!({"type": "text", "text": "meanwhile"}),
        ]
    );
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert!(losses.is_empty());
}

#[test]
fn thinking_is_signed_by_whom_it_came_from() {
    let thought = |text: &str| StreamEvent::ReasoningDelta { choice: 0, text: text.into() };
    let end = |signature: Option<&str>, redacted| StreamEvent::ReasoningEnd {
        choice: 0,
        signature: signature.map(str::to_owned),
        redacted,
    };
    let signatures = |upstream, rest: Vec<StreamEvent>| -> Vec<String> {
        let context = ReplyContext { upstream, answered_by: "p/m".into(), ..ReplyContext::default() };
        let mut encoder = Encoder::new(context);
        let mut out = Vec::new();
        for event in rest.iter().chain([&text("x")]) {
            encoder.event(event, &mut out, &mut Vec::new());
        }
        encoder.end(&Tail::default(), &mut out);
        let (content, _) = client_reads(&out);
        let word = |block: &Value| block["signature"].as_str().or(block["data"].as_str()).map(str::to_owned);
        content.iter().filter_map(word).collect()
    };
    let own = vec![thought("a"), end(Some("S="), false), end(Some("D="), true), end(Some("T="), false)];
    assert_eq!(signatures(Some(Dialect::AnthropicMessages), own), ["S=", "D=", "T="]);
    let gemini = vec![thought("a"), end(Some("G"), false)];
    let sealed = |origin, signature, redacted| foreign::seal(origin, signature, redacted, "p/m");
    assert_eq!(signatures(Some(Dialect::Gemini), gemini), [sealed(Dialect::Gemini, Some("G"), false)]);
    let relay = vec![thought("a"), end(None, false), end(Some("R"), true)];
    let expected = [sealed(Dialect::OpenAiChat, None, false), sealed(Dialect::OpenAiChat, Some("R"), true)];
    assert_eq!(signatures(Some(Dialect::OpenAiChat), relay), expected);
    assert_eq!(signatures(None, vec![end(Some("S"), false)]), [sealed(Dialect::OpenAiChat, Some("S"), false)]);
    let signed = StreamEvent::ToolCallStart {
        choice: 0,
        index: 0,
        id: "c".into(),
        name: "f".into(),
        signature: Some("CS".into()),
    };
    assert_eq!(signatures(Some(Dialect::Gemini), vec![signed, called(0)]), [foreign::seal_call("CS", "p/m")]);
}

#[test]
fn a_refusal_ends_as_one_and_a_failure_never_looks_complete() {
    let refusal = StreamEvent::RefusalDelta { choice: 0, text: "no".into() };
    let (content, end) = client_reads(&encode_all(&[refusal, finish(FinishReason::Stop, "stop")], &Tail::default()).0);
    assert_eq!((&content[0]["text"], &end["delta"]["stop_reason"]), (&json!("no"), &json!("refusal")));

    let (out, _) = encode_all(&[text("x"), finish(FinishReason::Failed, "MALFORMED_FUNCTION_CALL")], &Tail::default());
    let body = String::from_utf8(out).unwrap();
    assert!(body.contains("event: error\n") && body.contains("MALFORMED_FUNCTION_CALL"));
    assert!(!body.contains("message_delta") && !body.contains("message_stop"));
}

#[test]
fn an_end_that_was_not_the_last_ends_no_text() {
    let events = [text("a"), finish(FinishReason::Stop, "STOP"), text("b"), finish(FinishReason::Length, "MAX_TOKENS")];
    let (content, end) = client_reads(&encode_all(&events, &Tail::default()).0);
    assert_eq!(
        (content, &end["delta"]["stop_reason"]),
        (vec![json!({"type": "text", "text": "ab"})], &json!("max_tokens"))
    );
}

#[test]
fn other_choices_and_strange_members_are_reported_once() {
    let raw = |json: &str| RawValue::from_string(json.into()).unwrap();
    let extra = |field: &str, is_default| {
        StreamEvent::Extra(Extra { field: field.into(), value: raw("1"), advisory: true, is_default })
    };
    let other = || StreamEvent::TextDelta { choice: 1, text: "b".into() };
    let events = [text("a"), other(), other(), extra("system_fingerprint", false), extra("obvious", true)];
    let (out, losses) = encode_all(&events, &Tail::default());
    assert_eq!(client_reads(&out).0, [json!({"type": "text", "text": "a"})]);
    let fields: Vec<&str> = losses.iter().map(|loss| loss.field.as_str()).collect();
    assert_eq!(fields, ["choices[1]", "system_fingerprint"]);
}

#[test]
fn an_answer_without_anything_is_still_a_whole_stream() {
    let (content, end) = client_reads(&encode_all(&[], &Tail::default()).0);
    assert_eq!((content.len(), &end["delta"]["stop_reason"]), (0, &json!("end_turn")));
    assert_eq!(end["usage"], json!({"input_tokens": 33, "output_tokens": 0}));
}

#[test]
fn a_ping_is_an_event_of_the_dialect() {
    let (events, _, faults) = decode_all(std::str::from_utf8(PING).unwrap());
    assert!(events.is_empty() && faults.is_empty());
}

/// Any order in which a provider may interleave text, thinking and calls.
fn steps() -> impl Strategy<Value = Vec<(u8, u32)>> {
    proptest::collection::vec((0_u8..5, 0_u32..4), 0..40)
}

proptest! {
    #[test]
    fn any_legal_order_becomes_a_legal_stream_that_says_the_same(steps in steps()) {
        let mut events = vec![start("msg_1", "claude-x")];
        let (mut said, mut thought) = (String::new(), String::new());
        let mut calls: Vec<String> = Vec::new();
        let mut open: Vec<u32> = Vec::new();
        for (at, (kind, which)) in steps.into_iter().enumerate() {
            let word = format!("{at} ");
            match kind {
                0 => {
                    said += &word;
                    events.push(text(&word));
                }
                1 => {
                    thought += &word;
                    events.push(StreamEvent::ReasoningDelta { choice: 0, text: word });
                }
                2 => {
                    let index = calls.len() as u32;
                    calls.push(String::new());
                    open.push(index);
                    events.push(call(index));
                }
                3 => {
                    if let Some(index) = open.get(which as usize) {
                        calls[*index as usize] += &word;
                        events.push(arguments(*index, &word));
                    }
                }
                _ => {
                    if (which as usize) < open.len() {
                        events.push(called(open.remove(which as usize)));
                    }
                }
            }
        }
        events.extend(open.into_iter().map(called));
        events.push(finish(FinishReason::Stop, "end_turn"));
        let (out, losses) = encode_all(&events, &Tail::default());
        let (content, _) = client_reads(&out);
        let joined = |kind: &str, member: &str| -> String {
            content.iter().filter(|b| b["type"] == kind).filter_map(|b| b[member].as_str()).collect()
        };
        prop_assert_eq!(joined("text", "text"), said);
        prop_assert_eq!(joined("thinking", "thinking"), thought);
        let written: Vec<String> = content.iter().filter(|b| b["type"] == "tool_use")
            .map(|b| b["partial_json"].as_str().unwrap_or("").to_owned()).collect();
        prop_assert_eq!(written, calls);
        prop_assert!(losses.is_empty());
    }
}
