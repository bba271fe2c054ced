//! Events → canonical events. Items are told apart by `output_index` and may interleave. What a server leaves out of its
//! deltas is taken from the `done` events and, at last, from the answer in the terminal event, so that the pieces add up
//! to the answer whatever of the grammar it keeps.

use serde_json::value::RawValue;

use super::super::observe::{is_known, malformed, read_event, usage_of, Told};
use super::super::response::{
    annotations, call, custom_call, item_extras, logprobs, other_item, picture, reasoning, top_extras,
};
use super::super::types::{list, read, Event, Item, Piece, Response};
use super::super::{error, finish};
use crate::dialect::canonical::{Extra, Part, StreamEvent};
use crate::dialect::{custom, fields, Dialect, StreamFault};
use crate::json::scalar::{count, filled, string, word};
use crate::sse::Frame;

/// The one choice of an answer.
const CHOICE: u32 = 0;

/// Reads a stream.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    done: bool,
    items: Vec<ItemState>,
    calls: u32,
    /// Characters of text so far.
    characters: u64,
}

#[derive(Debug, Default)]
struct ItemState {
    output_index: u64,
    kind: Kind,
    /// Parts of which text has come, a bit each by their index; those above 63 share one.
    heard: u64,
    /// Characters of the answer's text before this item's.
    before: u64,
    /// Sources that were told by themselves, by their part.
    cited: Vec<(u64, Box<RawValue>)>,
    done: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Unknown,
    /// What the model thought, as itself or in summaries: where a server sends both, the one that came first.
    Thought {
        summary: bool,
    },
    Call(u32),
    /// Of a custom tool.
    Custom(u32),
}

impl Decoder {
    /// Reads one event.
    ///
    /// # Errors
    /// A malformed event (nothing has changed) or the provider's error; usage that comes with an error is in `out`.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let Some(Told { kind, event }) = read_event(frame)? else { return Ok(()) };
        match kind.as_str() {
            "response.created" | "response.in_progress" | "response.queued" => {
                if let Some(response) = event.response.and_then(read::<Response<'_>>) {
                    self.start(&response, out);
                }
            }
            "response.failed" | "error" => {
                let response = event.response.and_then(read::<Response<'_>>);
                out.extend(response.and_then(|response| usage_of(&response)).map(StreamEvent::Usage));
                return Err(StreamFault::Provider(error::of_event(frame)));
            }
            "response.completed" | "response.incomplete" => {
                let response: Response<'_> =
                    event.response.and_then(read).ok_or_else(|| malformed("there is no `response`"))?;
                self.terminal(&response, out);
            }
            "response.output_item.done" => {
                if let Some(raw) = event.item {
                    let at = self.position(count(event.output_index));
                    self.item_done(at, raw, out);
                }
            }
            kind if is_known(kind) => self.inside(kind, &event, out),
            kind => {
                let data = frame.data.as_deref().unwrap_or_default();
                let raw = crate::json::from_slice::<&RawValue>(data).ok();
                let told =
                    |raw: &RawValue| fields::answer_extra(Dialect::OpenAiResponses, kind.to_owned(), raw.to_owned());
                out.extend(raw.map(told).map(StreamEvent::Extra));
            }
        }
        Ok(())
    }

