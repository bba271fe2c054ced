//! What routing and the native path need of a request, borrowed: its members, the facts that decide where it can go, and
//! a check of every field's type. One pass over the top level and one over the messages; nothing but the sample is ever
//! unescaped. Read `view/tests.rs` for the promises.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::checks;
pub use super::observe::{observe_event, observe_response};
use super::types::{count, inside_quotes, kind_of, string, unescape, Kind, Message, PartGlance, ToolGlance};
use crate::dialect::view::{estimate_tokens, sample_of, View};
use crate::error::{ErrorKind, GatewayError};
use crate::json::{Members, MembersError};

/// Bytes of source text from each end of a long last turn that are looked at for the sample.
const SAMPLE_END_BYTES: usize = 8 * 1024;

/// Reads the facts of a request.
///
/// # Errors
/// The caller's, naming the field.
pub fn view(body: &[u8]) -> Result<View<'_>, GatewayError> {
    let members = Members::read(body).map_err(unreadable)?;
    let mut view = View { model: model(&members)?, ..View::default() };
    checks::members(&members)?;
    read_bounds(&members, &mut view);
    read_thinking(&members, &mut view);
    read_tools(&members, &mut view);
    read_format(&members, &mut view);
    let mut last_user = None;
    for (at, message) in messages(&members)?.iter().enumerate() {
        read_message(at, message, &mut view, &mut last_user)?;
    }
    view.sample = last_user.map(sample).unwrap_or_default();
    view.members = members;
    Ok(view)
}

fn unreadable(error: MembersError) -> GatewayError {
    let message = error.to_string();
    match error {
        MembersError::Duplicate(name) => GatewayError::invalid(name, message),
        _ => GatewayError::new(ErrorKind::InvalidRequest, message),
    }
}

fn model<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, GatewayError> {
    let Some(raw) = members.present("model") else {
        return Err(GatewayError::invalid("model", "`model` is required"));
    };
    match string(raw) {
        Some(model) if !model.trim().is_empty() => Ok(model),
        _ => Err(GatewayError::invalid("model", "`model` must be a string that is not empty")),
    }
}

fn read_bounds(members: &Members<'_>, view: &mut View<'_>) {
    view.stream = is_true(members, "stream");
    view.include_usage = object(members, "stream_options").is_some_and(|options| is_true(&options, "include_usage"));
    view.max_output_tokens = count(members.raw("max_completion_tokens")).or_else(|| count(members.raw("max_tokens")));
    let differs = |name: &str, default: f64| {
        members.present(name).and_then(|raw| raw.get().parse::<f64>().ok()).is_some_and(|value| value != default)
    };
    view.needs.sampling = differs("temperature", 1.0) || differs("top_p", 1.0) || members.present("top_k").is_some();
}

/// OpenAI's word, OpenRouter's object, DeepSeek's object and Qwen's switch (`wire.md` §1.6–1.8).
fn read_thinking<'a>(members: &Members<'a>, view: &mut View<'a>) {
    view.effort = members.present("reasoning_effort").and_then(string);
    let mut asked = false;
    if let Some(reasoning) = object(members, "reasoning") {
        view.effort = view.effort.take().or_else(|| reasoning.present("effort").and_then(string));
        asked = is_true(&reasoning, "enabled") || reasoning.present("max_tokens").is_some();
    }
    let switch = object(members, "thinking").and_then(|thinking| thinking.present("type").and_then(inside_quotes));
    asked |= switch.is_some_and(|kind| kind != "disabled") || is_true(members, "enable_thinking");
    view.needs.reasoning = asked || view.effort.as_ref().is_some_and(|effort| effort != "none");
}

