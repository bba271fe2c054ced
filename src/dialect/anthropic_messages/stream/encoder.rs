//! Canonical → Anthropic's events.
//!
//! Blocks never overlap on the wire, while canonical calls may interleave: the first unfinished block is streamed as it
//! comes, what belongs behind it waits. In the usual case, one block after the other, nothing waits and nothing is copied.

use std::collections::VecDeque;

use super::super::foreign;
use super::super::request::tool_id;
use super::super::response::{answer_loss, estimated, filtered, message_id, stop_reason, usage_members};
use super::super::write::Object;
use crate::dialect::canonical::{Finish, FinishReason, Loss, StreamEvent, Usage};
use crate::dialect::{custom, tier, Dialect, ReplyContext, Tail};
use crate::json::write_quoted;

/// The event that keeps a connection open while the model is silent.
pub const PING: &[u8] = b"event: ping\ndata: {\"type\":\"ping\"}\n\n";

/// Writes a stream event by event.
#[derive(Debug)]
pub struct Encoder {
    context: ReplyContext,
    started: bool,
    /// Blocks that are not stopped on the wire; only the first may be started there.
    blocks: VecDeque<Block>,
    /// The first block's index on the wire.
    index: u64,
    origin: Dialect,
    calls: bool,
    refused: bool,
    finish: Option<Finish>,
    stop_details: Option<String>,
    /// Another provider's explanation of its verdict.
    why: Option<String>,
    usage: Option<Usage>,
    /// Which capacity answers, in Anthropic's word. Told at the end, because the beginning is out by then.
    capacity: Option<&'static str>,
    written_bytes: u64,
    /// Other choices were reported already.
    alone: bool,
}

#[derive(Debug)]
struct Block {
    kind: BlockKind,
    /// Its `content_block_start` is out.
    open: bool,
    ended: bool,
    /// Deltas that had to wait.
    waiting: String,
}

#[derive(Debug)]
enum BlockKind {
    Text,
    Thinking { signature: Option<String> },
    Redacted { data: String },
    Tool { call: u32, id: String, name: String },
}

impl Encoder {
    /// A writer with nothing written.
    #[must_use]
    pub fn new(context: ReplyContext) -> Self {
        Self {
            // Only Anthropic's own signatures may reach a client unsealed; whose they are is not known without an upstream.
            origin: context.upstream.unwrap_or(Dialect::OpenAiChat),
            context,
            started: false,
            blocks: VecDeque::new(),
            index: 0,
            calls: false,
            refused: false,
            finish: None,
            stop_details: None,
            why: None,
            usage: None,
            capacity: None,
            written_bytes: 0,
            alone: false,
        }
    }

