//! Canonical → a request for a Gemini model (`wire.md` §2, column G).

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::media;
use super::options;
use super::passed::Passed;
use crate::dialect::answered;
use crate::dialect::cache_marks::{Form, Marks};
use crate::dialect::canonical::{ChatRequest, Loss, Part, ReasoningPart, Role, ToolCall, ToolResult, Turn};
use crate::dialect::carried::SKIP_SIGNATURE;
use crate::dialect::gemini::model::Model;
use crate::dialect::gemini::response::write_arguments;
use crate::dialect::gemini::write::Json;
use crate::dialect::names::in_callers_words;
use crate::dialect::{Dialect, Encoded, Target};

/// Writes a request.
#[must_use]
pub fn encode(request: &ChatRequest, target: &Target<'_>) -> Encoded {
    let model = Model::of(target);
    let mut losses = Vec::new();
    let mut body = Vec::with_capacity(1024);
    {
        let mut wire = Json::object(&mut body);
        let passed = Passed::read(request, target, &mut losses);
        let told = losses.len();
        let mut turns = Turns { request, target, model, names: HashMap::new(), losses: &mut losses };
        let system = turns.leading_system();
        let groups = turns.groups();
        turns.write_system(&system, &mut wire);
        turns.write_contents(&groups, if model.takes_system() { &[] } else { &system }, &mut wire);
        options::write_tools(request, target, model, &passed, &mut wire, &mut losses);
        options::write_config(request, target, model, &passed, &mut wire, &mut losses);
        passed.write_top(&mut wire);
        if request.user.is_some() {
            losses.push(Loss::advisory("user", "Gemini takes no end user's id"));
        }
        // What could not be passed on has the caller's names already.
        in_callers_words(losses.get_mut(told..).unwrap_or_default(), request);
        losses.extend(Marks::new(request, Form::None).told());
    }
    Encoded { body, losses }
}

/// Turns that become one content: consecutive ones of a role. Results stay apart from what the user says, because Google
/// wants a batch's results alone in the content after its calls.
struct Group<'r> {
    model: bool,
    results: bool,
    parts: Vec<(usize, usize, &'r Part)>,
}

struct Turns<'r, 'l> {
    request: &'r ChatRequest,
    target: &'r Target<'r>,
    model: Model,
    /// Function names by call id, of the calls so far.
    names: HashMap<&'r str, &'r str>,
    losses: &'l mut Vec<Loss>,
}

