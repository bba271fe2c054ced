//! Errors: the provider's `{"type":"error","error":{…}}` and ours in the same official vocabulary (`wire.md` §4).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::types::Text;
use super::write::Object;
use crate::dialect::{ProviderError, StreamFault};
use crate::error::{ErrorKind, GatewayError};
use crate::sse::{write_event, Frame};

/// The vocabulary, for telling Anthropic's words from another provider's.
const TYPES: [&str; 11] = [
    "invalid_request_error",
    "authentication_error",
    "billing_error",
    "permission_error",
    "not_found_error",
    "conflict_error",
    "request_too_large",
    "rate_limit_error",
    "timeout_error",
    "api_error",
    "overloaded_error",
];

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct WireError<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    message: Option<Text<'a>>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    param: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
struct Details<'a> {
    #[serde(borrow)]
    error_code: Option<Text<'a>>,
}

/// Reads an error object; `None` when the body holds none.
#[must_use]
pub fn decode(body: &[u8]) -> Option<ProviderError> {
    let body: Body<'_> = crate::json::from_slice(body).ok()?;
    body.error.filter(|error| error.get() != "null").map(read)
}

/// The error that a block without data is: some proxies write one as bare JSON into a stream, or in its place.
///
/// # Errors
/// It, if there is one.
pub(super) fn bare(frame: &Frame<'_>) -> Result<(), StreamFault> {
    frame.bare_json().and_then(decode).map_or(Ok(()), |report| Err(StreamFault::Provider(report)))
}

/// Reads the value of an `error` member. Servers that only speak like Anthropic also write a plain string, or OpenAI's
/// members.
pub(super) fn read(error: &RawValue) -> ProviderError {
    let raw = error.get().to_owned();
    if let Ok(message) = crate::json::from_str::<String>(error.get()) {
        return ProviderError { message, raw, ..ProviderError::default() };
    }
    let wire: WireError<'_> = crate::json::from_str(error.get()).unwrap_or_default();
    let details = wire.details.and_then(|d| crate::json::from_str::<Details<'_>>(d.get()).ok()).unwrap_or_default();
    let text = |text: Option<Text<'_>>| text.map(|t| t.0.into_owned());
    ProviderError {
        message: text(wire.message).unwrap_or_default(),
        kind: text(wire.kind),
        code: text(details.error_code).or_else(|| wire.code.and_then(scalar)),
        param: text(wire.param),
        raw,
    }
}

fn scalar(value: &RawValue) -> Option<String> {
    match value.get() {
        "null" => None,
        json => Some(crate::json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned())),
    }
}

/// Writes an error body. The status line belongs to it: the SDKs choose their class by status.
#[must_use]
pub fn encode(error: &GatewayError, request_id: &str) -> Vec<u8> {
    write(error, request_id, None)
}

/// Writes an error event: the typed end of a stream whose status line is out.
#[must_use]
pub fn encode_event(error: &GatewayError, request_id: &str, signalbox: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    write_event(&mut out, Some("error"), &write(error, request_id, signalbox));
    out
}

fn write(error: &GatewayError, request_id: &str, signalbox: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut body = Object::begin(&mut out);
    body.text("type", "error");
    body.object("error", |inner| {
        inner.text("type", kind(error));
        inner.text("message", &message(error));
        inner.object("details", |details| {
            if refuses_thread(error) {
                details.text("error_code", "thread_unsupported_request");
                details.raw("unsupported", "[]");
            } else if error.kind == ErrorKind::LimitReached && error.code.is_none() {
                // Anthropic's own word for a limit that the customer has set (`wire.md` §4).
                details.text("error_code", "enforced_spend_limit_reached");
            } else {
                details.text("error_code", error.code());
            }
            if !error.metadata.is_empty() {
                details.raw("metadata", &error.metadata);
            }
        });
    });
    body.optional_text("request_id", Some(request_id).filter(|id| !id.is_empty()));
    if let Some(signalbox) = signalbox {
        body.raw("signalbox", signalbox);
    }
    body.end();
    out
}

/// A conversation kept at Anthropic cannot go elsewhere. Said in Anthropic's own word, the official tool runner goes on with
/// the whole history in each request (`ThreadUnsupportedRequestErrorDetails` of `@anthropic-ai/sdk`).
fn refuses_thread(error: &GatewayError) -> bool {
    let of_thread = |param: &str| param == "thread" || param.starts_with("thread.");
    error.kind == ErrorKind::Unsupported && error.param.as_deref().is_some_and(of_thread)
}

/// The dialect has no `param`: its own errors begin with the place.
fn message(error: &GatewayError) -> String {
    match &error.param {
        Some(param) if !error.message.starts_with(param.as_str()) => format!("{param}: {}", error.message),
        _ => error.message.clone(),
    }
}

