//! Stage 1: method and path → what is asked for. The endpoint fixes the caller's dialect, so every later error can be
//! rendered in it.

use crate::dialect::Dialect;
use crate::error::{ErrorKind, GatewayError};

/// An operation of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An answer from a model, in a dialect.
    Generate(Dialect),
    /// The catalogue.
    Models,
    /// One model of the catalogue, percent-decoded.
    Model(String),
    /// A dry run of the choice.
    Route,
    /// The caller's own counters.
    Usage,
    /// Whether this instance can serve.
    Health,
}

const TABLE: [(&str, &str, Endpoint); 6] = [
    ("POST", "/v1/chat/completions", Endpoint::Generate(Dialect::OpenAiChat)),
    ("POST", "/v1/messages", Endpoint::Generate(Dialect::AnthropicMessages)),
    ("GET", "/v1/models", Endpoint::Models),
    ("POST", "/v1/route", Endpoint::Route),
    ("GET", "/v1/usage", Endpoint::Usage),
    ("GET", "/healthz", Endpoint::Health),
];

/// Finds the endpoint of a request.
///
/// # Errors
/// 404 for an unknown path, 405 (with the method that would do) for a known one.
pub fn endpoint(method: &str, path: &str) -> Result<Endpoint, GatewayError> {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    let method = if method == "HEAD" { "GET" } else { method };
    if let Some((allowed, _, endpoint)) = TABLE.iter().find(|(_, p, _)| *p == path) {
        return if *allowed == method { Ok(endpoint.clone()) } else { Err(wrong_method(method, path, allowed)) };
    }
    if let Some(id) = path.strip_prefix("/v1/models/").filter(|id| !id.is_empty()) {
        return if method == "GET" {
            Ok(Endpoint::Model(percent_decode(id)))
        } else {
            Err(wrong_method(method, path, "GET"))
        };
    }
    Err(GatewayError::new(ErrorKind::RouteNotFound, format!("Unknown request URL: {method} {path}.")))
}

/// The dialect in which errors of a path are told, also where the path itself is wrong.
#[must_use]
pub fn dialect_of(path: &str, has_anthropic_version: bool) -> Dialect {
    if path.starts_with("/v1/messages") || (has_anthropic_version && path.starts_with("/v1/models")) {
        Dialect::AnthropicMessages
    } else if path.starts_with("/v1beta/") {
        Dialect::Gemini
    } else {
        Dialect::OpenAiChat
    }
}

fn wrong_method(method: &str, path: &str, allowed: &str) -> GatewayError {
    GatewayError::new(ErrorKind::MethodNotAllowed, format!("{path} does not take {method}; use {allowed}."))
}

/// Decodes `%XX` once; what is not an escape stays as it is.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escape = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| {
            u8::from_str_radix(std::str::from_utf8(hex).ok().filter(|h| !h.starts_with('+'))?, 16).ok()
        });
        match escape {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_is_found_and_a_wrong_method_names_the_right_one() {
        for (method, path, expected) in &TABLE {
            assert_eq!(endpoint(method, path).as_ref(), Ok(expected));
            let other = if *method == "GET" { "POST" } else { "GET" };
            let error = endpoint(other, path).unwrap_err();
            assert_eq!(error.status(), 405);
            assert!(error.message.contains(method), "{}", error.message);
        }
        assert_eq!(endpoint("POST", "/v1/completion").unwrap_err().status(), 404);
        assert_eq!(endpoint("GET", "/").unwrap_err().status(), 404);
    }

    #[test]
    fn a_model_id_keeps_its_slashes_and_is_decoded_once() {
        assert_eq!(endpoint("GET", "/v1/models/openai/gpt-5"), Ok(Endpoint::Model("openai/gpt-5".into())));
        assert_eq!(endpoint("GET", "/v1/models/a%2Fb%253"), Ok(Endpoint::Model("a/b%3".into())));
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%+1%zz%41"), "%+1%zzA");
    }
}
