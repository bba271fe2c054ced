//! The words, statuses and phrases in which providers report errors (`wire.md` §4), all lower case.

use super::FailureClass::{
    self, Auth, ContentFiltered, ContextLength, InvalidRequest, NotFound, Overloaded, QuotaExhausted, RateLimited,
    Server, Timeout,
};

/// What a word says.
pub(super) enum Meaning {
    /// Settles the class.
    Specific(FailureClass),
    /// Leaves room for the status and the message.
    General(FailureClass),
}

/// What the HTTP status alone says.
pub(super) fn of_status(status: u16) -> FailureClass {
    match status {
        401 | 403 | 407 | 451 => Auth,
        402 => QuotaExhausted,
        // 405 and 410: the address or model is wrong here, which says nothing about other candidates.
        404 | 405 | 410 => NotFound,
        408 | 504 => Timeout,
        409 | 424 | 425 | 499 => Server,
        413 => ContextLength,
        429 => RateLimited,
        498 | 503 | 529 => Overloaded,
        400..=499 => InvalidRequest,
        _ => Server,
    }
}

/// The vocabulary of `wire.md` §4, lower case.
pub(super) fn meaning(word: &str) -> Option<Meaning> {
    use Meaning::{General, Specific};
    Some(match word {
        "insufficient_quota"
        | "credit_balance_exhausted"
        | "billing_hard_limit_reached"
        | "billing_not_active"
        | "billing_error"
        | "billing_disabled"
        | "insufficient_balance"
        | "insufficient_credits"
        | "arrearage"
        | "payment_required"
        | "exceeded_current_quota_error"
        | "allocationquota.freetieronly" => Specific(QuotaExhausted),
        w if w.starts_with("linked_organization_") => Specific(QuotaExhausted),
        w if ["spend_limit_exceeded", "spend_limit_reached", "usage_limit_exceeded"]
            .iter()
            .any(|end| w.ends_with(end)) =>
        {
            Specific(QuotaExhausted)
        }

        "rate_limit_exceeded"
        | "rate_limited"
        | "rate_limit_reached"
        | "ratelimitreached"
        | "slow_down"
        | "ramp_limit_exceeded"
        | "throttling"
        | "throttled"
        | "limit_requests"
        | "limit_burst_rate" => Specific(RateLimited),
        w if w.starts_with("throttling.") => Specific(RateLimited),
        "rate_limit_error" | "too_many_requests" | "toomanyrequests" => General(RateLimited),

        "overloaded_error"
        | "overloaded"
        | "server_is_overloaded"
        | "service_unavailable_error"
        | "unavailable"
        | "service_unavailable"
        | "serviceunavailable"
        | "engine_overloaded"
        | "engine_overloaded_error"
        | "model_overloaded"
        | "capacity_exceeded"
        | "service_tier_capacity_exceeded"
        | "resource_unavailable"
        | "compaction_unavailable"
        | "no_capacity"
        | "nocapacity" => Specific(Overloaded),

        w if w.starts_with("cmek_") && w.ends_with("unavailable") => Specific(Server),
        w if w.starts_with("cmek_key_") => Specific(Auth),
        "invalid_api_key"
        | "invalidapikey"
        | "api_key_invalid"
        | "api_key_expired"
        | "authentication_error"
        | "unauthenticated"
        | "unauthorized"
        | "account_deactivated"
        | "organization_deactivated"
        | "organization_on_hold"
        | "ip_not_authorized"
        | "unsupported_country_region_territory"
        | "service_disabled"
        | "iam_permission_denied"
        | "consumer_suspended"
        | "consumer_invalid"
        | "access_token_expired"
        | "model_terms_required" => Specific(Auth),
        w if w.starts_with("api_key_") && w.ends_with("_blocked") => Specific(Auth),
        w if w.starts_with("accessdenied") || w.ends_with(".accessdenied") => Specific(Auth),
        "permission_error" | "permission_denied" | "access_denied" | "forbidden" => General(Auth),

        "model_not_found"
        | "modelnotfound"
        | "deploymentnotfound"
        | "invalid_model"
        | "unknown_model"
        | "model_not_available"
        | "model_decommissioned"
        | "not_found_error"
        | "file_expired"
        | "thread_not_found" => Specific(NotFound),
        "not_found" | "notfound" => General(NotFound),

        "context_length_exceeded"
        | "context_window_exceeded"
        | "model_context_window_exceeded"
        | "exceed_context_size_error"
        | "prompt_too_long"
        | "input_too_long"
        | "tokens_limit_reached" => Specific(ContextLength),

        "content_filter"
        | "content_filtered"
        | "content_policy_violation"
        | "responsibleaipolicyviolation"
        | "data_inspection_failed"
        | "datainspectionfailed"
        | "invalid_prompt"
        | "bio_policy"
        | "cyber_policy"
        | "content_moderation"
        | "moderation_blocked"
        | "prohibited_content"
        | "sensitivecontentdetected" => Specific(ContentFiltered),
        w if w.ends_with("_policy_violation") || w.starts_with("datainspection") => Specific(ContentFiltered),

        "timeout" | "timeout_error" | "request_timeout" | "requesttimeout" | "gateway_timeout"
        | "deadline_exceeded" => Specific(Timeout),
        "vector_store_timeout" => Specific(Server),

        "invalid_encrypted_content"
        | "data_residency_mismatch"
        | "invalid_function_call"
        | "unsupported_parameter"
        | "unsupported_value"
        | "unsupported_file"
        | "missing_required_parameter"
        | "unknown_parameter"
        | "invalid_type"
        | "invalid_image_url"
        | "string_above_max_length"
        | "tool_use_failed"
        | "json_validate_failed" => Specific(InvalidRequest),
        // Responses: `invalid_image_format`, `image_too_large`, `failed_to_download_image`, …
        w if w.starts_with("image_") || w.contains("_image") => Specific(InvalidRequest),
        "invalid_request_error"
        | "invalid_request"
        | "invalid_argument"
        | "invalid_value"
        | "bad_request"
        | "badrequest"
        | "validation_error"
        | "invalidparameter"
        | "invalid_parameter_error"
        | "request_too_large"
        | "out_of_range"
        | "unimplemented" => General(InvalidRequest),

        "server_error"
        | "api_error"
        | "internal"
        | "internal_error"
        | "internalerror"
        | "internal_server_error"
        | "internalservererror"
        | "conflict_error"
        | "cancelled"
        | "aborted"
        | "unknown"
        | "upstream_error"
        | "bad_gateway"
        | "unreachable_backend" => General(Server),
        w if w.starts_with("internalerror.") => General(Server),
        _ => return None,
    })
}

