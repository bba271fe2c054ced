//! What the native path needs, borrowed: facts of a request, and what answers and events tell in passing.

mod observe;

pub use observe::{observe_event, observe_response};

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::request::locate;
use super::types::{ContentView, GenerationConfig, Int, Many, Number, Text, Tool, ToolConfig};
use crate::dialect::openai_chat::view::unreadable;
use crate::dialect::view::{estimate_tokens, sample_of, Needs, View};
use crate::error::GatewayError;
use crate::json::Members;

/// Reads the facts of a request. The model is empty and a stream is not wanted: both stand in the path.
///
/// # Errors
/// The caller's, naming the field.
pub fn view(body: &[u8]) -> Result<View<'_>, GatewayError> {
    let members = Members::read(body).map_err(unreadable)?;
    let mut view = View { include_usage: true, hide_reasoning: true, ..View::default() };
    read_contents(&members, &mut view)?;
    read_tools(&members, &mut view)?;
    read_config(&members, &mut view)?;
    view.members = members;
    Ok(view)
}

fn read_contents<'a>(members: &Members<'a>, view: &mut View<'a>) -> Result<(), GatewayError> {
    let Some(raw) = members.present("contents") else {
        return Err(GatewayError::invalid("contents", "contents is not specified"));
    };
    let Many(contents) = crate::json::from_str::<Many<ContentView<'a>>>(raw.get())
        .map_err(|error| locate::member("contents", &error))?;
    if contents.is_empty() {
        return Err(GatewayError::invalid("contents", "contents is not specified"));
    }
    let system = either(members, "systemInstruction", "system_instruction");
    view.estimated_input_tokens = system.map_or(0, |raw| estimate_tokens(raw.get().as_bytes()));
    let mut sample: Option<Vec<Text<'a>>> = None;
    for (at, content) in contents.into_iter().enumerate() {
        let model = locate::is_model(content.role.as_deref(), at)?;
        view.turns = view.turns.saturating_add(1);
        let mut said = Vec::new();
        for part in content.parts.map(|parts| parts.0).unwrap_or_default() {
            let raw = part.function_call.or(part.function_response);
            view.needs.tool_results |= part.function_response.is_some();
            let tokens = estimate_tokens(raw.map_or(&[], |raw| raw.get().as_bytes()))
                .saturating_add(estimate_tokens(part.text.as_deref().unwrap_or_default().as_bytes()));
            view.estimated_input_tokens = view.estimated_input_tokens.saturating_add(tokens);
            if let Some(media) = part.inline_data.or(part.file_data) {
                needs_of_media(media.mime.as_deref(), &mut view.needs);
            }
            if let Some(text) = part.text.filter(|_| !model && part.thought != Some(true)) {
                said.push(text);
            }
        }
        if !said.is_empty() {
            sample = Some(said);
        }
    }
    view.sample = match sample.map(<[Text<'a>; 1]>::try_from) {
        None => Cow::Borrowed(""),
        Some(Ok([Text(Cow::Borrowed(text))])) => sample_of(text),
        Some(Ok([Text(Cow::Owned(text))])) => Cow::Owned(sample_of(&text).into_owned()),
        Some(Err(several)) => {
            let joined = several.iter().map(|text| &**text).collect::<Vec<&str>>().join("\n");
            Cow::Owned(sample_of(&joined).into_owned())
        }
    };
    Ok(())
}

/// A file without a type is taken for a document.
fn needs_of_media(mime: Option<&str>, needs: &mut Needs) {
    match mime.and_then(|mime| mime.split('/').next()).map(str::to_ascii_lowercase).as_deref() {
        Some("image" | "video") => needs.vision = true,
        Some("audio") => needs.audio = true,
        _ => needs.files = true,
    }
}

fn read_tools<'a>(members: &Members<'a>, view: &mut View<'a>) -> Result<(), GatewayError> {
    let Some(raw) = members.present("tools") else { return Ok(()) };
    let Many(tools) =
        crate::json::from_str::<Many<Tool<'a>>>(raw.get()).map_err(|error| locate::member("tools", &error))?;
    view.needs.tools = tools.iter().any(|tool| tool.functions.as_ref().is_some_and(|list| !list.0.is_empty()));
    view.estimated_input_tokens = view.estimated_input_tokens.saturating_add(estimate_tokens(raw.get().as_bytes()));
    let Some(raw) = either(members, "toolConfig", "tool_config") else { return Ok(()) };
    let config =
        crate::json::from_str::<ToolConfig<'a>>(raw.get()).map_err(|error| locate::member("toolConfig", &error))?;
    let mode = config.calling.and_then(|calling| calling.mode);
    view.needs.forced_tools = view.needs.tools && mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ANY"));
    Ok(())
}

fn read_config<'a>(members: &Members<'a>, view: &mut View<'a>) -> Result<(), GatewayError> {
    let Some(raw) = either(members, "generationConfig", "generation_config") else { return Ok(()) };
    let config: GenerationConfig<'a> =
        crate::json::from_str(raw.get()).map_err(|error| locate::member("generationConfig", &error))?;
    view.max_output_tokens = config.max_output_tokens.map(Int::count);
    // 1 is where temperature and nucleus do nothing; there is no such value for top-k.
    let moved = |value: Option<Number>| value.is_some_and(|Number(value)| (value - 1.0).abs() > f64::EPSILON);
    view.needs.sampling = moved(config.temperature) || moved(config.top_p) || config.top_k.is_some();
    let wanted = super::request::wanted_format(&config);
    view.needs.json_schema = matches!(wanted, Some(super::request::Wanted::Schema(..)));
    view.needs.json_object = matches!(wanted, Some(super::request::Wanted::Object));
    if let Some(thinking) = config.thinking {
        view.hide_reasoning = thinking.include != Some(true);
        let effort = match (thinking.level, thinking.budget) {
            (Some(level), _) if !level.eq_ignore_ascii_case("THINKING_LEVEL_UNSPECIFIED") => {
                Some(Cow::Owned(level.to_ascii_lowercase()))
            }
            (_, Some(budget)) => super::model::effort_of_budget(budget.0).map(Cow::Borrowed),
            _ => None,
        };
        let off = effort.as_deref() == Some("none");
        view.needs.reasoning =
            !off && (effort.is_some() || thinking.budget.is_some() || thinking.include == Some(true));
        view.effort = effort;
    }
    Ok(())
}

/// A member under either of its names.
fn either<'a>(members: &Members<'a>, camel: &str, snake: &str) -> Option<&'a RawValue> {
    members.present(camel).or_else(|| members.present(snake))
}

#[cfg(test)]
mod tests;
