//! OpenAI's Responses (`wire.md` §1.2): items as they stand when they are done, and the response that ends the stream.

use serde_json::Value;

use super::{events, text};
use crate::answer::{Answer, Call, Choice, Counts, Stop};

pub fn answer(body: &[u8], stream: bool) -> Answer {
    let mut answer = Answer::default();
    if !stream {
        if let Ok(response) = serde_json::from_slice(body) {
            ended(&response, true, &mut answer);
        }
        answer.whole = answer.error.is_none();
        return answer;
    }
    let mut deltas = String::new();
    for event in events(body) {
        let Ok(data) = serde_json::from_str::<Value>(&event.data) else { continue };
        match text(&data, "type") {
            "response.output_text.delta" => deltas += text(&data, "delta"),
            "response.output_item.done" => item(&data["item"], &mut answer),
            "response.completed" | "response.incomplete" | "response.failed" => {
                ended(&data["response"], answer.choices.is_empty(), &mut answer);
                answer.whole = answer.error.is_none();
            }
            "error" => answer.error = Some(message(&data)),
            _ => {}
        }
    }
    if answer.whole {
        let said = answer.choices.get(&0).map(|choice| choice.text.clone()).unwrap_or_default();
        assert!(deltas.is_empty() || deltas == said, "the pieces add up to the text");
    } else {
        answer.choice(0).text = deltas;
    }
    answer
}

fn message(holder: &Value) -> String {
    holder["error"]["message"].as_str().or(holder["message"].as_str()).unwrap_or("unknown").to_owned()
}

fn ended(response: &Value, with_items: bool, answer: &mut Answer) {
    if !response["error"].is_null() {
        answer.error = Some(message(response));
        return;
    }
    if with_items {
        response["output"].as_array().into_iter().flatten().for_each(|one| item(one, answer));
    }
    let choice = answer.choice(0);
    let called = !(choice.calls.is_empty() && choice.custom.is_empty());
    choice.stop = Some(match (text(response, "status"), text(&response["incomplete_details"], "reason")) {
        ("incomplete", "content_filter") => Stop::Filter,
        ("incomplete", _) => Stop::Length,
        ("failed" | "cancelled", _) => Stop::Failed,
        _ if called => Stop::Tools,
        _ => Stop::End,
    });
    let usage = &response["usage"];
    if usage["input_tokens"].is_u64() {
        answer.usage = Some(Counts {
            prompt: usage["input_tokens"].as_u64().unwrap_or(0),
            completion: usage["output_tokens"].as_u64().unwrap_or(0),
            cached: usage["input_tokens_details"]["cached_tokens"].as_u64(),
            written: usage["input_tokens_details"]["cache_write_tokens"].as_u64(),
            reasoning: usage["output_tokens_details"]["reasoning_tokens"].as_u64(),
        });
    }
}

fn item(item: &Value, answer: &mut Answer) {
    let kind = text(item, "type");
    let choice: &mut Choice = answer.choices.entry(0).or_default();
    match kind {
        "message" => {
            for part in item["content"].as_array().into_iter().flatten() {
                match text(part, "type") {
                    "refusal" => choice.refusal += text(part, "refusal"),
                    _ => choice.text += text(part, "text"),
                }
                if part["annotations"].as_array().is_some_and(|list| !list.is_empty()) {
                    answer.beside.insert("output.annotations".to_owned());
                }
            }
        }
        "reasoning" => {
            let summary: String =
                item["summary"].as_array().into_iter().flatten().map(|part| text(part, "text")).collect();
            let whole: String =
                item["content"].as_array().into_iter().flatten().map(|part| text(part, "text")).collect();
            choice.reasoning += if summary.is_empty() { &whole } else { &summary };
            choice.signatures.extend(item["encrypted_content"].as_str().map(str::to_owned));
        }
        "function_call" => choice.calls.push(Call::of_text(text(item, "name"), text(item, "arguments"))),
        "custom_tool_call" => {
            choice.custom.push((text(item, "name").to_owned(), text(item, "input").to_owned()));
            answer.beside.insert("output.custom_tool_call".to_owned());
        }
        other => drop(answer.beside.insert(format!("output.{other}"))),
    }
}
