//! Input items → turns. What the model did one after another (reasoning, texts, calls) is one assistant turn, and the
//! results of its calls are the turn after it: other dialects have no smaller pieces (`wire.md` §2.3).

use serde_json::value::RawValue;

use super::super::foreign;
use super::super::types::{list, read, Piece};
use super::content;
use crate::dialect::canonical::{
    CacheMark, ChatRequest, Media, MediaSource, Part, ReasoningPart, Role, SignedTurn, ToolCall, ToolResult, Turn,
};
use crate::dialect::openai_chat::request::reading::{extra, leftovers, read_object, Meaning};
use crate::dialect::Dialect;
use crate::dialect::{cache_marks, custom};
use crate::error::GatewayError;
use crate::json::scalar::{filled, string, word};
use crate::json::Members;

/// Reads `input` into the request's turns.
///
/// # Errors
/// The caller's, naming the field.
pub(super) fn decode(members: &Members<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let Some(input) = members.present("input") else { return Ok(()) };
    if let Some(text) = string(input) {
        request.turns.push(Turn { role: Role::User, parts: vec![Part::Text(text.into_owned())] });
        return Ok(());
    }
    let mut call_signature = None;
    for (at, raw) in list(Some(input)).into_iter().enumerate() {
        item(raw, &format!("input[{at}]"), &mut call_signature, request)?;
    }
    Ok(())
}

/// `call_signature`: Gemini's signature for the call that comes next, if the item before held one.
fn item(
    raw: &RawValue,
    path: &str,
    call_signature: &mut Option<String>,
    request: &mut ChatRequest,
) -> Result<(), GatewayError> {
    let item = read_object(path, raw)?;
    let kind = filled(item.present("type")).unwrap_or_else(|| "message".into());
    match kind.as_ref() {
        "message" => message(&item, path, request)?,
        "reasoning" => {
            let thought = reasoning(&item);
            *call_signature = thought.of_call.or(call_signature.take());
            if let Some(block) = thought.block {
                push(request, Role::Assistant, Part::Reasoning(block));
            }
            if let Some(by) = thought.by {
                signed(request, by);
            }
        }
        "function_call" => {
            let call = call(&item, path, call_signature.take())?;
            push(request, Role::Assistant, Part::ToolCall(call));
            // OpenAI's own helpers parse the arguments into a member of the item, which comes back with it.
            let known = ["type", "id", "call_id", "name", "arguments", "parsed_arguments", "status"];
            leftovers(&item, &known, path, request);
        }
        "custom_tool_call" => {
            let call = custom::Call {
                id: required(&item, path, "call_id")?,
                name: required(&item, path, "name")?,
                input: item.present("input").and_then(string).unwrap_or_default().into_owned(),
            };
            push(request, Role::Assistant, call.into_part());
            leftovers(&item, &["type", "id", "call_id", "name", "input", "status"], path, request);
        }
        "function_call_output" | "custom_tool_call_output" => {
            let result = ToolResult {
                call_id: required(&item, path, "call_id")?,
                name: filled(item.present("name")).map(Into::into),
                parts: content::decode(item.present("output"), &format!("{path}.output"), request)?,
                is_error: false,
            };
            push(request, Role::Tool, Part::ToolResult(result));
            leftovers(&item, &["type", "id", "call_id", "name", "output", "status"], path, request);
        }
        // What a client was given as a picture, it sends back.
        "image_generation_call" if filled(item.present("result")).is_some() => {
            let form = filled(item.present("output_format")).unwrap_or_else(|| "png".into());
            let data = filled(item.present("result")).unwrap_or_default().into_owned();
            let source = MediaSource::Base64 { mime: format!("image/{form}"), data };
            push(request, Role::Assistant, Part::Image(Media { source, detail: None, name: None }));
            let carried = ["type", "id", "status", "output_format", "result"];
            if item.iter().any(|(name, _)| !carried.contains(&name)) {
                extra(request, path, raw, Meaning::Advisory);
            }
        }
        // Hosted tools, compaction, references to what a provider keeps.
        other => {
            let native =
                Part::Native { dialect: Dialect::OpenAiResponses, kind: other.to_owned(), raw: raw.to_owned() };
            let role = if answers(other) { Role::User } else { Role::Assistant };
            push(request, role, native);
        }
    }
    Ok(())
}

/// Whether an item is the caller's and not the model's.
fn answers(kind: &str) -> bool {
    kind.ends_with("_output") || kind.ends_with("_response") || kind == "item_reference"
}

