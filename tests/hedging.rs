//! A second candidate is asked when the first is late; who has content first answers (ADR 0019).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Cost, Outcome, Row};
use signalbox::gateway::Gateway;
use signalbox::health::share::{Message, Seen};
use support::{post, serve, Fake, Head, Piece, Script, START_MS};

/// When the second one is asked, where nothing else is said.
const LATE: u64 = 700;

fn gateway(hedge: &Value) -> Rc<Gateway> {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "key-of-openai"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "key-of-anthropic"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "key-of-gemini"},
            "nobody": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/nobody/v1", "api_key": "k"}
        },
        "policies": {"balanced": {"hedge": hedge, "attempts": {"total_ms": 30_000}}}
    });
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

fn always() -> Value {
    json!({"mode": "fixed", "after_ms": LATE, "max_share": 1, "max_cost_usd": 1})
}

const PAIR: &str = "anthropic/claude-haiku-4-5";

fn chat(stream: bool, more: &str) -> String {
    format!(
        r#"{{"model":"openai/gpt-4o-mini","models":["{PAIR}"],"stream":{stream},"messages":[{{"role":"user","content":"Hi"}}]{more}}}"#
    )
}

fn run(gateway: &Rc<Gateway>, body: &str, headers: &[(&str, &str)], scripts: Vec<Script>) -> Fake {
    let fake = Fake::new(scripts);
    serve(&fake, gateway, post("/v1/chat/completions", body, headers));
    fake
}

/// A stream whose status line comes after so many milliseconds.
fn openai(after_ms: u64, text: &str) -> Script {
    let chunk = |delta: &str, finish: &str| {
        format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let usage = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12}}\n\n";
    let events = [
        chunk("{\"role\":\"assistant\",\"content\":\"\"}", "null"),
        chunk(&format!("{{\"content\":\"{text}\"}}"), "null"),
        chunk("{}", "\"stop\""),
        usage.to_owned(),
        "data: [DONE]\n\n".to_owned(),
    ];
    after(after_ms, Script::stream(events))
}

