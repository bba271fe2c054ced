//! Vectors over a scripted world: what callers of either form get, what providers of either form see, and that no vector of
//! another model ever stands in for one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use signalbox::accounting::{Certainty, Cost, Outcome, Row};
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
    "mistral": {"base_url": "http://127.0.0.1:9/mistral/v1", "api_key": "k-mistral"},
    "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k-backup", "prices_of": "openai"}
  },
  "models": {"backup/text-embedding-3-small": {"embedding": true}},
  "aliases": {"small": {"candidates": ["text-embedding-3-small"], "policy": "balanced"}}
}"#;

const OPENAI: &str = "openai/text-embedding-3-small";
const GOOGLE: &str = "gemini/gemini-embedding-001";

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
    let rows = fake.0.rows.borrow();
    assert_eq!(rows.len(), 2 * fake.calls().len(), "each attempt has one account");
}

fn embed(fake: &Fake, body: &Value, headers: &[(&str, &str)]) {
    serve(fake, "/v1/embeddings", &body.to_string(), headers);
}

fn google(fake: &Fake, model: &str, method: &str, body: &Value) {
    serve(fake, &format!("/v1beta/models/{model}:{method}"), &body.to_string(), &[]);
}

fn sent(fake: &Fake, call: usize) -> Value {
    serde_json::from_slice(&fake.calls()[call].request.body).unwrap()
}

fn got(fake: &Fake) -> Value {
    serde_json::from_str(&fake.body()).unwrap()
}

fn settled(fake: &Fake) -> (Outcome, u64, Cost) {
    let rows = fake.0.rows.borrow();
    let found = rows.iter().rev().find_map(|(_, row)| match row {
        Row::Settle { settled, .. } => Some((settled.outcome, settled.usage.input_tokens, settled.cost)),
        Row::Open { .. } | Row::Release { .. } => None,
    });
    found.expect("an attempt is settled")
}

