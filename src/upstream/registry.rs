//! How a provider is addressed: path, credential, version headers. Facts: `wire.md` §1.1, §1.3, §1.4, §1.8.

use crate::config::provider::{Provider, Secret};
use crate::dialect::{gemini, Dialect};
use crate::http::{Headers, UpstreamRequest};

/// What of the caller's request goes along on a native route.
#[derive(Debug, Clone, Default)]
pub struct Forwarded<'a> {
    /// The caller's `anthropic-version`, verbatim on native routes.
    pub anthropic_version: Option<&'a str>,
    /// The caller's `anthropic-beta`, native routes only.
    pub anthropic_beta: Option<&'a str>,
    /// Trace context under the attempt's own span.
    pub traceparent: Option<String>,
}

/// The newest version we know, for requests that we write ourselves (`wire.md` §1.3 "Version policy").
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

/// What a provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A whole answer.
    Generate,
    /// A streamed answer.
    Stream,
    /// The number of tokens of a prompt.
    CountTokens,
    /// Vectors.
    Embed,
    /// One vector, by the method that Gemini has for it.
    EmbedOne,
}

/// Writes the call: URL, credential, headers and body.
#[must_use]
pub fn request(
    provider: &Provider,
    dialect: Dialect,
    model: &str,
    operation: Operation,
    forwarded: &Forwarded<'_>,
    body: Vec<u8>,
) -> UpstreamRequest {
    let base = provider.base_url.as_deref().unwrap_or_default();
    let key = provider.api_key.as_ref().map(Secret::expose);
    let stream = operation == Operation::Stream;
    let mut headers = Headers::new();
    headers.push("content-type", "application/json");
    headers.push("user-agent", concat!("signalbox/", env!("CARGO_PKG_VERSION")));
    headers.push("accept", if stream { "text/event-stream" } else { "application/json" });
    if stream {
        // Compression would make the provider hold events back.
        headers.push("accept-encoding", "identity");
    }
    let url = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            if let Some(key) = key {
                if provider.profile == "azure" {
                    headers.push("api-key", key);
                } else {
                    headers.push("authorization", format!("Bearer {key}"));
                }
            }
            let path = match (operation, dialect) {
                (Operation::Embed | Operation::EmbedOne, _) => "embeddings",
                (_, Dialect::OpenAiResponses) => "responses",
                _ => "chat/completions",
            };
            format!("{base}/{path}")
        }
        Dialect::AnthropicMessages => {
            if let Some(key) = key {
                headers.push("x-api-key", key);
            }
            headers.push("anthropic-version", forwarded.anthropic_version.unwrap_or(ANTHROPIC_VERSION));
            if let Some(beta) = forwarded.anthropic_beta {
                headers.push("anthropic-beta", beta);
            }
            let counter = if operation == Operation::CountTokens { "/count_tokens" } else { "" };
            format!("{base}/v1/messages{counter}")
        }
        Dialect::Gemini => {
            if let Some(key) = key {
                headers.push("x-goog-api-key", key);
            }
            format!("{base}{}", gemini::path::path(model, gemini_method(operation)))
        }
    };
    for (name, value) in &provider.headers {
        headers.set(name, value.expose());
    }
    if let Some(traceparent) = &forwarded.traceparent {
        headers.push("traceparent", traceparent);
    }
    UpstreamRequest { url, headers, body }
}

fn gemini_method(operation: Operation) -> gemini::Method {
    match operation {
        Operation::Generate => gemini::Method::Generate,
        Operation::Stream => gemini::Method::Stream,
        Operation::CountTokens => gemini::Method::CountTokens,
        Operation::Embed => gemini::Method::EmbedBatch,
        Operation::EmbedOne => gemini::Method::Embed,
    }
}
