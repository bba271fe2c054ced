//! What callers' scores may do to choices (ADR 0032). A configuration without the member takes none.

use super::choice::micro;
use crate::document::Item;

/// How callers' scores are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// Most that scores may move a quality figure, either way, in millionths.
    pub max_correction_micro: i64,
    /// Scores that are taken of one principal on one UTC day.
    pub per_principal_per_day: u64,
}

/// Members of `feedback`.
pub const FEEDBACK: &[&str] = &["max_correction", "per_principal_per_day"];

/// About what two neighbours of a quality table differ by: enough to change their order, not to make one of a tail the head.
const MAX_CORRECTION: f64 = 0.05;
const PER_PRINCIPAL_PER_DAY: u64 = 20;

pub(super) fn read(item: &Item<'_>) -> Option<Feedback> {
    let object = item.object(FEEDBACK)?;
    let most = object.member("max_correction").map_or(Some(MAX_CORRECTION), |v| v.number(0.0, 0.5))?;
    let each = object.member("per_principal_per_day").map_or(Some(PER_PRINCIPAL_PER_DAY), |v| v.count(1, 1_000_000))?;
    Some(Feedback { max_correction_micro: micro(most), per_principal_per_day: each })
}
