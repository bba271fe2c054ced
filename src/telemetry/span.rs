//! A request's record as spans: one for the request, one for each call to a provider, with what happened between them as
//! events. Names are `names`'; a collector's flavour adds what its own screens read.

mod said;

use super::content::Content;
use super::names::{self, own, Name};
use super::otlp::{Attributes, Event, Kind, Span, Value};
use super::record::{AttemptRecord, Parameters, RequestRecord};
use crate::accounting::day::day_of;
use crate::accounting::Cost;
use crate::config::telemetry::{Flavour, Profile};
use crate::sorted;

/// Who reads the spans.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'c> {
    /// Which names it knows.
    pub profile: Profile,
    /// Which screens it has.
    pub flavour: Flavour,
    /// What it may be told of what was said.
    pub content: Option<&'c Content>,
}

/// Error type of what the caller's leaving cut short: no provider's failure.
const CALLER_LEFT: &str = "client_disconnected";

/// The spans of a request, its own first.
#[must_use]
pub fn spans(record: &RequestRecord, reader: Reader<'_>) -> Vec<Span> {
    let attempts = record.attempts.iter().enumerate().map(|(at, attempt)| call(record, at, attempt, reader));
    std::iter::once(request(record, reader)).chain(attempts).collect()
}

fn request(record: &RequestRecord, reader: Reader<'_>) -> Span {
    let mut set = Attrs::new(reader.profile);
    set.text(names::HTTP_METHOD, &record.method);
    set.text(names::HTTP_ROUTE, &record.route);
    set.text(names::URL_PATH, &record.route);
    set.text(names::URL_SCHEME, "https");
    set.int(names::HTTP_STATUS, u64::from(record.status));
    set.own(own::REQUEST_ID, &record.request_id);
    set.own(own::PRINCIPAL, &record.principal);
    set.own(own::DIALECT, &record.dialect);
    set.own(own::REQUESTED_MODEL, &record.requested_model);
    set.own(own::MODEL, record.model.as_deref().unwrap_or_default());
    set.own(own::POLICY, &record.policy);
    set.own(own::TASK, &record.task);
    set.own(own::STREAM_ID, record.stream_id.as_deref().unwrap_or_default());
    set.own(own::CAPTURE_ID, record.capture_id.as_deref().unwrap_or_default());
    set.own(own::BLAME, record.blame.as_deref().unwrap_or_default());
    set.own(own::CONFIG_VERSION, &record.config_version);
    set.own(own::PRICE_VERSION, &record.price_version);
    if record.asked_a_model() {
        set.put(own::CANDIDATES, Value::Int(i64::from(record.candidates)));
        set.put(own::ATTEMPTS, Value::Int(int(record.attempts.len() as u64)));
    }
    if !record.losses.is_empty() {
        set.put(own::LOSSES, Value::Texts(record.losses.clone()));
    }
    set.cost(record.cost);
    let error = match record.status {
        499 => Some(CALLER_LEFT.to_owned()),
        500.. => Some(record.error.clone().unwrap_or_else(|| record.status.to_string())),
        // Within a stream that began as 200.
        _ => record.error.clone().filter(|_| record.failed()),
    };
    let told = error.as_deref().or(record.error.as_deref()).unwrap_or_default();
    set.text(names::ERROR_TYPE, told);
    flavour_of_request(&mut set, record, reader.flavour);
    said::in_request(&mut set, reader);
    Span {
        trace_id: record.trace_id.clone(),
        span_id: record.span_id.clone(),
        parent_id: record.parent_id.clone(),
        name: format!("{} {}", record.method, record.route),
        kind: Kind::Server,
        started_ms: record.started_ms,
        ended_ms: record.ended_ms(),
        attributes: set.list,
        texts: set.texts,
        events: events(record),
        links: Vec::new(),
        error,
    }
}

