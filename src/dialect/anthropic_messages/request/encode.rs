//! Canonical → a request for Claude, with a loss for everything that is not exact.

use serde_json::value::RawValue;

use super::super::write::{Elements, Object};
use super::params::{self, Model, ThinkingPlan, Wire};
use super::turns::{bracketed, Conversation};
use super::{schema, search};
use crate::dialect::cache_marks::{Form, Marks};
use crate::dialect::canonical::{ChatRequest, Format, Loss, Tool};
use crate::dialect::names::in_callers_words;
use crate::dialect::{fields, Dialect, Encoded, Target};
use crate::json::{Edit, Members};

/// Version without sampling parameters, since 2026-10-21.
const NEWEST_VERSION: &str = "2026-10-21";

/// Version in which models that take sampling parameters still do.
const SAMPLING_VERSION: &str = "2023-06-01";

/// Characters of `metadata.user_id` (Anthropic's API reference).
const LONGEST_USER: usize = 256;

/// Writes a request. What cannot be said is left out and stands in the losses as unsupported.
#[must_use]
pub fn encode(request: &ChatRequest, target: &Target<'_>) -> Encoded {
    let model = Model::of(target);
    let mut losses = Vec::new();
    let max_tokens = params::max_tokens(request, &model, &mut losses);
    let thinking = params::thinking(request, &model, max_tokens, &mut losses);
    let sampling = params::sampling(request, &model, thinking.manual(), &mut losses);
    let choice = params::tool_choice(request, &model, thinking.manual(), &mut losses);
    let fixed = match &choice {
        _ if thinking.on() => Some("while it thinks"),
        _ if matches!(request.format, Some(Format::JsonSchema { .. })) => Some("under a schema"),
        Some(choice) if matches!(choice.kind, "any" | "tool") => Some("when a call is forced"),
        _ => None,
    };
    let mut marks = Marks::new(request, Form::Anthropic);
    let conversation = Conversation::write(&request.turns, model, fixed, &mut marks, &mut losses);

    let mut body = Vec::with_capacity(1024 + conversation.messages.iter().map(|m| m.blocks.bytes.len()).sum::<usize>());
    let mut object = Object::begin(&mut body);
    object.text("model", target.model);
    object.count("max_tokens", max_tokens);
    if conversation.system.count > 0 {
        bracketed(object.key("system"), &conversation.system);
    }
    messages(&mut object, &conversation);
    tools(&mut object, request, &model, &mut losses);
    if let Some(choice) = choice {
        object.object("tool_choice", |wire| {
            wire.text("type", choice.kind);
            if let Some(name) = choice.name {
                wire.text("name", name);
            }
            if choice.alone {
                wire.raw("disable_parallel_tool_use", "true");
            }
        });
    }
    write_thinking(&mut object, &thinking);
    output_config(&mut object, request, &model, &thinking, &mut losses);
    if let Some(temperature) = sampling.temperature {
        object.number("temperature", temperature);
    }
    if let Some(top_p) = sampling.top_p {
        object.number("top_p", top_p);
    }
    if let Some(top_k) = sampling.top_k {
        object.count("top_k", top_k);
    }
    stop(&mut object, request, &mut losses);
    match &request.user {
        Some(user) if user.chars().count() > LONGEST_USER => {
            losses.push(Loss::advisory("user", format!("Anthropic takes at most {LONGEST_USER} characters")));
        }
        Some(user) => object.object("metadata", |metadata| metadata.text("user_id", user)),
        None => {}
    }
    unsayable(request, &mut losses);
    // What the hub has no word for comes last, because it has the caller's names already.
    in_callers_words(&mut losses, request);
    losses.extend(marks.told());
    extras(&mut object, request, target, &mut losses);
    if request.stream {
        object.raw("stream", "true");
    }
    object.end();
    Encoded { body, losses }
}

