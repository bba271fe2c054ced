//! What one isolate has seen of a candidate lately: smoothed times and failures, in integers. Smoothing forgets with each
//! sample and with time, so that a candidate that was bad an hour ago is not avoided for ever.

use super::Health;

/// A new sample's share, as a power of two: 1/8.
const SHARE: u32 = 3;
/// Time after which half of an error rate is forgotten even without traffic.
const HALF_LIFE_MS: u64 = 30_000;

/// How long a time is believed that no new one has followed. A candidate that was slow once would never be asked again.
const STALE_MS: u64 = 10 * 60_000;

/// Smoothed observations of one candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Observed {
    /// Of answers alone: what failed has not shown how long an answer takes.
    ttft_ms: Option<u64>,
    us_per_token: Option<u64>,
    /// What failures and lost races add to that for a while.
    slowed_ms: u64,
    errors_micro: i64,
    last_ms: u64,
}

impl Observed {
    /// Takes one finished attempt in. `ttft_ms`: from sending to first content, where there was content.
    pub fn attempt(&mut self, ok: bool, ttft_ms: Option<u64>, duration_ms: u64, output_tokens: u64, now_ms: u64) {
        self.forget(now_ms);
        let sample = if ok { 0 } else { 1_000_000 };
        self.errors_micro += (sample - self.errors_micro) >> SHARE;
        match (ttft_ms, self.ttft_ms) {
            (Some(ttft), known) if ok => {
                self.ttft_ms = Some(smooth(known, ttft));
                self.slowed_ms = smooth(Some(self.slowed_ms), 0);
                let after_first = duration_ms.saturating_sub(ttft).saturating_mul(1000);
                if let Some(per_token) = after_first.checked_div(output_tokens) {
                    self.us_per_token = Some(smooth(self.us_per_token, per_token));
                }
            }
            // A failure counts as a slow sample, else fast errors would attract traffic (`routing.md` §5): as twice the time of
            // an answer, or as the time that it took. However many there are, they add no more than that.
            (_, Some(known)) if !ok => {
                self.slowed_ms = smooth(Some(self.slowed_ms), known.max(duration_ms.saturating_sub(known)));
            }
            _ => {}
        }
    }

    /// Takes in an attempt that was stopped after so long without content: it would have taken longer still. Whether it would
    /// have failed nobody knows.
    pub fn outrun(&mut self, waited_ms: u64, now_ms: u64) {
        self.forget(now_ms);
        let more = self.ttft_ms.map_or(0, |known| waited_ms.saturating_sub(known));
        self.slowed_ms = self.slowed_ms.max(smooth(Some(self.slowed_ms), more));
    }

    /// Takes in attempts of which only the number is known.
    pub fn counted(&mut self, ok: u32, failed: u32, now_ms: u64) {
        let all = u64::from(ok) + u64::from(failed);
        let Some(share) = (u64::from(failed) * 1_000_000).checked_div(all) else { return };
        self.forget(now_ms);
        let share = i64::try_from(share).unwrap_or(1_000_000);
        for _ in 0..all.min(64) {
            self.errors_micro += (share - self.errors_micro) >> SHARE;
        }
    }

    /// Without its failures: a probe has been answered, or is to be made.
    #[must_use]
    pub fn forgiven(&self) -> Self {
        Self { errors_micro: 0, slowed_ms: 0, ..*self }
    }

    /// As the policy reads it. Breakers stay closed: they are not measured here.
    #[must_use]
    pub fn health(&self, now_ms: u64) -> Health {
        let now = self.at(now_ms);
        Health {
            ttft_ms: now.ttft_ms.map(|ttft| ttft.saturating_add(now.slowed_ms)),
            us_per_token: now.us_per_token,
            errors_micro: now.errors_micro,
            ..Health::default()
        }
    }

    /// What of the time to first content that [`Observed::health`] tells is of failures and lost races: what an answer is expected
    /// to take is without it.
    #[must_use]
    pub fn slowed_ms(&self, now_ms: u64) -> u64 {
        let now = self.at(now_ms);
        now.ttft_ms.map_or(0, |_| now.slowed_ms)
    }

    fn forget(&mut self, now_ms: u64) {
        *self = Self { last_ms: now_ms, ..self.at(now_ms) };
    }

    /// What of it is left at a time.
    fn at(&self, now_ms: u64) -> Self {
        let idle_ms = now_ms.saturating_sub(self.last_ms);
        let halvings = u32::try_from(idle_ms / HALF_LIFE_MS).unwrap_or(32).min(32);
        let fresh = idle_ms < STALE_MS;
        Self {
            ttft_ms: self.ttft_ms.filter(|_| fresh),
            us_per_token: self.us_per_token.filter(|_| fresh),
            slowed_ms: self.slowed_ms >> halvings,
            errors_micro: self.errors_micro >> halvings,
            last_ms: self.last_ms,
        }
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

    #[test]
    fn failures_slow_a_candidate_for_a_while_and_no_more_than_they_took() {
        let mut seen = Observed::default();
        seen.attempt(true, Some(40), 100, 10, 0);
        for at in 1..=200 {
            seen.attempt(false, None, 20, 0, at);
        }
        assert_eq!((seen.health(200).ttft_ms, seen.slowed_ms(200)), (Some(80), 40));
        for at in 201..=400 {
            seen.attempt(false, None, 3_000, 0, at);
        }
        assert_eq!(seen.health(400).ttft_ms, Some(3_000));
        assert!(seen.health(400 + 8 * HALF_LIFE_MS).ttft_ms < Some(60), "time forgives it");
        assert_eq!(seen.forgiven().health(400).ttft_ms, Some(40));
        for at in 401..=450 {
            seen.attempt(true, Some(40), 100, 10, at);
        }
        assert!(seen.health(450).ttft_ms < Some(60), "answers do");
        seen.outrun(700, 450);
        assert!(seen.health(450).ttft_ms > Some(300) && seen.health(450).ttft_ms <= Some(700));
        assert_eq!(seen.health(450).ttft_ms, Some(40 + seen.slowed_ms(450)));
    }

    #[test]
    fn a_time_that_nothing_has_confirmed_is_forgotten() {
        let mut seen = Observed::default();
        seen.attempt(true, Some(60_000), 61_000, 10, 0);
        assert_eq!(seen.health(STALE_MS - 1).ttft_ms, Some(60_000));
        assert_eq!((seen.health(STALE_MS).ttft_ms, seen.health(STALE_MS).us_per_token), (None, None));
    }
}
