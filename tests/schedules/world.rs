//! The world of one schedule behind the gateway's ports, with a clock that moves only where something is waited for, and
//! the runtime's pump: in untouched mode bytes go to the caller when they come, whether or not anyone reads, and a read is a
//! look at what has gone by. `seam.js` is what this stands for; every rule below names the one it follows there.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use signalbox::accounting::limit::{Ask, Verdict};
use signalbox::accounting::report::{Range, Sums};
use signalbox::accounting::Row;
use signalbox::http::{Headers, ResponseHead, UpstreamRequest};
use signalbox::identity::ports::{Fetcher, JwksSource, PortFailure, SignatureVerifier};
use signalbox::identity::Algorithm;
use signalbox::ports::{Awaited, CallerSink, Interrupt, Kept, Platform, Side, UpstreamCall};
use signalbox::telemetry::record::RequestRecord;

use super::gateway::provider;
use super::random::Random;
use super::schedule::Schedule;
use super::voice::{say, Said};
use crate::support::{Head, Piece, START_MS};

/// How often a pumped stream is looked at.
const TICK_MS: u64 = 1_000;
/// More waits than any schedule needs: whoever waits more often waits in a circle.
const MOST_WAITS: u32 = 20_000;

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
    /// How many calls of the same candidate came before.
    pub nth: usize,
    pub at_ms: u64,
    /// The gateway's clock when the status line was read.
    pub head_at: Option<u64>,
    pub request: UpstreamRequest,
    pub said: Rc<Said>,
    /// Bytes that the gateway has read.
    pub read: usize,
    /// When the last bytes were read.
    pub last_read_at: Option<u64>,
    /// The gateway has seen the end, or the break.
    pub over: bool,
    pub aborted_at: Option<u64>,
    /// Its bytes went to the caller by themselves.
    pub pumped: bool,
    /// It goes on without its caller.
    pub outlives: bool,
}

/// Everything that can be known of a schedule after it was played.
#[derive(Debug, Clone)]
pub struct Transcript {
    pub head: Option<ResponseHead>,
    /// Bytes for the caller, and when they went out.
    pub writes: Vec<(u64, Vec<u8>)>,
    pub end: End,
    pub gone: bool,
    pub calls: Vec<Seen>,
    pub rows: Vec<Row>,
    pub over_at: u64,
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

struct State {
    schedule: Schedule,
    now: Cell<u64>,
    gone_at: Option<u64>,
    gone: Cell<bool>,
    waits: Cell<u32>,
    chance: RefCell<Random>,
    request_body: Vec<u8>,
    calls: RefCell<Vec<Seen>>,
    rows: RefCell<Vec<Row>>,
    head: RefCell<Option<ResponseHead>>,
    writes: RefCell<Vec<(u64, Vec<u8>)>>,
    end: Cell<End>,
    /// When the caller has taken what was written last.
    busy_until: Cell<u64>,
    pump: RefCell<Option<Pump>>,
    /// Written while the pump ran: goes out behind it.
    behind_pump: RefCell<Vec<u8>>,
    objections: RefCell<Vec<String>>,
}

/// What the runtime moves on its own.
struct Pump {
    call: usize,
    /// Pieces still to be moved, with the time at which they are there.
    pieces: std::collections::VecDeque<(u64, Vec<u8>)>,
    /// When the source ends; `None`: never.
    ends: Option<u64>,
    /// When the caller is ready for the next piece.
    ready: u64,
}

/// The platform of one schedule.
#[derive(Clone)]
pub struct World(Rc<State>);

impl World {
    pub fn new(schedule: &Schedule, request_body: Vec<u8>) -> Self {
        Self(Rc::new(State {
            schedule: schedule.clone(),
            now: Cell::new(START_MS),
            gone_at: schedule.leaves.map(|ms| START_MS + ms),
            gone: Cell::new(false),
            waits: Cell::new(0),
            chance: RefCell::new(Random(schedule.seed)),
            request_body,
            calls: RefCell::default(),
            rows: RefCell::default(),
            head: RefCell::default(),
            writes: RefCell::default(),
            end: Cell::new(End::Nothing),
            busy_until: Cell::new(0),
            pump: RefCell::default(),
            behind_pump: RefCell::default(),
            objections: RefCell::default(),
        }))
    }

