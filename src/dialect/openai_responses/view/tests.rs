use super::*;

fn viewed(body: &str) -> View<'_> {
    view(body.as_bytes()).unwrap_or_else(|error| panic!("{error}: {body}"))
}

#[test]
fn the_facts_of_a_request_are_read_from_its_members_and_items() {
    let body = r#"{"model":"m","stream":true,"max_output_tokens":99,"temperature":0.2,"instructions":"Be brief.",
        "reasoning":{"effort":"high"},"tools":[{"type":"function","name":"f","parameters":{}}],"tool_choice":"required",
        "text":{"format":{"type":"json_schema","name":"n","schema":{}}},
        "input":[{"role":"user","content":[{"type":"input_text","text":"first"},{"type":"input_image","image_url":"https://x/y.png"}]},
        {"type":"reasoning","id":"rs","summary":[],"encrypted_content":"AAAA"},
        {"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"ok"},
        {"role":"user","content":"last \"quoted\" words"}]}"#;
    let view = viewed(body);
    assert!(view.stream && view.include_usage);
    assert_eq!((view.model.as_ref(), view.max_output_tokens, view.turns), ("m", Some(99), 5));
    assert_eq!(view.effort.as_deref(), Some("high"));
    let needs = view.needs;
    assert!(needs.tools && needs.forced_tools && needs.vision && needs.json_schema && needs.reasoning);
    assert!(needs.tool_results && needs.sampling && !needs.files && !needs.audio && !needs.json_object);
    assert_eq!(view.sample, "last \"quoted\" words");
    assert!(view.estimated_input_tokens > 20);
}

#[test]
fn a_plain_input_is_one_turn_and_defaults_need_nothing() {
    let view = viewed(
        r#"{"model":"m","input":"Hello","temperature":1,"top_p":1.0,"tool_choice":"auto","reasoning":{"effort":"none"}}"#,
    );
    assert_eq!((view.turns, view.sample.as_ref(), view.needs), (1, "Hello", Default::default()));
}

#[test]
fn encrypted_reasoning_costs_no_estimate_and_allowed_tools_force_only_when_they_say_so() {
    let sealed = "A".repeat(40_000);
    let body = format!(
        r#"{{"model":"m","tools":[{{"type":"function","name":"f"}}],"tool_choice":{{"type":"allowed_tools","mode":"auto","tools":[]}},"input":[{{"type":"reasoning","summary":[],"encrypted_content":"{sealed}"}},{{"role":"user","content":"x"}}]}}"#
    );
    let seen = viewed(&body);
    assert!(seen.estimated_input_tokens < 100 && !seen.needs.forced_tools);
    let forced = body.replace("\"auto\"", "\"required\"");
    assert!(viewed(&forced).needs.forced_tools);
}

#[test]
fn what_is_wrong_is_named_by_its_path() {
    let cases = [
        ("{", None),
        (r#"{"input":"x"}"#, Some("model")),
        (r#"{"model":"m"}"#, Some("input")),
        (r#"{"model":"m","input":[]}"#, Some("input")),
        (r#"{"model":"m","input":7}"#, Some("input")),
        (r#"{"model":"m","input":["x"]}"#, Some("input[0]")),
        (r#"{"model":"m","input":[{"role":"tool","content":"x"}]}"#, Some("input[0].role")),
        (r#"{"model":"m","input":[{"role":"user"}]}"#, Some("input[0].content")),
        (
            r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]}"#,
            Some("input[0].content[0].text"),
        ),
        (r#"{"model":"m","input":"x","temperature":3}"#, Some("temperature")),
        (r#"{"model":"m","input":"x","max_output_tokens":0}"#, Some("max_output_tokens")),
        (r#"{"model":"m","input":"x","tools":[{"type":"function"}]}"#, Some("tools[0].name")),
        (r#"{"model":"m","input":"x","tools":[{"name":"f"}]}"#, Some("tools[0].type")),
        (r#"{"model":"m","input":"x","tool_choice":"any"}"#, Some("tool_choice")),
        (
            r#"{"model":"m","input":"x","text":{"format":{"type":"json_schema","name":"n"}}}"#,
            Some("text.format.schema"),
        ),
        (r#"{"model":"m","input":"x","stream":"yes"}"#, Some("stream")),
        (r#"{"model":"m","input":"x","input":"y"}"#, Some("input")),
    ];
    for (body, param) in cases {
        let error = view(body.as_bytes()).unwrap_err();
        assert_eq!((error.param.as_deref(), error.status()), (param, 400), "{body}");
    }
}

#[test]
fn what_a_provider_remembers_stands_for_input_and_unknown_items_pass() {
    viewed(r#"{"model":"m","previous_response_id":"resp_1"}"#);
    viewed(r#"{"model":"m","prompt":{"id":"pmpt_1"},"new_member":[1]}"#);
    viewed(
        r#"{"model":"m","input":[{"type":"new_item","content":[1,"a",{"type":"x"}]},{"type":"item_reference","id":"x"}]}"#,
    );
}
