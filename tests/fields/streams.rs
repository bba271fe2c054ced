//! The same for answers that come as streams: a provider's whole answer is told as that provider streams it, and what its
//! caller gets must be what the row says of the whole. A row names in `stream` what is otherwise there.

use serde_json::{json, Map, Value};

use signalbox::dialect::{Dialect, Encoded, ReplyContext, Tail};
use signalbox::sse;

use super::table::{self, Column};

/// A whole answer as its dialect streams it.
pub fn told(dialect: Dialect, answer: &Value) -> String {
    match dialect {
        Dialect::Gemini => format!("data: {answer}\r\n\r\n"),
        Dialect::OpenAiChat => chat(answer),
        Dialect::AnthropicMessages => messages(answer),
        Dialect::OpenAiResponses => responses(answer),
    }
}

/// One chunk says it all: `message` is `delta` there, and calls are counted.
fn chat(answer: &Value) -> String {
    let mut chunk = answer.clone();
    chunk["object"] = json!("chat.completion.chunk");
    for choice in chunk["choices"].as_array_mut().into_iter().flatten() {
        let mut delta = choice["message"].take();
        choice.as_object_mut().unwrap().remove("message");
        for (at, call) in delta["tool_calls"].as_array_mut().into_iter().flatten().enumerate() {
            call["index"] = json!(at);
        }
        choice["delta"] = delta;
    }
    format!("data: {chunk}\n\ndata: [DONE]\n\n")
}

fn event(kind: &str, mut data: Value) -> String {
    data["type"] = json!(kind);
    format!("event: {kind}\ndata: {data}\n\n")
}

/// Members that only the end of Anthropic's stream says (`RawMessageDeltaEvent`).
const AT_END: [&str; 5] = ["stop_reason", "stop_sequence", "stop_details", "container", "context_management"];

fn messages(answer: &Value) -> String {
    let mut started: Map<String, Value> = answer.as_object().unwrap().clone();
    let end: Map<String, Value> =
        AT_END.iter().filter_map(|name| Some(((*name).to_owned(), started.remove(*name)?))).collect();
    started.insert("content".to_owned(), json!([]));
    let mut usage = answer["usage"].clone();
    let mut out = event("message_start", json!({"message": started}));
    for (index, block) in answer["content"].as_array().into_iter().flatten().enumerate() {
        let mut start = block.clone();
        let mut deltas: Vec<Value> = Vec::new();
        match block["type"].as_str() {
            Some("text") => {
                deltas.push(json!({"type": "text_delta", "text": start["text"].take()}));
                start["text"] = json!("");
                let citations = start.as_object_mut().unwrap().remove("citations").unwrap_or_default();
                let citations = citations.as_array().cloned().unwrap_or_default();
                deltas.extend(
                    citations.into_iter().map(|citation| json!({"type": "citations_delta", "citation": citation})),
                );
            }
            Some("thinking") => {
                deltas.push(json!({"type": "thinking_delta", "thinking": start["thinking"].take()}));
                deltas.push(json!({"type": "signature_delta", "signature": start["signature"].take()}));
                (start["thinking"], start["signature"]) = (json!(""), json!(""));
            }
            Some("tool_use") => {
                let input = start["input"].take().to_string();
                deltas.push(json!({"type": "input_json_delta", "partial_json": input}));
                start["input"] = json!({});
            }
            _ => {}
        }
        out += &event("content_block_start", json!({"index": index, "content_block": start}));
        for delta in deltas {
            out += &event("content_block_delta", json!({"index": index, "delta": delta}));
        }
        out += &event("content_block_stop", json!({"index": index}));
    }
    usage.as_object_mut().unwrap().remove("service_tier");
    out += &event("message_delta", json!({"delta": end, "usage": usage}));
    out + &event("message_stop", json!({}))
}

