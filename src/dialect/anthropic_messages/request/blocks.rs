//! Content blocks of a request → parts.

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use serde_json::value::RawValue;

use super::super::foreign::{self, Opened};
use super::super::path::Path;
use super::fields::{extra, Fields};
use crate::dialect::canonical::{Extra, Media, MediaSource, Part, ReasoningPart, ToolCall, ToolResult};
use crate::dialect::Dialect;
use crate::error::GatewayError;

/// Reads the blocks of one message.
struct BlockReader<'e> {
    extras: &'e mut Vec<Extra>,
    /// Whether these blocks are the content of a tool result, which holds neither calls nor results.
    in_result: bool,
    /// Gemini's signature for the call that follows (see [`foreign`]).
    call_signature: Option<String>,
}

/// `content`: a string, or blocks.
pub(super) fn content(raw: &RawValue, path: &Path<'_>, extras: &mut Vec<Extra>) -> Result<Vec<Part>, GatewayError> {
    read(raw, path, extras, false)
}

fn read(raw: &RawValue, path: &Path<'_>, extras: &mut Vec<Extra>, in_result: bool) -> Result<Vec<Part>, GatewayError> {
    if raw.get().starts_with('"') {
        let text = serde_json::from_str(raw.get()).map_err(|_| path.invalid("Input should be a valid string"))?;
        return Ok(vec![Part::Text(text)]);
    }
    let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
        return Err(path.invalid("Input should be a valid string or a list of content blocks"));
    };
    let mut reader = BlockReader { extras, in_result, call_signature: None };
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, block) in blocks.into_iter().enumerate() {
        parts.extend(reader.block(block, &path.item(index))?);
    }
    Ok(parts)
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
        // Where a text of the history came from changes nothing of what it says.
        fields.leave(&["type", "text"], &["cache_control", "citations"], self.extras);
        Ok(Part::Text(fields.required_text("text")?))
    }

    fn image(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "source", "transformations"], &["cache_control"], self.extras);
        let detail = match fields.members.present("transformations") {
            Some(raw) => self.oversized(raw, &fields.path.field("transformations"))?,
            None => None,
        };
        let place = fields.path.field("source");
        let source = Fields::of(fields.required("source", "an object")?, place)?;
        let kind = source.required_text("type")?;
        let source = match media_source(&source, &kind)? {
            Some(source) => source,
            None => return Err(place.field("type").invalid(format!("unknown source type {kind:?}"))),
        };
        Ok(Part::Image(Media { source, detail, name: None }))
    }

    /// `error` for pictures that are too large is what OpenAI's `detail: original` asks for; `downsize` is the default.
    fn oversized(&mut self, raw: &RawValue, path: &Path<'_>) -> Result<Option<String>, GatewayError> {
        let fields = Fields::of(raw, *path)?;
        fields.leave(&["oversized_image"], &[], self.extras);
        Ok(fields.text("oversized_image")?.filter(|word| word == "error").map(|_| "original".to_owned()))
    }

    fn document(&mut self, raw: &RawValue, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        let place = fields.path.field("source");
        let source = Fields::of(fields.required("source", "an object")?, place)?;
        let kind = source.required_text("type")?;
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
                None => return Ok(native(raw, "document".to_owned())),
            },
        };
        fields.leave(&["type", "source", "title", "citations"], &["cache_control"], self.extras);
        self.citations(fields)?;
        Ok(Part::File(Media { source, detail: None, name: fields.text("title")? }))
    }

    /// Citations that are switched on have a shape that no other dialect can produce.
    fn citations(&mut self, fields: &Fields<'_, '_>) -> Result<(), GatewayError> {
        let Some(raw) = fields.members.present("citations") else { return Ok(()) };
        let path = fields.path.field("citations");
        let enabled: Option<bool> = Fields::of(raw, path)?.optional("enabled", "a valid boolean")?;
        self.extras.push(Extra { is_default: enabled != Some(true), ..extra(&path, raw, false) });
        Ok(())
    }

    fn tool_use(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "id", "name", "input", "caller"], &["cache_control"], self.extras);
        if let Some(raw) = fields.members.present("caller") {
            let path = fields.path.field("caller");
            let direct = Fields::of(raw, path)?.text("type")?.is_some_and(|kind| kind == "direct");
            self.extras.push(Extra { is_default: direct, ..extra(&path, raw, false) });
        }
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
        fields.leave(&["type", "tool_use_id", "content", "is_error"], &["cache_control"], self.extras);
        let parts = match fields.members.present("content") {
            Some(raw) => read(raw, &fields.path.field("content"), self.extras, true)?,
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
        fields.leave(&["type", "thinking", "signature"], &["cache_control"], self.extras);
        let text = fields.required_text("thinking")?;
        let signature = fields.text("signature")?.filter(|signature| !signature.is_empty());
        let (origin, signature) = match signature.as_deref().and_then(foreign::open) {
            Some(Opened::Call(signature)) => {
                self.call_signature = Some(signature.to_owned());
                return Ok(None);
            }
            Some(Opened::Thinking(origin, signature)) => (origin, signature.map(str::to_owned)),
            None => (Dialect::AnthropicMessages, signature),
        };
        Ok(Some(Part::Reasoning(ReasoningPart { text, signature, redacted: false, origin })))
    }

    fn redacted(&mut self, fields: &Fields<'_, '_>) -> Result<Part, GatewayError> {
        fields.leave(&["type", "data"], &["cache_control"], self.extras);
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
