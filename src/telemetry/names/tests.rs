//! What leaves the gateway against what OpenTelemetry publishes.

use super::*;
use crate::accounting::Cost;
use crate::config::telemetry::Flavour;
use crate::dialect::canonical::Usage;
use crate::sorted::Map;
use crate::telemetry::content::{Content, Definition, Message, Part};
use crate::telemetry::metric::{Meter, TABLE};
use crate::telemetry::otlp::{Points, Value};
use crate::telemetry::record::{AttemptRecord, Parameters, RequestRecord};
use crate::telemetry::span::{spans, Reader};

const REGISTRY: &str = include_str!("registry.tsv");

struct Published<'r> {
    /// Of an attribute its type, of a metric its instrument.
    shape: &'r str,
    unit: &'r str,
    bounds: Vec<f64>,
}

fn registry(profile: Profile, kind: &str) -> Map<&'static str, Published<'static>> {
    let own = if profile == Profile::V141 { "1.41" } else { "latest" };
    let rows = REGISTRY.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| (row[0] == own || row[0] == "both") && row[1] == kind)
        .map(|row| {
            let bounds =
                row.get(5).map_or_else(Vec::new, |bounds| bounds.split(',').map(|b| b.parse().unwrap()).collect());
            (row[2], Published { shape: row[3], unit: row.get(4).copied().unwrap_or(""), bounds })
        })
        .collect()
}

/// A request of which everything is known that can be.
fn record() -> RequestRecord {
    let usage = Usage {
        input_tokens: 90,
        cached_input_tokens: Some(10),
        cache_write_5m_tokens: Some(5),
        output_tokens: 20,
        reasoning_tokens: Some(3),
        ..Usage::default()
    };
    let failed = AttemptRecord {
        provider: "gemini".into(),
        profile: "gemini".into(),
        host: "generativelanguage.googleapis.com:8443".into(),
        model: "gemini-x".into(),
        listed: true,
        role: "first".into(),
        outcome: "503".into(),
        class: Some("overloaded".into()),
        usage: Usage { input_tokens: 7, ..Usage::default() },
        ..AttemptRecord::default()
    };
    let answered = AttemptRecord {
        response_model: Some("gemini-x-1".into()),
        response_id: Some("r-1".into()),
        finish_reason: Some("STOP".into()),
        role: "retry".into(),
        outcome: "200".into(),
        class: None,
        ttft_ms: Some(100),
        duration_ms: 900,
        usage,
        cost: Some(Cost::Exact { picousd: 5_000_000 }),
        ..failed.clone()
    };
    RequestRecord {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        method: "POST".into(),
        route: "/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        operation: "chat".into(),
        policy: "balanced".into(),
        task: "qa".into(),
        stream: true,
        status: 502,
        error: Some("stream_cut".into()),
        blame: Some("upstream".into()),
        duration_ms: 1_000,
        ttft_ms: Some(200),
        losses: vec!["user".into()],
        usage: Some(usage),
        parameters: Parameters {
            max_tokens: Some(9),
            temperature: Some(1.0),
            top_p: Some(1.0),
            top_k: Some(1.0),
            seed: Some(1),
            frequency_penalty: Some(1.0),
            presence_penalty: Some(1.0),
            choices: Some(2),
            output: Some("json"),
        },
        attempts: vec![failed, answered],
        ..RequestRecord::default()
    }
}

/// And everything that was said.
fn content() -> Content {
    let message = |role| vec![Message { role, parts: Vec::new(), finish_reason: None }];
    let tools = vec![Definition { name: "f".into(), description: None, parameters: None }];
    let (system, input, output) = (message("system"), message("user"), message("assistant"));
    let system =
        system.into_iter().map(|one| Message { parts: vec![Part::Native { kind: "k".into() }], ..one }).collect();
    Content { system, input, output, tools, stop: vec!["x".into()], cut: true }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "string",
        Value::Int(_) => "int",
        Value::Double(_) => "double",
        Value::Bool(_) => "boolean",
        Value::Texts(_) => "string[]",
    }
}

fn is_ours(name: &str) -> bool {
    ["signalbox.", "langfuse.", "openinference.", "llm.", "input.", "output."].iter().any(|own| name.starts_with(own))
        || name == "user.id"
}

#[test]
fn every_name_in_the_table_is_published_under_its_profile() {
    for profile in [Profile::V141, Profile::Latest] {
        let published = registry(profile, "attribute");
        let absent: Vec<&str> =
            ALL.iter().map(|name| name.under(profile)).filter(|n| !published.contains_key(n)).collect();
        let token_type = if profile == Profile::Latest { vec!["gen_ai.token.type"] } else { vec![] };
        assert_eq!(absent, token_type, "the newest conventions put it into the metrics' names: {profile:?}");
    }
}