fn read_tools(members: &Members<'_>, view: &mut View<'_>) {
    for name in ["tools", "functions"] {
        if let Some(raw) = members.present(name).filter(|raw| super::types::says_something(raw)) {
            view.needs.tools = true;
            view.estimated_input_tokens += estimate_tokens(raw.get().as_bytes());
        }
    }
    let forced = |raw: &RawValue| match kind_of(raw) {
        Kind::Text => matches!(inside_quotes(raw), Some("required" | "any")),
        Kind::Object => {
            let choice: ToolGlance<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
            choice.kind.is_none_or(|kind| kind.get() != "\"allowed_tools\"") || raw.get().contains("\"required\"")
        }
        _ => false,
    };
    view.needs.forced_tools =
        ["tool_choice", "function_call"].iter().any(|name| members.present(name).is_some_and(forced));
}

fn read_format(members: &Members<'_>, view: &mut View<'_>) {
    let Some(format) = object(members, "response_format") else { return };
    match format.raw("type").and_then(inside_quotes) {
        Some("json_object") => view.needs.json_object = true,
        Some("json_schema") => {
            view.needs.json_schema = true;
            let schema = format.present("json_schema").map_or(0, |raw| estimate_tokens(raw.get().as_bytes()));
            view.estimated_input_tokens += schema;
        }
        _ => {}
    }
}

fn messages<'a>(members: &Members<'a>) -> Result<Vec<Message<'a>>, GatewayError> {
    let Some(raw) = members.present("messages") else {
        return Err(GatewayError::invalid("messages", "`messages` is required"));
    };
    if kind_of(raw) != Kind::List {
        return Err(GatewayError::invalid("messages", "`messages` must be a list"));
    }
    let messages: Vec<Message<'a>> = serde_json::from_str(raw.get()).map_err(|_| not_objects("messages", raw))?;
    if messages.is_empty() {
        return Err(GatewayError::invalid("messages", "`messages` must not be empty"));
    }
    Ok(messages)
}

/// Names the first item that is no object; only reached when there is one.
fn not_objects(list: &str, raw: &RawValue) -> GatewayError {
    let items: Vec<&RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    let at = items.iter().position(|item| kind_of(item) != Kind::Object).unwrap_or_default();
    let path = format!("{list}[{at}]");
    GatewayError::invalid(&path, format!("`{path}` must be an object"))
}

fn read_message<'a>(
    at: usize,
    message: &Message<'a>,
    view: &mut View<'a>,
    last_user: &mut Option<&'a RawValue>,
) -> Result<(), GatewayError> {
    let role = message.role.and_then(inside_quotes);
    let wrong = |field: &str, expected: &str| {
        let path = format!("messages[{at}].{field}");
        Err(GatewayError::invalid(&path, format!("`{path}` must be {expected}")))
    };
    let may_lack_content = match role {
        Some("system" | "developer") => false,
        Some("user") => {
            view.turns += 1;
            false
        }
        Some("tool") => {
            view.turns += 1;
            view.needs.tool_results = true;
            false
        }
        Some("assistant") => {
            view.turns += 1;
            true
        }
        Some("function") => {
            view.turns += 1;
            view.needs.tool_results = true;
            true
        }
        _ => return wrong("role", "system, developer, user, assistant, tool or function"),
    };
    for (field, raw) in [("name", message.name), ("tool_call_id", message.tool_call_id)] {
        if raw.is_some_and(|raw| kind_of(raw) != Kind::Text) {
            return wrong(field, "a string");
        }
    }
    if let Some(calls) = message.tool_calls {
        if kind_of(calls) != Kind::List {
            return wrong("tool_calls", "a list");
        }
        view.estimated_input_tokens += estimate_tokens(calls.get().as_bytes());
    }
    let Some(content) = message.content else {
        return if may_lack_content { Ok(()) } else { wrong("content", "a string or a list of parts") };
    };
    match kind_of(content) {
        Kind::Text => {
            let text = inside_quotes(content).unwrap_or_default();
            view.estimated_input_tokens += estimate_tokens(text.as_bytes());
            if role == Some("user") {
                *last_user = Some(content);
            }
        }
        Kind::List => {
            let has_text = read_parts(at, content, view)?;
            if role == Some("user") && has_text {
                *last_user = Some(content);
            }
        }
        _ => return wrong("content", "a string or a list of parts"),
    }
    Ok(())
}

