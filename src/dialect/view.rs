//! What routing and the native path need to know of a request, read without building it.

use std::borrow::Cow;

use crate::json::Members;
use crate::utf8;

/// A request at arm's length: its members as source text and the facts that decide where it can go.
#[derive(Debug, Default)]
pub struct View<'a> {
    /// The body's members, for splicing.
    pub members: Members<'a>,
    /// The model as the caller wrote it; empty in Gemini bodies (it stands in the path).
    pub model: Cow<'a, str>,
    /// Whether a stream is wanted.
    pub stream: bool,
    /// Whether the caller asked for usage in the stream (always true where the dialect always sends it).
    pub include_usage: bool,
    /// Thoughts were not asked for where a dialect shows them on request only (Gemini's `includeThoughts`), or are not wanted
    /// (OpenRouter's `reasoning.exclude` and `include_reasoning` in chat).
    pub hide_reasoning: bool,
    /// Bound on generated tokens.
    pub max_output_tokens: Option<u64>,
    /// Effort word, where given.
    pub effort: Option<Cow<'a, str>>,
    /// What the answer needs of a model.
    pub needs: Needs,
    /// Estimated prompt tokens (see [`estimate_tokens`]), media excluded.
    pub estimated_input_tokens: u64,
    /// Number of user, assistant and tool turns.
    pub turns: u32,
    /// Text that tells the task: the last user turn, at most 8 kB from each end. Stays inside the process.
    pub sample: Cow<'a, str>,
}

impl View<'_> {
    /// Whether the body names this model, so that its text can stay as it is.
    #[must_use]
    pub fn names(&self, model: &str) -> bool {
        self.model == model && self.members.present("model").is_some()
    }
}

/// What a request needs of a model; each set bit is a capability that must be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)]
pub struct Needs {
    /// Function tools are declared.
    pub tools: bool,
    /// Custom tools are declared, or calls of them stand in the history (see [`super::custom`]).
    pub custom_tools: bool,
    /// A call is forced.
    pub forced_tools: bool,
    /// Pictures.
    pub vision: bool,
    /// Sound.
    pub audio: bool,
    /// Documents.
    pub files: bool,
    /// JSON mode.
    pub json_object: bool,
    /// JSON schema.
    pub json_schema: bool,
    /// Thinking was asked for explicitly.
    pub reasoning: bool,
    /// Tool results stand in the history.
    pub tool_results: bool,
    /// Sampling parameters at values other than their defaults.
    pub sampling: bool,
}

/// Estimates the tokens of a text: four ASCII bytes or three other bytes each (a CJK character is three bytes and
/// about one token). Within some 20 % of real tokenisers on prose; never used to exclude below 1.3 × the window.
#[must_use]
pub fn estimate_tokens(text: &[u8]) -> u64 {
    let other = utf8::count_not_ascii(text);
    let ascii = text.len() as u64 - other;
    ascii.div_ceil(4) + other.div_ceil(3)
}

/// The first and last 8 kB of a text, on code point boundaries.
#[must_use]
pub fn sample_of(text: &str) -> Cow<'_, str> {
    const END: usize = 8 * 1024;
    if text.len() <= 2 * END {
        return Cow::Borrowed(text);
    }
    let head = text.get(..floor(text, END)).unwrap_or_default();
    let tail = text.get(floor(text, text.len() - END)..).unwrap_or_default();
    Cow::Owned(format!("{head}\n{tail}"))
}

fn floor(text: &str, mut at: usize) -> usize {
    while at > 0 && !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_counts_in_fours_and_everything_else_in_threes_at_any_length() {
        for length in 0..40 {
            let text = "aé中😀b".repeat(length);
            let other = text.bytes().filter(|byte| *byte >= 0x80).count() as u64;
            let expected = (text.len() as u64 - other).div_ceil(4) + other.div_ceil(3);
            assert_eq!(estimate_tokens(text.as_bytes()), expected);
        }
    }
}
