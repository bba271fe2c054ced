//! START HERE: the request's path. [`handle`] names every stage in order; nothing clever lives here.

pub mod abilities;
pub mod asked_for;
pub mod attempts;
pub mod captures;
pub mod capturing;
pub mod choose;
pub mod considered;
pub mod continuing;
pub mod count;
pub mod embed;
pub mod enter;
pub mod exchange;
pub mod gone;
pub mod hedging;
pub mod health;
pub mod held;
mod inquiry;
pub mod keep;
mod leg;
pub mod limits;
pub mod pages;
pub mod pausing;
pub mod prepare;
pub mod recorded;
pub mod replaying;
pub mod reply;
pub mod saying;
pub mod scored;
pub mod settle;
pub mod stats;
pub mod streamed;
pub mod told;
pub mod whole;
pub mod work;

use std::rc::Rc;

use crate::dialect::{gemini, Dialect};
use crate::embedding::Form;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::http::Request;
use crate::identity::Principal;
use crate::ports::Platform;
use crate::resume::errand::Run;
use crate::route::{self, Endpoint};
use enter::Entered;
use exchange::Exchange;
use work::Work;

/// Takes a request through all its stages to its one answer, its settlement and its log line.
///
/// `gateway` is the configuration in force, or why there is none; `request` comes without its body, which is read once the
/// caller is known.
pub async fn handle<P: Platform>(platform: &P, gateway: Result<Rc<Gateway>, GatewayError>, request: Request) {
    let entered = enter::enter(platform, &request);
    carry(platform, gateway, &request, entered, None).await;
}

/// Takes a request on where its answer is kept: who calls is known, and nobody listens but the log. True if the answer is
/// one and no error.
pub async fn handle_kept<P: Platform>(platform: &P, gateway: Result<Rc<Gateway>, GatewayError>, run: Run) -> bool {
    let request = run.request();
    let entered =
        Entered { request_id: run.request_id, trace: run.trace, dialect: run.dialect, arrived_ms: run.arrived_ms };
    carry(platform, gateway, &request, entered, Some((Rc::new(run.principal), run.id))).await
}

async fn carry<P: Platform>(
    platform: &P,
    gateway: Result<Rc<Gateway>, GatewayError>,
    request: &Request,
    entered: Entered,
    kept: Option<(Rc<Principal>, String)>,
) -> bool {
    let gateway = match gateway {
        Ok(gateway) => gateway,
        Err(error) => {
            enter::refuse_unconfigured(platform, &entered, request, &error);
            return false;
        }
    };
    let mut exchange = Exchange::new(platform, &gateway, request, entered);
    (exchange.principal, exchange.kept) = kept.unzip();
    if request.method == "OPTIONS" {
        enter::preflight(&exchange);
        return true;
    }
    if let Err(error) = serve(&mut exchange).await {
        platform.reply(
            reply::error_head(&exchange, &error, None),
            exchange.dialect.encode_error(&error, &exchange.request_id),
        );
        told::refused(&exchange, &error);
        return false;
    }
    !exchange.failed
}

async fn serve<P: Platform>(exchange: &mut Exchange<'_, P>) -> Result<(), GatewayError> {
    enter::check_headers(exchange)?;
    let endpoint = route::endpoint(&exchange.request.method, &exchange.request.path)?;
    if exchange.principal.is_none() {
        enter::let_in(exchange, endpoint.access()).await?;
    }
    let status = match endpoint {
        Endpoint::Health => health::health(exchange).await,
        Endpoint::OpenApi => pages::openapi(exchange)?,
        Endpoint::Page(file) => pages::asset(exchange, &file)?,
        Endpoint::Models => pages::models(exchange)?,
        Endpoint::Model(id) => pages::model(exchange, &id)?,
        Endpoint::Usage(of) => pages::usage(exchange, of.as_deref()).await?,
        Endpoint::Stats => stats::stats(exchange).await?,
        Endpoint::Metrics => stats::metrics(exchange).await?,
        Endpoint::Captures => captures::list(exchange).await?,
        Endpoint::Capture(id) => captures::one(exchange, &id).await?,
        Endpoint::Replay(id) => return replaying::replay(exchange, &id).await,
        Endpoint::EraseCapture(id) => captures::erase(exchange, &id).await?,
        Endpoint::Stream(id) => return keep::read(exchange, &id).await,
        Endpoint::CancelStream(id) => return keep::cancel(exchange, &id).await,
        Endpoint::Feedback => scored::score(exchange).await?,
        Endpoint::Route => {
            let body = enter::body(exchange).await?;
            choose::dry_run(exchange, &body)?;
            200
        }
        Endpoint::Generate(dialect) => return generate(exchange, dialect, None).await,
        Endpoint::CountTokens => return count::count(exchange, Dialect::AnthropicMessages, None).await,
        Endpoint::Embeddings => return embed::embed(exchange, Form::OpenAi, None).await,
        Endpoint::Gemini(model, method) => return of_gemini(exchange, model, method).await,
        Endpoint::GeminiModels => pages::gemini_models(exchange)?,
        Endpoint::GeminiModel(id) => pages::gemini_model(exchange, &id)?,
    };
    told::page(exchange, status);
    Ok(())
}

/// What Gemini's clients ask of a model.
async fn of_gemini<P: Platform>(
    exchange: &mut Exchange<'_, P>,
    model: String,
    method: gemini::Method,
) -> Result<(), GatewayError> {
    match method {
        gemini::Method::Generate => generate(exchange, Dialect::Gemini, Some((model, false))).await,
        gemini::Method::Stream => {
            exchange.array = !gemini::path::asks_for_events(&exchange.request.query);
            generate(exchange, Dialect::Gemini, Some((model, true))).await
        }
        gemini::Method::CountTokens => count::count(exchange, Dialect::Gemini, Some(model)).await,
        gemini::Method::Embed => embed::embed(exchange, Form::Gemini, Some(model)).await,
        gemini::Method::EmbedBatch => embed::embed(exchange, Form::GeminiBatch, Some(model)).await,
    }
}

/// The way of a generation: parse, classify, choose, attempt, settle, tell. `path`: model and whether a stream is wanted,
/// where they stand in the path.
async fn generate<P: Platform>(
    exchange: &mut Exchange<'_, P>,
    dialect: Dialect,
    path: Option<(String, bool)>,
) -> Result<(), GatewayError> {
    let body = enter::body(exchange).await?;
    answer(exchange, dialect, path, &body).await
}

/// The same with the body at hand.
async fn answer<P: Platform>(
    exchange: &mut Exchange<'_, P>,
    dialect: Dialect,
    path: Option<(String, bool)>,
    body: &[u8],
) -> Result<(), GatewayError> {
    let mut view = dialect.view(body)?;
    if let Some((model, stream)) = path {
        view.model = model.into();
        view.stream = stream;
    }
    let asked = choose::asked(exchange, &mut view)?;
    exchange.explain = asked.explain;
    if keep::hand_over(exchange, asked.resumable && view.stream, body).await? {
        return Ok(());
    }
    let choice = choose::choose(exchange, &view, asked, Work::answer(body))?;
    let mut run = attempts::Run::new(exchange, &view, &choice);
    run.drive().await;
    told::served(&run);
    exchange.failed = run.error.is_some();
    Ok(())
}