impl<'r> Turns<'r, '_> {
    fn leading_system(&mut self) -> Vec<&'r str> {
        let mut texts = Vec::new();
        let leading = self.request.turns.iter().take_while(|turn| turn.role == Role::System);
        let parts = |(at, turn): (usize, &'r Turn)| {
            turn.parts.iter().enumerate().map(move |(part_at, part)| (at, part_at, part))
        };
        for (at, part_at, part) in leading.enumerate().flat_map(parts) {
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => texts.push(text.as_str()),
                _ => {
                    let reason = "Gemini's system instructions are text";
                    self.losses.push(Loss::unsupported(format!("messages[{at}].content[{part_at}]"), reason));
                }
            }
        }
        texts
    }

    fn groups(&mut self) -> Vec<Group<'r>> {
        let mut groups: Vec<Group<'r>> = Vec::new();
        let turns = &self.request.turns;
        let (order, moved) = answered::order(turns);
        let moved = moved.into_iter().map(|at| Loss::converted(format!("messages[{at}].content[0]"), answered::MOVED));
        self.losses.extend(moved);
        let inner = order.into_iter().filter_map(|at| Some((at, turns.get(at)?)));
        let later = inner.skip_while(|(_, turn)| turn.role == Role::System);
        for (at, turn) in later {
            if turn.role == Role::System {
                let reason = "Gemini takes instructions before the conversation only";
                self.losses.push(Loss::unsupported(format!("messages[{at}]"), reason));
                continue;
            }
            let (model, results) = (turn.role == Role::Assistant, turn.role == Role::Tool);
            let parts = turn.parts.iter().enumerate().map(|(part_at, part)| (at, part_at, part));
            match groups.last_mut() {
                Some(last) if last.model == model && last.results == results => last.parts.extend(parts),
                _ => groups.push(Group { model, results, parts: parts.collect() }),
            }
        }
        let continues = self.target.traits.prefill && self.model.continues_model_turn();
        if !continues && groups.pop_if(|last| last.model).is_some() {
            let field = format!("messages[{}]", self.request.turns.len().saturating_sub(1));
            self.losses.push(Loss::unsupported(field, "this model does not continue a turn of its own"));
        }
        groups
    }

    fn write_system(&mut self, system: &[&str], wire: &mut Json<'_>) {
        if system.is_empty() {
            return;
        }
        if !self.model.takes_system() {
            let reason = "this model has no system instructions: they begin the first user turn";
            self.losses.push(Loss::converted("messages[0]", reason));
            return;
        }
        let mut content = wire.object_in("systemInstruction");
        let mut parts = content.array_in("parts");
        for text in system {
            parts.object_item().text("text", text);
        }
    }

    fn write_contents(&mut self, groups: &[Group<'r>], before: &[&str], wire: &mut Json<'_>) {
        let mut contents = wire.array_in("contents");
        let mut before = Some(before).filter(|before| !before.is_empty());
        let leads = groups.first().is_some_and(|first| !first.model && !first.results);
        if groups.is_empty() || (before.is_some() && !leads) {
            if before.is_none() {
                let reason = "Gemini wants a user turn: an empty one was added";
                self.losses.push(Loss::converted("messages", reason));
            }
            let mut content = contents.object_item();
            content.text("role", "user");
            let mut parts = content.array_in("parts");
            for text in before.take().unwrap_or(&[""]) {
                parts.object_item().text("text", text);
            }
        }
        for group in groups {
            let mut parts = Vec::new();
            {
                let mut list = Json::array(&mut parts);
                for text in before.take().unwrap_or_default() {
                    list.object_item().text("text", text);
                }
                self.write_group(group, &mut list);
            }
            if parts == b"[]" {
                if group.model || group.results {
                    // There is nothing to repeat, and an empty content is refused.
                    continue;
                }
                parts = br#"[{"text":""}]"#.to_vec();
            }
            let mut content = contents.object_item();
            content.text("role", if group.model { "model" } else { "user" });
            content.member("parts").extend_from_slice(&parts);
        }
    }

    fn write_group(&mut self, group: &Group<'r>, list: &mut Json<'_>) {
        let mut called = false;
        let mut parts = group.parts.iter().peekable();
        while let Some((turn, at, part)) = parts.next() {
            let field = format!("messages[{turn}].content[{at}]");
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => list.object_item().text("text", text),
                Part::Refusal(text) => {
                    self.losses.push(Loss::converted(field, "Gemini has no refusals apart from text"));
                    list.object_item().text("text", text);
                }
                Part::Reasoning(reasoning) => {
                    let Some(reasoning) = self.own(reasoning, field.clone()) else { continue };
                    let made =
                        parts.next_if(|(_, _, next)| reasoning.text.is_empty() && matches!(next, Part::Image(_)));
                    if let Some((_, _, picture)) = made {
                        self.write_media(picture, reasoning.signature.as_deref(), &field, list);
                        continue;
                    }
                    // A signature without thoughts stands on the text that follows it, as it came.
                    let text = parts.next_if(|(_, _, next)| {
                        reasoning.text.is_empty() && matches!(next, Part::Text(text) if !text.is_empty())
                    });
                    write_reasoning(reasoning, text.map(|(_, _, part)| *part), list);
                }
                Part::ToolCall(call) => {
                    self.names.insert(&call.id, &call.name);
                    self.write_call(call, !called, &field, list);
                    called = true;
                }
                Part::ToolResult(result) => self.write_result(result, &field, list),
                // "Image part is missing a thought_signature": from version 3 on a picture that the model made must be signed
                // too. That the placeholder stands for one there as well is unverified.
                Part::Image(_) if group.model && self.model.checks_signatures() => {
                    let reason = "the picture's thought signature did not come back: Google's placeholder is sent";
                    self.losses.push(Loss::converted(format!("{field}.signature"), reason));
                    self.write_media(part, Some(SKIP_SIGNATURE), &field, list);
                }
                Part::Image(_) | Part::Audio(_) | Part::File(_) => self.write_media(part, None, &field, list),
                Part::Native { dialect: Dialect::Gemini, raw, .. } => {
                    list.item().extend_from_slice(raw.get().as_bytes());
                }
                Part::Native { kind, .. } => {
                    self.losses.push(Loss::unsupported(field, format!("Gemini has no {kind} blocks")));
                }
            }
        }
    }

    /// Thoughts that a Gemini model can read; others are left out and reported.
    fn own(&mut self, reasoning: &'r ReasoningPart, field: String) -> Option<&'r ReasoningPart> {
        if reasoning.origin != Dialect::Gemini || reasoning.redacted {
            self.losses.push(Loss::advisory(field, "thoughts of another provider's model cannot be replayed"));
            return None;
        }
        Some(reasoning).filter(|reasoning| !reasoning.text.is_empty() || reasoning.signature.is_some())
    }

    fn write_media(&mut self, part: &Part, signature: Option<&str>, field: &str, list: &mut Json<'_>) {
        let written = media::write(part, signature, &self.target.traits, field, &mut *list, self.losses);
        self.losses.extend(written.err());
    }

    /// From version 3 on the first call of a turn must be signed; the other calls of a batch never are.
    fn write_call(&mut self, call: &ToolCall, first: bool, field: &str, list: &mut Json<'_>) {
        let mut part = list.object_item();
        {
            let mut wire = part.object_in("functionCall");
            if self.sends_ids() && !call.id.is_empty() {
                wire.text("id", &call.id);
            }
            wire.text("name", &call.name);
            if !write_arguments(&mut wire, &call.arguments) {
                let reason = "arguments that are no JSON object are sent as the text `__raw`";
                self.losses.push(Loss::converted(format!("{field}.arguments"), reason));
            }
        }
        if let Some(signature) = &call.signature {
            part.text("thoughtSignature", signature);
        } else if first && self.model.checks_signatures() {
            part.text("thoughtSignature", SKIP_SIGNATURE);
            let reason = "the call's thought signature did not come back: Google's placeholder is sent";
            self.losses.push(Loss::converted(format!("{field}.signature"), reason));
        }
    }

    /// Vertex refuses ids.
    fn sends_ids(&self) -> bool {
        !self.target.provider.to_ascii_lowercase().contains("vertex")
    }

    fn write_result(&mut self, result: &'r ToolResult, field: &str, list: &mut Json<'_>) {
        let name = result.name.as_deref().or_else(|| self.names.get(result.call_id.as_str()).copied());
        let Some(name) = name else {
            let reason =
                format!("no earlier call has the id {:?}, and Gemini wants its function's name", result.call_id);
            self.losses.push(Loss::unsupported(field, reason));
            return;
        };
        let mut texts = Vec::new();
        let mut others = Vec::new();
        for part in &result.parts {
            match part {
                Part::Text(text) => texts.push(text.as_str()),
                part => others.push(part),
            }
        }
        let mut part = list.object_item();
        let mut wire = part.object_in("functionResponse");
        if self.sends_ids() && !result.call_id.is_empty() {
            wire.text("id", &result.call_id);
        }
        wire.text("name", name);
        write_response(&texts, result.is_error, !others.is_empty(), &mut wire);
        if others.is_empty() {
            return;
        }
        if !self.model.mixes() {
            let reason = "function results of this model are text";
            self.losses.push(Loss::unsupported(field, reason));
            return;
        }
        let mut media_list = wire.array_in("parts");
        for part in others {
            let written = media::write(part, None, &self.target.traits, field, &mut media_list, self.losses);
            self.losses.extend(written.err());
        }
    }
}