    /// What happened, once the exchange is over: what is still on its way to the caller arrives.
    pub fn transcript(&self) -> Transcript {
        let state = &self.0;
        let over_at = self.now_ms();
        if let (Some(end), false) = (self.pump_end(), state.gone.get()) {
            self.move_pumped(end);
        } else if state.pump.borrow().is_some() && !state.gone.get() {
            self.object("the caller waits for a provider that nobody stopped");
        }
        if !state.gone.get() {
            self.write_behind();
        }
        Transcript {
            head: state.head.borrow().clone(),
            writes: state.writes.borrow().clone(),
            end: state.end.get(),
            gone: state.gone.get(),
            calls: state.calls.borrow().clone(),
            rows: state.rows.borrow().clone(),
            over_at,
            objections: state.objections.borrow().clone(),
        }
    }

    fn object(&self, what: &str) {
        self.0.objections.borrow_mut().push(what.to_owned());
    }

    /// Moves the clock to `at` or, if that comes first, to the caller's leaving. What the pump has moved until then is out.
    fn advance(&self, at: u64) -> Result<(), Interrupt> {
        let state = &self.0;
        let wait = state.waits.get();
        state.waits.set(wait + 1);
        if wait >= MOST_WAITS {
            if wait == MOST_WAITS {
                self.object("the gateway waits in a circle");
            }
            state.gone.set(true);
        }
        if state.gone.get() {
            return Err(Interrupt::ClientGone);
        }
        let at = at.max(state.now.get());
        let noticed = !state.schedule.noticed_late || state.head.borrow().is_some();
        if let Some(gone) = state.gone_at.filter(|gone| noticed && *gone <= at) {
            let gone = gone.max(state.now.get());
            self.move_pumped(gone);
            state.now.set(gone);
            self.leave();
            return Err(Interrupt::ClientGone);
        }
        self.move_pumped(at);
        state.now.set(at);
        for (_, ms) in state.schedule.jumps.iter().filter(|(nth, _)| *nth == wait) {
            state.now.set(state.now.get().saturating_add_signed(*ms));
            self.move_pumped(state.now.get());
        }
        Ok(())
    }

    /// `Exchange.leave`: the request's signal fired; every call is aborted.
    fn leave(&self) {
        self.0.gone.set(true);
        *self.0.pump.borrow_mut() = None;
        for call in self.0.calls.borrow_mut().iter_mut().filter(|call| call.aborted_at.is_none() && !call.outlives) {
            call.aborted_at = Some(self.0.now.get());
        }
    }

    /// Moves what the pump can move until `at`.
    fn move_pumped(&self, at: u64) {
        let mut pump = self.0.pump.borrow_mut();
        let Some(pump) = pump.as_mut() else { return };
        while let Some((due, _)) = pump.pieces.front() {
            let when = pump.ready.max(*due);
            if when > at {
                break;
            }
            let Some((_, bytes)) = pump.pieces.pop_front() else { break };
            self.0.writes.borrow_mut().push((when, bytes));
            pump.ready = when + self.0.schedule.reads_slowly;
        }
    }

    /// When the pump is over: the source has ended and all is through. `None`: it never will be, or there is none.
    fn pump_end(&self) -> Option<u64> {
        let pump = self.0.pump.borrow();
        let pump = pump.as_ref()?;
        let slow = self.0.schedule.reads_slowly;
        let through = pump.pieces.iter().fold(pump.ready, |ready, (due, _)| ready.max(*due) + slow);
        Some(pump.ends?.max(through))
    }

    fn write_behind(&self) {
        let bytes = std::mem::take(&mut *self.0.behind_pump.borrow_mut());
        *self.0.pump.borrow_mut() = None;
        if !bytes.is_empty() {
            self.0.writes.borrow_mut().push((self.0.now.get(), bytes));
        }
    }

    /// `ask` with a write under way: nothing is read before the caller has taken it, and its slowness is no silence of the
    /// provider's. Gives the instant until which the read itself may take.
    fn held(&self, until_ms: u64) -> Result<u64, Interrupt> {
        if self.0.gone.get() {
            return Err(Interrupt::ClientGone);
        }
        let now = self.0.now.get();
        let left = until_ms.saturating_sub(now);
        if !self.0.behind_pump.borrow().is_empty() {
            // A write waits for the pump.
            match self.pump_end() {
                Some(end) => self.advance(end)?,
                None => {
                    self.object("a write waits for a pump that never ends");
                    self.leave();
                    return Err(Interrupt::ClientGone);
                }
            }
            self.write_behind();
        }
        if self.0.busy_until.get() > self.0.now.get() {
            self.advance(self.0.busy_until.get())?;
            return Ok(self.0.now.get() + left);
        }
        Ok(until_ms)
    }
}

impl Platform for World {
    type Call = Call;
    type Sink = Sink;

