//! Canonical answer → wire.

use super::super::write::Object;
use super::super::{finish, media, usage};
use crate::dialect::canonical::{
    ChatResponse, Choice, Extra, FinishReason, Loss, Media, MediaSource, Part, ReasoningPart, ToolCall,
};
use crate::dialect::carried::{self, Block, Carried};
use crate::dialect::citation::{self, Citation};
use crate::dialect::{custom, Dialect, Encoded, ReplyContext, Tail};

/// Writes an answer. Texts of one choice are joined: this dialect's content is one string.
#[must_use]
pub fn encode(response: &ChatResponse, context: &ReplyContext, tail: &Tail) -> Encoded {
    let mut losses = Vec::new();
    let mut body = Vec::with_capacity(1024);
    let mut out = Object::begin(&mut body);
    match response.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => out.text("id", id),
        None => out.text("id", &format!("chatcmpl-{}", context.request_id)),
    }
    out.text("object", "chat.completion");
    out.number("created", response.created.unwrap_or(context.now_secs));
    out.text("model", response.model.as_deref().unwrap_or(&context.model));
    out.list("choices", &response.choices, |body, choice| write_choice(body, choice, response, context, &mut losses));
    if let Some(counts) = tail.usage.as_ref().or(response.usage.as_ref()) {
        out.object("usage", |out| usage::encode(out, counts, tail.cost_usd.as_deref()));
    }
    if !response.extras.iter().any(|extra| extra.field == "system_fingerprint") {
        // Deprecated by OpenAI, demanded by `ChatResult` of `@openrouter/sdk`.
        out.raw("system_fingerprint", "null");
    }
    for extra in &response.extras {
        if is_top_member(extra) {
            out.raw(&extra.field, extra.value.get());
        } else if !is_choice_member(extra, &response.choices) {
            losses.extend(lost(extra));
        }
    }
    if let Some(signalbox) = &tail.signalbox {
        out.raw("signalbox", signalbox);
    }
    out.end();
    Encoded { body, losses }
}

/// The report of a response member that stays behind. Verdicts do not: they go into the `signalbox` member.
pub(in super::super) fn lost(extra: &Extra) -> Option<Loss> {
    if extra.is_verdict() {
        return None;
    }
    let reason = "an answer in Chat Completions has no place for it";
    match (extra.is_default, extra.advisory) {
        (true, _) => None,
        (false, true) => Some(Loss::advisory(extra.field.clone(), reason)),
        (false, false) => Some(Loss::unsupported(extra.field.clone(), reason)),
    }
}

/// Response members that this dialect has under the same name.
pub(in super::super) fn is_top_member(extra: &Extra) -> bool {
    matches!(extra.field.as_str(), "system_fingerprint" | "service_tier")
}

fn is_choice_member(extra: &Extra, choices: &[Choice]) -> bool {
    choices.iter().any(|choice| choice_member(extra, choice.index).is_some())
}

/// The member of a choice that an extra is, where this dialect has it: `logprobs`, `message.annotations`, `message.audio`.
pub(in super::super) fn choice_member(extra: &Extra, choice: u32) -> Option<&str> {
    let member = extra.field.strip_prefix(&format!("choices[{choice}]."))?;
    matches!(
        member,
        "citations" | "logprobs" | "message.annotations" | "message.audio" | "delta.annotations" | "delta.audio"
    )
    .then_some(member)
}

