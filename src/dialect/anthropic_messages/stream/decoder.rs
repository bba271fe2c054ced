//! Anthropic's events → canonical.

use serde_json::value::RawValue;

use super::super::error;
use super::super::response::{block_extras, call_id, extra, message_extras, usage_extras};
use super::super::types::{self, Block, Delta, Event, Kind, StartedMessage, Text, WireUsage};
use super::turn::Turn;
use crate::dialect::canonical::{Extra, StreamEvent, Usage};
use crate::dialect::citation::{self, Citation};
use crate::dialect::pause::{Resume, PAUSE_TURN};
use crate::dialect::StreamFault;
use crate::json::{Edit, Members};
use crate::sse::Frame;

/// The one choice of this dialect.
const CHOICE: u32 = 0;

/// Reads a stream event by event.
#[derive(Debug, Default)]
pub struct Decoder {
    open: Vec<Open>,
    calls: u32,
    /// The message's id.
    id: String,
    /// Characters of visible text so far.
    said: usize,
    usage: Option<Usage>,
    done: bool,
    /// Where the turn may have to be sent back.
    turn: Option<Turn>,
    paused: bool,
}

/// A content block between its start and its stop.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: OpenKind,
}

#[derive(Debug)]
enum OpenKind {
    Text {
        /// Characters before it.
        start: usize,
        /// Pages that it cites; their ranges end with the block.
        cited: Vec<Citation>,
    },
    Thinking {
        signature: Option<String>,
    },
    Redacted,
    Tool {
        call: u32,
        /// Arguments given at the start, used when no delta follows.
        input: Option<String>,
    },
    /// A block without a word in the hub, kept to be reported whole.
    Other {
        block: Box<RawValue>,
        input: String,
    },
}

