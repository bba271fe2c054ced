//! OpenAI's Chat Completions and its imitators (`wire.md` §1.1, §1.5–1.8).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{events, text};
use crate::answer::{Answer, Call, Counts, Stop};

/// A call that is coming: the provider's key, name, arguments.
type Fragments = BTreeMap<u64, Vec<(Option<u64>, String, String)>>;

pub fn answer(body: &[u8], stream: bool) -> Answer {
    let mut answer = Answer::default();
    let mut calls = Fragments::new();
    if stream {
        for event in events(body) {
            if event.data.trim() == "[DONE]" {
                answer.whole = true;
                break;
            }
            if let Ok(chunk) = serde_json::from_str(&event.data) {
                object(&chunk, &mut answer, &mut calls);
            }
        }
    } else if let Ok(whole) = serde_json::from_slice(body) {
        object(&whole, &mut answer, &mut calls);
    }
    for (index, list) in calls {
        let choice = answer.choice(index);
        for (_, name, text) in list {
            match name.split(CUSTOM).collect::<String>() {
                custom if custom.len() < name.len() => choice.custom.push((custom, text)),
                _ => choice.calls.push(Call::of_text(&name, &text)),
            }
        }
        // Some servers end a turn of calls with `stop`.
        if choice.stop == Some(Stop::End) {
            choice.stop = Some(Stop::Tools);
        }
    }
    answer.whole |= !answer.choices.is_empty() && answer.choices.values().all(|choice| choice.stop.is_some());
    answer
}

/// Stands before the pieces of a custom tool's name.
const CUSTOM: &str = "custom\0";

fn object(chunk: &Value, answer: &mut Answer, calls: &mut Fragments) {
    if !chunk["error"].is_null() {
        let message = chunk["error"]["message"].as_str().or(chunk["error"].as_str()).unwrap_or_default();
        answer.error = Some(message.to_owned());
    }
    const SAID: [&str; 12] = [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "error",
        "x_groq",
        "obfuscation",
        "p",
        "signalbox",
        // Kept by some servers outside the protocol: a status repeated in the body.
        "status",
    ];
    answer.note("", chunk, &SAID);
    answer.note("x_groq", &chunk["x_groq"], &["usage", "id", "seed", "error"]);
    for (at, choice) in chunk["choices"].as_array().into_iter().flatten().enumerate() {
        let index = choice["index"].as_u64().unwrap_or(at as u64);
        answer.note(
            "choices",
            choice,
            &["index", "delta", "message", "finish_reason", "native_finish_reason", "stop_reason"],
        );
        // Perplexity repeats in `message` all that its deltas have said.
        let holder = if choice["delta"].is_object() { "delta" } else { "message" };
        {
            let message = &choice[holder];
            answer.note(
                &format!("choices.{holder}"),
                message,
                &[
                    "role",
                    "content",
                    "refusal",
                    "tool_calls",
                    "function_call",
                    "reasoning",
                    "reasoning_content",
                    "reasoning_details",
                    "signalbox",
                ],
            );
            spoken(message, index, answer, calls);
        }
        let said = answer.choice(index);
        if let (None, Some(word)) = (said.stop, choice["finish_reason"].as_str().filter(|word| !word.is_empty())) {
            said.stop = Some(stop(word));
            said.stop_sequence = choice["stop_reason"].as_str().map(str::to_owned);
        }
    }
    let own = chunk["usage"].is_object();
    let (path, usage) = if own { ("usage", &chunk["usage"]) } else { ("x_groq.usage", &chunk["x_groq"]["usage"]) };
    if usage["prompt_tokens"].is_u64() {
        answer.usage = Some(counts(usage));
        let mut rest = usage.clone();
        if rest["service_tier"] == "default" || rest["service_tier"] == "standard" {
            rest["service_tier"] = Value::Null;
        }
        answer.note(
            path,
            &rest,
            &[
                "prompt_tokens",
                "completion_tokens",
                "total_tokens",
                "prompt_tokens_details",
                "prompt_token_details",
                "completion_tokens_details",
                "num_cached_tokens",
                "prompt_cache_hit_tokens",
                "prompt_cache_miss_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
                "cache_creation",
                "reasoning_tokens",
                "cost",
            ],
        );
    }
}

