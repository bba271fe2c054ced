//! Requests: wire ↔ canonical. `decode` and `messages` read a caller's body, `encode` and `turns` write one for a server,
//! whose accent `profile` knows.

mod decode;
mod encode;
mod ids;
mod messages;
mod names;
mod parts;
mod replayed;
mod turns;

pub use decode::decode;
pub use encode::encode;

#[cfg(test)]
mod tests;
