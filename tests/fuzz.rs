//! Decoders and relays hold what they promise for a fixed number of mutated inputs: the fuzzer's own targets and corpus
//! (`fuzz/`, ADR 0014), the same inputs on every machine. `npm run fuzz` goes on from there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, dead_code, missing_docs)]

#[path = "../fuzz/src/corpus.rs"]
mod corpus;
#[path = "../fuzz/src/door.rs"]
mod door;
#[path = "../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../fuzz/src/random.rs"]
mod random;
#[path = "../fuzz/src/targets.rs"]
mod targets;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::Path;

/// Inputs of each target, its corpus among them.
const RUNS: u64 = 250;
/// The same where each run reads the whole configuration.
const RUNS_OF_CONFIG: u64 = 40;

fn runs(target: targets::Target) -> u64 {
    if target.name() == "config" {
        RUNS_OF_CONFIG
    } else {
        RUNS
    }
}

#[test]
fn no_target_finds_anything_in_its_first_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut found, mut ran) = (Vec::new(), 0);
    for target in targets::all() {
        let corpus = corpus::of(target, root);
        assert!(!corpus.is_empty(), "{} has nothing to begin with", target.name());
        for run in 0..runs(target) {
            let (input, mut random) = corpus::input(target, &corpus, 1, run);
            ran += 1;
            if catch_unwind(AssertUnwindSafe(|| target.run(&input, &mut random))).is_err() {
                found.push(format!("{} run {run}: {}", target.name(), String::from_utf8_lossy(&input)));
                break;
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert_eq!(ran, targets::all().into_iter().map(runs).sum::<u64>());
    assert_eq!(targets::all().len(), 18, "three for each dialect, the codec, the members of JSON, the door");
}

#[test]
fn a_run_is_the_same_on_every_machine() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for target in targets::all() {
        let corpus = corpus::of(target, root);
        let inputs = || (0..40).map(|run| corpus::input(target, &corpus, 7, run).0).collect::<Vec<_>>();
        assert_eq!(inputs(), inputs());
    }
}
