//! What is told of a request when it is over: one record each, in step with what its caller and its providers saw, and
//! without a word of what was said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use signalbox::accounting::Cost;
use signalbox::config::telemetry::{Flavour, Profile};
use signalbox::gateway::Gateway;
use signalbox::telemetry::metric::Meter;
use signalbox::telemetry::outbox::Outbox;
use signalbox::telemetry::record::RequestRecord;
use signalbox::telemetry::span::{spans, Reader};
use signalbox::telemetry::{otlp, prometheus};
use support::{post, serve, Fake, Piece, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai-CANARY"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic-CANARY"}
  },
  "telemetry": {"otlp": [{"endpoint": "http://127.0.0.1:9/otel", "headers": {"x-key": "CANARY"}}]}
}"#;

const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x-2026","choices":[{"index":0,"message":{"role":"assistant","content":"CANARY says hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#;

const CHUNK: &str = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";

fn gateway() -> Rc<Gateway> {
    Rc::new(Gateway::load_local(CONFIG).unwrap())
}

fn chat(models: &str, more: &str) -> String {
    format!(r#"{{{models},"messages":[{{"role":"user","content":"CANARY of a prompt"}}]{more}}}"#)
}

fn recorded(scripts: Vec<Script>, body: &str) -> (RequestRecord, Fake) {
    let fake = Fake::new(scripts);
    serve(&fake, &gateway(), post("/v1/chat/completions", body, &[("user-agent", "CANARY/1")]));
    let mut records = fake.0.records.borrow_mut();
    assert_eq!(records.len(), 1, "one record per request");
    (records.remove(0), fake.clone())
}

#[test]
fn a_record_says_what_headers_ledger_and_answer_say() {
    let two = r#""models":["openai/gpt-4o-mini","anthropic/claude-haiku-4-5"]"#;
    let fallback = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5-x","content":[{"type":"text","text":"CANARY"}],"stop_reason":"end_turn","usage":{"input_tokens":12,"output_tokens":3}}"#;
    let failed = || Script::json(503, r#"{"error":{"message":"CANARY of an error","type":"server_error"}}"#);
    let (record, fake) = recorded(vec![failed(), failed(), Script::json(200, fallback)], &chat(two, ""));
    assert_eq!(fake.status(), 200);
    assert_eq!(
        (record.status, record.route.as_str(), record.operation.as_str()),
        (200, "/v1/chat/completions", "chat")
    );
    assert_eq!(record.model.as_deref(), fake.header("x-signalbox-model").as_deref());
    let told: Vec<String> =
        record.attempts.iter().map(|a| format!("{}/{}:{}", a.provider, a.model, a.outcome)).collect();
    assert_eq!(Some(told.join(",")), fake.header("x-signalbox-attempts"));
    let roles: Vec<&str> = record.attempts.iter().map(|a| a.role.as_str()).collect();
    assert_eq!(roles, ["first", "retry", "fallback"]);
    assert_eq!(record.attempts[0].class.as_deref(), Some("server_error"));
    let last = &record.attempts[2];
    assert_eq!(
        (last.response_id.as_deref(), last.response_model.as_deref()),
        (Some("msg_1"), Some("claude-haiku-4-5-x"))
    );
    assert_eq!(
        (last.finish_reason.as_deref(), last.usage.input_tokens, last.usage.output_tokens),
        (Some("end_turn"), 12, 3)
    );
    assert_eq!(last.cost, record.cost, "the refused ones cost nothing");
    assert!(matches!(record.cost, Some(Cost::Exact { picousd }) if picousd > 0));
    assert!(record.attempts.iter().all(|a| a.host == "127.0.0.1:9" && a.listed));
    let mut ids: Vec<&str> =
        record.attempts.iter().map(|a| a.span_id.as_str()).chain([record.span_id.as_str()]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "every span has an id of its own");
}

#[test]
fn no_word_of_prompt_answer_error_or_key_is_in_anything_that_leaves() {
    let body = chat(r#""model":"openai/gpt-4o-mini""#, r#","user":"CANARY","metadata":{"k":"CANARY"}"#);
    for script in [
        Script::json(200, WHOLE),
        Script::json(400, r#"{"error":{"message":"CANARY","type":"CANARY","param":"CANARY","code":"CANARY"}}"#),
        Script::json(500, "CANARY"),
    ] {
        let (record, _) = recorded(vec![script.clone(), script], &body);
        let gateway = gateway();
        let mut everything = serde_json::to_string(&record).unwrap();
        for flavour in [Flavour::Otel, Flavour::Langfuse, Flavour::OpenInference] {
            everything += &format!("{:?}", spans(&record, Reader { profile: Profile::V141, flavour, content: None }));
        }
        let mut meter = Meter::default();
        meter.count(&record);
        everything += &prometheus::text(&meter, &[]);
        let mut outbox = Outbox::new(1);
        outbox.push(record);
        let (exports, push) = outbox.flush(&gateway.config.telemetry, 1);
        everything += &exports.iter().map(|e| String::from_utf8_lossy(&e.body).into_owned()).collect::<String>();
        everything += &serde_json::to_string(&push).unwrap();
        assert!(!everything.contains("CANARY"), "{everything}");
    }
}

#[test]
fn what_was_said_is_made_where_a_collector_asks_for_it_and_a_request_is_exported() {
    let asking = CONFIG.replace(r#""headers""#, r#""content":true,"headers""#);
    let never = asking.replace(r#""telemetry": {"#, r#""telemetry": {"sampling":0,"tail":{"errors":true},"#);
    let neither = never.replace(r#""errors":true"#, r#""errors":false"#);
    let stream = || {
        let stop = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
        Script::stream([CHUNK, stop, "data: [DONE]\n\n"])
    };
    let failed = || Script::json(400, r#"{"error":{"message":"CANARY of an error","type":"invalid_request_error"}}"#);
    let overloaded = || Script::json(503, r#"{"error":{"message":"CANARY of an error"}}"#);
    for (config, scripts, streamed, told) in [
        (CONFIG, vec![Script::json(200, WHOLE)], false, None),
        (&asking, vec![Script::json(200, WHOLE)], false, Some("CANARY says hello")),
        (&asking, vec![stream()], true, Some("a")),
        (&asking, vec![failed()], false, Some("")),
        (&never, vec![Script::json(200, WHOLE)], false, None),
        (&never, vec![overloaded(), overloaded(), overloaded()], false, Some("")),
        (&neither, vec![overloaded(), overloaded(), overloaded()], false, None),
    ] {
        let fake = Fake::new(scripts);
        let gateway = Rc::new(Gateway::load_local(config).unwrap());
        let more = if streamed { r#","stream":true"# } else { "" };
        let body = chat(r#""model":"openai/gpt-4o-mini""#, more);
        serve(&fake, &gateway, post("/v1/chat/completions", &body, &[]));
        let content = fake.0.contents.borrow()[0].clone();
        let said = content.as_ref().map(|content| {
            assert_eq!(content.input[0].parts[0].text().unwrap(), "CANARY of a prompt");
            content.output.iter().flat_map(|message| &message.parts).filter_map(|part| part.text()).collect::<String>()
        });
        assert_eq!(said.as_deref(), told, "{config}");
    }
}

#[test]
fn cached_tokens_of_an_answer_reach_the_span() {
    let (record, _) = recorded(vec![Script::json(200, WHOLE)], &chat(r#""model":"openai/gpt-4o-mini""#, ""));
    let span = &spans(&record, Reader { profile: Profile::V141, flavour: Flavour::Otel, content: None })[1];
    for (key, count) in [
        ("gen_ai.usage.input_tokens", 9),
        ("gen_ai.usage.cache_read.input_tokens", 4),
        ("gen_ai.usage.output_tokens", 2),
    ] {
        assert!(span.attributes.contains(&(key, otlp::Value::Int(count))), "{key}: {:?}", span.attributes);
    }
}

#[test]
fn a_refused_request_and_a_page_have_a_record_too() {
    let fake = Fake::new([]);
    serve(&fake, &gateway(), post("/v1/chat/completions", "{", &[]));
    let record = fake.0.records.borrow()[0].clone();
    assert_eq!(
        (record.status, record.error.as_deref(), record.blame.as_deref()),
        (400, Some("invalid_request"), Some("caller"))
    );
    assert!(!record.asked_a_model() && record.attempts.is_empty());
    let fake = Fake::new([]);
    serve(&fake, &gateway(), post("/v1/whatever/CANARY", "{}", &[]));
    assert_eq!(fake.0.records.borrow()[0].route, "other", "what callers write is no route");
}

#[test]
fn a_caller_who_left_is_told_as_that() {
    let fake = Fake::new([Script::stream([CHUNK]).then(1, Piece::Hang)]);
    fake.0.gone_at.set(Some(support::START_MS + 60_000));
    serve(
        &fake,
        &gateway(),
        post("/v1/chat/completions", &chat(r#""model":"openai/gpt-4o-mini""#, r#","stream":true"#), &[]),
    );
    let record = fake.0.records.borrow()[0].clone();
    assert_eq!(record.status, 499);
    assert_eq!(record.attempts[0].class, None);
    assert!(!record.failed());
}
