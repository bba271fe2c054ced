//! Members of an answer that the hub has no word for: reported once each, never forwarded in silence.

use serde_json::value::RawValue;

use super::ids::fingerprint;
use super::types::{Chunk, Part, Rest};
use super::write::Json;
use crate::dialect::canonical::Extra;
use crate::dialect::{fields, tier, Dialect};

/// Most members that are remembered to tell a repetition; beyond it repetitions are reported again.
const REMEMBERED: usize = 64;

/// Collects what has no place. Partial answers repeat some of it in every event; a repetition tells nothing new.
#[derive(Debug, Default)]
pub struct Collector {
    seen: Vec<u64>,
}

impl Collector {
    /// An entry, unless the same value was reported before.
    pub fn entry(&mut self, field: String, value: &RawValue) -> Option<Extra> {
        let mark = fingerprint(&[field.as_bytes(), value.get().as_bytes()]);
        if self.seen.contains(&mark) {
            return None;
        }
        if self.seen.len() < REMEMBERED {
            self.seen.push(mark);
        }
        Some(fields::answer_extra(Dialect::Gemini, field, value.to_owned()))
    }

    /// Everything on an answer's top level and in its counts that has no place.
    pub fn of_chunk(&mut self, chunk: &Chunk<'_>) -> Vec<Extra> {
        let mut list = self.of_rest("", &chunk.rest);
        if let Some(feedback) = chunk.prompt_feedback {
            list.extend(self.entry("promptFeedback".to_owned(), feedback));
        }
        if let Some(usage) = &chunk.usage {
            let told = self.of_rest("usageMetadata.", &usage.rest).into_iter();
            list.extend(
                told.map(|extra| if extra.field.ends_with("Tier") { tier::in_hubs_words(extra) } else { extra }),
            );
        }
        list
    }

    /// Members without a place under a path that ends in a dot (or is empty).
    pub fn of_rest(&mut self, path: &str, rest: &Rest<'_>) -> Vec<Extra> {
        rest.iter().filter_map(|(name, value)| self.entry(format!("{path}{name}"), value)).collect()
    }
}

/// A part that the stream's events have no word for, with its kind and as JSON again. Text and calls are not: what else
/// stands on them is reported apart.
pub fn native(part: &Part<'_>) -> Option<(String, Box<RawValue>)> {
    if part.function_call.is_some() || part.text.as_ref().is_some_and(|text| !text.is_empty()) {
        return None;
    }
    let known =
        [("functionResponse", part.function_response), ("inlineData", part.inline_data), ("fileData", part.file_data)];
    let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let members: Vec<(&str, &RawValue)> =
        known.chain(part.rest.iter().map(|(name, value)| (name.as_ref(), *value))).collect();
    let kind = members.first()?.0.to_owned();
    let mut out = Vec::new();
    {
        let mut object = Json::object(&mut out);
        if let Some(text) = &part.text {
            object.text("text", text);
        }
        if part.thought == Some(true) {
            object.value("thought", true);
        }
        for (name, value) in members {
            object.raw(name, value.get());
        }
        if let Some(signature) = &part.signature {
            object.text("thoughtSignature", signature);
        }
    }
    let raw = RawValue::from_string(String::from_utf8(out).ok()?).ok()?;
    Some((kind, raw))
}
