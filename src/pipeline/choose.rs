//! Stages 4 and 5: what kind of task it is, who could do it, who does.

use std::sync::Arc;

use crate::accounting::limit::Bound;
use crate::attempt::plan::{Limits, Patience};
use crate::catalogue::price::Rates;
use crate::config::choice::ContentFilter;
use crate::config::continuation::ContinuationPolicy;
use crate::config::hedge::HedgePolicy;
use crate::config::provider::Provider;
use crate::dialect::canonical::Loss;
use crate::dialect::view::View;
use crate::dialect::{gemini, openai_chat, Dialect, ModelTraits, Target};
use crate::error::{ErrorKind, GatewayError};
use crate::pipeline::capturing;
use crate::pipeline::considered::Considered;
use crate::pipeline::continuing;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::hedging;
use crate::pipeline::inquiry::Inquiry;
use crate::pipeline::limits;
use crate::pipeline::recorded;
use crate::pipeline::reply;
use crate::pipeline::saying;
use crate::pipeline::work::Work;
use crate::policy;
use crate::policy::decision::{self, Decision};
use crate::policy::input::{Input, RequestView};
use crate::policy::names::{self, Pool};
use crate::policy::routing::RoutingRequest;
use crate::policy::score::Score;
use crate::ports::Platform;
use crate::telemetry::record::Ranked;
use crate::upstream::keys::{Keys, OWN_KEY_PREFIX};

/// Candidates that are looked at in full before the first attempt. More than are ever tried; the rest of a wide alias is
/// ranked without writing the request for each of its hundred models.
pub(super) const LOOKED_AT: usize = 8;

/// Who may answer, in order.
#[derive(Debug)]
pub struct Choice<'g> {
    /// In the order of preference; not empty.
    pub candidates: Vec<Candidate<'g>>,
    /// Bounds of trying.
    pub limits: Limits,
    /// What becomes of an answer that breaks.
    pub continuing: continuing::Settings,
    /// When a second candidate is asked beside the first; `None` = never.
    pub hedge: Option<HedgePolicy>,
    /// Tool calls and JSON documents go out when they are whole.
    pub hold_back: bool,
    /// Name of the policy that chose.
    pub policy: String,
    /// Kind of task.
    pub task: String,
    /// The decision as JSON, as much of it as this caller may see.
    pub explanation: String,
    /// How many could have answered.
    pub considered: usize,
    /// Who of them has the highest quality, and what it was expected to cost in picodollars.
    pub best: Option<(String, Option<u64>)>,
    /// The first of them with their scores, where anybody reads records of requests.
    pub ranked: Vec<Ranked>,
    /// The conversation that the request goes on with.
    pub session: Option<u64>,
    /// What was decided and from what, where that is looked at again afterwards.
    pub kept: Option<Box<Considered>>,
    /// What is asked of them.
    pub work: Work<'g>,
    /// Bounds for which the principal's ledger is asked before an attempt is sent; mostly none.
    pub bounds: Vec<Bound>,
}

/// One who may answer.
#[derive(Debug)]
pub struct Candidate<'g> {
    /// `provider/model`.
    pub name: String,
    /// The model's name at the provider.
    pub model: String,
    /// The account.
    pub provider: &'g Provider,
    /// With which key it is called.
    pub keys: Keys<'g>,
    /// The language it speaks.
    pub dialect: Dialect,
    /// What the model accepts.
    pub traits: ModelTraits,
    /// Largest answer in tokens, where known.
    pub max_output_tokens: Option<u64>,
    /// Window in tokens, where known.
    pub context: Option<u64>,
    /// Prices; `None` = unpriced.
    pub rates: Option<Arc<Rates>>,
    /// The prices are the provider's dearest, not the model's own.
    pub price_is_a_guess: bool,
    /// How long it may think before it speaks.
    pub patience: Patience,
    /// Its score.
    pub score: Score,
    /// Picodollars that it is expected to cost.
    pub expected_picousd: Option<u64>,
    /// Generated tokens to be expected.
    pub expected_output_tokens: u64,
    /// Duration of a whole answer to be expected.
    pub expected_ms: u64,
    /// What of the request is not exact there.
    pub losses: Vec<Loss>,
    /// What it has no word for is left out, as the caller allowed.
    pub drops: bool,
    /// The caller wants to see no thoughts.
    pub hides_reasoning: bool,
}

