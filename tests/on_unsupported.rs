//! `x-signalbox-on-unsupported` from every caller's dialect: what becomes of a request with a field that the preferred
//! candidate cannot express and the next one can, over the whole path.

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
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"}
  }
}"#;

const OPENAI: (&str, &str) = (
    "openai/gpt-4o-mini",
    r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
);
const CLAUDE: (&str, &str) = (
    "anthropic/claude-haiku-4-5",
    r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":2}}"#,
);
const GEMINI: (&str, &str) = (
    "gemini/gemini-2.5-flash",
    r#"{"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}}"#,
);

const OPENAI_RESPONSES: (&str, &str) = (
    "openai/gpt-4o-mini",
    r#"{"id":"resp_1","object":"response","created_at":1,"model":"gpt-x","status":"completed","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[]}]}],"usage":{"input_tokens":9,"output_tokens":2,"total_tokens":11}}"#,
);

/// A caller, the candidate that it prefers and that cannot express a field, and the one that can: its own dialect's.
struct Case {
    path: &'static str,
    body: fn(&str) -> Value,
    field: (&'static str, &'static str),
    foreign: (&'static str, &'static str),
    native: (&'static str, &'static str),
}

const CHAT: Case = Case {
    path: "/v1/chat/completions",
    body: |model| json!({"model": model, "messages": [{"role": "user", "content": "Say hello"}], "logit_bias": {"1": 2}}),
    field: ("logit_bias", "/logit_bias"),
    foreign: CLAUDE,
    native: OPENAI,
};

const MESSAGES: Case = Case {
    path: "/v1/messages",
    body: |model| json!({"model": model, "max_tokens": 50, "inference_geo": "eu", "messages": [{"role": "user", "content": "Say hello"}]}),
    field: ("inference_geo", "/inference_geo"),
    foreign: GEMINI,
    native: CLAUDE,
};

const GENERATE: Case = Case {
    path: "/v1beta/models/{model}:generateContent",
    body: |_| json!({"contents": [{"role": "user", "parts": [{"text": "Say hello"}]}], "cachedContent": "cachedContents/1"}),
    field: ("cachedContent", "/cachedContent"),
    foreign: OPENAI,
    native: GEMINI,
};

const RESPOND: Case = Case {
    path: "/v1/responses",
    body: |model| json!({"model": model, "input": "Say hello", "max_tool_calls": 3}),
    field: ("max_tool_calls", "/max_tool_calls"),
    foreign: GEMINI,
    native: OPENAI_RESPONSES,
};

const CASES: [&Case; 4] = [&CHAT, &MESSAGES, &GENERATE, &RESPOND];

/// Asks for the candidates in that order.
fn ask(case: &Case, order: &[(&str, &str)], mode: Option<&str>, answers: &str) -> Fake {
    let model = order[0].0;
    let fake = Fake::new([Script::json(200, answers)]);
    let others: Vec<&str> = order.iter().skip(1).map(|(name, _)| *name).collect();
    let others = others.join(",");
    let mut headers = vec![("x-signalbox-explain", "true")];
    if !others.is_empty() {
        headers.push(("x-signalbox-models", &others));
    }
    headers.extend(mode.map(|mode| ("x-signalbox-on-unsupported", mode)));
    let request = Request {
        method: "POST".into(),
        path: case.path.replace("{model}", model),
        query: String::new(),
        headers: headers.into_iter().collect(),
        body: (case.body)(model).to_string().into_bytes(),
    };
    *fake.0.request_body.borrow_mut() = request.body.clone();
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    fake
}

fn sent(fake: &Fake) -> Value {
    serde_json::from_slice(&fake.calls()[0].request.body).unwrap()
}

fn answer(fake: &Fake) -> Value {
    serde_json::from_str(&fake.body()).unwrap()
}

#[test]
fn route_goes_to_a_candidate_that_can_and_says_why_not_to_the_first() {
    for case in CASES {
        for mode in [None, Some("route")] {
            let fake = ask(case, &[case.foreign, case.native], mode, case.native.1);
            assert_eq!(fake.status(), 200, "{}", fake.body());
            assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(case.native.0), "{}", case.path);
            assert!(sent(&fake).pointer(case.field.1).is_some(), "{} passes untouched", case.field.0);
            assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
            let told = answer(&fake)["signalbox"]["decision"]["excluded"].to_string();
            assert!(
                told.contains(case.foreign.0) && told.contains(case.field.0) && told.contains("unsupported"),
                "{told}"
            );
        }
    }
}

