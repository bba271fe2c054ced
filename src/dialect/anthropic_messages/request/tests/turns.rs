use serde_json::json;

use super::super::tool_id;
use super::{asking, encode, target, text};
use crate::dialect::canonical::{
    ChatRequest, Media, MediaSource, Part, Reasoning, ReasoningPart, Role, ToolCall, ToolResult, Turn,
};
use crate::dialect::{Dialect, ModelTraits, Target};

const MODEL: &str = "claude-sonnet-4-5";

fn with(turns: Vec<Turn>) -> ChatRequest {
    ChatRequest { turns, ..asking() }
}

fn call(id: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: "f".into(), arguments: arguments.into(), signature: None })
}

fn result(id: &str, text: &str) -> Turn {
    let parts = vec![Part::Text(text.to_owned())];
    let result = ToolResult { call_id: id.into(), name: None, parts, is_error: false };
    Turn { role: Role::Tool, parts: vec![Part::ToolResult(result)] }
}

#[test]
fn leading_instructions_keep_their_parts() {
    let first = Turn { role: Role::System, parts: vec![Part::Text("a".into()), Part::Text("b".into())] };
    let written = encode(&with(vec![first, text(Role::System, "c"), text(Role::User, "hi")]), &target(MODEL));
    assert_eq!(
        written.body["system"],
        json!([{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"text","text":"c"}])
    );
    assert_eq!(written.losses, [""; 0]);
}

#[test]
fn later_instructions_are_refused_where_they_cannot_stand() {
    let turns = vec![text(Role::User, "a"), text(Role::System, "s"), text(Role::User, "b")];
    let old = encode(&with(turns.clone()), &target(MODEL));
    assert_eq!(old.losses, ["unsupported messages[1]"]);
    assert_eq!(old.body["messages"].as_array().unwrap().len(), 1, "the rest is one user message");
    let new = encode(&with(turns), &target("claude-opus-4-8"));
    assert_eq!(new.losses, [""; 0]);
    let roles: Vec<_> = new.body["messages"].as_array().unwrap().iter().map(|m| m["role"].clone()).collect();
    assert_eq!(roles, ["user", "system", "user"]);
    let turns = vec![text(Role::User, "a"), text(Role::Assistant, "b"), text(Role::System, "s"), text(Role::User, "c")];
    assert_eq!(encode(&with(turns), &target("claude-opus-4-8")).losses, ["unsupported messages[2]"]);
}

#[test]
fn all_results_of_a_batch_stand_first_in_one_user_message() {
    let assistant = Turn { role: Role::Assistant, parts: vec![call("a", "{}"), call("b", "{}")] };
    let turns = vec![text(Role::User, "go"), assistant, result("a", "1"), result("b", ""), text(Role::User, "next")];
    let written = encode(&with(turns), &target(MODEL));
    assert_eq!(written.losses, [""; 0]);
    assert_eq!(
        written.body["messages"][2],
        json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1"},
            {"type": "tool_result", "tool_use_id": "b", "content": ""},
            {"type": "text", "text": "next"}]})
    );
    let swapped = vec![
        text(Role::User, "go"),
        Turn { role: Role::Assistant, parts: vec![call("a", "{}")] },
        text(Role::User, "wait"),
        result("a", "1"),
    ];
    let written = encode(&with(swapped), &target(MODEL));
    assert_eq!(written.body["messages"][2]["content"][0]["type"], "tool_result");
    assert_eq!(written.losses, ["converted messages[3]"], "a changed order is told");
}

#[test]
fn empty_texts_go_only_where_something_else_stays() {
    let assistant = Turn { role: Role::Assistant, parts: vec![Part::Text(String::new()), call("a", "{}")] };
    let written = encode(&with(vec![text(Role::User, "go"), assistant, result("a", "1")]), &target(MODEL));
    assert_eq!(written.body["messages"][1]["content"].as_array().unwrap().len(), 1);
    assert_eq!(written.losses, [""; 0]);

    let blank = Turn { role: Role::Assistant, parts: vec![Part::Text(" \n".into()), call("a", "{}")] };
    let written = encode(&with(vec![text(Role::User, "go"), blank, result("a", "1")]), &target(MODEL));
    assert_eq!(written.losses, ["converted messages[1].content[0]"], "whitespace says something");

    let written =
        encode(&with(vec![text(Role::User, "go"), text(Role::Assistant, ""), text(Role::User, "x")]), &target(MODEL));
    assert_eq!(written.losses, ["unsupported messages[1].content[0]"]);
}

