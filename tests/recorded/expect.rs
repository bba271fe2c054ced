//! What a client of a dialect is to get of an answer, and what it got.

use std::collections::BTreeSet;

use base64::Engine;
use serde_json::Value;
use signalbox::dialect::Dialect;

use crate::answer::{means_something, Answer, Choice, Stop};
use crate::gateway::Got;
use crate::read;

/// Compares what a client got with what the provider said; every difference is a line.
pub fn differences(said: &Answer, client: Dialect, got: &Got) -> Vec<String> {
    let stream = got.stream;
    let mut list = Vec::new();
    if got.status != 200 {
        return vec![format!("status {}: {}", got.status, shortened(&String::from_utf8_lossy(&got.body)))];
    }
    let heard = read::answer(client, &got.body, stream);
    let mut differs = |what: &str, heard: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let (heard, expected) = (format!("{heard:?}"), format!("{expected:?}"));
        if heard != expected {
            list.push(format!("{what}: got {}, expected {}", shortened(&heard), shortened(&expected)));
        }
    };
    differs("error", &heard.error, &None::<String>);
    differs("connection ended in order", &got.closed, &true);
    differs("whole", &heard.whole, &true);
    let expected = expected(said, client);
    differs("choices", &heard.choices.keys().collect::<Vec<_>>(), &expected.choices.keys().collect::<Vec<_>>());
    for (index, expected) in &expected.choices {
        let none = Choice::default();
        let heard = heard.choices.get(index).unwrap_or(&none);
        differs("text", &heard.text, &expected.text);
        differs("reasoning", &heard.reasoning, &expected.reasoning);
        differs("refusal", &heard.refusal, &expected.refusal);
        differs("calls", &heard.calls, &expected.calls);
        differs("custom tools' calls", &heard.custom, &expected.custom);
        differs("stop", &heard.stop, &expected.stop);
        differs("stop sequence", &heard.stop_sequence, &expected.stop_sequence);
    }
    match expected.usage {
        Some(_) => differs("usage", &heard.usage, &expected.usage),
        None => differs("an estimate is reported", &(heard.usage.is_none() || got.loses("usage")), &true),
    }
    let strings = strings_of(&got.body, stream);
    for signature in said.choices.get(&0).map(|choice| choice.signatures.as_slice()).unwrap_or_default() {
        differs("a signature survives", &survives(signature, &strings), &true);
    }
    let names = names_of(&got.body, stream);
    for path in &said.beside {
        let leaf = path.rsplit('.').next().unwrap_or(path);
        let within = |field: &String| path.starts_with(&format!("{field}."));
        let told = got.loses(leaf)
            || got.losses.iter().any(|(field, _)| within(field))
            || names.contains(leaf)
            || reported_as_block(path, got)
            || ELSEWHERE.iter().any(|(own, others)| {
                *own == leaf && others.iter().any(|name| names.contains(*name) || got.loses(name))
            });
        differs(&format!("`{path}` is carried or reported"), &told, &true);
    }
    if said.choices.len() > 1 && expected.choices.len() == 1 {
        differs("other choices are reported", &got.loses("choices["), &true);
    }
    for call in expected.choices.values().flat_map(|choice| &choice.calls).filter(|call| call.is_broken()) {
        let carried =
            client.name().starts_with("openai") || stream || got.losses.iter().any(|(_, fate)| fate == "converted");
        differs(&format!("the wrapping of {}'s arguments is reported", call.name), &carried, &true);
    }
    list
}

/// Members that other dialects have, or that are reported, under other names.
const ELSEWHERE: [(&str, &[&str]); 7] = [
    ("custom_tool_call", &["custom"]),
    ("annotations", &["groundingMetadata", "sources"]),
    ("image_generation_call", &["images", "inlineData"]),
    ("logprobs", &["logprobsResult"]),
    ("logprobsResult", &["logprobs"]),
    ("serviceTier", &["service_tier"]),
    ("service_tier", &["serviceTier"]),
];

/// Blocks and parts are reported by their place (`content.2`), not by their kind.
fn reported_as_block(path: &str, got: &Got) -> bool {
    let place = ["content.", "parts.", "output."].iter().any(|start| path.starts_with(start));
    place
        && got
            .losses
            .iter()
            .any(|(field, _)| field.contains("content") || field.contains("output") || field.contains("choices["))
}

