//! Public price lists → entries of our price document. Four formats of others and our own; what a format says in another
//! unit, or cannot say at all, is settled here, so that everything behind works on our document alone. [`merge`] makes one
//! document of several lists, [`review`] compares it with the one in force. Read `docs/prices.md` first, then `tests`.

mod draft;
mod genai_prices;
mod litellm;
pub mod merge;
mod models_dev;
mod openrouter;
pub mod refresh;
pub mod review;

use serde_json::{Map, Value};

use crate::document;

/// The prices of one model as they stand in a document, without source and date.
pub type Entry = Map<String, Value>;

/// Whose format a list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own document (`docs/prices.schema.json`).
    Signalbox,
    /// `prices/data.json` of pydantic/genai-prices: an array of providers.
    GenaiPrices,
    /// `model_prices_and_context_window.json` of BerriAI/litellm.
    Litellm,
    /// `https://models.dev/api.json`.
    ModelsDev,
    /// `https://openrouter.ai/api/v1/models`. It prices what OpenRouter resells, nothing else.
    Openrouter,
}

/// Words for [`Format`].
pub const FORMATS: [(&str, Format); 5] = [
    ("signalbox", Format::Signalbox),
    ("genai-prices", Format::GenaiPrices),
    ("litellm", Format::Litellm),
    ("models.dev", Format::ModelsDev),
    ("openrouter", Format::Openrouter),
];

impl Format {
    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }
}

/// A list of prices.
#[derive(Debug)]
pub struct List {
    /// Whose format it has.
    pub format: Format,
    /// Day for which prices are wanted, `YYYY-MM-DD`: those that begin later do not count yet.
    day: String,
    document: Value,
}

impl List {
    /// Reads a list.
    ///
    /// # Errors
    /// It is no JSON, or has not the outer shape of its format; whose list it is.
    pub fn read(format: Format, text: &str, day: &str) -> Result<Self, String> {
        let document = document::parse(text).map_err(|problem| problem.message)?;
        let shaped = match format {
            Format::Signalbox => document.get("prices").is_some_and(Value::is_object),
            Format::GenaiPrices => {
                document.as_array().is_some_and(|list| list.iter().any(|p| p.get("models").is_some()))
            }
            Format::Litellm => litellm::is_one(&document),
            Format::ModelsDev => document.as_object().is_some_and(|o| o.values().any(|p| p.get("models").is_some())),
            Format::Openrouter => document.get("data").is_some_and(Value::is_array),
        };
        if !shaped {
            return Err(format!("not a list in the format {}", format.name()));
        }
        Ok(Self { format, day: day.to_owned(), document })
    }

    /// What it has for `provider/model`; `None` = no price.
    ///
    /// # Errors
    /// A price that cannot be taken: negative, not finite, or of a form that is not known.
    pub fn entry(&self, id: &str) -> Result<Option<Entry>, String> {
        let Some((provider, model)) = id.split_once('/') else { return Ok(None) };
        let draft = match self.format {
            Format::Signalbox => return Ok(own(&self.document, id)),
            Format::GenaiPrices => genai_prices::draft(&self.document, provider, model, &self.day)?,
            Format::Litellm => litellm::draft(&self.document, provider, model)?,
            Format::ModelsDev => models_dev::draft(&self.document, provider, model)?,
            Format::Openrouter if provider == "openrouter" => openrouter::draft(&self.document, model)?,
            Format::Openrouter => None,
        };
        Ok(draft.and_then(draft::Draft::into_entry))
    }

    /// Every model that it may price, by our names of the providers that are compiled in.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        match self.format {
            Format::Signalbox => self
                .document
                .get("prices")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(id, _)| id.clone())
                .collect(),
            Format::GenaiPrices => genai_prices::ids(&self.document),
            Format::Litellm => litellm::ids(&self.document),
            Format::ModelsDev => models_dev::ids(&self.document),
            Format::Openrouter => openrouter::ids(&self.document),
        }
    }
}

fn own(document: &Value, id: &str) -> Option<Entry> {
    let mut entry = document.get("prices")?.get(id)?.as_object()?.clone();
    entry.remove("source");
    entry.remove("date");
    Some(entry)
}

/// A provider's name in a format; where it is not in `names`, ours.
fn theirs<'n>(names: &[(&'static str, &'static str)], provider: &'n str) -> &'n str {
    names.iter().find(|(ours, _)| *ours == provider).map_or(provider, |(_, theirs)| theirs)
}

/// Our providers, for listing what a list has.
const PROVIDERS: [&str; 12] = [
    "anthropic",
    "deepseek",
    "fireworks",
    "gemini",
    "groq",
    "mistral",
    "openai",
    "openrouter",
    "qwen",
    "together",
    "workers-ai",
    "xai",
];

#[cfg(test)]
mod tests;
