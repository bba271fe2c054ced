//! The Gemini dialect against recorded traffic (read in place from SIGNALBOX_FIXTURES). What is expected of a case is
//! computed from its recording by the small independent reading in [`Reading::of`]. What does not need recordings is
//! tested beside the code; start with `src/dialect/gemini/stream/tests.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use signalbox::dialect::canonical::{ChatResponse, Part, StreamEvent, Usage};
use signalbox::dialect::gemini::array::Splitter;
use signalbox::dialect::{Dialect, Observation, ReplyContext, StreamFault, Tail};
use signalbox::sse;

/// A recorded exchange of `generateContent` or `streamGenerateContent`.
struct Case {
    name: String,
    meta: Value,
    request: Vec<u8>,
    body: Vec<u8>,
}

fn cases() -> Vec<Case> {
    let root = std::env::var_os("SIGNALBOX_FIXTURES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    let Ok(folder) = fs::read_dir(root.join("gemini")) else {
        println!("no recorded traffic at {}: nothing compared", root.display());
        return Vec::new();
    };
    let mut cases: Vec<Case> = folder
        .map(|entry| {
            let path = entry.unwrap().path();
            let meta: Value = serde_json::from_slice(&fs::read(path.join("case.json")).unwrap()).unwrap();
            let body = fs::read(path.join(meta["response_file"].as_str().unwrap())).unwrap();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            Case { name, meta, request: fs::read(path.join("request.json")).unwrap(), body }
        })
        .filter(|case| case.meta["endpoint"] == "generate")
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!cases.is_empty());
    cases
}

fn answered() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.meta["status"] == 200)
}

/// The payloads of a body, whatever its framing, fed in pieces of so many bytes.
fn payloads(case: &Case, piece: usize) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    match case.meta["framing"].as_str().unwrap() {
        "json" => list.push(case.body.clone()),
        "json-array" => {
            let mut splitter = Splitter::default();
            for bytes in case.body.chunks(piece) {
                splitter.push(bytes).unwrap();
                while let Some(element) = splitter.next_element() {
                    list.push(element.to_vec());
                }
            }
            assert!(splitter.closed(), "{}", case.name);
        }
        _ => list = frames(&case.body, piece),
    }
    list
}

fn frames(body: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let mut decoder = sse::Decoder::new();
    let mut list = Vec::new();
    for bytes in body.chunks(piece) {
        decoder.push(bytes).unwrap();
        while let Some(frame) = decoder.next_frame() {
            list.extend(frame.data.map(|data| data.into_owned()));
        }
    }
    list
}

fn frame(data: &[u8]) -> sse::Frame<'_> {
    sse::Frame { raw: data, event: None, data: Some(data.into()), id: None }
}

/// What an answer says, as far as every dialect can say it.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    signatures: usize,
    finish: String,
    /// Prompt, cached, completion, reasoning.
    usage: Option<(u64, u64, u64, u64)>,
}

