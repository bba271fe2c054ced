//! The hub between dialects: a chat request, its answer and its stream in no provider's words.
//!
//! Every dialect decodes into these types and encodes from them. Same-dialect traffic does not pass through here.
//! What a dialect can say and the hub cannot is kept as [`Extra`] (request fields) or [`Part::Native`] (content), so that
//! an encoder for another dialect can report or refuse it: nothing disappears between two `match` arms.

use serde_json::value::RawValue;

use super::Dialect;

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

/// Who signed the reasoning of a turn, where its carrier says so (see [`super::carried`]).
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

/// A request member that the hub has no word for.
#[derive(Debug, Clone)]
pub struct Extra {
    /// Path in the caller's request, such as `logit_bias` or `messages[2].name`.
    pub field: String,
    /// JSON text of the value.
    pub value: Box<RawValue>,
    /// No effect on what the answer means (cache hints, metadata): may be left out when reported.
    pub advisory: bool,
    /// The documented default: exact on every target by omission.
    pub is_default: bool,
}

impl Extra {
    /// Whether a member of an answer is a safety verdict, in its provider's form: Gemini's `promptFeedback`, `safetyRatings`
    /// and `finishMessage`, Azure's filter results, OpenAI's `moderation`, Anthropic's `stop_details`. Verdicts reach callers
    /// raw in the `signalbox` member, whatever their dialect has of its own (`wire.md` §3.2 "Safety").
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        const NAMES: [&str; 8] = [
            "promptFeedback",
            "safetyRatings",
            "finishMessage",
            "prompt_filter_results",
            "content_filter_results",
            "content_filter_result",
            "moderation",
            "stop_details",
        ];
        NAMES.contains(&self.field.rsplit('.').next().unwrap_or_default())
    }

    /// The choice that a member of an answer belongs to, by the hub's name of it: 1 in `choices[1].logprobs`.
    #[must_use]
    pub fn choice(&self) -> Option<u32> {
        self.field.strip_prefix("choices[")?.split_once(']')?.0.parse().ok()
    }

    /// Whether a member of an answer stands raw in the `signalbox` member for a caller of a dialect: verdicts always do, and
    /// sources where the dialect cannot cite them (Anthropic's citations point into documents and searches of its own).
    #[must_use]
    pub fn goes_beside(&self, caller: Dialect) -> bool {
        self.is_verdict() || (caller == Dialect::AnthropicMessages && self.is_source())
    }

    /// Whether it says where a choice's words are from, in the hub's form or in OpenAI's.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.choice().is_some() && [".citations", ".annotations"].iter().any(|name| self.field.ends_with(name))
    }

    /// What a verdict says to people, where it says something.
    #[must_use]
    pub fn explains(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Told {
            explanation: Option<String>,
            #[serde(rename = "blockReasonMessage")]
            block_reason: Option<String>,
        }
        let text = self.value.get();
        let told = match self.field.rsplit('.').next().unwrap_or_default() {
            "finishMessage" => serde_json::from_str(text).ok(),
            "stop_details" | "promptFeedback" => {
                serde_json::from_str::<Told>(text).ok().and_then(|told| told.explanation.or(told.block_reason))
            }
            _ => None,
        };
        told.filter(|text: &String| !text.is_empty())
    }
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

/// A piece of content.
#[derive(Debug, Clone)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A document.
    File(Media),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// The answer to a tool call.
    ToolResult(ToolResult),
    /// What the model thought.
    Reasoning(ReasoningPart),
    /// OpenAI's refusal text.
    Refusal(String),
    /// A block that only its own dialect has; refused elsewhere.
    Native {
        /// Whose block it is.
        dialect: Dialect,
        /// Its type, for reports.
        kind: String,
        /// Its JSON.
        raw: Box<RawValue>,
    },
}

/// Bytes of a picture, sound or document, or where they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// OpenAI's `detail`, if given.
    pub detail: Option<String>,
    /// File name, if given.
    pub name: Option<String>,
}

/// Where media bytes are.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaSource {
    /// Base64 text as received (not decoded) with its MIME type.
    Base64 {
        /// Such as `image/png`.
        mime: String,
        /// Base64 text.
        data: String,
    },
    /// An address that the provider fetches.
    Url {
        /// https URL.
        url: String,
        /// MIME type when the caller gave one.
        mime: Option<String>,
    },
    /// An id at one provider.
    FileId {
        /// The id.
        id: String,
        /// Whose id it is.
        dialect: Dialect,
    },
}

/// A tool call. Arguments stay text: they are never re-serialised.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolCall {
    /// Id as the caller or provider wrote it.
    pub id: String,
    /// Function name.
    pub name: String,
    /// JSON text of the arguments; `{}` when there are none.
    pub arguments: String,
    /// Gemini's thought signature, if one came with the call.
    pub signature: Option<String>,
}

/// The answer to a tool call.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// Function name where the dialect gives it (Gemini); else found through the id.
    pub name: Option<String>,
    /// Text, images, files.
    pub parts: Vec<Part>,
    /// Anthropic's `is_error`.
    pub is_error: bool,
}

