//! What tokens cost: decimal US dollars per million tokens in the document, integer picodollars per token in memory.
//!
//! One dollar per million tokens is a millionth of a dollar per token, so six decimals of the document are exactly the
//! integers here and no price is ever rounded. Turning usage into cost is `accounting`'s work. The document's own mode
//! members (`batch`, `priority`) and its tiers are completed from the rates they vary, so that whoever prices a request
//! picks one [`Rates`] and needs no second look. Read `tests` first.

use std::collections::BTreeMap;

use crate::document::{parse, Item, Object, Problem, Problems};
use crate::money::parse_usd;

/// Picodollars (10⁻¹² USD).
pub type PicoUsd = u64;

/// Dearest believable rate: 1,000,000 USD per million tokens. It keeps rate × tokens far inside an `i128`.
const MAX_RATE: PicoUsd = 1_000_000_000_000;

/// The table that is compiled in; the operator's replaces it whole.
pub const SNAPSHOT: &str = include_str!("../../data/prices.json");

/// The prices of one model. Rates are picodollars per token; `None` = the document does not price that class apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Rates {
    /// Prompt tokens at the full price.
    pub input: PicoUsd,
    /// Generated tokens, reasoning included.
    pub output: PicoUsd,
    /// Prompt tokens read from a cache; `None` = as `input`.
    pub cached_input: Option<PicoUsd>,
    /// Prompt tokens written to a 5-minute or unspecified cache; `None` = as `input`.
    pub cache_write_5m: Option<PicoUsd>,
    /// Prompt tokens written to a 1-hour or longer cache; `None` = as `cache_write_5m`.
    pub cache_write_1h: Option<PicoUsd>,
    /// Prompt tokens that are sound; `None` = as `input`.
    pub audio_input: Option<PicoUsd>,
    /// Generated tokens that are sound; `None` = as `output`.
    pub audio_output: Option<PicoUsd>,
    /// Prompt tokens that are pictures; `None` = as `input`.
    pub image_input: Option<PicoUsd>,
    /// A fixed charge per request, in picodollars (the document says dollars per request).
    pub request_picousd: Option<PicoUsd>,
    /// Long-context prices, bounds rising. Above a bound the whole request is at the tier's rates: see [`Rates::at`].
    pub tiers: Vec<Tier>,
    /// Rates of batch calls, whole.
    pub batch: Option<Box<Rates>>,
    /// Rates of the priority service tier, whole.
    pub priority: Option<Box<Rates>>,
}

/// Rates that hold above a prompt size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Tier {
    /// Prompt tokens, cached ones included, above which (not at which) these rates hold for the whole request.
    pub above_input_tokens: u64,
    /// Whole rates: what the document leaves out has been taken from the base. No tiers or modes of its own.
    pub rates: Rates,
}

impl Rates {
    /// The rates for a prompt of so many tokens, cached ones included.
    #[must_use]
    pub fn at(&self, prompt_tokens: u64) -> &Rates {
        self.tiers.iter().rev().find(|tier| prompt_tokens > tier.above_input_tokens).map_or(self, |tier| &tier.rates)
    }

    /// Picodollars per cached prompt token.
    #[must_use]
    pub fn cached(&self) -> PicoUsd {
        self.cached_input.unwrap_or(self.input)
    }
}

/// A price table, validated whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Name of this version, recorded with every cost.
    pub version: String,
    /// Day of the import, `YYYY-MM-DD`.
    pub date: String,
    rates: BTreeMap<String, Rates>,
    embeddings: BTreeMap<String, Rates>,
    origins: BTreeMap<String, Origin>,
}

/// Where a model's prices come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Key of the document's `sources`, or the operator's word.
    pub source: Option<String>,
    /// Day of that source, `YYYY-MM-DD`.
    pub date: Option<String>,
}

