//! Thinking, sampling and tool choice for a Claude family (`wire.md` §1.9, §2).

use crate::dialect::canonical::{ChatRequest, Loss, Part, Reasoning, Role, ToolChoice, Turn};
use crate::dialect::family::{self, Family, Sampling, Thinking};
use crate::dialect::names::{wants_no_answer, NO_ANSWER};
use crate::dialect::{Dialect, Target};

/// Bound on generated tokens where neither the caller nor the catalogue names one: every Claude since 3.5 can do it.
pub(super) const DEFAULT_MAX_TOKENS: u64 = 8192;

/// Smallest thinking budget that Anthropic takes.
const LEAST_BUDGET: u64 = 1024;

/// Effort words with the budgets that stand for them on models that only know budgets. Ours: no provider publishes one.
const BUDGETS: [(&str, u64); 6] =
    [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16_384), ("xhigh", 24_576), ("max", 32_768)];

/// A target with what is known of its family.
#[derive(Clone, Copy)]
pub(super) struct Model<'t> {
    pub(super) target: &'t Target<'t>,
    pub(super) family: Family,
}

impl<'t> Model<'t> {
    pub(super) fn of(target: &'t Target<'t>) -> Self {
        Self { target, family: family::of(target.provider, target.model) }
    }

    pub(super) fn samples(&self) -> bool {
        self.target.traits.sampling && matches!(self.family.sampling, Sampling::All | Sampling::One)
    }

    fn thinks(&self) -> bool {
        self.target.traits.reasoning && self.family.thinking != Thinking::Never
    }

    pub(super) fn name(&self) -> &'t str {
        self.target.model
    }
}

/// `max_tokens`: required by the dialect.
pub(super) fn max_tokens(request: &ChatRequest, model: &Model<'_>, losses: &mut Vec<Loss>) -> u64 {
    let wanted = request.max_output_tokens.filter(|_| !wants_no_answer(request, Dialect::AnthropicMessages));
    if wanted != request.max_output_tokens {
        losses.push(Loss::unsupported("max_tokens", NO_ANSWER));
    }
    match (wanted, model.target.max_output_tokens) {
        (Some(wanted), Some(most)) if wanted > most => {
            losses.push(Loss::converted("max_tokens", format!("{} generates at most {most} tokens", model.name())));
            most
        }
        (Some(wanted), _) => wanted,
        (None, Some(most)) => most,
        (None, None) => {
            let reason = format!("Anthropic requires a bound; {DEFAULT_MAX_TOKENS} is used");
            losses.push(Loss::converted("max_tokens", reason));
            DEFAULT_MAX_TOKENS
        }
    }
}

/// How the request asks Claude to think.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ThinkingPlan {
    /// `thinking`, if it is to be written.
    pub(super) thinking: Option<Wire>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

/// A value of `thinking`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wire {
    Adaptive,
    Enabled(u64),
    Disabled,
    BetweenTools,
}

impl ThinkingPlan {
    /// Manual thinking rules out sampling and forced calls (`wire.md` §1.9).
    pub(super) fn manual(&self) -> bool {
        matches!(self.thinking, Some(Wire::Enabled(_)))
    }

    pub(super) fn on(&self) -> bool {
        self.manual() || matches!(self.thinking, Some(Wire::Adaptive | Wire::BetweenTools))
    }
}

pub(super) fn thinking(
    request: &ChatRequest,
    model: &Model<'_>,
    max_tokens: u64,
    losses: &mut Vec<Loss>,
) -> ThinkingPlan {
    const FIELD: &str = "reasoning_effort";
    let off = match &request.reasoning {
        None => return ThinkingPlan::default(),
        Some(Reasoning::Disabled | Reasoning::Budget(0)) => true,
        Some(Reasoning::Effort(word)) => word == "none",
        Some(_) => false,
    };
    if !model.thinks() {
        if !off {
            losses.push(Loss::unsupported(FIELD, format!("{} cannot think", model.name())));
        }
        return ThinkingPlan::default();
    }
    let mut plan = Planner { model, max_tokens, field: FIELD, losses };
    let plan = match &request.reasoning {
        _ if off => plan.off(),
        Some(Reasoning::Effort(word)) => plan.effort(word),
        Some(Reasoning::Budget(tokens)) => plan.budget(*tokens),
        _ => plan.adaptive(),
    };
    if plan.manual() && runs_without_thinking(&request.turns) {
        let reason = "off until the running turn ends: its thinking did not come back, and Claude goes on by a budget only with it";
        losses.push(Loss::converted(FIELD, reason));
        return ThinkingPlan::default();
    }
    plan
}

