//! The traps of other gateways (docs/traps.md lists where each of the forty is tested): those about framing, usage and
//! translation, each under its number, and the check that the list tells the truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

use std::path::Path;

use serde_json::{json, Value};
use signalbox::dialect::canonical::{Disposition, Usage};
use signalbox::dialect::{Dialect, Encoded, ModelTraits, ReplyContext, Tail, Target};
use signalbox::stream::relay::Relay;

const CHAT: Dialect = Dialect::OpenAiChat;
const MESSAGES: Dialect = Dialect::AnthropicMessages;
const GEMINI: Dialect = Dialect::Gemini;
const RESPONSES: Dialect = Dialect::OpenAiResponses;
const ALL: [Dialect; 4] = [CHAT, MESSAGES, GEMINI, RESPONSES];

fn context() -> ReplyContext {
    ReplyContext { request_id: "req".into(), model: "m".into(), include_usage: true, ..ReplyContext::default() }
}

/// What a client has after these pieces, and the usage so far; concluded where the answer is whole.
fn relayed(from: Dialect, to: Dialect, pieces: &[&[u8]]) -> (String, Option<Usage>) {
    let context = ReplyContext { upstream: Some(from), ..context() };
    let mut relay = if from == to { Relay::whole_events(from, context) } else { Relay::translated(from, to, context) };
    let mut out = Vec::new();
    for piece in pieces {
        relay.push(piece, &mut out).unwrap();
    }
    let usage = relay.observation().usage;
    if relay.complete() {
        relay.conclude(&Tail { usage, ..Tail::default() }, &mut out);
    }
    (String::from_utf8(out).expect("whole characters"), usage)
}

fn chat(delta: &Value, finish: Option<&str>) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    )
}

fn gemini(parts: &Value, more: &Value) -> String {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("data: {}\r\n\r\n", json!({"candidates": [candidate], "responseId": "r", "modelVersion": "m"}))
}

fn named(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap())
}

/// A stream of each dialect that says a text in one event, up to that event and from there on.
fn saying(text: &str) -> [(Dialect, String, String); 4] {
    let message = json!({"id": "msg_1", "content": [], "usage": {"input_tokens": 1, "output_tokens": 0}});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
    let whole = |status: &str| json!({"id": "resp_1", "model": "m", "status": status, "output": []});
    let item = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": []});
    let of = |events: &[Value]| events.iter().map(named).collect::<String>();
    [
        (CHAT, chat(&json!({"content": text}), None), chat(&json!({}), Some("stop")) + "data: [DONE]\n\n"),
        (GEMINI, gemini(&json!([{"text": text}]), &json!({})), gemini(&json!([]), &json!({"finishReason": "STOP"}))),
        (
            MESSAGES,
            of(&[
                json!({"type": "message_start", "message": message}),
                block,
                json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            ]),
            of(&[
                json!({"type": "content_block_stop", "index": 0}),
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
                json!({"type": "message_stop"}),
            ]),
        ),
        (
            RESPONSES,
            of(&[
                json!({"type": "response.created", "response": whole("in_progress")}),
                json!({"type": "response.output_item.added", "output_index": 0, "item": item}),
                json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "msg_1", "delta": text}),
            ]),
            of(&[json!({"type": "response.completed", "response": whole("completed")})]),
        ),
    ]
}

/// The data of a client's events as values.
fn events(body: &str) -> Vec<Value> {
    body.replace("\r\n", "\n")
        .split("\n\n")
        .filter_map(|b| b.lines().find_map(|l| l.strip_prefix("data: ")))
        .filter_map(|d| serde_json::from_str(d).ok())
        .collect()
}

#[test]
fn trap_01_an_emoji_split_over_two_reads_arrives_whole() {
    for (from, said, end) in saying("a👩‍🚀b") {
        let input = said + &end;
        for to in ALL {
            for cut in 0..input.len() {
                let (head, tail) = input.as_bytes().split_at(cut);
                let (body, _) = relayed(from, to, &[head, tail]);
                assert!(body.contains("a👩‍🚀b"), "{} to {} cut at {cut}", from.name(), to.name());
            }
        }
    }
}

