//! The configuration: one document in layers, merged, read whole, valid or refused whole (DESIGN §3).
//!
//! What it leaves out: fetching layers and keeping the last good one are the edge's work. Read `tests/config.rs` first.

pub mod bounds;
pub mod capture;
pub mod choice;
pub mod continuation;
pub mod hedge;
pub mod limits;
pub mod merge;
pub mod feedback;
pub mod prices;
pub mod provider;
pub mod rule;
pub mod schema;
pub mod telemetry;

use std::borrow::Cow;

use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::catalogue::learned;
use crate::catalogue::model::Model;
use crate::catalogue::task::TASKS;
use crate::catalogue::{self, Catalogue};
use crate::document::{parse, Item, Object, Problem, Problems};
use crate::hex::hex;
use crate::identity::settings::Settings as Identity;
use crate::json::bounds::Bounds;
use crate::sorted::{Map, Set};
use capture::Capture;
use choice::{Alias, Pattern, Policy};
use limits::Limits;
use provider::{Provider, Surroundings};
use rule::Effect;
use telemetry::Telemetry;

/// The document that is compiled in: the first layer.
pub const DEFAULT: &str = include_str!("../../data/config.default.json");

/// The policy of aliases and requests that name none.
pub const STANDARD_POLICY: &str = "balanced";
/// Policies that requests can count on: an operator may change them, not remove them.
pub const PRESETS: [&str; 4] = ["balanced", "cheapest", "fastest", "best"];

/// A complaint about a configuration.
pub type ConfigProblem = Problem;

/// The values of variables and secrets by name.
pub type Environment<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// Under what kind of command the gateway runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The npm scripts on a developer's machine: identity `none`, inline keys and loopback http are allowed.
    Local,
    /// Everything else.
    Production,
}

/// A valid configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Hash of the merged document, 16 hexadecimal digits.
    pub version: String,
    /// Under what kind of command it was read.
    pub mode: Mode,
    /// By name.
    pub providers: Map<String, Provider>,
    /// The compiled-in catalogue with the operator's `models` merged over it.
    pub catalogue: Catalogue,
    /// By name.
    pub aliases: Map<String, Alias>,
    /// By name; the [`PRESETS`] are always there.
    pub policies: Map<String, Policy>,
    /// Whose assertions count; without a mode nobody is let in.
    pub identity: Identity,
    /// Where spans and metrics go.
    pub telemetry: Telemetry,
    /// Which requests are kept with their payloads; `None` = none.
    pub capture: Option<Capture>,
    /// Default limits.
    pub limits: Limits,
    /// Where the price table is fetched anew by the clock.
    pub price_refresh: Option<prices::Refresh>,
    /// How callers' scores are taken; `None` = they are not.
    pub feedback: Option<feedback::Feedback>,
    /// Largest request body in bytes.
    pub max_body_bytes: u64,
    /// What else of a request is bounded.
    pub bounds: Bounds,
    /// Requests of one principal under way at once in one isolate. Overload protection; limits are the ledger's.
    pub crowd: usize,
    /// Milliseconds for which a kept answer can be read after its end.
    pub streams_keep_ms: u64,
    /// Origins of browsers that may call, exact (`https://app.example`).
    pub cors_origins: Vec<String>,
    /// Kinds of task that a header may name: the shipped ones and those that `models` or `policies` give values for.
    pub tasks: Set<String>,
}

impl Config {
    /// Merges the layers, the compiled-in [`DEFAULT`] first, and reads the result. `environment` knows variables and
    /// secrets; it is asked for the names that providers list and for nothing else.
    ///
    /// # Errors
    /// Everything that is wrong, each with its path; the operator's.
    pub fn load(layers: &[&str], mode: Mode, environment: &Environment<'_>) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Vec::new();
        let mut documents = Vec::new();
        for (at, text) in layers.iter().enumerate() {
            match parse(text) {
                Ok(layer) if layer.is_object() => documents.push(layer),
                Ok(_) => problems.push(layer_problem(at, "must be an object")),
                Err(problem) => problems.push(layer_problem(at, &problem.message)),
            }
        }
        let shipped = parse(catalogue::SNAPSHOT).unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        Self::read(documents, &shipped, mode, environment)
    }

