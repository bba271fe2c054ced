//! The attempt machine.

use crate::error::GatewayError;
use crate::upstream::failure::AttemptFailure;

/// A candidate as far as attempts are concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `provider/model`.
    pub name: String,
    /// Window in tokens, where known.
    pub context: Option<u64>,
    /// How long it may think before it speaks.
    pub patience: Patience,
    /// Expected duration of a whole (non-stream) answer.
    pub expected_ms: u64,
}

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

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The request is ready to go.
    Start,
    /// The attempt in flight failed before its first content went out.
    Failed(AttemptFailure),
    /// The attempt in flight broke after its first content went out.
    Broke(AttemptFailure),
    /// The attempt in flight delivered its first content (streams).
    Content,
    /// The attempt in flight delivered its whole answer.
    Ended,
    /// A wait is over.
    WaitOver,
    /// The caller left.
    ClientGone,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Call this candidate.
    Send {
        /// Counter from 1.
        attempt: u32,
        /// Index into the candidates.
        candidate: usize,
        /// Its deadlines.
        deadlines: Deadlines,
    },
    /// Do nothing for so long, then report [`Event::WaitOver`].
    Wait {
        /// Milliseconds.
        ms: u64,
    },
    /// Let the first content out; there is no way back.
    Commit,
    /// All is delivered.
    Finish,
    /// Abort what is in flight and settle; nobody listens.
    Abandon,
    /// Answer with this error (a status before open, a typed end after).
    GiveUp(Box<GatewayError>),
}

/// One finished attempt, for headers, logs and errors.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Index into the candidates.
    pub candidate: usize,
    /// HTTP status or a word (`timeout`, `connect`, `cut`).
    pub outcome: String,
    /// When it was sent.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
}

/// The machine for one request.
#[derive(Debug)]
pub struct Machine {
    _candidates: Vec<Candidate>,
}

impl Machine {
    /// A machine that has done nothing. `candidates` are in the order of preference.
    #[must_use]
    pub fn new(candidates: Vec<Candidate>, _limits: Limits, _stream: bool, _arrived_ms: u64) -> Self {
        Self { _candidates: candidates }
    }

    /// Takes an event, answers with the next action. `may_retry` withdraws from the retry budget of a candidate's
    /// upstream and says whether there was something left.
    pub fn step(
        &mut self,
        _event: Event,
        _now_ms: u64,
        _random: u64,
        _may_retry: &mut dyn FnMut(usize) -> bool,
    ) -> Action {
        Action::Finish
    }

    /// Attempts so far, in order; the one in flight is not among them.
    #[must_use]
    pub fn records(&self) -> &[AttemptRecord] {
        &[]
    }
}