impl Candidate<'_> {
    /// Whether the caller can be shown its answers as they are.
    #[must_use]
    pub fn answers_in(&self, caller: Dialect) -> bool {
        let profile = self.provider.profile.as_str();
        let translated = self.dialect == Dialect::OpenAiChat
            && (!openai_chat::native::shows_answers(profile)
                || (self.hides_reasoning && openai_chat::native::shows_thoughts(profile)));
        self.dialect == caller && !translated
    }

    /// What an encoder must know.
    #[must_use]
    pub fn target(&self) -> Target<'_> {
        Target {
            provider: &self.provider.profile,
            model: &self.model,
            traits: self.traits,
            max_output_tokens: self.max_output_tokens,
        }
    }
}

/// What the caller says about where the request goes. The first of a list of models is the request's model where the body
/// names none.
///
/// # Errors
/// 400 naming the member or header: a word that is unknown, or known and not implemented yet.
pub fn asked<P: Platform>(exchange: &Exchange<'_, P>, view: &mut View<'_>) -> Result<RoutingRequest, GatewayError> {
    let headers = &exchange.request.headers;
    let mut asked = RoutingRequest::read(exchange.dialect, &view.members, headers, &exchange.gateway.config)?;
    if let Some(first) = asked.settle(&view.model) {
        view.model = first.into();
    }
    if let Some(first) = asked.models.first().filter(|_| view.model.is_empty()) {
        view.model = first.clone().into();
    }
    Ok(asked)
}

/// Chooses.
///
/// # Errors
/// The caller's: an unknown model, or a request that nobody may take, with the reason nearest to one who could.
pub fn choose<'c, 'g: 'c, P: Platform>(
    exchange: &Exchange<'g, P>,
    view: &View<'_>,
    asked: RoutingRequest,
    work: Work<'c>,
) -> Result<Choice<'c>, GatewayError> {
    let mut inquiry = Inquiry::new(exchange, view, asked, work)?;
    let request = inquiry.input.request.clone();
    let pool = pool(exchange, &request, &inquiry.input)?;
    let bounds = inquiry.limit(view, pool.policy_name)?;
    let decision = inquiry.decide(&pool, LOOKED_AT)?;
    if decision.ranked.is_empty() {
        let known = decision.lacks_budget().then(|| limits::known_refusal(exchange, &bounds)).flatten();
        return Err(match known {
            Some(known) => known,
            None => inquiry.refusal(&decision, &pool),
        });
    }
    let explanation = if exchange.explain || request.routing.explain {
        decision.explanation(inquiry.audience()).to_string()
    } else {
        String::new()
    };
    if inquiry.work.generates() {
        let decided = || decision.explanation(inquiry.audience()).to_string();
        capturing::begin(exchange, &decision.policy, view.members.source(), decided);
        saying::begin(exchange);
    }
    let candidates = inquiry.candidates(&decision);
    let hedge = pool.policy.hedge.filter(|_| hedging::may_be_asked_twice(&inquiry.input, view));
    let kept = Considered::of(exchange.platform, exchange.gateway, &pool, &inquiry.input, &decision);
    Ok(Choice {
        candidates,
        limits: trying(&pool),
        continuing: continuing::Settings {
            policy: ContinuationPolicy {
                mode: request.routing.continuation.unwrap_or(pool.policy.continuation.mode),
                ..pool.policy.continuation
            },
            max_cost_picousd: [request.routing.max_cost_picousd, inquiry.input.principal.max_cost_picousd]
                .into_iter()
                .flatten()
                .min(),
        },
        hedge,
        hold_back: pool.policy.hold_back,
        considered: decision.ranked.len(),
        best: exchange.platform.wants_records().then(|| best(&decision)).flatten(),
        ranked: if exchange.platform.wants_records() { recorded::ranked(&decision) } else { Vec::new() },
        policy: decision.policy,
        task: decision.task,
        explanation,
        session: inquiry.session,
        kept,
        work: inquiry.work,
        bounds,
    })
}

