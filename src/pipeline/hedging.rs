//! Stage 6 with two calls at once: when the first candidate is late, a second one is asked beside it, and who has content
//! first answers (ADR 0019). `attempt::plan` decides; here the two are waited for, and the one that is left is handed on as
//! if it had been alone. Nothing of this runs where the policy does not hedge.

use serde_json::value::RawValue;

use crate::accounting::Cost;
use crate::attempt::plan::{Action, Deadlines, Event};
use crate::config::hedge::HedgeMode;
use crate::dialect::view::View;
use crate::dialect::Dialect;
use crate::gateway::Gateway;
use crate::http::Headers;
use crate::json::Members;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::{Candidate, Choice};
use crate::pipeline::gone::stops;
use crate::pipeline::leg::{Came, Leg, Stage};
use crate::pipeline::settle::Ending;
use crate::policy::input::{Input, Purpose};
use crate::ports::{Interrupt, Platform, Side, UpstreamCall};
use crate::upstream::failure::{AttemptFailure, FailureClass};
use crate::upstream::keys::circuit;

/// Whether a request may be with two candidates at once: it asks for an answer, is not bound to one account by signed reasoning
/// or by what a provider keeps, and nothing but the answer comes of it. A provider's own tools may act, and would act twice.
pub fn may_be_asked_twice(input: &Input, view: &View<'_>) -> bool {
    let members = &view.members;
    let absent = |names: &[&str]| names.iter().all(|name| members.present(name).is_none());
    let free = match input.request.dialect {
        Dialect::OpenAiChat => true,
        Dialect::OpenAiResponses => absent(&["previous_response_id", "conversation", "prompt", "background"]),
        Dialect::AnthropicMessages => absent(&["mcp_servers", "container"]),
        Dialect::Gemini => absent(&["cachedContent", "cached_content"]),
    };
    input.request.purpose == Purpose::Answer
        && input.signed_by.is_none()
        && free
        && !has_providers_tools(input.request.dialect, members)
}

/// Whether a request lets the provider use tools of its own.
pub fn has_providers_tools(dialect: Dialect, members: &Members<'_>) -> bool {
    let by_option = dialect == Dialect::OpenAiChat
        && (members.present("web_search_options").is_some() || members.present("plugins").is_some());
    by_option || !all_functions(dialect, members)
}

