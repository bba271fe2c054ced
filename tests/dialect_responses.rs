//! Recorded traffic in Responses through its dialect. What an answer must decode to is read from the recording by a second,
//! naive walk over JSON values; a stream is held against the answer in its own last event. Recordings are read in place
//! (`SIGNALBOX_FIXTURES`, else `../shared/fixtures`); without the folder these tests say so and pass. The promises
//! themselves are tested beside the code on texts of our own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // test helpers

mod support;

use serde_json::Value;
use signalbox::dialect::canonical::{ChatRequest, ChatResponse, FinishReason, MediaSource, Part, StreamEvent, Usage};
use signalbox::dialect::{Dialect, ModelTraits, Observation, ReplyContext, StreamFault, Tail, Target};
use signalbox::sse::Decoder;
use support::recordings::{self, Case};

const RESPONSES: Dialect = Dialect::OpenAiResponses;

fn cases() -> Vec<Case> {
    recordings::cases(&["openai-responses"], |_| true)
}

/// What an answer says, from whichever side it is read.
#[derive(Debug, Default, Clone, PartialEq)]
struct Said {
    text: String,
    reasoning: Vec<(String, Option<String>)>,
    refusal: String,
    calls: Vec<(String, String, String)>,
    citations: Vec<String>,
    pictures: Vec<String>,
    /// input, output, cached, reasoning tokens
    usage: Option<(u64, u64, Option<u64>, Option<u64>)>,
    finish: Option<FinishReason>,
}

/// The naive reading of an answer: JSON values, fields by name.
fn naive(response: &Value) -> Said {
    let mut said = Said::default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for item in response["output"].as_array().into_iter().flatten() {
        match item["type"].as_str().unwrap() {
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    said.text += &text(&part["text"]);
                    said.refusal += &text(&part["refusal"]);
                    let cited = part["annotations"].as_array().into_iter().flatten();
                    said.citations.extend(cited.map(|citation| text(&citation["url"])));
                }
            }
            "reasoning" => {
                let list = |name: &str| -> Vec<String> {
                    item[name].as_array().into_iter().flatten().map(|part| text(&part["text"])).collect()
                };
                let shown = list("content").concat();
                let thought = if shown.is_empty() { list("summary").join("\n\n") } else { shown };
                let sealed = item["encrypted_content"].as_str().filter(|s| !s.is_empty()).map(str::to_owned);
                if !thought.is_empty() || sealed.is_some() {
                    said.reasoning.push((thought, sealed));
                }
            }
            "image_generation_call" => {
                let source = MediaSource::Base64 { mime: "image/png".to_owned(), data: text(&item["result"]) };
                said.pictures.push(format!("{source:?}"));
            }
            "function_call" => {
                said.calls.push((text(&item["call_id"]), text(&item["name"]), text(&item["arguments"])));
            }
            _ => {}
        }
    }
    let usage = &response["usage"];
    said.usage = usage["input_tokens"].as_u64().map(|input| {
        let (cached, reasoning) =
            (&usage["input_tokens_details"]["cached_tokens"], &usage["output_tokens_details"]["reasoning_tokens"]);
        (input, usage["output_tokens"].as_u64().unwrap(), cached.as_u64(), reasoning.as_u64())
    });
    said.finish = match (response["status"].as_str(), response["incomplete_details"]["reason"].as_str()) {
        (Some("completed"), _) if !said.calls.is_empty() => Some(FinishReason::ToolCalls),
        (Some("completed"), _) => Some(FinishReason::Stop),
        (Some("incomplete"), Some("content_filter")) => Some(FinishReason::ContentFilter),
        (Some("incomplete"), _) => Some(FinishReason::Length),
        _ => None,
    };
    said
}