impl Decoder {
    /// Reads one event.
    ///
    /// # Errors
    /// A malformed event, which leaves the state as it was, or the provider's error.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let Some(data) = frame.data.as_deref() else { return error::bare(frame) };
        // Some servers that only speak like Anthropic end like OpenAI.
        if data == b"[DONE]" || (data.is_empty() && frame.event.is_none()) {
            return Ok(());
        }
        let event: Event<'_> = match crate::json::from_slice(data) {
            Ok(event) => event,
            Err(error) => {
                let kind = types::unknown_or_malformed(data, &error)?;
                unknown(format!("events.{kind}"), data, out);
                return Ok(());
            }
        };
        let named = || frame.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
        let kind = event.kind.as_ref().map(Text::as_str).or_else(named).unwrap_or_default();
        match kind {
            "message_start" => self.start(&event, out),
            "content_block_start" => self.block_start(&event, out),
            "content_block_delta" => self.block_delta(&event, out),
            "content_block_stop" => {
                self.block_stop(event.index.unwrap_or_default(), out);
                Ok(())
            }
            "message_delta" => self.message_delta(data, &event, out),
            "message_stop" => {
                self.done = true;
                Ok(())
            }
            "error" => {
                let report = event.error.map(error::read).unwrap_or_default();
                Err(StreamFault::Provider(report))
            }
            "ping" => Ok(()),
            kind => match event.error {
                Some(raw) => Err(StreamFault::Provider(error::read(raw))),
                None => {
                    unknown(format!("events.{kind}"), data, out);
                    Ok(())
                }
            },
        }
    }

    /// Whether `message_stop` came: without it the answer is cut (`wire.md` §1.0).
    #[must_use]
    pub fn complete(&self) -> bool {
        self.done
    }

    /// Keeps the turn, so that it can be gone on with where Anthropic pauses it.
    pub fn keep_turn(&mut self) {
        self.turn.get_or_insert_default();
    }

    /// What resumes the turn, if Anthropic has paused it.
    #[must_use]
    pub fn paused(&self) -> Option<Resume> {
        let turn = self.turn.as_ref().filter(|_| self.paused && self.done)?;
        turn.content().map(Resume::Content)
    }

    /// Gets ready for the stream that goes on with the turn.
    pub fn resume(&mut self) {
        self.open.clear();
        self.usage = None;
        (self.done, self.paused) = (false, false);
    }

    fn start(&mut self, event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let message: StartedMessage<'_> = match event.message {
            Some(raw) => parse(raw)?,
            None => StartedMessage::default(),
        };
        let usage: Option<WireUsage<'_>> = message.usage.map(parse).transpose()?;
        let own = |text: Option<Text<'_>>| text.map(|t| t.0.into_owned());
        let id = own(message.id);
        self.id = id.clone().unwrap_or_default();
        out.push(StreamEvent::Start { id, model: own(message.model), created: None });
        let mut extras = Vec::new();
        if let (Some(raw), Some(usage)) = (message.usage, usage) {
            let counted = self.usage.get_or_insert_with(Usage::uncounted);
            usage.start(counted);
            out.push(StreamEvent::Usage(*counted));
            usage_extras(raw, &mut extras);
        }
        if let Some(members) = event.message.and_then(|raw| Members::read(raw.get().as_bytes()).ok()) {
            message_extras(&members, &mut extras);
        }
        report(extras, out);
        Ok(())
    }

    fn block_start(&mut self, event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let Some(raw) = event.content_block else {
            return Err(StreamFault::Malformed("content_block_start without its block".to_owned()));
        };
        let index = event.index.unwrap_or_default();
        let kind: Kind<'_> = parse(raw)?;
        let kind = kind.kind.unwrap_or_default();
        let known = match kind.as_str() {
            "text" | "thinking" | "redacted_thinking" | "tool_use" => Some(parse::<Block<'_>>(raw)?),
            _ => None,
        };
        // A server that forgot to stop the block before.
        self.block_stop(index, out);
        if let Some(turn) = &mut self.turn {
            turn.start(index, raw);
        }
        if known.is_some() {
            let mut extras = Vec::new();
            block_extras(raw, index, &mut extras);
            report(extras, out);
        }
        let kind = match known {
            Some(block) => self.known(kind.as_str(), &block, out),
            None => OpenKind::Other { block: raw.to_owned(), input: String::new() },
        };
        self.open.push(Open { index, kind });
        Ok(())
    }

    fn known(&mut self, kind: &str, block: &Block<'_>, out: &mut Vec<StreamEvent>) -> OpenKind {
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|t| t.0.clone().into_owned()).unwrap_or_default();
        match kind {
            "text" => {
                let start = self.said;
                self.text_delta(text(&block.text), out);
                OpenKind::Text { start, cited: Vec::new() }
            }
            "thinking" => {
                reasoning_delta(text(&block.thinking), out);
                OpenKind::Thinking { signature: Some(text(&block.signature)).filter(|s| !s.is_empty()) }
            }
            "redacted_thinking" => {
                let signature = Some(text(&block.data));
                out.push(StreamEvent::ReasoningEnd { choice: CHOICE, signature, redacted: true });
                OpenKind::Redacted
            }
            _ => {
                let call = self.calls;
                self.calls = self.calls.saturating_add(1);
                out.push(StreamEvent::ToolCallStart {
                    choice: CHOICE,
                    index: call,
                    id: call_id(text(&block.id), &self.id, call as usize),
                    name: text(&block.name),
                    signature: None,
                });
                OpenKind::Tool { call, input: Some(block.input.map_or("{}", RawValue::get).to_owned()) }
            }
        }
    }

    fn block_delta(&mut self, event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let Some(raw) = event.delta else {
            return Err(StreamFault::Malformed("content_block_delta without its delta".to_owned()));
        };
        let index = event.index.unwrap_or_default();
        let delta: Delta<'_> = match crate::json::from_str(raw.get()) {
            Ok(delta) => delta,
            Err(error) => {
                let kind = types::unknown_or_malformed(raw.get().as_bytes(), &error)?;
                self.unknown_delta(index, &kind, raw, out);
                return Ok(());
            }
        };
        if let Some(turn) = &mut self.turn {
            turn.delta(index, &delta);
        }
        let open = self.open.iter_mut().find(|open| open.index == index).map(|open| &mut open.kind);
        let text = |text: Option<Text<'_>>| text.map(|t| t.0.into_owned()).unwrap_or_default();
        match delta.kind.as_ref().map(Text::as_str).unwrap_or_default() {
            "text_delta" => self.text_delta(text(delta.text), out),
            "thinking_delta" => reasoning_delta(text(delta.thinking), out),
            "signature_delta" => {
                if let (Some(OpenKind::Thinking { signature }), Some(text)) = (open, delta.signature) {
                    *signature = Some(text.0.into_owned()).filter(|s| !s.is_empty());
                }
            }
            "input_json_delta" => arguments(open, text(delta.partial_json), out),
            "citations_delta" => {
                if let Some(citation) = delta.citation {
                    let pages = citation::of_block(citation, 0, 0);
                    let told = !pages.is_empty();
                    if let Some(OpenKind::Text { cited, .. }) = open {
                        cited.extend(pages);
                    }
                    out.push(StreamEvent::Extra(extra(format!("content.{index}.citations"), citation, told)));
                }
            }
            kind => self.unknown_delta(index, kind, raw, out),
        }
        Ok(())
    }

    /// Deltas of blocks without a word in the hub go with their block's report.
    fn unknown_delta(&self, index: u64, kind: &str, raw: &RawValue, out: &mut Vec<StreamEvent>) {
        let told = |open: &Open| open.index == index && matches!(open.kind, OpenKind::Other { .. });
        if !self.open.iter().any(told) {
            unknown(format!("content.{index}.{kind}"), raw.get().as_bytes(), out);
        }
    }

    fn text_delta(&mut self, text: String, out: &mut Vec<StreamEvent>) {
        if !text.is_empty() {
            self.said = self.said.saturating_add(text.chars().count());
            out.push(StreamEvent::TextDelta { choice: CHOICE, text });
        }
    }

    fn block_stop(&mut self, index: u64, out: &mut Vec<StreamEvent>) {
        let Some(at) = self.open.iter().position(|open| open.index == index) else { return };
        match self.open.swap_remove(at).kind {
            OpenKind::Text { start, mut cited } => {
                for citation in &mut cited {
                    (citation.start, citation.end) = (start, self.said);
                }
                out.extend(citation::extra(CHOICE, &cited).map(StreamEvent::Extra));
            }
            OpenKind::Redacted => {}
            OpenKind::Thinking { signature } => {
                out.push(StreamEvent::ReasoningEnd { choice: CHOICE, signature, redacted: false });
            }
            OpenKind::Tool { call, input } => {
                if let Some(arguments) = input {
                    out.push(StreamEvent::ToolCallDelta { choice: CHOICE, index: call, arguments });
                }
                out.push(StreamEvent::ToolCallEnd { choice: CHOICE, index: call });
            }
            OpenKind::Other { block, input } => {
                out.push(StreamEvent::Extra(extra(format!("content.{index}"), &whole(block, &input), false)));
            }
        }
    }

    fn message_delta(&mut self, data: &[u8], event: &Event<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let delta: Delta<'_> = match event.delta {
            Some(raw) => parse(raw)?,
            None => Delta::default(),
        };
        let usage: Option<WireUsage<'_>> = event.usage.map(parse).transpose()?;
        let mut extras = Vec::new();
        if let (Some(raw), Some(usage)) = (event.usage, usage) {
            let counted = self.usage.get_or_insert_with(Usage::uncounted);
            usage.merge_into(counted);
            out.push(StreamEvent::Usage(*counted));
            usage_extras(raw, &mut extras);
        }
        for raw in event.delta.map(RawValue::get).map(str::as_bytes).into_iter().chain([data]) {
            if let Ok(members) = Members::read(raw) {
                message_extras(&members, &mut extras);
            }
        }
        extras.retain(|extra| extra.field != "delta");
        report(extras, out);
        if let Some(reason) = &delta.stop_reason {
            while let Some(open) = self.open.first() {
                self.block_stop(open.index, out);
            }
            self.paused = reason.as_str() == PAUSE_TURN;
            let finish = types::finish(reason.as_str(), delta.stop_sequence.as_ref().map(Text::as_str));
            out.push(StreamEvent::Finish { choice: CHOICE, finish });
        }
        Ok(())
    }
}

