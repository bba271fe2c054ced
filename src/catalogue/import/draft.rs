//! An entry in the making: prices are put where they belong, and what says nothing is left out at the end.

use serde_json::{json, Map, Value};

use super::Entry;
use crate::catalogue::price::millionths;
use crate::sorted;

/// Prices of a model that a list tells of.
#[derive(Debug, Default)]
pub(super) struct Draft {
    prices: sorted::Map<&'static str, String>,
    tiers: sorted::Map<u64, sorted::Map<&'static str, String>>,
    services: sorted::Map<&'static str, Draft>,
    hours: Vec<(Map<String, Value>, Draft)>,
}

impl Draft {
    /// Puts a price.
    pub(super) fn put(&mut self, member: &'static str, price: String) {
        self.prices.insert(member, price);
    }

    /// Puts a price that holds above a prompt size; at 0 it is the price itself.
    pub(super) fn put_above(&mut self, above: u64, member: &'static str, price: String) {
        match above {
            0 => self.put(member, price),
            _ => drop(self.tiers.entry(above).or_default().insert(member, price)),
        }
    }

    /// The prices of a service tier.
    pub(super) fn service(&mut self, name: &'static str) -> &mut Self {
        self.services.entry(name).or_default()
    }

    /// Prices of some hours, after those that are there.
    pub(super) fn at_hours(&mut self, window: Map<String, Value>, draft: Self) {
        self.hours.push((window, draft));
    }

    /// Prices that hold above a size and that `other` has and this one does not name: what replaces a price replaces its
    /// long-context forms with it, and nothing else.
    pub(super) fn keep_tiers_of(&mut self, other: &Self) {
        for (above, prices) in &other.tiers {
            for (member, price) in prices.iter().filter(|(member, _)| !self.prices.contains_key(*member)) {
                self.tiers.entry(*above).or_default().entry(member).or_insert_with(|| price.clone());
            }
        }
    }

    /// [`Draft::keep_tiers_of`] this one for each of its service tiers.
    pub(super) fn hand_tiers_on(&mut self) {
        let mut services = std::mem::take(&mut self.services);
        services.values_mut().for_each(|service| service.keep_tiers_of(self));
        self.services = services;
    }

    /// A price that was put.
    pub(super) fn price(&self, member: &str) -> Option<&String> {
        self.prices.get(member)
    }

    /// The entry; `None` without a price for input.
    pub(super) fn into_entry(self) -> Option<Entry> {
        self.prices.contains_key("input").then(|| self.written(None))
    }

    fn written(self, base: Option<&sorted::Map<&'static str, String>>) -> Entry {
        let Self { mut prices, mut tiers, services, hours } = self;
        let known = |prices: &sorted::Map<&'static str, String>, member: &str| {
            prices.get(member).or_else(|| base.and_then(|base| base.get(member))).cloned()
        };
        let basic = |prices: &sorted::Map<&'static str, String>| {
            ["input", "output"].map(|member| known(prices, member).unwrap_or_default())
        };
        let base_of_tiers = basic(&prices);
        prices.retain(|member, price| !is_idle(member, price, &base_of_tiers));
        let mut entry: Entry = Map::new();
        for (member, price) in &prices {
            if base.and_then(|base| base.get(member)) != Some(price) {
                entry.insert((*member).to_owned(), price.as_str().into());
            }
        }
        let mut list: Vec<Value> = Vec::new();
        for (above, tier) in tiers.iter_mut() {
            let own =
                |member, at: usize| tier.get(member).or_else(|| base_of_tiers.get(at)).cloned().unwrap_or_default();
            let basic = [own("input", 0), own("output", 1)];
            tier.retain(|member, price| {
                !is_idle(member, price, &basic) && known(&prices, member).as_ref() != Some(price)
            });
            if !tier.is_empty() {
                let mut item = json!(tier);
                if let Some(item) = item.as_object_mut() {
                    item.insert("above_input_tokens".to_owned(), (*above).into());
                }
                list.push(item);
            }
        }
        if !list.is_empty() {
            entry.insert("tiers".to_owned(), list.into());
        }
        for (name, service) in services {
            let service = service.written(Some(&prices));
            if !service.is_empty() {
                entry.insert(name.to_owned(), service.into());
            }
        }
        let hours = hours.into_iter().map(|(window, draft)| {
            let mut item = draft.written(Some(&prices));
            item.extend(window);
            Value::from(item)
        });
        let hours: Vec<Value> = hours.collect();
        if !hours.is_empty() {
            entry.insert("hours".to_owned(), hours.into());
        }
        entry
    }
}

/// What says nothing next to the prices of input and output: a picture's token at the price of text, reasoning at that of an
/// answer. A cache write below the price of input is the surcharge for storing (OpenRouter, on Google's models) or nothing at
/// all, and not the price of the token.
fn is_idle(member: &str, price: &str, [input, output]: &[String; 2]) -> bool {
    match member {
        "image_input" => price == input,
        "reasoning" => price == output,
        _ => member.starts_with("cache_write") && millionths(price) < millionths(input),
    }
}

/// A number, or a number as text, times 10^`places`, as a decimal with at most six places. Finer ones (thirds, and what is
/// left of binary fractions) are rounded where that moves the price by less than a hundred-thousandth.
///
/// # Errors
/// No number, negative, not finite, or too fine.
pub(super) fn dollars(value: &Value, places: i32) -> Result<String, String> {
    let number = value.as_f64().or_else(|| value.as_str().and_then(|text| text.trim().parse().ok()));
    let number = number.filter(|n: &f64| n.is_finite()).ok_or_else(|| format!("not a number: {value}"))?;
    if number < 0.0 {
        return Err(format!("negative: {value}"));
    }
    // The shortest decimal that reads as the same number, which is what the list's author wrote; never an exponent.
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = format!("{whole}{fraction}");
    // Where the point stands among the digits, then where six places behind it end.
    let point = i64::try_from(whole.len()).unwrap_or(0) + i64::from(places);
    let padded = format!("{}{digits}", "0".repeat(usize::try_from(1 - point).unwrap_or(0)));
    let point = usize::try_from(point.max(1)).unwrap_or(1);
    let end = point.saturating_add(6);
    let padded = format!("{padded:0<end$}");
    let (kept, rest) = padded.split_at(end);
    let units: u128 = kept.parse().map_err(|_| format!("too large: {value}"))?;
    let units = units + u128::from(rest.starts_with(['5', '6', '7', '8', '9']));
    let lost = rest.bytes().any(|b| b != b'0');
    // Both are far below 2^53 wherever a price is believable.
    #[allow(clippy::cast_precision_loss)]
    let moved = (units as f64 / 1e6 - number * 10f64.powi(places)).abs();
    if lost && moved > 1e-5 * number * 10f64.powi(places) {
        return Err(format!("finer than a millionth: {value}"));
    }
    let text = format!("{}.{:06}", units / 1_000_000, units % 1_000_000);
    Ok(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

/// Whether a price is nothing.
pub(super) fn is_zero(price: &str) -> bool {
    millionths(price) == Some(0)
}