impl Reading {
    /// The independent reading: a tree per payload, and nothing of the code under test.
    fn of(payloads: &[Vec<u8>]) -> Self {
        let mut reading = Self::default();
        let mut partial: Option<BTreeMap<String, String>> = None;
        for payload in payloads {
            let chunk: Value = serde_json::from_slice(payload).unwrap();
            let candidate = &chunk["candidates"][0];
            for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
                let known = part["text"].is_string() || part["functionCall"].is_object();
                reading.signatures += usize::from(known && part["thoughtSignature"].is_string());
                match (part["text"].as_str(), part["thought"] == true) {
                    (Some(text), true) => reading.thoughts += text,
                    (Some(text), false) => reading.text += text,
                    (None, _) => {}
                }
                let Some(call) = part["functionCall"].as_object() else { continue };
                if let Some(name) = call.get("name") {
                    let args = call.get("args").cloned().unwrap_or(json!({}));
                    reading.calls.push((name.as_str().unwrap().to_owned(), args));
                    partial = call.get("willContinue").map(|_| BTreeMap::new());
                }
                for arg in call.get("partialArgs").and_then(Value::as_array).into_iter().flatten() {
                    let name = arg["jsonPath"].as_str().unwrap().strip_prefix("$.").unwrap().to_owned();
                    *partial.as_mut().unwrap().entry(name).or_default() += arg["stringValue"].as_str().unwrap();
                }
                if !call.contains_key("willContinue") {
                    if let Some(args) = partial.take() {
                        reading.calls.last_mut().unwrap().1 = json!(args);
                    }
                }
            }
            let ends = [&candidate["finishReason"], &chunk["promptFeedback"]["blockReason"]];
            for end in ends.iter().filter_map(|end| end.as_str()) {
                reading.finish = end.to_owned();
            }
            let count = |name: &str| chunk["usageMetadata"][name].as_u64();
            if let Some(prompt) = count("promptTokenCount") {
                let thoughts = count("thoughtsTokenCount").unwrap_or(0);
                reading.usage = Some((
                    prompt + count("toolUsePromptTokenCount").unwrap_or(0),
                    count("cachedContentTokenCount").unwrap_or(0),
                    count("candidatesTokenCount").unwrap_or(0) + thoughts,
                    thoughts,
                ));
            }
        }
        reading
    }

    fn of_events(events: &[StreamEvent]) -> Self {
        let mut reading = Self::default();
        for event in events {
            match event {
                StreamEvent::TextDelta { text, .. } => reading.text += text,
                StreamEvent::ReasoningDelta { text, .. } => reading.thoughts += text,
                StreamEvent::ReasoningEnd { signature, .. } => reading.signatures += usize::from(signature.is_some()),
                StreamEvent::ToolCallStart { name, index, signature, .. } => {
                    assert_eq!(*index as usize, reading.calls.len(), "calls are counted from 0");
                    reading.calls.push((name.clone(), Value::Null));
                    reading.signatures += usize::from(signature.is_some());
                }
                StreamEvent::ToolCallDelta { arguments, index, .. } => {
                    reading.calls[*index as usize].1 = serde_json::from_str(arguments).unwrap();
                }
                StreamEvent::Finish { finish, .. } => reading.finish.clone_from(&finish.raw),
                StreamEvent::Usage(usage) => reading.usage = Some(counts(usage)),
                _ => {}
            }
        }
        reading
    }

    fn of_answer(answer: &ChatResponse) -> Self {
        let mut reading = Self::default();
        let choice = &answer.choices[0];
        for part in &choice.parts {
            match part {
                Part::Text(text) => reading.text += text,
                Part::Reasoning(reasoning) => {
                    reading.thoughts += &reasoning.text;
                    reading.signatures += usize::from(reasoning.signature.is_some());
                }
                Part::ToolCall(call) => {
                    reading.calls.push((call.name.clone(), serde_json::from_str(&call.arguments).unwrap()));
                    reading.signatures += usize::from(call.signature.is_some());
                }
                _ => {}
            }
        }
        reading.finish = choice.finish.as_ref().map(|finish| finish.raw.clone()).unwrap_or_default();
        reading.usage = answer.usage.as_ref().map(counts);
        reading
    }
}

fn counts(usage: &Usage) -> (u64, u64, u64, u64) {
    let cached = usage.cached_input_tokens.unwrap_or(0);
    (usage.prompt_tokens(), cached, usage.completion_tokens(), usage.reasoning_tokens.unwrap_or(0))
}

fn decode(payloads: &[Vec<u8>]) -> (Vec<StreamEvent>, bool) {
    let mut decoder = Dialect::Gemini.stream_decoder();
    let mut events = Vec::new();
    for payload in payloads {
        decoder.frame(&frame(payload), &mut events).unwrap();
    }
    (events, decoder.complete())
}

#[test]
fn recorded_streams_say_what_an_independent_reading_finds() {
    for case in answered() {
        for piece in [1, 7, 1 << 20] {
            let payloads = payloads(&case, piece);
            let (events, complete) = decode(&payloads);
            assert_eq!(Reading::of_events(&events), Reading::of(&payloads), "{} by {piece}", case.name);
            let cut = case.meta["features"].as_array().unwrap().contains(&json!("stream-cut"));
            assert_eq!(complete, !cut, "{}", case.name);
        }
    }
}

