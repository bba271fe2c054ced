//! Tools and generation settings for a Gemini model.

use super::media;
use super::passed::{level_of, Passed};
use crate::dialect::canonical::{ChatRequest, Disposition, Format, Loss, Media, Part, Reasoning, Tool, ToolChoice};
use crate::dialect::gemini::model::{Control, Model};
use crate::dialect::gemini::schema;
use crate::dialect::gemini::write::Json;
use crate::dialect::names::{wants_no_answer, EFFORT, FIRST_CALL, NO_ANSWER};
use crate::dialect::{Dialect, Target};

/// Most stop sequences.
const MAX_STOPS: usize = 5;
/// What the name of a format is where the caller's dialect has none: not the caller's, so not reported.
const NO_NAME: &str = "response";
/// Most candidates.
const MAX_CANDIDATES: u64 = 8;

/// Writes `tools` and `toolConfig`.
pub fn write_tools(
    request: &ChatRequest,
    target: &Target<'_>,
    model: Model,
    passed: &Passed<'_>,
    wire: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    let declared: Vec<(usize, &Tool)> =
        request.tools.iter().enumerate().filter(|(at, tool)| may_declare(tool, *at, target, losses)).collect();
    let functions = !declared.is_empty();
    // `NONE` does not stop tools that run at Google: they are not offered at all.
    let mut server_tools = passed.server_tools.as_slice();
    if request.tool_choice == Some(ToolChoice::None) {
        server_tools = &[];
    }
    if functions && !server_tools.is_empty() && !model.mixes() {
        losses.push(Loss::unsupported("tools", "this model takes functions or Google's tools, not both"));
        server_tools = &[];
    }
    if functions || !server_tools.is_empty() {
        let mut list = wire.array_in("tools");
        if functions {
            let mut tool = list.object_item();
            let mut declarations = tool.array_in("functionDeclarations");
            for (at, function) in &declared {
                write_function(function, *at, &mut declarations.object_item(), losses);
            }
        }
        for (name, value) in server_tools {
            list.object_item().raw(name, value);
        }
    }
    let offer = Offer { functions, mixed: functions && !server_tools.is_empty() };
    write_calling(request, target, passed, offer, wire, losses);
    if functions && request.parallel_tool_calls == Some(false) {
        losses.push(Loss::converted("parallel_tool_calls", FIRST_CALL));
    }
}

/// Whether a function can be declared; reported where it cannot.
fn may_declare(function: &Tool, at: usize, target: &Target<'_>, losses: &mut Vec<Loss>) -> bool {
    if !target.traits.tools {
        losses.push(Loss::unsupported(format!("tools[{at}]"), "this model calls no functions"));
        return false;
    }
    let starts = function.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    if !starts || function.name.len() > 128 || !function.name.chars().all(legal) {
        let reason = "Gemini's names begin with a letter or _ and have 128 letters, digits, _ . : - at most";
        losses.push(Loss::unsupported(format!("tools[{at}].function.name"), reason));
        return false;
    }
    true
}

fn write_function(function: &Tool, at: usize, wire: &mut Json<'_>, losses: &mut Vec<Loss>) {
    wire.text("name", &function.name);
    if let Some(description) = &function.description {
        wire.text("description", description);
    }
    if let Some(parameters) = &function.parameters {
        let schema = schema::arguments(parameters, &format!("tools[{at}].function.parameters"), losses);
        wire.raw("parametersJsonSchema", &schema);
    }
}

/// Which tools the request offers.
struct Offer {
    functions: bool,
    /// Functions beside tools that run at Google.
    mixed: bool,
}

