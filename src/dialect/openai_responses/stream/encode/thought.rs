//! Reasoning items: their summary as it comes, and at last what only their provider can read.

use super::super::super::response::{encrypted, write_reasoning, write_summary};
use super::{Encoder, Item};
use crate::dialect::canonical::ReasoningPart;
use crate::dialect::Dialect;

impl Encoder {
    fn open_thought(&self) -> Option<usize> {
        self.items.iter().rposition(|item| matches!(item, Item::Thought(_)))
    }

    pub(super) fn thought(&mut self, text: &str, out: &mut Vec<u8>) {
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
    pub(super) fn thought_ends(&mut self, signature: Option<&str>, redacted: bool, out: &mut Vec<u8>) {
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
}
