//! Gemini `generateContent` and `streamGenerateContent` (`wire.md` §1.4).
//!
//! The body names no model: it stands in the path (see [`mod@path`]). A stream is a series of partial responses without a
//! terminator, framed as server-sent events (`alt=sse`) or as one JSON array ([`mod@array`]). Read `tests/dialect_gemini.rs`
//! first.

pub mod array;
pub mod error;
pub mod native;
pub mod path;
pub mod request;
pub mod response;
pub mod stream;
pub mod view;

mod extras;
mod finish;
mod grounding;
mod foreign;
mod ids;
mod logprobs;
mod model;
mod partial_args;
mod schema;
mod types;
pub(super) mod unrolled;
pub(super) mod usage;
mod values;
mod write;

pub use path::Method;
