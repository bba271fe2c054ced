//! Content parts: wire ↔ the hub's, for messages and for results of calls alike.

use serde_json::value::RawValue;

use super::super::types::list;
use crate::dialect::canonical::{ChatRequest, Media, MediaSource, Part, Role};
use crate::dialect::openai_chat::media;
use crate::dialect::openai_chat::request::reading::{leftovers, read_object};
use crate::dialect::openai_chat::write::Object;
use crate::dialect::{Dialect, ModelTraits};
use crate::error::GatewayError;
use crate::json::scalar::{filled, string};
use crate::json::Members;

/// How the kind of a content part that only this dialect has begins: unlike an item of its own, it stays in its message.
pub(super) const IN_MESSAGE: &str = "content part ";

/// Reads a string or a list of parts; an empty text counts only where nothing else is said.
///
/// # Errors
/// The caller's, naming the field.
pub(super) fn decode(raw: Option<&RawValue>, path: &str, request: &mut ChatRequest) -> Result<Vec<Part>, GatewayError> {
    decode_noting(raw, path, request, |_, _, _, _| {})
}

/// The same; `note` is told of each part: how many extras there were before it, and its place.
pub(super) fn decode_noting(
    raw: Option<&RawValue>,
    path: &str,
    request: &mut ChatRequest,
    note: impl Fn(&mut ChatRequest, usize, usize, &Part),
) -> Result<Vec<Part>, GatewayError> {
    if let Some(text) = raw.and_then(string) {
        return Ok(vec![Part::Text(text.into_owned())]);
    }
    let items = list(raw);
    let several = items.len() > 1;
    let mut parts = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let since = request.extras.len();
        let part = part(item, &format!("{path}[{at}]"), request)?;
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
    let kind = filled(read.present("type")).unwrap_or_default();
    let required = |member: &str| {
        let path = format!("{path}.{member}");
        GatewayError::invalid(&path, format!("`{path}` must be a string"))
    };
    let (part, known): (Part, &[&str]) = match kind.as_ref() {
        "input_text" | "output_text" | "text" => {
            let text = read.present("text").and_then(string).ok_or_else(|| required("text"))?;
            // `parsed` is what OpenAI's own helpers read from the text.
            (Part::Text(text.into_owned()), &["type", "text", "parsed"])
        }
        "refusal" => {
            let text = read.present("refusal").and_then(string).ok_or_else(|| required("refusal"))?;
            (Part::Refusal(text.into_owned()), &["type", "refusal"])
        }
        "input_image" => (Part::Image(image(&read, path)?), &["type", "image_url", "file_id", "detail"]),
        "input_file" => (Part::File(file(&read, path)?), &["type", "file_data", "file_id", "file_url", "filename"]),
        _ => {
            let kind = kind.into_owned();
            let kind = format!("{IN_MESSAGE}{kind}");
            return Ok(Part::Native { dialect: Dialect::OpenAiResponses, kind, raw: raw.to_owned() });
        }
    };
    leftovers(&read, known, path, request);
    Ok(part)
}

fn image(part: &Members<'_>, path: &str) -> Result<Media, GatewayError> {
    let detail = filled(part.present("detail"));
    if let Some(url) = filled(part.present("image_url")) {
        return Ok(media::picture(&url, detail.as_deref()));
    }
    let id = filled(part.present("file_id")).ok_or_else(|| missing(path, "`image_url` or `file_id`"))?;
    let source = MediaSource::FileId { id: id.into_owned(), dialect: Dialect::OpenAiResponses };
    Ok(Media { source, detail: detail.filter(|detail| detail != "auto").map(Into::into), name: None })
}

