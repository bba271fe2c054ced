//! Wire shapes of answers, borrowed (`node_modules/openai/resources/responses/responses.d.ts`: `Response`,
//! `ResponseOutputItem`, `ResponseStreamEvent`). A member keeps its source text until somebody needs it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialect::openai_chat::types::{wire_object, Key};

wire_object! {
    /// A whole answer, or the state of one in an event.
    Response {
        id: &'a RawValue = "id",
        created_at: &'a RawValue = "created_at",
        status: &'a RawValue = "status",
        model: &'a RawValue = "model",
        output: Vec<&'a RawValue> = "output",
        usage: &'a RawValue = "usage",
        error: &'a RawValue = "error",
        incomplete_details: &'a RawValue = "incomplete_details",
        native_finish_reason: &'a RawValue = "native_finish_reason",
    }
    // What the request said, repeated, and what only tells when.
    rest without "object" "access_programs" "background" "completed_at" "conversation" "frequency_penalty" "image"
        "instructions" "max_output_tokens" "max_tool_calls" "metadata" "output_text" "parallel_tool_calls"
        "presence_penalty" "previous_response_id" "prompt" "prompt_cache_key" "prompt_cache_options"
        "prompt_cache_retention" "reasoning" "safety_identifier" "store" "temperature" "text" "tool_choice" "tools"
        "top_logprobs" "top_p" "truncation" "user" "signalbox"
}

wire_object! {
    /// An item of `output`.
    Item {
        kind: &'a RawValue = "type",
        content: &'a RawValue = "content",
        summary: &'a RawValue = "summary",
        encrypted_content: &'a RawValue = "encrypted_content",
        call_id: &'a RawValue = "call_id",
        id: &'a RawValue = "id",
        name: &'a RawValue = "name",
        arguments: &'a RawValue = "arguments",
        input: &'a RawValue = "input",
        result: &'a RawValue = "result",
        output_format: &'a RawValue = "output_format",
    }
    rest without "role" "status"
}

wire_object! {
    /// A part of a message or of a reasoning item.
    Piece {
        kind: &'a RawValue = "type",
        text: &'a RawValue = "text",
        refusal: &'a RawValue = "refusal",
        annotations: &'a RawValue = "annotations",
        logprobs: &'a RawValue = "logprobs",
    }
}

wire_object! {
    /// One event of a stream: the union of what its types have.
    Event {
        kind: &'a RawValue = "type",
        response: &'a RawValue = "response",
        item: &'a RawValue = "item",
        output_index: &'a RawValue = "output_index",
        content_index: &'a RawValue = "content_index",
        summary_index: &'a RawValue = "summary_index",
        delta: &'a RawValue = "delta",
        text: &'a RawValue = "text",
        refusal: &'a RawValue = "refusal",
        arguments: &'a RawValue = "arguments",
        input: &'a RawValue = "input",
        logprobs: &'a RawValue = "logprobs",
        annotation: &'a RawValue = "annotation",
        error: &'a RawValue = "error",
    }
}

/// Reads a borrowed object; `None` when it is none.
pub(super) fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    crate::json::from_str(raw.get()).ok()
}

/// The items of a list; none for other values.
pub(super) fn list(raw: Option<&RawValue>) -> Vec<&RawValue> {
    raw.and_then(read).unwrap_or_default()
}
