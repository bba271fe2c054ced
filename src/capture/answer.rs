//! An answer that was recorded, read again by what its caller's dialect says.

use super::payload::Payload;
use crate::dialect::canonical::Choice;
use crate::dialect::{gathered, Dialect};

/// Its choices, by index; none where it is an error. Of a stream that was cut what came.
#[must_use]
pub fn choices(dialect: Dialect, payload: &Payload) -> Vec<Choice> {
    let wire = payload.wire();
    if payload.events.is_some() {
        return gathered::choices(dialect, wire.as_bytes());
    }
    dialect.decode_response(wire.as_bytes()).map(|answer| answer.choices).unwrap_or_default()
}
