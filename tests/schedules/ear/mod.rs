//! What a strict client of each dialect reads from the caller's bytes. Nothing here is the gateway's: lines are split and
//! events are read anew, and whatever a dialect's official client would stumble over is an error.

mod chat;
mod gemini;
mod messages;
mod responses;

use serde_json::Value;
use signalbox::dialect::Dialect;

use super::voice::Content;

/// What was heard.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    pub content: Content,
    /// The dialect's own end of a whole answer came.
    pub complete: bool,
    /// A typed error came; its message or code.
    pub error: Option<String>,
    /// `stop`, `length`, `tool`, or the dialect's word.
    pub finish: Option<String>,
    /// Prompt and completion, everything counted.
    pub usage: Option<(u64, u64)>,
    /// How many events carried final counts.
    pub usages: usize,
    /// The bytes stop within an event.
    pub partial: bool,
    /// Events that are no JSON.
    pub unreadable: usize,
    /// The end repeats the answer otherwise than it was said (Responses).
    pub contradiction: Option<String>,
    /// Our own member.
    pub member: Option<Value>,
    pub events: usize,
}

/// One event.
pub struct Frame {
    pub name: Option<String>,
    pub data: String,
}

/// Reads a stream.
///
/// # Errors
/// What breaks the dialect's rules.
pub fn stream(dialect: Dialect, as_array: bool, bytes: &[u8]) -> Result<Heard, String> {
    let mut heard = Heard::default();
    let frames = if as_array { elements(bytes, &mut heard)? } else { frames(bytes, &mut heard)? };
    for frame in &frames {
        let done = dialect == Dialect::OpenAiChat && frame.data == "[DONE]";
        if !done && serde_json::from_str::<Value>(&frame.data).is_err() {
            heard.unreadable += 1;
            continue;
        }
        heard.events += 1;
        if let Some(error) = &heard.error {
            return Err(format!("an event after the error {error:?}: {}", frame.data));
        }
    }
    let readable: Vec<&Frame> = frames
        .iter()
        .filter(|f| {
            (dialect == Dialect::OpenAiChat && f.data == "[DONE]") || serde_json::from_str::<Value>(&f.data).is_ok()
        })
        .collect();
    match dialect {
        Dialect::OpenAiChat => chat::stream(&readable, &mut heard)?,
        Dialect::AnthropicMessages => messages::stream(&readable, &mut heard)?,
        Dialect::Gemini => gemini::stream(&readable, &mut heard)?,
        Dialect::OpenAiResponses => responses::stream(&readable, &mut heard)?,
    }
    Ok(heard)
}

/// Reads a whole answer.
///
/// # Errors
/// What breaks the dialect's rules.
pub fn whole(dialect: Dialect, bytes: &[u8]) -> Result<Heard, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("the answer is no JSON: {e}"))?;
    let mut heard = Heard::default();
    match dialect {
        Dialect::OpenAiChat => chat::whole(&value, &mut heard)?,
        Dialect::AnthropicMessages => messages::whole(&value, &mut heard)?,
        Dialect::Gemini => gemini::whole(&value, &mut heard)?,
        Dialect::OpenAiResponses => responses::whole(&value, &mut heard)?,
    }
    heard.complete = true;
    Ok(heard)
}

/// The message of an error answer in its dialect.
///
/// # Errors
/// It is none.
pub fn error(dialect: Dialect, bytes: &[u8]) -> Result<String, String> {
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("the error is no JSON: {e}"))?;
    let error = &value["error"];
    let told = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => error["type"].is_string() && error.get("code").is_some(),
        Dialect::AnthropicMessages => value["type"] == "error" && error["type"].is_string(),
        Dialect::Gemini => error["code"].is_u64() && error["status"].is_string(),
    };
    match error["message"].as_str() {
        Some(message) if told && !message.is_empty() => Ok(message.to_owned()),
        _ => Err(format!("no error of the dialect: {value}")),
    }
}

/// The number of the last event that a reader has whole, who had `after` before these bytes.
pub fn cursor(as_array: bool, bytes: &[u8], after: u64) -> u64 {
    let text = String::from_utf8_lossy(bytes);
    if as_array {
        return after + ends_of_elements(&text).len() as u64;
    }
    let (mut last, mut id) = (after, None);
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        match line.trim_end_matches(['\r', '\n']) {
            "" => last = id.take().unwrap_or(last),
            field => id = field.strip_prefix("id: ").and_then(|id| id.parse().ok()).or(id),
        }
    }
    last
}

/// Where the elements of an array, or of the rest of one, end.
pub fn ends_of_elements(text: &str) -> Vec<usize> {
    let (mut ends, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    ends.push(at + 1);
                }
            }
            _ => {}
        }
    }
    ends
}

/// Server-sent events by the standard's own rules.
fn frames(bytes: &[u8], heard: &mut Heard) -> Result<Vec<Frame>, String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            heard.partial = true;
            std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Err("not UTF-8".to_owned()),
    };
    let mut frames = Vec::new();
    let (mut name, mut data, mut open): (Option<String>, Option<String>, bool) = (None, None, false);
    let mut rest = text;
    while !rest.is_empty() {
        let Some(end) = rest.find(['\n', '\r']) else {
            heard.partial = true;
            break;
        };
        let line = &rest[..end];
        let skip = if rest[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[end + skip..];
        if line.is_empty() {
            if let Some(data) = data.take() {
                frames.push(Frame { name: name.take(), data });
            }
            name = None;
            open = false;
            continue;
        }
        open = true;
        if line.starts_with(':') {
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = Some(value.to_owned()),
            "data" => match &mut data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => data = Some(value.to_owned()),
            },
            "id" | "retry" => {}
            other => return Err(format!("a field that no stream has: {other:?}")),
        }
    }
    heard.partial |= open;
    Ok(frames)
}

/// The elements of a JSON array that may not be whole yet.
fn elements(bytes: &[u8], heard: &mut Heard) -> Result<Vec<Frame>, String> {
    let mut list = Vec::new();
    let blank = |b: &u8| b.is_ascii_whitespace();
    let mut at = bytes.iter().position(|b| !blank(b)).unwrap_or(bytes.len());
    if at == bytes.len() {
        heard.partial = true;
        return Ok(list);
    }
    if bytes[at] != b'[' {
        return Err("no array".to_owned());
    }
    at += 1;
    loop {
        at += bytes[at..].iter().take_while(|b| blank(b)).count();
        match bytes.get(at) {
            None => {
                heard.partial = true;
                return Ok(list);
            }
            Some(b']') => {
                if bytes[at + 1..].iter().any(|b| !blank(b)) {
                    return Err("something behind the array".to_owned());
                }
                return Ok(list);
            }
            Some(b',') if !list.is_empty() => at += 1,
            Some(_) => {
                let mut values = serde_json::Deserializer::from_slice(&bytes[at..]).into_iter::<Value>();
                match values.next() {
                    Some(Ok(value)) => {
                        at += values.byte_offset();
                        list.push(Frame { name: None, data: value.to_string() });
                    }
                    Some(Err(error)) if error.is_eof() => {
                        heard.partial = true;
                        return Ok(list);
                    }
                    other => return Err(format!("no element: {other:?}")),
                }
            }
        }
    }
}

fn parsed(frame: &Frame) -> Result<Value, String> {
    serde_json::from_str(&frame.data).map_err(|e| format!("no JSON: {e}: {}", frame.data))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
