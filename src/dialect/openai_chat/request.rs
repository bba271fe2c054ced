//! Requests: wire ↔ canonical.
use crate::dialect::canonical::ChatRequest;
use crate::dialect::{Encoded, Target};
use crate::error::GatewayError;
/// Reads a request.
///
/// # Errors
/// The caller's, naming the field.
pub fn decode(_body: &[u8]) -> Result<ChatRequest, GatewayError> {
    Ok(ChatRequest::default())
}
/// Writes a request.
#[must_use]
pub fn encode(_request: &ChatRequest, _target: &Target<'_>) -> Encoded {
    Encoded { body: Vec::new(), losses: Vec::new() }
}