/// Reports an event or a delta of a kind that is not known (`wire.md` §1.0): Anthropic adds some within a version.
fn unknown(field: String, json: &[u8], out: &mut Vec<StreamEvent>) {
    if let Ok(raw) = crate::json::from_slice::<&RawValue>(json) {
        out.push(StreamEvent::Extra(extra(field, raw, false)));
    }
}

/// Reports what says something.
fn report(extras: Vec<Extra>, out: &mut Vec<StreamEvent>) {
    out.extend(extras.into_iter().filter(|extra| !extra.is_default).map(StreamEvent::Extra));
}

fn reasoning_delta(text: String, out: &mut Vec<StreamEvent>) {
    if !text.is_empty() {
        out.push(StreamEvent::ReasoningDelta { choice: CHOICE, text });
    }
}

fn arguments(open: Option<&mut OpenKind>, text: String, out: &mut Vec<StreamEvent>) {
    if text.is_empty() {
        return;
    }
    match open {
        Some(OpenKind::Tool { call, input }) => {
            *input = None;
            out.push(StreamEvent::ToolCallDelta { choice: CHOICE, index: *call, arguments: text });
        }
        Some(OpenKind::Other { input, .. }) => input.push_str(&text),
        _ => {}
    }
}

/// A reported block as a whole answer would hold it: its streamed input in place.
fn whole(block: Box<RawValue>, input: &str) -> Box<RawValue> {
    if input.is_empty() {
        return block;
    }
    let edited = Members::read(block.get().as_bytes()).map(|members| members.edit(&[Edit::Set("input", input.into())]));
    let text = edited.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| RawValue::from_string(text).ok()).unwrap_or(block)
}

fn parse<'a, T: serde::Deserialize<'a>>(raw: &'a RawValue) -> Result<T, StreamFault> {
    crate::json::from_str(raw.get()).map_err(|error| StreamFault::Malformed(error.to_string()))
}
