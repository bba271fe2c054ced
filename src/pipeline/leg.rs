//! One of two calls at once: how far it has come, and what its next step comes to. Nothing of it has gone to the caller.

use crate::attempt::plan::{Deadlines, Event};
use crate::dialect::canonical::Loss;
use crate::dialect::Observation;
use crate::http::Headers;
use crate::pipeline::attempts::{Run, ERROR_PATIENCE_MS, MAX_ERROR_BYTES};
use crate::pipeline::choose::Candidate;
use crate::pipeline::pausing::Pause;
use crate::pipeline::settle::Ending;
use crate::pipeline::streamed::End;
use crate::pipeline::whole::MAX_ANSWER_BYTES;
use crate::pipeline::work::Answer;
use crate::ports::{Awaited, Interrupt, Platform, UpstreamCall};
use crate::stream::relay::{Relay, RelayFault};
use crate::upstream::failure::{AttemptFailure, FailureClass};
use crate::upstream::told::told;

/// A call under way of which nothing has come yet that could go to the caller.
pub(super) struct Leg<'c, C> {
    pub(super) attempt: u32,
    pub(super) account: usize,
    pub(super) candidate: usize,
    pub(super) chosen: &'c Candidate<'c>,
    pub(super) deadlines: Deadlines,
    pub(super) call: C,
    pub(super) stage: Stage,
    /// What its headers tell the caller.
    pub(super) told: Headers,
    /// What it lacks besides its candidate's known losses.
    pub(super) losses: Vec<Loss>,
}

/// How far a call has come.
pub(super) enum Stage {
    /// Nothing is known.
    Sent,
    /// It is an error; its body is on its way.
    Refused { status: u16, headers: Headers, until_ms: u64 },
    /// A stream has begun. It is read to find its first content, and read anew by whoever passes it on.
    Stream { probe: Box<Relay>, events: Vec<u8>, read: Vec<u8> },
    /// A whole answer is on its way.
    Whole { status: u16 },
}

/// What a step of a call has come to.
#[allow(clippy::large_enum_variant)] // made a few times in a request, and taken apart at once
pub(super) enum Came {
    /// Nothing that decides.
    More,
    /// A stream's first content, or its whole answer without any.
    Content,
    /// A whole answer.
    Answer((Answer, Option<Pause>)),
    /// A stream's end, which is none of an answer.
    Ended(End),
    /// A failure; the attempt is settled.
    Failed(Event),
}

impl<C> Leg<'_, C> {
    pub(super) fn awaited(&self) -> Awaited {
        match self.stage {
            Stage::Sent => Awaited::Head,
            Stage::Refused { .. } => Awaited::Whole(MAX_ERROR_BYTES),
            Stage::Stream { .. } => Awaited::Read,
            Stage::Whole { .. } => Awaited::Whole(MAX_ANSWER_BYTES),
        }
    }

    /// When it is given up.
    pub(super) fn until(&self) -> u64 {
        match self.stage {
            Stage::Refused { until_ms, .. } => until_ms,
            _ => self.first_at(),
        }
    }

    pub(super) fn first_at(&self) -> u64 {
        self.deadlines.first_content_at.unwrap_or(self.deadlines.end_at).min(self.deadlines.end_at)
    }

    pub(super) fn seen(&self) -> Option<&Observation> {
        match &self.stage {
            Stage::Stream { probe, .. } => Some(probe.observation()),
            _ => None,
        }
    }
}

