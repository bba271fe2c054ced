//! Providers: whose models can be called, where, with which secret, and what they may see.

use std::fmt;

use serde_json::Value;

use super::{Environment, Mode};
use crate::address::base_url;
use crate::dialect::openai_chat::profile;
use crate::dialect::Dialect;
use crate::document::{Item, Object};
use crate::health::circuit;

/// An account at somebody who serves models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The name in front of its models.
    pub name: String,
    /// How it is spoken to.
    pub kind: Kind,
    /// Without trailing slash, as the provider's own SDK means it (OpenAI's with `/v1`, Anthropic's and Gemini's
    /// without). `None` = not set yet (Azure) or not needed (a binding).
    pub base_url: Option<String>,
    /// It is called through the binding [`AI_BINDING`], and that is bound.
    pub bound: bool,
    /// Azure's `api-version`; see `upstream::registry::openai_url`.
    pub api_version: Option<String>,
    /// The secrets, accounts that fail apart; see [`Provider::state`].
    pub api_keys: Vec<Secret>,
    /// The names of the secrets; each that is set is a key. Empty = the provider wants none, or callers bring theirs.
    pub api_key_env: Vec<String>,
    /// Callers bring keys of their own for it; it has none of ours.
    pub own_keys: bool,
    /// Headers for every call, names in lower case. Values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// Whose peculiarities it has: one of [`profiles`].
    pub profile: String,
    /// Whose prices its models have, its own name by default.
    pub prices_of: String,
    /// Where prompts are processed, such as `eu`; `None` = unknown.
    pub region: Option<String>,
    /// Hands prompts on to others.
    pub reseller: bool,
    /// May train on prompts.
    pub trains_on_data: bool,
    /// `false` = kept in the configuration, never called.
    pub enabled: bool,
    /// When its models are left alone for a while.
    pub breaker: circuit::Settings,
}

/// How a provider is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Chat Completions.
    OpenaiChat,
    /// Responses.
    OpenaiResponses,
    /// Messages.
    AnthropicMessages,
    /// generateContent.
    Gemini,
    /// The AI binding.
    WorkersAi,
}

/// The binding through which Workers AI is called. [`Environment`] knows it like a variable: bound or not.
pub const AI_BINDING: &str = "AI";

/// Words for [`Kind`].
pub const KINDS: [(&str, Kind); 5] = [
    ("openai-chat", Kind::OpenaiChat),
    ("openai-responses", Kind::OpenaiResponses),
    ("anthropic-messages", Kind::AnthropicMessages),
    ("gemini", Kind::Gemini),
    ("workers-ai", Kind::WorkersAi),
];

impl Kind {
    /// The dialect spoken, `None` where this version has none for it: such a provider is no candidate.
    #[must_use]
    pub fn dialect(self) -> Option<Dialect> {
        match self {
            Self::OpenaiChat | Self::WorkersAi => Some(Dialect::OpenAiChat),
            Self::AnthropicMessages => Some(Dialect::AnthropicMessages),
            Self::Gemini => Some(Dialect::Gemini),
            Self::OpenaiResponses => Some(Dialect::OpenAiResponses),
        }
    }

    /// The word in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// Peculiarities that are known: the profiles of Chat Completions' servers (`data/profiles.json`), and those of the
/// dialects that one provider speaks. A provider under another name has those of its `profile`, which is what its own
/// name tells, else the plain one of its kind.
#[must_use]
pub fn profiles() -> Vec<&'static str> {
    profile::names().chain(["anthropic", "gemini"]).collect()
}

/// Whether a provider can be called at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Yes.
    Ready,
    /// The operator switched it off.
    Disabled,
    /// This version does not speak its dialect.
    UnsupportedKind,
    /// The binding [`AI_BINDING`] is missing.
    NoBinding,
    /// No base URL is configured.
    NoBaseUrl,
    /// Its secret is not set.
    NoSecret,
}

/// The first of Azure's dated versions that have `/responses` (Azure's API version lifecycle); newer ones are words.
const AZURE_RESPONSES_SINCE: &str = "2025-03-01";

impl Provider {
    /// The dialect to speak with it: that of its kind, or Responses where its server has that too and the request wants
    /// it. `None` where this version has no dialect for its kind.
    #[must_use]
    pub fn dialect(&self, wants_responses: bool) -> Option<Dialect> {
        if wants_responses && self.serves_responses() {
            return Some(Dialect::OpenAiResponses);
        }
        self.kind.dialect()
    }

    /// Whether its server has `/responses`, under the same base URL and credential as what else it has.
    #[must_use]
    pub fn serves_responses(&self) -> bool {
        match self.kind {
            Kind::OpenaiResponses => true,
            Kind::OpenaiChat => {
                profile::of(&self.profile).responses
                    && self.api_version.as_deref().is_none_or(|version| version >= AZURE_RESPONSES_SINCE)
            }
            Kind::AnthropicMessages | Kind::Gemini | Kind::WorkersAi => false,
        }
    }

