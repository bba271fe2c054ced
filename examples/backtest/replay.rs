//! Records in, decisions out.

use std::collections::BTreeSet;

use signalbox::catalogue::price::{Prices, SNAPSHOT};
use signalbox::config::provider::Kind;
use signalbox::config::{Config, Mode, DEFAULT};
use signalbox::policy::filter::Reason;
use signalbox::policy::record::{Record, Summary, MESSAGE};
use signalbox::policy::{decide, pool, Knowledge};

/// A recorded request, decided again.
pub struct Replayed {
    /// In short; `None` = its names mean nothing in this configuration.
    pub decided: Option<Summary>,
    /// What now speaks against the model that answered then.
    pub against: Vec<Reason>,
}

/// Decision records of a log, and how many lines are something else.
pub fn records(text: &str) -> (Vec<Record>, usize) {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let read = in_parallel(&lines, |line| {
        let record: Option<Record> = serde_json::from_str(line).ok();
        record.filter(|record| record.message == MESSAGE)
    });
    let all = read.len();
    let records: Vec<Record> = read.into_iter().flatten().collect();
    let skipped = all - records.len();
    (records, skipped)
}

/// The documents to decide by.
pub struct World {
    config: Config,
    prices: Prices,
}

impl World {
    /// Reads overlays as the gateway does. Providers can be called that could be when the records were made.
    pub fn load(overlays: &[String], prices: Option<&str>, records: &[Record]) -> Result<Self, String> {
        let ready: BTreeSet<&str> = records.iter().flat_map(|record| &record.ready).map(String::as_str).collect();
        let layers: Vec<&str> = [DEFAULT].into_iter().chain(overlays.iter().map(String::as_str)).collect();
        let load = |keys: &BTreeSet<String>| {
            let environment = |name: &str| keys.contains(name).then(|| "replayed".to_owned());
            Config::load(&layers, Mode::Local, &environment).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                lines.join("\n")
            })
        };
        let known = load(&BTreeSet::new())?;
        let able = known.providers.values().filter(|provider| ready.contains(provider.name.as_str()));
        let mut config = load(&able.flat_map(|provider| provider.api_key_env.iter().cloned()).collect())?;
        for provider in config.providers.values_mut().filter(|provider| ready.contains(provider.name.as_str())) {
            provider.bound |= provider.kind == Kind::WorkersAi;
            provider.base_url.get_or_insert_with(|| "https://replayed.invalid".to_owned());
        }
        let prices = Prices::parse(prices.unwrap_or(SNAPSHOT)).map_err(|problems| format!("prices: {problems:?}"))?;
        Ok(Self { config, prices })
    }

    /// Decides every record, on all processors.
    pub fn replay(&self, records: &[Record]) -> Vec<Replayed> {
        in_parallel(records, |record| self.decide(record))
    }

    fn decide(&self, record: &Record) -> Replayed {
        let input = &record.input;
        let Ok(pool) = pool(&input.request, input, &self.config) else {
            return Replayed { decided: None, against: Vec::new() };
        };
        let decision = decide(input, &pool, Knowledge { config: &self.config, prices: &self.prices });
        let out = decision.excluded.iter().find(|out| Some(&out.model) == record.outcome.model.as_ref());
        let against = out.map(|out| out.reasons.clone()).unwrap_or_default();
        Replayed { decided: Some(Summary::of(&decision)), against }
    }
}

/// The results of `work` in the order of `items`.
fn in_parallel<I: Sync, R: Send>(items: &[I], work: impl Fn(&I) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = items.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> =
            items.chunks(size).map(|part| scope.spawn(|| part.iter().map(&work).collect::<Vec<R>>())).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}
