//! Custom tools between OpenAI's two dialects: declared, chosen, called, answered; whole and in streams.

use serde_json::{json, Value};

use super::*;
use crate::dialect::canonical::{FinishReason, StreamEvent};
use crate::dialect::{Encoded, ModelTraits, ReplyContext, Tail, Target};
use crate::sse;

const CHAT: Dialect = Dialect::OpenAiChat;
const RESPONSES: Dialect = Dialect::OpenAiResponses;

fn translate(from: Dialect, body: &Value, to: Dialect, provider: &str) -> (Value, Vec<String>) {
    let request = from.decode_request(body.to_string().as_bytes()).unwrap();
    let target = Target { provider, model: "gpt-x", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
    let Encoded { body, losses } = to.encode_request(&request, &target);
    (serde_json::from_slice(&body).unwrap(), losses.into_iter().map(|loss| loss.field).collect())
}

/// A request in both dialects: a grammar and a plain text as tools, one called and answered beside a function.
fn both() -> (Value, Value) {
    let grammar = json!({"syntax": "lark", "definition": "start: /a+/"});
    let chat = json!({
        "model": "gpt-x",
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "Running.", "tool_calls": [
                {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "aa\n\"b\""}},
                {"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "ran"},
            {"role": "tool", "tool_call_id": "call_2", "content": "seen"}],
        "tools": [
            {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": false}},
            {"type": "custom", "custom": {"name": "run", "description": "runs", "format": {"type": "grammar", "grammar": grammar}}},
            {"type": "custom", "custom": {"name": "say", "format": {"type": "text"}}}],
        "tool_choice": {"type": "custom", "custom": {"name": "run"}},
    });
    let responses = json!({
        "model": "gpt-x",
        "input": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "Running."}]},
            {"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "aa\n\"b\""},
            {"type": "function_call", "call_id": "call_2", "name": "look", "arguments": "{}"},
            {"type": "custom_tool_call_output", "call_id": "call_1", "output": "ran"},
            {"type": "function_call_output", "call_id": "call_2", "output": "seen"}],
        "tools": [
            {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": false},
            {"type": "custom", "name": "run", "description": "runs", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}},
            {"type": "custom", "name": "say", "format": {"type": "text"}}],
        "tool_choice": {"type": "custom", "name": "run"},
        "store": false,
    });
    (chat, responses)
}

#[test]
fn a_conversation_with_custom_tools_is_the_same_in_both_dialects() {
    let (chat, responses) = both();
    assert_eq!(translate(CHAT, &chat, RESPONSES, "openai"), (responses.clone(), vec![]));
    assert_eq!(translate(RESPONSES, &responses, CHAT, "openai"), (chat, vec![]));
}

#[test]
fn servers_that_have_none_are_not_sent_any_and_it_is_told() {
    let (chat, responses) = both();
    let of_chat = ["tools[1]", "tools[2]", "tool_choice", "messages[1].tool_calls[0]", "messages[2].content"];
    let of_responses = ["tools[1]", "tools[2]", "tool_choice", "input[*]"];
    for (from, body, fields) in [(CHAT, &chat, &of_chat[..]), (RESPONSES, &responses, &of_responses[..])] {
        for (to, provider) in without_any() {
            let (body, told) = translate(from, body, to, provider);
            let text = body.to_string();
            let kept = ["custom", "start: ", "\"ran\""].into_iter().find(|word| text.contains(word));
            assert_eq!(kept, None, "{provider}: {text}");
            assert!(text.contains("look") && text.contains("\"seen\""), "the function beside them stays: {text}");
            for field in fields {
                assert!(told.iter().any(|told| told.starts_with(field)), "{provider}: {field} of {told:?}");
            }
        }
    }
}

/// Servers that know nothing of custom tools, of every dialect and accent.
fn without_any() -> Vec<(Dialect, &'static str)> {
    let mut servers = vec![(Dialect::AnthropicMessages, "anthropic"), (Dialect::Gemini, "gemini"), (RESPONSES, "xai")];
    servers.extend(profile::names().filter(|name| !known_to(name)).map(|name| (CHAT, name)));
    assert!(servers.len() > 12 && !servers.iter().any(|(_, name)| ["openai", "azure"].contains(name)));
    servers
}

