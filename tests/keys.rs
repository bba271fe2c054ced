//! Keys of providers over a scripted world: several of one account holder, and the caller's own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use signalbox::config::Mode;
use signalbox::gateway::Gateway;
use support::{post, serve, Fake, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key_env": ["KEY_A", "KEY_B", "KEY_C", "KEY_A_AGAIN", "NOT_SET"]},
    "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k-backup", "prices_of": "openai"},
    "theirs": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/theirs/v1", "own_keys": true, "prices_of": "openai"}
  }
}"#;
const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

fn gateway() -> Rc<Gateway> {
    let environment = |name: &str| match name {
        "KEY_A" | "KEY_A_AGAIN" => Some("key-a".to_owned()),
        "KEY_B" => Some("key-b".to_owned()),
        "KEY_C" => Some("key-c".to_owned()),
        _ => None,
    };
    Rc::new(Gateway::load(&[CONFIG], None, Mode::Local, &environment, Rc::default()).expect("valid"))
}

fn ask(fake: &Fake, gateway: &Rc<Gateway>, model: &str, headers: &[(&str, &str)]) {
    let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hello"}}]}}"#);
    serve(fake, gateway, post("/v1/chat/completions", &body, headers));
}

/// The keys that providers saw, in order.
fn used(fake: &Fake) -> Vec<String> {
    let key =
        |headers: &signalbox::http::Headers| headers.value("authorization").unwrap_or("none").replace("Bearer ", "");
    fake.calls().iter().map(|call| key(&call.request.headers)).collect()
}

