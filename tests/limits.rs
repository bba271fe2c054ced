//! Limits on the request's path: who is let out, who is told what, and that nobody is asked where there are none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::ledger::Book;
use signalbox::accounting::Row;
use signalbox::gateway::Gateway;
use support::{post, Fake, Script};

fn gateway(limits: &Value) -> Rc<Gateway> {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k"},
            "house": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/house/v1", "api_key": "k"}
        },
        "limits": {"default": limits}
    });
    Rc::new(Gateway::load_local(&config.to_string()).expect("the test's configuration is valid"))
}

fn limited(scripts: impl IntoIterator<Item = Script>) -> Fake {
    let fake = Fake::new(scripts);
    *fake.0.ledger.borrow_mut() = Some(Book::default());
    fake
}

fn chat(model: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hello"}}],"max_tokens":50{more}}}"#)
}

fn serve(fake: &Fake, gateway: &Rc<Gateway>, body: &str) {
    support::serve(fake, gateway, post("/v1/chat/completions", body, &[]));
}

/// The same world for the next request.
fn again(fake: &Fake, scripts: impl IntoIterator<Item = Script>) -> Fake {
    let next = Fake::new(scripts);
    next.0.seed.set(fake.0.seed.get());
    next.0.clock.set(fake.0.clock.get());
    next.0.batches.set(fake.0.batches.get());
    *next.0.ledger.borrow_mut() = fake.0.ledger.borrow_mut().take();
    next
}

fn error(fake: &Fake) -> Value {
    serde_json::from_str::<Value>(&fake.body()).unwrap()["error"].clone()
}

const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

#[test]
fn without_limits_no_ledger_is_asked() {
    // There is none that could answer.
    let fake = Fake::new([Script::json(200, WHOLE)]);
    serve(&fake, &gateway(&json!({})), &chat("openai/gpt-5-mini", ""));
    assert_eq!((fake.status(), fake.calls().len()), (200, 1));
    // Nor for what the pipeline itself can hold.
    let fake = Fake::new([Script::json(200, WHOLE)]);
    serve(&fake, &gateway(&json!({"max_cost_usd": "1", "max_output_tokens": 50})), &chat("openai/gpt-5-mini", ""));
    assert_eq!(fake.status(), 200);
}

