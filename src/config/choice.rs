//! Aliases (which candidates) and policies (which of them first).

use super::bounds::{self, Bounds};
use super::continuation::{self, ContinuationPolicy};
use super::hedge::{self, HedgePolicy};
use super::rule::{self, Rule};
use crate::catalogue::model::is_task_name;
use crate::document::{Item, Object};
use crate::sorted::Map;

/// A name for a set of candidates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// In the operator's order, which breaks the last ties.
    pub candidates: Vec<Pattern>,
    /// The policy that ranks them.
    pub policy: String,
}

/// What an alias or a claim names.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Pattern {
    /// `*`: every model in the catalogue. Resellers and providers that train on data are not meant by it.
    Any,
    /// `provider/*`: every model of one provider in the catalogue.
    Provider(String),
    /// `provider/model`.
    Model(String),
    /// `model`: at any provider that has it.
    Bare(String),
}

impl Pattern {
    /// Reads a pattern. Whether a provider or model exists is not its business; a first segment is a provider.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.split_once('/') {
            None if text == "*" => Self::Any,
            None => Self::Bare(text.to_owned()),
            Some((provider, "*")) => Self::Provider(provider.to_owned()),
            Some(_) => Self::Model(text.to_owned()),
        }
    }

    /// Whether it covers `provider/model`.
    #[must_use]
    pub fn covers(&self, full_name: &str) -> bool {
        let split = full_name.split_once('/');
        match self {
            Self::Any => true,
            Self::Provider(name) => split.is_some_and(|(provider, _)| provider == name),
            Self::Model(name) => name == full_name,
            Self::Bare(name) => split.is_some_and(|(_, model)| model == name),
        }
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        match pattern {
            Pattern::Any => "*".to_owned(),
            Pattern::Provider(name) => format!("{name}/*"),
            Pattern::Model(name) | Pattern::Bare(name) => name,
        }
    }
}

/// How candidates are ranked and how hard is tried (DESIGN §4, §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What counts how much.
    pub weights: Weights,
    /// Weights for kinds of task; what one leaves out is as above.
    pub tasks: Map<String, Weights>,
    /// What is said of requests and candidates beyond weights, in order.
    pub rules: Vec<Rule>,
    /// What is asked of every candidate.
    pub bounds: Bounds,
    /// How far a conversation stays where it was.
    pub stickiness: Stickiness,
    /// Share of open choices that are given to another candidate than the best, to learn of it, in millionths.
    pub exploration_micro: u64,
    /// A policy that decides beside this one, for comparison.
    pub shadow: Option<String>,
    /// The cost that counts as 1, in picodollars.
    pub c_ref_picousd: u64,
    /// Largest value of cost ÷ c_ref, in millionths.
    pub cost_cap_micro: i64,
    /// Milliseconds that an answer may take before it is penalised.
    pub latency_budget_ms: u64,
    /// Largest value of (latency − budget) ÷ budget, in millionths.
    pub latency_cap_micro: i64,
    /// Below this confidence the task is `default`, in millionths.
    pub min_task_confidence_micro: i64,
    /// Unpriced models may be called under a price cap or a money limit, charged at the provider's dearest price.
    pub allow_unpriced: bool,
    /// What happens when only open breakers stand between a request and its candidates.
    pub when_all_open: WhenAllOpen,
    /// Which providers may see a prompt.
    pub data: DataPolicy,
    /// Bounds of trying.
    pub attempts: AttemptLimits,
    /// What becomes of answers that break.
    pub continuation: ContinuationPolicy,
    /// When a second candidate is asked beside the first; `None` = never.
    pub hedge: Option<HedgePolicy>,
    /// Tool calls and JSON documents go out when they are whole, so that a broken one is tried again unseen.
    pub hold_back: bool,
    /// What a safety verdict means.
    pub content_filter: ContentFilter,
}

/// How far a conversation stays where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stickiness {
    /// How much better another candidate's score must be, in millionths.
    pub margin_micro: i64,
    /// Milliseconds after an answer for which its prompt is taken to be in the provider's cache.
    pub keep_ms: u64,
}

