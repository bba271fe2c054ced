//! A server's members: exact, converted, or left out and told. No field leaves in silence.

use serde_json::json;

use super::{asked, function, raw, send, to, told, OPENAI};
use crate::dialect::canonical::{ChatRequest, Disposition, Extra, Format, Reasoning, Tool, ToolChoice};
use crate::dialect::openai_chat::request::encode;
use crate::dialect::{Dialect, ModelTraits, Target};

#[test]
fn the_bound_and_the_wish_for_usage_have_each_servers_names() {
    let request = ChatRequest { max_output_tokens: Some(9), stream: true, ..asked() };
    for (provider, bound) in [
        ("openai", "max_completion_tokens"),
        ("azure", "max_completion_tokens"),
        ("acme", "max_tokens"),
        ("deepseek", "max_tokens"),
    ] {
        let (body, losses) = to(&request, provider);
        assert_eq!(losses, []);
        assert_eq!(
            body,
            json!({"model": "big", "messages": [{"role": "user", "content": "hi"}], bound: 9, "stream": true, "stream_options": {"include_usage": true}}),
            "{provider}"
        );
    }
    let (body, _) = to(&request, "mistral");
    assert!(body.get("stream_options").is_none(), "not in its schema; usage comes unasked");
}

#[test]
fn sampling_is_sent_refused_or_left_out_at_its_default() {
    let request = ChatRequest { temperature: Some(0.2), top_p: Some(1.0), top_k: Some(5), ..asked() };
    let (body, losses) = to(&request, OPENAI);
    assert_eq!((&body["temperature"], &body["top_p"], body.get("top_k")), (&json!(0.2), &json!(1), None));
    assert_eq!(told(&losses), [("top_k", "unsupported")]);
    let never = ModelTraits { sampling: false, ..ModelTraits::PERMISSIVE };
    let (body, losses) = send(&request, OPENAI, never);
    assert!(body.get("temperature").is_none() && body.get("top_p").is_none());
    assert_eq!(told(&losses), [("temperature", "unsupported"), ("top_k", "unsupported")]);
    let (body, losses) = to(&request, "mistral");
    assert_eq!((&body["top_k"], losses.len()), (&json!(5), 0));
    let gemini = ChatRequest { origin: Some(Dialect::Gemini), ..request };
    assert_eq!(
        told(&to(&gemini, OPENAI).1),
        [("generationConfig.topK", "unsupported")],
        "named as the caller wrote it"
    );
}

#[test]
fn each_server_gets_what_it_has_and_the_rest_is_told() {
    let request = ChatRequest {
        n: Some(2),
        seed: Some(7),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(0.5),
        logprobs: Some(3),
        user: Some("user one".into()),
        stop: vec!["a".into()],
        ..asked()
    };
    for (provider, members, losses) in [
        (
            OPENAI,
            json!({"n": 2, "seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": true, "top_logprobs": 3, "user": "user one", "stop": ["a"]}),
            vec![],
        ),
        (
            "mistral",
            json!({"n": 2, "random_seed": 7, "frequency_penalty": 0.5, "presence_penalty": 0.5, "logprobs": true, "top_logprobs": 3, "stop": ["a"]}),
            vec![("metadata.user_id", "advisory")],
        ),
        (
            "deepseek",
            json!({"logprobs": true, "top_logprobs": 3, "stop": ["a"]}),
            vec![
                ("n", "unsupported"),
                ("frequency_penalty", "unsupported"),
                ("presence_penalty", "unsupported"),
                ("seed", "unsupported"),
                ("metadata.user_id", "advisory"),
            ],
        ),
        (
            "qwen",
            json!({"n": 2, "seed": 7, "presence_penalty": 0.5, "logprobs": true, "top_logprobs": 3, "stop": ["a"]}),
            vec![("frequency_penalty", "unsupported"), ("metadata.user_id", "advisory")],
        ),
    ] {
        let (mut body, told_losses) = to(&request, provider);
        let object = body.as_object_mut().unwrap();
        object.remove("model");
        object.remove("messages");
        assert_eq!(body, members, "{provider}");
        assert_eq!(told(&told_losses), losses, "{provider}");
    }
    let plain = ChatRequest { user: Some("user-1".into()), ..asked() };
    assert_eq!(to(&plain, "deepseek").0["user_id"], "user-1");
}

