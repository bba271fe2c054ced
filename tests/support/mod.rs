//! A scripted world with a virtual clock: providers answer by script, time moves only when something is waited for,
//! so every test is exact and takes no time.

#![allow(dead_code, missing_docs)]

pub mod callers;
pub mod recordings;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use futures::future::LocalBoxFuture;
use signalbox::accounting::ledger::{Batch, Book, Reserved, Sent};
use signalbox::accounting::limit::{Ask, Verdict};
use signalbox::accounting::report::{Range, Sums};
use signalbox::accounting::{Opened, Row};
use signalbox::gateway::Gateway;
use signalbox::http::{Headers, Request, ResponseHead, UpstreamRequest};
use signalbox::identity::ports::{Fetcher, JwksSource, PortFailure, SignatureVerifier};
use signalbox::identity::{Algorithm, Gate};
use signalbox::pipeline;
use signalbox::ports::{Awaited, CallerSink, Interrupt, Kept, MakeContent, Platform, Side, UpstreamCall};
use signalbox::telemetry::content::Content;
use signalbox::telemetry::record::RequestRecord;

pub const START_MS: u64 = 1_800_000_000_000;

/// A gateway of the same configuration that remembers nothing.
pub fn forgetful(read: &Gateway) -> Rc<Gateway> {
    Rc::new(Gateway {
        config: read.config.clone(),
        prices: read.prices.clone(),
        gate: Gate::new(read.config.identity.clone(), b""),
        memory: Rc::default(),
    })
}

/// A POST of a JSON body.
pub fn post(path: &str, body: &str, headers: &[(&str, &str)]) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    Request {
        method: "POST".into(),
        path: path.into(),
        query: query.into(),
        headers: headers.iter().copied().collect(),
        body: body.as_bytes().to_vec(),
    }
}

/// Serves a request to its end.
pub fn serve(fake: &Fake, gateway: &Rc<Gateway>, request: Request) {
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway.clone()), request));
    every_attempt_is_accounted_once(fake);
}

/// Invariant 3: as many opens as calls, one settle each.
pub fn every_attempt_is_accounted_once(fake: &Fake) {
    let rows = fake.0.rows.borrow();
    let attempts = |open: bool| -> Vec<u32> {
        let sent = rows.iter().map(|(_, row)| row).filter(|row| !matches!(row, Row::Release { .. }));
        sent.filter(|row| matches!(row, Row::Open { .. }) == open).map(|row| row.opened().attempt).collect()
    };
    let (opens, mut settles) = (attempts(true), attempts(false));
    assert_eq!(opens, (1..=fake.calls().len() as u32).collect::<Vec<_>>(), "each call is opened once, in order");
    settles.sort_unstable();
    assert_eq!(settles, opens, "each attempt is settled once");
}

/// What a provider does with one call.
#[derive(Debug, Clone)]
pub struct Script {
    pub head: Head,
    /// Milliseconds after the step before, and what happens then. After the last one the body ends.
    pub body: Vec<(u64, Piece)>,
}

#[derive(Debug, Clone)]
pub enum Head {
    /// Status and headers after so many milliseconds.
    After(u64, u16, Vec<(&'static str, String)>),
    /// The connection fails after so many milliseconds.
    Refused(u64),
    Never,
}

#[derive(Debug, Clone)]
pub enum Piece {
    Bytes(Vec<u8>),
    Reset,
    Hang,
}

impl Script {
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            head: Head::After(20, status, vec![("content-type", "application/json".into())]),
            body: vec![(1, Piece::Bytes(body.into().into_bytes()))],
        }
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Head::After(_, _, headers) = &mut self.head {
            headers.push((name, value.to_owned()));
        }
        self
    }

    /// An event stream, one piece each, ten milliseconds apart.
    pub fn stream<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self {
            head: Head::After(20, 200, vec![("content-type", "text/event-stream".into())]),
            body: pieces.into_iter().map(|p| (10, Piece::Bytes(p.as_ref().to_vec()))).collect(),
        }
    }

    pub fn then(mut self, after_ms: u64, piece: Piece) -> Self {
        self.body.push((after_ms, piece));
        self
    }

    pub fn refused() -> Self {
        Self { head: Head::Refused(5), body: Vec::new() }
    }

    pub fn silent() -> Self {
        Self { head: Head::Never, body: Vec::new() }
    }
}

/// A call that a provider saw.
#[derive(Debug, Clone)]
pub struct Seen {
    pub at_ms: u64,
    pub request: UpstreamRequest,
    pub aborted_at: Rc<Cell<Option<u64>>>,
}

