//! Canonical events → events of this dialect (`wire.md` §1.2 "Stream grammar"): every item is added and done, every text
//! ends with its whole, numbers run on, ids stay, and there is one terminal event, which holds the answer.

mod call;
mod message;
mod thought;

use super::super::finish;
use super::super::response::{closing, head, write_picture, Ids, MessagePart, CUSTOM, FUNCTION};
use crate::dialect::canonical::{Finish, Loss, Media, MediaSource, Part, StreamEvent, Usage};
use crate::dialect::openai_chat::write::Object;
use crate::dialect::{ReplyContext, Tail};

/// Writes a stream.
#[derive(Debug)]
pub struct Encoder {
    context: Box<ReplyContext>,
    ids: Option<Ids>,
    model: Option<String>,
    created: Option<u64>,
    /// `sequence_number` of the next event.
    next: u64,
    items: Vec<Item>,
    end: Option<Finish>,
    counts: Option<Usage>,
    tier: Option<String>,
    /// Characters of text so far, in all items.
    said: u64,
}

/// An output item; its place is its `output_index`.
#[derive(Debug)]
enum Item {
    /// Its parts so far; the last one is open.
    Message(Vec<MessagePart>),
    /// Thinking text so far.
    Thought(String),
    /// A call of a tool.
    Call(call::Open),
    /// Whole, as JSON.
    Done(Vec<u8>),
}

impl Encoder {
    /// A writer with nothing written.
    #[must_use]
    pub fn new(context: ReplyContext) -> Self {
        Self {
            context: Box::new(context),
            ids: None,
            model: None,
            created: None,
            next: 0,
            items: Vec::new(),
            end: None,
            counts: None,
            tier: None,
            said: 0,
        }
    }

    /// Goes on with what another writer began: the number of the next event and the open message's id are given.
    pub fn goes_on(&mut self, next: Option<u64>, message: Option<String>) {
        self.next = next.unwrap_or(self.next);
        let context = &self.context;
        self.ids.get_or_insert_with(|| Ids::of(None, context)).begin_with(message);
    }

