use proptest::prelude::*;
use serde_json::{json as value, Value};

use super::*;

fn text(content: &str) -> Part {
    Part::Text { content: content.into() }
}

fn message(role: &'static str, parts: Vec<Part>) -> Message {
    Message { role, parts, finish_reason: None }
}

#[test]
fn each_part_has_the_form_of_the_conventions() {
    let call = |arguments: &str| Part::ToolCall { id: "c1".into(), name: "f".into(), arguments: arguments.into() };
    for (part, form) in [
        (text("a\"b"), value!({"type": "text", "content": "a\"b"})),
        (Part::Reasoning { content: "hm".into() }, value!({"type": "reasoning", "content": "hm"})),
        (Part::Refusal { content: "no".into() }, value!({"type": "refusal", "content": "no"})),
        (
            call(r#"{"b":1,"a":[2]}"#),
            value!({"type": "tool_call", "id": "c1", "name": "f", "arguments": {"b": 1, "a": [2]}}),
        ),
        (call(r#"{"b":1"#), value!({"type": "tool_call", "id": "c1", "name": "f", "arguments": "{\"b\":1"})),
        (
            Part::ToolCallResponse { id: "c1".into(), response: "{}".into() },
            value!({"type": "tool_call_response", "id": "c1", "response": "{}"}),
        ),
        (
            Part::Blob { modality: "image", mime_type: "image/png".into(), content: "" },
            value!({"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""}),
        ),
        (
            Part::Uri { modality: "audio", uri: "https://a.example/x".into() },
            value!({"type": "uri", "modality": "audio", "uri": "https://a.example/x"}),
        ),
        (
            Part::File { modality: "document", file_id: "file-1".into() },
            value!({"type": "file", "modality": "document", "file_id": "file-1"}),
        ),
        (Part::Native { kind: "web_search".into() }, value!({"type": "native", "kind": "web_search"})),
    ] {
        assert_eq!(serde_json::from_str::<Value>(&json(&part)).unwrap(), form);
    }
    let schema = Some(r#"{"type":"object"}"#.to_owned());
    let tool = Definition { name: "f".into(), description: None, parameters: schema };
    assert_eq!(json(&tool), r#"{"type":"function","name":"f","parameters":{"type":"object"}}"#);
    let answer = Message { finish_reason: Some("stop"), ..message("assistant", vec![text("x")]) };
    assert_eq!(json(&answer), r#"{"role":"assistant","parts":[{"type":"text","content":"x"}],"finish_reason":"stop"}"#);
}

#[test]
fn of_a_conversation_that_is_too_long_its_end_is_told() {
    let turn = |n: u32| message("user", vec![text(&format!("{n} {}", "word ".repeat(30)))]);
    let content = Content { input: (0..10).map(turn).collect(), ..Content::default() }.fit(500);
    let texts: Vec<String> = content.input.iter().flat_map(|m| &m.parts).filter_map(Part::text).collect();
    assert!(content.cut);
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("7 ") && texts[0].ends_with(MARK), "{texts:?}");
    assert!(texts[1].starts_with("8 ") && texts[2].starts_with("9 ") && texts[2].ends_with("word "), "{texts:?}");
    let short = Content { input: vec![turn(1)], ..Content::default() };
    assert_eq!(short.clone().fit(500), short, "what has room stays as it is");
}

proptest! {
    #[test]
    fn no_attribute_is_longer_than_its_bound_and_each_is_json(
        texts in proptest::collection::vec("(\\PC|[\"\\\\\n]){0,400}", 0..6),
        most in 256..2_000_usize,
    ) {
        let call = |text: &String| Part::ToolCall { id: "i".into(), name: "n".into(), arguments: json(&[text]) };
        let tool = |text: &String| Definition { name: "n".into(), description: Some(text.clone()), parameters: None };
        let messages: Vec<Message> =
            texts.iter().map(|t| message("user", vec![text(t), call(t), Part::Reasoning { content: t.clone() }])).collect();
        let system = messages.first().cloned().into_iter().collect();
        let tools = texts.iter().map(tool).collect();
        let whole = Content { system, input: messages.clone(), output: messages, tools, stop: texts, cut: false };
        let cut = whole.clone().fit(most);
        for list in [json(&cut.system), json(&cut.input), json(&cut.output), json(&cut.tools), json(&cut.stop)] {
            prop_assert!(list.len() <= most, "{} > {most}", list.len());
            prop_assert!(serde_json::from_str::<Vec<Value>>(&list).is_ok(), "{list}");
        }
        prop_assert_eq!(cut.cut, cut != whole);
    }
}
