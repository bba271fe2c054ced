//! Browsers: which origins may call, and what they may send and read. Preflights are answered before authentication;
//! every answer to an allowed origin, errors and streams included, carries the same headers (`security.md` §2).

use crate::http::Headers;

const METHODS: &str = "GET, POST, DELETE, OPTIONS";
// Chrome caps a preflight's life at two hours.
const MAX_AGE_SECONDS: &str = "7200";
const EXPOSED: &str = "x-request-id, request-id, retry-after, x-should-retry, traceparent, x-signalbox-request-id, \
     x-signalbox-model, x-signalbox-policy, x-signalbox-attempts, x-signalbox-losses, x-signalbox-cost-usd, \
     x-signalbox-cost-certainty, x-signalbox-stream-id, x-signalbox-feedback";

/// The origin to echo, if it may call: an exact match with the configured list, or any origin where `any` holds
/// (`local` mode without a list).
#[must_use]
pub fn allowed_origin<'h>(headers: &'h Headers, origins: &[String], any: bool) -> Option<&'h str> {
    let origin = headers.value("origin")?;
    let listed = origins.iter().any(|o| o == origin);
    ((listed || (any && origins.is_empty())) && origin != "null").then_some(origin)
}

/// Adds what a browser needs to read an answer.
pub fn add_headers(headers: &mut Headers, origin: Option<&str>) {
    headers.push("vary", "Origin");
    if let Some(origin) = origin {
        headers.push("access-control-allow-origin", origin);
        headers.push("access-control-expose-headers", EXPOSED);
    }
}

/// Lets a browser that may call read more headers of this answer than those that every answer has.
pub fn expose<'n>(headers: &mut Headers, names: impl Iterator<Item = &'n str>) {
    const EXPOSE: &str = "access-control-expose-headers";
    let Some(mut list) = headers.value(EXPOSE).map(str::to_owned) else { return };
    for name in names {
        list.push_str(", ");
        list.push_str(name);
    }
    headers.set(EXPOSE, list);
}

/// The headers of a preflight's answer. Header names that were asked for are granted where they are plain tokens:
/// SDKs send a changing set of `x-stainless-*` names, and the list protects nothing that the origin check does not.
#[must_use]
pub fn preflight(request: &Headers, origin: Option<&str>) -> Headers {
    let mut headers = Headers::new();
    add_headers(&mut headers, origin);
    if origin.is_some() {
        headers.push("access-control-allow-methods", METHODS);
        let wanted = request.value("access-control-request-headers").unwrap_or("authorization, content-type");
        let granted: Vec<&str> = wanted.split(',').map(str::trim).filter(|name| is_token(name)).take(64).collect();
        headers.push("access-control-allow-headers", granted.join(", "));
        headers.push("access-control-max-age", MAX_AGE_SECONDS);
    }
    headers
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(origin: &str) -> Headers {
        [("origin", origin)].into_iter().collect()
    }

    #[test]
    fn only_listed_origins_may_call() {
        let list = vec!["https://app.example.com".to_owned()];
        assert_eq!(allowed_origin(&from("https://app.example.com"), &list, false), Some("https://app.example.com"));
        for bad in ["https://app.example.com.evil.io", "http://app.example.com", "https://APP.example.com", "null"] {
            assert_eq!(allowed_origin(&from(bad), &list, true), None, "{bad}");
        }
        assert_eq!(allowed_origin(&from("https://x.example"), &[], false), None);
        assert_eq!(allowed_origin(&from("https://x.example"), &[], true), Some("https://x.example"));
        assert_eq!(allowed_origin(&from("null"), &[], true), None);
    }

    #[test]
    fn a_preflight_grants_plain_names_only() {
        let request: Headers = [("access-control-request-headers", "authorization, x-stainless-os, bad name, x\r\ny")]
            .into_iter()
            .collect();
        let answer = preflight(&request, Some("https://app.example.com"));
        assert_eq!(answer.value("access-control-allow-headers"), Some("authorization, x-stainless-os"));
        assert_eq!(preflight(&request, None).value("access-control-allow-origin"), None);
    }
}
