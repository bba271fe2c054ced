use super::*;
use crate::dialect::canonical::Usage;
use crate::telemetry::record::SeamRecord;

fn attempt(role: &str, outcome: &str, class: Option<&str>, at: u64) -> AttemptRecord {
    AttemptRecord {
        span_id: format!("{at:016x}"),
        provider: "anthropic".into(),
        dialect: "anthropic-messages".into(),
        profile: "anthropic".into(),
        host: "api.anthropic.com".into(),
        model: "claude-y".into(),
        role: role.into(),
        started_ms: 1_000 + at,
        duration_ms: 50,
        outcome: outcome.into(),
        class: class.map(str::to_owned),
        ..AttemptRecord::default()
    }
}

fn record(attempts: Vec<AttemptRecord>) -> RequestRecord {
    RequestRecord {
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        parent_id: Some("1111111111111111".into()),
        method: "POST".into(),
        route: "/v1/chat/completions".into(),
        operation: "chat".into(),
        started_ms: 1_000,
        duration_ms: 400,
        ttft_ms: Some(300),
        stream: true,
        status: 200,
        attempts,
        ..RequestRecord::default()
    }
}

fn reader(flavour: Flavour) -> Reader<'static> {
    Reader { profile: Profile::V141, flavour, content: None }
}

fn value<'s>(span: &'s Span, key: &str) -> Option<&'s Value> {
    let mut found = span.attributes.iter().filter(|(name, _)| *name == key);
    let value = found.next().map(|(_, value)| value);
    assert!(found.next().is_none(), "{key} stands twice");
    value
}

#[test]
fn failed_attempts_stay_visible_and_each_links_to_the_one_before() {
    let spans = spans(
        &record(vec![
            attempt("first", "503", Some("server_error"), 1),
            attempt("retry", "503", Some("server_error"), 2),
            attempt("fallback", "200", None, 3),
        ]),
        reader(Flavour::Otel),
    );
    assert_eq!(spans.len(), 4);
    assert_eq!((spans[0].name.as_str(), spans[0].kind), ("POST /v1/chat/completions", Kind::Server));
    assert_eq!(spans[0].parent_id.as_deref(), Some("1111111111111111"), "the caller's trace is joined");
    for span in &spans[1..] {
        assert_eq!((span.name.as_str(), span.kind), ("chat claude-y", Kind::Client));
        assert_eq!(span.parent_id.as_ref(), Some(&spans[0].span_id));
    }
    assert_eq!(spans[1].error.as_deref(), Some("server_error"));
    assert_eq!(value(&spans[1], "error.type"), Some(&Value::Text("server_error".into())));
    assert_eq!((spans[3].error.as_deref(), value(&spans[3], "error.type")), (None, None));
    assert_eq!(spans[3].links, [(spans[0].trace_id.clone(), spans[2].span_id.clone())]);
    let events: Vec<(&str, u64)> = spans[0].events.iter().map(|event| (event.name, event.at_ms)).collect();
    assert_eq!(events, [("signalbox.retry", 1_002), ("signalbox.fallback", 1_003), ("signalbox.commit", 1_300)]);
}

#[test]
fn a_caller_who_left_is_no_providers_failure() {
    let spans = spans(
        &RequestRecord { status: 499, ..record(vec![attempt("first", "cancelled", None, 1)]) },
        reader(Flavour::Otel),
    );
    for span in &spans {
        assert_eq!(value(span, "error.type"), Some(&Value::Text("client_disconnected".into())), "{}", span.name);
    }
}

#[test]
fn what_the_caller_did_wrong_is_no_error_of_the_span() {
    let refused = RequestRecord {
        status: 400,
        error: Some("invalid_request".into()),
        blame: Some("caller".into()),
        ..record(Vec::new())
    };
    let span = &spans(&refused, reader(Flavour::Otel))[0];
    assert_eq!(span.error, None);
    assert_eq!(value(span, "error.type"), Some(&Value::Text("invalid_request".into())));
    let cut = RequestRecord { error: Some("stream_cut".into()), blame: Some("upstream".into()), ..record(Vec::new()) };
    assert_eq!(spans(&cut, reader(Flavour::Otel))[0].error.as_deref(), Some("stream_cut"), "behind a 200, too");
}

