//! Having a model go on from a text: the last turn of a request that is otherwise the same (`wire.md` §5). What can do so
//! exactly is data: rules of families for Claude and Gemini, profiles for servers of OpenAI's dialect.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::openai_chat::profile::{self, Prefill};
use super::{family, Dialect};
use crate::http::UpstreamRequest;
use crate::json::{quoted, Edit, Members};

/// Whether a model goes on from a text exactly; `Some(true)`: it repeats the text first.
#[must_use]
pub fn of(dialect: Dialect, profile: &str, model: &str) -> Option<bool> {
    match dialect {
        Dialect::AnthropicMessages | Dialect::Gemini => {
            (family::of(profile, model).prefill == Some(true)).then_some(false)
        }
        Dialect::OpenAiChat => match profile::of(profile).prefill {
            Prefill::None => None,
            how => Some(how == Prefill::PrefixEchoed),
        },
        Dialect::OpenAiResponses => None,
    }
}

/// Whether a request ends with words of the model's already: what would be added to them is not documented.
#[must_use]
pub fn is_given(dialect: Dialect, members: &Members<'_>) -> bool {
    #[derive(Deserialize)]
    struct Turn<'a> {
        #[serde(borrow)]
        role: Option<Cow<'a, str>>,
    }
    let turns = members.parse::<Vec<&RawValue>>(turns_of(dialect)).ok().flatten().unwrap_or_default();
    let last = turns.last().and_then(|turn| crate::json::from_str::<Turn<'_>>(turn.get()).ok());
    last.and_then(|turn| turn.role).is_some_and(|role| matches!(role.as_ref(), "assistant" | "model"))
}

/// Changes a request, written for its target, so that the target goes on from `text`; `tokens` of the bound on the answer
/// are used up. `false` where the body is not of its dialect.
#[must_use]
pub fn give(request: &mut UpstreamRequest, dialect: Dialect, profile: &str, text: &str, tokens: u64) -> bool {
    let how = if dialect == Dialect::OpenAiChat { profile::of(profile).prefill } else { Prefill::None };
    let Some(body) = with_turn(&request.body, dialect, how, text, tokens) else { return false };
    request.body = body;
    if how == Prefill::PrefixBeta && !request.url.contains("/beta/") {
        const PATH: &str = "/chat/completions";
        let base = request.url.strip_suffix(PATH).unwrap_or(&request.url);
        request.url = format!("{}/beta{PATH}", base.strip_suffix("/v1").unwrap_or(base));
    }
    true
}

