//! What each kind of event counts as.

use super::*;
use crate::dialect::canonical::FinishReason;
use crate::sse::Decoder;

/// Feeds events and gives the last one's mark.
fn observe(events: &[&str]) -> (Observation, Vec<Result<Seen, StreamFault>>) {
    let mut decoder = Decoder::new();
    let text: String = events.iter().map(|event| format!("{event}\n\n")).collect();
    decoder.push(text.as_bytes()).unwrap();
    let (mut seen, mut marks) = (Observation::default(), Vec::new());
    while let Some(frame) = decoder.next_frame() {
        marks.push(observe_event(&frame, &mut seen).map(|(mark, _)| mark));
    }
    (seen, marks)
}

fn mark(event: &str) -> Seen {
    observe(&[event]).1.remove(0).unwrap()
}

fn delta(members: &str) -> String {
    format!(r#"data: {{"id":"c","model":"m","choices":[{{"index":0,"delta":{{{members}}},"finish_reason":null}}]}}"#)
}

#[test]
fn only_what_a_reader_would_miss_is_content() {
    for members in [
        r#""content":"x""#,
        r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"x"}]}]"#,
        r#""reasoning_content":"x""#,
        r#""reasoning":"x""#,
        r#""reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]"#,
        r#""refusal":"x""#,
        r#""tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":""}}]"#,
        r#""function_call":{"name":"f"}"#,
        r#""audio":{"id":"a"}"#,
        r#""images":[{"type":"image_url"}]"#,
    ] {
        assert!(mark(&delta(members)).content, "{members}");
    }
    for members in [
        r#""role":"assistant""#,
        r#""role":"assistant","content":"""#,
        r#""content":null,"reasoning_content":"","refusal":"","tool_calls":null"#,
        r#""content":[],"tool_calls":[],"reasoning_details":[]"#,
    ] {
        assert_eq!(mark(&delta(members)), Seen::default(), "{members}");
    }
    assert!(mark(r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#).content);
}

#[test]
fn the_capacity_that_answers_is_known_before_the_counts() {
    let body = br#"{"choices":[{"message":{"content":"x"}}],"service_tier":"priority","usage":{"prompt_tokens":7,"completion_tokens":3}}"#;
    assert_eq!(observe_response(body).unwrap().billed().unwrap().service, ServiceTier::Priority);
    let mut seen = Observation { service: ServiceTier::Flex, ..Observation::default() };
    seen.usage = Some(Usage { input_tokens: 7, ..Usage::default() });
    assert_eq!(seen.billed().unwrap().service, ServiceTier::Flex);
}

#[test]
fn usage_is_seen_wherever_it_stands_and_hidden_only_where_it_stands_alone() {
    let usage = r#""usage":{"prompt_tokens":7,"completion_tokens":3}"#;
    let alone = mark(&format!(r#"data: {{"choices":[],{usage}}}"#));
    assert_eq!(alone, Seen { usage: true, usage_only: true, ..Seen::default() });
    let with_content = mark(&format!(
        r#"data: {{"choices":[{{"index":0,"delta":{{"content":"x"}},"finish_reason":"stop"}}],{usage}}}"#
    ));
    assert_eq!(with_content, Seen { usage: true, content: true, ..Seen::default() });
    let groq = mark(&format!(
        r#"data: {{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}],"x_groq":{{{usage}}}}}"#
    ));
    assert!(groq.usage && groq.content && !groq.usage_only);
    let moonshot = mark(&format!(r#"data: {{"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop",{usage}}}]}}"#));
    assert!(moonshot.usage && !moonshot.usage_only);
    assert_eq!(mark(r#"data: {"choices":[],"usage":null}"#), Seen::default());
    let moderated = mark(&format!(r#"data: {{"choices":[],"moderation":{{"input":{{}}}},{usage}}}"#));
    assert!(moderated.usage && !moderated.usage_only, "a verdict is not hidden with the counts");
}

#[test]
fn azures_first_chunk_and_filter_chunks_are_neither_content_nor_usage() {
    assert_eq!(
        mark(r#"data: {"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0}]}"#),
        Seen::default()
    );
    let late =
        r#"data: {"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{"check_offset":1}}],"id":""}"#;
    assert_eq!(mark(late), Seen::default());
    let (seen, _) = observe(&[
        r#"data: {"choices":[],"id":"","model":"","prompt_filter_results":[{}]}"#,
        &delta(r#""content":"x""#),
    ]);
    assert_eq!((seen.id.as_deref(), seen.model.as_deref()), (Some("c"), Some("m")));
}

#[test]
fn an_observation_gathers_the_answer() {
    let (seen, marks) = observe(&[
        ": comment",
        &delta(r#""role":"assistant","content":"""#),
        &delta(r#""reasoning_content":"abc","reasoning":"abc""#),
        &delta(r#""content":"defgh""#),
        &delta(r#""tool_calls":[{"index":0,"function":{"name":"f","arguments":"{}"}}]"#),
        r#"data: {"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}"#,
        "data: [DONE]",
    ]);
    assert_eq!(seen.output_bytes, 10);
    assert_eq!((seen.finish, seen.raw_finish.as_deref()), (Some(FinishReason::ToolCalls), Some("tool_calls")));
    assert_eq!(seen.usage.unwrap().prompt_tokens(), 7);
    assert!(seen.done && marks.last().unwrap().as_ref().unwrap().terminal);
    assert_eq!(marks.first().unwrap().as_ref().unwrap(), &Seen::default());
}

#[test]
fn an_error_in_the_stream_is_the_providers_and_keeps_its_usage() {
    let (seen, marks) = observe(&[
        r#"data: {"error":{"code":400,"message":"too long"},"choices":[{"index":0,"delta":{"content":""}}],"usage":{"prompt_tokens":43,"completion_tokens":10}}"#,
    ]);
    let Err(StreamFault::Provider(report)) = &marks[0] else { panic!("{marks:?}") };
    assert_eq!((report.message.as_str(), report.code.as_deref()), ("too long", Some("400")));
    assert_eq!(seen.usage.unwrap().completion_tokens(), 10);
    for event in [
        r#"data: {"error":"boom"}"#,
        r#"data: {"choices":[{"index":0,"delta":{}}],"x_groq":{"id":"r","error":"boom"}}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":502,"message":"boom"}}]}"#,
        r#"data: {"object":"error","message":"boom","type":"x","code":1}"#,
        r#"data: {"message":"boom","code":"Throttling"}"#,
        r#"data: [{"error":{"message":"boom"}}]"#,
        "event: error\ndata: {\"error\":{\"message\":\"boom\"}}",
        "event: error\ndata: {\"reason\":\"boom\"}",
        "event: error\ndata: {\"message\":\"boom\"}",
        r#"{"error":{"message":"boom"}}"#,
    ] {
        assert!(matches!(observe(&[event]).1[0], Err(StreamFault::Provider(_))), "{event}");
    }
    for event in [
        r#"data: {"choices":[],"error":null}"#,
        r#"data: {"choices":[],"error":{}}"#,
        r#"data: {"choices":[],"error":""}"#,
        r#"data: {"choices":[{"index":0,"delta":{},"error":null}]}"#,
    ] {
        assert_eq!(mark(event), Seen::default(), "{event}");
    }
}

#[test]
fn a_malformed_event_is_named_without_quoting_it() {
    for event in
        ["data: {\"choices\":[{\"delta\":{\"content\":\"SECRET", "data: SECRET", "data: {\"choices\":\"SECRET\"}"]
    {
        match observe(&[event]).1.remove(0) {
            Err(StreamFault::Malformed(why)) => assert!(!why.contains("SECRET"), "{why}"),
            other => panic!("{event}: {other:?}"),
        }
    }
    assert_eq!(mark("data: "), Seen::default());
}

#[test]
fn a_whole_answer_is_observed_like_a_stream() {
    let body = br#"

    {"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop","message":{"content":null,"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}}]}}],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#;
    let seen = observe_response(body).unwrap();
    assert_eq!(seen.finish, Some(FinishReason::ToolCalls), "calls decide over the word");
    assert_eq!(seen.raw_finish.as_deref(), Some("stop"));
    assert_eq!(seen.usage.unwrap().completion_tokens(), 2);
    assert!(seen.done && seen.output_bytes > 6);
    assert!(matches!(observe_response(br#"{"error":{"message":"x"}}"#), Err(StreamFault::Provider(_))));
    assert!(matches!(observe_response(b"<html>"), Err(StreamFault::Malformed(_))));
    assert!(matches!(observe_response(b"{}"), Err(StreamFault::Malformed(_))));
    assert!(matches!(observe_response(br#"{"choices":[]}"#), Err(StreamFault::Malformed(_))), "it answers nothing");
    let failed =
        br#"{"choices":[{"message":{"content":""},"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#;
    let Err(StreamFault::Provider(report)) = observe_response(failed) else { panic!("a failed choice is a failure") };
    assert_eq!(report.code.as_deref(), Some("429"));
    assert!(matches!(observe_response(b""), Err(StreamFault::Malformed(_))));
}
