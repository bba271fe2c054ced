//! The table fetched anew, by the clock: what is to be written, decided without a store and without a network.
//!
//! A list that cannot be had or read changes nothing. One that can goes through [`review`]: what it no longer prices stays,
//! what jumps is held until the operator confirms it, and the document is read whole before it takes the place of the one in
//! force, which stays under its version. A version that the operator went back to is pinned: nothing takes its place.

use serde::{Deserialize, Serialize};

use super::merge::{propose, Source, Wanted};
use super::review::{review, Change, Review};
use super::{Format, List};
use crate::catalogue::price::Prices;
use crate::sorted::{self, Set};

/// KV key of the table in force.
pub const PRICES_KEY: &str = "prices";
/// KV keys of all versions, before their names.
pub const VERSION_PREFIX: &str = "prices@";
/// KV key of the version that the operator went back to.
pub const PIN_KEY: &str = "prices.pin";
/// KV key of the latest [`Report`].
pub const REPORT_KEY: &str = "prices.refresh";
/// KV key of the report whose held prices the operator agrees to.
pub const CONFIRMED_KEY: &str = "prices.confirmed";
/// Versions that are kept: with one a day, more than three months.
pub const KEPT_VERSIONS: usize = 100;
/// Models that a report lists at most under one heading.
const LISTED: usize = 50;

/// What is known when the clock strikes.
#[derive(Debug)]
pub struct Occasion<'o> {
    /// Now, Unix milliseconds.
    pub now_ms: u64,
    /// Today, `YYYY-MM-DD`.
    pub day: &'o str,
    /// Where the list is from.
    pub url: &'o str,
    /// Whose format it has.
    pub format: Format,
    /// The list, or why there is none.
    pub fetched: Result<&'o str, String>,
    /// The table in force.
    pub current: &'o str,
    /// Models to price besides those of that table.
    pub models: Set<String>,
    /// What stands under [`PIN_KEY`].
    pub pin: Option<&'o str>,
    /// What stands under [`CONFIRMED_KEY`].
    pub confirmed: Option<&'o str>,
}

/// What came of it, for the operator.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// From where.
    pub url: String,
    /// In whose format.
    pub format: String,
    /// In a word.
    pub outcome: Outcome,
    /// Version of the table in force afterwards.
    pub version: String,
    /// Why nothing changed, where something is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Prices that changed.
    pub changed: usize,
    /// Models that came in, at most 50.
    pub added: Vec<String>,
    /// Models that the list no longer prices, at most 50. They stay.
    pub kept: Vec<String>,
    /// Prices that would have changed too much. They stay until they are confirmed.
    pub held: Vec<Change>,
    /// Prices that could not be taken from the list, at most 50.
    pub refused: Vec<String>,
}

/// What came of it in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new version is in force.
    Updated,
    /// The list says what the table says, as far as it is believed.
    Unchanged,
    /// The operator went back to a version, and it stays.
    Pinned,
    /// There is no list.
    Unreachable,
    /// The list is none, or what would come of it is no valid table.
    Refused,
}

/// What to write, in order; the last but the report is what takes effect.
#[must_use]
pub fn refresh(occasion: &Occasion<'_>) -> (Vec<(String, String)>, Report) {
    let in_force = Prices::parse(occasion.current).map(|prices| prices.version).unwrap_or_default();
    let mut report = Report {
        at_ms: occasion.now_ms,
        url: occasion.url.to_owned(),
        format: occasion.format.name().to_owned(),
        outcome: Outcome::Unchanged,
        version: in_force.clone(),
        problem: None,
        changed: 0,
        added: Vec::new(),
        kept: Vec::new(),
        held: Vec::new(),
        refused: Vec::new(),
    };
    let mut writes = Vec::new();
    match attempt(occasion, &mut report) {
        Ok(Some((version, text))) => {
            report.outcome = Outcome::Updated;
            report.version.clone_from(&version);
            writes.push((format!("{VERSION_PREFIX}{in_force}"), occasion.current.to_owned()));
            writes.push((format!("{VERSION_PREFIX}{version}"), text.clone()));
            writes.push((PRICES_KEY.to_owned(), text));
        }
        Ok(None) => {}
        Err((outcome, problem)) => {
            report.outcome = outcome;
            report.problem = Some(problem);
        }
    }
    writes.push((REPORT_KEY.to_owned(), serde_json::to_string(&report).unwrap_or_default()));
    (writes, report)
}

type Refusal = (Outcome, String);

fn attempt(occasion: &Occasion<'_>, report: &mut Report) -> Result<Option<(String, String)>, Refusal> {
    if let Some(version) = occasion.pin {
        return Err((Outcome::Pinned, format!("{version} is pinned: delete the key {PIN_KEY} to go on")));
    }
    let text = occasion.fetched.as_ref().map_err(|why| (Outcome::Unreachable, why.clone()))?;
    let refused = |why: String| (Outcome::Refused, why);
    let list = List::read(occasion.format, text, occasion.day).map_err(refused)?;
    let day = occasion.day.to_owned();
    let source = Source { list, release: String::new(), date: day, origin: occasion.url.to_owned() };
    let known = Prices::parse(occasion.current).map_err(|problems| refused(told(&problems)))?;
    let models = known.ids().map(str::to_owned).chain(occasion.models.iter().cloned()).collect();
    let proposal = propose(&[source], &Wanted { models, ..Wanted::default() });
    report.refused = first(proposal.problems.clone());
    if proposal.entries.is_empty() {
        return Err(refused("the list prices none of the known models".to_owned()));
    }
    let confirmed = occasion.confirmed.and_then(|text| crate::json::from_str::<Report>(text).ok());
    let confirmed = confirmed.map(|report| report.held).unwrap_or_default();
    let review = review(occasion.current, &proposal, occasion.day, &confirmed, None);
    let Review { text, version, added, changed, held, kept } = review.map_err(|problems| refused(told(&problems)))?;
    (report.changed, report.held) = (changed.len(), held);
    (report.added, report.kept) = (first(added), first(kept));
    Ok(text.map(|text| (version, text)))
}

fn told(problems: &[crate::document::Problem]) -> String {
    first(problems.iter().map(ToString::to_string).collect()).join("; ")
}

fn first(mut list: Vec<String>) -> Vec<String> {
    list.truncate(LISTED);
    list
}

/// Of the keys of all versions those that are one too many, the oldest by name. `in_force` is not among them.
#[must_use]
pub fn surplus(mut keys: Vec<String>, in_force: &str) -> Vec<String> {
    sorted::sort_by(&mut keys, String::cmp);
    let many = keys.len().saturating_sub(KEPT_VERSIONS);
    keys.truncate(many);
    keys.retain(|key| key.strip_prefix(VERSION_PREFIX) != Some(in_force));
    keys
}
