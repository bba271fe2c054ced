//! One event through each of the forms.

use super::alike::Alike;
use super::end::closed;
use super::pauses::Pauses;
use super::{Progress, RelayFault};
use crate::dialect::canonical::{later_calls, Extra, FinishReason, Loss, StreamEvent};
use crate::dialect::pause::Resume;
use crate::dialect::tier::{self, ServiceTier};
use crate::dialect::{Dialect, Observation, ReplyContext, StreamDecoder, StreamEncoder, StreamFault, Tail};
use crate::sse::{self, Frame};
use crate::stream::delivered::Delivered;
use crate::stream::splice::Splice;

/// What is learnt on the way.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) observation: Observation,
    pub(super) alike: Alike,
    pub(super) losses: Vec<Loss>,
    pub(super) beside: Vec<Extra>,
    /// Where somebody may have to go on with the answer.
    pub(super) delivered: Option<Box<Delivered>>,
}

#[derive(Debug)]
pub(super) enum Form {
    /// Until the first content its bytes are kept: it may have to be touched after all.
    Untouched {
        so_far: Option<Vec<u8>>,
    },
    /// `held` may be the last event that says something, and `behind` are those after it that say nothing.
    WholeEvents {
        context: Box<ReplyContext>,
        held: Option<Vec<u8>>,
        behind: Vec<u8>,
        terminator: Option<Vec<u8>>,
    },
    Translated(Box<Translation>),
}

#[derive(Debug)]
pub(super) struct Translation {
    decoder: StreamDecoder,
    pub(super) encoder: StreamEncoder,
    /// Reused from event to event: what was read, and what of it is to be written now.
    decoded: Vec<StreamEvent>,
    events: Vec<StreamEvent>,
    /// The caller takes one call at a time.
    pub(super) one_call: bool,
    /// Where this stream goes on with another.
    splice: Option<Splice>,
    spliced: Vec<StreamEvent>,
    /// Where the turn can be resumed if its provider pauses it.
    pauses: Option<Pauses>,
}

/// Most members that are kept of one stream: decoders tell each once, however often a provider repeats it.
const MOST_BESIDE: usize = 64;

