//! pydantic/genai-prices, `prices/data.json`: an array of providers with models, whose prices are dollars per million tokens
//! (`*_mtok`) or per thousand (`*_kcount`), plain or with long-context tiers, dated or timed, and varied by service tier.
//!
//! Models are found by their id, else by the `match` clause; of those, regular expressions are not evaluated. Prices by the
//! second, character, pixel or page have no place in our table: a model that has only such is not priced.

use serde_json::{json, Map, Value};

use super::draft::{dollars, Draft};
use super::{theirs, PROVIDERS};

const NAMES: [(&str, &str); 3] = [("gemini", "google"), ("xai", "x-ai"), ("workers-ai", "cloudflare")];

/// Their name, ours, and the power of ten between.
const PRICES: [(&str, &str, i32); 16] = [
    ("input_mtok", "input", 0),
    ("output_mtok", "output", 0),
    ("output_reasoning_mtok", "reasoning", 0),
    ("cache_read_mtok", "cached_input", 0),
    ("cache_write_mtok", "cache_write_5m", 0),
    ("cache_write_5m_mtok", "cache_write_5m", 0),
    ("cache_write_1h_mtok", "cache_write_1h", 0),
    ("input_audio_mtok", "audio_input", 0),
    ("output_audio_mtok", "audio_output", 0),
    ("cache_audio_read_mtok", "cached_audio", 0),
    ("input_image_mtok", "image_input", 0),
    ("output_image_mtok", "image_output", 0),
    ("requests_kcount", "request", -3),
    ("web_searches_kcount", "web_search", -3),
    ("storage_searches_kcount", "file_search", -3),
    ("code_executions_kcount", "code_execution", -3),
];

/// What a variant applies to, and our member for it.
const SERVICES: [(&str, &str, &str); 5] = [
    ("processing", "batch", "batch"),
    ("service_tier", "flex", "flex"),
    ("service_tier", "priority", "priority"),
    ("service_tier", "fast", "fast"),
    ("speed", "fast", "fast"),
];

pub(super) fn ids(list: &Value) -> Vec<String> {
    let of = |provider: &&str| {
        let models = models(list, provider).filter_map(|model| model["id"].as_str());
        models.map(|id| format!("{provider}/{id}")).collect::<Vec<_>>()
    };
    PROVIDERS.iter().flat_map(of).collect()
}

fn models<'l>(list: &'l Value, provider: &str) -> impl Iterator<Item = &'l Value> {
    let name = theirs(&NAMES, provider).to_owned();
    let provider = list.as_array().into_iter().flatten().find(move |p| p["id"] == name.as_str());
    provider.and_then(|provider| provider["models"].as_array()).into_iter().flatten()
}

pub(super) fn draft(list: &Value, provider: &str, id: &str, day: &str) -> Result<Option<Draft>, String> {
    let by_id = models(list, provider).find(|model| model["id"] == id);
    let lower = id.to_lowercase();
    let Some(model) = by_id.or_else(|| models(list, provider).find(|model| matches(&model["match"], &lower))) else {
        return Ok(None);
    };
    // Before its third generation Google charges a request that searched, not each search.
    let by_request = provider == "gemini" && (id.starts_with("gemini-1") || id.starts_with("gemini-2"));
    let fill = |draft: &mut Draft, prices: &Value| fill(draft, prices, by_request);
    let mut draft = Draft::default();
    let steps: Vec<&Value> = match &model["prices"] {
        Value::Array(steps) => steps.iter().collect(),
        prices => {
            fill(&mut draft, prices)?;
            Vec::new()
        }
    };
    // The last step that holds counts; one without a condition, or with a day that has come, holds at every hour.
    let mut hours = Vec::new();
    let mut base = steps.first();
    for step in steps.iter().rev() {
        if step["constraint"].get("start_time").is_some() {
            hours.push(step);
        } else if has_begun(step, day) {
            base = Some(step);
            break;
        }
    }
    if let Some(step) = base {
        fill(&mut draft, &step["prices"])?;
    }
    for step in hours {
        let mut at_hour = Draft::default();
        fill(&mut at_hour, &step["prices"])?;
        draft.at_hours(window(&step["constraint"])?, at_hour);
    }
    for variant in model["price_variants"].as_array().into_iter().flatten().filter(|variant| has_begun(variant, day)) {
        let Some(when) = variant["when"].as_object().filter(|when| when.len() == 1) else { continue };
        let named = SERVICES.iter().find(|(key, word, _)| when.get(*key).is_some_and(|value| value == word));
        let Some((_, _, ours)) = named else { continue };
        let mut varied = Draft::default();
        fill(&mut varied, &variant["prices"])?;
        varied.keep_tiers_of(&draft);
        // The first of several counts.
        if draft.service(ours).price("input").is_none() {
            *draft.service(ours) = varied;
        }
    }
    Ok(Some(draft))
}

fn has_begun(step: &Value, day: &str) -> bool {
    step["constraint"].get("start_date").and_then(Value::as_str).is_none_or(|start| start <= day)
}

fn fill(draft: &mut Draft, prices: &Value, by_request: bool) -> Result<(), String> {
    for (theirs, ours, places) in PRICES {
        let ours = if ours == "web_search" && by_request { "searched_request" } else { ours };
        match &prices[theirs] {
            Value::Null => {}
            Value::Object(tiered) => {
                draft.put(ours, dollars(&tiered["base"], places)?);
                for tier in tiered["tiers"].as_array().into_iter().flatten() {
                    let start = tier["start"].as_u64().ok_or("a tier without its start")?;
                    draft.put_above(start, ours, dollars(&tier["price"], places)?);
                }
            }
            price => draft.put(ours, dollars(price, places)?),
        }
    }
    Ok(())
}

/// A daily interval; times are UTC.
fn window(constraint: &Value) -> Result<Map<String, Value>, String> {
    let time = |name: &str| {
        let text = constraint[name].as_str().unwrap_or_default();
        let utc = text.get(8..).is_some_and(|rest| matches!(rest, "" | "Z" | "+00:00"));
        text.get(..5).filter(|_| utc).map(str::to_owned).ok_or_else(|| format!("a time that is not UTC: {text}"))
    };
    let window = json!({ "from": time("start_time")?, "to": time("end_time")? });
    Ok(window.as_object().cloned().unwrap_or_default())
}

/// Whether a clause covers a name in lower case.
fn matches(clause: &Value, id: &str) -> bool {
    let all_of = |name: &str| clause.get(name).or_else(|| clause.get(format!("{name}_"))).and_then(Value::as_array);
    if let Some(any) = all_of("or") {
        return any.iter().any(|clause| matches(clause, id));
    }
    if let Some(all) = all_of("and") {
        return all.iter().all(|clause| matches(clause, id));
    }
    let text = |name: &str| clause.get(name).and_then(Value::as_str);
    text("equals").is_some_and(|text| id == text)
        || text("starts_with").is_some_and(|text| id.starts_with(text))
        || text("ends_with").is_some_and(|text| id.ends_with(text))
        || text("contains").is_some_and(|text| id.contains(text))
}
