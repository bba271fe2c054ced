//! Turns → messages.

use std::borrow::Cow;

use super::super::profile::{Profile, Replay};
use super::super::response::tool_call_signature;
use super::super::write::{list, Object};
use super::ids::Ids;
use super::names::Report;
use super::parts::{audio, document, image, text_of, titled, Written};
use crate::dialect::cache_marks::Marks;
use crate::dialect::canonical::{
    ChatRequest, Disposition, Extra, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn,
};
use crate::dialect::carried::reads_google_signatures;
use crate::dialect::{answered, custom, family, Dialect, Target};
use crate::json::write_quoted;

/// Writes the list of messages. `keeps`: with calls that the target does not know.
pub(super) fn write(
    out: &mut Vec<u8>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    keeps: bool,
    report: &mut Report<'_>,
) {
    let mut turns = request.turns.as_slice();
    if let (Some((last, before)), false) = (turns.split_last(), request.origin == Some(Dialect::OpenAiChat)) {
        // To this dialect's servers a last assistant turn is history, not a beginning to go on with (`wire.md` §5).
        let is_call = |part: &Part| matches!(part, Part::ToolCall(_)) || custom::is_call(part);
        if last.role == Role::Assistant && !last.parts.iter().any(is_call) {
            report.add_part(
                turns.len() - 1,
                0,
                Disposition::Unsupported,
                format!("{} does not continue a begun answer", target.provider),
            );
            turns = before;
        }
    }
    let marks = Marks::new(request, profile.marks(&family::of(target.provider, target.model)));
    let ids = Ids::new(profile.call_id);
    let mut writer = Writer { request, target, profile, keeps, report, ids, marks, messages: Vec::new() };
    let (order, moved) = answered::order(turns);
    for at in moved {
        writer.report.add_part(at, 0, Disposition::Converted, answered::MOVED);
    }
    for (at, turn) in order.into_iter().filter_map(|at| Some((at, turns.get(at)?))) {
        writer.turn(at, turn);
    }
    let Writer { messages, marks, report, .. } = writer;
    for loss in marks.told() {
        report.add(loss);
    }
    list(out, messages, |out, message| out.extend_from_slice(&message));
}

/// Whether an extra is written with its turn: a speaker's name.
pub(super) fn writes(extra: &Extra, request: &ChatRequest, profile: &Profile) -> bool {
    request.origin == Some(Dialect::OpenAiChat)
        && profile.speaker
        && (0..request.turns.len()).any(|turn| extra.field == speaker_field(turn))
}

fn speaker_field(turn: usize) -> String {
    format!("messages[{turn}].name")
}

struct Writer<'w, 'r> {
    request: &'w ChatRequest,
    target: &'w Target<'w>,
    profile: &'w Profile,
    keeps: bool,
    report: &'w mut Report<'r>,
    ids: Ids,
    marks: Marks<'w>,
    messages: Vec<Vec<u8>>,
}

impl Writer<'_, '_> {
    fn turn(&mut self, at: usize, turn: &Turn) {
        let results = turn.parts.iter().filter_map(|part| match part {
            Part::ToolResult(result) => Some(result),
            _ => None,
        });
        // Results answer the turn before, so they come first (`wire.md` §1.3 "Structural rules").
        for result in results {
            self.tool_message(at, result);
        }
        let others: Vec<(usize, &Part)> =
            turn.parts.iter().enumerate().filter(|(_, part)| !matches!(part, Part::ToolResult(_))).collect();
        if turn.role == Role::Assistant {
            self.assistant_message(at, &others);
        } else if !others.is_empty() || (turn.role != Role::Tool && turn.parts.is_empty()) {
            let role = if turn.role == Role::System { "system" } else { "user" };
            let content = self.content(at, &others, turn.role);
            let mut message = Vec::with_capacity(content.len() + 32);
            let mut out = Object::begin(&mut message);
            out.text("role", role);
            self.speaker(&mut out, at);
            out.key("content").extend_from_slice(&content);
            out.end();
            self.messages.push(message);
        }
    }

