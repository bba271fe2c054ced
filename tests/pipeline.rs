//! The request's path over a scripted world: what the caller receives, what providers see, what the ledger is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use signalbox::accounting::{Cost, Outcome, Row};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use support::{post, Fake, Piece, Script, START_MS};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k-backup", "prices_of": "openai"}
  }
}"#;

fn gateway() -> Rc<Gateway> {
    Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"))
}

fn serve(fake: &Fake, request: Request) {
    support::serve(fake, &gateway(), request);
}

fn settled(fake: &Fake, attempt: u32) -> (Outcome, Cost) {
    let rows = fake.0.rows.borrow();
    rows.iter()
        .find_map(|(_, row)| match row {
            Row::Settle { opened, settled } if opened.attempt == attempt => Some((settled.outcome, settled.cost)),
            _ => None,
        })
        .expect("the attempt is settled")
}

fn chat(model: &str, stream: bool, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hello"}}],"stream":{stream}{more}}}"#)
}

fn delta(text: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{}}},\"finish_reason\":null}}]}}\n\n",
        serde_json::to_string(text).unwrap()
    )
}

const ROLE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
const STOP: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

fn hello() -> Script {
    Script::stream([ROLE.to_owned(), delta("Hel"), delta("lo"), STOP.to_owned(), USAGE.to_owned(), DONE.to_owned()])
}

#[test]
fn a_native_stream_keeps_its_bytes_and_hides_the_usage_that_only_we_asked_for() {
    let fake = Fake::new([hello()]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.status(), 200);
    assert_eq!(fake.body(), [ROLE, &delta("Hel"), &delta("lo"), STOP, DONE].concat());
    let sent = String::from_utf8(fake.calls()[0].request.body.clone()).unwrap();
    assert!(sent.contains(r#""model":"gpt-4o-mini""#), "{sent}");
    assert!(sent.contains(r#""stream_options":{"include_usage":true}"#), "{sent}");
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("openai/gpt-4o-mini"));
    assert_eq!(fake.header("x-signalbox-attempts").as_deref(), Some("openai/gpt-4o-mini:200"));
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
    assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Exact { .. })));
}

