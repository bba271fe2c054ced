//! What of an answer the caller has got, as far as somebody could go on with it: plain text of one choice and nothing
//! else (DESIGN §5 "After commit").
//!
//! On a native stream whole events are kept as they came and read only when some have gathered, or when the stream
//! breaks: most streams are short and do not break, and pay for a copy of their bytes and no more.

use std::borrow::Cow;

use memchr::memmem;
use serde::Deserialize;

use crate::dialect::canonical::{Extra, StreamEvent};
use crate::dialect::{Dialect, ReplyContext, StreamDecoder, StreamEncoder};
use crate::sse::{self, Frame};

/// Events are read when so many bytes of them have gathered.
const READ_AT_BYTES: usize = 16 * 1024;

/// The same where only a short text is worth anything: soon enough to stop copying what is not.
const READ_SOON_BYTES: usize = 8 * 1024;

/// Longest text that is kept, some 60,000 tokens: two hundred such streams still fit into an isolate.
pub const MOST_TEXT_BYTES: usize = 256 * 1024;

/// The caller's part of an answer.
#[derive(Debug)]
pub struct Delivered {
    text: String,
    /// Nothing but text went out, and its place is still open.
    plain: bool,
    /// Longest text with which anybody would go on.
    most_bytes: usize,
    start: Option<StreamEvent>,
    /// Native streams: what has not been read.
    unread: Option<Unread>,
    /// Responses: the last event's number and the open message's id.
    numbers: Numbers,
}

#[derive(Debug)]
struct Unread {
    decoder: StreamDecoder,
    raw: Vec<u8>,
    /// Texts of events that are like one before them, and behind how many bytes of `raw` each stands.
    said: Vec<(usize, String)>,
    /// Bytes of all of that.
    bytes: usize,
}

