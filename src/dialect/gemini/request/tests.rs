mod refused;

use serde_json::{json, Value};

use super::*;
use crate::dialect::canonical::{
    ChatRequest, Disposition, Extra, Format, Loss, Media, MediaSource, Part, Reasoning, ReasoningPart, Role, Tool,
    ToolCall, ToolChoice, ToolResult, Turn,
};
use crate::dialect::{Dialect, ModelTraits, Target};

fn target(model: &str) -> Target<'_> {
    Target { provider: "gemini", model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None }
}

fn written(request: &ChatRequest, model: &str) -> (Value, Vec<Loss>) {
    let encoded = encode(request, &target(model));
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses)
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

fn said(role: Role, words: &str) -> Turn {
    turn(role, vec![text(words)])
}

fn asking(turns: Vec<Turn>) -> ChatRequest {
    ChatRequest { turns, ..ChatRequest::default() }
}

fn plain() -> ChatRequest {
    asking(vec![said(Role::User, "hi")])
}

fn call(id: &str, name: &str, arguments: &str, signature: Option<&str>) -> Part {
    Part::ToolCall(ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_owned(),
        signature: signature.map(str::to_owned),
    })
}

fn result(id: &str, parts: Vec<Part>, is_error: bool) -> Part {
    Part::ToolResult(ToolResult { call_id: id.to_owned(), name: None, parts, is_error })
}

fn raw(value: &Value) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap()
}

fn tool(name: &str, strict: Option<bool>) -> Tool {
    let parameters = Some(raw(&json!({"type": "object", "properties": {"a": {"const": 1}}})));
    Tool { name: name.to_owned(), description: Some("d".to_owned()), parameters, strict }
}

fn fates(losses: &[Loss]) -> Vec<(&str, Disposition)> {
    losses.iter().map(|loss| (loss.field.as_str(), loss.disposition)).collect()
}

fn refused(losses: &[Loss]) -> Vec<&str> {
    losses.iter().filter(|l| l.disposition == Disposition::Unsupported).map(|l| l.field.as_str()).collect()
}

#[test]
fn leading_instructions_stand_apart_and_later_ones_are_refused() {
    let request = asking(vec![
        turn(Role::System, vec![text("one"), text("two")]),
        said(Role::System, "three"),
        said(Role::User, "hi"),
        said(Role::User, "you"),
        said(Role::Assistant, "yes?"),
        said(Role::System, "late"),
        said(Role::User, "go"),
    ]);
    let (body, losses) = written(&request, "gemini-2.5-flash");
    assert_eq!(
        body,
        json!({
            "systemInstruction": {"parts": [{"text": "one"}, {"text": "two"}, {"text": "three"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}, {"text": "you"}]},
                {"role": "model", "parts": [{"text": "yes?"}]},
                {"role": "user", "parts": [{"text": "go"}]},
            ],
        })
    );
    assert_eq!(refused(&losses), ["messages[5]"]);

    let (body, losses) = written(&request, "gemma-3-27b-it");
    assert_eq!(body["contents"][0]["parts"][0], json!({"text": "one"}));
    assert_eq!(body["contents"][0]["parts"][3], json!({"text": "hi"}));
    assert!(body.get("systemInstruction").is_none());
    assert!(fates(&losses).contains(&("messages[0]", Disposition::Converted)));
}

