//! Stages 4 and 5: what kind of task it is, who could do it, who does.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::accounting::limit::Bound;
use crate::attempt::plan::{Limits, Patience};
use crate::catalogue::model::Reasoning;
use crate::catalogue::price::Rates;
use crate::classify::hashed::Hashed;
use crate::classify::{Features, Thinking};
use crate::config::choice::ContentFilter;
use crate::config::continuation::ContinuationPolicy;
use crate::config::hedge::HedgePolicy;
use crate::config::provider::{Provider, Secret, State};
use crate::dialect::canonical::{Disposition, Loss};
use crate::dialect::view::View;
use crate::dialect::{gemini, openai_chat, Dialect, ModelTraits, Target};
use crate::error::{ErrorKind, GatewayError};
use crate::pipeline::capturing;
use crate::pipeline::considered::Considered;
use crate::pipeline::continuing;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::hedging;
use crate::pipeline::limits;
use crate::pipeline::recorded;
use crate::pipeline::reply;
use crate::pipeline::saying;
use crate::pipeline::work::{Addressed, Work};
use crate::policy::decision::{self, Audience, Decision};
use crate::policy::estimate::Basis;
use crate::policy::input::{Input, PrincipalView, Purpose, RequestView, Session, Signals};
use crate::policy::names::{self, Pool};
use crate::policy::routing::RoutingRequest;
use crate::policy::score::Score;
use crate::policy::{self, decide, sessions, Knowledge};
use crate::ports::Platform;
use crate::telemetry::record::Ranked;
use crate::upstream::keys::{self, circuit, Keys, OWN_KEY_PREFIX};

/// Candidates that are looked at in full before the first attempt. More than are ever tried; the rest of a wide alias is
/// ranked without writing the request for each of its hundred models.
const LOOKED_AT: usize = 8;

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
    let explanation = if exchange.explain || asked_to_explain(&request) {
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

fn asked_to_explain(request: &RequestView) -> bool {
    request.routing.explain
}

/// The candidate of the highest quality, the cheapest of equals: what always taking the best would have taken.
fn best(decision: &Decision) -> Option<(String, Option<u64>)> {
    let cost = |choice: &decision::Choice| choice.estimate.cost_picousd;
    let rank =
        |choice: &&decision::Choice| (std::cmp::Reverse(choice.quality.value_micro), cost(choice).unwrap_or(u64::MAX));
    decision.ranked.iter().min_by_key(rank).map(|choice| (choice.name.clone(), cost(choice)))
}

/// A request on its way to a decision.
struct Inquiry<'i, 'g, 'w, P: Platform> {
    exchange: &'i Exchange<'g, P>,
    stream: bool,
    hides_reasoning: bool,
    /// The text by its numbers: it stays here, and what is recorded of it is what tables expect.
    text: Hashed,
    session: Option<u64>,
    input: Input,
    work: Work<'w>,
    losses: BTreeMap<String, Vec<Loss>>,
    own_keys: Vec<(String, Secret)>,
}

impl<'i, 'g, 'w, P: Platform> Inquiry<'i, 'g, 'w, P> {
    fn new(
        exchange: &'i Exchange<'g, P>,
        view: &View<'_>,
        asked: RoutingRequest,
        work: Work<'w>,
    ) -> Result<Self, GatewayError> {
        let text = Hashed::of(&view.sample);
        let features = Features::of(view, &text, asked.task.as_deref());
        let request = RequestView {
            purpose: work.purpose(),
            dialect: exchange.dialect,
            model: view.model.to_string(),
            routing: asked,
        };
        let session = request.routing.session.as_deref().map(|name| sessions::key(exchange.principal_id(), name));
        let own_keys = own_keys(exchange)?;
        let input = Input {
            features,
            request,
            principal: PrincipalView {
                own_keys: own_keys.iter().map(|(name, _)| name.to_ascii_lowercase()).collect(),
                ..principal(exchange)
            },
            now_ms: exchange.platform.now_ms(),
            seed: session.unwrap_or_else(|| sessions::seed_of(&exchange.request_id)),
            signed_by: work.signed_by(exchange.dialect),
            session: session.map(|_| Session::default()),
            corrections: None,
            signals: BTreeMap::new(),
        };
        let (stream, hides_reasoning) = (view.stream, view.hide_reasoning);
        Ok(Self { exchange, stream, hides_reasoning, text, session, input, work, losses: BTreeMap::new(), own_keys })
    }

