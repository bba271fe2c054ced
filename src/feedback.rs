//! Scores that callers give to their own answers, and what becomes of them (ADR 0032): a bounded correction of a model's quality
//! for a task under a policy. Nothing is kept of a request so that it can be scored: whoever got an answer has its receipt, which
//! only this installation can have signed. One object has the sums and the SQL for them ([`store`]); isolates read them off the
//! request path. Read `tests` first.

pub mod store;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::Engine;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::feedback::Feedback;
use crate::hex::hex;
use crate::policy::input::Corrections;
use crate::sorted::Map;

/// The response header with an answer's receipt.
pub const RECEIPT_HEADER: &str = "x-signalbox-feedback";
/// How long an answer can be scored.
pub const RECEIPT_MS: u64 = 24 * 3_600_000;
/// The least and the most of a score, in millionths.
const ONE: i128 = 1_000_000;
/// Scores of the middle that every figure starts with: few real ones move it little.
const PRIOR: i128 = 20;

/// What a score is about: who answered what kind of task under which policy, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Unix milliseconds.
    pub at_ms: u64,
    /// The policy that chose.
    pub policy: String,
    /// The kind of task.
    pub task: String,
    /// `provider/model` that answered.
    pub model: String,
}

impl About {
    /// The receipt for a principal's request. `sign` gives a text that hangs on names and on a key of this installation.
    #[must_use]
    pub fn receipt(&self, principal: &str, request_id: &str, sign: impl Fn(&[&str]) -> String) -> String {
        let told = serde_json::to_vec(self).unwrap_or_default();
        let told = URL_SAFE_NO_PAD.encode(told);
        let signature = sign(&["feedback", principal, request_id, &told]);
        format!("{told}.{signature}")
    }

    /// Reads a receipt back; `None` where it is not one of this request and principal, or too old.
    #[must_use]
    pub fn of_receipt(
        receipt: &str,
        principal: &str,
        request_id: &str,
        now_ms: u64,
        sign: impl Fn(&[&str]) -> String,
    ) -> Option<Self> {
        let (told, signature) = receipt.split_once('.')?;
        let own = sign(&["feedback", principal, request_id, told]);
        if !crate::identity::hmac::equal(own.as_bytes(), signature.as_bytes()) {
            return None;
        }
        let about: Self = crate::json::from_slice(&URL_SAFE_NO_PAD.decode(told).ok()?).ok()?;
        (now_ms < about.at_ms.saturating_add(RECEIPT_MS)).then_some(about)
    }
}

/// A score on its way to where the sums are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Our id of the request, which is scored once.
    pub request_id: String,
    /// Who scores.
    pub principal: String,
    /// What.
    pub about: About,
    /// From 0 to a million.
    pub score_micro: u64,
    /// Scores that are taken of this principal today.
    pub most_today: u64,
}

/// What became of a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It counts.
    Taken,
    /// This request has been scored.
    Repeated,
    /// The principal has given as many as it may today.
    TooMany,
}

/// The corrections in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned {
    version: String,
    by_policy_and_task: Map<(String, String), Map<String, i64>>,
}

impl Learned {
    /// From the sums as [`store`] tells them: `[policy, task, model, count, total]` each, in order. `None` = they are none.
    #[must_use]
    pub fn read(sums: &str, settings: Feedback) -> Option<Self> {
        let rows: Vec<(String, String, String, u64, u64)> = crate::json::from_str(sums).ok()?;
        let digest =
            Sha256::new().chain_update(sums).chain_update(settings.max_correction_micro.to_le_bytes()).finalize();
        let mut learned = Self { version: hex(digest.get(..8).unwrap_or_default()), ..Self::default() };
        for (policy, task, model, count, total) in rows {
            let micro = correction_micro(count, total, settings.max_correction_micro);
            if micro != 0 {
                learned.by_policy_and_task.entry((policy, task)).or_default().insert(model, micro);
            }
        }
        Some(learned)
    }

    /// Those for a task under a policy; `None` = there are none.
    #[must_use]
    pub fn of(&self, policy: &str, task: &str) -> Option<Corrections> {
        let key = (policy.to_owned(), task.to_owned());
        let by_model = self.by_policy_and_task.get(&key)?.clone();
        Some(Corrections { version: self.version.clone(), policy: key.0, task: key.1, by_model })
    }
}

/// The mean score, between its middle and as many real scores as there are, stretched to the bound: `most` is reached by
/// endless praise and never passed.
fn correction_micro(count: u64, total_micro: u64, most_micro: i64) -> i64 {
    let count = i128::from(count);
    let praise = (2 * i128::from(total_micro) - count * ONE).clamp(-count * ONE, count * ONE);
    let micro = praise * i128::from(most_micro) / (ONE * (count + PRIOR));
    i64::try_from(micro).unwrap_or(0)
}

#[cfg(test)]
mod tests;
