//! Thoughts of other providers on their way through a Gemini client.
//!
//! A Gemini client sends `thoughtSignature` back unread, because Google asks for that. So a signature of ours holds what
//! another provider wants to see again (Anthropic refuses a tool loop without its thinking): the thoughts and their own
//! signature, sealed. It stands on the part that follows the thoughts, as Google's do, because clients that keep nothing
//! else keep calls and texts. Requests give it back to its provider; [`super::native::for_server`] takes it
//! out before a Gemini model sees it, who would refuse it.

use base64::alphabet::STANDARD as LETTERS;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;

use crate::dialect::canonical::ReasoningPart;
use crate::dialect::carried::{Block, Carried};

const SEAL: &[u8] = b"signalbox:";
/// How a sealed signature begins: [`SEAL`] in base64, as far as what follows does not change it.
pub const BEGINNING: &str = "c2lnbmFsYm94O";
/// The Python SDK writes base64 in the alphabet for URLs, others leave the padding out.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&LETTERS, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// A signature that holds these thoughts. `by` is the `provider/model` that had them.
pub fn seal(thoughts: Vec<ReasoningPart>, by: &str) -> String {
    let blocks = thoughts.into_iter().map(|part| Block { at: 0, part }).collect();
    let carried = Carried { by: by.to_owned(), blocks, call: None };
    let mut sealed = SEAL.to_vec();
    sealed.extend(carried.to_bytes());
    BASE64.encode(sealed)
}

/// What a signature of ours holds; `None` for a signature of Google's.
pub fn open(signature: &str) -> Option<Carried> {
    if !is_sealed(signature) {
        return None;
    }
    let text = signature.replace('-', "+").replace('_', "/");
    let sealed = BASE64.decode(text).ok()?;
    Carried::from_bytes(sealed.strip_prefix(SEAL)?)
}

/// Whether a signature is one of ours.
pub fn is_sealed(signature: &str) -> bool {
    signature.starts_with(BEGINNING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::Dialect;

    #[test]
    fn what_is_sealed_comes_back_as_it_was() {
        let thought = |text: &str, signature: Option<&str>, redacted| ReasoningPart {
            text: text.to_owned(),
            signature: signature.map(str::to_owned),
            redacted,
            origin: Dialect::AnthropicMessages,
        };
        let thoughts = vec![
            thought("hm \"ü\"?>", Some("EqEE/+=="), false),
            thought("", Some("x"), true),
            thought("y", None, false),
        ];
        let sealed = seal(thoughts.clone(), "anthropic/claude");
        assert!(is_sealed(&sealed));
        for text in [sealed.clone(), sealed.replace('+', "-").replace('/', "_").replace('=', "")] {
            let opened = open(&text).unwrap();
            assert_eq!(opened.by, "anthropic/claude");
            assert_eq!(opened.blocks.into_iter().map(|block| block.part).collect::<Vec<_>>(), thoughts);
        }
        assert_eq!(open("CiMBjz1rX25KieIB4d4AwFn8"), None);
        assert_eq!(open(&sealed[..sealed.len() / 2]), None);
    }
}