/// Whether the conversation stands in a tool loop whose last assistant message does not begin with Claude's own thinking
/// (platform.claude.com, "Thinking": with a budget Anthropic refuses to go on then; adaptive thinking does not ask for it).
fn runs_without_thinking(turns: &[Turn]) -> bool {
    let said = |turn: &Turn| turn.role == Role::User && turn.parts.iter().any(|p| !matches!(p, Part::ToolResult(_)));
    let running = turns.iter().rev().take_while(|turn| !said(turn));
    let last = running.into_iter().find(|turn| turn.role == Role::Assistant);
    let own = |part: &Part| matches!(part, Part::Reasoning(block) if block.origin == Dialect::AnthropicMessages && block.signature.is_some());
    last.is_some_and(|turn| {
        turn.parts.iter().any(|part| matches!(part, Part::ToolCall(_))) && !turn.parts.first().is_some_and(own)
    })
}

struct Planner<'m, 'l> {
    model: &'m Model<'m>,
    max_tokens: u64,
    field: &'static str,
    losses: &'l mut Vec<Loss>,
}

impl Planner<'_, '_> {
    fn takes_budget(&self) -> bool {
        // Another vendor's model behind this dialect is asked in the way that every such server knows.
        matches!(self.model.family.thinking, Thinking::Budget | Thinking::Unknown)
    }

    fn off(&mut self) -> ThinkingPlan {
        let thinking = match self.model.family.thinking {
            Thinking::BetweenTools => {
                let reason = format!("{} keeps thinking between tool calls", self.model.name());
                self.losses.push(Loss::converted(self.field, reason));
                Wire::BetweenTools
            }
            _ if !self.model.family.off || self.model.target.traits.always_reasons => {
                return self.refuse("thinking cannot be switched off")
            }
            _ => Wire::Disabled,
        };
        ThinkingPlan { thinking: Some(thinking), effort: None }
    }

    fn effort(&mut self, word: &str) -> ThinkingPlan {
        let Some((word, budget)) = BUDGETS.into_iter().find(|(known, _)| *known == word) else {
            return self.refuse("not an effort word");
        };
        if self.takes_budget() {
            return self.enabled(budget, Some(word));
        }
        let accepted = self.model.family.efforts.and_then(|efforts| efforts.nearest(word));
        let effort = accepted.unwrap_or(word);
        if effort != word {
            self.losses.push(Loss::converted(self.field, format!("{word:?} is sent as effort {effort:?}")));
        }
        ThinkingPlan { thinking: Some(Wire::Adaptive), effort: Some(effort) }
    }

    fn budget(&mut self, tokens: u64) -> ThinkingPlan {
        if self.takes_budget() || self.model.family.thinking == Thinking::Either {
            return self.enabled(tokens, None);
        }
        let word = match tokens {
            ..=2048 => "low",
            2049..=8192 => "medium",
            _ => "high",
        };
        self.losses.push(Loss::converted(self.field, format!("a budget of {tokens} is sent as effort {word:?}")));
        ThinkingPlan { thinking: Some(Wire::Adaptive), effort: Some(word) }
    }

    fn adaptive(&mut self) -> ThinkingPlan {
        if self.takes_budget() {
            return self.enabled(8192, Some("adaptive"));
        }
        ThinkingPlan { thinking: Some(Wire::Adaptive), effort: None }
    }

    /// A budget that fits between Anthropic's least and `max_tokens`, which must be larger.
    fn enabled(&mut self, wanted: u64, word: Option<&str>) -> ThinkingPlan {
        if self.max_tokens <= LEAST_BUDGET {
            return self.refuse("max_tokens leaves no room for the least thinking budget, 1024");
        }
        let budget = wanted.clamp(LEAST_BUDGET, self.max_tokens.saturating_sub(1));
        if let Some(word) = word {
            self.losses.push(Loss::converted(self.field, format!("{word:?} is sent as a budget of {budget} tokens")));
        } else if budget != wanted {
            self.losses.push(Loss::converted(self.field, format!("a budget of {wanted} is sent as {budget}")));
        }
        ThinkingPlan { thinking: Some(Wire::Enabled(budget)), effort: None }
    }