#[test]
fn a_turn_of_nothing_but_such_calls_is_left_out_with_its_answers() {
    let chat = json!({"model": "m", "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": null, "tool_calls": [
            {"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "aa"}},
            {"id": "call_2", "type": "custom", "custom": {"name": "run", "input": "bb"}}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "ran"},
        {"role": "tool", "tool_call_id": "call_2", "content": "ran"},
        {"role": "user", "content": "and now"}]});
    for (to, provider) in without_any() {
        let (body, told) = translate(CHAT, &chat, to, provider);
        let turns = ["messages", "contents", "input"].iter().find_map(|name| body[name].as_array()).unwrap();
        let spoken = turns.iter().all(|turn| turn["role"] == "user");
        assert!(spoken && (1..=2).contains(&turns.len()), "{provider}: {body}");
        let fields = ["tool_calls[0]", "tool_calls[1]"].map(|call| format!("messages[1].{call}"));
        for field in fields.iter().map(String::as_str).chain(["messages[2].content", "messages[3].content"]) {
            assert!(told.iter().any(|told| told == field), "{provider}: {field} of {told:?}");
        }
    }
}

#[test]
fn of_the_allowed_tools_only_those_are_declared_whichever_kind_they_are() {
    let (mut chat, mut responses) = both();
    chat["tool_choice"] = json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "custom", "custom": {"name": "say"}}]}});
    responses["tool_choice"] =
        json!({"type": "allowed_tools", "mode": "required", "tools": [{"type": "custom", "name": "say"}]});
    for (from, body, to, name) in
        [(CHAT, chat, RESPONSES, "/tools/0/name"), (RESPONSES, responses, CHAT, "/tools/0/custom/name")]
    {
        let (body, told) = translate(from, &body, to, "openai");
        assert_eq!(body["tools"].as_array().unwrap().len(), 1, "{body}");
        assert_eq!((body.pointer(name).unwrap(), &body["tool_choice"]), (&json!("say"), &json!("required")));
        assert_eq!(told.len(), 1, "{told:?}");
    }
}

#[test]
fn what_only_responses_says_of_a_custom_tool_is_told() {
    let body = json!({"model": "m", "input": "hi", "tools": [
        {"type": "custom", "name": "run", "defer_loading": true, "async": false, "allowed_callers": ["direct"], "of_tomorrow": 1}]});
    let (body, told) = translate(RESPONSES, &body, CHAT, "openai");
    assert_eq!(told, ["tools[0].defer_loading"]);
    assert_eq!(body["tools"][0], json!({"type": "custom", "custom": {"name": "run", "of_tomorrow": 1}}));
}

fn context(upstream: Dialect) -> ReplyContext {
    ReplyContext {
        upstream: Some(upstream),
        request_id: "q".into(),
        answered_by: "openai/gpt-x".into(),
        ..Default::default()
    }
}

fn responses_output() -> Value {
    json!([
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAsealed"},
        {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "run", "input": "a\u{1F600}\n{"},
        {"type": "function_call", "id": "fc_1", "call_id": "call_2", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "id": "ctc_2", "call_id": "call_3", "name": "say", "input": ""}])
}

fn calls_of(message: &Value) -> Vec<Value> {
    let mut calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    for call in &mut calls {
        // What was thought before it stands behind its id.
        let id = call["id"].as_str().unwrap().split(crate::dialect::carried::ID_MARK).next().unwrap().to_owned();
        call["id"] = json!(id);
        call.as_object_mut().unwrap().remove("index");
    }
    calls
}

fn chat_calls() -> Vec<Value> {
    vec![
        json!({"id": "call_1", "type": "custom", "custom": {"name": "run", "input": "a\u{1F600}\n{"}}),
        json!({"id": "call_2", "type": "function", "function": {"name": "look", "arguments": "{}"}}),
        json!({"id": "call_3", "type": "custom", "custom": {"name": "say", "input": ""}}),
    ]
}

