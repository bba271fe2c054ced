//! What the hub has no word for, and what a translation did to a field.

use serde_json::value::RawValue;

use super::Part;
use crate::dialect::Dialect;

/// A request member that the hub has no word for.
#[derive(Debug, Clone)]
pub struct Extra {
    /// Path in the caller's request, such as `logit_bias` or `messages[2].name`.
    pub field: String,
    /// JSON text of the value.
    pub value: Box<RawValue>,
    /// No effect on what the answer means (cache hints, metadata): may be left out when reported.
    pub advisory: bool,
    /// The documented default: exact on every target by omission.
    pub is_default: bool,
}

impl Extra {
    /// Whether a member of an answer is a safety verdict, in its provider's form: Gemini's `promptFeedback`, `safetyRatings`
    /// and `finishMessage`, Azure's filter results, OpenAI's `moderation`, Anthropic's `stop_details`. Verdicts reach callers
    /// raw in the `signalbox` member, whatever their dialect has of its own (`wire.md` §3.2 "Safety").
    #[must_use]
    pub fn is_verdict(&self) -> bool {
        const NAMES: [&str; 8] = [
            "promptFeedback",
            "safetyRatings",
            "finishMessage",
            "prompt_filter_results",
            "content_filter_results",
            "content_filter_result",
            "moderation",
            "stop_details",
        ];
        NAMES.contains(&self.field.rsplit('.').next().unwrap_or_default())
    }

    /// The choice that a member of an answer belongs to, by the hub's name of it: 1 in `choices[1].logprobs`.
    #[must_use]
    pub fn choice(&self) -> Option<u32> {
        self.field.strip_prefix("choices[")?.split_once(']')?.0.parse().ok()
    }

    /// Whether a member of an answer stands raw in the `signalbox` member for a caller of a dialect: verdicts always do, and
    /// sources where the dialect cannot cite them (Anthropic's citations point into documents and searches of its own).
    #[must_use]
    pub fn goes_beside(&self, caller: Dialect) -> bool {
        self.is_verdict() || (caller == Dialect::AnthropicMessages && self.is_source())
    }

    /// Whether it says where a choice's words are from, in the hub's form or in OpenAI's.
    #[must_use]
    pub fn is_source(&self) -> bool {
        self.choice().is_some() && [".citations", ".annotations"].iter().any(|name| self.field.ends_with(name))
    }

    /// What a verdict says to people, where it says something.
    #[must_use]
    pub fn explains(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Told {
            explanation: Option<String>,
            #[serde(rename = "blockReasonMessage")]
            block_reason: Option<String>,
        }
        let text = self.value.get();
        let told = match self.field.rsplit('.').next().unwrap_or_default() {
            "finishMessage" => crate::json::from_str(text).ok(),
            "stop_details" | "promptFeedback" => {
                crate::json::from_str::<Told>(text).ok().and_then(|told| told.explanation.or(told.block_reason))
            }
            _ => None,
        };
        told.filter(|text: &String| !text.is_empty())
    }
}

/// What a translation did to one field. An empty list means that everything is exact.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Loss {
    /// Path of the field in the caller's request or the provider's answer.
    pub field: String,
    /// How it fared.
    pub disposition: Disposition,
    /// For people: how it was converted, or why it cannot be.
    pub reason: String,
}

/// The four fates of a field (`wire.md` "Dispositions"); exact ones are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Carried with another shape and nearly the same meaning: reported because something is not identical.
    Converted,
    /// No effect on what the answer means; left out.
    Advisory,
    /// Means something and cannot be said: the candidate is not eligible, unless the caller asked to drop.
    Unsupported,
}

impl Loss {
    /// A semantic field that the target cannot express.
    #[must_use]
    pub fn unsupported(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Unsupported, reason: reason.into() }
    }

    /// Media in an answer that its caller's dialect cannot hold; `field` is their place.
    #[must_use]
    pub fn of_media(field: String, part: &Part) -> Self {
        let what = match part {
            Part::Image(_) => "a picture",
            Part::Audio(_) => "a sound",
            _ => "a document",
        };
        Self::unsupported(field, format!("an answer in this dialect cannot hold {what}"))
    }

    /// A hint that was left out.
    #[must_use]
    pub fn advisory(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Advisory, reason: reason.into() }
    }

    /// A field that was carried, not identically.
    #[must_use]
    pub fn converted(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { field: field.into(), disposition: Disposition::Converted, reason: reason.into() }
    }
}
