//! Requests on their way to another dialect and back: what is not the same has been reported on one of the two ways.

use signalbox::dialect::canonical::{ChatRequest, Loss, Part};
use signalbox::dialect::{Dialect, ModelTraits, Target};

use crate::cases::{self, Case};
use crate::gateway::dialects;
use crate::verdict::Verdict;

#[test]
fn every_recorded_request_comes_back_from_every_dialect_up_to_what_was_reported() {
    let mut verdict = Verdict::default();
    for case in cases::recordings().iter().chain(&cases::own()).filter(|case| case.generates()) {
        let Some(dialect) = case.dialect else { continue };
        // What a caller of this dialect may not write is no request.
        let Ok(request) = dialect.decode_request(&case.request) else { continue };
        for target in dialects().into_iter().filter(|target| *target != dialect) {
            verdict.add(case, target, there_and_back(case, dialect, target, &request));
        }
    }
    verdict.close("requests");
}

fn there_and_back(case: &Case, dialect: Dialect, target: Dialect, request: &ChatRequest) -> Vec<String> {
    let to = |dialect: Dialect| Target {
        provider: dialect.name(),
        model: case.about["model"].as_str().unwrap_or("m"),
        traits: ModelTraits::PERMISSIVE,
        max_output_tokens: None,
    };
    let there = target.encode_request(request, &to(target));
    let read = match target.decode_request(&there.body) {
        Ok(read) => read,
        // An empty conversation, say: only where something was refused.
        Err(error) if there.losses.is_empty() => return vec![format!("is not read: {error}")],
        Err(_) => return Vec::new(),
    };
    let back = dialect.encode_request(&read, &to(dialect));
    let again = match dialect.decode_request(&back.body) {
        Ok(again) => again,
        Err(error) if there.losses.is_empty() && back.losses.is_empty() => {
            return vec![format!("is not read again: {error}")]
        }
        Err(_) => return Vec::new(),
    };
    let reported = |words: &[&str]| {
        let named = |loss: &Loss| words.iter().any(|word| loss.field.to_lowercase().contains(word));
        there.losses.iter().chain(&back.losses).any(named)
    };
    let mut list = Vec::new();
    let mut same = |what: &str, before: String, after: String, words: &[&str]| {
        if before != after && !reported(words) {
            list.push(format!("{what}: {} became {} in silence", short(&before), short(&after)));
        }
    };
    const TURNS: [&str; 6] = ["input", "messages", "contents", "system", "content", "instructions"];
    same("texts", texts(request), texts(&again), &TURNS);
    same("calls", calls(request), calls(&again), &TURNS);
    same("results", results(request), results(&again), &TURNS);
    same("tools", tools(request), tools(&again), &["tool", "function"]);
    let choice = |r: &ChatRequest| {
        if r.tools.is_empty() {
            String::new()
        } else {
            format!("{:?}", r.tool_choice.as_ref().filter(|c| **c != signalbox::dialect::canonical::ToolChoice::Auto))
        }
    };
    same("tool choice", choice(request), choice(&again), &["tool", "mode", "function"]);
    let bound = |r: &ChatRequest| format!("{:?}", r.max_output_tokens);
    if request.max_output_tokens.is_some() {
        same("bound", bound(request), bound(&again), &["max"]);
    }
    same("stop", format!("{:?}", request.stop), format!("{:?}", again.stop), &["stop"]);
    let heat = |r: &ChatRequest| format!("{:?}", r.temperature.filter(|t| (*t - 1.0).abs() > 1e-9));
    same("temperature", heat(request), heat(&again), &["temperature"]);
    let share = |r: &ChatRequest| format!("{:?}", r.top_p.filter(|p| (*p - 1.0).abs() > 1e-9));
    same("top_p", share(request), share(&again), &["top_p", "topp"]);
    same("seed", format!("{:?}", request.seed), format!("{:?}", again.seed), &["seed"]);
    same(
        "format",
        request.format.is_some().to_string(),
        again.format.is_some().to_string(),
        &["format", "schema", "mime", "output"],
    );
    list
}

fn parts(request: &ChatRequest) -> impl Iterator<Item = &Part> {
    request.turns.iter().flat_map(|turn| &turn.parts)
}

fn texts(request: &ChatRequest) -> String {
    let text = |part: &Part| match part {
        Part::Text(text) | Part::Refusal(text) => Some(text.clone()),
        _ => None,
    };
    parts(request).filter_map(text).collect()
}

fn calls(request: &ChatRequest) -> String {
    let call = |part: &Part| match part {
        Part::ToolCall(call) => {
            let arguments: serde_json::Value = serde_json::from_str(&call.arguments).unwrap_or_default();
            Some(format!("{} {arguments};", call.name))
        }
        _ => None,
    };
    parts(request).filter_map(call).collect()
}

fn results(request: &ChatRequest) -> String {
    let result = |part: &Part| match part {
        Part::ToolResult(result) => {
            let said = |part: &Part| match part {
                Part::Text(text) => {
                    serde_json::from_str::<serde_json::Value>(text).map_or(text.clone(), |v| v.to_string())
                }
                _ => "…".to_owned(),
            };
            Some(result.parts.iter().map(said).collect::<String>() + ";")
        }
        _ => None,
    };
    parts(request).filter_map(result).collect()
}

fn tools(request: &ChatRequest) -> String {
    request
        .tools
        .iter()
        .map(|tool| format!("{} {:?};", tool.name, tool.description.as_deref().filter(|text| !text.is_empty())))
        .collect()
}

fn short(text: &str) -> String {
    format!("{:?}", text.chars().take(120).collect::<String>())
}
