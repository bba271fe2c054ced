//! Whole answers: wire ↔ canonical.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::types::{Choice as WireChoice, Chunk, Delta};
use super::types::{WireFunction, WireToolCall};
use super::{finish, media, observe, usage};
use crate::dialect::canonical::{ChatResponse, Choice, Extra, Finish, Media, Part, ReasoningPart, ToolCall};
use crate::dialect::{custom, fields, Dialect, StreamFault};
use crate::hex::hex;
use crate::json::scalar::{count, filled, kind_of, says_something, string, word, Kind};
use crate::json::Members;

mod encode;
pub use encode::encode;
pub(super) use encode::{annotation, call_id, choice_member, is_top_member, left_behind, lost};
pub(super) use encode::{reasoning_item, tool_call_signature, write_picture, write_raw_finish};

/// Reads an answer. Blank lines before the body (DeepSeek's keep-alive) are no fault.
///
/// # Errors
/// An error in a 200, foreign bytes, or an answer without a choice, which answers nothing.
pub fn decode(body: &[u8]) -> Result<ChatResponse, StreamFault> {
    let chunk = observe::whole(body)?;
    let mut response = ChatResponse {
        id: word(chunk.id).map(Cow::into_owned),
        model: filled(chunk.model).map(Cow::into_owned),
        created: count(chunk.created),
        usage: observe::usage_of(&chunk),
        ..ChatResponse::default()
    };
    top_extras(&chunk, &mut response.extras);
    for (at, wire) in chunk.choices.iter().flatten().enumerate() {
        let index = count(wire.index).map_or(at as u32, |index| u32::try_from(index).unwrap_or(u32::MAX));
        let mut choice = Choice { index, ..Choice::default() };
        // Azure leaves the message out where everything was filtered.
        if let Some(message) = &wire.message {
            let salt = word(chunk.id).unwrap_or_default();
            read_message(message, index, &salt, &mut choice.parts)?;
            delta_extras(message, index, "message", &mut response.extras);
        }
        choice.finish = filled(wire.finish_reason).map(|raw| {
            let called = choice.parts.iter().any(is_call);
            finish_of(&raw, called, wire)
        });
        choice_extras(wire, index, &mut response.extras);
        response.choices.push(choice);
    }
    if response.choices.is_empty() {
        return Err(observe::malformed("the answer has no choices"));
    }
    Ok(response)
}

fn is_call(part: &Part) -> bool {
    matches!(part, Part::ToolCall(_)) || custom::is_call(part)
}

/// The hub's finish for a choice.
pub(super) fn finish_of(raw: &str, called_tools: bool, wire: &WireChoice<'_>) -> Finish {
    Finish {
        reason: finish::decode(raw, called_tools),
        raw: raw.to_owned(),
        stop_sequence: filled(wire.stop_reason).and_then(|reason| finish::stop_sequence(&reason)),
    }
}

fn read_message(message: &Delta<'_>, choice: u32, salt: &str, parts: &mut Vec<Part>) -> Result<(), StreamFault> {
    let origin = Dialect::OpenAiChat;
    parts.extend(reasoning_parts(message).into_iter().map(Part::Reasoning));
    if let Some(content) = message.content {
        for piece in pieces(content)? {
            parts.push(match piece {
                Piece::Text(text) => Part::Text(text.into_owned()),
                Piece::Refusal(text) => Part::Refusal(text.into_owned()),
                Piece::Reasoning { text, signature } => {
                    Part::Reasoning(ReasoningPart { text, signature, redacted: false, origin })
                }
                Piece::Other { kind, raw } => Part::Native { dialect: origin, kind, raw: raw.to_owned() },
            });
        }
    }
    if let Some(refusal) = filled(message.refusal) {
        parts.push(Part::Refusal(refusal.into_owned()));
    }
    parts.extend(pictures(message.images).into_iter().map(Part::Image));
    let calls = message.tool_calls.iter().flatten().map(|call| (call.function.as_ref(), Some(call)));
    let legacy = message.function_call.iter().map(|function| (Some(function), None));
    for (at, (function, call)) in calls.chain(legacy).enumerate() {
        parts.push(call_part(function, call, choice, at as u32, salt));
    }
    Ok(())
}

