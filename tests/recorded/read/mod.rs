//! Small readers of wire formats, by JSON values and names of members: one per dialect, used on recordings and on what
//! the gateway writes. They are the second opinion, so they share nothing with `src/dialect`.

pub mod chat;
pub mod gemini;
pub mod messages;
pub mod responses;

use serde_json::Value;
use signalbox::dialect::Dialect;

use crate::answer::Answer;

/// Reads a body, an event stream where it is one.
pub fn answer(dialect: Dialect, body: &[u8], stream: bool) -> Answer {
    match dialect.name() {
        "openai-chat" => chat::answer(body, stream),
        "openai-responses" => responses::answer(body, stream),
        "anthropic-messages" => messages::answer(body, stream),
        "gemini" => gemini::answer(body, stream),
        other => panic!("there is no reading of {other}"),
    }
}

/// An event: its name and its data.
pub struct Event {
    pub name: Option<String>,
    pub data: String,
}

/// The events of a stream, by normalising line ends and cutting at blank lines. Google's bare JSON counts as data.
pub fn events(body: &[u8]) -> Vec<Event> {
    let text = String::from_utf8(body.to_vec()).expect("streams are UTF-8");
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let mut list = Vec::new();
    for block in text.split("\n\n") {
        let field = |line: &str, name: &str| {
            let rest = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(rest.strip_prefix(' ').unwrap_or(rest).to_owned())
        };
        let data: Vec<String> = block.lines().filter_map(|line| field(line, "data")).collect();
        let data = match data.is_empty() {
            false => data.join("\n"),
            true if block.trim_start().starts_with('{') => block.to_owned(),
            true => continue,
        };
        let name = block.lines().filter_map(|line| field(line, "event")).next_back();
        list.push(Event { name, data });
    }
    list
}

/// A string member, empty where there is none.
pub fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}
