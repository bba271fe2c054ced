//! Canonical events → partial responses for Gemini clients.

use std::collections::BTreeMap;

use crate::dialect::canonical::{Finish, Loss, StreamEvent, Usage};
use crate::dialect::gemini::write::Json;
use crate::dialect::gemini::{finish, response, usage};
use crate::dialect::{ReplyContext, Tail};

/// Writes a stream: one event per piece of text, whole calls, and a last event with the finish reasons and the usage. It
/// has no terminator; lines end with CRLF, as Google's do.
#[derive(Debug)]
pub struct Encoder {
    id: String,
    model: String,
    choices: BTreeMap<u32, Choice>,
    usage: Option<Usage>,
}

#[derive(Debug, Default)]
struct Choice {
    finish: Option<Finish>,
    /// Calls whose arguments are still coming: Gemini clients get calls whole.
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

impl Encoder {
    /// A writer with nothing written.
    #[must_use]
    pub fn new(context: ReplyContext) -> Self {
        Self { id: context.request_id, model: context.model, choices: BTreeMap::new(), usage: None }
    }

    /// Writes one event. Finish reasons and usage wait for [`Encoder::end`], because a later one replaces an earlier one.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        match event {
            StreamEvent::Start { id, model, created: _ } => {
                // The provider's own names where it gave some; its clock has no place here.
                if let Some(id) = id {
                    self.id.clone_from(id);
                }
                if let Some(model) = model {
                    self.model.clone_from(model);
                }
            }
            StreamEvent::TextDelta { choice, text } | StreamEvent::RefusalDelta { choice, text } if text.is_empty() => {
                self.choice(*choice);
            }
            StreamEvent::TextDelta { choice, text } => {
                self.choice(*choice);
                self.chunk(*choice, out, |part| part.text("text", text));
            }
            StreamEvent::ReasoningDelta { choice, text } => {
                self.choice(*choice);
                self.chunk(*choice, out, |part| {
                    part.text("text", text);
                    part.value("thought", true);
                });
            }
            StreamEvent::ReasoningEnd { signature: None, .. } => {}
            StreamEvent::ReasoningEnd { choice, redacted, .. } => {
                losses.push(response::foreign_signature(*choice, *redacted));
            }
            StreamEvent::RefusalDelta { choice, text } => {
                losses.push(response::refusal_as_text(*choice));
                self.choice(*choice);
                self.chunk(*choice, out, |part| part.text("text", text));
            }
            StreamEvent::ToolCallStart { choice, index, id, name, signature } => {
                let call = Call {
                    index: *index,
                    id: id.clone(),
                    name: name.clone(),
                    signature: signature.clone(),
                    ..Call::default()
                };
                self.choice(*choice).calls.push(call);
            }
            StreamEvent::ToolCallDelta { choice, index, arguments } => {
                if let Some(call) = self.choice(*choice).calls.iter_mut().find(|call| call.index == *index) {
                    call.arguments.push_str(arguments);
                }
            }
            StreamEvent::ToolCallEnd { choice, index } => {
                let calls = &mut self.choice(*choice).calls;
                if let Some(at) = calls.iter().position(|call| call.index == *index) {
                    let call = calls.remove(at);
                    losses.extend(self.call(*choice, &call, out));
                }
            }
            StreamEvent::Finish { choice, finish } => self.choice(*choice).finish = Some(finish.clone()),
            StreamEvent::Usage(counts) => self.usage = Some(*counts),
            StreamEvent::Extra(extra) => losses.push(response::unsaid(extra)),
        }
    }

    /// Writes the last event: calls that were never closed, finish reasons, usage. An answer without any choice gets one.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            self.choice(0);
        }
        let choices = std::mem::take(&mut self.choices);
        for (index, choice) in &choices {
            for call in &choice.calls {
                self.call(*index, call, out);
            }
        }
        self.write(out, |body| {
            {
                let mut list = body.array_in("candidates");
                for (index, choice) in &choices {
                    let mut candidate = list.object_item();
                    {
                        let mut content = candidate.object_in("content");
                        content.array_in("parts").object_item().text("text", "");
                        content.text("role", "model");
                    }
                    if let Some(end) = &choice.finish {
                        candidate.text("finishReason", finish::encode(end));
                        response::write_finish_message(end, &mut candidate);
                    }
                    candidate.value("index", index);
                }
            }
            if let Some(counts) = tail.usage.as_ref().or(self.usage.as_ref()) {
                usage::encode(counts, body.member("usageMetadata"));
            }
            if let Some(signalbox) = &tail.signalbox {
                body.raw("signalbox", signalbox);
            }
        });
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_default()
    }

    fn call(&self, choice: u32, call: &Call, out: &mut Vec<u8>) -> Option<Loss> {
        let mut loss = None;
        self.chunk(choice, out, |part| {
            loss = response::write_call(part, &call.id, &call.name, &call.arguments, call.signature.as_deref());
        });
        loss
    }

    /// An event with one part of one choice.
    fn chunk(&self, choice: u32, out: &mut Vec<u8>, part: impl FnOnce(&mut Json<'_>)) {
        self.write(out, |body| {
            let mut list = body.array_in("candidates");
            let mut candidate = list.object_item();
            {
                let mut content = candidate.object_in("content");
                {
                    let mut parts = content.array_in("parts");
                    part(&mut parts.object_item());
                }
                content.text("role", "model");
            }
            candidate.value("index", choice);
        });
    }

    fn write(&self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Json<'_>)) {
        out.extend_from_slice(b"data: ");
        {
            let mut body = Json::object(out);
            fill(&mut body);
            body.text("modelVersion", &self.model);
            body.text("responseId", &self.id);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}
