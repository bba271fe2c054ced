//! BerriAI/litellm, `model_prices_and_context_window.json`: models by name, most with their provider before it, each with
//! dollars per token under names such as `input_cost_per_token_above_200k_tokens_batches`.

use serde_json::{json, Map, Value};

use super::draft::{dollars, is_zero, Draft};
use super::PROVIDERS;

/// Our provider and what stands before its models' names.
const PREFIXES: [(&str, &str); 12] = [
    ("openai", ""),
    ("anthropic", ""),
    ("gemini", "gemini/"),
    ("mistral", "mistral/"),
    ("deepseek", "deepseek/"),
    ("qwen", "dashscope/"),
    ("xai", "xai/"),
    ("groq", "groq/"),
    ("together", "together_ai/"),
    ("fireworks", "fireworks_ai/"),
    ("openrouter", "openrouter/"),
    ("workers-ai", "cloudflare/"),
];

const PRICES: [(&str, &str); 11] = [
    ("input_cost_per_token", "input"),
    ("output_cost_per_token", "output"),
    ("output_cost_per_reasoning_token", "reasoning"),
    ("cache_read_input_token_cost", "cached_input"),
    ("cache_creation_input_token_cost", "cache_write_5m"),
    ("input_cost_per_audio_token", "audio_input"),
    ("output_cost_per_audio_token", "audio_output"),
    ("cache_read_input_audio_token_cost", "cached_audio"),
    ("input_cost_per_image_token", "image_input"),
    ("output_cost_per_image_token", "image_output"),
    ("input_cost_per_request", "request"),
];

const SERVICES: [(&str, &str); 4] =
    [("_batches", "batch"), ("_flex", "flex"), ("_priority", "priority"), ("_fast", "fast")];

/// The hour-long caches of Anthropic, the half-day ones of OpenAI.
const LONG_LIVES: [&str; 2] = ["_above_1hr", "_above_12hr"];

pub(super) fn is_one(list: &Value) -> bool {
    list.as_object().is_some_and(|models| models.values().any(|model| model.get("litellm_provider").is_some()))
}

pub(super) fn ids(list: &Value) -> Vec<String> {
    let name = |(id, model): (&String, &Value)| {
        let provider = model["litellm_provider"].as_str()?;
        let known = |(ours, prefix): &&(&str, &str)| prefix.trim_end_matches('/') == provider || *ours == provider;
        let (ours, prefix) = PREFIXES.iter().find(known)?;
        let model = id.strip_prefix(prefix)?;
        PROVIDERS.contains(ours).then(|| format!("{ours}/{model}"))
    };
    list.as_object().into_iter().flatten().filter_map(name).collect()
}

pub(super) fn draft(list: &Value, provider: &str, id: &str) -> Result<Option<Draft>, String> {
    let Some((_, prefix)) = PREFIXES.iter().find(|(ours, _)| *ours == provider) else { return Ok(None) };
    let Some(model) = list.get(format!("{prefix}{id}")).and_then(Value::as_object) else { return Ok(None) };
    let mut draft = Draft::default();
    fill(&mut draft, model)?;
    for step in model.get("tiered_pricing").and_then(Value::as_array).into_iter().flatten() {
        // Bounds are numbers with a fraction of zero.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let above = step
            .pointer("/range/0")
            .and_then(Value::as_f64)
            .filter(|above| *above >= 0.0)
            .ok_or("a range without its start")? as u64;
        for (name, price) in step.as_object().into_iter().flatten() {
            if let Some(member) = member(name) {
                draft.put_above(above, member, dollars(price, 6)?);
            }
        }
    }
    draft.hand_tiers_on();
    if provider == "qwen" {
        thinking_is_dearer(&mut draft, model)?;
    }
    if let Some(off_peak) = model.get("off_peak_pricing").and_then(Value::as_object) {
        hours(&mut draft, off_peak)?;
    }
    if let Some(fee) = search_fee(model)? {
        // Before its third generation Google charges a request that searched, not each search.
        let by_request = provider == "gemini" && (id.starts_with("gemini-1") || id.starts_with("gemini-2"));
        draft.put(if by_request { "searched_request" } else { "web_search" }, fee);
    }
    Ok(Some(draft))
}

fn member(name: &str) -> Option<&'static str> {
    PRICES.iter().find(|(theirs, _)| *theirs == name).map(|(_, ours)| *ours)
}

