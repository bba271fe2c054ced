//! When a provider says that a retry can succeed. All results are milliseconds from now; an instant in the past is 0.
//!
//! Order (`wire.md` §4): `retry-after-ms`, `retry-after`, the body, and only for rate limits the reset headers of those
//! limits that are used up, or of which nobody says whether they are.

use serde_json::Value;

use super::date;
use super::evidence::tree;
use crate::http::Headers;

/// `retry-after-ms`, then `retry-after` in seconds (fractions too) or as a date; also as a text with units, which is nobody's
/// standard. A header that came twice is read once.
pub(super) fn from_headers(headers: &Headers, now_ms: u64) -> Option<u64> {
    let milliseconds = headers.value("retry-after-ms").and_then(|v| millis(v.trim().parse().ok()?, 1.0));
    milliseconds.or_else(|| {
        let text = headers.value("retry-after")?.trim();
        let seconds = |text: &str| text.trim().parse().ok().and_then(|seconds| millis(seconds, 1000.0));
        let date = || date::http_date(text).or_else(|| date::rfc3339(text)).map(|at| at.saturating_sub(now_ms));
        seconds(text).or_else(date).or_else(|| duration(text)).or_else(|| seconds(text.split(',').next()?))
    })
}

/// The longest reset among the limits that have nothing remaining: `x-ratelimit-{remaining,reset}-requests` and its
/// like, and Anthropic's `anthropic-ratelimit-requests-{remaining,reset}`. Where there is none, the shortest of those that come
/// without their `remaining`: coming back too early costs one call, too late a caller's patience.
pub(super) fn from_rate_headers(headers: &Headers, now_ms: u64) -> Option<u64> {
    let used_up = headers.iter().filter(|(name, value)| {
        name.contains("ratelimit") && name.contains("remaining") && value.trim().parse::<f64>().is_ok_and(|v| v <= 0.0)
    });
    let longest =
        used_up.filter_map(|(name, _)| reset(headers.value(&name.replace("remaining", "reset"))?, now_ms)).max();
    let alone = headers.iter().filter(|(name, _)| {
        let limit = name.contains("ratelimit") && name.contains("reset");
        limit && headers.value(&name.replace("reset", "remaining")).is_none()
    });
    longest.or_else(|| alone.filter_map(|(_, value)| reset(value, now_ms)).min())
}

/// The same of a limit that a relay quotes: OpenRouter's `metadata.headers`. `error` is the error object's text.
pub(super) fn from_quoted_headers(error: &str, now_ms: u64) -> Option<u64> {
    let error: Value = tree(error)?;
    let quoted = error.pointer("/metadata/headers")?.as_object()?;
    let headers: Headers = quoted.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect();
    from_rate_headers(&headers, now_ms)
}

/// `RetryInfo.retryDelay` (Gemini), `retry_after` members, then the message's own words.
pub(super) fn from_body(error: &Value, message: &str) -> Option<u64> {
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let delay = details.filter_map(|detail| retry_delay(detail.get("retryDelay")?)).max();
    delay.or_else(|| member_seconds(error)).or_else(|| from_text(message))
}

/// `"34.4s"`, or protobuf's `{"seconds": 34, "nanos": 400000000}`.
fn retry_delay(delay: &Value) -> Option<u64> {
    match delay {
        Value::String(text) => duration(text),
        Value::Object(parts) => {
            let part = |name| parts.get(name).and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok()));
            millis(part("seconds").unwrap_or(0.0) + part("nanos").unwrap_or(0.0) / 1e9, 1000.0)
        }
        _ => None,
    }
}

/// `retry_after_ms`, then `retry_after` and its spellings in seconds, beside the message or in its metadata.
fn member_seconds(error: &Value) -> Option<u64> {
    const MEMBERS: [(&str, f64); 6] = [
        ("retry_after_ms", 1.0),
        ("retryAfterMs", 1.0),
        ("retry_after", 1e3),
        ("retry_after_seconds", 1e3),
        ("retryAfter", 1e3),
        ("retryAfterSeconds", 1e3),
    ];
    [Some(error), error.get("metadata")].into_iter().flatten().find_map(|place| {
        MEMBERS.iter().find_map(|(name, factor)| {
            let value = place.get(name)?;
            let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
            number.map_or_else(|| duration(value.as_str()?), |number| millis(number, *factor))
        })
    })
}

/// "Please try again in 6m0.5s", "Please retry after 20 seconds.": what providers write for people, as last resort.
fn from_text(message: &str) -> Option<u64> {
    let message = message.to_ascii_lowercase();
    let after = ["try again in ", "try again after ", "retry in ", "retry after ", "please wait ", "available in "];
    after.iter().find_map(|phrase| {
        let rest = message.split_once(phrase)?.1;
        duration(rest.strip_prefix("about ").or_else(|| rest.strip_prefix("approximately ")).unwrap_or(rest))
    })
}

/// A reset header: a duration text (`1s`, `6m0s`, `120ms`), an RFC 3339 instant, seconds, or a Unix instant in seconds
/// or milliseconds, told apart by size.
fn reset(text: &str, now_ms: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return match number {
            n if n >= 1e12 => Some(millis(n, 1.0)?.saturating_sub(now_ms)),
            n if n >= 1e9 => Some(millis(n, 1000.0)?.saturating_sub(now_ms)),
            n => millis(n, 1000.0),
        };
    }
    date::rfc3339(text).map(|at| at.saturating_sub(now_ms)).or_else(|| duration(text))
}

