//! What the caller is told when no attempt got through. Providers' texts are shown only where the caller is at fault:
//! elsewhere they may quote keys or accounts.

use serde_json::{json, Value};

use super::plan::AttemptRecord;
use crate::dialect::ProviderError;
use crate::error::{ErrorKind, GatewayError};
use crate::json;
use crate::upstream::failure::{report_tree, AttemptFailure, FailureClass, RetryScope};

/// A failed attempt.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) candidate: usize,
    pub(super) failure: AttemptFailure,
    pub(super) at_ms: u64,
}

/// The error after failures before the first content, told by each candidate's latest failure.
pub(super) fn given_up(failures: &[Failed], now_ms: u64, out_of_time: bool) -> GatewayError {
    let Some(last) = failures.last() else {
        return if out_of_time {
            GatewayError::new(ErrorKind::Timeout, "the time for this request was over before anyone could be asked")
        } else {
            GatewayError::new(ErrorKind::NoCandidate, "no candidate may be asked for this request")
        };
    };
    if matches!(last.failure.retry_scope(), RetryScope::Never | RetryScope::Answer) {
        return verdict(&last.failure);
    }
    let latest: Vec<&Failed> =
        failures.iter().enumerate().filter(|(at, f)| is_latest(failures, *at, f.candidate)).map(|(_, f)| f).collect();
    if out_of_time {
        return GatewayError::new(ErrorKind::Timeout, "no answer came within the time for this request");
    }
    let passing: Vec<&Failed> = latest.iter().filter(|f| passes(f.failure.class)).copied().collect();
    if passing.is_empty() {
        return lasting(&latest);
    }
    let mut error = temporary(&passing);
    error.retry_after_ms = passing.iter().filter_map(|f| back_in(f, now_ms)).min();
    error.should_retry = error.retry_after_ms.is_some();
    error
}

/// The typed end of an answer that broke after its first content.
pub(super) fn broken(failure: &AttemptFailure) -> GatewayError {
    match failure.class {
        FailureClass::InvalidRequest | FailureClass::ContentFiltered | FailureClass::ContextLength => verdict(failure),
        FailureClass::RateLimited => {
            GatewayError::new(ErrorKind::RateLimited, "the provider hit a rate limit after the answer had begun")
        }
        FailureClass::Overloaded => {
            GatewayError::new(ErrorKind::Overloaded, "the provider became overloaded after the answer had begun")
        }
        FailureClass::Timeout => {
            GatewayError::new(ErrorKind::Timeout, "the provider fell silent after the answer had begun")
        }
        FailureClass::Server | FailureClass::Connect | FailureClass::Cut => {
            GatewayError::new(ErrorKind::StreamCut, "the provider broke off after the answer had begun")
        }
        FailureClass::Auth | FailureClass::QuotaExhausted | FailureClass::NotFound => {
            GatewayError::new(ErrorKind::UpstreamFailed, "the provider refused to go on after the answer had begun")
        }
    }
}

/// `{"attempts":[{"candidate","outcome","ms"}]}`, empty when there was none.
pub(super) fn metadata<'a>(records: &[AttemptRecord], name: impl Fn(usize) -> &'a str) -> String {
    if records.is_empty() {
        return String::new();
    }
    let mut out = b"{\"attempts\":[".to_vec();
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"candidate\":");
        json::write_quoted(&mut out, name(record.candidate));
        out.extend_from_slice(b",\"outcome\":");
        json::write_quoted(&mut out, &record.outcome);
        let ms = record.ended_ms.saturating_sub(record.started_ms);
        out.extend_from_slice(format!(",\"ms\":{ms}}}").as_bytes());
    }
    out.extend_from_slice(b"]}");
    String::from_utf8(out).unwrap_or_default()
}

/// The members of two JSON objects, each of which may be missing.
pub(super) fn joint(one: String, other: &str) -> String {
    match (one.strip_suffix('}'), other.strip_prefix('{')) {
        (Some(one), Some(other)) => format!("{one},{other}"),
        (None, _) => other.to_owned(),
        (_, None) => one,
    }
}

/// Where an error report says why a safety rule refused: Azure's filter results, OpenRouter's reasons.
const VERDICTS: [&str; 4] =
    ["innererror.content_filter_result", "innererror.content_filter_results", "content_filter_results", "metadata"];

/// The verdict as the provider wrote it, in the form of the `signalbox` member's `safety`; empty when it wrote none.
fn safety(report: &ProviderError) -> String {
    let Some(error) = report_tree(&report.raw) else { return String::new() };
    let found: Vec<Value> = VERDICTS
        .iter()
        .filter_map(|field| {
            let value = field.split('.').try_fold(&error, |at, name| at.get(name))?;
            Some(json!({ "field": field, "value": value }))
        })
        .collect();
    if found.is_empty() {
        return String::new();
    }
    json!({ "safety": found }).to_string()
}

