//! `npm run backtest -- --policy FILE [--prices FILE] [--html FILE] [--exact] RECORDS...`: decides recorded requests again under
//! another configuration, with the gateway's own code, and tells what would change (docs/backtest.md). `-` reads standard input.
//! Exit code 0 = told, 1 = `--exact` and a decision differs, 2 = cannot be read.

mod page;
mod replay;
mod tally;

use std::io::Read;
use std::process::ExitCode;
use std::time::Instant;

use replay::World;
use tally::Tally;

#[allow(clippy::disallowed_methods)] // it tells how long it took
fn main() -> ExitCode {
    let began = Instant::now();
    let outcome = Arguments::read().and_then(|arguments| run(&arguments, began));
    outcome.unwrap_or_else(|why| {
        eprintln!("{why}");
        ExitCode::from(2)
    })
}

#[derive(Default)]
struct Arguments {
    policies: Vec<String>,
    prices: Option<String>,
    html: Option<String>,
    exact: bool,
    records: Vec<String>,
}

impl Arguments {
    fn read() -> Result<Self, String> {
        let mut read = Self::default();
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a file"));
            match word.as_str() {
                "--policy" => read.policies.push(value()?),
                "--prices" => read.prices = Some(value()?),
                "--html" => read.html = Some(value()?),
                "--exact" => read.exact = true,
                flag if flag.starts_with("--") => return Err(format!("{flag} is not known here")),
                file => read.records.push(file.to_owned()),
            }
        }
        if read.records.is_empty() {
            return Err("usage: backtest --policy FILE [--prices FILE] [--html FILE] [--exact] RECORDS...".to_owned());
        }
        Ok(read)
    }
}

fn run(arguments: &Arguments, began: Instant) -> Result<ExitCode, String> {
    let mut text = String::new();
    for file in &arguments.records {
        text.push_str(&contents(file)?);
        text.push('\n');
    }
    let (records, skipped) = replay::records(&text);
    if records.is_empty() {
        return Err("no decision records: lines whose `message` is `decision` (telemetry.decisions)".to_owned());
    }
    let overlays: Vec<String> = arguments.policies.iter().map(|file| contents(file)).collect::<Result<_, _>>()?;
    let prices = arguments.prices.as_deref().map(contents).transpose()?;
    let world = World::load(&overlays, prices.as_deref(), &records)?;
    let replayed = world.replay(&records);
    let mut tally = Tally::default();
    for (record, decided) in records.iter().zip(&replayed) {
        tally.add(record, decided);
    }
    print!("{}", tally.table());
    println!("{} records, {skipped} other lines, {:.1} s", records.len(), began.elapsed().as_secs_f64());
    if let Some(file) = &arguments.html {
        std::fs::write(file, page::html(&tally)).map_err(|error| format!("{file}: {error}"))?;
        println!("{file}: written");
    }
    let differ = tally.differ();
    if arguments.exact && differ > 0 {
        println!("{differ} decisions are not the same to the last bit");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn contents(file: &str) -> Result<String, String> {
    if file == "-" {
        let mut text = String::new();
        return std::io::stdin().read_to_string(&mut text).map(|_| text).map_err(|error| format!("-: {error}"));
    }
    std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))
}
