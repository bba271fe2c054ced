//! Values as Google's JSON form of protocol buffers writes them, and the place of one that is wrong.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::{fields, tokens};

/// Between the place of an error and what is wrong there. Names of members do not hold it, and `serde` escapes what it quotes.
const PLACE: char = '\u{1}';

/// Puts the member or item (`[3]`) that was being read before the error's text, so that the whole path stands there in the
/// end. What is no JSON at all has a line and a column already.
#[cold]
pub fn within<E: Error>(name: &str, error: E) -> E {
    let text = error.to_string();
    if !text.contains(", expected ") {
        return error;
    }
    let joint = match text.contains(PLACE) {
        false => "\u{1}",
        true if text.starts_with('[') => "",
        true => ".",
    };
    E::custom(format_args!("{}{joint}{text}", fields::camel(name)))
}

/// The path and the rest of such a text.
pub fn place_of(text: &str) -> (&str, &str) {
    text.split_once(PLACE).unwrap_or(("", text))
}

/// Text, borrowed where the source has no escapes.
#[derive(Debug, Clone, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Deref for Text<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole number. What 64 bits cannot hold is the greatest or least that they can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int(pub i64);

impl Int {
    /// The number, 0 for negative ones.
    pub fn count(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0)
    }

    /// The number as one of tokens.
    pub fn tokens(self) -> Option<u64> {
        u64::try_from(self.0).ok().and_then(tokens::plausible)
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = digits(deserializer)?;
        let whole = text.parse().ok().or_else(|| Number::of(text)?.whole());
        whole.map(Int).ok_or_else(|| unlike("a whole number"))
    }
}

/// A number with or without a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Number {
    /// JSON has no infinities, so that the words for them are not passed on either.
    fn of(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite()).map(Self)
    }

    /// The number without its fraction of zero, as near as 64 bits come to it.
    pub fn whole(self) -> Option<i64> {
        // A float cast saturates; what is lost beyond 2^53 was lost in the sender's float already.
        #[allow(clippy::cast_possible_truncation)]
        (self.0.fract() == 0.0).then_some(self.0 as i64)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(digits(deserializer)?).ok_or_else(|| unlike("a number"))
    }
}

/// The source text of a number, which may stand in quotes.
fn digits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'de str, D::Error> {
    let text = <&RawValue>::deserialize(deserializer)?.get();
    Ok(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text))
}

fn unlike<E: Error>(expected: &str) -> E {
    E::invalid_value(Unexpected::Other("this"), &expected)
}

/// A list, or one element without brackets.
#[derive(Debug)]
pub struct Many<T>(pub Vec<T>);

impl<T> Default for Many<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Many<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ManyVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ManyVisitor<T> {
            type Value = Many<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                let at = |at: usize, error| within(&format!("[{at}]"), error);
                while let Some(item) = seq.next_element().map_err(|error| at(list.len(), error))? {
                    list.push(item);
                }
                Ok(Many(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let only = T::deserialize(MapAccessDeserializer::new(map));
                only.map(|only| Many(vec![only])).map_err(|error| within("[0]", error))
            }
        }
        deserializer.deserialize_any(ManyVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_texts_and_nothing_else() {
        for (json, number, whole) in [
            ("0.5", Some(0.5), None),
            ("\"0.5\"", Some(0.5), None),
            ("\"40\"", Some(40.0), Some(40)),
            ("40.0", Some(40.0), Some(40)),
            ("\"4e1\"", Some(40.0), Some(40)),
            ("-7", Some(-7.0), Some(-7)),
            ("9007199254740993", Some(9_007_199_254_740_992.0), Some(9_007_199_254_740_993)),
            ("1e20", Some(1e20), Some(i64::MAX)),
            ("\"NaN\"", None, None),
            ("\"inf\"", None, None),
            ("\"\"", None, None),
            ("\"", None, None),
            ("true", None, None),
            ("[1]", None, None),
        ] {
            assert_eq!(crate::json::from_str::<Number>(json).ok().map(|number| number.0), number, "{json}");
            assert_eq!(crate::json::from_str::<Int>(json).ok().map(|number| number.0), whole, "{json}");
        }
    }
}
