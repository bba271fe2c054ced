//! Canonical → a server's body. What the server cannot say is left out and stands in the losses; a member at its default
//! is left out without a word, because leaving it out says the same.

use serde_json::value::RawValue;

use super::super::media;
use super::super::profile::{self, Profile, SchemaSubset};
use super::super::write::Object;
use super::names::{self, Report};
use super::thinking::{self, thinking};
use super::turns;
use crate::dialect::canonical::{ChatRequest, Extra, Format, Tool, ToolChoice};
use crate::dialect::names::{wants_no_answer, FIRST_CALL, NO_ANSWER};
use crate::dialect::schema::beyond_openai_strict;
use crate::dialect::{custom, family, fields, Dialect, Encoded, Target};

/// Writes a request for a target.
#[must_use]
pub fn encode(request: &ChatRequest, target: &Target<'_>) -> Encoded {
    write(request, target, false)
}

/// The same with tools that the target does not know, and their calls: what a caller of this dialect has written is the
/// provider's to judge.
#[must_use]
pub fn encode_keeping(request: &ChatRequest, target: &Target<'_>) -> Encoded {
    write(request, target, true)
}

fn write(request: &ChatRequest, target: &Target<'_>, keeps: bool) -> Encoded {
    let profile = profile::of(target.provider);
    let traits = target.traits.within(&family::of(target.provider, target.model));
    let target = &Target { traits, ..target.clone() };
    let mut report = Report::new(request, target.provider);
    let mut body = Vec::with_capacity(4096);
    let mut out = Object::begin(&mut body);
    out.text("model", target.model);
    turns::write(out.key("messages"), request, target, profile, keeps, &mut report);
    bounds(&mut out, request, target, profile, &mut report);
    sampling(&mut out, request, target, profile, &mut report);
    thinking(&mut out, request, target, profile, &mut report);
    tools(&mut out, request, target, profile, keeps, &mut report);
    format(&mut out, request, target, profile, &mut report);
    user(&mut out, request, profile, &mut report);
    if request.stream {
        out.flag("stream", true);
        if profile.stream_options {
            out.object("stream_options", |options| options.flag("include_usage", true));
        }
    }
    for extra in &request.extras {
        write_extra(&mut out, extra, request, profile, keeps, &mut report);
    }
    out.end();
    Encoded { body, losses: report.into_losses() }
}

/// Bound on generated tokens for servers that need one, where neither the caller nor the catalogue names one.
const DEFAULT_BOUND: u64 = 4096;

fn bounds(
    out: &mut Object<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    report: &mut Report<'_>,
) {
    match request.max_output_tokens {
        Some(_) if wants_no_answer(request, Dialect::OpenAiChat) => report.unsupported(names::BOUND, NO_ANSWER),
        Some(most) => out.number(&profile.max_tokens, most),
        None if profile.bound_required => {
            let most = target.max_output_tokens.unwrap_or(DEFAULT_BOUND);
            report
                .converted(names::BOUND, &format!("a bound is always sent here, {most}: the server's own is too low"));
            out.number(&profile.max_tokens, most);
        }
        None => {}
    }
    // OpenAI's reasoning models refuse stop sequences (`wire.md` §2.4).
    let thinker = !target.traits.stop;
    if request.stop.len() as u64 > profile.stops || (thinker && !request.stop.is_empty()) {
        let reason = if thinker { "the model takes no stop sequences" } else { "too many stop sequences" };
        report.unsupported(names::STOP, reason);
    } else if !request.stop.is_empty() {
        out.list("stop", &request.stop, |out, stop| crate::json::write_quoted(out, stop));
    }
    match request.n {
        Some(n) if n != 1 && profile.choices => out.number("n", n),
        Some(n) if n != 1 => report.unsupported(names::CHOICES, "only one choice per call"),
        _ => {}
    }
}

