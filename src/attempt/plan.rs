//! The attempt machine: which candidate is called when, and when it is time to stop (DESIGN §5).
//!
//! One driver executes the actions and reports events; one call is in flight, or two where a policy hedges (`hedging.rs`).
//! The machine decides on classes and numbers only: it never sees a body, a key or a byte of an answer. What an error tells
//! the caller stands in `outcome.rs`. Read `tests/attempts/main.rs` first.

use super::outcome::{self, Failed};
use crate::error::{ErrorKind, GatewayError};
use crate::http::header_text;
use crate::sorted;
use crate::upstream::failure::{AttemptFailure, FailureClass, RetryScope};

pub use super::limits::{Deadlines, Limits, Patience};

mod continuing;
mod hedging;
mod message;

pub use message::{Action, AttemptRecord, Candidate, Event};

use continuing::Interrupted;

/// The machine for one request.
#[derive(Debug)]
pub struct Machine {
    candidates: Vec<Candidate>,
    standing: Vec<Standing>,
    limits: Limits,
    stream: bool,
    total_end: u64,
    state: State,
    attempts: u32,
    /// Retries at the same candidate so far.
    retries: u32,
    /// A provider's delay has been waited out; once is enough.
    waited_out: bool,
    records: Vec<AttemptRecord>,
    failures: Vec<Failed>,
    /// An answer is out in part, and somebody is to go on with it.
    interrupted: Option<Interrupted>,
    /// Two candidates have been asked at once; once is enough.
    hedged: bool,
}

/// Where a candidate stands.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    tries: u32,
    /// What another candidate met, this one would meet too.
    excluded: bool,
}

/// A call in flight.
#[derive(Debug, Clone, Copy)]
struct Flight {
    attempt: u32,
    candidate: usize,
    sent_ms: u64,
    /// Its first content is out.
    content: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Ready,
    InFlight(Flight),
    /// The second was sent because the first was slow. Nothing of either is out.
    Racing(Flight, Flight),
    Waiting {
        candidate: usize,
    },
    Over {
        abandoned: bool,
    },
}

impl Machine {
    /// A machine that has done nothing. `candidates` are in the order of preference.
    #[must_use]
    pub fn new(candidates: Vec<Candidate>, limits: Limits, stream: bool, arrived_ms: u64) -> Self {
        Self {
            standing: vec![Standing::default(); candidates.len()],
            candidates,
            total_end: arrived_ms.saturating_add(limits.total_ms),
            limits,
            stream,
            state: State::Ready,
            attempts: 0,
            retries: 0,
            waited_out: false,
            records: Vec::new(),
            failures: Vec::new(),
            interrupted: None,
            hedged: false,
        }
    }

