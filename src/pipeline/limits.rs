//! Limits: which hold for a request, and the leave that an attempt needs before it is sent (DESIGN §6). Where none holds,
//! nothing is asked and nothing waited for.

use serde_json::{json, value::RawValue};

use crate::accounting::day::day_of;
use crate::accounting::ledger::Reserved;
use crate::accounting::limit::{Ask, Bound, Need, Refused, Verdict};
use crate::accounting::{Opened, Row};
use crate::catalogue::price::Rates;
use crate::config::choice::Pattern;
use crate::dialect::Dialect;
use crate::error::{ErrorKind, GatewayError};
use crate::identity::Limits;
use crate::money::usd;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::hedging;
use crate::policy::input::PrincipalView;
use crate::ports::Platform;

/// A refusal that ends so soon is worth the caller's waiting.
const SOON_MS: u64 = 60_000;
/// When to ask again where the ledger cannot be reached.
const UNREACHED_MS: u64 = 1_000;
/// When to ask again where what is under way may leave something over.
const UNDER_WAY_MS: u64 = 1_000;
/// Tokens that media in a prompt are assumed to take at most, all of them: a prompt's estimate leaves them out.
const MEDIA_TOKENS: u64 = 4_096;
/// Generated tokens that are reserved for an answer without a stated bound: so many times what is expected of it, and
const UNBOUNDED_TIMES: u64 = 4;
/// at least these.
const UNBOUNDED_TOKENS: u64 = 4_096;
/// Calls of a provider's own tools (searches, programs) that are reserved for where the request states no bound on them.
const TOOL_CALLS: u64 = 10;
/// By these a request asks for another service tier; which one it is served at is the provider's choice.
const TIER_MEMBERS: [&str; 3] = ["service_tier", "serviceTier", "speed"];
/// Unless with one of these words.
const STANDARD_TIERS: [&str; 3] = [r#""default""#, r#""standard""#, r#""standard_only""#];

/// The limits of a request under a policy: the issuer's claim and the operator's defaults, of each the stricter. `None`
/// where there are none at all.
pub fn of<P: Platform>(exchange: &Exchange<'_, P>, policy: &str) -> Option<Limits> {
    let principal = exchange.principal.as_ref()?;
    let defaults = &exchange.gateway.config.limits;
    if defaults.are_none() {
        return (principal.limits != Limits::default()).then(|| principal.limits.clone());
    }
    let limits = principal.limits.stricter(&defaults.of(&principal.issuer, &principal.groups, policy));
    (limits != Limits::default()).then_some(limits)
}

/// Has a decision know the limits that hold.
pub fn tell<P: Platform>(exchange: &Exchange<'_, P>, view: &mut PrincipalView, limits: &Limits, bounds: &[Bound]) {
    view.models = limits.models.iter().map(|list| list.iter().map(|p| Pattern::parse(p)).collect()).collect();
    view.max_cost_picousd = limits.max_cost_picousd;
    view.money_limit = limits.bounds_cost();
    view.budgets_left = exchange.gateway.refusals(exchange.principal_id(), bounds, exchange.platform.now_ms());
}

/// Refuses a request that asks for more generated tokens than its principal may have, or for no end of them.
///
/// # Errors
/// 400 naming the member.
pub fn check_output(dialect: Dialect, asked: Option<u64>, most: Option<u64>) -> Result<(), GatewayError> {
    let Some(most) = most.filter(|most| asked.is_none_or(|asked| asked > *most)) else { return Ok(()) };
    let member = match dialect {
        Dialect::OpenAiChat => "max_completion_tokens",
        Dialect::OpenAiResponses => "max_output_tokens",
        Dialect::AnthropicMessages => "max_tokens",
        Dialect::Gemini => "generationConfig.maxOutputTokens",
    };
    let message = format!("An answer to this caller may have at most {most} generated tokens; say so in {member}.");
    Err(GatewayError { code: Some("max_output_tokens".to_owned()), ..GatewayError::invalid(member, message) })
}

/// The error for a request that no candidate may take because of a limit that a decision knew of.
pub fn known_refusal<P: Platform>(exchange: &Exchange<'_, P>, bounds: &[Bound]) -> Option<GatewayError> {
    let now_ms = exchange.platform.now_ms();
    exchange.gateway.refused(exchange.principal_id(), bounds, now_ms).map(|refused| refusal(&refused, None, now_ms))
}

impl<P: Platform> Run<'_, P> {
    /// Gets leave to send an attempt; what it is granted is noted in it. Without limits there is nothing to get.
    ///
    /// # Errors
    /// 429 naming the limit; 503 where the ledger cannot be reached.
    pub async fn leave(&mut self, opened: &mut Opened, chosen: &Candidate<'_>) -> Result<(), Box<GatewayError>> {
        let choice = self.choice;
        if let Some(most) = choice.continuing.max_cost_picousd.filter(|_| !self.accounts.is_empty()) {
            let together = self.total_cost().plus(opened.estimate.cost);
            if together.picousd().is_some_and(|picousd| picousd > most) {
                let message = format!(
                    "Another attempt would cost more than the request may ({} US dollars).",
                    usd(u128::from(most))
                );
                return Err(Box::new(GatewayError::new(ErrorKind::LimitReached, message)));
            }
        }
        if choice.bounds.is_empty() || !choice.work.is_charged() {
            return Ok(());
        }
        let exchange = self.exchange;
        let need = self.need(opened, chosen);
        let now_ms = exchange.platform.now_ms();
        let name = opened.name();
        let stands = |refused: &&Refused| refused.bound.covers(&name) && need.least_picousd > refused.left;
        if let Some(refused) = self.withheld.iter().find(stands) {
            return Err(Box::new(refusal(refused, Some(need), now_ms)));
        }
        let ask = Ask { opened: opened.clone(), need, bounds: choice.bounds.clone(), by: String::new() };
        match exchange.platform.grant(exchange.principal_id(), ask).await {
            Some(Verdict::Granted { picousd, sliced, .. }) => {
                opened.reserved = Some(Reserved { picousd, tokens: need.tokens, sliced });
                Ok(())
            }
            Some(Verdict::Refused(refused)) => {
                let error = refusal(&refused, Some(need), now_ms);
                if refused.bound.is_money() {
                    exchange.gateway.learn_refusal(exchange.principal_id(), &refused, now_ms);
                    self.withheld.push(refused);
                }
                Err(Box::new(error))
            }
            None => {
                // It may have been granted all the same.
                exchange.platform.record(exchange.principal_id(), Row::Release { opened: opened.clone() });
                let message = "The caller's limits cannot be checked at the moment.";
                Err(Box::new(GatewayError {
                    status: Some(503),
                    code: Some("ledger_unavailable".to_owned()),
                    retry_after_ms: Some(UNREACHED_MS),
                    should_retry: true,
                    ..GatewayError::new(ErrorKind::Internal, message)
                }))
            }
        }
    }

    /// What an attempt may use at most; where the caller states no bound, at least what is expected.
    fn need(&self, opened: &Opened, chosen: &Candidate<'_>) -> Need {
        let view = self.view;
        let media = if view.needs.vision || view.needs.audio || view.needs.files { MEDIA_TOKENS } else { 0 };
        // Estimates are good to some 20 % (`dialect::view::estimate_tokens`).
        let input = (view.estimated_input_tokens.saturating_mul(13) / 10).saturating_add(media).saturating_add(16);
        let choices = view.members.parse::<u64>("n").ok().flatten().unwrap_or(1).max(1);
        let stated = view.max_output_tokens.map(|bound| bound.saturating_mul(choices));
        let assumed = || {
            let usual = chosen.expected_output_tokens.saturating_mul(UNBOUNDED_TIMES).max(UNBOUNDED_TOKENS);
            usual.min(chosen.max_output_tokens.unwrap_or(u64::MAX)).saturating_mul(choices)
        };
        let output = if self.choice.work.generates() { stated.unwrap_or_else(assumed) } else { 0 };
        let tool_calls = if hedging::has_providers_tools(self.exchange.dialect, &view.members) {
            view.members.parse::<u64>("max_tool_calls").ok().flatten().unwrap_or(TOOL_CALLS)
        } else {
            0
        };
        let standard = |tier: &RawValue| STANDARD_TIERS.contains(&tier.get());
        let asks_for_tier = TIER_MEMBERS.iter().any(|name| view.members.present(name).is_some_and(|t| !standard(t)));
        let most = |rates: &Rates| dearest(rates, input, output, tool_calls);
        let most_picousd = chosen.rates.as_ref().map_or(0, |rates| {
            let others = rates.services.iter().filter(|_| asks_for_tier).map(|(_, rates)| most(rates));
            others.fold(most(rates.at_hour(opened.ts_ms)), u64::max)
        });
        let expected = opened.estimate.cost.picousd().unwrap_or(0).min(most_picousd);
        let least_picousd = if stated.is_some() || output == 0 { most_picousd } else { expected };
        Need { least_picousd, most_picousd, tokens: input.saturating_add(output) }
    }
}

