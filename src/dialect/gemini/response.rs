//! Whole answers: wire ↔ canonical.

use serde_json::value::RawValue;

use super::stream::Decoder;
use super::types::{Blob, Part as WirePart, Text};
use super::write::Json;
use super::{finish, foreign, grounding, logprobs, usage};
use crate::dialect::canonical::{
    ChatResponse, Choice, Extra, Finish, FinishReason, Loss, Media, MediaSource, Part, ReasoningPart, StreamEvent,
    ToolCall,
};
use crate::dialect::citation::{self, Citation};
use crate::dialect::{tier, Dialect, Encoded, ReplyContext, StreamFault, Tail};
use crate::sorted::Map;

/// Reads an answer. A streamed answer that was gathered into one array is read as what it adds up to.
///
/// # Errors
/// An error in a 200, foreign bytes, or an answer with neither candidates nor a verdict on the prompt.
pub fn decode(body: &[u8]) -> Result<ChatResponse, StreamFault> {
    let (mut decoder, mut events) = (Decoder::default(), Vec::new());
    decoder.payload(body, &mut events)?;
    let mut whole = Gathered::default();
    for event in events {
        whole.add(event);
    }
    // A candidate without content gives no event and is a choice all the same.
    for index in decoder.indices() {
        whole.choice(index);
    }
    if whole.choices.is_empty() {
        return Err(StreamFault::Malformed("a Gemini answer without candidates".to_owned()));
    }
    Ok(ChatResponse { choices: whole.choices.into_values().collect(), ..whole.response })
}

/// Events gathered into an answer.
#[derive(Debug, Default)]
struct Gathered {
    response: ChatResponse,
    choices: Map<u32, Choice>,
    /// The choice whose last part is reasoning that has not ended.
    thinking: Option<u32>,
}

impl Gathered {
    fn add(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Start { id, model, created } => {
                self.response.id = id;
                self.response.model = model;
                self.response.created = created;
            }
            StreamEvent::TextDelta { choice, text } => match self.parts(choice).last_mut() {
                Some(Part::Text(before)) => before.push_str(&text),
                _ => self.parts(choice).push(Part::Text(text)),
            },
            StreamEvent::ReasoningDelta { choice, text } => {
                let open = self.thinking.replace(choice) == Some(choice);
                match self.parts(choice).last_mut() {
                    Some(Part::Reasoning(before)) if open => before.text.push_str(&text),
                    _ => self.parts(choice).push(Part::Reasoning(thought(text, None))),
                }
            }
            StreamEvent::ReasoningEnd { choice, signature, .. } => {
                let open = self.thinking.take() == Some(choice);
                match self.parts(choice).last_mut() {
                    Some(Part::Reasoning(before)) if open => before.signature = signature,
                    _ => self.parts(choice).push(Part::Reasoning(thought(String::new(), signature))),
                }
            }
            StreamEvent::ToolCallStart { choice, id, name, signature, .. } => {
                let call = ToolCall { id, name, arguments: String::new(), signature };
                self.parts(choice).push(Part::ToolCall(call));
            }
            StreamEvent::ToolCallDelta { choice, arguments, .. } => {
                // The decoder gives a call's arguments before anything else of the choice.
                if let Some(Part::ToolCall(call)) = self.parts(choice).last_mut() {
                    call.arguments.push_str(&arguments);
                }
            }
            StreamEvent::Finish { choice, finish } => self.choice(choice).finish = Some(finish),
            StreamEvent::Usage(counts) => self.response.usage = Some(counts),
            StreamEvent::Extra(extra) => self.extra(extra),
            StreamEvent::Media { choice, part } => self.parts(choice).push(part),
            StreamEvent::RefusalDelta { .. }
            | StreamEvent::CustomCallStart { .. }
            | StreamEvent::CustomCallDelta { .. }
            | StreamEvent::ToolCallEnd { .. } => {}
        }
    }

    /// Parts that only Gemini has come as extras in a stream and keep their place in a whole answer.
    fn extra(&mut self, extra: Extra) {
        let place = extra.field.strip_prefix("candidates[").and_then(|rest| rest.split_once("].content.parts."));
        match place.and_then(|(index, kind)| Some((index.parse().ok()?, kind.to_owned()))) {
            Some((choice, kind)) => {
                let part = Part::Native { dialect: Dialect::Gemini, kind, raw: extra.value };
                self.parts(choice).push(part);
            }
            None => self.response.extras.push(extra),
        }
    }

    fn parts(&mut self, index: u32) -> &mut Vec<Part> {
        &mut self.choice(index).parts
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_insert_with(|| Choice { index, ..Choice::default() })
    }
}

