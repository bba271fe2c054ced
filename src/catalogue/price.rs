//! What tokens cost: decimal US dollars per million tokens in the document, integer picodollars per token in memory.
//!
//! One dollar per million tokens is a millionth of a dollar per token, so six decimals of the document are exactly the
//! integers here and no price is ever rounded. Turning usage into cost is `accounting`'s work. What varies the rates of a
//! model (service tiers, hours, long prompts) is completed from them while reading, so that whoever prices a request picks
//! one [`Rates`] and needs no second look. `docs/prices.md` is the operator's page. Read `tests` first.

mod hours;
mod read;

use std::sync::Arc;

use crate::dialect::tier::ServiceTier;
use crate::document::{parse, Item, Problem, Problems};
use crate::sorted::Map;

pub use hours::Hours;
pub use read::{millionths, FEES, SHAPES, TOKEN_PRICES};

/// Picodollars (10⁻¹² USD).
pub type PicoUsd = u64;

/// The table that is compiled in; the operator's replaces it whole.
pub const SNAPSHOT: &str = include_str!("../../data/prices.json");

/// The prices of one model. Rates are picodollars per token, fees picodollars each; `None` = the document does not price
/// that class apart. `accounting::cost` says what is charged in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rates {
    /// Prompt tokens at the full price.
    pub input: PicoUsd,
    /// Generated tokens.
    pub output: PicoUsd,
    /// Generated tokens that are reasoning; `None` = as `output`.
    pub reasoning: Option<PicoUsd>,
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
    /// Prompt tokens that are sound and read from a cache; `None` = as `cached_input`.
    pub cached_audio: Option<PicoUsd>,
    /// Prompt tokens that are pictures; `None` = as `input`.
    pub image_input: Option<PicoUsd>,
    /// Generated tokens that are pictures; `None` = as `output`.
    pub image_output: Option<PicoUsd>,
    /// A fixed charge per request.
    pub request: Option<PicoUsd>,
    /// A search of the web by the provider.
    pub web_search: Option<PicoUsd>,
    /// A request for which the provider searched the web, however often.
    pub searched_request: Option<PicoUsd>,
    /// A search of stored files by the provider.
    pub file_search: Option<PicoUsd>,
    /// A program run by the provider.
    pub code_execution: Option<PicoUsd>,
    /// Long-context prices, bounds rising. Above a bound the whole request is at the tier's rates: see [`Rates::at`].
    pub tiers: Vec<Tier>,
    /// Rates of other service tiers, whole.
    pub services: Vec<(ServiceTier, Rates)>,
    /// Rates of some hours, whole. The first that holds counts.
    pub hours: Vec<(Hours, Rates)>,
}

/// Rates that hold above a prompt size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Prompt tokens, cached ones included, above which (not at which) these rates hold for the whole request.
    pub above_input_tokens: u64,
    /// Whole rates: what the document leaves out has been taken from the base. Nothing varies them further.
    pub rates: Rates,
}

impl Rates {
    /// The rates for a prompt of so many tokens, cached ones included.
    #[must_use]
    pub fn at(&self, prompt_tokens: u64) -> &Rates {
        self.tiers.iter().rev().find(|tier| prompt_tokens > tier.above_input_tokens).map_or(self, |tier| &tier.rates)
    }

    /// The rates of an instant, Unix milliseconds.
    #[must_use]
    pub fn at_hour(&self, at_ms: u64) -> &Rates {
        self.hours.iter().find(|(hours, _)| hours.hold(at_ms)).map_or(self, |(_, rates)| rates)
    }

    /// The rates of a service tier; `None` where the document has none for it. What is slower and cheaper is charged as a
    /// batch is, where it has no rates of its own (OpenAI: "at Batch API rates").
    #[must_use]
    pub fn of_service(&self, service: ServiceTier) -> Option<&Rates> {
        let find = |service| self.services.iter().find(|(known, _)| *known == service).map(|(_, rates)| rates);
        match service {
            ServiceTier::Standard => Some(self),
            ServiceTier::Flex => find(service).or_else(|| find(ServiceTier::Batch)),
            _ => find(service),
        }
    }