#[test]
fn a_tool_loop_keeps_its_batches_its_order_and_its_signatures() {
    let request = asking(vec![
        said(Role::User, "weather?"),
        turn(
            Role::Assistant,
            vec![text("looking"), call("c1", "f", "{\"b\": 1.0, \"a\":2}", Some("sig")), call("c2", "g", "", None)],
        ),
        turn(Role::Tool, vec![result("c1", vec![text("{\"t\": 1.50}")], false)]),
        turn(Role::Tool, vec![result("c2", vec![text("[1]")], false)]),
        said(Role::User, "and?"),
    ]);
    let encoded = encode(&request, &target("gemini-3-pro-preview"));
    let body = String::from_utf8(encoded.body).unwrap();
    assert!(encoded.losses.is_empty(), "{:?}", encoded.losses);
    assert_eq!(
        body,
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"weather?"}]},"#,
            r#"{"role":"model","parts":[{"text":"looking"},"#,
            r#"{"functionCall":{"id":"c1","name":"f","args":{"b": 1.0, "a":2}},"thoughtSignature":"sig"},"#,
            r#"{"functionCall":{"id":"c2","name":"g","args":{}}}]},"#,
            r#"{"role":"user","parts":[{"functionResponse":{"id":"c1","name":"f","response":{"t": 1.50}}},"#,
            r#"{"functionResponse":{"id":"c2","name":"g","response":{"output":"[1]"}}}]},"#,
            r#"{"role":"user","parts":[{"text":"and?"}]}]}"#,
        )
    );
    let vertex = Target { provider: "vertex-eu", ..target("gemini-2.5-flash") };
    assert!(!String::from_utf8(encode(&request, &vertex).body).unwrap().contains("\"id\""));
}

#[test]
fn only_the_first_call_of_a_batch_needs_a_signature_and_only_from_version_3() {
    let request = asking(vec![
        said(Role::User, "x"),
        turn(Role::Assistant, vec![call("c1", "f", "{}", None), call("c2", "f", "{}", None)]),
        turn(Role::Tool, vec![result("c1", vec![text("1")], false), result("c2", vec![text("2")], false)]),
    ]);
    for (model, expected) in
        [("gemini-3.5-flash", 1), ("gemini-flash-latest", 1), ("gemini-2.5-pro", 0), ("learnlm", 0)]
    {
        let (body, losses) = written(&request, model);
        let signature = &body["contents"][1]["parts"][0]["thoughtSignature"];
        assert_eq!(signature == "skip_thought_signature_validator", expected == 1, "{model}");
        assert!(body["contents"][1]["parts"][1].get("thoughtSignature").is_none());
        assert_eq!(losses.len(), expected, "{model}");
        assert!(losses.iter().all(|loss| loss.disposition == Disposition::Converted));
    }
}

#[test]
fn results_are_objects_and_errors_are_errors() {
    let history = |parts: Vec<Part>, is_error| {
        asking(vec![
            said(Role::User, "x"),
            turn(Role::Assistant, vec![call("c", "f", "{}", Some("s"))]),
            turn(Role::Tool, vec![result("c", parts, is_error)]),
        ])
    };
    let response = |parts: Vec<Part>, is_error| {
        let (body, losses) = written(&history(parts, is_error), "gemini-3-pro-preview");
        assert!(losses.is_empty());
        body["contents"][2]["parts"][0]["functionResponse"]["response"].clone()
    };
    assert_eq!(response(vec![text("sunny")], false), json!({"output": "sunny"}));
    assert_eq!(response(vec![text("boom")], true), json!({"error": "boom"}));
    assert_eq!(response(vec![text(" {\"ok\":true} ")], false), json!({"ok": true}));
    assert_eq!(response(vec![text("{broken}")], false), json!({"output": "{broken}"}));
    assert_eq!(response(vec![text("a"), text("b")], false), json!({"output": ["a", "b"]}));
    assert_eq!(response(vec![], false), json!({"output": ""}));
    // Google would follow the reference.
    assert_eq!(response(vec![text("{\"$ref\":\"x\"}")], false), json!({"output": "{\"$ref\":\"x\"}"}));

    let picture = Part::Image(Media {
        source: MediaSource::Base64 { mime: "image/png".into(), data: "AAAA".into() },
        detail: None,
        name: None,
    });
    let (body, losses) = written(&history(vec![picture.clone()], false), "gemini-3-pro-preview");
    assert!(losses.is_empty());
    assert_eq!(
        body["contents"][2]["parts"][0]["functionResponse"]["parts"],
        json!([{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}])
    );
    assert_eq!(refused(&written(&history(vec![picture], false), "gemini-2.5-pro").1), ["messages[2].content"]);
}

