//! Two candidates at once: the second is asked because the first is slow, and who brings content first answers (ADR 0019).
//! Whether a candidate may be asked beside another one (cost, circuit) is known to the driver; here are the bounds that hold
//! for any call, and what becomes of the two.

use super::{Action, Failed, Flight, Machine, State};
use crate::upstream::failure::AttemptFailure;

/// Outcome of a call that was stopped because another one had content first.
const HEDGED: &str = "hedged";

impl Machine {
    /// When a call that is being sent is so late that another one may be made beside it. Once per request, and never where an
    /// answer is gone on with.
    pub(super) fn hedge_at(&self, candidate: usize, now_ms: u64) -> Option<u64> {
        let after_ms = self.candidates.get(candidate)?.hedge_after_ms?;
        let at = now_ms.saturating_add(after_ms);
        let may = !self.hedged && self.interrupted.is_none() && self.attempts < self.limits.max_attempts;
        (may && self.untried().is_some() && at < self.total_end).then_some(at)
    }

    /// The call in flight is late.
    pub(super) fn slow(
        &mut self,
        first: Flight,
        by: &[usize],
        now_ms: u64,
        may_hedge: &mut dyn FnMut(usize) -> bool,
    ) -> Action {
        let open = !self.hedged && self.attempts < self.limits.max_attempts && now_ms < self.total_end;
        let untried = |at: &&usize| self.standing.get(**at).is_some_and(|s| s.tries == 0 && !s.excluded);
        let beside = by.iter().find(untried).copied().filter(|_| open);
        let Some(candidate) = beside.filter(|candidate| may_hedge(*candidate)) else {
            return Action::Stay { deadlines: self.deadlines(first.candidate, first.sent_ms) };
        };
        self.hedged = true;
        let second = self.take_off(candidate, now_ms);
        self.state = State::Racing(first, second);
        Action::Hedge { attempt: second.attempt, candidate, deadlines: self.deadlines(candidate, now_ms) }
    }

    /// The second was not sent after all: the caller's limit has no room for it.
    pub(super) fn not_beside(&mut self, first: Flight, second: Flight) -> Action {
        self.attempts = self.attempts.saturating_sub(1);
        if let Some(standing) = self.standing.get_mut(second.candidate) {
            standing.excluded = true;
        }
        self.state = State::InFlight(first);
        Action::Stay { deadlines: self.deadlines(first.candidate, first.sent_ms) }
    }

    /// One of two has content.
    pub(super) fn won(&mut self, first: Flight, second: Flight, attempt: u32, now_ms: u64) -> Action {
        let (winner, other) = by_number(first, second, attempt);
        self.stop(other, winner, now_ms)
    }

    /// One of two has failed. The word of the one that was asked first counts as if it had been alone; what the second one
    /// refuses, the first may still answer.
    pub(super) fn lost(
        &mut self,
        first: Flight,
        second: Flight,
        attempt: u32,
        failure: AttemptFailure,
        now_ms: u64,
    ) -> Action {
        let (lost, other) = by_number(first, second, attempt);
        if lost.attempt < other.attempt && self.is_the_answer(&failure) {
            return self.stop(other, lost, now_ms);
        }
        self.record_failure(lost, &failure, now_ms);
        self.exclude_by(lost.candidate, &failure);
        self.failures.push(Failed { candidate: lost.candidate, failure, at_ms: now_ms });
        self.state = State::InFlight(other);
        Action::Stay { deadlines: self.deadlines(other.candidate, other.sent_ms) }
    }

    fn stop(&mut self, stopped: Flight, stays: Flight, now_ms: u64) -> Action {
        self.record(stopped, HEDGED.to_owned(), None, now_ms);
        self.state = State::InFlight(stays);
        Action::Cancel { attempt: stopped.attempt }
    }
}

/// The named one of two, and the other.
fn by_number(first: Flight, second: Flight, attempt: u32) -> (Flight, Flight) {
    if second.attempt == attempt {
        (second, first)
    } else {
        (first, second)
    }
}
