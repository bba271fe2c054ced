//! What callers may ask of an answer besides its words: one of several models, no thoughts, one call at a time; and what
//! they may not send. Each goes the whole path over the scripted world.

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
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "deepseek": {"base_url": "http://127.0.0.1:9/deepseek", "api_key": "k-deepseek"},
    "openrouter": {"base_url": "http://127.0.0.1:9/openrouter/v1", "api_key": "k-openrouter"}
  }
}"#;

const CHAT: &str = "/v1/chat/completions";

thread_local! {
    static READ_ONCE: Gateway = Gateway::load_local(CONFIG).expect("the test's configuration is valid");
}

fn gateway() -> Rc<Gateway> {
    READ_ONCE.with(support::forgetful)
}

fn serve(scripts: impl IntoIterator<Item = Script>, path: &str, body: &Value, headers: &[(&str, &str)]) -> Fake {
    let request = Request {
        method: "POST".into(),
        path: path.into(),
        query: if path.contains(":stream") { "alt=sse".into() } else { String::new() },
        headers: headers.iter().copied().collect(),
        body: body.to_string().into_bytes(),
    };
    let fake = Fake::new(scripts);
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway()), request));
    fake
}

fn sent(fake: &Fake, call: usize) -> Value {
    serde_json::from_slice(&fake.calls()[call].request.body).unwrap()
}

fn answer(fake: &Fake) -> Value {
    serde_json::from_str(&fake.body()).unwrap_or_else(|_| panic!("{}", fake.body()))
}

fn hello() -> Script {
    Script::json(
        200,
        json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}})
        .to_string(),
    )
}

#[test]
fn a_list_of_models_needs_no_model_beside_it_and_its_first_is_preferred() {
    let lists: [(Value, &[(&str, &str)]); 2] = [
        (json!({"models": ["openai/gpt-4o-mini", "deepseek/deepseek-chat"]}), &[]),
        (json!({"models": ["gpt-4o-mini", "deepseek/deepseek-chat"], "model": null}), &[]),
    ];
    for (mut body, headers) in lists {
        body["messages"] = json!([{"role": "user", "content": "hi"}]);
        let overloaded = Script::json(503, "{}");
        let fake = serve([overloaded.clone(), overloaded, hello()], CHAT, &body, headers);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        assert_eq!(sent(&fake, 0)["model"], "gpt-4o-mini");
        assert_eq!(sent(&fake, 2)["model"], "deepseek-chat");
        assert!(sent(&fake, 0).get("models").is_none(), "routing fields reach nobody");
    }
    for (path, rest) in [("/v1/responses", json!({"input": "hi"})), ("/v1/embeddings", json!({"input": "hi"}))] {
        let mut body = rest;
        body["models"] =
            json!([if path == "/v1/embeddings" { "openai/text-embedding-3-small" } else { "openai/gpt-5" }]);
        let fake = serve([Script::json(400, "{}")], path, &body, &[]);
        assert_eq!(fake.calls().len(), 1, "{path}: {}", fake.body());
        assert!(sent(&fake, 0)["model"].is_string());
    }
    for body in [
        json!({"messages": [{"role": "user", "content": "hi"}]}),
        json!({"models": [], "messages": [{"role": "user", "content": "hi"}]}),
    ] {
        let fake = serve([], CHAT, &body, &[]);
        assert_eq!((fake.status(), answer(&fake)["error"]["param"].as_str()), (400, Some("model")));
    }
}

fn asks_for_no_thoughts(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}],
        "reasoning": {"effort": "high", "exclude": true}})
}

