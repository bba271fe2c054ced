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

/// The parts of text that a caller of Responses gets, whole or as the end of a stream has them.
fn texts_of(answer: &Value) -> Vec<Value> {
    let items = answer["output"].as_array().unwrap().iter();
    let parts = items.filter_map(|item| item["content"].as_array()).flatten();
    parts.filter(|part| part["type"] == "output_text").cloned().collect()
}

#[test]
fn callers_of_responses_get_the_pages_that_others_cite_in_the_text_that_they_are_cited_in() {
    let page = |at: u32| json!([{"type": "web_search_result_location", "cited_text": "c", "url": format!("https://{at}.example"), "title": "T", "encrypted_index": "e"}]);
    let content = json!([
        {"type": "text", "text": "Für alles: "}, {"type": "text", "text": "\u{1f600} eins", "citations": page(1)},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "text", "text": "und "}, {"type": "text", "text": "zwei", "citations": page(2)}]);
    let message = |content: Value| json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": content, "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 1}});
    let decoded = Dialect::AnthropicMessages.decode_response(message(content.clone()).to_string().as_bytes()).unwrap();
    let context = ReplyContext { upstream: Some(Dialect::AnthropicMessages), ..ReplyContext::default() };
    let encoded = Dialect::OpenAiResponses.encode_response(&decoded, &context, &Tail::default());
    let whole: Value = serde_json::from_slice(&encoded.body).unwrap();

    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let mut stream = event(json!({"type": "message_start", "message": message(json!([]))}));
    for (index, block) in content.as_array().unwrap().iter().enumerate() {
        let mut begun = block.clone();
        begun["citations"] = json!([]);
        stream += &event(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        for citation in block["citations"].as_array().into_iter().flatten() {
            let delta = json!({"type": "citations_delta", "citation": citation});
            stream += &event(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        stream += &event(json!({"type": "content_block_stop", "index": index}));
    }
    stream +=
        &event(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 1}}));
    stream += &event(json!({"type": "message_stop"}));
    let (streamed, losses) = relayed(Dialect::AnthropicMessages, Dialect::OpenAiResponses, &stream);
    assert!(!losses.iter().any(|field| field.contains("choices")), "{losses:?}");
    let last = streamed.lines().rev().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let last: Value = serde_json::from_str::<Value>(last).unwrap()["response"].clone();

    for (how, answer) in [("whole", &whole), ("streamed", &last)] {
        let texts = texts_of(answer);
        let said: Vec<&str> = texts.iter().map(|part| part["text"].as_str().unwrap()).collect();
        assert_eq!(said, ["Für alles: \u{1f600} eins", "und zwei"], "{how}");
        for (part, (url, cited)) in
            texts.iter().zip([("https://1.example", "\u{1f600} eins"), ("https://2.example", "zwei")])
        {
            let notes = part["annotations"].as_array().unwrap();
            assert_eq!(notes.len(), 1, "{how}: {part}");
            assert_eq!(notes[0]["url"], url);
            assert_eq!(cut(part["text"].as_str().unwrap(), &json!({"url_citation": notes[0]})), cited, "{how}");
        }
    }
}

#[test]
fn sources_that_a_server_tells_by_themselves_only_are_told_on() {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let cited =
        json!({"type": "url_citation", "start_index": 4, "end_index": 5, "url": "https://a.example", "title": "A"});
    let stream = event(
        json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "model": "m", "output": []}}),
    ) + &event(
        json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message", "id": "m", "role": "assistant", "content": []}}),
    ) + &event(
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "See a"}),
    ) + &event(
        json!({"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation": cited}),
    );
    let item = json!({"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "See a", "annotations": []}]});
    let done = event(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    let end = event(
        json!({"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "model": "m", "output": []}}),
    );
    for stream in [stream.clone() + &end, stream + &done + &end] {
        let (text, annotations, _) = streamed(Dialect::OpenAiResponses, stream.as_bytes());
        assert_eq!(annotations.len(), 1, "{annotations:?}");
        assert_eq!(cut(&text, &annotations[0]), "a");
    }
}

#[test]
fn one_source_without_a_title_or_a_page_keeps_no_other_from_being_told() {
    let annotations = json!([
        {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": null, "start_index": 0, "end_index": 1}},
        {"type": "file_citation", "file_citation": {"file_id": "f"}}]);
    let answer = json!({"id": "c", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "ab", "annotations": annotations}}]});
    let decoded = Dialect::OpenAiChat.decode_response(answer.to_string().as_bytes()).unwrap();
    let encoded = Dialect::Gemini.encode_response(&decoded, &ReplyContext::default(), &Tail::default());
    let value: Value = serde_json::from_slice(&encoded.body).unwrap();
    let chunks = &value["candidates"][0]["groundingMetadata"]["groundingChunks"];
    assert_eq!(chunks[0]["web"]["uri"], "https://a.example", "{value}");
    assert_eq!(encoded.losses.len(), 1, "the file is told of: {:?}", encoded.losses);
}