    /// Whether a caller's own text of that dialect can go there.
    #[must_use]
    pub fn speaks(&self, dialect: Dialect) -> bool {
        self.kind.dialect() == Some(dialect) || (dialect == Dialect::OpenAiResponses && self.serves_responses())
    }

    /// Whether it can be called at all.
    #[must_use]
    pub fn state(&self) -> State {
        if !self.enabled {
            State::Disabled
        } else if self.kind.dialect().is_none() {
            State::UnsupportedKind
        } else if self.kind == Kind::WorkersAi {
            if self.bound {
                State::Ready
            } else {
                State::NoBinding
            }
        } else if self.base_url.is_none() {
            State::NoBaseUrl
        } else if self.api_keys.is_empty() && !self.api_key_env.is_empty() {
            State::NoSecret
        } else {
            State::Ready
        }
    }
}

/// A text that must not leak: it has no `Display`, no serialisation, and its `Debug` is a placeholder.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text into custody.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Members of a provider.
pub const PROVIDER: &[&str] = &[
    "kind",
    "base_url",
    "base_url_env",
    "api_version",
    "api_key",
    "api_key_env",
    "own_keys",
    "headers",
    "headers_env",
    "profile",
    "prices_of",
    "region",
    "reseller",
    "trains_on_data",
    "enabled",
    "breaker",
];
/// Members of a provider's circuit breakers.
pub const BREAKER: &[&str] =
    &["enabled", "consecutive_failures", "failure_share", "min_requests", "ejection_ms", "max_ejection_ms"];

/// What reading a provider depends on beyond the document.
pub(super) struct Surroundings<'e> {
    pub mode: Mode,
    pub environment: &'e Environment<'e>,
    /// The base URL stands in an overlay: more explicit than the environment, which beats the compiled-in one.
    pub explicit_base_url: bool,
    /// Likewise for an inline key: with one, the environment is not asked.
    pub name: &'e str,
}

pub(super) fn read(item: &Item<'_>, around: &Surroundings<'_>) -> Option<Provider> {
    let object = item.object(PROVIDER)?;
    let Surroundings { mode, environment, name, .. } = *around;
    if !is_provider_name(name) {
        item.problem("a provider is named by at most 64 letters, digits, '-', '_' and '.'");
    }
    let kind = object.required("kind").and_then(|v| v.word(&KINDS))?;
    let text = |member| object.member(member).and_then(|v| v.text()).map(str::to_owned);
    let flag = |member, standard| object.member(member).map_or(Some(standard), |v| v.flag());
    let api_key_env = names(&object, "api_key_env");
    let api_keys = match inline_key(&object, mode) {
        Some(key) => vec![key],
        None => all_set(environment, &api_key_env),
    };
    let own_keys = flag("own_keys", false)?;
    if own_keys && (!api_key_env.is_empty() || object.member("api_key").is_some()) {
        item.problem("own_keys: callers bring their keys, so it has none of ours: they must never be mixed up");
    }
    Some(Provider {
        name: name.to_owned(),
        kind,
        base_url: read_base_url(&object, around),
        bound: kind == Kind::WorkersAi && environment(AI_BINDING).is_some(),
        api_version: api_version(&object),
        api_keys,
        api_key_env,
        own_keys,
        headers: headers(&object, environment, mode == Mode::Local),
        profile: profile_of(&object, name, kind)?,
        prices_of: text("prices_of").unwrap_or_else(|| name.to_owned()),
        region: text("region"),
        reseller: flag("reseller", false)?,
        trains_on_data: flag("trains_on_data", false)?,
        enabled: flag("enabled", true)?,
        breaker: object.member("breaker").map_or_else(|| Some(circuit::Settings::default()), |item| breaker(&item))?,
    })
}

fn breaker(item: &Item<'_>) -> Option<circuit::Settings> {
    const LONGEST_MS: u64 = 600_000;
    let object = item.object(BREAKER)?;
    let standard = circuit::Settings::default();
    let count = |member, min, max, standard| object.member(member).map_or(Some(standard), |v| v.count(min, max));
    let small = |member, standard: u32| count(member, 1, 10_000, standard.into()).and_then(|n| u32::try_from(n).ok());
    let share = match object.member("failure_share") {
        Some(item) => u32::try_from(super::choice::micro(item.number(0.01, 1.0)?)).ok()?,
        None => standard.failure_share_micro,
    };
    Some(circuit::Settings {
        enabled: object.member("enabled").map_or(Some(true), |v| v.flag())?,
        consecutive_failures: small("consecutive_failures", standard.consecutive_failures)?,
        failure_share_micro: share,
        min_requests: small("min_requests", standard.min_requests)?,
        ejection_ms: count("ejection_ms", 1, LONGEST_MS, standard.ejection_ms)?,
        max_ejection_ms: count("max_ejection_ms", 1, LONGEST_MS, standard.max_ejection_ms)?,
    })
}