#[test]
fn route_fails_naming_field_and_target_where_nobody_can() {
    for case in CASES {
        refuses(case, &ask(case, &[case.foreign], Some("route"), case.foreign.1));
    }
}

#[test]
fn error_fails_naming_field_and_target_although_another_could() {
    for case in CASES {
        refuses(case, &ask(case, &[case.foreign, case.native], Some("error"), case.native.1));
        let preferred_can = ask(case, &[case.native, case.foreign], Some("error"), case.native.1);
        assert_eq!(preferred_can.header("x-signalbox-model").as_deref(), Some(case.native.0));
    }
}

fn refuses(case: &Case, fake: &Fake) {
    assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{}", fake.body());
    let error = answer(fake)["error"].to_string();
    assert!(error.contains(case.field.0) && error.contains(case.foreign.0), "{error}");
}

#[test]
fn drop_leaves_the_field_out_and_reports_it_twice() {
    for case in CASES {
        let fake = ask(case, &[case.foreign, case.native], Some("drop"), case.foreign.1);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(case.foreign.0), "{}", case.path);
        assert_eq!(sent(&fake).pointer(case.field.1), None);
        let header = fake.header("x-signalbox-losses").unwrap();
        assert!(header.contains(case.field.0) && header.contains("unsupported"), "{header}");
        let member = &answer(&fake)["signalbox"]["losses"];
        let told = member.as_array().unwrap().iter().find(|loss| loss["field"] == case.field.0);
        assert_eq!(told.map(|loss| &loss["disposition"]), Some(&json!("unsupported")), "{member}");
    }
}

#[test]
fn drop_is_never_what_happens_unasked() {
    for case in CASES {
        let fake = ask(case, &[case.foreign], None, case.foreign.1);
        assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{}", fake.body());
    }
}

/// Custom tools beside a function, in a history of both.
fn custom_tools(model: &str) -> Value {
    json!({"model": model,
        "tools": [
            {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}},
            {"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}}],
        "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_run", "type": "custom", "custom": {"name": "run", "input": "ls -l"}},
                {"id": "call_look", "type": "function", "function": {"name": "look", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "call_run", "content": "it ran"},
            {"role": "tool", "tool_call_id": "call_look", "content": "it was seen"}]})
}

/// Servers of chat that know no custom tools: those whose bodies are adapted, and those that are sent what was written.
const ADAPTED: [&str; 5] = ["mistral", "deepseek", "qwen", "groq", "ollama"];
const AS_WRITTEN: [&str; 6] = ["together", "fireworks", "vllm", "llama.cpp", "openrouter", "xai"];

fn ask_of_chat(model: &str, mode: &str) -> Fake {
    send_to_chat(custom_tools(model), mode)
}

fn send_to_chat(mut body: Value, mode: &str) -> Fake {
    let providers: serde_json::Map<String, Value> = ADAPTED
        .iter()
        .chain(&AS_WRITTEN)
        .chain(&["openai"])
        .map(|name| {
            let url = format!("http://127.0.0.1:9/{name}");
            let provider = json!({"kind": "openai-chat", "profile": name, "base_url": url, "api_key": "k"});
            (name.replace('.', "-"), provider)
        })
        .collect();
    let aliases: serde_json::Map<String, Value> = providers
        .keys()
        .map(|name| {
            (
                format!("pair-{name}"),
                json!({"candidates": [format!("{name}/some-model"), "openai/gpt-4o"], "policy": "balanced"}),
            )
        })
        .collect();
    let config = json!({"identity": {"mode": "none"}, "providers": providers, "aliases": aliases});
    let fake = Fake::new([Script::json(200, OPENAI.1)]);
    if let Some(first) = body["model"].as_str().and_then(|model| model.strip_prefix("pair-")) {
        body["provider"] = json!({"order": [first, "openai"]});
    }
    let body = body.to_string().into_bytes();
    let request = Request {
        method: "POST".into(),
        path: CHAT.path.into(),
        headers: [("x-signalbox-on-unsupported", mode)].into_iter().collect(),
        body: body.clone(),
        ..Request::default()
    };
    *fake.0.request_body.borrow_mut() = body;
    let gateway = Rc::new(Gateway::load_local(&config.to_string()).expect("the test's configuration is valid"));
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    fake
}

