//! A caller's body → canonical. Members that the hub has no word for become extras, each with what the table of fields
//! says of its absence: a default is exact when left out, an advisory one changes nothing in the answer, the others matter.

use serde_json::value::RawValue;

use super::super::view::view;
use super::messages;
use crate::dialect::canonical::{ChatRequest, Extra, Format, Reasoning, Tool, ToolChoice};
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
        origin: Some(Dialect::OpenAiChat),
        model: view.model.clone().into_owned(),
        stream: view.stream,
        include_usage: view.include_usage,
        max_output_tokens: view.max_output_tokens,
        ..ChatRequest::default()
    };
    messages::decode(members, &mut request)?;
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
        "model" | "messages" | "stream" | "max_tokens" | "max_completion_tokens" => {}
        "models" | "provider" | "session_id" | "fallbacks" => {}
        "temperature" => request.temperature = number(raw),
        "top_p" => request.top_p = number(raw),
        "top_k" => match count(Some(raw)) {
            // vLLM's −1 and 0 switch it off, which is its default.
            Some(k) if k > 0 => request.top_k = Some(k),
            _ => leftover(request, name, raw),
        },
        "frequency_penalty" => request.frequency_penalty = number(raw).filter(|penalty| *penalty != 0.0),
        "presence_penalty" => request.presence_penalty = number(raw).filter(|penalty| *penalty != 0.0),
        "n" => request.n = count(Some(raw)).filter(|n| *n != 1),
        "seed" => request.seed = number(raw).map(|seed| raw.get().parse().unwrap_or(seed as i64)),
        "stop" => request.stop = texts(raw),
        "logprobs" => {
            if raw.get() == "true" {
                request.logprobs = Some(count(members.raw("top_logprobs")).unwrap_or(0));
            }
        }
        "top_logprobs" => {
            let read = members.raw("logprobs").is_some_and(|asked| asked.get() == "true");
            if !read {
                leftover(request, name, raw);
            }
        }
        "user" => request.user = filled(Some(raw)).map(Into::into),
        "safety_identifier" => match &request.user {
            None if members.present("user").is_none() => request.user = string(raw).map(Into::into),
            _ => extra(request, name, raw, Meaning::Advisory),
        },
        "parallel_tool_calls" => request.parallel_tool_calls = Some(raw.get() == "true"),
        "tools" => tools(raw, request)?,
        "functions" => functions(raw, request)?,
        "tool_choice" => tool_choice(raw, request),
        "function_call" => {
            if let Some(choice) = object(raw) {
                leftovers(&choice, &["name"], name, request);
            }
            if request.tool_choice.is_none() {
                request.tool_choice = legacy_choice(raw);
            }
        }
        "response_format" => response_format(raw, request),
        "reasoning_effort" => request.reasoning = string(raw).map(|effort| Reasoning::Effort(effort.into())),
        "reasoning" => openrouter_reasoning(raw, members, request),
        "thinking" | "enable_thinking" | "thinking_budget" => switched_thinking(name, raw, members, request),
        "stream_options" => stream_options(raw, request),
        // Servers of this dialect may know it; to the others thoughts are kept back on the way to the caller.
        "include_reasoning" if raw.get() == "false" => extra(request, name, raw, Meaning::Default),
        _ => leftover(request, name, raw),
    }
    Ok(())
}

/// What leaving a member out would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Meaning {
    Default,
    Advisory,
    Semantic,
}

/// Adds a member of which the table of fields knows what it means.
pub(in crate::dialect) fn leftover(request: &mut ChatRequest, field: impl Into<String>, raw: &RawValue) {
    let dialect = request.origin.unwrap_or(Dialect::OpenAiChat);
    request.extras.push(fields::extra(dialect, field, raw.to_owned()));
}

/// Adds a member whose meaning shows in its surroundings only.
pub(in crate::dialect) fn extra(request: &mut ChatRequest, field: impl Into<String>, raw: &RawValue, meaning: Meaning) {
    request.extras.push(Extra {
        field: field.into(),
        value: raw.to_owned(),
        advisory: meaning == Meaning::Advisory,
        is_default: meaning == Meaning::Default,
    });
}

fn number(raw: &RawValue) -> Option<f64> {
    raw.get().parse().ok()
}

fn texts(raw: &RawValue) -> Vec<String> {
    match string(raw) {
        Some(text) => vec![text.into_owned()],
        None => crate::json::from_str(raw.get()).unwrap_or_default(),
    }
}

