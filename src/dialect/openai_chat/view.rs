//! What routing and the native path need of a request, borrowed: its members, the facts that decide where it can go, and
//! a check of every field's type. One parse of the whole and one walk over the messages; nothing but the sample is ever
//! unescaped. Read `view/tests.rs` for the promises.

mod messages;

use std::borrow::Cow;

use super::checks;
pub use super::observe::{observe_event, observe_response};
use crate::dialect::custom;
use crate::dialect::view::{estimate_tokens, sample_of, View};
use crate::error::{ErrorKind, GatewayError};
use crate::json::scalar::{count, inside_quotes, kind, string, text_of, unescape, Kind};
use crate::json::scan::{entry, items};
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
    let texts = messages::read(&members, &mut view)?;
    view.sample = sample(&texts);
    view.members = members;
    Ok(view)
}

/// The caller's error for a body that cannot be read.
pub(in crate::dialect) fn unreadable(error: MembersError) -> GatewayError {
    let message = error.to_string();
    match error {
        MembersError::Duplicate(name) => GatewayError::invalid(name, message),
        _ => GatewayError::new(ErrorKind::InvalidRequest, message),
    }
}

/// The model as the caller wrote it; empty where a list of models may stand instead (OpenRouter's `models`), which routing
/// reads.
///
/// # Errors
/// It is empty or no string, or neither it nor a list is there.
pub(in crate::dialect) fn model<'a>(members: &Members<'a>) -> Result<Cow<'a, str>, GatewayError> {
    let Some(raw) = members.present("model") else {
        return match members.present("models") {
            Some(_) => Ok(Cow::Borrowed("")),
            None => Err(GatewayError::invalid("model", "`model` is required")),
        };
    };
    match string(raw) {
        Some(model) if !model.trim().is_empty() => Ok(model),
        _ => Err(GatewayError::invalid("model", "`model` must be a string that is not empty")),
    }
}

/// A member's source text, empty where it is absent.
fn source<'a>(members: &Members<'a>, name: &str) -> &'a str {
    members.raw(name).map_or("", |raw| raw.get())
}

fn read_bounds(members: &Members<'_>, view: &mut View<'_>) {
    view.stream = source(members, "stream") == "true";
    view.include_usage = entry(source(members, "stream_options"), "include_usage") == Some("true");
    view.max_output_tokens = count(members.raw("max_completion_tokens")).or_else(|| count(members.raw("max_tokens")));
    let differs = |name: &str, default: f64| source(members, name).parse::<f64>().is_ok_and(|value| value != default);
    view.needs.sampling = differs("temperature", 1.0) || differs("top_p", 1.0) || members.present("top_k").is_some();
}

/// OpenAI's word, OpenRouter's object, DeepSeek's object and Qwen's switch (`wire.md` §1.6–1.8).
fn read_thinking<'a>(members: &Members<'a>, view: &mut View<'a>) {
    let openrouter = source(members, "reasoning");
    let effort = members.present("reasoning_effort").and_then(string);
    view.effort = effort.or_else(|| entry(openrouter, "effort").and_then(text_of));
    let asked = entry(openrouter, "enabled") == Some("true")
        || entry(openrouter, "max_tokens").is_some()
        || entry(source(members, "thinking"), "type").is_some_and(|kind| kind != "\"disabled\"")
        || source(members, "enable_thinking") == "true";
    view.hide_reasoning =
        entry(openrouter, "exclude") == Some("true") || source(members, "include_reasoning") == "false";
    view.needs.reasoning = asked || view.effort.as_ref().is_some_and(|effort| effort != "none");
}

fn read_tools(members: &Members<'_>, view: &mut View<'_>) {
    for name in ["tools", "functions"] {
        let list = source(members, name);
        if items(list).next().is_some() {
            view.needs.tools = true;
            view.needs.custom_tools |= custom::is_among(list);
            view.estimated_input_tokens += estimate_tokens(list.as_bytes());
        }
    }
    let forced = |choice: &str| match kind(choice) {
        Kind::Text => matches!(choice, "\"required\"" | "\"any\""),
        Kind::Object => match entry(choice, "type") {
            Some("\"allowed_tools\"") => {
                entry(choice, "allowed_tools").and_then(|allowed| entry(allowed, "mode")) == Some("\"required\"")
            }
            Some("\"auto\"" | "\"none\"") => false,
            _ => true,
        },
        _ => false,
    };
    view.needs.forced_tools = forced(source(members, "tool_choice")) || forced(source(members, "function_call"));
}

fn read_format(members: &Members<'_>, view: &mut View<'_>) {
    let format = source(members, "response_format");
    match entry(format, "type") {
        Some("\"json_object\"") => view.needs.json_object = true,
        Some("\"json_schema\"") => {
            view.needs.json_schema = true;
            view.estimated_input_tokens += estimate_tokens(format.as_bytes());
        }
        _ => {}
    }
}

/// The texts of a user turn, at most 8 kB of source from each end.
pub(in crate::dialect) fn sample<'a>(texts: &[&'a str]) -> Cow<'a, str> {
    match texts {
        [] => Cow::Borrowed(""),
        [only] => text_sample(only),
        several => {
            let joined: Vec<Cow<'_, str>> = several.iter().map(|text| text_sample(text)).collect();
            Cow::Owned(sample_of(&joined.join("\n")).into_owned())
        }
    }
}

/// A text's sample without unescaping what lies between its ends. An escape that an end cuts may leave a stray letter.
fn text_sample(text: &str) -> Cow<'_, str> {
    let inside = inside_quotes(text).unwrap_or_default();
    if inside.len() <= 2 * SAMPLE_END_BYTES {
        return text_of(text).unwrap_or_default();
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

#[cfg(test)]
mod tests;