fn call_part(
    function: Option<&WireFunction<'_>>,
    call: Option<&WireToolCall<'_>>,
    choice: u32,
    at: u32,
    salt: &str,
) -> Part {
    if let Some(members) = call.and_then(|call| call.custom).and_then(object) {
        let read = custom::Call::of_custom(&members);
        let id = call.and_then(real_id).map(Cow::into_owned);
        let minted = || minted_id(choice, at, &[salt.as_bytes(), read.name.as_bytes(), read.input.as_bytes()]);
        return custom::Call { id: id.unwrap_or_else(minted), ..read }.into_part();
    }
    let name = function.and_then(|function| filled(function.name)).unwrap_or_default().into_owned();
    let arguments = function.and_then(|function| function.arguments).map(arguments_text).unwrap_or_default();
    let id = call.and_then(real_id).map_or_else(
        || minted_id(choice, at, &[salt.as_bytes(), name.as_bytes(), arguments.as_bytes()]),
        Cow::into_owned,
    );
    Part::ToolCall(ToolCall {
        id,
        name,
        arguments: if arguments.trim_ascii().is_empty() { "{}".to_owned() } else { arguments.into_owned() },
        signature: call.and_then(call_signature),
    })
}

/// An id that is one: some servers leave it out, empty or as the string `null` (`wire.md` §1.5).
pub(super) fn real_id<'a>(call: &WireToolCall<'a>) -> Option<Cow<'a, str>> {
    word(call.id).filter(|id| id != "null")
}

/// An id for a call that came without one. Made of everything that tells this call from others, because ids of one
/// conversation must differ and the core has no randomness.
pub(in crate::dialect) fn minted_id(choice: u32, at: u32, salt: &[&[u8]]) -> String {
    use sha2::{Digest, Sha256};
    let mut hash = Sha256::new();
    hash.update(choice.to_be_bytes());
    hash.update(at.to_be_bytes());
    for part in salt {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    format!("call_{}", hex(digest.get(..12).unwrap_or_default()))
}

/// Arguments as JSON text: OpenAI writes them as a string, Mistral now and then as the object itself.
pub(super) fn arguments_text(raw: &RawValue) -> Cow<'_, str> {
    match kind_of(raw) {
        Kind::Text => string(raw).unwrap_or_default(),
        Kind::Null => Cow::Borrowed(""),
        _ => Cow::Borrowed(raw.get()),
    }
}

/// Gemini's thought signature, in the place of Google's compatibility layer or in ours.
pub(super) fn call_signature(call: &WireToolCall<'_>) -> Option<String> {
    let google = call.extra_content.and_then(object).and_then(|extra| extra.present("google").and_then(object));
    let theirs = google.and_then(|google| filled(google.present("thought_signature")));
    let ours = || call.signalbox.and_then(object).and_then(|ours| filled(ours.present("signature")));
    theirs.or_else(ours).map(Cow::into_owned)
}

fn object(raw: &RawValue) -> Option<Members<'_>> {
    Members::read(raw.get().as_bytes()).ok()
}

/// Reasoning as it stands beside a message, under whichever names the server uses.
pub(super) struct Thoughts<'a> {
    named: Option<Cow<'a, str>>,
    details: Vec<Members<'a>>,
}

/// A signature or encrypted block among `reasoning_details` (OpenRouter).
#[derive(Debug)]
pub(super) struct SignedBlock {
    /// The opaque text.
    pub signature: String,
    /// Anthropic's redacted thinking.
    pub redacted: bool,
}

impl<'a> Thoughts<'a> {
    /// Reads them. Where a server uses several names they say the same thing, so the first that says something counts.
    pub fn read(delta: &Delta<'a>) -> Self {
        let details: Vec<&'a RawValue> =
            delta.reasoning_details.and_then(|raw| crate::json::from_str(raw.get()).ok()).unwrap_or_default();
        Self {
            named: filled(delta.reasoning_content).or_else(|| filled(delta.reasoning)),
            details: details.into_iter().filter_map(object).collect(),
        }
    }

