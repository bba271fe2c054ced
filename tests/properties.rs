//! Properties of every pair of dialects: a stream says what the whole answer says, and nothing is counted twice.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // test helpers

use proptest::prelude::*;
use signalbox::dialect::canonical::{ChatResponse, Choice, Finish, FinishReason, Part, StreamEvent, ToolCall, Usage};
use signalbox::dialect::{Dialect, ReplyContext, Tail};
use signalbox::sse::Decoder;
use signalbox::stream::relay::Relay;

const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini, Dialect::OpenAiResponses];

fn context(upstream: Option<Dialect>) -> ReplyContext {
    ReplyContext {
        request_id: "req".into(),
        model: "m".into(),
        include_usage: true,
        upstream,
        ..ReplyContext::default()
    }
}

/// Texts and then calls, as models write them.
fn parts() -> impl Strategy<Value = Vec<Part>> {
    let text = prop::collection::vec("[a-zé😀\u{2028}\n\"\\\\ ]{1,9}", 0..4);
    let calls = prop::collection::vec(("[a-z]{1,5}", "[a-zé😀\"\\\\]{0,6}"), 0..3);
    (text, calls).prop_map(|(texts, calls)| {
        let mut parts = Vec::new();
        if !texts.is_empty() {
            parts.push(Part::Text(texts.concat()));
        }
        for (at, (name, argument)) in calls.into_iter().enumerate() {
            let arguments = serde_json::json!({"n": at, "t": argument}).to_string();
            parts.push(Part::ToolCall(ToolCall { id: format!("call_{at}"), name, arguments, signature: None }));
        }
        parts
    })
}

fn usage() -> impl Strategy<Value = Usage> {
    (1..9_000_u64, 1..9_000_u64, prop::option::of(0..500_u64)).prop_map(|(input_tokens, output_tokens, cached)| Usage {
        input_tokens,
        output_tokens,
        cached_input_tokens: cached,
        ..Usage::default()
    })
}

fn finish(parts: &[Part]) -> Finish {
    let called = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let (reason, raw) = if called { (FinishReason::ToolCalls, "tool_calls") } else { (FinishReason::Stop, "stop") };
    Finish { reason, raw: raw.into(), stop_sequence: None }
}

/// The stream of a provider that gives this answer in pieces of so many characters.
fn streamed(parts: &[Part], usage: Usage, piece: usize, dialect: Dialect) -> Vec<u8> {
    let mut events = vec![StreamEvent::Start { id: Some("r".into()), model: Some("m".into()), created: None }];
    let pieces = |text: &str| {
        let chars: Vec<char> = text.chars().collect();
        chars.chunks(piece).map(|chunk| chunk.iter().collect::<String>()).collect::<Vec<_>>()
    };
    let mut index = 0;
    for part in parts {
        match part {
            Part::Text(text) => {
                events.extend(pieces(text).into_iter().map(|text| StreamEvent::TextDelta { choice: 0, text }));
            }
            Part::ToolCall(call) => {
                let (id, name) = (call.id.clone(), call.name.clone());
                events.push(StreamEvent::ToolCallStart { choice: 0, index, id, name, signature: None });
                let more = pieces(&call.arguments).into_iter();
                events.extend(more.map(|arguments| StreamEvent::ToolCallDelta { choice: 0, index, arguments }));
                events.push(StreamEvent::ToolCallEnd { choice: 0, index });
                index += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    events.push(StreamEvent::Finish { choice: 0, finish: finish(parts) });
    events.push(StreamEvent::Usage(usage));
    let (mut encoder, mut wire) = (dialect.stream_encoder(context(None)), Vec::new());
    events.iter().for_each(|event| encoder.event(event, &mut wire, &mut Vec::new()));
    encoder.end(&Tail::default(), &mut wire);
    wire
}

/// Text, calls, end, usage: what a client of the dialect has of a stream.
fn heard_in_stream(dialect: Dialect, wire: &[u8]) -> (String, Vec<(String, String)>, FinishReason, Usage) {
    let (mut frames, mut decoder, mut events) = (Decoder::new(), dialect.stream_decoder(), Vec::new());
    frames.push(wire).unwrap();
    while let Some(frame) = frames.next_frame() {
        decoder.frame(&frame, &mut events).unwrap();
    }
    assert!(decoder.complete());
    let (mut text, mut calls, mut end, mut counts) = (String::new(), Vec::<(String, String)>::new(), None, None);
    for event in events {
        match event {
            StreamEvent::TextDelta { text: more, .. } => text += &more,
            StreamEvent::ToolCallStart { name, .. } => calls.push((name, String::new())),
            StreamEvent::ToolCallDelta { index, arguments, .. } => calls[index as usize].1 += &arguments,
            StreamEvent::Finish { finish, .. } => end = Some(finish.reason),
            StreamEvent::Usage(usage) => counts = Some(usage),
            _ => {}
        }
    }
    (text, calls, end.unwrap(), counts.unwrap())
}

fn heard_whole(dialect: Dialect, body: &[u8]) -> (String, Vec<(String, String)>, FinishReason, Usage) {
    let answer = dialect.decode_response(body).unwrap();
    let (mut text, mut calls) = (String::new(), Vec::new());
    for part in &answer.choices[0].parts {
        match part {
            Part::Text(more) => text += more,
            Part::ToolCall(call) => calls.push((call.name.clone(), call.arguments.clone())),
            _ => {}
        }
    }
    (text, calls, answer.choices[0].finish.as_ref().unwrap().reason, answer.usage.unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_translated_stream_adds_up_to_the_translated_answer(parts in parts(), usage in usage(), piece in 1..7_usize, cut in 1..50_usize) {
        for provider in DIALECTS {
            let wire = streamed(&parts, usage, piece, provider);
            let choices = vec![Choice { index: 0, parts: parts.clone(), finish: Some(finish(&parts)) }];
            let answer = ChatResponse { id: Some("r".into()), choices, usage: Some(usage), ..ChatResponse::default() };
            let body = provider.encode_response(&answer, &context(None), &Tail::default()).body;
            let decoded = provider.decode_response(&body).unwrap();
            for client in DIALECTS.into_iter().filter(|client| *client != provider) {
                let mut relay = Relay::translated(provider, client, context(Some(provider)));
                let mut out = Vec::new();
                for piece in wire.chunks(cut) {
                    relay.push(piece, &mut out).unwrap();
                }
                prop_assert!(relay.complete());
                relay.conclude(&Tail { usage: relay.observation().usage, ..Tail::default() }, &mut out);
                let whole = client.encode_response(&decoded, &context(Some(provider)), &Tail::default()).body;
                let (streamed, whole) = (heard_in_stream(client, &out), heard_whole(client, &whole));
                prop_assert_eq!(&streamed, &whole, "{} to {}", provider.name(), client.name());
                prop_assert_eq!(streamed.3.prompt_tokens(), usage.prompt_tokens());
                prop_assert_eq!(streamed.3.completion_tokens(), usage.completion_tokens());
            }
        }
    }
}
