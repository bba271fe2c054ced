//! The one line per request. Content-free by construction: it is built from ids, names, counts and class words only.

use serde::Serialize;

use crate::dialect::canonical::Usage;
use crate::policy::record::Shadow;

/// One request, told in one line of JSON.
#[derive(Debug, Default, Serialize)]
pub struct RequestLine<'a> {
    /// Always `request`: tells this line from others.
    pub message: &'static str,
    /// `info`, or `error` where the gateway or every provider failed.
    pub level: &'static str,
    /// Our id.
    pub request_id: &'a str,
    /// W3C trace id.
    pub trace_id: &'a str,
    /// W3C span id of the request.
    pub span_id: &'a str,
    /// HTTP method.
    pub method: &'a str,
    /// Path without query: a Gemini caller's key may stand in the query.
    pub path: &'a str,
    /// The caller's dialect.
    pub dialect: &'static str,
    /// Opaque principal id.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub principal: &'a str,
    /// HTTP status sent; 499 where the caller left first.
    pub status: u16,
    /// Error code, where one was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the caller asked for.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub requested_model: &'a str,
    /// `provider/model` that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    /// Policy that chose.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub policy: &'a str,
    /// Task type and how sure the classifier is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<&'a str>,
    /// What the policy's shadow would have chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<&'a Shadow>,
    /// Name under which the payloads are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture_id: Option<&'a str>,
    /// `candidate:outcome, …`
    #[serde(skip_serializing_if = "str::is_empty")]
    pub attempts: &'a str,
    /// Fields that were not exact.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<&'a str>,
    /// Where attempts met in one answer: `candidate:mode@offset`, the offset in characters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub seams: Vec<String>,
    /// Provider events that were skipped.
    #[serde(skip_serializing_if = "is_zero")]
    pub malformed_events: u32,
    /// Token counts of the answering attempt, or of all whose text the caller got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost of all attempts, exact decimal US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<String>,
    /// How sure the cost is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_certainty: Option<&'static str>,
    /// From the request's arrival to its first content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// From the request's arrival to its end.
    pub duration_ms: u64,
}

impl RequestLine<'_> {
    /// The JSON text.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde gives a reference
fn is_zero(count: &u32) -> bool {
    *count == 0
}
