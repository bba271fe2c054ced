//! After commit: who is asked to go on with an answer that broke. Whether and how a candidate can do so is known to the
//! driver; here are the bounds that hold for any call: classes, attempts, time, the retry budget.

use super::{outcome, Action, Flight, Machine, State};
use crate::upstream::failure::{AttemptFailure, FailureClass, RetryScope};

/// An answer that is out in part.
#[derive(Debug)]
pub(super) struct Interrupted {
    /// Why it broke first: what the caller is told if nobody goes on.
    pub(super) failure: AttemptFailure,
    /// Who may go on, in order; those asked are no longer in it.
    by: Vec<usize>,
}

/// Calls of one candidate in one request: what broke twice in the same hands is not tried a third time.
const MOST_TRIES: u32 = 2;

impl Machine {
    /// The attempt in flight broke after content went out.
    pub(super) fn interrupt(
        &mut self,
        flight: Flight,
        failure: AttemptFailure,
        by: Vec<usize>,
        now_ms: u64,
        random: u64,
        may_retry: &mut dyn FnMut(usize) -> bool,
    ) -> Action {
        // A verdict or a wrong request is not carried on elsewhere.
        let ends = matches!(failure.retry_scope(), RetryScope::Never | RetryScope::Answer);
        let first = self.interrupted.take().map_or_else(|| failure.clone(), |earlier| earlier.failure);
        self.interrupted = Some(Interrupted { failure: first, by: if ends { Vec::new() } else { by } });
        self.go_on(flight, &failure, now_ms, random, may_retry)
    }

    /// The attempt in flight was paused: the same candidate goes on, alone. Where content is out, nobody else can.
    pub(super) fn paused(&mut self, flight: Flight, now_ms: u64) -> Action {
        let Flight { candidate, content, .. } = flight;
        self.record(flight, "200".to_owned(), None, now_ms);
        if content || self.interrupted.is_some() {
            let failure = AttemptFailure::silent(FailureClass::Cut);
            self.interrupted = Some(Interrupted { failure, by: vec![candidate] });
        }
        self.limits.max_attempts = self.limits.max_attempts.saturating_add(1);
        self.hedged = true;
        if let Some(standing) = self.standing.get_mut(candidate) {
            standing.tries = standing.tries.saturating_sub(1);
        }
        self.send(candidate, now_ms)
    }

    /// Who answered, or was to go on, has failed: the next who may, or the end that the first break calls for.
    pub(super) fn go_on(
        &mut self,
        flight: Flight,
        failure: &AttemptFailure,
        now_ms: u64,
        random: u64,
        may_retry: &mut dyn FnMut(usize) -> bool,
    ) -> Action {
        self.record_failure(flight, failure, now_ms);
        let failed = flight.candidate;
        self.exclude_by(failed, failure);
        let lasts = failure.retry_scope() != RetryScope::SameThenOther || failure.retry_after_ms.is_some();
        if let Some(standing) = self.standing.get_mut(failed) {
            standing.excluded |= lasts;
        }
        if let (Some(interrupted), RetryScope::Answer) = (&mut self.interrupted, failure.retry_scope()) {
            // A verdict on the rest of it is one on the answer.
            if self.limits.verdicts_are_answers {
                interrupted.by.clear();
            }
        }
        let open = self.attempts < self.limits.max_attempts && now_ms < self.total_end;
        while let Some(candidate) = self.next_to_go_on().filter(|_| open) {
            let tried = self.standing.get(candidate).is_some_and(|standing| standing.tries > 0);
            if !tried {
                return self.send(candidate, now_ms);
            }
            // Whoever was called before is retried, whoever was called in between.
            let ms = if candidate == failed { self.limits.backoff_ms(self.retries, random) } else { 0 };
            if now_ms.saturating_add(ms) < self.total_end && may_retry(candidate) {
                self.retries = self.retries.saturating_add(1);
                if ms == 0 {
                    return self.send(candidate, now_ms);
                }
                self.state = State::Waiting { candidate };
                return Action::Wait { ms };
            }
        }
        let first = self.interrupted.take().map_or_else(|| failure.clone(), |earlier| earlier.failure);
        self.end_with(outcome::broken(&first))
    }

    /// Takes the next candidate out of those who may go on. Who failed this request before is not among them.
    pub(super) fn next_to_go_on(&mut self) -> Option<usize> {
        let interrupted = self.interrupted.as_mut()?;
        let (standing, failures) = (&self.standing, &self.failures);
        let may = |at: &usize| {
            standing.get(*at).is_some_and(|s| !s.excluded && s.tries < MOST_TRIES)
                && !failures.iter().any(|failed| failed.candidate == *at)
        };
        let at = interrupted.by.iter().position(may)?;
        Some(interrupted.by.remove(at))
    }
}
