//! Canonical events → chunks (`wire.md` §1.1 "Stream grammar").

use super::super::response::{annotation, call_id, choice_member, is_top_member, left_behind, lost};
use super::super::response::{reasoning_item, tool_call_signature, write_picture, write_raw_finish};
use super::super::write::Object;
use super::super::{finish, usage};
use crate::dialect::canonical::{Extra, Finish, Loss, Part, ReasoningPart, StreamEvent, Usage};
use crate::dialect::carried::Block;
use crate::dialect::citation;
use crate::dialect::{ReplyContext, Tail};

/// Writes a stream.
#[derive(Debug)]
pub struct Encoder {
    context: Box<ReplyContext>,
    /// The members that every chunk begins with, written once the ids are known.
    head: Vec<u8>,
    choices: Vec<ChoiceState>,
    /// `service_tier` and `system_fingerprint`, repeated on every later chunk as OpenAI does.
    repeated: Vec<Extra>,
    /// Latest counts, for a tail that has none.
    counts: Option<Usage>,
}

#[derive(Debug, Default)]
struct ChoiceState {
    index: u32,
    /// Whether each call so far has had arguments.
    calls: Vec<bool>,
    /// Reasoning text since the last signature.
    thought: String,
    /// Bytes of visible text so far.
    said: usize,
    /// Signed reasoning since the last call: it travels behind the next one's id.
    pending: Vec<Block>,
    signed_blocks: usize,
    /// Why it ended, told at the end of the stream: content may still follow (Gemini), and a stream that is cut then has none.
    finish: Option<Finish>,
}

impl ChoiceState {
    /// Why it ended; where nobody has said it, what it holds tells.
    fn end(&mut self) -> Finish {
        let reason = finish::decode("stop", !self.calls.is_empty());
        self.finish.take().unwrap_or(Finish { reason, raw: String::new(), stop_sequence: None })
    }
}

impl Encoder {
    /// A writer with nothing written.
    #[must_use]
    pub fn new(context: ReplyContext) -> Self {
        Self { context: Box::new(context), head: Vec::new(), choices: Vec::new(), repeated: Vec::new(), counts: None }
    }

    /// Whether the caller asked for the usage chunk.
    #[must_use]
    pub fn includes_usage(&self) -> bool {
        self.context.include_usage
    }

