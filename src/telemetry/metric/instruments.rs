//! The table of instruments. `gen_ai.*` and `http.*` follow the semantic conventions 1.41, buckets included; a gateway is a
//! client towards providers (one reading per attempt) and a server towards callers (one per request).

use super::Reading;

/// One instrument.
#[derive(Debug)]
pub struct Instrument {
    /// OpenTelemetry name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// UCUM.
    pub unit: &'static str,
    /// What a reading's integers are worth in that unit.
    pub scale: f64,
    /// Label names.
    pub labels: &'static [&'static str],
    /// Sum or distribution.
    pub shape: Shape,
}

/// Sum or distribution.
#[derive(Debug, Clone, Copy)]
pub enum Shape {
    /// Only ever rises.
    Sum,
    /// With the upper bounds of its buckets, in the instrument's unit.
    Spread(&'static [f64]),
}

const DURATIONS: &[f64] = &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const HTTP_DURATIONS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const FIRST_TOKEN: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const PER_TOKEN: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
const TOKEN_COUNTS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

const OPERATION: &str = "gen_ai.operation.name";
const GEN_AI_PROVIDER: &str = "gen_ai.provider.name";
const REQUEST_MODEL: &str = "gen_ai.request.model";
const TOKEN_TYPE: &str = "gen_ai.token.type";
/// Counters of the newest conventions: one instrument here, told apart by its last label, which goes into their names.
pub(super) const USAGE_NAME: &str = "gen_ai.client.inference.usage";
/// That label.
pub(super) const USAGE_KIND: &str = "signalbox.token.kind";
const MODALITY: &str = "gen_ai.token.modality";
const ERROR_TYPE: &str = "error.type";
const PROVIDER: &str = "signalbox.provider";
const MODEL: &str = "signalbox.model";

const MS: f64 = 1e-3;
const US: f64 = 1e-6;
const ONE: f64 = 1.0;
/// Readings of money are billionths of a dollar.
const NANO: f64 = 1e-9;

macro_rules! instruments {
    ($($id:ident = $name:expr, $unit:literal, $scale:ident, $shape:expr, [$($label:expr),*], $description:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum At { $($id),* }
        $(pub(super) const $id: usize = At::$id as usize;)*
        /// Every instrument.
        pub const TABLE: &[Instrument] = &[$(Instrument {
            name: $name, description: $description, unit: $unit, scale: $scale, labels: &[$($label),*], shape: $shape,
        }),*];
    };
}

use Shape::{Spread, Sum};

instruments! {
    CLIENT_TOKENS = "gen_ai.client.token.usage", "{token}", ONE, Spread(TOKEN_COUNTS),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL, TOKEN_TYPE], "Tokens of an answered call to a provider.";
    CLIENT_DURATION = "gen_ai.client.operation.duration", "s", MS, Spread(DURATIONS),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL, ERROR_TYPE], "Duration of a call to a provider.";
    CLIENT_TTFT = "gen_ai.client.operation.time_to_first_chunk", "s", MS, Spread(DURATIONS),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL], "From a streamed call to a provider to its first content.";
    SERVER_DURATION = "gen_ai.server.request.duration", "s", MS, Spread(DURATIONS),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL, ERROR_TYPE], "Duration of a request for a model, all attempts included.";
    SERVER_TTFT = "gen_ai.server.time_to_first_token", "s", MS, Spread(FIRST_TOKEN),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL], "From a request to the first content that its caller got.";
    SERVER_PER_TOKEN = "gen_ai.server.time_per_output_token", "s", US, Spread(PER_TOKEN),
        [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL], "Time per token after the first one of a stream.";
    HTTP_DURATION = "http.server.request.duration", "s", MS, Spread(HTTP_DURATIONS),
        ["http.request.method", "http.route", "http.response.status_code"], "Duration of a request.";
    REQUESTS = "signalbox.requests", "{request}", ONE, Sum,
        ["http.route", "signalbox.dialect", "signalbox.outcome", "signalbox.policy", "signalbox.task"], "Requests by how they ended.";
    ERRORS = "signalbox.errors", "{error}", ONE, Sum, ["error.type", "signalbox.error.blame"], "Errors that callers got.";
    ATTEMPTS = "signalbox.attempts", "{attempt}", ONE, Sum,
        [PROVIDER, MODEL, "signalbox.attempt.role", "signalbox.outcome"], "Calls to providers: first ones, retries, fallbacks, hedges, continuations.";
    TOKENS = "signalbox.tokens", "{token}", ONE, Sum, [PROVIDER, MODEL, "signalbox.token.kind"], "Tokens by kind, no token in two kinds.";
    COST = "signalbox.cost", "USD", NANO, Sum, [PROVIDER, MODEL, "signalbox.cost.certainty"], "What attempts cost.";
    UNPRICED = "signalbox.unpriced", "{attempt}", ONE, Sum, [PROVIDER, MODEL], "Attempts whose price is not known.";
    LOSSES = "signalbox.losses", "{field}", ONE, Sum, ["signalbox.dialect"], "Fields of requests and answers that were not carried exactly.";
    SEAMS = "signalbox.seams", "{seam}", ONE, Sum, ["signalbox.seam.mode"], "Answers gone on with after a break.";
    BREAKERS = "signalbox.breaker.changes", "{change}", ONE, Sum, [PROVIDER, MODEL, "signalbox.breaker.state"], "Circuits that opened or closed.";
    DROPPED = "signalbox.export.dropped", "{item}", ONE, Sum, ["signalbox.signal"], "Spans, metrics and records that nobody got.";
    USAGE = USAGE_NAME, "{token}", ONE, Sum, [OPERATION, GEN_AI_PROVIDER, REQUEST_MODEL, MODALITY, USAGE_KIND],
        "Tokens of calls to providers; cached and reasoning tokens are parts of the others.";
    SHADOW = "signalbox.shadow.decisions", "{decision}", ONE, Sum,
        ["signalbox.policy", "signalbox.shadow.policy", "signalbox.shadow.result"], "Decisions of a policy that decides beside the one in force, by whether it chose the same.";
}

impl Instrument {
    /// A reading in the instrument's unit.
    #[must_use]
    #[allow(clippy::cast_precision_loss)] // for charts
    pub fn scaled(&self, reading: u64) -> f64 {
        // Division by a whole number is exact where multiplication by its inverse is not: 5 ms is 0.005.
        reading as f64 / (1.0 / self.scale).round()
    }

    /// Nothing counted yet.
    #[must_use]
    pub fn nothing(&self) -> Reading {
        match self.shape {
            Shape::Sum => Reading::Sum(0),
            Shape::Spread(bounds) => Reading::Spread(0, vec![0; bounds.len() + 1]),
        }
    }

    /// Whether a reading is one of this instrument's.
    #[must_use]
    pub fn takes(&self, reading: &Reading) -> bool {
        match (self.shape, reading) {
            (Shape::Sum, Reading::Sum(_)) => true,
            (Shape::Spread(bounds), Reading::Spread(_, counts)) => counts.len() == bounds.len() + 1,
            _ => false,
        }
    }

    /// The bucket of a value: bounds belong to the bucket that they close.
    #[must_use]
    pub fn bucket(&self, value: u64) -> usize {
        let Shape::Spread(bounds) = self.shape else { return 0 };
        let value = self.scaled(value);
        bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len())
    }
}
