//! Turns → input items, in order. Item ids are left out: they are names of what a provider keeps, and it keeps nothing.

use super::content::{self, object};
use crate::dialect::cache_marks::{Form, Marks};
use crate::dialect::canonical::{ChatRequest, Disposition, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn};
use crate::dialect::openai_chat::profile::CallIds;
use crate::dialect::openai_chat::request::ids::Ids;
use crate::dialect::openai_chat::request::names::Report;
use crate::dialect::openai_chat::write::{list, Object};
use crate::dialect::{custom, family, Dialect, Target};
use crate::json::write_quoted;

/// Writes the list of items. `own`: the server is OpenAI's.
pub(super) fn write(out: &mut Vec<u8>, request: &ChatRequest, target: &Target<'_>, own: bool, report: &mut Report<'_>) {
    let mut turns = request.turns.as_slice();
    let openai = matches!(request.origin, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses));
    if let (Some((last, before)), false) = (turns.split_last(), openai) {
        // A last assistant turn is history here, not a beginning to go on with (`wire.md` §5).
        if last.role == Role::Assistant && !last.parts.iter().any(|part| matches!(part, Part::ToolCall(_))) {
            let reason = format!("{} does not continue a begun answer", target.provider);
            report.add_part(turns.len() - 1, 0, Disposition::Unsupported, reason);
            turns = before;
        }
    }
    let takes = family::of(target.provider, target.model).cache_breakpoints;
    let marks = Marks::new(request, if takes { Form::OpenAi } else { Form::None });
    let ids = Ids::new(CallIds::UpTo40);
    let mut writer = Writer { target, own, report, ids, marks, custom: custom::called_ids(request), items: Vec::new() };
    for (at, turn) in turns.iter().enumerate() {
        writer.turn(at, turn);
    }
    let Writer { items, marks, report, .. } = writer;
    for loss in marks.told() {
        report.add(loss);
    }
    list(out, items, |out, item| out.extend_from_slice(&item));
}

struct Writer<'w, 'r> {
    target: &'w Target<'w>,
    own: bool,
    report: &'w mut Report<'r>,
    ids: Ids,
    marks: Marks<'w>,
    /// Calls of custom tools.
    custom: Vec<String>,
    items: Vec<Vec<u8>>,
}

impl Writer<'_, '_> {
    fn turn(&mut self, at: usize, turn: &Turn) {
        // Parts of one message, until something that is an item of its own.
        let mut said: Vec<Vec<u8>> = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        for (nth, part) in turn.parts.iter().enumerate() {
            match part {
                Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => {
                    self.message(turn.role, &mut said, &mut texts);
                    self.item(at, nth, part);
                }
                Part::Native { .. } if self.takes_custom() && custom::is_call(part) => {
                    self.message(turn.role, &mut said, &mut texts);
                    let call = custom::Call::of(part).unwrap_or_default();
                    let call = custom::Call { id: self.ids.of(&call.id), ..call };
                    self.items.push(object(|out| {
                        out.text("type", custom::CALL);
                        call.write_members(out);
                    }));
                }
                // A whole item that only this dialect has, read from a request's `input`.
                Part::Native { dialect: Dialect::OpenAiResponses, raw, kind }
                    if turn.role != Role::System && !kind.starts_with(content::IN_MESSAGE) =>
                {
                    self.message(turn.role, &mut said, &mut texts);
                    self.items.push(raw.get().as_bytes().to_vec());
                }
                _ => match content::encode(part, turn.role, self.target.traits) {
                    Ok(mut body) => {
                        let plain = body.len();
                        self.marks.put(at, nth, &mut body);
                        texts.extend(match part {
                            Part::Text(text) if body.len() == plain => Some(text.as_str()),
                            _ => None,
                        });
                        said.push(body);
                    }
                    Err(reason) => {
                        let kind = match part {
                            Part::Native { kind, .. } => format!(" `{kind}`"),
                            _ => String::new(),
                        };
                        self.report.add_part(at, nth, Disposition::Unsupported, format!("{reason}{kind}"));
                    }
                },
            }
        }
        self.message(turn.role, &mut said, &mut texts);
        if turn.parts.is_empty() && turn.role != Role::Tool {
            self.items.push(message(turn.role, self.own, |out| write_quoted(out, "")));
        }
    }

    /// Custom tools are OpenAI's own.
    fn takes_custom(&self) -> bool {
        custom::known_to(self.target.provider)
    }

