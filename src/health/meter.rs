//! What one isolate has seen of a candidate lately: smoothed times and failures, in integers. Smoothing forgets with each
//! sample and with time, so that a candidate that was bad an hour ago is not avoided for ever.

use super::Health;

/// A new sample's share, as a power of two: 1/8.
const SHARE: u32 = 3;
/// Time after which half of an error rate is forgotten even without traffic.
const HALF_LIFE_MS: u64 = 30_000;

/// Smoothed observations of one candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    ttft_ms: Option<u64>,
    us_per_token: Option<u64>,
    errors_micro: i64,
    last_ms: u64,
}

impl Observed {
    /// Takes one finished attempt in. `ttft_ms`: from sending to first content, where there was content.
    pub fn attempt(&mut self, ok: bool, ttft_ms: Option<u64>, duration_ms: u64, output_tokens: u64, now_ms: u64) {
        self.errors_micro = self.errors_at(now_ms);
        self.last_ms = now_ms;
        let sample = if ok { 0 } else { 1_000_000 };
        self.errors_micro += (sample - self.errors_micro) >> SHARE;
        match ttft_ms {
            Some(ttft) if ok => {
                self.ttft_ms = Some(smooth(self.ttft_ms, ttft));
                let after_first = duration_ms.saturating_sub(ttft).saturating_mul(1000);
                if let Some(per_token) = after_first.checked_div(output_tokens) {
                    self.us_per_token = Some(smooth(self.us_per_token, per_token));
                }
            }
            // A failure counts as a slow sample, else fast errors would attract traffic (`routing.md` §5).
            _ if !ok => self.ttft_ms = self.ttft_ms.map(|t| smooth(Some(t), t.saturating_mul(2).max(duration_ms))),
            _ => {}
        }
    }

    /// Takes in an attempt that was stopped after so long without content: it would have taken longer still. Whether it would
    /// have failed nobody knows.
    pub fn outrun(&mut self, waited_ms: u64) {
        if self.ttft_ms.is_some_and(|ttft| ttft < waited_ms) {
            self.ttft_ms = Some(smooth(self.ttft_ms, waited_ms));
        }
    }

    /// Takes in attempts of which only the number is known.
    pub fn counted(&mut self, ok: u32, failed: u32, now_ms: u64) {
        let all = u64::from(ok) + u64::from(failed);
        let Some(share) = (u64::from(failed) * 1_000_000).checked_div(all) else { return };
        self.errors_micro = self.errors_at(now_ms);
        self.last_ms = now_ms;
        let share = i64::try_from(share).unwrap_or(1_000_000);
        for _ in 0..all.min(64) {
            self.errors_micro += (share - self.errors_micro) >> SHARE;
        }
    }

    /// A probe has been answered: what was before it is over.
    pub fn recovered(&mut self) {
        self.errors_micro = 0;
    }

    /// As the policy reads it. Breakers stay closed: they are not measured here.
    #[must_use]
    pub fn health(&self, now_ms: u64) -> Health {
        Health {
            ttft_ms: self.ttft_ms,
            us_per_token: self.us_per_token,
            errors_micro: self.errors_at(now_ms),
            ..Health::default()
        }
    }

    fn errors_at(&self, now_ms: u64) -> i64 {
        let halvings = now_ms.saturating_sub(self.last_ms) / HALF_LIFE_MS;
        self.errors_micro >> halvings.min(32)
    }
}

fn smooth(old: Option<u64>, sample: u64) -> u64 {
    match old {
        None => sample,
        // Peaks are believed at once, recovery is believed slowly (peak EWMA).
        Some(old) if sample > old => old.saturating_add(sample.saturating_sub(old).div_ceil(2)),
        Some(old) => old - ((old - sample) >> SHARE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_raise_the_risk_and_time_forgives_them() {
        let mut seen = Observed::default();
        for at in 0..10 {
            seen.attempt(false, None, 100, 0, at);
        }
        let bad = seen.health(10).errors_micro;
        assert!(bad > 700_000, "{bad}");
        assert!(seen.health(10 + 4 * HALF_LIFE_MS).errors_micro < bad / 8);
        for at in 10..40 {
            seen.attempt(true, Some(50), 100, 10, at);
        }
        assert!(seen.health(40).errors_micro < 50_000);
    }

    #[test]
    fn a_fast_failure_never_looks_fast() {
        let mut seen = Observed::default();
        seen.attempt(true, Some(400), 1000, 60, 0);
        assert_eq!(seen.health(0).us_per_token, Some(10_000));
        seen.attempt(false, None, 5, 0, 1);
        assert!(seen.health(1).ttft_ms > Some(400));
    }
}