/// The JSON objects of an event stream of `data:` lines.
fn naive_events(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

fn counts(usage: &Usage) -> (u64, u64, Option<u64>, Option<u64>) {
    (usage.prompt_tokens(), usage.completion_tokens(), usage.cached_input_tokens, usage.reasoning_tokens)
}

fn cited(field: &str, value: &str, said: &mut Said) {
    if field.ends_with("annotations") {
        let list: Vec<Value> = serde_json::from_str(value).unwrap();
        let url = |c: &Value| c["url_citation"]["url"].as_str().or(c["url"].as_str()).unwrap_or_default().to_owned();
        said.citations.extend(list.iter().map(url));
    }
}

fn said_by_response(response: &ChatResponse) -> Said {
    let mut said = Said { usage: response.usage.as_ref().map(counts), ..Said::default() };
    let [choice] = response.choices.as_slice() else { panic!("an answer is one choice") };
    for part in &choice.parts {
        match part {
            Part::Text(text) => said.text.push_str(text),
            Part::Refusal(text) => said.refusal.push_str(text),
            Part::Reasoning(block) => said.reasoning.push((block.text.clone(), block.signature.clone())),
            Part::ToolCall(call) => said.calls.push((call.id.clone(), call.name.clone(), call.arguments.clone())),
            Part::Image(image) => said.pictures.push(format!("{:?}", image.source)),
            other => panic!("no recording holds {other:?}"),
        }
    }
    said.finish = choice.finish.as_ref().map(|finish| finish.reason);
    response.extras.iter().for_each(|extra| cited(&extra.field, extra.value.get(), &mut said));
    said
}

/// Reads canonical events, checking that starts, pieces and ends come in that order.
fn said_by_events(events: &[StreamEvent]) -> Said {
    let mut said = Said::default();
    let mut thought = None::<String>;
    let mut ended = Vec::new();
    for event in events {
        match event {
            StreamEvent::TextDelta { text, .. } => said.text.push_str(text),
            StreamEvent::RefusalDelta { text, .. } => said.refusal.push_str(text),
            StreamEvent::ReasoningDelta { text, .. } => thought.get_or_insert_default().push_str(text),
            StreamEvent::ReasoningEnd { signature, .. } => {
                said.reasoning.push((thought.take().unwrap_or_default(), signature.clone()));
            }
            StreamEvent::ToolCallStart { index, id, name, .. } => {
                assert_eq!(said.calls.len(), *index as usize, "counters start at 0 and leave no gap");
                assert!(!id.is_empty());
                said.calls.push((id.clone(), name.clone(), String::new()));
            }
            StreamEvent::ToolCallDelta { index, arguments, .. } => {
                assert!(!ended.contains(index));
                said.calls[*index as usize].2.push_str(arguments);
            }
            StreamEvent::CustomCallStart { index, id, name, .. } => {
                assert_eq!(said.calls.len(), *index as usize, "one counter for all calls");
                said.calls.push((id.clone(), name.clone(), String::new()));
            }
            StreamEvent::CustomCallDelta { index, input, .. } => said.calls[*index as usize].2.push_str(input),
            StreamEvent::ToolCallEnd { index, .. } => ended.push(*index),
            StreamEvent::Finish { finish, .. } => {
                assert_eq!(said.finish, None, "an answer ends once");
                said.finish = Some(finish.reason);
            }
            StreamEvent::Usage(usage) => said.usage = Some(counts(usage)),
            StreamEvent::Extra(extra) => cited(&extra.field, extra.value.get(), &mut said),
            StreamEvent::Start { .. } | StreamEvent::Media { .. } => {}
        }
    }
    assert_eq!(ended.len(), said.calls.len(), "every call ends");
    assert_eq!(thought, None, "every thought ends");
    said
}

/// Everything that reading a stream gives.
#[derive(Default)]
struct Read {
    events: Vec<StreamEvent>,
    fault: Option<StreamFault>,
    complete: bool,
    seen: Observation,
}

fn read(body: &[u8]) -> Read {
    let mut frames = Decoder::new();
    let mut decoder = RESPONSES.stream_decoder();
    let mut read = Read::default();
    frames.push(body).unwrap();
    while let Some(frame) = frames.next_frame() {
        let decoded = decoder.frame(&frame, &mut read.events);
        let observed = RESPONSES.observe_event(&frame, &mut read.seen);
        assert_eq!(decoded.as_ref().err(), observed.as_ref().err(), "both readings fail alike");
        if let Err(fault) = decoded {
            read.fault = Some(fault);
            break;
        }
    }
    read.complete = decoder.complete();
    read
}

fn context() -> ReplyContext {
    ReplyContext {
        request_id: "req".to_owned(),
        model: "asked/model".to_owned(),
        now_secs: 1_700_000_000,
        include_usage: true,
        upstream: Some(RESPONSES),
        ..ReplyContext::default()
    }
}

#[test]
fn every_recorded_whole_answer_says_what_it_said() {
    for case in cases().iter().filter(|case| !case.streamed && case.status == 200) {
        let body: Value = serde_json::from_slice(&case.response).unwrap();
        let response = RESPONSES.decode_response(&case.response).unwrap();
        let seen = RESPONSES.observe_response(&case.response).unwrap();
        assert_eq!(said_by_response(&response), naive(&body), "{}", case.id);
        assert_eq!(seen.usage, response.usage, "{}", case.id);
        assert_eq!((&seen.id, &seen.model), (&response.id, &response.model), "{}", case.id);
        assert_eq!(seen.finish, response.choices[0].finish.as_ref().map(|finish| finish.reason), "{}", case.id);
        assert!(seen.done && RESPONSES.decode_error(&case.response).is_none(), "{}", case.id);
    }
}

#[test]
fn every_recorded_stream_says_what_its_last_event_says() {
    for case in cases().iter().filter(|case| case.streamed) {
        let events = naive_events(&case.response);
        let last =
            events.iter().find(|e| matches!(e["type"].as_str(), Some("response.completed" | "response.incomplete")));
        let read = read(&case.response);
        assert_eq!(read.complete, last.is_some(), "{}", case.id);
        assert_eq!(matches!(read.fault, Some(StreamFault::Provider(_))), case.has("in-stream-error"), "{}", case.id);
        let Some(last) = last else {
            assert!(case.has("in-stream-error") || case.has("stream-cut"), "{}", case.id);
            continue;
        };
        let mut expected = naive(&last["response"]);
        // What is encrypted is encrypted anew in every event; the done item's is the one to send back.
        let done = events.iter().filter(|e| e["type"] == "response.output_item.done");
        let sealed = done.filter_map(|e| e["item"]["encrypted_content"].as_str().map(str::to_owned));
        for (block, sealed) in expected.reasoning.iter_mut().filter(|block| block.1.is_some()).zip(sealed) {
            block.1 = Some(sealed);
        }
        let said = said_by_events(&read.events);
        assert_eq!(said, expected, "{}", case.id);
        assert_eq!(read.seen.usage.as_ref().map(counts), said.usage, "{}", case.id);
        assert_eq!(read.seen.finish, said.finish, "{}", case.id);
        assert_eq!(read.seen.id.as_deref(), last["response"]["id"].as_str(), "{}", case.id);
    }
}

#[test]
fn a_recorded_stream_that_is_cut_anywhere_is_incomplete_until_its_last_event() {
    for case in cases().iter().filter(|case| case.streamed) {
        let text = std::str::from_utf8(&case.response).unwrap();
        let end = text.rfind("\"response.completed\"").unwrap_or(text.len() - 1);
        let mut cut = end;
        while cut > 0 {
            assert!(!read(&case.response[..cut]).complete, "{} cut at {cut}", case.id);
            cut /= 2;
        }
    }
}

#[test]
fn a_recorded_stream_means_the_same_at_any_split() {
    for case in cases().iter().filter(|case| case.streamed) {
        let whole = format!("{:?}", read(&case.response).events);
        for size in [1usize, 7, 64, 1021] {
            let (mut frames, mut decoder, mut events) = (Decoder::new(), RESPONSES.stream_decoder(), Vec::new());
            'stream: for piece in case.response.chunks(size) {
                frames.push(piece).unwrap();
                while let Some(frame) = frames.next_frame() {
                    if decoder.frame(&frame, &mut events).is_err() {
                        break 'stream;
                    }
                }
            }
            assert_eq!(format!("{events:?}"), whole, "{} in pieces of {size}", case.id);
        }
    }
}