fn sampling(
    out: &mut Object<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    report: &mut Report<'_>,
) {
    let rests = thinking::is_off(request) == Some(true);
    let accepts = target.traits.sampling || (target.traits.sampling_at_rest && rests);
    let rejected = "the model takes no sampling parameters";
    for (name, field, value) in
        [("temperature", names::TEMPERATURE, request.temperature), ("top_p", names::TOP_P, request.top_p)]
    {
        match value {
            Some(value) if accepts => out.fraction(name, value),
            Some(value) if value != 1.0 => report.unsupported(field, rejected),
            _ => {}
        }
    }
    match request.top_k {
        Some(k) if profile.top_k && accepts => out.number("top_k", k),
        Some(_) => report.unsupported(names::TOP_K, "no top-k sampling"),
        None => {}
    }
    let penalties = [
        ("frequency_penalty", names::FREQUENCY_PENALTY, request.frequency_penalty, profile.frequency_penalty),
        ("presence_penalty", names::PRESENCE_PENALTY, request.presence_penalty, profile.presence_penalty),
    ];
    for (name, field, value, known) in penalties {
        match value {
            None | Some(0.0) => {}
            Some(value) if known && accepts && target.traits.penalties => out.fraction(name, value),
            Some(_) => report.unsupported(field, "no such penalty"),
        }
    }
    match (request.seed, &profile.seed) {
        (Some(seed), Some(name)) => out.number(name, seed),
        (Some(_), None) => report.unsupported(names::SEED, "no sampling seed"),
        (None, _) => {}
    }
    match request.logprobs {
        Some(top) if profile.logprobs && accepts && target.traits.logprobs => {
            out.flag("logprobs", true);
            if top > 0 {
                out.number("top_logprobs", top);
            }
        }
        Some(_) => report.unsupported(names::LOGPROBS, "no log probabilities"),
        None => {}
    }
}

fn tools(
    out: &mut Object<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    keeps: bool,
    report: &mut Report<'_>,
) {
    let forwarded = request.extras.iter().filter(|extra| forwards_tool(extra, request, profile, keeps));
    let custom: Vec<&Extra> = forwarded.collect();
    if request.tools.is_empty() && custom.is_empty() {
        // Without tools, `auto` and `none` say nothing.
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
            report.unsupported(names::TOOL_CHOICE, "a call is asked for and no tool is declared");
        }
        return;
    }
    if !target.traits.tools {
        report.unsupported(names::TOOLS, "the model takes no tools");
        return;
    }
    if !target.traits.chat_tools.allow(thinking::is_off(request).map(|off| !off)) {
        let reason =
            "Chat Completions takes functions for this model only where it does not think; Responses takes them";
        report.unsupported(names::TOOLS, reason);
        return;
    }
    let strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    if strict && !profile.strict {
        report.unsupported(names::STRICT, "no strict functions");
    }
    tell_loose_tools(request, profile, report);
    let all = request.tools.iter().map(Ok).chain(custom.iter().map(|extra| Err(extra.value.get())));
    out.list("tools", all, |body, tool| match tool {
        Ok(tool) => write_tool(body, tool, profile),
        Err(raw) => body.extend_from_slice(raw.as_bytes()),
    });
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) if !(target.traits.forced_tools && profile.forced_tools) => {
            report.unsupported(names::TOOL_CHOICE, "the model cannot be made to call");
        }
        Some(ToolChoice::Auto) => out.text("tool_choice", "auto"),
        Some(ToolChoice::None) => out.text("tool_choice", "none"),
        Some(ToolChoice::Required) => out.text("tool_choice", "required"),
        Some(ToolChoice::Named(name)) => out.object("tool_choice", |choice| {
            choice.text("type", "function");
            choice.object("function", |function| function.text("name", name));
        }),
        None => {}
    }
    if request.parallel_tool_calls == Some(false) {
        if profile.parallel_switch {
            out.flag("parallel_tool_calls", false);
        } else if request.origin == Some(Dialect::OpenAiChat) {
            // The caller's own text and the provider's own answer: nobody stands between them.
            report.unsupported(names::PARALLEL, "parallel calls cannot be switched off");
        } else {
            report.converted(names::PARALLEL, FIRST_CALL);
        }
    }
}

