//! The table of fields (`data/fields`) tells the truth: every row is tried out against the code. A request that carries the
//! row's sample is translated for each target; what is reported and what stands in the body must be what the row claims.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod accents;
mod answers;
mod clients;
mod embeddings;
mod place;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod table;
mod whole_path;

use serde_json::Value;

use signalbox::dialect::canonical::{Disposition, Loss};
use signalbox::dialect::{Dialect, Encoded};
use table::{Claim, Column, Row, Table};

/// What became of a row's sample at a target.
#[derive(Debug)]
pub struct Outcome {
    /// Losses that the request without the sample does not have; where there are none, those of the field itself.
    losses: Vec<Loss>,
    /// The former alone.
    new: Vec<Loss>,
    /// The body with the sample, as text.
    body: String,
    /// Whether it differs from the body without.
    changed: bool,
}

fn translate(dialect: Dialect, request: &Value, column: &Column, stream: bool) -> Result<Encoded, String> {
    let mut decoded = dialect.decode_request(request.to_string().as_bytes()).map_err(|error| error.message)?;
    decoded.stream |= stream;
    Ok(column.dialect.encode_request(&decoded, &column.target()))
}

fn outcome(table: &Table, row: &Row, sample: &Value, column: &Column, stream: bool) -> Result<Outcome, String> {
    compare(row, sample, &table.base(row), |request| translate(table.dialect, request, column, stream))
}

/// What a sample changes in a translation.
fn compare(
    row: &Row,
    sample: &Value,
    base: &Value,
    translated: impl Fn(&Value) -> Result<Encoded, String>,
) -> Result<Outcome, String> {
    let mut request = base.clone();
    place::put(&mut request, row.place(), sample.clone());
    let without = translated(base).map_err(|error| format!("the base is refused: {error}"))?;
    let with = translated(&request).map_err(|error| format!("the sample is refused: {error}"))?;
    // Where the smallest request has the field already, the loss of that counts.
    let is_about = |loss: &Loss| place::concerns(&loss.field, &row.field, &row.told_as);
    let (new, old): (Vec<Loss>, Vec<Loss>) = with.losses.into_iter().partition(|loss| !without.losses.contains(loss));
    let losses = if new.is_empty() { old.into_iter().filter(is_about).collect() } else { new.clone() };
    let changed = with.body != without.body || request == *base || row.default.contains(sample);
    Ok(Outcome { losses, new, body: String::from_utf8(with.body).unwrap(), changed })
}

/// Why a claim does not hold, if it does not.
fn lie(row: &Row, column: &Column, claim: &Claim, seen: Result<Outcome, String>) -> Option<String> {
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return Some(error),
    };
    let told: Vec<String> =
        seen.losses.iter().map(|l| format!("{:?} {} ({})", l.disposition, l.field, l.reason)).collect();
    let worst = seen.losses.iter().map(|loss| loss.disposition).max_by_key(|d| *d as u8);
    if worst != claim.disposition {
        return Some(format!("reported: {told:?}"));
    }
    if let Some(loss) = seen.losses.iter().find(|loss| !place::concerns(&loss.field, &row.field, &row.told_as)) {
        return Some(format!("reported under another name: {}", loss.field));
    }
    match claim.disposition {
        None | Some(Disposition::Converted) if !seen.changed && !row.is_silent(column) => {
            Some("the body is the same without the field".to_owned())
        }
        None if !row.shows(&seen.body, column) => Some(format!("the sample does not show in {}", seen.body)),
        Some(Disposition::Advisory | Disposition::Unsupported) if row.leaks(&seen.body) => {
            Some(format!("left out and yet in the body: {}", seen.body))
        }
        _ => None,
    }
}

/// Prints what does not hold and fails if anything does not.
fn verdict(found: Vec<String>, checked: usize, least: usize) {
    for line in &found {
        eprintln!("{line}");
    }
    assert!(found.is_empty(), "{} of {checked} claims do not hold", found.len());
    assert!(checked >= least, "only {checked} claims were looked at");
    eprintln!("{checked} claims hold");
}

#[test]
fn every_row_says_what_the_code_does() {
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for row in table.rows.iter().filter(|row| !row.is_ours) {
            for column in table.columns() {
                // Whether a stream is wanted is a row of its own.
                for stream in [false, true].into_iter().filter(|stream| !(*stream && row.field == "stream")) {
                    let seen = outcome(&table, row, &row.sample, column, stream);
                    let claim = if stream { row.stream_claim(column) } else { row.claim(column) };
                    let Some(claim) = claim else {
                        found.push(format!("{} {} → {}: no verdict, {seen:?}", table.name, row.field, column.name));
                        continue;
                    };
                    checked += 1;
                    if let Some(why) = lie(row, column, &claim, seen) {
                        let how = if stream { " (stream)" } else { "" };
                        found.push(format!(
                            "{} {} → {}{how}: claims {}, {why}",
                            table.name, row.field, column.name, claim.text
                        ));
                    }
                }
            }
        }
    }
    verdict(found, checked, 10_000);
}

#[test]
fn a_field_at_its_default_is_exact_everywhere() {
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for row in &table.rows {
            for default in &row.default {
                for column in table.columns() {
                    checked += 1;
                    match outcome(&table, row, default, column, false) {
                        Ok(seen) if seen.new.is_empty() => {}
                        other => {
                            found
                                .push(format!("{} {} = {default} → {}: {other:?}", table.name, row.field, column.name));
                        }
                    }
                }
            }
        }
    }
    verdict(found, checked, 100);
}

#[test]
fn an_unknown_member_of_any_object_is_told_wherever_it_stands() {
    const NAME: &str = "a_field_of_tomorrow";
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        let mut tried: Vec<String> = Vec::new();
        for row in table.rows.iter().filter(|row| !row.is_ours && !row.field.ends_with(".**")) {
            let place = match row.place().rsplit_once('.') {
                Some((above, _)) => format!("{above}.{NAME}"),
                None => NAME.to_owned(),
            };
            // What comes back under our own name is ours to read.
            if tried.contains(&place) || place.contains(".signalbox.") {
                continue;
            }
            let mut request = table.base(row);
            place::put(&mut request, row.place(), row.sample.clone());
            place::put(&mut request, &place, Value::from("x"));
            for column in table.columns() {
                checked += 1;
                // A body that is wrong in the decoder's eyes has been told of by a 400.
                let Ok(encoded) = translate(table.dialect, &request, column, false) else { continue };
                if !encoded
                    .losses
                    .iter()
                    .any(|loss| loss.field.ends_with(NAME) || place::concerns(&loss.field, &place, &row.told_as))
                {
                    found.push(format!("{} {place} → {}: lost in silence", table.name, column.name));
                }
            }
            tried.push(place);
        }
    }
    verdict(found, checked, 100);
}
