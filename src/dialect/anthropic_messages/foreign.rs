//! Thinking of other providers on its way through an Anthropic client.
//!
//! An Anthropic client replays thinking blocks unmodified, because Anthropic asks for that. So a block whose signature
//! bears our seal carries another provider's signature (or the lack of one) through any client and back, without state
//! here: `decode` gives it back to the provider that can read it, and [`super::native::without_foreign_thinking`] takes it
//! out before Anthropic sees it, who would refuse it. A Gemini signature that belongs to a tool call travels in an empty
//! thinking block before the call (`wire.md` §3.2, trap 25).

use crate::dialect::Dialect;

const SEAL: &str = "signalbox:";
const CALL: &str = "tool-call:";

/// What a sealed signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// Thinking of another provider with its own signature, if it had one.
    Thinking(Dialect, Option<&'a str>),
    /// Gemini's signature of the tool call that follows.
    Call(&'a str),
}

/// A signature for a thinking block of another provider.
pub(super) fn seal(origin: Dialect, signature: Option<&str>) -> String {
    format!("{SEAL}{}:{}", origin.name(), signature.unwrap_or_default())
}

/// A signature for the empty thinking block before a tool call of Gemini's.
pub(super) fn seal_call(signature: &str) -> String {
    format!("{SEAL}{CALL}{signature}")
}

/// Whether a signature is one of ours.
pub(super) fn is_sealed(signature: &str) -> bool {
    signature.starts_with(SEAL)
}

/// Opens a sealed signature; `None` when it is Anthropic's.
pub(super) fn open(signature: &str) -> Option<Opened<'_>> {
    let inside = signature.strip_prefix(SEAL)?;
    if let Some(call) = inside.strip_prefix(CALL) {
        return Some(Opened::Call(call));
    }
    let (origin, signature) = inside.split_once(':').unwrap_or((inside, ""));
    let origin = if origin == Dialect::Gemini.name() { Dialect::Gemini } else { Dialect::OpenAiChat };
    Some(Opened::Thinking(origin, Some(signature).filter(|s| !s.is_empty())))
}

/// Whose thinking a stream carries, judged by what it said of itself: stream events do not name their dialect, and only
/// Anthropic's own signatures may reach an Anthropic client unsealed.
pub(super) fn origin_of(id: Option<&str>, model: Option<&str>) -> Dialect {
    if id.is_some_and(|id| id.starts_with("msg_")) {
        Dialect::AnthropicMessages
    } else if model.is_some_and(|model| model.contains("gemini") || model.contains("gemma")) {
        Dialect::Gemini
    } else {
        Dialect::OpenAiChat
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_as_it_was() {
        assert_eq!(open(&seal(Dialect::Gemini, Some("a:b=="))), Some(Opened::Thinking(Dialect::Gemini, Some("a:b=="))));
        assert_eq!(open(&seal(Dialect::OpenAiChat, None)), Some(Opened::Thinking(Dialect::OpenAiChat, None)));
        assert_eq!(open(&seal_call("x+/=")), Some(Opened::Call("x+/=")));
        assert_eq!(open("EqEECkYICxgC"), None);
    }
}
