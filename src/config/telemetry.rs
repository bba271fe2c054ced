//! Where spans and metrics go, and what they may hold.

use super::capture::redaction;
use super::provider::{headers, Secret};
use super::{Environment, Mode};
use crate::address::base_url;
use crate::document::{Item, Object};
use crate::redact::Settings as Redaction;

/// Where spans and metrics go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Telemetry {
    /// Collectors.
    pub otlp: Vec<Collector>,
    /// Share of requests whose spans are exported, in millionths.
    pub sampling_micro: i64,
    /// What is exported in any case.
    pub tail: Tail,
    /// `service.name` of what is exported.
    pub service_name: String,
    /// `deployment.environment.name`, where the operator names one.
    pub environment: Option<String>,
    /// Milliseconds for which spans, and records for the register, are gathered.
    pub flush_ms: u64,
    /// Milliseconds between two exports of metrics.
    pub metrics_ms: u64,
    /// Whether records go to the register: recent requests, `/v1/stats` and `/metrics` need it.
    pub register: bool,
    /// Objects that share the register.
    pub shards: u64,
    /// Whether `traceparent` goes on to providers.
    pub propagate: bool,
    /// Bytes of each attribute that holds what was said.
    pub content_bytes: usize,
    /// What is masked in it.
    pub redaction: Redaction,
    /// Share of requests whose decision is written as a line of its own, in millionths; 0 = none.
    pub decisions_micro: i64,
}

impl Telemetry {
    /// Whether a collector takes spans.
    #[must_use]
    pub fn tells_traces(&self) -> bool {
        self.otlp.iter().any(|collector| collector.traces)
    }

    /// Whether a collector asks for what was said.
    #[must_use]
    pub fn tells_content(&self) -> bool {
        self.otlp.iter().any(|collector| collector.content && collector.traces)
    }
}

/// What is exported whatever the share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// Requests that failed by a provider's fault or ours.
    pub errors: bool,
    /// Requests that took this long.
    pub slow_ms: Option<u64>,
    /// Requests that cost this many picodollars.
    pub cost_picousd: Option<u64>,
}

/// An OTLP/HTTP collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Base address without trailing slash.
    pub endpoint: String,
    /// What follows it in place of `/v1/traces` and `/v1/metrics`.
    pub path: Option<String>,
    /// Headers of every export. Values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// Which attribute names it reads.
    pub profile: Profile,
    /// How exports are written.
    pub encoding: Encoding,
    /// Which screens it has.
    pub flavour: Flavour,
    /// It takes spans.
    pub traces: bool,
    /// It takes metrics.
    pub metrics: bool,
    /// Whether redacted prompts and answers go there.
    pub content: bool,
    /// Milliseconds that an export may take.
    pub timeout_ms: u64,
}

/// Which attribute names a collector reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Semantic conventions 1.41, which backends read today.
    V141,
    /// The newest names.
    Latest,
}

/// Words for [`Profile`].
pub const TELEMETRY_PROFILES: [(&str, Profile); 2] = [("v1.41", Profile::V141), ("latest", Profile::Latest)];

/// How exports are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