#[test]
fn too_many_stops_and_stops_for_thinkers_are_refused() {
    let stops = |n: usize| ChatRequest { stop: (0..n).map(|i| i.to_string()).collect(), ..asked() };
    assert_eq!(to(&stops(4), OPENAI).0["stop"], json!(["0", "1", "2", "3"]));
    let (body, losses) = to(&stops(5), OPENAI);
    assert!(body.get("stop").is_none());
    assert_eq!(told(&losses), [("stop_sequences", "unsupported")]);
    assert_eq!(to(&stops(16), "deepseek").1, []);
    let thinker = ModelTraits { stop: false, ..ModelTraits::PERMISSIVE };
    assert_eq!(told(&send(&stops(1), OPENAI, thinker).1), [("stop_sequences", "unsupported")]);
}

#[test]
fn thinking_is_asked_for_in_each_servers_words() {
    let cases = [
        (Reasoning::Effort("low".into()), OPENAI, json!({"reasoning_effort": "low"}), vec![]),
        (Reasoning::Effort("none".into()), OPENAI, json!({"reasoning_effort": "none"}), vec![]),
        (Reasoning::Disabled, OPENAI, json!({"reasoning_effort": "none"}), vec![]),
        (Reasoning::Budget(2_000), OPENAI, json!({"reasoning_effort": "low"}), vec![("thinking", "converted")]),
        (Reasoning::Budget(10_000), OPENAI, json!({"reasoning_effort": "medium"}), vec![("thinking", "converted")]),
        (Reasoning::Budget(40_000), OPENAI, json!({"reasoning_effort": "high"}), vec![("thinking", "converted")]),
        (Reasoning::Adaptive, OPENAI, json!({"reasoning_effort": "medium"}), vec![("thinking", "converted")]),
        (Reasoning::Effort("none".into()), "deepseek", json!({"thinking": {"type": "disabled"}}), vec![]),
        (
            Reasoning::Effort("high".into()),
            "deepseek",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
            vec![],
        ),
        (
            Reasoning::Effort("medium".into()),
            "deepseek",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
            vec![("output_config.effort", "converted")],
        ),
        (
            Reasoning::Effort("minimal".into()),
            "deepseek",
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
            vec![("output_config.effort", "converted")],
        ),
        (Reasoning::Adaptive, "deepseek", json!({"thinking": {"type": "enabled"}}), vec![]),
        (Reasoning::Disabled, "qwen", json!({"enable_thinking": false}), vec![]),
        (Reasoning::Budget(500), "qwen", json!({"enable_thinking": true, "thinking_budget": 500}), vec![]),
        (
            Reasoning::Effort("low".into()),
            "qwen",
            json!({"enable_thinking": true, "thinking_budget": 2048}),
            vec![("output_config.effort", "converted")],
        ),
        (Reasoning::Budget(500), "openrouter", json!({"reasoning": {"max_tokens": 500}}), vec![]),
        (Reasoning::Adaptive, "openrouter", json!({"reasoning": {"enabled": true}}), vec![]),
    ];
    for (reasoning, provider, members, losses) in cases {
        let request = ChatRequest { reasoning: Some(reasoning.clone()), ..asked() };
        let (mut body, told_losses) = to(&request, provider);
        let object = body.as_object_mut().unwrap();
        object.remove("model");
        object.remove("messages");
        assert_eq!(body, members, "{reasoning:?} {provider}");
        assert_eq!(told(&told_losses), losses, "{reasoning:?} {provider}");
    }
}

