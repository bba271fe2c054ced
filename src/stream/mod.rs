//! Streams on their way from a provider to a caller.
pub mod delivered;
pub mod framing;
pub mod held;
pub mod relay;
pub mod splice;
