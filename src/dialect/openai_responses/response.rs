//! Whole answers: wire ↔ canonical.

mod beside;
mod decode;
mod encode;
mod items;
mod usage;

pub(super) use beside::{annotations, item_extras, logprobs, other_item, top_extras};
pub use decode::decode;
pub(super) use decode::{call, custom_call, picture, reasoning};
pub use encode::encode;
pub(super) use encode::{
    annotations as flat_annotations, begins_at, closing, encrypted, head, logprobs as flat_logprobs, lost, moved,
    of_refusal, place, Ids, Place,
};
pub(super) use items::{
    joined, write_message, write_picture, write_reasoning, write_summary, Call, MessagePart, Text, Tool, CUSTOM,
    FUNCTION,
};

#[cfg(test)]
mod tests;
