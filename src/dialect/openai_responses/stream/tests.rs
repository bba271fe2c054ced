use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::canonical::{Extra, Finish, FinishReason, Loss, StreamEvent, Usage};
use crate::dialect::{Dialect, ReplyContext, StreamFault, Tail};
use crate::sse;

fn context(upstream: Dialect) -> ReplyContext {
    ReplyContext { request_id: "q".into(), model: "m".into(), upstream: Some(upstream), ..ReplyContext::default() }
}

fn encoded(events: &[StreamEvent], upstream: Dialect) -> (Vec<u8>, Vec<Loss>) {
    let mut encoder = Encoder::new(context(upstream));
    let (mut out, mut losses) = (Vec::new(), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut out, &mut losses));
    let tail = Tail { cost_usd: Some("0.25".into()), ..Tail::default() };
    encoder.end(&tail, &mut out);
    (out, losses)
}

fn decoded(bytes: &[u8], size: usize) -> (Vec<StreamEvent>, bool) {
    let (mut frames, mut decoder, mut events) = (sse::Decoder::new(), Decoder::default(), Vec::new());
    for piece in bytes.chunks(size) {
        frames.push(piece).unwrap();
        while let Some(frame) = frames.next_frame() {
            decoder.frame(&frame, &mut events).unwrap();
        }
    }
    (events, decoder.complete())
}

fn values(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    let blocks = text.split("\n\n").filter(|block| !block.is_empty());
    blocks
        .map(|block| {
            let (name, data) = block.split_once('\n').unwrap();
            let value: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: ").unwrap(), value["type"].as_str().unwrap(), "both carry the type");
            value
        })
        .collect()
}

/// Holds a stream against the grammar of `wire.md` §1.2, and gives the answer in its last event.
fn check_grammar(bytes: &[u8]) -> Value {
    let events = values(bytes);
    let kind = |event: &Value| event["type"].as_str().unwrap().to_owned();
    assert_eq!(kind(&events[0]), "response.created");
    assert_eq!(kind(&events[1]), "response.in_progress");
    let id = &events[0]["response"]["id"];
    let mut items: Vec<(Value, bool)> = Vec::new();
    let mut open_part: Option<(u64, u64, String, String)> = None;
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "numbers run on");
        let index = event["output_index"].as_u64();
        if let Some(index) = index.filter(|_| event.get("item_id").is_some()) {
            assert!(!items[index as usize].1, "nothing comes after an item is done");
            assert_eq!(event["item_id"], items[index as usize].0["id"], "ids stay");
        }
        match kind(event).as_str() {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len() as u64));
                assert_eq!(open_part, None, "a part ends before the next item");
                items.push((event["item"].clone(), false));
            }
            "response.output_item.done" => {
                let (begun, done) = &mut items[index.unwrap() as usize];
                assert!(!std::mem::replace(done, true));
                assert_eq!((&begun["id"], &begun["type"]), (&event["item"]["id"], &event["item"]["type"]));
                *begun = event["item"].clone();
            }
            "response.content_part.added" => {
                assert_eq!(open_part, None);
                let part = event["part"]["type"].as_str().unwrap().to_owned();
                open_part = Some((index.unwrap(), event["content_index"].as_u64().unwrap(), part, String::new()));
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let (item, part, _, text) = open_part.as_mut().unwrap();
                assert_eq!((index, event["content_index"].as_u64()), (Some(*item), Some(*part)));
                text.push_str(event["delta"].as_str().unwrap());
            }
            "response.output_text.done" => {
                let (.., kind, text) = open_part.as_ref().unwrap();
                assert_eq!(
                    (kind.as_str(), event["text"].as_str()),
                    ("output_text", Some(text.as_str())),
                    "the whole text"
                );
            }
            "response.refusal.done" => {
                let (.., kind, text) = open_part.as_ref().unwrap();
                assert_eq!((kind.as_str(), event["refusal"].as_str()), ("refusal", Some(text.as_str())));
            }
            "response.content_part.done" => {
                let (.., text) = open_part.take().unwrap();
                let part = &event["part"];
                assert_eq!(part["text"].as_str().or(part["refusal"].as_str()), Some(text.as_str()));
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                assert_eq!(at + 1, events.len(), "one terminal event, the last");
            }
            _ => {}
        }
    }
    let last = &events.last().unwrap()["response"];
    assert_eq!((&last["id"], open_part), (id, None));
    assert!(items.iter().all(|(_, done)| *done), "every item is done");
    let done: Vec<&Value> = items.iter().map(|(item, _)| item).collect();
    assert_eq!(last["output"].as_array().unwrap().iter().collect::<Vec<_>>(), done, "the answer holds the done items");
    last.clone()
}

