//! Learns a profile from judged prompts: `npm run route:train -- MODELS.json TRAIN.jsonl PROFILE.json [--date DAY]`.
//! `npm run route:train -- --grid MODELS.json TRAIN.jsonl` compares settings by cross-validation on those rows alone.
//! The same rows give the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod route;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use route::choose::World;
use route::learn::{learn, undated, Settings, DECLARED};
use route::{metric, Pool, Row};

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
    const USAGE: &str = "usage: npm run route:train -- MODELS.json TRAIN.jsonl PROFILE.json [--date YYYY-MM-DD]\n       npm run route:train -- --grid MODELS.json TRAIN.jsonl";
    let (mut files, mut grid, mut date) = (Vec::new(), false, undated().to_owned());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--grid" => grid = true,
            "--date" => date = arguments.next().ok_or(USAGE)?,
            flag if flag.starts_with("--") => return Err(USAGE.to_owned()),
            _ => files.push(PathBuf::from(argument)),
        }
    }
    match (grid, files.as_slice()) {
        (true, [models, train]) => {
            let pool = route::read_pool(models)?;
            compare(&pool, &route::read_rows(train, &pool)?)
        }
        (false, [models, train, out]) => {
            let pool = route::read_pool(models)?;
            let rows = route::read_rows(train, &pool)?;
            let source = format!("{}, {} rows", train.file_name().unwrap_or_default().to_string_lossy(), rows.len());
            let profile = learn(&pool, &rows, DECLARED, &source, &date).to_string();
            fs::write(out, &profile).map_err(|error| format!("{}: {error}", out.display()))?;
            println!("{} rows -> {} ({} bytes)", rows.len(), out.display(), profile.len());
            Ok(())
        }
        _ => Err(USAGE.to_owned()),
    }
}

/// Five folds: every row is decided by a profile that was learned without it.
fn compare(pool: &Pool, rows: &[Row]) -> Result<(), String> {
    const FOLDS: usize = 5;
    let mut settings = vec![DECLARED];
    settings.extend([0.5, 1.0, 4.0].map(|penalty| Settings { penalty, ..DECLARED }));
    settings.extend([0.0, 0.5, 1.0].map(|smooth| Settings { smooth, ..DECLARED }));
    settings.extend([11, 12, 13].map(|bits| Settings { bits, ..DECLARED }));
    settings.extend([10.0, 20.0].map(|shrink| Settings { shrink, ..DECLARED }));
    for setting in settings {
        let mut picks = vec![Vec::new(); rows.len()];
        for fold in 0..FOLDS {
            let (held, rest): (Vec<usize>, Vec<usize>) =
                (0..rows.len()).partition(|at| fold_of(&rows[*at]) % FOLDS == fold);
            let training: Vec<Row> = rest.iter().map(|at| rows[*at].clone()).collect();
            let profile = learn(pool, &training, setting, "folds", undated());
            let held_rows: Vec<Row> = held.iter().map(|at| rows[*at].clone()).collect();
            let world = World::new(pool, &profile, &held_rows)?;
            for (at, row) in held.iter().zip(&held_rows) {
                picks[*at] = world.picks(row);
            }
        }
        let score = metric::score(rows, &picks);
        println!("{setting:?}: gain {:.4} cost@0.95 {:.4}", score.gain, score.cost_at_95.unwrap_or(f64::NAN));
    }
    Ok(())
}

/// By the id, so that the order of rows does not matter.
fn fold_of(row: &Row) -> usize {
    row.id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)))
}
