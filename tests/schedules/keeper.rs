//! An answer's keeper and those who read there: what `StreamLog` makes of the log, its rows and its record, with every
//! row stored at an instant. Readers change nothing for the writer, so they are played after it, in order of time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use signalbox::dialect::Dialect;
use signalbox::gateway::Gateway;
use signalbox::http::{Request, ResponseHead};
use signalbox::pipeline;
use signalbox::ports::Interrupt;
use signalbox::resume::errand::{Run, Visit};
use signalbox::resume::reader::Reader;
use signalbox::resume::record::{Record, Stage};
use signalbox::resume::rows::{Due, Row};
use signalbox::resume::Log;

use super::ear;
use super::schedule::{Kept, Schedule};
use super::world::{Isolate, Place, World};

/// Rows that a reader takes at once.
const AT_ONCE: usize = 4;

/// What is kept of one answer.
pub struct Keeper {
    log: RefCell<Log>,
    stored: RefCell<Vec<(u64, Row)>>,
    records: RefCell<Vec<(u64, String)>>,
    /// When what has gathered is to be stored.
    due: Cell<Option<u64>>,
    given_up: Cell<Option<u64>>,
    /// The last row, once there will be no other.
    ended_at: Cell<Option<u64>>,
}

/// What came of a kept answer.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What whoever comes last and has nothing gets; `None` where it was deleted.
    pub whole: Option<Vec<u8>>,
    pub connections: Vec<Connection>,
}

/// One connection of a reader.
#[derive(Debug, Clone)]
pub struct Connection {
    pub reader: usize,
    /// The number of the event that it said it had.
    pub after: u64,
    pub came: u64,
    pub got: Vec<u8>,
    pub ended: Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// By us, in order.
    Closed,
    /// By the reader.
    Left,
    /// With the runtime.
    Broken,
    /// It says that it has more than there is.
    Ahead,
    /// There is no such stream.
    Unknown,
}

impl Keeper {
    pub fn new(run: &Run, now: u64) -> Rc<Self> {
        let record = Record::of(run);
        let keeper = Self {
            log: RefCell::new(Log::new(record.clone())),
            stored: RefCell::default(),
            records: RefCell::default(),
            due: Cell::new(None),
            given_up: Cell::new(None),
            ended_at: Cell::new(None),
        };
        keeper.remember(&record, now);
        Rc::new(keeper)
    }

    fn remember(&self, record: &Record, now: u64) {
        self.records.borrow_mut().push((now, serde_json::to_string(record).unwrap_or_default()));
    }

    pub fn reply(&self, head: ResponseHead, body: &[u8], now: u64) {
        self.log.borrow_mut().whole(head, body);
        self.end(false, now);
    }

    pub fn open(&self, head: ResponseHead, now: u64) {
        self.log.borrow_mut().open(head);
        self.store(true, now);
    }

    pub fn append(&self, events: &[u8], now: u64) -> Result<(), Interrupt> {
        if self.given_up.get().is_some() || self.log.borrow_mut().append(events).is_err() {
            return Err(Interrupt::ClientGone);
        }
        let due = self.log.borrow_mut().due(now);
        match due {
            Due::Now => self.store(false, now),
            Due::Known => {}
            Due::In(ms) => self.due.set(Some(now + ms)),
        }
        Ok(())
    }

    /// Time has passed.
    pub fn pass(&self, now: u64) {
        if let Some(due) = self.due.get().filter(|due| *due <= now) {
            self.store(false, due);
        }
    }

    pub fn end(&self, failed: bool, now: u64) {
        self.log.borrow_mut().end(failed);
        self.store(true, now);
        if self.given_up.get().is_none() {
            self.ended_at.set(Some(self.stored.borrow().len() as u64));
        }
    }

    pub fn give_up(&self, now: u64) {
        self.given_up.set(self.given_up.get().or(Some(now)));
    }

    fn store(&self, record: bool, now: u64) {
        self.due.set(None);
        let rows = self.log.borrow_mut().take(now);
        if self.given_up.get().is_none() {
            self.stored.borrow_mut().extend(rows.into_iter().map(|row| (now, row)));
            if record {
                self.remember(self.log.borrow().record(), now);
            }
        }
    }

    /// What an instance of a time remembers.
    fn record(&self, now: u64) -> Record {
        let records = self.records.borrow();
        let text = records.iter().rev().find(|(at, _)| *at <= now).map_or("", |(_, text)| text);
        serde_json::from_str(text).unwrap_or_else(|e| panic!("a record is read as it was written: {e}"))
    }

    fn is_given_up(&self, now: u64) -> bool {
        self.given_up.get().is_some_and(|at| at <= now)
    }

    fn last(&self, now: u64) -> u64 {
        self.stored.borrow().iter().filter(|(at, _)| *at <= now).map(|(_, row)| row.last).max().unwrap_or(0)
    }

    /// A new instance finds what an old one has left.
    fn find_left_behind(&self, killed: u64, now: u64) {
        self.stored.borrow_mut().retain(|(at, _)| *at <= killed);
        self.records.borrow_mut().retain(|(at, _)| *at <= killed);
        let mut record = self.record(killed);
        if record.stage == Stage::Running {
            let row = self.stored.borrow().last().map(|(_, row)| row.bytes.clone()).unwrap_or_default();
            let rows = record.interrupted(self.last(killed), &row);
            self.stored.borrow_mut().extend(rows.into_iter().map(|row| (now, row)));
            self.remember(&record, now);
        }
    }

    /// The next instant at which a reader is woken.
    fn next_change(&self, now: u64) -> Option<u64> {
        let (stored, records) = (self.stored.borrow(), self.records.borrow());
        let times = stored.iter().map(|(at, _)| *at).chain(records.iter().map(|(at, _)| *at));
        times.chain(self.given_up.get()).filter(|at| *at > now).min()
    }

