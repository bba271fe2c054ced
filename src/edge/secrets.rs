//! What a configuration asks of the environment: vars and secrets at once, secrets of a Secrets Store when they have come.
//!
//! A store's secrets are bindings with a `get()`
//! (<https://developers.cloudflare.com/secrets-store/integrations/workers/>, read 2026-11). Reading a configuration asks for
//! values at once; so a reading notes which of these it wants, and whoever reads asks the stores for them and reads again.
//! They change without a deployment, and are asked for at each look at the configuration.

use std::cell::RefCell;

use wasm_bindgen::JsCast;
use worker::{Env, SecretStore};

use crate::config::provider::AI_BINDING;
use crate::edge::{binding, text};
use crate::sorted::Map;

thread_local! {
    /// By binding: the newest value that has come, if any has.
    static STORED: RefCell<Map<String, Option<String>>> = const { RefCell::new(Map::new()) };
}

/// A var or secret by name, and whether the AI binding is there.
pub fn known(env: &Env, name: &str) -> Option<String> {
    let bound = binding(env, name);
    if name == AI_BINDING {
        return (!bound.is_undefined() && !bound.is_null()).then(|| "bound".to_owned());
    }
    if !bound.is_object() {
        return text(env, name);
    }
    STORED.with(|stored| stored.borrow_mut().entry(name.to_owned()).or_default().clone())
}

/// Asks the stores for every secret that a reading has wanted. Whether anything has come that was not known; what does not
/// come leaves its earlier value in force.
pub async fn ask(env: &Env) -> bool {
    let wanted: Vec<String> = STORED.with(|stored| stored.borrow().keys().cloned().collect());
    let mut news = false;
    for name in wanted {
        let value = SecretStore::unchecked_from_js(binding(env, &name)).get().await;
        let Some(value) = value.ok().flatten().filter(|value| !value.is_empty()) else { continue };
        let old = STORED.with(|stored| stored.borrow_mut().insert(name, Some(value.clone())));
        news |= old.flatten() != Some(value);
    }
    news
}
