//! A server's messages: roles, parts, ids, and whose reasoning goes where.

use serde_json::{json, Value};

use super::{asked, call, function, raw, result, send, text, to, told, turn, OPENAI};
use crate::dialect::canonical::{ChatRequest, Disposition, Media, MediaSource, Part, ReasoningPart, Role, ToolCall};
use crate::dialect::{Dialect, ModelTraits, Target};

fn thought(origin: Dialect, signature: Option<&str>) -> Part {
    Part::Reasoning(ReasoningPart { text: "hm".into(), signature: signature.map(Into::into), redacted: false, origin })
}

fn tool_loop() -> ChatRequest {
    ChatRequest {
        tools: vec![function("f")],
        turns: vec![
            turn(Role::System, vec![text("s1"), text("s2")]),
            turn(Role::User, vec![text("hi")]),
            turn(
                Role::Assistant,
                vec![
                    thought(Dialect::AnthropicMessages, Some("sig")),
                    text("let me"),
                    call("toolu_01ABC"),
                    call("toolu_02ABC"),
                ],
            ),
            turn(
                Role::Tool,
                vec![result("toolu_01ABC", vec![text("one")], false), result("toolu_02ABC", vec![text("bad")], true)],
            ),
            turn(Role::User, vec![text("go on")]),
        ],
        ..asked()
    }
}

#[test]
fn a_tool_loop_is_written_in_openais_messages() {
    let (body, losses) = to(&tool_loop(), OPENAI);
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": [{"type": "text", "text": "s1"}, {"type": "text", "text": "s2"}]},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "let me", "tool_calls": [
                {"id": "toolu_01ABC", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.0}"}},
                {"id": "toolu_02ABC", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.0}"}}]},
            {"role": "tool", "tool_call_id": "toolu_01ABC", "content": "one"},
            {"role": "tool", "tool_call_id": "toolu_02ABC", "content": "{\"error\":\"bad\"}"},
            {"role": "user", "content": "go on"}
        ])
    );
    assert_eq!(told(&losses), [("messages[*].content[*]", "advisory"), ("messages[*].content[*]", "converted")]);
}

#[test]
fn mistral_gets_nine_character_ids_on_calls_and_results_alike() {
    let (body, _) = to(&tool_loop(), "mistral");
    let messages = body["messages"].as_array().unwrap();
    let calls: Vec<&str> =
        messages[2]["tool_calls"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    let results: Vec<&str> = messages[3..5].iter().map(|m| m["tool_call_id"].as_str().unwrap()).collect();
    assert_eq!(calls, results);
    assert_ne!(calls[0], calls[1]);
    assert!(calls.iter().all(|id| id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric())), "{calls:?}");
    assert_eq!(messages[3]["name"], "f");
    let mut legal = tool_loop();
    legal.turns[2].parts[2] = call("abcDEF123");
    assert_eq!(to(&legal, "mistral").0["messages"][2]["tool_calls"][0]["id"], "abcDEF123");
    let mut long = tool_loop();
    long.turns[2].parts[2] = call(&"x".repeat(41));
    let id = to(&long, OPENAI).0["messages"][2]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.len() <= 40, "{id}");
}

