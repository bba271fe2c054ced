//! One row per line of `wire.md` §4: what a provider says, and what it means for the attempt.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // test helpers

use std::path::{Path, PathBuf};

use signalbox::dialect::Dialect::{self, AnthropicMessages, Gemini, OpenAiChat};
use signalbox::http::Headers;
use signalbox::sse::Decoder;
use signalbox::upstream::failure::FailureClass::{self, *};
use signalbox::upstream::failure::RetryScope::{self, Answer, LargerWindow, Never, OtherOnly, SameThenOther};
use signalbox::upstream::failure::{classify_event, classify_reply, read_error, AttemptFailure};

const NOW: u64 = 1_795_000_000_000;

fn reply(dialect: Dialect, profile: &str, status: u16, headers: &[(&str, &str)], body: &str) -> AttemptFailure {
    let headers: Headers = headers.iter().copied().collect();
    classify_reply(dialect, profile, status, &headers, body.as_bytes(), NOW)
}

/// Profile, status, body, class, scope.
type Row = (&'static str, u16, &'static str, FailureClass, RetryScope);

fn check(dialect: Dialect, rows: &[Row]) {
    for (profile, status, body, class, scope) in rows {
        let failure = reply(dialect, profile, *status, &[], body);
        assert_eq!((failure.class, failure.retry_scope()), (*class, *scope), "{profile} {status} {body}");
        assert_eq!(failure.status, Some(*status), "{profile} {status} {body}");
    }
}

#[test]
fn a_wait_of_more_than_a_month_is_not_believed() {
    for hint in ["99999999999999999999", "1e300", "3000000"] {
        let failure = reply(OpenAiChat, "openai", 429, &[("retry-after", hint)], "{}");
        assert_eq!(failure.retry_after_ms, Some(31 * 24 * 3_600_000), "{hint}");
    }
}

