//! OpenAI Chat Completions (`wire.md` §1.1) and the servers that speak it with an accent (§1.5–1.8).
//!
//! Read `view` for what the native path needs, `request` and `response` for whole bodies, `stream` for events. What other
//! dialects have and this one has not travels in fields of our own, which clients may send back unchanged:
//! - behind a tool call's id, `call_1__signalbox_…`: signed reasoning since the call before it, for clients that send nothing
//!   else back (see [`super::carried`]). Servers of this dialect never see it (`native::for_server`).
//! - `message.signalbox.reasoning`, a list of `{index, text, signature, redacted, origin}`: reasoning blocks that carry a
//!   signature. `origin` names the dialect whose provider can read it. Visible reasoning stands in `reasoning_content`.
//! - `tool_calls[].extra_content.google.thought_signature`: Gemini's signature of a call, where Google's own
//!   compatibility layer puts it (ai.google.dev, "Thought signatures", OpenAI section), because client libraries return it.
//! - `usage.cost` (US dollars) and a top-level `signalbox` object on answers.
//! - `choices[].native_finish_reason`: the provider's own word.

mod bare;
pub(super) mod checks;
pub mod error;
mod finish;
pub(super) mod media;
pub mod native;
mod observe;
pub mod profile;
pub mod request;
pub mod response;
pub mod stream;
pub(super) mod types;
pub(super) mod unrolled;
pub(super) mod usage;
pub mod view;
pub(super) mod write;