#[test]
fn arguments_are_spliced_in_as_they_are() {
    let turns = |arguments: &str| {
        let assistant = Turn { role: Role::Assistant, parts: vec![call("a", arguments)] };
        with(vec![text(Role::User, "go"), assistant, result("a", "1")])
    };
    let odd = r#"{"z": 1.50,"a":"\u00e9"}"#;
    let body = super::super::encode(&turns(odd), &target(MODEL)).body;
    assert!(String::from_utf8(body).unwrap().contains(odd), "number and escape text matter to caches");
    assert_eq!(encode(&turns(""), &target(MODEL)).body["messages"][1]["content"][0]["input"], json!({}));
    for broken in ["{\"a\":", "[1]", "text"] {
        let written = encode(&turns(broken), &target(MODEL));
        assert_eq!(written.body["messages"][1]["content"][0]["input"], json!({"__raw": broken}));
        assert_eq!(written.losses, ["converted messages[1].tool_calls[0].function.arguments"]);
    }
}

#[test]
fn ids_outside_the_alphabet_are_rewritten_alike_on_call_and_result() {
    let assistant = Turn { role: Role::Assistant, parts: vec![call("call:1", "{}"), call("call.1", "{}")] };
    let turns = vec![text(Role::User, "go"), assistant, result("call:1", "x"), result("call.1", "y")];
    let written = encode(&with(turns), &target(MODEL));
    let id =
        |message: usize, block: usize, name: &str| written.body["messages"][message]["content"][block][name].clone();
    assert_eq!(id(1, 0, "id"), id(2, 0, "tool_use_id"));
    assert_eq!(id(1, 1, "id"), id(2, 1, "tool_use_id"));
    assert_ne!(id(1, 0, "id"), id(1, 1, "id"));
    assert!(id(1, 0, "id").as_str().unwrap().chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)));
    assert_eq!(written.losses, ["converted messages[1].tool_calls[0].id", "converted messages[1].tool_calls[1].id"]);
    assert_eq!(tool_id("call_AbC-9"), "call_AbC-9");
    assert!(!tool_id("").is_empty());
}

#[test]
fn claudes_thinking_is_replayed_in_order_and_others_is_dropped_with_a_report() {
    let thought = |text: &str, signature: Option<&str>, redacted, origin| {
        Part::Reasoning(ReasoningPart { text: text.into(), signature: signature.map(str::to_owned), redacted, origin })
    };
    let assistant = Turn {
        role: Role::Assistant,
        parts: vec![
            thought("think", Some("S+/="), false, Dialect::AnthropicMessages),
            thought("", Some("D=="), true, Dialect::AnthropicMessages),
            thought("", Some("only"), false, Dialect::AnthropicMessages),
            thought("gem", Some("G"), false, Dialect::Gemini),
            thought("loose", None, false, Dialect::AnthropicMessages),
            call("a", "{}"),
        ],
    };
    let written = encode(&with(vec![text(Role::User, "go"), assistant, result("a", "1")]), &target(MODEL));
    let content = written.body["messages"][1]["content"].as_array().unwrap();
    assert_eq!(content[0], json!({"type": "thinking", "thinking": "think", "signature": "S+/="}));
    assert_eq!(content[1], json!({"type": "redacted_thinking", "data": "D=="}));
    assert_eq!(content[2], json!({"type": "thinking", "thinking": "", "signature": "only"}));
    assert_eq!(content[3]["type"], "tool_use");
    assert_eq!(written.losses, ["advisory messages[1].reasoning_content", "advisory messages[1].reasoning_content"]);
}

#[test]
fn an_answer_is_continued_only_where_the_model_can() {
    let turns = vec![text(Role::User, "a"), text(Role::Assistant, "Sure, ")];
    assert_eq!(encode(&with(turns), &target(MODEL)).losses, ["unsupported messages[1]"], "trailing whitespace");
    let turns = || vec![text(Role::User, "a"), text(Role::Assistant, "Sure,")];
    let written = encode(&with(turns()), &target(MODEL));
    assert_eq!((written.losses.len(), &written.body["messages"][1]["role"]), (0, &json!("assistant")));
    for model in ["claude-sonnet-4-6", "claude-opus-5", "claude-haiku-5-5"] {
        let written = encode(&with(turns()), &target(model));
        assert_eq!(written.losses, ["unsupported messages[1]"], "{model}");
        assert_eq!(written.body["messages"].as_array().unwrap().len(), 1, "{model}: never sent");
    }
    let traits = ModelTraits { prefill: false, ..ModelTraits::PERMISSIVE };
    assert_eq!(encode(&with(turns()), &Target { traits, ..target(MODEL) }).losses, ["unsupported messages[1]"]);
    let thinking = ChatRequest { reasoning: Some(Reasoning::Budget(1024)), ..with(turns()) };
    assert_eq!(encode(&thinking, &target(MODEL)).losses, ["unsupported messages[1]"]);
}

