//! A Gemini client's request → canonical (`wire.md` §2.5).

use serde_json::value::RawValue;

use super::contents::Reader;
use super::{locate, wanted_format, Wanted};
use crate::dialect::canonical::{ChatRequest, Extra, Format, Reasoning, Role, SignedTurn, Tool, ToolChoice, Turn};
use crate::dialect::gemini::schema::to_json_schema;
use crate::dialect::gemini::types::{
    FunctionCalling, GenerationConfig, Int, Number, Request, Rest, System, Text, Thinking, Tool as WireTool,
};
use crate::dialect::{fields, Dialect};
use crate::error::GatewayError;
use crate::sorted;

/// Reads a request. The model is empty and a stream is not wanted: both stand in the path.
///
/// # Errors
/// The caller's, naming the field.
pub fn decode(body: &[u8]) -> Result<ChatRequest, GatewayError> {
    let wire: Request<'_> = locate::body(body)?;
    let mut request = ChatRequest { origin: Some(Dialect::Gemini), include_usage: true, ..ChatRequest::default() };
    let mut reader = Reader::default();
    if let Some(System(system)) = wire.system {
        add_extras("systemInstruction.", system.rest, &mut reader.extras)?;
        let parts = system.parts.map(|parts| parts.0).unwrap_or_default();
        let parts = reader.parts(parts, "systemInstruction", Role::System)?;
        request.turns.extend(parts.into_iter().map(|(_, parts)| Turn { role: Role::System, parts }));
    }
    let contents = wire.contents.map(|contents| contents.0).unwrap_or_default();
    if contents.is_empty() {
        return Err(GatewayError::invalid("contents", "contents is not specified"));
    }
    for (at, content) in contents.into_iter().enumerate() {
        add_extras(&format!("contents[{at}]."), content.rest, &mut reader.extras)?;
        let role = if locate::is_model(content.role.as_deref(), at)? { Role::Assistant } else { Role::User };
        let parts = content.parts.map(|parts| parts.0).unwrap_or_default();
        let turns = reader.parts(parts, &format!("contents[{at}]"), role)?;
        if let Some(by) = reader.made_by.take() {
            request.signed_turns.push(SignedTurn { turn: request.turns.len(), by });
        }
        request.turns.extend(turns.into_iter().map(|(role, parts)| Turn { role, parts }));
    }
    request.extras = reader.extras;
    for (at, tool) in wire.tools.map(|tools| tools.0).unwrap_or_default().into_iter().enumerate() {
        read_tool(tool, at, &mut request)?;
    }
    if let Some(config) = wire.tool_config {
        add_extras("toolConfig.", config.rest, &mut request.extras)?;
        if let Some(calling) = config.calling {
            read_calling(calling, &mut request)?;
        }
    }
    if let Some(config) = wire.generation_config {
        read_config(config, &mut request)?;
    }
    once(&wire.rest, "")?;
    for (name, value) in wire.rest {
        // Some clients repeat the path's model.
        match (name.as_ref(), crate::json::from_str::<Text<'_>>(value.get())) {
            ("model", Ok(model)) => request.model = model.trim_start_matches("models/").to_owned(),
            _ => request.extras.push(extra(&name, value.to_owned())),
        }
    }
    if request.turns.iter().all(|turn| turn.role == Role::System || turn.parts.is_empty()) {
        return Err(GatewayError::invalid("contents", "contents must hold a part that says something"));
    }
    Ok(request)
}

fn read_tool(tool: WireTool<'_>, at: usize, request: &mut ChatRequest) -> Result<(), GatewayError> {
    for (function_at, function) in tool.functions.map(|list| list.0).unwrap_or_default().into_iter().enumerate() {
        let path = format!("tools[{at}].functionDeclarations[{function_at}]");
        let Some(name) = function.name else {
            return Err(GatewayError::invalid(format!("{path}.name"), "a function declaration needs a name"));
        };
        let parameters =
            function.json_schema.map(ToOwned::to_owned).or_else(|| function.parameters.map(to_json_schema));
        add_extras(&format!("{path}."), function.rest, &mut request.extras)?;
        request.tools.push(Tool {
            name: name.to_string(),
            description: function.description.map(|text| text.to_string()).filter(|text| !text.is_empty()),
            parameters,
            strict: None,
        });
    }
    add_extras(&format!("tools[{at}]."), tool.rest, &mut request.extras)?;
    Ok(())
}