fn kind(error: &GatewayError) -> &'static str {
    let own = error.provider_type.as_deref().and_then(|kind| TYPES.into_iter().find(|known| *known == kind));
    // OpenAI has this word too, for everything that its callers do wrong, an unknown model included.
    let own = own.filter(|own| *own != "invalid_request_error" || by_status(error.status()) == *own);
    own.unwrap_or_else(|| match error.kind {
        ErrorKind::Unauthenticated => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::RouteNotFound | ErrorKind::ModelNotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimited | ErrorKind::LimitReached | ErrorKind::TooFast => "rate_limit_error",
        ErrorKind::Overloaded => "overloaded_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::UpstreamFailed | ErrorKind::StreamCut | ErrorKind::Unconfigured | ErrorKind::Internal => "api_error",
        ErrorKind::InvalidRequest
        | ErrorKind::Unsupported
        | ErrorKind::MethodNotAllowed
        | ErrorKind::NoCandidate
        | ErrorKind::ContextLength
        | ErrorKind::ContentFiltered
        | ErrorKind::RejectedByProvider => by_status(error.status()),
    })
}

fn by_status(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn json(bytes: &[u8]) -> Value {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn the_providers_words_are_kept_apart() {
        let body = br#"{"type":"error","error":{"type":"rate_limit_error","message":"Stop","details":{"error_code":"ramp_limit_exceeded"}},"request_id":"req_1"}"#;
        let error = decode(body).unwrap();
        assert_eq!(error.message, "Stop");
        assert_eq!(error.kind.as_deref(), Some("rate_limit_error"));
        assert_eq!(error.code.as_deref(), Some("ramp_limit_exceeded"));
        assert!(error.raw.contains("details"));
    }

    #[test]
    fn errors_of_servers_that_only_speak_like_anthropic_are_read() {
        assert_eq!(decode(br#"{"error":"no such model"}"#).unwrap().message, "no such model");
        let openai = decode(br#"{"error":{"message":"m","type":"t","param":"p","code":1302}}"#).unwrap();
        assert_eq!((openai.code.as_deref(), openai.param.as_deref()), (Some("1302"), Some("p")));
        assert_eq!(decode(br#"{"type":"message","content":[],"error":null}"#), None);
        assert_eq!(decode(b"<html>"), None);
    }

    #[test]
    fn a_field_error_names_its_place_in_the_message() {
        let body = json(&encode(&GatewayError::invalid("messages.0.content", "Field required"), "req_9"));
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["error"]["message"], "messages.0.content: Field required");
        assert_eq!(body["request_id"], "req_9");
    }

    #[test]
    fn a_thread_that_cannot_be_kept_is_refused_in_the_word_at_which_clients_go_on_without() {
        let refused = |param: &str| {
            let mut error = GatewayError::invalid(param, "cannot be expressed");
            error.kind = ErrorKind::Unsupported;
            json(&encode(&error, "req_9"))["error"]["details"].clone()
        };
        let expected = serde_json::json!({"error_code": "thread_unsupported_request", "unsupported": []});
        assert_eq!(refused("thread"), expected);
        assert_ne!(refused("threads"), expected);
    }

    #[test]
    fn every_kind_has_an_official_type() {
        for (kind, expected) in [
            (ErrorKind::InvalidRequest, "invalid_request_error"),
            (ErrorKind::Unauthenticated, "authentication_error"),
            (ErrorKind::Forbidden, "permission_error"),
            (ErrorKind::ModelNotFound, "not_found_error"),
            (ErrorKind::TooLarge, "request_too_large"),
            (ErrorKind::RateLimited, "rate_limit_error"),
            (ErrorKind::LimitReached, "rate_limit_error"),
            (ErrorKind::Overloaded, "overloaded_error"),
            (ErrorKind::Timeout, "timeout_error"),
            (ErrorKind::UpstreamFailed, "api_error"),
            (ErrorKind::Internal, "api_error"),
        ] {
            let body = json(&encode(&GatewayError::new(kind, "m"), "r"));
            assert_eq!(body["error"]["type"], expected, "{kind:?}");
        }
    }

    #[test]
    fn only_anthropics_own_type_words_are_passed_on() {
        let mut error = GatewayError::new(ErrorKind::RejectedByProvider, "m");
        error.status = Some(402);
        assert_eq!(json(&encode(&error, ""))["error"]["type"], "billing_error");
        error.provider_type = Some("INVALID_ARGUMENT".into());
        assert_eq!(json(&encode(&error, ""))["error"]["type"], "billing_error");
        error.provider_type = Some("conflict_error".into());
        assert_eq!(json(&encode(&error, ""))["error"]["type"], "conflict_error");
        assert_eq!(json(&encode(&error, ""))["request_id"], Value::Null);
    }

    #[test]
    fn inside_a_stream_an_error_is_the_error_event() {
        let bytes = encode_event(&GatewayError::new(ErrorKind::StreamCut, "cut\nhere"), "r", Some(r#"{"a":1}"#));
        let text = String::from_utf8(bytes).unwrap();
        let data = text.strip_prefix("event: error\ndata: ").and_then(|t| t.strip_suffix("\n\n")).unwrap();
        let body = json(data.as_bytes());
        assert_eq!(body["error"]["message"], "cut\nhere");
        assert_eq!(body["signalbox"]["a"], 1);
    }

    #[test]
    fn an_unknown_model_is_not_found_whatever_another_provider_calls_it() {
        let mut error = GatewayError::new(ErrorKind::ModelNotFound, "no such model");
        error.provider_type = Some("invalid_request_error".to_owned());
        assert_eq!(json(&encode(&error, ""))["error"]["type"], "not_found_error");
        error.kind = ErrorKind::RejectedByProvider;
        assert_eq!(json(&encode(&error, ""))["error"]["type"], "invalid_request_error");
    }
}