fn is_provider_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Names of environment variables or secrets.
fn names(object: &Object<'_>, member: &str) -> Vec<String> {
    let Some(item) = object.member(member) else { return Vec::new() };
    let names = item.one_or_more();
    let is_name = |n: &String| n.len() <= 128 && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    // A key pasted where its name belongs would otherwise sit in logs as a "name": the text is not quoted.
    if !names.iter().all(is_name) {
        item.problem("must name environment variables: letters, digits and _");
    }
    names
}

fn first_set(environment: &Environment<'_>, names: &[String]) -> Option<String> {
    names.iter().filter_map(|name| environment(name)).find(|value| !value.trim().is_empty())
}

/// The values that are set, each once.
fn all_set(environment: &Environment<'_>, names: &[String]) -> Vec<Secret> {
    let mut keys: Vec<Secret> = Vec::new();
    for value in names.iter().filter_map(|name| environment(name)) {
        let key = Secret::new(value.trim());
        if !key.expose().is_empty() && !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

fn inline_key(object: &Object<'_>, mode: Mode) -> Option<Secret> {
    let item = object.member("api_key")?;
    if mode != Mode::Local {
        item.problem("an inline key is for local use only; name a secret by api_key_env");
    }
    item.text().map(Secret::new)
}

fn read_base_url(object: &Object<'_>, around: &Surroundings<'_>) -> Option<String> {
    let names = names(object, "base_url_env");
    if !around.explicit_base_url {
        if let Some(text) = first_set(around.environment, &names) {
            return match base_url(text.trim(), around.mode == Mode::Local) {
                Ok(url) => Some(url),
                Err(why) => {
                    object.item().problem(format!("the base URL in the variable {} {why}", names.join(" or ")));
                    None
                }
            };
        }
    }
    let item = object.member("base_url")?;
    base_url(item.text()?, around.mode == Mode::Local).map_err(|why| item.problem(why)).ok()
}

/// A date or a word, as it stands in a query.
fn api_version(object: &Object<'_>) -> Option<String> {
    let item = object.member("api_version")?;
    let version = item.text()?;
    if version.len() > 40 || !version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')) {
        item.problem("is a date or a word: letters, digits, '-' and '.'");
    }
    Some(version.to_owned())
}

/// Headers that hold credentials or belong to the transport.
const CREDENTIALS: [&str; 6] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "proxy-authorization"];
const TRANSPORT: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "content-encoding",
];

/// Reads `headers` (values as they stand, credentials among them only if `may_hold_keys`) and `headers_env` (values from
/// secrets; unset ones are left out).
pub(super) fn headers(
    object: &Object<'_>,
    environment: &Environment<'_>,
    may_hold_keys: bool,
) -> Vec<(String, Secret)> {
    let mut list = Vec::new();
    for member in ["headers", "headers_env"] {
        for (name, item) in object.member(member).iter().flat_map(Item::entries) {
            let lower = name.to_ascii_lowercase();
            if lower.is_empty() || !lower.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!#$%&'*+^`|~".contains(&b))
            {
                item.problem("is no header name");
            } else if TRANSPORT.contains(&lower.as_str()) {
                item.problem("belongs to the transport and cannot be set");
            } else if member == "headers" && !may_hold_keys && CREDENTIALS.contains(&lower.as_str()) {
                item.problem("holds a credential: name a secret for it in headers_env");
            }
            let Some(text) = item.text() else { continue };
            let value = if member == "headers" { Some(text.to_owned()) } else { environment(text) };
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                if value.bytes().any(|b| b < 0x20 || b == 0x7f) {
                    item.problem("holds control characters");
                }
                list.push((lower, Secret::new(value)));
            }
        }
    }
    list
}

fn profile_of(object: &Object<'_>, name: &str, kind: Kind) -> Option<String> {
    if let Some(item) = object.member("profile") {
        let words: Vec<(&str, &str)> = profiles().into_iter().map(|profile| (profile, profile)).collect();
        return item.word(&words).map(str::to_owned);
    }
    let plain = match kind {
        Kind::OpenaiChat | Kind::OpenaiResponses => profile::PLAIN,
        Kind::AnthropicMessages => "anthropic",
        Kind::Gemini => "gemini",
        Kind::WorkersAi => "workers-ai",
    };
    let own = profile::named_after(name).or_else(|| ["anthropic", "gemini"].into_iter().find(|known| *known == name));
    Some(own.unwrap_or(plain).to_owned())
}

/// Whether a layer sets the base URL of a provider.
pub(super) fn sets_base_url(layer: &Value, provider: &str) -> bool {
    let member = layer.get("providers").and_then(|p| p.get(provider)).and_then(|p| p.get("base_url"));
    member.is_some_and(|url| !url.is_null())
}
