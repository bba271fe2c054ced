//! The price table fetched anew when the Cron Trigger strikes (`wrangler.toml`): what is decided of it is
//! `catalogue::import::refresh`'s.

use worker::{event, Env, ScheduleContext, ScheduledEvent};

use crate::accounting::day::day_of;
use crate::catalogue::import::refresh::{
    refresh, surplus, Occasion, CONFIRMED_KEY, PIN_KEY, PRICES_KEY, VERSION_PREFIX,
};
use crate::catalogue::price::{Prices, SNAPSHOT};
use crate::edge::seam::{delete_key, get_document, list_keys, now_ms, read_keys, write_key};
use crate::edge::{binding, state};

/// How long a list may take to come.
const PATIENCE_MS: u32 = 30_000;
/// Largest list: the largest known one has some 3 MB.
const LARGEST: u32 = 16 * 1024 * 1024;

#[event(scheduled)]
async fn on_schedule(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    // What is wrong with the configuration has been logged.
    let Ok(gateway) = state::refresh(&env).await else { return };
    let Some(settings) = &gateway.config.price_refresh else { return };
    let kv = binding(&env, "CATALOGUE");
    let Some([prices, pin, confirmed]) = read_keys(&kv, [PRICES_KEY, PIN_KEY, CONFIRMED_KEY]).await else { return };
    // A table that is not valid is not in force: what is, came from elsewhere, and only the snapshot is at hand.
    let current = prices.as_deref().filter(|text| Prices::parse(text).is_ok()).unwrap_or(SNAPSHOT);
    let fetched = match get_document(&settings.url, PATIENCE_MS, LARGEST).await {
        Some((200, _, text)) => Ok(text),
        Some((status, _, _)) => Err(format!("status {status}")),
        None => Err(format!("no answer within {PATIENCE_MS} ms, or more than {LARGEST} bytes")),
    };
    let now = now_ms();
    let (writes, report) = refresh(&Occasion {
        now_ms: now,
        day: &day_of(now),
        url: &settings.url,
        format: settings.format,
        fetched: fetched.as_deref().map_err(Clone::clone),
        current,
        models: gateway.config.catalogue.models().map(|(id, _)| id.to_owned()).collect(),
        pin: pin.as_deref(),
        confirmed: confirmed.as_deref(),
    });
    for (key, value) in &writes {
        write_key(&kv, key, value).await;
    }
    if let Some(versions) = list_keys(&kv, VERSION_PREFIX).await {
        for key in surplus(versions, &report.version) {
            delete_key(&kv, &key).await;
        }
    }
    worker::console_log!("{}", serde_json::json!({ "message": "prices refreshed", "report": report }));
}
