//! Small edits for traffic of this dialect that passes through untranslated: our cost and our report go into an answer,
//! reasoning that only another provider can read comes out of a request, every other byte stays.

use std::borrow::Cow;

use memchr::memmem;
use serde_json::value::RawValue;

use super::foreign;
use super::types::{list, read, Item};
use crate::dialect::canonical::Loss;
use crate::dialect::carried::Signer;
use crate::dialect::openai_chat;
use crate::dialect::Dialect;
use crate::json::scalar::filled;
use crate::json::{Edit, Members};
use crate::sse::Frame;

/// Sets `usage.cost` and the `signalbox` member of a whole answer, which stand where Chat Completions has them.
pub use openai_chat::native::add_cost;

/// The event that ends an answer, with the cost in its response's usage and the `signalbox` member at its top. Other
/// events come back unchanged.
#[must_use]
pub fn add_cost_to_event(frame: &Frame<'_>, cost_usd: Option<&str>, signalbox: Option<&str>) -> Vec<u8> {
    let Some(data) = frame.data.as_deref() else { return frame.raw.to_vec() };
    let Ok(members) = Members::read(data) else { return frame.raw.to_vec() };
    let Some(response) = members.present("response") else { return frame.raw.to_vec() };
    let priced = add_cost(response.get().as_bytes(), cost_usd, None);
    let mut edits = Vec::with_capacity(2);
    if let Ok(priced) = String::from_utf8(priced) {
        edits.push(Edit::Set("response", priced.into()));
    }
    if let Some(signalbox) = signalbox {
        edits.push(Edit::Set("signalbox", signalbox.into()));
    }
    openai_chat::native::with_data(frame, &members.edit(&edits))
}

/// The number of the event that may follow these: of the last one that has a number and is whole.
#[must_use]
pub fn next_number(events: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"\"sequence_number\":";
    let number = |at: usize| {
        let text = events.get(at + NAME.len()..)?.trim_ascii_start();
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(text.get(..digits)?).ok()?.parse::<u64>().ok()
    };
    number(memmem::rfind(events, NAME)?)?.checked_add(1)
}

/// What an answer repeats of its request, each with the value that stands for its absence (`Response` in npm `openai`).
/// `store` is not among them: nothing is kept here.
const ECHOED: [(&str, &str); 18] = [
    ("background", "false"),
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "1"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", "\"auto\""),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "1"),
    ("truncation", "\"disabled\""),
    ("user", "null"),
];

/// The members of a request that an answer of this dialect repeats, as JSON text without braces.
#[must_use]
pub fn echo(members: &Members<'_>) -> String {
    let mut text = String::from("\"store\":false");
    for (name, absent) in ECHOED {
        let value = members.present(name).map_or(absent, RawValue::get);
        text.push_str(",\"");
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    }
    text
}

/// A request as a server of this dialect may see it, with what that costs; `None` when it can go as it is. Reasoning items
/// that carry another provider's reasoning (see [`foreign`]) come out: OpenAI would refuse them
/// (`invalid_encrypted_content`). `unsigned`: every encrypted item comes out, because the server has refused one.
#[must_use]
pub fn for_server(body: &[u8], unsigned: bool) -> Option<(Vec<u8>, Vec<Loss>)> {
    // Most requests hold none, and this is all they pay.
    if !unsigned {
        memmem::find(body, foreign::BEGINNING.as_bytes())?;
    }
    let members = Members::read(body).ok()?;
    let items = list(members.present("input"));
    let goes = |item: &&&RawValue| !encrypted(item).is_some_and(|content| unsigned || foreign::is_sealed(&content));
    let kept: Vec<&str> = items.iter().filter(goes).map(|item| item.get()).collect();
    if kept.len() == items.len() {
        return None;
    }
    let reason = if unsigned {
        "refused reasoning was taken out"
    } else {
        "reasoning of another provider cannot be read by this one"
    };
    let edited = members.edit(&[Edit::Set("input", format!("[{}]", kept.join(",")).into())]);
    Some((edited, vec![Loss::advisory("input", reason)]))
}

/// What a reasoning item holds for its provider.
fn encrypted(item: &RawValue) -> Option<Cow<'_, str>> {
    let item: Item<'_> = read(item)?;
    filled(item.kind).filter(|kind| kind == "reasoning")?;
    filled(item.encrypted_content)
}

/// Whose encrypted reasoning stands in the history: another provider's where a seal says so, else a server's of this
/// dialect.
#[must_use]
pub fn signed_by(body: &[u8]) -> Option<Signer> {
    memmem::find(body, b"\"encrypted_content\"")?;
    let members = Members::read(body).ok()?;
    let items = list(members.present("input"));
    let last = items.iter().rev().find_map(|item| encrypted(item))?;
    if foreign::is_sealed(&last) {
        return foreign::made_by(&last).map(Signer::Model);
    }
    Some(Signer::Dialect(Dialect::OpenAiResponses))
}

#[cfg(test)]
mod tests;
