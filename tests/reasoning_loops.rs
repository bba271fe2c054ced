//! Tool loops with signed reasoning: what one provider signed comes back to it, through any client, and to nobody else.
//! Traps 25, 27, 28, 29, 30 and 31 of the wire reference.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Script};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "claude-two": {"kind": "anthropic-messages", "base_url": "http://127.0.0.1:9/two", "api_key": "k-two", "prices_of": "anthropic"},
    "openai-two": {"kind": "openai-chat", "profile": "openai", "base_url": "http://127.0.0.1:9/openai-two/v1", "api_key": "k-openai-two", "prices_of": "openai"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "deepseek": {"base_url": "http://127.0.0.1:9/deepseek", "api_key": "k-deepseek"}
  },
  "models": {
    "claude-two/claude-sonnet-4-6": {"context": 200000, "capabilities": ["tools", "reasoning"]},
    "openai-two/gpt-5.6-sol": {"context": 200000, "capabilities": ["tools", "reasoning"]}
  }
}"#;

const CLAUDE: &str = "anthropic/claude-sonnet-4-6";
const GEMINI: &str = "gemini/gemini-3-pro-preview";

fn serve(fake: &Fake, path: &str, body: &Value) {
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    let body = body.to_string().into_bytes();
    *fake.0.request_body.borrow_mut() = body.clone();
    let request = Request { method: "POST".into(), path: path.into(), body, ..Request::default() };
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
    assert_eq!(fake.status(), 200, "{}", fake.body());
}

/// What a provider was sent in its latest call.
fn sent(fake: &Fake) -> Value {
    serde_json::from_slice(&fake.calls().last().expect("a call was made").request.body).unwrap()
}

/// A Claude turn: thinking, words, redacted thinking, two calls.
fn claude_turn() -> Vec<Value> {
    vec![
        json!({"type": "thinking", "thinking": "hm, 1.0 \u{fc}", "signature": "RXFFRUNrWUlDeGdDS2tBPQ=="}),
        json!({"type": "text", "text": "Let me see. \u{1f600}"}),
        json!({"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}),
        json!({"type": "thinking", "thinking": "", "signature": "not base64 !"}),
        json!({"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"b": 1, "a": 2.0}}),
        json!({"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}}),
    ]
}

fn claude_answer(stream: bool) -> Script {
    let message = |content: &[Value], stop: Value| {
        json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": content,
               "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 9, "output_tokens": 5}})
    };
    if !stream {
        return Script::json(200, message(&claude_turn(), json!("tool_use")).to_string());
    }
    let mut events = vec![json!({"type": "message_start", "message": message(&[], Value::Null)})];
    for (index, block) in claude_turn().into_iter().enumerate() {
        let kind = block["type"].as_str().unwrap().to_owned();
        let (start, deltas) = match kind.as_str() {
            "thinking" => (
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                vec![
                    json!({"type": "thinking_delta", "thinking": block["thinking"]}),
                    json!({"type": "signature_delta", "signature": block["signature"]}),
                ],
            ),
            "text" => (json!({"type": "text", "text": ""}), vec![json!({"type": "text_delta", "text": block["text"]})]),
            "tool_use" => (
                json!({"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}),
                vec![json!({"type": "input_json_delta", "partial_json": block["input"].to_string()})],
            ),
            _ => (block, Vec::new()),
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.extend(deltas.into_iter().map(|d| json!({"type": "content_block_delta", "index": index, "delta": d})));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 5}}));
    events.push(json!({"type": "message_stop"}));
    Script::stream(events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())))
}

/// A Gemini turn: a thought, a signature on an empty part, a signed text, three parallel calls of which the first is signed.
fn gemini_turn() -> Vec<Value> {
    vec![
        json!({"text": "thinking aloud", "thought": true}),
        json!({"text": "", "thoughtSignature": "ZW1wdHk="}),
        json!({"text": "Looking.", "thoughtSignature": "dGV4dA=="}),
        json!({"functionCall": {"id": "g1", "name": "look", "args": {"a": 1}}, "thoughtSignature": "Y2FsbA=="}),
        json!({"functionCall": {"id": "g2", "name": "look", "args": {}}}),
    ]
}

fn gemini_answer(stream: bool) -> Script {
    let chunk = |parts: &[Value], end: Value| {
        json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": end}],
               "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14},
               "modelVersion": "gemini-3-pro-preview", "responseId": "r1"})
    };
    if !stream {
        return Script::json(200, chunk(&gemini_turn(), json!("STOP")).to_string());
    }
    let mut chunks: Vec<Value> = gemini_turn().into_iter().map(|part| chunk(&[part], Value::Null)).collect();
    chunks.push(chunk(&[], json!("STOP")));
    Script::stream(chunks.iter().map(|c| format!("data: {c}\r\n\r\n")))
}

/// What an OpenAI client that knows its own fields only makes of an answer: `content` and `tool_calls` of `id`, `type` and
/// `function`. Everything else is forgotten.
fn strict_openai_message(body: &str, stream: bool) -> Value {
    let (mut content, mut calls) = (Value::Null, Vec::<Value>::new());
    let deltas: Vec<Value> = if stream {
        let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        let chunks = data.map(|data| serde_json::from_str::<Value>(data).unwrap());
        chunks.filter_map(|chunk| chunk["choices"].get(0).map(|choice| choice["delta"].clone())).collect()
    } else {
        vec![serde_json::from_str::<Value>(body).unwrap()["choices"][0]["message"].clone()]
    };
    for delta in deltas {
        if let Some(text) = delta["content"].as_str().filter(|text| !text.is_empty()) {
            content = json!(format!("{}{text}", content.as_str().unwrap_or_default()));
        }
        for (at, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let at = call["index"].as_u64().map_or(at, |index| index as usize);
            if calls.len() <= at {
                calls.push(json!({"id": call["id"], "type": "function",
                    "function": {"name": call["function"]["name"], "arguments": ""}}));
            }
            let so_far = calls[at]["function"]["arguments"].as_str().unwrap().to_owned();
            let more = call["function"]["arguments"].as_str().unwrap_or_default();
            calls[at]["function"]["arguments"] = json!(so_far + more);
        }
    }
    json!({"role": "assistant", "content": content, "tool_calls": calls})
}

fn chat(model: &str, messages: Vec<Value>, stream: bool) -> Value {
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]);
    json!({"model": model, "messages": messages, "tools": tools, "stream": stream, "reasoning_effort": "high"})
}

