//! What stands beside an answer's text and has no place in the hub: annotations, log probabilities, members of the answer
//! itself, items of hosted tools. It becomes extras, in the form of Chat Completions where that has one, because both
//! encoders of OpenAI's dialects know that form.

use serde_json::value::RawValue;

use super::super::types::{list, Item, Response};
use crate::dialect::canonical::Extra;
use crate::dialect::openai_chat::write::Object;
use crate::json::scalar::{count, filled, says_something};
use crate::json::Members;

/// A text's annotations: URL citations in Chat Completions' form, the others as they are. `before`: characters of the
/// choice's text that stand before this part, since there all texts are one.
pub(in super::super) fn annotations(raw: Option<&RawValue>, before: u64, place: &str, extras: &mut Vec<Extra>) {
    let all = list(raw);
    let citations: Vec<Vec<u8>> = all.iter().filter_map(|raw| citation(raw, before)).collect();
    if !citations.is_empty() {
        let body = [b"[".as_slice(), &citations.join(&b','), b"]"].concat();
        push(extras, "choices[0].message.annotations".to_owned(), body, false);
    }
    for other in all.into_iter().filter(|raw| citation(raw, before).is_none()) {
        push(extras, format!("{place}.annotations"), other.get().as_bytes().to_vec(), true);
    }
}

fn citation(raw: &RawValue, before: u64) -> Option<Vec<u8>> {
    let cited = Members::read(raw.get().as_bytes()).ok()?;
    if filled(cited.present("type"))? != "url_citation" {
        return None;
    }
    let mut body = Vec::with_capacity(raw.get().len() + 32);
    let mut out = Object::begin(&mut body);
    out.text("type", "url_citation");
    out.object("url_citation", |out| {
        for name in ["start_index", "end_index"] {
            if let Some(at) = count(cited.present(name)) {
                out.number(name, at.saturating_add(before));
            }
        }
        for name in ["title", "url"] {
            if let Some(text) = cited.present(name) {
                out.raw(name, text.get());
            }
        }
    });
    out.end();
    Some(body)
}

/// Log probabilities of a text, in the place of Chat Completions'; the entries have the same members.
pub(in super::super) fn logprobs(raw: Option<&RawValue>, extras: &mut Vec<Extra>) {
    if let Some(raw) = raw.filter(|raw| says_something(raw)) {
        let body = [br#"{"content":"#.as_slice(), raw.get().as_bytes(), br#","refusal":null}"#].concat();
        push(extras, "choices[0].logprobs".to_owned(), body, false);
    }
}

/// Items that tell what the provider did by itself on the way to its answer. The others are content, or wait for the caller.
const PROGRESS: [&str; 7] = [
    "code_interpreter_call",
    "compaction",
    "file_search_call",
    "mcp_call",
    "mcp_list_tools",
    "tool_search_call",
    "web_search_call",
];

/// An item that only this dialect has.
pub(in super::super) fn other_item(raw: &RawValue, at: usize, kind: &str) -> Extra {
    let advisory = PROGRESS.contains(&kind);
    Extra { field: format!("output[{at}].{kind}"), value: raw.to_owned(), advisory, is_default: false }
}

/// What an item says besides its content: in which phase a message was said, who made a call.
pub(in super::super) fn item_extras(item: &Item<'_>, at: u64, extras: &mut Vec<Extra>) {
    let told =
        |name: &str, raw: &RawValue| says_something(raw) && !(name == "caller" && raw.get().contains("\"direct\""));
    for (name, raw) in item.rest.iter().filter(|(name, raw)| told(name, raw)) {
        push(extras, format!("output[{at}].{name}"), raw.get().as_bytes().to_vec(), true);
    }
}

/// Members of the answer that the hub has no word for.
pub(in super::super) fn top_extras(response: &Response<'_>, extras: &mut Vec<Extra>) {
    for (name, raw) in response.rest.iter().filter(|(_, raw)| says_something(raw)) {
        push(extras, name.to_string(), raw.get().as_bytes().to_vec(), true);
    }
}

fn push(extras: &mut Vec<Extra>, field: String, json: Vec<u8>, advisory: bool) {
    let value = String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok());
    extras.extend(value.map(|value| Extra { field, value, advisory, is_default: false }));
}
