//! Requests: wire ↔ canonical. `decode` and `items` read a caller's body, `encode` and `turns` write one for a server.

mod content;
mod decode;
mod encode;
mod items;
mod names;
mod turns;

pub use decode::decode;
pub use encode::encode;
pub(super) use items::text_of as reasoning_text;
pub use names::in_callers_words;

#[cfg(test)]
mod tests;
