//! What was said, as each kind of collector reads it. In the conventions it stands on the span of the call that answered. Langfuse and
//! the readers of OpenInference show a trace by its first span, so those get it there, too.

use super::super::content::{json, Content, Message, Part};
use super::super::names::{self, own};
use super::super::otlp::Value;
use super::{Attrs, Reader};
use crate::config::telemetry::Flavour;

/// On the request's span.
pub fn in_request(set: &mut Attrs, reader: Reader<'_>) {
    let Some(content) = reader.content else { return };
    match reader.flavour {
        Flavour::Otel => {}
        Flavour::Langfuse => langfuse(set, content),
        Flavour::OpenInference => {
            let (input, output) = (json(&conversation(content)), json(&content.output));
            for (value, kind, text) in
                [("input.value", "input.mime_type", input), ("output.value", "output.mime_type", output)]
            {
                if text != "[]" {
                    set.own(value, &text);
                    set.own(kind, "application/json");
                }
            }
        }
    }
}

/// On the span of the call that answered.
pub fn in_call(set: &mut Attrs, reader: Reader<'_>) {
    let Some(content) = reader.content else { return };
    let mut list = |name: names::Name, text: String| {
        if text != "[]" {
            set.text(name, &text);
        }
    };
    match reader.flavour {
        Flavour::Otel => {
            list(
                names::SYSTEM_INSTRUCTIONS,
                json(&content.system.iter().flat_map(|message| &message.parts).collect::<Vec<_>>()),
            );
            list(names::INPUT_MESSAGES, json(&content.input));
            list(names::OUTPUT_MESSAGES, json(&content.output));
            list(names::TOOL_DEFINITIONS, json(&content.tools));
        }
        Flavour::Langfuse => {
            list(names::TOOL_DEFINITIONS, json(&content.tools));
            langfuse(set, content);
        }
        Flavour::OpenInference => {
            flat(set, "llm.input_messages", &conversation(content));
            flat(set, "llm.output_messages", &content.output.iter().collect::<Vec<_>>());
            for (at, tool) in content.tools.iter().enumerate() {
                set.texts.push((format!("llm.tools.{at}.tool.json_schema"), json(tool)));
            }
        }
    }
    if !content.stop.is_empty() {
        set.put(names::STOP_SEQUENCES.under(reader.profile), Value::Texts(content.stop.clone()));
    }
    if content.cut {
        set.put(own::CONTENT_CUT, Value::Bool(true));
    }
}

/// Langfuse takes these before all others (`OtelIngestionProcessor.extractInputAndOutput`); it has no place for instructions
/// beside them.
fn langfuse(set: &mut Attrs, content: &Content) {
    let (input, output) = (json(&conversation(content)), json(&content.output));
    for (key, text) in [("langfuse.observation.input", input), ("langfuse.observation.output", output)] {
        if text != "[]" {
            set.own(key, &text);
        }
    }
}

/// Instructions and conversation in one list, for readers that have no place for the first.
fn conversation(content: &Content) -> Vec<&Message> {
    content.system.iter().chain(&content.input).collect()
}

/// OpenInference's messages: an attribute for each member of each (<https://arize-ai.github.io/openinference/spec/content/messages.html>).
/// A result of a tool is a message of its own there. What the model thought has no place in them.
fn flat(set: &mut Attrs, list: &str, messages: &[&Message]) {
    let mut at = 0;
    for message in messages {
        let (results, others): (Vec<&Part>, Vec<&Part>) =
            message.parts.iter().partition(|part| matches!(part, Part::ToolCallResponse { .. }));
        let results = results.iter().map(std::slice::from_ref);
        for parts in std::iter::once(others.as_slice()).filter(|parts| !parts.is_empty()).chain(results) {
            let mut tell = |member: &str, text: &str| {
                if !text.is_empty() {
                    set.texts.push((format!("{list}.{at}.message.{member}"), text.to_owned()));
                }
            };
            let texts: Vec<String> = parts.iter().filter_map(|part| part.text()).collect();
            tell("role", message.role);
            tell("content", &texts.join("\n"));
            let mut calls = 0;
            for part in parts {
                match part {
                    Part::ToolCallResponse { id, .. } => tell("tool_call_id", id),
                    Part::ToolCall { id, name, arguments } => {
                        let call = format!("tool_calls.{calls}.tool_call");
                        tell(&format!("{call}.id"), id);
                        tell(&format!("{call}.function.name"), name);
                        tell(&format!("{call}.function.arguments"), arguments);
                        calls += 1;
                    }
                    _ => {}
                }
            }
            at += 1;
        }
    }
}
