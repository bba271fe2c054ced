//! Stage 9: the record of a request, from which spans, metrics and the register are made. Names and counts only.

use crate::attempt::continuation::Mode;
use crate::dialect::Dialect;
use crate::error::{Blame, GatewayError};
use crate::health::circuit::Change;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::settle::AttemptAccount;
use crate::policy::decision::Decision;
use crate::policy::input::Purpose;
use crate::policy::record::Shadow;
use crate::policy::score::Score;
use crate::ports::Platform;
use crate::route;
use crate::telemetry::record::{AttemptRecord, Best, Ranked, RequestRecord, ScoreTerms, SeamRecord, MOST_RANKED};

/// A request that went through its attempts, well or not.
pub fn served<P: Platform>(run: &Run<'_, P>, shadow: Option<&Shadow>) -> RequestRecord {
    let exchange = run.exchange;
    let choice = run.choice;
    let chosen = run.answered_by.and_then(|c| choice.candidates.get(c));
    let first = choice.candidates.first();
    let answer = run.accounts.iter().rposition(|a| Some(a.candidate) == run.answered_by);
    let score = chosen.or(first).map(|c| c.score);
    let seams = run.continuing.seams.iter().map(|seam| SeamRecord {
        model: choice.candidates.get(seam.candidate).map(|c| c.name.clone()).unwrap_or_default(),
        mode: seam.mode.name().to_owned(),
        offset: seam.offset as u64,
    });
    RequestRecord {
        stream: run.view.stream,
        requested_model: run.view.model.to_string(),
        model: chosen.map(|c| c.name.clone()),
        operation: operation(choice.work.purpose(), exchange.dialect).to_owned(),
        policy: choice.policy.clone(),
        task: choice.task.clone(),
        score: score.map(terms),
        ranked: choice.ranked.clone(),
        best: choice.best.as_ref().map(|(model, expected)| Best {
            model: model.clone(),
            expected_picousd: *expected,
            chosen_picousd: chosen.or(first).and_then(|c| c.expected_picousd),
        }),
        shadow: shadow.cloned(),
        candidates: u32::try_from(choice.considered).unwrap_or(u32::MAX),
        attempts: attempts(run),
        losses: chosen.map(|_| run.losses().map(|l| l.field.clone()).collect()).unwrap_or_default(),
        seams: seams.collect(),
        malformed_events: run.malformed,
        usage: answer.and_then(|at| run.told_usage(at)).map(|(usage, _)| usage),
        cost: (!run.accounts.is_empty()).then(|| run.total_cost()),
        ttft_ms: run.first_content_ms.map(|t| t.saturating_sub(exchange.arrived_ms)),
        stream_id: exchange.kept.clone(),
        ..ended(exchange, run.status, run.error.as_ref())
    }
}

/// The first candidates of a decision.
pub fn ranked(decision: &Decision) -> Vec<Ranked> {
    let word =
        |why| serde_json::to_value(why).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default();
    let first = decision.ranked.iter().take(MOST_RANKED);
    first.map(|c| Ranked { model: c.name.clone(), why: word(c.why), score: terms(c.score) }).collect()
}

fn terms(score: Score) -> ScoreTerms {
    ScoreTerms {
        quality_micro: score.quality_micro,
        cost_micro: score.cost_micro,
        latency_micro: score.latency_micro,
        risk_micro: score.risk_micro,
        boost_micro: score.boost_micro,
        total_micro: score.total_micro,
    }
}

/// A request that needed no model.
pub fn page<P: Platform>(exchange: &Exchange<'_, P>, status: u16) -> RequestRecord {
    ended(exchange, status, None)
}

/// A request that was answered with an error before any attempt.
pub fn refused<P: Platform>(exchange: &Exchange<'_, P>, error: &GatewayError) -> RequestRecord {
    ended(exchange, error.status(), Some(error))
}

