//! The price document, read strictly.

use std::sync::Arc;

use super::hours::Hours;
use super::{Origin, PicoUsd, Prices, Rates, Tier};
use crate::dialect::tier::ServiceTier;
use crate::document::{Item, Object};
use crate::money::parse_usd;

/// Dearest believable rate: 1,000,000 USD per million tokens. It keeps rate × tokens far inside an `i128`.
const MAX_RATE: PicoUsd = 1_000_000_000_000;

/// Where a member of the document stands in memory.
type Place = fn(&mut Rates) -> &mut Option<PicoUsd>;

/// Prices per million tokens that may be missing.
const BY_TOKEN: [(&str, Place); 9] = [
    ("reasoning", |r| &mut r.reasoning),
    ("cached_input", |r| &mut r.cached_input),
    ("cache_write_5m", |r| &mut r.cache_write_5m),
    ("cache_write_1h", |r| &mut r.cache_write_1h),
    ("audio_input", |r| &mut r.audio_input),
    ("audio_output", |r| &mut r.audio_output),
    ("cached_audio", |r| &mut r.cached_audio),
    ("image_input", |r| &mut r.image_input),
    ("image_output", |r| &mut r.image_output),
];

/// Prices each.
const BY_COUNT: [(&str, Place); 5] = [
    ("request", |r| &mut r.request),
    ("web_search", |r| &mut r.web_search),
    ("searched_request", |r| &mut r.searched_request),
    ("file_search", |r| &mut r.file_search),
    ("code_execution", |r| &mut r.code_execution),
];

const SERVICES: [(&str, ServiceTier); 4] = [
    ("batch", ServiceTier::Batch),
    ("flex", ServiceTier::Flex),
    ("priority", ServiceTier::Priority),
    ("fast", ServiceTier::Fast),
];

macro_rules! members {
    ($($before:literal),*; $($after:literal),*) => {
        &[
            $($before,)*
            "input", "output", "reasoning", "cached_input", "cache_write_5m", "cache_write_1h", "audio_input",
            "audio_output", "cached_audio", "image_input", "image_output", "request", "web_search", "searched_request",
            "file_search", "code_execution",
            $($after,)*
        ]
    };
}

const DOCUMENT: &[&str] = &["$schema", "version", "date", "currency", "unit", "sources", "prices"];
const ENTRY: &[&str] = members!(; "tiers", "hours", "batch", "flex", "priority", "fast", "source", "date");
const SERVICE: &[&str] = members!(; "tiers");
const HOUR: &[&str] = members!("from", "to", "days"; "tiers");
const TIER: &[&str] = members!("above_input_tokens";);

/// Members by the name of the definition in `docs/prices.schema.json` that must list the same; the empty name is the
/// document.
pub const SHAPES: [(&str, &[&str]); 5] =
    [("", DOCUMENT), ("entry", ENTRY), ("service", SERVICE), ("hour", HOUR), ("tier", TIER)];

/// Members whose unit is dollars per million tokens.
pub const TOKEN_PRICES: [&str; 11] = [
    "input",
    "output",
    "reasoning",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "cached_audio",
    "image_input",
    "image_output",
];
/// Members whose unit is dollars each.
pub const FEES: [&str; 5] = ["request", "web_search", "searched_request", "file_search", "code_execution"];

/// What the names of embedding models have in them.
const EMBEDDING_NAMES: [&str; 3] = ["embed", "/bge-", "/gte-"];

pub(super) fn document(root: &Item<'_>) -> Option<Prices> {
    let document = root.object(DOCUMENT)?;
    if let Some(currency) = document.member("currency") {
        let _ = currency.word(&[("USD", ())]);
    }
    if let Some(unit) = document.member("unit") {
        let _ = unit.word(&[("per_million_tokens", ())]);
    }
    let version = document.required("version");
    let version = version.as_ref().and_then(|item| Some((item, item.text()?)));
    if let Some((item, _)) = version.filter(|(_, name)| !is_name(name)) {
        item.problem("must be at most 64 letters, digits, dots, hyphens and underscores: keys are made of it");
    }
    let mut prices = Prices {
        version: version.map(|(_, name)| name).unwrap_or_default().to_owned(),
        date: document.member("date").and_then(|v| v.text()).unwrap_or_default().to_owned(),
        ..Prices::default()
    };
    for (id, item) in document.required("prices")?.entries() {
        if !id.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()) {
            item.problem("a price is filed under provider/model");
        }
        let embeds = EMBEDDING_NAMES.iter().any(|name| id.contains(name));
        let only_input = item.value().get("output").is_none() && embeds;
        if let Some((rates, origin)) = entry(&item, only_input) {
            let table = if only_input { &mut prices.embeddings } else { &mut prices.rates };
            table.insert(id.to_owned(), Arc::new(rates));
            prices.origins.insert(id.to_owned(), origin);
        }
    }
    Some(prices)
}