fn read_calling(calling: FunctionCalling<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    const PATH: &str = "toolConfig.functionCallingConfig.";
    let allowed: Vec<Text<'_>> = calling.allowed.map(|list| list.0).unwrap_or_default();
    let mode = calling.mode.as_deref().unwrap_or_default().to_ascii_uppercase();
    request.tool_choice = match (mode.as_str(), allowed.as_slice()) {
        ("ANY", [only]) => Some(ToolChoice::Named(only.to_string())),
        ("ANY", _) => Some(ToolChoice::Required),
        ("NONE", _) => Some(ToolChoice::None),
        ("AUTO" | "VALIDATED", _) => Some(ToolChoice::Auto),
        ("" | "MODE_UNSPECIFIED", _) => None,
        _ => {
            let path = format!("{PATH}mode");
            let message = format!("{path} must be AUTO, ANY, NONE or VALIDATED");
            return Err(GatewayError::invalid(path, message));
        }
    };
    if mode == "VALIDATED" {
        for tool in &mut request.tools {
            tool.strict = Some(true);
        }
    }
    // Names belong to ANY and VALIDATED (`FunctionCallingConfig` of Google's SDK): there one under ANY is a named choice and
    // all names are no restriction. Where nothing may be called they change nothing; what else they may mean has no word.
    let declared = |name: &Text<'_>| request.tools.iter().any(|tool| **name == *tool.name);
    let every = allowed.iter().all(declared)
        && request.tools.iter().all(|tool| allowed.iter().any(|name| **name == *tool.name));
    let said = match mode.as_str() {
        "ANY" => every || allowed.len() == 1,
        "VALIDATED" => every,
        mode => mode == "NONE",
    };
    if !said && !allowed.is_empty() {
        let names: Vec<&str> = allowed.iter().map(|name| &**name).collect();
        let value = serde_json::value::to_raw_value(&names).ok();
        request.extras.extend(value.map(|value| extra(&format!("{PATH}allowedFunctionNames"), value)));
    }
    add_extras(PATH, calling.rest, &mut request.extras)
}

fn read_config(config: GenerationConfig<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    request.format = match wanted_format(&config) {
        Some(Wanted::Object) => Some(Format::JsonObject),
        Some(Wanted::Schema(schema, openapi)) => Some(Format::JsonSchema {
            name: "response".to_owned(),
            description: None,
            schema: if openapi { to_json_schema(schema) } else { schema.to_owned() },
            strict: None,
        }),
        None => None,
    };
    if let Some(mime) = config.mime.filter(|mime| !is_plain_or_json(mime)) {
        let value = serde_json::value::to_raw_value(&*mime).ok();
        request.extras.extend(value.map(|value| extra("generationConfig.responseMimeType", value)));
    }
    for (at, format) in config.format.map(|list| list.0).unwrap_or_default().into_iter().enumerate() {
        let path = format!("generationConfig.responseFormat[{at}].");
        add_extras(&path, format.rest, &mut request.extras)?;
        if let Some(text) = format.text {
            add_extras(&format!("{path}text."), text.rest, &mut request.extras)?;
        }
    }
    let count = |number: Option<Int>, name: &str| whole(number, 0, name).map(|number| number.map(i64::unsigned_abs));
    request.max_output_tokens = count(config.max_output_tokens, "maxOutputTokens")?;
    request.n = count(config.candidate_count, "candidateCount")?;
    // Google declares top-k as an integer and its SDKs send a float.
    let top_k = config.top_k.map(|top_k| Int(top_k.whole().unwrap_or(i64::MAX)));
    request.top_k = count(top_k, "topK")?;
    let number = |number: Option<Number>| number.map(|Number(number)| number);
    request.temperature = number(config.temperature);
    request.top_p = number(config.top_p);
    request.presence_penalty = number(config.presence_penalty);
    request.frequency_penalty = number(config.frequency_penalty);
    request.stop = config.stop.map(|list| list.0).unwrap_or_default().iter().map(ToString::to_string).collect();
    request.seed = whole(config.seed, i64::MIN, "seed")?;
    let logprobs = count(config.logprobs, "logprobs")?.filter(|alternatives| *alternatives > 0);
    if config.response_logprobs == Some(true) {
        request.logprobs = Some(logprobs.unwrap_or(0));
    } else if logprobs.is_some() {
        let path = "generationConfig.logprobs";
        return Err(GatewayError::invalid(path, format!("{path} needs generationConfig.responseLogprobs to be true")));
    }
    if let Some(thinking) = config.thinking {
        read_thinking(thinking, request)?;
    }
    add_extras("generationConfig.", config.rest, &mut request.extras)
}

