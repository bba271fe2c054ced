//! The items of an answer, whole answers' and streams': messages, reasoning, calls, pictures.

use super::encode::Ids;
use crate::dialect::canonical::ToolCall;
use crate::dialect::custom;
use crate::dialect::openai_chat::write::{list, Object};

/// A part of a message.
#[derive(Debug, Clone)]
pub(in super::super) enum MessagePart {
    /// A text with what stands beside it.
    Text(Text),
    /// A refusal.
    Refusal(String),
}

/// A text with what stands beside it.
#[derive(Debug, Clone, Default)]
pub(in super::super) struct Text {
    /// The text.
    pub text: String,
    /// Annotations as JSON, this dialect's form.
    pub annotations: Vec<String>,
    /// Log probabilities as JSON.
    pub logprobs: Vec<String>,
}

impl MessagePart {
    /// Writes the part.
    pub fn write(&self, body: &mut Vec<u8>) {
        let mut out = Object::begin(body);
        match self {
            Self::Text(part) => {
                out.text("type", "output_text");
                out.text("text", &part.text);
                out.key("annotations").extend_from_slice(joined(&part.annotations).as_bytes());
                out.key("logprobs").extend_from_slice(joined(&part.logprobs).as_bytes());
            }
            Self::Refusal(text) => {
                out.text("type", "refusal");
                out.text("refusal", text);
            }
        }
        out.end();
    }
}

/// A list of JSON texts.
pub(in super::super) fn joined(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// A message item.
pub(in super::super) fn write_message(id: &str, parts: &[MessagePart], status: &str) -> Vec<u8> {
    item(id, "message", status, |out| {
        out.text("role", "assistant");
        list(out.key("content"), parts, |out, part| part.write(out));
    })
}

/// A reasoning item.
pub(in super::super) fn write_reasoning(id: &str, text: &str, encrypted: Option<&str>) -> Vec<u8> {
    item(id, "reasoning", "completed", |out| {
        out.list("summary", Some(text).filter(|text| !text.is_empty()), write_summary);
        match encrypted {
            Some(encrypted) => out.text("encrypted_content", encrypted),
            None => out.raw("encrypted_content", "null"),
        }
    })
}

/// A part of a reasoning item's summary.
pub(in super::super) fn write_summary(body: &mut Vec<u8>, text: &str) {
    let mut part = Object::begin(body);
    part.text("type", "summary_text");
    part.text("text", text);
    part.end();
}

/// What tells the calls of functions from those of custom tools: words, so that both are written in one way.
#[derive(Debug)]
pub(in super::super) struct Tool {
    /// The item's type.
    item: &'static str,
    /// Of its id.
    pub prefix: &'static str,
    /// The member that holds what the model wrote.
    pub member: &'static str,
    /// The event of a piece of it.
    pub delta: &'static str,
    /// The event of the whole.
    pub done: &'static str,
    /// What stands for nothing.
    pub nothing: &'static str,
}

/// A function, which takes JSON.
pub(in super::super) const FUNCTION: Tool = Tool {
    item: "function_call",
    prefix: "fc",
    member: "arguments",
    delta: "response.function_call_arguments.delta",
    done: "response.function_call_arguments.done",
    nothing: "{}",
};

/// A custom tool, which takes any text.
pub(in super::super) const CUSTOM: Tool = Tool {
    item: custom::CALL,
    prefix: "ctc",
    member: "input",
    delta: "response.custom_tool_call_input.delta",
    done: "response.custom_tool_call_input.done",
    nothing: "",
};

/// A call, as its item says it.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Call<'a> {
    /// The kind of tool.
    pub tool: &'static Tool,
    /// The id that its answer names.
    pub id: &'a str,
    /// The tool's name.
    pub name: &'a str,
    /// What the model wrote.
    pub said: &'a str,
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        Self { tool: &FUNCTION, id: &call.id, name: &call.name, said: &call.arguments }
    }
}

impl<'a> From<&'a custom::Call> for Call<'a> {
    fn from(call: &'a custom::Call) -> Self {
        Self { tool: &CUSTOM, id: &call.id, name: &call.name, said: &call.input }
    }
}

impl Call<'_> {
    /// Its item, at a place in an answer's output.
    pub fn write(&self, ids: &Ids, at: usize, status: &str) -> Vec<u8> {
        item(&ids.item(self.tool.prefix, at), self.tool.item, status, |out| {
            out.text("call_id", self.id);
            out.text("name", self.name);
            out.text(self.tool.member, self.said);
        })
    }
}

/// A generated picture; `data` is base64.
pub(in super::super) fn write_picture(id: &str, mime: &str, data: &str, status: &str) -> Vec<u8> {
    item(id, "image_generation_call", status, |out| {
        out.text("output_format", mime.strip_prefix("image/").unwrap_or("png"));
        match data {
            "" => out.raw("result", "null"),
            data => out.text("result", data),
        }
    })
}

fn item(id: &str, kind: &str, status: &str, members: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    let mut out = Object::begin(&mut body);
    out.text("id", id);
    out.text("type", kind);
    out.text("status", status);
    members(&mut out);
    out.end();
    body
}
