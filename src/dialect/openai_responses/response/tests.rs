use serde_json::{json, Value};

use super::*;
use crate::dialect::canonical::{
    ChatResponse, Choice, Extra, Finish, FinishReason, Loss, Part, ReasoningPart, ToolCall, Usage,
};
use crate::dialect::{Dialect, Encoded, ReplyContext, Tail};

fn context() -> ReplyContext {
    ReplyContext {
        request_id: "q".to_owned(),
        model: "asked".to_owned(),
        now_secs: 7,
        answered_by: "anthropic/c".to_owned(),
        ..ReplyContext::default()
    }
}

fn answer(parts: Vec<Part>, reason: FinishReason) -> ChatResponse {
    let finish = Some(Finish { reason, raw: "own_word".to_owned(), stop_sequence: None });
    ChatResponse { choices: vec![Choice { index: 0, parts, finish }], ..ChatResponse::default() }
}

fn written(response: &ChatResponse, tail: &Tail) -> (Value, Vec<Loss>) {
    let Encoded { body, losses } = encode(response, &context(), tail);
    (serde_json::from_slice(&body).unwrap(), losses)
}

fn extra(field: &str, value: &str) -> Extra {
    let value = serde_json::value::RawValue::from_string(value.to_owned()).unwrap();
    Extra { field: field.to_owned(), value, advisory: false, is_default: false }
}

#[test]
fn parts_become_items_in_order_with_ids_that_differ_by_place() {
    let parts = vec![
        Part::Reasoning(ReasoningPart {
            text: "hm".into(),
            signature: Some("S".into()),
            redacted: false,
            origin: Dialect::AnthropicMessages,
        }),
        Part::Text("a".into()),
        Part::Text("b".into()),
        Part::Refusal("no".into()),
        Part::ToolCall(ToolCall {
            id: "c1".into(),
            name: "f".into(),
            arguments: "{\"x\": 1}".into(),
            signature: Some("G".into()),
        }),
    ];
    let (body, losses) = written(&answer(parts, FinishReason::ToolCalls), &Tail::default());
    assert_eq!(losses, []);
    let output = body["output"].as_array().unwrap();
    let kinds: Vec<&str> = output.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "message", "reasoning", "function_call"]);
    let ids: Vec<&str> = output.iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["rs_q_0", "msg_q_1", "rs_q_2", "fc_q_3"]);
    assert_eq!(output[0]["summary"], json!([{"type":"summary_text","text":"hm"}]));
    let opened = |at: usize| super::super::foreign::open(output[at]["encrypted_content"].as_str().unwrap()).unwrap();
    assert_eq!(opened(0).blocks[0].part.signature.as_deref(), Some("S"));
    assert_eq!(opened(0).by, "anthropic/c");
    assert_eq!(output[1]["content"][0]["text"], "ab", "texts that follow one another are one, as in a stream");
    assert_eq!(output[1]["content"].as_array().unwrap().len(), 2);
    assert_eq!(opened(2).call.as_deref(), Some("G"));
    assert_eq!(output[3]["arguments"], "{\"x\": 1}");
    assert_eq!(
        (&body["id"], &body["status"], &body["object"]),
        (&"resp_q".into(), &"completed".into(), &"response".into())
    );
    assert_eq!((&body["model"], &body["created_at"], &body["error"]), (&"asked".into(), &7.into(), &Value::Null));
}

#[test]
fn every_end_has_its_status_and_a_bound_is_no_completion() {
    let cases = [
        (FinishReason::Stop, "completed", Value::Null),
        (FinishReason::ToolCalls, "completed", Value::Null),
        (FinishReason::Length, "incomplete", "max_output_tokens".into()),
        (FinishReason::Paused, "incomplete", "max_output_tokens".into()),
        (FinishReason::ContentFilter, "incomplete", "content_filter".into()),
    ];
    for (reason, status, why) in cases {
        let (body, _) = written(&answer(vec![Part::Text("t".into())], reason), &Tail::default());
        assert_eq!((&body["status"], &body["incomplete_details"]["reason"]), (&status.into(), &why), "{reason:?}");
        assert_eq!(body["native_finish_reason"], "own_word");
        assert_eq!(body["output"][0]["status"], status);
    }
}