/// One turn of a loop at `model`, and the history that a strict client sends back after its tools ran.
fn first_turn(model: &str, answer: Script, stream: bool) -> Vec<Value> {
    let fake = Fake::new([answer]);
    let user = json!({"role": "user", "content": "look twice"});
    serve(&fake, "/v1/chat/completions", &chat(model, vec![user.clone()], stream));
    let message = strict_openai_message(&fake.body(), stream);
    let results: Vec<Value> = message["tool_calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "seen"}))
        .collect();
    [user, message].into_iter().chain(results).collect()
}

#[test]
fn trap_27_claudes_thinking_comes_back_byte_for_byte_through_a_client_that_knows_its_own_fields_only() {
    for stream in [false, true] {
        let history = first_turn(CLAUDE, claude_answer(stream), stream);
        let fake = Fake::new([claude_answer(stream)]);
        serve(&fake, "/v1/chat/completions", &chat(CLAUDE, history, stream));
        let body = sent(&fake);
        assert_eq!(body["messages"][1]["content"], json!(claude_turn()), "stream: {stream}");
        let results = body["messages"][2]["content"].as_array().unwrap().clone();
        let ids: Vec<&str> = results.iter().map(|result| result["tool_use_id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["toolu_1", "toolu_2"]);
    }
}

#[test]
fn trap_25_gemini_gets_every_signature_back_through_a_client_that_knows_its_own_fields_only() {
    for stream in [false, true] {
        let history = first_turn(GEMINI, gemini_answer(stream), stream);
        let fake = Fake::new([gemini_answer(stream)]);
        serve(&fake, "/v1/chat/completions", &chat(GEMINI, history, stream));
        // Thoughts without a signature are for people; Google does not want them back.
        assert_eq!(sent(&fake)["contents"][1]["parts"], json!(gemini_turn()[1..]), "stream: {stream}");
    }
}

#[test]
fn trap_28_earlier_messages_are_written_the_same_in_every_later_request() {
    let history = first_turn(CLAUDE, claude_answer(false), false);
    let again = |messages: Vec<Value>| {
        let fake = Fake::new([claude_answer(false)]);
        serve(&fake, "/v1/chat/completions", &chat(CLAUDE, messages, false));
        let body = sent(&fake);
        (body["messages"].as_array().unwrap().clone(), body["tools"].to_string())
    };
    let (second, tools) = again(history.clone());
    let more = [json!({"role": "assistant", "content": "done"}), json!({"role": "user", "content": "and?"})];
    let (third, same_tools) = again(history.into_iter().chain(more).collect());
    assert_eq!(third[..second.len()], second[..]);
    assert_eq!(tools, same_tools);

    let body = r#"{"model":"claude-sonnet-4-6","max_tokens":9,  "messages":[ {"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"Eq=="},{"type":"tool_use","id":"t1","name":"f","input":{ "x" : 1.0 }}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]} ] }"#;
    let fake = Fake::new([claude_answer(false)]);
    let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
    *fake.0.request_body.borrow_mut() = body.as_bytes().to_vec();
    let request = Request {
        method: "POST".into(),
        path: "/v1/messages".into(),
        body: body.as_bytes().to_vec(),
        ..Request::default()
    };
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    let upstream = fake.calls()[0].request.body.clone();
    assert_eq!(String::from_utf8(upstream).unwrap(), body, "a native history keeps every byte");
}

#[test]
fn nobody_is_shown_what_another_provider_signed() {
    let secrets = ["signalbox", "RXFFRUNr", "cmVkYWN0", "not base64", "thoughtSignature\":\"ZW1", "ZW1wdHk", "Y2FsbA"];
    let openai = || {
        Script::json(
            200,
            r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#,
        )
    };
    for (maker, answer) in [(CLAUDE, claude_answer(false)), (GEMINI, gemini_answer(false))] {
        let history = first_turn(maker, answer, false);
        let others = [
            ("openai/gpt-5.1", openai()),
            ("deepseek/deepseek-v4-pro", openai()),
            if maker == CLAUDE { (GEMINI, gemini_answer(false)) } else { (CLAUDE, claude_answer(false)) },
        ];
        for (other, reply) in others {
            let fake = Fake::new([reply]);
            let mut body = chat(other, history.clone(), false);
            body.as_object_mut().unwrap().remove("reasoning_effort");
            serve(&fake, "/v1/chat/completions", &body);
            let text = String::from_utf8(fake.calls()[0].request.body.clone()).unwrap();
            for secret in secrets {
                assert!(!text.contains(secret), "{maker} → {other}: {secret} in {text}");
            }
            assert!(text.contains("seen"), "the loop itself goes on");
            assert!(!fake.header("x-signalbox-losses").unwrap().is_empty(), "{maker} → {other}: reported");
        }
    }
}

#[test]
fn trap_29_a_session_stays_with_the_account_that_signed_and_leaves_it_only_without_its_items() {
    let turn = |history: Vec<Value>, model: &str| {
        let fake = Fake::new([claude_answer(false)]);
        serve(&fake, "/v1/chat/completions", &chat(model, history, false));
        fake
    };
    let user = || vec![json!({"role": "user", "content": "look twice"})];
    let two = "claude-two/claude-sonnet-4-6";
    for maker in [CLAUDE, two] {
        let first = turn(user(), maker);
        let message = strict_openai_message(&first.body(), false);
        let results = message["tool_calls"].as_array().unwrap().iter();
        let results: Vec<Value> =
            results.map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "x"})).collect();
        let history: Vec<Value> = user().into_iter().chain([message]).chain(results).collect();
        // By a bare name both accounts could answer; the one that signed does.
        let second = turn(history.clone(), "claude-sonnet-4-6");
        assert_eq!(second.header("x-signalbox-model").as_deref(), Some(maker));
        assert_eq!(sent(&second)["messages"][1]["content"], json!(claude_turn()));
        // Moved by force it goes on without them, reported, in one call.
        let other = if maker == two { CLAUDE } else { two };
        let moved = turn(history, other);
        let content = sent(&moved)["messages"][1]["content"].clone();
        let kinds: Vec<&str> = content.as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["text", "tool_use", "tool_use"]);
        assert_eq!(moved.calls().len(), 1);
        assert!(moved.header("x-signalbox-losses").unwrap().contains("messages:advisory"));
    }
}