fn thought(text: String, signature: Option<String>) -> ReasoningPart {
    ReasoningPart { text, signature, redacted: false, origin: Dialect::Gemini }
}

/// A generated picture, sound or document. One that was only thought of stays a part of Google's own.
pub(super) fn media(part: &WirePart<'_>) -> Option<Part> {
    let other = part.function_call.is_some() || part.text.as_ref().is_some_and(|Text(text)| !text.is_empty());
    if other || part.thought == Some(true) || !part.rest.is_empty() {
        return None;
    }
    let blob: Blob<'_> = crate::json::from_str(part.inline_data?.get()).ok()?;
    Some(part_of_blob(blob))
}

/// Media by its type.
pub(super) fn part_of_blob(blob: Blob<'_>) -> Part {
    let mime = blob.mime.as_deref().map(type_of).unwrap_or_default();
    let data = blob.data.map(|Text(data)| data.into_owned()).unwrap_or_default();
    let place = part_kind(&mime);
    let media = Media {
        source: MediaSource::Base64 { mime, data },
        detail: None,
        name: blob.name.map(|Text(name)| name.into_owned()),
    };
    place(media)
}

/// A MIME type in lower case, which means the same (RFC 2045 §5.1); its parameters stay as they are.
pub(super) fn type_of(mime: &str) -> String {
    let mut mime = mime.to_owned();
    let end = mime.find(';').unwrap_or(mime.len());
    if let Some(bare) = mime.get_mut(..end) {
        bare.make_ascii_lowercase();
    }
    mime
}

/// The kind of part that holds media of a type as [`type_of`] gives it.
pub(super) fn part_kind(mime: &str) -> fn(Media) -> Part {
    match mime.split('/').next() {
        Some("image") => Part::Image,
        Some("audio") => Part::Audio,
        _ => Part::File,
    }
}

/// Writes an answer.
#[must_use]
pub fn encode(response: &ChatResponse, context: &ReplyContext, tail: &Tail) -> Encoded {
    let mut body = Vec::with_capacity(512);
    let mut losses: Vec<Loss> = response.extras.iter().filter(|extra| !is_carried(extra)).filter_map(unsaid).collect();
    let why = response.extras.iter().find_map(Extra::explains);
    {
        let mut wire = Json::object(&mut body);
        {
            let mut candidates = wire.array_in("candidates");
            for choice in &response.choices {
                let mut candidate = candidates.object_item();
                write_candidate(choice, context, why.as_deref(), &mut candidate, &mut losses);
                write_beside(choice, &response.extras, &mut candidate);
            }
        }
        if let Some(counts) = tail.usage.as_ref().or(response.usage.as_ref()) {
            let capacity = response.extras.iter().find_map(|extra| tier::word(extra, &tier::GOOGLE));
            usage::encode(counts, capacity, wire.member("usageMetadata"));
        }
        wire.text("modelVersion", response.model.as_ref().unwrap_or(&context.model));
        wire.text("responseId", response.id.as_ref().unwrap_or(&context.request_id));
        if let Some(signalbox) = &tail.signalbox {
            wire.raw("signalbox", signalbox);
        }
    }
    Encoded { body, losses }
}

/// Whether a member of the answer has a place in Google's: sources, log probabilities, the capacity that answered.
pub(super) fn is_carried(extra: &Extra) -> bool {
    let of_choice = |choice| citation::is_of_pages(extra, choice) || logprobs::to_google(extra, choice).is_some();
    tier::word(extra, &tier::GOOGLE).is_some() || extra.choice().is_some_and(of_choice)
}

fn write_beside(choice: &Choice, extras: &[Extra], candidate: &mut Json<'_>) {
    let cited: Vec<Citation> = extras.iter().flat_map(|extra| citation::in_any_form(extra, choice.index)).collect();
    if !cited.is_empty() {
        let texts =
            choice.parts.iter().filter_map(|part| if let Part::Text(text) = part { Some(text.as_str()) } else { None });
        grounding::encode(&cited, &texts.collect::<String>(), candidate.member("groundingMetadata"));
    }
    if let Some(result) = extras.iter().find_map(|extra| logprobs::to_google(extra, choice.index)) {
        candidate.raw("logprobsResult", &result);
    }
}

