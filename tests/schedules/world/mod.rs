//! The world of one request behind the gateway's ports, with a time that moves only where something is waited for, and
//! the runtime's pump: in untouched mode bytes go to the caller when they come, whether or not anyone reads, and a read is a
//! look at what has gone by. `edge/seam/` is what this stands for; every rule below names the one it follows there.
//!
//! The world's own time always goes forward. What the gateway reads is a clock, which may be set.

pub mod turns;

mod call;
mod pump;
mod sink;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use signalbox::accounting::limit::{Ask, Verdict};
use signalbox::accounting::report::{Range, Sums};
use signalbox::accounting::Row;
use signalbox::http::{Headers, ResponseHead, UpstreamRequest};
use signalbox::identity::ports::{Fetcher, JwksSource, PortFailure, SignatureVerifier};
use signalbox::identity::Algorithm;
use signalbox::ports::{Awaited, Interrupt, Kept, MakeContent, Platform, Side};
use signalbox::telemetry::record::RequestRecord;

pub use call::Call;
pub use sink::Sink;

use super::check;
use super::gateway::{self, provider};
use super::keeper::Keeper;
use super::random::Random;
use super::schedule::{self, Candidate, Continues, Jump, Outage, Schedule};
use super::voice::{say, Asked, Said};
use crate::support::START_MS;
use pump::Pump;
use turns::Turns;

/// More waits than any schedule needs: whoever waits more often waits in a circle.
const MOST_WAITS: u32 = 50_000;

/// How the caller's answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Nothing came at all.
    Nothing,
    /// A whole answer.
    Whole,
    /// A stream, closed.
    Closed,
    /// A stream, broken off by us.
    Aborted,
    /// A stream that nobody ended.
    Open,
}

/// A call as the provider saw it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub candidate: usize,
    /// What the provider had in mind.
    pub plan: schedule::Call,
    /// When it came, by the gateway's clock and by the world's.
    pub at_ms: u64,
    pub real_at: u64,
    /// The latest that the gateway's clock had shown by then.
    pub latest: u64,
    /// When the status line was read, by the world's time and by the gateway's clock.
    pub head_at: Option<(u64, u64)>,
    pub request: UpstreamRequest,
    /// The text from which it was asked to go on.
    pub given: Option<String>,
    pub said: Rc<Said>,
    /// Bytes that the gateway has read, and how many it had after each read.
    pub read: usize,
    pub reads: Vec<usize>,
    /// When each of them was, by the world's time.
    pub read_at: Vec<u64>,
    /// How many it had when the attempt was entered as ended while its connection was still up.
    pub read_when_stopped: Option<usize>,
    /// The gateway has seen the end, or the break.
    pub over: bool,
    /// When that was, by the world's time.
    pub over_at: Option<u64>,
    pub aborted_at: Option<u64>,
    /// Its bytes went to the caller by themselves.
    pub pumped: bool,
    /// It goes on without its caller.
    pub outlives: bool,
}

impl Seen {
    /// When it was over, or stopped, by the world's time.
    pub fn ended_at(&self) -> u64 {
        self.over_at.into_iter().chain(self.aborted_at).min().unwrap_or(u64::MAX)
    }
}

/// Everything that can be known of a request after it was played.
#[derive(Debug, Clone)]
pub struct Transcript {
    /// When it came.
    pub began: u64,
    pub head: Option<ResponseHead>,
    /// When the status line went out.
    pub headed_at: Option<u64>,
    /// Bytes for the caller, and when they went out.
    pub writes: Vec<(u64, Vec<u8>)>,
    pub end: End,
    /// When its caller left, as far as the gateway knows.
    pub gone: Option<u64>,
    pub calls: Vec<Seen>,
    /// Candidates of calls that were made beside another one and stopped for it, where they are told apart from the rest
    /// (`check/race.rs`).
    pub outrun: Vec<usize>,
    /// The candidates of two calls of which the one that was made first went on alone: as if it had been made second.
    pub outlasted: Option<(usize, usize)>,
    pub rows: Vec<Row>,
    pub over_at: u64,
    /// When the runtime was killed while it was under way.
    pub killed: Option<u64>,
    /// How far the gateway's clock was set forward, and when.
    pub stepped: Vec<(u64, u64)>,
    /// What was kept, and what its readers got.
    pub kept: Option<super::keeper::Reading>,
    /// The world's own objections.
    pub objections: Vec<String>,
}

