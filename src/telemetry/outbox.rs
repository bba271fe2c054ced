//! Records of this isolate on their way to collectors and to the register. Bounded: what does not fit, and what nobody
//! takes, is counted and left out; a request never waits for it and never fails by it.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::content::Content;
use super::metric::Meter;
use super::otlp::{self, Attributes, Value};
use super::record::RequestRecord;
use super::register::{Register, Slice};
use super::{names, sampling, span};
use crate::config::telemetry::{Collector, Encoding, Profile, Telemetry};

/// Records that wait; beyond it the oldest are left out.
const MOST_RECORDS: usize = 2_000;
/// Bytes of content that wait; contents that would be more are left out, their records are not.
const MOST_CONTENT_BYTES: usize = 2 * 1024 * 1024;
/// Requests that the register is shown by one message; all are counted.
const MOST_SHOWN: usize = 100;
/// Spans in one export.
const MOST_SPANS: usize = 512;
/// How often an export is tried.
const TRIES: u32 = 4;
/// The longest wait between two tries: the platform ends background work half a minute after the answer.
const LONGEST_WAIT_MS: u64 = 8_000;

/// What waits in an isolate.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Told>,
    /// Bytes of content among them.
    content_bytes: usize,
    /// Records, and contents of others, that did not fit.
    left_out: [u64; 2],
    flushing: bool,
    /// For collectors, since the last export of metrics.
    metrics: Meter,
    metrics_since_ms: u64,
    /// Name of this isolate towards the register, and number of its last message.
    from: u64,
    number: u64,
    unsent: Option<Slice>,
}

/// A request that is over.
#[derive(Debug)]
pub struct Told {
    /// What is told of it.
    pub record: RequestRecord,
    /// What was said in it, masked, for collectors that ask for that; nobody else gets it.
    pub content: Option<Box<Content>>,
}

impl From<RequestRecord> for Told {
    fn from(record: RequestRecord) -> Self {
        Self { record, content: None }
    }
}

/// A message to the register.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Push {
    /// Who sends.
    pub from: u64,
    /// Which of its messages: one that comes twice counts once.
    pub number: u64,
    /// What was counted since the last one.
    pub part: Slice,
}

/// An export on its way to a collector.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Index of the collector.
    pub collector: usize,
    /// Where.
    pub url: String,
    /// How it is written.
    pub content_type: &'static str,
    /// The message.
    pub body: Vec<u8>,
    /// `traces` or `metrics`.
    pub signal: &'static str,
    /// Spans, or series, in it.
    pub items: u64,
}

/// What becomes of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is there.
    Done,
    /// Again after so many milliseconds.
    Again(u64),
    /// It is given up and counted.
    Drop,
}

impl Outbox {
    /// An empty one. `from` is random.
    #[must_use]
    pub fn new(from: u64) -> Self {
        // Whole numbers in JSON are read as doubles by some readers.
        Self { from: from >> 12, ..Self::default() }
    }

    /// Takes a request that is over; true where the caller has to flush, because nobody else is going to.
    pub fn push(&mut self, told: impl Into<Told>) -> bool {
        let mut told = told.into();
        if self.waiting.len() >= MOST_RECORDS {
            self.waiting.pop_front();
            self.left_out[0] += 1;
        }
        if let Some(content) = &told.content {
            let size = content.size();
            if self.content_bytes.saturating_add(size) > MOST_CONTENT_BYTES {
                told.content = None;
                self.left_out[1] += 1;
            } else {
                self.content_bytes += size;
            }
        }
        self.waiting.push_back(told);
        !std::mem::replace(&mut self.flushing, true)
    }

    /// Records since the last flush become exports of spans and a message to the register.
    pub fn flush(&mut self, settings: &Telemetry, now_ms: u64) -> (Vec<Export>, Option<Push>) {
        let waiting: Vec<Told> = std::mem::take(&mut self.waiting).into();
        self.content_bytes = 0;
        let mut counted = Register::default();
        waiting.iter().for_each(|told| counted.count(&told.record));
        if !waiting.is_empty() && settings.otlp.iter().any(|collector| collector.metrics) {
            if self.metrics.is_empty() {
                self.metrics_since_ms = waiting.iter().map(|told| told.record.started_ms).min().unwrap_or(now_ms);
            }
            self.metrics.merge(counted.meter.clone());
            if settings.otlp.iter().any(|collector| collector.metrics && collector.profile == Profile::Latest) {
                waiting.iter().for_each(|told| self.metrics.count_for_latest(&told.record));
            }
        }
        for (what, count) in ["records", "content"].into_iter().zip(std::mem::take(&mut self.left_out)) {
            if count > 0 {
                counted.meter.dropped(what, count);
            }
        }
        let unsent = self.unsent.take();
        let nothing = waiting.is_empty() && unsent.is_none();
        unsent.into_iter().for_each(|part| counted.merge(part.into()));
        let exports = traces(&waiting, settings);
        if !settings.register || nothing {
            return (exports, None);
        }
        let records = waiting.into_iter().map(|told| told.record);
        let listed: Vec<RequestRecord> = records.filter(RequestRecord::is_listed).collect();
        let newest = listed.len().saturating_sub(MOST_SHOWN);
        listed.into_iter().skip(newest).for_each(|record| counted.show(record));
        self.number += 1;
        (exports, Some(Push { from: self.from, number: self.number, part: counted.into_part() }))
    }

