//! What goes back besides the answer's own bytes: status lines, our headers, cost and explanation (DESIGN §2).

use crate::accounting::Cost;
use crate::cors;
use crate::dialect::canonical::{Disposition, Extra, Loss};
use crate::dialect::{anthropic_messages, gemini, openai_chat, Dialect, ReplyContext, Tail};
use crate::error::{ErrorKind, GatewayError};
use crate::feedback::{About, RECEIPT_HEADER};
use crate::http::{header_text, Headers, ResponseHead};
use crate::json::quoted;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::continuing::Seam;
use crate::pipeline::exchange::Exchange;
use crate::ports::Platform;
use crate::route;
use crate::stream::framing::Framing;

/// Longest Retry-After that the official clients wait for. Told to come back later than this, OpenAI's comes back within
/// seconds, as often as it may, and Anthropic's sleeps through it: both are told not to, and their users when.
const LONGEST_CLIENT_WAIT_MS: u64 = 60_000;

/// Headers of every answer: ids, trace, browser access.
pub fn base_headers<P: Platform>(exchange: &Exchange<'_, P>) -> Headers {
    let mut headers = Headers::new();
    headers.push("x-signalbox-request-id", &*exchange.request_id);
    // Where the official SDKs look for an id to quote.
    let sdk_name = if exchange.dialect == Dialect::AnthropicMessages { "request-id" } else { "x-request-id" };
    headers.push(sdk_name, &*exchange.request_id);
    headers.push("traceparent", exchange.trace.traceparent(&exchange.trace.span_id));
    cors::add_headers(&mut headers, exchange.origin.as_deref());
    // What a model wrote is text, whatever a browser would make of it.
    headers.push("x-content-type-options", "nosniff");
    headers
}

/// The head of a JSON answer of our own.
pub fn json_head<P: Platform>(exchange: &Exchange<'_, P>, status: u16) -> ResponseHead {
    let mut headers = base_headers(exchange);
    headers.push("content-type", "application/json");
    headers.push("cache-control", "no-store");
    headers.push("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
    ResponseHead { status, headers }
}

/// The head of an error answer; `run` where attempts were made.
pub fn error_head<P: Platform>(
    exchange: &Exchange<'_, P>,
    error: &GatewayError,
    run: Option<&Run<'_, P>>,
) -> ResponseHead {
    let mut head = json_head(exchange, error.status());
    let soon = error.retry_after_ms.is_none_or(|ms| ms <= LONGEST_CLIENT_WAIT_MS);
    head.headers.push("x-should-retry", if error.should_retry && soon { "true" } else { "false" });
    if let Some(ms) = error.retry_after_ms {
        head.headers.push("retry-after", ms.div_ceil(1000).to_string());
        head.headers.push("retry-after-ms", ms.to_string());
    }
    if error.kind == ErrorKind::MethodNotAllowed {
        head.headers.push("allow", route::allowed_method(&exchange.request.path).unwrap_or_default());
    }
    if let Some(run) = run {
        run_headers(&mut head.headers, run);
    }
    head
}

/// The head of a whole answer.
pub fn whole_head<P: Platform>(run: &Run<'_, P>, candidate: usize, account: usize) -> ResponseHead {
    let mut head = json_head(run.exchange, 200);
    run_headers(&mut head.headers, run);
    answered_by(&mut head.headers, run, candidate);
    if let Some(cost) = run.accounts.get(account).and_then(|a| Some(a.settled.as_ref()?.cost)) {
        if let Some(usd) = cost.usd() {
            head.headers.push("x-signalbox-cost-usd", usd);
        }
        head.headers.push("x-signalbox-cost-certainty", cost.certainty().name());
    }
    head
}

/// The head of a stream. Without a candidate it goes out before one has answered: model and attempts come in the last
/// chunk then.
pub fn stream_head<P: Platform>(run: &Run<'_, P>, candidate: Option<usize>) -> ResponseHead {
    let mut headers = base_headers(run.exchange);
    headers.push("content-type", Framing::content_type(run.exchange.array));
    // no-transform: compression at the edge would hold events back.
    headers.push("cache-control", "no-cache, no-transform");
    headers.push("x-accel-buffering", "no");
    if let Some(id) = &run.exchange.kept {
        headers.push("x-signalbox-stream-id", &**id);
    }
    if let Some(candidate) = candidate {
        run_headers(&mut headers, run);
        answered_by(&mut headers, run, candidate);
    } else {
        headers.push("x-signalbox-policy", header_text(&run.choice.policy));
    }
    ResponseHead { status: 200, headers }
}

fn run_headers<P: Platform>(headers: &mut Headers, run: &Run<'_, P>) {
    headers.push("x-signalbox-policy", header_text(&run.choice.policy));
    headers.push("x-signalbox-attempts", run.machine.attempts_header());
    for (name, value) in run.upstream_told.iter() {
        headers.push(name, value);
    }
    cors::expose(headers, run.upstream_told.iter().map(|(name, _)| name));
}

fn answered_by<P: Platform>(headers: &mut Headers, run: &Run<'_, P>, candidate: usize) {
    let Some(chosen) = run.choice.candidates.get(candidate) else { return };
    headers.push("x-signalbox-model", header_text(&chosen.name));
    headers.push("x-signalbox-losses", losses_text(run.losses()));
    let (exchange, choice) = (run.exchange, run.choice);
    if exchange.gateway.config.feedback.is_some() && choice.work.generates() {
        let about = About {
            at_ms: exchange.arrived_ms,
            policy: choice.policy.clone(),
            task: choice.task.clone(),
            model: chosen.name.clone(),
        };
        if let Some(receipt) = exchange.gateway.receipt(exchange.principal_id(), &exchange.request_id, &about) {
            headers.push(RECEIPT_HEADER, receipt);
        }
    }
}

/// The value of `x-signalbox-losses`.
pub fn losses_text<'l>(losses: impl IntoIterator<Item = &'l Loss>) -> String {
    losses.into_iter().map(loss_text).collect::<Vec<_>>().join(", ")
}