#[test]
fn a_conversation_begins_with_the_user() {
    let written = encode(&with(vec![text(Role::Assistant, "hello"), text(Role::User, "a")]), &target(MODEL));
    assert_eq!(written.losses, ["unsupported messages[0]"]);
    assert_eq!(written.body["messages"][0]["role"], "user");
    let nobody = encode(&with(vec![text(Role::System, "s")]), &target(MODEL));
    assert_eq!(nobody.losses, ["unsupported messages"]);
}

#[test]
fn media_are_sent_in_the_forms_that_anthropic_reads() {
    let media = |source| Media { source, detail: None, name: None };
    let base64 = |mime: &str, data: &str| MediaSource::Base64 { mime: mime.into(), data: data.into() };
    let url = |url: &str, mime: Option<&str>| MediaSource::Url { url: url.into(), mime: mime.map(str::to_owned) };
    let file = |id: &str, dialect| MediaSource::FileId { id: id.into(), dialect };
    let ask = |part: Part| {
        encode(&with(vec![Turn { role: Role::User, parts: vec![Part::Text("x".into()), part] }]), &target(MODEL))
    };
    for (part, source) in [
        (
            Part::Image(media(base64("image/PNG; x=y", "AA"))),
            json!({"type":"base64","media_type":"image/png","data":"AA"}),
        ),
        (Part::Image(media(base64("image/jpg", "AA"))), json!({"type":"base64","media_type":"image/jpeg","data":"AA"})),
        (Part::Image(media(url("https://a/b", None))), json!({"type":"url","url":"https://a/b"})),
        (Part::Image(media(file("f", Dialect::AnthropicMessages))), json!({"type":"file","file_id":"f"})),
        (
            Part::File(media(base64("application/pdf", "JVBE"))),
            json!({"type":"base64","media_type":"application/pdf","data":"JVBE"}),
        ),
        (
            Part::File(media(base64("text/plain", "cGxu"))),
            json!({"type":"text","media_type":"text/plain","data":"pln"}),
        ),
        (Part::File(media(url("https://a/b.pdf", None))), json!({"type":"url","url":"https://a/b.pdf"})),
    ] {
        let written = ask(part);
        assert_eq!(written.body["messages"][0]["content"][1]["source"], source);
        assert_eq!(written.losses, [""; 0]);
    }
    for part in [
        Part::Image(media(base64("image/tiff", "AA"))),
        Part::Image(media(url("http://a/b", None))),
        Part::Image(media(file("f", Dialect::OpenAiChat))),
        Part::File(media(base64("application/zip", "AA"))),
        Part::File(media(base64("text/plain", "not base64"))),
        Part::File(media(url("https://a/b.txt", Some("text/plain")))),
        Part::Audio(media(base64("audio/wav", "AA"))),
        Part::Native { dialect: Dialect::Gemini, kind: "executableCode".into(), raw: super::raw("{}") },
    ] {
        assert_eq!(ask(part).losses, ["unsupported messages[0].content[1]"]);
    }
    let csv = ask(Part::File(media(base64("text/csv", "YSxi"))));
    assert_eq!(csv.losses, ["converted messages[0].content[1]"]);
    let detailed = |detail: &str| {
        let image = Media { detail: Some(detail.into()), ..media(url("https://a/b", None)) };
        ask(Part::Image(image))
    };
    for told in ["low", "zork"] {
        assert_eq!(detailed(told).losses, ["advisory messages[0].content[1].image_url.detail"]);
    }
    assert_eq!(detailed("auto").losses, [""; 0]);
    let original = detailed("original");
    assert_eq!(original.body["messages"][0]["content"][1]["transformations"], json!({"oversized_image": "error"}));
}

#[test]
fn results_carry_pictures_and_errors() {
    let image =
        Media { source: MediaSource::Base64 { mime: "image/png".into(), data: "AA".into() }, detail: None, name: None };
    let parts = vec![Part::Text("see".into()), Part::Image(image)];
    let result = ToolResult { call_id: "a".into(), name: None, parts, is_error: true };
    let turns = vec![
        text(Role::User, "go"),
        Turn { role: Role::Assistant, parts: vec![call("a", "{}")] },
        Turn { role: Role::Tool, parts: vec![Part::ToolResult(result)] },
    ];
    let written = encode(&with(turns), &target(MODEL));
    let block = &written.body["messages"][2]["content"][0];
    assert_eq!(block["is_error"], true);
    assert_eq!(block["content"][1]["source"]["data"], "AA");
    assert_eq!(written.losses, [""; 0]);
}
