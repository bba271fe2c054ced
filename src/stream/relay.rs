//! One stream's way through: bytes from the provider in, bytes for the caller out, at any split of the input.
//!
//! Three forms (DESIGN §5). *Untouched*: the platform moves the bytes, this only watches a copy. *Whole events*: the
//! provider's own bytes go out up to the last event boundary, with the usage event added to or hidden. *Translated*:
//! events are read and written anew. In the last two forms the end of the stream (usage, terminator) is held back until
//! [`Relay::conclude`], when the cost is known. Deadlines, opening and writing are the driver's; read `tests.rs` first.

mod alike;
mod end;
mod forms;
mod pauses;

use super::delivered::Delivered;
use super::splice::Splice;
use crate::dialect::canonical::{Extra, FinishReason, Loss};
use crate::dialect::pause::Resume;
use crate::dialect::{openai_responses, Dialect, Observation, ProviderError, ReplyContext, StreamEncoder, Tail};
use crate::sse::{self, Ending, Frame};
use end::{close_event, conclude_native, with_frame};
use forms::{late_usage, Form, Notes, Translation};

/// A stream between its first byte and its end.
#[derive(Debug)]
pub struct Relay {
    dialect: Dialect,
    frames: sse::Decoder,
    form: Form,
    notes: Notes,
    malformed: u32,
    /// One of them came before the answer was complete.
    gaps: bool,
    /// Content has come.
    began: bool,
    ended: bool,
    inside_event: bool,
}

/// What a piece of input meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Content came: the idle clock starts anew, and the stream commits if it has not yet.
    pub content: bool,
    /// The dialect's terminator came: nothing after it counts.
    pub ended: bool,
}

/// What stops a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFault {
    /// The provider reports an error inside the stream.
    Provider(ProviderError),
    /// One event is larger than any real one.
    TooLong,
    /// It does not go on where the stream before it stopped.
    Differs,
}

/// An answer that broke and that somebody may go on with.
#[derive(Debug)]
pub struct Broken {
    /// What the caller has got.
    pub delivered: Box<Delivered>,
    /// Writes on in the caller's dialect.
    pub writer: StreamEncoder,
}

impl Relay {
    /// Watches a native stream that the platform moves.
    #[must_use]
    pub fn untouched(dialect: Dialect) -> Self {
        Self::new(dialect, Form::Untouched { so_far: Some(Vec::new()) })
    }

    /// Passes on a native stream event by event. The context says whether the caller asked for the usage event.
    #[must_use]
    pub fn whole_events(dialect: Dialect, context: ReplyContext) -> Self {
        Self::new(dialect, Form::whole_events(context))
    }

    /// Rewrites a stream in the caller's dialect.
    #[must_use]
    pub fn translated(from: Dialect, to: Dialect, context: ReplyContext) -> Self {
        let one_call = context.one_call;
        let mut translation = Translation::new(from, to.stream_encoder(context), None);
        translation.one_call = one_call;
        translation.expect_pauses();
        Self::new(from, Form::Translated(Box::new(translation)))
    }

    /// Goes on with an answer that broke.
    #[must_use]
    pub fn continued(from: Dialect, broken: Broken, splice: Splice) -> Self {
        let form = Form::Translated(Box::new(Translation::new(from, broken.writer, Some(splice))));
        let mut relay = Self::new(from, form);
        relay.notes.delivered = Some(broken.delivered);
        relay
    }

    /// What resumes the turn, if the stream is translated and its provider has paused it.
    #[must_use]
    pub fn paused(&self) -> Option<Resume> {
        match &self.form {
            Form::Translated(translation) => translation.paused(),
            Form::Untouched { .. } | Form::WholeEvents { .. } => None,
        }
    }

    /// Whether a paused turn was to go on and only said again what it had said, of which nothing went out a second time.
    #[must_use]
    pub fn repeats(&self) -> bool {
        matches!(&self.form, Form::Translated(translation) if translation.repeats())
    }

    /// Nobody goes on with a paused turn: what was held back of it is appended to `out`, and the pause is its end.
    pub fn accept_pause(&mut self, out: &mut Vec<u8>) {
        if let Form::Translated(translation) = &mut self.form {
            translation.accept_pause(&mut self.notes, out);
        }
    }