impl Transcript {
    pub fn body(&self) -> Vec<u8> {
        self.writes.iter().flat_map(|(_, bytes)| bytes.iter().copied()).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.as_ref()?.headers.value(name)
    }
}

/// Which part of a request's way a world is.
#[derive(Clone)]
pub enum Place {
    /// Where callers come, by this number of the isolate's requests.
    Front(usize),
    /// Where an answer is kept.
    Keeper(Rc<Keeper>),
}

struct State {
    schedule: Rc<Schedule>,
    outages: Rc<Vec<Outage>>,
    turns: Rc<Turns>,
    place: Place,
    request: usize,
    began: u64,
    real: Cell<u64>,
    /// What the gateway's clock is ahead of the world's.
    ahead: Cell<i64>,
    latest: Cell<u64>,
    stepped: RefCell<Vec<(u64, u64)>>,
    gone_at: Option<u64>,
    gone: Cell<Option<u64>>,
    killed_at: Option<u64>,
    killed: Cell<bool>,
    waits: Cell<u32>,
    chance: RefCell<Random>,
    request_body: Vec<u8>,
    calls: RefCell<Vec<Seen>>,
    rows: RefCell<Vec<Row>>,
    head: RefCell<Option<ResponseHead>>,
    headed_at: Cell<Option<u64>>,
    writes: RefCell<Vec<(u64, Vec<u8>)>>,
    end: Cell<End>,
    /// When the caller has taken what was written last.
    busy_until: Cell<u64>,
    pump: RefCell<Option<Pump>>,
    /// Written while the pump ran: goes out behind it.
    behind_pump: RefCell<Vec<u8>>,
    /// What an answer's keeper was sent: the errand's path and what went with it.
    handed: RefCell<Option<(String, Vec<u8>)>>,
    objections: RefCell<Vec<String>>,
}

/// The platform of one request.
#[derive(Clone)]
pub struct World(Rc<State>);

/// What the requests of one isolate have in common.
pub struct Isolate {
    pub turns: Rc<Turns>,
    pub outages: Rc<Vec<Outage>>,
}

impl World {
    /// The front door, or the place where an answer is kept, of a request that came at `began`.
    pub fn new(isolate: &Isolate, schedule: &Rc<Schedule>, place: Place, began: u64, request_body: Vec<u8>) -> Self {
        let (request, gone_at, killed) = match &place {
            Place::Front(request) => (*request, schedule.leaves, None),
            Place::Keeper(_) => {
                (0, schedule.kept.as_ref().and_then(|k| k.cancelled), schedule.kept.as_ref().and_then(|k| k.killed))
            }
        };
        Self(Rc::new(State {
            schedule: schedule.clone(),
            outages: isolate.outages.clone(),
            turns: isolate.turns.clone(),
            place,
            request,
            began,
            real: Cell::new(began),
            ahead: Cell::new(0),
            latest: Cell::new(began),
            stepped: RefCell::default(),
            gone_at: gone_at.map(|ms| began + ms),
            gone: Cell::new(None),
            killed_at: killed.map(|ms| began + ms),
            killed: Cell::new(false),
            waits: Cell::new(0),
            chance: RefCell::new(Random(schedule.seed)),
            request_body,
            calls: RefCell::default(),
            rows: RefCell::default(),
            head: RefCell::default(),
            headed_at: Cell::new(None),
            writes: RefCell::default(),
            end: Cell::new(End::Nothing),
            busy_until: Cell::new(0),
            pump: RefCell::default(),
            behind_pump: RefCell::default(),
            handed: RefCell::default(),
            objections: RefCell::default(),
        }))
    }

    /// What was sent to an answer's keeper.
    pub fn handed(&self) -> Option<(String, Vec<u8>)> {
        self.0.handed.borrow_mut().take()
    }

    /// The world's time.
    pub fn real(&self) -> u64 {
        self.0.real.get()
    }