fn fill(draft: &mut Draft, model: &Map<String, Value>) -> Result<(), String> {
    for (name, price) in model.iter().filter(|(_, price)| price.is_number()) {
        let service = SERVICES.iter().find(|(suffix, _)| name.ends_with(suffix));
        let name = service.map_or(name.as_str(), |(suffix, _)| name.trim_end_matches(suffix));
        let (name, above) = match name.strip_suffix("k_tokens").and_then(|rest| rest.rsplit_once("_above_")) {
            Some((name, thousands)) => (name, thousands.parse::<u64>().ok().map(|n| n.saturating_mul(1_000))),
            None => (name, Some(0)),
        };
        let long_life = LONG_LIVES.iter().find_map(|suffix| name.strip_suffix(suffix));
        let (Some(member), Some(above)) = (member(long_life.unwrap_or(name)), above) else { continue };
        let member = match (member, long_life) {
            ("cache_write_5m", Some(_)) => "cache_write_1h",
            (_, Some(_)) => continue,
            (member, None) => member,
        };
        let price = dollars(price, 6)?;
        // A write for nothing is how this list says that there is no price for it.
        if is_zero(&price) && member.starts_with("cache_write") {
            continue;
        }
        match service {
            Some((_, service)) => draft.service(service).put_above(above, member, price),
            None => draft.put_above(above, member, price),
        }
    }
    Ok(())
}

/// Qwen charges the whole answer more where the model thinks, and no table can tell the two apart by their counts: the
/// dearer price stands for both, so that a cost is an upper bound.
fn thinking_is_dearer(draft: &mut Draft, model: &Map<String, Value>) -> Result<(), String> {
    let steps = model.get("tiered_pricing").and_then(Value::as_array).into_iter().flatten();
    let flat = std::iter::once((0, model.get("output_cost_per_reasoning_token")));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let tiered = steps.map(|step| {
        (
            step.pointer("/range/0").and_then(Value::as_f64).unwrap_or(0.0) as u64,
            step.get("output_cost_per_reasoning_token"),
        )
    });
    for (above, price) in flat.chain(tiered) {
        if let Some(price) = price {
            draft.put_above(above, "output", dollars(price, 6)?);
            draft.put_above(above, "reasoning", dollars(price, 6)?);
        }
    }
    Ok(())
}

/// The list's own prices are those of the peak; the cheaper ones hold in the windows.
fn hours(draft: &mut Draft, off_peak: &Map<String, Value>) -> Result<(), String> {
    if off_peak.get("weekday_timezone").is_some_and(|zone| zone != "UTC") {
        return Ok(());
    }
    const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    for window in off_peak.get("windows").and_then(Value::as_array).into_iter().flatten() {
        let one = std::slice::from_ref(&window["hours_utc"]);
        let spans = window["hours_utc"].as_array().map_or(one, Vec::as_slice);
        let days = window["weekdays"].as_array().into_iter().flatten();
        let days = days.map(|day| day.as_u64().and_then(|day| DAYS.get(usize::try_from(day).ok()?.checked_sub(1)?)));
        let days: Vec<&&str> = days.collect::<Option<_>>().ok_or("a day of the week that is none")?;
        for span in spans {
            let (from, to) = span.as_str().and_then(|span| span.split_once('-')).ok_or("hours without from and to")?;
            let mut condition = Map::new();
            condition.insert("from".to_owned(), from.into());
            condition.insert("to".to_owned(), to.into());
            if !days.is_empty() {
                condition.insert("days".to_owned(), json!(days));
            }
            let mut cheaper = Draft::default();
            fill(&mut cheaper, off_peak)?;
            draft.at_hours(condition, cheaper);
        }
    }
    Ok(())
}

/// The dearest of the fees for a search, which may depend on how much of the web it looks at.
fn search_fee(model: &Map<String, Value>) -> Result<Option<String>, String> {
    let fees = model.get("search_context_cost_per_query").and_then(Value::as_object);
    let fees: Result<Vec<String>, String> = fees.into_iter().flatten().map(|(_, fee)| dollars(fee, 0)).collect();
    let millionths = |fee: &String| crate::catalogue::price::millionths(fee);
    Ok(fees?.into_iter().max_by_key(millionths).filter(|fee| !is_zero(fee)))
}
