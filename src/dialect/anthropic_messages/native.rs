//! What the native path may change: the `signalbox` member of an answer that was asked to explain itself, and thinking of
//! other providers in a request. Every other byte stays.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::foreign;
use super::types::{Block, Delta, Event, Kind};
use super::write::Elements;
use crate::dialect::canonical::Loss;
use crate::dialect::carried::Signer;
use crate::dialect::Dialect;
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
    let event: Event<'_> = crate::json::from_slice(data).ok()?;
    let delta: Delta<'_> = crate::json::from_str(event.delta?.get()).ok()?;
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

/// A request as Anthropic may see it, with what that costs; `None` when it can go as it is. Thinking blocks that carry
/// another provider's thinking (see [`foreign`]) are taken out, because Anthropic would refuse their signatures; `unsigned`
/// takes out all thinking, after Anthropic has refused it.
#[must_use]
pub fn for_server(body: &[u8], unsigned: bool) -> Option<(Vec<u8>, Vec<Loss>)> {
    // Most requests hold none, and this is all they pay.
    if !unsigned {
        memmem::find(body, b"\"signalbox:")?;
    }
    let members = Members::read(body).ok()?;
    let messages: Vec<&RawValue> = members.parse("messages").ok()??;
    let goes = if unsigned { is_thinking } else { is_foreign };
    let mut kept = Elements::default();
    let mut changed = false;
    for message in messages {
        match without_blocks(message, goes) {
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
    let list = String::from_utf8(list).ok().filter(|_| changed)?;
    let mut edits = vec![Edit::Set("messages", list.into())];
    let mut losses = Vec::new();
    if unsigned {
        losses.push(Loss::advisory("messages", "thinking that Anthropic refused was taken out"));
        if thinks_by_budget(&members) {
            // Claude goes on thinking by a budget only where the running turn begins with its thinking.
            edits.push(Edit::Remove("thinking"));
            losses.push(Loss::converted("thinking", "off, because the thinking of the running turn was refused"));
        }
    } else {
        losses.push(Loss::advisory("messages", "thinking of another provider is not for Anthropic"));
    }
    Some((members.edit(&edits), losses))
}

/// Whose signed thinking stands in the history: another provider's where a sealed block says so, else Anthropic's own.
#[must_use]
pub fn signed_by(body: &[u8]) -> Option<Signer> {
    let own = || {
        let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
        let signed = has("\"redacted_thinking\"") || (has("\"thinking\"") && has("\"signature\""));
        signed.then_some(Signer::Dialect(Dialect::AnthropicMessages))
    };
    foreign::made_by(body).map(Signer::Model).or_else(own)
}

fn thinks_by_budget(members: &Members<'_>) -> bool {
    let thinking = members.present("thinking").and_then(|raw| crate::json::from_str::<Kind<'_>>(raw.get()).ok());
    thinking.and_then(|thinking| thinking.kind).is_some_and(|kind| kind.as_str() == "enabled")
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

fn without_blocks(message: &RawValue, goes: fn(&RawValue) -> bool) -> Stripped {
    let content = crate::json::from_str::<Role<'_>>(message.get()).ok().and_then(|m| m.content);
    let blocks = content.and_then(|c| crate::json::from_str::<Vec<&RawValue>>(c.get()).ok());
    let (Some(blocks), Ok(members)) = (blocks, Members::read(message.get().as_bytes())) else { return Stripped::Same };
    let mut kept = Elements::default();
    for block in blocks.iter().filter(|block| !goes(block)) {
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

fn is_thinking(block: &RawValue) -> bool {
    let kind = crate::json::from_str::<Kind<'_>>(block.get()).ok().and_then(|kind| kind.kind);
    kind.is_some_and(|kind| matches!(kind.as_str(), "thinking" | "redacted_thinking"))
}

fn is_foreign(block: &RawValue) -> bool {
    let thinking = |kind: Kind<'_>| kind.kind.is_some_and(|kind| kind.as_str() == "thinking");
    if !crate::json::from_str::<Kind<'_>>(block.get()).is_ok_and(thinking) {
        return false;
    }
    let block: Result<Block<'_>, _> = crate::json::from_str(block.get());
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
        let body = r#"{"model":"m", "messages":[ {"role":"user","content":"a"}, {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"SEALED"}, {"type":"thinking","thinking":"own","signature":"Eq=="} ,{"type":"text","text":"x"}]},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"SEALED"}]}],"max_tokens":1}"#;
        let body = body.replace("SEALED", &foreign::seal(Dialect::Gemini, Some("S"), false, "gemini/g"));
        assert_eq!(signed_by(body.as_bytes()), Some(Signer::Model("gemini/g".to_owned())));
        let (text, losses) = for_server(body.as_bytes(), false).unwrap();
        assert_eq!(losses.len(), 1, "{losses:?}");
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            r#"{"model":"m", "messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"Eq=="},{"type":"text","text":"x"}]}],"max_tokens":1}"#
        );
    }

    #[test]
    fn a_text_that_only_mentions_the_seal_changes_nothing() {
        let body = br#"{"messages":[{"role":"user","content":[{"type":"text","text":"signalbox:gemini:S"}]}]}"#;
        assert_eq!(for_server(body, false), None);
        assert_eq!(signed_by(body), None);
    }

    #[test]
    fn refused_thinking_is_taken_out_whole_and_a_budget_with_it() {
        let body = br#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"own","signature":"Eq=="},{"type":"redacted_thinking","data":"D"},{"type":"tool_use","id":"t","name":"f","input":{ }}]}],"thinking":{"type":"enabled","budget_tokens":2000},"max_tokens":1}"#;
        assert_eq!(signed_by(body), Some(Signer::Dialect(Dialect::AnthropicMessages)));
        assert_eq!(for_server(body, false), None, "what Anthropic signed goes as it is");
        let (text, losses) = for_server(body, true).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{ }}]}],"max_tokens":1}"#
        );
        assert_eq!(losses.iter().map(|loss| loss.field.as_str()).collect::<Vec<_>>(), ["messages", "thinking"]);
    }
}