impl Form {
    /// One event, or a whole answer before any content; `None` where it is not the dialect's and is skipped.
    ///
    /// # Errors
    /// See [`RelayFault`].
    pub(super) fn take(
        &mut self,
        dialect: Dialect,
        frame: &Frame<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<Option<Progress>, RelayFault> {
        let silent = notes.observation.output_bytes == 0 && notes.observation.finish.is_none();
        if let Some(events) = silent.then(|| dialect.unrolled(frame)).flatten() {
            if self.touch(ReplyContext::default, out) {
                return self.take_all(dialect, &events, notes, out).map(Some);
            }
        }
        self.take_event(dialect, frame, notes, out)
    }

    /// Passes on events as they come.
    pub(super) fn whole_events(context: ReplyContext) -> Self {
        Self::WholeEvents { context: Box::new(context), held: None, behind: Vec::new(), terminator: None }
    }

    /// Has what passes untouched pass event by event from here on: its bytes so far go out. False: its content is out already.
    pub(super) fn touch(&mut self, context: impl FnOnce() -> ReplyContext, out: &mut Vec<u8>) -> bool {
        if let Self::Untouched { so_far } = self {
            let Some(mut bytes) = so_far.take() else { return false };
            out.append(&mut bytes);
            *self = Self::whole_events(context());
        }
        true
    }

    fn take_all(
        &mut self,
        dialect: Dialect,
        events: &[u8],
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<Progress, RelayFault> {
        let mut all = Progress::default();
        sse::each_event(events, |frame| {
            let seen = self.take_event(dialect, frame, notes, out)?.unwrap_or_default();
            all.content |= seen.content;
            all.ended |= seen.ended;
            Ok(())
        })?;
        Ok(all)
    }

    fn take_event(
        &mut self,
        dialect: Dialect,
        frame: &Frame<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<Option<Progress>, RelayFault> {
        let took = match self {
            Self::Translated(translation) => translation.take(frame, notes, out),
            _ => self.take_native(dialect, frame, notes, out).map_err(Into::into),
        };
        match took {
            Ok(progress) => Ok(Some(progress)),
            Err(Stopped::Malformed) => Ok(None),
            Err(Stopped::Fault(fault)) => Err(fault),
        }
    }

    fn take_native(
        &mut self,
        dialect: Dialect,
        frame: &Frame<'_>,
        notes: &mut Notes,
        out: &mut Vec<u8>,
    ) -> Result<Progress, StreamFault> {
        if matches!(self, Self::WholeEvents { .. }) && frame.data.is_none() && frame.bare_json().is_none() {
            // A comment says nothing of which event is the last.
            out.extend_from_slice(frame.raw);
            return Ok(Progress::default());
        }
        let observation = &mut notes.observation;
        let (seen, said) = notes.alike.observe(dialect, frame, observation)?;
        if let Some(delivered) = &mut notes.delivered {
            delivered.passed(frame.raw, said);
        }
        match self {
            Self::Untouched { so_far } => {
                if seen.content {
                    *so_far = None;
                } else if let Some(kept) = so_far {
                    kept.extend_from_slice(frame.raw);
                }
            }
            Self::WholeEvents { context, held, behind, terminator } => {
                let unasked = seen.usage_only && !context.include_usage;
                let may_be_last =
                    seen.usage_only || (observation.finish.is_some() && (seen.usage || dialect == Dialect::Gemini));
                if seen.terminal {
                    *terminator = Some(closed(frame));
                } else if held.is_some() && !seen.content && !may_be_last {
                    behind.extend_from_slice(&closed(frame));
                } else if !unasked {
                    // An event that turned out not to be the last goes out as it came.
                    out.append(&mut held.take().unwrap_or_default());
                    out.append(behind);
                    if may_be_last {
                        *held = Some(closed(frame));
                    } else {
                        out.extend_from_slice(frame.raw);
                    }
                }
            }
            Self::Translated(_) => {}
        }
        Ok(Progress { content: seen.content, ended: seen.terminal })
    }
}

/// Why an event was not taken.
enum Stopped {
    Malformed,
    Fault(RelayFault),
}

impl From<StreamFault> for Stopped {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::Malformed(_) => Self::Malformed,
            StreamFault::Provider(error) => Self::Fault(RelayFault::Provider(error)),
        }
    }
}

impl Translation {
    pub(super) fn new(from: Dialect, encoder: StreamEncoder, splice: Option<Splice>) -> Self {
        Self {
            decoder: from.stream_decoder(),
            encoder,
            decoded: Vec::new(),
            events: Vec::new(),
            one_call: false,
            splice,
            spliced: Vec::new(),
            pauses: None,
        }
    }

    /// Has pauses wait for what becomes of them.
    pub(super) fn expect_pauses(&mut self) {
        self.decoder.keep_turn();
        self.pauses = Some(Pauses::default());
    }

    /// What resumes the turn, if its provider has paused it.
    pub(super) fn paused(&self) -> Option<Resume> {
        self.pauses.as_ref().filter(|pauses| pauses.is_paused()).and_then(|_| self.decoder.paused())
    }

    /// Whether the turn was to go on and only said again what it had said.
    pub(super) fn repeats(&self) -> bool {
        self.pauses.as_ref().is_some_and(Pauses::repeats)
    }

    /// Writes the pause as the end that it then is.
    pub(super) fn accept_pause(&mut self, notes: &mut Notes, out: &mut Vec<u8>) {
        if let Some(event) = self.pauses.as_mut().and_then(Pauses::accept) {
            write(&mut self.encoder, &event, notes, out);
        }
    }

    /// Gets ready for the stream that goes on.
    pub(super) fn resume(&mut self) {
        self.decoder.resume();
        if let Some(pauses) = &mut self.pauses {
            pauses.resume();
        }
    }