#[test]
fn thoughts_that_are_not_wanted_are_kept_back_whoever_had_them() {
    let deepseek = Script::json(
        200,
        json!({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
            "message": {"role": "assistant", "content": "Hello", "reasoning_content": "hm-secret"}, "finish_reason": "stop"}]})
        .to_string(),
    );
    let claude = Script::json(
        200,
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [
            {"type": "thinking", "thinking": "hm-secret", "signature": "c2ln"}, {"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 9}})
        .to_string(),
    );
    for (model, script) in [("deepseek/deepseek-chat", deepseek), ("anthropic/claude-opus-4-6", claude)] {
        let fake = serve([script.clone()], CHAT, &asks_for_no_thoughts(model, false), &[]);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        assert_eq!(answer(&fake)["choices"][0]["message"]["content"], "Hello");
        assert!(!fake.body().contains("hm-secret") && !fake.body().contains("c2ln"), "{model}: {}", fake.body());
        assert_eq!(sent(&fake, 0).pointer("/reasoning/exclude"), None, "{model}: {}", sent(&fake, 0));
        let mut shown = asks_for_no_thoughts(model, false);
        shown["reasoning"]["exclude"] = json!(false);
        assert!(
            serve([script], CHAT, &shown, &[]).body().contains("hm-secret"),
            "{model}: shown where they are wanted"
        );
    }
}

#[test]
fn a_stream_keeps_back_thoughts_too() {
    let chunk = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        format!(
            "data: {}\n\n",
            json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})
        )
    };
    let deepseek = [
        chunk(json!({"role": "assistant", "content": null, "reasoning_content": "hm-secret"}), Value::Null),
        chunk(json!({"content": "Hello"}), Value::Null),
        chunk(json!({}), json!("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let event = |kind: &str, mut rest: Value| {
        rest["type"] = json!(kind);
        format!("event: {kind}\ndata: {rest}\n\n")
    };
    let block =
        |index: u32, block: Value| event("content_block_start", json!({"index": index, "content_block": block}));
    let delta = |index: u32, delta: Value| event("content_block_delta", json!({"index": index, "delta": delta}));
    let claude = [
        event(
            "message_start",
            json!({"message": {"id": "msg_1", "model": "m", "content": [], "usage": {"input_tokens": 3}}}),
        ),
        block(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "hm-secret"})),
        delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
        event("content_block_stop", json!({"index": 0})),
        block(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "Hello"})),
        event("content_block_stop", json!({"index": 1})),
        event("message_delta", json!({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}})),
        event("message_stop", json!({})),
    ];
    for (model, script) in
        [("deepseek/deepseek-chat", Script::stream(deepseek)), ("anthropic/claude-opus-4-6", Script::stream(claude))]
    {
        let fake = serve([script.clone()], CHAT, &asks_for_no_thoughts(model, true), &[]);
        assert!(fake.body().contains("Hello") && fake.body().ends_with("data: [DONE]\n\n"), "{}", fake.body());
        assert!(!fake.body().contains("hm-secret") && !fake.body().contains("c2ln"), "{model}: {}", fake.body());
        let mut shown = asks_for_no_thoughts(model, true);
        shown["reasoning"]["exclude"] = json!(false);
        assert!(
            serve([script], CHAT, &shown, &[]).body().contains("hm-secret"),
            "{model}: shown where they are wanted"
        );
    }
}

#[test]
fn the_wish_for_no_thoughts_goes_to_those_who_know_it_only() {
    for (model, expected) in
        [("openrouter/x/y", json!({"effort": "high", "exclude": true})), ("openai/gpt-5", Value::Null)]
    {
        let fake = serve([hello()], CHAT, &asks_for_no_thoughts(model, false), &[]);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        assert_eq!(sent(&fake, 0)["reasoning"], expected, "{model}");
    }
}

#[test]
fn one_call_at_a_time_is_kept_for_providers_that_cannot_be_asked_for_it() {
    let call = |name: &str| json!({"functionCall": {"name": name, "args": {}}});
    let googles = json!({"candidates": [{"index": 0, "finishReason": "STOP", "content": {"role": "model",
        "parts": [call("first"), call("second"), call("first")]}}], "usageMetadata": {"promptTokenCount": 3}});
    let tool = |name: &str| json!({"name": name, "input_schema": {"type": "object"}});
    let asks = |alone: bool, stream: bool| {
        json!({"model": "gemini/gemini-3-pro", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}],
            "tools": [tool("first"), tool("second")],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": alone}})
    };
    for stream in [false, true] {
        let script = if stream {
            Script::stream([format!("data: {googles}\r\n\r\n")])
        } else {
            Script::json(200, googles.to_string())
        };
        let fake = serve([script.clone()], "/v1/messages", &asks(true, stream), &[("x-signalbox-explain", "true")]);
        assert_eq!((fake.status(), fake.body().matches("\"tool_use\",\"id\"").count()), (200, 1), "{}", fake.body());
        assert!(fake.body().contains("\"first\"") && !fake.body().contains("\"second\""), "{}", fake.body());
        assert!(fake.body().contains("\"stop_reason\":\"tool_use\""));
        assert!(fake.body().contains("those after the first are left out"), "told: {}", fake.body());
        let fake = serve([script], "/v1/messages", &asks(false, stream), &[]);
        assert_eq!(fake.body().matches("\"tool_use\",\"id\"").count(), 3, "{}", fake.body());
    }
}

