//! Requests: wire ↔ canonical.

mod contents;
mod decode;
mod encode;
pub(super) mod locate;
mod media;
mod options;
mod passed;

pub use decode::decode;
pub use encode::encode;

use serde_json::value::RawValue;

use super::types::GenerationConfig;
use crate::dialect::canonical::ChatRequest;

/// The form of answer that a generation config asks for.
pub(super) enum Wanted<'a> {
    /// Some JSON.
    Object,
    /// JSON that fits a schema: the schema, and whether it is in the OpenAPI notation.
    Schema(&'a RawValue, bool),
}

/// Reads the four ways of asking for JSON; `None` = text.
pub(super) fn wanted_format<'a>(config: &GenerationConfig<'a>) -> Option<Wanted<'a>> {
    let text = config.format.iter().flat_map(|list| &list.0).find_map(|format| format.text.as_ref());
    let newer = text.and_then(|text| text.schema).map(|schema| Wanted::Schema(schema, false));
    let json = config.json_schema.map(|schema| Wanted::Schema(schema, false));
    let openapi = config.openapi_schema.map(|schema| Wanted::Schema(schema, true));
    let mime = config.mime.as_deref().or_else(|| text.and_then(|text| text.mime.as_deref()));
    let object = mime.is_some_and(|mime| {
        mime.eq_ignore_ascii_case("application/json") || mime.eq_ignore_ascii_case("APPLICATION_JSON")
    });
    newer.or(json).or(openapi).or(object.then_some(Wanted::Object))
}

/// Whether a Gemini client wants to be shown thoughts (`includeThoughts`); for `ReplyContext::hide_reasoning`.
#[must_use]
pub fn shows_thoughts(request: &ChatRequest) -> bool {
    let include = "generationConfig.thinkingConfig.includeThoughts";
    request.extras.iter().any(|extra| extra.field == include && extra.value.get() == "true")
}

#[cfg(test)]
mod tests;