fn write_candidate(
    choice: &Choice,
    context: &ReplyContext,
    why: Option<&str>,
    candidate: &mut Json<'_>,
    losses: &mut Vec<Loss>,
) {
    {
        let mut content = candidate.object_in("content");
        write_parts(choice, context, &mut content.array_in("parts"), losses);
        content.text("role", "model");
    }
    let refused = choice.parts.iter().any(|part| matches!(part, Part::Refusal(_)));
    let end = finish::told(choice.finish.as_ref(), refused);
    candidate.text("finishReason", finish::encode_end(end.as_ref()));
    if let Some(end) = &end {
        write_finish_message(end, why, candidate);
    }
    candidate.value("index", choice.index);
}

/// Writes parts. Signatures stand on the part after the thoughts: Google's own as they came, other providers' thoughts
/// sealed (see [`foreign`]).
fn write_parts(choice: &Choice, context: &ReplyContext, parts: &mut Json<'_>, losses: &mut Vec<Loss>) {
    let (hide_reasoning, by) = (context.hide_reasoning, context.answered_by.as_str());
    let mut thoughts: Vec<ReasoningPart> = Vec::new();
    let mut list = choice.parts.iter().peekable();
    while let Some(part) = list.next() {
        match part {
            Part::Reasoning(thought) => {
                let own = thought.origin == Dialect::Gemini;
                // A signature without thoughts belongs to the text that follows it.
                let bare = own && thought.text.is_empty();
                let text = list.next_if(|next| bare && matches!(next, Part::Text(_)));
                let text = if let Some(Part::Text(text)) = text { text } else { &thought.text };
                let signature = thought.signature.as_ref().filter(|_| own);
                if !own && (!thought.text.is_empty() || thought.signature.is_some()) {
                    thoughts.push(thought.clone());
                }
                if (text.is_empty() || (hide_reasoning && !bare)) && signature.is_none() {
                    continue;
                }
                let mut wire = parts.object_item();
                wire.text("text", if hide_reasoning && !bare { "" } else { text });
                if !bare {
                    wire.value("thought", true);
                }
                if let Some(signature) = signature {
                    wire.text("thoughtSignature", signature);
                }
            }
            Part::Text(text) => {
                let mut wire = parts.object_item();
                wire.text("text", text);
                if let Some(sealed) = sealed(&mut thoughts, false, by) {
                    wire.text("thoughtSignature", &sealed);
                }
            }
            Part::ToolCall(call) => {
                let sealed = sealed(&mut thoughts, true, by);
                if let (Some(sealed), true) = (&sealed, call.signature.is_some()) {
                    write_signature(sealed, parts);
                }
                let signature = call.signature.as_ref().or(sealed.as_ref()).map(String::as_str);
                let mut wire = parts.object_item();
                losses.extend(write_call(&mut wire, &call.id, &call.name, &call.arguments, signature));
            }
            part => write_part(part, choice.index, parts, losses),
        }
    }
    if let Some(sealed) = sealed(&mut thoughts, false, by) {
        write_signature(&sealed, parts);
    }
}

/// Seals what another provider wants back; unsigned thoughts are wanted back with calls only.
fn sealed(thoughts: &mut Vec<ReasoningPart>, before_call: bool, by: &str) -> Option<String> {
    let wanted = before_call || thoughts.iter().any(|thought| thought.signature.is_some());
    (wanted && !thoughts.is_empty()).then(|| foreign::seal(std::mem::take(thoughts), by))
}

fn write_signature(signature: &str, parts: &mut Json<'_>) {
    let mut wire = parts.object_item();
    wire.text("text", "");
    wire.text("thoughtSignature", signature);
}

fn write_part(part: &Part, choice: u32, parts: &mut Json<'_>, losses: &mut Vec<Loss>) {
    match part {
        Part::Refusal(text) => {
            losses.push(refusal_as_text(choice));
            parts.object_item().text("text", text);
        }
        Part::Image(media) | Part::Audio(media) | Part::File(media) => {
            if matches!(media.source, MediaSource::FileId { .. }) {
                return losses.push(foreign_file(choice));
            }
            write_media(media, &mut parts.object_item());
        }
        Part::Native { dialect: Dialect::Gemini, raw, .. } => {
            parts.item().extend_from_slice(raw.get().as_bytes());
        }
        Part::Native { kind, .. } => {
            losses.push(Loss::unsupported(place(choice), format!("a {kind} block has no place in a Gemini answer")));
        }
        // The first three are written by the caller.
        Part::Text(_) | Part::Reasoning(_) | Part::ToolCall(_) | Part::ToolResult(_) => {
            losses.push(Loss::unsupported(place(choice), "has no place in a Gemini answer"));
        }
    }
}

