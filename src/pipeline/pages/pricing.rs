//! Prices for `GET /v1/models`, in OpenRouter's member names (`PublicPricing` and `PricingOverride` of its SDK), and what it
//! has no name for beside them: rates of service tiers. What the table does not price apart is absent.

use serde_json::{json, Map, Value};

use crate::accounting::money::usd;
use crate::catalogue::price::{Origin, PicoUsd, Rates};

/// US dollars per token, and each, as exact decimals, and where they come from.
pub fn of(rates: &Rates, origin: Option<&Origin>) -> Value {
    let mut page = members(rates);
    page.insert("source".to_owned(), origin.and_then(|origin| origin.source.as_deref()).into());
    page.insert("date".to_owned(), origin.and_then(|origin| origin.date.as_deref()).into());
    let long = rates.tiers.iter().map(|tier| (json!({ "min_prompt_tokens": tier.above_input_tokens }), &tier.rates));
    let hours = rates.hours.iter().flat_map(|(hours, at_hour)| {
        let window = hours.in_openrouters_words();
        let long = at_hour.tiers.iter().map({
            let window = window.clone();
            move |tier| (with(&window, "min_prompt_tokens", tier.above_input_tokens.into()), &tier.rates)
        });
        std::iter::once((window, at_hour)).chain(long)
    });
    // Of the entries that hold the last one counts, so the widest comes first.
    let overrides: Vec<Value> = long.chain(hours).map(|(condition, varied)| varies(condition, rates, varied)).collect();
    if !overrides.is_empty() {
        page.insert("overrides".to_owned(), overrides.into());
    }
    let services = rates.services.iter().map(|(service, varied)| (name_of(service), varies(json!({}), rates, varied)));
    let services: Map<String, Value> = services.collect();
    if !services.is_empty() {
        page.insert("service_tiers".to_owned(), services.into());
    }
    page.into()
}

fn with(condition: &Value, name: &str, value: Value) -> Value {
    let mut condition = condition.clone();
    if let Some(object) = condition.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
    condition
}

/// A condition with the prices that differ under it.
fn varies(mut condition: Value, base: &Rates, varied: &Rates) -> Value {
    let known = members(base);
    if let Some(object) = condition.as_object_mut() {
        object.extend(members(varied).into_iter().filter(|(name, price)| known.get(name) != Some(price)));
    }
    condition
}

fn members(rates: &Rates) -> Map<String, Value> {
    let prices: [(&str, Option<PicoUsd>); 15] = [
        ("prompt", Some(rates.input)),
        ("completion", Some(rates.output)),
        ("internal_reasoning", rates.reasoning),
        ("input_cache_read", rates.cached_input),
        ("input_cache_write", rates.cache_write_5m),
        ("input_cache_write_1h", rates.cache_write_1h),
        ("audio", rates.audio_input),
        ("audio_output", rates.audio_output),
        ("input_audio_cache", rates.cached_audio),
        ("image_token", rates.image_input),
        ("request", rates.request),
        ("web_search", rates.web_search),
        ("searched_request", rates.searched_request),
        ("file_search", rates.file_search),
        ("code_execution", rates.code_execution),
    ];
    let known = prices.into_iter().filter_map(|(name, price)| Some((name.to_owned(), usd(price?.into()).into())));
    known.collect()
}

fn name_of(service: &crate::accounting::ServiceTier) -> String {
    json!(service).as_str().unwrap_or_default().to_owned()
}
