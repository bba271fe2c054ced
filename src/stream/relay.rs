//! One stream's way through: bytes from the provider in, bytes for the caller out, at any split of the input.
//!
//! Three forms (DESIGN §5). *Untouched*: the platform moves the bytes, this only watches a copy. *Whole events*: the
//! provider's own bytes go out up to the last event boundary, with the usage event added to or hidden. *Translated*:
//! events are read and written anew. In the last two forms the end of the stream (usage, terminator) is held back until
//! [`Relay::conclude`], when the cost is known. Deadlines, opening and writing are the driver's; read `tests.rs` first.

use crate::dialect::canonical::{later_calls, Extra, FinishReason, Loss, StreamEvent};
use crate::dialect::{
    anthropic_messages, gemini, openai_chat, openai_responses, Dialect, Observation, ProviderError, ReplyContext,
    StreamDecoder, StreamEncoder, StreamFault, Tail,
};
use crate::sse::{self, Ending, Frame};

/// A stream between its first byte and its end.
#[derive(Debug)]
pub struct Relay {
    dialect: Dialect,
    frames: sse::Decoder,
    form: Form,
    observation: Observation,
    malformed: u32,
    /// Content has come.
    began: bool,
    ended: bool,
    inside_event: bool,
    losses: Vec<Loss>,
    beside: Vec<Extra>,
}

#[derive(Debug)]
enum Form {
    /// Until the first content its bytes are kept: it may have to be touched after all.
    Untouched {
        so_far: Option<Vec<u8>>,
    },
    WholeEvents {
        context: Box<ReplyContext>,
        held: Option<Vec<u8>>,
        terminator: Option<Vec<u8>>,
    },
    Translated(Box<Translation>),
}