/// A whole number of at least `least`, as it was written: of one at the end of what 64 bits hold that is not known.
fn whole(number: Option<Int>, least: i64, name: &str) -> Result<Option<i64>, GatewayError> {
    match number {
        None => Ok(None),
        Some(Int(number)) if number >= least && !matches!(number, i64::MIN | i64::MAX) => Ok(Some(number)),
        Some(_) => {
            let path = format!("generationConfig.{name}");
            let from = if least == i64::MIN { String::new() } else { format!(" of at least {least}") };
            let message = format!("{path} must be a whole number{from} that 64 bits can hold");
            Err(GatewayError::invalid(path, message))
        }
    }
}

fn is_plain_or_json(mime: &str) -> bool {
    ["", "text/plain", "application/json"].iter().any(|known| mime.eq_ignore_ascii_case(known))
}

fn read_thinking(thinking: Thinking<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let level = thinking.level.map(|level| level.to_ascii_lowercase());
    // −1 leaves it to the model.
    request.reasoning = match (level, whole(thinking.budget, -1, "thinkingConfig.thinkingBudget")?) {
        (Some(level), _) if level != "thinking_level_unspecified" => Some(Reasoning::Effort(level)),
        (_, Some(0)) => Some(Reasoning::Disabled),
        (_, Some(tokens)) => Some(u64::try_from(tokens).map_or(Reasoning::Adaptive, Reasoning::Budget)),
        _ => None,
    };
    if let Some(include) = thinking.include {
        if let Ok(value) = serde_json::value::to_raw_value(&include) {
            request.extras.push(extra("generationConfig.thinkingConfig.includeThoughts", value));
        }
    }
    add_extras("generationConfig.thinkingConfig.", thinking.rest, &mut request.extras)
}

/// Keeps members that the hub has no word for.
///
/// # Errors
/// The caller's: see [`once`].
pub(super) fn add_extras(path: &str, rest: Rest<'_>, extras: &mut Vec<Extra>) -> Result<(), GatewayError> {
    once(&rest, path)?;
    extras.extend(rest.into_iter().map(|(name, value)| extra(&format!("{path}{name}"), value.to_owned())));
    Ok(())
}

/// Checks that no member stands twice, in one of Google's two spellings or in both: only one of the values would count.
///
/// # Errors
/// The caller's.
pub(super) fn once(rest: &Rest<'_>, path: &str) -> Result<(), GatewayError> {
    if rest.len() < 2 {
        return Ok(());
    }
    let mut names: Vec<String> = rest.iter().map(|(name, _)| fields::camel(name)).collect();
    sorted::sort_by(&mut names, |one, other| one.cmp(other));
    match names.iter().zip(names.iter().skip(1)).find(|(one, other)| one == other) {
        None => Ok(()),
        Some((name, _)) => Err(GatewayError::invalid(format!("{path}{name}"), format!("{path}{name} stands twice"))),
    }
}

/// A member that the hub has no word for.
pub(super) fn extra(field: &str, value: Box<RawValue>) -> Extra {
    fields::extra(Dialect::Gemini, field, value)
}
