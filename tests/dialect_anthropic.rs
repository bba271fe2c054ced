//! Recorded Anthropic traffic through the dialect, both ways. What is expected is computed here from the recording, by a
//! small reading of its own. Without the recordings (`SIGNALBOX_FIXTURES`) these tests pass with a note; the promises
//! themselves are also tested beside the code.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // test helpers

use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};
use signalbox::dialect::anthropic_messages::native;
use signalbox::dialect::canonical::{
    ChatResponse, Choice, Disposition, FinishReason, Part, ReasoningPart, StreamEvent, ToolCall, Usage,
};
use signalbox::dialect::{Dialect, ModelTraits, Observation, ReplyContext, Tail, Target};
use signalbox::sse;

const ANTHROPIC: Dialect = Dialect::AnthropicMessages;

struct Case {
    name: String,
    about: Value,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Case {
    fn status(&self) -> u64 {
        self.about["status"].as_u64().unwrap()
    }

    fn is_sse(&self) -> bool {
        self.about["framing"] == "sse"
    }
}

fn cases() -> Vec<Case> {
    let root = std::env::var("SIGNALBOX_FIXTURES").unwrap_or_else(|_| "../shared/fixtures".to_owned());
    let folder = PathBuf::from(root).join("anthropic-messages");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("no recordings at {}: nothing compared", folder.display());
        return Vec::new();
    };
    let mut cases: Vec<Case> = entries.map(|entry| case(&entry.unwrap().path())).collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases.retain(|case| case.about["endpoint"] == "messages");
    assert!(!cases.is_empty(), "a folder of recordings without one");
    cases
}

fn case(folder: &Path) -> Case {
    let about: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
    let response = folder.join(about["response_file"].as_str().unwrap());
    Case {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        request: std::fs::read(folder.join("request.json")).unwrap(),
        response: std::fs::read(response).unwrap(),
        about,
    }
}

/// An answer as a client of the dialect would add it up.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    text: String,
    thinking: Vec<(String, String)>,
    redacted: Vec<String>,
    calls: Vec<(String, String, Value)>,
    stop: Option<String>,
    stop_sequence: Option<String>,
    usage: Usage,
}

