//! A circuit breaker: whether a candidate is asked at all, by how it has answered lately. Closed lets everything through;
//! open nothing, for an ejection time that doubles with each probe that fails; then one request goes through as a probe, and
//! what becomes of it closes or opens the circuit again (`routing.md` §5).
//!
//! What opens it: failures in a row, or a share of failures among the last ten seconds' attempts; just after closing a single
//! failure is enough. A Retry-After is then the ejection time. The clock is an input.

use super::Breaker;

/// When a circuit opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `false` = it never opens.
    pub enabled: bool,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// Share of failures in the window, in millionths, once there are `min_requests` in it.
    pub failure_share_micro: u32,
    /// Attempts in the window from which the share counts.
    pub min_requests: u32,
    /// First ejection time.
    pub ejection_ms: u64,
    /// Longest ejection time that is not the provider's own word.
    pub max_ejection_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            failure_share_micro: 500_000,
            min_requests: 20,
            ejection_ms: 500,
            max_ejection_ms: 5_000,
        }
    }
}

/// Longest Retry-After that is believed: after a daily quota's hour something may have changed.
const LONGEST_HINT_MS: u64 = 300_000;
/// How long a probe may be under way before another is let through: its caller may have left with its isolate.
const PROBE_MS: u64 = 60_000;

/// How an attempt went, as a sign of the candidate's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It answered, be it with a refusal of this one request.
    Alive,
    /// It failed, and the request was not to blame.
    Failed {
        /// It says for how long.
        retry_after_ms: Option<u64>,
        /// The account is refused, which passes seldom by itself.
        account: bool,
    },
    /// Nothing was learnt: the caller left.
    Unknown,
    /// It was stopped before it had come to anything, because another candidate was quicker.
    Outrun,
}

/// What a change means for others who share the circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It opened.
    Opened,
    /// It closed.
    Closed,
}

/// One candidate's circuit.
#[derive(Debug, Clone, Default)]
pub struct Circuit {
    state: State,
    streak: u32,
    /// Ejections in a row.
    ejections: u32,
    /// Until then a single failure opens it again.
    probation_until_ms: u64,
    window: Window,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open {
        since_ms: u64,
        until_ms: u64,
        /// The provider named the time itself.
        hinted: bool,
    },
    Probing {
        opened_ms: u64,
        since_ms: u64,
        until_ms: u64,
    },
}

impl Circuit {
    /// As decisions read it. Open also while a probe is under way; half-open when the next request is the probe.
    #[must_use]
    pub fn breaker(&self, now_ms: u64) -> Breaker {
        match self.state {
            State::Closed => Breaker::Closed,
            State::Open { until_ms, .. } | State::Probing { until_ms, .. } if now_ms < until_ms => {
                Breaker::Open { until_ms }
            }
            State::Open { .. } | State::Probing { .. } => Breaker::HalfOpen,
        }
    }

    /// Whether the same candidate may be asked again after a failure: not where it has just been found to fail for all.
    /// A wait that the provider named is the caller's to sit out.
    #[must_use]
    pub fn lets_retry(&self, now_ms: u64) -> bool {
        !matches!(self.state, State::Open { until_ms, hinted: false, .. } if now_ms < until_ms)
    }

    /// An attempt is sent: the first one after the ejection time is the probe.
    pub fn sent(&mut self, now_ms: u64) {
        if self.breaker(now_ms) != Breaker::HalfOpen {
            return;
        }
        if let State::Open { since_ms: opened_ms, .. } | State::Probing { opened_ms, .. } = self.state {
            self.state = State::Probing { opened_ms, since_ms: now_ms, until_ms: now_ms.saturating_add(PROBE_MS) };
        }
    }

    /// An attempt that was sent at `sent_ms` is over. `random` is uniform.
    pub fn ended(&mut self, sign: Sign, sent_ms: u64, now_ms: u64, random: u64, settings: &Settings) -> Option<Change> {
        // What was sent before the circuit changed says how things were before.
        let current = match self.state {
            State::Closed => true,
            State::Open { since_ms, .. } | State::Probing { since_ms, .. } => since_ms <= sent_ms,
        };
        match sign {
            Sign::Alive => {
                self.window.count(true, now_ms);
                self.streak = 0;
                (current && self.state != State::Closed).then(|| self.close(now_ms, settings))
            }
            Sign::Unknown | Sign::Outrun => {
                if let (true, State::Probing { opened_ms, .. }) = (current, self.state) {
                    self.state = State::Open { since_ms: opened_ms, until_ms: now_ms, hinted: false };
                }
                None
            }
            Sign::Failed { retry_after_ms, account } => {
                self.window.count(false, now_ms);
                self.streak = self.streak.saturating_add(1);
                let hint_ms = retry_after_ms.map(|ms| ms.min(LONGEST_HINT_MS)).filter(|ms| *ms > 0);
                let opens = match self.state {
                    State::Closed => self.failing(now_ms, settings),
                    State::Probing { .. } => current,
                    State::Open { .. } => current && hint_ms.is_some(),
                };
                (opens && settings.enabled).then(|| self.open(hint_ms, account, now_ms, random, settings))
            }
        }
    }

