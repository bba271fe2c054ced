//! Turns that their provider pauses (Anthropic's `pause_turn`, Gemini's `CONTINUATION`): a client of another dialect gets one
//! answer, however many calls it took, and every call is an attempt with its account.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Outcome, Row};
use signalbox::gateway::Gateway;
use support::callers::Caller::{self, Chat, Gemini, Messages, Responses};
use support::callers::{hear, Heard};
use support::{post, serve, Fake, Piece, Script};

const CLAUDE: &str = "anthropic/claude-sonnet-4-6";
const GOOGLE: &str = "gemini/gemini-4-argon";

fn gateway() -> Rc<Gateway> {
    let provider = |name: &str| json!({"base_url": format!("http://127.0.0.1:9/{name}"), "api_key": "k"});
    let config = json!({"identity": {"mode": "none"}, "providers": {
        "anthropic": provider("anthropic"), "gemini": provider("gemini"),
        "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k"}}});
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

/// What a provider does in one call: says some words, and ends or pauses.
fn hop(model: &str, stream: bool, number: usize, words: &str, paused: bool) -> Script {
    if model == GOOGLE {
        let mut answer = json!({"responseId": format!("r{number}"), "modelVersion": "g", "candidates": [{"index": 0,
            "content": {"role": "model", "parts": [{"text": words}]}, "finishReason": if paused { "CONTINUATION" } else { "STOP" }}],
            "usageMetadata": {"promptTokenCount": 10 * number, "candidatesTokenCount": number}});
        if paused {
            answer["candidates"][0]["continuationToken"] = format!("token-{number}").into();
        }
        return if stream {
            Script::stream([format!("data: {answer}\r\n\r\n")])
        } else {
            Script::json(200, answer.to_string())
        };
    }
    let stop = if paused { "pause_turn" } else { "end_turn" };
    let usage = json!({"input_tokens": 10 * number, "output_tokens": number});
    if !stream {
        let body = json!({"id": format!("r{number}"), "type": "message", "role": "assistant", "model": "c",
            "content": blocks(number, words, paused), "stop_reason": stop, "stop_sequence": null, "usage": usage});
        return Script::json(200, body.to_string());
    }
    let event = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let mut events = vec![event(
        "message_start",
        json!({"message": {"id": format!("r{number}"), "type": "message", "role": "assistant",
        "model": "c", "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 10 * number, "output_tokens": 0}}}),
    )];
    for (index, block) in blocks(number, words, paused).as_array().unwrap().iter().enumerate() {
        let mut start = block.clone();
        let delta = match block["type"].as_str().unwrap() {
            "text" => {
                start["text"] = "".into();
                Some(json!({"type": "text_delta", "text": block["text"]}))
            }
            "server_tool_use" => {
                start["input"] = json!({});
                Some(json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}))
            }
            _ => None,
        };
        events.push(event("content_block_start", json!({"index": index, "content_block": start})));
        events.extend(delta.map(|delta| event("content_block_delta", json!({"index": index, "delta": delta}))));
        events.push(event("content_block_stop", json!({"index": index})));
    }
    events.push(event("message_delta", json!({"delta": {"stop_reason": stop, "stop_sequence": null}, "usage": usage})));
    events.push(event("message_stop", json!({})));
    Script::stream(events)
}

/// Claude's content: a paused one has searched.
fn blocks(number: usize, words: &str, paused: bool) -> Value {
    let id = format!("srvtoolu_{number}");
    let found = json!([{"type": "web_search_result", "url": "https://x.example", "title": "X", "encrypted_content": "opaque=="}]);
    let mut list = vec![json!({"type": "text", "text": words})];
    if paused {
        list.push(json!({"type": "server_tool_use", "id": id, "name": "web_search", "input": {"query": "q"}}));
        list.push(json!({"type": "web_search_tool_result", "tool_use_id": id, "content": found}));
    }
    Value::Array(list)
}

fn ask(fake: &Fake, caller: Caller, model: &str, stream: bool, more: &Value) {
    let mut body = caller.body(model, more);
    let mut path = caller.path(model);
    if caller == Gemini && !stream {
        path = format!("/v1beta/models/{model}:generateContent");
    } else if caller != Gemini {
        body["stream"] = stream.into();
        if !stream {
            body.as_object_mut().unwrap().remove("stream_options");
        }
    }
    serve(fake, &gateway(), post(&path, &body.to_string(), &[]));
}

/// Text and end of an answer, streamed or whole, with its tokens in and out.
fn told(caller: Caller, fake: &Fake, stream: bool) -> (String, String, u64, u64) {
    let (text, last): (String, Value) = if stream {
        let Heard { text, items, ended, errors, .. } = hear(caller, &fake.body());
        assert_eq!((ended, errors), (1, 0), "{caller:?} {}", fake.body());
        let usage = |item: &&Value| {
            ["/usage", "/usageMetadata", "/response/usage"]
                .iter()
                .any(|at| item.pointer(at).is_some_and(|u| !u.is_null()))
        };
        (text, items.iter().rfind(usage).unwrap().clone())
    } else {
        let body: Value = serde_json::from_str(&fake.body()).unwrap();
        let at = match caller {
            Chat => "/choices",
            Messages => "/content",
            Gemini => "/candidates/0/content/parts",
            Responses => "/output/0/content",
        };
        let word = |item: &Value| item["text"].as_str().or(item["message"]["content"].as_str()).map(str::to_owned);
        let text: Vec<String> = body.pointer(at).unwrap().as_array().unwrap().iter().filter_map(word).collect();
        (text.concat(), body)
    };
    let ends: Vec<String> = [
        "/choices/0/finish_reason",
        "/stop_reason",
        "/delta/stop_reason",
        "/candidates/0/finishReason",
        "/status",
        "/response/status",
    ]
    .iter()
    .filter_map(|at| Some(last.pointer(at)?.as_str()?.to_owned()))
    .collect();
    let number = |names: [&str; 4]| {
        let usage = ["/usage", "/usageMetadata", "/response/usage"]
            .iter()
            .find_map(|at| last.pointer(at).filter(|u| !u.is_null()))
            .unwrap();
        names.iter().find_map(|name| usage[name].as_u64()).unwrap_or_default()
    };
    let tokens_in = number(["prompt_tokens", "input_tokens", "promptTokenCount", ""]);
    let tokens_out = number(["completion_tokens", "output_tokens", "candidatesTokenCount", ""]);
    (text, ends.join(""), tokens_in, tokens_out)
}

fn bodies(fake: &Fake) -> Vec<Value> {
    fake.calls().iter().map(|call| serde_json::from_slice(&call.request.body).unwrap()).collect()
}

/// Every caller to whom another dialect answers, with the provider.
const PAIRS: [(Caller, &str); 6] =
    [(Chat, CLAUDE), (Responses, CLAUDE), (Gemini, CLAUDE), (Chat, GOOGLE), (Responses, GOOGLE), (Messages, GOOGLE)];

#[test]
fn trap_40_a_paused_turn_is_gone_on_with_and_reaches_the_caller_as_one_answer() {
    for (caller, model) in PAIRS {
        for stream in [true, false] {
            let words = ["Looking ", "again 😀", " done."];
            let hops = words.iter().enumerate().map(|(at, text)| hop(model, stream, at + 1, text, at < 2));
            let fake = Fake::new(hops);
            ask(&fake, caller, model, stream, &json!({}));
            let what = format!("{caller:?} {model} stream {stream}: {}", fake.body());
            let (text, end, tokens_in, tokens_out) = told(caller, &fake, stream);
            assert_eq!(text, words.concat(), "{what}");
            assert!(["stop", "end_turn", "STOP", "completed", ""].contains(&end.as_str()), "{what}");
            assert_eq!((tokens_in, tokens_out), (60, 6), "the tokens of all calls: {what}");
            assert!(!fake.body().contains("\"length\"") && !fake.body().contains("max_output_tokens\"}"), "{what}");
            let settled: Vec<Outcome> = fake
                .0
                .rows
                .borrow()
                .iter()
                .filter_map(|(_, row)| match row {
                    Row::Settle { settled, .. } => Some(settled.outcome),
                    Row::Open { .. } | Row::Release { .. } => None,
                })
                .collect();
            assert_eq!(settled, [Outcome::Completed; 3], "{what}");
            let log: Value = serde_json::from_str(&fake.0.log.borrow()[0]).unwrap();
            assert_eq!(
                log["attempts"],
                [format!("{model}:200"), format!("{model}:200"), format!("{model}:200")].join(",")
            );

            let sent = bodies(&fake);
            if model == GOOGLE {
                let tokens: Vec<&Value> = sent.iter().map(|body| &body["continuationToken"]).collect();
                assert_eq!(tokens, [&Value::Null, &json!("token-1"), &json!("token-2")], "{what}");
                assert!(sent.iter().all(|body| body["contents"] == sent[0]["contents"]), "never with what was said");
            } else {
                let asked = sent[0]["messages"].as_array().unwrap().len();
                let turn = |body: &Value| body["messages"][asked].clone();
                let first = blocks(1, words[0], true);
                assert_eq!(turn(&sent[1]), json!({"role": "assistant", "content": first}), "as it was said: {what}");
                let both =
                    [first.as_array().unwrap().clone(), blocks(2, words[1], true).as_array().unwrap().clone()].concat();
                assert_eq!(turn(&sent[2]), json!({"role": "assistant", "content": both}), "in one turn: {what}");
                assert!(sent
                    .iter()
                    .all(|body| body["tools"] == sent[0]["tools"] && body["max_tokens"] == sent[0]["max_tokens"]));
            }
        }
    }
}

#[test]
fn a_turn_that_is_paused_for_ever_ends_as_one_that_was_cut_short() {
    for stream in [true, false] {
        let fake = Fake::new((1..20).map(|at| hop(CLAUDE, stream, at, &format!("{at}"), true)));
        ask(&fake, Chat, CLAUDE, stream, &json!({}));
        assert_eq!(fake.calls().len(), 9);
        assert!(fake.body().contains("\"finish_reason\":\"length\""), "{}", fake.body());
        if !stream {
            assert!(fake.header("x-signalbox-losses").unwrap().contains("finish_reason:converted"));
        }
    }
    // Who only says again what it said goes on with nothing.
    for (caller, model) in PAIRS {
        for stream in [true, false] {
            let fake = Fake::new(vec![hop(model, stream, 1, "well, well", true); 9]);
            ask(&fake, caller, model, stream, &json!({}));
            let (text, end, tokens_in, _) = told(caller, &fake, stream);
            assert_eq!((text.as_str(), fake.calls().len(), tokens_in), ("well, well", 2, 10), "{}", fake.body());
            assert!(
                ["length", "max_tokens", "MAX_TOKENS", "incomplete", "OTHER", ""].contains(&end.as_str()),
                "{}",
                fake.body()
            );
        }
    }
    // Without its token nobody can go on with Google's answer, streamed or not.
    for stream in [true, false] {
        let answer = r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"CONTINUATION"}]}"#;
        let script = if stream { Script::stream([format!("data: {answer}\n\n")]) } else { Script::json(200, answer) };
        let fake = Fake::new([script]);
        ask(&fake, Chat, GOOGLE, stream, &json!({}));
        assert_eq!(fake.calls().len(), 1);
        assert!(fake.body().contains("\"finish_reason\":\"length\""), "{}", fake.body());
    }
}

