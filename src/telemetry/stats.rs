//! `GET /v1/stats`: the register as a document. `docs/schemas/stats.json` has its shape.

use serde_json::{json, Map, Value};

use super::register::ledgers::{by_principal, Row};
use super::register::{day_name, By, Register, Sums};
use crate::accounting::counters::Counters;
use crate::accounting::day::DAY_MS;
use crate::health::histogram::Histogram;
use crate::money::usd;
use crate::sorted;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Days back from today, today included.
    pub days: u64,
    /// Only requests that ended after this instant are listed, Unix ms.
    pub since_ms: u64,
    /// How many requests are listed at most.
    pub limit: usize,
    /// Minutes of the time line.
    pub minutes: u64,
}

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// The member that is wrong, and how.
    pub fn read(query: &str) -> Result<Self, (String, String)> {
        let mut read = Self { days: 7, since_ms: 0, limit: 100, minutes: 60 };
        for (name, value) in
            query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        {
            let number = |most: u64| match value.parse::<u64>() {
                Ok(number) if number <= most => Ok(number),
                _ => Err((name.to_owned(), format!("must be a whole number up to {most}"))),
            };
            match name {
                "days" => read.days = number(super::register::DAYS)?.max(1),
                "since_ms" => read.since_ms = number(1 << 53)?,
                "limit" => read.limit = usize::try_from(number(super::register::MOST_RECENT as u64)?).unwrap_or(0),
                "minutes" => read.minutes = number(super::register::MINUTES)?,
                _ => {
                    return Err((
                        name.to_owned(),
                        "is no parameter: there are days, since_ms, limit, minutes".to_owned(),
                    ))
                }
            }
        }
        Ok(read)
    }

    /// The first of its days, `YYYY-MM-DD`.
    #[must_use]
    pub fn first_day(&self, now_ms: u64) -> String {
        day_name((now_ms / DAY_MS).saturating_sub(self.days.saturating_sub(1)))
    }
}

/// The document.
#[must_use]
pub fn document(register: &Register, query: Query, now_ms: u64) -> Value {
    let today = now_ms / DAY_MS;
    let first = today.saturating_sub(query.days.saturating_sub(1));
    let mut by: Map<String, Value> = Map::new();
    for (name, dimension) in [
        ("model", By::Model),
        ("provider", By::Provider),
        ("principal", By::Principal),
        ("task", By::Task),
        ("policy", By::Policy),
        ("error", By::Error),
    ] {
        by.insert(name.to_owned(), grouped(register, dimension, first));
    }
    let mut total = Sums::default();
    let mut days = Vec::new();
    for (day, _, _, sums) in register.days().filter(|(day, by, _, _)| *by == By::All && *day >= first) {
        total.plus(sums);
        days.push(told(json!({ "day": day_name(day) }), sums));
    }
    let first_minute = (now_ms / 60_000).saturating_sub(query.minutes.saturating_sub(1));
    let minutes = register.minutes().filter(|(minute, _)| query.minutes > 0 && *minute >= first_minute);
    json!({
        "object": "stats",
        "now_ms": now_ms,
        "from": day_name(first),
        "to": day_name(today),
        "total": told(json!({}), &total),
        "days": days,
        "by": by,
        "ledgers": in_books(&register.ledgers),
        "minutes": minutes.map(|(minute, sums)| told(json!({ "at_ms": minute * 60_000 }), sums)).collect::<Vec<_>>(),
        "breakers": register.changes().collect::<Vec<_>>(),
        "recent": register.recent(query.since_ms).take(query.limit).collect::<Vec<_>>(),
    })
}

fn grouped(register: &Register, dimension: By, first: u64) -> Value {
    let mut groups: sorted::Map<&str, Sums> = sorted::Map::new();
    for (_, _, key, sums) in register.days().filter(|(day, by, _, _)| *by == dimension && *day >= first) {
        groups.entry(key).or_default().plus(sums);
    }
    let mut groups: Vec<(&str, Sums)> = groups.into_iter().collect();
    sorted::sort_by(&mut groups, |(a, x), (b, y)| {
        y.picousd.cmp(&x.picousd).then(y.requests.cmp(&x.requests)).then(a.cmp(b))
    });
    groups.iter().map(|(key, sums)| told(json!({ "key": key }), sums)).collect()
}

