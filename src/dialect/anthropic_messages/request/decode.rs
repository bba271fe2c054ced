//! An Anthropic client's request → canonical.

use serde_json::value::RawValue;

use super::super::path::Path;
use super::blocks;
use super::fields::{extra, hint, Fields};
use crate::dialect::canonical::{
    CacheMark, ChatRequest, Extra, Format, Part, Reasoning, Role, SignedTurn, Tool, ToolChoice, Turn,
};
use crate::dialect::Dialect;
use crate::error::GatewayError;

/// Reads a request whole.
///
/// # Errors
/// The caller's, naming the field (`messages.1.content.0.type`).
pub fn decode(body: &[u8]) -> Result<ChatRequest, GatewayError> {
    let fields = Fields::body(body)?;
    let mut request = ChatRequest {
        origin: Some(Dialect::AnthropicMessages),
        model: fields.required_text("model")?,
        stream: fields.optional("stream", "a valid boolean")?.unwrap_or(false),
        max_output_tokens: Some(fields.required("max_tokens", "a valid integer")?),
        temperature: fields.optional("temperature", "a valid number")?,
        top_p: fields.optional("top_p", "a valid number")?,
        top_k: fields.optional("top_k", "a valid integer")?,
        stop: fields.optional("stop_sequences", "a list of strings")?.unwrap_or_default(),
        include_usage: true,
        ..ChatRequest::default()
    };
    system(&fields, &mut request)?;
    messages(&fields, &mut request)?;
    tools(&fields, &mut request)?;
    tool_choice(&fields, &mut request)?;
    output_config(&fields, &mut request)?;
    thinking(&fields, &mut request)?;
    metadata(&fields, &mut request)?;
    leftovers(&fields, &mut request.extras);
    Ok(request)
}

/// The first mistake in `system` or `messages`, if there is one.
pub(in super::super) fn mistake_in_content(body: &[u8]) -> Option<GatewayError> {
    let fields = Fields::body(body).ok()?;
    let mut unused = ChatRequest::default();
    messages(&fields, &mut unused).and_then(|()| system(&fields, &mut unused)).err()
}

fn system(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(raw) = fields.members.present("system") else { return Ok(()) };
    let content = blocks::content(raw, &fields.path.field("system"), &mut request.extras)?;
    if content.parts.iter().all(|part| matches!(part, Part::Text(text) if text.is_empty())) {
        // No instructions.
        return Ok(());
    }
    let turn = request.turns.len();
    request.cache_marks.extend(content.marks.into_iter().map(|(part, extra)| CacheMark { turn, part, extra }));
    request.turns.push(Turn { role: Role::System, parts: content.parts });
    Ok(())
}

fn messages(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let list: Vec<&RawValue> = fields.required("messages", "a list")?;
    let place = fields.path.field("messages");
    if list.is_empty() {
        return Err(place.invalid("at least one message is required"));
    }
    for (index, raw) in list.into_iter().enumerate() {
        message(raw, &place.item(index), request)?;
    }
    Ok(())
}

fn message(raw: &RawValue, path: &Path<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let fields = Fields::of(raw, *path)?;
    let role = match fields.required_text("role")?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            let message = format!("Input should be 'user', 'assistant' or 'system', not {other:?}");
            return Err(path.field("role").invalid(message));
        }
    };
    let content: &RawValue = fields.required("content", "a valid string or a list of content blocks")?;
    let blocks::Content { parts, made_by, marks } =
        blocks::content(content, &path.field("content"), &mut request.extras)?;
    fields.leave(&["role", "content"], &mut request.extras);
    if role != Role::User {
        request.signed_turns.extend(made_by.map(|by| SignedTurn { turn: request.turns.len(), by }));
        let turn = request.turns.len();
        request.cache_marks.extend(marks.into_iter().map(|(part, extra)| CacheMark { turn, part, extra }));
        request.turns.push(Turn { role, parts });
        return Ok(());
    }
    let mut marks = marks.into_iter().peekable();
    // Results of calls are turns of their own in the hub; what the user says with them stays in its place.
    let mut turn = Turn { role: Role::User, parts: Vec::new() };
    for (at, part) in parts.into_iter().enumerate() {
        let role = if matches!(part, Part::ToolResult(_)) { Role::Tool } else { Role::User };
        if turn.role != role {
            let whole = std::mem::replace(&mut turn, Turn { role, parts: Vec::new() });
            if !whole.parts.is_empty() {
                request.turns.push(whole);
            }
        }
        if let Some((_, extra)) = marks.next_if(|(marked, _)| *marked == at) {
            request.cache_marks.push(CacheMark { turn: request.turns.len(), part: turn.parts.len(), extra });
        }
        turn.parts.push(part);
    }
    request.turns.push(turn);
    Ok(())
}

