//! Canonical → a server's body (`wire.md` §2.2). What this dialect cannot say is left out and stands in the losses; a
//! member at its default is left out without a word, because leaving it out says the same.

use super::turns;
use crate::dialect::canonical::{ChatRequest, Extra, Format, Tool, ToolChoice};
use crate::dialect::names::{wants_no_answer, NO_ANSWER};
use crate::dialect::openai_chat::profile::{self, Profile};
use crate::dialect::openai_chat::request::names::{self, Report};
use crate::dialect::openai_chat::request::{loose, schema_name, strictness, tell_loose_tools, thinking};
use crate::dialect::openai_chat::write::Object;
use crate::dialect::{custom, family, fields, Dialect, Encoded, Target};
use crate::json::write_quoted;

/// Writes a request for a target.
#[must_use]
pub fn encode(request: &ChatRequest, target: &Target<'_>) -> Encoded {
    // OpenAI and Azure; others speak this dialect without OpenAI's own members.
    let own = profile::of(target.provider).takes("store");
    let mut report = Report::new(request, target.provider);
    let mut body = Vec::with_capacity(4096);
    let mut out = Object::begin(&mut body);
    out.text("model", target.model);
    turns::write(out.key("input"), request, target, own, &mut report);
    bounds(&mut out, request, own, &mut report);
    let logprobs = sampling(&mut out, request, target, &mut report);
    if let Some(effort) = thinking::effort(request, target.traits, &mut report) {
        out.object("reasoning", |reasoning| reasoning.text("effort", effort));
    }
    // What was thought comes back encrypted by default at OpenAI (the SDK's `ResponseReasoningItem`), on request elsewhere;
    // a model that does not think refuses the request for it.
    let thinks = family::of(target.provider, target.model).thinking == family::Thinking::Effort;
    let beside = [(logprobs, "message.output_text.logprobs"), (thinks, "reasoning.encrypted_content")];
    let beside: Vec<&str> = beside.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name).collect();
    if !beside.is_empty() {
        out.list("include", beside, write_quoted);
    }
    tools(&mut out, request, target, &mut report);
    text(&mut out, request, target, own, &mut report);
    if let Some(user) = &request.user {
        out.text(if own { "safety_identifier" } else { "user" }, user);
    }
    // Kept by default, where every other dialect forgets (`wire.md` §2.2).
    out.flag("store", own && asks_to_store(request));
    if request.stream {
        out.flag("stream", true);
    }
    for extra in &request.extras {
        write_extra(&mut out, extra, request, target, own, &mut report);
    }
    out.end();
    Encoded { body, losses: report.into_losses() }
}

fn asks_to_store(request: &ChatRequest) -> bool {
    speaks_openai(request) && request.extras.iter().any(|extra| extra.field == "store" && extra.value.get() == "true")
}

fn speaks_openai(request: &ChatRequest) -> bool {
    matches!(request.origin, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses))
}

/// The least bound that OpenAI takes here ("expected a value >= 16"; unverified, known from its error text).
const LEAST_OUTPUT: u64 = 16;

fn bounds(out: &mut Object<'_>, request: &ChatRequest, own: bool, report: &mut Report<'_>) {
    if wants_no_answer(request, Dialect::OpenAiResponses) {
        report.unsupported(names::BOUND, NO_ANSWER);
    } else if let Some(most) = request.max_output_tokens {
        let sent = if own { most.max(LEAST_OUTPUT) } else { most };
        if sent != most {
            report.converted(names::MAX_TOKENS, "raised to 16, the least that Responses takes");
        }
        out.number("max_output_tokens", sent);
    }
    if !request.stop.is_empty() {
        report.unsupported(names::STOP, "Responses has no stop sequences");
    }
    if request.n.is_some_and(|n| n != 1) {
        report.unsupported(names::CHOICES, "Responses gives one answer per call");
    }
}

/// Writes what bends the drawing of tokens; whether log probabilities are wanted, which have to be included.
fn sampling(out: &mut Object<'_>, request: &ChatRequest, target: &Target<'_>, report: &mut Report<'_>) -> bool {
    let rests = thinking::is_off(request) == Some(true);
    let accepts = target.traits.sampling || (target.traits.sampling_at_rest && rests);
    for (name, field, value) in
        [("temperature", names::TEMPERATURE, request.temperature), ("top_p", names::TOP_P, request.top_p)]
    {
        match value {
            Some(value) if accepts => out.fraction(name, value),
            Some(value) if value != 1.0 => report.unsupported(field, "the model takes no sampling parameters"),
            _ => {}
        }
    }
    let absent = [
        (names::TOP_K, request.top_k.is_some()),
        (names::SEED, request.seed.is_some()),
        (names::FREQUENCY_PENALTY, request.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        (names::PRESENCE_PENALTY, request.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
    ];
    for (field, _) in absent.into_iter().filter(|(_, asked)| *asked) {
        report.unsupported(field, "Responses has no such member");
    }
    match request.logprobs {
        Some(top) if accepts && target.traits.logprobs => {
            if top > 0 {
                out.number("top_logprobs", top);
            }
            return true;
        }
        Some(_) => report.unsupported(names::LOGPROBS, "the model gives no log probabilities"),
        None => {}
    }
    false
}

fn tools(out: &mut Object<'_>, request: &ChatRequest, target: &Target<'_>, report: &mut Report<'_>) {
    let custom: Vec<&Extra> = request.extras.iter().filter(|extra| is_custom_tool(extra, target)).collect();
    if request.tools.is_empty() && custom.is_empty() {
        // Without tools, `auto` and `none` say nothing.
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            report.unsupported(names::TOOL_CHOICE, "a call is asked for and no tool is declared");
        }
        return;
    }
    if !target.traits.tools {
        return report.unsupported(names::TOOLS, "the model takes no tools");
    }
    let profile = profile::of(target.provider);
    tell_loose_tools(request, profile, report);
    let all = request.tools.iter().map(Ok).chain(custom.into_iter().map(Err));
    out.list("tools", all, |body, tool| match tool {
        Ok(tool) => write_tool(body, tool, profile),
        Err(extra) => body.extend_from_slice(&custom::flat(&extra.value)),
    });
    if let Some(choice) = request.extras.iter().find(|extra| is_custom_choice(extra, target)) {
        out.key("tool_choice").extend_from_slice(&custom::flat(&choice.value));
    }
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !target.traits.forced_tools => {
            report.unsupported(names::TOOL_CHOICE, "the model cannot be made to call");
        }
        Some(ToolChoice::Auto) => out.text("tool_choice", "auto"),
        Some(ToolChoice::None) => out.text("tool_choice", "none"),
        Some(ToolChoice::Required) => out.text("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => out.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.text("name", name);
        }),
        None => {}
    }
    if let Some(parallel) = request.parallel_tool_calls {
        out.flag("parallel_tool_calls", parallel);
    }
}

