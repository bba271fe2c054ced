//! How a stream's events are laid out for the caller: as they are, or as the elements of one JSON array, which is what
//! Gemini's clients get without `alt=sse` (`wire.md` §1.4).

use std::borrow::Cow;

use crate::dialect::gemini::array::Joiner;

/// The layout of one stream.
#[derive(Debug)]
pub enum Framing {
    /// Server-sent events.
    Events,
    /// One JSON array, an element for each event.
    Array(Box<Joiner>),
}

impl Framing {
    /// An array if so wanted, else events.
    #[must_use]
    pub fn of(array: bool) -> Self {
        if array {
            Self::Array(Box::default())
        } else {
            Self::Events
        }
    }

    /// The media type of the stream.
    #[must_use]
    pub fn content_type(array: bool) -> &'static str {
        if array {
            "application/json; charset=utf-8"
        } else {
            "text/event-stream; charset=utf-8"
        }
    }

    /// Bytes of events, which may be split anywhere, as the caller gets them.
    #[must_use]
    pub fn lay_out<'b>(&mut self, events: &'b [u8]) -> Cow<'b, [u8]> {
        match self {
            Self::Events => Cow::Borrowed(events),
            Self::Array(joiner) => {
                let mut out = Vec::with_capacity(events.len());
                joiner.events(events, &mut out);
                Cow::Owned(out)
            }
        }
    }

    /// What means nothing and keeps the connection alive: a comment, or white space between elements.
    #[must_use]
    pub fn keep_alive(&self) -> &'static [u8] {
        match self {
            Self::Events => b": ping\n\n",
            Self::Array(_) => b"\n",
        }
    }

    /// What follows the last event.
    #[must_use]
    pub fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Self::Array(joiner) = self {
            joiner.end(&mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stay_as_they_are_and_an_array_is_json_with_anything_between_its_elements() {
        let mut events = Framing::of(false);
        assert!(matches!(events.lay_out(b"data: {}\r\n\r\n"), Cow::Borrowed(b"data: {}\r\n\r\n")));
        assert!(events.end().is_empty());
        let mut array = Framing::of(true);
        let mut out = array.keep_alive().to_vec();
        out.extend_from_slice(&array.lay_out(b"data: {\"a\":1}\r\n\r\n"));
        out.extend_from_slice(array.keep_alive());
        out.extend_from_slice(&array.lay_out(b"data: {\"a\":2}\r\n\r\n"));
        out.extend_from_slice(&array.end());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&out).unwrap(), serde_json::json!([{"a": 1}, {"a": 2}]));
    }
}
