//! What is kept of a decision until its request is over: for the conversation's next turn, for a policy that decides beside
//! it, for the record. Nothing here delays an answer.

use crate::config::provider::State;
use crate::gateway::Gateway;
use crate::pipeline::attempts::Run;
use crate::policy::decision::Decision;
use crate::policy::input::Input;
use crate::policy::names::Pool;
use crate::policy::record::{Outcome, Record, Shadow, Summary, MESSAGE};
use crate::policy::{self, decide, sessions, Knowledge};
use crate::ports::Platform;

/// A decision that is looked at again afterwards.
#[derive(Debug)]
pub struct Considered {
    /// What it was made from.
    input: Input,
    /// In short.
    decided: Summary,
    /// The policy to compare with.
    shadow: Option<String>,
    /// It is to be written down.
    recorded: bool,
}

impl Considered {
    /// Keeps a decision where a shadow is to decide beside it, or where it is among those that are written down.
    pub fn of<P: Platform>(
        platform: &P,
        gateway: &Gateway,
        pool: &Pool<'_>,
        input: &Input,
        decision: &Decision,
    ) -> Option<Box<Self>> {
        let shadow = &pool.policy.shadow;
        let share = u64::try_from(gateway.config.telemetry.decisions_micro).unwrap_or(0);
        let recorded = share > 0 && platform.random() % 1_000_000 < share;
        (shadow.is_some() || recorded).then(|| {
            let (input, decided) = (input.clone(), Summary::of(decision));
            Box::new(Self { input, decided, shadow: shadow.clone(), recorded })
        })
    }
}

/// What the shadow policy would have chosen.
pub fn shadow<P: Platform>(run: &Run<'_, P>) -> Option<Shadow> {
    let considered = run.choice.kept.as_ref()?;
    let policy = considered.shadow.as_deref()?;
    let (gateway, input) = (run.exchange.gateway, &considered.input);
    let pool = policy::pool_under(policy, &input.request, input, &gateway.config).ok()??;
    let decision = decide(input, &pool, Knowledge { config: &gateway.config, prices: &gateway.prices });
    let chosen = decision.chosen().map(|choice| choice.name.clone());
    let same = chosen == considered.decided.chosen;
    Some(Shadow { policy: policy.to_owned(), chosen, same })
}

/// Writes the decision down, if it is one of those, with what came of it.
pub fn record<P: Platform>(run: &Run<'_, P>, shadow: Option<Shadow>) {
    let Some(considered) = run.choice.kept.as_ref().filter(|considered| considered.recorded) else { return };
    let exchange = run.exchange;
    let cost = run.total_cost();
    let providers = exchange.gateway.config.providers.values();
    let called = !run.accounts.is_empty();
    let record = Record {
        message: MESSAGE.to_owned(),
        request_id: exchange.request_id.clone(),
        input: considered.input.clone(),
        ready: providers.filter(|p| p.state() == State::Ready).map(|p| p.name.clone()).collect(),
        decided: considered.decided.clone(),
        shadow,
        outcome: Outcome {
            status: run.status,
            model: run.answered_by.and_then(|c| run.choice.candidates.get(c)).map(|c| c.name.clone()),
            attempts: run.accounts.len(),
            cost_usd: cost.usd(),
            cost_certainty: called.then(|| cost.certainty().name().to_owned()),
            ttft_ms: run.first_content_ms.map(|t| t.saturating_sub(exchange.arrived_ms)),
            latency_ms: exchange.platform.now_ms().saturating_sub(exchange.arrived_ms),
        },
    };
    exchange.platform.log(serde_json::to_string(&record).unwrap_or_default());
}

/// Remembers who answered a conversation, for its next turn.
pub fn remember<P: Platform>(run: &Run<'_, P>) {
    let answered = run.answered_by.and_then(|at| Some((at, run.choice.candidates.get(at)?)));
    let (Some(session), Some((at, chosen)), None) = (run.choice.session, answered, &run.error) else { return };
    let account = run.accounts.iter().rev().find(|account| account.candidate == at);
    let Some(settled) = account.and_then(|account| account.settled.as_ref()) else { return };
    if run.choice.work.is_charged() {
        let cached = sessions::cached_tokens(chosen.dialect, &settled.usage);
        let now = run.exchange.platform.now_ms();
        run.exchange.gateway.memory.sessions.borrow_mut().answered(session, &chosen.name, cached, now);
    }
}
