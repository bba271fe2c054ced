//! What lets somebody in: keys, tokens, passwords.

use std::ops::Range;

use super::in_word;

/// How keys begin, and the least number of characters that follow: as their makers document them.
const PREFIXES: [(&str, usize); 38] = [
    ("sk-", 16),
    ("sk_", 16),
    ("rk_live_", 8),
    ("rk_test_", 8),
    ("whsec_", 16),
    ("AIza", 30),
    ("gsk_", 20),
    ("xai-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 10),
    ("xoxp-", 10),
    ("xoxa-", 10),
    ("xoxs-", 10),
    ("xoxr-", 10),
    ("xapp-", 10),
    ("hf_", 20),
    ("r8_", 20),
    ("pplx-", 20),
    ("tgp_", 20),
    ("fw_", 16),
    ("nvapi-", 20),
    ("lsv2_", 20),
    ("npm_", 20),
    ("pypi-", 16),
    ("SG.", 20),
    ("ya29.", 20),
    ("dop_v1_", 20),
    ("shpat_", 16),
    ("sb_secret_", 16),
    ("AGE-SECRET-KEY-", 20),
];

/// Ends of the names of what is secret, without case and separators.
const NAMES: [&str; 22] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "passcode",
    "secret",
    "secretkey",
    "clientsecret",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "sessiontoken",
    "idtoken",
    "bearertoken",
    "credential",
    "credentials",
    "authorization",
    "cookie",
];

/// What stands behind such a name where it is described and not told.
const DESCRIPTIONS: [&str; 12] =
    ["string", "str", "text", "none", "null", "true", "false", "bool", "boolean", "required", "optional", "undefined"];

/// Whether a member of that name holds something secret.
#[must_use]
pub fn names_secret(name: &str) -> bool {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    NAMES.iter().any(|end| plain.ends_with(end))
}

/// Tells of every place.
pub fn find(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    prefixed(text, found);
    web_tokens(text, found);
    schemes(text, found);
    private_keys(text, found);
    named(text, found);
    in_urls(text, found);
}

/// A key's characters; what ends a sentence is none of them at its end.
fn token(bytes: &[u8], from: usize) -> Range<usize> {
    let of_token = |b: &&u8| b.is_ascii_alphanumeric() || b"_-.~+/=".contains(b);
    let rest = bytes.get(from..).unwrap_or_default();
    let mut length = rest.iter().take_while(of_token).count();
    while length > 0 && rest.get(length - 1).is_some_and(|b| matches!(b, b'.' | b'/' | b'~' | b'-')) {
        length -= 1;
    }
    from..from + length
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|before| !in_word(*before))
}

fn prefixed(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let firsts: Vec<u8> = PREFIXES.iter().filter_map(|(prefix, _)| prefix.bytes().next()).collect();
    for (at, _) in bytes.iter().enumerate().filter(|(at, byte)| firsts.contains(byte) && starts_word(bytes, *at)) {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((prefix, least)) = PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes())) else {
            continue;
        };
        let tail = token(bytes, at + prefix.len());
        // Words with hyphens begin like keys (`sk-learn`), and have no digits.
        let random = bytes.get(tail.clone()).is_some_and(|tail| tail.iter().any(u8::is_ascii_digit));
        if tail.len() >= *least && (random || tail.len() >= 40) {
            found(at..tail.end);
        }
    }
}

/// RFC 7515 §3.1: base64url of `{"` begins with `eyJ`.
fn web_tokens(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices("eyJ").filter(|(at, _)| starts_word(bytes, *at)) {
        let whole = token(bytes, at);
        let parts = bytes.get(whole.clone()).unwrap_or_default().split(|b| *b == b'.').filter(|part| part.len() >= 4);
        if parts.count() >= 2 {
            found(whole);
        }
    }
}

/// RFC 6750 and 7617: what follows `Bearer` and `Basic`.
fn schemes(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b'b', b'B', bytes) {
        let word = [&b"bearer "[..], b"basic "]
            .into_iter()
            .find(|word| bytes.get(at..at + word.len()).is_some_and(|there| there.eq_ignore_ascii_case(word)));
        let Some(word) = word.filter(|_| starts_word(bytes, at)) else { continue };
        let tail = token(bytes, at + word.len());
        let there = bytes.get(tail.clone()).unwrap_or_default();
        // A word of a sentence has neither digits nor capitals within it.
        let random = there.iter().skip(1).any(|b| b.is_ascii_digit() || b.is_ascii_uppercase() || *b == b'=');
        if tail.len() >= 8 && (random || tail.len() >= 24) {
            found(tail);
        }
    }
}

/// RFC 7468: the whole block, or all that is there of it.
fn private_keys(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    for (at, _) in text.match_indices("-----BEGIN ") {
        let rest = text.get(at..).unwrap_or_default();
        let label = rest.lines().next().unwrap_or_default();
        if !label.get(..label.len().min(80)).unwrap_or_default().contains("PRIVATE KEY") {
            continue;
        }
        let end = rest.find("-----END ").map_or(rest.len(), |from| {
            let last = rest.get(from + 9..).unwrap_or_default();
            last.find("-----").map_or(rest.len(), |length| from + 9 + length + 5)
        });
        found(at..at + end);
    }
}

/// `password: x`, `api_key=x`, `"client_secret": "x"`.
fn named(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    for sign in memchr::memchr2_iter(b':', b'=', bytes) {
        let before = text.get(..sign).unwrap_or_default().trim_end_matches([' ', '"', '\'', '\\', '`']);
        let length = before.bytes().rev().take(64).take_while(|b| in_word(*b) || *b == b'-').count();
        let name = before.get(before.len() - length..).unwrap_or_default();
        if length < 3 || !names_secret(name) {
            continue;
        }
        let after = text.get(sign + 1..).unwrap_or_default();
        let value = after.trim_start_matches([' ', '\t', '=', '>', '\\']);
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
        let from = sign + 1 + (after.len() - value.len()) + quote.map_or(0, char::len_utf8);
        let rest = text.get(from..).unwrap_or_default();
        let ends = |c: char| match quote {
            Some(quote) => c == quote || c == '\\',
            None => c.is_whitespace() || "\"'`,;&<>(){}[]\\".contains(c),
        };
        let end = rest.find(ends).unwrap_or(rest.len());
        let told = rest.get(..end).unwrap_or_default();
        let described = DESCRIPTIONS.contains(&told.to_ascii_lowercase().as_str()) || told.starts_with('[');
        if told.len() >= 4 && !described {
            found(from..from + end);
        }
    }
}

/// RFC 3986 §3.2.1: `scheme://user:password@host`.
fn in_urls(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    for (at, mark) in text.match_indices("://") {
        let from = at + mark.len();
        let rest = text.get(from..).unwrap_or_default();
        let authority = rest.split(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).next().unwrap_or_default();
        if let Some((user, _)) = authority.rsplit_once('@').filter(|(user, _)| user.contains(':')) {
            found(from..from + user.len());
        }
    }
}
