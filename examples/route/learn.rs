//! From judged answers to a profile: a configuration overlay with one function of quality per model and functions of
//! length, and the prices that go with it.

use std::collections::BTreeMap;

use serde_json::{json, Map, Value};
use signalbox::dialect::view::{estimate_tokens, sample_of};
use signalbox::hashed::{Hashed, BITS, FEATURES};

use super::ridge::Matrix;
use super::{Pool, Row};

/// How much is believed of what. The figures were chosen once, for every pool, by cross-validation on training rows
/// (`npm run route:train -- --grid`, docs/routing.md).
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Bits of a quality function's table.
    pub bits: u32,
    /// Penalty on the size of weights.
    pub penalty: f64,
    /// Share of a row's target that is the mean of its source: single answers are mostly luck.
    pub smooth: f64,
    /// Rows of the whole that are added to a source's mean.
    pub shrink: f64,
}

pub const DECLARED: Settings = Settings { bits: BITS, penalty: 2.0, smooth: 0.8, shrink: 50.0 };

/// Bits of a length function's table, and its penalty.
const LENGTH: (u32, f64) = (12, 1.0);

/// The provider under which a pool's models stand.
pub const PROVIDER: &str = "pool";

/// `{"config": overlay, "prices": document}`
#[must_use]
pub fn learn(pool: &Pool, rows: &[Row], settings: Settings, source: &str, date: &str) -> Value {
    let texts: Vec<Hashed> = rows.iter().map(|row| Hashed::of(&sample_of(&row.prompt))).collect();
    let prices = pool.prices.clone().unwrap_or_else(|| prices_of(pool, rows));
    let count = pool.models.len();
    let mut functions = Map::new();
    let matrix = Matrix::new(texts.iter(), settings.bits);
    for (at, model) in pool.models.iter().enumerate() {
        let targets = smoothed(rows, settings, |row| row.quality[at]);
        functions.insert(format!("quality {model}"), matrix.function(&matrix.ridge(&targets, settings.penalty)));
    }
    let lengths: Vec<Vec<f64>> =
        (0..count).map(|at| rows.iter().map(|row| length(row, at, prices[at])).collect()).collect();
    let matrix = Matrix::new(texts.iter(), LENGTH.0);
    let mut names: Vec<String> = Vec::new();
    for at in 0..count {
        // Where every model is said to answer at the same length, one function does.
        let twin = (0..at).find(|other| close(&lengths[*other], &lengths[at]));
        if let Some(name) = twin.map(|other| names[other].clone()) {
            names.push(name);
            continue;
        }
        let name = format!("output_tokens {}", pool.models[at]);
        let by_row: BTreeMap<&str, f64> = rows.iter().zip(&lengths[at]).map(|(row, l)| (row.id.as_str(), *l)).collect();
        let targets = smoothed(rows, settings, |row| by_row[row.id.as_str()]);
        functions.insert(name.clone(), matrix.function(&matrix.ridge(&targets, LENGTH.1)));
        names.push(name);
    }
    let table = format!("{} {date}", pool.name);
    let model = |at: usize| {
        let name = &pool.models[at];
        let learned = json!({"table": table, "quality": format!("quality {name}"), "output_tokens": names[at]});
        let mean = rows.iter().map(|row| row.quality[at]).sum::<f64>() / rows.len().max(1) as f64;
        let mean = (mean.clamp(0.0, 1.0) * 1e6).round() / 1e6;
        let figure = json!({"value": mean, "kind": "measured", "source": source, "date": date});
        (format!("{PROVIDER}/{name}"), json!({"quality": {"default": figure}, "learned": learned}))
    };
    json!({
        "config": {
            "learned": {table.clone(): {"features": FEATURES, "kind": "measured", "source": source, "date": date, "functions": functions}},
            "models": (0..count).map(model).collect::<Map<String, Value>>(),
        },
        "prices": price_document(pool, &prices, date),
    })
}