/// Independent of the code under test: adds up events by Anthropic's documented rules.
fn expected_of_stream(body: &[u8]) -> Reading {
    let mut message = json!({});
    let mut inputs: Vec<String> = Vec::new();
    for line in String::from_utf8(body.to_vec()).unwrap().lines().filter_map(|line| line.strip_prefix("data:")) {
        let event: Value = serde_json::from_str(line).unwrap();
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => {
                message["content"].as_array_mut().unwrap().push(event["content_block"].clone());
                inputs.push(String::new());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                for member in ["text", "thinking", "signature"] {
                    if let Some(text) = delta[member].as_str() {
                        let old = message["content"][at][member].as_str().unwrap_or("").to_owned();
                        message["content"][at][member] = json!(old + text);
                    }
                }
                inputs[at] += delta["partial_json"].as_str().unwrap_or("");
            }
            "content_block_stop" if !inputs[at].is_empty() => {
                message["content"][at]["input"] = serde_json::from_str(&inputs[at]).unwrap();
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().unwrap().iter().filter(|(_, value)| !value.is_null()) {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    expected_of_message(&message)
}

fn expected_of_message(message: &Value) -> Reading {
    let mut reading = Reading::default();
    let string = |value: &Value| value.as_str().unwrap_or("").to_owned();
    for block in message["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => reading.text += block["text"].as_str().unwrap(),
            "thinking" => reading.thinking.push((string(&block["thinking"]), string(&block["signature"]))),
            "redacted_thinking" => reading.redacted.push(string(&block["data"])),
            "tool_use" => {
                reading.calls.push((string(&block["id"]), string(&block["name"]), block["input"].clone()));
            }
            _ => {}
        }
    }
    reading.stop = message["stop_reason"].as_str().map(str::to_owned);
    reading.stop_sequence = message["stop_sequence"].as_str().map(str::to_owned);
    reading.usage = expected_usage(&message["usage"]);
    reading
}

fn expected_usage(usage: &Value) -> Usage {
    let count = |value: &Value| value.as_u64();
    // Compaction is billed and stands outside the totals (`wire.md` §1.3 "Usage").
    let no_iterations = Vec::new();
    let iterations = usage["iterations"].as_array().unwrap_or(&no_iterations);
    let compaction = |name: &str| -> u64 {
        iterations.iter().filter(|i| i["type"] == "compaction").map(|i| i[name].as_u64().unwrap_or(0)).sum()
    };
    let split = &usage["cache_creation"];
    let thinking = count(&usage["output_tokens_details"]["thinking_tokens"]);
    let long = count(&split["ephemeral_1h_input_tokens"]);
    Usage {
        input_tokens: count(&usage["input_tokens"]).unwrap() + compaction("input_tokens"),
        cached_input_tokens: count(&usage["cache_read_input_tokens"])
            .map(|n| n + compaction("cache_read_input_tokens")),
        cache_write_5m_tokens: count(&usage["cache_creation_input_tokens"])
            .map(|total| total - long.unwrap_or(0) + compaction("cache_creation_input_tokens")),
        cache_write_1h_tokens: long,
        output_tokens: count(&usage["output_tokens"]).unwrap() - thinking.unwrap_or(0) + compaction("output_tokens"),
        reasoning_tokens: thinking,
        web_searches: count(&usage["server_tool_use"]["web_search_requests"]),
        ..Usage::default()
    }
}

fn events_of(body: &[u8]) -> Vec<StreamEvent> {
    let mut frames = sse::Decoder::new();
    frames.push(body).unwrap();
    let mut decoder = ANTHROPIC.stream_decoder();
    let mut events = Vec::new();
    while let Some(frame) = frames.next_frame() {
        assert!(!decoder.complete(), "nothing follows the terminator");
        decoder.frame(&frame, &mut events).unwrap();
    }
    assert!(decoder.complete());
    events
}

fn read_events(events: &[StreamEvent]) -> Reading {
    let mut reading = Reading::default();
    let mut thinking = String::new();
    let mut arguments: Vec<String> = Vec::new();
    for event in events {
        match event {
            StreamEvent::TextDelta { text, .. } => reading.text += text,
            StreamEvent::ReasoningDelta { text, .. } => thinking += text,
            StreamEvent::ReasoningEnd { signature, redacted: true, .. } => {
                reading.redacted.push(signature.clone().unwrap());
            }
            StreamEvent::ReasoningEnd { signature, .. } => {
                reading.thinking.push((std::mem::take(&mut thinking), signature.clone().unwrap_or_default()));
            }
            StreamEvent::ToolCallStart { index, id, name, .. } => {
                assert_eq!(*index as usize, arguments.len());
                arguments.push(String::new());
                reading.calls.push((id.clone(), name.clone(), Value::Null));
            }
            StreamEvent::ToolCallDelta { index, arguments: text, .. } => arguments[*index as usize] += text,
            StreamEvent::ToolCallEnd { index, .. } => {
                let at = *index as usize;
                reading.calls[at].2 = serde_json::from_str(&arguments[at]).unwrap();
            }
            StreamEvent::Finish { finish, .. } => {
                reading.stop = Some(finish.raw.clone());
                reading.stop_sequence = finish.stop_sequence.clone();
            }
            StreamEvent::Usage(usage) => reading.usage = *usage,
            StreamEvent::Start { .. } | StreamEvent::RefusalDelta { .. } | StreamEvent::Extra(_) => {}
            StreamEvent::CustomCallStart { .. } | StreamEvent::CustomCallDelta { .. } | StreamEvent::Media { .. } => {
                panic!("nothing that Claude answers with")
            }
        }
    }
    reading
}

fn read_response(response: &ChatResponse) -> Reading {
    let [Choice { parts, finish, .. }] = response.choices.as_slice() else { panic!("one choice") };
    let mut reading = Reading { usage: response.usage.unwrap(), ..Reading::default() };
    for part in parts {
        match part {
            Part::Text(text) => reading.text += text,
            Part::ToolCall(ToolCall { id, name, arguments, .. }) => {
                reading.calls.push((id.clone(), name.clone(), serde_json::from_str(arguments).unwrap()));
            }
            Part::Reasoning(ReasoningPart { text, signature, redacted, .. }) if *redacted => {
                assert!(text.is_empty());
                reading.redacted.push(signature.clone().unwrap());
            }
            Part::Reasoning(ReasoningPart { text, signature, .. }) => {
                reading.thinking.push((text.clone(), signature.clone().unwrap_or_default()));
            }
            other => panic!("{other:?}"),
        }
    }
    reading.stop = finish.as_ref().map(|finish| finish.raw.clone());
    reading.stop_sequence = finish.as_ref().and_then(|finish| finish.stop_sequence.clone());
    reading
}

#[test]
fn every_recorded_stream_reads_as_a_client_would_add_it_up() {
    for case in cases().iter().filter(|case| case.is_sse()) {
        assert_eq!(read_events(&events_of(&case.response)), expected_of_stream(&case.response), "{}", case.name);
    }
}

#[test]
fn every_recorded_answer_reads_as_it_stands() {
    for case in cases().iter().filter(|case| !case.is_sse() && case.status() == 200) {
        let response = ANTHROPIC.decode_response(&case.response).unwrap();
        let message: Value = serde_json::from_slice(&case.response).unwrap();
        assert_eq!(read_response(&response), expected_of_message(&message), "{}", case.name);
        assert_eq!(response.id.as_deref(), message["id"].as_str(), "{}", case.name);
        assert_eq!(response.model.as_deref(), message["model"].as_str(), "{}", case.name);
        let strange: Vec<&Value> = message["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|b| !["text", "thinking", "redacted_thinking", "tool_use"].contains(&b["type"].as_str().unwrap()))
            .collect();
        let reported =
            response.extras.iter().filter(|e| e.field.matches('.').count() == 1 && e.field.starts_with("content."));
        assert_eq!(reported.count(), strange.len(), "{}: every other block is reported", case.name);
    }
}

#[test]
fn every_recorded_stream_survives_being_written_again() {
    for case in cases().iter().filter(|case| case.is_sse()) {
        let before = events_of(&case.response);
        let upstream = Some(ANTHROPIC);
        let context = ReplyContext { model: "m".into(), upstream, ..ReplyContext::default() };
        let mut encoder = ANTHROPIC.stream_encoder(context);
        let (mut out, mut losses) = (Vec::new(), Vec::new());
        for event in &before {
            encoder.event(event, &mut out, &mut losses);
        }
        encoder.end(&Tail::default(), &mut out);
        assert_well_formed(&out, &case.name);
        assert_eq!(read_events(&events_of(&out)), read_events(&before), "{}", case.name);
        let extras = before.iter().filter(|e| matches!(e, StreamEvent::Extra(extra) if !extra.is_default)).count();
        assert_eq!(losses.len(), extras, "{}: what has no place is reported, and nothing else", case.name);
    }
}

/// Events named after their type, `message_start` first, blocks one after another from 0, `message_stop` last.
fn assert_well_formed(body: &[u8], name: &str) {
    let mut frames = sse::Decoder::new();
    frames.push(body).unwrap();
    let mut kinds = Vec::new();
    let mut next = 0;
    let mut open = None;
    while let Some(frame) = frames.next_frame() {
        let data: Value = serde_json::from_slice(frame.data.as_deref().unwrap()).unwrap();
        let kind = data["type"].as_str().unwrap().to_owned();
        assert_eq!(frame.event.as_deref(), Some(kind.as_bytes()), "{name}");
        match kind.as_str() {
            "content_block_start" => {
                assert_eq!((open, data["index"].as_u64()), (None, Some(next)), "{name}");
                open = Some(next);
                next += 1;
            }
            "content_block_delta" => assert_eq!(data["index"].as_u64(), open, "{name}"),
            "content_block_stop" => assert_eq!(data["index"].as_u64(), open.take(), "{name}"),
            _ => assert_eq!(open, None, "{name}: {kind} inside a block"),
        }
        kinds.push(kind);
    }
    assert_eq!(kinds.first().map(String::as_str), Some("message_start"), "{name}");
    assert_eq!(kinds[kinds.len() - 2..], ["message_delta", "message_stop"], "{name}");
}

#[test]
fn every_recorded_answer_survives_being_written_again() {
    for case in cases().iter().filter(|case| !case.is_sse() && case.status() == 200) {
        let before = ANTHROPIC.decode_response(&case.response).unwrap();
        let written = ANTHROPIC.encode_response(&before, &ReplyContext::default(), &Tail::default());
        let after = ANTHROPIC.decode_response(&written.body).unwrap();
        assert_eq!(read_response(&after), read_response(&before), "{}", case.name);
        assert_eq!((&after.id, &after.model), (&before.id, &before.model), "{}", case.name);
        assert_eq!(written.losses.len(), before.extras.len(), "{}: what has no place is reported", case.name);
    }
}

#[test]
fn watching_an_answer_tells_the_same_as_reading_it() {
    for case in cases().iter().filter(|case| case.status() == 200) {
        let (seen, read) = if case.is_sse() {
            (watched(&case.response), read_events(&events_of(&case.response)))
        } else {
            let response = ANTHROPIC.decode_response(&case.response).unwrap();
            (ANTHROPIC.observe_response(&case.response).unwrap(), read_response(&response))
        };
        assert!(seen.done, "{}", case.name);
        assert_eq!((seen.usage, seen.raw_finish), (Some(read.usage), read.stop), "{}", case.name);
        let text = read.text.len() + read.thinking.iter().map(|(text, _)| text.len()).sum::<usize>();
        assert!(seen.output_bytes >= text as u64, "{}", case.name);
        assert!(seen.id.unwrap().starts_with("msg_"), "{}", case.name);
    }
}

fn watched(body: &[u8]) -> Observation {
    let mut frames = sse::Decoder::new();
    frames.push(body).unwrap();
    let mut seen = Observation::default();
    let mut content = false;
    while let Some(frame) = frames.next_frame() {
        let before = seen.output_bytes;
        let one = ANTHROPIC.observe_event(&frame, &mut seen).unwrap();
        assert!(one.content || seen.output_bytes == before, "bytes are counted of content only");
        assert_eq!(one.terminal, seen.done);
        content |= one.content;
    }
    assert!(content);
    seen
}

#[test]
fn every_recorded_error_keeps_its_words() {
    for case in cases().iter().filter(|case| case.status() >= 400) {
        let wire: Value = serde_json::from_slice(&case.response).unwrap();
        let error = ANTHROPIC.decode_error(&case.response).unwrap();
        assert_eq!(error.kind.as_deref(), wire["error"]["type"].as_str(), "{}", case.name);
        assert_eq!(error.message, wire["error"]["message"].as_str().unwrap(), "{}", case.name);
        assert!(ANTHROPIC.decode_response(&case.response).is_err(), "{}", case.name);
    }
    for case in cases().iter().filter(|case| case.status() == 200 && !case.is_sse()) {
        assert_eq!(ANTHROPIC.decode_error(&case.response), None, "{}", case.name);
    }
}

#[test]
fn every_recorded_request_means_the_same_after_the_hub() {
    for case in cases().iter().filter(|case| case.about["request"] != "synthetic") {
        let wire: Value = serde_json::from_slice(&case.request).unwrap();
        let view = ANTHROPIC.view(&case.request).unwrap();
        assert_eq!(view.model, wire["model"].as_str().unwrap(), "{}", case.name);
        assert_eq!(view.max_output_tokens, wire["max_tokens"].as_u64(), "{}", case.name);
        assert!(view.estimated_input_tokens > 0 && !view.sample.is_empty(), "{}", case.name);

        let request = match ANTHROPIC.decode_request(&case.request) {
            Ok(request) => request,
            Err(error) => {
                assert_eq!((error.status(), case.status()), (400, 400), "{}: {error}", case.name);
                continue;
            }
        };
        let target = Target {
            provider: "anthropic",
            model: wire["model"].as_str().unwrap(),
            traits: ModelTraits::PERMISSIVE,
            max_output_tokens: None,
        };
        let written = ANTHROPIC.encode_request(&request, &target);
        let again: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(plain(&again), plain(&wire), "{}", case.name);
        let own_tools = wire["tools"].as_array().is_some_and(|tools| tools.iter().any(|tool| tool["type"].is_string()));
        let refused: Vec<_> = written.losses.iter().filter(|l| l.disposition == Disposition::Unsupported).collect();
        assert_eq!(!refused.is_empty(), own_tools, "{}: {refused:?}", case.name);
    }
}

/// A request in one spelling, without what the hub reports instead of carrying.
fn plain(request: &Value) -> Value {
    let mut plain = Map::new();
    for (name, value) in request.as_object().unwrap() {
        let value = match name.as_str() {
            "system" => blocks(value),
            "messages" => {
                let messages = value.as_array().unwrap().iter();
                messages.map(|m| json!({"role": m["role"], "content": blocks(&m["content"])})).collect()
            }
            "tools" => {
                // Tools that Anthropic runs are refused elsewhere; what stays is compared without cache marks.
                let own = value.as_array().unwrap().iter().filter(|tool| tool["type"].is_null());
                own.map(unmarked).collect()
            }
            "thinking" => {
                let mut thinking = value.clone();
                thinking.as_object_mut().unwrap().remove("display");
                thinking
            }
            "cache_control" => continue,
            "temperature" if value.as_f64() == Some(1.0) => continue,
            "stream" if value == &json!(false) => continue,
            _ => value.clone(),
        };
        plain.insert(name.clone(), value);
    }
    let no_tools = plain.get("tools").is_none_or(|tools| tools == &json!([]));
    if no_tools {
        plain.remove("tools");
        plain.remove("tool_choice");
    }
    Value::Object(plain)
}

fn blocks(content: &Value) -> Value {
    match content {
        Value::String(text) => json!([{"type": "text", "text": text}]),
        Value::Array(list) => list
            .iter()
            .map(|block| {
                let mut block = unmarked(block);
                if block["type"] == "tool_result" {
                    block["content"] = blocks(&block["content"]);
                    if block["is_error"] == json!(false) {
                        block.as_object_mut().unwrap().remove("is_error");
                    }
                }
                block
            })
            .collect(),
        other => other.clone(),
    }
}

fn unmarked(block: &Value) -> Value {
    let mut block = block.clone();
    block.as_object_mut().unwrap().remove("cache_control");
    block
}

#[test]
fn what_ends_a_recorded_answer_has_one_meaning() {
    for case in cases().iter().filter(|case| case.status() == 200) {
        let features: Vec<&str> = case.about["features"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let finish = if case.is_sse() {
            watched(&case.response).finish
        } else {
            ANTHROPIC.observe_response(&case.response).unwrap().finish
        };
        let expected = match () {
            () if features.contains(&"truncated-length") => FinishReason::Length,
            () if features.contains(&"tool-call") => FinishReason::ToolCalls,
            () if features.contains(&"refusal") => FinishReason::ContentFilter,
            () => FinishReason::Stop,
        };
        assert_eq!(finish, Some(expected), "{}", case.name);
    }
}

/// Everything that reads callers' or providers' bytes, on bytes that were tampered with at every offset.
#[test]
fn no_mutilated_input_brings_a_reader_down() {
    let request = br##"{"model":"m","max_tokens":9,"system":[{"type":"text","text":"s"}],"messages":[{"role":"user","content":"a\u00e9"},
        {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"signalbox:gemini:S"},{"type":"tool_use","id":"t","name":"f","input":{"x":1}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}]},{"type":"image","source":{"type":"url","url":"https://a"}}]}],
        "tools":[{"name":"f","strict":true,"input_schema":{"type":"object","properties":{"x":{"$ref":"#/$defs/d"}},"$defs":{"d":{"type":"integer"}}}}],
        "tool_choice":{"type":"auto"},"thinking":{"type":"enabled","budget_tokens":1024},"output_config":{"effort":"low"},"metadata":{"user_id":"u"}}"##;
    let answer = br#"{"id":"msg_1","model":"m","content":[{"type":"text","text":"a","citations":[{}]},{"type":"tool_use","id":"t","name":"f","input":{}}],
        "stop_reason":"end_turn","usage":{"input_tokens":1,"cache_creation":{"ephemeral_1h_input_tokens":2},"output_tokens":3,"iterations":[{"type":"compaction","input_tokens":1}]}}"#;
    let stream = b"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3}}}\n\n\
        data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":1}\"}}\n\n\
        data: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
        data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":5}}\n\ndata: {\"type\":\"message_stop\"}\n\n";
    let target =
        Target { provider: "p", model: "claude-opus-4-8", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
    let mut readable = 0;
    for bytes in mutilated(request) {
        let _ = ANTHROPIC.view(&bytes);
        let _ = native::for_server(&bytes, bytes.len() % 2 == 0);
        if let Ok(request) = ANTHROPIC.decode_request(&bytes) {
            let body = ANTHROPIC.encode_request(&request, &target).body;
            serde_json::from_slice::<Value>(&body).unwrap();
            readable += 1;
        }
    }
    for bytes in mutilated(answer) {
        let _ = ANTHROPIC.decode_error(&bytes);
        let seen = ANTHROPIC.observe_response(&bytes).is_ok();
        if let Ok(response) = ANTHROPIC.decode_response(&bytes) {
            assert!(seen, "what can be read can be watched");
            let body = ANTHROPIC.encode_response(&response, &ReplyContext::default(), &Tail::default()).body;
            serde_json::from_slice::<Value>(&body).unwrap();
            readable += 1;
        }
    }
    for bytes in mutilated(stream) {
        let mut frames = sse::Decoder::new();
        frames.push(&bytes).unwrap();
        let (mut decoder, mut events, mut seen) = (ANTHROPIC.stream_decoder(), Vec::new(), Observation::default());
        while let Some(frame) = frames.next_frame() {
            let _ = decoder.frame(&frame, &mut events);
            let _ = ANTHROPIC.observe_event(&frame, &mut seen);
        }
        let (mut encoder, mut out) = (ANTHROPIC.stream_encoder(ReplyContext::default()), Vec::new());
        events.iter().for_each(|event| encoder.event(event, &mut out, &mut Vec::new()));
        encoder.end(&Tail::default(), &mut out);
        assert_well_formed(&out, "mutilated");
    }
    assert!(readable > 1000, "most changes hit a string and leave the rest readable: {readable}");
}

/// The bytes cut at every offset, and with every byte replaced by a few that matter.
fn mutilated(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len()).flat_map(move |at| {
        let replaced = [b'"', b'{', b'[', b'0', b'x', b',', 0xff].into_iter().map(move |byte| {
            let mut changed = bytes.to_vec();
            changed[at] = byte;
            changed
        });
        replaced.chain([bytes[..at].to_vec()])
    })
}
