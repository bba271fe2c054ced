//! Fragments find their calls, and ends are honest.

use super::feed;
use crate::dialect::canonical::{Finish, FinishReason, StreamEvent};
use crate::dialect::openai_chat::stream::Decoder;
use crate::dialect::StreamFault;

fn decode(chunks: &[&str]) -> (Vec<StreamEvent>, Decoder) {
    let mut decoder = Decoder::default();
    let text: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let (events, faults) = feed(&mut decoder, text.as_bytes());
    assert_eq!(faults, [], "{chunks:?}");
    (events, decoder)
}

fn delta(members: &str) -> String {
    format!(
        r#"{{"id":"c1","created":5,"model":"m","choices":[{{"index":0,"delta":{{{members}}},"finish_reason":null}}]}}"#
    )
}

fn calls(fragments: &[&str]) -> String {
    let mut chunks: Vec<String> = fragments.iter().map(|f| delta(&format!(r#""tool_calls":[{f}]"#))).collect();
    chunks.push(r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#.into());
    let (events, decoder) = decode(&chunks.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(decoder.complete());
    let mut calls: Vec<(String, String, bool)> = Vec::new();
    for event in events {
        match event {
            StreamEvent::ToolCallStart { index, name, .. } => {
                assert_eq!(index as usize, calls.len());
                calls.push((name, String::new(), false));
            }
            StreamEvent::ToolCallDelta { index, arguments, .. } => calls[index as usize].1.push_str(&arguments),
            StreamEvent::ToolCallEnd { index, .. } => calls[index as usize].2 = true,
            _ => {}
        }
    }
    assert!(calls.iter().all(|(_, _, ended)| *ended));
    calls.into_iter().map(|(name, arguments, _)| format!("{name}{arguments} ")).collect()
}

#[test]
fn fragments_find_their_call_whatever_the_server_keys_them_by() {
    for (what, fragments, expected) in [
        (
            "interleaved by index",
            &[
                r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}"#,
                r#"{"index":1,"function":{"arguments":"{\"y\""}}"#,
                r#"{"index":0,"function":{"arguments":"{\"x\":1}"}}"#,
                r#"{"index":1,"function":{"arguments":":2}"}}"#,
            ][..],
            r#"f{"x":1} g{"y":2} "#,
        ),
        (
            "indexes that start anywhere",
            &[
                r#"{"index":7,"id":"a","function":{"name":"f","arguments":"{}"}}"#,
                r#"{"index":3,"id":"b","function":{"name":"g","arguments":"{\"y\":2}"}}"#,
                r#"{"index":7,"function":{"arguments":" "}}"#,
            ],
            r#"f{}  g{"y":2} "#,
        ),
        (
            "every call at index 0 with its id",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}"#,
                r#"{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\":2}"}}"#,
            ],
            r#"f{"x":1} f{"x":2} "#,
        ),
        (
            "every call at index 0 without an id",
            &[
                r#"{"index":0,"id":"","function":{"name":"f","arguments":"{\"x\":1}"}}"#,
                r#"{"index":0,"id":"null","function":{"name":"f","arguments":"{\"x\":2}"}}"#,
            ],
            r#"f{"x":1} f{"x":2} "#,
        ),
        (
            "no index, no id, whole calls",
            &[r#"{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{}}}"#],
            r#"f{"x":1} g{} "#,
        ),
        (
            "the name and the id repeated on every fragment",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}"#,
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":":\"}\""}}"#,
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}"#,
            ],
            r#"f{"x":"}"} "#,
        ),
        (
            "an empty name and an empty id on later fragments",
            &[
                r#"{"index":0,"id":"a","function":{"name":"f","arguments":""}}"#,
                r#"{"index":0,"id":"","function":{"name":"","arguments":"{\"x\":1"}}"#,
                r#"{"index":0,"id":"","function":{"arguments":"}"}}"#,
                r#"{"index":0,"id":"","function":{"arguments":null}}"#,
            ],
            r#"f{"x":1} "#,
        ),
        (
            "the name after the first arguments",
            &[
                r#"{"index":0,"id":"a","function":{"arguments":"{\"x\""}}"#,
                r#"{"index":0,"function":{"name":"f","arguments":":1}"}}"#,
            ],
            r#"f{"x":1} "#,
        ),
        ("no arguments at all", &[r#"{"index":0,"id":"a","function":{"name":"f"}}"#], "f{} "),
    ] {
        assert_eq!(calls(fragments), expected, "{what}");
    }
}

#[test]
fn minted_ids_differ_between_calls_and_answers() {
    let ids = |id: &str| -> Vec<String> {
        let chunk = format!(
            r#"{{"id":"{id}","choices":[{{"index":0,"delta":{{"tool_calls":[{{"index":0,"function":{{"name":"f","arguments":"{{}}"}}}},{{"index":1,"function":{{"name":"f","arguments":"{{}}"}}}}]}},"finish_reason":"stop"}}]}}"#
        );
        let (events, _) = decode(&[&chunk]);
        events
            .into_iter()
            .filter_map(|e| match e {
                StreamEvent::ToolCallStart { id, .. } => Some(id),
                _ => None,
            })
            .collect()
    };
    let (first, second) = (ids("c1"), ids("c2"));
    assert_eq!(first, ids("c1"), "the same bytes give the same ids");
    assert!(first[0] != first[1] && first[0] != second[0]);
}

