//! Masks secrets and personal data in what is to be kept: texts, JSON bodies, event streams. Pure, and off the request's
//! path: it runs on what a capture or an exporter is given, after the answer.
//!
//! A body is not rebuilt: the string values in which something is found are written anew, every other byte stays
//! ([`tokens`]). Each string is read as it is and with its escapes taken away ([`plain`]), so that JSON within a string (tool
//! arguments) hides nothing. Of a stream the pieces that belong together are read together ([`stream`]): a key that came in
//! two deltas is masked in both. What is looked for stands in [`find`]; it lowers a risk, and is no guarantee. Read `tests.rs`
//! first.

pub mod find;
pub mod path;
pub mod plain;
pub mod stream;
pub mod tokens;

use std::ops::Range;

use regex_lite::Regex;
use serde::de::IgnoredAny;

use crate::json::quoted;
use crate::sorted::{self, Map};
use find::Kind;
use path::Paths;
use plain::Plain;
use tokens::{walk, What};

/// What an operator has masked.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The kinds that are looked for.
    pub kinds: Vec<Kind>,
    /// What else, by a name of the operator's.
    pub patterns: Vec<Pattern>,
    /// Values that are left alone, and those that are masked whole; of both the second.
    pub paths: Paths,
}

impl Default for Settings {
    fn default() -> Self {
        let kinds = find::KINDS.iter().map(|(_, kind)| *kind).collect();
        Self { kinds, patterns: Vec::new(), paths: Paths::default() }
    }
}

/// A regular expression of the operator's.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// What stands in the mask.
    pub name: String,
    /// What is masked.
    pub regex: Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.regex.as_str() == other.regex.as_str()
    }
}

/// The mask of values that are masked for their place.
const PATH: &str = "path";
/// The mask of texts that are known to be secret.
const KNOWN: &str = "secret";
/// Shorter ones would be found in ordinary words.
const SHORTEST_KNOWN: usize = 6;

/// Masks, and counts what it has masked.
#[derive(Debug)]
pub struct Redactor<'r> {
    settings: &'r Settings,
    known: Vec<&'r str>,
    counts: Map<String, u64>,
}

/// A found place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    at: Range<usize>,
    name: String,
    /// It began in an earlier piece of the same text, where its mask stands.
    goes_on: bool,
}

impl<'r> Redactor<'r> {
    /// `known`: texts that are secret whatever they look like, such as the keys that providers were called with.
    #[must_use]
    pub fn new(settings: &'r Settings, known: impl IntoIterator<Item = &'r str>) -> Self {
        let known = known.into_iter().filter(|text| text.len() >= SHORTEST_KNOWN).collect();
        Self { settings, known, counts: Map::new() }
    }

    /// How many places have been masked, by name.
    #[must_use]
    pub fn counts(&self) -> &Map<String, u64> {
        &self.counts
    }

    /// A text of no form.
    pub fn text(&mut self, text: &str) -> String {
        let found = self.find(text);
        self.masked(text, &found)
    }

    /// A body: JSON, of which everything but the masked values stays as it is, or else a text. What is JSON up to where it was
    /// cut is read as both.
    pub fn body(&mut self, text: &str) -> String {
        let (mut edits, settings) = (Vec::new(), self.settings);
        walk(text, &settings.paths, &mut |token| {
            let source = text.get(token.at.clone()).unwrap_or_default();
            if let Some(value) = self.value(source, token.what, token.name) {
                edits.push((token.at, value));
            }
        });
        let masked = edited(text, &edits);
        if is_json(text) {
            masked
        } else {
            self.text(&masked)
        }
    }

    /// What a token is replaced by, if it is.
    fn value(&mut self, source: &str, what: What, name: &str) -> Option<String> {
        match what {
            What::Denied => Some(json_text(&self.mask(PATH))),
            What::Number => (!self.find(source).is_empty()).then(|| json_text(&self.mask(Kind::Card.name()))),
            What::Name | What::Text => {
                let text: String = crate::json::from_str(source).ok()?;
                let found = if what == What::Text { self.find_in_member(name, &text) } else { self.find(&text) };
                (!found.is_empty()).then(|| json_text(&self.masked(&text, &found)))
            }
        }
    }

    fn find_in_member(&self, name: &str, text: &str) -> Vec<Found> {
        if self.settings.kinds.contains(&Kind::Secret) && find::names_secret(name) && !text.is_empty() {
            return vec![Found { at: 0..text.len(), name: Kind::Secret.name().to_owned(), goes_on: false }];
        }
        self.find(text)
    }

    /// What is found in a text as it stands, and with its escapes taken away; in order, without overlap.
    fn find(&self, text: &str) -> Vec<Found> {
        let mut found = Vec::new();
        self.find_once(text, &mut found);
        let mut plain = Plain::of(text);
        while let Some(view) = plain {
            let mut inside = Vec::new();
            self.find_once(view.text(), &mut inside);
            found.extend(inside.into_iter().map(|inner| Found { at: view.source(&inner.at), ..inner }));
            plain = view.plainer();
        }
        without_overlap(found)
    }

    fn find_once(&self, text: &str, found: &mut Vec<Found>) {
        let mut add = |at: Range<usize>, name: &str| {
            if !at.is_empty() {
                found.push(Found { at, name: name.to_owned(), goes_on: false });
            }
        };
        for known in &self.known {
            text.match_indices(known).for_each(|(at, _)| add(at..at + known.len(), KNOWN));
        }
        find::all(text, &self.settings.kinds, &mut |at, kind| add(at, kind.name()));
        for pattern in &self.settings.patterns {
            pattern.regex.find_iter(text).for_each(|hit| add(hit.range(), &pattern.name));
        }
    }

    fn masked(&mut self, text: &str, found: &[Found]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for place in found {
            out.push_str(text.get(from..place.at.start).unwrap_or_default());
            if !place.goes_on {
                out.push_str(&self.mask(&place.name));
            }
            from = place.at.end;
        }
        out.push_str(text.get(from..).unwrap_or_default());
        out
    }

    fn mask(&mut self, name: &str) -> String {
        *self.counts.entry(name.to_owned()).or_default() += 1;
        format!("[redacted:{name}]")
    }
}

fn is_json(text: &str) -> bool {
    crate::json::from_str::<IgnoredAny>(text).is_ok()
}

fn json_text(text: &str) -> String {
    String::from_utf8(quoted(text)).unwrap_or_default()
}

/// The text with places replaced; they are in order.
fn edited(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for (at, value) in edits {
        out.push_str(text.get(from..at.start).unwrap_or_default());
        out.push_str(value);
        from = at.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

/// In order; of places that overlap one that spans them all. One that goes on begins where its piece does.
fn without_overlap(mut found: Vec<Found>) -> Vec<Found> {
    sorted::sort_by_key(&mut found, |place| (place.at.start, std::cmp::Reverse(place.at.end)));
    let mut list: Vec<Found> = Vec::with_capacity(found.len());
    for place in found {
        match list.last_mut() {
            Some(last) if place.at.start < last.at.end => {
                last.at.end = last.at.end.max(place.at.end);
                last.goes_on |= place.goes_on;
            }
            _ => list.push(place),
        }
    }
    list
}

#[cfg(test)]
mod tests;