fn refused(status: u16, code: &str) -> Script {
    Script::json(status, format!(r#"{{"error":{{"message":"no, key-a","type":"x","param":null,"code":"{code}"}}}}"#))
}

const SESSION: (&str, &str) = ("x-signalbox-session", "one");

#[test]
fn a_key_that_is_refused_used_up_or_rate_limited_is_replaced_by_the_next() {
    for (status, code) in [
        (401, "invalid_api_key"),
        (402, "insufficient_quota"),
        (429, "insufficient_quota"),
        (429, "rate_limit_exceeded"),
    ] {
        let fake = Fake::new([refused(status, code), refused(status, code), Script::json(200, WHOLE)]);
        ask(&fake, &gateway(), "openai/gpt-4o-mini", &[SESSION]);
        let mut keys = used(&fake);
        assert_eq!((fake.status(), keys.len()), (200, 3), "{status} {code}");
        keys.sort();
        assert_eq!(keys, ["key-a", "key-b", "key-c"], "each key once, the one that is named twice too");
        let attempts = fake.header("x-signalbox-attempts").unwrap();
        assert!(attempts.ends_with("openai/gpt-4o-mini:200") && !attempts.contains("key"), "{attempts}");
    }
}

#[test]
fn where_no_key_is_left_the_next_candidate_is_asked_and_the_error_names_none() {
    let fake = Fake::new((0..3).map(|_| refused(401, "invalid_api_key")));
    ask(&fake, &gateway(), "openai/gpt-4o-mini", &[]);
    assert!(fake.status() >= 500 && fake.calls().len() == 3, "{}", fake.status());
    assert!(!fake.body().contains("key-"), "{}", fake.body());
    let failing = (0..3).map(|_| refused(429, "rate_limit_exceeded")).chain([Script::json(200, WHOLE)]);
    let fake = Fake::new(failing);
    let body =
        r#"{"model":"openai/gpt-4o-mini","models":["backup/gpt-4o-mini"],"messages":[{"role":"user","content":"hi"}]}"#;
    serve(&fake, &gateway(), post("/v1/chat/completions", body, &[]));
    assert_eq!((fake.status(), used(&fake)[3].as_str()), (200, "k-backup"));
}

#[test]
fn what_is_not_the_keys_fault_is_not_tried_with_another_one() {
    for (status, code) in [(400, "invalid_value"), (404, "model_not_found"), (503, "server_error")] {
        let fake = Fake::new((0..4).map(|_| refused(status, code)));
        ask(&fake, &gateway(), "openai/gpt-4o-mini", &[SESSION]);
        let keys = used(&fake);
        assert!(keys.iter().all(|key| *key == keys[0]), "{status}: {keys:?}");
    }
}

#[test]
fn a_session_stays_with_its_key_until_that_fails_and_then_with_the_one_that_did_it() {
    let gateway = gateway();
    let once = |session: &str, scripts: Vec<Script>| {
        let fake = Fake::new(scripts);
        ask(&fake, &gateway, "openai/gpt-4o-mini", &[("x-signalbox-session", session)]);
        used(&fake)
    };
    let mine = once("one", vec![Script::json(200, WHOLE)]);
    assert_eq!(once("one", vec![Script::json(200, WHOLE)]), mine);
    let others: Vec<_> = (0..20).flat_map(|n| once(&format!("s{n}"), vec![Script::json(200, WHOLE)])).collect();
    assert!(others.iter().any(|key| *key != mine[0]), "sessions are spread");
    let failing = || once("one", vec![refused(401, "invalid_api_key"), Script::json(200, WHOLE)]);
    let after = failing();
    assert_eq!((after.len(), &after[0]), (2, &mine[0]));
    (0..4).for_each(|_| assert_eq!(failing(), after));
    // Five in a row open the circuit of that key, and of that key only.
    assert_eq!(once("one", vec![Script::json(200, WHOLE)]), after[1..]);
}

#[test]
fn a_callers_own_key_goes_to_its_provider_alone_and_none_of_ours_goes_there() {
    let own = ("x-signalbox-key-theirs", "callers-key");
    let fake = Fake::new([Script::json(200, WHOLE)]);
    ask(&fake, &gateway(), "theirs/gpt-4o-mini", &[own]);
    assert_eq!((fake.status(), used(&fake)), (200, vec!["callers-key".to_owned()]));
    assert!(fake.calls()[0].request.url.contains("/theirs/"));
    assert!(
        fake.calls()[0].request.headers.iter().all(|(name, _)| !name.starts_with("x-signalbox-")),
        "its header stays here"
    );

    let fake = Fake::new([Script::json(200, WHOLE)]);
    ask(&fake, &gateway(), "openai/gpt-4o-mini", &[own]);
    assert!(fake
        .calls()
        .iter()
        .all(|call| !format!("{:?}", call.request.headers.iter().collect::<Vec<_>>()).contains("callers")));

    let fake = Fake::new([]);
    ask(&fake, &gateway(), "theirs/gpt-4o-mini", &[]);
    assert_eq!(fake.status(), 400);
    assert!(fake.body().contains("x-signalbox-key-theirs"), "{}", fake.body());
}

#[test]
fn a_callers_own_key_is_refused_where_it_could_go_astray() {
    for (headers, status) in [
        (vec![("x-signalbox-key-openai", "callers-key")], 400),
        (vec![("x-signalbox-key-nobody", "callers-key")], 400),
        (vec![("x-signalbox-key-theirs", "two words")], 400),
        (vec![("x-signalbox-key-theirs", "callers-key"), ("idempotency-key", "k")], 400),
    ] {
        let fake = Fake::new([]);
        ask(&fake, &gateway(), "theirs/gpt-4o-mini", &headers);
        assert_eq!((fake.status(), fake.calls().len()), (status, 0), "{headers:?}");
        assert!(!fake.body().contains("callers-key") && !fake.0.log.borrow().join("").contains("callers-key"));
    }
    let fake =
        Fake::new([Script::json(401, r#"{"error":{"message":"bad key callers-key","code":"invalid_api_key"}}"#)]);
    ask(&fake, &gateway(), "theirs/gpt-4o-mini", &[("x-signalbox-key-theirs", "callers-key")]);
    assert!(!fake.body().contains("callers-key"), "{}", fake.body());
}

#[test]
fn what_a_callers_own_key_meets_is_nobody_elses() {
    let gateway = gateway();
    let own = |key| [("x-signalbox-key-theirs", key)];
    for _ in 0..6 {
        let fake = Fake::new([refused(401, "invalid_api_key")]);
        ask(&fake, &gateway, "theirs/gpt-4o-mini", &own("stale"));
    }
    let fake = Fake::new([Script::json(200, WHOLE)]);
    ask(&fake, &gateway, "theirs/gpt-4o-mini", &own("good"));
    assert_eq!(fake.status(), 200);
}

#[test]
fn a_provider_has_its_own_keys_or_its_callers_but_never_both() {
    for member in [r#""api_key":"k""#, r#""api_key_env":"K""#] {
        let overlay = format!(
            r#"{{"providers":{{"mixed":{{"kind":"openai-chat","base_url":"https://x.example/v1","own_keys":true,{member}}}}}}}"#
        );
        assert!(Gateway::load_local(&overlay).is_err(), "{member}");
    }
}
