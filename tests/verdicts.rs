//! Safety verdicts and refusals: each reaches the caller in its dialect's place and raw in the `signalbox` member,
//! and nothing that was cut looks like a whole answer. Traps 24, 38, 39 and 40 of the wire reference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "cors": {"origins": ["https://app.example"]},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "azure": {"base_url": "http://127.0.0.1:9/azure/v1", "api_key": "k-azure"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "plain": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/plain/v1", "api_key": "k-plain"},
    "responses": {"kind": "openai-responses", "profile": "openai", "base_url": "http://127.0.0.1:9/responses/v1", "api_key": "k-responses"}
  }
}"#;

const CLAUDE: &str = "anthropic/claude-sonnet-4-6";
const GEMINI: &str = "gemini/gemini-2.5-flash";
const AZURE: &str = "azure/gpt-4.1";
const RESPONSES: &str = "responses/gpt-4.1";

/// One answer through the gateway: of a provider that replies with `answer` to a caller of a dialect.
fn asked(caller: Caller, model: &str, answer: &Answer, stream: bool) -> Told {
    let fake = Fake::new([answer.script(stream)]);
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    let (path, body) = caller.request(model, stream);
    let body = body.to_string().into_bytes();
    *fake.0.request_body.borrow_mut() = body.clone();
    let headers = [("origin", "https://app.example")].into_iter().collect();
    let query = if caller == Caller::Generate && stream { "alt=sse" } else { "" }.to_owned();
    let request = Request { method: "POST".into(), path, query, body, headers };
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let chunks = if stream { events(&fake.body()) } else { vec![serde_json::from_str(&fake.body()).unwrap()] };
    let losses = fake.header("x-signalbox-losses").unwrap_or_default();
    Told { body: fake.body(), chunks, losses }
}

struct Told {
    body: String,
    /// Payloads of the events, or the one body.
    chunks: Vec<Value>,
    losses: String,
}

impl Told {
    /// The first value at a pointer in any chunk that is not null.
    fn at(&self, pointer: &str) -> Value {
        let mut found = self.chunks.iter().filter_map(|chunk| chunk.pointer(pointer)).filter(|v| !v.is_null());
        found.next().cloned().unwrap_or(Value::Null)
    }

    /// The last one: finish reasons.
    fn last(&self, pointer: &str) -> Value {
        let found = self.chunks.iter().filter_map(|chunk| chunk.pointer(pointer)).rfind(|v| !v.is_null());
        found.cloned().unwrap_or(Value::Null)
    }

    fn verdict(&self, field: &str) -> Value {
        let list = self.at("/signalbox/safety");
        let list = list.as_array().cloned().unwrap_or_default();
        list.into_iter().find(|entry| entry["field"] == field).map_or(Value::Null, |entry| entry["value"].clone())
    }
}

fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Caller {
    Chat,
    Messages,
    Generate,
    Responses,
}

impl Caller {
    const ALL: [Self; 4] = [Self::Chat, Self::Messages, Self::Generate, Self::Responses];

    fn request(self, model: &str, stream: bool) -> (String, Value) {
        match self {
            Self::Chat => (
                "/v1/chat/completions".to_owned(),
                json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "q"}]}),
            ),
            Self::Messages => (
                "/v1/messages".to_owned(),
                json!({"model": model, "stream": stream, "max_tokens": 9, "messages": [{"role": "user", "content": "q"}]}),
            ),
            Self::Responses => {
                ("/v1/responses".to_owned(), json!({"model": model, "stream": stream, "store": false, "input": "q"}))
            }
            Self::Generate => {
                let method = if stream { "streamGenerateContent" } else { "generateContent" };
                (
                    format!("/v1beta/models/{model}:{method}"),
                    json!({"contents": [{"role": "user", "parts": [{"text": "q"}]}]}),
                )
            }
        }
    }
}

