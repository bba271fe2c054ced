use super::*;
use crate::dialect::tier::ServiceTier;
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
    assert_eq!(rates.request, Some(5_000_000_000), "half a cent");
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
    let batch = rates.of_service(ServiceTier::Batch).unwrap();
    assert_eq!((batch.input, batch.output, batch.cached_input), (1_000_000, 4_000_000, Some(500_000)));
    let priority = rates.of_service(ServiceTier::Priority).unwrap();
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

#[test]
fn the_published_schema_lists_the_members_that_the_reader_knows() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../docs/prices.schema.json")).unwrap();
    for (definition, members) in SHAPES {
        let shape = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
        let listed: crate::sorted::Set<&str> =
            shape["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(listed, members.iter().copied().collect(), "{definition:?}");
        assert_eq!(shape["additionalProperties"], false, "{definition:?}");
    }
    let pattern = |name: &str| schema["$defs"]["entry"]["properties"][name]["$ref"].clone();
    assert!(TOKEN_PRICES.iter().all(|name| pattern(name) == "#/$defs/per_million_tokens"));
    assert!(FEES.iter().all(|name| pattern(name) == "#/$defs/each"));
}

#[test]
fn every_member_has_its_place_and_its_unit() {
    let names = TOKEN_PRICES.iter().chain(&FEES);
    let entry: serde_json::Map<_, _> =
        names.zip(1..).map(|(name, n)| ((*name).to_owned(), format!("0.0{n:02}").into())).collect();
    let prices = table(entry.into()).unwrap();
    let rates = prices.of("acme/big").unwrap().clone();
    let tokens = [
        Some(rates.input),
        Some(rates.output),
        rates.reasoning,
        rates.cached_input,
        rates.cache_write_5m,
        rates.cache_write_1h,
        rates.audio_input,
        rates.audio_output,
        rates.cached_audio,
        rates.image_input,
        rates.image_output,
    ];
    assert_eq!(tokens.to_vec(), (1..=11).map(|n| Some(n * 1_000)).collect::<Vec<_>>());
    let fees = [rates.request, rates.web_search, rates.searched_request, rates.file_search, rates.code_execution];
    assert_eq!(fees.to_vec(), (12..=16).map(|n| Some(n * 1_000_000_000)).collect::<Vec<_>>());
}

#[test]
fn what_varies_a_price_is_read_strictly_and_named_by_its_path() {
    for (varied, path) in [
        (json!({"hours": [{"from": "25:00", "to": "01:00"}]}), "hours[0].from"),
        (json!({"hours": [{"from": "1:00", "to": "02:00"}]}), "hours[0].from"),
        (json!({"hours": [{"to": "02:00"}]}), "hours[0]"),
        (json!({"hours": [{"from": "01:00", "to": "02:00", "days": ["monday"]}]}), "hours[0].days[0]"),
        (json!({"hours": [{"from": "01:00", "to": "02:00", "days": []}]}), "hours[0]"),
        (json!({"hours": [{"from": "01:00", "to": "02:00", "batch": {}}]}), "hours[0].batch"),
        (json!({"flex": {"hours": []}}), "flex.hours"),
        (json!({"fast": {"input": 3}}), "fast.input"),
        (json!({"web_search": "1.5"}), "web_search"),
        (json!({"tiers": [{"above_input_tokens": 0, "input": "1"}]}), "tiers[0].above_input_tokens"),
        (json!({"ultra": {}}), "ultra"),
    ] {
        let mut entry = json!({"input": "1", "output": "1"});
        entry.as_object_mut().unwrap().extend(varied.as_object().unwrap().clone());
        let told: Vec<String> = table(entry).unwrap_err().into_iter().map(|problem| problem.path).collect();
        assert_eq!(told, [format!("prices[\"acme/big\"].{path}")]);
    }
    let named = json!({"version": "a b", "prices": {}}).to_string();
    assert_eq!(Prices::parse(&named).unwrap_err()[0].path, "version");
}
