//! Counting tokens over a scripted world: a model's own counter is asked, in its own dialect, and nothing is charged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use serde_json::{json, Value};
use signalbox::accounting::{Cost, Outcome, Row};
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
    "deepseek": {"base_url": "http://127.0.0.1:9/deepseek", "api_key": "k-deepseek"}
  }
}"#;
const CLAUDE: &str = "anthropic/claude-haiku-4-5";
const GOOGLE: &str = "gemini/gemini-2.5-flash";

thread_local! {
    static READ_ONCE: Gateway = Gateway::load_local(CONFIG).expect("the test's configuration is valid");
}

fn serve(fake: &Fake, path: &str, body: &str, headers: &[(&str, &str)]) {
    let gateway = READ_ONCE.with(support::forgetful);
    let request = Request {
        method: "POST".into(),
        path: path.into(),
        headers: headers.iter().copied().collect(),
        body: body.as_bytes().to_vec(),
        ..Request::default()
    };
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
    for (_, row) in fake.0.rows.borrow().iter() {
        match row {
            Row::Open { opened } => assert_eq!(opened.estimate.cost, Cost::NOTHING, "counting costs nothing"),
            Row::Settle { settled, .. } => assert_eq!(settled.cost, Cost::NOTHING, "counting costs nothing"),
            Row::Release { opened } => panic!("{opened:?}"),
        }
    }
}