    fn speaker(&self, out: &mut Object<'_>, at: usize) {
        let field = speaker_field(at);
        let name = self.request.extras.iter().find(|extra| extra.field == field);
        if let Some(name) = name.filter(|name| writes(name, self.request, self.profile)) {
            out.raw("name", name.value.get());
        }
    }

    /// The content member: a string where there is one text only, else a list of parts.
    fn content(&mut self, turn: usize, parts: &[(usize, &Part)], role: Role) -> Vec<u8> {
        let mut written: Vec<Written<'_>> = Vec::with_capacity(parts.len());
        let marked = role != Role::Tool && self.marks.has(turn);
        for (at, part) in parts {
            let Some(mut part) = self.part(turn, *at, part, role) else { continue };
            if marked {
                let mut body = part.into_json();
                self.marks.put(turn, *at, &mut body);
                part = Written::Json(body);
            }
            written.push(part);
        }
        let texts: Option<Vec<&str>> = written.iter().map(Written::text).collect();
        let mut content = Vec::new();
        match texts {
            Some(texts) if texts.len() < 2 || !self.profile.text_lists => {
                // An answer's texts are one text in this dialect: what its clients were shown, and send back.
                let joint = if role == Role::Assistant { "" } else { "\n\n" };
                if texts.len() > 1 && !joint.is_empty() {
                    let reason = "texts of one message were joined by blank lines";
                    self.report.add_part(turn, 0, Disposition::Converted, reason);
                }
                write_quoted(&mut content, &texts.join(joint));
            }
            _ => list(&mut content, written, |out, part| part.write(out)),
        }
        content
    }

