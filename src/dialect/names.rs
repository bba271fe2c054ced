//! Fields in losses by the names that the caller wrote.

use super::canonical::{ChatRequest, Loss, Part, Reasoning, Role, Turn};
use super::{custom, openai_responses, Dialect};

/// The hub's names (OpenAI's), Anthropic's and Google's.
const NAMES: [(&str, &str, &str); 17] = [
    ("max_tokens", "max_tokens", "generationConfig.maxOutputTokens"),
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
pub(super) const EFFORT: &str = "reasoning_effort";

/// Why a bound of 0 cannot be said elsewhere.
pub(super) const NO_ANSWER: &str = "a bound of 0 asks for no answer, only that Anthropic's prompt cache be filled";

/// Whether a request of another dialect bounds its answer to nothing (`wire.md` §1.3 "Request"): Anthropic's callers fill a
/// prompt cache so, and nobody else has a call for that.
pub(super) fn wants_no_answer(request: &ChatRequest, target: Dialect) -> bool {
    request.max_output_tokens == Some(0) && request.origin.is_some_and(|origin| origin != target)
}

/// How one call at a time is had of a model that cannot be asked for it: [`ChatResponse::keep_first_calls`].
///
/// [`ChatResponse::keep_first_calls`]: super::canonical::ChatResponse::keep_first_calls
pub(super) const FIRST_CALL: &str = "cannot be asked for here: of several calls in a turn the first is passed on";

/// Gives losses the names of the caller's dialect; an unknown one is taken for OpenAI's.
pub(super) fn in_callers_words(losses: &mut [Loss], request: &ChatRequest) {
    let anthropic = match request.origin {
        None | Some(Dialect::OpenAiChat) => {
            for loss in losses {
                loss.field = place_in_chat(&loss.field, request).unwrap_or(std::mem::take(&mut loss.field));
            }
            return;
        }
        Some(Dialect::OpenAiResponses) => return openai_responses::request::in_callers_words(losses),
        Some(origin) => origin == Dialect::AnthropicMessages,
    };
    for loss in losses {
        if loss.field.starts_with("messages") {
            // Turns of other dialects need not be one message each, so that positions would be wrong.
            let anywhere = place_in_system(&loss.field, request).unwrap_or_else(|| without_numbers(&loss.field));
            loss.field = if anthropic {
                let named = anywhere.replace(".file.filename", ".title");
                named.replace(".image_url.detail", ".transformations.oversized_image")
            } else {
                let named = anywhere.replace(".file.filename", ".inlineData.displayName");
                named.replace("messages", "contents").replace("content[", "parts[")
            };
            continue;
        }
        if anthropic && loss.field == EFFORT && !matches!(request.reasoning, Some(Reasoning::Effort(_))) {
            loss.field = "thinking".to_owned();
            continue;
        }
        if let Some((tool, rest)) = loss.field.split_once(".function.").filter(|(tool, _)| tool.starts_with("tools[")) {
            loss.field = if anthropic {
                format!("{tool}.{}", rest.replace("parameters", "input_schema"))
            } else {
                format!("tools[*].functionDeclarations[*].{rest}")
            };
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

/// The place of a part of the instructions, which stand apart from the messages in some dialects and are the first turn here.
pub(super) fn place_in_system(field: &str, request: &ChatRequest) -> Option<String> {
    let inside = field.strip_prefix("messages[0]")?;
    let name = match request.origin? {
        _ if request.turns.first()?.role != Role::System => return None,
        Dialect::AnthropicMessages => "system",
        Dialect::Gemini if inside.is_empty() => "systemInstruction",
        Dialect::Gemini => "systemInstruction.parts",
        _ => return None,
    };
    Some(format!("{name}{}", inside.strip_prefix(".content").unwrap_or(inside)))
}

/// The place of a turn's part in a chat message, where the hub's `messages[1].content[2]` is not it: thoughts, calls and
/// refusals are members of their own there.
pub(super) fn place_in_chat(field: &str, request: &ChatRequest) -> Option<String> {
    let (turn, inside) = field.strip_prefix("messages[")?.split_once("].content[")?;
    let (part, rest) = inside.split_once(']')?;
    let Turn { role, parts } = request.turns.get(turn.parse::<usize>().ok()?)?;
    let at: usize = part.parse().ok()?;
    let is_call = |part: &Part| matches!(part, Part::ToolCall(_)) || custom::is_call(part);
    let is_made = |part: &Part| *role == Role::Assistant && matches!(part, Part::Image(_));
    let is_beside = |part: &Part| match part {
        Part::Reasoning(_) | Part::Refusal(_) => true,
        Part::Image(_) => is_made(part),
        Part::Native { kind, .. } => kind == "audio" || custom::is_call(part),
        part => is_call(part),
    };
    let before = || parts.iter().take(at);
    let member = match parts.get(at)? {
        part if is_call(part) => format!("tool_calls[{}]", before().filter(|part| is_call(part)).count()),
        part if is_made(part) => format!("images[{}]", before().filter(|part| is_made(part)).count()),
        Part::Reasoning(_) => "reasoning_content".to_owned(),
        Part::Refusal(_) => "refusal".to_owned(),
        Part::Native { kind, .. } if kind == "audio" => "audio".to_owned(),
        Part::ToolResult(_) => "content".to_owned(),
        _ => format!("content[{}]", before().filter(|part| !is_beside(part)).count()),
    };
    let inside = if rest == ".arguments" { ".function" } else { "" };
    Some(format!("messages[{turn}].{member}{inside}{rest}"))
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
            ("tools[0].function.strict", "tools[0].strict", "tools[*].functionDeclarations[*].strict"),
            (
                "tools[1].function.parameters.anyOf",
                "tools[1].input_schema.anyOf",
                "tools[*].functionDeclarations[*].parameters.anyOf",
            ),
        ] {
            assert_eq!(told(None, hub), hub);
            assert_eq!(told(Some(Dialect::OpenAiChat), hub), hub);
            assert_eq!(told(Some(Dialect::AnthropicMessages), hub), anthropic);
            assert_eq!(told(Some(Dialect::Gemini), hub), gemini);
        }
    }

    #[test]
    fn instructions_stand_where_the_caller_wrote_them() {
        let turns = vec![Turn { role: Role::System, parts: Vec::new() }];
        for (origin, whole, part) in [
            (Dialect::AnthropicMessages, "system", "system[1]"),
            (Dialect::Gemini, "systemInstruction", "systemInstruction.parts[1]"),
            (Dialect::OpenAiResponses, "input[*]", "input[*].content[*]"),
        ] {
            let request = ChatRequest { origin: Some(origin), turns: turns.clone(), ..ChatRequest::default() };
            let mut losses = ["messages[0]", "messages[0].content[1]"].map(|field| Loss::unsupported(field, "x"));
            in_callers_words(&mut losses, &request);
            assert_eq!(losses.map(|loss| loss.field), [whole, part]);
        }
    }
}
