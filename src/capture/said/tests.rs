use proptest::prelude::*;
use serde_json::{json, Value};

use super::*;
use crate::telemetry::content;

const DIALECTS: [Dialect; 4] =
    [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages, Dialect::Gemini];

fn said(dialect: Dialect, request: &Value, answer: &str, stream: bool) -> Said {
    let mut recording = Recording { stream, ..Recording::bounded(MOST_BYTES) };
    // In pieces that end anywhere.
    answer.as_bytes().chunks(7).for_each(|piece| recording.push(0, piece));
    Said {
        dialect,
        request: request.to_string().into_bytes(),
        answer: recording,
        settings: Settings::default(),
        known: vec!["key-of-an-operator".into()],
        most: 65_536,
    }
}

fn shown(list: &impl serde::Serialize) -> Value {
    serde_json::from_str(&content::json(list)).unwrap()
}

/// One conversation as each dialect writes it: instructions, a question with a picture, a call, its result.
fn asked(dialect: Dialect, question: &str) -> Value {
    match dialect {
        Dialect::OpenAiChat => json!({"model": "m", "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}]},
            {"role": "assistant", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"q\":\"x\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "found"}],
            "tools": [{"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}]}),
        Dialect::OpenAiResponses => json!({"model": "m", "instructions": "Be kind.", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": question}, {"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"q\":\"x\"}"},
            {"type": "function_call_output", "call_id": "c1", "output": "found"}],
            "tools": [{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}]}),
        Dialect::AnthropicMessages => json!({"model": "m", "max_tokens": 9, "system": "Be kind.", "messages": [
            {"role": "user", "content": [{"type": "text", "text": question}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"q": "x"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "found"}]}],
            "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}]}),
        Dialect::Gemini => json!({"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [
            {"role": "user", "parts": [{"text": question}, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]},
            {"role": "model", "parts": [{"functionCall": {"id": "c1", "name": "look", "args": {"q": "x"}}}]},
            {"role": "user", "parts": [{"functionResponse": {"id": "c1", "name": "look", "response": {"result": "found"}}}]}],
            "tools": [{"functionDeclarations": [{"name": "look", "description": "Looks.", "parametersJsonSchema": {"type": "object"}}]}]}),
    }
}

/// An answer with a thought where the dialect shows one, a text, and an end.
fn answered(dialect: Dialect, text: &str) -> Value {
    match dialect {
        Dialect::OpenAiChat => {
            json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]})
        }
        Dialect::OpenAiResponses => {
            json!({"id": "r", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [{"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": [{"type": "output_text", "text": text, "annotations": []}]}]})
        }
        Dialect::AnthropicMessages => {
            json!({"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}})
        }
        Dialect::Gemini => {
            json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}]})
        }
    }
}

/// The same as a stream, a delta for each piece.
fn streamed(dialect: Dialect, pieces: &[String]) -> String {
    let mut events: Vec<Value> = Vec::new();
    let texts = pieces.iter();
    match dialect {
        Dialect::OpenAiChat => {
            events.extend(texts.map(|piece| json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": null}]})));
            events.push(json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
        }
        Dialect::OpenAiResponses => {
            let item =
                json!({"type": "message", "id": "m1", "status": "in_progress", "role": "assistant", "content": []});
            events.push(json!({"type": "response.output_item.added", "output_index": 0, "item": item}));
            events.push(json!({"type": "response.content_part.added", "item_id": "m1", "output_index": 0, "content_index": 0, "part": {"type": "output_text", "text": "", "annotations": []}}));
            events.extend(texts.map(|piece| json!({"type": "response.output_text.delta", "item_id": "m1", "output_index": 0, "content_index": 0, "delta": piece})));
            events.push(json!({"type": "response.completed", "response": answered(dialect, &pieces.concat())}));
        }
        Dialect::AnthropicMessages => {
            events.push(json!({"type": "message_start", "message": {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}));
            events.push(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            );
            events.extend(texts.map(|piece| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})));
            events.push(json!({"type": "content_block_stop", "index": 0}));
            events.push(
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}}),
            );
            events.push(json!({"type": "message_stop"}));
        }
        Dialect::Gemini => {
            events.extend(
                texts.map(|piece| json!({"candidates": [{"content": {"role": "model", "parts": [{"text": piece}]}}]})),
            );
            events.push(json!({"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": "STOP"}]}));
        }
    }
    let named = |event: &Value| event["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
    events.iter().map(|event| format!("{}data: {event}\n\n", named(event))).collect()
}