/// The `anthropic-version` of a translated request: the older one only where sampling parameters are sent
/// (`wire.md` §1.3 "Version policy"). Agrees with [`encode`] for the same arguments.
#[must_use]
pub fn version_header(request: &ChatRequest, target: &Target<'_>) -> &'static str {
    let model = Model::of(target);
    let mut unread = Vec::new();
    let max_tokens = params::max_tokens(request, &model, &mut unread);
    let thinking = params::thinking(request, &model, max_tokens, &mut unread);
    if params::sampling(request, &model, thinking.manual(), &mut unread).is_empty() {
        NEWEST_VERSION
    } else {
        SAMPLING_VERSION
    }
}

fn messages(object: &mut Object<'_>, conversation: &Conversation<'_>) {
    let out = object.key("messages");
    out.push(b'[');
    for (at, message) in conversation.messages.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let mut wire = Object::begin(out);
        wire.text("role", message.role);
        let content = wire.key("content");
        content.push(b'[');
        content.extend_from_slice(&message.results.bytes);
        if message.results.count > 0 && message.blocks.count > 0 {
            content.push(b',');
        }
        content.extend_from_slice(&message.blocks.bytes);
        content.push(b']');
        wire.end();
    }
    out.push(b']');
}

fn tools(object: &mut Object<'_>, request: &ChatRequest, model: &Model<'_>, losses: &mut Vec<Loss>) {
    let search = request.extras.iter().find(|extra| search::is_asked(extra, request));
    if request.tools.is_empty() && search.is_none() {
        return;
    }
    if !model.target.traits.tools {
        losses.push(Loss::unsupported("tools", format!("{} calls no tools", model.name())));
        return;
    }
    let mut list = Elements::default();
    for (index, tool) in request.tools.iter().enumerate() {
        tool_definition(&mut list, tool, index, model, losses);
    }
    if let Some(extra) = search {
        search::write(&mut list, &extra.value, request, losses);
    }
    bracketed(object.key("tools"), &list);
}

fn tool_definition(list: &mut Elements, tool: &Tool, index: usize, model: &Model<'_>, losses: &mut Vec<Loss>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if tool.name.is_empty() || tool.name.len() > 128 || !tool.name.chars().all(legal) {
        let reason = "Anthropic's tool names are 1 to 128 of A-Z a-z 0-9 _ -";
        losses.push(Loss::unsupported(format!("tools[{index}].function.name"), reason));
    }
    let strict = tool.strict == Some(true) && able_strict(index, model, losses);
    list.object(|wire| {
        wire.text("name", &tool.name);
        if let Some(description) = &tool.description {
            wire.text("description", description);
        }
        wire.raw("input_schema", &input_schema(tool, strict, index, losses));
        if strict {
            wire.raw("strict", "true");
        }
    });
}

fn able_strict(index: usize, model: &Model<'_>, losses: &mut Vec<Loss>) -> bool {
    if !model.target.traits.json_schema {
        let reason = format!("{} does not enforce schemas", model.name());
        losses.push(Loss::unsupported(format!("tools[{index}].function.strict"), reason));
    }
    model.target.traits.json_schema
}

