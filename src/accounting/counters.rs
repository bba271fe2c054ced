//! Sums over attempts. Every attempt contributes one [`Counters`]; totals are sums of contributions and nothing else, so
//! that an attempt that changes is taken out and put back in, and no order of events can count it twice.

use serde::{Deserialize, Serialize};

use super::cost::{Certainty, Cost};
use super::ledger::{Opened, Outcome, Settled};
use crate::dialect::canonical::Usage;
use crate::money::PicoSum;

/// Sums over a set of attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Requests, counted by their first attempt.
    pub requests: u64,
    /// Calls to providers.
    pub attempts: u64,
    /// Of `attempts`: not settled yet; their tokens and cost are not in these sums.
    pub open: u64,
    /// Of `attempts`: delivered whole.
    pub completed: u64,
    /// Of `attempts`: failed before their answer began.
    pub failed: u64,
    /// Of `attempts`: broke off inside their answer.
    pub cut: u64,
    /// Of `attempts`: ended because the caller had left.
    pub client_gone: u64,
    /// Of `attempts`: stopped, because the call made beside them had brought content first.
    pub hedged: u64,
    /// Of `attempts`: never settled, closed at their deadline with the estimate made before the call.
    pub expired: u64,
    /// Prompt tokens neither read from nor written to a cache.
    pub input_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cached_input_tokens: u64,
    /// Prompt tokens written to a 5-minute (or unspecified) cache.
    pub cache_write_5m_tokens: u64,
    /// Prompt tokens written to a 1-hour (or longer) cache.
    pub cache_write_1h_tokens: u64,
    /// Generated tokens that are not reasoning.
    pub output_tokens: u64,
    /// Generated reasoning tokens.
    pub reasoning_tokens: u64,
    /// Of `input_tokens`: audio.
    pub audio_input_tokens: u64,
    /// Of `output_tokens`: audio.
    pub audio_output_tokens: u64,
    /// Settled attempts with an exact cost.
    pub exact_attempts: u64,
    /// Their picodollars.
    pub exact_picousd: PicoSum,
    /// Settled attempts with an estimated cost.
    pub estimated_attempts: u64,
    /// Their picodollars.
    pub estimated_picousd: PicoSum,
    /// Settled attempts whose price nobody knows.
    pub unpriced_attempts: u64,
}

impl Counters {
    /// What an attempt adds while it is open.
    #[must_use]
    pub fn open(opened: &Opened) -> Self {
        Self { open: 1, ..Self::begun(opened) }
    }

    /// What it adds when it is over.
    #[must_use]
    pub fn settled(opened: &Opened, settled: &Settled) -> Self {
        let mut own = Self::begun(opened);
        match settled.outcome {
            Outcome::Completed => own.completed = 1,
            Outcome::Failed => own.failed = 1,
            Outcome::Cut => own.cut = 1,
            Outcome::ClientGone => own.client_gone = 1,
            Outcome::Hedged => own.hedged = 1,
        }
        own.charge(&settled.usage, settled.cost);
        own
    }

    /// What it adds when the clock has closed it: its estimate.
    #[must_use]
    pub fn expired(opened: &Opened) -> Self {
        let mut own = Self { expired: 1, ..Self::begun(opened) };
        own.charge(&opened.estimate.usage, opened.estimate.cost.as_estimate());
        own
    }

    fn begun(opened: &Opened) -> Self {
        Self { requests: u64::from(opened.attempt == 1), attempts: 1, ..Self::default() }
    }

    fn charge(&mut self, usage: &Usage, cost: Cost) {
        self.input_tokens = usage.input_tokens;
        self.cached_input_tokens = usage.cached_input_tokens.unwrap_or(0);
        self.cache_write_5m_tokens = usage.cache_write_5m_tokens.unwrap_or(0);
        self.cache_write_1h_tokens = usage.cache_write_1h_tokens.unwrap_or(0);
        self.output_tokens = usage.output_tokens;
        self.reasoning_tokens = usage.reasoning_tokens.unwrap_or(0);
        self.audio_input_tokens = usage.audio_input_tokens.unwrap_or(0);
        self.audio_output_tokens = usage.audio_output_tokens.unwrap_or(0);
        let amount = PicoSum::default().plus(cost.picousd().unwrap_or(0));
        match cost.certainty() {
            Certainty::Exact => (self.exact_attempts, self.exact_picousd) = (1, amount),
            Certainty::Estimated => (self.estimated_attempts, self.estimated_picousd) = (1, amount),
            Certainty::Unpriced => self.unpriced_attempts = 1,
        }
    }

    /// Puts a contribution in.
    pub fn add(&mut self, other: &Self) {
        self.each(other, u64::saturating_add, u128::saturating_add);
    }

    /// Takes a contribution out that was put in before.
    pub fn remove(&mut self, other: &Self) {
        self.each(other, u64::saturating_sub, u128::saturating_sub);
    }

    /// Exact and estimated picodollars together.
    #[must_use]
    pub fn picousd(&self) -> PicoSum {
        PicoSum(self.exact_picousd.0.saturating_add(self.estimated_picousd.0))
    }

    fn each(&mut self, other: &Self, count: fn(u64, u64) -> u64, money: fn(u128, u128) -> u128) {
        for (mine, theirs) in [
            (&mut self.requests, other.requests),
            (&mut self.attempts, other.attempts),
            (&mut self.open, other.open),
            (&mut self.completed, other.completed),
            (&mut self.failed, other.failed),
            (&mut self.cut, other.cut),
            (&mut self.client_gone, other.client_gone),
            (&mut self.hedged, other.hedged),
            (&mut self.expired, other.expired),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.cached_input_tokens, other.cached_input_tokens),
            (&mut self.cache_write_5m_tokens, other.cache_write_5m_tokens),
            (&mut self.cache_write_1h_tokens, other.cache_write_1h_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.reasoning_tokens, other.reasoning_tokens),
            (&mut self.audio_input_tokens, other.audio_input_tokens),
            (&mut self.audio_output_tokens, other.audio_output_tokens),
            (&mut self.exact_attempts, other.exact_attempts),
            (&mut self.estimated_attempts, other.estimated_attempts),
            (&mut self.unpriced_attempts, other.unpriced_attempts),
        ] {
            *mine = count(*mine, theirs);
        }
        self.exact_picousd.0 = money(self.exact_picousd.0, other.exact_picousd.0);
        self.estimated_picousd.0 = money(self.estimated_picousd.0, other.estimated_picousd.0);
    }
}
