//! What an operator has learned of models from answers that were judged: linear functions of a text's numbers
//! ([`crate::hashed`]), such as how good a model's answer to it will be, or how long. Data with provenance, read
//! strictly and bounded; integers once read, so that every target computes the same bits.
//!
//! `npm run route:train` writes such tables; `docs/routing.md` says how. A table goes stale with the models that it is about
//! and with the reading of texts that it was learned on, which is why it names both.

use base64::prelude::{Engine, BASE64_STANDARD};

use super::model::{QualityKind, QUALITY_KINDS};
use crate::document::Item;
use crate::hashed::{Hashed, BITS, FEATURES, MEASURES, ONE};
use crate::sorted::Map;

/// Functions that were learned together.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// How its figures came about.
    pub kind: QualityKind,
    /// What they were learned from.
    pub source: String,
    /// On which day, `YYYY-MM-DD`.
    pub date: String,
    /// By name.
    pub functions: Map<String, Function>,
}

/// One linear function: `bias + scale · Σ weight·value ÷ length + Σ measure weight · measure`, in billionths.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    weights: Vec<i8>,
    scale_nano: i64,
    measures_nano: [i64; MEASURES],
    bias_nano: i64,
}

impl Function {
    /// Its value for a text, in millionths.
    #[must_use]
    pub fn value_micro(&self, Hashed { slots, length, measures }: &Hashed) -> i64 {
        let mask = self.weights.len().wrapping_sub(1);
        let weight = |slot: u16| self.weights.get(usize::from(slot) & mask).copied().unwrap_or_default();
        let text: i64 = slots.iter().map(|(slot, value)| i64::from(weight(*slot)) * i64::from(*value)).sum();
        let text = i128::from(text) * i128::from(self.scale_nano) / i128::from((*length).max(1));
        let shape: i128 = self.measures_nano.iter().zip(measures).map(|(w, m)| i128::from(*w) * i128::from(*m)).sum();
        let nano = i128::from(self.bias_nano) + text + shape / i128::from(ONE);
        i64::try_from(nano.div_euclid(1_000)).unwrap_or(0)
    }
}

/// What a model takes from a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// The table's name.
    pub table: String,
    /// The function that says how good its answer will be, 0 to 1.
    pub quality: Option<String>,
    /// The function that says how many tokens it will generate.
    pub output_tokens: Option<String>,
}

/// Members of a table.
pub const TABLE: &[&str] = &["features", "kind", "source", "date", "functions"];
/// Members of a function.
pub const FUNCTION: &[&str] = &["weights", "scale", "measures", "bias"];
/// Members of a model's `learned`.
pub const LEARNED: &[&str] = &["table", "quality", "output_tokens"];

/// Reads the tables of a document.
#[must_use]
pub fn tables(item: &Item<'_>) -> Map<String, Table> {
    item.entries().iter().filter_map(|(name, item)| Some(((*name).to_owned(), table(item)?))).collect()
}

fn table(item: &Item<'_>) -> Option<Table> {
    let object = item.object(TABLE)?;
    // A table of another reading would give figures, only wrong ones.
    let features = object.required("features").and_then(|v| v.count(FEATURES, FEATURES));
    let kind = object.required("kind").and_then(|v| v.word(&QUALITY_KINDS));
    let text = |name| object.required(name).and_then(|v| v.text()).map(str::to_owned);
    let (source, date) = (text("source"), text("date"));
    let functions = object.required("functions").map_or_else(Vec::new, |v| v.entries());
    let functions = functions.iter().filter_map(|(name, item)| Some(((*name).to_owned(), function(item)?))).collect();
    features?;
    Some(Table { kind: kind?, source: source?, date: date?, functions })
}

/// Largest size of a scale, a bias or a measure's weight: far above any quality or number of tokens, far below any overflow.
const MOST: f64 = 1e6;

fn function(item: &Item<'_>) -> Option<Function> {
    let object = item.object(FUNCTION)?;
    let weights = object.required("weights").and_then(|v| weights(&v));
    let scale = object.required("scale").and_then(|v| v.number(0.0, MOST));
    let bias = object.required("bias").and_then(|v| v.number(-MOST, MOST));
    let mut measures_nano = [0; MEASURES];
    if let Some(list) = object.member("measures") {
        let items = list.items();
        if items.len() != MEASURES {
            list.problem(format!("must have {MEASURES} numbers"));
        }
        for (slot, item) in measures_nano.iter_mut().zip(&items) {
            *slot = nano(item.number(-MOST, MOST)?);
        }
    }
    Some(Function { weights: weights?, scale_nano: nano(scale?), measures_nano, bias_nano: nano(bias?) })
}