fn file(part: &Members<'_>, path: &str) -> Result<Media, GatewayError> {
    let name = filled(part.present("filename")).map(std::borrow::Cow::into_owned);
    let source = if let Some(data) = filled(part.present("file_data")) {
        match media::data_url(&data) {
            Some((mime, data)) => MediaSource::Base64 { mime: mime.to_owned(), data: data.to_owned() },
            None => {
                let mime = media::document_mime(name.as_deref()).to_owned();
                MediaSource::Base64 { mime, data: data.into_owned() }
            }
        }
    } else if let Some(url) = filled(part.present("file_url")) {
        MediaSource::Url { url: url.into_owned(), mime: None }
    } else {
        let id =
            filled(part.present("file_id")).ok_or_else(|| missing(path, "`file_data`, `file_url` or `file_id`"))?;
        MediaSource::FileId { id: id.into_owned(), dialect: Dialect::OpenAiResponses }
    };
    Ok(Media { source, detail: None, name })
}

fn missing(path: &str, what: &str) -> GatewayError {
    GatewayError::invalid(path, format!("`{path}` must have {what}"))
}

/// A part as JSON, or why there is none.
pub(super) type Written = Result<Vec<u8>, &'static str>;

/// Writes one part of a message or a result. Everything but texts and refusals is the caller's side's.
pub(super) fn encode(part: &Part, role: Role, traits: ModelTraits) -> Written {
    match part {
        Part::Text(text) => Ok(self::text(text, role)),
        Part::Refusal(text) if role == Role::Assistant => Ok(object(|out| {
            out.text("type", "refusal");
            out.text("refusal", text);
        })),
        Part::Native { dialect: Dialect::OpenAiResponses, raw, .. } => Ok(raw.get().as_bytes().to_vec()),
        Part::Image(_) | Part::Audio(_) | Part::File(_) if !matches!(role, Role::User | Role::Tool) => {
            Err("only a user's message or a tool's result can carry media in Responses")
        }
        Part::Image(_) if !traits.vision => Err("the model takes no pictures"),
        Part::Image(media) => write_image(media),
        Part::Audio(_) => Err("Responses takes no sound"),
        Part::File(_) if !traits.files => Err("the model takes no documents"),
        Part::File(media) => write_file(media),
        _ => Err("Responses has no such part"),
    }
}

/// A text part, which is named by who says it.
pub(super) fn text(text: &str, role: Role) -> Vec<u8> {
    object(|out| {
        out.text("type", if role == Role::Assistant { "output_text" } else { "input_text" });
        out.text("text", text);
    })
}

fn write_image(media: &Media) -> Written {
    if let MediaSource::FileId { dialect, .. } = &media.source {
        known_file(*dialect)?;
    }
    Ok(object(|out| {
        out.text("type", "input_image");
        match &media.source {
            MediaSource::Base64 { mime, data } => media::write_data_url(out.key("image_url"), mime, data),
            MediaSource::Url { url, .. } => out.text("image_url", url),
            MediaSource::FileId { id, .. } => out.text("file_id", id),
        }
        out.text("detail", media.detail.as_deref().unwrap_or("auto"));
    }))
}

fn write_file(media: &Media) -> Written {
    if let MediaSource::FileId { dialect, .. } = &media.source {
        known_file(*dialect)?;
    }
    Ok(object(|out| {
        out.text("type", "input_file");
        match &media.source {
            MediaSource::Base64 { mime, data } => {
                let ending = mime.rsplit('/').next().unwrap_or("pdf");
                out.text("filename", media.name.as_deref().unwrap_or(&format!("document.{ending}")));
                media::write_data_url(out.key("file_data"), mime, data);
            }
            MediaSource::Url { url, .. } => out.text("file_url", url),
            MediaSource::FileId { id, .. } => out.text("file_id", id),
        }
    }))
}

/// OpenAI's files are the same in both of its dialects.
fn known_file(dialect: Dialect) -> Result<(), &'static str> {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => Ok(()),
        _ => Err("a file's id is known only where the file was uploaded"),
    }
}

/// A JSON object.
pub(super) fn object(members: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut body = Vec::with_capacity(96);
    let mut out = Object::begin(&mut body);
    members(&mut out);
    out.end();
    body
}
