//! Stage 9: the log line and the record of a request. Content-free: see `telemetry::log`, `telemetry::record`.

use crate::accounting::Cost;
use crate::error::{Blame, GatewayError};
use crate::http::Request;
use crate::pipeline::asked_for;
use crate::pipeline::attempts::Run;
use crate::pipeline::capturing;
use crate::pipeline::considered;
use crate::pipeline::enter::Entered;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::recorded;
use crate::pipeline::saying;
use crate::ports::Platform;
use crate::telemetry::log::RequestLine;
use crate::telemetry::record::RequestRecord;
use crate::telemetry::sampling;

/// A request that went through its attempts, well or not.
pub fn served<P: Platform>(run: &Run<'_, P>) {
    let exchange = run.exchange;
    let chosen = run.answered_by.and_then(|c| run.choice.candidates.get(c));
    let answer = run.accounts.iter().rposition(|a| Some(a.candidate) == run.answered_by);
    let seams = run.continuing.seams.iter().map(|seam| {
        let name = run.choice.candidates.get(seam.candidate).map_or("", |c| c.name.as_str());
        format!("{name}:{}@{}", seam.mode.name(), seam.offset)
    });
    let cost = run.total_cost();
    let attempts = run.machine.attempts_header();
    let losses = chosen.map(|_| run.losses().map(|l| l.field.as_str()).collect());
    let shadow = considered::shadow(run);
    let capture_id = capturing::finish(run);
    exchange.platform.log(
        RequestLine {
            level: level(run.error.as_ref()),
            status: run.status,
            error: run.error.as_ref().map(GatewayError::code),
            stream: run.view.stream,
            requested_model: &run.view.model,
            model: chosen.map(|c| c.name.as_str()),
            policy: &run.choice.policy,
            task: Some(&run.choice.task),
            shadow: shadow.as_ref(),
            capture_id: capture_id.as_deref(),
            attempts: &attempts,
            losses: losses.unwrap_or_default(),
            malformed_events: run.malformed,
            usage: answer.and_then(|at| run.told_usage(at)).map(|(usage, _)| usage),
            seams: seams.collect(),
            cost_usd: cost.usd(),
            cost_certainty: (!run.accounts.is_empty()).then(|| cost.certainty().name()),
            ttft_ms: run.first_content_ms.map(|t| t.saturating_sub(exchange.arrived_ms)),
            ..line(exchange)
        }
        .to_json(),
    );
    if exchange.platform.wants_records() {
        let mut record = RequestRecord { capture_id, ..recorded::served(run, shadow.as_ref()) };
        let telemetry = &exchange.gateway.config.telemetry;
        if telemetry.tells_traces() && sampling::exported(&record, telemetry) {
            record.parameters = asked_for::parameters(exchange.dialect, run.view);
        }
        let content = saying::finish(run, &record);
        exchange.platform.record_request(record, content);
    }
    considered::record(run, shadow);
    considered::remember(run);
    debug_assert!(run.accounts.iter().all(|a| a.settled.is_some()) || cost == Cost::UNPRICED, "an attempt is open");
}

/// A request that needed no model.
pub fn page<P: Platform>(exchange: &Exchange<'_, P>, status: u16) {
    exchange.platform.log(RequestLine { status, ..line(exchange) }.to_json());
    if exchange.platform.wants_records() {
        exchange.platform.record_request(recorded::page(exchange, status), None);
    }
}

/// A request that was answered with an error before any attempt.
pub fn refused<P: Platform>(exchange: &Exchange<'_, P>, error: &GatewayError) {
    exchange.platform.log(
        RequestLine { level: level(Some(error)), status: error.status(), error: Some(error.code()), ..line(exchange) }
            .to_json(),
    );
    if exchange.platform.wants_records() {
        exchange.platform.record_request(recorded::refused(exchange, error), None);
    }
}

/// Why a caller was not let in: for operators, since the caller is not told which check failed.
pub fn not_let_in<P: Platform>(exchange: &Exchange<'_, P>, reason: &str) -> String {
    let request_id = &exchange.request_id;
    serde_json::json!({ "message": "not let in", "level": "info", "request_id": request_id, "reason": reason })
        .to_string()
}

/// A request that came while no configuration is in force.
pub fn unconfigured(entered: &Entered, request: &Request, error: &GatewayError) -> String {
    RequestLine {
        message: "request",
        level: level(Some(error)),
        request_id: &entered.request_id,
        trace_id: &entered.trace.trace_id,
        span_id: &entered.trace.span_id,
        method: &request.method,
        path: &request.path,
        dialect: entered.dialect.name(),
        status: error.status(),
        error: Some(error.code()),
        ..RequestLine::default()
    }
    .to_json()
}

fn line<'l, P: Platform>(exchange: &'l Exchange<'_, P>) -> RequestLine<'l> {
    RequestLine {
        message: "request",
        level: "info",
        request_id: &exchange.request_id,
        trace_id: &exchange.trace.trace_id,
        span_id: &exchange.trace.span_id,
        method: &exchange.request.method,
        path: &exchange.request.path,
        dialect: exchange.dialect.name(),
        principal: exchange.principal_id(),
        duration_ms: exchange.platform.now_ms().saturating_sub(exchange.arrived_ms),
        ..RequestLine::default()
    }
}

fn level(error: Option<&GatewayError>) -> &'static str {
    match error.map(|e| e.kind.blame()) {
        Some(Blame::Upstream | Blame::Gateway) => "error",
        _ => "info",
    }
}
