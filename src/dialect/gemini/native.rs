//! What the native path may change: the `signalbox` member of an answer that was asked to explain itself, and other
//! providers' thoughts in a request. Every other byte stays.

use memchr::memmem;
use serde_json::value::RawValue;

use super::foreign;
use super::types::{Content, Many, Part};
use super::write::Json;
use crate::dialect::canonical::Loss;
use crate::dialect::carried::{self, Signer, SKIP_SIGNATURE};
use crate::dialect::Dialect;
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

/// A request as Google may see it, with what that costs; `None` when it can go as it is. Signatures that hold other
/// providers' thoughts (see `foreign`) are taken out, because a Gemini model would refuse them; `unsigned` takes out all
/// signatures, after one was refused or missed.
#[must_use]
pub fn for_server(body: &[u8], unsigned: bool) -> Option<(Vec<u8>, Vec<Loss>)> {
    // Most requests hold none, and this is all they pay.
    if !unsigned {
        memmem::find(body, foreign::BEGINNING.as_bytes())?;
    }
    let members = Members::read(body).ok()?;
    let contents: Vec<&RawValue> = members.parse("contents").ok()??;
    let mut changed = false;
    let mut list = Vec::new();
    {
        let mut kept = Json::array(&mut list);
        for content in contents {
            let text = without_signatures(content, unsigned);
            changed |= text.is_some();
            match text {
                None => kept.item().extend_from_slice(content.get().as_bytes()),
                Some(text) if text.is_empty() => {}
                Some(text) => kept.item().extend_from_slice(&text),
            }
        }
    }
    let list = String::from_utf8(list).ok().filter(|_| changed)?;
    let reason = if unsigned {
        "refused thought signatures were taken out"
    } else {
        "thoughts of another provider are not for Google"
    };
    Some((members.edit(&[Edit::Set("contents", list.into())]), vec![Loss::advisory("contents", reason)]))
}

/// Whose signed thoughts stand in the history: another provider's where a seal says so, else Google's own.
#[must_use]
pub fn signed_by(body: &[u8]) -> Option<Signer> {
    let sealed = carried::last_maker(body, foreign::BEGINNING, |text| {
        let end = text.iter().position(|byte| *byte == b'"').unwrap_or(text.len());
        foreign::open(std::str::from_utf8(text.get(..end)?).ok()?)
    });
    let own = || {
        let signed = ["\"thoughtSignature\"", "\"thought_signature\""];
        let found = signed.iter().any(|name| memmem::find(body, name.as_bytes()).is_some());
        found.then_some(Signer::Dialect(Dialect::Gemini))
    };
    sealed.map(Signer::Model).or_else(own)
}

/// The turn without the signatures that cannot go: empty when nothing is left of it, `None` when it stays as it is.
fn without_signatures(content: &RawValue, all: bool) -> Option<Vec<u8>> {
    if !all {
        memmem::find(content.get().as_bytes(), foreign::BEGINNING.as_bytes())?;
    }
    let wire: Content<'_> = crate::json::from_str(content.get()).ok()?;
    if all && wire.role.as_deref() != Some("model") {
        return None;
    }
    let members = Members::read(content.get().as_bytes()).ok()?;
    let Many(raw_parts) = crate::json::from_str::<Many<&RawValue>>(members.present("parts")?.get()).ok()?;
    let (mut changed, mut called) = (false, false);
    let mut list = Vec::new();
    {
        let mut kept = Json::array(&mut list);
        for (part, raw) in wire.parts?.0.iter().zip(raw_parts) {
            let text = if all { unsigned(part, raw, called) } else { unsealed(part, raw) };
            called |= part.function_call.is_some();
            changed |= text.is_some();
            match text {
                None => kept.item().extend_from_slice(raw.get().as_bytes()),
                Some(text) if text.is_empty() => {}
                Some(text) => kept.item().extend_from_slice(&text),
            }
        }
    }
    if !changed {
        return None;
    }
    if list == b"[]" {
        return Some(Vec::new());
    }
    Some(members.edit(&[Edit::Set("parts", String::from_utf8(list).ok()?.into())]))
}

/// The part without its sealed signature: empty when it was nothing else, `None` when it has none. A call keeps a
/// signature, Google's own placeholder, because newer models want one.
fn unsealed(part: &Part<'_>, raw: &RawValue) -> Option<Vec<u8>> {
    part.signature.as_deref().filter(|signature| foreign::is_sealed(signature))?;
    with_signature(part, raw, part.function_call.is_some())
}

/// The part without any signature; the first call of a turn has the placeholder instead, given or not.
fn unsigned(part: &Part<'_>, raw: &RawValue, called: bool) -> Option<Vec<u8>> {
    let wants = part.function_call.is_some() && !called;
    if part.signature.as_deref() == Some(SKIP_SIGNATURE) || (part.signature.is_none() && !wants) {
        return None;
    }
    with_signature(part, raw, wants)
}

fn with_signature(part: &Part<'_>, raw: &RawValue, placeholder: bool) -> Option<Vec<u8>> {
    let members = Members::read(raw.get().as_bytes()).ok()?;
    let mut names = members.iter().map(|(name, _)| name);
    let name = names.find(|name| matches!(*name, "thoughtSignature" | "thought_signature"));
    if placeholder {
        let text = format!("\"{SKIP_SIGNATURE}\"");
        return Some(members.edit(&[Edit::Set(name.unwrap_or("thoughtSignature"), text.into())]));
    }
    let empty = part.text.as_deref().is_none_or(str::is_empty)
        && part.function_call.is_none()
        && super::extras::native(part).is_none();
    Some(if empty { Vec::new() } else { members.edit(&[Edit::Remove(name?)]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::canonical::ReasoningPart;

    #[test]
    fn other_providers_thoughts_are_taken_out_and_nothing_else() {
        let thought = ReasoningPart {
            text: "hm".into(),
            signature: Some("s".into()),
            redacted: false,
            origin: Dialect::AnthropicMessages,
        };
        let sealed = foreign::seal(vec![thought], "anthropic/claude");
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
        let sent = |body: &str, unsigned| {
            let (body, losses) = for_server(body.as_bytes(), unsigned)?;
            assert_eq!(losses.len(), 1);
            Some(String::from_utf8(body).unwrap())
        };
        assert_eq!(sent(&body, false).unwrap(), expected);
        assert_eq!(sent(expected, false), None);
        assert_eq!(signed_by(body.as_bytes()), Some(Signer::Model("anthropic/claude".to_owned())));
        assert_eq!(signed_by(expected.as_bytes()), Some(Signer::Dialect(Dialect::Gemini)));
        assert_eq!(sent(expected, true).unwrap(), expected.replace(r#","thoughtSignature":"Q2lN""#, ""));
    }

    #[test]
    fn a_refused_signature_gives_way_to_googles_placeholder_on_the_first_call() {
        let body = br#"{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"x"},{"functionCall":{"name":"f"}},{"functionCall":{"name":"g"},"thoughtSignature":"y"}]}]}"#;
        let expected = format!(
            r#"{{"contents":[{{"role":"user","parts":[{{"text":"a"}}]}},{{"role":"model","parts":[{{"functionCall":{{"name":"f"}},"thoughtSignature":"{SKIP_SIGNATURE}"}},{{"functionCall":{{"name":"g"}}}}]}}]}}"#
        );
        assert_eq!(String::from_utf8(for_server(body, true).unwrap().0).unwrap(), expected);
        assert_eq!(for_server(body, false), None);
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