    fn read(
        layers: Vec<Value>,
        shipped: &Value,
        mode: Mode,
        environment: &Environment<'_>,
    ) -> Result<Self, Vec<ConfigProblem>> {
        let overlays: Vec<Value> = layers.iter().skip(1).cloned().collect();
        let shipped_models = shipped.get("models").cloned().unwrap_or_default();
        let mut merged = json!({ "models": shipped_models });
        for layer in layers {
            merge::merge(&mut merged, layer);
        }
        let problems = Problems::default();
        let reader = Reader { overlays: &overlays, mode, environment, problems: &problems };
        let config = reader.config(&merged, shipped);
        // A reader that gives up has said why; the fallback only stands in for the compiler.
        if config.is_none() {
            problems.add("", "the configuration cannot be read");
        }
        match (config, problems.verdict(())) {
            (Some(config), Ok(())) => Ok(config),
            (_, verdict) => Err(verdict.err().unwrap_or_default()),
        }
    }

    /// What is known of a model (`provider/model`): its own entry, else that of the same name at the provider whose prices
    /// it has.
    #[must_use]
    pub fn model(&self, provider: &Provider, full: &str) -> Option<&Model> {
        self.catalogue.model(full).or_else(|| {
            let (owner, name) = full.split_once('/')?;
            let other = (owner != provider.prices_of).then(|| format!("{}/{name}", provider.prices_of))?;
            self.catalogue.model(&other)
        })
    }

    /// The id under which the prices of a model (`provider/model`) are filed: aliases resolved, at the provider whose prices
    /// it has.
    #[must_use]
    pub fn price_id<'c>(&'c self, provider: &Provider, full: &'c str) -> Cow<'c, str> {
        let own = self.catalogue.id_of(full).unwrap_or(full);
        match own.split_once('/') {
            Some((owner, name)) if owner != provider.prices_of => {
                let other = format!("{}/{name}", provider.prices_of);
                self.catalogue.id_of(&other).map_or(Cow::Owned(other.clone()), Cow::Borrowed)
            }
            _ => Cow::Borrowed(own),
        }
    }
}

fn layer_problem(at: usize, message: &str) -> Problem {
    let path = if at == 0 { "the compiled-in document".to_owned() } else { format!("overlay {at}") };
    Problem { path, message: message.to_owned() }
}

/// Members of the document.
pub const ROOT: &[&str] = &[
    "$schema",
    "providers",
    "models",
    "learned",
    "aliases",
    "policies",
    "identity",
    "telemetry",
    "capture",
    "limits",
    "max_body_bytes",
    "request_bounds",
    "overload",
    "cors",
    "streams",
    "prices",
    "feedback",
];
/// Members of `request_bounds`.
pub const BOUNDS: &[&str] = &["depth", "messages", "tools", "images"];
/// Members of `overload`.
pub const OVERLOAD: &[&str] = &["concurrent_per_principal"];
/// Members of `cors`.
pub const CORS: &[&str] = &["origins"];
/// Members of `streams`.
pub const STREAMS: &[&str] = &["keep_ms"];

struct Reader<'r> {
    overlays: &'r [Value],
    mode: Mode,
    environment: &'r Environment<'r>,
    problems: &'r Problems,
}

impl Reader<'_> {
    fn config(&self, document: &Value, shipped: &Value) -> Option<Config> {
        let object = Item::root(document, self.problems).object(ROOT)?;
        let providers = self.providers(&object);
        let catalogue = catalogue(&object, shipped, &providers);
        let policies: Map<String, Policy> = read_table(&object, "policies", choice::read_policy);
        for preset in PRESETS.iter().filter(|preset| !policies.contains_key(**preset)) {
            object.item().problem(format!("policies.{preset} is built in: it may be changed, not removed"));
        }
        let aliases: Map<String, Alias> = read_table(&object, "aliases", choice::read_alias);
        check_price_owners(&object, &providers, shipped);
        check_aliases(&object, &aliases, &policies, &providers, &catalogue);
        check_policies(&object, &aliases, &policies);
        let capture = match object.member("capture") {
            Some(item) => Some(capture::read(&item, &policies, self.environment)?),
            None => None,
        };
        let tasks = tasks(&catalogue, &policies);
        let limits = object.member("limits").map_or(Some(Limits::default()), |v| limits::read(&v))?;
        let body = object.member("max_body_bytes").map_or(Some(MAX_BODY_BYTES), |v| v.count(1, PLATFORM_BODY_BYTES));
        let telemetry = object.member("telemetry");
        let masks = capture.as_ref().map(|capture| &capture.redaction);
        let telemetry =
            telemetry.map_or(Some(Telemetry::default()), |v| telemetry::read(&v, self.mode, self.environment, masks));
        Some(Config {
            version: version_of(document),
            mode: self.mode,
            identity: self.identity(&object)?,
            providers,
            catalogue,
            aliases,
            policies,
            telemetry: telemetry?,
            capture,
            limits,
            price_refresh: object.member("prices").and_then(|v| prices::read(&v, self.mode)),
            feedback: object.member("feedback").and_then(|v| feedback::read(&v)),
            max_body_bytes: body?,
            bounds: bounds(&object)?,
            crowd: crowd(&object)?,
            streams_keep_ms: streams_keep_ms(&object)?,
            cors_origins: cors_origins(&object),
            tasks,
        })
    }

    fn providers(&self, object: &Object<'_>) -> Map<String, Provider> {
        let mut providers = Map::new();
        for (name, item) in object.member("providers").iter().flat_map(Item::entries) {
            let explicit_base_url = self.overlays.iter().any(|layer| provider::sets_base_url(layer, name));
            let around = Surroundings { mode: self.mode, environment: self.environment, explicit_base_url, name };
            if let Some(provider) = provider::read(&item, &around) {
                providers.insert(name.to_owned(), provider);
            }
        }
        providers
    }

    fn identity(&self, object: &Object<'_>) -> Option<Identity> {
        let Some(item) = object.member("identity") else { return Some(Identity::default()) };
        match serde_json::from_value::<Identity>(item.value().clone()) {
            Ok(mut identity) => {
                identity.local = self.mode == Mode::Local;
                for problem in identity.problems() {
                    let (path, message) = problem.split_once(": ").unwrap_or(("identity", &problem));
                    self.problems.add(path, message);
                }
                Some(identity)
            }
            Err(error) => {
                item.problem(error.to_string());
                None
            }
        }
    }
}

