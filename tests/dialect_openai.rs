//! Recorded traffic of OpenAI and its imitators through the Chat Completions dialect. What an answer must decode to is read
//! from the recording by a second, naive walk over JSON values. Recordings are read in place (`SIGNALBOX_FIXTURES`, else
//! `../shared/fixtures`); without the folder these tests say so and pass. The promises themselves are tested beside the
//! code on texts of our own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // test helpers

mod support;

use std::collections::BTreeMap;

use serde_json::Value;
use signalbox::dialect::canonical::{ChatResponse, FinishReason, Part, StreamEvent, Usage};
use signalbox::dialect::{Dialect, Encoded, ModelTraits, Observation, ReplyContext, Seen, StreamFault, Tail, Target};
use signalbox::sse::Decoder;
use support::recordings::{self, Case};

const CHAT: Dialect = Dialect::OpenAiChat;

fn cases(endpoint: impl Fn(&str) -> bool) -> Vec<Case> {
    recordings::cases(&["openai-chat", "openai-compatible", "deepseek", "mistral", "qwen"], endpoint)
}

fn chats() -> Vec<Case> {
    cases(|endpoint| endpoint == "chat")
}

/// What an answer says, from whichever side it is read.
#[derive(Debug, Default, PartialEq)]
struct Said {
    choices: BTreeMap<u64, ChoiceSaid>,
    /// prompt, completion, cached, reasoning tokens
    usage: Option<(u64, u64, Option<u64>, Option<u64>)>,
}

#[derive(Debug, Default, PartialEq)]
struct ChoiceSaid {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<(String, String)>,
    finish: Option<String>,
}

/// The naive reading: JSON values, fields by name.
#[derive(Default)]
struct Naive {
    said: Said,
    indexes: BTreeMap<u64, Vec<i64>>,
    error: bool,
}

impl Naive {
    fn object(&mut self, chunk: &Value) {
        self.error |= chunk.get("error").is_some_and(|error| !error.is_null());
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            let at = choice["index"].as_u64().unwrap();
            let said = self.said.choices.entry(at).or_default();
            let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            match &message["content"] {
                Value::String(text) => said.text.push_str(text),
                Value::Array(pieces) => {
                    for piece in pieces {
                        said.text.push_str(piece["text"].as_str().unwrap_or_default());
                        for thought in piece["thinking"].as_array().into_iter().flatten() {
                            said.reasoning.push_str(thought["text"].as_str().unwrap_or_default());
                        }
                    }
                }
                _ => {}
            }
            said.refusal.push_str(message["refusal"].as_str().unwrap_or_default());
            let details: String = message["reasoning_details"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|d| d["text"].as_str().or(d["summary"].as_str()).unwrap_or_default())
                .collect();
            let named = message["reasoning_content"].as_str().or(message["reasoning"].as_str());
            said.reasoning.push_str(named.filter(|text| !text.is_empty()).unwrap_or(&details));
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let known = self.indexes.entry(at).or_default();
                let index = call["index"].as_i64().unwrap_or(-1 - known.len() as i64);
                let place = known.iter().position(|i| *i == index).unwrap_or_else(|| {
                    known.push(index);
                    said.calls.push(Default::default());
                    known.len() - 1
                });
                said.calls[place].0.push_str(call["function"]["name"].as_str().unwrap_or_default());
                said.calls[place].1.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
            if let (None, Some(reason)) = (&said.finish, choice["finish_reason"].as_str()) {
                said.finish = Some(reason.to_owned());
            }
        }
        let usage = if chunk["usage"].is_object() { &chunk["usage"] } else { &chunk["x_groq"]["usage"] };
        if let Some(prompt) = usage["prompt_tokens"].as_u64() {
            let cached = usage["prompt_tokens_details"]["cached_tokens"]
                .as_u64()
                .or(usage["num_cached_tokens"].as_u64())
                .or(usage["cache_read_input_tokens"].as_u64());
            let completion = usage["completion_tokens"].as_u64().unwrap();
            let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().map(|r| r.min(completion));
            self.said.usage = Some((prompt, completion, cached, reasoning));
        }
    }

    fn done(mut self) -> Said {
        for choice in self.said.choices.values_mut() {
            for (_, arguments) in &mut choice.calls {
                if arguments.is_empty() {
                    arguments.push_str("{}");
                }
            }
        }
        self.said
    }
}

