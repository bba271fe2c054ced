//! Model names: from what the caller wrote to the candidates it means (DESIGN §2 "Model names").

use std::sync::OnceLock;

use super::input::{Input, Purpose, RequestView};
use crate::catalogue::model::Model;
use crate::classify::Features;
use crate::config::choice::{Pattern, Policy};
use crate::config::provider::Provider;
use crate::config::{Config, STANDARD_POLICY};
use crate::dialect::{family, Dialect, ModelTraits};
use crate::error::{ErrorKind, GatewayError};
use crate::sorted::Set;

/// Longest name of a model that is taken. Names stand in headers of the answer, which clients read a few kilobytes of.
const MOST_NAME_BYTES: usize = 512;

/// Everything that a request's names mean, in order: groups in the caller's order, candidates in the configured one.
#[derive(Debug, Clone)]
pub struct Pool<'c> {
    /// Candidates; every (provider, model) stands once, in the first group that has it.
    pub candidates: Vec<Candidate<'c>>,
    /// The policy that ranks them.
    pub policy: &'c Policy,
    /// Its name.
    pub policy_name: &'c str,
    /// Policies of the aliases, or of requests without one, where another ranks: what they take away stays away.
    pub bounds: Vec<(&'c str, &'c Policy)>,
    /// The alias that a rule has put in the place of the caller's.
    pub alias: Option<&'c str>,
    /// The first name is an alias: the choice is open.
    pub is_open: bool,
}

impl<'c> Pool<'c> {
    /// Every policy that binds its candidates.
    pub fn policies(&self) -> impl Iterator<Item = &'c Policy> + '_ {
        [self.policy].into_iter().chain(self.bounds.iter().map(|(_, policy)| *policy))
    }

    /// Puts the candidates of another alias in the place of the first one's. Its policy binds them, too.
    ///
    /// # Errors
    /// As [`candidates`].
    pub(super) fn open_to(
        &mut self,
        alias: &'c str,
        request: &RequestView,
        config: &'c Config,
    ) -> Result<(), GatewayError> {
        let Some(mut found) = exact(alias, 0, config) else { return Ok(()) };
        fit_for(request, alias, &mut found.candidates, config)?;
        let mut seen = Set::new();
        let later = std::mem::take(&mut self.candidates).into_iter().filter(|candidate| candidate.group > 0);
        let all = found.candidates.into_iter().chain(later);
        self.candidates = all.filter(|candidate| seen.insert(candidate.name)).collect();
        self.alias = Some(alias);
        self.bind(found.policy, config);
        Ok(())
    }

    fn bind(&mut self, name: Option<&'c str>, config: &'c Config) {
        let Some((name, policy)) = name.and_then(|name| config.policies.get_key_value(name)) else { return };
        if name != self.policy_name && !self.bounds.iter().any(|(other, _)| other == name) {
            self.bounds.push((name, policy));
        }
    }
}

/// A model at a provider, as far as configuration and catalogue know it.
#[derive(Debug, Clone)]
pub struct Candidate<'c> {
    /// Whose.
    pub provider: &'c Provider,
    /// The model's name at the provider, as it is sent.
    pub model: &'c str,
    /// `provider/model`.
    pub name: &'c str,
    /// What the catalogue knows of it.
    pub known: Option<&'c Model>,
    /// How the request came to mean it.
    pub named: Named,
    /// Place of its group in the caller's order.
    pub group: usize,
    /// Found when first asked for, because a request may be decided more than once and few candidates are ready at all.
    traits: OnceLock<ModelTraits>,
    price_id: OnceLock<String>,
}

/// How a request came to mean a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The caller wrote `provider/model`.
    ByCaller,
    /// The caller wrote a model that this provider has.
    ByModel,
    /// An alias lists it or its provider.
    ByAlias,
    /// A wildcard covers it.
    ByWildcard,
}

impl<'c> Candidate<'c> {
    fn new(
        provider: &'c Provider,
        name: &'c str,
        known: Option<&'c Model>,
        named: Named,
        group: usize,
    ) -> Option<Self> {
        let (_, model) = name.split_once('/').filter(|(_, model)| !model.is_empty())?;
        let (traits, price_id) = <_>::default();
        Some(Self { provider, model, name, known, named, group, traits, price_id })
    }

    /// What the model accepts: what the catalogue says, as far as its family has it. Unknown = everything.
    #[must_use]
    pub fn traits(&self) -> ModelTraits {
        *self.traits.get_or_init(|| {
            let family = family::of(&self.provider.profile, self.model);
            self.known.map_or(ModelTraits::PERMISSIVE, Model::traits).within(&family)
        })
    }

    /// The id under which its prices are filed.
    #[must_use]
    pub fn price_id(&self, config: &Config) -> &str {
        self.price_id.get_or_init(|| config.price_id(self.provider, self.name).into_owned())
    }

