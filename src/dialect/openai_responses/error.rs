//! Errors in this dialect's vocabulary (`wire.md` §1.2, §4). Status bodies are those of Chat Completions. In a stream the
//! provider tells of a failure by an `error` event (its members at the top by `ResponseErrorEvent`, under `error` in
//! recordings) and by `response.failed`.

use serde_json::value::RawValue;

use super::types::Response;
use crate::dialect::openai_chat;
use crate::dialect::openai_chat::write::Object;
use crate::dialect::ProviderError;
use crate::error::GatewayError;
use crate::json::scalar::{filled, says_something, word};
use crate::json::Members;
use crate::sse::Frame;

/// Reads an error report: a status body, an `error` event's data, `response.failed`, or an answer whose status says so.
/// `None` for everything that is not a report, answers included.
#[must_use]
pub fn decode(body: &[u8]) -> Option<ProviderError> {
    let Ok(top) = Members::read(body) else { return openai_chat::error::decode(body) };
    if let Some(response) = top.present("response") {
        return decode(response.get().as_bytes());
    }
    let kind = filled(top.present("type"));
    let error = top.present("error").filter(|raw| says_something(raw));
    if kind.as_deref() == Some("error") && error.is_none() {
        return Some(flat(&top, std::str::from_utf8(body).ok()?));
    }
    if let Ok(response) = crate::json::from_slice::<Response<'_>>(body) {
        if has_failed(&response) {
            return Some(of_response(&response, std::str::from_utf8(body).ok()?));
        }
    }
    if error.is_none() && top.present("output").is_some() {
        return None;
    }
    openai_chat::error::decode(body)
}

/// Whether an answer is the report of a failure.
pub(super) fn has_failed(response: &Response<'_>) -> bool {
    filled(response.status).is_some_and(|status| status == "failed")
}

/// The report in a failed answer, `text` its source. An answer that failed without saying why is the provider's fault.
pub(super) fn of_response(response: &Response<'_>, text: &str) -> ProviderError {
    let read = response.error.filter(|raw| says_something(raw)).and_then(of_object);
    read.unwrap_or_else(|| ProviderError {
        message: "the response failed".to_owned(),
        code: Some("server_error".to_owned()),
        raw: text.to_owned(),
        ..ProviderError::default()
    })
}

/// The report in an event that is known to be one.
pub(super) fn of_event(frame: &Frame<'_>) -> ProviderError {
    let data = frame.data.as_deref().unwrap_or_default();
    decode(data).unwrap_or_else(|| ProviderError {
        message: "the provider reported an error in the stream".to_owned(),
        raw: String::from_utf8_lossy(data).into_owned(),
        ..ProviderError::default()
    })
}

fn of_object(raw: &RawValue) -> Option<ProviderError> {
    let error = Members::read(raw.get().as_bytes()).ok()?;
    let kind = word(error.present("type")).map(Into::into);
    Some(ProviderError { kind, ..flat(&error, raw.get()) })
}

/// The members at the top; `type` is the event's there.
fn flat(members: &Members<'_>, raw: &str) -> ProviderError {
    let own = |name: &str| word(members.present(name)).map(std::borrow::Cow::into_owned);
    ProviderError {
        message: own("message").unwrap_or_default(),
        kind: None,
        code: own("code"),
        param: own("param"),
        raw: raw.to_owned(),
    }
}

/// Writes an error body.
#[must_use]
pub fn encode(error: &GatewayError, request_id: &str) -> Vec<u8> {
    openai_chat::error::encode(error, request_id)
}

/// Writes the event that ends a stream with an error. OpenAI's client raises on it and reads `code`, `message` and
/// `param` at the top of the data; `type` and `metadata` of the error body have no place there and stand in `error` too,
/// which is where OpenAI's own servers write all of it (recorded 2025-11) and where its client looks first. The AI SDK takes
/// no error without its number (`openaiResponsesErrorChunkSchema` of `@ai-sdk/openai`).
#[must_use]
pub fn encode_event(error: &GatewayError, request_id: &str, signalbox: Option<&str>, number: u64) -> Vec<u8> {
    let body = encode(error, request_id);
    let inner = Members::read(&body).ok().and_then(|body| body.raw("error")).map_or("null", RawValue::get);
    let mut out = Vec::with_capacity(2 * body.len() + 128);
    out.extend_from_slice(b"event: error\ndata: ");
    let mut data = Object::begin(&mut out);
    data.text("type", "error");
    data.raw("sequence_number", &number.to_string());
    data.text("code", error.code());
    data.text("message", &error.message);
    match &error.param {
        Some(param) => data.text("param", param),
        None => data.raw("param", "null"),
    }
    data.raw("error", inner);
    if let Some(signalbox) = signalbox {
        data.raw("signalbox", signalbox);
    }
    data.end();
    out.extend_from_slice(b"\n\n");
    out
}

#[cfg(test)]
mod tests;