    /// Has the decision know the limits that hold under a policy; those that the ledger keeps come back.
    fn limit(&mut self, view: &View<'_>, policy: &str) -> Result<Vec<Bound>, GatewayError> {
        let Some(found) = limits::of(self.exchange, policy) else { return Ok(Vec::new()) };
        if self.work.generates() {
            limits::check_output(self.exchange.dialect, view.max_output_tokens, found.max_output_tokens)?;
        }
        let bounds = Bound::of(&found);
        limits::tell(self.exchange, &mut self.input.principal, &found, &bounds);
        Ok(bounds)
    }

    /// Decides with what is known of health, then looks at what translation would lose, at the best `most` candidates, and
    /// decides again with that.
    fn decide(&mut self, pool: &Pool<'_>, most: usize) -> Result<Decision, GatewayError> {
        let gateway = self.exchange.gateway;
        let knowledge = Knowledge { config: &gateway.config, prices: &gateway.prices };
        let now = self.input.now_ms;
        if let Some(key) = self.session {
            let keep_ms = pool.policy.stickiness.keep_ms;
            self.input.session = Some(gateway.memory.sessions.borrow().find(key, now, keep_ms));
        }
        let task = self.input.features.task_above(pool.policy.min_task_confidence_micro);
        let corrections = gateway.corrections(pool.policy_name, task);
        self.input.corrections = corrections;
        for candidate in pool.candidates.iter().filter(|candidate| candidate.provider.state() == State::Ready) {
            let key = self.first_key(candidate.provider, candidate.name);
            let health = gateway.health(&circuit(candidate.name, key), now);
            let expected = self.text.expected(candidate.known, &gateway.config.catalogue);
            let session = self.input.session.as_ref().filter(|s| s.last.as_deref() == Some(candidate.name));
            let warm = session.map_or(0, |session| session.cached_tokens);
            let signals = Signals { expected, ..Signals::new(health, &[], warm) };
            self.input.signals.insert(candidate.name.to_owned(), signals);
        }
        loop {
            let decision = decide(&self.input, pool, knowledge);
            let unknown: Vec<&decision::Choice> = decision
                .ranked
                .iter()
                .take(most)
                .filter(|c| self.is_rewritten(c) && !self.losses.contains_key(&c.name))
                .collect();
            if unknown.is_empty() {
                return Ok(decision);
            }
            for choice in unknown {
                let losses = self.losses_at(choice)?;
                if let Some(signals) = self.input.signals.get_mut(&choice.name) {
                    let fresh = Signals::new(signals.health, &losses, signals.warm_tokens);
                    *signals = Signals { expected: signals.expected, ..fresh };
                }
                self.losses.insert(choice.name.clone(), losses);
            }
        }
    }

    /// The error for a request that nobody can take, with the field that asks for what the nearest candidate cannot do.
    fn refusal(&mut self, decision: &Decision, pool: &Pool<'_>) -> GatewayError {
        let mut error = decision.refusal();
        if error.kind != ErrorKind::Unsupported || error.param.is_some() {
            return error;
        }
        let Some(candidate) = pool.candidates.iter().find(|c| decision.incapable() == Some(c.name)) else {
            return error;
        };
        let Some(dialect) = candidate.dialect(&self.input) else { return error };
        let target = Target {
            provider: &candidate.provider.profile,
            model: candidate.model,
            traits: candidate.traits(),
            max_output_tokens: None,
        };
        let asked = Addressed { model: &self.input.request.model, stream: self.stream };
        let losses = self.work.losses(self.exchange.dialect, &asked, dialect, &target).unwrap_or_default();
        let field = losses.into_iter().find(|loss| loss.disposition == Disposition::Unsupported).map(|loss| loss.field);
        if let Some(field) = &field {
            error.message = format!("{field}: {}", error.message);
        }
        error.param = field;
        error
    }