#[test]
fn what_is_written_for_a_client_reads_back_as_what_was_received() {
    for case in cases().iter().filter(|case| case.status == 200) {
        if case.streamed {
            let first = read(&case.response);
            if !first.complete {
                continue;
            }
            let mut encoder = RESPONSES.stream_encoder(context());
            let (mut bytes, mut losses) = (Vec::new(), Vec::new());
            first.events.iter().for_each(|event| encoder.event(event, &mut bytes, &mut losses));
            encoder.end(&Tail::default(), &mut bytes);
            let again = read(&bytes);
            assert_eq!(again.fault, None, "{}", case.id);
            assert!(again.complete, "{}", case.id);
            assert_eq!(said_by_events(&again.events), said_by_events(&first.events), "{}", case.id);
            let events = naive_events(&bytes);
            let said = naive(&events.last().unwrap()["response"]);
            assert_eq!(said, said_by_events(&first.events), "{}: the last event holds all of it", case.id);
        } else {
            let first = RESPONSES.decode_response(&case.response).unwrap();
            let body = RESPONSES.encode_response(&first, &context(), &Tail::default()).body;
            let again = RESPONSES.decode_response(&body).unwrap();
            assert_eq!(said_by_response(&again), said_by_response(&first), "{}", case.id);
            assert_eq!((again.model, again.created), (first.model, first.created), "{}", case.id);
        }
    }
}