#[test]
fn calls_and_results_that_do_not_fit_are_wrapped_or_refused() {
    let request = asking(vec![
        said(Role::User, "x"),
        turn(Role::Assistant, vec![call("c", "f", "{\"cut", Some("s"))]),
        turn(Role::Tool, vec![result("c", vec![text("1")], false), result("who", vec![text("2")], false)]),
    ]);
    let (body, losses) = written(&request, "gemini-3-pro-preview");
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["args"], json!({"__raw": "{\"cut"}));
    assert_eq!(body["contents"][2]["parts"].as_array().unwrap().len(), 1);
    assert_eq!(
        fates(&losses),
        [
            ("messages[1].tool_calls[0].function.arguments", Disposition::Converted),
            ("messages[2].content", Disposition::Unsupported)
        ]
    );
    let between = asking(vec![
        said(Role::User, "x"),
        turn(Role::Assistant, vec![call("c", "f", "{}", Some("s"))]),
        said(Role::User, "well?"),
        turn(Role::Tool, vec![result("c", vec![text("1")], false)]),
    ]);
    let (body, losses) = written(&between, "gemini-3-pro-preview");
    assert!(body["contents"][2]["parts"][0].get("functionResponse").is_some(), "{body}");
    assert_eq!(body["contents"][3]["parts"][0]["text"], "well?");
    assert_eq!(fates(&losses), [("messages[3].content", Disposition::Converted)]);
}

#[test]
fn thoughts_go_back_to_those_who_can_read_them() {
    let thought = |text: &str, signature: Option<&str>, origin| {
        let signature = signature.map(str::to_owned);
        Part::Reasoning(ReasoningPart { text: text.to_owned(), signature, redacted: false, origin })
    };
    let request = asking(vec![
        said(Role::User, "x"),
        turn(
            Role::Assistant,
            vec![
                thought("hm", None, Dialect::Gemini),
                thought("", Some("on-text"), Dialect::Gemini),
                text("a"),
                thought("", Some("on-empty"), Dialect::Gemini),
                thought("secret", Some("foreign"), Dialect::AnthropicMessages),
            ],
        ),
        said(Role::User, "y"),
    ]);
    let (body, losses) = written(&request, "gemini-3-pro-preview");
    assert_eq!(
        body["contents"][1]["parts"],
        json!([
            {"text": "hm", "thought": true},
            {"text": "a", "thoughtSignature": "on-text"},
            {"text": "", "thoughtSignature": "on-empty"},
        ])
    );
    assert_eq!(fates(&losses), [("messages[1].reasoning_content", Disposition::Advisory)]);
}

#[test]
fn empty_turns_do_not_reach_gemini() {
    let request = asking(vec![said(Role::User, "x"), said(Role::Assistant, ""), said(Role::User, "")]);
    let (body, _) = written(&request, "gemini-3-pro-preview");
    assert_eq!(
        body["contents"],
        json!([{"role": "user", "parts": [{"text": "x"}]}, {"role": "user", "parts": [{"text": ""}]}])
    );
    let (body, losses) = written(&asking(vec![said(Role::System, "be")]), "gemini-3-pro-preview");
    assert_eq!(body["contents"], json!([{"role": "user", "parts": [{"text": ""}]}]));
    assert_eq!(fates(&losses), [("messages", Disposition::Converted)]);
}

#[test]
fn a_trailing_model_turn_is_refused_where_the_model_refuses_it() {
    let request = asking(vec![said(Role::User, "x"), said(Role::Assistant, "once upon")]);
    assert!(written(&request, "gemini-2.5-flash").1.is_empty());
    assert_eq!(refused(&written(&request, "gemini-3.6-flash").1), ["messages[1]"]);
}

