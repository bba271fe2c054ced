use serde_json::{json, Value};

use super::super::version_header;
use super::{asking, encode, extra, raw, target};
use crate::dialect::canonical::{
    ChatRequest, Extra, Format, Part, Reasoning, ReasoningPart, Role, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::dialect::{Dialect, ModelTraits, Target};

const OLD: &str = "claude-sonnet-4-5";
const NEW: &str = "claude-opus-4-8";

fn tool(parameters: Option<&str>, strict: Option<bool>) -> Tool {
    Tool { name: "f".into(), description: Some("d".into()), parameters: parameters.map(raw), strict }
}

#[test]
fn the_bound_is_always_there() {
    let unbounded = ChatRequest { max_output_tokens: None, ..asking() };
    let written = encode(&unbounded, &target(OLD));
    assert_eq!((&written.body["max_tokens"], written.losses), (&json!(8192), vec!["converted max_tokens".to_owned()]));
    let known = Target { max_output_tokens: Some(64_000), ..target(OLD) };
    let written = encode(&unbounded, &known);
    assert_eq!((&written.body["max_tokens"], written.losses.len()), (&json!(64_000), 0));
    let greedy = ChatRequest { max_output_tokens: Some(100_000), ..asking() };
    let written = encode(&greedy, &known);
    assert_eq!(
        (&written.body["max_tokens"], written.losses),
        (&json!(64_000), vec!["converted max_tokens".to_owned()])
    );
}

#[test]
fn sampling_goes_where_it_is_accepted_and_is_refused_elsewhere() {
    let sampled = ChatRequest { temperature: Some(0.3), top_k: Some(40), ..asking() };
    let written = encode(&sampled, &target(OLD));
    assert_eq!(
        (&written.body["temperature"], &written.body["top_k"], written.losses.len()),
        (&json!(0.3), &json!(40), 0)
    );
    assert_eq!(version_header(&sampled, &target(OLD)), "2023-06-01");

    let written = encode(&sampled, &target(NEW));
    assert_eq!(written.losses, ["unsupported temperature", "unsupported top_k"]);
    assert_eq!((&written.body["temperature"], &written.body["top_k"]), (&json!(null), &json!(null)));
    assert_eq!(version_header(&sampled, &target(NEW)), "2026-10-21");
    let traits = ModelTraits { sampling: false, ..ModelTraits::PERMISSIVE };
    assert_eq!(encode(&sampled, &Target { traits, ..target(OLD) }).losses.len(), 2, "the catalogue may be stricter");

    let hot = ChatRequest { temperature: Some(1.5), ..asking() };
    assert_eq!(encode(&hot, &target(OLD)).losses, ["unsupported temperature"]);
    let both = ChatRequest { temperature: Some(0.3), top_p: Some(0.9), ..asking() };
    assert_eq!(encode(&both, &target(OLD)).losses, ["unsupported top_p"]);
    assert_eq!(encode(&both, &target("claude-sonnet-4-0")).losses, [""; 0]);
}

#[test]
fn parameters_at_their_defaults_are_exact_by_omission() {
    let request = ChatRequest {
        n: Some(1),
        frequency_penalty: Some(0.0),
        presence_penalty: Some(0.0),
        parallel_tool_calls: Some(true),
        tool_choice: Some(ToolChoice::Auto),
        extras: vec![Extra { is_default: true, ..extra("logit_bias", "null") }],
        ..asking()
    };
    for model in [OLD, NEW] {
        let written = encode(&request, &target(model));
        assert_eq!(written.losses, [""; 0], "{model}");
        assert_eq!(
            written.body,
            json!({"model": model, "max_tokens": 4000, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]})
        );
        assert_eq!(version_header(&request, &target(model)), "2026-10-21");
    }
}

