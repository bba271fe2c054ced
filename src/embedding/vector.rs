//! One vector in either encoding: a JSON array of numbers, or base64 of little-endian 32-bit floats.

use std::borrow::Cow;

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::StreamFault;

/// The vector as a JSON array. An array stays as it is.
///
/// # Errors
/// The provider's: neither an array nor base64 of whole finite floats.
pub fn as_array(json: &str) -> Result<Cow<'_, str>, StreamFault> {
    if json.starts_with('[') {
        return Ok(Cow::Borrowed(json));
    }
    let text: Cow<'_, str> = crate::json::from_str::<Text<'_>>(json).map_err(|_| broken())?.0;
    let bytes = STANDARD.decode(text.as_bytes()).map_err(|_| broken())?;
    let (floats, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(broken());
    }
    let mut out = String::with_capacity(floats.len() * 12 + 2);
    for float in floats {
        let float = f32::from_le_bytes(*float);
        if !float.is_finite() {
            return Err(broken());
        }
        out.push(if out.is_empty() { '[' } else { ',' });
        // The shortest text that reads back as the same float.
        out.push_str(&float.to_string());
    }
    if out.is_empty() {
        out.push('[');
    }
    out.push(']');
    Ok(Cow::Owned(out))
}

/// The vector as a JSON text of base64. Base64 stays as it is.
///
/// # Errors
/// The provider's: neither base64 nor an array of numbers that 32 bits can hold.
pub fn as_base64(json: &str) -> Result<Cow<'_, str>, StreamFault> {
    if json.starts_with('"') {
        return Ok(Cow::Borrowed(json));
    }
    let numbers: Vec<&RawValue> = crate::json::from_str(json).map_err(|_| broken())?;
    let mut bytes = Vec::with_capacity(numbers.len() * 4);
    for number in numbers {
        // Read as 32 bits at once: by way of 64 some numbers would be rounded twice.
        let float = number.get().parse::<f32>().ok().filter(|float| float.is_finite()).ok_or_else(broken)?;
        bytes.extend_from_slice(&float.to_le_bytes());
    }
    Ok(Cow::Owned(format!("\"{}\"", STANDARD.encode(bytes))))
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn broken() -> StreamFault {
    StreamFault::Malformed("a vector that is neither an array of floats nor base64 of some".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_in_the_encoding_already_stays_as_it_is() {
        assert!(matches!(as_array("[ 0.10, -2e-3 ]"), Ok(Cow::Borrowed("[ 0.10, -2e-3 ]"))));
        assert!(matches!(as_base64("\"AACAPw==\""), Ok(Cow::Borrowed("\"AACAPw==\""))));
    }

    #[test]
    fn the_bytes_are_little_endian() {
        assert_eq!(as_base64("[1, -2.5]").unwrap(), "\"AACAPwAAIMA=\"");
        assert_eq!(as_array("\"AACAPwAAIMA=\"").unwrap(), "[1,-2.5]");
        assert_eq!((as_base64("[]").unwrap(), as_array("\"\"").unwrap()), ("\"\"".into(), "[]".into()));
    }

    #[test]
    fn what_is_no_vector_is_refused() {
        for json in ["[\"a\"]", "[1,null]", "[1e99]", "[[1]]", "[1", "{}", "1"] {
            assert!(as_base64(json).is_err(), "{json}");
        }
        for json in ["\"AAA\"", "\"AACAPwA=\"", "\"AADAfw==\"", "\"AACAfw==\"", "{}", "1"] {
            assert!(as_array(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn floats_survive_both_ways_bit_by_bit(bits in prop::collection::vec(any::<u32>(), 0..40)) {
            let floats: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|f| f.is_finite()).collect();
            let array = format!("[{}]", floats.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
            let base64 = as_base64(&array).unwrap().into_owned();
            prop_assert_eq!(as_array(&base64).unwrap(), array.as_str());
            let bytes: Vec<u8> = floats.iter().flat_map(|f| f.to_le_bytes()).collect();
            prop_assert_eq!(base64, format!("\"{}\"", STANDARD.encode(bytes)));
        }
    }
}
