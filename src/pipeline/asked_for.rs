//! How a caller wants its answer, as its spans tell it: numbers only. Read when the request is over, and only where its spans are
//! exported.

use serde::Deserialize;

use crate::dialect::view::View;
use crate::dialect::Dialect;
use crate::json::Members;
use crate::telemetry::record::Parameters;

/// What the request names; what it leaves to its provider is not told.
#[must_use]
pub fn parameters(dialect: Dialect, view: &View<'_>) -> Parameters {
    let members = &view.members;
    let inner = if dialect == Dialect::Gemini { generation(members) } else { None };
    let members = inner.as_ref().unwrap_or(members);
    let modalities =
        ["modalities", "responseModalities", "response_modalities"].iter().find_map(|name| members.present(name));
    let gives = |word: &str| modalities.is_some_and(|list| list.get().to_ascii_lowercase().contains(word));
    Parameters {
        max_tokens: view.max_output_tokens,
        temperature: named(members, ["temperature", "temperature"]),
        top_p: named(members, ["top_p", "topP"]),
        top_k: named(members, ["top_k", "topK"]),
        seed: named(members, ["seed", "seed"]),
        frequency_penalty: named(members, ["frequency_penalty", "frequencyPenalty"]),
        presence_penalty: named(members, ["presence_penalty", "presencePenalty"]),
        choices: named(members, ["n", "candidateCount"])
            .or_else(|| named(members, ["candidate_count", "candidateCount"])),
        output: match () {
            () if gives("\"audio\"") => Some("speech"),
            () if gives("\"image\"") => Some("image"),
            () if view.needs.json_object || view.needs.json_schema => Some("json"),
            () => None,
        },
    }
}

/// Gemini's options stand in a member of their own, under either of its names.
fn generation<'m>(members: &Members<'m>) -> Option<Members<'m>> {
    let found = members.present("generationConfig").or_else(|| members.present("generation_config"))?;
    Members::read(found.get().as_bytes()).ok()
}

/// A member under one of its names; what is none of its type is the provider's to complain of.
fn named<'m, T: Deserialize<'m>>(members: &Members<'m>, names: [&str; 2]) -> Option<T> {
    names.into_iter().find_map(|name| members.parse(name).ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_dialects_options_are_told_by_the_same_names_and_only_those_that_are_there() {
        let all = Parameters {
            max_tokens: Some(9),
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(4.0),
            seed: Some(7),
            frequency_penalty: Some(0.25),
            presence_penalty: Some(-1.0),
            choices: Some(2),
            output: Some("json"),
        };
        let none = Parameters::default();
        let openai = Parameters { top_k: None, ..all };
        let sampling =
            Parameters { temperature: all.temperature, top_p: all.top_p, max_tokens: all.max_tokens, ..none };
        for (dialect, body, expected) in [
            (
                Dialect::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":9,"temperature":0.5,"top_p":0.9,"seed":7,"frequency_penalty":0.25,"presence_penalty":-1,"n":2,"response_format":{"type":"json_object"},"stop":["CANARY"]}"#,
                openai,
            ),
            (
                Dialect::OpenAiResponses,
                r#"{"model":"m","input":"x","max_output_tokens":9,"temperature":0.5,"top_p":0.9}"#,
                sampling,
            ),
            (
                Dialect::AnthropicMessages,
                r#"{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":9,"temperature":0.5,"top_p":0.9,"top_k":4}"#,
                Parameters { top_k: Some(4.0), ..sampling },
            ),
            (
                Dialect::Gemini,
                r#"{"contents":[{"parts":[{"text":"x"}]}],"generationConfig":{"maxOutputTokens":9,"temperature":0.5,"topP":0.9,"topK":4,"seed":7,"frequencyPenalty":0.25,"presencePenalty":-1,"candidateCount":2,"responseMimeType":"application/json"}}"#,
                all,
            ),
            (
                Dialect::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":"x"}],"modalities":["text","audio"],"audio":{}}"#,
                Parameters { output: Some("speech"), ..none },
            ),
            (
                Dialect::Gemini,
                r#"{"contents":[{"parts":[{"text":"x"}]}],"generation_config":{"response_modalities":["TEXT","IMAGE"]}}"#,
                Parameters { output: Some("image"), ..none },
            ),
            (
                Dialect::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":"x"}],"temperature":null}"#,
                none,
            ),
        ] {
            let view = dialect.view(body.as_bytes()).unwrap();
            assert_eq!(parameters(dialect, &view), expected, "{body}");
        }
    }
}
