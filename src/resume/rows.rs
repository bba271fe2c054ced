//! What has come is gathered into rows before it is stored: a commit for each event would cost more than the event.

/// How long events are gathered at most. An event that comes after a longer silence is stored at once.
pub const GATHER_MS: u64 = 50;
/// Largest row. The platform takes 2 MB; an event may be larger.
const ROW_BYTES: usize = 1024 * 1024;

/// Bytes of the log. Rows follow each other in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Number of the first event that it has bytes of, or of the one that its comments precede.
    pub first: u64,
    /// The highest such number.
    pub reach: u64,
    /// Number of the last event up to its end.
    pub last: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// When what has gathered is to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// At once.
    Now,
    /// In so many milliseconds.
    In(u64),
    /// When it was said before.
    Known,
}

/// Rows that are not stored yet.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    last: u64,
    stored_ms: u64,
    waiting: bool,
    /// The last row is the end of an event that fills several.
    closed: bool,
}

impl Rows {
    /// Adds a block that belongs to the event of a number. `event`: it is that event, and with it the number is reached.
    pub fn block(&mut self, bytes: &[u8], number: u64, event: bool) {
        self.last = if event { number } else { self.last };
        let last = self.last;
        let room = |row: &&mut Row| row.bytes.len().saturating_add(bytes.len()) <= ROW_BYTES;
        if let Some(row) = self.rows.last_mut().filter(|_| !self.closed).filter(room) {
            row.bytes.extend_from_slice(bytes);
            row.reach = number;
            row.last = last;
            return;
        }
        // An event that fills rows has them to itself.
        self.closed = bytes.len() > ROW_BYTES;
        let parts = bytes.chunks(ROW_BYTES);
        self.rows.extend(parts.map(|part| Row { first: number, reach: number, last, bytes: part.to_vec() }));
    }

    /// When they are to be stored.
    pub fn due(&mut self, now_ms: u64) -> Due {
        if self.waiting {
            return Due::Known;
        }
        let quiet = now_ms.saturating_sub(self.stored_ms);
        if quiet >= GATHER_MS {
            return Due::Now;
        }
        self.waiting = true;
        Due::In(GATHER_MS - quiet)
    }

    /// Takes them.
    pub fn take(&mut self, now_ms: u64) -> Vec<Row> {
        self.waiting = false;
        self.stored_ms = now_ms;
        std::mem::take(&mut self.rows)
    }
}