    /// Serves a connection: what it gets, how it ends, and when.
    fn serve(
        &self,
        after: u64,
        came: u64,
        slow: u64,
        cut: Option<usize>,
        killed: Option<u64>,
    ) -> (Vec<u8>, Ended, u64) {
        let record = self.record(came);
        let mut reader = Reader::new(&record, after);
        let (mut now, mut got) = (came, Vec::new());
        loop {
            if let Some(end) = killed.filter(|end| *end <= now) {
                return (got, Ended::Broken, end);
            }
            let over = self.is_given_up(now) || self.record(now).stage != Stage::Running;
            let mut rest = Vec::new();
            let at = reader.at;
            if !self.is_given_up(now) {
                let stored = self.stored.borrow();
                let rows = stored.iter().enumerate().map(|(at, (time, row))| (at as u64 + 1, time, row));
                let new = rows.filter(|(at, time, row)| *at > reader.at && row.reach > reader.after && **time <= now);
                for (at, _, row) in new.take(AT_ONCE).collect::<Vec<_>>() {
                    rest.extend_from_slice(&reader.take(at, row.first, row.last, &row.bytes));
                }
            }
            // Rows of comments are nothing to a reader of an array, and not the end.
            let no_rows = reader.at == at;
            let ends = self.is_given_up(now) || (over && no_rows);
            if ends {
                // Whoever has all of it has its end too.
                let whole = self.ended_at.get().is_some_and(|last| last <= reader.at);
                if self.is_given_up(now) && !whole {
                    rest.extend(reader.event(&record.cut("The stream has been given up.", reader.next)));
                }
                rest.extend(reader.end());
            } else if no_rows {
                match self.next_change(now).into_iter().chain(killed).min() {
                    Some(next) => now = next,
                    None => panic!("a reader waits for nothing"),
                }
                continue;
            }
            got.extend_from_slice(&rest);
            if let Some(most) = cut.filter(|most| *most < got.len()) {
                got.truncate(most);
                return (got, Ended::Left, now);
            }
            if ends {
                return (got, Ended::Closed, now);
            }
            now += slow;
        }
    }

    /// Plays those who read. `opened`: when the first of them got the status line.
    pub fn read(
        &self,
        plan: &Kept,
        schedule: &Rc<Schedule>,
        gateway: &Rc<Gateway>,
        isolate: &Isolate,
        id: &str,
        times: (u64, u64, Option<u64>),
    ) -> Reading {
        let (began, opened, killed) = times;
        let mut connections: Vec<Connection> = Vec::new();
        // Each reader's next visit: when, whose, how often it has left, what it has.
        let mut visits: Vec<(u64, usize, usize, u64)> =
            plan.readers.iter().enumerate().map(|(at, reader)| (opened + reader.comes, at, 0, reader.from)).collect();
        if let Some(cancelled) = plan.cancelled.map(|ms| began + ms).filter(|at| *at >= opened) {
            self.give_up(cancelled);
        }
        let mut restarted = false;
        while let Some(next) = (0..visits.len()).min_by_key(|at| (visits[*at].0, visits[*at].1)) {
            let (came, at, nth, claimed) = visits.swap_remove(next);
            let reader = &plan.readers[at];
            if let Some(killed) = killed.filter(|killed| *killed <= came && !restarted) {
                self.find_left_behind(killed, came);
                restarted = true;
            }
            let first = at == 0 && nth == 0;
            let after = if first { 0 } else { visit(schedule, gateway, isolate, id, claimed, came) };
            let mut add = |got, ended| connections.push(Connection { reader: at, after, came, got, ended });
            if !first && self.is_given_up(came) {
                add(Vec::new(), Ended::Unknown);
                continue;
            }
            if after > self.last(came) {
                add(Vec::new(), Ended::Ahead);
                continue;
            }
            let ahead = killed.filter(|_| !restarted);
            let (got, ended, left) = self.serve(after, came, reader.slow, reader.cuts.get(nth).copied(), ahead);
            if ended == Ended::Left || ended == Ended::Broken {
                let known = ear::cursor(schedule.as_array && schedule.caller == Dialect::Gemini, &got, after);
                let nth = if ended == Ended::Left || first { nth + 1 } else { nth };
                visits.push((left + reader.away + 1, at, nth, known));
            }
            add(got, ended);
        }
        let end = u64::MAX / 2;
        if let Some(killed) = killed.filter(|_| !restarted) {
            self.find_left_behind(killed, end);
        }
        let whole = self.given_up.get().is_none().then(|| self.serve(0, end, 0, None, None).0);
        Reading { whole, connections }
    }
}

/// A visit through the front door: the number that the keeper is told.
fn visit(schedule: &Rc<Schedule>, gateway: &Rc<Gateway>, isolate: &Isolate, id: &str, after: u64, now: u64) -> u64 {
    let front = World::new(isolate, schedule, Place::Front(0), now, Vec::new());
    let (query, headers) = if after.is_multiple_of(2) {
        (format!("after={after}"), Vec::new())
    } else {
        (String::new(), vec![("last-event-id", after.to_string())])
    };
    let headers = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let request = Request { method: "GET".into(), path: format!("/v1/streams/{id}"), query, headers, body: Vec::new() };
    futures::executor::block_on(pipeline::handle(&front, Ok(gateway.clone()), request));
    let (path, sent) = front.handed().unwrap_or_default();
    assert_eq!(path, "/read", "a reader is handed over to the keeper");
    let visit: Visit =
        serde_json::from_slice(&sent).unwrap_or_else(|e| panic!("a visit is read as it was written: {e}"));
    visit.after
}