#[test]
fn trap_02_a_gemini_event_with_crlf_is_delivered_before_the_stream_ends() {
    let first = gemini(&json!([{"text": "now"}]), &json!({}));
    for to in ALL {
        assert!(relayed(GEMINI, to, &[first.as_bytes()]).0.contains("now"), "{}", to.name());
    }
}

#[test]
fn trap_03_a_line_separator_inside_json_ends_no_line() {
    for (from, said, end) in saying("a\u{2028}\u{2029}\u{85}b") {
        for to in ALL {
            let (body, _) = relayed(from, to, &[said.as_bytes(), end.as_bytes()]);
            let text =
                events(&body).iter().find_map(|event| Some(event.to_string()).filter(|e| e.contains("a\u{2028}")));
            assert!(text.unwrap().contains("a\u{2028}\u{2029}\u{85}b"), "{} to {}", from.name(), to.name());
        }
    }
}

#[test]
fn trap_04_an_event_cut_inside_a_signature_is_passed_on_as_one() {
    let input = gemini(&json!([{"text": "x", "thoughtSignature": "QUJDREVG"}]), &json!({"finishReason": "STOP"}));
    let middle = input.find("JDRE").unwrap();
    let (head, tail) = input.as_bytes().split_at(middle);
    assert_eq!(relayed(GEMINI, GEMINI, &[head]).0, "", "half an event is no event");
    assert_eq!(relayed(GEMINI, GEMINI, &[head, tail]).0, input);
}

#[test]
fn trap_06_blank_lines_before_a_whole_body_are_no_fault() {
    let body = format!(
        "\n\n\n{}",
        json!({"id": "c", "choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]})
    );
    assert!(CHAT.decode_response(body.as_bytes()).is_ok() && CHAT.observe_response(body.as_bytes()).is_ok());
}

#[test]
fn trap_07_a_stream_that_ends_without_its_terminator_gets_none() {
    for (from, said, _) in saying("half") {
        for to in ALL {
            let (body, _) = relayed(from, to, &[said.as_bytes()]);
            assert!(body.contains("half"), "{} to {}: {body}", from.name(), to.name());
            for end in ["[DONE]", "message_stop", "finishReason\"", "\"stop\"", "\"completed\""] {
                assert!(!body.contains(end), "{} to {}: {body}", from.name(), to.name());
            }
        }
    }
}

#[test]
fn trap_19_cache_writes_are_prompt_tokens_once() {
    let answer = json!({"id": "msg_1", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage":
        {"input_tokens": 3, "cache_creation_input_tokens": 12304, "cache_read_input_tokens": 0, "output_tokens": 550}});
    let answer = MESSAGES.decode_response(answer.to_string().as_bytes()).unwrap();
    let usage = |to: Dialect| -> Value {
        serde_json::from_slice(&to.encode_response(&answer, &context(), &Tail::default()).body).unwrap()
    };
    let of_responses = &usage(RESPONSES)["usage"];
    assert_eq!((&of_responses["input_tokens"], &of_responses["total_tokens"]), (&json!(12307), &json!(12857)));
    assert_eq!(usage(GEMINI)["usageMetadata"]["promptTokenCount"], 12307);
    let told = usage(CHAT);
    assert_eq!((&told["usage"]["prompt_tokens"], &told["usage"]["completion_tokens"]), (&json!(12307), &json!(550)));
    let details = &told["usage"]["prompt_tokens_details"];
    assert_eq!((&details["cached_tokens"], &details["cache_write_tokens"]), (&json!(0), &json!(12304)));
}

#[test]
fn trap_20_counts_that_are_said_twice_are_counted_once_and_streams_count_like_whole_answers() {
    let usage = json!({"input_tokens": 27, "output_tokens": 9});
    let event = |value: Value| format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap());
    let stream = [
        event(json!({"type": "message_start", "message": {"id": "msg_1", "content": [], "usage": {"input_tokens": 27, "output_tokens": 1}}})),
        event(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "x"}})),
        event(json!({"type": "content_block_stop", "index": 0})),
        event(json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage})),
        event(json!({"type": "message_stop"})),
    ]
    .concat();
    let whole =
        json!({"id": "msg_1", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": usage});
    let whole = MESSAGES.decode_response(whole.to_string().as_bytes()).unwrap().usage;
    for to in ALL {
        let (body, counted) = relayed(MESSAGES, to, &[stream.as_bytes()]);
        assert_eq!(counted, whole, "{}", to.name());
        assert!(!body.contains("54"), "{}: {body}", to.name());
    }
    assert_eq!(whole.unwrap().prompt_tokens(), 27);
}

#[test]
fn trap_21_thoughts_are_completion_tokens_and_cached_ones_prompt_tokens() {
    let answer = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], "usageMetadata":
        {"promptTokenCount": 100, "cachedContentTokenCount": 40, "candidatesTokenCount": 10, "thoughtsTokenCount": 30}});
    let answer = GEMINI.decode_response(answer.to_string().as_bytes()).unwrap();
    let told = |to: Dialect| -> Value {
        serde_json::from_slice(&to.encode_response(&answer, &context(), &Tail::default()).body).unwrap()
    };
    let (responses, chat) = (told(RESPONSES), told(CHAT));
    let usage = &responses["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(100), &json!(40)));
    assert_eq!(usage["input_tokens_details"]["cached_tokens"], 40);
    assert_eq!(usage["output_tokens_details"]["reasoning_tokens"], 30);
    let usage = &chat["usage"];
    assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(100), &json!(40)));
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 40);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 30);
}

