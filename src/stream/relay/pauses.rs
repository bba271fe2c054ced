//! Pauses of a translated stream (`dialect::pause`): a pause is no end before it is known that nobody goes on, and the stream
//! that goes on is the same answer's.

use crate::dialect::canonical::{FinishReason, StreamEvent};

/// What is known of them.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    /// The pause that came last, not written.
    pause: Option<StreamEvent>,
    /// The caller knows the ids of the stream that was paused.
    resumed: bool,
    /// The text of this stream, and of the one before.
    said: String,
    before: String,
    /// This stream while it only says what the one before said.
    held: Vec<StreamEvent>,
    /// It has said something else.
    new: bool,
    repeats: bool,
}

impl Pauses {
    /// Takes an event, appends what is to be written.
    pub(super) fn pass(&mut self, event: StreamEvent, out: &mut Vec<StreamEvent>) {
        match &event {
            StreamEvent::Finish { finish, .. } if finish.reason == FinishReason::Paused => {
                self.repeats = !self.held.is_empty() && self.said == self.before;
                if self.repeats {
                    self.held.clear();
                }
                out.append(&mut self.held);
                self.pause = Some(event);
                return;
            }
            StreamEvent::Finish { .. } => {
                self.pause = None;
                self.new = true;
            }
            StreamEvent::Start { .. } if self.resumed => return,
            StreamEvent::TextDelta { text, .. } => {
                self.said.push_str(text);
                self.new |= !self.before.starts_with(&self.said);
            }
            _ => {}
        }
        if self.before.is_empty() || self.new {
            out.append(&mut self.held);
            out.push(event);
        } else {
            self.held.push(event);
        }
    }

    /// The pause, where the stream ends in one. A provider that says again what it said before goes on with nothing.
    pub(super) fn is_paused(&self) -> bool {
        self.pause.is_some() && !self.repeats
    }

    /// Whether the stream said again what the one before it said, and was paused again.
    pub(super) fn repeats(&self) -> bool {
        self.repeats
    }

    /// The pause as the end that it is where nobody goes on.
    pub(super) fn accept(&mut self) -> Option<StreamEvent> {
        self.pause.take()
    }

    /// Gets ready for the stream that goes on.
    pub(super) fn resume(&mut self) {
        let said = std::mem::take(&mut self.said);
        if self.pause.is_some() {
            self.before = said;
        }
        *self = Self { resumed: true, before: std::mem::take(&mut self.before), ..Self::default() };
    }
}
