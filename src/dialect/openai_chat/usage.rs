//! Token counts in the spellings of OpenAI and its imitators ↔ the hub's disjoint classes (`wire.md` §1.1, §1.5–1.8, §3.2).

use serde_json::value::RawValue;

use super::write::{is_number, Object};
use crate::dialect::canonical::Usage;
use crate::dialect::tokens;
use crate::json::Members;

/// Reads a `usage` object; `None` when it counts nothing. Of prompt and completion one may be missing: then the total says
/// it, or nobody. A total that leaves nothing for it has left it out as well.
///
/// The prompt total contains cached and written tokens, the completion total contains reasoning. Where the parts are
/// larger than the total they cannot be inside it (xAI's cached tokens): then they are taken as standing beside it. For
/// reasoning `total_tokens` decides where it is given.
pub(in crate::dialect) fn decode(raw: &RawValue) -> Option<Usage> {
    let usage = Members::read(raw.get().as_bytes()).ok()?;
    let number = |name: &str| tokens::read(usage.raw(name));
    let prompt = number("prompt_tokens").or_else(|| number("input_tokens"));
    let completion = number("completion_tokens").or_else(|| number("output_tokens"));
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let total = number("total_tokens");
    let rest = |known: Option<u64>| total?.checked_sub(known?).filter(|rest| *rest > 0);
    let (prompt, completion) = (prompt.or_else(|| rest(completion)), completion.or_else(|| rest(prompt)));
    let (input_unknown, output_unknown) = (prompt.is_none(), completion.is_none());
    let (prompt, completion) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    let inside = |names: &[&str]| {
        names.iter().find_map(|name| usage.present(name)).and_then(|raw| Members::read(raw.get().as_bytes()).ok())
    };
    let prompt_details = inside(&["prompt_tokens_details", "prompt_token_details", "input_tokens_details"]);
    let completion_details = inside(&["completion_tokens_details", "output_tokens_details"]);
    let detail = |details: &Option<Members<'_>>, name: &str| details.as_ref().and_then(|d| tokens::read(d.raw(name)));

    let cached = detail(&prompt_details, "cached_tokens").or_else(|| {
        ["num_cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"]
            .iter()
            .find_map(|n| number(n))
    });
    let (write_5m, write_1h) = cache_writes(&usage, prompt_details.as_ref());
    let apart = cached.unwrap_or(0).saturating_add(write_5m.unwrap_or(0)).saturating_add(write_1h.unwrap_or(0));

    let reasoning = detail(&completion_details, "reasoning_tokens").or_else(|| number("reasoning_tokens"));
    let thought = reasoning.unwrap_or(0);
    let contains_reasoning = match total {
        Some(total) if total == prompt.saturating_add(completion) => true,
        Some(total) if total == prompt.saturating_add(completion).saturating_add(thought) => false,
        _ => thought <= completion,
    };
    let (output, reasoning) = if contains_reasoning {
        (completion.saturating_sub(thought), reasoning.map(|thought| thought.min(completion)))
    } else {
        (completion, reasoning)
    };
    let input = prompt.checked_sub(apart).unwrap_or(prompt);
    let of_cached = prompt_details.as_ref().and_then(|details| details.present("cached_tokens_details"));
    let of_cached = of_cached.and_then(|raw| Members::read(raw.get().as_bytes()).ok());
    let cached_audio = detail(&of_cached, "audio_tokens");
    let audio = detail(&prompt_details, "audio_tokens").map(|all| all.saturating_sub(cached_audio.unwrap_or(0)));
    // OpenRouter, by its SDK's `ChatUsage`.
    let tools = inside(&["server_tool_use_details", "server_tool_use"]);
    Some(Usage {
        input_tokens: input,
        cached_input_tokens: cached,
        cache_write_5m_tokens: write_5m,
        cache_write_1h_tokens: write_1h,
        output_tokens: output,
        reasoning_tokens: reasoning,
        audio_input_tokens: audio.map(|audio| audio.min(input)),
        audio_output_tokens: detail(&completion_details, "audio_tokens").map(|audio| audio.min(output)),
        cached_audio_tokens: cached_audio.map(|audio| audio.min(cached.unwrap_or(0))),
        image_input_tokens: detail(&prompt_details, "image_tokens").map(|image| image.min(input)),
        image_output_tokens: detail(&completion_details, "image_tokens").map(|image| image.min(output)),
        web_searches: detail(&tools, "web_search_requests"),
        input_unknown,
        output_unknown,
        ..Usage::default()
    })
}

