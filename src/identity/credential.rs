//! Where official SDKs put the key, and here the token: one place, or several that agree. An assertion has a header of its
//! own.

use super::settings::Mode;
use crate::http::Headers;

/// Cloudflare Access's header.
pub const ACCESS_HEADER: &str = "cf-access-jwt-assertion";
/// Where an API gateway in front puts what it signs.
pub const ASSERTION_HEADER: &str = "x-signalbox-assertion";
/// Where a Worker says who calls, over a service binding that may say so. Anywhere else it means nothing.
pub const PRINCIPAL_HEADER: &str = "x-signalbox-principal";
/// Headers that carry nothing but a key: Anthropic, Gemini, Azure OpenAI.
const KEY_HEADERS: [&str; 3] = ["x-api-key", "x-goog-api-key", "api-key"];

/// Whether a header says who calls, in whatever mode: what stands in it belongs in no log, capture or errand.
#[must_use]
pub fn is_credential(name: &str) -> bool {
    const OTHERS: [&str; 5] =
        ["authorization", "proxy-authorization", ACCESS_HEADER, ASSERTION_HEADER, PRINCIPAL_HEADER];
    KEY_HEADERS.contains(&name) || OTHERS.contains(&name)
}

/// What a request brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Credential<'r> {
    /// Nothing.
    None,
    /// One token.
    Token {
        /// The token.
        token: &'r str,
        /// As what it came.
        via: Mode,
    },
    /// Something that cannot be a token, such as another authorisation scheme.
    Unusable,
    /// Two that differ: whose call this is would depend on who reads it.
    Several,
    /// A key in the URL, which every log on the way keeps.
    InQuery,
}

/// Finds the credential among those that `modes` look at.
///
/// Whoever adds an assertion adds it to calls whose SDK insists on sending a key as well; beside an assertion a key without
/// a dot, which cannot be a token, is taken for the placeholder that it is.
#[must_use]
pub fn find<'r>(headers: &'r Headers, query: &str, modes: &[Mode]) -> Credential<'r> {
    if key_in(query) {
        return Credential::InQuery;
    }
    let mut found: Vec<Credential<'r>> = Vec::new();
    for (name, value) in headers.iter().filter(|_| modes.contains(&Mode::Jwt)) {
        if name == "authorization" {
            found.push(bearer(value));
        } else if KEY_HEADERS.contains(&name) && !value.trim().is_empty() {
            found.push(token(value.trim()));
        }
    }
    for (header, via) in [(ACCESS_HEADER, Mode::CloudflareAccess), (ASSERTION_HEADER, Mode::SignedHeader)] {
        let assertions: Vec<&str> = headers.iter().filter(|(name, _)| *name == header).map(|(_, v)| v).collect();
        if modes.contains(&via) && !assertions.is_empty() {
            found.retain(|other| !matches!(other, Credential::Token { token, .. } if !token.contains('.')));
            found.extend(assertions.into_iter().map(|v| Credential::Token { token: v.trim(), via }));
        }
    }
    let mut found = found.into_iter();
    let Some(first) = found.next() else { return Credential::None };
    if found.all(|other| other == first) {
        first
    } else {
        Credential::Several
    }
}

fn token(token: &str) -> Credential<'_> {
    // A comma joins two headers of one name, and no token has one.
    if token.contains(',') {
        Credential::Several
    } else {
        Credential::Token { token, via: Mode::Jwt }
    }
}

fn bearer(value: &str) -> Credential<'_> {
    if value.contains(',') {
        return Credential::Several;
    }
    match value.trim().split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("bearer") && !rest.trim().is_empty() => token(rest.trim()),
        _ => Credential::Unusable,
    }
}

