//! Who may take a request at all. Every exclusion has a reason that the caller or the operator can act on.

use serde::Serialize;

use super::estimate::{Basis, Estimate, Pricing};
use super::input::{Input, Purpose, Signals};
use super::names::{Candidate, Named, Pool};
use super::routing::{OnUnsupported, ProviderPreferences};
use crate::classify::Thinking;
use crate::config::choice::{Exposure, Pattern, Policy};
use crate::config::provider::{Provider, State, AI_BINDING};
use crate::dialect::openai_chat::request::adapt;
use crate::dialect::view::Needs;
use crate::dialect::{custom, Dialect, ModelTraits};

/// Why a candidate is out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What kind of reason.
    pub code: Code,
    /// What exactly: a capability, a field, a bound. May be empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// For a breaker: when the first probe is let through, Unix milliseconds.
    #[serde(skip)]
    pub until_ms: Option<u64>,
}

/// Kinds of reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The model cannot do what the request needs.
    Capability,
    /// The prompt is larger than 1.3 × the window.
    Context,
    /// More tokens are asked for than the model can generate.
    OutputLimit,
    /// A field cannot be expressed there.
    Unsupported,
    /// The preferred candidate cannot express a field, and the caller wants an error then.
    OnUnsupported,
    /// Claims or limits of the principal do not cover it.
    Claims,
    /// The data policy keeps the prompt away from the provider.
    DataPolicy,
    /// The caller's provider preferences leave it out.
    ProviderPreference,
    /// It costs more than the caller or a limit allows.
    PriceCap,
    /// Less quality for the task than a policy asks for.
    Quality,
    /// Its answer is expected later than a policy allows.
    Latency,
    /// A policy's lists leave it out.
    Policy,
    /// A rule leaves it out; the detail is the rule's id.
    Rule,
    /// It has no price and one is needed.
    Unpriced,
    /// Its circuit breaker is open.
    BreakerOpen,
    /// Its provider has no secret. Operators only.
    MissingSecret,
    /// Its provider is not ready: switched off, no base URL, or of a kind that this version does not speak. Operators only.
    NotReady,
    /// What callers see in place of the three above.
    Unavailable,
}

impl Reason {
    /// A reason without an instant.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), until_ms: None }
    }

    /// The reason as callers may see it.
    #[must_use]
    pub fn public(&self) -> Self {
        match self.code {
            Code::BreakerOpen | Code::MissingSecret | Code::NotReady => Self::new(Code::Unavailable, ""),
            _ => self.clone(),
        }
    }
}

/// The detail of a [`Code::PriceCap`] that stands for a budget of which too little is left.
pub const BUDGET: &str = "budget";

/// A candidate under examination.
pub(super) struct Subject<'s, 'c> {
    pub candidate: &'s Candidate<'c>,
    pub signals: &'s Signals,
    pub pricing: &'s Pricing<'s>,
    pub estimate: &'s Estimate,
    /// For the task, in millionths.
    pub quality_micro: i64,
}

/// Every reason that speaks against a candidate whose provider is ready; empty = eligible.
pub(super) fn reasons(subject: &Subject<'_, '_>, input: &Input, pool: &Pool<'_>) -> Vec<Reason> {
    let mut found = Vec::new();
    breaker(subject, input, &mut found);
    claims(subject, input, &mut found);
    for policy in pool.policies() {
        data_policy(subject, policy, &mut found);
        bounds(subject, policy, &mut found);
    }
    data_wishes(subject, input, &mut found);
    preferences(subject, input, &mut found);
    let caller = input.request.dialect;
    let dialect = subject.candidate.dialect(input);
    let decides = subject.candidate.provider_decides(caller);
    if !decides {
        abilities(subject, input, dialect, &mut found);
    }
    // The provider decides about the caller's own text, not about one that cannot say what the caller's does.
    let is_callers_own = decides && dialect == Some(caller);
    if !is_callers_own {
        // A conversation of which nothing would be left is no request.
        let stays =
            |field: &&String| !drops_fields(input) || ["messages", "contents", "input"].contains(&field.as_str());
        let unsupported = subject.signals.unsupported.iter().filter(stays);
        found.extend(unsupported.map(|field| Reason::new(Code::Unsupported, field.as_str())));
        // Where nothing is rewritten, nothing can be dropped either.
        let profile = &subject.candidate.provider.profile;
        let as_written = dialect == Some(caller) && (caller != Dialect::OpenAiChat || !adapt::is_needed(profile));
        if as_written && input.features.needs.custom_tools && !custom::known_to(profile) {
            found.push(Reason::new(Code::Unsupported, "tools"));
        }
    }
    if input.request.purpose != Purpose::Count {
        price(subject, input, pool, &mut found);
    }
    // Several policies may have the same against it.
    let mut distinct: Vec<Reason> = Vec::with_capacity(found.len());
    found.retain(|reason| {
        !distinct.contains(reason) && {
            distinct.push(reason.clone());
            true
        }
    });
    found
}

