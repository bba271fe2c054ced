//! Chunks → canonical events.
//!
//! Calls end with their choice, because fragments of parallel calls may interleave: between `ToolCallStart` and
//! `ToolCallEnd` of one call events of others can stand.

use super::super::bare::is_bare;
use super::super::finish;
use super::super::observe::{fault_of, malformed, read_event, usage_of, Event};
use super::super::response::{choice_extras, delta_extras, finish_of, pictures, pieces, top_extras, Piece, Thoughts};
use super::super::types::{Choice as WireChoice, Chunk, Delta};
use super::calls::Calls;
use crate::dialect::canonical::{Extra, Finish, Part, StreamEvent};
use crate::dialect::StreamFault;
use crate::json::scalar::{count, filled, says_something, word};
use crate::sse::Frame;

/// Reads a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    done: bool,
    /// Events are Workers AI's own, which give no reason for their end.
    bare: bool,
    choices: Vec<ChoiceState>,
    /// Members reported already; most stand on every chunk.
    reported: Vec<String>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    index: u32,
    calls: Calls,
    /// A reasoning block is open.
    thinking: bool,
    finished: bool,
}

impl Decoder {
    /// Reads one event.
    ///
    /// # Errors
    /// A malformed event (nothing has changed) or the provider's error; usage that comes with an error is in `out`.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let chunk = match read_event(frame)? {
            Event::Nothing => return Ok(()),
            Event::Done => {
                self.done = true;
                if self.bare {
                    self.choices.iter_mut().for_each(|choice| choice.end_without_reason(out));
                }
                return Ok(());
            }
            Event::Chunk(chunk) => chunk,
        };
        if let Some(fault) = fault_of(&chunk, frame) {
            out.extend(usage_of(&chunk).map(StreamEvent::Usage));
            return Err(fault);
        }
        // Everything that can be malformed is read before anything is changed.
        let mut contents = Vec::new();
        for choice in chunk.choices.iter().flatten() {
            let content = choice.delta.as_ref().and_then(|delta| delta.content);
            contents.push(content.map(pieces).transpose()?.unwrap_or_default());
            if count(choice.index).is_some_and(|index| u32::try_from(index).is_err()) {
                return Err(malformed("a choice's index is out of range"));
            }
        }
        self.bare |= is_bare(&chunk);
        self.start(&chunk, out);
        let mut extras = Vec::new();
        top_extras(&chunk, &mut extras);
        self.report(extras, out);
        let data = frame.data.as_deref().unwrap_or_default();
        for (choice, content) in chunk.choices.iter().flatten().zip(contents) {
            self.choice(choice, content, data, out);
        }
        out.extend(usage_of(&chunk).map(StreamEvent::Usage));
        Ok(())
    }

    /// Whether the answer is complete: `[DONE]` was read, or every choice that began has a finish reason.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.done || (!self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished))
    }

    /// Whether `[DONE]` was read.
    #[must_use]
    pub fn terminated(&self) -> bool {
        self.done
    }

    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Vec<StreamEvent>) {
        // Azure's filter results come first, in a chunk whose ids are empty.
        if self.started || (chunk.choices.iter().flatten().next().is_none() && filled(chunk.id).is_none()) {
            return;
        }
        self.started = true;
        out.push(StreamEvent::Start {
            id: word(chunk.id).map(Into::into),
            model: filled(chunk.model).map(Into::into),
            created: count(chunk.created),
        });
    }

    /// Passes on what has not been reported yet. Probabilities, sources and sound come piece by piece.
    fn report(&mut self, extras: Vec<Extra>, out: &mut Vec<StreamEvent>) {
        const PIECES: [&str; 3] = ["].logprobs", ".annotations", ".audio"];
        for extra in extras {
            if PIECES.iter().any(|end| extra.field.ends_with(end)) {
                out.push(StreamEvent::Extra(extra));
            } else if !self.reported.contains(&extra.field) {
                self.reported.push(extra.field.clone());
                out.push(StreamEvent::Extra(extra));
            }
        }
    }

    fn choice(&mut self, wire: &WireChoice<'_>, content: Vec<Piece<'_>>, chunk: &[u8], out: &mut Vec<StreamEvent>) {
        let index = count(wire.index).and_then(|index| u32::try_from(index).ok()).unwrap_or(0);
        let mut extras = Vec::new();
        choice_extras(wire, index, &mut extras);
        if let Some(delta) = &wire.delta {
            delta_extras(delta, index, "delta", &mut extras);
            if let Some(images) =
                delta.images.filter(|images| says_something(images) && pictures(Some(images)).is_empty())
            {
                let field = format!("choices[{index}].delta.images");
                extras.push(Extra { field, value: images.to_owned(), advisory: false, is_default: false });
            }
        }
        for piece in &content {
            if let Piece::Other { kind, raw } = piece {
                let field = format!("choices[{index}].delta.content.{kind}");
                extras.push(Extra { field, value: (*raw).to_owned(), advisory: false, is_default: false });
            }
        }
        let at = self.choices.iter().position(|state| state.index == index).unwrap_or_else(|| {
            self.choices.push(ChoiceState { index, ..ChoiceState::default() });
            self.choices.len() - 1
        });
        if let (Some(state), Some(delta)) = (self.choices.get_mut(at), &wire.delta) {
            state.delta(delta, content, chunk, out);
        }
        // Behind the words that they are about.
        self.report(extras, out);
        let Some(state) = self.choices.get_mut(at) else { return };
        if let (false, Some(reason)) = (state.finished, filled(wire.finish_reason)) {
            state.finished = true;
            state.stop_thinking(out);
            state.calls.end(index, out);
            let finish = finish_of(&reason, state.calls.any(), wire);
            out.push(StreamEvent::Finish { choice: index, finish });
        }
    }
}

