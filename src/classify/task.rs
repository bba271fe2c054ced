//! The kind of task: a linear function of a text's numbers for each kind, learned offline from phrases in many languages
//! (`data/training`, `npm run classify:train`), and a softmax over them. Integers throughout: the same guess on every target.

use std::sync::OnceLock;

use serde::Deserialize;

use super::Thinking;
use crate::catalogue::task::{DEFAULT, TASKS};
use crate::dialect::view::Needs;
use crate::hashed::{Hashed, MEASURES, ONE};

/// For each slot a weight of each kind from −7 to 7, two in a byte. In the Worker they are a file of their own, which is read
/// when the first kind is to be guessed ([`crate::ports::Platform::weights`]).
pub const WEIGHTS: &[u8] = include_bytes!("../../data/classifier/tasks.bin");
/// What the weights stand for, with date and source.
const ABOUT: &str = include_str!("../../data/classifier/tasks.json");

const KINDS: usize = TASKS.len();

/// A guess and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The kind of work; `default` = none of the others.
    pub task: &'static str,
    /// Probability, in millionths.
    pub confidence_micro: i64,
}

/// Guesses from a text's numbers and the request's shape. `weights`: [`WEIGHTS`].
#[must_use]
pub fn guess(text: &Hashed, needs: Needs, thinking: Thinking, weights: &[u8]) -> Guess {
    let mut logits = logits(text, weights);
    for (task, micro) in shape(needs, thinking) {
        if let Some(logit) = TASKS.iter().position(|name| *name == task).and_then(|at| logits.get_mut(at)) {
            *logit += micro;
        }
    }
    let most = logits.iter().copied().max().unwrap_or_default();
    let all: i64 = logits.iter().map(|logit| power_micro(most - logit)).sum();
    let task = logits.iter().position(|logit| *logit == most).and_then(|at| TASKS.get(at)).copied();
    Guess { task: task.unwrap_or(DEFAULT), confidence_micro: 1_000_000 * 1_000_000 / all.max(1) }
}

/// What the request's own fields say, in millionths of a logit. Set by hand: the phrases are texts only. Results of tools
/// outweigh any word, declared tools are a hint.
fn shape(needs: Needs, thinking: Thinking) -> [(&'static str, i64); 3] {
    let agent = match (needs.tools, needs.tool_results) {
        (_, true) => 12_000_000,
        (true, false) => 1_000_000,
        (false, false) => 0,
    };
    [
        ("agent", agent),
        ("extract", if needs.json_schema { 1_500_000 } else { 0 }),
        ("reasoning", if thinking == Thinking::High { 1_000_000 } else { 0 }),
    ]
}

fn logits(text: &Hashed, weights: &[u8]) -> [i64; KINDS] {
    let mut sums = [0_i64; KINDS];
    let (rows, _) = weights.as_chunks::<{ KINDS / 2 }>();
    for (slot, value) in &text.slots {
        let Some(row) = rows.get(usize::from(*slot)) else { continue };
        let (pairs, _) = sums.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(row) {
            let byte = byte.cast_signed();
            pair[0] += i64::from((byte << 4) >> 4) * i64::from(*value);
            pair[1] += i64::from(byte >> 4) * i64::from(*value);
        }
    }
    for (sum, about) in sums.iter_mut().zip(about()) {
        let shape: i64 = about.measures.iter().zip(&text.measures).map(|(weight, measure)| weight * measure).sum();
        *sum = about.bias + *sum * about.scale / text.length + shape / ONE;
    }
    sums
}

/// e^−x, both in millionths.
fn power_micro(x: i64) -> i64 {
    const ONE: i64 = 1_000_000;
    let halvings = x.max(0).saturating_mul(1_442_695) / ONE;
    let (whole, rest) = (halvings / ONE, halvings % ONE);
    // 2^−rest by its Taylor series; the error is below 0.2 %.
    let series = [9_618, 55_504, 240_227, 693_147].iter().fold(0, |sum, factor| (factor - sum) * rest / ONE);
    (ONE - series).checked_shr(u32::try_from(whole).unwrap_or(u32::MAX)).unwrap_or(0)
}

/// What one kind's weights stand for, in millionths.
struct About {
    scale: i64,
    bias: i64,
    measures: [i64; MEASURES],
}

fn about() -> &'static [About] {
    #[derive(Deserialize)]
    struct Document {
        tasks: Vec<Kind>,
    }
    #[derive(Deserialize)]
    struct Kind {
        scale: f64,
        bias: f64,
        measures: [f64; MEASURES],
    }
    // Compiled in and tested: numbers of a few units.
    #[allow(clippy::cast_possible_truncation)]
    fn micro(number: f64) -> i64 {
        (number * 1e6).round() as i64
    }
    static ALL: OnceLock<Vec<About>> = OnceLock::new();
    ALL.get_or_init(|| {
        let document = crate::json::from_str(ABOUT).unwrap_or(Document { tasks: Vec::new() });
        let about =
            |kind: Kind| About { scale: micro(kind.scale), bias: micro(kind.bias), measures: kind.measures.map(micro) };
        document.tasks.into_iter().map(about).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_compiled_in_is_whole_and_says_where_it_is_from() {
        let about: Value = serde_json::from_str(ABOUT).unwrap();
        let names: Vec<&str> = about["tasks"].as_array().unwrap().iter().map(|t| t["task"].as_str().unwrap()).collect();
        assert_eq!(names, TASKS);
        assert_eq!(about["features"], crate::hashed::FEATURES, "learned on another reading of texts");
        assert!(about["date"].as_str().unwrap().starts_with("20") && about["source"].is_string());
        assert_eq!(WEIGHTS.len(), (1 << crate::hashed::BITS) * KINDS / 2);
        assert_eq!(super::about().len(), KINDS);
    }

    #[test]
    fn powers_are_those_of_e() {
        for x in [0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0_f64] {
            let power = power_micro((x * 1e6) as i64);
            assert!((power as f64 / 1e6 - (-x).exp()).abs() < 0.002, "{x}: {power}");
        }
        assert_eq!(power_micro(i64::MAX / 2), 0);
    }
}
