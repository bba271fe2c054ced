//! A request on its way to a decision: what is known of the caller, the text and the candidates at this moment.

use crate::accounting::limit::Bound;
use crate::attempt::plan::Patience;
use crate::catalogue::model::Reasoning;
use crate::classify::{Features, Text, Thinking};
use crate::config::provider::{Provider, Secret, State};
use crate::dialect::canonical::{Disposition, Loss};
use crate::dialect::view::View;
use crate::dialect::{openai_chat, Dialect, Target};
use crate::error::{ErrorKind, GatewayError};
use crate::pipeline::choose::{Candidate, LOOKED_AT};
use crate::pipeline::exchange::Exchange;
use crate::pipeline::limits;
use crate::pipeline::work::{Addressed, Work};
use crate::policy::decision::{self, Audience, Decision};
use crate::policy::estimate::Basis;
use crate::policy::input::{Input, PrincipalView, Purpose, RequestView, Session, Signals};
use crate::policy::names::Pool;
use crate::policy::routing::RoutingRequest;
use crate::policy::{decide, sessions, Knowledge};
use crate::ports::Platform;
use crate::sorted::Map;
use crate::upstream::keys::{self, circuit, Keys, OWN_KEY_PREFIX};

/// What a decision is made from, and what has been found out for it.
pub(super) struct Inquiry<'i, 'g, 'w, P: Platform> {
    exchange: &'i Exchange<'g, P>,
    stream: bool,
    hides_reasoning: bool,
    /// It stays here: what is recorded of it is what tables expect.
    text: Text<'i>,
    pub(super) session: Option<u64>,
    pub(super) input: Input,
    pub(super) work: Work<'w>,
    losses: Map<String, Vec<Loss>>,
    own_keys: Vec<(String, Secret)>,
}

impl<'i, 'g, 'w, P: Platform> Inquiry<'i, 'g, 'w, P> {
    pub(super) fn new(
        exchange: &'i Exchange<'g, P>,
        view: &'i View<'_>,
        asked: RoutingRequest,
        work: Work<'w>,
    ) -> Result<Self, GatewayError> {
        let text = Text::new(&view.sample);
        let features = Features::of(view, &text, asked.task.as_deref(), || exchange.platform.weights());
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
            signals: Map::new(),
        };
        let (stream, hides_reasoning) = (view.stream, view.hide_reasoning);
        Ok(Self { exchange, stream, hides_reasoning, text, session, input, work, losses: Map::new(), own_keys })
    }

    /// Has the decision know the limits that hold under a policy; those that the ledger keeps come back.
    pub(super) fn limit(&mut self, view: &View<'_>, policy: &str) -> Result<Vec<Bound>, GatewayError> {
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
    pub(super) fn decide(&mut self, pool: &Pool<'_>, most: usize) -> Result<Decision, GatewayError> {
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
    pub(super) fn refusal(&mut self, decision: &Decision, pool: &Pool<'_>) -> GatewayError {
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

    pub(super) fn candidates(&mut self, decision: &Decision) -> Vec<Candidate<'g>> {
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
            let keys = self.keys(provider, &choice.name);
            let slowed_ms = gateway.slowed_ms(&circuit(&choice.name, keys.index()), self.input.now_ms);
            let mut candidate = Candidate {
                name: choice.name.clone(),
                model: choice.model.clone(),
                provider,
                keys,
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
                // A silence that was given up says nothing of how long an answer takes.
                expected_ms: choice.estimate.latency_ms().saturating_sub(slowed_ms),
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

    pub(super) fn audience(&self) -> Audience {
        match &self.exchange.principal {
            Some(principal) if principal.operator || principal.explain => Audience::Operator,
            _ => Audience::Caller,
        }
    }
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