    /// Takes an event, answers with the next action. `may_retry` withdraws from the budget that the next call to a candidate
    /// is charged to (its upstream's for retries, the policy's for an answer to [`Event::Slow`]) and says whether there was
    /// something left; it is asked only when all else speaks for the call. `random` is uniform. After the end every event is answered by `Finish` (by `Abandon` if that was the end).
    pub fn step(&mut self, event: Event, now_ms: u64, random: u64, may_retry: &mut dyn FnMut(usize) -> bool) -> Action {
        match (self.state, event) {
            (State::Over { abandoned: true }, _) => Action::Abandon,
            (State::Over { abandoned: false }, _) => Action::Finish,
            (state, Event::ClientGone) => {
                let (first, second) = match state {
                    State::InFlight(flight) => (Some(flight), None),
                    State::Racing(first, second) => (Some(first), Some(second)),
                    _ => (None, None),
                };
                for flight in first.into_iter().chain(second) {
                    self.record(flight, "cancelled".to_owned(), None, now_ms);
                }
                self.state = State::Over { abandoned: true };
                Action::Abandon
            }
            (State::Ready, Event::Start) => self.next(now_ms),
            (State::Waiting { .. }, Event::WaitOver) if now_ms >= self.total_end => match self.interrupted.take() {
                Some(earlier) => self.end_with(outcome::broken(&earlier.failure)),
                None => self.give_up(now_ms),
            },
            (State::Waiting { candidate }, Event::WaitOver) => self.send(candidate, now_ms),
            (State::InFlight(flight), Event::Slow { by }) if !flight.content => {
                self.slow(flight, &by, now_ms, may_retry)
            }
            (State::Racing(first, second), Event::Won { attempt }) => self.won(first, second, attempt, now_ms),
            (State::Racing(first, second), Event::Lost { attempt, failure }) => {
                self.lost(first, second, attempt, failure, now_ms)
            }
            (State::InFlight(flight), Event::Content) => {
                self.state = State::InFlight(Flight { content: true, ..flight });
                Action::Commit
            }
            (State::InFlight(flight), Event::Ended) => {
                self.record(flight, "200".to_owned(), None, now_ms);
                self.state = State::Over { abandoned: false };
                Action::Finish
            }
            (State::InFlight(flight), Event::Paused) => self.paused(flight, now_ms),
            (State::InFlight(flight), Event::Interrupted { failure, by }) => {
                self.interrupt(flight, failure, by, now_ms, random, may_retry)
            }
            (State::InFlight(flight), Event::Failed(failure)) if !flight.content && self.interrupted.is_some() => {
                self.go_on(flight, &failure, now_ms, random, may_retry)
            }
            (State::InFlight(flight), Event::Withheld(error)) if !flight.content => {
                self.withheld(flight.candidate, *error, now_ms)
            }
            (State::Racing(first, second), Event::Withheld(_)) => self.not_beside(first, second),
            (State::InFlight(flight), Event::Failed(failure)) if !flight.content => {
                self.failed(flight, failure, now_ms, random, may_retry)
            }
            (State::InFlight(flight), Event::Repaired(failure)) if !flight.content => {
                self.repaired(flight, failure, now_ms)
            }
            (State::InFlight(flight), Event::Failed(failure) | Event::Repaired(failure) | Event::Broke(failure)) => {
                self.record_failure(flight, &failure, now_ms);
                let first = self.interrupted.take().map_or(failure, |earlier| earlier.failure);
                self.end_with(outcome::broken(&first))
            }
            // An event that does not fit is the driver's defect; the caller still gets one honest end.
            (_, event) => self.end_with(GatewayError::new(
                ErrorKind::Internal,
                format!("the gateway lost track of its attempts ({})", event.name()),
            )),
        }
    }

    /// Attempts so far, in order; the one in flight is not among them.
    #[must_use]
    pub fn records(&self) -> &[AttemptRecord] {
        &self.records
    }

    /// `openai/gpt-x:429,anthropic/claude-y:200`: finished attempts, and the one in flight once it has content, in the order in
    /// which they were sent.
    #[must_use]
    pub fn attempts_header(&self) -> String {
        let mut parts: Vec<(u32, usize, &str)> =
            self.records.iter().map(|record| (record.attempt, record.candidate, record.outcome.as_str())).collect();
        if let State::InFlight(Flight { attempt, candidate, content: true, .. }) = self.state {
            parts.push((attempt, candidate, "200"));
        }
        sorted::sort_by_key(&mut parts, |(attempt, ..)| *attempt);
        let parts = parts.iter().map(|(_, at, outcome)| format!("{}:{outcome}", header_text(self.name(*at))));
        parts.collect::<Vec<_>>().join(",")
    }

    /// The instant by which the request must have ended, whatever else.
    #[must_use]
    pub fn total_end_ms(&self) -> u64 {
        self.total_end
    }

