//! Canonical → a whole answer for an Anthropic client.

use super::super::foreign;
use super::super::write::{Elements, Object};
use crate::dialect::canonical::{
    ChatResponse, Extra, Finish, FinishReason, Loss, Part, ReasoningPart, ToolCall, Usage,
};
use crate::dialect::{tier, Dialect, Encoded, ReplyContext, Tail};

/// Writes an answer. Only the first choice has a place here; the others are reported.
#[must_use]
pub fn encode(response: &ChatResponse, context: &ReplyContext, tail: &Tail) -> Encoded {
    let mut losses = Vec::new();
    let mut content = Elements::default();
    let mut calls = 0_usize;
    let mut refused = false;
    let mut written_bytes = 0_u64;
    let first = response.choices.iter().min_by_key(|choice| choice.index);
    for other in response.choices.iter().filter(|other| first.is_some_and(|first| first.index != other.index)) {
        losses.push(Loss::unsupported(format!("choices[{}]", other.index), "Anthropic answers with one choice"));
    }
    for (at, part) in first.map(|choice| choice.parts.as_slice()).unwrap_or_default().iter().enumerate() {
        written_bytes = written_bytes.saturating_add(size(part));
        match part {
            Part::Text(text) | Part::Refusal(text) => {
                refused |= matches!(part, Part::Refusal(_));
                if !text.is_empty() {
                    content.object(|block| text_block(block, text));
                }
            }
            Part::ToolCall(call) => {
                calls += 1;
                tool_use(&mut content, call, at, &context.answered_by, &mut losses);
            }
            Part::Reasoning(reasoning) => thinking(&mut content, reasoning, &context.answered_by),
            Part::Native { dialect: Dialect::AnthropicMessages, raw, .. } => {
                content.next().extend_from_slice(raw.get().as_bytes());
            }
            Part::Native { kind, .. } => lost(&mut losses, at, kind),
            Part::Image(_) => lost(&mut losses, at, "a picture"),
            Part::Audio(_) => lost(&mut losses, at, "sound"),
            Part::File(_) => lost(&mut losses, at, "a file"),
            Part::ToolResult(_) => lost(&mut losses, at, "a tool result"),
        }
    }
    let finish = first.and_then(|choice| choice.finish.as_ref());
    let (mut details, mut why, mut capacity) = (None, None, None);
    for extra in &response.extras {
        why = why.or_else(|| extra.explains());
        if extra.field == "stop_details" {
            details = Some(extra.value.get().to_owned());
        } else if let Some(word) = tier::word(extra, &tier::ANTHROPIC) {
            capacity = Some(word);
        } else {
            losses.extend(answer_loss(extra));
        }
    }

    let mut body = Vec::with_capacity(content.bytes.len() + 512);
    let mut message = Object::begin(&mut body);
    message.text("id", &message_id(response.id.as_deref(), &context.request_id));
    message.text("type", "message");
    message.text("role", "assistant");
    message.text("model", response.model.as_deref().filter(|m| !m.is_empty()).unwrap_or(&context.model));
    super::super::request::bracketed(message.key("content"), &content);
    message.optional_text("stop_reason", stop_reason(finish, calls > 0, refused));
    message.optional_text("stop_sequence", finish.and_then(|f| f.stop_sequence.as_deref()));
    if let Some(details) = details.or_else(|| filtered(finish, why.as_deref())) {
        message.raw("stop_details", &details);
    }
    let usage = tail.usage.or(response.usage);
    if usage.is_none() {
        losses.push(Loss::converted("usage", "the provider reported none: estimated"));
    }
    let estimate = estimated(context.estimated_input_tokens, written_bytes);
    message.object("usage", |wire| usage_members(wire, &usage.unwrap_or(estimate), capacity));
    if let Some(signalbox) = &tail.signalbox {
        message.raw("signalbox", signalbox);
    }
    message.end();
    Encoded { body, losses }
}

fn lost(losses: &mut Vec<Loss>, at: usize, what: &str) {
    let reason = format!("Anthropic's answers cannot hold {what}");
    losses.push(Loss::unsupported(format!("content[{at}]"), reason));
}

fn size(part: &Part) -> u64 {
    let bytes = match part {
        Part::Text(text) | Part::Refusal(text) => text.len(),
        Part::ToolCall(call) => call.name.len() + call.arguments.len(),
        Part::Reasoning(reasoning) => reasoning.text.len(),
        _ => 0,
    };
    bytes as u64
}

fn text_block(block: &mut Object<'_>, text: &str) {
    block.text("type", "text");
    block.text("text", text);
}

fn tool_use(content: &mut Elements, call: &ToolCall, at: usize, by: &str, losses: &mut Vec<Loss>) {
    if let Some(signature) = &call.signature {
        content.object(|block| thinking_block(block, "", &foreign::seal_call(signature, by)));
    }
    let arguments = call.arguments.trim();
    let object = arguments.starts_with('{') && crate::json::from_str::<serde::de::IgnoredAny>(arguments).is_ok();
    if !object && !arguments.is_empty() {
        let reason = "not a JSON object: sent inside {\"__raw\": …}";
        losses.push(Loss::converted(format!("content[{at}].arguments"), reason));
    }
    content.object(|block| {
        block.text("type", "tool_use");
        block.text("id", &super::super::request::tool_id(&call.id));
        block.text("name", &call.name);
        if object {
            block.raw("input", arguments);
        } else {
            // Arguments that the token bound cut: an object that says so, because clients expect one.
            block.object("input", |input| {
                if !arguments.is_empty() {
                    input.text("__raw", &call.arguments);
                }
            });
        }
    });
}

