//! The wire languages. Each has the same files: `types.rs` (wire shapes), `request.rs`, `response.rs`, `stream.rs`
//! (wire ↔ canonical), `view.rs` (what the native path needs to know, borrowed) and `error.rs`.
//!
//! This file is the codec table: the only place that lists every dialect.

pub mod anthropic_messages;
mod cache_marks;
pub mod canonical;
pub mod carried;
pub mod citation;
pub mod fields;
pub mod family;
pub mod gemini;
mod names;
pub mod openai_chat;
pub mod openai_responses;
pub mod pause;
pub mod prefill;
mod schema;
mod tier;
pub mod view;

use serde::de::value::StrDeserializer;
use serde::de::IntoDeserializer;
use serde::Deserialize;

use canonical::{ChatRequest, ChatResponse, FinishReason, Loss, StreamEvent, Usage};
use carried::Signer;
use family::{ChatTools, Efforts, Family, Sampling};
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

/// What an encoder must know of the model it writes for.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    /// Provider name, for messages.
    pub provider: &'a str,
    /// The model's name at the provider.
    pub model: &'a str,
    /// What the model accepts.
    pub traits: ModelTraits,
    /// Largest answer in tokens, where known (Anthropic requires a bound in every request).
    pub max_output_tokens: Option<u64>,
}

/// What a model accepts (`wire.md` §1.9). A model that is not in the catalogue is given the benefit of the doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct ModelTraits {
    /// Function tools.
    pub tools: bool,
    /// `tool_choice` required or named.
    pub forced_tools: bool,
    /// Pictures in.
    pub vision: bool,
    /// Sound in.
    pub audio: bool,
    /// Documents in.
    pub files: bool,
    /// JSON mode.
    pub json_object: bool,
    /// JSON-schema outputs.
    pub json_schema: bool,
    /// Can think.
    pub reasoning: bool,
    /// Thinking cannot be switched off.
    pub always_reasons: bool,
    /// Accepts temperature, top_p, top_k.
    pub sampling: bool,
    /// Accepts them where thinking is switched off in the request.
    pub sampling_at_rest: bool,
    /// Frequency and presence penalties.
    pub penalties: bool,
    /// Log probabilities.
    pub logprobs: bool,
    /// Stop sequences.
    pub stop: bool,
    /// Effort words; `None` = unknown.
    pub efforts: Option<Efforts>,
    /// Whether Chat Completions takes function tools for it.
    pub chat_tools: ChatTools,
    /// Continues a trailing assistant turn.
    pub prefill: bool,
}

impl ModelTraits {
    /// Everything is accepted: the provider decides.
    pub const PERMISSIVE: Self = Self {
        tools: true,
        forced_tools: true,
        vision: true,
        audio: true,
        files: true,
        json_object: true,
        json_schema: true,
        reasoning: true,
        always_reasons: false,
        sampling: true,
        sampling_at_rest: false,
        penalties: true,
        logprobs: true,
        stop: true,
        efforts: None,
        chat_tools: ChatTools::Free,
        prefill: true,
    };

    /// These, as far as the model's family has them too.
    #[must_use]
    pub fn within(self, family: &Family) -> Self {
        let thinks = family.thinking != family::Thinking::Never;
        Self {
            forced_tools: self.forced_tools && family.forced_tools,
            json_schema: self.json_schema && family.json_schema,
            reasoning: self.reasoning && thinks,
            always_reasons: self.always_reasons || (thinks && !family.off),
            sampling: self.sampling && matches!(family.sampling, Sampling::All | Sampling::One),
            sampling_at_rest: family.sampling == Sampling::AtRest,
            penalties: self.penalties && family.penalties,
            logprobs: self.logprobs && family.logprobs,
            stop: self.stop && family.stop,
            efforts: family.efforts.or(self.efforts),
            chat_tools: family.chat_tools,
            prefill: self.prefill && family.prefill != Some(false),
            ..self
        }
    }
}

/// A request written for a target.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// JSON body.
    pub body: Vec<u8>,
    /// Everything that is not exact. Unsupported entries have been left out of the body.
    pub losses: Vec<Loss>,
}

