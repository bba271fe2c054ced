//! What is learnt from a provider's answer without changing it: what it reports, what stops it, what it says in passing.

use super::canonical::{FinishReason, Usage};
use super::tier::ServiceTier;

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
    /// The capacity that answers, where it stands beside the counts: see [`Observation::billed`].
    pub service: ServiceTier,
    /// Searches of the web that are told of beside the counts (Gemini).
    pub web_searches: Option<u64>,
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

impl Observation {
    /// Whether the provider counted all that it charges for. Who generated nothing may leave out how much that was.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        let nothing = self.output_bytes == 0 && !self.called;
        self.usage.is_some_and(|usage| !usage.input_unknown && (nothing || !usage.output_unknown))
    }

    /// Whether anything was used, by the provider's counts or by what came.
    #[must_use]
    pub fn has_used(&self) -> bool {
        let counted = self.usage.map_or(0, |usage| usage.prompt_tokens().saturating_add(usage.completion_tokens()));
        counted > 0 || self.output_bytes > 0
    }

    /// What the provider charges for, as far as it said.
    #[must_use]
    pub fn billed(&self) -> Option<Usage> {
        self.usage.map(|usage| self.with_what_stands_apart(usage))
    }

    /// A usage of this answer, as it is written down, with what was told of beside the counts.
    #[must_use]
    pub fn with_what_stands_apart(&self, usage: Usage) -> Usage {
        let service = if usage.service.is_standard() { self.service } else { usage.service };
        let web_searches = usage.web_searches.max(self.web_searches);
        Usage { service, web_searches, input_unknown: false, output_unknown: false, ..usage }
    }
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

/// In what the events of a stream usually differ alone, as it stands in an event: between quotes, escapes and all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Varying<'f> {
    /// The text that was generated; its bytes were counted.
    pub said: &'f str,
    /// It is a text of the answer, and no thought, refusal or call.
    pub is_text: bool,
    /// Random filling against traffic analysis.
    pub filling: Option<&'f str>,
}
