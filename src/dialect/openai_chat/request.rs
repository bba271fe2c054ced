//! Requests: wire ↔ canonical. `decode` and `messages` read a caller's body, `encode` and `turns` write one for a server,
//! whose accent `profile` knows.

pub mod adapt;
mod decode;
mod encode;
pub(in crate::dialect) mod ids;
mod messages;
pub(in crate::dialect) mod names;
mod parts;
mod replayed;
pub(in crate::dialect) mod thinking;
mod turns;

pub use decode::decode;
pub use encode::encode;
pub(in crate::dialect) use encode::{loose, schema_name, strictness, tell_loose_tools};

/// How members are read, for the sibling dialect.
pub(in crate::dialect) mod reading {
    pub(in crate::dialect) use super::decode::{extra, leftover, leftovers, object, read_object, Meaning};
}

#[cfg(test)]
mod tests;
