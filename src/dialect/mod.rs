//! The wire languages. Each has the same files: `types.rs` (wire shapes), `request.rs`, `response.rs`, `stream.rs`
//! (wire ↔ canonical), `view.rs` (what the native path needs to know, borrowed), `unrolled.rs` (a whole answer as a stream)
//! and `error.rs`.
//!
//! This file, `streams.rs`, `unrolled.rs` and `gathered.rs` are the codec table: the only places that list every dialect.

mod answered;
pub mod anthropic_messages;
mod cache_marks;
pub mod canonical;
pub mod carried;
pub mod citation;
pub mod custom;
pub mod fields;
pub mod family;
pub mod gathered;
pub mod gemini;
mod names;
mod observed;
pub mod openai_chat;
pub mod openai_responses;
pub mod pause;
pub mod prefill;
mod reply;
mod schema;
mod streams;
mod target;
pub mod tier;
pub mod tokens;
mod unrolled;
pub mod view;

use serde::de::value::StrDeserializer;
use serde::de::IntoDeserializer;
use serde::Deserialize;
use serde_json::value::RawValue;

pub use observed::{Observation, ProviderError, Seen, StreamFault, Varying};
pub use reply::{ReplyContext, Tail};
pub use streams::{StreamDecoder, StreamEncoder};
pub use target::{Encoded, ModelTraits, Target};

use canonical::{ChatRequest, ChatResponse, Loss, Usage};
use carried::Signer;
use view::View;

use crate::error::GatewayError;
use crate::json::Members;
use crate::sse::Frame;

/// A wire language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum Dialect {
    /// OpenAI Chat Completions.
    #[serde(rename = "openai-chat")]
    OpenAiChat,
    /// Anthropic Messages.
    #[serde(rename = "anthropic-messages")]
    AnthropicMessages,
    /// Gemini generateContent.
    #[serde(rename = "gemini")]
    Gemini,
    /// OpenAI Responses.
    #[serde(rename = "openai-responses")]
    OpenAiResponses,
}

