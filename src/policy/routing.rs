//! Routing fields: what a caller may say about where a request goes (DESIGN §2). In the bodies of OpenAI dialects by
//! OpenRouter's names, for every dialect in headers. A member or word that is not implemented is refused, never ignored.

mod migrated;
mod preferences;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use migrated::Target;
use preferences::object;
pub use preferences::{MaxPrice, ProviderPreferences, Sort, SortBy};

pub use crate::config::continuation::Continuation;
use crate::config::continuation::CONTINUATIONS;
use crate::config::Config;
use crate::dialect::Dialect;
use crate::error::GatewayError;
use crate::http::Headers;
use crate::json::{Edit, Members};
use crate::money::parse_usd;

/// What a caller said about where the request goes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoutingRequest {
    /// Models to try after the one in `model`, in the caller's order.
    pub models: Vec<String>,
    /// What to try instead of the request's own model, until [`RoutingRequest::settle`] has made names of it.
    #[serde(skip)]
    pub targets: Vec<Target>,
    /// Preferences among providers.
    #[serde(skip_serializing_if = "ProviderPreferences::says_nothing")]
    pub provider: ProviderPreferences,
    /// Policy to use.
    pub policy: Option<String>,
    /// Kind of task.
    pub task: Option<String>,
    /// Milliseconds that the answer may take before it is penalised.
    pub latency_budget_ms: Option<u64>,
    /// Bound on the estimated cost, in picodollars.
    pub max_cost_picousd: Option<u64>,
    /// The caller's name for the conversation. Opaque, and never recorded.
    #[serde(skip)]
    pub session: Option<String>,
    /// The stream is to be resumable.
    pub resumable: bool,
    /// What to do about fields that a candidate cannot express.
    pub on_unsupported: OnUnsupported,
    /// What to do when a stream breaks, where the caller says it.
    pub continuation: Option<Continuation>,
    /// The decision comes with the answer.
    pub explain: bool,
}

/// What to do about fields that a candidate cannot express.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnsupported {
    /// Go to candidates that can; refuse if none can.
    #[default]
    Route,
    /// Refuse if the preferred candidate cannot.
    Error,
    /// Leave the field out, and say so.
    Drop,
}

/// Body members of OpenAI dialects that are ours: they never reach a provider.
pub const BODY_MEMBERS: [&str; 4] = ["models", "provider", "session_id", "fallbacks"];

/// Longest session name, and longest list of models or providers.
const MAX_SESSION_CHARS: usize = 256;
const MAX_LIST: usize = 32;

impl RoutingRequest {
    /// Reads the routing fields of a request in `dialect`.
    ///
    /// # Errors
    /// The caller's, naming the member or header.
    pub fn read(
        dialect: Dialect,
        members: &Members<'_>,
        headers: &Headers,
        config: &Config,
    ) -> Result<Self, GatewayError> {
        let mut routing = Self::default();
        if takes_body_members(dialect) {
            routing.read_body(members)?;
        }
        routing.read_headers(headers, config)?;
        Ok(routing)
    }

