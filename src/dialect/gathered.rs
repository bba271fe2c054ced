//! A stream put together to the whole answer that it tells: of a recording, and of servers that stream whatever they are asked
//! for (reported of kaito and unsloth).

use serde_json::value::RawValue;

use super::anthropic_messages::gathered::Message;
use super::canonical::{ChatResponse, Choice, Extra, Part, ReasoningPart, StreamEvent, ToolCall};
use super::openai_responses::gathered::Answer;
use super::{custom, Dialect, Observation, StreamFault};
use crate::json::scalar::{kind_of, Kind};
use crate::json::scan::items;
use crate::json::{Edit, Members};
use crate::sorted;
use crate::sse::{self, Frame};

/// Whether a body that should be a whole answer is a stream: it begins as no JSON does.
#[must_use]
pub fn is_stream(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    [&b"data:"[..], b"event:", b"id:", b"retry:", b":"].iter().any(|field| body.starts_with(field))
}

/// A stream in the place of a whole answer.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // there is one, and it is taken apart at once
pub enum Whole {
    /// As its dialect writes whole answers: with what the hub has no word for.
    Native(Vec<u8>),
    /// In the hub's words.
    Read(ChatResponse, Observation),
}

/// What a stream in the place of a whole answer says.
///
/// # Errors
/// The provider's error, an event that cannot be read, or a stream without its end: half an answer is none.
pub fn whole(dialect: Dialect, body: &[u8]) -> Result<Whole, StreamFault> {
    let (mut decoder, mut events) = (dialect.stream_decoder(), Vec::new());
    let (mut gathered, mut seen) = (Gathered::new(dialect), Observation::default());
    let (mut message, mut answer) = (Message::default(), Answer::default());
    each_frame(dialect, body, |frame| {
        dialect.observe_event(frame, &mut seen)?;
        decoder.frame(frame, &mut events)?;
        match dialect {
            Dialect::AnthropicMessages => message.take(frame),
            Dialect::OpenAiResponses => answer.take(frame),
            Dialect::OpenAiChat | Dialect::Gemini => events.drain(..).for_each(|event| gathered.add(event)),
        }
        events.clear();
        Ok(())
    })?;
    if !decoder.complete() {
        return Err(StreamFault::Malformed("a stream came in the place of an answer, and was cut".to_owned()));
    }
    let native = match dialect {
        Dialect::AnthropicMessages => message.body(),
        Dialect::OpenAiResponses => answer.body(),
        Dialect::OpenAiChat | Dialect::Gemini => return Ok(Whole::Read(gathered.response(), seen)),
    };
    let unfit = || StreamFault::Malformed("a stream came in the place of an answer, and makes none".to_owned());
    native.map(Whole::Native).ok_or_else(unfit)
}

/// What a body says of tokens that is no answer otherwise: they were used all the same.
#[must_use]
pub fn rejected(dialect: Dialect, body: &[u8]) -> Observation {
    let mut seen = Observation::default();
    if is_stream(body) {
        let _ = each_frame(dialect, body, |frame| {
            // An event that cannot be read, and an error, do not take back what was counted.
            let _ = dialect.observe_event(frame, &mut seen);
            Ok(())
        });
    } else if let Ok(members) = Members::read(body) {
        seen.usage = ["usage", "usageMetadata"].iter().find_map(|name| dialect.decode_usage(members.present(name)?));
    }
    seen
}

/// The choices of a stream that was recorded, by index, as far as it can be read.
#[must_use]
pub fn choices(dialect: Dialect, body: &[u8]) -> Vec<Choice> {
    let (mut decoder, mut events) = (dialect.stream_decoder(), Vec::new());
    let mut gathered = Gathered::new(dialect);
    // What came before an event that cannot be read, or before an error, counts.
    let _ = each_frame(dialect, body, |frame| {
        let read = decoder.frame(frame, &mut events);
        events.drain(..).for_each(|event| gathered.add(event));
        read
    });
    gathered.response().choices
}

/// Goes over a stream's events; a whole answer among them comes as the events that it should have been.
fn each_frame(
    dialect: Dialect,
    body: &[u8],
    mut take: impl FnMut(&Frame<'_>) -> Result<(), StreamFault>,
) -> Result<(), StreamFault> {
    let too_long = |_| StreamFault::Malformed("an event is too long".to_owned());
    let mut frames = sse::Decoder::with_limit(usize::MAX);
    frames.push(body).map_err(too_long)?;
    let mut each = |frame: &Frame<'_>| match dialect.unrolled(frame) {
        None => take(frame),
        Some(events) => sse::each_event(&events, &mut take),
    };
    while let Some(frame) = frames.next_frame() {
        each(&frame)?;
    }
    frames.finish().map_or(Ok(()), |rest| each(&rest.frame))
}

/// An answer that grows by the events of its stream.
#[derive(Debug)]
struct Gathered {
    origin: Dialect,
    response: ChatResponse,
    /// Calls, which may interleave: their choice and counter, and their place among its parts.
    calls: Vec<Place>,
    /// Choices whose last part is reasoning to which more may come.
    thinking: Vec<u32>,
}

#[derive(Debug)]
struct Place {
    choice: u32,
    index: u32,
    at: usize,
    is_custom: bool,
}

