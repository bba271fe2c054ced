//! Requests that are kept with their payloads, to be looked at and replayed (docs/captures.md). While a request runs a
//! [`tape::Tape`] takes copies of what passes; when it is over [`Made`] turns them into a [`Capture`], in which everything that a
//! caller or a provider wrote has been through [`crate::redact`]. Without a tape nothing is copied.
//!
//! What exporters are told of prompts and answers, where one asks for it, is read in the same way ([`said`]), and is no capture.
//!
//! Storing is the edge's. A capture lies under its principal's own prefix; its name says when it was made and whose it is, so
//! that nothing has to be looked up to know who may see it.

pub mod answer;
pub mod export;
pub mod made;
pub mod outcome;
pub mod payload;
pub mod said;
pub mod tape;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::sorted::Map;
use crate::telemetry::record::RequestRecord;
use payload::Payload;

/// The version of [`Capture`]'s form.
pub const VERSION: u32 = 1;

/// A capture's name: the time, backwards, so that names in order are newest first; 72 bits that nobody can guess; the
/// principal. 48 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(String);

const TIME_DIGITS: usize = 12;
const SECRET_DIGITS: usize = 12;
const ID_LENGTH: usize = 48;
const LAST_MS: u64 = (1 << 48) - 1;

impl Id {
    /// A name for a request of a principal.
    #[must_use]
    pub fn new(captured_ms: u64, secret: &[u8; 18], principal: &str) -> Self {
        let secret: String = URL_SAFE_NO_PAD.encode(secret).chars().take(SECRET_DIGITS).collect();
        Self(format!("{:012x}{secret}{principal}", LAST_MS.saturating_sub(captured_ms)))
    }

    /// Reads a name; `None` for what is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let time = text.get(..TIME_DIGITS)?.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (text.len() == ID_LENGTH && time && text.bytes().all(plain)).then(|| Self(text.to_owned()))
    }

    /// As callers see it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whose it is.
    #[must_use]
    pub fn principal(&self) -> &str {
        self.0.get(TIME_DIGITS + SECRET_DIGITS..).unwrap_or_default()
    }

    /// Where it lies.
    #[must_use]
    pub fn key(&self) -> String {
        let own = self.0.get(..TIME_DIGITS + SECRET_DIGITS).unwrap_or_default();
        format!("{}{own}", prefix_of(self.principal()))
    }

    /// Where the operator's list has it.
    #[must_use]
    pub fn index_key(&self) -> String {
        format!("{INDEX}{}", self.0)
    }
}

/// The prefix of the operator's list.
pub const INDEX: &str = "index/";

/// The prefix of one principal's captures.
#[must_use]
pub fn prefix_of(principal: &str) -> String {
    format!("captures/{principal}/")
}

/// Why a request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It is one of the share.
    Sample,
    /// It failed, or only another candidate could answer it.
    Error,
    /// Its caller's credential says so.
    Claim,
}

/// What lists show of a capture: no content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Always `capture`.
    pub object: String,
    /// Its name.
    pub id: String,
    /// When the request came, Unix ms.
    pub captured_ms: u64,
    /// From when on it is not shown any more, Unix ms.
    pub expires_ms: u64,
    /// Why it is kept.
    pub why: Why,
    /// Our id for the request.
    pub request_id: String,
    /// Its trace.
    pub trace_id: String,
    /// Whose request it was.
    pub principal: String,
    /// The caller's dialect.
    pub dialect: String,
    /// The endpoint as a template.
    pub route: String,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the caller asked for, masked.
    pub requested_model: String,
    /// `provider/model` that answered.
    pub model: Option<String>,
    /// The policy that chose.
    pub policy: String,
    /// The kind of task.
    pub task: String,
    /// HTTP status sent.
    pub status: u16,
    /// Error code, where one was answered.
    pub error: Option<String>,
    /// `candidate:outcome,…`
    pub attempts: String,
    /// From the request's arrival to its end.
    pub duration_ms: u64,
    /// From there to its first content.
    pub ttft_ms: Option<u64>,
    /// Cost of all attempts, exact decimal US dollars.
    pub cost_usd: Option<String>,
    /// How sure that is.
    pub cost_certainty: Option<String>,
    /// Bytes that are kept.
    pub bytes: u64,
    /// Places that were masked.
    pub redacted: u64,
    /// Something was longer than what is kept of it.
    pub truncated: bool,
    /// It is sealed in its store.
    pub encrypted: bool,
}

/// What was asked and what came of it. In the store its members stand beside those of [`Meta`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// [`VERSION`].
    pub version: u32,
    /// As the caller sent it.
    pub request: CallerRequest,
    /// What was decided and from what, as far as this caller may see it.
    pub decision: Option<Value>,
    /// Calls to providers, in order.
    pub sent: Vec<Sent>,
    /// What the caller got.
    pub answer: Answer,
    /// Places that were masked, by the name in the mask.
    pub redactions: Map<String, u64>,
    /// What is told of the request besides: ids, versions, attempts, usage, cost, times.
    pub record: RequestRecord,
}

/// A caller's request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallerRequest {
    /// Upper case.
    pub method: String,
    /// Without query.
    pub path: String,
    /// What of the query says how to answer (`alt`).
    pub query: String,
    /// Those that say what is asked for; credentials are not among them.
    pub headers: Map<String, String>,
    /// As it came, but for what is masked.
    pub body: Payload,
}

/// A call to a provider.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// `provider/model`.
    pub model: String,
    /// The language it was sent in.
    pub dialect: String,
    /// Without query; empty for a binding.
    pub url: String,
    /// Values of those that are not known to be harmless are masked.
    pub headers: Map<String, String>,
    /// As it was sent, but for what is masked.
    pub body: Payload,
    /// `first`, `retry`, `fallback`, … as in records.
    pub role: String,
    /// HTTP status or a word.
    pub outcome: String,
    /// What came of it.
    pub response: Payload,
}

/// What a caller got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its body, or its events.
    pub payload: Payload,
}

/// A capture as it goes to its store.
#[derive(Debug)]
pub struct Stored {
    /// Its name.
    pub id: Id,
    /// [`Meta`] as JSON.
    pub meta: String,
    /// [`Meta`]'s and [`Capture`]'s members as one JSON object.
    pub document: Vec<u8>,
}

#[cfg(test)]
mod tests;