fn responses(answer: &Value) -> String {
    let mut begun = answer.clone();
    (begun["status"], begun["output"], begun["usage"]) = (json!("in_progress"), json!([]), Value::Null);
    begun["incomplete_details"] = Value::Null;
    let mut out = event("response.created", json!({"response": begun}));
    for (at, item) in answer["output"].as_array().into_iter().flatten().enumerate() {
        let id = item["id"].clone();
        let mut added = item.clone();
        added["status"] = json!("in_progress");
        match item["type"].as_str() {
            Some("message") => added["content"] = json!([]),
            Some("reasoning") => (added["summary"], added["content"]) = (json!([]), json!([])),
            Some("function_call") => added["arguments"] = json!(""),
            _ => {}
        }
        out += &event("response.output_item.added", json!({"output_index": at, "item": added}));
        let place = |more: Value| {
            let mut data = json!({"item_id": id, "output_index": at});
            data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            data
        };
        for (nth, part) in item["content"].as_array().into_iter().flatten().enumerate() {
            let here = |more: Value| {
                let mut data = place(more);
                data["content_index"] = json!(nth);
                data
            };
            match part["type"].as_str() {
                Some("output_text") => {
                    out += &event(
                        "response.output_text.delta",
                        here(json!({"delta": part["text"], "logprobs": part["logprobs"]})),
                    );
                    for annotation in part["annotations"].as_array().into_iter().flatten() {
                        out += &event("response.output_text.annotation.added", here(json!({"annotation": annotation})));
                    }
                }
                Some("refusal") => out += &event("response.refusal.delta", here(json!({"delta": part["refusal"]}))),
                Some("reasoning_text") => {
                    out += &event("response.reasoning_text.delta", here(json!({"delta": part["text"]})))
                }
                _ => {}
            }
        }
        for (nth, part) in item["summary"].as_array().into_iter().flatten().enumerate() {
            let data = place(json!({"summary_index": nth, "delta": part["text"]}));
            out += &event("response.reasoning_summary_text.delta", data);
        }
        if item["type"] == "function_call" {
            out += &event("response.function_call_arguments.delta", place(json!({"delta": item["arguments"]})));
        }
        out += &event("response.output_item.done", json!({"output_index": at, "item": item}));
    }
    let end = if answer["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
    out + &event(end, json!({"response": answer}))
}

fn translate(dialect: Dialect, answer: &Value, column: &Column) -> Result<Encoded, String> {
    let (mut frames, mut decoder) = (sse::Decoder::new(), dialect.stream_decoder());
    let context = ReplyContext {
        upstream: Some(dialect),
        request_id: "r".to_owned(),
        include_usage: true,
        ..ReplyContext::default()
    };
    let mut encoder = column.dialect.stream_encoder(context);
    frames.push(told(dialect, answer).as_bytes()).unwrap();
    let (mut body, mut losses) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.next_frame() {
        let mut events = Vec::new();
        decoder.frame(&frame, &mut events).map_err(|fault| format!("{fault:?}"))?;
        for event in &events {
            encoder.event(event, &mut body, &mut losses);
        }
    }
    if !decoder.complete() {
        return Err("the stream does not look whole".to_owned());
    }
    encoder.end(&Tail::default(), &mut body);
    for loss in &mut losses {
        // The pieces of an answer are told under the names of its whole.
        loss.field = loss.field.replace(".delta.", ".message.");
    }
    losses.dedup();
    Ok(Encoded { body, losses })
}

#[test]
fn every_row_of_an_answer_holds_for_its_stream() {
    let mut found = Vec::new();
    let mut checked = 0;
    for table in table::all() {
        for row in &table.answers {
            for column in table.callers() {
                let Some(claim) = row.stream_claim(column) else { continue };
                checked += 1;
                let seen = super::compare(row, &row.sample, &table.answer_base(row), |answer| {
                    translate(table.dialect, answer, column)
                });
                if let Some(why) = super::lie(row, column, &claim, seen) {
                    found.push(format!(
                        "stream {} {} → {}: claims {}, {why}",
                        table.name, row.field, column.name, claim.text
                    ));
                }
            }
        }
    }
    super::verdict(found, checked, 300);
}
