//! Stages 1 and 2: ids, origin, who calls, the body.

use std::rc::Rc;

use crate::cors;
use crate::dialect::Dialect;
use crate::error::{ErrorKind, GatewayError};
use crate::http::{Headers, Request, ResponseHead};
use crate::identity::credential::ACCESS_HEADER;
use crate::identity::{Arrival, Principal, Refusal};
use crate::json::bounds::Excess;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::told;
use crate::ports::{Interrupt, Platform};
use crate::route::{self, Access};
use crate::telemetry::trace::{request_id, TraceContext};

/// What is known of a request before any configuration.
pub struct Entered {
    /// Our id for it.
    pub request_id: String,
    /// Its trace.
    pub trace: TraceContext,
    /// The language errors are told in.
    pub dialect: Dialect,
    /// When it came.
    pub arrived_ms: u64,
}

/// Gives a request its ids.
pub fn enter<P: Platform>(platform: &P, request: &Request) -> Entered {
    let random = || platform.random();
    Entered {
        request_id: request_id([random(), random()]),
        trace: TraceContext::join(request.headers.value("traceparent"), [random(), random(), random()]),
        dialect: route::dialect_of(&request.path, client(&request.headers)),
        arrived_ms: platform.now_ms(),
    }
}

/// Whose official client calls, as far as it says so itself. Gemini's asks for `/v1/models` like OpenAI's.
fn client(headers: &Headers) -> Option<Dialect> {
    let sends = |name: &str| headers.value(name).is_some();
    if sends("anthropic-version") {
        Some(Dialect::AnthropicMessages)
    } else if sends("x-goog-api-client") || sends("x-goog-api-key") {
        Some(Dialect::Gemini)
    } else {
        None
    }
}

/// Answers while no valid configuration is in force. The health page says so in its own form.
pub fn refuse_unconfigured<P: Platform>(platform: &P, entered: &Entered, request: &Request, error: &GatewayError) {
    let mut headers: Headers = [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("x-should-retry", "false"),
        ("x-signalbox-request-id", entered.request_id.as_str()),
    ]
    .into_iter()
    .collect();
    headers.push("vary", "Origin");
    headers.push("x-content-type-options", "nosniff");
    let body = if request.path == "/healthz" {
        br#"{"status":"unconfigured"}"#.to_vec()
    } else {
        entered.dialect.encode_error(error, &entered.request_id)
    };
    platform.reply(ResponseHead { status: error.status(), headers }, body);
    platform.log(told::unconfigured(entered, request, error));
}

/// Answers a browser's question whether it may call; no credential is looked at.
pub fn preflight<P: Platform>(exchange: &Exchange<'_, P>) {
    let headers = cors::preflight(&exchange.request.headers, exchange.origin.as_deref());
    exchange.platform.reply(ResponseHead { status: 204, headers }, Vec::new());
    told::page(exchange, 204);
}

/// Most headers of a request, and most bytes of them all: what the platform lets in is more than any client sends.
const MOST_HEADERS: usize = 128;
const MOST_HEADER_BYTES: usize = 64 * 1024;

/// Looks at how much there is of a request's headers.
///
/// # Errors
/// 431.
pub fn check_headers<P: Platform>(exchange: &Exchange<'_, P>) -> Result<(), GatewayError> {
    let (count, bytes) = exchange
        .request
        .headers
        .iter()
        .fold((0_usize, 0_usize), |(count, bytes), (name, value)| (count + 1, bytes + name.len() + value.len()));
    if count <= MOST_HEADERS && bytes <= MOST_HEADER_BYTES {
        return Ok(());
    }
    let message = format!("The request has more than {MOST_HEADERS} headers or {MOST_HEADER_BYTES} bytes of them.");
    Err(GatewayError { status: Some(431), ..GatewayError::new(ErrorKind::TooLarge, message) })
}