#[test]
fn stop_with_calls_is_tool_calls_and_a_repeated_finish_is_one() {
    let (events, _) = decode(&[
        &delta(r#""tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#),
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
    ]);
    let finishes: Vec<&Finish> = events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::Finish { finish, .. } => Some(finish),
            _ => None,
        })
        .collect();
    assert_eq!(finishes, [&Finish { reason: FinishReason::ToolCalls, raw: "stop".into(), stop_sequence: None }]);
    assert!(matches!(events.last(), Some(StreamEvent::Usage(_))));
}

#[test]
fn complete_means_done_or_every_choice_finished() {
    let finish = |choice: u32| format!(r#"{{"choices":[{{"index":{choice},"delta":{{}},"finish_reason":"stop"}}]}}"#);
    let text = |choice: u32| format!(r#"{{"choices":[{{"index":{choice},"delta":{{"content":"x"}}}}]}}"#);
    assert!(!decode(&[]).1.complete());
    assert!(!decode(&[&text(0)]).1.complete());
    assert!(!decode(&[&text(0), &text(1), &finish(0)]).1.complete());
    assert!(decode(&[&text(0), &text(1), &finish(0), &finish(1)]).1.complete());
    assert!(decode(&[&text(0), "[DONE]"]).1.complete());
    assert!(!decode(&[r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#]).1.complete());
}

#[test]
fn azures_prelude_starts_nothing_and_is_kept() {
    let (events, _) = decode(&[
        r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#,
        &delta(r#""role":"assistant","content":"""#),
        &delta(r#""content":"x""#),
        r#"{"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{"a":1},"content_filter_results":{"b":2}}],"id":""}"#,
    ]);
    let shown: Vec<String> = events
        .iter()
        .map(|event| match event {
            StreamEvent::Start { id, .. } => format!("start {id:?}"),
            StreamEvent::TextDelta { text, .. } => format!("text {text}"),
            StreamEvent::Extra(extra) => format!("extra {}", extra.field),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "extra prompt_filter_results",
            "start Some(\"c1\")",
            "text x",
            "extra choices[0].content_filter_offsets",
            "extra choices[0].content_filter_results"
        ]
    );
}

#[test]
fn reasoning_ends_where_something_else_begins_and_signatures_end_it_too() {
    let (events, _) = decode(&[
        &delta(r#""reasoning_content":"a""#),
        &delta(r#""content":"x""#),
        &delta(r#""reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b"}]"#),
        &delta(
            r#""reasoning_details":[{"type":"reasoning.text","text":"","signature":"s"},{"type":"reasoning.encrypted","data":"d","format":"anthropic-claude-v1"}]"#,
        ),
        &delta(r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"c"}]}]"#),
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    ]);
    let shown: Vec<String> = events
        .iter()
        .filter_map(|event| match event {
            StreamEvent::ReasoningDelta { text, .. } => Some(format!("+{text}")),
            StreamEvent::ReasoningEnd { signature, redacted, .. } => Some(format!("end {signature:?} {redacted}")),
            StreamEvent::TextDelta { text, .. } => Some(format!("text {text}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        shown,
        [
            "+a",
            "end None false",
            "text x",
            "+b",
            "end Some(\"s\") false",
            "end Some(\"d\") true",
            "+c",
            "end None false"
        ]
    );
}

#[test]
fn a_malformed_event_changes_nothing_and_the_stream_goes_on() {
    let mut decoder = Decoder::default();
    let good = delta(r#""content":"x""#);
    let bad = r#"{"choices":[{"index":0,"delta":{"content":"lost"},"finish_reason":"stop"},{"index":1,"delta":{"content":7}}]}"#;
    let (events, faults) =
        feed(&mut decoder, format!("data: {good}\n\ndata: {bad}\n\ndata: {{\n\ndata: {good}\n\n").as_bytes());
    assert_eq!(faults.len(), 2);
    assert!(faults.iter().all(|fault| matches!(fault, StreamFault::Malformed(_))));
    let texts: String = events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::TextDelta { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(texts, "xx");
    assert!(!decoder.complete());
}

#[test]
fn an_error_event_is_the_end_and_its_usage_counts() {
    let mut decoder = Decoder::default();
    let (events, faults) = feed(
        &mut decoder,
        br#"data: {"error":{"message":"m"},"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}

"#,
    );
    assert!(matches!(&faults[..], [StreamFault::Provider(report)] if report.message == "m"));
    assert!(matches!(&events[..], [StreamEvent::Usage(_)]));
}

#[test]
fn workers_ais_own_stream_ends_with_a_reason_although_it_gives_none() {
    let mut decoder = Decoder::default();
    let bytes = concat!(
        "data: {\"response\":\"Hel\",\"p\":\"abc\"}\n\n",
        "data: {\"response\":\"lo\",\"p\":\"ab\"}\n\n",
        "data: {\"response\":\"\",\"tool_calls\":[{\"name\":\"f\",\"arguments\":{\"a\":1}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n",
        "data: [DONE]\n\n",
    );
    let (events, faults) = feed(&mut decoder, bytes.as_bytes());
    assert!(faults.is_empty() && decoder.complete(), "{faults:?}");
    let text: String = events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::TextDelta { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(text, "Hello");
    let arguments: String = events
        .iter()
        .filter_map(|e| match e {
            StreamEvent::ToolCallDelta { arguments, .. } => Some(arguments.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(arguments, "{\"a\":1}");
    assert!(
        matches!(events.last(), Some(StreamEvent::Finish { finish, .. }) if finish.raw == "tool_calls"),
        "{events:?}"
    );
    assert!(
        !events.iter().any(|event| matches!(event, StreamEvent::Extra(_))),
        "padding is nothing to report: {events:?}"
    );
}
