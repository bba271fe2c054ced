//! An answer that was recorded, read again by what its caller's dialect says.

use super::payload::Payload;
use crate::dialect::canonical::{Choice, Part, ReasoningPart, StreamEvent, ToolCall};
use crate::dialect::{custom, Dialect};
use crate::sorted;
use crate::sse;

/// Its choices, by index; none where it is an error. Of a stream that was cut what came.
#[must_use]
pub fn choices(dialect: Dialect, payload: &Payload) -> Vec<Choice> {
    let wire = payload.wire();
    if payload.events.is_none() {
        return dialect.decode_response(wire.as_bytes()).map(|answer| answer.choices).unwrap_or_default();
    }
    let (mut frames, mut decoder, mut events) = (sse::Decoder::new(), dialect.stream_decoder(), Vec::new());
    if frames.push(wire.as_bytes()).is_err() {
        return Vec::new();
    }
    while let Some(frame) = frames.next_frame() {
        // A malformed event, or an error in the answer's place: what came before it counts.
        if decoder.frame(&frame, &mut events).is_err() {
            break;
        }
    }
    let (mut choices, mut customs): (Vec<Choice>, Vec<(u32, usize)>) = (Vec::new(), Vec::new());
    for event in events {
        let Some(index) = event.choice() else { continue };
        let at = choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            choices.push(Choice { index, ..Choice::default() });
            choices.len() - 1
        });
        if let Some(choice) = choices.get_mut(at) {
            add(choice, event, dialect, &mut customs);
        }
    }
    for (index, at) in customs {
        let choice = choices.iter_mut().find(|choice| choice.index == index);
        if let Some(part) = choice.and_then(|choice| choice.parts.get_mut(at)) {
            if let Part::ToolCall(ToolCall { id, name, arguments, .. }) =
                std::mem::replace(part, Part::Text(String::new()))
            {
                *part = custom::Call { id, name, input: arguments }.into_part();
            }
        }
    }
    sorted::sort_by_key(&mut choices, |choice| choice.index);
    choices
}

/// What an event adds to its choice. Deltas of one kind in a row are one part. Calls of custom tools are counted with the others, and
/// stand as such until the end: `customs` has their choices and places.
fn add(choice: &mut Choice, event: StreamEvent, origin: Dialect, customs: &mut Vec<(u32, usize)>) {
    let last = choice.parts.last_mut();
    match event {
        StreamEvent::TextDelta { text, .. } => match last {
            Some(Part::Text(before)) => before.push_str(&text),
            _ => choice.parts.push(Part::Text(text)),
        },
        StreamEvent::RefusalDelta { text, .. } => match last {
            Some(Part::Refusal(before)) => before.push_str(&text),
            _ => choice.parts.push(Part::Refusal(text)),
        },
        StreamEvent::ReasoningDelta { text, .. } => match last {
            Some(Part::Reasoning(before)) => before.text.push_str(&text),
            _ => choice.parts.push(Part::Reasoning(ReasoningPart { text, signature: None, redacted: false, origin })),
        },
        StreamEvent::ToolCallStart { id, name, .. } => {
            choice.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature: None }));
        }
        StreamEvent::CustomCallStart { id, name, .. } => {
            customs.push((choice.index, choice.parts.len()));
            choice.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature: None }));
        }
        StreamEvent::ToolCallDelta { index, arguments, .. }
        | StreamEvent::CustomCallDelta { index, input: arguments, .. } => {
            let calls = choice.parts.iter_mut().filter_map(|part| match part {
                Part::ToolCall(call) => Some(call),
                _ => None,
            });
            let at = usize::try_from(index).unwrap_or(usize::MAX);
            calls.skip(at).take(1).for_each(|call| call.arguments.push_str(&arguments));
        }
        StreamEvent::Media { part, .. } => choice.parts.push(part),
        StreamEvent::Finish { finish, .. } => choice.finish = Some(finish),
        _ => {}
    }
}
