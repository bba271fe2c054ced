//! Whole answers: wire ↔ canonical.

mod decode;
mod encode;

pub use decode::decode;
pub(super) use decode::{block_extras, call_id, extra, message_extras, usage_extras};
pub use encode::encode;
pub(super) use encode::{answer_loss, estimated, filtered, message_id, stop_reason, usage_members};

#[cfg(test)]
mod tests;
