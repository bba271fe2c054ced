//! Choosing: which candidates a request has, which of them may take it, which comes first, and why. Pure: the same recorded
//! input gives the same decision on every target (DESIGN §1.5, §4). Read `tests/decide.rs` first.

pub mod decision;
pub mod estimate;
mod facts;
pub mod filter;
pub mod input;
pub mod names;
mod rank;
pub mod record;
pub mod routing;
pub mod rules;
pub mod score;
pub mod sessions;

use crate::catalogue::model::{assumed_quality, Model, Quality, QualityKind};
use crate::catalogue::price::Prices;
use crate::classify::TaskSource;
use crate::config::choice::{Policy, Weights, WhenAllOpen};
use crate::config::Config;
use crate::error::GatewayError;
use decision::{Choice, Decision, Exclusion, Versions, Why};
use estimate::{Estimate, Pricing};
use facts::{OfCandidate, OfRequest};
use filter::{Code, Reason, Subject};
use input::{Corrections, Input, RequestView, Signals};
use names::{Candidate, Pool};
use rank::Entry;
use routing::OnUnsupported;
use rules::Applied;
use score::Score;

/// The documents behind decisions.
#[derive(Debug, Clone, Copy)]
pub struct Knowledge<'k> {
    /// The configuration, catalogue included.
    pub config: &'k Config,
    /// The price table.
    pub prices: &'k Prices,
}

/// The candidates that a request's names mean, after the rules that choose an alias.
///
/// # Errors
/// As [`names::candidates`].
pub fn pool<'c>(request: &'c RequestView, input: &Input, config: &'c Config) -> Result<Pool<'c>, GatewayError> {
    let pool = names::candidates(request, config)?;
    after_rules(pool, request, input, config)
}

/// The candidates of a request if another policy than the one in force ranked them. `None` = there is no such policy.
///
/// # Errors
/// As [`names::candidates`].
pub fn pool_under<'c>(
    policy: &str,
    request: &'c RequestView,
    input: &Input,
    config: &'c Config,
) -> Result<Option<Pool<'c>>, GatewayError> {
    let Some((policy_name, policy)) = config.policies.get_key_value(policy) else { return Ok(None) };
    let pool = Pool { policy, policy_name, ..names::candidates(request, config)? };
    after_rules(pool, request, input, config).map(Some)
}

fn after_rules<'c>(
    mut pool: Pool<'c>,
    request: &'c RequestView,
    input: &Input,
    config: &'c Config,
) -> Result<Pool<'c>, GatewayError> {
    // A model that the caller names is never replaced.
    if pool.is_open && !pool.policy.rules.is_empty() {
        let alias = rules::alias(input, &pool).and_then(|alias| config.aliases.get_key_value(alias));
        if let Some((alias, _)) = alias {
            pool.open_to(alias, request, config)?;
        }
    }
    let brought = |name: &str| input.principal.own_keys.iter().any(|own| own.eq_ignore_ascii_case(name));
    pool.candidates.retain(|c| !c.provider.own_keys || brought(&c.provider.name));
    Ok(pool)
}

