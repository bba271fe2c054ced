//! START HERE: the request's path. [`handle`] names every stage in order; nothing clever lives here.

pub mod attempts;
pub mod choose;
pub mod enter;
pub mod exchange;
pub mod pages;
pub mod prepare;
pub mod reply;
pub mod settle;
pub mod streamed;
pub mod told;
pub mod whole;

use std::rc::Rc;

use crate::dialect::Dialect;
use crate::error::GatewayError;
use crate::gateway::Gateway;
use crate::http::Request;
use crate::ports::Platform;
use crate::route::{self, Endpoint};
use exchange::Exchange;

/// Takes a request through all its stages to its one answer, its settlement and its log line.
///
/// `gateway` is the configuration in force, or why there is none; `request` comes without its body, which is read once the
/// caller is known.
pub async fn handle<P: Platform>(platform: &P, gateway: Result<Rc<Gateway>, GatewayError>, request: Request) {
    let entered = enter::enter(platform, &request);
    let gateway = match gateway {
        Ok(gateway) => gateway,
        Err(error) => return enter::refuse_unconfigured(platform, &entered, &request, &error),
    };
    let mut exchange = Exchange::new(platform, &gateway, &request, entered);
    if request.method == "OPTIONS" {
        return enter::preflight(&exchange);
    }
    if let Err(error) = serve(&mut exchange).await {
        platform.reply(
            reply::error_head(&exchange, &error, None),
            exchange.dialect.encode_error(&error, &exchange.request_id),
        );
        told::refused(&exchange, &error);
    }
}

async fn serve<P: Platform>(exchange: &mut Exchange<'_, P>) -> Result<(), GatewayError> {
    let endpoint = route::endpoint(&exchange.request.method, &exchange.request.path)?;
    if endpoint != Endpoint::Health {
        exchange.principal = Some(enter::identify(exchange).await?);
    }
    let status = match endpoint {
        Endpoint::Health => pages::health(exchange),
        Endpoint::Models => pages::models(exchange),
        Endpoint::Model(id) => pages::model(exchange, &id)?,
        Endpoint::Usage => pages::usage(exchange).await?,
        Endpoint::Route => {
            let body = enter::body(exchange).await?;
            choose::dry_run(exchange, &body)?;
            200
        }
        Endpoint::Generate(dialect) => return generate(exchange, dialect).await,
    };
    told::page(exchange, status);
    Ok(())
}

/// The way of a generation: parse, classify, choose, attempt, settle, tell.
async fn generate<P: Platform>(exchange: &mut Exchange<'_, P>, dialect: Dialect) -> Result<(), GatewayError> {
    let body = enter::body(exchange).await?;
    let view = dialect.view(&body)?;
    let asked = choose::asked(exchange, &view)?;
    exchange.explain = asked.explain;
    let choice = choose::choose(exchange, &view, asked, &body)?;
    let mut run = attempts::Run::new(exchange, &view, &choice);
    run.drive().await;
    told::served(&run);
    Ok(())
}
