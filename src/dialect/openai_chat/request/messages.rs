//! Messages → turns, one turn each, so that a turn's position is its message's.

use serde_json::value::RawValue;

use super::super::media;
use super::super::response::{arguments_text, call_signature, minted_id, pictures};
use super::super::types::WireToolCall;
use super::decode::{extra, leftovers, object, read_object, Meaning};
use super::replayed::{self, Called};
use crate::dialect::canonical::{
    CacheMark, ChatRequest, Media, MediaSource, Part, ReasoningPart, Role, SignedTurn, ToolCall, ToolResult, Turn,
};
use crate::dialect::carried::{open_id, Opened};
use crate::dialect::{cache_marks, custom, Dialect};
use crate::error::GatewayError;
use crate::json::scalar::{filled, string, word};
use crate::json::Members;

/// Reads `messages` into the request's turns.
///
/// # Errors
/// The caller's, naming the field.
pub(super) fn decode(members: &Members<'_>, request: &mut ChatRequest) -> Result<(), GatewayError> {
    let messages: Vec<&RawValue> = members.parse("messages").ok().flatten().unwrap_or_default();
    let mut names: Vec<(Role, String, &RawValue)> = Vec::new();
    // Ids minted for legacy function calls, by function name, for the results that follow.
    let mut legacy: Vec<(String, String)> = Vec::new();
    for (at, raw) in messages.into_iter().enumerate() {
        let path = format!("messages[{at}]");
        let message = read_object(&path, raw)?;
        let role = message.present("role").and_then(string).unwrap_or_default();
        let mut known = vec!["role", "content", "name"];
        let mut made_by = None;
        let turn = match role.as_ref() {
            "system" | "developer" => Turn { role: Role::System, parts: marked(&message, &path, request)? },
            "user" => Turn { role: Role::User, parts: marked(&message, &path, request)? },
            "assistant" => {
                known.extend([
                    "tool_calls",
                    "function_call",
                    "refusal",
                    "audio",
                    "reasoning_content",
                    "reasoning",
                    "reasoning_details",
                    "signalbox",
                ]);
                assistant(&message, at, &path, request, &mut legacy, &mut made_by)?
            }
            "function" => function_result(&message, &path, request, &legacy)?,
            _ => {
                known.push("tool_call_id");
                tool_result(&message, &path, request)?
            }
        };
        if let (Some(name), false) = (message.present("name"), turn.role == Role::Tool) {
            names.push((turn.role, format!("{path}.name"), name));
        }
        let images: Vec<&RawValue> = message.parse("images").ok().flatten().unwrap_or_default();
        if role == "assistant" && pictures(message.present("images")).len() == images.len() {
            known.push("images");
        }
        leftovers(&message, &known, &path, request);
        if let Some(by) = made_by {
            request.signed_turns.push(SignedTurn { turn: at, by });
        }
        request.turns.push(turn);
    }
    for (role, field, name) in &names {
        // A name tells speakers of one role apart; where all have the same it tells nothing.
        let speakers = request.turns.iter().filter(|turn| turn.role == *role).count();
        let same = names.iter().filter(|(other, _, text)| other == role && text.get() == name.get()).count();
        let meaning = if same == speakers { Meaning::Advisory } else { Meaning::Semantic };
        extra(request, field.clone(), name, meaning);
    }
    Ok(())
}

/// The parts of a message's content; an empty text counts only where nothing else is said.
fn content(message: &Members<'_>, path: &str, request: &mut ChatRequest) -> Result<Vec<Part>, GatewayError> {
    read_content(message, path, request, |_, _, _, _| {})
}

/// The same for the next turn, with its cache marks.
fn marked(message: &Members<'_>, path: &str, request: &mut ChatRequest) -> Result<Vec<Part>, GatewayError> {
    read_content(message, path, request, |request, since, at, part| {
        let mark = cache_marks::take(&mut request.extras, since, part);
        let turn = request.turns.len();
        request.cache_marks.extend(mark.map(|extra| CacheMark { turn, part: at, extra }));
    })
}

