//! Metrics in Prometheus' text format 0.0.4 (<https://prometheus.io/docs/instrumenting/exposition_formats/>), with names as
//! OpenTelemetry's specification converts them: dots to underscores, the unit behind the name, `_total` behind sums.

use std::fmt::Write;

use super::metric::{Instrument, Meter, Reading, Shape};

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A state at the time of asking.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// Its full name.
    pub name: &'static str,
    /// For people.
    pub help: &'static str,
    /// Label names and values, and the value.
    pub points: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// All series.
#[must_use]
pub fn text(meter: &Meter, gauges: &[Gauge]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    let mut last = "";
    for (instrument, values, reading) in meter.series() {
        let name = name(instrument);
        if last != instrument.name {
            head(
                &mut out,
                &name,
                instrument.description,
                if matches!(reading, Reading::Sum(_)) { "counter" } else { "histogram" },
            );
            last = instrument.name;
        }
        let labels: Vec<(String, &str)> = instrument
            .labels
            .iter()
            .map(|label| label.replace('.', "_"))
            .zip(values.iter().map(String::as_str))
            .collect();
        match (reading, instrument.shape) {
            (Reading::Sum(value), _) => line(&mut out, &name, "", &labels, None, instrument.scaled(*value)),
            (Reading::Spread(sum, counts), Shape::Spread(bounds)) => {
                let mut below = 0u64;
                for (at, count) in counts.iter().enumerate() {
                    below = below.saturating_add(*count);
                    let bound = bounds.get(at).map_or("+Inf".to_owned(), f64::to_string);
                    line(&mut out, &name, "_bucket", &labels, Some(&bound), whole(below));
                }
                line(&mut out, &name, "_sum", &labels, None, instrument.scaled(*sum));
                line(&mut out, &name, "_count", &labels, None, whole(below));
            }
            (Reading::Spread(..), Shape::Sum) => {}
        }
    }
    for gauge in gauges {
        head(&mut out, gauge.name, gauge.help, "gauge");
        for (labels, value) in &gauge.points {
            let labels: Vec<(String, &str)> =
                labels.iter().map(|(name, value)| ((*name).to_owned(), value.as_str())).collect();
            line(&mut out, gauge.name, "", &labels, None, *value);
        }
    }
    out
}

/// `gen_ai.server.request.duration` in `s` → `gen_ai_server_request_duration_seconds`.
#[must_use]
pub fn name(instrument: &Instrument) -> String {
    let mut name = instrument.name.replace('.', "_");
    match instrument.unit {
        "s" => name.push_str("_seconds"),
        "USD" => name.push_str("_usd"),
        _ => {} // units in braces are annotations
    }
    if matches!(instrument.shape, Shape::Sum) {
        name.push_str("_total");
    }
    name
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    // Writing to a String has no error path.
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", help.replace('\\', "\\\\").replace('\n', "\\n"));
}

fn line(out: &mut String, name: &str, suffix: &str, labels: &[(String, &str)], bound: Option<&str>, value: f64) {
    out.push_str(name);
    out.push_str(suffix);
    let told = labels.iter().filter(|(_, value)| !value.is_empty());
    let told = told.map(|(label, value)| (label.as_str(), *value)).chain(bound.map(|bound| ("le", bound)));
    let mut opened = false;
    for (label, value) in told {
        out.push(if opened { ',' } else { '{' });
        opened = true;
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{label}=\"{value}\"");
    }
    if opened {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

#[allow(clippy::cast_precision_loss)] // Prometheus' numbers are doubles
fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests;
