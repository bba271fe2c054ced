//! Thinking of other providers on its way through an Anthropic client.
//!
//! An Anthropic client replays thinking blocks unmodified, because Anthropic asks for that. So a block whose signature
//! bears our seal carries another provider's signature (or the lack of one) through any client and back, without state
//! here: `decode` gives it back to the provider that can read it, and [`super::native::for_server`] takes it
//! out before Anthropic sees it, who would refuse it. A Gemini signature that belongs to a tool call travels in an empty
//! thinking block before the call (`wire.md` §3.2, trap 25).

use crate::dialect::canonical::ReasoningPart;
use crate::dialect::carried::{self, Block, Carried};
use crate::dialect::Dialect;

/// How a sealed signature begins.
pub(super) const SEAL: &str = "signalbox:";

/// A signature for a thinking block of another provider. The block's text stands in the block. `by` is the
/// `provider/model` that thought it.
pub(super) fn seal(origin: Dialect, signature: Option<&str>, redacted: bool, by: &str) -> String {
    let part = ReasoningPart { text: String::new(), signature: signature.map(str::to_owned), redacted, origin };
    packed(Carried { by: by.to_owned(), blocks: vec![Block { at: 0, part }], call: None })
}

/// A signature for the empty thinking block before a tool call of Gemini's.
pub(super) fn seal_call(signature: &str, by: &str) -> String {
    packed(Carried { by: by.to_owned(), blocks: Vec::new(), call: Some(signature.to_owned()) })
}

fn packed(carried: Carried) -> String {
    format!("{SEAL}{}", carried.to_text())
}

/// Whether a signature is one of ours.
pub(super) fn is_sealed(signature: &str) -> bool {
    signature.starts_with(SEAL)
}

/// Opens a sealed signature; `None` when it is Anthropic's, an empty package when a client has damaged it.
pub(super) fn open(signature: &str) -> Option<Carried> {
    let inside = signature.strip_prefix(SEAL)?;
    Some(Carried::from_text(inside).unwrap_or_default())
}

/// `provider/model` whose thinking stands last in a body, where a sealed signature says so.
pub(super) fn made_by(body: &[u8]) -> Option<String> {
    carried::last_maker(body, "\"signalbox:", |text| {
        let package = carried::run(text.get(1 + SEAL.len()..)?);
        Carried::from_text(std::str::from_utf8(package).ok()?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_as_it_was() {
        for (signature, redacted) in [(Some("a:b=="), false), (None, false), (Some("x"), true)] {
            let opened = open(&seal(Dialect::Gemini, signature, redacted, "gemini/g:1")).unwrap();
            let part = &opened.blocks[0].part;
            assert_eq!((part.signature.as_deref(), part.redacted, part.origin), (signature, redacted, Dialect::Gemini));
            assert_eq!(opened.by, "gemini/g:1");
        }
        assert_eq!(open(&seal_call("x+/=", "p/m")).unwrap().call.as_deref(), Some("x+/="));
        assert_eq!(open("EqEECkYICxgC"), None);
        assert_eq!(open("signalbox:cut"), Some(Carried::default()));
    }

    #[test]
    fn the_last_thinker_of_a_history_is_found() {
        let sealed = [seal(Dialect::Gemini, None, false, "gemini/a"), seal_call("Q2lN", "gemini/b")];
        let body = format!(r#"[{{"signature":"{}"}},{{"signature":"{}"}},"x"]"#, sealed[0], sealed[1]);
        assert_eq!(made_by(body.as_bytes()).as_deref(), Some("gemini/b"));
        assert_eq!(made_by(br#"{"signature":"Eq=="}"#), None);
    }
}
