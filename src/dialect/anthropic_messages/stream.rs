//! Streams: events ↔ canonical.

mod decoder;
mod encoder;
mod turn;

pub use decoder::Decoder;
pub use encoder::{Encoder, PING};
pub(super) use turn::Turn;

#[cfg(test)]
mod tests;
