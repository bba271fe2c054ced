//! Requests: wire ↔ canonical. `decode` reads an Anthropic client's request for any target; `encode` writes any client's
//! request for Claude, with a loss for everything that is not exact (`wire.md` §2 column A, §2.1, §2.4).

mod blocks; // wire content blocks → parts
mod decode; // wire → canonical
mod encode; // canonical → wire
mod fields; // typed members with their place
mod media; // pictures and documents → wire
mod params; // thinking, sampling, tool choice: canonical → wire
mod schema;
mod search; // Anthropic's subset of JSON Schema
mod turns; // turns → messages

pub use decode::decode;
pub(super) use decode::mistake_in_content;
pub use encode::{encode, version_header};
pub(super) use fields::unreadable;
pub(super) use turns::{bracketed, tool_id};

#[cfg(test)]
mod tests;