#[test]
fn a_stream_of_every_kind_of_content_keeps_the_grammar() {
    let text = |text: &str| StreamEvent::TextDelta { choice: 0, text: text.into() };
    let events = [
        StreamEvent::Start { id: Some("chatcmpl-1".into()), model: Some("m-1".into()), created: Some(9) },
        StreamEvent::ReasoningDelta { choice: 0, text: "th".into() },
        StreamEvent::ReasoningDelta { choice: 0, text: "ink".into() },
        StreamEvent::ReasoningEnd { choice: 0, signature: Some("S".into()), redacted: false },
        StreamEvent::ReasoningEnd { choice: 0, signature: Some("R".into()), redacted: true },
        text("Hel"),
        text("lo"),
        StreamEvent::RefusalDelta { choice: 0, text: "no".into() },
        StreamEvent::ToolCallStart {
            choice: 0,
            index: 0,
            id: "c0".into(),
            name: "f".into(),
            signature: Some("G".into()),
        },
        StreamEvent::ToolCallStart { choice: 0, index: 1, id: "c1".into(), name: "g".into(), signature: None },
        StreamEvent::ToolCallDelta { choice: 0, index: 0, arguments: "{\"a\":".into() },
        StreamEvent::ToolCallDelta { choice: 0, index: 0, arguments: "1}".into() },
        StreamEvent::ToolCallEnd { choice: 0, index: 0 },
        StreamEvent::ToolCallEnd { choice: 0, index: 1 },
        text("after"),
        StreamEvent::Finish {
            choice: 0,
            finish: Finish { reason: FinishReason::ToolCalls, raw: "tool_calls".into(), stop_sequence: None },
        },
        StreamEvent::Usage(Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() }),
    ];
    let (bytes, losses) = encoded(&events, Dialect::AnthropicMessages);
    let answer = check_grammar(&bytes);
    assert_eq!(losses, []);
    let kinds: Vec<&str> =
        answer["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "reasoning", "message", "reasoning", "function_call", "function_call", "message"]);
    assert_eq!(answer["id"], "resp_chatcmpl-1");
    let opened = |at: usize| {
        let sealed = answer["output"][at]["encrypted_content"].as_str().unwrap();
        super::super::foreign::open(sealed).unwrap().blocks[0].part.clone()
    };
    assert_eq!((opened(0).signature.as_deref(), opened(0).redacted), (Some("S"), false));
    assert_eq!((opened(1).signature.as_deref(), opened(1).redacted), (Some("R"), true));
    assert_eq!(answer["output"][5]["arguments"], "{}");
    assert_eq!((&answer["usage"]["total_tokens"], &answer["usage"]["cost"]), (&3.into(), &0.25.into()));
}

#[test]
fn an_answer_that_a_bound_cut_ends_as_incomplete_and_an_empty_one_is_whole() {
    let finish = Finish { reason: FinishReason::Length, raw: "length".into(), stop_sequence: None };
    let (bytes, _) = encoded(
        &[StreamEvent::TextDelta { choice: 0, text: "cut".into() }, StreamEvent::Finish { choice: 0, finish }],
        Dialect::OpenAiChat,
    );
    let answer = check_grammar(&bytes);
    assert_eq!((&answer["status"], &answer["output"][0]["status"]), (&"incomplete".into(), &"incomplete".into()));
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    assert!(String::from_utf8(bytes).unwrap().contains("event: response.incomplete"));
    let (bytes, _) = encoded(&[], Dialect::OpenAiChat);
    assert_eq!(check_grammar(&bytes)["output"], serde_json::json!([]));
}