    /// The visible text.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        self.named.clone().or_else(|| {
            let text: String = self.details.iter().filter_map(detail_text).collect();
            (!text.is_empty()).then_some(Cow::Owned(text))
        })
    }

    /// The signatures, in order.
    pub fn signed(&self) -> impl Iterator<Item = SignedBlock> + '_ {
        self.details.iter().filter_map(detail_signature)
    }
}

fn detail_text<'a>(detail: &Members<'a>) -> Option<Cow<'a, str>> {
    filled(detail.present("text")).or_else(|| filled(detail.present("summary")))
}

fn detail_signature(detail: &Members<'_>) -> Option<SignedBlock> {
    if let Some(signature) = filled(detail.present("signature")) {
        return Some(SignedBlock { signature: signature.into_owned(), redacted: false });
    }
    let signature = filled(detail.present("data"))?.into_owned();
    let redacted = filled(detail.present("format")).is_some_and(|format| format.starts_with("anthropic"));
    Some(SignedBlock { signature, redacted })
}

/// The reasoning blocks of a whole message. A detail that is only a signature signs the text before it.
pub(super) fn reasoning_parts(message: &Delta<'_>) -> Vec<ReasoningPart> {
    let origin = Dialect::OpenAiChat;
    let thoughts = Thoughts::read(message);
    let mut blocks = Vec::new();
    if !thoughts.details.iter().any(|detail| detail_text(detail).is_some()) {
        let plain = |text: Cow<'_, str>| ReasoningPart { text: text.into(), signature: None, redacted: false, origin };
        blocks.extend(thoughts.named.clone().map(plain));
    }
    for detail in &thoughts.details {
        let text = detail_text(detail).map(Cow::into_owned);
        let (signature, redacted) =
            detail_signature(detail).map_or((None, false), |block| (Some(block.signature), block.redacted));
        match (blocks.last_mut(), &text) {
            (Some(before), None) if before.signature.is_none() && !redacted => before.signature = signature,
            _ if text.is_none() && signature.is_none() => {}
            _ => blocks.push(ReasoningPart { text: text.unwrap_or_default(), signature, redacted, origin }),
        }
    }
    blocks
}

/// Generated pictures (OpenRouter).
pub(super) fn pictures(raw: Option<&RawValue>) -> Vec<Media> {
    let items: Vec<&RawValue> = raw.and_then(|raw| crate::json::from_str(raw.get()).ok()).unwrap_or_default();
    let url = |item: &RawValue| {
        let place = object(item)?.present("image_url")?;
        let url = if kind_of(place) == Kind::Object { object(place)?.present("url")? } else { place };
        Some(media::picture(&filled(Some(url))?, None))
    };
    items.into_iter().filter_map(url).collect()
}

/// A piece of `content`.
pub(super) enum Piece<'a> {
    Text(Cow<'a, str>),
    Refusal(Cow<'a, str>),
    Reasoning { text: String, signature: Option<String> },
    Other { kind: String, raw: &'a RawValue },
}

/// Content is a text or, at Mistral, a list of chunks.
///
/// # Errors
/// Content of any other kind: an answer whose text cannot be read is not the dialect's.
pub(super) fn pieces(content: &RawValue) -> Result<Vec<Piece<'_>>, StreamFault> {
    pieces_at(content, 0)
}

/// Thoughts in thoughts that are read: one in the wild, and depth must not cost stack.
const MAX_DEPTH: u32 = 8;

fn pieces_at(content: &RawValue, depth: u32) -> Result<Vec<Piece<'_>>, StreamFault> {
    match kind_of(content) {
        _ if depth > MAX_DEPTH => Err(observe::malformed("content is nested too deep")),
        Kind::Text => Ok(filled(Some(content)).map(Piece::Text).into_iter().collect()),
        Kind::List => {
            let items: Vec<&RawValue> = crate::json::from_str(content.get()).unwrap_or_default();
            Ok(items.into_iter().filter_map(|raw| piece(raw, depth)).collect())
        }
        // What some servers answer in JSON mode.
        Kind::Object => Ok(vec![Piece::Text(Cow::Borrowed(content.get()))]),
        _ => Err(observe::malformed("content is neither a text nor a list")),
    }
}

