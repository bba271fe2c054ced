//! Several lists → one proposal, with a report of what they disagree about.
//!
//! The first list in order that prices a model is believed, unless the operator prefers another for it. What it lacks is
//! filled from the others, but only where those agree with it on the price of input and output: half a model's prices from
//! one day and half from another would be nobody's. Every figure that two lists have and that differs is a [`Conflict`].

use serde_json::{json, Map, Value};

use super::{Entry, Format, List};
use crate::catalogue::price::Prices;
use crate::sorted::{self, Set};

/// A list and what is to be said of it.
#[derive(Debug)]
pub struct Source {
    /// The list.
    pub list: List,
    /// Its release, for people.
    pub release: String,
    /// Day of that release, `YYYY-MM-DD`.
    pub date: String,
    /// Where it is from, for people.
    pub origin: String,
}

/// What an import is to look for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// `provider/model` of every model to price.
    pub models: Set<String>,
    /// Whom to believe about some of them.
    pub preferred: sorted::Map<String, Format>,
}

/// Two lists that say different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// `provider/model`.
    pub model: String,
    /// Which price: see [`flat`].
    pub figure: String,
    /// Who is believed, and what it says.
    pub taken: (&'static str, String),
    /// Who says otherwise, and what.
    pub left: (&'static str, String),
    /// Why the one is believed.
    pub why: &'static str,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Proposal {
    /// Entries with `source` and `date`, by `provider/model`.
    pub entries: sorted::Map<String, Value>,
    /// The document's `sources`, as far as entries are from them.
    pub sources: Map<String, Value>,
    /// What the lists disagree about.
    pub conflicts: Vec<Conflict>,
    /// Prices that could not be taken, with their reason.
    pub problems: Vec<String>,
    /// Wanted models that no list prices.
    pub missing: Vec<String>,
}

/// Looks up what is wanted. `sources` in the order in which they are believed; one of a format.
#[must_use]
pub fn propose(sources: &[Source], wanted: &Wanted) -> Proposal {
    let mut proposal = Proposal::default();
    for model in &wanted.models {
        let mut offers: Vec<(&Source, Entry)> = Vec::new();
        for source in sources {
            match source.list.entry(model).and_then(|entry| valid(model, entry)) {
                Ok(Some(entry)) => offers.push((source, entry)),
                Ok(None) => {}
                Err(reason) => proposal.problems.push(format!("{model} ({}): {reason}", source.list.format.name())),
            }
        }
        let preferred = wanted.preferred.get(model);
        let why = if preferred.is_some() { "preferred for this model" } else { "first in order" };
        if let Some(at) = offers.iter().position(|(source, _)| Some(&source.list.format) == preferred) {
            offers.rotate_left(at);
        }
        let mut offers = offers.into_iter();
        let Some((believed, mut entry)) = offers.next() else {
            proposal.missing.push(model.clone());
            continue;
        };
        let name = believed.list.format.name();
        let mut names = vec![name];
        for (other, offer) in offers {
            let (ours, theirs) = (flat(&entry), flat(&offer));
            for (figure, price) in &theirs {
                if let Some(taken) = ours.get(figure).filter(|taken| *taken != price) {
                    proposal.conflicts.push(Conflict {
                        model: model.clone(),
                        figure: figure.clone(),
                        taken: (name, taken.clone()),
                        left: (other.list.format.name(), price.clone()),
                        why,
                    });
                }
            }
            if fill(&mut entry, &offer) {
                names.push(other.list.format.name());
            }
        }
        for source in sources.iter().filter(|source| names.contains(&source.list.format.name())) {
            let told = json!({ "release": source.release, "date": source.date, "origin": source.origin });
            proposal.sources.insert(source.list.format.name().to_owned(), told);
        }
        entry.insert("source".to_owned(), names.join("+").into());
        entry.insert("date".to_owned(), believed.date.as_str().into());
        proposal.entries.insert(model.clone(), entry.into());
    }
    proposal
}

/// An entry that the gateway would read; one that it would not must not keep all the others out.
fn valid(model: &str, entry: Option<Entry>) -> Result<Option<Entry>, String> {
    let Some(entry) = entry else { return Ok(None) };
    let alone = json!({ "version": "one", "prices": { model: entry } });
    match Prices::parse(&alone.to_string()) {
        Ok(_) => Ok(Some(entry)),
        Err(problems) => Err(problems.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")),
    }
}

/// Adds what `entry` lacks and `other` has, where both agree on the basic prices; whether anything came.
fn fill(entry: &mut Entry, other: &Entry) -> bool {
    if entry.get("input") != other.get("input") || entry.get("output") != other.get("output") {
        return false;
    }
    let mut came = false;
    for (member, value) in other {
        match entry.get_mut(member) {
            // Without long-context prices there are none: that says something, where a missing price says nothing.
            None if value.is_array() => {}
            None => {
                entry.insert(member.clone(), value.clone());
                came = true;
            }
            Some(Value::Object(ours)) => {
                if let Value::Object(theirs) = value {
                    came |= fill(ours, theirs);
                }
            }
            Some(_) => {}
        }
    }
    came
}

/// The prices of an entry by their place: `input`, `batch.input`, `>200000.input`, `01:00-04:00 mon,tue.input`.
#[must_use]
pub fn flat(entry: &Entry) -> sorted::Map<String, String> {
    let mut prices = sorted::Map::new();
    collect(entry, "", &mut prices);
    prices
}

fn collect(entry: &Entry, before: &str, prices: &mut sorted::Map<String, String>) {
    for (member, value) in entry {
        match value {
            Value::String(price) if !matches!(member.as_str(), "source" | "date" | "from" | "to") => {
                prices.insert(format!("{before}{member}"), price.clone());
            }
            Value::Object(inner) => collect(inner, &format!("{before}{member}."), prices),
            Value::Array(list) => {
                for inner in list.iter().filter_map(Value::as_object) {
                    collect(inner, &format!("{before}{}.", condition(inner)), prices);
                }
            }
            _ => {}
        }
    }
}

/// When a tier or an hour holds, in a few characters.
fn condition(inner: &Entry) -> String {
    let text = |name: &str| inner.get(name).and_then(Value::as_str).unwrap_or_default();
    if let Some(above) = inner.get("above_input_tokens") {
        return format!(">{above}");
    }
    let days = inner.get("days").and_then(Value::as_array);
    let days: Vec<&str> = days.into_iter().flatten().filter_map(Value::as_str).collect();
    format!("{}-{} {}", text("from"), text("to"), days.join(",")).trim_end().to_owned()
}