/// Decides. `pool` is what [`pool`] finds for `input` in the same configuration.
#[must_use]
pub fn decide(input: &Input, pool: &Pool<'_>, knowledge: Knowledge<'_>) -> Decision {
    let policy = pool.policy;
    let task = input.features.task_above(policy.min_task_confidence_micro);
    let request = OfRequest { input, task };
    let mut rules = Applied::to(pool, request);
    let weights = rules.weights(policy.tasks.get(task).copied().unwrap_or(policy.weights));
    let on_unsupported_is_error = input.request.routing.on_unsupported == OnUnsupported::Error;
    let mut eligible = Vec::new();
    let mut excluded = Vec::new();
    for (position, candidate) in pool.candidates.iter().enumerate() {
        // Most of a catalogue is at providers that nobody has configured: what else speaks against them is not asked.
        if let Some(reason) = filter::unready(candidate.provider) {
            excluded.push((None, Exclusion { model: candidate.name.to_owned(), reasons: vec![reason] }));
            continue;
        }
        let examined = Examined { position, candidate, request, weights };
        let (entry, reasons) = examine(&examined, &mut rules, pool, knowledge);
        let unable_only = on_unsupported_is_error && reasons.iter().all(|reason| reason.code == Code::Unsupported);
        match entry {
            Some(entry) if reasons.is_empty() => eligible.push(entry),
            Some(entry) if unable_only => eligible.push(Entry { unable: reasons, ..entry }),
            entry => excluded.push((entry, Exclusion { model: candidate.name.to_owned(), reasons })),
        }
    }
    if eligible.is_empty() && pool.policies().all(|policy| policy.when_all_open == WhenAllOpen::Try) {
        eligible = last_resort(&mut excluded);
    }
    let mut ranked = rank::rank(eligible, input, pool, weights);
    excluded.extend(unable(&mut ranked).into_iter().map(|exclusion| (None, exclusion)));
    Decision {
        requested: input.request.model.clone(),
        policy: pool.policy_name.to_owned(),
        alias: pool.alias.map(str::to_owned),
        weights,
        task: task.to_owned(),
        features: input.features.clone(),
        session: input.session.clone(),
        denied: rules.denied.map(str::to_owned),
        rules: rules.told(),
        ranked: ranked.into_iter().map(|entry| entry.choice).collect(),
        excluded: excluded.into_iter().map(|(_, exclusion)| exclusion).collect(),
        versions: Versions {
            config: knowledge.config.version.clone(),
            catalogue: knowledge.config.catalogue.version.clone(),
            prices: knowledge.prices.version.clone(),
            feedback: corrections(input, pool, task).map(|c| c.version.clone()),
        },
        now_ms: input.now_ms,
    }
}

/// A candidate and what it is examined for.
struct Examined<'e, 'c> {
    position: usize,
    candidate: &'e Candidate<'c>,
    request: OfRequest<'e>,
    weights: Weights,
}

/// Scores a candidate and lists what speaks against it. No entry where that can be said without a score.
fn examine(
    examined: &Examined<'_, '_>,
    rules: &mut Applied<'_>,
    pool: &Pool<'_>,
    knowledge: Knowledge<'_>,
) -> (Option<Entry>, Vec<Reason>) {
    let Examined { position, candidate, request: OfRequest { input, task }, weights } = *examined;
    let policy: &Policy = pool.policy;
    let nothing = Signals::default();
    let signals = input.signals.get(candidate.name).unwrap_or(&nothing);
    let pricing = Pricing::of(candidate, input.request.purpose, knowledge, input.now_ms);
    let estimate = Estimate::of(candidate.known, &input.features, task, &pricing, signals);
    let mut quality = quality(candidate, task, input, signals, knowledge.config);
    let correction = corrections(input, pool, task).and_then(|c| c.by_model.get(candidate.name)).copied().unwrap_or(0);
    quality.value_micro = quality.value_micro.saturating_add(correction).clamp(0, 1_000_000);
    let quality_micro = quality.value_micro;
    let subject = Subject { candidate, signals, pricing: &pricing, estimate: &estimate, quality_micro };
    let mut reasons = filter::reasons(&subject, input, pool);
    let facts = OfCandidate {
        request: examined.request,
        candidate,
        health: &signals.health,
        estimate: &estimate,
        quality_micro,
    };
    let boost_micro = rules.judge(facts, &mut reasons);
    // These two may be looked past; whoever is out for anything else needs no place in any order.
    if !reasons.iter().all(|reason| matches!(reason.code, Code::BreakerOpen | Code::Unsupported)) {
        return (None, reasons);
    }
    let budget_ms = input.request.routing.latency_budget_ms.unwrap_or(policy.latency_budget_ms);
    let score = Score::of(&quality, &estimate, &signals.health, weights, policy, budget_ms, boost_micro);
    let entry = choice(candidate, signals, quality, estimate, score, input, knowledge.config).map(|choice| Entry {
        load: load(&estimate, signals),
        unable: Vec::new(),
        choice,
        group: candidate.group,
        position,
        model_id: names::model_id(candidate, knowledge.config).to_owned(),
    });
    (entry, reasons)
}

