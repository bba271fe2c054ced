//! Fields in losses by the names that the caller wrote.

use crate::dialect::canonical::{ChatRequest, Loss, Reasoning};
use crate::dialect::Dialect;

/// The hub's names (OpenAI's), Anthropic's and Google's.
const NAMES: [(&str, &str, &str); 16] = [
    ("temperature", "temperature", "generationConfig.temperature"),
    ("top_p", "top_p", "generationConfig.topP"),
    ("top_k", "top_k", "generationConfig.topK"),
    ("stop", "stop_sequences", "generationConfig.stopSequences"),
    ("n", "n", "generationConfig.candidateCount"),
    ("seed", "seed", "generationConfig.seed"),
    ("presence_penalty", "presence_penalty", "generationConfig.presencePenalty"),
    ("frequency_penalty", "frequency_penalty", "generationConfig.frequencyPenalty"),
    ("logprobs", "logprobs", "generationConfig.responseLogprobs"),
    ("tool_choice", "tool_choice", "toolConfig.functionCallingConfig"),
    ("parallel_tool_calls", "tool_choice.disable_parallel_tool_use", "toolConfig"),
    ("response_format.json_schema.schema", "output_config.format.schema", "generationConfig.responseJsonSchema"),
    ("response_format.json_schema", "output_config.format", "generationConfig.responseJsonSchema"),
    ("response_format", "output_config.format", "generationConfig.responseMimeType"),
    (EFFORT, "output_config.effort", "generationConfig.thinkingConfig"),
    ("user", "metadata.user_id", "labels"),
];

/// The hub's name of the thinking settings.
pub const EFFORT: &str = "reasoning_effort";

/// Gives losses the names of the caller's dialect; an unknown one is taken for OpenAI's.
pub fn in_callers_words(losses: &mut [Loss], request: &ChatRequest) {
    let anthropic = match request.origin {
        None | Some(Dialect::OpenAiChat) => return,
        Some(origin) => origin == Dialect::AnthropicMessages,
    };
    for loss in losses {
        if loss.field.starts_with("messages") {
            // Turns of other dialects need not be one message each, so that positions would be wrong.
            let anywhere = without_numbers(&loss.field);
            loss.field = if anthropic {
                anywhere
            } else {
                anywhere.replace("messages", "contents").replace("content[", "parts[")
            };
            continue;
        }
        if anthropic && loss.field == EFFORT && !matches!(request.reasoning, Some(Reasoning::Effort(_))) {
            loss.field = "thinking".to_owned();
            continue;
        }
        for (hub, theirs, googles) in NAMES {
            let Some(rest) = loss.field.strip_prefix(hub) else { continue };
            if rest.is_empty() || rest.starts_with(['.', '[']) {
                loss.field = format!("{}{rest}", if anthropic { theirs } else { googles });
                break;
            }
        }
    }
}

fn without_numbers(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for piece in field.split_inclusive(']') {
        match piece.split_once('[') {
            Some((name, _)) if piece.ends_with(']') => {
                out.push_str(name);
                out.push_str("[*]");
            }
            _ => out.push_str(piece),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_read_their_own_names() {
        let told = |origin, field: &str| {
            let mut losses = [Loss::unsupported(field, "x")];
            let reasoning = Some(Reasoning::Adaptive);
            in_callers_words(&mut losses, &ChatRequest { origin, reasoning, ..ChatRequest::default() });
            losses[0].field.clone()
        };
        for (hub, anthropic, gemini) in [
            ("stop", "stop_sequences", "generationConfig.stopSequences"),
            ("messages[3].content[0].arguments", "messages[*].content[*].arguments", "contents[*].parts[*].arguments"),
            ("messages", "messages", "contents"),
            (
                "response_format.json_schema.schema",
                "output_config.format.schema",
                "generationConfig.responseJsonSchema",
            ),
            ("reasoning_effort", "thinking", "generationConfig.thinkingConfig"),
            ("tools[0].strict", "tools[0].strict", "tools[0].strict"),
        ] {
            assert_eq!(told(None, hub), hub);
            assert_eq!(told(Some(Dialect::OpenAiChat), hub), hub);
            assert_eq!(told(Some(Dialect::AnthropicMessages), hub), anthropic);
            assert_eq!(told(Some(Dialect::Gemini), hub), gemini);
        }
    }
}