/// What so many tokens and so many calls of the provider's own tools cost at most: all of the prompt written to a cache or of its
/// dearest kind, all of the answer and all calls of theirs.
fn dearest(rates: &Rates, input: u64, output: u64, tool_calls: u64) -> u64 {
    let rates = rates.at(input);
    let most = |base: u64, others: [Option<u64>; 4]| others.into_iter().flatten().fold(base, u64::max);
    let prompt = [rates.cache_write_1h, rates.cache_write_5m, rates.audio_input, rates.image_input];
    let answer = [rates.reasoning, rates.audio_output, rates.image_output, None];
    let tool = most(0, [rates.web_search, rates.file_search, rates.code_execution, None]);
    let once =
        rates.request.unwrap_or(0).saturating_add(rates.searched_request.filter(|_| tool_calls > 0).unwrap_or(0));
    let kinds =
        [(input, most(rates.input, prompt)), (output, most(rates.output, answer)), (tool_calls, tool), (1, once)];
    kinds.into_iter().fold(0, |sum: u64, (count, rate)| sum.saturating_add(count.saturating_mul(rate)))
}

/// A refusal in the caller's words: which limit, what is left of it, when it begins anew. A client is told to try again
/// only where that is soon.
fn refusal(refused: &Refused, need: Option<Need>, now_ms: u64) -> GatewayError {
    let resets_in_ms = refused.resets_at_ms.saturating_sub(now_ms).max(1);
    let retry_after_ms = if refused.passes && refused.bound.is_money() { UNDER_WAY_MS } else { resets_in_ms };
    let resets_at = instant(refused.resets_at_ms);
    let dollars = |picousd: u64| usd(u128::from(picousd));
    let text = refused.bound.text();
    let (kind, message, left) = if refused.bound.is_money() {
        let wanted = need.map(|need| format!(", and this request may cost {}", dollars(need.least_picousd)));
        let waits = if refused.passes { " What is under way may leave more over." } else { "" };
        let message = format!(
            "The limit of {text} is reached: {} left{}.{waits} It resets at {resets_at}.",
            dollars(refused.left),
            wanted.unwrap_or_default()
        );
        (
            ErrorKind::LimitReached,
            message,
            json!({ "left_usd": dollars(refused.left), "left_picousd": refused.left.to_string() }),
        )
    } else {
        let message = format!("The limit of {text} is reached. There is room again at {resets_at}.");
        (ErrorKind::TooFast, message, json!({ "left": refused.left }))
    };
    let mut limit = json!({ "limit": text, "resets_at": resets_at });
    if let (Some(limit), Some(left)) = (limit.as_object_mut(), left.as_object()) {
        limit.extend(left.clone());
    }
    GatewayError {
        retry_after_ms: Some(retry_after_ms),
        should_retry: retry_after_ms <= SOON_MS,
        metadata: json!({ "limit": limit }).to_string(),
        ..GatewayError::new(kind, message)
    }
}

/// RFC 3339 to the second.
fn instant(unix_ms: u64) -> String {
    let seconds = unix_ms.div_ceil(1_000);
    let day = day_of(seconds.saturating_mul(1_000));
    let (hours, minutes) = (seconds / 3_600 % 24, seconds / 60 % 60);
    format!("{day}T{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}