/// Signed bytes in base64, a power of two of them.
fn weights(item: &Item<'_>) -> Option<Vec<i8>> {
    let bytes = BASE64_STANDARD.decode(item.text()?).unwrap_or_default();
    if !bytes.len().is_power_of_two() || bytes.len() > 1 << BITS {
        item.problem(format!("must be signed bytes in base64, 2^n of them, at most {}", 1 << BITS));
        return None;
    }
    Some(bytes.into_iter().map(u8::cast_signed).collect())
}

/// Within [`MOST`], so that the product is exact enough and far inside the type.
#[allow(clippy::cast_possible_truncation)]
fn nano(number: f64) -> i64 {
    (number * 1e9).round() as i64
}

/// Reads what a model takes from a table. Whether the table has it is checked where both are known.
pub(super) fn read(item: &Item<'_>) -> Option<Learned> {
    let object = item.object(LEARNED)?;
    let text = |name| object.member(name).and_then(|v| v.text()).map(str::to_owned);
    let table = object.required("table").and_then(|v| v.text())?.to_owned();
    Some(Learned { table, quality: text("quality"), output_tokens: text("output_tokens") })
}

/// Complains of a model whose table or function is not there.
pub fn check(item: &Item<'_>, learned: &Learned, tables: &Map<String, Table>) {
    let Some(table) = tables.get(&learned.table) else {
        return item.problem(format!("no table is named {:?}", learned.table));
    };
    for name in [&learned.quality, &learned.output_tokens].into_iter().flatten() {
        if !table.functions.contains_key(name) {
            item.problem(format!("the table {:?} has no function {name:?}", learned.table));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Problems;
    use serde_json::{json, Value};

    fn function_of(weights: &[i8], more: Value) -> Value {
        let bytes: Vec<u8> = weights.iter().map(|w| w.cast_unsigned()).collect();
        let mut value = json!({"weights": BASE64_STANDARD.encode(bytes), "scale": 0.001, "bias": 0.5});
        for (name, member) in more.as_object().unwrap() {
            value[name] = member.clone();
        }
        value
    }

    fn table_of(function: Value) -> Value {
        json!({"t": {"features": FEATURES, "kind": "measured", "source": "ours", "date": "2026-11-26", "functions": {"f": function}}})
    }

    fn read_tables(document: &Value) -> Result<Map<String, Table>, Vec<String>> {
        let problems = Problems::default();
        let read = tables(&Item::root(document, &problems));
        problems.verdict(read).map_err(|list| list.into_iter().map(|p| p.path).collect())
    }

    #[test]
    fn a_function_is_its_bias_plus_weighted_values_over_their_length_plus_weighted_measures() {
        let mut measures = [0.0; MEASURES];
        measures[2] = -0.25;
        let tables = read_tables(&table_of(function_of(&[10, -20, 0, 127], json!({"measures": measures})))).unwrap();
        let function = &tables["t"].functions["f"];
        let mut shape = [0; MEASURES];
        assert_eq!(function.value_micro(&Hashed { length: 1, measures: shape, ..Hashed::default() }), 500_000);
        // (10·64 − 20·128) ÷ 143 · 0.001; slots beyond the table fold into it.
        assert_eq!(
            function.value_micro(&Hashed { slots: vec![(0, 64), (5, 128)], length: 143, measures: shape }),
            500_000 - 13_427
        );
        shape[2] = 2 * ONE;
        assert_eq!(function.value_micro(&Hashed { length: 1, measures: shape, ..Hashed::default() }), 0);
    }

    #[test]
    fn a_table_is_refused_with_the_place_of_what_is_wrong() {
        let good = || function_of(&[1, 2], json!({}));
        assert!(read_tables(&table_of(good())).is_ok());
        for (document, path) in [
            (table_of(function_of(&[1, 2, 3], json!({}))), "t.functions.f.weights"),
            (table_of(function_of(&[], json!({}))), "t.functions.f.weights"),
            (table_of(function_of(&vec![1; 2 << BITS], json!({}))), "t.functions.f.weights"),
            (table_of(function_of(&[1], json!({"weights": "§"}))), "t.functions.f.weights"),
            (table_of(function_of(&[1], json!({"scale": -1}))), "t.functions.f.scale"),
            (table_of(function_of(&[1], json!({"bias": 1e7}))), "t.functions.f.bias"),
            (table_of(function_of(&[1], json!({"measures": [1]}))), "t.functions.f.measures"),
            (table_of(function_of(&[1], json!({"weihgts": 1}))), "t.functions.f.weihgts"),
        ] {
            assert_eq!(read_tables(&document).unwrap_err(), [path]);
        }
        for (member, value) in [("features", json!(FEATURES + 1)), ("kind", json!("sure")), ("source", json!(""))] {
            let mut document = table_of(good());
            document["t"][member] = value;
            assert_eq!(read_tables(&document).unwrap_err(), [format!("t.{member}")]);
        }
    }
}
