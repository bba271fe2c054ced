//! The Durable Object `Ledger`, one per principal: loads what a message speaks of, lets `accounting::ledger` decide, stores
//! what changed. `POST /rows` enters a batch, `POST /grant` lets an attempt out under limits, `GET /sums` tells what there
//! is, the alarm closes what is overdue. Of a hot principal there are several: `POST /lease` is how shards get from the first
//! one what they grant from.
//!
//! Between reading and writing nothing is awaited, so that a message is one atomic commit and no other comes between.

#![allow(missing_docs)] // of what the macro adds

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;

use worker::{durable_object, Date, DurableObject, Env, Method, Request, Response, SqlStorage, SqlStorageValue, State};

use crate::accounting::day::day_of;
use crate::accounting::ledger::shard::{Answer, Lease, Report, BUSY_PER_SECOND, SHARD_MARK};
use crate::accounting::ledger::{store, Batch, Book, Place, Receipt};
use crate::accounting::limit::{Ask, Bound, Refused, Verdict};
use crate::accounting::report::{Range, Sums};
use crate::edge::export::register_name;
use crate::edge::seam::{call_object, sleep};
use crate::edge::{binding, query, text};
use crate::sorted::Set;
use crate::telemetry::register::ledgers::{days_told, RollUp};

/// Alarms are not set for less than this, so that a clock that lags does not spin.
const SOONEST_MS: u64 = 1_000;

/// How long a shard's question to the first ledger is believed to be under way, and how often others look for its answer.
const LEASING_MS: u64 = 4_000;
/// How long a shard believes the first ledger's refusal without asking again.
const REFUSED_MS: u64 = 250;
const LOOK_AGAIN_MS: u32 = 5;

/// How long after a change the register is told the sums of its day.
const ROLL_UP_MS: u64 = 60_000;
/// The var that shortens it, in milliseconds. It lengthens nothing.
const ROLL_UP_VAR: &str = "SIGNALBOX_ROLL_UP_MS";

/// A principal's ledger, or a shard of it.
#[durable_object(alarm)]
pub struct Ledger {
    state: State,
    env: AssertUnwindSafe<Env>,
    /// The second in which it was called last, and how often in it.
    calls: AssertUnwindSafe<Cell<(u64, u64)>>,
    /// Until when a question to the first ledger is under way, Unix ms: there is one at a time.
    leasing_until_ms: AssertUnwindSafe<Cell<u64>>,
    /// What the first ledger has refused lately, and until when that is believed, Unix ms.
    refused: AssertUnwindSafe<RefCell<Option<(Refused, u64)>>>,
    /// When the alarm rings, Unix ms, as far as this instance knows.
    alarm_ms: AssertUnwindSafe<Cell<Option<u64>>>,
    /// When the register is to be told of what has changed, Unix ms. What an eviction forgets of it the alarm knows.
    roll_up_ms: AssertUnwindSafe<Cell<Option<u64>>>,
    /// What has been read or written lately. Nobody else writes, so it need not be read again.
    desk: AssertUnwindSafe<RefCell<Book>>,
}

impl DurableObject for Ledger {
    fn new(state: State, env: Env) -> Self {
        Self {
            state,
            env: AssertUnwindSafe(env),
            calls: AssertUnwindSafe::default(),
            leasing_until_ms: AssertUnwindSafe::default(),
            refused: AssertUnwindSafe::default(),
            alarm_ms: AssertUnwindSafe(Cell::new(None)),
            roll_up_ms: AssertUnwindSafe(Cell::new(None)),
            desk: AssertUnwindSafe::default(),
        }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let path = request.path();
        self.count_call().await;
        let answer = match (request.method(), path.as_str()) {
            (Method::Post, "/rows") => self.enter(request).await,
            (Method::Post, "/grant") => self.grant(request).await,
            (Method::Post, "/lease") => self.lease(request).await,
            (Method::Get, "/sums") => self.sums(&request),
            _ => Err(Failure { status: 404, code: "unknown_url" }),
        };
        let (status, body) = answer.unwrap_or_else(|failure| (failure.status, failure.body()));
        let response = Response::builder().with_status(status).with_header("content-type", "application/json")?;
        Ok(response.fixed(body.into_bytes()))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_ms.set(None);
        self.roll_up_ms.set(None);
        // An error makes the runtime ring again, later and later.
        self.sweep().await.map_err(|failure| worker::Error::RustError(failure.code.to_owned()))?;
        Response::empty()
    }
}

/// Why a call was not served. Says nothing of what it held.
struct Failure {
    status: u16,
    code: &'static str,
}

