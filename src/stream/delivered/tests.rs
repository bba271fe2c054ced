use super::*;

fn chunk(content: &str) -> String {
    let content = serde_json::to_string(content).unwrap();
    format!("data: {{\"id\":\"c\",\"created\":7,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{content}}}}}]}}\n\n")
}

fn chat(events: &[String]) -> Delivered {
    let mut delivered = Delivered::native(Dialect::OpenAiChat, MOST_TEXT_BYTES);
    for event in events {
        delivered.passed(event.as_bytes(), None);
    }
    delivered
}

#[test]
fn a_native_text_is_known_however_long_it_is() {
    for count in [1, 10, 1_000] {
        let events: Vec<String> = (0..count).map(|at| chunk(&format!("wörd{at} "))).collect();
        let expected: String = (0..count).map(|at| format!("wörd{at} ")).collect();
        assert_eq!(chat(&events).text(), Some(expected.as_str()));
    }
    let endless: Vec<String> = (0..300).map(|_| chunk(&"x".repeat(1_000))).collect();
    assert_eq!(chat(&endless).text(), None, "what is kept is bounded");
}

#[test]
fn only_plain_text_of_one_choice_can_be_gone_on_with() {
    let of = |choice: &str| format!("data: {{\"id\":\"c\",\"choices\":[{choice}]}}\n\n");
    for other in [
        of(r#"{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}}"#),
        of(r#"{"index":0,"delta":{"reasoning_content":"hm"}}"#),
        of(r#"{"index":0,"delta":{"refusal":"no"}}"#),
        of(r#"{"index":1,"delta":{"content":"two"}}"#),
        of(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#),
        of(r#"{"index":0,"delta":{"content":"x"},"logprobs":{"content":[{"token":"x","logprob":-0.1}]}}"#),
        of(r#"{"index":0,"delta":{"annotations":[{"type":"url_citation"}]}}"#),
    ] {
        assert_eq!(chat(&[chunk("a"), other.clone()]).text(), None, "{other}");
    }
    assert_eq!(chat(&[]).text(), None, "nothing went out");
    let filtered = of(r#"{"index":0,"delta":{},"content_filter_results":{"hate":{"filtered":false}}}"#);
    assert_eq!(chat(&[chunk("a"), filtered]).text(), Some("a"));
}

#[test]
fn a_text_that_was_closed_takes_no_more() {
    let open = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"model\":\"c\"}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n";
    let stop = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
    for (events, text) in [(open.to_owned(), Some("Hi")), ([open, stop].concat(), None)] {
        let unnamed = events.lines().filter(|line| !line.starts_with("event:")).collect::<Vec<_>>().join("\n") + "\n";
        for events in [events, unnamed] {
            let mut delivered = Delivered::native(Dialect::AnthropicMessages, MOST_TEXT_BYTES);
            delivered.passed(events.as_bytes(), None);
            assert_eq!(delivered.text(), text, "{events}");
        }
    }
}

/// Whoever reads on must not be able to tell where the writer changed.
#[test]
fn a_writer_goes_on_under_the_ids_and_numbers_that_the_caller_knows() {
    let go_on = |dialect: Dialect, events: &str| {
        let mut delivered = Delivered::native(dialect, MOST_TEXT_BYTES);
        delivered.passed(events.as_bytes(), None);
        assert!(delivered.text().is_some());
        let mut writer =
            delivered.writer(dialect, ReplyContext { request_id: "req_1".into(), ..ReplyContext::default() });
        let mut out = Vec::new();
        writer.event(&StreamEvent::TextDelta { choice: 0, text: " you".to_owned() }, &mut out, &mut Vec::new());
        String::from_utf8(out).unwrap()
    };
    let got = go_on(Dialect::OpenAiChat, &chunk("Hi"));
    assert!(got.starts_with(r#"data: {"id":"c","object":"chat.completion.chunk","created":7,"model":"m","#), "{got}");
    assert_eq!(got.matches("data:").count(), 1, "no second role: {got}");
    let gemini = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\"index\":0}],\"modelVersion\":\"g\",\"responseId\":\"r\"}\r\n\r\n";
    let got = go_on(Dialect::Gemini, gemini);
    assert!(got.contains(r#""responseId":"r""#) && got.contains(r#""modelVersion":"g""#), "{got}");
    let responses = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_a\",\"model\":\"m\",\"created_at\":5}}\n\nevent: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"sequence_number\":2,\"output_index\":0,\"item\":{\"id\":\"msg_b\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[]}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":4,\"item_id\":\"msg_b\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hi\"}\n\n";
    let got = go_on(Dialect::OpenAiResponses, responses);
    let event: serde_json::Value =
        serde_json::from_str(got.lines().nth(1).unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(event["type"], "response.output_text.delta");
    assert_eq!((&event["sequence_number"], &event["item_id"]), (&5.into(), &"msg_b".into()), "{got}");
}
