//! What one isolate knows: a valid configuration with its prices, and what it has seen of providers lately. The first is
//! replaced whole when a new version is picked up, the second outlives it. Both are hints to be lost at any time.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::accounting::limit::{Bound, Refused};
use crate::attempt::budget::{HedgeBudget, RetryBudget};
use crate::catalogue::price::{self, Prices};
use crate::config::choice::Pattern;
use crate::config::provider::Provider;
use crate::config::{self, Config, ConfigProblem, Environment, Mode};
use crate::error::{ErrorKind, GatewayError};
use crate::feedback::{About, Learned};
use crate::health::circuit::Change;
use crate::health::share::{Delta, Message, Seen};
use crate::health::watch::{Attempt, Watch};
use crate::health::Health;
use crate::identity::Gate;
use crate::policy::input::Corrections;
use crate::policy::sessions::Sessions;
use crate::sorted::Map;

/// A configuration in force and the isolate's memory.
#[derive(Debug)]
pub struct Gateway {
    /// Valid, as a whole.
    pub config: Config,
    /// Valid, as a whole.
    pub prices: Prices,
    /// Lets callers in.
    pub gate: Gate,
    /// Outlives configurations.
    pub memory: Rc<Memory>,
}

/// What an isolate has seen of providers.
#[derive(Debug, Default)]
pub struct Memory {
    budgets: RefCell<HashMap<String, RetryBudget>>,
    /// By policy.
    hedges: RefCell<HashMap<String, HedgeBudget>>,
    watch: RefCell<Watch>,
    without_usage_option: RefCell<HashSet<String>>,
    /// By principal: budgets that a ledger has refused to charge, and until when that is believed, Unix ms.
    refusals: RefCell<HashMap<String, Vec<(Refused, u64)>>>,
    /// By principal: until when each of its places is taken, Unix ms.
    crowd: RefCell<HashMap<String, Vec<u64>>>,
    /// What is wrong with the documents that were last found and are not in force; empty where they are.
    pub refused: RefCell<Vec<ConfigProblem>>,
    /// Conversations.
    pub sessions: RefCell<Sessions>,
    unpriced: RefCell<Map<String, u64>>,
    price_report: RefCell<Option<String>>,
    learned: RefCell<Learned>,
}

/// How long a refusal is believed without asking again, and one that is only for what is under way.
const REFUSED_MS: [u64; 2] = [5_000, 100];
/// Principals whose refusals are remembered.
const REFUSED_PRINCIPALS: usize = 1_024;

/// A place among a principal's requests under way; it is given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    memory: Rc<Memory>,
    principal: String,
    until_ms: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut crowd = self.memory.crowd.borrow_mut();
        let Some(places) = crowd.get_mut(&self.principal) else { return };
        if let Some(at) = places.iter().position(|until| *until == self.until_ms) {
            places.swap_remove(at);
        }
        if places.is_empty() {
            crowd.remove(&self.principal);
        }
    }
}

/// A place that is not given back, because the platform dropped its request, is free again after the longest of all.
const LONGEST_REQUEST_MS: u64 = 900_000;
/// Unpriced models that an isolate lists.
const LISTED: usize = 100;

impl Gateway {
    /// Reads configuration overlays and a price table (`None` = the compiled-in snapshot).
    ///
    /// # Errors
    /// Everything that is wrong with them; the operator's.
    pub fn load(
        overlays: &[&str],
        prices: Option<&str>,
        mode: Mode,
        environment: &Environment<'_>,
        memory: Rc<Memory>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let mut layers = vec![config::DEFAULT];
        layers.extend_from_slice(overlays);
        let config = Config::load(&layers, mode, environment)?;
        let prices = Prices::parse(prices.unwrap_or(price::SNAPSHOT))?;
        let gate =
            Gate::new(config.identity.clone(), environment("SIGNALBOX_PRINCIPAL_KEY").unwrap_or_default().as_bytes())
                .with_secrets(environment);
        Ok(Self { config, prices, gate, memory })
    }

    /// [`Gateway::load`] with one overlay, in local mode, without an environment.
    ///
    /// # Errors
    /// As there.
    pub fn load_local(overlay: &str) -> Result<Self, Vec<ConfigProblem>> {
        Self::load(&[overlay], None, Mode::Local, &|_| None, Rc::default())
    }

    /// Version of the price table in force.
    #[must_use]
    pub fn price_version(&self) -> &str {
        &self.prices.version
    }

