//! What is kept of a body: its text, or its events with their times, masked.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::tape::{Recording, SLACK};
use crate::redact::Redactor;
use crate::sse;

/// A body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    /// `text` or `events`.
    pub form: Form,
    /// The body, where it is a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Its events, where it is a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<Event>>,
    /// How many bytes there were, masked or not.
    pub bytes: u64,
    /// It was longer than what is kept.
    pub truncated: bool,
}

/// How a body is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// In one piece.
    #[default]
    Text,
    /// Event by event.
    Events,
}

/// An event of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it passed, from the request's arrival.
    pub at_ms: u64,
    /// Its `event:` field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Its data.
    pub data: String,
}

impl Payload {
    /// What of a recording is kept. `began_ms`: when the request came.
    #[must_use]
    pub fn of(recording: &Recording, began_ms: u64, redactor: &mut Redactor<'_>) -> Self {
        let (bytes, truncated) = (recording.total, recording.is_cut());
        if recording.stream {
            let mut events = events(recording, began_ms);
            if truncated {
                drop_last(&mut events);
            }
            let mut data: Vec<String> = events.iter_mut().map(|event| std::mem::take(&mut event.data)).collect();
            redactor.events(&mut data);
            for (event, data) in events.iter_mut().zip(data) {
                event.data = data;
            }
            return Self { form: Form::Events, text: None, events: Some(events), bytes, truncated };
        }
        let mut text = redactor.body(&String::from_utf8_lossy(&recording.bytes));
        if truncated {
            let mut end = text.len().saturating_sub(SLACK).min(recording.most);
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
        Self { form: Form::Text, text: Some(text), events: None, bytes, truncated }
    }

    /// As it came: the text, or the events in their framing.
    #[must_use]
    pub fn wire(&self) -> Cow<'_, str> {
        let Some(events) = &self.events else { return Cow::Borrowed(self.text.as_deref().unwrap_or_default()) };
        let mut out = String::new();
        for event in events {
            if let Some(name) = &event.event {
                out.push_str("event: ");
                out.push_str(name);
                out.push('\n');
            }
            for line in event.data.split('\n') {
                out.push_str("data: ");
                out.push_str(line);
                out.push('\n');
            }
            out.push('\n');
        }
        Cow::Owned(out)
    }
}

/// The events of a stream. What is no event (a comment) says nothing of the answer and is left out.
fn events(recording: &Recording, began_ms: u64) -> Vec<Event> {
    let mut list = Vec::new();
    let mut frames = sse::Decoder::new();
    let ends = recording.pieces.iter().skip(1).map(|(from, _)| *from).chain([recording.bytes.len()]);
    let mut take = |frame: &sse::Frame<'_>, at: u64| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let data = frame.data.as_deref().or(frame.bare_json());
        if let Some(data) = data {
            let event = frame.event.as_deref().map(text);
            list.push(Event { at_ms: at.saturating_sub(began_ms), event, data: text(data) });
        }
    };
    for ((from, at), end) in recording.pieces.iter().zip(ends) {
        if frames.push(recording.bytes.get(*from..end).unwrap_or_default()).is_err() {
            break;
        }
        while let Some(frame) = frames.next_frame() {
            take(&frame, *at);
        }
    }
    if let (Some(rest), Some((_, at))) = (frames.finish(), recording.pieces.last()) {
        take(&rest.frame, *at);
    }
    list
}

/// Leaves out what was recorded past the bound, and what may be the first half of something there.
fn drop_last(events: &mut Vec<Event>) {
    let mut dropped = 0;
    while dropped < SLACK {
        let Some(event) = events.pop() else { return };
        dropped += event.data.len();
    }
}