#[test]
fn sampling_at_its_default_is_sent_where_it_is_taken_and_else_left_out_and_told() {
    let plain = |temperature, top_p| ChatRequest { temperature, top_p, ..asking() };
    // Claude takes one of the two from 4.5 on: what says nothing is left out.
    for (model, request, sent, told) in [
        (OLD, plain(Some(1.0), None), (json!(1.0), json!(null)), vec![]),
        (OLD, plain(Some(1.0), Some(1.0)), (json!(1.0), json!(null)), vec!["converted top_p"]),
        (OLD, plain(Some(1.0), Some(0.9)), (json!(null), json!(0.9)), vec!["converted temperature"]),
        (
            NEW,
            plain(Some(1.0), Some(1.0)),
            (json!(null), json!(null)),
            vec!["converted top_p", "converted temperature"],
        ),
    ] {
        let written = encode(&request, &target(model));
        let number = |name: &str| written.body.get(name).and_then(Value::as_f64).map_or(json!(null), |n| json!(n));
        assert_eq!((number("temperature"), number("top_p")), sent, "{model}");
        assert_eq!(written.losses, told, "{model}");
        let version = if model == OLD { "2023-06-01" } else { "2026-10-21" };
        assert_eq!(version_header(&request, &target(model)), version);
    }
}

#[test]
fn what_anthropic_has_no_word_for_is_refused() {
    let request = ChatRequest {
        n: Some(2),
        seed: Some(1),
        frequency_penalty: Some(0.5),
        presence_penalty: Some(-0.5),
        logprobs: Some(2),
        format: Some(Format::JsonObject),
        extras: vec![extra("logit_bias", "{}"), Extra { advisory: true, ..extra("prompt_cache_key", "\"k\"") }],
        ..asking()
    };
    assert_eq!(
        encode(&request, &target(OLD)).losses,
        [
            "unsupported response_format",
            "unsupported n",
            "unsupported seed",
            "unsupported frequency_penalty",
            "unsupported presence_penalty",
            "unsupported logprobs",
            "unsupported logit_bias",
            "advisory prompt_cache_key",
        ]
    );
}

#[test]
fn effort_is_asked_for_as_the_family_wants_it() {
    let asked = |model: &str, reasoning: Reasoning| {
        let request = ChatRequest { reasoning: Some(reasoning), max_output_tokens: Some(20_000), ..asking() };
        let written = encode(&request, &target(model));
        (written.body["thinking"].clone(), written.body["output_config"]["effort"].clone(), written.losses)
    };
    let effort = |word: &str| Reasoning::Effort(word.into());
    let adaptive = json!({"type": "adaptive"});
    let converted = || vec!["converted reasoning_effort".to_owned()];
    let refused = || vec!["unsupported reasoning_effort".to_owned()];
    let nothing = Vec::new();
    for (model, wish, thinking, word, losses) in [
        ("claude-opus-4-8", effort("high"), adaptive.clone(), json!("high"), nothing.clone()),
        ("claude-opus-4-8", effort("minimal"), adaptive.clone(), json!("low"), converted()),
        ("claude-opus-4-8", effort("xhigh"), adaptive.clone(), json!("xhigh"), nothing.clone()),
        ("claude-opus-4-6", effort("xhigh"), adaptive.clone(), json!("max"), converted()),
        (
            "claude-opus-4-6",
            Reasoning::Budget(5000),
            json!({"type":"enabled","budget_tokens":5000}),
            json!(null),
            nothing.clone(),
        ),
        ("claude-opus-4-8", Reasoning::Budget(5000), adaptive.clone(), json!("medium"), converted()),
        ("claude-opus-4-8", Reasoning::Adaptive, adaptive.clone(), json!(null), nothing.clone()),
        ("claude-opus-4-8", effort("none"), json!({"type": "disabled"}), json!(null), nothing.clone()),
        (
            "claude-sonnet-4-5",
            effort("medium"),
            json!({"type":"enabled","budget_tokens":8192}),
            json!(null),
            converted(),
        ),
        (
            "claude-sonnet-4-5",
            effort("max"),
            json!({"type":"enabled","budget_tokens":19_999}),
            json!(null),
            converted(),
        ),
        (
            "claude-sonnet-4-5",
            Reasoning::Budget(2000),
            json!({"type":"enabled","budget_tokens":2000}),
            json!(null),
            nothing.clone(),
        ),
        (
            "claude-sonnet-4-5",
            Reasoning::Budget(10),
            json!({"type":"enabled","budget_tokens":1024}),
            json!(null),
            converted(),
        ),
        ("claude-sonnet-4-5", Reasoning::Disabled, json!({"type": "disabled"}), json!(null), nothing.clone()),
        ("claude-fable-5", effort("none"), json!(null), json!(null), refused()),
        ("claude-sonnet-5-5", Reasoning::Disabled, json!({"type": "between_tools"}), json!(null), converted()),
        ("claude-3-5-sonnet-20240620", effort("low"), json!(null), json!(null), refused()),
        ("claude-3-5-sonnet-20240620", effort("none"), json!(null), json!(null), nothing.clone()),
        ("claude-opus-4-8", effort("heroic"), json!(null), json!(null), refused()),
    ] {
        assert_eq!(asked(model, wish.clone()), (thinking, word, losses), "{model} {wish:?}");
    }
    let tight = ChatRequest { reasoning: Some(Reasoning::Budget(1024)), max_output_tokens: Some(1000), ..asking() };
    assert_eq!(encode(&tight, &target("claude-sonnet-4-5")).losses, refused(), "the budget must stay under the bound");
}

