//! A capture as something else: a test fixture of this repository, a line of OpenAI's chat format.

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::answer::choices;
use super::payload::Payload;
use super::{Capture, Meta, Sent};
use crate::accounting::day::day_of;
use crate::dialect::canonical::{ChatResponse, Choice, Loss};
use crate::dialect::{Dialect, ModelTraits, ReplyContext, Tail, Target};
use crate::json::Members;

/// What it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The conversation with its answer, as one line: `{messages, tools}`.
    OpenAiJsonl,
    /// The answering call, by file name (tests/fixtures).
    Fixture,
}

/// Words for [`Format`].
pub const FORMATS: [(&str, Format); 2] = [("openai-jsonl", Format::OpenAiJsonl), ("fixture", Format::Fixture)];

/// It, exported.
#[derive(Debug, PartialEq, Eq)]
pub struct Exported {
    /// Media type.
    pub content_type: &'static str,
    /// Text of that type.
    pub body: String,
    /// Fields that are not exact in it.
    pub losses: Vec<String>,
}

/// Exports a capture. What is masked in it stays masked.
///
/// # Errors
/// Why it cannot be: it was cut, or nobody was asked in it.
pub fn export(meta: &Meta, capture: &Capture, format: Format) -> Result<Exported, &'static str> {
    if meta.truncated {
        return Err("This capture was cut: half of an exchange is no example.");
    }
    let answered = capture.sent.iter().rfind(|sent| sent.outcome == "200");
    let call = answered.or(capture.sent.last()).ok_or("Nobody was asked in this capture.")?;
    match format {
        Format::OpenAiJsonl => line(call),
        Format::Fixture => Ok(fixture(meta, call)),
    }
}

fn fixture(meta: &Meta, call: &Sent) -> Exported {
    let streamed = call.response.events.is_some();
    let (file, framing, media) = if streamed {
        ("response.sse", "sse", "text/event-stream")
    } else {
        ("response.json", "json", "application/json")
    };
    let endpoint = if call.dialect == Dialect::OpenAiResponses.name() { "responses" } else { "chat" };
    let about = json!({
        "what": format!("captured {}, masked", day_of(meta.captured_ms)),
        "dialect": call.dialect,
        "provider": call.model.split('/').next(),
        "endpoint": endpoint,
        "stream": meta.stream,
        "status": call.outcome.parse().unwrap_or(meta.status),
        "framing": framing,
        "response_file": file,
        "features": if streamed { vec!["stream"] } else { Vec::new() },
    });
    let files = json!({
        "case.json": format!("{about}\n"),
        "request.json": call.body.wire(),
        "response.headers.json": format!("{}\n", json!({ "content-type": [media] })),
        file: call.response.wire(),
    });
    let page = json!({ "object": "capture.fixture", "id": meta.id, "files": files });
    Exported { content_type: "application/json", body: page.to_string(), losses: Vec::new() }
}

/// In chat's own words where the provider was spoken to in them, else translated.
fn line(call: &Sent) -> Result<Exported, &'static str> {
    let unreadable = "This exchange cannot be read.";
    let dialect = Dialect::named(&call.dialect).ok_or(unreadable)?;
    let request = call.body.wire();
    let (request, mut losses) = if dialect == Dialect::OpenAiChat {
        (request.into_owned().into_bytes(), Vec::new())
    } else {
        let request = dialect.decode_request(request.as_bytes()).map_err(|_| unreadable)?;
        let target = Target { provider: "openai", model: "", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
        let encoded = Dialect::OpenAiChat.encode_request(&request, &target);
        (encoded.body, encoded.losses)
    };
    let members = Members::read(&request).map_err(|_| unreadable)?;
    let (answer, more) = message(dialect, &call.response).ok_or("There is no answer in this capture.")?;
    losses.extend(more);
    let messages = members.present("messages").map_or("", RawValue::get).trim_end();
    let messages = messages.strip_suffix(']').ok_or(unreadable)?;
    let comma = if messages.trim_end().ends_with('[') { "" } else { "," };
    let tools = members.present("tools").map(|tools| format!(r#","tools":{}"#, tools.get())).unwrap_or_default();
    // A line has no breaks; outside of texts, where none can stand, they mean nothing.
    let line = format!(r#"{{"messages":{messages}{comma}{answer}]{tools}}}"#).replace(['\n', '\r'], " ");
    let losses = losses.into_iter().map(|loss| loss.field).collect();
    Ok(Exported { content_type: "application/jsonl", body: format!("{line}\n"), losses })
}

/// The first choice of an answer as a message of chat, and what is not exact in it; `None` where it is an error.
fn message(dialect: Dialect, payload: &Payload) -> Option<(String, Vec<Loss>)> {
    if dialect == Dialect::OpenAiChat && payload.events.is_none() {
        return Some((own_message(payload.wire().as_bytes())?, Vec::new()));
    }
    let choices: Vec<Choice> = choices(dialect, payload).into_iter().take(1).collect();
    if choices.is_empty() {
        return None;
    }
    let answer = ChatResponse { choices, ..ChatResponse::default() };
    let encoded = Dialect::OpenAiChat.encode_response(&answer, &ReplyContext::default(), &Tail::default());
    Some((own_message(&encoded.body)?, encoded.losses))
}

fn own_message(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer<'b> {
        #[serde(borrow)]
        choices: Vec<Told<'b>>,
    }
    #[derive(Deserialize)]
    struct Told<'b> {
        #[serde(borrow)]
        message: &'b RawValue,
    }
    let answer = crate::json::from_slice::<Answer<'_>>(body).ok()?;
    answer.choices.first().map(|choice| choice.message.get().to_owned())
}

#[cfg(test)]
mod tests;
