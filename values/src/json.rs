//! The top level of a JSON object by borrowed source text, and edits that keep every other byte.
//!
//! A request body is validated once, its members stay slices of it, and what goes upstream is the same text with a few
//! spans replaced. No tree is built (`workers.md` §2c has the measurements).

pub mod bounds;
mod objects;
mod read;
pub mod scalar;
pub mod scan;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::sorted;

pub use read::{from_slice, from_str};

/// The members of an object in source order, each value as its source text.
#[derive(Debug, Default)]
pub struct Members<'a> {
    source: &'a [u8],
    list: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// Why a body is not an object that can be read.
#[derive(Debug, PartialEq, Eq)]
pub enum MembersError {
    /// Not JSON; the text says where.
    Syntax(String),
    /// JSON, but not an object.
    NotAnObject,
    /// A member stands twice: providers disagree on which one counts, so neither is sent.
    Duplicate(String),
}

impl fmt::Display for MembersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(at) => write!(f, "the request body is not valid JSON: {at}"),
            Self::NotAnObject => f.write_str("the request body must be a JSON object"),
            Self::Duplicate(name) => write!(f, "the member {name:?} stands twice in the request body"),
        }
    }
}

struct Listed<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Listed<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Listed<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::with_capacity(12);
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    list.push((key, value));
                }
                Ok(Listed(list))
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// A name that stands twice. Real bodies have a dozen members; a hostile one with a million is sorted, not compared
/// pair by pair.
fn duplicate(list: &[(Cow<'_, str>, &RawValue)]) -> Option<String> {
    const FEW: usize = 24;
    if list.len() <= FEW {
        let again = |(at, (name, _)): (usize, &(Cow<'_, str>, _))| {
            list.iter().skip(at + 1).any(|(other, _)| other == name).then(|| name.to_string())
        };
        return list.iter().enumerate().find_map(again);
    }
    let mut names: Vec<&str> = list.iter().map(|(name, _)| name.as_ref()).collect();
    sorted::sort_by(&mut names, |one, other| one.cmp(other));
    names.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some((*one).to_owned()),
        _ => None,
    })
}

impl<'a> Members<'a> {
    /// Reads an object; the whole text is checked to be JSON.
    ///
    /// # Errors
    /// The caller's: see [`MembersError`].
    pub fn read(source: &'a [u8]) -> Result<Self, MembersError> {
        let Listed(list) = from_slice(source).map_err(|error| {
            if error.is_data() {
                MembersError::NotAnObject
            } else {
                MembersError::Syntax(error.to_string())
            }
        })?;
        match duplicate(&list) {
            Some(name) => Err(MembersError::Duplicate(name)),
            None => Ok(Self { source, list }),
        }
    }

    /// The source text that was read.
    #[must_use]
    pub fn source(&self) -> &'a [u8] {
        self.source
    }

    /// A member's source text.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.list.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }

    /// A member's source text, `None` also for `null`.
    #[must_use]
    pub fn present(&self, name: &str) -> Option<&'a RawValue> {
        self.raw(name).filter(|v| v.get() != "null")
    }

    /// A member read as `T`; `Ok(None)` when absent or null.
    ///
    /// # Errors
    /// When it is there and not a `T`.
    pub fn parse<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, serde_json::Error> {
        self.present(name).map(|raw| from_str(raw.get())).transpose()
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> + '_ {
        self.list.iter().map(|(n, v)| (n.as_ref(), *v))
    }

    fn span(&self, value: &RawValue) -> Range<usize> {
        let start = (value.get().as_ptr() as usize).saturating_sub(self.source.as_ptr() as usize);
        start..start + value.get().len()
    }

    /// The body with members set, added or removed; everything else byte for byte.
    #[must_use]
    pub fn edit(&self, edits: &[Edit<'_>]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.source.len() + 64);
        let mut kept_any = false;
        let mut cursor = 0;
        for (name, value) in &self.list {
            let span = self.span(value);
            let edit = edits.iter().find(|e| e.name() == name.as_ref());
            match edit {
                None => {
                    out.extend_from_slice(self.slice(cursor..span.end));
                    kept_any = true;
                }
                Some(Edit::Set(_, text)) => {
                    out.extend_from_slice(self.slice(cursor..span.start));
                    out.extend_from_slice(text.as_bytes());
                    kept_any = true;
                }
                // The separator before a removed member goes with it; a removed first member leaves its brace
                // and hands the next member's comma over to be skipped below.
                Some(Edit::Remove(_)) if !kept_any => {
                    if cursor == 0 {
                        out.extend_from_slice(self.slice(0..self.open_brace()));
                    }
                    cursor = self.after_comma(span.end);
                    continue;
                }
                Some(Edit::Remove(_)) => {}
            }
            cursor = span.end;
        }
        for edit in edits {
            if let Edit::Set(name, text) = edit {
                if self.raw(name).is_none() {
                    if !kept_any && cursor == 0 {
                        cursor = self.open_brace();
                        out.extend_from_slice(self.slice(0..cursor));
                    }
                    if kept_any {
                        out.push(b',');
                    }
                    out.extend_from_slice(&quoted(name));
                    out.push(b':');
                    out.extend_from_slice(text.as_bytes());
                    kept_any = true;
                }
            }
        }
        out.extend_from_slice(self.slice(cursor..self.source.len()));
        out
    }

    fn slice(&self, range: Range<usize>) -> &[u8] {
        self.source.get(range).unwrap_or_default()
    }

    fn open_brace(&self) -> usize {
        memchr::memchr(b'{', self.source).map_or(0, |at| at + 1)
    }

    /// The offset behind the comma that follows `end`, or `end` when none does.
    fn after_comma(&self, end: usize) -> usize {
        let rest = self.slice(end..self.source.len());
        match rest.iter().position(|b| !b.is_ascii_whitespace()) {
            Some(at) if rest.get(at) == Some(&b',') => end + at + 1,
            _ => end,
        }
    }
}

