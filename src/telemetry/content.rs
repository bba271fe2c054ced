//! What was said, for collectors that ask for it: the messages of the conventions (`gen_ai.input.messages`,
//! `.output.messages`, `.system_instructions`, `.tool.definitions`), masked before they come here. Shapes: the JSON schemas of
//! OpenTelemetry's GenAI conventions (`docs/gen-ai/gen-ai-{input-messages,output-messages,system-instructions,tool-definitions}.json`,
//! the same in 1.41 and in the newest). Bytes of pictures, sounds and documents are never among them.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Instructions that were given beside the conversation: one message or none.
    pub system: Vec<Message>,
    /// The conversation as the caller sent it, its newest end where all of it was too long.
    pub input: Vec<Message>,
    /// What the caller got, a message a choice.
    pub output: Vec<Message>,
    /// Functions that were declared.
    pub tools: Vec<Definition>,
    /// Texts that were to end the answer.
    pub stop: Vec<String>,
    /// Something was longer than what is told of it.
    pub cut: bool,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`.
    pub role: &'static str,
    /// In order.
    pub parts: Vec<Part>,
    /// Why an answer ended; its messages always have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<&'static str>,
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Part {
    /// Visible text.
    Text {
        /// It.
        content: String,
    },
    /// What the model thought, without signatures.
    Reasoning {
        /// It.
        content: String,
    },
    /// Why it would not answer.
    Refusal {
        /// It.
        content: String,
    },
    /// The model asks for a tool.
    ToolCall {
        /// The call's id.
        id: String,
        /// The function's name.
        name: String,
        /// JSON text; a text where it is none.
        #[serde(serialize_with = "as_json")]
        arguments: String,
    },
    /// What came of a call.
    ToolCallResponse {
        /// The call's id.
        id: String,
        /// Its texts; what is none stands as its modality in brackets.
        response: String,
    },
    /// Bytes that stood in the request.
    Blob {
        /// `image`, `audio`, `document`.
        modality: &'static str,
        /// Such as `image/png`.
        mime_type: String,
        /// Empty: the schema wants the member, and the bytes are not told.
        content: &'static str,
    },
    /// Bytes that stand elsewhere.
    Uri {
        /// As above.
        modality: &'static str,
        /// Without a query, in which keys may stand.
        uri: String,
    },
    /// Bytes that a provider has.
    File {
        /// As above.
        modality: &'static str,
        /// Their id there.
        file_id: String,
    },
    /// A block that only one dialect has: named and not shown.
    Native {
        /// Its type there.
        kind: String,
    },
}

/// A function's declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename = "function")]
pub struct Definition {
    /// Name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_optional_json")]
    pub parameters: Option<String>,
}

/// What stands at the end of a text that is cut.
const MARK: &str = "…[cut]";

impl Content {
    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.system.is_empty() && self.input.is_empty() && self.output.is_empty() && self.tools.is_empty()
    }

    /// Leaves at most so many bytes of JSON of each list: of the conversation its newest messages, of a message that is too
    /// long the beginnings of its texts.
    #[must_use]
    pub fn fit(mut self, most: usize) -> Self {
        self.system = fit(self.system, most, &mut self.cut);
        self.input.reverse();
        self.input = fit(self.input, most, &mut self.cut);
        self.input.reverse();
        self.output = fit(self.output, most, &mut self.cut);
        let mut room = most.saturating_sub(2);
        let all = self.tools.len();
        self.tools.retain(|tool| {
            let length = json(tool).len() + 1;
            let fits = length <= room;
            room = if fits { room - length } else { 0 };
            fits
        });
        self.cut |= self.tools.len() < all;
        if json(&self.stop).len() > most {
            self.stop.clear();
            self.cut = true;
        }
        self
    }

    /// How much memory it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        json(&self.system).len()
            + json(&self.input).len()
            + json(&self.output).len()
            + json(&self.tools).len()
            + json(&self.stop).len()
    }
}

impl Message {
    /// Takes so many bytes away, from the ends of its texts, the last one first.
    fn shorten(&mut self, mut over: usize) {
        for text in self.parts.iter_mut().rev().filter_map(Part::long_text) {
            if over == 0 {
                return;
            }
            let before = text.len();
            if before <= MARK.len() {
                continue;
            }
            // A character is never shorter in JSON than in the text; the mark takes room, too.
            let mut end = before.saturating_sub(over + MARK.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push_str(MARK);
            over = over.saturating_sub(before.saturating_sub(text.len()));
        }
    }
}

impl Part {
    /// What can be read of it as text; what is none stands as its kind in brackets.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text { content } | Self::Refusal { content } => Some(content.clone()),
            Self::ToolCallResponse { response, .. } => Some(response.clone()),
            Self::Blob { modality, .. } | Self::Uri { modality, .. } | Self::File { modality, .. } => {
                Some(format!("[{modality}]"))
            }
            Self::Native { kind } => Some(format!("[{kind}]")),
            Self::Reasoning { .. } | Self::ToolCall { .. } => None,
        }
    }

    /// The text of it that may be long.
    fn long_text(&mut self) -> Option<&mut String> {
        match self {
            Self::Text { content } | Self::Reasoning { content } | Self::Refusal { content } => Some(content),
            Self::ToolCall { arguments, .. } => Some(arguments),
            Self::ToolCallResponse { response, .. } => Some(response),
            Self::Uri { uri, .. } => Some(uri),
            Self::Blob { .. } | Self::File { .. } | Self::Native { .. } => None,
        }
    }
}

/// The first messages that have room; of the first one that has none as much as has.
fn fit(messages: Vec<Message>, most: usize, cut: &mut bool) -> Vec<Message> {
    let mut room = most.saturating_sub(2);
    let mut kept = Vec::with_capacity(messages.len());
    for mut message in messages {
        let length = json(&message).len() + 1;
        if length > room {
            *cut = true;
            // Arguments that are cut are JSON no more, and their quotes grow.
            for _ in 0..3 {
                message.shorten((json(&message).len() + 1).saturating_sub(room));
            }
            if json(&message).len() < room {
                kept.push(message);
            }
            break;
        }
        room -= length;
        kept.push(message);
    }
    kept
}

/// Its JSON text.
#[must_use]
pub fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn as_json<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match crate::json::from_str::<&RawValue>(text) {
        Ok(raw) => raw.serialize(serializer),
        Err(_) => serializer.serialize_str(text),
    }
}

#[allow(clippy::ref_option)] // serde gives a reference
fn as_optional_json<S: Serializer>(text: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    as_json(text.as_deref().unwrap_or("null"), serializer)
}

#[cfg(test)]
mod tests;
