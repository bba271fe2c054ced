//! Answers that need no model: the catalogue, the caller's counters.

mod assets;
mod gemini;
mod pricing;

pub use assets::asset;
pub use gemini::{gemini_model, gemini_models};

use serde_json::{json, Value};

use crate::accounting::report::Query;
use crate::catalogue::price::{Origin, Rates};
use crate::config::provider::State;
use crate::dialect::Dialect;
use crate::error::{ErrorKind, GatewayError};
use crate::pipeline::abilities::Abilities;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::ports::Platform;

/// `GET /v1/models`: what can be called, in OpenAI's shape with prices (OpenRouter's member names), or in Anthropic's
/// where `anthropic-version` is sent, or in Gemini's for its client.
///
/// # Errors
/// The caller's: a page of Gemini's catalogue that is none.
pub fn models<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    if exchange.dialect == Dialect::Gemini {
        return gemini_models(exchange);
    }
    let entries = callable(exchange);
    let page = if exchange.dialect == Dialect::AnthropicMessages {
        let data: Vec<Value> = entries.iter().map(Entry::anthropic).collect();
        let id = |entry: Option<&Entry<'_>>| entry.map(|e| e.id.clone());
        json!({ "data": data, "has_more": false, "first_id": id(entries.first()), "last_id": id(entries.last()) })
    } else {
        json!({ "object": "list", "data": entries.iter().map(Entry::openai).collect::<Vec<_>>() })
    };
    Ok(answer(exchange, 200, &page))
}

/// `GET /v1/models/{id}`.
///
/// # Errors
/// 404.
pub fn model<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<u16, GatewayError> {
    let page = match exchange.dialect {
        Dialect::Gemini => return gemini_model(exchange, id),
        Dialect::AnthropicMessages => entry(exchange, id)?.anthropic(),
        _ => entry(exchange, id)?.openai(),
    };
    Ok(answer(exchange, 200, &page))
}

/// `GET /v1/usage`: the caller's own counters; `GET /v1/usage/{id}`: another principal's, for operators.
///
/// # Errors
/// 400 for a query that is not understood, 403 for another's counters, 503 when the ledger cannot be reached.
pub async fn usage<P: Platform>(exchange: &Exchange<'_, P>, of: Option<&str>) -> Result<u16, GatewayError> {
    let operator = exchange.principal.as_ref().is_some_and(|principal| principal.operator);
    let principal = match of {
        None => exchange.principal_id(),
        Some(id) if operator || id == exchange.principal_id() => id,
        Some(_) => {
            return Err(GatewayError::new(ErrorKind::Forbidden, "Other callers' usage is for operators only."));
        }
    };
    let query = Query::read(&exchange.request.query)?;
    let Some(sums) = exchange.platform.usage(principal, &query.range).await else {
        return Err(GatewayError::unreachable("The ledger"));
    };
    let (body, media_type) = sums.answer(principal, &query);
    let mut head = reply::json_head(exchange, 200);
    head.headers.set("content-type", media_type);
    exchange.platform.reply(head, body.into_bytes());
    Ok(200)
}

/// `GET /openapi.json`: the description that `npm run docs:openapi` makes.
pub fn openapi<P: Platform>(exchange: &Exchange<'_, P>) -> Result<u16, GatewayError> {
    let Some(description) = exchange.platform.asset("/openapi.json") else {
        let message = "There is no description here: this Worker was built without it.".to_owned();
        return Err(GatewayError::new(ErrorKind::RouteNotFound, message));
    };
    exchange.platform.reply(reply::json_head(exchange, 200), description.into_bytes());
    Ok(200)
}

fn answer<P: Platform>(exchange: &Exchange<'_, P>, status: u16, page: &Value) -> u16 {
    exchange.platform.reply(reply::json_head(exchange, status), page.to_string().into_bytes());
    status
}

/// A line of the catalogue.
struct Entry<'c> {
    id: String,
    owner: &'c str,
    context: Option<u64>,
    max_output: Option<u64>,
    abilities: Option<Abilities>,
    embedding: bool,
    rates: Option<&'c Rates>,
    origin: Option<&'c Origin>,
}

/// Models whose provider can be called, and the aliases.
fn callable<'c, P: Platform>(exchange: &'c Exchange<'_, P>) -> Vec<Entry<'c>> {
    let gateway = exchange.gateway;
    let config = &gateway.config;
    let aliases = config.aliases.keys().map(|name| Entry {
        id: name.clone(),
        owner: "signalbox",
        context: None,
        max_output: None,
        abilities: None,
        embedding: false,
        rates: None,
        origin: None,
    });
    let models = config.catalogue.models().filter_map(|(id, model)| {
        let (provider, name) = id.split_once('/')?;
        let provider = config.providers.get(provider).filter(|p| p.state() == State::Ready)?;
        let price_id = config.price_id(provider, id);
        Some(Entry {
            id: id.to_owned(),
            owner: &provider.name,
            context: model.context,
            max_output: model.max_output,
            abilities: Abilities::of(provider, name, model),
            embedding: model.embedding,
            rates: gateway.prices.of_purpose(&price_id, model.embedding),
            origin: gateway.prices.origin(&price_id),
        })
    });
    aliases.chain(models).collect()
}

/// One of them.
fn entry<'c, P: Platform>(exchange: &'c Exchange<'_, P>, id: &str) -> Result<Entry<'c>, GatewayError> {
    callable(exchange).into_iter().find(|entry| entry.id == id).ok_or_else(|| {
        let mut error = GatewayError::new(ErrorKind::ModelNotFound, format!("The model '{id}' does not exist here."));
        error.param = Some("model".to_owned());
        error
    })
}

impl Entry<'_> {
    fn openai(&self) -> Value {
        let mut entry = json!({
            "id": self.id,
            "object": "model",
            // No source says when each model was made; OpenAI's clients require a number.
            "created": 0,
            "owned_by": self.owner,
            "context_length": self.context,
            "max_output_tokens": self.max_output,
            "supported_parameters": self.parameters(),
            "reasoning_efforts": self.abilities.as_ref().and_then(Abilities::efforts),
            "architecture": self.abilities.as_ref().map(|can| json!({ "input_modalities": can.input_modalities() })),
        });
        if let (Some(rates), Some(object)) = (self.rates, entry.as_object_mut()) {
            object.insert("pricing".to_owned(), pricing::of(rates, self.origin));
        }
        entry
    }

    fn anthropic(&self) -> Value {
        json!({
            "type": "model",
            "id": self.id,
            "display_name": self.id,
            "created_at": "1970-01-01T00:00:00Z",
            "max_input_tokens": self.context,
            "max_tokens": self.max_output,
        })
    }
}

impl Entry<'_> {
    fn parameters(&self) -> Option<Vec<&'static str>> {
        if self.embedding {
            return Some(vec!["dimensions", "encoding_format", "user"]);
        }
        self.abilities.as_ref().map(Abilities::parameters)
    }
}
