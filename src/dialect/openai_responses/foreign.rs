//! Reasoning of other providers on its way through a Responses client.
//!
//! A client sends reasoning items back unread, because OpenAI asks for that. So an `encrypted_content` that bears our seal
//! carries another provider's signature (or the lack of one) through any client and back, without state here: requests
//! give it back to the provider that can read it, and [`super::native::for_server`] takes it out before a Responses server
//! sees it, who would refuse it. Gemini's signature of a tool call travels in an item without text right before the call
//! (`wire.md` §3.2, trap 25). The text stands in the item's summary.

use crate::dialect::canonical::ReasoningPart;
use crate::dialect::carried::{Block, Carried};

/// How sealed content begins.
pub(super) const BEGINNING: &str = "signalbox:";

/// Sealed content for a block of another provider. `by` is the `provider/model` that thought it.
pub(super) fn seal(block: &ReasoningPart, by: &str) -> String {
    let part = ReasoningPart { text: String::new(), ..block.clone() };
    packed(&Carried { by: by.to_owned(), blocks: vec![Block { at: 0, part }], call: None })
}

/// Sealed content for the empty item before a tool call of Gemini's.
pub(super) fn seal_call(signature: &str, by: &str) -> String {
    packed(&Carried { by: by.to_owned(), blocks: Vec::new(), call: Some(signature.to_owned()) })
}

fn packed(carried: &Carried) -> String {
    format!("{BEGINNING}{}", carried.to_text())
}

/// Whether encrypted content is ours.
pub(super) fn is_sealed(content: &str) -> bool {
    content.starts_with(BEGINNING)
}

/// Opens sealed content; `None` where it is a Responses provider's own, an empty package where a client has damaged it.
pub(super) fn open(content: &str) -> Option<Carried> {
    let inside = content.strip_prefix(BEGINNING)?;
    Some(Carried::from_text(inside).unwrap_or_default())
}

/// `provider/model` whose reasoning sealed content holds, where it says so.
pub(super) fn made_by(content: &str) -> Option<String> {
    open(content).map(|carried| carried.by).filter(|by| !by.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn what_is_sealed_comes_back_as_it_was() {
        for origin in [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini] {
            for (signature, redacted) in [(Some("a:b/+=="), false), (None, false), (Some("x"), true)] {
                let signature = signature.map(str::to_owned);
                let block = ReasoningPart { text: String::new(), signature, redacted, origin };
                let sealed = seal(&block, "p/m");
                assert_eq!(open(&sealed).unwrap().blocks[0].part, block);
                assert_eq!(made_by(&sealed).as_deref(), Some("p/m"));
            }
        }
        assert_eq!(open(&seal_call("x:+/=", "p/m")).unwrap().call.as_deref(), Some("x:+/="));
        assert_eq!(open("gAAAAABo"), None);
        assert_eq!(open("signalbox:cut"), Some(Carried::default()));
    }
}
