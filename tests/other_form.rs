//! Providers that answer in another form than was asked for: in one piece what was to be a stream, as a stream what was to
//! be one piece. Clients get what they asked for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Certainty, Outcome, Row};
use signalbox::gateway::Gateway;
use support::{post, serve, Fake, Head, Piece, Script, START_MS};

fn gateway(hedge: &Value) -> Rc<Gateway> {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "key-of-openai"},
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "key-of-anthropic"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "key-of-gemini"}
        },
        "policies": {"balanced": {"hedge": hedge}}
    });
    Rc::new(Gateway::load_local(&config.to_string()).unwrap())
}

fn run(path: &str, body: &Value, headers: &[(&str, &str)], scripts: Vec<Script>) -> Fake {
    let fake = Fake::new(scripts);
    serve(&fake, &gateway(&json!({"mode": "off"})), post(path, &body.to_string(), headers));
    fake
}

const CLAUDE: &str = "anthropic/claude-haiku-4-5";

fn chat(stream: bool) -> Value {
    json!({"model": "openai/gpt-4o-mini", "models": [CLAUDE], "stream": stream, "messages": [{"role": "user", "content": "Hi"}]})
}

fn called() -> String {
    json!({"id": "c", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini", "choices": [{"index": 0,
        "message": {"role": "assistant", "content": "Wait.", "refusal": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        "logprobs": null, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}})
    .to_string()
}