/// Reads numbers with units from the start of a text until something else comes; `None` when there is not even one.
fn duration(text: &str) -> Option<u64> {
    let mut rest = text.trim_start();
    let mut total = None;
    loop {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at_checked(number_end)?;
        let spaced = tail.trim_start_matches([' ', '-']);
        let unit_end = spaced.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(spaced.len());
        let (unit, tail) = spaced.split_at_checked(unit_end)?;
        let factor = match unit {
            "ms" | "millisecond" | "milliseconds" => 1.0,
            "s" | "sec" | "secs" | "second" | "seconds" => 1e3,
            "m" | "min" | "mins" | "minute" | "minutes" => 6e4,
            "h" | "hour" | "hours" => 3.6e6,
            "d" | "day" | "days" => 8.64e7,
            "us" | "ns" => 0.0,
            _ => return total,
        };
        let Some(part) = number.parse().ok().and_then(|n| millis(n, factor)) else { return total };
        total = Some(total.unwrap_or(0u64).saturating_add(part));
        rest = tail.trim_start_matches([' ', ',']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
}

/// Rounds up, so that a wait never ends a fraction too early. Negative and non-finite numbers are no hint.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates, the sign is checked
fn millis(number: f64, factor: f64) -> Option<u64> {
    let value = number * factor;
    // Binary fractions: 34.4 × 1000 is a hair above 34400.
    (value.is_finite() && value >= 0.0).then(|| (value - 1e-6).ceil().max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        pairs.iter().copied().collect()
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        const NOW: u64 = 784_111_770_000;
        for (pairs, expected) in [
            (&[("retry-after", "2")][..], Some(2000)),
            (&[("retry-after", " 0.25 ")], Some(250)),
            (&[("retry-after", "0")], Some(0)),
            (&[("retry-after-ms", "1500"), ("retry-after", "9")], Some(1500)),
            (&[("retry-after-ms", "12.5")], Some(13)),
            (&[("retry-after-ms", "soon"), ("retry-after", "9")], Some(9000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")], Some(7000)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0)),
            (&[("retry-after", "7, 7")], Some(7000)),
            (&[("retry-after", "20s")], Some(20_000)),
            (&[("retry-after", "1m30s")], Some(90_000)),
            (&[("retry-after", "1994-11-06T08:49:37Z")], Some(7000)),
            (&[("retry-after", "")], None),
            (&[("retry-after", "later")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "nan")], None),
            (&[("retry-after", "inf")], None),
            (&[("retry-after", "1e300")], Some(u64::MAX)),
            (&[], None),
        ] {
            assert_eq!(from_headers(&headers(pairs), NOW), expected, "{pairs:?}");
        }
    }

    #[test]
    fn only_used_up_limits_tell_when_to_come_back() {
        for (pairs, expected) in [
            (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")][..], Some(360_000)),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "120ms")], Some(120)),
            (&[("x-ratelimit-remaining-tokens", "5"), ("x-ratelimit-reset-tokens", "1s")], None),
            (
                &[
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "1m2.5s"),
                ],
                Some(62_500),
            ),
            (
                &[
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    ("anthropic-ratelimit-input-tokens-reset", "1970-01-01T00:01:00Z"),
                ],
                Some(59_000),
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000000000")], Some(1_699_999_999_000)),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1700000000")], Some(1_699_999_999_000)),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "30")], Some(30_000)),
            (&[("x-ratelimit-remaining-requests", "0")], None),
            (&[("x-ratelimit-reset-requests", "20s")], Some(20_000)),
            (&[("x-ratelimit-reset-requests", "20s"), ("x-ratelimit-reset-tokens", "6m0s")], Some(20_000)),
            (
                &[
                    ("x-ratelimit-reset-requests", "1s"),
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "2s"),
                ],
                Some(2_000),
            ),
            (&[("x-ratelimit-limit-requests", "10")], None),
        ] {
            assert_eq!(from_rate_headers(&headers(pairs), 1_000), expected, "{pairs:?}");
        }
    }

    #[test]
    fn a_body_tells_when_to_come_back() {
        for (body, message, expected) in [
            (r#"{"details":[{"reason":"X"},{"retryDelay":"34.4s"}]}"#, "", Some(34_400)),
            (r#"{"details":[{"retryDelay":{"seconds":"3","nanos":500000000}}]}"#, "", Some(3_500)),
            (r#"{"metadata":{"retry_after":1.5}}"#, "", Some(1_500)),
            ("{}", "Rate limit reached. Please try again in 1m2.5s. Visit", Some(62_500)),
            ("{}", "Please try again in 20ms.", Some(20)),
            ("{}", "Please retry after 20 seconds.", Some(20_000)),
            ("{}", "Please retry in 46.1s.", Some(46_100)),
            (r#"{"retry_after_ms":1500}"#, "", Some(1_500)),
            (r#"{"metadata":{"retryAfter":"2s"}}"#, "", Some(2_000)),
            ("{}", "Rate limited. Please wait 20 seconds before trying again.", Some(20_000)),
            ("{}", "Try again after about 1 minute and 30 seconds", Some(90_000)),
            ("{}", "Please try again in 1 hour, 2 minutes.", Some(3_720_000)),
            ("{}", "Please wait a moment", None),
            ("{}", "Please try again in a few minutes", None),
            ("{}", "Try again in 5 apples", None),
            ("null", "", None),
        ] {
            let value = serde_json::from_str(body).unwrap();
            assert_eq!(from_body(&value, message), expected, "{body} {message}");
        }
    }
}