fn is_name(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn entry(item: &Item<'_>, only_input: bool) -> Option<(Rates, Origin)> {
    let object = item.object(ENTRY)?;
    let (input, output) = (object.required("input"), only_input || object.required("output").is_some());
    if input.is_none() || !output {
        return None;
    }
    let standard = rates(&object, &Rates::default())?;
    // What varies the base varies it as it stands, without the base's own long-context tiers: what has some says so.
    let varied = |object: &Object<'_>| {
        let rates = rates(object, &standard)?;
        Some(Rates { tiers: tiers(object, &rates), ..rates })
    };
    let service =
        |(name, service): &(&str, ServiceTier)| Some((*service, varied(&object.member(name)?.object(SERVICE)?)?));
    let hour = |item: Item<'_>| {
        let object = item.object(HOUR)?;
        let (hours, rates) = (Hours::read(&object), varied(&object));
        Some((hours?, rates?))
    };
    let hours: Vec<Item<'_>> = object.member("hours").map(|list| list.items()).unwrap_or_default();
    let text = |name| object.member(name).and_then(|v| v.text()).map(str::to_owned);
    let origin = Origin { source: text("source"), date: text("date") };
    let varied = Rates {
        services: SERVICES.iter().filter_map(service).collect(),
        hours: hours.into_iter().filter_map(hour).collect(),
        tiers: tiers(&object, &standard),
        ..standard.clone()
    };
    Some((varied, origin))
}

/// Reads the prices of an object over `standard`, which fills what is left out.
fn rates(object: &Object<'_>, standard: &Rates) -> Option<Rates> {
    let rate = |name: &str, standard: Option<PicoUsd>, scale: u64| match object.member(name) {
        Some(item) => decimal(&item).and_then(|n| n.checked_mul(scale)).filter(|rate| is_believable(&item, *rate)),
        None => standard,
    };
    let mut rates = standard.flat();
    rates.input = rate("input", Some(standard.input), 1)?;
    rates.output = rate("output", Some(standard.output), 1)?;
    for (name, place) in BY_TOKEN {
        let place = place(&mut rates);
        *place = rate(name, *place, 1);
    }
    for (name, place) in BY_COUNT {
        let place = place(&mut rates);
        // Dollars each, not per million: six more places.
        *place = rate(name, *place, 1_000_000);
    }
    Some(rates)
}

fn tiers(holder: &Object<'_>, standard: &Rates) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    for item in holder.member("tiers").iter().flat_map(Item::items) {
        let Some(object) = item.object(TIER) else { continue };
        let bound = object.required("above_input_tokens").and_then(|bound| bound.count(1, u64::MAX));
        let (Some(above_input_tokens), Some(rates)) = (bound, rates(&object, standard)) else { continue };
        if tiers.last().is_some_and(|last| last.above_input_tokens >= above_input_tokens) {
            item.problem("the bounds of tiers must rise");
        }
        tiers.push(Tier { above_input_tokens, rates });
    }
    tiers
}

/// Makes each member of `known` at least what it is in `other`.
pub(super) fn raise(known: &mut Rates, other: &Rates) {
    let cached = known.cached().max(other.cached());
    known.input = known.input.max(other.input);
    known.output = known.output.max(other.output);
    let mut other = other.flat();
    for (_, place) in BY_TOKEN.iter().chain(&BY_COUNT) {
        let higher = (*place(known)).max(*place(&mut other));
        *place(known) = higher;
    }
    known.cached_input = Some(cached);
}

fn is_believable(item: &Item<'_>, rate: PicoUsd) -> bool {
    let believable = rate <= MAX_RATE;
    if !believable {
        item.problem("more than 1,000,000 dollars per million tokens (or 1 dollar each) is not believable");
    }
    believable
}

/// A plain decimal string in millionths: `"1.25"` is 1 250 000. Numbers are refused: 0.1 is not a tenth in binary.
fn decimal(item: &Item<'_>) -> Option<PicoUsd> {
    let value = item.value().as_str().and_then(millionths);
    if value.is_none() {
        item.problem("must be a decimal string such as \"1.25\": not negative, at most six decimals");
    }
    value
}

/// A plain decimal in millionths: digits, then at most six decimals. No sign, no exponent.
#[must_use]
pub fn millionths(text: &str) -> Option<u64> {
    if text.split_once('.').is_some_and(|(_, fraction)| fraction.len() > 6) {
        return None;
    }
    // Dollars in picodollars are a million times too many.
    parse_usd(text).map(|pico| pico / 1_000_000)
}