#[test]
fn manual_thinking_rules_out_sampling_and_forced_calls() {
    let request = ChatRequest {
        reasoning: Some(Reasoning::Budget(1024)),
        temperature: Some(0.2),
        top_p: Some(0.5),
        tools: vec![tool(None, None)],
        tool_choice: Some(ToolChoice::Required),
        ..asking()
    };
    assert_eq!(
        encode(&request, &target(OLD)).losses,
        ["unsupported temperature", "unsupported top_p", "unsupported tool_choice"]
    );
    assert_eq!(version_header(&request, &target(OLD)), "2026-10-21");
}

#[test]
fn a_running_turn_without_its_thinking_goes_on_without_thinking_only_by_a_budget() {
    let thought = ReasoningPart {
        text: "t".into(),
        signature: Some("S".into()),
        redacted: false,
        origin: Dialect::AnthropicMessages,
    };
    let call = ToolCall { id: "c".into(), name: "f".into(), arguments: "{}".into(), signature: None };
    let result = ToolResult { call_id: "c".into(), name: None, parts: Vec::new(), is_error: false };
    let running = |said: Vec<Part>| {
        let turn = |role, parts| Turn { role, parts };
        let turns = vec![
            turn(Role::User, vec![Part::Text("q".into())]),
            turn(Role::Assistant, said),
            turn(Role::Tool, vec![Part::ToolResult(result.clone())]),
        ];
        ChatRequest { reasoning: Some(Reasoning::Budget(2000)), turns, ..asking() }
    };
    let bare = running(vec![Part::ToolCall(call.clone())]);
    let whole = running(vec![Part::Reasoning(thought), Part::ToolCall(call)]);
    let written = encode(&bare, &target(OLD));
    assert_eq!(
        (&written.body["thinking"], written.losses),
        (&json!(null), vec!["converted reasoning_effort".to_owned()])
    );
    assert_eq!(encode(&whole, &target(OLD)).body["thinking"]["budget_tokens"], 2000);
    // Adaptive thinking does not ask for it.
    assert_eq!(encode(&bare, &target(NEW)).body["thinking"]["type"], "adaptive");
    // A new question ends the turn.
    let mut asked = bare;
    asked.turns.push(Turn { role: Role::User, parts: vec![Part::Text("and?".into())] });
    assert_eq!(encode(&asked, &target(OLD)).body["thinking"]["budget_tokens"], 2000);
}

#[test]
fn tool_choice_is_translated_and_never_weakened_in_silence() {
    let written = |model: &str, choice: Option<ToolChoice>, parallel: Option<bool>| {
        let request = ChatRequest {
            tools: vec![tool(None, None)],
            tool_choice: choice,
            parallel_tool_calls: parallel,
            ..asking()
        };
        let written = encode(&request, &target(model));
        (written.body["tool_choice"].clone(), written.losses)
    };
    assert_eq!(written(OLD, Some(ToolChoice::Required), None), (json!({"type": "any"}), vec![]));
    assert_eq!(
        written(OLD, Some(ToolChoice::Named("f".into())), Some(false)),
        (json!({"type": "tool", "name": "f", "disable_parallel_tool_use": true}), vec![])
    );
    assert_eq!(written(OLD, None, Some(false)), (json!({"type": "auto", "disable_parallel_tool_use": true}), vec![]));
    assert_eq!(written(OLD, Some(ToolChoice::None), Some(false)), (json!({"type": "none"}), vec![]));
    for model in ["claude-opus-5-5", "claude-sonnet-5-5", "claude-fable-5-1"] {
        let (_, losses) = written(model, Some(ToolChoice::Required), None);
        assert_eq!(losses, ["unsupported tool_choice"], "{model}");
    }
    let without = ChatRequest { tool_choice: Some(ToolChoice::Required), parallel_tool_calls: Some(false), ..asking() };
    assert_eq!(encode(&without, &target(OLD)).losses, ["unsupported tool_choice"]);
}