/// A policy that says nothing. Five minutes is what Anthropic keeps a prompt for, and about what OpenAI does.
impl Default for Stickiness {
    fn default() -> Self {
        Self { margin_micro: 50_000, keep_ms: 300_000 }
    }
}

/// What a provider's safety verdict means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentFilter {
    /// It is the answer.
    Answer,
    /// The next candidate is asked.
    Next,
}

/// What counts how much, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Weights {
    /// Of quality, 0 to 1.
    pub quality_micro: i64,
    /// Of cost in units of c_ref.
    pub cost_micro: i64,
    /// Of latency over budget.
    pub latency_micro: i64,
    /// Of the share of failures.
    pub risk_micro: i64,
}

impl Weights {
    /// Nothing counts: the configured order holds.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// Other weights, as far as they are said: quality, cost, latency, risk, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WeightChanges([Option<i64>; 4]);

impl WeightChanges {
    pub(super) fn read(item: &Item<'_>) -> Option<Self> {
        let object = item.object(WEIGHTS)?;
        let mut changes = [None; 4];
        for (change, name) in changes.iter_mut().zip(WEIGHTS) {
            if let Some(weight) = object.member(name) {
                *change = Some(micro(weight.number(0.0, 1_000.0)?));
            }
        }
        Some(Self(changes))
    }

    /// These weights, changed.
    #[must_use]
    pub fn over(self, weights: Weights) -> Weights {
        let Self([quality, cost, latency, risk]) = self;
        Weights {
            quality_micro: quality.unwrap_or(weights.quality_micro),
            cost_micro: cost.unwrap_or(weights.cost_micro),
            latency_micro: latency.unwrap_or(weights.latency_micro),
            risk_micro: risk.unwrap_or(weights.risk_micro),
        }
    }
}

/// What happens when only open breakers stand between a request and its candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenAllOpen {
    /// The one with the fewest errors is tried all the same.
    Try,
    /// The request is refused with the time at which the first breaker lets a probe through.
    Refuse,
}

/// Which providers may see a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataPolicy {
    /// Only providers that process in one of these; `None` = anywhere. A provider of unknown region is in none.
    pub regions: Option<Vec<String>>,
    /// Providers that pass prompts on.
    pub resellers: Exposure,
    /// Providers that may train on prompts.
    pub training: Exposure,
}

/// When a kind of provider may see a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Also when a wildcard or a bare name leads there.
    Allow,
    /// When an alias or the caller names it.
    Named,
    /// Never.
    Deny,
}

/// Bounds of trying, in milliseconds where not said otherwise: the values that `attempt::plan` works with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// From the request's arrival to its end.
    pub total_ms: u64,
    /// Outbound calls in all.
    pub max_attempts: u32,
    /// Longest Retry-After that is waited out.
    pub max_wait_ms: u64,
    /// First step of the exponential backoff.
    pub backoff_base_ms: u64,
    /// Cap of the exponential backoff.
    pub backoff_cap_ms: u64,
    /// First-content bounds: plain models, reasoning ones, high effort.
    pub first_content_ms: [u64; 3],
    /// Content-silence bounds, likewise.
    pub idle_ms: [u64; 3],
    /// Smallest bound of a non-stream attempt.
    pub whole_ms: u64,
}

impl Default for AttemptLimits {
    fn default() -> Self {
        Self {
            total_ms: 600_000,
            max_attempts: 6,
            max_wait_ms: 3_000,
            backoff_base_ms: 250,
            backoff_cap_ms: 8_000,
            first_content_ms: [10_000, 60_000, 300_000],
            idle_ms: [15_000, 60_000, 300_000],
            whole_ms: 120_000,
        }
    }
}