fn anthropic(after_ms: u64, text: &str) -> Script {
    let event = |name: &str, rest: &str| format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n");
    let events = [
        event(
            "message_start",
            r#","message":{"id":"m","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}"#,
        ),
        event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
        event("content_block_delta", &format!(r#","index":0,"delta":{{"type":"text_delta","text":"{text}"}}"#)),
        event("content_block_stop", r#","index":0"#),
        event(
            "message_delta",
            r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":3}"#,
        ),
        event("message_stop", ""),
    ];
    after(after_ms, Script::stream(events))
}

fn openai_whole(after_ms: u64, text: &str) -> Script {
    let body = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": null}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}});
    after(after_ms, Script::json(200, body.to_string()))
}

fn anthropic_whole(after_ms: u64, text: &str) -> Script {
    let body = json!({"id": "m", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
        "stop_sequence": null, "content": [{"type": "text", "text": text}], "usage": {"input_tokens": 9, "output_tokens": 3}});
    after(after_ms, Script::json(200, body.to_string()))
}

fn after(ms: u64, mut script: Script) -> Script {
    if let Head::After(at, ..) = &mut script.head {
        *at = ms;
    }
    script
}

/// Outcome and cost of each attempt, in the order in which they were made.
fn settled(fake: &Fake) -> Vec<(Outcome, Cost)> {
    let rows = fake.0.rows.borrow();
    let mut list: Vec<_> = rows
        .iter()
        .filter_map(|(_, row)| match row {
            Row::Settle { opened, settled } => Some((opened.attempt, (settled.outcome, settled.cost))),
            _ => None,
        })
        .collect();
    list.sort_by_key(|(attempt, _)| *attempt);
    list.into_iter().map(|(_, how)| how).collect()
}

fn outcomes(fake: &Fake) -> Vec<Outcome> {
    settled(fake).into_iter().map(|(outcome, _)| outcome).collect()
}

fn called_at(fake: &Fake) -> Vec<u64> {
    fake.calls().iter().map(|call| call.at_ms - START_MS).collect()
}

fn aborted_at(fake: &Fake) -> Vec<Option<u64>> {
    fake.calls().iter().map(|call| call.aborted_at.get().map(|at| at - START_MS)).collect()
}

fn attempts(fake: &Fake) -> String {
    fake.header("x-signalbox-attempts").unwrap()
}

#[test]
fn the_second_one_answers_where_the_first_is_late_and_the_first_is_stopped_and_accounted() {
    for stream in [true, false] {
        let (slow, quick) = if stream {
            (openai(5_000, "slow"), anthropic(100, "quick"))
        } else {
            (openai_whole(5_000, "slow"), anthropic_whole(100, "quick"))
        };
        let fake = run(&gateway(&always()), &chat(stream, ""), &[], vec![slow, quick]);
        assert_eq!(fake.status(), 200);
        assert!(fake.body().contains("quick") && !fake.body().contains("slow"), "{}", fake.body());
        assert_eq!(attempts(&fake), format!("openai/gpt-4o-mini:hedged,{PAIR}:200"));
        assert_eq!(fake.header("x-signalbox-model").unwrap(), PAIR);
        assert_eq!(called_at(&fake), [0, LATE]);
        let stopped = aborted_at(&fake)[0].unwrap();
        assert!(stopped > LATE && stopped < LATE + 200, "as soon as the other has content: {stopped}");
        assert_eq!(outcomes(&fake), [Outcome::Hedged, Outcome::Completed]);
        let Cost::Estimated { picousd } = settled(&fake)[0].1 else { panic!("{:?}", settled(&fake)) };
        assert!(picousd > 0, "a call that was stopped has used its prompt");
        assert!(matches!(settled(&fake)[1].1, Cost::Exact { .. }));
        let records = fake.0.records.borrow();
        let told: Vec<_> = records[0].attempts.iter().map(|one| (one.role.as_str(), one.outcome.as_str())).collect();
        assert_eq!(told, [("first", "hedged"), ("hedge", "200")]);
    }
}

#[test]
fn the_first_one_answers_where_it_is_only_just_late() {
    for stream in [true, false] {
        let (first, second) = if stream {
            (openai(LATE + 50, "first"), anthropic(900, "second"))
        } else {
            (openai_whole(LATE + 50, "first"), anthropic_whole(900, "second"))
        };
        let fake = run(&gateway(&always()), &chat(stream, ""), &[], vec![first, second]);
        assert!(fake.body().contains("first") && !fake.body().contains("second"), "{}", fake.body());
        assert_eq!(attempts(&fake), format!("openai/gpt-4o-mini:200,{PAIR}:hedged"));
        assert_eq!(outcomes(&fake), [Outcome::Completed, Outcome::Hedged]);
        assert!(aborted_at(&fake)[1].unwrap() <= LATE + 80);
        if stream {
            assert!(fake.body().ends_with("data: [DONE]\n\n"));
        }
    }
}

#[test]
fn what_is_not_late_and_what_is_not_to_be_hedged_is_asked_once() {
    let alone = |gateway: &Rc<Gateway>, body: &str, headers: &[(&str, &str)]| {
        let scripts = || vec![openai(5_000, "slow"), anthropic(1, "quick")];
        let fake = run(gateway, body, headers, scripts());
        assert_eq!(fake.calls().len(), 1, "{body}");
        assert_eq!(attempts(&fake), "openai/gpt-4o-mini:200", "{body}");
    };
    let fake = run(&gateway(&always()), &chat(true, ""), &[], vec![openai(LATE - 50, "in time")]);
    assert_eq!((fake.calls().len(), outcomes(&fake)), (1, vec![Outcome::Completed]));
    let plain = chat(true, "");
    alone(&gateway(&Value::Null), &plain, &[]);
    alone(&gateway(&json!({"mode": "off", "after_ms": LATE, "max_share": 1})), &plain, &[]);
    // Nothing is known of the candidate, and nothing stands in for it.
    alone(&gateway(&json!({"max_share": 1})), &plain, &[]);
    // Two calls at once cost more than policy or caller allow; a model without a price costs nobody knows what.
    alone(&gateway(&json!({"mode": "fixed", "after_ms": LATE, "max_share": 1, "max_cost_usd": 0})), &plain, &[]);
    alone(&gateway(&always()), &plain, &[("x-signalbox-max-cost-usd", "0.0002")]);
    alone(&gateway(&always()), &plain.replace(PAIR, "nobody/knows"), &[]);
    // A provider's own tools act, and would act twice.
    alone(&gateway(&always()), &chat(true, r#","web_search_options":{}"#), &[]);
}

#[test]
fn functions_and_documents_may_be_asked_for_twice() {
    for more in [
        r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#,
        r#","temperature":0"#,
    ] {
        let fake = run(&gateway(&always()), &chat(true, more), &[], vec![openai(5_000, "slow"), anthropic(1, "quick")]);
        assert_eq!(outcomes(&fake), [Outcome::Hedged, Outcome::Completed], "{more}");
    }
    let bound = [
        (
            "/v1/responses",
            r#"{"model":"openai/gpt-4o-mini","models":["anthropic/claude-haiku-4-5"],"stream":true,"input":"Hi","tools":[{"type":"mcp","server_label":"s","server_url":"https://s.example"}]}"#,
        ),
        (
            "/v1/responses",
            r#"{"model":"openai/gpt-4o-mini","models":["openai/gpt-4o"],"stream":true,"input":"Hi","previous_response_id":"resp_1"}"#,
        ),
    ];
    for (path, body) in bound {
        let fake = Fake::new([Script::silent(), Script::silent()]);
        serve(&fake, &gateway(&always()), post(path, body, &[]));
        assert!(!called_at(&fake).contains(&LATE), "{body}");
    }
}

#[test]
fn hedges_are_a_share_of_the_requests() {
    let gateway = gateway(&json!({"mode": "fixed", "after_ms": LATE, "max_share": 0.1, "max_cost_usd": 1}));
    let calls: usize = (0..100)
        .map(|_| run(&gateway, &chat(true, ""), &[], vec![openai(2_000, "slow"), anthropic(1, "quick")]).calls().len())
        .sum();
    assert_eq!(calls, 111, "a tenth of them, and one");
}

#[test]
fn the_observed_time_decides_and_a_figure_stands_in_for_it_until_then() {
    let gateway = gateway(&json!({"mode": "p95", "after_ms": 3_000, "max_share": 1, "max_cost_usd": 1}));
    let asked = |gateway: &Rc<Gateway>, body: &str| {
        called_at(&run(gateway, body, &[], vec![openai(9_000, "slow"), anthropic(1, "quick")]))
    };
    assert_eq!(asked(&gateway, &chat(true, "")), [0, 3_000]);
    let seen = Seen { ttft_p95_ms: Some(400), ..Seen::default() };
    gateway.board_said("openai", Message { candidates: [("openai/gpt-4o-mini".to_owned(), seen)].into() }, START_MS);
    assert_eq!(asked(&gateway, &chat(true, "")), [0, 400]);
    // A whole answer takes as much longer as it is expected to take.
    let whole = called_at(&run(
        &gateway,
        &chat(false, ""),
        &[],
        vec![openai_whole(20_000, "slow"), anthropic_whole(1, "quick")],
    ));
    assert!(whole[1] > 1_000, "{whole:?}");
}

#[test]
fn a_failure_of_one_leaves_it_to_the_other() {
    let (key, wrong) = (
        Script::json(401, r#"{"error":{"message":"Incorrect API key: key-of-openai"}}"#),
        Script::json(400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"no"}}"#),
    );
    let cut = || after(1_000, Script::stream(["data: {\"id\":\"c\",\"choices\":[]}\n\n"]).then(1, Piece::Reset));
    for (first, second, expected, outcome) in [
        // The first breaks, is refused, is silent; the second goes on.
        (cut(), anthropic(900, "second"), format!("openai/gpt-4o-mini:cut,{PAIR}:200"), Outcome::Completed),
        (
            after(1_000, key.clone()),
            anthropic(900, "second"),
            format!("openai/gpt-4o-mini:401,{PAIR}:200"),
            Outcome::Completed,
        ),
        (
            Script::silent(),
            anthropic(12_000, "second"),
            format!("openai/gpt-4o-mini:timeout,{PAIR}:200"),
            Outcome::Completed,
        ),
        // The second does; the first goes on, though it takes longer than who can be replaced may.
        (openai(12_000, "first"), Script::refused(), format!("openai/gpt-4o-mini:200,{PAIR}:connect"), Outcome::Failed),
        (openai(12_000, "first"), wrong.clone(), format!("openai/gpt-4o-mini:200,{PAIR}:400"), Outcome::Failed),
    ] {
        let fake = run(&gateway(&always()), &chat(true, ""), &[], vec![first, second]);
        assert_eq!(fake.status(), 200, "{expected}");
        assert_eq!(attempts(&fake), expected);
        assert_eq!(fake.calls().len(), 2);
        assert_eq!(outcomes(&fake)[1], outcome, "{expected}");
        assert!(fake.body().ends_with("data: [DONE]\n\n"));
    }
    for (first, second, expected) in [
        (after(1_000, key), anthropic_whole(900, "second"), format!("openai/gpt-4o-mini:401,{PAIR}:200")),
        (openai_whole(2_000, "first"), wrong, format!("openai/gpt-4o-mini:200,{PAIR}:400")),
    ] {
        let fake = run(&gateway(&always()), &chat(false, ""), &[], vec![first, second]);
        assert_eq!((fake.status(), attempts(&fake)), (200, expected));
    }
}

#[test]
fn both_fail() {
    for stream in [true, false] {
        let down = |status, at| after(at, Script::json(status, "{}"));
        let scripts = vec![down(500, 1_000), down(503, 400), down(503, 10)];
        let fake = run(&gateway(&always()), &chat(stream, ""), &[], scripts);
        assert_eq!(fake.status(), 502);
        assert_eq!(attempts(&fake), format!("openai/gpt-4o-mini:500,{PAIR}:503,{PAIR}:503"));
        assert_eq!(outcomes(&fake), [Outcome::Failed; 3]);
    }
    // What one of them quoted of its key is not told, whoever else was asked last.
    let refusal =
        Script::json(400, r#"{"error":{"message":"what is key-of-openai doing here","type":"invalid_request_error"}}"#);
    let fake = run(&gateway(&always()), &chat(true, ""), &[], vec![after(1_000, refusal), anthropic(5_000, "late")]);
    assert_eq!((fake.status(), attempts(&fake)), (400, format!("openai/gpt-4o-mini:400,{PAIR}:hedged")));
    assert!(fake.body().contains("what is [key] doing here"), "{}", fake.body());
    assert_eq!(outcomes(&fake), [Outcome::Failed, Outcome::Hedged]);
    assert!(aborted_at(&fake)[1].is_some());
}

#[test]
fn who_has_begun_and_breaks_is_no_winner_before_its_content() {
    // Headers and an empty first event are no content.
    let first = openai(1_000, "first").body[..1].to_vec();
    let begun = Script { body: first, ..openai(800, "") }.then(0, Piece::Hang);
    let fake = run(&gateway(&always()), &chat(true, ""), &[], vec![begun, anthropic(2_000, "second")]);
    assert_eq!(attempts(&fake), format!("openai/gpt-4o-mini:hedged,{PAIR}:200"));
    assert!(fake.body().contains("second"));
}

#[test]
fn the_caller_may_leave_while_two_are_asked() {
    for (stream, scripts) in [
        (true, vec![openai(5_000, "slow"), anthropic(5_000, "slower")]),
        (false, vec![openai_whole(5_000, "slow"), anthropic_whole(5_000, "slower")]),
    ] {
        let fake = Fake::new(scripts);
        fake.0.gone_at.set(Some(START_MS + 1_000));
        serve(&fake, &gateway(&always()), post("/v1/chat/completions", &chat(stream, ""), &[]));
        assert_eq!(outcomes(&fake), [Outcome::ClientGone, Outcome::ClientGone]);
        assert_eq!(aborted_at(&fake)[1], Some(1_000));
        assert!(fake.0.head.borrow().is_none(), "nobody is told anything");
        // A whole answer is paid for in any case: it is read on for its usage.
        let exact = matches!(settled(&fake)[0].1, Cost::Exact { .. });
        assert_eq!((exact, aborted_at(&fake)[0]), (!stream, Some(if stream { 1_000 } else { 5_001 })));
    }
}

#[test]
fn a_request_that_nobody_answers_ends_with_its_time() {
    for stream in [true, false] {
        let fake = run(&gateway(&always()), &chat(stream, ""), &[], vec![Script::silent(), Script::silent()]);
        // A stream is opened after its grace.
        assert_eq!(fake.status(), if stream { 200 } else { 504 });
        assert_eq!(fake.calls().len(), 2);
        let last = fake.0.written.borrow().last().unwrap().0 - START_MS;
        assert_eq!(last, 30_000);
        assert_eq!(outcomes(&fake), [Outcome::Failed, Outcome::Failed]);
        assert_eq!(aborted_at(&fake).iter().filter(|at| at.is_some()).count(), 2);
    }
}

#[test]
fn a_stream_that_is_open_before_anyone_has_answered_is_pinged_and_says_at_its_end_who_did() {
    let late = json!({"mode": "fixed", "after_ms": 8_000, "max_share": 1, "max_cost_usd": 1});
    let fake = run(&gateway(&late), &chat(true, ""), &[], vec![openai(25_000, "slow"), anthropic(9_000, "quick")]);
    assert!(fake.body().starts_with(": "), "{}", fake.body());
    assert!(fake.body().contains(&format!("\"model\":\"{PAIR}\"")), "{}", fake.body());
    assert!(fake.body().contains("\"timeout\"") && fake.body().ends_with("data: [DONE]\n\n"));
}

#[test]
fn an_untouched_stream_is_moved_by_the_platform_also_where_it_was_raced_for() {
    let body = r#"{"model":"anthropic/claude-haiku-4-5","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]}"#;
    let whole: String = anthropic(0, "first")
        .body
        .iter()
        .map(|(_, piece)| match piece {
            Piece::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            _ => String::new(),
        })
        .collect();
    let fake = Fake::new([anthropic(1_000, "first"), openai(5_000, "second")]);
    let headers = [("x-signalbox-models", "openai/gpt-4o-mini"), ("x-signalbox-continue", "off")];
    serve(&fake, &gateway(&always()), post("/v1/messages", body, &headers));
    assert_eq!(attempts(&fake), format!("{PAIR}:200,openai/gpt-4o-mini:hedged"));
    assert_eq!(fake.body(), whole, "byte for byte");
}

#[test]
fn a_candidate_that_is_outrun_is_known_to_be_slow_but_not_to_fail() {
    let gateway = gateway(&always());
    run(&gateway, &chat(true, ""), &[], vec![openai(100, "quick")]);
    let before = gateway.health("openai/gpt-4o-mini", START_MS + 10_000);
    run(&gateway, &chat(true, ""), &[], vec![openai(5_000, "slow"), anthropic(100, "quick")]);
    let now = gateway.health("openai/gpt-4o-mini", START_MS + 10_000);
    assert!(now.ttft_ms > before.ttft_ms, "{before:?} {now:?}");
    assert_eq!((now.errors_micro, now.outstanding), (before.errors_micro, 0));
    assert_eq!(gateway.health(PAIR, START_MS + 10_000).outstanding, 0);
}