#[test]
fn each_dialect_is_told_in_the_words_of_the_conventions() {
    for dialect in DIALECTS {
        let content =
            said(dialect, &asked(dialect, "What is it?"), &answered(dialect, "A cat.").to_string(), false).content();
        assert!(!content.cut);
        let instructions = json!([{"type": "text", "content": "Be kind."}]);
        let mut input = vec![
            json!({"role": "user", "parts": [{"type": "text", "content": "What is it?"}, {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""}]}),
            json!({"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "look", "arguments": {"q": "x"}}]}),
            json!({"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]}),
        ];
        if dialect == Dialect::OpenAiChat {
            input.insert(0, json!({"role": "system", "parts": instructions}));
            assert!(content.system.is_empty());
        } else {
            assert_eq!(shown(&content.system), json!([{"role": "system", "parts": instructions}]), "{dialect:?}");
        }
        let told = shown(&content.input);
        let told: Vec<Value> = told.as_array().unwrap().clone();
        assert_eq!(told[..told.len() - 1], input[..input.len() - 1], "{dialect:?}");
        let result = told.last().unwrap()["parts"][0]["response"].as_str().unwrap();
        assert!(result.contains("found"), "{dialect:?} {result}");
        assert_eq!(
            shown(&content.output),
            json!([{"role": "assistant", "parts": [{"type": "text", "content": "A cat."}], "finish_reason": "stop"}]),
            "{dialect:?}"
        );
        assert_eq!(
            shown(&content.tools),
            json!([{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}]),
            "{dialect:?}"
        );
    }
}

#[test]
fn a_stream_is_told_like_the_whole_answer() {
    let pieces = ["A ", "c", "at", "."].map(str::to_owned);
    for dialect in DIALECTS {
        let request = asked(dialect, "What is it?");
        let whole = said(dialect, &request, &answered(dialect, "A cat.").to_string(), false).content();
        let stream = said(dialect, &request, &streamed(dialect, &pieces), true).content();
        assert_eq!(stream, whole, "{dialect:?}");
        let wire = streamed(dialect, &pieces);
        let cut = said(dialect, &request, &wire[..wire.find("\"at\"").unwrap()], true).content();
        assert_eq!(
            shown(&cut.output),
            json!([{"role": "assistant", "parts": [{"type": "text", "content": "A c"}], "finish_reason": "error"}]),
            "{dialect:?}: of a stream that was cut what came"
        );
    }
}

#[test]
fn an_error_is_no_answer_and_what_is_too_long_is_said_to_be() {
    let error = r#"{"error":{"message":"a provider's words","type":"server_error"}}"#;
    for dialect in DIALECTS {
        let mut said = said(dialect, &asked(dialect, "?"), error, false);
        assert!(said.content().output.is_empty(), "{dialect:?}");
        said.request.clear();
        let content = said.content();
        assert!(content.is_empty() && content.cut, "{dialect:?}: a request that is too long");
    }
}

#[test]
fn the_operators_places_are_those_of_the_callers_dialect_and_addresses_lose_their_queries() {
    let path = |text: &str| crate::redact::path::Path::parse(text).unwrap();
    let request = json!({"model": "m", "messages": [
        {"role": "user", "content": "first", "name": "ada"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/x.png?signature=abc"}}]}]});
    let mut said = said(Dialect::OpenAiChat, &request, "", false);
    said.settings.paths.deny = vec![path("messages.0.content")];
    let told = shown(&said.content().input);
    assert_eq!(told[0]["parts"][0]["content"], "[redacted:path]");
    assert_eq!(told[1]["parts"][0], json!({"type": "uri", "modality": "image", "uri": "https://a.example/x.png"}));
}

const PLANTED: [&str; 8] = [
    "sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "ada.lovelace@mail.example",
    "+49 30 901820-45",
    "4111 1111 1111 1111",
    "DE89 3704 0044 0532 0130 00",
    "key-of-an-operator",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planted_is_in_no_attribute_wherever_it_stood(
        planted in 0..PLANTED.len(),
        dialect in 0..4_usize,
        place in 0..6_usize,
        stream in any::<bool>(),
        cuts in proptest::collection::vec(0..80_usize, 0..8),
    ) {
        let (secret, dialect) = (PLANTED[planted], DIALECTS[dialect]);
        let text = format!("Here: {secret} it is.");
        let (mut request, mut answer) = (asked(dialect, "What is it?"), "A cat.".to_owned());
        let places = ["What is it?", "Be kind.", "found", "Looks.", "{\\\"q\\\":\\\"x\\\"}"];
        match places.get(place) {
            Some(old) => {
                let new = if place == 4 { format!("{{\\\"q\\\":\\\"{text}\\\"}}") } else { text.clone() };
                request = serde_json::from_str(&request.to_string().replace(old, &new).replace("\"q\":\"x\"", &format!("\"q\":\"{text}\""))).unwrap();
            }
            None => answer = text.clone(),
        }
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (answer.len() + 1)).chain([0, answer.len()]).collect();
        at.sort_unstable();
        let pieces: Vec<String> = at.windows(2).map(|pair| answer[pair[0]..pair[1]].to_owned()).collect();
        let wire = if stream { streamed(dialect, &pieces) } else { answered(dialect, &answer).to_string() };
        let content = said(dialect, &request, &wire, stream).content();
        let all = [content::json(&content.system), content::json(&content.input), content::json(&content.output), content::json(&content.tools)].concat();
        prop_assert!(!all.contains(secret), "{all}");
        prop_assert!(all.contains("[redacted:") && all.contains("it is."), "{all}");
        prop_assert!(all.contains("Be kind.") || place == 1, "{all}");
    }
}
