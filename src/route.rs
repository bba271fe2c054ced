//! Stage 1: method and path → what is asked for. The endpoint fixes the caller's dialect, so every later error can be
//! rendered in it.

use crate::dialect::{gemini, Dialect};
use crate::error::{ErrorKind, GatewayError};

/// An operation of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// An answer from a model, in a dialect.
    Generate(Dialect),
    /// The number of tokens of an Anthropic prompt.
    CountTokens,
    /// Vectors, in OpenAI's words.
    Embeddings,
    /// What Gemini's clients ask of the model in the path, percent-decoded.
    Gemini(String, gemini::Method),
    /// The catalogue in Gemini's shape.
    GeminiModels,
    /// One model of it, percent-decoded.
    GeminiModel(String),
    /// The catalogue.
    Models,
    /// One model of the catalogue, percent-decoded.
    Model(String),
    /// A dry run of the choice.
    Route,
    /// A score for an answer.
    Feedback,
    /// The rest of a stream that is kept, by its id.
    Stream(String),
    /// The end of one.
    CancelStream(String),
    /// A principal's counters, by its id; the caller's own without one.
    Usage(Option<String>),
    /// What requests have come to.
    Stats,
    /// The same for Prometheus.
    Metrics,
    /// Requests that are kept with their payloads, newest first.
    Captures,
    /// One of them, by its name.
    Capture(String),
    /// One of them once more, to be compared.
    Replay(String),
    /// The end of one.
    EraseCapture(String),
    /// Whether this instance can serve.
    Health,
    /// What can be asked.
    OpenApi,
    /// A file of the page by its name; the page itself without one.
    Page(String),
}

const TABLE: [(&str, &str, Endpoint); 15] = [
    ("POST", "/v1/chat/completions", Endpoint::Generate(Dialect::OpenAiChat)),
    ("POST", "/v1/responses", Endpoint::Generate(Dialect::OpenAiResponses)),
    ("POST", "/v1/messages", Endpoint::Generate(Dialect::AnthropicMessages)),
    ("POST", "/v1/messages/count_tokens", Endpoint::CountTokens),
    ("POST", "/v1/embeddings", Endpoint::Embeddings),
    ("GET", "/v1/models", Endpoint::Models),
    ("POST", "/v1/route", Endpoint::Route),
    ("POST", "/v1/feedback", Endpoint::Feedback),
    ("GET", "/v1/usage", Endpoint::Usage(None)),
    ("GET", "/v1/stats", Endpoint::Stats),
    ("GET", "/v1/captures", Endpoint::Captures),
    ("GET", "/metrics", Endpoint::Metrics),
    ("GET", "/healthz", Endpoint::Health),
    ("GET", "/openapi.json", Endpoint::OpenApi),
    ("GET", "/", Endpoint::Page(String::new())),
];

/// Who may use an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody; a credential changes at most how much is told.
    Anyone,
    /// Everybody, where callers can be identified at all.
    Visitor,
    /// Whoever is let in.
    Caller,
    /// Whoever has the operator's role.
    Operator,
    /// The same, or whoever brings the secret for metrics.
    Scraper,
}

impl Endpoint {
    /// Who may use it. A new endpoint does not compile without an answer.
    #[must_use]
    pub fn access(&self) -> Access {
        match self {
            Self::Health => Access::Anyone,
            Self::OpenApi | Self::Page(_) => Access::Visitor,
            Self::Stats => Access::Operator,
            Self::Metrics => Access::Scraper,
            Self::Generate(_)
            | Self::CountTokens
            | Self::Embeddings
            | Self::Gemini(..)
            | Self::GeminiModels
            | Self::GeminiModel(_)
            | Self::Models
            | Self::Model(_)
            | Self::Route
            | Self::Feedback
            | Self::Stream(_)
            | Self::CancelStream(_)
            | Self::Captures
            | Self::Capture(_)
            | Self::Replay(_)
            | Self::EraseCapture(_)
            | Self::Usage(_) => Access::Caller,
        }
    }
}

const STREAMS: &str = "/v1/streams/";
const CAPTURES: &str = "/v1/captures/";
const REPLAY: &str = "/replay";
const PAGE: &str = "/page/";

/// The endpoint of a path as a template, one of a short list: nothing of it was written by a caller.
#[must_use]
pub fn template(path: &str) -> &'static str {
    let path = if path.len() > 1 { path.trim_end_matches('/') } else { path };
    if let Some((_, known, _)) = TABLE.iter().find(|(_, known, _)| *known == path) {
        return known;
    }
    if path.starts_with(STREAMS) {
        return "/v1/streams/{id}";
    }
    if path.starts_with(CAPTURES) {
        return if path.ends_with(REPLAY) { "/v1/captures/{id}/replay" } else { "/v1/captures/{id}" };
    }
    if path.starts_with("/v1/usage/") {
        return "/v1/usage/{principal}";
    }
    if path.starts_with(PAGE) {
        return "/page/{file}";
    }
    match of_gemini("POST", path) {
        Some(Ok(Endpoint::Gemini(_, method))) => match method {
            gemini::Method::Generate => "/v1beta/models/{model}:generateContent",
            gemini::Method::Stream => "/v1beta/models/{model}:streamGenerateContent",
            gemini::Method::CountTokens => "/v1beta/models/{model}:countTokens",
            gemini::Method::Embed => "/v1beta/models/{model}:embedContent",
            gemini::Method::EmbedBatch => "/v1beta/models/{model}:batchEmbedContents",
        },
        _ if path == "/v1beta/models" => "/v1beta/models",
        _ if path.starts_with("/v1beta/models/") => "/v1beta/models/{id}",
        _ if path.starts_with("/v1/models/") => "/v1/models/{id}",
        _ => "other",
    }
}

