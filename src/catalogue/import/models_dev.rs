//! models.dev, `api.json`: providers by name, each with models by name, whose `cost` is dollars per million tokens
//! (`packages/core/src/schema.ts` of anomalyco/models.dev). A model that costs nothing is one of a subscription, or not known.

use serde_json::Value;

use super::draft::{dollars, is_zero, Draft};
use super::{theirs, PROVIDERS};

const NAMES: [(&str, &str); 5] = [
    ("gemini", "google"),
    ("qwen", "alibaba"),
    ("fireworks", "fireworks-ai"),
    ("together", "togetherai"),
    ("workers-ai", "cloudflare-workers-ai"),
];

const PRICES: [(&str, &str); 7] = [
    ("input", "input"),
    ("output", "output"),
    ("reasoning", "reasoning"),
    ("cache_read", "cached_input"),
    ("cache_write", "cache_write_5m"),
    ("input_audio", "audio_input"),
    ("output_audio", "audio_output"),
];

fn models<'l>(list: &'l Value, provider: &str) -> Option<&'l serde_json::Map<String, Value>> {
    list.get(theirs(&NAMES, provider))?.get("models")?.as_object()
}

pub(super) fn ids(list: &Value) -> Vec<String> {
    let of = |provider: &&str| {
        let ids = models(list, provider).into_iter().flatten();
        ids.map(|(id, _)| format!("{provider}/{id}")).collect::<Vec<_>>()
    };
    PROVIDERS.iter().flat_map(of).collect()
}

pub(super) fn draft(list: &Value, provider: &str, id: &str) -> Result<Option<Draft>, String> {
    let Some(cost) = models(list, provider).and_then(|models| models.get(id)?.get("cost")) else { return Ok(None) };
    let mut draft = Draft::default();
    fill(&mut draft, cost, 0)?;
    let free = |member| draft.price(member).is_none_or(|price| is_zero(price));
    if free("input") && free("output") {
        return Ok(None);
    }
    let tiers = cost.get("tiers").and_then(Value::as_array);
    for tier in tiers.into_iter().flatten() {
        let condition = &tier["tier"];
        if condition.get("type").is_some_and(|kind| kind != "context") {
            return Err(format!("a tier by {}", condition["type"]));
        }
        fill(&mut draft, tier, condition["size"].as_u64().ok_or("a tier without its size")?)?;
    }
    if let (None, Some(long)) = (tiers, cost.get("context_over_200k")) {
        fill(&mut draft, long, 200_000)?;
    }
    Ok(Some(draft))
}

fn fill(draft: &mut Draft, cost: &Value, above: u64) -> Result<(), String> {
    for (theirs, ours) in PRICES {
        if let Some(price) = cost.get(theirs) {
            let price = dollars(price, 0)?;
            if !(is_zero(&price) && ours.starts_with("cache_write")) {
                draft.put_above(above, ours, price);
            }
        }
    }
    Ok(())
}
