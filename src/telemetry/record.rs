//! What is known of a request when it is over, without any of its content: spans, metrics, the ring of recent requests and
//! reports are made from it and from nothing else. Names and counts only (DESIGN invariant 8).

use serde::{Deserialize, Serialize};

use crate::accounting::{Certainty, Cost};
use crate::dialect::canonical::Usage;
use crate::policy::record::Shadow;

/// Candidates of a decision that are told of.
pub const MOST_RANKED: usize = 4;

/// One request. As JSON it is a line of `GET /v1/stats`' ring and of the files that `npm run report` reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestRecord {
    /// Our id.
    pub request_id: String,
    /// W3C trace id.
    pub trace_id: String,
    /// The request's own span.
    pub span_id: String,
    /// The caller's span, where its trace was joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<String>,
    /// HTTP method.
    pub method: String,
    /// The endpoint as a template (`/v1/models/{id}`): of few values, and free of what a caller wrote.
    pub route: String,
    /// The caller's dialect.
    pub dialect: String,
    /// Opaque principal id; empty where nobody was let in.
    pub principal: String,
    /// When it came, Unix ms.
    pub started_ms: u64,
    /// From there to its end.
    pub duration_ms: u64,
    /// From there to its first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// HTTP status sent; 499 where the caller left first.
    pub status: u16,
    /// Error code, where one was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whose fault that is: `caller`, `policy`, `upstream`, `gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<String>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the caller asked for; empty where no model was asked for.
    pub requested_model: String,
    /// `provider/model` that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What was asked of a model: `chat`, `generate_content`, `embeddings`, `count_tokens`; empty where none was asked.
    pub operation: String,
    /// The policy that chose.
    pub policy: String,
    /// The kind of task.
    pub task: String,
    /// What the chosen candidate's score was made of, where one was chosen by score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<ScoreTerms>,
    /// The first candidates in the order in which they were to be tried; no more than [`MOST_RANKED`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranked: Vec<Ranked>,
    /// What would have answered had quality alone counted, and its expected cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// What the policy's shadow would have chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// Candidates that could have answered.
    pub candidates: u32,
    /// Calls to providers, in the order in which they were sent.
    pub attempts: Vec<AttemptRecord>,
    /// Fields that were not exact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<String>,
    /// Where attempts met in one answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seams: Vec<SeamRecord>,
    /// Provider events that were skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub malformed_events: u32,
    /// Tokens of the answer that the caller got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost of all attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Name under which the answer is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_id: Option<String>,
    /// Name under which the payloads are kept for replay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_id: Option<String>,
    /// How the answer was wanted, where its spans are exported.
    #[serde(skip)]
    pub parameters: Parameters,
    /// Versions of the documents in force.
    pub config_version: String,
    /// As above.
    pub price_version: String,
}

/// One call to a provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AttemptRecord {
    /// Its own span.
    pub span_id: String,
    /// Provider name in the configuration.
    pub provider: String,
    /// How the provider is spoken to.
    pub dialect: String,
    /// Whose peculiarities it has.
    pub profile: String,
    /// Host that was called; empty for a binding.
    pub host: String,
    /// The model's name there.
    pub model: String,
    /// The catalogue lists it: it may stand in a metric's label, which a caller's own words may not.
    pub listed: bool,
    /// The name that the answer gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_model: Option<String>,
    /// The answer's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_id: Option<String>,
    /// Why it ended, in the provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<String>,
    /// `first`, `retry`, `fallback`, `hedge`, `resume` (of a paused turn), `restart` or `prefill`.
    pub role: String,
    /// When it was sent, Unix ms.
    pub started_ms: u64,
    /// From there to its end.
    pub duration_ms: u64,
    /// From there to its first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// HTTP status (`200` for an answer) or a word (`timeout`, `connect`, `cut`, `cancelled`, …).
    pub outcome: String,
    /// Class of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Tokens used.
    pub usage: Usage,
    /// Their cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// What it did to the candidate's circuit: `opened`, `closed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit: Option<String>,
}

