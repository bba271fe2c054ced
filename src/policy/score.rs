//! `U = w_q·quality − w_c·cost ÷ c_ref − w_l·over(latency, budget) − w_r·risk + boosts`, in millionths.
//!
//! All terms are integers in millionths: the same bits on every target, and a figure that is shown is the figure that was
//! compared. References and budgets are configured constants, never the best or worst of the candidates at hand, so
//! that adding or removing a candidate changes no other's score.

use super::estimate::Estimate;
use crate::catalogue::model::Quality;
use crate::config::choice::{Policy, Weights};
use crate::health::Health;

/// A score and what it is made of, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// The sum.
    pub total_micro: i64,
    /// w_q · quality.
    pub quality_micro: i64,
    /// −w_c · min(cost ÷ c_ref, cap).
    pub cost_micro: i64,
    /// −w_l · min(max(0, latency − budget) ÷ budget, cap).
    pub latency_micro: i64,
    /// −w_r · risk.
    pub risk_micro: i64,
    /// What rules add.
    pub boost_micro: i64,
}

const ONE: i128 = 1_000_000;

impl Score {
    /// Scores a candidate. `budget_ms` is the policy's or the caller's.
    #[must_use]
    pub fn of(
        quality: &Quality,
        estimate: &Estimate,
        health: &Health,
        weights: Weights,
        policy: &Policy,
        budget_ms: u64,
        boost_micro: i64,
    ) -> Self {
        // Where no price is known at all, the reference cost stands in: unknown is never free.
        let cost = estimate.cost_picousd.unwrap_or(policy.c_ref_picousd);
        let cost = ratio(cost, policy.c_ref_picousd).min(i128::from(policy.cost_cap_micro));
        let over = ratio(estimate.latency_ms().saturating_sub(budget_ms), budget_ms);
        let over = over.min(i128::from(policy.latency_cap_micro));
        let mut score = Self {
            total_micro: 0,
            quality_micro: weigh(weights.quality_micro, i128::from(quality.value_micro)),
            cost_micro: -weigh(weights.cost_micro, cost),
            latency_micro: -weigh(weights.latency_micro, over),
            risk_micro: -weigh(weights.risk_micro, i128::from(health.risk_micro())),
            boost_micro,
        };
        for term in [score.quality_micro, score.cost_micro, score.latency_micro, score.risk_micro, boost_micro] {
            score.total_micro = score.total_micro.saturating_add(term);
        }
        score
    }
}

/// value ÷ reference in millionths, rounded to the nearest.
fn ratio(value: u64, reference: u64) -> i128 {
    let reference = i128::from(reference.max(1));
    (i128::from(value) * ONE + reference / 2) / reference
}

/// weight × value, both in millionths, neither negative, rounded to the nearest.
fn weigh(weight_micro: i64, value_micro: i128) -> i64 {
    let product = (i128::from(weight_micro) * value_micro + ONE / 2) / ONE;
    i64::try_from(product).unwrap_or(i64::MAX)
}