enum Answer {
    Gemini(Value),
    Claude { content: Vec<Value>, stop: &'static str, details: Value },
    Chat { message: Value, finish: &'static str, choice: Value, top: Value },
    Responses { output: Value, status: &'static str, reason: Value },
}

impl Answer {
    fn script(&self, stream: bool) -> Script {
        match self {
            Self::Gemini(body) if stream => Script::stream([format!("data: {body}\r\n\r\n")]),
            Self::Gemini(body) => Script::json(200, body.to_string()),
            Self::Responses { output, status, reason } => {
                let whole = |status: &str, output: &Value, details: Value| {
                    json!({"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": status,
                           "error": null, "incomplete_details": details, "output": output,
                           "usage": {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}})
                };
                let details = if reason.is_null() { Value::Null } else { json!({"reason": reason}) };
                if !stream {
                    return Script::json(200, whole(status, output, details).to_string());
                }
                let began = whole("in_progress", &json!([]), Value::Null);
                let mut events = vec![json!({"type": "response.created", "response": began})];
                for (at, item) in output.as_array().unwrap().iter().enumerate() {
                    events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
                }
                let end = whole(status, output, details);
                events.push(json!({"type": format!("response.{status}"), "response": end}));
                Script::stream(events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())))
            }
            Self::Claude { content, stop, details } => {
                let message = |content: &[Value], stop: Value, details: &Value| {
                    json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content,
                           "stop_reason": stop, "stop_sequence": null, "stop_details": details,
                           "usage": {"input_tokens": 9, "output_tokens": 5}})
                };
                let stop = if stop.is_empty() { Value::Null } else { json!(stop) };
                if !stream {
                    return Script::json(200, message(content, stop, details).to_string());
                }
                let mut events =
                    vec![json!({"type": "message_start", "message": message(&[], Value::Null, &Value::Null)})];
                for (index, block) in content.iter().enumerate() {
                    events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
                    events.push(json!({"type": "content_block_stop", "index": index}));
                }
                events.push(json!({"type": "message_delta", "usage": {"output_tokens": 5},
                    "delta": {"stop_reason": stop, "stop_sequence": null, "stop_details": details}}));
                events.push(json!({"type": "message_stop"}));
                Script::stream(events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())))
            }
            Self::Chat { message, finish, choice, top } => {
                let object = |name: &str, content: Value, finish: Value| {
                    let mut one = json!({"index": 0, "finish_reason": finish});
                    one[name] = content;
                    let kind = if name == "delta" { "chat.completion.chunk" } else { "chat.completion" };
                    json!({"id": "c1", "object": kind, "created": 1, "model": "m", "choices": [one]})
                };
                let with = |mut base: Value, more: &Value| {
                    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                    base
                };
                if !stream {
                    let mut body = with(object("message", message.clone(), json!(finish)), top);
                    body["choices"][0] = with(body["choices"][0].clone(), choice);
                    return Script::json(200, body.to_string());
                }
                // Azure: filter results of the prompt first, without a choice; those of the answer without a delta.
                let first = with(json!({"id": "", "object": "", "created": 0, "model": "", "choices": []}), top);
                let filter = with(json!({"index": 0, "finish_reason": null}), choice);
                let filter = json!({"id": "", "object": "", "created": 0, "model": "", "choices": [filter]});
                let chunks = [
                    first,
                    object("delta", message.clone(), Value::Null),
                    filter,
                    object("delta", json!({}), json!(finish)),
                ];
                let data = chunks.iter().map(|chunk| format!("data: {chunk}\n\n"));
                Script::stream(data.chain(["data: [DONE]\n\n".to_owned()]))
            }
        }
    }
}

