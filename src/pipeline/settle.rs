//! Stage 8: what an attempt used and cost. Every attempt that was sent is opened once and settled once, whatever became
//! of it (DESIGN invariant 3).

use serde_json::json;

use crate::accounting::ledger::Estimate;
use crate::accounting::limit::Bound;
use crate::accounting::{cost, estimate, Cost, Opened, Outcome, Provenance, Settled};
use crate::dialect::canonical::{FinishReason, Loss, Usage};
use crate::dialect::{Observation, Tail};
use crate::error::GatewayError;
use crate::health::circuit::{Change, Sign};
use crate::health::watch::Attempt;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::ports::Platform;
use crate::upstream::failure::{AttemptFailure, FailureClass};
use crate::upstream::keys::{circuit, is_of_key};

/// One attempt's account.
#[derive(Debug, Clone)]
pub struct AttemptAccount {
    /// Index into the candidates.
    pub candidate: usize,
    /// With which of its provider's keys it was made.
    pub key: usize,
    /// What the ledger was told when it was sent.
    pub opened: Opened,
    /// When its first content came.
    pub first_content_ms: Option<u64>,
    /// How it ended; `None` while it is open.
    pub settled: Option<Settled>,
    /// Its span.
    pub span_id: String,
    /// What its answer said of itself, where records are wanted.
    pub told: Told,
}

/// What an answer said of itself, and what its attempt did to the candidate's circuit.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The provider's name of the model.
    pub model: Option<String>,
    /// Why it ended, in the provider's words.
    pub finish: Option<String>,
    /// The circuit opened or closed.
    pub circuit: Option<Change>,
}

