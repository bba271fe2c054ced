//! What ledgers tell the register of their principals: the sums of a day, whole each time, so that telling them again changes
//! nothing and one that was lost is made good by the next. They are the books' own figures: what an isolate that died had not
//! told as records is in them all the same. They are kept as rows alone, because a register's memory has no room for all
//! principals.

use serde::{Deserialize, Serialize};

use crate::accounting::counters::Counters;
use crate::accounting::day::{day_of, DAY_MS};
use crate::accounting::ledger::shard::SHARD_MARK;
use crate::accounting::ledger::Place;
use crate::sorted::Map;

/// The table; creating it again changes nothing.
pub const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS ledgers (day TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (day, name)) WITHOUT ROWID";
/// Enters what [`RollUp::rows`] gives.
pub const UPSERT: &str =
    "INSERT INTO ledgers (day, name, body) SELECT value->>0, value->>1, value->2 FROM json_each(?) WHERE true \
    ON CONFLICT DO UPDATE SET body = excluded.body";
/// Rows for [`Row`] since a day, the newest first; so many that an answer stays one that can be sent.
pub const SELECT: &str =
    "SELECT json_array(day, name, json(body)) FROM ledgers WHERE day >= ? ORDER BY day DESC, name LIMIT 5000";
/// Forgets what is before a day.
pub const DELETE: &str = "DELETE FROM ledgers WHERE day < ?";

/// A ledger's message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RollUp {
    /// The ledger's name: the principal, or a shard of it.
    pub ledger: String,
    /// Sums by day.
    pub days: Map<String, Counters>,
}

/// A ledger's day, as the register has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row(pub String, pub String, pub Counters);

impl RollUp {
    /// Of a ledger's sums.
    #[must_use]
    pub fn of(ledger: String, sums: impl IntoIterator<Item = (Place, Counters)>) -> Self {
        let mut days: Map<String, Counters> = Map::new();
        for ((day, ..), counters) in sums {
            days.entry(day).or_default().add(&counters);
        }
        Self { ledger, days }
    }

    /// The parameter of [`UPSERT`].
    #[must_use]
    pub fn rows(&self) -> String {
        let rows: Vec<_> = self.days.iter().map(|(day, counters)| (day, &self.ledger, counters)).collect();
        serde_json::to_string(&rows).unwrap_or_else(|_| "[]".to_owned())
    }
}

/// The first and the last day that a message tells of: what settles late counts on the day on which it began.
#[must_use]
pub fn days_told(now_ms: u64) -> [String; 2] {
    [day_of(now_ms.saturating_sub(DAY_MS)), day_of(now_ms)]
}

/// The days of each principal, shards of a ledger as one.
#[must_use]
pub fn by_principal(rows: &[Row]) -> Map<&str, Map<&str, Counters>> {
    let mut principals: Map<&str, Map<&str, Counters>> = Map::new();
    for Row(day, ledger, counters) in rows {
        let principal = ledger.split_once(SHARD_MARK).map_or(ledger.as_str(), |(principal, _)| principal);
        principals.entry(principal).or_default().entry(day).or_default().add(counters);
    }
    principals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(attempts: u64) -> Counters {
        Counters { attempts, exact_attempts: attempts, ..Counters::default() }
    }

    fn place(day: &str, model: &str) -> Place {
        (day.to_owned(), model.to_owned(), "qa".to_owned())
    }

    #[test]
    fn a_ledger_tells_the_sums_of_its_days_whole() {
        let sums = [
            (place("2026-11-26", "a/x"), counters(2)),
            (place("2026-11-27", "a/x"), counters(3)),
            (place("2026-11-27", "b/y"), counters(4)),
        ];
        let told = RollUp::of("p".into(), sums);
        let attempts: Vec<_> = told.days.iter().map(|(day, sums)| (day.as_str(), sums.attempts)).collect();
        assert_eq!(attempts, [("2026-11-26", 2), ("2026-11-27", 7)]);
        let rows: Vec<Row> = serde_json::from_str(&told.rows()).unwrap();
        assert_eq!(rows.last(), Some(&Row("2026-11-27".into(), "p".into(), counters(7))));
        let read: RollUp = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
        assert_eq!(read, told);
    }

    #[test]
    fn shards_of_a_ledger_are_one_principal() {
        let row = |ledger: &str, attempts| Row("2026-11-27".into(), ledger.into(), counters(attempts));
        let rows = [row("p", 1), row("p~1", 2), row("q", 4)];
        let told = by_principal(&rows);
        let attempts: Vec<_> = told.iter().map(|(name, days)| (*name, days["2026-11-27"].attempts)).collect();
        assert_eq!(attempts, [("p", 3), ("q", 4)]);
    }

    #[test]
    fn a_message_tells_of_yesterday_too() {
        assert_eq!(days_told(DAY_MS + 5), ["1970-01-01", "1970-01-02"]);
    }
}
