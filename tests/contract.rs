//! The contract (DESIGN §1, §2, §5) against hostile callers and providers: what comes in odd pieces, too deep, too early,
//! too late or never. Each test runs the whole path over the scripted world and checks the invariants that every exchange
//! keeps.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::Value;
use signalbox::accounting::{Cost, Outcome, Row};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Head, Piece, Script, START_MS};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "mistral": {"base_url": "http://127.0.0.1:9/mistral/v1", "api_key": "k-mistral"},
    "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k-backup", "prices_of": "openai"},
    "claude2": {"kind": "anthropic-messages", "base_url": "http://127.0.0.1:9/claude2", "api_key": "k-claude2", "prices_of": "anthropic"}
  }
}"#;

const BACKUP: &str = r#","models":["backup/gpt-4o-mini"]"#;
const CHAT: &str = "/v1/chat/completions";
const MESSAGES: &str = "/v1/messages";

thread_local! {
    static READ_ONCE: Gateway = Gateway::load_local(CONFIG).expect("the test's configuration is valid");
}

/// A gateway that remembers nothing.
fn gateway() -> Rc<Gateway> {
    READ_ONCE.with(support::forgetful)
}

fn post(path: &str, body: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Request {
    Request {
        method: "POST".into(),
        path: path.into(),
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: body.into(),
    }
}

fn serve_at(gateway: &Rc<Gateway>, fake: &Fake, request: Request) {
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway.clone()), request));
    keeps_the_invariants(fake);
}

fn serve(fake: &Fake, request: Request) {
    serve_at(&gateway(), fake, request);
}

fn chat(model: &str, stream: bool, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Say hello"}}],"stream":{stream}{more}}}"#)
}

fn ask(model: &str, stream: bool) -> Request {
    post(CHAT, chat(model, stream, ""), &[])
}

fn claude(model: &str, stream: bool, headers: &[(&str, &str)]) -> Request {
    let body = format!(
        r#"{{"model":"{model}","max_tokens":50,"stream":{stream},"messages":[{{"role":"user","content":"Say hello"}}]}}"#
    );
    post(MESSAGES, body, headers)
}

/// What holds for every exchange, whatever happened in it.
fn keeps_the_invariants(fake: &Fake) {
    let calls = fake.calls();
    let rows = fake.0.rows.borrow();
    let of = |open: bool| -> Vec<u32> {
        let wanted = rows.iter().filter(|(_, row)| matches!(row, Row::Open { .. }) == open);
        wanted.map(|(_, row)| row.opened().attempt).collect()
    };
    assert_eq!(of(true), (1..=calls.len() as u32).collect::<Vec<_>>(), "each call is opened once, in order");
    let mut settles = of(false);
    settles.sort_unstable();
    assert_eq!(settles, of(true), "each attempt is settled once");

    let log = fake.0.log.borrow();
    let lines: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect("lines are JSON")).collect();
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == "request").collect();
    assert_eq!(requests.len(), 1, "one line per request: {log:?}");
    let left = fake.0.gone_at.get().is_some();
    if !left {
        assert_ne!(fake.status(), 0, "everybody who waits is answered");
        assert_eq!(requests[0]["status"], fake.status(), "the line tells the status that was sent");
        assert_ne!(fake.0.closed.get(), fake.0.aborted.get(), "an answer has one end");
        assert!(fake.header("x-signalbox-request-id").is_some_and(|id| id.starts_with("req_")));
    }
    let sent: Vec<String> =
        fake.0.head.borrow().iter().flat_map(|h| h.headers.iter().map(|(_, v)| v.to_owned())).collect();
    let told = format!("{log:?} {sent:?} {}", fake.body_lossy());
    for secret in ["k-openai", "k-anthropic", "k-gemini", "k-mistral", "k-backup", "k-claude2"] {
        assert!(!told.contains(secret), "{secret} got out");
    }
    assert!(!format!("{log:?}").contains("Say hello"), "prompts stay out of the log");
    if let Some(head) = fake.0.head.borrow().as_ref() {
        for (name, value) in head.headers.iter() {
            assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)), "{name}: {value:?} is no header value");
        }
    }
}

fn settled(fake: &Fake, attempt: u32) -> (Outcome, Cost) {
    let rows = fake.0.rows.borrow();
    let found = rows.iter().find_map(|(_, row)| match row {
        Row::Settle { opened, settled } if opened.attempt == attempt => Some((settled.outcome, settled.cost)),
        _ => None,
    });
    found.expect("the attempt is settled")
}

fn sent(fake: &Fake, call: usize) -> Value {
    serde_json::from_slice(&fake.calls()[call].request.body).expect("what is sent is JSON")
}

fn error_of(fake: &Fake) -> Value {
    let body: Value = serde_json::from_str(&fake.body()).expect("errors are JSON");
    body["error"].clone()
}

fn chunk(choices: &str) -> String {
    format!("data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":{choices}}}\n\n")
}

fn delta(text: &str) -> String {
    chunk(&format!(
        r#"[{{"index":0,"delta":{{"content":{}}},"finish_reason":null}}]"#,
        serde_json::to_string(text).unwrap()
    ))
}