#[test]
fn reasoning_goes_back_only_to_who_can_read_it() {
    let with = |origin: Dialect, signature: Option<&str>| {
        let mut request = tool_loop();
        request.turns[2].parts[0] = thought(origin, signature);
        request
    };
    let own = with(Dialect::OpenAiChat, None);
    assert_eq!(to(&own, "deepseek").0["messages"][2]["reasoning_content"], "hm");
    assert_eq!(to(&own, "acme").0["messages"][2]["reasoning_content"], "hm");
    assert_eq!(to(&own, "groq").0["messages"][2]["reasoning"], "hm");
    assert_eq!(
        to(&own, "mistral").0["messages"][2]["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "let me"}])
    );
    let (body, losses) = to(&own, OPENAI);
    assert!(body["messages"][2].get("reasoning_content").is_none());
    assert_eq!(told(&losses)[0], ("messages[*].content[*]", "advisory"));
    let signed = to(&with(Dialect::OpenAiChat, Some("s")), "openrouter").0;
    assert_eq!(
        signed["messages"][2]["reasoning_details"],
        json!([{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}])
    );
    let (body, losses) = to(&with(Dialect::Gemini, Some("s")), "openrouter");
    assert!(body["messages"][2].get("reasoning_details").is_none());
    assert!(losses.iter().any(|loss| loss.disposition == Disposition::Advisory));
}

#[test]
fn deepseek_gets_the_reasoning_member_on_every_assistant_turn_once_tools_are_in_play() {
    let (body, _) = to(&tool_loop(), "deepseek");
    assert_eq!(body["messages"][2]["reasoning_content"], "");
    let mut plain = tool_loop();
    plain.tools.clear();
    plain.turns = vec![
        turn(Role::User, vec![text("a")]),
        turn(Role::Assistant, vec![text("b")]),
        turn(Role::User, vec![text("c")]),
    ];
    assert!(to(&plain, "deepseek").0["messages"][1].get("reasoning_content").is_none());
}

#[test]
fn a_begun_answer_is_refused_but_our_own_callers_history_is_not() {
    let mut request = asked();
    request.turns.push(turn(Role::Assistant, vec![text("Sure:")]));
    let (body, losses) = to(&request, OPENAI);
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    assert_eq!(told(&losses), [("messages[*].content[*]", "unsupported")]);
    request.origin = Some(Dialect::OpenAiChat);
    let (body, losses) = to(&request, OPENAI);
    assert_eq!((body["messages"].as_array().unwrap().len(), losses.len()), (2, 0));
}

fn media(source: MediaSource) -> Media {
    Media { source, detail: None, name: None }
}

fn bytes(mime: &str) -> MediaSource {
    MediaSource::Base64 { mime: mime.into(), data: "QUJD".into() }
}

#[test]
fn media_are_written_or_refused_by_kind_and_server() {
    let url = || MediaSource::Url { url: "https://e.org/x".into(), mime: None };
    let id = |dialect| MediaSource::FileId { id: "f1".into(), dialect };
    let cases: Vec<(Part, &str, Result<Value, &str>)> = vec![
        (
            Part::Image(media(bytes("image/png"))),
            OPENAI,
            Ok(json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}})),
        ),
        (
            Part::Image(Media { detail: Some("low".into()), ..media(url()) }),
            OPENAI,
            Ok(json!({"type": "image_url", "image_url": {"url": "https://e.org/x", "detail": "low"}})),
        ),
        (Part::Image(media(id(Dialect::AnthropicMessages))), OPENAI, Err("unsupported")),
        (
            Part::Audio(media(bytes("audio/mpeg"))),
            OPENAI,
            Ok(json!({"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}})),
        ),
        (Part::Audio(media(bytes("audio/wav"))), "mistral", Ok(json!({"type": "input_audio", "input_audio": "QUJD"}))),
        (Part::Audio(media(bytes("audio/flac"))), OPENAI, Err("unsupported")),
        (Part::Audio(media(url())), OPENAI, Err("unsupported")),
        (Part::Audio(media(bytes("audio/wav"))), "deepseek", Err("unsupported")),
        (
            Part::File(media(bytes("application/pdf"))),
            OPENAI,
            Ok(
                json!({"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,QUJD"}}),
            ),
        ),
        (
            Part::File(media(bytes("application/pdf"))),
            "mistral",
            Ok(json!({"type": "document_url", "document_url": "data:application/pdf;base64,QUJD"})),
        ),
        (Part::File(media(bytes("application/pdf"))), "deepseek", Err("unsupported")),
        (Part::File(media(url())), OPENAI, Err("unsupported")),
        (
            Part::File(media(url())),
            "openrouter",
            Ok(json!({"type": "file", "file": {"filename": "document.pdf", "file_data": "https://e.org/x"}})),
        ),
        (Part::File(media(id(Dialect::OpenAiChat))), OPENAI, Ok(json!({"type": "file", "file": {"file_id": "f1"}}))),
        (Part::File(media(id(Dialect::Gemini))), OPENAI, Err("unsupported")),
        (
            Part::File(Media { name: Some("a.txt".into()), ..media(bytes("text/plain")) }),
            "deepseek",
            Ok(json!({"type": "text", "text": "a.txt:\n\nABC"})),
        ),
        (
            Part::Native { dialect: Dialect::AnthropicMessages, kind: "search_result".into(), raw: raw("{}") },
            OPENAI,
            Err("unsupported"),
        ),
    ];
    for (part, provider, expected) in cases {
        let what = format!("{part:?} {provider}");
        let mut request = asked();
        request.turns[0].parts.push(part);
        let (body, losses) = to(&request, provider);
        match expected {
            Ok(written) => {
                assert!(losses.iter().all(|loss| loss.disposition == Disposition::Converted), "{what}: {losses:?}");
                let content = &body["messages"][0]["content"];
                let last = content.as_array().and_then(|parts| parts.last());
                match last {
                    Some(last) => assert_eq!(*last, written, "{what}"),
                    None => assert!(content.as_str().unwrap().ends_with(written["text"].as_str().unwrap()), "{what}"),
                }
            }
            Err(word) => {
                assert_eq!(told(&losses), [("messages[*].content[*]", word)], "{what}");
                assert_eq!(body["messages"][0]["content"], "hi", "{what}");
            }
        }
    }
}

#[test]
fn what_a_model_cannot_take_in_is_refused() {
    for (part, traits) in [
        (Part::Image(media(bytes("image/png"))), ModelTraits { vision: false, ..ModelTraits::PERMISSIVE }),
        (Part::Audio(media(bytes("audio/wav"))), ModelTraits { audio: false, ..ModelTraits::PERMISSIVE }),
        (Part::File(media(bytes("application/pdf"))), ModelTraits { files: false, ..ModelTraits::PERMISSIVE }),
    ] {
        let mut request = asked();
        request.turns[0].parts.push(part);
        assert_eq!(told(&send(&request, OPENAI, traits).1), [("messages[*].content[*]", "unsupported")]);
    }
}

