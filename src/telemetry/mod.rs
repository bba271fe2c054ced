//! What is told about a request: ids, the log line, spans, metrics, the register of requests that are over. No prompts, no
//! keys (DESIGN invariant 8), but for collectors that ask for what was said, masked (`content`). Read `record` first: all but the
//! log line is made from it.
pub mod content;
pub mod events;
pub mod log;
pub mod metric;
pub mod names;
pub mod otlp;
pub mod outbox;
pub mod prometheus;
pub mod record;
pub mod register;
pub mod sampling;
pub mod span;
pub mod stats;
pub mod trace;