/// How an attempt ended, as far as money is concerned.
pub enum Ending<'o> {
    /// With a whole answer.
    Complete(&'o Observation),
    /// With the provider's error instead of an answer: nothing was generated, nothing is charged.
    Refused(AttemptFailure),
    /// Within an answer.
    Broken(AttemptFailure, &'o Observation),
    /// It was to go on with an answer, and said something else: stopped there.
    Differs(&'o Observation),
    /// The caller left within an answer.
    Abandoned(&'o Observation),
    /// It was stopped, because another call had content first. `stopped`: the provider charges no more from then on.
    Outrun {
        /// What had come of it.
        seen: Option<&'o Observation>,
        /// Its provider has stopped working, too.
        stopped: bool,
    },
    /// The caller left, and the answer was read on to its end.
    Drained(&'o Observation),
    /// Without a reply; `None`: the caller left while we waited for one.
    Unanswered(Option<AttemptFailure>),
}

impl<P: Platform> Run<'_, P> {
    /// Opens an attempt's account: beside the call and not before it, but under a limit, where leave is got first.
    ///
    /// # Errors
    /// The caller's limit leaves no room for it, or cannot be checked.
    pub async fn open_account(&mut self, attempt: u32, candidate: usize) -> Result<usize, Box<GatewayError>> {
        let exchange = self.exchange;
        let now = exchange.platform.now_ms();
        let Some(chosen) = self.choice.candidates.get(candidate) else { return Ok(usize::MAX) };
        let (usage, expected) =
            if self.choice.work.is_charged() { self.expected(chosen, 0) } else { (Usage::default(), Cost::NOTHING) };
        let mut opened = Opened {
            id: exchange.request_id.clone(),
            attempt,
            ts_ms: now,
            deadline_ms: exchange.arrived_ms.saturating_add(self.choice.limits.total_ms),
            provider: chosen.provider.name.clone(),
            model: chosen.model.clone(),
            price_version: chosen.rates.as_ref().map(|_| exchange.gateway.price_version().to_owned()),
            task: self.choice.task.clone(),
            estimate: Estimate { usage, cost: expected },
            reserved: None,
            shard: exchange.platform.shard(exchange.principal_id(), self.choice.bounds.iter().all(Bound::is_money)),
        };
        self.leave(&mut opened, chosen).await?;
        let key = chosen.keys.index();
        let again = self.accounts.iter().any(|earlier| earlier.candidate == candidate);
        exchange.gateway.sent(&chosen.provider.name, &circuit(&chosen.name, key), again, now);
        if opened.reserved.is_none() {
            exchange.record_open(opened.clone());
        }
        let (span_id, told) = (exchange.begin_span(), Told::default());
        let account = AttemptAccount { candidate, key, opened, first_content_ms: None, settled: None, span_id, told };
        self.accounts.push(account);
        Ok(self.accounts.len().saturating_sub(1))
    }

    /// What an answer of a candidate is expected to use and cost; `more_input`: tokens that it is given besides the request.
    pub fn expected(&self, chosen: &Candidate<'_>, more_input: u64) -> (Usage, Cost) {
        let usage = Usage {
            input_tokens: self.view.estimated_input_tokens.saturating_add(more_input),
            output_tokens: chosen.expected_output_tokens,
            ..Usage::default()
        };
        (usage, cost(&usage, Provenance::Estimated, chosen.rates.as_deref(), self.exchange.platform.now_ms()))
    }

    /// Notes when an attempt's first content came.
    pub fn first_content_of(&mut self, account: usize, now_ms: u64) {
        if let Some(account) = self.accounts.get_mut(account) {
            account.first_content_ms = Some(now_ms);
        }
    }

    /// Settles an attempt. A second settlement of the same attempt changes nothing.
    pub fn settle(&mut self, account: usize, ending: Ending<'_>) {
        let exchange = self.exchange;
        let now = exchange.platform.now_ms();
        let (view, choice) = (self.view, self.choice);
        let Some(account) = self.accounts.get_mut(account).filter(|a| a.settled.is_none()) else { return };
        let Some(chosen) = choice.candidates.get(account.candidate) else { return };
        let (rates, sent_ms) = (chosen.rates.as_deref(), account.opened.ts_ms);
        let nothing = (Usage::default(), Cost::NOTHING);
        let estimated = |seen: Option<&Observation>, bytes: u64| {
            let usage = estimate(seen.and_then(|s| s.usage.as_ref()), view.estimated_input_tokens, bytes);
            let usage = seen.map_or(usage, |seen| seen.with_what_stands_apart(usage));
            (usage, cost(&usage, Provenance::Estimated, rates, sent_ms))
        };
        let guessed = |seen: Option<&Observation>| estimated(seen, seen.map_or(0, |s| s.output_bytes));
        let reported = |seen: &Observation| match seen.billed() {
            Some(usage) if seen.is_counted() => (usage, cost(&usage, Provenance::Reported, rates, sent_ms)),
            // All of it has come: what its provider counts is all that it generated, whatever we make of its length.
            _ if seen.usage.is_some_and(|usage| !usage.output_unknown) => estimated(Some(seen), 0),
            _ => guessed(Some(seen)),
        };
        let (outcome, (mut usage, mut cost)) = match &ending {
            Ending::Complete(seen) => (Outcome::Completed, reported(seen)),
            Ending::Drained(seen) => (Outcome::ClientGone, reported(seen)),
            Ending::Refused(_) => (Outcome::Failed, nothing),
            // An error event in place of an answer is a refusal like a status.
            Ending::Broken(failure, seen) if nothing_came(seen) && is_told(failure) => (Outcome::Failed, nothing),
            Ending::Broken(_, seen) | Ending::Differs(seen) => (Outcome::Cut, guessed(Some(seen))),
            Ending::Abandoned(seen) => (Outcome::ClientGone, guessed(Some(seen))),
            Ending::Outrun { seen, stopped: true } => (Outcome::Hedged, guessed(*seen)),
            // It goes on for nobody, and is charged as a whole.
            Ending::Outrun { stopped: false, .. } => {
                (Outcome::Hedged, (account.opened.estimate.usage, account.opened.estimate.cost))
            }
            // A connection that was never made cost nothing; a silent provider may have worked all the while.
            Ending::Unanswered(Some(failure)) if failure.class == FailureClass::Connect => (Outcome::Failed, nothing),
            Ending::Unanswered(Some(_)) => (Outcome::Failed, guessed(None)),
            Ending::Unanswered(None) => (Outcome::ClientGone, guessed(None)),
        };
        if chosen.price_is_a_guess {
            cost = cost.as_estimate();
        }
        let charged = choice.work.is_charged();
        if charged && cost == Cost::UNPRICED && exchange.gateway.unpriced(&chosen.name) {
            let line = json!({ "message": "unpriced model", "level": "warn", "model": chosen.name });
            exchange.platform.log(line.to_string());
        }
        if !charged {
            (usage, cost) = nothing;
        }
        let duration_ms = now.saturating_sub(account.opened.ts_ms);
        let settled = Settled { usage, cost, outcome, duration_ms };
        account.settled = Some(settled.clone());
        exchange.record_settled(account.opened.clone(), settled);
        let ttft = account.first_content_ms.map(|t| t.saturating_sub(account.opened.ts_ms));
        let attempt = Attempt {
            sent_ms: account.opened.ts_ms,
            sign: sign(&ending, chosen.keys.is_callers()),
            // How fast a model counts says nothing of how fast it answers.
            completed: charged && outcome == Outcome::Completed,
            ttft_ms: ttft,
            duration_ms,
            output_tokens: usage.completion_tokens(),
        };
        let circuit = circuit(&chosen.name, account.key);
        let change = exchange.gateway.ended(chosen.provider, &circuit, &attempt, now, exchange.platform.random());
        if exchange.platform.wants_records() {
            account.told = Told::of(&ending, change);
        }
    }

    /// What the end of the answer says of usage, cost and explanation.
    pub fn tail(&self, account: usize) -> Tail {
        let told = self.told_usage(account);
        Tail {
            usage: told.map(|(usage, _)| usage),
            cost_usd: told.and_then(|(_, cost)| cost.usd()),
            signalbox: self.explanation(),
        }
    }

    /// Reports that an answer of another dialect ends where its provider wanted to be asked again and no more calls are made for
    /// it: the end is the caller's dialect's word for an answer that was cut short.
    pub fn report_pause(&mut self, candidate: usize, seen: &Observation) {
        let native = self.choice.candidates.get(candidate).is_none_or(|c| c.dialect == self.exchange.dialect);
        if !native && seen.finish == Some(FinishReason::Paused) {
            let word = seen.raw_finish.as_deref().unwrap_or_default();
            let reason = format!("the provider paused ({word}): told as an answer that was cut short");
            self.answer_losses.push(Loss::converted("finish_reason", reason));
        }
    }

    /// Reports that the counts in an answer that we write are an estimate, because the provider named none, or not all.
    pub fn report_estimate(&mut self, seen: &Observation) {
        if !seen.is_counted() && !self.answer_losses.iter().any(|loss| loss.field == "usage") {
            let what = if seen.usage.is_none() { "none" } else { "a part of it" };
            self.answer_losses.push(Loss::converted("usage", format!("the provider reported {what}: estimated")));
        }
    }

    /// Cost of all attempts together.
    pub fn total_cost(&self) -> Cost {
        self.accounts.iter().filter_map(|a| Some(a.settled.as_ref()?.cost)).fold(Cost::NOTHING, Cost::plus)
    }
}

impl Told {
    fn of(ending: &Ending<'_>, circuit: Option<Change>) -> Self {
        let seen = match ending {
            Ending::Complete(seen)
            | Ending::Broken(_, seen)
            | Ending::Differs(seen)
            | Ending::Abandoned(seen)
            | Ending::Drained(seen)
            | Ending::Outrun { seen: Some(seen), .. } => seen,
            Ending::Refused(_) | Ending::Unanswered(_) | Ending::Outrun { seen: None, .. } => {
                return Self { circuit, ..Self::default() }
            }
        };
        Self { id: seen.id.clone(), model: seen.model.clone(), finish: seen.raw_finish.clone(), circuit }
    }
}

/// What an ending says of the candidate's state: a request that is refused for its own sake was answered, and what a caller's
/// own key meets is nobody else's.
fn sign(ending: &Ending<'_>, callers_key: bool) -> Sign {
    let failure = match ending {
        // A healthy model need not say the same twice.
        Ending::Complete(_) | Ending::Drained(_) | Ending::Differs(_) => return Sign::Alive,
        Ending::Abandoned(_) | Ending::Unanswered(None) => return Sign::Unknown,
        Ending::Outrun { .. } => return Sign::Outrun,
        Ending::Refused(failure) | Ending::Broken(failure, _) | Ending::Unanswered(Some(failure)) => failure,
    };
    match failure.class {
        class if callers_key && is_of_key(class) => Sign::Alive,
        FailureClass::InvalidRequest | FailureClass::ContentFiltered | FailureClass::ContextLength => Sign::Alive,
        FailureClass::Auth | FailureClass::QuotaExhausted => {
            Sign::Failed { retry_after_ms: failure.retry_after_ms, account: true }
        }
        FailureClass::RateLimited
        | FailureClass::Overloaded
        | FailureClass::Timeout
        | FailureClass::Server
        | FailureClass::Connect
        | FailureClass::Cut
        | FailureClass::NotFound => Sign::Failed { retry_after_ms: failure.retry_after_ms, account: false },
    }
}

/// Whether the failure is the provider's own word, and not what we make of its answer.
fn is_told(failure: &AttemptFailure) -> bool {
    failure.error.as_ref().is_some_and(|error| !error.raw.is_empty())
}

fn nothing_came(seen: &Observation) -> bool {
    seen.usage.is_none() && seen.output_bytes == 0
}
