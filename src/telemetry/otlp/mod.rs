//! The part of OpenTelemetry's data model that the gateway sends (opentelemetry-proto 1.x), encoded as protobuf or as
//! JSON. Encoding is written here because the official crate weighs 90 kB in the Worker and wants features of other
//! targets (ADR 0027); the tests decode with the official definitions.

pub mod json;
pub mod protobuf;

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// 64 bits.
    Int(i64),
    /// A number.
    Double(f64),
    /// Yes or no.
    Bool(bool),
}

/// Attributes, each key once.
pub type Attributes = Vec<(&'static str, Value)>;

/// `SpanKind` as the wire numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answering a caller.
    Server = 2,
    /// Calling a provider.
    Client = 3,
}

/// A span. Ids are lower-case hex as in `traceparent`.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// 32 digits.
    pub trace_id: String,
    /// 16 digits.
    pub span_id: String,
    /// 16 digits.
    pub parent_id: Option<String>,
    /// Of few values.
    pub name: String,
    /// Role.
    pub kind: Kind,
    /// Unix ms.
    pub started_ms: u64,
    /// Unix ms.
    pub ended_ms: u64,
    /// What is known.
    pub attributes: Attributes,
    /// The same whose names are made: one a message, where a collector reads them so.
    pub texts: Vec<(String, String)>,
    /// What happened within.
    pub events: Vec<Event>,
    /// Spans that it belongs with.
    pub links: Vec<(String, String)>,
    /// The error that it ended with; `None` leaves the status unset.
    pub error: Option<String>,
}

/// An instant within a span.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Unix ms.
    pub at_ms: u64,
    /// What.
    pub name: &'static str,
    /// More of it.
    pub attributes: Attributes,
}

/// A metric and its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// Name.
    pub name: &'static str,
    /// For people.
    pub description: &'static str,
    /// UCUM.
    pub unit: &'static str,
    /// Points.
    pub points: Points,
}

/// Points by kind. Sums and histograms are deltas: an isolate begins anew at any time.
#[derive(Debug, Clone, PartialEq)]
pub enum Points {
    /// Monotonic sums.
    Sums(Vec<Sum>),
    /// Distributions.
    Histograms(&'static [f64], Vec<Distribution>),
}

/// A point of a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// Its series.
    pub attributes: Attributes,
    /// How much since the last export.
    pub value: f64,
}

/// A point of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Distribution {
    /// Its series.
    pub attributes: Attributes,
    /// Sum of the values.
    pub sum: f64,
    /// By bucket, one more than there are bounds.
    pub counts: Vec<u64>,
}

/// Spans of one export.
#[derive(Debug, Clone, PartialEq)]
pub struct Traces {
    /// What sends them.
    pub resource: Attributes,
    /// The schema that names follow.
    pub schema_url: &'static str,
    /// At least one.
    pub spans: Vec<Span>,
}

/// Metrics of one export.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// What sends them.
    pub resource: Attributes,
    /// The schema that names follow.
    pub schema_url: &'static str,
    /// At least one.
    pub metrics: Vec<Metric>,
    /// Begin of the interval, Unix ms.
    pub since_ms: u64,
    /// Its end.
    pub until_ms: u64,
}

/// Name of the instrumentation scope.
pub const SCOPE: &str = "signalbox";
/// Version of the gateway.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const NANOS_PER_MS: u64 = 1_000_000;

fn nanos(ms: u64) -> u64 {
    ms.saturating_mul(NANOS_PER_MS)
}

#[cfg(test)]
mod tests;
