//! OpenRouter's `provider` object: preferences among the providers of a model.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{list, parse, refused, word};
use crate::catalogue::price::millionths;
use crate::error::GatewayError;
use crate::json::Members;

/// OpenRouter's `provider` object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProviderPreferences {
    /// Providers to try first, in this order.
    pub order: Vec<String>,
    /// The only providers allowed; empty = all.
    pub only: Vec<String>,
    /// Providers not to use.
    pub ignore: Vec<String>,
    /// Rank by this instead of by policy.
    pub sort: Option<Sort>,
    /// `false`: only the providers in `order`, or only the best one.
    pub allow_fallbacks: Option<bool>,
    /// `true`: only candidates that can express every field.
    pub require_parameters: Option<bool>,
    /// `true`: no provider that may train on prompts or pass them on.
    pub deny_data_collection: bool,
    /// Bounds on rates.
    pub max_price: MaxPrice,
    /// Candidates that take longer to first content come later, in milliseconds.
    pub preferred_max_latency_ms: Option<u64>,
    /// Candidates that generate slower come later, in microseconds per token.
    pub preferred_max_us_per_token: Option<u64>,
}

/// Rank by one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sort {
    /// Which.
    pub by: SortBy,
    /// Across the listed models rather than within each (`partition: "none"`).
    pub across_models: bool,
}

/// A property to rank by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortBy {
    /// Estimated cost, cheapest first.
    Price,
    /// Tokens a second, fastest first.
    Throughput,
    /// Time to first content, shortest first.
    Latency,
}

/// Bounds on rates, picodollars per token and per request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MaxPrice {
    /// Per prompt token.
    pub prompt: Option<u64>,
    /// Per generated token.
    pub completion: Option<u64>,
    /// Per request.
    pub request: Option<u64>,
}

impl MaxPrice {
    /// Whether it bounds anything.
    #[must_use]
    pub fn binds(&self) -> bool {
        *self != Self::default()
    }
}

impl ProviderPreferences {
    pub(super) fn read(raw: &RawValue) -> Result<Self, GatewayError> {
        let members = object("provider", raw)?;
        let mut read = Self::default();
        for (name, value) in members.iter() {
            let path = format!("provider.{name}");
            // `null` is how SDKs write "not set".
            if value.get() == "null" {
                continue;
            }
            match name {
                "order" => read.order = list(&path, value)?,
                "only" => read.only = list(&path, value)?,
                "ignore" => read.ignore = list(&path, value)?,
                "sort" => read.sort = sort(&path, value)?,
                "allow_fallbacks" => read.allow_fallbacks = Some(parse(&path, value, "true or false")?),
                "require_parameters" => read.require_parameters = Some(parse(&path, value, "true or false")?),
                "data_collection" => {
                    let text: String = parse(&path, value, "\"allow\" or \"deny\"")?;
                    read.deny_data_collection = word(&path, &text, &[("allow", false), ("deny", true)])?;
                }
                "max_price" => read.max_price = max_price(&path, value)?,
                "preferred_max_latency" => {
                    // Seconds, as OpenRouter has it.
                    read.preferred_max_latency_ms = median(&path, value)?.map(|millionths| millionths / 1_000);
                }
                "preferred_min_throughput" => {
                    let per_token = |tokens_per_second: u64| 1_000_000_000_000 / tokens_per_second.max(1);
                    read.preferred_max_us_per_token = median(&path, value)?.map(per_token);
                }
                _ => known_member(&path, name, &PROVIDER)?,
            }
        }
        Ok(read)
    }

    /// Whether nothing is preferred.
    #[must_use]
    pub fn says_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a provider is among some names; letter case does not count.
    #[must_use]
    pub fn names(list: &[String], provider: &str) -> Option<usize> {
        list.iter().position(|name| name.eq_ignore_ascii_case(provider))
    }
}

/// Members of the `provider` object.
pub const PROVIDER: [&str; 10] = [
    "order",
    "only",
    "ignore",
    "sort",
    "allow_fallbacks",
    "require_parameters",
    "data_collection",
    "max_price",
    "preferred_max_latency",
    "preferred_min_throughput",
];

fn known_member(path: &str, name: &str, known: &[&str]) -> Result<(), GatewayError> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(refused(path, format!("is not supported by this gateway; supported: {}", known.join(", "))))
}

pub(super) fn object<'r>(path: &str, raw: &'r RawValue) -> Result<Members<'r>, GatewayError> {
    Members::read(raw.get().as_bytes()).map_err(|_| refused(path, "must be an object with distinct members"))
}

/// The members that say something: OpenRouter's own client writes `null` for those that it leaves out.
fn said<'m>(members: &'m Members<'m>) -> impl Iterator<Item = (&'m str, &'m RawValue)> {
    members.iter().filter(|(_, value)| value.get() != "null")
}

fn sort(path: &str, raw: &RawValue) -> Result<Option<Sort>, GatewayError> {
    let words = [("price", SortBy::Price), ("throughput", SortBy::Throughput), ("latency", SortBy::Latency)];
    if raw.get().starts_with('"') {
        let by: String = parse(path, raw, "a string")?;
        return Ok(Some(Sort { by: word(path, &by, &words)?, across_models: false }));
    }
    let members = object(path, raw)?;
    if said(&members).next().is_none() {
        return Ok(None);
    }
    let (mut by, mut across_models) = (None, false);
    for (name, value) in said(&members) {
        let path = format!("{path}.{name}");
        known_member(&path, name, &["by", "partition"])?;
        let text: String = parse(&path, value, "a string")?;
        if name == "by" {
            by = Some(word(&path, &text, &words)?);
        } else {
            across_models = word(&path, &text, &[("model", false), ("none", true)])?;
        }
    }
    let by = by.ok_or_else(|| refused(path, "needs `by`: price, throughput or latency"))?;
    Ok(Some(Sort { by, across_models }))
}

fn max_price(path: &str, raw: &RawValue) -> Result<MaxPrice, GatewayError> {
    let members = object(path, raw)?;
    let mut price = MaxPrice::default();
    for (name, value) in said(&members) {
        let path = format!("{path}.{name}");
        let slot = match name {
            "prompt" => &mut price.prompt,
            "completion" => &mut price.completion,
            "request" => &mut price.request,
            _ => return known_member(&path, name, &["prompt", "completion", "request"]).map(|()| price),
        };
        let text = value.get().trim_matches('"');
        let millionths = millionths(text).ok_or_else(|| refused(&path, "must be dollars with at most six decimals"))?;
        // Dollars per million tokens are picodollars per token; dollars per request are a million times that.
        *slot = Some(if name == "request" { millionths.saturating_mul(1_000_000) } else { millionths });
    }
    Ok(price)
}

/// A number, or the median of an object of percentiles, in millionths; nothing where none is said. Other percentiles are not
/// measured here.
fn median(path: &str, raw: &RawValue) -> Result<Option<u64>, GatewayError> {
    let number = |path: &str, raw: &RawValue| {
        let value = millionths(raw.get()).filter(|v| *v > 0);
        value.ok_or_else(|| refused(path, "must be a positive number with at most six decimals"))
    };
    if !raw.get().starts_with('{') {
        return number(path, raw).map(Some);
    }
    let members = object(path, raw)?;
    for (name, _) in said(&members) {
        known_member(&format!("{path}.{name}"), name, &["p50"])?;
    }
    members.present("p50").map(|p50| number(&format!("{path}.p50"), p50)).transpose()
}
