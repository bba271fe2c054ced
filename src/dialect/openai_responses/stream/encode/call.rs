//! Calls of tools. Each begins, grows by pieces and ends by itself, because they may run side by side.

use super::super::super::foreign;
use super::super::super::response::{write_reasoning, Call, Tool};
use super::{Encoder, Item};

/// A call that is not done.
#[derive(Debug)]
pub(super) struct Open {
    /// The answer's counter of it.
    index: u32,
    tool: &'static Tool,
    id: String,
    name: String,
    /// What the model has written so far.
    said: String,
}

impl Open {
    fn so_far(&self) -> Call<'_> {
        Call { tool: self.tool, id: &self.id, name: &self.name, said: &self.said }
    }
}

impl Encoder {
    pub(super) fn call_begins(
        &mut self,
        tool: &'static Tool,
        index: u32,
        id: &str,
        name: &str,
        signature: Option<&str>,
        out: &mut Vec<u8>,
    ) {
        self.close_spoken("completed", out);
        if let Some(signature) = signature {
            let sealed = foreign::seal_call(signature, &self.context.answered_by);
            let begun = |id: &str| write_reasoning(id, "", Some(&sealed));
            let (at, id) = self.add(Item::Thought(String::new()), "rs", begun, out);
            self.done(at, write_reasoning(&id, "", Some(&sealed)), out);
        }
        let (ids, at) = (self.ids(), self.items.len());
        let begun = Call { tool, id, name, said: "" }.write(&ids, at, "in_progress");
        let open = Open { index, tool, id: id.to_owned(), name: name.to_owned(), said: String::new() };
        self.add(Item::Call(open), tool.prefix, |_| begun, out);
    }

    pub(super) fn call_grows(&mut self, index: u32, piece: &str, out: &mut Vec<u8>) {
        let Some(at) = self.call_at(index).filter(|_| !piece.is_empty()) else { return };
        let Some(Item::Call(call)) = self.items.get_mut(at) else { return };
        call.said.push_str(piece);
        let tool = call.tool;
        let id = self.ids().item(tool.prefix, at);
        self.write_at(tool.delta, at, &id, out, |event| event.text("delta", piece));
    }

    pub(super) fn call_ends(&mut self, index: u32, status: &str, out: &mut Vec<u8>) {
        let Some(at) = self.call_at(index) else { return };
        let nothing = match self.items.get(at) {
            Some(Item::Call(call)) if call.said.trim_ascii().is_empty() => call.tool.nothing,
            _ => "",
        };
        self.call_grows(index, nothing, out);
        let Some(Item::Call(call)) = self.items.get_mut(at) else { return };
        let (tool, said) = (call.tool, std::mem::take(&mut call.said));
        let ids = self.ids();
        self.write_at(tool.done, at, &ids.item(tool.prefix, at), out, |event| event.text(tool.member, &said));
        let Some(Item::Call(call)) = self.items.get(at) else { return };
        let body = Call { said: &said, ..call.so_far() }.write(&ids, at, status);
        self.done(at, body, out);
    }

    /// Ends all that are open.
    pub(super) fn calls_end(&mut self, status: &str, out: &mut Vec<u8>) {
        let index = |item: &Item| if let Item::Call(call) = item { Some(call.index) } else { None };
        let open: Vec<u32> = self.items.iter().filter_map(index).collect();
        for index in open {
            self.call_ends(index, status, out);
        }
    }

    fn call_at(&self, index: u32) -> Option<usize> {
        self.items.iter().rposition(|item| matches!(item, Item::Call(call) if call.index == index))
    }
}
