//! Why an answer ended, in Google's words and in the hub's (`wire.md` §3.1).

use crate::dialect::canonical::{Finish, FinishReason};

/// A finish reason in the hub's words; `None` where the provider has not said yet. `STOP` stands for both an end and a
/// wait for tool results, so the caller says whether functions were called. Reasons that are not known here count as
/// failures: an unknown end is no success.
pub fn decode(raw: &str, called: bool) -> Option<Finish> {
    let reason = match raw {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" if called => FinishReason::ToolCalls,
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "CONTINUATION" => FinishReason::Paused,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        _ => FinishReason::Failed,
    };
    Some(Finish { reason, raw: raw.to_owned(), stop_sequence: None })
}

/// The end of an answer that was refused.
pub fn blocked(reason: &str) -> Finish {
    Finish { reason: FinishReason::ContentFilter, raw: reason.to_owned(), stop_sequence: None }
}

/// Whether a finish reason is an end: there is one, and it does not ask for a continuation.
pub fn is_final(raw: &str) -> bool {
    !matches!(raw, "" | "FINISH_REASON_UNSPECIFIED" | "CONTINUATION")
}

/// Google's word for an end.
pub fn encode(finish: &Finish) -> &str {
    // What Google said itself is said again.
    if decode(&finish.raw, finish.reason == FinishReason::ToolCalls).is_some_and(|known| {
        known.reason == finish.reason
            && (known.reason != FinishReason::Failed || GOOGLE_FAILURES.contains(&&*finish.raw))
    }) {
        return &finish.raw;
    }
    match finish.reason {
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
        FinishReason::Length => "MAX_TOKENS",
        FinishReason::ContentFilter => "SAFETY",
        // A continuation would need Google's token, so that a pause that reaches a Gemini client is a failure there.
        FinishReason::Paused | FinishReason::Failed => "OTHER",
    }
}

/// How an answer ended, for Google's clients. OpenAI ends a refusal as any other answer and tells it by its part
/// (`wire.md` §1.1 "finish_reason"), for which there is no place here: so the end says it.
pub fn told(finish: Option<&Finish>, refused: bool) -> Option<Finish> {
    match finish {
        Some(end) if !refused || end.reason != FinishReason::Stop => Some(end.clone()),
        None if !refused => None,
        _ => Some(blocked("refusal")),
    }
}

/// Google's word for the end of a whole answer. Servers that end without a reason end all the same, and a Gemini client
/// takes an answer without one for broken off.
pub fn encode_end(finish: Option<&Finish>) -> &str {
    finish.map_or("STOP", encode)
}

/// Reasons that Gemini clients know and that are no success.
const GOOGLE_FAILURES: [&str; 10] = [
    "LANGUAGE",
    "OTHER",
    "MALFORMED_FUNCTION_CALL",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "PUP_LIMITED_DISABLED",
    "IMAGE_OTHER",
    "NO_IMAGE",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_after_a_call_waits_for_tool_results() {
        assert_eq!(decode("STOP", true).unwrap().reason, FinishReason::ToolCalls);
        assert_eq!(decode("STOP", false).unwrap().reason, FinishReason::Stop);
        assert_eq!(decode("MAX_TOKENS", true).unwrap().reason, FinishReason::Length);
    }

    #[test]
    fn no_failure_and_no_pause_looks_like_an_end() {
        for raw in GOOGLE_FAILURES.iter().chain(&["SOMETHING_NEW"]) {
            assert_eq!(decode(raw, false).unwrap().reason, FinishReason::Failed, "{raw}");
        }
        assert_eq!(decode("CONTINUATION", false).unwrap().reason, FinishReason::Paused);
        assert!(!is_final("CONTINUATION") && !is_final("FINISH_REASON_UNSPECIFIED") && is_final("OTHER"));
        assert_eq!(decode("FINISH_REASON_UNSPECIFIED", false), None);
    }

    #[test]
    fn a_refusal_never_ends_as_an_answer_does() {
        let end = |reason| Finish { reason, raw: "stop".to_owned(), stop_sequence: None };
        for finish in [None, Some(end(FinishReason::Stop))] {
            assert_eq!(encode_end(told(finish.as_ref(), true).as_ref()), "SAFETY");
            assert_eq!(told(finish.as_ref(), false), finish);
        }
        let cut = end(FinishReason::Length);
        assert_eq!(told(Some(&cut), true), Some(cut), "what else ended it is said");
    }

    #[test]
    fn every_reason_is_said_in_googles_words() {
        let said = |reason, raw: &str| encode(&Finish { reason, raw: raw.to_owned(), stop_sequence: None }).to_owned();
        assert_eq!(said(FinishReason::ToolCalls, "tool_use"), "STOP");
        assert_eq!(said(FinishReason::ContentFilter, "PROHIBITED_CONTENT"), "PROHIBITED_CONTENT");
        assert_eq!(said(FinishReason::ContentFilter, "refusal"), "SAFETY");
        assert_eq!(said(FinishReason::Paused, "pause_turn"), "OTHER");
        assert_eq!(said(FinishReason::Failed, "error"), "OTHER");
        assert_eq!(said(FinishReason::Failed, "NO_IMAGE"), "NO_IMAGE");
    }
}