#[test]
fn a_call_that_was_to_go_on_is_made_again_and_then_ends_honestly() {
    let overloaded = || Script::json(529, r#"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#);
    // What is out in part can only be gone on with by who began it.
    let fake = Fake::new([hop(CLAUDE, true, 1, "one ", true), overloaded(), hop(CLAUDE, true, 2, "two", false)]);
    ask(&fake, Chat, CLAUDE, true, &json!({"models": ["backup/m"]}));
    assert_eq!(told(Chat, &fake, true).0, "one two", "{}", fake.body());
    assert_eq!(bodies(&fake)[1], bodies(&fake)[2]);
    let fake = Fake::new([hop(CLAUDE, true, 1, "one ", true), overloaded(), overloaded()]);
    ask(&fake, Chat, CLAUDE, true, &json!({"models": ["backup/m"]}));
    let heard = hear(Chat, &fake.body());
    assert_eq!((heard.text.as_str(), heard.ended, heard.errors), ("one ", 0, 1), "{}", fake.body());
    assert_eq!(fake.calls().len(), 3, "nobody else is asked");
    // A stream that goes on and breaks is broken.
    let cut = Script { body: hop(CLAUDE, true, 2, "tw", false).body[..3].to_vec(), ..hop(CLAUDE, true, 2, "", false) };
    let fake = Fake::new([hop(CLAUDE, true, 1, "one ", true), cut.then(1, Piece::Reset)]);
    ask(&fake, Chat, CLAUDE, true, &json!({"web_search_options": {}}));
    let heard = hear(Chat, &fake.body());
    assert_eq!((heard.text.as_str(), heard.ended, heard.errors), ("one tw", 0, 1), "{}", fake.body());

    // Of a whole answer nothing is out: the next candidate begins anew, and its tokens alone are told.
    let whole = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"anew"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}"#;
    let fake = Fake::new([hop(CLAUDE, false, 1, "one ", true), overloaded(), overloaded(), Script::json(200, whole)]);
    ask(&fake, Chat, CLAUDE, false, &json!({"models": ["backup/m"]}));
    let (text, _, tokens_in, tokens_out) = told(Chat, &fake, false);
    assert_eq!((text.as_str(), tokens_in, tokens_out), ("anew", 7, 3), "{}", fake.body());
    assert_eq!(fake.header("x-signalbox-attempts").as_deref(), Some("anthropic/claude-sonnet-4-6:200,anthropic/claude-sonnet-4-6:529,anthropic/claude-sonnet-4-6:529,backup/m:200"));
}

#[test]
fn a_pause_before_the_first_word_is_gone_on_with_unseen() {
    for stream in [true, false] {
        let silent = hop(CLAUDE, stream, 1, "", true);
        let fake = Fake::new([silent, hop(CLAUDE, stream, 2, "found", false)]);
        ask(&fake, Chat, CLAUDE, stream, &json!({}));
        assert_eq!(told(Chat, &fake, stream).0, "found", "{}", fake.body());
        let sent = bodies(&fake);
        let turn = &sent[1]["messages"][1]["content"];
        assert_eq!(turn.as_array().unwrap().len(), if stream { 2 } else { 3 }, "{turn}");
    }
}

#[test]
fn on_its_own_dialect_a_pause_is_the_clients() {
    for (caller, model, word) in [(Messages, CLAUDE, "pause_turn"), (Gemini, GOOGLE, "CONTINUATION")] {
        for stream in [true, false] {
            let fake = Fake::new([hop(model, stream, 1, "x", true)]);
            ask(&fake, caller, model, stream, &json!({}));
            assert_eq!(fake.calls().len(), 1);
            assert!(fake.body().contains(word), "{}", fake.body());
        }
    }
}
