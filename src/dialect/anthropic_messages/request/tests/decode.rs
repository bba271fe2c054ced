use serde_json::json;

use super::super::decode;
use crate::dialect::anthropic_messages::foreign;
use crate::dialect::canonical::{
    ChatRequest, Format, Media, MediaSource, Part, Reasoning, ReasoningPart, Role, SignedTurn, ToolChoice,
};
use crate::dialect::Dialect;
use crate::error::ErrorKind;

fn read(members: serde_json::Value) -> ChatRequest {
    let mut body = json!({"model": "claude-x", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    decode(body.to_string().as_bytes()).unwrap()
}

/// What was left over: `(field, advisory, is_default)`.
fn extras(request: &ChatRequest) -> Vec<(&str, bool, bool)> {
    request.extras.iter().map(|e| (e.field.as_str(), e.advisory, e.is_default)).collect()
}

#[test]
fn a_mistake_is_named_by_its_place() {
    for (body, param) in [
        (r#"{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#, "model"),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
        (r#"{"model":"m","max_tokens":-1,"messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
        (r#"{"model":"m","max_tokens":1}"#, "messages"),
        (r#"{"model":"m","max_tokens":1,"messages":[]}"#, "messages"),
        (r#"{"model":"m","max_tokens":1,"messages":["x"]}"#, "messages.0"),
        (r#"{"model":"m","max_tokens":1,"messages":[{"role":"tool","content":"x"}]}"#, "messages.0.role"),
        (r#"{"model":"m","max_tokens":1,"messages":[{"role":"user"}]}"#, "messages.0.content"),
        (r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":7}]}"#, "messages.0.content"),
        (r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{}]}]}"#, "messages.0.content.0.type"),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}"#,
            "messages.0.content.0.text",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"odd"}}]}]}"#,
            "messages.0.content.0.source.type",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]}]}]}"#,
            "messages.0.content.0.content.0.type",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tools":[{"name":"t","input_schema":true}]}"#,
            "tools.0.input_schema",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"tool_choice":{"type":"some"}}"#,
            "tool_choice.type",
        ),
        (
            r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled"}}"#,
            "thinking.budget_tokens",
        ),
        (r#"{"model":"m","model":"n","max_tokens":1,"messages":[]}"#, "model"),
    ] {
        let error = decode(body.as_bytes()).unwrap_err();
        assert_eq!((error.kind, error.param.as_deref()), (ErrorKind::InvalidRequest, Some(param)), "{body}");
    }
    assert_eq!(decode(b"[]").unwrap_err().param, None);
    assert_eq!(decode(b"{").unwrap_err().kind, ErrorKind::InvalidRequest);
}

#[test]
fn instructions_that_say_nothing_are_none() {
    for system in [json!([]), json!(""), json!([{"type": "text", "text": ""}])] {
        assert_eq!(read(json!({"system": system})).turns[0].role, Role::User, "{system}");
    }
}

#[test]
fn results_of_calls_become_turns_of_their_own() {
    let request = read(json!({"system": [{"type": "text", "text": "be brief"}], "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [
            {"type": "text", "text": "calling"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1, "a": 2}},
            {"type": "tool_use", "id": "b", "name": "g", "input": {}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "1", "is_error": true},
            {"type": "tool_result", "tool_use_id": "b"},
            {"type": "text", "text": "and now?"}]}]}));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let Part::ToolResult(first) = &request.turns[3].parts[0] else { panic!() };
    assert!(first.is_error && first.call_id == "a");
    assert_eq!(request.turns[3].parts.len(), 2);
    assert!(matches!(&request.turns[4].parts[..], [Part::Text(text)] if text == "and now?"));
}