    /// Writes one event.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        match event {
            StreamEvent::Start { id, model, created } => {
                self.head = self.head(id.as_deref(), model.as_deref(), *created);
            }
            StreamEvent::TextDelta { choice, text } => {
                self.delta(*choice, out, |state, delta| {
                    state.said = state.said.saturating_add(text.len());
                    delta.text("content", text);
                });
            }
            StreamEvent::RefusalDelta { choice, text } => {
                self.delta(*choice, out, |_, delta| delta.text("refusal", text));
            }
            StreamEvent::ReasoningDelta { choice, text } if self.context.hide_reasoning => {
                let at = self.open(*choice, out);
                if let Some(state) = self.choices.get_mut(at) {
                    state.thought.push_str(text);
                }
            }
            StreamEvent::ReasoningDelta { choice, text } => self.delta(*choice, out, |state, delta| {
                state.thought.push_str(text);
                delta.text("reasoning_content", text);
            }),
            StreamEvent::ReasoningEnd { choice, signature, redacted } => {
                self.reasoning_end(*choice, signature.as_deref(), *redacted, out);
            }
            StreamEvent::ToolCallStart { choice, index, id, name, signature } => {
                let id = self.call_id(*choice, id, signature.clone(), losses);
                self.call(*choice, *index, false, out, |call| {
                    call.text("id", &id);
                    call.text("type", "function");
                    call.object("function", |function| {
                        function.text("name", name);
                        function.text("arguments", "");
                    });
                    if let Some(signature) = signature {
                        tool_call_signature(call, signature);
                    }
                });
            }
            StreamEvent::ToolCallDelta { choice, index, arguments } => {
                if !arguments.is_empty() {
                    // White space alone is no arguments yet.
                    let says = !arguments.trim_ascii().is_empty();
                    self.call(*choice, *index, says, out, |call| {
                        call.object("function", |function| function.text("arguments", arguments));
                    });
                }
            }
            StreamEvent::CustomCallStart { choice, index, id, name } => {
                let id = self.call_id(*choice, id, None, losses);
                // No input is no `{}`: it is a text.
                self.call(*choice, *index, true, out, |call| {
                    call.text("id", &id);
                    call.text("type", "custom");
                    call.object("custom", |custom| {
                        custom.text("name", name);
                        custom.text("input", "");
                    });
                });
            }
            StreamEvent::CustomCallDelta { choice, index, input } => {
                if !input.is_empty() {
                    self.call(*choice, *index, true, out, |call| {
                        call.object("custom", |custom| custom.text("input", input));
                    });
                }
            }
            StreamEvent::ToolCallEnd { choice, index } => self.call_end(*choice, *index, out),
            StreamEvent::Media { choice, part: Part::Image(picture) } => {
                self.delta(*choice, out, |_, delta| delta.list("images", [picture], write_picture));
            }
            StreamEvent::Media { choice, part } => {
                losses.push(Loss::of_media(format!("choices[{choice}].content"), part))
            }
            StreamEvent::Finish { choice, finish } => {
                self.end_calls(*choice, out);
                let at = self.open(*choice, out);
                if let Some(state) = self.choices.get_mut(at) {
                    state.finish = Some(finish.clone());
                }
            }
            StreamEvent::Usage(counts) => self.counts = Some(*counts),
            StreamEvent::Extra(extra) => self.extra(extra, out, losses),
        }
    }

    /// Writes the normal end: finish reasons, usage if asked for, our report, `[DONE]`.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            self.open(0, out);
        }
        let ends: Vec<(u32, Finish)> = self.choices.iter_mut().map(|choice| (choice.index, choice.end())).collect();
        for (choice, end) in ends {
            self.end_calls(choice, out);
            self.chunk(choice, Some(&end), out, |entry| {
                entry.raw("delta", "{}");
                entry.raw("logprobs", "null");
            });
        }
        let counts = tail.usage.or(self.counts).filter(|_| self.context.include_usage);
        if counts.is_some() || tail.signalbox.is_some() {
            let mut chunk = self.begin_chunk(out);
            chunk.raw("choices", "[]");
            match counts {
                Some(counts) => chunk.object("usage", |out| usage::encode(out, &counts, tail.cost_usd.as_deref())),
                None if self.context.include_usage => chunk.raw("usage", "null"),
                None => {}
            }
            if let Some(signalbox) = &tail.signalbox {
                chunk.raw("signalbox", signalbox);
            }
            chunk.end();
            out.extend_from_slice(b"\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn head(&self, id: Option<&str>, model: Option<&str>, created: Option<u64>) -> Vec<u8> {
        let mut head = Vec::with_capacity(160);
        head.extend_from_slice(b"data: ");
        let mut chunk = Object::begin(&mut head);
        match id.filter(|id| !id.is_empty()) {
            Some(id) => chunk.text("id", id),
            None => chunk.text("id", &format!("chatcmpl-{}", self.context.request_id)),
        }
        chunk.text("object", "chat.completion.chunk");
        chunk.number("created", created.unwrap_or(self.context.now_secs));
        chunk.text("model", model.filter(|model| !model.is_empty()).unwrap_or(&self.context.model));
        head
    }

    fn begin_chunk<'o>(&mut self, out: &'o mut Vec<u8>) -> Object<'o> {
        if self.head.is_empty() {
            self.head = self.head(None, None, None);
        }
        out.extend_from_slice(&self.head);
        let mut chunk = Object::resume(out);
        for extra in &self.repeated {
            chunk.raw(&extra.field, extra.value.get());
        }
        chunk
    }

    /// One chunk with one choice; `members` writes what stands between its index and its finish reason.
    fn chunk(
        &mut self,
        choice: u32,
        finish: Option<&Finish>,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Object<'_>),
    ) {
        let include_usage = self.context.include_usage;
        let mut chunk = self.begin_chunk(out);
        chunk.single("choices", |entry| {
            entry.number("index", choice);
            members(entry);
            match finish {
                Some(why) => {
                    entry.text("finish_reason", finish::encode(why.reason));
                    write_raw_finish(entry, &why.raw, why.stop_sequence.as_deref());
                }
                None => entry.raw("finish_reason", "null"),
            }
        });
        if include_usage {
            chunk.raw("usage", "null");
        }
        chunk.end();
        out.extend_from_slice(b"\n\n");
    }

    /// Where a choice's state is; a new choice is announced by its role first.
    fn open(&mut self, choice: u32, out: &mut Vec<u8>) -> usize {
        if let Some(at) = self.choices.iter().position(|state| state.index == choice) {
            return at;
        }
        self.chunk(choice, None, out, |entry| {
            entry.object("delta", |delta| {
                delta.text("role", "assistant");
                delta.text("content", "");
            });
            entry.raw("logprobs", "null");
        });
        self.choices.push(ChoiceState { index: choice, ..ChoiceState::default() });
        self.choices.len() - 1
    }

    fn delta(&mut self, choice: u32, out: &mut Vec<u8>, members: impl FnOnce(&mut ChoiceState, &mut Object<'_>)) {
        let at = self.open(choice, out);
        // The state is taken out while the chunk is written, because writing needs the encoder too.
        let Some(mut state) = self.choices.get_mut(at).map(std::mem::take) else { return };
        self.chunk(choice, None, out, |entry| entry.object("delta", |delta| members(&mut state, delta)));
        if let Some(place) = self.choices.get_mut(at) {
            *place = state;
        }
    }

    /// A call's id, with what was thought since the call before behind it.
    fn call_id(&mut self, choice: u32, id: &str, signature: Option<String>, losses: &mut Vec<Loss>) -> String {
        let pending = self.choices.iter_mut().find(|state| state.index == choice);
        let blocks = pending.map(|state| std::mem::take(&mut state.pending)).unwrap_or_default();
        let (id, left) = call_id(id, blocks, signature, &self.context.answered_by);
        losses.extend(left.then(|| left_behind(choice)));
        id
    }

    fn call(
        &mut self,
        choice: u32,
        index: u32,
        has_arguments: bool,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Object<'_>),
    ) {
        self.delta(choice, out, |state, delta| {
            let at = index as usize;
            if state.calls.len() <= at {
                state.calls.resize(at.min(MAX_CALLS) + 1, false);
            }
            if let Some(had) = state.calls.get_mut(at) {
                *had |= has_arguments;
            }
            delta.single("tool_calls", |call| {
                call.number("index", index);
                members(call);
            });
        });
    }

    /// A call without arguments is a call with none: `{}`.
    fn call_end(&mut self, choice: u32, index: u32, out: &mut Vec<u8>) {
        let state = self.choices.iter().find(|state| state.index == choice);
        if state.is_some_and(|state| state.calls.get(index as usize) == Some(&false)) {
            self.call(choice, index, true, out, |call| {
                call.object("function", |function| function.text("arguments", "{}"));
            });
        }
    }

    fn reasoning_end(&mut self, choice: u32, signature: Option<&str>, redacted: bool, out: &mut Vec<u8>) {
        let origin = self.context.upstream;
        let Some(signature) = signature else {
            if let Some(state) = self.choices.iter_mut().find(|state| state.index == choice) {
                state.thought.clear();
            }
            return;
        };
        let at = self.open(choice, out);
        let Some(state) = self.choices.get_mut(at) else { return };
        let text = if redacted { String::new() } else { std::mem::take(&mut state.thought) };
        let at = state.signed_blocks;
        state.signed_blocks += 1;
        if let Some(origin) = origin {
            let signature = Some(signature.to_owned());
            let part = ReasoningPart { text: text.clone(), signature, redacted, origin };
            state.pending.push(Block { at: state.said, part });
        }
        if self.context.hide_reasoning {
            return;
        }
        self.delta(choice, out, |_, delta| {
            delta.object("signalbox", |ours| {
                ours.list("reasoning", [at], |body, at| reasoning_item(body, at, &text, signature, redacted, origin));
            });
        });
    }

    fn end_calls(&mut self, choice: u32, out: &mut Vec<u8>) {
        let calls = self.choices.iter().find(|state| state.index == choice).map_or(0, |state| state.calls.len());
        for index in 0..calls {
            self.call_end(choice, u32::try_from(index).unwrap_or(u32::MAX), out);
        }
    }

    fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        if is_top_member(extra) {
            self.repeated.retain(|known| known.field != extra.field);
            self.repeated.push(extra.clone());
            return;
        }
        let place = extra.choice().and_then(|choice| Some((choice, choice_member(extra, choice)?)));
        match place {
            Some((choice, "logprobs")) => {
                self.open(choice, out);
                self.chunk(choice, None, out, |entry| {
                    entry.raw("delta", "{}");
                    entry.raw("logprobs", extra.value.get());
                });
            }
            Some((choice, "citations")) => {
                let cited = citation::of(extra, choice);
                self.delta(choice, out, |_, delta| delta.list("annotations", &cited, annotation));
            }
            Some((choice, member)) => {
                let name = member.rsplit('.').next().unwrap_or(member);
                self.delta(choice, out, |_, delta| delta.raw(name, extra.value.get()));
            }
            None => losses.extend(lost(extra)),
        }
    }
}

/// No answer has this many calls; a decoder's slip must not allocate the address space.
const MAX_CALLS: usize = 4096;
