//! What the native path needs, borrowed.
use crate::dialect::view::View;
use crate::dialect::{Observation, Seen, StreamFault};
use crate::error::GatewayError;
use crate::sse::Frame;
/// Reads the facts of a request.
///
/// # Errors
/// The caller's, naming the field.
pub fn view(_body: &[u8]) -> Result<View<'_>, GatewayError> {
    Ok(View::default())
}
/// Reads usage and finish of a whole answer.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub fn observe_response(_body: &[u8]) -> Result<Observation, StreamFault> {
    Ok(Observation::default())
}
/// Reads one event of a native stream.
///
/// # Errors
/// Malformed events and provider errors.
pub fn observe_event(_frame: &Frame<'_>, _seen: &mut Observation) -> Result<Seen, StreamFault> {
    Ok(Seen::default())
}