fn write_choice(
    body: &mut Vec<u8>,
    choice: &Choice,
    response: &ChatResponse,
    context: &ReplyContext,
    losses: &mut Vec<Loss>,
) {
    let members = || response.extras.iter().filter_map(|e| Some((choice_member(e, choice.index)?, e.value.get())));
    let mut out = Object::begin(body);
    out.number("index", choice.index);
    out.object("message", |out| {
        write_message(out, choice, context, losses);
        for (member, value) in members() {
            if let Some(name) = member.strip_prefix("message.") {
                out.raw(name, value);
            }
        }
        let cited: Vec<Citation> = response.extras.iter().flat_map(|e| citation::of(e, choice.index)).collect();
        if !cited.is_empty() {
            out.list("annotations", &cited, annotation);
        }
    });
    let logprobs = members().find_map(|(member, value)| (member == "logprobs").then_some(value));
    out.raw("logprobs", logprobs.unwrap_or("null"));
    match &choice.finish {
        Some(why) => {
            out.text("finish_reason", finish::encode(why.reason));
            write_raw_finish(&mut out, &why.raw, why.stop_sequence.as_deref());
        }
        // Some providers do not say why a whole answer ended. It has, and clients take null for one that goes on.
        None => {
            let called = |part: &Part| matches!(part, Part::ToolCall(_)) || custom::is_call(part);
            let called = choice.parts.iter().any(called);
            out.text(
                "finish_reason",
                finish::encode(if called { FinishReason::ToolCalls } else { FinishReason::Stop }),
            );
            let field = format!("choices[{}].finish_reason", choice.index);
            losses.push(Loss::advisory(field, "the provider did not say why the answer ended"));
        }
    }
    out.end();
}

/// A citation as OpenAI writes one.
pub(in super::super) fn annotation(body: &mut Vec<u8>, cited: &Citation) {
    let mut out = Object::begin(body);
    out.text("type", "url_citation");
    out.object("url_citation", |page| {
        page.number("start_index", cited.start as u64);
        page.number("end_index", cited.end as u64);
        page.text("title", &cited.title);
        page.text("url", &cited.url);
    });
    out.end();
}

/// The provider's own word and, where known, the stop sequence that was hit.
pub(in super::super) fn write_raw_finish(out: &mut Object<'_>, raw: &str, stop_sequence: Option<&str>) {
    if !raw.is_empty() {
        out.text("native_finish_reason", raw);
    }
    if let Some(sequence) = stop_sequence {
        out.text("stop_reason", sequence);
    }
}

/// Thoughts that are not wanted stay out of sight; what a tool loop needs of them travels behind the calls' ids all the same.
fn write_message(out: &mut Object<'_>, choice: &Choice, context: &ReplyContext, losses: &mut Vec<Loss>) {
    let (by, shows) = (context.answered_by.as_str(), !context.hide_reasoning);
    let (mut text, mut refusal, mut thought) = (None::<String>, None::<String>, None::<String>);
    let mut calls: Vec<Vec<u8>> = Vec::new();
    // Signed reasoning since the last call: it travels behind the next one's id.
    let mut pending: Vec<Block> = Vec::new();
    let mut pictures: Vec<&Media> = Vec::new();
    let mut signed: Vec<&ReasoningPart> = Vec::new();
    for (at, part) in choice.parts.iter().enumerate() {
        let mut cannot = |what: &str| {
            let field = format!("choices[{}].content[{at}]", choice.index);
            losses.push(Loss::unsupported(field, format!("an answer in Chat Completions cannot carry {what}")));
        };
        match part {
            Part::Text(piece) => text.get_or_insert_default().push_str(piece),
            Part::Refusal(piece) => refusal.get_or_insert_default().push_str(piece),
            Part::Reasoning(block) => {
                if !block.text.is_empty() {
                    thought.get_or_insert_default().push_str(&block.text);
                }
                if block.signature.is_some() {
                    signed.push(block);
                    let at = text.as_ref().map_or(0, String::len);
                    pending.push(Block { at, part: block.clone() });
                }
            }
            Part::ToolCall(call) => {
                let id = call_id(&call.id, std::mem::take(&mut pending), call.signature.clone(), by);
                losses.extend(id.1.then(|| left_behind(choice.index)));
                let mut body = Vec::with_capacity(call.arguments.len() + 96);
                write_call(&mut body, &id.0, call);
                calls.push(body);
            }
            Part::Image(media) => pictures.push(media),
            Part::Native { .. } if custom::is_call(part) => {
                let call = custom::Call::of(part).unwrap_or_default();
                let id = call_id(&call.id, std::mem::take(&mut pending), None, by);
                losses.extend(id.1.then(|| left_behind(choice.index)));
                let mut body = Vec::new();
                custom::Call { id: id.0, ..call }.write_chat(&mut body);
                calls.push(body);
            }
            Part::Audio(_) => cannot("this sound"),
            Part::File(_) => cannot("a file"),
            Part::ToolResult(_) => cannot("a tool result"),
            Part::Native { kind, .. } => cannot(&format!("a `{kind}` block")),
        }
    }
    out.text("role", "assistant");
    nullable(out, "content", text.as_deref());
    nullable(out, "refusal", refusal.as_deref());
    if let Some(thought) = thought.as_ref().filter(|_| shows) {
        out.text("reasoning_content", thought);
    }
    if !calls.is_empty() {
        out.list("tool_calls", calls, |body, call| body.extend_from_slice(&call));
    }
    if !pictures.is_empty() {
        // OpenRouter's place for generated pictures; OpenAI has none.
        out.list("images", pictures, write_picture);
    }
    if shows && !signed.is_empty() {
        out.object("signalbox", |ours| {
            ours.list("reasoning", signed.iter().enumerate(), |body, (at, block)| {
                let signature = block.signature.as_deref().unwrap_or_default();
                reasoning_item(body, at, &block.text, signature, block.redacted, Some(block.origin));
            });
        });
    }
}