/// The caller's own fault, or a safety verdict: the provider's words.
fn verdict(failure: &AttemptFailure) -> GatewayError {
    let kind = match failure.class {
        FailureClass::ContentFiltered => ErrorKind::ContentFiltered,
        // 413 speaks of bytes as well as of tokens, and has a class of its own in Anthropic's clients.
        FailureClass::ContextLength if failure.status == Some(413) => ErrorKind::TooLarge,
        FailureClass::ContextLength => ErrorKind::ContextLength,
        FailureClass::NotFound if failure.retry_scope() == RetryScope::OtherOnly => ErrorKind::ModelNotFound,
        _ => ErrorKind::RejectedByProvider,
    };
    let fallback = match kind {
        ErrorKind::ContentFiltered => "the provider's safety rules refused this request",
        ErrorKind::ContextLength => "the prompt does not fit the context window",
        ErrorKind::TooLarge => "the request is too large for the provider",
        ErrorKind::ModelNotFound => "the provider does not know this model",
        _ => "the provider rejected the request",
    };
    let Some(report) = &failure.error else { return GatewayError::new(kind, fallback) };
    let message = if report.message.is_empty() { fallback } else { &report.message };
    let mut error = GatewayError::new(kind, message);
    error.param.clone_from(&report.param);
    error.provider_type.clone_from(&report.kind);
    if kind == ErrorKind::ContentFiltered {
        error.metadata = safety(report);
    }
    if kind == ErrorKind::RejectedByProvider {
        error.status = failure.status.filter(|status| (400..500).contains(status));
        // A code that only repeats the status says nothing.
        let repeats = |code: &String| error.status.is_some_and(|status| *code == status.to_string());
        error.code = report.code.clone().filter(|code| !repeats(code));
    }
    error
}

/// Nothing that happened will pass.
fn lasting(latest: &[&Failed]) -> GatewayError {
    let with = |class: FailureClass| latest.iter().rev().find(|f| f.failure.class == class);
    let all = |class: FailureClass| latest.iter().all(|f| f.failure.class == class);
    let callers = with(FailureClass::InvalidRequest).or_else(|| with(FailureClass::ContextLength));
    if let Some(failed) = callers {
        return verdict(&failed.failure);
    }
    if let Some(failed) = with(FailureClass::NotFound).filter(|_| all(FailureClass::NotFound)) {
        return verdict(&failed.failure);
    }
    let (code, message) = if all(FailureClass::QuotaExhausted) {
        ("upstream_quota_exhausted", "the operator's quota at every provider asked is used up")
    } else if all(FailureClass::Auth) {
        ("upstream_auth_failed", "every provider asked refused the operator's credential")
    } else {
        ("upstream_failed", "every provider asked refused the request for a reason that will not pass")
    };
    GatewayError { code: Some(code.to_owned()), ..GatewayError::new(ErrorKind::UpstreamFailed, message) }
}

/// The most telling class among failures that pass.
fn temporary(passing: &[&Failed]) -> GatewayError {
    let any = |classes: &[FailureClass]| passing.iter().any(|f| classes.contains(&f.failure.class));
    if any(&[FailureClass::Server, FailureClass::Connect, FailureClass::Cut]) {
        GatewayError::new(ErrorKind::UpstreamFailed, "every candidate failed")
    } else if any(&[FailureClass::Overloaded]) {
        GatewayError::new(ErrorKind::Overloaded, "every candidate is overloaded or failed")
    } else if any(&[FailureClass::Timeout]) {
        GatewayError::new(ErrorKind::Timeout, "no candidate answered in time")
    } else {
        GatewayError::new(ErrorKind::RateLimited, "every candidate is rate limited")
    }
}

fn passes(class: FailureClass) -> bool {
    class == FailureClass::Timeout || class.retry_scope() == RetryScope::SameThenOther
}

/// Milliseconds from now until this candidate said that it can be asked again.
fn back_in(failed: &Failed, now_ms: u64) -> Option<u64> {
    let hint = failed.failure.retry_after_ms.filter(|_| failed.failure.should_retry != Some(false))?;
    Some(failed.at_ms.saturating_add(hint).saturating_sub(now_ms))
}

fn is_latest(failures: &[Failed], at: usize, candidate: usize) -> bool {
    !failures.iter().skip(at + 1).any(|later| later.candidate == candidate)
}
