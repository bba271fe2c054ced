//! Limits that an issuer signs into its tokens. Operators set defaults beside them (`config::limits`, the same words); of
//! two, the stricter holds.
//!
//! The claim is one object, under the name that [`super::settings::ClaimNames::gateway`] says (`signalbox`):
//! `{"limits": {"budget": {"usd": "5", "period": "day"}, "models": ["openai/*"]}, "explain": true}`. A limit that cannot be
//! understood is refused, never skipped: a missing limit means none.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::Deserialize;

use crate::money::Usd;

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
    /// Picodollars in a UTC day.
    pub day_picousd: Option<u64>,
    /// Picodollars in a UTC month.
    pub month_picousd: Option<u64>,
    /// Lists of model patterns (`*`, `provider/*`, `provider/model`, `model`); a model has to stand in each list.
    pub models: Vec<Vec<String>>,
}

/// The limits as a claim has them.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wire {
    #[serde(deserialize_with = "present")]
    budget: Option<Budget>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Budget {
    usd: Usd,
    period: Period,
}

#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Period {
    Day,
    Month,
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
            day_picousd: smaller(self.day_picousd, other.day_picousd),
            month_picousd: smaller(self.month_picousd, other.month_picousd),
            models: self.models.iter().chain(&other.models).cloned().collect(),
        }
    }

    /// Whether money is bounded in any way (DESIGN §2 treats unpriced models differently then).
    #[must_use]
    pub fn bounds_cost(&self) -> bool {
        [self.max_cost_picousd, self.day_picousd, self.month_picousd].iter().any(Option::is_some)
    }
}

impl From<Wire> for Limits {
    fn from(wire: Wire) -> Self {
        let budget = |period| wire.budget.as_ref().filter(|budget| budget.period == period).map(|budget| budget.usd.0);
        Self {
            requests_per_minute: wire.requests_per_minute,
            tokens_per_minute: wire.tokens_per_minute,
            concurrent_requests: wire.concurrent_requests,
            max_output_tokens: wire.max_output_tokens,
            max_cost_picousd: wire.max_cost_usd.map(|usd| usd.0),
            day_picousd: budget(Period::Day),
            month_picousd: budget(Period::Month),
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

    use super::Limits;

    type Parts = ([Option<u64>; 7], Vec<Vec<String>>);

    pub fn serialize<S: Serializer>(limits: &Limits, serializer: S) -> Result<S::Ok, S::Error> {
        let numbers = [
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.concurrent_requests,
            limits.max_output_tokens,
            limits.max_cost_picousd,
            limits.day_picousd,
            limits.month_picousd,
        ];
        (numbers, &limits.models).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Limits, D::Error> {
        let (numbers, models) = Parts::deserialize(deserializer)?;
        let [requests, tokens, concurrent, output, cost, day, month] = numbers;
        Ok(Limits {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            concurrent_requests: concurrent,
            max_output_tokens: output,
            max_cost_picousd: cost,
            day_picousd: day,
            month_picousd: month,
            models,
        })
    }
}

/// A limit that is there must be one: `null` does not lift it.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
            day_picousd: Some(5_500_000_000_000),
            month_picousd: Some(20_000_000_000_000),
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
