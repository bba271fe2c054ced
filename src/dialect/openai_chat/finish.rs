//! Why a choice ended: the words of OpenAI and of the servers that imitate it ↔ the hub's (`wire.md` §3.1).

use crate::dialect::canonical::FinishReason;

/// Reads a `finish_reason`. Some servers end a turn of tool calls with `stop`: what the turn holds decides.
pub(super) fn decode(word: &str, called_tools: bool) -> FinishReason {
    match word.to_ascii_lowercase().as_str() {
        "length" | "model_length" | "max_tokens" | "max_output_tokens" | "model_context_window_exceeded" => {
            FinishReason::Length
        }
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "content_filtered" | "refusal" | "safety" | "recitation" | "blocklist"
        | "prohibited_content" | "spii" => FinishReason::ContentFilter,
        "error" | "insufficient_system_resource" | "abort" | "malformed_function_call" => FinishReason::Failed,
        // `stop` and the words that small servers have for it (`eos`, `end_turn`, …).
        _ if called_tools => FinishReason::ToolCalls,
        _ => FinishReason::Stop,
    }
}

/// The word for a client. A pause is an answer that is not finished, so never `stop`; a failure is OpenRouter's `error`,
/// because OpenAI has no word for it and every word that it has would make a broken answer look whole.
pub(super) fn encode(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length | FinishReason::Paused => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
        FinishReason::Failed => "error",
    }
}

/// The stop sequence in a `stop_reason` beside the choice (vLLM): a sequence, where other servers repeat an end word.
pub(super) fn stop_sequence(stop_reason: &str) -> Option<String> {
    let known =
        ["stop", "end_turn", "stop_sequence", "eos", "eos_token", "length", "max_tokens", "tool_use", "tool_calls"];
    let says_more = !stop_reason.is_empty() && !known.contains(&stop_reason);
    says_more.then(|| stop_reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_after_tool_calls_is_tool_calls_and_a_bound_stays_a_bound() {
        assert_eq!(decode("stop", true), FinishReason::ToolCalls);
        assert_eq!(decode("STOP", false), FinishReason::Stop);
        assert_eq!(decode("eos", false), FinishReason::Stop);
        assert_eq!(decode("function_call", false), FinishReason::ToolCalls);
        assert_eq!(decode("length", true), FinishReason::Length);
        assert_eq!(decode("insufficient_system_resource", false), FinishReason::Failed);
    }

    #[test]
    fn nothing_unfinished_is_told_as_stop() {
        for reason in [FinishReason::Paused, FinishReason::Failed, FinishReason::ContentFilter, FinishReason::Length] {
            assert_ne!(encode(reason), "stop");
        }
    }

    #[test]
    fn a_stop_reason_is_a_sequence_unless_it_repeats_an_end_word() {
        assert_eq!(stop_sequence("###").as_deref(), Some("###"));
        assert_eq!(stop_sequence("END").as_deref(), Some("END"));
        assert_eq!(stop_sequence("end_turn"), None);
        assert_eq!(stop_sequence(""), None);
    }
}
