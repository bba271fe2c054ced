use proptest::prelude::*;

use super::*;
use crate::dialect::canonical::Usage;
use crate::policy::record::Shadow;

fn attempt(model: &str, listed: bool) -> AttemptRecord {
    AttemptRecord {
        provider: "openai".into(),
        model: model.into(),
        listed,
        role: "first".into(),
        outcome: "200".into(),
        duration_ms: 1_500,
        ttft_ms: Some(500),
        usage: Usage {
            input_tokens: 90,
            cached_input_tokens: Some(10),
            output_tokens: 20,
            reasoning_tokens: Some(1),
            ..Usage::default()
        },
        cost: Some(Cost::Exact { picousd: 2_500_000_001 }),
        ..AttemptRecord::default()
    }
}

fn record(attempts: Vec<AttemptRecord>) -> RequestRecord {
    RequestRecord {
        method: "POST".into(),
        route: "/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        stream: true,
        status: 200,
        duration_ms: 1_600,
        ttft_ms: Some(600),
        usage: attempts.last().map(|attempt| attempt.usage),
        attempts,
        ..RequestRecord::default()
    }
}

fn reading(meter: &Meter, name: &str, having: &str) -> Option<Reading> {
    let found = meter.series().find(|(i, labels, _)| i.name == name && labels.iter().any(|label| label == having));
    found.map(|(_, _, reading)| reading.clone())
}

#[test]
fn tokens_are_counted_once_by_kind_and_whole_in_the_conventions_histogram() {
    let mut meter = Meter::default();
    meter.count(&record(vec![attempt("gpt-x", true)]));
    for (kind, count) in [("input", 90), ("cache_read", 10), ("output", 20), ("reasoning", 1)] {
        assert_eq!(reading(&meter, "signalbox.tokens", kind), Some(Reading::Sum(count)), "{kind}");
    }
    let Some(Reading::Spread(sum, counts)) = reading(&meter, "gen_ai.client.token.usage", "input") else { panic!() };
    assert_eq!((sum, counts.iter().sum::<u64>(), counts[4]), (100, 1, 1), "cached ones included");
    assert_eq!(reading(&meter, "signalbox.cost", "exact"), Some(Reading::Sum(2_500_001)), "billionths, rounded up");
    let Some(Reading::Spread(us, _)) = reading(&meter, "gen_ai.server.time_per_output_token", "gpt-x") else {
        panic!()
    };
    assert_eq!(us, 50_000, "a second for the twenty tokens after the first");
}

#[test]
fn a_model_that_only_a_caller_names_is_no_label() {
    let mut meter = Meter::default();
    meter.count(&record(vec![attempt("whatever a caller wrote", false)]));
    assert!(meter.series().all(|(_, labels, _)| labels.iter().all(|label| !label.contains("whatever"))));
    assert!(reading(&meter, "signalbox.attempts", OTHER).is_some());
}

#[test]
fn failures_and_what_the_caller_cut_short_are_told_apart() {
    let mut meter = Meter::default();
    let failed = AttemptRecord { class: Some("overloaded".into()), outcome: "503".into(), ..attempt("a", true) };
    let left = AttemptRecord { outcome: "cancelled".into(), ..attempt("b", true) };
    meter.count(&RequestRecord { status: 499, ..record(vec![failed, left]) });
    assert!(reading(&meter, "signalbox.attempts", "overloaded").is_some());
    assert!(reading(&meter, "signalbox.attempts", "cancelled").is_some());
    assert!(reading(&meter, "signalbox.requests", "client_disconnected").is_some());
    assert_eq!(reading(&meter, "gen_ai.server.time_to_first_token", "a"), None, "successes only");
}

#[test]
fn series_are_bounded_and_nothing_is_lost_by_it() {
    let mut meter = Meter::default();
    for n in 0..3_000 {
        meter.count(&RequestRecord {
            route: format!("/{n}"),
            method: "GET".into(),
            status: 200,
            ..RequestRecord::default()
        });
    }
    assert!(meter.series().count() <= MOST_SERIES + TABLE.len());
    let requests = meter.series().filter(|(i, _, _)| i.name == "signalbox.requests");
    let sum: u64 = requests.map(|(_, _, reading)| if let Reading::Sum(count) = reading { *count } else { 0 }).sum();
    assert_eq!(sum, 3_000);
}

#[test]
fn the_newest_names_tell_tokens_in_and_out_apart() {
    let mut meter = Meter::default();
    meter.count(&record(vec![attempt("gpt-x", true)]));
    let names = |profile| meter.to_otlp(profile).into_iter().map(|metric| metric.name).collect::<Vec<_>>();
    assert!(names(Profile::V141).contains(&"gen_ai.client.token.usage"));
    let latest = names(Profile::Latest);
    assert!(latest.contains(&"gen_ai.client.inference.operation.input_tokens"));
    assert!(latest.contains(&"gen_ai.client.inference.operation.output_tokens"));
    assert!(!latest.contains(&"gen_ai.client.token.usage"));
}

proptest! {
    #[test]
    fn what_isolates_counted_adds_up_in_any_order_and_survives_the_way(ms in prop::collection::vec(0u64..200_000, 1..20), cut in 0usize..20) {
        let records: Vec<RequestRecord> = ms.iter().map(|ms| RequestRecord { duration_ms: *ms, ..record(vec![attempt("m", true)]) }).collect();
        let count = |records: &[RequestRecord]| {
            let mut meter = Meter::default();
            records.iter().for_each(|record| meter.count(record));
            meter
        };
        let whole = count(&records);
        let (a, b) = records.split_at(cut.min(records.len()));
        let mut merged = count(b);
        merged.merge(count(a));
        prop_assert_eq!(&merged, &whole);
        let json = serde_json::to_string(&merged).unwrap();
        prop_assert_eq!(serde_json::from_str::<Meter>(&json).unwrap(), merged);
    }
}

#[test]
fn what_a_shadow_would_have_chosen_is_counted_by_policy_and_result() {
    let mut meter = Meter::default();
    for same in [true, false, true] {
        let shadow = Some(Shadow { policy: "next".into(), chosen: Some("openai/m".into()), same });
        meter.count(&RequestRecord { policy: "house".into(), shadow, ..record(Vec::new()) });
    }
    meter.count(&record(Vec::new()));
    let counted = |result| reading(&meter, "signalbox.shadow.decisions", result);
    assert_eq!((counted("same"), counted("different")), (Some(Reading::Sum(2)), Some(Reading::Sum(1))));
}