    async fn body(&self, _limit: usize) -> Result<Vec<u8>, Interrupt> {
        Ok(self.0.request_body.clone())
    }

    fn now_ms(&self) -> u64 {
        self.0.now.get()
    }

    fn random(&self) -> u64 {
        self.0.chance.borrow_mut().next()
    }

    async fn sleep_until(&self, at_ms: u64) -> Result<(), Interrupt> {
        self.advance(at_ms)
    }

    fn call(&self, request: UpstreamRequest) -> Call {
        let state = &self.0;
        let text = String::from_utf8_lossy(&request.body);
        let candidate = state.schedule.candidates.iter().enumerate().position(|(at, c)| {
            let model = super::gateway::model(c, at);
            request.url.contains(&format!("/{}/", provider(c)))
                && (text.contains(&model) || request.url.contains(&model))
        });
        let candidate = candidate.unwrap_or_else(|| {
            self.object(&format!("a call to nobody: {}", request.url));
            0
        });
        let mut calls = state.calls.borrow_mut();
        let nth = calls.iter().filter(|call| call.candidate == candidate).count();
        let plan = &state.schedule.candidates[candidate];
        let script = plan.calls.get(nth).or(plan.calls.last());
        let said = Rc::new(say(plan.speaks, script.unwrap_or(&super::schedule::Call::PLAIN), state.schedule.stream));
        calls.push(Seen {
            candidate,
            nth,
            at_ms: state.now.get(),
            head_at: None,
            request,
            said: said.clone(),
            read: 0,
            last_read_at: None,
            over: false,
            aborted_at: None,
            pumped: false,
            outlives: false,
        });
        Call {
            world: self.clone(),
            index: calls.len() - 1,
            said,
            began: state.now.get(),
            pieces: None,
            sample: None,
            alone: false,
        }
    }

    /// `Exchange.either`: nothing that is being written is waited for.
    async fn either(
        &self,
        (first, for_first): (&mut Call, Awaited),
        (second, for_second): (&mut Call, Awaited),
        until_ms: u64,
    ) -> Result<Side, Interrupt> {
        let due = (first.due(for_first), second.due(for_second));
        let side = match due {
            (Some(first), Some(second)) if second < first => Side::Second,
            (None, Some(_)) => Side::Second,
            _ => Side::First,
        };
        let earliest = due.0.into_iter().chain(due.1).min();
        let in_time = earliest.filter(|due| *due <= until_ms || *due <= self.now_ms());
        let waited = self.advance(in_time.unwrap_or(until_ms));
        for call in [first, second] {
            call.alone |= waited.is_err() && call.seen(|seen| seen.outlives);
        }
        waited?;
        // A clock that jumped over it has brought it too.
        if earliest.is_some_and(|due| due <= self.now_ms()) {
            Ok(side)
        } else {
            Err(Interrupt::Timeout)
        }
    }

    fn reply(&self, head: ResponseHead, body: Vec<u8>) {
        if self.0.head.borrow().is_some() {
            self.object("an exchange is answered twice");
        }
        *self.0.head.borrow_mut() = Some(head);
        self.0.writes.borrow_mut().push((self.0.now.get(), body));
        self.0.end.set(End::Whole);
    }

    fn open(&self, head: ResponseHead) -> Sink {
        if self.0.head.borrow().is_some() {
            self.object("an exchange is answered twice");
        }
        *self.0.head.borrow_mut() = Some(head);
        self.0.end.set(End::Open);
        Sink(self.clone())
    }

    fn record(&self, _principal: &str, row: Row) {
        self.0.rows.borrow_mut().push(row);
    }

    fn keeps_answers(&self) -> bool {
        false
    }

    fn secret(&self) -> [u8; 18] {
        std::array::from_fn(|_| self.random().to_le_bytes()[0])
    }

    async fn hand_over(&self, _: &str, _: &str, _: &[u8], _: &Headers) -> Result<Kept, Interrupt> {
        Err(Interrupt::Reset)
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

    fn record_request(&self, _: RequestRecord) {}

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

/// A call under way.
pub struct Call {
    world: World,
    index: usize,
    said: Rc<Said>,
    began: u64,
    /// Pieces with the instants at which they are there; known once the head is.
    pieces: Option<Pieces>,
    /// When the look that is under way happens: `Watcher.next`.
    sample: Option<u64>,
    /// The caller has left, and this call has told so.
    alone: bool,
}

struct Pieces {
    list: std::collections::VecDeque<(u64, Vec<u8>)>,
    /// The last thing that happens, and when.
    last: (u64, Last),
}

#[derive(Clone, Copy, PartialEq)]
enum Last {
    Eof,
    Reset,
    Hang,
}

impl Call {
    fn seen<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.world.0.calls.borrow_mut()[self.index])
    }

