//! OTLP as protobuf. Field numbers: opentelemetry-proto, `trace/v1/trace.proto`, `metrics/v1/metrics.proto`,
//! `common/v1/common.proto`, `resource/v1/resource.proto` (v1.7.0).

use super::{
    nanos, Attributes, Distribution, Event, Metric, Metrics, Points, Span, Sum, Traces, Value, SCOPE, VERSION,
};

const DELTA: u64 = 1;
const STATUS_ERROR: u64 = 2;

/// `ExportTraceServiceRequest`.
#[must_use]
pub fn traces(traces: &Traces) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |out| {
        out.message(1, |out| attributes(out, 1, &traces.resource));
        out.message(2, |out| {
            scope(out);
            for span in &traces.spans {
                out.message(2, |out| self::span(out, span));
            }
            out.text(3, traces.schema_url);
        });
    });
    out.0
}

/// `ExportMetricsServiceRequest`.
#[must_use]
pub fn metrics(metrics: &Metrics) -> Vec<u8> {
    let mut out = Writer::default();
    out.message(1, |out| {
        out.message(1, |out| attributes(out, 1, &metrics.resource));
        out.message(2, |out| {
            scope(out);
            for metric in &metrics.metrics {
                out.message(2, |out| self::metric(out, metric, metrics));
            }
            out.text(3, metrics.schema_url);
        });
    });
    out.0
}

fn scope(out: &mut Writer) {
    out.message(1, |out| {
        out.text(1, SCOPE);
        out.text(2, VERSION);
    });
}

fn span(out: &mut Writer, span: &Span) {
    out.hex(1, &span.trace_id);
    out.hex(2, &span.span_id);
    if let Some(parent) = &span.parent_id {
        out.hex(4, parent);
    }
    out.text(5, &span.name);
    out.number(6, span.kind as u64);
    out.fixed64(7, nanos(span.started_ms));
    out.fixed64(8, nanos(span.ended_ms));
    attributes(out, 9, &span.attributes);
    for (key, text) in &span.texts {
        out.message(9, |out| {
            out.text(1, key);
            out.message(2, |out| out.bytes(1, text.as_bytes()));
        });
    }
    for event in &span.events {
        out.message(11, |out| self::event(out, event));
    }
    for (trace, span) in &span.links {
        out.message(13, |out| {
            out.hex(1, trace);
            out.hex(2, span);
        });
    }
    if let Some(error) = &span.error {
        out.message(15, |out| {
            out.text(2, error);
            out.number(3, STATUS_ERROR);
        });
    }
}

fn event(out: &mut Writer, event: &Event) {
    out.fixed64(1, nanos(event.at_ms));
    out.text(2, event.name);
    attributes(out, 3, &event.attributes);
}

fn metric(out: &mut Writer, metric: &Metric, of: &Metrics) {
    out.text(1, metric.name);
    out.text(2, metric.description);
    out.text(3, metric.unit);
    match &metric.points {
        Points::Sums(points) => out.message(7, |out| {
            for point in points {
                out.message(1, |out| sum(out, point, of));
            }
            out.number(2, DELTA);
            out.number(3, 1);
        }),
        Points::Histograms(bounds, points) => out.message(9, |out| {
            for point in points {
                out.message(1, |out| distribution(out, point, bounds, of));
            }
            out.number(2, DELTA);
        }),
    }
}

fn sum(out: &mut Writer, point: &Sum, of: &Metrics) {
    out.fixed64(2, nanos(of.since_ms));
    out.fixed64(3, nanos(of.until_ms));
    out.double(4, point.value);
    attributes(out, 7, &point.attributes);
}

fn distribution(out: &mut Writer, point: &Distribution, bounds: &[f64], of: &Metrics) {
    out.fixed64(2, nanos(of.since_ms));
    out.fixed64(3, nanos(of.until_ms));
    out.fixed64(4, point.counts.iter().sum());
    out.double(5, point.sum);
    out.packed(6, point.counts.iter().map(|count| count.to_le_bytes()));
    out.packed(7, bounds.iter().map(|bound| bound.to_le_bytes()));
    attributes(out, 9, &point.attributes);
}

fn attributes(out: &mut Writer, field: u64, attributes: &Attributes) {
    for (key, value) in attributes {
        out.message(field, |out| {
            out.text(1, key);
            out.message(2, |out| any(out, value));
        });
    }
}

/// Members of a oneof are written also where they are the default.
fn any(out: &mut Writer, value: &Value) {
    match value {
        Value::Text(text) => out.bytes(1, text.as_bytes()),
        Value::Bool(flag) => out.field(2, 0, u64::from(*flag)),
        Value::Int(number) => out.field(3, 0, number.cast_unsigned()),
        Value::Double(number) => out.double(4, *number),
        Value::Texts(texts) => out.message(5, |out| {
            for text in texts {
                out.message(1, |out| out.bytes(1, text.as_bytes()));
            }
        }),
    }
}

/// Protobuf's wire format (<https://protobuf.dev/programming-guides/encoding/>).
#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            #[allow(clippy::cast_possible_truncation)] // seven bits
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        #[allow(clippy::cast_possible_truncation)] // seven bits
        self.0.push(number as u8);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.varint(field << 3 | wire_type);
    }

    fn field(&mut self, field: u64, wire_type: u64, number: u64) {
        self.tag(field, wire_type);
        self.varint(number);
    }

    fn number(&mut self, field: u64, number: u64) {
        if number != 0 {
            self.field(field, 0, number);
        }
    }

    fn fixed64(&mut self, field: u64, number: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn double(&mut self, field: u64, number: f64) {
        self.fixed64(field, number.to_bits());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.field(field, 2, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, field: u64, text: &str) {
        if !text.is_empty() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn hex(&mut self, field: u64, digits: &str) {
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Vec<u8> = digits.as_bytes().chunks(2).filter_map(byte).collect();
        self.bytes(field, &bytes);
    }

    fn packed(&mut self, field: u64, numbers: impl ExactSizeIterator<Item = [u8; 8]>) {
        self.field(field, 2, numbers.len() as u64 * 8);
        for number in numbers {
            self.0.extend_from_slice(&number);
        }
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }
}