fn role() -> String {
    chunk(r#"[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]"#)
}

fn finish(reason: &str) -> String {
    chunk(&format!(r#"[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]"#))
}

fn usage() -> String {
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-x\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n".to_owned()
}

const DONE: &str = "data: [DONE]\n\n";
const BUSY: &str =
    "data: {\"error\":{\"message\":\"busy\",\"type\":\"server_error\",\"code\":\"server_is_overloaded\"}}\n\n";
const WHOLE: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;

fn hello() -> Script {
    Script::stream([role(), delta("Hello"), finish("stop"), usage(), DONE.to_owned()])
}

fn hello_text() -> String {
    [role(), delta("Hello"), finish("stop"), DONE.to_owned()].concat()
}

const A_START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n";
const A_BLOCK: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
const A_TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n";
const A_STOP: &str = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
const A_DELTA: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":3}}\n\n";
const A_END: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const A_BUSY: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";

fn a_all() -> String {
    [A_START, A_BLOCK, A_TEXT, A_STOP, A_DELTA, A_END].concat()
}

fn gemini(candidates: &str, rest: &str) -> String {
    format!("data: {{\"candidates\":{candidates}{rest}}}\r\n\r\n")
}

fn hangs(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Script {
    Script::stream(pieces).then(0, Piece::Hang)
}

fn took_ms(fake: &Fake) -> u64 {
    let ends = fake.0.written.borrow().last().map_or(0, |(at, _)| *at);
    ends - START_MS
}

mod pieces {
    use super::*;

    #[test]
    fn content_in_one_piece_with_the_end_goes_out_whole() {
        let all = [role(), delta("Hello"), finish("stop"), usage(), DONE.to_owned()].concat();
        let fake = Fake::new([Script::stream([all])]);
        serve(&fake, ask("openai/gpt-4o-mini", true));
        assert_eq!(fake.body(), hello_text());
        assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Exact { .. })));
    }

    #[test]
    fn content_in_one_piece_with_an_error_before_anything_went_out_is_a_failure_that_nobody_sees() {
        let all = [role(), delta("Hel"), BUSY.to_owned()].concat();
        let fake = Fake::new([Script::stream([all.clone()]), Script::stream([all]), hello()]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[]));
        assert_eq!(fake.body(), hello_text());
        assert_eq!(fake.header("x-signalbox-model").as_deref(), Some("backup/gpt-4o-mini"));
    }

    #[test]
    fn an_error_after_content_ends_the_stream_in_one_typed_error() {
        for pieces in [
            vec![role(), delta("Hel"), BUSY.to_owned()],
            vec![role(), [delta("Hel"), delta("lo"), BUSY.to_owned()].concat()],
        ] {
            // In the second form nothing was out yet when the error came: the next candidate answers.
            let at_once = pieces.len() == 2;
            let fake = Fake::new([Script::stream(pieces), hello(), hello()]);
            serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[("x-signalbox-continue", "off")]));
            let body = fake.body();
            if at_once {
                assert_eq!(body, hello_text());
            } else {
                assert_eq!(body.matches("\"error\"").count(), 1, "{body}");
                assert!(!body.contains("[DONE]"), "{body}");
                assert_eq!(fake.calls().len(), 1);
            }
        }
    }

    #[test]
    fn an_untouched_stream_that_ends_in_the_providers_error_gets_no_second_one() {
        let fake = Fake::new([Script::stream([A_START, A_BLOCK, A_TEXT, A_BUSY])]);
        serve(&fake, claude("anthropic/claude-sonnet-4-5", true, &[]));
        let body = fake.body();
        assert_eq!(body, [A_START, A_BLOCK, A_TEXT, A_BUSY].concat());
        assert!(fake.0.closed.get());
        assert!(matches!(settled(&fake, 1), (Outcome::Cut, Cost::Estimated { .. })));
    }

    #[test]
    fn half_an_event_that_is_out_ends_in_a_transport_error_also_when_the_provider_falls_silent() {
        let half = "event: content_block_delta\ndata: {\"type\":\"content_bl";
        let fake = Fake::new([hangs([A_START, A_BLOCK, A_TEXT, half])]);
        serve(&fake, claude("anthropic/claude-sonnet-4-5", true, &[]));
        assert!(fake.0.aborted.get(), "{}", fake.body());
        assert!(!fake.body().contains("event: error"), "{}", fake.body());
    }

    #[test]
    fn a_first_piece_that_is_cut_inside_its_event_waits_for_the_rest() {
        let first = [role(), delta("Hel")].concat();
        for cut in 1..first.len() {
            let fake = Fake::new([Script::stream([
                first.as_bytes()[..cut].to_vec(),
                [&first.as_bytes()[cut..], finish("stop").as_bytes(), DONE.as_bytes()].concat(),
            ])]);
            serve(&fake, ask("openai/gpt-4o-mini", true));
            assert_eq!(fake.body(), [first.clone(), finish("stop"), DONE.to_owned()].concat(), "cut at {cut}");
        }
    }
}

mod ends {
    use super::*;