/// Why nobody could be sent to a provider, whatever is asked.
pub(super) fn unready(provider: &Provider) -> Option<Reason> {
    match provider.state() {
        State::Ready => None,
        State::NoSecret => Some(Reason::new(Code::MissingSecret, provider.api_key_env.join(" or "))),
        State::Disabled => Some(Reason::new(Code::NotReady, "disabled")),
        State::UnsupportedKind => Some(Reason::new(Code::NotReady, format!("kind {}", provider.kind.name()))),
        State::NoBinding => Some(Reason::new(Code::NotReady, format!("no binding {AI_BINDING}"))),
        State::NoBaseUrl => Some(Reason::new(Code::NotReady, "no base_url")),
    }
}

fn breaker(subject: &Subject<'_, '_>, input: &Input, found: &mut Vec<Reason>) {
    if let Some(until_ms) = subject.signals.health.refuses_until(input.now_ms) {
        found.push(Reason { until_ms: Some(until_ms), ..Reason::new(Code::BreakerOpen, "") });
    }
}

fn claims(subject: &Subject<'_, '_>, input: &Input, found: &mut Vec<Reason>) {
    let name = subject.candidate.name;
    let covered = |list: &Vec<_>| list.iter().any(|pattern: &Pattern| pattern.covers(name));
    if !input.principal.models.iter().all(covered) {
        found.push(Reason::new(Code::Claims, "models"));
    }
}

fn data_policy(subject: &Subject<'_, '_>, policy: &Policy, found: &mut Vec<Reason>) {
    let provider = subject.candidate.provider;
    let named = matches!(subject.candidate.named, Named::ByCaller | Named::ByAlias);
    let kept_out = |exposure| match exposure {
        Exposure::Allow => false,
        Exposure::Named => !named,
        Exposure::Deny => true,
    };
    if provider.reseller && kept_out(policy.data.resellers) {
        found.push(Reason::new(Code::DataPolicy, "reseller"));
    }
    if provider.trains_on_data && kept_out(policy.data.training) {
        found.push(Reason::new(Code::DataPolicy, "trains_on_data"));
    }
    if policy.data.regions.as_ref().is_some_and(|regions| !is_in(provider, regions)) {
        found.push(Reason::new(Code::DataPolicy, "region"));
    }
}

/// A provider of unknown region is in none.
fn is_in(provider: &Provider, regions: &[String]) -> bool {
    provider.region.as_ref().is_some_and(|region| regions.contains(region))
}

/// What callers and their issuers add to the data policies.
fn data_wishes(subject: &Subject<'_, '_>, input: &Input, found: &mut Vec<Reason>) {
    let provider = subject.candidate.provider;
    // Nobody can promise what a reseller's suppliers do with a prompt.
    let collects = provider.trains_on_data || provider.reseller;
    if collects && (input.principal.deny_data_collection || input.request.routing.provider.deny_data_collection) {
        found.push(Reason::new(Code::DataPolicy, "data_collection"));
    }
    if !input.principal.regions.iter().all(|regions| is_in(provider, regions)) {
        found.push(Reason::new(Code::DataPolicy, "region"));
    }
}

fn bounds(subject: &Subject<'_, '_>, policy: &Policy, found: &mut Vec<Reason>) {
    let (bounds, name) = (&policy.bounds, subject.candidate.name);
    let covers = |list: &[Pattern]| list.iter().any(|pattern| pattern.covers(name));
    if bounds.allow.as_ref().is_some_and(|list| !covers(list)) {
        found.push(Reason::new(Code::Policy, "allow"));
    }
    if covers(&bounds.deny) {
        found.push(Reason::new(Code::Policy, "deny"));
    }
    if bounds.min_quality_micro.is_some_and(|least| subject.quality_micro < least) {
        found.push(Reason::new(Code::Quality, "min_quality"));
    }
    if bounds.max_latency_ms.is_some_and(|most| subject.estimate.latency_ms() > most) {
        found.push(Reason::new(Code::Latency, "max_latency_ms"));
    }
}

fn preferences(subject: &Subject<'_, '_>, input: &Input, found: &mut Vec<Reason>) {
    let (provider, preferences) = (&subject.candidate.provider.name, &input.request.routing.provider);
    if !preferences.only.is_empty() && ProviderPreferences::names(&preferences.only, provider).is_none() {
        found.push(Reason::new(Code::ProviderPreference, "only"));
    }
    if ProviderPreferences::names(&preferences.ignore, provider).is_some() {
        found.push(Reason::new(Code::ProviderPreference, "ignore"));
    }
    let fixed = preferences.allow_fallbacks == Some(false) && !preferences.order.is_empty();
    if fixed && ProviderPreferences::names(&preferences.order, provider).is_none() {
        found.push(Reason::new(Code::ProviderPreference, "allow_fallbacks"));
    }
}

