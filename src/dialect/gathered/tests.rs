use super::*;

/// A whole answer of each dialect, with everything that comes in pieces.
const WHOLE: [(Dialect, &str); 7] = [
    (
        Dialect::OpenAiChat,
        r#"{"id":"c1","object":"chat.completion","created":7,"model":"m","system_fingerprint":"fp","choices":[
            {"index":0,"message":{"role":"assistant","content":"Hi \u00e4","refusal":null,"reasoning_content":"hm",
                "tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":\n1}"}},
                    {"id":"b","type":"custom","custom":{"name":"g","input":"in"}}]},
                "logprobs":{"content":[{"token":"Hi","logprob":-0.1,"bytes":null,"top_logprobs":[]}]},"finish_reason":"tool_calls"},
            {"index":1,"message":{"role":"assistant","content":null,"refusal":"No."},"finish_reason":"content_filter"}],
          "usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#,
    ),
    (
        Dialect::OpenAiChat,
        r#"{"result":{"response":"Hi","tool_calls":[{"id":"a","name":"f","arguments":{"x":1}}],"usage":{"prompt_tokens":9,"completion_tokens":3}},"success":true}"#,
    ),
    (
        Dialect::AnthropicMessages,
        r#"{"id":"m1","type":"message","role":"assistant","model":"claude","content":[
            {"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"cmVk"},
            {"type":"text","text":"Hi","citations":[{"type":"char_location","cited_text":"x","document_index":0}]},
            {"type":"tool_use","id":"t1","name":"f","input":{"x":
              1}},{"type":"tool_use","id":"t2","name":"g","input":{}}],
          "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":9,"cache_read_input_tokens":2,"output_tokens":3}}"#,
    ),
    (
        Dialect::OpenAiResponses,
        r#"{"id":"r1","object":"response","created_at":7,"status":"completed","model":"m","output":[
            {"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"c2ln"},
            {"id":"ms","type":"message","role":"assistant","status":"completed","content":[
                {"type":"output_text","text":"Hi","annotations":[{"type":"url_citation","url":"https://a.example","title":"A","start_index":0,"end_index":2}],"logprobs":[]}]},
            {"id":"fc","type":"function_call","call_id":"a","name":"f","arguments":"{\"x\":1}","status":"completed"},
            {"id":"cc","type":"custom_tool_call","call_id":"b","name":"g","input":"in","status":"completed"}],
          "usage":{"input_tokens":9,"output_tokens":3,"total_tokens":12}}"#,
    ),
    (
        Dialect::OpenAiResponses,
        r#"{"id":"r2","object":"response","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"model":"m",
          "output":[{"type":"message","role":"assistant","content":[{"type":"refusal","refusal":"No"}]}],"usage":null}"#,
    ),
    (
        Dialect::Gemini,
        r#"[{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hm","thought":true},{"text":"Hi"}]}}],"responseId":"g1","modelVersion":"m"},
          {"candidates":[{"index":0,"content":{"role":"model","parts":[{"functionCall":{"name":"f","args":{"x":1}},"thoughtSignature":"c2ln"}]},
              "finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12}}]"#,
    ),
    (
        Dialect::Gemini,
        r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP"}],
          "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12}}"#,
    ),
];

/// A whole answer as its stream, and that as a whole answer again.
fn there_and_back(dialect: Dialect, body: &str) -> (String, ChatResponse) {
    let mut frames = sse::Decoder::new();
    frames.push(body.as_bytes()).unwrap();
    let rest = frames.finish().expect("JSON is no event by itself");
    let stream = String::from_utf8(dialect.unrolled(&rest.frame).expect("a whole answer")).unwrap();
    assert!(is_stream(stream.as_bytes()) && !is_stream(body.as_bytes()));
    let read = match whole(dialect, stream.as_bytes()).unwrap() {
        Whole::Native(body) => dialect.decode_response(&body).unwrap(),
        Whole::Read(response, seen) => {
            assert_eq!((seen.usage, seen.id), (response.usage, response.id.clone()));
            response
        }
    };
    (stream, read)
}

#[test]
fn a_whole_answer_as_a_stream_says_the_same() {
    for (dialect, body) in WHOLE {
        let (stream, read) = there_and_back(dialect, body);
        let said = dialect.decode_response(body.as_bytes()).unwrap();
        let parts = |answer: &ChatResponse| format!("{:?}", answer.choices).replace(r#"{\n"#, "");
        assert_eq!(parts(&read), parts(&said), "{stream}");
        assert_eq!((read.id, read.model, read.created, read.usage), (said.id, said.model, said.created, said.usage));
        let mut names = [read.extras, said.extras].map(|extras| {
            extras.into_iter().map(|extra| extra.field.replace(".delta.", ".message.")).collect::<Vec<_>>()
        });
        names.iter_mut().for_each(|names| names.sort());
        assert_eq!(names[0], names[1], "{stream}");
        // Each event is one line of data.
        let lines = stream.lines().filter(|line| !line.is_empty());
        assert!(lines.clone().all(|line| line.starts_with("data: ") || line.starts_with("event: ")), "{stream}");
    }
}

#[test]
fn what_is_not_a_whole_answer_is_left_alone() {
    let events = [
        (Dialect::OpenAiChat, r#"{"choices":[{"index":0,"delta":{"content":"message"},"finish_reason":null}]}"#),
        // Perplexity tells what has come so far beside what is new, and others tell a state that is not the end.
        (
            Dialect::OpenAiChat,
            r#"{"choices":[{"delta":{"content":"a"},"message":{"content":"a"},"finish_reason":"stop"}]}"#,
        ),
        (Dialect::OpenAiChat, r#"{"choices":[{"message":{"content":"a"},"finish_reason":null}]}"#),
        (Dialect::OpenAiChat, r#"{"response":"a"}"#),
        (Dialect::AnthropicMessages, r#"{"type":"message_start","message":{"type":"message","content":[]}}"#),
        (Dialect::OpenAiResponses, r#"{"type":"response.created","response":{"object":"response","output":[]}}"#),
        (Dialect::OpenAiResponses, r#"{"object":"response","status":"in_progress","output":[]}"#),
        (Dialect::Gemini, r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#),
    ];
    for (dialect, data) in events {
        let frame = Frame { raw: data.as_bytes(), event: None, data: Some(data.as_bytes().into()), id: None };
        assert_eq!(dialect.unrolled(&frame), None, "{data}");
    }
    let bodies = [
        (Dialect::OpenAiChat, r#"{"error":{"message":"no"}}"#),
        (Dialect::OpenAiChat, r#"{"choices":[{"index":0,"message":{"content":"cut"#),
        (Dialect::AnthropicMessages, r#"{"type":"error","error":{"type":"api_error","message":"no"}}"#),
        (
            Dialect::OpenAiResponses,
            r#"{"object":"response","status":"failed","error":{"code":"x","message":"no"},"output":[]}"#,
        ),
        (Dialect::Gemini, r#"[{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}]"#),
    ];
    for (dialect, body) in bodies {
        let frame = Frame { raw: body.as_bytes(), event: None, data: None, id: None };
        assert_eq!(dialect.unrolled(&frame), None, "{body}");
    }
}

#[test]
fn half_a_stream_is_no_answer() {
    for (dialect, body) in WHOLE {
        let (stream, _) = there_and_back(dialect, body);
        // Google has no terminator: its answers end with their finish reason.
        let events: Vec<&str> = stream.split_inclusive("\n\n").collect();
        let kept = events.len() - if dialect == Dialect::OpenAiChat { events.len() } else { 1 };
        let cut = events[..kept].concat();
        assert!(whole(dialect, cut.as_bytes()).is_err(), "{cut}");
    }
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    assert!(
        matches!(whole(Dialect::OpenAiChat, error.as_bytes()), Err(StreamFault::Provider(report)) if report.message == "overloaded")
    );
}

#[test]
fn thoughts_that_interleave_stay_with_their_choices() {
    let mut gathered = Gathered::new(Dialect::OpenAiChat);
    for (choice, text) in [(0, "a"), (1, "x"), (0, "b"), (1, "y")] {
        gathered.add(StreamEvent::ReasoningDelta { choice, text: text.into() });
    }
    gathered.add(StreamEvent::ReasoningEnd { choice: 0, signature: Some("s".into()), redacted: false });
    gathered.add(StreamEvent::ReasoningDelta { choice: 0, text: "c".into() });
    let choices = gathered.response().choices;
    let texts = |at: usize| -> Vec<(String, Option<String>)> {
        let blocks = choices[at].parts.iter().map(|part| match part {
            Part::Reasoning(block) => (block.text.clone(), block.signature.clone()),
            other => panic!("{other:?}"),
        });
        blocks.collect()
    };
    assert_eq!(texts(0), [("ab".into(), Some("s".into())), ("c".into(), None)]);
    assert_eq!(texts(1), [("xy".into(), None)]);
}

#[test]
fn lists_that_come_in_pieces_are_joined() {
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let both = |one: &str, other: &str| joined(&raw(one), &raw(other)).map(|json| json.get().to_owned());
    assert_eq!(both("[1]", "[2, 3]").as_deref(), Some("[1,2,3]"));
    assert_eq!(
        both(r#"{"content":[1],"refusal":null}"#, r#"{"content":[2]}"#).as_deref(),
        Some(r#"{"content":[1,2],"refusal":null}"#)
    );
    assert_eq!(both("1", "2"), None);
}
