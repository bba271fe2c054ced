//! What turns and answers consist of.

use serde_json::value::RawValue;

use crate::dialect::Dialect;

/// A piece of content.
#[derive(Debug, Clone)]
pub enum Part {
    /// Plain text.
    Text(String),
    /// A picture.
    Image(Media),
    /// Sound.
    Audio(Media),
    /// A document.
    File(Media),
    /// The model asks for a tool.
    ToolCall(ToolCall),
    /// The answer to a tool call.
    ToolResult(ToolResult),
    /// What the model thought.
    Reasoning(ReasoningPart),
    /// OpenAI's refusal text.
    Refusal(String),
    /// A block that only its own dialect has; refused elsewhere.
    Native {
        /// Whose block it is.
        dialect: Dialect,
        /// Its type, for reports.
        kind: String,
        /// Its JSON.
        raw: Box<RawValue>,
    },
}

/// Bytes of a picture, sound or document, or where they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// OpenAI's `detail`, if given.
    pub detail: Option<String>,
    /// File name, if given.
    pub name: Option<String>,
}

/// Where media bytes are.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaSource {
    /// Base64 text as received (not decoded) with its MIME type.
    Base64 {
        /// Such as `image/png`.
        mime: String,
        /// Base64 text.
        data: String,
    },
    /// An address that the provider fetches.
    Url {
        /// https URL.
        url: String,
        /// MIME type when the caller gave one.
        mime: Option<String>,
    },
    /// An id at one provider.
    FileId {
        /// The id.
        id: String,
        /// Whose id it is.
        dialect: Dialect,
    },
}

/// A tool call. Arguments stay text: they are never re-serialised.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolCall {
    /// Id as the caller or provider wrote it.
    pub id: String,
    /// Function name.
    pub name: String,
    /// JSON text of the arguments; `{}` when there are none.
    pub arguments: String,
    /// Gemini's thought signature, if one came with the call.
    pub signature: Option<String>,
}

/// The answer to a tool call.
#[derive(Debug, Clone)]
pub struct ToolResult {
    /// The call's id.
    pub call_id: String,
    /// Function name where the dialect gives it (Gemini); else found through the id.
    pub name: Option<String>,
    /// Text, images, files.
    pub parts: Vec<Part>,
    /// Anthropic's `is_error`.
    pub is_error: bool,
}

/// Thinking that was or is to be replayed.
#[derive(Debug, Clone, PartialEq)]
pub struct ReasoningPart {
    /// The visible text, may be empty.
    pub text: String,
    /// Signature or encrypted content, opaque.
    pub signature: Option<String>,
    /// True: the signature is Anthropic's `redacted_thinking` data.
    pub redacted: bool,
    /// Who can read the signature.
    pub origin: Dialect,
}