/// What a request says of its answer: numbers, and a word of ours.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parameters {
    /// Bound on generated tokens.
    pub max_tokens: Option<u64>,
    /// Of sampling.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Top-k sampling; the conventions have it as a double.
    pub top_k: Option<f64>,
    /// Of sampling.
    pub seed: Option<i64>,
    /// −2 to 2.
    pub frequency_penalty: Option<f64>,
    /// −2 to 2.
    pub presence_penalty: Option<f64>,
    /// How many answers.
    pub choices: Option<u64>,
    /// `json`, `image`, `speech`, where the request asks for it.
    pub output: Option<&'static str>,
}

/// A candidate as a decision placed it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ranked {
    /// `provider/model`.
    pub model: String,
    /// Why it stands there: `score`, `caller_order`, `sort`, `sticky`, …
    pub why: String,
    /// What its score was made of.
    pub score: ScoreTerms,
}

/// The terms of a score, in millionths (DESIGN §4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreTerms {
    /// Weight × quality.
    pub quality_micro: i64,
    /// What the cost takes away.
    pub cost_micro: i64,
    /// What the latency takes away.
    pub latency_micro: i64,
    /// What the risk takes away.
    pub risk_micro: i64,
    /// What rules add.
    pub boost_micro: i64,
    /// Their sum.
    pub total_micro: i64,
}

/// The candidate of the highest quality.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Best {
    /// `provider/model`.
    pub model: String,
    /// Picodollars that it was expected to cost; `None` = unpriced.
    pub expected_picousd: Option<u64>,
    /// Picodollars that the chosen one was expected to cost.
    pub chosen_picousd: Option<u64>,
}

/// Where one attempt's text ends and another's begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeamRecord {
    /// Who goes on.
    pub model: String,
    /// How.
    pub mode: String,
    /// Characters of text before it.
    pub offset: u64,
}

impl RequestRecord {
    /// Whether it ended in an error that is not the caller's own.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.blame.as_deref(), Some("upstream" | "gateway"))
    }

    /// Whether a model was asked.
    #[must_use]
    pub fn asked_a_model(&self) -> bool {
        !self.operation.is_empty()
    }

    /// Whether it is one of those that are added up and listed: a model was asked, or would have been but for an error. Pages
    /// that are read, or looked for in vain, are not: whoever watches them once a second would see little but themselves.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.asked_a_model() || (self.error.is_some() && self.method == "POST")
    }

    /// Which of its calls brought what the caller got: the last one at who answered; where nobody did, the last one.
    #[must_use]
    pub fn answering(&self) -> Option<usize> {
        let is_model = |attempt: &AttemptRecord, name: &str| {
            name.strip_prefix(attempt.provider.as_str()).and_then(|rest| rest.strip_prefix('/')) == Some(&attempt.model)
        };
        let by_model = |name: &str| self.attempts.iter().rposition(|attempt| is_model(attempt, name));
        self.model.as_deref().and_then(by_model).or(self.attempts.len().checked_sub(1))
    }

    /// When it was over, Unix ms.
    #[must_use]
    pub fn ended_ms(&self) -> u64 {
        self.started_ms.saturating_add(self.duration_ms)
    }

    /// Picodollars, where they are known.
    #[must_use]
    pub fn picousd(&self) -> Option<u64> {
        self.cost.and_then(Cost::picousd)
    }

    /// How sure the cost is.
    #[must_use]
    pub fn certainty(&self) -> Option<Certainty> {
        self.cost.map(Cost::certainty)
    }
}

impl AttemptRecord {
    /// Whether it brought an answer to its end.
    #[must_use]
    pub fn answered(&self) -> bool {
        self.class.is_none() && self.outcome == "200"
    }

    /// When it was over, Unix ms.
    #[must_use]
    pub fn ended_ms(&self) -> u64 {
        self.started_ms.saturating_add(self.duration_ms)
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
fn is_zero(count: &u32) -> bool {
    *count == 0
}