    /// What happened, once the exchange is over: what is still on its way to the caller arrives.
    pub fn transcript(&self) -> Transcript {
        let state = &self.0;
        let over_at = self.real();
        if let (Some(end), None) = (self.pump_end(), state.gone.get()) {
            self.move_pumped(end);
        } else if state.pump.borrow().is_some() && state.gone.get().is_none() {
            self.object("the caller waits for a provider that nobody stopped");
        }
        if state.gone.get().is_none() {
            self.write_behind();
        }
        Transcript {
            began: state.began,
            head: state.head.take(),
            headed_at: state.headed_at.get(),
            writes: state.writes.take(),
            end: state.end.get(),
            gone: state.gone.get(),
            calls: state.calls.take(),
            outrun: Vec::new(),
            outlasted: None,
            rows: state.rows.take(),
            over_at,
            killed: state.killed_at.filter(|_| state.killed.get()),
            stepped: state.stepped.take(),
            kept: None,
            objections: state.objections.take(),
        }
    }

    fn object(&self, what: &str) {
        self.0.objections.borrow_mut().push(what.to_owned());
    }

    /// What the gateway's clock shows.
    fn clock(&self) -> u64 {
        self.real().saturating_add_signed(self.0.ahead.get())
    }

    /// When a wait ends that is to end when the gateway's clock shows this: waits are durations.
    fn real_of(&self, until_ms: u64) -> u64 {
        self.real().saturating_add(until_ms.saturating_sub(self.clock()))
    }

    /// Lets time pass until `at`. What the pump has moved until then is out, what a keeper has gathered is stored.
    async fn pass(&self, at: u64) {
        let state = &self.0;
        let at = at.max(self.real());
        if let Some(end) = state.killed_at.filter(|end| *end <= at) {
            state.killed.set(true);
            self.go_to(end.max(self.real()));
            return std::future::pending().await;
        }
        state.turns.until(state.request, at).await;
        self.go_to(at);
    }

    fn go_to(&self, at: u64) {
        let state = &self.0;
        self.move_pumped(at);
        if let Place::Keeper(keeper) = &state.place {
            keeper.pass(at);
        }
        state.real.set(at);
        state.latest.set(state.latest.get().max(self.clock()));
    }

    /// Lets time pass until `at` or, if that comes first, to the caller's leaving.
    async fn advance(&self, at: u64) -> Result<(), Interrupt> {
        let state = &self.0;
        let wait = state.waits.get();
        state.waits.set(wait + 1);
        if wait >= MOST_WAITS {
            if wait == MOST_WAITS {
                self.object("the gateway waits in a circle");
            }
            state.gone.set(state.gone.get().or(Some(self.real())));
        }
        if state.gone.get().is_some() {
            return Err(Interrupt::ClientGone);
        }
        // Who deletes a stream has got its name.
        let noticed = match state.place {
            Place::Front(_) => !state.schedule.noticed_late || state.head.borrow().is_some(),
            Place::Keeper(_) => state.end.get() == End::Open,
        };
        if let Some(gone) = state.gone_at.filter(|gone| noticed && *gone <= at.max(self.real())) {
            self.pass(gone).await;
            self.leave();
            return Err(Interrupt::ClientGone);
        }
        self.pass(at).await;
        for (_, jump) in state.schedule.jumps.iter().filter(|(nth, _)| *nth == wait) {
            match jump {
                Jump::Pause(ms) => self.pass(self.real() + ms).await,
                Jump::Step(ms) => {
                    state.ahead.set(state.ahead.get() + ms);
                    state.latest.set(state.latest.get().max(self.clock()));
                    if let Ok(forward) = u64::try_from(*ms) {
                        state.stepped.borrow_mut().push((self.real(), forward));
                    }
                }
            }
        }
        Ok(())
    }

    /// `Exchange.leave`: the request's signal fired; every call is aborted.
    fn leave(&self) {
        self.0.gone.set(Some(self.real()));
        if let Place::Keeper(keeper) = &self.0.place {
            keeper.give_up(self.real());
        }
        *self.0.pump.borrow_mut() = None;
        for call in self.0.calls.borrow_mut().iter_mut().filter(|call| call.aborted_at.is_none() && !call.outlives) {
            call.aborted_at = Some(self.real());
        }
    }