    fn refuse(&mut self, why: &str) -> ThinkingPlan {
        self.losses.push(Loss::unsupported(self.field, format!("{}: {why}", self.model.name())));
        ThinkingPlan::default()
    }
}

/// Sampling parameters that will be written. One at its default is exact by omission where the model takes none, which is
/// told (`wire.md` §6, trap 33).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct SamplingPlan {
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) top_k: Option<u64>,
}

impl SamplingPlan {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both temperature and top_p, of which the model takes one.
    fn says_both(&self, model: &Model<'_>) -> bool {
        model.family.sampling == Sampling::One && self.temperature.is_some() && self.top_p.is_some()
    }
}

/// `manual` thinking fixes temperature and top_k, and bounds top_p.
#[allow(clippy::float_cmp)] // the default is the exact value 1
pub(super) fn sampling(request: &ChatRequest, model: &Model<'_>, manual: bool, losses: &mut Vec<Loss>) -> SamplingPlan {
    let mut plan = SamplingPlan { temperature: request.temperature, top_p: request.top_p, top_k: request.top_k };
    let fixed = manual || !model.samples();
    let omitted = |field: &str| {
        Loss::converted(field, format!("1 is what {} does without it, and it takes none here", model.name()))
    };
    if plan.top_p == Some(1.0) && (fixed || plan.says_both(model)) {
        plan.top_p = None;
        losses.push(omitted("top_p"));
    }
    if plan.temperature == Some(1.0) && (fixed || plan.says_both(model)) {
        plan.temperature = None;
        losses.push(omitted("temperature"));
    }
    let mut refuse = |field: &str, why: String| losses.push(Loss::unsupported(field, why));
    if !model.samples() {
        let why = || format!("{} takes no sampling parameters", model.name());
        plan.temperature.take().inspect(|_| refuse("temperature", why()));
        plan.top_p.take().inspect(|_| refuse("top_p", why()));
        plan.top_k.take().inspect(|_| refuse("top_k", why()));
        return plan;
    }
    if manual {
        let why = || format!("{} takes none while it thinks", model.name());
        plan.temperature.take().inspect(|_| refuse("temperature", why()));
        plan.top_k.take().inspect(|_| refuse("top_k", why()));
        if plan.top_p.is_some_and(|p| p < 0.95) {
            plan.top_p = None;
            refuse("top_p", format!("{} takes 0.95 to 1 while it thinks", model.name()));
        }
    }
    if plan.temperature.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        plan.temperature = None;
        refuse("temperature", "Anthropic's temperature ends at 1".to_owned());
    }
    if plan.says_both(model) {
        plan.top_p = None;
        refuse("top_p", format!("{} takes temperature or top_p, not both", model.name()));
    }
    plan
}

/// `tool_choice`, if it has to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ChoicePlan<'r> {
    pub(super) kind: &'static str,
    pub(super) name: Option<&'r str>,
    pub(super) alone: bool,
}

pub(super) fn tool_choice<'r>(
    request: &'r ChatRequest,
    model: &Model<'_>,
    manual: bool,
    losses: &mut Vec<Loss>,
) -> Option<ChoicePlan<'r>> {
    let forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    if request.tools.is_empty() {
        // Without tools every other choice means the same: no call.
        if forced {
            losses.push(Loss::unsupported("tool_choice", "a call is forced and no tool is declared"));
        }
        return None;
    }
    let alone = request.parallel_tool_calls == Some(false);
    let plain = alone.then_some(ChoicePlan { kind: "auto", name: None, alone });
    if forced {
        let able = model.target.traits.forced_tools && model.family.forced_tools;
        if !able || manual {
            let why = if able { "cannot be forced to call while it thinks" } else { "cannot be forced to call a tool" };
            losses.push(Loss::unsupported("tool_choice", format!("{} {why}", model.name())));
            return plain;
        }
    }
    match &request.tool_choice {
        None => plain,
        Some(ToolChoice::Auto) => Some(ChoicePlan { kind: "auto", name: None, alone }),
        Some(ToolChoice::None) => Some(ChoicePlan { kind: "none", name: None, alone: false }),
        Some(ToolChoice::Required) => Some(ChoicePlan { kind: "any", name: None, alone }),
        Some(ToolChoice::Named(name)) => Some(ChoicePlan { kind: "tool", name: Some(name), alone }),
    }
}
