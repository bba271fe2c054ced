//! Hours of the week, UTC, at which a provider has other prices.

use serde_json::{json, Value};

use crate::document::{Item, Object};

/// A span of the day on some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Minute of the day at which it begins.
    from: u16,
    /// Minute of the day before which it ends. Before `from`: it goes on past midnight; the same: it is the whole day.
    to: u16,
    /// A bit for each day, Monday the lowest. The day of the instant itself counts, also past midnight.
    days: u8,
}

const DAYS: [(&str, u8); 7] = [("mon", 1), ("tue", 2), ("wed", 4), ("thu", 8), ("fri", 16), ("sat", 32), ("sun", 64)];
pub(super) const DAY_NAMES: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const EVERY_DAY: u8 = 0x7f;
const DAY_MINUTES: u64 = 24 * 60;

impl Hours {
    /// Whether an instant (Unix milliseconds) lies within.
    #[must_use]
    pub fn hold(self, at_ms: u64) -> bool {
        let minutes = at_ms / 60_000;
        // The first of January 1970 was a Thursday.
        let day = (minutes / DAY_MINUTES + 3) % 7;
        let minute = minutes % DAY_MINUTES;
        let (from, to) = (u64::from(self.from), u64::from(self.to));
        let within = if from < to { from <= minute && minute < to } else { from <= minute || minute < to };
        within && self.days & (1 << day) != 0
    }

    /// The condition as OpenRouter writes it: clock times as numbers, days by their names.
    #[must_use]
    pub fn in_openrouters_words(self) -> Value {
        let clock = |minute: u16| minute / 60 * 100 + minute % 60;
        let days = DAY_NAMES.iter().enumerate().filter(|(day, _)| self.days & (1 << day) != 0).map(|(_, name)| *name);
        let mut condition = json!({ "utc_start": clock(self.from), "utc_end": clock(self.to) });
        if let Some(object) = condition.as_object_mut().filter(|_| self.days != EVERY_DAY) {
            object.insert("utc_days".to_owned(), days.collect());
        }
        condition
    }

    /// Reads `from`, `to` and `days`.
    pub(super) fn read(object: &Object<'_>) -> Option<Self> {
        let minute = |name| object.required(name).and_then(|item| minute(&item));
        let (from, to) = (minute("from"), minute("to"));
        let days = match object.member("days") {
            None => Some(EVERY_DAY),
            Some(list) => list.items().iter().map(|day| day.word(&DAYS)).try_fold(0, |days, day| Some(days | day?)),
        };
        if days == Some(0) {
            object.item().problem("days must name a day");
        }
        Some(Self { from: from?, to: to?, days: days? })
    }
}

/// `HH:MM`.
fn minute(item: &Item<'_>) -> Option<u16> {
    let part = |text: &str, most: u16| -> Option<u16> {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse().ok().filter(|n| digits && *n <= most)
    };
    let read = |text: &str| {
        let (hour, minute) = text.split_once(':')?;
        Some(part(hour, 23)? * 60 + part(minute, 59)?)
    };
    let value = item.value().as_str().and_then(read);
    if value.is_none() {
        item.problem("must be a time of day, UTC, such as \"08:30\"");
    }
    value
}
