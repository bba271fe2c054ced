//! A second look at JSON that is known to be valid.
//!
//! A request body is checked whole when its members are read ([`super::Members::read`]). To find a few members
//! inside a long `messages` or `tools` list after that, nothing need be checked again: strings are skipped by a search
//! for their closing quote and brackets are counted. On text that is no valid JSON the walk ends early or yields slices
//! without meaning, but it stays inside the text.

use std::borrow::Cow;

use super::scalar::{kind, text_of, Kind};

/// The items of a list as source text; none for other values.
pub fn items(list: &str) -> impl Iterator<Item = &str> {
    let mut cursor = Cursor::new(list);
    let opened = cursor.enter(Kind::List);
    std::iter::from_fn(move || (opened && cursor.more()).then(|| cursor.value()).flatten())
}

/// The members of an object as names and source text; none for other values.
pub fn entries(object: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut cursor = Cursor::new(object);
    let opened = cursor.enter(Kind::Object);
    std::iter::from_fn(move || {
        let name = if opened { cursor.name()? } else { return None };
        Some((name, cursor.value()?))
    })
}

/// A member's source text, `None` also for `null`; the last one where it stands twice.
pub fn entry<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    entries(object).filter(|(known, _)| known == name).last().map(|(_, value)| value).filter(|value| *value != "null")
}

/// A place in a text from which values are taken in order: entered where they matter, passed over where not. Each byte
/// is looked at once.
#[derive(Debug)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Before the first value.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// What the next value is.
    pub fn kind(&mut self) -> Kind {
        self.skip_between();
        kind(self.text.get(self.at..).unwrap_or_default())
    }

    /// Goes into a list or an object, if the next value is one.
    pub fn enter(&mut self, expected: Kind) -> bool {
        let is = self.kind() == expected;
        self.at += usize::from(is);
        is
    }

    /// Whether another item follows; leaves the list or object where none does.
    pub fn more(&mut self) -> bool {
        self.skip_between();
        match self.text.as_bytes().get(self.at) {
            None => false,
            Some(b']' | b'}') => {
                self.at += 1;
                false
            }
            Some(_) => true,
        }
    }

    /// The next member's name; leaves the object where none follows.
    pub fn name(&mut self) -> Option<Cow<'a, str>> {
        if self.more() {
            text_of(self.value()?)
        } else {
            None
        }
    }

    /// The next value's source text.
    pub fn value(&mut self) -> Option<&'a str> {
        self.skip_between();
        let start = self.at;
        self.at = end_of_value(self.text.as_bytes(), start)?;
        self.text.get(start..self.at)
    }

    fn skip_between(&mut self) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let between = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b':');
        self.at += rest.iter().position(|b| !between(b)).unwrap_or(rest.len());
    }
}

fn end_of_value(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    match rest.first()? {
        b'"' => end_of_string(bytes, start),
        b'{' | b'[' => end_of_brackets(bytes, start),
        b']' | b'}' => None,
        _ => {
            let length = rest.iter().position(|b| matches!(b, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
            Some(start + length.unwrap_or(rest.len()))
        }
    }
}

/// `start` is the opening quote.
fn end_of_string(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        at = quote_or_backslash(bytes, at)?;
        if bytes.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // A backslash and what it escapes.
        at += 2;
    }
}

/// Eight bytes at a time: `memchr` costs more than it finds where an escape stands in every line.
fn quote_or_backslash(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH_BITS: u64 = ONES << 7;
    // The high bit of each byte that is zero; bytes above the lowest such byte may be marked wrongly.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH_BITS;
    while let Some(word) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(b'"'))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|b| matches!(b, b'"' | b'\\')).map(|found| at + found)
}

/// `start` is the opening bracket.
fn end_of_brackets(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = start;
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = end_of_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn members_and_items_are_found_past_brackets_and_quotes_in_strings() {
        let object = "{ \"a\" : \"x}]\\\"{\" ,\n\"b\":[1, {\"c\":\"]\"} ,[]],\"\\u0064\":-1.5e3,\"e\":{},\"f\":null,\"e\":true }";
        let found: Vec<(String, &str)> = entries(object).map(|(name, value)| (name.into_owned(), value)).collect();
        let expected = [
            ("a", "\"x}]\\\"{\""),
            ("b", "[1, {\"c\":\"]\"} ,[]]"),
            ("d", "-1.5e3"),
            ("e", "{}"),
            ("f", "null"),
            ("e", "true"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(items("[1, {\"c\":\"]\"} ,[]]").collect::<Vec<_>>(), ["1", "{\"c\":\"]\"}", "[]"]);
        assert_eq!((entry(object, "e"), entry(object, "f"), entry(object, "z")), (Some("true"), None, None));
        assert_eq!(items("{}").count() + items("[]").count() + entries("[1]").count() + items("").count(), 0);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,8}".prop_map(Value::from),
            "[\"\\\\\\[\\]{},:]{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map("[a-z\"\\\\]{0,4}", inner, 0..5)
                    .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
            ]
        })
    }

    /// Puts the value together again from what the walk finds.
    fn walked(text: &str) -> Value {
        match kind(text) {
            Kind::List => items(text).map(walked).collect(),
            Kind::Object => entries(text).map(|(name, value)| (name.into_owned(), walked(value))).collect(),
            _ => serde_json::from_str(text).unwrap(),
        }
    }

    proptest! {
        #[test]
        fn the_walk_agrees_with_the_parser(value in any_json(), pretty in any::<bool>()) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert_eq!(walked(&text), value);
        }

        #[test]
        fn no_text_leads_it_astray(text in "[\\[\\]{}\",:\\\\a-z0 é]{0,40}") {
            for value in items(&text) {
                prop_assert!(text.contains(value));
            }
            entries(&text).for_each(|(_, value)| assert!(text.contains(value)));
        }
    }
}
