//! Turns → `system` and `messages` (`wire.md` §1.3 "Structural rules").
//!
//! Same-role turns become one message, results of tool calls stand at the start of the one user message after the calls,
//! and Claude's own thinking stays where and as it was.

use std::borrow::Cow;

use super::super::write::{Elements, Object};
use super::media::media;
use super::params::Model;
use crate::dialect::cache_marks::Marks;
use crate::dialect::canonical::{Loss, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn};
use crate::dialect::Dialect;

/// `system` and `messages` under construction.
pub(super) struct Conversation<'t> {
    pub(super) system: Elements,
    pub(super) messages: Vec<Message>,
    model: Model<'t>,
    /// What keeps a trailing assistant message from being continued, if anything.
    fixed: Option<&'static str>,
}

/// One message: blocks in their order, results of calls first.
pub(super) struct Message {
    pub(super) role: &'static str,
    pub(super) results: Elements,
    pub(super) blocks: Elements,
    /// The first turn that went into it, for reports.
    turn: usize,
    /// Place of a text that Anthropic would refuse as blank.
    blank: Option<(String, bool)>,
    /// Its last text ends in whitespace.
    ragged: bool,
}

impl<'t> Conversation<'t> {
    pub(super) fn write(
        turns: &[Turn],
        model: Model<'t>,
        fixed: Option<&'static str>,
        marks: &mut Marks<'_>,
        losses: &mut Vec<Loss>,
    ) -> Self {
        let mut conversation = Self { system: Elements::default(), messages: Vec::new(), model, fixed };
        let leading = turns.iter().take_while(|turn| turn.role == Role::System).count();
        for (index, turn) in turns.iter().enumerate() {
            if index < leading {
                conversation.system_text(turn, index, marks, losses);
            } else {
                conversation.turn(turn, index, marks, losses);
            }
        }
        conversation.close(losses);
        conversation
    }

    fn system_text(&mut self, turn: &Turn, index: usize, marks: &mut Marks<'_>, losses: &mut Vec<Loss>) {
        for (at, part) in turn.parts.iter().enumerate() {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) if text.trim().is_empty() => {
                    losses.push(Loss::converted(
                        place(index, at),
                        "a text of whitespace is left out: Anthropic refuses it",
                    ));
                }
                Part::Text(text) => {
                    self.system.object(|block| text_block(block, text));
                    marks.put(index, at, &mut self.system.bytes);
                }
                _ => losses.push(Loss::unsupported(place(index, at), "Anthropic's system prompt holds text only")),
            }
        }
    }

    fn turn(&mut self, turn: &Turn, index: usize, marks: &mut Marks<'_>, losses: &mut Vec<Loss>) {
        let role = match turn.role {
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        if role == "system" && !self.takes_system_turn() {
            let reason = "Anthropic takes instructions only at the start";
            losses.push(Loss::unsupported(format!("messages[{index}]"), reason));
            return;
        }
        if self.messages.last().is_none_or(|last| last.role != role) {
            self.messages.push(Message {
                role,
                results: Elements::default(),
                blocks: Elements::default(),
                turn: index,
                blank: None,
                ragged: false,
            });
        }
        let model = self.model;
        if let Some(message) = self.messages.last_mut() {
            for (at, part) in turn.parts.iter().enumerate() {
                let before = message.blocks.count;
                message.part(part, index, at, &model, losses);
                if message.blocks.count > before {
                    marks.put(index, at, &mut message.blocks.bytes);
                }
            }
        }
    }

    /// From the Opus 4.8 generation on, right after a user turn (`wire.md` §1.3 "System in messages").
    fn takes_system_turn(&self) -> bool {
        self.model.family.system_turns && self.messages.last().is_some_and(|last| last.role == "user")
    }

    /// The rules that hold for whole messages.
    fn close(&mut self, losses: &mut Vec<Loss>) {
        self.messages.retain(|message| message.close(losses));
        while self.messages.first().is_some_and(|first| first.role == "assistant") {
            let first = self.messages.remove(0);
            let reason = "Anthropic's first message is the user's";
            losses.push(Loss::unsupported(format!("messages[{}]", first.turn), reason));
        }
        let refused = self.messages.last().filter(|last| last.role == "assistant").and_then(|last| self.prefill(last));
        if let (Some(reason), Some(last)) = (refused, self.messages.last()) {
            losses.push(Loss::unsupported(format!("messages[{}]", last.turn), reason));
            self.messages.pop();
        }
        if self.messages.is_empty() {
            losses.push(Loss::unsupported("messages", "Anthropic needs at least one message of the user"));
        }
    }

    /// Why a trailing assistant message cannot be continued (`wire.md` §5).
    fn prefill(&self, last: &Message) -> Option<String> {
        let name = self.model.name();
        if !(self.model.target.traits.prefill && self.model.family.prefill != Some(false)) {
            Some(format!("{name} does not continue an assistant message"))
        } else if let Some(fixed) = self.fixed {
            Some(format!("{name} does not continue an assistant message {fixed}"))
        } else if last.ragged {
            Some("an assistant message that is to be continued cannot end in whitespace".to_owned())
        } else {
            None
        }
    }
}