/// An object's members; `None` for other values.
pub(in crate::dialect) fn object(raw: &RawValue) -> Option<Members<'_>> {
    Members::read(raw.get().as_bytes()).ok()
}

fn items(raw: &RawValue) -> Vec<&RawValue> {
    crate::json::from_str(raw.get()).unwrap_or_default()
}

fn tools(raw: &RawValue, request: &mut ChatRequest) -> Result<(), GatewayError> {
    for (at, item) in items(raw).into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let tool = read_object(&path, item)?;
        let function =
            tool.present("function").filter(|_| tool.present("type").is_none_or(|kind| kind.get() == "\"function\""));
        let Some(function) = function else {
            // A grammar tool or one that the server runs itself.
            leftover(request, path, item);
            continue;
        };
        let function_path = format!("{path}.function");
        let read = read_object(&function_path, function)?;
        request.tools.push(function_tool(&read));
        leftovers(&tool, &["type", "function"], &path, request);
        leftovers(&read, &["name", "description", "parameters", "strict"], &function_path, request);
    }
    Ok(())
}

fn functions(raw: &RawValue, request: &mut ChatRequest) -> Result<(), GatewayError> {
    for (at, item) in items(raw).into_iter().enumerate() {
        let path = format!("functions[{at}]");
        let function = read_object(&path, item)?;
        request.tools.push(function_tool(&function));
        leftovers(&function, &["name", "description", "parameters"], &path, request);
    }
    Ok(())
}

fn function_tool(function: &Members<'_>) -> Tool {
    Tool {
        name: filled(function.present("name")).unwrap_or_default().into(),
        description: filled(function.present("description")).map(Into::into),
        parameters: function.present("parameters").map(RawValue::to_owned),
        strict: function.present("strict").map(|raw| raw.get() == "true"),
    }
}

/// Members beside the known ones.
pub(in crate::dialect) fn leftovers(read: &Members<'_>, known: &[&str], path: &str, request: &mut ChatRequest) {
    for (name, raw) in read.iter() {
        if !known.contains(&name) && kind_of(raw) != Kind::Null {
            leftover(request, format!("{path}.{name}"), raw);
        }
    }
}

/// An object whose members stand once each.
pub(in crate::dialect) fn read_object<'a>(path: &str, raw: &'a RawValue) -> Result<Members<'a>, GatewayError> {
    Members::read(raw.get().as_bytes()).map_err(|error| match error {
        crate::json::MembersError::Duplicate(name) => {
            let path = format!("{path}.{name}");
            GatewayError::invalid(&path, format!("`{path}` stands twice"))
        }
        _ => GatewayError::invalid(path, format!("`{path}` must be an object")),
    })
}

fn tool_choice(raw: &RawValue, request: &mut ChatRequest) {
    let word = string(raw);
    let read = object(raw);
    if let Some(function) = read.as_ref().and_then(|choice| choice.present("function")).and_then(object) {
        leftovers(&function, &["name"], "tool_choice.function", request);
    }
    let kind = read.as_ref().and_then(|choice| filled(choice.present("type")));
    request.tool_choice = match word.as_deref().or(kind.as_deref()) {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        Some("required" | "any") => Some(ToolChoice::Required),
        // Read once the tools are known.
        Some("allowed_tools") => None,
        Some("function") | None => read
            .and_then(|choice| choice.present("function").and_then(object))
            .and_then(|function| filled(function.present("name")).map(|name| ToolChoice::Named(name.into()))),
        Some(_) => {
            leftover(request, "tool_choice", raw);
            None
        }
    };
}

/// The old form, with the new one's words.
fn legacy_choice(raw: &RawValue) -> Option<ToolChoice> {
    match string(raw).as_deref() {
        Some("auto") => Some(ToolChoice::Auto),
        Some("none") => Some(ToolChoice::None),
        // There are no other words: `checks` has seen to that.
        Some(_) => Some(ToolChoice::Required),
        None => {
            object(raw).and_then(|choice| filled(choice.present("name")).map(|name| ToolChoice::Named(name.into())))
        }
    }
}