#[test]
fn trap_22_usage_is_counted_once_wherever_it_stands_and_its_chunk_is_kept() {
    let counts = json!({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7});
    let last = |more: Value| {
        let mut chunk =
            json!({"id": "c", "choices": [{"index": 0, "delta": {"content": "end"}, "finish_reason": "stop"}]});
        chunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        format!("data: {chunk}\n\n")
    };
    let alone = format!("data: {}\n\n", json!({"id": "c", "choices": [], "usage": counts}));
    for input in [last(json!({"usage": counts})), last(json!({"x_groq": {"usage": counts}})), last(json!({})) + &alone]
    {
        for to in ALL {
            let (body, counted) = relayed(CHAT, to, &[input.as_bytes(), b"data: [DONE]\n\n"]);
            let counted = counted.unwrap();
            assert_eq!((counted.prompt_tokens(), counted.completion_tokens()), (5, 2));
            // Responses repeats what it has said.
            let said = if to == RESPONSES { "\"delta\":\"end\"" } else { "\"end\"" };
            assert_eq!(body.matches(said).count(), 1, "{}: {body}", to.name());
        }
    }
}

#[test]
fn trap_23_parallel_calls_of_one_tool_become_calls_of_their_own() {
    let call = |n: u32, more: Value| gemini(&json!([{"functionCall": {"name": "f", "args": {"n": n}}}]), &more);
    let input = call(1, json!({})) + &call(2, json!({})) + &call(3, json!({"finishReason": "STOP"}));
    let (body, _) = relayed(GEMINI, CHAT, &[input.as_bytes()]);
    let fragments: Vec<Value> = events(&body)
        .iter()
        .filter_map(|e| e["choices"][0]["delta"]["tool_calls"][0].as_object().cloned())
        .map(Value::Object)
        .collect();
    let mut ids: Vec<&str> = fragments.iter().filter_map(|f| f["id"].as_str()).collect();
    assert_eq!(ids.len(), 3);
    ids.dedup();
    assert_eq!(ids.len(), 3, "each has an id of its own");
    for index in 0..3 {
        let arguments: String = fragments
            .iter()
            .filter(|f| f["index"] == index)
            .filter_map(|f| f["function"]["arguments"].as_str())
            .collect();
        assert_eq!(arguments, format!("{{\"n\":{}}}", index + 1));
    }
    let (body, _) = relayed(GEMINI, RESPONSES, &[input.as_bytes()]);
    let last = events(&body).pop().unwrap();
    let calls: Vec<&Value> =
        last["response"]["output"].as_array().unwrap().iter().filter(|item| item["type"] == "function_call").collect();
    let mut ids: Vec<&str> = calls.iter().map(|call| call["call_id"].as_str().unwrap()).collect();
    ids.dedup();
    let arguments: Vec<&str> = calls.iter().map(|call| call["arguments"].as_str().unwrap()).collect();
    assert_eq!((ids.len(), arguments), (3, vec![r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":3}"#]));
    let (body, _) = relayed(GEMINI, MESSAGES, &[input.as_bytes()]);
    let begun = events(&body).into_iter().filter(|event| event["content_block"]["type"] == "tool_use");
    let mut ids: Vec<String> = begun.map(|event| event["content_block"]["id"].to_string()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn trap_26_a_call_without_arguments_is_a_call_with_none() {
    let input = gemini(&json!([{"functionCall": {"name": "f"}}]), &json!({"finishReason": "STOP"}));
    for (to, expected) in
        [(CHAT, r#""arguments":"{}""#), (MESSAGES, r#""name":"f","input":{}"#), (RESPONSES, r#""arguments":"{}""#)]
    {
        let (body, _) = relayed(GEMINI, to, &[input.as_bytes()]);
        assert!(body.contains(expected), "{}: {body}", to.name());
    }
}

fn asked(more: Value) -> Value {
    let mut request = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

fn written(request: &Value, to: Dialect, model: &str, traits: ModelTraits) -> Encoded {
    let request = CHAT.decode_request(request.to_string().as_bytes()).unwrap();
    let provider = if to == MESSAGES {
        "anthropic"
    } else if to == GEMINI {
        "gemini"
    } else {
        "openai"
    };
    to.encode_request(&request, &Target { provider, model, traits, max_output_tokens: Some(100) })
}

fn refuses(encoded: &Encoded, field: &str) -> bool {
    encoded.losses.iter().any(|loss| loss.disposition == Disposition::Unsupported && loss.field.contains(field))
}

#[test]
fn trap_33_a_temperature_that_a_model_rejects_is_refused_or_left_out_at_its_default() {
    let traits = ModelTraits { sampling: false, ..ModelTraits::PERMISSIVE };
    for (to, model) in [(MESSAGES, "claude-opus-4-8"), (RESPONSES, "gpt-5.1"), (CHAT, "gpt-5")] {
        let warm = written(&asked(json!({"temperature": 0.3})), to, model, traits);
        assert!(refuses(&warm, "temperature"), "{model}");
        for temperature in [json!({"temperature": 1.0}), json!({"temperature": 0.3})] {
            let encoded = written(&asked(temperature), to, model, traits);
            assert!(!String::from_utf8(encoded.body).unwrap().contains("temperature"), "it would be a 400");
            let told = encoded.losses.iter().any(|loss| loss.field == "temperature");
            assert!(told || to != MESSAGES, "and it does not vanish in silence");
        }
    }
    let older = written(&asked(json!({"temperature": 1.0})), MESSAGES, "claude-opus-4-6", ModelTraits::PERMISSIVE);
    assert!(String::from_utf8(older.body).unwrap().contains(r#""temperature":1"#), "a model that takes it gets it");
}

#[test]
fn trap_34_a_forced_call_is_refused_where_the_model_knows_none() {
    let traits = ModelTraits { forced_tools: false, ..ModelTraits::PERMISSIVE };
    for to in [MESSAGES, RESPONSES, CHAT] {
        let forced = written(&asked(json!({"tool_choice": "required"})), to, "any", traits);
        assert!(refuses(&forced, "tool_choice"), "{}: {:?}", to.name(), forced.losses);
    }
}

#[test]
fn trap_35_what_binds_the_answer_arrives_or_the_call_fails() {
    let one = asked(json!({"parallel_tool_calls": false}));
    let body = String::from_utf8(written(&one, MESSAGES, "m", ModelTraits::PERMISSIVE).body).unwrap();
    assert!(body.contains(r#""disable_parallel_tool_use":true"#), "{body}");
    let body = String::from_utf8(written(&one, RESPONSES, "m", ModelTraits::PERMISSIVE).body).unwrap();
    assert!(body.contains(r#""parallel_tool_calls":false"#), "{body}");
    // Gemini cannot be asked for it: what comes back is held to it (`tests/wishes.rs`).
    let told = written(&one, GEMINI, "gemini-3-pro", ModelTraits::PERMISSIVE).losses;
    assert!(told.iter().any(|l| l.field == "parallel_tool_calls" && l.disposition == Disposition::Converted));

    let developer = json!({"model": "m", "messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"}]});
    for (to, place) in [(MESSAGES, "system"), (GEMINI, "systemInstruction"), (RESPONSES, "input")] {
        let body: Value = serde_json::from_slice(&written(&developer, to, "m", ModelTraits::PERMISSIVE).body).unwrap();
        assert!(body[place].to_string().contains("be brief"), "{body}");
    }

    let schema = json!({"type": "object", "properties": {"a": {"const": "x"}}, "required": ["a"], "additionalProperties": false});
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": true, "schema": schema}}});
    for to in [MESSAGES, GEMINI, RESPONSES] {
        let encoded = written(&asked(format.clone()), to, "gemini-3-pro", ModelTraits::PERMISSIVE);
        let body = String::from_utf8(encoded.body.clone()).unwrap();
        let says_x = body.contains(r#""const":"x""#) || body.contains(r#""enum":["x"]"#);
        assert!(says_x || refuses(&encoded, "response_format"), "{}: {body}", to.name());
    }
}

#[test]
fn trap_36_stop_sequences_have_each_targets_name() {
    let request = asked(json!({"stop": ["END", "###"]}));
    let body: Value = serde_json::from_slice(&written(&request, MESSAGES, "m", ModelTraits::PERMISSIVE).body).unwrap();
    assert_eq!(body["stop_sequences"], json!(["END", "###"]));
    let body: Value = serde_json::from_slice(&written(&request, GEMINI, "m", ModelTraits::PERMISSIVE).body).unwrap();
    assert_eq!(body["generationConfig"]["stopSequences"], json!(["END", "###"]));
    // Responses has no name for them.
    assert!(refuses(&written(&request, RESPONSES, "m", ModelTraits::PERMISSIVE), "stop"));
}

/// docs/traps.md names every test that it claims, and claims one for every trap or says what is missing.
#[test]
fn the_list_of_traps_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = std::fs::read_to_string(root.join("docs/traps.md")).unwrap();
    let mut numbers = Vec::new();
    let mut open = 0;
    for row in list.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| #")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [number, promise, place] = cells.as_slice() else { panic!("three cells: {row}") };
        numbers.push(number.parse::<u32>().expect(row));
        assert!(promise.len() > 20, "{row}");
        let named: Vec<&str> = place.split('`').skip(1).step_by(2).collect();
        open += usize::from(place.contains("not built"));
        assert!(!named.is_empty() || place.contains("not built"), "a test, or what is missing: {row}");
        for test in named {
            let (file, name) = test.split_once("::").expect(row);
            let text = std::fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("no such file: {row}"));
            assert!(text.contains(&format!("fn {name}(")), "no such test in {file}: {name}");
        }
    }
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>(), "every trap once, in order");
    println!("{open} of 40 traps concern what is not built yet");
}
