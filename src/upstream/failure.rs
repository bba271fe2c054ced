//! A provider's reply or silence → a class of failure with its retry scope (`wire.md` §4).

use crate::dialect::{Dialect, ProviderError};
use crate::http::Headers;

/// What kind of failure an attempt met (`wire.md` §4 "Classes").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureClass {
    /// Too many requests or tokens for now.
    RateLimited,
    /// Credit, quota or spend limit used up: waiting does not help.
    QuotaExhausted,
    /// The provider has no capacity.
    Overloaded,
    /// A provider's defect, any 5xx, a reset, an answer that is not the dialect's.
    Server,
    /// Nothing came in time (headers, first content, idle, total).
    Timeout,
    /// The connection could not be made or broke before headers.
    Connect,
    /// Our credential is refused, or our account may not do this.
    Auth,
    /// The request is wrong.
    InvalidRequest,
    /// The prompt does not fit the window.
    ContextLength,
    /// A safety verdict.
    ContentFiltered,
    /// No such model there.
    NotFound,
    /// A stream ended without its terminator.
    Cut,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// The class.
    pub class: FailureClass,
    /// HTTP status, where there was one.
    pub status: Option<u16>,
    /// The provider's report, where it could be read.
    pub error: Option<ProviderError>,
    /// The provider's hint in milliseconds (headers, then body).
    pub retry_after_ms: Option<u64>,
    /// `x-should-retry`.
    pub should_retry: Option<bool>,
}

impl AttemptFailure {
    /// A failure without a reply.
    #[must_use]
    pub fn silent(class: FailureClass) -> Self {
        Self { class, status: None, error: None, retry_after_ms: None, should_retry: None }
    }
}

/// Classifies a reply with an error status. `profile` is the provider's name or profile (`openai`, `openrouter`, …).
#[must_use]
pub fn classify_reply(
    _dialect: Dialect,
    _profile: &str,
    status: u16,
    _headers: &Headers,
    _body: &[u8],
    _now_ms: u64,
) -> AttemptFailure {
    AttemptFailure { status: Some(status), ..AttemptFailure::silent(FailureClass::Server) }
}

/// Classifies an error that arrived inside a 200 (event or body).
#[must_use]
pub fn classify_event(_dialect: Dialect, _profile: &str, error: ProviderError) -> AttemptFailure {
    AttemptFailure { error: Some(error), ..AttemptFailure::silent(FailureClass::Server) }
}