fn blocked_prompt() -> (Answer, Value) {
    let feedback = json!({"blockReason": "PROHIBITED_CONTENT", "safetyRatings": [{"category": "X", "probability": "HIGH", "blocked": true}]});
    let body = json!({"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}, "modelVersion": "g", "responseId": "r"});
    (Answer::Gemini(body), feedback)
}

#[test]
fn trap_40_a_blocked_prompt_is_no_empty_success_for_any_caller() {
    let (answer, feedback) = blocked_prompt();
    for stream in [false, true] {
        let told = asked(Caller::Chat, GEMINI, &answer, stream);
        assert_eq!(told.last("/choices/0/finish_reason"), "content_filter");
        assert_eq!(told.verdict("promptFeedback"), feedback, "{}", told.body);
        assert!(!told.losses.contains("promptFeedback"), "what is in the member is not lost: {}", told.losses);
        if !stream {
            assert_eq!(told.at("/usage/prompt_tokens"), 4, "the prompt is counted");
        }
        let told = asked(Caller::Messages, GEMINI, &answer, stream);
        let root = if stream { "/delta" } else { "" };
        assert_eq!(told.last(&format!("{root}/stop_reason")), "refusal");
        let details = json!({"type": "refusal", "category": null, "explanation": "PROHIBITED_CONTENT"});
        assert_eq!(told.last(&format!("{root}/stop_details")), details);
        assert_eq!(told.verdict("promptFeedback"), feedback);
        // At home it stands where Google put it; a whole answer has it in the member too.
        let told = asked(Caller::Generate, GEMINI, &answer, stream);
        assert_eq!(told.at("/promptFeedback"), feedback);
        assert_eq!(told.verdict("promptFeedback"), if stream { Value::Null } else { feedback.clone() });
    }
}

#[test]
fn a_filtered_answer_says_why_in_every_dialect() {
    let candidate = json!({"index": 0, "finishReason": "SAFETY", "finishMessage": "cut by policy",
        "safetyRatings": [{"category": "Y", "probability": "HIGH"}], "content": {"role": "model", "parts": [{"text": "part"}]}});
    let answer = Answer::Gemini(json!({"candidates": [candidate], "modelVersion": "g", "responseId": "r"}));
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "not that"});
    let content = vec![json!({"type": "text", "text": "part"})];
    let claude = Answer::Claude { content, stop: "refusal", details: details.clone() };
    for stream in [false, true] {
        let told = asked(Caller::Chat, GEMINI, &answer, stream);
        assert_eq!(told.last("/choices/0/finish_reason"), "content_filter");
        assert_eq!(told.last("/choices/0/native_finish_reason"), "SAFETY");
        assert_eq!(told.verdict("candidates[0].safetyRatings"), candidate["safetyRatings"]);
        let told = asked(Caller::Messages, GEMINI, &answer, stream);
        let root = if stream { "/delta" } else { "" };
        assert_eq!(told.last(&format!("{root}/stop_details/explanation")), "cut by policy");

        let told = asked(Caller::Chat, CLAUDE, &claude, stream);
        assert_eq!(told.last("/choices/0/finish_reason"), "content_filter");
        assert_eq!(told.verdict("stop_details"), details);
        let told = asked(Caller::Generate, CLAUDE, &claude, stream);
        assert_eq!(told.last("/candidates/0/finishReason"), "SAFETY");
        assert_eq!(told.last("/candidates/0/finishMessage"), "not that");
        assert_eq!(told.verdict("stop_details"), details);
        let told = asked(Caller::Messages, CLAUDE, &claude, stream);
        assert_eq!(told.last(&format!("{root}/stop_details")), details, "native");
    }
}

