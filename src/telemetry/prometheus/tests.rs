use serde_json::Value;

use super::*;
use crate::sorted::{Map, Set};
use crate::telemetry::metric::TABLE;
use crate::telemetry::record::RequestRecord;
use crate::telemetry::register::Register;

#[test]
fn buckets_are_cumulative_and_labels_are_escaped() {
    let mut meter = Meter::default();
    for ms in [3, 5, 6, 20_000] {
        let record = RequestRecord {
            method: "GET".into(),
            route: "/a\"b\\c\nd".into(),
            status: 200,
            duration_ms: ms,
            ..RequestRecord::default()
        };
        meter.count(&record);
    }
    let text = text(&meter, &[]);
    let labels = r#"http_request_method="GET",http_route="/a\"b\\c\nd",http_response_status_code="200""#;
    for line in [
        "# TYPE http_server_request_duration_seconds histogram".to_owned(),
        format!("http_server_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 2"),
        format!("http_server_request_duration_seconds_bucket{{{labels},le=\"0.01\"}} 3"),
        format!("http_server_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 4"),
        format!("http_server_request_duration_seconds_sum{{{labels}}} 20.014"),
        format!("http_server_request_duration_seconds_count{{{labels}}} 4"),
        "# TYPE signalbox_requests_total counter".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis missing in\n{text}");
    }
}

#[test]
fn a_gauge_without_points_still_says_what_it_is() {
    let gauge = Gauge { name: "up", help: "h", points: vec![(vec![("m", "x".into())], 1.0)] };
    assert_eq!(text(&Meter::default(), &[gauge]), "# HELP up h\n# TYPE up gauge\nup{m=\"x\"} 1\n");
}

const DASHBOARD: &str = include_str!("../../../deploy/grafana/signalbox.json");
const ALERTS: &str = include_str!("../../../deploy/prometheus/alerts.yml");

/// Instruments that the register counts: not those of a profile that only collectors may ask for.
fn told() -> impl Iterator<Item = &'static Instrument> {
    TABLE.iter().filter(|instrument| instrument.name != "gen_ai.client.inference.usage")
}

/// Series names that `/metrics` has, and their labels.
fn emitted() -> Map<String, Set<String>> {
    let mut names: Map<String, Set<String>> = Map::new();
    for instrument in told() {
        let labels: Set<String> = instrument.labels.iter().map(|label| label.replace('.', "_")).collect();
        let name = name(instrument);
        match instrument.shape {
            Shape::Sum => drop(names.insert(name, labels)),
            Shape::Spread(_) => {
                let buckets = labels.iter().cloned().chain(["le".to_owned()]).collect();
                names.insert(format!("{name}_bucket"), buckets);
                names.insert(format!("{name}_sum"), labels.clone());
                names.insert(format!("{name}_count"), labels);
            }
        }
    }
    for gauge in Register::default().gauges() {
        names.insert(gauge.name.to_owned(), ["signalbox_provider", "signalbox_model"].map(str::to_owned).into());
    }
    names.insert("up".to_owned(), ["job".to_owned()].into());
    names
}

/// What is wrong with the names and labels of a query.
fn faults(query: &str, emitted: &Map<String, Set<String>>) -> Vec<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let (mut faults, mut used, mut grouped) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = query;
    while let Some(at) = rest.find(|c: char| c.is_ascii_alphabetic() || "_{\"$[".contains(c)) {
        rest = &rest[at..];
        // Texts, variables and ranges have no names in them.
        if let Some(end) = match rest.as_bytes()[0] {
            b'"' => rest[1..].find('"').map(|end| end + 2),
            b'[' => rest.find(']').map(|end| end + 1),
            b'{' => Some(1),
            b'$' => rest[1..].find(|c| !is_word(c)).map(|end| end + 1),
            _ => None,
        } {
            rest = &rest[end..];
            continue;
        }
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let next = after.trim_start();
        rest = after;
        if matches!(word, "by" | "on" | "group_left" | "without") && next.starts_with('(') {
            let inside = &next[1..next.find(')').unwrap()];
            grouped.extend(inside.split(',').map(|label| label.trim().to_owned()));
            rest = &next[inside.len() + 1..];
        } else if next.starts_with(['=', '!']) && !next.starts_with("==") {
            let metric: &String = used.last().expect("a matcher stands behind a metric");
            if !emitted.get(metric).is_some_and(|labels| labels.contains(word)) {
                faults.push(format!("{metric} has no label {word}"));
            }
        } else if emitted.contains_key(word) {
            used.push(word.to_owned());
        } else if word.contains('_') && !next.starts_with('(') && word != "group_left" {
            faults.push(format!("nothing is called {word}"));
        }
    }
    let known: Set<&String> = used.iter().filter_map(|metric| emitted.get(metric)).flatten().collect();
    faults.extend(grouped.iter().filter(|label| !known.contains(label)).map(|label| format!("no label {label}")));
    if used.is_empty() {
        faults.push("no metric".to_owned());
    }
    faults
}

#[test]
fn the_dashboard_asks_for_metrics_and_labels_that_there_are() {
    let emitted = emitted();
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries: Vec<&str> = panels
        .iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let wrong: Vec<_> =
        queries.iter().map(|query| (query, faults(query, &emitted))).filter(|(_, f)| !f.is_empty()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let unseen: Vec<String> =
        told().map(name).filter(|name| !queries.iter().any(|query| query.contains(name.as_str()))).collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
    let ids: Set<i64> = panels.iter().filter_map(|panel| panel["id"].as_i64()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn the_alerts_ask_for_metrics_and_labels_that_there_are() {
    let emitted = emitted();
    // An expression ends where the next member of its rule begins; promtool reads the file itself in the end-to-end tests.
    let queries: Vec<&str> = ALERTS
        .split("expr:")
        .skip(1)
        .map(|rest| rest.find("labels: {").into_iter().chain(rest.find("for: ")).min().map_or(rest, |end| &rest[..end]))
        .collect();
    assert_eq!(queries.len(), ALERTS.matches("- alert:").count());
    for query in queries {
        assert_eq!(faults(query.trim_start_matches(" |"), &emitted), Vec::<String>::new(), "{query}");
    }
}

#[test]
fn a_query_for_what_is_not_there_is_noticed() {
    let emitted = emitted();
    for (query, fault) in [
        ("sum(rate(signalbox_request_total[5m]))", "nothing is called signalbox_request_total"),
        ("signalbox_errors_total{signalbox_task=\"qa\"}", "signalbox_errors_total has no label signalbox_task"),
        ("sum by (signalbox_model) (signalbox_errors_total)", "no label signalbox_model"),
        ("signalbox_requests_total_bucket", "nothing is called signalbox_requests_total_bucket"),
    ] {
        assert!(faults(query, &emitted).contains(&fault.to_owned()), "{query}: {:?}", faults(query, &emitted));
    }
}
