//! Gemini generateContent (`@google/genai` `GenerateContentResponse`).

use super::{quoted, Event, Says, Spoken, Told, TOOL};

fn body(parts: &str, finish: Option<&str>, usage: &str) -> String {
    let finish = finish.map(|word| format!(r#","finishReason":"{word}""#)).unwrap_or_default();
    format!(
        r#"{{"candidates":[{{"content":{{"parts":[{parts}],"role":"model"}}{finish},"index":0}}]{usage},"modelVersion":"m","responseId":"r1"}}"#
    )
}

fn usage(answer: &Told, last: bool) -> String {
    let c = answer.counts_of();
    if !answer.counts {
        String::new()
    } else if last {
        let thoughts =
            if c.reasoning > 0 { format!(r#","thoughtsTokenCount":{}"#, c.reasoning) } else { String::new() };
        format!(
            r#","usageMetadata":{{"promptTokenCount":{},"candidatesTokenCount":{},"totalTokenCount":{},"cachedContentTokenCount":{}{thoughts}}}"#,
            c.input,
            c.output,
            c.input + c.output + c.reasoning,
            c.cached
        )
    } else {
        format!(r#","usageMetadata":{{"promptTokenCount":{},"totalTokenCount":{}}}"#, c.input, c.input)
    }
}

fn finish(answer: &Told, failed: bool) -> &'static str {
    match (failed, answer.cut_short) {
        (true, _) => "MALFORMED_FUNCTION_CALL",
        (_, true) => "MAX_TOKENS",
        _ => "STOP",
    }
}

fn parts(answer: &Told) -> Vec<(String, Says)> {
    let mut parts = Vec::new();
    for text in answer.thinking() {
        parts.push((format!(r#"{{"text":{},"thought":true}}"#, quoted(&text)), Says::Thought(text)));
    }
    for text in answer.text().iter().cloned() {
        parts.push((format!(r#"{{"text":{}}}"#, quoted(&text)), Says::Text(text)));
    }
    for pieces in answer.arguments() {
        let arguments = pieces.concat();
        let part = format!(r#"{{"functionCall":{{"name":"{TOOL}","args":{arguments}}}}}"#);
        parts.push((part, Says::WholeTool(arguments)));
    }
    parts
}

pub fn stream(answer: &Told, failed: bool) -> Spoken {
    let mut parts = parts(answer);
    let last = if answer.ends_with_words { parts.pop() } else { None };
    let mut events: Vec<Event> = parts
        .into_iter()
        .map(|(part, says)| Event { name: "", data: body(&part, None, &usage(answer, false)), says })
        .collect();
    let completes = events.len();
    let (part, says) = last.unwrap_or_else(|| (r#"{"text":""}"#.to_owned(), Says::Nothing));
    let data = body(&part, Some(finish(answer, failed)), &usage(answer, true));
    events.push(Event { name: "", data, says });
    Spoken { events, completes, counts: answer.counts.then_some(completes) }
}

pub fn whole(answer: &Told, failed: bool) -> String {
    let mut list = Vec::new();
    let thoughts = answer.thinking().concat();
    if !thoughts.is_empty() {
        list.push(format!(r#"{{"text":{},"thought":true}}"#, quoted(&thoughts)));
    }
    if !answer.text().is_empty() {
        list.push(format!(r#"{{"text":{}}}"#, quoted(&answer.text().concat())));
    }
    for pieces in answer.arguments() {
        list.push(format!(r#"{{"functionCall":{{"name":"{TOOL}","args":{}}}}}"#, pieces.concat()));
    }
    body(&list.join(","), Some(finish(answer, failed)), &usage(answer, true))
}
