//! A client of Gemini.

use serde_json::Value;

use super::{number, parsed, text, Frame, Heard};

pub fn stream(frames: &[&Frame], heard: &mut Heard) -> Result<(), String> {
    for frame in frames {
        let chunk = parsed(frame)?;
        if heard.error.is_some() {
            return Err(format!("an event after the error: {chunk}"));
        }
        if let Some(member) = chunk.get("signalbox") {
            heard.member = Some(member.clone());
        }
        if chunk.get("error").is_some() {
            heard.error = Some(text(&chunk["error"]["message"]).to_owned());
            continue;
        }
        let before = heard.content.clone();
        take(&chunk, heard)?;
        let finished = chunk["candidates"][0]["finishReason"].as_str();
        if heard.finish.is_some() && (heard.content != before || finished.is_some()) {
            return Err(format!("more after the finish reason: {chunk}"));
        }
        if let Some(word) = finished {
            heard.finish = Some(finish(word, heard));
        }
    }
    heard.complete = heard.finish.is_some() && heard.error.is_none();
    Ok(())
}

fn take(chunk: &Value, heard: &mut Heard) -> Result<(), String> {
    for part in chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten() {
        if let Some(call) = part.get("functionCall") {
            let arguments = call.get("args").map_or("{}".to_owned(), Value::to_string);
            heard.content.tools.push((text(&call["name"]).to_owned(), arguments));
        } else if part["thought"] == true {
            heard.content.thoughts.push_str(text(&part["text"]));
        } else if part.get("text").is_some() {
            heard.content.text.push_str(text(&part["text"]));
        } else if part.get("thoughtSignature").is_none() {
            return Err(format!("no part of the dialect: {part}"));
        }
    }
    let usage = &chunk["usageMetadata"];
    if usage.get("candidatesTokenCount").is_some() || usage.get("thoughtsTokenCount").is_some() {
        heard.usages += 1;
        let output = number(&usage["candidatesTokenCount"]) + number(&usage["thoughtsTokenCount"]);
        heard.usage = Some((number(&usage["promptTokenCount"]), output));
    }
    Ok(())
}

fn finish(word: &str, heard: &Heard) -> String {
    match word {
        "STOP" if !heard.content.tools.is_empty() => "tool",
        "STOP" => "stop",
        "MAX_TOKENS" => "length",
        other => other,
    }
    .to_owned()
}

pub fn whole(value: &Value, heard: &mut Heard) -> Result<(), String> {
    if !value["candidates"].is_array() {
        return Err(format!("no answer: {value}"));
    }
    take(value, heard)?;
    heard.finish = value["candidates"][0]["finishReason"].as_str().map(|word| finish(word, heard));
    Ok(())
}
