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
    /// Always, until the dialect is spoken.
    pub fn frame(&mut self, _frame: &Frame<'_>, _out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        Err(super::response::not_spoken())
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

    /// Writes one event: none can be said yet.
    pub fn event(&mut self, _event: &StreamEvent, _out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        losses.push(Loss::unsupported("output", "Responses is not spoken"));
    }

    /// Writes the normal end.
    pub fn end(&mut self, _tail: &Tail, _out: &mut Vec<u8>) {}
}
