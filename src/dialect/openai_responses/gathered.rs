//! A stream put together to the answer that it tells: see [`crate::dialect::gathered`]. Its last event repeats the answer, but
//! not always its items, or not with all that they had when they were done.

use super::observe::{read_event, Told};
use crate::json::scalar::count;
use crate::json::{Edit, Members};
use crate::sorted;
use crate::sse::Frame;

/// An answer that grows by the events of its stream.
#[derive(Debug, Default)]
pub(in crate::dialect) struct Answer {
    items: Vec<(u64, String)>,
    end: Option<Vec<u8>>,
}

impl Answer {
    /// Takes in an event that the decoder could read.
    pub(in crate::dialect) fn take(&mut self, frame: &Frame<'_>) {
        let Ok(Some(Told { kind, event })) = read_event(frame) else { return };
        match (kind.as_str(), event.item, event.response) {
            ("response.output_item.done", Some(item), _) => {
                self.items.push((count(event.output_index).unwrap_or_default(), item.get().to_owned()));
            }
            ("response.completed" | "response.incomplete", _, Some(response)) => {
                self.end = Some(response.get().as_bytes().to_vec());
            }
            _ => {}
        }
    }

    /// The answer; `None` where its stream did not end as one.
    pub(in crate::dialect) fn body(mut self) -> Option<Vec<u8>> {
        let end = self.end?;
        if self.items.is_empty() {
            return Some(end);
        }
        sorted::sort_by_key(&mut self.items, |(index, _)| *index);
        let items: Vec<&str> = self.items.iter().map(|(_, item)| item.as_str()).collect();
        let output = format!("[{}]", items.join(","));
        Some(Members::read(&end).ok()?.edit(&[Edit::Set("output", output.into())]))
    }
}
