//! Properties of the Gemini dialect that hold for any input: hostile bytes are refused and never panic, and what is
//! written for Gemini reads back as what was meant.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // test helpers

use proptest::prelude::*;
use signalbox::dialect::canonical::{
    ChatRequest, Finish, FinishReason, Part, Role, StreamEvent, ToolCall, ToolResult, Turn, Usage,
};
use signalbox::dialect::gemini::array::Splitter;
use signalbox::dialect::{Dialect, ModelTraits, Observation, ReplyContext, Tail, Target};
use signalbox::sse::{Decoder, Frame};

const REQUEST: &str = r##"{"systemInstruction":{"parts":[{"text":"be"}]},"contents":[{"role":"user","parts":[{"text":"hi"},
{"inlineData":{"mimeType":"image/png","data":"AA=="}}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":[1,{}]}},
"thoughtSignature":"cw=="}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],
"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"ARRAY","nullable":true}}}}]}],
"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"generationConfig":{"topK":1.0,
"responseJsonSchema":{"$defs":{"N":{"const":1}},"$ref":"#/$defs/N"},"thinkingConfig":{"thinkingBudget":-1}}}"##;

const ANSWER: &str = r#"[{"candidates":[{"content":{"parts":[{"text":"hm","thought":true},{"text":"\u00e9\ud83d\ude00","thoughtSignature":"cw=="},
{"functionCall":{"name":"f","willContinue":true,"partialArgs":[{"jsonPath":"$.a[0]['b']","numberValue":1e3}]}},{"executableCode":{"code":"1"}}]},
"index":1,"finishReason":"STOP","safetyRatings":[]}],"promptFeedback":{"blockReason":"SAFETY"},"createTime":"2026-01-01T00:00:00Z",
"usageMetadata":{"promptTokenCount":"7","cachedContentTokenCount":9,"promptTokensDetails":[{"modality":"AUDIO","tokenCount":3}]}},
{"error":{"code":429,"status":"X","details":[{"fieldViolations":[{"field":"a"}]}]}}]"#;

/// The text with some bytes replaced, removed or doubled.
fn damaged(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, any::<u8>()), 0..6);
    edits.prop_map(move |edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, how, byte) in edits {
            let at = at.index(bytes.len());
            match how {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"{}[]\",:\\0-"[usize::from(byte) % 10]),
                _ => bytes.truncate(bytes.len() - bytes.len() % (usize::from(byte) + 1)),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn damaged_requests_are_read_or_refused(body in damaged(REQUEST)) {
        let _ = Dialect::Gemini.view(&body);
        if let Ok(request) = Dialect::Gemini.decode_request(&body) {
            for model in ["gemini-2.5-flash", "gemini-3-pro-preview", "gemma-3"] {
                let target = Target { provider: "g", model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
                let encoded = Dialect::Gemini.encode_request(&request, &target);
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&encoded.body).is_ok());
            }
        }
    }

    #[test]
    fn damaged_answers_are_read_or_refused(body in damaged(ANSWER), piece in 1..64_usize) {
        let _ = Dialect::Gemini.observe_response(&body);
        let _ = Dialect::Gemini.decode_error(&body);
        if let Ok(answer) = Dialect::Gemini.decode_response(&body) {
            let encoded = Dialect::Gemini.encode_response(&answer, &ReplyContext::default(), &Tail::default());
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&encoded.body).is_ok());
        }
        let mut splitter = Splitter::default();
        let mut decoder = Dialect::Gemini.stream_decoder();
        let (mut events, mut seen) = (Vec::new(), Observation::default());
        for bytes in body.chunks(piece) {
            splitter.push(bytes).unwrap();
            while let Some(element) = splitter.next_element() {
                for data in [Some(element.into()), None] {
                    let frame = Frame { raw: element, event: None, data, id: None };
                    let _ = decoder.frame(&frame, &mut events);
                    let _ = Dialect::Gemini.observe_event(&frame, &mut seen);
                }
            }
        }
        written(&events);
    }

    #[test]
    fn a_conversation_reads_back_as_it_was_written(turns in conversation()) {
        let request = ChatRequest { turns, ..ChatRequest::default() };
        let target =
            Target { provider: "g", model: "gemini-2.5-flash", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
        let encoded = Dialect::Gemini.encode_request(&request, &target);
        prop_assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
        let again = Dialect::Gemini.decode_request(&encoded.body).unwrap();
        prop_assert_eq!(format!("{:?}", again.turns), format!("{:?}", request.turns));
    }

    #[test]
    fn a_stream_reads_back_as_it_was_written(pieces in prop::collection::vec(piece(), 0..12), piece in 1..40_usize) {
        let mut events = vec![StreamEvent::Start { id: Some("r".into()), model: Some("m".into()), created: None }];
        for (at, (kind, text)) in pieces.iter().enumerate() {
            let index = at as u32;
            match kind {
                0 => events.push(StreamEvent::TextDelta { choice: 0, text: text.clone() }),
                1 => events.push(StreamEvent::ReasoningDelta { choice: 0, text: text.clone() }),
                _ => {
                    let (id, name) = (format!("c{at}"), "f".to_owned());
                    events.push(StreamEvent::ToolCallStart { choice: 0, index, id, name, signature: None });
                    let arguments = serde_json::json!({"t": text}).to_string();
                    let half = arguments.char_indices().nth(arguments.chars().count() / 2).unwrap().0;
                    for arguments in [&arguments[..half], &arguments[half..]] {
                        events.push(StreamEvent::ToolCallDelta { choice: 0, index, arguments: arguments.to_owned() });
                    }
                    events.push(StreamEvent::ToolCallEnd { choice: 0, index });
                }
            }
        }
        let finish = Finish { reason: FinishReason::Stop, raw: "stop".into(), stop_sequence: None };
        events.push(StreamEvent::Finish { choice: 0, finish });
        events.push(StreamEvent::Usage(Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() }));

        let wire = written(&events);
        let (mut frames, mut decoder) = (Decoder::new(), Dialect::Gemini.stream_decoder());
        let mut again = Vec::new();
        for bytes in wire.chunks(piece) {
            frames.push(bytes).unwrap();
            while let Some(frame) = frames.next_frame() {
                decoder.frame(&frame, &mut again).unwrap();
            }
        }
        prop_assert!(decoder.complete());
        prop_assert_eq!(spoken(&again), spoken(&events));
    }
}

