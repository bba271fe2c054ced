//! Whole answers: wire ↔ canonical.

use crate::dialect::canonical::{ChatResponse, Loss};
use crate::dialect::{Encoded, ReplyContext, StreamFault, Tail};

/// Reads an answer.
///
/// # Errors
/// Always, until the dialect is spoken.
pub fn decode(_body: &[u8]) -> Result<ChatResponse, StreamFault> {
    Err(not_spoken())
}

/// Writes an answer: nothing of it can be said yet.
#[must_use]
pub fn encode(_response: &ChatResponse, _context: &ReplyContext, _tail: &Tail) -> Encoded {
    Encoded { body: Vec::new(), losses: vec![Loss::unsupported("output", "Responses is not spoken")] }
}

pub(super) fn not_spoken() -> StreamFault {
    StreamFault::Malformed("answers in Responses are not read".to_owned())
}
