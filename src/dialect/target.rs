//! What requests are written for, and what they become.

use super::canonical::Loss;
use super::family::{ChatTools, Efforts, Family, Sampling, Thinking};

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
        let thinks = family.thinking != Thinking::Never;
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
