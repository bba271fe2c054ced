//! Anthropic Messages (`@anthropic-ai/sdk` `RawMessageStreamEvent`).

use super::{quoted, Event, Says, Spoken, Told, TOOL};

fn event(name: &'static str, rest: &str, says: Says) -> Event {
    Event { name, data: format!(r#"{{"type":"{name}"{rest}}}"#), says }
}

fn usage(answer: &Told, output: u64) -> String {
    let c = answer.counts_of();
    format!(
        r#"{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"output_tokens":{output}}}"#,
        c.input - c.cached,
        c.cached
    )
}

fn output(answer: &Told) -> u64 {
    let c = answer.counts_of();
    c.output + c.reasoning
}

fn finish(answer: &Told) -> &'static str {
    match (answer.cut_short, answer.tools) {
        (true, _) => "max_tokens",
        (false, 0) => "end_turn",
        _ => "tool_use",
    }
}

struct Blocks {
    events: Vec<Event>,
    index: usize,
}

impl Blocks {
    fn begin(&mut self, block: &str, says: Says) {
        let rest = format!(r#","index":{},"content_block":{block}"#, self.index);
        self.events.push(event("content_block_start", &rest, says));
        if self.index == 0 {
            self.events.push(event("ping", "", Says::Nothing));
        }
    }

    fn delta(&mut self, kind: &str, member: &str, text: &str, says: Says) {
        let rest = format!(r#","index":{},"delta":{{"type":"{kind}","{member}":{}}}"#, self.index, quoted(text));
        self.events.push(event("content_block_delta", &rest, says));
    }

    fn end(&mut self) {
        self.events.push(event("content_block_stop", &format!(r#","index":{}"#, self.index), Says::Nothing));
        self.index += 1;
    }
}

pub fn stream(answer: &Told) -> Spoken {
    let message = format!(
        r#","message":{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{}}}"#,
        usage(answer, 1)
    );
    let mut blocks = Blocks { events: vec![event("message_start", &message, Says::Nothing)], index: 0 };
    let thinking = answer.thinking();
    if !thinking.is_empty() {
        blocks.begin(r#"{"type":"thinking","thinking":"","signature":""}"#, Says::Nothing);
        for text in thinking {
            blocks.delta("thinking_delta", "thinking", &text, Says::Thought(text.clone()));
        }
        blocks.delta("signature_delta", "signature", "c2lnbmVk", Says::Nothing);
        blocks.end();
    }
    if !answer.text().is_empty() {
        blocks.begin(r#"{"type":"text","text":""}"#, Says::Nothing);
        for text in answer.text() {
            blocks.delta("text_delta", "text", text, Says::Text(text.clone()));
        }
        blocks.end();
    }
    for (at, parts) in answer.arguments().into_iter().enumerate() {
        let block = format!(r#"{{"type":"tool_use","id":"toolu_{at}","name":"{TOOL}","input":{{}}}}"#);
        blocks.begin(&block, Says::Tool);
        for part in parts {
            blocks.delta("input_json_delta", "partial_json", &part, Says::Arguments(part.clone()));
        }
        blocks.end();
    }
    let mut events = blocks.events;
    let counts = Some(events.len());
    let rest = format!(
        r#","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{}"#,
        finish(answer),
        usage(answer, output(answer))
    );
    events.push(event("message_delta", &rest, Says::Nothing));
    let completes = events.len();
    events.push(event("message_stop", "", Says::Nothing));
    Spoken { events, completes, counts }
}

pub fn whole(answer: &Told) -> String {
    let mut content = Vec::new();
    let thoughts = answer.thinking().concat();
    if !thoughts.is_empty() {
        content.push(format!(r#"{{"type":"thinking","thinking":{},"signature":"c2lnbmVk"}}"#, quoted(&thoughts)));
    }
    if !answer.text().is_empty() {
        content.push(format!(r#"{{"type":"text","text":{}}}"#, quoted(&answer.text().concat())));
    }
    for (at, parts) in answer.arguments().iter().enumerate() {
        content.push(format!(r#"{{"type":"tool_use","id":"toolu_{at}","name":"{TOOL}","input":{}}}"#, parts.concat()));
    }
    format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{}],"stop_reason":"{}","stop_sequence":null,"usage":{}}}"#,
        content.join(","),
        finish(answer),
        usage(answer, output(answer))
    )
}