#[test]
fn usage_has_its_details_its_cost_and_no_invented_zero() {
    let usage = Usage {
        input_tokens: 3,
        cached_input_tokens: Some(4),
        output_tokens: 2,
        reasoning_tokens: Some(5),
        ..Usage::default()
    };
    let mut response = answer(vec![Part::Text("t".into())], FinishReason::Stop);
    response.usage = Some(usage);
    let tail = Tail { cost_usd: Some("0.01".into()), signalbox: Some(r#"{"r":1}"#.into()), ..Tail::default() };
    let (body, _) = written(&response, &tail);
    assert_eq!(
        body["usage"],
        json!({"input_tokens":7,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":14,"cost":0.01})
    );
    assert_eq!(body["signalbox"]["r"], 1);
    response.usage = Some(Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() });
    let (body, _) = written(&response, &Tail::default());
    assert_eq!(
        (&body["usage"]["input_tokens_details"], &body["usage"]["output_tokens_details"]),
        (&json!({}), &json!({}))
    );
    response.usage = None;
    assert_eq!(written(&response, &Tail::default()).0["usage"], Value::Null);
}

#[test]
fn citations_and_log_probabilities_of_chat_stand_at_the_text_and_the_rest_is_reported() {
    let mut response = answer(vec![Part::Text("See x.".into())], FinishReason::Stop);
    response.extras = vec![
        extra(
            "choices[0].message.annotations",
            r#"[{"type":"url_citation","url_citation":{"start_index":4,"end_index":5,"title":"T","url":"https://x"}}]"#,
        ),
        extra(
            "choices[0].logprobs",
            r#"{"content":[{"token":"S","logprob":-0.5,"bytes":null,"top_logprobs":[]}],"refusal":null}"#,
        ),
        extra("service_tier", "\"flex\""),
        extra("groundingMetadata", "{}"),
    ];
    let (body, losses) = written(&response, &Tail::default());
    let part = &body["output"][0]["content"][0];
    assert_eq!(
        part["annotations"],
        json!([{"type":"url_citation","start_index":4,"end_index":5,"title":"T","url":"https://x"}])
    );
    assert_eq!(part["logprobs"][0]["token"], "S");
    assert_eq!(body["service_tier"], "flex");
    assert_eq!(losses.iter().map(|loss| loss.field.as_str()).collect::<Vec<_>>(), ["groundingMetadata"]);
    // And back into the hub's form.
    let again = decode(&serde_json::to_vec(&body).unwrap()).unwrap();
    let find = |field: &str| again.extras.iter().find(|extra| extra.field == field).unwrap().value.get().to_owned();
    let value = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    assert_eq!(value(&find("choices[0].message.annotations")), value(response.extras[0].value.get()));
    assert_eq!(value(&find("choices[0].logprobs")), value(response.extras[1].value.get()));
}

#[test]
fn a_second_choice_and_foreign_content_are_reported_not_dropped() {
    let mut response = answer(vec![Part::Text("t".into())], FinishReason::Stop);
    response.choices.push(Choice { index: 1, ..Choice::default() });
    let raw = serde_json::value::RawValue::from_string("{}".to_owned()).unwrap();
    response.choices[0].parts.push(Part::Native { dialect: Dialect::Gemini, kind: "executableCode".into(), raw });
    let (_, losses) = written(&response, &Tail::default());
    let fields: Vec<&str> = losses.iter().map(|loss| loss.field.as_str()).collect();
    assert_eq!(fields, ["choices[0].content[1]", "choices[1]"]);
    response.choices.reverse();
    let (body, losses) = written(&response, &Tail::default());
    assert_eq!(body["output"][0]["content"][0]["text"], "t", "the first by its number, wherever it stands");
    assert!(losses.iter().any(|loss| loss.field == "choices[1]"));
}

#[test]
fn an_answer_with_hosted_tools_keeps_its_text_and_tells_of_the_tools() {
    let body = br#"{"id":"resp_1","object":"response","status":"completed","model":"m","output":[
        {"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},
        {"type":"message","content":[{"type":"output_text","text":"\u00e9\u4e2d","annotations":[]},{"type":"output_text","text":"b","annotations":[{"type":"url_citation","start_index":0,"end_index":1,"title":"t","url":"u"},{"type":"file_path","file_id":"f","index":0}]}]},
        {"type":"custom_tool_call","call_id":"c","name":"n","input":"i"}],
        "tools":[],"service_tier":"default","moderation":{"x":1}}"#;
    let response = decode(body).unwrap();
    let parts = &response.choices[0].parts;
    assert!(matches!(&parts[0], Part::Text(text) if text == "\u{e9}\u{4e2d}"));
    assert!(matches!(&parts[2], Part::Native { kind, .. } if kind == "custom_tool_call"));
    let fields: Vec<&str> = response.extras.iter().map(|extra| extra.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "service_tier",
            "moderation",
            "output[0].web_search_call",
            "choices[0].message.annotations",
            "output[1].content[1].annotations"
        ]
    );
    // Offsets count from the beginning of the whole text, in characters.
    assert!(response.extras[3].value.get().contains(r#""start_index":2,"end_index":3"#));
}

#[test]
fn a_call_without_ids_gets_one_and_one_without_arguments_gets_the_empty_object() {
    let body = br#"{"status":"completed","output":[{"type":"function_call","name":"f","arguments":""},{"type":"function_call","id":"fc_2","name":"f"}]}"#;
    let response = decode(body).unwrap();
    let Part::ToolCall(first) = &response.choices[0].parts[0] else { panic!() };
    assert!(first.id.starts_with("call_") && first.arguments == "{}");
    assert!(matches!(&response.choices[0].parts[1], Part::ToolCall(call) if call.id == "fc_2"));
    assert_eq!(response.choices[0].finish.as_ref().unwrap().reason, FinishReason::ToolCalls);
}

#[test]
fn what_stands_beside_a_text_that_is_not_there_is_told() {
    let logprobs = r#"{"content":null,"refusal":[{"token":"No","logprob":-0.5,"bytes":null,"top_logprobs":[]}]}"#;
    let cited =
        r#"[{"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"title":"T","url":"https://x"}}]"#;
    let fields = |parts: Vec<Part>| -> Vec<String> {
        let mut response = answer(parts, FinishReason::Stop);
        response.extras = vec![extra("choices[0].logprobs", logprobs), extra("choices[0].message.annotations", cited)];
        written(&response, &Tail::default()).1.into_iter().map(|loss| loss.field).collect()
    };
    assert_eq!(fields(vec![Part::Refusal("No".into())]), ["choices[0].logprobs", "choices[0].message.annotations"]);
    assert_eq!(fields(vec![Part::Text("t".into()), Part::Refusal("No".into())]), ["choices[0].logprobs.refusal"]);
    // And when it is read: a text of no length has its probabilities all the same.
    let body = br#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"","annotations":[{"type":"url_citation","start_index":0,"end_index":0,"url":"u","title":"t"}],"logprobs":[{"token":"","logprob":0}]}]}]}"#;
    let read: Vec<String> = decode(body).unwrap().extras.into_iter().map(|extra| extra.field).collect();
    assert_eq!(read, ["choices[0].message.annotations", "choices[0].logprobs"]);
}

#[test]
fn an_answer_that_says_that_it_goes_on_is_no_successful_end() {
    for status in ["queued", "in_progress"] {
        let body = format!(r#"{{"id":"resp_1","status":"{status}","output":[]}}"#);
        let finish = decode(body.as_bytes()).unwrap().choices.remove(0).finish.unwrap();
        assert_eq!((finish.reason, finish.raw.as_str()), (FinishReason::Failed, status));
    }
}
