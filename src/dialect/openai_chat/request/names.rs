//! Field names in losses: the caller reads them, so they are the caller's own.

use crate::dialect::canonical::{ChatRequest, Disposition, Loss};
use crate::dialect::{names, Dialect};

/// A member of the hub's request, as its name in each dialect.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect) struct Field {
    openai: &'static str,
    anthropic: &'static str,
    gemini: &'static str,
    responses: &'static str,
}

macro_rules! fields {
    ($($name:ident: $openai:literal, $anthropic:literal, $gemini:literal, $responses:literal;)*) => {
        $(pub(in crate::dialect) const $name: Field = Field { openai: $openai, anthropic: $anthropic, gemini: $gemini, responses: $responses };)*
    };
}

fields! {
    BOUND: "max_completion_tokens", "max_tokens", "generationConfig.maxOutputTokens", "max_output_tokens";
    TEMPERATURE: "temperature", "temperature", "generationConfig.temperature", "temperature";
    TOP_P: "top_p", "top_p", "generationConfig.topP", "top_p";
    TOP_K: "top_k", "top_k", "generationConfig.topK", "top_k";
    STOP: "stop", "stop_sequences", "generationConfig.stopSequences", "stop";
    CHOICES: "n", "n", "generationConfig.candidateCount", "n";
    SEED: "seed", "seed", "generationConfig.seed", "seed";
    FREQUENCY_PENALTY: "frequency_penalty", "frequency_penalty", "generationConfig.frequencyPenalty", "frequency_penalty";
    PRESENCE_PENALTY: "presence_penalty", "presence_penalty", "generationConfig.presencePenalty", "presence_penalty";
    LOGPROBS: "logprobs", "logprobs", "generationConfig.responseLogprobs", "top_logprobs";
    TOOLS: "tools", "tools", "tools", "tools";
    STRICT: "tools[*].function.strict", "tools[*].strict", "toolConfig.functionCallingConfig.mode", "tools[*].strict";
    TOOL_CHOICE: "tool_choice", "tool_choice", "toolConfig.functionCallingConfig", "tool_choice";
    PARALLEL: "parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "toolConfig", "parallel_tool_calls";
    FORMAT: "response_format", "output_config.format", "generationConfig.responseJsonSchema", "text.format";
    EFFORT: "reasoning_effort", "output_config.effort", "generationConfig.thinkingConfig", "reasoning.effort";
    THINKING: "reasoning", "thinking", "generationConfig.thinkingConfig", "reasoning";
    MAX_TOKENS: "max_completion_tokens", "max_tokens", "generationConfig.maxOutputTokens", "max_output_tokens";
    USER: "user", "metadata.user_id", "labels", "user";
}

/// Writes losses down in the caller's words, each once.
#[derive(Debug)]
pub(in crate::dialect) struct Report<'r> {
    request: &'r ChatRequest,
    provider: &'r str,
    losses: Vec<Loss>,
}

impl<'r> Report<'r> {
    /// A report without entries.
    pub fn new(request: &'r ChatRequest, provider: &'r str) -> Self {
        Self { request, provider, losses: Vec::new() }
    }

    /// The provider's name, for reasons.
    pub fn provider(&self) -> &'r str {
        self.provider
    }

    /// A member's name.
    pub fn name(&self, field: Field) -> &'static str {
        match self.request.origin {
            None | Some(Dialect::OpenAiChat) => field.openai,
            Some(Dialect::AnthropicMessages) => field.anthropic,
            Some(Dialect::Gemini) => field.gemini,
            Some(Dialect::OpenAiResponses) => field.responses,
        }
    }

    /// A part of a turn. Turns of other dialects need not be one message each, so only this one's have positions.
    pub fn part(&self, turn: usize, part: usize) -> String {
        let place = format!("messages[{turn}].content[{part}]");
        if let Some(place) = names::place_in_system(&place, self.request) {
            return place;
        }
        match self.request.origin {
            Some(Dialect::OpenAiChat) => names::place_in_chat(&place, self.request).unwrap_or(place),
            None | Some(Dialect::AnthropicMessages) => "messages[*].content[*]".to_owned(),
            Some(Dialect::Gemini) => "contents[*].parts[*]".to_owned(),
            Some(Dialect::OpenAiResponses) => "input[*]".to_owned(),
        }
    }

    /// A member that cannot be said.
    pub fn unsupported(&mut self, field: Field, reason: &str) {
        self.add(Loss::unsupported(self.name(field), format!("{reason} ({})", self.provider)));
    }

    /// A member that is said otherwise.
    pub fn converted(&mut self, field: Field, reason: &str) {
        self.add(Loss::converted(self.name(field), reason));
    }

    /// A hint that is left out.
    pub fn advisory(&mut self, field: Field, reason: &str) {
        self.add(Loss::advisory(self.name(field), reason));
    }

    /// Any loss; one that was told before is not told again.
    pub fn add(&mut self, loss: Loss) {
        if !self.losses.contains(&loss) {
            self.losses.push(loss);
        }
    }

    /// A loss of a part of a turn.
    pub fn add_part(&mut self, turn: usize, part: usize, disposition: Disposition, reason: impl Into<String>) {
        self.add(Loss { field: self.part(turn, part), disposition, reason: reason.into() });
    }

    /// Everything that was written down.
    pub fn into_losses(self) -> Vec<Loss> {
        self.losses
    }
}
