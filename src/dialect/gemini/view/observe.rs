//! What answers and events of a native Gemini upstream tell in passing.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::canonical::FinishReason;
use crate::dialect::gemini::types::{Int, Many, Text, UsageMetadata};
use crate::dialect::gemini::{error, finish, stream, types, usage};
use crate::dialect::{Observation, Seen, StreamFault};
use crate::sse::Frame;

/// Declares shapes as the decoder's, which read as leniently (a member that stands twice counts once, as its last), without
/// keeping what has no place.
macro_rules! lean {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $ty:ty = $key:literal $(| $alias:literal)?,)* })*) => {$(
        $(#[$doc])*
        #[derive(Default)]
        struct $name<'a> {
            $($field: Option<$ty>,)*
            _source: PhantomData<&'a ()>,
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ShapeVisitor<'a>(PhantomData<&'a ()>);
                impl<'de: 'a, 'a> Visitor<'de> for ShapeVisitor<'a> {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        let mut shape = $name::default();
                        while let Some(Text(key)) = map.next_key::<Text<'de>>()? {
                            match key.as_ref() {
                                $($key $(| $alias)? => shape.$field = map.next_value()?,)*
                                _ => {
                                    map.next_value::<IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(shape)
                    }
                }
                deserializer.deserialize_map(ShapeVisitor(PhantomData))
            }
        }
    )*};
}

lean! {
    /// An answer at arm's length: texts stay source text.
    Chunk {
        candidates: Many<Candidate<'a>> = "candidates",
        prompt_feedback: &'a RawValue = "promptFeedback" | "prompt_feedback",
        usage: UsageMetadata<'a> = "usageMetadata" | "usage_metadata",
        model: Text<'a> = "modelVersion" | "model_version",
        id: Text<'a> = "responseId" | "response_id",
        error: &'a RawValue = "error",
    }
    Candidate {
        index: Int = "index",
        content: Content<'a> = "content",
        finish_reason: Text<'a> = "finishReason" | "finish_reason",
        grounding: &'a RawValue = "groundingMetadata" | "grounding_metadata",
    }
    Content {
        parts: Many<Part<'a>> = "parts",
    }
    Part {
        text: &'a RawValue = "text",
        function_call: &'a RawValue = "functionCall" | "function_call",
        executable_code: &'a RawValue = "executableCode" | "executable_code",
        code_result: &'a RawValue = "codeExecutionResult" | "code_execution_result",
        inline_data: &'a RawValue = "inlineData" | "inline_data",
        tool_call: &'a RawValue = "toolCall" | "tool_call",
        tool_response: &'a RawValue = "toolResponse" | "tool_response",
    }
}

/// Reads usage, finish and ids of a whole answer.
///
/// # Errors
/// An error in a 200, or foreign bytes.
pub fn observe_response(body: &[u8]) -> Result<Observation, StreamFault> {
    let mut seen = Observation::default();
    let mut answered = false;
    for chunk in chunks(body)? {
        let blocked = || chunk.prompt_feedback.and_then(|feedback| stream::block_reason(feedback.get())).is_some();
        answered |= chunk.candidates.as_ref().is_some_and(|list| !list.0.is_empty()) || blocked();
        observe(chunk, &mut seen)?;
    }
    if answered {
        Ok(seen)
    } else {
        Err(StreamFault::Malformed("a Gemini answer without candidates".to_owned()))
    }
}

/// Reads one event of a native stream.
///
/// # Errors
/// Malformed events and provider errors, bare JSON ones included.
pub fn observe_event(frame: &Frame<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
    let data = match (&frame.data, frame.bare_json()) {
        (Some(data), _) => data.trim_ascii(),
        (None, Some(json)) => json,
        (None, None) => return Ok(Seen::default()),
    };
    let mut was = Seen::default();
    if data.is_empty() || data == b"[DONE]" {
        return Ok(was);
    }
    for chunk in chunks(data)? {
        let now = observe(chunk, seen)?;
        was.content |= now.content;
        was.usage |= now.usage;
    }
    Ok(was)
}

