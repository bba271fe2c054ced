//! The books in SQLite: statements, and their parameters and results as JSON text.
//!
//! What changes is one parameter (`json_each`), whatever its size, and a result is texts. No number crosses into JavaScript
//! as a number, because there it would be a double; sums live inside JSON bodies that only Rust adds up.
//!
//! The tables have a version ([`MIGRATIONS`]): an object that wakes up under a newer one takes the steps that it lacks.

use serde::Deserialize;

use super::{Book, Place, Sender, Sheet};
use crate::accounting::counters::Counters;
use crate::accounting::day::{day_of, DAY_MS};
use crate::accounting::limit::month_of;
use crate::sorted::{Map, Set};

/// How long sums are kept by the day: older ones are summed up on the first of their month.
pub const DAYS_KEPT: u64 = 400;

/// The table that says which version the others have; harmless when it is there.
pub const META: &str = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID";

/// How many of [`MIGRATIONS`] have been taken, as text; no row: none.
pub const SELECT_VERSION: &str = "SELECT value FROM meta WHERE key = 'schema'";

/// Notes how many have been taken.
pub const UPSERT_VERSION: &str =
    "INSERT INTO meta (key, value) VALUES ('schema', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The steps from nothing to today's tables. The first is what was there before there were versions; none is ever changed.