/// Whether an extra declares a custom tool that a target takes: those are OpenAI's own.
fn is_custom_tool(extra: &Extra, target: &Target<'_>) -> bool {
    custom::is_tool(extra) && target.traits.tools && custom::known_to(target.provider)
}

fn is_custom_choice(extra: &Extra, target: &Target<'_>) -> bool {
    custom::is_choice(extra) && target.traits.tools && custom::known_to(target.provider)
}

/// `strict` is always said: left out, the server may make a function strict that nobody asked to be (`wire.md` §1.2).
fn write_tool(body: &mut Vec<u8>, tool: &Tool, profile: &Profile) {
    let mut out = Object::begin(body);
    out.text("type", "function");
    out.text("name", &tool.name);
    if let Some(description) = &tool.description {
        out.text("description", description);
    }
    out.raw("parameters", tool.parameters.as_ref().map_or(r#"{"type":"object","properties":{}}"#, |raw| raw.get()));
    out.flag("strict", tool.strict.unwrap_or(false) && loose(tool, profile).is_none());
    out.end();
}

/// `text`: the form of the answer and, from OpenAI's own callers, its length.
fn text(out: &mut Object<'_>, request: &ChatRequest, target: &Target<'_>, own: bool, report: &mut Report<'_>) {
    let format = match &request.format {
        Some(Format::JsonObject) if !target.traits.json_object => {
            report.unsupported(names::FORMAT, "the model has no JSON mode");
            None
        }
        Some(Format::JsonSchema { .. }) if !target.traits.json_schema => {
            report.unsupported(names::FORMAT, "no answers by JSON schema");
            None
        }
        other => other.as_ref(),
    };
    let verbosity = request.extras.iter().find(|extra| is_verbosity(extra, request, own));
    if format.is_none() && verbosity.is_none() {
        return;
    }
    let strict = match format {
        Some(Format::JsonSchema { schema, strict, .. }) => {
            strictness(*strict, schema, request, profile::of(target.provider), report)
        }
        _ => None,
    };
    out.object("text", |text| {
        if let Some(format) = format {
            text.object("format", |out| write_format(out, format, strict));
        }
        if let Some(verbosity) = verbosity {
            text.raw("verbosity", verbosity.value.get());
        }
    });
}

fn write_format(out: &mut Object<'_>, format: &Format, strict: Option<bool>) {
    match format {
        Format::JsonObject => out.text("type", "json_object"),
        Format::JsonSchema { name, description, schema, .. } => {
            out.text("type", "json_schema");
            out.text("name", &schema_name(name));
            if let Some(description) = description {
                out.text("description", description);
            }
            out.raw("schema", schema.get());
            if let Some(strict) = strict {
                out.flag("strict", strict);
            }
        }
    }
}

fn is_verbosity(extra: &Extra, request: &ChatRequest, own: bool) -> bool {
    own && speaks_openai(request) && matches!(extra.field.as_str(), "verbosity" | "text.verbosity")
}

/// Members that both of OpenAI's dialects have under one name.
const SHARED: &[&str] = &[
    "metadata",
    "moderation",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
];

fn write_extra(
    out: &mut Object<'_>,
    extra: &Extra,
    request: &ChatRequest,
    target: &Target<'_>,
    own: bool,
    report: &mut Report<'_>,
) {
    let field = extra.field.as_str();
    // Two ids of one end user: the other one is written above.
    let taken = field == "safety_identifier" && request.user.is_some();
    let written = is_verbosity(extra, request, own)
        || (own && field == "store" && speaks_openai(request))
        || is_custom_tool(extra, target)
        || is_custom_choice(extra, target);
    if own && speaks_openai(request) && SHARED.contains(&field) && !taken {
        out.raw(field, extra.value.get());
    } else if !extra.is_default && !written {
        if let Some(loss) = fields::loss(request.origin, extra, Dialect::OpenAiResponses, report.provider()) {
            report.add(loss);
        }
    }
}