fn chunks(json: &[u8]) -> Result<Vec<Chunk<'_>>, StreamFault> {
    types::read::<Many<Chunk<'_>>>(json).map(|list| list.0)
}

fn observe(chunk: Chunk<'_>, seen: &mut Observation) -> Result<Seen, StreamFault> {
    if let Some(error) = chunk.error {
        return Err(StreamFault::Provider(error::read(error)));
    }
    let mut was = Seen::default();
    if seen.id.is_none() {
        seen.id = chunk.id.as_deref().map(str::to_owned);
    }
    if seen.model.is_none() {
        seen.model = chunk.model.as_deref().map(str::to_owned);
    }
    if let Some(counts) = chunk.usage.as_ref().and_then(usage::decode) {
        seen.usage = Some(counts);
        was.usage = true;
    }
    let mut searches: Option<u64> = None;
    for candidate in chunk.candidates.map(|list| list.0).unwrap_or_default() {
        if let Some(more) = candidate.grounding.and_then(usage::searches) {
            searches = Some(searches.unwrap_or(0).saturating_add(more));
        }
        let (bytes, content, called) = content_of(&candidate);
        seen.output_bytes = seen.output_bytes.saturating_add(bytes);
        was.content |= content;
        let index = candidate.index.map_or(0, Int::count);
        let first = index == 0;
        let bit = u32::try_from(index).ok().and_then(|index| 1_u64.checked_shl(index)).unwrap_or(0);
        seen.choices_begun |= bit;
        if content {
            // Content after a finish reason means that it was not the last one.
            seen.choices_finished &= !bit;
        }
        seen.called |= first && called;
        let raw = candidate.finish_reason.as_deref().unwrap_or_default();
        if let Some(end) = finish::decode(raw, seen.called) {
            was.content = true;
            if finish::is_final(raw) {
                seen.choices_finished |= bit;
            }
            if first {
                seen.finish = Some(end.reason);
                seen.raw_finish = Some(end.raw);
            }
        }
    }
    seen.web_searches = seen.web_searches.max(searches);
    // There is no terminator: an answer is complete at the end of input, if every candidate has its finish reason by then.
    seen.done = seen.choices_begun != 0 && seen.choices_begun & !seen.choices_finished == 0;
    if let Some(reason) = chunk.prompt_feedback.and_then(|feedback| stream::block_reason(feedback.get())) {
        was.content = true;
        seen.done = true;
        seen.finish = Some(FinishReason::ContentFilter);
        seen.raw_finish = Some(reason);
    }
    Ok(was)
}

/// Bytes that the model generated, whether there is content (results of Google's tools are), and whether a function is
/// called.
fn content_of(candidate: &Candidate<'_>) -> (u64, bool, bool) {
    let parts = candidate.content.as_ref().and_then(|content| content.parts.as_ref());
    let (mut bytes, mut content, mut called) = (0_usize, false, false);
    for part in parts.iter().flat_map(|parts| &parts.0) {
        let generated = part.text.map_or(0, |text| text_bytes(text.get()))
            + [part.function_call, part.executable_code].iter().flatten().map(|raw| raw.get().len()).sum::<usize>();
        bytes += generated;
        let others = [part.code_result, part.inline_data, part.tool_call, part.tool_response];
        content |= generated > 0 || others.iter().any(Option::is_some);
        called |= part.function_call.is_some();
    }
    (bytes as u64, content, called)
}

/// Length of a JSON text's content without reading it out: an escape is one byte, a `\u` escape one to three.
fn text_bytes(raw: &str) -> usize {
    let inner = raw.len().saturating_sub(2);
    let bytes = raw.as_bytes();
    let mut excess = 0;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', bytes.get(at..).unwrap_or_default()) {
        let unicode = bytes.get(at + found + 1) == Some(&b'u');
        let ascii = bytes.get(at + found + 2..at + found + 4) == Some(b"00");
        excess += match (unicode, ascii) {
            (true, true) => 5,
            (true, false) => 3,
            (false, _) => 1,
        };
        at += found + 2;
    }
    inner.saturating_sub(excess)
}
