//! The books in SQLite: statements, and their parameters and results as JSON text.
//!
//! A batch is one parameter (`json_each`), whatever its size, and a result is one text. No number crosses into JavaScript
//! as a number, because there it would be a double; sums live inside JSON bodies that only Rust adds up.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{Attempt, Book, Key, Place};
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

/// Forgets attempts by [`keys`].
pub const DELETE_ATTEMPTS: &str =
    "DELETE FROM attempts WHERE (id, attempt) IN (SELECT value->>0, value->>1 FROM json_each(?))";

/// Attempts due at a time in Unix ms (as text), the [`DUE_AT_ONCE`] longest overdue → one text for [`load_attempts`].
pub const SELECT_DUE: &str = "SELECT json_group_array(json(body)) FROM \
     (SELECT body FROM attempts WHERE due_ms <= CAST(? AS INTEGER) ORDER BY due_ms LIMIT 500)";

/// How many attempts [`SELECT_DUE`] takes: far below the 2 MB that a value may have.
pub const DUE_AT_ONCE: usize = 500;

/// When something is due next, Unix ms as text, or null.
pub const SELECT_NEXT_DUE: &str = "SELECT CAST(MIN(due_ms) AS TEXT) FROM attempts";

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
