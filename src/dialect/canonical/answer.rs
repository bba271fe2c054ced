//! A whole answer, why it ended, and what it used.

use super::{Extra, Loss, Part};
use crate::dialect::tier::ServiceTier;

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct ChatResponse {
    /// The provider's id for it.
    pub id: Option<String>,
    /// The provider's model name.
    pub model: Option<String>,
    /// Unix seconds, where the provider says so.
    pub created: Option<u64>,
    /// One or more choices.
    pub choices: Vec<Choice>,
    /// Token counts, where given.
    pub usage: Option<Usage>,
    /// Response members without a place above (service tier, safety ratings, …), for the `signalbox` member and loss report.
    pub extras: Vec<Extra>,
}

/// The report of calls that were not passed on.
#[must_use]
pub fn later_calls(choice: u32) -> Loss {
    let field = format!("choices[{choice}].message.tool_calls");
    Loss::converted(field, "the caller takes one call at a time: those after the first are left out")
}

impl ChatResponse {
    /// Leaves the first call of each choice, for callers who take one at a time; what was left out is reported.
    pub fn keep_first_calls(&mut self) -> Vec<Loss> {
        let mut losses = Vec::new();
        for choice in &mut self.choices {
            let (before, mut called) = (choice.parts.len(), false);
            let is_call = |part: &Part| matches!(part, Part::ToolCall(_));
            choice.parts.retain(|part| !is_call(part) || !std::mem::replace(&mut called, true));
            losses.extend((choice.parts.len() < before).then(|| later_calls(choice.index)));
        }
        losses
    }
}

/// One choice of an answer.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// From 0.
    pub index: u32,
    /// Text, reasoning, tool calls, refusal, in order.
    pub parts: Vec<Part>,
    /// Why it ended.
    pub finish: Option<Finish>,
}

/// Why a choice ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// In the hub's words.
    pub reason: FinishReason,
    /// In the provider's words.
    pub raw: String,
    /// The stop sequence that was hit, where the provider says so.
    pub stop_sequence: Option<String>,
}

/// Why a choice ended, in the hub's words (`wire.md` §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A natural end or a stop sequence.
    Stop,
    /// The token bound or the window.
    Length,
    /// The model waits for tool results.
    ToolCalls,
    /// A safety verdict or refusal cut it.
    ContentFilter,
    /// Not an end: the provider wants to be called again (`pause_turn`, `CONTINUATION`).
    Paused,
    /// Not an end but a failure (`MALFORMED_FUNCTION_CALL`, `insufficient_system_resource`, …).
    Failed,
}

/// Token counts, each class apart and disjoint: their sum is what was processed (`wire.md` §3.2 "Usage out").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Usage {
    /// Prompt tokens at the full price: neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Prompt tokens read from a cache; `None` = the provider did not say.
    pub cached_input_tokens: Option<u64>,
    /// Prompt tokens written to a 5-minute (or unspecified) cache.
    pub cache_write_5m_tokens: Option<u64>,
    /// Prompt tokens written to a 1-hour (or longer) cache.
    pub cache_write_1h_tokens: Option<u64>,
    /// Generated tokens that are not reasoning.
    pub output_tokens: u64,
    /// Generated reasoning tokens; `None` = the provider did not say.
    pub reasoning_tokens: Option<u64>,
    /// Of `input_tokens`: audio.
    pub audio_input_tokens: Option<u64>,
    /// Of `output_tokens`: audio.
    pub audio_output_tokens: Option<u64>,
    /// Of `cached_input_tokens`: audio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_audio_tokens: Option<u64>,
    /// Of `input_tokens`: pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input_tokens: Option<u64>,
    /// Of `output_tokens`: pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output_tokens: Option<u64>,
    /// Searches of the web that the provider made for the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_searches: Option<u64>,
    /// Searches of stored files that the provider made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_searches: Option<u64>,
    /// Programs that the provider ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_executions: Option<u64>,
    /// The capacity that was used, where the provider says it.
    #[serde(default, skip_serializing_if = "ServiceTier::is_standard")]
    pub service: ServiceTier,
    /// The provider did not count `input_tokens`: what stands there is no count. An account never says so, for what is missing
    /// is estimated before it is written ([`estimate`](crate::accounting::estimate)); nor do the next.
    #[serde(skip)]
    pub input_unknown: bool,
    /// The same of `output_tokens`.
    #[serde(skip)]
    pub output_unknown: bool,
}

impl Usage {
    /// Of an answer whose provider has not counted anything yet.
    #[must_use]
    pub fn uncounted() -> Self {
        Self { input_unknown: true, output_unknown: true, ..Self::default() }
    }

    /// Every prompt token, cached and written ones included (OpenAI's `prompt_tokens`).
    #[must_use]
    pub fn prompt_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cached_input_tokens.unwrap_or(0))
            .saturating_add(self.cache_write_tokens())
    }

    /// Every generated token, reasoning included (OpenAI's `completion_tokens`).
    #[must_use]
    pub fn completion_tokens(&self) -> u64 {
        self.output_tokens.saturating_add(self.reasoning_tokens.unwrap_or(0))
    }

    /// Two usages together; a class that neither names stays unnamed.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_input_tokens: sum(self.cached_input_tokens, other.cached_input_tokens),
            cache_write_5m_tokens: sum(self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            cache_write_1h_tokens: sum(self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            audio_input_tokens: sum(self.audio_input_tokens, other.audio_input_tokens),
            audio_output_tokens: sum(self.audio_output_tokens, other.audio_output_tokens),
            cached_audio_tokens: sum(self.cached_audio_tokens, other.cached_audio_tokens),
            image_input_tokens: sum(self.image_input_tokens, other.image_input_tokens),
            image_output_tokens: sum(self.image_output_tokens, other.image_output_tokens),
            web_searches: sum(self.web_searches, other.web_searches),
            file_searches: sum(self.file_searches, other.file_searches),
            code_executions: sum(self.code_executions, other.code_executions),
            service: if self.service.is_standard() { other.service } else { self.service },
            input_unknown: self.input_unknown || other.input_unknown,
            output_unknown: self.output_unknown || other.output_unknown,
        }
    }

    /// Tokens written to a cache of any lifetime.
    #[must_use]
    pub fn cache_write_tokens(&self) -> u64 {
        self.cache_write_5m_tokens.unwrap_or(0).saturating_add(self.cache_write_1h_tokens.unwrap_or(0))
    }
}