#[test]
fn content_goes_out_before_the_next_event_comes() {
    let fake = Fake::new([hello()]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    let written = fake.0.written.borrow();
    let first_with = |text: &str| written.iter().find(|(_, b)| String::from_utf8_lossy(b).contains(text)).unwrap().0;
    assert_eq!(first_with("Hel") - START_MS, 40, "role at 30 ms, first content at 40");
    assert_eq!(first_with("\"lo\"") - START_MS, 50);
}

#[test]
fn the_usage_that_was_asked_for_carries_the_cost() {
    let fake = Fake::new([hello()]);
    let body = chat("openai/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    let text = fake.body();
    // 9 × 0.15 + 2 × 0.60 dollars per million.
    assert_eq!(text.matches(r#""cost":0.00000255"#).count(), 1, "{text}");
    assert!(text.ends_with(DONE));
    assert_eq!(settled(&fake, 1).1, Cost::Exact { picousd: 2_550_000 });
}

#[test]
fn an_answer_is_charged_at_the_service_tier_that_made_it() {
    // 9 × 0.15 + 2 × 0.60 dollars per million; the table has half of it for batches, and nothing for `scale`.
    for (tier, cost) in [
        ("default", Cost::Exact { picousd: 2_550_000 }),
        ("flex", Cost::Exact { picousd: 1_275_000 }),
        ("scale", Cost::Estimated { picousd: 2_550_000 }),
    ] {
        let said = format!(r#"{{"service_tier":"{tier}","#);
        let fake = Fake::new([Script::json(200, WHOLE.replacen('{', &said, 1))]);
        serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[]));
        assert_eq!(settled(&fake, 1).1, cost, "{tier}");
        let streamed = |event: &str| event.replacen('{', &said, 1);
        let fake = Fake::new([Script::stream([
            streamed(ROLE),
            delta("Hi"),
            STOP.to_owned(),
            USAGE.to_owned(),
            DONE.to_owned(),
        ])]);
        serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
        assert_eq!(settled(&fake, 1).1, cost, "{tier}, streamed");
        let fake = Fake::new([Script::stream([
            streamed(ROLE),
            delta("Hi"),
            STOP.to_owned(),
            USAGE.to_owned(),
            DONE.to_owned(),
        ])]);
        let message = r#"{"model":"openai/gpt-4o-mini","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
        serve(&fake, post("/v1/messages", message, &[]));
        assert_eq!(settled(&fake, 1).1, cost, "{tier}, translated");
    }
}

#[test]
fn counts_that_no_provider_named_are_told_as_an_estimate() {
    let chunks = || Script::stream([ROLE.to_owned(), delta("Hello"), STOP.to_owned(), DONE.to_owned()]);
    let asked = chat("openai/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#);
    let fake = Fake::new([chunks()]);
    serve(&fake, post("/v1/chat/completions", &asked, &[("x-signalbox-explain", "true")]));
    let report = r#"{"field":"usage","disposition":"converted""#;
    assert!(fake.body().contains(r#""usage":{"prompt_tokens""#), "{}", fake.body());
    assert_eq!(fake.body().matches(report).count(), 1, "{}", fake.body());

    let message =
        r#"{"model":"openai/gpt-4o-mini","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let fake = Fake::new([chunks()]);
    serve(&fake, post("/v1/messages", message, &[("x-signalbox-explain", "true")]));
    assert_eq!(fake.body().matches(report).count(), 1, "{}", fake.body());

    let fake = Fake::new([hello()]);
    serve(&fake, post("/v1/messages", message, &[("x-signalbox-explain", "true")]));
    assert_eq!(fake.body().matches(report).count(), 0, "{}", fake.body());
}

#[test]
fn a_whole_answer_gets_its_cost_and_keeps_every_other_byte() {
    let fake = Fake::new([Script::json(200, WHOLE)]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[]));
    assert_eq!(fake.body(), WHOLE.replace("\"total_tokens\":11", "\"total_tokens\":11,\"cost\":0.00000255"));
    assert_eq!(fake.header("x-signalbox-cost-usd").as_deref(), Some("0.00000255"));
    assert_eq!(fake.header("x-signalbox-cost-certainty").as_deref(), Some("exact"));
}

#[test]
fn a_failing_candidate_is_left_for_the_next_one_and_both_are_shown() {
    let down = || Script::json(503, r#"{"error":{"message":"down","type":"server_error","code":null}}"#);
    let fake = Fake::new([down(), down(), hello()]);
    let body = chat("openai/gpt-4o-mini", true, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.status(), 200);
    assert_eq!(
        fake.header("x-signalbox-attempts").as_deref(),
        Some("openai/gpt-4o-mini:503,openai/gpt-4o-mini:503,backup/gpt-4o-mini:200")
    );
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("backup/gpt-4o-mini"));
    let sent = String::from_utf8(fake.calls()[2].request.body.clone()).unwrap();
    assert!(!sent.contains("\"models\""), "routing fields never reach a provider: {sent}");
    assert_eq!(settled(&fake, 1), (Outcome::Failed, Cost::NOTHING));
}

#[test]
fn what_cannot_succeed_is_not_retried() {
    let bad = r#"{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":"invalid_value"}}"#;
    let fake = Fake::new([Script::json(400, bad)]);
    let body = chat("openai/gpt-4o-mini", false, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.calls().len(), 1);
    assert_eq!(fake.status(), 400);
    let error: serde_json::Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(error["error"]["message"], "bad temperature");
    assert_eq!(error["error"]["param"], "temperature");
    assert_eq!(error["error"]["code"], "invalid_value");
    assert_eq!(fake.header("x-should-retry").as_deref(), Some("false"));
}

#[test]
fn a_short_retry_after_is_waited_out_and_a_long_one_is_not() {
    let limited = |after: &str| {
        Script::json(429, r#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#)
            .with_header("retry-after", after)
    };
    let fake = Fake::new([limited("2"), Script::json(200, WHOLE)]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[]));
    assert_eq!(fake.status(), 200);
    let calls = fake.calls();
    assert!(calls[1].at_ms - calls[0].at_ms >= 2000, "Retry-After binds");

    let fake = Fake::new([limited("30")]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[]));
    assert_eq!(fake.calls().len(), 1);
    assert_eq!(fake.status(), 429);
    assert_eq!(fake.header("retry-after").as_deref(), Some("30"));
    assert_eq!(fake.header("x-should-retry").as_deref(), Some("true"));
}

#[test]
fn a_silent_route_is_left_at_its_deadline() {
    let fake = Fake::new([Script::silent(), hello()]);
    let body = chat("openai/gpt-4o-mini", true, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    let calls = fake.calls();
    assert_eq!(calls[1].at_ms - calls[0].at_ms, 10_000);
    assert!(calls[0].aborted_at.get().is_some(), "the silent call is aborted");
    assert_eq!(fake.status(), 200);
    assert!(matches!(settled(&fake, 1), (Outcome::Failed, Cost::Estimated { .. })), "it may have worked all the while");
}

/// What was given up says nothing of how long an answer takes: else each silence would be waited for longer than the one before,
/// until no time is left for the next candidate.
#[test]
fn silences_do_not_make_the_next_one_be_waited_for_longer() {
    let mut config: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
    config["policies"] = serde_json::json!({"balanced": {"attempts": {"whole_ms": 3_000, "total_ms": 8_000}}});
    let gateway = Rc::new(Gateway::load_local(&config.to_string()).unwrap());
    let models = r#","max_tokens":5,"models":["backup/gpt-4o-mini"]"#;
    let ask = |stream| post("/v1/chat/completions", &chat("openai/gpt-4o-mini", stream, models), &[]);
    // How long it takes to its first content is known.
    support::serve(&Fake::new([hello()]), &gateway, ask(true));
    for _ in 0..3 {
        let whole = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#;
        let fake = Fake::new([Script::silent(), Script::json(200, whole)]);
        support::serve(&fake, &gateway, ask(false));
        let calls = fake.calls();
        assert_eq!((fake.status(), calls[1].at_ms - calls[0].at_ms), (200, 3_000), "{}", fake.body());
    }
}

#[test]
fn a_success_without_an_answer_may_have_been_worked_for() {
    let error = r#"{"error":{"message":"busy","type":"server_error","code":"server_is_overloaded"}}"#;
    for (body, is_free) in [("", false), ("{}", false), (error, true)] {
        let fake = Fake::new([Script::json(200, body), Script::json(200, body), hello()]);
        let asked = chat("openai/gpt-4o-mini", true, r#","models":["backup/gpt-4o-mini"]"#);
        serve(&fake, post("/v1/chat/completions", &asked, &[]));
        assert_eq!(fake.status(), 200);
        let (outcome, cost) = settled(&fake, 1);
        assert_eq!(outcome, if is_free { Outcome::Failed } else { Outcome::Cut }, "a stream without its end");
        assert_eq!(cost == Cost::NOTHING, is_free, "{body}: {cost:?}");
    }
}

#[test]
fn a_cut_before_content_stays_invisible() {
    let fake = Fake::new([Script::stream([ROLE]).then(1, Piece::Reset), hello()]);
    let body = chat("openai/gpt-4o-mini", true, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.body(), [ROLE, &delta("Hel"), &delta("lo"), STOP, DONE].concat());
}

#[test]
fn an_error_event_before_content_is_a_failure_like_a_status() {
    let overloaded =
        "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n";
    let fake = Fake::new([Script::stream([overloaded]), Script::stream([overloaded]), hello()]);
    let body = chat("openai/gpt-4o-mini", true, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.body(), [ROLE, &delta("Hel"), &delta("lo"), STOP, DONE].concat());
}

#[test]
fn a_cut_answer_never_looks_complete() {
    for end in [Some(Piece::Reset), None] {
        let mut script = Script::stream([ROLE.to_owned(), delta("Hel")]);
        if let Some(piece) = end {
            script = script.then(5, piece);
        }
        let fake = Fake::new([script]);
        let off = [("x-signalbox-continue", "off")];
        serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &off));
        assert_eq!(fake.status(), 200);
        let body = fake.body();
        assert!(body.starts_with(&[ROLE, &delta("Hel")].concat()), "{body}");
        assert!(body.contains("\"error\""), "{body}");
        assert!(!body.contains("[DONE]"), "{body}");
        assert!(fake.0.closed.get(), "the typed end is an honest end");
        assert!(matches!(settled(&fake, 1), (Outcome::Cut, Cost::Estimated { .. })));
        assert_eq!(fake.calls().len(), 1, "nobody is asked to go on");
    }
}

#[test]
fn a_finish_reason_without_the_terminator_is_complete() {
    let fake = Fake::new([Script::stream([ROLE.to_owned(), delta("Hello"), STOP.to_owned()])]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.body(), [ROLE, &delta("Hello"), STOP, DONE].concat());
    assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Estimated { .. })), "nobody counted the tokens");
}

#[test]
fn a_malformed_event_is_skipped_and_told() {
    let fake = Fake::new([Script::stream([
        ROLE.to_owned(),
        delta("Hel"),
        "data: {\"choices\":[{\n\n".to_owned(),
        delta("lo"),
        STOP.to_owned(),
        DONE.to_owned(),
    ])]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.body(), [ROLE, &delta("Hel"), &delta("lo"), STOP, DONE].concat());
    assert!(fake.0.log.borrow().iter().any(|l| l.contains("\"malformed_events\":1")));
}

#[test]
fn a_caller_that_leaves_stops_the_provider_and_is_charged_an_estimate() {
    let fake = Fake::new([Script::stream([ROLE.to_owned(), delta("Hel")]).then(0, Piece::Hang)]);
    fake.0.gone_at.set(Some(START_MS + 500));
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.calls()[0].aborted_at.get(), Some(START_MS + 500));
    assert!(matches!(settled(&fake, 1), (Outcome::ClientGone, Cost::Estimated { picousd }) if picousd > 0));
}

