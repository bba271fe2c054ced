//! What was compared and what differs, held against the list of gaps that are known.

use std::collections::{BTreeMap, BTreeSet};

use signalbox::dialect::Dialect;

use crate::cases::Case;

/// Known gaps: `kind case client: reason`, one a line; `#` begins a remark.
const EXPECTED_FAILURES: &str = include_str!("expected_failures.txt");

/// So many of a hundred recorded cases may have a known gap.
const PERCENT: usize = 2;

/// The comparisons of one kind.
#[derive(Debug, Default)]
pub struct Verdict {
    compared: usize,
    failures: BTreeMap<String, Vec<String>>,
}

impl Verdict {
    /// Notes a comparison; no differences is a success.
    pub fn add(&mut self, case: &Case, client: Dialect, differences: Vec<String>) {
        self.compared += 1;
        if !differences.is_empty() {
            self.failures.entry(format!("{} {}", case.name, client.name())).or_default().extend(differences);
        }
    }

    /// Fails where anything differs.
    pub fn close_without_gaps(self, kind: &str) {
        self.failures.iter().for_each(|(pair, lines)| println!("{pair}: {lines:#?}"));
        assert!(self.failures.is_empty(), "{kind}: {} of {} differ", self.failures.len(), self.compared);
        assert!(self.compared > 0, "{kind}: nothing was compared");
    }

    /// Fails where something differs that is not known to, or where a known gap has closed.
    pub fn close(self, kind: &str) {
        let known: BTreeSet<&str> = known().filter(|gap| gap.kind == kind).map(|gap| gap.pair).collect();
        let new: Vec<&String> = self.failures.keys().filter(|pair| !known.contains(pair.as_str())).collect();
        for pair in &new {
            println!("{pair}");
            self.failures[*pair].iter().for_each(|line| println!("    {line}"));
        }
        println!("{kind}: {} compared, {} known gaps", self.compared, known.len());
        assert!(new.is_empty(), "{kind}: {} of {} differ", new.len(), self.compared);
        if self.compared > 0 {
            let closed: Vec<&&str> = known.iter().filter(|pair| !self.failures.contains_key(**pair)).collect();
            assert!(closed.is_empty(), "{kind}: these gaps have closed, take them off the list: {closed:?}");
        }
    }
}

struct Gap {
    kind: &'static str,
    pair: &'static str,
    reason: &'static str,
}

fn known() -> impl Iterator<Item = Gap> {
    let lines = EXPECTED_FAILURES.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (place, reason) = line.split_once(": ").expect("kind case client: reason");
        let (kind, pair) = place.split_once(' ').expect("kind case client: reason");
        Gap { kind, pair, reason: reason.trim() }
    })
}

#[test]
fn known_gaps_are_few_and_each_has_its_reason() {
    let gaps: Vec<Gap> = known().collect();
    assert!(gaps.iter().all(|gap| gap.reason.len() > 20), "a reason says more than that");
    let cases: BTreeSet<&str> = gaps.iter().filter_map(|gap| gap.pair.split(' ').next()).collect();
    let all = crate::cases::recordings();
    println!("known gaps: {} in {} of {} cases", gaps.len(), cases.len(), all.len());
    assert!(all.is_empty() || cases.len() * 100 <= all.len() * PERCENT, "more than {PERCENT} % of the cases");
    let unknown: Vec<&&str> = cases.iter().filter(|name| !all.iter().any(|case| case.name == **name)).collect();
    assert!(all.is_empty() || unknown.is_empty(), "no such cases: {unknown:?}");
}
