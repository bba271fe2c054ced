//! Answers that are kept: the log of one answer, from which readers come and go (DESIGN §5 "Resumable").
//!
//! The Worker verifies who calls and hands an [`errand::Run`] to the answer's keeper, an object of its own. There the
//! request's path is the same; its answer goes into a [`Log`] instead of to a caller: events are numbered
//! ([`numbering`]), gathered into rows ([`rows`]) and stored, and every reader, the first caller included, gets what is
//! stored ([`reader`]). What the object remembers of the answer besides is its [`record`]. Storing and sending are the
//! edge's; read `tests.rs` first.

pub mod errand;
pub mod numbering;
pub mod reader;
pub mod record;
pub mod rows;

use crate::http::ResponseHead;
use numbering::Numbering;
use record::{Record, Stage};
use rows::{Due, Row, Rows};

/// Most bytes that are kept of one answer. Readers that are behind do not slow the provider, so something must.
pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// One answer while it is being written.
#[derive(Debug)]
pub struct Log {
    record: Record,
    numbering: Numbering,
    rows: Rows,
    bytes: u64,
}

/// The answer is longer than what is kept of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Log {
    /// An answer of which nothing has come.
    #[must_use]
    pub fn new(record: Record) -> Self {
        let numbering = Numbering::new(record.dialect, 0);
        Self { record, numbering, rows: Rows::default(), bytes: 0 }
    }

    /// What is to be remembered besides the rows.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The answer is a whole body.
    pub fn whole(&mut self, head: ResponseHead, body: &[u8]) {
        self.record.whole = true;
        self.record.answered(head);
        self.rows.block(body, 1, true);
    }

    /// The answer is a stream.
    pub fn open(&mut self, head: ResponseHead) {
        self.record.answered(head);
    }

    /// Takes events.
    ///
    /// # Errors
    /// The answer is too long to be kept: nothing more is taken.
    pub fn append(&mut self, events: &[u8]) -> Result<(), Full> {
        self.bytes = self.bytes.saturating_add(events.len() as u64);
        if self.bytes > MOST_BYTES {
            return Err(Full);
        }
        self.numbering.push(events, &mut self.rows);
        Ok(())
    }

    /// When what has gathered is to be stored.
    pub fn due(&mut self, now_ms: u64) -> Due {
        self.rows.due(now_ms)
    }

    /// Takes what has gathered, to be stored.
    pub fn take(&mut self, now_ms: u64) -> Vec<Row> {
        self.rows.take(now_ms)
    }

    /// The answer is over. `failed`: its end is an error. Where a stream has no end of its own it gets a typed one. May be
    /// said before it is known whether it failed, and then again.
    pub fn end(&mut self, failed: bool) {
        if self.record.stage != Stage::Running {
            if failed {
                self.record.stage = Stage::Failed;
            }
            return;
        }
        self.numbering.finish(&mut self.rows);
        let full = self.bytes > MOST_BYTES;
        if full {
            let event = self.record.cut("The answer is longer than what is kept of one.", self.numbering.last());
            self.numbering.push(&event, &mut self.rows);
        }
        self.record.stage = if failed || full { Stage::Failed } else { Stage::Complete };
    }
}

#[cfg(test)]
mod tests;
