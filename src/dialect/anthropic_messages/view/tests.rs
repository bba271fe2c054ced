use super::{observe_event, observe_response, view, view_count_tokens};
use crate::dialect::canonical::FinishReason;
use crate::dialect::view::{estimate_tokens, Needs};
use crate::dialect::{Observation, Seen, StreamFault};
use crate::sse;

fn body(messages: &str, more: &str) -> String {
    format!(r#"{{"model":"claude-x","max_tokens":0,"messages":{messages}{more}}}"#)
}

#[test]
fn the_facts_of_a_request_are_read() {
    let messages = r#"[{"role":"system","content":"s"},{"role":"user","content":"first"},
        {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"x":1}}]},
        {"role":"user","content":[{"type":"text","text":"look \"here\""},{"type":"text","text":"and there"},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"document","source":{"type":"url","url":"u"}}]}]}]"#;
    let more = r#","stream":true,"tools":[{"name":"f","input_schema":{}}],"tool_choice":{"type":"any"},"temperature":0.2,
        "output_config":{"effort":"high","format":{"type":"json_schema","schema":{}}}"#;
    let body = body(messages, more);
    let view = view(body.as_bytes()).unwrap();
    assert_eq!((view.model.as_ref(), view.stream, view.include_usage), ("claude-x", true, true));
    assert_eq!((view.max_output_tokens, view.effort.as_deref(), view.turns), (Some(0), Some("high"), 4));
    assert_eq!(view.sample, "look \"here\"\nand there", "the last user turn that says something");
    let expected = Needs {
        tools: true,
        custom_tools: false,
        forced_tools: true,
        vision: true,
        audio: false,
        files: true,
        json_object: false,
        json_schema: true,
        reasoning: true,
        tool_results: true,
        sampling: true,
    };
    assert_eq!(view.needs, expected);
    assert!(view.members.raw("tools").is_some());
}

