//! A decision, and how it is told: to callers without health values and secrets' names, to operators with them.

use serde::Serialize;
use serde_json::{json, Value};

use super::estimate::Estimate;
use super::filter::{Code, Reason};
use super::input::Session;
use super::rules::Fired;
use super::score::Score;
use crate::catalogue::model::{Quality, Reasoning};
use crate::classify::{Features, TaskSource};
use crate::config::choice::Weights;
use crate::dialect::{Dialect, ModelTraits};
use crate::error::{ErrorKind, GatewayError};
use crate::health::Health;
use crate::money::usd;
use crate::sorted;

/// Which candidates are tried, in which order, and why the others are not.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The model as the caller wrote it.
    pub requested: String,
    /// The policy that ranked.
    pub policy: String,
    /// The alias that a rule has put in the place of the caller's.
    pub alias: Option<String>,
    /// Its weights for this task, as rules have changed them.
    pub weights: Weights,
    /// The task that was used: the guess where it is sure enough, else `default`.
    pub task: String,
    /// The features that were used.
    pub features: Features,
    /// The conversation that it goes on with.
    pub session: Option<Session>,
    /// The message of the rule that refuses the request.
    pub denied: Option<String>,
    /// Rules that had an effect, or no answer.
    pub rules: Vec<Fired>,
    /// In the order in which they are to be tried; empty = nobody can take it, see [`Decision::refusal`].
    pub ranked: Vec<Choice>,
    /// Who is out, and why, in the configured order.
    pub excluded: Vec<Exclusion>,
    /// What it was decided by.
    pub versions: Versions,
    /// Unix milliseconds.
    pub now_ms: u64,
}

/// Versions of the documents behind a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Versions {
    /// Of the configuration.
    pub config: String,
    /// Of the compiled-in catalogue.
    pub catalogue: String,
    /// Of the price table.
    pub prices: String,
    /// Of callers' scores, where they had a say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
}

/// A candidate that may be tried.
#[derive(Debug, Clone)]
pub struct Choice {
    /// `provider/model`.
    pub name: String,
    /// The provider.
    pub provider: String,
    /// The model's name at the provider, as it is sent.
    pub model: String,
    /// The dialect to speak.
    pub dialect: Dialect,
    /// Whole window in tokens, where known.
    pub context: Option<u64>,
    /// Largest answer in tokens, where known.
    pub max_output: Option<u64>,
    /// What the model accepts.
    pub traits: ModelTraits,
    /// Whether it thinks, where known.
    pub reasoning: Option<Reasoning>,
    /// The key of its prices.
    pub price_id: String,
    /// Its quality for the task.
    pub quality: Quality,
    /// Expected tokens, cost and speed.
    pub estimate: Estimate,
    /// The score.
    pub score: Score,
    /// Fields that will be left out, as the caller allowed.
    pub dropped: Vec<String>,
    /// Why it stands where it stands.
    pub why: Why,
    /// Its health as it was looked at.
    pub health: Health,
}

impl Choice {
    /// Whether its own price is known.
    #[must_use]
    pub fn is_priced(&self) -> bool {
        self.estimate.basis == super::estimate::Basis::Price
    }
}

/// Why a candidate stands where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// By the policy's score.
    Score,
    /// The caller listed the models in this order.
    CallerOrder,
    /// The caller listed the providers in this order.
    ProviderOrder,
    /// The caller sorts by one property.
    Sort,
    /// Signed reasoning in the history is its own.
    SignedHistory,
    /// Drawn among equals.
    Balanced,
    /// The conversation was there, and no other is better by the policy's margin.
    Sticky,
    /// Drawn to learn of it, as the policy allows.
    Explored,
    /// Only open breakers were left.
    LastResort,
}

/// A candidate that may not be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// `provider/model`.
    pub model: String,
    /// All reasons.
    pub reasons: Vec<Reason>,
}

/// Who reads an explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Anybody who may send the request.
    Caller,
    /// Operators and holders of the claim `explain`.
    Operator,
}

impl Decision {
    /// The candidate that is tried first.
    #[must_use]
    pub fn chosen(&self) -> Option<&Choice> {
        self.ranked.first()
    }

