//! Streams: partial responses ↔ canonical events. [`Decoder`] reads them, [`Encoder`] writes them.

mod encoder;

pub use encoder::Encoder;

use serde_json::value::RawValue;

use super::extras::{native, Collector};
use super::finish;
use super::ids::Minter;
use super::partial_args::{steps, PartialArgs};
use super::response::media;
use super::types::{Candidate, Chunk, FunctionCall, Int, Many, Part, PromptFeedback, Text};
use super::{error, logprobs, types, usage};
use crate::dialect::canonical::{Extra, FinishReason, StreamEvent, Usage};
use crate::dialect::citation;
use crate::dialect::pause::Resume;
use crate::dialect::{ProviderError, StreamFault};
use crate::sorted::Map;
use crate::sse::Frame;

/// Reads a stream.
///
/// A signature that stands on a text part comes as a `ReasoningEnd` right before that text, one on an empty part as a
/// `ReasoningEnd` of its own; thoughts that were open are closed first, so the two never mix. A choice may finish more
/// than once (Google's server tools write after a first `STOP`): a later [`StreamEvent::Finish`] replaces the earlier.
#[derive(Debug, Default)]
pub struct Decoder {
    started: bool,
    choices: Map<u32, Choice>,
    minter: Minter,
    blocked: bool,
    usage: Option<Usage>,
    searches: Option<u64>,
    extras: Collector,
    /// The latest token, where the answer is to be continued.
    token: Option<String>,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    /// Calls so far: Google numbers none.
    calls: u32,
    thinking: bool,
    open_call: Option<OpenCall>,
    /// A final finish reason came, and no content after it.
    ended: bool,
    /// The same of a reason that asks for a continuation.
    paused: bool,
    /// Visible text so far: Google counts its bytes, others its characters.
    said: String,
    /// The latest grounding that has not been told.
    grounding: Option<Box<RawValue>>,
}

/// A call whose arguments are still coming (Vertex).
#[derive(Debug, Default)]
struct OpenCall {
    args: PartialArgs,
    /// `args` as given whole on some fragment.
    whole: Option<String>,
}

