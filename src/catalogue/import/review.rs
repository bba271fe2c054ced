//! A proposal next to the table in force: what is new, what changes, what is too strange to be believed without a word from
//! the operator, and the document that comes of it.
//!
//! A model that a proposal no longer prices keeps its entry. A price that becomes more than [`JUMP`] times what it was, or
//! less than that part of it, is held: the model's whole entry stays until the operator confirms that very price.

use serde_json::{json, Map, Value};
use sha2::{Digest, Sha256};

use super::merge::{flat, Proposal};
use super::Entry;
use crate::catalogue::price::{millionths, Prices};
use crate::document::Problem;
use crate::hex::hex;
use crate::sorted;

/// How many times dearer, or cheaper, a price may become by itself.
pub const JUMP: u64 = 10;

/// A price that differs.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// `provider/model`.
    pub model: String,
    /// Which price: see [`flat`].
    pub figure: String,
    /// What it was; absent = it was not there.
    pub old: Option<String>,
    /// What it is to be; absent = it is no longer there.
    pub new: Option<String>,
}

/// What came of comparing.
#[derive(Debug)]
pub struct Review {
    /// The new document's text; `None` where nothing changes.
    pub text: Option<String>,
    /// Version of that document, or of the one in force.
    pub version: String,
    /// Models that come in.
    pub added: Vec<String>,
    /// Prices that change.
    pub changed: Vec<Change>,
    /// Prices that would change too much: they stay.
    pub held: Vec<Change>,
    /// Models that are no longer priced: they stay.
    pub kept: Vec<String>,
}

/// Compares. `confirmed` are changes that the operator has agreed to; `version` names the new document, which otherwise is
/// named after `day` and its content.
///
/// # Errors
/// The table in force or the new document is not valid; the operator's.
pub fn review(
    current: &str,
    proposal: &Proposal,
    day: &str,
    confirmed: &[Change],
    version: Option<&str>,
) -> Result<Review, Vec<Problem>> {
    let before = crate::document::parse(current).map_err(|problem| vec![problem])?;
    let empty = Map::new();
    let old = before.get("prices").and_then(Value::as_object).unwrap_or(&empty);
    let mut prices: sorted::Map<&str, &Value> = old.iter().map(|(id, entry)| (id.as_str(), entry)).collect();
    let (mut added, mut changed, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for (model, entry) in &proposal.entries {
        let differences = differences(model, old.get(model).and_then(Value::as_object), entry.as_object());
        let is_new = !old.contains_key(model);
        let jumps: Vec<&Change> = differences.iter().filter(|c| is_jump(c) && !confirmed.contains(c)).collect();
        if is_new {
            added.push(model.clone());
        } else if !jumps.is_empty() {
            held.extend(jumps.into_iter().cloned());
            continue;
        } else if differences.is_empty() {
            // The same prices of a later day are no new version.
            continue;
        } else {
            changed.extend(differences);
        }
        prices.insert(model, entry);
    }
    let kept = old.keys().filter(|id| !proposal.entries.contains_key(*id)).cloned().collect();
    let in_force = before.get("version").and_then(Value::as_str).unwrap_or_default().to_owned();
    if added.is_empty() && changed.is_empty() {
        return Ok(Review { text: None, version: in_force, added, changed, held, kept });
    }
    let version = version.map_or_else(|| named_after(day, &prices), str::to_owned);
    let mut sources = before.get("sources").and_then(Value::as_object).cloned().unwrap_or_default();
    sources.extend(proposal.sources.clone());
    let named = |name: &String| {
        prices.values().any(|entry| entry["source"].as_str().is_some_and(|s| s.split('+').any(|part| part == name)))
    };
    sources.retain(|name, _| named(name));
    let head =
        json!({ "version": version, "date": day, "currency": "USD", "unit": "per_million_tokens", "sources": sources });
    let text = render(&head, &prices);
    Prices::parse(&text)?;
    Ok(Review { text: Some(text), version, added, changed, held, kept })
}

fn differences(model: &str, old: Option<&Entry>, new: Option<&Entry>) -> Vec<Change> {
    let (old, new) = (old.map(flat).unwrap_or_default(), new.map(flat).unwrap_or_default());
    let figures: sorted::Set<&String> = old.keys().chain(new.keys()).collect();
    let change = |figure: &String| Change {
        model: model.to_owned(),
        figure: figure.clone(),
        old: old.get(figure).cloned(),
        new: new.get(figure).cloned(),
    };
    figures.into_iter().map(change).filter(|change| change.old != change.new).collect()
}

fn is_jump(change: &Change) -> bool {
    let price = |text: &Option<String>| text.as_deref().and_then(millionths);
    let (Some(old), Some(new)) = (price(&change.old), price(&change.new)) else { return false };
    new > old.saturating_mul(JUMP) || old > new.saturating_mul(JUMP)
}

fn named_after(day: &str, prices: &sorted::Map<&str, &Value>) -> String {
    let digest = Sha256::digest(json!(prices).to_string().as_bytes());
    format!("{day}.{}", hex(digest.get(..4).unwrap_or_default()))
}

/// One model a line, so that a difference of two tables can be read.
fn render(head: &Value, prices: &sorted::Map<&str, &Value>) -> String {
    let head = head.to_string();
    let lines: Vec<String> = prices.iter().map(|(id, entry)| format!("{}:{entry}", json!(id))).collect();
    format!("{},\"prices\":{{\n{}\n}}}}\n", head.strip_suffix('}').unwrap_or_default(), lines.join(",\n"))
}
