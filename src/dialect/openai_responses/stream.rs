//! Streams: events ↔ canonical. `decode` reads a provider's events, `encode` writes a client's.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod tests;