pub const MIGRATIONS: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS attempts (
      id TEXT NOT NULL, attempt INTEGER NOT NULL, due_ms INTEGER NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (id, attempt)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS attempts_due ON attempts (due_ms);
    CREATE TABLE IF NOT EXISTS counters (
      day TEXT NOT NULL, model TEXT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (day, model)
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS senders (
      name TEXT PRIMARY KEY, number INTEGER NOT NULL, made_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL
    ) WITHOUT ROWID;",
    // Attempts go on sheets, those that are settled are forgotten, sums tell tasks apart and hold no open attempts.
    "CREATE TABLE sheets (id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    INSERT INTO sheets (id, body)
      SELECT 'v1.' || id || '.' || attempt, json_array(json_object(
        'opened', json(body -> '$.opened'),
        'state', CASE WHEN body -> '$.end' IS NULL THEN 'open' ELSE 'expired' END,
        'ended_ms', coalesce(body ->> '$.ended_ms', 0)))
      FROM attempts WHERE body -> '$.end' IS NULL OR body ->> '$.end' = 'expired';
    CREATE TABLE sums (
      day TEXT NOT NULL, model TEXT NOT NULL, task TEXT NOT NULL, body TEXT NOT NULL,
      PRIMARY KEY (day, model, task)
    ) WITHOUT ROWID;
    INSERT INTO sums (day, model, task, body)
      SELECT day, model, '', json_set(body,
        '$.attempts', (body ->> '$.attempts') - (body ->> '$.open'),
        '$.requests', (body ->> '$.requests') - (SELECT count(*) FROM attempts AS a
          WHERE a.attempt = 1 AND a.body -> '$.end' IS NULL
          AND date((a.body ->> '$.opened.ts_ms') / 1000, 'unixepoch') = c.day
          AND (a.body ->> '$.opened.provider') || '/' || (a.body ->> '$.opened.model') = c.model),
        '$.open', 0)
      FROM counters AS c;
    DROP TABLE attempts;
    DROP TABLE counters;",
];

/// Every sheet, one text per row for [`read_sheet`].
pub const SELECT_SHEETS: &str = "SELECT json_array(id, json(body)) FROM sheets";

/// Writes [`sheet_rows`].
pub const UPSERT_SHEETS: &str = "INSERT INTO sheets (id, body) \
     SELECT value->>0, value->>1 FROM json_each(?) WHERE true \
     ON CONFLICT (id) DO UPDATE SET body = excluded.body";

/// Tears up [`torn_up`].
pub const DELETE_SHEETS: &str = "DELETE FROM sheets WHERE id IN (SELECT value FROM json_each(?))";

/// Sums by [`places`], one text per row for [`read_counters`].
pub const SELECT_SUMS: &str = "SELECT json_array(c.day, c.model, c.task, json(c.body)) FROM json_each(?) AS k \
     JOIN sums AS c ON c.day = k.value->>0 AND c.model = k.value->>1 AND c.task = k.value->>2";

/// Sums of a month (`YYYY-MM`), one text per row for [`read_counters`].
pub const SELECT_MONTH: &str = "SELECT json_array(c.day, c.model, c.task, json(c.body)) FROM (SELECT ? AS month) AS k \
     JOIN sums AS c ON c.day >= k.month AND c.day < k.month || '~'";

/// Sums from one day to another, both included, one text per row for [`read_counters`].
pub const SELECT_RANGE: &str = "SELECT json_array(day, model, task, json(body)) FROM sums \
     WHERE day >= ? AND day <= ? ORDER BY day, model, task";

/// Sums before a day ([`folds_before`]) in months of which days are kept, one text per row for [`read_counters`].
pub const SELECT_OLD: &str = "SELECT json_array(c.day, c.model, c.task, json(c.body)) FROM (SELECT ? AS first) AS k \
     JOIN sums AS c ON c.day < k.first WHERE substr(c.day, 1, 7) IN \
     (SELECT substr(day, 1, 7) FROM sums WHERE day < k.first AND substr(day, 9) <> '01')";

/// Forgets days before a day but for the firsts of months.
pub const DELETE_OLD: &str = "DELETE FROM sums WHERE day < ? AND substr(day, 9) <> '01'";

/// Writes [`counter_rows`].
pub const UPSERT_SUMS: &str = "INSERT INTO sums (day, model, task, body) \
     SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true \
     ON CONFLICT (day, model, task) DO UPDATE SET body = excluded.body";

/// A sender by name → one text for [`load_sender`].
pub const SELECT_SENDER: &str =
    "SELECT json_array(s.number, s.made_ms) FROM (SELECT ? AS name) AS k LEFT JOIN senders AS s ON s.name = k.name";

/// Writes [`sender_rows`].
pub const UPSERT_SENDERS: &str = "INSERT INTO senders (name, number, made_ms, due_ms) \
     SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true \
     ON CONFLICT (name) DO UPDATE SET number = excluded.number, made_ms = excluded.made_ms, due_ms = excluded.due_ms";

/// Forgets senders that are due at a time in Unix ms (as text).
pub const DELETE_SENDERS: &str = "DELETE FROM senders WHERE due_ms <= CAST(? AS INTEGER)";

/// When a sender is due next, Unix ms as text, or null.
pub const SELECT_NEXT_DUE: &str = "SELECT CAST(MIN(due_ms) AS TEXT) FROM senders";

/// What is lent and what was begun lately, one text per row for [`load_memo`].
pub const SELECT_MEMOS: &str = "SELECT json_array(key, json(value)) FROM meta WHERE key IN ('lent', 'rates', 'shards')";

/// Writes [`memo_rows`].
pub const UPSERT_MEMOS: &str =
    "INSERT INTO meta (key, value) SELECT value->>0, value->>1 FROM json_each(?) WHERE true \
     ON CONFLICT (key) DO UPDATE SET value = excluded.value";

/// The parameter of [`SELECT_SUMS`].
#[must_use]
pub fn places(places: &Set<Place>) -> String {
    list(places.iter())
}

/// The parameter of [`UPSERT_SHEETS`]; `None` when none was written on.
#[must_use]
pub fn sheet_rows(book: &Book) -> Option<String> {
    some(book.torn().filter_map(|(id, sheet)| Some((id, sheet?))))
}

/// The parameter of [`DELETE_SHEETS`]; `None` when none was torn up.
#[must_use]
pub fn torn_up(book: &Book) -> Option<String> {
    some(book.torn().filter(|(_, sheet)| sheet.is_none()).map(|(id, _)| id))
}

/// The parameter of [`UPSERT_SUMS`]; `None` when no sum changed.
#[must_use]
pub fn counter_rows<'c>(sums: impl Iterator<Item = (&'c Place, &'c Counters)>) -> Option<String> {
    some(sums.map(|((day, model, task), counters)| (day, model, task, counters)))
}