fn write_reasoning(reasoning: &ReasoningPart, text: Option<&Part>, list: &mut Json<'_>) {
    let mut wire = list.object_item();
    match text {
        Some(Part::Text(text)) => wire.text("text", text),
        _ => wire.text("text", &reasoning.text),
    }
    if !reasoning.text.is_empty() {
        wire.value("thought", true);
    }
    if let Some(signature) = &reasoning.signature {
        wire.text("thoughtSignature", signature);
    }
}

/// The result as an object: a JSON object as it is, anything else under a name. Google reads `{"$ref":…}` inside a
/// response as a reference, so that such a text stays a text (`wire.md` §1.4 "Parts").
fn write_response(texts: &[&str], is_error: bool, has_media: bool, wire: &mut Json<'_>) {
    match texts {
        [] if has_media => wire.raw("response", "{}"),
        [text] if !is_error && is_plain_object(text) => wire.raw("response", text.trim()),
        _ => {
            let mut response = wire.object_in("response");
            let name = if is_error { "error" } else { "output" };
            match texts {
                [] => response.text(name, ""),
                [text] => response.text(name, text),
                several => response.value(name, several),
            }
        }
    }
}

fn is_plain_object(text: &str) -> bool {
    let text = text.trim();
    text.starts_with('{')
        && !text.contains("$ref")
        && !text.contains("\\u0024")
        && crate::json::from_str::<&RawValue>(text).is_ok()
}