/// `allowed_tools` says which of the declared tools may be called. Sending only those says the same; what is lost is the
/// stable prefix that it keeps for prompt caches, and that is reported.
fn narrow_to_allowed_tools(members: &Members<'_>, request: &mut ChatRequest) {
    let choice = members.present("tool_choice").and_then(object);
    let Some((raw, allowed)) = choice.and_then(|choice| {
        let raw = choice.present("allowed_tools")?;
        Some((raw, object(raw)?))
    }) else {
        return;
    };
    let listed = allowed.present("tools").map(items).unwrap_or_default();
    let names: Vec<String> = listed
        .iter()
        .filter_map(|item| object(item)?.present("function").and_then(object))
        .filter_map(|function| filled(function.present("name")).map(Into::into))
        .collect();
    request.tools.retain(|tool| names.contains(&tool.name));
    let names: Vec<String> = listed.into_iter().filter_map(custom::name_of).collect();
    custom::retain_tools(request, &names);
    let required = allowed.present("mode").is_some_and(|mode| mode.get() == "\"required\"");
    request.tool_choice = Some(if required { ToolChoice::Required } else { ToolChoice::Auto });
    extra(request, "tool_choice.allowed_tools", raw, Meaning::Advisory);
}

fn response_format(raw: &RawValue, request: &mut ChatRequest) {
    let Some(format) = object(raw) else { return };
    match format.present("type").and_then(string).as_deref() {
        Some("text") => {}
        Some("json_object") => {
            request.format = Some(Format::JsonObject);
            leftovers(&format, &["type"], "response_format", request);
        }
        Some("json_schema") => {
            let Some(schema) = format.present("json_schema").and_then(object) else { return };
            request.format = Some(match schema.present("schema") {
                Some(text) => Format::JsonSchema {
                    name: filled(schema.present("name")).map_or_else(|| "response".to_owned(), Into::into),
                    description: filled(schema.present("description")).map(Into::into),
                    schema: text.to_owned(),
                    strict: schema.present("strict").map(|raw| raw.get() == "true"),
                },
                // A schema that allows every object.
                None => Format::JsonObject,
            });
            let known = ["name", "description", "schema", "strict"];
            leftovers(&schema, &known, "response_format.json_schema", request);
        }
        _ => leftover(request, "response_format", raw),
    }
}

/// OpenRouter's `reasoning: {effort, max_tokens, enabled, exclude}`.
fn openrouter_reasoning(raw: &RawValue, members: &Members<'_>, request: &mut ChatRequest) {
    let Some(reasoning) = object(raw) else { return };
    let enabled = reasoning.present("enabled").map(|raw| raw.get() == "true");
    let asked = filled(reasoning.present("effort"))
        .map(|effort| Reasoning::Effort(effort.into()))
        .or_else(|| count(reasoning.present("max_tokens")).map(Reasoning::Budget))
        .or_else(|| enabled.map(|on| if on { Reasoning::Adaptive } else { Reasoning::Disabled }));
    if members.present("reasoning_effort").is_none() {
        request.reasoning = asked.or(request.reasoning.take());
    }
    for (name, raw) in reasoning.iter() {
        // Thoughts are kept back on the way to the caller.
        let kept_back = name == "exclude" && raw.get() == "true";
        if !kept_back && !["effort", "max_tokens", "enabled"].contains(&name) {
            leftover(request, format!("reasoning.{name}"), raw);
        }
    }
}

/// DeepSeek's `thinking: {type}`, Qwen's `enable_thinking` with `thinking_budget`. An effort word says more and wins.
fn switched_thinking(name: &str, raw: &RawValue, members: &Members<'_>, request: &mut ChatRequest) {
    if request.reasoning.as_ref().is_some_and(|known| matches!(known, Reasoning::Effort(_) | Reasoning::Disabled))
        || members.present("reasoning_effort").is_some()
    {
        return;
    }
    let switched = |on: bool| if on { Reasoning::Adaptive } else { Reasoning::Disabled };
    let asked = match name {
        "thinking_budget" => count(Some(raw)).map(Reasoning::Budget),
        "enable_thinking" if members.present("thinking_budget").is_some() && raw.get() == "true" => None,
        "enable_thinking" => Some(switched(raw.get() == "true")),
        _ => object(raw).and_then(|thinking| {
            let kind = filled(thinking.present("type"))?;
            let budget = count(thinking.present("budget_tokens")).filter(|_| kind == "enabled");
            Some(budget.map_or_else(|| switched(kind != "disabled"), Reasoning::Budget))
        }),
    };
    match asked {
        Some(asked) => request.reasoning = Some(asked),
        None if name == "thinking" => leftover(request, name, raw),
        None => {}
    }
}

fn stream_options(raw: &RawValue, request: &mut ChatRequest) {
    let Some(options) = object(raw) else { return };
    for (name, raw) in options.iter() {
        // Usage is always collected.
        if name != "include_usage" {
            leftover(request, format!("stream_options.{name}"), raw);
        }
    }
}