    /// Lets one more request of a principal in; `None` where as many are under way as this isolate carries for one.
    #[must_use]
    pub fn admit(&self, principal: &str, now_ms: u64) -> Option<Place> {
        let mut crowd = self.memory.crowd.borrow_mut();
        let places = crowd.entry(principal.to_owned()).or_default();
        if places.len() >= self.config.crowd {
            places.retain(|until| now_ms < *until);
        }
        let until_ms = now_ms.saturating_add(LONGEST_REQUEST_MS);
        (places.len() < self.config.crowd).then(|| {
            places.push(until_ms);
            Place { memory: self.memory.clone(), principal: principal.to_owned(), until_ms }
        })
    }

    /// A call to a candidate (`provider/model`) goes out: traffic feeds the retry budget, calls `again` for one request do not.
    pub fn sent(&self, provider: &str, candidate: &str, again: bool, now_ms: u64) {
        if !again {
            self.budget(provider, |budget| budget.deposit(now_ms));
        }
        self.memory.watch.borrow_mut().sent(candidate, now_ms);
    }

    /// Whether a retry at a provider still is within its share of traffic; if so it is taken from it. Not where the
    /// candidate's circuit has opened, unless it is the `only` one.
    #[must_use]
    pub fn may_retry(&self, provider: &str, candidate: &str, only: bool, now_ms: u64) -> bool {
        (only || self.memory.watch.borrow().lets_retry(candidate, now_ms))
            && self.budget(provider, |budget| budget.withdraw(now_ms))
    }

    fn budget<T>(&self, provider: &str, act: impl FnOnce(&mut RetryBudget) -> T) -> T {
        let mut budgets = self.memory.budgets.borrow_mut();
        match budgets.get_mut(provider) {
            Some(budget) => act(budget),
            None => act(budgets.entry(provider.to_owned()).or_default()),
        }
    }

    /// A request that may be hedged begins; `share` of a policy's requests are, in millionths.
    pub fn may_be_hedged(&self, policy: &str, share_micro: i64) {
        self.memory.hedges.borrow_mut().entry(policy.to_owned()).or_default().deposit(share_micro);
    }

    /// Whether a second call at once still is within the policy's share; if so it is taken from it.
    #[must_use]
    pub fn may_hedge(&self, policy: &str) -> bool {
        self.memory.hedges.borrow_mut().get_mut(policy).is_some_and(HedgeBudget::withdraw)
    }

    /// What of a candidate's time to first content is of failures and lost races, and not of answers.
    #[must_use]
    pub fn slowed_ms(&self, candidate: &str, now_ms: u64) -> u64 {
        self.memory.watch.borrow().slowed_ms(candidate, now_ms)
    }

    /// The time to first content that 95 % of a candidate's attempts stay below, where it is known.
    #[must_use]
    pub fn ttft_p95_ms(&self, candidate: &str) -> Option<u64> {
        self.memory.watch.borrow().ttft_p95_ms(candidate)
    }

    /// Whether a provider is known to refuse the option by which usage is asked for.
    #[must_use]
    pub fn refuses_usage_option(&self, provider: &str) -> bool {
        self.memory.without_usage_option.borrow().contains(provider)
    }

    /// A provider refused the option by which usage is asked for: it is not sent there again.
    pub fn learn_refused_usage_option(&self, provider: &str) {
        self.memory.without_usage_option.borrow_mut().insert(provider.to_owned());
    }

    /// A principal's ledger has refused an attempt: what asks for as much soon need not ask.
    pub fn learn_refusal(&self, principal: &str, refused: &Refused, now_ms: u64) {
        let [long, short] = REFUSED_MS;
        let until_ms = now_ms.saturating_add(if refused.passes { short } else { long }).min(refused.resets_at_ms);
        let mut known = self.memory.refusals.borrow_mut();
        if known.len() >= REFUSED_PRINCIPALS {
            known.clear();
        }
        let own = known.entry(principal.to_owned()).or_default();
        own.retain(|(earlier, until_ms)| now_ms < *until_ms && earlier.bound != refused.bound);
        own.push((refused.clone(), until_ms));
    }

    /// What is known to be left of a principal's budgets, by the models that they are for.
    #[must_use]
    pub fn refusals(&self, principal: &str, bounds: &[Bound], now_ms: u64) -> Vec<(Vec<Pattern>, u64)> {
        let budget = |refused: &Refused| match &refused.bound {
            Bound::Money { models, .. } => Some((models.clone(), refused.left)),
            _ => None,
        };
        self.known_refusals(principal, bounds, now_ms).iter().filter_map(budget).collect()
    }

    /// The refusal that lasts longest among those.
    #[must_use]
    pub fn refused(&self, principal: &str, bounds: &[Bound], now_ms: u64) -> Option<Refused> {
        self.known_refusals(principal, bounds, now_ms).into_iter().max_by_key(|refused| refused.resets_at_ms)
    }

