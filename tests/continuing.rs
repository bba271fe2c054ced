//! Answers that break after some of them went out: who goes on, what the caller receives, what providers see and what the
//! ledger is told (DESIGN §5 "After commit").
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Outcome, Row};
use signalbox::gateway::Gateway;
use support::callers::Caller::{self, Chat, Gemini, Messages, Responses};
use support::callers::{hear, Heard};
use support::{forgetful, post, serve, Fake, Piece, Script};

fn gateway(more: &Value) -> Rc<Gateway> {
    let mut config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k"},
            "mistral": {"base_url": "http://127.0.0.1:9/mistral/v1", "api_key": "k"},
            "responses": {"kind": "openai-responses", "base_url": "http://127.0.0.1:9/responses/v1", "api_key": "k", "prices_of": "openai"},
            "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k", "prices_of": "openai"}
        }
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        config[name] = value.clone();
    }
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

fn ask(fake: &Fake, path: &str, body: &Value, headers: &[(&str, &str)]) {
    thread_local!(static PLAIN: Rc<Gateway> = gateway(&json!({})));
    serve(fake, &PLAIN.with(|read| forgetful(read)), post(path, &body.to_string(), headers));
}

const ALL: [(Caller, &str); 4] = [
    (Chat, "backup/gpt-4o-mini"),
    (Messages, "anthropic/claude-sonnet-4-5"),
    (Gemini, "gemini/gemini-2.5-flash"),
    (Responses, "responses/gpt-4o-mini"),
];

fn outcomes(fake: &Fake) -> Vec<Outcome> {
    fake.0
        .rows
        .borrow()
        .iter()
        .filter_map(|(_, row)| if let Row::Settle { settled, .. } = row { Some(settled.outcome) } else { None })
        .collect()
}

fn signalbox(heard: &Heard) -> &Value {
    heard.items.iter().rev().map(|item| &item["signalbox"]).find(|member| !member.is_null()).unwrap_or(&Value::Null)
}

const PIECES: [&str; 4] = ["Grü", "ße an", " alle 😀", ", macht's gut."];
/// The same in other pieces.
const AGAIN: [&str; 3] = ["Grüße", " an alle 😀, macht'", "s gut."];

#[test]
fn a_short_answer_that_breaks_is_told_to_its_end_once_under_its_first_ids() {
    for (caller, model) in ALL {
        for after in 1..4 {
            for headers in [&[("x-signalbox-continue", "restart")][..], &[]] {
                if headers.is_empty() && matches!(caller, Messages | Gemini) {
                    continue; // goes on by prefill, see below
                }
                let fake = Fake::new([caller.cut("one", &PIECES, after), caller.whole("two", &AGAIN)]);
                ask(&fake, &caller.path(model), &caller.body(model, &json!({})), headers);
                let heard = hear(caller, &fake.body());
                assert_eq!(
                    (heard.text.as_str(), heard.ended, heard.errors),
                    (PIECES.concat().as_str(), 1, 0),
                    "{caller:?} {after} {}",
                    fake.body()
                );
                let id = if caller == Responses { "resp_one" } else { "one" };
                assert_eq!(heard.ids, [id], "{caller:?} {after}");
                assert_eq!(fake.calls().len(), 2);
                assert_eq!(fake.calls()[0].request.body, fake.calls()[1].request.body, "a restart is the same request");
                assert_eq!(outcomes(&fake), [Outcome::Cut, Outcome::Completed]);
                let offset = PIECES[..after].concat().chars().count();
                assert_eq!(
                    signalbox(&heard)["seams"],
                    json!([{"candidate": model, "mode": "restart", "offset": offset}])
                );
                let log: Value = serde_json::from_str(&fake.0.log.borrow()[0]).unwrap();
                assert_eq!(log["seams"], json!([format!("{model}:restart@{offset}")]));
                assert_eq!(log["attempts"], format!("{model}:cut,{model}:200"));
                assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(model));
            }
        }
    }
}

