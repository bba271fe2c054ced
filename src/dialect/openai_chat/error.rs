//! Errors in this dialect's vocabulary, and the shapes in which its imitators report theirs (`wire.md` §4).

use serde_json::value::RawValue;

use super::write::Object;
use crate::dialect::ProviderError;
use crate::error::{ErrorKind, GatewayError};
use crate::json::scalar::{kind_of, says_something, string, word, Kind};
use crate::json::{Edit, Members};

/// Reads an error report: `{"error": {…}}`, `{"error": "…"}`, Mistral's and vLLM's flat object, a validation list under
/// `detail`, DashScope's `{code, message}`, Cloudflare's `{errors: […]}`, or any of them in a list of one. `None` for
/// everything that is not a report, answers included.
#[must_use]
pub fn decode(body: &[u8]) -> Option<ProviderError> {
    let body = body.trim_ascii();
    if body.first() == Some(&b'[') {
        let items: Vec<&RawValue> = crate::json::from_slice(body).ok()?;
        return match items.as_slice() {
            [only] if kind_of(only) == Kind::Object => decode(only.get().as_bytes()),
            _ => None,
        };
    }
    let top = Members::read(body).ok()?;
    let text = std::str::from_utf8(body).ok()?;
    if let Some(error) = top.present("error").filter(|raw| says_something(raw)) {
        return match kind_of(error) {
            Kind::Object => Some(from_object(&Members::read(error.get().as_bytes()).ok()?, error.get())),
            Kind::Text => {
                let message = string(error)?.into_owned();
                Some(ProviderError { message, ..from_object(&top, text) })
            }
            Kind::Flag => Some(from_object(&top, text)),
            _ => None,
        };
    }
    if top.present("choices").is_some() {
        return None;
    }
    if let Some(detail) = top.present("detail").filter(|raw| says_something(raw)) {
        return Some(from_detail(detail, text));
    }
    if let Some(first) = first_of(top.present("errors")) {
        // The whole text is kept: the wrapper tells whose numbers these are.
        return Some(from_object(&Members::read(first.get().as_bytes()).ok()?, text));
    }
    let declared = top.present("object").and_then(string).is_some_and(|object| object == "error");
    let flat = top.present("message").is_some() && (top.present("code").is_some() || top.present("type").is_some());
    (declared || flat).then(|| from_object(&top, text))
}

/// What `event: error` says when its data has none of the known shapes.
pub(super) fn unnamed(data: &[u8]) -> ProviderError {
    let raw = String::from_utf8_lossy(data).into_owned();
    ProviderError {
        message: "the provider reported an error in the stream".to_owned(),
        raw,
        ..ProviderError::default()
    }
}

/// Reads the value of an `error` member.
pub(super) fn of_member(error: &RawValue) -> Option<ProviderError> {
    Some(from_object(&Members::read(error.get().as_bytes()).ok()?, error.get()))
}

fn from_object(members: &Members<'_>, raw: &str) -> ProviderError {
    let own = |name: &str| word(members.present(name)).map(std::borrow::Cow::into_owned);
    let message = members.present("message").or_else(|| members.present("msg"));
    let nested =
        message.filter(|raw| kind_of(raw) == Kind::Object).and_then(|raw| Members::read(raw.get().as_bytes()).ok());
    if let Some(detail) = nested.as_ref().and_then(|nested| nested.present("detail")) {
        // Mistral wraps a validation list in its flat object.
        return ProviderError { kind: own("type"), code: own("code"), ..from_detail(detail, raw) };
    }
    ProviderError {
        message: message.map(plain).unwrap_or_default(),
        kind: own("type"),
        code: own("code"),
        param: own("param"),
        raw: raw.to_owned(),
    }
}