#[test]
fn every_recorded_error_is_read_wherever_it_stands() {
    for case in cases() {
        if case.status >= 400 {
            let report = RESPONSES.decode_error(&case.response).unwrap_or_else(|| panic!("{} is an error", case.id));
            let body: Value = serde_json::from_slice(&case.response).unwrap();
            assert_eq!(report.message, body["error"]["message"].as_str().unwrap(), "{}", case.id);
            assert_eq!(report.code.as_deref(), body["error"]["code"].as_str(), "{}", case.id);
        } else if case.has("in-stream-error") {
            let events = naive_events(&case.response);
            let told = events.iter().find(|event| event["type"] == "error").unwrap();
            let Some(StreamFault::Provider(report)) = read(&case.response).fault else { panic!("{}", case.id) };
            assert_eq!(report.code.as_deref(), told["error"]["code"].as_str().or(told["code"].as_str()), "{}", case.id);
            let failed = events.iter().find(|event| event["type"] == "response.failed").unwrap();
            let error = &failed["response"]["error"];
            let body = serde_json::to_vec(failed).unwrap();
            let again = RESPONSES.decode_error(&body).unwrap();
            assert_eq!(again.code.as_deref(), error["code"].as_str(), "{}", case.id);
            assert_eq!(again.message, error["message"].as_str().unwrap(), "{}", case.id);
        }
    }
}

