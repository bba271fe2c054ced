//! Wire → canonical.

use serde_json::value::RawValue;

use super::super::request::reasoning_text;
use super::super::types::{list, read, Item, Piece};
use super::super::{finish, observe};
use super::{annotations, item_extras, logprobs, other_item, top_extras};
use crate::dialect::canonical::{ChatResponse, Choice, Extra, Media, MediaSource, Part, ReasoningPart, ToolCall};
use crate::dialect::openai_chat::response::minted_id;
use crate::dialect::{custom, Dialect, StreamFault};
use crate::json::scalar::{count, filled, string, word};

/// Reads an answer.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub fn decode(body: &[u8]) -> Result<ChatResponse, StreamFault> {
    let response = observe::whole(body)?;
    let mut choice = Choice::default();
    let mut extras = Vec::new();
    top_extras(&response, &mut extras);
    for (at, raw) in response.output.iter().flatten().enumerate() {
        item(raw, at, &mut choice.parts, &mut extras);
    }
    let called = choice.parts.iter().any(|part| matches!(part, Part::ToolCall(_)) || custom::is_call(part));
    choice.finish = finish::decode(&response, called).or_else(|| finish::unfinished(&response));
    Ok(ChatResponse {
        id: word(response.id).map(Into::into),
        model: filled(response.model).map(Into::into),
        created: count(response.created_at),
        choices: vec![choice],
        usage: observe::usage_of(&response),
        extras,
    })
}

fn item(raw: &RawValue, at: usize, parts: &mut Vec<Part>, extras: &mut Vec<Extra>) {
    let item: Item<'_> = read(raw).unwrap_or_default();
    let kind = filled(item.kind);
    if matches!(kind.as_deref(), Some("message" | "reasoning" | "function_call" | custom::CALL)) {
        item_extras(&item, at as u64, extras);
    }
    match kind.as_deref() {
        Some("message") => message(&item, at, parts, extras),
        Some("reasoning") => parts.extend(reasoning(&item).map(Part::Reasoning)),
        Some("function_call") => parts.push(Part::ToolCall(call(&item, at as u64))),
        Some(custom::CALL) => parts.push(custom_call(&item, at as u64).into_part()),
        Some("image_generation_call") if filled(item.result).is_some() => {
            parts.push(Part::Image(picture(&item)));
            // The picture is carried, its prompt and its form's details are not.
            extras.push(Extra { advisory: true, ..other_item(raw, at, "image_generation_call") });
        }
        kind => {
            let kind = kind.unwrap_or("item");
            let other = other_item(raw, at, kind);
            if other.advisory {
                extras.push(other);
            } else {
                parts.push(Part::Native {
                    dialect: Dialect::OpenAiResponses,
                    kind: kind.to_owned(),
                    raw: raw.to_owned(),
                });
            }
        }
    }
}

fn message(item: &Item<'_>, at: usize, parts: &mut Vec<Part>, extras: &mut Vec<Extra>) {
    for (nth, raw) in list(item.content).into_iter().enumerate() {
        let piece: Piece<'_> = read(raw).unwrap_or_default();
        let kind = filled(piece.kind).unwrap_or_default();
        annotations(piece.annotations, characters(parts), &format!("output[{at}].content[{nth}]"), extras);
        logprobs(piece.logprobs, extras);
        if let Some(text) = filled(piece.text) {
            parts.push(Part::Text(text.into_owned()));
        } else if let Some(refusal) = filled(piece.refusal) {
            parts.push(Part::Refusal(refusal.into_owned()));
        } else if !matches!(kind.as_ref(), "output_text" | "refusal") {
            parts.push(Part::Native {
                dialect: Dialect::OpenAiResponses,
                kind: kind.into_owned(),
                raw: raw.to_owned(),
            });
        }
    }
}

/// Characters of the texts so far.
fn characters(parts: &[Part]) -> u64 {
    let count = |part: &Part| match part {
        Part::Text(text) => text.chars().count() as u64,
        _ => 0,
    };
    parts.iter().map(count).sum()
}

/// A reasoning item; `None` where it says nothing (OpenAI without summaries, when nothing is encrypted).
pub(in super::super) fn reasoning(item: &Item<'_>) -> Option<ReasoningPart> {
    let text = reasoning_text(item.content, item.summary);
    let signature = filled(item.encrypted_content).map(Into::into);
    let said = !text.is_empty() || signature.is_some();
    said.then_some(ReasoningPart { text, signature, redacted: false, origin: Dialect::OpenAiResponses })
}

/// A generated picture; without a word for its form it is the default one.
pub(in super::super) fn picture(item: &Item<'_>) -> Media {
    let form = filled(item.output_format).unwrap_or_else(|| "png".into());
    let data = filled(item.result).unwrap_or_default().into_owned();
    Media { source: MediaSource::Base64 { mime: format!("image/{form}"), data }, detail: None, name: None }
}

/// A call. Some servers give the item an id and the call none; one without both gets an id by its place.
pub(in super::super) fn call(item: &Item<'_>, at: u64) -> ToolCall {
    let arguments = item.arguments.and_then(string).unwrap_or_default();
    let name = filled(item.name).unwrap_or_default().into_owned();
    ToolCall {
        id: call_id(item, &name, at),
        name,
        arguments: if arguments.trim_ascii().is_empty() { "{}".to_owned() } else { arguments.into_owned() },
        signature: None,
    }
}

/// A call of a custom tool.
pub(in super::super) fn custom_call(item: &Item<'_>, at: u64) -> custom::Call {
    let name = filled(item.name).unwrap_or_default().into_owned();
    let input = item.input.and_then(string).unwrap_or_default().into_owned();
    custom::Call { id: call_id(item, &name, at), name, input }
}

fn call_id(item: &Item<'_>, name: &str, at: u64) -> String {
    let id = word(item.call_id).or_else(|| word(item.id)).map(Into::into);
    id.unwrap_or_else(|| minted_id(0, u32::try_from(at).unwrap_or(u32::MAX), &[name.as_bytes()]))
}