#[test]
fn annotations_are_told_as_events_and_stand_in_the_whole_text() {
    let value = r#"[{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"title":"t","url":"u"}}]"#;
    let value = serde_json::value::RawValue::from_string(value.into()).unwrap();
    let field = "choices[0].delta.annotations".to_owned();
    let annotation = StreamEvent::Extra(Extra { field, value, advisory: false, is_default: false });
    let (bytes, losses) =
        encoded(&[StreamEvent::TextDelta { choice: 0, text: "x".into() }, annotation.clone()], Dialect::OpenAiChat);
    let answer = check_grammar(&bytes);
    assert_eq!(answer["output"][0]["content"][0]["annotations"][0]["url"], "u");
    assert!(String::from_utf8(bytes).unwrap().contains("event: response.output_text.annotation.added"));
    assert_eq!(losses, []);
    let (_, losses) = encoded(&[annotation], Dialect::OpenAiChat);
    assert_eq!(losses.len(), 1, "without a text there is nothing to annotate");
}

#[test]
fn other_choices_are_reported_once_and_stay_out() {
    let other = || StreamEvent::TextDelta { choice: 1, text: "x".into() };
    let (bytes, losses) = encoded(&[other(), other()], Dialect::OpenAiChat);
    assert_eq!((check_grammar(&bytes)["output"].clone(), losses.len()), (serde_json::json!([]), 1));
}

fn stream(events: &[&str]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

fn text_of(events: &[StreamEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        StreamEvent::TextDelta { text, .. } => Some(text.as_str()),
        _ => None,
    });
    texts.collect()
}

#[test]
fn what_deltas_leave_out_is_taken_from_the_done_events_and_at_last_from_the_answer() {
    let item = r#"{"type":"message","content":[{"type":"output_text","text":"abc","annotations":[]}]}"#;
    let last = format!(r#"{{"type":"response.completed","response":{{"status":"completed","output":[{item}]}}}}"#);
    let done = format!(r#"{{"type":"response.output_item.done","output_index":0,"item":{item}}}"#);
    let delta = r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"abc"}"#;
    let text = r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"abc"}"#;
    for events in [
        vec![delta, text, done.as_str(), last.as_str()],
        vec![text, done.as_str(), last.as_str()],
        vec![done.as_str(), last.as_str()],
        vec![delta, last.as_str()],
        vec![last.as_str()],
    ] {
        let (read, complete) = decoded(&stream(&events), usize::MAX);
        assert_eq!((text_of(&read).as_str(), complete), ("abc", true), "{events:?}");
    }
    // A server that counts from 1 tells nothing twice.
    let delta = delta.replace("\"output_index\":0", "\"output_index\":1");
    let done = done.replace("\"output_index\":0", "\"output_index\":1");
    let (read, _) = decoded(&stream(&[&delta, &done, &last]), usize::MAX);
    assert_eq!(text_of(&read), "abc");
}

#[test]
fn interleaved_items_keep_apart_and_calls_are_counted_by_themselves() {
    let (read, _) = decoded(
        &stream(&[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message"}}"#,
            r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","call_id":"a","name":"f","arguments":""}}"#,
            r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"b","name":"g","arguments":""}}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"b\":1}"}"#,
            r#"{"type":"response.output_text.delta","output_index":0,"delta":"t"}"#,
            r#"{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"a\":1}"}"#,
            r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"b","name":"g","arguments":"{\"b\":1}"}}"#,
            r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","call_id":"a","name":"f","arguments":"{\"a\":1}"}}"#,
            r#"{"type":"response.completed","response":{"status":"completed","output":[]}}"#,
        ]),
        usize::MAX,
    );
    let calls: Vec<String> = read
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ToolCallStart { index, id, .. } => Some(format!("{index}+{id}")),
            StreamEvent::ToolCallDelta { index, arguments, .. } => Some(format!("{index}:{arguments}")),
            StreamEvent::ToolCallEnd { index, .. } => Some(format!("{index}.")),
            _ => None,
        })
        .collect();
    assert_eq!(calls, ["0+a", "1+b", "1:{\"b\":1}", "0:{\"a\":1}", "1.", "0."]);
    assert!(read
        .iter()
        .any(|event| matches!(event, StreamEvent::Finish { finish, .. } if finish.reason == FinishReason::ToolCalls)));
}