impl Failure {
    const STORE: Self = Self { status: 500, code: "store_failed" };
    const STORED: Self = Self { status: 500, code: "store_unreadable" };
    const BUSY: Self = Self { status: 503, code: "busy" };
    const UNREADABLE: Self = Self { status: 400, code: "invalid_message" };

    fn body(&self) -> String {
        format!(r#"{{"error":{{"code":"{}"}}}}"#, self.code)
    }
}

impl Ledger {
    async fn enter(&self, mut request: Request) -> Result<(u16, String), Failure> {
        let body = request.bytes().await.map_err(|_| Failure::UNREADABLE)?;
        let batch = Batch::parse(&body).map_err(|_| Failure::UNREADABLE)?;
        let sql = self.state.storage().sql();
        let (receipt, due_ms) = self.at_desk(&sql, |book| {
            if !book.knows(&batch.sent.by) {
                let name = batch.sent.by.clone();
                let sender = first(&sql, store::SELECT_SENDER, Some(&name))?.ok_or(Failure::STORED)?;
                store::load_sender(book, &name, &sender).map_err(|_| Failure::STORED)?;
            }
            load_sums(&sql, book, &book.places(&batch))?;
            let shards = Some(book.shards()).filter(|shards| *shards > 0);
            Ok(Receipt { shards, ..book.enter(batch, now_ms()) })
        })?;
        let roll_up_ms = self.roll_up_due();
        self.arm(&sql, Some(due_ms.map_or(roll_up_ms, |due_ms| due_ms.min(roll_up_ms)))).await?;
        serde_json::to_string(&receipt).map(|body| (200, body)).map_err(|_| Failure::STORE)
    }

    async fn grant(&self, mut request: Request) -> Result<(u16, String), Failure> {
        let body = request.bytes().await.map_err(|_| Failure::UNREADABLE)?;
        let ask: Ask = crate::json::from_slice(&body).map_err(|_| Failure::UNREADABLE)?;
        let sql = self.state.storage().sql();
        let verdict = match self.shard() {
            Some((first, own)) => self.grant_leased(&sql, &first, &own, &ask).await?,
            None => {
                let money = ask.bounds.iter().any(Bound::is_money);
                let (verdict, due_ms) = self.at_desk(&sql, |book| {
                    load_month(&sql, book, ask.opened.ts_ms, money)?;
                    Ok(book.grant(&ask, now_ms()))
                })?;
                self.arm(&sql, due_ms).await?;
                verdict
            }
        };
        serde_json::to_string(&verdict).map(|body| (200, body)).map_err(|_| Failure::STORE)
    }

    /// As a shard: grants out of what is leased, and leases more where that is too little. One question at a time is under
    /// way, so that the first ledger and this one agree on what it has.
    async fn grant_leased(&self, sql: &SqlStorage, first: &str, own: &str, ask: &Ask) -> Result<Verdict, Failure> {
        let began = now_ms();
        let mut whole = true;
        loop {
            let (verdict, due_ms) = self.at_desk(sql, |book| {
                load_month(sql, book, ask.opened.ts_ms, true)?;
                Ok(book.grant_leased(ask, whole, now_ms()))
            })?;
            if let Some(verdict) = verdict {
                self.arm(sql, due_ms).await?;
                return Ok(verdict);
            }
            let now = now_ms();
            if let Some(refused) = self.refused_lately(ask, now) {
                return Ok(Verdict::Refused(refused));
            }
            if now.saturating_sub(began) > LEASING_MS {
                return Err(Failure::BUSY);
            }
            if now < self.leasing_until_ms.get() {
                sleep(LOOK_AGAIN_MS).await;
                continue;
            }
            self.leasing_until_ms.set(now.saturating_add(LEASING_MS));
            let calls = self.calls.get().1;
            let (report, _) = self.at_desk(sql, |book| Ok(book.report(own, Some(ask), calls, now)))?;
            let answer = self.tell_first(sql, first, &report, Some(ask)).await;
            self.leasing_until_ms.set(0);
            whole = false;
            if let Lease::Refused(refused) = answer?.lease {
                self.refused.replace(Some((refused, now_ms().saturating_add(REFUSED_MS))));
            }
        }
    }

    /// The refusal that a question would meet again.
    fn refused_lately(&self, ask: &Ask, now_ms: u64) -> Option<Refused> {
        let known = self.refused.borrow();
        let (refused, until_ms) = known.as_ref()?;
        let again = now_ms < *until_ms
            && ask.bounds.contains(&refused.bound)
            && refused.bound.covers(&ask.opened.name())
            && ask.need.least_picousd >= refused.left;
        again.then(|| refused.clone())
    }

