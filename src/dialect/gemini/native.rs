//! What the native path may change: the `signalbox` member of an answer that was asked to explain itself, and other
//! providers' thoughts in a request. Every other byte stays.

use memchr::memmem;
use serde_json::value::RawValue;

use super::foreign;
use super::request::SKIP_SIGNATURE;
use super::types::{Content, Many, Part};
use super::write::Json;
use crate::json::{Edit, Members};
use crate::sse::Frame;

/// A whole answer, or one event's payload, with a top-level `signalbox` member, given as JSON text. What is not an object
/// is returned as it is.
#[must_use]
pub fn add_signalbox(body: &[u8], signalbox_json: &str) -> Vec<u8> {
    match Members::read(body) {
        Ok(members) => members.edit(&[Edit::Set("signalbox", signalbox_json.into())]),
        Err(_) => body.to_vec(),
    }
}

/// The event with the `signalbox` member added to its payload; `None` for a block without data. Gemini has no event that
/// is always the last: give it the one that turned out to be it.
#[must_use]
pub fn event_with_signalbox(frame: &Frame<'_>, signalbox_json: &str) -> Option<Vec<u8>> {
    let data = frame.data.as_deref()?;
    let mut out = Vec::with_capacity(frame.raw.len() + signalbox_json.len() + 16);
    // A payload over several lines is one line again: line ends between JSON tokens are white space.
    out.extend_from_slice(b"data: ");
    out.extend(add_signalbox(data, signalbox_json).into_iter().filter(|byte| !matches!(byte, b'\n' | b'\r')));
    out.extend_from_slice(b"\r\n\r\n");
    Some(out)
}

/// A request without the signatures that hold other providers' thoughts (see `foreign`): a Gemini model would refuse
/// them. `None` when there are none, and then the body can go as it is. Report it as `contents`: advisory.
#[must_use]
pub fn without_foreign_thinking(body: &[u8]) -> Option<Vec<u8>> {
    // Most requests hold none, and this is all they pay.
    memmem::find(body, foreign::BEGINNING.as_bytes())?;
    let members = Members::read(body).ok()?;
    let contents: Vec<&RawValue> = members.parse("contents").ok()??;
    let mut list = Vec::new();
    {
        let mut kept = Json::array(&mut list);
        for content in contents {
            match without_sealed(content) {
                None => kept.item().extend_from_slice(content.get().as_bytes()),
                Some(text) if text.is_empty() => {}
                Some(text) => kept.item().extend_from_slice(&text),
            }
        }
    }
    let list = String::from_utf8(list).ok()?;
    Some(members.edit(&[Edit::Set("contents", list.into())]))
}

/// The turn without sealed signatures: empty when nothing is left of it, `None` when it holds none.
fn without_sealed(content: &RawValue) -> Option<Vec<u8>> {
    memmem::find(content.get().as_bytes(), foreign::BEGINNING.as_bytes())?;
    let wire: Content<'_> = serde_json::from_str(content.get()).ok()?;
    let members = Members::read(content.get().as_bytes()).ok()?;
    let Many(raw_parts) = serde_json::from_str::<Many<&RawValue>>(members.present("parts")?.get()).ok()?;
    let mut list = Vec::new();
    {
        let mut kept = Json::array(&mut list);
        for (part, raw) in wire.parts?.0.iter().zip(raw_parts) {
            match unsealed(part, raw) {
                None => kept.item().extend_from_slice(raw.get().as_bytes()),
                Some(text) if text.is_empty() => {}
                Some(text) => kept.item().extend_from_slice(&text),
            }
        }
    }
    if list == b"[]" {
        return Some(Vec::new());
    }
    Some(members.edit(&[Edit::Set("parts", String::from_utf8(list).ok()?.into())]))
}

/// The part without its sealed signature: empty when it was nothing else, `None` when it has none. A call keeps a
/// signature, Google's own placeholder, because newer models want one.
fn unsealed(part: &Part<'_>, raw: &RawValue) -> Option<Vec<u8>> {
    let signature = part.signature.as_deref().filter(|signature| foreign::is_sealed(signature))?;
    let members = Members::read(raw.get().as_bytes()).ok()?;
    let mut names = members.iter().map(|(name, _)| name);
    let name = names.find(|name| matches!(*name, "thoughtSignature" | "thought_signature"))?;
    debug_assert!(!signature.is_empty());
    if part.function_call.is_some() {
        let placeholder = format!("\"{SKIP_SIGNATURE}\"");
        return Some(members.edit(&[Edit::Set(name, placeholder.into())]));
    }
    let empty = part.text.as_deref().is_none_or(str::is_empty) && super::extras::native(part).is_none();
    Some(if empty { Vec::new() } else { members.edit(&[Edit::Remove(name)]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::canonical::ReasoningPart;
    use crate::dialect::Dialect;

    #[test]
    fn other_providers_thoughts_are_taken_out_and_nothing_else() {
        let thought = ReasoningPart {
            text: "hm".into(),
            signature: Some("s".into()),
            redacted: false,
            origin: Dialect::AnthropicMessages,
        };
        let sealed = foreign::seal(&[thought]);
        let body = format!(
            concat!(
                r#"{{ "contents" : [ {{"parts":[{{"text":"a"}}]}}, {{"role":"model", "parts":[{{"text":"hm","thought":true}},"#,
                r#"{{"functionCall":{{"name":"f"}}, "thought_signature":"{sealed}"}}, {{"text":"x","thoughtSignature":"{sealed}"}},"#,
                r#"{{"text":"","thoughtSignature":"{sealed}"}},{{"text":"y","thoughtSignature":"Q2lN"}}]}},"#,
                r#"{{"role":"model","parts":[{{"thoughtSignature":"{sealed}"}}]}}], "store":true}}"#
            ),
            sealed = sealed
        );
        let expected = concat!(
            r#"{ "contents" : [{"parts":[{"text":"a"}]},{"role":"model", "parts":[{"text":"hm","thought":true},"#,
            r#"{"functionCall":{"name":"f"}, "thought_signature":"skip_thought_signature_validator"},{"text":"x"},"#,
            r#"{"text":"y","thoughtSignature":"Q2lN"}]}], "store":true}"#
        );
        assert_eq!(String::from_utf8(without_foreign_thinking(body.as_bytes()).unwrap()).unwrap(), expected);
        assert_eq!(without_foreign_thinking(expected.as_bytes()), None);
    }

    #[test]
    fn a_report_goes_into_a_payload_and_nothing_else_changes() {
        assert_eq!(add_signalbox(b"{ \"a\" : 1 }", "{}"), b"{ \"a\" : 1,\"signalbox\":{} }");
        assert_eq!(add_signalbox(b"nonsense", "{}"), b"nonsense");
        let frame = Frame { raw: b"", event: None, data: Some(b"{\"a\":\n1}".as_slice().into()), id: None };
        assert_eq!(event_with_signalbox(&frame, "{}").unwrap(), b"data: {\"a\":1,\"signalbox\":{}}\r\n\r\n");
        assert_eq!(event_with_signalbox(&Frame { data: None, ..frame }, "{}"), None);
    }
}
