//! How a provider is addressed: path, credential, version headers; Workers AI by its model's name. Facts: `wire.md` §1.1, §1.3, §1.4, §1.8.

use crate::config::provider::{Kind, Provider, Secret};
use crate::dialect::openai_chat::profile::{self, Key, Urls};
use crate::dialect::{gemini, Dialect};
use crate::http::{Headers, UpstreamRequest};
use crate::json::{Edit, Members};

/// What of the caller's request goes along on a native route.
#[derive(Debug, Clone, Default)]
pub struct Forwarded<'a> {
    /// The caller's `anthropic-version`, verbatim on native routes.
    pub anthropic_version: Option<&'a str>,
    /// The caller's `anthropic-beta`, native routes only.
    pub anthropic_beta: Option<&'a str>,
    /// The key to call with.
    pub key: Option<&'a Secret>,
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
    if provider.kind == Kind::WorkersAi {
        // The model is named beside its inputs, not among them.
        let body = Members::read(&body).map(|members| members.edit(&[Edit::Remove("model")])).unwrap_or(body);
        return UpstreamRequest { model: Some(model.to_owned()), body, ..UpstreamRequest::default() };
    }
    let base = provider.base_url.as_deref().unwrap_or_default();
    let key = forwarded.key.map(Secret::expose);
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
                match profile::of(&provider.profile).key {
                    Key::ApiKey => headers.push("api-key", key),
                    Key::Bearer => headers.push("authorization", format!("Bearer {key}")),
                }
            }
            let path = match (operation, dialect) {
                (Operation::Embed | Operation::EmbedOne, _) => "embeddings",
                (Operation::CountTokens, _) => "responses/input_tokens",
                (_, Dialect::OpenAiResponses) => "responses",
                _ => "chat/completions",
            };
            openai_url(provider, model, path)
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
    UpstreamRequest { url, headers, body, ..UpstreamRequest::default() }
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

/// The address of an operation of OpenAI's API (`chat/completions`) at a provider.
///
/// Azure has two forms (`wire.md` §1.1). The newer one is OpenAI's own under `/openai/v1`, where the model is the
/// deployment's name; a base URL that ends with `/v1` is it already. The older one has the deployment in its path and wants
/// an `api-version`, so an `api_version` without a `/v1` means it. The base may be what either SDK calls its endpoint:
/// the resource's address, or that with `/openai`. Responses stand under no deployment (OpenAI's own client for Azure,
/// `_deployments_endpoints`).
#[must_use]
pub fn openai_url(provider: &Provider, model: &str, operation: &str) -> String {
    let base = provider.base_url.as_deref().unwrap_or_default();
    if profile::of(&provider.profile).urls == Urls::Plain {
        return format!("{base}/{operation}");
    }
    let is_of_account = operation.starts_with("responses");
    let base = match base.split_once("/deployments/") {
        Some((account, _)) if is_of_account => account,
        _ => base,
    };
    let resource = base.strip_suffix("/openai").unwrap_or(base);
    let version = provider.api_version.as_ref().map(|version| format!("?api-version={version}")).unwrap_or_default();
    if base.ends_with("/v1") || base.contains("/deployments/") {
        format!("{base}/{operation}{version}")
    } else if version.is_empty() {
        format!("{resource}/openai/v1/{operation}")
    } else if is_of_account {
        format!("{resource}/openai/{operation}{version}")
    } else {
        format!("{resource}/openai/deployments/{}/{operation}{version}", path_segment(model))
    }
}

/// A name as one segment of a path.
fn path_segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Mode, DEFAULT};

    fn provider(base_url: &str, profile: &str, api_version: Option<&str>) -> Provider {
        let mut entry =
            serde_json::json!({"kind": "openai-chat", "base_url": base_url, "profile": profile, "api_key": "k"});
        if let Some(version) = api_version {
            entry["api_version"] = version.into();
        }
        let overlay = serde_json::json!({"providers": {"p": entry}}).to_string();
        let config = Config::load(&[DEFAULT, &overlay], Mode::Local, &|_| None).unwrap();
        config.providers["p"].clone()
    }

    #[test]
    fn azure_is_addressed_in_both_of_its_forms() {
        let host = "https://res.openai.azure.com";
        let newer = format!("{host}/openai/v1/chat/completions");
        let older = format!("{host}/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21");
        for (base, version, url) in [
            (format!("{host}/openai/v1/"), None, newer.clone()),
            (format!("{host}/openai"), None, newer.clone()),
            (host.to_owned(), None, newer.clone()),
            (format!("{host}/openai/v1"), Some("preview"), format!("{newer}?api-version=preview")),
            (format!("{host}/openai"), Some("2024-10-21"), older.clone()),
            (host.to_owned(), Some("2024-10-21"), older.clone()),
            (format!("{host}/openai/deployments/my%20gpt"), Some("2024-10-21"), older),
        ] {
            let provider = provider(&base, "azure", version);
            assert_eq!(openai_url(&provider, "my gpt", "chat/completions"), url, "{base} {version:?}");
        }
    }

    #[test]
    fn azures_responses_stand_under_no_deployment() {
        let host = "https://res.openai.azure.com";
        let version = "2025-04-01-preview";
        let older = format!("{host}/openai/responses?api-version={version}");
        for (base, version, url) in [
            (format!("{host}/openai/v1"), None, format!("{host}/openai/v1/responses")),
            (format!("{host}/openai"), Some(version), older.clone()),
            (format!("{host}/openai/deployments/my%20gpt"), Some(version), older),
        ] {
            let provider = provider(&base, "azure", version);
            assert_eq!(openai_url(&provider, "my gpt", "responses"), url, "{base} {version:?}");
            assert!(provider.serves_responses());
        }
        assert!(!provider(host, "azure", Some("2024-10-21")).serves_responses(), "older versions have none");
    }

    #[test]
    fn a_key_stands_in_the_header_that_the_provider_reads() {
        let sent = |profile: &str| {
            let provider = provider("https://llm.example/v1", profile, None);
            let request = request(
                &provider,
                Dialect::OpenAiChat,
                "m",
                Operation::Generate,
                &Forwarded { key: provider.api_keys.first(), ..Forwarded::default() },
                b"{}".to_vec(),
            );
            ["authorization", "api-key"].map(|name| request.headers.value(name).map(str::to_owned))
        };
        assert_eq!(sent("azure"), [None, Some("k".into())]);
        assert_eq!(sent("mistral"), [Some("Bearer k".into()), None]);
    }
}