#[test]
fn a_compressed_body_is_refused_by_the_headers_name_in_every_dialect() {
    let message = |answer: &Value| answer["error"]["message"].as_str().unwrap_or_default().to_owned();
    let paths = [
        CHAT,
        "/v1/responses",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1beta/models/m:generateContent",
        "/v1beta/models/m:streamGenerateContent",
        "/v1beta/models/m:embedContent",
    ];
    for path in paths {
        for coding in ["gzip", "br", " GZIP"] {
            let fake = serve([], path, &json!({}), &[("content-encoding", coding)]);
            assert_eq!(fake.status(), 415, "{path}: {}", fake.body());
            assert!(message(&answer(&fake)).contains("content-encoding"), "{path}: {}", fake.body());
            assert!(fake.calls().is_empty());
        }
        let fake = serve([], path, &json!({}), &[("content-encoding", "identity")]);
        assert_ne!(fake.status(), 415, "{path}");
    }
}

/// How clients of llama.cpp and LM Studio say it.
#[test]
fn a_bound_of_minus_one_is_none() {
    let asks = |model: &str| json!({"model": model, "max_tokens": -1, "messages": [{"role": "user", "content": "hi"}]});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}});
    let fake = serve([Script::json(200, whole.to_string())], CHAT, &asks("deepseek/local"), &[]);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    assert!(matches!(sent(&fake, 0)["max_tokens"].as_i64(), None | Some(-1)), "as it was said, or unsaid");
    let fake = serve([Script::silent()], CHAT, &asks("gemini/gemini-2.5-flash"), &[]);
    assert!(sent(&fake, 0)["generationConfig"].get("maxOutputTokens").is_none());
}

#[test]
fn a_bound_of_nothing_is_anthropics_alone() {
    let asks = |model: &str| json!({"model": model, "max_tokens": 0, "messages": [{"role": "user", "content": "hi"}]});
    let warmed = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": "max_tokens", "usage": {"input_tokens": 3, "output_tokens": 0}});
    let fake = serve([Script::json(200, warmed.to_string())], "/v1/messages", &asks("anthropic/claude-opus-4-6"), &[]);
    assert_eq!((fake.status(), sent(&fake, 0)["max_tokens"].as_u64()), (200, Some(0)));
    for model in ["openai/gpt-4o-mini", "gemini/gemini-3-pro", "deepseek/deepseek-chat"] {
        let fake = serve([], "/v1/messages", &asks(model), &[]);
        assert_eq!(fake.status(), 400, "{model}: {}", fake.body());
        assert!(fake.body().contains("max_tokens"), "{}", fake.body());
    }
    let googles = json!({"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 0}});
    let fake = serve([], "/v1beta/models/anthropic%2Fclaude-opus-4-6:generateContent", &googles, &[]);
    assert_eq!(fake.status(), 400, "a cache is not filled by chance: {}", fake.body());
    assert!(fake.body().contains("maxOutputTokens"), "{}", fake.body());
}

#[test]
fn cache_marks_go_where_prompts_can_be_marked_and_only_the_last_four_count() {
    let marked =
        |text: &str| json!({"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": "1h"}});
    let asks = |model: &str| {
        json!({"model": model, "max_tokens": 9, "system": [marked("rules"), {"type": "text", "text": "more"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, marked("b")]}]})
    };
    let fake = serve([hello()], "/v1/messages", &asks("openai/gpt-4o-mini"), &[]);
    assert!(!sent(&fake, 0).to_string().contains("breakpoint"), "earlier models have no marks: {}", sent(&fake, 0));
    let fake = serve([hello()], "/v1/messages", &asks("openai/gpt-5.6"), &[]);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let breakpoint = json!({"mode": "explicit"});
    assert_eq!(
        sent(&fake, 0).pointer("/messages/0/content/0/prompt_cache_breakpoint"),
        Some(&breakpoint),
        "{}",
        sent(&fake, 0)
    );
    assert_eq!(sent(&fake, 0).pointer("/messages/0/content/1/prompt_cache_breakpoint"), None);
    assert_eq!(sent(&fake, 0).pointer("/messages/1/content/1/prompt_cache_breakpoint"), Some(&breakpoint));
    assert!(fake.header("x-signalbox-losses").unwrap().contains("messages.0.content.1.cache_control"), "told");

    let part = |text: &str| json!({"type": "text", "text": text, "prompt_cache_breakpoint": {"mode": "explicit"}});
    let asks = json!({"model": "anthropic/claude-opus-4-6", "messages": [
        {"role": "system", "content": [part("1")]}, {"role": "user", "content": [part("2"), part("3"), part("4"), part("5")]}]});
    let answer = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "x"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 3, "output_tokens": 1}});
    let fake = serve([Script::json(200, answer.to_string())], CHAT, &asks, &[]);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let sent = sent(&fake, 0);
    assert_eq!(sent.to_string().matches(r#""cache_control":{"ttl":"1h","type":"ephemeral"}"#).count(), 4, "{sent}");
    assert!(sent["system"][0].get("cache_control").is_none(), "the first of five does not count: {sent}");
}
