//! Gemini's generateContent (`wire.md` §1.4): partial responses, one after another, in whatever framing.

use std::collections::BTreeMap;

use serde_json::{json, Map, Value};

use super::{events, text};
use crate::answer::{Answer, Call, Counts, Stop};

/// Per candidate: values of a call that come by path (Vertex).
type Partial = BTreeMap<u64, Map<String, Value>>;

pub fn answer(body: &[u8], stream: bool) -> Answer {
    let mut answer = Answer::default();
    let mut partial = Partial::new();
    let payloads: Vec<Value> = if stream {
        let parse = |data: String| serde_json::from_str(&data).expect("Gemini's events are JSON");
        events(body).into_iter().map(|event| parse(event.data)).collect()
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Array(list)) => list,
            Ok(whole) => vec![whole],
            Err(_) => Vec::new(),
        }
    };
    for payload in &payloads {
        chunk(payload, &mut answer, &mut partial);
    }
    for choice in answer.choices.values_mut() {
        // `STOP` stands for both an end and a wait for results.
        if choice.stop == Some(Stop::End) && !choice.calls.is_empty() {
            choice.stop = Some(Stop::Tools);
        }
    }
    answer.whole = !answer.choices.is_empty() && answer.choices.values().all(|choice| choice.stop.is_some());
    answer
}

fn chunk(chunk: &Value, answer: &mut Answer, partial: &mut Partial) {
    if !chunk["error"].is_null() {
        answer.error = Some(text(&chunk["error"], "message").to_owned());
    }
    answer.note(
        "",
        chunk,
        &["candidates", "usageMetadata", "modelVersion", "responseId", "createTime", "error", "signalbox"],
    );
    for candidate in chunk["candidates"].as_array().into_iter().flatten() {
        let index = candidate["index"].as_u64().unwrap_or(0);
        answer.note("candidates", candidate, &["index", "content", "finishReason"]);
        answer.choice(index);
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            read_part(part, index, answer, partial);
        }
        if let Some(word) = candidate["finishReason"].as_str() {
            answer.choice(index).stop = Some(stop(word));
        }
    }
    if chunk["promptFeedback"]["blockReason"].is_string() {
        answer.choice(0).stop = Some(Stop::Filter);
    }
    let usage = &chunk["usageMetadata"];
    answer.note(
        "usageMetadata",
        usage,
        &[
            "promptTokenCount",
            "cachedContentTokenCount",
            "candidatesTokenCount",
            "thoughtsTokenCount",
            "toolUsePromptTokenCount",
            "totalTokenCount",
            "promptTokensDetails",
            "candidatesTokensDetails",
            "cacheTokensDetails",
            "toolUsePromptTokensDetails",
        ],
    );
    if usage["promptTokenCount"].is_u64() {
        answer.usage = Some(counts(usage));
    }
}

fn read_part(part: &Value, index: u64, answer: &mut Answer, partial: &mut Partial) {
    const WORDS: [&str; 4] = ["text", "functionCall", "thought", "thoughtSignature"];
    let strange = part.as_object().into_iter().flatten().map(|(name, _)| name).find(|n| !WORDS.contains(&n.as_str()));
    if let Some(kind) = strange {
        answer.beside.insert(format!("parts.{kind}"));
        return;
    }
    let choice = answer.choice(index);
    choice.signatures.extend(part["thoughtSignature"].as_str().map(str::to_owned));
    if part["thought"] == true {
        choice.reasoning += text(part, "text");
    } else {
        choice.text += text(part, "text");
    }
    let call = &part["functionCall"];
    if call["name"].is_string() {
        let arguments = if call["args"].is_object() { call["args"].clone() } else { json!({}) };
        choice.calls.push(Call { name: text(call, "name").to_owned(), arguments });
        partial.remove(&index);
    }
    for value in call["partialArgs"].as_array().into_iter().flatten() {
        let name = text(value, "jsonPath").trim_start_matches("$.").to_owned();
        let known = partial.entry(index).or_default();
        let before = known.get(&name).and_then(Value::as_str).unwrap_or_default().to_owned();
        known.insert(name, json!(before + text(value, "stringValue")));
        if let Some(last) = choice.calls.last_mut() {
            last.arguments = Value::Object(known.clone());
        }
    }
}

fn stop(word: &str) -> Stop {
    match word {
        "STOP" => Stop::End,
        "MAX_TOKENS" => Stop::Length,
        "CONTINUATION" => Stop::Pause,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR" => Stop::Filter,
        _ => Stop::Failed,
    }
}

/// Cached tokens are in the prompt, thoughts are not in the candidates, what tools put into the prompt stands apart.
fn counts(usage: &Value) -> Counts {
    let count = |name: &str| usage[name].as_u64();
    let prompt = count("promptTokenCount").unwrap_or(0) + count("toolUsePromptTokenCount").unwrap_or(0);
    let reasoning = count("thoughtsTokenCount");
    let candidates = count("candidatesTokenCount")
        .unwrap_or_else(|| count("totalTokenCount").unwrap_or(0).saturating_sub(prompt + reasoning.unwrap_or(0)));
    Counts {
        prompt,
        completion: candidates + reasoning.unwrap_or(0),
        cached: count("cachedContentTokenCount"),
        written: None,
        reasoning,
    }
}