impl Prices {
    /// Reads a price document.
    ///
    /// # Errors
    /// Everything that is wrong with it; the operator's. A table with any bad entry is refused whole.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let document = parse(text).map_err(|problem| vec![problem])?;
        let problems = Problems::default();
        let prices = read_document(&Item::root(&document, &problems)).unwrap_or_default();
        problems.verdict(prices)
    }

    /// The rates of a model for vectors or for generation.
    #[must_use]
    pub fn of_purpose(&self, id: &str, embedding: bool) -> Option<&Rates> {
        if embedding {
            self.embedding(id)
        } else {
            self.of(id)
        }
    }

    /// The rates of an embedding model (its name says so), whose entry may leave out `output`.
    #[must_use]
    pub fn embedding(&self, id: &str) -> Option<&Rates> {
        self.rates.get(id).or_else(|| self.embeddings.get(id))
    }

    /// Every priced id, in order of name.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// The rates of `provider/model` for generation.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Rates> {
        self.rates.get(id)
    }

    /// Where the prices of `provider/model` come from.
    #[must_use]
    pub fn origin(&self, id: &str) -> Option<&Origin> {
        self.origins.get(id)
    }

    /// Ids of one provider's priced models with their rates, in order of name.
    pub fn provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = (&'a str, &'a Rates)> + 'a {
        let own = move |id: &str| id.split_once('/').is_some_and(|(name, _)| name == provider);
        self.rates.iter().filter(move |(id, _)| own(id)).map(|(id, rates)| (id.as_str(), rates))
    }

    /// The dearest rates among a provider's models, member by member: what an unpriced model of it is charged at where
    /// something must be charged. Tiers count; modes do not.
    #[must_use]
    pub fn dearest(&self, provider: &str) -> Option<Rates> {
        let flat =
            self.provider(provider).flat_map(|(_, r)| std::iter::once(r).chain(r.tiers.iter().map(|t| &t.rates)));
        flat.fold(None, |dearest: Option<Rates>, rates| {
            Some(dearest.map_or_else(|| base(rates), |d| dearer(&d, rates)))
        })
    }
}

fn base(rates: &Rates) -> Rates {
    Rates { tiers: Vec::new(), batch: None, priority: None, ..rates.clone() }
}

fn dearer(a: &Rates, b: &Rates) -> Rates {
    Rates {
        input: a.input.max(b.input),
        output: a.output.max(b.output),
        cached_input: Some(a.cached().max(b.cached())),
        cache_write_5m: a.cache_write_5m.max(b.cache_write_5m),
        cache_write_1h: a.cache_write_1h.max(b.cache_write_1h),
        audio_input: a.audio_input.max(b.audio_input),
        audio_output: a.audio_output.max(b.audio_output),
        image_input: a.image_input.max(b.image_input),
        request_picousd: a.request_picousd.max(b.request_picousd),
        tiers: Vec::new(),
        batch: None,
        priority: None,
    }
}

const DOCUMENT: &[&str] = &["version", "date", "currency", "unit", "sources", "prices"];

fn read_document(root: &Item<'_>) -> Option<Prices> {
    let document = root.object(DOCUMENT)?;
    if let Some(currency) = document.member("currency") {
        let _ = currency.word(&[("USD", ())]);
    }
    if let Some(unit) = document.member("unit") {
        let _ = unit.word(&[("per_million_tokens", ())]);
    }
    let mut prices = Prices {
        version: document.required("version").and_then(|v| v.text()).unwrap_or_default().to_owned(),
        date: document.member("date").and_then(|v| v.text()).unwrap_or_default().to_owned(),
        ..Prices::default()
    };
    for (id, entry) in document.required("prices")?.entries() {
        if !id.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()) {
            entry.problem("a price is filed under provider/model");
        }
        let embeds = EMBEDDING_NAMES.iter().any(|name| id.contains(name));
        let only_input = entry.value().get("output").is_none() && embeds;
        if let Some((rates, origin)) = read_entry(&entry, only_input) {
            let table = if only_input { &mut prices.embeddings } else { &mut prices.rates };
            table.insert(id.to_owned(), rates);
            prices.origins.insert(id.to_owned(), origin);
        }
    }
    Some(prices)
}

