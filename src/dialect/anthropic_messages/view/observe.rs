//! Usage, finish and ids of native answers, read without building them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::error;
use super::super::types::{self, Block, Delta, Event, Kind, StartedMessage, Text, WireUsage};
use crate::dialect::canonical::Usage;
use crate::dialect::{Observation, Seen, StreamFault, Varying};
use crate::sse::Frame;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    stop_sequence: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<WireUsage<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads usage and finish of a whole answer.
///
/// # Errors
/// An error in a 200, or bytes that are no message.
pub fn observe_response(body: &[u8]) -> Result<Observation, StreamFault> {
    let message: Message<'_> = crate::json::from_slice(body).map_err(malformed)?;
    if let Some(error) = message.error {
        return Err(StreamFault::Provider(error::read(error)));
    }
    let Some(content) = message.content else {
        return Err(StreamFault::Malformed("an answer without content".to_owned()));
    };
    let mut seen = Observation { done: true, ..Observation::default() };
    keep(&mut seen.id, message.id);
    keep(&mut seen.model, message.model);
    merge(&mut seen.usage, message.usage.as_ref());
    let sequence = message.stop_sequence.and_then(|raw| parse::<Text<'_>>(raw).ok());
    finish(&mut seen, message.stop_reason.as_ref(), sequence.as_ref());
    for raw in content {
        if let Ok(block) = crate::json::from_str::<Block<'_>>(raw.get()) {
            seen.output_bytes = seen.output_bytes.saturating_add(block_bytes(&block));
        }
    }
    Ok(seen)
}

/// Reads token counts by themselves.
pub fn usage(raw: &RawValue) -> Option<Usage> {
    let (wire, mut usage) = (parse::<WireUsage<'_>>(raw).ok()?, None);
    merge(&mut usage, Some(&wire));
    usage
}

fn block_bytes(block: &Block<'_>) -> u64 {
    let text = |text: &Option<Text<'_>>| text.as_ref().map_or(0, |t| t.as_str().len());
    let input = block.input.map_or(0, |input| input.get().len());
    (text(&block.text) + text(&block.thinking) + input) as u64
}

/// Reads one event of a native stream; also in what the next one may differ from it alone.
///
/// # Errors
/// A malformed event, which leaves the observation as it was, or the provider's error.
pub fn observe_event<'f>(
    frame: &'f Frame<'_>,
    seen: &mut Observation,
) -> Result<(Seen, Option<Varying<'f>>), StreamFault> {
    let Some(data) = frame.data.as_deref() else { return error::bare(frame).map(|()| (Seen::default(), None)) };
    if data == b"[DONE]" || (data.is_empty() && frame.event.is_none()) {
        return Ok((Seen::default(), None));
    }
    let event: Event<'f> = match crate::json::from_slice(data) {
        Ok(event) => event,
        Err(error) => return types::unknown_or_malformed(data, &error).map(|_| (Seen::default(), None)),
    };
    let mut varying = None;
    observe_kind(frame, &event, seen, &mut varying).map(|event| (event, varying))
}