/// `note` is told of each part: how many extras there were before it, and its place.
fn read_content(
    message: &Members<'_>,
    path: &str,
    request: &mut ChatRequest,
    note: impl Fn(&mut ChatRequest, usize, usize, &Part),
) -> Result<Vec<Part>, GatewayError> {
    let Some(raw) = message.present("content") else { return Ok(Vec::new()) };
    if let Some(text) = string(raw) {
        return Ok(vec![Part::Text(text.into_owned())]);
    }
    let items: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
    let several = items.len() > 1;
    let mut parts = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let since = request.extras.len();
        let part = part(item, &format!("{path}.content[{at}]"), request)?;
        if several && matches!(&part, Part::Text(text) if text.is_empty()) {
            continue;
        }
        note(request, since, parts.len(), &part);
        parts.push(part);
    }
    Ok(parts)
}

fn part(raw: &RawValue, path: &str, request: &mut ChatRequest) -> Result<Part, GatewayError> {
    let read = read_object(path, raw)?;
    let kind = read.present("type").and_then(string).unwrap_or_default();
    let required = |member: &str| {
        let path = format!("{path}.{member}");
        GatewayError::invalid(&path, format!("`{path}` must be a string"))
    };
    let (part, own) = match kind.as_ref() {
        "text" => {
            let text = read.present("text").and_then(string).ok_or_else(|| required("text"))?;
            (Part::Text(text.into_owned()), "text")
        }
        "refusal" => {
            let text = read.present("refusal").and_then(string).ok_or_else(|| required("refusal"))?;
            (Part::Refusal(text.into_owned()), "refusal")
        }
        "image_url" => {
            let place = read.present("image_url").ok_or_else(|| required("image_url.url"))?;
            let image = object(place);
            let url = image.as_ref().map_or(Some(place), |image| image.present("url"));
            let url = filled(url).ok_or_else(|| required("image_url.url"))?;
            let detail = image.as_ref().and_then(|image| image.present("detail"));
            let detail = detail.map(|raw| string(raw).ok_or_else(|| required("image_url.detail"))).transpose()?;
            if let Some(image) = &image {
                leftovers(image, &["url", "detail"], &format!("{path}.image_url"), request);
            }
            (Part::Image(media::picture(&url, detail.as_deref().filter(|detail| !detail.is_empty()))), "image_url")
        }
        "input_audio" => match read.present("input_audio").and_then(object) {
            Some(sound) => {
                let data = filled(sound.present("data")).ok_or_else(|| required("input_audio.data"))?;
                let format = filled(sound.present("format")).ok_or_else(|| required("input_audio.format"))?;
                leftovers(&sound, &["data", "format"], &format!("{path}.input_audio"), request);
                let mime = format!("audio/{format}");
                let source = MediaSource::Base64 { mime, data: data.into_owned() };
                (Part::Audio(Media { source, detail: None, name: None }), "input_audio")
            }
            // Mistral's plain string does not say what it is.
            None => (native(&kind, raw), "input_audio"),
        },
        "file" => (file(&read, path, request)?, "file"),
        "thinking" => (thinking(&read).unwrap_or_else(|| native(&kind, raw)), "thinking"),
        _ => return Ok(native(&kind, raw)),
    };
    if matches!(part, Part::Native { .. }) {
        return Ok(part);
    }
    let siblings = ["type", own, "text", "image_url", "signature", "closed"];
    leftovers(&read, if own == "thinking" { &siblings } else { siblings.get(..2).unwrap_or_default() }, path, request);
    Ok(part)
}

fn native(kind: &str, raw: &RawValue) -> Part {
    Part::Native { dialect: Dialect::OpenAiChat, kind: kind.to_owned(), raw: raw.to_owned() }
}

