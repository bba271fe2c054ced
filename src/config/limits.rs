//! Default limits: for everyone, for an issuer, a group or a policy. Limits of one principal travel in its signed claims;
//! the stricter of claim and default wins. An entry that names a principal is refused: users are not configuration.

use std::collections::BTreeMap;

use super::choice::Pattern;
use crate::catalogue::price::millionths;
use crate::document::Item;

/// Default limits and whom they concern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// For every principal.
    pub everyone: Limit,
    /// By issuer.
    pub issuers: BTreeMap<String, Limit>,
    /// By group.
    pub groups: BTreeMap<String, Limit>,
    /// By policy of the request.
    pub policies: BTreeMap<String, Limit>,
}

/// Bounds of one principal's use; `None` = no bound from here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limit {
    /// Money per period.
    pub budget: Option<Budget>,
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, prompt and answer.
    pub tokens_per_minute: Option<u64>,
    /// Requests at a time.
    pub concurrent_requests: Option<u64>,
    /// Bound on generated tokens of one request.
    pub max_output_tokens: Option<u64>,
    /// Bound on one request's estimated cost, in picodollars.
    pub max_cost_picousd: Option<u64>,
    /// The only models that may be used.
    pub models: Option<Vec<Pattern>>,
}

/// Money per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Picodollars.
    pub picousd: u64,
    /// How long it lasts.
    pub period: Period,
}

/// A period of accounting, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

/// Words for [`Period`].
pub const PERIODS: [(&str, Period); 2] = [("day", Period::Day), ("month", Period::Month)];

/// Members of `limits`.
pub const LIMITS: &[&str] = &["default", "issuers", "groups", "policies"];
/// Members of one entry.
pub const LIMIT: &[&str] = &[
    "budget",
    "requests_per_minute",
    "tokens_per_minute",
    "concurrent_requests",
    "max_output_tokens",
    "max_cost_usd",
    "models",
];
/// Members of a budget.
pub const BUDGET: &[&str] = &["usd", "period"];

/// What an entry for one person would be called.
const PERSONAL: [&str; 10] =
    ["principal", "principals", "user", "users", "subject", "subjects", "sub", "tenant", "tenants", "emails"];

pub(super) fn read(item: &Item<'_>) -> Option<Limits> {
    if let Some(map) = item.value().as_object() {
        for name in map.keys().filter(|name| PERSONAL.contains(&name.as_str())) {
            item.problem(format!(
                "{name}: limits name no principal; what one principal may use travels in its signed claims"
            ));
        }
    }
    let object = item.object(LIMITS)?;
    let table = |name| -> BTreeMap<String, Limit> {
        let entries = object.member(name).map_or_else(Vec::new, |v| v.entries());
        entries.iter().filter_map(|(name, item)| Some(((*name).to_owned(), limit(item)?))).collect()
    };
    Some(Limits {
        everyone: object.member("default").map_or(Some(Limit::default()), |v| limit(&v))?,
        issuers: table("issuers"),
        groups: table("groups"),
        policies: table("policies"),
    })
}

fn limit(item: &Item<'_>) -> Option<Limit> {
    let object = item.object(LIMIT)?;
    let count = |name| object.member(name).and_then(|v| v.count(0, 1 << 50));
    Some(Limit {
        budget: object.member("budget").and_then(|v| budget(&v)),
        requests_per_minute: count("requests_per_minute"),
        tokens_per_minute: count("tokens_per_minute"),
        concurrent_requests: count("concurrent_requests"),
        max_output_tokens: count("max_output_tokens"),
        max_cost_picousd: object.member("max_cost_usd").and_then(|v| picousd(&v)),
        models: object.member("models").map(|v| v.texts().iter().map(|text| Pattern::parse(text)).collect()),
    })
}

fn budget(item: &Item<'_>) -> Option<Budget> {
    let object = item.object(BUDGET)?;
    let amount = object.required("usd").and_then(|v| picousd(&v));
    let period = object.required("period").and_then(|v| v.word(&PERIODS));
    Some(Budget { picousd: amount?, period: period? })
}

/// Exact decimal dollars, as text.
fn picousd(item: &Item<'_>) -> Option<u64> {
    let value = item.value().as_str().and_then(millionths).and_then(|micro| micro.checked_mul(1_000_000));
    if value.is_none() {
        item.problem("must be dollars as a decimal string such as \"12.50\"");
    }
    value
}
