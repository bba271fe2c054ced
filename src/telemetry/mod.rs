//! What is told about a request: ids, the log line. No prompts, no keys (DESIGN invariant 8).
pub mod log;
pub mod trace;
