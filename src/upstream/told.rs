//! What a provider's headers tell a caller: its id of the request and the state of its limits, under a prefix of ours, never
//! as our own (`wire.md` §4 "Never forward": a client would pace itself by limits that are not its own).

use crate::config::provider::Secret;
use crate::http::Headers;

/// What the names begin with; the provider's own name follows.
pub const PREFIX: &str = "x-signalbox-upstream-";

/// Most headers that are passed on, and the longest value. Providers send about a dozen.
const MOST: usize = 40;
const LONGEST: usize = 256;

/// Ids by which providers find a call again (OpenAI, Azure, Mistral and others; Anthropic; Google; Azure's front door; what
/// stands before many of them).
const IDS: [&str; 7] = [
    "x-request-id",
    "request-id",
    "x-goog-request-id",
    "x-cloud-trace-context",
    "apim-request-id",
    "x-generation-id",
    "cf-ray",
];

/// The headers to pass on, renamed, in the provider's order. Everything else stays here: cookies, credentials, account names,
/// and whatever quotes the `key` that the call was made with.
#[must_use]
pub fn told(headers: &Headers, key: Option<&Secret>) -> Headers {
    let is_told = |name: &str| {
        IDS.contains(&name) || name.starts_with("x-ratelimit-") || name.starts_with("anthropic-ratelimit-")
    };
    let plain = |value: &str| value.len() <= LONGEST && value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    let quotes = |value: &str| key.is_some_and(|key| !key.expose().is_empty() && value.contains(key.expose()));
    let kept = headers.iter().filter(|(name, value)| is_told(name) && plain(value) && !quotes(value)).take(MOST);
    kept.map(|(name, value)| (format!("{PREFIX}{name}"), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_limits_are_passed_on_by_our_names_and_nothing_else() {
        let theirs: Headers = [
            ("x-request-id", "req_1"),
            ("cf-ray", "8f-FRA"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("anthropic-ratelimit-requests-reset", "2026-11-26T00:00:00Z"),
            ("set-cookie", "__cf_bm=secret"),
            ("openai-organization", "org-secret"),
            ("retry-after", "3"),
            ("x-ratelimit-reset-requests", "6m\u{7f}"),
            ("x-ratelimit-note", &"x".repeat(300)),
            ("x-generation-id", "for Bearer sk-ours"),
        ]
        .into_iter()
        .collect();
        let ours: Vec<(String, String)> = told(&theirs, Some(&Secret::new("sk-ours")))
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let expected = [
            ("x-signalbox-upstream-x-request-id", "req_1"),
            ("x-signalbox-upstream-cf-ray", "8f-FRA"),
            ("x-signalbox-upstream-x-ratelimit-remaining-tokens", "149984"),
            ("x-signalbox-upstream-anthropic-ratelimit-requests-reset", "2026-11-26T00:00:00Z"),
        ];
        assert_eq!(ours, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