/// Lets a caller in, if its endpoint is for it.
///
/// # Errors
/// As [`identify`]; 403 without the role that the endpoint needs, or for another site's browser page; 429 where too many
/// requests of the same principal are under way.
pub async fn let_in<P: Platform>(exchange: &mut Exchange<'_, P>, access: Access) -> Result<(), GatewayError> {
    let gate = &exchange.gateway.gate;
    let is_open = match access {
        Access::Anyone => true,
        Access::Visitor => gate.settings().is_configured(),
        Access::Scraper => gate.is_scraper(&exchange.request.headers),
        Access::Caller | Access::Operator => false,
    };
    if is_open {
        return Ok(());
    }
    let principal = identify(exchange).await?;
    refuse_other_sites(exchange)?;
    if matches!(access, Access::Operator | Access::Scraper) && !principal.operator {
        return Err(GatewayError::new(ErrorKind::Forbidden, "This needs the operator's role."));
    }
    let place = exchange.gateway.admit(&principal.id, exchange.arrived_ms);
    if place.is_none() || !exchange.platform.admits(&principal.id).await {
        return Err(GatewayError {
            retry_after_ms: Some(1_000),
            should_retry: true,
            ..GatewayError::new(ErrorKind::RateLimited, "Too many requests of this caller at once.")
        });
    }
    exchange.place = place;
    exchange.principal = Some(principal);
    Ok(())
}

/// Cloudflare Access vouches for a browser by its cookie, which goes along with what any site makes that browser send. Other
/// credentials are no browser's to add.
fn refuse_other_sites<P: Platform>(exchange: &Exchange<'_, P>) -> Result<(), GatewayError> {
    let headers = &exchange.request.headers;
    let Some(origin) = headers.value("origin").filter(|_| headers.value(ACCESS_HEADER).is_some()) else {
        return Ok(());
    };
    let own = origin.split_once("://").is_some_and(|(_, host)| headers.value("host") == Some(host));
    if own || exchange.origin.is_some() {
        return Ok(());
    }
    Err(GatewayError::new(ErrorKind::Forbidden, "Pages of this origin may not call: list it in `cors.origins`."))
}

/// Who calls.
///
/// # Errors
/// 401, 403, 400 for several credentials, 503 where identity is not configured.
pub async fn identify<P: Platform>(exchange: &Exchange<'_, P>) -> Result<Rc<Principal>, GatewayError> {
    known(exchange).await.map_err(|refusal| {
        exchange.platform.log(told::not_let_in(exchange, &refusal.reason.to_string()));
        refusal.error
    })
}

/// The same without a word in the log: for answers that everybody gets and some get more of.
///
/// # Errors
/// As there, with the check that was not passed.
pub async fn known<P: Platform>(exchange: &Exchange<'_, P>) -> Result<Rc<Principal>, Refusal> {
    let (request, platform) = (exchange.request, exchange.platform);
    let introduced = platform.introduced();
    let arrival = Arrival { headers: &request.headers, query: &request.query, introduced: introduced.as_deref() };
    exchange.gateway.gate.identify(arrival, exchange.arrived_ms, platform, platform).await
}

/// The request's body.
///
/// # Errors
/// 415 where it is compressed; 413 over the configured limit; 400 when it broke off.
pub async fn body<P: Platform>(exchange: &Exchange<'_, P>) -> Result<Vec<u8>, GatewayError> {
    const CODING: &str = "content-encoding";
    let coding = exchange.request.headers.value(CODING).map(str::trim);
    if coding.is_some_and(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity")) {
        let refused =
            GatewayError::invalid(CODING, "Request bodies are taken uncompressed: leave content-encoding out.");
        return Err(GatewayError { status: Some(415), code: Some("unsupported_content_encoding".into()), ..refused });
    }
    let limit = exchange.gateway.config.max_body_bytes;
    match exchange.platform.body(usize::try_from(limit).unwrap_or(usize::MAX)).await {
        Ok(body) if body.is_empty() => {
            Err(GatewayError::new(ErrorKind::InvalidRequest, "The request has no body; a JSON object is expected."))
        }
        Ok(body) => check_bounds(exchange, &body).map(|()| body),
        Err(Interrupt::TooLarge) => {
            Err(GatewayError::new(ErrorKind::TooLarge, format!("The request body is larger than {limit} bytes.")))
        }
        Err(_) => Err(GatewayError::new(ErrorKind::InvalidRequest, "The request body broke off.")),
    }
}

fn check_bounds<P: Platform>(exchange: &Exchange<'_, P>, body: &[u8]) -> Result<(), GatewayError> {
    exchange.gateway.config.bounds.check(body).map_err(|Excess { member, most }| match member {
        "" => {
            GatewayError::new(ErrorKind::InvalidRequest, format!("The request body nests deeper than {most} levels."))
        }
        member => GatewayError::invalid(member, format!("{member}: more than {most} in one request.")),
    })
}
