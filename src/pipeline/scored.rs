//! `POST /v1/feedback`: a caller scores an answer of its own (`crate::feedback`).

use serde::Deserialize;
use serde_json::json;

use crate::accounting::day::DAY_MS;
use crate::error::{ErrorKind, GatewayError};
use crate::feedback::{Score, Verdict};
use crate::pipeline::enter;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::ports::Platform;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    request_id: String,
    receipt: String,
    score: f64,
}

/// Takes a score.
///
/// # Errors
/// 404 where scores are not taken, 400 for another body, 403 for an answer that is not this caller's or too old, 409 for one
/// that has been scored, 429 where the caller has given as many as it may today, 503 where the sums cannot be reached.
pub async fn score<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let Some(settings) = exchange.gateway.config.feedback else {
        return Err(GatewayError::new(ErrorKind::RouteNotFound, "Answers are not scored here."));
    };
    let sent = enter::body(exchange).await?;
    let body: Body = crate::json::from_slice(&sent).map_err(|_| {
        GatewayError::new(
            ErrorKind::InvalidRequest,
            "The body must have request_id, receipt and score, and nothing else.",
        )
    })?;
    if !(0.0..=1.0).contains(&body.score) {
        return Err(GatewayError::invalid("score", "The score must be a number from 0 to 1."));
    }
    let now_ms = exchange.platform.now_ms();
    let principal = exchange.principal_id();
    let about = exchange.gateway.of_receipt(&body.receipt, principal, &body.request_id, now_ms).ok_or_else(|| {
        let message = "The receipt is not of this request, not of this caller, or more than a day old.";
        GatewayError { param: Some("receipt".to_owned()), ..GatewayError::new(ErrorKind::Forbidden, message) }
    })?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 0 to a million
    let score_micro = (body.score * 1e6).round() as u64;
    let page =
        json!({ "object": "signalbox.feedback", "policy": about.policy, "task": about.task, "model": about.model });
    let score = Score {
        request_id: body.request_id,
        principal: principal.to_owned(),
        about,
        score_micro,
        most_today: settings.per_principal_per_day,
    };
    match exchange.platform.score(score).await {
        Some(Verdict::Taken) => {
            exchange.platform.reply(reply::json_head(exchange, 200), page.to_string().into_bytes());
            Ok(200)
        }
        Some(Verdict::Repeated) => Err(GatewayError {
            status: Some(409),
            code: Some("already_scored".to_owned()),
            ..GatewayError::new(ErrorKind::InvalidRequest, "This answer has been scored.")
        }),
        Some(Verdict::TooMany) => Err(GatewayError {
            code: Some("too_many_scores".to_owned()),
            retry_after_ms: Some(DAY_MS - now_ms % DAY_MS),
            ..GatewayError::new(ErrorKind::TooFast, "This caller has given as many scores as it may today.")
        }),
        None => Err(GatewayError::unreachable("The place of scores")),
    }
}