fn write_tool(body: &mut Vec<u8>, tool: &Tool, profile: &Profile) {
    let mut out = Object::begin(body);
    out.text("type", "function");
    out.object("function", |function| {
        function.text("name", &tool.name);
        if let Some(description) = &tool.description {
            function.text("description", description);
        }
        match &tool.parameters {
            Some(schema) => function.raw("parameters", schema.get()),
            None if profile.parameters_required => function.raw("parameters", r#"{"type":"object","properties":{}}"#),
            None => {}
        }
        let refused = || loose(tool, profile).is_some();
        if let Some(strict) = tool.strict.filter(|strict| profile.strict && !(*strict && refused())) {
            function.flag("strict", strict);
        }
    });
    out.end();
}

fn format(
    out: &mut Object<'_>,
    request: &ChatRequest,
    target: &Target<'_>,
    profile: &Profile,
    report: &mut Report<'_>,
) {
    match &request.format {
        None => {}
        Some(Format::JsonObject) if !target.traits.json_object => {
            report.unsupported(names::FORMAT, "the model has no JSON mode");
        }
        Some(Format::JsonObject) => out.object("response_format", |format| format.text("type", "json_object")),
        Some(Format::JsonSchema { .. }) if !(target.traits.json_schema && profile.json_schema) => {
            report.unsupported(names::FORMAT, "no answers by JSON schema");
        }
        Some(Format::JsonSchema { .. }) if profile.bare_schema && request.stream => {
            report.unsupported(names::FORMAT, "only answers that are not streamed follow a JSON schema");
        }
        Some(Format::JsonSchema { schema, .. }) if profile.bare_schema => {
            report.converted(names::FORMAT, "the schema guides and is not enforced, and has no name");
            out.object("response_format", |format| {
                format.text("type", "json_schema");
                format.raw("json_schema", schema.get());
            });
        }
        Some(Format::JsonSchema { name, description, schema, strict }) => {
            let strict = strictness(*strict, schema, request, profile, report);
            out.object("response_format", |format| {
                format.text("type", "json_schema");
                format.object("json_schema", |inner| {
                    inner.text("name", &schema_name(name));
                    if let Some(description) = description {
                        inner.text("description", description);
                    }
                    inner.raw("schema", schema.get());
                    if let Some(strict) = strict {
                        inner.flag("strict", strict);
                    }
                });
            });
        }
    }
}

/// Whether a schema for the answer is sent under `strict`; a schema that the server would refuse then is told.
pub(in crate::dialect) fn strictness(
    strict: Option<bool>,
    schema: &RawValue,
    request: &ChatRequest,
    profile: &Profile,
    report: &mut Report<'_>,
) -> Option<bool> {
    let openais = matches!(request.origin, Some(Dialect::OpenAiChat | Dialect::OpenAiResponses));
    let gap = not_enforced(schema, profile);
    match strict {
        Some(true) if gap.is_some() => {
            report.unsupported(names::FORMAT, &not_in_subset(&gap.unwrap_or_default()));
            None
        }
        // The other dialects enforce schemas without being told to.
        None if !openais && profile.schema == SchemaSubset::OpenAi && gap.is_none() => Some(true),
        None if !openais => {
            report.converted(names::FORMAT, "sent without `strict`: here the schema guides and is not enforced");
            None
        }
        strict => strict,
    }
}

/// Tells of strict functions whose parameters the server would refuse.
pub(in crate::dialect) fn tell_loose_tools(request: &ChatRequest, profile: &Profile, report: &mut Report<'_>) {
    for tool in request.tools.iter().filter(|tool| tool.strict == Some(true)) {
        if let Some(what) = loose(tool, profile) {
            report.unsupported(names::STRICT, &not_in_subset(&what));
        }
    }
}

/// What keeps a server from enforcing a function's parameters, where its subset is known.
pub(in crate::dialect) fn loose(tool: &Tool, profile: &Profile) -> Option<String> {
    tool.parameters.as_deref().and_then(|schema| not_enforced(schema, profile))
}

fn not_in_subset(what: &str) -> String {
    format!("not in the subset that is enforced: {what}")
}

/// What keeps a server from enforcing a schema under `strict`, where its subset is known.
fn not_enforced(schema: &RawValue, profile: &Profile) -> Option<String> {
    match profile.schema {
        SchemaSubset::OpenAi => beyond_openai_strict(schema),
        SchemaSubset::Any => None,
    }
}

/// The name is a label for the schema; OpenAI takes at most 64 of `[A-Za-z0-9_-]`.
pub(in crate::dialect) fn schema_name(name: &str) -> String {
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' };
    let name: String = name.chars().take(64).map(legal).collect();
    if name.is_empty() {
        "response".to_owned()
    } else {
        name
    }
}

fn user(out: &mut Object<'_>, request: &ChatRequest, profile: &Profile, report: &mut Report<'_>) {
    let Some(user) = &request.user else { return };
    // DeepSeek's `user_id` separates caches and takes 512 bytes of `[A-Za-z0-9_-]`.
    let fits = |name: &str| {
        name == "user"
            || (user.len() <= 512 && user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'))
    };
    match profile.user.as_deref().filter(|name| fits(name)) {
        Some(name) => out.text(name, user),
        None => report.advisory(names::USER, "no place for an end user's id"),
    }
}

/// OpenAI's own members that other servers of this dialect do not have.
const OWN_MEMBERS: &[&str] = &[
    "logit_bias",
    "verbosity",
    "store",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "prediction",
    "modalities",
    "audio",
    "web_search_options",
    "moderation",
    "safety_identifier",
    "service_tier",
];

/// A custom or server tool of this dialect, for a server that may know it. Responses has the former too.
fn forwards_tool(extra: &Extra, request: &ChatRequest, profile: &Profile, keeps: bool) -> bool {
    let is_tool = extra.field.strip_prefix("tools[").is_some_and(|rest| rest.ends_with(']'));
    let known = match custom::is_tool(extra) {
        true => profile.takes(custom::MEMBER),
        false => request.origin == Some(Dialect::OpenAiChat) && profile.takes("tools"),
    };
    is_tool && (keeps || known)
}

/// Whether a Gemini caller asks for pictures that the server can give (OpenRouter: image outputs), and texts beside them.
fn pictures(extra: &Extra, profile: &Profile) -> Option<bool> {
    let asks = extra.field == "generationConfig.responseModalities" && profile.takes("pictures");
    asks.then(|| media::pictured(extra.value.get())).flatten()
}

fn write_extra(
    out: &mut Object<'_>,
    extra: &Extra,
    request: &ChatRequest,
    profile: &Profile,
    keeps: bool,
    report: &mut Report<'_>,
) {
    let whole = !extra.field.contains(['.', '[']);
    let is_custom = custom::is_choice(extra);
    // A member that this dialect's caller wrote is this dialect's: only OpenAI's own ones are known to be foreign to
    // its imitators.
    let forwards = request.origin == Some(Dialect::OpenAiChat)
        && whole
        && !is_custom
        && (!OWN_MEMBERS.contains(&extra.field.as_str()) || profile.takes(&extra.field));
    if forwards || (is_custom && (keeps || profile.takes(custom::MEMBER))) {
        out.raw(&extra.field, extra.value.get());
    } else if let Some(texts) = pictures(extra, profile) {
        out.raw("modalities", if texts { r#"["image","text"]"# } else { r#"["image"]"# });
    } else if !forwards_tool(extra, request, profile, keeps) && !turns::writes(extra, request, profile) {
        if let Some(loss) = fields::loss(request.origin, extra, Dialect::OpenAiChat, report.provider()) {
            report.add(loss);
        }
    }
}
