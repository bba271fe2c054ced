//! The other framing of a stream: without `alt=sse` Google sends one JSON array, `[{…}\n,{…}\n]`, element by element
//! (`wire.md` §1.4). [`Splitter`] takes it apart, [`Joiner`] puts one together for clients that did not ask for events.

use crate::sse;

/// Cuts a streamed array into its elements: bytes in at any split, whole JSON texts out. Brackets and commas around the
/// elements are not checked: objects that merely follow each other are taken too.
#[derive(Debug, Default)]
pub struct Splitter {
    buffer: Vec<u8>,
    /// Everything before this has been looked at.
    scanned: usize,
    /// Where the element that is still growing begins.
    start: Option<usize>,
    depth: usize,
    in_text: bool,
    escaped: bool,
    closed: bool,
}

/// An element is longer than [`Splitter::MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Splitter {
    /// Longest element: as for events, because one may carry a whole picture.
    pub const MAX_BYTES: usize = sse::DEFAULT_MAX_EVENT_BYTES;

    /// Takes the next bytes, split anywhere.
    ///
    /// # Errors
    /// The upstream's: an element is too long; later input is refused.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        let done = match self.start {
            Some(start) if self.depth > 0 => start,
            _ => self.scanned,
        };
        if self.buffer.len() - done > Self::MAX_BYTES {
            return Err(TooLong);
        }
        self.buffer.drain(..done);
        self.scanned -= done;
        self.start = (self.depth > 0).then_some(0);
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// The next whole element, or `None` until more is pushed.
    pub fn next_element(&mut self) -> Option<&[u8]> {
        // The element that was given out last is done with.
        if self.start.is_some() && self.depth == 0 {
            self.start = None;
        }
        while let Some(byte) = self.buffer.get(self.scanned) {
            self.scanned += 1;
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = self.depth > 0,
                b'{' => {
                    if self.depth == 0 {
                        self.start = Some(self.scanned - 1);
                    }
                    self.depth += 1;
                }
                b'[' if self.depth > 0 => self.depth += 1,
                b'}' | b']' if self.depth > 0 => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return self.buffer.get(self.start?..self.scanned);
                    }
                }
                b']' => self.closed = true,
                _ => {}
            }
        }
        None
    }

    /// Whether the array's closing bracket came. Its absence means a cut stream; its presence says nothing about the
    /// answer, whose end is a finish reason.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.closed && self.depth == 0
    }
}

/// Writes payloads as one array, each as soon as it is there.
#[derive(Debug, Default)]
pub struct Joiner {
    begun: bool,
    events: sse::Decoder,
}

impl Joiner {
    /// Appends the payloads of events, which may be split anywhere. Comments and empty events have no place in an array.
    pub fn events(&mut self, events: &[u8], out: &mut Vec<u8>) {
        // Whoever sends the events has bounded them already.
        let _ = self.events.push(events);
        while let Some(frame) = self.events.next_frame() {
            let json = frame.data.as_deref().unwrap_or_default().trim_ascii();
            if json.starts_with(b"{") {
                out.extend_from_slice(if self.begun { b",\r\n" } else { b"[" });
                self.begun = true;
                out.extend_from_slice(json);
            }
        }
    }

    /// Closes the array, also behind an error object, which is an element like any other. A stream that the transport
    /// breaks off is not closed.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.begun { b"]" } else { b"[]" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut splitter = Splitter::default();
        let mut list = Vec::new();
        for piece in pieces {
            splitter.push(piece).unwrap();
            while let Some(element) = splitter.next_element() {
                list.push(String::from_utf8(element.to_vec()).unwrap());
            }
        }
        (list, splitter.closed())
    }

    #[test]
    fn elements_do_not_depend_on_the_split() {
        let body = "[{\n \"a\": \"}]\\\"{\\\\\", \"b\": [{}, [1]]\n}\n,\r\n{\"é\u{2028}\":\"😀\"}\n]\n".as_bytes();
        let whole = split(&[body]);
        assert_eq!(whole.0.len(), 2);
        assert!(whole.1);
        for at in 0..body.len() {
            assert_eq!(split(&[&body[..at], &body[at..]]), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(split(&bytes), whole);
    }

    #[test]
    fn a_cut_array_is_not_closed() {
        assert_eq!(split(&[b"[{\"a\":1}\n,{\"b\""]), (vec!["{\"a\":1}".to_owned()], false));
        assert_eq!(split(&[b"[]"]), (vec![], true));
        assert_eq!(split(&[b"{\"a\":1} {\"b\":2}"]).0.len(), 2);
    }

    #[test]
    fn an_element_without_an_end_is_refused() {
        let mut splitter = Splitter::default();
        splitter.push(b"[{\"a\":\"").unwrap();
        let piece = vec![b'x'; 1024 * 1024];
        let refused = (0..10).any(|_| {
            let refused = splitter.push(&piece).is_err();
            assert_eq!(splitter.next_element(), None);
            refused
        });
        assert!(refused);
    }

    #[test]
    fn what_is_joined_can_be_split() {
        let (mut joiner, mut out) = (Joiner::default(), Vec::new());
        joiner.events(b"data: {\"a\":1}\n\n: ping\n\ndata: [DONE]\n\n", &mut out);
        joiner.events(b"data: {\"b\":[2]}\r\n\r\ndata: {\"c\":\r\ndata: 3}\r\n\r\n", &mut out);
        joiner.end(&mut out);
        assert_eq!(out, b"[{\"a\":1},\r\n{\"b\":[2]},\r\n{\"c\":\n3}]");
        assert_eq!(split(&[&out]).0, ["{\"a\":1}", "{\"b\":[2]}", "{\"c\":\n3}"]);
        let events = "data: {\"é\":\"😀\u{2028}\"}\r\n\r\ndata: {\"b\":2}\n\ndata:{}\r\r\n".as_bytes();
        let joined = |pieces: &[&[u8]]| {
            let (mut joiner, mut out) = (Joiner::default(), Vec::new());
            pieces.iter().for_each(|piece| joiner.events(piece, &mut out));
            joiner.end(&mut out);
            out
        };
        let whole = joined(&[events]);
        assert_eq!(split(&[&whole]).0.len(), 3);
        for at in 0..events.len() {
            assert_eq!(joined(&[&events[..at], &events[at..]]), whole, "split at {at}");
        }
        let mut empty = Vec::new();
        Joiner::default().end(&mut empty);
        assert_eq!(empty, b"[]");
    }
}
