//! Rules of a policy: what an operator says in CEL of requests and candidates (DESIGN §4.4). Compiled and checked here, applied
//! in `policy::rules`.

use super::choice::{signed_micro, WeightChanges};
use crate::document::{Item, Object};
use crate::expression::{always, perhaps, Expression, Kind, Member, Scalar, Scope};
use Kind::{Many, One};
use Scalar::{Bool, Double, Int, Text};

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, unique in its policy; callers see it.
    pub id: String,
    /// Which requests it concerns; `None` = all.
    pub when: Option<Expression>,
    /// What it does.
    pub effect: Effect,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Only candidates for which this holds.
    Require(Expression),
    /// No candidate for which this holds.
    Forbid(Expression),
    /// Candidates for which this holds score so much more, in millionths.
    Boost(Expression, i64),
    /// Other weights.
    Weights(WeightChanges),
    /// The candidates of this alias in place of those of the alias that the caller named.
    Alias(String),
    /// Nobody, with this message.
    Deny(String),
}

impl Effect {
    /// Its word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Require(_) => "require",
            Self::Forbid(_) => "forbid",
            Self::Boost(..) => "boost",
            Self::Weights(_) => "weights",
            Self::Alias(_) => "alias",
            Self::Deny(_) => "deny",
        }
    }

    /// The condition on candidates, where it has one.
    #[must_use]
    pub fn condition(&self) -> Option<&Expression> {
        match self {
            Self::Require(condition) | Self::Forbid(condition) | Self::Boost(condition, _) => Some(condition),
            Self::Weights(_) | Self::Alias(_) | Self::Deny(_) => None,
        }
    }

    /// Whether it only takes candidates away. Such a rule binds whichever policy the caller asks for, and without an answer it
    /// counts as if it took away.
    #[must_use]
    pub fn restricts(&self) -> bool {
        matches!(self, Self::Require(_) | Self::Forbid(_) | Self::Deny(_))
    }
}

/// Members of a rule.
pub const RULE: &[&str] = &["id", "when", "require", "forbid", "boost", "weights", "alias", "deny"];
/// Members of a boost.
pub const BOOST: &[&str] = &["if", "by"];

/// Most rules of one policy.
const MOST_RULES: usize = 32;
/// Steps of one condition: once per request, and once per candidate.
const REQUEST_STEPS: u32 = 20_000;
const CANDIDATE_STEPS: u32 = 2_500;
/// Longest message of a refusal, in characters.
const MOST_MESSAGE_CHARS: usize = 500;

const REQUEST: &[Member] = &[
    always("model", One(Text)),
    always("models", Many(Text, 32)),
    always("dialect", One(Text)),
    always("purpose", One(Text)),
    always("resumable", One(Bool)),
    always("session", One(Bool)),
    perhaps("max_cost_usd", One(Double)),
    perhaps("latency_budget_ms", One(Int)),
];
const FEATURES: &[Member] = &[
    always("task", One(Text)),
    always("task_guess", One(Text)),
    always("confidence", One(Double)),
    always("input_tokens", One(Int)),
    perhaps("max_output_tokens", One(Int)),
    always("turns", One(Int)),
    always("thinking", One(Text)),
    always("needs", Many(Text, 16)),
];
const PRINCIPAL: &[Member] =
    &[always("issuer", One(Text)), always("groups", Many(Text, 1_024)), always("operator", One(Bool))];
const TIME: &[Member] =
    &[always("unix", One(Int)), always("weekday", One(Int)), always("hour", One(Int)), always("minute", One(Int))];
const MODEL: &[Member] = &[
    always("name", One(Text)),
    always("provider", One(Text)),
    always("id", One(Text)),
    perhaps("tier", One(Text)),
    perhaps("reasoning", One(Text)),
    perhaps("context", One(Int)),
    perhaps("max_output", One(Int)),
    always("capabilities", Many(Text, 16)),
    perhaps("region", One(Text)),
    always("reseller", One(Bool)),
    always("trains_on_data", One(Bool)),
    always("priced", One(Bool)),
    perhaps("cost_usd", One(Double)),
    always("quality", One(Double)),
    always("latency_ms", One(Int)),
];
const HEALTH: &[Member] = &[
    always("error_rate", One(Double)),
    always("outstanding", One(Int)),
    always("breaker", One(Text)),
    perhaps("ttft_ms", One(Int)),
];

/// What `when` may speak of. `time` is UTC; `weekday` is 1 (Monday) to 7.
pub const REQUEST_SCOPE: Scope =
    &[("request", REQUEST), ("features", FEATURES), ("principal", PRINCIPAL), ("time", TIME)];
/// What conditions on candidates may speak of.
pub const CANDIDATE_SCOPE: Scope = &[
    ("request", REQUEST),
    ("features", FEATURES),
    ("principal", PRINCIPAL),
    ("time", TIME),
    ("model", MODEL),
    ("health", HEALTH),
];

pub(super) fn read(policy: &Object<'_>) -> Vec<Rule> {
    let Some(list) = policy.member("rules") else { return Vec::new() };
    let items = list.items();
    if items.len() > MOST_RULES {
        list.problem(format!("must hold at most {MOST_RULES} rules"));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(items.len());
    for item in &items {
        let Some(rule) = rule(item) else { continue };
        if rules.iter().any(|earlier| earlier.id == rule.id) {
            item.problem(format!("id: {:?} is taken by an earlier rule", rule.id));
        }
        rules.push(rule);
    }
    rules
}

fn rule(item: &Item<'_>) -> Option<Rule> {
    let object = item.object(RULE)?;
    let id = object.required("id")?;
    let name = id.text()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if name.len() > 64 || !name.bytes().all(plain) {
        id.problem("must be at most 64 lower-case letters, digits, - and _");
    }
    let when = match object.member("when") {
        Some(when) => Some(condition(&when, REQUEST_SCOPE, REQUEST_STEPS)?),
        None => None,
    };
    let of = |name: &str| object.member(name);
    let effects = RULE.iter().skip(2).filter(|name| of(name).is_some()).count();
    if effects != 1 {
        item.problem(format!("must have exactly one of {}", RULE.get(2..)?.join(", ")));
        return None;
    }
    let candidate = |item: &Item<'_>| condition(item, CANDIDATE_SCOPE, CANDIDATE_STEPS);
    let effect = if let Some(item) = of("require") {
        Effect::Require(candidate(&item)?)
    } else if let Some(item) = of("forbid") {
        Effect::Forbid(candidate(&item)?)
    } else if let Some(item) = of("boost") {
        let boost = item.object(BOOST)?;
        Effect::Boost(candidate(&boost.required("if")?)?, signed_micro(boost.required("by")?.number(-10.0, 10.0)?))
    } else if let Some(item) = of("weights") {
        Effect::Weights(WeightChanges::read(&item)?)
    } else if let Some(item) = of("alias") {
        Effect::Alias(item.text()?.to_owned())
    } else {
        let item = of("deny")?;
        let message = item.text()?;
        if message.chars().count() > MOST_MESSAGE_CHARS {
            item.problem(format!("must be at most {MOST_MESSAGE_CHARS} characters long"));
        }
        Effect::Deny(message.to_owned())
    };
    Some(Rule { id: name.to_owned(), when, effect })
}

fn condition(item: &Item<'_>, scope: Scope, steps: u32) -> Option<Expression> {
    Expression::read(item.text()?, scope, steps).map_err(|why| item.problem(why)).ok()
}