    /// A failure before anything went out: the same again, the next, or the end.
    fn failed(
        &mut self,
        flight: Flight,
        failure: AttemptFailure,
        now_ms: u64,
        random: u64,
        may_retry: &mut dyn FnMut(usize) -> bool,
    ) -> Action {
        self.record_failure(flight, &failure, now_ms);
        let candidate = flight.candidate;
        let scope = failure.retry_scope();
        let wait_ms = match scope {
            RetryScope::SameThenOther => self.pause(candidate, &failure, now_ms, random),
            _ => None,
        };
        let hinted = failure.retry_after_ms.is_some();
        self.exclude_by(candidate, &failure);
        let is_over = self.is_the_answer(&failure);
        self.failures.push(Failed { candidate, failure, at_ms: now_ms });
        if is_over {
            return self.give_up(now_ms);
        }
        match wait_ms.filter(|_| may_retry(candidate)) {
            Some(ms) => {
                self.retries = self.retries.saturating_add(1);
                self.waited_out |= hinted;
                if ms == 0 {
                    return self.send(candidate, now_ms);
                }
                self.state = State::Waiting { candidate };
                Action::Wait { ms }
            }
            None => self.next(now_ms),
        }
    }

    /// An attempt that was not sent counts for nothing; who else may cost less is asked instead.
    fn withheld(&mut self, candidate: usize, error: GatewayError, now_ms: u64) -> Action {
        self.attempts = self.attempts.saturating_sub(1);
        if let Some(standing) = self.standing.get_mut(candidate) {
            standing.excluded = true;
        }
        let next = if self.interrupted.is_some() { self.next_to_go_on() } else { self.untried() };
        match next.filter(|_| self.attempts < self.limits.max_attempts && now_ms < self.total_end) {
            Some(other) => self.send(other, now_ms),
            None => self.end_with(error),
        }
    }

    /// Whether a failure is what the caller gets, whoever else could be asked.
    fn is_the_answer(&self, failure: &AttemptFailure) -> bool {
        match failure.retry_scope() {
            RetryScope::Never => true,
            RetryScope::Answer => self.limits.verdicts_are_answers,
            RetryScope::SameThenOther | RetryScope::OtherOnly | RetryScope::LargerWindow => false,
        }
    }

    /// A failure whose reason is gone: the same candidate as if it had not been asked.
    fn repaired(&mut self, flight: Flight, failure: AttemptFailure, now_ms: u64) -> Action {
        self.record_failure(flight, &failure, now_ms);
        let candidate = flight.candidate;
        if now_ms >= self.total_end {
            self.failures.push(Failed { candidate, failure, at_ms: now_ms });
            return self.give_up(now_ms);
        }
        self.limits.max_attempts = self.limits.max_attempts.saturating_add(1);
        if let Some(standing) = self.standing.get_mut(candidate) {
            standing.tries = standing.tries.saturating_sub(1);
        }
        self.send(candidate, now_ms)
    }

    /// How long to wait before the same candidate is tried once more; `None` = not at all.
    fn pause(&self, candidate: usize, failure: &AttemptFailure, now_ms: u64, random: u64) -> Option<u64> {
        // Excluded: by another one that failed beside it.
        let tried_once = self.standing.get(candidate).is_some_and(|standing| standing.tries == 1 && !standing.excluded);
        if !tried_once || self.attempts >= self.limits.max_attempts {
            return None;
        }
        let preferred = candidate == 0;
        let nobody_else = self.untried().is_none();
        let jitter = self.limits.backoff_ms(self.retries, random);
        let ms = match failure.retry_after_ms {
            Some(hint) => {
                let worth_it = hint <= self.limits.max_wait_ms && !self.waited_out && (preferred || nobody_else);
                worth_it.then(|| hint.max(jitter))
            }
            // A rate limit without a delay: another candidate is the better wait. Where there is none, never at once.
            None if failure.class == FailureClass::RateLimited => {
                (preferred && nobody_else).then(|| self.limits.backoff_base_ms.saturating_add(jitter))
            }
            None => Some(jitter),
        }?;
        (now_ms.saturating_add(ms) < self.total_end).then_some(ms)
    }

