//! The content of a streamed turn as its blocks would stand in a whole answer, for the case that Anthropic pauses it and wants
//! it back (`dialect::pause`). Blocks that the hub has no word for are in it: searches and what they found.

use serde_json::value::RawValue;

use super::super::types::{Block, Delta, Text};
use crate::json::{quoted, Edit, Members};

/// Most that is kept. Results of searches are tens of kilobytes each.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Blocks in order; none once there were too many bytes of them.
#[derive(Debug, Default)]
pub(in super::super) struct Turn {
    blocks: Vec<Gathered>,
    bytes: usize,
}

#[derive(Debug)]
struct Gathered {
    /// Its number in its answer; a turn of several answers has each number several times.
    index: u64,
    start: Box<RawValue>,
    text: String,
    thinking: String,
    signature: String,
    input: String,
    citations: String,
}

impl Turn {
    pub(in super::super) fn start(&mut self, index: u64, block: &RawValue) {
        if !self.takes(block.get().len()) {
            return;
        }
        self.blocks.push(Gathered {
            index,
            start: block.to_owned(),
            text: String::new(),
            thinking: String::new(),
            signature: String::new(),
            input: String::new(),
            citations: String::new(),
        });
    }

    pub(in super::super) fn delta(&mut self, index: u64, delta: &Delta<'_>) {
        let texts = [&delta.text, &delta.thinking, &delta.signature, &delta.partial_json];
        let bytes: usize = texts.into_iter().flatten().map(|text| text.as_str().len()).sum();
        if !self.takes(bytes.saturating_add(delta.citation.map_or(0, |citation| citation.get().len()))) {
            return;
        }
        let Some(block) = self.blocks.iter_mut().rev().find(|block| block.index == index) else { return };
        let wholes = [&mut block.text, &mut block.thinking, &mut block.signature, &mut block.input];
        for (whole, piece) in wholes.into_iter().zip(texts) {
            whole.push_str(piece.as_ref().map(Text::as_str).unwrap_or_default());
        }
        if let Some(citation) = delta.citation {
            block.citations.push_str(if block.citations.is_empty() { "" } else { "," });
            block.citations.push_str(citation.get());
        }
    }

    /// Whether nothing has been said.
    pub(in super::super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn takes(&mut self, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(bytes);
        let takes = self.bytes <= MOST_BYTES;
        if !takes {
            self.blocks.clear();
        }
        takes
    }

    /// The items of the content's list; `None` where there is none, or too much of it.
    pub(in super::super) fn content(&self) -> Option<String> {
        // Anthropic takes no text without a word back.
        let said = self.blocks.iter().filter(|block| !block.is_empty_text());
        let items: Vec<String> = said.map(Gathered::whole).collect::<Option<_>>()?;
        (!items.is_empty()).then(|| items.join(","))
    }
}

impl Gathered {
    fn is_empty_text(&self) -> bool {
        let block: Block<'_> = crate::json::from_str(self.start.get()).unwrap_or_default();
        self.text.is_empty() && block.text.is_some_and(|text| text.as_str().is_empty())
    }

    /// The block with what was streamed in place.
    fn whole(&self) -> Option<String> {
        let members = Members::read(self.start.get().as_bytes()).ok()?;
        let mut edits = Vec::new();
        for (name, more) in [("text", &self.text), ("thinking", &self.thinking), ("signature", &self.signature)] {
            if !more.is_empty() {
                let first: Text<'_> = members.parse(name).ok()?.unwrap_or_default();
                let grown = String::from_utf8(quoted(&format!("{}{more}", first.as_str()))).ok()?;
                edits.push(Edit::Set(name, grown.into()));
            }
        }
        if !self.input.is_empty() {
            crate::json::from_str::<&RawValue>(&self.input).ok()?;
            edits.push(Edit::Set("input", self.input.as_str().into()));
        }
        if !self.citations.is_empty() {
            edits.push(Edit::Set("citations", format!("[{}]", self.citations).into()));
        }
        String::from_utf8(members.edit(&edits)).ok()
    }
}
