//! A whole answer as events: see [`crate::dialect::unrolled`]. Which events have what is `ResponseStreamEvent` of OpenAI's SDK
//! (`node_modules/openai/resources/responses/responses.d.ts`).

use serde_json::value::RawValue;

use super::observe;
use crate::dialect::custom;
use crate::dialect::openai_chat::write::Object;
use crate::dialect::unrolled::write;
use crate::json::scalar::filled;
use crate::json::scan::items;
use crate::json::{Edit, Members};

/// The events, or nothing where there is no whole answer.
pub(in crate::dialect) fn events(json: &[u8]) -> Option<Vec<u8>> {
    let answer = Members::read(json).ok()?;
    if answer.raw("object")?.get() != "\"response\"" {
        return None;
    }
    observe::whole(json).ok()?;
    let end = match filled(answer.raw("status")).as_deref() {
        None | Some("completed") => "response.completed",
        Some("incomplete") => "response.incomplete",
        // What goes on behind the scenes is no answer yet.
        Some(_) => return None,
    };
    let begun = answer.edit(&[
        Edit::Set("status", "\"in_progress\"".into()),
        Edit::Set("output", "[]".into()),
        Edit::Set("usage", "null".into()),
        Edit::Set("incomplete_details", "null".into()),
    ]);
    let mut events = Events { out: Vec::with_capacity(json.len() * 3), number: 0 };
    events.write("response.created", |event| event.raw("response", text(&begun)));
    for (at, item) in items(answer.present("output")?.get()).enumerate() {
        events.item(at, item)?;
    }
    events.write(end, |event| event.raw("response", text(json)));
    Some(events.out)
}

fn text(json: &[u8]) -> &str {
    std::str::from_utf8(json).unwrap_or("null")
}

struct Events {
    out: Vec<u8>,
    /// The next event's.
    number: u64,
}

/// Where a piece belongs: its item, and its part of that.
#[derive(Clone, Copy)]
struct Spot<'a> {
    item_id: &'a str,
    at: usize,
    part: Option<(&'static str, usize)>,
}

impl Events {
    fn write(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        let mut json = Vec::new();
        let mut object = Object::begin(&mut json);
        object.text("type", name);
        object.number("sequence_number", self.number);
        members(&mut object);
        object.end();
        self.number += 1;
        write(&mut self.out, Some(name), &json);
    }

    fn write_at(&mut self, name: &str, spot: Spot<'_>, members: impl FnOnce(&mut Object<'_>)) {
        self.write(name, |event| {
            event.raw("item_id", spot.item_id);
            event.number("output_index", spot.at as u64);
            if let Some((index, part)) = spot.part {
                event.number(index, part as u64);
            }
            members(event);
        });
    }

    /// An item: without what comes in pieces, the pieces, and as it is.
    fn item(&mut self, at: usize, item: &str) -> Option<()> {
        let members = Members::read(item.as_bytes()).ok()?;
        let kind = filled(members.raw("type"))?;
        let id = format!("\"item_{at}\"");
        let spot = Spot { item_id: members.present("id").map_or(&id, RawValue::get), at, part: None };
        let (nothing, list) = ("\"\"", "[]");
        let emptied = match kind.as_ref() {
            "message" => vec![("content", list)],
            "reasoning" => vec![("summary", list), ("content", list)],
            "function_call" => vec![("arguments", nothing)],
            custom::CALL => vec![("input", nothing)],
            _ => Vec::new(),
        };
        let there = emptied.into_iter().filter(|(name, _)| members.present(name).is_some());
        let mut edits: Vec<Edit<'_>> = there.map(|(name, empty)| Edit::Set(name, empty.into())).collect();
        if !edits.is_empty() && members.present("status").is_some() {
            edits.push(Edit::Set("status", "\"in_progress\"".into()));
        }
        let begun = members.edit(&edits);
        self.write("response.output_item.added", |event| {
            event.number("output_index", at as u64);
            event.raw("item", text(&begun));
        });
        let parts = |name: &str| members.present(name).map_or(list, RawValue::get);
        match kind.as_ref() {
            "message" => {
                for (part, json) in items(parts("content")).enumerate() {
                    self.part(Spot { part: Some(("content_index", part)), ..spot }, json)?;
                }
            }
            "reasoning" => {
                for (part, json) in items(parts("summary")).enumerate() {
                    self.summary(Spot { part: Some(("summary_index", part)), ..spot }, json)?;
                }
                for (part, json) in items(parts("content")).enumerate() {
                    self.part(Spot { part: Some(("content_index", part)), ..spot }, json)?;
                }
            }
            "function_call" => {
                self.told("response.function_call_arguments", spot, "arguments", members.present("arguments"), &[]);
            }
            custom::CALL => {
                self.told("response.custom_tool_call_input", spot, "input", members.present("input"), &[]);
            }
            _ => {}
        }
        self.write("response.output_item.done", |event| {
            event.number("output_index", at as u64);
            event.raw("item", item);
        });
        Some(())
    }

    /// A text in one piece, and its end.
    fn told(&mut self, name: &str, spot: Spot<'_>, member: &str, said: Option<&RawValue>, beside: &[(&str, &str)]) {
        let Some(said) = said.filter(|said| filled(Some(said)).is_some()) else { return };
        for (end, member) in [("delta", "delta"), ("done", member)] {
            self.write_at(&format!("{name}.{end}"), spot, |event| {
                event.raw(member, said.get());
                for (name, value) in beside {
                    event.raw(name, value);
                }
            });
        }
    }

    /// A part of a message, or of reasoning that is told in full.
    fn part(&mut self, spot: Spot<'_>, part: &str) -> Option<()> {
        let members = Members::read(part.as_bytes()).ok()?;
        let kind = filled(members.raw("type"))?;
        let (name, member) = match kind.as_ref() {
            "output_text" => ("response.output_text", "text"),
            "refusal" => ("response.refusal", "refusal"),
            "reasoning_text" => ("response.reasoning_text", "text"),
            _ => ("", ""),
        };
        let lists = ["annotations", "logprobs"].into_iter().filter(|name| members.present(name).is_some());
        let mut edits: Vec<Edit<'_>> = lists.map(|name| Edit::Set(name, "[]".into())).collect();
        if !member.is_empty() {
            edits.push(Edit::Set(member, "\"\"".into()));
        }
        let begun = members.edit(&edits);
        self.write_at("response.content_part.added", spot, |event| event.raw("part", text(&begun)));
        if !member.is_empty() {
            let logprobs = members.present("logprobs").map_or("[]", RawValue::get);
            let beside = [("logprobs", logprobs)];
            let beside = if kind == "output_text" { &beside[..] } else { &[] };
            self.told(name, spot, member, members.present(member), beside);
        }
        let annotations = members.present("annotations").map_or("[]", RawValue::get);
        for (at, annotation) in items(annotations).enumerate() {
            self.write_at("response.output_text.annotation.added", spot, |event| {
                event.number("annotation_index", at as u64);
                event.raw("annotation", annotation);
            });
        }
        self.write_at("response.content_part.done", spot, |event| event.raw("part", part));
        Some(())
    }

    fn summary(&mut self, spot: Spot<'_>, part: &str) -> Option<()> {
        let members = Members::read(part.as_bytes()).ok()?;
        let begun = members.edit(&[Edit::Set("text", "\"\"".into())]);
        self.write_at("response.reasoning_summary_part.added", spot, |event| event.raw("part", text(&begun)));
        self.told("response.reasoning_summary_text", spot, "text", members.present("text"), &[]);
        self.write_at("response.reasoning_summary_part.done", spot, |event| event.raw("part", part));
        Some(())
    }
}
