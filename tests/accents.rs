//! Servers that speak OpenAI's dialect with an accent, seen from both sides: what they are sent, and what a caller of the
//! same dialect is shown of their answers (`wire.md` §1.5–1.8, §2 columns M, D and Q, §6).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::Row;
use signalbox::config::Mode;
use signalbox::dialect::canonical::Usage;
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "mistral": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "deepseek": {"base_url": "http://127.0.0.1:9", "api_key": "k"},
    "qwen": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "groq": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "openrouter": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "openai": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "xai": {"base_url": "http://127.0.0.1:9/v1", "api_key": "k"},
    "azure": {"base_url": "http://127.0.0.1:9/openai", "api_key": "k", "api_version": "2024-10-21"},
    "home": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/v1", "profile": "ollama"}
  },
  "aliases": {"pair": {"candidates": ["mistral/mistral-large-2512", "openai/gpt-4o"], "policy": "balanced"}}
}"#;

fn ask(fake: &Fake, body: &Value, headers: &[(&str, &str)]) {
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    let body = body.to_string().into_bytes();
    let request = Request {
        method: "POST".into(),
        path: "/v1/chat/completions".into(),
        headers: headers.iter().copied().collect(),
        body: body.clone(),
        ..Request::default()
    };
    *fake.0.request_body.borrow_mut() = body;
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
}

fn sent(fake: &Fake) -> Value {
    serde_json::from_slice(&fake.calls().last().expect("somebody was called").request.body).unwrap()
}

fn shown(fake: &Fake) -> Value {
    serde_json::from_str(&fake.body()).unwrap_or_else(|_| panic!("no JSON: {}", fake.body()))
}

/// The chunks of a stream that a caller got, and whether it was terminated.
fn chunks(fake: &Fake) -> (Vec<Value>, bool) {
    let body = fake.body();
    let data: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let read = data.iter().filter(|data| **data != "[DONE]").map(|data| serde_json::from_str(data).unwrap());
    (read.collect(), data.last() == Some(&"[DONE]"))
}

/// What the ledger was told of each attempt's tokens.
fn counted(fake: &Fake) -> Vec<Usage> {
    let rows = fake.0.rows.borrow();
    let settled = rows.iter().filter_map(|(_, row)| match row {
        Row::Settle { settled, .. } => Some(settled.usage),
        Row::Open { .. } | Row::Release { .. } => None,
    });
    settled.collect()
}

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]})
}

const ANSWER: &str = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"ok"}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;

#[test]
fn trap_5_comments_of_openrouter_and_deepseek_never_reach_the_caller_as_data() {
    for (model, comment) in [("openrouter/a/b", ": OPENROUTER PROCESSING\n\n"), ("deepseek/m", ": keep-alive\n\n")] {
        let fake = Fake::new([Script::stream([
            comment,
            "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"}}]}\n\n",
            comment,
            "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
            "data: [DONE]\n\n",
        ])]);
        let mut body = hello(model);
        body["stream"] = json!(true);
        ask(&fake, &body, &[]);
        let (chunks, done) = chunks(&fake);
        assert!(done && chunks.iter().all(|chunk| chunk.get("choices").is_some()), "{}", fake.body());
        assert_eq!(chunks[0]["choices"][0]["delta"]["content"], json!("ok"));
    }
}

#[test]
fn trap_6_a_deepseek_body_that_begins_with_blank_lines_is_read() {
    for before in ["\n\n\n", "\u{feff}"] {
        let fake = Fake::new([Script::json(200, format!("{before}{ANSWER}"))]);
        ask(&fake, &hello("deepseek/deepseek-v4-pro"), &[]);
        assert_eq!(fake.status(), 200);
        assert_eq!(shown(&fake)["choices"][0]["message"]["content"], json!("ok"));
        assert_eq!(shown(&fake)["usage"]["prompt_tokens"], json!(5));
    }
}

#[test]
fn trap_22_groqs_usage_beside_its_last_chunk_is_counted_once_and_the_chunk_kept() {
    let fake = Fake::new([Script::stream([
        "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ok\"}}]}\n\n",
        "data: {\"id\":\"a\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"!\"},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}}\n\n",
        "data: [DONE]\n\n",
    ])]);
    let mut body = hello("groq/openai/gpt-oss-20b");
    body["stream"] = json!(true);
    body["stream_options"] = json!({"include_usage": true});
    ask(&fake, &body, &[]);
    let (chunks, done) = chunks(&fake);
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), done), ("ok!", true));
    let counted: Vec<(u64, u64)> = counted(&fake).iter().map(|u| (u.prompt_tokens(), u.completion_tokens())).collect();
    assert_eq!(counted, [(5, 2)]);
}

