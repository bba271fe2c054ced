//! Anthropic Messages (`wire.md` §1.3): `POST /v1/messages`, whole and streamed.
//!
//! The facts about Claude families that a translation depends on are data (`dialect::family`). Read `tests/dialect_anthropic.rs`
//! first: it runs both directions over recorded traffic.

pub mod error; // ProviderError ↔ `{type: error}`
pub(super) mod gathered; // a stream as the message that it tells
pub mod foreign; // thinking of other providers inside Anthropic's thinking blocks
pub mod native; // additions to native answers
mod path; // `messages.1.content.0`
pub mod request; // request wire ↔ canonical
pub mod response; // whole answer wire ↔ canonical
pub mod stream; // events ↔ canonical
mod types; // wire shapes, borrowed
pub(super) mod unrolled; // a whole answer as events
pub mod view; // what routing and the native path need
mod write; // JSON objects, written in order

/// What `/v1/messages/count_tokens` takes (SDK type `MessageCountTokensParams`).
pub const COUNTED: [&str; 9] =
    ["cache_control", "messages", "model", "output_config", "speed", "system", "thinking", "tool_choice", "tools"];