    /// A refusal counts for the bound that it was made under and for no other.
    fn known_refusals(&self, principal: &str, bounds: &[Bound], now_ms: u64) -> Vec<Refused> {
        let known = self.memory.refusals.borrow();
        let valid = known.get(principal).into_iter().flatten();
        let valid = valid.filter(|(refused, until_ms)| now_ms < *until_ms && bounds.contains(&refused.bound));
        valid.map(|(refused, _)| refused.clone()).collect()
    }

    /// An attempt at a candidate was made for which no price is known. True: tell the operator, it is the first that this
    /// isolate sees.
    pub fn unpriced(&self, candidate: &str) -> bool {
        let mut unpriced = self.memory.unpriced.borrow_mut();
        if let Some(attempts) = unpriced.get_mut(candidate) {
            *attempts = attempts.saturating_add(1);
            return false;
        }
        let room = unpriced.len() < LISTED;
        room && unpriced.insert(candidate.to_owned(), 1).is_none()
    }

    /// Candidates without a price and this isolate's attempts at them, at most a hundred.
    #[must_use]
    pub fn unpriced_models(&self) -> Map<String, u64> {
        self.memory.unpriced.borrow().clone()
    }

    /// What the operator is told of the last time that prices were fetched: JSON of `catalogue::import::refresh::Report`.
    #[must_use]
    pub fn price_report(&self) -> Option<String> {
        self.memory.price_report.borrow().clone()
    }

    /// What callers' scores say of models for a task under a policy, where scores are taken.
    #[must_use]
    pub fn corrections(&self, policy: &str, task: &str) -> Option<Corrections> {
        self.config.feedback.and_then(|_| self.memory.learned.borrow().of(policy, task))
    }

    /// Callers' scores have come to these sums. What cannot be read changes nothing.
    pub fn learn_scores(&self, sums: &str) {
        if let Some(learned) = self.config.feedback.and_then(|settings| Learned::read(sums, settings)) {
            self.memory.learned.replace(learned);
        }
    }

    /// The receipt with which a principal may score an answer; `None` where scores are not taken.
    #[must_use]
    pub fn receipt(&self, principal: &str, request_id: &str, about: &About) -> Option<String> {
        let sign = |names: &[&str]| self.gate.id_of(names);
        (self.config.feedback.is_some() && self.gate.has_own_key()).then(|| about.receipt(principal, request_id, sign))
    }

    /// What a receipt is for; `None` where it is not this principal's for this request, or too old.
    #[must_use]
    pub fn of_receipt(&self, receipt: &str, principal: &str, request_id: &str, now_ms: u64) -> Option<About> {
        About::of_receipt(receipt, principal, request_id, now_ms, |names| self.gate.id_of(names))
    }

    /// What is known of a candidate's present state.
    #[must_use]
    pub fn health(&self, candidate: &str, now_ms: u64) -> Health {
        self.memory.watch.borrow().health(candidate, now_ms)
    }

    /// An attempt at a candidate (`provider/model`) is over. `random` is uniform.
    /// Answers with what it did to the candidate's circuit.
    pub fn ended(
        &self,
        provider: &Provider,
        candidate: &str,
        attempt: &Attempt,
        now_ms: u64,
        random: u64,
    ) -> Option<Change> {
        self.memory.watch.borrow_mut().ended(candidate, attempt, now_ms, random, &provider.breaker)
    }

    /// What the boards of providers are to be told now. The caller sends it and hands the answers to
    /// [`Gateway::board_said`]; nothing is lost but freshness if it does not.
    #[must_use]
    pub fn boards_due(&self, now_ms: u64) -> Vec<(String, Message<Delta>)> {
        self.memory.watch.borrow_mut().due(now_ms)
    }

    /// What a provider's board has answered.
    pub fn board_said(&self, provider: &str, answer: Message<Seen>, now_ms: u64) {
        let settings = self.config.providers.get(provider).map(|p| p.breaker).unwrap_or_default();
        self.memory.watch.borrow_mut().told(answer, now_ms, &settings);
    }
}

impl Memory {
    /// Notes what came of fetching prices.
    pub fn note_price_report(&self, report: Option<String>) {
        self.price_report.replace(report);
    }
}

/// What callers are told while no valid configuration is in force.
#[must_use]
pub fn unconfigured(problems: &[ConfigProblem]) -> GatewayError {
    let first = problems.first().map(|p| p.path.as_str()).filter(|p| !p.is_empty());
    let place = first.map(|p| format!(" (first problem at {p})")).unwrap_or_default();
    GatewayError::new(
        ErrorKind::Unconfigured,
        format!("The gateway's configuration is not valid and there is no earlier valid one{place}."),
    )
}
