//! Wire shapes, borrowed from the text that is read. Members that are not named here are ignored by these shapes: who
//! must report them reads the object with [`crate::json::Members`] instead.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::canonical::{Finish, FinishReason, Usage};
use crate::dialect::tier::ServiceTier;
use crate::dialect::StreamFault;

/// A JSON string, borrowed where it holds no escapes. (`Option<Cow<str>>` alone would always be copied.)
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A token count. Servers that speak this dialect without being Anthropic also write `12.0`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count(pub(super) u64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl Visitor<'_> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of tokens")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
                Ok(Count(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(value).unwrap_or(0)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
                // A cast from float saturates.
                Ok(Count(value as u64))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// `usage` of a message, of `message_start` or of `message_delta`: cumulative, later members replace earlier ones.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct WireUsage<'a> {
    input_tokens: Option<Count>,
    cache_creation_input_tokens: Option<Count>,
    cache_read_input_tokens: Option<Count>,
    cache_creation: Option<CacheCreation>,
    output_tokens: Option<Count>,
    output_tokens_details: Option<OutputDetails>,
    #[serde(borrow)]
    server_tool_use: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    speed: Option<&'a RawValue>,
    #[serde(borrow)]
    inference_geo: Option<&'a RawValue>,
    #[serde(borrow)]
    iterations: Option<&'a RawValue>,
}

/// Fetches of pages stand here too, and cost nothing but their tokens.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct ServerTools {
    web_search_requests: Option<Count>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<Count>,
    ephemeral_1h_input_tokens: Option<Count>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<Count>,
}

#[derive(Debug, Default, Deserialize)]
struct Iteration<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Text<'a>>,
    input_tokens: Option<Count>,
    cache_creation_input_tokens: Option<Count>,
    cache_read_input_tokens: Option<Count>,
    output_tokens: Option<Count>,
}