#[test]
fn media_are_sent_inline_or_refused_with_a_reason() {
    let media = |source| Media { source, detail: None, name: None };
    let inline = |mime: &str| media(MediaSource::Base64 { mime: mime.into(), data: "AAAA".into() });
    let url = |url: &str| media(MediaSource::Url { url: url.into(), mime: None });
    let good = vec![
        Part::Image(inline("image/jpg")),
        Part::Audio(inline("audio/wav")),
        Part::File(inline("application/pdf")),
        Part::File(url("https://youtu.be/x")),
        Part::File(media(MediaSource::FileId { id: "files/1".into(), dialect: Dialect::Gemini })),
    ];
    let (body, losses) = written(&asking(vec![turn(Role::User, good)]), "gemini-2.5-flash");
    assert!(losses.is_empty());
    assert_eq!(
        body["contents"][0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/jpeg", "data": "AAAA"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AAAA"}},
            {"fileData": {"fileUri": "https://youtu.be/x"}},
            {"fileData": {"fileUri": "files/1"}},
        ])
    );
    for bad in [
        Part::Image(url("https://example.com/a.png")),
        Part::Image(url("https://evil.example/youtu.be")),
        Part::Image(inline("image/gif")),
        Part::File(media(MediaSource::FileId { id: "file-1".into(), dialect: Dialect::OpenAiChat })),
    ] {
        let (_, losses) = written(&asking(vec![turn(Role::User, vec![text("x"), bad])]), "gemini-2.5-flash");
        assert_eq!(refused(&losses), ["messages[0].content[1]"]);
    }
    let detailed = |details: &[&str]| {
        let picture = |detail: &&str| Part::Image(Media { detail: Some((*detail).into()), ..inline("image/png") });
        let pictures = details.iter().map(picture).collect();
        let (body, losses) = written(&asking(vec![turn(Role::User, pictures)]), "gemini-2.5-flash");
        let dispositions: Vec<Disposition> = losses.iter().map(|loss| loss.disposition).collect();
        (body["generationConfig"]["mediaResolution"].as_str().unwrap_or_default().to_owned(), dispositions)
    };
    let (low, high) = ("MEDIA_RESOLUTION_LOW".to_owned(), "MEDIA_RESOLUTION_HIGH".to_owned());
    assert_eq!(detailed(&["low"]), (low, vec![Disposition::Converted]));
    assert_eq!(detailed(&["original", "low"]), (high, vec![Disposition::Converted]));
    assert_eq!(detailed(&["zork"]), (String::new(), vec![Disposition::Advisory]));
}

#[test]
fn tools_and_their_choice_are_said_in_googles_words() {
    let request = |choice: Option<ToolChoice>, strict| ChatRequest {
        tools: vec![tool("f", strict), Tool { parameters: None, description: None, ..tool("g", None) }],
        tool_choice: choice,
        parallel_tool_calls: Some(true),
        ..plain()
    };
    let (body, losses) = written(&request(None, None), "gemini-2.5-flash");
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [
            {"name": "f", "description": "d",
             "parametersJsonSchema": {"type": "object", "properties": {"a": {"enum": [1]}}}},
            {"name": "g"},
        ]}])
    );
    assert!(body.get("toolConfig").is_none());
    assert_eq!(fates(&losses), [("tools[0].function.parameters", Disposition::Converted)]);

    let calling = |choice, strict| {
        let (body, losses) = written(&request(choice, strict), "gemini-2.5-flash");
        let strict = losses.iter().any(|loss| loss.field == "tools[0].function.strict");
        (body["toolConfig"]["functionCallingConfig"].clone(), strict)
    };
    assert_eq!(calling(Some(ToolChoice::Auto), None), (json!({"mode": "AUTO"}), false));
    assert_eq!(calling(Some(ToolChoice::None), Some(true)), (json!({"mode": "NONE"}), false));
    assert_eq!(calling(Some(ToolChoice::Required), Some(false)), (json!({"mode": "ANY"}), false));
    let named = json!({"mode": "ANY", "allowedFunctionNames": ["g"]});
    assert_eq!(calling(Some(ToolChoice::Named("g".into())), Some(true)), (named, true));
    assert_eq!(calling(None, Some(true)), (json!({"mode": "VALIDATED"}), true));
}

