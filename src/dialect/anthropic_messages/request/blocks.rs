//! Content blocks of a request → parts.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::value::RawValue;

use super::super::foreign;
use super::super::path::Path;
use super::fields::{hint, Fields};
use crate::dialect::canonical::{Extra, Media, MediaSource, Part, ReasoningPart, ToolCall, ToolResult};
use crate::dialect::{cache_marks, Dialect};
use crate::error::GatewayError;

/// Members of a picture's or document's source.
const SOURCE: [&str; 5] = ["type", "media_type", "data", "url", "file_id"];

/// Reads the blocks of one message.
struct BlockReader<'e> {
    extras: &'e mut Vec<Extra>,
    /// Whether these blocks are the content of a tool result, which holds neither calls nor results.
    in_result: bool,
    /// Gemini's signature for the call that follows (see [`foreign`]).
    call_signature: Option<String>,
    /// `provider/model` whose thinking was read, as far as a seal says so.
    made_by: Option<String>,
}

/// What a content holds.
pub(super) struct Content {
    pub(super) parts: Vec<Part>,
    /// `provider/model` whose thinking stands in it, as far as a seal says so.
    pub(super) made_by: Option<String>,
    /// Cache marks by the part that they are on.
    pub(super) marks: Vec<(usize, Extra)>,
}

/// `content`: a string, or blocks.
pub(super) fn content(raw: &RawValue, path: &Path<'_>, extras: &mut Vec<Extra>) -> Result<Content, GatewayError> {
    read(raw, path, extras, false)
}

fn read(raw: &RawValue, path: &Path<'_>, extras: &mut Vec<Extra>, in_result: bool) -> Result<Content, GatewayError> {
    if raw.get().starts_with('"') {
        let text = crate::json::from_str(raw.get()).map_err(|_| path.invalid("Input should be a valid string"))?;
        return Ok(Content { parts: vec![Part::Text(text)], made_by: None, marks: Vec::new() });
    }
    let Ok(blocks) = crate::json::from_str::<Vec<&RawValue>>(raw.get()) else {
        return Err(path.invalid("Input should be a valid string or a list of content blocks"));
    };
    let mut reader = BlockReader { extras, in_result, call_signature: None, made_by: None };
    let mut parts = Vec::with_capacity(blocks.len());
    let mut marks = Vec::new();
    for (index, block) in blocks.into_iter().enumerate() {
        let since = reader.extras.len();
        let Some(part) = reader.block(block, &path.item(index))? else { continue };
        let mark = if in_result { None } else { cache_marks::take(reader.extras, since, &part) };
        marks.extend(mark.map(|mark| (parts.len(), mark)));
        parts.push(part);
    }
    Ok(Content { parts, made_by: reader.made_by, marks })
}

