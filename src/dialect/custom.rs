//! OpenAI's custom tools, which take a text (of a grammar, where one is given) in place of JSON. Both of OpenAI's dialects
//! have them and nobody else does, so that the hub has no word for them: declarations and choices travel as extras, calls as
//! native parts, all in the form of Chat Completions. Encoders of other dialects refuse them by themselves.
//!
//! Source: the SDK's `ChatCompletionCustomTool`, `ChatCompletionMessageCustomToolCall`, `ChatCompletionNamedToolChoiceCustom`
//! (`node_modules/openai/resources/chat/completions/completions.d.ts`) and `CustomTool`, `ResponseCustomToolCall`,
//! `ToolChoiceCustom`, `CustomToolInputFormat` (`…/responses/responses.d.ts`, `…/shared.d.ts`). How they are streamed in chat is
//! what the SDK's helper for streams gathers (`…/lib/ChatCompletionStream.mjs`): `custom.name` once, `custom.input` in pieces.

use memchr::memmem;
use serde_json::value::RawValue;

use super::canonical::{ChatRequest, Extra, Loss, Part};
use super::openai_chat::profile;
use super::openai_chat::request::reading::object;
use super::openai_chat::write::Object;
use super::{names, Dialect, Target};
use crate::json::scalar::{filled, string, word};
use crate::json::scan::{entry, items};
use crate::json::Members;

/// The kind of a native part that is a call of a custom tool.
pub const CALL: &str = "custom_tool_call";

/// The word for them among the members of OpenAI's own that a server takes (`data/profiles.json`).
pub(super) const MEMBER: &str = "custom_tools";

/// A call of a custom tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// Id as the caller or provider wrote it.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// What the model wrote for the tool: any text.
    pub input: String,
}

/// Whether a server takes them; `provider` is its profile.
#[must_use]
pub fn known_to(provider: &str) -> bool {
    profile::of(provider).takes(MEMBER)
}

/// Whether one is among tools or calls: a JSON list by its source.
pub(super) fn is_among(list: &str) -> bool {
    let word = "\"custom\"";
    memmem::find(list.as_bytes(), word.as_bytes()).is_some()
        && items(list).any(|item| entry(item, "type") == Some(word))
}

/// Whether a part is a call of a custom tool.
#[must_use]
pub fn is_call(part: &Part) -> bool {
    matches!(part, Part::Native { dialect: Dialect::OpenAiChat, kind, .. } if kind == CALL)
}

impl Call {
    /// The call that a part is, if it is one.
    #[must_use]
    pub fn of(part: &Part) -> Option<Self> {
        let Part::Native { raw, .. } = part else { return None };
        is_call(part).then(|| Self::read(raw))
    }

    fn read(raw: &RawValue) -> Self {
        let call = object(raw).unwrap_or_default();
        let custom = call.present("custom").and_then(object).unwrap_or_default();
        let id = word(call.present("id")).unwrap_or_default().into_owned();
        Self { id, ..Self::of_custom(&custom) }
    }

    /// The name and the input that stand in Chat Completions' `custom`.
    pub(super) fn of_custom(custom: &Members<'_>) -> Self {
        Self {
            id: String::new(),
            name: filled(custom.present("name")).unwrap_or_default().into_owned(),
            input: custom.present("input").and_then(string).unwrap_or_default().into_owned(),
        }
    }

    /// It as a part.
    #[must_use]
    pub fn into_part(self) -> Part {
        let mut body = Vec::with_capacity(self.input.len() + 96);
        self.write_chat(&mut body);
        let raw = String::from_utf8(body).ok().and_then(|json| RawValue::from_string(json).ok());
        Part::Native { dialect: Dialect::OpenAiChat, kind: CALL.to_owned(), raw: raw.unwrap_or_default() }
    }

    /// Writes it as Chat Completions has it.
    pub(super) fn write_chat(&self, body: &mut Vec<u8>) {
        let mut out = Object::begin(body);
        out.text("id", &self.id);
        out.text("type", "custom");
        out.object("custom", |custom| {
            custom.text("name", &self.name);
            custom.text("input", &self.input);
        });
        out.end();
    }

    /// Writes the members that it has in an item of Responses.
    pub(super) fn write_members(&self, out: &mut Object<'_>) {
        out.text("call_id", &self.id);
        out.text("name", &self.name);
        out.text("input", &self.input);
    }
}

/// The report of a streamed call that a caller's dialect has no place for.
pub(super) fn unsaid(choice: u32, index: u32) -> Loss {
    Loss::unsupported(format!("choices[{choice}].tool_calls[{index}]"), "calls of custom tools are OpenAI's own")
}

