//! Streams: events ↔ canonical.

mod decoder;
mod encoder;
mod turn;

pub use decoder::Decoder;
pub use encoder::{Encoder, PING};

#[cfg(test)]
mod tests;
