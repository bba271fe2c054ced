//! The Durable Object `Health`. Under a provider's name it is the board on which isolates tell each other what they have seen
//! of its models: it stores nothing, what is lost with it is told anew within seconds. Under `register/N` it keeps a shard
//! of the register of requests that are over, and writes it down from time to time. Under `used/X` it remembers assertions
//! that let in once. Under `feedback` it has the sums of callers' scores.

#![allow(missing_docs)] // of what the macro adds

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;

use wasm_bindgen::JsValue;
use worker::{durable_object, DurableObject, Env, Method, Request, Response, SqlStorage, SqlStorageValue, State};

use crate::accounting::day::DAY_MS;
use crate::edge::query;
use crate::edge::seam::{call_object, now_ms};
use crate::feedback::{store, Score, Verdict, RECEIPT_MS};
use crate::health::share::Board;
use crate::telemetry::outbox::Push;
use crate::telemetry::register::ledgers::{self, RollUp};
use crate::telemetry::register::{day_name, stored, Register};
use crate::telemetry::stats::Query;

/// Objects that remember what has been used are as many as base64url has letters: each its share of the hashes.
///
/// Asks the one of a hash whether that is new; `None`: it does not answer.
pub async fn first_use(objects: &JsValue, hash: &str, until_ms: u64) -> Option<bool> {
    if objects.is_undefined() {
        return None;
    }
    let name = format!("used/{}", hash.get(..1)?);
    let body = serde_json::to_string(&(hash, until_ms)).ok()?;
    let (_, answer) = call_object(objects, &name, "POST", "/used", &body).await.filter(|(status, _)| *status == 200)?;
    crate::json::from_str(&answer).ok()
}

/// The object that has callers' scores.
const SCORES: &str = "feedback";

/// Has a score counted; `None`: the object does not answer.
pub async fn score(objects: &JsValue, score: &Score) -> Option<Verdict> {
    let body = serde_json::to_string(score).ok()?;
    let (_, answer) =
        call_object(objects, SCORES, "POST", "/scores", &body).await.filter(|(status, _)| *status == 200)?;
    crate::json::from_str(&answer).ok()
}

/// The sums of scores, for `feedback::Learned`.
pub async fn scores(objects: &JsValue) -> Option<String> {
    let answer = call_object(objects, SCORES, "GET", "/scores", "").await.filter(|(status, _)| *status == 200);
    answer.map(|(_, sums)| sums)
}

