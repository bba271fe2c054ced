//! Limits that an issuer signs into its tokens. Operators set defaults beside them (`config::limits`, the same words); of
//! two, the stricter holds.
//!
//! The claim is one object, under the name that [`super::settings::ClaimNames::gateway`] says (`signalbox`):
//! `{"limits": {"budget": {"usd": "5", "period": "day"}, "models": ["openai/*"]}, "explain": true}`. A budget may be a list, and each
//! of them for a group of models: `{"usd": "1", "period": "month", "models": ["anthropic/*"]}`. A limit that cannot be
//! understood is refused, never skipped: a missing limit means none.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use crate::money::Usd;
use crate::sorted;

/// Bounds on one principal's use; absent = unbounded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Requests begun in any minute.
    pub requests_per_minute: Option<u64>,
    /// Prompt and generated tokens in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests under way at once.
    pub concurrent_requests: Option<u64>,
    /// Generated tokens of one request.
    pub max_output_tokens: Option<u64>,
    /// Picodollars of one request, retries included.
    pub max_cost_picousd: Option<u64>,
    /// Picodollars in a UTC day or month, each for all models or for a group of them.
    pub budgets: Vec<Budget>,
    /// Lists of model patterns (`*`, `provider/*`, `provider/model`, `model`); a model has to stand in each list.
    pub models: Vec<Vec<String>>,
}

/// Picodollars in a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// How much.
    #[serde(rename = "usd")]
    pub amount: Usd,
    /// In what time.
    pub period: Period,
    /// The models that it is for, as patterns; empty = all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// A calendar period in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the next.
    Month,
}

impl Period {
    /// The word in claims and configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }
}

/// The limits as a claim has them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wire {
    #[serde(deserialize_with = "budgets")]
    budget: Vec<Budget>,
    #[serde(deserialize_with = "present")]
    requests_per_minute: Option<u64>,
    #[serde(deserialize_with = "present")]
    tokens_per_minute: Option<u64>,
    #[serde(deserialize_with = "present")]
    concurrent_requests: Option<u64>,
    #[serde(deserialize_with = "present")]
    max_output_tokens: Option<u64>,
    #[serde(deserialize_with = "present")]
    max_cost_usd: Option<Usd>,
    #[serde(deserialize_with = "present")]
    models: Option<Vec<String>>,
}

/// A budget as a claim has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireBudget {
    usd: Usd,
    period: Period,
    #[serde(default, deserialize_with = "present")]
    models: Option<Vec<String>>,
}

impl Limits {
    /// Both at once: of each bound the smaller one, of models those that both allow.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            requests_per_minute: smaller(self.requests_per_minute, other.requests_per_minute),
            tokens_per_minute: smaller(self.tokens_per_minute, other.tokens_per_minute),
            concurrent_requests: smaller(self.concurrent_requests, other.concurrent_requests),
            max_output_tokens: smaller(self.max_output_tokens, other.max_output_tokens),
            max_cost_picousd: smaller(self.max_cost_picousd, other.max_cost_picousd),
            budgets: both(&self.budgets, &other.budgets),
            models: self.models.iter().chain(&other.models).cloned().collect(),
        }
    }

    /// Whether money is bounded in any way (DESIGN §2 treats unpriced models differently then).
    #[must_use]
    pub fn bounds_cost(&self) -> bool {
        self.max_cost_picousd.is_some() || !self.budgets.is_empty()
    }

    /// Whether something is bounded that only the principal's ledger can count.
    #[must_use]
    pub fn are_counted(&self) -> bool {
        let rates = [self.requests_per_minute, self.tokens_per_minute, self.concurrent_requests];
        !self.budgets.is_empty() || rates.iter().any(Option::is_some)
    }
}

impl From<Wire> for Limits {
    fn from(wire: Wire) -> Self {
        Self {
            requests_per_minute: wire.requests_per_minute,
            tokens_per_minute: wire.tokens_per_minute,
            concurrent_requests: wire.concurrent_requests,
            max_output_tokens: wire.max_output_tokens,
            max_cost_picousd: wire.max_cost_usd.map(|usd| usd.0),
            budgets: wire.budget,
            models: wire.models.into_iter().collect(),
        }
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Left to itself serde also reads structs from lists, and an empty list would mean no limits.
        struct ObjectOnly;
        impl<'de> Visitor<'de> for ObjectOnly {
            type Value = Wire;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of limits")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Wire, A::Error> {
                Wire::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(ObjectOnly).map(Self::from)
    }
}

/// Limits as they pass from one part of the gateway to another, unlike the claim with each of them apart.
pub(super) mod plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Budget, Limits};

    type Parts = ([Option<u64>; 5], Vec<Budget>, Vec<Vec<String>>);

    pub fn serialize<S: Serializer>(limits: &Limits, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = [
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.concurrent_requests,
            limits.max_output_tokens,
            limits.max_cost_picousd,
        ];
        (numbers, &limits.budgets, &limits.models).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
        let (numbers, budgets, models) = Parts::deserialize(deserializer)?;
        let [requests, tokens, concurrent, output, cost] = numbers;
        Ok(Limits {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            concurrent_requests: concurrent,
            max_output_tokens: output,
            max_cost_picousd: cost,
            budgets,
            models,
        })
    }
}

