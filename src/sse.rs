//! The event-stream codec: bytes in at any split, whole events out.

use std::borrow::Cow;

/// One event block: everything up to and including its blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The block's bytes exactly as received, comments and line ends included: what a native stream passes on.
    pub raw: &'a [u8],
    /// The `event:` field, if any.
    pub event: Option<Cow<'a, [u8]>>,
    /// The `data:` lines joined by `\n`; `None` for blocks of comments or other fields only.
    pub data: Option<Cow<'a, [u8]>>,
    /// The `id:` field, if any.
    pub id: Option<Cow<'a, [u8]>>,
}