#[test]
fn attributes_of_spans_have_published_names_and_types() {
    for profile in [Profile::V141, Profile::Latest] {
        let published = registry(profile, "attribute");
        let mut seen = 0;
        for flavour in [Flavour::Otel, Flavour::Langfuse, Flavour::OpenInference] {
            for span in spans(&record(), Reader { profile, flavour, content: Some(&content()) }) {
                let own = span.events.iter().flat_map(|event| &event.attributes);
                for (name, value) in span.attributes.iter().chain(own).filter(|(name, _)| !is_ours(name)) {
                    let known = published.get(name).unwrap_or_else(|| panic!("{name} is not in {profile:?}"));
                    // JSON text stands for any form.
                    let shape = if known.shape == "any" { "string" } else { known.shape };
                    assert_eq!(type_of(value), shape, "{name}");
                    seen += 1;
                }
            }
        }
        assert!(seen > 60, "{seen}");
    }
}

#[test]
fn what_a_call_must_have_under_the_conventions_is_there() {
    for span in
        spans(&record(), Reader { profile: Profile::V141, flavour: Flavour::Otel, content: None }).iter().skip(1)
    {
        for required in [OPERATION, PROVIDER, REQUEST_MODEL, SERVER_ADDRESS, SERVER_PORT] {
            assert!(span.attributes.iter().any(|(name, _)| *name == required.under(Profile::V141)), "{required:?}");
        }
        assert_eq!(span.name, "chat gemini-x");
        let told = span.attributes.iter().find(|(name, _)| *name == PROVIDER.under(Profile::V141));
        assert_eq!(told.map(|(_, value)| value), Some(&Value::Text("gcp.gemini".into())));
    }
}

#[test]
fn metrics_have_published_names_units_instruments_labels_and_buckets() {
    let mut meter = Meter::default();
    meter.count(&record());
    meter.count_for_latest(&record());
    // An answer that did not fail, for what only those have.
    meter.count(&RequestRecord { status: 200, error: None, blame: None, ..record() });
    for profile in [Profile::V141, Profile::Latest] {
        let (metrics, attributes) = (registry(profile, "metric"), registry(profile, "attribute"));
        let mut seen = Vec::new();
        for metric in meter.to_otlp(profile).iter().filter(|metric| !is_ours(metric.name)) {
            let known = metrics.get(metric.name).unwrap_or_else(|| panic!("{} is not in {profile:?}", metric.name));
            assert_eq!(metric.unit, known.unit, "{}", metric.name);
            let labels: Vec<&(&str, Value)> = match &metric.points {
                Points::Sums(points) => {
                    assert_eq!(known.shape, "counter", "{}", metric.name);
                    points.iter().flat_map(|point| &point.attributes).collect()
                }
                Points::Histograms(bounds, points) => {
                    assert_eq!(known.shape, "histogram", "{}", metric.name);
                    let stated = !known.bounds.is_empty();
                    assert!(!stated || *bounds == known.bounds.as_slice(), "{}: {bounds:?}", metric.name);
                    points.iter().flat_map(|point| &point.attributes).collect()
                }
            };
            for (label, value) in &labels {
                let shape = attributes.get(label).map(|known| known.shape);
                assert_eq!(shape, Some(type_of(value)), "{} {label}", metric.name);
            }
            let has = |needed: &&str| labels.iter().any(|(label, _)| label == needed);
            let needed = ["gen_ai.operation.name", "gen_ai.provider.name"];
            assert!(!metric.name.starts_with("gen_ai.") || needed.iter().all(has), "{}", metric.name);
            seen.push(metric.name);
        }
        // Chunks are not timed one by one: that would cost on each of them.
        let missing: Vec<_> = metrics.keys().filter(|name| !seen.contains(name)).collect();
        assert_eq!(missing, [&"gen_ai.client.operation.time_per_output_chunk"], "{profile:?}");
    }
    assert!(TABLE.iter().all(|row| !row.name.starts_with("gen_ai.") || row.description.ends_with('.')));
}

#[test]
fn the_newest_counters_also_count_what_failed_calls_used() {
    let mut meter = Meter::default();
    meter.count_for_latest(&record());
    assert!(meter.to_otlp(Profile::V141).is_empty(), "they are none of 1.41's");
    let sums: Map<&str, f64> = meter
        .to_otlp(Profile::Latest)
        .iter()
        .map(|metric| match &metric.points {
            Points::Sums(points) => (metric.name, points.iter().map(|point| point.value).sum()),
            Points::Histograms(..) => panic!("{}", metric.name),
        })
        .collect();
    let of = |name: &str| sums.get(format!("gen_ai.client.inference.usage.{name}").as_str()).copied();
    assert_eq!(of("input_tokens"), Some(112.0), "105 of the answer, 7 of the failed call");
    assert_eq!(of("output_tokens"), Some(23.0));
    assert_eq!(of("cache_read.input_tokens"), Some(10.0));
    assert_eq!(of("cache_write.input_tokens"), Some(5.0));
    assert_eq!(of("reasoning.output_tokens"), Some(3.0));
}