#[test]
fn thinking_that_a_model_cannot_do_or_not_leave_is_refused() {
    let with = |reasoning: Reasoning, traits: ModelTraits| {
        let request = ChatRequest { reasoning: Some(reasoning), ..asked() };
        let (body, losses) = send(&request, OPENAI, traits);
        assert!(body.get("reasoning_effort").is_none());
        losses.first().map(|loss| loss.disposition)
    };
    let plain = ModelTraits { reasoning: false, ..ModelTraits::PERMISSIVE };
    let always = ModelTraits { always_reasons: true, ..ModelTraits::PERMISSIVE };
    assert_eq!(with(Reasoning::Effort("high".into()), plain), Some(Disposition::Unsupported));
    assert_eq!(with(Reasoning::Budget(9), plain), Some(Disposition::Unsupported));
    assert_eq!(with(Reasoning::Adaptive, plain), Some(Disposition::Advisory));
    assert_eq!(with(Reasoning::Disabled, plain), None, "a model that cannot think does not");
    assert_eq!(with(Reasoning::Disabled, always), Some(Disposition::Unsupported));
    assert_eq!(with(Reasoning::Effort("none".into()), always), Some(Disposition::Unsupported));
    assert_eq!(with(Reasoning::Adaptive, always), None);
}

#[test]
fn tools_and_choices_are_sent_or_refused() {
    let strict = Tool {
        name: "f".into(),
        description: Some("d".into()),
        parameters: Some(raw(r#"{"type":"object", "additionalProperties":false, "x":1.0}"#)),
        strict: Some(true),
    };
    let request = ChatRequest {
        tools: vec![strict, function("g")],
        tool_choice: Some(ToolChoice::Named("g".into())),
        parallel_tool_calls: Some(false),
        ..asked()
    };
    let target = Target { provider: OPENAI, model: "big", traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
    let encoded = encode(&request, &target);
    assert_eq!(encoded.losses, []);
    let text = String::from_utf8(encoded.body).unwrap();
    assert!(text.contains(
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object", "additionalProperties":false, "x":1.0},"strict":true}},{"type":"function","function":{"name":"g"}}],"tool_choice":{"type":"function","function":{"name":"g"}},"parallel_tool_calls":false"#
    ));
    let (body, losses) = to(&request, "deepseek");
    assert_eq!(
        told(&losses),
        [("tools[*].strict", "unsupported"), ("tool_choice.disable_parallel_tool_use", "converted")],
        "one call at a time is kept on the way back"
    );
    assert!(body["tools"][0]["function"].get("strict").is_none());
    assert_eq!(
        to(&request, "mistral").0["tools"][1]["function"]["parameters"],
        json!({"type": "object", "properties": {}})
    );
    let unforced = ModelTraits { forced_tools: false, ..ModelTraits::PERMISSIVE };
    let (body, losses) = send(&request, OPENAI, unforced);
    assert!(body.get("tool_choice").is_none());
    assert_eq!(told(&losses), [("tool_choice", "unsupported")], "never changed to auto");
    let toolless = ModelTraits { tools: false, ..ModelTraits::PERMISSIVE };
    assert_eq!(told(&send(&request, OPENAI, toolless).1), [("tools", "unsupported")]);
    let none = ChatRequest { tool_choice: Some(ToolChoice::None), ..asked() };
    let (body, losses) = to(&none, OPENAI);
    assert!(body.get("tool_choice").is_none() && losses.is_empty(), "without tools it says nothing");
}

#[test]
fn formats_are_sent_or_refused() {
    let closed = r#"{"type":"object","additionalProperties":false,"x":1.0}"#;
    let schema = Format::JsonSchema { name: "a b".into(), description: None, schema: raw(closed), strict: Some(true) };
    let request = ChatRequest { format: Some(schema), ..asked() };
    let (body, losses) = to(&request, OPENAI);
    assert_eq!(
        body["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "a_b", "schema": {"type": "object", "additionalProperties": false, "x": 1.0}, "strict": true}})
    );
    assert_eq!(losses, []);
    for (provider, traits) in
        [("deepseek", ModelTraits::PERMISSIVE), (OPENAI, ModelTraits { json_schema: false, ..ModelTraits::PERMISSIVE })]
    {
        let (body, losses) = send(&request, provider, traits);
        assert!(body.get("response_format").is_none());
        assert_eq!(told(&losses), [("output_config.format", "unsupported")]);
    }
    let loose = Format::JsonSchema { name: "n".into(), description: None, schema: raw("{}"), strict: None };
    let (body, losses) = to(&ChatRequest { format: Some(loose), ..asked() }, OPENAI);
    assert!(body["response_format"]["json_schema"].get("strict").is_none());
    assert_eq!(told(&losses), [("output_config.format", "converted")]);
    // A dialect that enforces schemas unasked means it where OpenAI can do so.
    let held = Format::JsonSchema { name: "n".into(), description: None, schema: raw(closed), strict: None };
    let (body, losses) = to(&ChatRequest { format: Some(held), ..asked() }, OPENAI);
    assert_eq!((&body["response_format"]["json_schema"]["strict"], losses.len()), (&json!(true), 0));
    let object = ChatRequest { format: Some(Format::JsonObject), ..asked() };
    assert_eq!(to(&object, "deepseek").0["response_format"], json!({"type": "json_object"}));
}

#[test]
fn extras_are_exact_told_or_refused_by_their_meaning_and_origin() {
    let extra = |field: &str, advisory, is_default| Extra {
        field: field.into(),
        value: raw("{\"a\":1}"),
        advisory,
        is_default,
    };
    let foreign = ChatRequest {
        extras: vec![
            extra("container", false, false),
            extra("cache_control", true, false),
            extra("speed", false, true),
        ],
        ..asked()
    };
    let (body, losses) = to(&foreign, OPENAI);
    assert!(body.get("container").is_none() && body.get("speed").is_none());
    assert_eq!(told(&losses), [("container", "unsupported"), ("cache_control", "advisory")]);
    let own = ChatRequest {
        origin: Some(Dialect::OpenAiChat),
        extras: vec![extra("logit_bias", false, false), extra("min_p", false, false), extra("metadata", true, false)],
        ..asked()
    };
    let (body, losses) = to(&own, OPENAI);
    assert_eq!((&body["logit_bias"]["a"], &body["min_p"]["a"], losses.len()), (&json!(1), &json!(1), 0));
    let (body, losses) = to(&own, "mistral");
    assert_eq!((body.get("logit_bias"), &body["min_p"]["a"], &body["metadata"]["a"]), (None, &json!(1), &json!(1)));
    assert_eq!(told(&losses), [("logit_bias", "unsupported")]);
    assert_eq!(told(&to(&own, "deepseek").1), [("logit_bias", "unsupported"), ("metadata", "advisory")]);
}

/// `wire.md` §2.1: a strict schema is checked against the target's subset before it is sent.
#[test]
fn a_schema_that_openai_would_not_enforce_is_told_before_it_is_sent() {
    let open = r#"{"type":"object","properties":{"a":{"type":"string"}}}"#;
    let tool = Tool { name: "f".into(), description: None, parameters: Some(raw(open)), strict: Some(true) };
    let format = Format::JsonSchema { name: "n".into(), description: None, schema: raw(open), strict: Some(true) };
    let request = ChatRequest { tools: vec![tool], format: Some(format), ..asked() };
    let (body, losses) = to(&request, OPENAI);
    assert_eq!(told(&losses), [("tools[*].strict", "unsupported"), ("output_config.format", "unsupported")]);
    assert!(losses.iter().all(|loss| loss.reason.contains("an object that is not closed at $")), "{losses:?}");
    assert!(body["tools"][0]["function"].get("strict").is_none(), "{body}");
    assert!(body["response_format"]["json_schema"].get("strict").is_none(), "{body}");
    // Where the subset is not documented the server decides.
    let (body, losses) = to(&request, "mistral");
    assert_eq!((&body["tools"][0]["function"]["strict"], losses.len()), (&json!(true), 0), "{losses:?}");
}
