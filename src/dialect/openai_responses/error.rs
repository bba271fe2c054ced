//! Errors in this dialect's vocabulary (`wire.md` §1.2, §4): bodies are those of Chat Completions; in a stream the
//! provider ends with an `error` event or with `response.failed`.

use crate::dialect::openai_chat;
use crate::dialect::openai_chat::types::says_something;
use crate::dialect::openai_chat::write::Object;
use crate::dialect::ProviderError;
use crate::error::GatewayError;
use crate::json::Members;

/// Reads an error report: a status body, an `error` event's data, `response.failed` or a response whose status says so.
/// `None` for everything that is not a report, answers included.
#[must_use]
pub fn decode(body: &[u8]) -> Option<ProviderError> {
    let Ok(top) = Members::read(body) else { return openai_chat::error::decode(body) };
    if let Some(response) = top.present("response") {
        return decode(response.get().as_bytes());
    }
    let is_answer = top.present("output").is_some() && top.present("error").is_none_or(|raw| !says_something(raw));
    if is_answer {
        return None;
    }
    openai_chat::error::decode(body)
}

/// Writes an error body.
#[must_use]
pub fn encode(error: &GatewayError, request_id: &str) -> Vec<u8> {
    openai_chat::error::encode(error, request_id)
}

/// Writes the event that ends a stream with an error. OpenAI's client raises on it and reads `code`, `message` and
/// `param` at the top of the data (`ResponseErrorEvent`).
#[must_use]
pub fn encode_event(error: &GatewayError, request_id: &str, signalbox: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"event: error\ndata: ");
    let mut data = Object::begin(&mut out);
    data.text("type", "error");
    data.text("code", error.code());
    data.text("message", &error.message);
    match &error.param {
        Some(param) => data.text("param", param),
        None => data.raw("param", "null"),
    }
    if !request_id.is_empty() {
        data.text("request_id", request_id);
    }
    if let Some(signalbox) = signalbox {
        data.raw("signalbox", signalbox);
    }
    data.end();
    out.extend_from_slice(b"\n\n");
    out
}
