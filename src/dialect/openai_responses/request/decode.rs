//! A caller's body → canonical. Members that the hub has no word for become extras, each with what the table of
//! fields says of its absence: a default is exact when left out, an advisory one changes nothing in the answer, the others matter.
//!
//! This gateway keeps no responses. What needs them (`previous_response_id`, `conversation`, `prompt`, `background`, an
//! explicit `store: true`) is for a provider of this dialect, whose own it is, and cannot be said anywhere else.

use serde_json::value::RawValue;

use super::super::view::view;
use super::items;
use crate::dialect::canonical::{ChatRequest, Format, Part, Reasoning, Role, Tool, ToolChoice, Turn};
use crate::dialect::openai_chat::request::reading::{extra, leftover, leftovers, object, read_object, Meaning};
use crate::dialect::{custom, fields, Dialect};
use crate::error::GatewayError;
use crate::json::scalar::{count, filled, kind_of, string, Kind};
use crate::json::Members;

/// Reads a request. `models`, `provider` and `session_id` are routing's and stay out of it.
///
/// # Errors
/// The caller's, naming the field.
pub fn decode(body: &[u8]) -> Result<ChatRequest, GatewayError> {
    let view = view(body)?;
    let members = &view.members;
    let mut request = ChatRequest {
        origin: Some(Dialect::OpenAiResponses),
        model: view.model.clone().into_owned(),
        stream: view.stream,
        include_usage: true,
        max_output_tokens: view.max_output_tokens,
        ..ChatRequest::default()
    };
    if let Some(instructions) = filled(members.present("instructions")) {
        request.turns.push(Turn { role: Role::System, parts: vec![Part::Text(instructions.into_owned())] });
    }
    items::decode(members, &mut request)?;
    for (name, raw) in members.iter() {
        if kind_of(raw) != Kind::Null {
            member(name, raw, members, &mut request)?;
        }
    }
    narrow_to_allowed_tools(members, &mut request);
    Ok(request)
}

fn member(name: &str, raw: &RawValue, members: &Members<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    match name {
        // Read above, or by routing.
        "model" | "input" | "instructions" | "stream" | "max_output_tokens" => {}
        "models" | "provider" | "session_id" | "fallbacks" => {}
        "temperature" => request.temperature = raw.get().parse().ok(),
        "top_p" => request.top_p = raw.get().parse().ok(),
        "include" => include(raw, members, request),
        "top_logprobs" => {
            if !wants_logprobs(members) {
                // Without `include` none are shown.
                extra(request, name, raw, if raw.get() == "0" { Meaning::Default } else { Meaning::Advisory });
            }
        }
        "user" => request.user = filled(Some(raw)).map(Into::into),
        "safety_identifier" => match &request.user {
            None if members.present("user").is_none() => request.user = string(raw).map(Into::into),
            _ => extra(request, name, raw, Meaning::Advisory),
        },
        "parallel_tool_calls" => request.parallel_tool_calls = Some(raw.get() == "true"),
        "tools" => tools(raw, request)?,
        "tool_choice" => tool_choice(raw, request),
        "text" => text(raw, request)?,
        "reasoning" => reasoning(raw, request)?,
        "stream_options" => stream_options(raw, request),
        _ => leftover(request, name, raw),
    }
    Ok(())
}

/// What `include` asks for beside the answer. Encrypted reasoning always comes; the rest belongs to hosted tools.
fn include(raw: &RawValue, members: &Members<'_>, request: &mut ChatRequest) {
    let asked: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
    for (at, item) in asked.into_iter().enumerate() {
        match string(item).as_deref() {
            Some("reasoning.encrypted_content") => {}
            Some(LOGPROBS) => request.logprobs = Some(count(members.raw("top_logprobs")).unwrap_or(0)),
            _ => leftover(request, format!("include[{at}]"), item),
        }
    }
}

const LOGPROBS: &str = "message.output_text.logprobs";

fn wants_logprobs(members: &Members<'_>) -> bool {
    let asked: Vec<&RawValue> = members.parse("include").ok().flatten().unwrap_or_default();
    asked.into_iter().any(|item| string(item).is_some_and(|word| word == LOGPROBS))
}

fn tools(raw: &RawValue, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let items: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = read_object(&path, item)?;
        let kind = filled(tool.present("type"));
        if kind.as_deref() == Some("custom") {
            for (name, raw) in tool.iter().filter(|(name, _)| ASIDE.contains(name)) {
                leftover(request, format!("{path}.{name}"), raw);
            }
            let declared = custom::nested(&tool, &ASIDE).unwrap_or_default();
            request.extras.push(fields::extra(Dialect::OpenAiResponses, path, declared));
            continue;
        }
        if kind.is_none_or(|kind| kind != "function") {
            // One that the provider runs itself.
            leftover(request, path, item);
            continue;
        }
        request.tools.push(Tool {
            name: filled(tool.present("name")).unwrap_or_default().into(),
            description: filled(tool.present("description")).map(Into::into),
            parameters: tool.present("parameters").map(RawValue::to_owned),
            strict: tool.present("strict").map(|raw| raw.get() == "true"),
        });
        leftovers(&tool, &["type", "name", "description", "parameters", "strict"], &path, request);
    }
    Ok(())
}

