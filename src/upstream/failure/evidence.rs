//! What a reply says about its failure, and which part of it is believed.
//!
//! Words (codes, reasons, types) are either *specific*, which settles the class, or *general* (`invalid_request_error`,
//! `api_error`), which the HTTP status and known phrases of the message may refine. A few providers need several facts
//! at once; those rules come first.

use serde_json::Value;

use super::hint;
use super::vocabulary::{
    meaning, of_status, Meaning, KEY_PHRASES, MODEL_PHRASES, OVERSIZED_PHRASES, QUOTA_PHRASES, VERDICT_PHRASES,
    WINDOW_PHRASES,
};
use super::FailureClass::{
    self, Auth, ContentFiltered, ContextLength, InvalidRequest, NotFound, Overloaded, QuotaExhausted, RateLimited,
    Server, Timeout,
};
use crate::dialect::ProviderError;
use crate::json::bounds::is_deeper;

/// A quota that comes back after more than this is used up for any request that waits now.
const HOURS_MS: u64 = 3_600_000;
/// The longest wait that is believed: a month, as long as any quota lasts.
const MOST_MS: u64 = 31 * 24 * HOURS_MS;

/// Everything a reply says, in the order in which it is believed.
pub(super) struct Evidence<'a> {
    profile: &'a str,
    /// HTTP status, or the one that an error inside a 200 names.
    pub(super) status: Option<u16>,
    /// Lower case: code, then reasons from details, then type or status word.
    words: Vec<String>,
    /// Lower case.
    message: String,
    error: Value,
    header_hint: Option<u64>,
    pub(super) retry_after_ms: Option<u64>,
}

/// Levels of a report that are read. Real ones have six; what nests deeper is no evidence.
const MOST_LEVELS: usize = 24;

/// A report's tree.
pub(super) fn tree(text: &str) -> Option<Value> {
    if is_deeper(text, MOST_LEVELS) {
        return None;
    }
    crate::json::from_str(text).ok()
}

/// The error object of a report, where it is one.
#[must_use]
pub fn report_tree(raw: &str) -> Option<Value> {
    tree(raw).map(innermost)
}

/// A class, and whether the same call is known to fail here again.
pub(super) struct Verdict {
    pub(super) class: FailureClass,
    pub(super) hopeless_here: bool,
}