    /// Another isolate's circuit for the same candidate opened.
    pub fn told_open(&mut self, since_ms: u64, until_ms: u64, now_ms: u64) {
        if self.state == State::Closed && now_ms < until_ms {
            self.state = State::Open { since_ms, until_ms, hinted: false };
        }
    }

    /// Another isolate's probe has succeeded.
    pub fn told_closed(&mut self, at_ms: u64, now_ms: u64, settings: &Settings) {
        if matches!(self.state, State::Open { since_ms, .. } if since_ms <= at_ms) {
            self.close(now_ms, settings);
        }
    }

    /// Since when and until when it is open, for others.
    #[must_use]
    pub fn ejected(&self) -> Option<(u64, u64)> {
        match self.state {
            State::Open { since_ms, until_ms, .. } => Some((since_ms, until_ms)),
            _ => None,
        }
    }

    fn failing(&self, now_ms: u64, settings: &Settings) -> bool {
        let (ok, failed) = self.window.counts(now_ms);
        let all = ok.saturating_add(failed);
        self.streak >= settings.consecutive_failures
            || now_ms < self.probation_until_ms
            || (all >= settings.min_requests
                && u64::from(failed) * 1_000_000 >= u64::from(all) * u64::from(settings.failure_share_micro))
    }

    fn open(&mut self, hint_ms: Option<u64>, account: bool, now_ms: u64, random: u64, settings: &Settings) -> Change {
        let step = settings.ejection_ms.saturating_mul(1u64.checked_shl(self.ejections).unwrap_or(u64::MAX));
        let step = if account { settings.max_ejection_ms } else { step.min(settings.max_ejection_ms) };
        // Between half and all of it, so that isolates do not probe together.
        let jittered = step / 2 + u64::try_from((u128::from(random) * u128::from(step / 2 + 1)) >> 64).unwrap_or(0);
        let until_ms = now_ms.saturating_add(hint_ms.unwrap_or(jittered));
        self.ejections = self.ejections.saturating_add(1).min(16);
        self.state = State::Open { since_ms: now_ms, until_ms, hinted: hint_ms.is_some() };
        Change::Opened
    }

    fn close(&mut self, now_ms: u64, settings: &Settings) -> Change {
        *self = Self { probation_until_ms: now_ms.saturating_add(settings.max_ejection_ms), ..Self::default() };
        Change::Closed
    }
}

const SLOT_MS: u64 = 1_000;
const SLOTS: usize = 10;

/// Attempts of the last ten seconds, a ring of seconds.
#[derive(Debug, Clone, Default)]
struct Window {
    slots: [(u32, u32); SLOTS],
    second: u64,
}

impl Window {
    fn count(&mut self, ok: bool, now_ms: u64) {
        let passed = self.passed(now_ms);
        self.second = self.second.max(now_ms / SLOT_MS);
        self.slots.rotate_right(passed);
        self.slots.iter_mut().take(passed).for_each(|slot| *slot = (0, 0));
        let [(good, bad), ..] = &mut self.slots;
        let counter = if ok { good } else { bad };
        *counter = counter.saturating_add(1);
    }

    fn counts(&self, now_ms: u64) -> (u32, u32) {
        let left = SLOTS.saturating_sub(self.passed(now_ms));
        self.slots.iter().take(left).fold((0, 0), |(ok, failed), slot| (ok + slot.0, failed + slot.1))
    }

