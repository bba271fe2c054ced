//! The retry budget of one upstream: a token bucket filled by traffic, so that retries stay a share of it.

/// Filled by requests, emptied by retries.
#[derive(Debug, Clone)]
pub struct RetryBudget {}

impl RetryBudget {
    /// A full bucket.
    #[must_use]
    pub fn new(_share: f64, _minimum_per_second: f64) -> Self {
        Self {}
    }
    /// A request was sent.
    pub fn deposit(&mut self, _now_ms: u64) {}
    /// A retry wants to be sent; `false` = not now.
    pub fn withdraw(&mut self, _now_ms: u64) -> bool {
        true
    }
}
