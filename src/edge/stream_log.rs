//! The Durable Object `StreamLog`, one per kept answer: carries a request out and stores what comes, lets `resume` decide
//! what that means for whom. `POST /run` begins or joins, `/read` and `/cancel` are later visits, the alarm erases.
//!
//! Only the Worker comes here, with callers it has verified. What goes out has been stored: the platform holds it back
//! until its commit is through.

#![allow(missing_docs)] // of what the macro adds

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::channel::oneshot;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use worker::{
    durable_object, Context, DurableObject, Env, Request, Response, SqlStorage, SqlStorageValue, State, Storage,
};

use crate::edge::platform::{Bindings, EdgePlatform, WORDS};
use crate::edge::seam::{flat, now_ms, settled, sleep, Outlet};
use crate::edge::{state, task};
use crate::http::ResponseHead;
use crate::pipeline;
use crate::ports::{Interrupt, Kept};
use crate::resume::errand::{Run, Visit};
use crate::resume::reader::Reader;
use crate::resume::record::{Plan, Record, Stage};
use crate::resume::rows::{Due, Row};
use crate::resume::Log;

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS record (one INTEGER PRIMARY KEY, json TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS rows (at INTEGER PRIMARY KEY, first INTEGER NOT NULL, reach INTEGER NOT NULL,
        last INTEGER NOT NULL, bytes BLOB NOT NULL);
    DELETE FROM rows";
const HAS_RECORD: &str = "SELECT name FROM sqlite_master WHERE name = 'record'";
const SELECT_RECORD: &str = "SELECT json FROM record";
const UPSERT_RECORD: &str = "INSERT OR REPLACE INTO record VALUES (1, ?)";
const INSERT_ROW: &str = "INSERT INTO rows (first, reach, last, bytes) VALUES (?, ?, ?, ?)";
const SELECT_LAST: &str = "SELECT MAX(last) FROM rows";
const SELECT_LAST_BYTES: &str = "SELECT bytes FROM rows ORDER BY at DESC LIMIT 1";
const SELECT_LAST_ROW: &str = "SELECT MAX(at) FROM rows";
/// A reader's next rows: behind the one it has read, and of use behind its cursor. At most some megabytes at once.
const SELECT_ROWS: &str = "SELECT at, first, last, bytes FROM rows WHERE at > ? AND reach > ? ORDER BY at LIMIT 4";

/// A kept answer.
#[durable_object(alarm)]
pub struct StreamLog {
    state: State,
    env: Env,
    /// The answer, once it has been asked for.
    current: AssertUnwindSafe<RefCell<Option<Rc<Keeper>>>>,
}

impl DurableObject for StreamLog {
    fn new(state: State, env: Env) -> Self {
        Self { state, env, current: AssertUnwindSafe(RefCell::new(None)) }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let sent = request.bytes().await?;
        match request.path().as_str() {
            "/run" => self.run(&sent).await,
            "/read" => self.read(&sent),
            "/cancel" => self.cancel(&sent).await,
            _ => Response::error("unknown errand", 404),
        }
    }

    async fn alarm(&self) -> worker::Result<Response> {
        if let Some(keeper) = self.keeper()?.filter(|keeper| !keeper.may_be_erased()) {
            keeper.arm().await?;
            return Response::empty();
        }
        self.erase().await?;
        Response::empty()
    }
}

impl StreamLog {
    async fn run(&self, sent: &[u8]) -> worker::Result<Response> {
        let Some((run, body)) = Run::parse(sent) else { return Response::error("unreadable errand", 400) };
        let found = self.keeper()?;
        let plan = found.as_ref().map_or(Plan::Begin, |keeper| keeper.log.borrow().record().plan(&run));
        let (keeper, kept) = match (plan, found) {
            (Plan::Refuse, _) => return Ok(word(Kept::Differs)),
            (Plan::Join, Some(keeper)) => (keeper, Kept::Found),
            (_, earlier) => {
                // Whoever still reads an answer that is replaced has got its end, or gets one now.
                earlier.inspect(|earlier| earlier.give_up());
                (self.begin(run, body)?, Kept::Began)
            }
        };
        if kept == Kept::Began {
            keeper.arm().await?;
        }
        keeper.answered().await;
        keeper.respond(kept, 0)
    }

    fn read(&self, sent: &[u8]) -> worker::Result<Response> {
        let Some((visit, keeper)) = self.visited(sent)? else { return Ok(word(Kept::Unknown)) };
        if visit.after > last(&keeper.sql)? {
            return Ok(word(Kept::Ahead));
        }
        keeper.respond(Kept::Found, visit.after)
    }

    async fn cancel(&self, sent: &[u8]) -> worker::Result<Response> {
        let Some((_, keeper)) = self.visited(sent)? else { return Ok(word(Kept::Unknown)) };
        keeper.give_up();
        self.erase().await?;
        Ok(word(Kept::Cancelled))
    }

    /// The stream that is visited, if it is the visitor's.
    fn visited(&self, sent: &[u8]) -> worker::Result<Option<(Visit, Rc<Keeper>)>> {
        let Ok(visit) = crate::json::from_slice::<Visit>(sent) else { return Ok(None) };
        let keeper = self.keeper()?.filter(|k| k.log.borrow().record().is_stream_of(&visit.principal));
        Ok(keeper.map(|keeper| (visit, keeper)))
    }

    /// The answer that there is: in memory, or as an earlier instance has left it.
    fn keeper(&self) -> worker::Result<Option<Rc<Keeper>>> {
        if self.current.borrow().is_none() {
            *self.current.borrow_mut() = Keeper::left_behind(self.state.storage())?;
        }
        Ok(self.current.borrow().clone())
    }

    /// Begins to carry a request out, as a task of its own: nobody who comes or goes changes it.
    fn begin(&self, run: Run, body: Vec<u8>) -> worker::Result<Rc<Keeper>> {
        let keeper = Keeper::begin(self.state.storage(), Record::of(&run))?;
        *self.current.borrow_mut() = Some(keeper.clone());
        let state: &JsValue = self.state.as_raw().as_ref();
        let ctx = Rc::new(Context::new(state.clone().unchecked_into()));
        let (name, env) = (task::name(), self.env.clone());
        let platform = EdgePlatform::keeping(ctx, name, Bindings::of(&env), keeper.clone(), body);
        *keeper.leave.borrow_mut() = Some(Box::new(platform.leaver()));
        let writer = keeper.clone();
        task::begin(name, platform.step(), async move {
            let gateway = state::gateway(&env, &platform.context(), Some(&run.version)).await;
            let known = gateway.as_ref().ok().map(Rc::clone);
            known.iter().for_each(|gateway| platform.serves_under(gateway));
            let answered = pipeline::handle_kept(&platform, gateway, run).await;
            known.iter().for_each(|gateway| platform.tell(gateway));
            writer.end(!answered).await;
            platform.finish();
        });
        Ok(keeper)
    }

    async fn erase(&self) -> worker::Result<()> {
        if let Some(keeper) = self.current.take() {
            keeper.give_up();
        }
        self.state.storage().delete_all().await
    }
}

/// One answer, with those who read it.
pub struct Keeper {
    storage: Storage,
    sql: SqlStorage,
    log: RefCell<Log>,
    /// Nothing more is stored, and what was is gone or about to be.
    given_up: Cell<bool>,
    /// The last row, once there will be no other.
    ended_at: Cell<Option<u64>>,
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// Stops the exchange that writes.
    leave: RefCell<Option<Box<dyn Fn()>>>,
}

impl Keeper {
    fn new(storage: Storage, record: Record) -> Rc<Self> {
        Rc::new(Self {
            sql: storage.sql(),
            storage,
            log: RefCell::new(Log::new(record)),
            given_up: Cell::new(false),
            ended_at: Cell::new(None),
            waiting: RefCell::default(),
            leave: RefCell::default(),
        })
    }

    fn begin(storage: Storage, record: Record) -> worker::Result<Rc<Self>> {
        let keeper = Self::new(storage, record);
        keeper.sql.exec(SCHEMA, None)?;
        store_record(&keeper.sql, keeper.log.borrow().record())?;
        Ok(keeper)
    }

    /// What an instance that is no more has stored. Where it was still writing, the answer ends here.
    fn left_behind(storage: Storage) -> worker::Result<Option<Rc<Self>>> {
        let sql = storage.sql();
        if cells(&sql, HAS_RECORD, vec![])?.is_none() {
            return Ok(None);
        }
        let Some(SqlStorageValue::String(json)) = cells(&sql, SELECT_RECORD, vec![])?.and_then(first) else {
            return Ok(None);
        };
        let mut record: Record = crate::json::from_str(&json)?;
        if record.stage == Stage::Running {
            let row = match cells(&sql, SELECT_LAST_BYTES, vec![])?.and_then(first) {
                Some(SqlStorageValue::Blob(bytes)) => bytes,
                _ => Vec::new(),
            };
            let rows = record.interrupted(last(&sql)?, &row);
            store_rows(&sql, rows)?;
            store_record(&sql, &record)?;
        }
        Ok(Some(Self::new(storage, record)))
    }

    /// The answer, whole.
    pub fn reply(&self, head: ResponseHead, body: &[u8]) {
        self.log.borrow_mut().whole(head, body);
        self.close();
    }

    /// The beginning of a stream.
    pub fn open(&self, head: ResponseHead) {
        self.log.borrow_mut().open(head);
        self.store(true);
    }

    /// More of it. It is stored within `resume::rows::GATHER_MS`.
    ///
    /// # Errors
    /// It is not wanted any more, or too much.
    pub fn append(self: &Rc<Self>, events: &[u8]) -> Result<(), Interrupt> {
        if self.given_up.get() || self.log.borrow_mut().append(events).is_err() {
            return Err(Interrupt::ClientGone);
        }
        let due = self.log.borrow_mut().due(now_ms());
        match due {
            Due::Now => self.store(false),
            Due::Known => {}
            Due::In(ms) => {
                let keeper = self.clone();
                spawn_local(async move {
                    sleep(u32::try_from(ms).unwrap_or(u32::MAX)).await;
                    keeper.store(false);
                });
            }
        }
        Ok(())
    }

    /// The last of it has come. What its exchange still does is nothing to readers, and an instance that ends meanwhile leaves
    /// an answer that is whole.
    pub fn close(&self) {
        self.seal(false);
    }

    fn seal(&self, failed: bool) {
        self.log.borrow_mut().end(failed);
        self.store(true);
        if !self.given_up.get() {
            self.ended_at.set(count_of(&self.sql, SELECT_LAST_ROW).ok());
        }
    }

    async fn end(&self, failed: bool) {
        self.seal(failed);
        self.leave.take();
        if !self.given_up.get() {
            // The alarm that was set at the beginning rings all the same, if this one cannot be.
            let _ = self.arm().await;
        }
    }

    /// Stores what has gathered, and the record with it where that has changed.
    fn store(&self, record: bool) {
        let rows = self.log.borrow_mut().take(now_ms());
        if !self.given_up.get() {
            let log = self.log.borrow();
            let stored = store_rows(&self.sql, rows).and_then(|()| {
                if record {
                    store_record(&self.sql, log.record())
                } else {
                    Ok(())
                }
            });
            if stored.is_err() {
                // What is not stored is not sent: readers get their end, the provider is stopped with the next piece.
                self.given_up.set(true);
            }
        }
        self.wake();
    }

    /// Nobody gets anything more of it.
    fn give_up(&self) {
        self.given_up.set(true);
        if let Some(leave) = self.leave.take() {
            leave();
        }
        self.wake();
    }

    fn wake(&self) {
        for waiting in self.waiting.take() {
            let _ = waiting.send(());
        }
    }

    async fn changed(&self) {
        let (wake, woken) = oneshot::channel();
        self.waiting.borrow_mut().push(wake);
        let _ = woken.await;
    }

    fn is_over(&self) -> bool {
        self.given_up.get() || self.log.borrow().record().stage != Stage::Running
    }

    /// Waits for the status line.
    async fn answered(&self) {
        while self.log.borrow().record().head.is_none() && !self.is_over() {
            self.changed().await;
        }
    }

    fn may_be_erased(&self) -> bool {
        self.is_over() && self.leave.borrow().is_none()
    }

    /// Has the alarm ring once the answer has been kept for its time.
    async fn arm(&self) -> worker::Result<()> {
        let keep_ms = self.log.borrow().record().keep_ms;
        self.storage.set_alarm(i64::try_from(keep_ms).unwrap_or(i64::MAX)).await
    }

    /// An answer to one reader, which goes on beside it.
    fn respond(self: &Rc<Self>, kept: Kept, after: u64) -> worker::Result<Response> {
        let log = self.log.borrow();
        let record = log.record();
        let Some((status, headers)) = &record.head else { return Response::error("no answer came", 500) };
        let own = ("x-signalbox-kept", name(kept));
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain([own]);
        let outlet = Outlet::new(*status, &flat(headers), false);
        let response = outlet.response();
        spawn_local(self.clone().serve(outlet, Reader::new(record, after)));
        Ok(response.into())
    }

    async fn serve(self: Rc<Self>, outlet: Outlet, mut reader: Reader) {
        loop {
            // Before the rows are read, because an end that comes later brings rows of its own.
            let over = self.is_over();
            let at = reader.at;
            let read = if self.given_up.get() { None } else { self.rows_for(&mut reader).ok() };
            let failed = read.is_none();
            let mut rest = read.unwrap_or_default();
            // Rows of comments are nothing to a reader of an array, and not the end.
            let no_rows = reader.at == at;
            // Whoever has all of it has its end too.
            let whole = self.ended_at.get().is_some_and(|last| last <= reader.at);
            if failed || (over && no_rows) {
                if failed && !whole {
                    rest.extend(
                        reader.event(&self.log.borrow().record().cut("The stream has been given up.", reader.next)),
                    );
                }
                rest.extend(reader.end());
                if !rest.is_empty() {
                    let _ = settled(outlet.write(&rest)).await;
                }
                return outlet.close();
            }
            if no_rows {
                self.changed().await;
            } else if !rest.is_empty() && settled(outlet.write(&rest)).await.is_err() {
                return;
            }
        }
    }

    fn rows_for(&self, reader: &mut Reader) -> worker::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        for row in self.sql.exec(SELECT_ROWS, vec![number(reader.at)?, number(reader.after)?])?.raw() {
            let mut row = row?.into_iter();
            let mut numbers = || count(row.next());
            let (at, first, last, blob) = (numbers(), numbers(), numbers(), row.next());
            if let (Some(at), Some(first), Some(last), Some(SqlStorageValue::Blob(blob))) = (at, first, last, blob) {
                bytes.extend_from_slice(&reader.take(at, first, last, &blob));
            }
        }
        Ok(bytes)
    }
}

