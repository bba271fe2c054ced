//! What runs begin with, and what becomes of it.

use std::path::{Path, PathBuf};

use crate::mutate;
use crate::random::Random;
use crate::targets::Target;

/// Longest input: readers are linear, more bytes only take more time.
const MOST_BYTES: usize = 40_000;

/// The input of a run, and the randomness that is left for the target. A seed and a number make a run what it is.
pub fn input(target: Target, corpus: &[Vec<u8>], seed: u64, run: u64) -> (Vec<u8>, Random) {
    let mut random = Random::new(seed.wrapping_mul(0x0100_0000_01b3).wrapping_add(run));
    let input = match usize::try_from(run).ok().and_then(|at| corpus.get(at)) {
        // First the corpus as it is.
        Some(whole) => whole.clone(),
        None => mutated(target, corpus, &mut random),
    };
    (input, random)
}

fn mutated(target: Target, corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut input = random.pick(corpus).clone();
    if !random.one_in(3) {
        input = match target {
            Target::Stream(_) | Target::Sse => mutate::events(&input, corpus, random),
            _ => mutate::json_text(&input, corpus, random).unwrap_or(input),
        };
    }
    if random.one_in(2) {
        mutate::bytes(&mut input, corpus, random);
    }
    input.truncate(MOST_BYTES);
    input
}

/// The repository's own fixtures of the target's kind, and what was found before. `root` is the repository.
pub fn of(target: Target, root: &Path) -> Vec<Vec<u8>> {
    let (folders, files): (Vec<&str>, &[&str]) = match target {
        Target::Request(dialect) => (vec![dialect.name()], &["request.json"]),
        Target::Response(dialect) => (vec![dialect.name()], &["response.json"]),
        Target::Stream(dialect) => (vec![dialect.name()], &["response.sse", "response.json"]),
        Target::Sse => (vec!["openai-chat", "openai-responses", "anthropic-messages", "gemini"], &["response.sse"]),
        Target::Json => (
            vec!["openai-chat", "openai-responses", "anthropic-messages", "gemini"],
            &["request.json", "response.json"],
        ),
        Target::Door(_) => (Vec::new(), &[]),
    };
    let folders =
        folders.into_iter().flat_map(|name| if name == "openai-chat" { vec![name, "deepseek"] } else { vec![name] });
    let mut list: Vec<Vec<u8>> = Vec::new();
    for folder in folders {
        for case in files_in(&root.join("tests/fixtures").join(folder)) {
            list.extend(files.iter().filter_map(|file| std::fs::read(case.join(file)).ok()));
        }
    }
    list.extend(
        files_in(&root.join("fuzz/corpus").join(target.name())).iter().filter_map(|path| std::fs::read(path).ok()),
    );
    list
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut list: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    list.sort();
    list
}
