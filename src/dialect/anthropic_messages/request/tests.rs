//! Requests, both ways. Shared makings; the promises stand in the files below.

mod decode;
mod encode;
mod schema;
mod turns;

use serde_json::value::{RawValue, Value};

use crate::dialect::canonical::{ChatRequest, Disposition, Extra, Loss, Part, Role, Turn};
use crate::dialect::{Encoded, ModelTraits, Target};

pub(super) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

pub(super) fn text(role: Role, text: &str) -> Turn {
    Turn { role, parts: vec![Part::Text(text.to_owned())] }
}

/// A request with one user turn.
pub(super) fn asking() -> ChatRequest {
    ChatRequest {
        model: "any".into(),
        turns: vec![text(Role::User, "hi")],
        max_output_tokens: Some(4000),
        ..ChatRequest::default()
    }
}

pub(super) fn target(model: &str) -> Target<'_> {
    Target { provider: "anthropic", model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None }
}

/// Body and losses as `disposition field` lines.
pub(super) struct Written {
    pub(super) body: Value,
    pub(super) losses: Vec<String>,
}

pub(super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Written {
    let Encoded { body, losses } = super::encode(request, target);
    let named = |loss: &Loss| {
        let disposition = match loss.disposition {
            Disposition::Converted => "converted",
            Disposition::Advisory => "advisory",
            Disposition::Unsupported => "unsupported",
        };
        assert!(!loss.reason.is_empty());
        format!("{disposition} {}", loss.field)
    };
    Written { body: serde_json::from_slice(&body).unwrap(), losses: losses.iter().map(named).collect() }
}

pub(super) fn extra(field: &str, json: &str) -> Extra {
    Extra { field: field.into(), value: raw(json), advisory: false, is_default: false }
}