    /// The dialect to speak, `None` where this version has none for the provider. Where the provider has Responses beside
    /// Chat Completions, callers of Responses are answered by it, and so is a request whose tools the model takes only
    /// there (`wire.md` §1.1 "Model rules"), or whose prompt is to be counted.
    #[must_use]
    pub fn dialect(&self, input: &Input) -> Option<Dialect> {
        let asks = input.request.dialect == Dialect::OpenAiResponses || input.request.purpose == Purpose::Count;
        let wants = || asks || self.needs_responses(&input.features);
        self.provider.dialect(self.provider.serves_responses() && wants())
    }

    fn needs_responses(&self, features: &Features) -> bool {
        features.needs.tools && !self.traits().chat_tools.allow(features.thinks())
    }

    /// Whether capability data and estimates must not exclude it: the caller named the model, in a dialect of its own.
    #[must_use]
    pub fn provider_decides(&self, caller: Dialect) -> bool {
        matches!(self.named, Named::ByCaller | Named::ByModel) && self.provider.speaks(caller)
    }
}

/// Finds the candidates of a request.
///
/// # Errors
/// `model_not_found` for a name that means nothing here; the caller's fault.
pub fn candidates<'c>(request: &'c RequestView, config: &'c Config) -> Result<Pool<'c>, GatewayError> {
    let RequestView { model, routing, .. } = request;
    let first = (!model.is_empty()).then_some(model.as_str());
    let names = first.into_iter().chain(routing.models.iter().map(String::as_str));
    let (mut shortcut, mut alias_policies) = (None, Vec::new());
    let (mut seen, mut candidates) = (Set::new(), Vec::new());
    for (group, name) in names.enumerate() {
        let param = if group == 0 && first.is_some() { "model" } else { "models" };
        if name.len() > MOST_NAME_BYTES {
            let message = format!("{param}: a model's name has at most {MOST_NAME_BYTES} bytes");
            return Err(GatewayError::invalid(param, message));
        }
        let mut found = resolve(name, group, config).ok_or_else(|| not_found(name, param))?;
        fit_for(request, name, &mut found.candidates, config)?;
        if group == 0 {
            shortcut = found.shortcut;
        }
        alias_policies.push(found.policy);
        candidates.extend(found.candidates.into_iter().filter(|candidate| seen.insert(candidate.name)));
    }
    if seen.is_empty() {
        let named = first.or(routing.models.first().map(String::as_str));
        return Err(named.map_or_else(
            || GatewayError::invalid("model", "model: name a model, such as openai/gpt-5 or auto"),
            |name| not_found(name, if first.is_some() { "model" } else { "models" }),
        ));
    }
    let standard = || standard_policy(config);
    let first_policy = alias_policies.first().copied().flatten();
    let name = shortcut.or(routing.policy.as_deref()).or(first_policy).unwrap_or_else(standard);
    // A replayed request may name a policy that this configuration no longer has; the presets are always there.
    let known = |name: &str| config.policies.get_key_value(name);
    let (policy_name, policy) = known(name)
        .or_else(|| known(STANDARD_POLICY))
        .ok_or_else(|| GatewayError::new(ErrorKind::Unconfigured, "no policy is configured"))?;
    let is_open = first_policy.is_some();
    let mut pool = Pool { candidates, policy, policy_name, bounds: Vec::new(), alias: None, is_open };
    // Whoever asks for another policy, or for several models, gets no more than each would get alone.
    for alias_policy in alias_policies {
        pool.bind(Some(alias_policy.unwrap_or_else(standard)), config);
    }
    Ok(pool)
}

/// Keeps the models that are for what the request is: text models for answers, embedding models for vectors. Vectors of
/// different models cannot be compared, so that one name must not mean several; a list of the caller's may.
///
/// # Errors
/// The caller's.
fn fit_for(
    request: &RequestView,
    name: &str,
    candidates: &mut Vec<Candidate<'_>>,
    config: &Config,
) -> Result<(), GatewayError> {
    let embeds = request.purpose == Purpose::Embed;
    let refuse = |why: &str| Err(GatewayError::invalid("model", format!("{:?} {why}", shown(name))));
    let before = candidates.len();
    candidates.retain(|c| c.known.is_none_or(|model| model.embedding == embeds) || c.provider_decides(request.dialect));
    if candidates.is_empty() && before > 0 {
        return refuse(if embeds { "generates text and has no vectors" } else { "embeds text and generates none" });
    }
    let mut models = candidates.iter().map(|candidate| model_id(candidate, config));
    let first = models.next();
    if embeds && models.any(|other| Some(other) != first) {
        return refuse("means several embedding models, whose vectors cannot be compared: name one of them");
    }
    Ok(())
}

