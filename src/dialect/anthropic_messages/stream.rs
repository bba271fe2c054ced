//! Streams: events ↔ canonical.
use crate::dialect::canonical::{Loss, StreamEvent};
use crate::dialect::{ReplyContext, StreamFault, Tail};
use crate::sse::Frame;
/// Reads a stream.
#[derive(Debug, Default)]
pub struct Decoder {}
impl Decoder {
    /// Reads one event.
    ///
    /// # Errors
    /// Malformed events and provider errors.
    pub fn frame(&mut self, _frame: &Frame<'_>, _out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        Ok(())
    }
    /// Whether the answer is complete.
    #[must_use]
    pub fn complete(&self) -> bool {
        false
    }
}
/// Writes a stream.
#[derive(Debug)]
pub struct Encoder {}
impl Encoder {
    /// A writer with nothing written.
    #[must_use]
    pub fn new(_context: ReplyContext) -> Self {
        Self {}
    }
    /// Writes one event.
    pub fn event(&mut self, _event: &StreamEvent, _out: &mut Vec<u8>, _losses: &mut Vec<Loss>) {}
    /// Writes the normal end.
    pub fn end(&mut self, _tail: &Tail, _out: &mut Vec<u8>) {}
}
