//! `npm run simulate -- --schedules N --seed S`: plays schedules of faults from a seed on, tells how fast, and shrinks the first
//! one that breaks a rule, for each rule. What a schedule is stands in `tests/schedules`.

// A test by another name, which tells how fast it is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::disallowed_methods)]

#[path = "../tests/schedules/mod.rs"]
mod schedules;
#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use schedules::schedule::Schedule;
use schedules::{Stage, Tally};

thread_local! {
    static SEED: Cell<u64> = const { Cell::new(0) };
}

fn main() -> ExitCode {
    let count = argument("--schedules").unwrap_or(100_000);
    let first = argument("--seed").unwrap_or(1);
    let talk = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        eprintln!("seed {}: a panic", SEED.get());
        talk(info);
    }));
    let mut stage = Stage::new();
    let mut findings: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut tally = Tally::default();
    let began = Instant::now();
    for seed in first..first + count {
        SEED.set(seed);
        let schedule = Schedule::draw(seed);
        let transcripts = stage.play(&schedule);
        tally.add(&schedule, &transcripts);
        if let Err(finding) = schedules::check::verdict(&schedule, &transcripts) {
            findings.entry(finding.rule).or_insert((seed, 0)).1 += 1;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{count} schedules from seed {first} in {seconds:.1} s: {:.0} per second", count as f64 / seconds);
    println!("{tally}");
    for (rule, (seed, times)) in &findings {
        SEED.set(*seed);
        let least = stage.shrink(&Schedule::draw(*seed), rule);
        let what = stage.judge(&least).err().map(|finding| finding.what).unwrap_or_default();
        println!("\nNOT KEPT, {times} times, first by seed {seed}: {rule}\n{what}\n{least:#?}");
    }
    if findings.is_empty() {
        println!("every rule was kept");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn argument(name: &str) -> Option<u64> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name)?;
    arguments.next()?.parse().ok()
}