#[test]
fn a_grant_precedes_the_call_and_the_refused_call_nobody() {
    let gateway = gateway(&json!({"budget": {"usd": "0.00015", "period": "day"}}));
    let fake = limited([Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    assert_eq!(fake.status(), 200);
    // 9 × 0.25 + 2 × 2 = 6.25 µ$ are spent; the rest holds one reservation of about 107, not two.
    let fake = again(&fake, [Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", r#","n":2"#));
    assert_eq!((fake.status(), fake.calls().len()), (429, 0));
    let told = error(&fake);
    assert_eq!(
        (told["type"].as_str(), told["code"].as_str()),
        (Some("insufficient_quota"), Some("insufficient_quota"))
    );
    assert_eq!(told["metadata"]["limit"]["left_usd"], "0.00014375");
    assert_eq!(fake.header("x-should-retry").as_deref(), Some("false"));
    let resets_in_secs = 86_400 - support::START_MS / 1_000 % 86_400;
    assert_eq!(fake.header("retry-after"), Some(resets_in_secs.to_string()));
    let fake = again(&fake, [Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    assert_eq!(fake.status(), 200, "what asks for less is served");
}

#[test]
fn what_another_service_tier_or_the_providers_tools_may_cost_is_reserved() {
    // Room for one reservation at the standard tier (about 107 µ$), not for one at 1.8 times its prices or with a search at 1 cent.
    let gateway = gateway(&json!({"budget": {"usd": "0.00015", "period": "day"}}));
    for (more, status) in [
        (r#","service_tier":"default""#, 200),
        (r#","service_tier":"priority""#, 429),
        (r#","tools":[{"type":"function","function":{"name":"f"}}]"#, 200),
        (r#","web_search_options":{}"#, 429),
    ] {
        let fake = limited([Script::json(200, WHOLE)]);
        serve(&fake, &gateway, &chat("openai/gpt-5-mini", more));
        assert_eq!(
            (fake.status(), fake.calls().len()),
            (status, usize::from(status == 200)),
            "{more}: {}",
            fake.body()
        );
    }
}

#[test]
fn a_dear_candidate_makes_room_for_a_cheap_one() {
    let gateway = gateway(
        &json!({"budget": [{"usd": "1", "period": "day"}, {"usd": "0", "period": "month", "models": ["anthropic/*"]}]}),
    );
    let body = chat("anthropic/claude-sonnet-4-6", r#","models":["openai/gpt-5-mini"]"#);
    let fake = limited([Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &body);
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("openai/gpt-5-mini"));
    assert_eq!(fake.header("x-signalbox-attempts").as_deref(), Some("openai/gpt-5-mini:200"));
    // The next decision knows.
    let fake = again(&fake, []);
    serve(&fake, &gateway, &chat("anthropic/claude-sonnet-4-6", ""));
    assert_eq!((fake.status(), error(&fake)["code"].as_str()), (429, Some("insufficient_quota")));
    assert!(fake.0.ledger.borrow().as_ref().unwrap().under_way().next().is_none());
}

#[test]
fn each_attempt_gets_leave_of_its_own_and_a_failed_one_gives_back() {
    // Enough for one reservation at a time.
    let gateway = gateway(&json!({"budget": {"usd": "0.00012", "period": "day"}}));
    let failed = || Script::json(500, r#"{"error":{"message":"down"}}"#);
    let fake = limited([failed(), Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    assert_eq!((fake.status(), fake.calls().len()), (200, 2));
}

#[test]
fn a_ledger_that_cannot_be_reached_lets_nobody_out() {
    let gateway = gateway(&json!({"budget": {"usd": "5", "period": "day"}}));
    let fake = Fake::new([Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", r#","models":["openai/gpt-4o-mini"]"#));
    assert_eq!((fake.status(), fake.calls().len()), (503, 0));
    assert_eq!(fake.header("x-should-retry").as_deref(), Some("true"));
    assert!(fake.0.rows.borrow().iter().all(|(_, row)| matches!(row, Row::Release { .. })), "it may have granted");
}

#[test]
fn what_a_request_may_cost_binds_its_attempts_together() {
    let gateway = gateway(&json!({"max_cost_usd": "0.005"}));
    // A thousand tokens at 2 µ$ each time, since silence may have been work; the answer would cost 0.4 m$ more.
    let body = chat("openai/gpt-4.1", r#","models":["openai/gpt-4o"]"#).replace("Say hello", &"word ".repeat(800));
    let broken = || Script {
        head: support::Head::After(20, 200, vec![("content-type", "application/json".into())]),
        body: vec![(1, support::Piece::Reset)],
    };
    let fake = Fake::new([broken(), broken(), broken(), broken()]);
    serve(&fake, &gateway, &body);
    assert_eq!((fake.status(), fake.calls().len()), (429, 2));
    assert_eq!(error(&fake)["code"], "insufficient_quota");
}

#[test]
fn refusals_use_each_dialects_words() {
    let gateway = gateway(&json!({"budget": {"usd": "0", "period": "day"}, "requests_per_minute": 1}));
    let anthropic =
        r#"{"model":"anthropic/claude-sonnet-4-6","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#;
    let fake = limited([]);
    support::serve(&fake, &gateway, post("/v1/messages", anthropic, &[]));
    assert_eq!((fake.status(), error(&fake)["type"].as_str()), (429, Some("rate_limit_error")));
    assert_eq!(error(&fake)["details"]["error_code"], "enforced_spend_limit_reached");
    let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#;
    let fake = limited([]);
    support::serve(&fake, &gateway, post("/v1beta/models/gemini/gemini-2.5-flash:generateContent", gemini, &[]));
    assert_eq!((fake.status(), error(&fake)["status"].as_str()), (429, Some("RESOURCE_EXHAUSTED")));
}

#[test]
fn a_rate_is_told_from_a_budget_and_ends_within_the_minute() {
    let gateway = gateway(&json!({"requests_per_minute": 1}));
    let fake = limited([Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    let fake = again(&fake, [Script::json(200, WHOLE)]);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    assert_eq!((fake.status(), error(&fake)["code"].as_str()), (429, Some("rate_limit_exceeded")));
    let wait: u64 = fake.header("retry-after").unwrap().parse().unwrap();
    assert!(wait > 50 && wait <= 61, "{wait}");
    let fake = again(&fake, [Script::json(200, WHOLE)]);
    fake.0.clock.set(fake.0.clock.get() + wait * 1_000);
    serve(&fake, &gateway, &chat("openai/gpt-5-mini", ""));
    assert_eq!(fake.status(), 200);
}
