use super::*;
use crate::dialect::canonical::FinishReason;
use crate::sse::Decoder;

fn observe(stream: &str) -> (Observation, Vec<Result<Seen, StreamFault>>) {
    let mut frames = Decoder::new();
    frames.push(stream.as_bytes()).unwrap();
    let (mut seen, mut marks) = (Observation::default(), Vec::new());
    while let Some(frame) = frames.next_frame() {
        marks.push(observe_event(&frame, &mut seen));
    }
    (seen, marks)
}

fn content(event: &str) -> bool {
    let (_, marks) = observe(&format!("data: {event}\n\n"));
    marks[0].clone().unwrap().content
}

#[test]
fn deltas_and_calls_are_content_and_lifecycle_is_not() {
    let yes = [
        r#"{"type":"response.output_text.delta","delta":"x"}"#,
        r#"{"type":"response.refusal.delta","delta":"x"}"#,
        r#"{"type":"response.reasoning_summary_text.delta","delta":"x"}"#,
        r#"{"type":"response.function_call_arguments.delta","delta":"{"}"#,
        r#"{"type":"response.custom_tool_call_input.delta","delta":"x"}"#,
        r#"{"type":"response.output_item.added","item":{"type":"function_call"}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"web_search_call"}}"#,
        r#"{"type":"response.web_search_call.searching"}"#,
        r#"{"type":"response.completed","response":{"status":"completed","output":[]}}"#,
    ];
    let no = [
        r#"{"type":"response.created","response":{"id":"r"}}"#,
        r#"{"type":"response.in_progress","response":{"id":"r"}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"message"}}"#,
        r#"{"type":"response.output_item.added","item":{"type":"reasoning"}}"#,
        r#"{"type":"response.content_part.added","part":{"type":"output_text","text":""}}"#,
        r#"{"type":"response.output_text.delta","delta":""}"#,
        r#"{"type":"keepalive","sequence_number":3}"#,
        r#"{"type":"response.something_new","x":1}"#,
        r#"{"id":"chatcmpl-1","choices":[{"delta":{"content":"x"}}]}"#,
    ];
    for event in yes {
        assert!(content(event), "{event}");
    }
    for event in no {
        assert!(!content(event), "{event}");
    }
}

#[test]
fn tools_that_the_provider_ran_and_the_capacity_that_answered_are_counted_with_the_tokens() {
    let body = br#"{"status":"completed","service_tier":"flex","usage":{"input_tokens":7,"output_tokens":5},"output":[
        {"type":"web_search_call","action":{"type":"search","queries":["a"]}},
        {"type":"web_search_call","action":{"type":"open_page","url":"https://a.example"}},
        {"type":"web_search_call"},
        {"type":"file_search_call","queries":["b"]},
        {"type":"code_interpreter_call","code":"1"},
        {"type":"message","content":[{"type":"output_text","text":"x"}]}]}"#;
    let usage = observe_response(body).unwrap().billed().unwrap();
    assert_eq!((usage.web_searches, usage.file_searches, usage.code_executions), (Some(2), Some(1), Some(1)));
    assert_eq!(usage.service, ServiceTier::Flex);
}

#[test]
fn usage_end_and_measure_come_from_the_events_that_hold_them() {
    let (seen, marks) = observe(concat!(
        "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"m-1\"}}\n\n",
        "data: {\"type\":\"response.output_text.delta\",\"delta\":\"abc\"}\n\n",
        "data: {\"type\":\"response.incomplete\",\"response\":{\"id\":\"resp_1\",\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"},\"output\":[],\"usage\":{\"input_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":2},\"output_tokens\":5,\"output_tokens_details\":{\"reasoning_tokens\":1},\"total_tokens\":12}}}\n\n",
        "data: [DONE]\n\n",
    ));
    assert_eq!((seen.id.as_deref(), seen.model.as_deref()), (Some("resp_1"), Some("m-1")));
    assert_eq!((seen.finish, seen.raw_finish.as_deref()), (Some(FinishReason::Length), Some("max_output_tokens")));
    assert_eq!((seen.output_bytes, seen.done), (3, true));
    let usage = seen.usage.unwrap();
    assert_eq!(
        (usage.input_tokens, usage.cached_input_tokens, usage.output_tokens, usage.reasoning_tokens),
        (5, Some(2), 4, Some(1))
    );
    assert!(marks[2].clone().unwrap().terminal && !marks[3].clone().unwrap().terminal);
}

#[test]
fn a_call_makes_an_end_wait_for_tools_natively_too() {
    let (seen, _) = observe(concat!(
        "data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"function_call\",\"name\":\"f\"}}\n\n",
        "data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\"}}\n\n",
    ));
    assert_eq!(seen.finish, Some(FinishReason::ToolCalls));
}

#[test]
fn failures_are_the_providers_in_every_place_and_half_an_event_is_malformed() {
    for event in [
        r#"{"type":"error","code":"server_error","message":"m","param":null,"sequence_number":1}"#,
        r#"{"type":"error","error":{"type":"t","code":"server_error","message":"m"}}"#,
        r#"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}}"#,
        r#"{"error":{"code":"server_error","message":"m"}}"#,
    ] {
        let (_, marks) = observe(&format!("data: {event}\n\n"));
        let Err(StreamFault::Provider(report)) = &marks[0] else { panic!("{event}: {marks:?}") };
        assert_eq!((report.code.as_deref(), report.message.as_str()), (Some("server_error"), "m"), "{event}");
    }
    let (_, marks) = observe("data: {\"type\":\"response.outp\n\n");
    assert!(matches!(&marks[0], Err(StreamFault::Malformed(_))));
    let failed = br#"{"id":"r","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow"},"output":[]}"#;
    let Err(StreamFault::Provider(report)) = observe_response(failed) else { panic!() };
    assert_eq!(report.code.as_deref(), Some("rate_limit_exceeded"));
    assert!(matches!(observe_response(b"{\"choices\":[]}"), Err(StreamFault::Malformed(_))));
}
