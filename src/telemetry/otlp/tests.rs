use super::*;

fn span() -> Span {
    Span {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        parent_id: None,
        name: "s".into(),
        kind: Kind::Client,
        started_ms: 1,
        ended_ms: 2,
        texts: vec![("llm.input_messages.0.message.role".into(), "user".into())],
        attributes: vec![("n", Value::Int(-1)), ("b", Value::Bool(false)), ("t", Value::Texts(vec!["x".into()]))],
        events: vec![Event { at_ms: 1, name: "e", attributes: Vec::new() }],
        links: Vec::new(),
        error: Some("timeout".into()),
    }
}

fn traces() -> Traces {
    Traces { resource: vec![("service.name", Value::Text("signalbox".into()))], schema_url: "u", spans: vec![span()] }
}

#[test]
fn ids_are_hex_enums_are_numbers_and_whole_numbers_are_text_in_json() {
    let json: serde_json::Value = serde_json::from_slice(&json::traces(&traces())).unwrap();
    let span = &json["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!((&span["kind"], &span["status"]["code"]), (&3.into(), &2.into()));
    assert_eq!(
        (&span["startTimeUnixNano"], &span["attributes"][0]["value"]["intValue"]),
        (&"1000000".into(), &"-1".into())
    );
    assert_eq!(span.get("parentSpanId"), None);
}

/// The wire bytes, by hand from the field numbers of opentelemetry-proto; the end-to-end tests decode with its own
/// definitions.
#[test]
fn a_span_is_the_bytes_that_the_definitions_say() {
    let bytes = protobuf::traces(&traces());
    // ResourceSpans (1, length-delimited) holds Resource (1), ScopeSpans (2).
    assert_eq!(bytes[0], 0x0a);
    let at = bytes.windows(3).position(|w| w == [0x0a, 16, 0x4b]).unwrap();
    assert_eq!(&bytes[at + 18..at + 20], &[0x12, 8], "span_id follows trace_id");
    let minus_one = [b"\x0a\x01n\x12\x0b\x18".as_slice(), &[0xff; 9], &[0x01]].concat();
    assert!(bytes.windows(minus_one.len()).any(|w| w == minus_one), "a negative number is ten bytes of varint");
    assert!(bytes.windows(7).any(|w| w == b"\x0a\x01b\x12\x02\x10\x00"), "false is told");
    assert!(bytes.windows(11).any(|w| w == b"\x12\x07timeout\x18\x02"), "status: message, then the code of an error");
}

#[test]
fn sums_and_histograms_are_deltas() {
    let metrics = Metrics {
        resource: Vec::new(),
        schema_url: "u",
        since_ms: 1,
        until_ms: 2,
        metrics: vec![
            Metric {
                name: "c",
                description: "",
                unit: "1",
                points: Points::Sums(vec![Sum { attributes: Vec::new(), value: 2.0 }]),
            },
            Metric {
                name: "h",
                description: "",
                unit: "s",
                points: Points::Histograms(
                    &[0.5],
                    vec![Distribution {
                        attributes: vec![("a", Value::Text("b".into()))],
                        sum: 0.25,
                        counts: vec![1, 0],
                    }],
                ),
            },
        ],
    };
    let json: serde_json::Value = serde_json::from_slice(&json::metrics(&metrics)).unwrap();
    let list = &json["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    assert_eq!((&list[0]["sum"]["aggregationTemporality"], &list[0]["sum"]["isMonotonic"]), (&1.into(), &true.into()));
    let point = &list[1]["histogram"]["dataPoints"][0];
    assert_eq!(
        (&point["count"], &point["bucketCounts"], &point["explicitBounds"]),
        (&"1".into(), &serde_json::json!(["1", "0"]), &serde_json::json!([0.5]))
    );
    let bytes = protobuf::metrics(&metrics);
    let packed = [[0x32, 16, 1, 0, 0, 0, 0, 0, 0, 0].as_slice(), &[0; 8]].concat();
    assert!(bytes.windows(packed.len()).any(|w| w == packed), "bucket counts are packed fixed64");
}
