//! What the native path learns from an answer that it passes on: token counts, why it ended, whether an event is content.
//! Text is measured, never built.

use serde_json::value::RawValue;

use super::bare::{dressed, dressed_event};
use super::types::{Choice, Chunk, Delta};
use super::{error, finish, usage};
use crate::dialect::canonical::Usage;
use crate::dialect::tier::ServiceTier;
use crate::dialect::{Observation, ProviderError, Seen, StreamFault, Varying};
use crate::json::scalar::{count, filled, inside_quotes, kind_of, read_member, says_something, word, Kind};
use crate::sse::Frame;

/// Reads usage and finish of a whole answer.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub fn observe_response(body: &[u8]) -> Result<Observation, StreamFault> {
    let chunk = whole(body)?;
    let mut seen = Observation { done: true, ..Observation::default() };
    let choices = chunk.choices.as_deref().unwrap_or_default();
    if choices.is_empty() {
        return Err(malformed("the answer has no choices"));
    }
    note_ids(&chunk, &mut seen);
    seen.usage = usage_of(&chunk);
    for choice in choices {
        let message = choice.message.as_ref();
        let called = message.is_some_and(calls);
        seen.output_bytes += message.map_or(0, measure);
        note_finish(choice, called, &mut seen);
    }
    Ok(seen)
}

/// Reads one event of a native stream; also in what the next one may differ from it alone.
///
/// # Errors
/// A malformed event, or the provider's error event. Usage that comes with an error is noted all the same.
pub fn observe_event<'f>(
    frame: &'f Frame<'_>,
    seen: &mut Observation,
) -> Result<(Seen, Option<Varying<'f>>), StreamFault> {
    let chunk = match read_event(frame)? {
        Event::Nothing => return Ok((Seen::default(), None)),
        Event::Done => {
            seen.done = true;
            return Ok((Seen { terminal: true, ..Seen::default() }, None));
        }
        Event::Chunk(chunk) => chunk,
    };
    note_ids(&chunk, seen);
    let counted = usage_of(&chunk);
    if counted.is_some() {
        seen.usage = counted;
    }
    if let Some(fault) = fault_of(&chunk, frame) {
        return Err(fault);
    }
    let mut event = Seen { usage: counted.is_some(), ..Seen::default() };
    let choices = chunk.choices.as_deref().unwrap_or_default();
    for choice in choices {
        let delta = choice.delta.as_ref();
        seen.output_bytes += delta.map_or(0, measure);
        event.content |= delta.is_some_and(is_content);
        event.content |= filled(choice.finish_reason).is_some();
        note_finish(choice, delta.is_some_and(calls), seen);
    }
    // Moderation or filter results in the same chunk are an answer's, not an accountant's.
    let carries_more =
        chunk.rest.iter().any(|(name, _)| matches!(name.as_ref(), "prompt_filter_results" | "moderation"));
    event.usage_only = event.usage && choices.is_empty() && !carries_more;
    Ok((event, varying(&chunk)))
}

/// The first text of a chunk that says something.
fn varying<'f>(chunk: &Chunk<'f>) -> Option<Varying<'f>> {
    let delta = chunk.choices.as_deref()?.first()?.delta.as_ref()?;
    let said = texts(delta).into_iter().flatten().find(|raw| says_something(raw))?;
    let filling = chunk.obfuscation.and_then(|raw| inside_quotes(raw.get()));
    let is_text = delta.content.is_some_and(|content| std::ptr::eq(content, said));
    Some(Varying { said: inside_quotes(said.get())?, is_text, filling })
}

/// What stands in one event.
pub(super) enum Event<'a> {
    /// No data, or none that means anything.
    Nothing,
    /// `[DONE]`.
    Done,
    /// JSON.
    Chunk(Box<Chunk<'a>>),
}

