//! Whole answers of OpenAI's accent and of others; what is written reads back.

use serde_json::{json, Value};

use super::*;
use crate::dialect::canonical::{FinishReason, MediaSource, Usage};
use crate::dialect::carried::open_id;
use crate::dialect::{ReplyContext, Tail};

fn choice(message: &str, finish: &str) -> ChatResponse {
    let body = format!(
        r#"{{"id":"c1","object":"chat.completion","created":5,"model":"m","choices":[{{"index":0,"message":{message},"finish_reason":"{finish}"}}]}}"#
    );
    decode(body.as_bytes()).unwrap_or_else(|fault| panic!("{message}: {fault:?}"))
}

fn parts(message: &str) -> Vec<String> {
    choice(message, "stop").choices.remove(0).parts.iter().map(said).collect()
}

fn said(part: &Part) -> String {
    match part {
        Part::Text(text) => format!("text {text}"),
        Part::Refusal(text) => format!("refusal {text}"),
        Part::Reasoning(block) => {
            format!("thought {} {:?}{}", block.text, block.signature, if block.redacted { " redacted" } else { "" })
        }
        Part::ToolCall(call) => format!("call {} {} {:?}", call.name, call.arguments, call.signature),
        Part::Image(media) => format!("image {:?}", media.source),
        Part::Native { kind, raw, .. } => format!("native {kind} {raw}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_message_becomes_its_parts_in_order() {
    for (message, expected) in [
        (r#"{"role":"assistant","content":"hi"}"#, vec!["text hi"]),
        (r#"{"content":null,"refusal":"no"}"#, vec!["refusal no"]),
        (r#"{"content":"","tool_calls":null,"refusal":null}"#, vec![]),
        (r#"{"content":"a","reasoning_content":"t"}"#, vec!["thought t None", "text a"]),
        (r#"{"content":"a","reasoning":"t","reasoning_content":"t"}"#, vec!["thought t None", "text a"]),
        (
            r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t1"},{"type":"text","text":"t2"}]},{"type":"text","text":"a"},{"type":"reference","reference_ids":[1]}]}"#,
            vec!["thought t1t2 None", "text a", r#"native reference {"type":"reference","reference_ids":[1]}"#],
        ),
        (
            r#"{"content":"a","reasoning":"t1t2","reasoning_details":[{"type":"reasoning.text","text":"t1","signature":"s1"},{"type":"reasoning.text","text":"t2"},{"type":"reasoning.text","signature":"s2"},{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"}]}"#,
            vec!["thought t1 Some(\"s1\")", "thought t2 Some(\"s2\")", "thought  Some(\"d\") redacted", "text a"],
        ),
        (
            r#"{"content":"a","reasoning":"sum","reasoning_details":[{"type":"reasoning.encrypted","data":"d","format":"openai-responses-v1"}]}"#,
            vec!["thought sum Some(\"d\")", "text a"],
        ),
        (
            r#"{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"},"extra_content":{"google":{"thought_signature":"g"}}},{"id":"d","function":{"name":"g","arguments":{"b":2}}},{"id":"e","function":{"name":"h","arguments":""}}]}"#,
            vec![r#"call f {"a": 1.0} Some("g")"#, r#"call g {"b":2} None"#, "call h {} None"],
        ),
        (r#"{"content":null,"function_call":{"name":"f","arguments":"{}"}}"#, vec!["call f {} None"]),
        (
            r#"{"content":null,"tool_calls":[{"id":"c","type":"custom","custom":{"name":"g","input":"x"}}]}"#,
            vec![r#"native custom_tool_call {"id":"c","type":"custom","custom":{"name":"g","input":"x"}}"#],
        ),
        (
            r#"{"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]}"#,
            vec![r#"image Base64 { mime: "image/png", data: "QQ==" }"#],
        ),
    ] {
        assert_eq!(parts(message), expected, "{message}");
    }
}

#[test]
fn ids_that_are_none_are_made_and_differ() {
    let response = choice(
        r#"{"tool_calls":[{"id":"null","function":{"name":"f","arguments":"{}"}},{"id":"","function":{"name":"f","arguments":"{}"}},{"function":{"name":"f","arguments":"{}"}}]}"#,
        "stop",
    );
    let ids: Vec<&str> = response.choices[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolCall(call) => call.id.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(ids.iter().all(|id| id.starts_with("call_") && id.len() <= 40), "{ids:?}");
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(response.choices[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
    let other = decode(br#"{"id":"c2","choices":[{"message":{"tool_calls":[{"id":"null","function":{"name":"f","arguments":"{}"}}]}}]}"#);
    let other = other.unwrap();
    let Part::ToolCall(call) = &other.choices[0].parts[0] else { panic!() };
    assert_ne!(call.id, ids[0], "another answer's call is another call");
}

#[test]
fn several_choices_keep_their_indexes_and_a_choice_may_have_no_message() {
    let body = br#"

    {"id":"c","choices":[{"index":1,"message":{"content":"b"},"finish_reason":"length"},{"index":0,"finish_reason":"content_filter","content_filter_results":{"hate":{"filtered":true}}}],"prompt_filter_results":[{}]}"#;
    let response = decode(body).unwrap();
    assert_eq!(response.choices.iter().map(|choice| choice.index).collect::<Vec<_>>(), [1, 0]);
    assert_eq!(response.choices[1].finish.as_ref().unwrap().reason, FinishReason::ContentFilter);
    assert!(response.choices[1].parts.is_empty());
    let fields: Vec<&str> = response.extras.iter().map(|extra| extra.field.as_str()).collect();
    assert_eq!(fields, ["prompt_filter_results", "choices[0].content_filter_results"]);
}

#[test]
fn members_without_a_place_are_kept_and_empty_ones_are_not() {
    let body = r#"{"id":"c","system_fingerprint":"fp","service_tier":"","obfuscation":"xx","citations":["u"],"kv_transfer_params":null,
        "choices":[{"index":0,"logprobs":{"content":[{"token":"a"}],"refusal":null},"stop_reason":"END","native_finish_reason":"stop","message":{"content":"a","annotations":[{"type":"url_citation"}],"audio":null},"finish_reason":"stop"},
                   {"index":1,"logprobs":{"content":null,"refusal":null},"message":{"content":"b","annotations":[]},"finish_reason":"stop"}]}"#;
    let response = decode(body.as_bytes()).unwrap();
    let fields: Vec<(&str, bool)> =
        response.extras.iter().map(|extra| (extra.field.as_str(), extra.advisory)).collect();
    assert_eq!(
        fields,
        [
            ("system_fingerprint", true),
            ("citations", false),
            ("choices[0].message.annotations", false),
            ("choices[0].logprobs", false)
        ]
    );
    assert_eq!(response.choices[0].finish.as_ref().unwrap().stop_sequence.as_deref(), Some("END"));
    let written = encode(&response, &ReplyContext::default(), &Tail::default());
    let value: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(value["choices"][0]["logprobs"]["content"][0]["token"], "a");
    assert_eq!(value["choices"][0]["message"]["annotations"][0]["type"], "url_citation");
    assert_eq!(value["system_fingerprint"], "fp");
    assert_eq!(value["choices"][1]["logprobs"], Value::Null);
    assert_eq!(written.losses.iter().map(|loss| loss.field.as_str()).collect::<Vec<_>>(), ["citations"]);
}

#[test]
fn errors_in_a_200_and_foreign_bytes_are_no_answers() {
    for body in [
        r#"{"error":{"message":"m","code":400}}"#,
        r#"{"choices":[],"error":{"message":"m"}}"#,
        r#"[{"error":{"message":"m"}}]"#,
    ] {
        assert!(
            matches!(decode(body.as_bytes()), Err(StreamFault::Provider(report)) if report.message == "m"),
            "{body}"
        );
    }
    for body in [
        "",
        "{}",
        "null",
        "<html>",
        r#"{"choices":[]}"#,
        r#"{"choices":{}}"#,
        r#"{"choices":[{"message":{"content":5}}]}"#,
    ] {
        assert!(matches!(decode(body.as_bytes()), Err(StreamFault::Malformed(_))), "{body}");
    }
}

fn from_elsewhere() -> ChatResponse {
    let reasoning = |text: &str, signature: Option<&str>, redacted| {
        let signature = signature.map(str::to_owned);
        Part::Reasoning(ReasoningPart { text: text.into(), signature, redacted, origin: Dialect::AnthropicMessages })
    };
    ChatResponse {
        id: Some("msg_1".into()),
        choices: vec![Choice {
            index: 0,
            parts: vec![
                reasoning("think", Some("sig"), false),
                reasoning("", Some("opaque"), true),
                Part::Text("one ".into()),
                Part::Text("two".into()),
                Part::ToolCall(ToolCall {
                    id: "t1".into(),
                    name: "f".into(),
                    arguments: String::new(),
                    signature: Some("g".into()),
                }),
                Part::Audio(Media {
                    source: MediaSource::Url { url: "u".into(), mime: None },
                    detail: None,
                    name: None,
                }),
            ],
            finish: Some(Finish { reason: FinishReason::ToolCalls, raw: "tool_use".into(), stop_sequence: None }),
        }],
        usage: Some(Usage {
            input_tokens: 3,
            cache_write_5m_tokens: Some(12_304),
            cached_input_tokens: Some(0),
            output_tokens: 550,
            ..Usage::default()
        }),
        ..ChatResponse::default()
    }
}

#[test]
fn an_answer_from_another_dialect_has_openais_shape() {
    let context =
        ReplyContext { model: "claude".into(), request_id: "r".into(), now_secs: 9, ..ReplyContext::default() };
    let tail =
        Tail { cost_usd: Some("0.00012".into()), signalbox: Some(r#"{"attempts":[]}"#.into()), ..Tail::default() };
    let written = encode(&from_elsewhere(), &context, &tail);
    let mut value: Value = serde_json::from_slice(&written.body).unwrap();
    let id = &mut value["choices"][0]["message"]["tool_calls"][0]["id"];
    let carried = open_id(id.as_str().unwrap()).carried.unwrap();
    assert_eq!(carried.call.as_deref(), Some("g"));
    let signed = carried.blocks.iter().map(|block| (block.at, block.part.signature.as_deref().unwrap()));
    assert_eq!(signed.collect::<Vec<_>>(), [(0, "sig"), (0, "opaque")]);
    *id = "t1".into();
    assert_eq!(
        value,
        json!({
            "id": "msg_1", "object": "chat.completion", "created": 9, "model": "claude",
            "choices": [{
                "index": 0,
                "message": {
                    "role": "assistant", "content": "one two", "refusal": null, "reasoning_content": "think",
                    "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"google": {"thought_signature": "g"}}}],
                    "signalbox": {"reasoning": [
                        {"index": 0, "text": "think", "signature": "sig", "redacted": false, "origin": "anthropic-messages"},
                        {"index": 1, "text": "", "signature": "opaque", "redacted": true, "origin": "anthropic-messages"}]}
                },
                "logprobs": null, "finish_reason": "tool_calls", "native_finish_reason": "tool_use"
            }],
            "usage": {"prompt_tokens": 12307, "completion_tokens": 550, "total_tokens": 12857,
                "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 12304}, "cost": 0.00012},
            "system_fingerprint": null,
            "signalbox": {"attempts": []}
        })
    );
    assert_eq!(written.losses.len(), 1);
    assert_eq!(written.losses[0].field, "choices[0].content[5]");
}

#[test]
fn signed_reasoning_comes_back_from_a_client_that_returns_the_message() {
    let written = encode(&from_elsewhere(), &ReplyContext::default(), &Tail::default());
    let value: Value = serde_json::from_slice(&written.body).unwrap();
    let body = json!({"model": "m", "messages": [value["choices"][0]["message"]]});
    let request = super::super::request::decode(body.to_string().as_bytes()).unwrap();
    let expected: Vec<String> = from_elsewhere().choices[0].parts[..2].iter().map(said).collect();
    let parts = &request.turns[0].parts;
    assert_eq!(parts[..2].iter().map(said).collect::<Vec<_>>(), expected);
    assert!(matches!(&parts[0], Part::Reasoning(block) if block.origin == Dialect::AnthropicMessages));
    assert!(matches!(&parts[3], Part::ToolCall(call) if call.signature.as_deref() == Some("g")));
    assert!(request.extras.is_empty(), "{:?}", request.extras);
}

#[test]
fn usage_that_nobody_told_is_absent() {
    let written = encode(
        &choice(r#"{"content":"a"}"#, "stop"),
        &ReplyContext::default(),
        &Tail { cost_usd: Some("1".into()), ..Tail::default() },
    );
    let value: Value = serde_json::from_slice(&written.body).unwrap();
    assert!(value.get("usage").is_none());
}

#[test]
fn what_usage_says_beyond_counts_is_reported_and_its_everyday_values_are_not() {
    let read = |usage: &str| {
        let body = format!(
            r#"{{"choices":[{{"index":0,"message":{{"content":"x"}},"finish_reason":"stop"}}],"usage":{usage}}}"#
        );
        let extras = decode(body.as_bytes()).unwrap().extras;
        extras.into_iter().filter(|extra| !extra.is_default).map(|extra| extra.field).collect::<Vec<_>>()
    };
    let counts = r#""prompt_tokens":1,"completion_tokens":1,"total_tokens":2,"prompt_cache_miss_tokens":1"#;
    assert_eq!(read(&format!(r#"{{{counts},"service_tier":"default","is_byok":false}}"#)), Vec::<String>::new());
    let more = r#""service_tier":"priority","cost_details":{"upstream_inference_cost":0.1}"#;
    assert_eq!(read(&format!("{{{counts},{more}}}")), ["usage.service_tier", "usage.cost_details"]);
}

#[test]
fn workers_ais_own_answers_are_read_wrapped_or_not() {
    let usage = r#""usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}"#;
    let read = |text: &str| {
        let mut response = decode(text.as_bytes()).unwrap_or_else(|fault| panic!("{text}: {fault:?}"));
        let choice = response.choices.remove(0);
        let parts: Vec<String> = choice.parts.iter().map(said).collect();
        (parts, choice.finish.unwrap().reason, response.usage.map(|usage| usage.prompt_tokens()))
    };
    let plain = format!(r#"{{"response":"hi",{usage}}}"#);
    let wrapped = format!(r#"{{"result":{plain},"success":true,"errors":[],"messages":[]}}"#);
    for text in [plain.as_str(), &wrapped] {
        assert_eq!(read(text), (vec!["text hi".to_owned()], FinishReason::Stop, Some(5)), "{text}");
    }
    let json = format!(r#"{{"response":{{"name":"India","n":1.0}},{usage}}}"#);
    assert_eq!(read(&json).0, [r#"text {"name":"India","n":1.0}"#]);
    let call = format!(r#"{{"response":null,"tool_calls":[{{"name":"f","arguments":{{"a":1.0}}}}],{usage}}}"#);
    assert_eq!(read(&call).0, [r#"call f {"a":1.0} None"#]);
    assert_eq!(read(&call).1, FinishReason::ToolCalls);
    // Models that speak OpenAI's dialect there do so also inside the wrapper.
    let spoken = format!(
        r#"{{"result":{{"id":"c","choices":[{{"index":0,"finish_reason":"length","message":{{"content":"ok"}}}}],{usage}}},"success":true}}"#
    );
    assert_eq!(read(&spoken), (vec!["text ok".to_owned()], FinishReason::Length, Some(5)));
    let failed = r#"{"errors":[{"code":3036,"message":"neurons"}],"success":false,"result":{},"messages":[]}"#;
    assert!(
        matches!(decode(failed.as_bytes()), Err(StreamFault::Provider(error)) if error.code.as_deref() == Some("3036"))
    );
}