#[derive(Default)]
pub struct World {
    pub request_body: RefCell<Vec<u8>>,
    pub clock: Cell<u64>,
    pub scripts: RefCell<VecDeque<Script>>,
    pub calls: RefCell<Vec<Seen>>,
    pub head: RefCell<Option<ResponseHead>>,
    pub opened_at: Cell<Option<u64>>,
    /// Bytes that the caller got, with the time of each write.
    pub written: RefCell<Vec<(u64, Vec<u8>)>>,
    pub closed: Cell<bool>,
    pub aborted: Cell<bool>,
    pub gone_at: Cell<Option<u64>>,
    pub seed: Cell<u64>,
    pub rows: RefCell<Vec<(String, Row)>>,
    /// The principal's ledger, where limits are asked for; `None`: it cannot be reached.
    pub ledger: RefCell<Option<Book>>,
    pub batches: Cell<u64>,
    pub log: RefCell<Vec<String>>,
    pub records: RefCell<Vec<RequestRecord>>,
    /// What was said in each, where a collector asks for that.
    pub contents: RefCell<Vec<Option<Content>>>,
    /// What the keeper of answers makes of a visit; `None`: there is none.
    pub kept: Cell<Option<Kept>>,
    /// Visits to it: name, path, what was sent.
    pub visits: RefCell<Vec<(String, String, Vec<u8>)>>,
}

#[derive(Clone)]
pub struct Fake(pub Rc<World>);

impl Fake {
    pub fn new(scripts: impl IntoIterator<Item = Script>) -> Self {
        let world = World::default();
        world.clock.set(START_MS);
        world.seed.set(0x9E37_79B9_7F4A_7C15);
        *world.scripts.borrow_mut() = scripts.into_iter().collect();
        Self(Rc::new(world))
    }

    /// What the caller got, as text.
    pub fn body(&self) -> String {
        let bytes: Vec<u8> = self.0.written.borrow().iter().flat_map(|(_, b)| b.clone()).collect();
        String::from_utf8(bytes).expect("callers get whole UTF-8")
    }

