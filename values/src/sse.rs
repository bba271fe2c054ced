//! The event-stream codec: bytes in at any split, whole events out.
//!
//! Framing works on bytes: a line ends with LF, CR or CRLF and with nothing else (U+2028 and U+0085 are ordinary text
//! inside JSON strings), and no byte is decoded before its event is whole (`wire.md` §1.0). Every byte of the input
//! stands in exactly one frame's `raw`, so a native stream can be passed on event by event without a changed byte. What a
//! frame's data means is the dialects' business. Read `tests/sse_properties.rs` first.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

/// Largest event block by default: 8 MiB, because an event may carry a whole picture or sound as base64.
pub const DEFAULT_MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// One event block: everything up to and including its blank line. A blank line that follows no field is a block of its
/// own, without data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The block's bytes exactly as received, comments and line ends included: what a native stream passes on.
    pub raw: &'a [u8],
    /// The last `event:` field that is not empty.
    pub event: Option<Cow<'a, [u8]>>,
    /// The `data:` lines joined by `\n`; `None` for blocks of comments or other fields only. Borrowed unless there are
    /// several lines.
    pub data: Option<Cow<'a, [u8]>>,
    /// The last `id:` field without NUL.
    pub id: Option<Cow<'a, [u8]>>,
}

impl<'a> Frame<'a> {
    /// JSON that stands in the block without `data:`, trimmed. Gemini reports errors so (`wire.md` §1.4).
    #[must_use]
    pub fn bare_json(&self) -> Option<&'a [u8]> {
        let text = self.raw.strip_prefix(BOM).unwrap_or(self.raw).trim_ascii();
        (self.data.is_none() && matches!(text.first(), Some(b'{' | b'['))).then_some(text)
    }
}

/// What was left when the input ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest<'a> {
    /// The leftover, read as if the missing line end and blank line were there. WHATWG discards it unless it is
    /// [`Ending::Closed`]; a caller may use it where its data parses.
    pub frame: Frame<'a>,
    /// How it ended.
    pub ending: Ending,
}

/// How the last block of a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With its blank line: an ordinary event (its last byte is a CR, so that only the end of input could decide).
    Closed,
    /// Every line is whole, the blank line is missing.
    Unclosed,
    /// Within a line.
    Cut,
}

/// An event block is longer than the decoder's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong {
    /// The limit in bytes.
    pub max_event_bytes: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an event of the stream is longer than {} bytes", self.max_event_bytes)
    }
}

impl std::error::Error for TooLong {}

/// Cuts a byte stream into frames. After each [`Decoder::push`] take frames until there is none: only then is memory
/// given back. Each byte is scanned once and moved at most once more on average, however the input is split.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Blocks that are whole and not yet taken.
    ready: VecDeque<Block>,
    /// The block that is still growing; `at.end` is not used.
    open: Block,
    /// Start of the line that is still growing.
    line: usize,
    /// No line end that could be decided stands before this offset.
    scanned: usize,
    /// No line has ended yet: a byte order mark may stand before it.
    first_line: bool,
    max_event_bytes: usize,
    overlong: bool,
}

/// A block by offsets into the buffer.
#[derive(Debug, Default)]
struct Block {
    at: Range<usize>,
    event: Option<Range<usize>>,
    data: Option<Range<usize>>,
    /// Second and later `data:` lines; rare.
    more_data: Vec<Range<usize>>,
    id: Option<Range<usize>>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with [`DEFAULT_MAX_EVENT_BYTES`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_MAX_EVENT_BYTES)
    }

    /// A decoder that refuses blocks of more than so many bytes.
    #[must_use]
    pub fn with_limit(max_event_bytes: usize) -> Self {
        Self {
            buffer: Vec::new(),
            ready: VecDeque::new(),
            open: Block::default(),
            line: 0,
            scanned: 0,
            first_line: true,
            max_event_bytes,
            overlong: false,
        }
    }

    /// Takes the next bytes, split anywhere. A CR at the end waits for the next byte, because a LF would belong to it.
    ///
    /// # Errors
    /// The upstream's: a block is over the limit. Frames before it can still be taken, later input is refused.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if !self.overlong {
            self.compact();
            self.buffer.extend_from_slice(bytes);
            self.scan(false);
        }
        if self.overlong {
            return Err(TooLong { max_event_bytes: self.max_event_bytes });
        }
        Ok(())
    }

    /// The next whole block, or `None` until more is pushed.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let block = self.ready.pop_front()?;
        Some(block.frame(&self.buffer))
    }

    /// What is left at the end of input, once every frame has been taken; `None` when the last block was whole. The
    /// leftover is given out once.
    pub fn finish(&mut self) -> Option<Rest<'_>> {
        if !self.overlong {
            self.scan(true);
        }
        if let Some(block) = self.ready.pop_front() {
            return Some(Rest { frame: block.frame(&self.buffer), ending: Ending::Closed });
        }
        let end = self.buffer.len();
        let mut block = std::mem::take(&mut self.open);
        if block.at.start >= end {
            self.open.at.start = end;
            return None;
        }
        let cut = self.line < end;
        if cut {
            block.field(&self.buffer, self.line..end, self.first_line);
        }
        block.at.end = end;
        self.open.at.start = end;
        self.line = end;
        self.scanned = end;
        Some(Rest { frame: block.frame(&self.buffer), ending: if cut { Ending::Cut } else { Ending::Unclosed } })
    }

    /// Whether the input so far ends inside a block: bytes of it are here, its blank line is not.
    #[must_use]
    pub fn inside_block(&self) -> bool {
        self.open.at.start < self.buffer.len()
    }

    /// Finds line ends in what has not been scanned, and with them fields and blocks.
    fn scan(&mut self, at_end: bool) {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(found) = memchr::memchr2(b'\n', b'\r', rest) else {
                self.scanned = self.buffer.len();
                break;
            };
            let end = self.scanned + found;
            let next = match (rest.get(found), rest.get(found + 1)) {
                (Some(b'\r'), Some(b'\n')) => end + 2,
                (Some(b'\r'), None) if !at_end => {
                    self.scanned = end;
                    break;
                }
                _ => end + 1,
            };
            let blank = self.open.field(&self.buffer, self.line..end, self.first_line);
            self.first_line = false;
            self.line = next;
            self.scanned = next;
            if blank {
                self.overlong = next - self.open.at.start > self.max_event_bytes;
                if self.overlong {
                    return;
                }
                let mut whole = std::mem::take(&mut self.open);
                whole.at.end = next;
                self.open.at.start = next;
                self.ready.push_back(whole);
            }
        }
        self.overlong = self.buffer.len() - self.open.at.start > self.max_event_bytes;
    }

    /// Gives back the bytes of taken frames once they outweigh what has to be moved for it.
    fn compact(&mut self) {
        let taken = self.open.at.start;
        let kept = self.buffer.len() - taken;
        if !self.ready.is_empty() || taken < kept || taken == 0 {
            return;
        }
        self.buffer.drain(..taken);
        self.open.shift(taken);
        self.line -= taken;
        self.scanned -= taken;
    }
}