fn thinking(content: &mut Elements, part: &ReasoningPart, by: &str) {
    let own = part.origin == Dialect::AnthropicMessages;
    match &part.signature {
        Some(data) if own && part.redacted => content.object(|block| {
            block.text("type", "redacted_thinking");
            block.text("data", data);
        }),
        signature if own => {
            content.object(|block| thinking_block(block, &part.text, signature.as_deref().unwrap_or_default()));
        }
        None if part.text.is_empty() => {}
        signature => {
            let sealed = foreign::seal(part.origin, signature.as_deref(), part.redacted, by);
            content.object(|block| thinking_block(block, &part.text, &sealed));
        }
    }
}

fn thinking_block(block: &mut Object<'_>, text: &str, signature: &str) {
    block.text("type", "thinking");
    block.text("thinking", text);
    block.text("signature", signature);
}

/// Anthropic clients expect `msg_…`; another provider's id does not look so.
pub(in super::super) fn message_id(id: Option<&str>, request_id: &str) -> String {
    match id {
        Some(id) if id.starts_with("msg_") => id.to_owned(),
        _ => {
            let seed = if request_id.is_empty() { id.unwrap_or_default() } else { request_id };
            let kept: String = seed.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            format!("msg_{}", kept.strip_prefix("msg_").unwrap_or(&kept))
        }
    }
}

/// The dialect's word for an end (`wire.md` §2.4, §3.1). `None`, an answer without an end, only where the provider failed.
pub(in super::super) fn stop_reason(finish: Option<&Finish>, calls: bool, refused: bool) -> Option<&'static str> {
    let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason);
    let raw = finish.map_or("", |finish| finish.raw.as_str());
    Some(match reason {
        _ if refused => "refusal",
        FinishReason::ContentFilter => "refusal",
        FinishReason::ToolCalls => "tool_use",
        FinishReason::Stop if finish.is_some_and(|f| f.stop_sequence.is_some()) => "stop_sequence",
        FinishReason::Stop if calls => "tool_use",
        FinishReason::Stop => "end_turn",
        FinishReason::Length if matches!(raw, "model_context_window_exceeded" | "model_length") => {
            "model_context_window_exceeded"
        }
        FinishReason::Length => "max_tokens",
        FinishReason::Paused if raw == "pause_turn" => "pause_turn",
        // Another provider's pause cannot be resumed by a client of this dialect: for it the answer is too short.
        FinishReason::Paused => "max_tokens",
        FinishReason::Failed => return None,
    })
}

/// `stop_details` for another provider's verdict: its explanation, else its own word. Anthropic's categories are not guessed.
pub(in super::super) fn filtered(finish: Option<&Finish>, why: Option<&str>) -> Option<String> {
    let end = finish.filter(|finish| finish.reason == FinishReason::ContentFilter && finish.raw != "refusal")?;
    let mut out = Vec::new();
    let mut details = Object::begin(&mut out);
    details.text("type", "refusal");
    details.raw("category", "null");
    details.optional_text("explanation", why.or(Some(&end.raw)).filter(|text| !text.is_empty()));
    details.end();
    String::from_utf8(out).ok()
}

/// Anthropic's counts, `input_tokens` without what was read from or written to a cache, and the capacity that answered.
pub(in super::super) fn usage_members(wire: &mut Object<'_>, usage: &Usage, capacity: Option<&str>) {
    wire.count("input_tokens", usage.input_tokens);
    if usage.cache_write_5m_tokens.is_some() || usage.cache_write_1h_tokens.is_some() {
        wire.count("cache_creation_input_tokens", usage.cache_write_tokens());
    }
    if let Some(tokens) = usage.cached_input_tokens {
        wire.count("cache_read_input_tokens", tokens);
    }
    if let (Some(long), short) = (usage.cache_write_1h_tokens, usage.cache_write_5m_tokens) {
        wire.object("cache_creation", |split| {
            split.count("ephemeral_5m_input_tokens", short.unwrap_or(0));
            split.count("ephemeral_1h_input_tokens", long);
        });
    }
    wire.count("output_tokens", usage.completion_tokens());
    if let Some(tokens) = usage.reasoning_tokens {
        wire.object("output_tokens_details", |details| details.count("thinking_tokens", tokens));
    }
    if let Some(searches) = usage.web_searches {
        wire.object("server_tool_use", |tools| tools.count("web_search_requests", searches));
    }
    if let Some(capacity) = capacity {
        wire.text(tier::FIELD, capacity);
    }
}

/// Counts for an answer whose provider named none: clients of this dialect cannot do without.
pub(in super::super) fn estimated(input_tokens: u64, written_bytes: u64) -> Usage {
    Usage { input_tokens, output_tokens: written_bytes.div_ceil(4), ..Usage::default() }
}

/// The report for a member that an answer of this dialect cannot carry. Verdicts go into the `signalbox` member.
pub(in super::super) fn answer_loss(extra: &Extra) -> Option<Loss> {
    if extra.is_default || extra.is_verdict() {
        None
    } else if extra.is_source() {
        let reason = "raw under `signalbox.sources`: Anthropic cites documents and its own searches only";
        Some(Loss::converted(extra.field.clone(), reason))
    } else if extra.advisory {
        Some(Loss::advisory(extra.field.clone(), "no place in an Anthropic answer"))
    } else {
        Some(Loss::unsupported(extra.field.clone(), "no place in an Anthropic answer"))
    }
}