    /// The edits that take our members out of a body before it goes upstream.
    #[must_use]
    pub fn removals(dialect: Dialect, members: &Members<'_>) -> Vec<Edit<'static>> {
        let ours = BODY_MEMBERS.iter().filter(|name| takes_body_members(dialect) && members.raw(name).is_some());
        ours.map(|name| Edit::Remove(name)).collect()
    }

    fn read_body(&mut self, members: &Members<'_>) -> Result<(), GatewayError> {
        if let Some(models) = members.present("models") {
            self.models = list("models", models)?;
        }
        if let Some(fallbacks) = members.present("fallbacks") {
            if !self.models.is_empty() {
                return Err(refused("fallbacks", "stands beside `models`: give one of them"));
            }
            self.models = migrated::litellm(fallbacks)?;
        }
        if let Some(provider) = members.present("provider") {
            self.provider = ProviderPreferences::read(provider)?;
        }
        if let Some(session) = members.present("session_id") {
            self.session = Some(session_name("session_id", &parse::<String>("session_id", session, "a string")?)?);
        }
        Ok(())
    }

    fn read_headers(&mut self, headers: &Headers, config: &Config) -> Result<(), GatewayError> {
        let header = |name: &'static str| headers.value(name).map(|value| (name, value.trim()));
        if let Some((name, value)) = header("x-signalbox-policy") {
            if !config.policies.contains_key(value) {
                let known: Vec<&str> = config.policies.keys().map(String::as_str).collect();
                return Err(refused(name, format!("no such policy; known: {}", known.join(", "))));
            }
            self.policy = Some(value.to_owned());
        }
        if let Some((name, value)) = header("x-signalbox-models") {
            if !self.models.is_empty() {
                return Err(refused(name, "stands beside `models` or `fallbacks` in the body: give one of them"));
            }
            let models: Vec<String> = value.split(',').map(|model| model.trim().to_owned()).collect();
            if models.iter().any(String::is_empty) || models.len() > MAX_LIST {
                return Err(refused(name, format!("must be up to {MAX_LIST} model names separated by commas")));
            }
            self.models = models;
        }
        if let Some((name, value)) = header(migrated::PORTKEY) {
            if !self.models.is_empty() {
                return Err(refused(name, "stands beside a list of models: give one of them"));
            }
            self.targets = migrated::portkey(value, config)?;
        }
        if let Some((name, value)) = header("x-signalbox-task") {
            if !config.tasks.contains(value) {
                let known: Vec<&str> = config.tasks.iter().map(String::as_str).collect();
                return Err(refused(name, format!("no such kind of task; known: {}", known.join(", "))));
            }
            self.task = Some(value.to_owned());
        }
        if let Some((name, value)) = header("x-signalbox-latency-budget-ms") {
            let budget = value.parse::<u64>().ok().filter(|ms| (1..=3_600_000).contains(ms));
            let budget = budget.filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
            self.latency_budget_ms =
                Some(budget.ok_or_else(|| refused(name, "must be whole milliseconds from 1 to 3600000"))?);
        }
        if let Some((name, value)) = header("x-signalbox-max-cost-usd") {
            let cost = parse_usd(value);
            self.max_cost_picousd =
                Some(cost.ok_or_else(|| refused(name, "must be dollars as a plain decimal such as 0.05"))?);
        }
        if let Some((name, value)) = header("x-signalbox-session") {
            let session = session_name(name, value)?;
            if self.session.as_ref().is_some_and(|other| *other != session) {
                return Err(refused(name, "differs from `session_id` in the body"));
            }
            self.session = Some(session);
        }
        if let Some((name, value)) = header("x-signalbox-resumable") {
            self.resumable = word(name, value, &[("true", true), ("false", false)])?;
        }
        if let Some((name, value)) = header("x-signalbox-explain") {
            self.explain = word(name, value, &[("true", true), ("false", false)])?;
        }
        if let Some((name, value)) = header("x-signalbox-on-unsupported") {
            let words =
                [("error", OnUnsupported::Error), ("route", OnUnsupported::Route), ("drop", OnUnsupported::Drop)];
            self.on_unsupported = word(name, value, &words)?;
        }
        if let Some((name, value)) = header("x-signalbox-continue") {
            self.continuation = Some(word(name, value, &CONTINUATIONS)?);
        }
        Ok(())
    }

    /// The model to ask for, where it is not the request's own (`asked`): the first of what is to be tried instead. The
    /// others become the list.
    pub fn settle(&mut self, asked: &str) -> Option<String> {
        let mut names = std::mem::take(&mut self.targets).into_iter().map(|target| target.name(asked));
        let first = names.next()?;
        self.models = names.collect();
        Some(first)
    }

    /// Whether the caller bounds what the request may cost.
    #[must_use]
    pub fn caps_price(&self) -> bool {
        self.max_cost_picousd.is_some() || self.provider.max_price.binds()
    }
}

/// Elsewhere members of these names are the provider's business.
fn takes_body_members(dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => true,
        Dialect::AnthropicMessages | Dialect::Gemini => false,
    }
}

pub(super) fn refused(param: &str, message: impl std::fmt::Display) -> GatewayError {
    GatewayError::invalid(param, format!("{param}: {message}"))
}

pub(super) fn word<T: Copy>(param: &str, text: &str, words: &[(&str, T)]) -> Result<T, GatewayError> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
    found.ok_or_else(|| {
        let list: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        refused(param, format!("must be one of {}", list.join(", ")))
    })
}

pub(super) fn parse<'r, T: Deserialize<'r>>(path: &str, raw: &'r RawValue, what: &str) -> Result<T, GatewayError> {
    crate::json::from_str(raw.get()).map_err(|_| refused(path, format!("must be {what}")))
}

pub(super) fn list(path: &str, raw: &RawValue) -> Result<Vec<String>, GatewayError> {
    let list: Vec<String> = parse(path, raw, "an array of strings")?;
    if list.len() > MAX_LIST || list.iter().any(String::is_empty) {
        return Err(refused(path, format!("must hold up to {MAX_LIST} names, none empty")));
    }
    Ok(list)
}

fn session_name(param: &str, text: &str) -> Result<String, GatewayError> {
    let fits = (1..=MAX_SESSION_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !fits {
        return Err(refused(param, format!("must be 1 to {MAX_SESSION_CHARS} printable characters")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
