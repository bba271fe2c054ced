//! Stage 5, last part: the body that goes to a candidate. In the caller's own dialect it is the caller's text with a few
//! spans replaced; in another it is written from the canonical request.

use crate::dialect::canonical::{ChatRequest, Loss};
use crate::dialect::carried;
use crate::dialect::openai_chat::request::adapt;
use crate::dialect::view::View;
use crate::dialect::{anthropic_messages, openai_chat, Dialect, ProviderError};
use crate::http::UpstreamRequest;
use crate::json::{quoted, Edit, Members};
use crate::pipeline::choose::Candidate;
use crate::pipeline::exchange::Exchange;
use crate::policy::routing::RoutingRequest;
use crate::ports::Platform;
use crate::upstream::failure::{AttemptFailure, FailureClass};
use crate::upstream::registry::{self, Forwarded, Operation};

/// What bodies are made from.
pub struct Prepared<'a> {
    /// The canonical request, where a candidate speaks another dialect.
    pub canonical: Option<&'a ChatRequest>,
}

impl Prepared<'_> {
    /// Writes the call to a candidate. `unsigned` leaves out signed reasoning that it has refused; what this attempt lacks
    /// besides the candidate's known losses is added to `losses`.
    pub fn request<P: Platform>(
        &self,
        exchange: &Exchange<'_, P>,
        view: &View<'_>,
        chosen: &Candidate<'_>,
        unsigned: bool,
        losses: &mut Vec<Loss>,
    ) -> UpstreamRequest {
        let native = chosen.dialect == exchange.dialect;
        let body = match self.canonical {
            Some(request) if !native => {
                let changed = carried::without_signed(request, &chosen.provider.name, unsigned);
                if changed.is_some() {
                    losses.push(reasoning_taken_out(exchange.dialect, chosen, unsigned));
                }
                chosen.dialect.encode_request(changed.as_ref().unwrap_or(request), &chosen.target()).body
            }
            request => native_body(exchange.dialect, view, chosen, request, unsigned, losses),
        };
        let refuses = || exchange.gateway.refuses_usage_option(&chosen.provider.name);
        let body =
            if adds_usage_option(exchange, view, chosen) && refuses() { without_usage_option(body) } else { body };
        let operation = if view.stream { Operation::Stream } else { Operation::Generate };
        self.call(exchange, chosen, operation, body)
    }

    /// A call with its headers: what of the caller's go along, and what versions our own requests need.
    pub fn call<P: Platform>(
        &self,
        exchange: &Exchange<'_, P>,
        chosen: &Candidate<'_>,
        operation: Operation,
        body: Vec<u8>,
    ) -> UpstreamRequest {
        let native = chosen.dialect == exchange.dialect;
        let headers = &exchange.request.headers;
        let anthropic = native && exchange.dialect == Dialect::AnthropicMessages;
        let version = match self.canonical {
            Some(request) if !native => Some(anthropic_messages::request::version_header(request, &chosen.target())),
            _ => headers.value("anthropic-version").filter(|_| anthropic),
        };
        let forwarded = Forwarded {
            anthropic_version: version,
            anthropic_beta: headers.value("anthropic-beta").filter(|_| anthropic),
            key: chosen.keys.current(),
            traceparent: Some(exchange.attempt_traceparent()),
        };
        registry::request(chosen.provider, chosen.dialect, &chosen.model, operation, &forwarded, body)
    }

    /// A provider that refuses the option by which we ask for usage refuses nothing of the caller's: it is asked again
    /// without it, and not sent it again.
    pub fn forgive_our_option<P: Platform>(
        &self,
        exchange: &Exchange<'_, P>,
        view: &View<'_>,
        chosen: &Candidate<'_>,
        failure: &mut AttemptFailure,
    ) {
        let blamed = |error: &ProviderError| error.message.contains(OPTION) || error.raw.contains(OPTION);
        if failure.class == FailureClass::InvalidRequest
            && adds_usage_option(exchange, view, chosen)
            && failure.error.as_ref().is_some_and(blamed)
        {
            exchange.gateway.learn_refused_usage_option(&chosen.provider.name);
            failure.should_retry = Some(true);
            failure.retry_after_ms = Some(0);
        }
    }

    /// Whether a native stream may pass without being touched: nothing is to be added, hidden or stitched, and it is
    /// framed as it comes and neither kept nor recorded, whose times would be those of a look a second. OpenAI streams never do: usage is asked for where the caller did not, and carries the cost
    /// where it did.
    pub fn leaves_untouched<P: Platform>(&self, exchange: &Exchange<'_, P>, chosen: &Candidate<'_>) -> bool {
        let priced = matches!(exchange.dialect, Dialect::OpenAiChat | Dialect::OpenAiResponses);
        let added_to = priced || exchange.explain || exchange.array || exchange.kept.is_some() || exchange.is_taped();
        chosen.dialect == exchange.dialect && !added_to
    }
}

const OPTION: &str = "stream_options";

/// Whether a request carries the option by which usage is asked for, and not because the caller wrote it.
fn adds_usage_option<P: Platform>(exchange: &Exchange<'_, P>, view: &View<'_>, chosen: &Candidate<'_>) -> bool {
    let callers = exchange.dialect == Dialect::OpenAiChat && view.members.present(OPTION).is_some();
    view.stream && chosen.dialect == Dialect::OpenAiChat && !callers
}

fn without_usage_option(body: Vec<u8>) -> Vec<u8> {
    Members::read(&body).map(|members| members.edit(&[Edit::Remove(OPTION)])).unwrap_or(body)
}

fn reasoning_taken_out(callers: Dialect, chosen: &Candidate<'_>, refused: bool) -> Loss {
    let field = match callers {
        Dialect::Gemini => "contents",
        Dialect::OpenAiResponses => "input",
        Dialect::OpenAiChat | Dialect::AnthropicMessages => "messages",
    };
    let why = if refused { "has refused it" } else { "did not sign it" };
    Loss::advisory(field, format!("signed reasoning was taken out: {} {why}", chosen.provider.name))
}

/// The caller's text for a provider of the same dialect.
pub fn native_body(
    dialect: Dialect,
    view: &View<'_>,
    chosen: &Candidate<'_>,
    request: Option<&ChatRequest>,
    unsigned: bool,
    losses: &mut Vec<Loss>,
) -> Vec<u8> {
    let model = chosen.model.as_str();
    let mut edits = RoutingRequest::removals(dialect, &view.members);
    if dialect != Dialect::Gemini && !view.names(model) {
        edits.push(Edit::Set("model", String::from_utf8(quoted(model)).unwrap_or_default().into()));
    }
    if dialect == Dialect::OpenAiChat && view.stream && openai_chat::native::has_usage_option(&chosen.provider.profile)
    {
        edits.extend(openai_chat::native::ask_for_usage(&view.members));
    }
    if dialect == Dialect::OpenAiChat {
        edits.extend(
            openai_chat::native::effort_in_own_words(&view.members, &chosen.provider.profile).into_iter().flatten(),
        );
    }
    let adapted = match request {
        Some(request) if dialect == Dialect::OpenAiChat && adapt::is_needed(&chosen.provider.profile) => {
            adapt::adapt(&view.members, request, &chosen.target(), chosen.drops)
        }
        _ => Vec::new(),
    };
    edits.extend(adapt::edits(&adapted));
    let body = view.members.edit(&edits);
    match dialect.for_server(&body, &chosen.provider.profile, unsigned) {
        Some((changed, lost)) => {
            losses.extend(lost);
            changed
        }
        None => body,
    }
}
