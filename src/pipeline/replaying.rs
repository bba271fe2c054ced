//! `POST /v1/captures/{id}/replay`: a captured request is carried out again, by the ordinary way and on the account of whoever asks
//! for it; what comes of it is compared with what came of it then. The caller of the replay gets the comparison and not the answer.

use serde::Deserialize;
use serde_json::json;

use crate::capture::made::Made;
use crate::capture::outcome::Outcome;
use crate::capture::{Capture, Sent};
use crate::dialect::{gemini, Dialect};
use crate::error::GatewayError;
use crate::http::Request;
use crate::json::{quoted, Edit, Members};
use crate::pipeline::enter::Entered;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::reply;
use crate::pipeline::{answer, captures};
use crate::ports::{CallerSink, Interrupt, Platform};
use crate::route::{self, Endpoint};

/// What is different in an exchange that is a replay: nobody hears its answer.
#[derive(Debug, Default)]
pub struct Replay {
    /// To this candidate exactly this body is sent.
    pub sends: Option<(String, Vec<u8>)>,
    /// What came of it.
    pub made: Option<Box<Made>>,
}

/// Where an answer goes.
pub enum Outlet<S> {
    /// To whoever asked.
    Caller(S),
    /// Onto the tape alone.
    Nobody,
}

impl<S: CallerSink> CallerSink for Outlet<S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        match self {
            Self::Caller(sink) => sink.write(bytes).await,
            Self::Nobody => Ok(()),
        }
    }

    async fn close(&mut self) {
        if let Self::Caller(sink) = self {
            sink.close().await;
        }
    }

    async fn abort(&mut self) {
        if let Self::Caller(sink) = self {
            sink.abort().await;
        }
    }
}

/// What of the request is to be another's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    model: Option<String>,
    policy: Option<String>,
}

/// The most that a wish takes.
const WISH_BYTES: usize = 4096;

/// Replays.
///
/// # Errors
/// 404 as for [`captures::one`]; 400 for a body that is none, and for a request that was cut; what the request itself may meet before
/// anybody is asked.
pub async fn replay<P: Platform>(exchange: &Exchange<'_, P>, id: &str) -> Result<(), GatewayError> {
    let body = exchange.platform.body(WISH_BYTES).await.unwrap_or_default();
    let wish: Wish = match body.as_slice() {
        [] => Wish::default(),
        text => crate::json::from_slice(text).map_err(|_| {
            GatewayError::invalid("body", "The body may have the members model and policy, both texts.")
        })?,
    };
    let (_, document) = captures::read(exchange, id).await?;
    let (meta, capture) = captures::opened(&document)?;
    let dialect = Dialect::named(&meta.dialect).unwrap_or(Dialect::OpenAiChat);
    let Some(body) = capture.request.body.text.as_deref().filter(|_| !capture.request.body.truncated) else {
        return Err(GatewayError::invalid(
            "id",
            "The request was longer than what is kept of one: it cannot be sent again.",
        ));
    };
    let pinned = match (&wish.model, &wish.policy) {
        (Some(model), _) => Some(model.clone()),
        (None, Some(_)) => None,
        (None, None) => meta.model.clone().or(capture.sent.first().map(|sent| sent.model.clone())),
    };
    let request = request(&capture, pinned.is_some(), wish.policy.as_deref());
    let entered = Entered {
        request_id: exchange.request_id.clone(),
        trace: exchange.trace.clone(),
        dialect,
        arrived_ms: exchange.platform.now_ms(),
    };
    let mut inner = Exchange::new(exchange.platform, exchange.gateway, &request, entered);
    inner.principal.clone_from(&exchange.principal);
    let same = (wish.model.is_none() && wish.policy.is_none()).then(|| original(&capture, pinned.as_deref())).flatten();
    let sends = same.and_then(|sent| Some((sent.model.clone(), sent.body.text.clone()?.into_bytes())));
    inner.replay = Some(Replay { sends, made: None }.into());
    let path = match route::endpoint(&request.method, &request.path)? {
        Endpoint::Gemini(model, method) => Some((pinned.clone().unwrap_or(model), method == gemini::Method::Stream)),
        _ => None,
    };
    let body = match (&pinned, &path) {
        (Some(model), None) => pin(body, model),
        _ => body.as_bytes().to_vec(),
    };
    answer(&mut inner, dialect, path, &body).await?;
    let made = inner.replay.take().and_then(|replay| replay.into_inner().made);
    let now = made.map(|made| made.capture()).ok_or_else(|| GatewayError::unreachable("The replay's recording"))?;
    let (then, now_came) = (Outcome::of(dialect, &capture), Outcome::of(dialect, &now));
    let sent_again = now.sent.last().map(|sent| &sent.body);
    let page = json!({
        "object": "capture.replay",
        "id": meta.id,
        "request_id": exchange.request_id,
        "redacted": meta.redacted > 0,
        "truncated": meta.truncated,
        "same_request": original(&capture, meta.model.as_deref()).map(|sent| Some(&sent.body) == sent_again),
        "differs": then.differs(&now_came),
        "original": then.to_json(),
        "replay": now_came.to_json(),
    });
    exchange.platform.reply(reply::json_head(exchange, 200), page.to_string().into_bytes());
    Ok(())
}

/// The captured request, with what is asked for instead.
fn request(capture: &Capture, pinned: bool, policy: Option<&str>) -> Request {
    let kept = |name: &str| !(pinned && name == "x-signalbox-models");
    let headers = capture.request.headers.iter().filter(|(name, _)| kept(name));
    let mut request = Request {
        method: capture.request.method.clone(),
        path: capture.request.path.clone(),
        query: capture.request.query.clone(),
        headers: headers.map(|(name, value)| (name.as_str(), value.as_str())).collect(),
        body: Vec::new(),
    };
    if let Some(policy) = policy {
        request.headers.set("x-signalbox-policy", policy);
    }
    request
}

/// The body with this model and no other.
fn pin(body: &str, model: &str) -> Vec<u8> {
    let model = String::from_utf8(quoted(model)).unwrap_or_default();
    let edits = [Edit::Set("model", model.into()), Edit::Remove("models"), Edit::Remove("provider")];
    Members::read(body.as_bytes()).map_or_else(|_| body.as_bytes().to_vec(), |members| members.edit(&edits))
}

/// The call that the answer came from, where it was sent whole: one that goes on with another's is none of its own.
fn original<'c>(capture: &'c Capture, model: Option<&str>) -> Option<&'c Sent> {
    let own = |sent: &&Sent| matches!(sent.role.as_str(), "first" | "retry" | "fallback" | "hedge");
    let mut calls = capture.sent.iter().filter(own).filter(|sent| Some(sent.model.as_str()) == model);
    calls.next_back().filter(|sent| !sent.body.truncated)
}
