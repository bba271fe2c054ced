//! A client of Anthropic's Messages.

use serde_json::Value;

use super::{number, parsed, text, Frame, Heard};

fn counts(usage: &Value) -> (u64, u64) {
    let read = |name: &str| number(&usage[name]);
    let prompt = read("input_tokens") + read("cache_creation_input_tokens") + read("cache_read_input_tokens");
    (prompt, read("output_tokens"))
}

pub fn stream(frames: &[&Frame], heard: &mut Heard) -> Result<(), String> {
    let mut begun = false;
    let mut prompt = 0;
    // Index and kind of the block that is open, and how many there were.
    let (mut open, mut blocks): (Option<(u64, String)>, u64) = (None, 0);
    for frame in frames {
        let event = parsed(frame)?;
        let kind = text(&event["type"]);
        if frame.name.as_deref() != Some(kind) {
            return Err(format!("named {:?}, but is {event}", frame.name));
        }
        if heard.complete {
            return Err(format!("an event after message_stop: {event}"));
        }
        if heard.error.is_some() {
            return Err(format!("an event after the error: {event}"));
        }
        if let Some(member) = event.get("signalbox") {
            heard.member = Some(member.clone());
        }
        if kind == "error" {
            heard.error = Some(text(&event["error"]["message"]).to_owned());
            continue;
        }
        if kind == "ping" {
            continue;
        }
        if begun == (kind == "message_start") {
            return Err(format!("not the place for {event}"));
        }
        let here =
            |open: &Option<(u64, String)>| open.as_ref().is_some_and(|(at, _)| event["index"].as_u64() == Some(*at));
        match kind {
            "message_start" => {
                begun = true;
                prompt = counts(&event["message"]["usage"]).0;
            }
            "content_block_start" => {
                let block = &event["content_block"];
                if open.is_some() || event["index"].as_u64() != Some(blocks) || heard.finish.is_some() {
                    return Err(format!("a block out of order: {event}"));
                }
                open = Some((blocks, text(&block["type"]).to_owned()));
                blocks += 1;
                match text(&block["type"]) {
                    "tool_use" => heard.content.tools.push((text(&block["name"]).to_owned(), String::new())),
                    "text" => heard.content.text.push_str(text(&block["text"])),
                    "thinking" => heard.content.thoughts.push_str(text(&block["thinking"])),
                    _ => {}
                }
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                let wanted = match text(&delta["type"]) {
                    "text_delta" => "text",
                    "input_json_delta" => "tool_use",
                    _ => "thinking",
                };
                if !here(&open) || open.as_ref().is_some_and(|(_, kind)| kind != wanted) {
                    return Err(format!("a delta out of its block: {event}"));
                }
                heard.content.text.push_str(text(&delta["text"]));
                heard.content.thoughts.push_str(text(&delta["thinking"]));
                if let (Some(part), Some((_, arguments))) =
                    (delta["partial_json"].as_str(), heard.content.tools.last_mut())
                {
                    arguments.push_str(part);
                }
            }
            "content_block_stop" => {
                if !here(&open) {
                    return Err(format!("the end of another block: {event}"));
                }
                open = None;
            }
            "message_delta" => {
                if open.is_some() {
                    return Err("the message ends within a block".to_owned());
                }
                if let Some(word) = event["delta"]["stop_reason"].as_str() {
                    if heard.finish.replace(finish(word)).is_some() {
                        return Err("a second stop reason".to_owned());
                    }
                }
                let (said, output) = counts(&event["usage"]);
                heard.usages += 1;
                heard.usage = Some((if said > 0 { said } else { prompt }, output));
            }
            "message_stop" => {
                if heard.finish.is_none() {
                    return Err("message_stop without a stop reason".to_owned());
                }
                heard.complete = true;
            }
            _ => return Err(format!("no event of the dialect: {event}")),
        }
    }
    Ok(())
}

fn finish(word: &str) -> String {
    match word {
        "end_turn" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tool",
        other => other,
    }
    .to_owned()
}

pub fn whole(value: &Value, heard: &mut Heard) -> Result<(), String> {
    if value["type"] != "message" || !value["content"].is_array() {
        return Err(format!("no message: {value}"));
    }
    for block in value["content"].as_array().into_iter().flatten() {
        match text(&block["type"]) {
            "text" => heard.content.text.push_str(text(&block["text"])),
            "thinking" => heard.content.thoughts.push_str(text(&block["thinking"])),
            "tool_use" => heard.content.tools.push((text(&block["name"]).to_owned(), block["input"].to_string())),
            _ => return Err(format!("no block of the dialect: {block}")),
        }
    }
    heard.finish = value["stop_reason"].as_str().map(finish);
    (heard.usage, heard.usages) = (Some(counts(&value["usage"])), 1);
    Ok(())
}