/// Notes whose signature the assistant turn carries that goes on, or begins with the call that comes next.
fn signed(request: &mut ChatRequest, by: String) {
    let open = request.turns.last().is_some_and(|turn| turn.role == Role::Assistant);
    let turn = if open { request.turns.len() - 1 } else { request.turns.len() };
    if !request.signed_turns.iter().any(|known| known.turn == turn && known.by == by) {
        request.signed_turns.push(SignedTurn { turn, by });
    }
}

/// Adds a part to the turn that is going on, where the same side goes on.
fn push(request: &mut ChatRequest, role: Role, part: Part) {
    match request.turns.last_mut() {
        Some(turn) if turn.role == role => turn.parts.push(part),
        _ => request.turns.push(Turn { role, parts: vec![part] }),
    }
}

fn required(item: &Members<'_>, path: &str, name: &str) -> Result<String, GatewayError> {
    word(item.present(name)).map(Into::into).ok_or_else(|| {
        let path = format!("{path}.{name}");
        GatewayError::invalid(&path, format!("`{path}` must be a string that is not empty"))
    })
}

fn message(item: &Members<'_>, path: &str, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let role = match filled(item.present("role")).as_deref() {
        Some("system" | "developer") => Role::System,
        Some("assistant") => Role::Assistant,
        _ => Role::User,
    };
    let parts = content::decode_noting(
        item.present("content"),
        &format!("{path}.content"),
        request,
        |request, since, at, part| {
            // What the caller says is a turn of its own, the next one.
            if role != Role::Assistant {
                let mark = cache_marks::take(&mut request.extras, since, part);
                let turn = request.turns.len();
                request.cache_marks.extend(mark.map(|extra| CacheMark { turn, part: at, extra }));
            }
        },
    )?;
    if let Some(phase) = item.present("phase") {
        // Which of its messages the model meant as an aside.
        extra(request, format!("{path}.phase"), phase, Meaning::Advisory);
    }
    leftovers(item, &["type", "role", "content", "id", "status", "phase"], path, request);
    match role {
        Role::Assistant => parts.into_iter().for_each(|part| push(request, role, part)),
        _ => request.turns.push(Turn { role, parts }),
    }
    Ok(())
}

fn call(item: &Members<'_>, path: &str, signature: Option<String>) -> Result<ToolCall, GatewayError> {
    let arguments = item.present("arguments").and_then(string).unwrap_or_default();
    let arguments = if arguments.trim_ascii().is_empty() { "{}".to_owned() } else { arguments.into_owned() };
    Ok(ToolCall { id: required(item, path, "call_id")?, name: required(item, path, "name")?, arguments, signature })
}

/// What a reasoning item says.
#[derive(Default)]
struct Thought {
    block: Option<ReasoningPart>,
    /// Gemini's signature of the call that follows.
    of_call: Option<String>,
    /// `provider/model` that thought it, where a seal says so.
    by: Option<String>,
}

fn reasoning(item: &Members<'_>) -> Thought {
    let content = filled(item.present("encrypted_content"));
    let text = text_of(item.present("content"), item.present("summary"));
    let Some(carried) = content.as_deref().and_then(foreign::open) else {
        let (signature, origin) = (content.map(Into::into), Dialect::OpenAiResponses);
        return Thought {
            block: Some(ReasoningPart { text, signature, redacted: false, origin }),
            ..Thought::default()
        };
    };
    let sealed = carried.blocks.into_iter().next().map(|block| block.part);
    Thought {
        // A damaged seal leaves the text, which is nobody's.
        block: sealed
            .or_else(|| {
                let origin = Dialect::OpenAiChat;
                let plain = ReasoningPart { text: String::new(), signature: None, redacted: false, origin };
                (!text.is_empty()).then_some(plain)
            })
            .map(|part| ReasoningPart { text, ..part }),
        of_call: carried.call,
        by: Some(carried.by).filter(|by| !by.is_empty()),
    }
}

/// The text of a reasoning item: what the model thought where the provider shows it, else its summary, whose paragraphs
/// are parts.
pub(in super::super) fn text_of(content: Option<&RawValue>, summary: Option<&RawValue>) -> String {
    let texts = |raw| -> Vec<String> {
        let pieces = list(raw).into_iter().filter_map(read::<Piece<'_>>);
        pieces.filter_map(|piece| filled(piece.text).map(Into::into)).collect()
    };
    let shown = texts(content);
    if shown.is_empty() {
        texts(summary).join("\n\n")
    } else {
        shown.concat()
    }
}