/// Reads an event's data. Errors that stand beside or instead of a chunk are for [`fault_of`], so that a chunk's usage is
/// never lost with them.
pub(super) fn read_event<'f>(frame: &'f Frame<'_>) -> Result<Event<'f>, StreamFault> {
    let Some(data) = frame.data.as_deref() else {
        // Some proxies write an error as bare JSON into a stream that has begun.
        return match frame.bare_json().and_then(error::decode) {
            Some(report) => Err(StreamFault::Provider(report)),
            None => Ok(Event::Nothing),
        };
    };
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(Event::Nothing);
    }
    if data.starts_with(b"[DONE]") {
        return Ok(Event::Done);
    }
    // Checked once here, not once for every member.
    let Ok(text) = std::str::from_utf8(data) else { return Err(malformed("the event is not UTF-8")) };
    match crate::json::from_str::<Chunk<'f>>(text) {
        Ok(chunk) => Ok(Event::Chunk(Box::new(dressed_event(chunk)))),
        Err(reason) => Err(match error::decode(data) {
            Some(report) => StreamFault::Provider(report),
            None => unreadable("event", &reason),
        }),
    }
}

/// The error in a chunk: any `error` that is not empty is fatal, as it is for OpenAI's own client. Without choices and
/// usage the flat shapes of other servers count too, and so does everything in an `event: error`.
pub(super) fn fault_of(chunk: &Chunk<'_>, frame: &Frame<'_>) -> Option<StreamFault> {
    // Groq says why it stopped early beside the chunk.
    if let Some(message) = chunk.x_groq.and_then(|raw| read_member(raw, "error")) {
        let raw = chunk.x_groq.map(|raw| raw.get().to_owned()).unwrap_or_default();
        return Some(StreamFault::Provider(ProviderError { message, raw, ..ProviderError::default() }));
    }
    if let Some(report) = of_choice(chunk) {
        return Some(StreamFault::Provider(report));
    }
    let named = frame.event.as_deref() == Some(b"error");
    let bare = chunk.choices.is_none() && chunk.usage.is_none();
    if !named && !bare && chunk.error.is_none_or(|raw| !says_something(raw)) {
        return None;
    }
    let data = frame.data.as_deref().unwrap_or_default();
    match error::decode(data) {
        Some(report) => Some(StreamFault::Provider(report)),
        None if named => Some(StreamFault::Provider(error::unnamed(data))),
        None => None,
    }
}

/// The report that stands in a choice whose provider failed (OpenRouter's `NonStreamingChoice.error`).
fn of_choice(chunk: &Chunk<'_>) -> Option<ProviderError> {
    let failed = chunk.choices.iter().flatten().find_map(|choice| choice.error.filter(|raw| says_something(raw)))?;
    error::of_member(failed)
}

/// Reads a whole answer's body.
pub(super) fn whole(body: &[u8]) -> Result<Box<Chunk<'_>>, StreamFault> {
    let Ok(text) = std::str::from_utf8(body) else { return Err(malformed("the answer is not UTF-8")) };
    match crate::json::from_str::<Chunk<'_>>(text).map(dressed) {
        Ok(chunk) if chunk.error.is_none_or(|raw| !says_something(raw)) && chunk.choices.is_some() => {
            match of_choice(&chunk) {
                Some(report) => Err(StreamFault::Provider(report)),
                None => Ok(Box::new(chunk)),
            }
        }
        Ok(_) => Err(match error::decode(body) {
            Some(report) => StreamFault::Provider(report),
            None => malformed("the answer has no choices"),
        }),
        Err(reason) => Err(match error::decode(body) {
            Some(report) => StreamFault::Provider(report),
            None => unreadable("answer", &reason),
        }),
    }
}

/// Token counts wherever a server puts them: at the top (Perplexity on every chunk), under `x_groq`, in a choice
/// (Moonshot).
pub(super) fn usage_of(chunk: &Chunk<'_>) -> Option<Usage> {
    chunk
        .usage
        .and_then(usage::decode)
        .or_else(|| {
            let groq = chunk.x_groq.and_then(|raw| crate::json::Members::read(raw.get().as_bytes()).ok());
            groq.and_then(|groq| groq.present("usage")).and_then(usage::decode)
        })
        .or_else(|| chunk.choices.iter().flatten().find_map(|choice| choice.usage.and_then(usage::decode)))
}

/// A fault that quotes nothing of the event: it may hold what nobody should log.
pub(super) fn malformed(what: &str) -> StreamFault {
    StreamFault::Malformed(what.to_owned())
}