fn nullable(out: &mut Object<'_>, name: &str, text: Option<&str>) {
    match text {
        Some(text) => out.text(name, text),
        None => out.raw(name, "null"),
    }
}

/// A call's id with what its provider wants to see again behind it, because every client sends ids back; true where that
/// was too much for an id.
pub(in super::super) fn call_id(id: &str, blocks: Vec<Block>, call: Option<String>, by: &str) -> (String, bool) {
    let (id, whole) = Carried { by: by.to_owned(), blocks, call }.behind(id);
    (id, !whole)
}

/// The report that reasoning was too long for an id.
pub(in super::super) fn left_behind(choice: u32) -> Loss {
    let field = format!("choices[{choice}].message.tool_calls.id");
    let most = carried::LONGEST_IN_ID;
    let reason = format!("signed reasoning of more than {most} bytes comes back in `message.signalbox` only");
    Loss::advisory(field, reason)
}

fn write_call(body: &mut Vec<u8>, id: &str, call: &ToolCall) {
    let mut out = Object::begin(body);
    out.text("id", id);
    out.text("type", "function");
    out.object("function", |function| {
        function.text("name", &call.name);
        function.text("arguments", if call.arguments.is_empty() { "{}" } else { &call.arguments });
    });
    if let Some(signature) = &call.signature {
        tool_call_signature(&mut out, signature);
    }
    out.end();
}

/// Gemini's signature of a call, where Google's compatibility layer has it.
pub(in super::super) fn tool_call_signature(call: &mut Object<'_>, signature: &str) {
    call.object("extra_content", |extra| {
        extra.object("google", |google| google.text("thought_signature", signature));
    });
}

/// One signed reasoning block in our own field. `index` is there because OpenAI's client merges streamed lists by it.
pub(in super::super) fn reasoning_item(
    body: &mut Vec<u8>,
    at: usize,
    text: &str,
    signature: &str,
    redacted: bool,
    origin: Option<Dialect>,
) {
    let mut out = Object::begin(body);
    out.number("index", at as u64);
    out.text("text", text);
    out.text("signature", signature);
    out.flag("redacted", redacted);
    if let Some(origin) = origin {
        out.text("origin", origin.name());
    }
    out.end();
}

/// A generated picture, in OpenRouter's form.
pub(in super::super) fn write_picture(body: &mut Vec<u8>, media: &Media) {
    let mut out = Object::begin(body);
    out.text("type", "image_url");
    out.object("image_url", |image| match &media.source {
        MediaSource::Base64 { mime, data } => media::write_data_url(image.key("url"), mime, data),
        MediaSource::Url { url, .. } => image.text("url", url),
        MediaSource::FileId { id, .. } => image.text("file_id", id),
    });
    out.end();
}