impl BlockReader<'_> {
    fn block(&mut self, raw: &RawValue, path: &Path<'_>) -> Result<Option<Part>, GatewayError> {
        let fields = Fields::of(raw, *path)?;
        let kind = fields.required_text("type")?;
        Ok(Some(match kind.as_str() {
            "text" => self.text(&fields)?,
            "image" => self.image(&fields)?,
            "document" => self.document(raw, &fields)?,
            "tool_use" | "tool_result" if self.in_result => {
                return Err(path.field("type").invalid(format!("{kind:?} cannot stand in a tool result")));
            }
            "tool_use" => self.tool_use(&fields)?,
            "tool_result" => self.tool_result(&fields)?,
            "thinking" => return self.thinking(&fields),
            "redacted_thinking" => self.redacted(&fields)?,
            _ => native(raw, kind),
        }))
    }

    fn text(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "text"], self.extras);
        Ok(Part::Text(fields.required_text("text")?))
    }

    fn image(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "source", "transformations"], self.extras);
        let detail = match fields.members.present("transformations") {
            Some(raw) => self.oversized(raw, &fields.path.field("transformations"))?,
            None => None,
        };
        let place = fields.path.field("source");
        let source = Fields::of(fields.required("source", "an object")?, place)?;
        let kind = source.required_text("type")?;
        source.leave(&SOURCE, self.extras);
        let source = match media_source(&source, &kind)? {
            Some(source) => source,
            None => return Err(place.field("type").invalid(format!("unknown source type {kind:?}"))),
        };
        Ok(Part::Image(Media { source, detail, name: None }))
    }

    /// `error` for pictures that are too large is what OpenAI's `detail: original` asks for; `downsize` is the default.
    fn oversized(&mut self, raw: &RawValue, path: &Path<'_>) -> Result<Option<String>, GatewayError> {
        let fields = Fields::of(raw, *path)?;
        fields.leave(&["oversized_image"], self.extras);
        Ok(fields.text("oversized_image")?.filter(|word| word == "error").map(|_| "original".to_owned()))
    }

    fn document(&mut self, raw: &RawValue, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        let place = fields.path.field("source");
        let source = Fields::of(fields.required("source", "an object")?, place)?;
        let kind = source.required_text("type")?;
        let found = self.extras.len();
        source.leave(&SOURCE, self.extras);
        let source = match kind.as_str() {
            "text" => {
                let data = STANDARD.encode(source.required_text("data")?);
                MediaSource::Base64 { mime: "text/plain".to_owned(), data }
            }
            "url" => {
                let mime = Some("application/pdf".to_owned());
                MediaSource::Url { url: source.required_text("url")?, mime }
            }
            _ => match media_source(&source, &kind)? {
                Some(source) => source,
                None => {
                    // The block is kept whole.
                    self.extras.truncate(found);
                    return Ok(native(raw, "document".to_owned()));
                }
            },
        };
        fields.leave(&["type", "source", "title", "citations"], self.extras);
        self.citations(fields)?;
        Ok(Part::File(Media { source, detail: None, name: fields.text("title")? }))
    }

    /// Citations that are switched on have a shape that no other dialect can produce.
    fn citations(&mut self, fields: &Fields<'_, '_>) -> Result<(), GatewayError> {
        let Some(raw) = fields.members.present("citations") else { return Ok(()) };
        let citations = Fields::of(raw, fields.path.field("citations"))?;
        citations.optional::<bool>("enabled", "a valid boolean")?;
        citations.leave(&[], self.extras);
        Ok(())
    }

    fn tool_use(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "id", "name", "input"], self.extras);
        let input: Option<&RawValue> = fields.optional("input", "an object")?;
        if input.is_some_and(|input| !input.get().starts_with('{')) {
            return Err(fields.path.field("input").invalid("Input should be an object"));
        }
        Ok(Part::ToolCall(ToolCall {
            id: fields.required_text("id")?,
            name: fields.required_text("name")?,
            arguments: input.map_or("{}", RawValue::get).to_owned(),
            signature: self.call_signature.take(),
        }))
    }

    fn tool_result(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "tool_use_id", "content", "is_error"], self.extras);
        let parts = match fields.members.present("content") {
            Some(raw) => read(raw, &fields.path.field("content"), self.extras, true)?.parts,
            None => Vec::new(),
        };
        Ok(Part::ToolResult(ToolResult {
            call_id: fields.required_text("tool_use_id")?,
            name: None,
            parts,
            is_error: fields.optional("is_error", "a valid boolean")?.unwrap_or(false),
        }))
    }

    fn thinking(&mut self, fields: &Fields<'_, '_>) -> Result<Option<Part>, GatewayError> {
        fields.leave(&["type", "thinking", "signature"], self.extras);
        let text = fields.required_text("thinking")?;
        let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
        let Some(carried) = signature.as_deref().and_then(foreign::open) else {
            let origin = Dialect::AnthropicMessages;
            return Ok(Some(Part::Reasoning(ReasoningPart { text, signature, redacted: false, origin })));
        };
        if carried.is_empty() {
            // A client has damaged it: whose thinking it was is not known.
            if let Some(raw) = fields.members.raw("signature") {
                self.extras.push(hint(&fields.path.field("signature"), raw));
            }
        }
        self.call_signature = carried.call.or(self.call_signature.take());
        self.made_by = Some(carried.by).filter(|by| !by.is_empty()).or(self.made_by.take());
        let block = carried.blocks.into_iter().next();
        Ok(block.map(|block| Part::Reasoning(ReasoningPart { text, ..block.part })))
    }

    fn redacted(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "data"], self.extras);
        Ok(Part::Reasoning(ReasoningPart {
            text: String::new(),
            signature: Some(fields.required_text("data")?),
            redacted: true,
            origin: Dialect::AnthropicMessages,
        }))
    }
}

/// The sources that pictures and documents share; `None` for the others.
fn media_source(source: &Fields<'_, '_>, kind: &str) -> Result<Option<MediaSource>, GatewayError> {
    Ok(Some(match kind {
        "base64" => {
            MediaSource::Base64 { mime: source.required_text("media_type")?, data: source.required_text("data")? }
        }
        "url" => MediaSource::Url { url: source.required_text("url")?, mime: None },
        "file" => MediaSource::FileId { id: source.required_text("file_id")?, dialect: Dialect::AnthropicMessages },
        _ => return Ok(None),
    }))
}

fn native(raw: &RawValue, kind: String) -> Part {
    Part::Native { dialect: Dialect::AnthropicMessages, kind, raw: raw.to_owned() }
}
