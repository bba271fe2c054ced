use super::*;
use serde_json::json;

use crate::dialect::{Dialect, Encoded, ModelTraits, Target};

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// `wire.md` §2.1, the row of OpenAI.
#[test]
fn openais_strict_subset_takes_closed_objects_whose_properties_are_all_required() {
    let strict = |text: &str| beyond_openai_strict(&raw(text));
    let closed = |properties: &str, required: &str| {
        format!(
            r#"{{"type":"object","properties":{{{properties}}},"required":[{required}],"additionalProperties":false}}"#
        )
    };
    let good = closed(
        r#""a":{"anyOf":[{"type":"string","pattern":"^x"},{"type":"null"}]},"b":{"type":"array","items":{"enum":[1]}}"#,
        r#""a","b""#,
    );
    assert_eq!(strict(&good), None);
    for (schema, what) in [
        (closed(r#""a":{"type":"string"}"#, ""), "an optional property at $"),
        (r#"{"type":"object","properties":{}}"#.to_owned(), "an object that is not closed at $"),
        (r#"{"type":"array","items":{}}"#.to_owned(), "the root must be an object"),
        (closed(r#""a":{"allOf":[{"type":"string"}]}"#, r#""a""#), "allOf at $.properties.a"),
        (
            closed(r#""a":{"type":"array","items":{"type":"object"}}"#, r#""a""#),
            "an object that is not closed at $.properties.a.items",
        ),
        (
            closed(r#""a":{"type":"string","pattern":"(?=x)"}"#, r#""a""#),
            "a pattern that looks around at $.properties.a",
        ),
    ] {
        assert_eq!(strict(&schema).as_deref(), Some(what), "{schema}");
    }
    let deep = closed(&format!(r#""a":{}{{}}{}"#, r#"{"items":"#.repeat(200), "}".repeat(200)), r#""a""#);
    assert_eq!(strict(&deep).as_deref(), Some("it is nested too deeply"));
}

#[test]
fn a_definition_that_needs_itself_is_found_through_any_reference_or_through_required_ones() {
    let tree = |required: &str| {
        raw(&format!(
            r##"{{"type":"object","properties":{{"root":{{"$ref":"#/definitions/N"}}}},"required":["root"],
            "definitions":{{"N":{{"type":"object","properties":{{"next":{{"$ref":"#/$defs/N"}}}},"required":[{required}]}}}}}}"##
        ))
    };
    assert_eq!(recursion(&tree(""), Through::Anything).as_deref(), Some("#/$defs/N"));
    assert_eq!(recursion(&tree(""), Through::Required), None);
    assert_eq!(recursion(&tree(r#""next""#), Through::Required).as_deref(), Some("#/$defs/N"));
    let itself = raw(r##"{"type":"object","properties":{"child":{"$ref":"#"}}}"##);
    assert_eq!(recursion(&itself, Through::Anything).as_deref(), Some("#"));
    let shared =
        raw(r##"{"properties":{"a":{"$ref":"#/$defs/S"},"b":{"$ref":"#/$defs/S"}},"$defs":{"S":{"type":"string"}}}"##);
    assert_eq!(recursion(&shared, Through::Anything), None, "used twice is no loop");
}

#[test]
fn what_openai_would_refuse_as_strict_is_told_before_it_is_asked_in_either_of_its_dialects() {
    const CHAT: Dialect = Dialect::OpenAiChat;
    const RESPONSES: Dialect = Dialect::OpenAiResponses;
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": false});
    let optional = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": [], "additionalProperties": false});
    for (schema, fits) in [(closed, true), (optional, false)] {
        let user = json!([{"role": "user", "content": "hi"}]);
        let of_chat = json!({"model": "m", "messages": user,
            "tools": [{"type": "function", "function": {"name": "f", "parameters": schema, "strict": true}}],
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}}});
        let of_responses = json!({"model": "m", "input": user,
            "tools": [{"type": "function", "name": "f", "parameters": schema, "strict": true}],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": schema, "strict": true}}});
        let of_claude = json!({"model": "m", "max_tokens": 9, "messages": user,
            "tools": [{"name": "f", "input_schema": schema, "strict": true}],
            "output_config": {"format": {"type": "json_schema", "schema": schema}}});
        for (from, body) in [(CHAT, &of_chat), (RESPONSES, &of_responses), (Dialect::AnthropicMessages, &of_claude)] {
            for (to, provider) in [(CHAT, "openai"), (CHAT, "azure"), (RESPONSES, "openai"), (RESPONSES, "azure")] {
                let request = from.decode_request(body.to_string().as_bytes()).unwrap();
                let traits = ModelTraits::PERMISSIVE;
                let target = Target { provider, model: "any", traits, max_output_tokens: None };
                let Encoded { body, losses } = to.encode_request(&request, &target);
                let body = String::from_utf8(body).unwrap();
                let about = |word: &str| losses.iter().filter(|loss| loss.reason.contains(word)).count();
                let case = format!("{} → {} {provider}: {losses:?}", from.name(), to.name());
                assert_eq!(body.matches("\"strict\":true").count(), if fits { 2 } else { 0 }, "{case}");
                let told = if fits { (0, 0) } else { (2, 0) };
                assert_eq!((about("subset that is enforced"), about("schema guides")), told, "{case}");
            }
        }
    }
}