impl WireUsage<'_> {
    /// Takes what is said here into what was known before (`wire.md` §1.3 "Usage", trap 20: replace, never add).
    pub(super) fn merge_into(&self, usage: &mut Usage) {
        let extra = self.compaction();
        if let Some(Count(tokens)) = self.input_tokens {
            usage.input_tokens = tokens.saturating_add(extra.input_tokens);
        }
        if let Some(Count(tokens)) = self.cache_read_input_tokens {
            usage.cached_input_tokens = Some(tokens.saturating_add(extra.cached_input_tokens.unwrap_or(0)));
        }
        self.merge_cache_writes(usage, extra.cache_write_tokens());
        if let Some(Count(total)) = self.output_tokens {
            let thinking = self.output_tokens_details.and_then(|d| d.thinking_tokens).map(|Count(tokens)| tokens);
            usage.reasoning_tokens = thinking.or(usage.reasoning_tokens);
            let visible = total.saturating_sub(usage.reasoning_tokens.unwrap_or(0));
            usage.output_tokens = visible.saturating_add(extra.output_tokens);
        }
        let tools = self.server_tool_use.and_then(|raw| crate::json::from_str::<ServerTools>(raw.get()).ok());
        if let Some(Count(searches)) = tools.and_then(|tools| tools.web_search_requests) {
            usage.web_searches = Some(searches);
        }
        if let Some(service) = self.service() {
            usage.service = service;
        }
    }

    /// What the answer is charged as (`service_tier`, `speed` and `inference_geo` of the SDK's `Usage`). Fast answers have
    /// prices of their own; those made in the United States by request cost a tenth more, for which no table has a price.
    fn service(&self) -> Option<ServiceTier> {
        match (self.speed.map(RawValue::get), self.inference_geo.map(RawValue::get)) {
            (_, Some("\"us\"")) => Some(ServiceTier::Other),
            (Some("\"fast\""), _) => Some(ServiceTier::Fast),
            _ => self.service_tier.map(ServiceTier::of_json),
        }
    }

    /// The split by lifetime comes only at the start of a stream; later events repeat the total alone.
    fn merge_cache_writes(&self, usage: &mut Usage, extra: u64) {
        let total = self.cache_creation_input_tokens.map(|Count(tokens)| tokens.saturating_add(extra));
        if let Some(split) = self.cache_creation {
            let long = split.ephemeral_1h_input_tokens.map(|Count(tokens)| tokens);
            let short = split.ephemeral_5m_input_tokens.map(|Count(tokens)| tokens);
            if long.is_some() || short.is_some() {
                let sum = long.unwrap_or(0).saturating_add(short.unwrap_or(0));
                let rest = total.unwrap_or(sum).saturating_sub(sum);
                usage.cache_write_5m_tokens = Some(short.unwrap_or(0).saturating_add(rest));
                usage.cache_write_1h_tokens = long;
                return;
            }
        }
        if let Some(total) = total {
            let known = usage.cache_write_5m_tokens.is_some() || usage.cache_write_1h_tokens.is_some();
            if !known || usage.cache_write_tokens() != total {
                let long = usage.cache_write_1h_tokens.map(|tokens| tokens.min(total));
                usage.cache_write_5m_tokens = Some(total.saturating_sub(long.unwrap_or(0)));
                usage.cache_write_1h_tokens = long;
            }
        }
    }

    /// Tokens of server-side compaction. They are billed like the rest and stand only in `iterations`; advisor calls
    /// stand there too, but another model answered them, so they cannot be counted under this one.
    fn compaction(&self) -> Usage {
        let mut sum = Usage::default();
        let Some(list) = self.iterations else { return sum };
        let Ok(list) = crate::json::from_str::<Vec<Iteration<'_>>>(list.get()) else { return sum };
        let plus = |sum: u64, count: Option<Count>| sum.saturating_add(count.unwrap_or_default().0);
        for one in list.iter().filter(|one| one.kind.as_ref().is_some_and(|kind| kind.as_str() == "compaction")) {
            let cached = plus(sum.cached_input_tokens.unwrap_or(0), one.cache_read_input_tokens);
            let written = plus(sum.cache_write_tokens(), one.cache_creation_input_tokens);
            sum.input_tokens = plus(sum.input_tokens, one.input_tokens);
            sum.cached_input_tokens = Some(cached);
            sum.cache_write_5m_tokens = Some(written);
            sum.output_tokens = plus(sum.output_tokens, one.output_tokens);
        }
        sum
    }
}

/// One event of a stream, every kind in one shape: members of other kinds are simply absent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// `message` of `message_start`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StartedMessage<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

/// `delta` of `content_block_delta` and of `message_delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) partial_json: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) citation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop_reason: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) stop_sequence: Option<Text<'a>>,
}

/// A content block of a kind that the hub knows; [`Kind`] tells which.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

/// Only the type of a block or delta, for those whose other members we cannot vouch for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Text<'a>>,
}

/// Why an answer ended, in the hub's words (`wire.md` §3.1).
pub(super) fn finish(stop_reason: &str, stop_sequence: Option<&str>) -> Finish {
    let reason = match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        "pause_turn" | "compaction" => FinishReason::Paused,
        _ => FinishReason::Stop,
    };
    Finish { reason, raw: stop_reason.to_owned(), stop_sequence: stop_sequence.map(str::to_owned) }
}