    /// Writes one event.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        if let Some(other) = event.choice().filter(|choice| *choice != 0) {
            if !std::mem::replace(&mut self.alone, true) {
                losses.push(Loss::unsupported(format!("choices[{other}]"), "Anthropic answers with one choice"));
            }
            return;
        }
        match event {
            StreamEvent::Start { id, model, .. } => {
                self.start(id.as_deref(), model.as_deref(), out);
            }
            StreamEvent::TextDelta { text, .. } => self.delta(BlockKind::Text, text, out),
            StreamEvent::RefusalDelta { text, .. } => {
                self.refused = true;
                self.delta(BlockKind::Text, text, out);
            }
            StreamEvent::ReasoningDelta { text, .. } => {
                self.delta(BlockKind::Thinking { signature: None }, text, out);
            }
            StreamEvent::ReasoningEnd { signature, redacted, .. } => {
                self.reasoning_end(signature.as_deref(), *redacted, out);
            }
            StreamEvent::ToolCallStart { index, id, name, signature, .. } => {
                self.end_last();
                if let Some(signature) = signature {
                    let sealed = BlockKind::Thinking {
                        signature: Some(foreign::seal_call(signature, &self.context.answered_by)),
                    };
                    self.push(sealed, true);
                }
                self.calls = true;
                let id = tool_id(id).into_owned();
                self.push(BlockKind::Tool { call: *index, id, name: name.clone() }, false);
                self.pump(out);
            }
            StreamEvent::ToolCallDelta { index, arguments, .. } => self.tool_delta(*index, arguments, out, losses),
            StreamEvent::CustomCallStart { index, .. } => losses.push(custom::unsaid(0, *index)),
            StreamEvent::CustomCallDelta { .. } => {}
            StreamEvent::ToolCallEnd { index, .. } => {
                if let Some(block) = self.tool(*index) {
                    block.ended = true;
                }
                self.pump(out);
            }
            StreamEvent::Media { part, .. } => {
                losses.push(Loss::of_media("choices[0].content".to_owned(), part));
            }
            // Blocks stay open until the end: more may follow (Gemini ends pieces of one text).
            StreamEvent::Finish { finish, .. } => self.finish = Some(finish.clone()),
            StreamEvent::Usage(usage) => self.usage = Some(*usage),
            StreamEvent::Extra(extra) if extra.field == "stop_details" => {
                self.stop_details = Some(extra.value.get().to_owned());
            }
            StreamEvent::Extra(extra) if tier::word(extra, &tier::ANTHROPIC).is_some() => {
                self.capacity = tier::word(extra, &tier::ANTHROPIC);
            }
            StreamEvent::Extra(extra) => {
                self.why = self.why.take().or_else(|| extra.explains());
                losses.extend(answer_loss(extra));
            }
        }
    }

    /// Writes the normal end; where the provider's end was a failure, the typed error instead.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        self.start(None, None, out);
        self.end_all(out);
        let Some(reason) = stop_reason(self.finish.as_ref(), self.calls, self.refused) else {
            return self.failed(out);
        };
        let usage = tail.usage.or(self.usage);
        let usage = usage.unwrap_or_else(|| estimated(self.context.estimated_input_tokens, self.written_bytes));
        let stop_sequence = self.finish.as_ref().and_then(|finish| finish.stop_sequence.as_deref());
        event(out, "message_delta", |object| {
            object.object("delta", |delta| {
                delta.text("stop_reason", reason);
                delta.optional_text("stop_sequence", stop_sequence);
                let details = self.stop_details.clone();
                if let Some(details) = details.or_else(|| filtered(self.finish.as_ref(), self.why.as_deref())) {
                    delta.raw("stop_details", &details);
                }
            });
            object.object("usage", |wire| usage_members(wire, &usage, self.capacity));
            if let Some(signalbox) = &tail.signalbox {
                object.raw("signalbox", signalbox);
            }
        });
        event(out, "message_stop", |_| {});
    }

    fn failed(&self, out: &mut Vec<u8>) {
        let raw = self.finish.as_ref().map_or("", |finish| finish.raw.as_str());
        debug_assert!(self.finish.as_ref().is_some_and(|finish| finish.reason == FinishReason::Failed));
        event(out, "error", |object| {
            object.object("error", |error| {
                error.text("type", "api_error");
                error.text("message", &format!("the provider broke the answer off: {raw}"));
            });
        });
    }

    /// `message_start`, once, before anything else. It announces the prompt's size before any provider has told it.
    fn start(&mut self, id: Option<&str>, model: Option<&str>, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let id = message_id(id, &self.context.request_id);
        let model = model.filter(|model| !model.is_empty()).unwrap_or(&self.context.model);
        let usage = estimated(self.context.estimated_input_tokens, 0);
        event(out, "message_start", |object| {
            object.object("message", |message| {
                message.text("id", &id);
                message.text("type", "message");
                message.text("role", "assistant");
                message.text("model", model);
                message.raw("content", "[]");
                message.raw("stop_reason", "null");
                message.raw("stop_sequence", "null");
                message.object("usage", |wire| usage_members(wire, &usage, None));
            });
        });
    }

    /// Text or thinking: goes to the last block if that is of the kind, else to a new one.
    fn delta(&mut self, kind: BlockKind, text: &str, out: &mut Vec<u8>) {
        self.start(None, None, out);
        if text.is_empty() {
            return;
        }
        let same = |block: &Block| !block.ended && std::mem::discriminant(&block.kind) == std::mem::discriminant(&kind);
        if !self.blocks.back().is_some_and(same) {
            self.end_last();
            self.push(kind, false);
            self.pump(out);
        }
        self.append(self.blocks.len().saturating_sub(1), text, out);
    }

    fn tool_delta(&mut self, call: u32, text: &str, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        let found =
            self.blocks.iter().position(|block| matches!(block.kind, BlockKind::Tool { call: c, .. } if c == call));
        match found {
            Some(at) if !text.is_empty() => self.append(at, text, out),
            Some(_) => {}
            None => {
                let field = format!("tool_calls[{call}].arguments");
                losses.push(Loss::unsupported(field, "arguments for a call that is not open"));
            }
        }
    }

    /// Writes to the wire where the block is open there, else lets it wait.
    fn append(&mut self, at: usize, text: &str, out: &mut Vec<u8>) {
        self.written_bytes = self.written_bytes.saturating_add(text.len() as u64);
        let index = self.index;
        if let Some(block) = self.blocks.get_mut(at) {
            if block.open {
                write_delta(out, index, &block.kind, text);
            } else {
                block.waiting.push_str(text);
            }
        }
    }

    fn reasoning_end(&mut self, signature: Option<&str>, redacted: bool, out: &mut Vec<u8>) {
        self.start(None, None, out);
        let own = self.origin == Dialect::AnthropicMessages;
        if redacted && own {
            self.end_last();
            self.push(BlockKind::Redacted { data: signature.unwrap_or_default().to_owned() }, true);
            return self.pump(out);
        }
        let thinking = |block: &Block| !block.ended && matches!(block.kind, BlockKind::Thinking { .. });
        if !self.blocks.back().is_some_and(thinking) {
            // A signature without text: the text was withheld.
            if signature.is_none() {
                return;
            }
            self.end_last();
            self.push(BlockKind::Thinking { signature: None }, false);
        }
        let sealed = if own { signature.map(str::to_owned) } else { Some(self.sealed(signature, redacted)) };
        if let Some(Block { kind: BlockKind::Thinking { signature }, .. }) = self.blocks.back_mut() {
            *signature = sealed;
        }
        self.end_last();
        self.pump(out);
    }

    fn sealed(&self, signature: Option<&str>, redacted: bool) -> String {
        foreign::seal(self.origin, signature, redacted, &self.context.answered_by)
    }

    fn tool(&mut self, call: u32) -> Option<&mut Block> {
        self.blocks.iter_mut().find(|block| matches!(block.kind, BlockKind::Tool { call: c, .. } if c == call))
    }

    fn push(&mut self, kind: BlockKind, ended: bool) {
        self.blocks.push_back(Block { kind, open: false, ended, waiting: String::new() });
    }

    /// Text and thinking end where something else begins; calls end when they are said to.
    fn end_last(&mut self) {
        let unsigned = (self.origin != Dialect::AnthropicMessages).then(|| self.sealed(None, false));
        if let Some(block) = self.blocks.back_mut().filter(|block| !matches!(block.kind, BlockKind::Tool { .. })) {
            block.ended = true;
            if let BlockKind::Thinking { signature: signature @ None } = &mut block.kind {
                *signature = unsigned;
            }
        }
    }

    fn end_all(&mut self, out: &mut Vec<u8>) {
        self.end_last();
        for block in &mut self.blocks {
            block.ended = true;
        }
        self.pump(out);
    }

    /// Brings the wire up to date: starts the first block, lets out what waited, stops it if it has ended, and so on.
    fn pump(&mut self, out: &mut Vec<u8>) {
        self.start(None, None, out);
        while let Some(block) = self.blocks.front_mut() {
            if !block.open {
                block.open = true;
                write_start(out, self.index, &block.kind);
            }
            if !block.waiting.is_empty() {
                write_delta(out, self.index, &block.kind, &block.waiting);
                block.waiting = String::new();
            }
            if !block.ended {
                return;
            }
            if let BlockKind::Thinking { signature: Some(signature) } = &block.kind {
                write_signature(out, self.index, signature);
            }
            write_stop(out, self.index);
            self.blocks.pop_front();
            self.index = self.index.saturating_add(1);
        }
    }
}