#[test]
fn the_caller_is_told_the_tokens_of_all_attempts() {
    let usage = |heard: &Heard, path: &str| heard.items.iter().rev().find_map(|item| item.pointer(path)?.as_u64());
    for (caller, model, prompt, completion) in [
        (Chat, ALL[0].1, "/usage/prompt_tokens", "/usage/completion_tokens"),
        (Messages, ALL[1].1, "/usage/input_tokens", "/usage/output_tokens"),
        (Gemini, ALL[2].1, "/usageMetadata/promptTokenCount", "/usageMetadata/candidatesTokenCount"),
        (Responses, ALL[3].1, "/response/usage/input_tokens", "/response/usage/output_tokens"),
    ] {
        let fake = Fake::new([caller.cut("one", &PIECES, 2), caller.whole("two", &AGAIN)]);
        ask(&fake, &caller.path(model), &caller.body(model, &json!({})), &[("x-signalbox-continue", "restart")]);
        let heard = hear(caller, &fake.body());
        let settled: Vec<_> = fake
            .0
            .rows
            .borrow()
            .iter()
            .filter_map(|(_, row)| if let Row::Settle { settled, .. } = row { Some(settled.usage) } else { None })
            .collect();
        let sum = settled[0].plus(&settled[1]);
        assert!(settled.iter().all(|usage| usage.output_tokens > 0), "{caller:?} {settled:?}");
        assert_eq!(usage(&heard, prompt), Some(sum.prompt_tokens()), "{caller:?} {}", fake.body());
        assert_eq!(usage(&heard, completion), Some(sum.completion_tokens()), "{caller:?}");
    }
}

#[test]
fn a_replay_that_differs_is_cancelled_and_the_caller_told() {
    for (caller, model) in ALL {
        let other = ["Grüße", " nach Hause und an die anderen", " alle"];
        let fake =
            Fake::new([caller.cut("one", &PIECES, 3), caller.whole("two", &other), caller.whole("three", &AGAIN)]);
        ask(&fake, &caller.path(model), &caller.body(model, &json!({})), &[("x-signalbox-continue", "restart")]);
        let heard = hear(caller, &fake.body());
        assert_eq!((heard.text, heard.ended, heard.errors), (PIECES[..3].concat(), 0, 1), "{caller:?}");
        let calls = fake.calls();
        assert_eq!(calls.len(), 2);
        assert!(calls[1].aborted_at.get().is_some(), "the second stream is stopped at the first difference");
        assert_eq!(outcomes(&fake), [Outcome::Cut, Outcome::Cut]);
    }
}

#[test]
fn a_replay_that_ends_too_soon_is_no_end() {
    for (caller, model) in ALL {
        let fake = Fake::new([caller.cut("one", &PIECES, 3), caller.whole("two", &["Grüße"])]);
        ask(&fake, &caller.path(model), &caller.body(model, &json!({})), &[("x-signalbox-continue", "restart")]);
        let heard = hear(caller, &fake.body());
        assert_eq!((heard.text, heard.ended, heard.errors), (PIECES[..3].concat(), 0, 1), "{caller:?}");
    }
}

#[test]
fn a_long_answer_is_begun_anew_only_where_the_same_comes_again() {
    let long: Vec<String> = (0..60).map(|at| format!("word{at} ")).collect();
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    let model = ALL[0].1;
    for (more, calls) in
        [(json!({}), 1), (json!({"temperature": 0}), 2), (json!({"seed": 7}), 2), (json!({"temperature": 0.5}), 1)]
    {
        let fake = Fake::new([Chat.cut("one", &long, 50), Chat.whole("two", &long)]);
        ask(&fake, &Chat.path(model), &Chat.body(model, &more), &[]);
        let heard = hear(Chat, &fake.body());
        assert_eq!(fake.calls().len(), calls, "{more}");
        let expected = if calls == 2 { (long.concat(), 1, 0) } else { (long[..50].concat(), 0, 1) };
        assert_eq!((heard.text, heard.ended, heard.errors), expected, "{more}");
    }
    // Another model would tell it otherwise.
    let fake = Fake::new([Chat.cut("one", &long, 50).then(0, Piece::Hang), Chat.whole("two", &long)]);
    let body = Chat.body(model, &json!({"temperature": 0, "models": ["openai/gpt-4.1"]}));
    let mut stalled = Chat.cut("one", &long, 50);
    stalled.body.pop();
    *fake.0.scripts.borrow_mut() = [stalled.then(1, Piece::Hang), Chat.whole("two", &long)].into();
    ask(&fake, &Chat.path(model), &body, &[]);
    assert_eq!((fake.calls().len(), hear(Chat, &fake.body()).errors), (1, 1));
}