/// Whether a parameter carries anything in which clients put keys: Gemini's `key`, and what other APIs call theirs.
fn key_in(query: &str) -> bool {
    const NAMES: [&str; 5] = ["key", "api_key", "api-key", "apikey", "access_token"];
    let is_key = |name: &str| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(name, value)| is_key(name) && !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[(&str, &str)], query: &str) -> String {
        let headers: Headers = headers.iter().copied().collect();
        match find(&headers, query, &[Mode::Jwt, Mode::CloudflareAccess, Mode::SignedHeader]) {
            Credential::None => "none".into(),
            Credential::Unusable => "unusable".into(),
            Credential::Several => "several".into(),
            Credential::InQuery => "in query".into(),
            Credential::Token { token, via: Mode::CloudflareAccess } => format!("{token} via access"),
            Credential::Token { token, via: Mode::SignedHeader } => format!("{token} asserted"),
            Credential::Token { token, .. } => token.into(),
        }
    }

    #[test]
    fn every_sdk_puts_its_key_where_it_is_found() {
        for (headers, query, expected) in [
            (&[][..], "", "none"),
            (&[("authorization", "Bearer a.b.c")], "", "a.b.c"),
            (&[("authorization", "bearer  a.b.c ")], "", "a.b.c"),
            (&[("x-api-key", "a.b.c")], "", "a.b.c"),
            (&[("x-goog-api-key", "a.b.c")], "", "a.b.c"),
            (&[("api-key", "a.b.c")], "", "a.b.c"),
            (&[("cf-access-jwt-assertion", "a.b.c")], "", "a.b.c via access"),
            (&[("x-signalbox-assertion", "a.b.c")], "", "a.b.c asserted"),
            (&[("x-api-key", "")], "monkey=1&key=", "none"),
        ] {
            assert_eq!(found(headers, query), expected, "{headers:?} {query}");
        }
    }

    #[test]
    fn places_that_agree_are_one_credential_and_others_are_too_many() {
        for (headers, query, expected) in [
            (&[("authorization", "Bearer a.b.c"), ("x-api-key", "a.b.c")][..], "", "a.b.c"),
            (&[("authorization", "Bearer a.b.c"), ("x-api-key", "a.b.d")], "", "several"),
            (&[("authorization", "Bearer a.b.c"), ("authorization", "Bearer a.b.d")], "", "several"),
            (&[("authorization", "Bearer a.b.c, Bearer a.b.c")], "", "several"),
            (&[("authorization", "Basic x"), ("x-api-key", "a.b.c")], "", "several"),
            (&[("x-api-key", "a.b.c,a.b.d")], "", "several"),
        ] {
            assert_eq!(found(headers, query), expected, "{headers:?} {query}");
        }
    }

    #[test]
    fn a_key_in_the_url_is_never_taken() {
        for query in [
            "alt=sse&key=a.b.c",
            "key=a%2Eb.c&alt=sse",
            "key=a&key=b",
            "Key=a",
            "api-key=a",
            "api_key=a",
            "access_token=a.b.c",
        ] {
            assert_eq!(found(&[], query), "in query", "{query}");
            assert_eq!(found(&[("x-goog-api-key", "a.b.c")], query), "in query", "{query}");
        }
        assert_eq!(found(&[("x-goog-api-key", "a.b.c")], "monkey=1&key=&key"), "a.b.c");
    }

    #[test]
    fn what_is_no_bearer_token_is_not_taken_for_one() {
        for value in ["a.b.c", "Basic dTpw", "Bearer", "Bearer ", "", "Token a.b.c"] {
            assert_eq!(found(&[("authorization", value)], ""), "unusable", "{value}");
        }
    }

    #[test]
    fn beside_an_assertion_a_placeholder_key_does_not_count_and_a_token_does() {
        let assertion = ("cf-access-jwt-assertion", "a.b.c");
        assert_eq!(found(&[assertion, ("x-api-key", "unused")], ""), "a.b.c via access");
        assert_eq!(found(&[assertion, ("authorization", "Bearer unused")], ""), "a.b.c via access");
        assert_eq!(found(&[assertion, ("x-api-key", "x.y.z")], ""), "several");
        assert_eq!(found(&[assertion, ("x-signalbox-assertion", "a.b.c")], ""), "several");
        for header in ["cf-access-jwt-assertion", "x-signalbox-assertion", "x-signalbox-principal"] {
            let headers: Headers = [(header, "a.b.c")].into_iter().collect();
            assert_eq!(find(&headers, "", &[Mode::Jwt]), Credential::None, "where it is not configured: {header}");
        }
        let key: Headers = [("x-api-key", "a.b.c"), ("x-signalbox-assertion", "d.e.f")].into_iter().collect();
        let asserted = Credential::Token { token: "d.e.f", via: Mode::SignedHeader };
        assert_eq!(find(&key, "", &[Mode::SignedHeader]), asserted, "keys are nothing where no token is expected");
    }
}
