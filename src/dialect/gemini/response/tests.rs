use serde_json::{json, Value};

use super::*;
use crate::dialect::canonical::Usage;

fn read(body: &Value) -> ChatResponse {
    decode(body.to_string().as_bytes()).unwrap()
}

fn written(answer: &ChatResponse, context: &ReplyContext) -> (Value, Vec<Loss>) {
    let encoded = encode(answer, context, &Tail::default());
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses)
}

fn said(parts: Vec<Part>) -> ChatResponse {
    let finish = Finish { reason: FinishReason::Stop, raw: "stop".into(), stop_sequence: None };
    ChatResponse {
        choices: vec![Choice { index: 0, parts, finish: Some(finish) }],
        usage: Some(Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() }),
        ..ChatResponse::default()
    }
}

#[test]
fn an_answer_keeps_its_order_and_its_signatures() {
    let parts = json!([
        {"text": "hm", "thought": true},
        {"text": "Look:", "thoughtSignature": "on-text"},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
        {"executableCode": {"code": "1"}},
        {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "on-call"},
        {"text": "", "thoughtSignature": "on-empty"},
    ]);
    let body = json!({
        "candidates": [
            {"index": 1, "content": {"parts": [{"text": "other"}]}, "finishReason": "MAX_TOKENS"},
            {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "groundingMetadata": {"g": 1}},
        ],
        "responseId": "r", "modelVersion": "m",
    });
    let answer = read(&body);
    let kinds: Vec<&str> = answer.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Text(_) => "text",
            Part::Reasoning(_) => "reasoning",
            Part::Image(_) => "image",
            Part::Native { .. } => "native",
            Part::ToolCall(_) => "call",
            _ => "?",
        })
        .collect();
    assert_eq!(kinds, ["reasoning", "reasoning", "text", "image", "native", "call", "reasoning"]);
    assert_eq!(answer.choices[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    assert_eq!(answer.choices[1].finish.as_ref().unwrap().reason, FinishReason::Length);

    let (again, losses) = written(&answer, &ReplyContext::default());
    assert_eq!(again["candidates"][0]["content"]["parts"], parts);
    assert_eq!((&again["responseId"], &again["modelVersion"]), (&json!("r"), &json!("m")));
    assert_eq!(losses.len(), 1, "the grounding has no place in the hub");
}

#[test]
fn a_blocked_prompt_is_one_filtered_choice_without_content() {
    let answer =
        read(&json!({"promptFeedback": {"blockReason": "MODEL_ARMOR"}, "usageMetadata": {"promptTokenCount": 3}}));
    assert_eq!(answer.choices.len(), 1);
    assert!(answer.choices[0].parts.is_empty());
    let finish = answer.choices[0].finish.as_ref().unwrap();
    assert_eq!((finish.reason, finish.raw.as_str()), (FinishReason::ContentFilter, "MODEL_ARMOR"));
    assert_eq!(answer.usage.unwrap().input_tokens, 3);
}

#[test]
fn what_is_no_answer_is_told_apart() {
    for foreign in ["", "{}", "[]", "<html>", r#"{"choices":[]}"#, r#"{"usageMetadata":{"promptTokenCount":1}}"#] {
        assert!(matches!(decode(foreign.as_bytes()), Err(StreamFault::Malformed(_))), "{foreign}");
    }
    let error = decode(br#"[{"error":{"code":503,"message":"m","status":"UNAVAILABLE"}}]"#);
    assert!(matches!(error, Err(StreamFault::Provider(error)) if error.kind.as_deref() == Some("UNAVAILABLE")));
}

#[test]
fn answers_of_other_providers_are_written_in_googles_words() {
    let thought = |text: &str, signature: Option<&str>| {
        Part::Reasoning(ReasoningPart {
            text: text.into(),
            signature: signature.map(str::to_owned),
            redacted: false,
            origin: Dialect::AnthropicMessages,
        })
    };
    let call = |arguments: &str| {
        Part::ToolCall(ToolCall { id: "c".into(), name: "f".into(), arguments: arguments.into(), signature: None })
    };
    let answer =
        said(vec![thought("hm", Some("s")), Part::Text("a".into()), call("{\"x\": 1.0}"), Part::Refusal("no".into())]);
    let context = ReplyContext { request_id: "q".into(), model: "acme/m".into(), ..ReplyContext::default() };
    let (body, losses) = written(&answer, &context);
    let parts = body["candidates"][0]["content"]["parts"].as_array().unwrap();
    assert_eq!(parts[0], json!({"text": "hm", "thought": true}));
    let sealed = parts[1]["thoughtSignature"].as_str().unwrap();
    assert_eq!(foreign::open(sealed).unwrap().blocks[0].part.signature.as_deref(), Some("s"));
    assert_eq!(parts[2], json!({"functionCall": {"id": "c", "name": "f", "args": {"x": 1.0}}}));
    assert_eq!(parts[3], json!({"text": "no"}));
    assert_eq!(losses.len(), 1, "the refusal became text");
    assert_eq!(body["candidates"][0]["finishReason"], "SAFETY", "and that it was one is said by the end");
    assert_eq!(body["usageMetadata"]["totalTokenCount"], 3);
    assert_eq!((&body["responseId"], &body["modelVersion"]), (&json!("q"), &json!("acme/m")));

    let hidden = ReplyContext { hide_reasoning: true, ..context };
    let (body, _) = written(&said(vec![thought("hm", None), call("{}")]), &hidden);
    let parts = body["candidates"][0]["content"]["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 1);
    let sealed = parts[0]["thoughtSignature"].as_str().unwrap();
    assert_eq!(foreign::open(sealed).unwrap().blocks[0].part.text, "hm", "unsigned thoughts come back with calls");
}
