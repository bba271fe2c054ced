//! Workers AI's own answers, read as the choice that they are: the text in `response`, calls without a wrapper, all of it
//! perhaps inside `result` (developers.cloudflare.com/workers-ai, "Text generation", "Function calling", "JSON mode").

use serde_json::value::RawValue;

use super::types::{Choice, Chunk, Delta, WireFunction, WireToolCall};
use crate::json::scalar::{kind_of, Kind};

/// The chunk with a choice, where it is one of Workers AI's own; any other as it is.
pub(super) fn dressed(chunk: Chunk<'_>) -> Chunk<'_> {
    let mut chunk = unwrapped(chunk);
    if chunk.choices.is_some() || !is_bare(&chunk) {
        return chunk;
    }
    let calls = chunk.tool_calls.take().map(|calls| calls.into_iter().map(named).collect::<Vec<_>>());
    let called = calls.as_ref().is_some_and(|calls| !calls.is_empty());
    let delta = || Delta { content: chunk.response, ..Delta::default() };
    let choice = Choice {
        message: Some(Delta { tool_calls: calls, ..delta() }),
        // It gives no reason: whole answers are whole.
        finish_reason: crate::json::from_str(if called { "\"tool_calls\"" } else { "\"stop\"" }).ok(),
        ..Choice::default()
    };
    chunk.choices = Some(vec![choice]);
    chunk
}

/// Whether an answer or event is one of Workers AI's own.
pub(super) fn is_bare(chunk: &Chunk<'_>) -> bool {
    chunk.response.is_some() || chunk.tool_calls.is_some()
}

/// The same for an event of a stream: a piece of a choice that has not ended yet.
pub(super) fn dressed_event(chunk: Chunk<'_>) -> Chunk<'_> {
    let mut chunk = dressed(chunk);
    if is_bare(&chunk) {
        for choice in chunk.choices.iter_mut().flatten() {
            choice.delta = choice.message.take();
            choice.finish_reason = None;
        }
    }
    chunk
}

/// What stands inside `{result, success, errors}`.
fn unwrapped(chunk: Chunk<'_>) -> Chunk<'_> {
    let inside: Option<&RawValue> = chunk.result.filter(|raw| chunk.choices.is_none() && kind_of(raw) == Kind::Object);
    match inside.and_then(|raw| crate::json::from_str::<Chunk<'_>>(raw.get()).ok()) {
        Some(inner) if inner.choices.is_some() || is_bare(&inner) => inner,
        _ => chunk,
    }
}

/// A call whose name and arguments stand beside each other, as the function that it is.
fn named(call: WireToolCall<'_>) -> WireToolCall<'_> {
    let bare = WireFunction { name: call.name, arguments: call.arguments };
    WireToolCall { function: call.function.or(Some(bare)), ..call }
}
