//! Anthropic's Messages (`wire.md` §1.3): events are added up to the message that they stand for, which is then read.

use serde_json::{json, Value};

use super::{events, text};
use crate::answer::{Answer, Call, Counts, Stop};

pub fn answer(body: &[u8], stream: bool) -> Answer {
    if !stream {
        let mut answer = Answer::default();
        if let Ok(message) = serde_json::from_slice(body) {
            read(&message, &mut answer);
        }
        answer.whole = answer.error.is_none();
        return answer;
    }
    let mut sum = Sum::default();
    for event in events(body) {
        let data: Value = serde_json::from_str(&event.data).expect("events of Anthropic's are JSON");
        assert_eq!(event.name.as_deref(), data["type"].as_str(), "an event is named after its type");
        sum.add(&data);
    }
    let mut answer = Answer { error: sum.error, whole: sum.stopped, ..Answer::default() };
    read(&sum.message, &mut answer);
    answer
}

/// The message so far, with the arguments' texts of its blocks.
#[derive(Default)]
struct Sum {
    message: Value,
    inputs: Vec<String>,
    error: Option<String>,
    stopped: bool,
}

impl Sum {
    fn add(&mut self, event: &Value) {
        let at = event["index"].as_u64().unwrap_or(0) as usize;
        match text(event, "type") {
            "message_start" => self.message = event["message"].clone(),
            "content_block_start" => {
                let content = self.message["content"].as_array_mut().expect("a message has content");
                assert_eq!(content.len(), at, "blocks are numbered without a gap");
                content.push(event["content_block"].clone());
                self.inputs.push(String::new());
            }
            "content_block_delta" => {
                let delta = &event["delta"];
                let block = &mut self.message["content"][at];
                for member in ["text", "thinking", "signature"] {
                    if let Some(piece) = delta[member].as_str() {
                        block[member] = json!(text(block, member).to_owned() + piece);
                    }
                }
                if !delta["citation"].is_null() {
                    block["citations"] = json!([delta["citation"]]);
                }
                if !delta["content"].is_null() {
                    block["content"] = delta["content"].clone();
                }
                self.inputs[at] += text(delta, "partial_json");
            }
            "content_block_stop" if !self.inputs[at].is_empty() => {
                let call = Call::of_text("", &self.inputs[at]);
                self.message["content"][at]["input"] = call.arguments;
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().into_iter().flatten() {
                    self.message[name] = value.clone();
                }
                // Cumulative: what is named again replaces what was said first.
                for (name, value) in event["usage"].as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
                    self.message["usage"][name] = value.clone();
                }
                if !event["signalbox"].is_null() {
                    self.message["signalbox"] = event["signalbox"].clone();
                }
            }
            "message_stop" => self.stopped = true,
            "error" => self.error = Some(text(&event["error"], "message").to_owned()),
            _ => {}
        }
    }
}

fn read(message: &Value, answer: &mut Answer) {
    if !message["error"].is_null() {
        answer.error = Some(text(&message["error"], "message").to_owned());
    }
    if !message["content"].is_array() {
        return;
    }
    answer.note(
        "",
        message,
        &["id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage", "error", "signalbox"],
    );
    let mut choice = crate::answer::Choice::default();
    for block in message["content"].as_array().into_iter().flatten() {
        let kind = text(block, "type");
        match kind {
            "text" => choice.text += text(block, "text"),
            "thinking" => {
                choice.reasoning += text(block, "thinking");
                choice.signatures.extend(Some(text(block, "signature").to_owned()).filter(|s| !s.is_empty()));
            }
            "redacted_thinking" => choice.signatures.push(text(block, "data").to_owned()),
            "tool_use" => {
                choice.calls.push(Call { name: text(block, "name").to_owned(), arguments: block["input"].clone() })
            }
            other => drop(answer.beside.insert(format!("content.{other}"))),
        }
        if ["text", "thinking", "redacted_thinking", "tool_use"].contains(&kind) {
            let mut block = block.clone();
            if block["caller"] == json!({"type": "direct"}) {
                block["caller"] = Value::Null;
            }
            answer.note("content", &block, &["type", "text", "thinking", "signature", "data", "id", "name", "input"]);
        }
    }
    choice.stop = message["stop_reason"].as_str().map(stop);
    choice.stop_sequence = message["stop_sequence"].as_str().map(str::to_owned);
    answer.choices.insert(0, choice);
    let usage = &message["usage"];
    if usage["input_tokens"].is_u64() {
        answer.usage = Some(counts(usage));
        let mut rest = usage.clone();
        for (name, everyday) in
            [("service_tier", "standard"), ("inference_geo", "not_available"), ("inference_geo", "global")]
        {
            if rest[name] == everyday {
                rest[name] = Value::Null;
            }
        }
        answer.note(
            "usage",
            &rest,
            &[
                "input_tokens",
                "cache_creation_input_tokens",
                "cache_read_input_tokens",
                "cache_creation",
                "output_tokens",
                "output_tokens_details",
            ],
        );
    }
}

fn stop(word: &str) -> Stop {
    match word {
        "end_turn" => Stop::End,
        "stop_sequence" => Stop::Sequence,
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "tool_use" => Stop::Tools,
        "refusal" => Stop::Filter,
        "pause_turn" => Stop::Pause,
        other => panic!("a stop reason that this reading does not know: {other}"),
    }
}

/// The three kinds of prompt tokens stand side by side. Compaction is billed and stands outside the totals.
fn counts(usage: &Value) -> Counts {
    let compaction = |name: &str| -> u64 {
        let hops = usage["iterations"].as_array().into_iter().flatten();
        hops.filter(|hop| hop["type"] == "compaction").filter_map(|hop| hop[name].as_u64()).sum()
    };
    let count = |name: &str| usage[name].as_u64().map(|n| n + compaction(name));
    let (cached, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    Counts {
        prompt: count("input_tokens").unwrap_or(0) + cached.unwrap_or(0) + written.unwrap_or(0),
        completion: count("output_tokens").unwrap_or(0),
        cached,
        written,
        reasoning: usage["output_tokens_details"]["thinking_tokens"].as_u64(),
    }
}