impl<'a> Evidence<'a> {
    pub(super) fn gather(
        profile: &'a str,
        status: Option<u16>,
        report: Option<&ProviderError>,
        header_hint: Option<u64>,
    ) -> Self {
        let error = report.and_then(|r| tree(&r.raw)).map_or(Value::Null, innermost);
        let message = report.map_or("", |r| r.message.as_str());
        let mut words = Vec::new();
        let mut word = |text: Option<&str>| words.extend(text.map(str::to_ascii_lowercase));
        if let Some(report) = report {
            word(report.code.as_deref());
            for reason in reasons(&error) {
                word(Some(reason));
            }
            word(report.kind.as_deref());
            // A dialect that relays another's errors may have no member for the other's word.
            word(error.get("type").and_then(Value::as_str));
            word(error.get("status").and_then(Value::as_str));
        }
        let named = || named_status(report?.code.as_deref(), &error);
        Self {
            profile,
            status: status.filter(|s| !(200..300).contains(s)).or_else(named),
            words,
            message: message.to_ascii_lowercase(),
            header_hint,
            retry_after_ms: header_hint.or_else(|| hint::from_body(&error, message)).map(|ms| ms.min(MOST_MS)),
            error,
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        let class = self.combined().or_else(|| self.specific()).unwrap_or_else(|| self.refined(self.general()));
        // A call that is larger than the whole limit fails again however long one waits; 424 names a dependency of
        // the request that failed for good; an address that points elsewhere is not followed, since it would take our key
        // along.
        let oversized = class == RateLimited && self.says_any(OVERSIZED_PHRASES);
        Verdict { class, hopeless_here: oversized || matches!(self.status, Some(424 | 300..=399)) }
    }

    /// Rules that need several facts at once.
    fn combined(&self) -> Option<FailureClass> {
        if let Some(class) = self.workers_ai() {
            return Some(class);
        }
        if self.status == Some(402) {
            // OpenRouter reserves money for running calls; that reservation comes back, an empty account does not.
            let in_flight = self.limit_source() == Some("openrouter_in_flight_budget");
            return Some(if in_flight && self.header_hint.is_some() { RateLimited } else { QuotaExhausted });
        }
        // OpenRouter's free models have a daily number of calls, which no pause brings back.
        if self.status == Some(429)
            && (self.limit_source().is_some_and(|s| s.ends_with("_daily")) || self.says_any(&["-models-per-day"]))
        {
            return Some(QuotaExhausted);
        }
        if self.has("resource_exhausted") {
            return Some(self.google_quota());
        }
        if self.has("failed_precondition") {
            return Some(if self.says_any(&["billing", "prepay", "credit"]) { QuotaExhausted } else { Auth });
        }
        if self.has("throttling.allocationquota") || (self.is_qwen() && self.has("insufficient_quota")) {
            return Some(self.qwen_quota());
        }
        if self.status == Some(403) && (self.is_moderated() || self.is_mistrals_guardrail()) {
            return Some(ContentFiltered);
        }
        // Groq reports a prompt above the tokens-per-minute limit as 413 with the rate limit's code.
        if self.status == Some(413)
            && self.words.iter().any(|w| matches!(meaning(w), Some(Meaning::Specific(RateLimited))))
        {
            return Some(ContextLength);
        }
        None
    }

    fn specific(&self) -> Option<FailureClass> {
        self.words.iter().find_map(|word| match meaning(word) {
            Some(Meaning::Specific(class)) => Some(class),
            _ => None,
        })
    }

    /// The first general word, unless it only says "invalid" where the status says more; else the status.
    fn general(&self) -> FailureClass {
        let word = self.words.iter().find_map(|word| match meaning(word) {
            Some(Meaning::General(class)) => Some(class),
            _ => None,
        });
        let status = self.status.map(of_status);
        match (word, status) {
            (Some(InvalidRequest), Some(class)) if self.status.is_some_and(|s| s < 500) => class,
            (Some(class), _) | (None, Some(class)) => class,
            (None, None) => Server,
        }
    }

    /// Texts for people come last and only refine what codes left open.
    fn refined(&self, class: FailureClass) -> FailureClass {
        let caller_like = matches!(class, InvalidRequest | Auth | RateLimited | NotFound | ContextLength);
        if caller_like && self.says_any(QUOTA_PHRASES) {
            return QuotaExhausted;
        }
        if class == InvalidRequest && self.says_any(KEY_PHRASES) {
            return Auth;
        }
        if matches!(class, InvalidRequest | Server) {
            if foreign_reasoning(None, &self.message) {
                return InvalidRequest;
            }
            if self.says_window() || self.relayed().is_some_and(|inner| inner.says_window()) {
                return ContextLength;
            }
            if self.relayed().is_some_and(|inner| inner.specific() == Some(ContentFiltered)) {
                return ContentFiltered;
            }
        }
        if matches!(class, InvalidRequest | Auth) && self.says_any(VERDICT_PHRASES) {
            return ContentFiltered;
        }
        if class == InvalidRequest && self.says_no_model() {
            return NotFound;
        }
        class
    }

    /// Cloudflare's internal numbers, as code or at the head of the message, believed only from Workers AI: other
    /// providers have four-digit codes of their own.
    fn workers_ai(&self) -> Option<FailureClass> {
        let ours = self.profile.contains("workers")
            || self.profile.contains("cloudflare")
            || self.error.get("success").is_some();
        if !ours {
            return None;
        }
        let in_message = || self.message.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 4);
        let code = self.words.first().map(String::as_str).filter(|w| w.len() == 4).or_else(in_message)?;
        Some(match code {
            "3036" => QuotaExhausted,
            "3040" => Overloaded,
            "3007" | "3008" => Timeout,
            "3006" => ContextLength,
            "3042" | "5007" => NotFound,
            "5016" | "5018" | "3023" | "3041" => Auth,
            _ => return None,
        })
    }

