//! Turns that are not over though their answer is: the provider wants to be called again with what it has said (Anthropic's
//! `pause_turn`) or with its token (Gemini's `CONTINUATION`), and goes on (`wire.md` §3.1 "needs resume"). Clients of other
//! dialects have no word for that, so the gateway calls again for them.
//!
//! Sources: platform.claude.com "Server tools", section "The server-side loop and pause_turn": the content is sent back as the
//! assistant's turn, all else unchanged. ai.google.dev "Long decode" and `@google/genai` 3.1.0 (`continuationToken` on the
//! request's top level): the same request with the token, never with the text; `maxOutputTokens` counts all calls together.

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Dialect;
use crate::json::{quoted, Edit, Members};

/// What a provider needs in order to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// Anthropic: the content of the turn so far, the items of a JSON list.
    Content(String),
    /// Gemini: its token.
    Token(String),
}

/// Anthropic's word for a pause. Its other one, `compaction`, is for clients that asked for it.
pub(super) const PAUSE_TURN: &str = "pause_turn";

/// What resumes the turn of a whole answer, if its provider has paused it.
#[must_use]
pub fn of_whole(dialect: Dialect, body: &[u8]) -> Option<Resume> {
    match dialect {
        Dialect::AnthropicMessages if memmem::find(body, PAUSE_TURN.as_bytes()).is_some() => {
            let members = Members::read(body).ok()?;
            let paused = members.parse::<String>("stop_reason").ok().flatten().is_some_and(|word| word == PAUSE_TURN);
            let said = items(members.present("content").filter(|_| paused)?)?;
            Some(Resume::Content(said.to_owned()))
        }
        Dialect::Gemini if memmem::find(body, b"CONTINUATION").is_some() => token(body),
        _ => None,
    }
}

/// A whole answer with what its turn said before it was paused, in one: of Gemini as the list of what it sent.
#[must_use]
pub fn joined(dialect: Dialect, earlier: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    let text = |body| std::str::from_utf8(body).ok().map(str::trim);
    match dialect {
        Dialect::AnthropicMessages => {
            let (before, after) = (Members::read(earlier).ok()?, Members::read(body).ok()?);
            let content = appended(before.present("content")?, items(after.present("content")?)?)?;
            Some(after.edit(&[Edit::Set("content", content.into())]))
        }
        Dialect::Gemini => {
            let bare = |text: &str| text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned();
            Some(format!("[{},{}]", bare(text(earlier)?), text(body)?).into_bytes())
        }
        Dialect::OpenAiChat | Dialect::OpenAiResponses => None,
    }
}

/// Has a request, written for its target, go on with a paused turn. `None`: the body is not of its dialect.
#[must_use]
pub fn give(body: &[u8], resume: &Resume) -> Option<Vec<u8>> {
    let members = Members::read(body).ok()?;
    let edit = match resume {
        Resume::Content(said) => {
            let turn = format!(r#"{{"role":"assistant","content":[{said}]}}"#);
            Edit::Set("messages", appended(members.present("messages")?, &turn)?.into())
        }
        Resume::Token(token) => Edit::Set("continuationToken", String::from_utf8(quoted(token)).ok()?.into()),
    };
    Some(members.edit(&[edit]))
}

/// The token of an answer, or of a list of partial ones, whose only candidate is to be continued.
fn token(body: &[u8]) -> Option<Resume> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Candidate {
        #[serde(alias = "finish_reason")]
        finish_reason: Option<String>,
        #[serde(alias = "continuation_token")]
        continuation_token: Option<String>,
    }
    #[derive(Deserialize)]
    struct Answer {
        candidates: Option<Vec<Candidate>>,
    }
    let last = match body.trim_ascii_start() {
        [b'[', ..] => crate::json::from_slice::<Vec<Answer>>(body).ok()?.pop()?,
        _ => crate::json::from_slice(body).ok()?,
    };
    match <[Candidate; 1]>::try_from(last.candidates?) {
        Ok([one]) if one.finish_reason.as_deref() == Some("CONTINUATION") => one.continuation_token.map(Resume::Token),
        _ => None,
    }
}

/// The items of a list as text.
fn items(list: &RawValue) -> Option<&str> {
    Some(list.get().strip_prefix('[')?.strip_suffix(']')?.trim())
}

/// A list with more at its end.
fn appended(list: &RawValue, more: &str) -> Option<String> {
    let before = items(list)?;
    let comma = if before.is_empty() || more.is_empty() { "" } else { "," };
    Some(format!("[{before}{comma}{more}]"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Dialect::{AnthropicMessages as Claude, Gemini};

    fn text(bytes: Option<Vec<u8>>) -> String {
        String::from_utf8(bytes.unwrap()).unwrap()
    }

    #[test]
    fn a_paused_turn_is_sent_back_as_it_was_said() {
        let body = br#"{"content":[ {"type":"text","text":"a"} ],"stop_reason":"pause_turn"}"#;
        let resume = of_whole(Claude, body).unwrap();
        let asked = br#"{"messages":[{"role":"user","content":"pause_turn"}],"max_tokens":9}"#;
        let said = r#"{"messages":[{"role":"user","content":"pause_turn"},{"role":"assistant","content":[{"type":"text","text":"a"}]}],"max_tokens":9}"#;
        assert_eq!(text(give(asked, &resume)), said);
        let rest = br#"{"content":[{"type":"text","text":"b"}],"stop_reason":"end_turn"}"#;
        let whole = r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}],"stop_reason":"end_turn"}"#;
        assert_eq!(text(joined(Claude, body, rest)), whole);
        assert_eq!(
            of_whole(Claude, br#"{"content":[{"type":"text","text":"pause_turn"}],"stop_reason":"end_turn"}"#),
            None
        );
        assert_eq!(of_whole(Claude, br#"{"content":[],"stop_reason":"compaction"}"#), None);
    }

    #[test]
    fn a_token_goes_beside_the_same_request() {
        let hop = |finish: &str, token: &str| {
            format!(r#"{{"candidates":[{{"finishReason":"{finish}","continuationToken":"{token}"}}]}}"#).into_bytes()
        };
        let first = hop("CONTINUATION", "t1");
        assert_eq!(of_whole(Gemini, &first), Some(Resume::Token("t1".into())));
        let two = joined(Gemini, &first, &hop("CONTINUATION", "t2")).unwrap();
        assert_eq!(of_whole(Gemini, &two), Some(Resume::Token("t2".into())));
        let three = joined(Gemini, &two, &hop("MAX_TOKENS", "t3")).unwrap();
        assert_eq!(of_whole(Gemini, &three), None, "a bound that is used up is an end");
        assert_eq!(serde_json::from_slice::<Vec<Box<RawValue>>>(&three).unwrap().len(), 3);
        let given = text(give(br#"{"contents":[]}"#, &Resume::Token("t\"1".into())));
        assert_eq!(given, r#"{"contents":[],"continuationToken":"t\"1"}"#);
    }
}
