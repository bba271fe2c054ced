use serde_json::Value;

use super::*;
use crate::sorted::Set;

fn example() -> Sums {
    let paid = Counters {
        requests: 2,
        attempts: 3,
        completed: 2,
        failed: 1,
        input_tokens: 1_000,
        output_tokens: 50,
        exact_attempts: 2,
        exact_picousd: PicoSum(12_000_000_000),
        estimated_attempts: 1,
        estimated_picousd: PicoSum(300_000_000),
        ..Counters::default()
    };
    let unpriced = Counters { requests: 1, attempts: 1, completed: 1, unpriced_attempts: 1, ..Counters::default() };
    let dear = Counters { exact_picousd: PicoSum(u128::from(u64::MAX) * 2), exact_attempts: 9, ..Counters::default() };
    let place = |day: &str, model: &str| (day.to_owned(), model.to_owned(), "code".to_owned());
    let sums = [
        (place("2026-01-31", "openai/gpt"), paid.clone()),
        (place("2026-02-01", "local/llama"), unpriced),
        (place("2026-02-01", "openai/gpt"), dear),
    ];
    Sums { sums: sums.to_vec(), shards: 0 }
}

fn whole(sums: &Sums) -> Value {
    serde_json::from_str(&sums.answer("who", &Query::default()).0).unwrap()
}

fn asked(sums: &Sums, query: &str) -> String {
    sums.answer("who", &Query::read(query).unwrap()).0
}

#[test]
fn sums_are_grouped_by_model_day_or_task() {
    let sums = Sums::read(&example().to_json()).unwrap();
    for (query, groups) in [
        ("group_by=model", vec!["local/llama", "openai/gpt"]),
        ("group_by=day&from=2026-01-01", vec!["2026-01-31", "2026-02-01"]),
        ("group_by=task", vec!["code"]),
    ] {
        let report: Value = serde_json::from_str(&asked(&sums, query)).unwrap();
        fits(&report, &groups_schema(), "$");
        let names: Vec<&str> =
            report["groups"].as_array().unwrap().iter().map(|g| g["group"].as_str().unwrap()).collect();
        assert_eq!(names, groups, "{query}");
        assert_eq!(report["totals"]["cost_picousd"], "36893488159719103230");
    }
}

#[test]
fn a_spreadsheet_gets_exact_figures_and_no_formulas() {
    let mut sums = example();
    sums.add((
        ("2026-02-01".into(), "=cmd/\"x\",1".into(), String::new()),
        Counters { attempts: 1, ..Counters::default() },
    ));
    let csv = asked(&sums, "format=csv&group_by=model");
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 4);
    assert!(
        lines[0].starts_with("model,requests,attempts,open,completed,failed,cut,client_gone,hedged,expired,"),
        "{}",
        lines[0]
    );
    assert!(lines[1].starts_with("\"'=cmd/\"\"x\"\",1\",0,1,"), "{}", lines[1]);
    assert!(lines[3].contains(",36893488.15971910323,36893488159719103230,"), "{}", lines[3]);
    assert!(lines.iter().skip(2).all(|line| line.split(',').count() == lines[0].split(',').count()));
    assert!(asked(&sums, "format=csv").starts_with("day,"));
}

#[test]
fn a_query_that_is_not_understood_is_refused() {
    for query in [
        "from=yesterday",
        "from=2026-13-01",
        "from=2026-02-30",
        "to=2026-1-1",
        "group_by=week",
        "format=xml",
        "frm=2026-01-01",
        "from=2026-01-01&from=2026-01-02",
        "from=2026-02-01&to=2026-01-01",
    ] {
        assert_eq!(Query::read(query).unwrap_err().status(), 400, "{query}");
    }
    let range = Query::read("to=2026-02-01&from=2026-01-31").unwrap().range;
    assert_eq!(Range::read(&range.query()).unwrap(), range);
    assert!(range.holds("2026-01-31") && range.holds("2026-02-01") && !range.holds("2026-02-02"));
    assert!(Query::read("").unwrap().range.holds("2026-02-02"));
}

