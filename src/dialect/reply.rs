//! What the writers of answers know beyond the answer.

use super::canonical::Usage;
use super::Dialect;

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
    /// The caller takes one call at a time: [`super::canonical::ChatResponse::keep_first_calls`].
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