#[test]
fn tools_get_an_object_schema() {
    let schema = |parameters: Option<&str>, strict| {
        let written = encode(&ChatRequest { tools: vec![tool(parameters, strict)], ..asking() }, &target(OLD));
        (written.body["tools"][0].clone(), written.losses)
    };
    assert_eq!(schema(None, None).0["input_schema"], json!({"type": "object"}));
    assert_eq!(
        schema(Some("{}"), None),
        (json!({"name": "f", "description": "d", "input_schema": {"type": "object"}}), vec![])
    );
    let open = r#"{"type":"object","properties":{"a":{"type":"string","minLength":1}}}"#;
    assert_eq!(schema(Some(open), Some(false)).1, [""; 0], "only strict schemas are compiled");
    let (wire, losses) = schema(Some(open), Some(true));
    assert_eq!(wire["strict"], true);
    assert_eq!(
        losses,
        [
            "unsupported tools[0].function.parameters.properties.a.minLength",
            "converted tools[0].function.parameters.additionalProperties"
        ]
    );
    assert_eq!(schema(None, Some(true)).1, [""; 0]);
    assert_eq!(schema(Some(r#"{"type":"string"}"#), None).1, ["unsupported tools[0].function.parameters"]);
    let named = Tool { name: "a.b".into(), ..tool(None, None) };
    let written = encode(&ChatRequest { tools: vec![named], ..asking() }, &target(OLD));
    assert_eq!(written.losses, ["unsupported tools[0].function.name"]);
}

#[test]
fn a_json_schema_becomes_the_output_format() {
    let format = |traits: ModelTraits| {
        let schema = raw(
            r#"{"type":"object","properties":{"b":{"type":"null"},"a":{"type":"null"}},"required":["a","b"],"additionalProperties":false}"#,
        );
        let format = Format::JsonSchema { name: "n".into(), description: None, schema, strict: Some(true) };
        let request =
            ChatRequest { format: Some(format), reasoning: Some(Reasoning::Effort("low".into())), ..asking() };
        super::super::encode(&request, &Target { traits, ..target(NEW) })
    };
    let written = format(ModelTraits::PERMISSIVE);
    let text = String::from_utf8(written.body).unwrap();
    let expected = r#""output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{"b":"#;
    assert!(text.contains(expected), "the order of properties is the order of the answer: {text}");
    assert_eq!(written.losses.len(), 1, "only the name has no place");
    let unable = format(ModelTraits { json_schema: false, ..ModelTraits::PERMISSIVE });
    assert_eq!(unable.losses[0].field, "response_format");
}

#[test]
fn service_tiers_are_translated_by_meaning() {
    let tier = |json: &str| {
        let written = encode(&ChatRequest { extras: vec![extra("service_tier", json)], ..asking() }, &target(OLD));
        (written.body["service_tier"].clone(), written.losses.len())
    };
    assert_eq!(tier("\"auto\""), (json!("auto"), 0));
    assert_eq!(tier("\"default\""), (json!("standard_only"), 0));
    assert_eq!(tier("\"priority\""), (json!(null), 1));
    assert_eq!(tier("\"flex\""), (json!(null), 1));
}

#[test]
fn stop_user_and_stream_are_carried() {
    let request =
        ChatRequest { stop: vec!["END".into(), "\n".into()], user: Some("u1".into()), stream: true, ..asking() };
    let written = encode(&request, &target(OLD));
    assert_eq!(written.body["stop_sequences"], json!(["END"]));
    assert_eq!(written.body["metadata"], json!({"user_id": "u1"}));
    assert_eq!(written.body["stream"], true);
    assert_eq!(written.losses, ["unsupported stop[1]"], "Anthropic refuses whitespace");
    let long = encode(&ChatRequest { user: Some("u".repeat(257)), ..asking() }, &target(OLD));
    assert_eq!((&long.body["metadata"], long.losses), (&json!(null), vec!["advisory user".to_owned()]));
}
