//! Where an answer's words come from, and how likely they were: citations in characters, log probabilities in OpenAI's form,
//! whole and streamed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

use std::path::PathBuf;

use serde_json::{json, Value};
use signalbox::dialect::{Dialect, ReplyContext, Tail};
use signalbox::sse;
use signalbox::stream::relay::Relay;

fn whole(from: Dialect, body: &[u8]) -> Value {
    let answer = from.decode_response(body).unwrap();
    let context = ReplyContext { upstream: Some(from), ..ReplyContext::default() };
    let encoded = Dialect::OpenAiChat.encode_response(&answer, &context, &Tail::default());
    serde_json::from_slice(&encoded.body).unwrap()
}

/// A stream as an OpenAI client adds it up: text, annotations and log probabilities of the first choice.
fn streamed(from: Dialect, bytes: &[u8]) -> (String, Vec<Value>, Vec<Value>) {
    let (mut decoder, mut frames) = (from.stream_decoder(), sse::Decoder::new());
    let context = ReplyContext { upstream: Some(from), ..ReplyContext::default() };
    let mut encoder = Dialect::OpenAiChat.stream_encoder(context);
    let (mut out, mut losses, mut events) = (Vec::new(), Vec::new(), Vec::new());
    frames.push(bytes).unwrap();
    while let Some(frame) = frames.next_frame() {
        decoder.frame(&frame, &mut events).unwrap();
    }
    for event in &events {
        encoder.event(event, &mut out, &mut losses);
    }
    encoder.end(&Tail::default(), &mut out);
    let (mut text, mut annotations, mut logprobs) = (String::new(), Vec::new(), Vec::new());
    let out = String::from_utf8(out).unwrap();
    for data in out.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
        let chunk: Value = serde_json::from_str(data).unwrap();
        let choice = &chunk["choices"][0];
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        annotations.extend(choice["delta"]["annotations"].as_array().cloned().unwrap_or_default());
        logprobs.extend(choice["logprobs"]["content"].as_array().cloned().unwrap_or_default());
    }
    (text, annotations, logprobs)
}

fn cut(text: &str, annotation: &Value) -> String {
    let at = |name: &str| annotation["url_citation"][name].as_u64().unwrap() as usize;
    text.chars().skip(at("start_index")).take(at("end_index") - at("start_index")).collect()
}

#[test]
fn googles_grounding_is_cited_in_characters() {
    let grounding = json!({"webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example"}}],
        "groundingSupports": [{"segment": {"startIndex": 7, "endIndex": 12, "text": "K\u{f6}ln"}, "groundingChunkIndices": [0, 1]}]});
    let candidate = |text: &str, more: Value| {
        let mut candidate = json!({"index": 0, "content": {"role": "model", "parts": [{"text": text}]}});
        candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"candidates": [candidate], "modelVersion": "g", "responseId": "r"})
    };
    let logprobs = json!({"chosenCandidates": [{"token": "in", "logProbability": -0.25}]});
    let end = json!({"finishReason": "STOP", "groundingMetadata": grounding, "logprobsResult": logprobs});
    let expected = |url: &str, title: &str| json!({"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": 5, "end_index": 9}});
    let both = [expected("https://a.example", "A"), expected("https://b.example", "")];
    let likely = json!([{"token": "in", "logprob": -0.25, "bytes": null, "top_logprobs": []}]);

    let answer = whole(Dialect::Gemini, candidate("\u{1f600} in K\u{f6}ln", end.clone()).to_string().as_bytes());
    assert_eq!(answer["choices"][0]["message"]["annotations"], json!(both), "found by its words, a byte off");
    let text = "\u{1f600} in K\u{f6}ln.";
    let found = json!({"finishReason": "STOP", "groundingMetadata": {
        "groundingChunks": grounding["groundingChunks"],
        "groundingSupports": [{"segment": {"startIndex": 8, "endIndex": 13, "text": "K\u{f6}ln"}, "groundingChunkIndices": [0, 1]}]},
        "logprobsResult": logprobs});
    let answer = whole(Dialect::Gemini, candidate(text, found.clone()).to_string().as_bytes());
    assert_eq!(answer["choices"][0]["message"]["annotations"], json!(both));
    assert_eq!(answer["choices"][0]["logprobs"]["content"], likely);
    let stream = [candidate("\u{1f600} in ", json!({})), candidate("K\u{f6}ln.", found)];
    let stream: String = stream.iter().map(|chunk| format!("data: {chunk}\r\n\r\n")).collect();
    let (said, annotations, logprobs) = streamed(Dialect::Gemini, stream.as_bytes());
    assert_eq!((said.as_str(), &annotations[..], json!(logprobs)), (text, &both[..], likely));
    assert_eq!(cut(&said, &annotations[0]), "K\u{f6}ln");
}