    fn take(&mut self, frame: &Frame<'_>, notes: &mut Notes, out: &mut Vec<u8>) -> Result<Progress, Stopped> {
        self.events.clear();
        self.decoded.clear();
        if let Err(fault) = self.decoder.frame(frame, &mut self.decoded) {
            // Tokens that a provider counts beside its error are used all the same.
            for event in self.decoded.drain(..).filter(|event| matches!(event, StreamEvent::Usage(_))) {
                observe_canonical(&event, &mut notes.observation);
            }
            return Err(fault.into());
        }
        let mut content = false;
        for event in self.decoded.drain(..) {
            let grew = observe_canonical(&event, &mut notes.observation);
            let known = self.events.len();
            match &mut self.pauses {
                Some(pauses) => pauses.pass(event, &mut self.events),
                None => self.events.push(event),
            }
            content |= grew && self.events.len() > known;
        }
        for event in &self.events {
            if let Some(choice) = event.later_call().filter(|_| self.one_call) {
                let loss = later_calls(choice);
                notes.losses.extend((!notes.losses.contains(&loss)).then_some(loss));
                continue;
            }
            if matches!(event, StreamEvent::Finish { finish, .. } if finish.reason == FinishReason::Failed) {
                // No end that a caller is told: who drives says what becomes of the answer.
                continue;
            }
            if let StreamEvent::Extra(extra) = event {
                let kept = notes.beside.len() < MOST_BESIDE && extra.goes_beside(self.encoder.dialect());
                notes.beside.extend(kept.then(|| extra.clone()));
            }
            match &mut self.splice {
                None => write(&mut self.encoder, event, notes, out),
                Some(splice) => {
                    self.spliced.clear();
                    let passed = splice.pass(event, &mut self.spliced);
                    for event in &self.spliced {
                        write(&mut self.encoder, event, notes, out);
                    }
                    passed.map_err(|_| Stopped::Fault(RelayFault::Differs))?;
                }
            }
        }
        Ok(Progress { content, ended: self.decoder.terminated() })
    }

    /// Whether the answer is complete by its dialect's own rule, and as much as was delivered of it before.
    pub(super) fn complete(&self) -> bool {
        self.decoder.complete() && self.splice.as_ref().is_none_or(Splice::is_through)
    }

    /// Writes the honest end.
    pub(super) fn end(&mut self, tail: &Tail, out: &mut Vec<u8>, notes: &mut Notes) {
        // An answer without a finish reason may end in what was held back.
        if let Some(Ok(Some(held))) = self.splice.as_mut().map(Splice::end) {
            write(&mut self.encoder, &held, notes, out);
        }
        self.encoder.end(tail, out);
    }
}

fn write(encoder: &mut StreamEncoder, event: &StreamEvent, notes: &mut Notes, out: &mut Vec<u8>) {
    if let Some(delivered) = &mut notes.delivered {
        delivered.written(event);
    }
    let known = notes.losses.len();
    encoder.event(event, out, &mut notes.losses);
    // What comes piece by piece is lost piece by piece, and told once.
    for loss in notes.losses.split_off(known) {
        if !notes.losses.contains(&loss) {
            notes.losses.push(loss);
        }
    }
}

/// Some servers count tokens behind their terminator. What comes with it in one piece is still counted.
pub(super) fn late_usage(dialect: Dialect, frame: &Frame<'_>, observation: &mut Observation) {
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
        StreamEvent::ToolCallDelta { arguments: text, .. } | StreamEvent::CustomCallDelta { input: text, .. } => {
            grew(text.len())
        }
        StreamEvent::ToolCallStart { name, .. } | StreamEvent::CustomCallStart { name, .. } => {
            let grown = grew(name.len());
            observation.called = true;
            grown
        }
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
        StreamEvent::Extra(extra) => {
            if extra.field == tier::FIELD {
                observation.service = ServiceTier::of_json(&extra.value);
            }
            false
        }
        // Its bytes are no measure of its tokens.
        StreamEvent::Media { .. } => true,
        StreamEvent::ToolCallEnd { .. } => false,
    }
}