fn ended<P: Platform>(exchange: &Exchange<'_, P>, status: u16, error: Option<&GatewayError>) -> RequestRecord {
    let blame = |error: &GatewayError| match error.kind.blame() {
        Blame::Caller => "caller",
        Blame::Policy => "policy",
        Blame::Upstream => "upstream",
        Blame::Gateway => "gateway",
    };
    RequestRecord {
        request_id: exchange.request_id.clone(),
        trace_id: exchange.trace.trace_id.clone(),
        span_id: exchange.trace.span_id.clone(),
        parent_id: exchange.trace.parent_id.clone(),
        method: route::known_method(&exchange.request.method).to_owned(),
        route: route::template(&exchange.request.path).to_owned(),
        dialect: exchange.dialect.name().to_owned(),
        principal: exchange.principal_id().to_owned(),
        started_ms: exchange.arrived_ms,
        duration_ms: exchange.platform.now_ms().saturating_sub(exchange.arrived_ms),
        status,
        // The kind's own word: a provider's code may be anything.
        error: error.map(|error| error.kind.code().to_owned()),
        blame: error.map(|error| blame(error).to_owned()),
        config_version: exchange.gateway.config.version.clone(),
        price_version: exchange.gateway.price_version().to_owned(),
        ..RequestRecord::default()
    }
}

/// What was asked of a model, in the conventions' words where they have one.
fn operation(purpose: Purpose, dialect: Dialect) -> &'static str {
    match (purpose, dialect) {
        (Purpose::Answer, Dialect::Gemini) => "generate_content",
        (Purpose::Answer, _) => "chat",
        (Purpose::Embed, _) => "embeddings",
        (Purpose::Count, _) => "count_tokens",
    }
}

fn attempts<P: Platform>(run: &Run<'_, P>) -> Vec<AttemptRecord> {
    let mut list: Vec<AttemptRecord> = Vec::with_capacity(run.accounts.len());
    for (at, account) in run.accounts.iter().enumerate() {
        let Some(chosen) = run.choice.candidates.get(account.candidate) else { continue };
        let end = run.machine.records().iter().find(|end| end.attempt == account.opened.attempt);
        list.push(AttemptRecord {
            role: role(run, at, account).to_owned(),
            outcome: end.map_or_else(|| "cancelled".to_owned(), |end| end.outcome.clone()),
            class: end.and_then(|end| end.class).map(|class| class.name().to_owned()),
            ..sent(run, account, chosen)
        });
    }
    list
}

fn sent<P: Platform>(run: &Run<'_, P>, account: &AttemptAccount, chosen: &Candidate<'_>) -> AttemptRecord {
    let provider = chosen.provider;
    let settled = account.settled.as_ref();
    AttemptRecord {
        span_id: account.span_id.clone(),
        provider: provider.name.clone(),
        dialect: chosen.dialect.name().to_owned(),
        profile: provider.profile.clone(),
        host: provider.base_url.as_deref().map(host).unwrap_or_default().to_owned(),
        model: chosen.model.clone(),
        listed: run.exchange.gateway.config.model(provider, &chosen.name).is_some(),
        response_model: account.told.model.clone(),
        response_id: account.told.id.clone(),
        finish_reason: account.told.finish.clone(),
        started_ms: account.opened.ts_ms,
        duration_ms: settled.map_or(0, |settled| settled.duration_ms),
        ttft_ms: account.first_content_ms.map(|at| at.saturating_sub(account.opened.ts_ms)),
        usage: settled.map(|settled| settled.usage).unwrap_or_default(),
        cost: settled.map(|settled| settled.cost),
        circuit: account.told.circuit.map(|change| match change {
            Change::Opened => "opened".to_owned(),
            Change::Closed => "closed".to_owned(),
        }),
        ..AttemptRecord::default()
    }
}

fn role<P: Platform>(run: &Run<'_, P>, at: usize, account: &AttemptAccount) -> &'static str {
    let Some((before_at, before)) = at.checked_sub(1).and_then(|at| Some((at, run.accounts.get(at)?))) else {
        return "first";
    };
    if run.resumed_accounts().contains(&before_at) {
        return "resume";
    }
    let begun = |other: &AttemptAccount| other.first_content_ms.is_some_and(|at| at <= account.opened.ts_ms);
    if run.accounts.iter().take(at).any(begun) {
        let seam = run.continuing.seams.iter().find(|seam| seam.candidate == account.candidate);
        return seam.map_or(Mode::Restart, |seam| seam.mode).name();
    }
    let ended =
        |other: &AttemptAccount| other.settled.as_ref().map(|s| other.opened.ts_ms.saturating_add(s.duration_ms));
    if ended(before).is_none_or(|at| at > account.opened.ts_ms) {
        "hedge"
    } else if before.candidate == account.candidate {
        "retry"
    } else {
        "fallback"
    }
}

/// Host and port of an address.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
