//! Errors and broken streams: what a client is to hear of them, by the evidence in the recording (`wire.md` §4).

use serde_json::Value;
use signalbox::dialect::Dialect;

use crate::cases::Case;
use crate::gateway::Got;
use crate::read;

/// Whose fault it is decides what the client is told: its own faults come through with status and words, others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The request is wrong, at this status.
    Caller(u16),
    /// A safety verdict.
    Filtered,
    /// The operator's key, or its account: not the client's business.
    Operator,
    RateLimited,
    Server,
}

fn class(case: &Case, body: &Value) -> Class {
    let error = if body["error"].is_object() { &body["error"] } else { body };
    let all = body.to_string();
    let code = error["code"].as_str().or(error["status"].as_str()).unwrap_or_default();
    match case.status() {
        _ if all.contains("API_KEY_INVALID") || all.contains("insufficient_quota") => Class::Operator,
        _ if code == "content_filter" => Class::Filtered,
        401 | 403 => Class::Operator,
        404 => Class::Caller(404),
        429 => Class::RateLimited,
        500.. => Class::Server,
        status => Class::Caller(status),
    }
}

impl Class {
    fn status(self) -> u16 {
        match self {
            Self::Caller(status) => status,
            Self::Filtered => 400,
            Self::Operator | Self::Server => 502,
            Self::RateLimited => 429,
        }
    }
}

/// The type words of each dialect by status; the official SDKs choose their classes by status alone.
fn is_official(client: Dialect, status: u16, body: &Value) -> bool {
    let error = &body["error"];
    match client.name() {
        "openai-chat" | "openai-responses" => {
            error["message"].is_string() && error["type"].is_string() && body.get("error").is_some()
        }
        "anthropic-messages" => {
            let expected = match status {
                400 => "invalid_request_error",
                404 => "not_found_error",
                429 => "rate_limit_error",
                503 => "overloaded_error",
                _ => "api_error",
            };
            body["type"] == "error" && error["type"] == expected && error["message"].is_string()
        }
        _ => {
            let expected = match status {
                400 => "INVALID_ARGUMENT",
                404 => "NOT_FOUND",
                429 => "RESOURCE_EXHAUSTED",
                _ => "UNAVAILABLE",
            };
            let word = read::text(error, "status");
            error["code"] == status && error["message"].is_string() && (word == expected || status >= 500)
        }
    }
}

/// A provider's error status, seen from a client.
pub fn of_a_refusal(case: &Case, client: Dialect, got: &Got) -> Vec<String> {
    let body: Value = serde_json::from_slice(&case.response).unwrap_or_default();
    let class = class(case, &body);
    told(class, &message(&body), client, got)
}

fn told(class: Class, message: &str, client: Dialect, got: &Got) -> Vec<String> {
    let mut list = Vec::new();
    let heard: Value = serde_json::from_slice(&got.body).unwrap_or_default();
    if got.status != class.status() {
        list.push(format!("{class:?}: status {}, expected {}", got.status, class.status()));
    }
    if !is_official(client, got.status, &heard) {
        list.push(format!("not the dialect's error: {heard}"));
    }
    let words = heard.to_string().contains(serde_json::to_string(message).unwrap_or_default().trim_matches('"'));
    let own_fault = matches!(class, Class::Caller(_) | Class::Filtered);
    if words != own_fault {
        list.push(format!("{class:?}: the provider's words are {}", if words { "shown" } else { "missing" }));
    }
    // Only what passes by itself is asked again.
    let once = !matches!(class, Class::Server | Class::RateLimited);
    if once && got.calls != 1 {
        list.push(format!("{class:?}: asked {} times", got.calls));
    }
    list
}

fn message(body: &Value) -> String {
    let error = if body["error"].is_null() { body } else { &body["error"] };
    error["message"].as_str().or(error.as_str()).unwrap_or_default().to_owned()
}

/// A stream that breaks off, or that ends in an error: what came is delivered and nothing looks like an end.
pub fn of_a_broken_stream(case: &Case, dialect: Dialect, client: Dialect, at_once: bool, got: &Got) -> Vec<String> {
    let said = read::answer(dialect, &case.response, case.is_sse());
    if got.status != 200 {
        // Nothing had been delivered.
        let heard: Value = serde_json::from_slice(&got.body).unwrap_or_default();
        let mut list = Vec::new();
        if !is_official(client, got.status, &heard) {
            list.push(format!("not the dialect's error: {heard}"));
        }
        let content =
            said.choices.values().any(|c| !c.text.is_empty() || !c.reasoning.is_empty() || !c.calls.is_empty());
        if content && !at_once {
            list.push(format!("content came and the client got status {}", got.status));
        }
        return list;
    }
    let heard = read::answer(client, &got.body, true);
    let mut list = Vec::new();
    if heard.error.is_none() {
        list.push("no typed error at the end".to_owned());
    }
    let text = String::from_utf8_lossy(&got.body);
    if text.contains("data: [DONE]") || text.contains("event: message_stop") || text.contains("\"finishReason\"") {
        list.push("looks like a whole answer".to_owned());
    }
    for (index, choice) in &said.choices {
        let got = heard.choices.get(index).cloned().unwrap_or_default();
        if (&got.text, &got.reasoning) != (&choice.text, &choice.reasoning) {
            list.push(format!(
                "text {:?} and reasoning {:?} became {:?} and {:?}",
                choice.text, choice.reasoning, got.text, got.reasoning
            ));
        }
    }
    list
}