    /// Gemini names the exhausted quotas; one that lasts (a day's, one of size 0, money) outweighs one that passes.
    fn google_quota(&self) -> FailureClass {
        let details = self.error.get("details").and_then(Value::as_array).into_iter().flatten();
        let mut violations = details.filter_map(|d| d.get("violations")?.as_array()).flatten();
        let lasting = violations.any(|violation| {
            let text = |name| violation.get(name).and_then(Value::as_str).unwrap_or_default();
            text("quotaId").contains("PerDay") || text("quotaValue") == "0"
        });
        let no_limit_at_all = self
            .message
            .match_indices("limit: 0")
            .filter_map(|(at, found)| self.message.get(at + found.len()..))
            .any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit() || c == '.'));
        let far = self.retry_after_ms.is_some_and(|ms| ms >= HOURS_MS);
        if lasting || no_limit_at_all || far || self.says_any(&["prepay", "spend", "credit"]) {
            QuotaExhausted
        } else {
            RateLimited
        }
    }

    /// DashScope uses one code for tokens per minute and for the end of the free quota; only the text tells.
    fn qwen_quota(&self) -> FailureClass {
        if self.says_any(&["free", "arrear", "overdue", "balance"]) {
            QuotaExhausted
        } else if self.says_any(&["tpm", "per minute", "minute", "per second", "allocated", "rate"]) {
            RateLimited
        } else if self.has("insufficient_quota") {
            QuotaExhausted
        } else {
            RateLimited
        }
    }

    fn limit_source(&self) -> Option<&str> {
        self.error.pointer("/metadata/limit_source").and_then(Value::as_str)
    }

    fn is_moderated(&self) -> bool {
        let flagged = ["/metadata/flagged_input", "/metadata/reasons", "/metadata/moderation", "/metadata/guardrail"];
        flagged.iter().any(|at| self.error.pointer(at).is_some())
            || self.says_any(&["guardrail", "moderation", "flagged"])
    }

    /// Mistral's 403 is a guardrail's, with words of its own for each (`wire.md` §4), unless it speaks of the account or of where it is.
    fn is_mistrals_guardrail(&self) -> bool {
        let of_account = ["key", "permission", "access", "authoriz", "subscription", "plan", "region", "country"];
        self.profile.contains("mistral") && !self.message.is_empty() && !self.says_any(&of_account)
    }

    /// A relay (OpenRouter) quotes the error of the provider behind it. Only what it says of the request counts: that
    /// provider's keys and quotas are not ours.
    fn relayed(&self) -> Option<Evidence<'_>> {
        let quoted = self.error.pointer("/metadata/raw")?.as_str()?;
        let report = super::read_error(quoted.as_bytes())
            .unwrap_or_else(|| ProviderError { message: quoted.to_owned(), ..ProviderError::default() });
        let inner = Evidence::gather(self.profile, self.status, Some(&report), None);
        // One level: a quotation inside a quotation is not followed.
        Some(Evidence { error: Value::Null, ..inner })
    }

    fn says_window(&self) -> bool {
        self.specific() == Some(ContextLength) || self.says_any(WINDOW_PHRASES) || {
            self.says_any(&["token count", "input tokens", "number of tokens"]) && self.says_any(&["exceed"])
        }
    }

    fn says_no_model(&self) -> bool {
        self.says_any(MODEL_PHRASES) || (self.message.contains("model `") && self.says_any(&["does not exist"]))
    }

    fn is_qwen(&self) -> bool {
        ["qwen", "dashscope", "alibaba", "aliyun"].iter().any(|name| self.profile.contains(name))
    }

    fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    fn says_any(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.message.contains(phrase))
    }
}

/// OpenAI's encrypted reasoning or Anthropic's thinking signature from another account or model; some relays keep only
/// the text.
pub(super) fn foreign_reasoning(code: Option<&str>, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    code == Some("invalid_encrypted_content")
        || (message.contains("encrypted content") && message.contains("could not be"))
        || (message.contains("invalid") && message.contains("signature") && message.contains("thinking"))
        || thought_signature(&message)
}

/// Gemini's words for a thought signature that it cannot read or does not find.
fn thought_signature(message: &str) -> bool {
    let named = message.contains("thought signature") || message.contains("thought_signature");
    named && ["not valid", "invalid", "corrupted", "missing"].iter().any(|word| message.contains(word))
}

/// The error object itself, where its report kept the body around it.
fn innermost(mut body: Value) -> Value {
    if let Some(first) = body.as_array_mut().and_then(|list| list.first_mut()) {
        body = first.take();
    }
    match body.get_mut("error") {
        Some(error @ Value::Object(_)) => error.take(),
        _ => body,
    }
}

/// Reasons beside the code: Gemini's `ErrorInfo`, Anthropic's `details.error_code`, Azure's `innererror`.
fn reasons(error: &Value) -> impl Iterator<Item = &str> {
    let listed = error.get("details").and_then(Value::as_array).into_iter().flatten();
    let listed = listed.filter_map(|detail| detail.get("reason")?.as_str());
    let single = ["/details/error_code", "/error_code", "/innererror/code", "/metadata/error_type"];
    single.into_iter().filter_map(|at| error.pointer(at)?.as_str()).chain(listed)
}

/// A status that stands in the body: OpenRouter's and Gemini's `code`, Groq's `status_code`, Azure's `status`.
fn named_status(code: Option<&str>, error: &Value) -> Option<u16> {
    let members = ["status_code", "raw_status_code", "status", "code"];
    let number = |name| error.get(name).and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok());
    let named = code.and_then(|text| text.parse().ok()).or_else(|| members.into_iter().find_map(number));
    named.filter(|status| (400..600).contains(status))
}
