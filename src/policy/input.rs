//! What a decision is made from, besides configuration and prices: allow-listed views without content, recorded whole so
//! that a decision can be replayed against another policy.

use serde::{Deserialize, Serialize, Serializer};

use super::routing::RoutingRequest;
use crate::classify::{Expected, Features};
use crate::config::choice::Pattern;
use crate::dialect::canonical::{Disposition, Loss};
use crate::dialect::carried::Signer;
use crate::dialect::Dialect;
use crate::health::Health;
use crate::sorted::Map;

/// Everything that varies from request to request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// What the request is like.
    pub features: Features,
    /// What it asks for.
    pub request: RequestView,
    /// What its principal may use.
    pub principal: PrincipalView,
    /// Unix milliseconds.
    pub now_ms: u64,
    /// Randomness for balancing equals and for exploring: the conversation's where there is one, else the request's.
    pub seed: u64,
    /// Whose signed reasoning the history carries: whoever can read it goes first.
    #[serde(default)]
    pub signed_by: Option<Signer>,
    /// The conversation that the request goes on with, where the caller names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// What callers' scores say of models for this task under this policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Corrections>,
    /// What is known of candidates at this moment, by `provider/model`; absent = nothing.
    #[serde(serialize_with = "known")]
    pub signals: Map<String, Signals>,
}

/// A candidate of which nothing is known is as good as absent.
fn known<S: Serializer>(signals: &Map<String, Signals>, serializer: S) -> Result<S::Ok, S::Error> {
    let nothing = Signals::default();
    serializer.collect_map(signals.iter().filter(|(_, signals)| **signals != nothing))
}

/// What a model is wanted for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An answer.
    #[default]
    Answer,
    /// The number of a prompt's tokens, which costs nothing.
    Count,
    /// Vectors.
    Embed,
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RequestView {
    /// What for.
    #[serde(default)]
    pub purpose: Purpose,
    /// The caller's dialect.
    pub dialect: Dialect,
    /// The model as the caller wrote it; in Gemini paths everything up to the last colon, percent-decoded once. Empty =
    /// only `routing.models` count.
    pub model: String,
    /// What the caller said about routing.
    pub routing: RoutingRequest,
}

/// What a principal may use: claims and default limits, already joined.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrincipalView {
    /// Lists of models, each of which must cover a candidate.
    pub models: Vec<Vec<Pattern>>,
    /// Lists of regions, each of which must hold the provider's.
    pub regions: Vec<Vec<String>>,
    /// No provider that may train on prompts or pass them on.
    pub deny_data_collection: bool,
    /// A limit on money applies: what it costs must be known.
    pub money_limit: bool,
    /// Bound on one request's estimated cost, in picodollars.
    pub max_cost_picousd: Option<u64>,
    /// Budgets of which little is known to be left: for which models (none = all), and how many picodollars.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets_left: Vec<(Vec<Pattern>, u64)>,
    /// Whose assertion it is.
    pub issuer: String,
    /// The groups that the issuer names.
    pub groups: Vec<String>,
    /// May use the operator's endpoints.
    pub operator: bool,
    /// Providers for which the caller brings its own key, in lower case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_keys: Vec<String>,
}

/// What this isolate remembers of a conversation. Its name stays out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Session {
    /// `provider/model` that answered last, if that was lately.
    pub last: Option<String>,
    /// Milliseconds since.
    pub age_ms: u64,
    /// Tokens of the conversation that this model's provider keeps in its prompt cache, as far as can be told.
    pub cached_tokens: u64,
}

/// Corrections of quality figures, from callers' scores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrections {
    /// Names the scores that they were made from.
    pub version: String,
    /// The policy that they hold under.
    pub policy: String,
    /// The task that they hold for.
    pub task: String,
    /// Millionths, by `provider/model`.
    pub by_model: Map<String, i64>,
}

/// What is known of one candidate at this moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Signals {
    /// Its recent behaviour.
    pub health: Health,
    /// Prompt tokens that are expected to be in its cache, because the conversation was there.
    pub warm_tokens: u64,
    /// Fields of this request that it cannot express.
    pub unsupported: Vec<String>,
    /// What a learned table expects of it for this text.
    pub expected: Expected,
}

impl Signals {
    /// From a candidate's health and what translation would do to the request (empty where nothing is translated).
    #[must_use]
    pub fn new(health: Health, losses: &[Loss], warm_tokens: u64) -> Self {
        let unsupported = losses.iter().filter(|loss| loss.disposition == Disposition::Unsupported);
        Self {
            health,
            warm_tokens,
            unsupported: unsupported.map(|loss| loss.field.clone()).collect(),
            expected: Expected::default(),
        }
    }
}
