//! What exporters that ask for prompts and answers are given: read from what the caller sent and got, masked first.

use super::answer::choices;
use super::payload::Payload;
use super::tape::Recording;
use crate::dialect::canonical::{self, ChatRequest, Choice, FinishReason, Media, MediaSource, Role};
use crate::dialect::{custom, Dialect};
use crate::redact::{Redactor, Settings};
use crate::telemetry::content::{Content, Definition, Message, Part};

/// Bytes that are looked at of a request, and of an answer.
pub const MOST_BYTES: usize = 1024 * 1024;

/// Everything that it is read from.
#[derive(Debug)]
pub struct Said {
    /// The caller's dialect.
    pub dialect: Dialect,
    /// The caller's body; empty where it is longer than [`MOST_BYTES`].
    pub request: Vec<u8>,
    /// What the caller got; nothing where that was no answer.
    pub answer: Recording,
    /// What is masked.
    pub settings: Settings,
    /// Texts that are secret whatever they look like.
    pub known: Vec<String>,
    /// Bytes of JSON of each attribute.
    pub most: usize,
}

impl Said {
    /// It, masked. Bodies are masked as captures are, so that the operator's places are those of the dialects; the texts that
    /// are read from them once more, because there the pieces of a text stand in one.
    #[must_use]
    pub fn content(&self) -> Content {
        let mut redactor = Redactor::new(&self.settings, self.known.iter().map(String::as_str));
        let request = redactor.body(&String::from_utf8_lossy(&self.request));
        let request = self.dialect.decode_request(request.as_bytes()).unwrap_or_default();
        let answer = Payload::of(&self.answer, 0, &mut redactor);
        let mut masked = Masked(redactor);
        let apart = self.stands_apart(&request);
        let mut turns = request.turns.into_iter();
        let system = turns.by_ref().take(apart).flat_map(|turn| turn.parts).filter_map(|part| masked.part(part));
        let system = Message { role: "system", parts: system.collect(), finish_reason: None };
        let input = turns.map(|turn| Message {
            role: match turn.role {
                Role::System => "system",
                Role::User => "user",
                Role::Assistant => "assistant",
                Role::Tool => "tool",
            },
            parts: turn.parts.into_iter().filter_map(|part| masked.part(part)).collect(),
            finish_reason: None,
        });
        let input = input.collect();
        let tools = request.tools.into_iter().map(|tool| Definition {
            name: masked.text(&tool.name),
            description: tool.description.map(|text| masked.text(&text)),
            parameters: tool.parameters.map(|schema| masked.0.body(schema.get())),
        });
        let tools = tools.collect();
        let stop = request.stop.iter().map(|text| masked.text(text)).collect();
        let output = choices(self.dialect, &answer).into_iter().map(|choice| masked.answer(choice)).collect();
        let cut = answer.truncated || self.request.is_empty();
        let system = Some(system).filter(|message| !message.parts.is_empty()).into_iter().collect();
        Content { system, input, output, tools, stop, cut }.fit(self.most)
    }

    /// How many turns are instructions beside the conversation. In chat they are part of it, as the conventions want it told.
    fn stands_apart(&self, request: &ChatRequest) -> usize {
        match self.dialect {
            Dialect::OpenAiChat => 0,
            _ => request.turns.iter().take_while(|turn| turn.role == Role::System).count(),
        }
    }
}

struct Masked<'r>(Redactor<'r>);

impl Masked<'_> {
    fn text(&mut self, text: &str) -> String {
        self.0.text(text)
    }

    fn answer(&mut self, choice: Choice) -> Message {
        let finish_reason = match choice.finish.map(|finish| finish.reason) {
            Some(FinishReason::Stop) => "stop",
            Some(FinishReason::Length) => "length",
            Some(FinishReason::ToolCalls) => "tool_call",
            Some(FinishReason::ContentFilter) => "content_filter",
            Some(FinishReason::Paused) => "paused",
            // It broke, or its caller left.
            Some(FinishReason::Failed) | None => "error",
        };
        let parts = choice.parts.into_iter().filter_map(|part| self.part(part)).collect();
        Message { role: "assistant", parts, finish_reason: Some(finish_reason) }
    }

    /// `None`: there is nothing to read in it.
    fn part(&mut self, part: canonical::Part) -> Option<Part> {
        if let Some(call) = custom::Call::of(&part) {
            let (id, name) = (self.text(&call.id), self.text(&call.name));
            return Some(Part::ToolCall { id, name, arguments: self.text(&call.input) });
        }
        Some(match part {
            canonical::Part::Text(text) => Part::Text { content: self.text(&text) },
            canonical::Part::Refusal(text) => Part::Refusal { content: self.text(&text) },
            canonical::Part::Reasoning(thought) if thought.text.is_empty() => return None,
            canonical::Part::Reasoning(thought) => Part::Reasoning { content: self.text(&thought.text) },
            canonical::Part::ToolCall(call) => Part::ToolCall {
                id: self.text(&call.id),
                name: self.text(&call.name),
                arguments: self.0.body(&call.arguments),
            },
            canonical::Part::ToolResult(result) => {
                let id = self.text(&result.call_id);
                let texts = result.parts.into_iter().filter_map(|part| self.part(part)?.text());
                Part::ToolCallResponse { id, response: texts.collect::<Vec<_>>().join("\n") }
            }
            canonical::Part::Image(media) => self.media("image", media),
            canonical::Part::Audio(media) => self.media("audio", media),
            canonical::Part::File(media) => self.media("document", media),
            canonical::Part::Native { kind, .. } => Part::Native { kind: self.text(&kind) },
        })
    }

    fn media(&mut self, modality: &'static str, media: Media) -> Part {
        match media.source {
            MediaSource::Base64 { mime, .. } => Part::Blob { modality, mime_type: self.text(&mime), content: "" },
            MediaSource::Url { url, mime } if url.starts_with("data:") => {
                let named = url.get("data:".len()..).and_then(|rest| rest.split([';', ',']).next());
                let mime_type = mime.unwrap_or_else(|| named.unwrap_or_default().to_owned());
                Part::Blob { modality, mime_type: self.text(&mime_type), content: "" }
            }
            MediaSource::Url { url, .. } => {
                Part::Uri { modality, uri: self.text(url.split(['?', '#']).next().unwrap_or_default()) }
            }
            MediaSource::FileId { id, .. } => Part::File { modality, file_id: self.text(&id) },
        }
    }
}

#[cfg(test)]
mod tests;