fn abilities(subject: &Subject<'_, '_>, input: &Input, dialect: Option<Dialect>, found: &mut Vec<Reason>) {
    let features = &input.features;
    let dropping = drops_fields(input);
    let traits = subject.candidate.traits();
    // What a model takes only while it does not think, it takes from a request that says so.
    let sampling = traits.sampling || (traits.sampling_at_rest && features.thinking == Thinking::Off);
    for lacking in missing_capabilities(features.needs, ModelTraits { sampling, ..traits }, dropping) {
        found.push(Reason::new(Code::Capability, lacking));
    }
    let on_chat = dialect == Some(Dialect::OpenAiChat);
    let offered = features.needs.tools && (!dropping || features.needs.tool_results);
    if offered && on_chat && !traits.chat_tools.allow(features.thinks()) {
        found.push(Reason::new(Code::Capability, "tools_on_chat_completions"));
    }
    // A window is for one text, and a request for vectors may hold thousands.
    let window = subject.candidate.known.and_then(|model| model.context);
    if let Some(window) = window.filter(|_| input.request.purpose != Purpose::Embed) {
        // Estimates are good to some 20 %: within 1.3 × the window the provider decides.
        if features.estimated_input_tokens > window.saturating_mul(13) / 10 {
            found.push(Reason::new(Code::Context, window.to_string()));
        }
    }
    if let (Some(wanted), Some(most)) =
        (features.max_output_tokens, subject.candidate.known.and_then(|model| model.max_output))
    {
        if wanted > most && !dropping {
            found.push(Reason::new(Code::OutputLimit, most.to_string()));
        }
    }
}

/// Whether fields may be left out: only by request, and not against `require_parameters`.
pub(super) fn drops_fields(input: &Input) -> bool {
    let routing = &input.request.routing;
    routing.on_unsupported == OnUnsupported::Drop && routing.provider.require_parameters != Some(true)
}

/// What a request needs and a model lacks. Content that the model cannot read is never dropped, calls that were made and their
/// results among it; how it is to answer can be, with what tools too.
fn missing_capabilities(needs: Needs, has: ModelTraits, dropping: bool) -> impl Iterator<Item = &'static str> {
    let content = [
        ("tools", needs.tool_results && !has.tools),
        ("vision", needs.vision && !has.vision),
        ("audio", needs.audio && !has.audio),
        ("files", needs.files && !has.files),
    ];
    let manner = [
        ("tools", needs.tools && !needs.tool_results && !has.tools),
        ("forced_tools", needs.forced_tools && !has.forced_tools),
        ("json_object", needs.json_object && !has.json_object),
        ("json_schema", needs.json_schema && !has.json_schema),
        ("reasoning", needs.reasoning && !has.reasoning),
        ("sampling", needs.sampling && !has.sampling),
    ];
    let manner = manner.into_iter().filter(move |_| !dropping);
    content.into_iter().chain(manner).filter(|(_, missing)| *missing).map(|(name, _)| name)
}

fn price(subject: &Subject<'_, '_>, input: &Input, pool: &Pool<'_>, found: &mut Vec<Reason>) {
    let (routing, estimate) = (&input.request.routing, subject.estimate);
    let policies = || pool.policies().filter_map(|policy| policy.bounds.max_cost_picousd);
    let caps = [routing.max_cost_picousd, input.principal.max_cost_picousd];
    let needs_price = routing.caps_price()
        || input.principal.money_limit
        || input.principal.max_cost_picousd.is_some()
        || policies().next().is_some();
    let charged = match estimate.basis {
        Basis::Price => true,
        Basis::Dearest => pool.policies().all(|policy| policy.allow_unpriced),
        Basis::None => false,
    };
    if needs_price && !charged {
        found.push(Reason::new(Code::Unpriced, ""));
        return;
    }
    if caps.into_iter().flatten().chain(policies()).any(|cap| estimate.cost_picousd.is_some_and(|cost| cost > cap)) {
        found.push(Reason::new(Code::PriceCap, "max_cost"));
    }
    let spent = |(models, left): &(Vec<Pattern>, u64)| {
        let covers = models.is_empty() || models.iter().any(|pattern| pattern.covers(subject.candidate.name));
        covers && estimate.cost_picousd.is_some_and(|cost| cost > *left)
    };
    if input.principal.budgets_left.iter().any(spent) {
        found.push(Reason::new(Code::PriceCap, BUDGET));
    }
    let Some(rates) = subject.pricing.rates.map(|rates| rates.at(input.features.estimated_input_tokens)) else {
        return;
    };
    let most = &routing.provider.max_price;
    for (name, bound, rate) in [
        ("max_price.prompt", most.prompt, rates.input),
        ("max_price.completion", most.completion, rates.output),
        ("max_price.request", most.request, rates.request.unwrap_or(0)),
    ] {
        if bound.is_some_and(|bound| rate > bound) {
            found.push(Reason::new(Code::PriceCap, name));
        }
    }
}