/// Members of an alias.
pub const ALIAS: &[&str] = &["candidates", "policy"];
/// Members of a policy.
pub const POLICY: &[&str] = &[
    "weights",
    "tasks",
    "rules",
    "constraints",
    "stickiness",
    "exploration",
    "shadow",
    "c_ref_usd",
    "cost_cap",
    "latency_budget_ms",
    "latency_cap",
    "min_task_confidence",
    "allow_unpriced",
    "when_all_open",
    "data",
    "attempts",
    "continuation",
    "hedge",
    "hold_back",
    "content_filter",
];
/// Members of weights.
pub const WEIGHTS: &[&str] = &["quality", "cost", "latency", "risk"];
/// Members of a policy's entry for a task.
pub const TASK: &[&str] = &["weights"];
/// Members of stickiness.
pub const STICKINESS: &[&str] = &["margin", "keep_ms"];
/// Members of a data policy.
pub const DATA: &[&str] = &["regions", "resellers", "training"];
/// Members of the bounds of trying.
pub const ATTEMPTS: &[&str] = &[
    "total_ms",
    "max_attempts",
    "max_wait_ms",
    "backoff_base_ms",
    "backoff_cap_ms",
    "first_content_ms",
    "idle_ms",
    "whole_ms",
];
/// Members of a bound that depends on how long a model may think.
pub const PATIENCE: &[&str] = &["normal", "reasoning", "high_effort"];

/// Words for [`Exposure`].
pub const EXPOSURES: [(&str, Exposure); 3] =
    [("allow", Exposure::Allow), ("named", Exposure::Named), ("deny", Exposure::Deny)];
/// Words for [`ContentFilter`].
pub const CONTENT_FILTERS: [(&str, ContentFilter); 2] =
    [("answer", ContentFilter::Answer), ("next", ContentFilter::Next)];
/// Words for [`WhenAllOpen`].
pub const WHEN_ALL_OPEN: [(&str, WhenAllOpen); 2] = [("try", WhenAllOpen::Try), ("refuse", WhenAllOpen::Refuse)];

const HOUR_MS: u64 = 3_600_000;

pub(super) fn read_alias(item: &Item<'_>) -> Option<Alias> {
    let object = item.object(ALIAS)?;
    let list = object.required("candidates")?;
    let candidates: Vec<Pattern> = list.texts().iter().map(|text| Pattern::parse(text)).collect();
    if candidates.is_empty() {
        list.problem("must name at least one candidate");
    }
    let policy = object.member("policy").map_or(Some(super::STANDARD_POLICY), |v| v.text())?;
    Some(Alias { candidates, policy: policy.to_owned() })
}

pub(super) fn read_policy(item: &Item<'_>) -> Option<Policy> {
    let object = item.object(POLICY)?;
    let weights = object
        .member("weights")
        .map_or(Some(Weights::default()), |v| Some(WeightChanges::read(&v)?.over(Weights::default())))?;
    let mut tasks = Map::new();
    for (task, entry) in object.member("tasks").iter().flat_map(Item::entries) {
        if !is_task_name(task) {
            entry.problem("a task is named by at most 40 lower-case letters, digits, - and _");
        }
        let own = entry.object(TASK).and_then(|o| o.required("weights")).and_then(|v| WeightChanges::read(&v));
        if let Some(own) = own {
            tasks.insert(task.to_owned(), own.over(weights));
        }
    }
    let number = |name, standard: f64, min, max| object.member(name).map_or(Some(standard), |v| v.number(min, max));
    let flag = |name, standard| object.member(name).map_or(Some(standard), |v| v.flag());
    Some(Policy {
        weights,
        tasks,
        rules: rule::read(&object),
        bounds: bounds::read(&object)?,
        stickiness: read_stickiness(&object)?,
        exploration_micro: u64::try_from(micro(number("exploration", 0.0, 0.0, 0.1)?)).unwrap_or(0),
        shadow: match object.member("shadow") {
            Some(name) => Some(name.text()?.to_owned()),
            None => None,
        },
        c_ref_picousd: picousd(number("c_ref_usd", 0.01, 1e-6, 1e4)?),
        cost_cap_micro: micro(number("cost_cap", 1_000.0, 1.0, 1e6)?),
        latency_budget_ms: object.member("latency_budget_ms").map_or(Some(10_000), |v| v.count(1, HOUR_MS))?,
        latency_cap_micro: micro(number("latency_cap", 10.0, 1.0, 1e7)?),
        min_task_confidence_micro: micro(number("min_task_confidence", 0.5, 0.0, 1.0)?),
        allow_unpriced: flag("allow_unpriced", false)?,
        when_all_open: object.member("when_all_open").map_or(Some(WhenAllOpen::Try), |v| v.word(&WHEN_ALL_OPEN))?,
        data: read_data(&object)?,
        attempts: read_attempts(&object)?,
        continuation: continuation::read(&object)?,
        hedge: hedge::read(&object)?,
        hold_back: flag("hold_back", false)?,
        content_filter: object
            .member("content_filter")
            .map_or(Some(ContentFilter::Answer), |v| v.word(&CONTENT_FILTERS))?,
    })
}

