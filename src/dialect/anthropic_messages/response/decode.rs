//! A whole answer → canonical.

use serde_json::value::RawValue;

use super::super::error;
use super::super::types::{self, Block, Kind, Text, WireUsage};
use crate::dialect::canonical::{ChatResponse, Choice, Extra, Part, ReasoningPart, ToolCall, Usage};
use crate::dialect::openai_chat::response::minted_id;
use crate::dialect::{citation, fields, tier, Dialect, StreamFault};
use crate::json::Members;

/// Reads an answer. Blocks without a word in the hub (server tools, their results, compaction) and citations become
/// extras under their place, `content.2`.
///
/// # Errors
/// An error in a 200, or bytes that are no message.
pub fn decode(body: &[u8]) -> Result<ChatResponse, StreamFault> {
    let members = Members::read(body).map_err(|error| StreamFault::Malformed(error.to_string()))?;
    if let Some(raw) = members.present("error") {
        return Err(StreamFault::Provider(error::read(raw)));
    }
    let text = |name: &str| -> Result<Option<String>, StreamFault> {
        Ok(members.parse::<Text<'_>>(name).map_err(malformed)?.map(|t| t.0.into_owned()))
    };
    let Some(blocks) = members.parse::<Vec<&RawValue>>("content").map_err(malformed)? else {
        return Err(StreamFault::Malformed("an answer without content".to_owned()));
    };
    let id = text("id")?.unwrap_or_default();
    let mut extras = Vec::new();
    let mut parts: Vec<Part> = Vec::with_capacity(blocks.len());
    let (mut said, mut cited) = (0, Vec::new());
    for (index, raw) in blocks.into_iter().enumerate() {
        let calls = parts.iter().filter(|part| matches!(part, Part::ToolCall(_))).count();
        let part = block(raw, index, (&id, calls), &mut extras)?;
        if let Some(Part::Text(text)) = &part {
            let start = said;
            said += text.chars().count();
            let citations = Members::read(raw.get().as_bytes()).ok().and_then(|block| block.present("citations"));
            cited.extend(citations.map(|raw| citation::of_block(raw, start, said)).unwrap_or_default());
        }
        parts.extend(part);
    }
    extras.extend(citation::extra(0, &cited));
    let finish =
        text("stop_reason")?.map(|reason| types::finish(&reason, text("stop_sequence").ok().flatten().as_deref()));
    let mut usage = None;
    if let Some(raw) = members.present("usage") {
        let wire: WireUsage<'_> = crate::json::from_str(raw.get()).map_err(malformed)?;
        wire.merge_into(usage.insert(Usage::uncounted()));
        usage_extras(raw, &mut extras);
    }
    message_extras(&members, &mut extras);
    extras.retain(|extra| !extra.is_default);
    Ok(ChatResponse {
        id: Some(id).filter(|id| !id.is_empty()),
        model: text("model")?,
        created: None,
        choices: vec![Choice { index: 0, parts, finish }],
        usage,
        extras,
    })
}

/// `place`: the message's id and the calls before, for a call without an id.
fn block(
    raw: &RawValue,
    index: usize,
    place: (&str, usize),
    extras: &mut Vec<Extra>,
) -> Result<Option<Part>, StreamFault> {
    let kind: Kind<'_> = crate::json::from_str(raw.get()).map_err(malformed)?;
    let kind = kind.kind.unwrap_or_default();
    if !matches!(kind.as_str(), "text" | "thinking" | "redacted_thinking" | "tool_use") {
        extras.push(extra(format!("content.{index}"), raw, false));
        return Ok(None);
    }
    let block: Block<'_> = crate::json::from_str(raw.get()).map_err(malformed)?;
    block_extras(raw, index as u64, extras);
    let own = |text: Option<Text<'_>>| text.map(|t| t.0.into_owned());
    Ok(Some(match kind.as_str() {
        "text" => Part::Text(own(block.text).unwrap_or_default()),
        "tool_use" => Part::ToolCall(ToolCall {
            id: call_id(own(block.id).unwrap_or_default(), place.0, place.1),
            name: own(block.name).unwrap_or_default(),
            arguments: block.input.map_or("{}", RawValue::get).to_owned(),
            signature: None,
        }),
        "redacted_thinking" => Part::Reasoning(ReasoningPart {
            text: String::new(),
            signature: own(block.data),
            redacted: true,
            origin: Dialect::AnthropicMessages,
        }),
        _ => Part::Reasoning(ReasoningPart {
            text: own(block.thinking).unwrap_or_default(),
            signature: own(block.signature).filter(|s| !s.is_empty()),
            redacted: false,
            origin: Dialect::AnthropicMessages,
        }),
    }))
}

/// A call's id, or one by its place where servers that imitate Anthropic leave it out: results pair on it.
pub(in super::super) fn call_id(id: String, message: &str, calls: usize) -> String {
    match id.as_str() {
        "" => minted_id(0, u32::try_from(calls).unwrap_or(u32::MAX), &[message.as_bytes()]),
        _ => id,
    }
}

/// What a message says beyond its content and end: stop details, its container, diagnostics.
pub(in super::super) fn message_extras(members: &Members<'_>, extras: &mut Vec<Extra>) {
    const SAID: [&str; 9] =
        ["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "error"];
    for (name, raw) in members.iter().filter(|(name, _)| !SAID.contains(name)) {
        extras.push(extra(name.to_owned(), raw, false));
    }
}

/// What a known block says beyond its words: citations, who called a tool.
pub(in super::super) fn block_extras(raw: &RawValue, index: u64, extras: &mut Vec<Extra>) {
    const SAID: [&str; 8] = ["type", "text", "thinking", "signature", "data", "id", "name", "input"];
    let Ok(members) = Members::read(raw.get().as_bytes()) else { return };
    for (name, value) in members.iter().filter(|(name, _)| !SAID.contains(name)) {
        // Pages are told again in the hub's form.
        let told = name == "citations" && !citation::of_block(value, 0, 0).is_empty();
        extras.push(extra(format!("content.{index}.{name}"), value, told));
    }
}

/// What `usage` says beyond token counts: nothing that changes the answer.
pub(in super::super) fn usage_extras(raw: &RawValue, extras: &mut Vec<Extra>) {
    const COUNTED: [&str; 6] = [
        "input_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "cache_creation",
        "output_tokens",
        "output_tokens_details",
    ];
    let Ok(members) = Members::read(raw.get().as_bytes()) else { return };
    for (name, value) in members.iter().filter(|(name, _)| !COUNTED.contains(name)) {
        let told = extra(format!("usage.{name}"), value, true);
        extras.push(if name == tier::FIELD && !told.is_default { tier::in_hubs_words(told) } else { told });
    }
}

/// A member of an answer without a place in the hub; `advisory` if it is no part of what is said, wherever it stands.
pub(in super::super) fn extra(field: String, raw: &RawValue, advisory: bool) -> Extra {
    // Requests for tools that the server ran: nothing ran.
    let idle = field == "usage.server_tool_use" && !raw.get().contains(['1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let extra = fields::answer_extra(Dialect::AnthropicMessages, field, raw.to_owned());
    let is_default = idle || extra.is_default || matches!(raw.get(), "[]" | "{}");
    Extra { is_default, advisory: advisory || extra.advisory, ..extra }
}

fn malformed(error: serde_json::Error) -> StreamFault {
    StreamFault::Malformed(error.to_string())
}
