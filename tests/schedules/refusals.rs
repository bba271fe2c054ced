//! What providers refuse with, each with what may follow: written down from the providers' own pages and SDKs
//! (`wire.md` §4), not from what the gateway makes of it.

use signalbox::dialect::Dialect;

use crate::support::START_MS;

/// Where the same request can still succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Nowhere: the request is wrong.
    Never,
    /// Nowhere: it is a safety verdict.
    Verdict,
    /// Here after a while, and elsewhere.
    Again,
    /// Not here.
    Elsewhere,
    /// Not here, and not with this key.
    OtherKey,
    /// Only in a larger window.
    Larger,
}

/// When the provider wants to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    None,
    /// So many ms after it said so.
    In(u64),
    /// At this instant.
    At(u64),
}

/// An error reply.
#[derive(Debug)]
pub struct Refusal {
    pub status: u16,
    pub headers: &'static [(&'static str, &'static str)],
    pub body: &'static str,
    pub scope: Scope,
    pub hint: Hint,
}

/// An error in a 200: its payload, and for Responses the event's type.
#[derive(Debug)]
pub struct EventError {
    pub event: &'static str,
    pub body: &'static str,
    pub scope: Scope,
}

use Hint::{At, In};
use Scope::{Again, Elsewhere, Larger, Never, OtherKey, Verdict};

/// Rows per dialect family: OpenAI's two, Anthropic, Gemini. A schedule's row counts modulo the family's.
pub const REFUSALS: [(); 24] = [(); 24];
pub const EVENT_ERRORS: [(); 6] = [(); 6];

pub fn refusal(dialect: Dialect, row: usize) -> &'static Refusal {
    let rows = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => OPENAI,
        Dialect::AnthropicMessages => ANTHROPIC,
        Dialect::Gemini => GEMINI,
    };
    &rows[row % rows.len()]
}

pub fn event_error(dialect: Dialect, row: usize) -> &'static EventError {
    let rows = match dialect {
        Dialect::OpenAiChat => OPENAI_EVENTS,
        Dialect::OpenAiResponses => RESPONSES_EVENTS,
        Dialect::AnthropicMessages => ANTHROPIC_EVENTS,
        Dialect::Gemini => GEMINI_EVENTS,
    };
    &rows[row % rows.len()]
}

const fn row(status: u16, body: &'static str, scope: Scope) -> Refusal {
    Refusal { status, headers: &[], body, scope, hint: Hint::None }
}

const fn hinted(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    scope: Scope,
    hint: Hint,
) -> Refusal {
    Refusal { status, headers, body, scope, hint }
}

const LIMITED: &str = r#"{"error":{"message":"Rate limit reached for requests","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#;
const BROKEN: &str = r#"{"error":{"message":"The server had an error while processing your request.","type":"server_error","param":null,"code":null}}"#;
const WRONG: &str = r#"{"error":{"message":"Invalid 'temperature': must be at most 2.","type":"invalid_request_error","param":"temperature","code":"invalid_value"}}"#;

const OPENAI: &[Refusal] = &[
    row(400, WRONG, Never),
    row(
        400,
        r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        Larger,
    ),
    row(
        400,
        r#"{"error":{"message":"Your request was rejected as a result of our safety system.","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#,
        Verdict,
    ),
    row(
        400,
        r#"{"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
        Verdict,
    ),
    row(
        401,
        r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        OtherKey,
    ),
    row(
        403,
        r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}"#,
        OtherKey,
    ),
    row(
        404,
        r#"{"error":{"message":"The model does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
        Elsewhere,
    ),
    row(429, LIMITED, Again),
    hinted(429, &[("retry-after", "2")], LIMITED, Again, In(2_000)),
    hinted(429, &[("retry-after-ms", "40"), ("retry-after", "1")], LIMITED, Again, In(40)),
    hinted(429, &[("retry-after", "0.25")], LIMITED, Again, In(250)),
    hinted(429, &[("retry-after", "60")], LIMITED, Again, In(60_000)),
    hinted(429, &[("retry-after", "Fri, 15 Jan 2027 08:00:03 GMT")], LIMITED, Again, At(START_MS + 3_000)),
    hinted(
        429,
        &[],
        r#"{"error":{"message":"Rate limit reached. Please try again in 1.5s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
        Again,
        In(1_500),
    ),
    hinted(
        429,
        &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")],
        LIMITED,
        Again,
        In(360_000),
    ),
    hinted(
        429,
        &[("retry-after", "1")],
        r#"{"error":{"message":"You have no credit left.","type":"insufficient_quota","param":null,"code":"credit_balance_exhausted"}}"#,
        OtherKey,
        Hint::None,
    ),
    hinted(429, &[("x-should-retry", "false")], LIMITED, Elsewhere, Hint::None),
    row(500, BROKEN, Again),
    row(502, "<html><body>Bad gateway</body></html>", Again),
    row(520, "", Again),
    hinted(
        503,
        &[("retry-after", "1")],
        r#"{"error":{"message":"The engine is currently overloaded.","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}"#,
        Again,
        In(1_000),
    ),
    row(504, "", Again),
    hinted(500, &[("x-should-retry", "false")], BROKEN, Elsewhere, Hint::None),
    hinted(400, &[("x-should-retry", "true")], WRONG, Again, Hint::None),
];

