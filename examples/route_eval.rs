//! Decisions of the gateway's own code over judged prompts: `npm run route:eval -- MODELS.json ROWS.jsonl OUT.jsonl`
//! `[--quality PROFILE.json] [--config FILE]`. One line per prompt and knob, as `score.py` reads them.
//!
//! Without `--quality` the profile is learned from the training split beside the rows or the models
//! (`<pool>.train.jsonl`). `--config` writes the overlay and the prices that were used.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod route;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{json, Value};

use route::choose::{knob, policy, World, KNOBS};
use route::{learn, metric};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<String>) -> Result<(), String> {
    const USAGE: &str =
        "usage: npm run route:eval -- MODELS.json ROWS.jsonl OUT.jsonl [--quality PROFILE.json] [--config FILE]";
    let (mut files, mut quality, mut config) = (Vec::new(), None, None);
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quality" => quality = Some(arguments.next().ok_or(USAGE)?),
            "--config" => config = Some(arguments.next().ok_or(USAGE)?),
            flag if flag.starts_with("--") => return Err(USAGE.to_owned()),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    let [models, rows_file, out] = files.as_slice() else { return Err(USAGE.to_owned()) };
    let pool = route::read_pool(models)?;
    let rows = route::read_rows(rows_file, &pool)?;
    let profile = match quality {
        Some(file) => read_profile(Path::new(&file))?,
        None => learned(&pool, &rows, models, rows_file)?,
    };
    let world = World::new(&pool, &profile, &rows)?;
    let picks: Vec<Vec<usize>> = rows.iter().map(|row| world.picks(row)).collect();
    let mut text = String::new();
    for at in 0..KNOBS {
        for (row, picks) in rows.iter().zip(&picks) {
            let line = json!({"id": row.id, "knob": knob(at), "model": pool.models[picks[at]], "policy": policy(at)});
            writeln!(text, "{line}").expect("a string takes everything");
        }
    }
    fs::write(out, text).map_err(|error| format!("{}: {error}", out.display()))?;
    if let Some(file) = config {
        let both = json!({"config": world.overlay, "prices": serde_json::from_str::<Value>(&world.prices_text).unwrap_or_default()});
        fs::write(&file, both.to_string()).map_err(|error| format!("{file}: {error}"))?;
    }
    println!("{} rows, {KNOBS} settings, {} models -> {}", rows.len(), pool.models.len(), out.display());
    if rows.iter().all(|row| !row.quality.is_empty() && !row.cost.is_empty()) && !rows.is_empty() {
        let score = metric::score(&rows, &picks);
        let cost = score.cost_at_95.map_or("-".to_owned(), |cost| format!("{cost:.4}"));
        println!("gain {:.4}  cost@0.95 {cost}", score.gain);
    }
    Ok(())
}

/// A profile, or a bare configuration overlay.
fn read_profile(path: &Path) -> Result<Value, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let profile: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    if profile["config"].is_object() && profile["prices"].is_object() {
        return Ok(profile);
    }
    Err(format!("{}: a profile has the members config and prices (npm run route:train writes them)", path.display()))
}

fn learned(pool: &route::Pool, rows: &[route::Row], models: &Path, rows_file: &Path) -> Result<Value, String> {
    let train = route::sibling_train(pool, models, rows_file).ok_or_else(|| {
        format!("no {}.train.jsonl beside the rows or the models: give --quality PROFILE.json", pool.name)
    })?;
    let training = route::read_rows(&train, pool)?;
    let ids: BTreeSet<&str> = training.iter().map(|row| row.id.as_str()).collect();
    if let Some(row) = rows.iter().find(|row| ids.contains(row.id.as_str())) {
        return Err(format!("{} is in the training split: what was learned on it says nothing", row.id));
    }
    println!("learning from {} ({} rows, none of them among those to decide)", train.display(), training.len());
    let source = format!("{}, {} rows", train.file_name().unwrap_or_default().to_string_lossy(), training.len());
    Ok(learn::learn(pool, &training, learn::DECLARED, &source, learn::undated()))
}
