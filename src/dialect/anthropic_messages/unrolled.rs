//! A whole message as events: see [`crate::dialect::unrolled`]. Which events have what is `RawMessageStreamEvent` of
//! Anthropic's SDK (`node_modules/@anthropic-ai/sdk/resources/messages/messages.d.ts`).

use serde_json::value::RawValue;

use super::types::Text;
use super::write::Object;
use crate::dialect::unrolled::write;
use crate::json::scalar::filled;
use crate::json::scan::items;
use crate::json::{Edit, Members};

/// The events, or nothing where there is no whole message.
pub(in crate::dialect) fn events(json: &[u8]) -> Option<Vec<u8>> {
    let message = Members::read(json).ok()?;
    if message.raw("type")?.get() != "\"message\"" || message.present("error").is_some() {
        return None;
    }
    let blocks: Vec<&RawValue> = message.parse("content").ok()??;
    let mut out = Vec::with_capacity(json.len() * 2);
    let started = message.edit(&[
        Edit::Set("content", "[]".into()),
        Edit::Set("stop_reason", "null".into()),
        Edit::Set("stop_sequence", "null".into()),
        Edit::Remove("stop_details"),
    ]);
    event(&mut out, "message_start", |object| object.raw("message", std::str::from_utf8(&started).unwrap_or("null")));
    for (index, block) in blocks.into_iter().enumerate() {
        unroll(&mut out, index as u64, block)?;
    }
    event(&mut out, "message_delta", |object| {
        object.object("delta", |delta| {
            for name in ["stop_reason", "stop_sequence", "stop_details"] {
                if let Some(value) = message.raw(name) {
                    delta.raw(name, value.get());
                }
            }
        });
        if let Some(usage) = message.present("usage") {
            object.raw("usage", usage.get());
        }
    });
    event(&mut out, "message_stop", |_| {});
    Some(out)
}

/// As the encoder writes one, but for source text that stands on several lines: that becomes one of data, while the text of
/// arguments keeps its line ends.
fn event(out: &mut Vec<u8>, name: &str, members: impl FnOnce(&mut Object<'_>)) {
    let mut json = Vec::new();
    let mut object = Object::begin(&mut json);
    object.text("type", name);
    members(&mut object);
    object.end();
    write(out, Some(name), &json);
}

/// A block: empty at first where its kind comes in pieces, whole where it does not.
fn unroll(out: &mut Vec<u8>, index: u64, block: &RawValue) -> Option<()> {
    let members = Members::read(block.get().as_bytes()).ok()?;
    let kind = members.parse::<Text<'_>>("type").ok()??;
    // Member, its beginning, the delta that brings it, and the member in there.
    let pieces: &[[&str; 4]] = match kind.as_str() {
        "text" => &[["text", "\"\"", "text_delta", "text"]],
        "thinking" => {
            &[["thinking", "\"\"", "thinking_delta", "thinking"], ["signature", "\"\"", "signature_delta", "signature"]]
        }
        "tool_use" | "server_tool_use" | "mcp_tool_use" => &[["input", "{}", "input_json_delta", "partial_json"]],
        _ => &[],
    };
    let cited = members.present("citations").filter(|_| kind.as_str() == "text");
    let mut edits: Vec<Edit<'_>> =
        pieces.iter().map(|[name, nothing, ..]| Edit::Set(name, (*nothing).into())).collect();
    edits.extend(cited.map(|_| Edit::Set("citations", "[]".into())));
    let begun = members.edit(&edits);
    event(out, "content_block_start", |object| {
        object.count("index", index);
        object.raw("content_block", std::str::from_utf8(&begun).unwrap_or("null"));
    });
    let mut delta = |kind: &str, write: &dyn Fn(&mut Object<'_>)| {
        event(out, "content_block_delta", |object| {
            object.count("index", index);
            object.object("delta", |delta| {
                delta.text("type", kind);
                write(delta);
            });
        });
    };
    for [name, _, kind, member] in pieces {
        let Some(value) = members.present(name) else { continue };
        if *name == "input" {
            delta(kind, &|delta| delta.text(member, value.get()));
        } else if filled(Some(value)).is_some() {
            delta(kind, &|delta| delta.raw(member, value.get()));
        }
    }
    for citation in cited.iter().flat_map(|list| items(list.get())) {
        delta("citations_delta", &|delta| delta.raw("citation", citation));
    }
    event(out, "content_block_stop", |object| object.count("index", index));
    Some(())
}