/// Money or allowance is used up.
pub(super) const QUOTA_PHRASES: &[&str] = &[
    "reached your specified",
    "credit balance is too low",
    "out of credits",
    "used all available credits",
    "insufficient balance",
    "insufficient credits",
    "insufficient funds",
    "spending limit",
    "spend limit",
    "prepay",
    "exceeded your current quota",
    "regain access on",
    "free quota",
    "free tier of the model has been exhausted",
    "account is overdue",
    "in good standing",
];

/// One call is larger than the whole limit: waiting does not make it smaller.
pub(super) const OVERSIZED_PHRASES: &[&str] =
    &["request too large", "must be reduced", "token budget", "reduce max_tokens"];

/// The credential is refused, though the status says 400.
pub(super) const KEY_PHRASES: &[&str] =
    &["api key not valid", "incorrect api key", "invalid api key", "api key expired", "organization has been disabled"];

/// A safety verdict, whatever the status: xAI's comes as a 403, DeepSeek's as a plain 400.
pub(super) const VERDICT_PHRASES: &[&str] = &[
    "content management policy",
    "content policy violation",
    "content filtering policy",
    "content exists risk",
    "violates usage guidelines",
    "our safety system",
    "violating our usage policy",
];

/// The model is not there, though the status says 400.
pub(super) const MODEL_PHRASES: &[&str] =
    &["model not exist", "model not found", "no such model", "unknown model", "invalid model", "not a valid model id"];

/// The prompt does not fit.
pub(super) const WINDOW_PHRASES: &[&str] = &[
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "maximum context length",
    "context length",
    "context window",
    "context limit",
    "context size",
    "maximum prompt length",
    "max_new_tokens` must be <=",
    "range of input length should be",
    "reduce the length of the messages",
    "too large for model with",
];