/// Whether a member of `usage` is one that [`decode`] reads, or adds up to what it reads.
pub(super) fn is_count(name: &str) -> bool {
    matches!(
        name,
        "prompt_tokens"
            | "input_tokens"
            | "completion_tokens"
            | "output_tokens"
            | "total_tokens"
            | "prompt_tokens_details"
            | "prompt_token_details"
            | "input_tokens_details"
            | "completion_tokens_details"
            | "output_tokens_details"
            | "num_cached_tokens"
            | "prompt_cache_hit_tokens"
            | "prompt_cache_miss_tokens"
            | "cached_tokens"
            | "cache_write_tokens"
            | "cache_read_input_tokens"
            | "cache_creation_input_tokens"
            | "cache_creation"
            | "reasoning_tokens"
    )
}

/// Tokens written to a cache: for at most five minutes (or unspecified), and for longer.
fn cache_writes(usage: &Members<'_>, details: Option<&Members<'_>>) -> (Option<u64>, Option<u64>) {
    let find = |name: &str| details.and_then(|d| tokens::read(d.raw(name))).or_else(|| tokens::read(usage.raw(name)));
    let total = find("cache_write_tokens").or_else(|| find("cache_creation_input_tokens"));
    // OpenAI's own names (`InputTokensDetails` of its SDK), else Anthropic's.
    let by_lifetime = ["cache_write_tokens_details", "cache_creation"]
        .iter()
        .find_map(|name| details.and_then(|d| d.present(name)).or_else(|| usage.present(name)));
    let Some(lifetimes) = by_lifetime.and_then(|raw| Members::read(raw.get().as_bytes()).ok()) else {
        return (total, None);
    };
    let lifetime = |name: &str| tokens::read(lifetimes.raw(name));
    let long = ["ephemeral_1h_input_tokens", "ephemeral_24h_input_tokens", "ttl_12h_tokens"]
        .iter()
        .filter_map(|name| lifetime(name))
        .reduce(u64::saturating_add);
    let short = lifetime("ephemeral_5m_input_tokens").or_else(|| lifetime("ttl_30m_tokens"));
    match total {
        Some(total) => (Some(total.saturating_sub(long.unwrap_or(0))), long),
        None => (short, long),
    }
}

/// Writes the members of a `usage` object. What the provider did not say is absent, not 0.
pub(super) fn encode(out: &mut Object<'_>, usage: &Usage, cost_usd: Option<&str>) {
    let (prompt, completion) = (usage.prompt_tokens(), usage.completion_tokens());
    out.number("prompt_tokens", prompt);
    out.number("completion_tokens", completion);
    out.number("total_tokens", prompt.saturating_add(completion));
    let writes = usage.cache_write_5m_tokens.or(usage.cache_write_1h_tokens).map(|_| usage.cache_write_tokens());
    let prompt_details = [
        ("cached_tokens", usage.cached_input_tokens),
        ("cache_write_tokens", writes),
        ("audio_tokens", usage.audio_input_tokens),
        ("image_tokens", usage.image_input_tokens),
    ];
    if prompt_details.iter().any(|(_, known)| known.is_some()) {
        out.object("prompt_tokens_details", |details| {
            known_numbers(details, &prompt_details);
            if usage.cache_write_1h_tokens.is_some() {
                details.object("cache_creation", |lifetimes| {
                    known_numbers(
                        lifetimes,
                        &[
                            ("ephemeral_5m_input_tokens", usage.cache_write_5m_tokens),
                            ("ephemeral_1h_input_tokens", usage.cache_write_1h_tokens),
                        ],
                    );
                });
            }
        });
    }
    let completion_details = [
        ("reasoning_tokens", usage.reasoning_tokens),
        ("audio_tokens", usage.audio_output_tokens),
        ("image_tokens", usage.image_output_tokens),
    ];
    if completion_details.iter().any(|(_, known)| known.is_some()) {
        out.object("completion_tokens_details", |details| known_numbers(details, &completion_details));
    }
    if let Some(cost) = cost_usd.filter(|cost| is_number(cost)) {
        out.raw("cost", cost);
    }
}