    /// When it comes to what it is waited for; `None`: never.
    fn due(&self, awaited: Awaited) -> Option<u64> {
        let after_headers = || {
            let pieces = self.pieces.as_ref()?;
            let end = (pieces.last.1 != Last::Hang).then_some(pieces.last.0);
            match awaited {
                Awaited::Read => pieces.list.front().map(|(due, _)| *due).or(end),
                _ => end,
            }
        };
        match self.said.script.head {
            _ if awaited != Awaited::Head => after_headers(),
            Head::After(ms, ..) | Head::Refused(ms) => Some(self.began + ms),
            Head::Never => None,
        }
    }

    /// Moves the clock; the caller's leaving is told once where the call outlives it.
    fn advance(&mut self, at: u64) -> Result<(), Interrupt> {
        if self.alone {
            let now = self.world.now_ms();
            self.world.0.now.set(now.max(at));
            return Ok(());
        }
        let done = self.world.advance(at);
        self.alone = done.is_err() && self.seen(|seen| seen.outlives);
        done
    }

    fn held(&mut self, until: u64) -> Result<u64, Interrupt> {
        if self.alone {
            return Ok(until);
        }
        let held = self.world.held(until);
        self.alone = held.is_err() && self.seen(|seen| seen.outlives);
        held
    }

    /// Waits for something that is there at `due` (`None`: never), at most until `until`.
    fn wait(&mut self, due: Option<u64>, until: u64) -> Result<(), Interrupt> {
        match due {
            Some(due) if due <= until || due <= self.world.now_ms() => self.advance(due),
            _ => {
                self.advance(until)?;
                // A clock that jumped over it has brought it too.
                if due.is_some_and(|due| due <= self.world.now_ms()) {
                    return Ok(());
                }
                Err(Interrupt::Timeout)
            }
        }
    }

    /// What has come until now: all of it, or its first piece.
    fn arrived(&mut self, all: bool) -> Vec<u8> {
        let now = self.world.now_ms();
        let mut bytes = Vec::new();
        if let Some(pieces) = &mut self.pieces {
            while pieces.list.front().is_some_and(|(due, _)| *due <= now) {
                bytes.extend(pieces.list.pop_front().map(|(_, piece)| piece).unwrap_or_default());
                if !all {
                    break;
                }
            }
        }
        bytes
    }

    fn took(&self, bytes: Vec<u8>) -> Option<Vec<u8>> {
        let now = self.world.now_ms();
        self.seen(|seen| {
            seen.read += bytes.len();
            seen.last_read_at = Some(now);
        });
        Some(bytes)
    }

    fn ended(&self, how: Last) -> Result<Option<Vec<u8>>, Interrupt> {
        self.seen(|seen| seen.over = true);
        if how == Last::Eof {
            Ok(None)
        } else {
            Err(Interrupt::Reset)
        }
    }

    /// A read: the next piece, or all that have come meanwhile.
    fn read_piece(&mut self, until: u64, all: bool) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some(pieces) = &self.pieces else { return Err(Interrupt::Reset) };
        let (last_at, last) = pieces.last;
        match pieces.list.front().map(|(due, _)| *due) {
            Some(due) => {
                self.wait(Some(due), until)?;
                let bytes = self.arrived(all);
                Ok(self.took(bytes))
            }
            None if last == Last::Hang => self.wait(None, until).map(|()| None),
            None => {
                self.wait(Some(last_at), until)?;
                self.ended(last)
            }
        }
    }

    /// A look at what the pump has moved: about once a second, sooner before a deadline, and at once when it is over.
    fn look(&mut self, until: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        let now = self.world.now_ms();
        let pump_end = self.world.pump_end();
        let due = *self
            .sample
            .get_or_insert_with(|| pump_end.unwrap_or(u64::MAX).min(now + TICK_MS.min(until.saturating_sub(now) / 2)));
        // An abort ends the pump sooner.
        let due = pump_end.map_or(due, |end| end.min(due));
        self.wait(Some(due), until)?;
        let read = self.read_piece(until, true);
        if !matches!(read, Err(Interrupt::Timeout)) {
            self.sample = None;
        }
        read
    }
}

impl UpstreamCall for Call {
    type Sink = Sink;