    /// Gets ready for the stream that goes on with a paused turn, in the caller's same answer. What is observed from here on
    /// is that stream's.
    pub fn resume(&mut self) {
        if let Form::Translated(translation) = &mut self.form {
            translation.resume();
        }
        self.frames = sse::Decoder::new();
        self.notes.observation = Observation::default();
        (self.malformed, self.began, self.ended, self.inside_event) = (0, false, false, false);
    }

    /// Keeps what the caller gets, so that somebody can go on with it, up to a text of `most_bytes`.
    pub fn keep_delivered(&mut self, most_bytes: usize) {
        let kept = match self.form {
            Form::Translated(_) => Delivered::translated(most_bytes),
            Form::Untouched { .. } | Form::WholeEvents { .. } => Delivered::native(self.dialect, most_bytes),
        };
        self.notes.delivered = Some(Box::new(kept));
    }

    /// What is needed to go on with this stream, which broke; `None` where it was not kept or is more than plain text.
    #[must_use]
    pub fn broken(self, context: ReplyContext) -> Option<Broken> {
        let mut delivered = self.notes.delivered?;
        delivered.text()?;
        let writer = match self.form {
            Form::Translated(translation) => translation.encoder,
            _ => delivered.writer(self.dialect, context),
        };
        Some(Broken { delivered, writer })
    }

    fn new(dialect: Dialect, form: Form) -> Self {
        Self {
            dialect,
            frames: sse::Decoder::new(),
            form,
            notes: Notes::default(),
            malformed: 0,
            gaps: false,
            began: false,
            ended: false,
            inside_event: false,
        }
    }

    /// What has been learnt so far.
    #[must_use]
    pub fn observation(&self) -> &Observation {
        &self.notes.observation
    }

    /// Events that were not the dialect's and were skipped.
    #[must_use]
    pub fn malformed(&self) -> u32 {
        self.malformed
    }

    /// Whether such an event came before the answer was complete: what it held may be missing.
    #[must_use]
    pub fn has_gaps(&self) -> bool {
        self.gaps
    }