#[test]
fn the_paragraphs_of_a_summary_are_one_thought_and_its_seal_is_that_of_the_done_item() {
    let (read, _) = decoded(
        &stream(&[
            r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","encrypted_content":"partial"}}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"one"}"#,
            r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"two"}"#,
            r#"{"type":"response.reasoning_text.delta","output_index":0,"content_index":0,"delta":"the same again"}"#,
            r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","summary":[{"type":"summary_text","text":"one"},{"type":"summary_text","text":"two"}],"encrypted_content":"whole"}}"#,
        ]),
        usize::MAX,
    );
    let thought: String = read
        .iter()
        .filter_map(
            |event| if let StreamEvent::ReasoningDelta { text, .. } = event { Some(text.as_str()) } else { None },
        )
        .collect();
    assert_eq!(thought, "one\n\ntwo");
    assert!(matches!(read.last(), Some(StreamEvent::ReasoningEnd { signature: Some(s), .. }) if s == "whole"));
}

#[test]
fn an_event_of_a_kind_that_is_not_known_is_told_and_progress_is_not() {
    let events = stream(&[
        r#"{"type":"response.web_search_call.searching","output_index":0}"#,
        r#"{"type":"response.content_part.added","output_index":0}"#,
        r#"{"type":"keepalive"}"#,
        r#"{"type":"response.audio.delta","delta":"AAAA"}"#,
        r#"{"type":"response.hologram.delta","delta":"x"}"#,
    ]);
    let told: Vec<String> = decoded(&events, 9)
        .0
        .iter()
        .filter_map(|event| if let StreamEvent::Extra(extra) = event { Some(extra.field.clone()) } else { None })
        .collect();
    assert_eq!(told, ["response.audio.delta", "response.hologram.delta"]);
}