/// What is learned instead of single outcomes: each is moved towards the mean of its source. The source is known while
/// learning only.
fn smoothed(rows: &[Row], settings: Settings, figure: impl Fn(&Row) -> f64) -> Vec<f64> {
    let all = rows.iter().map(&figure).sum::<f64>() / rows.len().max(1) as f64;
    let mut sources: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for row in rows {
        let (count, sum) = sources.entry(row.task.as_deref().unwrap_or_default()).or_default();
        *count += 1.0;
        *sum += figure(row);
    }
    let mean = |row: &Row| {
        let (count, sum) = sources[row.task.as_deref().unwrap_or_default()];
        (sum + settings.shrink * all) / (count + settings.shrink)
    };
    let share = |row: &Row| if row.task.is_some() { settings.smooth } else { 0.0 };
    rows.iter().map(|row| share(row) * mean(row) + (1.0 - share(row)) * figure(row)).collect()
}

/// Generated tokens, so that prompt and answer cost what the row says.
fn length(row: &Row, at: usize, [input, output]: [f64; 2]) -> f64 {
    let prompt = estimate_tokens(row.prompt.as_bytes()) as f64 * input / 1e6;
    ((row.cost[at] - prompt) * 1e6 / output.max(1e-9)).max(0.0)
}

/// Prices where the pool names none. Rows of one source have answers of about one length, so that within it costs grow with
/// the prompt by the price of input; the median over sources, weighed by rows. Output counts at the same price, which
/// makes a token of output whatever costs that much.
fn prices_of(pool: &Pool, rows: &[Row]) -> Vec<[f64; 2]> {
    let mut sources: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        sources.entry(row.task.as_deref().unwrap_or_default()).or_default().push(row);
    }
    let slope = |rows: &[&Row], at: usize| {
        let tokens = |row: &Row| estimate_tokens(row.prompt.as_bytes()) as f64;
        let count = rows.len() as f64;
        let (x, y) = rows.iter().fold((0.0, 0.0), |(x, y), row| (x + tokens(row) / count, y + row.cost[at] / count));
        let (up, down) = rows.iter().fold((0.0, 0.0), |(up, down), row| {
            (up + (tokens(row) - x) * (row.cost[at] - y), down + (tokens(row) - x).powi(2))
        });
        (down > 0.0).then(|| up / down)
    };
    let price = |at: usize| {
        let mut slopes: Vec<(f64, usize)> = sources
            .values()
            .filter_map(|rows| Some((slope(rows, at)?, rows.len())))
            .filter(|(s, _)| *s > 0.0)
            .collect();
        slopes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let half = slopes.iter().map(|(_, rows)| rows).sum::<usize>() / 2;
        let mut seen = 0;
        let median = slopes.iter().find(|(_, rows)| {
            seen += rows;
            seen > half
        });
        let per_million = median.map_or(1.0, |(slope, _)| (slope * 1e8).round() / 1e2).max(0.01);
        [per_million, per_million]
    };
    (0..pool.models.len()).map(price).collect()
}

fn price_document(pool: &Pool, prices: &[[f64; 2]], date: &str) -> Value {
    let decimal = |price: f64| format!("{price:.6}").trim_end_matches('0').trim_end_matches('.').to_owned();
    let entry = |(model, [input, output]): (&String, &[f64; 2])| {
        (format!("{PROVIDER}/{model}"), json!({"input": decimal(*input), "output": decimal(*output), "source": "pool"}))
    };
    json!({
        "version": version(&pool.name, date), "date": date, "currency": "USD", "unit": "per_million_tokens",
        "sources": {"pool": {"name": format!("the pool {}", pool.name)}},
        "prices": pool.models.iter().zip(prices).map(entry).collect::<Map<String, Value>>(),
    })
}

/// Versions of prices are parts of keys: a pool of any name gets one that can be.
fn version(pool: &str, date: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '-' };
    let end = format!("-{date}");
    let name = format!("pool-{pool}").chars().map(word).take(64 - end.len()).collect::<String>();
    name + &end
}

fn close(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 0.02 * a.abs().max(b.abs()) + 2.0)
}

/// The day of a profile that is used at once and not kept.
#[must_use]
pub fn undated() -> &'static str {
    "undated"
}