#[test]
fn what_goes_on_exactly_is_given_the_text_and_goes_on() {
    let rest = ["anders", " weiter."];
    for (caller, model, given) in [(Messages, ALL[1].1, "/messages/1"), (Gemini, ALL[2].1, "/contents/1")] {
        let fake = Fake::new([caller.cut("one", &["Grüße an", " alle ", "x"], 2), caller.whole("two", &rest)]);
        let more = if caller == Messages {
            json!({"max_tokens": 100})
        } else {
            json!({"generationConfig": {"maxOutputTokens": 100}})
        };
        ask(&fake, &caller.path(model), &caller.body(model, &more), &[]);
        let heard = hear(caller, &fake.body());
        assert_eq!(
            (heard.text.as_str(), heard.ended, heard.errors),
            ("Grüße an alle anders weiter.", 1, 0),
            "{}",
            fake.body()
        );
        assert_eq!(heard.ids, ["one"]);
        let sent: Value = serde_json::from_slice(&fake.calls()[1].request.body).unwrap();
        let turn = sent.pointer(given).unwrap();
        let expected = if caller == Messages {
            json!({"role": "assistant", "content": "Grüße an alle"})
        } else {
            json!({"role": "model", "parts": [{"text": "Grüße an alle"}]})
        };
        assert_eq!(*turn, expected);
        let bound = if caller == Messages { &sent["max_tokens"] } else { &sent["generationConfig"]["maxOutputTokens"] };
        assert!(bound.as_u64().unwrap() < 100, "what was delivered is used up of the bound");
        assert_eq!(signalbox(&heard)["seams"], json!([{"candidate": model, "mode": "prefill", "offset": 14}]));
    }
}

#[test]
fn a_target_that_repeats_what_it_was_given_is_heard_once() {
    let model = "mistral/mistral-large-latest";
    let fake =
        Fake::new([Chat.cut("one", &["Hi", " there,", "x"], 2), Chat.whole("two", &["Hi th", "ere, my", " friend"])]);
    ask(&fake, &Chat.path(model), &Chat.body(model, &json!({})), &[]);
    let heard = hear(Chat, &fake.body());
    assert_eq!((heard.text.as_str(), heard.ended, heard.errors), ("Hi there, my friend", 1, 0));
    let sent: Value = serde_json::from_slice(&fake.calls()[1].request.body).unwrap();
    assert_eq!(sent["messages"][1], json!({"role": "assistant", "content": "Hi there,", "prefix": true}));
}

#[test]
fn another_provider_goes_on_in_the_callers_dialect() {
    for (caller, model) in ALL {
        for (other, next) in ALL.into_iter().filter(|(_, next)| *next != model) {
            // Silent routes are left: the next candidate goes on.
            let mut stalled = caller.cut("one", &PIECES, 2);
            stalled.body.pop();
            let fake = Fake::new([stalled.then(1, Piece::Hang), other.whole("two", &AGAIN)]);
            let headers = [("x-signalbox-models", next), ("x-signalbox-continue", "restart")];
            ask(&fake, &caller.path(model), &caller.body(model, &json!({})), &headers);
            let heard = hear(caller, &fake.body());
            assert_eq!(
                (heard.text.as_str(), heard.ended, heard.errors),
                (PIECES.concat().as_str(), 1, 0),
                "{model} {next} {}",
                fake.body()
            );
            assert_eq!(heard.ids.len(), 1, "{model} {next}");
            assert_eq!(signalbox(&heard)["seams"][0]["candidate"], next);
        }
    }
}