/// A kind that is not known may use known names for other things; a known one may not. The unknown kind.
pub(super) fn unknown_or_malformed(text: &[u8], error: &serde_json::Error) -> Result<String, StreamFault> {
    const KNOWN: [&str; 12] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
        "text_delta",
        "thinking_delta",
        "signature_delta",
        "input_json_delta",
        "citations_delta",
    ];
    let kind = crate::json::from_slice::<Kind<'_>>(text).ok().and_then(|kind| kind.kind);
    match kind {
        Some(kind) if !KNOWN.contains(&kind.as_str()) => Ok(kind.0.into_owned()),
        _ => Err(StreamFault::Malformed(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(texts: &[&str]) -> Usage {
        let mut usage = Usage::default();
        for text in texts {
            serde_json::from_str::<WireUsage<'_>>(text).unwrap().merge_into(&mut usage);
        }
        usage
    }

    #[test]
    fn later_usage_replaces_earlier_and_keeps_what_it_does_not_repeat() {
        let usage = merged(&[
            r#"{"input_tokens":27,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}"#,
            r#"{"input_tokens":27,"cache_creation_input_tokens":30,"cache_read_input_tokens":null,"output_tokens":90,"output_tokens_details":{"thinking_tokens":40}}"#,
        ]);
        assert_eq!((usage.input_tokens, usage.cached_input_tokens), (27, Some(5)));
        assert_eq!((usage.cache_write_5m_tokens, usage.cache_write_1h_tokens), (Some(10), Some(20)));
        assert_eq!((usage.output_tokens, usage.reasoning_tokens), (50, Some(40)));
        assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (62, 90));
    }

    #[test]
    fn a_cache_write_without_a_split_is_a_short_one() {
        let usage = merged(&[
            r#"{"input_tokens":3,"cache_creation_input_tokens":12304,"cache_read_input_tokens":0,"output_tokens":550}"#,
        ]);
        assert_eq!((usage.prompt_tokens(), usage.cached_input_tokens), (12307, Some(0)));
        assert_eq!((usage.cache_write_5m_tokens, usage.cache_write_1h_tokens), (Some(12304), None));
        assert_eq!(usage.reasoning_tokens, None, "what the provider did not say is not zero");
    }

    #[test]
    fn compaction_is_counted_and_an_advisor_is_not() {
        let usage = merged(&[
            r#"{"input_tokens":900,"output_tokens":1}"#,
            r#"{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":20,"iterations":[
                {"type":"compaction","input_tokens":900,"output_tokens":50,"cache_read_input_tokens":6},
                {"type":"message","input_tokens":10,"output_tokens":20},
                {"type":"advisor_message","input_tokens":7777,"output_tokens":7777}]}"#,
        ]);
        assert_eq!((usage.input_tokens, usage.cached_input_tokens, usage.output_tokens), (910, Some(10), 70));
    }

    #[test]
    fn what_the_answer_is_charged_as_is_read_with_its_searches() {
        for (said, service) in [
            (r#""service_tier":"standard","inference_geo":"global","speed":"standard""#, ServiceTier::Standard),
            (r#""service_tier":null,"speed":null,"inference_geo":null"#, ServiceTier::Standard),
            (r#""service_tier":"batch""#, ServiceTier::Batch),
            (r#""service_tier":"priority""#, ServiceTier::Priority),
            (r#""service_tier":"standard","speed":"fast""#, ServiceTier::Fast),
            (r#""service_tier":"standard","inference_geo":"us""#, ServiceTier::Other),
            (r#""service_tier":7,"server_tool_use":[]"#, ServiceTier::Standard),
        ] {
            let usage = merged(&[&format!("{{{said},\"input_tokens\":3,\"output_tokens\":1}}")]);
            assert_eq!((usage.service, usage.web_searches), (service, None), "{said}");
        }
        let usage = merged(&[
            r#"{"input_tokens":3,"output_tokens":1,"service_tier":"batch","server_tool_use":{"web_search_requests":0}}"#,
            r#"{"output_tokens":9,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":5}}"#,
        ]);
        assert_eq!((usage.web_searches, usage.service), (Some(2), ServiceTier::Batch), "cumulative, like the tokens");
    }

    #[test]
    fn counts_written_as_floats_are_read() {
        assert_eq!(merged(&[r#"{"input_tokens":12.0,"output_tokens":3.0}"#]).prompt_tokens(), 12);
    }
}
