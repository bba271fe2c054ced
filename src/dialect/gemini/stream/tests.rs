use super::*;
use crate::dialect::canonical::{FinishReason, Loss};
use crate::dialect::{Dialect, Observation, ReplyContext, Tail};
use crate::sse;

/// Events of payloads, in a short notation.
fn read(payloads: &[&str]) -> (Vec<String>, Decoder) {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for payload in payloads {
        decoder.payload(payload.as_bytes(), &mut events).unwrap();
    }
    (events.iter().filter_map(short).collect(), decoder)
}

fn short(event: &StreamEvent) -> Option<String> {
    Some(match event {
        StreamEvent::Start { .. } | StreamEvent::Usage(_) => return None,
        StreamEvent::TextDelta { choice, text } => format!("{choice} text {text}"),
        StreamEvent::ReasoningDelta { text, .. } => format!("thought {text}"),
        StreamEvent::ReasoningEnd { signature, .. } => format!("signed {}", signature.as_deref().unwrap_or("-")),
        StreamEvent::RefusalDelta { text, .. } => format!("refusal {text}"),
        StreamEvent::ToolCallStart { index, id, name, signature, .. } => {
            format!("call {index} {name} {id} {}", signature.as_deref().unwrap_or("-"))
        }
        StreamEvent::ToolCallDelta { index, arguments, .. } => format!("args {index} {arguments}"),
        StreamEvent::ToolCallEnd { index, .. } => format!("end {index}"),
        StreamEvent::Finish { choice, finish } => format!("{choice} finish {:?} {}", finish.reason, finish.raw),
        StreamEvent::Extra(extra) => format!("extra {} {}", extra.field, extra.value.get()),
        StreamEvent::CustomCallStart { .. } | StreamEvent::CustomCallDelta { .. } | StreamEvent::Media { .. } => {
            format!("{event:?}")
        }
    })
}

