//! What rules may know: the members of `config::rule`'s scopes, read from a decision's recorded input and nothing else.

use super::input::{Input, Purpose};
use super::names::Candidate;
use crate::catalogue::model::{Reasoning, Tier, REASONING, TIERS};
use crate::classify::Thinking;
use crate::expression::{Fact, Facts};
use crate::health::{Breaker, Health};
use crate::policy::estimate::{Basis, Estimate};

/// What is known of a request.
#[derive(Clone, Copy)]
pub(super) struct OfRequest<'f> {
    pub input: &'f Input,
    /// The task as the policy uses it.
    pub task: &'f str,
}

/// What is known of a candidate for it.
#[derive(Clone, Copy)]
pub(super) struct OfCandidate<'f> {
    pub request: OfRequest<'f>,
    pub candidate: &'f Candidate<'f>,
    pub health: &'f Health,
    pub estimate: &'f Estimate,
    pub quality_micro: i64,
}

impl Facts for OfRequest<'_> {
    fn fact(&self, name: &str) -> Option<Fact<'_>> {
        let (variable, member) = name.split_once('.')?;
        match variable {
            "request" => self.of_request(member),
            "features" => self.of_features(member),
            "principal" => {
                let principal = &self.input.principal;
                Some(match member {
                    "issuer" => Fact::Text(&principal.issuer),
                    "groups" => Fact::Texts(principal.groups.iter().map(String::as_str).collect()),
                    "operator" => Fact::Bool(principal.operator),
                    _ => return None,
                })
            }
            "time" => of_time(self.input.now_ms / 1_000, member),
            _ => None,
        }
    }
}

impl OfRequest<'_> {
    fn of_request(&self, member: &str) -> Option<Fact<'_>> {
        let request = &self.input.request;
        let routing = &request.routing;
        Some(match member {
            "model" => Fact::Text(&request.model),
            "models" => Fact::Texts(routing.models.iter().map(String::as_str).collect()),
            "dialect" => Fact::Text(request.dialect.name()),
            "purpose" => Fact::Text(match request.purpose {
                Purpose::Answer => "answer",
                Purpose::Count => "count",
                Purpose::Embed => "embed",
            }),
            "resumable" => Fact::Bool(routing.resumable),
            "session" => Fact::Bool(self.input.session.is_some()),
            "max_cost_usd" => dollars(routing.max_cost_picousd?),
            "latency_budget_ms" => int(routing.latency_budget_ms?),
            _ => return None,
        })
    }

    fn of_features(&self, member: &str) -> Option<Fact<'_>> {
        let features = &self.input.features;
        Some(match member {
            "task" => Fact::Text(self.task),
            "task_guess" => Fact::Text(&features.task),
            "confidence" => share(features.confidence_micro),
            "input_tokens" => int(features.estimated_input_tokens),
            "max_output_tokens" => int(features.max_output_tokens?),
            "turns" => Fact::Int(i64::from(features.turns)),
            "thinking" => Fact::Text(match features.thinking {
                Thinking::Unsaid => "unsaid",
                Thinking::Off => "off",
                Thinking::Low => "low",
                Thinking::Medium => "medium",
                Thinking::High => "high",
            }),
            "needs" => {
                let needs = features.needs;
                chosen(&[
                    ("tools", needs.tools),
                    ("custom_tools", needs.custom_tools),
                    ("forced_tools", needs.forced_tools),
                    ("vision", needs.vision),
                    ("audio", needs.audio),
                    ("files", needs.files),
                    ("json_object", needs.json_object),
                    ("json_schema", needs.json_schema),
                    ("reasoning", needs.reasoning),
                    ("tool_results", needs.tool_results),
                    ("sampling", needs.sampling),
                ])
            }
            _ => return None,
        })
    }
}

impl Facts for OfCandidate<'_> {
    fn fact(&self, name: &str) -> Option<Fact<'_>> {
        match name.split_once('.')? {
            ("model", member) => self.of_model(member),
            ("health", member) => of_health(self.health, member),
            _ => self.request.fact(name),
        }
    }
}

impl OfCandidate<'_> {
    fn of_model(&self, member: &str) -> Option<Fact<'_>> {
        let (candidate, provider, known) = (self.candidate, self.candidate.provider, self.candidate.known);
        Some(match member {
            "name" => Fact::Text(candidate.name),
            "provider" => Fact::Text(&provider.name),
            "id" => Fact::Text(candidate.model),
            "tier" => Fact::Text(word::<Tier>(&TIERS, known?.tier?)),
            "reasoning" => Fact::Text(word::<Reasoning>(&REASONING, known?.reasoning?)),
            "context" => int(known?.context?),
            "max_output" => int(known?.max_output?),
            "capabilities" => {
                let has = candidate.traits();
                chosen(&[
                    ("tools", has.tools),
                    ("forced_tools", has.forced_tools),
                    ("vision", has.vision),
                    ("audio", has.audio),
                    ("files", has.files),
                    ("json_object", has.json_object),
                    ("json_schema", has.json_schema),
                    ("reasoning", has.reasoning),
                    ("sampling", has.sampling),
                    ("prefill", has.prefill),
                ])
            }
            "region" => Fact::Text(provider.region.as_deref()?),
            "reseller" => Fact::Bool(provider.reseller),
            "trains_on_data" => Fact::Bool(provider.trains_on_data),
            "priced" => Fact::Bool(self.estimate.basis == Basis::Price),
            "cost_usd" => dollars(self.estimate.cost_picousd?),
            "quality" => share(self.quality_micro),
            "latency_ms" => int(self.estimate.latency_ms()),
            _ => return None,
        })
    }
}

fn of_health<'f>(health: &Health, member: &str) -> Option<Fact<'f>> {
    Some(match member {
        "error_rate" => share(health.errors_micro),
        "outstanding" => Fact::Int(i64::from(health.outstanding)),
        "breaker" => Fact::Text(match health.breaker {
            Breaker::Closed => "closed",
            Breaker::HalfOpen => "half_open",
            Breaker::Open { .. } => "open",
        }),
        "ttft_ms" => int(health.ttft_ms?),
        _ => return None,
    })
}

/// UTC. Day 0 was a Thursday.
fn of_time<'f>(unix: u64, member: &str) -> Option<Fact<'f>> {
    Some(match member {
        "unix" => int(unix),
        "weekday" => int((unix / 86_400 + 3) % 7 + 1),
        "hour" => int(unix / 3_600 % 24),
        "minute" => int(unix / 60 % 60),
        _ => return None,
    })
}

fn int<'f>(count: u64) -> Fact<'f> {
    Fact::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A division of two exactly represented numbers: the same bits on every target.
#[allow(clippy::cast_precision_loss)] // figures stay far below 2⁵³
fn share<'f>(micro: i64) -> Fact<'f> {
    Fact::Double(micro as f64 / 1e6)
}

#[allow(clippy::cast_precision_loss)] // beyond 2⁵³ picodollars ($9,007) the last digit is rounded, everywhere alike
fn dollars<'f>(picousd: u64) -> Fact<'f> {
    Fact::Double(picousd as f64 / 1e12)
}

fn chosen<'f>(words: &[(&'static str, bool)]) -> Fact<'f> {
    Fact::Texts(words.iter().filter(|(_, holds)| *holds).map(|(word, _)| *word).collect())
}

fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], meaning: T) -> &'static str {
    words.iter().find(|(_, other)| *other == meaning).map_or("", |(word, _)| word)
}
