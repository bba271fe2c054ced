//! What routing and the native path need of a request, borrowed: its members, the facts that decide where it can go, and
//! a check of the types of what is read here. One parse of the whole and one walk over the items. Read `view/tests.rs`
//! for the promises.

mod checks;
mod items;

use std::borrow::Cow;

pub use super::observe::{observe_event, observe_response};
use crate::dialect::custom;
use crate::dialect::openai_chat::view::{model, sample, unreadable};
use crate::dialect::view::{estimate_tokens, View};
use crate::error::GatewayError;
use crate::json::scalar::{count, kind, string, text_of, Kind};
use crate::json::scan::{entry, items as entries_of};
use crate::json::Members;

/// Reads the facts of a request.
///
/// # Errors
/// The caller's, naming the field.
pub fn view(body: &[u8]) -> Result<View<'_>, GatewayError> {
    let members = Members::read(body).map_err(unreadable)?;
    // Usage always comes with the end of an answer.
    let mut view = View { model: model(&members)?, include_usage: true, ..View::default() };
    checks::members(&members)?;
    read_bounds(&members, &mut view);
    read_tools(&members, &mut view);
    read_format(&members, &mut view);
    if let Some(instructions) = members.present("instructions") {
        view.estimated_input_tokens += estimate_tokens(instructions.get().as_bytes());
    }
    let texts = items::read(&members, &mut view)?;
    view.sample = sample(&texts);
    view.members = members;
    Ok(view)
}

fn source<'a>(members: &Members<'a>, name: &str) -> &'a str {
    members.raw(name).map_or("", |raw| raw.get())
}

fn read_bounds<'a>(members: &Members<'a>, view: &mut View<'a>) {
    view.stream = source(members, "stream") == "true";
    view.max_output_tokens = count(members.raw("max_output_tokens"));
    let differs = |name: &str| source(members, name).parse::<f64>().is_ok_and(|value| value != 1.0);
    view.needs.sampling = differs("temperature") || differs("top_p");
    view.effort = entry(source(members, "reasoning"), "effort").and_then(text_of);
    view.needs.reasoning = view.effort.as_ref().is_some_and(|effort| effort != "none");
}

fn read_tools(members: &Members<'_>, view: &mut View<'_>) {
    let list = source(members, "tools");
    if entries_of(list).next().is_some() {
        view.needs.tools = true;
        view.needs.custom_tools = custom::is_among(list);
        view.estimated_input_tokens += estimate_tokens(list.as_bytes());
    }
    let choice = members.present("tool_choice");
    view.needs.forced_tools = match choice.map(|raw| (kind(raw.get()), raw)) {
        Some((Kind::Text, word)) => string(word).is_some_and(|word| word == "required"),
        Some((Kind::Object, choice)) => match entry(choice.get(), "type").and_then(text_of) {
            Some(Cow::Borrowed("allowed_tools")) => entry(choice.get(), "mode") == Some("\"required\""),
            _ => true,
        },
        _ => false,
    };
}

fn read_format(members: &Members<'_>, view: &mut View<'_>) {
    let format = entry(source(members, "text"), "format").unwrap_or_default();
    match entry(format, "type") {
        Some("\"json_object\"") => view.needs.json_object = true,
        Some("\"json_schema\"") => {
            view.needs.json_schema = true;
            view.estimated_input_tokens += estimate_tokens(format.as_bytes());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
