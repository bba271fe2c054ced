//! Bytes as the lower-case hex that digests are written in.

use std::fmt::Write;

/// Two digits for each byte.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes whatever there is room for
        text
    })
}