/// A provider that goes on, and charges, when its connection is closed.
fn charging_on() -> Rc<Gateway> {
    let patch = r#""groq": {"base_url": "http://127.0.0.1:9/groq/v1", "api_key": "k-groq", "prices_of": "openai"},"#;
    let config = CONFIG.replacen("\"openai\":", &format!("{patch} \"openai\":"), 1);
    Rc::new(Gateway::load_local(&config).expect("the test's configuration is valid"))
}

#[test]
fn an_answer_that_is_charged_in_any_case_is_read_on_to_its_usage() {
    for (gone_ms, stream) in [(5, true), (35, true), (5, false), (20, false)] {
        let fake = Fake::new([if stream { hello() } else { Script::json(200, WHOLE) }]);
        fake.0.gone_at.set(Some(START_MS + gone_ms));
        let body = chat("groq/gpt-4o-mini", stream, "");
        support::serve(&fake, &charging_on(), post("/v1/chat/completions", &body, &[]));
        let told = settled(&fake, 1);
        assert!(matches!(told, (Outcome::ClientGone, Cost::Exact { picousd }) if picousd > 0), "{gone_ms}: {told:?}");
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_not_read_on_for_ever() {
    let fake = Fake::new([Script::stream([ROLE.to_owned(), delta("Hel")]).then(0, Piece::Hang)]);
    fake.0.gone_at.set(Some(START_MS + 500));
    let body = chat("groq/gpt-4o-mini", true, "");
    support::serve(&fake, &charging_on(), post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.calls()[0].aborted_at.get(), Some(START_MS + 20_500));
    assert!(matches!(settled(&fake, 1), (Outcome::ClientGone, Cost::Estimated { picousd }) if picousd > 0));
}

mod keeping {
    use super::*;
    use signalbox::ports::Kept;
    use signalbox::resume::errand::{Run, Visit};

    const RESUMABLE: (&str, &str) = ("x-signalbox-resumable", "true");

    fn fake(kept: Option<Kept>) -> Fake {
        let fake = Fake::new([hello()]);
        fake.0.kept.set(kept);
        fake
    }

    fn request(headers: &[(&str, &str)]) -> Request {
        post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), headers)
    }

    fn errand(fake: &Fake) -> (String, Run, Vec<u8>) {
        let visits = fake.0.visits.borrow();
        let [(name, path, sent)] = visits.as_slice() else { panic!("one visit, not {}", visits.len()) };
        assert_eq!(path, "/run");
        let (run, body) = Run::parse(sent).unwrap();
        (name.clone(), run, body)
    }

    #[test]
    fn a_resumable_stream_is_handed_over_and_runs_there_under_the_same_ids() {
        let first = fake(Some(Kept::Began));
        let asked = request(&[RESUMABLE, ("authorization", "Bearer secret"), ("x-signalbox-task", "code")]);
        serve(&first, asked.clone());
        assert!(first.calls().is_empty() && first.0.head.borrow().is_none(), "the keeper answers");
        let (name, run, body) = errand(&first);
        assert!(name.len() == 24 && name == run.id && body == asked.body);
        assert!(!format!("{run:?}").contains("secret"), "credentials stay behind");

        let keeper = Fake::new([hello()]);
        *keeper.0.request_body.borrow_mut() = body;
        let (id, principal) = (run.request_id.clone(), run.principal.id.clone());
        assert!(futures::executor::block_on(signalbox::pipeline::handle_kept(&keeper, Ok(gateway()), run)));
        support::every_attempt_is_accounted_once(&keeper);
        assert_eq!(keeper.header("x-signalbox-stream-id"), Some(name));
        assert_eq!(keeper.header("x-signalbox-request-id"), Some(id));
        assert!(keeper.0.rows.borrow().iter().all(|(whose, _)| *whose == principal));
        assert_eq!(keeper.body(), [ROLE, &delta("Hel"), &delta("lo"), STOP, DONE].concat());
    }

    #[test]
    fn the_name_of_a_key_hangs_on_key_and_principal_and_that_of_a_stream_on_chance() {
        let named = |headers: &[(&str, &str)], seed| {
            let fake = fake(Some(Kept::Began));
            fake.0.seed.set(seed);
            serve(&fake, request(headers));
            errand(&fake).0
        };
        let key = named(&[("idempotency-key", "a")], 1);
        assert_eq!(key, named(&[("idempotency-key", "a"), RESUMABLE], 2));
        assert_ne!(key, named(&[("idempotency-key", "b")], 1));
        assert_ne!(named(&[RESUMABLE], 1), named(&[RESUMABLE], 2));
    }

    #[test]
    fn whoever_wants_nothing_kept_is_served_here() {
        for headers in [&[][..], &[("x-signalbox-resumable", "false")]] {
            let fake = fake(Some(Kept::Began));
            serve(&fake, request(headers));
            assert_eq!((fake.status(), fake.0.visits.borrow().len()), (200, 0));
        }
        let fake = fake(Some(Kept::Began));
        fake.0.scripts.replace([Script::json(200, WHOLE)].into());
        let whole = post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[RESUMABLE]);
        serve(&fake, whole);
        assert_eq!((fake.status(), fake.0.visits.borrow().len()), (200, 0), "a whole answer has no rest");
    }

    #[test]
    fn what_cannot_be_kept_is_refused_and_never_ignored() {
        let long = "x".repeat(256);
        for (kept, headers, status) in [
            (None, RESUMABLE, 501),
            (None, ("idempotency-key", "a"), 501),
            (Some(Kept::Began), ("idempotency-key", ""), 400),
            (Some(Kept::Began), ("idempotency-key", "\u{e9}"), 400),
            (Some(Kept::Began), ("idempotency-key", &*long), 400),
            (Some(Kept::Differs), ("idempotency-key", "a"), 409),
        ] {
            let fake = fake(kept);
            serve(&fake, request(&[headers]));
            assert_eq!(fake.status(), status, "{headers:?}");
            assert_eq!(fake.header("x-should-retry").as_deref(), Some("false"));
            assert!(fake.calls().is_empty());
        }
    }

    #[test]
    fn a_reader_is_taken_to_the_event_that_it_has_and_the_header_counts_before_the_query() {
        let get = |query: &str, headers: &[(&str, &str)]| Request {
            method: "GET".into(),
            path: format!("/v1/streams/{}", "A".repeat(24)),
            query: query.into(),
            headers: headers.iter().copied().collect(),
            body: Vec::new(),
        };
        for (query, headers, after) in [
            ("", &[][..], Some(0)),
            ("after=7", &[], Some(7)),
            ("x=1&after=7", &[("last-event-id", "9")], Some(9)),
            ("after=7", &[("last-event-id", "")], Some(7)),
            ("after=-1", &[], None),
            ("after=", &[], None),
            ("", &[("last-event-id", "+1")], None),
        ] {
            let fake = fake(Some(Kept::Found));
            serve(&fake, get(query, headers));
            let visits = fake.0.visits.borrow();
            let asked = visits.first().map(|(_, path, sent)| {
                assert_eq!(path, "/read");
                serde_json::from_slice::<Visit>(sent).unwrap().after
            });
            assert_eq!(asked, after, "{query} {headers:?}");
            assert_eq!(fake.status(), if after.is_none() { 400 } else { 0 });
        }
        for (kept, status) in [(Kept::Unknown, 404), (Kept::Ahead, 400)] {
            let fake = fake(Some(kept));
            serve(&fake, get("after=1", &[]));
            assert_eq!(fake.status(), status);
        }
    }
}

