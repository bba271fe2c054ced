//! OpenAI Responses (`wire.md` §1.2, npm `openai` `resources/responses`).
//!
//! Read `view` for what the native path needs, `request` and `response` for whole bodies, `stream` for events. This gateway
//! keeps no responses: what refers to kept ones passes to a provider of this dialect and cannot be said anywhere else.
//! What other dialects have and this one has not:
//! - Reasoning of other providers stands in `reasoning` items, sealed in `encrypted_content` (see [`foreign`]), which
//!   clients send back unread.
//! - `usage.cost` (US dollars) and a top-level `signalbox` object on answers and on the event that ends a stream.
//! - `native_finish_reason` on answers: the provider's own word.

pub mod error;
mod finish;
mod foreign;
pub mod native;
pub(super) mod gathered;
mod observe;
pub mod request;
pub mod response;
pub mod stream;
mod types;
pub(super) mod unrolled;
pub mod view;

/// What `/v1/responses/input_tokens` takes of what we write (SDK type `InputTokenCountParams`).
pub const COUNTED: [&str; 8] =
    ["input", "instructions", "model", "parallel_tool_calls", "reasoning", "text", "tool_choice", "tools"];