#[test]
fn openai() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("openai", 401, r#"{"error":{"message":"Incorrect API key provided: sk-x","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#, Auth, OtherOnly),
        ("openai", 401, r#"{"error":{"message":"Your IP is not authorized","type":"invalid_request_error","code":"ip_not_authorized"}}"#, Auth, OtherOnly),
        ("openai", 403, r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","code":"unsupported_country_region_territory"}}"#, Auth, OtherOnly),
        ("openai", 403, r#"{"error":{"message":"Your organization is not part of the Daybreak program","type":"invalid_request_error","code":null}}"#, Auth, OtherOnly),
        ("openai", 404, r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#, NotFound, OtherOnly),
        ("openai", 404, r#"{"error":{"message":"Unknown","type":"invalid_request_error","code":null}}"#, NotFound, OtherOnly),
        ("openai", 400, r#"{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, ContextLength, LargerWindow),
        ("openai", 400, r#"{"error":{"message":"The encrypted content gAAA could not be verified.","type":"invalid_request_error","code":"invalid_encrypted_content"}}"#, InvalidRequest, Never),
        ("openai", 400, r#"{"error":{"message":"flagged","type":"invalid_request_error","code":"invalid_prompt"}}"#, ContentFiltered, Answer),
        ("openai", 400, r#"{"error":{"message":"blocked","type":"image_generation_user_error","code":"content_policy_violation"}}"#, ContentFiltered, Answer),
        ("openai", 400, r#"{"error":{"message":"Unsupported value: 'temperature'","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}"#, InvalidRequest, Never),
        ("openai", 400, r#"{"error":{"message":"Invalid schema","type":"invalid_request_error","param":"tools","code":null}}"#, InvalidRequest, Never),
        ("openai", 429, r#"{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}"#, RateLimited, SameThenOther),
        ("openai", 429, r#"{"error":{"message":"Request too large for gpt-x on tokens per min (TPM): Limit 10, Requested 30. The input or output tokens must be reduced","type":"tokens","code":"rate_limit_exceeded"}}"#, RateLimited, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"ramping too fast","type":"rate_limit_error","code":"slow_down"}}"#, RateLimited, SameThenOther),
        ("openai", 429, r#"{"error":{"message":"m","type":"insufficient_quota","code":"credit_balance_exhausted"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"m","type":"insufficient_quota","code":"organization_spend_limit_exceeded"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"m","type":"insufficient_quota","code":"project_spend_limit_exceeded"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"m","type":"rate_limit_error","code":"organization_usage_limit_exceeded"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"m","type":"insufficient_quota","code":null}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"m","type":"x","code":"billing_hard_limit_reached"}}"#, QuotaExhausted, OtherOnly),
        ("openai", 429, r#"{"error":{"message":"slow","type":"insufficient_quota","code":"rate_limit_exceeded"}}"#, RateLimited, SameThenOther),
        ("openai", 429, r#"{"error":{"message":"flex","type":"rate_limit_error","code":"resource_unavailable"}}"#, Overloaded, SameThenOther),
        ("openai", 503, r#"{"error":{"message":"m","type":"service_unavailable_error","code":"server_is_overloaded"}}"#, Overloaded, SameThenOther),
        ("openai", 500, r#"{"error":{"message":"The server had an error","type":"server_error","code":null}}"#, Server, SameThenOther),
        ("openai", 502, r#"{"error":{"message":"m","type":"server_error"}}"#, Server, SameThenOther),
        ("openai", 504, "", Timeout, SameThenOther),
        ("openai", 408, "", Timeout, SameThenOther),
        ("openai", 409, r#"{"error":{"message":"conflict","type":"invalid_request_error"}}"#, Server, SameThenOther),
    ];
    check(OpenAiChat, rows);
}

#[test]
fn azure() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("azure", 400, r#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#, ContentFiltered, Answer),
        ("azure", 400, r#"{"error":{"message":"filtered","code":null,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#, ContentFiltered, Answer),
        ("azure", 429, r#"{"error":{"code":"429","message":"Requests have exceeded the rate limit of your tier. Please retry after 6 seconds."}}"#, RateLimited, SameThenOther),
        ("azure", 429, r#"{"error":{"code":"429","message":"The request exceeds the token budget: reduce max_tokens"}}"#, RateLimited, OtherOnly),
        ("azure", 404, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment does not exist"}}"#, NotFound, OtherOnly),
        ("azure", 401, r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#, Auth, OtherOnly),
    ];
    check(OpenAiChat, rows);
    let failure = reply(OpenAiChat, "azure", 429, &[], rows[2].2);
    assert_eq!(failure.retry_after_ms, Some(6_000), "the message is the last place to look for a delay");
}

#[test]
fn anthropic() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"}}"#, InvalidRequest, Never),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#, ContextLength, LargerWindow),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 3"}}"#, ContextLength, LargerWindow),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified workspace API usage limits."}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API"}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"organization_on_hold"}}}"#, Auth, OtherOnly),
        ("anthropic", 400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"m","details":{"error_code":"cmek_key_disabled"}}}"#, Auth, OtherOnly),
        ("anthropic", 401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, Auth, OtherOnly),
        ("anthropic", 403, r#"{"type":"error","error":{"type":"permission_error","message":"m"}}"#, Auth, OtherOnly),
        ("anthropic", 402, r#"{"type":"error","error":{"type":"billing_error","message":"m"}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 402, r#"{"type":"error","error":{"type":"billing_error","message":"m","details":{"error_code":"linked_organization_unpaid"}}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#, NotFound, OtherOnly),
        ("anthropic", 404, r#"{"type":"error","error":{"type":"not_found_error","message":"m","details":{"error_code":"file_expired"}}}"#, NotFound, Never),
        ("anthropic", 404, r#"{"type":"error","error":{"type":"not_found_error","message":"m","details":{"error_code":"thread_not_found"}}}"#, NotFound, Never),
        ("anthropic", 409, r#"{"type":"error","error":{"type":"conflict_error","message":"m"}}"#, Server, SameThenOther),
        ("anthropic", 413, r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, ContextLength, LargerWindow),
        ("anthropic", 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#, RateLimited, SameThenOther),
        ("anthropic", 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"ramp_limit_exceeded"}}}"#, RateLimited, SameThenOther),
        ("anthropic", 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"contract_spend_limit_reached"}}}"#, QuotaExhausted, OtherOnly),
        ("anthropic", 500, r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, Server, SameThenOther),
        ("anthropic", 503, r#"{"type":"error","error":{"type":"api_error","message":"m","details":{"error_code":"cmek_service_unavailable"}}}"#, Server, SameThenOther),
        ("anthropic", 503, r#"{"type":"error","error":{"type":"api_error","message":"m","details":{"error_code":"cmek_key_unavailable"}}}"#, Server, SameThenOther),
        ("anthropic", 504, r#"{"type":"error","error":{"type":"timeout_error","message":"m"}}"#, Timeout, SameThenOther),
        ("anthropic", 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Overloaded, SameThenOther),
        ("anthropic", 529, r#"{"type":"error","error":{"type":"overloaded_error","message":"m","details":{"error_code":"compaction_unavailable"}}}"#, Overloaded, SameThenOther),
    ];
    check(AnthropicMessages, rows);
}

#[test]
fn gemini() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("gemini", 400, r#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#, Auth, OtherOnly),
        ("gemini", 400, r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]"#, Auth, OtherOnly),
        ("gemini", 400, r#"{"error":{"code":400,"message":"The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}"#, ContextLength, LargerWindow),
        ("gemini", 400, r#"{"error":{"code":400,"message":"Please use a valid role","status":"INVALID_ARGUMENT"}}"#, InvalidRequest, Never),
        ("gemini", 400, r#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#, Auth, OtherOnly),
        ("gemini", 400, r#"{"error":{"code":400,"message":"Please enable billing on project 1","status":"FAILED_PRECONDITION"}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 402, r#"{"error":{"code":402,"message":"Prepay balance is empty","status":"RESOURCE_EXHAUSTED"}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 403, r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED"}}"#, Auth, OtherOnly),
        ("gemini", 404, r#"{"error":{"code":404,"message":"m","status":"NOT_FOUND"}}"#, NotFound, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]},{"retryDelay":"46s"}]}}"#, RateLimited, SameThenOther),
        ("gemini", 429, r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"retryDelay":"46s"}]}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"XPerMinute"},{"quotaId":"XPerDay"}]}]}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"Quota exceeded for metric x, limit: 0, model: y","status":"RESOURCE_EXHAUSTED"}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"Quota exceeded for metric x, limit: 05","status":"RESOURCE_EXHAUSTED"}}"#, RateLimited, SameThenOther),
        ("gemini", 429, r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"36000s"}]}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"Your project has exceeded its spend cap","status":"RESOURCE_EXHAUSTED"}}"#, QuotaExhausted, OtherOnly),
        ("gemini", 429, r#"{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#, RateLimited, SameThenOther),
        ("gemini", 499, r#"{"error":{"code":499,"message":"m","status":"CANCELLED"}}"#, Server, SameThenOther),
        ("gemini", 500, r#"{"error":{"code":500,"message":"m","status":"INTERNAL"}}"#, Server, SameThenOther),
        ("gemini", 503, r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#, Overloaded, SameThenOther),
        ("gemini", 504, r#"{"error":{"code":504,"message":"m","status":"DEADLINE_EXCEEDED"}}"#, Timeout, SameThenOther),
    ];
    check(Gemini, rows);
}

#[test]
fn mistral_deepseek_qwen() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("mistral", 401, r#"{"detail":"Unauthorized"}"#, Auth, OtherOnly),
        ("mistral", 402, r#"{"object":"error","message":"m","type":"payment","param":null,"code":null}"#, QuotaExhausted, OtherOnly),
        ("mistral", 403, r#"{"object":"error","message":"Request blocked by guardrail","type":"forbidden","code":"2010"}"#, ContentFiltered, Answer),
        ("mistral", 403, r#"{"object":"error","message":"Content blocked: selfharm","type":"content_policy","code":"2011"}"#, ContentFiltered, Answer),
        ("mistral", 403, r#"{"object":"error","message":"You have no access to this model","type":"forbidden","code":"2012"}"#, Auth, OtherOnly),
        ("mistral", 403, r#"{"message":"Your region is not supported","type":"request_forbidden"}"#, Auth, OtherOnly),
        ("mistral", 403, "", Auth, OtherOnly),
        ("mistral", 400, r#"{"object":"error","message":"Tool call id was x but must be a-z","type":"invalid_function_call","param":null,"code":"3280","raw_status_code":400}"#, InvalidRequest, Never),
        ("mistral", 400, r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","param":null,"code":"1500"}"#, NotFound, OtherOnly),
        ("mistral", 422, r#"{"detail":[{"loc":["body","messages"],"msg":"Field required","type":"missing"}]}"#, InvalidRequest, Never),
        ("mistral", 400, r#"{"object":"error","message":"m","type":"invalid_request","param":null,"code":"3036"}"#, InvalidRequest, Never),
        ("mistral", 429, r#"{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300"}"#, RateLimited, SameThenOther),
        ("mistral", 429, r#"{"object":"error","message":"Service tier capacity exceeded for this model.","type":"service_tier_capacity_exceeded","code":"3505"}"#, Overloaded, SameThenOther),
        ("mistral", 500, r#"{"object":"error","message":"m","type":"internal_server_error","code":"1000"}"#, Server, SameThenOther),
        ("mistral", 502, "", Server, SameThenOther),
        ("mistral", 503, r#"{"message":"m"}"#, Overloaded, SameThenOther),
        ("mistral", 504, "", Timeout, SameThenOther),
        ("deepseek", 400, r#"{"error":{"message":"The reasoning_content in the thinking mode must be passed back","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#, InvalidRequest, Never),
        ("deepseek", 422, r#"{"error":{"message":"m","type":"invalid_request_error"}}"#, InvalidRequest, Never),
        ("deepseek", 401, r#"{"error":{"message":"Authentication Fails","type":"authentication_error","code":"invalid_request_error"}}"#, Auth, OtherOnly),
        ("deepseek", 402, r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}"#, QuotaExhausted, OtherOnly),
        ("deepseek", 429, r#"{"error":{"message":"too many concurrent requests","type":"rate_limit_error"}}"#, RateLimited, SameThenOther),
        ("deepseek", 500, "", Server, SameThenOther),
        ("deepseek", 503, "", Overloaded, SameThenOther),
        ("qwen", 401, r#"{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","code":"invalid_api_key"}}"#, Auth, OtherOnly),
        ("qwen", 401, r#"{"code":"InvalidApiKey","message":"m","request_id":"r"}"#, Auth, OtherOnly),
        ("qwen", 404, r#"{"error":{"message":"m","type":"invalid_request_error","code":"ModelNotFound"}}"#, NotFound, OtherOnly),
        ("qwen", 403, r#"{"error":{"message":"Access denied.","type":"AccessDenied","code":"AccessDenied"}}"#, Auth, OtherOnly),
        ("qwen", 400, r#"{"error":{"message":"Access denied, please make sure your account is in good standing.","type":"Arrearage","code":"Arrearage"}}"#, QuotaExhausted, OtherOnly),
        ("qwen", 400, r#"{"code":"DataInspectionFailed","message":"Input data may contain inappropriate content.","request_id":"r"}"#, ContentFiltered, Answer),
        ("qwen", 400, r#"{"error":{"message":"m","type":"data_inspection_failed","code":"data_inspection_failed"}}"#, ContentFiltered, Answer),
        ("qwen", 400, r#"{"error":{"message":"Range of input length should be [1, 98304]","type":"invalid_request_error","code":"invalid_parameter_error"}}"#, ContextLength, LargerWindow),
        ("qwen", 429, r#"{"code":"Throttling.RateQuota","message":"m","request_id":"r"}"#, RateLimited, SameThenOther),
        ("qwen", 429, r#"{"error":{"message":"m","type":"limit_requests","code":"limit_requests"}}"#, RateLimited, SameThenOther),
        ("qwen", 429, r#"{"error":{"message":"m","type":"x","code":"limit_burst_rate"}}"#, RateLimited, SameThenOther),
        ("qwen", 429, r#"{"code":"Throttling.AllocationQuota","message":"Allocated quota exceeded, please increase your quota limit.","request_id":"r"}"#, RateLimited, SameThenOther),
        ("qwen", 429, r#"{"error":{"message":"Tokens per minute (TPM) limit exceeded","type":"insufficient_quota","code":"insufficient_quota"}}"#, RateLimited, SameThenOther),
        ("qwen", 429, r#"{"error":{"message":"Free allocated quota exceeded.","type":"insufficient_quota","code":"insufficient_quota"}}"#, QuotaExhausted, OtherOnly),
        ("qwen", 403, r#"{"code":"AllocationQuota.FreeTierOnly","message":"The free tier of the model has been exhausted.","request_id":"r"}"#, QuotaExhausted, OtherOnly),
    ];
    check(OpenAiChat, rows);
}

#[test]
fn openrouter_groq_workers_ai_and_anything_else() {
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("openrouter", 402, r#"{"error":{"message":"Insufficient credits","code":402}}"#, QuotaExhausted, OtherOnly),
        ("openrouter", 402, r#"{"error":{"message":"m","code":402,"metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#, QuotaExhausted, OtherOnly),
        ("openrouter", 403, r#"{"error":{"message":"m","code":403,"metadata":{"reasons":["violence"],"flagged_input":"x","provider_name":"p"}}}"#, ContentFiltered, Answer),
        ("openrouter", 403, r#"{"error":{"message":"Key disabled","code":403}}"#, Auth, OtherOnly),
        ("openrouter", 408, r#"{"error":{"message":"m","code":408}}"#, Timeout, SameThenOther),
        ("openrouter", 429, r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"code\":\"insufficient_quota\"}}","provider_name":"p"}}}"#, RateLimited, SameThenOther),
        ("openrouter", 429, r#"{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests per day","code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0"}}}}"#, QuotaExhausted, OtherOnly),
        ("openrouter", 429, r#"{"error":{"message":"m","code":429,"metadata":{"limit_source":"openrouter_free_tier_daily"}}}"#, QuotaExhausted, OtherOnly),
        ("openrouter", 502, r#"{"error":{"message":"m","code":502}}"#, Server, SameThenOther),
        ("openrouter", 503, r#"{"error":{"message":"No provider available","code":503}}"#, Overloaded, SameThenOther),
        ("openrouter", 400, r#"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"too long\",\"code\":\"context_length_exceeded\"}}"}}}"#, ContextLength, LargerWindow),
        ("groq", 498, r#"{"error":{"message":"m","type":"x","code":"capacity_exceeded"}}"#, Overloaded, SameThenOther),
        ("groq", 424, r#"{"error":{"message":"m","type":"x"}}"#, Server, OtherOnly),
        ("groq", 413, r#"{"error":{"message":"Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 8000","type":"tokens","code":"rate_limit_exceeded"}}"#, ContextLength, LargerWindow),
        ("workers-ai", 429, r#"{"errors":[{"code":3036,"message":"You have used up your daily free allocation of neurons"}],"success":false,"result":{},"messages":[]}"#, QuotaExhausted, OtherOnly),
        ("workers-ai", 429, r#"{"errors":[{"code":3040,"message":"Capacity temporarily exceeded"}],"success":false}"#, Overloaded, SameThenOther),
        ("workers-ai", 429, r#"{"error":{"message":"AiError: 3036: neurons","type":"x"}}"#, QuotaExhausted, OtherOnly),
        ("own-name", 429, r#"{"errors":[{"code":3036,"message":"m"}],"success":false}"#, QuotaExhausted, OtherOnly),
        ("workers-ai", 408, r#"{"errors":[{"code":3007,"message":"m"}],"success":false}"#, Timeout, SameThenOther),
        ("workers-ai", 408, r#"{"errors":[{"code":3008,"message":"m"}],"success":false}"#, Timeout, SameThenOther),
        ("workers-ai", 413, r#"{"errors":[{"code":3006,"message":"m"}],"success":false}"#, ContextLength, LargerWindow),
        ("workers-ai", 404, r#"{"errors":[{"code":3042,"message":"m"}],"success":false}"#, NotFound, OtherOnly),
        ("workers-ai", 400, r#"{"errors":[{"code":5007,"message":"No such model"}],"success":false}"#, NotFound, OtherOnly),
        ("workers-ai", 403, r#"{"errors":[{"code":5016,"message":"m"}],"success":false}"#, Auth, OtherOnly),
        ("workers-ai", 403, r#"{"errors":[{"code":5018,"message":"m"}],"success":false}"#, Auth, OtherOnly),
        ("workers-ai", 403, r#"{"errors":[{"code":3023,"message":"m"}],"success":false}"#, Auth, OtherOnly),
        ("workers-ai", 403, r#"{"errors":[{"code":3041,"message":"m"}],"success":false}"#, Auth, OtherOnly),
        ("any", 520, "<html>Web server is returning an unknown error</html>", Server, SameThenOther),
        ("any", 524, "<!DOCTYPE html><title>A timeout occurred</title>", Server, SameThenOther),
        ("any", 500, "", Server, SameThenOther),
        ("any", 502, "<html>Bad gateway</html>", Server, SameThenOther),
        ("xai", 400, r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***"}"#, Auth, OtherOnly),
        ("xai", 403, r#"{"code":"The caller does not have permission","error":"Your team has used all available credits"}"#, QuotaExhausted, OtherOnly),
        ("llamacpp", 400, r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error"}}"#, ContextLength, LargerWindow),
        ("llamacpp", 500, r#"{"error":{"code":500,"message":"the request exceeds the available context size. try increasing it","type":"server_error"}}"#, ContextLength, LargerWindow),
        ("llamacpp", 500, r#"{"error":{"code":500,"message":"Cannot use both json_schema and grammar","type":"server_error"}}"#, Server, SameThenOther),
        ("relay", 400, r#"{"error":{"message":"The encrypted content for item rs_1 could not be verified.","type":"invalid_request_error"}}"#, InvalidRequest, Never),
    ];
    check(OpenAiChat, rows);
    for row in [2, 4] {
        let failure = reply(OpenAiChat, rows[row].0, rows[row].1, &[], rows[row].2);
        assert!(!failure.foreign_reasoning());
    }
    let relay = rows[rows.len() - 1];
    assert!(reply(OpenAiChat, relay.0, relay.1, &[], relay.2).foreign_reasoning(), "trap 30");
}

/// Words for people, where a provider gives no other: what providers are known to write, under whatever status they write it.
#[test]
fn a_text_tells_what_status_and_code_do_not() {
    let of = |status: u16, message: &str| {
        let body = serde_json::json!({"error": {"message": message, "type": "invalid_request_error", "code": null}});
        let failure = reply(OpenAiChat, "own-name", status, &[], &body.to_string());
        (failure.class, failure.retry_scope())
    };
    #[rustfmt::skip]
    let rows = [
        (400, "Output blocked by content filtering policy", ContentFiltered, Answer),
        (400, "Content Exists Risk", ContentFiltered, Answer),
        (403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", ContentFiltered, Answer),
        (400, "Your request was rejected as a result of our safety system.", ContentFiltered, Answer),
        (400, "This model's maximum prompt length is 131072 but the request contains 537812 tokens.", ContextLength, LargerWindow),
        (400, "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 9000 `inputs` tokens", ContextLength, LargerWindow),
        (400, "Model Not Exist", NotFound, OtherOnly),
        (400, "acme/big is not a valid model ID", NotFound, OtherOnly),
        (400, "The model `big` does not exist or you do not have access to it.", NotFound, OtherOnly),
        (400, "This organization has been disabled.", Auth, OtherOnly),
        (400, "You will regain access on 2026-12-01 at 00:00 UTC.", QuotaExhausted, OtherOnly),
        (429, "You exceeded your current quota, please check your plan and billing details.", QuotaExhausted, OtherOnly),
        (403, "Your key may not use this", Auth, OtherOnly),
        (400, "max_tokens is too large: 5000. This model supports at most 4096 completion tokens", InvalidRequest, Never),
        (400, "The file `f` does not exist", InvalidRequest, Never),
    ];
    for (status, message, class, scope) in rows {
        assert_eq!(of(status, message), (class, scope), "{status} {message}");
    }
}

#[test]
fn an_address_that_points_elsewhere_is_not_asked_twice() {
    for status in [301, 302, 307, 308] {
        let failure = reply(OpenAiChat, "own-name", status, &[("location", "https://elsewhere.example/")], "");
        assert_eq!((failure.class, failure.retry_scope()), (Server, OtherOnly), "{status}");
    }
}

#[test]
fn an_in_flight_budget_of_openrouter_comes_back() {
    let body = r#"{"error":{"message":"m","code":402,"metadata":{"limit_source":"openrouter_in_flight_budget"}}}"#;
    let failure = reply(OpenAiChat, "openrouter", 402, &[("Retry-After", "2")], body);
    assert_eq!((failure.class, failure.retry_after_ms), (RateLimited, Some(2_000)));
    let other = r#"{"error":{"message":"m","code":402,"metadata":{"limit_source":"account"}}}"#;
    assert_eq!(reply(OpenAiChat, "openrouter", 402, &[("retry-after", "2")], other).class, QuotaExhausted);
}

#[test]
fn a_limit_that_a_relay_quotes_tells_when_to_come_back() {
    let body = format!(
        r#"{{"error":{{"message":"Rate limit exceeded: free-models-per-min","code":429,"metadata":{{"headers":{{"X-RateLimit-Limit":"20","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"{}"}}}}}}}}"#,
        NOW + 9_000
    );
    let failure = reply(OpenAiChat, "openrouter", 429, &[], &body);
    assert_eq!((failure.class, failure.retry_after_ms), (RateLimited, Some(9_000)));
    let left = body.replace(r#""X-RateLimit-Remaining":"0""#, r#""X-RateLimit-Remaining":"3""#);
    assert_eq!(reply(OpenAiChat, "openrouter", 429, &[], &left).retry_after_ms, None);
}

#[test]
fn errors_inside_a_200_are_classified_like_replies() {
    for (dialect, body, class, status) in [
        (
            AnthropicMessages,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            Overloaded,
            None,
        ),
        (AnthropicMessages, r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#, Server, None),
        (
            AnthropicMessages,
            r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#,
            QuotaExhausted,
            None,
        ),
        (AnthropicMessages, r#"{"type":"error","error":{"type":"rate_limit_error","message":"m"}}"#, RateLimited, None),
        (OpenAiChat, r#"{"error":{"message":"m","type":"server_error","code":null}}"#, Server, None),
        (OpenAiChat, r#"{"error":{"message":"m","code":502},"choices":[]}"#, Server, Some(502)),
        (OpenAiChat, r#"{"error":{"message":"m","code":429,"metadata":{"retry_after":2}}}"#, RateLimited, Some(429)),
        (OpenAiChat, r#"{"error":{"message":"m","code":"content_filter","status":400}}"#, ContentFiltered, Some(400)),
        (
            OpenAiChat,
            r#"{"error":{"message":"m","type":"invalid_request_error","status_code":400}}"#,
            InvalidRequest,
            Some(400),
        ),
        (OpenAiChat, r#"{"type":"error","code":"rate_limit_exceeded","message":"m","param":null}"#, RateLimited, None),
        (OpenAiChat, r#"{"response":{"error":{"code":"server_error","message":"m"}}}"#, Server, None),
        (OpenAiChat, r#"{"response":{"error":{"code":"invalid_prompt","message":"m"}}}"#, ContentFiltered, None),
        (OpenAiChat, r#"{"response":{"error":{"code":"bio_policy","message":"m"}}}"#, ContentFiltered, None),
        (
            OpenAiChat,
            r#"{"response":{"error":{"code":"misalignment_policy_violation","message":"m"}}}"#,
            ContentFiltered,
            None,
        ),
        (OpenAiChat, r#"{"response":{"error":{"code":"image_too_large","message":"m"}}}"#, InvalidRequest, None),
        (OpenAiChat, r#"{"response":{"error":{"code":"vector_store_timeout","message":"m"}}}"#, Server, None),
        (
            OpenAiChat,
            r#"{"response":{"error":{"code":"data_residency_mismatch","message":"m"}}}"#,
            InvalidRequest,
            None,
        ),
        (Gemini, r#"{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}"#, Overloaded, Some(503)),
        (
            Gemini,
            r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"2s"}]}}"#,
            RateLimited,
            Some(429),
        ),
    ] {
        let failure = classify_event(dialect, "any", read_error(body.as_bytes()).unwrap());
        assert_eq!((failure.class, failure.status), (class, status), "{body}");
        let hinted = body.contains("retry");
        assert_eq!(failure.retry_after_ms, hinted.then_some(2_000), "{body}");
    }
}

#[test]
fn a_report_that_kept_its_wrapper_says_the_same() {
    let bare = read_error(
        br#"{"error":{"message":"m","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}"#,
    );
    let mut wrapped = bare.clone().unwrap();
    wrapped.raw = format!("[{{\"error\":{}}}]", wrapped.raw);
    assert_eq!(classify_event(Gemini, "gemini", bare.unwrap()).class, Auth);
    assert_eq!(classify_event(Gemini, "gemini", wrapped).class, Auth);
}

#[test]
fn a_word_that_the_dialect_did_not_take_over_still_counts() {
    let body = br#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"PerDay"}]}]}}"#;
    let mut error = read_error(body).unwrap();
    error.kind = None;
    assert_eq!(classify_event(OpenAiChat, "gemini", error).class, QuotaExhausted);
}

#[test]
fn delays_come_from_headers_before_bodies() {
    let minute =
        r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"46s"}]}}"#;
    assert_eq!(reply(Gemini, "gemini", 429, &[], minute).retry_after_ms, Some(46_000), "trap 15");
    assert_eq!(reply(Gemini, "gemini", 429, &[("retry-after", "3")], minute).retry_after_ms, Some(3_000));
    let resets = [("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "6m0s")];
    assert_eq!(reply(OpenAiChat, "openai", 429, &resets, "").retry_after_ms, Some(360_000));
    assert_eq!(reply(OpenAiChat, "openai", 500, &resets, "").retry_after_ms, None, "not a matter of limits");
    assert_eq!(reply(OpenAiChat, "openai", 503, &[("retry-after", "1.5")], "").retry_after_ms, Some(1_500));
}

#[test]
fn the_provider_may_overrule_the_scope() {
    let scope =
        |status, word, body| reply(OpenAiChat, "openai", status, &[("x-should-retry", word)], body).retry_scope();
    let quota = r#"{"error":{"message":"m","code":"credit_balance_exhausted"}}"#;
    assert_eq!(scope(500, "false", ""), OtherOnly);
    assert_eq!(scope(409, "true", ""), SameThenOther);
    assert_eq!(scope(404, "true", ""), SameThenOther);
    assert_eq!(scope(400, "true", ""), SameThenOther);
    assert_eq!(scope(429, "true", quota), OtherOnly, "no word makes an empty account full");
    assert_eq!(scope(500, "maybe", ""), SameThenOther);
    assert_eq!(AttemptFailure::silent(Timeout).retry_scope(), OtherOnly, "a silent route is left");
    assert_eq!(AttemptFailure::silent(Connect).retry_scope(), SameThenOther);
    assert_eq!(AttemptFailure::silent(Cut).retry_scope(), SameThenOther);
}

#[test]
fn recorded_errors_are_classified_by_what_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = std::env::var_os("SIGNALBOX_FIXTURES").map_or_else(|| root.join("../shared/fixtures"), PathBuf::from);
    let mut checked = 0;
    for path in cases(&folder) {
        let case: serde_json::Value = serde_json::from_slice(&std::fs::read(path.join("case.json")).unwrap()).unwrap();
        if !case["features"].as_array().unwrap().iter().any(|f| f == "error") {
            continue;
        }
        let status = u16::try_from(case["status"].as_u64().unwrap()).unwrap();
        let body = std::fs::read(path.join(case["response_file"].as_str().unwrap())).unwrap();
        let dialect = match case["dialect"].as_str().unwrap() {
            "anthropic-messages" => AnthropicMessages,
            "gemini" => Gemini,
            _ => OpenAiChat,
        };
        let profile = case["provider"].as_str().unwrap();
        let failure = if status == 200 {
            classify_event(dialect, profile, error_in(&body).unwrap_or_else(|| panic!("{}: no error", path.display())))
        } else {
            classify_reply(dialect, profile, status, &Headers::new(), &body, NOW)
        };
        let text = failure.error.clone().unwrap().raw;
        let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let expected = match failure.status.unwrap_or(status) {
            _ if says(&["insufficient_quota"]) => QuotaExhausted,
            _ if says(&["API_KEY_INVALID"]) => Auth,
            _ if says(&["\"content_filter\""]) => ContentFiltered,
            _ if says(&["rate_limit_exceeded", "PerMinute"]) => RateLimited,
            401 | 403 => Auth,
            404 => NotFound,
            400 => InvalidRequest,
            // An error event that names neither a status nor a known word.
            200 | 500 => Server,
            other => panic!("{}: a new kind of recording, status {other}: extend this test", path.display()),
        };
        assert_eq!(failure.class, expected, "{}", path.display());
        assert!(!failure.error.unwrap().message.is_empty(), "{}", path.display());
        checked += 1;
    }
    println!("{checked} recorded errors in {}", folder.display());
}

/// The error of a 200: the body's, or the first event's that has one.
fn error_in(body: &[u8]) -> Option<signalbox::dialect::ProviderError> {
    if let Some(error) = read_error(body) {
        return Some(error);
    }
    let mut decoder = Decoder::new();
    decoder.push(body).unwrap();
    while let Some(frame) = decoder.next_frame() {
        if let Some(error) = frame.data.and_then(|data| read_error(&data)) {
            return Some(error);
        }
    }
    None
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let children = |path: &Path| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    children(folder)
        .iter()
        .flat_map(|dialect| children(dialect))
        .filter(|case| case.join("case.json").is_file())
        .collect()
}