#[test]
fn what_tools_cannot_do_is_refused() {
    let with_tools = ChatRequest { tools: vec![tool("f", None)], ..plain() };
    let single = ChatRequest { parallel_tool_calls: Some(false), ..with_tools.clone() };
    let (_, losses) = written(&single, "gemini-3-pro-preview");
    assert!(fates(&losses).contains(&("parallel_tool_calls", Disposition::Converted)), "kept on the way back");
    let no_tools = ChatRequest { parallel_tool_calls: Some(false), ..plain() };
    assert!(written(&no_tools, "gemini-3-pro-preview").1.is_empty());
    let bad_name = ChatRequest { tools: vec![tool("1 f", None)], ..plain() };
    assert_eq!(refused(&written(&bad_name, "gemini-3-pro-preview").1), ["tools[0].function.name"]);
    let forced = ChatRequest { tool_choice: Some(ToolChoice::Required), ..plain() };
    assert_eq!(refused(&written(&forced, "gemini-3-pro-preview").1), ["tool_choice"]);
    let json = ChatRequest { format: Some(Format::JsonObject), ..with_tools };
    assert_eq!(refused(&written(&json, "gemini-2.5-pro").1), ["response_format"]);
    assert!(refused(&written(&json, "gemini-3-pro-preview").1).is_empty());
}

#[test]
fn settings_have_their_places() {
    let request = ChatRequest {
        max_output_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(0.25),
        top_k: Some(7),
        stop: vec!["a".into(), "b".into()],
        n: Some(2),
        seed: Some(-3),
        presence_penalty: Some(0.5),
        frequency_penalty: Some(-0.5),
        logprobs: Some(3),
        user: Some("u".into()),
        ..plain()
    };
    let (body, losses) = written(&request, "gemini-2.0-flash");
    assert_eq!(
        body["generationConfig"],
        json!({
            "maxOutputTokens": 9, "temperature": 0.5, "topP": 0.25, "topK": 7, "stopSequences": ["a", "b"],
            "candidateCount": 2, "presencePenalty": 0.5, "frequencyPenalty": -0.5, "seed": -3,
            "responseLogprobs": true, "logprobs": 3,
        })
    );
    assert_eq!(fates(&losses), [("logprobs", Disposition::Converted), ("user", Disposition::Advisory)]);

    let (_, losses) = written(&request, "gemini-2.5-flash");
    assert_eq!(refused(&losses), ["presence_penalty", "frequency_penalty"]);
    let defaults = ChatRequest { presence_penalty: Some(0.0), n: Some(1), ..plain() };
    let (body, losses) = written(&defaults, "gemini-2.5-flash");
    assert!(losses.is_empty() && body.get("generationConfig").is_none());
    let excess = ChatRequest { stop: vec!["x".into(); 6], n: Some(9), seed: Some(1 << 40), ..plain() };
    let (body, losses) = written(&excess, "gemini-3-pro-preview");
    assert_eq!(refused(&losses), ["stop", "n"]);
    assert_eq!(body["generationConfig"], json!({"seed": 0}));
}

#[test]
fn formats_become_types_and_schemas() {
    let (body, _) = written(&ChatRequest { format: Some(Format::JsonObject), ..plain() }, "gemini-2.5-flash");
    assert_eq!(body["generationConfig"], json!({"responseMimeType": "application/json"}));
    let format = Format::JsonSchema {
        name: "answer".into(),
        description: Some("says".into()),
        schema: raw(&json!({"type": "object", "properties": {"k": {"const": "x"}}, "description": "own"})),
        strict: Some(true),
    };
    let (body, losses) = written(&ChatRequest { format: Some(format), ..plain() }, "gemini-2.5-flash");
    assert_eq!(
        body["generationConfig"]["responseJsonSchema"],
        json!({"type": "object", "properties": {"k": {"enum": ["x"]}}, "description": "own", "title": "answer"})
    );
    assert_eq!(
        fates(&losses),
        [
            ("response_format.json_schema.schema", Disposition::Converted),
            ("response_format.json_schema.name", Disposition::Converted),
            ("response_format.json_schema.description", Disposition::Advisory),
        ]
    );
}