/// An object schema, as Anthropic requires; a tool without parameters takes an empty object.
fn input_schema(tool: &Tool, strict: bool, index: usize, losses: &mut Vec<Loss>) -> String {
    let path = format!("tools[{index}].function.parameters");
    let Some(schema) = &tool.parameters else {
        let closed = r#"{"type":"object","properties":{},"additionalProperties":false}"#;
        return if strict { closed } else { r#"{"type":"object"}"# }.to_owned();
    };
    let Ok(members) = Members::read(schema.get().as_bytes()) else {
        losses.push(Loss::unsupported(path, "Anthropic takes only object schemas"));
        return r#"{"type":"object"}"#.to_owned();
    };
    let typed = match members.raw("type").map(RawValue::get) {
        None => String::from_utf8(members.edit(&[Edit::Set("type", r#""object""#.into())])).ok(),
        Some(r#""object""#) => Some(schema.get().to_owned()),
        Some(_) => {
            losses.push(Loss::unsupported(path.clone(), "Anthropic takes only object schemas"));
            Some(schema.get().to_owned())
        }
    };
    let typed = typed.unwrap_or_else(|| schema.get().to_owned());
    match (strict, crate::json::from_str::<&RawValue>(&typed)) {
        (true, Ok(raw)) => schema::fit(raw, &path, losses),
        _ => typed,
    }
}

fn write_thinking(object: &mut Object<'_>, plan: &ThinkingPlan) {
    let Some(thinking) = plan.thinking else { return };
    object.object("thinking", |wire| match thinking {
        Wire::Adaptive => wire.text("type", "adaptive"),
        Wire::Disabled => wire.text("type", "disabled"),
        Wire::BetweenTools => wire.text("type", "between_tools"),
        Wire::Enabled(budget) => {
            wire.text("type", "enabled");
            wire.count("budget_tokens", budget);
        }
    });
}

fn output_config(
    object: &mut Object<'_>,
    request: &ChatRequest,
    model: &Model<'_>,
    plan: &ThinkingPlan,
    losses: &mut Vec<Loss>,
) {
    let schema = match &request.format {
        Some(Format::JsonObject) => {
            let reason = "Anthropic has no JSON mode without a schema";
            losses.push(Loss::unsupported("response_format", reason));
            None
        }
        Some(Format::JsonSchema { .. }) if !model.target.traits.json_schema => {
            losses.push(Loss::unsupported("response_format", format!("{} does not enforce schemas", model.name())));
            None
        }
        Some(Format::JsonSchema { name, description, schema, .. }) => {
            // A name that the caller's dialect has no place for is ours.
            let named = !matches!(request.origin, Some(Dialect::AnthropicMessages | Dialect::Gemini));
            let told = [("name", Some(name).filter(|_| named)), ("description", description.as_ref())];
            for (member, _) in told.into_iter().filter(|(_, text)| text.is_some_and(|t| !t.is_empty())) {
                let field = format!("response_format.json_schema.{member}");
                losses.push(Loss::advisory(field, "Anthropic's formats have none"));
            }
            Some(schema::fit(schema, "response_format.json_schema.schema", losses))
        }
        None => None,
    };
    if schema.is_none() && plan.effort.is_none() {
        return;
    }
    object.object("output_config", |config| {
        if let Some(effort) = plan.effort {
            config.text("effort", effort);
        }
        if let Some(schema) = schema {
            config.object("format", |format| {
                format.text("type", "json_schema");
                format.raw("schema", &schema);
            });
        }
    });
}

fn stop(object: &mut Object<'_>, request: &ChatRequest, losses: &mut Vec<Loss>) {
    let mut list = Elements::default();
    for (index, sequence) in request.stop.iter().enumerate() {
        if sequence.trim().is_empty() {
            let reason = "Anthropic refuses stop sequences of whitespace";
            losses.push(Loss::unsupported(format!("stop[{index}]"), reason));
        } else {
            crate::json::write_quoted(list.next(), sequence);
        }
    }
    if list.count > 0 {
        bracketed(object.key("stop_sequences"), &list);
    }
}

/// Parameters that Anthropic has no word for, unless they ask for what it does anyway.
fn unsayable(request: &ChatRequest, losses: &mut Vec<Loss>) {
    let mut refuse = |field: &str, said: bool| {
        if said {
            losses.push(Loss::unsupported(field, "Anthropic Messages has no such parameter"));
        }
    };
    refuse("n", request.n.is_some_and(|n| n != 1));
    refuse("seed", request.seed.is_some());
    refuse("frequency_penalty", request.frequency_penalty.is_some_and(|p| p != 0.0));
    refuse("presence_penalty", request.presence_penalty.is_some_and(|p| p != 0.0));
    refuse("logprobs", request.logprobs.is_some());
}

fn extras(object: &mut Object<'_>, request: &ChatRequest, target: &Target<'_>, losses: &mut Vec<Loss>) {
    for extra in request.extras.iter().filter(|extra| !search::is_asked(extra, request)) {
        if extra.field == "service_tier" {
            let tier = crate::json::from_str::<String>(extra.value.get()).unwrap_or_default();
            let said = match tier.as_str() {
                "auto" => Some("auto"),
                "default" | "standard_only" => Some("standard_only"),
                _ => None,
            };
            if let Some(said) = said {
                object.text("service_tier", said);
                continue;
            }
        }
        losses.extend(fields::loss(request.origin, extra, Dialect::AnthropicMessages, target.provider));
    }
}
