//! Requests that a model takes on Responses only go there by themselves, whoever asks (trap 32 of the wire reference).

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
    "old": {"kind": "openai-chat", "profile": "azure", "base_url": "http://127.0.0.1:9/old/openai", "api_version": "2024-10-21", "api_key": "k-old"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"}
  },
  "aliases": {"old-ones": {"candidates": ["old/gpt-5.6"], "policy": "balanced"}}
}"#;
const MODEL: &str = "openai/gpt-5.6-sol";
const CHAT: &str = "/v1/chat/completions";

fn serve(fake: &Fake, path: &str, body: &Value, headers: &[(&str, &str)]) {
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    let body = body.to_string().into_bytes();
    *fake.0.request_body.borrow_mut() = body.clone();
    let headers = headers.iter().copied().collect();
    let request = Request { method: "POST".into(), path: path.into(), body, headers, ..Request::default() };
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
}

/// Where a provider was asked, and what.
fn sent(fake: &Fake) -> (String, Value) {
    let request = fake.calls().last().expect("a call was made").request.clone();
    (request.url, serde_json::from_slice(&request.body).unwrap())
}

fn chat(more: Value) -> Value {
    let tool = json!({"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}});
    let mut body = json!({"model": MODEL, "messages": [{"role": "user", "content": "look"}], "tools": [tool]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// What the model says: it has thought, it speaks, it calls twice.
fn output() -> Value {
    let call = |at: u32, arguments: &str| json!({"id": format!("fc_{at}"), "type": "function_call", "status": "completed", "call_id": format!("call_{at}"), "name": "look", "arguments": arguments});
    json!([
        {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed=="},
        {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "Looking.", "annotations": []}]},
        call(1, "{\"b\": 1.0,\"a\":2}"), call(2, "{}"),
    ])
}

fn answer(stream: bool) -> Script {
    let whole = |status: &str, output: Value| {
        json!({"id": "resp_1", "object": "response", "created_at": 9, "model": "gpt-5.6-sol", "status": status, "output": output,
               "usage": {"input_tokens": 9, "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 16}})
    };
    if !stream {
        return Script::json(200, whole("completed", output()).to_string());
    }
    let mut events = vec![json!({"type": "response.created", "response": whole("in_progress", json!([]))})];
    for (at, item) in output().as_array().unwrap().iter().enumerate() {
        let mut begun = item.clone();
        begun["arguments"] = json!("");
        begun["content"] = json!([]);
        begun["encrypted_content"] = json!("gAAAse");
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": begun}));
        match item["type"].as_str().unwrap() {
            "message" => events.push(json!({"type": "response.output_text.delta", "output_index": at, "item_id": item["id"], "content_index": 0, "delta": "Looking."})),
            "function_call" => events.push(json!({"type": "response.function_call_arguments.delta", "output_index": at, "item_id": item["id"], "delta": item["arguments"]})),
            _ => {}
        }
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": whole("completed", output())}));
    Script::stream(events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap())))
}

/// The assistant's message as a client gathers it that knows OpenAI's own fields only, and why it ended.
fn message(body: &str, stream: bool) -> (Value, Value) {
    if !stream {
        let choice = serde_json::from_str::<Value>(body).unwrap()["choices"][0].clone();
        let message = &choice["message"];
        let kept = json!({"role": "assistant", "content": message["content"], "tool_calls": message["tool_calls"]});
        return (kept, choice["finish_reason"].clone());
    }
    let (mut content, mut calls, mut finish) = (String::new(), Vec::<Value>::new(), Value::Null);
    for data in body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let choice = &chunk["choices"][0];
        content += choice["delta"]["content"].as_str().unwrap_or_default();
        for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let at = call["index"].as_u64().unwrap() as usize;
            if calls.len() <= at {
                calls.push(json!({"id": call["id"], "type": "function", "function": {"name": call["function"]["name"], "arguments": ""}}));
            }
            let so_far = calls[at]["function"]["arguments"].as_str().unwrap().to_owned();
            calls[at]["function"]["arguments"] = json!(so_far + call["function"]["arguments"].as_str().unwrap_or(""));
        }
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
    }
    (json!({"role": "assistant", "content": content, "tool_calls": calls}), finish)
}

#[test]
fn trap_32_functions_that_chat_refuses_for_a_model_go_to_responses_and_the_answer_is_one_of_chat() {
    for stream in [false, true] {
        for effort in [None, Some("high")] {
            let fake = Fake::new([answer(stream)]);
            let mut body = chat(json!({"stream": stream, "max_completion_tokens": 500}));
            if let Some(effort) = effort {
                body["reasoning_effort"] = json!(effort);
            }
            serve(&fake, CHAT, &body, &[]);
            assert_eq!(fake.status(), 200, "{}", fake.body());
            let (url, body) = sent(&fake);
            assert_eq!(url, "http://127.0.0.1:9/openai/v1/responses");
            assert_eq!(
                body.get("reasoning").cloned(),
                effort.map(|effort| json!({"effort": effort})),
                "never `none` unasked"
            );
            assert_eq!((&body["store"], &body["include"]), (&json!(false), &json!(["reasoning.encrypted_content"])));
            assert_eq!((&body["tools"][0]["name"], &body["max_output_tokens"]), (&json!("look"), &json!(500)));
            assert_eq!(body.get("stream").is_some(), stream);

            let (message, finish) = message(&fake.body(), stream);
            assert_eq!((&finish, &message["content"]), (&json!("tool_calls"), &json!("Looking.")), "{}", fake.body());
            let calls = message["tool_calls"].as_array().unwrap();
            let arguments: Vec<&Value> = calls.iter().map(|call| &call["function"]["arguments"]).collect();
            assert_eq!(arguments, [&json!("{\"b\": 1.0,\"a\":2}"), &json!("{}")]);
            assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(MODEL), "the same name");
            assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
            let cost = fake.header("x-signalbox-cost-usd");
            assert_eq!(cost.is_some(), !stream, "the same prices: {cost:?}");
        }
    }
}

#[test]
fn a_custom_tool_that_chat_refuses_for_a_model_is_declared_called_and_answered_on_responses() {
    let called = json!({"id": "ctc_1", "type": "custom_tool_call", "status": "completed", "call_id": "call_1", "name": "run", "input": "ls -l"});
    let whole = |status: &str, output: &Value| json!({"id": "resp_1", "status": status, "model": "gpt-5.6-sol", "output": [output], "usage": {"input_tokens": 9, "output_tokens": 7}});
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let mut begun = called.clone();
    begun["input"] = json!("");
    let streamed = [
        json!({"type": "response.created", "response": whole("in_progress", &begun)}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": begun}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "ctc_1", "delta": "ls "}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "ctc_1", "delta": "-l"}),
        json!({"type": "response.custom_tool_call_input.done", "output_index": 0, "item_id": "ctc_1", "input": "ls -l"}),
        json!({"type": "response.output_item.done", "output_index": 0, "item": called}),
        json!({"type": "response.completed", "response": whole("completed", &called)}),
    ];
    let call = json!({"id": "call_0", "type": "custom", "custom": {"name": "run", "input": "pwd"}});
    let messages = json!([{"role": "user", "content": "go"}, {"role": "assistant", "content": null, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_0", "content": "/"}]);
    let tools = json!([{"type": "custom", "custom": {"name": "run", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "[a-z -]+"}}}}]);
    for stream in [false, true] {
        let script = match stream {
            true => Script::stream(streamed.iter().cloned().map(event)),
            false => Script::json(200, whole("completed", &called).to_string()),
        };
        let fake = Fake::new([script]);
        serve(&fake, CHAT, &chat(json!({"stream": stream, "messages": messages, "tools": tools})), &[]);
        assert_eq!(fake.status(), 200, "{}", fake.body());
        let (url, body) = sent(&fake);
        assert_eq!(url, "http://127.0.0.1:9/openai/v1/responses");
        assert_eq!(
            body["tools"],
            json!([{"type": "custom", "name": "run", "format": {"type": "grammar", "syntax": "regex", "definition": "[a-z -]+"}}])
        );
        assert_eq!(
            body["input"][1],
            json!({"type": "custom_tool_call", "call_id": "call_0", "name": "run", "input": "pwd"})
        );
        assert_eq!(body["input"][2], json!({"type": "custom_tool_call_output", "call_id": "call_0", "output": "/"}));
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));
        let answered = fake.body();
        assert!(answered.contains(r#""finish_reason":"tool_calls""#), "{answered}");
        let inputs = answered.split(r#""input":""#).skip(1).map(|rest| rest.split('"').next().unwrap());
        assert_eq!(inputs.collect::<String>(), "ls -l", "{answered}");
    }
}

#[test]
fn what_chat_takes_stays_there_as_it_was_written() {
    let whole = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}"#;
    let told = |model: &str, more: Value| {
        let mut more = more;
        more["model"] = json!(model);
        chat(more)
    };
    let mut without_tools = chat(json!({"reasoning_effort": "high"}));
    without_tools.as_object_mut().unwrap().remove("tools");
    for body in [
        chat(json!({"reasoning_effort": "none", "seed": 7})),
        without_tools,
        told("openai/gpt-5.4", json!({})),
        told("openai/gpt-5.4", json!({"reasoning_effort": "none"})),
        told("openai/gpt-5.2", json!({"reasoning_effort": "high"})),
        told("openai/gpt-4o-mini", json!({"temperature": 0.5})),
    ] {
        let fake = Fake::new([Script::json(200, whole)]);
        serve(&fake, CHAT, &body, &[]);
        let (url, mut sent) = sent(&fake);
        assert_eq!(url, "http://127.0.0.1:9/openai/v1/chat/completions", "{body}");
        sent["model"] = body["model"].clone();
        assert_eq!(sent, body);
    }
}

#[test]
fn an_effort_beside_tools_is_what_sends_a_model_to_responses_whatever_says_it() {
    let responses = "http://127.0.0.1:9/openai/v1/responses";
    let fake = Fake::new([answer(false)]);
    serve(&fake, CHAT, &chat(json!({"model": "openai/gpt-5.4", "reasoning_effort": "low"})), &[]);
    assert_eq!(sent(&fake).0, responses);

    let tool = json!({"name": "look", "input_schema": {"type": "object"}});
    let messages = json!([{"role": "user", "content": "look"}]);
    let body = json!({"model": "openai/gpt-5.4", "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 2048}, "messages": messages, "tools": [tool]});
    let fake = Fake::new([answer(false)]);
    serve(&fake, "/v1/messages", &body, &[]);
    assert_eq!(fake.status(), 200, "{}", fake.body());
    assert_eq!((sent(&fake).0.as_str(), &sent(&fake).1["reasoning"]["effort"]), (responses, &json!("low")));
    let answered: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((&answered["stop_reason"], &answered["content"][0]["type"]), (&json!("tool_use"), &json!("thinking")));

    let declared = json!([{"functionDeclarations": [{"name": "look"}]}]);
    let body = json!({"contents": [{"role": "user", "parts": [{"text": "look"}]}], "tools": declared});
    let fake = Fake::new([answer(false)]);
    serve(&fake, &format!("/v1beta/models/{MODEL}:generateContent"), &body, &[]);
    assert_eq!((fake.status(), sent(&fake).0.as_str()), (200, responses), "{}", fake.body());
}

#[test]
fn a_tool_loop_brings_the_encrypted_reasoning_back_through_a_client_that_knows_its_own_fields_only() {
    for stream in [false, true] {
        let fake = Fake::new([answer(stream)]);
        serve(&fake, CHAT, &chat(json!({"stream": stream})), &[]);
        let (message, _) = message(&fake.body(), stream);
        let mut messages = vec![json!({"role": "user", "content": "look"}), message.clone()];
        for call in message["tool_calls"].as_array().unwrap() {
            messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "seen"}));
        }
        let fake = Fake::new([answer(stream)]);
        serve(&fake, CHAT, &chat(json!({"stream": stream, "messages": messages})), &[]);
        let (url, body) = sent(&fake);
        assert_eq!(url, "http://127.0.0.1:9/openai/v1/responses");
        let result = |call: &str| json!({"type": "function_call_output", "call_id": call, "output": "seen"});
        assert_eq!(
            body["input"],
            json!([
                {"role": "user", "content": "look"},
                {"type": "reasoning", "summary": [], "encrypted_content": "gAAAsealed=="},
                {"role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
                {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{\"b\": 1.0,\"a\":2}"},
                {"type": "function_call", "call_id": "call_2", "name": "look", "arguments": "{}"},
                result("call_1"), result("call_2"),
            ]),
            "stream: {stream}"
        );
    }
}

#[test]
fn what_responses_cannot_say_is_refused_by_name_before_anybody_is_called_or_dropped_by_request() {
    let body = chat(json!({"seed": 7}));
    let fake = Fake::new([]);
    serve(&fake, CHAT, &body, &[]);
    let error: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((fake.status(), &error["error"]["param"]), (400, &json!("seed")), "{error}");
    assert!(fake.calls().is_empty());

    let fake = Fake::new([answer(false)]);
    serve(&fake, CHAT, &body, &[("x-signalbox-on-unsupported", "drop")]);
    assert_eq!(fake.status(), 200);
    assert!(fake.header("x-signalbox-losses").unwrap().contains("seed:unsupported"));
}

#[test]
fn the_dry_run_tells_which_dialect_a_candidate_is_spoken_to_in() {
    for (effort, dialect) in [("high", "openai-responses"), ("none", "openai-chat")] {
        let fake = Fake::new([]);
        serve(&fake, "/v1/route", &chat(json!({"reasoning_effort": effort})), &[]);
        let page: Value = serde_json::from_str(&fake.body()).unwrap();
        let candidate = &page["candidates"][0];
        assert_eq!((&candidate["model"], &candidate["dialect"]), (&json!(MODEL), &json!(dialect)), "{page}");
    }
}

#[test]
fn where_a_server_has_no_responses_an_alias_leaves_it_out_and_a_caller_who_names_it_is_answered_by_it() {
    let fake = Fake::new([]);
    serve(&fake, CHAT, &chat(json!({"model": "old-ones"})), &[]);
    assert_eq!(fake.status(), 400);
    assert!(fake.body().contains("tools on chat completions"), "{}", fake.body());

    let refused = r#"{"error":{"message":"Function tools are not supported.","type":"invalid_request_error","param":"tools","code":null}}"#;
    let fake = Fake::new([Script::json(400, refused)]);
    serve(&fake, CHAT, &chat(json!({"model": "old/gpt-5.6"})), &[]);
    assert_eq!((fake.status(), fake.calls().len()), (400, 1));
    assert!(sent(&fake).0.contains("/openai/deployments/gpt-5.6/chat/completions?api-version=2024-10-21"));
}