#[test]
fn recorded_answers_say_the_same_whole() {
    for case in answered() {
        let payloads = payloads(&case, 1 << 20);
        let whole = if case.meta["framing"] == "sse" {
            // An event stream that was gathered is an array.
            let mut array = b"[".to_vec();
            array.extend(payloads.join(&b',').iter());
            array.push(b']');
            array
        } else {
            case.body.clone()
        };
        let answer = Dialect::Gemini.decode_response(&whole).unwrap();
        assert_eq!(Reading::of_answer(&answer), Reading::of(&payloads), "{}", case.name);
    }
}

#[test]
fn the_native_path_observes_the_same_ends_and_counts() {
    for case in answered() {
        let payloads = payloads(&case, 1 << 20);
        let expected = Reading::of(&payloads);
        let mut seen = Observation::default();
        let mut content = false;
        for payload in &payloads {
            content |= Dialect::Gemini.observe_event(&frame(payload), &mut seen).unwrap().content;
        }
        assert_eq!(seen.usage.as_ref().map(counts), expected.usage, "{}", case.name);
        assert_eq!(seen.raw_finish.clone().unwrap_or_default(), expected.finish, "{}", case.name);
        assert_eq!(seen.done, decode(&payloads).1, "{}", case.name);
        let empty = case.meta["features"].as_array().unwrap().contains(&json!("stream-cut"));
        assert_eq!(content, !empty, "{}", case.name);
        if case.meta["framing"] != "sse" {
            let whole = Dialect::Gemini.observe_response(&case.body).unwrap();
            assert_eq!(whole, seen, "{}", case.name);
        }
    }
}

#[test]
fn what_is_encoded_for_a_gemini_client_decodes_to_the_same() {
    let context = ReplyContext {
        request_id: "req_1".into(),
        model: "m".into(),
        upstream: Some(Dialect::Gemini),
        ..ReplyContext::default()
    };
    for case in answered() {
        let (events, complete) = decode(&payloads(&case, 1 << 20));
        if !complete {
            continue;
        }
        let mut encoder = Dialect::Gemini.stream_encoder(context.clone());
        let (mut wire, mut losses) = (Vec::new(), Vec::new());
        for event in &events {
            encoder.event(event, &mut wire, &mut losses);
        }
        encoder.end(&Tail::default(), &mut wire);
        let (again, complete) = decode(&frames(&wire, 1 << 20));
        assert!(complete, "{}", case.name);
        assert_eq!(Reading::of_events(&again), Reading::of_events(&events), "{}", case.name);

        let answer = Dialect::Gemini.decode_response(&payloads_as_array(&case)).unwrap();
        let encoded = Dialect::Gemini.encode_response(&answer, &context, &Tail::default());
        let again = Dialect::Gemini.decode_response(&encoded.body).unwrap();
        assert_eq!(Reading::of_answer(&again), Reading::of_answer(&answer), "{}", case.name);
        assert_eq!(format!("{:?}", again.choices), format!("{:?}", answer.choices), "{}", case.name);
    }
}

fn payloads_as_array(case: &Case) -> Vec<u8> {
    let list: Vec<Value> =
        payloads(case, 1 << 20).iter().map(|payload| serde_json::from_slice(payload).unwrap()).collect();
    serde_json::to_vec(&list).unwrap()
}

#[test]
fn recorded_errors_are_read_wherever_they_stand() {
    for case in cases().into_iter().filter(|case| case.meta["status"] != 200) {
        let body: Value = serde_json::from_slice(&case.body).unwrap();
        let error = Dialect::Gemini.decode_error(&case.body).unwrap();
        assert_eq!(error.message, body["error"]["message"], "{}", case.name);
        assert_eq!(error.kind.as_deref(), body["error"]["status"].as_str(), "{}", case.name);
        assert_eq!(error.code, Some(body["error"]["code"].to_string()), "{}", case.name);
        assert_eq!(serde_json::from_str::<Value>(&error.raw).unwrap(), body["error"], "{}", case.name);

        let inside = Some(StreamFault::Provider(error));
        assert_eq!(Dialect::Gemini.decode_response(&case.body).err(), inside, "{}", case.name);
        // Google writes errors into event streams without `data:`.
        let bare = sse::Frame { raw: &case.body, event: None, data: None, id: None };
        let mut decoder = Dialect::Gemini.stream_decoder();
        assert_eq!(decoder.frame(&bare, &mut Vec::new()).err(), inside, "{}", case.name);
        assert_eq!(Dialect::Gemini.observe_event(&bare, &mut Observation::default()).err(), inside, "{}", case.name);
    }
}