/// What only Responses says of a custom tool (the SDK's `CustomTool`).
const ASIDE: [&str; 3] = ["allowed_callers", "async", "defer_loading"];

fn tool_choice(raw: &RawValue, request: &mut ChatRequest) {
    let word = string(raw);
    let read = object(raw);
    let kind = read.as_ref().and_then(|choice| filled(choice.present("type")));
    request.tool_choice = match word.as_deref().or(kind.as_deref()) {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required") => Some(ToolChoice::Required),
        // Read once the tools are known.
        Some("allowed_tools") => None,
        Some("custom") => {
            let choice = read.as_ref().and_then(|choice| custom::nested(choice, &[])).unwrap_or_default();
            request.extras.push(fields::extra(Dialect::OpenAiResponses, "tool_choice", choice));
            None
        }
        Some("function") => {
            if let Some(choice) = &read {
                leftovers(choice, &["type", "name"], "tool_choice", request);
            }
            read.and_then(|choice| filled(choice.present("name")).map(|name| ToolChoice::Named(name.into())))
        }
        _ => {
            leftover(request, "tool_choice", raw);
            None
        }
    };
}

/// `allowed_tools` says which of the declared tools may be called. Sending only those says the same; what is lost is the
/// stable prefix that it keeps for prompt caches, and that is reported.
fn narrow_to_allowed_tools(members: &Members<'_>, request: &mut ChatRequest) {
    let Some(raw) = members.present("tool_choice") else { return };
    let Some(choice) = object(raw).filter(|c| filled(c.present("type")).is_some_and(|kind| kind == "allowed_tools"))
    else {
        return;
    };
    let listed: Vec<&RawValue> = choice.parse("tools").ok().flatten().unwrap_or_default();
    let of_kind = |wanted: &str| -> Vec<String> {
        let tools = listed.iter().filter_map(|tool| object(tool));
        let named = tools.filter(|tool| filled(tool.present("type")).is_some_and(|kind| kind == wanted));
        named.filter_map(|tool| filled(tool.present("name")).map(Into::into)).collect()
    };
    let names = of_kind("function");
    request.tools.retain(|tool| names.contains(&tool.name));
    custom::retain_tools(request, &of_kind("custom"));
    let required = choice.present("mode").is_some_and(|mode| mode.get() == "\"required\"");
    request.tool_choice = Some(if required { ToolChoice::Required } else { ToolChoice::Auto });
    leftovers(&choice, &["type", "mode", "tools"], "tool_choice", request);
    leftover(request, "tool_choice.tools", raw);
}

fn text(raw: &RawValue, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let text = read_object("text", raw)?;
    if let Some(verbosity) = text.present("verbosity") {
        leftover(request, "text.verbosity", verbosity);
    }
    leftovers(&text, &["format", "verbosity"], "text", request);
    let Some(raw) = text.present("format") else { return Ok(()) };
    let format = read_object("text.format", raw)?;
    match filled(format.present("type")).as_deref() {
        Some("text") => leftovers(&format, &["type"], "text.format", request),
        Some("json_object") => {
            request.format = Some(Format::JsonObject);
            leftovers(&format, &["type"], "text.format", request);
        }
        Some("json_schema") => {
            let Some(schema) = format.present("schema") else { return Ok(()) };
            request.format = Some(Format::JsonSchema {
                name: filled(format.present("name")).map_or_else(|| "response".to_owned(), Into::into),
                description: filled(format.present("description")).map(Into::into),
                schema: schema.to_owned(),
                strict: format.present("strict").map(|raw| raw.get() == "true"),
            });
            leftovers(&format, &["type", "name", "description", "schema", "strict"], "text.format", request);
        }
        _ => leftover(request, "text.format", raw),
    }
    Ok(())
}

/// `effort` is how much to think.
fn reasoning(raw: &RawValue, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let reasoning = read_object("reasoning", raw)?;
    for (name, raw) in reasoning.iter().filter(|(_, raw)| kind_of(raw) != Kind::Null) {
        match string(raw).filter(|_| name == "effort") {
            Some(effort) => request.reasoning = Some(Reasoning::Effort(effort.into())),
            None => leftover(request, format!("reasoning.{name}"), raw),
        }
    }
    Ok(())
}

fn stream_options(raw: &RawValue, request: &mut ChatRequest) {
    let Some(options) = object(raw) else { return };
    for (name, raw) in options.iter() {
        leftover(request, format!("stream_options.{name}"), raw);
    }
}
