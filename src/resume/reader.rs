//! What one reader gets: everything behind the cursor that it came with, in the order stored.

use std::borrow::Cow;

use crate::dialect::Dialect;
use crate::resume::numbering::behind;
use crate::resume::record::Record;
use crate::stream::framing::Framing;

/// A reader on its way through the log.
#[derive(Debug)]
pub struct Reader {
    /// The row it has read last.
    pub at: u64,
    /// It has every event up to this one.
    pub after: u64,
    /// The dialect's own number of the event that may follow what it has got.
    pub next: u64,
    dialect: Dialect,
    framing: Framing,
}

impl Reader {
    /// A reader of an answer who has every event up to `after`.
    #[must_use]
    pub fn new(record: &Record, after: u64) -> Self {
        let mut framing = Framing::of(record.array && !record.whole);
        if after > 0 {
            // Elements went out before: what comes next is not an array's beginning.
            let _ = framing.lay_out(b"data: {}\n\n");
        }
        Self { at: 0, after, next: after, dialect: record.dialect, framing }
    }

    /// What it gets of a row: `at` is the row's place in the log, `first` the number of the first event it has bytes of, `last`
    /// that of the last one up to its end.
    pub fn take<'r>(&mut self, at: u64, first: u64, last: u64, row: &'r [u8]) -> Cow<'r, [u8]> {
        self.at = at;
        self.next = self.dialect.number_behind(row).unwrap_or_else(|| self.next.max(last));
        self.framing.lay_out(if first <= self.after { behind(row, self.after) } else { row })
    }

    /// What it gets of an event that is in no log.
    pub fn event(&mut self, event: &[u8]) -> Vec<u8> {
        self.framing.lay_out(event).into_owned()
    }

    /// What it gets at the end.
    pub fn end(&mut self) -> Vec<u8> {
        self.framing.end()
    }
}