    fn move_pumped(&self, at: u64) {
        if let Some(pump) = self.0.pump.borrow_mut().as_mut() {
            pump.run(at, &mut self.0.writes.borrow_mut());
        }
    }

    fn pump_end(&self) -> Option<u64> {
        self.0.pump.borrow().as_ref().and_then(Pump::end)
    }

    fn write_behind(&self) {
        let bytes = std::mem::take(&mut *self.0.behind_pump.borrow_mut());
        *self.0.pump.borrow_mut() = None;
        if !bytes.is_empty() {
            self.0.writes.borrow_mut().push((self.real(), bytes));
        }
    }

    /// `ask` with a write under way: nothing is read before the caller has taken it, and its slowness is no silence of the
    /// provider's. Gives the instant until which the read itself may take.
    async fn held(&self, until: u64) -> Result<u64, Interrupt> {
        if self.0.gone.get().is_some() {
            return Err(Interrupt::ClientGone);
        }
        let left = until.saturating_sub(self.real());
        if !self.0.behind_pump.borrow().is_empty() {
            // A write waits for the pump.
            match self.pump_end() {
                Some(end) => self.advance(end).await?,
                None => {
                    self.object("a write waits for a pump that never ends");
                    self.leave();
                    return Err(Interrupt::ClientGone);
                }
            }
            self.write_behind();
        }
        if self.0.busy_until.get() > self.real() {
            self.advance(self.0.busy_until.get()).await?;
            return Ok(self.real() + left);
        }
        Ok(until)
    }

    /// Who is called, by address and model.
    fn called(&self, request: &UpstreamRequest) -> Option<usize> {
        let text = String::from_utf8_lossy(&request.body);
        self.0.schedule.candidates.iter().enumerate().position(|(at, c)| {
            let model = gateway::model(c, at);
            request.url.contains(&format!("/{}/", provider(c)))
                && (text.contains(&format!("\"{model}\"")) || request.url.contains(&format!("/{model}:")))
        })
    }

    /// What a candidate does with its call of a number.
    fn plan(&self, candidate: &Candidate, nth: usize) -> schedule::Call {
        let after = self.real().saturating_sub(START_MS);
        let down = self.0.outages.iter().find(|outage| {
            (outage.speaks, outage.account) == (candidate.speaks, candidate.account)
                && (outage.during.0..outage.during.1).contains(&after)
        });
        match down {
            Some(outage) => schedule::Call::fails(outage.fault),
            None => candidate.calls.get(nth).or(candidate.calls.last()).cloned().unwrap_or(schedule::Call::PLAIN),
        }
    }
}

impl Platform for World {
    type Call = Call;
    type Sink = Sink;

    async fn body(&self, _limit: usize) -> Result<Vec<u8>, Interrupt> {
        Ok(self.0.request_body.clone())
    }

    fn now_ms(&self) -> u64 {
        self.clock()
    }

    fn random(&self) -> u64 {
        self.0.chance.borrow_mut().next()
    }

    async fn sleep_until(&self, at_ms: u64) -> Result<(), Interrupt> {
        self.advance(self.real_of(at_ms)).await
    }

    fn call(&self, request: UpstreamRequest) -> Call {
        let state = &self.0;
        let candidate = self.called(&request).unwrap_or_else(|| {
            self.object(&format!("a call to nobody: {}", request.url));
            0
        });
        let asks = &state.schedule;
        let given = if asks.continues == Continues::Off { None } else { gateway::given(&request.body) };
        let mut calls = state.calls.borrow_mut();
        let nth = calls.iter().filter(|call| call.candidate == candidate).count();
        let who = &asks.candidates[candidate];
        let plan = self.plan(who, nth);
        let echoes = gateway::echoes(who);
        let held = check::held(asks);
        let asked = Asked { stream: asks.stream, json: asks.json, held, given: given.as_deref(), echoes };
        let said = Rc::new(say(who.speaks, &plan, asked));
        calls.push(Seen {
            candidate,
            plan,
            at_ms: self.clock(),
            real_at: self.real(),
            latest: state.latest.get(),
            head_at: None,
            request,
            given,
            said: said.clone(),
            read: 0,
            reads: Vec::new(),
            read_at: Vec::new(),
            read_when_stopped: None,
            over: false,
            over_at: None,
            aborted_at: None,
            pumped: false,
            outlives: false,
        });
        Call::new(self.clone(), calls.len() - 1, said)
    }

