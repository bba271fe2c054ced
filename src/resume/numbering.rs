//! Events get numbers, from 1 on: the cursor that a client sends back as `Last-Event-ID`.
//!
//! The `id:` line stands last in its event, behind whatever id the provider gave it, so that it is the one that counts,
//! and a client that lost the event within it does not have the number either. Clients that count events arrive at the
//! same number. Google's own client wants nothing in an event but one `data:` line (`@google/genai` 3.1.0,
//! `processStreamResponse`); in its dialect the id follows in a block of its own, which dispatches no event.

use crate::dialect::Dialect;
use crate::resume::rows::Rows;
use crate::sse::{Decoder, Frame};

/// Numbers the events of one stream.
#[derive(Debug)]
pub struct Numbering {
    frames: Decoder,
    last: u64,
    apart: bool,
}

impl Numbering {
    /// Events in a dialect, after so many others.
    #[must_use]
    pub fn new(dialect: Dialect, last: u64) -> Self {
        // Bounded by whoever sends the events.
        Self { frames: Decoder::with_limit(usize::MAX / 2), last, apart: dialect == Dialect::Gemini }
    }

    /// The number of the last event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Takes events, split anywhere, and adds those that are whole.
    pub fn push(&mut self, events: &[u8], rows: &mut Rows) {
        // Without a limit that could be reached there is nothing to refuse.
        let _ = self.frames.push(events);
        while let Some(frame) = self.frames.next_frame() {
            self.last = number(&frame, self.last, self.apart, rows);
        }
    }

    /// Adds what is left at the end: an event whose last byte is a CR, which a LF might have followed.
    pub fn finish(&mut self, rows: &mut Rows) {
        if let Some(rest) = self.frames.finish() {
            self.last = number(&rest.frame, self.last, self.apart, rows);
        }
    }
}

/// What of a row stands behind the event of a number, which is in it.
#[must_use]
pub fn behind(row: &[u8], number: u64) -> &[u8] {
    let number = number.to_string();
    let mut frames = Decoder::with_limit(usize::MAX / 2);
    let _ = frames.push(row);
    let mut at = 0;
    while let Some(frame) = frames.next_frame() {
        at += frame.raw.len();
        if frame.id.as_deref() == Some(number.as_bytes()) {
            break;
        }
    }
    row.get(at..).unwrap_or_default()
}

/// Adds one block behind the event of number `last`; the number of the last event after it.
fn number(frame: &Frame<'_>, last: u64, apart: bool, rows: &mut Rows) -> u64 {
    let next = last.saturating_add(1);
    if is_event(frame) {
        rows.block(&numbered(frame.raw, next, apart), next, true);
        return next;
    }
    // A comment belongs to the event that it stands before.
    rows.block(frame.raw, next, false);
    last
}

/// Whether a client dispatches it.
fn is_event(frame: &Frame<'_>) -> bool {
    frame.data.is_some() || frame.bare_json().is_some()
}

fn numbered(raw: &[u8], number: u64, apart: bool) -> Vec<u8> {
    let id = format!("id: {number}");
    let mut out = Vec::with_capacity(raw.len() + id.len() + 4);
    if apart {
        out.extend_from_slice(raw);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b"\n\n");
        return out;
    }
    let blank: &[u8] = [&b"\r\n"[..], b"\n", b"\r"].into_iter().find(|end| raw.ends_with(end)).unwrap_or(b"\n");
    out.extend_from_slice(raw.strip_suffix(blank).unwrap_or(raw));
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(blank);
    out.extend_from_slice(blank);
    out
}