    /// Metrics since the last export, once they have gathered long enough or nothing else waits.
    pub fn flush_metrics(&mut self, settings: &Telemetry, now_ms: u64, at_the_end: bool) -> Vec<Export> {
        let due = now_ms.saturating_sub(self.metrics_since_ms) >= settings.metrics_ms;
        if self.metrics.is_empty() || !(due || at_the_end) {
            return Vec::new();
        }
        let meter = std::mem::take(&mut self.metrics);
        let takers = settings.otlp.iter().enumerate().filter(|(_, collector)| collector.metrics);
        let export = |(at, collector): (usize, &Collector)| {
            let message = otlp::Metrics {
                resource: resource(settings),
                schema_url: names::schema_url(collector.profile),
                metrics: meter.to_otlp(collector.profile),
                since_ms: self.metrics_since_ms,
                until_ms: now_ms.max(self.metrics_since_ms + 1),
            };
            let items = message.metrics.len() as u64;
            let body = match collector.encoding {
                Encoding::Protobuf => otlp::protobuf::metrics(&message),
                Encoding::Json => otlp::json::metrics(&message),
            };
            to(collector, at, "metrics", body, items)
        };
        takers.map(export).collect()
    }

    /// Whether something waits; if not, whoever flushes stops.
    pub fn more(&mut self) -> bool {
        let waits = !self.waiting.is_empty() || !self.metrics.is_empty();
        self.flushing = waits;
        waits
    }

    /// The flusher's time is over: the next record brings another one.
    pub fn retire(&mut self) {
        self.flushing = false;
    }

    /// An export was given up.
    pub fn dropped(&mut self, export: &Export) {
        let mut counted = self.unsent.take().map_or_else(Register::default, Register::from);
        counted.meter.dropped(export.signal, export.items);
        self.unsent = Some(counted.into_part());
    }

    /// The register did not take a message: what was counted goes with the next one.
    pub fn refused(&mut self, push: Push) {
        let mut counted = Register::from(push.part);
        counted.merge(self.unsent.take().map_or_else(Register::default, Register::from));
        self.unsent = Some(counted.into_part());
    }
}

/// What follows a try (OTLP/HTTP: only 429, 502, 503 and 504 are tried again; no answer at all is like them).
/// `tries` counts this one.
#[must_use]
pub fn next(status: Option<u16>, retry_after_ms: Option<u64>, tries: u32, random: u64) -> Next {
    match status {
        Some(200..=299) => Next::Done,
        None | Some(429 | 502 | 503 | 504) if tries < TRIES => {
            let bound = (500u64 << tries).min(LONGEST_WAIT_MS);
            match retry_after_ms {
                Some(ms) if ms > LONGEST_WAIT_MS => Next::Drop,
                Some(ms) => Next::Again(ms.max(1)),
                None => Next::Again(bound / 2 + random % (bound / 2)),
            }
        }
        _ => Next::Drop,
    }
}

fn traces(waiting: &[Told], settings: &Telemetry) -> Vec<Export> {
    let mut exports = Vec::new();
    if !settings.otlp.iter().any(|collector| collector.traces) {
        return exports;
    }
    let sampled: Vec<&Told> = waiting.iter().filter(|told| sampling::exported(&told.record, settings)).collect();
    for (at, collector) in settings.otlp.iter().enumerate().filter(|(_, collector)| collector.traces) {
        let reader = |told| span::Reader {
            profile: collector.profile,
            flavour: collector.flavour,
            content: if collector.content { content_of(told) } else { None },
        };
        let mut spans = sampled.iter().flat_map(|told| span::spans(&told.record, reader(told)));
        loop {
            let message = otlp::Traces {
                resource: resource(settings),
                schema_url: names::schema_url(collector.profile),
                spans: spans.by_ref().take(MOST_SPANS).collect(),
            };
            let items = message.spans.len() as u64;
            if items == 0 {
                break;
            }
            let body = match collector.encoding {
                Encoding::Protobuf => otlp::protobuf::traces(&message),
                Encoding::Json => otlp::json::traces(&message),
            };
            exports.push(to(collector, at, "traces", body, items));
        }
    }
    exports
}

fn content_of(told: &Told) -> Option<&Content> {
    told.content.as_deref().filter(|content| !content.is_empty())
}

fn to(collector: &Collector, at: usize, signal: &'static str, body: Vec<u8>, items: u64) -> Export {
    let content_type = match collector.encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    let url = match &collector.path {
        Some(path) => format!("{}{path}", collector.endpoint),
        None => format!("{}/v1/{signal}", collector.endpoint),
    };
    Export { collector: at, url, content_type, body, signal, items }
}

fn resource(settings: &Telemetry) -> Attributes {
    let text = |key, value: &str| (key, Value::Text(value.to_owned()));
    let mut resource = vec![
        text("service.name", &settings.service_name),
        text("service.version", otlp::VERSION),
        text("cloud.platform", "cloudflare.workers"),
    ];
    resource.extend(settings.environment.as_deref().map(|name| text("deployment.environment.name", name)));
    resource
}

#[cfg(test)]
mod tests;