    fn passed(&self, now_ms: u64) -> usize {
        usize::try_from((now_ms / SLOT_MS).saturating_sub(self.second)).unwrap_or(SLOTS).min(SLOTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILED: Sign = Sign::Failed { retry_after_ms: None, account: false };
    const HALF: u64 = u64::MAX / 2;

    fn told(retry_after_ms: u64) -> Sign {
        Sign::Failed { retry_after_ms: Some(retry_after_ms), account: false }
    }

    fn end(circuit: &mut Circuit, sign: Sign, at_ms: u64) -> Option<Change> {
        circuit.sent(at_ms);
        circuit.ended(sign, at_ms, at_ms, u64::MAX, &Settings::default())
    }

    fn opened(at_ms: u64) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..5 {
            end(&mut circuit, FAILED, at_ms);
        }
        assert_eq!(circuit.breaker(at_ms), Breaker::Open { until_ms: at_ms + 500 });
        circuit
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_starts_the_count_anew() {
        let mut circuit = Circuit::default();
        for sign in [FAILED, FAILED, FAILED, FAILED, Sign::Alive, FAILED, FAILED, FAILED, FAILED] {
            assert_eq!(end(&mut circuit, sign, 0), None);
        }
        assert_eq!(end(&mut circuit, FAILED, 0), Some(Change::Opened));
    }

    #[test]
    fn a_share_of_failures_opens_it_once_there_is_traffic_enough() {
        let mut circuit = Circuit::default();
        for n in 0..19 {
            assert_eq!(end(&mut circuit, if n % 2 == 0 { FAILED } else { Sign::Alive }, 0), None, "{n}");
        }
        assert_eq!(end(&mut circuit, FAILED, 100), Some(Change::Opened));
        let mut calm = Circuit::default();
        for n in 0..40 {
            let at = n * 1_000;
            assert_eq!(
                end(&mut calm, if n % 2 == 0 { FAILED } else { Sign::Alive }, at),
                None,
                "old attempts count no more"
            );
        }
    }

    #[test]
    fn a_retry_after_is_the_ejection_time() {
        let mut circuit = Circuit::default();
        for _ in 0..4 {
            assert_eq!(end(&mut circuit, told(30_000), 1_000), None, "one alone says nothing of all");
        }
        assert_eq!(end(&mut circuit, told(30_000), 1_000), Some(Change::Opened));
        assert_eq!(circuit.breaker(30_999), Breaker::Open { until_ms: 31_000 });
        assert_eq!(circuit.breaker(31_000), Breaker::HalfOpen);
        end(&mut circuit, told(86_400_000), 31_000);
        assert_eq!(circuit.breaker(31_001), Breaker::Open { until_ms: 31_000 + LONGEST_HINT_MS });
    }

    #[test]
    fn a_candidate_that_fails_for_all_is_not_retried_but_its_own_word_is_waited_for() {
        assert!(!opened(0).lets_retry(100));
        let mut circuit = Circuit::default();
        (0..5).for_each(|_| {
            end(&mut circuit, told(1_000), 0);
        });
        assert!(circuit.lets_retry(100));
    }

    #[test]
    fn one_probe_goes_through_and_closes_it() {
        let mut circuit = opened(0);
        assert_eq!(circuit.breaker(500), Breaker::HalfOpen);
        circuit.sent(500);
        assert!(matches!(circuit.breaker(501), Breaker::Open { .. }), "nobody beside the probe");
        assert_eq!(circuit.ended(Sign::Alive, 500, 700, HALF, &Settings::default()), Some(Change::Closed));
        assert_eq!(circuit.breaker(700), Breaker::Closed);
        assert_eq!(end(&mut circuit, FAILED, 800), Some(Change::Opened), "on probation one failure is enough");
    }

    #[test]
    fn probes_that_fail_come_less_often_but_never_rarely() {
        let mut circuit = opened(0);
        let (mut now, mut probes) = (0, 0);
        while now < 60_000 {
            let Breaker::Open { until_ms } = circuit.breaker(now) else { panic!("{now}") };
            assert!(until_ms - now <= 5_000, "a recovery is noticed within five seconds");
            now = until_ms;
            end(&mut circuit, FAILED, now);
            probes += 1;
        }
        assert!(probes <= 16, "{probes} probes in a minute");
    }

    #[test]
    fn a_probe_whose_caller_left_makes_room_for_the_next() {
        let mut circuit = opened(0);
        circuit.sent(500);
        circuit.ended(Sign::Unknown, 500, 600, HALF, &Settings::default());
        assert_eq!(circuit.breaker(600), Breaker::HalfOpen);
        circuit.sent(600);
        assert_eq!(circuit.breaker(600 + PROBE_MS), Breaker::HalfOpen, "and one that never ends does, later");
    }

    #[test]
    fn what_was_sent_before_it_opened_changes_nothing() {
        let mut circuit = opened(1_000);
        let settings = Settings::default();
        assert_eq!(circuit.ended(Sign::Alive, 900, 1_100, HALF, &settings), None);
        assert_eq!(circuit.ended(FAILED, 900, 1_100, HALF, &settings), None);
        assert_eq!(circuit.breaker(1_100), Breaker::Open { until_ms: 1_500 });
    }

    #[test]
    fn a_refused_account_is_left_alone_for_the_longest_time() {
        let mut circuit = Circuit::default();
        (0..5).for_each(|_| {
            end(&mut circuit, Sign::Failed { retry_after_ms: None, account: true }, 0);
        });
        assert_eq!(circuit.breaker(0), Breaker::Open { until_ms: 5_000 });
    }

    #[test]
    fn switched_off_it_never_opens() {
        let settings = Settings { enabled: false, ..Settings::default() };
        let mut circuit = Circuit::default();
        for _ in 0..50 {
            assert_eq!(circuit.ended(told(1_000), 0, 0, HALF, &settings), None);
        }
    }

    #[test]
    fn isolates_share_what_they_know() {
        let settings = Settings::default();
        let mut circuit = Circuit::default();
        circuit.told_open(0, 500, 600);
        assert_eq!(circuit.breaker(600), Breaker::Closed, "too late");
        circuit.told_open(100, 500, 200);
        assert_eq!(circuit.breaker(200), Breaker::Open { until_ms: 500 });
        circuit.told_closed(50, 210, &settings);
        assert_eq!(circuit.breaker(210), Breaker::Open { until_ms: 500 }, "closed before it opened");
        circuit.told_closed(150, 220, &settings);
        assert_eq!(circuit.breaker(220), Breaker::Closed);
    }
}