#[derive(Debug)]
struct Translation {
    decoder: StreamDecoder,
    encoder: StreamEncoder,
    /// Reused from event to event.
    events: Vec<StreamEvent>,
    /// The caller takes one call at a time.
    one_call: bool,
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
        Self::new(dialect, Form::WholeEvents { context: Box::new(context), held: None, terminator: None })
    }

    /// Rewrites a stream in the caller's dialect.
    #[must_use]
    pub fn translated(from: Dialect, to: Dialect, context: ReplyContext) -> Self {
        let one_call = context.one_call;
        let (decoder, encoder) = (from.stream_decoder(), to.stream_encoder(context));
        Self::new(from, Form::Translated(Box::new(Translation { decoder, encoder, events: Vec::new(), one_call })))
    }

    fn new(dialect: Dialect, form: Form) -> Self {
        Self {
            dialect,
            frames: sse::Decoder::new(),
            form,
            observation: Observation::default(),
            malformed: 0,
            began: false,
            ended: false,
            inside_event: false,
            losses: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// What has been learnt so far.
    #[must_use]
    pub fn observation(&self) -> &Observation {
        &self.observation
    }

    /// Events that were not the dialect's and were skipped.
    #[must_use]
    pub fn malformed(&self) -> u32 {
        self.malformed
    }

    /// What the caller's dialect could not carry.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// What goes raw into the `signalbox` member ([`Extra::goes_beside`]), where the stream is translated: on a native one it
    /// stands where the provider put it.
    #[must_use]
    pub fn beside(&self) -> &[Extra] {
        &self.beside
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
            Form::WholeEvents { context, .. } => self.dialect == Dialect::OpenAiChat && context.include_usage,
            Form::Translated(translation) => match &translation.encoder {
                StreamEncoder::OpenAiChat(encoder) => encoder.includes_usage(),
                _ => true,
            },
        }
    }

    /// Goes on event by event with a stream that was to pass untouched: something has to be added at its end. What has
    /// come so far is appended to `out`. After the first content it is too late, and nothing happens.
    pub fn touch(&mut self, context: ReplyContext, out: &mut Vec<u8>) {
        if let Form::Untouched { so_far: Some(bytes) } = &mut self.form {
            out.append(bytes);
            self.form = Form::WholeEvents { context: Box::new(context), held: None, terminator: None };
        }
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
                late_usage(self.dialect, &frame, &mut self.observation);
                continue;
            }
            let took = take(
                self.dialect,
                &mut self.form,
                &frame,
                &mut self.observation,
                out,
                &mut self.losses,
                &mut self.beside,
            );
            match took {
                Ok(seen) => {
                    progress.content |= seen.content;
                    self.began |= seen.content;
                    self.ended |= seen.ended;
                }
                Err(StreamFault::Malformed(_)) => self.malformed = self.malformed.saturating_add(1),
                Err(StreamFault::Provider(error)) => return Err(RelayFault::Provider(error)),
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
            if rest.frame.data.as_deref().is_none_or(<[u8]>::is_empty) && rest.frame.bare_json().is_none() {
                // Not even the beginning of a payload: nothing that anyone could use.
                return Ok(());
            }
            let before = out.len();
            let took = take(
                self.dialect,
                &mut self.form,
                &rest.frame,
                &mut self.observation,
                out,
                &mut self.losses,
                &mut self.beside,
            );
            match took {
                Ok(seen) => {
                    self.began |= seen.content;
                    self.ended |= seen.ended;
                }
                Err(StreamFault::Provider(error)) => return Err(RelayFault::Provider(error)),
                // Half an event: that is what a cut looks like.
                Err(StreamFault::Malformed(_)) => {}
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
        let seen = &self.observation;
        let by_rule = match &self.form {
            Form::Translated(translation) => translation.decoder.complete(),
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
        match self.observation.finish {
            Some(FinishReason::Failed) => Some(self.observation.raw_finish.as_deref().unwrap_or("unknown")),
            _ => None,
        }
    }

    /// Appends the honest end: what was held back, usage with its cost, terminator.
    pub fn conclude(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        let inside_event = self.inside_event();
        match &mut self.form {
            // All of the last event is out but the blank line that makes it one.
            Form::Untouched { .. } if inside_event => out.extend_from_slice(b"\n\n"),
            Form::Untouched { .. } => {}
            Form::Translated(translation) => translation.encoder.end(tail, out),
            Form::WholeEvents { context, held, terminator } => {
                conclude_native(self.dialect, context, held.take(), tail, &self.observation, out);
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

/// Most members that are kept of one stream: decoders tell each once, however often a provider repeats it.
const MOST_BESIDE: usize = 64;

/// One event through one form. A free function, because the frame borrows the decoder.
fn take(
    dialect: Dialect,
    form: &mut Form,
    frame: &Frame<'_>,
    observation: &mut Observation,
    out: &mut Vec<u8>,
    losses: &mut Vec<Loss>,
    beside: &mut Vec<Extra>,
) -> Result<Progress, StreamFault> {
    match form {
        Form::Untouched { so_far } => {
            let seen = dialect.observe_event(frame, observation)?;
            if seen.content {
                *so_far = None;
            } else if let Some(kept) = so_far {
                kept.extend_from_slice(frame.raw);
            }
            Ok(Progress { content: seen.content, ended: seen.terminal })
        }
        Form::WholeEvents { .. } if frame.data.is_none() && frame.bare_json().is_none() => {
            // A comment says nothing of which event is the last.
            out.extend_from_slice(frame.raw);
            Ok(Progress::default())
        }
        Form::WholeEvents { context, held, terminator } => {
            let seen = dialect.observe_event(frame, observation)?;
            if let Some(earlier) = held.take() {
                // An event that turned out not to be the last goes out as it came.
                if seen.terminal {
                    *held = Some(earlier);
                } else {
                    out.extend_from_slice(&earlier);
                }
            }
            if seen.terminal {
                *terminator = Some(closed(frame));
            } else if seen.usage_only && !context.include_usage {
                // We asked for it, the caller did not.
            } else if seen.usage_only || (observation.finish.is_some() && (seen.usage || dialect == Dialect::Gemini)) {
                *held = Some(closed(frame));
            } else {
                out.extend_from_slice(frame.raw);
            }
            Ok(Progress { content: seen.content, ended: seen.terminal })
        }
        Form::Translated(translation) => {
            let Translation { decoder, encoder, events, one_call } = &mut **translation;
            events.clear();
            decoder.frame(frame, events)?;
            let mut content = false;
            for event in events.iter() {
                content |= observe_canonical(event, observation);
                if let Some(choice) = event.later_call().filter(|_| *one_call) {
                    let loss = later_calls(choice);
                    losses.extend((!losses.contains(&loss)).then_some(loss));
                    continue;
                }
                if let StreamEvent::Extra(extra) = event {
                    let kept = beside.len() < MOST_BESIDE && extra.goes_beside(encoder.dialect());
                    beside.extend(kept.then(|| extra.clone()));
                }
                let known = losses.len();
                encoder.event(event, out, losses);
                // What comes piece by piece is lost piece by piece, and told once.
                for loss in losses.split_off(known) {
                    if !losses.contains(&loss) {
                        losses.push(loss);
                    }
                }
            }
            Ok(Progress { content, ended: decoder.terminated() })
        }
    }
}

/// Some servers count tokens behind their terminator. What comes with it in one piece is still counted.
fn late_usage(dialect: Dialect, frame: &Frame<'_>, observation: &mut Observation) {
    let mut late = Observation::default();
    if dialect == Dialect::OpenAiChat && dialect.observe_event(frame, &mut late).is_ok() && late.usage.is_some() {
        observation.usage = late.usage;
    }
}

/// Keeps the observation of a translated stream; true for content.
fn observe_canonical(event: &StreamEvent, observation: &mut Observation) -> bool {
    let mut grew = |bytes: usize| {
        observation.output_bytes = observation.output_bytes.saturating_add(bytes as u64);
        bytes > 0
    };
    match event {
        StreamEvent::Start { id, model, .. } => {
            observation.id.clone_from(id);
            observation.model.clone_from(model);
            false
        }
        StreamEvent::TextDelta { text, .. }
        | StreamEvent::ReasoningDelta { text, .. }
        | StreamEvent::RefusalDelta { text, .. } => grew(text.len()),
        StreamEvent::ToolCallDelta { arguments, .. } => grew(arguments.len()),
        StreamEvent::ToolCallStart { name, .. } => grew(name.len()),
        StreamEvent::ReasoningEnd { signature, .. } => signature.is_some(),
        StreamEvent::Finish { choice, finish } => {
            if *choice == 0 || observation.finish.is_none() {
                observation.finish = Some(finish.reason);
                observation.raw_finish = Some(finish.raw.clone());
            }
            finish.reason != FinishReason::Failed
        }
        StreamEvent::Usage(usage) => {
            observation.usage = Some(*usage);
            false
        }
        StreamEvent::ToolCallEnd { .. } | StreamEvent::Extra(_) => false,
    }
}

fn conclude_native(
    dialect: Dialect,
    context: &ReplyContext,
    held: Option<Vec<u8>>,
    tail: &Tail,
    observation: &Observation,
    out: &mut Vec<u8>,
) {
    let signalbox = tail.signalbox.as_deref();
    match (dialect, held) {
        (Dialect::OpenAiChat, Some(raw)) => {
            let cost = tail.cost_usd.as_deref().filter(|_| context.include_usage);
            let changed = with_frame(&raw, |f| Some(openai_chat::native::add_cost_to_event(f, cost, signalbox)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::OpenAiChat, None) if context.include_usage || signalbox.is_some() => {
            out.extend_from_slice(&openai_chat::native::usage_tail_event(observation, context, tail));
        }
        (Dialect::AnthropicMessages, Some(raw)) => {
            let changed = signalbox
                .and_then(|member| with_frame(&raw, |f| anthropic_messages::native::event_with_signalbox(f, member)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::Gemini, Some(raw)) => {
            let changed =
                signalbox.and_then(|member| with_frame(&raw, |f| gemini::native::event_with_signalbox(f, member)));
            out.extend_from_slice(&changed.unwrap_or(raw));
        }
        (Dialect::OpenAiResponses, Some(raw)) => out.extend_from_slice(&raw),
        (_, None) => return,
    }
    close_event(out);
}

/// An event to be kept: the last one of a stream may have come without its blank line.
fn closed(frame: &Frame<'_>) -> Vec<u8> {
    let mut raw = frame.raw.to_vec();
    close_event(&mut raw);
    raw
}

/// An event that came without its blank line gets one, so that what follows is an event of its own.
fn close_event(out: &mut Vec<u8>) {
    let closed = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].iter().any(|end| out.ends_with(end));
    if !closed {
        out.extend_from_slice(b"\n\n");
    }
}

/// Reads one held event again; `None` where it cannot be changed and goes out as it came.
fn with_frame(raw: &[u8], change: impl Fn(&Frame<'_>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut decoder = sse::Decoder::new();
    decoder.push(raw).ok()?;
    if let Some(frame) = decoder.next_frame() {
        return change(&frame);
    }
    // The last one of a stream may lack its blank line.
    change(&decoder.finish()?.frame)
}