fn call(record: &RequestRecord, at: usize, attempt: &AttemptRecord, reader: Reader<'_>) -> Span {
    let mut set = Attrs::new(reader.profile);
    set.text(names::OPERATION, &record.operation);
    set.text(names::PROVIDER, names::provider(&attempt.provider, &attempt.profile));
    set.text(names::REQUEST_MODEL, &attempt.model);
    set.text(names::RESPONSE_MODEL, attempt.response_model.as_deref().unwrap_or_default());
    set.text(names::RESPONSE_ID, attempt.response_id.as_deref().unwrap_or_default());
    if record.stream {
        set.put(names::REQUEST_STREAM.under(reader.profile), Value::Bool(true));
    }
    set.parameters(&record.parameters);
    if let Some(reason) = &attempt.finish_reason {
        set.put(names::FINISH_REASONS.under(reader.profile), Value::Texts(vec![reason.clone()]));
    }
    if let Some(ms) = attempt.ttft_ms.filter(|_| record.stream) {
        set.put(names::TIME_TO_FIRST_CHUNK.under(reader.profile), Value::Double(seconds(ms)));
    }
    let (host, port) = attempt.host.rsplit_once(':').unwrap_or((&attempt.host, ""));
    set.text(names::SERVER_ADDRESS, host);
    if !host.is_empty() {
        set.int(names::SERVER_PORT, port.parse().unwrap_or(443));
    }
    let usage = &attempt.usage;
    if *usage != crate::dialect::canonical::Usage::default() {
        set.int(names::INPUT_TOKENS, usage.prompt_tokens());
        set.int(names::OUTPUT_TOKENS, usage.completion_tokens());
        set.some(names::CACHE_READ_TOKENS, usage.cached_input_tokens);
        set.some(names::CACHE_WRITE_TOKENS, Some(usage.cache_write_tokens()).filter(|count| *count > 0));
        set.some(names::REASONING_TOKENS, usage.reasoning_tokens);
    }
    if let Ok(status) = attempt.outcome.parse::<u64>() {
        set.int(names::HTTP_STATUS, status);
    }
    let error = match &attempt.class {
        Some(class) => Some(class.clone()),
        None if attempt.answered() => None,
        None => Some(if attempt.outcome == "cancelled" { CALLER_LEFT.to_owned() } else { attempt.outcome.clone() }),
    };
    set.text(names::ERROR_TYPE, error.as_deref().unwrap_or_default());
    set.own(own::REQUEST_ID, &record.request_id);
    set.own(own::PROVIDER, &attempt.provider);
    set.own(own::DIALECT, &attempt.dialect);
    set.own(own::ROLE, &attempt.role);
    set.put(own::ATTEMPT, Value::Int(int(at as u64 + 1)));
    set.cost(attempt.cost);
    flavour_of_call(&mut set, record, attempt, reader.flavour);
    if record.answering() == Some(at) {
        said::in_call(&mut set, reader);
    }
    let before = at.checked_sub(1).and_then(|before| record.attempts.get(before));
    Span {
        trace_id: record.trace_id.clone(),
        span_id: attempt.span_id.clone(),
        parent_id: Some(record.span_id.clone()),
        name: format!("{} {}", record.operation, attempt.model),
        kind: Kind::Client,
        started_ms: attempt.started_ms,
        ended_ms: attempt.ended_ms(),
        attributes: set.list,
        texts: set.texts,
        events: Vec::new(),
        links: before.map(|before| (record.trace_id.clone(), before.span_id.clone())).into_iter().collect(),
        error,
    }
}

/// What happened between the calls, in order.
fn events(record: &RequestRecord) -> Vec<Event> {
    let text = |key, value: &str| (key, Value::Text(value.to_owned()));
    let mut events = Vec::new();
    for (at, attempt) in record.attempts.iter().enumerate() {
        let named = |name, at_ms, mut attributes: Attributes| {
            attributes.insert(0, text(own::MODEL, &format!("{}/{}", attempt.provider, attempt.model)));
            Event { at_ms, name, attributes }
        };
        let before = at.checked_sub(1).and_then(|before| record.attempts.get(before));
        let why = || before.map(|before| text(own::BLAME, before.class.as_deref().unwrap_or(&before.outcome)));
        let name = match attempt.role.as_str() {
            "retry" => Some("signalbox.retry"),
            "fallback" => Some("signalbox.fallback"),
            "hedge" => Some("signalbox.hedge"),
            "resume" => Some("signalbox.resume"),
            _ => None,
        };
        events.extend(name.map(|name| named(name, attempt.started_ms, why().into_iter().collect())));
        if let Some(seam) = record.seams.iter().find(|_| matches!(attempt.role.as_str(), "restart" | "prefill")) {
            let at_ms = attempt.started_ms.saturating_add(attempt.ttft_ms.unwrap_or(attempt.duration_ms));
            let offset = (own::OFFSET, Value::Int(int(seam.offset)));
            events.push(named("signalbox.seam", at_ms, vec![text(own::MODE, &seam.mode), offset]));
        }
        let circuit = match attempt.circuit.as_deref() {
            Some("opened") => Some("signalbox.breaker.opened"),
            Some(_) => Some("signalbox.breaker.closed"),
            None => None,
        };
        events.extend(circuit.map(|name| named(name, attempt.ended_ms(), Vec::new())));
    }
    let commit = record.ttft_ms.filter(|_| record.stream).map(|ms| record.started_ms.saturating_add(ms));
    events.extend(commit.map(|at_ms| Event { at_ms, name: "signalbox.commit", attributes: Vec::new() }));
    sorted::sort_by_key(&mut events, |event| event.at_ms);
    events
}

/// Langfuse reads `langfuse.*` before `gen_ai.*` and puts the caller on every span (`npm @langfuse/core` 5.11.1,
/// observability.md §4); OpenInference's readers want a kind.
fn flavour_of_request(set: &mut Attrs, record: &RequestRecord, flavour: Flavour) {
    match flavour {
        Flavour::Otel => {}
        Flavour::Langfuse => {
            set.own("langfuse.trace.name", &record.route);
            set.own("user.id", &record.principal);
            set.own("langfuse.observation.type", "span");
        }
        Flavour::OpenInference => {
            set.own("openinference.span.kind", "CHAIN");
            set.own("user.id", &record.principal);
        }
    }
}

