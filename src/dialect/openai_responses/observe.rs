//! What the native path learns from an answer that it passes on: token counts, how it ended, whether an event is content.
//! Text is measured, never built.

use serde_json::value::RawValue;

use super::types::{list, read, Event, Item, Piece, Response};
use super::{error, finish};
use crate::dialect::canonical::Usage;
use crate::dialect::openai_chat::usage;
use crate::dialect::tier::{self, ServiceTier};
use crate::dialect::{Observation, Seen, StreamFault};
use crate::json::scalar::{filled, inside_quotes, read_member, says_something, word};
use crate::sse::Frame;

/// Reads usage and finish of a whole answer.
///
/// # Errors
/// An error in a 200 (`status: failed`), or foreign bytes.
pub fn observe_response(body: &[u8]) -> Result<Observation, StreamFault> {
    let response = whole(body)?;
    let mut seen = Observation { done: true, ..Observation::default() };
    note_response(&response, &mut seen);
    for item in response.output.iter().flatten().filter_map(|raw| read::<Item<'_>>(raw)) {
        seen.output_bytes += measure(&item);
    }
    Ok(seen)
}

/// Reads one event of a native stream.
///
/// # Errors
/// A malformed event, or the provider's report of an error. Usage that comes with `response.failed` is noted all the same.
pub fn observe_event(frame: &Frame<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
    let Some(Told { kind, event }) = read_event(frame)? else { return Ok(Seen::default()) };
    match kind.as_str() {
        "response.created" | "response.in_progress" | "response.queued" => {
            if let Some(response) = event.response.and_then(read::<Response<'_>>) {
                note_ids(&response, seen);
            }
            Ok(Seen::default())
        }
        "response.completed" | "response.incomplete" => {
            let response: Response<'_> = event.response.and_then(read).ok_or_else(|| malformed("no `response`"))?;
            note_response(&response, seen);
            seen.done = true;
            Ok(Seen { content: true, usage: response.usage.is_some(), terminal: true, ..Seen::default() })
        }
        "response.failed" => {
            if let Some(response) = event.response.and_then(read::<Response<'_>>) {
                note_ids(&response, seen);
                seen.usage = usage_of(&response).or(seen.usage);
            }
            Err(StreamFault::Provider(error::of_event(frame)))
        }
        "error" => Err(StreamFault::Provider(error::of_event(frame))),
        "response.output_item.added" => {
            let item: Option<Item<'_>> = event.item.and_then(read);
            let kind = item.as_ref().and_then(|item| filled(item.kind)).unwrap_or_default();
            seen.called |= is_call(&kind);
            Ok(Seen { content: !matches!(kind.as_ref(), "" | "message" | "reasoning"), ..Seen::default() })
        }
        kind if kind.ends_with(".delta") => {
            let bytes = event.delta.map_or(0, length);
            seen.output_bytes += bytes;
            Ok(Seen { content: bytes > 0, ..Seen::default() })
        }
        // Tools that the provider runs itself tell how far they are; what is done has come before.
        kind => Ok(Seen { content: is_progress(kind), ..Seen::default() }),
    }
}

/// An event and its type.
pub(super) struct Told<'a> {
    /// `type` in the data, else the event's own name.
    pub kind: String,
    /// The data.
    pub event: Box<Event<'a>>,
}

/// Reads an event's data; `None` where there is nothing to read (comments, `[DONE]`, data without a type).
///
/// # Errors
/// Data that is no JSON object, or a bare error in the place of one.
pub(super) fn read_event<'f>(frame: &'f Frame<'_>) -> Result<Option<Told<'f>>, StreamFault> {
    let Some(data) = frame.data.as_deref() else {
        // Some proxies write an error as bare JSON into a stream that has begun.
        return match frame.bare_json().and_then(error::decode) {
            Some(report) => Err(StreamFault::Provider(report)),
            None => Ok(None),
        };
    };
    let data = data.trim_ascii();
    if data.is_empty() || data.starts_with(b"[DONE]") {
        return Ok(None);
    }
    let Ok(text) = std::str::from_utf8(data) else { return Err(malformed("it is not UTF-8")) };
    let event: Box<Event<'f>> = match crate::json::from_str(text) {
        Ok(event) => event,
        Err(reason) => {
            let kind = if reason.is_data() { "it does not have the shape of an event" } else { "it is not JSON" };
            return Err(malformed(&format!("{kind} (line {}, column {})", reason.line(), reason.column())));
        }
    };
    let named = || frame.event.as_deref().and_then(|name| std::str::from_utf8(name).ok()).map(str::to_owned);
    match filled(event.kind).map(Into::into).or_else(named) {
        Some(kind) => Ok(Some(Told { kind, event })),
        // An error of another dialect's shape, from something between the provider and here.
        None if event.error.is_some_and(says_something) => Err(StreamFault::Provider(error::of_event(frame))),
        None => Ok(None),
    }
}