#[test]
fn cached_tokens_are_in_the_conventions_input_and_apart_for_langfuse() {
    let usage = Usage {
        input_tokens: 90,
        cached_input_tokens: Some(10),
        output_tokens: 20,
        reasoning_tokens: Some(5),
        ..Usage::default()
    };
    let record = record(vec![AttemptRecord {
        usage,
        cost: Some(Cost::Exact { picousd: 5_000_000 }),
        ..attempt("first", "200", None, 1)
    }]);
    let span = &spans(&record, reader(Flavour::Langfuse))[1];
    assert_eq!(value(span, "gen_ai.usage.input_tokens"), Some(&Value::Int(100)));
    assert_eq!(value(span, "gen_ai.usage.output_tokens"), Some(&Value::Int(25)));
    let Some(Value::Text(details)) = value(span, "langfuse.observation.usage_details") else { panic!() };
    let details: serde_json::Value = serde_json::from_str(details).unwrap();
    let classes = ["input", "input_cached_tokens", "input_cache_creation", "output", "output_reasoning_tokens"];
    assert_eq!(classes.map(|class| details[class].as_u64().unwrap()), [90, 10, 0, 20, 5]);
    assert_eq!(details["total"], 125, "what is added up is what there is");
    assert_eq!(value(span, "langfuse.observation.cost_details"), Some(&Value::Text(r#"{"total":5e-6}"#.into())));
}

#[test]
fn names_follow_the_collectors_profile() {
    let usage = Usage { cache_write_5m_tokens: Some(4), ..Usage::default() };
    let record = record(vec![AttemptRecord { usage, ..attempt("first", "200", None, 1) }]);
    let key = |profile| {
        let span = &spans(&record, Reader { profile, flavour: Flavour::Otel, content: None })[1];
        span.attributes.iter().map(|(key, _)| *key).find(|key| key.contains("cache_")).unwrap()
    };
    assert_eq!(key(Profile::V141), "gen_ai.usage.cache_creation.input_tokens");
    assert_eq!(key(Profile::Latest), "gen_ai.usage.cache_write.input_tokens");
}

#[test]
fn breakers_and_seams_are_events() {
    let opened = AttemptRecord { circuit: Some("opened".into()), ..attempt("first", "cut", Some("cut"), 1) };
    let going_on = AttemptRecord { ttft_ms: Some(20), ..attempt("prefill", "200", None, 60) };
    let seam = SeamRecord { model: "anthropic/claude-y".into(), mode: "prefill".into(), offset: 17 };
    let spans = spans(&RequestRecord { seams: vec![seam], ..record(vec![opened, going_on]) }, reader(Flavour::Otel));
    let events: Vec<(&str, u64)> = spans[0].events.iter().map(|event| (event.name, event.at_ms)).collect();
    assert_eq!(events, [("signalbox.breaker.opened", 1_051), ("signalbox.seam", 1_080), ("signalbox.commit", 1_300)]);
    assert!(spans[0].events[1].attributes.contains(&("signalbox.seam.offset", Value::Int(17))));
}

#[test]
fn each_way_to_call_again_is_an_event_of_its_own() {
    let roles = ["first", "retry", "fallback", "hedge", "resume"];
    let attempts = roles.iter().zip(1..).map(|(role, at)| attempt(role, "200", None, at)).collect();
    let spans = spans(&record(attempts), reader(Flavour::Otel));
    let names: Vec<&str> = spans[0].events.iter().map(|event| event.name).collect();
    assert_eq!(
        names,
        ["signalbox.retry", "signalbox.fallback", "signalbox.hedge", "signalbox.resume", "signalbox.commit"]
    );
}

fn content() -> Content {
    use crate::telemetry::content::{Definition, Message, Part};
    let text = |content: &str| Part::Text { content: content.into() };
    let message = |role, parts, finish_reason| Message { role, parts, finish_reason };
    let call = Part::ToolCall { id: "c1".into(), name: "look".into(), arguments: r#"{"q":1}"#.into() };
    let result = |id: &str| Part::ToolCallResponse { id: id.into(), response: format!("of {id}") };
    Content {
        system: vec![message("system", vec![text("Be kind.")], None)],
        input: vec![
            message("user", vec![text("What?"), text("This.")], None),
            message("assistant", vec![call], None),
            message("tool", vec![result("c1"), result("c2")], None),
        ],
        output: vec![message("assistant", vec![text("A cat.")], Some("stop"))],
        tools: vec![Definition { name: "look".into(), description: None, parameters: None }],
        stop: vec!["END".into()],
        cut: true,
    }
}

#[test]
fn what_was_said_stands_on_the_call_that_answered_as_its_reader_reads_it() {
    let content = content();
    let failed = || attempt("first", "503", Some("server_error"), 1);
    let answered = RequestRecord {
        model: Some("anthropic/claude-y".into()),
        ..record(vec![
            failed(),
            attempt("retry", "200", None, 2),
            AttemptRecord { provider: "other".into(), ..failed() },
        ])
    };
    let told = |flavour| spans(&answered, Reader { content: Some(&content), ..reader(flavour) });
    let keys = |span: &Span| -> Vec<String> {
        let own = span.attributes.iter().map(|(key, _)| (*key).to_owned());
        let said = |key: &String| {
            ["message", "instructions", "tool", "put.", "content", ".input", ".output"]
                .iter()
                .any(|word| key.contains(word))
        };
        own.chain(span.texts.iter().map(|(key, _)| key.clone()))
            .filter(said)
            .filter(|key| !key.contains("usage"))
            .collect()
    };
    let text = |span: &Span, key: &str| match value(span, key) {
        Some(Value::Text(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    };
    for flavour in [Flavour::Otel, Flavour::Langfuse, Flavour::OpenInference] {
        let spans = told(flavour);
        assert!(keys(&spans[1]).is_empty() && keys(&spans[3]).is_empty(), "{flavour:?}");
        let without = super::spans(&answered, reader(flavour));
        assert!(without.iter().all(|span| keys(span).is_empty()), "{flavour:?}: to who does not ask nothing is told");
        assert_eq!(value(&spans[2], "signalbox.content.truncated"), Some(&Value::Bool(true)));
        assert_eq!(keys(&spans[0]).is_empty(), flavour == Flavour::Otel);
    }
    let call = &told(Flavour::Otel)[2];
    assert_eq!(text(call, "gen_ai.system_instructions"), r#"[{"type":"text","content":"Be kind."}]"#);
    assert!(text(call, "gen_ai.input.messages")
        .starts_with(r#"[{"role":"user","parts":[{"type":"text","content":"What?"},"#));
    assert!(text(call, "gen_ai.output.messages").ends_with(r#""finish_reason":"stop"}]"#));
    assert_eq!(text(call, "gen_ai.tool.definitions"), r#"[{"type":"function","name":"look"}]"#);
    assert_eq!(value(call, "gen_ai.request.stop_sequences"), Some(&Value::Texts(vec!["END".into()])));
    let langfuse = told(Flavour::Langfuse);
    for span in [&langfuse[0], &langfuse[2]] {
        assert!(text(span, "langfuse.observation.input").starts_with(r#"[{"role":"system","parts":"#));
        assert!(text(span, "langfuse.observation.output").contains("A cat."));
        assert_eq!(value(span, "gen_ai.input.messages"), None, "once is enough");
    }
    let phoenix = told(Flavour::OpenInference);
    assert!(
        text(&phoenix[0], "input.value").contains("Be kind.") && text(&phoenix[0], "output.value").contains("A cat.")
    );
    let flat: Vec<String> = phoenix[2].texts.iter().map(|(key, text)| format!("{key}={text}")).collect();
    assert_eq!(
        flat,
        [
            "llm.input_messages.0.message.role=system",
            "llm.input_messages.0.message.content=Be kind.",
            "llm.input_messages.1.message.role=user",
            "llm.input_messages.1.message.content=What?\nThis.",
            "llm.input_messages.2.message.role=assistant",
            "llm.input_messages.2.message.tool_calls.0.tool_call.id=c1",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.name=look",
            "llm.input_messages.2.message.tool_calls.0.tool_call.function.arguments={\"q\":1}",
            "llm.input_messages.3.message.role=tool",
            "llm.input_messages.3.message.content=of c1",
            "llm.input_messages.3.message.tool_call_id=c1",
            "llm.input_messages.4.message.role=tool",
            "llm.input_messages.4.message.content=of c2",
            "llm.input_messages.4.message.tool_call_id=c2",
            "llm.output_messages.0.message.role=assistant",
            "llm.output_messages.0.message.content=A cat.",
            "llm.tools.0.tool.json_schema={\"type\":\"function\",\"name\":\"look\"}",
        ]
    );
}

#[test]
fn how_the_answer_was_wanted_stands_on_each_call_where_the_request_says_it() {
    let parameters = Parameters {
        max_tokens: Some(9),
        temperature: Some(0.5),
        seed: Some(-7),
        choices: Some(1),
        output: Some("json"),
        ..Parameters::default()
    };
    let attempts = vec![attempt("first", "503", Some("server_error"), 1), attempt("retry", "200", None, 2)];
    let spans = spans(&RequestRecord { parameters, ..record(attempts) }, reader(Flavour::Otel));
    for span in &spans[1..] {
        assert_eq!(value(span, "gen_ai.request.max_tokens"), Some(&Value::Int(9)));
        assert_eq!(value(span, "gen_ai.request.temperature"), Some(&Value::Double(0.5)));
        assert_eq!(value(span, "gen_ai.request.seed"), Some(&Value::Int(-7)));
        assert_eq!(value(span, "gen_ai.output.type"), Some(&Value::Text("json".into())));
        assert_eq!(value(span, "gen_ai.request.top_p"), None);
        assert_eq!(value(span, "gen_ai.request.choice.count"), None, "one is what everybody wants");
    }
}

#[test]
fn instants_are_written_as_langfuse_reads_them() {
    assert_eq!(rfc3339(1_800_000_000_123), "2027-01-15T08:00:00.123Z");
}