fn word(kept: Kept) -> Response {
    let status = if kept == Kept::Cancelled { 204 } else { 404 };
    Outlet::new(status, &flat([("x-signalbox-kept", name(kept))].into_iter()), true).response().into()
}

fn name(kept: Kept) -> &'static str {
    WORDS.into_iter().find(|(known, _)| *known == kept).map_or("", |(_, word)| word)
}

fn store_record(sql: &SqlStorage, record: &Record) -> worker::Result<()> {
    let json = serde_json::to_string(record)?;
    sql.exec(UPSERT_RECORD, vec![SqlStorageValue::String(json)]).map(|_| ())
}

fn store_rows(sql: &SqlStorage, rows: Vec<Row>) -> worker::Result<()> {
    for Row { first, reach, last, bytes } in rows {
        let values = vec![number(first)?, number(reach)?, number(last)?, SqlStorageValue::Blob(bytes)];
        sql.exec(INSERT_ROW, values)?;
    }
    Ok(())
}

/// Number of the last event that is stored.
fn last(sql: &SqlStorage) -> worker::Result<u64> {
    count_of(sql, SELECT_LAST)
}

/// A number that a statement finds; 0 where there is nothing yet.
fn count_of(sql: &SqlStorage, statement: &str) -> worker::Result<u64> {
    Ok(count(cells(sql, statement, vec![])?.and_then(first)).unwrap_or(0))
}

/// The first row that a statement finds.
fn cells(
    sql: &SqlStorage,
    statement: &str,
    values: Vec<SqlStorageValue>,
) -> worker::Result<Option<Vec<SqlStorageValue>>> {
    sql.exec(statement, values)?.raw().next().transpose()
}

fn first(cells: Vec<SqlStorageValue>) -> Option<SqlStorageValue> {
    cells.into_iter().next()
}

fn number(value: u64) -> worker::Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(i64::try_from(value).unwrap_or(i64::MAX))
}

/// SQL's integers come as numbers of either kind.
fn count(cell: Option<SqlStorageValue>) -> Option<u64> {
    match cell? {
        SqlStorageValue::Integer(n) => u64::try_from(n).ok(),
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        SqlStorageValue::Float(n) if n >= 0.0 => Some(n as u64),
        _ => None,
    }
}