fn piece(raw: &RawValue, depth: u32) -> Option<Piece<'_>> {
    let Some(members) = object(raw) else { return filled(Some(raw)).map(Piece::Text) };
    let kind = filled(members.present("type")).unwrap_or(Cow::Borrowed("text"));
    match kind.as_ref() {
        "text" | "output_text" => filled(members.present("text")).map(Piece::Text),
        "refusal" => filled(members.present("refusal")).map(Piece::Refusal),
        "thinking" => {
            let text = members.present("thinking").map(|raw| nested_text(raw, depth + 1)).unwrap_or_default();
            let signature = filled(members.present("signature")).map(Cow::into_owned);
            (!text.is_empty() || signature.is_some()).then_some(Piece::Reasoning { text, signature })
        }
        _ => Some(Piece::Other { kind: kind.into_owned(), raw }),
    }
}

fn nested_text(raw: &RawValue, depth: u32) -> String {
    match pieces_at(raw, depth) {
        Ok(pieces) => pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) | Piece::Refusal(text) => text.into_owned(),
                Piece::Reasoning { text, .. } => text,
                Piece::Other { .. } => String::new(),
            })
            .collect(),
        Err(_) => String::new(),
    }
}

/// The top-level members that the hub has no word for.
pub(super) fn top_extras(chunk: &Chunk<'_>, extras: &mut Vec<Extra>) {
    let known = [("system_fingerprint", chunk.system_fingerprint), ("service_tier", chunk.service_tier)];
    for (name, raw) in known {
        keep(extras, || name.to_owned(), raw);
    }
    // Groq's usage has been read; what else stands there is its own request id and seed.
    keep(extras, || "x_groq".to_owned(), chunk.x_groq);
    for (name, raw) in &chunk.rest {
        keep(extras, || name.to_string(), Some(raw));
    }
    usage_extras(chunk, extras);
}

/// What `usage` says beyond token counts: prices, times, the tier; nothing that changes the answer.
fn usage_extras(chunk: &Chunk<'_>, extras: &mut Vec<Extra>) {
    let Some(usage) = chunk.usage.and_then(object) else { return };
    for (name, raw) in usage.iter().filter(|(name, raw)| !usage::is_count(name) && says_something(raw)) {
        let extra = fields::answer_extra(Dialect::OpenAiChat, format!("usage.{name}"), raw.to_owned());
        extras.push(Extra { advisory: true, ..extra });
    }
}

/// A choice's members that the hub has no word for.
pub(super) fn choice_extras(wire: &WireChoice<'_>, index: u32, extras: &mut Vec<Extra>) {
    keep(extras, || format!("choices[{index}].logprobs"), wire.logprobs.filter(|raw| has_logprobs(raw)));
    for (name, raw) in &wire.rest {
        keep(extras, || format!("choices[{index}].{name}"), Some(raw));
    }
}

/// `{"content": null, "refusal": null}` is how some servers say that there are none.
fn has_logprobs(raw: &RawValue) -> bool {
    object(raw).is_none_or(|members| members.iter().any(|(_, value)| says_something(value)))
}

/// A message's members that the hub has no word for; `holder` is `message` or `delta`.
pub(super) fn delta_extras(delta: &Delta<'_>, index: u32, holder: &str, extras: &mut Vec<Extra>) {
    keep(extras, || format!("choices[{index}].{holder}.audio"), delta.audio);
    for (name, raw) in &delta.rest {
        keep(extras, || format!("choices[{index}].{holder}.{name}"), Some(raw));
    }
}

fn keep(extras: &mut Vec<Extra>, field: impl FnOnce() -> String, raw: Option<&RawValue>) {
    if let Some(raw) = raw.filter(|raw| says_something(raw)) {
        extras.push(fields::answer_extra(Dialect::OpenAiChat, field(), raw.to_owned()));
    }
}

#[cfg(test)]
mod tests;