/// The parameter of [`UPSERT_SENDERS`]; `None` when nothing was heard.
#[must_use]
pub fn sender_rows(book: &Book) -> Option<String> {
    some(book.heard().map(|(name, s)| (name, s.number, s.made_ms, s.due_ms())))
}

/// The parameter of [`UPSERT_MEMOS`]; `None` when neither changed.
#[must_use]
pub fn memo_rows(book: &Book) -> Option<String> {
    let lent = book.lent_changed.then(|| ("lent", serde_json::to_string(&book.lent).unwrap_or_default()));
    let rates = book.rates_changed.then(|| ("rates", serde_json::to_string(&book.rates).unwrap_or_default()));
    let shards = book.shards_changed.then(|| ("shards", serde_json::to_string(&book.shards).unwrap_or_default()));
    some(lent.into_iter().chain(rates).chain(shards))
}

/// Puts a row of [`SELECT_MEMOS`] in the books.
///
/// # Errors
/// The store's: a text that is not ours.
pub fn load_memo(book: &mut Book, text: &str) -> Result<(), serde_json::Error> {
    #[derive(Deserialize)]
    struct Memo<'m>(String, #[serde(borrow)] &'m serde_json::value::RawValue);
    let Memo(key, value) = crate::json::from_str(text)?;
    match key.as_str() {
        "lent" => book.lent = crate::json::from_str(value.get())?,
        "shards" => book.shards = crate::json::from_str(value.get())?,
        _ => book.rates = crate::json::from_str(value.get())?,
    }
    Ok(())
}

/// Puts a selected sender in the books; one that is not stored has sent nothing yet.
///
/// # Errors
/// The store's: a text that is not ours.
pub fn load_sender(book: &mut Book, name: &str, text: &str) -> Result<(), serde_json::Error> {
    let (number, made_ms): (Option<u64>, Option<u64>) = crate::json::from_str(text)?;
    let sender = Sender { number: number.unwrap_or_default(), made_ms: made_ms.unwrap_or_default() };
    book.load_sender(name.to_owned(), sender);
    Ok(())
}

/// Reads one row of [`SELECT_SHEETS`].
///
/// # Errors
/// The store's: a body that is not ours.
pub fn read_sheet(text: &str) -> Result<(String, Sheet), serde_json::Error> {
    crate::json::from_str(text)
}

/// Reads one row of sums.
///
/// # Errors
/// The store's: a body that is not ours.
pub fn read_counters(text: &str) -> Result<(Place, Counters), serde_json::Error> {
    #[derive(Deserialize)]
    struct Row(String, String, String, Counters);
    crate::json::from_str(text).map(|Row(day, model, task, counters)| ((day, model, task), counters))
}

/// The first day of the month in which the oldest day stands that is kept as a day.
#[must_use]
pub fn folds_before(now_ms: u64) -> String {
    let oldest = day_of(now_ms.saturating_sub(DAYS_KEPT * DAY_MS));
    format!("{}-01", month_of(&oldest))
}

/// Sums of old days on the first of their month.
#[must_use]
pub fn folded(old: impl IntoIterator<Item = (Place, Counters)>) -> Map<Place, Counters> {
    let mut months: Map<Place, Counters> = Map::new();
    for ((day, model, task), sum) in old {
        months.entry((format!("{}-01", month_of(&day)), model, task)).or_default().add(&sum);
    }
    months
}

fn some<T: serde::Serialize>(items: impl Iterator<Item = T>) -> Option<String> {
    let items: Vec<T> = items.collect();
    (!items.is_empty()).then(|| list(items.iter()))
}

fn list<T: serde::Serialize>(items: impl Iterator<Item = T>) -> String {
    // Texts and integers only: there is nothing here that JSON cannot say.
    serde_json::to_string(&items.collect::<Vec<T>>()).unwrap_or_else(|_| "[]".to_owned())
}
