//! Answers in sounds and pictures, over the whole path.

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
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"}
  }
}"#;

fn ask(path: &str, body: &Value, answers: Script) -> Fake {
    let fake = Fake::new([answers]);
    let request =
        Request { method: "POST".into(), path: path.into(), body: body.to_string().into_bytes(), ..Request::default() };
    *fake.0.request_body.borrow_mut() = request.body.clone();
    let gateway = Rc::new(Gateway::load_local(CONFIG).expect("the test's configuration is valid"));
    futures::executor::block_on(pipeline::handle(&fake, Ok(gateway), request));
    assert_eq!(fake.status(), 200, "{}", fake.body());
    fake
}

fn sent(fake: &Fake) -> Value {
    serde_json::from_slice(&fake.calls()[0].request.body).unwrap()
}

/// The data of a stream's events, the terminator left out.
fn events(body: &str) -> Vec<Value> {
    let data = body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    data.map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// `wire.md` §1.1 "Stream grammar": the last chunk of sound says when it expires, and no reason why it ends.
#[test]
fn sound_passes_piece_by_piece_as_it_came_and_its_tokens_have_their_own_price() {
    let chunk = |delta: Value| json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-audio", "choices": [{"index": 0, "delta": delta, "finish_reason": null}], "usage": null});
    let mut pieces = vec![
        chunk(json!({"role": "assistant", "content": null, "audio": {"id": "audio_1"}})),
        chunk(json!({"audio": {"data": "UklGRg=="}})),
        chunk(json!({"audio": {"transcript": "Hel"}})),
        chunk(json!({"audio": {"data": "AAAA", "transcript": "lo"}})),
        chunk(json!({"audio": {"expires_at": 1_900_000_000}})),
    ];
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 100, "total_tokens": 110, "completion_tokens_details": {"audio_tokens": 80, "text_tokens": 20}});
    pieces.push(json!({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-audio", "choices": [], "usage": usage}));
    let wire: Vec<String> = pieces.iter().map(|piece| format!("data: {piece}\n\n")).collect();
    let body = json!({"model": "openai/gpt-audio", "stream": true, "stream_options": {"include_usage": true},
        "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "pcm16"}, "messages": [{"role": "user", "content": "Say hello"}]});
    let fake =
        ask("/v1/chat/completions", &body, Script::stream(wire.iter().cloned().chain(["data: [DONE]\n\n".to_owned()])));
    assert_eq!((&sent(&fake)["modalities"], &sent(&fake)["audio"]), (&body["modalities"], &body["audio"]));
    let told = fake.body();
    assert!(told.starts_with(&wire[..5].concat()), "no byte of it is changed: {told}");
    assert!(told.ends_with("data: [DONE]\n\n"), "it is no cut answer: {told}");
    // 10 × 2.50 + 20 × 10 + 80 × 64 dollars for a million.
    assert_eq!(events(&told)[5]["usage"]["cost"].as_f64(), Some(0.005345), "{told}");
}

/// `ai.google.dev`: image models sign the pictures that they make.
#[test]
fn pictures_that_gemini_makes_are_asked_for_and_come_in_the_callers_form_whole_and_streamed() {
    let part = |part: Value, end: Value| json!({"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": end, "index": 0}], "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 1300, "totalTokenCount": 1305}, "responseId": "r"});
    let picture = json!({"inlineData": {"mimeType": "image/png", "data": "c2FtcGxl"}, "thoughtSignature": "c2ln"});
    let texts = json!({"text": "Here it is:"});
    let url = json!([{"type": "image_url", "image_url": {"url": "data:image/png;base64,c2FtcGxl"}}]);
    let messages = json!([{"role": "user", "content": "draw"}]);
    for stream in [false, true] {
        let answers = || match stream {
            true => Script::stream([
                format!("data: {}\r\n\r\n", part(texts.clone(), Value::Null)),
                format!("data: {}\r\n\r\n", part(picture.clone(), json!("STOP"))),
            ]),
            false => {
                let mut whole = part(texts.clone(), json!("STOP"));
                whole["candidates"][0]["content"]["parts"] = json!([texts, picture]);
                Script::json(200, whole.to_string())
            }
        };
        let model = "gemini/gemini-3-pro-image-preview";
        let body = json!({"model": model, "stream": stream, "modalities": ["image", "text"], "messages": messages});
        let fake = ask("/v1/chat/completions", &body, answers());
        assert_eq!(sent(&fake)["generationConfig"]["responseModalities"], json!(["TEXT", "IMAGE"]));
        let told: Value = match stream {
            true => {
                let with = |event: &Value| !event["choices"][0]["delta"]["images"].is_null();
                let event = events(&fake.body()).into_iter().find(with).expect("a chunk has the picture");
                event["choices"][0]["delta"]["images"].clone()
            }
            false => serde_json::from_str::<Value>(&fake.body()).unwrap()["choices"][0]["message"]["images"].clone(),
        };
        assert_eq!(told, url);
        assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some(""));

        let fake = ask("/v1/responses", &json!({"model": model, "stream": stream, "input": "draw"}), answers());
        let output = match stream {
            true => events(&fake.body()).pop().unwrap()["response"]["output"].clone(),
            false => serde_json::from_str::<Value>(&fake.body()).unwrap()["output"].clone(),
        };
        let made = output.as_array().unwrap().iter().find(|item| item["type"] == "image_generation_call").unwrap();
        assert_eq!(
            (&made["result"], &made["output_format"], &made["status"]),
            (&json!("c2FtcGxl"), &json!("png"), &json!("completed"))
        );
    }
}

/// `Image part is missing a thought_signature in content position 2`: what Gemini 3 says of a picture that comes back without.
#[test]
fn a_picture_that_a_client_sends_back_is_the_models_own_again() {
    let picture = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,c2FtcGxl"}});
    let messages = json!([{"role": "user", "content": "draw"}, {"role": "assistant", "content": "Here:", "images": [picture]}, {"role": "user", "content": "in blue"}]);
    let model = "gemini/gemini-3-pro-image-preview";
    let item = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "png", "result": "c2FtcGxl"});
    let input = json!([{"role": "user", "content": "draw"}, {"role": "assistant", "content": "Here:"}, item, {"role": "user", "content": "in blue"}]);
    let answer =
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"ok"}]},"finishReason":"STOP","index":0}]}"#;
    for (path, body) in [
        ("/v1/chat/completions", json!({"model": model, "messages": messages})),
        ("/v1/responses", json!({"model": model, "input": input})),
    ] {
        let fake = ask(path, &body, Script::json(200, answer));
        let turn = &sent(&fake)["contents"][1];
        assert_eq!(turn["role"], "model");
        assert_eq!(turn["parts"][0]["text"], "Here:");
        assert_eq!(turn["parts"][1]["inlineData"], json!({"mimeType": "image/png", "data": "c2FtcGxl"}), "{turn}");
        assert_eq!(turn["parts"][1]["thoughtSignature"], "skip_thought_signature_validator");
        assert!(fake.header("x-signalbox-losses").unwrap().contains("signature:converted"));
    }
}
