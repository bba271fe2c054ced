//! Streams on their way from a provider to a caller.
pub mod framing;
pub mod relay;
