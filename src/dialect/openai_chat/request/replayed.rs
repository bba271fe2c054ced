//! Reasoning that an assistant's message brings back: in our own member, in the members that servers of this dialect use,
//! or behind the ids of its calls where the client kept nothing else (see [`crate::dialect::carried`]).

use serde_json::value::RawValue;

use super::super::response::reasoning_parts;
use super::super::types::Delta;
use super::decode::object;
use crate::dialect::canonical::{Part, ReasoningPart};
use crate::dialect::carried::Block;
use crate::dialect::Dialect;
use crate::json::scalar::filled;
use crate::json::Members;

/// A call with the reasoning that stood before it.
pub(super) struct Called {
    /// The call.
    pub part: Part,
    /// Blocks since the call before, by their place in the message's text.
    pub blocks: Vec<Block>,
    /// `provider/model` that made it all, as far as the id says so.
    pub by: String,
}

/// Blocks that stand beside the message, without those that a call's id brings back to their place.
pub(super) fn beside(message: &Members<'_>, calls: &[Called]) -> Vec<Part> {
    let carried: Vec<&ReasoningPart> = calls.iter().flat_map(|call| &call.blocks).map(|block| &block.part).collect();
    let signed_there = |block: &ReasoningPart| carried.iter().any(|other| other.signature == block.signature);
    // The text of a carried block is the visible reasoning, which some clients send back too.
    let all: String = carried.iter().map(|block| block.text.as_str()).collect();
    let said_there = |block: &ReasoningPart| block.signature.is_none() && !all.is_empty() && block.text == all;
    let blocks = reasoning(message).into_iter();
    blocks.filter(|block| !signed_there(block) && !said_there(block)).map(Part::Reasoning).collect()
}

/// What was said and called, each block of carried reasoning where it came: Claude and Gemini check the order.
pub(super) fn in_place(said: Vec<Part>, calls: Vec<Called>) -> (Vec<Part>, Vec<Part>) {
    let length: usize = said.iter().map(text_length).sum();
    let mut within = Vec::new();
    let mut called = Vec::with_capacity(calls.len());
    for call in calls {
        for block in call.blocks {
            if block.at < length {
                within.push(block);
            } else {
                called.push(Part::Reasoning(block.part));
            }
        }
        called.push(call.part);
    }
    (interleaved(said, within), called)
}

fn text_length(part: &Part) -> usize {
    match part {
        Part::Text(text) => text.len(),
        _ => 0,
    }
}

/// Texts with blocks between them. A place within a code point is a client's edit: the block goes before the text then.
fn interleaved(said: Vec<Part>, blocks: Vec<Block>) -> Vec<Part> {
    let mut blocks = blocks.into_iter().peekable();
    let mut out = Vec::with_capacity(said.len());
    let mut passed = 0;
    for part in said {
        let Part::Text(text) = part else {
            out.push(part);
            continue;
        };
        let mut rest = text.as_str();
        while let Some(block) = blocks.next_if(|block| block.at < passed + rest.len()) {
            if let Some((before, after)) = rest.split_at_checked(block.at.saturating_sub(passed)) {
                if !before.is_empty() {
                    out.push(Part::Text(before.to_owned()));
                }
                passed += before.len();
                rest = after;
            }
            out.push(Part::Reasoning(block.part));
        }
        passed += rest.len();
        out.push(Part::Text(rest.to_owned()));
    }
    out
}

/// Our own echo of signed blocks where the client kept it, else the names that servers use.
fn reasoning(message: &Members<'_>) -> Vec<ReasoningPart> {
    let ours = message.present("signalbox").and_then(object);
    let echoed: Vec<&RawValue> = ours.and_then(|ours| ours.parse("reasoning").ok().flatten()).unwrap_or_default();
    if !echoed.is_empty() {
        return echoed.into_iter().filter_map(object).map(|block| echoed_block(&block)).collect();
    }
    let beside = Delta {
        reasoning_content: message.present("reasoning_content"),
        reasoning: message.present("reasoning"),
        reasoning_details: message.present("reasoning_details"),
        ..Delta::default()
    };
    let mut parts = reasoning_parts(&beside);
    // DeepSeek's empty text says that there was no reasoning; it is no block.
    parts.retain(|block| !block.text.is_empty() || block.signature.is_some());
    parts
}

/// A block without a known origin is nobody's: this dialect's, whose servers ignore it.
fn echoed_block(block: &Members<'_>) -> ReasoningPart {
    let origin = filled(block.present("origin")).and_then(|name| Dialect::named(&name));
    ReasoningPart {
        text: filled(block.present("text")).unwrap_or_default().into(),
        signature: filled(block.present("signature")).map(Into::into),
        redacted: block.present("redacted").is_some_and(|raw| raw.get() == "true"),
        origin: origin.unwrap_or(Dialect::OpenAiChat),
    }
}
