//! Thoughts of other providers on their way through a Gemini client.
//!
//! A Gemini client sends `thoughtSignature` back unread, because Google asks for that. So a signature of ours holds what
//! another provider wants to see again (Anthropic refuses a tool loop without its thinking): the thoughts and their own
//! signature, sealed. It stands on the part that follows the thoughts, as Google's do, because clients that keep nothing
//! else keep calls and texts. Requests give it back to its provider; [`super::native::without_foreign_thinking`] takes it
//! out before a Gemini model sees it, who would refuse it.

use std::borrow::Cow;

use base64::alphabet::STANDARD as LETTERS;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::Engine;
use serde::{Deserialize, Serialize};

use crate::dialect::canonical::ReasoningPart;
use crate::dialect::Dialect;

const SEAL: &[u8] = b"signalbox:";
/// How a sealed signature begins: [`SEAL`] in base64, as far as what follows does not change it.
pub const BEGINNING: &str = "c2lnbmFsYm94O";
/// The Python SDK writes base64 in the alphabet for URLs, others leave the padding out.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&LETTERS, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

#[derive(Serialize, Deserialize)]
struct Block<'a> {
    origin: Dialect,
    #[serde(borrow)]
    text: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    signature: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    redacted: bool,
}

/// A signature that holds these thoughts.
pub fn seal(thoughts: &[ReasoningPart]) -> String {
    let blocks: Vec<Block<'_>> = thoughts
        .iter()
        .map(|thought| Block {
            origin: thought.origin,
            text: Cow::Borrowed(&thought.text),
            signature: thought.signature.as_deref().map(Cow::Borrowed),
            redacted: thought.redacted,
        })
        .collect();
    let mut sealed = SEAL.to_vec();
    // Writing texts into a Vec has no error path.
    let _ = serde_json::to_writer(&mut sealed, &blocks);
    BASE64.encode(sealed)
}

/// The thoughts that a signature of ours holds; `None` for a signature of Google's.
pub fn open(signature: &str) -> Option<Vec<ReasoningPart>> {
    if !is_sealed(signature) {
        return None;
    }
    let text = signature.replace('-', "+").replace('_', "/");
    let sealed = BASE64.decode(text).ok()?;
    let blocks: Vec<Block<'_>> = serde_json::from_slice(sealed.strip_prefix(SEAL)?).ok()?;
    let thoughts = blocks.into_iter().map(|block| ReasoningPart {
        text: block.text.into_owned(),
        signature: block.signature.map(Cow::into_owned),
        redacted: block.redacted,
        origin: block.origin,
    });
    Some(thoughts.collect())
}

/// Whether a signature is one of ours.
pub fn is_sealed(signature: &str) -> bool {
    signature.starts_with(BEGINNING)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let sealed = seal(&thoughts);
        assert!(is_sealed(&sealed));
        for text in [sealed.clone(), sealed.replace('+', "-").replace('/', "_").replace('=', "")] {
            assert_eq!(open(&text), Some(thoughts.clone()));
        }
        assert_eq!(open("CiMBjz1rX25KieIB4d4AwFn8"), None);
        assert_eq!(open(&sealed[..sealed.len() / 2]), None);
    }
}