    async fn head(&mut self, until_ms: u64) -> Result<(u16, Headers), Interrupt> {
        let until = self.held(until_ms)?;
        match self.said.script.head.clone() {
            Head::After(ms, status, headers) => {
                let due = self.began + ms;
                self.wait(Some(due), until)?;
                let mut at = due;
                let mut list = std::collections::VecDeque::new();
                let mut last = Last::Eof;
                for (delay, piece) in &self.said.script.body {
                    at += delay;
                    match piece {
                        Piece::Bytes(bytes) => list.push_back((at, bytes.clone())),
                        Piece::Reset => last = Last::Reset,
                        Piece::Hang => last = Last::Hang,
                    }
                }
                self.pieces = Some(Pieces { list, last: (at, last) });
                let now = self.world.now_ms();
                self.seen(|seen| seen.head_at = Some(now));
                Ok((status, headers.into_iter().collect()))
            }
            Head::Refused(ms) => {
                self.wait(Some(self.began + ms), until)?;
                self.seen(|seen| seen.over = true);
                Err(Interrupt::Connect)
            }
            Head::Never => self.wait(None, until).and(Err(Interrupt::Timeout)),
        }
    }

    async fn whole(&mut self, until_ms: u64, limit: usize) -> Result<Vec<u8>, Interrupt> {
        let until = self.held(until_ms)?;
        let mut all = Vec::new();
        while let Some(bytes) = self.read_piece(until, true)? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Err(Interrupt::TooLarge);
            }
        }
        Ok(all)
    }

    async fn read(&mut self, until_ms: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        let until = self.held(until_ms)?;
        if self.seen(|seen| seen.pumped) {
            self.look(until)
        } else {
            self.read_piece(until, false)
        }
    }

    fn watch(&mut self) {}

    /// `Watcher.pump`: what was read before goes first.
    fn pump(&mut self, _sink: &mut Sink) {
        let now = self.world.now_ms();
        let Some(pieces) = &self.pieces else { return };
        let read = self.seen(|seen| {
            seen.pumped = true;
            seen.read
        });
        let mut moved = std::collections::VecDeque::from([(now, self.said.bytes[..read].to_vec())]);
        moved.extend(pieces.list.iter().cloned());
        let ends = Some(pieces.last.0).filter(|_| pieces.last.1 != Last::Hang);
        let ready = self.world.0.busy_until.get().max(now);
        *self.world.0.pump.borrow_mut() = Some(Pump { call: self.index, pieces: moved, ends, ready });
        self.world.move_pumped(now);
    }

    fn outlive(&mut self) {
        self.seen(|seen| seen.outlives = true);
    }

    fn abort(&mut self) {
        let now = self.world.now_ms();
        if self.seen(|seen| seen.aborted_at.is_some()) {
            return;
        }
        self.seen(|seen| seen.aborted_at = Some(now));
        if let Some(pieces) = &mut self.pieces {
            pieces.list.retain(|(due, _)| *due <= now);
            pieces.last = (now, Last::Reset);
        }
        // What is in the tee already still goes through.
        if let Some(pump) = self.world.0.pump.borrow_mut().as_mut().filter(|pump| pump.call == self.index) {
            pump.pieces.retain(|(due, _)| *due <= now);
            pump.ends = Some(pump.ends.unwrap_or(now).min(now));
        }
    }
}

/// The caller's end of a stream.
pub struct Sink(World);

impl Sink {
    fn end(&self, how: End) {
        if self.0 .0.end.get() != End::Open {
            self.0.object("a stream has one end");
        }
        self.0 .0.end.set(how);
    }
}

impl CallerSink for Sink {
    /// `Sink.write`: the last write is waited for, this one is not.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        let state = &self.0 .0;
        if state.gone.get() {
            return Err(Interrupt::ClientGone);
        }
        if state.end.get() != End::Open {
            self.0.object("bytes after the end of the stream");
        }
        if state.pump.borrow().is_some() {
            state.behind_pump.borrow_mut().extend_from_slice(bytes);
            return Ok(());
        }
        let now = state.now.get();
        if state.busy_until.get() > now {
            self.0.advance(state.busy_until.get())?;
        }
        let now = state.now.get();
        state.writes.borrow_mut().push((now, bytes.to_vec()));
        state.busy_until.set(now + state.schedule.reads_slowly);
        Ok(())
    }

    async fn close(&mut self) {
        self.end(End::Closed);
    }

    async fn abort(&mut self) {
        self.end(End::Aborted);
    }
}