#[test]
fn a_stream_without_its_last_event_is_cut_and_a_failure_is_the_providers() {
    let (_, complete) =
        decoded(&stream(&[r#"{"type":"response.output_text.delta","output_index":0,"delta":"x"}"#, "[DONE]"]), 7);
    assert!(!complete);
    let failed = r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"},"usage":{"input_tokens":3,"output_tokens":1}}}"#;
    let (mut frames, mut decoder, mut events) = (sse::Decoder::new(), Decoder::default(), Vec::new());
    frames.push(&stream(&[failed])).unwrap();
    let fault = decoder.frame(&frames.next_frame().unwrap(), &mut events).unwrap_err();
    assert!(matches!(fault, StreamFault::Provider(report) if report.code.as_deref() == Some("server_error")));
    assert!(
        matches!(events.as_slice(), [StreamEvent::Usage(usage)] if usage.input_tokens == 3),
        "it is billed all the same"
    );
}

/// What a run of events says, ends included, with neighbours of one kind joined.
fn said(events: &[StreamEvent]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut add = |kind: &str, text: &str| match said.last_mut() {
        Some(last) if last.starts_with(kind) && kind.len() == 1 => last.push_str(text),
        _ => said.push(format!("{kind}{text}")),
    };
    for event in events {
        match event {
            StreamEvent::TextDelta { text, .. } => add("T", text),
            StreamEvent::RefusalDelta { text, .. } => add("R", text),
            StreamEvent::ReasoningDelta { text, .. } => add("H", text),
            StreamEvent::ReasoningEnd { signature, .. } => add("end ", signature.as_deref().unwrap_or_default()),
            StreamEvent::ToolCallStart { id, name, .. } => add("call ", &format!("{id} {name}")),
            StreamEvent::ToolCallDelta { arguments, .. } => add("A", arguments),
            StreamEvent::Finish { finish, .. } => add("finish ", &format!("{:?}", finish.reason)),
            StreamEvent::Usage(usage) => add("usage ", &format!("{usage:?}")),
            _ => {}
        }
    }
    said
}

fn steps() -> impl Strategy<Value = Vec<StreamEvent>> {
    let text = "[a-zé中😀\"\\\\\n ]{1,6}";
    let step = prop_oneof![
        text.prop_map(|text| vec![StreamEvent::TextDelta { choice: 0, text }]),
        text.prop_map(|text| vec![StreamEvent::RefusalDelta { choice: 0, text }]),
        (text, proptest::option::of("[A-Za-z0-9+/=]{1,8}")).prop_map(|(text, signature)| vec![
            StreamEvent::ReasoningDelta { choice: 0, text },
            StreamEvent::ReasoningEnd { choice: 0, signature, redacted: false },
        ]),
        ("[a-z]{1,5}", proptest::collection::vec("[a-z{}\":,1 ]{1,5}", 1..4)).prop_map(|(name, pieces)| {
            let call = |arguments| StreamEvent::ToolCallDelta { choice: 0, index: 0, arguments };
            let mut events =
                vec![StreamEvent::ToolCallStart { choice: 0, index: 0, id: String::new(), name, signature: None }];
            events.push(call("{".to_owned()));
            events.extend(pieces.into_iter().map(call));
            events.push(StreamEvent::ToolCallEnd { choice: 0, index: 0 });
            events
        }),
    ];
    let reasons = prop_oneof![Just(FinishReason::Stop), Just(FinishReason::Length), Just(FinishReason::ContentFilter)];
    (proptest::collection::vec(step, 0..8), reasons).prop_map(|(steps, reason)| {
        let mut events =
            vec![StreamEvent::Start { id: Some("resp_p".into()), model: Some("m".into()), created: Some(1) }];
        events.extend(steps.into_iter().flatten());
        let mut calls = 0;
        for event in &mut events {
            match event {
                StreamEvent::ToolCallStart { index, id, .. } => {
                    *index = calls;
                    *id = format!("c{calls}");
                    calls += 1;
                }
                StreamEvent::ToolCallDelta { index, .. } | StreamEvent::ToolCallEnd { index, .. } => *index = calls - 1,
                _ => {}
            }
        }
        let reason = if calls > 0 && reason == FinishReason::Stop { FinishReason::ToolCalls } else { reason };
        events.push(StreamEvent::Finish { choice: 0, finish: Finish { reason, raw: "w".into(), stop_sequence: None } });
        events.push(StreamEvent::Usage(Usage { input_tokens: 5, output_tokens: 3, ..Usage::default() }));
        events
    })
}

proptest! {
    #[test]
    fn any_legal_run_becomes_a_legal_stream_that_reads_back_the_same_at_any_split(events in steps(), size in 1usize..60) {
        let (bytes, losses) = encoded(&events, Dialect::OpenAiResponses);
        prop_assert_eq!(losses, vec![]);
        let answer = check_grammar(&bytes);
        let (again, complete) = decoded(&bytes, size);
        prop_assert!(complete);
        prop_assert_eq!(said(&again), said(&events));
        // The answer in the last event, read whole, says what the pieces said.
        let whole = super::super::response::decode(&serde_json::to_vec(&answer).unwrap()).unwrap();
        let text: String = whole.choices[0].parts.iter().filter_map(|part| match part {
            crate::dialect::canonical::Part::Text(text) => Some(text.as_str()),
            _ => None,
        }).collect();
        prop_assert_eq!(text, text_of(&events));
    }

    #[test]
    fn no_input_leads_the_reader_astray(text in "(data: )?[\\[\\]{}\",:a-z_. 0-9\n]{0,80}") {
        let (mut frames, mut decoder, mut events) = (sse::Decoder::new(), Decoder::default(), Vec::new());
        frames.push(format!("{text}\n\n").as_bytes()).unwrap();
        while let Some(frame) = frames.next_frame() {
            let _ = decoder.frame(&frame, &mut events);
        }
        prop_assert!(!decoder.complete());
    }
}