    /// One content part, or nothing and a loss.
    fn part<'p>(&mut self, turn: usize, at: usize, part: &'p Part, role: Role) -> Option<Written<'p>> {
        let traits = self.target.traits;
        let form = self.profile.media;
        let written = match part {
            Part::Text(text) => Ok(Written::Text(Cow::Borrowed(text))),
            Part::Refusal(text) if self.profile.refusals && role == Role::Assistant => Ok(Written::object(|out| {
                out.text("type", "refusal");
                out.text("refusal", text);
            })),
            Part::Refusal(text) => {
                self.report.add_part(turn, at, Disposition::Converted, "a refusal was sent as text");
                Ok(Written::Text(Cow::Borrowed(text)))
            }
            Part::Native { dialect: Dialect::OpenAiChat, raw, .. } => Ok(Written::Json(raw.get().as_bytes().to_vec())),
            Part::Image(_) | Part::Audio(_) | Part::File(_) if role != Role::User => {
                Err("only a user's message can carry media in Chat Completions")
            }
            Part::Image(_) if !traits.vision => Err("the model takes no pictures"),
            Part::Audio(_) if !traits.audio => Err("the model takes no sound"),
            Part::Image(media) => image(media),
            Part::Audio(media) => audio(media, form),
            Part::File(media) => match text_of(media) {
                Some(text) => {
                    self.report.add_part(turn, at, Disposition::Converted, "a text document was sent as text");
                    Ok(Written::Text(Cow::Owned(titled(media.name.as_deref(), &text))))
                }
                None if !traits.files => Err("the model takes no documents"),
                None => document(media, form),
            },
            Part::Native { .. } | Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => {
                Err("Chat Completions has no such block")
            }
        };
        match written {
            Ok(written) => Some(written),
            Err(reason) => {
                let kind = match part {
                    Part::Native { kind, .. } => format!(" `{kind}`"),
                    _ => String::new(),
                };
                self.report.add_part(turn, at, Disposition::Unsupported, format!("{reason}{kind}"));
                None
            }
        }
    }

    fn assistant_message(&mut self, turn: usize, parts: &[(usize, &Part)]) {
        let mut thoughts: Vec<&ReasoningPart> = Vec::new();
        let mut calls: Vec<Vec<u8>> = Vec::new();
        let mut said: Vec<(usize, &Part)> = Vec::new();
        let mut audio = None;
        for (at, part) in parts {
            match part {
                Part::Reasoning(block) => {
                    if self.can_replay(turn, *at, block) {
                        thoughts.push(block);
                    }
                }
                Part::ToolCall(call) => {
                    let body = self.call(turn, *at, call);
                    calls.push(body);
                }
                Part::Native { .. } if custom::is_call(part) => calls.extend(self.custom_call(turn, *at, part)),
                Part::Native { dialect: Dialect::OpenAiChat, kind, raw } if kind == "audio" => audio = Some(raw),
                other => said.push((*at, other)),
            }
        }
        let silent = said.is_empty() && calls.is_empty() && thoughts.is_empty() && audio.is_none();
        if silent && parts.iter().any(|(_, part)| custom::is_call(part)) {
            // Servers refuse an answer that says and calls nothing.
            return;
        }
        let mut message = Vec::with_capacity(256);
        let chunks = self.profile.replay == Replay::Chunk && !thoughts.is_empty();
        let content = if chunks {
            self.thinking_chunks(turn, &thoughts, &said)
        } else {
            self.content(turn, &said, Role::Assistant)
        };
        let mut out = Object::begin(&mut message);
        out.text("role", "assistant");
        self.speaker(&mut out, turn);
        if said.is_empty() && !chunks && (!calls.is_empty() || audio.is_some()) {
            out.raw("content", "null");
        } else {
            out.key("content").extend_from_slice(&content);
        }
        self.replay(&mut out, &thoughts);
        if let Some(audio) = audio {
            out.raw("audio", audio.get());
        }
        if !calls.is_empty() {
            out.list("tool_calls", calls, |body, call| body.extend_from_slice(&call));
        }
        out.end();
        self.messages.push(message);
    }

    /// Whether a reasoning block goes back. Foreign ones cannot be read there: they are left out and reported.
    fn can_replay(&mut self, turn: usize, at: usize, block: &ReasoningPart) -> bool {
        let reason = match (block.origin, self.profile.replay) {
            (Dialect::OpenAiChat, Replay::None) => "this provider takes no reasoning of earlier turns",
            (Dialect::OpenAiChat, replay) => {
                if block.signature.is_some() && replay != Replay::Details && replay != Replay::Chunk {
                    let reason = "this provider takes no signature of reasoning";
                    self.report.add_part(turn, at, Disposition::Advisory, reason);
                }
                return true;
            }
            _ => "reasoning of another provider cannot be read by this one",
        };
        self.report.add_part(turn, at, Disposition::Advisory, reason);
        false
    }

    fn replay(&self, out: &mut Object<'_>, thoughts: &[&ReasoningPart]) {
        let text: String = thoughts.iter().map(|block| block.text.as_str()).collect();
        match self.profile.replay {
            Replay::ContentAlways if text.is_empty() && self.tools_in_play() => out.text("reasoning_content", ""),
            Replay::Content | Replay::ContentAlways if !text.is_empty() => out.text("reasoning_content", &text),
            Replay::Reasoning | Replay::Details if !text.is_empty() => out.text("reasoning", &text),
            _ => {}
        }
        let signed = thoughts.iter().any(|block| block.signature.is_some());
        if self.profile.replay == Replay::Details && signed {
            out.list("reasoning_details", thoughts.iter().enumerate(), |body, (at, block)| {
                let mut detail = Object::begin(body);
                let encrypted = block.redacted || block.text.is_empty();
                detail.text("type", if encrypted { "reasoning.encrypted" } else { "reasoning.text" });
                if !encrypted {
                    detail.text("text", &block.text);
                }
                if let Some(signature) = &block.signature {
                    detail.text(if encrypted { "data" } else { "signature" }, signature);
                }
                detail.number("index", at as u64);
                detail.end();
            });
        }
    }

    /// DeepSeek V4 wants the member on every assistant turn once there are tools (`wire.md` §1.6).
    fn tools_in_play(&self) -> bool {
        let parts = self.request.turns.iter().flat_map(|turn| &turn.parts);
        !self.request.tools.is_empty() || parts.into_iter().any(|part| matches!(part, Part::ToolCall(_)))
    }

    fn thinking_chunks(&mut self, turn: usize, thoughts: &[&ReasoningPart], said: &[(usize, &Part)]) -> Vec<u8> {
        let thinking = |block: &&ReasoningPart| {
            Written::object(|out| {
                out.text("type", "thinking");
                out.single("thinking", |piece| {
                    piece.text("type", "text");
                    piece.text("text", &block.text);
                });
                if let Some(signature) = &block.signature {
                    out.text("signature", signature);
                }
            })
        };
        let mut chunks: Vec<Written<'_>> = thoughts.iter().map(thinking).collect();
        for (at, part) in said {
            chunks.extend(self.part(turn, *at, part, Role::Assistant));
        }
        let mut content = Vec::new();
        list(&mut content, chunks, |out, chunk| chunk.write(out));
        content
    }

    fn call(&mut self, turn: usize, at: usize, call: &ToolCall) -> Vec<u8> {
        let id = self.ids.of(&call.id);
        let mut body = Vec::with_capacity(128);
        let mut out = Object::begin(&mut body);
        out.text("id", &id);
        out.text("type", "function");
        out.object("function", |function| {
            function.text("name", &call.name);
            function.text("arguments", if call.arguments.is_empty() { "{}" } else { &call.arguments });
        });
        if let Some(signature) = &call.signature {
            if reads_google_signatures(self.target.provider) {
                tool_call_signature(&mut out, signature);
            } else {
                let reason = "Gemini's signature of a call cannot be read by this provider";
                self.report.add_part(turn, at, Disposition::Advisory, reason);
            }
        }
        out.end();
        body
    }

    /// A call of a custom tool, which is not for servers without them.
    fn custom_call(&mut self, turn: usize, at: usize, part: &Part) -> Option<Vec<u8>> {
        let call = custom::Call::of(part)?;
        if !self.keeps && !self.profile.takes(custom::MEMBER) {
            let reason = format!("{} has no custom tools", self.target.provider);
            self.report.add_part(turn, at, Disposition::Unsupported, reason);
            return None;
        }
        let mut body = Vec::with_capacity(call.input.len() + 96);
        custom::Call { id: self.ids.of(&call.id), ..call }.write_chat(&mut body);
        Some(body)
    }

    fn tool_message(&mut self, turn: usize, result: &ToolResult) {
        let id = self.ids.of(&result.call_id);
        let parts: Vec<(usize, &Part)> = result.parts.iter().enumerate().collect();
        let mut content = self.content(turn, &parts, Role::Tool);
        if result.is_error {
            let reason = "a failed tool's result was sent as {\"error\": …}: there is no flag for it";
            self.report.add_part(turn, 0, Disposition::Converted, reason);
            let texts = result.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            });
            let mut inner = Vec::new();
            let mut object = Object::begin(&mut inner);
            object.text("error", &texts.collect::<Vec<_>>().join("\n\n"));
            object.end();
            content.clear();
            write_quoted(&mut content, &String::from_utf8_lossy(&inner));
        }
        let mut message = Vec::with_capacity(content.len() + 64);
        let mut out = Object::begin(&mut message);
        out.text("role", "tool");
        out.text("tool_call_id", &id);
        if self.profile.tool_names {
            if let Some(name) = result.name.clone().or_else(|| self.name_of(&result.call_id)) {
                out.text("name", &name);
            }
        }
        out.key("content").extend_from_slice(&content);
        out.end();
        self.messages.push(message);
    }

    fn name_of(&self, call_id: &str) -> Option<String> {
        let mut parts = self.request.turns.iter().flat_map(|turn| &turn.parts);
        parts.find_map(|part| match part {
            Part::ToolCall(call) if call.id == call_id => Some(call.name.clone()),
            _ => None,
        })
    }
}