/// Every recorded web search of Claude's: each citation of the recording is there once, around its block's own words.
#[test]
fn claudes_recorded_citations_reach_an_openai_client() {
    let folder = std::env::var("SIGNALBOX_FIXTURES").unwrap_or_else(|_| "../shared/fixtures".to_owned());
    let folder = PathBuf::from(folder).join("anthropic-messages");
    let Ok(cases) = std::fs::read_dir(&folder) else {
        println!("no recorded traffic at {}: nothing compared", folder.display());
        return;
    };
    let mut compared = 0;
    for case in cases.map(|entry| entry.unwrap().path()) {
        let (json, sse) = (case.join("response.json"), case.join("response.sse"));
        let (said, annotations, expected) = if let Ok(body) = std::fs::read(&json) {
            let message: Value = serde_json::from_slice(&body).unwrap();
            let Some(blocks) = message["content"].as_array() else { continue };
            let answer = whole(Dialect::AnthropicMessages, &body);
            let message = &answer["choices"][0]["message"];
            let annotations = message["annotations"].as_array().cloned().unwrap_or_default();
            (message["content"].as_str().unwrap_or_default().to_owned(), annotations, cited(blocks))
        } else if let Ok(bytes) = std::fs::read(&sse) {
            let (said, annotations, _) = streamed(Dialect::AnthropicMessages, &bytes);
            (said, annotations, cited(&blocks_of(&bytes)))
        } else {
            continue;
        };
        let told: Vec<(String, String)> = annotations
            .iter()
            .map(|a| (a["url_citation"]["url"].as_str().unwrap().to_owned(), cut(&said, a)))
            .collect();
        assert_eq!(told, expected, "{}", case.display());
        compared += expected.len();
    }
    println!("{compared} citations compared");
    assert!(compared > 0, "the recordings hold citations");
}

/// Pages and the text of their blocks, in order.
fn cited(blocks: &[Value]) -> Vec<(String, String)> {
    let pages = |block: &Value| block["citations"].as_array().cloned().unwrap_or_default();
    let one =
        |block: &Value, page: &Value| Some((page["url"].as_str()?.to_owned(), block["text"].as_str()?.to_owned()));
    blocks
        .iter()
        .flat_map(|block| pages(block).iter().filter_map(|page| one(block, page)).collect::<Vec<_>>())
        .collect()
}

/// The text blocks of a recorded stream, read without the code under test.
fn blocks_of(bytes: &[u8]) -> Vec<Value> {
    let mut blocks: Vec<Value> = Vec::new();
    let text = String::from_utf8_lossy(bytes);
    for data in text.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(data.trim()) else { continue };
        match event["type"].as_str() {
            Some("content_block_start") => {
                blocks.push(
                    json!({"text": event["content_block"]["text"].as_str().unwrap_or_default(), "citations": []}),
                );
            }
            Some("content_block_delta") => {
                let Some(last) = blocks.last_mut() else { continue };
                if let Some(text) = event["delta"]["text"].as_str() {
                    last["text"] = json!(last["text"].as_str().unwrap().to_owned() + text);
                }
                if event["delta"]["citation"].is_object() {
                    last["citations"].as_array_mut().unwrap().push(event["delta"]["citation"].clone());
                }
            }
            _ => {}
        }
    }
    blocks
}

/// A stream as another dialect's callers get it.
fn relayed(from: Dialect, to: Dialect, bytes: &str) -> (String, Vec<String>) {
    let context = ReplyContext { upstream: Some(from), include_usage: true, ..ReplyContext::default() };
    let mut relay = Relay::translated(from, to, context);
    let mut out = Vec::new();
    relay.push(bytes.as_bytes(), &mut out).unwrap();
    relay.conclude(&Tail::default(), &mut out);
    let losses = relay.losses().iter().map(|loss| loss.field.clone()).collect();
    (String::from_utf8(out).unwrap(), losses)
}

#[test]
fn every_pieces_probabilities_arrive_and_not_the_firsts_alone() {
    let chunk = |text: &str, logprob: f64| {
        let logprobs = json!({"content": [{"token": text, "logprob": logprob, "bytes": null, "top_logprobs": []}], "refusal": null});
        format!(
            "data: {}\n\n",
            json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": null}]})
        )
    };
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let stream = chunk("first", -0.5) + &chunk(" second", -0.25) + end;
    let (gemini, losses) = relayed(Dialect::OpenAiChat, Dialect::Gemini, &stream);
    assert!(losses.is_empty(), "{losses:?}");
    let told: Vec<Value> = gemini
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        .flat_map(|chunk| {
            chunk["candidates"][0]["logprobsResult"]["chosenCandidates"].as_array().cloned().unwrap_or_default()
        })
        .collect();
    assert_eq!(
        json!(told),
        json!([{"token": "first", "logProbability": -0.5}, {"token": " second", "logProbability": -0.25}])
    );
    let (responses, losses) = relayed(Dialect::OpenAiChat, Dialect::OpenAiResponses, &stream);
    assert!(losses.is_empty(), "{losses:?}");
    let last = responses.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let whole: Value = serde_json::from_str(last).unwrap();
    let said = &whole["response"]["output"][0]["content"][0]["logprobs"];
    assert_eq!(said.as_array().map(Vec::len), Some(2), "{said}");
    let (_, losses) = relayed(Dialect::OpenAiChat, Dialect::AnthropicMessages, &stream);
    assert_eq!(losses, ["choices[0].logprobs"], "told once");
}

#[test]
fn geminis_callers_get_the_pages_that_others_cite() {
    let text = "\u{1f600} in K\u{f6}ln";
    let annotation = json!({"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A", "start_index": 5, "end_index": 9}});
    let answer = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": text, "annotations": [annotation]}}]});
    let decoded = Dialect::OpenAiChat.decode_response(answer.to_string().as_bytes()).unwrap();
    let encoded = Dialect::Gemini.encode_response(&decoded, &ReplyContext::default(), &Tail::default());
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    let value: Value = serde_json::from_slice(&encoded.body).unwrap();
    let segment = &value["candidates"][0]["groundingMetadata"]["groundingSupports"][0]["segment"];
    assert_eq!(*segment, json!({"startIndex": 8, "endIndex": 13, "text": "K\u{f6}ln"}), "in bytes");
    let back = whole(Dialect::Gemini, &encoded.body);
    assert_eq!(back["choices"][0]["message"]["annotations"], json!([annotation]), "and back again");
}