/// A method that is one of HTTP's, else the conventions' word for others.
#[must_use]
pub fn known_method(method: &str) -> &'static str {
    const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

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
    if let Some(found) = of_gemini(method, path) {
        return found;
    }
    if let Some(file) = path.strip_prefix(PAGE).filter(|file| is_plain(file)) {
        return match method {
            "GET" => Ok(Endpoint::Page(file.to_owned())),
            _ => Err(wrong_method(method, path, "GET")),
        };
    }
    if let Some(id) = path.strip_prefix("/v1/models/").filter(|id| !id.is_empty()) {
        return if method == "GET" {
            Ok(Endpoint::Model(percent_decode(id)))
        } else {
            Err(wrong_method(method, path, "GET"))
        };
    }
    if let Some(id) = path.strip_prefix("/v1/usage/").filter(|id| !id.is_empty()) {
        return match method {
            "GET" => Ok(Endpoint::Usage(Some(percent_decode(id)))),
            _ => Err(wrong_method(method, path, "GET")),
        };
    }
    if let Some(id) = path.strip_prefix(CAPTURES).and_then(|rest| rest.strip_suffix(REPLAY)) {
        return match method {
            "POST" => Ok(Endpoint::Replay(id.to_owned())),
            _ => Err(wrong_method(method, path, "POST")),
        };
    }
    if let Some(id) = path.strip_prefix(CAPTURES).filter(|id| !id.is_empty()) {
        return match method {
            "GET" => Ok(Endpoint::Capture(id.to_owned())),
            "DELETE" => Ok(Endpoint::EraseCapture(id.to_owned())),
            _ => Err(wrong_method(method, path, "GET or DELETE")),
        };
    }
    if let Some(id) = path.strip_prefix(STREAMS).filter(|id| !id.is_empty()) {
        return match method {
            "GET" => Ok(Endpoint::Stream(id.to_owned())),
            "DELETE" => Ok(Endpoint::CancelStream(id.to_owned())),
            _ => Err(wrong_method(method, path, "GET or DELETE")),
        };
    }
    if path.starts_with("/v1/responses/") {
        let message =
            format!("Unknown request URL: {method} {path}. Responses are not kept here: send the items again.");
        return Err(GatewayError::new(ErrorKind::RouteNotFound, message));
    }
    Err(GatewayError::new(ErrorKind::RouteNotFound, format!("Unknown request URL: {method} {path}.")))
}

/// A file's name that leads nowhere else.
fn is_plain(file: &str) -> bool {
    !file.starts_with('.')
        && file.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        && !file.is_empty()
}

/// Gemini's paths. Its SDKs can be told to use `v1` (`apiVersion`), where OpenAI's catalogue stands too: there only the
/// methods of a model are Gemini's.
fn of_gemini(method: &str, path: &str) -> Option<Result<Endpoint, GatewayError>> {
    let of_model = path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"));
    if let Some((model, word)) = of_model.and_then(|rest| rest.rsplit_once(':')) {
        // A model's own name may hold a colon.
        if let Some(asked) = gemini::Method::of(word).filter(|_| !model.is_empty()) {
            return Some(match method {
                "POST" => Ok(Endpoint::Gemini(percent_decode(model), asked)),
                _ => Err(wrong_method(method, path, "POST")),
            });
        }
    }
    let rest = path.strip_prefix("/v1beta/models")?;
    let endpoint = match rest.strip_prefix('/') {
        None if rest.is_empty() => Endpoint::GeminiModels,
        Some(id) if !id.is_empty() && method == "GET" => Endpoint::GeminiModel(percent_decode(id)),
        _ => return None,
    };
    Some(if method == "GET" { Ok(endpoint) } else { Err(wrong_method(method, path, "GET")) })
}

/// The dialect in which a path is answered, errors included, also where the path itself is wrong. `client` is whose client
/// calls, where its headers tell: three of them look for their catalogue at one path, and a stream may be anyone's.
#[must_use]
pub fn dialect_of(path: &str, client: Option<Dialect>) -> Dialect {
    let catalogue = path.strip_prefix("/v1/models").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let shared = catalogue || path.starts_with(STREAMS);
    if path.starts_with("/v1/messages") {
        Dialect::AnthropicMessages
    } else if let Some(client) = client.filter(|_| shared) {
        client
    } else if path.starts_with("/v1beta/") || matches!(of_gemini("POST", path), Some(Ok(Endpoint::Gemini(..)))) {
        Dialect::Gemini
    } else if path.starts_with("/v1/responses") {
        Dialect::OpenAiResponses
    } else {
        Dialect::OpenAiChat
    }
}