    /// Whether the terminal event was read.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.done
    }

    fn start(&mut self, response: &Response<'_>, out: &mut Vec<StreamEvent>) {
        if !std::mem::replace(&mut self.started, true) {
            out.push(StreamEvent::Start {
                id: word(response.id).map(Into::into),
                model: filled(response.model).map(Into::into),
                created: count(response.created_at),
            });
        }
    }

    /// Where an event's item is, made when it is new. An event without an index belongs to the newest item.
    fn position(&mut self, output_index: Option<u64>) -> usize {
        let newest = self.items.last().map(|item| item.output_index);
        let output_index = output_index.or(newest).unwrap_or(0);
        self.items.iter().position(|item| item.output_index == output_index).unwrap_or_else(|| {
            self.items.push(ItemState { output_index, before: self.characters, ..ItemState::default() });
            self.items.len() - 1
        })
    }

    /// An event inside an item. Starts and ends of parts and progress of hosted tools (told whole when they are done) say
    /// nothing more.
    fn inside(&mut self, kind: &str, event: &Event<'_>, out: &mut Vec<StreamEvent>) {
        let at = match kind {
            "response.output_item.added"
            | "response.output_text.delta"
            | "response.output_text.done"
            | "response.output_text.annotation.added"
            | "response.refusal.delta"
            | "response.refusal.done"
            | "response.reasoning_summary_text.delta"
            | "response.reasoning_text.delta"
            | "response.function_call_arguments.delta"
            | "response.function_call_arguments.done"
            | "response.custom_tool_call_input.delta"
            | "response.custom_tool_call_input.done" => self.position(count(event.output_index)),
            _ => return,
        };
        let part = count(event.content_index).unwrap_or(0);
        match kind {
            "response.output_item.added" => self.item_added(at, event, out),
            "response.output_text.delta" => self.text(at, part, event.delta, out),
            "response.refusal.delta" => self.refusal(at, part, event.delta, out),
            "response.reasoning_text.delta" => self.thought(at, part, false, event.delta, out),
            "response.reasoning_summary_text.delta" => {
                self.thought(at, count(event.summary_index).unwrap_or(0), true, event.delta, out);
            }
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.arguments(at, event.delta, out);
            }
            // Told when the item is whole, which most servers repeat them in.
            "response.output_text.annotation.added" => {
                if let (Some(item), Some(cited)) = (self.items.get_mut(at), event.annotation) {
                    item.cited.push((part, cited.to_owned()));
                }
            }
            // Some servers send whole texts only.
            "response.output_text.done" if !self.has_heard(at, part) => self.text(at, part, event.text, out),
            "response.refusal.done" if !self.has_heard(at, part) => self.refusal(at, part, event.refusal, out),
            "response.function_call_arguments.done" if !self.has_heard(at, 0) => {
                self.arguments(at, event.arguments, out);
            }
            "response.custom_tool_call_input.done" if !self.has_heard(at, 0) => self.arguments(at, event.input, out),
            _ => {}
        }
    }

    fn has_heard(&self, at: usize, part: u64) -> bool {
        self.items.get(at).is_some_and(|item| item.heard & bit(part) != 0)
    }

    /// Marks a part as heard; what it says, unless it says nothing.
    fn hear<'a>(&mut self, at: usize, part: u64, raw: Option<&'a RawValue>) -> Option<std::borrow::Cow<'a, str>> {
        let text = filled(raw)?;
        self.items.get_mut(at)?.heard |= bit(part);
        Some(text)
    }

    fn text(&mut self, at: usize, part: u64, raw: Option<&RawValue>, out: &mut Vec<StreamEvent>) {
        if let Some(text) = self.hear(at, part, raw) {
            self.characters += text.chars().count() as u64;
            out.push(StreamEvent::TextDelta { choice: CHOICE, text: text.into_owned() });
        }
    }

    fn refusal(&mut self, at: usize, part: u64, raw: Option<&RawValue>, out: &mut Vec<StreamEvent>) {
        if let Some(text) = self.hear(at, part, raw) {
            out.push(StreamEvent::RefusalDelta { choice: CHOICE, text: text.into_owned() });
        }
    }

    fn thought(&mut self, at: usize, part: u64, summary: bool, raw: Option<&RawValue>, out: &mut Vec<StreamEvent>) {
        let Some(item) = self.items.get_mut(at) else { return };
        match item.kind {
            Kind::Thought { summary: first } if first != summary => return,
            Kind::Call(_) | Kind::Custom(_) => return,
            _ => item.kind = Kind::Thought { summary },
        }
        // Summaries have paragraphs.
        let next_paragraph = summary && item.heard != 0 && item.heard & bit(part) == 0;
        let Some(text) = self.hear(at, part, raw) else { return };
        let text = if next_paragraph { format!("\n\n{text}") } else { text.into_owned() };
        out.push(StreamEvent::ReasoningDelta { choice: CHOICE, text });
    }

    fn arguments(&mut self, at: usize, raw: Option<&RawValue>, out: &mut Vec<StreamEvent>) {
        let kind = self.items.get(at).map(|item| item.kind);
        let Some(Kind::Call(index) | Kind::Custom(index)) = kind else { return };
        if let Some(text) = self.hear(at, 0, raw) {
            let text = text.into_owned();
            out.push(match kind {
                Some(Kind::Custom(_)) => StreamEvent::CustomCallDelta { choice: CHOICE, index, input: text },
                _ => StreamEvent::ToolCallDelta { choice: CHOICE, index, arguments: text },
            });
        }
    }

    fn item_added(&mut self, at: usize, event: &Event<'_>, out: &mut Vec<StreamEvent>) {
        let item: Item<'_> = event.item.and_then(read).unwrap_or_default();
        match filled(item.kind).as_deref() {
            Some("function_call") => {
                self.call_begins(at, &item, out);
                self.arguments(at, item.arguments, out);
            }
            Some(custom::CALL) => {
                self.custom_begins(at, &item, out);
                self.arguments(at, item.input, out);
            }
            _ => {}
        }
    }

    fn custom_begins(&mut self, at: usize, item: &Item<'_>, out: &mut Vec<StreamEvent>) {
        let index = self.calls;
        let Some(state) = self.items.get_mut(at).filter(|state| !matches!(state.kind, Kind::Custom(_))) else { return };
        state.kind = Kind::Custom(index);
        self.calls += 1;
        let custom::Call { id, name, .. } = custom_call(item, state.output_index);
        out.push(StreamEvent::CustomCallStart { choice: CHOICE, index, id, name });
    }

    fn call_begins(&mut self, at: usize, item: &Item<'_>, out: &mut Vec<StreamEvent>) {
        let index = self.calls;
        let Some(state) = self.items.get_mut(at).filter(|state| !matches!(state.kind, Kind::Call(_))) else { return };
        state.kind = Kind::Call(index);
        self.calls += 1;
        let read = call(item, state.output_index);
        let (id, name) = (read.id, read.name);
        out.push(StreamEvent::ToolCallStart { choice: CHOICE, index, id, name, signature: None });
    }

    /// An item is whole: what has not been told of it is told now.
    fn item_done(&mut self, at: usize, raw: &RawValue, out: &mut Vec<StreamEvent>) {
        let Some(state) = self.items.get_mut(at) else { return };
        if std::mem::replace(&mut state.done, true) {
            return;
        }
        let (heard, output_index, before) = (state.heard, state.output_index, state.before);
        let item: Item<'_> = read(raw).unwrap_or_default();
        let kind = filled(item.kind);
        if matches!(kind.as_deref(), Some("message" | "reasoning" | "function_call" | custom::CALL)) {
            let mut extras = Vec::new();
            item_extras(&item, output_index, &mut extras);
            out.extend(extras.into_iter().map(StreamEvent::Extra));
        }
        match kind.as_deref() {
            Some("message") => self.message_done(at, &item, before, out),
            Some("reasoning") => {
                let Some(block) = reasoning(&item) else { return self.thought_ends(heard != 0, None, out) };
                if heard == 0 && !block.text.is_empty() {
                    out.push(StreamEvent::ReasoningDelta { choice: CHOICE, text: block.text });
                }
                self.thought_ends(true, block.signature, out);
            }
            Some("function_call") => {
                self.call_begins(at, &item, out);
                if heard == 0 {
                    self.arguments(at, item.arguments, out);
                }
                self.call_ends(at, out);
            }
            Some(custom::CALL) => {
                self.custom_begins(at, &item, out);
                if heard == 0 {
                    self.arguments(at, item.input, out);
                }
                self.call_ends(at, out);
            }
            Some("image_generation_call") if filled(item.result).is_some() => {
                out.push(StreamEvent::Media { choice: CHOICE, part: Part::Image(picture(&item)) });
                let place = usize::try_from(output_index).unwrap_or(usize::MAX);
                // The picture is carried, its prompt and its form's details are not.
                let told = other_item(raw, place, "image_generation_call");
                out.push(StreamEvent::Extra(Extra { advisory: true, ..told }));
            }
            kind => {
                let place = usize::try_from(output_index).unwrap_or(usize::MAX);
                out.push(StreamEvent::Extra(other_item(raw, place, kind.unwrap_or("item"))));
            }
        }
    }

    fn message_done(&mut self, at: usize, item: &Item<'_>, mut before: u64, out: &mut Vec<StreamEvent>) {
        let output_index = self.items.get(at).map_or(0, |item| item.output_index);
        let mut beside: Vec<Extra> = Vec::new();
        for (nth, raw) in list(item.content).into_iter().enumerate() {
            let piece: Piece<'_> = read(raw).unwrap_or_default();
            if !self.has_heard(at, nth as u64) {
                self.text(at, nth as u64, piece.text, out);
                self.refusal(at, nth as u64, piece.refusal, out);
            }
            let told = self.cited(at, nth as u64);
            let own = piece.annotations.filter(|raw| !list(Some(raw)).is_empty());
            let place = format!("output[{output_index}].content[{nth}]");
            annotations(own.or(told.as_deref()), before, &place, &mut beside);
            logprobs(piece.logprobs, &mut beside);
            before += piece.text.and_then(string).map_or(0, |text| text.chars().count() as u64);
        }
        out.extend(beside.into_iter().map(StreamEvent::Extra));
    }

    /// The sources of a part that came by themselves, as a list.
    fn cited(&mut self, at: usize, part: u64) -> Option<Box<RawValue>> {
        let all = std::mem::take(&mut self.items.get_mut(at)?.cited);
        let (here, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(of, _)| *of == part);
        self.items.get_mut(at)?.cited = others;
        let here: Vec<&str> = here.iter().map(|(_, raw)| raw.get()).collect();
        (!here.is_empty()).then(|| RawValue::from_string(format!("[{}]", here.join(","))).ok()).flatten()
    }

    fn thought_ends(&self, said: bool, signature: Option<String>, out: &mut Vec<StreamEvent>) {
        if said {
            out.push(StreamEvent::ReasoningEnd { choice: CHOICE, signature, redacted: false });
        }
    }

    /// A call without arguments is a call with none: `{}`.
    fn call_ends(&mut self, at: usize, out: &mut Vec<StreamEvent>) {
        let kind = self.items.get(at).map(|item| item.kind);
        let Some(Kind::Call(index) | Kind::Custom(index)) = kind else { return };
        if !self.has_heard(at, 0) && matches!(kind, Some(Kind::Call(_))) {
            out.push(StreamEvent::ToolCallDelta { choice: CHOICE, index, arguments: "{}".to_owned() });
        }
        out.push(StreamEvent::ToolCallEnd { choice: CHOICE, index });
    }

    fn terminal(&mut self, response: &Response<'_>, out: &mut Vec<StreamEvent>) {
        self.done = true;
        self.start(response, out);
        let told_nothing = self.items.is_empty();
        for (at, raw) in response.output.iter().flatten().enumerate() {
            let known = self.items.iter().position(|item| item.output_index == at as u64);
            match known {
                Some(at) => self.item_done(at, raw, out),
                None if told_nothing => {
                    let at = self.position(Some(at as u64));
                    self.item_done(at, raw, out);
                }
                // Servers that count otherwise have told all of it.
                None => {}
            }
        }
        self.close_cut_items(out);
        let mut extras = Vec::new();
        top_extras(response, &mut extras);
        out.extend(extras.into_iter().map(StreamEvent::Extra));
        if let Some(finish) = finish::decode(response, self.calls > 0) {
            out.push(StreamEvent::Finish { choice: CHOICE, finish });
        }
        out.extend(usage_of(response).map(StreamEvent::Usage));
    }

    /// Items that a bound cut off and the answer does not repeat.
    fn close_cut_items(&mut self, out: &mut Vec<StreamEvent>) {
        for at in 0..self.items.len() {
            let Some(item) = self.items.get_mut(at) else { continue };
            let (done, kind, said) = (std::mem::replace(&mut item.done, true), item.kind, item.heard != 0);
            let (before, output_index) = (item.before, item.output_index);
            match kind {
                _ if done => {}
                Kind::Thought { .. } => self.thought_ends(said, None, out),
                Kind::Call(_) | Kind::Custom(_) => self.call_ends(at, out),
                Kind::Unknown => {
                    let (mut beside, told) = (Vec::new(), self.cited(at, 0));
                    annotations(told.as_deref(), before, &format!("output[{output_index}].content[0]"), &mut beside);
                    out.extend(beside.into_iter().map(StreamEvent::Extra));
                }
            }
        }
    }
}

fn bit(part: u64) -> u64 {
    1 << part.min(63)
}