impl ChoiceState {
    fn end_without_reason(&mut self, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.finished, true) {
            self.stop_thinking(out);
            self.calls.end(self.index, out);
            let raw = if self.calls.any() { "tool_calls" } else { "stop" };
            let finish = Finish { reason: finish::decode(raw, false), raw: raw.to_owned(), stop_sequence: None };
            out.push(StreamEvent::Finish { choice: self.index, finish });
        }
    }

    fn delta(&mut self, delta: &Delta<'_>, content: Vec<Piece<'_>>, chunk: &[u8], out: &mut Vec<StreamEvent>) {
        let choice = self.index;
        let thoughts = Thoughts::read(delta);
        if let Some(text) = thoughts.text() {
            self.think(text.into_owned(), out);
        }
        for block in thoughts.signed() {
            self.sign(Some(block.signature), block.redacted, out);
        }
        for piece in content {
            match piece {
                Piece::Text(text) => {
                    self.stop_thinking(out);
                    out.push(StreamEvent::TextDelta { choice, text: text.into_owned() });
                }
                Piece::Refusal(text) => {
                    self.stop_thinking(out);
                    out.push(StreamEvent::RefusalDelta { choice, text: text.into_owned() });
                }
                Piece::Reasoning { text, signature } => {
                    if !text.is_empty() {
                        self.think(text, out);
                    }
                    if signature.is_some() {
                        self.sign(signature, false, out);
                    }
                }
                Piece::Other { .. } => {}
            }
        }
        if let Some(text) = filled(delta.refusal) {
            self.stop_thinking(out);
            out.push(StreamEvent::RefusalDelta { choice, text: text.into_owned() });
        }
        for picture in pictures(delta.images) {
            self.stop_thinking(out);
            out.push(StreamEvent::Media { choice, part: Part::Image(picture) });
        }
        for call in delta.tool_calls.iter().flatten() {
            self.stop_thinking(out);
            self.calls.fragment(choice, call, chunk, out);
        }
        if let Some(function) = &delta.function_call {
            self.stop_thinking(out);
            self.calls.legacy(choice, function, chunk, out);
        }
    }

    fn think(&mut self, text: String, out: &mut Vec<StreamEvent>) {
        self.thinking = true;
        out.push(StreamEvent::ReasoningDelta { choice: self.index, text });
    }

    fn sign(&mut self, signature: Option<String>, redacted: bool, out: &mut Vec<StreamEvent>) {
        if redacted {
            // A redacted block has no text: it ends the block before it first.
            self.stop_thinking(out);
        }
        self.thinking = false;
        out.push(StreamEvent::ReasoningEnd { choice: self.index, signature, redacted });
    }

    fn stop_thinking(&mut self, out: &mut Vec<StreamEvent>) {
        if std::mem::take(&mut self.thinking) {
            out.push(StreamEvent::ReasoningEnd { choice: self.index, signature: None, redacted: false });
        }
    }
}