fn flavour_of_call(set: &mut Attrs, record: &RequestRecord, attempt: &AttemptRecord, flavour: Flavour) {
    let usage = &attempt.usage;
    match flavour {
        Flavour::Otel => {}
        Flavour::Langfuse => {
            set.own("user.id", &record.principal);
            set.own("langfuse.observation.type", "generation");
            set.own("langfuse.observation.model.name", &attempt.model);
            // Disjoint classes: Langfuse adds them up, and `gen_ai.usage.input_tokens` holds the cached ones too.
            let details = serde_json::json!({
                "input": usage.input_tokens,
                "input_cached_tokens": usage.cached_input_tokens.unwrap_or(0),
                "input_cache_creation": usage.cache_write_tokens(),
                "output": usage.output_tokens,
                "output_reasoning_tokens": usage.reasoning_tokens.unwrap_or(0),
                "total": usage.prompt_tokens().saturating_add(usage.completion_tokens()),
            });
            set.own("langfuse.observation.usage_details", &details.to_string());
            if let Some(cost) = attempt.cost.and_then(Cost::picousd) {
                set.own(
                    "langfuse.observation.cost_details",
                    &serde_json::json!({ "total": dollars(cost) }).to_string(),
                );
            }
            if let Some(ms) = attempt.ttft_ms {
                set.own("langfuse.observation.completion_start_time", &rfc3339(attempt.started_ms.saturating_add(ms)));
            }
        }
        Flavour::OpenInference => {
            set.own("openinference.span.kind", "LLM");
            set.own("llm.model_name", attempt.response_model.as_deref().unwrap_or(&attempt.model));
            set.own("llm.provider", &attempt.provider);
            set.put("llm.token_count.prompt", Value::Int(int(usage.prompt_tokens())));
            set.put("llm.token_count.completion", Value::Int(int(usage.completion_tokens())));
            let total = usage.prompt_tokens().saturating_add(usage.completion_tokens());
            set.put("llm.token_count.total", Value::Int(int(total)));
            set.own("user.id", &record.principal);
        }
    }
}

/// Attributes that are set only where there is something to say.
struct Attrs {
    profile: Profile,
    list: Attributes,
    texts: Vec<(String, String)>,
}

impl Attrs {
    fn new(profile: Profile) -> Self {
        Self { profile, list: Vec::with_capacity(32), texts: Vec::new() }
    }

    fn put(&mut self, key: &'static str, value: Value) {
        self.list.push((key, value));
    }

    fn own(&mut self, key: &'static str, text: &str) {
        if !text.is_empty() {
            self.put(key, Value::Text(text.to_owned()));
        }
    }

    fn text(&mut self, name: Name, text: &str) {
        self.own(name.under(self.profile), text);
    }

    fn int(&mut self, name: Name, number: u64) {
        self.put(name.under(self.profile), Value::Int(int(number)));
    }

    fn some(&mut self, name: Name, number: Option<u64>) {
        if let Some(number) = number {
            self.int(name, number);
        }
    }

    fn parameters(&mut self, wanted: &Parameters) {
        self.some(names::MAX_TOKENS, wanted.max_tokens);
        self.some(names::CHOICES, wanted.choices.filter(|count| *count != 1));
        if let Some(seed) = wanted.seed {
            self.put(names::SEED.under(self.profile), Value::Int(seed));
        }
        for (name, number) in [
            (names::TEMPERATURE, wanted.temperature),
            (names::TOP_P, wanted.top_p),
            (names::TOP_K, wanted.top_k),
            (names::FREQUENCY_PENALTY, wanted.frequency_penalty),
            (names::PRESENCE_PENALTY, wanted.presence_penalty),
        ] {
            if let Some(number) = number {
                self.put(name.under(self.profile), Value::Double(number));
            }
        }
        self.text(names::OUTPUT_TYPE, wanted.output.unwrap_or_default());
    }

    fn cost(&mut self, cost: Option<Cost>) {
        let Some(cost) = cost else { return };
        self.own(own::COST_CERTAINTY, cost.certainty().name());
        if let Some(picousd) = cost.picousd() {
            self.put(own::COST_USD, Value::Double(dollars(picousd)));
            self.put(own::COST_PICOUSD, Value::Int(int(picousd)));
        }
    }
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[allow(clippy::cast_precision_loss)] // for charts
fn dollars(picousd: u64) -> f64 {
    picousd as f64 / 1e12
}

#[allow(clippy::cast_precision_loss)] // milliseconds of a request
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1e3
}

/// `2026-11-26T20:27:34.120Z`.
fn rfc3339(ms: u64) -> String {
    let (seconds, millis) = (ms / 1_000 % 86_400, ms % 1_000);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z", day_of(ms))
}

#[cfg(test)]
mod tests;