fn observe_kind<'f>(
    frame: &Frame<'_>,
    event: &Event<'f>,
    seen: &mut Observation,
    varying: &mut Option<Varying<'f>>,
) -> Result<Seen, StreamFault> {
    let named = || frame.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
    match event.kind.as_ref().map(Text::as_str).or_else(named).unwrap_or_default() {
        "message_start" => {
            let message: StartedMessage<'_> = event.message.map(parse).transpose()?.unwrap_or_default();
            let usage: Option<WireUsage<'_>> = message.usage.map(parse).transpose()?;
            keep(&mut seen.id, message.id);
            keep(&mut seen.model, message.model);
            if let Some(usage) = &usage {
                usage.start(seen.usage.get_or_insert_with(Usage::uncounted));
            }
            Ok(Seen { usage: usage.is_some(), ..Seen::default() })
        }
        "content_block_start" => block_start(event, seen),
        "content_block_delta" => {
            let raw =
                event.delta.ok_or_else(|| StreamFault::Malformed("a delta event without its delta".to_owned()))?;
            let (bytes, said) = measure_delta(raw)?;
            seen.output_bytes = seen.output_bytes.saturating_add(bytes);
            *varying = said;
            // Deltas of kinds that are not known are the model's output too: once out, they are delivered.
            Ok(Seen { content: true, ..Seen::default() })
        }
        "message_delta" => {
            let delta: Delta<'_> = event.delta.map(parse).transpose()?.unwrap_or_default();
            let usage: Option<WireUsage<'_>> = event.usage.map(parse).transpose()?;
            merge(&mut seen.usage, usage.as_ref());
            finish(seen, delta.stop_reason.as_ref(), delta.stop_sequence.as_ref());
            Ok(Seen { content: delta.stop_reason.is_some(), usage: usage.is_some(), ..Seen::default() })
        }
        "message_stop" => {
            seen.done = true;
            Ok(Seen { terminal: true, ..Seen::default() })
        }
        "error" => Err(StreamFault::Provider(event.error.map(error::read).unwrap_or_default())),
        "content_block_stop" | "ping" => Ok(Seen::default()),
        _ => match event.error {
            Some(raw) => Err(StreamFault::Provider(error::read(raw))),
            None => Ok(Seen::default()),
        },
    }
}

/// Texts and thinking begin empty; every other block is content as soon as it begins.
fn block_start(event: &Event<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
    let raw =
        event.content_block.ok_or_else(|| StreamFault::Malformed("a block event without its block".to_owned()))?;
    let kind: Kind<'_> = parse(raw)?;
    let content = match kind.kind.as_ref().map(Text::as_str) {
        Some("text" | "thinking") => {
            let bytes = block_bytes(&parse(raw)?);
            seen.output_bytes = seen.output_bytes.saturating_add(bytes);
            bytes > 0
        }
        kind => {
            seen.called |= kind == Some("tool_use");
            true
        }
    };
    Ok(Seen { content, ..Seen::default() })
}

/// Bytes of its texts, and the one that says something, if it is written without escapes.
fn measure_delta(raw: &RawValue) -> Result<(u64, Option<Varying<'_>>), StreamFault> {
    let delta: Delta<'_> = match crate::json::from_str(raw.get()) {
        Ok(delta) => delta,
        Err(error) => return types::unknown_or_malformed(raw.get().as_bytes(), &error).map(|_| (0, None)),
    };
    let is_text = delta.kind.is_some_and(|kind| kind.as_str() == "text_delta") && delta.text.is_some();
    let texts = [delta.text, delta.thinking, delta.partial_json];
    let bytes = texts.iter().flatten().map(|text| text.as_str().len() as u64).sum();
    let varying = texts.into_iter().flatten().next().and_then(|text| match text.0 {
        Cow::Borrowed(said) => Some(Varying { said, is_text, filling: None }),
        Cow::Owned(_) => None,
    });
    Ok((bytes, varying))
}

fn keep(slot: &mut Option<String>, text: Option<Text<'_>>) {
    if let Some(text) = text {
        *slot = Some(text.0.into_owned());
    }
}

fn merge(slot: &mut Option<Usage>, usage: Option<&WireUsage<'_>>) {
    if let Some(usage) = usage {
        usage.merge_into(slot.get_or_insert_with(Usage::uncounted));
    }
}

fn finish(seen: &mut Observation, reason: Option<&Text<'_>>, sequence: Option<&Text<'_>>) {
    if let Some(reason) = reason {
        let finish = types::finish(reason.as_str(), sequence.map(Text::as_str));
        seen.finish = Some(finish.reason);
        seen.raw_finish = Some(finish.raw);
    }
}

fn parse<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, StreamFault> {
    crate::json::from_str(raw.get()).map_err(malformed)
}

fn malformed(error: serde_json::Error) -> StreamFault {
    StreamFault::Malformed(error.to_string())
}