    /// As a shard: a report and what came of it.
    async fn tell_first(
        &self,
        sql: &SqlStorage,
        first: &str,
        report: &Report,
        ask: Option<&Ask>,
    ) -> Result<Answer, Failure> {
        let body = serde_json::to_string(report).map_err(|_| Failure::STORE)?;
        let ledgers = binding(&self.env, "LEDGER");
        let answer = call_object(&ledgers, first, "POST", "/lease", &body).await.filter(|(status, _)| *status == 200);
        let (_, answer) = answer.ok_or(Failure::BUSY)?;
        let answer: Answer = crate::json::from_str(&answer).map_err(|_| Failure::UNREADABLE)?;
        let ((), due_ms) = self.at_desk(sql, |book| {
            book.answered(report.number, &answer, ask, now_ms());
            Ok(())
        })?;
        self.arm(sql, due_ms).await?;
        Ok(answer)
    }

    /// As the first ledger: what a shard has, and what it gets.
    async fn lease(&self, mut request: Request) -> Result<(u16, String), Failure> {
        let body = request.bytes().await.map_err(|_| Failure::UNREADABLE)?;
        let report: Report = crate::json::from_slice(&body).map_err(|_| Failure::UNREADABLE)?;
        let sql = self.state.storage().sql();
        let (answer, _) = self.at_desk(&sql, |book| {
            let asked_ms = report.ask.as_ref().map_or_else(now_ms, |ask| ask.opened.ts_ms);
            load_month(&sql, book, asked_ms, true)?;
            let lease = book.lease(report, now_ms());
            Ok(Answer { shards: book.shards(), lease })
        })?;
        serde_json::to_string(&answer).map(|body| (200, body)).map_err(|_| Failure::STORE)
    }

    /// The first ledger's name and the own one, where this is a shard.
    fn shard(&self) -> Option<(String, String)> {
        let own = self.state.id().name()?;
        let (first, _) = own.split_once(SHARD_MARK)?;
        Some((first.to_owned(), own))
    }

    /// Notices when it is called too often for one ledger; what comes of that must not fail the call.
    async fn count_call(&self) {
        let second = now_ms() / 1_000;
        let (last, calls) = self.calls.get();
        let calls = if last == second { calls.saturating_add(1) } else { 1 };
        self.calls.set((second, calls));
        if calls != BUSY_PER_SECOND.saturating_add(1) {
            return;
        }
        let sql = self.state.storage().sql();
        match self.shard() {
            None => {
                let _ = self.at_desk(&sql, |book| {
                    book.busy(calls);
                    Ok(())
                });
            }
            Some((first, own)) => {
                let report = self.at_desk(&sql, |book| {
                    load_month(&sql, book, now_ms(), true)?;
                    Ok(book.report(&own, None, calls, now_ms()))
                });
                if let (Ok((report, _)), true) = (report, now_ms() >= self.leasing_until_ms.get()) {
                    let _ = self.tell_first(&sql, &first, &report, None).await;
                }
            }
        }
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let sql = self.state.storage().sql();
        let now = now_ms();
        self.at_desk(&sql, |book| {
            load_sums(&sql, book, &book.places_due(now))?;
            book.sweep(now);
            // A sender that is due cannot be heard again: what it might send is too old by then.
            run(&sql, store::DELETE_SENDERS, now.to_string())?;
            Ok(())
        })?;
        self.fold(&sql, &store::folds_before(now))?;
        if let Some((first, own)) = self.shard() {
            let (report, _) = self.at_desk(&sql, |book| {
                load_month(&sql, book, now, true)?;
                Ok(book.lease_due_ms().filter(|due| *due <= now).and_then(|_| book.give_back(&own, now)))
            })?;
            if let Some(report) = report {
                // If it does not arrive, the alarm that is set for the next look says it again.
                let _ = self.tell_first(&sql, &first, &report, None).await;
            }
        }
        self.roll_up(&sql, now).await?;
        self.arm(&sql, Some(0)).await
    }

    /// When the register is to be told of a change that is made now.
    fn roll_up_due(&self) -> u64 {
        if let Some(due_ms) = self.roll_up_ms.get() {
            return due_ms;
        }
        let asked: Option<u64> = text(&self.env, ROLL_UP_VAR).and_then(|ms| ms.parse().ok());
        let due_ms = now_ms().saturating_add(asked.map_or(ROLL_UP_MS, |ms| ms.min(ROLL_UP_MS)));
        self.roll_up_ms.set(Some(due_ms));
        due_ms
    }