fn parts(parts: &str) -> String {
    format!(r#"{{"candidates":[{{"content":{{"role":"model","parts":[{parts}]}}}}],"responseId":"r-1"}}"#)
}

const STOP: &str = r#"{"candidates":[{"finishReason":"STOP","index":0}]}"#;

#[test]
fn parallel_calls_in_chunks_of_their_own_get_indices_and_ids_of_their_own() {
    let call = |n: u32| parts(&format!(r#"{{"functionCall":{{"name":"f","args":{{"a": {n}.0}}}}}}"#));
    let (events, decoder) = read(&[&call(1), &call(2), &call(3), STOP]);
    assert_eq!(
        events,
        [
            "call 0 f call_r-1_0 -",
            "args 0 {\"a\": 1.0}",
            "end 0",
            "call 1 f call_r-1_1 -",
            "args 1 {\"a\": 2.0}",
            "end 1",
            "call 2 f call_r-1_2 -",
            "args 2 {\"a\": 3.0}",
            "end 2",
            "0 finish ToolCalls STOP"
        ]
    );
    assert!(decoder.complete());
}

#[test]
fn a_call_without_arguments_is_a_call_with_none() {
    let (events, _) = read(&[&parts(r#"{"functionCall":{"name":"f","id":"own"},"thoughtSignature":"s"}"#)]);
    assert_eq!(events, ["call 0 f own s", "args 0 {}", "end 0"]);
    let (events, _) = read(&[&parts(r#"{"functionCall":{"name":"f","args":null}}"#)]);
    assert_eq!(events[1], "args 0 {}");
}

#[test]
fn streamed_arguments_become_one_text_when_the_call_is_whole() {
    let (events, _) = read(&[
        &parts(r#"{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"s"}"#),
        &parts(
            r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"Bo","willContinue":true}],"willContinue":true}}"#,
        ),
        &parts(r#"{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"om"}],"willContinue":true}}"#),
        &parts(r#"{"functionCall":{}}"#),
        &parts(r#"{"functionCall":{"name":"g","willContinue":true}}"#),
        STOP,
    ]);
    assert_eq!(
        events,
        [
            "call 0 f call_r-1_0 s",
            "args 0 {\"a\":\"Boom\"}",
            "end 0",
            "call 1 g call_r-1_1 -",
            "args 1 {}",
            "end 1",
            "0 finish ToolCalls STOP"
        ]
    );
}

#[test]
fn a_call_that_cannot_be_made_stops_the_stream() {
    for part in [
        r#"{"functionCall":{"args":{"a":1}}}"#,
        r#"{"functionCall":{"name":"f","partialArgs":[{"jsonPath":"$.a[99999999]","numberValue":1}]}}"#,
    ] {
        let fault = Decoder::default().payload(parts(part).as_bytes(), &mut Vec::new()).unwrap_err();
        assert!(matches!(fault, StreamFault::Provider(_)), "{part}");
    }
}

#[test]
fn signatures_keep_their_place() {
    let (events, _) = read(&[
        &parts(r#"{"text":"hm","thought":true}"#),
        &parts(r#"{"text":"Hello","thoughtSignature":"on-text"}"#),
        &parts(r#"{"text":" you"}"#),
        &parts(r#"{"text":"","thoughtSignature":"on-empty"}"#),
    ]);
    assert_eq!(events, ["thought hm", "signed -", "signed on-text", "0 text Hello", "0 text  you", "signed on-empty"]);
    let (events, _) =
        read(&[&parts(r#"{"text":"hm","thought":true,"thoughtSignature":"own"},{"thoughtSignature":"x"}"#)]);
    assert_eq!(events, ["thought hm", "signed own", "signed x"]);
}

#[test]
fn a_blocked_prompt_is_a_filtered_answer_and_not_an_empty_success() {
    let (events, decoder) = read(&[
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}"#,
    ]);
    assert_eq!(events, ["extra promptFeedback {\"blockReason\":\"SAFETY\"}", "0 finish ContentFilter SAFETY"]);
    assert!(decoder.complete());
    let (_, decoder) = read(&[r#"{"promptFeedback":{"safetyRatings":[]}}"#]);
    assert!(!decoder.complete(), "ratings alone are no verdict");
}

#[test]
fn a_stream_is_complete_once_every_choice_has_ended() {
    let text = parts(r#"{"text":"a"}"#);
    assert!(!read(&[]).1.complete());
    assert!(!read(&[&text]).1.complete());
    assert!(read(&[&text, STOP]).1.complete());
    let paused = r#"{"candidates":[{"finishReason":"CONTINUATION","continuationToken":"t"}]}"#;
    let (events, decoder) = read(&[&text, paused]);
    assert!(decoder.complete(), "as far as it goes");
    assert_eq!(
        events[1..],
        ["extra candidates[0].continuationToken \"t\"".to_owned(), "0 finish Paused CONTINUATION".to_owned()]
    );
    let other = r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]}}]}"#;
    assert!(!read(&[&text, other, STOP]).1.complete());
    let both = r#"{"candidates":[{"finishReason":"STOP"},{"index":1,"finishReason":"MAX_TOKENS"}]}"#;
    assert!(read(&[&text, other, both]).1.complete());
}

#[test]
fn an_answer_that_goes_on_after_a_finish_reason_is_cut_without_its_last_one() {
    let code = parts(r#"{"executableCode":{"code":"1+1"}}"#);
    let text = parts(r#"{"text":"2"}"#);
    assert!(read(&[&code, STOP]).1.complete());
    assert!(!read(&[&code, STOP, &text]).1.complete());
    let (events, decoder) = read(&[&code, STOP, &text, STOP]);
    assert!(decoder.complete());
    assert_eq!(
        events,
        [
            "extra candidates[0].content.parts.executableCode {\"executableCode\":{\"code\":\"1+1\"}}",
            "0 finish Stop STOP",
            "0 text 2",
            "0 finish Stop STOP"
        ]
    );
    // An empty part adds nothing: many streams end so.
    assert!(read(&[&text, STOP, &parts(r#"{"text":""}"#)]).1.complete());
}

#[test]
fn what_has_no_word_is_reported_once() {
    let chunk = r#"{"candidates":[{"content":{"parts":[{"text":"a","partMetadata":{"k":1}}]},"safetyRatings":[1],
        "groundingMetadata":{"g":1}}],"usageMetadata":{"trafficType":"ON_DEMAND"},"modelStatus":"x"}"#;
    let (events, _) = read(&[chunk, chunk]);
    assert_eq!(
        events,
        [
            "extra modelStatus \"x\"",
            "extra usageMetadata.trafficType \"ON_DEMAND\"",
            "extra candidates[0].content.parts[].partMetadata {\"k\":1}",
            "0 text a",
            "extra candidates[0].safetyRatings [1]",
            "extra candidates[0].groundingMetadata {\"g\":1}",
            "0 text a"
        ]
    );
}

#[test]
fn the_beginning_names_the_answer_and_the_last_count_holds() {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    for payload in [
        r#"{"responseId":"r","modelVersion":"gemini-x","createTime":"2026-04-02T17:03:50.399550Z","candidates":[{}],
            "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1}}"#,
        r#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":7}}"#,
        r#"{"candidates":[{"finishReason":"STOP"}]}"#,
    ] {
        decoder.payload(payload.as_bytes(), &mut events).unwrap();
    }
    let StreamEvent::Start { id, model, created } = &events[0] else { panic!("{events:?}") };
    assert_eq!((id.as_deref(), model.as_deref()), (Some("r"), Some("gemini-x")));
    assert_eq!(*created, Some(1_775_149_430));
    let counts: Vec<u64> = events
        .iter()
        .filter_map(|event| if let StreamEvent::Usage(usage) = event { Some(usage.output_tokens) } else { None })
        .collect();
    assert_eq!(counts, [1, 7]);
}

#[test]
fn times_are_read_or_left_out() {
    assert_eq!(unix_seconds("1970-01-01T00:00:00Z"), Some(0));
    assert_eq!(unix_seconds("2000-02-29T12:00:00.5Z"), Some(951_825_600));
    for wrong in ["", "2026-13-01T00:00:00Z", "2026-01-01T99999999999999999:00:00Z", "2026-01-01", "x-y-zTa:b:cZ"] {
        assert_eq!(unix_seconds(wrong), None, "{wrong}");
    }
}

#[test]
fn errors_are_found_in_events_in_bare_lines_and_in_arrays() {
    let error = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;
    for body in [
        format!("data: {error}\r\n\r\n"),
        format!("{error}\r\n\r\n"),
        format!("[{error}]\n\n"),
        format!("data: [{error}]\n\n"),
    ] {
        let mut frames = sse::Decoder::new();
        frames.push(body.as_bytes()).unwrap();
        let frame = frames.next_frame().unwrap();
        let fault = Decoder::default().frame(&frame, &mut Vec::new()).unwrap_err();
        let StreamFault::Provider(error) = fault else { panic!("{body}") };
        assert_eq!((error.message.as_str(), error.kind.as_deref()), ("overloaded", Some("UNAVAILABLE")));
        assert!(Dialect::Gemini.observe_event(&frame, &mut Observation::default()).is_err());
    }
}

#[test]
fn a_malformed_event_changes_nothing() {
    let (_, mut decoder) = read(&[&parts(r#"{"text":"a"}"#)]);
    let mut out = Vec::new();
    for broken in ["{\"candidates\":[{\"finishReason\":\"STOP\"", "nonsense", "{\"candidates\":3}", "7", "\"x\""] {
        assert!(matches!(decoder.payload(broken.as_bytes(), &mut out), Err(StreamFault::Malformed(_))), "{broken}");
    }
    assert!(out.is_empty());
    assert!(!decoder.complete());
    decoder.payload(b" \r\n", &mut out).unwrap();
    decoder.payload(STOP.as_bytes(), &mut out).unwrap();
    assert!(decoder.complete());
}

fn write(events: &[StreamEvent], tail: &Tail) -> (String, Vec<Loss>) {
    let context = ReplyContext { request_id: "req".into(), model: "acme/m".into(), ..ReplyContext::default() };
    let mut encoder = Encoder::new(context);
    let (mut out, mut losses) = (Vec::new(), Vec::new());
    for event in events {
        encoder.event(event, &mut out, &mut losses);
    }
    encoder.end(tail, &mut out);
    (String::from_utf8(out).unwrap(), losses)
}

fn finish(reason: FinishReason, raw: &str) -> StreamEvent {
    let finish = crate::dialect::canonical::Finish { reason, raw: raw.to_owned(), stop_sequence: None };
    StreamEvent::Finish { choice: 0, finish }
}

#[test]
fn a_written_stream_has_googles_shape() {
    let events = [
        StreamEvent::Start { id: None, model: None, created: Some(1) },
        StreamEvent::ReasoningDelta { choice: 0, text: "hm".into() },
        StreamEvent::ReasoningEnd { choice: 0, signature: None, redacted: false },
        StreamEvent::TextDelta { choice: 0, text: "a\u{2028}😀\"".into() },
        finish(FinishReason::Length, "length"),
        StreamEvent::Usage(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() }),
    ];
    let (wire, losses) = write(&events, &Tail { signalbox: Some("{\"a\":1}".into()), ..Tail::default() });
    assert!(losses.is_empty());
    let names = "\"modelVersion\":\"acme/m\",\"responseId\":\"req\"}\r\n\r\n";
    let event = |part: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{part}],\"role\":\"model\"}},\"index\":0}}],{names}"
        )
    };
    let last = format!(
        "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"\"}}],\"role\":\"model\"}},{}}}],{},{}{names}",
        "\"finishReason\":\"MAX_TOKENS\",\"index\":0",
        "\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2,\"totalTokenCount\":5}",
        "\"signalbox\":{\"a\":1},",
    );
    let expected = [event(r#"{"text":"hm","thought":true}"#), event("{\"text\":\"a\u{2028}😀\\\"\"}"), last].concat();
    assert_eq!(wire, expected);
}

#[test]
fn calls_are_written_whole_however_their_arguments_come() {
    let call = |index: u32, id: &str| StreamEvent::ToolCallStart {
        choice: 0,
        index,
        id: id.into(),
        name: "f".into(),
        signature: None,
    };
    let delta = |index: u32, text: &str| StreamEvent::ToolCallDelta { choice: 0, index, arguments: text.into() };
    let events = [
        call(0, "a"),
        delta(0, "{\"x\""),
        call(1, "b"),
        delta(1, ""),
        delta(0, ":1.50}"),
        StreamEvent::ToolCallEnd { choice: 0, index: 1 },
        StreamEvent::ToolCallEnd { choice: 0, index: 0 },
        call(2, "c"),
        delta(2, "{\"cut"),
        StreamEvent::ToolCallEnd { choice: 0, index: 2 },
        finish(FinishReason::ToolCalls, "tool_use"),
    ];
    let (wire, losses) = write(&events, &Tail::default());
    let calls: Vec<&str> =
        wire.split("\"functionCall\":").skip(1).map(|rest| rest.split("}]").next().unwrap()).collect();
    assert_eq!(
        calls,
        [
            r#"{"id":"b","name":"f","args":{}}"#,
            r#"{"id":"a","name":"f","args":{"x":1.50}}"#,
            r#"{"id":"c","name":"f","args":{"__raw":"{\"cut"}}"#
        ]
    );
    assert_eq!(losses.len(), 1);
    assert!(wire.contains("\"finishReason\":\"STOP\""));
}

#[test]
fn what_a_gemini_client_cannot_be_told_is_reported() {
    let extra = Extra {
        field: "container".into(),
        value: serde_json::value::to_raw_value(&1).unwrap(),
        advisory: false,
        is_default: false,
    };
    let events = [
        StreamEvent::RefusalDelta { choice: 0, text: "no".into() },
        StreamEvent::ReasoningEnd { choice: 0, signature: Some("foreign".into()), redacted: false },
        StreamEvent::Extra(extra),
        finish(FinishReason::Failed, "insufficient_system_resource"),
    ];
    let (wire, losses) = write(&events, &Tail::default());
    assert_eq!(losses.len(), 3);
    assert!(wire.contains(r#"{"text":"no"}"#) && !wire.contains("foreign"));
    assert!(wire.contains(r#""finishReason":"OTHER","finishMessage":"insufficient_system_resource""#));
}

#[test]
fn an_empty_answer_still_has_a_candidate() {
    let (wire, _) = write(&[], &Tail::default());
    assert_eq!(wire.matches("data: ").count(), 1);
    assert!(wire.contains(r#""finishReason":"STOP""#), "only whole answers are ended, and this is how one looks");
}

/// Parts of a written stream, as a client gathers them for its next request.
fn gathered(wire: &str) -> Vec<serde_json::Value> {
    let payloads = wire.split("\r\n\r\n").filter_map(|event| event.strip_prefix("data: "));
    payloads
        .flat_map(|payload| {
            let chunk: serde_json::Value = serde_json::from_str(payload).unwrap();
            chunk["candidates"][0]["content"]["parts"].as_array().unwrap().clone()
        })
        .collect()
}

/// What the next request says that the model said, in the hub's words.
fn replayed(parts: &[serde_json::Value]) -> String {
    let body = serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "x"}]},
        {"role": "model", "parts": parts}, {"role": "user", "parts": [{"text": "y"}]}]});
    let request = Dialect::Gemini.decode_request(body.to_string().as_bytes()).unwrap();
    format!("{:?}", request.turns[1].parts)
}

#[test]
fn other_providers_thoughts_come_back_to_them_through_any_gemini_client() {
    let events = [
        StreamEvent::ReasoningDelta { choice: 0, text: "let me ".into() },
        StreamEvent::ReasoningDelta { choice: 0, text: "see".into() },
        StreamEvent::ReasoningEnd { choice: 0, signature: Some("sig+/=".into()), redacted: false },
        StreamEvent::ReasoningEnd { choice: 0, signature: Some("hidden".into()), redacted: true },
        StreamEvent::ToolCallStart { choice: 0, index: 0, id: "c".into(), name: "f".into(), signature: None },
        StreamEvent::ToolCallEnd { choice: 0, index: 0 },
        finish(FinishReason::ToolCalls, "tool_use"),
    ];
    for hide_reasoning in [false, true] {
        let upstream = Some(Dialect::AnthropicMessages);
        let mut encoder = Encoder::new(ReplyContext { upstream, hide_reasoning, ..ReplyContext::default() });
        let (mut wire, mut losses) = (Vec::new(), Vec::new());
        for event in &events {
            encoder.event(event, &mut wire, &mut losses);
        }
        encoder.end(&Tail::default(), &mut wire);
        let parts = gathered(std::str::from_utf8(&wire).unwrap());
        assert!(losses.is_empty());
        assert_eq!(parts.iter().any(|part| part["thought"] == true), !hide_reasoning);
        let expected = concat!(
            r#"[Reasoning(ReasoningPart { text: "let me see", signature: Some("sig+/="), redacted: false, "#,
            r#"origin: AnthropicMessages }), Reasoning(ReasoningPart { text: "", signature: Some("hidden"), "#,
            r#"redacted: true, origin: AnthropicMessages }), ToolCall(ToolCall { id: "c", name: "f", "#,
            r#"arguments: "{}", signature: None })"#,
        );
        assert!(replayed(&parts).starts_with(expected), "{}", replayed(&parts));
        let calls_only: Vec<_> = parts.into_iter().filter(|part| part.get("functionCall").is_some()).collect();
        assert!(replayed(&calls_only).starts_with(expected), "{}", replayed(&calls_only));
    }
}

#[test]
fn a_signature_of_googles_own_is_handed_on_as_it_is() {
    let upstream = Some(Dialect::Gemini);
    let mut encoder = Encoder::new(ReplyContext { upstream, ..ReplyContext::default() });
    let (mut wire, mut losses) = (Vec::new(), Vec::new());
    let signed = StreamEvent::ReasoningEnd { choice: 0, signature: Some("cw==".into()), redacted: false };
    encoder.event(&signed, &mut wire, &mut losses);
    assert!(String::from_utf8(wire).unwrap().contains(r#"[{"text":"","thoughtSignature":"cw=="}]"#));
    assert!(losses.is_empty());
}

#[test]
fn an_answer_that_ended_without_a_reason_has_one_for_gemini_clients() {
    let mut encoder = Encoder::new(ReplyContext::default());
    let (mut wire, mut losses) = (Vec::new(), Vec::new());
    encoder.event(&StreamEvent::TextDelta { choice: 0, text: "x".into() }, &mut wire, &mut losses);
    encoder.end(&Tail::default(), &mut wire);
    assert!(String::from_utf8(wire).unwrap().contains(r#""finishReason":"STOP""#));
}