    /// Ends the message that was gathered, if there is one. A single text stands alone.
    fn message(&mut self, role: Role, said: &mut Vec<Vec<u8>>, texts: &mut Vec<&str>) {
        let (said, texts) = (std::mem::take(said), std::mem::take(texts));
        match (said.as_slice(), texts.as_slice()) {
            ([], _) => {}
            ([_], [text]) if role != Role::Assistant => {
                self.items.push(message(role, self.own, |out| write_quoted(out, text)));
            }
            (parts, _) => self.items.push(message(role, self.own, |out| {
                list(out, parts, |out, part| out.extend_from_slice(part));
            })),
        }
    }

    fn item(&mut self, at: usize, nth: usize, part: &Part) {
        match part {
            Part::ToolCall(call) => self.call(at, nth, call),
            Part::ToolResult(result) => self.result(at, result),
            Part::Reasoning(block) => self.reasoning(at, nth, block),
            _ => {}
        }
    }

    fn call(&mut self, at: usize, nth: usize, call: &ToolCall) {
        if call.signature.is_some() {
            let reason = "Gemini's signature of a call cannot be read by this provider";
            self.report.add_part(at, nth, Disposition::Advisory, reason);
        }
        let id = self.ids.of(&call.id);
        self.items.push(object(|out| {
            out.text("type", "function_call");
            out.text("call_id", &id);
            out.text("name", &call.name);
            out.text("arguments", if call.arguments.is_empty() { "{}" } else { &call.arguments });
        }));
    }

    fn result(&mut self, at: usize, result: &ToolResult) {
        let id = self.ids.of(&result.call_id);
        let mut said: Vec<Vec<u8>> = Vec::with_capacity(result.parts.len());
        let mut texts: Vec<&str> = Vec::new();
        for (nth, part) in result.parts.iter().enumerate() {
            match content::encode(part, Role::Tool, self.target.traits) {
                Ok(body) => said.push(body),
                Err(reason) => self.report.add_part(at, nth, Disposition::Unsupported, reason),
            }
            if let Part::Text(text) = part {
                texts.push(text);
            }
        }
        let output = if result.is_error {
            let reason = "a failed tool's result was sent as {\"error\": …}: there is no flag for it";
            self.report.add_part(at, 0, Disposition::Converted, reason);
            Some(String::from_utf8_lossy(&object(|out| out.text("error", &texts.join("\n\n")))).into_owned())
        } else {
            (said.len() == texts.len() && texts.len() < 2).then(|| texts.concat())
        };
        let is_custom = self.takes_custom() && self.custom.contains(&result.call_id);
        self.items.push(object(|out| {
            out.text("type", if is_custom { "custom_tool_call_output" } else { "function_call_output" });
            out.text("call_id", &id);
            match &output {
                Some(text) => out.text("output", text),
                None => out.list("output", &said, |out, part| out.extend_from_slice(part)),
            }
        }));
    }

    /// Reasoning of this dialect goes back as it came. Without its encrypted form OpenAI does not know it, and other
    /// servers read its text.
    fn reasoning(&mut self, at: usize, nth: usize, block: &ReasoningPart) {
        let reason = match (block.origin, &block.signature) {
            (Dialect::OpenAiResponses, Some(_)) => None,
            (Dialect::OpenAiResponses, None) if !self.own => None,
            (Dialect::OpenAiResponses, None) => Some("reasoning without its encrypted form means nothing here"),
            _ => Some("reasoning of another provider cannot be read by this one"),
        };
        if let Some(reason) = reason {
            return self.report.add_part(at, nth, Disposition::Advisory, reason);
        }
        self.items.push(object(|out| match &block.signature {
            Some(signature) => {
                out.text("type", "reasoning");
                out.list("summary", Some(&block.text).filter(|text| !text.is_empty()), |out, text| {
                    part(out, "summary_text", text);
                });
                out.text("encrypted_content", signature);
            }
            None => {
                out.text("type", "reasoning");
                out.raw("summary", "[]");
                out.list("content", [&block.text], |out, text| part(out, "reasoning_text", text));
            }
        }));
    }
}

fn part(out: &mut Vec<u8>, kind: &str, text: &str) {
    let mut part = Object::begin(out);
    part.text("type", kind);
    part.text("text", text);
    part.end();
}

/// A message; instructions keep their place as `developer` messages (`wire.md` §2.2), which only OpenAI's own models
/// know by that name.
fn message(role: Role, own: bool, write_content: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    object(|out| {
        out.text(
            "role",
            match role {
                Role::System if own => "developer",
                Role::System => "system",
                Role::Assistant => "assistant",
                Role::User | Role::Tool => "user",
            },
        );
        write_content(out.key("content"));
    })
}
