//! Every name that leaves the gateway in spans and metrics, in one table. Source: OpenTelemetry semantic conventions 1.41
//! (`gen_ai.*`, `http.*`, `server.*`, `error.*`); what the newer GenAI repository has renamed stands in the second column
//! (<https://github.com/open-telemetry/semantic-conventions-genai>, read 2026-11). Our own names begin with `signalbox.`.

use crate::config::telemetry::Profile;

/// A name by profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name {
    v141: &'static str,
    latest: &'static str,
}

impl Name {
    const fn of(name: &'static str) -> Self {
        Self { v141: name, latest: name }
    }

    /// The name that a collector of this profile reads.
    #[must_use]
    pub fn under(self, profile: Profile) -> &'static str {
        match profile {
            Profile::V141 => self.v141,
            Profile::Latest => self.latest,
        }
    }
}

/// The schema that spans and metrics follow.
#[must_use]
pub fn schema_url(profile: Profile) -> &'static str {
    match profile {
        Profile::V141 => "https://opentelemetry.io/schemas/1.41.0",
        Profile::Latest => "https://opentelemetry.io/schemas/gen-ai/1.42.0",
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $constant:ident = $name:literal $(, $latest:literal)?;)*) => {
        $($(#[$doc])* pub const $constant: Name = names!(@ $name $(, $latest)?);)*
        /// All of them, for the test against the published registry.
        pub const ALL: &[Name] = &[$($constant),*];
    };
    (@ $name:literal) => { Name::of($name) };
    (@ $name:literal, $latest:literal) => { Name { v141: $name, latest: $latest } };
}

names! {
    /// `chat`, `generate_content`, `embeddings`.
    OPERATION = "gen_ai.operation.name";
    /// Well-known name of the provider, else the configured one.
    PROVIDER = "gen_ai.provider.name";
    /// What was asked of the provider.
    REQUEST_MODEL = "gen_ai.request.model";
    /// What answered.
    RESPONSE_MODEL = "gen_ai.response.model";
    /// True where a stream was asked for.
    REQUEST_STREAM = "gen_ai.request.stream";
    /// Bound on generated tokens, as are the following where the request names them.
    MAX_TOKENS = "gen_ai.request.max_tokens";
    /// Of sampling.
    TEMPERATURE = "gen_ai.request.temperature";
    /// Nucleus sampling.
    TOP_P = "gen_ai.request.top_p";
    /// Top-k sampling.
    TOP_K = "gen_ai.request.top_k";
    /// Of sampling.
    SEED = "gen_ai.request.seed";
    /// Of tokens that were used.
    FREQUENCY_PENALTY = "gen_ai.request.frequency_penalty";
    /// Of tokens that were used at all.
    PRESENCE_PENALTY = "gen_ai.request.presence_penalty";
    /// How many answers, where not one.
    CHOICES = "gen_ai.request.choice.count";
    /// Redacted, opt-in: callers write them.
    STOP_SEQUENCES = "gen_ai.request.stop_sequences";
    /// `json`, `image`, `speech`.
    OUTPUT_TYPE = "gen_ai.output.type";
    /// The answer's id.
    RESPONSE_ID = "gen_ai.response.id";
    /// A list, also of one.
    FINISH_REASONS = "gen_ai.response.finish_reasons";
    /// Seconds.
    TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk";
    /// All prompt tokens, cached ones included.
    INPUT_TOKENS = "gen_ai.usage.input_tokens";
    /// All generated tokens, reasoning included.
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens";
    /// Of the prompt tokens.
    CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens";
    /// Of the prompt tokens.
    CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens", "gen_ai.usage.cache_write.input_tokens";
    /// Of the generated tokens.
    REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens";
    /// `input` or `output`.
    TOKEN_TYPE = "gen_ai.token.type";
    /// Redacted instructions beside the conversation, opt-in.
    SYSTEM_INSTRUCTIONS = "gen_ai.system_instructions";
    /// Redacted prompts, opt-in.
    INPUT_MESSAGES = "gen_ai.input.messages";
    /// Redacted answers, opt-in.
    OUTPUT_MESSAGES = "gen_ai.output.messages";
    /// Redacted declarations of functions, opt-in.
    TOOL_DEFINITIONS = "gen_ai.tool.definitions";
    /// Host of the provider.
    SERVER_ADDRESS = "server.address";
    /// Its port.
    SERVER_PORT = "server.port";
    /// Class of a failure.
    ERROR_TYPE = "error.type";
    /// HTTP method.
    HTTP_METHOD = "http.request.method";
    /// The endpoint as a template.
    HTTP_ROUTE = "http.route";
    /// HTTP status.
    HTTP_STATUS = "http.response.status_code";
    /// Path of the URL.
    URL_PATH = "url.path";
    /// Scheme of the URL.
    URL_SCHEME = "url.scheme";
}

/// Names of the newest conventions' metrics of tokens: our instrument, the label value that becomes part of the name, the name.
pub const LATEST_TOKENS: &[(&str, &str, &str)] = &[
    ("gen_ai.client.token.usage", "input", "gen_ai.client.inference.operation.input_tokens"),
    ("gen_ai.client.token.usage", "output", "gen_ai.client.inference.operation.output_tokens"),
    ("gen_ai.client.inference.usage", "input_tokens", "gen_ai.client.inference.usage.input_tokens"),
    ("gen_ai.client.inference.usage", "output_tokens", "gen_ai.client.inference.usage.output_tokens"),
    (
        "gen_ai.client.inference.usage",
        "cache_read.input_tokens",
        "gen_ai.client.inference.usage.cache_read.input_tokens",
    ),
    (
        "gen_ai.client.inference.usage",
        "cache_write.input_tokens",
        "gen_ai.client.inference.usage.cache_write.input_tokens",
    ),
    (
        "gen_ai.client.inference.usage",
        "reasoning.output_tokens",
        "gen_ai.client.inference.usage.reasoning.output_tokens",
    ),
];

/// Our own attributes, documented in docs/telemetry.md.
pub mod own {
    /// Our id of the request.
    pub const REQUEST_ID: &str = "signalbox.request.id";
    /// Opaque id of the caller.
    pub const PRINCIPAL: &str = "signalbox.principal.id";
    /// The caller's dialect, or the provider's.
    pub const DIALECT: &str = "signalbox.dialect";
    /// What the caller asked for, an alias included.
    pub const REQUESTED_MODEL: &str = "signalbox.requested_model";
    /// `provider/model` that answered.
    pub const MODEL: &str = "signalbox.model";
    /// The policy that chose.
    pub const POLICY: &str = "signalbox.policy";
    /// The kind of task.
    pub const TASK: &str = "signalbox.task";
    /// Candidates that could have answered.
    pub const CANDIDATES: &str = "signalbox.candidates";
    /// Calls to providers.
    pub const ATTEMPTS: &str = "signalbox.attempts";
    /// Number of a call within its request, from 1.
    pub const ATTEMPT: &str = "signalbox.attempt.number";
    /// `first`, `retry`, `fallback`, `hedge`, `resume`, `restart`, `prefill`.
    pub const ROLE: &str = "signalbox.attempt.role";
    /// Provider's name in the configuration.
    pub const PROVIDER: &str = "signalbox.provider";
    /// Fields that were not exact.
    pub const LOSSES: &str = "signalbox.losses";
    /// US dollars, as a double: for charts. The exact sum is `signalbox.cost.picousd`.
    pub const COST_USD: &str = "signalbox.cost.usd";
    /// Picodollars.
    pub const COST_PICOUSD: &str = "signalbox.cost.picousd";
    /// `exact`, `estimated`, `unpriced`.
    pub const COST_CERTAINTY: &str = "signalbox.cost.certainty";
    /// Whose fault an error is.
    pub const BLAME: &str = "signalbox.error.blame";
    /// Name of a kept answer.
    pub const STREAM_ID: &str = "signalbox.stream.id";
    /// Name of a capture.
    pub const CAPTURE_ID: &str = "signalbox.capture.id";
    /// What was said was longer than what is told of it.
    pub const CONTENT_CUT: &str = "signalbox.content.truncated";
    /// Version of the configuration in force.
    pub const CONFIG_VERSION: &str = "signalbox.config.version";
    /// Version of the price table in force.
    pub const PRICE_VERSION: &str = "signalbox.prices.version";
    /// Terms of the chosen candidate's score.
    pub const SCORE: &str = "signalbox.score";
    /// What the response's headers said of the attempts.
    pub const MODE: &str = "signalbox.seam.mode";
    /// Characters of text before a seam.
    pub const OFFSET: &str = "signalbox.seam.offset";
}

/// The well-known value of `gen_ai.provider.name` for a provider of this profile under this name.
#[must_use]
pub fn provider<'n>(name: &'n str, profile: &'n str) -> &'n str {
    const KNOWN: &[(&str, &str)] = &[
        ("openai", "openai"),
        ("anthropic", "anthropic"),
        ("azure", "azure.ai.openai"),
        ("gemini", "gcp.gemini"),
        ("mistral", "mistral_ai"),
        ("deepseek", "deepseek"),
        ("groq", "groq"),
        ("xai", "x_ai"),
    ];
    let known = |word: &str| KNOWN.iter().find(|(ours, _)| *ours == word).map(|(_, theirs)| *theirs);
    // A provider of one's own that only behaves like OpenAI is not OpenAI.
    known(name).or_else(|| known(profile).filter(|_| profile != "openai")).unwrap_or(name)
}

#[cfg(test)]
mod tests;
