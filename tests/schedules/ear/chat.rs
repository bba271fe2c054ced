//! A client of OpenAI's Chat Completions.

use serde_json::Value;

use super::{number, parsed, text, Frame, Heard};

pub fn stream(frames: &[&Frame], heard: &mut Heard) -> Result<(), String> {
    let mut id = None;
    for frame in frames {
        if heard.complete {
            return Err(format!("an event after [DONE]: {}", frame.data));
        }
        if frame.data == "[DONE]" {
            heard.complete = true;
            continue;
        }
        let chunk = parsed(frame)?;
        if let Some(member) = chunk.get("signalbox") {
            heard.member = Some(member.clone());
        }
        if chunk.get("error").is_some() {
            if heard.error.is_some() {
                return Err("a second error".to_owned());
            }
            heard.error = Some(text(&chunk["error"]["message"]).to_owned());
            continue;
        }
        if heard.error.is_some() {
            return Err(format!("an event after the error: {chunk}"));
        }
        if chunk["object"] != "chat.completion.chunk" || !chunk["choices"].is_array() {
            return Err(format!("no chunk: {chunk}"));
        }
        let own = text(&chunk["id"]).to_owned();
        if *id.get_or_insert(own.clone()) != own {
            return Err(format!("the id changes: {chunk}"));
        }
        if chunk["usage"].is_object() {
            heard.usages += 1;
            heard.usage =
                Some((number(&chunk["usage"]["prompt_tokens"]), number(&chunk["usage"]["completion_tokens"])));
        }
        for choice in chunk["choices"].as_array().into_iter().flatten() {
            take(choice, heard)?;
        }
    }
    if heard.complete && heard.finish.is_none() && heard.error.is_none() {
        return Err("[DONE] without a finish reason".to_owned());
    }
    Ok(())
}

fn take(choice: &Value, heard: &mut Heard) -> Result<(), String> {
    let delta = &choice["delta"];
    let before = heard.content.clone();
    heard
        .content
        .thoughts
        .push_str(delta["reasoning_content"].as_str().or(delta["reasoning"].as_str()).unwrap_or_default());
    heard.content.text.push_str(text(&delta["content"]));
    for call in delta["tool_calls"].as_array().into_iter().flatten() {
        let at = number(&call["index"]) as usize;
        if at > heard.content.tools.len() {
            return Err(format!("a call out of order: {call}"));
        }
        if at == heard.content.tools.len() {
            if text(&call["id"]).is_empty() {
                return Err(format!("a call without an id: {call}"));
            }
            heard.content.tools.push((text(&call["function"]["name"]).to_owned(), String::new()));
        }
        heard.content.tools[at].1.push_str(text(&call["function"]["arguments"]));
    }
    if heard.finish.is_some() && heard.content != before {
        return Err(format!("content after the finish reason: {choice}"));
    }
    if let Some(word) = choice["finish_reason"].as_str() {
        if heard.finish.replace(finish(word)).is_some() {
            return Err("a second finish reason".to_owned());
        }
    }
    Ok(())
}

fn finish(word: &str) -> String {
    if word == "tool_calls" { "tool" } else { word }.to_owned()
}

pub fn whole(value: &Value, heard: &mut Heard) -> Result<(), String> {
    let message = &value["choices"][0]["message"];
    if value["object"] != "chat.completion" || !message.is_object() {
        return Err(format!("no completion: {value}"));
    }
    let thoughts = message["reasoning_content"].as_str().or(message["reasoning"].as_str());
    heard.content.thoughts = thoughts.unwrap_or_default().to_owned();
    heard.content.text = text(&message["content"]).to_owned();
    for call in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &call["function"];
        heard.content.tools.push((text(&function["name"]).to_owned(), text(&function["arguments"]).to_owned()));
    }
    heard.finish = value["choices"][0]["finish_reason"].as_str().map(finish);
    if let Some(usage) = value.get("usage").filter(|usage| usage.is_object()) {
        (heard.usage, heard.usages) = (Some((number(&usage["prompt_tokens"]), number(&usage["completion_tokens"]))), 1);
    }
    Ok(())
}