    /// The explanation: the body of `POST /v1/route` and the `decision` member of the `signalbox` object.
    #[must_use]
    pub fn explanation(&self, audience: Audience) -> Value {
        let features = &self.features;
        let source = match features.source {
            TaskSource::Classifier => "classifier",
            TaskSource::Header => "header",
        };
        json!({
            "requested": self.requested,
            "chosen": self.chosen().map(|choice| &choice.name),
            "policy": self.policy,
            "alias": self.alias,
            "rules": self.rules.iter().map(|rule| rule.seen_by(audience)).collect::<Vec<_>>(),
            "session": self.session,
            "weights": {
                "quality": decimal(self.weights.quality_micro), "cost": decimal(self.weights.cost_micro),
                "latency": decimal(self.weights.latency_micro), "risk": decimal(self.weights.risk_micro),
            },
            "task": {
                "used": self.task, "guess": features.task, "confidence": decimal(features.confidence_micro),
                "source": source,
            },
            "features": {
                "estimated_input_tokens": features.estimated_input_tokens,
                "max_output_tokens": features.max_output_tokens,
                "needs": features.needs, "thinking": features.thinking, "turns": features.turns,
            },
            "candidates": self.ranked.iter().enumerate().map(|(at, c)| c.explained(at, audience)).collect::<Vec<_>>(),
            "excluded": self.excluded.iter().map(|exclusion| exclusion.seen_by(audience)).collect::<Vec<_>>(),
            "versions": self.versions,
        })
    }

    /// Whether a budget of which too little is left is all that stands between the request and some candidate.
    #[must_use]
    pub fn lacks_budget(&self) -> bool {
        let by_budget = |reason: &Reason| reason.code == Code::PriceCap && reason.detail == super::filter::BUDGET;
        self.excluded.iter().any(|e| e.reasons.iter().all(by_budget))
    }

    /// The error for a request that nobody can take. Blames the reason that stands alone between the request and its
    /// nearest candidate; exclusions come along as metadata.
    #[must_use]
    pub fn refusal(&self) -> GatewayError {
        let mut error = self.nearest_miss();
        let excluded: Vec<Exclusion> = self.excluded.iter().map(|e| e.seen_by(Audience::Caller)).collect();
        error.metadata = json!({ "excluded": excluded }).to_string();
        error
    }

    fn nearest_miss(&self) -> GatewayError {
        if let Some(message) = &self.denied {
            return GatewayError::new(ErrorKind::Forbidden, message.clone());
        }
        if self.excluded.iter().any(|e| e.reasons.iter().all(|r| r.code == Code::BreakerOpen)) {
            let until = self.excluded.iter().flat_map(|e| &e.reasons).filter_map(|r| r.until_ms).min();
            let mut error = GatewayError::new(ErrorKind::Overloaded, "every candidate is failing at the moment");
            error.retry_after_ms = until.map(|until| until.saturating_sub(self.now_ms).max(1));
            error.should_retry = true;
            return error;
        }
        if let Some((exclusion, reason)) = self.only(&[Code::Unsupported]) {
            let message = format!("{}: cannot be expressed for {}", reason.detail, exclusion.model);
            return GatewayError {
                param: Some(reason.detail.clone()),
                ..GatewayError::new(ErrorKind::Unsupported, message)
            };
        }
        if let Some((exclusion, reason)) = self.only(&[Code::Capability, Code::OutputLimit, Code::Unsupported]) {
            let message = match reason.code {
                Code::OutputLimit => format!("{} generates at most {} tokens", exclusion.model, reason.detail),
                _ => format!("{} does not support {}", exclusion.model, words(reason)),
            };
            return GatewayError::new(ErrorKind::Unsupported, message);
        }
        if let Some((exclusion, reason)) = self.only(&[Code::Context]) {
            let message = format!(
                "about {} tokens do not fit the window of {} ({} tokens)",
                self.features.estimated_input_tokens, exclusion.model, reason.detail
            );
            return GatewayError::new(ErrorKind::ContextLength, message);
        }
        if self.only(&[Code::Claims]).is_some() {
            return GatewayError::new(
                ErrorKind::Forbidden,
                format!("the model {:?} is not allowed to you", self.shown()),
            );
        }
        let kinds = self.excluded.iter().flat_map(|e| &e.reasons).map(|reason| code_word(reason.public().code));
        let mut kinds: Vec<&str> = kinds.collect();
        sorted::sort_by(&mut kinds, |one, other| one.cmp(other));
        kinds.dedup();
        let message = format!("no candidate for {:?} can take this request: {}", self.shown(), kinds.join(", "));
        GatewayError::new(ErrorKind::NoCandidate, message)
    }

