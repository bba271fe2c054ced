//! JSON values by their source text: what they are, and what single ones say. Servers are loose with them, so nothing here fails.

use std::borrow::Cow;

use serde_json::value::RawValue;

/// What a JSON value is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A list.
    List,
    /// An object.
    Object,
    /// `null`, or nothing.
    Null,
}

/// The kind of a value.
pub fn kind_of(raw: &RawValue) -> Kind {
    kind(raw.get())
}

/// The kind of a value by its source text.
pub fn kind(text: &str) -> Kind {
    match text.as_bytes().first() {
        Some(b'"') => Kind::Text,
        Some(b'[') => Kind::List,
        Some(b'{') => Kind::Object,
        Some(b't' | b'f') => Kind::Flag,
        Some(b'n') | None => Kind::Null,
        Some(_) => Kind::Number,
    }
}

/// The text between a JSON string's quotes, escapes kept; `None` for other kinds.
pub fn inside_quotes(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.strip_suffix('"')
}

/// A JSON string's text; `None` for other kinds.
pub fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    text_of(raw.get())
}

/// The same by its source text. A lone surrogate (some servers cut pairs) becomes U+FFFD.
pub fn text_of(text: &str) -> Option<Cow<'_, str>> {
    let inside = inside_quotes(text)?;
    if memchr::memchr(b'\\', inside.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inside));
    }
    Some(Cow::Owned(super::from_str(text).unwrap_or_else(|_| unescape(inside))))
}

/// A string that says something: `None` for other kinds and for `""`.
pub fn filled(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    raw.and_then(string).filter(|text| !text.is_empty())
}

/// A string's text or a number's digits, for ids and codes that servers write either way; `None` when empty.
pub fn word(raw: Option<&RawValue>) -> Option<Cow<'_, str>> {
    match kind_of(raw?) {
        Kind::Number => raw.map(|raw| Cow::Borrowed(raw.get())),
        _ => filled(raw),
    }
}

/// A member of an object as text; `None` where it is absent, empty or no string.
pub fn read_member(object: &RawValue, name: &str) -> Option<String> {
    let members = super::Members::read(object.get().as_bytes()).ok()?;
    filled(members.present(name)).map(Into::into)
}

/// A count; fractions are cut off, anything but a non-negative number is `None`.
pub fn count(raw: Option<&RawValue>) -> Option<u64> {
    let text = raw?.get();
    text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // Larger values saturate.
        (number >= 0.0).then_some(number as u64)
    })
}

/// Whether a value says anything: not `null`, `""`, `[]`, `{}` or `false`.
pub fn says_something(raw: &RawValue) -> bool {
    let text = raw.get();
    !matches!(text, "null" | "\"\"" | "[]" | "{}" | "false") && !is_hollow(text)
}

fn is_hollow(text: &str) -> bool {
    let inside = text.strip_prefix(['[', '{']).and_then(|text| text.strip_suffix([']', '}']));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// Undoes escapes without ever failing: what is no escape stays, a lone surrogate becomes U+FFFD.
pub fn unescape(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(rest.get(..at).unwrap_or_default());
        let escape = rest.get(at + 1..).unwrap_or_default();
        let mut chars = escape.chars();
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let (decoded, used) = code_point(escape);
                out.push(decoded);
                rest = escape.get(used..).unwrap_or_default();
                continue;
            }
            Some(other) => out.push(other),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out
}

/// The character of `uXXXX` or `uXXXX\uXXXX` and the bytes it takes.
fn code_point(escape: &str) -> (char, usize) {
    let unit = |at: usize| {
        let digits = escape.get(at..at + 4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
        u32::from_str_radix(digits, 16).ok()
    };
    let Some(first) = unit(1) else { return (char::REPLACEMENT_CHARACTER, escape.len().min(1)) };
    if (0xD800..0xDC00).contains(&first) && escape.get(5..7) == Some("\\u") {
        if let Some(second) = unit(7).filter(|second| (0xDC00..0xE000).contains(second)) {
            let joined = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
            return (char::from_u32(joined).unwrap_or(char::REPLACEMENT_CHARACTER), 11);
        }
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn unescaping_agrees_with_the_json_parser_and_survives_lone_surrogates() {
        for text in [r#""a\n\t\r\b\f\"\\\/z""#, r#""\u00e9\ud83d\ude00\u4e2d!""#, r#""plain ü 😀""#, r#""""#] {
            let parsed: String = serde_json::from_str(text).unwrap();
            assert_eq!(unescape(text.trim_matches('"')), parsed);
            assert_eq!(string(&raw(text)).unwrap(), parsed);
        }
        assert_eq!(string(&raw(r#""a\ud83d b""#)).unwrap(), "a\u{fffd} b");
        assert_eq!(string(&raw(r#""\ud83d\u0041\ude00""#)).unwrap(), "\u{fffd}A\u{fffd}");
        assert_eq!(unescape("cut \\u00"), "cut \u{fffd}00");
        assert_eq!(unescape("cut \\"), "cut ");
    }

    #[test]
    fn loose_scalars_are_read_as_what_they_mean() {
        assert_eq!(count(Some(&raw("12"))), Some(12));
        assert_eq!(count(Some(&raw("12.0"))), Some(12));
        assert_eq!(count(Some(&raw("-1"))), None);
        assert_eq!(count(Some(&raw("\"12\""))), None);
        assert_eq!(word(Some(&raw("3280"))).unwrap(), "3280");
        assert_eq!(word(Some(&raw("\"\""))), None);
        assert!(!says_something(&raw("[ ]")) && !says_something(&raw("null")) && says_something(&raw("[0]")));
    }
}