fn read_stickiness(policy: &Object<'_>) -> Option<Stickiness> {
    let standard = Stickiness::default();
    let Some(item) = policy.member("stickiness") else { return Some(standard) };
    let object = item.object(STICKINESS)?;
    let margin = object.member("margin").map(|v| v.number(0.0, 10.0).map(micro));
    Some(Stickiness {
        margin_micro: margin.unwrap_or(Some(standard.margin_micro))?,
        keep_ms: object.member("keep_ms").map_or(Some(standard.keep_ms), |v| v.count(0, HOUR_MS))?,
    })
}

fn read_data(policy: &Object<'_>) -> Option<DataPolicy> {
    let Some(item) = policy.member("data") else {
        return Some(DataPolicy { regions: None, resellers: Exposure::Named, training: Exposure::Named });
    };
    let object = item.object(DATA)?;
    let exposure = |name| object.member(name).map_or(Some(Exposure::Named), |v| v.word(&EXPOSURES));
    let regions = object.member("regions").map(|list| {
        let regions = list.texts();
        if regions.is_empty() {
            list.problem("must name at least one region; leave the member out for any");
        }
        regions
    });
    Some(DataPolicy { regions, resellers: exposure("resellers")?, training: exposure("training")? })
}

fn read_attempts(policy: &Object<'_>) -> Option<AttemptLimits> {
    let standard = AttemptLimits::default();
    let Some(item) = policy.member("attempts") else { return Some(standard) };
    let object = item.object(ATTEMPTS)?;
    let count = |name, standard, min, max| object.member(name).map_or(Some(standard), |v| v.count(min, max));
    let by_patience = |name, standard: [u64; 3]| -> Option<[u64; 3]> {
        let Some(item) = object.member(name) else { return Some(standard) };
        let bounds = item.object(PATIENCE)?;
        let bound = |name, standard| bounds.member(name).map_or(Some(standard), |v| v.count(1, HOUR_MS));
        let [normal, reasoning, high] = standard;
        Some([bound("normal", normal)?, bound("reasoning", reasoning)?, bound("high_effort", high)?])
    };
    let max_attempts = count("max_attempts", u64::from(standard.max_attempts), 1, 100)?;
    Some(AttemptLimits {
        total_ms: count("total_ms", standard.total_ms, 1, HOUR_MS)?,
        max_attempts: u32::try_from(max_attempts).unwrap_or(u32::MAX),
        max_wait_ms: count("max_wait_ms", standard.max_wait_ms, 0, HOUR_MS)?,
        backoff_base_ms: count("backoff_base_ms", standard.backoff_base_ms, 0, HOUR_MS)?,
        backoff_cap_ms: count("backoff_cap_ms", standard.backoff_cap_ms, 0, HOUR_MS)?,
        first_content_ms: by_patience("first_content_ms", standard.first_content_ms)?,
        idle_ms: by_patience("idle_ms", standard.idle_ms)?,
        whole_ms: count("whole_ms", standard.whole_ms, 1, HOUR_MS)?,
    })
}

/// Callers bound the number: both conversions stay far inside their types, and neither is negative.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn micro(number: f64) -> i64 {
    (number * 1e6 + 0.5) as i64
}

/// Likewise, of either sign.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn signed_micro(number: f64) -> i64 {
    (number * 1e6).round() as i64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn picousd(usd: f64) -> u64 {
    (usd * 1e12 + 0.5) as u64
}