/// A limit that is there must be one: `null` does not lift it.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// One budget or a list of them; an empty list would be none.
fn budgets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Budget>, D::Error> {
    struct OneOrMore;
    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Vec<WireBudget>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a budget or a list of budgets")
        }
        fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
            WireBudget::deserialize(MapAccessDeserializer::new(members)).map(|one| vec![one])
        }
        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(items))
        }
    }
    let read = deserializer.deserialize_any(OneOrMore)?;
    if read.is_empty() || read.iter().any(|budget| budget.models.as_ref().is_some_and(Vec::is_empty)) {
        return Err(D::Error::custom("a budget for nothing: leave it out"));
    }
    let budget = |wire: WireBudget| {
        let mut models = wire.models.unwrap_or_default();
        sorted::sort_by(&mut models, String::cmp);
        models.dedup();
        Budget { amount: wire.usd, period: wire.period, models }
    };
    Ok(both(&read.into_iter().map(budget).collect::<Vec<_>>(), &[]))
}

/// All of them; of two for the same thing the smaller one.
fn both(a: &[Budget], b: &[Budget]) -> Vec<Budget> {
    let mut all: Vec<Budget> = Vec::with_capacity(a.len() + b.len());
    for budget in a.iter().chain(b) {
        match all.iter_mut().find(|known| known.period == budget.period && known.models == budget.models) {
            Some(known) => known.amount = known.amount.min(budget.amount),
            None => all.push(budget.clone()),
        }
    }
    all
}

fn smaller(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> Limits {
        serde_json::from_str(json).unwrap()
    }

    fn budget(picousd: u64, period: Period, models: &[&str]) -> Budget {
        Budget { amount: Usd(picousd), period, models: models.iter().map(|m| (*m).to_owned()).collect() }
    }

    #[test]
    fn budgets_may_be_several_and_for_groups_of_models() {
        let json = r#"{"budget":[{"usd":"5","period":"day"},{"usd":1,"period":"day","models":["b/*","a/x"]},{"usd":"9","period":"day"}]}"#;
        let read = limits(json);
        let expected =
            [budget(5_000_000_000_000, Period::Day, &[]), budget(1_000_000_000_000, Period::Day, &["a/x", "b/*"])];
        assert_eq!(read.budgets, expected);
        assert!(read.are_counted() && !limits(r#"{"max_cost_usd":1}"#).are_counted());
        let stricter = limits(r#"{"budget":{"usd":"0.5","period":"day","models":["a/x","b/*"]}}"#).stricter(&read);
        assert_eq!(
            stricter.budgets.iter().map(|b| b.amount.0).collect::<Vec<_>>(),
            [500_000_000_000, 5_000_000_000_000]
        );
    }

    #[test]
    fn of_two_limits_the_stricter_holds() {
        let claim = limits(
            r#"{"requests_per_minute":10,"budget":{"usd":"5.5","period":"day"},"max_cost_usd":"1","models":["openai/*"]}"#,
        );
        let other = limits(
            r#"{"requests_per_minute":60,"budget":{"usd":20,"period":"month"},"max_cost_usd":0.5,"models":["*","x/y"]}"#,
        );
        let both = Limits {
            requests_per_minute: Some(10),
            max_cost_picousd: Some(500_000_000_000),
            budgets: vec![budget(5_500_000_000_000, Period::Day, &[]), budget(20_000_000_000_000, Period::Month, &[])],
            models: vec![vec!["openai/*".into()], vec!["*".into(), "x/y".into()]],
            ..Limits::default()
        };
        assert_eq!(claim.stricter(&other), both);
        assert_eq!(claim.stricter(&Limits::default()), claim);
        assert!(both.bounds_cost() && !limits(r#"{"requests_per_minute":1}"#).bounds_cost());
    }

    #[test]
    fn a_limit_that_is_not_understood_is_no_limit_to_skip() {
        for json in [
            r#"{"requests_per_minute":-1}"#,
            r#"{"requests_per_minute":1.5}"#,
            r#"{"requests_per_minute":"10"}"#,
            r#"{"requests_per_minute":null}"#,
            r#"{"budget":5}"#,
            r#"{"budget":{"usd":"-1","period":"day"}}"#,
            r#"{"budget":{"usd":"NaN","period":"day"}}"#,
            r#"{"budget":{"usd":-0.5,"period":"day"}}"#,
            r#"{"budget":{"usd":"5"}}"#,
            r#"{"budget":{"usd":"5","period":"week"}}"#,
            r#"{"budget":{"usd":"5","period":"day","currency":"EUR"}}"#,
            r#"{"budget":null}"#,
            r#"{"budget":[]}"#,
            r#"{"budget":[{"usd":"5","period":"day","models":[]}]}"#,
            r#"{"budget":{"usd":"5","period":"day","models":null}}"#,
            r#"{"max_cost_usd":"1e3"}"#,
            r#"{"rpm":5}"#,
            r#"{"models":"*"}"#,
            r#"{"models":[1]}"#,
            r#"{"models":null}"#,
            "[]",
            "[10]",
            "null",
        ] {
            assert!(serde_json::from_str::<Limits>(json).is_err(), "{json}");
        }
    }
}