fn known_numbers(out: &mut Object<'_>, numbers: &[(&str, Option<u64>)]) {
    for (name, number) in numbers {
        if let Some(number) = number {
            out.number(name, *number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Usage {
        decode(&RawValue::from_string(text.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn each_spelling_of_cached_and_written_tokens_is_counted_once() {
        let cases = [
            (
                r#"{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":20}}"#,
                40,
                Some(40),
                Some(20),
                None,
            ),
            (r#"{"prompt_tokens":254,"completion_tokens":93,"num_cached_tokens":48}"#, 206, Some(48), None, None),
            (
                r#"{"prompt_tokens":50,"completion_tokens":1,"prompt_token_details":{"cached_tokens":10}}"#,
                40,
                Some(10),
                None,
                None,
            ),
            (
                r#"{"prompt_tokens":339,"completion_tokens":83,"prompt_cache_hit_tokens":320,"prompt_cache_miss_tokens":19}"#,
                19,
                Some(320),
                None,
                None,
            ),
            (
                r#"{"prompt_tokens":300,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":100,"cache_creation_input_tokens":150,"cache_type":"ephemeral"}}"#,
                50,
                Some(100),
                Some(150),
                None,
            ),
            (
                r#"{"prompt_tokens":405,"completion_tokens":71,"cache_read_input_tokens":5,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":150,"ephemeral_24h_input_tokens":50}}"#,
                100,
                Some(5),
                Some(100),
                Some(200),
            ),
            (r#"{"input_tokens":7,"output_tokens":3}"#, 7, None, None, None),
            // xAI: more cached tokens than the prompt has, so they stand beside it.
            (
                r#"{"prompt_tokens":30,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":64}}"#,
                30,
                Some(64),
                None,
                None,
            ),
        ];
        for (text, input, cached, short, long) in cases {
            let usage = read(text);
            assert_eq!(
                (
                    usage.input_tokens,
                    usage.cached_input_tokens,
                    usage.cache_write_5m_tokens,
                    usage.cache_write_1h_tokens
                ),
                (input, cached, short, long),
                "{text}"
            );
        }
    }

    #[test]
    fn sound_pictures_lifetimes_and_searches_are_kept_apart() {
        let usage = read(
            r#"{"prompt_tokens":100,"completion_tokens":40,"server_tool_use_details":{"web_search_requests":3},
                "prompt_tokens_details":{"audio_tokens":50,"image_tokens":20,"cached_tokens":30,"cache_write_tokens":9,
                    "cached_tokens_details":{"audio_tokens":25},
                    "cache_write_tokens_details":{"ttl_30m_tokens":5,"ttl_12h_tokens":4}},
                "completion_tokens_details":{"audio_tokens":8,"image_tokens":7}}"#,
        );
        assert_eq!((usage.input_tokens, usage.audio_input_tokens, usage.image_input_tokens), (61, Some(25), Some(20)));
        assert_eq!((usage.cached_input_tokens, usage.cached_audio_tokens), (Some(30), Some(25)));
        assert_eq!((usage.cache_write_5m_tokens, usage.cache_write_1h_tokens), (Some(5), Some(4)));
        assert_eq!((usage.audio_output_tokens, usage.image_output_tokens), (Some(8), Some(7)));
        assert_eq!(usage.web_searches, Some(3));
    }

    #[test]
    fn reasoning_is_taken_out_of_the_completion_exactly_when_it_is_inside() {
        let cases = [
            (
                r#"{"prompt_tokens":10,"completion_tokens":50,"total_tokens":60,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                20,
                30,
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":50,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                20,
                30,
            ),
            // Beside it: the total says so.
            (
                r#"{"prompt_tokens":10,"completion_tokens":50,"total_tokens":90,"completion_tokens_details":{"reasoning_tokens":30}}"#,
                50,
                30,
            ),
            (
                r#"{"prompt_tokens":10,"completion_tokens":9,"completion_tokens_details":{"reasoning_tokens":300}}"#,
                9,
                300,
            ),
            // Off by one inside a total that leaves no room.
            (
                r#"{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}"#,
                0,
                10,
            ),
        ];
        for (text, output, reasoning) in cases {
            let usage = read(text);
            assert_eq!((usage.output_tokens, usage.reasoning_tokens), (output, Some(reasoning)), "{text}");
        }
    }

    #[test]
    fn usage_without_counts_is_no_usage_and_unknown_classes_stay_unknown() {
        for text in ["{}", "null", "[]", "{\"prompt_tokens\":null}", "{\"cost\":1}"] {
            assert_eq!(decode(&RawValue::from_string(text.to_owned()).unwrap()), None, "{text}");
        }
        let usage = read(r#"{"prompt_tokens":5,"completion_tokens":2.0,"prompt_tokens_details":null}"#);
        assert_eq!(usage, Usage { input_tokens: 5, output_tokens: 2, ..Usage::default() });
    }

    #[test]
    fn a_half_that_nobody_counted_is_unknown_unless_the_total_tells_it() {
        for (text, prompt, completion) in [
            (r#"{"prompt_tokens":10,"completion_tokens":0}"#, Some(10), Some(0)),
            (r#"{"prompt_tokens":10,"total_tokens":15}"#, Some(10), Some(5)),
            (r#"{"completion_tokens":5,"total_tokens":15}"#, Some(10), Some(5)),
            (r#"{"prompt_tokens":10}"#, Some(10), None),
            (r#"{"prompt_tokens":10,"total_tokens":10}"#, Some(10), None),
            (r#"{"prompt_tokens":10,"total_tokens":9}"#, Some(10), None),
            (r#"{"prompt_tokens":1e30,"completion_tokens":5}"#, None, Some(5)),
            (r#"{"input_tokens":-1,"output_tokens":"5"}"#, None, Some(5)),
        ] {
            let usage = read(text);
            let known = |tokens, unknown: bool| (!unknown).then_some(tokens);
            assert_eq!(known(usage.input_tokens, usage.input_unknown), prompt, "{text}");
            assert_eq!(known(usage.output_tokens, usage.output_unknown), completion, "{text}");
            assert_eq!((usage.input_tokens, usage.output_tokens), (prompt.unwrap_or(0), completion.unwrap_or(0)));
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for usage in [
            Usage {
                input_tokens: 3,
                output_tokens: 550,
                cache_write_5m_tokens: Some(12_304),
                cached_input_tokens: Some(0),
                ..Usage::default()
            },
            Usage {
                input_tokens: 3,
                output_tokens: 5,
                cache_write_5m_tokens: Some(7),
                cache_write_1h_tokens: Some(9),
                ..Usage::default()
            },
            Usage { input_tokens: 1, cache_write_1h_tokens: Some(9), ..Usage::default() },
            Usage {
                input_tokens: 60,
                output_tokens: 10,
                cached_input_tokens: Some(40),
                reasoning_tokens: Some(30),
                audio_input_tokens: Some(1),
                audio_output_tokens: Some(2),
                ..Usage::default()
            },
            Usage { input_tokens: 9, output_tokens: 1, ..Usage::default() },
        ] {
            let mut out = Vec::new();
            let mut object = Object::begin(&mut out);
            encode(&mut object, &usage, Some("0.00012"));
            object.end();
            let text = String::from_utf8(out).unwrap();
            let again = read(&text);
            assert_eq!(
                (again.prompt_tokens(), again.completion_tokens()),
                (usage.prompt_tokens(), usage.completion_tokens()),
                "{text}"
            );
            assert_eq!(again.input_tokens, usage.input_tokens, "{text}");
            assert_eq!(again.cached_input_tokens, usage.cached_input_tokens, "{text}");
            assert_eq!(again.cache_write_1h_tokens, usage.cache_write_1h_tokens, "{text}");
            assert_eq!(again.cache_write_5m_tokens.unwrap_or(0), usage.cache_write_5m_tokens.unwrap_or(0), "{text}");
            assert!(text.ends_with(r#""cost":0.00012}"#), "{text}");
        }
    }
}
