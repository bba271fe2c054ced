//! Streams: events ↔ canonical. `decode` reads a provider's chunks, `encode` writes a client's.

mod calls;
mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod tests;
