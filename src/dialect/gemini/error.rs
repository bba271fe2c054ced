//! Errors in this dialect's vocabulary.
use crate::dialect::ProviderError;
use crate::error::GatewayError;
/// Reads an error object.
#[must_use]
pub fn decode(_body: &[u8]) -> Option<ProviderError> {
    None
}
/// Writes an error body.
#[must_use]
pub fn encode(_error: &GatewayError, _request_id: &str) -> Vec<u8> {
    Vec::new()
}
/// Writes an error event.
#[must_use]
pub fn encode_event(_error: &GatewayError, _request_id: &str, _signalbox: Option<&str>) -> Vec<u8> {
    Vec::new()
}