#[test]
fn trap_38_azures_filter_results_are_kept_and_make_no_empty_deltas() {
    let prompt =
        json!([{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": false, "severity": "safe"}}}]);
    let results = json!({"violence": {"filtered": true, "severity": "high"}});
    let answer = Answer::Chat {
        message: json!({"role": "assistant", "content": "par"}),
        finish: "content_filter",
        choice: json!({"content_filter_results": results}),
        top: json!({"prompt_filter_results": prompt}),
    };
    for stream in [false, true] {
        let told = asked(Caller::Messages, AZURE, &answer, stream);
        assert_eq!(told.verdict("prompt_filter_results"), prompt);
        assert_eq!(told.verdict("choices[0].content_filter_results"), results);
        let root = if stream { "/delta" } else { "" };
        assert_eq!(told.last(&format!("{root}/stop_reason")), "refusal");
        let texts = told.body.matches("text_delta").count();
        assert_eq!(texts, usize::from(stream), "the filter's chunks are no deltas");
        let told = asked(Caller::Generate, AZURE, &answer, stream);
        assert_eq!(told.last("/candidates/0/finishReason"), "SAFETY");
        let told = asked(Caller::Chat, AZURE, &answer, stream);
        assert_eq!(told.at("/prompt_filter_results"), prompt, "at home they stand where Azure put them");
        assert_eq!(told.last("/choices/0/finish_reason"), "content_filter");
    }
}

#[test]
fn trap_39_a_refusal_is_one_for_every_caller_and_never_an_empty_stop() {
    let answer = Answer::Chat {
        message: json!({"role": "assistant", "content": null, "refusal": "I will not."}),
        finish: "stop",
        choice: json!({}),
        top: json!({"moderation": {"input": {"flagged": true}}}),
    };
    for stream in [false, true] {
        let told = asked(Caller::Messages, "openai/gpt-4.1", &answer, stream);
        let root = if stream { "/delta" } else { "" };
        assert_eq!(told.last(&format!("{root}/stop_reason")), "refusal");
        assert!(told.body.contains("I will not."));
        assert_eq!(told.verdict("moderation"), json!({"input": {"flagged": true}}));
        let told = asked(Caller::Generate, "openai/gpt-4.1", &answer, stream);
        assert!(told.body.contains("I will not."));
        let end = (told.last("/candidates/0/finishReason"), told.last("/candidates/0/finishMessage"));
        assert_eq!(end, (json!("SAFETY"), json!("refusal")), "Google has no other place for it");
        let told = asked(Caller::Chat, "openai/gpt-4.1", &answer, stream);
        let place = if stream { "delta" } else { "message" };
        assert_eq!(told.at(&format!("/choices/0/{place}/refusal")), "I will not.");
    }
}

/// Why an answer ended, in its caller's words.
fn end_of(caller: Caller, told: &Told, stream: bool) -> Value {
    match caller {
        Caller::Chat => told.last("/choices/0/finish_reason"),
        Caller::Messages => told.last(if stream { "/delta/stop_reason" } else { "/stop_reason" }),
        Caller::Generate => told.last("/candidates/0/finishReason"),
        Caller::Responses => {
            let root = if stream { "/response" } else { "" };
            match told.last(&format!("{root}/incomplete_details/reason")) {
                Value::Null => told.last(&format!("{root}/status")),
                reason => reason,
            }
        }
    }
}

#[test]
fn nothing_that_was_kept_back_is_an_empty_success_whoever_keeps_it_back_from_whom() {
    let filtered =
        json!({"candidates": [{"index": 0, "finishReason": "SAFETY"}], "modelVersion": "g", "responseId": "r"});
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "not that"});
    let none = json!({"role": "assistant", "content": null});
    let kept_back = [
        (GEMINI, blocked_prompt().0),
        (GEMINI, Answer::Gemini(filtered)),
        (CLAUDE, Answer::Claude { content: Vec::new(), stop: "refusal", details }),
        ("plain/m", Answer::Chat { message: none, finish: "content_filter", choice: json!({}), top: json!({}) }),
        (RESPONSES, Answer::Responses { output: json!([]), status: "incomplete", reason: json!("content_filter") }),
    ];
    for (model, answer) in &kept_back {
        for caller in Caller::ALL {
            for stream in [false, true] {
                // At home Google's block is where Google puts it, and no candidate says anything.
                let blocked = *model == GEMINI && caller == Caller::Generate;
                let told = asked(caller, model, answer, stream);
                let end = end_of(caller, &told, stream);
                let expected = match caller {
                    Caller::Chat | Caller::Responses => "content_filter",
                    Caller::Messages => "refusal",
                    Caller::Generate => "SAFETY",
                };
                let at_home = blocked && told.at("/promptFeedback/blockReason") == "PROHIBITED_CONTENT";
                assert!(end == expected || at_home, "{model}, stream {stream}: {end} in {}", told.body);
            }
        }
    }
}

#[test]
fn a_refusal_in_words_is_one_for_every_caller_whichever_of_openais_dialects_it_was_made_in() {
    let words = "I will not.";
    let part = json!({"type": "refusal", "refusal": words});
    let message =
        json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]});
    let refusals = [
        (RESPONSES, Answer::Responses { output: json!([message]), status: "completed", reason: Value::Null }),
        (
            "plain/m",
            Answer::Chat {
                message: json!({"role": "assistant", "content": null, "refusal": words}),
                finish: "stop",
                choice: json!({}),
                top: json!({}),
            },
        ),
    ];
    for (model, answer) in &refusals {
        for stream in [false, true] {
            let told = |caller| asked(caller, model, answer, stream);
            let messages = told(Caller::Messages);
            assert_eq!(end_of(Caller::Messages, &messages, stream), "refusal");
            assert!(messages.body.contains(words));
            let generate = told(Caller::Generate);
            assert_eq!(end_of(Caller::Generate, &generate, stream), "SAFETY");
            assert!(generate.body.contains(words));
            let place = if stream { "delta" } else { "message" };
            assert_eq!(told(Caller::Chat).at(&format!("/choices/0/{place}/refusal")), words);
            let root = if stream { "/response" } else { "" };
            let responses = told(Caller::Responses);
            assert_eq!(responses.last(&format!("{root}/output/0/content/0")), part, "{}", responses.body);
        }
    }
}

