//! Providers that count too little, too much, or in an odd place. Of their counts what can be true is used, what is missing is
//! estimated and told as an estimate, and a client that asked for its usage gets it once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Certainty, Outcome, Row, Settled};
use signalbox::dialect::{Dialect, Observation};
use signalbox::gateway::Gateway;
use signalbox::sse;
use support::{post, recordings, serve, Fake, Script, START_MS};

/// Forty bytes: ten tokens, where nobody counts them.
const SAID: &str = "0123456789012345678901234567890123456789";

fn gateway() -> Rc<Gateway> {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "key-of-openai"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "key-of-anthropic"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "key-of-gemini"},
            "groq": {"base_url": "http://127.0.0.1:9/groq/v1", "api_key": "key-of-groq", "prices_of": "openai"}
        }
    });
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Words {
    Chat,
    Messages,
    Gemini,
    Responses,
}
use Words::{Chat, Gemini, Messages, Responses};

impl Words {
    fn ask(self, stream: bool) -> (&'static str, Value) {
        let messages = json!([{"role": "user", "content": "What is the time, please?"}]);
        match (self, stream) {
            (Chat, _) => {
                ("/v1/chat/completions", json!({"model": "openai/gpt-4o-mini", "stream": stream, "messages": messages}))
            }
            (Messages, _) => (
                "/v1/messages",
                json!({"model": "anthropic/claude-haiku-4-5", "max_tokens": 99, "stream": stream, "messages": messages}),
            ),
            (Responses, _) => (
                "/v1/responses",
                json!({"model": "openai/gpt-4o-mini", "stream": stream, "input": "What is the time, please?"}),
            ),
            (Gemini, true) => ("/v1beta/models/gemini/gemini-2.5-flash:streamGenerateContent?alt=sse", asked()),
            (Gemini, false) => ("/v1beta/models/gemini/gemini-2.5-flash:generateContent", asked()),
        }
    }

    /// An answer that says something, or nothing, and counts so.
    fn whole(self, said: &str, usage: &str) -> String {
        match self {
            Chat => format!(
                r#"{{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":"{said}"}},"finish_reason":"stop"}}],"usage":{usage}}}"#
            ),
            Messages => format!(
                r#"{{"id":"m","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"{said}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{usage}}}"#
            ),
            Gemini => format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{said}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{usage},"modelVersion":"m","responseId":"r"}}"#
            ),
            Responses => format!(
                r#"{{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"completed","output":[{{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{{"type":"output_text","text":"{said}","annotations":[]}}]}}],"usage":{usage}}}"#
            ),
        }
    }

    /// The same as a stream whose last event counts; Anthropic's first one does not.
    fn stream(self, said: &str, usage: &str) -> Vec<String> {
        let chunk = |rest: &str| {
            format!(
                "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",{rest}}}\n\n"
            )
        };
        let event = |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
        match self {
            Chat => vec![
                chunk(&format!(
                    r#""choices":[{{"index":0,"delta":{{"role":"assistant","content":"{said}"}},"finish_reason":null}}]"#
                )),
                chunk(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#),
                chunk(&format!(r#""choices":[],"usage":{usage}"#)),
                "data: [DONE]\n\n".to_owned(),
            ],
            Messages => vec![
                event(
                    "message_start",
                    r#","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null}"#,
                ),
                event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
                event("content_block_delta", &format!(r#","index":0,"delta":{{"type":"text_delta","text":"{said}"}}"#)),
                event("content_block_stop", r#","index":0"#),
                event(
                    "message_delta",
                    &format!(r#","delta":{{"stop_reason":"end_turn","stop_sequence":null}},"usage":{usage}"#),
                ),
                event("message_stop", ""),
            ],
            Gemini => vec![format!("data: {}\r\n\r\n", self.whole(said, usage))],
            Responses => vec![
                event(
                    "response.created",
                    r#","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"model":"m","status":"in_progress","output":[]}"#,
                ),
                event(
                    "response.output_text.delta",
                    &format!(
                        r#","sequence_number":1,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"{said}""#
                    ),
                ),
                event("response.completed", &format!(r#","sequence_number":2,"response":{}"#, self.whole(said, usage))),
            ],
        }
    }
}

fn asked() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "What is the time, please?"}]}]})
}

