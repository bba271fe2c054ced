//! What can go wrong, with blame first. One value is rendered by each dialect in its own official vocabulary.

use std::fmt;

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The request.
    Caller,
    /// The operator's policy: limits, no candidate.
    Policy,
    /// A provider.
    Upstream,
    /// This gateway or its configuration.
    Gateway,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A field is missing, of the wrong type or out of range.
    InvalidRequest,
    /// A field means something that no allowed candidate can express.
    Unsupported,
    /// No credential, or one that does not hold.
    Unauthenticated,
    /// Known, but not allowed.
    Forbidden,
    /// No such path.
    RouteNotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// No such model here.
    ModelNotFound,
    /// The body is larger than the limit.
    TooLarge,
    /// Candidates exist, none is eligible.
    NoCandidate,
    /// The principal's limit on money is reached.
    LimitReached,
    /// The principal's limit on requests or tokens is reached.
    TooFast,
    /// The prompt does not fit any candidate's window.
    ContextLength,
    /// A provider's safety verdict.
    ContentFiltered,
    /// A provider called the request invalid.
    RejectedByProvider,
    /// Every candidate is rate limited.
    RateLimited,
    /// Every candidate is overloaded.
    Overloaded,
    /// Providers failed.
    UpstreamFailed,
    /// Nothing came within the deadlines.
    Timeout,
    /// An answer broke off after its beginning had been delivered.
    StreamCut,
    /// Configuration is missing or bad.
    Unconfigured,
    /// A defect of ours.
    Internal,
}

impl ErrorKind {
    /// Whose fault it is.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self {
            Self::InvalidRequest
            | Self::Unsupported
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::RouteNotFound
            | Self::MethodNotAllowed
            | Self::ModelNotFound
            | Self::TooLarge
            | Self::ContextLength
            | Self::ContentFiltered
            | Self::RejectedByProvider => Blame::Caller,
            Self::NoCandidate | Self::LimitReached | Self::TooFast => Blame::Policy,
            Self::RateLimited | Self::Overloaded | Self::UpstreamFailed | Self::Timeout | Self::StreamCut => {
                Blame::Upstream
            }
            Self::Unconfigured | Self::Internal => Blame::Gateway,
        }
    }

    /// The HTTP status while the status line can still be chosen (DESIGN §2 "Errors").
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest
            | Self::Unsupported
            | Self::ContextLength
            | Self::ContentFiltered
            | Self::RejectedByProvider
            | Self::NoCandidate => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::RouteNotFound | Self::ModelNotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::RateLimited | Self::LimitReached | Self::TooFast => 429,
            Self::Internal => 500,
            Self::UpstreamFailed | Self::StreamCut => 502,
            Self::Overloaded | Self::Unconfigured => 503,
            Self::Timeout => 504,
        }
    }

    /// A stable machine word for `code` members and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unsupported => "unsupported_parameter",
            Self::Unauthenticated => "invalid_api_key",
            Self::Forbidden => "forbidden",
            Self::RouteNotFound => "unknown_url",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::ModelNotFound => "model_not_found",
            Self::TooLarge => "request_too_large",
            Self::NoCandidate => "no_candidate",
            Self::LimitReached => "insufficient_quota",
            Self::ContextLength => "context_length_exceeded",
            Self::ContentFiltered => "content_filter",
            Self::RejectedByProvider => "rejected_by_provider",
            Self::RateLimited | Self::TooFast => "rate_limit_exceeded",
            Self::Overloaded => "server_is_overloaded",
            Self::UpstreamFailed => "upstream_failed",
            Self::Timeout => "upstream_timeout",
            Self::StreamCut => "stream_cut",
            Self::Unconfigured => "unconfigured",
            Self::Internal => "internal_error",
        }
    }
}

/// An error on its way to the caller. Its texts name no internals, keys or prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// The field at fault, in the caller's own path notation (`messages[1].content`).
    pub param: Option<String>,
    /// Overrides [`ErrorKind::status`], such as a provider's own 4xx.
    pub status: Option<u16>,
    /// Overrides [`ErrorKind::code`], such as a provider's own code.
    pub code: Option<String>,
    /// The provider's own `type` word, kept where the caller speaks its dialect.
    pub provider_type: Option<String>,
    /// Milliseconds after which a retry can succeed.
    pub retry_after_ms: Option<u64>,
    /// Whether the caller's SDK should try again (`x-should-retry`).
    pub should_retry: bool,
    /// JSON object for OpenAI's `error.metadata` (attempts, exclusions); empty = none.
    pub metadata: String,
}

impl GatewayError {
    /// An error of a kind with its message.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            status: None,
            code: None,
            provider_type: None,
            retry_after_ms: None,
            should_retry: false,
            metadata: String::new(),
        }
    }

    /// The caller's request is wrong at `param`.
    #[must_use]
    pub fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..Self::new(ErrorKind::InvalidRequest, message) }
    }

    /// A part of the gateway does not answer now: a 503 that passes within a second or so.
    #[must_use]
    pub fn unreachable(part: &str) -> Self {
        Self {
            status: Some(503),
            should_retry: true,
            retry_after_ms: Some(1_000),
            ..Self::new(ErrorKind::Internal, format!("{part} cannot be reached now."))
        }
    }

    /// HTTP status to answer with.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.unwrap_or_else(|| self.kind.status())
    }

    /// Machine word to answer with.
    #[must_use]
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_else(|| self.kind.code())
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.message)
    }
}

impl std::error::Error for GatewayError {}