#[test]
fn callers_of_responses_are_told_the_raw_verdict_too() {
    let (blocked, feedback) = blocked_prompt();
    let details = json!({"type": "refusal", "category": "cyber", "explanation": "not that"});
    let content = vec![json!({"type": "text", "text": "part"})];
    let claude = Answer::Claude { content, stop: "refusal", details: details.clone() };
    for stream in [false, true] {
        let told = asked(Caller::Responses, GEMINI, &blocked, stream);
        assert_eq!(told.verdict("promptFeedback"), feedback, "{}", told.body);
        let told = asked(Caller::Responses, CLAUDE, &claude, stream);
        assert_eq!(told.verdict("stop_details"), details, "{}", told.body);
    }
}

#[test]
fn a_whole_answer_that_does_not_say_why_it_ended_has_ended_all_the_same() {
    let text = json!({"type": "text", "text": "A"});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}});
    for (content, chat, google) in [(vec![text.clone()], "stop", "STOP"), (vec![text, call], "tool_calls", "STOP")] {
        let answer = Answer::Claude { content, stop: "", details: Value::Null };
        let told = asked(Caller::Chat, CLAUDE, &answer, false);
        assert_eq!(told.last("/choices/0/finish_reason"), chat, "null is for answers that go on");
        assert!(told.losses.contains("finish_reason:advisory"), "{}", told.losses);
        assert_eq!(asked(Caller::Generate, CLAUDE, &answer, false).last("/candidates/0/finishReason"), google);
    }
}

#[test]
fn what_an_answer_loses_on_the_way_is_told_in_a_streams_last_event() {
    let content = vec![json!({"type": "text", "text": "A"}), json!({"type": "hologram", "payload": {"a": 1}})];
    let answer = Answer::Claude { content, stop: "end_turn", details: Value::Null };
    for caller in [Caller::Chat, Caller::Generate] {
        let told = asked(caller, CLAUDE, &answer, false);
        assert!(told.losses.contains("content.1:unsupported"), "{}", told.losses);
        let told = asked(caller, CLAUDE, &answer, true);
        let members: Vec<&Value> =
            told.chunks.iter().map(|chunk| &chunk["signalbox"]).filter(|m| !m.is_null()).collect();
        let [member] = members.as_slice() else { panic!("{}", told.body) };
        assert!(member["request_id"].is_string() && member.get("attempts").is_none(), "{member}");
        let losses = member["losses"].as_array().unwrap();
        assert!(losses.iter().any(|l| l["field"] == "content.1" && l["disposition"] == "unsupported"), "{member}");
        let whole = Answer::Claude {
            content: vec![json!({"type": "text", "text": "A"})],
            stop: "end_turn",
            details: Value::Null,
        };
        assert!(
            !asked(caller, CLAUDE, &whole, true).body.contains("signalbox\":"),
            "where nothing is lost nothing is told"
        );
    }
}

#[test]
fn trap_24_a_call_ends_as_one_although_google_says_stop() {
    let parts = json!([{"text": "hm"}, {"functionCall": {"name": "f", "args": {"a": 1}}}]);
    let candidate = json!({"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": parts}});
    let answer = Answer::Gemini(json!({"candidates": [candidate], "modelVersion": "g", "responseId": "r"}));
    for stream in [false, true] {
        let told = asked(Caller::Chat, GEMINI, &answer, stream);
        assert_eq!(told.last("/choices/0/finish_reason"), "tool_calls");
        let root = if stream { "/delta" } else { "" };
        let told = asked(Caller::Messages, GEMINI, &answer, stream);
        assert_eq!(told.last(&format!("{root}/stop_reason")), "tool_use");
    }
}

