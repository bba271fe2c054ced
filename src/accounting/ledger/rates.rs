//! Requests and tokens of the last minute, second by second.

use serde::{Deserialize, Serialize};

use crate::accounting::limit::MINUTE_MS;
use crate::sorted::Map;

const SECOND_MS: u64 = 1_000;

/// What began in which second (Unix seconds): requests, tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Rates(Map<u64, (u64, u64)>);

impl Rates {
    /// Counts a grant.
    pub(super) fn add(&mut self, at_ms: u64, requests: u64, tokens: u64) {
        let (had_requests, had_tokens) = self.0.entry(at_ms / SECOND_MS).or_default();
        *had_requests = had_requests.saturating_add(requests);
        *had_tokens = had_tokens.saturating_add(tokens);
    }

    /// What a grant reserved has become what was used.
    pub(super) fn settle(&mut self, at_ms: u64, reserved: u64, used: u64) -> bool {
        let Some((_, tokens)) = self.0.get_mut(&(at_ms / SECOND_MS)) else { return false };
        *tokens = tokens.saturating_sub(reserved).saturating_add(used);
        true
    }

    /// Forgets what is older than the window.
    pub(super) fn forget(&mut self, now_ms: u64) {
        let first = now_ms.saturating_sub(MINUTE_MS) / SECOND_MS;
        self.0.forget_before(&first);
    }

    /// Requests and tokens in the window.
    pub(super) fn sums(&self) -> (u64, u64) {
        self.0
            .values()
            .fold((0, 0), |(r, t), (requests, tokens)| (r.saturating_add(*requests), t.saturating_add(*tokens)))
    }

    /// When enough has left the window for `room` more, of requests or of tokens, Unix ms.
    pub(super) fn free_at(&self, most: u64, room: u64, of: fn(&(u64, u64)) -> u64, now_ms: u64) -> u64 {
        let mut left = self.0.values().map(of).fold(0, u64::saturating_add);
        for (second, counted) in &self.0 {
            left = left.saturating_sub(of(counted));
            if left.saturating_add(room) <= most {
                return second.saturating_add(1).saturating_mul(SECOND_MS).saturating_add(MINUTE_MS);
            }
        }
        now_ms.saturating_add(MINUTE_MS)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
