//! OpenAI's `web_search_options` → Anthropic's web search, a tool that runs at Anthropic (`wire.md` §2, row
//! `web_search_options`; `WebSearchTool20250305` of `@anthropic-ai/sdk`).

use serde_json::value::RawValue;

use super::super::write::Elements;
use crate::dialect::canonical::{ChatRequest, Extra, Loss, ToolChoice};
use crate::dialect::Dialect;
use crate::json::Members;

const FIELD: &str = "web_search_options";

/// The tool's fixed name.
const NAME: &str = "web_search";

/// Whether a member is a chat caller's wish for a search.
pub(super) fn is_asked(extra: &Extra, request: &ChatRequest) -> bool {
    extra.field == FIELD && request.origin == Some(Dialect::OpenAiChat)
}

/// Writes the tool, or reports why there is none.
pub(super) fn write(list: &mut Elements, options: &RawValue, request: &ChatRequest, losses: &mut Vec<Loss>) {
    let mut refuse = |reason: &str| losses.push(Loss::unsupported(FIELD, reason));
    let Ok(options) = Members::read(options.get().as_bytes()) else { return refuse("not an object") };
    if request.tools.iter().any(|tool| tool.name == NAME) {
        return refuse("a function has the name of Anthropic's search, `web_search`");
    }
    if request.tool_choice == Some(ToolChoice::None) {
        return refuse("Anthropic's `tool_choice` none would stop its search too");
    }
    let mut place = None;
    for (name, value) in options.iter().filter(|(_, value)| value.get() != "null") {
        let field = format!("{FIELD}.{name}");
        match name {
            "user_location" => match approximate(value) {
                Some(read) => place = Some(read),
                None => losses.push(Loss::unsupported(field, "Anthropic's search takes approximate places only")),
            },
            "search_context_size" if value.get() == "\"medium\"" => {}
            "search_context_size" => losses.push(Loss::advisory(field, "Anthropic's search has no such setting")),
            _ => losses.push(Loss::unsupported(field, "Anthropic's search has no such setting")),
        }
    }
    losses.push(Loss::converted(FIELD, "searched with Anthropic's web search, which is billed by search"));
    list.object(|tool| {
        tool.text("type", "web_search_20250305");
        tool.text("name", NAME);
        if let Some(place) = place {
            tool.object("user_location", |wire| {
                wire.text("type", "approximate");
                for (name, value) in place.iter().filter(|(_, value)| value.get() != "null") {
                    wire.raw(name, value.get());
                }
            });
        }
    });
}

/// The place in `{"type":"approximate","approximate":{city, country, region, timezone}}`: both dialects have these members.
fn approximate(value: &RawValue) -> Option<Members<'_>> {
    let outer = Members::read(value.get().as_bytes()).ok()?;
    let place = Members::read(outer.present("approximate")?.get().as_bytes()).ok()?;
    let known = |(name, _): (&str, &RawValue)| ["city", "country", "region", "timezone"].contains(&name);
    (outer.raw("type")?.get() == "\"approximate\"" && place.iter().all(known)).then_some(place)
}
