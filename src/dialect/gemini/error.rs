//! Errors in Google's vocabulary: `{"error":{"code","message","status","details"}}`, sometimes inside an array of one
//! (`wire.md` §1.4 "Error in stream", §4).

use std::borrow::Cow;
use std::fmt;

use serde::de::Deserializer;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::types::{Int, Many, Text};
use super::write::Json;
use crate::dialect::ProviderError;
use crate::error::{ErrorKind, GatewayError};

/// Name of this gateway in error details.
const DOMAIN: &str = "signalbox";

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize, Default)]
struct Wire<'a> {
    #[serde(borrow, default)]
    message: Option<Text<'a>>,
    #[serde(borrow, default)]
    status: Option<Text<'a>>,
    #[serde(borrow, default)]
    code: Option<Code<'a>>,
    #[serde(borrow, default)]
    details: Option<Vec<&'a RawValue>>,
}

/// A number, or a word.
enum Code<'a> {
    Number(i64),
    Word(Cow<'a, str>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Code<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        match (crate::json::from_str::<Text<'de>>(raw.get()), crate::json::from_str::<Int>(raw.get())) {
            (Ok(Text(word)), _) => Ok(Self::Word(word)),
            (_, Ok(Int(number))) => Ok(Self::Number(number)),
            _ => Ok(Self::Word(Cow::Borrowed(raw.get()))),
        }
    }
}

impl fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

#[derive(Deserialize)]
struct BadRequest<'a> {
    #[serde(borrow, rename = "fieldViolations", default)]
    violations: Vec<Violation<'a>>,
}

#[derive(Deserialize)]
struct Violation<'a> {
    #[serde(borrow, default)]
    field: Option<Text<'a>>,
}

/// Reads an error object, bare or as the only element of an array.
#[must_use]
pub fn decode(body: &[u8]) -> Option<ProviderError> {
    let Many(list) = crate::json::from_slice::<Many<Body<'_>>>(body).ok()?;
    list.into_iter().find_map(|body| body.error).map(read)
}

/// Reads the `error` member. A member that is no object becomes the message.
pub(super) fn read(error: &RawValue) -> ProviderError {
    let raw = error.get().to_owned();
    let Ok(wire) = crate::json::from_str::<Wire<'_>>(error.get()) else {
        let message = crate::json::from_str::<Text<'_>>(error.get()).map_or_else(|_| raw.clone(), |t| t.to_string());
        return ProviderError { message, raw, ..ProviderError::default() };
    };
    let param = wire.details.iter().flatten().find_map(|detail| {
        let bad = crate::json::from_str::<BadRequest<'_>>(detail.get()).ok()?;
        bad.violations.into_iter().find_map(|v| v.field)
    });
    ProviderError {
        message: wire.message.map(|m| m.to_string()).unwrap_or_default(),
        kind: wire.status.map(|s| s.to_string()),
        code: wire.code.map(|c| c.to_string()),
        param: param.map(|p| p.to_string()),
        raw,
    }
}

/// Writes an error body. Google's SDKs tell errors apart by the numeric `code`; Python's also wants `error` first.
#[must_use]
pub fn encode(error: &GatewayError, request_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    write(error, request_id, None, &mut out);
    out
}

/// Writes an error event; a stream's status line says 200, so that only this tells the failure.
#[must_use]
pub fn encode_event(error: &GatewayError, request_id: &str, signalbox: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"data: ");
    write(error, request_id, signalbox, &mut out);
    out.extend_from_slice(b"\r\n\r\n");
    out
}

fn write(error: &GatewayError, request_id: &str, signalbox: Option<&str>, out: &mut Vec<u8>) {
    let mut body = Json::object(out);
    {
        let mut wire = body.object_in("error");
        // SDKs raise only for 400 to 599.
        wire.value("code", error.status().clamp(400, 599));
        wire.text("message", &error.message);
        wire.text("status", status_word(error));
        let mut details = wire.array_in("details");
        write_info(error, &mut details.object_item());
        if let Some(retry_after_ms) = error.retry_after_ms {
            let mut info = details.object_item();
            info.text("@type", "type.googleapis.com/google.rpc.RetryInfo");
            info.text("retryDelay", &seconds(retry_after_ms));
        }
        if let Some(param) = &error.param {
            let mut bad = details.object_item();
            bad.text("@type", "type.googleapis.com/google.rpc.BadRequest");
            let mut violations = bad.array_in("fieldViolations");
            let mut violation = violations.object_item();
            violation.text("field", param);
            violation.text("description", &error.message);
        }
        if !request_id.is_empty() {
            let mut request = details.object_item();
            request.text("@type", "type.googleapis.com/google.rpc.RequestInfo");
            request.text("requestId", request_id);
        }
    }
    if let Some(signalbox) = signalbox {
        body.raw("signalbox", signalbox);
    }
}

fn write_info(error: &GatewayError, info: &mut Json<'_>) {
    info.text("@type", "type.googleapis.com/google.rpc.ErrorInfo");
    let reason: String = error.code().chars().map(|c| if c == '-' { '_' } else { c.to_ascii_uppercase() }).collect();
    info.text("reason", if error.kind == ErrorKind::Unauthenticated { "API_KEY_INVALID" } else { &reason });
    info.text("domain", DOMAIN);
    if !error.metadata.is_empty() {
        // Google's metadata is a map of texts, so that ours is one of them.
        info.object_in("metadata").text(DOMAIN, &error.metadata);
    }
}

