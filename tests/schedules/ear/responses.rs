//! A client of OpenAI's Responses.

use serde_json::Value;

use super::super::voice::Content;
use super::{number, parsed, text, Frame, Heard};

pub fn stream(frames: &[&Frame], heard: &mut Heard) -> Result<(), String> {
    let mut number_before: Option<u64> = None;
    let mut over = false;
    for (at, frame) in frames.iter().enumerate() {
        let event = parsed(frame)?;
        let kind = text(&event["type"]);
        if frame.name.as_deref().is_some_and(|name| name != kind) {
            return Err(format!("named {:?}, but is {event}", frame.name));
        }
        if over {
            return Err(format!("an event after the end: {event}"));
        }
        let own = event["sequence_number"].as_u64();
        // An error of ours has no number: the clients do not read it.
        if kind == "error" && own.is_none() {
            over = true;
            heard.error = Some(text(&event["message"]).to_owned());
            continue;
        }
        if own.is_none() || number_before.is_some_and(|before| own <= Some(before)) {
            return Err(format!("numbered out of order, {number_before:?}: {event}"));
        }
        number_before = own;
        if (at == 0) != (kind == "response.created") && kind != "error" && kind != "response.failed" {
            return Err(format!("not the place for {event}"));
        }
        if let Some(member) = event.get("signalbox").or_else(|| event["response"].get("signalbox")) {
            heard.member = Some(member.clone());
        }
        match kind {
            "error" => {
                over = true;
                heard.error = Some(text(&event["message"]).to_owned());
            }
            "response.failed" => {
                over = true;
                heard.error = Some(text(&event["response"]["error"]["message"]).to_owned());
            }
            "response.completed" | "response.incomplete" => {
                over = true;
                heard.complete = true;
                let mut last = Heard::default();
                whole(&event["response"], &mut last)?;
                if !heard.content.is(&last.content) {
                    heard.contradiction =
                        Some(format!("the end says {:?}, the deltas {:?}", last.content, heard.content));
                }
                (heard.finish, heard.usage, heard.usages) = (last.finish, last.usage, last.usages);
            }
            "response.output_text.delta" => heard.content.text.push_str(text(&event["delta"])),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                heard.content.thoughts.push_str(text(&event["delta"]));
            }
            "response.output_item.added" if event["item"]["type"] == "function_call" => {
                heard.content.tools.push((text(&event["item"]["name"]).to_owned(), String::new()));
            }
            "response.function_call_arguments.delta" => match heard.content.tools.last_mut() {
                Some((_, arguments)) => arguments.push_str(text(&event["delta"])),
                None => return Err(format!("arguments of nothing: {event}")),
            },
            _ => {}
        }
    }
    Ok(())
}

pub fn whole(value: &Value, heard: &mut Heard) -> Result<(), String> {
    if value["object"] != "response" || !value["output"].is_array() {
        return Err(format!("no response: {value}"));
    }
    let Content { thoughts, text: all, tools } = &mut heard.content;
    for item in value["output"].as_array().into_iter().flatten() {
        match text(&item["type"]) {
            "message" => {
                item["content"].as_array().into_iter().flatten().for_each(|part| all.push_str(text(&part["text"])))
            }
            "reasoning" => {
                let parts =
                    ["summary", "content"].iter().find_map(|name| item[*name].as_array().filter(|l| !l.is_empty()));
                parts.into_iter().flatten().for_each(|part| thoughts.push_str(text(&part["text"])));
            }
            "function_call" => tools.push((text(&item["name"]).to_owned(), text(&item["arguments"]).to_owned())),
            _ => return Err(format!("no item of the dialect: {item}")),
        }
    }
    let tool = !heard.content.tools.is_empty();
    heard.finish = match text(&value["status"]) {
        "completed" => Some(if tool { "tool" } else { "stop" }.to_owned()),
        "incomplete" if value["incomplete_details"]["reason"] == "max_output_tokens" => Some("length".to_owned()),
        other => Some(other.to_owned()),
    };
    let usage = &value["usage"];
    if usage.is_object() {
        (heard.usage, heard.usages) = (Some((number(&usage["input_tokens"]), number(&usage["output_tokens"]))), 1);
    }
    Ok(())
}