/// What an answer's encoder must know beyond the answer.
#[derive(Debug, Clone, Default)]
pub struct ReplyContext {
    /// Our request id, used where the provider gave none.
    pub request_id: String,
    /// Model name for the answer's `model` member when the provider gave none.
    pub model: String,
    /// Unix seconds.
    pub now_secs: u64,
    /// OpenAI streams: whether the caller asked for the usage chunk.
    pub include_usage: bool,
    /// Prompt tokens estimated before the call, for dialects that announce them first (Anthropic's `message_start`).
    pub estimated_input_tokens: u64,
    /// The dialect of the provider that answers: whose signatures the answer carries. Encoders write it beside them so
    /// that a replayed signature finds its reader.
    pub upstream: Option<Dialect>,
    /// `provider/model` that answers, for the same purpose: signatures are bound to an account, often to a model.
    pub answered_by: String,
    /// Responses clients: what the answer repeats of the request (`openai_responses::native::echo`); empty = defaults.
    pub echo: String,
    /// Gemini and chat clients: thoughts were not asked for (`includeThoughts`) or are not wanted (`reasoning.exclude`), so
    /// that none are shown.
    pub hide_reasoning: bool,
    /// The caller takes one call at a time: [`canonical::ChatResponse::keep_first_calls`].
    pub one_call: bool,
}

/// What is known once an answer is complete.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// Token counts.
    pub usage: Option<Usage>,
    /// Decimal US dollars such as `0.00012`, absent when unpriced.
    pub cost_usd: Option<String>,
    /// JSON object for the `signalbox` member; absent = none.
    pub signalbox: Option<String>,
}

/// A provider's own report of an error, whatever its place (status body, event, 200 body).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderError {
    /// Text for people. May quote keys or prompts: never logged, shown only for the caller's own faults.
    pub message: String,
    /// `error.type` (OpenAI, Anthropic) or `error.status` (Gemini).
    pub kind: Option<String>,
    /// `error.code`, numbers as text.
    pub code: Option<String>,
    /// `error.param`.
    pub param: Option<String>,
    /// The whole error object's JSON text, for the classifier (details, metadata).
    pub raw: String,
}

/// What stops a stream from inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamFault {
    /// One event is not what the dialect says; the stream may go on without it.
    Malformed(String),
    /// The provider reports an error.
    Provider(ProviderError),
}

/// What the native path learns from an answer without changing it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// The provider's id.
    pub id: Option<String>,
    /// The provider's model name.
    pub model: Option<String>,
    /// Latest token counts.
    pub usage: Option<Usage>,
    /// Why it ended (first choice), once known.
    pub finish: Option<FinishReason>,
    /// In the provider's words.
    pub raw_finish: Option<String>,
    /// The first choice called a function. Gemini ends such an answer with `STOP`, often in a later event.
    pub called: bool,
    /// The dialect's terminator was seen (`[DONE]`, `message_stop`; Gemini: every candidate's final finish reason).
    pub done: bool,
    /// Bytes of generated text, reasoning and arguments so far, to estimate a cut answer's tokens.
    pub output_bytes: u64,
    /// OpenAI and Gemini: choices that began, a bit each by index; those above 63 are not followed.
    pub choices_begun: u64,
    /// Those of them that have a finish reason.
    pub choices_finished: u64,
}

/// What one event of a native stream was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// It carries content: text, reasoning, a tool call, a refusal, or a finish reason.
    pub content: bool,
    /// It exists only because usage was asked for (OpenAI's chunk with empty `choices`).
    pub usage_only: bool,
    /// It carries usage (alone or with content).
    pub usage: bool,
    /// It is the dialect's terminator; Gemini has none.
    pub terminal: bool,
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

    /// Reads one event of a native stream into the observation.
    ///
    /// # Errors
    /// A malformed event, or the provider's error event.
    pub fn observe_event(self, frame: &Frame<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
        match self {
            Self::OpenAiChat => openai_chat::view::observe_event(frame, seen),
            Self::AnthropicMessages => anthropic_messages::view::observe_event(frame, seen),
            Self::Gemini => gemini::view::observe_event(frame, seen),
            Self::OpenAiResponses => openai_responses::view::observe_event(frame, seen),
        }
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
    pub fn paused(&self) -> Option<pause::Resume> {
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
