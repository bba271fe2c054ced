//! Stage 6: answers that their provider has paused. On its own dialect a pause is the client's to go on from; for clients of
//! another dialect the same candidate is asked again, with what it needs to go on (`dialect::pause`), until the answer ends. Each
//! call is an attempt with an account of its own; the caller gets one answer and the tokens of all.

use crate::attempt::plan::Event;
use crate::dialect::pause::{self, Resume};
use crate::dialect::Observation;
use crate::http::UpstreamRequest;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::settle::Ending;
use crate::ports::Platform;
use crate::stream::relay::Relay;

/// Most calls that one answer is gone on with. Anthropic pauses after ten rounds of a tool, Gemini after 65,536 tokens, so that
/// this is a very long answer; a turn that is paused for ever must end somewhere.
const MOST_RESUMES: usize = 8;

/// Paused turns of one request.
#[derive(Debug, Default)]
pub struct Pausing {
    paused: Option<Paused>,
    /// Accounts of attempts that ended in a pause: the answer is theirs too.
    resumed: Vec<usize>,
}

/// A turn between its attempts.
#[derive(Debug)]
struct Paused {
    candidate: usize,
    resume: Resume,
    so_far: SoFar,
}

#[derive(Debug)]
enum SoFar {
    /// The last answer, and all so far in one.
    Whole { last: Vec<u8>, all: Vec<u8> },
    /// What reads and writes on, unless an attempt has it, and bytes that are not out yet.
    Stream { relay: Option<Box<Relay>>, unsent: Vec<u8> },
}

/// A whole answer that is to be gone on with.
pub struct Pause {
    resume: Resume,
    last: Vec<u8>,
    all: Vec<u8>,
}

impl<P: Platform> Run<'_, P> {
    /// Has a call go on with a paused turn, if its candidate has paused one. Another candidate begins anew.
    pub fn go_on_with_pause(&mut self, candidate: usize, request: &mut UpstreamRequest) {
        match &self.pausing.paused {
            Some(paused) if paused.candidate == candidate => {
                // A body that cannot be changed would bring the same beginning again: an empty one is refused.
                request.body = pause::give(&request.body, &paused.resume).unwrap_or_default();
            }
            _ => self.pausing = Pausing::default(),
        }
    }

    /// Whether attempts before this one belong to its answer.
    pub fn is_resumed(&self) -> bool {
        !self.pausing.resumed.is_empty()
    }

    /// Accounts of the attempts before `account` that belong to its answer.
    pub fn resumed_accounts(&self) -> &[usize] {
        &self.pausing.resumed
    }

    /// Whether a candidate that has paused may be asked again: often enough is enough, and time and money bind.
    pub fn may_resume(&self, candidate: usize) -> bool {
        let Some(chosen) = self.choice.candidates.get(candidate) else { return false };
        self.pausing.resumed.len() < MOST_RESUMES
            && self.exchange.platform.now_ms() < self.machine.total_end_ms()
            && self.affords_another(chosen)
    }

    fn affords_another(&self, chosen: &Candidate<'_>) -> bool {
        let Some(most) = self.choice.continuing.max_cost_picousd else { return true };
        let (_, more) = self.expected(chosen, 0);
        self.total_cost().plus(more).picousd().is_none_or(|picousd| picousd <= most)
    }

    /// A stream has ended in a pause.
    pub fn pause_stream(&mut self, account: usize, candidate: usize, mut relay: Relay, resume: Resume) -> Event {
        self.settle(account, Ending::Complete(relay.observation()));
        relay.resume();
        let unsent = std::mem::take(&mut self.unsent);
        let so_far = SoFar::Stream { relay: Some(Box::new(relay)), unsent };
        self.pausing.paused = Some(Paused { candidate, resume, so_far });
        self.pausing.resumed.push(account);
        Event::Paused
    }

    /// The relay of an attempt that goes on with a paused turn, and what it has not sent.
    pub fn relay_of_pause(&mut self) -> Option<(Relay, Vec<u8>)> {
        match &mut self.pausing.paused.as_mut()?.so_far {
            SoFar::Stream { relay, unsent } => Some((*relay.take()?, unsent.clone())),
            SoFar::Whole { .. } => None,
        }
    }

    /// The attempt that was to go on has brought nothing: somebody may try again.
    pub fn keep_pause(&mut self, mut went_on: Relay) {
        if let Some(Paused { so_far: SoFar::Stream { relay, .. }, .. }) = &mut self.pausing.paused {
            went_on.resume();
            *relay = Some(Box::new(went_on));
        }
    }

    /// The attempt that went on has brought something: from here on the answer is gone on with like any other.
    pub fn forget_pause(&mut self) {
        self.pausing.paused = None;
    }

    /// The attempt that went on has said what was said before: the answer is one call's, as it came.
    pub fn forget_resumed(&mut self) {
        self.pausing = Pausing::default();
    }

    /// Takes a candidate's whole answer, with what its turn said before it was paused. If that is paused again and is to be gone
    /// on with: how.
    pub fn gather(&mut self, candidate: usize, body: Vec<u8>) -> (Vec<u8>, Option<Pause>) {
        let foreign = |c: &&Candidate<'_>| !c.answers_in(self.exchange.dialect);
        let Some(dialect) = self.choice.candidates.get(candidate).filter(foreign).map(|c| c.dialect) else {
            return (body, None);
        };
        let earlier = match self.pausing.paused.as_ref().map(|paused| &paused.so_far) {
            Some(SoFar::Whole { last, .. }) if *last == body => {
                self.forget_resumed();
                return (body, None);
            }
            Some(SoFar::Whole { all, .. }) => pause::joined(dialect, all, &body),
            _ => None,
        };
        let (all, last) = match earlier {
            Some(all) => (all, Some(body)),
            None => (body, None),
        };
        let resume = pause::of_whole(dialect, &all).filter(|_| self.may_resume(candidate));
        let pause = resume.map(|resume| {
            let last = last.unwrap_or_else(|| all.clone());
            Pause { resume, last, all: all.clone() }
        });
        (all, pause)
    }

    /// A whole answer has ended in a pause.
    pub fn pause_whole(&mut self, account: usize, candidate: usize, seen: &Observation, pause: Pause) -> Event {
        self.settle(account, Ending::Complete(seen));
        let so_far = SoFar::Whole { last: pause.last, all: pause.all };
        self.pausing.paused = Some(Paused { candidate, resume: pause.resume, so_far });
        self.pausing.resumed.push(account);
        Event::Paused
    }
}
