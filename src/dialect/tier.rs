//! Which capacity made an answer. The hub has OpenAI's member and words for it, `service_tier`: `default`, `flex`, `priority`.
//! Anthropic says it in `usage` (`standard`, `priority`, `batch`), Google in `usageMetadata` (`standard`, `flex`, `priority`);
//! both by the types of their SDKs.

use serde_json::value::RawValue;

use super::canonical::Extra;

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