#[test]
fn recorded_requests_are_read_and_written_again_without_a_loss_of_content() {
    use signalbox::dialect::{ModelTraits, Target};
    for case in cases() {
        if case.name == "vertexai-generate-content-invalid-role" {
            let error = Dialect::Gemini.decode_request(&case.request).unwrap_err();
            assert_eq!(error.param.as_deref(), Some("contents[0].role"));
            assert!(Dialect::Gemini.view(&case.request).is_err());
            continue;
        }
        let view = Dialect::Gemini.view(&case.request).unwrap();
        let request = Dialect::Gemini.decode_request(&case.request).unwrap();
        assert_eq!(view.needs.tools, !request.tools.is_empty(), "{}", case.name);
        assert_eq!(view.max_output_tokens, request.max_output_tokens, "{}", case.name);
        assert_eq!(view.needs.json_schema || view.needs.json_object, request.format.is_some(), "{}", case.name);

        let model = case.meta["model"].as_str().unwrap();
        let target = Target { provider: "gemini", model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
        let encoded = Dialect::Gemini.encode_request(&request, &target);
        let again = Dialect::Gemini.decode_request(&encoded.body).unwrap();
        assert_eq!(format!("{:?}", again.turns), format!("{:?}", request.turns), "{}", case.name);
        assert_eq!(format!("{:?}", again.tools), format!("{:?}", request.tools), "{}", case.name);
        if !request.tools.is_empty() {
            assert_eq!(again.tool_choice, request.tool_choice, "{}", case.name);
        }
    }
}

#[test]
fn signatures_survive_a_turn_through_an_anthropic_client() {
    use signalbox::dialect::{ModelTraits, Target};
    for case in answered() {
        let answer = Dialect::Gemini.decode_response(&payloads_as_array(&case)).unwrap();
        let finished = answer.choices[0].finish.is_some();
        let own = answer.choices[0].parts.iter().all(|part| !matches!(part, Part::Native { .. } | Part::Image(_)));
        if !finished || !own || answer.choices[0].parts.is_empty() {
            continue;
        }
        let context = ReplyContext { upstream: Some(Dialect::Gemini), ..ReplyContext::default() };
        let said = Dialect::AnthropicMessages.encode_response(&answer, &context, &Tail::default());
        let said: Value = serde_json::from_slice(&said.body).unwrap();
        let results: Vec<Value> = said["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .map(|block| json!({"type": "tool_result", "tool_use_id": block["id"], "content": "ok"}))
            .collect();
        let next = if results.is_empty() { json!("go on") } else { json!(results) };
        let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"},
            {"role": "assistant", "content": said["content"]}, {"role": "user", "content": next}]});
        let request = Dialect::AnthropicMessages.decode_request(body.to_string().as_bytes()).unwrap();
        let target = Target {
            provider: "gemini",
            model: "gemini-3-pro-preview",
            traits: ModelTraits::PERMISSIVE,
            max_output_tokens: None,
        };
        let encoded = Dialect::Gemini.encode_request(&request, &target);
        let again: Value = serde_json::from_slice(&encoded.body).unwrap();
        let kept: Vec<&str> = again["contents"][1]["parts"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|part| part["thoughtSignature"].as_str())
            .filter(|signature| *signature != "skip_thought_signature_validator")
            .collect();
        let given: Vec<&str> = answer.choices[0]
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::Reasoning(thought) => thought.signature.as_deref(),
                Part::ToolCall(call) => call.signature.as_deref(),
                _ => None,
            })
            .collect();
        assert_eq!(kept, given, "{}", case.name);
    }
}
