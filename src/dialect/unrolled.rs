//! A whole answer in the place of a stream, as the stream that it should have been. Servers that cannot stream with tools, or
//! not at all, answer so (reported of sglang and of ObolNetwork/llms). Nothing of it is lost on the way: what
//! each dialect's `unrolled.rs` writes are that dialect's own events, with every member that the answer has.

use super::{anthropic_messages, gemini, openai_chat, openai_responses, Dialect};
use crate::sse::Frame;

/// Where a whole answer was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the body.
    Body,
    /// It is the data of an event.
    Event,
}

/// The events of the whole answer that a block is; `None` for every other block.
pub(super) fn events(dialect: Dialect, frame: &Frame<'_>) -> Option<Vec<u8>> {
    let (json, place) = match (frame.data.as_deref(), frame.bare_json()) {
        (Some(data), _) => (data.trim_ascii(), Place::Event),
        (None, Some(json)) => (json, Place::Body),
        (None, None) => return None,
    };
    match dialect {
        Dialect::OpenAiChat => openai_chat::unrolled::events(json, place),
        // Their events have names of their own.
        Dialect::AnthropicMessages if frame.event.is_none() => anthropic_messages::unrolled::events(json),
        Dialect::OpenAiResponses if frame.event.is_none() => openai_responses::unrolled::events(json),
        // Each of Google's events is an answer as it is.
        Dialect::Gemini if place == Place::Body => gemini::unrolled::events(json),
        Dialect::AnthropicMessages | Dialect::OpenAiResponses | Dialect::Gemini => None,
    }
}

/// Appends an event. Its JSON becomes one line, which not every client of these dialects does without: line ends inside JSON
/// are white space.
pub(super) fn write(out: &mut Vec<u8>, name: Option<&str>, json: &[u8]) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    out.extend(json.iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.extend_from_slice(b"\n\n");
}