fn openai_output() -> Value {
    json!([
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed=="},
        {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "look", "arguments": "{}"}])
}

fn openai_answer() -> Script {
    let usage = json!({"input_tokens": 9, "output_tokens": 7, "total_tokens": 16});
    let answer = json!({"id": "resp_1", "object": "response", "created_at": 9, "model": "gpt-5.6-sol",
        "status": "completed", "output": openai_output(), "usage": usage});
    Script::json(200, answer.to_string())
}

#[test]
fn trap_29_openais_encrypted_reasoning_stays_on_its_account_through_a_client_of_chat() {
    for maker in ["openai/gpt-5.6-sol", "openai-two/gpt-5.6-sol"] {
        let user = json!({"role": "user", "content": "look"});
        let first = Fake::new([openai_answer()]);
        serve(&first, "/v1/chat/completions", &chat(maker, vec![user.clone()], false));
        let message = strict_openai_message(&first.body(), false);
        let result = json!({"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "x"});
        let second = Fake::new([openai_answer()]);
        serve(&second, "/v1/chat/completions", &chat("gpt-5.6-sol", vec![user, message, result], false));
        assert_eq!(second.header("x-signalbox-model").as_deref(), Some(maker));
        assert_eq!(sent(&second)["input"][1]["encrypted_content"], "gAAAsealed==");
    }
}

#[test]
fn trap_29_openais_own_items_name_nobody_and_stay_on_the_account_of_their_named_session() {
    let mut accounts = std::collections::BTreeSet::new();
    for session in 0..12 {
        let name = format!("session-{session}");
        let ask = |input: &Value| {
            let fake = Fake::new([openai_answer()]);
            let body = json!({"model": "gpt-5.6-sol", "input": input, "store": false}).to_string().into_bytes();
            *fake.0.request_body.borrow_mut() = body.clone();
            let headers = [("x-signalbox-session", name.as_str())].into_iter().collect();
            let request =
                Request { method: "POST".into(), path: "/v1/responses".into(), headers, body, ..Request::default() };
            let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
            futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
            assert_eq!(fake.status(), 200, "{}", fake.body());
            fake
        };
        let mut input = json!([{"role": "user", "content": "look"}]);
        let first = ask(&input);
        let items = input.as_array_mut().unwrap();
        items.extend(openai_output().as_array().unwrap().clone());
        items.push(json!({"type": "function_call_output", "call_id": "call_1", "output": "x"}));
        let second = ask(&input);
        assert_eq!(first.header("x-signalbox-model"), second.header("x-signalbox-model"));
        assert_eq!(sent(&second)["input"], input, "as it came");
        accounts.insert(second.header("x-signalbox-model"));
    }
    assert_eq!(accounts.len(), 2, "sessions as such are spread");
}

#[test]
fn trap_30_refused_reasoning_is_taken_out_once_outside_the_retry_budget_and_reported() {
    let relay = r#"{"error":{"message":"The encrypted content for item rs_1 could not be verified.","type":"invalid_request_error"}}"#;
    let refusal = r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}"#;
    let gemini = r#"{"error":{"code":400,"message":"Thought signature is not valid.","status":"INVALID_ARGUMENT"}}"#;
    // Claude, translated.
    let history = first_turn(CLAUDE, claude_answer(false), false);
    let fake = Fake::new([Script::json(400, refusal), claude_answer(false)]);
    serve(&fake, "/v1/chat/completions", &chat(CLAUDE, history.clone(), false));
    assert_eq!(
        fake.header("x-signalbox-attempts").as_deref(),
        Some("anthropic/claude-sonnet-4-6:400,anthropic/claude-sonnet-4-6:200")
    );
    assert!(fake.header("x-signalbox-losses").unwrap().contains("messages:advisory"));
    assert!(!sent(&fake).to_string().contains("thinking\":\"hm"));
    // Once: the same refusal again is the answer.
    let fake = Fake::new([Script::json(400, refusal), Script::json(400, refusal), claude_answer(false)]);
    let gateway = Rc::new(Gateway::load_local(CONFIG).unwrap());
    let body = chat(CLAUDE, history, false).to_string().into_bytes();
    *fake.0.request_body.borrow_mut() = body.clone();
    let request = Request { method: "POST".into(), path: "/v1/chat/completions".into(), body, ..Request::default() };
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    assert_eq!((fake.status(), fake.calls().len()), (400, 2));
    // Gemini, translated: Google's placeholder takes the signature's place.
    let history = first_turn(GEMINI, gemini_answer(false), false);
    let fake = Fake::new([Script::json(400, gemini), gemini_answer(false)]);
    serve(&fake, "/v1/chat/completions", &chat(GEMINI, history, false));
    assert_eq!(sent(&fake)["contents"][1]["parts"][1]["thoughtSignature"], "skip_thought_signature_validator");
    // A relay that lost the code, native.
    let ok = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let fake = Fake::new([Script::json(400, relay), Script::json(200, ok)]);
    let details = json!([{"type": "reasoning.encrypted", "data": "blob"}]);
    let messages = vec![
        json!({"role": "user", "content": "a"}),
        json!({"role": "assistant", "content": "b", "reasoning_details": details}),
        json!({"role": "user", "content": "c"}),
    ];
    serve(&fake, "/v1/chat/completions", &chat("openai/gpt-5.1", messages, false));
    assert_eq!(fake.calls().len(), 2);
    assert!(!sent(&fake).to_string().contains("blob"));
}

#[test]
fn trap_31_deepseek_gets_reasoning_on_every_assistant_turn_however_the_client_lost_it() {
    let ok = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let model = "deepseek/deepseek-v4-pro";
    // Native: a strict client dropped it.
    let fake = Fake::new([Script::json(200, ok)]);
    let call = json!({"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let messages = vec![
        json!({"role": "user", "content": "a"}),
        json!({"role": "assistant", "content": null, "tool_calls": [call], "reasoning_content": "kept"}),
        json!({"role": "tool", "tool_call_id": "c1", "content": "x"}),
        json!({"role": "assistant", "content": "b"}),
        json!({"role": "user", "content": "c"}),
    ];
    serve(&fake, "/v1/chat/completions", &chat(model, messages, false));
    let body = sent(&fake);
    assert_eq!(
        (&body["messages"][1]["reasoning_content"], &body["messages"][3]["reasoning_content"]),
        (&json!("kept"), &json!(""))
    );
    assert!(fake.header("x-signalbox-losses").unwrap().contains("reasoning_content:converted"));
    // Translated: an Anthropic client brings the text back in its thinking block.
    let thinking = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}"#;
    let fake = Fake::new([Script::json(200, thinking)]);
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let user = json!({"role": "user", "content": "a"});
    serve(&fake, "/v1/messages", &json!({"model": model, "max_tokens": 99, "tools": tools, "messages": [user]}));
    let content = serde_json::from_str::<Value>(&fake.body()).unwrap()["content"].clone();
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}]});
    let fake = Fake::new([Script::json(200, ok)]);
    let messages = json!([user, {"role": "assistant", "content": content}, result]);
    serve(&fake, "/v1/messages", &json!({"model": model, "max_tokens": 99, "tools": tools, "messages": messages}));
    assert_eq!(sent(&fake)["messages"][1]["reasoning_content"], "hm");
}

#[test]
fn claude_and_gemini_loops_survive_each_others_clients() {
    // Claude behind a Gemini-shaped history is covered where Gemini callers are routed; here: Gemini behind an Anthropic client.
    let tools = json!([{"name": "look", "input_schema": {"type": "object"}}]);
    let user = json!({"role": "user", "content": "a"});
    let fake = Fake::new([gemini_answer(false)]);
    let ask = |messages: Value| json!({"model": GEMINI, "max_tokens": 99, "tools": tools, "messages": messages});
    serve(&fake, "/v1/messages", &ask(json!([user])));
    let content = serde_json::from_str::<Value>(&fake.body()).unwrap()["content"].clone();
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "x"});
    let fake = Fake::new([gemini_answer(false)]);
    let results = json!({"role": "user", "content": [result("g1"), result("g2")]});
    serve(&fake, "/v1/messages", &ask(json!([user, {"role": "assistant", "content": content}, results])));
    let parts = sent(&fake)["contents"][1]["parts"].clone();
    let signatures: Vec<&str> =
        parts.as_array().unwrap().iter().filter_map(|part| part["thoughtSignature"].as_str()).collect();
    assert_eq!(signatures, ["ZW1wdHk=", "dGV4dA==", "Y2FsbA=="]);
}