/// Whether all tools are the caller's own functions.
fn all_functions(dialect: Dialect, members: &Members<'_>) -> bool {
    let tools: Result<Option<Vec<&RawValue>>, _> = members.parse("tools");
    let Ok(tools) = tools else { return false };
    tools.into_iter().flatten().all(|tool| {
        let Ok(tool) = Members::read(tool.get().as_bytes()) else { return false };
        match dialect {
            Dialect::Gemini => {
                tool.iter().all(|(name, _)| matches!(name, "functionDeclarations" | "function_declarations"))
            }
            _ => tool.present("type").is_none_or(|kind| matches!(kind.get(), r#""function""# | r#""custom""#)),
        }
    })
}

/// When a candidate's answer is late. What is observed is the time to the first content of streams; a whole answer takes as
/// much longer as it is expected to.
pub fn after_ms(gateway: &Gateway, choice: &Choice<'_>, chosen: &Candidate<'_>, stream: bool) -> Option<u64> {
    let hedge = choice.hedge?;
    let observed = match hedge.mode {
        HedgeMode::Off => return None,
        HedgeMode::Fixed => None,
        HedgeMode::P95 => gateway.ttft_p95_ms(&circuit(&chosen.name, chosen.keys.index())),
    };
    let whole_ms = if stream { 0 } else { chosen.expected_ms };
    observed.map(|ms| ms.saturating_add(whole_ms)).or(hedge.after_ms)
}

/// Counts a request that may be hedged.
pub fn count(gateway: &Gateway, choice: &Choice<'_>) {
    if let Some(hedge) = choice.hedge.filter(|hedge| hedge.mode != HedgeMode::Off && choice.candidates.len() > 1) {
        gateway.may_be_hedged(&choice.policy, hedge.max_share_micro);
    }
}

impl<'a, P: Platform> Run<'a, P> {
    /// Makes one attempt, and a second one beside it when the first is late; the event tells the machine how the one that was
    /// left of them went.
    pub async fn hedged(
        &mut self,
        attempt: u32,
        account: usize,
        candidate: usize,
        deadlines: Deadlines,
        hedge_at: u64,
    ) -> Event {
        let mut legs = Vec::with_capacity(2);
        if let Some(mut leg) = self.leg(attempt, account, candidate, deadlines) {
            self.may_outlive(&mut leg.call, leg.chosen);
            legs.push(leg);
        }
        let mut hedge_at = Some(hedge_at);
        loop {
            let first_due = legs.iter().map(Leg::until).chain(hedge_at).min().unwrap_or_default();
            let wake = self.wake_at(first_due);
            let step = match legs.as_mut_slice() {
                [] => return Event::Failed(AttemptFailure::silent(FailureClass::NotFound)),
                [only] => self.step_of(only, wake).await.map(|came| (0, came)),
                [first, second, ..] => self.step_of_either(first, second, wake).await,
            };
            let (at, came) = match step {
                Ok(step) => step,
                Err(Interrupt::Timeout) => {
                    let now = self.exchange.platform.now_ms();
                    if let Some(at) = legs.iter().position(|leg| leg.until() <= now) {
                        match legs.get_mut(at) {
                            Some(leg) => (at, self.out_of_time(leg)),
                            None => continue,
                        }
                    } else if hedge_at.is_some_and(|at| at <= now) {
                        hedge_at = None;
                        if let Some(first) = legs.first_mut() {
                            let beside = self.hedge(first).await;
                            legs.extend(beside);
                        }
                        continue;
                    } else if self.ping_if_due().await.is_err() {
                        return self.left_racing(legs).await;
                    } else {
                        continue;
                    }
                }
                Err(_) => return self.left_racing(legs).await,
            };
            if matches!(came, Came::More) {
                continue;
            }
            let leg = legs.remove(at);
            let other = legs.pop();
            match came {
                Came::More => {}
                Came::Content => {
                    self.outrun(&leg, other);
                    return self.hand_on(leg).await;
                }
                Came::Answer(read) => {
                    self.outrun(&leg, other);
                    (self.upstream_told, self.sent_losses) = (leg.told, leg.losses);
                    return self.answered(leg.account, leg.candidate, read);
                }
                Came::Ended(_) | Came::Failed(_) => {
                    let attempt = leg.attempt;
                    let event = self.failed_alone(leg, came).await;
                    match other.and_then(|other| self.goes_on_alone(attempt, &event, other)) {
                        Some(other) => legs.push(other),
                        None => return event,
                    }
                }
            }
        }
    }

    fn leg(
        &mut self,
        attempt: u32,
        account: usize,
        candidate: usize,
        deadlines: Deadlines,
    ) -> Option<Leg<'a, P::Call>> {
        let chosen = self.choice.candidates.get(candidate)?;
        let request = self.request(candidate, chosen);
        let losses = std::mem::take(&mut self.sent_losses);
        let call = self.call(account, request);
        let (stage, told) = (Stage::Sent, Headers::new());
        Some(Leg { attempt, account, candidate, chosen, deadlines, call, stage, told, losses })
    }

    /// The first call is late: asks whether there is to be a second, and makes it.
    async fn hedge(&mut self, first: &mut Leg<'a, P::Call>) -> Option<Leg<'a, P::Call>> {
        let by = self.who_may_be_asked_beside();
        let exchange = self.exchange;
        let policy = self.choice.policy.as_str();
        let (now, random) = (exchange.platform.now_ms(), exchange.platform.random());
        let may_hedge = &mut |_| exchange.gateway.may_hedge(policy);
        let mut action = self.machine.step(Event::Slow { by }, now, random, may_hedge);
        if let Action::Hedge { attempt, candidate, deadlines } = action {
            match self.open_account(attempt, candidate).await {
                Ok(account) => return self.leg(attempt, account, candidate, deadlines),
                Err(error) => action = self.step(Event::Withheld(error)),
            }
        }
        if let Action::Stay { deadlines } = action {
            first.deadlines = deadlines;
        }
        None
    }

    /// Candidates whose price is known and within the bounds of policy and caller, and whose circuit is not open.
    fn who_may_be_asked_beside(&self) -> Vec<usize> {
        let Some(hedge) = self.choice.hedge else { return Vec::new() };
        let exchange = self.exchange;
        let now = exchange.platform.now_ms();
        let costs = self.accounts.iter().map(|a| a.settled.as_ref().map_or(a.opened.estimate.cost, |s| s.cost));
        let so_far = costs.fold(Cost::NOTHING, Cost::plus);
        let may = |chosen: &Candidate<'_>| {
            let (_, price) = self.expected(chosen, 0);
            let within = |cost: Cost, most: u64| cost.picousd().is_some_and(|picousd| picousd <= most);
            within(price, hedge.max_cost_picousd)
                && self.choice.continuing.max_cost_picousd.is_none_or(|most| within(so_far.plus(price), most))
                && exchange
                    .gateway
                    .health(&circuit(&chosen.name, chosen.keys.index()), now)
                    .refuses_until(now)
                    .is_none()
        };
        let candidates = self.choice.candidates.iter().enumerate();
        candidates.filter(|(_, chosen)| may(chosen)).map(|(at, _)| at).collect()
    }

    /// Waits for one of two calls, and takes what it has come to.
    async fn step_of_either(
        &mut self,
        first: &mut Leg<'a, P::Call>,
        second: &mut Leg<'a, P::Call>,
        until: u64,
    ) -> Result<(usize, Came), Interrupt> {
        let platform = self.exchange.platform;
        let awaited = (first.awaited(), second.awaited());
        match platform.either((&mut first.call, awaited.0), (&mut second.call, awaited.1), until).await? {
            Side::First => self.step_of(first, platform.now_ms()).await.map(|came| (0, came)),
            Side::Second => self.step_of(second, platform.now_ms()).await.map(|came| (1, came)),
        }
    }

    /// A call has failed before any content; what that means by itself.
    async fn failed_alone(&mut self, leg: Leg<'a, P::Call>, came: Came) -> Event {
        self.upstream_told = leg.told;
        match (came, leg.stage) {
            (Came::Failed(event), _) => event,
            (Came::Ended(end), Stage::Stream { probe, events, .. }) => {
                self.unsent = events;
                self.finish(leg.call, *probe, leg.account, leg.candidate, end, false).await
            }
            _ => Event::Failed(AttemptFailure::silent(FailureClass::Server)),
        }
    }

    /// One of two calls has failed: the other one, if it is to go on.
    fn goes_on_alone(&mut self, failed: u32, event: &Event, mut other: Leg<'a, P::Call>) -> Option<Leg<'a, P::Call>> {
        let (Event::Failed(failure) | Event::Repaired(failure)) = event else { return None };
        match self.step(Event::Lost { attempt: failed, failure: failure.clone() }) {
            Action::Stay { deadlines } => {
                other.deadlines = deadlines;
                self.may_outlive(&mut other.call, other.chosen);
                Some(other)
            }
            _ => {
                self.stop(other);
                None
            }
        }
    }

    /// A call has content: the other one, if there is one, is stopped.
    fn outrun(&mut self, winner: &Leg<'a, P::Call>, other: Option<Leg<'a, P::Call>>) {
        if let Some(other) = other {
            self.step(Event::Won { attempt: winner.attempt });
            self.stop(other);
        }
    }

    fn stop(&mut self, mut leg: Leg<'a, P::Call>) {
        leg.call.abort();
        let stopped = self.view.stream && stops(leg.chosen);
        self.settle(leg.account, Ending::Outrun { seen: leg.seen(), stopped });
    }

    /// Passes a stream on whose first content has come.
    async fn hand_on(&mut self, mut leg: Leg<'a, P::Call>) -> Event {
        let first_at = leg.first_at();
        self.may_outlive(&mut leg.call, leg.chosen);
        let Leg { mut call, account, candidate, chosen, deadlines, stage, told, losses, .. } = leg;
        (self.upstream_told, self.sent_losses) = (told, losses);
        let Stage::Stream { read, .. } = stage else {
            return Event::Failed(AttemptFailure::silent(FailureClass::Server));
        };
        let mut relay = self.relay(chosen);
        let (end, begun) =
            self.pass_on(&mut call, &mut relay, Vec::new(), account, candidate, deadlines, first_at, Some(read)).await;
        self.finish(call, relay, account, candidate, end, begun).await
    }

    /// The caller has left before any content. The call that was made first may be read on for its usage; one beside it is
    /// charged by its estimate.
    async fn left_racing(&mut self, legs: Vec<Leg<'a, P::Call>>) -> Event {
        let mut legs = legs.into_iter();
        let Some(mut leg) = legs.next() else { return Event::ClientGone };
        for mut beside in legs {
            beside.call.abort();
            let ending = beside.seen().map_or(Ending::Unanswered(None), Ending::Abandoned);
            self.settle(beside.account, ending);
        }
        let (call, account, chosen) = (&mut leg.call, leg.account, leg.chosen);
        match leg.stage {
            Stage::Refused { .. } => self.lost(call, account, Interrupt::ClientGone),
            Stage::Stream { probe, .. } => self.left_streaming(call, account, chosen, Some(*probe)).await,
            Stage::Sent if self.view.stream => self.left_streaming(call, account, chosen, None).await,
            Stage::Sent => self.left_waiting(call, account, chosen, None).await,
            Stage::Whole { status } => self.left_waiting(call, account, chosen, Some(status)).await,
        }
    }
}
