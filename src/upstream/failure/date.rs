//! The date forms that reset and retry headers use, read into Unix milliseconds. Time zones: UTC, and numeric offsets
//! in RFC 3339.

/// RFC 9110 §5.6.7: IMF-fixdate, the RFC 850 form and asctime's.
pub(super) fn http_date(text: &str) -> Option<u64> {
    let words: Vec<&str> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words.as_slice() {
        // Sun Nov  6 08:49:37 1994
        [_, month, day, time, year] if time.contains(':') => (day, month, year, time),
        // Sun, 06 Nov 1994 08:49:37 GMT — Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, time, "GMT" | "UTC"] => (day, month, year, time),
        _ => return None,
    };
    let year = match (year.len(), year.parse::<i64>().ok()?) {
        (2, short @ 0..=69) => 2000 + short,
        (2, short) => 1900 + short,
        (_, full) => full,
    };
    let (hour, minute, seconds) = clock(time)?;
    instant(year, month_number(month)?, day.parse().ok()?, hour, minute, seconds)
}

/// RFC 3339, such as `2026-11-22T10:00:00Z` or `2026-11-22T11:00:00.5+01:00`.
pub(super) fn rfc3339(text: &str) -> Option<u64> {
    let (date, rest) = text.trim().split_once(['T', 't', ' '])?;
    let mut parts = date.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    let zone_at = rest.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = rest.split_at_checked(zone_at)?;
    let (hour, minute, seconds) = clock(time)?;
    let local = instant(year, month, day, hour, minute, seconds)?;
    let Some((sign, offset)) = zone.split_at_checked(1).filter(|(sign, _)| !sign.eq_ignore_ascii_case("z")) else {
        return Some(local);
    };
    let (hours, minutes) = offset.split_once(':')?;
    let offset_ms =
        hours.parse::<u64>().ok()?.checked_mul(60)?.checked_add(minutes.parse().ok()?)?.checked_mul(60_000)?;
    if sign == "+" {
        local.checked_sub(offset_ms)
    } else {
        local.checked_add(offset_ms)
    }
}

fn clock(text: &str) -> Option<(u64, u64, f64)> {
    let mut parts = text.splitn(3, ':');
    let time = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (time.0 < 24 && time.1 < 60 && (0.0..61.0).contains(&time.2)).then_some(time)
}

fn month_number(name: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let name = name.to_ascii_lowercase();
    MONTHS.iter().position(|month| *month == name).map(|at| at as u64 + 1)
}

/// Days by counting years from March, so that leap days come last; then milliseconds.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // seconds are checked to be in 0..61
fn instant(year: i64, month: u64, day: u64, hour: u64, minute: u64, seconds: f64) -> Option<u64> {
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = u64::try_from(if month <= 2 { year - 1 } else { year }).ok()?;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = (365 * year + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_468)?;
    let whole_minutes = (days * 24 + hour) * 60 + minute;
    Some(whole_minutes * 60_000 + (seconds * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_an_http_date_is_read() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(http_date(text), Some(784_111_777_000), "{text}");
        }
        assert_eq!(http_date("Thu, 29 Feb 2024 23:59:60 GMT"), Some(1_709_251_200_000));
        for text in
            ["", "soon", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Abc 1994 08:49:37 GMT", "1994-11-06", "x x x x x"]
        {
            assert_eq!(http_date(text), None, "{text}");
        }
    }

    #[test]
    fn rfc_3339_is_read_with_its_offset() {
        for text in ["2024-03-01T00:00:00Z", "2024-03-01T01:30:00+01:30", "2024-02-29T19:00:00.000-05:00"] {
            assert_eq!(rfc3339(text), Some(1_709_251_200_000), "{text}");
        }
        assert_eq!(rfc3339("1970-01-01T00:00:00.25Z"), Some(250));
        for text in ["2024-03-01", "2024-03-01T00:00:00", "2024-13-01T00:00:00Z", "1970-01-01T00:00:00+01:00", "T Z"] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }
}