/// Thinking that was or is to be replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct ReasoningPart {
    /// The visible text, may be empty.
    pub text: String,
    /// Signature or encrypted content, opaque.
    pub signature: Option<String>,
    /// True: the signature is Anthropic's `redacted_thinking` data.
    pub redacted: bool,
    /// Who can read the signature.
    pub origin: Dialect,
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
}

impl Usage {
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
        }
    }

    /// Tokens written to a cache of any lifetime.
    #[must_use]
    pub fn cache_write_tokens(&self) -> u64 {
        self.cache_write_5m_tokens.unwrap_or(0).saturating_add(self.cache_write_1h_tokens.unwrap_or(0))
    }
}

/// One step of a streamed answer. Starts, deltas and ends; a decoder emits them in wire order.
#[derive(Debug, Clone)]
pub enum StreamEvent {
    /// First event: ids as the provider gave them.
    Start {
        /// The provider's id.
        id: Option<String>,
        /// The provider's model name.
        model: Option<String>,
        /// Unix seconds.
        created: Option<u64>,
    },
    /// Visible text.
    TextDelta {
        /// Choice index.
        choice: u32,
        /// Text, whole code points.
        text: String,
    },
    /// Thinking text.
    ReasoningDelta {
        /// Choice index.
        choice: u32,
        /// Text.
        text: String,
    },
    /// A signature or redacted block that ends (or is) a reasoning block.
    ReasoningEnd {
        /// Choice index.
        choice: u32,
        /// Opaque signature; `None` when the block simply ends.
        signature: Option<String>,
        /// True: Anthropic's `redacted_thinking` data.
        redacted: bool,
    },
    /// OpenAI's refusal text.
    RefusalDelta {
        /// Choice index.
        choice: u32,
        /// Text.
        text: String,
    },
    /// A tool call begins.
    ToolCallStart {
        /// Choice index.
        choice: u32,
        /// Counter of calls in this choice, from 0.
        index: u32,
        /// The provider's id, or one minted by the decoder where there is none.
        id: String,
        /// Function name.
        name: String,
        /// Gemini's thought signature.
        signature: Option<String>,
    },
    /// More of a call's arguments.
    ToolCallDelta {
        /// Choice index.
        choice: u32,
        /// The call's counter.
        index: u32,
        /// JSON text fragment.
        arguments: String,
    },
    /// A call is complete.
    ToolCallEnd {
        /// Choice index.
        choice: u32,
        /// The call's counter.
        index: u32,
    },
    /// A choice is complete.
    Finish {
        /// Choice index.
        choice: u32,
        /// Why.
        finish: Finish,
    },
    /// Token counts so far: replaces earlier ones, never adds.
    Usage(Usage),
    /// A member or event that the hub has no word for: reported, not forwarded across dialects.
    Extra(Extra),
}

impl StreamEvent {
    /// The choice that an event is about; `None` = the answer as a whole.
    #[must_use]
    pub fn choice(&self) -> Option<u32> {
        match self {
            Self::TextDelta { choice, .. }
            | Self::ReasoningDelta { choice, .. }
            | Self::ReasoningEnd { choice, .. }
            | Self::RefusalDelta { choice, .. }
            | Self::ToolCallStart { choice, .. }
            | Self::ToolCallDelta { choice, .. }
            | Self::ToolCallEnd { choice, .. }
            | Self::Finish { choice, .. } => Some(*choice),
            Self::Start { .. } | Self::Usage(_) | Self::Extra(_) => None,
        }
    }

    /// The choice of the call that an event is about, where it is not the choice's first call.
    #[must_use]
    pub fn later_call(&self) -> Option<u32> {
        match self {
            Self::ToolCallStart { choice, index, .. }
            | Self::ToolCallDelta { choice, index, .. }
            | Self::ToolCallEnd { choice, index } => (*index > 0).then_some(*choice),
            _ => None,
        }
    }
}

/// What a translation did to one field. An empty list means that everything is exact.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// Path of the field in the caller's request or the provider's answer.
    pub field: String,
    /// How it fared.
    pub disposition: Disposition,
    /// For people: how it was converted, or why it cannot be.
    pub reason: String,
}

/// The four fates of a field (`wire.md` "Dispositions"); exact ones are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Carried with another shape and nearly the same meaning: reported because something is not identical.
    Converted,
    /// No effect on what the answer means; left out.
    Advisory,
    /// Means something and cannot be said: the candidate is not eligible, unless the caller asked to drop.
    Unsupported,
}

impl Loss {
    /// A semantic field that the target cannot express.
    #[must_use]
    pub fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Unsupported, reason: reason.into() }
    }

    /// A hint that was left out.
    #[must_use]
    pub fn advisory(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Advisory, reason: reason.into() }
    }

    /// A field that was carried, not identically.
    #[must_use]
    pub fn converted(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Converted, reason: reason.into() }
    }
}