fn anthropic(fake: &Fake, model: &str, more: &str, headers: &[(&str, &str)]) {
    let body = format!(r#"{{ "model":"{model}", "messages":[{{"role":"user","content":"Hi there"}}]{more} }}"#);
    serve(fake, "/v1/messages/count_tokens", &body, headers);
}

fn google(fake: &Fake, model: &str, body: &str) {
    serve(fake, &format!("/v1beta/models/{model}:countTokens"), body, &[]);
}

fn sent(fake: &Fake, call: usize) -> Value {
    serde_json::from_slice(&fake.calls()[call].request.body).unwrap()
}

fn got(fake: &Fake) -> Value {
    serde_json::from_str(&fake.body()).unwrap()
}

#[test]
fn claude_counts_for_an_anthropic_client_byte_for_byte() {
    let counted = r#"{ "input_tokens": 14, "new": 1.0 }"#;
    let fake = Fake::new([Script::json(200, counted)]);
    anthropic(
        &fake,
        CLAUDE,
        r#", "tools": [], "later": 1"#,
        &[("anthropic-version", "2023-06-01"), ("anthropic-beta", "b1")],
    );
    assert_eq!((fake.status(), fake.body().as_str()), (200, counted));
    let call = &fake.calls()[0].request;
    assert_eq!(call.url, "http://127.0.0.1:9/anthropic/v1/messages/count_tokens");
    assert_eq!(call.headers.value("anthropic-beta"), Some("b1"));
    assert_eq!(
        String::from_utf8_lossy(&call.body),
        r#"{ "model":"claude-haiku-4-5", "messages":[{"role":"user","content":"Hi there"}], "tools": [], "later": 1 }"#
    );
    let rows = fake.0.rows.borrow();
    assert!(rows
        .iter()
        .any(|(_, row)| matches!(row, Row::Settle { settled, .. } if settled.outcome == Outcome::Completed)));
    assert_eq!(fake.header("x-signalbox-cost-usd").as_deref(), Some("0"));
}

#[test]
fn gemini_counts_for_a_gemini_client_byte_for_byte() {
    let counted = r#"{"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]}"#;
    for (body, expected) in [
        (r#"{ "contents":[{"parts":[{"text":"Hi"}]}], "later": 1.0 }"#, None),
        (
            r#"{ "generateContentRequest" : { "model":"models/gemini/gemini-2.5-flash", "contents":[{"parts":[{"text":"Hi"}]}] } }"#,
            Some(
                r#"{ "generateContentRequest" : { "model":"models/gemini-2.5-flash", "contents":[{"parts":[{"text":"Hi"}]}] } }"#,
            ),
        ),
        (
            r#"{"generateContentRequest":{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"Hi"}]}]}}"#,
            None,
        ),
    ] {
        let fake = Fake::new([Script::json(200, counted)]);
        google(&fake, GOOGLE, body);
        assert_eq!((fake.status(), fake.body().as_str()), (200, counted), "{body}");
        assert!(fake.calls()[0].request.url.ends_with("/v1beta/models/gemini-2.5-flash:countTokens"));
        assert_eq!(String::from_utf8_lossy(&fake.calls()[0].request.body), expected.unwrap_or(body));
    }
}

#[test]
fn a_model_of_the_other_dialect_counts_what_it_would_be_sent() {
    let fake = Fake::new([Script::json(200, r#"{"totalTokens": 31}"#)]);
    anthropic(&fake, GOOGLE, r#", "system": "Be brief", "thinking": {"type":"enabled","budget_tokens":2000}"#, &[]);
    assert_eq!((fake.status(), got(&fake)), (200, json!({"input_tokens": 31})), "{}", fake.body());
    let inner = &sent(&fake, 0)["generateContentRequest"];
    assert_eq!(
        (&inner["model"], &inner["contents"][0]["parts"][0]["text"]),
        (&json!("models/gemini-2.5-flash"), &json!("Hi there"))
    );
    assert_eq!(inner["systemInstruction"]["parts"][0]["text"], "Be brief");
    assert!(inner["generationConfig"].get("maxOutputTokens").is_none(), "{inner}");

    for body in [
        json!({"contents": [{"parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": [{"text": "Be brief"}]}}),
        json!({"generateContentRequest": {"contents": [{"parts": [{"text": "Hi"}]}], "systemInstruction": {"parts": [{"text": "Be brief"}]}}}),
    ] {
        let fake = Fake::new([Script::json(200, r#"{"input_tokens": 14}"#)]);
        google(&fake, CLAUDE, &body.to_string());
        assert_eq!((fake.status(), got(&fake)), (200, json!({"totalTokens": 14})), "{}", fake.body());
        let sent = sent(&fake, 0);
        assert_eq!(sent["model"], "claude-haiku-4-5");
        assert!(sent["system"].to_string().contains("Be brief"), "{sent}");
        assert!(["max_tokens", "stream", "temperature"].iter().all(|name| sent.get(name).is_none()), "{sent}");
    }
}

#[test]
fn openais_models_count_at_their_own_counter_and_it_is_said_whose_request_was_counted() {
    let counted = || Script::json(200, r#"{"object": "response.input_tokens", "input_tokens": 23}"#);
    let tools = r#", "system": "Be brief", "tools": [{"name": "look", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"}"#;
    let fake = Fake::new([counted()]);
    anthropic(&fake, "openai/gpt-5.6-sol", tools, &[]);
    assert_eq!((fake.status(), got(&fake)), (200, json!({"input_tokens": 23})), "{}", fake.body());
    assert_eq!(fake.calls()[0].request.url, "http://127.0.0.1:9/openai/v1/responses/input_tokens");
    let body = sent(&fake, 0);
    let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["input", "model", "tool_choice", "tools"], "nothing that belongs to an answer: {body}");
    assert_eq!((&body["input"][0]["content"], &body["tools"][0]["name"]), (&json!("Be brief"), &json!("look")));
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("count_tokens:converted"));

    let fake = Fake::new([counted()]);
    // What the answer would be like is no part of a prompt, whoever may refuse it there.
    let config = r#""generationConfig": {"stopSequences": ["x"], "topK": 3, "seed": 1, "candidateCount": 2, "maxOutputTokens": 9}"#;
    let inner = format!(r#"{{"contents": [{{"parts": [{{"text": "Hi"}}]}}], {config}}}"#);
    google(&fake, "openai/gpt-4o-mini", &format!(r#"{{"generateContentRequest": {inner}}}"#));
    assert_eq!((fake.status(), got(&fake)), (200, json!({"totalTokens": 23})), "{}", fake.body());
}

#[test]
fn a_provider_without_a_counter_gives_no_count_unless_an_estimate_is_asked_for() {
    let fake = Fake::new([]);
    anthropic(&fake, "deepseek/deepseek-v4-pro", "", &[]);
    assert_eq!((fake.status(), fake.calls().len()), (400, 0));
    assert!(got(&fake)["error"]["message"].as_str().unwrap().contains("count_tokens"), "{}", fake.body());
    assert_eq!(got(&fake)["error"]["type"], "invalid_request_error");

    let fake = Fake::new([]);
    anthropic(&fake, "deepseek/deepseek-v4-pro", "", &[("x-signalbox-on-unsupported", "drop")]);
    let answer = got(&fake);
    assert_eq!((fake.status(), fake.calls().len(), &answer["signalbox"]["estimated"]), (200, 0, &json!(true)));
    assert!(answer["input_tokens"].as_u64().unwrap() > 0);
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("count_tokens:unsupported"));
    assert_eq!(fake.header("x-signalbox-model"), None, "nobody counted");
}

#[test]
fn counting_is_tried_again_like_any_call_and_errors_are_the_callers_dialects() {
    let fake = Fake::new([
        Script::json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#),
        Script::json(200, r#"{"input_tokens": 3}"#),
    ]);
    anthropic(&fake, CLAUDE, "", &[]);
    assert_eq!((fake.status(), fake.calls().len()), (200, 2));
    let fake = Fake::new([Script::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: odd"}}"#,
    )]);
    google(&fake, CLAUDE, r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#);
    assert_eq!((fake.status(), &got(&fake)["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
    for (path, body) in
        [("/v1/messages/count_tokens", r#"{"model":"x"}"#), ("/v1beta/models/gemini/x:countTokens", "{}")]
    {
        let fake = Fake::new([]);
        serve(&fake, path, body, &[]);
        assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{path}");
    }
}

#[test]
fn an_answer_without_a_number_is_none() {
    for body in ["{}", r#"{"totalTokens": 3}"#, "<html>", r#"{"input_tokens": "3"}"#] {
        let fake = Fake::new([Script::json(200, body), Script::json(200, body)]);
        anthropic(&fake, CLAUDE, "", &[]);
        assert!(fake.status() >= 500, "{body}");
    }
}