impl Decoder {
    /// Reads one event. Blocks without data are read too where they are bare JSON: Google reports errors so.
    ///
    /// # Errors
    /// Malformed events (nothing has changed) and provider errors.
    pub fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        match (&frame.data, frame.bare_json()) {
            (Some(data), _) => self.payload(data, out),
            (None, Some(json)) => self.payload(json, out),
            (None, None) => Ok(()),
        }
    }

    /// Reads one partial response, or an array of them, however it was framed (see [`super::array::Splitter`]).
    ///
    /// # Errors
    /// As [`Decoder::frame`].
    pub fn payload(&mut self, json: &[u8], out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let json = json.trim_ascii();
        if json.is_empty() || json == b"[DONE]" {
            return Ok(());
        }
        let Many(chunks) = types::read::<Many<Chunk<'_>>>(json)?;
        for chunk in chunks {
            if !self.started {
                self.minter.seed(chunk.id.as_deref(), json);
            }
            self.chunk(chunk, out)?;
        }
        Ok(())
    }

    /// Whether the answer is complete: a blocked prompt, or every choice has a finish reason and nothing after it. There is no
    /// terminator.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.blocked || (!self.choices.is_empty() && self.choices.values().all(|choice| choice.ended || choice.paused))
    }

    /// What continues the answer, if Google ended it in the middle: of one choice, since each has a token of its own.
    #[must_use]
    pub fn paused(&self) -> Option<Resume> {
        let one = self.choices.len() == 1 && self.choices.values().all(|choice| choice.paused);
        self.token.clone().filter(|_| one).map(Resume::Token)
    }

    /// Gets ready for the stream that continues the answer.
    pub fn resume(&mut self) {
        self.usage = None;
        for choice in self.choices.values_mut() {
            (choice.ended, choice.paused) = (false, false);
        }
    }

    /// The choices that there were.
    pub(super) fn indices(&self) -> impl Iterator<Item = u32> + '_ {
        self.choices.keys().copied()
    }

    fn chunk(&mut self, chunk: Chunk<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        if let Some(error) = chunk.error {
            return Err(StreamFault::Provider(error::read(error)));
        }
        if !self.started {
            self.started = true;
            out.push(StreamEvent::Start {
                id: chunk.id.as_deref().map(str::to_owned),
                model: chunk.model.as_deref().map(str::to_owned),
                created: chunk.created.as_deref().and_then(unix_seconds),
            });
        }
        out.extend(self.extras.of_chunk(&chunk).into_iter().map(StreamEvent::Extra));
        let mut searches: Option<u64> = None;
        for candidate in chunk.candidates.map(|list| list.0).unwrap_or_default() {
            let grounding = candidate.rest.iter().find(|(name, _)| name == "groundingMetadata");
            if let Some(more) = grounding.and_then(|(_, raw)| usage::searches(raw)) {
                searches = Some(searches.unwrap_or(0).saturating_add(more));
            }
            self.candidate(candidate, out)?;
        }
        self.searches = self.searches.max(searches);
        let blocked = chunk.prompt_feedback.and_then(|feedback| block_reason(feedback.get()));
        if let Some(reason) = blocked {
            self.blocked = true;
            out.push(StreamEvent::Finish { choice: 0, finish: finish::blocked(&reason) });
        }
        let counts = chunk.usage.as_ref().and_then(usage::decode);
        let counts = counts.map(|counts| Usage { web_searches: self.searches, ..counts });
        if let Some(counts) = counts.filter(|counts| self.usage != Some(*counts)) {
            self.usage = Some(counts);
            out.push(StreamEvent::Usage(counts));
        }
        Ok(())
    }

    fn candidate(&mut self, candidate: Candidate<'_>, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        // Index 0 is left out in this JSON form.
        let index = candidate.index.map_or(0, |Int(index)| u32::try_from(index).unwrap_or(0));
        let choice = self.choices.entry(index).or_insert_with(|| Choice { index, ..Choice::default() });
        for part in candidate.content.and_then(|content| content.parts).map(|parts| parts.0).unwrap_or_default() {
            if let Some(media) = media(&part) {
                choice.content(out);
                // It stands on the picture, as it does on a text.
                choice.end_thought(part.signature.map(|Text(signature)| signature.into_owned()), out);
                out.push(StreamEvent::Media { choice: index, part: media });
            } else if let Some((kind, value)) = native(&part) {
                choice.content(out);
                let field = format!("candidates[{index}].content.parts.{kind}");
                out.push(StreamEvent::Extra(Extra { field, value, advisory: false, is_default: false }));
            } else {
                if !part.rest.is_empty() {
                    let extras = self.extras.of_rest(&format!("candidates[{index}].content.parts[]."), &part.rest);
                    out.extend(extras.into_iter().map(StreamEvent::Extra));
                }
                choice.part(part, &mut self.minter, out)?;
            }
        }
        for (name, value) in &candidate.rest {
            if name == "groundingMetadata" {
                choice.grounding = Some((*value).to_owned());
            }
            if matches!(name.as_ref(), "continuationToken" | "continuation_token") {
                self.token = crate::json::from_str(value.get()).ok().or(self.token.take());
            }
            let told = (name == "logprobsResult").then(|| logprobs::of_google(index, value)).flatten();
            let extra = told.or_else(|| self.extras.entry(format!("candidates[{index}].{name}"), value));
            out.extend(extra.map(StreamEvent::Extra));
        }
        let raw = candidate.finish_reason.as_deref().unwrap_or_default();
        if let Some(finish) = finish::decode(raw, choice.calls > 0) {
            choice.end_call(out);
            choice.end_thought(None, out);
            choice.ended = finish::is_final(raw);
            choice.paused = finish.reason == FinishReason::Paused;
            choice.cite(out);
            out.push(StreamEvent::Finish { choice: index, finish });
        }
        if choice.ended {
            // Google may say where it looked after it has said that it is done.
            choice.cite(out);
        }
        Ok(())
    }
}

impl Choice {
    /// Content that is no thought begins: thoughts are over, and an earlier finish reason was not the end.
    fn content(&mut self, out: &mut Vec<StreamEvent>) {
        self.end_thought(None, out);
        (self.ended, self.paused) = (false, false);
    }

    fn end_thought(&mut self, signature: Option<String>, out: &mut Vec<StreamEvent>) {
        if self.thinking || signature.is_some() {
            self.thinking = false;
            out.push(StreamEvent::ReasoningEnd { choice: self.index, signature, redacted: false });
        }
    }