impl Gathered {
    fn new(origin: Dialect) -> Self {
        Self { origin, response: ChatResponse::default(), calls: Vec::new(), thinking: Vec::new() }
    }

    fn add(&mut self, event: StreamEvent) {
        match event.choice() {
            Some(index) => self.add_to(index, event),
            None => match event {
                StreamEvent::Start { id, model, created } => {
                    (self.response.id, self.response.model, self.response.created) = (id, model, created);
                }
                StreamEvent::Usage(usage) => self.response.usage = Some(usage),
                StreamEvent::Extra(extra) => self.keep(extra),
                _ => {}
            },
        }
    }

    /// Members are told once, but for lists (probabilities, sources), which may come piece by piece.
    fn keep(&mut self, extra: Extra) {
        match self.response.extras.iter_mut().find(|known| known.field == extra.field) {
            Some(known) => known.value = joined(&known.value, &extra.value).unwrap_or(extra.value),
            None => self.response.extras.push(extra),
        }
    }

    /// Deltas of one kind in a row are one part.
    fn add_to(&mut self, index: u32, event: StreamEvent) {
        let origin = self.origin;
        let at = self.response.choices.iter().position(|choice| choice.index == index).unwrap_or_else(|| {
            self.response.choices.push(Choice { index, ..Choice::default() });
            self.response.choices.len() - 1
        });
        let Some(choice) = self.response.choices.get_mut(at) else { return };
        let thinking = self.thinking.contains(&index);
        self.thinking.retain(|choice| *choice != index);
        let block = |text, signature, redacted| Part::Reasoning(ReasoningPart { text, signature, redacted, origin });
        let count = choice.parts.len();
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
            StreamEvent::ReasoningDelta { text, .. } => {
                self.thinking.push(index);
                match last {
                    Some(Part::Reasoning(before)) if thinking => before.text.push_str(&text),
                    _ => choice.parts.push(block(text, None, false)),
                }
            }
            StreamEvent::ReasoningEnd { signature, redacted, .. } => match last {
                Some(Part::Reasoning(before)) if thinking && !redacted => before.signature = signature,
                _ if signature.is_some() => choice.parts.push(block(String::new(), signature, redacted)),
                _ => {}
            },
            StreamEvent::ToolCallStart { index: call, id, name, signature, .. } => {
                choice.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature }));
                self.calls.push(Place { choice: index, index: call, at: count, is_custom: false });
            }
            StreamEvent::CustomCallStart { index: call, id, name, .. } => {
                // A call like others until its end.
                choice.parts.push(Part::ToolCall(ToolCall { id, name, arguments: String::new(), signature: None }));
                self.calls.push(Place { choice: index, index: call, at: count, is_custom: true });
            }
            StreamEvent::ToolCallDelta { index: call, arguments: more, .. }
            | StreamEvent::CustomCallDelta { index: call, input: more, .. } => {
                let place = self.calls.iter().find(|place| (place.choice, place.index) == (index, call));
                if let Some(Part::ToolCall(call)) = place.and_then(|place| choice.parts.get_mut(place.at)) {
                    call.arguments.push_str(&more);
                }
            }
            StreamEvent::Media { part, .. } => choice.parts.push(part),
            StreamEvent::Finish { finish, .. } => choice.finish = Some(finish),
            StreamEvent::ToolCallEnd { .. }
            | StreamEvent::Start { .. }
            | StreamEvent::Usage(_)
            | StreamEvent::Extra(_) => {}
        }
    }

    fn response(mut self) -> ChatResponse {
        for place in &self.calls {
            let choice = self.response.choices.iter_mut().find(|choice| choice.index == place.choice);
            let Some(part) = choice.and_then(|choice| choice.parts.get_mut(place.at)) else { continue };
            let Part::ToolCall(call) = part else { continue };
            if place.is_custom {
                let ToolCall { id, name, arguments: input, .. } = std::mem::take(call);
                *part = custom::Call { id, name, input }.into_part();
            } else if call.arguments.is_empty() {
                call.arguments.push_str("{}");
            }
        }
        sorted::sort_by_key(&mut self.response.choices, |choice| choice.index);
        self.response
    }
}

/// Two lists as one, or two objects with their lists as one each; `None` for other values.
fn joined(before: &RawValue, after: &RawValue) -> Option<Box<RawValue>> {
    let json = match (kind_of(before), kind_of(after)) {
        (Kind::List, Kind::List) => {
            let items: Vec<&str> = items(before.get()).chain(items(after.get())).collect();
            format!("[{}]", items.join(","))
        }
        (Kind::Object, Kind::Object) => {
            let known = Members::read(before.get().as_bytes()).ok()?;
            let new = Members::read(after.get().as_bytes()).ok()?;
            let both = new.iter().map(|(name, value)| {
                let list =
                    known.raw(name).filter(|_| kind_of(value) == Kind::List).and_then(|list| joined(list, value));
                Edit::Set(name, list.map_or_else(|| value.get().to_owned(), |list| list.get().to_owned()).into())
            });
            String::from_utf8(known.edit(&both.collect::<Vec<_>>())).ok()?
        }
        _ => return None,
    };
    RawValue::from_string(json).ok()
}

#[cfg(test)]
mod tests;