    /// Candidates that would meet the same failure are not asked.
    fn exclude_by(&mut self, candidate: usize, failure: &AttemptFailure) {
        let Some(failed) = self.candidates.get(candidate) else { return };
        let smaller = |other: &Candidate| {
            failure.retry_scope() == RetryScope::LargerWindow
                && matches!((other.context, failed.context), (Some(other), Some(own)) if other <= own)
        };
        let same_key = |other: &Candidate| failure.is_account_wide() && other.provider() == failed.provider();
        for (other, standing) in self.candidates.iter().zip(&mut self.standing) {
            standing.excluded |= smaller(other) || same_key(other);
        }
    }

    fn untried(&self) -> Option<usize> {
        self.standing.iter().position(|standing| standing.tries == 0 && !standing.excluded)
    }

    fn next(&mut self, now_ms: u64) -> Action {
        match self.untried() {
            Some(candidate) if self.attempts < self.limits.max_attempts && now_ms < self.total_end => {
                self.send(candidate, now_ms)
            }
            _ => self.give_up(now_ms),
        }
    }

    fn send(&mut self, candidate: usize, now_ms: u64) -> Action {
        let flight = self.take_off(candidate, now_ms);
        self.state = State::InFlight(flight);
        let deadlines = self.deadlines(candidate, now_ms);
        Action::Send { attempt: flight.attempt, candidate, deadlines, hedge_at: self.hedge_at(candidate, now_ms) }
    }

    fn take_off(&mut self, candidate: usize, sent_ms: u64) -> Flight {
        self.attempts = self.attempts.saturating_add(1);
        if let Some(standing) = self.standing.get_mut(candidate) {
            standing.tries = standing.tries.saturating_add(1);
        }
        Flight { attempt: self.attempts, candidate, sent_ms, content: false }
    }

    /// Of a call that was sent at `sent_ms`. Only who can be replaced is hurried: the last candidate has what is left of the
    /// total.
    fn deadlines(&self, candidate: usize, sent_ms: u64) -> Deadlines {
        // Who goes on with an answer is waited for by a caller who has read a part of it.
        let replaceable =
            (self.attempts < self.limits.max_attempts && self.untried().is_some()) || self.interrupted.is_some();
        match self.candidates.get(candidate).filter(|_| replaceable) {
            Some(c) if self.stream => self.limits.streamed(c.patience, sent_ms, self.total_end),
            Some(c) => self.limits.whole(c.expected_ms, sent_ms, self.total_end),
            None => Deadlines { first_content_at: None, idle_ms: None, end_at: self.total_end },
        }
    }

    fn give_up(&mut self, now_ms: u64) -> Action {
        let out_of_time = now_ms >= self.total_end;
        self.end_with(outcome::given_up(&self.failures, now_ms, out_of_time))
    }

    fn end_with(&mut self, mut error: GatewayError) -> Action {
        self.state = State::Over { abandoned: false };
        let attempts = outcome::metadata(&self.records, |candidate| self.name(candidate));
        error.metadata = outcome::joint(attempts, &error.metadata);
        Action::GiveUp(Box::new(error))
    }

    fn record_failure(&mut self, flight: Flight, failure: &AttemptFailure, now_ms: u64) {
        // A status of success is no outcome of a failure: the error came inside a 200.
        let status = failure.status.filter(|status| *status >= 300);
        let outcome = status.map_or_else(|| failure.class.name().to_owned(), |status| status.to_string());
        self.record(flight, outcome, Some(failure.class), now_ms);
    }

    fn record(&mut self, flight: Flight, outcome: String, class: Option<FailureClass>, ended_ms: u64) {
        let Flight { attempt, candidate, sent_ms: started_ms, .. } = flight;
        let record = AttemptRecord { attempt, candidate, outcome, class, started_ms, ended_ms };
        // In the order in which they were sent, which is nearly always that of their ends.
        let at = self.records.iter().rposition(|earlier| earlier.attempt < attempt).map_or(0, |at| at + 1);
        self.records.insert(at, record);
    }

    fn name(&self, candidate: usize) -> &str {
        self.candidates.get(candidate).map_or("", |c| c.name.as_str())
    }
}