fn unreadable(what: &str, reason: &serde_json::Error) -> StreamFault {
    let kind = if reason.is_data() { "does not have the shape of a chat answer" } else { "is not JSON" };
    StreamFault::Malformed(format!("the {what} {kind} (line {}, column {})", reason.line(), reason.column()))
}

fn note_ids(chunk: &Chunk<'_>, seen: &mut Observation) {
    if let Some(tier) = chunk.service_tier {
        seen.service = ServiceTier::of_json(tier);
    }
    if seen.id.is_none() {
        seen.id = word(chunk.id).map(Into::into);
    }
    if seen.model.is_none() {
        seen.model = filled(chunk.model).map(Into::into);
    }
}

fn note_finish(choice: &Choice<'_>, called_tools: bool, seen: &mut Observation) {
    let index = count(choice.index).unwrap_or(0);
    let bit = u32::try_from(index).ok().and_then(|index| 1u64.checked_shl(index)).unwrap_or(0);
    seen.choices_begun |= bit;
    if filled(choice.finish_reason).is_some() {
        seen.choices_finished |= bit;
    }
    let first = index == 0;
    seen.called |= first && called_tools;
    if let (true, None, Some(reason)) = (first, seen.finish, filled(choice.finish_reason)) {
        seen.finish = Some(finish::decode(&reason, called_tools));
        seen.raw_finish = Some(reason.into_owned());
    }
}

fn calls(delta: &Delta<'_>) -> bool {
    delta.function_call.is_some() || delta.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty())
}

/// Text, reasoning, a call, a refusal, sound or a picture; a role alone is not content.
fn is_content(delta: &Delta<'_>) -> bool {
    let rich = [delta.audio, delta.images, delta.reasoning_details];
    texts(delta).into_iter().flatten().any(says_something)
        || calls(delta)
        || rich.into_iter().flatten().any(says_something)
}

fn texts<'a>(delta: &Delta<'a>) -> [Option<&'a RawValue>; 4] {
    [delta.content, delta.refusal, delta.reasoning_content, delta.reasoning]
}

/// Bytes of generated text, escapes counted as written: an estimate's ground, not a bill's.
fn measure(delta: &Delta<'_>) -> u64 {
    let [content, refusal, reasoning_content, reasoning] = texts(delta);
    // Servers that send both spellings of reasoning send one text twice.
    let thought = reasoning_content.filter(|raw| says_something(raw)).or(reasoning).or(delta.reasoning_details);
    let texts: u64 = [content, refusal, thought].into_iter().flatten().map(length).sum();
    let functions = delta.tool_calls.iter().flatten().filter_map(|call| call.function.as_ref());
    let arguments = functions.chain(delta.function_call.as_ref()).filter_map(|function| function.arguments);
    texts + arguments.map(length).sum::<u64>()
}

/// Lists in lists that are looked into: chunks nest twice at most, and depth must not cost stack.
const MAX_DEPTH: u32 = 8;

fn length(raw: &RawValue) -> u64 {
    length_at(raw, 0)
}

fn length_at(raw: &RawValue, depth: u32) -> u64 {
    match kind_of(raw) {
        Kind::Text => inside_quotes(raw.get()).unwrap_or_default().len() as u64,
        Kind::List | Kind::Object if depth < MAX_DEPTH => nested_length(raw, depth + 1),
        Kind::List | Kind::Object => raw.get().len() as u64,
        _ => 0,
    }
}

/// Bytes of the texts in a list of chunks, such as Mistral's `content` and OpenRouter's `reasoning_details`; of any other
/// object (arguments that a server does not write as text) the bytes of its source.
fn nested_length(raw: &RawValue, depth: u32) -> u64 {
    if kind_of(raw) == Kind::Object {
        let Ok(members) = crate::json::Members::read(raw.get().as_bytes()) else { return 0 };
        let texts = ["text", "thinking", "summary"].iter().filter_map(|name| members.present(name));
        return if members.raw("type").is_some() {
            texts.map(|raw| length_at(raw, depth)).sum()
        } else {
            raw.get().len() as u64
        };
    }
    let items: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
    items.into_iter().map(|raw| length_at(raw, depth)).sum()
}

#[cfg(test)]
mod tests;