/// The ids of all custom tools' calls in a history: the answers to them are of a type of their own in Responses.
pub(super) fn called_ids(request: &ChatRequest) -> Vec<String> {
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    parts.filter_map(Call::of).map(|call| call.id).collect()
}

/// A request without the answers to calls that a target is not shown, where there are any, and what that costs: nobody takes
/// an answer to nothing. Turns keep their places.
pub(super) fn without_answers(
    dialect: Dialect,
    request: &ChatRequest,
    target: &Target<'_>,
) -> Option<(ChatRequest, Vec<Loss>)> {
    let openai = matches!(dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
    if openai && known_to(target.provider) {
        return None;
    }
    let called = called_ids(request);
    if called.is_empty() {
        return None;
    }
    let (mut changed, mut losses) = (request.clone(), Vec::new());
    for (at, turn) in changed.turns.iter_mut().enumerate() {
        let before = turn.parts.len();
        turn.parts.retain(|part| !matches!(part, Part::ToolResult(result) if called.contains(&result.call_id)));
        if turn.parts.len() < before {
            let reason = "an answer to a call of a custom tool, which is OpenAI's own";
            losses.push(Loss::unsupported(format!("messages[{at}].content[0]"), reason));
        }
    }
    names::in_callers_words(&mut losses, request);
    (!losses.is_empty()).then_some((changed, losses))
}

/// Whether an extra declares a custom tool.
pub(super) fn is_tool(extra: &Extra) -> bool {
    extra.field.strip_prefix("tools[").is_some_and(|rest| rest.ends_with(']')) && is_custom(&extra.value)
}

/// Whether an extra makes the model call a custom tool.
pub(super) fn is_choice(extra: &Extra) -> bool {
    extra.field == "tool_choice" && is_custom(&extra.value)
}

fn is_custom(raw: &RawValue) -> bool {
    object(raw).is_some_and(|members| filled(members.present("type")).is_some_and(|kind| kind == "custom"))
}

/// Takes the declared custom tools away that are not among the allowed ones.
pub(super) fn retain_tools(request: &mut ChatRequest, allowed: &[String]) {
    request.extras.retain(|extra| !is_tool(extra) || name_of(&extra.value).is_some_and(|name| allowed.contains(&name)));
}

/// The name in a declaration or choice of Chat Completions.
pub(super) fn name_of(raw: &RawValue) -> Option<String> {
    let custom = object(raw)?.present("custom").and_then(object)?;
    filled(custom.present("name")).map(Into::into)
}

/// Chat Completions' declaration or choice in Responses' form: what stands in `custom` there stands beside `type` here, and a
/// grammar likewise.
pub(super) fn flat(raw: &RawValue) -> Vec<u8> {
    let mut body = Vec::with_capacity(raw.get().len());
    let mut out = Object::begin(&mut body);
    out.text("type", "custom");
    let inner = object(raw).and_then(|tool| tool.present("custom").and_then(object)).unwrap_or_default();
    for (name, value) in inner.iter() {
        let grammar = object(value).and_then(|format| format.present("grammar").and_then(object));
        match grammar.filter(|_| name == "format") {
            Some(grammar) => out.object(name, |format| {
                format.text("type", "grammar");
                copy(format, &grammar, &[]);
            }),
            None => out.raw(name, value.get()),
        }
    }
    out.end();
    body
}

/// The reverse. Members of Responses' own that a declaration may have are up to the caller.
pub(super) fn nested(tool: &Members<'_>, but: &[&str]) -> Option<Box<RawValue>> {
    let mut body = Vec::with_capacity(128);
    let mut out = Object::begin(&mut body);
    out.text("type", "custom");
    out.object("custom", |custom| {
        for (name, value) in tool.iter().filter(|(name, _)| *name != "type" && !but.contains(name)) {
            let format = object(value).filter(|format| name == "format" && format.present("definition").is_some());
            match format {
                Some(format) => custom.object(name, |out| {
                    out.text("type", "grammar");
                    out.object("grammar", |grammar| copy(grammar, &format, &["type"]));
                }),
                None => custom.raw(name, value.get()),
            }
        }
    });
    out.end();
    String::from_utf8(body).ok().and_then(|json| RawValue::from_string(json).ok())
}

fn copy(out: &mut Object<'_>, members: &Members<'_>, but: &[&str]) {
    for (name, value) in members.iter().filter(|(name, _)| !but.contains(name)) {
        out.raw(name, value.get());
    }
}

#[cfg(test)]
mod tests;
