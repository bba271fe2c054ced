//! A whole answer as chunks: see [`crate::dialect::unrolled`]. The first chunk has all that the answer says, the second its
//! counts, which OpenAI sends apart (`wire.md` §1.1).

use memchr::memmem;
use serde_json::value::RawValue;

use super::observe;
use super::write::{list, Object};
use crate::dialect::unrolled::{write, Place};
use crate::json::scalar::filled;
use crate::json::scan::items;
use crate::json::{Edit, Members};

const DONE: &[u8] = b"data: [DONE]\n\n";

/// The events, or nothing where there is no whole answer.
pub(in crate::dialect) fn events(json: &[u8], place: Place) -> Option<Vec<u8>> {
    // Chunks have no message, and this is all that they pay.
    if place == Place::Event {
        memmem::find(json, b"\"message\"")?;
    }
    // An error in the place of an answer is none.
    observe::whole(json).ok()?;
    let members = Members::read(json).ok()?;
    let mut out = Vec::with_capacity(json.len() + 256);
    let Some(choices) = members.parse::<Vec<&RawValue>>("choices").ok()? else {
        // Workers AI's own answer is written like the events of its streams.
        write(&mut out, None, json);
        out.extend_from_slice(DONE);
        return (place == Place::Body).then_some(out);
    };
    let mut pieces = Vec::with_capacity(choices.len());
    for (at, choice) in choices.into_iter().enumerate() {
        pieces.push(piece(choice, at, place)?);
    }
    let mut chunk = Vec::with_capacity(json.len() + 64);
    let mut object = Object::begin(&mut chunk);
    object.text("object", CHUNK);
    for (name, value) in members.iter().filter(|(name, _)| !matches!(*name, "object" | "choices" | "usage")) {
        object.raw(name, value.get());
    }
    object.list("choices", &pieces, |out, piece| out.extend_from_slice(piece));
    object.end();
    write(&mut out, None, &chunk);
    if let Some(usage) = members.present("usage") {
        chunk.clear();
        let mut object = Object::begin(&mut chunk);
        object.text("object", CHUNK);
        for (name, value) in ["id", "created", "model"].iter().filter_map(|name| Some((name, members.raw(name)?))) {
            object.raw(name, value.get());
        }
        object.raw("choices", "[]");
        object.raw("usage", usage.get());
        object.end();
        write(&mut out, None, &chunk);
    }
    out.extend_from_slice(DONE);
    Some(out)
}

const CHUNK: &str = "chat.completion.chunk";

/// A choice with its message as what changed. In an event only what has ended and is not told in pieces (Perplexity's
/// events have both) is a whole answer's.
fn piece(choice: &RawValue, at: usize, place: Place) -> Option<Vec<u8>> {
    let members = Members::read(choice.get().as_bytes()).ok()?;
    let in_pieces = || members.present("delta").is_some() || filled(members.raw("finish_reason")).is_none();
    if place == Place::Event && in_pieces() {
        return None;
    }
    let delta = match members.present("message") {
        Some(message) => numbered(message)?,
        None => "{}".to_owned(),
    };
    let mut edits = vec![Edit::Remove("message"), Edit::Set("delta", delta.into())];
    if members.raw("index").is_none() {
        edits.push(Edit::Set("index", at.to_string().into()));
    }
    Some(members.edit(&edits))
}

/// A message whose calls are counted, as those of a stream are.
fn numbered(message: &RawValue) -> Option<String> {
    let members = Members::read(message.get().as_bytes()).ok()?;
    let Some(calls) = members.present("tool_calls") else { return Some(message.get().to_owned()) };
    let mut counted = Vec::with_capacity(calls.get().len() + 32);
    list(&mut counted, items(calls.get()).enumerate(), |out, (at, call)| match Members::read(call.as_bytes()) {
        Ok(call) => out.extend_from_slice(&call.edit(&[Edit::Set("index", at.to_string().into())])),
        Err(_) => out.extend_from_slice(call.as_bytes()),
    });
    let counted = String::from_utf8(counted).ok()?;
    String::from_utf8(members.edit(&[Edit::Set("tool_calls", counted.into())])).ok()
}