fn write_calling(
    request: &ChatRequest,
    target: &Target<'_>,
    passed: &Passed<'_>,
    Offer { functions, mixed }: Offer,
    wire: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)))
        || passed.allowed.as_ref().is_some_and(|(_, must)| *must);
    if forced && !functions {
        losses.push(Loss::unsupported("tool_choice", "a call is forced and no function is declared"));
    }
    let obeys = !forced || target.traits.forced_tools;
    if functions && !obeys {
        losses.push(Loss::unsupported("tool_choice", "this model cannot be made to call a function"));
    }
    let strict = request.tools.iter().position(|tool| tool.strict == Some(true));
    let mut names: Vec<&str> = Vec::new();
    let mut mode = match &request.tool_choice {
        Some(ToolChoice::Auto) => Some("AUTO"),
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("ANY"),
        Some(ToolChoice::Named(name)) => {
            names.push(name);
            Some("ANY")
        }
        None => None,
    };
    if let Some((allowed, must)) = &passed.allowed {
        names = allowed.iter().map(String::as_str).collect();
        mode = Some(if *must { "ANY" } else { "VALIDATED" });
    }
    let free = matches!(mode, None | Some("AUTO"));
    if let Some(at) = strict.filter(|_| functions && mode != Some("NONE")) {
        // ANY holds calls to their schemas already.
        mode = if free { Some("VALIDATED") } else { mode };
        let reason = format!("sent as the mode {}, which holds for every function", mode.unwrap_or_default());
        losses.push(Loss::converted(format!("tools[{at}].function.strict"), reason));
    } else if mixed && free {
        mode = Some("VALIDATED");
        losses.push(Loss::converted("tool_choice", "beside Google's tools functions need the mode VALIDATED"));
    }
    let mode = mode.filter(|_| functions && obeys);
    if mode.is_none() && passed.tool_config.is_empty() && !mixed {
        return;
    }
    let mut config = wire.object_in("toolConfig");
    if let Some(mode) = mode {
        let mut calling = config.object_in("functionCallingConfig");
        calling.text("mode", mode);
        if !names.is_empty() {
            calling.value("allowedFunctionNames", &names);
        }
    }
    const MIXED: &str = "includeServerSideToolInvocations";
    for (name, value) in passed.tool_config.iter().filter(|(name, _)| !mixed || *name != MIXED) {
        config.raw(name, value);
    }
    if mixed {
        config.value(MIXED, true);
    }
}

/// Writes `generationConfig`, unless it is empty.
pub fn write_config(
    request: &ChatRequest,
    target: &Target<'_>,
    model: Model,
    passed: &Passed<'_>,
    wire: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    let mut out = Vec::new();
    {
        let mut config = Json::object(&mut out);
        write_sampling(request, target, model, &mut config, losses);
        write_format(request, target, model, &mut config, losses);
        write_thinking(request, target, model, passed, &mut config, losses);
        let all = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(media_of);
        media::write_resolution(all, &mut config, losses);
        for (name, value) in &passed.config {
            config.raw(name, value);
        }
    }
    if out != b"{}" {
        wire.member("generationConfig").extend_from_slice(&out);
    }
}

fn media_of(part: &Part) -> Option<&Media> {
    match part {
        Part::Image(media) => Some(media),
        _ => None,
    }
}

fn write_sampling(
    request: &ChatRequest,
    target: &Target<'_>,
    model: Model,
    config: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    if wants_no_answer(request, Dialect::Gemini) {
        losses.push(Loss::unsupported("max_tokens", NO_ANSWER));
    } else if let Some(bound) = request.max_output_tokens {
        config.value("maxOutputTokens", bound);
    }
    let mut refuse = |field: &str, reason: &str| losses.push(Loss::unsupported(field, reason));
    for (field, name, value) in [("temperature", "temperature", request.temperature), ("top_p", "topP", request.top_p)]
    {
        match value {
            Some(value) if target.traits.sampling => config.value(name, value),
            // At 1 neither does anything.
            Some(value) if (value - 1.0).abs() > f64::EPSILON => {
                refuse(field, "this model takes no sampling parameters")
            }
            _ => {}
        }
    }
    match request.top_k {
        Some(top_k) if target.traits.sampling => config.value("topK", top_k),
        Some(_) => refuse("top_k", "this model takes no sampling parameters"),
        None => {}
    }
    if request.stop.len() > MAX_STOPS {
        refuse("stop", "Gemini takes five stop sequences at most");
    } else if !request.stop.is_empty() {
        config.value("stopSequences", &request.stop);
    }
    match request.n {
        None | Some(1) => {}
        Some(n @ 2..=MAX_CANDIDATES) => config.value("candidateCount", n),
        Some(_) => refuse("n", "Gemini gives one to eight candidates"),
    }
    for (field, name, value) in [
        ("presence_penalty", "presencePenalty", request.presence_penalty),
        ("frequency_penalty", "frequencyPenalty", request.frequency_penalty),
    ] {
        match value {
            Some(value) if value != 0.0 && !model.takes_penalties() => refuse(field, "this model takes no penalties"),
            Some(value) if value != 0.0 => config.value(name, value),
            _ => {}
        }
    }
    if let Some(seed) = request.seed {
        match i32::try_from(seed) {
            Ok(seed) => config.value("seed", seed),
            Err(_) => {
                config.value("seed", seed & i64::from(i32::MAX));
                losses.push(Loss::converted("seed", "Gemini's seeds have 32 bits: the lower 31 are sent"));
            }
        }
    }
    if let Some(top) = request.logprobs {
        config.value("responseLogprobs", true);
        if top > 0 {
            config.value("logprobs", top);
        }
        losses
            .push(Loss::converted("logprobs", "Google gives log probabilities without bytes, and to some models only"));
    }
}

