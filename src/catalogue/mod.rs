//! What is known of models before they are called: what they accept, how good they are said to be, what they cost.
//! Data, not code: a compiled-in snapshot, overlaid by the operator's documents. Prices are refused or taken whole.

pub mod import;
pub mod learned;
pub mod model;
pub mod price;
pub mod task;

use serde_json::Value;

use crate::document::Item;
use crate::sorted::Map;
use learned::Table;
use model::Model;

/// The catalogue that is compiled in; the `models` member of the configuration is merged over its `models`.
pub const SNAPSHOT: &str = include_str!("../../data/catalogue.json");

/// Models by `provider/model`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// Name of the compiled-in version, recorded with every decision (the configuration's own version covers the rest).
    pub version: String,
    models: Map<String, Model>,
    /// What was learned of models, by the table's name.
    pub learned: Map<String, Table>,
    /// Other full names (`provider/alias`) → `provider/model`.
    aliases: Map<String, String>,
    /// Names without provider → the full names that carry them, the provider's own name for it first written.
    bare: Map<String, Vec<String>>,
}

impl Catalogue {
    /// Reads merged models. `shipped` is the compiled-in `models` object: a list of capabilities that is the same there
    /// is complete, any other is an operator's (see [`model`]). Problems go to the item's list.
    #[must_use]
    pub fn read(version: &str, models: &Item<'_>, shipped: &Value) -> Self {
        let mut catalogue = Self { version: version.to_owned(), ..Self::default() };
        for (id, item) in models.entries() {
            if !id.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty()) {
                item.problem("a model is filed under provider/model");
            }
            let list = item.value().get("capabilities");
            let complete = list.is_some() && list == shipped.get(id).and_then(|model| model.get("capabilities"));
            if let Some(model) = model::read(&item, complete) {
                catalogue.insert(id, model);
            }
        }
        catalogue
    }

    fn insert(&mut self, id: &str, model: Model) {
        if let Some((provider, name)) = id.split_once('/') {
            for alias in &model.aliases {
                self.aliases.insert(format!("{provider}/{alias}"), id.to_owned());
            }
            for name in model.aliases.iter().map(String::as_str).chain([name]) {
                self.bare.entry(name.to_owned()).or_default().push(format!("{provider}/{name}"));
            }
        }
        self.models.insert(id.to_owned(), model);
    }

    /// The id under which a full name is filed: itself, or the id that lists it as an alias.
    #[must_use]
    pub fn id_of(&self, full_name: &str) -> Option<&str> {
        match self.models.get_key_value(full_name) {
            Some((id, _)) => Some(id),
            None => self.aliases.get(full_name).map(String::as_str),
        }
    }

    /// A model by full name or alias.
    #[must_use]
    pub fn model(&self, full_name: &str) -> Option<&Model> {
        self.models.get(self.id_of(full_name)?)
    }

    /// Full names (as `provider/bare`) of every model that goes by a bare name, in order of provider.
    #[must_use]
    pub fn bearers(&self, bare: &str) -> &[String] {
        self.bare.get(bare).map_or(&[], Vec::as_slice)
    }

    /// Every model in order of id.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Model)> {
        self.models.iter().map(|(id, model)| (id.as_str(), model))
    }

    /// Completes the models of `provider` from the models of the same name at `other`.
    pub fn inherit(&mut self, provider: &str, other: &str) {
        let of =
            |id: &str| id.split_once('/').filter(|(p, _)| *p == provider).map(|(_, name)| format!("{other}/{name}"));
        let twins: Vec<(String, Model)> =
            self.models.keys().filter_map(|id| Some((id.clone(), self.model(&of(id)?)?.clone()))).collect();
        for (id, twin) in twins {
            if let Some(model) = self.models.get_mut(&id) {
                model.inherit(&twin);
            }
        }
    }
}

#[cfg(test)]
mod tests;