/// A change to one member.
#[derive(Debug, Clone)]
pub enum Edit<'e> {
    /// Replace or append a member; the text is JSON.
    Set(&'e str, Cow<'e, str>),
    /// Take a member out.
    Remove(&'e str),
}

impl Edit<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Remove(name) => name,
        }
    }
}

/// A string as JSON text.
#[must_use]
pub fn quoted(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_quoted(&mut out, text);
    out
}

/// Appends a string as JSON text.
pub fn write_quoted(out: &mut Vec<u8>, text: &str) {
    // Writing a str into a Vec has no error path.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(source: &str, edits: &[Edit<'_>]) -> String {
        String::from_utf8(Members::read(source.as_bytes()).unwrap().edit(edits)).unwrap()
    }

    #[test]
    fn an_edit_keeps_every_other_byte() {
        let source = "{ \"a\" : 1.0e3 ,\n\"model\":\"x\", \"b\":[ 1 , 2 ]\t}";
        assert_eq!(
            edited(source, &[Edit::Set("model", "\"y\"".into())]),
            "{ \"a\" : 1.0e3 ,\n\"model\":\"y\", \"b\":[ 1 , 2 ]\t}"
        );
        assert_eq!(edited(source, &[]), source);
    }

    #[test]
    fn members_can_be_removed_anywhere() {
        for (names, left) in [
            (&["a"][..], r#"{"b":2,"c":3}"#),
            (&["b"], r#"{"a":1,"c":3}"#),
            (&["c"], r#"{"a":1,"b":2}"#),
            (&["a", "b"], r#"{"c":3}"#),
            (&["b", "c"], r#"{"a":1}"#),
            (&["a", "c"], r#"{"b":2}"#),
            (&["a", "b", "c"], "{}"),
        ] {
            let edits: Vec<Edit<'_>> = names.iter().map(|n| Edit::Remove(n)).collect();
            assert_eq!(edited(r#"{"a":1,"b":2,"c":3}"#, &edits), left, "{names:?}");
        }
    }

    #[test]
    fn members_can_be_added_to_any_object() {
        assert_eq!(edited("{}", &[Edit::Set("a", "1".into())]), r#"{"a":1}"#);
        assert_eq!(edited(r#"{"b":2}"#, &[Edit::Set("a", "1".into())]), r#"{"b":2,"a":1}"#);
        assert_eq!(edited(r#" {"b":2} "#, &[Edit::Remove("b"), Edit::Set("a", "1".into())]), r#" {"a":1} "#);
    }

    #[test]
    fn what_is_not_an_object_is_told_apart() {
        assert_eq!(Members::read(b"[1]").unwrap_err(), MembersError::NotAnObject);
        assert!(matches!(Members::read(b"{\"a\":}").unwrap_err(), MembersError::Syntax(_)));
        assert_eq!(Members::read(b"{\"a\":1,\"\\u0061\":2}").unwrap_err(), MembersError::Duplicate("a".into()));
        let many: Vec<String> = (0..100_000).map(|n| format!("\"m{n}\":0")).collect();
        assert!(Members::read(format!("{{{}}}", many.join(",")).as_bytes()).is_ok());
        let twice = format!("{{{},\"m7\":1}}", many.join(","));
        assert_eq!(Members::read(twice.as_bytes()).unwrap_err(), MembersError::Duplicate("m7".into()));
    }
}
