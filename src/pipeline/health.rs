//! `GET /healthz`: one word for everybody, and for operators what stands behind it: who can be called, and whom `auto`
//! would show a prompt to (DESIGN §2 "Who may see a prompt").

use serde_json::{json, Value};

use crate::accounting::day::days_since;
use crate::classify::Features;
use crate::config::provider::{Provider, State};
use crate::dialect::Dialect;
use crate::pipeline::captures;
use crate::pipeline::enter;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::policy::input::{Input, PrincipalView, Purpose, RequestView};
use crate::policy::routing::RoutingRequest;
use crate::policy::{decide, pool, Knowledge};
use crate::ports::Platform;
use crate::sorted::Map;

/// Answers, and gives the status: 503 where no request can be served. A credential is not needed; one that does not hold
/// changes nothing, and an operator's brings the details.
pub async fn health<P: Platform>(exchange: &Exchange<'_, P>) -> u16 {
    let config = &exchange.gateway.config;
    let ready = config.providers.values().any(|p| p.state() == State::Ready);
    let (status, word) = match (config.identity.is_configured(), ready) {
        (false, _) => (503, "unconfigured"),
        (true, false) => (503, "degraded"),
        (true, true) => (200, "ok"),
    };
    let page = if asked_by_operator(exchange).await { details(exchange, word) } else { json!({ "status": word }) };
    exchange.platform.reply(reply::json_head(exchange, status), page.to_string().into_bytes());
    status
}

async fn asked_by_operator<P: Platform>(exchange: &Exchange<'_, P>) -> bool {
    enter::known(exchange).await.is_ok_and(|principal| principal.operator)
}

fn details<P: Platform>(exchange: &Exchange<'_, P>, word: &str) -> Value {
    let gateway = exchange.gateway;
    let config = &gateway.config;
    json!({
        "status": word,
        "providers": config.providers.values().map(provider).collect::<Vec<_>>(),
        "auto": covered_by_auto(exchange),
        "unbound": exchange.platform.unbound(),
        "capture": captures::state(exchange),
        "refused": *gateway.memory.refused.borrow(),
        "prices": prices(exchange),
        "versions": { "config": config.version, "catalogue": config.catalogue.version, "prices": gateway.prices.version },
    })
}

/// The price table: how old it is, what it has no price for, and how its last renewal went.
fn prices<P: Platform>(exchange: &Exchange<'_, P>) -> Value {
    let gateway = exchange.gateway;
    let unpriced = gateway.unpriced_models().into_iter();
    let report = gateway.price_report().and_then(|text| crate::json::from_str::<Value>(&text).ok());
    json!({
        "version": gateway.prices.version,
        "date": gateway.prices.date,
        "age_days": days_since(&gateway.prices.date, exchange.arrived_ms),
        "models": gateway.prices.ids().count(),
        "unpriced": unpriced.map(|(model, attempts)| json!({ "model": model, "attempts": attempts })).collect::<Vec<_>>(),
        "refresh_url": gateway.config.price_refresh.as_ref().map(|refresh| refresh.url.as_str()),
        "last_refresh": report,
    })
}

fn provider(provider: &Provider) -> Value {
    let state = match provider.state() {
        State::Ready => "ready",
        State::Disabled => "disabled",
        State::UnsupportedKind => "unsupported_kind",
        State::NoBinding => "no_binding",
        State::NoBaseUrl => "no_base_url",
        State::NoSecret => "no_secret",
    };
    json!({
        "name": provider.name,
        "kind": provider.kind,
        "state": state,
        "region": provider.region,
        "reseller": provider.reseller,
        "trains_on_data": provider.trains_on_data,
    })
}

/// The candidates of `auto` for a plain chat, best first: those that the data policy lets see a prompt and that can be called.
fn covered_by_auto<P: Platform>(exchange: &Exchange<'_, P>) -> Vec<String> {
    let gateway = exchange.gateway;
    let input = Input {
        features: Features::default(),
        request: RequestView {
            purpose: Purpose::Answer,
            dialect: Dialect::OpenAiChat,
            model: "auto".to_owned(),
            routing: RoutingRequest::default(),
        },
        principal: PrincipalView::default(),
        now_ms: exchange.arrived_ms,
        seed: 0,
        signed_by: None,
        session: None,
        corrections: None,
        signals: Map::new(),
    };
    // An operator may have removed the alias.
    let Ok(pool) = pool(&input.request, &input, &gateway.config) else { return Vec::new() };
    let decision = decide(&input, &pool, Knowledge { config: &gateway.config, prices: &gateway.prices });
    decision.ranked.into_iter().map(|choice| choice.name).collect()
}