/// `POST /v1/route`: the decision for a body, made as for a call, told in full. Nobody is called. A Gemini body names its
/// model in its own `model` member, as `models/x` or `x`: there is no path to name it in.
///
/// # Errors
/// As [`choose`] before candidates are known; a request that nobody may take is an answer here.
pub fn dry_run<P: Platform>(exchange: &mut Exchange<'_, P>, body: &[u8]) -> Result<(), GatewayError> {
    exchange.dialect = match exchange.request.headers.value("x-signalbox-dialect") {
        None => Dialect::OpenAiChat,
        Some(word) => [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages, Dialect::Gemini]
            .into_iter()
            .find(|d| d.name() == word)
            .ok_or_else(|| {
                let known = "openai-chat, openai-responses, anthropic-messages or gemini";
                GatewayError::invalid("x-signalbox-dialect", format!("The dialect must be {known}."))
            })?,
    };
    let mut view = exchange.dialect.view(body)?;
    if exchange.dialect == Dialect::Gemini {
        view.model = gemini::path::model_of_body(&view.members)?;
    }
    let asked = asked(exchange, &mut view)?;
    let mut inquiry = Inquiry::new(exchange, &view, asked, Work::answer(body))?;
    let request = inquiry.input.request.clone();
    let pool = pool(exchange, &request, &inquiry.input)?;
    inquiry.limit(&view, pool.policy_name)?;
    let decision = inquiry.decide(&pool, usize::MAX)?;
    let page = decision.explanation(inquiry.audience()).to_string();
    exchange.platform.reply(reply::json_head(exchange, 200), page.into_bytes());
    Ok(())
}

/// The candidate of the highest quality, the cheapest of equals: what always taking the best would have taken.
fn best(decision: &Decision) -> Option<(String, Option<u64>)> {
    let cost = |choice: &decision::Choice| choice.estimate.cost_picousd;
    let rank =
        |choice: &&decision::Choice| (std::cmp::Reverse(choice.quality.value_micro), cost(choice).unwrap_or(u64::MAX));
    decision.ranked.iter().min_by_key(rank).map(|choice| (choice.name.clone(), cost(choice)))
}

/// Candidates and the policy that ranks them, which has to be one that the caller may use.
///
/// # Errors
/// The caller's: no such model; 403 for a policy that the claims leave out.
fn pool<'c, 'g: 'c, P: Platform>(
    exchange: &Exchange<'g, P>,
    request: &'c RequestView,
    input: &Input,
) -> Result<Pool<'c>, GatewayError> {
    let config = &exchange.gateway.config;
    let pool = policy::pool(request, input, config)?;
    if pool.candidates.is_empty() {
        let keyless = names::candidates(request, config)?.candidates;
        if let Some(first) = keyless.first().map(|candidate| &candidate.provider.name) {
            let header = format!("{OWN_KEY_PREFIX}{}", first.to_ascii_lowercase());
            let message = format!("Callers bring their own key for {first}: send it in the header {header}.");
            return Err(GatewayError::invalid(header, message));
        }
    }
    let lists = exchange.principal.as_ref().map(|principal| principal.policies.as_slice()).unwrap_or_default();
    if lists.iter().all(|list| list.iter().any(|name| name == pool.policy_name)) {
        return Ok(pool);
    }
    let message = format!("This credential does not allow the policy {:?}.", pool.policy_name);
    Err(GatewayError::new(ErrorKind::Forbidden, message))
}

fn trying(pool: &Pool<'_>) -> Limits {
    let a = &pool.policy.attempts;
    Limits {
        total_ms: a.total_ms,
        max_attempts: a.max_attempts,
        max_wait_ms: a.max_wait_ms,
        backoff_base_ms: a.backoff_base_ms,
        backoff_cap_ms: a.backoff_cap_ms,
        first_content_ms: a.first_content_ms,
        idle_ms: a.idle_ms,
        whole_ms: a.whole_ms,
        verdicts_are_answers: pool.policy.content_filter == ContentFilter::Answer,
    }
}
