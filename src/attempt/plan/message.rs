//! What the machine is told and what it answers.

use crate::attempt::limits::{Deadlines, Patience};
use crate::error::GatewayError;
use crate::upstream::failure::{AttemptFailure, FailureClass};

/// A candidate as far as attempts are concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// `provider/model`. Candidates with the same provider share a key: what a key meets, they all meet.
    pub name: String,
    /// Window in tokens, where known.
    pub context: Option<u64>,
    /// How long it may think before it speaks.
    pub patience: Patience,
    /// Expected duration of a whole (non-stream) answer.
    pub expected_ms: u64,
    /// Nothing of its answer having come after so long, another candidate may be asked beside it. `None` = never.
    pub hedge_after_ms: Option<u64>,
}

impl Candidate {
    pub(super) fn provider(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(provider, _)| provider)
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The request is ready to go.
    Start,
    /// The attempt in flight failed before its first content went out. Deadlines that pass are reported as silent
    /// failures of class [`FailureClass::Timeout`].
    Failed(AttemptFailure),
    /// The same, and the driver has taken out of the request what it failed for. The candidate is asked again at once,
    /// outside every retry budget: nothing was tried in vain that a second try would repeat. The driver reports this once
    /// per candidate.
    Repaired(AttemptFailure),
    /// The attempt in flight was not sent: the caller's limits leave no room for it. Another candidate may cost less.
    Withheld(Box<GatewayError>),
    /// The attempt in flight broke after its first content went out, and could not be continued.
    Broke(AttemptFailure),
    /// The same, and these candidates may go on with the answer, in this order (the broken one may be among them). The
    /// next call is such a continuation; a failure of it before content goes to the next of them.
    Interrupted {
        /// Why it broke.
        failure: AttemptFailure,
        /// Indices into the candidates.
        by: Vec<usize>,
    },
    /// Nothing has come of the call in flight when it was due ([`Action::Send`]'s `hedge_at`). These candidates may be asked
    /// beside it, in this order.
    Slow {
        /// Indices into the candidates.
        by: Vec<usize>,
    },
    /// Of two calls in flight, this one has brought its first content, or its whole answer.
    Won {
        /// Its number.
        attempt: u32,
    },
    /// Of two calls in flight, this one has failed.
    Lost {
        /// Its number.
        attempt: u32,
        /// Why.
        failure: AttemptFailure,
    },
    /// The attempt in flight delivered its first content (streams).
    Content,
    /// The attempt in flight delivered its whole answer.
    Ended,
    /// The attempt in flight delivered what it had, and its provider wants to be called again to go on: a call of the same
    /// candidate outside every bound on attempts but the total time. The driver bounds how often.
    Paused,
    /// A wait is over.
    WaitOver,
    /// The caller left.
    ClientGone,
}

impl Event {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Failed(_) => "failed",
            Self::Repaired(_) => "repaired",
            Self::Withheld(_) => "withheld",
            Self::Broke(_) => "broke",
            Self::Interrupted { .. } => "interrupted",
            Self::Slow { .. } => "slow",
            Self::Won { .. } => "won",
            Self::Lost { .. } => "lost",
            Self::Content => "content",
            Self::Ended => "ended",
            Self::Paused => "paused",
            Self::WaitOver => "wait over",
            Self::ClientGone => "client gone",
        }
    }
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
        /// If nothing of its answer has come by then, report [`Event::Slow`].
        hedge_at: Option<u64>,
    },
    /// Call this candidate too; the one in flight goes on.
    Hedge {
        /// Counter from 1.
        attempt: u32,
        /// Index into the candidates.
        candidate: usize,
        /// Its deadlines.
        deadlines: Deadlines,
    },
    /// Go on waiting for the one call that is in flight.
    Stay {
        /// Its deadlines from now on.
        deadlines: Deadlines,
    },
    /// Stop this one of two calls in flight: the other one alone counts now.
    Cancel {
        /// Its number.
        attempt: u32,
    },
    /// Do nothing for so long, then report [`Event::WaitOver`].
    Wait {
        /// Milliseconds.
        ms: u64,
    },
    /// Let the first content out; there is no way back.
    Commit,
    /// All is delivered. Also the answer to anything that is reported after the end.
    Finish,
    /// Abort all that is in flight and settle; nobody listens.
    Abandon,
    /// Answer with this error (a status before open, a typed end after).
    GiveUp(Box<GatewayError>),
}

/// One finished attempt, for headers, logs and errors.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its number, from 1.
    pub attempt: u32,
    /// Index into the candidates.
    pub candidate: usize,
    /// HTTP status (`200` for an answer) or a word (`timeout`, `connect`, `cut`, `cancelled`, `hedged`, …).
    pub outcome: String,
    /// Class of the failure; `None` for an answer and for what the caller's leaving or another answer cut short.
    pub class: Option<FailureClass>,
    /// When it was sent.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
}