/// The JSON objects of an event stream of `data:` lines.
fn naive_events(body: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(body).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

fn naive_answer(body: &[u8], streamed: bool) -> Naive {
    let mut naive = Naive::default();
    if streamed {
        naive_events(body).iter().for_each(|event| naive.object(event));
    } else {
        naive.object(&serde_json::from_slice(body).unwrap());
    }
    naive
}

fn counts(usage: &Usage) -> (u64, u64, Option<u64>, Option<u64>) {
    (usage.prompt_tokens(), usage.completion_tokens(), usage.cached_input_tokens, usage.reasoning_tokens)
}

fn said_by_response(response: &ChatResponse) -> Said {
    let mut said = Said { usage: response.usage.as_ref().map(counts), ..Said::default() };
    for choice in &response.choices {
        let entry = said.choices.entry(u64::from(choice.index)).or_default();
        for part in &choice.parts {
            match part {
                Part::Text(text) => entry.text.push_str(text),
                Part::Reasoning(block) => entry.reasoning.push_str(&block.text),
                Part::Refusal(text) => entry.refusal.push_str(text),
                Part::ToolCall(call) => {
                    assert!(!call.id.is_empty());
                    entry.calls.push((call.name.clone(), call.arguments.clone()));
                }
                other => panic!("no recording holds {other:?}"),
            }
        }
        entry.finish = choice.finish.as_ref().map(|finish| finish.raw.clone());
    }
    said
}

/// Reads canonical events, checking that each call's start, pieces and end come in that order.
fn said_by_events(events: &[StreamEvent]) -> Said {
    let mut said = Said::default();
    let mut ended: Vec<(u32, u32)> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for event in events {
        match event {
            StreamEvent::TextDelta { choice, text } => said.choice(*choice).text.push_str(text),
            StreamEvent::ReasoningDelta { choice, text } => said.choice(*choice).reasoning.push_str(text),
            StreamEvent::RefusalDelta { choice, text } => said.choice(*choice).refusal.push_str(text),
            StreamEvent::ToolCallStart { choice, index, id, name, .. } => {
                let calls = &mut said.choice(*choice).calls;
                assert_eq!(calls.len(), *index as usize, "counters start at 0 and leave no gap");
                calls.push((name.clone(), String::new()));
                assert!(!id.is_empty() && !ids.contains(id), "each call has an id of its own");
                ids.push(id.clone());
            }
            StreamEvent::ToolCallDelta { choice, index, arguments } => {
                assert!(!ended.contains(&(*choice, *index)));
                said.choice(*choice).calls[*index as usize].1.push_str(arguments);
            }
            StreamEvent::ToolCallEnd { choice, index } => ended.push((*choice, *index)),
            StreamEvent::Finish { choice, finish } => {
                let place = &mut said.choice(*choice).finish;
                assert_eq!(*place, None, "a choice ends once");
                *place = Some(finish.raw.clone());
            }
            StreamEvent::Usage(usage) => said.usage = Some(counts(usage)),
            StreamEvent::CustomCallStart { choice, name, .. } => {
                said.choice(*choice).calls.push((name.clone(), String::new()));
            }
            StreamEvent::CustomCallDelta { choice, index, input } => {
                said.choice(*choice).calls[*index as usize].1.push_str(input);
            }
            StreamEvent::Start { .. }
            | StreamEvent::ReasoningEnd { .. }
            | StreamEvent::Media { .. }
            | StreamEvent::Extra(_) => {}
        }
    }
    said
}

impl Said {
    fn choice(&mut self, index: u32) -> &mut ChoiceSaid {
        self.choices.entry(u64::from(index)).or_default()
    }
}

/// Everything that reading a stream gives.
#[derive(Default)]
struct Read {
    events: Vec<StreamEvent>,
    fault: Option<StreamFault>,
    complete: bool,
    seen: Observation,
    marks: Vec<Seen>,
}

fn read(body: &[u8]) -> Read {
    let mut frames = Decoder::new();
    let mut decoder = CHAT.stream_decoder();
    let mut read = Read::default();
    frames.push(body).unwrap();
    while let Some(frame) = frames.next_frame() {
        let decoded = decoder.frame(&frame, &mut read.events);
        let observed = CHAT.observe_event(&frame, &mut read.seen);
        assert_eq!(decoded.as_ref().err(), observed.as_ref().err(), "both readings fail alike");
        read.marks.extend(observed.ok());
        if let Err(fault) = decoded {
            read.fault = Some(fault);
            break;
        }
    }
    read.complete = decoder.complete();
    read
}

fn expected_reason(raw: &str, has_calls: bool) -> FinishReason {
    match raw {
        "stop" if has_calls => FinishReason::ToolCalls,
        "stop" => FinishReason::Stop,
        "length" => FinishReason::Length,
        "tool_calls" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        other => panic!("a finish reason that this test does not know: {other}"),
    }
}

#[test]
fn every_recorded_whole_answer_says_what_it_said() {
    for case in chats().iter().filter(|case| !case.streamed && case.status == 200) {
        let naive = naive_answer(&case.response, false);
        let decoded = CHAT.decode_response(&case.response);
        let observed = CHAT.observe_response(&case.response);
        if naive.error {
            assert!(matches!(decoded, Err(StreamFault::Provider(_))), "{}", case.id);
            assert!(matches!(observed, Err(StreamFault::Provider(_))), "{}", case.id);
            continue;
        }
        let (response, seen) = (decoded.unwrap(), observed.unwrap());
        let expected = naive.done();
        assert_eq!(said_by_response(&response), expected, "{}", case.id);
        for choice in &response.choices {
            let finish = choice.finish.as_ref().unwrap();
            let called = !expected.choices[&u64::from(choice.index)].calls.is_empty();
            assert_eq!(finish.reason, expected_reason(&finish.raw, called), "{}", case.id);
        }
        assert_eq!(seen.usage, response.usage, "{}", case.id);
        assert_eq!((&seen.id, &seen.model), (&response.id, &response.model), "{}", case.id);
        assert_eq!(seen.finish, response.choices[0].finish.as_ref().map(|finish| finish.reason), "{}", case.id);
        assert!(seen.done, "{}", case.id);
    }
}

#[test]
fn every_recorded_stream_says_what_it_said() {
    for case in chats().iter().filter(|case| case.streamed) {
        let naive = naive_answer(&case.response, true);
        let failed = naive.error;
        let read = read(&case.response);
        assert_eq!(matches!(read.fault, Some(StreamFault::Provider(_))), failed, "{}: {:?}", case.id, read.fault);
        let expected = naive.done();
        let mut said = said_by_events(&read.events);
        if failed {
            // Calls of a broken answer have no end and so no empty arguments.
            for (at, choice) in &expected.choices {
                assert_eq!(said.choice(*at as u32).text, choice.text, "{}", case.id);
                assert_eq!(said.choice(*at as u32).reasoning, choice.reasoning, "{}", case.id);
            }
        } else {
            assert!(read.complete, "{}", case.id);
            for (at, choice) in &expected.choices {
                said.choices.entry(*at).or_default();
                let finish = read.events.iter().find_map(|event| match event {
                    StreamEvent::Finish { choice, finish } if u64::from(*choice) == *at => Some(finish),
                    _ => None,
                });
                let reason = choice.finish.as_ref().map(|raw| expected_reason(raw, !choice.calls.is_empty()));
                assert_eq!(finish.map(|finish| finish.reason), reason, "{}", case.id);
            }
            assert_eq!(said, expected, "{}", case.id);
        }
        assert_eq!(read.seen.usage.as_ref().map(counts), said.usage, "{}", case.id);
    }
}

#[test]
fn a_recorded_stream_that_is_cut_anywhere_is_incomplete_until_its_last_finish() {
    for case in chats().iter().filter(|case| case.streamed && case.status == 200) {
        let text = std::str::from_utf8(&case.response).unwrap();
        let Some(end) = text.find("\"finish_reason\":\"").or_else(|| text.find("[DONE]")) else { continue };
        let mut cut = end;
        while cut > 0 {
            let read = read(&case.response[..cut]);
            assert!(!read.complete, "{} cut at {cut}", case.id);
            cut /= 2;
        }
    }
}

#[test]
fn a_recorded_streams_marks_agree_with_what_it_holds() {
    for case in chats().iter().filter(|case| case.streamed) {
        let read = read(&case.response);
        let content = read.marks.iter().filter(|mark| mark.content).count();
        let expected = naive_events(&case.response)
            .iter()
            .filter(|event| event.get("error").is_none())
            .filter(|event| {
                event["choices"].as_array().into_iter().flatten().any(|choice| {
                    let delta = &choice["delta"];
                    let says = |name: &str| match &delta[name] {
                        Value::String(text) => !text.is_empty(),
                        Value::Array(items) => !items.is_empty(),
                        _ => false,
                    };
                    choice["finish_reason"].is_string()
                        || ["content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "tool_calls"]
                            .iter()
                            .any(|name| says(name))
                })
            })
            .count();
        assert_eq!(content, expected, "{}", case.id);
        let usage_only = read.marks.iter().filter(|mark| mark.usage_only).count();
        assert!(usage_only <= 1, "{}", case.id);
        assert!(read.marks.iter().all(|mark| !(mark.usage_only && mark.content)), "{}", case.id);
    }
}

fn context(include_usage: bool) -> ReplyContext {
    ReplyContext {
        request_id: "req".to_owned(),
        model: "asked/model".to_owned(),
        now_secs: 1_700_000_000,
        include_usage,
        upstream: Some(CHAT),
        ..ReplyContext::default()
    }
}

#[test]
fn what_is_written_for_a_client_reads_back_as_what_was_received() {
    for case in chats().iter().filter(|case| case.status == 200) {
        if case.streamed {
            let first = read(&case.response);
            if first.fault.is_some() {
                continue;
            }
            let mut encoder = CHAT.stream_encoder(context(true));
            let (mut bytes, mut losses) = (Vec::new(), Vec::new());
            first.events.iter().for_each(|event| encoder.event(event, &mut bytes, &mut losses));
            encoder.end(&Tail::default(), &mut bytes);
            let again = read(&bytes);
            assert_eq!(again.fault, None, "{}", case.id);
            assert!(again.complete && again.seen.done, "{}", case.id);
            let (mut said, mut expected) = (said_by_events(&again.events), said_by_events(&first.events));
            for choice in said.choices.values_mut().chain(expected.choices.values_mut()) {
                // One recording never says why it ended; its copy says `stop`.
                choice.finish.get_or_insert_with(|| "stop".to_owned());
            }
            assert_eq!(said, expected, "{}", case.id);
            for event in naive_events(&bytes) {
                assert_eq!(event["object"], "chat.completion.chunk");
                assert!(event.get("usage").is_some(), "{}: usage is on every chunk once asked for", case.id);
            }
        } else if let Ok(first) = CHAT.decode_response(&case.response) {
            let Encoded { body, .. } = CHAT.encode_response(&first, &context(false), &Tail::default());
            let again = CHAT.decode_response(&body).unwrap();
            assert_eq!(said_by_response(&again), said_by_response(&first), "{}", case.id);
            assert_eq!((again.id, again.model, again.created), (first.id, first.model, first.created), "{}", case.id);
        }
    }
}

#[test]
fn every_recorded_error_is_read() {
    for case in cases(|_| true).iter().filter(|case| case.status >= 400) {
        let report = CHAT.decode_error(&case.response).unwrap_or_else(|| panic!("{} is an error", case.id));
        let body: Value = serde_json::from_slice(&case.response).unwrap();
        let error = if body["error"].is_object() { &body["error"] } else { &body };
        let message = error["message"].as_str().or(body["error"].as_str()).unwrap();
        assert_eq!(report.message, message, "{}", case.id);
        let code = match &error["code"] {
            Value::String(code) => Some(code.clone()),
            Value::Number(code) => Some(code.to_string()),
            _ => None,
        };
        assert_eq!(report.code, code, "{}", case.id);
    }
    for case in
        cases(|_| true).iter().filter(|case| case.status == 200 && !case.streamed && !case.has("error-body-200"))
    {
        assert_eq!(CHAT.decode_error(&case.response), None, "{} is no error", case.id);
    }
}

#[test]
fn every_recorded_request_is_read_and_written_again() {
    for case in &chats() {
        let view = CHAT.view(&case.request).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        let body: Value = serde_json::from_slice(&case.request).unwrap();
        assert_eq!(view.model, body["model"].as_str().unwrap(), "{}", case.id);
        assert_eq!(view.stream, body["stream"].as_bool().unwrap_or(false), "{}", case.id);
        let tools = body["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        assert_eq!(view.needs.tools, tools, "{}", case.id);
        let speaks = |role: &Value| matches!(role.as_str(), Some("user" | "assistant" | "tool"));
        let turns = body["messages"].as_array().unwrap().iter().filter(|message| speaks(&message["role"])).count();
        assert_eq!(view.turns as usize, turns, "{}", case.id);

        let request = CHAT.decode_request(&case.request).unwrap_or_else(|error| panic!("{}: {error}", case.id));
        assert_eq!(request.turns.len(), body["messages"].as_array().unwrap().len(), "{}", case.id);
        let target =
            Target { provider: "openrouter", model: "m", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
        let written = CHAT.encode_request(&request, &target);
        let again = CHAT.decode_request(&written.body).unwrap();
        assert_eq!(facts(&again), facts(&request), "{}", case.id);
        assert_eq!(again.tools.len(), request.tools.len(), "{}", case.id);
    }
}

/// What a request says, to compare.
fn facts(request: &signalbox::dialect::canonical::ChatRequest) -> String {
    let turns: Vec<String> = request.turns.iter().map(|turn| format!("{:?} {:?}", turn.role, turn.parts)).collect();
    format!(
        "{turns:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        request.tool_choice,
        request.max_output_tokens,
        request.temperature,
        request.top_p,
        request.stop,
        request.logprobs,
        request.reasoning,
        request.n
    )
}

#[test]
fn the_cost_goes_into_a_recorded_answer_and_every_other_byte_stays() {
    use signalbox::dialect::openai_chat::native::{add_cost, add_cost_to_event};
    for case in chats().iter().filter(|case| case.status == 200) {
        if !case.streamed {
            check_priced(&case.id, &case.response, &add_cost(&case.response, Some("0.00012"), None));
            continue;
        }
        let mut frames = Decoder::new();
        frames.push(&case.response).unwrap();
        let mut seen = Observation::default();
        while let Some(frame) = frames.next_frame() {
            let priced = add_cost_to_event(&frame, Some("0.00012"), None);
            match CHAT.observe_event(&frame, &mut seen) {
                Ok(mark) if mark.usage && naive_events(frame.raw)[0]["usage"].is_object() => {
                    check_priced(&case.id, frame.raw, &priced);
                    let value = &naive_events(&priced)[0];
                    assert_eq!(value["usage"]["cost"], 0.00012, "{}", case.id);
                }
                Ok(_) => assert_eq!(priced, frame.raw, "{}", case.id),
                Err(_) => {}
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
    // What a provider says of its own cost makes room for ours (OpenRouter, Perplexity); nothing else is touched.
    assert!(replaced.len() < 128 && !replaced.contains(&b'}') || replaced.starts_with(b"{"), "{id}");
    if replaced.is_empty() && priced != original {
        let inserted = std::str::from_utf8(&priced[same_head..priced.len() - tail]).unwrap();
        assert!(inserted.contains("0.00012") && inserted.contains("cost"), "{id}: {inserted}");
    }
}