    /// The same where the world may have broken a text in two.
    pub fn body_lossy(&self) -> String {
        let bytes: Vec<u8> = self.0.written.borrow().iter().flat_map(|(_, b)| b.clone()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn status(&self) -> u16 {
        self.0.head.borrow().as_ref().map_or(0, |h| h.status)
    }

    pub fn header(&self, name: &str) -> Option<String> {
        self.0.head.borrow().as_ref()?.headers.value(name).map(str::to_owned)
    }

    pub fn calls(&self) -> Vec<Seen> {
        self.0.calls.borrow().clone()
    }

    fn gone(&self) -> bool {
        self.0.gone_at.get().is_some_and(|at| at <= self.0.clock.get())
    }

    /// Moves the clock to `at`, or to the caller's leaving or `until` if one of them comes first.
    fn advance(&self, at: Option<u64>, until: u64) -> Result<(), Interrupt> {
        let now = self.0.clock.get();
        let at = at.map(|t| t.max(now));
        let goes = self.0.gone_at.get().map(|g| g.max(now));
        let stop = until.max(now);
        if let Some(gone) = goes.filter(|g| *g <= at.unwrap_or(u64::MAX).min(stop)) {
            self.0.clock.set(gone);
            return Err(Interrupt::ClientGone);
        }
        match at {
            Some(at) if at <= stop => {
                self.0.clock.set(at);
                Ok(())
            }
            _ => {
                self.0.clock.set(stop);
                Err(Interrupt::Timeout)
            }
        }
    }
}

impl Platform for Fake {
    type Call = FakeCall;
    type Sink = FakeSink;

    async fn body(&self, limit: usize) -> Result<Vec<u8>, Interrupt> {
        let body = self.0.request_body.borrow().clone();
        if body.len() > limit {
            return Err(Interrupt::TooLarge);
        }
        Ok(body)
    }

    fn now_ms(&self) -> u64 {
        self.0.clock.get()
    }

    fn random(&self) -> u64 {
        // splitmix64
        let seed = self.0.seed.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.0.seed.set(seed);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    async fn sleep_until(&self, at_ms: u64) -> Result<(), Interrupt> {
        match self.advance(Some(at_ms), at_ms) {
            Err(Interrupt::ClientGone) => Err(Interrupt::ClientGone),
            _ => Ok(()),
        }
    }

    fn call(&self, request: UpstreamRequest) -> FakeCall {
        let script = self.0.scripts.borrow_mut().pop_front().unwrap_or_else(Script::silent);
        let aborted_at = Rc::new(Cell::new(None));
        let now = self.now_ms();
        self.0.calls.borrow_mut().push(Seen { at_ms: now, request, aborted_at: aborted_at.clone() });
        FakeCall {
            world: self.clone(),
            script,
            began: now,
            next: None,
            pumping: false,
            watched: Vec::new(),
            outlives: false,
            alone: false,
            aborted_at,
        }
    }

    async fn either(
        &self,
        (first, for_first): (&mut FakeCall, Awaited),
        (second, for_second): (&mut FakeCall, Awaited),
        until_ms: u64,
    ) -> Result<Side, Interrupt> {
        let due = (first.due(for_first), second.due(for_second));
        let side = if due.1.is_some_and(|second| due.0.is_none_or(|first| second < first)) {
            Side::Second
        } else {
            Side::First
        };
        let came = self.advance(due.0.into_iter().chain(due.1).min(), until_ms);
        for call in [first, second] {
            call.alone |= call.outlives && came == Err(Interrupt::ClientGone);
        }
        came.map(|()| side)
    }

    fn reply(&self, head: ResponseHead, body: Vec<u8>) {
        assert!(self.0.head.borrow().is_none(), "an exchange is answered once");
        *self.0.head.borrow_mut() = Some(head);
        self.0.written.borrow_mut().push((self.now_ms(), body));
        self.0.closed.set(true);
    }

    fn open(&self, head: ResponseHead) -> FakeSink {
        assert!(self.0.head.borrow().is_none(), "an exchange is answered once");
        *self.0.head.borrow_mut() = Some(head);
        self.0.opened_at.set(Some(self.now_ms()));
        FakeSink(self.clone())
    }

    fn record(&self, principal: &str, row: Row) {
        if let Some(ledger) = self.0.ledger.borrow_mut().as_mut() {
            let number = self.0.batches.get() + 1;
            self.0.batches.set(number);
            let sent = Sent { by: "isolate".into(), number, made_ms: self.now_ms() };
            ledger.enter(Batch { sent, rows: vec![row.clone()], ..Batch::default() }, self.now_ms());
        }
        self.0.rows.borrow_mut().push((principal.to_owned(), row));
    }

    fn asset(&self, path: &str) -> Option<String> {
        matches!(path, "/index.html" | "/page/app-1.js").then(|| path.to_owned())
    }

    fn keeps_answers(&self) -> bool {
        self.0.kept.get().is_some()
    }

    fn secret(&self) -> [u8; 18] {
        std::array::from_fn(|_| self.random().to_le_bytes()[0])
    }

    async fn hand_over(&self, name: &str, path: &str, sent: &[u8], _headers: &Headers) -> Result<Kept, Interrupt> {
        self.0.visits.borrow_mut().push((name.to_owned(), path.to_owned(), sent.to_vec()));
        self.0.kept.get().ok_or(Interrupt::Reset)
    }

    fn shard(&self, _: &str, _: bool) -> u32 {
        0
    }

    async fn grant(&self, principal: &str, ask: Ask) -> Option<Verdict> {
        let verdict = self.0.ledger.borrow_mut().as_mut()?.grant(&ask, self.now_ms());
        if let Verdict::Granted { picousd, .. } = verdict {
            // The ledger has entered it; here the row stands for that.
            let reserved = Some(Reserved { picousd, tokens: ask.need.tokens, sliced: false });
            self.0
                .rows
                .borrow_mut()
                .push((principal.to_owned(), Row::Open { opened: Opened { reserved, ..ask.opened } }));
        }
        Some(verdict)
    }

    async fn usage(&self, _principal: &str, _range: &Range) -> Option<Sums> {
        None
    }

    fn log(&self, line: String) {
        self.0.log.borrow_mut().push(line);
    }

    fn wants_records(&self) -> bool {
        true
    }

    fn record_request(&self, record: RequestRecord, content: Option<MakeContent>) {
        self.0.records.borrow_mut().push(record);
        self.0.contents.borrow_mut().push(content.map(|make| make()));
    }

    async fn register(&self, _: u64, _: &str) -> Option<String> {
        None
    }
}

impl SignatureVerifier for Fake {
    async fn verify(&self, _: Algorithm, _: &str, _: &[u8], _: &[u8]) -> Result<bool, PortFailure> {
        Err(PortFailure)
    }
}

impl JwksSource for Fake {
    fn fetcher(&self) -> Fetcher {
        Rc::new(|_| Box::pin(async { Err(PortFailure) }))
    }

    fn beside(&self, _work: LocalBoxFuture<'static, ()>) {}

    async fn pause(&self, ms: u64) {
        self.0.clock.set(self.0.clock.get() + ms);
    }
}

pub struct FakeCall {
    world: Fake,
    script: Script,
    began: u64,
    /// When the next body piece is due; set when the head has come.
    next: Option<u64>,
    pumping: bool,
    watched: Vec<u8>,
    outlives: bool,
    /// The caller has left, and this call has told so.
    alone: bool,
    aborted_at: Rc<Cell<Option<u64>>>,
}

impl FakeCall {
    /// When it comes to what it is waited for; `None`: never.
    fn due(&self, awaited: Awaited) -> Option<u64> {
        let pieces = self.script.body.as_slice();
        let read = match awaited {
            Awaited::Head => {
                return match self.script.head {
                    Head::After(ms, ..) | Head::Refused(ms) => Some(self.began + ms),
                    Head::Never => None,
                };
            }
            Awaited::Whole(_) => pieces,
            Awaited::Read => &pieces[..pieces.len().min(1)],
        };
        let mut at = self.next.unwrap_or(self.began);
        for (delay, piece) in read {
            match piece {
                Piece::Bytes(_) => at += delay,
                Piece::Reset => return Some(at + delay),
                Piece::Hang => return None,
            }
        }
        Some(at)
    }

    fn advance(&mut self, at: Option<u64>, until_ms: u64) -> Result<(), Interrupt> {
        let left = self.world.0.gone_at.get();
        if self.alone {
            self.world.0.gone_at.set(None);
        }
        let done = self.world.advance(at, until_ms);
        self.world.0.gone_at.set(left);
        self.alone |= self.outlives && done == Err(Interrupt::ClientGone);
        done
    }
}

impl UpstreamCall for FakeCall {
    type Sink = FakeSink;

    async fn head(&mut self, until_ms: u64) -> Result<(u16, Headers), Interrupt> {
        match self.script.head.clone() {
            Head::After(ms, status, headers) => {
                self.advance(Some(self.began + ms), until_ms)?;
                self.next = Some(self.world.now_ms());
                Ok((status, headers.into_iter().collect()))
            }
            Head::Refused(ms) => {
                self.advance(Some(self.began + ms), until_ms)?;
                Err(Interrupt::Connect)
            }
            Head::Never => {
                self.advance(None, until_ms)?;
                Err(Interrupt::Timeout)
            }
        }
    }

    async fn whole(&mut self, until_ms: u64, limit: usize) -> Result<Vec<u8>, Interrupt> {
        let mut all = Vec::new();
        while let Some(bytes) = self.read(until_ms).await? {
            all.extend_from_slice(&bytes);
            if all.len() > limit {
                return Err(Interrupt::TooLarge);
            }
        }
        Ok(all)
    }

    async fn read(&mut self, until_ms: u64) -> Result<Option<Vec<u8>>, Interrupt> {
        let Some((delay, piece)) = self.script.body.first().cloned() else {
            {
                let now = self.world.now_ms();
                self.advance(Some(now), until_ms)?;
            }
            return Ok(None);
        };
        let due = self.next.unwrap_or(self.began) + delay;
        if matches!(piece, Piece::Hang) {
            self.advance(None, until_ms)?;
            return Err(Interrupt::Timeout);
        }
        self.advance(Some(due), until_ms)?;
        self.next = Some(due);
        self.script.body.remove(0);
        match piece {
            Piece::Bytes(bytes) => {
                if self.pumping {
                    self.world.0.written.borrow_mut().push((due, bytes.clone()));
                } else {
                    self.watched.extend_from_slice(&bytes);
                }
                Ok(Some(bytes))
            }
            Piece::Reset => {
                self.script.body.clear();
                Err(Interrupt::Reset)
            }
            Piece::Hang => Err(Interrupt::Timeout),
        }
    }

    fn watch(&mut self) {}

    fn pump(&mut self, _sink: &mut FakeSink) {
        self.pumping = true;
        let now = self.world.now_ms();
        self.world.0.written.borrow_mut().push((now, std::mem::take(&mut self.watched)));
    }

    fn outlive(&mut self) {
        self.outlives = true;
    }

    fn abort(&mut self) {
        if self.aborted_at.get().is_none() {
            self.aborted_at.set(Some(self.world.now_ms()));
        }
    }
}

pub struct FakeSink(Fake);

impl CallerSink for FakeSink {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        if self.0.gone() {
            return Err(Interrupt::ClientGone);
        }
        self.0 .0.written.borrow_mut().push((self.0.now_ms(), bytes.to_vec()));
        Ok(())
    }

    async fn close(&mut self) {
        assert!(!self.0 .0.closed.get() && !self.0 .0.aborted.get(), "a stream has one end");
        self.0 .0.closed.set(true);
    }

    async fn abort(&mut self) {
        assert!(!self.0 .0.closed.get() && !self.0 .0.aborted.get(), "a stream has one end");
        self.0 .0.aborted.set(true);
    }
}
