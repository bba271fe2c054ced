//! What a candidate would cost and how long it would take, before anybody is asked. Integers throughout: the same bits on
//! every target.

use super::input::{Purpose, Signals};
use super::names::Candidate;
use super::Knowledge;
use crate::catalogue::model::{Model, Reasoning, Tier};
use crate::catalogue::price::{PicoUsd, Rates};
use crate::catalogue::task::median_output_tokens;
use crate::classify::{Features, Thinking};
use crate::health::Health;

/// What is expected of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Generated tokens, thinking included.
    pub output_tokens: u64,
    /// Picodollars; `None` = no price is known at all.
    pub cost_picousd: Option<PicoUsd>,
    /// Where the cost is from.
    pub basis: Basis,
    /// Milliseconds to first content.
    pub ttft_ms: u64,
    /// Microseconds per generated token after that.
    pub us_per_token: u64,
}

/// Where an estimated cost is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The model's own price.
    Price,
    /// The provider's dearest price, as the model has none.
    Dearest,
    /// Nothing: the provider has no price at all.
    None,
}

/// The rates of a candidate and where they are from.
#[derive(Debug, Clone)]
pub struct Pricing<'p> {
    /// Rates at this hour, `None` where the provider has no price at all.
    pub rates: Option<&'p Rates>,
    /// Where they are from.
    pub basis: Basis,
}

impl<'p> Pricing<'p> {
    /// Finds them.
    #[must_use]
    pub fn of(candidate: &Candidate<'_>, purpose: Purpose, knowledge: Knowledge<'p>, now_ms: u64) -> Self {
        let Knowledge { config, prices } = knowledge;
        if let Some(rates) = prices.of_purpose(candidate.price_id(config), purpose == Purpose::Embed) {
            return Self { rates: Some(rates.at_hour(now_ms)), basis: Basis::Price };
        }
        match prices.dearest(&candidate.provider.prices_of) {
            Some(rates) => Self { rates: Some(rates), basis: Basis::Dearest },
            None => Self { rates: None, basis: Basis::None },
        }
    }
}

impl Estimate {
    /// Estimates a request of these features for `task` at a candidate.
    #[must_use]
    pub fn of(
        known: Option<&Model>,
        features: &Features,
        task: &str,
        pricing: &Pricing<'_>,
        signals: &Signals,
    ) -> Self {
        let answer = signals.expected.output_tokens.unwrap_or_else(|| median_output_tokens(task));
        let wanted = answer.saturating_add(thinking_tokens(known, features.thinking));
        let output_tokens = features.max_output_tokens.map_or(wanted, |bound| wanted.min(bound));
        let (ttft_ms, us_per_token) = speed(known, &signals.health);
        Self {
            output_tokens,
            cost_picousd: pricing.rates.map(|rates| cost(rates, features, output_tokens, signals.warm_tokens)),
            basis: pricing.basis,
            ttft_ms,
            us_per_token,
        }
    }

    /// Milliseconds until the whole answer is there.
    #[must_use]
    pub fn latency_ms(&self) -> u64 {
        self.ttft_ms.saturating_add(self.us_per_token.saturating_mul(self.output_tokens) / 1_000)
    }
}

/// Tokens of thinking that an answer is assumed to take, by the effort asked for. Our own assumption; it keeps models that
/// think from looking as cheap as models that do not.
fn thinking_tokens(known: Option<&Model>, thinking: Thinking) -> u64 {
    let reasoning = known.and_then(|model| model.reasoning).unwrap_or(Reasoning::None);
    match (reasoning, thinking) {
        (Reasoning::None, _) | (Reasoning::Optional, Thinking::Off | Thinking::Unsaid) => 0,
        (Reasoning::Always, Thinking::Off) => 64,
        (_, Thinking::Low) => 256,
        (_, Thinking::Medium | Thinking::Unsaid) => 1_024,
        (_, Thinking::High) => 4_096,
    }
}

/// At cached-token prices for what is warm, so that leaving a warm cache costs what it costs.
fn cost(rates: &Rates, features: &Features, output_tokens: u64, warm_tokens: u64) -> PicoUsd {
    let input = features.estimated_input_tokens;
    let rates = rates.at(input);
    let warm = warm_tokens.min(input);
    let price = |tokens: u64, rate: PicoUsd| u128::from(tokens).saturating_mul(u128::from(rate));
    let total = price(input - warm, rates.input)
        .saturating_add(price(warm, rates.cached()))
        .saturating_add(price(output_tokens, rates.output))
        .saturating_add(u128::from(rates.request.unwrap_or(0)));
    PicoUsd::try_from(total).unwrap_or(PicoUsd::MAX)
}

/// Milliseconds to first content and microseconds per token: as observed, else by tier. The figures for unseen models
/// are constants rather than the pool's median, so that removing one candidate changes no other's score.
fn speed(known: Option<&Model>, health: &Health) -> (u64, u64) {
    let (ttft_ms, us_per_token) = match known.and_then(|model| model.tier) {
        Some(Tier::Frontier) => (1_500, 20_000),
        Some(Tier::Strong) => (1_000, 14_000),
        Some(Tier::Standard) | None => (700, 9_000),
        Some(Tier::Small) => (500, 6_000),
    };
    (health.ttft_ms.unwrap_or(ttft_ms), health.us_per_token.unwrap_or(us_per_token))
}
