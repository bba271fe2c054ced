//! The books in SQLite: statements, and their parameters and results as JSON text.
//!
//! A batch is one parameter (`json_each`), whatever its size, and a result is one text. No number crosses into JavaScript
//! as a number, because there it would be a double; sums live inside JSON bodies that only Rust adds up.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Attempt, Book, Key, Place, Sender};
use crate::accounting::counters::Counters;

/// Creates the tables; harmless when they are there.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS attempts (
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
) WITHOUT ROWID;";

/// Attempts by [`keys`] → one text for [`load_attempts`].
pub const SELECT_ATTEMPTS: &str = "SELECT json_group_array(json(a.body)) FROM json_each(?) AS k \
     JOIN attempts AS a ON a.id = k.value->>0 AND a.attempt = k.value->>1";

/// Sums by [`places`] → one text for [`load_counters`].
pub const SELECT_COUNTERS: &str = "SELECT json_group_array(json_array(c.day, c.model, json(c.body))) \
     FROM json_each(?) AS k JOIN counters AS c ON c.day = k.value->>0 AND c.model = k.value->>1";

/// Writes [`attempt_rows`].
pub const UPSERT_ATTEMPTS: &str = "INSERT INTO attempts (id, attempt, due_ms, body) \
     SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true \
     ON CONFLICT (id, attempt) DO UPDATE SET due_ms = excluded.due_ms, body = excluded.body";

/// Writes [`counter_rows`].
pub const UPSERT_COUNTERS: &str = "INSERT INTO counters (day, model, body) \
     SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true \
     ON CONFLICT (day, model) DO UPDATE SET body = excluded.body";

/// A sender by name → one text for [`load_sender`].
pub const SELECT_SENDER: &str =
    "SELECT json_array(s.number, s.made_ms) FROM (SELECT ? AS name) AS k LEFT JOIN senders AS s ON s.name = k.name";

/// Writes [`sender_rows`].
pub const UPSERT_SENDERS: &str = "INSERT INTO senders (name, number, made_ms, due_ms) \
     SELECT value->>0, value->>1, value->>2, value->>3 FROM json_each(?) WHERE true \
     ON CONFLICT (name) DO UPDATE SET number = excluded.number, made_ms = excluded.made_ms, due_ms = excluded.due_ms";

/// Forgets senders that are due at a time in Unix ms (as text).
pub const DELETE_SENDERS: &str = "DELETE FROM senders WHERE due_ms <= CAST(? AS INTEGER)";

/// Forgets attempts by [`keys`].
pub const DELETE_ATTEMPTS: &str =
    "DELETE FROM attempts WHERE (id, attempt) IN (SELECT value->>0, value->>1 FROM json_each(?))";

/// Attempts due at a time in Unix ms (as text), the [`DUE_AT_ONCE`] longest overdue → one text for [`load_attempts`].
pub const SELECT_DUE: &str = "SELECT json_group_array(json(body)) FROM \
     (SELECT body FROM attempts WHERE due_ms <= CAST(? AS INTEGER) ORDER BY due_ms LIMIT 500)";

/// How many attempts [`SELECT_DUE`] takes: far below the 2 MB that a value may have.
pub const DUE_AT_ONCE: usize = 500;

/// When something is due next, Unix ms as text, or null.
pub const SELECT_NEXT_DUE: &str = "SELECT CAST(MIN(due_ms) AS TEXT) FROM \
     (SELECT MIN(due_ms) AS due_ms FROM attempts UNION ALL SELECT MIN(due_ms) FROM senders)";

/// Every sum, one text per row for [`read_counters`].
pub const SELECT_ALL_COUNTERS: &str = "SELECT json_array(day, model, json(body)) FROM counters ORDER BY day, model";

/// The parameter of [`SELECT_ATTEMPTS`] and [`DELETE_ATTEMPTS`].
#[must_use]
pub fn keys<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    list(keys.into_iter())
}

/// The parameter of [`SELECT_COUNTERS`].
#[must_use]
pub fn places(places: &BTreeSet<Place>) -> String {
    list(places.iter())
}

/// The parameter of [`UPSERT_ATTEMPTS`]; `None` when no attempt changed.
#[must_use]
pub fn attempt_rows(book: &Book) -> Option<String> {
    let rows: Vec<_> = book.changes().0.map(|((id, n), attempt)| (id, n, attempt.due_ms(), attempt)).collect();
    (!rows.is_empty()).then(|| list(rows.iter()))
}

/// The parameter of [`UPSERT_COUNTERS`]; `None` when no sum changed.
#[must_use]
pub fn counter_rows(book: &Book) -> Option<String> {
    let rows: Vec<_> = book.changes().1.map(|((day, model), counters)| (day, model, counters)).collect();
    (!rows.is_empty()).then(|| list(rows.iter()))
}

/// The parameter of [`UPSERT_SENDERS`]; `None` when nothing was heard.
#[must_use]
pub fn sender_rows(book: &Book) -> Option<String> {
    let rows: Vec<_> = book.heard().map(|(name, s)| (name, s.number, s.made_ms, s.due_ms())).collect();
    (!rows.is_empty()).then(|| list(rows.iter()))
}

/// Puts a selected sender on the desk; one that is not stored has sent nothing yet.
///
/// # Errors
/// The store's: a text that is not ours.
pub fn load_sender(book: &mut Book, name: &str, text: &str) -> Result<(), serde_json::Error> {
    let (number, made_ms): (Option<u64>, Option<u64>) = serde_json::from_str(text)?;
    let sender = Sender { number: number.unwrap_or_default(), made_ms: made_ms.unwrap_or_default() };
    book.load_sender(name.to_owned(), sender);
    Ok(())
}

/// Puts selected attempts on the desk.
///
/// # Errors
/// The store's: a body that is not ours.
pub fn load_attempts(book: &mut Book, text: &str) -> Result<(), serde_json::Error> {
    let attempts: Vec<Attempt> = serde_json::from_str(text)?;
    attempts.into_iter().for_each(|attempt| book.load_attempt(attempt));
    Ok(())
}

/// Puts selected sums on the desk.
///
/// # Errors
/// The store's: a body that is not ours.
pub fn load_counters(book: &mut Book, text: &str) -> Result<(), serde_json::Error> {
    let rows: Vec<CounterRow> = serde_json::from_str(text)?;
    rows.into_iter().for_each(|CounterRow(day, model, counters)| book.load_counters((day, model), counters));
    Ok(())
}

/// Reads one row of [`SELECT_ALL_COUNTERS`].
///
/// # Errors
/// The store's: a body that is not ours.
pub fn read_counters(text: &str) -> Result<(Place, Counters), serde_json::Error> {
    serde_json::from_str(text).map(|CounterRow(day, model, counters)| ((day, model), counters))
}

#[derive(Deserialize)]
struct CounterRow(String, String, Counters);

fn list<T: serde::Serialize>(items: impl Iterator<Item = T>) -> String {
    // Texts and integers only: there is nothing here that JSON cannot say.
    serde_json::to_string(&items.collect::<Vec<T>>()).unwrap_or_else(|_| "[]".to_owned())
}
