//! A count of tokens as a provider writes it.

use serde_json::value::RawValue;

use crate::json::scalar::{count, inside_quotes};

/// The largest count that is believed: ten times the largest window that anyone sells (ten million tokens), for a provider's
/// own tools read a prompt again and again. What lies beyond is a fault of the provider's, and is no bill: taken at its word,
/// one such answer would use up a caller's limit for years.
const MOST: u64 = 100_000_000;

/// Reads a count, which may be a text of digits; `None` where it says nothing: it is absent, negative or absurd.
pub fn read(raw: Option<&RawValue>) -> Option<u64> {
    match inside_quotes(raw?.get()) {
        Some(digits) => digits.parse().ok(),
        None => count(raw),
    }
    .and_then(plausible)
}

/// A count that may be true.
pub fn plausible(count: u64) -> Option<u64> {
    (count <= MOST).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_that_may_be_true() {
        for (text, tokens) in [
            ("10", Some(10)),
            ("0", Some(0)),
            ("12.0", Some(12)),
            ("\"10\"", Some(10)),
            ("100000000", Some(100_000_000)),
            ("100000001", None),
            ("4000000000000", None),
            ("\"4000000000000\"", None),
            ("1e30", None),
            ("-10", None),
            ("\"-10\"", None),
            ("\"ten\"", None),
            ("\"\"", None),
            ("null", None),
            ("[10]", None),
        ] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(read(Some(&raw)), tokens, "{text}");
        }
        assert_eq!(read(None), None);
    }
}
