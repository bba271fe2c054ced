//! A tape with what is known of its request, on its way to be a capture.

use super::payload::Payload;
use super::tape::{Leg, Tape};
use super::{Answer, CallerRequest, Capture, Meta, Sent, Stored, Why, VERSION};
use crate::config::capture::Capture as Settings;
use crate::http::{Headers, Request};
use crate::identity::credential::is_credential;
use crate::redact::Redactor;
use crate::sorted::Map;
use crate::telemetry::record::RequestRecord;
use crate::upstream::keys::OWN_KEY_PREFIX;

/// Everything that a capture is made from.
#[derive(Debug)]
pub struct Made {
    /// What was recorded.
    pub tape: Tape,
    /// What is known of the request.
    pub record: RequestRecord,
    /// Method, path, query and headers; no body.
    pub request: Request,
    /// What is masked and for how long it is kept.
    pub settings: Settings,
    /// Texts that are secret whatever they look like.
    pub known: Vec<String>,
}

/// Headers of a caller that say what is asked for; others may say who asks.
const ASKING: [&str; 7] =
    ["accept", "content-type", "user-agent", "anthropic-version", "anthropic-beta", "openai-beta", "x-goog-api-client"];
/// Our own, but for those that carry a credential, or would have a replay kept.
const OURS: &str = "x-signalbox-";
const NOT_REPLAYED: [&str; 2] = ["x-signalbox-resumable", "x-signalbox-explain"];
/// Headers to a provider whose values are harmless.
const HARMLESS: [&str; 5] = ["accept", "content-type", "anthropic-version", "anthropic-beta", "traceparent"];
/// The mask of a header's value.
const MASKED: &str = "[redacted:header]";
/// Longest list of attempts that lists show.
const MOST_LISTED: usize = 512;
/// Longest name of a model that lists show.
const MOST_NAMED: usize = 200;

impl Made {
    /// The capture, masked.
    #[must_use]
    pub fn capture(&self) -> Capture {
        let mut redactor = Redactor::new(&self.settings.redaction, self.known.iter().map(String::as_str));
        let began_ms = self.record.started_ms;
        let request = self.caller_request(&mut redactor);
        let sent = self.tape.legs.iter().map(|leg| self.sent(leg, &mut redactor)).collect();
        let payload = Payload::of(&self.tape.answer, began_ms, &mut redactor);
        let record = self.clean_record(&mut redactor);
        Capture {
            version: VERSION,
            request,
            decision: crate::json::from_str(&redactor.body(&self.tape.decision)).ok(),
            sent,
            answer: Answer { status: self.record.status, payload },
            redactions: redactor.counts().clone(),
            record,
        }
    }

    /// The same for its store.
    #[must_use]
    pub fn stored(&self) -> Stored {
        let capture = self.capture();
        let rest = serde_json::to_string(&capture).unwrap_or_default();
        let meta = serde_json::to_string(&self.meta(&capture, rest.len() as u64)).unwrap_or_default();
        // Both are objects: one object with the members of both.
        let document = [meta.strip_suffix('}').unwrap_or_default(), ",", rest.strip_prefix('{').unwrap_or_default()];
        Stored { id: self.tape.id.clone(), document: document.concat().into_bytes(), meta }
    }

    fn meta(&self, capture: &Capture, bytes: u64) -> Meta {
        let record = &capture.record;
        let attempts = record.attempts.iter().map(|a| format!("{}/{}:{}", a.provider, a.model, a.outcome));
        let payloads = capture.sent.iter().flat_map(|sent| [&sent.body, &sent.response]);
        let mut payloads = payloads.chain([&capture.request.body, &capture.answer.payload]);
        Meta {
            object: "capture".to_owned(),
            id: self.tape.id.as_str().to_owned(),
            captured_ms: record.started_ms,
            expires_ms: record.started_ms.saturating_add(self.settings.keep_ms),
            why: self.tape.why.unwrap_or(Why::Error),
            request_id: record.request_id.clone(),
            trace_id: record.trace_id.clone(),
            principal: record.principal.clone(),
            dialect: record.dialect.clone(),
            route: record.route.clone(),
            stream: record.stream,
            requested_model: cut(record.requested_model.clone(), MOST_NAMED),
            model: record.model.clone().map(|model| cut(model, MOST_NAMED)),
            policy: record.policy.clone(),
            task: record.task.clone(),
            status: record.status,
            error: record.error.clone(),
            attempts: cut(attempts.collect::<Vec<_>>().join(","), MOST_LISTED),
            duration_ms: record.duration_ms,
            ttft_ms: record.ttft_ms,
            cost_usd: record.cost.and_then(|cost| cost.usd()),
            cost_certainty: record.certainty().map(|certainty| certainty.name().to_owned()),
            bytes,
            redacted: capture.redactions.values().sum(),
            truncated: payloads.any(|payload| payload.truncated),
            encrypted: !self.settings.keys.is_empty(),
        }
    }

    fn caller_request(&self, redactor: &mut Redactor<'_>) -> CallerRequest {
        let ours = |name: &str| {
            let carries_one = is_credential(name) || name.starts_with(OWN_KEY_PREFIX);
            name.starts_with(OURS) && !carries_one && !NOT_REPLAYED.contains(&name)
        };
        let asking = self.request.headers.iter().filter(|(name, _)| ASKING.contains(name) || ours(name));
        let headers = asking.map(|(name, value)| (name.to_owned(), redactor.text(value))).collect();
        let query: Vec<&str> = self.request.query.split('&').filter(|pair| pair.starts_with("alt=")).collect();
        CallerRequest {
            method: self.request.method.clone(),
            path: redactor.text(&self.request.path),
            query: redactor.text(&query.join("&")),
            headers,
            body: Payload::of(&self.tape.request, 0, redactor),
        }
    }

    fn sent(&self, leg: &Leg, redactor: &mut Redactor<'_>) -> Sent {
        let told = self.record.attempts.get(leg.account).cloned().unwrap_or_default();
        Sent {
            model: redactor.text(&format!("{}/{}", told.provider, told.model)),
            dialect: told.dialect,
            url: redactor.text(leg.url.split('?').next().unwrap_or_default()),
            headers: harmless(&leg.headers),
            body: Payload::of(&leg.body, 0, redactor),
            role: told.role,
            outcome: told.outcome,
            response: Payload::of(&leg.response, self.record.started_ms, redactor),
        }
    }

    /// The record's few members that a caller or a provider wrote, masked.
    fn clean_record(&self, redactor: &mut Redactor<'_>) -> RequestRecord {
        let mut record = self.record.clone();
        let mut clean = |text: &mut String| *text = redactor.text(text);
        clean(&mut record.requested_model);
        record.model.iter_mut().for_each(&mut clean);
        for attempt in &mut record.attempts {
            let told = [&mut attempt.response_model, &mut attempt.response_id, &mut attempt.finish_reason];
            told.into_iter().flatten().chain([&mut attempt.model]).for_each(&mut clean);
        }
        record.capture_id = Some(self.tape.id.as_str().to_owned());
        record
    }
}

fn harmless(headers: &Headers) -> Map<String, String> {
    let shown = |name: &str, value: &str| if HARMLESS.contains(&name) { value.to_owned() } else { MASKED.to_owned() };
    headers.iter().map(|(name, value)| (name.to_owned(), shown(name, value))).collect()
}

fn cut(mut text: String, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
