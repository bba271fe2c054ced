//! What a model at a provider can be asked for, in the words of OpenAI's requests: for the catalogue page.

use crate::catalogue::model::{Capabilities, Model};
use crate::config::provider::{Kind, Provider};
use crate::dialect::openai_chat::profile;
use crate::dialect::{family, ModelTraits};

/// Abilities of one model, as far as they are known.
pub struct Abilities {
    traits: ModelTraits,
    parallel: bool,
    server: Server,
}

/// Parameters that a server has whatever the model.
#[allow(clippy::struct_excessive_bools)]
struct Server {
    top_k: bool,
    seed: bool,
    choices: bool,
    frequency_penalty: bool,
    presence_penalty: bool,
    logprobs: bool,
    logit_bias: bool,
}

impl Abilities {
    /// Those of a model whose capabilities are known.
    #[must_use]
    pub fn of(provider: &Provider, name: &str, model: &Model) -> Option<Self> {
        let Capabilities { parallel_tools_control: parallel, .. } = model.capabilities?;
        let traits = model.traits().within(&family::of(&provider.profile, name));
        Some(Self { traits, parallel, server: Server::of(provider) })
    }

    /// OpenAI's names (OpenRouter's `supported_parameters`).
    #[must_use]
    pub fn parameters(&self) -> Vec<&'static str> {
        let Self { traits, server, .. } = self;
        let sampling = traits.sampling || traits.sampling_at_rest;
        let groups: [(bool, &[&'static str]); 14] = [
            (true, &["max_tokens", "max_completion_tokens", "stream"]),
            (traits.stop, &["stop"]),
            (sampling, &["temperature", "top_p"]),
            (sampling && server.top_k, &["top_k"]),
            (server.seed, &["seed"]),
            (server.choices, &["n"]),
            (traits.penalties && server.frequency_penalty, &["frequency_penalty"]),
            (traits.penalties && server.presence_penalty, &["presence_penalty"]),
            (traits.logprobs && server.logprobs, &["logprobs", "top_logprobs"]),
            (server.logit_bias && traits.sampling, &["logit_bias"]),
            (traits.tools, &["tools", "tool_choice"]),
            (self.parallel, &["parallel_tool_calls"]),
            (traits.json_object || traits.json_schema, &["response_format"]),
            (traits.json_schema, &["structured_outputs"]),
        ];
        let mut names: Vec<&str> =
            groups.iter().filter(|(has, _)| *has).flat_map(|(_, group)| group.iter().copied()).collect();
        if traits.reasoning {
            names.push("reasoning_effort");
        }
        names
    }

    /// Whether it can think.
    #[must_use]
    pub fn thinks(&self) -> bool {
        self.traits.reasoning
    }

    /// Effort words that it takes as they are, where known.
    #[must_use]
    pub fn efforts(&self) -> Option<Vec<&'static str>> {
        self.traits.efforts.filter(|_| self.traits.reasoning).map(|efforts| efforts.words().collect())
    }

    /// What can be shown to it.
    #[must_use]
    pub fn input_modalities(&self) -> Vec<&'static str> {
        let all =
            [(true, "text"), (self.traits.vision, "image"), (self.traits.audio, "audio"), (self.traits.files, "file")];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
    }
}

impl Server {
    fn of(provider: &Provider) -> Self {
        let only = |top_k, others| Self {
            top_k,
            seed: others,
            choices: others,
            frequency_penalty: others,
            presence_penalty: others,
            logprobs: others,
            logit_bias: false,
        };
        match provider.kind {
            Kind::OpenaiChat | Kind::WorkersAi => {
                let accent = profile::of(&provider.profile);
                Self {
                    top_k: accent.top_k,
                    seed: accent.seed.is_some(),
                    choices: accent.choices,
                    frequency_penalty: accent.frequency_penalty,
                    presence_penalty: accent.presence_penalty,
                    logprobs: accent.logprobs,
                    logit_bias: accent.takes("logit_bias"),
                }
            }
            Kind::OpenaiResponses => Self { logprobs: true, ..only(false, false) },
            Kind::AnthropicMessages => only(true, false),
            Kind::Gemini => only(true, true),
        }
    }
}
