//! Deterministic simulation: schedules of providers, faults, timings, callers and clocks, played against the real
//! pipeline, attempt machine and stream code through the ports, and judged by checkers that share no code with them.
//!
//! Read in this order: `schedule.rs` (what can happen), `voice` (what providers say), `world` (the platform), `keeper.rs`
//! (answers that are kept, and their readers), `ear` (what a caller's client reads), `check` (what must hold), and below how
//! a schedule is played.

#![allow(dead_code, missing_docs)]

pub mod check;
pub mod ear;
pub mod gateway;
pub mod keeper;
pub mod random;
pub mod refusals;
pub mod schedule;
pub mod voice;
pub mod world;

mod draw;
mod simpler;

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use signalbox::gateway::Gateway;
use signalbox::pipeline;
use signalbox::resume::errand::Run;

use crate::support::START_MS;
use check::plot::{Fate, Plot};
use keeper::Keeper;
use schedule::Schedule;
use world::turns::Turns;
use world::{End, Isolate, Place, Transcript, World};

/// A gateway for many schedules, one after the other.
pub struct Stage {
    gateway: Rc<Gateway>,
}

/// Where an answer is kept, and under which name.
#[derive(Clone)]
struct Answer {
    keeper: Rc<Keeper>,
    id: String,
}

/// What was found wrong.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The checker's rule, in a few words.
    pub rule: &'static str,
    pub what: String,
}

/// A request's world, and what was kept of its answer.
type Played = (World, Option<Answer>);

impl Stage {
    pub fn new() -> Self {
        Self { gateway: Rc::new(gateway::load()) }
    }

    /// Plays a schedule to its end: what came of its requests, in their order.
    pub fn play(&mut self, schedule: &Schedule) -> Vec<Transcript> {
        gateway::memory(schedule, START_MS, &mut self.gateway);
        let isolate = Isolate { turns: Rc::new(Turns::default()), outages: Rc::new(schedule.outages.clone()) };
        let requests: Vec<(u64, Rc<Schedule>)> =
            schedule.requests().map(|(after, one)| (START_MS + after, Rc::new(one.clone()))).collect();
        let places: RefCell<Vec<Option<Played>>> = RefCell::new(vec![None; requests.len()]);
        let served = requests.iter().enumerate().map(|(at, (began, one))| {
            let (isolate, places, gateway) = (&isolate, &places, self.gateway.clone());
            let future = async move {
                let mut request = gateway::request(one);
                let body = std::mem::take(&mut request.body);
                let front = World::new(isolate, one, Place::Front(at), *began, body);
                places.borrow_mut()[at] = Some((front.clone(), None));
                pipeline::handle(&front, Ok(gateway.clone()), request).await;
                let Some((run, body)) = front.handed().and_then(|(_, sent)| Run::parse(&sent)) else { return };
                let keeper = Keeper::new(&run, *began);
                let world = World::new(isolate, one, Place::Keeper(keeper.clone()), *began, body);
                let answer = Answer { keeper: keeper.clone(), id: run.id.clone() };
                places.borrow_mut()[at] = Some((world.clone(), Some(answer)));
                let answered = pipeline::handle_kept(&world, Ok(gateway), run).await;
                keeper.end(!answered, world.real());
            };
            (*began, Box::pin(future) as Pin<Box<dyn Future<Output = ()>>>)
        });
        isolate.turns.play(served.collect());
        let places = places.into_inner().into_iter().flatten();
        places.zip(&requests).map(|((world, answer), (_, one))| self.told(&world, answer, one, &isolate)).collect()
    }

    /// What came of a request; whoever reads its answer where it is kept does so now.
    fn told(&self, world: &World, answer: Option<Answer>, schedule: &Rc<Schedule>, isolate: &Isolate) -> Transcript {
        let mut transcript = world.transcript();
        let streams = transcript.end != End::Whole && transcript.end != End::Nothing;
        if let (Some(Answer { keeper, id }), Some(plan), true) = (answer, &schedule.kept, streams) {
            let killed = plan.killed.map(|ms| transcript.began + ms);
            let opened = transcript.headed_at.unwrap_or(transcript.began);
            let times = (transcript.began, opened, killed.filter(|end| *end >= opened));
            transcript.kept = Some(keeper.read(plan, schedule, &self.gateway, isolate, &id, times));
        }
        transcript
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
    pub requests: u64,
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
    /// Complete answers that are partly one attempt's and partly another's, by how the last one went on.
    pub restarted: u64,
    pub prefilled: u64,
    /// Calls that were read on for callers who had left.
    pub drained: u64,
    /// Answers that were kept, and connections of their readers.
    pub kept: u64,
    pub readers: u64,
    /// Kept answers during which the runtime was killed, or that were deleted.
    pub killed: u64,
    pub deleted: u64,
    /// Complete answers that were held back.
    pub held: u64,
    /// Calls that were stopped because another one had content first.
    pub hedged: u64,
    /// Candidates that were passed over because of what other requests had met.
    pub passed_over: u64,
}

impl Tally {
    pub fn add(&mut self, schedule: &Schedule, transcripts: &[Transcript]) {
        self.schedules += 1;
        for ((_, one), transcript) in schedule.requests().zip(transcripts) {
            self.add_one(one, transcript);
        }
    }

    fn add_one(&mut self, schedule: &Schedule, transcript: &Transcript) {
        let apart = check::race::apart(schedule, transcript);
        let transcript = apart.as_deref().unwrap_or(transcript);
        let plot = Plot::of(schedule, transcript);
        self.hedged += transcript.outrun.len() as u64;
        self.requests += 1;
        self.calls += transcript.calls.len() as u64;
        self.pumped += u64::from(transcript.calls.iter().any(|call| call.pumped));
        let answered = plot.fates.last() == Some(&Fate::Answered);
        let left = transcript.gone.is_some();
        let count = if left {
            &mut self.gone
        } else if answered {
            &mut self.complete
        } else if transcript.end == End::Whole {
            &mut self.refused
        } else {
            &mut self.broken
        };
        *count += 1;
        self.rescued += u64::from(answered && !left && transcript.calls.len() > 1);
        if let (Some(seam), true) = (plot.seams.last(), answered) {
            let count = if seam.prefill { &mut self.prefilled } else { &mut self.restarted };
            *count += 1;
        }
        self.drained += transcript.calls.iter().filter(|call| left && call.outlives && call.over).count() as u64;
        self.held += u64::from(answered && schedule.holds_back && (schedule.tools || schedule.json));
        if let Some(kept) = &transcript.kept {
            self.kept += 1;
            self.readers += kept.connections.len() as u64;
            self.killed += u64::from(transcript.killed.is_some());
            self.deleted += u64::from(kept.whole.is_none());
        }
        let last = transcript.calls.iter().map(|call| call.candidate).max();
        let never = (0..last.unwrap_or(0)).filter(|at| transcript.calls.iter().all(|call| call.candidate != *at));
        self.passed_over += never.count() as u64;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} requests, {} calls; {} answered ({} of them after a failure), {} refused, {} broken after content, {} callers left ({} calls read on)",
            self.requests, self.calls, self.complete, self.rescued, self.refused, self.broken, self.gone, self.drained
        )?;
        write!(
            f,
            "{} streams untouched; {} gone on with by restart, {} by prefill; {} held back; {} kept ({} connections, {} killed, {} deleted); {} stopped for another; {} candidates passed over",
            self.pumped, self.restarted, self.prefilled, self.held, self.kept, self.readers, self.killed, self.deleted, self.hedged, self.passed_over
        )
    }
}