#[test]
fn needs_are_only_what_is_asked_for() {
    let plain = r#"[{"role":"user","content":"x"}]"#;
    for more in [
        "",
        r#","temperature":1.0,"top_p":1,"tools":[],"tool_choice":{"type":"auto"},"thinking":{"type":"disabled"}"#,
        r#","temperature":null,"output_config":{"format":null},"thinking":{"type":"disabled"}"#,
        r#","thinking":{"type":"disabled"},"output_config":{"effort":"low"},"unknown":{"a":1}"#,
    ] {
        let body = body(plain, more);
        assert_eq!(view(body.as_bytes()).unwrap().needs, Needs::default(), "{more}");
    }
    let thinking = body(plain, r#","thinking":{"type":"adaptive"}"#);
    assert!(view(thinking.as_bytes()).unwrap().needs.reasoning);
}

#[test]
fn a_mistake_is_named_by_its_place() {
    let plain = r#"[{"role":"user","content":"x"}]"#;
    for (messages, more, param) in [
        ("[]", "", "messages"),
        ("{}", "", "messages"),
        (r#"[{"role":"user","content":"x"},{"role":"robot","content":"x"}]"#, "", "messages.1.role"),
        (r#"[{"role":"user"}]"#, "", "messages.0.content"),
        (r#"[{"role":"user","content":[{"text":"x"}]}]"#, "", "messages.0.content.0.type"),
        (r#"[{"role":"user","content":[{"type":"text"}]}]"#, "", "messages.0.content.0.text"),
        (r#"[{"role":"user","content":[{"type":"text","text":3}]}]"#, "", "messages.0.content.0.text"),
        (plain, r#","system":7"#, "system"),
        (plain, r#","tools":{}"#, "tools"),
        (plain, r#","temperature":"hot""#, "temperature"),
        (plain, r#","stream":"yes""#, "stream"),
        (plain, r#","stop_sequences":"x""#, "stop_sequences"),
        (plain, r#","thinking":true"#, "thinking"),
        (plain, r#","metadata":{"user_id":7}"#, "metadata"),
        (plain, r#","stream":true,"stream":true"#, "stream"),
    ] {
        let body = body(messages, more);
        let error = view(body.as_bytes()).unwrap_err();
        assert_eq!((error.status(), error.param.as_deref()), (400, Some(param)), "{body}");
    }
    for (text, param) in [
        (r#"{"max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#, Some("model")),
        (r#"{"model":"","max_tokens":1,"messages":[{"role":"user","content":"x"}]}"#, Some("model")),
        (r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, Some("max_tokens")),
        (r#"{"model":"m","max_tokens":1.5,"messages":[{"role":"user","content":"x"}]}"#, Some("max_tokens")),
        (r#"{"model":"m","max_tokens":1}"#, Some("messages")),
        ("[1]", None),
        ("{", None),
    ] {
        assert_eq!(view(text.as_bytes()).unwrap_err().param.as_deref(), param, "{text}");
    }
}

#[test]
fn counting_tokens_needs_no_bound() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#;
    assert!(view(body).is_err());
    assert_eq!(view_count_tokens(body).unwrap().max_output_tokens, None);
    let wrong = br#"{"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]}"#;
    assert_eq!(view_count_tokens(wrong).unwrap_err().param.as_deref(), Some("messages.0.content.0.text"));
}

#[test]
fn tokens_are_estimated_from_texts_and_not_from_media() {
    let text = "The signal stands at clear. ".repeat(40);
    let tokens = |content: &str| {
        let body = body(&format!(r#"[{{"role":"user","content":{content}}}]"#), "");
        view(body.as_bytes()).unwrap().estimated_input_tokens
    };
    let expected = estimate_tokens(text.as_bytes());
    let near = |found: u64, expected: u64| {
        assert!(found.abs_diff(expected) <= expected / 50 + 2, "{found} is not near {expected}");
    };
    near(tokens(&format!("\"{text}\"")), expected);
    let image = format!(
        r#"[{{"type":"text","text":"{text}"}},{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{}"}}}}]"#,
        "A".repeat(100_000)
    );
    near(tokens(&image), expected);
    let result =
        format!(r#"[{{"type":"tool_result","tool_use_id":"a","content":[{{"type":"text","text":"{text}"}}]}}]"#);
    near(tokens(&result), expected);
    let lines = "line\n\"x\"\t".repeat(300);
    near(tokens(&serde_json::to_string(&lines).unwrap()), estimate_tokens(lines.as_bytes()));
    let wide = "信号".repeat(300);
    let escaped: String = wide.chars().map(|c| format!("\\u{:04x}", c as u32)).collect();
    near(tokens(&format!("\"{escaped}\"")), estimate_tokens(wide.as_bytes()));
}

#[test]
fn a_long_last_turn_is_sampled_at_both_ends() {
    let text = format!("begin{}end", "x".repeat(100_000));
    let body = body(&format!(r#"[{{"role":"user","content":"{text}"}}]"#), "");
    let view = view(body.as_bytes()).unwrap();
    assert!(view.sample.starts_with("begin") && view.sample.ends_with("end"));
    assert!(view.sample.len() < 17_000);
    let words = r#"\u4fe1 \"a\"\n"#.repeat(20_000);
    let text = format!("begin {words}end");
    let body = self::body(&format!(r#"[{{"role":"user","content":"{text}"}}]"#), "");
    let view = super::view(body.as_bytes()).unwrap();
    assert!(view.sample.starts_with("begin 信 \"a\"\n") && view.sample.ends_with("\"a\"\nend"), "{}", view.sample);
    assert!(view.sample.len() < 17_000);
}

#[test]
fn nesting_cannot_exhaust_the_stack() {
    let open = r#"[{"type":"tool_result","tool_use_id":"a","content":"#.repeat(20_000);
    let results = format!(r#"{open}"x"{}"#, "}]".repeat(20_000));
    let body = body(&format!(r#"[{{"role":"user","content":{results}}}]"#), "");
    assert!(view(body.as_bytes()).is_err());
}

fn watch(stream: &str) -> (Vec<Result<Seen, StreamFault>>, Observation) {
    let mut frames = sse::Decoder::new();
    frames.push(stream.as_bytes()).unwrap();
    let (mut each, mut seen) = (Vec::new(), Observation::default());
    while let Some(frame) = frames.next_frame() {
        each.push(observe_event(&frame, &mut seen).map(|(mark, _)| mark));
    }
    (each, seen)
}

#[test]
fn each_event_is_seen_for_what_it_is() {
    let content = Seen { content: true, ..Seen::default() };
    let usage = Seen { usage: true, ..Seen::default() };
    for (data, expected) in [
        (r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3,"output_tokens":1}}}"#, usage),
        (r#"{"type":"ping"}"#, Seen::default()),
        (r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#, Seen::default()),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            Seen::default(),
        ),
        (r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"a"}}"#, content),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            content,
        ),
        (
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"d"}}"#,
            content,
        ),
        (r#"{"type":"content_block_start","index":0,"content_block":{"type":"web_search_tool_result"}}"#, content),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#, content),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}"#, content),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"t"}}"#, content),
        (r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}"#, content),
        (r#"{"type":"content_block_stop","index":0}"#, Seen::default()),
        (
            r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
            Seen { content: true, usage: true, ..Seen::default() },
        ),
        (r#"{"type":"message_stop"}"#, Seen { terminal: true, ..Seen::default() }),
        (r#"{"type":"invented","delta":7}"#, Seen::default()),
    ] {
        let (each, _) = watch(&format!("data: {data}\n\n"));
        assert_eq!(each, [Ok(expected)], "{data}");
    }
    let (each, _) = watch(": ping\n\ndata: [DONE]\n\n");
    assert_eq!(each, [Ok(Seen::default()), Ok(Seen::default())]);
}

#[test]
fn usage_is_replaced_and_never_added() {
    let (_, seen) = watch(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"claude-x\",\"usage\":{\"input_tokens\":27,\"output_tokens\":1}}}\n\n\
         data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\\u00e9\"}}\n\n\
         data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"max_tokens\",\"stop_sequence\":null},\"usage\":{\"input_tokens\":27,\"output_tokens\":54}}\n\n",
    );
    let usage = seen.usage.unwrap();
    assert_eq!((usage.prompt_tokens(), usage.completion_tokens()), (27, 54));
    assert_eq!((seen.id.as_deref(), seen.model.as_deref()), (Some("msg_1"), Some("claude-x")));
    assert_eq!((seen.finish, seen.raw_finish.as_deref()), (Some(FinishReason::Length), Some("max_tokens")));
    assert_eq!((seen.output_bytes, seen.done), (3, false), "without message_stop it is cut");
}

#[test]
fn faults_leave_the_observation_as_it_was() {
    let (each, seen) = watch(
        "data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":7}}\n\ndata: {half\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n",
    );
    assert!(matches!(&each[..2], [Err(StreamFault::Malformed(_)), Err(StreamFault::Malformed(_))]));
    assert!(matches!(&each[2], Err(StreamFault::Provider(error)) if error.message == "m"));
    assert_eq!(seen, Observation::default());
}

#[test]
fn a_whole_answer_is_watched_too() {
    let seen = observe_response(
        br#"{"id":"msg_1","model":"m","content":[{"type":"text","text":"abc"},{"type":"odd","text":5},{"type":"tool_use","id":"t","name":"f","input":{}}],"stop_reason":"stop_sequence","stop_sequence":"X","usage":{"input_tokens":2,"output_tokens":3}}"#,
    )
    .unwrap();
    assert_eq!((seen.finish, seen.output_bytes, seen.done), (Some(FinishReason::Stop), 5, true));
    assert_eq!(seen.usage.unwrap().prompt_tokens(), 2);
    assert!(matches!(
        observe_response(br#"{"type":"error","error":{"type":"api_error","message":"m"}}"#),
        Err(StreamFault::Provider(_))
    ));
    assert!(matches!(observe_response(b"<html>"), Err(StreamFault::Malformed(_))));
}