    /// The nearest candidate that is out for reasons of these kinds alone. A breaker that is open as well passes by itself; what
    /// will not pass is what the caller must know.
    fn only(&self, codes: &[Code]) -> Option<(&Exclusion, &Reason)> {
        self.excluded.iter().find_map(|e| {
            let mut lasting = e.reasons.iter().filter(|r| r.code != Code::BreakerOpen);
            let first = lasting.next().filter(|r| codes.contains(&r.code))?;
            lasting.all(|r| codes.contains(&r.code)).then_some((e, first))
        })
    }

    /// The candidate that [`Decision::refusal`] blames, where it lacks an ability: which of the request's fields asks for that,
    /// its translation tells.
    #[must_use]
    pub fn incapable(&self) -> Option<&str> {
        let (exclusion, reason) = self.only(&[Code::Capability, Code::OutputLimit, Code::Unsupported])?;
        (reason.code == Code::Capability).then_some(exclusion.model.as_str())
    }

    fn shown(&self) -> String {
        self.requested.chars().take(100).collect()
    }
}

fn words(reason: &Reason) -> String {
    reason.detail.replace('_', " ")
}

/// The word of a code as it is serialised.
pub(super) fn code_word(code: Code) -> &'static str {
    match code {
        Code::Capability => "capability",
        Code::Context => "context",
        Code::OutputLimit => "output_limit",
        Code::Unsupported => "unsupported",
        Code::OnUnsupported => "on_unsupported",
        Code::Claims => "claims",
        Code::DataPolicy => "data_policy",
        Code::ProviderPreference => "provider_preference",
        Code::PriceCap => "price_cap",
        Code::Quality => "quality",
        Code::Latency => "latency",
        Code::Policy => "policy",
        Code::Rule => "rule",
        Code::Unpriced => "unpriced",
        Code::BreakerOpen => "breaker_open",
        Code::MissingSecret => "missing_secret",
        Code::NotReady => "not_ready",
        Code::Unavailable => "unavailable",
    }
}

impl Fired {
    /// Conditions are for operators; that something was not known tells callers of health.
    fn seen_by(&self, audience: Audience) -> Value {
        let mut value = json!({ "id": self.id, "policy": self.policy, "effect": self.effect, "models": self.models });
        if let (Audience::Operator, Some(object)) = (audience, value.as_object_mut()) {
            object.insert("conditions".to_owned(), json!(self.conditions));
            object.insert("unanswered".to_owned(), json!(self.unanswered));
        }
        value
    }
}

impl Exclusion {
    fn seen_by(&self, audience: Audience) -> Self {
        match audience {
            Audience::Operator => self.clone(),
            Audience::Caller => {
                let mut reasons: Vec<Reason> = self.reasons.iter().map(Reason::public).collect();
                reasons.dedup();
                Self { model: self.model.clone(), reasons }
            }
        }
    }
}

impl Choice {
    fn explained(&self, at: usize, audience: Audience) -> Value {
        let (score, estimate) = (&self.score, &self.estimate);
        let mut value = json!({
            "rank": at + 1,
            "model": self.name,
            "dialect": self.dialect,
            "why": self.why,
            "score": decimal(score.total_micro),
            "terms": {
                "quality": decimal(score.quality_micro), "cost": decimal(score.cost_micro),
                "latency": decimal(score.latency_micro), "risk": decimal(score.risk_micro),
                "boost": decimal(score.boost_micro),
            },
            "quality": {
                "value": decimal(self.quality.value_micro), "kind": self.quality.kind,
                "source": self.quality.source, "date": self.quality.date,
            },
            "estimate": {
                "output_tokens": estimate.output_tokens, "cost_usd": estimate.cost_picousd.map(|cost| usd(u128::from(cost))),
                "cost_picousd": estimate.cost_picousd.map(|cost| cost.to_string()), "cost_basis": estimate.basis,
            },
            "dropped": self.dropped,
        });
        match (audience, value.as_object_mut()) {
            // The latency and risk terms are health values in other clothes, and the total less the others gives them away.
            (Audience::Caller, Some(object)) => {
                object.remove("score");
                if let Some(terms) = object.get_mut("terms").and_then(Value::as_object_mut) {
                    terms.retain(|name, _| name == "quality" || name == "cost");
                }
            }
            (Audience::Operator, Some(object)) => {
                object.insert("health".to_owned(), json!(self.health));
                object.insert("latency_ms".to_owned(), json!(estimate.latency_ms()));
            }
            (_, None) => {}
        }
        value
    }
}

/// Millionths as a number. A division of two exactly represented numbers: the same bits on every target.
#[allow(clippy::cast_precision_loss)] // figures stay far below 2⁵³
fn decimal(micro: i64) -> f64 {
    micro as f64 / 1e6
}