fn spoken(message: &Value, index: u64, answer: &mut Answer, calls: &mut Fragments) {
    if !message.is_object() {
        return;
    }
    let choice = answer.choices.entry(index).or_default();
    match &message["content"] {
        Value::Array(pieces) => {
            for piece in pieces {
                match text(piece, "type") {
                    "text" => choice.text += text(piece, "text"),
                    "thinking" => {
                        for thought in piece["thinking"].as_array().into_iter().flatten() {
                            choice.reasoning += text(thought, "text");
                        }
                        choice.signatures.extend(piece["signature"].as_str().map(str::to_owned));
                    }
                    "refusal" => choice.refusal += text(piece, "refusal"),
                    other => drop(answer.beside.insert(format!("content.{other}"))),
                }
            }
        }
        content => choice.text += content.as_str().unwrap_or_default(),
    }
    choice.refusal += text(message, "refusal");
    // OpenRouter says the same thing in two places.
    let named = [text(message, "reasoning_content"), text(message, "reasoning")];
    let named = named.into_iter().find(|thought| !thought.is_empty());
    let details = message["reasoning_details"].as_array().cloned().unwrap_or_default();
    let detailed: String =
        details.iter().map(|d| d["text"].as_str().or(d["summary"].as_str()).unwrap_or_default()).collect();
    choice.reasoning += named.unwrap_or(&detailed);
    let signatures = details.iter().filter_map(|d| d["signature"].as_str().or(d["data"].as_str()));
    choice.signatures.extend(signatures.filter(|s| !s.is_empty()).map(str::to_owned));

    let list = calls.entry(index).or_default();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let key = call["index"].as_u64();
        let at = match list.iter().position(|(known, ..)| key.is_some() && *known == key) {
            Some(at) => at,
            None => {
                list.push((key, String::new(), String::new()));
                list.len() - 1
            }
        };
        let (_, name, arguments) = &mut list[at];
        if call["custom"].is_object() {
            *name += &format!("{CUSTOM}{}", text(&call["custom"], "name"));
            *arguments += text(&call["custom"], "input");
        }
        *name += text(&call["function"], "name");
        match &call["function"]["arguments"] {
            Value::String(piece) => *arguments += piece,
            Value::Null => {}
            object => *arguments += &object.to_string(),
        }
        let google = call["extra_content"]["google"]["thought_signature"].as_str();
        answer.choices.entry(index).or_default().signatures.extend(google.map(str::to_owned));
    }
    if list.is_empty() {
        calls.remove(&index);
    }
}

fn stop(word: &str) -> Stop {
    match word {
        "stop" => Stop::End,
        "length" | "model_length" => Stop::Length,
        "tool_calls" | "function_call" => Stop::Tools,
        "content_filter" => Stop::Filter,
        "error" | "insufficient_system_resource" => Stop::Failed,
        other => panic!("a finish reason that this reading does not know: {other}"),
    }
}

/// Cached and written tokens are in the prompt, reasoning is in the completion unless the total says that it is not.
fn counts(usage: &Value) -> Counts {
    let number = |name: &str| usage[name].as_u64();
    let prompt_details = if usage["prompt_tokens_details"].is_object() {
        &usage["prompt_tokens_details"]
    } else {
        &usage["prompt_token_details"]
    };
    let (prompt, completion) = (number("prompt_tokens").unwrap_or(0), number("completion_tokens").unwrap_or(0));
    let reasoning = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().or(number("reasoning_tokens"));
    let beside = number("total_tokens") == Some(prompt + completion + reasoning.unwrap_or(0));
    Counts {
        prompt,
        completion: if beside { completion + reasoning.unwrap_or(0) } else { completion },
        cached: prompt_details["cached_tokens"].as_u64().or_else(|| {
            number("num_cached_tokens").or(number("prompt_cache_hit_tokens")).or(number("cache_read_input_tokens"))
        }),
        written: prompt_details["cache_write_tokens"]
            .as_u64()
            .or_else(|| prompt_details["cache_creation_input_tokens"].as_u64())
            .or(number("cache_creation_input_tokens")),
        reasoning: if beside { reasoning } else { reasoning.map(|r| r.min(completion)) },
    }
}