/// `field:disposition`, the field kept to characters that a header can carry.
fn loss_text(loss: &Loss) -> String {
    let field: String = loss.field.chars().filter(|c| c.is_ascii_graphic() && *c != ',').take(120).collect();
    let word = match loss.disposition {
        Disposition::Converted => "converted",
        Disposition::Advisory => "advisory",
        Disposition::Unsupported => "unsupported",
    };
    format!("{field}:{word}")
}

/// A native whole answer with cost and explanation added where the dialect has a place; every other byte is kept.
pub fn finish_native(dialect: Dialect, body: Vec<u8>, tail: &Tail) -> Vec<u8> {
    let signalbox = tail.signalbox.as_deref();
    match dialect {
        // `usage.cost` stands in the same place in both.
        Dialect::OpenAiChat | Dialect::OpenAiResponses if tail.cost_usd.is_some() || signalbox.is_some() => {
            openai_chat::native::add_cost(&body, tail.cost_usd.as_deref(), signalbox)
        }
        Dialect::AnthropicMessages if signalbox.is_some() => {
            anthropic_messages::native::add_signalbox(&body, signalbox.unwrap_or("null"))
        }
        Dialect::Gemini if signalbox.is_some() => gemini::native::add_signalbox(&body, signalbox.unwrap_or("null")),
        _ => body,
    }
}

/// `[{"field", "value"}]`, the values as their provider wrote them.
fn raw_members(extras: &[&Extra]) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for (at, extra) in extras.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"field\":");
        out.extend_from_slice(&quoted(&extra.field));
        out.extend_from_slice(b",\"value\":");
        // On one line: the member may stand in an event.
        out.extend(extra.value.get().bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')));
        out.push(b'}');
    }
    out.push(b']');
    out
}

