//! One reader of JSON text for the whole code base.
//!
//! `serde_json` compiles every type once per kind of source. Bytes are therefore checked to be text first and read as text:
//! that halves what reading adds to the wasm, and what nests as source text is not checked again at every level. Structs are
//! read from objects alone ([`super::objects`]), which nearly halves it again.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::objects::Objects;

/// Reads text that should be JSON.
///
/// # Errors
/// As `serde_json::from_str`: with the place of what is no JSON, or not a `T`.
pub fn from_str<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    let mut source = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Objects(&mut source))?;
    source.end()?;
    Ok(value)
}

/// Reads bytes that should be JSON.
///
/// # Errors
/// The same.
pub fn from_slice<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, serde_json::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => from_str(text),
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
        assert!(from_str::<u8>("1 2").unwrap_err().is_syntax());
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind<'a> {
        None,
        Text(&'a str),
        Pair(u8, u8),
        Of { inner: Box<Struct<'a>> },
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Newtype(Option<i64>);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Struct<'a> {
        name: &'a str,
        #[serde(borrow, default)]
        kinds: Vec<Kind<'a>>,
        #[serde(default)]
        pair: Option<(u8, char)>,
        #[serde(default)]
        wrapped: Option<Newtype>,
    }

    #[test]
    fn a_struct_is_an_object_at_every_depth() {
        let inner = Struct { name: "in", kinds: vec![], pair: Some((1, 'c')), wrapped: Some(Newtype(Some(-2))) };
        let kinds = vec![Kind::None, Kind::Text("t"), Kind::Pair(3, 4), Kind::Of { inner: Box::new(inner) }];
        let text = r#"{"name":"out","kinds":["none",{"text":"t"},{"pair":[3,4]},
            {"of":{"inner":{"name":"in","pair":[1,"c"],"wrapped":-2}}}],"more":{"a":[{}]}}"#;
        assert_eq!(from_str::<Struct<'_>>(text).unwrap(), Struct { name: "out", kinds, pair: None, wrapped: None });
        for (listed, at) in [
            (r#"["out"]"#, "sequence, expected struct Struct at line 1 column 0"),
            (
                r#"{"name":"out","kinds":[{"of":[["in"]]}]}"#,
                "sequence, expected struct variant Kind::Of at line 1 column 29",
            ),
            (
                r#"{"name":"out","kinds":[{"of":{"inner":["in"]}}]}"#,
                "sequence, expected struct Struct at line 1 column 38",
            ),
        ] {
            let error = from_str::<Struct<'_>>(listed).unwrap_err().to_string();
            assert_eq!(error.strip_prefix("invalid type: "), Some(at), "{listed}");
        }
    }

    #[test]
    fn what_is_no_object_is_called_what_serde_calls_it() {
        for text in [
            r#""x""#,
            "7",
            "null",
            "true",
            r#"{"name":1}"#,
            r#"{"kinds":[]}"#,
            r#"{"name":"a","name":"b"}"#,
            "{",
            "{\"a\"}",
        ] {
            let ours = from_str::<Struct<'_>>(text).unwrap_err().to_string();
            assert_eq!(ours, serde_json::from_str::<Struct<'_>>(text).unwrap_err().to_string(), "{text}");
        }
    }

    #[test]
    fn source_text_inside_stays_a_slice_of_it() {
        let text = r#"{"a":[1, {"b" :2}]}"#;
        let members: std::collections::HashMap<&str, &RawValue> = from_str(text).unwrap();
        assert_eq!(members["a"].get(), r#"[1, {"b" :2}]"#);
    }
}