fn file(part: &Members<'_>, path: &str, request: &mut ChatRequest) -> Result<Part, GatewayError> {
    let file = part.present("file").and_then(object);
    if let Some(file) = &file {
        leftovers(file, &["file_data", "file_id", "filename"], &format!("{path}.file"), request);
    }
    let member = |name: &str| file.as_ref().and_then(|file| filled(file.present(name)));
    let name = member("filename").map(std::borrow::Cow::into_owned);
    let source = if let Some(id) = member("file_id") {
        MediaSource::FileId { id: id.into_owned(), dialect: Dialect::OpenAiChat }
    } else if let Some(data) = member("file_data") {
        if let Some((mime, data)) = media::data_url(&data) {
            MediaSource::Base64 { mime: mime.to_owned(), data: data.to_owned() }
        } else if data.starts_with("https://") || data.starts_with("http://") {
            MediaSource::Url { url: data.into_owned(), mime: None }
        } else {
            MediaSource::Base64 { mime: media::document_mime(name.as_deref()).to_owned(), data: data.into_owned() }
        }
    } else {
        let path = format!("{path}.file");
        return Err(GatewayError::invalid(&path, format!("`{path}` must have `file_data` or `file_id`")));
    };
    Ok(Part::File(Media { source, detail: None, name }))
}

/// Mistral's thinking chunk in a replayed turn.
fn thinking(part: &Members<'_>) -> Option<Part> {
    let raw = part.present("thinking")?;
    let pieces: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
    let texts = pieces.into_iter().filter_map(object).filter_map(|p| filled(p.present("text")).map(String::from));
    let text = string(raw).map_or_else(|| texts.collect(), Into::into);
    let signature = filled(part.present("signature")).map(Into::into);
    Some(Part::Reasoning(ReasoningPart { text, signature, redacted: false, origin: Dialect::OpenAiChat }))
}

fn assistant(
    message: &Members<'_>,
    at: usize,
    path: &str,
    request: &mut ChatRequest,
    legacy: &mut Vec<(String, String)>,
    made_by: &mut Option<String>,
) -> Result<Turn, GatewayError> {
    let raw_calls: Vec<&RawValue> = message.parse("tool_calls").ok().flatten().unwrap_or_default();
    let mut calls = Vec::with_capacity(raw_calls.len());
    for (nth, raw) in raw_calls.into_iter().enumerate() {
        calls.push(call(raw, &format!("{path}.tool_calls[{nth}]"), request)?);
    }
    *made_by = calls.iter().map(|call| &call.by).find(|by| !by.is_empty()).cloned();
    let mut said = content(message, path, request)?;
    let refusal = filled(message.present("refusal"));
    let function = message.present("function_call").and_then(object);
    let mut parts = replayed::beside(message, &calls);
    // What a client was given as a picture, it sends back.
    let pictures = pictures(message.present("images"));
    let says_more =
        refusal.is_some() || !pictures.is_empty() || !calls.is_empty() || function.is_some() || !parts.is_empty();
    said.retain(|part| !(says_more && matches!(part, Part::Text(text) if text.is_empty())));
    let (said, calls) = replayed::in_place(said, calls);
    parts.extend(said);
    parts.extend(refusal.map(|text| Part::Refusal(text.into_owned())));
    parts.extend(pictures.into_iter().map(Part::Image));
    if let Some(audio) = message.present("audio") {
        parts.push(native("audio", audio));
    }
    parts.extend(calls);
    if let Some(function) = function {
        leftovers(&function, &["name", "arguments"], &format!("{path}.function_call"), request);
        let name = filled(function.present("name")).unwrap_or_default().into_owned();
        let arguments = function.present("arguments").map(arguments_text).unwrap_or_default();
        let id = minted_id(0, u32::try_from(at).unwrap_or(u32::MAX), &[name.as_bytes(), arguments.as_bytes()]);
        legacy.push((name.clone(), id.clone()));
        parts.push(Part::ToolCall(ToolCall { id, name, arguments: or_empty(&arguments), signature: None }));
    }
    Ok(Turn { role: Role::Assistant, parts })
}

