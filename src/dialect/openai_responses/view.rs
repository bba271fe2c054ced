//! What the native path needs of a request and an answer.

use crate::dialect::view::View;
use crate::dialect::{Observation, Seen, StreamFault};
use crate::error::GatewayError;
use crate::sse::Frame;

/// Reads the facts of a request.
///
/// # Errors
/// Always, until the dialect is spoken.
pub fn view(_body: &[u8]) -> Result<View<'_>, GatewayError> {
    Err(super::request::not_spoken())
}

/// Reads usage and finish of a whole answer.
///
/// # Errors
/// Always, until the dialect is spoken.
pub fn observe_response(_body: &[u8]) -> Result<Observation, StreamFault> {
    Err(super::response::not_spoken())
}

/// Reads one event of a native stream.
///
/// # Errors
/// Always, until the dialect is spoken.
pub fn observe_event(_frame: &Frame<'_>, _seen: &mut Observation) -> Result<Seen, StreamFault> {
    Err(super::response::not_spoken())
}
