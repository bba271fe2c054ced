//! One reader of JSON text for the whole code base.
//!
//! `serde_json` compiles every type once per kind of source. Bytes are therefore checked to be text first and read as text:
//! that halves what reading adds to the wasm, and what nests as source text is not checked again at every level.

use serde::Deserialize;
use serde_json::value::RawValue;

/// Reads bytes that should be JSON.
///
/// # Errors
/// As `serde_json::from_slice`: with the place of what is no JSON, or not a `T`.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => Err(not_text(bytes)),
    }
}

/// What `serde_json` says of bytes that are not UTF-8.
fn not_text(bytes: &[u8]) -> serde_json::Error {
    match serde_json::from_slice::<&RawValue>(bytes) {
        Err(error) => error,
        Ok(_) => serde::de::Error::custom("the text is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_a_syntax_error_with_its_place() {
        for bytes in [&b"{\"a\":\"\xff\"}"[..], b"\xff", b"{} \xff", b"{\"\xc3\":1}"] {
            let error = from_slice::<serde_json::Value>(bytes).unwrap_err();
            assert!(error.is_syntax() && error.line() == 1, "{bytes:?}: {error}");
        }
    }

    #[test]
    fn text_is_read_as_it_stands() {
        assert_eq!(from_slice::<Vec<&str>>(b"[\"\xc3\xa4\"]").unwrap(), ["\u{e4}"]);
        assert!(from_slice::<Vec<&str>>(b"[\"a\"").unwrap_err().is_eof());
    }
}