    /// What the caller's dialect could not carry.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.notes.losses
    }

    /// What goes raw into the `signalbox` member ([`Extra::goes_beside`]), where the stream is translated: on a native one it
    /// stands where the provider put it.
    #[must_use]
    pub fn beside(&self) -> &[Extra] {
        &self.notes.beside
    }

    /// Whether content has come.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.began
    }

    /// Whether the platform moves the bytes.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        matches!(self.form, Form::Untouched { .. })
    }

    /// Whether the caller's usage event is written here and not by the provider alone.
    #[must_use]
    pub fn writes_usage(&self) -> bool {
        match &self.form {
            Form::Untouched { .. } => false,
            Form::WholeEvents { context, held, .. } => {
                self.dialect == Dialect::OpenAiChat && context.include_usage && held.is_none()
            }
            Form::Translated(translation) => match &translation.encoder {
                StreamEncoder::OpenAiChat(encoder) => encoder.includes_usage(),
                _ => true,
            },
        }
    }

    /// Goes on event by event with a stream that was to pass untouched: something has to be added at its end. What has
    /// come so far is appended to `out`. After the first content it is too late, and nothing happens.
    pub fn touch(&mut self, context: ReplyContext, out: &mut Vec<u8>) {
        self.form.touch(|| context, out);
    }

    /// Takes bytes in, appends to `out` what may go to the caller.
    ///
    /// # Errors
    /// See [`RelayFault`]; what came before the fault is in `out`.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress, RelayFault> {
        let mut progress = Progress::default();
        if self.frames.push(bytes).is_err() {
            return Err(RelayFault::TooLong);
        }
        while let Some(frame) = self.frames.next_frame() {
            if self.ended {
                late_usage(self.dialect, &frame, &mut self.notes.observation);
                continue;
            }
            match self.form.take(self.dialect, &frame, &mut self.notes, out)? {
                Some(seen) => {
                    progress.content |= seen.content;
                    self.began |= seen.content;
                    self.ended |= seen.ended;
                }
                None => {
                    self.malformed = self.malformed.saturating_add(1);
                    self.gaps |= !self.complete();
                }
            }
        }
        progress.ended = self.ended;
        Ok(progress)
    }

    /// Takes the end of the input: an event without its blank line still counts where it is whole.
    ///
    /// # Errors
    /// The provider's error, where the last bytes were one.
    pub fn input_ended(&mut self, out: &mut Vec<u8>) -> Result<(), RelayFault> {
        if self.ended {
            return Ok(());
        }
        if let Some(rest) = self.frames.finish() {
            self.inside_event = rest.ending != Ending::Closed;
            let nothing = rest.frame.data.as_deref().is_none_or(|data| data.trim_ascii().is_empty());
            if nothing && rest.frame.bare_json().is_none() {
                // Not even the beginning of a payload: nothing that anyone could use.
                return Ok(());
            }
            let before = out.len();
            // Half an event is malformed: that is what a cut looks like.
            if let Some(seen) = self.form.take(self.dialect, &rest.frame, &mut self.notes, out)? {
                self.began |= seen.content;
                self.ended |= seen.ended;
            }
            if out.len() > before {
                close_event(out);
            }
        }
        Ok(())
    }

    /// Whether the input stops within an event. On an untouched stream its first bytes are already out.
    #[must_use]
    pub fn inside_event(&self) -> bool {
        self.inside_event || self.frames.inside_block()
    }

    /// Whether the answer is complete by its dialect's own rule. A terminator alone is none.
    #[must_use]
    pub fn complete(&self) -> bool {
        let seen = &self.notes.observation;
        let by_rule = match &self.form {
            Form::Translated(translation) => translation.complete(),
            // A pause for which Google gave its token is the caller's to go on from.
            _ if self.dialect == Dialect::Gemini => seen.done || seen.finish == Some(FinishReason::Paused),
            // A missing `[DONE]` after the finish reasons is forgiven, a missing `message_stop` is not (`wire.md` §1.0).
            _ if self.dialect == Dialect::OpenAiChat => {
                seen.done || (seen.finish.is_some() && seen.choices_begun & !seen.choices_finished == 0)
            }
            _ => seen.done,
        };
        by_rule && (self.began || seen.finish.is_some())
    }

    /// Why the answer ended, where that is a failure in the guise of an end (`wire.md` §3.1 "error, not a finish").
    #[must_use]
    pub fn failed_finish(&self) -> Option<&str> {
        match self.notes.observation.finish {
            Some(FinishReason::Failed) => Some(self.notes.observation.raw_finish.as_deref().unwrap_or("unknown")),
            _ => None,
        }
    }

    /// Events that came out of here, and those of the provider's that are held back until [`Relay::conclude`].
    #[must_use]
    pub fn with_end(&self, events: &[u8]) -> Vec<u8> {
        let mut all = events.to_vec();
        if let Form::WholeEvents { held, behind, terminator, .. } = &self.form {
            for raw in [held.as_ref(), Some(behind), terminator.as_ref()].into_iter().flatten() {
                all.extend_from_slice(raw);
            }
        }
        all
    }

    /// Appends the honest end: what was held back, usage with its cost, terminator.
    pub fn conclude(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        let inside_event = self.inside_event();
        match &mut self.form {
            // All of the last event is out but the blank line that makes it one.
            Form::Untouched { .. } if inside_event => out.extend_from_slice(b"\n\n"),
            Form::Untouched { .. } => {}
            Form::Translated(translation) => translation.end(tail, out, &mut self.notes),
            Form::WholeEvents { context, held, behind, terminator } => {
                let behind = std::mem::take(behind);
                conclude_native(self.dialect, context, held.take(), behind, tail, &self.notes.observation, out);
                match (terminator.take(), self.dialect) {
                    (Some(raw), Dialect::OpenAiResponses) => {
                        // The terminator is the answer itself, with its usage.
                        let (cost, signalbox) = (tail.cost_usd.as_deref(), tail.signalbox.as_deref());
                        let priced =
                            |f: &Frame<'_>| Some(openai_responses::native::add_cost_to_event(f, cost, signalbox));
                        out.extend_from_slice(&with_frame(&raw, priced).unwrap_or(raw));
                        close_event(out);
                    }
                    (Some(raw), _) => {
                        out.extend_from_slice(&raw);
                        close_event(out);
                    }
                    (None, Dialect::OpenAiChat) => out.extend_from_slice(b"data: [DONE]\n\n"),
                    (None, _) => {}
                }
            }
        }
    }
}