impl Message {
    /// Whether the message can stand.
    fn close(&self, losses: &mut Vec<Loss>) -> bool {
        let holds = self.results.count > 0 || self.blocks.count > 0;
        match &self.blank {
            Some((place, _)) if !holds => {
                losses.push(Loss::unsupported(place.clone(), "Anthropic refuses blank messages"));
            }
            None if !holds => {
                losses.push(Loss::unsupported(format!("messages[{}]", self.turn), "nothing that Anthropic can read"));
            }
            Some((place, true)) => {
                losses.push(Loss::converted(place.clone(), "a text of whitespace is left out: Anthropic refuses it"));
            }
            // An empty text beside other blocks says nothing.
            _ => {}
        }
        holds
    }

    fn part(&mut self, part: &Part, turn: usize, at: usize, model: &Model<'_>, losses: &mut Vec<Loss>) {
        let here = || place(turn, at);
        let assistant = self.role == "assistant";
        self.ragged &= matches!(part, Part::Text(_) | Part::Refusal(_));
        match part {
            Part::Text(text) => self.text(text, here),
            Part::Refusal(text) => {
                losses.push(Loss::converted(here(), "a refusal is sent as text"));
                self.text(text, here);
            }
            Part::ToolCall(call) if assistant => self.call(call, turn, at, losses),
            Part::ToolResult(result) if self.role == "user" => self.result(result, turn, model, losses),
            Part::Reasoning(reasoning) if assistant => self.reasoning(reasoning, &here(), losses),
            Part::Native { dialect: Dialect::AnthropicMessages, raw, .. } => {
                self.blocks.next().extend_from_slice(raw.get().as_bytes());
            }
            Part::Native { kind, .. } => {
                losses.push(Loss::unsupported(here(), format!("{kind} exists only in its own dialect")));
            }
            Part::Image(_) | Part::File(_) if self.role != "user" => {
                losses.push(Loss::unsupported(here(), format!("no pictures or files in {} messages", self.role)));
            }
            Part::Image(image) => media(&mut self.blocks, image, true, &here(), model, losses),
            Part::File(file) => media(&mut self.blocks, file, false, &here(), model, losses),
            Part::Audio(_) => losses.push(Loss::unsupported(here(), "Anthropic hears nothing")),
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => {
                losses.push(Loss::unsupported(here(), format!("out of place in {} messages", self.role)));
            }
        }
    }

    fn text(&mut self, text: &str, here: impl Fn() -> String) {
        if text.trim().is_empty() {
            let space = !text.is_empty() || self.blank.as_ref().is_some_and(|(_, space)| *space);
            self.blank = Some((here(), space));
            return;
        }
        self.ragged = text.ends_with(char::is_whitespace);
        self.blocks.object(|block| text_block(block, text));
    }