#[test]
fn a_long_silence_opens_the_stream_and_pings() {
    let mut script = hello();
    script.body[0].0 = 40_000;
    let fake = Fake::new([script]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.0.opened_at.get(), Some(START_MS + 15_000));
    assert_eq!(fake.header("x-signalbox-model"), None, "nobody had answered yet");
    let body = fake.body();
    assert!(body.starts_with(": ping\n\n: ping\n\n"), "{body}");
    assert!(body.contains("\"signalbox\":{") && body.contains("openai/gpt-4o-mini"), "the last chunk tells: {body}");
    assert!(body.ends_with(DONE));
}

#[test]
fn a_failure_between_open_and_commit_is_an_error_in_the_stream() {
    let fake = Fake::new([Script::silent()]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", true, ""), &[]));
    assert_eq!(fake.status(), 200);
    let body = fake.body();
    assert!(body.contains("\"error\"") && !body.contains("[DONE]"), "{body}");
    assert!(fake.0.clock.get() - START_MS <= 601_000, "the total deadline binds");
}

#[test]
fn a_missing_connection_is_tried_again_once_and_then_left() {
    let fake = Fake::new([Script::refused(), Script::refused(), Script::json(200, WHOLE)]);
    let body = chat("openai/gpt-4o-mini", false, r#","models":["backup/gpt-4o-mini"]"#);
    serve(&fake, post("/v1/chat/completions", &body, &[]));
    assert_eq!(fake.status(), 200);
    assert_eq!(settled(&fake, 1), (Outcome::Failed, Cost::NOTHING));
    assert!(fake.calls()[2].request.url.contains("/backup/"));
}

#[test]
fn an_untouched_stream_keeps_every_byte_and_a_cut_inside_an_event_is_a_transport_error() {
    let start = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n";
    let block = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let text = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi \u{1F600}\"}}\n\n";
    let stop = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    let tail = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let all = [start, block, text, stop, tail].concat();
    let body = r#"{"model":"anthropic/claude-sonnet-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let headers = [("anthropic-version", "2023-06-01"), ("anthropic-beta", "some-beta-2026-01-01")];

    let fake = Fake::new([Script::stream(all.as_bytes().chunks(7))]);
    serve(&fake, post("/v1/messages", body, &headers));
    assert_eq!(fake.body(), all);
    assert_eq!(fake.calls()[0].request.headers.value("anthropic-beta"), Some("some-beta-2026-01-01"));
    assert!(matches!(settled(&fake, 1), (Outcome::Completed, _)));

    let half = [start, block, text, "event: content_block_del"].concat();
    let fake = Fake::new([Script::stream([half]).then(1, Piece::Reset)]);
    serve(&fake, post("/v1/messages", body, &headers));
    assert!(fake.0.aborted.get(), "half an event is out: only the transport can say it");

    let whole_events = [start, block, text].concat();
    let fake = Fake::new([Script::stream([whole_events.clone()]).then(1, Piece::Reset)]);
    serve(&fake, post("/v1/messages", body, &headers));
    let got = fake.body();
    assert!(got.starts_with(&whole_events) && got.contains("event: error"), "{got}");
}

#[test]
fn the_bytes_do_not_depend_on_where_the_network_cuts() {
    let all = [ROLE, &delta("Gr\u{fc}\u{df}e \u{1F600}"), &delta("\u{2028}"), STOP, USAGE, DONE].concat();
    let body = chat("openai/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#);
    let whole = Fake::new([Script::stream([all.as_bytes()])]);
    serve(&whole, post("/v1/chat/completions", &body, &[]));
    for size in 1..40 {
        let fake = Fake::new([Script::stream(all.as_bytes().chunks(size))]);
        serve(&fake, post("/v1/chat/completions", &body, &[]));
        assert_eq!(fake.body(), whole.body(), "pieces of {size}");
    }
}

#[test]
fn an_openai_caller_gets_an_anthropic_answer_in_its_own_words() {
    let answer = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Hello"},{"type":"tool_use","id":"toolu_1","name":"clock","input":{"zone":"UTC"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":7}}"#;
    let fake = Fake::new([Script::json(200, answer)]);
    let tools = r#","max_tokens":64,"tools":[{"type":"function","function":{"name":"clock","parameters":{"type":"object","properties":{"zone":{"type":"string"}}}}}]"#;
    serve(&fake, post("/v1/chat/completions", &chat("anthropic/claude-sonnet-4-5", false, tools), &[]));
    let got: serde_json::Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(got["choices"][0]["message"]["content"], "Hello");
    assert_eq!(got["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{\"zone\":\"UTC\"}");
    assert_eq!(got["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(got["usage"]["prompt_tokens"], 14);
    assert_eq!(got["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    let call = &fake.calls()[0].request;
    assert!(call.url.ends_with("/anthropic/v1/messages"));
    assert_eq!(call.headers.value("x-api-key"), Some("k-anthropic"));
}

#[test]
fn errors_speak_the_callers_dialect_and_name_the_field() {
    let fake = Fake::new([]);
    serve(&fake, post("/v1/messages", r#"{"model":"anthropic/claude-sonnet-4-5","messages":[]}"#, &[]));
    assert_eq!(fake.status(), 400);
    let error: serde_json::Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "invalid_request_error");

    let fake = Fake::new([]);
    serve(&fake, post("/v1/chat/completions", r#"{"model":"openai/gpt-4o-mini","messages":"hi"}"#, &[]));
    let error: serde_json::Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(error["error"]["param"], "messages");

    let fake = Fake::new([]);
    serve(&fake, post("/v1/chat/completions", "{\"model\":", &[]));
    assert_eq!(fake.status(), 400);
    assert!(fake.body().contains("valid JSON"), "{}", fake.body());
}

#[test]
fn a_key_never_reaches_a_caller_or_a_log() {
    let leak = r#"{"error":{"message":"Incorrect API key provided: k-openai.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#;
    let fake = Fake::new([Script::json(401, leak)]);
    serve(&fake, post("/v1/chat/completions", &chat("openai/gpt-4o-mini", false, ""), &[]));
    assert!(fake.status() >= 500, "our key's trouble is not the caller's: {}", fake.status());
    assert!(!fake.body().contains("k-openai"), "{}", fake.body());
    let log = fake.0.log.borrow().join("\n");
    assert!(!log.contains("k-openai") && !log.contains("Say hello"), "{log}");
}