/// Reads a list of parts; true when there is text among them.
fn read_parts(message: usize, content: &RawValue, view: &mut View<'_>) -> Result<bool, GatewayError> {
    let parts: Vec<PartGlance<'_>> = serde_json::from_str(content.get())
        .map_err(|_| not_objects(&format!("messages[{message}].content"), content))?;
    let mut has_text = false;
    for (at, part) in parts.iter().enumerate() {
        let wrong = |field: &str, expected: &str| {
            let path = format!("messages[{message}].content[{at}].{field}");
            Err(GatewayError::invalid(&path, format!("`{path}` must be {expected}")))
        };
        match part.kind.and_then(inside_quotes) {
            Some("text") => {
                let Some(text) = part.text.and_then(inside_quotes) else { return wrong("text", "a string") };
                has_text |= !text.is_empty();
                view.estimated_input_tokens += estimate_tokens(text.as_bytes());
            }
            Some("image_url") => {
                view.needs.vision = true;
                if part.image_url.is_none_or(|raw| !matches!(kind_of(raw), Kind::Object | Kind::Text)) {
                    return wrong("image_url", "an object");
                }
            }
            Some("input_audio") => {
                view.needs.audio = true;
                if part.input_audio.is_none_or(|raw| !matches!(kind_of(raw), Kind::Object | Kind::Text)) {
                    return wrong("input_audio", "an object");
                }
            }
            Some("file") => {
                view.needs.files = true;
                if part.file.is_none_or(|raw| kind_of(raw) != Kind::Object) {
                    return wrong("file", "an object");
                }
            }
            Some("document_url") => view.needs.files = true,
            Some(_) => {}
            None => return wrong("type", "a string"),
        }
    }
    Ok(has_text)
}

/// The text of a user turn, at most 8 kB of source from each end.
fn sample(content: &RawValue) -> Cow<'_, str> {
    if kind_of(content) == Kind::Text {
        return text_sample(content);
    }
    let parts: Vec<PartGlance<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
    let mut texts: Vec<Cow<'_, str>> = parts
        .iter()
        .filter(|part| part.kind.is_some_and(|k| k.get() == "\"text\""))
        .filter_map(|p| p.text)
        .map(text_sample)
        .collect();
    match texts.len() {
        1 => texts.pop().unwrap_or_default(),
        _ => Cow::Owned(sample_of(&texts.join("\n")).into_owned()),
    }
}

/// A text's sample without unescaping what lies between its ends. An escape that an end cuts may leave a stray letter.
fn text_sample(raw: &RawValue) -> Cow<'_, str> {
    let inside = inside_quotes(raw).unwrap_or_default();
    if inside.len() <= 2 * SAMPLE_END_BYTES {
        return string(raw).unwrap_or_default();
    }
    let mut head = SAMPLE_END_BYTES;
    while !inside.is_char_boundary(head) {
        head -= 1;
    }
    let mut tail = inside.len() - SAMPLE_END_BYTES;
    while !inside.is_char_boundary(tail) {
        tail += 1;
    }
    let (head, tail) = (inside.get(..head).unwrap_or_default(), inside.get(tail..).unwrap_or_default());
    Cow::Owned(format!("{}\n{}", unescape(head), unescape(tail)))
}

fn object<'a>(members: &Members<'a>, name: &str) -> Option<Members<'a>> {
    members.present(name).and_then(|raw| Members::read(raw.get().as_bytes()).ok())
}

fn is_true(members: &Members<'_>, name: &str) -> bool {
    members.raw(name).is_some_and(|raw| raw.get() == "true")
}

#[cfg(test)]
mod tests;