    fn call(&mut self, call: &ToolCall, turn: usize, at: usize, losses: &mut Vec<Loss>) {
        let here = || place(turn, at);
        let id = tool_id(&call.id);
        if matches!(id, Cow::Owned(_)) {
            losses
                .push(Loss::converted(format!("{}.id", here()), "rewritten in Anthropic's alphabet, like its result"));
        }
        if call.signature.is_some() {
            losses.push(Loss::advisory(format!("{}.signature", here()), "only Gemini reads its thought signatures"));
        }
        let arguments = call.arguments.trim();
        let object = arguments.starts_with('{') && crate::json::from_str::<serde::de::IgnoredAny>(arguments).is_ok();
        if !object && !arguments.is_empty() {
            let reason = "not a JSON object: sent inside {\"__raw\": …}";
            losses.push(Loss::converted(format!("{}.arguments", here()), reason));
        }
        self.blocks.object(|block| {
            block.text("type", "tool_use");
            block.text("id", &id);
            block.text("name", &call.name);
            if object {
                block.raw("input", arguments);
            } else {
                block.object("input", |input| {
                    if !arguments.is_empty() {
                        input.text("__raw", &call.arguments);
                    }
                });
            }
        });
    }

    fn result(&mut self, result: &ToolResult, turn: usize, model: &Model<'_>, losses: &mut Vec<Loss>) {
        if self.blocks.count > 0 {
            let reason = "results of tool calls are sent before what the user says with them";
            losses.push(Loss::converted(format!("messages[{turn}]"), reason));
        }
        let mut content = Elements::default();
        for (at, part) in result.parts.iter().enumerate() {
            let here = place(turn, at);
            match part {
                Part::Text(text) | Part::Refusal(text) if text.is_empty() => {}
                Part::Text(text) | Part::Refusal(text) => content.object(|block| text_block(block, text)),
                Part::Image(image) => media(&mut content, image, true, &here, model, losses),
                Part::File(file) => media(&mut content, file, false, &here, model, losses),
                Part::Native { dialect: Dialect::AnthropicMessages, raw, .. } => {
                    content.next().extend_from_slice(raw.get().as_bytes());
                }
                _ => losses.push(Loss::unsupported(here, "Anthropic takes text, pictures and documents as a result")),
            }
        }
        self.results.object(|block| {
            block.text("type", "tool_result");
            block.text("tool_use_id", &tool_id(&result.call_id));
            match result.parts.as_slice() {
                [Part::Text(text)] => block.text("content", text),
                _ if content.count > 0 => bracketed(block.key("content"), &content),
                _ => {}
            }
            if result.is_error {
                block.raw("is_error", "true");
            }
        });
    }

    fn reasoning(&mut self, part: &ReasoningPart, here: &str, losses: &mut Vec<Loss>) {
        match (&part.signature, part.origin) {
            (Some(data), Dialect::AnthropicMessages) if part.redacted => self.blocks.object(|block| {
                block.text("type", "redacted_thinking");
                block.text("data", data);
            }),
            (Some(signature), Dialect::AnthropicMessages) => self.blocks.object(|block| {
                block.text("type", "thinking");
                block.text("thinking", &part.text);
                block.text("signature", signature);
            }),
            _ => losses.push(Loss::advisory(here, "Anthropic takes back only thinking that it signed")),
        }
    }
}

/// An id in Anthropic's alphabet `[A-Za-z0-9_-]+`: unchanged where it fits, else the same for the same id and, by its
/// hash, another for another.
pub(in super::super) fn tool_id(id: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.chars().all(fits) {
        return Cow::Borrowed(id);
    }
    let kept: String = id.chars().map(|c| if fits(c) { c } else { '_' }).take(40).collect();
    // FNV-1a.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    Cow::Owned(format!("{kept}_{hash:016x}"))
}

pub(in super::super) fn bracketed(out: &mut Vec<u8>, elements: &Elements) {
    out.push(b'[');
    out.extend_from_slice(&elements.bytes);
    out.push(b']');
}

fn text_block(block: &mut Object<'_>, text: &str) {
    block.text("type", "text");
    block.text("text", text);
}

fn place(turn: usize, part: usize) -> String {
    format!("messages[{turn}].content[{part}]")
}
