//! The rules of the policies that bind a request, applied to it and to its candidates. A rule that only takes away counts as
//! applying where it has no answer; any other counts as not applying. Either is told.

use super::facts::{OfCandidate, OfRequest};
use super::filter::{Code, Reason};
use super::input::Input;
use super::names::Pool;
use crate::config::choice::{Policy, Weights};
use crate::config::rule::{Effect, Rule};
use crate::expression::Unknown;

/// A rule that had an effect, or had no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Its id.
    pub id: String,
    /// Whose rule it is.
    pub policy: String,
    /// What it does.
    pub effect: &'static str,
    /// The candidates that it concerned, for a rule about candidates.
    pub models: Vec<String>,
    /// Something that it asks for was not known.
    pub unanswered: bool,
    /// Its conditions, for those who may read them.
    pub conditions: Vec<String>,
}

/// The rules that concern a request.
pub(super) struct Applied<'p> {
    rules: Vec<Applicable<'p>>,
    /// The message of the first rule that refuses.
    pub denied: Option<&'p str>,
}

struct Applicable<'p> {
    rule: &'p Rule,
    /// That it concerns the request is known.
    certain: bool,
    fired: Fired,
}

/// The policies whose rules are looked at, and whether only in so far as they take away.
fn binding<'p>(pool: &'p Pool<'_>) -> impl Iterator<Item = (&'p str, &'p Policy, bool)> {
    let own = [(pool.policy_name, pool.policy, false)];
    own.into_iter().chain(pool.bounds.iter().map(|(name, policy)| (*name, *policy, true)))
}

/// The alias that a rule puts in the place of the one that the caller named.
pub(super) fn alias<'p>(input: &Input, pool: &'p Pool<'_>) -> Option<&'p str> {
    let request = OfRequest { input, task: input.features.task_above(pool.policy.min_task_confidence_micro) };
    let applies = |rule: &&Rule| rule.when.as_ref().is_none_or(|when| when.holds(&request) == Ok(true));
    let named = |rule: &'p Rule| match &rule.effect {
        Effect::Alias(alias) => Some((rule, alias.as_str())),
        _ => None,
    };
    pool.policy.rules.iter().filter_map(named).find(|(rule, _)| applies(rule)).map(|(_, alias)| alias)
}

impl<'p> Applied<'p> {
    /// Those that concern a request.
    pub fn to(pool: &'p Pool<'_>, request: OfRequest<'_>) -> Self {
        let mut applied = Self { rules: Vec::new(), denied: None };
        for (name, policy, only_restricting) in binding(pool) {
            for rule in policy.rules.iter().filter(|rule| !only_restricting || rule.effect.restricts()) {
                applied.consider(rule, name, request, pool);
            }
        }
        applied
    }

    fn consider(&mut self, rule: &'p Rule, policy: &str, request: OfRequest<'_>, pool: &Pool<'_>) {
        let when = rule.when.as_ref().map_or(Ok(true), |when| when.holds(&request));
        let unanswered = when == Err(Unknown);
        let applies = when.unwrap_or(rule.effect.restricts());
        let has_effect = match &rule.effect {
            // Told where it was followed: the first one is, and only in the place of an alias.
            Effect::Alias(alias) => applies && pool.alias == Some(alias),
            _ => applies,
        };
        if !has_effect && !unanswered {
            return;
        }
        let conditions = rule.when.iter().chain(rule.effect.condition()).map(|c| c.source().to_owned()).collect();
        let fired = Fired {
            id: rule.id.clone(),
            policy: policy.to_owned(),
            effect: rule.effect.name(),
            models: Vec::new(),
            unanswered,
            conditions,
        };
        if let (true, Effect::Deny(message)) = (applies, &rule.effect) {
            self.denied = self.denied.or(Some(message));
        }
        self.rules.push(Applicable { rule, certain: !unanswered, fired });
    }

    /// The weights that hold.
    pub fn weights(&self, mut weights: Weights) -> Weights {
        for Applicable { rule, certain, .. } in &self.rules {
            if let (Effect::Weights(changes), true) = (&rule.effect, certain) {
                weights = changes.over(weights);
            }
        }
        weights
    }

    /// Applies them to a candidate: reasons against it go to `found`, the sum of boosts comes back.
    pub fn judge(&mut self, candidate: OfCandidate<'_>, found: &mut Vec<Reason>) -> i64 {
        let mut boost: i64 = 0;
        for Applicable { rule, certain, fired } in &mut self.rules {
            let holds = rule.effect.condition().map(|condition| condition.holds(&candidate));
            let out = match (&rule.effect, holds) {
                (Effect::Require(_), Some(holds)) => holds != Ok(true),
                (Effect::Forbid(_), Some(holds)) => holds != Ok(false),
                (Effect::Deny(_), _) => true,
                (Effect::Boost(_, by), Some(Ok(true))) if *certain => {
                    boost = boost.saturating_add(*by);
                    fired.models.push(candidate.candidate.name.to_owned());
                    false
                }
                _ => false,
            };
            fired.unanswered |= holds == Some(Err(Unknown));
            if out {
                found.push(Reason::new(Code::Rule, fired.id.as_str()));
                if holds.is_some() {
                    fired.models.push(candidate.candidate.name.to_owned());
                }
            }
        }
        boost
    }

    /// What is to be told of them: those about candidates where they concerned one.
    pub fn told(self) -> Vec<Fired> {
        let concerned = |Applicable { rule, fired, .. }: &Applicable<'_>| {
            fired.unanswered || rule.effect.condition().is_none() || !fired.models.is_empty()
        };
        self.rules.into_iter().filter(concerned).map(|applicable| applicable.fired).collect()
    }
}

#[cfg(test)]
mod tests;
