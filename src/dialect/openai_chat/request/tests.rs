//! Requests by direction: what a caller's body means, and what a server is sent.

mod decoding;
mod encoding;
mod turns;

use serde_json::value::RawValue;
use serde_json::Value;

use super::encode;
use crate::dialect::canonical::{ChatRequest, Disposition, Loss, Part, Role, Tool, ToolCall, ToolResult, Turn};
use crate::dialect::{Dialect, ModelTraits, Target};

const OPENAI: &str = "openai";

fn send(request: &ChatRequest, provider: &str, traits: ModelTraits) -> (Value, Vec<Loss>) {
    let target = Target { provider, model: "big", traits, max_output_tokens: None };
    let encoded = encode(request, &target);
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses)
}

fn to(request: &ChatRequest, provider: &str) -> (Value, Vec<Loss>) {
    send(request, provider, ModelTraits::PERMISSIVE)
}

fn told(losses: &[Loss]) -> Vec<(&str, &str)> {
    let word = |loss: &Loss| match loss.disposition {
        Disposition::Converted => "converted",
        Disposition::Advisory => "advisory",
        Disposition::Unsupported => "unsupported",
    };
    losses.iter().map(|loss| (loss.field.as_str(), word(loss))).collect()
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn text(text: &str) -> Part {
    Part::Text(text.into())
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.into()).unwrap()
}

/// An Anthropic caller's question.
fn asked() -> ChatRequest {
    ChatRequest {
        origin: Some(Dialect::AnthropicMessages),
        model: "theirs".into(),
        turns: vec![turn(Role::User, vec![text("hi")])],
        ..ChatRequest::default()
    }
}

fn call(id: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: "{\"a\": 1.0}".into(), signature: None })
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { call_id: id.into(), name: None, parts, is_error })
}

fn function(name: &str) -> Tool {
    Tool { name: name.into(), description: None, parameters: None, strict: None }
}
