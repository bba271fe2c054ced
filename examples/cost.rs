//! What usages cost: `npm run cost -- [--prices FILE]… < usages.jsonl`, one JSON line out for each line in.
//!
//! A line names the model and what was used, in one of two ways:
//!
//! ```text
//! {"model": "openai/gpt-5.6-sol", "usage": {"input_tokens": 10, "output_tokens": 3, …}, "at_ms": 0}
//! {"model": "…", "dialect": "openai-chat", "answer": "the provider's JSON body or event stream"}
//! ```
//!
//! `usage` has the members that the log line, the ledger and `signalbox.attempts` have. A line with `price_version`, as rows of
//! the ledger have it, is charged by the table of that version, one of those given; without it by the last one given, else by
//! the one that is compiled in. So a past cost can be computed again from the version that it used: `prices@VERSION` in KV.
//! Where a line has `cost_picousd`, the answer says whether it is the same.
#![allow(clippy::indexing_slicing)] // members of a parsed line: one that is missing reads as null

use std::io::{BufRead, Write};
use std::process::ExitCode;

use serde_json::{json, Value};
use signalbox::accounting::{cost, Provenance};
use signalbox::catalogue::price::{Prices, SNAPSHOT};
use signalbox::dialect::canonical::Usage;
use signalbox::dialect::{Dialect, Observation};
use signalbox::sse;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut tables = vec![read(SNAPSHOT, "the compiled-in table")?];
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let file = arguments.next().filter(|_| argument == "--prices").ok_or("usage: cost [--prices FILE]…")?;
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        tables.push(read(&text, &file)?);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| error.to_string())?;
        let answer = priced(&line, &tables).unwrap_or_else(|problem| json!({ "error": problem }));
        writeln!(out, "{answer}").map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn read(text: &str, name: &str) -> Result<Prices, String> {
    Prices::parse(text).map_err(|problems| {
        format!("{name}: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })
}

fn priced(line: &str, tables: &[Prices]) -> Result<Value, String> {
    let row: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let model = row["model"].as_str().ok_or("no model")?;
    let table = match row["price_version"].as_str() {
        Some(version) => tables
            .iter()
            .rfind(|table| table.version == version)
            .ok_or_else(|| format!("no table of version {version} was given"))?,
        None => tables.last().ok_or("no table")?,
    };
    let usage = match row.get("usage") {
        Some(usage) => serde_json::from_value(usage.clone()).map_err(|error| error.to_string())?,
        None => of_answer(&row)?.ok_or("the answer counts nothing")?,
    };
    let rates = table.of(model).or_else(|| table.embedding(model));
    let cost = cost(&usage, Provenance::Reported, rates, row["at_ms"].as_u64().unwrap_or_default());
    let picousd = cost.picousd().map(|picousd| picousd.to_string());
    let same = row["cost_picousd"].as_str().map(|said| Some(said) == picousd.as_deref());
    Ok(
        json!({ "model": model, "version": table.version, "usage": usage, "cost_picousd": picousd, "cost_usd": cost.usd(), "certainty": cost.certainty(), "same": same }),
    )
}

/// The usage in what a provider sent, read as the gateway reads it in passing.
fn of_answer(row: &Value) -> Result<Option<Usage>, String> {
    let dialects = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages, Dialect::Gemini];
    let dialect = dialects.into_iter().find(|d| row["dialect"] == d.name()).ok_or("no dialect of ours")?;
    let answer = row["answer"].as_str().ok_or("neither usage nor answer")?;
    if answer.trim_start().starts_with(['{', '[']) {
        return dialect
            .observe_response(answer.as_bytes())
            .map(|seen| seen.billed())
            .map_err(|fault| format!("{fault:?}"));
    }
    let mut frames = sse::Decoder::new();
    frames.push(answer.as_bytes()).map_err(|error| format!("{error:?}"))?;
    let mut seen = Observation::default();
    while let Some(frame) = frames.next_frame() {
        // A recorded error event ends nothing here: what was counted before it stays.
        let _ = dialect.observe_event(&frame, &mut seen);
    }
    if let Some(rest) = frames.finish() {
        let _ = dialect.observe_event(&rest.frame, &mut seen);
    }
    Ok(seen.billed())
}
