//! OpenAI Chat Completions (`openai-node` `ChatCompletionChunk`).

use super::{quoted, Event, Says, Spoken, Told, TOOL};

fn chunk(delta: &str, finish: &str, says: Says) -> Event {
    let data = format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"m","choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish}}}]}}"#
    );
    Event { name: "", data, says }
}

fn usage(answer: &Told) -> String {
    let c = answer.counts_of();
    let completion = c.output + c.reasoning;
    format!(
        r#"{{"prompt_tokens":{},"completion_tokens":{completion},"total_tokens":{},"prompt_tokens_details":{{"cached_tokens":{}}},"completion_tokens_details":{{"reasoning_tokens":{}}}}}"#,
        c.input,
        c.input + completion,
        c.cached,
        c.reasoning
    )
}

fn finish(answer: &Told) -> &'static str {
    match (answer.cut_short, answer.tools) {
        (true, _) => r#""length""#,
        (false, 0) => r#""stop""#,
        _ => r#""tool_calls""#,
    }
}

pub fn stream(answer: &Told) -> Spoken {
    let mut events = vec![chunk(r#"{"role":"assistant","content":""}"#, "null", Says::Nothing)];
    for text in answer.thinking() {
        events.push(chunk(&format!(r#"{{"reasoning_content":{}}}"#, quoted(&text)), "null", Says::Thought(text)));
    }
    for text in answer.text().iter().cloned() {
        events.push(chunk(&format!(r#"{{"content":{}}}"#, quoted(&text)), "null", Says::Text(text)));
    }
    for (at, parts) in answer.arguments().into_iter().enumerate() {
        let begun = format!(
            r#"{{"tool_calls":[{{"index":{at},"id":"call_{at}","type":"function","function":{{"name":"{TOOL}","arguments":""}}}}]}}"#
        );
        events.push(chunk(&begun, "null", Says::Tool));
        for part in parts {
            let delta = format!(r#"{{"tool_calls":[{{"index":{at},"function":{{"arguments":{}}}}}]}}"#, quoted(&part));
            events.push(chunk(&delta, "null", Says::Arguments(part)));
        }
    }
    let completes = events.len();
    events.push(chunk("{}", finish(answer), Says::Nothing));
    let mut counts = None;
    if answer.counts {
        counts = Some(events.len());
        let data = format!(
            r#"{{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1800000000,"model":"m","choices":[],"usage":{}}}"#,
            usage(answer)
        );
        events.push(Event { data, ..Event::default() });
    }
    events.push(Event { data: "[DONE]".to_owned(), ..Event::default() });
    Spoken { events, completes, counts }
}

pub fn whole(answer: &Told) -> String {
    let text = quoted(&answer.text().concat());
    let thoughts = match answer.thinking().concat() {
        text if text.is_empty() => String::new(),
        text => format!(r#","reasoning_content":{}"#, quoted(&text)),
    };
    let calls: Vec<String> = answer
        .arguments()
        .iter()
        .enumerate()
        .map(|(at, parts)| {
            let arguments = quoted(&parts.concat());
            format!(r#"{{"id":"call_{at}","type":"function","function":{{"name":"{TOOL}","arguments":{arguments}}}}}"#)
        })
        .collect();
    let calls = if calls.is_empty() { String::new() } else { format!(r#","tool_calls":[{}]"#, calls.join(",")) };
    let usage = if answer.counts { format!(r#","usage":{}"#, usage(answer)) } else { String::new() };
    format!(
        r#"{{"id":"chatcmpl-1","object":"chat.completion","created":1800000000,"model":"m","choices":[{{"index":0,"message":{{"role":"assistant","content":{text}{thoughts}{calls},"refusal":null}},"logprobs":null,"finish_reason":{}}}]{usage}}}"#,
        finish(answer)
    )
}