#[test]
fn custom_tools_go_to_a_candidate_that_knows_them_whichever_servers_of_their_dialect_stand_before_it() {
    for name in ADAPTED.iter().chain(&AS_WRITTEN) {
        let fake = ask_of_chat(&format!("pair-{}", name.replace('.', "-")), "route");
        assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("openai/gpt-4o"), "{name}: {}", fake.body());
        let (asked, sent) = (custom_tools(""), sent(&fake));
        assert_eq!((&sent["messages"], &sent["tools"]), (&asked["messages"], &asked["tools"]));
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
    }
}

#[test]
fn where_custom_tools_may_be_dropped_so_are_their_calls_and_the_answers_to_those() {
    for name in ADAPTED {
        let fake = ask_of_chat(&format!("{name}/some-model"), "drop");
        assert_eq!(fake.status(), 200, "{name}: {}", fake.body());
        let body = sent(&fake);
        assert!(!body.to_string().contains("run") && !body.to_string().contains("custom"), "{name}: {body}");
        let (call, answer) = (&body["messages"][1]["tool_calls"][0], &body["messages"][2]);
        assert_eq!((&call["id"], &call["function"]["name"]), (&answer["tool_call_id"], &json!("look")), "{body}");
        assert_eq!(answer["content"], "it was seen");
        let told = fake.header("x-signalbox-losses").unwrap();
        for field in ["tools[1]", "messages[1].tool_calls[0]", "messages[2].content"] {
            assert!(told.contains(&format!("{field}:unsupported")), "{name}: {field} of {told}");
        }
    }
}

/// A history whose list of messages stays as long as it was.
#[test]
fn a_dropped_call_that_nobody_has_answered_goes_out_of_its_turn() {
    for name in ADAPTED {
        let mut asked = custom_tools(&format!("{name}/some-model"));
        asked["messages"].as_array_mut().expect("a list").remove(2);
        let fake = send_to_chat(asked, "drop");
        assert_eq!(fake.status(), 200, "{name}: {}", fake.body());
        let body = sent(&fake);
        let calls = body["messages"][1]["tool_calls"].as_array().map_or(0, Vec::len);
        assert!(!body.to_string().contains("run") && calls == 1, "{name}: {body}");
    }
}

#[test]
fn a_server_that_the_caller_names_in_its_own_dialect_is_sent_custom_tools_and_decides() {
    let asked = custom_tools("");
    for name in ADAPTED.iter().chain(&AS_WRITTEN) {
        let fake = ask_of_chat(&format!("{}/some-model", name.replace('.', "-")), "route");
        let body = sent(&fake);
        assert_eq!(body["tools"], asked["tools"], "{name}");
        for (ours, theirs) in [("/messages/1/tool_calls/0/custom", "ls -l"), ("/messages/2/content", "it ran")] {
            assert!(body.pointer(ours).is_some_and(|value| value.to_string().contains(theirs)), "{name}: {body}");
        }
        assert_eq!(body["messages"][1]["tool_calls"][0]["id"], body["messages"][2]["tool_call_id"], "{name}");
        assert_eq!(body["messages"][1]["tool_calls"][1]["id"], body["messages"][3]["tool_call_id"], "{name}");
        let told = fake.header("x-signalbox-losses").unwrap();
        assert!(!told.contains("unsupported"), "{name}: {told}");
    }
}

const ASKED_TO_SPEAK: Case = Case {
    path: "/v1/chat/completions",
    body: |model| {
        json!({"model": model, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"},
            "messages": [{"role": "user", "content": "Say hello"}]})
    },
    field: ("audio", "/audio"),
    foreign: CLAUDE,
    native: OPENAI,
};

#[test]
fn who_asks_for_an_answer_in_sound_gets_it_from_who_speaks_and_an_error_from_others() {
    let case = &ASKED_TO_SPEAK;
    for other in [CLAUDE, GEMINI] {
        for mode in [None, Some("error")] {
            let fake = ask(case, &[other], mode, other.1);
            assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{}", fake.body());
            let error = answer(&fake)["error"].to_string();
            assert!(error.contains("modalities") && error.contains(other.0), "{error}");
        }
    }
    let spoken = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"a1","data":"UklGRg==","expires_at":9,"transcript":"Hello"}},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"completion_tokens_details":{"audio_tokens":2}}}"#;
    let fake = ask(case, &[OPENAI], None, spoken);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let (sent, asked) = (sent(&fake), (case.body)(OPENAI.0));
    assert_eq!((&sent["modalities"], &sent["audio"]), (&asked["modalities"], &asked["audio"]));
    assert_eq!(answer(&fake)["choices"][0]["message"]["audio"]["data"], "UklGRg==");
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
}
