//! A provider's reply or silence → a class of failure with its retry scope (`wire.md` §4).
//!
//! Evidence is weighed in the reference's order: the body's own code, its details, its type or status word, the HTTP
//! status, and texts for people last. What the attempt machine does with a class is not decided here.
//! Read `tests/failures.rs` first: one row per line of the reference's table.

mod date;
mod evidence;
mod hint;
mod read;
mod vocabulary;

use crate::dialect::{Dialect, ProviderError};
use crate::http::Headers;

pub use evidence::report_tree;
pub use read::read_error;

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
    /// Nothing came in time (headers, first content, idle, total), or the provider says that it took too long.
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

/// Where the same request can still succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetryScope {
    /// Nowhere: the request is at fault, and a laxer reader elsewhere would answer something else than was asked.
    Never,
    /// The failure passes: at the same candidate after a pause, then elsewhere.
    SameThenOther,
    /// It lasts at this candidate (key, quota, model name, a route that stays silent) and says nothing about others.
    OtherOnly,
    /// Only where the window is larger, or not known.
    LargerWindow,
    /// Nowhere, because it is the answer: a verdict of one provider's safety rules is not shopped around.
    Answer,
}

/// How an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptFailure {
    /// The class.
    pub class: FailureClass,
    /// HTTP status; in an answer that began as 200, the status that the error itself names.
    pub status: Option<u16>,
    /// The provider's report, where it could be read.
    pub error: Option<ProviderError>,
    /// The provider's hint in milliseconds from now (headers, then body).
    pub retry_after_ms: Option<u64>,
    /// `x-should-retry`, or `Some(false)` where the evidence says that the same call cannot succeed here.
    pub should_retry: Option<bool>,
}

impl FailureClass {
    /// The scope of the class as such; [`AttemptFailure::retry_scope`] knows more.
    #[must_use]
    pub fn retry_scope(self) -> RetryScope {
        match self {
            Self::RateLimited | Self::Overloaded | Self::Server | Self::Connect | Self::Cut => {
                RetryScope::SameThenOther
            }
            Self::QuotaExhausted | Self::Auth | Self::NotFound | Self::Timeout => RetryScope::OtherOnly,
            Self::ContextLength => RetryScope::LargerWindow,
            Self::ContentFiltered => RetryScope::Answer,
            Self::InvalidRequest => RetryScope::Never,
        }
    }

    /// The word in headers, logs and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Overloaded => "overloaded",
            Self::Server => "server_error",
            Self::Timeout => "timeout",
            Self::Connect => "connect",
            Self::Auth => "auth",
            Self::InvalidRequest => "invalid_request",
            Self::ContextLength => "context_length",
            Self::ContentFiltered => "content_filtered",
            Self::NotFound => "not_found",
            Self::Cut => "cut",
        }
    }
}

impl AttemptFailure {
    /// A failure without a reply.
    #[must_use]
    pub fn silent(class: FailureClass) -> Self {
        Self { class, status: None, error: None, retry_after_ms: None, should_retry: None }
    }

    /// The provider said something, as opposed to silence or a broken connection.
    #[must_use]
    pub fn replied(&self) -> bool {
        self.status.is_some() || self.error.is_some()
    }

    /// Where the request can still succeed. Differs from the class's scope where the provider says so
    /// (`x-should-retry`), where a timeout was reported rather than suffered, and where what was not found is not the
    /// model.
    #[must_use]
    pub fn retry_scope(&self) -> RetryScope {
        let scope = match self.class {
            FailureClass::Timeout if self.replied() => RetryScope::SameThenOther,
            FailureClass::NotFound if self.names_a_lost_object() => RetryScope::Never,
            class => class.retry_scope(),
        };
        match (self.should_retry, scope) {
            (Some(false), RetryScope::SameThenOther) => RetryScope::OtherOnly,
            (Some(true), RetryScope::OtherOnly | RetryScope::Never) if self.class != FailureClass::QuotaExhausted => {
                RetryScope::SameThenOther
            }
            (_, scope) => scope,
        }
    }

    /// The history carries reasoning that this provider or account cannot read: it can succeed once without it, or
    /// where it came from (`wire.md` §1.2 "Reasoning replay", trap 30).
    #[must_use]
    pub fn foreign_reasoning(&self) -> bool {
        self.class == FailureClass::InvalidRequest
            && self.error.as_ref().is_some_and(|e| evidence::foreign_reasoning(e.code.as_deref(), &e.message))
    }

    /// Every model behind the same key would meet it: a refused credential or an empty account, unless the provider
    /// speaks of this model alone.
    #[must_use]
    pub fn is_account_wide(&self) -> bool {
        let says = |word: &str| self.error.as_ref().is_some_and(|e| e.raw.contains(word) || e.message.contains(word));
        match self.class {
            FailureClass::QuotaExhausted => !says("PerModel"),
            FailureClass::Auth => !(self.status == Some(403) && says("model")),
            _ => false,
        }
    }

    fn names_a_lost_object(&self) -> bool {
        let Some(error) = &self.error else { return false };
        ["file_expired", "thread_not_found"]
            .iter()
            .any(|word| error.code.as_deref() == Some(word) || error.raw.contains(&format!("\"{word}\"")))
    }
}

/// Classifies a reply with an error status. `profile` is the provider's name or profile (`openai`, `openrouter`, …);
/// it only decides where two providers mean different things by the same word. `now_ms` is Unix time.
#[must_use]
pub fn classify_reply(
    dialect: Dialect,
    profile: &str,
    status: u16,
    headers: &Headers,
    body: &[u8],
    now_ms: u64,
) -> AttemptFailure {
    let error =
        dialect.decode_error(body).filter(|e| e.code.is_some() || e.kind.is_some()).or_else(|| read_error(body));
    let mut failure = judge(profile, Some(status), error, hint::from_headers(headers, now_ms));
    if failure.retry_after_ms.is_none() && failure.class == FailureClass::RateLimited {
        let quoted = || hint::from_quoted_headers(&failure.error.as_ref()?.raw, now_ms);
        failure.retry_after_ms = hint::from_rate_headers(headers, now_ms).or_else(quoted);
    }
    match headers.value("x-should-retry").map(str::trim) {
        Some(word) if word.eq_ignore_ascii_case("true") && failure.class != FailureClass::QuotaExhausted => {
            failure.should_retry = Some(true);
        }
        Some(word) if word.eq_ignore_ascii_case("false") => failure.should_retry = Some(false),
        _ => {}
    }
    failure
}

/// Classifies an error that arrived inside a 200 (event or body).
#[must_use]
pub fn classify_event(_dialect: Dialect, profile: &str, error: ProviderError) -> AttemptFailure {
    judge(profile, None, Some(error), None)
}

fn judge(profile: &str, status: Option<u16>, error: Option<ProviderError>, header_hint: Option<u64>) -> AttemptFailure {
    let evidence = evidence::Evidence::gather(profile, status, error.as_ref(), header_hint);
    let verdict = evidence.verdict();
    AttemptFailure {
        class: verdict.class,
        status: evidence.status,
        retry_after_ms: evidence.retry_after_ms,
        should_retry: verdict.hopeless_here.then_some(false),
        error,
    }
}
