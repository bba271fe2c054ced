//! What is written is a stream that OpenAI's clients read.

use serde_json::{json, Value};

use crate::dialect::canonical::{Extra, Finish, FinishReason, Loss, StreamEvent, Usage};
use crate::dialect::carried::open_id;
use crate::dialect::openai_chat::stream::Encoder;
use crate::dialect::{Dialect, ReplyContext, Tail};

fn context(include_usage: bool) -> ReplyContext {
    ReplyContext {
        request_id: "r1".into(),
        model: "asked".into(),
        now_secs: 9,
        include_usage,
        upstream: Some(Dialect::AnthropicMessages),
        ..ReplyContext::default()
    }
}

/// Chunks, bytes and losses of a whole stream.
pub(super) fn write(events: &[StreamEvent], include_usage: bool, tail: &Tail) -> (Vec<Value>, Vec<u8>, Vec<Loss>) {
    let mut encoder = Encoder::new(context(include_usage));
    let (mut out, mut losses) = (Vec::new(), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out, &mut losses));
    encoder.end(tail, &mut out);
    let text = std::str::from_utf8(&out).unwrap();
    assert!(text.ends_with("data: [DONE]\n\n"));
    let chunks = text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    (chunks.map(|data| serde_json::from_str(data).unwrap()).collect(), out.clone(), losses)
}

fn finished(reason: FinishReason, raw: &str) -> StreamEvent {
    StreamEvent::Finish { choice: 0, finish: Finish { reason, raw: raw.into(), stop_sequence: None } }
}

pub(super) fn start() -> StreamEvent {
    StreamEvent::Start { id: Some("msg_1".into()), model: Some("claude".into()), created: None }
}

fn text(choice: u32, text: &str) -> StreamEvent {
    StreamEvent::TextDelta { choice, text: text.into() }
}

#[test]
fn a_stream_has_openais_grammar() {
    let tail = Tail {
        usage: Some(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }),
        cost_usd: Some("0.00012".into()),
        signalbox: Some(r#"{"attempts":1}"#.into()),
    };
    let (chunks, _, losses) = write(&[start(), text(0, "hi"), finished(FinishReason::Stop, "end_turn")], true, &tail);
    assert!(losses.is_empty());
    let frame = |choices: Value, usage: Value| json!({"id": "msg_1", "object": "chat.completion.chunk", "created": 9, "model": "claude", "choices": choices, "usage": usage});
    assert_eq!(
        chunks[0],
        frame(
            json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}]),
            Value::Null
        )
    );
    assert_eq!(chunks[1], frame(json!([{"index": 0, "delta": {"content": "hi"}, "finish_reason": null}]), Value::Null));
    assert_eq!(
        chunks[2],
        frame(
            json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop", "native_finish_reason": "end_turn"}]),
            Value::Null
        )
    );
    assert_eq!(chunks[3]["choices"], json!([]));
    assert_eq!(
        chunks[3]["usage"],
        json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cost": 0.00012})
    );
    assert_eq!(chunks[3]["signalbox"], json!({"attempts": 1}));
    assert_eq!(chunks.len(), 4);
}

#[test]
fn usage_is_sent_only_when_asked_for_but_our_report_always() {
    let usage = StreamEvent::Usage(Usage { input_tokens: 3, ..Usage::default() });
    let events = [start(), text(0, "hi"), usage, finished(FinishReason::Stop, "stop")];
    let (quiet, _, _) = write(&events, false, &Tail::default());
    assert!(quiet.iter().all(|chunk| chunk.get("usage").is_none()) && quiet.len() == 3);
    let (explained, _, _) = write(&events, false, &Tail { signalbox: Some("{}".into()), ..Tail::default() });
    let last = explained.last().unwrap();
    assert_eq!((&last["choices"], last.get("usage"), &last["signalbox"]), (&json!([]), None, &json!({})));
    let (asked, _, _) = write(&events, true, &Tail::default());
    assert_eq!(asked.last().unwrap()["usage"]["prompt_tokens"], 3, "the stream's own counts stand in for the tail's");
    let (unknown, _, _) = write(&[text(0, "hi")], true, &Tail::default());
    assert!(unknown.iter().all(|chunk| chunk["usage"].is_null()), "unknown is never 0");
}

#[test]
fn calls_have_id_and_name_first_and_empty_arguments_become_an_object() {
    let call = |index, id: &str| StreamEvent::ToolCallStart {
        choice: 0,
        index,
        id: id.into(),
        name: "f".into(),
        signature: (index == 0).then(|| "g".into()),
    };
    let piece = |index, arguments: &str| StreamEvent::ToolCallDelta { choice: 0, index, arguments: arguments.into() };
    let end = |index| StreamEvent::ToolCallEnd { choice: 0, index };
    let events = [
        call(0, "a"),
        call(1, "b"),
        piece(0, "{\"x\""),
        piece(0, ":1}"),
        end(0),
        end(1),
        finished(FinishReason::ToolCalls, "tool_use"),
    ];
    let (chunks, _, _) = write(&events, false, &Tail::default());
    let deltas: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["delta"]).collect();
    let id = deltas[1]["tool_calls"][0]["id"].as_str().unwrap();
    let opened = open_id(id);
    assert_eq!((opened.id, opened.carried.unwrap().call.as_deref()), ("a", Some("g")));
    assert_eq!(
        *deltas[1],
        json!({"tool_calls": [{"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": ""}, "extra_content": {"google": {"thought_signature": "g"}}}]})
    );
    assert_eq!(
        *deltas[2],
        json!({"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "f", "arguments": ""}}]})
    );
    assert_eq!(*deltas[3], json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\""}}]}));
    assert_eq!(*deltas[5], json!({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}));
    assert_eq!(chunks.len(), 7);
}

