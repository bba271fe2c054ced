//! The types and ranges of the request's top-level members. Members that stand nowhere here are legal and pass.

use crate::dialect::openai_chat::checks::{one, Rule};
use crate::error::GatewayError;
use crate::json::scalar::{inside_quotes, kind, Kind};
use crate::json::scan::{entries, entry, items};
use crate::json::Members;

/// Source: `ResponseCreateParamsBase` (npm `openai` 7.57.0).
const RULES: &[(&str, Rule)] = &[
    ("background", Rule::Flag),
    ("conversation", Rule::TextOrObject),
    ("context_management", Rule::List),
    ("include", Rule::Texts),
    ("instructions", Rule::Text),
    ("max_output_tokens", Rule::Whole(1)),
    ("max_tool_calls", Rule::Whole(0)),
    ("metadata", Rule::Object),
    ("moderation", Rule::Object),
    ("parallel_tool_calls", Rule::Flag),
    ("previous_response_id", Rule::Text),
    ("prompt", Rule::Object),
    ("prompt_cache_key", Rule::Text),
    ("prompt_cache_options", Rule::Object),
    ("prompt_cache_retention", Rule::Text),
    ("reasoning", Rule::Object),
    ("safety_identifier", Rule::Text),
    ("service_tier", Rule::Text),
    ("store", Rule::Flag),
    ("stream", Rule::Flag),
    ("stream_options", Rule::Object),
    ("temperature", Rule::Number(0.0, 2.0)),
    ("text", Rule::Object),
    ("tool_choice", Rule::TextOrObject),
    ("tools", Rule::List),
    ("top_logprobs", Rule::Whole(0)),
    ("top_p", Rule::Number(0.0, 1.0)),
    ("truncation", Rule::Text),
    ("user", Rule::Text),
];

/// Checks every member but `model` and `input`.
///
/// # Errors
/// The caller's: the first member of the wrong type or out of range.
pub(super) fn members(members: &Members<'_>) -> Result<(), GatewayError> {
    for (name, raw) in members.iter() {
        if let Some((_, rule)) = RULES.iter().find(|(known, _)| *known == name) {
            one(name, raw.get(), *rule)?;
        }
    }
    tools(members)?;
    choice(members)?;
    format(members)
}

fn tools(members: &Members<'_>) -> Result<(), GatewayError> {
    for (at, tool) in items(members.present("tools").map_or("", |raw| raw.get())).enumerate() {
        let path = format!("tools[{at}]");
        if kind(tool) != Kind::Object {
            return Err(GatewayError::invalid(&path, format!("`{path}` must be an object")));
        }
        match entry(tool, "type").and_then(inside_quotes) {
            Some("function") => named(&path, tool)?,
            Some(_) => {}
            None => {
                let path = format!("{path}.type");
                return Err(GatewayError::invalid(&path, format!("`{path}` must be a string")));
            }
        }
    }
    Ok(())
}

fn choice(members: &Members<'_>) -> Result<(), GatewayError> {
    let Some(text) = members.present("tool_choice").map(|raw| raw.get()) else { return Ok(()) };
    if let Some(word) = inside_quotes(text) {
        return if ["none", "auto", "required"].contains(&word) {
            Ok(())
        } else {
            Err(GatewayError::invalid("tool_choice", "`tool_choice` must be none, auto, required or an object"))
        };
    }
    match entry(text, "type").and_then(inside_quotes) {
        Some("function") => named("tool_choice", text),
        Some(_) => Ok(()),
        None => Err(GatewayError::invalid("tool_choice.type", "`tool_choice.type` must be a string")),
    }
}

fn format(members: &Members<'_>) -> Result<(), GatewayError> {
    let Some(format) = members.present("text").and_then(|text| entry(text.get(), "format")) else { return Ok(()) };
    let declared = entry(format, "type").and_then(inside_quotes);
    if declared.is_none() {
        return Err(GatewayError::invalid("text.format.type", "`text.format.type` must be a string"));
    }
    if declared != Some("json_schema") {
        return Ok(());
    }
    named("text.format", format)?;
    if entry(format, "schema").is_none() {
        return Err(GatewayError::invalid("text.format.schema", "`text.format.schema` must be an object"));
    }
    for (name, value) in entries(format) {
        let rule = match name.as_ref() {
            "description" => Rule::Text,
            "schema" => Rule::Object,
            "strict" => Rule::Flag,
            _ => continue,
        };
        one(&format!("text.format.{name}"), value, rule)?;
    }
    Ok(())
}

/// A `name` that is a string and not empty.
fn named(path: &str, object: &str) -> Result<(), GatewayError> {
    if entry(object, "name").and_then(inside_quotes).is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let path = format!("{path}.name");
    Err(GatewayError::invalid(&path, format!("`{path}` must be a string that is not empty")))
}
