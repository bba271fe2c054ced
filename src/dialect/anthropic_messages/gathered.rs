//! A stream put together to the message that it tells, with every member and block: see [`crate::dialect::gathered`].

use serde_json::value::RawValue;

use super::stream::Turn;
use super::types::{Delta, Event, Text};
use crate::json::{Edit, Members};
use crate::sse::Frame;

/// A message that grows by the events of its stream.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Message {
    /// `message` of `message_start`.
    start: Option<Box<RawValue>>,
    turn: Turn,
    /// Members that the events after it have set, in order.
    set: Vec<(String, String)>,
    usage: Option<String>,
}

impl Message {
    /// Takes in an event that the decoder could read.
    pub(in crate::dialect) fn take(&mut self, frame: &Frame<'_>) {
        let Some(event) = frame.data.as_deref().and_then(|data| crate::json::from_slice::<Event<'_>>(data).ok()) else {
            return;
        };
        let index = event.index.unwrap_or_default();
        let named = || frame.event.as_deref().and_then(|name| std::str::from_utf8(name).ok());
        match event.kind.as_ref().map(Text::as_str).or_else(named) {
            Some("message_start") => self.start = event.message.map(ToOwned::to_owned),
            Some("content_block_start") => {
                if let Some(block) = event.content_block {
                    self.turn.start(index, block);
                }
            }
            Some("content_block_delta") => {
                let delta = event.delta.and_then(|delta| crate::json::from_str::<Delta<'_>>(delta.get()).ok());
                self.turn.delta(index, &delta.unwrap_or_default());
            }
            Some("message_delta") => {
                let delta = event.delta.and_then(|delta| Members::read(delta.get().as_bytes()).ok());
                let set = delta.iter().flat_map(|delta| delta.iter());
                self.set.extend(set.map(|(name, value)| (name.to_owned(), value.get().to_owned())));
                self.count(event.usage);
            }
            _ => {}
        }
    }

    /// Later counts replace earlier ones (`wire.md` §1.3 "Usage").
    fn count(&mut self, usage: Option<&RawValue>) {
        let Some(after) = usage.and_then(|usage| Members::read(usage.get().as_bytes()).ok()) else { return };
        let start = self.start.as_ref().and_then(|start| Members::read(start.get().as_bytes()).ok());
        let first = start.as_ref().and_then(|start| start.present("usage")).map_or("{}", RawValue::get);
        let before = self.usage.as_deref().unwrap_or(first);
        let Ok(before) = Members::read(before.as_bytes()) else { return };
        let said = after.iter().filter(|(_, value)| value.get() != "null");
        let edits: Vec<Edit<'_>> = said.map(|(name, value)| Edit::Set(name, value.get().into())).collect();
        self.usage = String::from_utf8(before.edit(&edits)).ok();
    }

    /// The message; `None` where its stream did not begin as one, or is too long to be kept.
    pub(in crate::dialect) fn body(&self) -> Option<Vec<u8>> {
        let start = self.start.as_ref()?;
        let members = Members::read(start.get().as_bytes()).ok()?;
        let content = if self.turn.is_empty() { String::new() } else { self.turn.content()? };
        let mut edits = vec![Edit::Set("content", format!("[{content}]").into())];
        edits.extend(self.set.iter().map(|(name, value)| Edit::Set(name, value.as_str().into())));
        edits.extend(self.usage.as_deref().map(|usage| Edit::Set("usage", usage.into())));
        Some(members.edit(&edits))
    }
}
