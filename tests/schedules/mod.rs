//! Deterministic simulation: schedules of providers, faults, timings, callers and clocks, played against the real
//! pipeline, attempt machine and stream code through the ports, and judged by checkers that share no code with them.
//!
//! Read in this order: `schedule.rs` (what can happen), `voice` (what providers say), `world.rs` (the platform), `ear` (what
//! a caller's client reads), `check` (what must hold), and below how one is played.

#![allow(dead_code, missing_docs)]

pub mod check;
pub mod ear;
pub mod gateway;
pub mod random;
pub mod refusals;
pub mod schedule;
pub mod voice;
pub mod world;

use std::fmt;
use std::rc::Rc;

use signalbox::gateway::Gateway;
use signalbox::pipeline;

use crate::support::START_MS;
use schedule::Schedule;
use world::{Transcript, World};

/// A gateway for many schedules, one after the other.
pub struct Stage {
    gateway: Rc<Gateway>,
}

/// What was found wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The checker's rule, in a few words.
    pub rule: &'static str,
    pub what: String,
}

impl Stage {
    pub fn new() -> Self {
        Self { gateway: Rc::new(gateway::load()) }
    }

    /// Plays a schedule to its end.
    pub fn play(&mut self, schedule: &Schedule) -> Transcript {
        gateway::memory(schedule, START_MS, &mut self.gateway);
        let mut request = gateway::request(schedule);
        let world = World::new(schedule, std::mem::take(&mut request.body));
        futures::executor::block_on(pipeline::handle(&world, Ok(self.gateway.clone()), request));
        world.transcript()
    }

    /// Plays a schedule and judges it.
    pub fn judge(&mut self, schedule: &Schedule) -> Result<(), Finding> {
        check::verdict(schedule, &self.play(schedule))
    }

    /// The simplest schedule that is found to break the same rule.
    pub fn shrink(&mut self, schedule: &Schedule, rule: &'static str) -> Schedule {
        let mut least = schedule.clone();
        loop {
            let simpler = least.simpler().into_iter().find(|s| self.judge(s).is_err_and(|f| f.rule == rule));
            match simpler {
                Some(schedule) => least = schedule,
                None => return least,
            }
        }
    }
}

/// How much happened: a simulation in which nothing goes wrong shows nothing.
#[derive(Debug, Default)]
pub struct Tally {
    pub schedules: u64,
    pub calls: u64,
    /// Streams and answers that came whole, errors, streams that broke after content, callers who left.
    pub complete: u64,
    pub refused: u64,
    pub broken: u64,
    pub gone: u64,
    /// Streams that passed untouched.
    pub pumped: u64,
    /// Complete answers that took more than one attempt.
    pub rescued: u64,
}

impl Tally {
    pub fn add(&mut self, schedule: &Schedule, transcript: &Transcript) {
        self.schedules += 1;
        self.calls += transcript.calls.len() as u64;
        self.pumped += u64::from(transcript.calls.iter().any(|call| call.pumped));
        let answered =
            transcript.calls.last().is_some_and(|c| check::fate(schedule, transcript, c) == check::Fate::Answered);
        let count = if transcript.gone {
            &mut self.gone
        } else if answered {
            &mut self.complete
        } else if transcript.end == world::End::Whole {
            &mut self.refused
        } else {
            &mut self.broken
        };
        *count += 1;
        self.rescued += u64::from(answered && !transcript.gone && transcript.calls.len() > 1);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls; {} answered ({} of them after a failure), {} refused, {} broken after content, {} callers left; {} streams untouched",
            self.calls, self.complete, self.rescued, self.refused, self.broken, self.gone, self.pumped
        )
    }
}