#[test]
fn a_translated_answer_is_gone_on_with_too() {
    for (caller, _) in ALL {
        for (first, model) in ALL.into_iter().filter(|(first, _)| *first != caller) {
            let fake = Fake::new([first.cut("one", &PIECES, 2), first.whole("two", &AGAIN)]);
            ask(&fake, &caller.path(model), &caller.body(model, &json!({})), &[("x-signalbox-continue", "restart")]);
            let heard = hear(caller, &fake.body());
            assert_eq!(
                (heard.text.as_str(), heard.ended, heard.errors),
                (PIECES.concat().as_str(), 1, 0),
                "{caller:?} {model} {}",
                fake.body()
            );
            assert_eq!(heard.ids.len(), 1);
        }
    }
}

#[test]
fn a_fallback_that_rejects_prefill_leaves_the_first_error() {
    let rejects = Script::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"This model does not support assistant message prefill."}}"#,
    );
    let model = ALL[1].1;
    let overloaded = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n";
    let mut first = Messages.cut("one", &PIECES, 2);
    first.body.pop();
    let first = first.then(1, Piece::Bytes(overloaded.into()));
    let fake = Fake::new([first, rejects]);
    ask(&fake, &Messages.path(model), &Messages.body(model, &json!({})), &[("x-signalbox-continue", "prefill")]);
    let heard = hear(Messages, &fake.body());
    assert_eq!((heard.text, heard.ended, heard.errors), (PIECES[..2].concat(), 0, 1));
    assert_eq!(heard.items.last().unwrap()["error"]["type"], "overloaded_error", "{}", fake.body());
    assert_eq!(fake.calls().len(), 2);

    // The next one is asked before that.
    let rejects = Script::json(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"This model does not support assistant message prefill."}}"#,
    );
    let fake = Fake::new([Messages.cut("one", &PIECES, 2), rejects, Gemini.whole("two", &[" weiter"])]);
    let headers = [("x-signalbox-continue", "prefill"), ("x-signalbox-models", ALL[2].1)];
    ask(&fake, &Messages.path(model), &Messages.body(model, &json!({})), &headers);
    let heard = hear(Messages, &fake.body());
    assert_eq!((heard.text.as_str(), heard.ended, heard.errors), ("Grüße an weiter", 1, 0), "{}", fake.body());
}

#[test]
fn newer_models_are_never_given_a_text() {
    for model in ["anthropic/claude-opus-4-6", "anthropic/claude-sonnet-5-5"] {
        let fake = Fake::new([Messages.cut("one", &PIECES, 2), Messages.whole("two", &AGAIN)]);
        ask(&fake, &Messages.path(model), &Messages.body(model, &json!({})), &[("x-signalbox-continue", "prefill")]);
        assert_eq!((fake.calls().len(), hear(Messages, &fake.body()).errors), (1, 1), "{model}");
    }
}