fn floats(vectors: &[&str]) -> Script {
    let data: Vec<String> = vectors
        .iter()
        .enumerate()
        .map(|(index, v)| format!(r#"{{"object": "embedding", "index": {index}, "embedding": {v}}}"#))
        .collect();
    let data = data.join(", ");
    Script::json(
        200,
        format!(
            r#"{{ "object": "list", "data": [{data}], "model": "text-embedding-3-small", "usage": {{"prompt_tokens": 8, "total_tokens": 8}}, "new": 1.0 }}"#
        ),
    )
}

fn values(vectors: &[&str], usage: &str) -> Script {
    let list: Vec<String> = vectors.iter().map(|v| format!(r#"{{"values": {v}}}"#)).collect();
    Script::json(200, format!(r#"{{"embeddings": [{}]{usage}}}"#, list.join(",")))
}

#[test]
fn openai_to_openai_keeps_every_byte_but_the_model_and_adds_the_cost() {
    let fake = Fake::new([floats(&["[0.10, -2e-3]"])]);
    let body = r#"{ "input" : [ [1, 2] ], "model":"openai/text-embedding-3-small", "dimensions": 2, "provider": {"sort": "price"}, "later": 1 }"#;
    serve(&fake, "/v1/embeddings", body, &[]);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    let call = &fake.calls()[0].request;
    assert_eq!(call.url, "http://127.0.0.1:9/openai/v1/embeddings");
    assert_eq!(
        String::from_utf8_lossy(&call.body),
        r#"{ "input" : [ [1, 2] ], "model":"text-embedding-3-small", "dimensions": 2, "later": 1 }"#
    );
    assert!(fake.body().contains(r#""embedding": [0.10, -2e-3]"#) && fake.body().contains(r#""new": 1.0"#));
    assert_eq!(settled(&fake), (Outcome::Completed, 8, Cost::Exact { picousd: 8 * 20_000 }), "0.02 dollars a million");
    assert_eq!(got(&fake)["usage"]["cost"], json!(0.00000016));
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(OPENAI));
    assert_eq!(fake.header("x-signalbox-cost-certainty").as_deref(), Some("exact"));
}

#[test]
fn openai_callers_get_the_encoding_that_they_asked_for() {
    for (encoding, answered, expected) in [
        (json!("base64"), "[1, -2.5]", json!("AACAPwAAIMA=")),
        (json!("base64"), "\"AACAPwAAIMA=\"", json!("AACAPwAAIMA=")),
        (json!("float"), "\"AACAPwAAIMA=\"", json!([1, -2.5])),
        (Value::Null, "[1, -2.5]", json!([1, -2.5])),
    ] {
        let fake = Fake::new([floats(&[answered])]);
        embed(&fake, &json!({"model": OPENAI, "input": "a", "encoding_format": encoding}), &[]);
        assert_eq!(got(&fake)["data"][0]["embedding"], expected, "{encoding} {answered}");
        assert_eq!((&got(&fake)["new"], &got(&fake)["data"][0]["index"]), (&json!(1.0), &json!(0)), "the rest stays");
    }
    let fake = Fake::new([values(&["[1, -2.5]"], "")]);
    embed(&fake, &json!({"model": GOOGLE, "input": "a", "encoding_format": "base64"}), &[]);
    assert_eq!(got(&fake)["data"][0]["embedding"], "AACAPwAAIMA=");
}

#[test]
fn an_openai_caller_gets_geminis_vectors() {
    let fake = Fake::new([values(&["[0.10,2]", "[3,4]"], r#","usageMetadata":{"promptTokenCount":5}"#)]);
    embed(&fake, &json!({"model": GOOGLE, "input": ["a \"b\"", "ü"], "dimensions": 2, "user": "u"}), &[]);
    let call = &fake.calls()[0].request;
    assert_eq!(call.url, "http://127.0.0.1:9/gemini/v1beta/models/gemini-embedding-001:batchEmbedContents");
    let request = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
    assert_eq!(sent(&fake, 0), json!({"requests": [request("a \"b\""), request("ü")]}));
    let answer = got(&fake);
    assert!(fake.body().contains("[0.10,2]"), "numbers keep their text");
    assert_eq!((&answer["object"], &answer["data"][1]["index"]), (&json!("list"), &json!(1)));
    assert_eq!((&answer["data"][1]["embedding"], &answer["model"]), (&json!([3, 4]), &json!("gemini-embedding-001")));
    assert_eq!((&answer["usage"]["prompt_tokens"], &answer["usage"]["total_tokens"]), (&json!(5), &json!(5)));
    assert_eq!(settled(&fake), (Outcome::Completed, 5, Cost::Exact { picousd: 5 * 150_000 }));
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("user:advisory, dimensions:converted"));
}

#[test]
fn what_google_did_not_count_is_an_estimate_and_says_so() {
    let fake = Fake::new([values(&["[1]"], "")]);
    embed(&fake, &json!({"model": GOOGLE, "input": "four words of text"}), &[]);
    assert!(got(&fake)["usage"]["prompt_tokens"].as_u64().unwrap() > 0);
    assert_eq!(settled(&fake).2.certainty(), Certainty::Estimated);
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("usage:converted"));
    assert_eq!(fake.header("x-signalbox-cost-certainty").as_deref(), Some("estimated"));
}

#[test]
fn gemini_to_gemini_keeps_every_byte_but_the_models_names() {
    let body = r#"{ "requests" : [ { "model":"models/gemini/gemini-embedding-001", "content":{"parts":[{"text":"a"},{"inlineData":{}}]}, "taskType":"RETRIEVAL_QUERY", "title": "t" } ,{"content":{"parts":[{"text":"b"}]}, "new": 1.0} ] }"#;
    let fake = Fake::new([values(&["[1]", "[2]"], "")]);
    serve(&fake, &format!("/v1beta/models/{GOOGLE}:batchEmbedContents"), body, &[]);
    let sent = String::from_utf8_lossy(&fake.calls()[0].request.body).into_owned();
    // Within the list of requests only white space around its elements is ours.
    assert_eq!(
        sent,
        r#"{ "requests" : [{ "model":"models/gemini-embedding-001", "content":{"parts":[{"text":"a"},{"inlineData":{}}]}, "taskType":"RETRIEVAL_QUERY", "title": "t" },{"content":{"parts":[{"text":"b"}]}, "new": 1.0}] }"#
    );
    assert_eq!(fake.body(), r#"{"embeddings": [{"values": [1]},{"values": [2]}]}"#);

    let fake = Fake::new([Script::json(200, r#"{"embedding": {"values": [0.50]}}"#)]);
    let body = r#"{ "content": {"parts":[{"text":"a"}]}, "outputDimensionality": 1 }"#;
    serve(&fake, "/v1beta/models/gemini-embedding-001:embedContent", body, &[]);
    assert!(fake.calls()[0].request.url.ends_with("/gemini-embedding-001:embedContent"));
    assert_eq!(String::from_utf8_lossy(&fake.calls()[0].request.body), body);
    assert_eq!(fake.body(), r#"{"embedding": {"values": [0.50]}}"#);
}

#[test]
fn a_gemini_caller_gets_openais_vectors() {
    for (method, body) in [
        (
            "embedContent",
            json!({"model": format!("models/{OPENAI}"), "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 2, "taskType": "TASK_TYPE_UNSPECIFIED"}),
        ),
        (
            "batchEmbedContents",
            json!({"requests": [{"model": format!("models/{OPENAI}"), "content": {"role": "user", "parts": [{"text": "a"}]}, "outputDimensionality": 2}]}),
        ),
    ] {
        let fake = Fake::new([floats(&["[0.10,2]"])]);
        google(&fake, OPENAI, method, &body);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        assert_eq!(sent(&fake, 0), json!({"model": "text-embedding-3-small", "input": ["a"], "dimensions": 2}));
        let answer = got(&fake);
        let one = json!({"values": [0.1, 2]});
        let expected = if method == "embedContent" { json!({"embedding": one}) } else { json!({"embeddings": [one]}) };
        let usage = json!({"promptTokenCount": 8, "totalTokenCount": 8});
        assert_eq!(
            (&answer["usageMetadata"], answer.get("embedding"), answer.get("embeddings")),
            (&usage, expected.get("embedding"), expected.get("embeddings"))
        );
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
    }
}

#[test]
fn what_the_other_form_cannot_say_is_refused_by_name_or_dropped_by_request() {
    let text = json!({"parts": [{"text": "a"}]});
    for (body, field) in [
        (json!({"content": text, "taskType": "CLUSTERING"}), "taskType"),
        (json!({"content": text, "title": "t"}), "title"),
        (json!({"content": {"parts": [{"text": "a"}, {"text": "b"}]}}), "content.parts"),
        (json!({"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": ""}}]}}), "content.parts"),
        (json!({"content": text, "embedContentConfig": {"new": 1}}), "embedContentConfig"),
    ] {
        let fake = Fake::new([]);
        google(&fake, OPENAI, "embedContent", &body);
        let error = got(&fake)["error"].clone();
        assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{field}");
        assert!(error["message"].as_str().unwrap().contains(field), "{error}");
    }
    let two = json!({"requests": [{"content": text, "outputDimensionality": 1}, {"content": text, "outputDimensionality": 2}]});
    let fake = Fake::new([]);
    google(&fake, OPENAI, "batchEmbedContents", &two);
    assert!(fake.status() == 400 && fake.body().contains("requests[1].outputDimensionality"), "{}", fake.body());
    for input in [json!([1, 2]), json!([[1], [2]])] {
        for headers in [&[][..], &[("x-signalbox-on-unsupported", "drop")]] {
            let fake = Fake::new([]);
            embed(&fake, &json!({"model": GOOGLE, "input": input}), headers);
            assert_eq!(
                (fake.status(), &got(&fake)["error"]["param"]),
                (400, &json!("input")),
                "what is embedded is never dropped"
            );
        }
    }
    let fake = Fake::new([floats(&["[1]"])]);
    let dropped = json!({"content": text, "taskType": "CLUSTERING"}).to_string();
    serve(&fake, &format!("/v1beta/models/{OPENAI}:embedContent"), &dropped, &[("x-signalbox-on-unsupported", "drop")]);
    assert_eq!((fake.status(), fake.header("x-signalbox-losses").as_deref()), (200, Some("taskType:unsupported")));
}

#[test]
fn a_wrong_request_is_refused_by_the_name_of_its_field() {
    for (body, param) in [
        (json!({"model": OPENAI}), "input"),
        (json!({"model": OPENAI, "input": []}), "input"),
        (json!({"model": OPENAI, "input": ["a", 1]}), "input"),
        (json!({"model": OPENAI, "input": {"a": 1}}), "input"),
        (json!({"model": OPENAI, "input": "a", "encoding_format": "hex"}), "encoding_format"),
        (json!({"model": OPENAI, "input": "a", "dimensions": -1}), "dimensions"),
        (json!({"input": "a"}), "model"),
    ] {
        let fake = Fake::new([]);
        embed(&fake, &body, &[]);
        assert_eq!((fake.status(), &got(&fake)["error"]["param"]), (400, &json!(param)), "{body}");
    }
    for (method, body, field) in [
        ("embedContent", json!({}), "content"),
        ("batchEmbedContents", json!({}), "requests"),
        ("batchEmbedContents", json!({"requests": []}), "requests"),
        ("batchEmbedContents", json!({"requests": [{}]}), "requests[0].content"),
        ("batchEmbedContents", json!({"requests": [{"model": "models/other", "content": {}}]}), "requests[0].model"),
    ] {
        let fake = Fake::new([]);
        google(&fake, GOOGLE, method, &body);
        assert_eq!(fake.status(), 400, "{body}");
        assert!(got(&fake)["error"]["message"].as_str().unwrap().contains(field), "{}", fake.body());
    }
}

#[test]
fn the_same_model_elsewhere_steps_in_and_another_only_by_request() {
    let down = || Script::json(503, "{}");
    // One bare name, two who serve it: the second is asked. No third call is made to any other model.
    let fake = Fake::new([down(), down(), floats(&["[1]"])]);
    embed(&fake, &json!({"model": "small", "input": "a"}), &[]);
    assert_eq!(fake.status(), 200);
    let models: Vec<Value> = (0..3).map(|call| sent(&fake, call)["model"].clone()).collect();
    assert_eq!(models, vec![json!("text-embedding-3-small"); 3]);
    let fake = Fake::new([down(), down(), down(), down(), down()]);
    embed(&fake, &json!({"model": OPENAI, "input": "a"}), &[]);
    assert!(fake.status() >= 500 && fake.calls().len() <= 2, "{} calls", fake.calls().len());
    let fake = Fake::new([down(), down(), values(&["[1]"], "")]);
    embed(&fake, &json!({"model": OPENAI, "models": [GOOGLE], "input": "a"}), &[]);
    assert_eq!((fake.status(), &got(&fake)["model"]), (200, &json!("gemini-embedding-001")), "asked for, and told");
}

#[test]
fn a_name_that_means_several_embedding_models_is_refused() {
    let fake = Fake::new([]);
    embed(&fake, &json!({"model": "auto", "input": "a"}), &[]);
    assert_eq!((fake.status(), &got(&fake)["error"]["param"]), (400, &json!("model")));
    assert!(fake.body().contains("cannot be compared"), "{}", fake.body());
}

#[test]
fn chat_models_give_no_vectors_and_embedding_models_no_answers() {
    let fake = Fake::new([]);
    embed(&fake, &json!({"model": "anthropic/claude-haiku-4-5", "input": "a"}), &[]);
    assert_eq!(fake.status(), 400, "{}", fake.body());
    let fake = Fake::new([]);
    google(&fake, "openai/gpt-4o-mini", "embedContent", &json!({"content": {"parts": [{"text": "a"}]}}));
    assert_eq!(fake.status(), 400, "{}", fake.body());
    let fake = Fake::new([]);
    let chat = json!({"model": GOOGLE, "messages": [{"role": "user", "content": "a"}]}).to_string();
    serve(&fake, "/v1/chat/completions", &chat, &[]);
    assert_eq!((fake.status(), fake.calls().len()), (400, 0), "{}", fake.body());
    // In its own dialect the provider decides, as ever.
    let fake = Fake::new([Script::json(
        404,
        r#"{"error":{"message":"not an embedding model","type":"invalid_request_error","code":null}}"#,
    )]);
    embed(&fake, &json!({"model": "openai/gpt-4o-mini", "input": "a"}), &[]);
    assert_eq!((fake.status(), fake.calls().len()), (404, 1));
    // `auto` lists no embedding model for an answer.
    let fake = Fake::new([]);
    let chat = json!({"model": "auto", "messages": [{"role": "user", "content": "a"}]}).to_string();
    serve(&fake, "/v1/route", &chat, &[]);
    assert!(!fake.body().contains("embed"), "{}", fake.body());
}

#[test]
fn another_number_of_vectors_than_inputs_is_no_answer() {
    for script in [
        floats(&["[1]", "[2]"]),
        Script::json(200, r#"{"object":"list"}"#),
        Script::json(200, r#"{"error":{"message":"no","type":"server_error"}}"#),
    ] {
        let fake = Fake::new([script.clone(), script]);
        embed(&fake, &json!({"model": OPENAI, "input": "a"}), &[]);
        assert!(fake.status() >= 500, "{} {}", fake.status(), fake.body());
    }
}

#[test]
fn thousands_of_texts_do_not_look_like_one_that_is_too_long() {
    let inputs: Vec<String> = (0..2000).map(|n| format!("text number {n} with some words in it")).collect();
    let vectors: Vec<&str> = inputs.iter().map(|_| "[1]").collect();
    let fake = Fake::new([values(&vectors, "")]);
    embed(&fake, &json!({"model": GOOGLE, "input": inputs}), &[]);
    assert_eq!((fake.status(), got(&fake)["data"].as_array().map(Vec::len)), (200, Some(2000)));
}

#[test]
fn a_report_comes_with_the_answer() {
    let fake = Fake::new([floats(&["[1]"])]);
    embed(&fake, &json!({"model": OPENAI, "input": "a"}), &[("x-signalbox-explain", "true")]);
    assert_eq!(got(&fake)["signalbox"]["decision"]["chosen"], OPENAI);
}

/// Recorded refusals of embeddings reach callers as what they are, in their own words.
#[test]
fn recorded_refusals_keep_their_status_and_message() {
    let folder = std::env::var("SIGNALBOX_FIXTURES")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures"), PathBuf::from);
    if !folder.is_dir() {
        eprintln!("no recordings at {}: nothing to replay", folder.display());
        return;
    }
    let mut replayed = 0;
    for dialect in ["openai-chat", "openai-compatible", "mistral", "gemini"] {
        for case in fs::read_dir(folder.join(dialect)).unwrap().map(|entry| entry.unwrap().path()) {
            let about: Value = serde_json::from_slice(&fs::read(case.join("case.json")).unwrap()).unwrap();
            if about["endpoint"] != "embeddings" {
                continue;
            }
            let recorded = fs::read_to_string(case.join("response.json")).unwrap();
            let status = u16::try_from(about["status"].as_u64().unwrap()).unwrap();
            let mut body: Value = serde_json::from_slice(&fs::read(case.join("request.json")).unwrap()).unwrap();
            let fake = Fake::new([Script::json(status, recorded.clone())]);
            if dialect == "gemini" {
                let name = about["model"].as_str().unwrap();
                google(
                    &fake,
                    &format!("gemini/{name}"),
                    "batchEmbedContents",
                    &json!({"requests": body["requests"].as_array().unwrap().iter().map(|r| { let mut r = r.clone(); r["model"] = json!(format!("models/gemini/{name}")); r }).collect::<Vec<_>>()}),
                );
                assert_eq!(sent(&fake, 0), body, "{}", case.display());
            } else {
                let name = body["model"].as_str().unwrap().to_owned();
                body["model"] = json!(format!("openai/{name}"));
                embed(&fake, &body, &[]);
                assert_eq!(sent(&fake, 0)["model"], name, "{}", case.display());
            }
            // A refused key of the gateway's own is no fault of the caller's.
            let expected = if status == 401 { 502 } else { status };
            assert_eq!(fake.status(), expected, "{} {}", case.display(), fake.body());
            assert_eq!(fake.calls().len(), 1, "{}: a refusal is not retried", case.display());
            replayed += 1;
        }
    }
    assert_eq!(replayed, 7);
}