fn integer(value: u64) -> SqlStorageValue {
    SqlStorageValue::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

/// How long what is new may be in memory only: an object that is evicted has been idle for longer.
const WRITE_AFTER_MS: i64 = 5_000;

/// A board, or a shard of the register.
#[durable_object(alarm)]
pub struct Health {
    state: State,
    board: AssertUnwindSafe<RefCell<Board>>,
    register: AssertUnwindSafe<RefCell<Option<Register>>>,
    alarm_is_set: AssertUnwindSafe<Cell<bool>>,
}

impl DurableObject for Health {
    fn new(state: State, _env: Env) -> Self {
        Self {
            state,
            board: AssertUnwindSafe::default(),
            register: AssertUnwindSafe::default(),
            alarm_is_set: AssertUnwindSafe(Cell::new(false)),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        match (request.method(), request.path().as_str()) {
            (Method::Post, "/sync") => {
                let body = request.bytes().await?;
                let Ok(told) = crate::json::from_slice(&body) else { return Response::error("invalid_message", 400) };
                let answer = self.board.borrow_mut().sync(told, now_ms());
                Response::from_json(&answer)
            }
            (Method::Post, "/register") => {
                let body = request.bytes().await?;
                let Ok(push) = crate::json::from_slice::<Push>(&body) else {
                    return Response::error("invalid_message", 400);
                };
                self.at_register(|register| register.take(push))?;
                if !self.alarm_is_set.replace(true) {
                    self.state.storage().set_alarm(WRITE_AFTER_MS).await?;
                }
                Response::ok("")
            }
            (Method::Post, "/register/ledger") => {
                let body = request.bytes().await?;
                let Ok(told) = crate::json::from_slice::<RollUp>(&body) else {
                    return Response::error("invalid_message", 400);
                };
                self.tables()?.exec(ledgers::UPSERT, vec![SqlStorageValue::String(told.rows())])?;
                Response::ok("")
            }
            (Method::Get, "/register/metrics") => {
                let page = self.at_register(|register| register.metrics())?;
                Response::from_json(&page)
            }
            (Method::Get, "/register/stats") => {
                let Ok(query) = Query::read(&query(&request)) else {
                    return Response::error("invalid_query", 400);
                };
                let mut page = self.at_register(|register| register.slice(query, now_ms()))?;
                let first_day = vec![SqlStorageValue::String(query.first_day(now_ms()))];
                let rows = texts(&self.tables()?, ledgers::SELECT, Some(first_day))?;
                page.ledgers = rows.iter().filter_map(|row| crate::json::from_str(row).ok()).collect();
                Response::from_json(&page)
            }
            (Method::Post, "/used") => {
                let body = request.bytes().await?;
                let Ok((text, until_ms)) = crate::json::from_slice::<(String, u64)>(&body) else {
                    return Response::error("invalid_message", 400);
                };
                Response::from_json(&self.first_use(text, until_ms)?)
            }
            (Method::Post, "/scores") => {
                let body = request.bytes().await?;
                let Ok(score) = crate::json::from_slice::<Score>(&body) else {
                    return Response::error("invalid_message", 400);
                };
                Response::from_json(&self.count_score(score)?)
            }
            (Method::Get, "/scores") => Response::ok(self.scores()?),
            (Method::Get, "/register/saved") => Response::ok((!self.alarm_is_set.get()).to_string()),
            _ => Response::error("unknown_url", 404),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.alarm_is_set.set(false);
        let changed = self.at_register(|register| {
            register.forget(now_ms());
            register.changed()
        })?;
        let sql = self.tables()?;
        let first_day = changed.first_day(now_ms());
        for (statement, parameter) in stored::statements(&changed, first_day) {
            sql.exec(statement, vec![SqlStorageValue::String(parameter)])?;
        }
        sql.exec(ledgers::DELETE, vec![SqlStorageValue::String(day_name(first_day))])?;
        Response::empty()
    }
}

impl Health {
    /// Works on the register, which is read from storage the first time. Nothing is awaited meanwhile.
    fn at_register<T>(&self, work: impl FnOnce(&mut Register) -> T) -> worker::Result<T> {
        let mut held = self.register.borrow_mut();
        if held.is_none() {
            let sql = self.tables()?;
            let read = |statement: &str| texts(&sql, statement, None);
            *held = Some(stored::restored(
                &read(stored::SELECT_DAYS)?,
                &read(stored::SELECT_MINUTES)?,
                &read(stored::SELECT_REST)?,
            ));
        }
        Ok(work(held.get_or_insert_default()))
    }

    /// Counts a score, unless its request has been scored or its principal has given enough for today.
    fn count_score(&self, score: Score) -> worker::Result<Verdict> {
        let sql = self.state.storage().sql();
        sql.exec(store::SCHEMA, None)?;
        let text = SqlStorageValue::String;
        let now = now_ms();
        let today = || integer(now / DAY_MS);
        let giver = || vec![text(score.principal.clone()), today()];
        let full = sql.exec(store::SELECT_FULL, [giver(), vec![integer(score.most_today)]].concat())?;
        if full.raw().next().is_some() {
            return Ok(Verdict::TooMany);
        }
        if !self.first_use(score.request_id.clone(), now.saturating_add(RECEIPT_MS))? {
            return Ok(Verdict::Repeated);
        }
        sql.exec(store::FORGET_GIVERS, vec![today()])?;
        sql.exec(store::COUNT_GIVER, giver())?;
        let about = score.about;
        let counted = vec![text(about.policy), text(about.task), text(about.model), integer(score.score_micro)];
        sql.exec(store::ADD_SCORE, counted)?;
        Ok(Verdict::Taken)
    }

    fn scores(&self) -> worker::Result<String> {
        let sql = self.state.storage().sql();
        sql.exec(store::SCHEMA, None)?;
        let rows = texts(&sql, store::SELECT_SCORES, None)?;
        Ok(format!("[{}]", rows.join(",")))
    }

    /// Whether a text is new. Those that are over are forgotten on the way.
    fn first_use(&self, text: String, until_ms: u64) -> worker::Result<bool> {
        let sql = self.state.storage().sql();
        sql.exec(
            "CREATE TABLE IF NOT EXISTS used (text TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID",
            None,
        )?;
        sql.exec("DELETE FROM used WHERE until < ?", vec![integer(now_ms())])?;
        let added = sql.exec(
            "INSERT INTO used VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            vec![SqlStorageValue::String(text), integer(until_ms)],
        )?;
        let is_new = added.raw().next().is_some();
        Ok(is_new)
    }

    fn tables(&self) -> worker::Result<SqlStorage> {
        let sql = self.state.storage().sql();
        sql.exec(stored::SCHEMA, None)?;
        sql.exec(ledgers::SCHEMA, None)?;
        Ok(sql)
    }
}

/// The first column of every row; what is no text is an empty one, which nobody can read.
fn texts(sql: &SqlStorage, statement: &str, parameters: Option<Vec<SqlStorageValue>>) -> worker::Result<Vec<String>> {
    let rows = sql.exec(statement, parameters)?.raw();
    rows.map(|row| match row?.into_iter().next() {
        Some(SqlStorageValue::String(text)) => Ok(text),
        _ => Ok(String::new()),
    })
    .collect()
}