#[test]
fn what_is_more_than_plain_text_is_never_stitched() {
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]});
    let schema =
        json!({"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}});
    for more in
        [tools, schema, json!({"n": 2}), json!({"logprobs": true}), json!({"response_format": {"type": "json_object"}})]
    {
        let fake = Fake::new([Chat.cut("one", &PIECES, 2), Chat.whole("two", &AGAIN)]);
        let model = ALL[0].1;
        ask(&fake, &Chat.path(model), &Chat.body(model, &more), &[("x-signalbox-continue", "restart")]);
        let heard = hear(Chat, &fake.body());
        assert_eq!((fake.calls().len(), heard.ended, heard.errors), (1, 0, 1), "{more}");
    }
    let reasoning =
        "data: {\"id\":\"one\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n".to_owned();
    let mut first = Chat.cut("one", &PIECES, 2);
    first.body.insert(1, (1, Piece::Bytes(reasoning.into_bytes())));
    let fake = Fake::new([first, Chat.whole("two", &AGAIN)]);
    ask(&fake, &Chat.path(ALL[0].1), &Chat.body(ALL[0].1, &json!({})), &[("x-signalbox-continue", "restart")]);
    assert_eq!((fake.calls().len(), hear(Chat, &fake.body()).errors), (1, 1), "thinking was shown");
}

#[test]
fn policy_and_caller_say_whether_and_at_what_cost() {
    let policy = |continuation: Value| json!({"policies": {"balanced": {"continuation": continuation}}});
    for (config, headers, calls) in [
        (json!({}), &[("x-signalbox-continue", "off")][..], 1),
        (policy(json!({"mode": "off"})), &[], 1),
        (policy(json!({"mode": "off"})), &[("x-signalbox-continue", "auto")], 2),
        (policy(json!({"max_cost_usd": 0})), &[], 1),
        (policy(json!({"max_cost_usd": 1})), &[], 2),
        (policy(json!({"restart_tokens": 1})), &[], 1),
        (policy(json!({"mode": "restart", "restart_tokens": 1})), &[], 2),
    ] {
        let fake = Fake::new([Chat.cut("one", &PIECES, 3), Chat.whole("two", &AGAIN)]);
        let body = Chat.body(ALL[0].1, &json!({})).to_string();
        serve(&fake, &gateway(&config), post("/v1/chat/completions", &body, headers));
        assert_eq!(fake.calls().len(), calls, "{config} {headers:?}");
        assert_eq!(hear(Chat, &fake.body()).errors, 2 - calls, "{config} {headers:?}");
    }
}

#[test]
fn half_an_event_that_is_out_is_a_transport_error_and_nobody_is_asked_again() {
    let model = ALL[1].1;
    let mut first = Messages.cut("one", &PIECES, 2);
    first.body.insert(4, (1, Piece::Bytes(b"event: content_block_delta\ndata: {\"type\":\"cont".to_vec())));
    let fake = Fake::new([first, Messages.whole("two", &AGAIN)]);
    ask(&fake, &Messages.path(model), &Messages.body(model, &json!({})), &[]);
    assert!(fake.0.aborted.get());
    assert_eq!(fake.calls().len(), 1);
}

#[test]
fn a_second_break_is_gone_on_with_and_a_third_in_the_same_hands_is_not() {
    let model = ALL[0].1;
    let headers = [("x-signalbox-continue", "restart"), ("x-signalbox-models", "openai/gpt-4o-mini")];
    let scripts = [Chat.cut("one", &PIECES, 1), Chat.cut("two", &PIECES, 3), Chat.whole("three", &AGAIN)];
    let fake = Fake::new(scripts);
    ask(&fake, &Chat.path(model), &Chat.body(model, &json!({})), &headers);
    let heard = hear(Chat, &fake.body());
    assert_eq!((heard.text.as_str(), heard.ended, heard.errors), (PIECES.concat().as_str(), 1, 0));
    let seams = json!([{"candidate": model, "mode": "restart", "offset": 3}, {"candidate": "openai/gpt-4o-mini", "mode": "restart", "offset": 15}]);
    assert_eq!(signalbox(&heard)["seams"], seams, "{}", fake.body());

    let fake = Fake::new((0..5).map(|at| Chat.cut(&format!("n{at}"), &PIECES, 2)));
    ask(&fake, &Chat.path(model), &Chat.body(model, &json!({})), &headers[..1]);
    assert_eq!((fake.calls().len(), hear(Chat, &fake.body()).errors), (2, 1));
}

#[test]
fn a_gemini_client_that_reads_an_array_gets_one_array() {
    let model = ALL[2].1;
    let fake = Fake::new([Gemini.cut("one", &PIECES, 2), Gemini.whole("two", &AGAIN)]);
    let path = format!("/v1beta/models/{model}:streamGenerateContent");
    ask(&fake, &path, &Gemini.body(model, &json!({})), &[("x-signalbox-continue", "restart")]);
    let list: Vec<Value> = serde_json::from_str(&fake.body()).unwrap();
    let text: String =
        list.iter().map(|item| item["candidates"][0]["content"]["parts"][0]["text"].as_str().unwrap()).collect();
    assert_eq!(text, PIECES.concat());
}