fn message() -> String {
    json!({"id": "m", "type": "message", "role": "assistant", "model": "claude", "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn", "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 3}})
    .to_string()
}

fn chunks(text: &str) -> String {
    let chunk = |rest: &str| {
        format!("data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o-mini\",{rest}}}\n\n")
    };
    [
        chunk(&format!(
            r#""choices":[{{"index":0,"delta":{{"role":"assistant","content":"{text}"}},"finish_reason":null}}]"#
        )),
        chunk(r#""choices":[{"index":0,"delta":{},"finish_reason":"stop"}]"#),
        chunk(r#""choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}"#),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

/// The payloads of an event stream.
fn events(body: &str) -> Vec<Value> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    lines.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
}

fn settled(fake: &Fake) -> Vec<(Outcome, Certainty)> {
    let rows = fake.0.rows.borrow();
    let settles = rows.iter().filter_map(|(_, row)| match row {
        Row::Settle { settled, .. } => Some((settled.outcome, settled.cost.certainty())),
        _ => None,
    });
    settles.collect()
}

const EXACT: (Outcome, Certainty) = (Outcome::Completed, Certainty::Exact);

#[test]
fn one_piece_in_answer_to_a_stream_is_streamed() {
    let fake = run("/v1/chat/completions", &chat(true), &[], vec![Script::json(200, called())]);
    assert_eq!((fake.status(), fake.calls().len()), (200, 1), "nobody else is asked");
    assert_eq!(fake.header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
    assert_eq!(settled(&fake), [EXACT]);
    let body = fake.body();
    assert!(body.ends_with("data: [DONE]\n\n"), "{body}");
    let events = events(&body);
    assert_eq!(events.len(), 1, "usage was not asked for: {body}");
    let choice = &events[0]["choices"][0];
    assert_eq!(
        (&events[0]["object"], &choice["finish_reason"]),
        (&json!("chat.completion.chunk"), &json!("tool_calls"))
    );
    assert_eq!(choice["delta"]["content"], "Wait.");
    let calls = choice["delta"]["tool_calls"].as_array().unwrap();
    let told: Vec<_> = calls.iter().map(|call| (&call["index"], &call["id"], &call["function"]["name"])).collect();
    assert_eq!(told, [(&json!(0), &json!("call_1"), &json!("f")), (&json!(1), &json!("call_2"), &json!("g"))]);

    let mut asked = chat(true);
    asked["stream_options"] = json!({"include_usage": true});
    let fake = run("/v1/chat/completions", &asked, &[], vec![Script::json(200, called())]);
    let body = fake.body();
    let last = self::events(&body).pop().unwrap();
    assert_eq!((&last["usage"]["total_tokens"], &last["choices"]), (&json!(12), &json!([])));
    assert!(last["usage"]["cost"].is_number(), "{body}");
}

#[test]
fn it_is_streamed_whatever_the_server_calls_it_and_to_clients_of_every_dialect() {
    let mut mislabelled = Script::json(200, called());
    mislabelled.head = Head::After(20, 200, vec![("content-type", "text/event-stream".into())]);
    let in_an_event = Script::stream([format!("data: {}\n\ndata: [DONE]\n\n", called())]);
    let pretty = Script::json(200, format!("\u{feff}\n\n{:#}", serde_json::from_str::<Value>(&called()).unwrap()));
    let byte_by_byte = Script {
        head: Head::After(20, 200, vec![("content-type", "application/json".into())]),
        body: called().bytes().map(|byte| (1, Piece::Bytes(vec![byte]))).collect(),
    };
    for script in [mislabelled, in_an_event, pretty, byte_by_byte] {
        for (path, body) in [
            ("/v1/chat/completions", chat(true)),
            ("/v1/responses", json!({"model": "openai/gpt-4o-mini", "stream": true, "input": "Hi"})),
            (
                "/v1/messages",
                json!({"model": "openai/gpt-4o-mini", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "Hi"}]}),
            ),
            (
                "/v1beta/models/openai%2Fgpt-4o-mini:streamGenerateContent?alt=sse",
                json!({"contents": [{"parts": [{"text": "Hi"}]}]}),
            ),
        ] {
            // OpenAI's own server answers its Responses clients in Responses.
            let script = if path == "/v1/responses" { Script::json(200, responses()) } else { script.clone() };
            let fake = run(path, &body, &[], vec![script]);
            assert_eq!((fake.status(), settled(&fake).as_slice()), (200, &[EXACT][..]), "{path} {}", fake.body());
            let text = fake.body();
            assert!(text.contains("Wait.") && text.contains("call_1") && text.contains("\"g\""), "{path} {text}");
            assert_eq!(events(&text).iter().filter(|event| event.to_string().contains("error")).count(), 0, "{text}");
        }
    }
}

fn responses() -> String {
    json!({"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o-mini", "error": null, "output": [
        {"id": "ms", "type": "message", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "Wait.", "annotations": []}]},
        {"id": "f1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}", "status": "completed"},
        {"id": "f2", "type": "function_call", "call_id": "call_2", "name": "g", "arguments": "{}", "status": "completed"}],
        "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12}})
    .to_string()
    .replace("\"error\":null,", "")
}

/// A native stream that would have passed untouched.
#[test]
fn a_message_in_answer_to_a_native_stream_is_streamed() {
    let body =
        json!({"model": CLAUDE, "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    let fake = run("/v1/messages", &body, &[], vec![Script::json(200, message())]);
    assert_eq!((fake.status(), settled(&fake).as_slice()), (200, &[EXACT][..]));
    let kinds: Vec<Value> = events(&fake.body()).iter().map(|event| event["type"].clone()).collect();
    let expected = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn what_is_no_answer_fails_over_as_before() {
    let error = json!({"error": {"message": "try later", "type": "server_error", "code": null}}).to_string();
    for (bad, outcome) in
        [(error, Outcome::Failed), (called()[..90].to_owned(), Outcome::Cut), ("{}".to_owned(), Outcome::Cut)]
    {
        let scripts =
            vec![Script::json(200, bad.clone()), Script::json(200, bad.clone()), Script::json(200, message())];
        let fake = run("/v1/chat/completions", &chat(true), &[], scripts);
        assert_eq!((fake.status(), fake.calls().len()), (200, 3), "{bad}");
        assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(CLAUDE), "{bad}");
        let outcomes: Vec<Outcome> = settled(&fake).into_iter().map(|(outcome, _)| outcome).collect();
        assert_eq!(outcomes, [outcome, outcome, Outcome::Completed], "{bad}");
        assert!(fake.body().contains("\"Hi\"") && !fake.body().contains("Wait."), "{bad}");
    }
}

/// The status line is out before the answer is: the connection is kept alive meanwhile.
#[test]
fn one_piece_that_takes_long_is_waited_for() {
    let mut slow = Script::json(200, called());
    slow.body[0].0 = 40_000;
    let mut body = chat(true);
    body.as_object_mut().unwrap().remove("models");
    let fake = run("/v1/chat/completions", &body, &[], vec![slow]);
    assert_eq!(fake.0.opened_at.get(), Some(START_MS + 15_000));
    let text = fake.body();
    assert!(text.starts_with(": ") && text.contains("Wait.") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(settled(&fake), [EXACT]);
}

#[test]
fn one_piece_wins_a_race() {
    let late = json!({"mode": "fixed", "after_ms": 700, "max_share": 1, "max_cost_usd": 1});
    let mut second = Script::json(200, message());
    second.head = Head::After(50, 200, vec![("content-type", "application/json".into())]);
    let fake = Fake::new([Script::silent(), second]);
    serve(&fake, &gateway(&late), post("/v1/chat/completions", &chat(true).to_string(), &[]));
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(CLAUDE));
    assert!(fake.body().contains("\"Hi\"") && fake.body().ends_with("data: [DONE]\n\n"), "{}", fake.body());
    assert_eq!(settled(&fake)[0].0, Outcome::Hedged);
    assert_eq!(settled(&fake)[1], EXACT);
}

/// Google's work is not stopped by leaving: its counts are waited for.
#[test]
fn one_piece_is_read_on_for_its_counts_when_its_caller_has_left() {
    let answer = json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}});
    let mut slow = Script::json(200, answer.to_string());
    slow.body[0].0 = 5_000;
    let fake = Fake::new([slow]);
    fake.0.gone_at.set(Some(START_MS + 1_000));
    let body =
        json!({"model": "gemini/gemini-2.5-flash", "stream": true, "messages": [{"role": "user", "content": "Hi"}]});
    serve(&fake, &gateway(&json!({"mode": "off"})), post("/v1/chat/completions", &body.to_string(), &[]));
    assert_eq!(settled(&fake), [(Outcome::ClientGone, Certainty::Exact)]);
}

#[test]
fn a_stream_in_answer_to_one_piece_is_put_together() {
    for label in ["text/event-stream", "application/json"] {
        let mut stream = Script::stream([chunks("Hello")]);
        stream.head = Head::After(20, 200, vec![("content-type", label.into())]);
        let fake = run("/v1/chat/completions", &chat(false), &[], vec![stream.clone()]);
        assert_eq!((fake.status(), settled(&fake).as_slice()), (200, &[EXACT][..]), "{}", fake.body());
        let answer: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!((&answer["object"], &answer["id"]), (&json!("chat.completion"), &json!("c")));
        assert_eq!(answer["choices"][0]["message"]["content"], "Hello");
        assert_eq!(
            (&answer["choices"][0]["finish_reason"], &answer["usage"]["total_tokens"]),
            (&json!("stop"), &json!(12))
        );

        let body =
            json!({"model": "openai/gpt-4o-mini", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
        let fake = run("/v1/messages", &body, &[], vec![stream]);
        let answer: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!((&answer["type"], &answer["content"][0]["text"]), (&json!("message"), &json!("Hello")));
    }
    // A whole answer with a stream's end behind it.
    let fake = run(
        "/v1/chat/completions",
        &chat(false),
        &[],
        vec![Script::json(200, format!("{}\n\ndata: [DONE]\n\n", called()))],
    );
    let answer: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((fake.calls().len(), &answer["choices"][0]["message"]["content"]), (1, &json!("Wait.")));
}

#[test]
fn half_a_stream_in_answer_to_one_piece_is_no_answer() {
    let whole = chunks("Hello");
    let (cut, _) = whole.split_at(whole.find("\"stop\"").unwrap());
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    for bad in [cut, error] {
        let fake = run(
            "/v1/chat/completions",
            &chat(false),
            &[],
            vec![Script::stream([bad]), Script::stream([bad]), Script::json(200, message())],
        );
        assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(CLAUDE), "{bad}");
        assert!(!fake.body().contains("Hello"));
    }
}

#[test]
fn an_empty_answer_in_one_piece_is_one() {
    let answer = r#"{"candidates":[{"content":{"parts":[],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":20,"candidatesTokenCount":3,"totalTokenCount":23},"modelVersion":"m","responseId":"r1"}"#;
    for query in ["?alt=sse", ""] {
        let body = json!({"contents": [{"parts": [{"text": "Hi"}]}]});
        let path = format!("/v1beta/models/gemini-2.5-flash:streamGenerateContent{query}");
        let fake = run(&path, &body, &[], vec![Script::json(200, answer)]);
        let framed = if query.is_empty() { format!("[{answer}]") } else { format!("data: {answer}\n\n") };
        assert_eq!(fake.body().split_whitespace().collect::<String>(), framed.split_whitespace().collect::<String>());
    }
}
