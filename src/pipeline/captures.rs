//! `GET /v1/captures`, `GET` and `DELETE /v1/captures/{id}`: for operators, and for callers whose credential says `capture`
//! their own. Everybody else is told what is told of captures that never were.

use serde_json::value::RawValue;
use serde_json::{json, Value};

use crate::capture::export::{export, Format, FORMATS};
use crate::capture::{prefix_of, Capture, Id, Meta, INDEX};
use crate::error::{ErrorKind, GatewayError};
use crate::http::ResponseHead;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::ports::Platform;

/// Captures of a page, and most of them.
const PAGE: usize = 20;
const MOST: usize = 100;

/// Newest first, without content.
///
/// # Errors
/// 404 for whoever may see none, 400 for a query that is none, 503 where the store cannot be reached.
pub async fn list<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let everybodys = may_see(exchange)?;
    let (mut limit, mut after) = (PAGE, None);
    for pair in exchange.request.query.split('&').filter(|pair| !pair.is_empty()) {
        let wrong = |name: &str, why: &str| GatewayError::invalid(name, format!("The parameter '{name}' {why}."));
        match pair.split_once('=').unwrap_or((pair, "")) {
            ("limit", count) => {
                let count = count.parse().ok().filter(|count| (1..=MOST).contains(count));
                limit = count.ok_or_else(|| wrong("limit", "must be a number from 1 to 100"))?;
            }
            ("cursor", "") => {}
            ("cursor", id) => after = Some(Id::parse(id).ok_or_else(|| wrong("cursor", "is no cursor of this list"))?),
            (name, _) => return Err(wrong(name, "is not known here; known are limit and cursor")),
        }
    }
    let (prefix, after) = if everybodys {
        (INDEX.to_owned(), after.map(|id| id.index_key()))
    } else {
        (prefix_of(exchange.principal_id()), after.map(|id| id.key()))
    };
    // One more than is shown tells whether there are more.
    let found = exchange.platform.captures(&prefix, after.as_deref().unwrap_or_default(), limit + 1).await;
    let found = found.ok_or_else(|| GatewayError::unreachable("The store of captures"))?;
    let has_more = found.len() > limit;
    let now = exchange.platform.now_ms();
    let shown: Vec<Meta> = found.iter().take(limit).filter_map(|text| crate::json::from_str(text).ok()).collect();
    let next_cursor = shown.last().filter(|_| has_more).map(|meta| meta.id.clone());
    let data: Vec<&Meta> = shown.iter().filter(|meta| meta.expires_ms > now).collect();
    let page = json!({ "object": "list", "data": data, "has_more": next_cursor.is_some(), "next_cursor": next_cursor });
    exchange.platform.reply(reply::json_head(exchange, 200), page.to_string().into_bytes());
    Ok(200)
}

/// One, whole, or as something else (`format`).
///
/// # Errors
/// 404 where there is none that this caller may see; 400 for a query that is none and for what cannot be exported; 503 where the
/// store cannot be reached.
pub async fn one<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<u16, GatewayError> {
    let (_, document) = read(exchange, id).await?;
    let Some(format) = format(&exchange.request.query)? else {
        exchange.platform.reply(reply::json_head(exchange, 200), document);
        return Ok(200);
    };
    let (meta, capture) = opened(&document)?;
    let exported = export(&meta, &capture, format).map_err(|why| GatewayError::invalid("id", why))?;
    let mut head = reply::json_head(exchange, 200);
    head.headers.set("content-type", exported.content_type);
    head.headers.set("x-signalbox-losses", exported.losses.join(","));
    exchange.platform.reply(head, exported.body.into_bytes());
    Ok(200)
}

/// A document, read whole.
///
/// # Errors
/// 400: another version wrote it.
pub fn opened(document: &[u8]) -> Result<(Meta, Capture), GatewayError> {
    let unreadable = |_| GatewayError::invalid("id", "This capture was written by another version.");
    Ok((crate::json::from_slice(document).map_err(unreadable)?, crate::json::from_slice(document).map_err(unreadable)?))
}

fn format(query: &str) -> Result<Option<Format>, GatewayError> {
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let word = pair.strip_prefix("format=");
        let known = word.and_then(|word| FORMATS.iter().find(|(name, _)| *name == word));
        let wrong = "Known here is the parameter 'format', openai-jsonl or fixture.";
        found = Some(known.ok_or_else(|| GatewayError::invalid("format", wrong))?.1);
    }
    Ok(found)
}

/// Erases one.
///
/// # Errors
/// As [`one`].
pub async fn erase<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<u16, GatewayError> {
    let (id, _) = read(exchange, id).await?;
    if !exchange.platform.erase_captures(&[id.key(), id.index_key()]).await {
        return Err(GatewayError::unreachable("The store of captures"));
    }
    let ResponseHead { headers, .. } = reply::json_head(exchange, 204);
    exchange.platform.reply(ResponseHead { status: 204, headers }, Vec::new());
    Ok(204)
}

/// What is known of the feature, for operators.
pub fn state<P: Platform>(exchange: &Exchange<'_, P>) -> Value {
    let bound = exchange.platform.keeps_captures();
    let word = match exchange.gateway.config.capture.as_ref() {
        None => "off",
        Some(_) if !bound => "no_binding",
        Some(settings) if settings.lacks_key => "no_key",
        Some(_) => "on",
    };
    json!(word)
}

/// A capture that this caller may see, and its document.
///
/// # Errors
/// As [`one`].
pub async fn read<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<(Id, Vec<u8>), GatewayError> {
    #[derive(serde::Deserialize)]
    struct Expires<'d> {
        expires_ms: u64,
        #[serde(borrow, rename = "version")]
        _version: &'d RawValue,
    }
    let everybodys = may_see(exchange)?;
    let own = |id: &Id| everybodys || id.principal() == exchange.principal_id();
    let id = Id::parse(id).filter(own).ok_or_else(unknown)?;
    let keys = exchange.gateway.config.capture.as_ref().map(|settings| settings.keys.as_slice()).unwrap_or_default();
    let found = exchange.platform.capture(&id.key(), keys).await;
    let document = found.ok_or_else(|| GatewayError::unreachable("The store of captures"))?.ok_or_else(unknown)?;
    let expires = crate::json::from_slice::<Expires<'_>>(&document).map_err(|_| unknown())?.expires_ms;
    if expires <= exchange.platform.now_ms() {
        return Err(unknown());
    }
    Ok((id, document))
}

/// Whether a caller sees captures of others, too.
///
/// # Errors
/// 404 for whoever sees none.
fn may_see<P: Platform>(exchange: &Exchange<'_, P>) -> Result<bool, GatewayError> {
    let principal = exchange.principal.as_ref().filter(|principal| principal.operator || principal.capture);
    principal.filter(|_| exchange.platform.keeps_captures()).map(|p| p.operator).ok_or_else(unknown)
}

/// The same for captures that are another's, that are no more, and that never were.
fn unknown() -> GatewayError {
    let message = "There is no such capture: it is not yours, or it is kept no longer.";
    GatewayError { code: Some("capture_not_found".to_owned()), ..GatewayError::new(ErrorKind::RouteNotFound, message) }
}
