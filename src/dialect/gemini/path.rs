//! Paths of calls: `/v1beta/models/{model}:{method}` (`wire.md` §1.4; embeddings: ai.google.dev/api/embeddings).

use std::borrow::Cow;

use super::types::Text;
use crate::error::GatewayError;
use crate::json::Members;

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A whole answer.
    Generate,
    /// A streamed answer: events with `alt=sse`, else one array.
    Stream,
    /// The number of tokens of a prompt.
    CountTokens,
    /// One vector.
    Embed,
    /// Several vectors.
    EmbedBatch,
}

const WORDS: [(&str, Method); 5] = [
    ("generateContent", Method::Generate),
    ("streamGenerateContent", Method::Stream),
    ("countTokens", Method::CountTokens),
    ("embedContent", Method::Embed),
    ("batchEmbedContents", Method::EmbedBatch),
];

impl Method {
    /// The method of that name.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        WORDS.iter().find(|(name, _)| *name == word).map(|(_, method)| *method)
    }

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

/// Path and query of a call; streams are asked for as events. A name that already begins with `models/` or
/// `tunedModels/` keeps that prefix, as Google's SDKs have it; the rest is percent-encoded.
#[must_use]
pub fn path(model: &str, method: Method) -> String {
    let (collection, name) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => (collection, name),
        _ => ("models", model),
    };
    let mut out = String::with_capacity(64 + name.len());
    out.push_str("/v1beta/");
    out.push_str(collection);
    out.push('/');
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for digit in [byte >> 4, byte & 15] {
                out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
            }
        }
    }
    out.push(':');
    out.push_str(method.word());
    if method == Method::Stream {
        out.push_str("?alt=sse");
    }
    out
}

/// Whether a query asks for events: `alt=sse`.
#[must_use]
pub fn asks_for_events(query: &str) -> bool {
    query.split('&').any(|pair| pair == "alt=sse")
}

/// A model's name without the prefix of its resource name: `models/x` is `x`.
#[must_use]
pub fn bare(model: &str) -> &str {
    model.strip_prefix("models/").unwrap_or(model)
}

/// The model that a body names itself, where there is no path to name it in; empty when it names none.
///
/// # Errors
/// The caller's: a member that is no text.
pub fn model_of_body<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, GatewayError> {
    let text: Option<Text<'a>> =
        members.parse("model").map_err(|_| GatewayError::invalid("model", "model: must be a string"))?;
    Ok(match text.map(|text| text.0) {
        None => Cow::Borrowed(""),
        Some(Cow::Borrowed(name)) => Cow::Borrowed(bare(name)),
        Some(Cow::Owned(name)) => Cow::Owned(bare(&name).to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_model_and_method() {
        for (model, method, expected) in [
            ("gemini-3.5-flash", Method::Generate, "/v1beta/models/gemini-3.5-flash:generateContent"),
            ("models/gemini-4", Method::Stream, "/v1beta/models/gemini-4:streamGenerateContent?alt=sse"),
            ("tunedModels/mine", Method::CountTokens, "/v1beta/tunedModels/mine:countTokens"),
            ("acme/a b:ö?", Method::EmbedBatch, "/v1beta/models/acme%2Fa%20b%3A%C3%B6%3F:batchEmbedContents"),
        ] {
            assert_eq!(path(model, method), expected);
            assert_eq!(Method::of(method.word()), Some(method));
        }
    }

    #[test]
    fn only_the_exact_parameter_asks_for_events() {
        assert!(asks_for_events("alt=sse") && asks_for_events("a=1&alt=sse&b=2"));
        assert!(!asks_for_events("") && !asks_for_events("alt=json") && !asks_for_events("alt=sse2"));
    }
}
