//! UTC days by arithmetic: the core has no calendar of the platform's.

/// Milliseconds in a day.
pub const DAY_MS: u64 = 86_400_000;

/// The UTC day of a Unix time in milliseconds, `YYYY-MM-DD`.
#[must_use]
pub fn day_of(unix_ms: u64) -> String {
    // Days since 0000-03-01, so that the leap day ends a year; then 400-year eras of 146,097 days
    // (Howard Hinnant, "chrono-compatible low-level date algorithms").
    let days = unix_ms / DAY_MS + 719_468;
    let (era, in_era) = (days / 146_097, days % 146_097);
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let day_of_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Whole days from a day (`YYYY-MM-DD`) to a Unix time in milliseconds; `None` for what is no day, or one to come.
#[must_use]
pub fn days_since(day: &str, unix_ms: u64) -> Option<u64> {
    let mut parts = day.splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, date) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&date) || !(1970..=9999).contains(&year) {
        return None;
    }
    // The inverse of `day_of`.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + date - 1;
    let days = era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (unix_ms / DAY_MS + 719_468).checked_sub(days)
}

/// Whether a text is a day that there is, `YYYY-MM-DD`.
#[must_use]
pub fn is_day(text: &str) -> bool {
    // Far behind the last day that can be written so.
    const FAR: u64 = 8_000_000;
    days_since(text, FAR * DAY_MS).is_some_and(|ago| day_of((FAR - ago) * DAY_MS) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_is_as_long_ago_as_it_is() {
        let now = 60_000 * DAY_MS;
        for n in 0..=60_000 {
            assert_eq!(days_since(&day_of(n * DAY_MS), now + 5), Some(60_000 - n));
        }
        for none in ["", "2026", "2026-13-01", "2026-01-00", "yesterday", "9999-01-01", "2026-01-01T00"] {
            assert_eq!(days_since(none, 0), None, "{none}");
        }
    }

    #[test]
    fn only_days_that_there_are_are_days() {
        for day in ["1970-01-01", "2024-02-29", "2026-12-31", "9999-12-31"] {
            assert!(is_day(day), "{day}");
        }
        for none in ["2026-02-29", "2026-02-30", "2026-04-31", "2026-1-1", "+026-01-01", "2026-00-10", "2026-01-32", ""]
        {
            assert!(!is_day(none), "{none}");
        }
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        for (ms, day) in [
            (0, "1970-01-01"),
            (DAY_MS - 1, "1970-01-01"),
            (DAY_MS, "1970-01-02"),
            (951_782_400_000, "2000-02-29"),
            (1_709_164_800_000, "2024-02-29"),
            (1_709_251_200_000, "2024-03-01"),
            (1_767_225_599_999, "2025-12-31"),
            (1_767_225_600_000, "2026-01-01"),
            (4_107_542_399_999, "2100-02-28"),
            (4_107_542_400_000, "2100-03-01"),
        ] {
            assert_eq!(day_of(ms), day, "{ms}");
        }
    }

    #[test]
    fn the_order_of_days_is_the_order_of_their_names() {
        let names: Vec<String> = (0..60_000).map(|n| day_of(n * DAY_MS)).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn no_time_overflows() {
        assert!(day_of(u64::MAX).ends_with(|c: char| c.is_ascii_digit()));
    }
}
