//! What a principal may use. Issuers sign it into tokens, operators set it as defaults; of two, the stricter holds.
//!
//! The claim is one object, under the name that [`super::settings::ClaimNames::gateway`] says (`signalbox`):
//! `{"limits": {"cost_usd_per_day": "5", "models": ["openai/*"]}, "explain": true}`. A limit that cannot be understood is
//! refused, never skipped: a missing limit means none.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::accounting::money::Usd;

/// Bounds on use; absent = unbounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, default)]
pub struct Limits {
    /// Requests begun in any minute.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub requests_per_minute: Option<u64>,
    /// Prompt and generated tokens in any minute.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub tokens_per_minute: Option<u64>,
    /// Cost in a UTC day.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cost_usd_per_day: Option<Usd>,
    /// Cost in a UTC month.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cost_usd_per_month: Option<Usd>,
    /// Cost of one request, retries included.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub cost_usd_per_request: Option<Usd>,
    /// Requests under way at once.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub concurrent_requests: Option<u64>,
    /// Generated tokens of one request.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub max_output_tokens: Option<u64>,
    /// Models by `provider/model`; a trailing `*` stands for any rest. An empty list allows none.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub models: Option<Vec<String>>,
}

impl Limits {
    /// Both at once: of each bound the smaller one, of models those that both allow.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            requests_per_minute: smaller(self.requests_per_minute, other.requests_per_minute),
            tokens_per_minute: smaller(self.tokens_per_minute, other.tokens_per_minute),
            cost_usd_per_day: smaller(self.cost_usd_per_day, other.cost_usd_per_day),
            cost_usd_per_month: smaller(self.cost_usd_per_month, other.cost_usd_per_month),
            cost_usd_per_request: smaller(self.cost_usd_per_request, other.cost_usd_per_request),
            concurrent_requests: smaller(self.concurrent_requests, other.concurrent_requests),
            max_output_tokens: smaller(self.max_output_tokens, other.max_output_tokens),
            models: match (&self.models, &other.models) {
                (Some(mine), Some(theirs)) => Some(common(mine, theirs)),
                (mine, theirs) => mine.as_ref().or(theirs.as_ref()).cloned(),
            },
        }
    }

    /// Whether a model (`provider/model`) may be used.
    #[must_use]
    pub fn allows(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|patterns| patterns.iter().any(|pattern| covers(pattern, model)))
    }

    /// Whether money is bounded in any way (DESIGN §2 treats unpriced models differently then).
    #[must_use]
    pub fn bounds_cost(&self) -> bool {
        [self.cost_usd_per_day, self.cost_usd_per_month, self.cost_usd_per_request].iter().any(Option::is_some)
    }
}

impl Serialize for Limits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Left to itself serde also reads structs from lists, and an empty list would mean no limits.
        struct ObjectOnly;
        impl<'de> Visitor<'de> for ObjectOnly {
            type Value = Limits;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of limits")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Limits, A::Error> {
                Limits::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(ObjectOnly)
    }
}

/// A limit that is there must be one: `null` does not lift it.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn smaller<T: Ord>(a: Option<T>, b: Option<T>) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Patterns for what both lists allow: of two where one covers the other, the narrower.
fn common(mine: &[String], theirs: &[String]) -> Vec<String> {
    let mut both: Vec<String> = Vec::new();
    for (a, b) in mine.iter().flat_map(|a| theirs.iter().map(move |b| (a, b))) {
        let narrower = if covers(a, b) {
            b
        } else if covers(b, a) {
            a
        } else {
            continue;
        };
        if !both.contains(narrower) {
            both.push(narrower.clone());
        }
    }
    both
}

fn covers(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => model.starts_with(prefix),
        None => pattern == model,
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
        let claim = limits(r#"{"requests_per_minute":10,"cost_usd_per_day":"5.5","models":["openai/*","acme/big"]}"#);
        let default =
            limits(r#"{"requests_per_minute":60,"cost_usd_per_day":2,"max_output_tokens":100,"models":["*"]}"#);
        let both = limits(
            r#"{"requests_per_minute":10,"cost_usd_per_day":"2","max_output_tokens":100,"models":["openai/*","acme/big"]}"#,
        );
        assert_eq!(claim.stricter(&default), both);
        assert_eq!(default.stricter(&claim), both);
        assert_eq!(claim.stricter(&Limits::default()), claim);
        assert_eq!(limits(&serde_json::to_string(&claim).unwrap()), claim);
    }

    #[test]
    fn only_what_both_lists_allow_is_allowed() {
        let allowed = |a: &str, b: &str, model: &str| {
            let list = |json: &str| Limits { models: Some(serde_json::from_str(json).unwrap()), ..Limits::default() };
            let (a, b) = (list(a), list(b));
            let both = a.stricter(&b).allows(model);
            assert_eq!(both, a.allows(model) && b.allows(model));
            both
        };
        assert!(allowed(r#"["openai/*"]"#, r#"["openai/gpt*","x/y"]"#, "openai/gpt-5"));
        assert!(!allowed(r#"["openai/*"]"#, r#"["openai/gpt*"]"#, "openai/o3"));
        assert!(!allowed(r#"["openai/*"]"#, r#"["anthropic/*"]"#, "openai/o3"));
        assert!(!allowed("[]", r#"["*"]"#, "openai/o3"));
        assert!(!allowed(r#"["openai/gpt"]"#, r#"["*"]"#, "openai/gpt-5"), "without a star a name is exact");
    }

    #[test]
    fn a_limit_that_is_not_understood_is_no_limit_to_skip() {
        for json in [
            r#"{"requests_per_minute":-1}"#,
            r#"{"requests_per_minute":1.5}"#,
            r#"{"requests_per_minute":"10"}"#,
            r#"{"cost_usd_per_day":"-1"}"#,
            r#"{"cost_usd_per_day":"NaN"}"#,
            r#"{"cost_usd_per_day":-0.5}"#,
            r#"{"budget":5}"#,
            r#"{"models":"*"}"#,
            r#"{"requests_per_minute":null}"#,
            r#"{"models":null}"#,
            "[]",
            "[10]",
            "null",
        ] {
            assert!(serde_json::from_str::<Limits>(json).is_err(), "{json}");
        }
    }
}