fn tools(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let list: Vec<&RawValue> = fields.optional("tools", "a list")?.unwrap_or_default();
    let place = fields.path.field("tools");
    for (index, raw) in list.into_iter().enumerate() {
        let tool = Fields::of(raw, place.item(index))?;
        match tool.text("type")?.as_deref() {
            None | Some("custom") => {}
            // Tools that Anthropic runs or knows by name.
            Some(_) => {
                request.extras.push(extra(&tool.path, raw));
                continue;
            }
        }
        tool.leave(&["type", "name", "description", "input_schema", "strict"], &mut request.extras);
        let schema: &RawValue = tool.required("input_schema", "an object")?;
        if !schema.get().starts_with('{') {
            return Err(tool.path.field("input_schema").invalid("Input does not match the expected shape."));
        }
        request.tools.push(Tool {
            name: tool.required_text("name")?,
            description: tool.text("description")?,
            parameters: Some(schema.to_owned()),
            strict: tool.optional("strict", "a valid boolean")?,
        });
    }
    Ok(())
}

fn tool_choice(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(raw) = fields.members.present("tool_choice") else { return Ok(()) };
    let choice = Fields::of(raw, fields.path.field("tool_choice"))?;
    request.tool_choice = Some(match choice.required_text("type")?.as_str() {
        "auto" => ToolChoice::Auto,
        "any" => ToolChoice::Required,
        "none" => ToolChoice::None,
        "tool" => ToolChoice::Named(choice.required_text("name")?),
        other => {
            let message = format!("Input should be 'auto', 'any', 'tool' or 'none', not {other:?}");
            return Err(choice.path.field("type").invalid(message));
        }
    });
    let alone: Option<bool> = choice.optional("disable_parallel_tool_use", "a valid boolean")?;
    request.parallel_tool_calls = alone.map(|alone| !alone);
    choice.leave(&["type", "name", "disable_parallel_tool_use"], &mut request.extras);
    Ok(())
}

fn output_config(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    if let Some(raw) = fields.members.present("output_config") {
        let config = Fields::of(raw, fields.path.field("output_config"))?;
        request.reasoning = config.text("effort")?.map(Reasoning::Effort);
        format(&config, "format", request)?;
        config.leave(&["effort", "format"], &mut request.extras);
    }
    // The name it had while it was a beta.
    match fields.members.present("output_format") {
        Some(raw) if request.format.is_some() => {
            request.extras.push(extra(&fields.path.field("output_format"), raw));
            Ok(())
        }
        _ => format(fields, "output_format", request),
    }
}

fn format(fields: &Fields<'_, '_>, name: &str, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(raw) = fields.members.present(name) else { return Ok(()) };
    let format = Fields::of(raw, fields.path.field(name))?;
    if format.required_text("type")? != "json_schema" {
        return Err(format.path.field("type").invalid("Input should be 'json_schema'"));
    }
    let schema: &RawValue = format.required("schema", "an object")?;
    format.leave(&["type", "schema"], &mut request.extras);
    // OpenAI wants a name; this dialect's formats are always enforced.
    request.format = Some(Format::JsonSchema {
        name: "response".to_owned(),
        description: None,
        schema: schema.to_owned(),
        strict: Some(true),
    });
    Ok(())
}

/// `thinking` after `output_config`: an effort word says more to other providers than a budget does.
fn thinking(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(raw) = fields.members.present("thinking") else { return Ok(()) };
    let place = fields.path.field("thinking");
    let thinking = Fields::of(raw, place)?;
    let effort = request.reasoning.take();
    request.reasoning = match thinking.required_text("type")?.as_str() {
        "adaptive" => effort.or(Some(Reasoning::Adaptive)),
        "enabled" => {
            let budget: u64 = thinking.required("budget_tokens", "a valid integer")?;
            if effort.is_some() {
                if let Some(raw) = thinking.members.raw("budget_tokens") {
                    request.extras.push(hint(&place.field("budget_tokens"), raw));
                }
            }
            effort.or(Some(Reasoning::Budget(budget)))
        }
        "disabled" => {
            // Without thinking the effort only bounds how much is written.
            if let (Some(_), Some(raw)) = (&effort, fields.members.raw("output_config")) {
                let config = Fields::of(raw, fields.path.field("output_config"))?;
                let effort = config.members.raw("effort").unwrap_or(raw);
                request.extras.push(hint(&config.path.field("effort"), effort));
            }
            Some(Reasoning::Disabled)
        }
        _ => {
            request.extras.push(extra(&place, raw));
            request.reasoning = effort;
            return Ok(());
        }
    };
    thinking.leave(&["type", "budget_tokens"], &mut request.extras);
    Ok(())
}

fn metadata(fields: &Fields<'_, '_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(raw) = fields.members.present("metadata") else { return Ok(()) };
    let metadata = Fields::of(raw, fields.path.field("metadata"))?;
    request.user = metadata.text("user_id")?;
    metadata.leave(&["user_id"], &mut request.extras);
    Ok(())
}

/// Top-level members without a place in the hub.
fn leftovers(fields: &Fields<'_, '_>, extras: &mut Vec<Extra>) {
    const KNOWN: [&str; 15] = [
        "model",
        "stream",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "system",
        "messages",
        "tools",
        "tool_choice",
        "output_config",
        "output_format",
        "thinking",
        "metadata",
    ];
    fields.leave(&KNOWN, extras);
}