/// The canonical status: the provider's own word where it is one of Google's, else by HTTP status (google.rpc.Code).
fn status_word(error: &GatewayError) -> &str {
    if let Some(word) = error.provider_type.as_deref().filter(|w| GOOGLE_STATUSES.contains(w)) {
        return word;
    }
    match (error.kind, error.status()) {
        (ErrorKind::NoCandidate, 400) => "FAILED_PRECONDITION",
        (_, 401) => "UNAUTHENTICATED",
        (_, 403) => "PERMISSION_DENIED",
        (_, 404) => "NOT_FOUND",
        (_, 405 | 501) => "UNIMPLEMENTED",
        (_, 408 | 504) => "DEADLINE_EXCEEDED",
        (_, 409) => "ABORTED",
        (_, 402 | 429) => "RESOURCE_EXHAUSTED",
        (_, 499) => "CANCELLED",
        (_, 502 | 503 | 529) => "UNAVAILABLE",
        (_, status) if status >= 500 => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

const GOOGLE_STATUSES: [&str; 16] = [
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// A duration in the JSON form of protocol buffers: seconds with the fraction that is needed, and an `s`.
fn seconds(ms: u64) -> String {
    match (ms / 1000, ms % 1000) {
        (whole, 0) => format!("{whole}s"),
        (whole, rest) => format!("{whole}.{rest:03}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_bare_and_in_an_array() {
        let bare = r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT",
            "details":[{"@type":"t","reason":"API_KEY_INVALID"},{"fieldViolations":[{"field":"contents[0].parts"}]}]}}"#;
        for body in [bare.to_owned(), format!("[{bare}]\n"), format!(" [ {bare} ]")] {
            let error = decode(body.as_bytes()).unwrap();
            assert_eq!(error.message, "API key not valid.");
            assert_eq!((error.kind.as_deref(), error.code.as_deref()), (Some("INVALID_ARGUMENT"), Some("400")));
            assert_eq!(error.param.as_deref(), Some("contents[0].parts"));
            assert!(error.raw.starts_with("{\"code\"") && error.raw.contains("API_KEY_INVALID"));
        }
        assert_eq!(decode(br#"{"error":"down"}"#).unwrap().message, "down");
        for other in ["", "[]", "{}", "null", "<html>", r#"{"candidates":[]}"#, r#"{"error":null}"#] {
            assert_eq!(decode(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn our_errors_read_as_googles() {
        let mut error = GatewayError::new(ErrorKind::RateLimited, "slow \"down\"");
        error.retry_after_ms = Some(34_400);
        let body = encode(&error, "req_1");
        assert!(body.starts_with(br#"{"error":"#), "the Python SDK looks for this beginning");
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(value["error"]["code"], 429);
        assert_eq!(value["error"]["status"], "RESOURCE_EXHAUSTED");
        assert_eq!(value["error"]["details"][1]["retryDelay"], "34.400s");
        assert_eq!(value["error"]["details"][2]["requestId"], "req_1");
        let read = decode(&body).unwrap();
        assert_eq!((read.message.as_str(), read.code.as_deref()), ("slow \"down\"", Some("429")));

        let invalid = GatewayError::invalid("contents", "contents is missing");
        assert_eq!(decode(&encode(&invalid, "")).unwrap().param.as_deref(), Some("contents"));
    }

    #[test]
    fn every_kind_has_its_official_word() {
        for (kind, word) in [
            (ErrorKind::InvalidRequest, "INVALID_ARGUMENT"),
            (ErrorKind::TooLarge, "INVALID_ARGUMENT"),
            (ErrorKind::Unauthenticated, "UNAUTHENTICATED"),
            (ErrorKind::Forbidden, "PERMISSION_DENIED"),
            (ErrorKind::ModelNotFound, "NOT_FOUND"),
            (ErrorKind::LimitReached, "RESOURCE_EXHAUSTED"),
            (ErrorKind::NoCandidate, "FAILED_PRECONDITION"),
            (ErrorKind::Overloaded, "UNAVAILABLE"),
            (ErrorKind::StreamCut, "UNAVAILABLE"),
            (ErrorKind::Internal, "INTERNAL"),
            (ErrorKind::Timeout, "DEADLINE_EXCEEDED"),
        ] {
            assert_eq!(status_word(&GatewayError::new(kind, "x")), word, "{kind:?}");
        }
        let mut own = GatewayError::new(ErrorKind::RejectedByProvider, "x");
        own.provider_type = Some("FAILED_PRECONDITION".to_owned());
        assert_eq!(status_word(&own), "FAILED_PRECONDITION");
        own.provider_type = Some("invalid_request_error".to_owned());
        assert_eq!(status_word(&own), "INVALID_ARGUMENT");
    }

    #[test]
    fn an_error_inside_a_stream_is_one_event_that_begins_with_the_error() {
        let error = GatewayError::new(ErrorKind::StreamCut, "cut");
        let event = String::from_utf8(encode_event(&error, "r", Some(r#"{"attempts":2}"#))).unwrap();
        assert!(event.starts_with(r#"data: {"error":{"code":502,"#));
        assert!(event.ends_with("\"signalbox\":{\"attempts\":2}}\r\n\r\n"));
    }
}