/// What the names of embedding models have in them.
const EMBEDDING_NAMES: [&str; 3] = ["embed", "/bge-", "/gte-"];

const ENTRY: &[&str] = &[
    "input",
    "output",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "image_input",
    "request",
    "tiers",
    "batch",
    "priority",
    "source",
    "date",
];
const MODE: &[&str] = &[
    "input",
    "output",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "image_input",
    "request",
    "tiers",
];
const TIER: &[&str] = &[
    "above_input_tokens",
    "input",
    "output",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "audio_input",
    "audio_output",
    "image_input",
    "request",
];

fn read_entry(entry: &Item<'_>, only_input: bool) -> Option<(Rates, Origin)> {
    let object = entry.object(ENTRY)?;
    let (input, output) = (object.required("input"), only_input || object.required("output").is_some());
    if input.is_none() || !output {
        return None;
    }
    let standard = read_rates(&object, &Rates::default())?;
    // A mode varies the base as it stands, without the base's own tiers: a mode that has some says so.
    let mode = |name| {
        let object = object.member(name)?.object(MODE)?;
        let rates = read_rates(&object, &standard)?;
        Some(Box::new(Rates { tiers: read_tiers(&object, &rates), ..rates }))
    };
    let text = |name| object.member(name).and_then(|v| v.text()).map(str::to_owned);
    let origin = Origin { source: text("source"), date: text("date") };
    let (batch, priority, tiers) = (mode("batch"), mode("priority"), read_tiers(&object, &standard));
    Some((Rates { tiers, batch, priority, ..standard }, origin))
}

/// Reads the rate members of an object over `standard`, which fills what is left out.
fn read_rates(object: &Object<'_>, standard: &Rates) -> Option<Rates> {
    let rate = |name: &str, standard: Option<PicoUsd>| match object.member(name) {
        Some(item) => read_decimal(&item).filter(|rate| within(&item, *rate)),
        None => standard,
    };
    Some(Rates {
        input: rate("input", Some(standard.input))?,
        output: rate("output", Some(standard.output))?,
        cached_input: rate("cached_input", standard.cached_input),
        cache_write_5m: rate("cache_write_5m", standard.cache_write_5m),
        cache_write_1h: rate("cache_write_1h", standard.cache_write_1h),
        audio_input: rate("audio_input", standard.audio_input),
        audio_output: rate("audio_output", standard.audio_output),
        image_input: rate("image_input", standard.image_input),
        request_picousd: match object.member("request") {
            // Dollars per request, not per million: six more places.
            Some(item) => {
                read_decimal(&item).and_then(|micro| micro.checked_mul(1_000_000)).filter(|rate| within(&item, *rate))
            }
            None => standard.request_picousd,
        },
        ..Rates::default()
    })
}

fn read_tiers(holder: &Object<'_>, standard: &Rates) -> Vec<Tier> {
    let mut tiers: Vec<Tier> = Vec::new();
    for item in holder.member("tiers").iter().flat_map(Item::items) {
        let Some(object) = item.object(TIER) else { continue };
        let bound = object.required("above_input_tokens").and_then(|bound| bound.count(1, u64::MAX));
        let (Some(above_input_tokens), Some(rates)) = (bound, read_rates(&object, standard)) else { continue };
        if tiers.last().is_some_and(|last| last.above_input_tokens >= above_input_tokens) {
            item.problem("the bounds of tiers must rise");
        }
        tiers.push(Tier { above_input_tokens, rates });
    }
    tiers
}

fn within(item: &Item<'_>, rate: PicoUsd) -> bool {
    let believable = rate <= MAX_RATE;
    if !believable {
        item.problem("more than 1,000,000 dollars per million tokens (or 1 dollar per request) is not believable");
    }
    believable
}

/// A plain decimal string in millionths: `"1.25"` is 1 250 000. Numbers are refused: 0.1 is not a tenth in binary.
fn read_decimal(item: &Item<'_>) -> Option<PicoUsd> {
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

#[cfg(test)]
mod tests;