    /// Writes one event. Choices beyond the first have no place.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        if let Some(choice) = event.choice().filter(|choice| *choice != 0) {
            let loss = Loss::unsupported(format!("choices[{choice}]"), "an answer in Responses is one");
            if !losses.contains(&loss) {
                losses.push(loss);
            }
            return;
        }
        match event {
            StreamEvent::Start { id, model, created } => {
                self.ids = Some(Ids::of(id.as_deref(), &self.context));
                self.model.clone_from(model);
                self.created = *created;
                self.begin(out);
            }
            StreamEvent::TextDelta { text, .. } => self.text(text, out),
            StreamEvent::RefusalDelta { text, .. } => self.refusal(text, out),
            StreamEvent::ReasoningDelta { text, .. } => self.thought(text, out),
            StreamEvent::ReasoningEnd { signature, redacted, .. } => {
                self.thought_ends(signature.as_deref(), *redacted, out);
            }
            StreamEvent::ToolCallStart { index, id, name, signature, .. } => {
                self.call_begins(&FUNCTION, *index, id, name, signature.as_deref(), out);
            }
            StreamEvent::CustomCallStart { index, id, name, .. } => {
                self.call_begins(&CUSTOM, *index, id, name, None, out);
            }
            StreamEvent::ToolCallDelta { index, arguments: piece, .. }
            | StreamEvent::CustomCallDelta { index, input: piece, .. } => self.call_grows(*index, piece, out),
            StreamEvent::ToolCallEnd { index, .. } => self.call_ends(*index, "completed", out),
            StreamEvent::Media {
                part: Part::Image(Media { source: MediaSource::Base64 { mime, data }, .. }), ..
            } => {
                self.close_spoken("completed", out);
                let begun = |id: &str| write_picture(id, mime, "", "in_progress");
                let (at, id) = self.add(Item::Done(Vec::new()), "ig", begun, out);
                self.done(at, write_picture(&id, mime, data, "completed"), out);
            }
            StreamEvent::Media { choice, part } => {
                losses.push(Loss::of_media(format!("choices[{choice}].content"), part))
            }
            StreamEvent::Finish { finish, .. } => self.end = Some(finish.clone()),
            StreamEvent::Usage(counts) => self.counts = Some(*counts),
            StreamEvent::Extra(extra) => self.extra(extra, out, losses),
        }
    }

    /// Writes the normal end: what is open is done, then the answer in its terminal event.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        self.begin(out);
        let status = self.end.as_ref().map_or("completed", |end| finish::encode(end.reason).0);
        let last = if status == "completed" { "completed" } else { "incomplete" };
        self.close_spoken(last, out);
        self.calls_end(last, out);
        let output: Vec<Vec<u8>> = self
            .items
            .iter()
            .filter_map(|item| if let Item::Done(body) = item { Some(body.clone()) } else { None })
            .collect();
        let counts = tail.usage.or(self.counts);
        let (end, tier) = (self.end.clone(), self.tier.clone());
        let ids = self.ids();
        let (model, created, context) = (self.model.clone(), self.created, self.context.clone());
        self.write(&format!("response.{status}"), out, |event| {
            event.object("response", |response| {
                head(response, &ids, model.as_deref(), created, &context);
                let cost = tail.cost_usd.as_deref();
                closing(response, end.as_ref(), &output, tier.as_deref(), counts.as_ref(), cost);
            });
            if let Some(signalbox) = &tail.signalbox {
                event.raw("signalbox", signalbox);
            }
        });
    }

    fn ids(&mut self) -> Ids {
        let context = &self.context;
        self.ids.get_or_insert_with(|| Ids::of(None, context)).clone()
    }

    /// One event with its number.
    fn write(&mut self, kind: &str, out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\ndata: ");
        let mut event = Object::begin(out);
        event.text("type", kind);
        event.number("sequence_number", self.next);
        members(&mut event);
        event.end();
        out.extend_from_slice(b"\n\n");
        self.next += 1;
    }

    /// An event of an item.
    fn write_at(&mut self, kind: &str, at: usize, id: &str, out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
        self.write(kind, out, |event| {
            event.text("item_id", id);
            event.number("output_index", at as u64);
            members(event);
        });
    }

    /// `response.created` and `response.in_progress`, once.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.next > 0 {
            return;
        }
        let ids = self.ids();
        let (model, created, context) = (self.model.clone(), self.created, self.context.clone());
        for kind in ["response.created", "response.in_progress"] {
            self.write(kind, out, |event| {
                event.object("response", |response| {
                    head(response, &ids, model.as_deref(), created, &context);
                    response.text("status", "in_progress");
                    response.raw("error", "null");
                    response.raw("incomplete_details", "null");
                    response.raw("output", "[]");
                    response.raw("usage", "null");
                });
            });
        }
    }

    /// A new item: its place and id.
    fn add(
        &mut self,
        item: Item,
        prefix: &str,
        begun: impl FnOnce(&str) -> Vec<u8>,
        out: &mut Vec<u8>,
    ) -> (usize, String) {
        self.begin(out);
        let at = self.items.len();
        let id = self.ids().item(prefix, at);
        let body = begun(&id);
        self.write("response.output_item.added", out, |event| {
            event.number("output_index", at as u64);
            event.key("item").extend_from_slice(&body);
        });
        self.items.push(item);
        (at, id)
    }

    fn done(&mut self, at: usize, body: Vec<u8>, out: &mut Vec<u8>) {
        self.write("response.output_item.done", out, |event| {
            event.number("output_index", at as u64);
            event.key("item").extend_from_slice(&body);
        });
        if let Some(item) = self.items.get_mut(at) {
            *item = Item::Done(body);
        }
    }
}