impl Unread {
    fn nothing(decoder: StreamDecoder) -> Self {
        Self { decoder, raw: Vec::new(), said: Vec::new(), bytes: 0 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Numbers {
    sequence_number: Option<u64>,
    item_id: Option<String>,
    output_index: Option<u64>,
    content_index: Option<u64>,
}

impl Delivered {
    /// Nothing yet, of a stream that passes in its provider's dialect. A text of more than `most_bytes` is forgotten.
    #[must_use]
    pub fn native(dialect: Dialect, most_bytes: usize) -> Self {
        Self { unread: Some(Unread::nothing(dialect.stream_decoder())), ..Self::translated(most_bytes) }
    }

    /// Nothing yet, of a stream that is written anew. A text of more than `most_bytes` is forgotten.
    #[must_use]
    pub fn translated(most_bytes: usize) -> Self {
        let most_bytes = most_bytes.min(MOST_TEXT_BYTES);
        Self { text: String::new(), plain: true, most_bytes, start: None, unread: None, numbers: Numbers::default() }
    }

    /// A native event went out. `said`: its text, if it differs from an event before it in nothing else.
    pub fn passed(&mut self, raw: &[u8], said: Option<&str>) {
        let Some(unread) = self.unread.as_mut().filter(|_| self.plain) else { return };
        let at = unread.raw.len();
        match (said, unread.said.last_mut()) {
            (None, _) => unread.raw.extend_from_slice(raw),
            (Some(said), Some((before, text))) if *before == at => text.push_str(said),
            (Some(said), _) => unread.said.push((at, said.to_owned())),
        }
        unread.bytes = unread.bytes.saturating_add(said.map_or(raw.len(), str::len));
        let enough = if self.most_bytes < READ_SOON_BYTES { READ_SOON_BYTES } else { READ_AT_BYTES };
        if unread.bytes >= enough {
            self.read();
        }
    }

    /// A canonical event was written.
    pub fn written(&mut self, event: &StreamEvent) {
        if !self.plain {
            return;
        }
        self.plain = match event {
            StreamEvent::Start { .. } => {
                self.start.get_or_insert_with(|| event.clone());
                true
            }
            StreamEvent::TextDelta { choice: 0, text } => {
                self.text.push_str(text);
                self.text.len() <= self.most_bytes
            }
            StreamEvent::Usage(_) => true,
            StreamEvent::Extra(extra) => says_nothing_of_the_text(extra),
            _ => false,
        };
        if !self.plain {
            self.text = String::new();
        }
    }

    /// The text, where there is nothing but text.
    #[must_use]
    pub fn text(&mut self) -> Option<&str> {
        self.read();
        (self.plain && !self.text.is_empty()).then_some(self.text.as_str())
    }

    /// A writer in the state of one that has written all of this, for a native stream that broke. Ids and model are those
    /// that the caller knows.
    #[must_use]
    pub fn writer(&mut self, dialect: Dialect, context: ReplyContext) -> StreamEncoder {
        let mut encoder = dialect.stream_encoder(context);
        let (mut out, mut losses) = (Vec::new(), Vec::new());
        if let Some(start) = &self.start {
            encoder.event(start, &mut out, &mut losses);
        }
        encoder.event(&StreamEvent::TextDelta { choice: 0, text: self.text.clone() }, &mut out, &mut losses);
        if let StreamEncoder::OpenAiResponses(encoder) = &mut encoder {
            let next = self.numbers.sequence_number.map(|last| last.saturating_add(1));
            encoder.goes_on(next, self.numbers.item_id.take());
        }
        // From here on what is delivered is what the writer writes.
        self.unread = None;
        encoder
    }

    /// Reads what has gathered.
    fn read(&mut self) {
        let Some(Unread { mut decoder, raw, said, .. }) = self.unread.take() else { return };
        let mut read = 0;
        for (at, text) in said {
            self.read_events(&mut decoder, raw.get(read..at).unwrap_or_default());
            // If the event that it is like held more than a text of the first choice, nothing is kept since then.
            self.written(&StreamEvent::TextDelta { choice: 0, text });
            read = at;
        }
        self.read_events(&mut decoder, raw.get(read..).unwrap_or_default());
        self.unread = Some(Unread::nothing(decoder));
    }

    fn read_events(&mut self, decoder: &mut StreamDecoder, raw: &[u8]) {
        let mut frames = sse::Decoder::new();
        // The last event of an input that ended may lack its blank line.
        self.plain &= frames.push(raw).is_ok() && frames.push(b"\n\n").is_ok();
        let mut events = Vec::new();
        while let Some(frame) = frames.next_frame().filter(|_| self.plain) {
            events.clear();
            self.plain = !closes_the_text(&frame) && decoder.frame(&frame, &mut events).is_ok();
            for event in &events {
                self.written(event);
            }
            if let (StreamDecoder::OpenAiResponses(_), Some(data)) = (&*decoder, frame.data.as_deref()) {
                self.count(data);
            }
        }
    }

    /// Numbers and ids of Responses: an item that is not the first is none that a new writer would know.
    fn count(&mut self, data: &[u8]) {
        let Ok(numbers) = crate::json::from_slice::<Numbers>(data) else { return };
        self.numbers.sequence_number = numbers.sequence_number.max(self.numbers.sequence_number);
        self.numbers.item_id = numbers.item_id.or_else(|| self.numbers.item_id.take());
        self.plain &= numbers.output_index.unwrap_or(0) == 0 && numbers.content_index.unwrap_or(0) == 0;
    }
}

/// Whether an event ends a text, so that nothing can be added to it: Anthropic's blocks and Responses' parts and items.
fn closes_the_text(frame: &Frame<'_>) -> bool {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Cow<'a, str>>,
    }
    let closes = |name: &[u8]| name == b"content_block_stop" || name.ends_with(b".done");
    match (&frame.event, frame.data.as_deref()) {
        (Some(name), _) => closes(name),
        // Chat and Gemini name no events, and neither do some servers of the other two.
        (None, Some(data)) if [&b"_stop\""[..], b".done\""].iter().any(|end| memmem::find(data, end).is_some()) => {
            let event = crate::json::from_slice::<Kind<'_>>(data);
            event.is_ok_and(|event| event.kind.is_some_and(|kind| closes(kind.as_bytes())))
        }
        (None, _) => false,
    }
}

/// Members of the answer as a whole and what safety filters say, as opposed to citations, log probabilities or sound, which
/// would have to be stitched too.
fn says_nothing_of_the_text(extra: &Extra) -> bool {
    extra.is_verdict() || !extra.field.contains('[') || extra.field.contains("content_filter")
}

#[cfg(test)]
mod tests;
