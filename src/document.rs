//! Documents that operators write (configuration, models, prices), read strictly: every member is known or refused, every
//! complaint names the path it is about, and reading goes on so that one pass reports everything that is wrong.
//!
//! These documents are read once per version, so they are trees; nothing on a request's path comes here.

use std::cell::RefCell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::json::Members;

/// One thing that is wrong in a document.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Where: `providers.acme.base_url`, `models["acme/big"].context`, `identity.issuers[0]`; empty = the whole document.
    pub path: String,
    /// What, for people. Never quotes a value that may be a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}

/// The complaints of one reading.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes a problem.
    pub fn add(&self, path: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.into(), message: message.into() });
    }

    /// The value, if nothing was wrong.
    ///
    /// # Errors
    /// Everything that was wrong; the operator's.
    pub fn verdict<T>(self, value: T) -> Result<T, Vec<Problem>> {
        let problems = self.0.into_inner();
        if problems.is_empty() {
            Ok(value)
        } else {
            Err(problems)
        }
    }
}

/// Reads the text of a document into a tree.
///
/// # Errors
/// Not JSON, or a member that stands twice in one object: one of the two would silently lose.
pub fn parse(text: &str) -> Result<Value, Problem> {
    let tree: Result<Tree, _> = crate::json::from_str(text);
    tree.map(|Tree(value)| value)
        .map_err(|error| Problem { path: String::new(), message: format!("not a JSON document: {error}") })
}

/// The line, from 1, at which a place stands in a document's text, or the nearest place around it that is written there.
/// `None` where not even its first member is.
#[must_use]
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    let (mut value, mut rest, mut found) = (text.trim_start(), path, None);
    while let Some((step, after)) = first_step(rest) {
        let inner = match step {
            Step::Member(name) => Members::read(value.as_bytes()).ok().and_then(|members| members.raw(&name)),
            Step::Index(at) => {
                crate::json::from_str::<Vec<&RawValue>>(value).ok().and_then(|list| list.get(at).copied())
            }
        };
        let Some(inner) = inner else { break };
        (value, rest, found) = (inner.get(), after, Some(inner.get()));
    }
    // A value is a slice of the text that it was read from.
    let at = (found?.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    Some(text.get(..at)?.matches('\n').count() + 1)
}

enum Step {
    Member(String),
    Index(usize),
}

/// The first step of a path as [`Item::path`] writes it, and what follows.
fn first_step(path: &str) -> Option<(Step, &str)> {
    if let Some(bracketed) = path.strip_prefix('[') {
        let mut read = serde_json::Deserializer::from_str(bracketed).into_iter::<Value>();
        let step = match read.next()?.ok()? {
            Value::String(name) => Step::Member(name),
            index => Step::Index(usize::try_from(index.as_u64()?).ok()?),
        };
        return Some((step, bracketed.get(read.byte_offset()..)?.strip_prefix(']')?));
    }
    let path = path.strip_prefix('.').unwrap_or(path);
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (name, rest) = path.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    Some((Step::Member(name.to_owned()), rest))
}

/// A tree whose objects have distinct member names.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Tree)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Tree(value)) = seq.next_element()? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Tree(value))) = map.next_entry::<String, Tree>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {name:?} stands twice in one object")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

/// A value and its place. Reading methods answer `None` after noting why.
#[derive(Debug, Clone)]
pub struct Item<'a> {
    path: String,
    value: &'a Value,
    problems: &'a Problems,
}

impl<'a> Item<'a> {
    /// The whole document.
    #[must_use]
    pub fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { path: String::new(), value, problems }
    }

    /// Its place.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tree below.
    #[must_use]
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Notes that something is wrong here.
    pub fn problem(&self, message: impl Into<String>) {
        self.problems.add(self.path.clone(), message);
    }

    fn child(&self, name: &str, value: &'a Value) -> Self {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let path = match (plain, self.path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{}.{name}", self.path),
            (false, _) => format!("{}[{}]", self.path, Value::from(name)),
        };
        Self { path, value, problems: self.problems }
    }

    fn wanted<T>(&self, what: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.problem(format!("must be {what}"));
        }
        value
    }

    /// An object with these members and no others.
    #[must_use]
    pub fn object(&self, known: &'static [&'static str]) -> Option<Object<'a>> {
        let map = self.wanted("an object", self.value.as_object())?;
        for (name, value) in map {
            if !known.contains(&name.as_str()) {
                self.child(name, value).problem(format!("unknown member; known here: {}", known.join(", ")));
            }
        }
        Some(Object { item: self.clone(), map, known })
    }

    /// The entries of an object whose member names are the operator's.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        let Some(map) = self.wanted("an object", self.value.as_object()) else { return Vec::new() };
        map.iter().map(|(name, value)| (name.as_str(), self.child(name, value))).collect()
    }

    /// The items of an array.
    #[must_use]
    pub fn items(&self) -> Vec<Item<'a>> {
        let Some(list) = self.wanted("an array", self.value.as_array()) else { return Vec::new() };
        let at = |(index, value)| Self { path: format!("{}[{index}]", self.path), value, problems: self.problems };
        list.iter().enumerate().map(at).collect()
    }

    /// A string that is not empty.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        self.wanted("a non-empty string", self.value.as_str().filter(|text| !text.is_empty()))
    }

    /// Non-empty strings.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).map(str::to_owned).collect()
    }

    /// One non-empty string, or several.
    #[must_use]
    pub fn one_or_more(&self) -> Vec<String> {
        match self.value {
            Value::Array(_) => self.texts(),
            _ => self.text().map(str::to_owned).into_iter().collect(),
        }
    }

    /// `true` or `false`.
    #[must_use]
    pub fn flag(&self) -> Option<bool> {
        self.wanted("true or false", self.value.as_bool())
    }

    /// A whole number within bounds, both included.
    #[must_use]
    pub fn count(&self, min: u64, max: u64) -> Option<u64> {
        let value = self.value.as_u64().filter(|n| (min..=max).contains(n));
        self.wanted(&format!("a whole number from {min} to {max}"), value)
    }

    /// A number within bounds, both included.
    #[must_use]
    pub fn number(&self, min: f64, max: f64) -> Option<f64> {
        let value = self.value.as_f64().filter(|n| (min..=max).contains(n));
        self.wanted(&format!("a number from {min} to {max}"), value)
    }

    /// One of some words.
    #[must_use]
    pub fn word<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let value = self.value.as_str().and_then(|text| words.iter().find(|(word, _)| *word == text));
        if value.is_none() {
            let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.problem(format!("must be one of {}", list.join(", ")));
        }
        value.map(|(_, meaning)| *meaning)
    }
}