/// What is the same for one model at several providers.
pub(super) fn model_id<'c>(candidate: &Candidate<'c>, config: &'c Config) -> &'c str {
    let filed = config.catalogue.id_of(candidate.name).and_then(|id| id.split_once('/'));
    filed.map_or(candidate.model, |(_, model)| model)
}

/// The policy of requests whose model is no alias: that of `auto` where there is one.
fn standard_policy(config: &Config) -> &str {
    config.aliases.get("auto").map_or(STANDARD_POLICY, |alias| &alias.policy)
}

struct Found<'c> {
    candidates: Vec<Candidate<'c>>,
    /// The alias's policy.
    policy: Option<&'c str>,
    /// The policy that `:floor` or `:nitro` asks for.
    shortcut: Option<&'static str>,
}

const SHORTCUTS: [(&str, &str); 2] = [(":floor", "cheapest"), (":nitro", "fastest")];

/// An exact name wins over one with a shortcut, so that a model that really is called `x:floor` can be called.
fn resolve<'c>(name: &'c str, group: usize, config: &'c Config) -> Option<Found<'c>> {
    if let Some(found) = exact(name, group, config) {
        return Some(found);
    }
    for (suffix, policy) in SHORTCUTS {
        if let Some(rest) = name.strip_suffix(suffix).filter(|rest| !rest.is_empty()) {
            let found = exact(rest, group, config).or_else(|| opaque(rest, group, config))?;
            return Some(Found { shortcut: Some(policy), ..found });
        }
    }
    opaque(name, group, config)
}

/// A catalogue id, an alias, or a bare name that somebody has.
fn exact<'c>(name: &'c str, group: usize, config: &'c Config) -> Option<Found<'c>> {
    let plain = |candidates| Found { candidates, policy: None, shortcut: None };
    if let Some(provider) = provider_of(name, config) {
        config.model(provider, name)?;
        return Some(plain(vec![candidate(name, Named::ByCaller, group, config)?]));
    }
    if let Some(alias) = config.aliases.get(name) {
        let mut candidates = Vec::new();
        for pattern in &alias.candidates {
            expand(pattern, group, config, &mut candidates);
        }
        return Some(Found { candidates, policy: Some(&alias.policy), shortcut: None });
    }
    let bearers = config.catalogue.bearers(name).iter();
    let candidates: Vec<_> = bearers.filter_map(|full| candidate(full, Named::ByModel, group, config)).collect();
    (!candidates.is_empty()).then(|| plain(candidates))
}

/// Any model of a configured provider: a catalogue is never complete.
fn opaque<'c>(name: &'c str, group: usize, config: &'c Config) -> Option<Found<'c>> {
    let candidate = candidate(name, Named::ByCaller, group, config)?;
    Some(Found { candidates: vec![candidate], policy: None, shortcut: None })
}

fn provider_of<'c>(full: &str, config: &'c Config) -> Option<&'c Provider> {
    config.providers.get(full.split_once('/')?.0)
}

fn candidate<'c>(full: &'c str, named: Named, group: usize, config: &'c Config) -> Option<Candidate<'c>> {
    let provider = provider_of(full, config)?;
    Candidate::new(provider, full, config.model(provider, full), named, group)
}

fn expand<'c>(pattern: &'c Pattern, group: usize, config: &'c Config, out: &mut Vec<Candidate<'c>>) {
    let general = || config.catalogue.models().filter(|(_, model)| !model.special);
    let mut add = |full: &'c str, named: Named| out.extend(candidate(full, named, group, config));
    match pattern {
        Pattern::Model(full) => add(full, Named::ByAlias),
        // A bare name in an alias names the model, not who serves it.
        Pattern::Bare(bare) => config.catalogue.bearers(bare).iter().for_each(|full| add(full, Named::ByWildcard)),
        Pattern::Any => out.extend(general().filter_map(|(id, model)| {
            Candidate::new(provider_of(id, config)?, id, Some(model), Named::ByWildcard, group)
        })),
        Pattern::Provider(name) => out.extend(general().filter_map(|(id, model)| {
            let provider = provider_of(id, config).filter(|_| id.split_once('/').is_some_and(|(of, _)| of == name))?;
            Candidate::new(provider, id, Some(model), Named::ByAlias, group)
        })),
    }
}

fn not_found(name: &str, param: &str) -> GatewayError {
    let shown = shown(name);
    let mut error = GatewayError::new(
        ErrorKind::ModelNotFound,
        format!("the model {shown:?} is not known here: see /v1/models, or write provider/model"),
    );
    error.param = Some(param.to_owned());
    error
}

/// A model name is the caller's own text: shortened, so that an error never echoes a pasted prompt.
fn shown(name: &str) -> String {
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests;