    fn losses_at(&mut self, choice: &decision::Choice) -> Result<Vec<Loss>, GatewayError> {
        let profile = self.exchange.gateway.config.providers.get(&choice.provider).map(|p| p.profile.as_str());
        let target = Target {
            provider: profile.unwrap_or_default(),
            model: &choice.model,
            traits: choice.traits,
            max_output_tokens: choice.max_output,
        };
        let asked = Addressed { model: &self.input.request.model, stream: self.stream };
        self.work.losses(self.exchange.dialect, &asked, choice.dialect, &target)
    }

    fn candidates(&mut self, decision: &Decision) -> Vec<Candidate<'g>> {
        let gateway = self.exchange.gateway;
        let embeds = self.work.purpose() == Purpose::Embed;
        // As `policy::filter` asks.
        let capped = self.input.request.routing.caps_price()
            || self.input.principal.money_limit
            || self.input.principal.max_cost_picousd.is_some();
        let looked_at = |c: &&decision::Choice| !self.is_rewritten(c) || self.losses.contains_key(&c.name);
        let mut list = Vec::with_capacity(decision.ranked.len().min(LOOKED_AT));
        for choice in decision.ranked.iter().filter(looked_at) {
            let Some(provider) = gateway.config.providers.get(&choice.provider) else { continue };
            let (rates, guess) = match choice.estimate.basis {
                Basis::Price => (gateway.prices.shared(&choice.price_id, embeds), false),
                Basis::Dearest if capped => (gateway.prices.dearest(&provider.prices_of).cloned(), true),
                Basis::Dearest | Basis::None => (None, false),
            };
            let mut candidate = Candidate {
                name: choice.name.clone(),
                model: choice.model.clone(),
                provider,
                keys: self.keys(provider, &choice.name),
                dialect: choice.dialect,
                traits: choice.traits,
                max_output_tokens: choice.max_output,
                context: choice.context,
                rates,
                price_is_a_guess: guess,
                patience: patience(choice.reasoning, self.input.features.thinking),
                score: choice.score,
                expected_picousd: choice.estimate.cost_picousd,
                expected_output_tokens: choice.estimate.output_tokens,
                expected_ms: choice.estimate.latency_ms(),
                losses: self.losses.get(&choice.name).cloned().unwrap_or_default(),
                drops: !choice.dropped.is_empty(),
                hides_reasoning: self.hides_reasoning,
            };
            self.keep_true_losses(&mut candidate);
            list.push(candidate);
        }
        list
    }

    /// Where a session begins among a provider's keys: always at the same one, while its circuit is closed there.
    fn first_key(&self, provider: &Provider, candidate: &str) -> usize {
        let count = provider.api_keys.len();
        if count < 2 {
            return 0;
        }
        let session = self.input.request.routing.session.as_deref();
        let begin = keys::place_of(session.unwrap_or(self.exchange.principal_id()), count);
        let now = self.input.now_ms;
        let closed =
            |key: &usize| self.exchange.gateway.health(&circuit(candidate, *key), now).refuses_until(now).is_none();
        (begin..begin + count).map(|at| at % count).find(closed).unwrap_or(begin)
    }

    fn keys(&self, provider: &'g Provider, candidate: &str) -> Keys<'g> {
        let own = self.own_keys.iter().find(|(name, _)| *name == provider.name.to_ascii_lowercase());
        match own {
            Some((_, key)) => Keys::of_caller(key.clone()),
            None => Keys::beginning_at(&provider.api_keys, self.first_key(provider, candidate)),
        }
    }

    /// Whether a candidate is sent another text than the caller's: it speaks another dialect, or this one with an accent.
    fn is_rewritten(&self, choice: &decision::Choice) -> bool {
        let accented = choice.dialect == Dialect::OpenAiChat && self.work.purpose() == Purpose::Answer;
        choice.dialect != self.exchange.dialect || (accented && self.is_adapted(choice))
    }

    fn is_adapted(&self, choice: &decision::Choice) -> bool {
        let provider = self.exchange.gateway.config.providers.get(&choice.provider);
        provider.is_some_and(|provider| openai_chat::request::adapt::is_needed(&provider.profile))
    }

    /// The losses that are reported: in the caller's own dialect what the server has no word for is sent all the same,
    /// unless the caller has allowed to drop it.
    fn keep_true_losses(&self, candidate: &mut Candidate<'_>) {
        if candidate.dialect != self.exchange.dialect {
            return;
        }
        let mut losses = std::mem::take(&mut candidate.losses);
        if !candidate.drops {
            losses.retain(|loss| loss.disposition != Disposition::Unsupported);
        }
        candidate.losses = self.work.lost(&candidate.target(), candidate.drops, losses);
    }

    fn audience(&self) -> Audience {
        match &self.exchange.principal {
            Some(principal) if principal.operator || principal.explain => Audience::Operator,
            _ => Audience::Caller,
        }
    }
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

/// The keys that a caller brought for providers which take such.
///
/// # Errors
/// 400 for a key that is none, for a provider that takes none, and where the answer is kept: keys are not.
fn own_keys<P: Platform>(exchange: &Exchange<'_, P>) -> Result<Vec<(String, Secret)>, GatewayError> {
    let brought = keys::of_caller(&exchange.request.headers);
    let brought = brought.map_err(|header| GatewayError::invalid(header, format!("{header}: is no key.")))?;
    let takes = |name: &str| {
        exchange.gateway.config.providers.values().any(|p| p.own_keys && p.name.eq_ignore_ascii_case(name))
    };
    if let Some((name, _)) = brought.iter().find(|(name, _)| !takes(name)) {
        let header = format!("{OWN_KEY_PREFIX}{name}");
        return Err(GatewayError::invalid(header, "No provider of that name takes keys of callers here."));
    }
    Ok(brought.into_iter().map(|(name, key)| (name.to_owned(), key)).collect())
}

/// What the caller's claims allow, but for limits: those depend on the policy.
fn principal<P: Platform>(exchange: &Exchange<'_, P>) -> PrincipalView {
    let Some(principal) = &exchange.principal else { return PrincipalView::default() };
    PrincipalView {
        regions: principal.regions.clone(),
        deny_data_collection: principal.deny_data_collection,
        issuer: principal.issuer.clone(),
        groups: principal.groups.clone(),
        operator: principal.operator,
        ..PrincipalView::default()
    }
}

/// How long a model may think before it speaks: by what it is and what was asked of it.
fn patience(reasoning: Option<Reasoning>, thinking: Thinking) -> Patience {
    match (reasoning, thinking) {
        (Some(Reasoning::None), _) => Patience::Normal,
        (Some(_), Thinking::High) => Patience::HighEffort,
        (Some(Reasoning::Always), _) | (Some(Reasoning::Optional), Thinking::Low | Thinking::Medium) => {
            Patience::Reasoning
        }
        // Unknown models are believed to think where the caller asks for it.
        (None, Thinking::High) => Patience::HighEffort,
        (None, Thinking::Low | Thinking::Medium) => Patience::Reasoning,
        (Some(Reasoning::Optional) | None, Thinking::Off | Thinking::Unsaid) => Patience::Normal,
    }
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