fn target(provider: &'static str) -> Target<'static> {
    Target { provider, model: "m", traits: ModelTraits::PERMISSIVE, max_output_tokens: Some(4096) }
}

#[test]
fn every_recorded_request_is_read_and_written_again() {
    for case in &cases() {
        let view = RESPONSES.view(&case.request).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let body: Value = serde_json::from_slice(&case.request).unwrap();
        assert_eq!(view.model, body["model"].as_str().unwrap(), "{}", case.id);
        assert_eq!(view.stream, body["stream"].as_bool().unwrap_or(false), "{}", case.id);
        let tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        assert_eq!(view.needs.tools, tools, "{}", case.id);
        let request = RESPONSES.decode_request(&case.request).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let written = RESPONSES.encode_request(&request, &target("xai"));
        let again = RESPONSES.decode_request(&written.body).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        assert_eq!(facts(&again), facts(&request), "{}", case.id);
        assert_eq!(again.tools.len(), request.tools.len(), "{}", case.id);
    }
}

/// What a request says, to compare.
fn facts(request: &ChatRequest) -> String {
    let turns: Vec<String> = request.turns.iter().map(|turn| format!("{:?} {:?}", turn.role, turn.parts)).collect();
    format!(
        "{turns:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        request.tool_choice.as_ref().filter(|_| !request.tools.is_empty()),
        request.max_output_tokens,
        request.temperature,
        request.top_p,
        request.logprobs,
        request.reasoning
    )
}

#[test]
fn every_recorded_request_goes_to_every_other_dialect_or_is_refused_by_name() {
    for case in &cases() {
        let body: Value = serde_json::from_slice(&case.request).unwrap();
        let request = RESPONSES.decode_request(&case.request).unwrap();
        for (dialect, provider) in
            [(Dialect::OpenAiChat, "openai"), (Dialect::AnthropicMessages, "anthropic"), (Dialect::Gemini, "gemini")]
        {
            let encoded = dialect.encode_request(&request, &target(provider));
            let again = dialect.decode_request(&encoded.body);
            assert!(again.is_ok(), "{} to {provider}: {again:?}", case.id);
            let hosted = body["tools"].as_array().into_iter().flatten().any(|tool| tool["type"] != "function");
            if hosted {
                let named = |loss: &signalbox::dialect::canonical::Loss| loss.field.starts_with("tools[");
                assert!(encoded.losses.iter().any(named), "{} to {provider}: hosted tools are refused", case.id);
            }
        }
    }
}

#[test]
fn every_recorded_answer_reaches_every_other_dialect_whole() {
    for case in
        cases().iter().filter(|case| case.status == 200 && !case.has("in-stream-error") && !case.has("stream-cut"))
    {
        for client in [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini] {
            let context = ReplyContext { include_usage: true, ..context() };
            let (again, expected) = if case.streamed {
                let first = read(&case.response);
                let mut encoder = client.stream_encoder(context);
                let (mut bytes, mut losses) = (Vec::new(), Vec::new());
                first.events.iter().for_each(|event| encoder.event(event, &mut bytes, &mut losses));
                encoder.end(&Tail::default(), &mut bytes);
                let (mut frames, mut decoder, mut events) = (Decoder::new(), client.stream_decoder(), Vec::new());
                frames.push(&bytes).unwrap();
                while let Some(frame) = frames.next_frame() {
                    decoder.frame(&frame, &mut events).unwrap();
                }
                (said_by_events(&events), said_by_events(&first.events))
            } else {
                let first = RESPONSES.decode_response(&case.response).unwrap();
                let body = client.encode_response(&first, &context, &Tail::default()).body;
                (said_by_response(&client.decode_response(&body).unwrap()), said_by_response(&first))
            };
            assert_eq!(again.text, expected.text, "{} to {client:?}", case.id);
            assert_eq!(again.calls.len(), expected.calls.len(), "{} to {client:?}", case.id);
            for (ours, theirs) in again.calls.iter().zip(&expected.calls) {
                let value = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
                assert_eq!(ours.1, theirs.1, "{} to {client:?}", case.id);
                assert_eq!(value(&ours.2), value(&theirs.2), "{} to {client:?}", case.id);
            }
            assert_eq!(again.finish, expected.finish, "{} to {client:?}", case.id);
            let usage = |said: &Said| said.usage.map(|(input, output, ..)| (input, output));
            assert_eq!(usage(&again), usage(&expected), "{} to {client:?}", case.id);
        }
    }
}

#[test]
fn the_cost_goes_into_a_recorded_answer_and_every_other_byte_stays() {
    use signalbox::dialect::openai_responses::native::{add_cost, add_cost_to_event};
    for case in cases().iter().filter(|case| case.status == 200) {
        if !case.streamed {
            let priced = add_cost(&case.response, Some("0.00012"), None);
            check_priced(&case.id, &case.response, &priced);
            assert_eq!(serde_json::from_slice::<Value>(&priced).unwrap()["usage"]["cost"], 0.00012, "{}", case.id);
            continue;
        }
        let mut frames = Decoder::new();
        frames.push(&case.response).unwrap();
        let mut seen = Observation::default();
        while let Some(frame) = frames.next_frame() {
            if let Ok(mark) = RESPONSES.observe_event(&frame, &mut seen) {
                if mark.terminal && mark.usage {
                    let priced = add_cost_to_event(&frame, Some("0.00012"), None);
                    check_priced(&case.id, frame.raw, &priced);
                    assert_eq!(naive_events(&priced)[0]["response"]["usage"]["cost"], 0.00012, "{}", case.id);
                }
            }
        }
    }
}

/// The priced text is the original with one insertion or one replaced value.
fn check_priced(id: &str, original: &[u8], priced: &[u8]) {
    let same_head = original.iter().zip(priced).take_while(|(a, b)| a == b).count();
    let same_tail = original.iter().rev().zip(priced.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = same_tail.min(original.len() - same_head);
    let replaced = &original[same_head..original.len() - tail];
    assert!(replaced.len() < 128 && !replaced.contains(&b'}'), "{id}");
}
