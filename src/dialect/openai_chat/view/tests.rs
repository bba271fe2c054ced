//! The caller's mistakes are named; the facts are right; nothing else is refused.

use super::*;
use crate::error::ErrorKind;

fn refused(body: &str) -> (String, String) {
    let error = view(body.as_bytes()).unwrap_err();
    assert_eq!((error.kind, error.status()), (ErrorKind::InvalidRequest, 400), "{body}");
    (error.param.unwrap_or_default(), error.message)
}

/// A legal request with more members.
fn with(members: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#)
}

fn with_messages(messages: &str) -> String {
    format!(r#"{{"model":"m","messages":{messages}}}"#)
}

#[test]
fn every_wrong_member_is_named() {
    for (members, param) in [
        (r#""stream":"yes""#, "stream"),
        (r#""stream":1"#, "stream"),
        (r#""stream_options":true"#, "stream_options"),
        (r#""stream_options":{"include_usage":"yes"}"#, "stream_options.include_usage"),
        (r#""temperature":"hot""#, "temperature"),
        (r#""temperature":2.1"#, "temperature"),
        (r#""temperature":-0.1"#, "temperature"),
        (r#""top_p":1.5"#, "top_p"),
        (r#""frequency_penalty":-3"#, "frequency_penalty"),
        (r#""presence_penalty":[]"#, "presence_penalty"),
        (r#""max_tokens":0"#, "max_tokens"),
        (r#""max_tokens":-2"#, "max_tokens"),
        (r#""max_tokens":1.5"#, "max_tokens"),
        (r#""max_tokens":"10""#, "max_tokens"),
        (r#""max_completion_tokens":-1"#, "max_completion_tokens"),
        (r#""max_completion_tokens":5,"max_tokens":6"#, "max_completion_tokens"),
        (r#""n":0"#, "n"),
        (r#""n":"2""#, "n"),
        (r#""seed":"x""#, "seed"),
        (r#""seed":1.5"#, "seed"),
        (r#""stop":5"#, "stop"),
        (r#""stop":["a",5]"#, "stop"),
        (r#""logit_bias":[]"#, "logit_bias"),
        (r#""logprobs":2"#, "logprobs"),
        (r#""top_logprobs":-1"#, "top_logprobs"),
        (r#""tools":{}"#, "tools"),
        (r#""tools":["f"]"#, "tools[0]"),
        (r#""tools":[{"type":"function"}]"#, "tools[0].function"),
        (
            r#""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":""}}]"#,
            "tools[1].function.name",
        ),
        (r#""tools":[{"type":"function","function":{"name":7}}]"#, "tools[0].function.name"),
        (r#""tools":[{"type":7}]"#, "tools[0].type"),
        (r#""tools":[{}]"#, "tools[0].type"),
        (r#""functions":[{"description":"x"}]"#, "functions[0].name"),
        (r#""tool_choice":"sometimes""#, "tool_choice"),
        (r#""tool_choice":true"#, "tool_choice"),
        (r#""functions":[{"name":"f"}],"function_call":"x""#, "function_call"),
        (r#""function_call":{}"#, "function_call.name"),
        (r#""tool_choice":{}"#, "tool_choice.type"),
        (r#""tool_choice":{"type":"function"}"#, "tool_choice.function"),
        (r#""tool_choice":{"type":"function","function":{}}"#, "tool_choice.function.name"),
        (r#""function_call":{"name":""}"#, "function_call.name"),
        (r#""parallel_tool_calls":"no""#, "parallel_tool_calls"),
        (r#""response_format":"json""#, "response_format"),
        (r#""response_format":{}"#, "response_format.type"),
        (r#""response_format":{"type":"json_schema"}"#, "response_format.json_schema"),
        (
            r#""response_format":{"type":"json_schema","json_schema":{"schema":"x"}}"#,
            "response_format.json_schema.schema",
        ),
        (r#""reasoning_effort":3"#, "reasoning_effort"),
        (r#""reasoning":"high""#, "reasoning"),
        (r#""user":{}"#, "user"),
        (r#""metadata":"x""#, "metadata"),
        (r#""store":"no""#, "store"),
        (r#""service_tier":1"#, "service_tier"),
        (r#""modalities":"text""#, "modalities"),
        (r#""modalities":[1]"#, "modalities"),
        (r#""model":"again""#, "model"),
    ] {
        let (named, message) = refused(&with(members));
        assert_eq!(named, param, "{members}");
        let root = param.split(['.', '[']).next().unwrap_or_default();
        assert!(message.contains(root), "{message}");
    }
}

#[test]
fn every_wrong_message_is_named_with_its_place() {
    for (messages, param) in [
        ("null", "messages"),
        ("[]", "messages"),
        (r#"{"role":"user"}"#, "messages"),
        (r#"["hi"]"#, "messages[0]"),
        (r#"[{"role":"user","content":"a"},["user","b"]]"#, "messages[1]"),
        (r#"[{"content":"a"}]"#, "messages[0].role"),
        (r#"[{"role":"user","content":"a"},{"role":"model","content":"b"}]"#, "messages[1].role"),
        (r#"[{"role":7,"content":"a"}]"#, "messages[0].role"),
        (r#"[{"role":"user"}]"#, "messages[0].content"),
        (r#"[{"role":"user","content":null}]"#, "messages[0].content"),
        (
            r#"[{"role":"system","content":"s"},{"role":"user","content":"a"},{"role":"user","content":42}]"#,
            "messages[2].content",
        ),
        (r#"[{"role":"assistant","content":{}}]"#, "messages[0].content"),
        (r#"[{"role":"tool","tool_call_id":"c"}]"#, "messages[0].content"),
        (r#"[{"role":"tool","tool_call_id":7,"content":"x"}]"#, "messages[0].tool_call_id"),
        (r#"[{"role":"user","name":7,"content":"x"}]"#, "messages[0].name"),
        (r#"[{"role":"assistant","tool_calls":{}}]"#, "messages[0].tool_calls"),
        (r#"[{"role":"user","content":["text"]}]"#, "messages[0].content[0]"),
        (r#"[{"role":"user","content":[{"text":"no type"}]}]"#, "messages[0].content[0].type"),
        (r#"[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text"}]}]"#, "messages[0].content[1].text"),
        (r#"[{"role":"user","content":[{"type":"image_url"}]}]"#, "messages[0].content[0].image_url"),
        (
            r#"[{"role":"user","content":[{"type":"input_audio","input_audio":1}]}]"#,
            "messages[0].content[0].input_audio",
        ),
        (r#"[{"role":"user","content":[{"type":"file","file":"x"}]}]"#, "messages[0].content[0].file"),
    ] {
        assert_eq!(refused(&with_messages(messages)).0, param, "{messages}");
    }
}

#[test]
fn bodies_that_are_no_request_are_refused_before_anything_else() {
    assert_eq!(refused(r#"{"messages":[{"role":"user","content":"x"}]}"#).0, "model");
    assert_eq!(refused(r#"{"model":null,"messages":[]}"#).0, "model");
    assert_eq!(refused(r#"{"model":" ","messages":[]}"#).0, "model");
    assert_eq!(refused(r#"{"model":7,"messages":[]}"#).0, "model");
    assert_eq!(refused(r#"{"model":"m"}"#).0, "messages");
    for body in ["", "[]", "\"x\"", "{", r#"{"model":"m",}"#] {
        let (param, message) = refused(body);
        assert_eq!(param, "");
        assert!(message.contains("JSON"), "{message}");
    }
}

#[test]
fn what_only_some_servers_know_passes() {
    for members in [
        r#""temperature":null,"stop":null,"tools":null,"response_format":null,"n":null"#,
        r#""temperature":2,"top_p":0,"max_tokens":10,"max_completion_tokens":10,"seed":-3"#,
        r#""top_k":-1,"min_p":0.1,"repetition_penalty":1.1,"chat_template_kwargs":{"a":[]}"#,
        r#""models":["a"],"provider":{"order":[]},"session_id":"s""#,
        r#""tools":[],"tool_choice":"any","safe_prompt":true,"random_seed":3"#,
        r#""tools":[{"function":{"name":"typeless"}}]"#,
        r#""tools":[{"type":"custom","custom":{"name":"g"}},{"type":"web_search"}],"tool_choice":{"type":"custom","custom":{"name":"g"}}"#,
        r#""response_format":{"type":"grammar","value":"x"}"#,
        r#""reasoning":{"max_tokens":5},"thinking":{"type":"enabled"},"enable_thinking":false"#,
    ] {
        view(with(members).as_bytes()).unwrap_or_else(|error| panic!("{members}: {error}"));
    }
    for messages in [
        r#"[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"video_url","video_url":{}}]}]"#,
        r#"[{"role":"user","content":[]},{"role":"assistant","content":null,"tool_calls":[]},{"role":"assistant"}]"#,
        r#"[{"role":"assistant","function_call":{"name":"f","arguments":""}},{"role":"function","name":"f","content":null}]"#,
        r#"[{"role":"user","content":"x","name":null,"tool_calls":null}]"#,
    ] {
        view(with_messages(messages).as_bytes()).unwrap_or_else(|error| panic!("{messages}: {error}"));
    }
}

#[test]
fn needs_are_what_the_request_uses() {
    let needs = |members: &str| view(with(members).as_bytes()).unwrap().needs;
    assert_eq!(
        needs(r#""temperature":1,"top_p":1.0,"tools":[],"response_format":{"type":"text"},"reasoning_effort":"none""#),
        Default::default()
    );
    assert!(needs(r#""tools":[{"type":"function","function":{"name":"f"}}]"#).tools);
    assert!(needs(r#""functions":[{"name":"f"}]"#).tools);
    for choice in [
        r#""required""#,
        r#"{"type":"function","function":{"name":"f"}}"#,
        r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}"#,
    ] {
        assert!(needs(&format!(r#""tool_choice":{choice}"#)).forced_tools, "{choice}");
    }
    for choice in [r#""auto""#, r#""none""#, r#"{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}"#] {
        assert!(!needs(&format!(r#""tool_choice":{choice}"#)).forced_tools, "{choice}");
    }
    assert!(needs(r#""response_format":{"type":"json_object"}"#).json_object);
    assert!(needs(r#""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{}}}"#).json_schema);
    for members in [
        r#""reasoning_effort":"low""#,
        r#""reasoning":{"effort":"high"}"#,
        r#""reasoning":{"max_tokens":9}"#,
        r#""thinking":{"type":"enabled"}"#,
        r#""enable_thinking":true"#,
    ] {
        assert!(needs(members).reasoning, "{members}");
    }
    assert!(!needs(r#""thinking":{"type":"disabled"},"enable_thinking":false"#).reasoning);
    for members in [r#""temperature":0"#, r#""top_p":0.9"#, r#""top_k":40"#] {
        assert!(needs(members).sampling, "{members}");
    }
    let body = with_messages(
        r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}},{"type":"input_audio","input_audio":{}},{"type":"file","file":{}}]},
            {"role":"assistant","tool_calls":[{"id":"c"}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#,
    );
    let needs = view(body.as_bytes()).unwrap().needs;
    assert!(needs.vision && needs.audio && needs.files && needs.tool_results);
}

#[test]
fn the_bound_the_effort_and_the_usage_wish_are_read() {
    let body = with(
        r#""max_completion_tokens":77,"stream":true,"stream_options":{"include_usage":true},"reasoning":{"effort":"high"}"#,
    );
    let view = view(body.as_bytes()).unwrap();
    assert_eq!(view.max_output_tokens, Some(77));
    assert!(view.stream && view.include_usage);
    assert_eq!(view.effort.as_deref(), Some("high"));
    assert_eq!(view.turns, 1);
    assert_eq!(view.members.raw("model").unwrap().get(), "\"m\"");
}

#[test]
fn tokens_are_estimated_from_text_and_tools_but_not_from_media() {
    let tokens = |messages: &str| view(with_messages(messages).as_bytes()).unwrap().estimated_input_tokens;
    let text = "word ".repeat(400);
    let plain = tokens(&format!(r#"[{{"role":"user","content":"{text}"}}]"#));
    assert_eq!(plain, 500);
    let picture = "A".repeat(100_000);
    let media = tokens(&format!(
        r#"[{{"role":"user","content":[{{"type":"text","text":"{text}"}},{{"type":"image_url","image_url":{{"url":"data:image/png;base64,{picture}"}}}}]}}]"#
    ));
    assert_eq!(media, plain);
    let tool = with(r#""tools":[{"type":"function","function":{"name":"f","description":"what it does"}}]"#);
    assert!(view(tool.as_bytes()).unwrap().estimated_input_tokens > tokens(r#"[{"role":"user","content":"hi"}]"#));
}

#[test]
fn the_sample_is_the_last_user_text() {
    let sample = |messages: &str| view(with_messages(messages).as_bytes()).unwrap().sample.into_owned();
    assert_eq!(
        sample(
            r#"[{"role":"user","content":"first"},{"role":"assistant","content":"a"},{"role":"user","content":"l\u00e4st\n"}]"#
        ),
        "läst\n"
    );
    assert_eq!(
        sample(
            r#"[{"role":"user","content":[{"type":"text","text":"one"},{"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"two"}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#
        ),
        "one\ntwo"
    );
    assert_eq!(
        sample(
            r#"[{"role":"user","content":"asked"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]"#
        ),
        "asked"
    );
    assert_eq!(sample(r#"[{"role":"system","content":"s"}]"#), "");
}

#[test]
fn a_long_turn_is_sampled_at_both_ends_wherever_the_cut_falls() {
    for padding in 0..9 {
        let filler = "x".repeat(padding) + &"é\\n\\u4e2d😀".repeat(3_000);
        let body = with_messages(&format!(r#"[{{"role":"user","content":"begin {filler} end"}}]"#));
        let sample = view(body.as_bytes()).unwrap().sample.into_owned();
        assert!(sample.starts_with("begin ") && sample.ends_with(" end"), "{padding}");
        assert!(sample.len() < 2 * SAMPLE_END_BYTES + 16);
        assert!(sample.contains("é\n中😀"));
    }
}
