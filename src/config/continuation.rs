//! What a policy says of answers that break after some of them went out (DESIGN §5 "After commit").

use serde::{Deserialize, Serialize};

use super::choice::picousd;
use crate::document::Object;

/// What to do when a stream breaks after content went out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Continuation {
    /// Whatever is safe.
    #[default]
    Auto,
    /// Report the break.
    Off,
    /// Ask again and suppress what was delivered.
    Restart,
    /// Have the target go on.
    Prefill,
}

/// How broken answers are gone on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContinuationPolicy {
    /// What is done where the caller does not say.
    pub mode: Continuation,
    /// Most that going on may cost, as estimated, in picodollars.
    pub max_cost_picousd: u64,
    /// `auto` begins anew with any model while at most so many tokens went out.
    pub restart_tokens: u64,
}

/// A policy that says nothing: 32 tokens are soon told again (DESIGN §5), and ten cents are more than most answers cost.
impl Default for ContinuationPolicy {
    fn default() -> Self {
        Self { mode: Continuation::Auto, max_cost_picousd: 100_000_000_000, restart_tokens: 32 }
    }
}

/// Members of it.
pub const CONTINUATION: &[&str] = &["mode", "max_cost_usd", "restart_tokens"];

/// Words for [`Continuation`].
pub const CONTINUATIONS: [(&str, Continuation); 4] = [
    ("auto", Continuation::Auto),
    ("off", Continuation::Off),
    ("restart", Continuation::Restart),
    ("prefill", Continuation::Prefill),
];

pub(super) fn read(policy: &Object<'_>) -> Option<ContinuationPolicy> {
    let standard = ContinuationPolicy::default();
    let Some(item) = policy.member("continuation") else { return Some(standard) };
    let object = item.object(CONTINUATION)?;
    let max_cost = object.member("max_cost_usd").map(|v| v.number(0.0, 1e4).map(picousd));
    Some(ContinuationPolicy {
        mode: object.member("mode").map_or(Some(standard.mode), |v| v.word(&CONTINUATIONS))?,
        max_cost_picousd: max_cost.unwrap_or(Some(standard.max_cost_picousd))?,
        restart_tokens: object
            .member("restart_tokens")
            .map_or(Some(standard.restart_tokens), |v| v.count(0, 1_000_000))?,
    })
}