    /// Tells the register the sums of today and yesterday, whole. If it is not reached, later.
    async fn roll_up(&self, sql: &SqlStorage, now: u64) -> Result<(), Failure> {
        let health = binding(&self.env, "HEALTH");
        let Some(name) = self.state.id().name().filter(|_| !health.is_undefined()) else { return Ok(()) };
        let rows = texts(sql, store::SELECT_RANGE, days_told(now).into())?;
        let sums: Result<Vec<_>, _> = rows.iter().map(|row| store::read_counters(row)).collect();
        let told = RollUp::of(name, sums.map_err(|_| Failure::STORED)?);
        if told.days.is_empty() {
            return Ok(());
        }
        let body = serde_json::to_string(&told).map_err(|_| Failure::STORE)?;
        let answer = call_object(&health, &register_name(0), "POST", "/register/ledger", &body).await;
        if answer.is_none_or(|(status, _)| status != 200) {
            self.roll_up_due();
        }
        Ok(())
    }

    /// Sums up what is too old to be kept by the day.
    fn fold(&self, sql: &SqlStorage, first_kept: &str) -> Result<(), Failure> {
        let old = texts(sql, store::SELECT_OLD, vec![first_kept.to_owned()])?;
        if old.is_empty() {
            return Ok(());
        }
        let old: Result<Vec<_>, _> = old.iter().map(|row| store::read_counters(row)).collect();
        let months = store::folded(old.map_err(|_| Failure::STORED)?);
        run(sql, store::DELETE_OLD, first_kept.to_owned())?;
        if let Some(rows) = store::counter_rows(months.iter()) {
            run(sql, store::UPSERT_SUMS, rows)?;
        }
        // What is in memory may be what has just been summed up.
        self.desk.take();
        Ok(())
    }

    /// Works on the books and stores what has changed, without a wait; also when the earliest of that is due. What a failure
    /// leaves in memory may not be what is stored, so nothing stays.
    fn at_desk<T>(
        &self,
        sql: &SqlStorage,
        work: impl FnOnce(&mut Book) -> Result<T, Failure>,
    ) -> Result<(T, Option<u64>), Failure> {
        let mut book = self.desk.take();
        if !book.is_open() {
            open(sql, &mut book)?;
        }
        let done = work(&mut book)?;
        write(sql, &book)?;
        let due_ms = book.next_due_ms();
        book.tidy();
        self.desk.replace(book);
        Ok((done, due_ms))
    }

    fn sums(&self, request: &Request) -> Result<(u16, String), Failure> {
        let range = Range::read(&query(request)).map_err(|_| Failure::UNREADABLE)?;
        let sql = self.state.storage().sql();
        let (first, last) = range.days();
        let (known, _) = self.at_desk(&sql, |book| Ok((book.shards(), book.under_way().collect::<Vec<_>>())))?;
        let (shards, under_way) = known;
        let mut sums = Sums::with_more(shards);
        for row in texts(&sql, store::SELECT_RANGE, vec![first.to_owned(), last.to_owned()])? {
            sums.add(store::read_counters(&row).map_err(|_| Failure::STORED)?);
        }
        under_way.into_iter().filter(|((day, ..), _)| range.holds(day)).for_each(|sum| sums.add(sum));
        Ok((200, sums.to_json()))
    }

