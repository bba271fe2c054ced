//! Whether what was held back is whole: arguments of calls and documents that are JSON.

use serde::de::IgnoredAny;

use crate::dialect::canonical::{FinishReason, StreamEvent};
use crate::dialect::Dialect;
use crate::sorted::Map;
use crate::sse;

/// Reads a stream's events in the caller's dialect, all of them up to the end of the answer. `document`: its text is to be
/// JSON. An answer that ran into its bound, or was refused, is what it is.
#[must_use]
pub fn is_sound(dialect: Dialect, events: &[u8], document: bool) -> bool {
    let (mut frames, mut decoder) = (sse::Decoder::new(), dialect.stream_decoder());
    let mut read = Vec::new();
    if frames.push(events).is_err() {
        return false;
    }
    while let Some(frame) = frames.next_frame() {
        if decoder.frame(&frame, &mut read).is_err() {
            return false;
        }
    }
    let mut texts: Map<(u32, Option<u32>), String> = Map::new();
    let mut unfinished = Vec::new();
    for event in &read {
        match event {
            StreamEvent::TextDelta { choice, text } if document => {
                texts.entry((*choice, None)).or_default().push_str(text);
            }
            StreamEvent::ToolCallDelta { choice, index, arguments } => {
                texts.entry((*choice, Some(*index))).or_default().push_str(arguments);
            }
            StreamEvent::Finish { choice, finish }
                if matches!(finish.reason, FinishReason::Length | FinishReason::ContentFilter) =>
            {
                unfinished.push(*choice);
            }
            _ => {}
        }
    }
    texts.iter().filter(|((choice, _), _)| !unfinished.contains(choice)).all(|((_, call), text)| {
        let empty = call.is_some() && text.trim().is_empty();
        // Where arguments must be an object, those that are no JSON are a text in one.
        let wrapped = call.is_some() && text.starts_with("{\"__raw\":");
        empty || (crate::json::from_str::<IgnoredAny>(text).is_ok() && !wrapped)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_is_not_whole_is_told_from_json_that_is() {
        let chunk = |delta: &str, finish: &str| {
            format!(
                "data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
            )
        };
        let call = |arguments: &str| {
            let arguments = serde_json::to_string(arguments).unwrap();
            chunk(
                &format!(
                    r#"{{"tool_calls":[{{"index":0,"id":"x","function":{{"name":"f","arguments":{arguments}}}}}]}}"#
                ),
                "null",
            )
        };
        let text = |text: &str| chunk(&format!("{{\"content\":{}}}", serde_json::to_string(text).unwrap()), "null");
        for (events, document, sound) in [
            (call("{\"a\":1}") + &chunk("{}", "\"tool_calls\""), false, true),
            (call("") + &chunk("{}", "\"tool_calls\""), false, true),
            (call("{\"a\":") + &chunk("{}", "\"tool_calls\""), false, false),
            (call("{\"a\":") + &chunk("{}", "\"length\""), false, true),
            (call(r#"{"__raw":"{\"a\":"}"#) + &chunk("{}", "\"tool_calls\""), false, false),
            (text("[1,") + &text("2]") + &chunk("{}", "\"stop\""), true, true),
            (text("[1,") + &chunk("{}", "\"stop\""), true, false),
            (text("Sure! [1") + &chunk("{}", "\"stop\""), false, true),
            (chunk("{\"refusal\":\"no\"}", "\"stop\""), true, true),
        ] {
            assert_eq!(is_sound(Dialect::OpenAiChat, events.as_bytes(), document), sound, "{events}");
        }
    }
}
