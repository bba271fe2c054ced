//! OpenRouter, `GET /api/v1/models`: `{"data": [{"id", "pricing": {…}}]}`, dollars per token or each, as text
//! (`PublicPricing` and `PricingOverride` of its SDK). Prices by the picture have no place in our table.

use serde_json::{json, Map, Value};

use super::draft::{dollars, is_zero, Draft};

/// Their name, ours, and the power of ten between.
const PRICES: [(&str, &str, i32); 12] = [
    ("prompt", "input", 6),
    ("completion", "output", 6),
    ("internal_reasoning", "reasoning", 6),
    ("input_cache_read", "cached_input", 6),
    ("input_cache_write", "cache_write_5m", 6),
    ("input_cache_write_1h", "cache_write_1h", 6),
    ("audio", "audio_input", 6),
    ("audio_output", "audio_output", 6),
    ("input_audio_cache", "cached_audio", 6),
    ("image_token", "image_input", 6),
    ("request", "request", 0),
    ("web_search", "web_search", 0),
];

/// What a model costs that is free by its name: to be told from one whose price is missing.
const FREE: &str = ":free";

fn models(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("data").and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn ids(list: &Value) -> Vec<String> {
    models(list).filter_map(|model| Some(format!("openrouter/{}", model["id"].as_str()?))).collect()
}

pub(super) fn draft(list: &Value, id: &str) -> Result<Option<Draft>, String> {
    let Some(pricing) = models(list).find(|model| model["id"] == id).and_then(|model| model.get("pricing")) else {
        return Ok(None);
    };
    // Its routers cost what they choose, which is written as −1.
    if ["prompt", "completion"].iter().any(|name| pricing[*name].as_str().is_some_and(|price| price.starts_with('-'))) {
        return Ok(None);
    }
    if pricing["discount"].as_f64().is_some_and(|discount| discount > 0.0) {
        return Err("a discount, of which it is not known whether the prices have it already".to_owned());
    }
    let mut draft = Draft::default();
    fill(&mut draft, pricing, 0)?;
    let free = |member| draft.price(member).is_none_or(|price| is_zero(price));
    if free("input") && free("output") && !id.ends_with(FREE) {
        return Ok(None);
    }
    for varied in pricing["overrides"].as_array().into_iter().flatten() {
        let above = varied["min_prompt_tokens"].as_u64().unwrap_or(0);
        if varied.get("utc_start").is_none() && varied.get("utc_days").is_none() {
            fill(&mut draft, varied, above)?;
            continue;
        }
        let mut at_hour = Draft::default();
        fill(&mut at_hour, varied, above)?;
        draft.at_hours(window(varied)?, at_hour);
    }
    Ok(Some(draft))
}

fn fill(draft: &mut Draft, pricing: &Value, above: u64) -> Result<(), String> {
    for (theirs, ours, places) in PRICES {
        let Some(price) = pricing.get(theirs).filter(|price| !price.is_null()) else { continue };
        let price = dollars(price, places)?;
        // Everything is listed, most of it at nothing: only these two are prices then.
        if !is_zero(&price) || matches!(ours, "input" | "output") {
            draft.put_above(above, ours, price);
        }
    }
    Ok(())
}

/// `HHMM` as a number, days by their names.
fn window(varied: &Value) -> Result<Map<String, Value>, String> {
    let clock = |name: &str| {
        let clock = varied[name].as_u64().unwrap_or(0);
        format!("{:02}:{:02}", clock / 100, clock % 100)
    };
    let mut window = Map::new();
    window.insert("from".to_owned(), clock("utc_start").into());
    window.insert("to".to_owned(), clock("utc_end").into());
    if let Some(days) = varied["utc_days"].as_array() {
        let short = days.iter().map(|day| day.as_str().and_then(|day| day.get(..3)));
        let short: Vec<&str> = short.collect::<Option<_>>().ok_or("a day of the week that is none")?;
        window.insert("days".to_owned(), json!(short));
    }
    Ok(window)
}
