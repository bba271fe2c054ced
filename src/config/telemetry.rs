//! Where spans and metrics go, and what they may hold.

use super::provider::{headers, Secret};
use super::{Environment, Mode};
use crate::address::base_url;
use crate::document::{Item, Object};

/// Where spans and metrics go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Collectors.
    pub otlp: Vec<Collector>,
    /// Share of requests whose spans are exported, in millionths.
    pub sampling_micro: i64,
    /// Whether `traceparent` goes on to providers.
    pub propagate: bool,
    /// Share of requests whose redacted payloads are kept for replay, in millionths; 0 = capture is off.
    pub capture_micro: i64,
}

/// An OTLP/HTTP collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    /// Base address without trailing slash; `/v1/traces` and `/v1/metrics` follow.
    pub endpoint: String,
    /// Headers of every export. Values may be secret.
    pub headers: Vec<(String, Secret)>,
    /// Which attribute names it reads.
    pub profile: Profile,
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

/// Members of `telemetry`.
pub const TELEMETRY: &[&str] = &["otlp", "sampling", "propagate", "capture"];
/// Members of a collector.
pub const COLLECTOR: &[&str] = &["endpoint", "headers", "headers_env", "profile", "content", "timeout_ms"];

pub(super) fn read(item: &Item<'_>, mode: Mode, environment: &Environment<'_>) -> Option<Telemetry> {
    let object = item.object(TELEMETRY)?;
    let collectors = object.member("otlp").map_or_else(Vec::new, |list| list.items());
    Some(Telemetry {
        otlp: collectors.iter().filter_map(|item| collector(item, mode, environment)).collect(),
        sampling_micro: share(&object, "sampling", 1.0)?,
        propagate: object.member("propagate").map_or(Some(false), |v| v.flag())?,
        capture_micro: share(&object, "capture", 0.0)?,
    })
}

fn collector(item: &Item<'_>, mode: Mode, environment: &Environment<'_>) -> Option<Collector> {
    let object = item.object(COLLECTOR)?;
    let endpoint = object.required("endpoint")?;
    let url = base_url(endpoint.text()?, mode == Mode::Local).map_err(|why| endpoint.problem(why)).ok()?;
    Some(Collector {
        endpoint: url,
        headers: headers(&object, environment, true),
        profile: object.member("profile").map_or(Some(Profile::V141), |v| v.word(&TELEMETRY_PROFILES))?,
        content: object.member("content").map_or(Some(false), |v| v.flag())?,
        timeout_ms: object.member("timeout_ms").map_or(Some(2_000), |v| v.count(1, 30_000))?,
    })
}

/// A share from 0 to 1, in millionths.
#[allow(clippy::cast_possible_truncation)] // bounded
fn share(object: &Object<'_>, name: &str, standard: f64) -> Option<i64> {
    let number = object.member(name).map_or(Some(standard), |v| v.number(0.0, 1.0))?;
    Some((number * 1e6 + 0.5) as i64)
}