#[test]
fn arguments_and_schemas_keep_their_source_text() {
    let body = br#"{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":[
        {"type":"tool_use","id":"a","name":"f","input":{"z" : 1.50, "a":"\u00e9"}}]}],
        "tools":[{"name":"f","input_schema":{"type":"object","properties":{"z":{},"a":{}}}}]}"#;
    let request = decode(body).unwrap();
    let Part::ToolCall(call) = &request.turns[0].parts[0] else { panic!() };
    assert_eq!(call.arguments, r#"{"z" : 1.50, "a":"\u00e9"}"#);
    let schema = request.tools[0].parameters.as_ref().unwrap();
    assert_eq!(schema.get(), r#"{"type":"object","properties":{"z":{},"a":{}}}"#);
}

#[test]
fn thinking_is_kept_with_its_signature_and_its_origin() {
    let sealed = foreign::seal(Dialect::Gemini, Some("GS"), false, "gemini/g");
    let request = read(json!({"messages": [{"role": "assistant", "content": [
        {"type": "thinking", "thinking": "t", "signature": "Sig+/="},
        {"type": "redacted_thinking", "data": "D=="},
        {"type": "thinking", "thinking": "g", "signature": sealed},
        {"type": "thinking", "thinking": "", "signature": foreign::seal_call("CS", "")},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}}]}]}));
    let own = |text: &str, signature: &str, redacted| ReasoningPart {
        text: text.into(),
        signature: Some(signature.into()),
        redacted,
        origin: Dialect::AnthropicMessages,
    };
    let [Part::Reasoning(first), Part::Reasoning(second), Part::Reasoning(third), Part::ToolCall(call)] =
        &request.turns[0].parts[..]
    else {
        panic!("{:?}", request.turns)
    };
    assert_eq!((first, second), (&own("t", "Sig+/=", false), &own("", "D==", true)));
    assert_eq!((third.origin, third.signature.as_deref()), (Dialect::Gemini, Some("GS")));
    assert_eq!(call.signature.as_deref(), Some("CS"), "Gemini's signature comes back to its call");
    assert_eq!(third.text, "g");
    assert_eq!(request.signed_turns, [SignedTurn { turn: 0, by: "gemini/g".into() }]);
}

#[test]
fn media_keep_their_source() {
    let request = read(json!({"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "transformations": {"oversized_image": "error"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "pln"}, "title": "T"},
        {"type": "document", "source": {"type": "file", "file_id": "f1"}},
        {"type": "document", "source": {"type": "content", "content": "odd"}}]}]}));
    let parts = &request.turns[0].parts;
    assert!(
        matches!(&parts[0], Part::Image(Media { source: MediaSource::Base64 { mime, .. }, .. }) if mime == "image/png")
    );
    assert!(matches!(&parts[1], Part::Image(Media { detail: Some(detail), .. }) if detail == "original"));
    let Part::File(Media { source: MediaSource::Base64 { mime, data }, name, .. }) = &parts[2] else { panic!() };
    assert_eq!((mime.as_str(), data.as_str(), name.as_deref()), ("text/plain", "cGxu", Some("T")));
    assert!(matches!(
        &parts[3],
        Part::File(Media { source: MediaSource::FileId { dialect: Dialect::AnthropicMessages, .. }, .. })
    ));
    assert!(matches!(&parts[4], Part::Native { kind, .. } if kind == "document"));
}

#[test]
fn what_the_hub_has_no_word_for_is_left_with_its_weight() {
    let request = read(json!({
        "cache_control": {"type": "ephemeral"}, "container": "c1", "mcp_servers": [], "service_tier": "auto",
        "speed": "standard", "inference_geo": null, "metadata": {"user_id": "u", "team": "t"}, "invented": 1,
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
            {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}, "citations": {"enabled": true}, "context": "c"}]}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"},
                  {"name": "f", "input_schema": {}, "cache_control": {"type": "ephemeral"}, "allowed_callers": ["direct"], "defer_loading": true}],
    }));
    let mut left = extras(&request);
    left.sort_unstable();
    assert_eq!(
        left,
        [
            ("cache_control", true, false),
            ("container", false, false),
            ("inference_geo", false, true),
            ("invented", false, false),
            ("mcp_servers", false, false),
            ("messages.0.content.1.citations.enabled", false, false),
            ("messages.0.content.1.context", false, false),
            ("metadata.team", true, false),
            ("service_tier", true, true),
            ("speed", false, true),
            ("tools.0", false, false),
            ("tools.1.allowed_callers", false, true),
            ("tools.1.cache_control", true, false),
            ("tools.1.defer_loading", false, false),
        ]
    );
    assert_eq!(request.user.as_deref(), Some("u"));
    assert_eq!(request.tools.len(), 1);
}