fn piece() -> impl Strategy<Value = (u8, String)> {
    (0..3_u8, "[ -~é\u{2028}😀\n\"\\\\]{1,6}")
}

fn written(events: &[StreamEvent]) -> Vec<u8> {
    let mut encoder = Dialect::Gemini.stream_encoder(ReplyContext::default());
    let (mut wire, mut losses) = (Vec::new(), Vec::new());
    for event in events {
        encoder.event(event, &mut wire, &mut losses);
    }
    encoder.end(&Tail::default(), &mut wire);
    wire
}

/// Texts, thoughts and calls in order.
fn spoken(events: &[StreamEvent]) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for event in events {
        match event {
            StreamEvent::TextDelta { text, .. } => list.push(format!("text {text}")),
            StreamEvent::ReasoningDelta { text, .. } => list.push(format!("thought {text}")),
            StreamEvent::ToolCallStart { id, name, .. } => list.push(format!("call {id} {name} ")),
            StreamEvent::ToolCallDelta { arguments, .. } => list.last_mut().unwrap().push_str(arguments),
            _ => {}
        }
    }
    list
}

/// Turns as a client writes them: a user asks, the model answers or calls, results follow the calls.
fn conversation() -> impl Strategy<Value = Vec<Turn>> {
    let round = ("[a-zé\"\\\\\n]{1,8}", prop::collection::vec("[a-z]{0,5}", 0..3));
    prop::collection::vec(round, 1..4).prop_map(|rounds| {
        let mut turns = vec![Turn { role: Role::System, parts: vec![Part::Text("be brief".into())] }];
        for (at, (text, calls)) in rounds.into_iter().enumerate() {
            turns.push(Turn { role: Role::User, parts: vec![Part::Text(text.clone())] });
            let id = |call: usize| format!("c{at}-{call}");
            let mut parts = vec![Part::Text(format!("answer to {text}"))];
            let mut results = Vec::new();
            for (call, argument) in calls.into_iter().enumerate() {
                let arguments = format!("{{\"a\" :\"{argument}\"}}");
                let name = format!("f{call}");
                parts.push(Part::ToolCall(ToolCall { id: id(call), name: name.clone(), arguments, signature: None }));
                let parts = vec![Part::Text(argument)];
                let is_error = call == 1;
                results.push(Part::ToolResult(ToolResult { call_id: id(call), name: Some(name), parts, is_error }));
            }
            turns.push(Turn { role: Role::Assistant, parts });
            if !results.is_empty() {
                turns.push(Turn { role: Role::Tool, parts: results });
            }
        }
        turns.push(Turn { role: Role::User, parts: vec![Part::Text("and now?".into())] });
        turns
    })
}
