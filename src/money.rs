//! Picodollars as text. JSON numbers are floats in JavaScript, so money crosses every border as a string.

use std::fmt;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Picodollars in a dollar.
pub const PICO_PER_USD: u128 = 1_000_000_000_000;

/// Decimals of a dollar that a picodollar needs.
const DECIMALS: usize = 12;

/// Exact decimal US dollars without exponent or trailing zeros: `0.00012`, `3`, `0`.
#[must_use]
pub fn usd(picousd: u128) -> String {
    let (whole, part) = (picousd / PICO_PER_USD, picousd % PICO_PER_USD);
    if part == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{part:0DECIMALS$}");
    text.trim_end_matches('0').to_owned()
}

/// Reads plain decimal US dollars (digits, then at most twelve decimals) into picodollars. `None` for anything else:
/// signs, exponents, blanks, `NaN`, more decimals, more than some 18 million dollars.
#[must_use]
pub fn parse_usd(text: &str) -> Option<u64> {
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || fraction.len() > DECIMALS || !digits(whole) || !digits(fraction) {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let fraction: u128 = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    u64::try_from(whole.checked_mul(PICO_PER_USD)?.checked_add(fraction)?).ok()
}

/// A sum of picodollars; decimal text in JSON, because sums pass 2⁵³ (about 9,000 dollars).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PicoSum(pub u128);

impl PicoSum {
    /// The sum with more in it.
    #[must_use]
    pub fn plus(self, picousd: u64) -> Self {
        Self(self.0.saturating_add(u128::from(picousd)))
    }

    /// Decimal dollars.
    #[must_use]
    pub fn usd(self) -> String {
        usd(self.0)
    }
}

impl Serialize for PicoSum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PicoSum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(IntegerText).map(Self)
    }
}

/// Digits in a string, as wide as a sum can be.
struct IntegerText;

impl Visitor<'_> for IntegerText {
    type Value = u128;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer in a string")
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<u128, E> {
        // `u128::from_str` takes a leading plus sign; ours never writes one.
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| text.parse().ok()).flatten().ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

/// Serde for picodollars of one attempt as text: `#[serde(with = "picousd_text")]`.
pub mod picousd_text {
    use serde::de::Error;

    use super::{Deserializer, IntegerText, Serializer};

    /// Writes decimal text.
    ///
    /// # Errors
    /// The serializer's own.
    pub fn serialize<S: Serializer>(picousd: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(picousd)
    }

    /// Reads decimal text.
    ///
    /// # Errors
    /// Anything but digits within 64 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let wide = deserializer.deserialize_str(IntegerText)?;
        u64::try_from(wide).map_err(|_| D::Error::custom("more picodollars than one attempt can cost"))
    }
}

/// A limit in US dollars as people write it (`"12.50"`, `12.5`, `12`), kept in picodollars. Negative, not finite, or more
/// than twelve decimals does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(pub u64);

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&usd(u128::from(self.0)))
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dollars;
        impl Visitor<'_> for Dollars {
            type Value = Usd;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("decimal US dollars, not negative")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Usd, E> {
                parse_usd(text).map(Usd).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Usd, E> {
                self.visit_str(&dollars.to_string())
            }
            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Usd, E> {
                // A float prints as the shortest decimal that reads back as itself: what the author wrote.
                self.visit_str(&dollars.to_string())
            }
        }
        deserializer.deserialize_any(Dollars)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dollars_are_exact_and_short() {
        for (picousd, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (120_000_000, "0.00012"),
            (12_300_000_000, "0.0123"),
            (PICO_PER_USD, "1"),
            (10 * PICO_PER_USD, "10"),
            (3 * PICO_PER_USD / 2, "1.5"),
            (u128::from(u64::MAX), "18446744.073709551615"),
        ] {
            assert_eq!(usd(picousd), text);
        }
    }

    #[test]
    fn only_plain_decimals_are_dollars() {
        assert_eq!(parse_usd("12.50"), Some(12_500_000_000_000));
        assert_eq!(parse_usd("0"), Some(0));
        for text in ["", ".5", "1.", "-1", "+1", "1e3", "NaN", "inf", " 1", "0.0000000000001", "18446745", "1,5", "0x1"]
        {
            assert_eq!(parse_usd(text), None, "{text}");
        }
    }

    #[test]
    fn limits_are_read_as_people_write_them() {
        let read = |json: &str| serde_json::from_str::<Usd>(json).ok().map(|Usd(p)| usd(u128::from(p)));
        for (json, text) in [("\"12.50\"", "12.5"), ("12", "12"), ("0.1", "0.1"), ("1e-7", "0.0000001")] {
            assert_eq!(read(json).as_deref(), Some(text), "{json}");
        }
        for json in ["-1", "-0.5", "\"-1\"", "\"NaN\"", "null", "true", "1e30", "[]", "\"\""] {
            assert_eq!(read(json), None, "{json}");
        }
    }

    #[test]
    fn sums_beyond_doubles_keep_every_digit_in_json() {
        let sum = PicoSum(u128::from(u64::MAX) * 3 + 1);
        let json = serde_json::to_string(&sum).unwrap();
        assert_eq!(json, "\"55340232221128654846\"");
        assert_eq!(serde_json::from_str::<PicoSum>(&json).unwrap(), sum);
        for json in ["12", "\"\"", "\"-1\"", "\"+1\"", "\"1.0\""] {
            assert!(serde_json::from_str::<PicoSum>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn every_picodollar_survives_the_text(picousd: u64) {
            prop_assert_eq!(parse_usd(&usd(u128::from(picousd))), Some(picousd));
        }
    }
}