/// Reads a whole answer's body.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub(super) fn whole(body: &[u8]) -> Result<Box<Response<'_>>, StreamFault> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(unreadable("it is not UTF-8")) };
    let read: Result<Box<Response<'_>>, _> = crate::json::from_str(text);
    match read {
        Ok(response) if error::has_failed(&response) => Err(StreamFault::Provider(error::of_response(&response, text))),
        Ok(response) if response.output.is_some() => Ok(response),
        _ => Err(match error::decode(body) {
            Some(report) => StreamFault::Provider(report),
            None => unreadable("it has no output"),
        }),
    }
}

/// A fault that quotes nothing of the event: it may hold what nobody should log.
pub(super) fn malformed(what: &str) -> StreamFault {
    StreamFault::Malformed(format!("the event cannot be read: {what}"))
}

fn unreadable(what: &str) -> StreamFault {
    StreamFault::Malformed(format!("the answer cannot be read: {what}"))
}

/// Token counts, the tools that the provider ran for them, and the capacity that answered. Of the actions of a search of the
/// web only `search` is charged (OpenAI's guide to web search); a call without an action is one of before there were others.
pub(super) fn usage_of(response: &Response<'_>) -> Option<Usage> {
    let mut usage = response.usage.and_then(usage::decode)?;
    for item in response.output.iter().flatten().filter_map(|raw| read::<Item<'_>>(raw)) {
        let counter = match filled(item.kind).as_deref() {
            Some("web_search_call") if searches(&item) => &mut usage.web_searches,
            Some("file_search_call") => &mut usage.file_searches,
            Some("code_interpreter_call") => &mut usage.code_executions,
            _ => continue,
        };
        *counter = Some(counter.unwrap_or(0).saturating_add(1));
    }
    let tier = response.rest.iter().find(|(name, _)| name.as_ref() == tier::FIELD);
    Some(Usage { service: tier.map_or_else(ServiceTier::default, |(_, raw)| ServiceTier::of_json(raw)), ..usage })
}

fn searches(item: &Item<'_>) -> bool {
    let action = item.rest.iter().find(|(name, _)| name.as_ref() == "action");
    let kind = action.and_then(|(_, raw)| read_member(raw, "type"));
    kind.is_none_or(|kind| kind == "search")
}

/// Whether an item of this type waits for the caller's result.
pub(super) fn is_call(kind: &str) -> bool {
    matches!(kind, "function_call" | "custom_tool_call")
}

/// Whether an event is of a kind whose content another one repeats, or that has none (`ResponseStreamEvent` of the SDK). Sound
/// stands in no other event.
pub(super) fn is_known(kind: &str) -> bool {
    const REPEATED: [&str; 7] =
        ["output_item.", "content_part.", "output_text.", "refusal.", "reasoning_", "compaction.", "mcp_"];
    let repeated = |rest: &str| rest.contains("_call") || REPEATED.iter().any(|known| rest.starts_with(known));
    kind == "keepalive" || kind.strip_prefix("response.").is_some_and(repeated)
}

fn is_progress(kind: &str) -> bool {
    kind.strip_prefix("response.").is_some_and(|rest| rest.contains("_call.") || rest.contains("partial_image"))
        || kind == "response.output_text.annotation.added"
}

fn note_ids(response: &Response<'_>, seen: &mut Observation) {
    if seen.id.is_none() {
        seen.id = word(response.id).map(Into::into);
    }
    if seen.model.is_none() {
        seen.model = filled(response.model).map(Into::into);
    }
}

fn note_response(response: &Response<'_>, seen: &mut Observation) {
    note_ids(response, seen);
    seen.usage = usage_of(response).or(seen.usage);
    seen.called |= response
        .output
        .iter()
        .flatten()
        .any(|raw| read::<Item<'_>>(raw).is_some_and(|item| is_call(&filled(item.kind).unwrap_or_default())));
    if let Some(end) = finish::decode(response, seen.called) {
        seen.finish = Some(end.reason);
        seen.raw_finish = Some(end.raw);
    }
}

/// Bytes of generated text, escapes counted as written: an estimate's ground, not a bill's.
fn measure(item: &Item<'_>) -> u64 {
    let pieces = list(item.content).into_iter().chain(list(item.summary));
    let texts = pieces.filter_map(read::<Piece<'_>>).flat_map(|piece| [piece.text, piece.refusal]);
    texts.chain([item.arguments, item.input]).flatten().map(length).sum()
}

fn length(raw: &RawValue) -> u64 {
    inside_quotes(raw.get()).map_or(0, |inside| inside.len() as u64)
}

#[cfg(test)]
mod tests;