fn run(path: &str, body: &Value, scripts: Vec<Script>) -> Fake {
    let fake = Fake::new(scripts);
    serve(&fake, &gateway(), post(path, &body.to_string(), &[]));
    fake
}

fn settled(fake: &Fake) -> Vec<Settled> {
    let rows = fake.0.rows.borrow();
    let settles = rows.iter().filter_map(|(_, row)| match row {
        Row::Settle { settled, .. } => Some(settled.clone()),
        _ => None,
    });
    settles.collect()
}

/// What an answer is accounted as: prompt, completion, and how sure.
fn account(words: Words, stream: bool, said: &str, usage: &str) -> (u64, u64, Certainty) {
    let (path, body) = words.ask(stream);
    let script =
        if stream { Script::stream(words.stream(said, usage)) } else { Script::json(200, words.whole(said, usage)) };
    let fake = run(path, &body, vec![script]);
    assert_eq!(fake.status(), 200, "{words:?} {usage}");
    let Settled { usage, cost, outcome, .. } = settled(&fake).remove(0);
    assert_eq!(outcome, Outcome::Completed);
    (usage.prompt_tokens(), usage.completion_tokens(), cost.certainty())
}

#[test]
fn what_a_provider_leaves_out_is_estimated_and_what_it_counts_is_used() {
    /// Not counted by the provider.
    const OURS: Option<u64> = None;
    let exact = |input, output| (Some(input), Some(output), Certainty::Exact);
    let partly = |input, output| (input, output, Certainty::Estimated);
    for (words, said, usage, expected) in [
        (Chat, SAID, r#"{"prompt_tokens":100,"completion_tokens":5}"#, exact(100, 5)),
        (Chat, SAID, r#"{"completion_tokens":5}"#, partly(OURS, Some(5))),
        (Chat, SAID, r#"{"prompt_tokens":null,"completion_tokens":5}"#, partly(OURS, Some(5))),
        (Chat, SAID, r#"{"prompt_tokens":-10,"completion_tokens":5}"#, partly(OURS, Some(5))),
        (Chat, SAID, r#"{"prompt_tokens":1e30,"completion_tokens":5}"#, partly(OURS, Some(5))),
        (Chat, SAID, r#"{"prompt_tokens":4000000000000,"completion_tokens":5}"#, partly(OURS, Some(5))),
        (Chat, SAID, r#"{"prompt_tokens":"100","completion_tokens":"5"}"#, exact(100, 5)),
        (Chat, SAID, r#"{"prompt_tokens":100}"#, partly(Some(100), OURS)),
        (Chat, SAID, r#"{"prompt_tokens":100,"completion_tokens":-5}"#, partly(Some(100), OURS)),
        (Chat, SAID, r#"{"prompt_tokens":100,"total_tokens":105}"#, exact(100, 5)),
        (Chat, SAID, r#"{"completion_tokens":5,"total_tokens":105}"#, exact(100, 5)),
        (Chat, SAID, r#"{"prompt_tokens":100,"total_tokens":100}"#, partly(Some(100), OURS)),
        (Chat, SAID, r#"{"total_tokens":105}"#, partly(OURS, OURS)),
        (Chat, "", r#"{"prompt_tokens":100}"#, exact(100, 0)),
        (Messages, SAID, r#"{"input_tokens":100,"output_tokens":5}"#, exact(100, 5)),
        (Messages, SAID, r#"{"output_tokens":5}"#, partly(OURS, Some(5))),
        (Messages, SAID, r#"{"input_tokens":null,"output_tokens":5}"#, partly(OURS, Some(5))),
        (Messages, SAID, r#"{"input_tokens":-1,"output_tokens":5}"#, partly(OURS, Some(5))),
        (Messages, SAID, r#"{"input_tokens":1e30,"output_tokens":5}"#, partly(OURS, Some(5))),
        (Messages, SAID, r#"{"input_tokens":"100","output_tokens":"5"}"#, exact(100, 5)),
        (Messages, SAID, r#"{"input_tokens":100}"#, partly(Some(100), OURS)),
        (Messages, SAID, "{}", partly(OURS, OURS)),
        (Messages, "", r#"{"input_tokens":100}"#, exact(100, 0)),
        (Gemini, SAID, r#"{"promptTokenCount":100,"candidatesTokenCount":5,"totalTokenCount":105}"#, exact(100, 5)),
        (Gemini, SAID, r#"{"candidatesTokenCount":5}"#, partly(OURS, Some(5))),
        (Gemini, SAID, r#"{"promptTokenCount":-1,"candidatesTokenCount":5}"#, partly(OURS, Some(5))),
        (Gemini, SAID, r#"{"promptTokenCount":4000000000000,"candidatesTokenCount":5}"#, partly(OURS, Some(5))),
        (Gemini, SAID, r#"{"candidatesTokenCount":5,"totalTokenCount":105}"#, exact(100, 5)),
        (Gemini, SAID, r#"{"promptTokenCount":100,"totalTokenCount":105}"#, exact(100, 5)),
        (Gemini, SAID, r#"{"promptTokenCount":100,"thoughtsTokenCount":5,"totalTokenCount":105}"#, exact(100, 5)),
        (Gemini, SAID, r#"{"promptTokenCount":100}"#, partly(Some(100), OURS)),
        (Gemini, SAID, r#"{"totalTokenCount":105}"#, partly(OURS, OURS)),
        (Gemini, "", r#"{"promptTokenCount":100,"totalTokenCount":100}"#, exact(100, 0)),
        (Responses, SAID, r#"{"input_tokens":100,"output_tokens":5,"total_tokens":105}"#, exact(100, 5)),
        (Responses, SAID, r#"{"output_tokens":5}"#, partly(OURS, Some(5))),
        (Responses, SAID, r#"{"input_tokens":-10,"output_tokens":5}"#, partly(OURS, Some(5))),
        (Responses, SAID, r#"{"input_tokens":100}"#, partly(Some(100), OURS)),
    ] {
        for stream in [false, true] {
            let (input, output, _) = account(words, stream, said, "null");
            assert!(
                input > 0 && (output == 10 || said.is_empty()),
                "{words:?}: {input} and {output} without any counts"
            );
            let expected = (expected.0.unwrap_or(input), expected.1.unwrap_or(output), expected.2);
            assert_eq!(account(words, stream, said, usage), expected, "{words:?}, stream: {stream}, {said:?}, {usage}");
        }
    }
}

/// Real providers leave out what is nothing and do not repeat what they have said: all of it is counted.
#[test]
fn what_was_recorded_is_counted_whole() {
    for (name, dialect, bytes) in recordings::streams() {
        let (mut frames, mut seen) = (sse::Decoder::with_limit(usize::MAX), Observation::default());
        frames.push(&bytes).unwrap();
        while let Some(frame) = frames.next_frame() {
            let _ = dialect.observe_event(&frame, &mut seen);
        }
        assert!(!seen.done || seen.usage.is_none() || seen.is_counted(), "{name}: {seen:?}");
    }
    for (folder, dialect) in [
        ("openai-chat", Dialect::OpenAiChat),
        ("openai-compatible", Dialect::OpenAiChat),
        ("openai-responses", Dialect::OpenAiResponses),
        ("deepseek", Dialect::OpenAiChat),
        ("mistral", Dialect::OpenAiChat),
        ("qwen", Dialect::OpenAiChat),
        ("anthropic-messages", Dialect::AnthropicMessages),
        ("gemini", Dialect::Gemini),
    ] {
        for case in recordings::cases(&[folder], |_| true).iter().filter(|case| !case.streamed) {
            if let Ok(seen) = dialect.observe_response(&case.response) {
                assert!(seen.usage.is_none() || seen.is_counted(), "{}: {seen:?}", case.id);
            }
        }
    }
}

#[test]
fn what_a_stream_counts_piece_by_piece_is_put_together() {
    let start = |usage: &str| {
        format!("event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{usage}}}}}\n\n")
    };
    for (first, last, input, output, certainty) in [
        (r#"{"input_tokens":100,"output_tokens":1}"#, r#"{"output_tokens":5}"#, 100, 5, Certainty::Exact),
        (
            r#"{"input_tokens":0,"output_tokens":0}"#,
            r#"{"input_tokens":100,"output_tokens":5}"#,
            100,
            5,
            Certainty::Exact,
        ),
        (r#"{"input_tokens":100,"output_tokens":1}"#, r#"{"output_tokens":null}"#, 100, 10, Certainty::Estimated),
    ] {
        let mut events = Messages.stream(SAID, last);
        events[0] = start(first);
        // As it came, and in another dialect's words.
        for path in ["/v1/messages", "/v1/chat/completions"] {
            let (_, body) = Messages.ask(true);
            let fake = run(path, &body, vec![Script::stream(&events)]);
            let Settled { usage, cost, .. } = settled(&fake).remove(0);
            let told = (usage.prompt_tokens(), usage.completion_tokens(), cost.certainty());
            assert_eq!(told, (input, output, certainty), "{path}: {first} and {last}");
        }
    }
}

#[test]
fn vectors_are_counted_by_their_prompt_alone() {
    for (usage, certainty) in [
        (r#"{"prompt_tokens":8,"total_tokens":8}"#, Certainty::Exact),
        (r#"{"prompt_tokens":"8"}"#, Certainty::Exact),
        (r#"{"prompt_tokens":-8}"#, Certainty::Estimated),
        (r#"{"prompt_tokens":4000000000000}"#, Certainty::Estimated),
    ] {
        let answer = format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[0.1]}}],"model":"m","usage":{usage}}}"#
        );
        let asked = json!({"model": "openai/text-embedding-3-small", "input": "Hi"});
        let fake = run("/v1/embeddings", &asked, vec![Script::json(200, answer)]);
        assert_eq!(fake.status(), 200, "{usage}");
        assert_eq!(settled(&fake).remove(0).cost.certainty(), certainty, "{usage}");
    }
}

#[test]
fn a_translated_answer_tells_which_counts_are_an_estimate() {
    let (_, mut body) = Chat.ask(false);
    body["max_tokens"] = json!(99);
    for (usage, input, output, losses) in [
        (r#"{"prompt_tokens":100,"completion_tokens":5}"#, json!(100), json!(5), ""),
        (r#"{"prompt_tokens":100}"#, json!(100), json!(10), "usage:converted"),
    ] {
        let fake = run("/v1/messages", &body, vec![Script::json(200, Chat.whole(SAID, usage))]);
        let answer: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!((&answer["usage"]["input_tokens"], &answer["usage"]["output_tokens"]), (&input, &output), "{usage}");
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(losses), "{usage}");
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_estimated_like_any_other() {
    for stream in [false, true] {
        let (path, mut body) = Chat.ask(stream);
        body["model"] = json!("groq/gpt-4o-mini");
        let usage = r#"{"prompt_tokens":100,"completion_tokens":-5}"#;
        let script =
            if stream { Script::stream(Chat.stream(SAID, usage)) } else { Script::json(200, Chat.whole(SAID, usage)) };
        let fake = Fake::new([script]);
        fake.0.gone_at.set(Some(START_MS + 5));
        serve(&fake, &gateway(), post(path, &body.to_string(), &[]));
        let Settled { usage, cost, outcome, .. } = settled(&fake).remove(0);
        assert_eq!((outcome, cost.certainty()), (Outcome::ClientGone, Certainty::Estimated), "{stream}");
        assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (100, 10), "{stream}");
    }
}

#[test]
fn what_a_rejected_answer_counts_is_charged() {
    let chat = r#""usage":{"prompt_tokens":1000,"completion_tokens":100}"#;
    let failed = r#""choices":[{"index":0,"message":{"content":"x"},"finish_reason":"insufficient_system_resource"}]"#;
    let error = r#""error":{"message":"busy","type":"server_error"}"#;
    let none = r#""usage":{"prompt_tokens":0,"completion_tokens":0}"#;
    for (words, body, charged) in [
        (Chat, format!(r#"{{"id":"c","choices":[],{chat}}}"#), true),
        (Chat, format!(r#"{{"id":"c","choices":null,{chat}}}"#), true),
        (Chat, format!(r#"{{"id":"c",{chat}}}"#), true),
        (Chat, format!(r#"{{"id":"c",{failed},{chat}}}"#), true),
        (Chat, format!(r#"{{"id":"c",{error},{chat}}}"#), true),
        (Chat, format!(r#"{{"id":"c",{error},{none}}}"#), false),
        (Chat, format!("data: {{\"choices\":[],{chat}}}\n\n"), true),
        (Messages, r#"{"type":"message","usage":{"input_tokens":1000,"output_tokens":100}}"#.to_owned(), true),
        (Gemini, r#"{"usageMetadata":{"promptTokenCount":1000,"candidatesTokenCount":100}}"#.to_owned(), true),
        (Responses, r#"{"object":"response","usage":{"input_tokens":1000,"output_tokens":100}}"#.to_owned(), true),
    ] {
        let (path, asked) = words.ask(false);
        let fake =
            run(path, &asked, vec![Script::json(200, body.clone()), Script::json(200, words.whole("x", "null"))]);
        let Settled { usage, cost, outcome, .. } = settled(&fake).remove(0);
        let told = (usage.prompt_tokens(), usage.completion_tokens());
        if charged {
            assert_eq!((outcome, told), (Outcome::Cut, (1000, 100)), "{body}");
            assert!(cost.picousd().is_some_and(|cost| cost > 0), "{body}: {cost:?}");
        } else {
            assert_eq!((outcome, cost.picousd()), (Outcome::Failed, Some(0)), "{body}");
        }
    }
    // Whether anybody waits for it or not.
    let (path, asked) = Chat.ask(false);
    let fake = Fake::new([Script::json(200, format!(r#"{{"id":"c","choices":[],{chat}}}"#))]);
    fake.0.gone_at.set(Some(START_MS + 5));
    serve(&fake, &gateway(), post(path, &asked.to_string(), &[]));
    let Settled { usage, outcome, .. } = settled(&fake).remove(0);
    assert_eq!((outcome, usage.prompt_tokens(), usage.completion_tokens()), (Outcome::ClientGone, 1000, 100));
}

#[test]
fn a_client_that_asked_for_its_usage_gets_it_once_with_its_cost() {
    let counts = r#"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"queue_time":0.5}"#;
    let chunk = |rest: &str| {
        format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",{rest}}}\n\n")
    };
    let text = chunk(r#""choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":null}]"#);
    let stop = |more: &str| chunk(&format!(r#""choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]{more}"#));
    let (at_the_top, groqs) = (format!(r#","usage":{counts}"#), format!(r#","x_groq":{{"usage":{counts}}}"#));
    let moonshots =
        chunk(&format!(r#""choices":[{{"index":0,"delta":{{}},"finish_reason":"stop","usage":{counts}}}]"#));
    let nothing = chunk(r#""choices":[]"#);
    // Where it stands, and whether that is where clients look for it: elsewhere a native stream keeps its bytes.
    for (name, last, in_its_place) in [
        ("an event of its own", vec![stop(""), chunk(&format!(r#""choices":[]{at_the_top}"#))], true),
        ("on the last chunk", vec![stop(&at_the_top)], true),
        ("before an empty event", vec![stop(&at_the_top), ": ping\n\n".to_owned(), nothing.clone()], true),
        ("under x_groq", vec![stop(&groqs)], false),
        ("under x_groq before an empty event", vec![stop(&groqs), nothing], false),
        ("under x_groq in an event of its own", vec![stop(""), chunk(&format!(r#""choices":[]{groqs}"#))], false),
        ("in a choice", vec![moonshots], false),
    ] {
        for asks in [true, false] {
            let mut body = Chat.ask(true).1;
            if asks {
                body["stream_options"] = json!({"include_usage": true});
            }
            let mut events = vec![text.clone()];
            events.extend(last.iter().cloned());
            events.push("data: [DONE]\n\n".to_owned());
            let fake = run("/v1/chat/completions", &body, vec![Script::stream(&events)]);
            let got = fake.body();
            assert!(got.starts_with(&text) && got.ends_with("data: [DONE]\n\n"), "{name}: {got}");
            let read = got.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
            let read: Vec<Value> = read.map(|data| serde_json::from_str(data).unwrap()).collect();
            let told: Vec<&Value> =
                read.iter().map(|event| &event["usage"]).filter(|usage| usage.is_object()).collect();
            if asks && !in_its_place {
                assert_eq!(got, events.concat(), "{name}");
            } else if asks {
                assert_eq!(told.len(), 1, "{name}: {got}");
                let usage = told[0];
                assert_eq!((&usage["prompt_tokens"], &usage["completion_tokens"]), (&json!(100), &json!(5)), "{name}");
                assert!(usage["cost"].is_number(), "{name}: {got}");
            } else {
                assert!(told.iter().all(|usage| usage.get("cost").is_none()), "{name}: {got}");
            }
            assert_eq!(read.iter().filter(|event| event["choices"][0]["finish_reason"] == "stop").count(), 1, "{name}");
            let Settled { usage, cost, .. } = settled(&fake).remove(0);
            assert_eq!((usage.prompt_tokens(), cost.certainty()), (100, Certainty::Exact), "{name}");
        }
    }
}
