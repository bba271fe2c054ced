//! Only the cost and our report change.

use serde_json::Value;

use super::*;
use crate::dialect::canonical::Usage;
use crate::sse::Decoder;

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_whole_answers_bytes_stay_around_the_cost() {
    let body = "\n\n{ \"id\":\"c\", \"n\":1.0e3,\"usage\" : {\"prompt_tokens\":5 , \"x\":[1] },\"z\":\"\\u00e9\"}\n";
    assert_eq!(
        text(add_cost(body.as_bytes(), Some("0.00012"), None)),
        "\n\n{ \"id\":\"c\", \"n\":1.0e3,\"usage\" : {\"prompt_tokens\":5 , \"x\":[1],\"cost\":0.00012 },\"z\":\"\\u00e9\"}\n"
    );
    assert_eq!(
        text(add_cost(br#"{"usage":{"cost":1,"a":2}}"#, Some("0.5"), Some(r#"{"b":3}"#))),
        r#"{"usage":{"cost":0.5,"a":2},"signalbox":{"b":3}}"#
    );
}

#[test]
fn what_cannot_be_priced_comes_back_unchanged() {
    for body in [r#"{"a":1}"#, r#"{"usage":null}"#, "[1]", "not json", "", r#"{"usage":{"a":1,"a":2}}"#] {
        assert_eq!(text(add_cost(body.as_bytes(), Some("0.5"), None)), body);
    }
    assert_eq!(text(add_cost(br#"{"usage":{}}"#, Some("1,5"), None)), r#"{"usage":{}}"#);
    assert_eq!(text(add_cost(br#"{"usage":{}}"#, None, None)), r#"{"usage":{}}"#);
}

fn edited(event: &str, cost: Option<&str>, signalbox: Option<&str>) -> String {
    let mut decoder = Decoder::new();
    decoder.push(event.as_bytes()).unwrap();
    let frame = decoder.next_frame().unwrap();
    text(add_cost_to_event(&frame, cost, signalbox))
}

#[test]
fn an_events_framing_stays_around_the_cost() {
    assert_eq!(
        edited(": note\r\nid: 7\r\ndata:{\"choices\":[],\"usage\":{\"a\":1}}\r\n\r\n", Some("0.5"), Some("{}")),
        ": note\r\nid: 7\r\ndata:{\"choices\":[],\"usage\":{\"a\":1,\"cost\":0.5},\"signalbox\":{}}\r\n\r\n"
    );
    for event in ["data: [DONE]\n\n", ": ping\n\n", "data: {\"usage\":null}\n\n"] {
        assert_eq!(edited(event, Some("0.5"), None), event);
    }
    assert_eq!(
        edited("data: {\"usage\":null}\n\n", Some("0.5"), Some("{}")),
        "data: {\"usage\":null,\"signalbox\":{}}\n\n"
    );
}

#[test]
fn data_on_several_lines_becomes_one_line_with_the_same_meaning() {
    let event = edited("id: 7\ndata: {\"choices\":[],\ndata: \"usage\":{\"a\":1}}\nretry: 5\n\n", Some("0.5"), None);
    assert_eq!(event, "id: 7\ndata: {\"choices\":[], \"usage\":{\"a\":1,\"cost\":0.5}}\nretry: 5\n\n");
}

#[test]
fn the_usage_chunk_that_a_provider_left_out_is_made() {
    let seen = Observation {
        id: Some("c1".into()),
        usage: Some(Usage { input_tokens: 5, output_tokens: 2, ..Usage::default() }),
        ..Observation::default()
    };
    let context = ReplyContext { model: "m".into(), now_secs: 9, request_id: "r".into(), ..ReplyContext::default() };
    let tail = Tail { cost_usd: Some("0.1".into()), signalbox: Some(r#"{"a":1}"#.into()), ..Tail::default() };
    let event = text(usage_tail_event(&seen, &context, &tail));
    let body: Value = serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(body["choices"], serde_json::json!([]));
    assert_eq!((&body["id"], &body["model"], &body["created"]), (&"c1".into(), &"m".into(), &9.into()));
    assert_eq!(
        (&body["usage"]["prompt_tokens"], &body["usage"]["total_tokens"], &body["usage"]["cost"]),
        (&5.into(), &7.into(), &0.1.into())
    );
    assert_eq!(body["signalbox"]["a"], 1);
    assert!(event.ends_with("}\n\n"));
    assert!(usage_tail_event(&Observation::default(), &context, &Tail::default()).is_empty(), "unknown is never 0");
}

#[test]
fn usage_is_asked_for_once_and_beside_other_options() {
    let edit = |body: &str| {
        let members = Members::read(body.as_bytes()).unwrap();
        ask_for_usage(&members).map(|edit| text(members.edit(&[edit])))
    };
    assert_eq!(edit(r#"{"stream":true}"#).unwrap(), r#"{"stream":true,"stream_options":{"include_usage":true}}"#);
    assert_eq!(
        edit(r#"{"stream_options":{"include_obfuscation":false}}"#).unwrap(),
        r#"{"stream_options":{"include_obfuscation":false,"include_usage":true}}"#
    );
    assert_eq!(
        edit(r#"{"stream_options":{"include_usage":false}}"#).unwrap(),
        r#"{"stream_options":{"include_usage":true}}"#
    );
    assert_eq!(edit(r#"{"stream_options":{"include_usage":true}}"#), None);
}

#[test]
fn openrouters_word_for_effort_becomes_openais_where_only_that_is_known() {
    let sent = |body: &str, provider: &str| {
        let members = Members::read(body.as_bytes()).unwrap();
        effort_in_own_words(&members, provider).map(|edits| text(members.edit(&edits)))
    };
    let asked = r#"{"model":"m","reasoning":{"effort":"low"}}"#;
    assert_eq!(sent(asked, "openai").unwrap(), r#"{"model":"m","reasoning_effort":"low"}"#);
    assert_eq!(sent(asked, "openrouter"), None);
    for other in [
        r#"{"reasoning":{"max_tokens":9}}"#,
        r#"{"reasoning":1}"#,
        r#"{"reasoning":{"effort":"low"},"reasoning_effort":"high"}"#,
    ] {
        assert_eq!(sent(other, "openai"), None);
    }
}
