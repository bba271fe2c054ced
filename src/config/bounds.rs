//! What a policy asks of every candidate, whoever names it: floors, caps, lists.

use super::choice::{micro, picousd, Pattern};
use crate::document::{Item, Object};

/// Bounds on candidates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Least quality for the task, in millionths.
    pub min_quality_micro: Option<i64>,
    /// Most that a request may cost as estimated, in picodollars. What has no price is out, as under a caller's cap.
    pub max_cost_picousd: Option<u64>,
    /// Most milliseconds that a whole answer may be expected to take.
    pub max_latency_ms: Option<u64>,
    /// Only these; `None` = all.
    pub allow: Option<Vec<Pattern>>,
    /// None of these.
    pub deny: Vec<Pattern>,
}

/// Members of bounds.
pub const BOUNDS: &[&str] = &["min_quality", "max_cost_usd", "max_latency_ms", "allow", "deny"];

const HOUR_MS: u64 = 3_600_000;

pub(super) fn read(policy: &Object<'_>) -> Option<Bounds> {
    let Some(item) = policy.member("constraints") else { return Some(Bounds::default()) };
    let object = item.object(BOUNDS)?;
    let patterns = |item: &Item<'_>| -> Vec<Pattern> {
        let list: Vec<Pattern> = item.texts().iter().map(|text| Pattern::parse(text)).collect();
        if list.is_empty() {
            item.problem("must name at least one model; leave the member out for no bound");
        }
        list
    };
    Some(Bounds {
        min_quality_micro: match object.member("min_quality") {
            Some(v) => Some(micro(v.number(0.0, 1.0)?)),
            None => None,
        },
        max_cost_picousd: match object.member("max_cost_usd") {
            Some(v) => Some(picousd(v.number(1e-12, 1e4)?)),
            None => None,
        },
        max_latency_ms: match object.member("max_latency_ms") {
            Some(v) => Some(v.count(1, HOUR_MS)?),
            None => None,
        },
        allow: object.member("allow").map(|v| patterns(&v)),
        deny: object.member("deny").map(|v| patterns(&v)).unwrap_or_default(),
    })
}