fn with_turn(body: &[u8], dialect: Dialect, how: Prefill, text: &str, tokens: u64) -> Option<Vec<u8>> {
    let members = Members::read(body).ok()?;
    let name = turns_of(dialect);
    let turns = members.present(name)?.get().trim_end().strip_suffix(']')?.trim_end();
    let comma = if turns.ends_with('[') { "" } else { "," };
    let text = String::from_utf8(quoted(text)).ok()?;
    let turn = match (dialect, how) {
        (Dialect::Gemini, _) => format!(r#"{{"role":"model","parts":[{{"text":{text}}}]}}"#),
        (_, Prefill::PrefixEchoed | Prefill::PrefixBeta) => {
            format!(r#"{{"role":"assistant","content":{text},"prefix":true}}"#)
        }
        (_, Prefill::Partial) => format!(r#"{{"role":"assistant","content":{text},"partial":true}}"#),
        _ => format!(r#"{{"role":"assistant","content":{text}}}"#),
    };
    let mut edits = vec![Edit::Set(name, format!("{turns}{comma}{turn}]").into())];
    match how {
        Prefill::PrefixBeta if members.present("thinking").is_none() => {
            edits.push(Edit::Set("thinking", r#"{"type":"disabled"}"#.into()));
        }
        Prefill::Partial => edits.push(Edit::Set("enable_thinking", "false".into())),
        Prefill::ContinueFinal => {
            edits.push(Edit::Set("continue_final_message", "true".into()));
            edits.push(Edit::Set("add_generation_prompt", "false".into()));
        }
        _ => {}
    }
    if dialect == Dialect::Gemini {
        let config = members.present("generationConfig").and_then(|raw| Members::read(raw.get().as_bytes()).ok());
        if let Some((config, bound)) = config.and_then(|c| less(&c, "maxOutputTokens", tokens).map(|edit| (c, edit))) {
            edits.push(Edit::Set("generationConfig", String::from_utf8(config.edit(&[bound])).ok()?.into()));
        }
    } else {
        edits.extend(["max_tokens", "max_completion_tokens"].iter().filter_map(|name| less(&members, name, tokens)));
    }
    Some(members.edit(&edits))
}

/// A bound less what is used up of it. One token is left at least: zero is refused, or means something else.
fn less<'n>(members: &Members<'_>, name: &'n str, tokens: u64) -> Option<Edit<'n>> {
    let bound: u64 = members.parse(name).ok().flatten()?;
    Some(Edit::Set(name, bound.saturating_sub(tokens).max(1).to_string().into()))
}

fn turns_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemini => "contents",
        Dialect::OpenAiResponses => "input",
        Dialect::OpenAiChat | Dialect::AnthropicMessages => "messages",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(dialect: Dialect, profile: &str, url: &str, body: &str) -> (String, String) {
        let mut request = UpstreamRequest { url: url.into(), body: body.into(), ..UpstreamRequest::default() };
        assert!(give(&mut request, dialect, profile, "so \"far\"", 10));
        (request.url, String::from_utf8(request.body).unwrap())
    }

    /// Echo and place of the text are `wire.md` §5's; what is marked unverified there is pinned here.
    #[test]
    fn every_target_is_asked_to_go_on_in_its_own_way() {
        let chat = "https://x.example/v1/chat/completions";
        let user = r#"{"role":"user","content":"q"}"#;
        for (dialect, profile, url, body, expected) in [
            (Dialect::AnthropicMessages, "anthropic", "u", format!(r#"{{"max_tokens":64,"messages":[{user}]}}"#),
                format!(r#"{{"max_tokens":54,"messages":[{user},{{"role":"assistant","content":"so \"far\""}}]}}"#)),
            (Dialect::Gemini, "gemini", "u", r#"{"contents":[ ],"generationConfig":{"maxOutputTokens":4,"seed":1}}"#.to_owned(),
                r#"{"contents":[{"role":"model","parts":[{"text":"so \"far\""}]}],"generationConfig":{"maxOutputTokens":1,"seed":1}}"#.to_owned()),
            (Dialect::OpenAiChat, "mistral", chat, format!(r#"{{"messages":[{user}]}}"#),
                format!(r#"{{"messages":[{user},{{"role":"assistant","content":"so \"far\"","prefix":true}}]}}"#)),
            (Dialect::OpenAiChat, "deepseek", "https://x.example/beta/chat/completions", format!(r#"{{"messages":[{user}]}}"#),
                format!(r#"{{"messages":[{user},{{"role":"assistant","content":"so \"far\"","prefix":true}}],"thinking":{{"type":"disabled"}}}}"#)),
            (Dialect::OpenAiChat, "qwen", chat, format!(r#"{{"messages":[{user}],"max_tokens":30}}"#),
                format!(r#"{{"messages":[{user},{{"role":"assistant","content":"so \"far\"","partial":true}}],"max_tokens":20,"enable_thinking":false}}"#)),
            (Dialect::OpenAiChat, "vllm", chat, format!(r#"{{"messages":[{user}]}}"#),
                format!(r#"{{"messages":[{user},{{"role":"assistant","content":"so \"far\""}}],"continue_final_message":true,"add_generation_prompt":false}}"#)),
        ] {
            assert_eq!(given(dialect, profile, url, &body), (url.to_owned(), expected), "{profile}");
        }
        let beta = "https://api.deepseek.com/beta/chat/completions";
        for url in ["https://api.deepseek.com/chat/completions", "https://api.deepseek.com/v1/chat/completions"] {
            assert_eq!(given(Dialect::OpenAiChat, "deepseek", url, r#"{"messages":[]}"#).0, beta);
        }
    }

    #[test]
    fn only_what_is_documented_to_go_on_exactly_is_asked_to() {
        for (dialect, profile, model, expected) in [
            (Dialect::AnthropicMessages, "anthropic", "claude-sonnet-4-5", Some(false)),
            (Dialect::AnthropicMessages, "anthropic", "claude-opus-4-6", None),
            (Dialect::AnthropicMessages, "anthropic", "claude-next-9", None),
            (Dialect::Gemini, "gemini", "gemini-2.5-flash", Some(false)),
            (Dialect::Gemini, "gemini", "gemini-3.5-flash-lite", None),
            (Dialect::OpenAiChat, "mistral", "mistral-large", Some(true)),
            (Dialect::OpenAiChat, "deepseek", "deepseek-flash", Some(false)),
            (Dialect::OpenAiChat, "openai", "gpt-4o", None),
            (Dialect::OpenAiResponses, "openai", "gpt-4o", None),
        ] {
            assert_eq!(of(dialect, profile, model), expected, "{profile} {model}");
        }
    }

    #[test]
    fn a_text_of_the_callers_own_is_not_added_to() {
        let ends = |dialect, body: &str| is_given(dialect, &Members::read(body.as_bytes()).unwrap());
        assert!(ends(Dialect::OpenAiChat, r#"{"messages":[{"role":"user"},{"role":"assistant","content":"{"}]}"#));
        assert!(ends(Dialect::Gemini, r#"{"contents":[{"role":"model","parts":[]}]}"#));
        assert!(!ends(Dialect::AnthropicMessages, r#"{"messages":[{"role":"assistant"},{"role":"user"}]}"#));
    }
}