    #[test]
    fn a_terminator_ends_the_answer_although_the_connection_stays_open() {
        for (model, script) in [
            ("openai/gpt-4o-mini", hangs([role(), delta("Hello"), finish("stop"), usage(), DONE.to_owned()])),
            ("anthropic/claude-sonnet-4-5", hangs([a_all()])),
        ] {
            for request in [ask(model, true), claude(model, true, &[])] {
                let native = request.path == CHAT;
                let fake = Fake::new([script.clone()]);
                serve(&fake, request);
                assert!(took_ms(&fake) < 3_000, "{model} {native}: {} ms", took_ms(&fake));
                let body = fake.body();
                assert!(body.contains("Hello") && !body.contains("error"), "{body}");
                assert!(body.ends_with(if native { DONE } else { A_END }), "{body}");
                assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Exact { .. })));
                assert!(fake.calls()[0].aborted_at.get().is_some(), "an open connection is not left behind");
            }
        }
    }

    #[test]
    fn a_finish_without_a_terminator_is_not_waited_for_until_the_total_deadline() {
        let answer = gemini(
            r#"[{"index":0,"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}]"#,
            r#","usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}"#,
        );
        for (model, script) in [
            ("openai/gpt-4o-mini", hangs([role(), delta("Hello"), finish("stop")])),
            ("gemini/gemini-2.5-flash", hangs([answer])),
        ] {
            let fake = Fake::new([script]);
            serve(&fake, ask(model, true));
            assert!(took_ms(&fake) < 20_000, "{model}: {} ms", took_ms(&fake));
            assert!(fake.body().ends_with(DONE), "{}", fake.body());
        }
    }

    #[test]
    fn a_connection_that_breaks_behind_a_complete_answer_breaks_nothing() {
        let answer =
            gemini(r#"[{"index":0,"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}]"#, "");
        for (model, pieces) in [
            ("openai/gpt-4o-mini", vec![role(), delta("Hello"), finish("stop")]),
            ("gemini/gemini-2.5-flash", vec![answer]),
        ] {
            let fake = Fake::new([Script::stream(pieces).then(3, Piece::Reset)]);
            serve(&fake, ask(model, true));
            let body = fake.body();
            assert!(body.ends_with(DONE) && !body.contains("\"error\""), "{model}: {body}");
        }
    }

    #[test]
    fn a_choice_that_is_cut_makes_the_whole_answer_cut() {
        let second = chunk(r#"[{"index":1,"delta":{"content":"Goo"},"finish_reason":null}]"#);
        for request in [ask("openai/gpt-4o-mini", true), post(CHAT, chat("openai/gpt-4o-mini", true, r#","n":2"#), &[])]
        {
            let fake = Fake::new([Script::stream([role(), delta("Hello"), second.clone(), finish("stop")])]);
            serve(&fake, request);
            let body = fake.body();
            assert!(body.contains("\"error\"") && !body.contains("[DONE]"), "{body}");
        }
    }

    #[test]
    fn a_terminator_alone_is_no_answer() {
        let fake = Fake::new([Script::stream([DONE]), Script::stream([DONE]), hello()]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[]));
        assert_eq!(fake.body(), hello_text());
        let fake = Fake::new([Script::stream([""]), Script::stream([""])]);
        serve(&fake, ask("openai/gpt-4o-mini", true));
        assert_eq!(fake.status(), 502);
    }

    #[test]
    fn an_empty_turn_is_an_answer() {
        for reason in ["stop", "length", "content_filter"] {
            let fake = Fake::new([Script::stream([role(), finish(reason), usage(), DONE.to_owned()])]);
            serve(&fake, ask("openai/gpt-4o-mini", true));
            assert_eq!(fake.body(), [role(), finish(reason), DONE.to_owned()].concat());
            assert_eq!(fake.calls().len(), 1, "a verdict is not shopped around");
        }
        let empty = [A_START, A_DELTA, A_END].concat();
        let fake = Fake::new([Script::stream([empty.clone()])]);
        serve(&fake, claude("anthropic/claude-sonnet-4-5", true, &[]));
        assert_eq!(fake.body(), empty);
    }

    #[test]
    fn a_refusal_is_the_answer_and_no_other_model_is_asked() {
        let refused = A_DELTA.replace("end_turn", "refusal");
        let fake = Fake::new([Script::stream([[A_START, &refused, A_END].concat()])]);
        serve(&fake, post(CHAT, chat("anthropic/claude-sonnet-4-5", true, BACKUP), &[]));
        let body = fake.body();
        assert!(body.contains("\"finish_reason\":\"content_filter\"") && body.ends_with(DONE), "{body}");
        assert_eq!(fake.calls().len(), 1);
    }

    #[test]
    fn a_failure_in_the_guise_of_a_finish_is_a_failure() {
        for (model, script) in [
            ("openai/gpt-4o-mini", Script::stream([role(), finish("error"), DONE.to_owned()])),
            (
                "gemini/gemini-2.5-flash",
                Script::stream([gemini(r#"[{"index":0,"finishReason":"MALFORMED_FUNCTION_CALL"}]"#, "")]),
            ),
        ] {
            let fake = Fake::new([script.clone(), script.clone(), hello()]);
            serve(&fake, post(CHAT, chat(model, true, BACKUP), &[]));
            assert!(fake.body().contains("Hello") && fake.body().ends_with(DONE), "{model}: {}", fake.body());
        }
        // After content the same is the typed error, and no terminator makes it look whole.
        for (model, script) in [
            ("openai/gpt-4o-mini", Script::stream([role(), delta("Hel"), finish("error"), DONE.to_owned()])),
            (
                "gemini/gemini-2.5-flash",
                Script::stream([
                    gemini(r#"[{"index":0,"content":{"role":"model","parts":[{"text":"Hel"}]}}]"#, ""),
                    gemini(r#"[{"index":0,"finishReason":"MALFORMED_FUNCTION_CALL"}]"#, ""),
                ]),
            ),
        ] {
            let fake = Fake::new([script]);
            serve(&fake, ask(model, true));
            let body = fake.body();
            assert!(body.contains("\"error\":{") && !body.contains("[DONE]"), "{model}: {body}");
            assert!(!body.contains("\"finish_reason\":\"stop\""), "{model}: {body}");
        }
    }

    #[test]
    fn usage_that_comes_late_is_still_counted_and_usage_that_never_comes_is_estimated() {
        let late = [finish("stop"), DONE.to_owned(), usage()].concat();
        let fake = Fake::new([Script::stream([role(), delta("Hello"), late])]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#), &[]));
        assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Exact { .. })));
        let body = fake.body();
        assert!(body.ends_with(DONE) && body.matches("\"prompt_tokens\":9").count() == 1, "{body}");

        let fake = Fake::new([Script::stream([role(), delta("Hello"), finish("stop"), DONE.to_owned()])]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#), &[]));
        assert!(matches!(settled(&fake, 1), (Outcome::Completed, Cost::Estimated { picousd }) if picousd > 0));
        let body = fake.body();
        assert!(body.contains("\"usage\":{"), "who asked for usage gets a usage chunk: {body}");
    }
}

mod clocks {
    use super::*;

    fn comments(every_ms: u64, times: usize) -> Vec<(u64, Piece)> {
        std::iter::repeat_n((every_ms, Piece::Bytes(b": keep-alive\n\n: OPENROUTER PROCESSING\n\n".to_vec())), times)
            .collect()
    }

    #[test]
    fn comments_do_not_keep_a_silent_route_alive() {
        let mut script = Script::stream([role()]);
        script.body.extend(comments(1_000, 100));
        let fake = Fake::new([script, hello()]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[]));
        let calls = fake.calls();
        assert_eq!(calls[1].at_ms - calls[0].at_ms, 10_000, "first content is due after ten seconds");
        assert_eq!(fake.body(), hello_text(), "nothing of the first route is seen, its comments neither");
    }

    #[test]
    fn comments_after_content_do_not_reset_the_idle_clock() {
        let mut script = Script::stream([role(), delta("Hel")]);
        script.body.extend(comments(2_000, 100));
        let fake = Fake::new([script, hello()]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[("x-signalbox-continue", "off")]));
        let body = fake.body();
        assert!(body.contains("\"error\"") && !body.contains("[DONE]"), "{body}");
        assert!((15_000..=15_100).contains(&took_ms(&fake)), "{}", took_ms(&fake));
        assert!(fake.calls()[0].aborted_at.get().is_some());
        assert_eq!(fake.calls().len(), 1);
    }

    #[test]
    fn pings_keep_a_waiting_caller_and_change_no_byte_of_the_answer() {
        let mut script = hello();
        script.body[1].0 = 47_000;
        for request in [ask("openai/gpt-4o-mini", true), claude("openai/gpt-4o-mini", true, &[])] {
            let fake = Fake::new([script.clone()]);
            serve(&fake, request);
            let written = fake.0.written.borrow();
            let pings: Vec<u64> =
                written.iter().filter(|(_, b)| b.starts_with(b": ping")).map(|(at, _)| at - START_MS).collect();
            assert_eq!(pings, [15_000, 30_000, 45_000]);
        }
    }

    #[test]
    fn an_untouched_stream_that_was_opened_early_tells_who_answered_at_its_end() {
        let mut script = Script::stream([A_START, A_BLOCK, A_TEXT, A_STOP, A_DELTA, A_END]);
        script.body[2].0 = 20_000;
        let fake = Fake::new([script]);
        serve(&fake, claude("anthropic/claude-sonnet-4-5", true, &[]));
        assert_eq!(fake.header("x-signalbox-model"), None);
        let body = fake.body();
        assert!(body.contains("\"signalbox\":{") && body.contains("anthropic/claude-sonnet-4-5"), "{body}");
        assert_eq!(body.matches("message_start").count(), 2, "one event, named twice: {body}");
        assert!(body.contains("Hello") && body.ends_with(A_END), "{body}");
    }

    #[test]
    fn the_last_candidate_has_the_total_deadline_only() {
        let mut script = hello();
        script.head = Head::After(200_000, 200, vec![("content-type", "text/event-stream".into())]);
        script.body[1].0 = 200_000;
        let fake = Fake::new([script]);
        serve(&fake, ask("openai/gpt-4o-mini", true));
        assert!(fake.body().ends_with(DONE), "{}", fake.body());
        assert_eq!(fake.calls().len(), 1);
    }

    #[test]
    fn the_total_deadline_binds_waits_and_attempts_of_whole_answers() {
        let fake = Fake::new([Script::silent(), Script::silent(), Script::silent()]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", false, BACKUP), &[]));
        assert_eq!(fake.status(), 504);
        assert_eq!(took_ms(&fake), 600_000);
        assert_eq!(fake.calls().len(), 2, "silence is not retried at the same candidate");
        assert!(fake.calls().iter().all(|call| call.aborted_at.get().is_some()));
    }
}

mod leaving {
    use super::*;

    #[test]
    fn whenever_a_caller_leaves_everything_is_stopped_and_settled_once() {
        let limited = || {
            Script::json(429, r#"{"error":{"message":"slow","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#)
                .with_header("retry-after", "1")
        };
        let scripts = || {
            [
                (true, vec![limited(), hello()]),
                (true, vec![Script::refused(), Script::refused(), hello()]),
                (false, vec![limited(), Script::json(200, WHOLE)]),
                (true, vec![Script::silent(), hello()]),
            ]
        };
        for which in 0..scripts().len() {
            for at in (0..1_500).step_by(7).chain([9_999, 10_000, 10_001, 10_040, 10_070]) {
                let (stream, list) = scripts()[which].clone();
                let fake = Fake::new(list);
                fake.0.gone_at.set(Some(START_MS + at));
                serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", stream, BACKUP), &[]));
                for call in fake.calls() {
                    assert!(call.at_ms <= START_MS + at, "nobody is called for a caller who has left");
                    if let (Outcome::ClientGone, _) = settled(&fake, 1) {
                        assert!(call.aborted_at.get().is_some(), "left at {at}: the provider is stopped");
                    }
                }
            }
        }
    }

    #[test]
    fn who_leaves_an_untouched_stream_stops_it() {
        for at in [5, 25, 45, 60] {
            let fake = Fake::new([hangs([A_START, A_BLOCK, A_TEXT])]);
            fake.0.gone_at.set(Some(START_MS + at));
            serve(&fake, claude("anthropic/claude-sonnet-4-5", true, &[]));
            assert_eq!(fake.calls()[0].aborted_at.get(), Some(START_MS + at));
            assert!(matches!(settled(&fake, 1).0, Outcome::ClientGone));
            let log = fake.0.log.borrow().join("\n");
            assert!(log.contains("\"status\":499"), "{log}");
        }
    }
}

mod input {
    use super::*;

    /// A caller's mistake: 400, nobody is called, the dialect's own error.
    fn refused(request: Request) -> Fake {
        let what = String::from_utf8_lossy(&request.body[..request.body.len().min(120)]).into_owned();
        let fake = Fake::new([]);
        serve(&fake, request);
        assert_eq!(fake.status(), 400, "{what}: {}", fake.body());
        assert_eq!(fake.calls().len(), 0, "{what}");
        assert_eq!(error_of(&fake)["type"], "invalid_request_error", "{what}: {}", fake.body());
        assert_eq!(fake.header("x-should-retry").as_deref(), Some("false"));
        fake
    }

    #[test]
    fn bodies_that_are_no_request_are_refused() {
        let bodies: [&[u8]; 20] = [
            b"",
            b" ",
            b"null",
            b"[]",
            b"\"text\"",
            b"{",
            b"{}",
            b"{}{}",
            b"\xff\xfe{\x00}\x00",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"a\x00b\"}]}",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":[{\"role\":\"user\",\"content\":\"a\nb\"}]}",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":[]}",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":null}",
            b"{\"model\":\"openai/gpt-4o-mini\",\"messages\":{}}",
            b"{\"model\":\"\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            b"{\"model\":1,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            b"{\"model\":\"openai/a\",\"model\":\"openai/b\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            b"{\"model\":\"openai/a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"stream\":1}",
            b"{\"model\":\"openai/a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"temperature\":1e400}",
        ];
        for body in bodies {
            refused(post(CHAT, body, &[]));
            refused(post(MESSAGES, body, &[]));
        }
    }

    #[test]
    fn routing_members_that_are_not_implemented_are_refused_by_name() {
        for (more, param) in [
            (r#","provider":{"quantizations":["fp8"]}"#, "provider.quantizations"),
            (r#","provider":{"data_collection":"maybe"}"#, "provider.data_collection"),
            (r#","provider":{"sort":"beauty"}"#, "provider.sort"),
            (r#","provider":[]"#, "provider"),
            (r#","models":"a""#, "models"),
            (r#","models":[1]"#, "models"),
        ] {
            let fake = refused(post(CHAT, chat("openai/gpt-4o-mini", false, more), &[]));
            assert_eq!(error_of(&fake)["param"], param, "{more}: {}", fake.body());
        }
        for (name, value) in [
            ("x-signalbox-policy", "nobodys"),
            ("x-signalbox-task", "juggling"),
            ("x-signalbox-latency-budget-ms", "-1"),
            ("x-signalbox-max-cost-usd", "1e400"),
            ("x-signalbox-max-cost-usd", "NaN"),
            ("x-signalbox-on-unsupported", "maybe"),
            ("x-signalbox-continue", "always"),
            ("x-signalbox-explain", "yes"),
            ("x-signalbox-models", ","),
        ] {
            refused(post(CHAT, chat("openai/gpt-4o-mini", false, ""), &[(name, value)]));
            refused(claude("anthropic/claude-sonnet-4-5", false, &[(name, value)]));
        }
    }

    #[test]
    fn depth_costs_no_stack_wherever_it_stands() {
        // Half of the stack that wasm has.
        let run = || {
            const DEPTH: usize = 10_000;
            let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
            let object = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
            let thinking = format!("{}\"x\"{}", r#"[{"type":"thinking","thinking":"#.repeat(DEPTH), "}]".repeat(DEPTH));
            for value in [&deep, &object, &thinking] {
                let bodies = [
                    format!(r#"{{"model":"M","max_tokens":9,"messages":{value}}}"#),
                    format!(r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":{value}}}]}}"#),
                    format!(r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":[{value}]}}]}}"#),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":[{{"type":"tool_result","tool_use_id":"t","content":{value}}}]}}]}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"n","input":{value}}}]}}]}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"tools":[{{"type":"function","function":{{"name":"f","parameters":{value}}}}}]}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"tools":[{{"name":"f","input_schema":{value}}}]}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"response_format":{{"type":"json_schema","json_schema":{{"name":"s","schema":{value}}}}}}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"metadata":{value}}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"unheard_of":{value}}}"#
                    ),
                    format!(
                        r#"{{"model":"M","max_tokens":9,"messages":[{{"role":"user","content":"x"}}],"provider":{{"max_price":{value}}}}}"#
                    ),
                ];
                for (at, body) in bodies.iter().enumerate() {
                    for model in ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"] {
                        for path in [CHAT, MESSAGES] {
                            let fake = Fake::new([Script::json(400, "{}")]);
                            serve(&fake, post(path, body.replace("\"M\"", &format!("\"{model}\"")), &[]));
                            assert!(
                                fake.status() == 400 || fake.status() == 502,
                                "{at} {model} {path}: {} {}",
                                fake.status(),
                                &fake.body()[..fake.body().len().min(300)]
                            );
                        }
                    }
                }
            }
        };
        std::thread::Builder::new().stack_size(1 << 19).spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn depth_in_answers_costs_no_stack_either() {
        let run = || {
            const DEPTH: usize = 10_000;
            let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
            let object = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
            let thinking = format!("{}\"x\"{}", r#"[{"type":"thinking","thinking":"#.repeat(DEPTH), "}]".repeat(DEPTH));
            for value in [&deep, &object, &thinking] {
                let openai = [
                    format!(r#"{{"choices":{value}}}"#),
                    format!(
                        r#"{{"choices":[{{"index":0,"KEY":{{"role":"assistant","content":{value}}},"finish_reason":"stop"}}]}}"#
                    ),
                    format!(
                        r#"{{"choices":[{{"index":0,"KEY":{{"reasoning_details":{value}}},"finish_reason":"stop"}}]}}"#
                    ),
                    format!(
                        r#"{{"choices":[{{"index":0,"KEY":{{"tool_calls":[{{"id":"a","index":0,"type":"function","function":{{"name":"f","arguments":{value}}}}}]}},"finish_reason":"stop"}}]}}"#
                    ),
                    format!(
                        r#"{{"choices":[{{"index":0,"KEY":{{"content":"x"}},"logprobs":{value},"finish_reason":"stop"}}],"usage":{value}}}"#
                    ),
                    format!(r#"{{"error":{value}}}"#),
                    value.to_string(),
                ];
                let anthropic = [
                    format!(
                        r#"{{"id":"m","type":"message","role":"assistant","model":"c","content":{value},"stop_reason":"end_turn","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
                    ),
                    format!(
                        r#"{{"id":"m","type":"message","role":"assistant","model":"c","content":[{{"type":"tool_use","id":"t","name":"n","input":{value}}}],"stop_reason":"end_turn","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
                    ),
                    format!(
                        r#"{{"id":"m","type":"message","role":"assistant","model":"c","content":[{{"type":"text","text":"x","citations":{value}}}],"stop_reason":"end_turn","usage":{value}}}"#
                    ),
                ];
                let google = [
                    format!(r#"{{"candidates":{value}}}"#),
                    format!(r#"{{"candidates":[{{"content":{{"parts":{value}}},"finishReason":"STOP"}}]}}"#),
                    format!(
                        r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{{"name":"f","args":{value}}}}}]}},"finishReason":"STOP"}}]}}"#
                    ),
                    format!(
                        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},"groundingMetadata":{value},"finishReason":"STOP"}}],"promptFeedback":{value}}}"#
                    ),
                ];
                let families = [
                    ("openai/gpt-4o-mini", &openai[..]),
                    ("anthropic/claude-sonnet-4-5", &anthropic[..]),
                    ("gemini/gemini-2.5-flash", &google[..]),
                ];
                for (model, bodies) in families {
                    for body in bodies {
                        for whole in [ask(model, false), claude(model, false, &[])] {
                            let body = body.replace("KEY", "message");
                            let fake = Fake::new([Script::json(200, body.clone()), Script::json(200, body)]);
                            serve(&fake, whole);
                        }
                        for stream in [ask(model, true), claude(model, true, &[])] {
                            let event = format!("data: {}\n\n", body.replace("KEY", "delta"));
                            let fake = Fake::new([Script::stream([event.clone()]), Script::stream([event])]);
                            serve(&fake, stream);
                        }
                    }
                }
                let fake = Fake::new([Script::json(400, value.clone())]);
                serve(&fake, ask("openai/gpt-4o-mini", false));
            }
        };
        std::thread::Builder::new().stack_size(1 << 19).spawn(run).unwrap().join().unwrap();
    }
}

mod names {
    use super::*;

    #[test]
    fn the_model_that_is_sent_is_the_providers_own_name() {
        for (model, expected) in [
            ("openai/gpt-4o-mini", "gpt-4o-mini"),
            ("gpt-4o-mini", "gpt-4o-mini"),
            ("openai/gpt-4o-mini:floor", "gpt-4o-mini"),
            ("openai/gpt-4o-mini:nitro", "gpt-4o-mini"),
            ("openai/a/b:c", "a/b:c"),
            ("openai/llama3:8b", "llama3:8b"),
            ("openai/unheard-of:floor", "unheard-of"),
        ] {
            let fake = Fake::new([Script::json(200, WHOLE)]);
            serve(&fake, ask(model, false));
            assert_eq!(sent(&fake, 0)["model"], expected, "{model}");
        }
    }

    #[test]
    fn a_model_name_can_neither_leave_its_path_nor_break_a_header() {
        for model in [
            "..",
            "../../../etc",
            "models/../../x",
            "a?b=c",
            "a#b",
            "x\\u0000y",
            "x\\r\\nset-cookie: a=b",
            "\u{6a21}\u{578b},b",
            "a@evil.example/",
            "\u{1F600}",
        ] {
            let answer =
                r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}"#;
            let fake = Fake::new([Script::json(200, answer)]);
            serve(&fake, ask(&format!("gemini/{model}"), false));
            let url = fake.calls()[0].request.url.clone();
            let rest = url.strip_prefix("http://127.0.0.1:9/gemini/v1beta/").unwrap_or_else(|| panic!("{url}"));
            assert!(rest.ends_with(":generateContent"), "{url}");
            assert!(rest.split('/').count() == 2 && !rest.contains(['?', '#', '\\', '@']), "{url}");
            assert!(!rest.split('/').any(|segment| segment == "." || segment == ".."), "{url}");
            for stream in [false, true] {
                let fake = Fake::new([if stream { hello() } else { Script::json(200, WHOLE) }]);
                serve(&fake, ask(&format!("openai/{model}"), stream));
                assert_eq!(fake.status(), 200);
                let attempts = fake.header("x-signalbox-attempts").unwrap();
                assert_eq!(attempts.split(',').count(), 1, "{attempts}");
            }
        }
    }

    #[test]
    fn an_unknown_model_of_a_known_provider_is_called_and_unpriced() {
        let fake = Fake::new([Script::json(200, WHOLE)]);
        serve(&fake, ask("openai/of-tomorrow", false));
        assert_eq!(fake.status(), 200);
        assert_eq!(settled(&fake, 1).1, Cost::UNPRICED);
        assert_eq!(fake.header("x-signalbox-cost-usd"), None, "unknown is never 0");
        assert_eq!(fake.header("x-signalbox-cost-certainty").as_deref(), Some("unpriced"));
        assert!(!fake.body().contains("\"cost\""), "{}", fake.body());

        let fake = Fake::new([]);
        serve(&fake, post(CHAT, chat("openai/of-tomorrow", false, ""), &[("x-signalbox-max-cost-usd", "1")]));
        assert_eq!(fake.calls().len(), 0, "with a price cap it needs the operator's permission");
        assert_eq!(fake.status(), 400);
    }

    #[test]
    fn what_the_catalogue_says_of_a_named_model_does_not_stop_its_own_dialect() {
        let tools = r#","tools":[{"type":"function","function":{"name":"f"}}],"temperature":0.3,"max_tokens":99999999"#;
        for entry in ["openai/gpt-3.5-turbo-instruct", "openai/o1-mini", "openai/gpt-4o-mini"] {
            let fake = Fake::new([Script::json(200, WHOLE)]);
            serve(&fake, post(CHAT, chat(entry, false, tools), &[]));
            assert_eq!(fake.calls().len(), 1, "{entry}: {}", fake.body());
        }
    }

    #[test]
    fn models_and_pages_answer_their_methods_only() {
        for (method, path, status) in [
            ("GET", "/v1/models", 200),
            ("HEAD", "/v1/models", 200),
            ("GET", "/v1/models/openai%2Fgpt-4o-mini", 200),
            ("GET", "/v1/models/openai/gpt-4o-mini", 200),
            ("GET", "/v1/models/openai%252Fgpt-4o-mini", 404),
            ("GET", "/v1/models/%00", 404),
            ("GET", "/v1/models/nobody", 404),
            ("GET", "/healthz", 200),
            ("HEAD", "/healthz", 200),
            ("HEAD", "/v1/chat/completions", 405),
            ("GET", "/v1/messages", 405),
            ("DELETE", "/v1/models", 405),
            ("GET", "/v1/nothing", 404),
            ("TRACE", "/v1/models", 405),
        ] {
            let fake = Fake::new([]);
            let request = Request { method: method.into(), path: path.into(), ..Request::default() };
            serve(&fake, request);
            assert_eq!(fake.status(), status, "{method} {path}: {}", fake.body());
        }
        let fake = Fake::new([]);
        let headers = [("anthropic-version", "2023-06-01")].into_iter().collect();
        serve(&fake, Request { method: "GET".into(), path: "/v1/models".into(), headers, ..Request::default() });
        let page: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!(page["data"][0]["type"], "model");
        assert_eq!(page["has_more"], false);
    }
}

mod money {
    use super::*;

    #[test]
    fn cached_tokens_cost_what_they_cost_and_are_counted_once() {
        let answer =
            WHOLE.replace(r#""total_tokens":11"#, r#""total_tokens":11,"prompt_tokens_details":{"cached_tokens":8}"#);
        let fake = Fake::new([Script::json(200, answer)]);
        serve(&fake, ask("openai/gpt-4o-mini", false));
        // 1 × 0.15 + 8 × 0.075 + 2 × 0.60 dollars per million.
        assert_eq!(settled(&fake, 1).1, Cost::Exact { picousd: 150_000 + 600_000 + 1_200_000 });
        assert_eq!(fake.header("x-signalbox-cost-usd").as_deref(), Some("0.00000195"));
    }

    #[test]
    fn an_alias_caller_pays_for_failed_attempts_nothing_and_for_lost_ones_an_estimate() {
        let fake = Fake::new([Script::json(500, "oops"), Script::silent(), Script::json(200, WHOLE)]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", false, BACKUP), &[]));
        assert_eq!(fake.status(), 200);
        assert_eq!(settled(&fake, 1), (Outcome::Failed, Cost::NOTHING));
        assert!(matches!(settled(&fake, 2), (Outcome::Failed, Cost::Estimated { picousd }) if picousd > 0));
    }
}

mod failures {
    use super::*;

    #[test]
    fn trouble_with_our_credential_is_not_the_callers() {
        for (status, body) in [
            (
                401,
                r#"{"error":{"message":"Incorrect API key provided: k-openai.","type":"invalid_request_error","code":"invalid_api_key"}}"#,
            ),
            (402, r#"{"error":{"message":"balance of k-openai","type":"insufficient","code":"x"}}"#),
            (403, r#"{"error":{"message":"k-openai may not","type":"permission_error","code":null}}"#),
            (
                429,
                r#"{"error":{"message":"You exceeded k-openai quota","type":"insufficient_quota","code":"insufficient_quota"}}"#,
            ),
            (407, "proxy k-openai"),
        ] {
            for request in [
                ask("openai/gpt-4o-mini", false),
                ask("openai/gpt-4o-mini", true),
                claude("openai/gpt-4o-mini", false, &[]),
            ] {
                let fake = Fake::new([Script::json(status, body)]);
                serve(&fake, request);
                if status != 407 {
                    assert_eq!(fake.status(), 502, "{status}: {}", fake.body());
                }
                assert_eq!(fake.calls().len(), 1, "{status}: what lasts is not retried");
                assert_eq!(fake.header("x-should-retry").as_deref(), Some("false"));
            }
        }
    }

    #[test]
    fn all_rate_limited_is_429_with_the_smallest_delay() {
        let limited = |after: &str| {
            Script::json(429, r#"{"error":{"message":"slow","type":"rate_limit_error","code":"rate_limit_exceeded"}}"#)
                .with_header("retry-after", after)
        };
        let fake = Fake::new([limited("60"), limited("20")]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", true, BACKUP), &[]));
        assert_eq!(fake.status(), 429);
        assert_eq!(fake.header("retry-after").as_deref(), Some("20"));
        assert_eq!(fake.header("x-should-retry").as_deref(), Some("true"));
        assert_eq!(
            fake.header("x-signalbox-attempts").as_deref(),
            Some("openai/gpt-4o-mini:429,backup/gpt-4o-mini:429")
        );
    }

    #[test]
    fn redirects_are_not_followed_and_are_failures() {
        let fake = Fake::new([
            Script::json(302, "").with_header("location", "http://169.254.169.254/"),
            Script::json(302, ""),
        ]);
        serve(&fake, ask("openai/gpt-4o-mini", false));
        assert_eq!(fake.status(), 502, "{}", fake.body());
        assert!(fake.calls().iter().all(|call| call.request.url.starts_with("http://127.0.0.1:9/openai/")));
    }

    #[test]
    fn a_provider_that_does_not_know_the_option_we_added_is_asked_without_it() {
        for message in ["Unknown parameter: 'stream_options'.", "stream_options: Extra inputs are not permitted"] {
            let refusal = format!(
                r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}"#
            );
            // Some say so in a 200.
            for status in [400, 200] {
                let fake = Fake::new([Script::json(status, refusal.clone()), hello(), hello()]);
                let gateway = gateway();
                serve_at(&gateway, &fake, ask("backup/gpt-4o-mini", true));
                assert_eq!(fake.status(), 200, "{}", fake.body());
                assert_eq!(fake.body(), hello_text());
                assert!(sent(&fake, 0).get("stream_options").is_some());
                assert!(sent(&fake, 1).get("stream_options").is_none());

                let fake = Fake::new([hello()]);
                serve_at(&gateway, &fake, ask("backup/gpt-4o-mini", true));
                assert!(sent(&fake, 0).get("stream_options").is_none(), "it is remembered");
            }

            // Who asks for it gets the provider's own answer.
            let fake = Fake::new([Script::json(400, refusal)]);
            serve(
                &fake,
                post(CHAT, chat("backup/gpt-4o-mini", true, r#","stream_options":{"include_usage":true}"#), &[]),
            );
            assert_eq!(fake.status(), 400);
        }
        let fake = Fake::new([hello()]);
        serve(&fake, ask("mistral/mistral-large-latest", true));
        assert!(sent(&fake, 0).get("stream_options").is_none(), "Mistral has no such option and needs none");
    }

    #[test]
    fn an_answer_that_is_not_of_its_dialect_is_a_failure_of_the_provider() {
        for body in ["", "<html>oops</html>", "{}", "null", "[]", "{\"choices\":null}", "data: {}\n\n", "\u{0}"] {
            for model in ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"] {
                let fake = Fake::new([Script::json(200, body), Script::json(200, body)]);
                serve(&fake, ask(model, false));
                assert_eq!(fake.status(), 502, "{model} {body:?}: {}", fake.body());
            }
        }
    }
}

mod headers {
    use super::*;

    #[test]
    fn nothing_of_the_caller_goes_upstream_but_what_is_documented() {
        let callers = [
            ("authorization", "Bearer caller-secret"),
            ("x-api-key", "caller-secret-2"),
            ("cookie", "session=caller-secret-3"),
            ("x-forwarded-for", "10.0.0.1"),
            ("cf-connecting-ip", "10.0.0.1"),
            ("openai-organization", "org-caller"),
            ("host", "evil.example"),
            ("user-agent", "caller/1"),
            ("x-stainless-os", "Linux"),
            ("x-signalbox-unheard-of", "1"),
            ("x-goog-api-key", "caller-secret-4"),
            ("anthropic-version", "2023-06-01"),
            ("anthropic-beta", "a-2026"),
            ("tracestate", "vendor=secret"),
            ("baggage", "user=secret"),
            ("content-encoding", "identity"),
        ];
        let allowed = [
            "content-type",
            "user-agent",
            "accept",
            "accept-encoding",
            "authorization",
            "x-api-key",
            "x-goog-api-key",
            "anthropic-version",
            "traceparent",
        ];
        for model in ["openai/gpt-4o-mini", "anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-flash"] {
            for request in [
                post(CHAT, chat(model, true, ""), &callers[3..]),
                post(MESSAGES, claude(model, true, &[]).body, &callers[3..]),
            ] {
                let native = request.path == MESSAGES && model.starts_with("anthropic");
                let fake = Fake::new([Script::json(500, "{}"), Script::json(500, "{}")]);
                serve(&fake, request);
                for (name, value) in fake.calls()[0].request.headers.iter() {
                    assert!(allowed.contains(&name) || (native && name == "anthropic-beta"), "{name}");
                    assert!(!value.contains("caller") && !value.contains("10.0.0.1"), "{name}: {value}");
                }
            }
        }
    }

    #[test]
    fn a_key_that_a_provider_quotes_goes_no_further() {
        let quoted = r#"{"error":{"message":"the key k-openai may not do this","type":"invalid_request_error","param":"k-openai","code":"k-openai"}}"#;
        for stream in [false, true] {
            let fake = Fake::new([Script::json(400, quoted)]);
            serve(&fake, ask("openai/gpt-4o-mini", stream)); // the invariants of every exchange look for keys
            assert_eq!(error_of(&fake)["message"], "the key [key] may not do this");
        }
    }

    #[test]
    fn secrets_have_no_debug_form() {
        let gateway = gateway();
        let text = format!("{gateway:?} {:?}", gateway.config.providers);
        for secret in ["k-openai", "k-anthropic", "k-gemini"] {
            assert!(!text.contains(secret));
        }
        let fake = Fake::new([Script::json(200, WHOLE)]);
        serve(&fake, ask("openai/gpt-4o-mini", false));
        let call = fake.calls()[0].request.clone();
        assert!(!format!("{call:?}").contains("k-openai"), "a call's Debug form shows no key");
        assert!(!format!("{call:?}").contains("Say hello"), "nor the prompt");
    }

    #[test]
    fn a_callers_trace_is_joined_and_each_attempt_has_its_own_span() {
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let fake = Fake::new([Script::json(500, "{}"), Script::json(200, WHOLE)]);
        serve(&fake, post(CHAT, chat("openai/gpt-4o-mini", false, ""), &[("traceparent", parent)]));
        let spans: Vec<String> =
            fake.calls().iter().map(|c| c.request.headers.value("traceparent").unwrap().to_owned()).collect();
        assert!(spans.iter().all(|span| span.contains("4bf92f3577b34da6a3ce929d0e0e4736")), "{spans:?}");
        assert_ne!(spans[0], spans[1]);
        assert!(fake.header("traceparent").unwrap().contains("4bf92f3577b34da6a3ce929d0e0e4736"));
    }
}

mod explaining {
    use super::*;

    #[test]
    fn whoever_asks_is_told_the_decision_in_every_form_of_answer() {
        let explain = [("x-signalbox-explain", "true")];
        for (script, request) in [
            (Script::json(200, WHOLE), post(CHAT, chat("openai/gpt-4o-mini", false, ""), &explain)),
            (hello(), post(CHAT, chat("openai/gpt-4o-mini", true, ""), &explain)),
            (Script::stream([a_all()]), claude("anthropic/claude-sonnet-4-5", true, &explain)),
            (hello(), claude("openai/gpt-4o-mini", true, &explain)),
            (Script::stream([a_all()]), post(CHAT, chat("anthropic/claude-sonnet-4-5", true, ""), &explain)),
        ] {
            let (path, stream) =
                (request.path.clone(), String::from_utf8_lossy(&request.body).contains("\"stream\":true"));
            let fake = Fake::new([script]);
            serve(&fake, request);
            let body = fake.body();
            assert_eq!(body.matches("\"signalbox\":{").count(), 1, "{path} {stream}: {body}");
            let at = body.find("\"signalbox\":").unwrap() + "\"signalbox\":".len();
            let mut values = serde_json::Deserializer::from_str(&body[at..]).into_iter::<Value>();
            let told = values.next().unwrap().unwrap();
            assert!(told["decision"]["candidates"].is_array(), "{told}");
            assert_eq!(told["attempts"][0]["outcome"], "200");
            assert!(told["attempts"][0]["cost_picousd"].is_string());
        }
    }
}
