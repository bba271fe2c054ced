//! What the servers that speak this dialect accept of it: the columns M, D and Q of `wire.md` §2 and the accents of §1.8.
//!
//! A server is known by its provider's name. One that is not known gets OpenAI's own fields in their old, widely
//! understood spelling and nothing that only some servers have.

/// A server's accent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub(in crate::dialect) struct Profile {
    /// The name of the bound on generated tokens.
    pub max_tokens: &'static str,
    /// The name of the seed, where there is one.
    pub seed: Option<&'static str>,
    /// `top_k` is an extension that it has.
    pub top_k: bool,
    /// `n` above 1.
    pub choices: bool,
    /// `frequency_penalty`.
    pub frequency_penalty: bool,
    /// `presence_penalty`.
    pub presence_penalty: bool,
    /// `logprobs`.
    pub logprobs: bool,
    /// `parallel_tool_calls: false`.
    pub parallel_switch: bool,
    /// `response_format` of type `json_schema`.
    pub json_schema: bool,
    /// `strict` on functions.
    pub strict: bool,
    /// Most stop sequences.
    pub stops: usize,
    /// `stream_options` exists; where not, usage comes unasked.
    pub stream_options: bool,
    /// A message of texts only may be a list of them.
    pub text_lists: bool,
    /// A message may carry its speaker's `name`.
    pub speaker: bool,
    /// Refusals have their own part type.
    pub refusals: bool,
    /// The member for the end user's id.
    pub user: Option<&'static str>,
    /// How thinking is asked for.
    pub thinking: Thinking,
    /// Where reasoning of earlier turns goes.
    pub replay: Replay,
    /// How sounds and documents are written.
    pub media: MediaForm,
    /// Which tool call ids it accepts.
    pub call_id: CallIds,
    /// Members of OpenAI's own (`prediction`, `logit_bias`, …) may be sent.
    pub own_members: bool,
    /// A function without parameters needs an empty schema.
    pub parameters_required: bool,
}

/// How thinking is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Thinking {
    /// `reasoning_effort`.
    Effort,
    /// DeepSeek: `thinking.type` and three efforts.
    DeepSeek,
    /// Qwen: `enable_thinking` and `thinking_budget`.
    Qwen,
    /// OpenRouter: `reasoning: {effort | max_tokens | enabled}`.
    OpenRouter,
}

/// Where reasoning of earlier turns goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Replay {
    /// Nowhere: the server has no field for it.
    None,
    /// `reasoning_content` on the message.
    Content,
    /// The same, and on every assistant turn once tools are in play (DeepSeek V4).
    ContentAlways,
    /// `reasoning` on the message.
    Reasoning,
    /// `reasoning_details` with signatures (OpenRouter).
    Details,
    /// A `thinking` chunk in the content (Mistral).
    Chunk,
}

/// How sounds and documents are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum MediaForm {
    /// `input_audio` and `file` objects.
    OpenAi,
    /// OpenAI's, and `file_data` may be an address (OpenRouter).
    OpenAiOrUrl,
    /// A plain string as `input_audio`; documents as `document_url`.
    Mistral,
    /// Neither.
    None,
}

/// Which tool call ids a server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum CallIds {
    /// At most 40 characters (OpenAI's documented limit).
    UpTo40,
    /// Exactly nine letters and digits (Mistral).
    NineAlphanumerics,
    /// Any.
    Any,
}

const COMPATIBLE: Profile = Profile {
    max_tokens: "max_tokens",
    seed: Some("seed"),
    top_k: false,
    choices: true,
    frequency_penalty: true,
    presence_penalty: true,
    logprobs: true,
    parallel_switch: true,
    json_schema: true,
    strict: true,
    stops: 4,
    stream_options: true,
    text_lists: false,
    speaker: true,
    refusals: false,
    user: Some("user"),
    thinking: Thinking::Effort,
    replay: Replay::Content,
    media: MediaForm::OpenAi,
    call_id: CallIds::Any,
    own_members: false,
    parameters_required: false,
};

const OPENAI: Profile = Profile {
    max_tokens: "max_completion_tokens",
    text_lists: true,
    refusals: true,
    replay: Replay::None,
    call_id: CallIds::UpTo40,
    own_members: true,
    ..COMPATIBLE
};

const MISTRAL: Profile = Profile {
    seed: Some("random_seed"),
    top_k: true,
    stream_options: false,
    text_lists: true,
    speaker: false,
    user: None,
    replay: Replay::Chunk,
    media: MediaForm::Mistral,
    call_id: CallIds::NineAlphanumerics,
    parameters_required: true,
    ..COMPATIBLE
};

const DEEPSEEK: Profile = Profile {
    seed: None,
    choices: false,
    frequency_penalty: false,
    presence_penalty: false,
    parallel_switch: false,
    json_schema: false,
    strict: false,
    stops: 16,
    user: Some("user_id"),
    thinking: Thinking::DeepSeek,
    replay: Replay::ContentAlways,
    media: MediaForm::None,
    ..COMPATIBLE
};

const QWEN: Profile = Profile {
    top_k: true,
    frequency_penalty: false,
    text_lists: true,
    speaker: false,
    user: None,
    thinking: Thinking::Qwen,
    media: MediaForm::None,
    ..COMPATIBLE
};

const OPENROUTER: Profile = Profile {
    top_k: true,
    text_lists: true,
    thinking: Thinking::OpenRouter,
    replay: Replay::Details,
    media: MediaForm::OpenAiOrUrl,
    own_members: true,
    ..COMPATIBLE
};

const GROQ: Profile = Profile { replay: Replay::Reasoning, ..COMPATIBLE };

/// Together, Fireworks: open models behind vLLM-like servers.
const OPEN_MODELS: Profile = Profile { top_k: true, ..COMPATIBLE };

/// The accent of a provider, by the first word of its name.
pub(in crate::dialect) fn of(provider: &str) -> &'static Profile {
    let first = provider.split(['-', '_', '/', '.', ' ']).next().unwrap_or_default();
    match first.to_ascii_lowercase().as_str() {
        "openai" | "azure" => &OPENAI,
        "mistral" => &MISTRAL,
        "deepseek" => &DEEPSEEK,
        "qwen" | "dashscope" | "alibaba" => &QWEN,
        "openrouter" => &OPENROUTER,
        "groq" => &GROQ,
        "together" | "fireworks" | "vllm" => &OPEN_MODELS,
        _ => &COMPATIBLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_the_first_word_of_its_name() {
        assert_eq!(of("azure-openai").max_tokens, "max_completion_tokens");
        assert_eq!(of("openai").max_tokens, "max_completion_tokens");
        assert_eq!(of("acme").max_tokens, "max_tokens");
        assert_eq!(of("Mistral").seed, Some("random_seed"));
        // A name that merely contains a known one is another server.
        assert_eq!(of("openaiish"), &COMPATIBLE);
    }
}