#[test]
fn thinking_is_asked_for_as_the_model_understands_it() {
    let thinking = |reasoning, model: &str| {
        let (body, losses) = written(&ChatRequest { reasoning: Some(reasoning), ..plain() }, model);
        (body["generationConfig"]["thinkingConfig"].clone(), refused(&losses).len())
    };
    let effort = |word: &str| Reasoning::Effort(word.to_owned());
    let shown = |name: &str, value: Value| json!({name: value, "includeThoughts": true});
    assert_eq!(thinking(effort("high"), "gemini-3-pro-preview"), (shown("thinkingLevel", json!("HIGH")), 0));
    assert_eq!(thinking(effort("low"), "gemini-2.5-flash"), (shown("thinkingBudget", json!(1024)), 0));
    assert_eq!(thinking(effort("none"), "gemini-2.5-flash"), (json!({"thinkingBudget": 0}), 0));
    assert_eq!(thinking(Reasoning::Disabled, "gemini-3-pro-preview"), (Value::Null, 1));
    assert_eq!(thinking(Reasoning::Adaptive, "gemini-2.5-pro"), (shown("thinkingBudget", json!(-1)), 0));
    assert_eq!(thinking(Reasoning::Adaptive, "gemini-3-pro-preview"), (json!({"includeThoughts": true}), 0));
    let dull = ModelTraits { reasoning: false, ..ModelTraits::PERMISSIVE };
    let dull = Target { traits: dull, ..target("gemini-2.5-flash") };
    let refusal = encode(&ChatRequest { reasoning: Some(effort("low")), ..plain() }, &dull);
    assert_eq!(refused(&refusal.losses), ["reasoning_effort"]);
    assert!(encode(&ChatRequest { reasoning: Some(effort("none")), ..plain() }, &dull).losses.is_empty());
}

#[test]
fn members_without_a_word_are_passed_reported_or_refused() {
    let extra = |field: &str, value: Value, advisory, is_default| Extra {
        field: field.to_owned(),
        value: raw(&value),
        advisory,
        is_default,
    };
    let request = ChatRequest {
        extras: vec![
            extra("logit_bias", json!({"1": 2}), false, false),
            extra("verbosity", json!("medium"), false, true),
            extra("prompt_cache_key", json!("k"), true, false),
            extra("service_tier", json!("flex"), false, false),
            extra("web_search_options", json!({"search_context_size": "low"}), false, false),
            extra("extra_body", json!({"google": {"thinking_config": {"thinking_budget": 5}}}), false, false),
            extra("safety_settings", json!([{"category": "c"}]), false, false),
            extra("generationConfig.mediaResolution", json!("MEDIA_RESOLUTION_LOW"), true, false),
            extra("tools[1].custom", json!({}), false, false),
        ],
        ..plain()
    };
    let (body, losses) = written(&request, "gemini-2.5-flash");
    assert_eq!(body["serviceTier"], "flex");
    assert_eq!(body["safetySettings"], json!([{"category": "c"}]));
    assert_eq!(body["tools"], json!([{"googleSearch": {}}]));
    assert_eq!(
        body["generationConfig"],
        json!({"thinkingConfig": {"thinkingBudget": 5}, "mediaResolution": "MEDIA_RESOLUTION_LOW"})
    );
    assert_eq!(refused(&losses), ["logit_bias", "tools[1].custom"]);
    assert!(fates(&losses).contains(&("prompt_cache_key", Disposition::Advisory)));
    assert!(fates(&losses).contains(&("web_search_options.search_context_size", Disposition::Advisory)));

    let allowed = json!({"type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}});
    let choosing = |allowed: &Value| ChatRequest {
        tools: vec![tool("f", None), tool("g", None)],
        extras: vec![
            extra("tool_choice", allowed.clone(), false, false),
            extra("tools[2].googleSearch", json!({}), false, false),
        ],
        ..plain()
    };
    let request = choosing(&allowed);
    let (body, losses) = written(&request, "gemini-3-pro-preview");
    let flat = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]});
    assert_eq!(written(&choosing(&flat), "gemini-3-pro-preview"), (body.clone(), losses.clone()));
    assert_eq!(
        body["toolConfig"],
        json!({"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
               "includeServerSideToolInvocations": true})
    );
    assert!(refused(&losses).is_empty());
    assert_eq!(refused(&written(&request, "gemini-2.5-pro").1), ["tools"]);
}

