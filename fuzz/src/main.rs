//! Fuzzing on the stable toolchain (ADR 0014): seeded mutations of a small corpus, as many as the time allows.
//!
//! `npm run fuzz -- --minutes N [--seed S] [TARGET]` gives N minutes to one target, or shared out among all. A finding is
//! written to `fuzz/findings` and repeated by `npm run fuzz -- --input FILE TARGET`. `tests/fuzz.rs` runs the same targets
//! on a fixed number of inputs.

#![allow(clippy::disallowed_methods)] // time is what bounds a run

mod corpus;
mod door;
mod mutate;
mod random;
mod targets;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use random::Random;
use targets::Target;

#[derive(Default)]
struct Options {
    minutes: f64,
    seed: u64,
    input: Option<PathBuf>,
    target: Option<String>,
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(what) => {
            eprintln!("{what}\nusage: npm run fuzz -- [--minutes N] [--seed S] [--input FILE] [TARGET]");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<Target> = targets::all()
        .into_iter()
        .filter(|target| options.target.as_ref().is_none_or(|name| *name == target.name()))
        .collect();
    if chosen.is_empty() {
        let names: Vec<String> = targets::all().into_iter().map(Target::name).collect();
        eprintln!("no such target; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    if let Some(path) = options.input {
        let input = std::fs::read(path).expect("the input can be read");
        for seed in 0..50 {
            chosen.iter().for_each(|target| target.run(&input, &mut Random::new(seed)));
        }
        println!("held");
        return ExitCode::SUCCESS;
    }
    let share = Duration::from_secs_f64(options.minutes * 60.0 / chosen.len() as f64);
    let findings: usize = chosen.into_iter().map(|target| fuzz(target, share, options.seed)).sum();
    ExitCode::from(u8::from(findings > 0))
}

fn options() -> Result<Options, String> {
    let mut options = Options { minutes: 1.0, seed: 1, ..Options::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--minutes" => options.minutes = value()?.parse().map_err(|_| "--minutes is a number")?,
            "--seed" => options.seed = value()?.parse().map_err(|_| "--seed is a whole number")?,
            "--input" => options.input = Some(value()?.into()),
            name if !name.starts_with('-') => options.target = Some(name.to_owned()),
            other => return Err(format!("what is {other}?")),
        }
    }
    Ok(options)
}

/// Runs a target for a time; the number of findings (it stops at the first).
fn fuzz(target: Target, share: Duration, seed: u64) -> usize {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let corpus = corpus::of(target, &root);
    if corpus.is_empty() {
        println!("{:<28} has no corpus: not run", target.name());
        return 0;
    }
    let began = Instant::now();
    let mut runs = 0_u64;
    std::panic::set_hook(Box::new(|_| {}));
    let found = loop {
        if began.elapsed() >= share {
            break None;
        }
        let (input, mut random) = corpus::input(target, &corpus, seed, runs);
        runs += 1;
        let held = catch_unwind(AssertUnwindSafe(|| target.run(&input, &mut random)));
        if held.is_err() {
            break Some(input);
        }
    };
    drop(std::panic::take_hook());
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{:<28} {runs:>9} runs in {seconds:>7.1} s, seed {seed}{}",
        target.name(),
        if found.is_some() { ": FOUND" } else { "" }
    );
    let Some(input) = found else { return 0 };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("findings").join(format!("{}-{runs}", target.name()));
    let _ = std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")));
    std::fs::write(&path, &input).expect("the finding can be written");
    println!("    {}", path.display());
    // Once more, aloud.
    let mut random = Random::new(seed);
    let _ = catch_unwind(AssertUnwindSafe(|| (0..50).for_each(|_| target.run(&input, &mut random))));
    1
}