/// The methods that a path takes, where the path is one of ours.
#[must_use]
pub fn allowed_method(path: &str) -> Option<&'static str> {
    let known = |method: &&'static str| endpoint(method.split(',').next().unwrap_or_default(), path).is_ok();
    let erased =
        (path.starts_with(STREAMS) || (path.starts_with(CAPTURES) && !path.ends_with(REPLAY))).then_some("GET, DELETE");
    erased.into_iter().chain(["GET", "POST"]).find(known)
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
            assert_eq!(allowed_method(path), Some(*method));
        }
        assert_eq!(endpoint("GET", "/v1/streams/a-B_1"), Ok(Endpoint::Stream("a-B_1".into())));
        assert_eq!(endpoint("DELETE", "/v1/streams/a"), Ok(Endpoint::CancelStream("a".into())));
        assert_eq!(endpoint("POST", "/v1/streams/a").unwrap_err().status(), 405);
        assert_eq!(allowed_method("/v1/streams/a"), Some("GET, DELETE"));
        assert_eq!(endpoint("GET", "/v1/streams/").unwrap_err().status(), 404);
        assert_eq!(endpoint("GET", "/v1/usage/a-B_1"), Ok(Endpoint::Usage(Some("a-B_1".into()))));
        assert_eq!(endpoint("POST", "/v1/usage/a").unwrap_err().status(), 405);
        assert_eq!(endpoint("POST", "/v1/completion").unwrap_err().status(), 404);
        assert_eq!(endpoint("GET", "/page/app-1A2B.js"), Ok(Endpoint::Page("app-1A2B.js".into())));
        for path in ["/page/", "/page/..", "/page/a/b.js", "/page/%2e%2e", "/page"] {
            assert_eq!(endpoint("GET", path).unwrap_err().status(), 404, "{path}");
        }
    }

    #[test]
    fn the_api_description_names_every_endpoint_and_no_other() {
        let described: serde_json::Value = serde_json::from_str(include_str!("../docs/openapi.json")).unwrap();
        let paths = described["paths"].as_object().unwrap();
        for (method, path, _) in &TABLE {
            assert!(paths[*path].get(method.to_lowercase()).is_some(), "{method} {path}");
        }
        for (path, operations) in paths {
            assert_eq!(template(&path.replace("{id}", "x")), path, "what spans and metrics call it");
            for method in operations.as_object().unwrap().keys() {
                let filled = path.replace("{model}", "m").replace("{id}", "x").replace("{principal}", "x");
                assert!(endpoint(&method.to_uppercase(), &filled).is_ok(), "{method} {filled}");
            }
        }
    }

    #[test]
    fn a_gemini_path_names_everything_up_to_the_last_colon_decoded_once() {
        use gemini::Method::{CountTokens, Generate, Stream};
        for (path, model, asked) in [
            ("/v1beta/models/gemini-4:generateContent", "gemini-4", Generate),
            ("/v1beta/models/openai/gpt-5:streamGenerateContent", "openai/gpt-5", Stream),
            ("/v1beta/models/ollama%2Fllama3%3A8b:countTokens", "ollama/llama3:8b", CountTokens),
            ("/v1beta/models/ollama/llama3:8b:generateContent", "ollama/llama3:8b", Generate),
            ("/v1beta/models/a%2541:generateContent", "a%41", Generate),
            ("/v1/models/auto:generateContent", "auto", Generate),
        ] {
            assert_eq!(endpoint("POST", path), Ok(Endpoint::Gemini(model.into(), asked)), "{path}");
            assert_eq!(endpoint("GET", path).unwrap_err().status(), 405, "{path}");
            assert_eq!(dialect_of(path, None), Dialect::Gemini, "{path}");
        }
        assert_eq!(endpoint("GET", "/v1beta/models"), Ok(Endpoint::GeminiModels));
        assert_eq!(endpoint("GET", "/v1beta/models/a/b:8b"), Ok(Endpoint::GeminiModel("a/b:8b".into())));
        assert_eq!(endpoint("GET", "/v1/models/llama3:8b"), Ok(Endpoint::Model("llama3:8b".into())));
        for path in ["/v1beta/models/:generateContent", "/v1beta/models/m:fly", "/v1beta/models/m", "/v1beta/model"] {
            assert_eq!(endpoint("POST", path).unwrap_err().status(), 404, "{path}");
        }
    }

    #[test]
    fn a_model_id_keeps_its_slashes_and_is_decoded_once() {
        assert_eq!(endpoint("GET", "/v1/models/openai/gpt-5"), Ok(Endpoint::Model("openai/gpt-5".into())));
        assert_eq!(endpoint("GET", "/v1/models/a%2Fb%253"), Ok(Endpoint::Model("a/b%3".into())));
        assert_eq!(percent_decode("100%"), "100%");
        assert_eq!(percent_decode("%+1%zz%41"), "%+1%zzA");
    }
}