#[test]
fn ids_and_limits_of_every_provider_are_told_to_every_caller_before_the_body_whole_and_streamed() {
    let text = json!({"role": "assistant", "content": "ok"});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "ok", "annotations": []}]});
    let candidate =
        json!({"index": 0, "finishReason": "STOP", "content": {"role": "model", "parts": [{"text": "ok"}]}});
    let answers = [
        ("plain/m", Answer::Chat { message: text, finish: "stop", choice: json!({}), top: json!({}) }),
        (RESPONSES, Answer::Responses { output: json!([message]), status: "completed", reason: Value::Null }),
        (
            CLAUDE,
            Answer::Claude {
                content: vec![json!({"type": "text", "text": "ok"})],
                stop: "end_turn",
                details: Value::Null,
            },
        ),
        (GEMINI, Answer::Gemini(json!({"candidates": [candidate], "modelVersion": "g", "responseId": "r"}))),
    ];
    let theirs = [
        ("x-request-id", "req_1"),
        ("request-id", "req_2"),
        ("x-ratelimit-remaining-tokens", "7"),
        ("anthropic-ratelimit-requests-remaining", "8"),
    ];
    for (model, answer) in &answers {
        for caller in Caller::ALL {
            for stream in [false, true] {
                let script =
                    theirs.iter().fold(answer.script(stream), |script, (name, value)| script.with_header(name, value));
                let fake = Fake::new([script]);
                let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
                let (path, body) = caller.request(model, stream);
                let body = body.to_string().into_bytes();
                *fake.0.request_body.borrow_mut() = body.clone();
                let request = Request { method: "POST".into(), path, body, ..Request::default() };
                futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
                assert_eq!(fake.status(), 200, "{}", fake.body());
                for (name, value) in theirs {
                    assert_eq!(fake.header(&format!("x-signalbox-upstream-{name}")).as_deref(), Some(value), "{model}");
                    assert_ne!(fake.header(name).as_deref(), Some(value), "{model}: {name} would be taken for ours");
                }
            }
        }
    }
}

#[test]
fn a_providers_ids_and_limits_are_told_under_our_prefix_and_never_as_ours() {
    let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
    let (path, body) = Caller::Chat.request("openai/gpt-4.1", false);
    let body = body.to_string().into_bytes();
    let ok = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    for status in [200, 400] {
        let text = if status == 200 { ok } else { r#"{"error":{"message":"no","type":"invalid_request_error"}}"# };
        let script = Script::json(status, text)
            .with_header("x-request-id", "req_theirs")
            .with_header("x-ratelimit-remaining-requests", "59")
            .with_header("set-cookie", "__cf_bm=secret");
        let fake = Fake::new([script]);
        *fake.0.request_body.borrow_mut() = body.clone();
        let headers = [("origin", "https://app.example")].into_iter().collect();
        let request =
            Request { method: "POST".into(), path: path.clone(), body: body.clone(), headers, ..Request::default() };
        futures::executor::block_on(pipeline::handle(&fake, Ok(gateway.clone()), request));
        assert_eq!(fake.status(), status);
        let header = |name: &str| fake.header(name);
        assert_eq!(header("x-signalbox-upstream-x-request-id").as_deref(), Some("req_theirs"));
        assert_eq!(header("x-signalbox-upstream-x-ratelimit-remaining-requests").as_deref(), Some("59"));
        assert_ne!(header("x-request-id").as_deref(), Some("req_theirs"));
        assert_eq!((header("x-ratelimit-remaining-requests"), header("set-cookie")), (None, None));
        let exposed = header("access-control-expose-headers").unwrap();
        assert!(exposed.ends_with("x-signalbox-upstream-x-ratelimit-remaining-requests"), "{exposed}");
    }
}

#[test]
fn a_verdict_in_an_error_keeps_what_its_provider_says_of_it() {
    let azure = json!({"hate": {"filtered": true, "severity": "high"}});
    let inner = json!({"code": "ResponsibleAIPolicyViolation", "content_filter_result": azure});
    let report = json!({"error": {"message": "filtered", "type": null, "param": "prompt", "code": "content_filter", "status": 400, "innererror": inner}});
    let reasons = json!({"reasons": ["violence"], "flagged_input": "q"});
    let relay = json!({"error": {"message": "flagged", "code": 403, "metadata": reasons}});
    let rows = [(400, report, "innererror.content_filter_result", azure), (403, relay, "metadata", reasons)];
    for (status, report, field, value) in rows {
        let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
        for (caller, at) in [(Caller::Chat, "/error/metadata"), (Caller::Messages, "/error/details/metadata")] {
            let fake = Fake::new([Script::json(status, report.to_string())]);
            let (path, body) = caller.request(AZURE, false);
            let body = body.to_string().into_bytes();
            *fake.0.request_body.borrow_mut() = body.clone();
            let request = Request { method: "POST".into(), path, body, ..Request::default() };
            futures::executor::block_on(pipeline::handle(&fake, Ok(gateway.clone()), request));
            let told: Value = serde_json::from_str(&fake.body()).unwrap();
            let metadata = told.pointer(at).cloned().unwrap_or_default();
            assert_eq!(metadata["safety"], json!([{ "field": field, "value": value }]), "{told}");
            assert!(metadata["attempts"].is_array(), "{told}");
        }
    }
}