/// Words for [`Encoding`].
pub const ENCODINGS: [(&str, Encoding); 2] = [("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];

/// What a collector's own screens read beside the conventions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Nothing.
    Otel,
    /// Langfuse: `langfuse.*`.
    Langfuse,
    /// Arize Phoenix and others: OpenInference.
    OpenInference,
}

/// Words for [`Flavour`].
pub const FLAVOURS: [(&str, Flavour); 3] =
    [("otel", Flavour::Otel), ("langfuse", Flavour::Langfuse), ("openinference", Flavour::OpenInference)];

/// Members of `telemetry`.
pub const TELEMETRY: &[&str] = &[
    "otlp",
    "sampling",
    "tail",
    "service_name",
    "environment",
    "flush_ms",
    "metrics_ms",
    "register",
    "shards",
    "propagate",
    "content_bytes",
    "redaction",
    "decisions",
];
/// Members of `telemetry.tail`.
pub const TAIL: &[&str] = &["errors", "slow_ms", "cost_usd"];
/// Members of a collector.
pub const COLLECTOR: &[&str] = &[
    "endpoint",
    "path",
    "headers",
    "headers_env",
    "profile",
    "encoding",
    "flavour",
    "signals",
    "content",
    "timeout_ms",
];
/// A few thousand words; collectors begin to cut or refuse spans somewhere above it.
const CONTENT_BYTES: u64 = 16 * 1024;
/// Words in a collector's `signals`.
pub const SIGNALS: [&str; 2] = ["traces", "metrics"];

/// `masks`: what is masked in captures, and here too unless it says otherwise.
pub(super) fn read(
    item: &Item<'_>,
    mode: Mode,
    environment: &Environment<'_>,
    masks: Option<&Redaction>,
) -> Option<Telemetry> {
    let object = item.object(TELEMETRY)?;
    let content_bytes = object.member("content_bytes").map_or(Some(CONTENT_BYTES), |v| v.count(256, 131_072))?;
    let collectors = object.member("otlp").map_or_else(Vec::new, |list| list.items());
    Some(Telemetry {
        otlp: collectors.iter().filter_map(|item| collector(item, mode, environment)).collect(),
        sampling_micro: share(&object, "sampling", 1.0)?,
        tail: object
            .member("tail")
            .map_or_else(|| Some(Tail { errors: true, ..Tail::default() }), |item| tail(&item))?,
        service_name: object.member("service_name").map_or(Some("signalbox"), |v| v.text())?.to_owned(),
        environment: object.member("environment").and_then(|v| v.text()).map(str::to_owned),
        flush_ms: object.member("flush_ms").map_or(Some(1_000), |v| v.count(10, 10_000))?,
        metrics_ms: object.member("metrics_ms").map_or(Some(10_000), |v| v.count(10, 20_000))?,
        register: object.member("register").map_or(Some(true), |v| v.flag())?,
        shards: object.member("shards").map_or(Some(1), |v| v.count(1, 16))?,
        propagate: object.member("propagate").map_or(Some(false), |v| v.flag())?,
        content_bytes: usize::try_from(content_bytes).ok()?,
        redaction: match object.member("redaction") {
            Some(item) => redaction(&item)?,
            None => masks.cloned().unwrap_or_default(),
        },
        decisions_micro: share(&object, "decisions", 0.0)?,
    })
}

fn collector(item: &Item<'_>, mode: Mode, environment: &Environment<'_>) -> Option<Collector> {
    let object = item.object(COLLECTOR)?;
    let endpoint = object.required("endpoint")?;
    let url = base_url(endpoint.text()?, mode == Mode::Local).map_err(|why| endpoint.problem(why)).ok()?;
    Some(Collector {
        endpoint: url,
        path: object.member("path").map_or(Some(None), |v| path(&v).map(Some))?,
        headers: headers(&object, environment, true),
        profile: object.member("profile").map_or(Some(Profile::V141), |v| v.word(&TELEMETRY_PROFILES))?,
        encoding: object.member("encoding").map_or(Some(Encoding::Protobuf), |v| v.word(&ENCODINGS))?,
        flavour: object.member("flavour").map_or(Some(Flavour::Otel), |v| v.word(&FLAVOURS))?,
        traces: signal(&object, SIGNALS[0]),
        metrics: signal(&object, SIGNALS[1]),
        content: object.member("content").map_or(Some(false), |v| v.flag())?,
        timeout_ms: object.member("timeout_ms").map_or(Some(2_000), |v| v.count(1, 30_000))?,
    })
}

/// Empty, or from a slash on.
fn path(item: &Item<'_>) -> Option<String> {
    let path = item.text()?;
    if path.is_empty() || path.starts_with('/') {
        return Some(path.to_owned());
    }
    item.problem("must be empty or begin with a slash");
    None
}

fn tail(item: &Item<'_>) -> Option<Tail> {
    let object = item.object(TAIL)?;
    let number = |name: &str| object.member(name).map(|v| v.number(0.0, 1e6));
    let cost_usd = match number("cost_usd") {
        Some(number) => Some(number?),
        None => None,
    };
    Some(Tail {
        errors: object.member("errors").map_or(Some(true), |v| v.flag())?,
        slow_ms: match object.member("slow_ms") {
            Some(v) => Some(v.count(1, 86_400_000)?),
            None => None,
        },
        // At most a million dollars: far from where a double's whole numbers have gaps that matter here.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        cost_picousd: cost_usd.map(|usd| (usd * 1e12) as u64),
    })
}

/// Whether a collector takes a signal: all of them where it lists none.
fn signal(object: &Object<'_>, name: &str) -> bool {
    let Some(list) = object.member("signals") else { return true };
    let named = list.texts();
    if let Some(unknown) = named.iter().find(|word| !SIGNALS.contains(&word.as_str())) {
        list.problem(format!("{unknown:?} is no signal: traces or metrics"));
    }
    named.iter().any(|word| word == name)
}

/// A share from 0 to 1, in millionths.
#[allow(clippy::cast_possible_truncation)] // bounded
pub(super) fn share(object: &Object<'_>, name: &str, standard: f64) -> Option<i64> {
    let number = object.member(name).map_or(Some(standard), |v| v.number(0.0, 1.0))?;
    Some((number * 1e6 + 0.5) as i64)
}
