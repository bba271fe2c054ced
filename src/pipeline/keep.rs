//! Answers that outlive their connection: a request whose answer is to be kept goes to the answer's keeper, which answers
//! in our place; so does whoever comes back for the rest of it (DESIGN §5 "Resumable").

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine as _;

use crate::cors;
use crate::error::{ErrorKind, GatewayError};
use crate::http::Headers;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::told;
use crate::ports::{Kept, Platform};
use crate::resume::errand::{handed_over, hash, Run, Visit};
use crate::upstream::keys::OWN_KEY_PREFIX;

/// Longest `Idempotency-Key`.
const MAX_KEY_BYTES: usize = 255;

/// Has a request carried out where its answer is kept, if the caller wants that: by the header that makes a stream
/// resumable, or by an `Idempotency-Key`. False: it goes on here.
///
/// # Errors
/// The caller's: a key that is none, or that has been used for another request; ours where answers cannot be kept.
pub async fn hand_over<P: Platform>(
    exchange: &Exchange<'_, P>,
    resumable: bool,
    body: &[u8],
) -> Result<bool, GatewayError> {
    let headers = &exchange.request.headers;
    let key = headers.value("idempotency-key");
    let (Some(principal), None, true) = (&exchange.principal, &exchange.kept, resumable || key.is_some()) else {
        return Ok(false);
    };
    if headers.iter().any(|(name, _)| name.starts_with(OWN_KEY_PREFIX)) {
        let message = "A request with a key of the caller's own cannot be kept: keys are not.";
        return Err(GatewayError::invalid("idempotency-key", message));
    }
    if !exchange.platform.keeps_answers() {
        let message = "Answers are not kept here: this deployment has no object for them.";
        let header = if resumable { "x-signalbox-resumable" } else { "idempotency-key" };
        return Err(GatewayError { status: Some(501), ..GatewayError::invalid(header, message) });
    }
    let id = match key.map(str::trim) {
        Some(key)
            if key.is_empty() || key.len() > MAX_KEY_BYTES || !key.bytes().all(|b| (b' '..=b'~').contains(&b)) =>
        {
            let message = format!("Idempotency-Key: must be 1 to {MAX_KEY_BYTES} printable ASCII characters.");
            return Err(GatewayError::invalid("idempotency-key", message));
        }
        Some(key) => exchange.gateway.gate.id_of(&["idempotency-key", &principal.id, key]),
        None => URL_SAFE_NO_PAD.encode(exchange.platform.secret()),
    };
    let request = exchange.request;
    let run = Run {
        line: [request.method.clone(), request.path.clone(), request.query.clone()],
        headers: handed_over(headers),
        principal: (**principal).clone(),
        request_id: exchange.request_id.clone(),
        trace: exchange.trace.clone(),
        arrived_ms: exchange.arrived_ms,
        version: exchange.gateway.config.version.clone(),
        hash: hash(request, body),
        dialect: exchange.dialect,
        array: exchange.array,
        keep_ms: exchange.gateway.config.streams_keep_ms,
        id,
    };
    visit(exchange, &run.id, "/run", &run.with_body(body)).await?;
    Ok(true)
}

/// `GET /v1/streams/{id}`: what a stream has behind the caller's cursor, and what comes.
///
/// # Errors
/// 404 where there is none of the caller's, 400 for a cursor that is none.
pub async fn read<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<(), GatewayError> {
    let query = exchange.request.query.split('&').find_map(|pair| pair.strip_prefix("after="));
    // A browser that connects again repeats the address, and the header is what it has come to since.
    let header = exchange.request.headers.value("last-event-id").map(str::trim).filter(|id| !id.is_empty());
    let (param, cursor) = if header.is_some() { ("last-event-id", header) } else { ("after", query) };
    let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
    let after = match cursor {
        None => 0,
        Some(text) => Some(text).filter(digits).and_then(|text| text.parse().ok()).ok_or_else(|| not_there(param))?,
    };
    send(exchange, id, "/read", param, after).await
}

/// `DELETE /v1/streams/{id}`: the provider is stopped, and what was kept is erased.
///
/// # Errors
/// 404 where there is none of the caller's.
pub async fn cancel<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<(), GatewayError> {
    send(exchange, id, "/cancel", "id", 0).await
}

async fn send<P: Platform>(
    exchange: &Exchange<'_, P>,
    id: &str,
    path: &str,
    param: &str,
    after: u64,
) -> Result<(), GatewayError> {
    let ours = id.len() == 24 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !ours || !exchange.platform.keeps_answers() {
        return Err(unknown());
    }
    let asked = Visit { principal: exchange.principal_id().to_owned(), after };
    match visit(exchange, id, path, &serde_json::to_vec(&asked).unwrap_or_default()).await? {
        Kept::Ahead => Err(not_there(param)),
        _ => Ok(()),
    }
}

/// Lets the keeper answer, and tells what it could not.
async fn visit<P: Platform>(
    exchange: &Exchange<'_, P>,
    id: &str,
    path: &str,
    sent: &[u8],
) -> Result<Kept, GatewayError> {
    let mut headers = Headers::new();
    cors::add_headers(&mut headers, exchange.origin.as_deref());
    let kept = exchange
        .platform
        .hand_over(id, path, sent, &headers)
        .await
        .map_err(|_| GatewayError::unreachable("The keeper of this answer"))?;
    match kept {
        // Its own line tells of it.
        Kept::Began | Kept::Ahead => {}
        Kept::Found => told::page(exchange, 200),
        Kept::Cancelled => told::page(exchange, 204),
        Kept::Unknown => return Err(unknown()),
        Kept::Differs => {
            let message = "This Idempotency-Key was used for another request.";
            return Err(GatewayError {
                status: Some(409),
                code: Some("idempotency_key_reused".to_owned()),
                ..GatewayError::invalid("idempotency-key", message)
            });
        }
    }
    Ok(kept)
}

/// The same for streams that are another's, that are no more, and that never were.
fn unknown() -> GatewayError {
    let message = "There is no such stream: it is not yours, or it is kept no longer.";
    GatewayError { code: Some("stream_not_found".to_owned()), ..GatewayError::new(ErrorKind::RouteNotFound, message) }
}

fn not_there(param: &str) -> GatewayError {
    GatewayError::invalid(param, format!("{param}: must be the number of an event of this stream, or 0."))
}
