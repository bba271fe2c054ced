//! Requests: wire ↔ canonical.

use crate::dialect::canonical::{ChatRequest, Loss};
use crate::dialect::{Encoded, Target};
use crate::error::{ErrorKind, GatewayError};

/// Reads a request.
///
/// # Errors
/// Always, until the dialect is spoken.
pub fn decode(_body: &[u8]) -> Result<ChatRequest, GatewayError> {
    Err(not_spoken())
}

/// Writes a request: nothing of it can be said yet, so every candidate of this dialect is ineligible.
#[must_use]
pub fn encode(_request: &ChatRequest, target: &Target<'_>) -> Encoded {
    let reason = format!("{} is not spoken to in Responses", target.provider);
    Encoded { body: Vec::new(), losses: vec![Loss::unsupported("input", reason)] }
}

/// The answer to a caller of this dialect.
pub(super) fn not_spoken() -> GatewayError {
    GatewayError::new(ErrorKind::Unsupported, "The Responses dialect is not spoken here.")
}
