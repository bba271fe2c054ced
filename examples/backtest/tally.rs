//! What changed, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use signalbox::policy::record::{Record, Summary};

use super::replay::Replayed;

/// Everything that is told of a replay.
#[derive(Default)]
pub struct Tally {
    /// All records together.
    pub all: Sides,
    /// By task, as it was used then.
    pub tasks: BTreeMap<String, Sides>,
    /// (chosen then, chosen now) → requests.
    pub moves: BTreeMap<(String, String), u64>,
    /// Requests by the model that was chosen: then, now.
    pub models: BTreeMap<String, [u64; 2]>,
    /// What now speaks against models that answered then → requests.
    pub violations: BTreeMap<String, u64>,
    differ: u64,
    shadowed: [u64; 2],
}

/// Then and now.
#[derive(Default)]
pub struct Sides {
    /// Requests.
    pub requests: u64,
    /// Of them with another choice.
    pub changed: u64,
    /// Of them with nobody to take them, now.
    pub refused: u64,
    /// Figures of the choices then and now.
    pub sides: [Figures; 2],
}

/// Sums of expectations.
#[derive(Default)]
pub struct Figures {
    /// Estimated cost in picodollars.
    pub cost_picousd: u128,
    /// Sum of quality, in millionths.
    pub quality_micro: i128,
    /// How many had somebody to take them.
    pub chosen: u64,
    /// Expected milliseconds, each.
    pub latency_ms: Vec<u64>,
}

impl Figures {
    fn add(&mut self, decided: &Summary) {
        if decided.chosen.is_some() {
            self.chosen += 1;
            self.cost_picousd += u128::from(decided.cost_picousd.unwrap_or(0));
            self.quality_micro += i128::from(decided.quality_micro.unwrap_or(0));
            self.latency_ms.extend(decided.latency_ms);
        }
    }

    /// Dollars in all.
    #[allow(clippy::cast_precision_loss)]
    pub fn dollars(&self) -> f64 {
        self.cost_picousd as f64 / 1e12
    }

    /// Mean quality.
    #[allow(clippy::cast_precision_loss)]
    pub fn quality(&self) -> f64 {
        self.quality_micro as f64 / 1e6 / self.chosen.max(1) as f64
    }

    /// Expected milliseconds at a share of the requests, in hundredths.
    pub fn latency(&self, hundredths: usize) -> u64 {
        let mut sorted = self.latency_ms.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len().saturating_sub(1)) * hundredths / 100).copied().unwrap_or(0)
    }
}

impl Sides {
    fn add(&mut self, then: &Summary, now: Option<&Summary>) {
        let chosen = now.and_then(|now| now.chosen.as_ref());
        self.requests += 1;
        self.changed += u64::from(then.chosen.as_ref() != chosen);
        self.refused += u64::from(chosen.is_none());
        let [before, after] = &mut self.sides;
        before.add(then);
        if let Some(now) = now {
            after.add(now);
        }
    }

    fn line(&self, name: &str) -> String {
        let [then, now] = &self.sides;
        format!(
            "{name:<14} {:>9} {:>8} {:>8}  {:>12.6} {:>12.6}  {:>6.4} {:>6.4}  {:>6}/{:<6} {:>6}/{:<6}",
            self.requests,
            self.changed,
            self.refused,
            then.dollars(),
            now.dollars(),
            then.quality(),
            now.quality(),
            then.latency(50),
            then.latency(95),
            now.latency(50),
            now.latency(95),
        )
    }
}

impl Tally {
    /// Counts a record and what is decided of it now.
    pub fn add(&mut self, record: &Record, replayed: &Replayed) {
        let (then, now) = (&record.decided, replayed.decided.as_ref());
        self.all.add(then, now);
        self.tasks.entry(then.task.clone()).or_default().add(then, now);
        let name = |chosen: Option<&String>| chosen.cloned().unwrap_or_else(|| "(nobody)".to_owned());
        let (old, new) = (name(then.chosen.as_ref()), name(now.and_then(|now| now.chosen.as_ref())));
        for (side, model) in [&old, &new].into_iter().enumerate() {
            if let Some(count) = self.models.entry(model.clone()).or_default().get_mut(side) {
                *count += 1;
            }
        }
        if old != new {
            *self.moves.entry((old, new)).or_default() += 1;
        }
        for reason in &replayed.against {
            let word = serde_json::to_value(reason.code).ok();
            let word = word.as_ref().and_then(|word| word.as_str()).unwrap_or_default();
            *self.violations.entry(format!("{word} {}", reason.detail).trim_end().to_owned()).or_default() += 1;
        }
        self.differ += u64::from(now.map(|now| &now.digest) != Some(&then.digest));
        if let Some(shadow) = &record.shadow {
            let [shadowed, other] = &mut self.shadowed;
            *shadowed += 1;
            *other += u64::from(!shadow.same);
        }
    }

    /// Decisions that are not the same in every candidate's place, score and reasons.
    pub fn differ(&self) -> u64 {
        self.differ
    }

    /// The table.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        line(format!(
            "{:<14} {:>9} {:>8} {:>8}  {:>12} {:>12}  {:>6} {:>6}  {:^13} {:^13}",
            "task", "requests", "changed", "refused", "$ then", "$ now", "q then", "q now", "ms p50/95", "now"
        ));
        for (task, sides) in &self.tasks {
            line(sides.line(task));
        }
        line(self.all.line("all"));
        let mut moves: Vec<_> = self.moves.iter().collect();
        moves.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for ((old, new), count) in moves.iter().take(20) {
            line(format!("{count:>9} × {old} → {new}"));
        }
        if moves.len() > 20 {
            line(format!("          and {} other moves", moves.len() - 20));
        }
        for (reason, count) in &self.violations {
            line(format!("{count:>9} × the model that answered would be out: {reason}"));
        }
        let [shadowed, other] = self.shadowed;
        if shadowed > 0 {
            line(format!("{other:>9} of {shadowed} differed from their shadow policy's choice"));
        }
        out
    }
}