fn write_format(
    request: &ChatRequest,
    target: &Target<'_>,
    model: Model,
    config: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    const FIELD: &str = "response_format";
    let Some(format) = &request.format else { return };
    if !model.mixes() && !request.tools.is_empty() {
        losses.push(Loss::unsupported(FIELD, "this model answers in JSON or calls functions, not both"));
        return;
    }
    match format {
        Format::JsonObject if !target.traits.json_object => {
            losses.push(Loss::unsupported(FIELD, "this model has no JSON mode"));
        }
        Format::JsonSchema { .. } if !target.traits.json_schema => {
            losses.push(Loss::unsupported(FIELD, "this model does not follow schemas"));
        }
        Format::JsonObject => config.text("responseMimeType", "application/json"),
        Format::JsonSchema { name, description, schema, .. } => {
            config.text("responseMimeType", "application/json");
            let before = losses.len();
            let mut written = schema::subset(schema, "response_format.json_schema.schema", losses);
            if losses.iter().skip(before).any(|loss| loss.disposition == Disposition::Unsupported) {
                return;
            }
            for (label, keyword, text) in
                [("name", "title", Some(name)), ("description", "description", description.as_ref())]
            {
                let Some(text) = text.filter(|text| !text.is_empty()) else { continue };
                let field = format!("response_format.json_schema.{label}");
                let sent = schema::label(&mut written, keyword, text);
                if text == NO_NAME {
                    continue;
                }
                losses.push(if sent {
                    Loss::converted(field, format!("sent as the schema's {keyword}"))
                } else {
                    Loss::advisory(field, format!("the schema has a {keyword} of its own"))
                });
            }
            config.raw("responseJsonSchema", &written);
        }
    }
}

fn write_thinking(
    request: &ChatRequest,
    target: &Target<'_>,
    model: Model,
    passed: &Passed<'_>,
    config: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    let off = match &request.reasoning {
        Some(Reasoning::Disabled | Reasoning::Budget(0)) => true,
        Some(Reasoning::Effort(word)) => word == "none",
        _ => false,
    };
    let control = match &request.reasoning {
        None => Ok((Control::Default, None)),
        Some(_) if off && target.traits.always_reasons => Err("this model always thinks".to_owned()),
        Some(_) if off && !target.traits.reasoning => Ok((Control::Default, None)),
        Some(_) if !target.traits.reasoning => Err("this model does not think".to_owned()),
        Some(wish) => model.thinking(wish),
    };
    let control = match control {
        Ok((control, change)) => {
            losses.extend(change.map(|change| Loss::converted(EFFORT, change)));
            control
        }
        Err(reason) => {
            losses.push(Loss::unsupported(EFFORT, reason));
            return;
        }
    };
    let given = passed.thinking.as_ref();
    // Whoever asks for thinking gets to see it, as far as the caller's dialect has a place for it.
    let wished = request.reasoning.is_some() && !off;
    let include = passed.include_thoughts.or(given.and_then(|thinking| thinking.include)).unwrap_or(wished);
    if control == Control::Default && given.is_none() && !include {
        return;
    }
    let mut thinking = config.object_in("thinkingConfig");
    match (control, given) {
        (Control::Level(level), _) => thinking.text("thinkingLevel", level),
        (Control::Budget(budget), _) => thinking.value("thinkingBudget", budget),
        (Control::Default, Some(given)) => {
            if let Some(budget) = given.budget {
                thinking.value("thinkingBudget", budget.0);
            }
            if let Some(level) = level_of(given) {
                thinking.text("thinkingLevel", level);
            }
        }
        (Control::Default, None) => {}
    }
    if include {
        thinking.value("includeThoughts", true);
    }
}