/// The answer as a client of a dialect can hear it.
pub fn expected(said: &Answer, client: Dialect) -> Answer {
    let mut answer = said.clone();
    if ["anthropic-messages", "openai-responses"].contains(&client.name()) {
        answer.choices.retain(|index, _| *index == 0);
    }
    for choice in answer.choices.values_mut() {
        if [Dialect::AnthropicMessages, Dialect::Gemini].contains(&client) {
            // Neither has refusals apart from text; that one was is said by the end.
            let refusal = std::mem::take(&mut choice.refusal);
            if !refusal.is_empty() {
                choice.stop = Some(Stop::Filter);
            }
            choice.text += &refusal;
            choice.custom.clear();
            if client == Dialect::Gemini && choice.calls.is_empty() && choice.stop == Some(Stop::Tools) {
                choice.stop = Some(Stop::End);
            }
        }
        choice.stop = choice.stop.or(Some(Stop::End)).map(|stop| heard(stop, client));
        if ["gemini", "openai-responses"].contains(&client.name()) {
            choice.stop_sequence = None;
        }
    }
    if let (Some(counts), Dialect::Gemini) = (&mut answer.usage, client) {
        // Tokens written to a cache are prompt tokens there.
        counts.written = None;
    }
    answer
}

/// Only Anthropic tells a stop sequence from an end, and only it can be called again after a pause.
fn heard(stop: Stop, client: Dialect) -> Stop {
    match (stop, client.name()) {
        (Stop::Sequence, "anthropic-messages") => Stop::Sequence,
        (Stop::Sequence, _) => Stop::End,
        (Stop::Pause, "gemini") => Stop::Failed,
        (Stop::Pause, _) => Stop::Length,
        (stop, _) => stop,
    }
}

fn payloads(body: &[u8], stream: bool) -> Vec<Value> {
    if stream {
        read::events(body).iter().filter_map(|event| serde_json::from_str(&event.data).ok()).collect()
    } else {
        serde_json::from_slice(body).into_iter().collect()
    }
}

/// All strings of an output, and what is inside those that are base64 or end in it: packages of ours hold signatures as
/// the bytes that they stand for.
fn strings_of(body: &[u8], stream: bool) -> Vec<u8> {
    fn collect(value: &Value, all: &mut Vec<u8>) {
        match value {
            Value::String(text) => open(text, all),
            Value::Array(list) => list.iter().for_each(|item| collect(item, all)),
            Value::Object(members) => members.values().for_each(|member| collect(member, all)),
            _ => {}
        }
    }
    fn open(text: &str, all: &mut Vec<u8>) {
        all.extend_from_slice(text.as_bytes());
        all.push(b'\n');
        let packed =
            ["__signalbox_", "signalbox:"].iter().find_map(|mark| text.rsplit_once(mark)).map_or(text, |(_, p)| p);
        if let Some(bytes) = bytes_of(packed).filter(|bytes| bytes.len() > 8) {
            all.extend_from_slice(&bytes);
            all.push(b'\n');
            if let Ok(inner) = String::from_utf8(bytes) {
                open(&inner, all);
            }
        }
    }
    let mut all = Vec::new();
    payloads(body, stream).iter().for_each(|payload| collect(payload, &mut all));
    all
}

/// The bytes that a text in either base64 alphabet stands for.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(plain).ok()
}

fn survives(signature: &str, strings: &[u8]) -> bool {
    let holds = |needle: &[u8]| !needle.is_empty() && memchr::memmem::find(strings, needle).is_some();
    holds(signature.as_bytes()) || bytes_of(signature).is_some_and(|bytes| holds(&bytes))
}

/// The names of all members that mean something.
fn names_of(body: &[u8], stream: bool) -> BTreeSet<String> {
    fn collect(value: &Value, all: &mut BTreeSet<String>) {
        match value {
            Value::Array(list) => list.iter().for_each(|item| collect(item, all)),
            Value::Object(members) => {
                for (name, member) in members {
                    if means_something(member) {
                        all.insert(name.clone());
                    }
                    collect(member, all);
                }
            }
            _ => {}
        }
    }
    let mut all = BTreeSet::new();
    payloads(body, stream).iter().for_each(|payload| collect(payload, &mut all));
    all
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= 160 {
        return text.to_owned();
    }
    let start: String = text.chars().take(150).collect();
    format!("{start}… ({} bytes)", text.len())
}
