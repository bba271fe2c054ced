//! Token counts (`wire.md` §1.4 "Usage"): Google counts cached tokens as prompt tokens and thoughts apart from the answer.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::types::{Int, Many, ModalityCount, UsageMetadata};
use super::write::Json;
use crate::dialect::canonical::Usage;
use crate::dialect::tier::ServiceTier;
use crate::json::Members;

/// Reads counts; `None` when the object holds none (Vertex sends it with the traffic type alone), for unknown is not 0.
///
/// Of prompt and answer one may be missing: then the total says it, or nobody. A total that leaves nothing for it has left it
/// out as well, unless there were thoughts: they alone may have been generated, and a count of 0 is left out in this JSON form.
pub fn decode(wire: &UsageMetadata<'_>) -> Option<Usage> {
    let count = |number: Option<Int>| number.and_then(Int::tokens);
    let (prompt, candidates, thoughts) = (count(wire.prompt), count(wire.candidates), count(wire.thoughts));
    if prompt.is_none() && candidates.is_none() {
        return None;
    }
    let (cached, tool_use) = (count(wire.cached), count(wire.tool_use).unwrap_or(0));
    let rest = |known: Option<u64>| {
        let rest =
            [known?, tool_use, thoughts.unwrap_or(0)].iter().try_fold(count(wire.total)?, |r, p| r.checked_sub(*p));
        rest.filter(|rest| *rest > 0 || thoughts.is_some())
    };
    let (prompt, candidates) = (prompt.or_else(|| rest(candidates)), candidates.or_else(|| rest(prompt)));
    let input_tokens = prompt.unwrap_or(0).saturating_sub(cached.unwrap_or(0)).saturating_add(tool_use);
    let output_tokens = candidates.unwrap_or(0);
    let of_input = |modality| {
        let all = sum(&[tokens(&wire.prompt_details, modality), tokens(&wire.tool_use_details, modality)])?;
        Some(all.saturating_sub(tokens(&wire.cache_details, modality).unwrap_or(0)).min(input_tokens))
    };
    let of_output = |modality| Some(tokens(&wire.candidates_details, modality)?.min(output_tokens));
    let tier = wire.rest.iter().find(|(name, _)| TIERS.contains(&name.as_ref()));
    Some(Usage {
        input_tokens,
        cached_input_tokens: cached,
        output_tokens,
        reasoning_tokens: thoughts,
        audio_input_tokens: of_input("AUDIO"),
        audio_output_tokens: of_output("AUDIO"),
        cached_audio_tokens: tokens(&wire.cache_details, "AUDIO").map(|all| all.min(cached.unwrap_or(0))),
        image_input_tokens: of_input("IMAGE"),
        image_output_tokens: of_output("IMAGE"),
        service: tier.map_or_else(ServiceTier::default, |(_, raw)| ServiceTier::of_json(raw)),
        input_unknown: prompt.is_none(),
        output_unknown: candidates.is_none(),
        ..Usage::default()
    })
}

/// Google's names for the capacity that answered: the developer API's and Vertex'.
const TIERS: [&str; 4] = ["serviceTier", "service_tier", "trafficType", "traffic_type"];

/// The searches that a candidate's `groundingMetadata` tells of. It may come again and again in a stream, each time whole.
pub fn searches(grounding: &RawValue) -> Option<u64> {
    let members = Members::read(grounding.get().as_bytes()).ok()?;
    let queries = members.present("webSearchQueries").or_else(|| members.present("web_search_queries"))?;
    let queries: Vec<IgnoredAny> = crate::json::from_str(queries.get()).ok()?;
    u64::try_from(queries.len()).ok()
}

fn tokens(details: &Option<Many<ModalityCount<'_>>>, modality: &str) -> Option<u64> {
    let Many(details) = details.as_ref()?;
    let those = details.iter().filter(|d| d.modality.as_deref().is_some_and(|m| m.eq_ignore_ascii_case(modality)));
    sum(&those.map(|d| d.tokens.and_then(Int::tokens)).collect::<Vec<_>>())
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
    fn pictures_cached_audio_and_the_capacity_that_answered_are_read() {
        let usage = read(
            r#"{"promptTokenCount":300,"cachedContentTokenCount":100,"candidatesTokenCount":1290,"serviceTier":"flex",
                "promptTokensDetails":[{"modality":"IMAGE","tokenCount":258},{"modality":"AUDIO","tokenCount":40}],
                "cacheTokensDetails":[{"modality":"IMAGE","tokenCount":60},{"modality":"AUDIO","tokenCount":40}],
                "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}"#,
        )
        .unwrap();
        assert_eq!((usage.image_input_tokens, usage.image_output_tokens), (Some(198), Some(1290)));
        assert_eq!((usage.audio_input_tokens, usage.cached_audio_tokens), (Some(0), Some(40)));
        assert_eq!(usage.service, ServiceTier::Flex);
        let on_vertex = read(r#"{"promptTokenCount":3,"trafficType":"ON_DEMAND_PRIORITY"}"#).unwrap();
        assert_eq!(on_vertex.service, ServiceTier::Priority);
        let reserved = read(r#"{"promptTokenCount":3,"trafficType":"PROVISIONED_THROUGHPUT"}"#).unwrap();
        assert_eq!(reserved.service, ServiceTier::Other);
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
