//! The readers and writers of streams, any dialect's in one type: the other half of the codec table.

use super::canonical::{Loss, StreamEvent};
use super::observed::StreamFault;
use super::pause::Resume;
use super::reply::Tail;
use super::{anthropic_messages, gemini, openai_chat, openai_responses, Dialect};
use crate::sse::Frame;

/// Reads any dialect's stream.
#[derive(Debug)]
pub enum StreamDecoder {
    /// OpenAI chat chunks.
    OpenAiChat(openai_chat::stream::Decoder),
    /// Anthropic events.
    AnthropicMessages(anthropic_messages::stream::Decoder),
    /// Gemini partial responses.
    Gemini(gemini::stream::Decoder),
    /// Responses events.
    OpenAiResponses(openai_responses::stream::Decoder),
}

impl StreamDecoder {
    /// Reads one event, appending what it means.
    ///
    /// # Errors
    /// A malformed event (state unchanged, the stream may go on) or the provider's error.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        match self {
            Self::OpenAiChat(d) => d.frame(frame, out),
            Self::AnthropicMessages(d) => d.frame(frame, out),
            Self::Gemini(d) => d.frame(frame, out),
            Self::OpenAiResponses(d) => d.frame(frame, out),
        }
    }

    /// Whether the answer is complete by the dialect's own rule: at end of input `false` means cut.
    /// A missing `[DONE]` after a finish reason is complete.
    #[must_use]
    pub fn complete(&self) -> bool {
        match self {
            Self::OpenAiChat(d) => d.complete(),
            Self::AnthropicMessages(d) => d.complete(),
            Self::Gemini(d) => d.complete(),
            Self::OpenAiResponses(d) => d.complete(),
        }
    }

    /// Keeps what a paused turn is gone on with, where the dialect has pauses and the turn itself is wanted back.
    pub fn keep_turn(&mut self) {
        if let Self::AnthropicMessages(d) = self {
            d.keep_turn();
        }
    }

    /// What resumes the turn, if its provider has paused it.
    #[must_use]
    pub fn paused(&self) -> Option<Resume> {
        match self {
            Self::AnthropicMessages(d) => d.paused(),
            Self::Gemini(d) => d.paused(),
            Self::OpenAiChat(_) | Self::OpenAiResponses(_) => None,
        }
    }

    /// Gets ready for the stream that goes on with a paused turn.
    pub fn resume(&mut self) {
        match self {
            Self::AnthropicMessages(d) => d.resume(),
            Self::Gemini(d) => d.resume(),
            Self::OpenAiChat(_) | Self::OpenAiResponses(_) => {}
        }
    }

    /// Whether the dialect's terminator was read: nothing that counts comes after it. Gemini has none.
    #[must_use]
    pub fn terminated(&self) -> bool {
        match self {
            Self::OpenAiChat(d) => d.terminated(),
            Self::AnthropicMessages(d) => d.complete(),
            Self::Gemini(_) => false,
            Self::OpenAiResponses(d) => d.complete(),
        }
    }
}

/// Writes any dialect's stream. The encoder adds whatever framing its dialect needs (role chunk, `message_start`,
/// block starts and stops, indices) so that any legal sequence of [`StreamEvent`]s becomes a legal stream.
#[derive(Debug)]
// There is one per stream and it never moves: boxing would only add an indirection per event.
#[allow(clippy::large_enum_variant)]
pub enum StreamEncoder {
    /// OpenAI chat chunks.
    OpenAiChat(openai_chat::stream::Encoder),
    /// Anthropic events.
    AnthropicMessages(anthropic_messages::stream::Encoder),
    /// Gemini partial responses.
    Gemini(gemini::stream::Encoder),
    /// Responses events.
    OpenAiResponses(openai_responses::stream::Encoder),
}

impl StreamEncoder {
    /// What it writes.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::OpenAiChat(_) => Dialect::OpenAiChat,
            Self::AnthropicMessages(_) => Dialect::AnthropicMessages,
            Self::Gemini(_) => Dialect::Gemini,
            Self::OpenAiResponses(_) => Dialect::OpenAiResponses,
        }
    }

    /// Appends the wire form of one event; what the dialect cannot carry goes to `losses`.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        match self {
            Self::OpenAiChat(e) => e.event(event, out, losses),
            Self::AnthropicMessages(e) => e.event(event, out, losses),
            Self::Gemini(e) => e.event(event, out, losses),
            Self::OpenAiResponses(e) => e.event(event, out, losses),
        }
    }

    /// Appends the normal end: finish reason not yet sent, usage, terminator.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        match self {
            Self::OpenAiChat(e) => e.end(tail, out),
            Self::AnthropicMessages(e) => e.end(tail, out),
            Self::Gemini(e) => e.end(tail, out),
            Self::OpenAiResponses(e) => e.end(tail, out),
        }
    }
}