#[test]
fn trap_31_deepseek_is_sent_an_empty_reasoning_where_a_turn_beside_tools_has_none() {
    let fake = Fake::new([Script::json(200, ANSWER)]);
    let mut body = hello("deepseek/deepseek-v4-pro");
    body["messages"].as_array_mut().unwrap().push(json!({"role": "assistant", "content": "a"}));
    body["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "b"}));
    body["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    ask(&fake, &body, &[]);
    assert_eq!(sent(&fake)["messages"][1], json!({"role": "assistant", "content": "a", "reasoning_content": ""}));
}

#[test]
fn trap_37_ids_go_to_mistral_as_nine_letters_and_come_back_as_the_callers() {
    let body = json!({"model": "mistral/mistral-large-2512", "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": "call_AbCdEfGhIjKlMnOp", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_AbCdEfGhIjKlMnOp", "content": "1"}]});
    // The second call of the same tool comes without an id, its arguments as an object, in a list of chunks.
    let answer = r#"{"id":"a","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"tool_calls","message":{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"why"}]},{"type":"text","text":"so"}],"tool_calls":[{"id":"null","function":{"name":"f","arguments":{"a":1.0}}}]}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    let fake = Fake::new([Script::json(200, answer)]);
    ask(&fake, &body, &[]);
    let id = sent(&fake)["messages"][1]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(sent(&fake)["messages"][2]["tool_call_id"], json!(id));
    let message = &shown(&fake)["choices"][0]["message"];
    assert_eq!((&message["content"], &message["reasoning_content"]), (&json!("so"), &json!("why")));
    let call = &message["tool_calls"][0];
    assert!(!["null", ""].contains(&call["id"].as_str().unwrap()));
    assert_eq!(call["function"]["arguments"], json!(r#"{"a":1.0}"#));
}

#[test]
fn mistrals_stream_of_lists_reaches_an_openai_caller_as_text() {
    let fake = Fake::new([Script::stream([
        "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"why\"}]}]}}]}\n\n",
        "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"so\"}]}}]}\n\n",
        "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"!\",\"tool_calls\":[{\"id\":\"null\",\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7}}\n\n",
        "data: [DONE]\n\n",
    ])]);
    let mut body = hello("mistral/mistral-large-2512");
    body["stream"] = json!(true);
    ask(&fake, &body, &[]);
    assert!(sent(&fake).get("stream_options").is_none(), "not in its schema");
    let (chunks, done) = chunks(&fake);
    let deltas =
        |name: &str| -> String { chunks.iter().filter_map(|c| c["choices"][0]["delta"][name].as_str()).collect() };
    assert_eq!((deltas("content").as_str(), deltas("reasoning_content").as_str(), done), ("so!", "why", true));
    let calls: Vec<&Value> =
        chunks.iter().filter_map(|c| c["choices"][0]["delta"]["tool_calls"].as_array()).flatten().collect();
    assert!(calls.iter().all(|call| call["id"] != "null"), "{calls:?}");
    let arguments: String = calls.iter().filter_map(|call| call["function"]["arguments"].as_str()).collect();
    assert_eq!(arguments, r#"{"a":1}"#);
}

#[test]
fn trap_38_azures_filter_chunks_are_no_deltas_and_break_nothing() {
    let fake = Fake::new([Script::stream([
        "data: {\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\n",
        "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"ok\"}}]}\n\n",
        "data: {\"id\":\"\",\"model\":\"\",\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_results\":{},\"content_filter_offsets\":{\"check_offset\":1,\"start_offset\":1,\"end_offset\":2}}]}\n\n",
        "data: {\"id\":\"a\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: [DONE]\n\n",
    ])]);
    let mut body = hello("azure/my-deployment");
    body["stream"] = json!(true);
    ask(&fake, &body, &[]);
    let call = &fake.calls()[0].request;
    assert!(
        call.url.ends_with("/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21"),
        "{}",
        call.url
    );
    assert_eq!((call.headers.value("api-key"), call.headers.value("authorization")), (Some("k"), None));
    let (chunks, done) = chunks(&fake);
    let text: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!((text.as_str(), done), ("ok", true));
    assert!(chunks.iter().any(|chunk| chunk.get("prompt_filter_results").is_some()), "its filter data is kept");
}

#[test]
fn what_a_server_has_no_word_for_excludes_it_from_an_alias_and_stays_where_the_caller_names_it() {
    let mut body = hello("pair");
    body["logit_bias"] = json!({"1": 2});
    let fake = Fake::new([Script::json(200, ANSWER)]);
    ask(&fake, &body, &[]);
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("openai/gpt-4o"));
    body["model"] = json!("mistral/mistral-large-2512");
    let fake = Fake::new([Script::json(200, ANSWER)]);
    ask(&fake, &body, &[]);
    assert_eq!(sent(&fake)["logit_bias"], json!({"1": 2}), "the provider decides");
    let fake = Fake::new([Script::json(200, ANSWER)]);
    ask(&fake, &body, &[("x-signalbox-on-unsupported", "drop")]);
    assert!(sent(&fake).get("logit_bias").is_none());
    assert!(fake.header("x-signalbox-losses").unwrap().contains("logit_bias"));
}

#[test]
fn what_a_server_is_sent_as_it_was_written_is_reported_as_lost_by_nobody() {
    let tool = json!({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}, "cache_control": {"type": "ephemeral"}});
    let body = json!({"model": "mistral/mistral-large-latest", "user": "u", "tools": [tool],
        "messages": [{"role": "user", "content": "hi", "name": "bob", "brand_new": 1}]});
    for headers in [&[][..], &[("x-signalbox-on-unsupported", "drop")]] {
        let fake = Fake::new([Script::json(200, ANSWER)]);
        ask(&fake, &body, headers);
        assert_eq!((&sent(&fake)["messages"], &sent(&fake)["tools"]), (&body["messages"], &body["tools"]));
        assert_eq!(sent(&fake).get("user"), None);
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("user:advisory"), "{headers:?}");
    }
}

#[test]
fn an_effort_that_a_model_lacks_is_converted_and_reported() {
    let mut body = hello("deepseek/deepseek-v4-pro");
    body["reasoning_effort"] = json!("medium");
    let fake = Fake::new([Script::json(200, ANSWER)]);
    ask(&fake, &body, &[]);
    assert_eq!(sent(&fake)["reasoning_effort"], json!("high"));
    assert!(fake.header("x-signalbox-losses").unwrap().contains("reasoning_effort"));
}

/// `wire.md` §6 trap 22, §1.8: xAI's cached tokens may exceed the prompt, and then stand beside it.
#[test]
fn xais_additive_cached_tokens_are_priced_once_each() {
    let answer = ANSWER.replace(
        r#""usage":{"prompt_tokens":5,"#,
        r#""usage":{"prompt_tokens_details":{"cached_tokens":64},"prompt_tokens":5,"#,
    );
    let fake = Fake::new([Script::json(200, answer)]);
    ask(&fake, &hello("xai/grok-4.7"), &[]);
    let usages: Vec<(u64, Option<u64>)> =
        counted(&fake).iter().map(|usage| (usage.input_tokens, usage.cached_input_tokens)).collect();
    assert_eq!(usages, [(5, Some(64))]);
}

/// `wire.md` §6 traps 33 and 34 for models that are reached through another dialect.
#[test]
fn traps_33_and_34_what_a_claude_rejects_is_refused_by_name_before_any_call() {
    let config =
        CONFIG.replace("\"xai\":", r#""anthropic": {"base_url": "http://127.0.0.1:9", "api_key": "k"}, "xai":"#);
    let gateway = Rc::new(Gateway::load_local(&config).unwrap());
    let mut warm = hello("anthropic/claude-opus-4-7");
    warm["temperature"] = json!(0.5);
    let mut forced = hello("anthropic/claude-opus-5-5");
    forced["tools"] = json!([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]);
    forced["tool_choice"] = json!("required");
    for (body, word) in [(warm, "sampling"), (forced, "forced tools")] {
        let fake = Fake::new([]);
        let body = body.to_string().into_bytes();
        *fake.0.request_body.borrow_mut() = body.clone();
        let request =
            Request { method: "POST".into(), path: "/v1/chat/completions".into(), body, ..Request::default() };
        futures::executor::block_on(pipeline::handle(&fake, Ok(gateway.clone()), request));
        assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{}", fake.body());
        assert!(shown(&fake)["error"]["message"].as_str().unwrap().contains(word), "{}", fake.body());
    }
    // At its documented default a parameter is exact by omission.
    let mut plain = hello("anthropic/claude-opus-4-7");
    plain["temperature"] = json!(1.0);
    let fake = Fake::new([Script::json(
        200,
        r#"{"id":"m","type":"message","role":"assistant","model":"c","content":[{"type":"text","text":"ok"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#,
    )]);
    let body = plain.to_string().into_bytes();
    *fake.0.request_body.borrow_mut() = body.clone();
    let request = Request { method: "POST".into(), path: "/v1/chat/completions".into(), body, ..Request::default() };
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    assert!(sent(&fake).get("temperature").is_none());
}

#[test]
fn the_catalogue_page_tells_what_a_model_takes_by_family_and_server() {
    let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
    let page = |id: &str| -> Value {
        let fake = Fake::new([]);
        let request = Request { method: "GET".into(), path: format!("/v1/models/{id}"), ..Request::default() };
        futures::executor::block_on(pipeline::handle(&fake, Ok(gateway.clone()), request));
        shown(&fake)
    };
    let takes = |id: &str, parameter: &str| {
        page(id)["supported_parameters"].as_array().unwrap().iter().any(|name| name == parameter)
    };
    assert!(takes("openai/gpt-4o", "logit_bias") && takes("openai/gpt-4o", "temperature"));
    assert!(!takes("openai/gpt-5", "temperature") && !takes("openai/gpt-5", "stop"));
    assert!(takes("mistral/mistral-large-2512", "top_k") && !takes("mistral/mistral-large-2512", "logit_bias"));
    assert!(!takes("deepseek/deepseek-v4-pro", "n") && !takes("deepseek/deepseek-v4-pro", "seed"));
    assert_eq!(page("openai/gpt-5")["reasoning_efforts"], json!(["minimal", "low", "medium", "high"]));
    assert_eq!(page("openai/gpt-4o")["architecture"]["input_modalities"], json!(["text", "image", "file"]));
}

/// Workers AI behind its binding: a model's name and inputs instead of an address.
#[test]
fn workers_ai_is_called_by_its_models_name_where_the_binding_is_there_and_nowhere_else() {
    let load = |bound: bool| {
        let known = move |name: &str| (bound && name == "AI").then(|| "bound".to_owned());
        Rc::new(Gateway::load(&[CONFIG], None, Mode::Local, &known, Rc::default()).unwrap())
    };
    let run = |fake: &Fake, gateway: Rc<Gateway>, body: &Value| {
        let body = body.to_string().into_bytes();
        *fake.0.request_body.borrow_mut() = body.clone();
        let request =
            Request { method: "POST".into(), path: "/v1/chat/completions".into(), body, ..Request::default() };
        futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
    };
    let body = hello("workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast");
    let answer = r#"{"response":"ok","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    let fake = Fake::new([Script::json(200, answer)]);
    run(&fake, load(true), &body);
    let call = fake.calls()[0].request.clone();
    assert_eq!((call.model.as_deref(), call.url.as_str()), (Some("@cf/meta/llama-3.3-70b-instruct-fp8-fast"), ""));
    assert!(sent(&fake).get("model").is_none(), "named beside the inputs");
    assert_eq!(sent(&fake)["max_tokens"], json!(4096), "its own bound is 256");
    assert_eq!(shown(&fake)["choices"][0]["message"]["content"], json!("ok"));
    assert_eq!(shown(&fake)["choices"][0]["finish_reason"], json!("stop"));
    assert!(shown(&fake)["usage"]["cost"].as_f64().is_some_and(|cost| cost > 0.0), "{}", fake.body());
    let fake = Fake::new([]);
    run(&fake, load(false), &body);
    assert_eq!((fake.status(), fake.calls().len()), (400, 0));
}

/// `wire.md` §6 trap 18.
#[test]
fn trap_18_no_neurons_is_an_empty_account_and_no_capacity_is_not() {
    let known = |name: &str| (name == "AI").then(|| "bound".to_owned());
    let gateway = Rc::new(Gateway::load(&[CONFIG], None, Mode::Local, &known, Rc::default()).unwrap());
    for (code, calls) in [("3036", 1), ("3040", 2)] {
        // As the binding's raw response and as its exception have it.
        for error in [
            format!(r#"{{"internalCode":{code},"name":"InferenceUpstreamError","description":"d"}}"#),
            format!(r#"{{"success":false,"errors":[{{"message":"{code}: no"}}]}}"#),
        ] {
            let fake = Fake::new([Script::json(429, error.clone()), Script::json(200, r#"{"response":"ok"}"#)]);
            let body = hello("workers-ai/@cf/openai/gpt-oss-20b").to_string().into_bytes();
            *fake.0.request_body.borrow_mut() = body.clone();
            let request =
                Request { method: "POST".into(), path: "/v1/chat/completions".into(), body, ..Request::default() };
            futures::executor::block_on(pipeline::handle(&fake, Ok(gateway.clone()), request));
            assert_eq!(fake.calls().len(), calls, "{error}: {}", fake.body());
        }
    }
}
