//! A caller's body: every member has a place, or an extra that says what its absence would mean (`wire.md` §2).

use crate::dialect::canonical::{
    ChatRequest, Format, Media, MediaSource, Part, Reasoning, ReasoningPart, Role, ToolChoice,
};
use crate::dialect::openai_chat::request::decode;
use crate::dialect::Dialect;

fn with(members: &str) -> ChatRequest {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}],{members}}}"#);
    decode(body.as_bytes()).unwrap_or_else(|error| panic!("{members}: {error}"))
}

fn with_messages(messages: &str) -> ChatRequest {
    let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
    decode(body.as_bytes()).unwrap_or_else(|error| panic!("{messages}: {error}"))
}

/// Name, advisory, default of every extra.
fn extras(request: &ChatRequest) -> Vec<(&str, &str)> {
    let meaning = |extra: &crate::dialect::canonical::Extra| match (extra.is_default, extra.advisory) {
        (true, _) => "default",
        (false, true) => "advisory",
        (false, false) => "matters",
    };
    request.extras.iter().map(|extra| (extra.field.as_str(), meaning(extra))).collect()
}

#[test]
fn each_member_without_a_place_says_what_its_absence_means() {
    for (members, expected) in [
        (r#""logit_bias":{}"#, ("logit_bias", "default")),
        (r#""logit_bias":{"50256":-100}"#, ("logit_bias", "matters")),
        (r#""store":false"#, ("store", "default")),
        (r#""store":true"#, ("store", "matters")),
        (r#""verbosity":"medium""#, ("verbosity", "default")),
        (r#""verbosity":"low""#, ("verbosity", "matters")),
        (r#""service_tier":"auto""#, ("service_tier", "default")),
        (r#""service_tier":"default""#, ("service_tier", "advisory")),
        (r#""service_tier":"flex""#, ("service_tier", "matters")),
        (r#""modalities":["text"]"#, ("modalities", "default")),
        (r#""modalities":["text","audio"]"#, ("modalities", "matters")),
        (r#""metadata":{"a":"b"}"#, ("metadata", "advisory")),
        (r#""metadata":{}"#, ("metadata", "default")),
        (r#""prompt_cache_key":"k""#, ("prompt_cache_key", "advisory")),
        (r#""prompt_cache_options":{"mode":"explicit"}"#, ("prompt_cache_options", "advisory")),
        (r#""prompt_cache_retention":"24h""#, ("prompt_cache_retention", "advisory")),
        (r#""prediction":{"type":"content"}"#, ("prediction", "advisory")),
        (r#""audio":{"voice":"x"}"#, ("audio", "matters")),
        (r#""web_search_options":{}"#, ("web_search_options", "matters")),
        (r#""moderation":{"model":"x"}"#, ("moderation", "matters")),
        (r#""min_p":0.1"#, ("min_p", "matters")),
        (r#""top_logprobs":3"#, ("top_logprobs", "matters")),
        (r#""top_logprobs":0"#, ("top_logprobs", "default")),
        (r#""top_k":-1"#, ("top_k", "default")),
        (r#""user":"u","safety_identifier":"s""#, ("safety_identifier", "advisory")),
        (
            r#""stream_options":{"include_usage":true,"include_obfuscation":true}"#,
            ("stream_options.include_obfuscation", "advisory"),
        ),
        (r#""stream_options":{"include_obfuscation":false}"#, ("stream_options.include_obfuscation", "default")),
        (r#""tools":[{"type":"custom","custom":{"name":"g"}}]"#, ("tools[0]", "matters")),
        (
            r#""tools":[{"type":"function","function":{"name":"f"},"cache_control":{"type":"ephemeral"}}]"#,
            ("tools[0].cache_control", "advisory"),
        ),
        (
            r#""tools":[{"type":"function","function":{"name":"f","output_schema":{"a":1}}}]"#,
            ("tools[0].function.output_schema", "matters"),
        ),
        (r#""tool_choice":{"type":"custom","custom":{"name":"g"}}"#, ("tool_choice", "matters")),
        (r#""response_format":{"type":"grammar","grammar":"x"}"#, ("response_format", "matters")),
        (r#""reasoning":{"effort":"low","exclude":"yes"}"#, ("reasoning.exclude", "matters")),
        (r#""include_reasoning":false"#, ("include_reasoning", "default")),
    ] {
        assert_eq!(extras(&with(members)), [expected], "{members}");
    }
}

#[test]
fn members_at_rest_and_routings_members_leave_nothing() {
    let request = with(
        r#""n":1,"frequency_penalty":0,"presence_penalty":0.0,"logprobs":false,"response_format":{"type":"text"},"seed":null,
           "tools":null,"stop":null,"models":["a"],"provider":{"order":["x"]},"session_id":"s","fallbacks":["b"],"stream_options":{"include_usage":true},"reasoning":{"exclude":true}"#,
    );
    assert_eq!(extras(&request), []);
    assert_eq!(
        (request.n, request.frequency_penalty, request.presence_penalty, request.logprobs),
        (None, None, None, None)
    );
    assert!(request.format.is_none() && request.stop.is_empty() && request.include_usage);
}

#[test]
fn members_with_a_place_are_read() {
    let request = with(
        r#""max_tokens":9,"temperature":1,"top_p":0.5,"top_k":40,"stop":"x","n":3,"seed":-7,"frequency_penalty":0.5,"presence_penalty":-1,
           "logprobs":true,"top_logprobs":2,"user":"u","parallel_tool_calls":false,"reasoning_effort":"minimal","stream":true"#,
    );
    assert_eq!(request.origin, Some(Dialect::OpenAiChat));
    assert_eq!(
        (request.max_output_tokens, request.temperature, request.top_p, request.top_k),
        (Some(9), Some(1.0), Some(0.5), Some(40))
    );
    assert_eq!((request.stop.as_slice(), request.n, request.seed), (&["x".to_owned()][..], Some(3), Some(-7)));
    assert_eq!(
        (request.frequency_penalty, request.presence_penalty, request.logprobs),
        (Some(0.5), Some(-1.0), Some(2))
    );
    assert_eq!((request.user.as_deref(), request.parallel_tool_calls, request.stream), (Some("u"), Some(false), true));
    assert_eq!(request.reasoning, Some(Reasoning::Effort("minimal".into())));
    assert_eq!(with(r#""stop":["a","b"]"#).stop, ["a", "b"]);
    assert_eq!(with(r#""safety_identifier":"s""#).user.as_deref(), Some("s"));
    assert_eq!(with(r#""logprobs":true"#).logprobs, Some(0));
}

#[test]
fn thinking_is_read_in_every_servers_words() {
    for (members, expected) in [
        (r#""reasoning_effort":"none""#, Reasoning::Effort("none".into())),
        (r#""reasoning":{"effort":"high"}"#, Reasoning::Effort("high".into())),
        (r#""reasoning":{"max_tokens":2000}"#, Reasoning::Budget(2000)),
        (r#""reasoning":{"enabled":true}"#, Reasoning::Adaptive),
        (r#""reasoning":{"enabled":false}"#, Reasoning::Disabled),
        (r#""reasoning":{"effort":"high"},"reasoning_effort":"low""#, Reasoning::Effort("low".into())),
        (r#""thinking":{"type":"disabled"}"#, Reasoning::Disabled),
        (r#""thinking":{"type":"enabled"}"#, Reasoning::Adaptive),
        (r#""thinking":{"type":"enabled"},"reasoning_effort":"max""#, Reasoning::Effort("max".into())),
        (r#""thinking":{"type":"enabled","budget_tokens":1500}"#, Reasoning::Budget(1500)),
        (r#""enable_thinking":true"#, Reasoning::Adaptive),
        (r#""enable_thinking":false"#, Reasoning::Disabled),
        (r#""enable_thinking":true,"thinking_budget":50"#, Reasoning::Budget(50)),
        (r#""thinking_budget":50,"enable_thinking":true"#, Reasoning::Budget(50)),
    ] {
        assert_eq!(with(members).reasoning, Some(expected), "{members}");
    }
}

#[test]
fn tools_choices_and_formats_are_read() {
    let request = with(
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object", "x":1.0},"strict":true}},{"function":{"name":"g"}}],
           "tool_choice":{"type":"function","function":{"name":"g"}}"#,
    );
    assert_eq!(request.tools.len(), 2);
    assert_eq!(
        (request.tools[0].name.as_str(), request.tools[0].description.as_deref(), request.tools[0].strict),
        ("f", Some("d"), Some(true))
    );
    assert_eq!(
        request.tools[0].parameters.as_ref().unwrap().get(),
        r#"{"type":"object", "x":1.0}"#,
        "schemas stay as written"
    );
    assert!(request.tools[1].parameters.is_none());
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("g".into())));
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Required),
        (r#""any""#, ToolChoice::Required),
        (r#"{"type":"auto"}"#, ToolChoice::Auto),
    ] {
        assert_eq!(with(&format!(r#""tool_choice":{choice}"#)).tool_choice, Some(expected), "{choice}");
    }
    assert!(matches!(with(r#""response_format":{"type":"json_object"}"#).format, Some(Format::JsonObject)));
    let Some(Format::JsonSchema { name, description, schema, strict }) =
        with(r#""response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"a": 1},"strict":false}}"#).format
    else {
        panic!()
    };
    assert_eq!(
        (name.as_str(), description.as_deref(), schema.get(), strict),
        ("n", Some("d"), r#"{"a": 1}"#, Some(false))
    );
}

#[test]
fn allowed_tools_are_sent_alone_and_the_lost_prefix_is_told() {
    let request = with(
        r#""tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"g"}}],
           "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"g"}}]}}"#,
    );
    assert_eq!(request.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["g"]);
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    assert_eq!(extras(&request), [("tool_choice.allowed_tools", "advisory")]);
}

#[test]
fn legacy_functions_become_tools_and_their_results_find_their_calls() {
    let body = r#"{"model":"m","functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"},"messages":[
        {"role":"user","content":"hi"},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"x\":1}"}},
        {"role":"function","name":"f","content":"one"},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{\"x\":1}"}},
        {"role":"function","name":"f","content":"two"}]}"#;
    let request = decode(body.as_bytes()).unwrap();
    assert_eq!(request.tools[0].name, "f");
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    let ids: Vec<(&str, &str)> = request
        .turns
        .iter()
        .filter_map(|turn| match turn.parts.first() {
            Some(Part::ToolCall(call)) => Some(("call", call.id.as_str())),
            Some(Part::ToolResult(result)) => Some(("result", result.call_id.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(ids.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), ["call", "result", "call", "result"]);
    assert_eq!((ids[0].1, ids[2].1), (ids[1].1, ids[3].1));
    assert_ne!(ids[0].1, ids[2].1);
    let orphan = decode(br#"{"model":"m","messages":[{"role":"function","name":"f","content":"x"}]}"#).unwrap_err();
    assert_eq!(orphan.param.as_deref(), Some("messages[0].name"));
}

#[test]
fn every_part_of_a_user_turn_is_read() {
    let request = with_messages(
        r#"[{"role":"user","content":[
            {"type":"text","text":"look"},
            {"type":"image_url","image_url":{"url":"https://e.org/a.png","detail":"high"}},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"auto"}},
            {"type":"image_url","image_url":"https://e.org/b.png"},
            {"type":"input_audio","input_audio":{"data":"QUJD","format":"wav"}},
            {"type":"file","file":{"file_data":"data:application/pdf;base64,QQ==","filename":"a.pdf"}},
            {"type":"file","file":{"file_id":"file-1"}},
            {"type":"file","file":{"file_data":"QQ==","filename":"a.txt"}},
            {"type":"video_url","video_url":{"url":"v"}},
            {"type":"text","text":""}]}]"#,
    );
    let url = |url: &str| MediaSource::Url { url: url.into(), mime: None };
    let bytes = |mime: &str, data: &str| MediaSource::Base64 { mime: mime.into(), data: data.into() };
    let media = |source, detail: Option<&str>, name: Option<&str>| Media {
        source,
        detail: detail.map(Into::into),
        name: name.map(Into::into),
    };
    let parts = &request.turns[0].parts;
    assert_eq!(parts.len(), 9, "an empty text beside others says nothing");
    let of = |at: usize| match &parts[at] {
        Part::Image(media) | Part::Audio(media) | Part::File(media) => media.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(&parts[0], Part::Text(text) if text == "look"));
    assert_eq!(of(1), media(url("https://e.org/a.png"), Some("high"), None));
    assert_eq!(of(2), media(bytes("image/png", "QQ=="), None, None));
    assert_eq!(of(3), media(url("https://e.org/b.png"), None, None));
    assert_eq!(of(4), media(bytes("audio/wav", "QUJD"), None, None));
    assert_eq!(of(5), media(bytes("application/pdf", "QQ=="), None, Some("a.pdf")));
    assert_eq!(of(6), media(MediaSource::FileId { id: "file-1".into(), dialect: Dialect::OpenAiChat }, None, None));
    assert_eq!(of(7), media(bytes("text/plain", "QQ=="), None, Some("a.txt")));
    assert!(matches!(&parts[8], Part::Native { kind, .. } if kind == "video_url"));
}

#[test]
fn an_assistant_turn_holds_reasoning_text_refusal_and_calls_in_that_order() {
    let request = with_messages(
        r#"[{"role":"assistant","reasoning_content":"t","content":"a","refusal":"no","tool_calls":[
              {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"}},
              {"id":"c2","type":"custom","custom":{"name":"g","input":"x"}},
              {"id":"c3","function":{"name":"h","arguments":""},"signalbox":{"signature":"s"}}],"audio":{"id":"a1"},"annotations":[],"function_call":null},
            {"role":"tool","tool_call_id":"c1","name":"f","content":[{"type":"text","text":"r1"},{"type":"text","text":"r2"}]}]"#,
    );
    let kinds: Vec<String> = request.turns[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::Reasoning(block) => format!("thought {}", block.text),
            Part::Text(text) => format!("text {text}"),
            Part::Refusal(text) => format!("refusal {text}"),
            Part::ToolCall(call) => format!("call {} {} {} {:?}", call.id, call.name, call.arguments, call.signature),
            Part::Native { kind, .. } => kind.clone(),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "thought t",
            "text a",
            "refusal no",
            "audio",
            r#"call c1 f {"a": 1.0} None"#,
            "custom_tool_call",
            "call c3 h {} Some(\"s\")"
        ]
    );
    assert_eq!(request.turns[1].role, Role::Tool);
    let Part::ToolResult(result) = &request.turns[1].parts[0] else { panic!() };
    assert_eq!((result.call_id.as_str(), result.name.as_deref(), result.parts.len()), ("c1", Some("f"), 2));
    assert_eq!(extras(&request), [("messages[0].annotations", "default")]);
}

#[test]
fn replayed_reasoning_keeps_whose_it_is() {
    let block = |messages: &str| match with_messages(messages).turns.remove(0).parts.remove(0) {
        Part::Reasoning(block) => block,
        other => panic!("{other:?}"),
    };
    let ours = block(
        r#"[{"role":"assistant","content":"a","reasoning_content":"t","signalbox":{"reasoning":[{"index":0,"text":"t","signature":"s","redacted":false,"origin":"gemini"}]}}]"#,
    );
    assert_eq!(
        ours,
        ReasoningPart { text: "t".into(), signature: Some("s".into()), redacted: false, origin: Dialect::Gemini }
    );
    let unknown = block(r#"[{"role":"assistant","signalbox":{"reasoning":[{"signature":"s","origin":"elsewhere"}]}}]"#);
    assert_eq!(unknown.origin, Dialect::OpenAiChat);
    let openrouter = block(
        r#"[{"role":"assistant","reasoning":"t","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s"}]}]"#,
    );
    assert_eq!(
        openrouter,
        ReasoningPart { text: "t".into(), signature: Some("s".into()), redacted: false, origin: Dialect::OpenAiChat }
    );
    let empty = with_messages(r#"[{"role":"assistant","content":"a","reasoning_content":""}]"#);
    assert_eq!(empty.turns[0].parts.len(), 1);
}

#[test]
fn names_matter_where_they_tell_speakers_apart() {
    let two =
        with_messages(r#"[{"role":"user","name":"ann","content":"a"},{"role":"user","name":"bob","content":"b"}]"#);
    assert_eq!(extras(&two), [("messages[0].name", "matters"), ("messages[1].name", "matters")]);
    let one = with_messages(
        r#"[{"role":"user","name":"ann","content":"a"},{"role":"assistant","content":"x"},{"role":"user","name":"ann","content":"b"}]"#,
    );
    assert_eq!(extras(&one), [("messages[0].name", "advisory"), ("messages[2].name", "advisory")]);
    let some = with_messages(r#"[{"role":"user","name":"ann","content":"a"},{"role":"user","content":"b"}]"#);
    assert_eq!(extras(&some), [("messages[0].name", "matters")]);
}

#[test]
fn marks_on_parts_are_kept_by_their_place_and_unknown_members_matter() {
    let request = with_messages(
        r#"[{"role":"developer","content":[{"type":"text","text":"a","prompt_cache_breakpoint":{"mode":"explicit"}}]},
            {"role":"user","content":[{"type":"text","text":"b","cache_control":{"type":"ephemeral"},"image_url":null}]},
            {"role":"assistant","content":"c","prefix":true},
            {"role":"user","content":[{"type":"image_url","image_url":{"url":"u","format":"png"}}]},
            {"role":"assistant","tool_calls":[{"id":"i","index":0,"function":{"name":"f","arguments":"{}"},"ttl":5}]}]"#,
    );
    let marks: Vec<_> = request.cache_marks.iter().map(|m| (m.turn, m.part, m.extra.field.as_str())).collect();
    let expected = ["messages[0].content[0].prompt_cache_breakpoint", "messages[1].content[0].cache_control"];
    assert_eq!(marks, [(0, 0, expected[0]), (1, 0, expected[1])]);
    assert_eq!(request.turns[0].role, Role::System);
    assert_eq!(
        extras(&request),
        [
            ("messages[2].prefix", "matters"),
            ("messages[3].content[0].image_url.format", "matters"),
            ("messages[4].tool_calls[0].ttl", "matters")
        ]
    );
}

#[test]
fn the_old_choice_of_functions_has_the_new_ones_words() {
    for (choice, read) in [
        (r#""auto""#, Some(ToolChoice::Auto)),
        (r#""none""#, Some(ToolChoice::None)),
        (r#""required""#, Some(ToolChoice::Required)),
        (r#"{"name":"f"}"#, Some(ToolChoice::Named("f".into()))),
        ("null", None),
    ] {
        let request = with(&format!(r#""functions":[{{"name":"f"}}],"function_call":{choice}"#));
        assert_eq!(request.tool_choice, read, "{choice}");
    }
}

#[test]
fn what_only_a_translator_needs_is_refused_with_its_place() {
    for (messages, param) in [
        (r#"[{"role":"tool","content":"x"}]"#, "messages[0].tool_call_id"),
        (
            r#"[{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}]"#,
            "messages[0].tool_calls[0].id",
        ),
        (
            r#"[{"role":"assistant","tool_calls":[{"id":"c","function":{}}]}]"#,
            "messages[0].tool_calls[0].function.name",
        ),
        (r#"[{"role":"assistant","tool_calls":["c"]}]"#, "messages[0].tool_calls[0]"),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]"#,
            "messages[0].content[0].image_url.url",
        ),
        (
            r#"[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"x"}}]}]"#,
            "messages[0].content[0].input_audio.format",
        ),
        (
            r#"[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://e.org","detail":5}}]}]"#,
            "messages[0].content[0].image_url.detail",
        ),
        (r#"[{"role":"user","content":[{"type":"file","file":{}}]}]"#, "messages[0].content[0].file"),
        (r#"[{"role":"user","content":"a","content":"b"}]"#, "messages[0].content"),
    ] {
        let error = decode(format!(r#"{{"model":"m","messages":{messages}}}"#).as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{messages}");
    }
}