/// Principals as their ledgers have them, the dearest first; days newest first.
fn in_books(rows: &[Row]) -> Value {
    let principals = by_principal(rows);
    let mut principals: Vec<_> = principals
        .into_iter()
        .map(|(key, days)| {
            let mut total = Counters::default();
            days.values().for_each(|sums| total.add(sums));
            (total.picousd(), booked(json!({ "key": key }), &total), days)
        })
        .collect();
    sorted::sort_by(&mut principals, |(a, ..), (b, ..)| b.cmp(a));
    let told = principals.into_iter().map(|(_, mut told, days)| {
        let days = days.iter().rev().map(|(day, sums)| booked(json!({ "day": day }), sums)).collect();
        if let Some(members) = told.as_object_mut() {
            members.insert("days".to_owned(), days);
        }
        told
    });
    told.collect()
}

fn booked(mut head: Value, sums: &Counters) -> Value {
    let body = json!({
        "requests": sums.requests,
        "attempts": sums.attempts,
        "tokens": {
            "input": sums.input_tokens,
            "cache_read": sums.cached_input_tokens,
            "cache_write": sums.cache_write_5m_tokens.saturating_add(sums.cache_write_1h_tokens),
            "output": sums.output_tokens,
            "reasoning": sums.reasoning_tokens,
        },
        "cost_usd": sums.picousd().usd(),
        "cost_picousd": sums.picousd(),
        "estimated_picousd": sums.estimated_picousd,
        "unpriced": sums.unpriced_attempts,
    });
    if let (Some(head), Value::Object(body)) = (head.as_object_mut(), body) {
        head.extend(body);
    }
    head
}

fn told(mut head: Value, sums: &Sums) -> Value {
    let body = json!({
        "requests": sums.requests,
        "failed": sums.failed,
        "refused": sums.refused,
        "left": sums.left,
        "rescued": sums.rescued,
        "attempts": sums.attempts,
        "tokens": {
            "input": sums.input_tokens,
            "cache_read": sums.cached_tokens,
            "cache_write": sums.cache_write_tokens,
            "output": sums.output_tokens,
            "reasoning": sums.reasoning_tokens,
        },
        "cost_usd": usd(u128::from(sums.picousd)),
        "cost_picousd": sums.picousd.to_string(),
        "estimated_picousd": sums.estimated_picousd.to_string(),
        "unpriced": sums.unpriced,
        "expected_picousd": sums.expected_picousd.to_string(),
        "best_picousd": sums.best_picousd.to_string(),
        "ttft_ms": quantiles(&sums.ttft),
        "duration_ms": quantiles(&sums.duration),
    });
    if let (Some(head), Value::Object(body)) = (head.as_object_mut(), body) {
        head.extend(body);
    }
    head
}

fn quantiles(times: &Histogram) -> Value {
    if times.total() == 0 {
        return Value::Null;
    }
    let at = |share| times.quantile(share);
    json!({
        "count": times.total(), "p50": at(500_000), "p90": at(900_000), "p95": at(950_000), "p99": at(990_000),
        "buckets": times.edges().map(|(edge, count)| [edge, u64::from(count)]).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_or_its_wrong_member_named() {
        assert_eq!(Query::read(""), Ok(Query { days: 7, since_ms: 0, limit: 100, minutes: 60 }));
        assert_eq!(Query::read("days=31&limit=5&since_ms=17").map(|q| (q.days, q.limit, q.since_ms)), Ok((31, 5, 17)));
        for (query, name) in [("days=32", "days"), ("limit=x", "limit"), ("user=a", "user"), ("days", "days")] {
            assert_eq!(Query::read(query).unwrap_err().0, name, "{query}");
        }
    }
}