#[test]
fn money_is_exact_in_totals_models_and_days() {
    let report = whole(&example());
    assert_eq!(report["principal"], "who");
    assert_eq!(report["since"], "2026-01-31");
    assert_eq!(report["totals"]["requests"], 3);
    assert_eq!(report["totals"]["cost_picousd"], "36893488159719103230");
    assert_eq!(report["totals"]["cost_usd"], "36893488.15971910323");
    assert_eq!(report["totals"]["certainty"]["unpriced"], 1);
    assert_eq!(report["models"][0]["model"], "local/llama");
    assert_eq!(report["models"][0]["cost_usd"], "0");
    assert_eq!(report["days"][0]["day"], "2026-02-01", "the newest day first");
    assert_eq!(report["days"][1]["cost_usd"], "0.0123");
    assert_eq!(report["days"][1]["certainty"]["exact"]["cost_usd"], "0.012");
    assert_eq!(report["days"][1]["certainty"]["estimated"]["cost_picousd"], "300000000");
}

#[test]
fn a_new_principal_has_an_answer_too() {
    let report = whole(&Sums::default());
    assert_eq!(report["since"], Value::Null);
    assert_eq!(report["totals"]["cost_usd"], "0");
    assert_eq!(report["days"], Value::Array(Vec::new()));
    fits(&report, &schema(), "$");
}

#[test]
fn old_days_leave_the_list_but_not_the_totals() {
    let one = Counters { attempts: 1, ..Counters::default() };
    let day = |n| crate::accounting::day::day_of(n * crate::accounting::day::DAY_MS);
    let places = (0..DAYS as u64 + 5).map(|n| ((day(n), "p/m".to_owned(), String::new()), one.clone()));
    let report = whole(&Sums { sums: places.collect(), shards: 0 });
    assert_eq!(report["days"].as_array().unwrap().len(), DAYS);
    assert_eq!(report["totals"]["attempts"], DAYS as u64 + 5);
    assert_eq!(report["since"], "1970-01-01");
}

#[test]
fn the_answer_fits_its_published_schema() {
    fits(&whole(&example()), &schema(), "$");
}

#[test]
#[should_panic(expected = "$.totals")]
fn the_schema_refuses_money_as_numbers() {
    let mut report = whole(&example());
    report["totals"]["cost_usd"] = serde_json::json!(0.0123);
    fits(&report, &schema(), "$");
}

fn groups_schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/schemas/usage.groups.schema.json")).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/schemas/usage.schema.json")).unwrap()
}

/// The part of JSON Schema that ours uses: `$ref` into `$defs`, `type`, `const`, `properties` (all of them required, no
/// others), `items`, and patterns of digits. The end-to-end tests run a real validator.
fn fits(value: &Value, schema: &Value, path: &str) {
    fits_in(value, schema, schema, path);
}

fn fits_in(value: &Value, schema: &Value, root: &Value, path: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#'));
        return fits_in(value, target.unwrap_or_else(|| panic!("{path}: no {reference}")), root, path);
    }
    if let Some(constant) = schema.get("const") {
        return assert_eq!(value, constant, "{path}");
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        other => panic!("{path}: type is {other}"),
    };
    let kind = match value {
        Value::Null => "null",
        Value::String(_) => "string",
        Value::Number(n) if n.is_u64() => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        other => panic!("{path}: {other}"),
    };
    assert!(kinds.contains(&kind), "{path} is {kind}, not {kinds:?}");
    if let Some(text) = value.as_str() {
        assert!(!text.is_empty(), "{path}");
    }
    if let Some(items) = value.as_array() {
        items.iter().enumerate().for_each(|(n, item)| fits_in(item, &schema["items"], root, &format!("{path}[{n}]")));
    }
    if let Some(members) = value.as_object() {
        let there: Set<&str> = members.keys().map(String::as_str).collect();
        let described: Set<&str> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let required: Set<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(there, described, "{path}");
        assert_eq!(there, required, "{path}");
        assert_eq!(schema["additionalProperties"], false, "{path}");
        members.iter().for_each(|(n, v)| fits_in(v, &schema["properties"][n], root, &format!("{path}.{n}")));
    }
}
