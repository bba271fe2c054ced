//! Judged answers (`routing-data` format) and the product's own routing over them: what `route_train`, `route_eval` and
//! `tests/routing_data.rs` share.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod choose;
pub mod learn;
pub mod metric;
pub mod ridge;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// One prompt, what each model scored on it and what each answer cost.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: String,
    pub prompt: String,
    /// Where the prompt is from. Routing never sees it; learning may average over it.
    pub task: Option<String>,
    /// 0 to 1, in the order of the pool's models.
    pub quality: Vec<f64>,
    /// US dollars, likewise.
    pub cost: Vec<f64>,
}

/// Models that are compared.
#[derive(Debug, Clone)]
pub struct Pool {
    pub name: String,
    pub models: Vec<String>,
    /// Dollars per million tokens in and out, where the pool's file gives them.
    pub prices: Option<Vec<[f64; 2]>>,
}

/// Reads `{"pool": NAME, "models": [NAME...], "prices": {NAME: {"input": N, "output": N}}}`; `prices` may be left out.
///
/// # Errors
/// What is wrong with the file.
pub fn read_pool(path: &Path) -> Result<Pool, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let document: Value = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = document["pool"].as_str().map_or_else(|| stem(path), str::to_owned);
    let list = document["models"].as_array().ok_or_else(|| format!("{}: models is missing", path.display()))?;
    let models: Vec<String> = list.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok());
    let price = |model: &String| {
        let entry = document.get("prices")?.get(model)?;
        Some([number(entry.get("input")?)?, number(entry.get("output")?)?])
    };
    let prices: Option<Vec<[f64; 2]>> = models.iter().map(price).collect();
    if models.len() < 2 || models.len() != list.len() {
        return Err(format!("{}: models must name at least two", path.display()));
    }
    if prices.is_none() && document.get("prices").is_some() {
        return Err(format!("{}: prices must have input and output of every model", path.display()));
    }
    Ok(Pool { name, models, prices })
}

/// Reads rows. Figures may be left out where nothing is learned or scored.
///
/// # Errors
/// What is wrong with the file.
pub fn read_rows(path: &Path, pool: &Pool) -> Result<Vec<Row>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{} line {}", path.display(), at + 1);
        let row: Value = serde_json::from_str(line).map_err(|error| format!("{}: {error}", place()))?;
        let text = |name: &str| row[name].as_str().map(str::to_owned).ok_or_else(|| format!("{}: no {name}", place()));
        let figures =
            |name: &str| -> Vec<f64> { row[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect() };
        let (quality, cost) = (figures("q"), figures("c"));
        if [&quality, &cost].iter().any(|list| !list.is_empty() && list.len() != pool.models.len()) {
            return Err(format!("{}: q and c must have a figure for each of {} models", place(), pool.models.len()));
        }
        rows.push(Row { id: text("id")?, prompt: text("prompt")?, task: text("task").ok(), quality, cost });
    }
    Ok(rows)
}

/// The training split that belongs to some rows: `<pool>.train.jsonl` beside them or beside the models.
#[must_use]
pub fn sibling_train(pool: &Pool, models: &Path, rows: &Path) -> Option<PathBuf> {
    let beside = |path: &Path, stem: &str| path.with_file_name(format!("{stem}.train.jsonl"));
    let places = [
        beside(rows, &stem(rows)),
        beside(rows, &pool.name),
        beside(models, &stem(models)),
        beside(models, &pool.name),
    ];
    places.into_iter().find(|path| path.exists() && path != rows)
}

/// The part of a file name before the first dot.
fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The folder of recorded outcomes: `SIGNALBOX_ROUTING_DATA`, else `../shared/routing-data`; `None` where it is absent.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    let folder = std::env::var("SIGNALBOX_ROUTING_DATA")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/routing-data"), PathBuf::from);
    folder.join("duo.models.json").exists().then_some(folder)
}
