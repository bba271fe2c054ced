//! Which capacity made an answer. The hub has OpenAI's member and words for it, `service_tier`: `default`, `flex`, `priority`.
//! Anthropic says it in `usage` (`standard`, `priority`, `batch`), Google in `usageMetadata` (`standard`, `flex`, `priority`);
//! both by the types of their SDKs.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::canonical::Extra;

/// The capacity that made an answer, as far as it decides the price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ServiceTier {
    /// The normal one.
    #[default]
    Standard,
    /// Asynchronous batches.
    Batch,
    /// Slower and cheaper.
    Flex,
    /// Ahead of others.
    Priority,
    /// Faster: OpenAI's tier, Anthropic's `speed`.
    Fast,
    /// One whose prices no table holds: reserved throughput, a single region.
    Other,
}

impl ServiceTier {
    /// The tier by a provider's word for it (OpenAI's and Anthropic's `service_tier`, Google's `serviceTier` and
    /// `trafficType`); absent = standard.
    #[must_use]
    pub fn of_word(word: Option<&str>) -> Self {
        let Some(word) = word else { return Self::Standard };
        let is = |words: &[&str]| words.iter().any(|known| known.eq_ignore_ascii_case(word));
        if is(&["auto", "default", "standard", "standard_only", "on_demand", "TRAFFIC_TYPE_UNSPECIFIED"]) {
            Self::Standard
        } else if is(&["batch"]) {
            Self::Batch
        } else if is(&["flex", "ON_DEMAND_FLEX"]) {
            Self::Flex
        } else if is(&["priority", "ON_DEMAND_PRIORITY"]) {
            Self::Priority
        } else if is(&["fast"]) {
            Self::Fast
        } else {
            Self::Other
        }
    }

    /// The same from JSON; what is no text says nothing.
    #[must_use]
    pub fn of_json(raw: &RawValue) -> Self {
        Self::of_word(raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')))
    }

    /// Whether it is the normal one.
    #[must_use]
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
    pub fn is_standard(&self) -> bool {
        *self == Self::Standard
    }
}

/// The hub's name of it, and OpenAI's.
pub const FIELD: &str = "service_tier";

/// A provider's own member as the hub's; unchanged where its word has no equal.
#[must_use]
pub fn in_hubs_words(extra: Extra) -> Extra {
    let word = match extra.value.get() {
        "\"standard\"" => "\"default\"",
        "\"flex\"" => "\"flex\"",
        "\"priority\"" => "\"priority\"",
        _ => return extra,
    };
    match RawValue::from_string(word.to_owned()) {
        Ok(value) => Extra { field: FIELD.to_owned(), value, ..extra },
        Err(_) => extra,
    }
}

/// The word of Anthropic or Google for it, where an answer says it and they have one of `known`.
#[must_use]
pub fn word(extra: &Extra, known: &[&'static str]) -> Option<&'static str> {
    if extra.field != FIELD {
        return None;
    }
    let word = match extra.value.get() {
        "\"default\"" => "standard",
        "\"flex\"" => "flex",
        "\"priority\"" => "priority",
        _ => return None,
    };
    known.iter().copied().find(|known| *known == word)
}

/// Anthropic's words that OpenAI has too.
pub const ANTHROPIC: [&str; 2] = ["standard", "priority"];
/// Google's.
pub const GOOGLE: [&str; 3] = ["standard", "flex", "priority"];
