//! How long things may take: the bounds of a request, and what they mean for one attempt.

/// How long a model may think before it speaks (DESIGN §5 "Deadlines").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// 10 s to first content, 15 s of silence.
    Normal,
    /// 60 s and 60 s.
    Reasoning,
    /// 300 s and 300 s.
    HighEffort,
}

/// Bounds of a request, from policy and caller. Milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// From the request's arrival to its end.
    pub total_ms: u64,
    /// Outbound calls in all.
    pub max_attempts: u32,
    /// Longest Retry-After that is waited out.
    pub max_wait_ms: u64,
    /// First step of the exponential backoff.
    pub backoff_base_ms: u64,
    /// Cap of the exponential backoff.
    pub backoff_cap_ms: u64,
    /// First-content bound per [`Patience`].
    pub first_content_ms: [u64; 3],
    /// Content-silence bound per [`Patience`].
    pub idle_ms: [u64; 3],
    /// Smallest bound of a non-stream attempt.
    pub whole_ms: u64,
    /// A provider's safety verdict is the answer; else the next candidate is asked.
    pub verdicts_are_answers: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_ms: 600_000,
            max_attempts: 6,
            max_wait_ms: 3_000,
            backoff_base_ms: 250,
            backoff_cap_ms: 8_000,
            first_content_ms: [10_000, 60_000, 300_000],
            idle_ms: [15_000, 60_000, 300_000],
            whole_ms: 120_000,
            verdicts_are_answers: true,
        }
    }
}

/// Deadlines of one attempt, as instants on the caller's clock (ms). `None` = only the total binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Headers and first content must have come.
    pub first_content_at: Option<u64>,
    /// Longest content silence afterwards, a duration.
    pub idle_ms: Option<u64>,
    /// The attempt must have ended.
    pub end_at: u64,
}

impl Limits {
    /// Deadlines of a streamed attempt after which another candidate is left.
    pub(super) fn streamed(&self, patience: Patience, now_ms: u64, total_end: u64) -> Deadlines {
        let [first_normal, first_reasoning, first_high] = self.first_content_ms;
        let [idle_normal, idle_reasoning, idle_high] = self.idle_ms;
        let (first, idle) = match patience {
            Patience::Normal => (first_normal, idle_normal),
            Patience::Reasoning => (first_reasoning, idle_reasoning),
            Patience::HighEffort => (first_high, idle_high),
        };
        let first_content_at = Some(now_ms.saturating_add(first).min(total_end));
        Deadlines { first_content_at, idle_ms: Some(idle), end_at: total_end }
    }

    /// Deadlines of a non-stream attempt after which another candidate is left: three times what is expected, because
    /// a slow answer that is thrown away has been paid for.
    pub(super) fn whole(&self, expected_ms: u64, now_ms: u64, total_end: u64) -> Deadlines {
        let bound = self.whole_ms.max(expected_ms.saturating_mul(3));
        Deadlines { first_content_at: None, idle_ms: None, end_at: now_ms.saturating_add(bound).min(total_end) }
    }

    /// Full jitter: anything between nothing and the exponential step, so that callers who failed together do not
    /// come back together. `retries` counts those made so far, `random` is uniform.
    pub(super) fn backoff_ms(&self, retries: u32, random: u64) -> u64 {
        let step = self.backoff_base_ms.saturating_mul(1u64.checked_shl(retries).unwrap_or(u64::MAX));
        portion(step.min(self.backoff_cap_ms), random)
    }
}

/// A uniform number in `0..=most`.
fn portion(most: u64, random: u64) -> u64 {
    u64::try_from((u128::from(random) * (u128::from(most) + 1)) >> 64).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_cap_and_spreads_over_all_of_it() {
        let limits = Limits::default();
        for (retries, most) in [(0, 250), (1, 500), (4, 4_000), (5, 8_000), (63, 8_000), (64, 8_000), (u32::MAX, 8_000)]
        {
            assert_eq!(limits.backoff_ms(retries, u64::MAX), most, "{retries}");
            assert_eq!(limits.backoff_ms(retries, 0), 0);
            assert!(limits.backoff_ms(retries, u64::MAX / 2).abs_diff(most / 2) <= 1);
        }
    }

    #[test]
    fn an_attempt_never_outlives_the_request() {
        let limits = Limits::default();
        let streamed = limits.streamed(Patience::HighEffort, 500_000, 600_000);
        assert_eq!((streamed.first_content_at, streamed.end_at), (Some(600_000), 600_000));
        assert_eq!(limits.streamed(Patience::Normal, 0, 600_000).first_content_at, Some(10_000));
        assert_eq!(limits.streamed(Patience::Reasoning, 0, 600_000).idle_ms, Some(60_000));
        assert_eq!(limits.whole(10_000, 0, 600_000).end_at, 120_000);
        assert_eq!(limits.whole(50_000, 0, 600_000).end_at, 150_000);
        assert_eq!(limits.whole(u64::MAX, 1, 600_000).end_at, 600_000);
    }
}
