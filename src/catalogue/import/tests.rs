use serde_json::json;

use super::merge::{propose, Source, Wanted};
use super::*;
use crate::catalogue::price::Prices;
use crate::dialect::tier::ServiceTier;
use crate::sorted::Set;

/// What a list has for a model, read as the gateway would read it.
fn entry(format: Format, list: &Value, id: &str) -> Value {
    let list = List::read(format, &list.to_string(), "2026-11-26").unwrap();
    let entry = list.entry(id).unwrap().unwrap_or_default();
    if !entry.is_empty() {
        let document = json!({"version": "t", "prices": {id: entry}});
        Prices::parse(&document.to_string()).unwrap_or_else(|problems| panic!("{problems:?}"));
    }
    entry.into()
}

#[test]
fn genai_prices_dates_hours_tiers_and_variants_become_ours() {
    let list = json!([{"id": "acme", "models": []}, {"id": "google", "models": [
        {"id": "gemini-9-pro", "match": {"equals": "gemini-9-pro"}, "prices": [
            {"prices": {"input_mtok": 9, "output_mtok": 9}},
            {"constraint": {"start_date": "2026-11-01"}, "prices": {
                "input_mtok": {"base": 1.25, "tiers": [{"start": 200_000, "price": 2.5}]},
                "cache_read_mtok": {"base": 0.125, "tiers": [{"start": 200_000, "price": 0.25}]},
                "output_mtok": 10, "input_audio_mtok": 3, "cache_audio_read_mtok": 0.3, "web_searches_kcount": 14}},
            {"constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 99, "output_mtok": 99}}],
         "price_variants": [
            {"when": {"processing": "batch"}, "constraint": {"start_date": "2027-01-01"}, "prices": {"input_mtok": 7}},
            {"when": {"processing": "batch"}, "prices": {"input_mtok": 0.625, "output_mtok": 5}},
            {"when": {"service_tier": "default"}, "prices": {"input_mtok": 1.25}},
            {"when": {"service_tier": "flex", "route": "eu"}, "prices": {"input_mtok": 4}}]},
        {"id": "gemini-2.9-flash", "prices": {"input_mtok": 0.1, "output_mtok": 0.4, "web_searches_kcount": 35},
         "match": {"or": [{"equals": "gemini-2.9-flash"}, {"and": [{"starts_with": "gemini-2.9-flash-0"}]}]}},
        {"id": "veo", "match": {"equals": "veo"}, "prices": {"audio_hours": 3}}]},
      {"id": "deepseek", "models": [{"id": "deepseek-x", "match": {"contains": "x"}, "prices": [
            {"prices": {"input_mtok": 0.15, "output_mtok": 0.6}},
            {"constraint": {"start_time": "01:00:00Z", "end_time": "04:00:00+00:00"},
             "prices": {"input_mtok": 0.3, "output_mtok": 1.2}}]}]}]);
    assert_eq!(
        entry(Format::GenaiPrices, &list, "gemini/gemini-9-pro"),
        json!({"input": "1.25", "output": "10", "cached_input": "0.125", "audio_input": "3", "cached_audio": "0.3",
            "web_search": "0.014", "tiers": [{"above_input_tokens": 200_000, "input": "2.5", "cached_input": "0.25"}],
            "batch": {"input": "0.625", "output": "5", "tiers": [{"above_input_tokens": 200_000, "cached_input": "0.25"}]}}),
    );
    let flash = json!({"input": "0.1", "output": "0.4", "searched_request": "0.035"});
    assert_eq!(entry(Format::GenaiPrices, &list, "gemini/gemini-2.9-flash"), flash);
    assert_eq!(entry(Format::GenaiPrices, &list, "gemini/gemini-2.9-flash-001"), flash, "by its match clause");
    assert_eq!(
        entry(Format::GenaiPrices, &list, "deepseek/deepseek-x"),
        json!({"input": "0.15", "output": "0.6",
            "hours": [{"from": "01:00", "to": "04:00", "input": "0.3", "output": "1.2"}]}),
    );
    for none in ["gemini/veo", "gemini/other", "openai/gemini-9-pro"] {
        assert_eq!(entry(Format::GenaiPrices, &list, none), json!({}), "{none}");
    }
}

#[test]
fn litellm_names_become_members_tiers_services_and_hours() {
    let list = json!({
        "gpt-x": {"litellm_provider": "openai", "input_cost_per_token": 4e-06, "output_cost_per_token": 2e-05,
            "cache_read_input_token_cost": 4e-07, "cache_creation_input_token_cost": 5e-06,
            "cache_creation_input_token_cost_above_12hr": 1e-05, "input_cost_per_token_above_272k_tokens": 8e-06,
            "cache_creation_input_token_cost_above_12hr_above_272k_tokens_flex": 1e-05,
            "input_cost_per_token_flex": 2e-06, "input_cost_per_token_batches": 2e-06,
            "input_cost_per_token_ultrafast": 1.0, "output_cost_per_image": 0.04, "input_cost_per_image_token": 4e-06,
            "search_context_cost_per_query": {"search_context_size_low": 0.01, "search_context_size_high": 0.025}},
        "gemini/gemini-2.9-pro": {"litellm_provider": "gemini", "input_cost_per_token": 1e-06,
            "output_cost_per_token": 1e-06, "cache_creation_input_token_cost": 0.0,
            "search_context_cost_per_query": {"search_context_size_low": 0.035}},
        "dashscope/qwen-x": {"litellm_provider": "dashscope", "tiered_pricing": [
            {"range": [0, 256_000.0], "input_cost_per_token": 4e-07, "output_cost_per_token": 1.2e-06,
             "output_cost_per_reasoning_token": 4e-06},
            {"range": [256_000.0, 1_000_000.0], "input_cost_per_token": 1.2e-06, "output_cost_per_token": 3.6e-06}]},
        "deepseek/d": {"litellm_provider": "deepseek", "input_cost_per_token": 3e-07, "output_cost_per_token": 1.2e-06,
            "off_peak_pricing": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07, "windows": [
                {"hours_utc": ["00:00-01:00", "10:00-00:00"], "weekdays": [1, 5]},
                {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]}}});
    assert_eq!(
        entry(Format::Litellm, &list, "openai/gpt-x"),
        json!({"input": "4", "output": "20", "cached_input": "0.4", "cache_write_5m": "5", "cache_write_1h": "10",
            "web_search": "0.025", "tiers": [{"above_input_tokens": 272_000, "input": "8"}],
            "batch": {"input": "2"},
            "flex": {"input": "2"}}),
        "a price of a long prompt that equals that of a short one says nothing",
    );
    assert_eq!(
        entry(Format::Litellm, &list, "gemini/gemini-2.9-pro"),
        json!({"input": "1", "output": "1", "searched_request": "0.035"}),
    );
    assert_eq!(
        entry(Format::Litellm, &list, "qwen/qwen-x"),
        json!({"input": "0.4", "output": "4",
            "tiers": [{"above_input_tokens": 256_000, "input": "1.2", "output": "3.6"}]}),
    );
    let off = json!({"input": "0.15", "output": "0.6"});
    let with = |more: Value| {
        let mut hour = off.clone();
        hour.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hour
    };
    assert_eq!(
        entry(Format::Litellm, &list, "deepseek/d"),
        json!({"input": "0.3", "output": "1.2", "hours": [
            with(json!({"from": "00:00", "to": "01:00", "days": ["mon", "fri"]})),
            with(json!({"from": "10:00", "to": "00:00", "days": ["mon", "fri"]})),
            with(json!({"from": "00:00", "to": "00:00", "days": ["sat", "sun"]}))]}),
    );
}

#[test]
fn models_dev_costs_become_ours_and_what_is_free_there_is_not_priced() {
    let list = json!({
        "alibaba": {"models": {"qwen-x": {"cost": {"input": 1.2, "output": 6, "reasoning": 9, "cache_read": 0.12,
            "cache_write": 1.5, "input_audio": 3, "output_audio": 12,
            "tiers": [{"tier": {"type": "context", "size": 32_000}, "input": 2.4, "output": 12}],
            "context_over_200k": {"input": 99, "output": 99}}}}},
        "google": {"models": {"g": {"cost": {"input": 1, "output": 2, "context_over_200k": {"input": 2, "output": 4}}},
            "plan": {"cost": {"input": 0, "output": 0}}, "bare": {}}},
        "openai": {"models": {"odd": {"cost": {"input": 1, "output": 1, "tiers": [{"tier": {"type": "users", "size": 5}}]}}}}});
    assert_eq!(
        entry(Format::ModelsDev, &list, "qwen/qwen-x"),
        json!({"input": "1.2", "output": "6", "reasoning": "9", "cached_input": "0.12", "cache_write_5m": "1.5",
            "audio_input": "3", "audio_output": "12",
            "tiers": [{"above_input_tokens": 32_000, "input": "2.4", "output": "12"}]}),
    );
    assert_eq!(
        entry(Format::ModelsDev, &list, "gemini/g"),
        json!({"input": "1", "output": "2", "tiers": [{"above_input_tokens": 200_000, "input": "2", "output": "4"}]}),
    );
    assert_eq!(entry(Format::ModelsDev, &list, "gemini/plan"), json!({}), "0 is not a price but a missing one");
    assert_eq!(entry(Format::ModelsDev, &list, "gemini/bare"), json!({}));
    let list = List::read(Format::ModelsDev, &list.to_string(), "2026-11-26").unwrap();
    assert!(list.entry("openai/odd").unwrap_err().contains("users"), "a condition that is not known is not guessed");
}

#[test]
fn openrouters_texts_and_overrides_become_ours() {
    let list = json!({"data": [
        {"id": "acme/x", "pricing": {"prompt": "0.0000025", "completion": "0.00001", "request": "0", "image": "0.003",
            "web_search": "0.01", "internal_reasoning": "0.000012", "input_cache_read": "0.00000025",
            "input_cache_write": "0.000003125", "input_cache_write_1h": "0.000005", "audio": "0.00004", "discount": 0,
            "overrides": [{"min_prompt_tokens": 200_000, "prompt": "0.000005"},
                {"utc_start": 100, "utc_end": 430, "utc_days": ["monday", "sunday"], "prompt": "0.000006"}]}},
        {"id": "acme/free:free", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "acme/unknown", "pricing": {"prompt": "0", "completion": "0"}},
        {"id": "openrouter/auto", "pricing": {"prompt": "-1", "completion": "-1"}},
        {"id": "acme/third", "pricing": {"prompt": "0.0000003333333333", "completion": "0.000001"}}]});
    assert_eq!(
        entry(Format::Openrouter, &list, "openrouter/acme/x"),
        json!({"input": "2.5", "output": "10", "reasoning": "12", "cached_input": "0.25", "cache_write_5m": "3.125",
            "cache_write_1h": "5", "audio_input": "40", "web_search": "0.01",
            "tiers": [{"above_input_tokens": 200_000, "input": "5"}],
            "hours": [{"from": "01:00", "to": "04:30", "days": ["mon", "sun"], "input": "6"}]}),
    );
    assert_eq!(entry(Format::Openrouter, &list, "openrouter/acme/free:free"), json!({"input": "0", "output": "0"}));
    for none in ["openrouter/acme/unknown", "openrouter/openrouter/auto", "acme/x", "openai/acme/x"] {
        assert_eq!(entry(Format::Openrouter, &list, none), json!({}), "{none}");
    }
    assert_eq!(entry(Format::Openrouter, &list, "openrouter/acme/third")["input"], "0.333333");
}

#[test]
fn units_are_moved_by_the_decimal_and_not_by_arithmetic() {
    for (value, places, text) in [
        (json!(7.5e-08), 6, "0.075"),
        (json!(0.1), 6, "100000"),
        (json!(3e-07), 6, "0.3"),
        (json!(1.1), 0, "1.1"),
        (json!(14), -3, "0.014"),
        (json!(2.5), -3, "0.0025"),
        (json!("0.00000000625"), 6, "0.00625"),
        (json!(0), 6, "0"),
        (json!(0.30000000000000004), 0, "0.3"),
    ] {
        assert_eq!(draft::dollars(&value, places).as_deref(), Ok(text), "{value}");
    }
    for bad in [json!(-1), json!("NaN"), json!("inf"), json!("1,5"), json!(null), json!([1]), json!(1e-9)] {
        assert!(draft::dollars(&bad, 0).is_err(), "{bad}");
    }
}

#[test]
fn a_list_of_another_format_is_refused_whole() {
    for (format, list) in [
        (Format::Signalbox, json!({"data": []})),
        (Format::GenaiPrices, json!({"google": {"models": {}}})),
        (Format::Litellm, json!({"google": {"models": {}}})),
        (Format::ModelsDev, json!([{"models": []}])),
        (Format::Openrouter, json!({"prices": {}})),
    ] {
        assert!(List::read(format, &list.to_string(), "2026-11-26").is_err(), "{}", format.name());
    }
    assert!(List::read(Format::Litellm, "<html>", "2026-11-26").is_err());
}

fn source(format: Format, list: &Value) -> Source {
    let list = List::read(format, &list.to_string(), "2026-11-26").unwrap();
    Source { list, release: "1".to_owned(), date: "2026-11-20".to_owned(), origin: "a file".to_owned() }
}

fn two_lists() -> [Source; 2] {
    let dev = json!({"openai": {"models": {"a": {"cost": {"input": 1, "output": 8}}, "b": {"cost": {"input": 5, "output": 8}}}}});
    let lite = json!({
        "a": {"litellm_provider": "openai", "input_cost_per_token": 1e-06, "output_cost_per_token": 8e-06, "input_cost_per_token_batches": 5e-07},
        "b": {"litellm_provider": "openai", "input_cost_per_token": 4e-06, "output_cost_per_token": 8e-06, "input_cost_per_token_batches": 2e-06},
        "c": {"litellm_provider": "openai", "input_cost_per_token": -1.0, "output_cost_per_token": 1.0},
        "d": {"litellm_provider": "openai", "input_cost_per_token": 1e-06}});
    [source(Format::ModelsDev, &dev), source(Format::Litellm, &lite)]
}

fn wanted(models: &[&str]) -> Wanted {
    Wanted { models: models.iter().map(|m| (*m).to_owned()).collect(), ..Wanted::default() }
}

#[test]
fn the_first_list_is_believed_and_every_difference_is_told() {
    let mut want = wanted(&["openai/a", "openai/b", "openai/c", "openai/d"]);
    let proposal = propose(&two_lists(), &want);
    let a = &proposal.entries["openai/a"];
    assert_eq!((&a["batch"], &a["source"]), (&json!({"input": "0.5"}), &json!("models.dev+litellm")), "they agree");
    let b = &proposal.entries["openai/b"];
    assert_eq!((&b["input"], b.get("batch")), (&json!("5"), None), "half a price of another day is nobody's price");
    let told: Vec<_> =
        proposal.conflicts.iter().map(|c| (c.model.as_str(), c.figure.as_str(), &c.taken, &c.left)).collect();
    assert_eq!(told, [("openai/b", "input", &("models.dev", "5".to_owned()), &("litellm", "4".to_owned()))]);
    assert_eq!(proposal.conflicts[0].why, "first in order");
    assert_eq!(proposal.missing, ["openai/c", "openai/d"]);
    assert!(proposal.problems[0].starts_with("openai/c (litellm): negative"), "{:?}", proposal.problems);
    assert_eq!(proposal.problems[1], "openai/d (litellm): output is missing", "and it keeps nobody else out");

    want.preferred.insert("openai/b".to_owned(), Format::Litellm);
    let proposal = propose(&two_lists(), &want);
    assert_eq!(proposal.entries["openai/b"]["input"], "4");
    assert_eq!(proposal.conflicts[0].why, "preferred for this model");
}

#[test]
fn what_is_gone_stays_and_what_jumps_is_held_until_it_is_confirmed() {
    let current = json!({"version": "2026-11-01.1", "sources": {"old": {}, "unused": {}}, "prices": {
        "openai/a": {"input": "1", "output": "80.1", "source": "old"},
        "openai/b": {"input": "5", "output": "8", "source": "old"},
        "openai/gone": {"input": "1", "output": "1", "source": "old"}}})
    .to_string();
    let proposal = propose(&two_lists(), &wanted(&["openai/a", "openai/b"]));
    let first = review::review(&current, &proposal, "2026-11-26", &[], None).unwrap();
    assert_eq!((first.text.as_deref(), first.version.as_str()), (None, "2026-11-01.1"), "nothing else has changed");
    assert_eq!(first.kept, ["openai/gone"]);
    let [held] = first.held.as_slice() else { panic!("{:?}", first.held) };
    assert_eq!((held.figure.as_str(), held.old.as_deref(), held.new.as_deref()), ("output", Some("80.1"), Some("8")));

    let second = review::review(&current, &proposal, "2026-11-26", &first.held, None).unwrap();
    assert!(second.held.is_empty() && second.version.starts_with("2026-11-26."), "{}", second.version);
    let text = second.text.unwrap();
    let prices = Prices::parse(&text).unwrap();
    assert_eq!(prices.of("openai/a").unwrap().output, 8_000_000);
    assert_eq!(prices.of("openai/a").unwrap().of_service(ServiceTier::Batch).unwrap().input, 500_000);
    assert!(prices.of("openai/gone").is_some());
    let document: Value = serde_json::from_str(&text).unwrap();
    let names: Vec<&String> = document["sources"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["litellm", "models.dev", "old"]);
    let again = review::review(&text, &proposal, "2026-11-27", &[], None).unwrap();
    assert_eq!((again.text, again.version), (None, second.version), "the same prices of another day are no version");

    let other = review::Change { new: Some("7".to_owned()), ..first.held[0].clone() };
    let third = review::review(&current, &proposal, "2026-11-26", &[other], None).unwrap();
    assert_eq!(third.held.len(), 1, "only the very price that was confirmed comes in");
    assert!(review::review("{", &proposal, "2026-11-26", &[], None).is_err());
}

mod refreshing {

    use super::super::refresh::{refresh, surplus, Occasion, Outcome, Report, KEPT_VERSIONS};
    use super::*;

    const TABLE: &str = r#"{"version":"2026-11-01.a","prices":{
        "openai/a":{"input":"1","output":"8"},"openai/gone":{"input":"1","output":"1"}}}"#;

    fn list(a: Value) -> String {
        json!({"openai": {"models": {"a": {"cost": a}, "new": {"cost": {"input": 3, "output": 3}},
            "unwanted": {"cost": {"input": 3, "output": 3}}}}})
        .to_string()
    }

    fn after<'o>(
        fetched: Result<&'o str, String>,
        current: &'o str,
        pin: Option<&'o str>,
        confirmed: Option<&'o str>,
    ) -> (Vec<(String, String)>, Report) {
        refresh(&Occasion {
            now_ms: 7,
            day: "2026-11-26",
            url: "https://prices.example/list.json",
            format: Format::ModelsDev,
            fetched,
            current,
            models: Set::from(["openai/new".to_owned()]),
            pin,
            confirmed,
        })
    }

    #[test]
    fn a_list_that_holds_takes_effect_and_what_it_replaces_is_kept() {
        let list = list(json!({"input": 2, "output": 8}));
        let (writes, report) = after(Ok(&list), TABLE, None, None);
        assert_eq!((report.outcome, report.changed), (Outcome::Updated, 1));
        assert_eq!((&report.added, &report.kept), (&vec!["openai/new".to_owned()], &vec!["openai/gone".to_owned()]));
        let keys: Vec<&str> = writes.iter().map(|(key, _)| key.as_str()).collect();
        let new = format!("prices@{}", report.version);
        assert_eq!(keys, ["prices@2026-11-01.a", &new, "prices", "prices.refresh"]);
        assert_eq!(writes[0].1, TABLE);
        let prices = Prices::parse(&writes[2].1).unwrap();
        assert_eq!(prices.of("openai/a").unwrap().input, 2_000_000);
        assert!(prices.of("openai/gone").is_some() && prices.of("openai/unwanted").is_none());
        let (writes, again) = after(Ok(&list), &writes[2].1, None, None);
        assert_eq!((again.outcome, again.version), (Outcome::Unchanged, report.version));
        assert_eq!(writes.len(), 1, "nothing but the report");
    }

    #[test]
    fn no_bad_list_takes_the_place_of_a_good_table() {
        for (fetched, outcome) in [
            (Err("status 500".to_owned()), Outcome::Unreachable),
            (Ok("<html>"), Outcome::Refused),
            (Ok("{}"), Outcome::Refused),
            (Ok(r#"{"data":[{"id":"a"}]}"#), Outcome::Refused),
            (Ok(r#"{"openai":{"models":{"a":{"cost":{"input":-1,"output":1}}}}}"#), Outcome::Refused),
            (Ok(r#"{"openai":{"models":{"b":{"cost":{"input":1,"output":1}}}}}"#), Outcome::Refused),
            // A price that the reader refuses: a million and one.
            (Ok(r#"{"openai":{"models":{"new":{"cost":{"input":1000001,"output":1}}}}}"#), Outcome::Refused),
        ] {
            let (writes, report) = after(fetched.clone(), TABLE, None, None);
            assert_eq!((report.outcome, report.version.as_str()), (outcome, "2026-11-01.a"), "{fetched:?}");
            assert!(report.problem.is_some());
            let keys: Vec<&str> = writes.iter().map(|(key, _)| key.as_str()).collect();
            assert_eq!(keys, ["prices.refresh"], "{fetched:?}");
        }
    }

    #[test]
    fn a_jump_waits_for_the_operator_and_a_pin_stops_everything() {
        let list = list(json!({"input": 0.01, "output": 8}));
        let (writes, report) = after(Ok(&list), TABLE, None, None);
        assert_eq!(report.held.len(), 1);
        assert_eq!(Prices::parse(&writes[2].1).unwrap().of("openai/a").unwrap().input, 1_000_000, "the rest came in");
        let (table, told) = (writes[2].1.clone(), writes[3].1.clone());
        let (writes, confirmed) = after(Ok(&list), &table, None, Some(&told));
        assert!(confirmed.held.is_empty());
        assert_eq!(Prices::parse(&writes[2].1).unwrap().of("openai/a").unwrap().input, 10_000);
        let (writes, pinned) = after(Ok(&list), &table, Some("2026-11-01.a"), Some(&told));
        assert_eq!((pinned.outcome, writes.len()), (Outcome::Pinned, 1));
    }

    #[test]
    fn versions_are_kept_up_to_a_bound_and_the_one_in_force_always() {
        let keys: Vec<String> = (0..KEPT_VERSIONS + 3).rev().map(|n| format!("prices@2026-{n:04}")).collect();
        assert_eq!(surplus(keys.clone(), "2026-0099"), ["prices@2026-0000", "prices@2026-0001", "prices@2026-0002"]);
        assert_eq!(surplus(keys, "2026-0001"), ["prices@2026-0000", "prices@2026-0002"]);
        assert!(surplus(vec!["prices@a".to_owned()], "b").is_empty());
    }
}
