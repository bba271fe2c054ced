//! What the native path may change: the `signalbox` member of an answer that was asked to explain itself, and thinking of
//! other providers in a request. Every other byte stays.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::foreign;
use super::types::{Block, Delta, Event, Kind};
use super::write::Elements;
use crate::json::{Edit, Members};
use crate::sse::{write_event, Frame};

/// A whole answer with a top-level `signalbox` member, given as JSON text. What is not an object is returned as it is.
#[must_use]
pub fn add_signalbox(body: &[u8], signalbox_json: &str) -> Vec<u8> {
    match Members::read(body) {
        Ok(members) => members.edit(&[Edit::Set("signalbox", signalbox_json.into())]),
        Err(_) => body.to_vec(),
    }
}

/// The `message_delta` event that ends an answer, with the `signalbox` member added; `None` for every other event.
#[must_use]
pub fn event_with_signalbox(frame: &Frame<'_>, signalbox_json: &str) -> Option<Vec<u8>> {
    let data = frame.data.as_deref()?;
    let event: Event<'_> = serde_json::from_slice(data).ok()?;
    let delta: Delta<'_> = serde_json::from_str(event.delta?.get()).ok()?;
    if event.kind?.as_str() != "message_delta" || delta.stop_reason.is_none() {
        return None;
    }
    let mut out = Vec::with_capacity(frame.raw.len() + signalbox_json.len() + 16);
    if let Some(id) = &frame.id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id);
        out.push(b'\n');
    }
    write_event(&mut out, Some("message_delta"), &add_signalbox(data, signalbox_json));
    Some(out)
}

/// A request without the thinking blocks that carry another provider's thinking (see [`foreign`]): Anthropic would refuse
/// their signatures. `None` when there are none, and then the body can go as it is. Report it as `messages`: advisory.
#[must_use]
pub fn without_foreign_thinking(body: &[u8]) -> Option<Vec<u8>> {
    // Most requests hold none, and this is all they pay.
    memmem::find(body, b"\"signalbox:")?;
    let members = Members::read(body).ok()?;
    let messages: Vec<&RawValue> = members.parse("messages").ok()??;
    let mut kept = Elements::default();
    let mut changed = false;
    for message in messages {
        match without_foreign_blocks(message) {
            Stripped::Same => kept.next().extend_from_slice(message.get().as_bytes()),
            Stripped::Changed(text) => {
                changed = true;
                kept.next().extend_from_slice(&text);
            }
            Stripped::Empty => changed = true,
        }
    }
    let mut list = b"[".to_vec();
    list.extend_from_slice(&kept.bytes);
    list.push(b']');
    let list = String::from_utf8(list).ok()?;
    changed.then(|| members.edit(&[Edit::Set("messages", list.into())]))
}

enum Stripped {
    Same,
    Changed(Vec<u8>),
    Empty,
}

#[derive(Deserialize)]
struct Role<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
}

fn without_foreign_blocks(message: &RawValue) -> Stripped {
    let content = serde_json::from_str::<Role<'_>>(message.get()).ok().and_then(|m| m.content);
    let blocks = content.and_then(|c| serde_json::from_str::<Vec<&RawValue>>(c.get()).ok());
    let (Some(blocks), Ok(members)) = (blocks, Members::read(message.get().as_bytes())) else { return Stripped::Same };
    let mut kept = Elements::default();
    for block in blocks.iter().filter(|block| !is_foreign(block)) {
        kept.next().extend_from_slice(block.get().as_bytes());
    }
    if kept.count == blocks.len() {
        return Stripped::Same;
    }
    if kept.count == 0 {
        return Stripped::Empty;
    }
    match String::from_utf8(kept.bytes) {
        Ok(list) => Stripped::Changed(members.edit(&[Edit::Set("content", format!("[{list}]").into())])),
        Err(_) => Stripped::Same,
    }
}

fn is_foreign(block: &RawValue) -> bool {
    let thinking = |kind: Kind<'_>| kind.kind.is_some_and(|kind| kind.as_str() == "thinking");
    if !serde_json::from_str::<Kind<'_>>(block.get()).is_ok_and(thinking) {
        return false;
    }
    let block: Result<Block<'_>, _> = serde_json::from_str(block.get());
    block.is_ok_and(|block| block.signature.is_some_and(|signature| foreign::is_sealed(signature.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sse::Decoder;

    #[test]
    fn an_explained_answer_keeps_every_other_byte() {
        let body = br#"{ "id":"msg_1", "content":[ ] , "usage":{"input_tokens":1.0}}"#;
        let text = String::from_utf8(add_signalbox(body, r#"{"cost":1}"#)).unwrap();
        assert_eq!(text, r#"{ "id":"msg_1", "content":[ ] , "usage":{"input_tokens":1.0},"signalbox":{"cost":1}}"#);
        assert_eq!(add_signalbox(b"oops", "{}"), b"oops");
    }

    #[test]
    fn only_the_closing_message_delta_is_explained() {
        let mut decoder = Decoder::new();
        decoder
            .push(
                b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\nid: 7\r\nevent: message_delta\r\ndata: {\"type\":\"message_delta\",\r\ndata: \"delta\":{\"stop_reason\":\"end_turn\"}}\r\n\r\n",
            )
            .unwrap();
        assert_eq!(event_with_signalbox(&decoder.next_frame().unwrap(), "{}"), None);
        let text =
            String::from_utf8(event_with_signalbox(&decoder.next_frame().unwrap(), r#"{"a":1}"#).unwrap()).unwrap();
        assert_eq!(
            text,
            "id: 7\nevent: message_delta\ndata: {\"type\":\"message_delta\",\ndata: \"delta\":{\"stop_reason\":\"end_turn\"},\"signalbox\":{\"a\":1}}\n\n"
        );
    }

    #[test]
    fn thinking_of_other_providers_is_taken_out_and_claudes_own_stays() {
        let body = br#"{"model":"m", "messages":[ {"role":"user","content":"a"}, {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"signalbox:gemini:S"}, {"type":"thinking","thinking":"own","signature":"Eq=="} ,{"type":"text","text":"x"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"signalbox:openai-chat:"}]}],"max_tokens":1}"#;
        let text = String::from_utf8(without_foreign_thinking(body).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"model":"m", "messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"Eq=="},{"type":"text","text":"x"}]}],"max_tokens":1}"#
        );
    }

    #[test]
    fn a_text_that_only_mentions_the_seal_changes_nothing() {
        let body = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"signalbox:gemini:S"}]}]}"#;
        assert_eq!(without_foreign_thinking(body), None);
    }
}