/// An object whose members are known.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    item: Item<'a>,
    map: &'a Map<String, Value>,
    known: &'static [&'static str],
}

impl<'a> Object<'a> {
    /// Its place, for complaints about the whole.
    #[must_use]
    pub fn item(&self) -> &Item<'a> {
        &self.item
    }

    /// A member, if it is there.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<Item<'a>> {
        debug_assert!(self.known.contains(&name), "the loader reads {name}, which it would refuse");
        self.map.get(name).map(|value| self.item.child(name, value))
    }

    /// A member that must be there.
    #[must_use]
    pub fn required(&self, name: &str) -> Option<Item<'a>> {
        let member = self.member(name);
        if member.is_none() {
            self.item.problem(format!("{name} is missing"));
        }
        member
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_reading_names_every_problem_with_its_place() {
        let document = json!({"models": {"acme/big": {"context": -1}}, "list": [1, ""], "typo": 1});
        let problems = Problems::default();
        let root = Item::root(&document, &problems).object(&["models", "list", "wanted"]).unwrap();
        for (_, model) in root.member("models").unwrap().entries() {
            let model = model.object(&["context"]).unwrap();
            assert_eq!(model.member("context").unwrap().count(1, 9), None);
        }
        assert_eq!(root.member("list").unwrap().texts(), Vec::<String>::new());
        assert!(root.required("wanted").is_none());
        let told: Vec<String> = problems.verdict(()).unwrap_err().iter().map(|p| p.path.clone()).collect();
        assert_eq!(told, ["typo", "models[\"acme/big\"].context", "list[0]", "list[1]", ""]);
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_at_any_depth() {
        assert_eq!(parse(r#"{"a":[{"b":1.5,"c":null}],"d":-1}"#).unwrap(), json!({"a":[{"b":1.5,"c":null}],"d":-1}));
        assert!(parse(r#"{"a":[{"b":1,"\u0062":2}]}"#).unwrap_err().message.contains("\"b\" stands twice"));
        assert!(parse("{").unwrap_err().message.starts_with("not a JSON document"));
    }

    #[test]
    fn a_place_is_found_by_its_line() {
        let text = "{\n \"a\": {\n  \"b/c\": [1,\n   {\"d\": 2}]},\n \"e\": 3}";
        for (path, line) in [
            ("a", Some(2)),
            ("a[\"b/c\"]", Some(3)),
            ("a[\"b/c\"][1].d", Some(4)),
            ("a[\"b/c\"][7].d", Some(3)),
            ("a.missing.deeper", Some(2)),
            ("e", Some(5)),
            ("f", None),
            ("", None),
        ] {
            assert_eq!(line_of(text, path), line, "{path}");
        }
        assert_eq!(line_of("{", "a"), None);
    }

    #[test]
    fn numbers_outside_their_bounds_and_words_outside_their_list_are_refused() {
        for (value, good) in [(json!(0.5), true), (json!(1), true), (json!(1.01), false), (json!("1"), false)] {
            let problems = Problems::default();
            assert_eq!(Item::root(&value, &problems).number(0.0, 1.0).is_some(), good, "{value}");
            assert_eq!(problems.verdict(()).is_ok(), good);
        }
        let problems = Problems::default();
        assert_eq!(Item::root(&json!("b"), &problems).word(&[("a", 1), ("b", 2)]), Some(2));
        assert_eq!(Item::root(&json!("c"), &problems).word(&[("a", 1), ("b", 2)]), None);
    }
}
