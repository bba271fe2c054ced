//! OTLP as JSON: proto3's mapping, except that ids are hex and enums are numbers (opentelemetry-proto,
//! `docs/specification.md`, "JSON Protobuf Encoding"). 64-bit integers are strings.

use serde_json::{json, Value as Json};

use super::{nanos, Attributes, Event, Metric, Metrics, Points, Span, Traces, Value, SCOPE, VERSION};

/// `ExportTraceServiceRequest`.
#[must_use]
pub fn traces(traces: &Traces) -> Vec<u8> {
    let spans: Vec<Json> = traces.spans.iter().map(span).collect();
    request("resourceSpans", "scopeSpans", "spans", &traces.resource, traces.schema_url, spans)
}

/// `ExportMetricsServiceRequest`.
#[must_use]
pub fn metrics(metrics: &Metrics) -> Vec<u8> {
    let list: Vec<Json> = metrics.metrics.iter().map(|metric| self::metric(metric, metrics)).collect();
    request("resourceMetrics", "scopeMetrics", "metrics", &metrics.resource, metrics.schema_url, list)
}

fn request(outer: &str, inner: &str, list: &str, resource: &Attributes, schema: &str, items: Vec<Json>) -> Vec<u8> {
    let scoped = json!({ "scope": { "name": SCOPE, "version": VERSION }, list: items, "schemaUrl": schema });
    json!({ outer: [{ "resource": { "attributes": attributes(resource) }, inner: [scoped] }] }).to_string().into_bytes()
}

fn span(span: &Span) -> Json {
    let texts = span.texts.iter().map(|(key, text)| json!({ "key": key, "value": { "stringValue": text } }));
    let mut json = json!({
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": span.kind as u8,
        "startTimeUnixNano": nanos(span.started_ms).to_string(),
        "endTimeUnixNano": nanos(span.ended_ms).to_string(),
        "attributes": attributes(&span.attributes).into_iter().chain(texts).collect::<Vec<_>>(),
        "events": span.events.iter().map(event).collect::<Vec<_>>(),
        "links": span.links.iter().map(|(trace, span)| json!({ "traceId": trace, "spanId": span })).collect::<Vec<_>>(),
    });
    if let Some(members) = json.as_object_mut() {
        if let Some(parent) = &span.parent_id {
            members.insert("parentSpanId".to_owned(), json!(parent));
        }
        if let Some(error) = &span.error {
            members.insert("status".to_owned(), json!({ "code": 2, "message": error }));
        }
    }
    json
}

fn event(event: &Event) -> Json {
    json!({
        "timeUnixNano": nanos(event.at_ms).to_string(),
        "name": event.name,
        "attributes": attributes(&event.attributes),
    })
}

fn metric(metric: &Metric, of: &Metrics) -> Json {
    let (since, until) = (nanos(of.since_ms).to_string(), nanos(of.until_ms).to_string());
    let (kind, data) = match &metric.points {
        Points::Sums(points) => {
            let point = |point: &super::Sum| json!({ "attributes": attributes(&point.attributes), "startTimeUnixNano": since, "timeUnixNano": until, "asDouble": point.value });
            let points: Vec<Json> = points.iter().map(point).collect();
            ("sum", json!({ "dataPoints": points, "aggregationTemporality": 1, "isMonotonic": true }))
        }
        Points::Histograms(bounds, points) => {
            let point = |point: &super::Distribution| {
                json!({
                    "attributes": attributes(&point.attributes), "startTimeUnixNano": since, "timeUnixNano": until,
                    "count": point.counts.iter().sum::<u64>().to_string(), "sum": point.sum,
                    "bucketCounts": point.counts.iter().map(u64::to_string).collect::<Vec<_>>(), "explicitBounds": bounds,
                })
            };
            let points: Vec<Json> = points.iter().map(point).collect();
            ("histogram", json!({ "dataPoints": points, "aggregationTemporality": 1 }))
        }
    };
    json!({ "name": metric.name, "description": metric.description, "unit": metric.unit, kind: data })
}

fn attributes(attributes: &Attributes) -> Vec<Json> {
    attributes.iter().map(|(key, value)| json!({ "key": key, "value": any(value) })).collect()
}

fn any(value: &Value) -> Json {
    match value {
        Value::Text(text) => json!({ "stringValue": text }),
        Value::Bool(flag) => json!({ "boolValue": flag }),
        Value::Int(number) => json!({ "intValue": number.to_string() }),
        Value::Double(number) => json!({ "doubleValue": number }),
        Value::Texts(texts) => {
            let values: Vec<Json> = texts.iter().map(|text| json!({ "stringValue": text })).collect();
            json!({ "arrayValue": { "values": values } })
        }
    }
}
