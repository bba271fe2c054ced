//! The Durable Object `Ledger`, one per principal: loads what a message speaks of, lets `accounting::ledger` decide, stores
//! what changed. `POST /rows` enters a batch, `GET /usage` answers with the sums, the alarm closes what is overdue.
//!
//! Between reading and writing nothing is awaited, so that a batch is one atomic commit and no other message comes between.

#![allow(missing_docs)] // of what the macro adds

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;

use worker::{durable_object, Date, DurableObject, Env, Method, Request, Response, SqlStorage, SqlStorageValue, State};

use crate::accounting::ledger::{store, Batch, Book, Key};
use crate::accounting::report;

/// Alarms are not set for less than this, so that a clock that lags does not spin.
const SOONEST_MS: u64 = 1_000;

/// A principal's ledger.
#[durable_object(alarm)]
pub struct Ledger {
    state: State,
    /// When the alarm rings, Unix ms, as far as this instance knows.
    alarm_ms: AssertUnwindSafe<Cell<Option<u64>>>,
    /// What has been read or written lately. Nobody else writes, so it need not be read again.
    desk: AssertUnwindSafe<RefCell<Book>>,
}

impl DurableObject for Ledger {
    fn new(state: State, _env: Env) -> Self {
        Self { state, alarm_ms: AssertUnwindSafe(Cell::new(None)), desk: AssertUnwindSafe::default() }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let path = request.path();
        let answer = match (request.method(), path.as_str()) {
            (Method::Post, "/rows") => self.enter(request).await,
            (Method::Get, "/usage") => self.usage(),
            _ => Err(Failure { status: 404, code: "unknown_url" }),
        };
        let (status, body) = answer.unwrap_or_else(|failure| (failure.status, failure.body()));
        let response = Response::builder().with_status(status).with_header("content-type", "application/json")?;
        Ok(response.fixed(body.into_bytes()))
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_ms.set(None);
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

    fn body(&self) -> String {
        format!(r#"{{"error":{{"code":"{}"}}}}"#, self.code)
    }
}

impl Ledger {
    async fn enter(&self, mut request: Request) -> Result<(u16, String), Failure> {
        let unreadable = Failure { status: 400, code: "invalid_batch" };
        let Ok(body) = request.bytes().await else { return Err(unreadable) };
        let Ok(batch) = Batch::parse(&body) else { return Err(unreadable) };
        let sql = self.tables()?;
        let (receipt, due_ms) = self.at_desk(|book| {
            if !book.knows(&batch.sent.by) {
                let name = batch.sent.by.clone();
                let sender = text(&sql, store::SELECT_SENDER, Some(name.clone()))?.ok_or(Failure::STORED)?;
                store::load_sender(book, &name, &sender).map_err(|_| Failure::STORED)?;
            }
            if !batch.rows.is_empty() {
                load_attempts(&sql, book, store::SELECT_ATTEMPTS, store::keys(&batch.keys()))?;
            }
            load_sums(&sql, book, &batch)?;
            let receipt = book.enter(batch, now_ms());
            write(&sql, book, &[])?;
            Ok((receipt, book.next_due_ms()))
        })?;
        if let Some(due_ms) = due_ms {
            self.arm(&sql, due_ms).await?;
        }
        serde_json::to_string(&receipt).map(|body| (200, body)).map_err(|_| Failure::STORE)
    }

    async fn sweep(&self) -> Result<(), Failure> {
        let sql = self.tables()?;
        let now = now_ms();
        self.at_desk(|book| {
            load_attempts(&sql, book, store::SELECT_DUE, now.to_string())?;
            load_sums(&sql, book, &Batch::default())?;
            let forgotten = book.sweep(now);
            write(&sql, book, &forgotten)?;
            // A sender that is due cannot be heard again: what it might send is too old by then.
            sql.exec(store::DELETE_SENDERS, vec![SqlStorageValue::String(now.to_string())])
                .map_err(|_| Failure::STORE)?;
            Ok(())
        })?;
        self.arm(&sql, 0).await
    }

    /// Works on the books without a wait. What a failure leaves on the desk may not be what is stored, so nothing stays.
    fn at_desk<T>(&self, work: impl FnOnce(&mut Book) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut book = self.desk.take();
        let done = work(&mut book)?;
        book.tidy();
        self.desk.replace(book);
        Ok(done)
    }

    fn usage(&self) -> Result<(u16, String), Failure> {
        let sql = self.tables()?;
        let mut sums = Vec::new();
        for row in sql.exec(store::SELECT_ALL_COUNTERS, None).map_err(|_| Failure::STORE)?.raw() {
            let cell = row.map_err(|_| Failure::STORE)?.into_iter().next();
            let Some(SqlStorageValue::String(text)) = cell else { return Err(Failure::STORED) };
            sums.push(store::read_counters(&text).map_err(|_| Failure::STORED)?);
        }
        // A ledger is addressed by its principal's id; one that was not still has an id of its own.
        let id = self.state.id();
        let principal = id.name().unwrap_or_else(|| id.to_string());
        Ok((200, report::usage(&principal, sums.iter().map(|(place, counters)| (place, counters)))))
    }

    /// The database with its tables. Creating them again costs nothing and saves the constructor, which cannot report.
    fn tables(&self) -> Result<SqlStorage, Failure> {
        let sql = self.state.storage().sql();
        if self.alarm_ms.get().is_none() {
            sql.exec(store::SCHEMA, None).map_err(|_| Failure::STORE)?;
        }
        Ok(sql)
    }

    /// Makes the alarm ring no later than the earliest row in the books is due. `changed_ms` is when the earliest changed
    /// one is: an alarm before that stays, because it is early enough for all others already.
    async fn arm(&self, sql: &SqlStorage, changed_ms: u64) -> Result<(), Failure> {
        if self.alarm_ms.get().is_some_and(|alarm_ms| alarm_ms <= changed_ms) {
            return Ok(());
        }
        let Some(due) = text(sql, store::SELECT_NEXT_DUE, None)? else { return Ok(()) };
        let due_ms: u64 = due.parse().map_err(|_| Failure::STORED)?;
        let now = now_ms();
        let ring_ms = due_ms.max(now.saturating_add(SOONEST_MS));
        let wait = i64::try_from(ring_ms - now).map_err(|_| Failure::STORED)?;
        self.state.storage().set_alarm(wait).await.map_err(|_| Failure::STORE)?;
        self.alarm_ms.set(Some(ring_ms));
        Ok(())
    }
}

/// Puts on the desk the attempts that a statement selects.
fn load_attempts(sql: &SqlStorage, book: &mut Book, select: &str, parameter: String) -> Result<(), Failure> {
    let attempts = text(sql, select, Some(parameter))?.ok_or(Failure::STORED)?;
    store::load_attempts(book, &attempts).map_err(|_| Failure::STORED)
}

/// Puts on the desk every sum that a batch and the attempts there are counted in, unless it is there.
fn load_sums(sql: &SqlStorage, book: &mut Book, batch: &Batch) -> Result<(), Failure> {
    let places = book.places(batch);
    if places.is_empty() {
        return Ok(());
    }
    let sums = text(sql, store::SELECT_COUNTERS, Some(store::places(&places)))?.ok_or(Failure::STORED)?;
    store::load_counters(book, &sums).map_err(|_| Failure::STORED)
}

fn write(sql: &SqlStorage, book: &Book, forgotten: &[Key]) -> Result<(), Failure> {
    let forgotten = (!forgotten.is_empty()).then(|| store::keys(forgotten));
    for (statement, rows) in [
        (store::UPSERT_ATTEMPTS, store::attempt_rows(book)),
        (store::UPSERT_COUNTERS, store::counter_rows(book)),
        (store::UPSERT_SENDERS, store::sender_rows(book)),
        (store::DELETE_ATTEMPTS, forgotten),
    ] {
        if let Some(rows) = rows {
            sql.exec(statement, vec![SqlStorageValue::String(rows)]).map_err(|_| Failure::STORE)?;
        }
    }
    Ok(())
}

/// The first column of the first row, if it is text.
fn text(sql: &SqlStorage, statement: &str, parameter: Option<String>) -> Result<Option<String>, Failure> {
    let parameters = parameter.map(|text| vec![SqlStorageValue::String(text)]);
    let mut rows = sql.exec(statement, parameters).map_err(|_| Failure::STORE)?.raw();
    let Some(row) = rows.next() else { return Ok(None) };
    match row.map_err(|_| Failure::STORE)?.into_iter().next() {
        Some(SqlStorageValue::String(text)) => Ok(Some(text)),
        _ => Ok(None),
    }
}

fn now_ms() -> u64 {
    Date::now().as_millis()
}