fn write_start(out: &mut Vec<u8>, index: u64, kind: &BlockKind) {
    event(out, "content_block_start", |object| {
        object.count("index", index);
        object.object("content_block", |block| match kind {
            BlockKind::Text => {
                block.text("type", "text");
                block.text("text", "");
            }
            BlockKind::Thinking { .. } => {
                block.text("type", "thinking");
                block.text("thinking", "");
                block.text("signature", "");
            }
            BlockKind::Redacted { data } => {
                block.text("type", "redacted_thinking");
                block.text("data", data);
            }
            BlockKind::Tool { id, name, .. } => {
                block.text("type", "tool_use");
                block.text("id", id);
                block.text("name", name);
                block.raw("input", "{}");
            }
        });
    });
}

/// The hot path: one write per delta.
fn write_delta(out: &mut Vec<u8>, index: u64, kind: &BlockKind, text: &str) {
    let delta = match kind {
        BlockKind::Text => r#""text_delta","text":"#,
        BlockKind::Thinking { .. } => r#""thinking_delta","thinking":"#,
        BlockKind::Tool { .. } => r#""input_json_delta","partial_json":"#,
        BlockKind::Redacted { .. } => return,
    };
    out.extend_from_slice(b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":");
    out.extend_from_slice(index.to_string().as_bytes());
    out.extend_from_slice(b",\"delta\":{\"type\":");
    out.extend_from_slice(delta.as_bytes());
    write_quoted(out, text);
    out.extend_from_slice(b"}}\n\n");
}

fn write_signature(out: &mut Vec<u8>, index: u64, signature: &str) {
    event(out, "content_block_delta", |object| {
        object.count("index", index);
        object.object("delta", |delta| {
            delta.text("type", "signature_delta");
            delta.text("signature", signature);
        });
    });
}

fn write_stop(out: &mut Vec<u8>, index: u64) {
    event(out, "content_block_stop", |object| object.count("index", index));
}

/// One event. JSON written here has no line ends, so its data is one line; raw members are flattened by the writer.
fn event(out: &mut Vec<u8>, kind: &str, write: impl FnOnce(&mut Object<'_>)) {
    let mut data = Vec::with_capacity(256);
    let mut object = Object::begin(&mut data);
    object.text("type", kind);
    write(&mut object);
    object.end();
    crate::sse::write_event(out, Some(kind), &data);
}