fn or_empty(arguments: &str) -> String {
    if arguments.trim_ascii().is_empty() {
        "{}".to_owned()
    } else {
        arguments.to_owned()
    }
}

/// A call, and the signed reasoning behind its id (see [`crate::dialect::carried`]).
fn call(raw: &RawValue, path: &str, request: &mut ChatRequest) -> Result<Called, GatewayError> {
    let wrong = |member: &str| {
        let path = format!("{path}{member}");
        GatewayError::invalid(
            &path,
            format!("`{path}` must be {}", if member.is_empty() { "an object" } else { "a string that is not empty" }),
        )
    };
    let call: WireToolCall<'_> = crate::json::from_str(raw.get()).map_err(|_| wrong(""))?;
    // The index comes from a stream, with a message that a client sends back.
    let known = ["id", "type", "function", "custom", "extra_content", "signalbox", "index"];
    let members = read_object(path, raw)?;
    leftovers(&members, &known, path, request);
    if let Some(function) = members.present("function").and_then(object) {
        leftovers(&function, &["name", "arguments"], &format!("{path}.function"), request);
    }
    let id = word(call.id).ok_or_else(|| wrong(".id"))?;
    let Opened { id: own, carried } = open_id(&id);
    if let (None, true, Some(raw)) = (&carried, own.len() < id.len(), call.id) {
        // A client has cut it. The reasoning is gone; without the call's answer to pair with, so would be the loop.
        extra(request, format!("{path}.id"), raw, Meaning::Advisory);
    }
    let carried = carried.unwrap_or_default();
    if let Some(custom) = call.custom {
        let custom_path = format!("{path}.custom");
        let members = read_object(&custom_path, custom)?;
        leftovers(&members, &["name", "input"], &custom_path, request);
        let part = custom::Call { id: own.to_owned(), ..custom::Call::of_custom(&members) }.into_part();
        return Ok(Called { part, blocks: carried.blocks, by: carried.by });
    }
    let name = call.function.as_ref().and_then(|function| filled(function.name));
    let name = name.ok_or_else(|| wrong(".function.name"))?;
    let arguments = call.function.as_ref().and_then(|f| f.arguments).map(arguments_text).unwrap_or_default();
    let part = Part::ToolCall(ToolCall {
        id: own.to_owned(),
        name: name.into_owned(),
        arguments: or_empty(&arguments),
        signature: call_signature(&call).or(carried.call),
    });
    Ok(Called { part, blocks: carried.blocks, by: carried.by })
}

fn tool_result(message: &Members<'_>, path: &str, request: &mut ChatRequest) -> Result<Turn, GatewayError> {
    let call_id = word(message.present("tool_call_id")).ok_or_else(|| {
        let path = format!("{path}.tool_call_id");
        GatewayError::invalid(&path, format!("`{path}` is required: the id of the call that this answers"))
    })?;
    let name = filled(message.present("name")).map(Into::into);
    let call_id = open_id(&call_id).id.to_owned();
    let result = ToolResult { call_id, name, parts: content(message, path, request)?, is_error: false };
    Ok(Turn { role: Role::Tool, parts: vec![Part::ToolResult(result)] })
}

/// The legacy result names the function; it answers that function's latest call.
fn function_result(
    message: &Members<'_>,
    path: &str,
    request: &mut ChatRequest,
    legacy: &[(String, String)],
) -> Result<Turn, GatewayError> {
    let required = || {
        let path = format!("{path}.name");
        GatewayError::invalid(&path, format!("`{path}` must name a function that was called before"))
    };
    let name = filled(message.present("name")).ok_or_else(required)?;
    let (_, id) = legacy.iter().rfind(|(called, _)| *called == name).ok_or_else(required)?;
    let result = ToolResult {
        call_id: id.clone(),
        name: Some(name.into_owned()),
        parts: content(message, path, request)?,
        is_error: false,
    };
    Ok(Turn { role: Role::Tool, parts: vec![Part::ToolResult(result)] })
}
