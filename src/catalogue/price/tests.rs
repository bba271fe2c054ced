use super::*;
use serde_json::json;

fn table(entry: serde_json::Value) -> Result<Prices, Vec<Problem>> {
    let document = json!({"version": "t1", "date": "2026-11-01", "currency": "USD", "unit": "per_million_tokens",
        "sources": {}, "prices": {"acme/big": entry}});
    Prices::parse(&document.to_string())
}

#[test]
fn dollars_per_million_tokens_become_picodollars_per_token_exactly() {
    let prices =
        table(json!({"input": "1.25", "output": "10", "cached_input": "0.000001", "request": "0.005"})).unwrap();
    let rates = prices.of("acme/big").unwrap();
    assert_eq!((rates.input, rates.output, rates.cached_input), (1_250_000, 10_000_000, Some(1)));
    assert_eq!(rates.request_picousd, Some(5_000_000_000), "half a cent");
    assert_eq!(rates.cache_write_5m, None, "what is not priced apart stays unknown, not zero");
    assert_eq!(prices.of("acme/small"), None);
    assert_eq!((prices.version.as_str(), prices.date.as_str()), ("t1", "2026-11-01"));
}

#[test]
fn one_bad_number_refuses_the_table() {
    for bad in [
        "-1",
        "NaN",
        "inf",
        "1e3",
        "0.0000001",
        "",
        ".5",
        "1.",
        "1,5",
        "+1",
        " 1",
        "1_0",
        "1000000.000001",
        "99999999999999999999",
    ] {
        let problems = table(json!({"input": bad, "output": "1"})).unwrap_err();
        assert_eq!(problems[0].path, "prices[\"acme/big\"].input", "{bad:?}");
    }
    for number in [json!(1.25), json!(1), json!(null), json!(true), json!(["1"])] {
        assert!(table(json!({"input": number, "output": "1"})).is_err(), "{number}");
    }
}

#[test]
fn a_price_without_input_or_output_is_refused_and_so_is_an_unknown_member() {
    assert!(table(json!({"input": "1"})).unwrap_err()[0].message.contains("output is missing"));
    let embedding = json!({"version": "1", "prices": {"acme/text-embed-1": {"input": "0.1"}}}).to_string();
    let prices = Prices::parse(&embedding).unwrap();
    assert_eq!(prices.of("acme/text-embed-1"), None, "nothing generated is ever charged at an output price of 0");
    assert_eq!(prices.embedding("acme/text-embed-1").unwrap().input, 100_000);
    assert!(table(json!({"output": "1"})).unwrap_err()[0].message.contains("input is missing"));
    let problems = table(json!({"input": "1", "output": "1", "cached": "1"})).unwrap_err();
    assert_eq!(problems[0].path, "prices[\"acme/big\"].cached");
    assert_eq!(problems.len(), 1);
}

#[test]
fn the_compiled_in_table_is_valid_and_priced() {
    let prices = Prices::parse(SNAPSHOT).unwrap();
    assert!(prices.ids().count() > 50);
    for id in prices.ids() {
        let rates = prices.of(id).or_else(|| prices.embedding(id)).unwrap();
        assert!(rates.input > 0 && prices.origin(id).unwrap().source.is_some(), "{id}");
    }
}

#[test]
fn a_tier_holds_above_its_bound_and_takes_the_rest_from_the_base() {
    let tiers = json!([{"above_input_tokens": 200_000, "input": "2.5", "output": "15"},
                       {"above_input_tokens": 500_000, "input": "4"}]);
    let prices = table(json!({"input": "1.25", "output": "10", "cached_input": "0.1", "tiers": tiers})).unwrap();
    let rates = prices.of("acme/big").unwrap();
    assert_eq!(rates.at(200_000).input, 1_250_000);
    assert_eq!(rates.at(200_001).input, 2_500_000);
    assert_eq!(rates.at(200_001).cached_input, Some(100_000));
    assert_eq!((rates.at(600_000).input, rates.at(600_000).output), (4_000_000, 10_000_000));
    let falling = json!([{"above_input_tokens": 2, "input": "1"}, {"above_input_tokens": 2, "input": "2"}]);
    assert!(table(json!({"input": "1", "output": "1", "tiers": falling})).is_err());
}

#[test]
fn modes_are_whole_rates_of_their_own() {
    let prices = table(json!({"input": "2", "output": "8", "cached_input": "0.5",
        "batch": {"input": "1", "output": "4"}, "priority": {"input": "4", "tiers": [{"above_input_tokens": 9, "input": "8"}]}}));
    let prices = prices.unwrap();
    let rates = prices.of("acme/big").unwrap();
    let batch = rates.batch.as_deref().unwrap();
    assert_eq!((batch.input, batch.output, batch.cached_input), (1_000_000, 4_000_000, Some(500_000)));
    let priority = rates.priority.as_deref().unwrap();
    assert_eq!((priority.at(10).input, priority.output), (8_000_000, 8_000_000));
}

#[test]
fn the_dearest_price_of_a_provider_covers_every_model_and_tier_of_it() {
    let document = json!({"version": "1", "prices": {
        "acme/a": {"input": "1", "output": "9", "tiers": [{"above_input_tokens": 10, "input": "7"}]},
        "acme/b": {"input": "3", "output": "2", "cached_input": "1"},
        "acmeish/c": {"input": "100", "output": "100"}}});
    let prices = Prices::parse(&document.to_string()).unwrap();
    let dearest = prices.dearest("acme").unwrap();
    assert_eq!((dearest.input, dearest.output, dearest.cached()), (7_000_000, 9_000_000, 7_000_000));
    assert_eq!(prices.dearest("nobody"), None);
    assert_eq!(prices.provider("acme").count(), 2);
}

#[test]
fn a_document_in_another_currency_or_shape_is_refused() {
    for document in [
        json!({"version": "1", "currency": "EUR", "prices": {}}),
        json!({"version": "1", "unit": "per_token", "prices": {}}),
        json!({"version": "1", "prices": {"big": {"input": "1", "output": "1"}}}),
        json!({"prices": {}}),
        json!([]),
    ] {
        assert!(Prices::parse(&document.to_string()).is_err(), "{document}");
    }
    assert!(Prices::parse("{").unwrap_err()[0].message.starts_with("not a JSON document"));
}
