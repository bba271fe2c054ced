//! Token counts (`wire.md` §1.4 "Usage"): Google counts cached tokens as prompt tokens and thoughts apart from the answer.

use super::types::{Int, Many, ModalityCount, UsageMetadata};
use super::write::Json;
use crate::dialect::canonical::Usage;

/// Reads counts; `None` when the object holds none (Vertex sends it with the traffic type alone), for unknown is not 0.
pub fn decode(wire: &UsageMetadata<'_>) -> Option<Usage> {
    if wire.prompt.is_none() && wire.candidates.is_none() && wire.total.is_none() {
        return None;
    }
    let count = |number: Option<Int>| number.map_or(0, Int::count);
    let (prompt, tool_use, thoughts) = (count(wire.prompt), count(wire.tool_use), count(wire.thoughts));
    let cached = wire.cached.map(Int::count);
    let input_tokens = prompt.saturating_sub(cached.unwrap_or(0)).saturating_add(tool_use);
    // A missing count is 0 in this JSON form, unless the total knows better.
    let output_tokens = match wire.candidates {
        Some(candidates) => candidates.count(),
        None => [prompt, tool_use, thoughts].iter().fold(count(wire.total), |rest, part| rest.saturating_sub(*part)),
    };
    let audio_in = sum(&[audio(&wire.prompt_details), audio(&wire.tool_use_details)])
        .map(|all| all.saturating_sub(audio(&wire.cache_details).unwrap_or(0)).min(input_tokens));
    Some(Usage {
        input_tokens,
        cached_input_tokens: cached,
        output_tokens,
        reasoning_tokens: wire.thoughts.map(Int::count),
        audio_input_tokens: audio_in,
        audio_output_tokens: audio(&wire.candidates_details).map(|all| all.min(output_tokens)),
        ..Usage::default()
    })
}

fn audio(details: &Option<Many<ModalityCount<'_>>>) -> Option<u64> {
    let Many(details) = details.as_ref()?;
    let audio = details.iter().filter(|d| d.modality.as_deref().is_some_and(|m| m.eq_ignore_ascii_case("AUDIO")));
    sum(&audio.map(|d| d.tokens.map(Int::count)).collect::<Vec<_>>())
}

/// The sum of what is known; `None` when nothing is.
fn sum(counts: &[Option<u64>]) -> Option<u64> {
    counts.iter().flatten().fold(None, |all, count| Some(all.unwrap_or(0_u64).saturating_add(*count)))
}

/// Writes the `usageMetadata` object, with Google's word for the capacity that answered. Tokens written to a cache are prompt tokens here: Google has no count for them.
pub fn encode(usage: &Usage, capacity: Option<&str>, out: &mut Vec<u8>) {
    let mut wire = Json::object(out);
    let (prompt, thoughts) = (usage.prompt_tokens(), usage.reasoning_tokens);
    wire.value("promptTokenCount", prompt);
    if let Some(cached) = usage.cached_input_tokens {
        wire.value("cachedContentTokenCount", cached);
    }
    wire.value("candidatesTokenCount", usage.output_tokens);
    if let Some(thoughts) = thoughts {
        wire.value("thoughtsTokenCount", thoughts);
    }
    wire.value("totalTokenCount", prompt.saturating_add(usage.completion_tokens()));
    if let Some(capacity) = capacity {
        wire.text("serviceTier", capacity);
    }
    for (name, audio, all) in [
        ("promptTokensDetails", usage.audio_input_tokens, prompt),
        ("candidatesTokensDetails", usage.audio_output_tokens, usage.output_tokens),
    ] {
        let Some(audio) = audio else { continue };
        let mut details = wire.array_in(name);
        for (modality, count) in [("AUDIO", audio), ("TEXT", all.saturating_sub(audio))] {
            let mut entry = details.object_item();
            entry.text("modality", modality);
            entry.value("tokenCount", count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Usage> {
        decode(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn cached_tokens_are_part_of_the_prompt_and_thoughts_are_not_part_of_the_answer() {
        let usage = read(
            r#"{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":10,"thoughtsTokenCount":30}"#,
        )
        .unwrap();
        assert_eq!((usage.prompt_tokens(), usage.cached_input_tokens), (100, Some(40)));
        assert_eq!((usage.completion_tokens(), usage.reasoning_tokens), (40, Some(30)));
    }

    #[test]
    fn tokens_that_tools_put_into_the_prompt_are_charged_as_prompt() {
        let usage = read(
            r#"{"promptTokenCount":"70","toolUsePromptTokenCount":390,"candidatesTokenCount":31,"totalTokenCount":491}"#,
        );
        assert_eq!(usage.unwrap().prompt_tokens(), 460);
    }

    #[test]
    fn no_count_is_not_zero() {
        assert_eq!(read(r#"{"trafficType":"ON_DEMAND"}"#), None);
        let usage = read(r#"{"promptTokenCount":14,"totalTokenCount":20}"#).unwrap();
        assert_eq!((usage.output_tokens, usage.cached_input_tokens, usage.reasoning_tokens), (6, None, None));
    }

    #[test]
    fn audio_that_came_from_the_cache_is_not_charged_as_fresh_audio() {
        let usage = read(
            r#"{"promptTokenCount":300,"cachedContentTokenCount":100,"candidatesTokenCount":9,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":120},{"modality":"AUDIO","tokenCount":180}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":100}],
                "candidatesTokensDetails":[{"modality":"AUDIO","tokenCount":7}]}"#,
        )
        .unwrap();
        assert_eq!((usage.audio_input_tokens, usage.audio_output_tokens), (Some(80), Some(7)));
    }

    #[test]
    fn counts_survive_a_round_trip() {
        let usage = Usage {
            input_tokens: 60,
            cached_input_tokens: Some(40),
            output_tokens: 10,
            reasoning_tokens: Some(30),
            audio_input_tokens: Some(5),
            audio_output_tokens: Some(2),
            ..Usage::default()
        };
        let mut out = Vec::new();
        encode(&usage, None, &mut out);
        assert_eq!(read(std::str::from_utf8(&out).unwrap()), Some(usage));
    }
}