/// What scores say, where it was said of this policy and task.
fn corrections<'i>(input: &'i Input, pool: &Pool<'_>, task: &str) -> Option<&'i Corrections> {
    input.corrections.as_ref().filter(|c| c.policy == pool.policy_name && c.task == task)
}

/// What was learned of the model for such a text, unless the caller named the kind of task and a figure is given for it.
fn quality(candidate: &Candidate<'_>, task: &str, input: &Input, signals: &Signals, config: &Config) -> Quality {
    let Some(model) = candidate.known else { return assumed_quality(None, task) };
    let named = input.features.source == TaskSource::Header && model.quality.contains_key(task);
    match signals.expected.quality_micro.filter(|_| !named) {
        None => model.quality(task),
        Some(value_micro) => {
            let table = model.learned.as_ref().and_then(|learned| config.catalogue.learned.get(&learned.table));
            Quality {
                value_micro,
                kind: table.map_or(QualityKind::Measured, |table| table.kind),
                source: table.map(|table| table.source.clone()),
                date: table.map(|table| table.date.clone()),
            }
        }
    }
}

fn choice(
    candidate: &Candidate<'_>,
    signals: &Signals,
    quality: Quality,
    estimate: Estimate,
    score: Score,
    input: &Input,
    config: &Config,
) -> Option<Choice> {
    let known: Option<&Model> = candidate.known;
    Some(Choice {
        name: candidate.name.to_owned(),
        provider: candidate.provider.name.clone(),
        model: candidate.model.to_owned(),
        dialect: candidate.dialect(input)?,
        context: known.and_then(|model| model.context),
        max_output: known.and_then(|model| model.max_output),
        traits: candidate.traits(),
        reasoning: known.and_then(|model| model.reasoning),
        price_id: candidate.price_id(config).to_owned(),
        quality,
        estimate,
        score,
        dropped: if filter::drops_fields(input) { signals.unsupported.clone() } else { Vec::new() },
        why: Why::Score,
        health: signals.health,
    })
}

/// Ten times the load at a failure rate of one: fast errors must not attract traffic.
fn load(estimate: &Estimate, signals: &Signals) -> u128 {
    let failures = 1_000_000 + 9 * u128::from(signals.health.risk_micro().unsigned_abs());
    u128::from(estimate.ttft_ms.max(1)) * (u128::from(signals.health.outstanding) + 1) * failures
}

/// Candidates that only an open breaker keeps out, taken back.
fn last_resort(excluded: &mut Vec<(Option<Entry>, Exclusion)>) -> Vec<Entry> {
    let mut back = Vec::new();
    excluded.retain_mut(|(entry, exclusion)| {
        let only_open = exclusion.reasons.iter().all(|reason| reason.code == Code::BreakerOpen);
        match entry.take_if(|_| only_open) {
            Some(mut entry) => {
                entry.choice.why = Why::LastResort;
                back.push(entry);
                false
            }
            None => true,
        }
    });
    back
}

/// Takes out who was ranked although it cannot express a field (`on-unsupported: error`). If that is the first, the others
/// go with it: the caller wants an error rather than another model.
fn unable(ranked: &mut Vec<Entry>) -> Vec<Exclusion> {
    let refuse = ranked.first().is_some_and(|first| !first.unable.is_empty());
    let mut out = Vec::new();
    ranked.retain_mut(|entry| {
        let able = entry.unable.is_empty();
        if able && !refuse {
            return true;
        }
        let reasons = if able { vec![Reason::new(Code::OnUnsupported, "")] } else { std::mem::take(&mut entry.unable) };
        out.push(Exclusion { model: entry.choice.name.clone(), reasons });
        false
    });
    out
}