const OVERLOADED: &str =
    r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#;
const SLOW_DOWN: &str = r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your rate limit."},"request_id":"req_1"}"#;

const ANTHROPIC: &[Refusal] = &[
    row(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: must be greater than 0"}}"#,
        Never,
    ),
    row(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#,
        Larger,
    ),
    row(
        400,
        r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}"#,
        OtherKey,
    ),
    row(401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, OtherKey),
    row(
        402,
        r#"{"type":"error","error":{"type":"billing_error","message":"Your credit balance is too low."}}"#,
        OtherKey,
    ),
    row(
        403,
        r#"{"type":"error","error":{"type":"permission_error","message":"Your key may not use this resource."}}"#,
        OtherKey,
    ),
    row(404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#, Elsewhere),
    row(429, SLOW_DOWN, Again),
    hinted(429, &[("retry-after", "1")], SLOW_DOWN, Again, In(1_000)),
    hinted(429, &[("retry-after", "30")], SLOW_DOWN, Again, In(30_000)),
    hinted(
        429,
        &[
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2027-01-15T08:00:02Z"),
        ],
        SLOW_DOWN,
        Again,
        At(START_MS + 2_000),
    ),
    row(
        429,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"Spend limit.","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
        OtherKey,
    ),
    row(
        429,
        r#"{"type":"error","error":{"type":"rate_limit_error","message":"Too fast.","details":{"error_code":"ramp_limit_exceeded"}}}"#,
        Again,
    ),
    row(500, r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, Again),
    row(529, OVERLOADED, Again),
    hinted(529, &[("x-should-retry", "true")], OVERLOADED, Again, Hint::None),
    row(504, r#"{"type":"error","error":{"type":"timeout_error","message":"The request took too long."}}"#, Again),
];

const GEMINI: &[Refusal] = &[
    row(
        400,
        r#"{"error":{"code":400,"message":"Invalid value at 'generation_config.temperature'","status":"INVALID_ARGUMENT"}}"#,
        Never,
    ),
    row(
        400,
        r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#,
        OtherKey,
    ),
    row(
        400,
        r#"[{"error":{"code":400,"message":"API key expired.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}]"#,
        OtherKey,
    ),
    row(403, r#"{"error":{"code":403,"message":"Permission denied.","status":"PERMISSION_DENIED"}}"#, OtherKey),
    row(
        404,
        r#"{"error":{"code":404,"message":"models/x is not found for API version v1beta.","status":"NOT_FOUND"}}"#,
        Elsewhere,
    ),
    hinted(
        429,
        &[],
        r#"{"error":{"code":429,"message":"Resource has been exhausted.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProject"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}]}}"#,
        Again,
        In(1_500),
    ),
    hinted(
        429,
        &[],
        r#"{"error":{"code":429,"message":"Resource has been exhausted.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProject"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46s"}]}}"#,
        Again,
        In(46_000),
    ),
    row(
        429,
        r#"{"error":{"code":429,"message":"Resource has been exhausted.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36000s"}]}}"#,
        Elsewhere,
    ),
    row(
        429,
        r#"{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#,
        Again,
    ),
    row(500, r#"{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}"#, Again),
    row(503, r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#, Again),
    row(504, r#"{"error":{"code":504,"message":"Deadline expired.","status":"DEADLINE_EXCEEDED"}}"#, Again),
];

const fn event(event: &'static str, body: &'static str, scope: Scope) -> EventError {
    EventError { event, body, scope }
}

const OPENAI_EVENTS: &[EventError] = &[
    event("", BROKEN, Again),
    event("", LIMITED, Again),
    event(
        "",
        r#"{"error":{"message":"The engine is currently overloaded.","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}"#,
        Again,
    ),
    event("", WRONG, Never),
];

const RESPONSES_EVENTS: &[EventError] = &[
    event(
        "error",
        r#"{"type":"error","sequence_number":9,"code":"server_error","message":"The server had an error.","param":null}"#,
        Again,
    ),
    event(
        "response.failed",
        r#"{"type":"response.failed","sequence_number":9,"response":{"id":"resp_1","object":"response","created_at":1,"status":"failed","model":"m","output":[],"error":{"code":"rate_limit_exceeded","message":"Slow down."},"incomplete_details":null,"usage":null}}"#,
        Again,
    ),
    event(
        "response.failed",
        r#"{"type":"response.failed","sequence_number":9,"response":{"id":"resp_1","object":"response","created_at":1,"status":"failed","model":"m","output":[],"error":{"code":"invalid_prompt","message":"Not this."},"incomplete_details":null,"usage":null}}"#,
        Verdict,
    ),
];

const ANTHROPIC_EVENTS: &[EventError] = &[
    event("error", OVERLOADED, Again),
    event("error", SLOW_DOWN, Again),
    event("error", r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, Again),
    event("error", r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: wrong"}}"#, Never),
];

const GEMINI_EVENTS: &[EventError] = &[
    event("", r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#, Again),
    event("", r#"{"error":{"code":500,"message":"An internal error has occurred.","status":"INTERNAL"}}"#, Again),
    event("", r#"{"error":{"code":400,"message":"Invalid argument.","status":"INVALID_ARGUMENT"}}"#, Never),
];
