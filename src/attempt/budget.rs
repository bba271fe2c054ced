//! Token buckets filled by traffic, so that what is sent on top of it stays a share of it: retries at one upstream, and second
//! calls under one policy that hedges.
//!
//! The idea of the first is Finagle's (`routing.md` §5): without it, an upstream that fails every call gets every call twice, just when
//! it can bear it least. Counts live for ten seconds, so an hour of calm does not pay for a minute of hammering. First
//! calls fill the bucket, retries at the same candidate empty it; a call to another upstream is that upstream's first
//! call and costs nothing here. Arithmetic is in thousandths of a token: no rounding drift.

/// What [`RetryBudget::default`] allows: a retry for every fifth request.
pub const DEFAULT_SHARE: f64 = 0.2;

/// What [`RetryBudget::default`] allows without traffic: five retries in ten seconds. An isolate sees a small part of
/// all traffic; Finagle's ten per second would let every retry of most isolates through.
pub const DEFAULT_MINIMUM_PER_SECOND: f64 = 0.5;

const SLOT_MS: u64 = 1_000;
const SLOTS: usize = 10;
const TOKEN: i64 = 1_000;

/// Filled by requests, emptied by retries. In any ten seconds it lets through at most `share` × requests +
/// 10 × `minimum_per_second` retries.
#[derive(Debug, Clone)]
pub struct RetryBudget {
    deposit: i64,
    reserve: i64,
    /// Deposits less withdrawals by second, a ring.
    slots: [i64; SLOTS],
    /// The second that the ring has reached.
    second: u64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(DEFAULT_SHARE, DEFAULT_MINIMUM_PER_SECOND)
    }
}

impl RetryBudget {
    /// A full bucket. `share` of requests may be retried, and besides `minimum_per_second`; both are clamped to 0–1000.
    #[must_use]
    pub fn new(share: f64, minimum_per_second: f64) -> Self {
        let reserve = thousandths(minimum_per_second).saturating_mul(i64::try_from(SLOTS).unwrap_or(0));
        Self { deposit: thousandths(share), reserve, slots: [0; SLOTS], second: 0 }
    }

    /// A request was sent for the first time. Retries do not count, or they would pay for themselves.
    pub fn deposit(&mut self, now_ms: u64) {
        let deposit = self.deposit;
        let slot = self.slot(now_ms);
        *slot = slot.saturating_add(deposit);
    }

    /// A retry wants to be sent; `false` = not now.
    pub fn withdraw(&mut self, now_ms: u64) -> bool {
        self.slot(now_ms);
        let balance = self.slots.iter().fold(self.reserve, |sum, slot| sum.saturating_add(*slot));
        if balance < TOKEN {
            return false;
        }
        let slot = self.slot(now_ms);
        *slot = slot.saturating_sub(TOKEN);
        true
    }

    /// The slot of this second; those that are ten seconds old are emptied on the way. A clock that steps back counts
    /// into the latest second.
    fn slot(&mut self, now_ms: u64) -> &mut i64 {
        let now = (now_ms / SLOT_MS).max(self.second);
        let passed = usize::try_from(now - self.second).unwrap_or(SLOTS).min(SLOTS);
        self.second = now;
        self.slots.rotate_right(passed);
        for slot in self.slots.iter_mut().take(passed) {
            *slot = 0;
        }
        let [newest, ..] = &mut self.slots;
        newest
    }
}

/// What is let through of hedges: `share` of all requests since the isolate began, and one. Calm pays for at most ten in a row.
#[derive(Debug, Clone)]
pub struct HedgeBudget {
    millionths: i64,
}

const HEDGE: i64 = 1_000_000;
const MOST_HEDGES: i64 = 10 * HEDGE;

impl Default for HedgeBudget {
    fn default() -> Self {
        Self { millionths: HEDGE }
    }
}

impl HedgeBudget {
    /// A request that could be hedged; `share` of such requests may be, in millionths.
    pub fn deposit(&mut self, share_micro: i64) {
        self.millionths = self.millionths.saturating_add(share_micro.max(0)).min(MOST_HEDGES);
    }

    /// A second call wants to be made; `false` = not now.
    pub fn withdraw(&mut self) -> bool {
        let may = self.millionths >= HEDGE;
        if may {
            self.millionths -= HEDGE;
        }
        may
    }
}

#[allow(clippy::cast_possible_truncation)] // clamped before
fn thousandths(number: f64) -> i64 {
    let clamped = if number.is_nan() { 0.0 } else { number.clamp(0.0, 1_000.0) };
    (clamped * 1_000.0).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(budget: &mut RetryBudget, now_ms: u64) -> usize {
        std::iter::repeat_with(|| budget.withdraw(now_ms)).take_while(|allowed| *allowed).count()
    }

    #[test]
    fn a_fifth_of_the_traffic_may_be_retried() {
        let mut budget = RetryBudget::new(0.2, 0.0);
        assert!(!budget.withdraw(0));
        for _ in 0..100 {
            budget.deposit(5);
        }
        assert_eq!(drain(&mut budget, 900), 20);
    }

    #[test]
    fn a_quiet_upstream_has_its_reserve() {
        let mut budget = RetryBudget::new(0.2, 0.5);
        assert_eq!(drain(&mut budget, 7_000), 5);
        assert_eq!(drain(&mut budget, 16_999), 0, "spent tokens come back after ten seconds");
        assert_eq!(drain(&mut budget, 17_000), 5);
    }

    #[test]
    fn old_traffic_pays_for_nothing() {
        let mut budget = RetryBudget::new(0.2, 0.0);
        for _ in 0..100 {
            budget.deposit(0);
        }
        assert_eq!(drain(&mut budget.clone(), 9_999), 20);
        assert_eq!(drain(&mut budget, 10_000), 0);
    }

    #[test]
    fn a_clock_that_steps_back_is_no_gain() {
        let mut budget = RetryBudget::new(1.0, 0.0);
        budget.deposit(50_000);
        assert!(budget.withdraw(1_000));
        assert!(!budget.withdraw(1_000));
        assert!(!budget.withdraw(59_000));
    }

    #[test]
    fn hedges_are_a_share_of_the_requests_and_one() {
        let mut budget = HedgeBudget::default();
        let hedges = (0..1_000).filter(|_| {
            budget.deposit(50_000);
            budget.withdraw()
        });
        assert_eq!(hedges.count(), 51);
        (0..1_000).for_each(|_| budget.deposit(1_000_000));
        let burst = std::iter::repeat_with(|| budget.withdraw()).take_while(|allowed| *allowed).count();
        assert_eq!(burst, 10, "a long calm");
        budget.deposit(0);
        assert!(!budget.withdraw());
    }

    #[test]
    fn nonsense_is_clamped() {
        assert!(!RetryBudget::new(f64::NAN, -1.0).withdraw(u64::MAX));
        assert!(RetryBudget::new(f64::INFINITY, f64::INFINITY).withdraw(0));
    }
}