#[test]
fn blocks_of_servers_tools_stay_whole() {
    let block = json!({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}});
    let request = read(json!({"messages": [{"role": "assistant", "content": [block]}]}));
    let Part::Native { dialect, kind, raw } = &request.turns[0].parts[0] else { panic!() };
    assert_eq!((*dialect, kind.as_str()), (Dialect::AnthropicMessages, "server_tool_use"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(raw.get()).unwrap(), block);
}

#[test]
fn thinking_and_effort_become_one_wish() {
    for (members, expected) in [
        (json!({"thinking": {"type": "adaptive"}}), Reasoning::Adaptive),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2000}}), Reasoning::Budget(2000)),
        (json!({"thinking": {"type": "disabled"}}), Reasoning::Disabled),
        (json!({"output_config": {"effort": "low"}}), Reasoning::Effort("low".into())),
        (
            json!({"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "max"}}),
            Reasoning::Effort("max".into()),
        ),
    ] {
        assert_eq!(read(members.clone()).reasoning, Some(expected), "{members}");
    }
    let both =
        read(json!({"thinking": {"type": "enabled", "budget_tokens": 2000}, "output_config": {"effort": "high"}}));
    assert_eq!(both.reasoning, Some(Reasoning::Effort("high".into())));
    assert_eq!(extras(&both), [("thinking.budget_tokens", true, false)]);
    let between = read(json!({"thinking": {"type": "between_tools"}}));
    assert_eq!((between.reasoning.is_none(), extras(&between)), (true, vec![("thinking", false, false)]));
    let off = read(json!({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}));
    assert_eq!(extras(&off), [("output_config.effort", true, false)]);
    assert_eq!(off.extras[0].value.get(), r#""low""#);
}

#[test]
fn tool_choice_and_format_have_words_in_the_hub() {
    let request = read(json!({
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true},
        "tools": [{"type": "custom", "name": "f", "description": "d", "strict": true, "input_schema": {"type": "object"}}],
        "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}},
        "stop_sequences": ["a", "b"], "top_k": 5, "temperature": 0.5, "stream": true,
    }));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert_eq!(request.tools[0].strict, Some(true));
    let Some(Format::JsonSchema { schema, strict: Some(true), .. }) = &request.format else { panic!() };
    assert_eq!(schema.get(), r#"{"type":"object"}"#);
    assert_eq!((request.stop.len(), request.top_k, request.temperature, request.stream), (2, Some(5), Some(0.5), true));
    assert!(request.include_usage && request.extras.is_empty());
    let old = read(json!({"output_format": {"type": "json_schema", "schema": {}}}));
    assert!(old.format.is_some() && old.extras.is_empty());
}

#[test]
fn nesting_cannot_exhaust_the_stack() {
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    let body = format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{deep}}}],"x":{deep}}}"#);
    assert!(decode(body.as_bytes()).is_err());
    let open = r#"[{"type":"tool_result","tool_use_id":"a","content":"#.repeat(20_000);
    let results = format!(r#"{open}"x"{}"#, "}]".repeat(20_000));
    let body = format!(r#"{{"model":"m","max_tokens":1,"messages":[{{"role":"user","content":{results}}}]}}"#);
    assert_eq!(decode(body.as_bytes()).unwrap_err().param.as_deref(), Some("messages.0.content.0.content.0.type"));
}
