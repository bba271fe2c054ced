//! Decision records: what a decision was made from, what it was, and what came of it, as one line of JSON without content.
//! `npm run backtest` decides them again.

use serde::{Deserialize, Serialize};

use super::decision::Decision;
use super::input::Input;

/// The word in `message` by which the lines are found.
pub const MESSAGE: &str = "decision";

/// A decision and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// [`MESSAGE`].
    pub message: String,
    /// Our id of the request.
    pub request_id: String,
    /// Everything that it was decided from, but for the documents that `decided.versions` names.
    pub input: Input,
    /// The providers that could be called: which secrets are there is no document's business.
    pub ready: Vec<String>,
    /// What was decided.
    pub decided: Summary,
    /// What the shadow policy would have chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// What came of it.
    pub outcome: Outcome,
}

/// A decision in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The policy that ranked.
    pub policy: String,
    /// The task as it was used.
    pub task: String,
    /// `provider/model` that was to be tried first; `None` = nobody.
    pub chosen: Option<String>,
    /// Its estimated cost in picodollars.
    pub cost_picousd: Option<u64>,
    /// Its quality for the task, in millionths.
    pub quality_micro: Option<i64>,
    /// Its expected duration in milliseconds.
    pub latency_ms: Option<u64>,
    /// How many candidates were ranked.
    pub ranked: usize,
    /// Hash of the whole order, scores and exclusions, 16 hexadecimal digits: equal where two decisions are the same to the
    /// last bit.
    pub digest: String,
    /// Versions of configuration, catalogue and prices.
    pub versions: [String; 3],
}

/// What another policy would have chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shadow {
    /// The policy.
    pub policy: String,
    /// `provider/model`; `None` = nobody.
    pub chosen: Option<String>,
    /// Whether it is the one that was chosen.
    pub same: bool,
}

/// What came of a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Outcome {
    /// HTTP status sent; 499 where the caller left first.
    pub status: u16,
    /// `provider/model` that answered.
    pub model: Option<String>,
    /// Calls that were made.
    pub attempts: usize,
    /// What they cost together, exact decimal US dollars.
    pub cost_usd: Option<String>,
    /// How sure that is.
    pub cost_certainty: Option<String>,
    /// From the request's arrival to its first content.
    pub ttft_ms: Option<u64>,
    /// From the request's arrival to its end.
    pub latency_ms: u64,
}

impl Summary {
    /// Of a decision.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let chosen = decision.chosen();
        let versions = &decision.versions;
        Self {
            policy: decision.policy.clone(),
            task: decision.task.clone(),
            chosen: chosen.map(|choice| choice.name.clone()),
            cost_picousd: chosen.and_then(|choice| choice.estimate.cost_picousd),
            quality_micro: chosen.map(|choice| choice.quality.value_micro),
            latency_ms: chosen.map(|choice| choice.estimate.latency_ms()),
            ranked: decision.ranked.len(),
            digest: digest(decision),
            versions: [versions.config.clone(), versions.catalogue.clone(), versions.prices.clone()],
        }
    }
}

/// FNV-1a over names, figures and reasons in their order.
fn digest(decision: &Decision) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        for byte in bytes.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    };
    for choice in &decision.ranked {
        add(choice.name.as_bytes());
        add(&choice.score.total_micro.to_le_bytes());
        add(&choice.estimate.cost_picousd.unwrap_or(u64::MAX).to_le_bytes());
    }
    for exclusion in &decision.excluded {
        add(exclusion.model.as_bytes());
        for reason in &exclusion.reasons {
            add(super::decision::code_word(reason.code).as_bytes());
            add(reason.detail.as_bytes());
        }
    }
    format!("{hash:016x}")
}
