//! What is asked: turns, tools, and how the answer is to be.

use serde_json::value::RawValue;

use super::{Extra, Part};
use crate::dialect::Dialect;

/// A chat request.
#[derive(Debug, Clone, Default)]
pub struct ChatRequest {
    /// The dialect that the caller wrote, for the names of fields in losses; absent = not known.
    pub origin: Option<Dialect>,
    /// The model as the caller wrote it.
    pub model: String,
    /// Whether the caller wants a stream.
    pub stream: bool,
    /// System, user, assistant and tool turns in the caller's order.
    pub turns: Vec<Turn>,
    /// Declared function tools.
    pub tools: Vec<Tool>,
    /// How tools are to be used; absent = the dialect's default (`auto`).
    pub tool_choice: Option<ToolChoice>,
    /// `Some(false)`: at most one call per turn.
    pub parallel_tool_calls: Option<bool>,
    /// Required form of the answer.
    pub format: Option<Format>,
    /// Bound on generated tokens, reasoning included.
    pub max_output_tokens: Option<u64>,
    /// 0–2 in OpenAI and Gemini, 0–1 in Anthropic.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Top-k sampling.
    pub top_k: Option<u64>,
    /// Sequences that end the answer.
    pub stop: Vec<String>,
    /// Number of choices; absent = 1.
    pub n: Option<u64>,
    /// Sampling seed.
    pub seed: Option<i64>,
    /// −2 to 2.
    pub frequency_penalty: Option<f64>,
    /// −2 to 2.
    pub presence_penalty: Option<f64>,
    /// Log probabilities asked for: `Some(top)`.
    pub logprobs: Option<u64>,
    /// How much to think.
    pub reasoning: Option<Reasoning>,
    /// End user's opaque id.
    pub user: Option<String>,
    /// OpenAI's `stream_options.include_usage`; dialects that always send usage set it.
    pub include_usage: bool,
    /// Turns whose signed reasoning is known to be one provider's.
    pub signed_turns: Vec<SignedTurn>,
    /// Parts after which a reusable beginning of the prompt ends.
    pub cache_marks: Vec<CacheMark>,
    /// Every member that has no place above, in order, with its source text.
    pub extras: Vec<Extra>,
}

impl ChatRequest {
    /// The request without what only its answer depends on: bound, sampling, number, log probabilities. What a counter of
    /// prompts looks at is left.
    #[must_use]
    pub fn prompt(self) -> Self {
        Self {
            max_output_tokens: None,
            temperature: None,
            top_p: None,
            top_k: None,
            stop: Vec::new(),
            n: None,
            seed: None,
            frequency_penalty: None,
            presence_penalty: None,
            logprobs: None,
            ..self
        }
    }
}

/// Who signed the reasoning of a turn, where its carrier says so (see [`crate::dialect::carried`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedTurn {
    /// Index into the turns.
    pub turn: usize,
    /// `provider/model`.
    pub by: String,
}

/// A part after which a reusable beginning of the prompt ends.
#[derive(Debug, Clone)]
pub struct CacheMark {
    /// Index into the turns.
    pub turn: usize,
    /// Index into the turn's parts.
    pub part: usize,
    /// The mark as the caller wrote it.
    pub extra: Extra,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// System or developer instructions.
    System,
    /// The caller.
    User,
    /// The model.
    Assistant,
    /// Results of tool calls; holds only [`Part::ToolResult`].
    Tool,
}

/// One turn.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub parts: Vec<Part>,
}

/// A function tool.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// JSON Schema of the arguments; absent = an object without properties.
    pub parameters: Option<Box<RawValue>>,
    /// OpenAI's and Anthropic's `strict`.
    pub strict: Option<bool>,
}

/// How tools are to be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// No calls.
    None,
    /// At least one call.
    Required,
    /// This function.
    Named(String),
}

/// Required form of the answer.
#[derive(Debug, Clone)]
pub enum Format {
    /// Some JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// OpenAI's required name.
        name: String,
        /// Optional description.
        description: Option<String>,
        /// The schema.
        schema: Box<RawValue>,
        /// OpenAI's `strict`.
        strict: Option<bool>,
    },
}

/// How much to think.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reasoning {
    /// OpenAI's and Anthropic's effort words: none, minimal, low, medium, high, xhigh, max.
    Effort(String),
    /// A budget in tokens.
    Budget(u64),
    /// Anthropic's adaptive thinking, Gemini's budget −1.
    Adaptive,
    /// Switched off.
    Disabled,
}
