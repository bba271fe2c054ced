//! The four dialects as callers and providers of one plain text: how it is asked for, how it streams, what a caller makes of
//! it.

use serde_json::{json, Value};

use super::{Piece, Script};

/// The caller's dialects: path, body, how an answer streams, what of it is text.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Caller {
    Chat,
    Messages,
    Gemini,
    Responses,
}
use Caller::{Chat, Gemini, Messages, Responses};

impl Caller {
    pub fn path(self, model: &str) -> String {
        match self {
            Chat => "/v1/chat/completions".into(),
            Messages => "/v1/messages".into(),
            Gemini => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
            Responses => "/v1/responses".into(),
        }
    }

    pub fn body(self, model: &str, more: &Value) -> Value {
        let mut body = match self {
            Chat => {
                json!({"model": model, "stream": true, "stream_options": {"include_usage": true}, "messages": [{"role": "user", "content": "Hi"}]})
            }
            Messages => {
                json!({"model": model, "stream": true, "max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}]})
            }
            Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}),
            Responses => json!({"model": model, "stream": true, "input": "Hi"}),
        };
        for (name, value) in more.as_object().into_iter().flatten() {
            body[name] = value.clone();
        }
        body
    }

    /// Its stream of some pieces of text; `id` tells one attempt from another. Ten tokens in, two out for each piece.
    pub fn events(self, id: &str, pieces: &[&str]) -> Vec<String> {
        let text = pieces.concat();
        let out = 2 * pieces.len();
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let event = |kind: &str, data: Value| {
            let mut data = data;
            data["type"] = kind.into();
            format!("event: {kind}\ndata: {data}\n\n")
        };
        match self {
            Chat => {
                let chunk = |delta: &str, finish: &str| {
                    format!("data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-{id}\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
                };
                let mut all = vec![chunk(r#"{"role":"assistant","content":""}"#, "null")];
                all.extend(pieces.iter().map(|p| chunk(&format!("{{\"content\":{}}}", quoted(p)), "null")));
                all.push(chunk("{}", "\"stop\""));
                all.push(format!("data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m-{id}\",\"choices\":[],\"usage\":{{\"prompt_tokens\":10,\"completion_tokens\":{out},\"total_tokens\":{}}}}}\n\n", 10 + out));
                all.push("data: [DONE]\n\n".to_owned());
                all
            }
            Messages => {
                let mut all = vec![
                    event(
                        "message_start",
                        json!({"message": {"id": id, "type": "message", "role": "assistant", "model": format!("m-{id}"), "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
                    ),
                    event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
                ];
                all.extend(pieces.iter().map(|p| {
                    event("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": p}}))
                }));
                all.push(event("content_block_stop", json!({"index": 0})));
                all.push(event("message_delta", json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": {"output_tokens": out}})));
                all.push(event("message_stop", json!({})));
                all
            }
            Gemini => {
                let last = pieces.len() - 1;
                pieces.iter().enumerate().map(|(at, p)| {
                    let mut part = json!({"candidates": [{"content": {"parts": [{"text": p}], "role": "model"}, "index": 0}], "modelVersion": format!("m-{id}"), "responseId": id, "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 2 * (at + 1), "totalTokenCount": 12 + 2 * at}});
                    if at == last {
                        part["candidates"][0]["finishReason"] = "STOP".into();
                    }
                    format!("data: {part}\r\n\r\n")
                }).collect()
            }
            Responses => {
                let response = json!({"id": format!("resp_{id}"), "object": "response", "created_at": 1, "model": format!("m-{id}"), "status": "in_progress", "output": []});
                let item = json!({"id": format!("msg_{id}"), "type": "message", "role": "assistant", "status": "in_progress", "content": []});
                let mut number = 0;
                let mut numbered = |kind: &str, mut data: Value| {
                    data["sequence_number"] = number.into();
                    number += 1;
                    event(kind, data)
                };
                let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
                let mut all = vec![
                    numbered("response.created", json!({"response": response})),
                    numbered("response.in_progress", json!({"response": response})),
                    numbered("response.output_item.added", json!({"output_index": 0, "item": item})),
                    numbered(
                        "response.content_part.added",
                        json!({"item_id": item["id"], "output_index": 0, "content_index": 0, "part": part}),
                    ),
                ];
                for p in pieces {
                    all.push(numbered("response.output_text.delta", json!({"item_id": item["id"], "output_index": 0, "content_index": 0, "delta": p, "logprobs": []})));
                }
                let whole = json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
                let done = json!({"id": item["id"], "type": "message", "role": "assistant", "status": "completed", "content": [whole]});
                all.push(numbered(
                    "response.output_text.done",
                    json!({"item_id": item["id"], "output_index": 0, "content_index": 0, "text": text, "logprobs": []}),
                ));
                all.push(numbered(
                    "response.content_part.done",
                    json!({"item_id": item["id"], "output_index": 0, "content_index": 0, "part": whole}),
                ));
                all.push(numbered("response.output_item.done", json!({"output_index": 0, "item": done})));
                let mut last = response.clone();
                last["status"] = "completed".into();
                last["output"] = json!([done]);
                last["usage"] = json!({"input_tokens": 10, "output_tokens": out, "total_tokens": 10 + out});
                all.push(numbered("response.completed", json!({"response": last})));
                all
            }
        }
    }

    /// The events that carry the first `pieces` pieces of text, and what precedes them.
    pub fn cut(self, id: &str, pieces: &[&str], after: usize) -> Script {
        let before = match self {
            Chat => 1,
            Messages => 2,
            Gemini => 0,
            Responses => 4,
        };
        let mut all = self.events(id, pieces);
        all.truncate(before + after);
        Script::stream(all).then(1, Piece::Reset)
    }

    pub fn whole(self, id: &str, pieces: &[&str]) -> Script {
        Script::stream(self.events(id, pieces))
    }
}

/// What a caller makes of a stream.
#[derive(Debug, Default)]
pub struct Heard {
    pub items: Vec<Value>,
    pub text: String,
    /// Ids of answers that were named.
    pub ids: Vec<String>,
    /// The dialect's normal end.
    pub ended: usize,
    pub errors: usize,
}

pub fn hear(caller: Caller, body: &str) -> Heard {
    let mut heard = Heard::default();
    for line in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if line == "[DONE]" {
            heard.ended += 1;
            continue;
        }
        let item: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (text, id) = match caller {
            Chat => (&item["choices"][0]["delta"]["content"], &item["id"]),
            Messages => (&item["delta"]["text"], &item["message"]["id"]),
            Gemini => (&item["candidates"][0]["content"]["parts"][0]["text"], &item["responseId"]),
            Responses => {
                let delta = item["type"] == "response.output_text.delta";
                (if delta { &item["delta"] } else { &Value::Null }, &item["response"]["id"])
            }
        };
        heard.text.push_str(text.as_str().unwrap_or_default());
        heard.ids.extend(id.as_str().map(str::to_owned));
        heard.errors +=
            usize::from(!item["error"].is_null() || item["type"] == "error" || item["type"] == "response.failed");
        heard.ended += usize::from(match caller {
            Chat => false,
            Messages => item["type"] == "message_stop",
            Gemini => item["candidates"][0]["finishReason"].is_string(),
            Responses => matches!(item["type"].as_str(), Some("response.completed" | "response.incomplete")),
        });
        heard.items.push(item);
    }
    heard.ids.dedup();
    heard
}