/// Writes the members of a part that holds media; none for the id of a file, see [`foreign_file`].
pub(super) fn write_media(media: &Media, part: &mut Json<'_>) {
    match &media.source {
        MediaSource::Base64 { mime, data } => {
            let mut blob = part.object_in("inlineData");
            blob.text("mimeType", mime);
            blob.text("data", data);
        }
        MediaSource::Url { url, mime } => {
            let mut file = part.object_in("fileData");
            if let Some(mime) = mime {
                file.text("mimeType", mime);
            }
            file.text("fileUri", url);
        }
        MediaSource::FileId { .. } => {}
    }
}

/// The report of media that only their provider can find.
pub(super) fn foreign_file(choice: u32) -> Loss {
    Loss::unsupported(place(choice), "a file id of another provider")
}

/// Writes the members of a `functionCall` part. Arguments that are no JSON object (a cut answer) are kept as a text.
pub(super) fn write_call(
    part: &mut Json<'_>,
    id: &str,
    name: &str,
    arguments: &str,
    signature: Option<&str>,
) -> Option<Loss> {
    let mut loss = None;
    {
        let mut call = part.object_in("functionCall");
        if !id.is_empty() {
            call.text("id", id);
        }
        call.text("name", name);
        if !write_arguments(&mut call, arguments) {
            let reason = "the arguments are no JSON object: kept as the text `__raw`";
            loss = Some(Loss::converted(format!("functionCall {name}"), reason));
        }
    }
    if let Some(signature) = signature {
        part.text("thoughtSignature", signature);
    }
    loss
}

/// Writes `args`: the arguments' own text where it is an object, else wrapped; false when it was wrapped.
pub(super) fn write_arguments(call: &mut Json<'_>, arguments: &str) -> bool {
    let text = arguments.trim();
    if text.is_empty() {
        call.raw("args", "{}");
    } else if text.starts_with('{') && crate::json::from_str::<&RawValue>(text).is_ok() {
        call.raw("args", text);
    } else {
        call.object_in("args").text("__raw", arguments);
        return false;
    }
    true
}

/// What went wrong or was cut, in the provider's words, where Google's finish reason does not tell; `why` is its explanation
/// of a verdict.
pub(super) fn write_finish_message(end: &Finish, why: Option<&str>, candidate: &mut Json<'_>) {
    let cut = end.reason == FinishReason::ContentFilter;
    let told = cut || matches!(end.reason, FinishReason::Failed | FinishReason::Paused);
    let why = why.filter(|_| cut);
    if let Some(why) = why.or_else(|| (told && finish::encode(end) != end.raw).then_some(end.raw.as_str())) {
        candidate.text("finishMessage", why);
    }
}

/// The report that a refusal became ordinary text.
pub(super) fn refusal_as_text(choice: u32) -> Loss {
    Loss::converted(format!("choices[{choice}].refusal"), "Gemini has no refusals apart from text")
}

/// The report that a signature stays here: sent back to a Gemini model it would be refused.
pub(super) fn foreign_signature(choice: u32, redacted: bool) -> Loss {
    let what = if redacted { "redacted thoughts" } else { "a thought signature" };
    Loss::advisory(
        format!("choices[{choice}].reasoning"),
        format!("{what} of another provider cannot be replayed here"),
    )
}

/// The report of a member that has no place. Verdicts go into the `signalbox` member.
pub(super) fn unsaid(extra: &Extra) -> Option<Loss> {
    let reason = "has no place in a Gemini answer";
    match (extra.is_default || extra.is_verdict(), extra.advisory) {
        (true, _) => None,
        (false, true) => Some(Loss::advisory(&extra.field, reason)),
        (false, false) => Some(Loss::unsupported(&extra.field, reason)),
    }
}

fn place(choice: u32) -> String {
    format!("choices[{choice}].content")
}

#[cfg(test)]
mod tests;