/// FastAPI's validation list `[{loc, msg, type}]`, or the plain text that stands in its place.
fn from_detail(detail: &RawValue, raw: &str) -> ProviderError {
    let mut report = ProviderError { raw: raw.to_owned(), ..ProviderError::default() };
    let Some(first) = first_of(Some(detail)) else {
        report.message = plain(detail);
        return report;
    };
    let Ok(first) = Members::read(first.get().as_bytes()) else {
        report.message = plain(first);
        return report;
    };
    let location: Vec<&RawValue> = first.parse("loc").ok().flatten().unwrap_or_default();
    let path: Vec<_> = location.iter().filter_map(|step| word(Some(step))).filter(|step| step != "body").collect();
    report.message = first.present("msg").map(plain).unwrap_or_default();
    report.kind = word(first.present("type")).map(std::borrow::Cow::into_owned);
    report.param = (!path.is_empty()).then(|| path.join("."));
    report
}

fn first_of(list: Option<&RawValue>) -> Option<&RawValue> {
    let items: Vec<&RawValue> = crate::json::from_str(list?.get()).ok()?;
    items.first().copied()
}

/// A string's text, or another value's JSON.
fn plain(raw: &RawValue) -> String {
    string(raw).map_or_else(|| raw.get().to_owned(), std::borrow::Cow::into_owned)
}

/// Writes an error body. The client's class follows from the status; the words are OpenAI's own.
#[must_use]
pub fn encode(error: &GatewayError, request_id: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut top = Object::begin(&mut out);
    members(&mut top, error, request_id);
    top.end();
    out
}

/// Writes an error event. No `[DONE]` follows: OpenAI's client raises on any event with an `error`.
#[must_use]
pub fn encode_event(error: &GatewayError, request_id: &str, signalbox: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"data: ");
    let mut top = Object::begin(&mut out);
    members(&mut top, error, request_id);
    if let Some(signalbox) = signalbox {
        top.raw("signalbox", signalbox);
    }
    top.end();
    out.extend_from_slice(b"\n\n");
    out
}

fn members(top: &mut Object<'_>, error: &GatewayError, request_id: &str) {
    top.object("error", |out| {
        out.text("message", &error.message);
        out.text("type", own_word(error).unwrap_or_else(|| kind_word(error.kind)));
        match &error.param {
            Some(param) => out.text("param", param),
            None => out.raw("param", "null"),
        }
        out.text("code", error.code());
        if let Some(metadata) = metadata(&error.metadata, request_id) {
            out.raw("metadata", &metadata);
        }
    });
}

/// The provider's word, where it may be one of this dialect's: its many servers have words of their own, but none like
/// Google's `INVALID_ARGUMENT`.
fn own_word(error: &GatewayError) -> Option<&str> {
    let of_google = |word: &&str| word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    error.provider_type.as_deref().filter(|word| !of_google(word))
}

/// The error's own metadata with the request's id in it.
fn metadata(own: &str, request_id: &str) -> Option<String> {
    let own = if own.is_empty() { "{}" } else { own };
    let read = Members::read(own.as_bytes()).ok()?;
    if request_id.is_empty() || read.raw("request_id").is_some() {
        return (own != "{}").then(|| own.to_owned());
    }
    let id = String::from_utf8(crate::json::quoted(request_id)).ok()?;
    String::from_utf8(read.edit(&[Edit::Set("request_id", id.into())])).ok()
}

fn kind_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::Unsupported
        | ErrorKind::RouteNotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::ModelNotFound
        | ErrorKind::TooLarge
        | ErrorKind::NoCandidate
        | ErrorKind::ContextLength
        | ErrorKind::ContentFiltered
        | ErrorKind::RejectedByProvider => "invalid_request_error",
        ErrorKind::Unauthenticated => "authentication_error",
        ErrorKind::Forbidden => "permission_error",
        ErrorKind::LimitReached => "insufficient_quota",
        ErrorKind::RateLimited | ErrorKind::TooFast => "rate_limit_error",
        ErrorKind::Overloaded | ErrorKind::Unconfigured => "service_unavailable_error",
        ErrorKind::UpstreamFailed | ErrorKind::Timeout | ErrorKind::StreamCut | ErrorKind::Internal => "server_error",
    }
}

#[cfg(test)]
mod tests;
