//! How an answer ended: `status` with `incomplete_details.reason` ↔ the hub's words (`wire.md` §1.2 "Status", §3.1).

use super::types::Response;
use crate::dialect::canonical::{Finish, FinishReason};
use crate::json::scalar::{filled, read_member};

/// Reads the end of an answer; `None` while it goes on (`in_progress`, `queued`). `called`: it holds calls of functions,
/// for whose results the model waits.
pub(super) fn decode(response: &Response<'_>, called: bool) -> Option<Finish> {
    let status = filled(response.status).unwrap_or_default();
    let why = response.incomplete_details.and_then(|details| read_member(details, "reason"));
    let (reason, raw) = match status.as_ref() {
        "completed" if called => (FinishReason::ToolCalls, None),
        "completed" => (FinishReason::Stop, None),
        "incomplete" => (incomplete(why.as_deref()), why),
        "failed" | "cancelled" => (FinishReason::Failed, None),
        _ => return None,
    };
    let own = filled(response.native_finish_reason).map(Into::into);
    Some(Finish { reason, raw: own.or(raw).unwrap_or_else(|| status.into_owned()), stop_sequence: None })
}

/// The end of a whole answer that says that it goes on: nobody asks for the rest, so that it is none.
pub(super) fn unfinished(response: &Response<'_>) -> Option<Finish> {
    let status = filled(response.status).filter(|status| matches!(status.as_ref(), "queued" | "in_progress"))?;
    Some(Finish { reason: FinishReason::Failed, raw: status.into_owned(), stop_sequence: None })
}

/// Every reason but the filter's is a bound of some kind (`max_output_tokens`, `max_messages`, `steered`).
fn incomplete(why: Option<&str>) -> FinishReason {
    match why {
        Some("content_filter") => FinishReason::ContentFilter,
        _ => FinishReason::Length,
    }
}

/// `status` and `incomplete_details.reason` for a client. A pause is an answer that is not finished.
pub(super) fn encode(reason: FinishReason) -> (&'static str, Option<&'static str>) {
    match reason {
        FinishReason::Stop | FinishReason::ToolCalls => ("completed", None),
        FinishReason::Length | FinishReason::Paused => ("incomplete", Some("max_output_tokens")),
        FinishReason::ContentFilter => ("incomplete", Some("content_filter")),
        FinishReason::Failed => ("failed", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, called: bool) -> Option<(FinishReason, String)> {
        let response: Response<'_> = serde_json::from_str(text).unwrap();
        decode(&response, called).map(|finish| (finish.reason, finish.raw))
    }

    #[test]
    fn status_and_reason_are_read_together_and_a_running_answer_has_no_end() {
        let cases = [
            (r#"{"status":"completed"}"#, Some((FinishReason::Stop, "completed"))),
            (
                r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}"#,
                Some((FinishReason::Length, "max_output_tokens")),
            ),
            (
                r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}"#,
                Some((FinishReason::ContentFilter, "content_filter")),
            ),
            (r#"{"status":"incomplete","incomplete_details":null}"#, Some((FinishReason::Length, "incomplete"))),
            (r#"{"status":"cancelled"}"#, Some((FinishReason::Failed, "cancelled"))),
            (r#"{"status":"in_progress"}"#, None),
            ("{}", None),
        ];
        for (text, expected) in cases {
            assert_eq!(of(text, false), expected.map(|(reason, raw)| (reason, raw.to_owned())), "{text}");
        }
        assert_eq!(of(r#"{"status":"completed"}"#, true).unwrap().0, FinishReason::ToolCalls);
    }

    #[test]
    fn nothing_unfinished_is_told_as_completed() {
        for reason in [FinishReason::Length, FinishReason::Paused, FinishReason::ContentFilter, FinishReason::Failed] {
            assert_ne!(encode(reason).0, "completed");
        }
    }
}