#[test]
fn a_call_in_an_answer_of_responses_is_one_in_chat_and_its_reasoning_comes_back_with_it() {
    let answer = json!({"id": "resp_1", "object": "response", "status": "completed", "model": "gpt-x", "output": responses_output()});
    let decoded = RESPONSES.decode_response(answer.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.choices[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let Encoded { body, losses } = CHAT.encode_response(&decoded, &context(RESPONSES), &Tail::default());
    assert_eq!(losses, []);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let choice = &body["choices"][0];
    assert_eq!((calls_of(&choice["message"]), &choice["finish_reason"]), (chat_calls(), &json!("tool_calls")));
    // A client that keeps OpenAI's own members only sends it all back.
    let calls = &choice["message"]["tool_calls"];
    let replay = json!({"model": "m", "messages": [
        {"role": "user", "content": "go"}, {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": calls[0]["id"], "content": "ran"}]});
    let (sent, told) = translate(CHAT, &replay, RESPONSES, "openai");
    let kinds: Vec<&str> = sent["input"].as_array().unwrap().iter().filter_map(|item| item["type"].as_str()).collect();
    let expected = ["reasoning", "custom_tool_call", "function_call", "custom_tool_call", "custom_tool_call_output"];
    assert_eq!((kinds.as_slice(), told), (expected.as_slice(), vec![]));
    assert_eq!(sent["input"][1]["encrypted_content"], "gAAAsealed");
    assert_eq!(sent["input"][5]["call_id"], "call_1");
}

#[test]
fn a_call_in_an_answer_of_chat_is_an_item_in_responses() {
    let mut calls = chat_calls();
    calls[2]["id"] = json!("");
    let answer = json!({"id": "c", "model": "gpt-x", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null, "tool_calls": calls}}]});
    let decoded = CHAT.decode_response(answer.to_string().as_bytes()).unwrap();
    let Encoded { body, losses } = RESPONSES.encode_response(&decoded, &context(CHAT), &Tail::default());
    assert_eq!(losses, []);
    let body: Value = serde_json::from_slice(&body).unwrap();
    let mut output = body["output"].clone();
    assert!(output[2]["call_id"].as_str().unwrap().starts_with("call_"), "one without an id gets one");
    output[2]["call_id"] = json!("call_3");
    for (ours, item) in responses_output().as_array().unwrap()[1..].iter().zip(output.as_array().unwrap()) {
        for (name, value) in ours.as_object().unwrap().iter().filter(|(name, _)| *name != "id") {
            assert_eq!(&item[name], value, "{item}");
        }
        assert_eq!(item["status"], "completed");
    }
    assert_eq!(output[0]["id"], "ctc_c_0");
}

fn stream(from: Dialect, frames: &str, to: Dialect) -> (Vec<Value>, Vec<String>, Vec<StreamEvent>) {
    let (mut reader, mut decoder) = (sse::Decoder::new(), from.stream_decoder());
    let mut encoder = to.stream_encoder(context(from));
    reader.push(frames.as_bytes()).unwrap();
    let (mut all, mut out, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(frame) = reader.next_frame() {
        let mut events = Vec::new();
        decoder.frame(&frame, &mut events).unwrap();
        for event in events {
            encoder.event(&event, &mut out, &mut losses);
            all.push(event);
        }
    }
    assert!(decoder.complete());
    encoder.end(&Tail::default(), &mut out);
    let text = String::from_utf8(out).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let written = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    (written, losses.into_iter().map(|loss| loss.field).collect(), all)
}

fn chat_stream() -> String {
    let delta = |calls: Value| json!({"id": "c", "model": "gpt-x", "choices": [{"index": 0, "delta": {"tool_calls": calls}, "finish_reason": null}]});
    let mut chunks = vec![
        delta(json!([{"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "run", "input": ""}}])),
        delta(
            json!([{"index": 1, "id": "call_2", "type": "function", "function": {"name": "look", "arguments": ""}}, {"index": 0, "custom": {"input": "a\u{1F600}"}}]),
        ),
        delta(
            json!([{"index": 0, "custom": {"input": "\n{"}}, {"index": 2, "id": "call_3", "type": "custom", "custom": {"name": "say"}}]),
        ),
    ];
    chunks.push(json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}));
    chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect::<String>() + "data: [DONE]\n\n"
}

fn responses_stream(deltas: bool) -> String {
    let whole =
        |status: &str, output: Value| json!({"id": "resp_1", "status": status, "model": "gpt-x", "output": output});
    let mut events = vec![json!({"type": "response.created", "response": whole("in_progress", json!([]))})];
    for (at, item) in responses_output().as_array().unwrap().iter().enumerate() {
        let mut begun = item.clone();
        (begun["arguments"], begun["input"]) = (json!(""), json!(""));
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        let input = item["input"].as_str().unwrap_or_default();
        for piece in input.chars().filter(|_| deltas) {
            events.push(json!({"type": "response.custom_tool_call_input.delta", "output_index": at, "item_id": item["id"], "delta": piece.to_string()}));
        }
        if item["type"] == CALL {
            events
                .push(json!({"type": "response.custom_tool_call_input.done", "output_index": at, "item_id": item["id"], "input": input}));
        }
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": whole("completed", responses_output())}));
    events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())).collect()
}

#[test]
fn a_streamed_call_of_responses_is_gathered_by_chats_clients_as_the_whole_one() {
    for deltas in [true, false] {
        let (chunks, told, events) = stream(RESPONSES, &responses_stream(deltas), CHAT);
        assert_eq!(told, [] as [String; 0]);
        let mut calls: Vec<Value> = Vec::new();
        for call in chunks.iter().flat_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array()).flatten() {
            let at = call["index"].as_u64().unwrap() as usize;
            let (kind, text) = if call["custom"].is_object() { ("custom", "input") } else { ("function", "arguments") };
            if calls.len() <= at {
                calls.push(call.clone());
            } else {
                let more = call[kind][text].as_str().unwrap();
                calls[at][kind][text] = json!(calls[at][kind][text].as_str().unwrap().to_owned() + more);
            }
        }
        assert_eq!(calls_of(&json!({"tool_calls": calls})), chat_calls());
        let inputs = events.iter().filter(|event| matches!(event, StreamEvent::CustomCallDelta { .. })).count();
        assert_eq!(inputs, if deltas { 4 } else { 1 }, "pieces go out as they come");
        assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "tool_calls");
    }
}

#[test]
fn a_streamed_call_of_chat_is_the_event_grammar_of_responses() {
    let (events, told, _) = stream(CHAT, &chat_stream(), RESPONSES);
    assert_eq!(told, [] as [String; 0]);
    let output = events.last().unwrap()["response"]["output"].clone();
    for (ours, item) in responses_output().as_array().unwrap()[1..].iter().zip(output.as_array().unwrap()) {
        for (name, value) in ours.as_object().unwrap().iter().filter(|(name, _)| *name != "id") {
            assert_eq!(&item[name], value, "{item}");
        }
        // Each item begins, grows by what adds up to its whole, and is done once.
        let of = |kind: &str| -> Vec<&Value> {
            events
                .iter()
                .filter(|e| e["type"] == kind && (e["item_id"] == item["id"] || e["item"]["id"] == item["id"]))
                .collect()
        };
        let (delta, done, whole) = match item["type"].as_str().unwrap() {
            CALL => ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done", "input"),
            _ => ("response.function_call_arguments.delta", "response.function_call_arguments.done", "arguments"),
        };
        let grown: String = of(delta).iter().map(|event| event["delta"].as_str().unwrap()).collect();
        assert_eq!((&json!(grown), &of(done)[0][whole]), (&item[whole], &item[whole]));
        assert_eq!((of("response.output_item.added").len(), of("response.output_item.done").len()), (1, 1));
    }
}

#[test]
fn a_streamed_call_that_a_caller_cannot_take_is_told_once() {
    for caller in [Dialect::AnthropicMessages, Dialect::Gemini] {
        for (from, frames) in [(CHAT, chat_stream()), (RESPONSES, responses_stream(true))] {
            let (written, told, _) = stream(from, &frames, caller);
            assert_eq!(told, ["choices[0].tool_calls[0]", "choices[0].tool_calls[2]"]);
            assert!(!json!(written).to_string().contains("\"run\""));
        }
    }
}
