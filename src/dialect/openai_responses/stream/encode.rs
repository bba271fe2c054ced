//! Canonical events → events of this dialect (`wire.md` §1.2 "Stream grammar"): every item is added and done, every text
//! ends with its whole, numbers run on, ids stay, and there is one terminal event, which holds the answer.

use super::super::finish;
use super::super::foreign;
use super::super::response::{
    begins_at, closing, encrypted, flat_annotations, flat_logprobs, head, joined, lost, moved, of_refusal, place,
    write_call, write_custom_call, write_message, write_picture, write_reasoning, write_summary, Ids, MessagePart,
    Place, Text,
};
use crate::dialect::canonical::{
    Extra, Finish, Loss, Media, MediaSource, Part, ReasoningPart, StreamEvent, ToolCall, Usage,
};
use crate::dialect::openai_chat::write::Object;
use crate::dialect::{custom, Dialect, ReplyContext, Tail};

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
    /// A call and its counter.
    Call(u32, ToolCall),
    /// The same of a custom tool.
    Custom(u32, custom::Call),
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
                self.call_begins(*index, id, name, signature.as_deref(), out);
            }
            StreamEvent::ToolCallDelta { index, arguments, .. } => self.arguments(*index, arguments, out),
            StreamEvent::CustomCallStart { index, id, name, .. } => {
                self.close_spoken("completed", out);
                let call = custom::Call { id: id.clone(), name: name.clone(), input: String::new() };
                let begun = call.clone();
                let begun = |id: &str| write_custom_call(id, &begun, "in_progress");
                self.add(Item::Custom(*index, call), "ctc", begun, out);
            }
            StreamEvent::CustomCallDelta { index, input, .. } => self.input(*index, input, out),
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
        let call = |item: &Item| match item {
            Item::Call(index, _) | Item::Custom(index, _) => Some(*index),
            _ => None,
        };
        let open: Vec<u32> = self.items.iter().filter_map(call).collect();
        for index in open {
            self.call_ends(index, last, out);
        }
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

    /// The open message, if there is one.
    fn message(&self) -> Option<(usize, &Vec<MessagePart>)> {
        self.items.iter().enumerate().rev().find_map(|(at, item)| match item {
            Item::Message(parts) => Some((at, parts)),
            _ => None,
        })
    }

    fn message_mut(&mut self) -> Option<&mut Vec<MessagePart>> {
        self.items.iter_mut().rev().find_map(|item| match item {
            Item::Message(parts) => Some(parts),
            _ => None,
        })
    }

    /// The place, id and part of the open message that takes more of this kind; both are begun where there is none.
    fn part(&mut self, refusal: bool, out: &mut Vec<u8>) -> (usize, String, usize) {
        if self.message().is_none() {
            self.close_spoken("completed", out);
            self.add(Item::Message(Vec::new()), "msg", |id| write_message(id, &[], "in_progress"), out);
        }
        let (at, parts) = self.message().map_or((0, 0), |(at, parts)| (at, parts.len()));
        let id = self.ids().item("msg", at);
        let open = self.message().and_then(|(_, parts)| parts.last());
        if open.is_some_and(|part| matches!(part, MessagePart::Refusal(_)) == refusal) {
            return (at, id, parts.saturating_sub(1));
        }
        self.close_part(out);
        let part = if refusal { MessagePart::Refusal(String::new()) } else { MessagePart::Text(Text::default()) };
        let body = written(&part);
        self.write_at("response.content_part.added", at, &id, out, |event| {
            event.number("content_index", parts as u64);
            event.key("part").extend_from_slice(&body);
        });
        if let Some(list) = self.message_mut() {
            list.push(part);
        }
        (at, id, parts)
    }

    fn text(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let (at, id, part) = self.part(false, out);
        self.said += text.chars().count() as u64;
        if let Some(MessagePart::Text(open)) = self.message_mut().and_then(|parts| parts.last_mut()) {
            open.text.push_str(text);
        }
        self.write_at("response.output_text.delta", at, &id, out, |event| {
            event.number("content_index", part as u64);
            event.text("delta", text);
            event.raw("logprobs", "[]");
        });
    }

    fn refusal(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let (at, id, part) = self.part(true, out);
        if let Some(MessagePart::Refusal(open)) = self.message_mut().and_then(|parts| parts.last_mut()) {
            open.push_str(text);
        }
        self.write_at("response.refusal.delta", at, &id, out, |event| {
            event.number("content_index", part as u64);
            event.text("delta", text);
        });
    }

    /// The whole of the open part.
    fn close_part(&mut self, out: &mut Vec<u8>) {
        let Some((at, parts)) = self.message() else { return };
        let (Some(part), nth) = (parts.last().cloned(), parts.len().saturating_sub(1)) else { return };
        let id = self.ids().item("msg", at);
        let kind = match &part {
            MessagePart::Text(_) => "response.output_text.done",
            MessagePart::Refusal(_) => "response.refusal.done",
        };
        self.write_at(kind, at, &id, out, |event| {
            event.number("content_index", nth as u64);
            match &part {
                MessagePart::Text(text) => {
                    event.text("text", &text.text);
                    event.raw("logprobs", &joined(&text.logprobs));
                }
                MessagePart::Refusal(text) => event.text("refusal", text),
            }
        });
        self.write_at("response.content_part.done", at, &id, out, |event| {
            event.number("content_index", nth as u64);
            event.key("part").extend_from_slice(&written(&part));
        });
    }

    /// Ends the open message or thought. Calls end by themselves, because they may run side by side.
    fn close_spoken(&mut self, status: &str, out: &mut Vec<u8>) {
        self.thought_ends(None, false, out);
        let Some((at, _)) = self.message() else { return };
        self.close_part(out);
        let id = self.ids().item("msg", at);
        let body = self.message().map(|(_, parts)| write_message(&id, parts, status)).unwrap_or_default();
        self.done(at, body, out);
    }

    fn open_thought(&self) -> Option<usize> {
        self.items.iter().rposition(|item| matches!(item, Item::Thought(_)))
    }

    fn thought(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let at = match self.open_thought() {
            Some(at) => at,
            None => {
                self.close_spoken("completed", out);
                let begun = |id: &str| write_reasoning(id, "", None);
                let (at, id) = self.add(Item::Thought(String::new()), "rs", begun, out);
                self.write_at("response.reasoning_summary_part.added", at, &id, out, |event| {
                    event.number("summary_index", 0);
                    write_summary(event.key("part"), "");
                });
                at
            }
        };
        if let Some(Item::Thought(open)) = self.items.get_mut(at) {
            open.push_str(text);
        }
        let id = self.ids().item("rs", at);
        self.write_at("response.reasoning_summary_text.delta", at, &id, out, |event| {
            event.number("summary_index", 0);
            event.text("delta", text);
        });
    }

    /// Ends the open thought, or adds one that is only a signature.
    fn thought_ends(&mut self, signature: Option<&str>, redacted: bool, out: &mut Vec<u8>) {
        let at = match self.open_thought() {
            // Redacted data is a block of its own.
            Some(_) if redacted => {
                self.thought_ends(None, false, out);
                return self.thought_ends(signature, true, out);
            }
            Some(at) => at,
            None if signature.is_some() => {
                self.close_spoken("completed", out);
                self.add(Item::Thought(String::new()), "rs", |id| write_reasoning(id, "", None), out).0
            }
            None => return,
        };
        let text = match self.items.get_mut(at) {
            Some(Item::Thought(text)) => std::mem::take(text),
            _ => return,
        };
        let id = self.ids().item("rs", at);
        if !text.is_empty() {
            self.write_at("response.reasoning_summary_text.done", at, &id, out, |event| {
                event.number("summary_index", 0);
                event.text("text", &text);
            });
            self.write_at("response.reasoning_summary_part.done", at, &id, out, |event| {
                event.number("summary_index", 0);
                write_summary(event.key("part"), &text);
            });
        }
        let origin = self.context.upstream.unwrap_or(Dialect::OpenAiResponses);
        let block = ReasoningPart { text, signature: signature.map(str::to_owned), redacted, origin };
        let body = write_reasoning(&id, &block.text, encrypted(&block, &self.context.answered_by).as_deref());
        self.done(at, body, out);
    }

    fn call_begins(&mut self, index: u32, id: &str, name: &str, signature: Option<&str>, out: &mut Vec<u8>) {
        self.close_spoken("completed", out);
        if let Some(signature) = signature {
            let sealed = foreign::seal_call(signature, &self.context.answered_by);
            let begun = |id: &str| write_reasoning(id, "", Some(&sealed));
            let (at, id) = self.add(Item::Thought(String::new()), "rs", begun, out);
            self.done(at, write_reasoning(&id, "", Some(&sealed)), out);
        }
        let call = ToolCall { id: id.to_owned(), name: name.to_owned(), arguments: String::new(), signature: None };
        let begun = call.clone();
        self.add(Item::Call(index, call), "fc", |id| write_call(id, &begun, "in_progress"), out);
    }

    fn call_at(&self, index: u32) -> Option<usize> {
        self.items.iter().rposition(|item| matches!(item, Item::Call(known, _) if *known == index))
    }

    fn arguments(&mut self, index: u32, arguments: &str, out: &mut Vec<u8>) {
        let Some(at) = self.call_at(index).filter(|_| !arguments.is_empty()) else { return };
        if let Some(Item::Call(_, call)) = self.items.get_mut(at) {
            call.arguments.push_str(arguments);
        }
        let id = self.ids().item("fc", at);
        self.write_at("response.function_call_arguments.delta", at, &id, out, |event| event.text("delta", arguments));
    }

    fn custom_at(&self, index: u32) -> Option<usize> {
        self.items.iter().rposition(|item| matches!(item, Item::Custom(known, _) if *known == index))
    }

    fn input(&mut self, index: u32, input: &str, out: &mut Vec<u8>) {
        let Some(at) = self.custom_at(index).filter(|_| !input.is_empty()) else { return };
        if let Some(Item::Custom(_, call)) = self.items.get_mut(at) {
            call.input.push_str(input);
        }
        let id = self.ids().item("ctc", at);
        self.write_at("response.custom_tool_call_input.delta", at, &id, out, |event| event.text("delta", input));
    }

    fn custom_ends(&mut self, at: usize, status: &str, out: &mut Vec<u8>) {
        let Some(Item::Custom(_, call)) = self.items.get(at) else { return };
        let call = call.clone();
        let id = self.ids().item("ctc", at);
        self.write_at("response.custom_tool_call_input.done", at, &id, out, |event| event.text("input", &call.input));
        self.done(at, write_custom_call(&id, &call, status), out);
    }

    fn call_ends(&mut self, index: u32, status: &str, out: &mut Vec<u8>) {
        if let Some(at) = self.custom_at(index) {
            return self.custom_ends(at, status, out);
        }
        let Some(at) = self.call_at(index) else { return };
        if matches!(self.items.get(at), Some(Item::Call(_, call)) if call.arguments.trim_ascii().is_empty()) {
            // A call without arguments is a call with none.
            self.arguments(index, "{}", out);
        }
        let Some(Item::Call(_, call)) = self.items.get(at) else { return };
        let call = call.clone();
        let id = self.ids().item("fc", at);
        self.write_at("response.function_call_arguments.done", at, &id, out, |event| {
            event.text("arguments", &call.arguments);
        });
        self.done(at, write_call(&id, &call, status), out);
    }

    fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        let text = |encoder: &Self| matches!(encoder.message(), Some((_, parts)) if matches!(parts.last(), Some(MessagePart::Text(_))));
        match place(extra) {
            Some(Place::Tier) => self.tier = Some(extra.value.get().to_owned()),
            Some(Place::Annotations) if text(self) => {
                // Sources count from the beginning of all that was said; a text that is done takes no more.
                let before = self.said_before();
                let (here, earlier): (Vec<String>, Vec<String>) =
                    flat_annotations(extra).into_iter().partition(|source| begins_at(source) >= before);
                for annotation in here {
                    self.annotation(moved(&annotation, before), out);
                }
                losses.extend((!earlier.is_empty()).then(|| lost(extra)).flatten());
            }
            Some(Place::Logprobs) if text(self) => {
                if let Some(MessagePart::Text(open)) = self.message_mut().and_then(|parts| parts.last_mut()) {
                    open.logprobs.extend(flat_logprobs(extra));
                }
                losses.extend(of_refusal(extra));
            }
            _ => losses.extend(lost(extra)),
        }
    }

    /// Characters of text before the open one.
    fn said_before(&self) -> u64 {
        let open = self.message().and_then(|(_, parts)| parts.last());
        let length = match open {
            Some(MessagePart::Text(open)) => open.text.chars().count() as u64,
            _ => 0,
        };
        self.said.saturating_sub(length)
    }

    fn annotation(&mut self, annotation: String, out: &mut Vec<u8>) {
        let Some((at, parts)) = self.message() else { return };
        let part = parts.len().saturating_sub(1);
        let Some(MessagePart::Text(open)) = self.message_mut().and_then(|parts| parts.last_mut()) else { return };
        let nth = open.annotations.len();
        open.annotations.push(annotation.clone());
        let id = self.ids().item("msg", at);
        self.write_at("response.output_text.annotation.added", at, &id, out, |event| {
            event.number("content_index", part as u64);
            event.number("annotation_index", nth as u64);
            event.raw("annotation", &annotation);
        });
    }
}

fn written(part: &MessagePart) -> Vec<u8> {
    let mut body = Vec::new();
    part.write(&mut body);
    body
}