impl Block {
    /// Takes in one line (without its end); true when it is the blank line.
    fn field(&mut self, buffer: &[u8], mut at: Range<usize>, first_line: bool) -> bool {
        let mut line = buffer.get(at.clone()).unwrap_or_default();
        if let Some(rest) = line.strip_prefix(BOM).filter(|_| first_line) {
            line = rest;
            at.start += BOM.len();
        }
        let (name, value) = match memchr::memchr(b':', line) {
            Some(colon) => {
                let space = usize::from(line.get(colon + 1) == Some(&b' '));
                (line.get(..colon).unwrap_or_default(), at.start + colon + 1 + space..at.end)
            }
            None => (line, at.end..at.end),
        };
        match name {
            b"data" if self.data.is_none() => self.data = Some(value),
            b"data" => self.more_data.push(value),
            b"event" => self.event = Some(value).filter(|v| !v.is_empty()),
            b"id" => {
                let text = buffer.get(value.clone()).unwrap_or_default();
                if memchr::memchr(0, text).is_none() {
                    self.id = Some(value);
                }
            }
            _ => {}
        }
        line.is_empty()
    }

    fn frame<'b>(&self, buffer: &'b [u8]) -> Frame<'b> {
        let text = |at: &Range<usize>| buffer.get(at.clone()).unwrap_or_default();
        let mut data = self.data.as_ref().map(|first| Cow::Borrowed(text(first)));
        for more in &self.more_data {
            if let Some(joined) = &mut data {
                let joined = joined.to_mut();
                joined.push(b'\n');
                joined.extend_from_slice(text(more));
            }
        }
        Frame {
            raw: text(&self.at),
            event: self.event.as_ref().map(|at| Cow::Borrowed(text(at))),
            data,
            id: self.id.as_ref().map(|at| Cow::Borrowed(text(at))),
        }
    }

    fn shift(&mut self, by: usize) {
        self.at.start -= by;
        let fields = [&mut self.event, &mut self.data, &mut self.id].into_iter().flatten();
        for at in fields.chain(&mut self.more_data) {
            *at = at.start - by..at.end - by;
        }
    }
}

/// Goes over events that are here whole, however long they are.
///
/// # Errors
/// The first of the caller's, which ends it.
pub fn each_event<E>(events: &[u8], mut take: impl FnMut(&Frame<'_>) -> Result<(), E>) -> Result<(), E> {
    let mut frames = Decoder::with_limit(usize::MAX);
    // Without a limit none is too long.
    let _ = frames.push(events);
    while let Some(frame) = frames.next_frame() {
        take(&frame)?;
    }
    Ok(())
}

/// Appends an event. Line ends inside `data` start further `data:` lines, so the reader gets them back as LF.
pub fn write_event(out: &mut Vec<u8>, event: Option<&str>, data: &[u8]) {
    if let Some(event) = event {
        write_lines(out, b"event: ", event.as_bytes());
    }
    write_lines(out, b"data: ", data);
    out.push(b'\n');
}

/// Appends a comment block, such as a ping: readers ignore it.
pub fn write_comment(out: &mut Vec<u8>, text: &str) {
    write_lines(out, b": ", text.as_bytes());
    out.push(b'\n');
}

fn write_lines(out: &mut Vec<u8>, prefix: &[u8], mut text: &[u8]) {
    loop {
        let end = memchr::memchr2(b'\n', b'\r', text);
        out.extend_from_slice(prefix);
        out.extend_from_slice(text.get(..end.unwrap_or(text.len())).unwrap_or_default());
        out.push(b'\n');
        let Some(end) = end else { return };
        let crlf = usize::from(text.get(end..end + 2) == Some(b"\r\n"));
        text = text.get(end + 1 + crlf..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
