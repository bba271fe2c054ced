//! Answers: wire ↔ canonical.
use crate::dialect::canonical::ChatResponse;
use crate::dialect::{Encoded, ReplyContext, StreamFault, Tail};
/// Reads an answer.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub fn decode(_body: &[u8]) -> Result<ChatResponse, StreamFault> {
    Ok(ChatResponse::default())
}
/// Writes an answer.
#[must_use]
pub fn encode(_response: &ChatResponse, _context: &ReplyContext, _tail: &Tail) -> Encoded {
    Encoded { body: Vec::new(), losses: Vec::new() }
}