/// 25 MiB: a conversation with pictures in it.
const MAX_BODY_BYTES: u64 = 25 * 1024 * 1024;
/// What the platform lets in at all on the plans that most use.
const PLATFORM_BODY_BYTES: u64 = 100 * 1024 * 1024;
/// Ten minutes (DESIGN §5 "Resumable").
const STREAMS_KEEP_MS: u64 = 600_000;
/// A day: what is kept holds prompts' answers.
const LONGEST_KEEP_MS: u64 = 86_400_000;

/// More than any honest backend has under way in one isolate.
const CROWD: usize = 500;

fn bounds(object: &Object<'_>) -> Option<Bounds> {
    let standard = Bounds::default();
    let Some(item) = object.member("request_bounds") else { return Some(standard) };
    let members = item.object(BOUNDS)?;
    let count = |name, most, standard| match members.member(name) {
        Some(item) => usize::try_from(item.count(1, most)?).ok(),
        None => Some(standard),
    };
    Some(Bounds {
        depth: count("depth", 120, standard.depth)?,
        messages: count("messages", 100_000, standard.messages)?,
        tools: count("tools", 10_000, standard.tools)?,
        media: count("images", 100_000, standard.media)?,
    })
}

fn crowd(object: &Object<'_>) -> Option<usize> {
    let Some(item) = object.member("overload") else { return Some(CROWD) };
    match item.object(OVERLOAD)?.member("concurrent_per_principal") {
        Some(item) => usize::try_from(item.count(1, 100_000)?).ok(),
        None => Some(CROWD),
    }
}

fn streams_keep_ms(object: &Object<'_>) -> Option<u64> {
    let Some(streams) = object.member("streams") else { return Some(STREAMS_KEEP_MS) };
    let streams = streams.object(STREAMS)?;
    streams.member("keep_ms").map_or(Some(STREAMS_KEEP_MS), |v| v.count(1_000, LONGEST_KEEP_MS))
}

fn read_table<T>(object: &Object<'_>, name: &str, read: fn(&Item<'_>) -> Option<T>) -> Map<String, T> {
    let entries = object.member(name).map_or_else(Vec::new, |v| v.entries());
    entries.iter().filter_map(|(name, item)| Some(((*name).to_owned(), read(item)?))).collect()
}

fn catalogue(object: &Object<'_>, shipped: &Value, providers: &Map<String, Provider>) -> Catalogue {
    let version = shipped.get("version").and_then(Value::as_str).unwrap_or_default();
    let none = Value::Null;
    let shipped = shipped.get("models").unwrap_or(&none);
    let Some(models) = object.member("models") else { return Catalogue::default() };
    let mut catalogue = Catalogue::read(version, &models, shipped);
    catalogue.learned = object.member("learned").map(|v| learned::tables(&v)).unwrap_or_default();
    for (id, item) in models.entries() {
        // Shipped models may belong to a provider that the operator took out; an own model without one is a slip.
        let known = id.split_once('/').is_none_or(|(provider, _)| providers.contains_key(provider));
        if !known && shipped.get(id).is_none() {
            item.problem("no provider of that name is configured");
        }
        if let Some(learned) = catalogue.model(id).and_then(|model| model.learned.as_ref()) {
            learned::check(&item, learned, &catalogue.learned);
        }
    }
    for provider in providers.values().filter(|p| p.prices_of != p.name) {
        catalogue.inherit(&provider.name, &provider.prices_of);
    }
    catalogue
}