    /// Makes the alarm ring no later than the earliest thing is due. `changed_ms` is when the earliest changed one is: an
    /// alarm before that stays, because it is early enough for all others already.
    async fn arm(&self, sql: &SqlStorage, changed_ms: Option<u64>) -> Result<(), Failure> {
        let Some(changed_ms) = changed_ms else { return Ok(()) };
        if self.alarm_ms.get().is_none() {
            // Set before an eviction: one that would be put off at each change of an object that sleeps between them.
            let set = self.state.storage().get_alarm().await.map_err(|_| Failure::STORE)?;
            self.alarm_ms.set(set.and_then(|ms| u64::try_from(ms).ok()));
        }
        if self.alarm_ms.get().is_some_and(|alarm_ms| alarm_ms <= changed_ms) {
            return Ok(());
        }
        let senders = first(sql, store::SELECT_NEXT_DUE, None)?;
        let senders: Option<u64> = senders.map(|due| due.parse()).transpose().map_err(|_| Failure::STORED)?;
        let (attempts, _) = self.at_desk(sql, |book| Ok(book.first_due_ms()))?;
        let Some(due_ms) = senders.into_iter().chain(attempts).chain(self.roll_up_ms.get()).min() else {
            return Ok(());
        };
        let now = now_ms();
        let ring_ms = due_ms.max(now.saturating_add(SOONEST_MS));
        let wait = i64::try_from(ring_ms - now).map_err(|_| Failure::STORED)?;
        self.state.storage().set_alarm(wait).await.map_err(|_| Failure::STORE)?;
        self.alarm_ms.set(Some(ring_ms));
        Ok(())
    }
}

/// Brings the tables to today's version and puts in the books what has to be there whole: once in an object's life.
fn open(sql: &SqlStorage, book: &mut Book) -> Result<(), Failure> {
    sql.exec(store::META, None).map_err(|_| Failure::STORE)?;
    let taken = first(sql, store::SELECT_VERSION, None)?.unwrap_or_else(|| "0".to_owned());
    let taken: usize = taken.parse().map_err(|_| Failure::STORED)?;
    if taken < store::MIGRATIONS.len() {
        for step in store::MIGRATIONS.iter().skip(taken) {
            sql.exec(step, None).map_err(|_| Failure::STORE)?;
        }
        run(sql, store::UPSERT_VERSION, store::MIGRATIONS.len().to_string())?;
    }
    let sheets = texts(sql, store::SELECT_SHEETS, Vec::new())?;
    let sheets: Result<Vec<_>, _> = sheets.iter().map(|row| store::read_sheet(row)).collect();
    book.open(sheets.map_err(|_| Failure::STORED)?);
    for memo in texts(sql, store::SELECT_MEMOS, Vec::new())? {
        store::load_memo(book, &memo).map_err(|_| Failure::STORED)?;
    }
    Ok(())
}

/// Puts every sum of an instant's month in the books.
fn load_month(sql: &SqlStorage, book: &mut Book, at_ms: u64, wanted: bool) -> Result<(), Failure> {
    let day = day_of(at_ms);
    let Some(month) = book.lacks_month(&day).filter(|_| wanted) else { return Ok(()) };
    for row in texts(sql, store::SELECT_MONTH, vec![month.to_owned()])? {
        let (place, counters) = store::read_counters(&row).map_err(|_| Failure::STORED)?;
        book.load_counters(place, counters);
    }
    book.has_month(month);
    Ok(())
}

/// Puts stored sums in the books.
fn load_sums(sql: &SqlStorage, book: &mut Book, places: &Set<Place>) -> Result<(), Failure> {
    if places.is_empty() {
        return Ok(());
    }
    for row in texts(sql, store::SELECT_SUMS, vec![store::places(places)])? {
        let (place, counters) = store::read_counters(&row).map_err(|_| Failure::STORED)?;
        book.load_counters(place, counters);
    }
    Ok(())
}

fn write(sql: &SqlStorage, book: &Book) -> Result<(), Failure> {
    for (statement, rows) in [
        (store::UPSERT_SHEETS, store::sheet_rows(book)),
        (store::DELETE_SHEETS, store::torn_up(book)),
        (store::UPSERT_SUMS, store::counter_rows(book.moved())),
        (store::UPSERT_SENDERS, store::sender_rows(book)),
        (store::UPSERT_MEMOS, store::memo_rows(book)),
    ] {
        if let Some(rows) = rows {
            run(sql, statement, rows)?;
        }
    }
    Ok(())
}

fn run(sql: &SqlStorage, statement: &str, parameter: String) -> Result<(), Failure> {
    sql.exec(statement, vec![SqlStorageValue::String(parameter)]).map(|_| ()).map_err(|_| Failure::STORE)
}

/// The first column of the first row, if it is text.
fn first(sql: &SqlStorage, statement: &str, parameter: Option<&str>) -> Result<Option<String>, Failure> {
    let parameters = parameter.map(|text| vec![SqlStorageValue::String(text.to_owned())]);
    let mut rows = sql.exec(statement, parameters).map_err(|_| Failure::STORE)?.raw();
    let Some(row) = rows.next() else { return Ok(None) };
    match row.map_err(|_| Failure::STORE)?.into_iter().next() {
        Some(SqlStorageValue::String(text)) => Ok(Some(text)),
        _ => Ok(None),
    }
}

/// The first column of every row, which is text.
fn texts(sql: &SqlStorage, statement: &str, parameters: Vec<String>) -> Result<Vec<String>, Failure> {
    let parameters: Vec<SqlStorageValue> = parameters.into_iter().map(SqlStorageValue::String).collect();
    let rows = sql.exec(statement, parameters).map_err(|_| Failure::STORE)?.raw();
    rows.map(|row| match row.map_err(|_| Failure::STORE)?.into_iter().next() {
        Some(SqlStorageValue::String(text)) => Ok(text),
        _ => Err(Failure::STORED),
    })
    .collect()
}

fn now_ms() -> u64 {
    Date::now().as_millis()
}