impl<'a, P: Platform> Run<'a, P> {
    /// Waits for a call's next step.
    pub(super) async fn step_of(&mut self, leg: &mut Leg<'a, P::Call>, until: u64) -> Result<Came, Interrupt> {
        match &mut leg.stage {
            Stage::Sent => match leg.call.head(until).await {
                Ok((status, headers)) => {
                    leg.told = told(&headers, leg.chosen.keys.current());
                    leg.stage = self.stage_of(leg, status, headers);
                    if matches!(&leg.stage, Stage::Stream { probe, .. } if probe.is_untouched()) {
                        leg.call.watch();
                    }
                    Ok(Came::More)
                }
                Err(interrupt) => self.interrupted(leg, interrupt),
            },
            Stage::Refused { status, headers, .. } => {
                let body = match leg.call.whole(until, MAX_ERROR_BYTES).await {
                    Err(interrupt @ (Interrupt::Timeout | Interrupt::ClientGone)) => return Err(interrupt),
                    body => body.unwrap_or_default(),
                };
                self.heard(leg.account, &body, false);
                let failure = self.refused(leg.chosen, *status, headers, &body);
                Ok(self.turned_away(leg, failure))
            }
            Stage::Whole { status } => match leg.call.whole(until, MAX_ANSWER_BYTES).await {
                Ok(body) => {
                    self.heard(leg.account, &body, false);
                    let understood = self.understood(leg.account, leg.candidate, leg.chosen, *status, body);
                    Ok(understood.map_or_else(Came::Failed, Came::Answer))
                }
                Err(interrupt) => self.interrupted(leg, interrupt),
            },
            Stage::Stream { probe, events, read } => {
                let (fault, over) = match leg.call.read(until).await {
                    Err(interrupt @ (Interrupt::Timeout | Interrupt::ClientGone)) => return Err(interrupt),
                    Ok(Some(bytes)) => {
                        self.exchange.tape(|tape, now| tape.heard(leg.account, now, &bytes, true));
                        read.extend_from_slice(&bytes);
                        match probe.push(&bytes, events) {
                            Ok(progress) => (None, progress.ended),
                            Err(fault) => (Some(fault), true),
                        }
                    }
                    Ok(None) | Err(_) => (probe.input_ended(events).err(), true),
                };
                Ok(match fault {
                    Some(RelayFault::Provider(error)) => Came::Ended(End::Failed(self.in_stream(leg.candidate, error))),
                    Some(_) => Came::Ended(End::Failed(AttemptFailure::silent(FailureClass::Server))),
                    None => self.judged(probe, events, over),
                })
            }
        }
    }

    fn stage_of(&self, leg: &Leg<'a, P::Call>, status: u16, headers: Headers) -> Stage {
        if !(200..300).contains(&status) {
            let patience = self.exchange.platform.now_ms().saturating_add(ERROR_PATIENCE_MS);
            return Stage::Refused { status, headers, until_ms: patience.min(leg.deadlines.end_at) };
        }
        if self.view.stream {
            return Stage::Stream { probe: Box::new(self.relay(leg.chosen)), events: Vec::new(), read: Vec::new() };
        }
        Stage::Whole { status }
    }

    /// What has been read of a stream, by the rules by which it would be passed on. `over`: no more of it counts.
    fn judged(&self, probe: &Relay, events: &[u8], over: bool) -> Came {
        let speaks = if over { probe.complete() } else { probe.has_begun() };
        if !speaks || self.holds_back(probe) || probe.failed_finish().is_some() {
            return if over { Came::Ended(End::Input) } else { Came::More };
        }
        match self.unsound(probe, events) {
            None => Came::Content,
            Some(failure) => Came::Ended(End::Failed(failure)),
        }
    }

    fn interrupted(&mut self, leg: &mut Leg<'a, P::Call>, interrupt: Interrupt) -> Result<Came, Interrupt> {
        match interrupt {
            Interrupt::Timeout | Interrupt::ClientGone => Err(interrupt),
            Interrupt::Connect | Interrupt::Reset | Interrupt::TooLarge => {
                Ok(Came::Failed(self.lost(&mut leg.call, leg.account, interrupt)))
            }
        }
    }

    /// A call has had all the time that it gets.
    pub(super) fn out_of_time(&mut self, leg: &mut Leg<'a, P::Call>) -> Came {
        match &leg.stage {
            Stage::Sent | Stage::Whole { .. } => {
                Came::Failed(self.lost(&mut leg.call, leg.account, Interrupt::Timeout))
            }
            Stage::Refused { status, headers, .. } => {
                let failure = self.refused(leg.chosen, *status, headers, &[]);
                self.turned_away(leg, failure)
            }
            // All of the answer is there but the end of its connection.
            Stage::Stream { probe, .. } if probe.complete() => Came::Content,
            Stage::Stream { .. } => Came::Ended(End::Failed(AttemptFailure::silent(FailureClass::Timeout))),
        }
    }

    fn turned_away(&mut self, leg: &mut Leg<'a, P::Call>, mut failure: AttemptFailure) -> Came {
        leg.call.abort();
        if self.view.stream {
            self.prepared.forgive_our_option(self.exchange, self.view, leg.chosen, &mut failure);
        }
        self.settle(leg.account, Ending::Refused(failure.clone()));
        Came::Failed(self.failed(leg.candidate, failure))
    }
}
