//! What a policy says of hedging: a second candidate is asked when the first is late, and who has content first answers
//! (DESIGN §5, ADR 0019). A policy without the member does not hedge.

use super::choice::{micro, picousd};
use crate::document::Object;

/// When a candidate is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HedgeMode {
    /// Never: hedging is switched off.
    Off,
    /// Later than 95 of 100 of its answers began lately, as far as is known.
    P95,
    /// After a fixed time.
    Fixed,
}

/// How a policy hedges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HedgePolicy {
    /// When a candidate is late.
    pub mode: HedgeMode,
    /// `Fixed`: the time until the first content of a stream, or until a whole answer. `P95`: what stands in for it while
    /// nothing is known of a candidate; `None` = then nobody is asked beside it.
    pub after_ms: Option<u64>,
    /// Share of the policy's requests that may be hedged, in millionths.
    pub max_share_micro: i64,
    /// Most that the second call may cost, as estimated, in picodollars. What has no price is not called.
    pub max_cost_picousd: u64,
}

/// Members of it.
pub const HEDGE: &[&str] = &["mode", "after_ms", "max_share", "max_cost_usd"];

/// Words for [`HedgeMode`].
pub const HEDGE_MODES: [(&str, HedgeMode); 3] =
    [("off", HedgeMode::Off), ("p95", HedgeMode::P95), ("fixed", HedgeMode::Fixed)];

/// Two to five of a hundred calls buy most of what there is to gain (`routing.md` §5).
const MAX_SHARE: f64 = 0.05;
const MAX_COST_USD: f64 = 0.1;

pub(super) fn read(policy: &Object<'_>) -> Option<Option<HedgePolicy>> {
    let Some(item) = policy.member("hedge") else { return Some(None) };
    let object = item.object(HEDGE)?;
    let number = |name, standard, most| object.member(name).map_or(Some(standard), |v| v.number(0.0, most));
    let mode = object.member("mode").map_or(Some(HedgeMode::P95), |v| v.word(&HEDGE_MODES))?;
    let after_ms = match object.member("after_ms") {
        Some(item) => Some(item.count(1, 3_600_000)?),
        None => None,
    };
    if mode == HedgeMode::Fixed && after_ms.is_none() {
        item.problem("mode fixed needs after_ms");
    }
    Some(Some(HedgePolicy {
        mode,
        after_ms,
        max_share_micro: micro(number("max_share", MAX_SHARE, 1.0)?),
        max_cost_picousd: picousd(number("max_cost_usd", MAX_COST_USD, 1e4)?),
    }))
}
