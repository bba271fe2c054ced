//! The end of a native stream that goes out as whole events: what was held back, with usage, cost and our report in it.

use crate::dialect::{anthropic_messages, gemini, openai_chat, Dialect, Observation, ReplyContext, Tail};
use crate::sse::{self, Frame};

/// Appends what was held back, changed where it must be.
pub(super) fn conclude_native(
    dialect: Dialect,
    context: &ReplyContext,
    held: Option<Vec<u8>>,
    mut behind: Vec<u8>,
    tail: &Tail,
    observation: &Observation,
    out: &mut Vec<u8>,
) {
    let signalbox = tail.signalbox.as_deref();
    match (dialect, held) {
        (Dialect::OpenAiChat, Some(raw)) => {
            let cost = tail.cost_usd.as_deref().filter(|_| context.include_usage);
            let changed = with_frame(&raw, |f| Some(openai_chat::native::add_cost_to_event(f, cost, signalbox)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::OpenAiChat, None) if context.include_usage || signalbox.is_some() => {
            out.extend_from_slice(&openai_chat::native::usage_tail_event(observation, context, tail));
        }
        (Dialect::AnthropicMessages, Some(raw)) => {
            let changed = signalbox
                .and_then(|member| with_frame(&raw, |f| anthropic_messages::native::event_with_signalbox(f, member)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::Gemini, Some(raw)) => {
            let changed =
                signalbox.and_then(|member| with_frame(&raw, |f| gemini::native::event_with_signalbox(f, member)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::OpenAiResponses, Some(raw)) => out.extend_from_slice(&raw),
        (_, None) => {}
    }
    out.append(&mut behind);
}

/// An event to be kept: the last one of a stream may have come without its blank line.
pub(super) fn closed(frame: &Frame<'_>) -> Vec<u8> {
    let mut raw = frame.raw.to_vec();
    close_event(&mut raw);
    raw
}

/// An event that came without its blank line gets one, so that what follows is an event of its own.
pub(super) fn close_event(out: &mut Vec<u8>) {
    let closed = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| out.ends_with(end));
    if !closed {
        out.extend_from_slice(b"\n\n");
    }
}

/// Reads one held event again; `None` where it cannot be changed and goes out as it came.
pub(super) fn with_frame(raw: &[u8], change: impl Fn(&Frame<'_>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut decoder = sse::Decoder::new();
    decoder.push(raw).ok()?;
    if let Some(frame) = decoder.next_frame() {
        return change(&frame);
    }
    // The last one of a stream may lack its blank line.
    change(&decoder.finish()?.frame)
}
