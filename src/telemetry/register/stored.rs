//! The register as rows. Each row is JSON in one column, because its reader is only this module; a row that cannot be read
//! (another version wrote it) is left out: roll-ups are no books.

use serde::{Deserialize, Serialize};

use super::{Changed, Register, Rest, RowKey, Sums, DAYS, MINUTES};
use crate::accounting::day::DAY_MS;

/// Tables; creating them again changes nothing.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS days (day INTEGER, name TEXT, row TEXT NOT NULL, PRIMARY KEY (day, name)) WITHOUT ROWID;\
    CREATE TABLE IF NOT EXISTS minutes (at INTEGER PRIMARY KEY, row TEXT NOT NULL);\
    CREATE TABLE IF NOT EXISTS rest (name TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;";
/// All roll-ups of days.
pub const SELECT_DAYS: &str = "SELECT row FROM days";
/// All roll-ups of minutes.
pub const SELECT_MINUTES: &str = "SELECT row FROM minutes";
/// All else.
pub const SELECT_REST: &str = "SELECT row FROM rest";

const UPSERT_DAYS: &str =
    "INSERT INTO days (day, name, row) SELECT value->>0, value->>1, value->>2 FROM json_each(?) WHERE true \
    ON CONFLICT DO UPDATE SET row = excluded.row";
const UPSERT_MINUTES: &str = "INSERT INTO minutes (at, row) SELECT value->>0, value->>1 FROM json_each(?) WHERE true \
    ON CONFLICT DO UPDATE SET row = excluded.row";
const UPSERT_REST: &str = "INSERT INTO rest (name, row) SELECT value->>0, value->>1 FROM json_each(?) WHERE true \
    ON CONFLICT DO UPDATE SET row = excluded.row";
const DELETE_DAYS: &str = "DELETE FROM days WHERE day < CAST(? AS INTEGER)";
const DELETE_MINUTES: &str = "DELETE FROM minutes WHERE at < CAST(? AS INTEGER)";

#[derive(Serialize, Deserialize)]
struct DayRow(RowKey, Sums);

#[derive(Serialize, Deserialize)]
struct MinuteRow(u64, Sums);

/// A part of what is written down whole: rows of a database have a largest size.
#[derive(Serialize, Deserialize)]
struct Part(String, Rest);

impl Changed {
    /// The first day that is still kept.
    #[must_use]
    pub fn first_day(&self, now_ms: u64) -> u64 {
        (now_ms / DAY_MS).saturating_sub(DAYS - 1)
    }
}

/// What a keeper has to run, each with its one parameter.
#[must_use]
pub fn statements(changed: &Changed, first_day: u64) -> Vec<(&'static str, String)> {
    let days: Vec<(u64, String, String)> = changed
        .rows
        .iter()
        .map(|(key, sums)| (key.0, format!("{:?}/{}", key.1, key.2), text(&DayRow(key.clone(), sums.clone()))))
        .collect();
    let minutes: Vec<(u64, String)> =
        changed.minutes.iter().map(|(at, sums)| (*at, text(&MinuteRow(*at, sums.clone())))).collect();
    let rest: Vec<(String, String)> = changed
        .rest
        .clone()
        .parts()
        .into_iter()
        .map(|(name, rest)| (name.to_owned(), text(&Part(name.to_owned(), rest))))
        .collect();
    let json = |rows: serde_json::Result<String>| rows.unwrap_or_else(|_| "[]".to_owned());
    vec![
        (UPSERT_DAYS, json(serde_json::to_string(&days))),
        (UPSERT_MINUTES, json(serde_json::to_string(&minutes))),
        (UPSERT_REST, json(serde_json::to_string(&rest))),
        (DELETE_DAYS, first_day.to_string()),
        (
            DELETE_MINUTES,
            ((first_day + DAYS) * (DAY_MS / 60_000)).saturating_sub(MINUTES + DAY_MS / 60_000).to_string(),
        ),
    ]
}

fn text(row: &impl Serialize) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

/// A register from its rows.
#[must_use]
pub fn restored(days: &[String], minutes: &[String], rest: &[String]) -> Register {
    let days = days.iter().filter_map(|row| crate::json::from_str(row).ok()).map(|DayRow(key, sums)| (key, sums));
    let minutes =
        minutes.iter().filter_map(|row| crate::json::from_str(row).ok()).map(|MinuteRow(at, sums)| (at, sums));
    let rest = rest.iter().filter_map(|row| crate::json::from_str(row).ok());
    let whole = rest.fold(Rest::default(), |whole, Part(_, part)| whole.with(part));
    Register::restored(days.collect(), minutes.collect(), whole)
}