impl<P: Platform> Run<'_, P> {
    /// What the writer of an answer must know beyond the answer.
    pub fn context(&self, chosen: &Candidate<'_>) -> ReplyContext {
        let exchange = self.exchange;
        ReplyContext {
            request_id: exchange.request_id.clone(),
            model: chosen.model.clone(),
            upstream: Some(chosen.dialect),
            answered_by: chosen.name.clone(),
            now_secs: exchange.platform.now_ms() / 1000,
            // Whole answers always have their usage.
            include_usage: self.view.include_usage || !self.view.stream,
            estimated_input_tokens: self.view.estimated_input_tokens,
            echo: exchange.dialect.echo(&self.view.members),
            hide_reasoning: self.view.hide_reasoning,
            one_call: self.choice.work.canonical().is_some_and(|asked| asked.parallel_tool_calls == Some(false)),
        }
    }

    /// The `signalbox` member: decision, attempts with their costs, losses, seams, safety verdicts, sources without another
    /// place. `None` unless the caller asked to explain, the stream was opened before anyone had answered, it was gone on with
    /// or resumed, or there is something of the answer to pass on. A stream whose losses show after its headers tells them, and
    /// nothing else.
    pub fn explanation(&self) -> Option<String> {
        let opened_early = self.opened_early;
        let stitched = !self.continuing.seams.is_empty();
        // The headers of a stream are out before it is paused, and they list the attempts.
        let told_late = opened_early || stitched || (self.view.stream && self.is_resumed());
        let whole_story = self.exchange.explain || told_late || !self.beside.is_empty();
        let lost_late = self.view.stream && !self.answer_losses.is_empty();
        if !whole_story && !lost_late {
            return None;
        }
        let mut out = Vec::with_capacity(if whole_story { 1024 } else { 256 });
        out.extend_from_slice(b"{\"request_id\":");
        out.extend_from_slice(&quoted(&self.exchange.request_id));
        if !whole_story {
            out.extend_from_slice(b",\"losses\":");
            out.extend_from_slice(&serde_json::to_vec(&self.answer_losses).ok()?);
            out.push(b'}');
            return String::from_utf8(out).ok();
        }
        if let Some(chosen) = self.answered_by.and_then(|c| self.choice.candidates.get(c)) {
            out.extend_from_slice(b",\"model\":");
            out.extend_from_slice(&quoted(&chosen.name));
        }
        out.extend_from_slice(b",\"policy\":");
        out.extend_from_slice(&quoted(&self.choice.policy));
        out.extend_from_slice(b",\"attempts\":");
        out.extend_from_slice(self.attempts_json().as_bytes());
        let losses: Vec<&Loss> = self.answered_by.map(|_| self.losses().collect()).unwrap_or_default();
        out.extend_from_slice(b",\"losses\":");
        out.extend_from_slice(&serde_json::to_vec(&losses).unwrap_or_else(|_| b"[]".to_vec()));
        if self.malformed > 0 {
            out.extend_from_slice(format!(",\"malformed_events\":{}", self.malformed).as_bytes());
        }
        if stitched {
            let seams: Vec<serde_json::Value> = self.continuing.seams.iter().map(|seam| self.seam_json(seam)).collect();
            out.extend_from_slice(b",\"seams\":");
            out.extend_from_slice(&serde_json::to_vec(&seams).unwrap_or_else(|_| b"[]".to_vec()));
        }
        let (verdicts, sources): (Vec<&Extra>, Vec<&Extra>) = self.beside.iter().partition(|extra| extra.is_verdict());
        for (name, list) in [("safety", verdicts), ("sources", sources)] {
            if !list.is_empty() {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                out.extend_from_slice(&raw_members(&list));
            }
        }
        if self.exchange.explain {
            out.extend_from_slice(b",\"decision\":");
            out.extend_from_slice(self.choice.explanation.as_bytes());
        }
        out.push(b'}');
        String::from_utf8(out).ok()
    }

    fn seam_json(&self, seam: &Seam) -> serde_json::Value {
        let name = self.choice.candidates.get(seam.candidate).map_or("", |c| c.name.as_str());
        serde_json::json!({ "candidate": name, "mode": seam.mode.name(), "offset": seam.offset })
    }

    /// Attempts in order, with outcome, times and cost.
    pub fn attempts_json(&self) -> String {
        let records = self.machine.records();
        let items: Vec<serde_json::Value> = self
            .accounts
            .iter()
            .map(|account| {
                let name = self.choice.candidates.get(account.candidate).map_or("", |c| c.name.as_str());
                let record = records.iter().find(|record| record.attempt == account.opened.attempt);
                let settled = account.settled.as_ref();
                let cost = settled.map(|s| s.cost);
                serde_json::json!({
                    "attempt": account.opened.attempt,
                    "model": name,
                    "outcome": record.map(|r| r.outcome.as_str()),
                    "duration_ms": settled.map(|s| s.duration_ms),
                    "ttft_ms": account.first_content_ms.map(|t| t.saturating_sub(account.opened.ts_ms)),
                    "usage": settled.map(|s| s.usage),
                    "cost_usd": cost.and_then(Cost::usd),
                    "cost_picousd": cost.and_then(Cost::picousd).map(|p| p.to_string()),
                    "cost_certainty": cost.map(|c| c.certainty().name()),
                })
            })
            .collect();
        serde_json::to_string(&items).unwrap_or_else(|_| "[]".to_owned())
    }
}