    /// Picodollars per cached prompt token.
    #[must_use]
    pub fn cached(&self) -> PicoUsd {
        self.cached_input.unwrap_or(self.input)
    }

    /// The same rates for every request, whatever its size, hour or service tier.
    fn flat(&self) -> Self {
        Self { tiers: Vec::new(), services: Vec::new(), hours: Vec::new(), ..self.clone() }
    }
}

/// A price table, validated whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// Name of this version, recorded with every cost.
    pub version: String,
    /// Day of the import, `YYYY-MM-DD`.
    pub date: String,
    rates: Map<String, Arc<Rates>>,
    embeddings: Map<String, Arc<Rates>>,
    origins: Map<String, Origin>,
    dearest: Map<String, Arc<Rates>>,
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
        let prices = read::document(&Item::root(&document, &problems)).unwrap_or_default();
        problems.verdict(prices.with_dearest())
    }

    /// The rates of a model for vectors or for generation.
    #[must_use]
    pub fn of_purpose(&self, id: &str, embedding: bool) -> Option<&Rates> {
        self.entry(id, embedding).map(Arc::as_ref)
    }

    /// The same, to be kept for as long as a request takes.
    #[must_use]
    pub fn shared(&self, id: &str, embedding: bool) -> Option<Arc<Rates>> {
        self.entry(id, embedding).cloned()
    }

    /// The rates of an embedding model (its name says so), whose entry may leave out `output`.
    #[must_use]
    pub fn embedding(&self, id: &str) -> Option<&Rates> {
        self.of_purpose(id, true)
    }

    /// The rates of `provider/model` for generation.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&Rates> {
        self.of_purpose(id, false)
    }

    fn entry(&self, id: &str, embedding: bool) -> Option<&Arc<Rates>> {
        let vectors = || self.embeddings.get(id).filter(|_| embedding);
        self.rates.get(id).or_else(vectors)
    }

    /// Every priced id, in order of name.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// Where the prices of `provider/model` come from.
    #[must_use]
    pub fn origin(&self, id: &str) -> Option<&Origin> {
        self.origins.get(id)
    }

    /// Ids of one provider's priced models with their rates, in order of name.
    pub fn provider<'a>(&'a self, provider: &'a str) -> impl Iterator<Item = (&'a str, &'a Rates)> + 'a {
        let own = move |id: &str| id.split_once('/').is_some_and(|(name, _)| name == provider);
        self.rates.iter().filter(move |(id, _)| own(id)).map(|(id, rates)| (id.as_str(), rates.as_ref()))
    }

    /// The dearest rates among a provider's models, member by member: what an unpriced model of it is charged at where
    /// something must be charged. Long prompts and dear hours count; other service tiers do not.
    #[must_use]
    pub fn dearest(&self, provider: &str) -> Option<&Arc<Rates>> {
        self.dearest.get(provider)
    }

    fn with_dearest(mut self) -> Self {
        let mut dearest: Map<String, Rates> = Map::new();
        for (id, rates) in &self.rates {
            let provider = id.split_once('/').map_or("", |(provider, _)| provider);
            let hours = rates.hours.iter().map(|(_, rates)| rates);
            for base in std::iter::once(rates.as_ref()).chain(hours) {
                for rates in std::iter::once(base).chain(base.tiers.iter().map(|tier| &tier.rates)) {
                    match dearest.get_mut(provider) {
                        Some(known) => read::raise(known, rates),
                        None => drop(dearest.insert(provider.to_owned(), rates.flat())),
                    }
                }
            }
        }
        self.dearest = dearest.into_iter().map(|(provider, rates)| (provider, Arc::new(rates))).collect();
        self
    }
}

#[cfg(test)]
mod tests;