    fn part(&mut self, part: Part<'_>, minter: &mut Minter, out: &mut Vec<StreamEvent>) -> Result<(), StreamFault> {
        let choice = self.index;
        let signature = part.signature.map(|Text(signature)| signature.into_owned());
        if let Some(call) = part.function_call {
            self.content(out);
            return self.call(call, signature, minter, out);
        }
        let text = part.text.map(|Text(text)| text.into_owned()).unwrap_or_default();
        if part.thought == Some(true) {
            if !text.is_empty() {
                (self.ended, self.paused) = (false, false);
                self.thinking = true;
                out.push(StreamEvent::ReasoningDelta { choice, text });
            }
            if signature.is_some() {
                self.end_thought(signature, out);
            }
            return Ok(());
        }
        if !text.is_empty() {
            self.content(out);
        }
        if signature.is_some() {
            self.end_thought(None, out);
            self.end_thought(signature, out);
        }
        if !text.is_empty() {
            self.said.push_str(&text);
            out.push(StreamEvent::TextDelta { choice, text });
        }
        Ok(())
    }

    /// Tells the pages that the text so far was drawn from, before its end.
    fn cite(&mut self, out: &mut Vec<StreamEvent>) {
        let Some(grounding) = self.grounding.take() else { return };
        let citations = citation::of_grounding(&grounding, &self.said);
        out.extend(citation::extra(self.index, &citations).map(StreamEvent::Extra));
    }

    /// A whole call, or a fragment of one: Vertex names the call once, sends values by path, and ends with a fragment
    /// that does not continue.
    fn call(
        &mut self,
        call: FunctionCall<'_>,
        signature: Option<String>,
        minter: &mut Minter,
        out: &mut Vec<StreamEvent>,
    ) -> Result<(), StreamFault> {
        let choice = self.index;
        let continues = call.will_continue == Some(true);
        if let Some(name) = call.name.filter(|name| !name.is_empty()) {
            self.end_call(out);
            let index = self.calls;
            self.calls = self.calls.saturating_add(1);
            let id = call.id.filter(|id| !id.is_empty()).map_or_else(|| minter.mint(), |id| id.to_string());
            out.push(StreamEvent::ToolCallStart { choice, index, id, name: name.to_string(), signature });
            self.open_call = Some(OpenCall::default());
        } else if self.open_call.is_none() {
            if call.args.is_some() || call.partial_args.is_some() {
                // A call that cannot be made must not look like an answer without one.
                return Err(broken("a function call without a name"));
            }
            return Ok(());
        } else if signature.is_some() {
            out.push(StreamEvent::ReasoningEnd { choice, signature, redacted: false });
        }
        if let Some(open) = &mut self.open_call {
            if let Some(args) = call.args.filter(|args| args.get() != "{}") {
                open.whole = Some(args.get().to_owned());
            }
            for arg in call.partial_args.map(|args| args.0).unwrap_or_default() {
                let path = arg.path.as_deref().unwrap_or("$");
                steps(path).and_then(|path| open.args.set(path, &arg)).map_err(|why| broken(&why))?;
            }
        }
        if !continues {
            self.end_call(out);
        }
        Ok(())
    }

    fn end_call(&mut self, out: &mut Vec<StreamEvent>) {
        let Some(open) = self.open_call.take() else { return };
        let (choice, index) = (self.index, self.calls.saturating_sub(1));
        let arguments = open.whole.unwrap_or_else(|| open.args.json());
        out.push(StreamEvent::ToolCallDelta { choice, index, arguments });
        out.push(StreamEvent::ToolCallEnd { choice, index });
    }
}

/// A call whose arguments would be wrong: the stream cannot go on without it.
fn broken(why: &str) -> StreamFault {
    StreamFault::Provider(ProviderError {
        message: format!("unreadable function call: {why}"),
        ..ProviderError::default()
    })
}

/// Why a prompt was refused, if it was.
pub(super) fn block_reason(feedback: &str) -> Option<String> {
    let reason = crate::json::from_str::<PromptFeedback<'_>>(feedback).ok()?.block_reason?;
    let unsaid = matches!(&*reason, "" | "BLOCK_REASON_UNSPECIFIED" | "BLOCKED_REASON_UNSPECIFIED");
    (!unsaid).then(|| reason.to_string())
}

/// Unix seconds of an RFC 3339 time in UTC, as Vertex writes it.
fn unix_seconds(time: &str) -> Option<u64> {
    let (date, clock) = time.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|n| n.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.split('.').next()?.splitn(3, ':').map(|n| n.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let date = (1970..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !date || !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0..=60).contains(&second) {
        return None;
    }
    // Days from civil: years begin in March, so that a leap day is a year's last.
    let years = if month <= 2 { year - 1 } else { year };
    let months = (month + 9) % 12;
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second).ok()
}

#[cfg(test)]
mod tests;