#[test]
fn a_gemini_request_is_read_whole() {
    let body = json!({
        "system_instruction": {"parts": {"text": "be"}},
        "contents": [
            {"parts": [{"text": "hi"}, {"inline_data": {"mime_type": "image/png", "data": "AA"}}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "s"},
                {"functionCall": {"name": "f"}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "f", "response": {"output": "one"}}},
                {"functionResponse": {"name": "f", "response": {"error": "bad"}}},
                {"text": "go on"}, {"fileData": {"fileUri": "gs://b/o", "mimeType": "application/pdf"}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}, {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        "generationConfig": {"maxOutputTokens": "50", "topK": 40.0, "candidateCount": 1, "stopSequences": ["x"],
            "responseModalities": ["TEXT"], "response_schema": {"type": "STRING"}, "responseLogprobs": true,
            "thinkingConfig": {"thinkingLevel": "HIGH", "includeThoughts": true}},
        "safetySettings": null, "cachedContent": "c", "labels": {"k": "v"},
    });
    let request = decode(body.to_string().as_bytes()).unwrap();
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let [Part::Reasoning(thought), Part::ToolCall(first), Part::ToolCall(second)] = request.turns[2].parts.as_slice()
    else {
        panic!("{:?}", request.turns[2])
    };
    assert_eq!((thought.text.as_str(), thought.origin), ("hm", Dialect::Gemini));
    assert_eq!((first.arguments.as_str(), first.signature.as_deref()), ("{\"a\":1}", Some("s")));
    assert_eq!(second.arguments, "{}");
    let results: Vec<(&str, bool)> = request.turns[3]
        .parts
        .iter()
        .filter_map(|part| if let Part::ToolResult(r) = part { Some((r.call_id.as_str(), r.is_error)) } else { None })
        .collect();
    assert_ne!(first.id, second.id);
    assert_eq!(results, [(first.id.as_str(), false), (second.id.as_str(), true)], "paired in order");
    assert!(matches!(&request.turns[4].parts[1], Part::Native { kind, .. } if kind == "fileData"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(request.tools[0].parameters.as_ref().unwrap().get(), r#"{"type":"object"}"#);
    assert_eq!((request.max_output_tokens, request.top_k, request.logprobs), (Some(50), Some(40), Some(0)));
    assert!(
        matches!(&request.format, Some(Format::JsonSchema { schema, .. }) if schema.get() == r#"{"type":"string"}"#)
    );
    assert_eq!(request.reasoning, Some(Reasoning::Effort("high".into())));
    assert!(shows_thoughts(&request) && !shows_thoughts(&plain()));
    let extras: Vec<(&str, bool, bool)> =
        request.extras.iter().map(|extra| (extra.field.as_str(), extra.advisory, extra.is_default)).collect();
    assert_eq!(
        extras,
        [
            ("tools[1].googleSearch", false, false),
            ("generationConfig.thinkingConfig.includeThoughts", true, false),
            ("generationConfig.responseModalities", false, true),
            ("cachedContent", false, false),
            ("labels", true, false),
        ]
    );
}