#[test]
fn pictures_in_tool_results_are_refused_and_the_text_stays() {
    let mut request = tool_loop();
    request.turns[3].parts =
        vec![result("toolu_01ABC", vec![text("see"), Part::Image(media(bytes("image/png")))], false)];
    let (body, losses) = to(&request, OPENAI);
    assert_eq!(body["messages"][3]["content"], "see");
    assert!(told(&losses).contains(&("messages[*].content[*]", "unsupported")));
}

#[test]
fn results_beside_text_in_one_turn_come_first() {
    let mut request = tool_loop();
    request.turns[3].parts.push(text("and this"));
    request.turns[3].role = Role::User;
    let (body, _) = to(&request, OPENAI);
    let roles: Vec<&str> = body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "user", "user"]);
}

#[test]
fn refusals_are_parts_at_openai_and_text_elsewhere() {
    let mut request = asked();
    request.turns.push(turn(Role::Assistant, vec![Part::Refusal("no".into())]));
    request.turns.push(turn(Role::User, vec![text("why")]));
    assert_eq!(to(&request, OPENAI).0["messages"][1]["content"], json!([{"type": "refusal", "refusal": "no"}]));
    let (body, losses) = to(&request, "acme");
    assert_eq!(body["messages"][1], json!({"role": "assistant", "content": "no"}).clone());
    assert_eq!(told(&losses), [("messages[*].content[*]", "converted")]);
}

#[test]
fn a_foreign_signature_on_a_call_is_told_and_google_gets_it_back() {
    let mut request = asked();
    let signed = ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into(), signature: Some("g".into()) };
    request.turns.push(turn(Role::Assistant, vec![Part::ToolCall(signed)]));
    request.turns.push(turn(Role::Tool, vec![result("c", vec![text("r")], false)]));
    let (body, losses) = to(&request, OPENAI);
    assert!(body["messages"][1]["tool_calls"][0].get("extra_content").is_none());
    assert_eq!(told(&losses), [("messages[*].content[*]", "advisory")]);
    let (body, losses) = to(&request, "gemini-compat");
    assert_eq!(body["messages"][1]["tool_calls"][0]["extra_content"]["google"]["thought_signature"], "g");
    assert_eq!(losses, []);
}

#[test]
fn a_callers_names_stay_with_their_messages_where_the_server_has_names() {
    let body = br#"{"model":"m","messages":[{"role":"user","name":"ann","content":"a"},{"role":"user","name":"bob","content":"b"}]}"#;
    let request = crate::dialect::openai_chat::request::decode(body).unwrap();
    let (sent, losses) = to(&request, OPENAI);
    assert_eq!(
        sent["messages"],
        json!([{"role": "user", "name": "ann", "content": "a"}, {"role": "user", "name": "bob", "content": "b"}])
    );
    assert_eq!(losses, []);
    let (sent, losses) = to(&request, "mistral");
    assert_eq!(sent["messages"][0].get("name"), None);
    assert_eq!(told(&losses), [("messages[0].name", "unsupported"), ("messages[1].name", "unsupported")]);
}

#[test]
fn a_result_stands_right_behind_its_call() {
    let turns = vec![
        turn(Role::User, vec![text("x")]),
        turn(Role::Assistant, vec![call("a")]),
        turn(Role::User, vec![text("well?")]),
        turn(Role::Tool, vec![result("a", vec![text("1")], false)]),
    ];
    let request = ChatRequest { origin: Some(Dialect::OpenAiResponses), turns, ..asked() };
    let (body, losses) = to(&request, OPENAI);
    let roles: Vec<&str> = body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "user"]);
    assert_eq!(told(&losses).len(), 1, "{losses:?}");
    assert!(losses[0].disposition == Disposition::Converted);
}

#[test]
fn what_instructions_cannot_say_is_told_by_its_place_in_them() {
    let anthropic = br#"{"model":"m","max_tokens":5,"system":[{"type":"text","text":"be"},{"type":"x"}],
        "messages":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"x"}]}]}"#;
    let google = br#"{"systemInstruction":{"parts":[{"text":"be"},{"executableCode":{"code":"1"}}]},
        "contents":[{"parts":[{"text":"hi"},{"executableCode":{"code":"1"}}]}]}"#;
    for (dialect, body, places) in [
        (Dialect::AnthropicMessages, anthropic.as_slice(), ["system[1]", "messages[*].content[*]"]),
        (Dialect::Gemini, google.as_slice(), ["systemInstruction.parts[1]", "contents[*].parts[*]"]),
    ] {
        let request = dialect.decode_request(body).unwrap();
        let (_, losses) = to(&request, OPENAI);
        assert_eq!(told(&losses), places.map(|place| (place, "unsupported")));
        if dialect == Dialect::AnthropicMessages {
            let target = Target {
                provider: "gemini",
                model: "gemini-3-pro",
                traits: ModelTraits::PERMISSIVE,
                max_output_tokens: None,
            };
            let there = Dialect::Gemini.encode_request(&request, &target);
            assert_eq!(told(&there.losses), places.map(|place| (place, "unsupported")));
        }
    }
}