impl Dialect {
    /// The name in configuration, headers and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai-chat",
            Self::AnthropicMessages => "anthropic-messages",
            Self::Gemini => "gemini",
            Self::OpenAiResponses => "openai-responses",
        }
    }

    /// The dialect of a name as [`Dialect::name`] gives it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name: StrDeserializer<'_, serde::de::value::Error> = name.into_deserializer();
        Self::deserialize(name).ok()
    }

    /// What routing and the native path need of a request body, without a tree.
    ///
    /// # Errors
    /// The caller's, naming the field.
    pub fn view(self, body: &[u8]) -> Result<View<'_>, GatewayError> {
        match self {
            Self::OpenAiChat => openai_chat::view::view(body),
            Self::AnthropicMessages => anthropic_messages::view::view(body),
            Self::Gemini => gemini::view::view(body),
            Self::OpenAiResponses => openai_responses::view::view(body),
        }
    }

    /// A request of this dialect as a provider that speaks it may see it, with what that costs; `None` when it can go as it
    /// is. What only our clients see comes off; `unsigned` takes signed reasoning out that the provider has refused.
    /// `provider` is its profile.
    #[must_use]
    pub fn for_server(self, body: &[u8], provider: &str, unsigned: bool) -> Option<(Vec<u8>, Vec<Loss>)> {
        match self {
            Self::OpenAiChat => openai_chat::native::for_server(body, provider, unsigned),
            Self::AnthropicMessages => anthropic_messages::native::for_server(body, unsigned),
            Self::Gemini => gemini::native::for_server(body, unsigned),
            Self::OpenAiResponses => openai_responses::native::for_server(body, unsigned),
        }
    }

    /// Whose signed reasoning a request's history carries. A search for a few names, not a reading.
    #[must_use]
    pub fn signed_by(self, body: &[u8]) -> Option<Signer> {
        match self {
            Self::OpenAiChat => openai_chat::native::signed_by(body),
            Self::AnthropicMessages => anthropic_messages::native::signed_by(body),
            Self::Gemini => gemini::native::signed_by(body),
            Self::OpenAiResponses => openai_responses::native::signed_by(body),
        }
    }

    /// What an answer repeats of its request, for [`ReplyContext::echo`]; empty where the dialect repeats nothing.
    #[must_use]
    pub fn echo(self, members: &Members<'_>) -> String {
        match self {
            Self::OpenAiResponses => openai_responses::native::echo(members),
            Self::OpenAiChat | Self::AnthropicMessages | Self::Gemini => String::new(),
        }
    }

    /// Reads a request whole, for translation.
    ///
    /// # Errors
    /// The caller's, naming the field.
    pub fn decode_request(self, body: &[u8]) -> Result<ChatRequest, GatewayError> {
        match self {
            Self::OpenAiChat => openai_chat::request::decode(body),
            Self::AnthropicMessages => anthropic_messages::request::decode(body),
            Self::Gemini => gemini::request::decode(body),
            Self::OpenAiResponses => openai_responses::request::decode(body),
        }
    }

    /// Writes a request for a target. Never fails: what cannot be said is in the losses as unsupported.
    #[must_use]
    pub fn encode_request(self, request: &ChatRequest, target: &Target<'_>) -> Encoded {
        if let Some((changed, losses)) = custom::without_answers(self, request, target) {
            let mut encoded = self.encode_as_it_is(&changed, target);
            encoded.losses.extend(losses);
            return encoded;
        }
        self.encode_as_it_is(request, target)
    }

    fn encode_as_it_is(self, request: &ChatRequest, target: &Target<'_>) -> Encoded {
        match self {
            Self::OpenAiChat => openai_chat::request::encode(request, target),
            Self::AnthropicMessages => anthropic_messages::request::encode(request, target),
            Self::Gemini => gemini::request::encode(request, target),
            Self::OpenAiResponses => openai_responses::request::encode(request, target),
        }
    }

    /// Reads a whole answer.
    ///
    /// # Errors
    /// An error body inside a 200, or bytes that are not the dialect's.
    pub fn decode_response(self, body: &[u8]) -> Result<ChatResponse, StreamFault> {
        match self {
            Self::OpenAiChat => openai_chat::response::decode(body),
            Self::AnthropicMessages => anthropic_messages::response::decode(body),
            Self::Gemini => gemini::response::decode(body),
            Self::OpenAiResponses => openai_responses::response::decode(body),
        }
    }

    /// Writes a whole answer; losses list what the caller's dialect cannot carry.
    #[must_use]
    pub fn encode_response(self, response: &ChatResponse, context: &ReplyContext, tail: &Tail) -> Encoded {
        match self {
            Self::OpenAiChat => openai_chat::response::encode(response, context, tail),
            Self::AnthropicMessages => anthropic_messages::response::encode(response, context, tail),
            Self::Gemini => gemini::response::encode(response, context, tail),
            Self::OpenAiResponses => openai_responses::response::encode(response, context, tail),
        }
    }

    /// Reads usage, finish and ids of a whole native answer without building it.
    ///
    /// # Errors
    /// An error body inside a 200, or bytes that are not the dialect's.
    pub fn observe_response(self, body: &[u8]) -> Result<Observation, StreamFault> {
        match self {
            Self::OpenAiChat => openai_chat::view::observe_response(body),
            Self::AnthropicMessages => anthropic_messages::view::observe_response(body),
            Self::Gemini => gemini::view::observe_response(body),
            Self::OpenAiResponses => openai_responses::view::observe_response(body),
        }
    }

    /// Reads token counts by themselves.
    pub fn decode_usage(self, raw: &RawValue) -> Option<Usage> {
        match self {
            Self::OpenAiChat | Self::OpenAiResponses => openai_chat::usage::decode(raw),
            Self::AnthropicMessages => anthropic_messages::view::usage(raw),
            Self::Gemini => gemini::usage::decode(&crate::json::from_str(raw.get()).ok()?),
        }
    }

    /// Reads one event of a native stream into the observation.
    ///
    /// # Errors
    /// A malformed event, or the provider's error event.
    pub fn observe_event(self, frame: &Frame<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
        self.observe_varying(frame, seen).map(|(event, _)| event)
    }

    /// The same; also, where that is known, in what the next event may differ from it without meaning anything else.
    ///
    /// # Errors
    /// See [`Dialect::observe_event`].
    pub fn observe_varying<'f>(
        self,
        frame: &'f Frame<'_>,
        seen: &mut Observation,
    ) -> Result<(Seen, Option<Varying<'f>>), StreamFault> {
        match self {
            Self::OpenAiChat => openai_chat::view::observe_event(frame, seen),
            Self::AnthropicMessages => anthropic_messages::view::observe_event(frame, seen),
            // Each event has counts or a number of its own.
            Self::Gemini => gemini::view::observe_event(frame, seen).map(|event| (event, None)),
            Self::OpenAiResponses => openai_responses::view::observe_event(frame, seen).map(|event| (event, None)),
        }
    }

    /// The events of a whole answer that stands in the place of a stream, in one of its blocks or as its body; `None` for
    /// every other block.
    #[must_use]
    pub fn unrolled(self, frame: &Frame<'_>) -> Option<Vec<u8>> {
        unrolled::events(self, frame)
    }

    /// A reader for this dialect's streams.
    #[must_use]
    pub fn stream_decoder(self) -> StreamDecoder {
        match self {
            Self::OpenAiChat => StreamDecoder::OpenAiChat(openai_chat::stream::Decoder::default()),
            Self::AnthropicMessages => StreamDecoder::AnthropicMessages(anthropic_messages::stream::Decoder::default()),
            Self::Gemini => StreamDecoder::Gemini(gemini::stream::Decoder::default()),
            Self::OpenAiResponses => StreamDecoder::OpenAiResponses(openai_responses::stream::Decoder::default()),
        }
    }

    /// A writer for this dialect's streams.
    #[must_use]
    pub fn stream_encoder(self, context: ReplyContext) -> StreamEncoder {
        match self {
            Self::OpenAiChat => StreamEncoder::OpenAiChat(openai_chat::stream::Encoder::new(context)),
            Self::AnthropicMessages => {
                StreamEncoder::AnthropicMessages(anthropic_messages::stream::Encoder::new(context))
            }
            Self::Gemini => StreamEncoder::Gemini(gemini::stream::Encoder::new(context)),
            Self::OpenAiResponses => StreamEncoder::OpenAiResponses(openai_responses::stream::Encoder::new(context)),
        }
    }

    /// The error object of a status body or event, if this is one.
    #[must_use]
    pub fn decode_error(self, body: &[u8]) -> Option<ProviderError> {
        match self {
            Self::OpenAiChat => openai_chat::error::decode(body),
            Self::AnthropicMessages => anthropic_messages::error::decode(body),
            Self::Gemini => gemini::error::decode(body),
            Self::OpenAiResponses => openai_responses::error::decode(body),
        }
    }

    /// The JSON body of an error answer, in this dialect's official vocabulary.
    #[must_use]
    pub fn encode_error(self, error: &GatewayError, request_id: &str) -> Vec<u8> {
        match self {
            Self::OpenAiChat => openai_chat::error::encode(error, request_id),
            Self::AnthropicMessages => anthropic_messages::error::encode(error, request_id),
            Self::Gemini => gemini::error::encode(error, request_id),
            Self::OpenAiResponses => openai_responses::error::encode(error, request_id),
        }
    }

    /// The number of the event that may follow these, where the dialect numbers events. Counting them would not do: one that could
    /// not be read has left a gap.
    #[must_use]
    pub fn number_behind(self, events: &[u8]) -> Option<u64> {
        (self == Self::OpenAiResponses).then(|| openai_responses::native::next_number(events)).flatten()
    }

    /// The bytes of an error inside a stream whose status line is out: the dialect's typed end. `number`: the next event's, where
    /// the dialect counts them.
    #[must_use]
    pub fn encode_stream_error(
        self,
        error: &GatewayError,
        request_id: &str,
        signalbox: Option<&str>,
        number: u64,
    ) -> Vec<u8> {
        match self {
            Self::OpenAiChat => openai_chat::error::encode_event(error, request_id, signalbox),
            Self::AnthropicMessages => anthropic_messages::error::encode_event(error, request_id, signalbox),
            Self::Gemini => gemini::error::encode_event(error, request_id, signalbox),
            Self::OpenAiResponses => openai_responses::error::encode_event(error, request_id, signalbox, number),
        }
    }
}
