//! Canonical events → partial responses for Gemini clients.

use crate::dialect::canonical::{Extra, Finish, Loss, MediaSource, Part, ReasoningPart, StreamEvent, Usage};
use crate::dialect::citation::{self, Citation};
use crate::dialect::gemini::write::Json;
use crate::dialect::gemini::{finish, foreign, grounding, logprobs, response, usage};
use crate::dialect::{custom, tier, Dialect, ReplyContext, Tail};
use crate::sorted::Map;

/// Writes a stream: one event per piece of text, whole calls, and a last event with the finish reasons and the usage. It
/// has no terminator; lines end with CRLF, as Google's do. [`super::super::array::Joiner`] makes an array of it.
#[derive(Debug)]
pub struct Encoder {
    context: ReplyContext,
    choices: Map<u32, Choice>,
    usage: Option<Usage>,
    /// Which capacity answers, in Google's word.
    capacity: Option<&'static str>,
    /// The provider's explanation of its verdict.
    why: Option<String>,
}

#[derive(Debug, Default)]
struct Choice {
    finish: Option<Finish>,
    refused: bool,
    /// Calls whose arguments are still coming: Gemini clients get calls whole.
    calls: Vec<Call>,
    /// Thoughts of another provider since the last part, for the part that follows them (see [`foreign`]).
    thoughts: Vec<ReasoningPart>,
    /// The text of the block that has not ended.
    thinking: String,
    /// The visible text so far, in whose bytes its sources are told at the end.
    said: String,
    cited: Vec<Citation>,
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
        Self { context, choices: Map::new(), usage: None, capacity: None, why: None }
    }

    /// Writes one event. Finish reasons and usage wait for [`Encoder::end`], because a later one replaces an earlier one.
    pub fn event(&mut self, event: &StreamEvent, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        match event {
            StreamEvent::Start { id, model, created: _ } => {
                // The provider's own names where it gave some; its clock has no place here.
                if let Some(id) = id {
                    self.context.request_id.clone_from(id);
                }
                if let Some(model) = model {
                    self.context.model.clone_from(model);
                }
            }
            StreamEvent::TextDelta { choice, text } => self.text(*choice, text, out),
            StreamEvent::RefusalDelta { choice, text } => {
                losses.push(response::refusal_as_text(*choice));
                self.choice(*choice).refused = true;
                self.text(*choice, text, out);
            }
            StreamEvent::ReasoningDelta { choice, text } => self.thought(*choice, text, out),
            StreamEvent::ReasoningEnd { choice, signature, redacted } => {
                self.end_thought(*choice, signature.as_deref(), *redacted, out, losses);
            }
            StreamEvent::ToolCallStart { choice, index, id, name, signature } => {
                let sealed = self.sealed(*choice, true);
                if let (Some(sealed), true) = (&sealed, signature.is_some()) {
                    self.signature(*choice, sealed, out);
                }
                let (id, name, signature) = (id.clone(), name.clone(), signature.clone().or(sealed));
                let call = Call { index: *index, id, name, arguments: String::new(), signature };
                self.choice(*choice).calls.push(call);
            }
            StreamEvent::ToolCallDelta { choice, index, arguments } => {
                if let Some(call) = self.choice(*choice).calls.iter_mut().find(|call| call.index == *index) {
                    call.arguments.push_str(arguments);
                }
            }
            StreamEvent::CustomCallStart { choice, index, .. } => losses.push(custom::unsaid(*choice, *index)),
            StreamEvent::CustomCallDelta { .. } => {}
            StreamEvent::ToolCallEnd { choice, index } => {
                let calls = &mut self.choice(*choice).calls;
                if let Some(at) = calls.iter().position(|call| call.index == *index) {
                    let call = calls.remove(at);
                    losses.extend(self.call(*choice, &call, out));
                }
            }
            StreamEvent::Media { choice, part: Part::Image(media) | Part::Audio(media) | Part::File(media) } => {
                if matches!(media.source, MediaSource::FileId { .. }) {
                    return losses.push(response::foreign_file(*choice));
                }
                self.chunk(*choice, out, |part| response::write_media(media, part));
            }
            StreamEvent::Media { choice, part } => {
                losses.push(Loss::of_media(format!("choices[{choice}].content"), part))
            }
            StreamEvent::Finish { choice, finish } => self.choice(*choice).finish = Some(finish.clone()),
            StreamEvent::Usage(counts) => self.usage = Some(*counts),
            StreamEvent::Extra(extra) => self.extra(extra, out, losses),
        }
    }

    /// Writes the last event: calls that were never closed, finish reasons, usage. An answer without any choice gets one.
    pub fn end(&mut self, tail: &Tail, out: &mut Vec<u8>) {
        if self.choices.is_empty() {
            self.choice(0);
        }
        let indices: Vec<u32> = self.choices.keys().copied().collect();
        for index in indices {
            if let Some(sealed) = self.sealed(index, false) {
                self.signature(index, &sealed, out);
            }
            for call in std::mem::take(&mut self.choice(index).calls) {
                self.call(index, &call, out);
            }
        }
        let choices = std::mem::take(&mut self.choices);
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
                    let end = finish::told(choice.finish.as_ref(), choice.refused);
                    candidate.text("finishReason", finish::encode_end(end.as_ref()));
                    if let Some(end) = &end {
                        response::write_finish_message(end, self.why.as_deref(), &mut candidate);
                    }
                    candidate.value("index", index);
                    if !choice.cited.is_empty() {
                        grounding::encode(&choice.cited, &choice.said, candidate.member("groundingMetadata"));
                    }
                }
            }
            if let Some(counts) = tail.usage.as_ref().or(self.usage.as_ref()) {
                usage::encode(counts, self.capacity, body.member("usageMetadata"));
            }
            if let Some(signalbox) = &tail.signalbox {
                body.raw("signalbox", signalbox);
            }
        });
    }

    fn extra(&mut self, extra: &Extra, out: &mut Vec<u8>, losses: &mut Vec<Loss>) {
        self.why = self.why.take().or_else(|| extra.explains());
        if let Some(word) = tier::word(extra, &tier::GOOGLE) {
            self.capacity = Some(word);
            return;
        }
        let choice = extra.choice().unwrap_or_default();
        let cited = citation::in_any_form(extra, choice);
        if !cited.is_empty() {
            // What else is cited beside pages has no place.
            losses.extend((!citation::is_of_pages(extra, choice)).then(|| response::unsaid(extra)).flatten());
            self.choice(choice).cited.extend(cited);
        } else if let Some(result) = logprobs::to_google(extra, choice) {
            self.candidate(
                choice,
                out,
                |candidate| candidate.raw("logprobsResult", &result),
                |part| part.text("text", ""),
            );
        } else {
            losses.extend(response::unsaid(extra));
        }
    }

    fn text(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        self.choice(choice).said.push_str(text);
        if text.is_empty() {
            return;
        }
        let sealed = self.sealed(choice, false);
        self.chunk(choice, out, |part| {
            part.text("text", text);
            if let Some(sealed) = &sealed {
                part.text("thoughtSignature", sealed);
            }
        });
    }

    fn thought(&mut self, choice: u32, text: &str, out: &mut Vec<u8>) {
        let foreign = self.foreign().is_some();
        let state = self.choice(choice);
        if foreign {
            state.thinking.push_str(text);
        }
        if !self.context.hide_reasoning {
            self.chunk(choice, out, |part| {
                part.text("text", text);
                part.value("thought", true);
            });
        }
    }

    fn end_thought(
        &mut self,
        choice: u32,
        signature: Option<&str>,
        redacted: bool,
        out: &mut Vec<u8>,
        losses: &mut Vec<Loss>,
    ) {
        match (self.context.upstream, self.foreign(), signature) {
            (_, Some(origin), signature) => self.choice(choice).end_thought(origin, signature, redacted),
            (_, None, None) => {}
            (Some(_), None, Some(signature)) => self.signature(choice, signature, out),
            // Whose it is is not known: no model could be trusted to read it.
            (None, None, Some(_)) => losses.push(response::foreign_signature(choice, redacted)),
        }
    }

    /// The provider that wants its thoughts back, unless it is Google.
    fn foreign(&self) -> Option<Dialect> {
        self.context.upstream.filter(|upstream| *upstream != Dialect::Gemini)
    }

    /// The signature for a part that follows another provider's thoughts. Unsigned thoughts are wanted back with calls only.
    fn sealed(&mut self, choice: u32, before_call: bool) -> Option<String> {
        let origin = self.foreign()?;
        let state = self.choice(choice);
        state.end_thought(origin, None, false);
        let wanted = before_call || state.thoughts.iter().any(|thought| thought.signature.is_some());
        let thoughts = (wanted && !state.thoughts.is_empty()).then(|| std::mem::take(&mut state.thoughts))?;
        Some(foreign::seal(thoughts, &self.context.answered_by))
    }

    fn choice(&mut self, index: u32) -> &mut Choice {
        self.choices.entry(index).or_default()
    }

    fn call(&mut self, choice: u32, call: &Call, out: &mut Vec<u8>) -> Option<Loss> {
        let mut loss = None;
        self.chunk(choice, out, |part| {
            loss = response::write_call(part, &call.id, &call.name, &call.arguments, call.signature.as_deref());
        });
        loss
    }

    /// A signature on a part of its own.
    fn signature(&mut self, choice: u32, signature: &str, out: &mut Vec<u8>) {
        self.chunk(choice, out, |part| {
            part.text("text", "");
            part.text("thoughtSignature", signature);
        });
    }

    /// An event with one part of one choice.
    fn chunk(&mut self, choice: u32, out: &mut Vec<u8>, part: impl FnOnce(&mut Json<'_>)) {
        self.candidate(choice, out, |_| {}, part);
    }

    /// The same with members beside the content.
    fn candidate(
        &mut self,
        choice: u32,
        out: &mut Vec<u8>,
        beside: impl FnOnce(&mut Json<'_>),
        part: impl FnOnce(&mut Json<'_>),
    ) {
        self.choice(choice);
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
            beside(&mut candidate);
        });
    }

    fn write(&self, out: &mut Vec<u8>, fill: impl FnOnce(&mut Json<'_>)) {
        out.extend_from_slice(b"data: ");
        {
            let mut body = Json::object(out);
            fill(&mut body);
            body.text("modelVersion", &self.context.model);
            body.text("responseId", &self.context.request_id);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

impl Choice {
    fn end_thought(&mut self, origin: Dialect, signature: Option<&str>, redacted: bool) {
        let text = std::mem::take(&mut self.thinking);
        if !text.is_empty() || signature.is_some() {
            let signature = signature.map(str::to_owned);
            self.thoughts.push(ReasoningPart { text, signature, redacted, origin });
        }
    }
}