/// Whose prices a provider's models have must be somebody known, or they would all be unpriced for a typing slip.
fn check_price_owners(object: &Object<'_>, providers: &Map<String, Provider>, shipped: &Value) {
    let models = shipped.get("models").and_then(Value::as_object);
    let shipped_owner =
        |name: &str| models.is_some_and(|m| m.keys().any(|id| id.split_once('/').is_some_and(|(p, _)| p == name)));
    for (name, item) in object.member("providers").iter().flat_map(Item::entries) {
        let Some(owner) = providers.get(name).map(|provider| &provider.prices_of) else { continue };
        if !providers.contains_key(owner) && !shipped_owner(owner) {
            item.problem(format!("prices_of: no provider is named {owner:?}"));
        }
    }
}

fn check_aliases(
    object: &Object<'_>,
    aliases: &Map<String, Alias>,
    policies: &Map<String, Policy>,
    providers: &Map<String, Provider>,
    catalogue: &Catalogue,
) {
    let Some(table) = object.member("aliases") else { return };
    for (name, item) in table.entries() {
        let shadowed = name.split_once('/').is_some_and(|(first, _)| providers.contains_key(first));
        if name.is_empty() || shadowed || name.ends_with(":floor") || name.ends_with(":nitro") {
            item.problem("no request could mean this alias: its name reads as something else");
        }
        let Some(alias) = aliases.get(name) else { continue };
        if !policies.contains_key(&alias.policy) {
            item.problem(format!("policy: no policy is named {:?}", alias.policy));
        }
        for pattern in &alias.candidates {
            let known = match pattern {
                Pattern::Any => true,
                Pattern::Provider(provider) => providers.contains_key(provider),
                Pattern::Model(full) => full.split_once('/').is_some_and(|(p, _)| providers.contains_key(p)),
                Pattern::Bare(bare) => !catalogue.bearers(bare).is_empty(),
            };
            if !known {
                item.problem(format!("candidates: {:?} is no configured provider's", String::from(pattern.clone())));
            }
        }
    }
}

/// What policies name must be there.
fn check_policies(object: &Object<'_>, aliases: &Map<String, Alias>, policies: &Map<String, Policy>) {
    for (name, item) in object.member("policies").iter().flat_map(Item::entries) {
        let Some(policy) = policies.get(name) else { continue };
        for rule in &policy.rules {
            if let Effect::Alias(alias) = &rule.effect {
                if !aliases.contains_key(alias) {
                    item.problem(format!("rules: {}: no alias is named {alias:?}", rule.id));
                }
            }
        }
        if let Some(other) = policy.shadow.as_ref().filter(|other| *other == name || !policies.contains_key(*other)) {
            item.problem(format!("shadow: no other policy is named {other:?}"));
        }
    }
}

fn tasks(catalogue: &Catalogue, policies: &Map<String, Policy>) -> Set<String> {
    let valued = catalogue.models().flat_map(|(_, model)| model.quality.keys());
    let weighed = policies.values().flat_map(|policy| policy.tasks.keys());
    TASKS.iter().map(|task| (*task).to_owned()).chain(valued.cloned()).chain(weighed.cloned()).collect()
}

/// Origins as browsers send them: scheme, host, port; no wildcard, no `null`, no path.
fn cors_origins(object: &Object<'_>) -> Vec<String> {
    let Some(cors) = object.member("cors").and_then(|v| v.object(CORS)) else { return Vec::new() };
    let items = cors.member("origins").map_or_else(Vec::new, |v| v.items());
    let mut origins = Vec::new();
    for item in items {
        let Some(text) = item.text() else { continue };
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
        let plain = host.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._:[]".contains(&b));
        if host.is_empty() || !plain {
            item.problem("must be an exact origin such as https://app.example, in lower case and without a path");
        }
        origins.push(text.to_owned());
    }
    origins
}

fn version_of(document: &Value) -> String {
    let digest = Sha256::digest(document.to_string().as_bytes());
    hex(digest.get(..8).unwrap_or_default())
}