    /// `Exchange.either`: nothing that is being written is waited for.
    async fn either(
        &self,
        (first, for_first): (&mut Call, Awaited),
        (second, for_second): (&mut Call, Awaited),
        until_ms: u64,
    ) -> Result<Side, Interrupt> {
        let until = self.real_of(until_ms);
        let due = (first.due(for_first), second.due(for_second));
        let side = match due {
            (Some(first), Some(second)) if second < first => Side::Second,
            (None, Some(_)) => Side::Second,
            _ => Side::First,
        };
        let earliest = due.0.into_iter().chain(due.1).min();
        let in_time = earliest.filter(|due| *due <= until || *due <= self.real());
        let waited = self.advance(in_time.unwrap_or(until)).await;
        for call in [first, second] {
            call.left_alone(waited.is_err());
        }
        waited?;
        if earliest.is_some_and(|due| due <= self.real()) {
            Ok(side)
        } else {
            Err(Interrupt::Timeout)
        }
    }

    fn reply(&self, head: ResponseHead, body: Vec<u8>) {
        if self.0.head.borrow().is_some() {
            self.object("an exchange is answered twice");
        }
        if let Place::Keeper(keeper) = &self.0.place {
            keeper.reply(head.clone(), &body, self.real());
        }
        *self.0.head.borrow_mut() = Some(head);
        self.0.headed_at.set(Some(self.real()));
        self.0.writes.borrow_mut().push((self.real(), body));
        self.0.end.set(End::Whole);
    }

    fn open(&self, head: ResponseHead) -> Sink {
        if self.0.head.borrow().is_some() {
            self.object("an exchange is answered twice");
        }
        if let Place::Keeper(keeper) = &self.0.place {
            keeper.open(head.clone(), self.real());
        }
        *self.0.head.borrow_mut() = Some(head);
        self.0.headed_at.set(Some(self.real()));
        self.0.end.set(End::Open);
        Sink(self.clone())
    }

    fn record(&self, _principal: &str, row: Row) {
        if let Row::Settle { opened, .. } = &row {
            let at = (opened.attempt as usize).saturating_sub(1);
            if let Some(call) = self.0.calls.borrow_mut().get_mut(at) {
                call.read_when_stopped = (!call.over).then_some(call.read);
            }
        }
        self.0.rows.borrow_mut().push(row);
    }

    fn keeps_answers(&self) -> bool {
        true
    }

    fn secret(&self) -> [u8; 18] {
        std::array::from_fn(|_| self.random().to_le_bytes()[0])
    }

    async fn hand_over(&self, _: &str, path: &str, sent: &[u8], _: &Headers) -> Result<Kept, Interrupt> {
        *self.0.handed.borrow_mut() = Some((path.to_owned(), sent.to_vec()));
        Ok(if path == "/run" { Kept::Began } else { Kept::Found })
    }

    fn shard(&self, _: &str, _: bool) -> u32 {
        0
    }

    async fn grant(&self, _: &str, _: Ask) -> Option<Verdict> {
        None
    }

    async fn usage(&self, _: &str, _: &Range) -> Option<Sums> {
        None
    }

    fn log(&self, _line: String) {}

    fn wants_records(&self) -> bool {
        false
    }

    fn record_request(&self, _: RequestRecord, _: Option<MakeContent>) {}

    async fn register(&self, _: u64, _: &str) -> Option<String> {
        None
    }
}

impl SignatureVerifier for World {
    async fn verify(&self, _: Algorithm, _: &str, _: &[u8], _: &[u8]) -> Result<bool, PortFailure> {
        Err(PortFailure)
    }
}

impl JwksSource for World {
    fn fetcher(&self) -> Fetcher {
        Rc::new(|_| Box::pin(async { Err(PortFailure) }))
    }

    fn beside(&self, _work: LocalBoxFuture<'static, ()>) {}

    async fn pause(&self, _ms: u64) {}
}
