//! Signalbox: an LLM gateway as one Worker. The map, in the order in which a request travels.

pub use signalbox_values::{hashed, hex, http, json, sorted, sse, utf8}; // values that bytes are read as: values/src/lib.rs
pub mod redact; // values: secrets and personal data, masked
pub mod money; // values: picodollars as text
pub mod address; // values: what may be called
pub mod document; // values: operators' JSON documents, read strictly
pub mod expression; // values: conditions in CEL
pub mod error; // what can go wrong, blame first
pub mod cors; // 1 entry: which browsers may call
pub mod identity; // 2 identity: whose assertion, verified → principal
pub mod dialect; // 3 parse: wire languages ↔ the canonical hub
pub mod route; // 1 entry: method and path → endpoint, which fixes the caller's dialect
pub mod catalogue; // knowledge: models, their prices
pub mod health; // of the now: what is known of candidates' present state, circuits
pub mod config; // knowledge: what the operator wrote, valid or refused whole
pub mod classify; // 4 classify: request → features, kind of task with confidence
pub mod policy; // 5 choice: candidates, filter, score, decision
pub mod feedback; // knowledge: what callers' scores say of models
pub mod embedding; // 3 parse: texts in, vectors out
pub mod upstream; // knowledge: providers and their failures
pub mod attempt; // 6 attempt: the state machine that gets the answer through
pub mod accounting; // 8 account: usage × price → cost, the ledger's books
pub mod stream; // 7 transform: bytes from a provider → bytes for a caller
pub mod telemetry; // 9 tell: ids, the log line
pub mod capture; // 9 keep: requests with their payloads, masked
pub mod resume; // 7 keep: one answer's log and its readers
pub mod ports; // what the core asks of the world
pub mod gateway; // what an isolate knows: configuration in force, memory of providers
pub mod pipeline; // START HERE: the request's path through all of them

#[cfg(target_arch = "wasm32")]
pub mod edge; // the platform, wasm32 only
