//! What operators are told of all requests: `GET /v1/stats` and `GET /metrics`. Both read the register's shards.

use crate::error::GatewayError;
use crate::http::ResponseHead;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::ports::Platform;
use crate::telemetry::prometheus;
use crate::telemetry::register::{Register, Rest, Slice};
use crate::telemetry::stats::{document, Query};

/// `GET /v1/stats`.
///
/// # Errors
/// 400 for a query that is none, 503 where the register cannot be reached.
pub async fn stats<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let query = Query::read(&exchange.request.query)
        .map_err(|(name, why)| GatewayError::invalid(&name, format!("The parameter '{name}' {why}.")))?;
    let path = format!("/register/stats?{}", exchange.request.query);
    let register = whole::<Slice, P>(exchange, &path).await?;
    let page = document(&register, query, exchange.platform.now_ms()).to_string();
    exchange.platform.reply(reply::json_head(exchange, 200), page.into_bytes());
    Ok(200)
}

/// `GET /metrics`.
///
/// # Errors
/// As [`stats`].
pub async fn metrics<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let mut register = whole::<Rest, P>(exchange, "/register/metrics").await?;
    register.meter.begin();
    let text = prometheus::text(&register.meter, &register.gauges());
    let mut head: ResponseHead = reply::json_head(exchange, 200);
    head.headers.set("content-type", prometheus::CONTENT_TYPE);
    exchange.platform.reply(head, text.into_bytes());
    Ok(200)
}

/// All shards as one.
async fn whole<T, P>(exchange: &Exchange<'_, P>, path: &str) -> Result<Register, GatewayError>
where
    T: serde::de::DeserializeOwned,
    Register: From<T>,
    P: Platform,
{
    let telemetry = &exchange.gateway.config.telemetry;
    let mut register = Register::default();
    for shard in 0..telemetry.shards {
        let page = exchange.platform.register(shard, path).await;
        let Some(part) = page.and_then(|page| crate::json::from_str::<T>(&page).ok()) else {
            return Err(GatewayError::unreachable("The register"));
        };
        register.merge(part.into());
    }
    Ok(register)
}