#[test]
fn a_signed_block_is_sent_whole_with_its_origin_and_its_index() {
    let think = |text: &str| StreamEvent::ReasoningDelta { choice: 0, text: text.into() };
    let end = |signature: Option<&str>, redacted| StreamEvent::ReasoningEnd {
        choice: 0,
        signature: signature.map(str::to_owned),
        redacted,
    };
    let (chunks, _, _) = write(
        &[
            think("a"),
            think("b"),
            end(Some("s"), false),
            end(Some("d"), true),
            think("c"),
            end(None, false),
            text(0, "x"),
        ],
        false,
        &Tail::default(),
    );
    let items: Vec<&Value> = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["signalbox"]["reasoning"].as_array())
        .flatten()
        .collect();
    assert_eq!(
        *items[0],
        json!({"index": 0, "text": "ab", "signature": "s", "redacted": false, "origin": "anthropic-messages"})
    );
    assert_eq!(
        *items[1],
        json!({"index": 1, "text": "", "signature": "d", "redacted": true, "origin": "anthropic-messages"})
    );
    assert_eq!(items.len(), 2);
    let visible: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str()).collect();
    assert_eq!(visible, "abc");
}

#[test]
fn choices_open_apart_and_unfinished_ones_are_ended() {
    let (chunks, _, _) =
        write(&[text(0, "a"), text(1, "b"), finished(FinishReason::Length, "max_tokens")], false, &Tail::default());
    let of =
        |choice: u64| chunks.iter().map(|chunk| &chunk["choices"][0]).filter(move |entry| entry["index"] == choice);
    for choice in [0, 1] {
        assert_eq!(of(choice).next().unwrap()["delta"]["role"], "assistant");
    }
    assert_eq!(of(0).next_back().unwrap()["finish_reason"], "length");
    assert_eq!(of(1).next_back().unwrap()["finish_reason"], "stop");
    let (nothing, _, _) = write(&[], false, &Tail::default());
    assert_eq!(nothing[0]["id"], "chatcmpl-r1");
    assert_eq!(nothing[0]["model"], "asked");
    assert_eq!(nothing.len(), 2);
}

#[test]
fn an_end_is_told_once_when_the_stream_has_ended_and_a_cut_one_has_none() {
    let call = StreamEvent::ToolCallStart { choice: 0, index: 0, id: "a".into(), name: "f".into(), signature: None };
    let space = StreamEvent::ToolCallDelta { choice: 0, index: 0, arguments: " ".into() };
    let early = finished(FinishReason::Stop, "STOP");
    let events = [start(), text(0, "a"), early, text(0, "b"), call, space, finished(FinishReason::ToolCalls, "STOP")];
    let (chunks, _, _) = write(&events, false, &Tail::default());
    let ends: Vec<&Value> = chunks.iter().map(|chunk| &chunk["choices"][0]["finish_reason"]).collect();
    let (last, before) = ends.split_last().unwrap();
    assert_eq!(**last, "tool_calls");
    assert!(before.iter().all(|end| end.is_null()), "{ends:?}");
    let arguments = |chunk: &Value| chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].clone();
    let arguments: String = chunks.iter().filter_map(|chunk| arguments(chunk).as_str().map(str::to_owned)).collect();
    assert_eq!(arguments, " {}", "white space alone is no arguments");

    let mut encoder = Encoder::new(context(false));
    let (mut out, mut losses) = (Vec::new(), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out, &mut losses));
    assert!(!String::from_utf8(out).unwrap().contains(r#""finish_reason":""#), "who drives says whether it is whole");
}

#[test]
fn what_has_no_place_is_a_loss_and_what_has_one_is_sent() {
    let extra = |field: &str, value: &str, advisory| {
        StreamEvent::Extra(Extra {
            field: field.into(),
            value: serde_json::value::RawValue::from_string(value.into()).unwrap(),
            advisory,
            is_default: false,
        })
    };
    let (chunks, _, losses) = write(
        &[
            extra("service_tier", "\"default\"", true),
            text(0, "a"),
            extra("choices[0].logprobs", "{\"content\":[1]}", false),
            extra("candidates[0].avgLogprobs", "1", true),
            extra("container", "{}", false),
            // A verdict goes into the `signalbox` member.
            extra("stop_details", "{}", false),
        ],
        false,
        &Tail::default(),
    );
    assert!(chunks.iter().all(|chunk| chunk["service_tier"] == "default"));
    assert!(chunks.iter().any(|chunk| chunk["choices"][0]["logprobs"]["content"][0] == 1));
    let told: Vec<(&str, String)> =
        losses.iter().map(|loss| (loss.field.as_str(), format!("{:?}", loss.disposition))).collect();
    assert_eq!(told, [("candidates[0].avgLogprobs", "Advisory".to_owned()), ("container", "Unsupported".to_owned())]);
}
