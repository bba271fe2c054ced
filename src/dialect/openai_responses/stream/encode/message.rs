//! Messages: texts and refusals as they come, and what is told beside a text.

use super::super::super::response::{
    begins_at, flat_annotations, flat_logprobs, joined, lost, moved, of_refusal, place, write_message, MessagePart,
    Place, Text,
};
use super::{Encoder, Item};
use crate::dialect::canonical::{Extra, Loss};

impl Encoder {
    /// The open message, if there is one.
    pub(super) fn message(&self) -> Option<(usize, &Vec<MessagePart>)> {
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

    pub(super) fn text(&mut self, text: &str, out: &mut Vec<u8>) {
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

    pub(super) fn refusal(&mut self, text: &str, out: &mut Vec<u8>) {
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
    pub(super) fn close_part(&mut self, out: &mut Vec<u8>) {
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
    pub(super) fn close_spoken(&mut self, status: &str, out: &mut Vec<u8>) {
        self.thought_ends(None, false, out);
        let Some((at, _)) = self.message() else { return };
        self.close_part(out);
        let id = self.ids().item("msg", at);
        let body = self.message().map(|(_, parts)| write_message(&id, parts, status)).unwrap_or_default();
        self.done(at, body, out);
    }

    pub(super) fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
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
