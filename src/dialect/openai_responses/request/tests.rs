use serde_json::{json, Value};

use super::super::foreign;
use super::*;
use crate::dialect::canonical::{
    ChatRequest, Disposition, Format, Loss, MediaSource, Part, Reasoning, ReasoningPart, Role, SignedTurn, ToolChoice,
};
use crate::dialect::{Dialect, ModelTraits, Target};

fn read(body: &Value) -> ChatRequest {
    let body = serde_json::to_vec(body).unwrap();
    decode(&body).unwrap_or_else(|error| panic!("{error}"))
}

fn target(provider: &str) -> Target<'_> {
    Target { provider, model: "up", traits: ModelTraits::PERMISSIVE, max_output_tokens: None }
}

fn write(request: &ChatRequest, provider: &str) -> (Value, Vec<Loss>) {
    let encoded = encode(request, &target(provider));
    (serde_json::from_slice(&encoded.body).unwrap(), encoded.losses)
}

/// A request of another dialect, written for this one.
fn crossed(dialect: Dialect, body: &Value) -> (Value, Vec<Loss>) {
    let request = dialect.decode_request(&serde_json::to_vec(body).unwrap()).unwrap();
    write(&request, "openai")
}

fn fields(losses: &[Loss], disposition: Disposition) -> Vec<&str> {
    losses.iter().filter(|loss| loss.disposition == disposition).map(|loss| loss.field.as_str()).collect()
}

#[test]
fn items_become_turns_and_what_the_model_did_is_one_turn() {
    let request = read(&json!({
        "model": "m", "instructions": "sys",
        "input": [
            {"role": "developer", "content": "dev"},
            {"role": "user", "content": [{"type": "input_text", "text": "q"}, {"type": "input_image", "image_url": "data:image/png;base64,QQ==", "detail": "high"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}], "encrypted_content": "gAAA"},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"x\": 1.0}", "status": "completed"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
            {"type": "function_call_output", "call_id": "c1", "output": "one"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}, {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}]},
            {"role": "user", "content": "next"}
        ]
    }));
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    assert_eq!(request.extras.iter().filter(|extra| !extra.is_default).count(), 0);
    let [Part::Reasoning(thought), Part::Text(text), Part::ToolCall(call), Part::ToolCall(empty)] =
        request.turns[3].parts.as_slice()
    else {
        panic!("{:?}", request.turns[3]);
    };
    assert_eq!(
        (thought.text.as_str(), thought.signature.as_deref(), thought.origin),
        ("a\n\nb", Some("gAAA"), Dialect::OpenAiResponses)
    );
    assert_eq!((text.as_str(), call.arguments.as_str(), empty.arguments.as_str()), ("I look.", "{\"x\": 1.0}", "{}"));
    let [Part::ToolResult(one), Part::ToolResult(two)] = request.turns[4].parts.as_slice() else { panic!() };
    assert_eq!((one.call_id.as_str(), two.parts.len()), ("c1", 2));
    assert!(matches!(&request.turns[2].parts[1], Part::Image(image) if image.detail.as_deref() == Some("high")));
}

#[test]
fn every_member_has_its_place_or_its_meaning() {
    let request = read(&json!({
        "model": "m", "input": "x", "max_output_tokens": 50, "temperature": 0.5, "top_p": 0.9, "parallel_tool_calls": false,
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": true, "description": "d"}],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"a": 1.0}, "strict": true}, "verbosity": "low"},
        "reasoning": {"effort": "high", "summary": "auto"}, "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
        "top_logprobs": 3, "user": "u", "models": ["a"], "provider": {"sort": "price"}, "session_id": "s", "fallbacks": ["b"]
    }));
    assert_eq!((request.max_output_tokens, request.temperature, request.top_p), (Some(50), Some(0.5), Some(0.9)));
    assert_eq!(
        (request.parallel_tool_calls, request.logprobs, request.user.as_deref()),
        (Some(false), Some(3), Some("u"))
    );
    assert_eq!(request.tool_choice, Some(ToolChoice::Named("f".into())));
    assert_eq!(
        (request.tools[0].strict, request.reasoning.clone()),
        (Some(true), Some(Reasoning::Effort("high".into())))
    );
    assert!(
        matches!(&request.format, Some(Format::JsonSchema { schema, strict: Some(true), .. }) if schema.get() == "{\"a\":1.0}")
    );
    let extras: Vec<(&str, bool)> = request.extras.iter().map(|extra| (extra.field.as_str(), extra.advisory)).collect();
    assert_eq!(extras, [("reasoning.summary", true), ("text.verbosity", false)]);
}

#[test]
fn what_needs_kept_responses_or_hosted_tools_is_refused_by_every_other_dialect_and_defaults_are_not() {
    let semantic = json!({
        "store": true, "background": true, "previous_response_id": "resp_1", "conversation": "conv_1",
        "prompt": {"id": "p"}, "truncation": "auto", "max_tool_calls": 2, "context_management": [{"type": "compaction"}],
        "tools": [{"type": "web_search"}, {"type": "custom", "name": "c"}], "tool_choice": {"type": "web_search_preview"},
        "service_tier": "priority", "moderation": {"model": "x"}, "reasoning": {"mode": "pro"}, "unknown_member": 1
    });
    let harmless = json!({
        "max_output_tokens": 20, "store": false, "background": false, "previous_response_id": null, "truncation": "disabled", "metadata": {},
        "service_tier": "auto", "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tools": [], "top_logprobs": 0,
        "reasoning": {"effort": null, "mode": "standard", "context": "auto"}, "stream_options": {"include_obfuscation": false},
        "temperature": 1, "top_p": 1, "parallel_tool_calls": true, "tool_choice": "auto", "include": ["reasoning.encrypted_content"]
    });
    let with = |members: &Value| {
        let mut body = members.clone();
        body["model"] = "m".into();
        body["input"] = "x".into();
        read(&body)
    };
    for (dialect, provider) in
        [(Dialect::OpenAiChat, "mistral"), (Dialect::AnthropicMessages, "anthropic"), (Dialect::Gemini, "gemini")]
    {
        let losses = dialect.encode_request(&with(&semantic), &target(provider)).losses;
        let refused = fields(&losses, Disposition::Unsupported);
        for name in [
            "store",
            "background",
            "previous_response_id",
            "conversation",
            "prompt",
            "truncation",
            "max_tool_calls",
            "context_management",
            "tools[0]",
            "tools[1]",
            "tool_choice",
            "moderation",
            "reasoning.mode",
            "unknown_member",
        ] {
            assert!(refused.contains(&name), "{provider}: {name} among {refused:?}");
        }
        let losses = dialect.encode_request(&with(&harmless), &target(provider)).losses;
        assert_eq!(losses, [], "{provider}");
    }
}

#[test]
fn items_that_only_this_dialect_has_are_refused_elsewhere() {
    for item in [
        json!({"type": "item_reference", "id": "msg_1"}),
        json!({"type": "computer_call", "call_id": "c", "action": {"type": "wait"}}),
        json!({"type": "web_search_call", "id": "ws", "status": "completed"}),
        json!({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}),
    ] {
        let request = read(&json!({"model": "m", "input": [{"role": "user", "content": "x"}, item]}));
        for (dialect, provider) in
            [(Dialect::OpenAiChat, "openai"), (Dialect::AnthropicMessages, "anthropic"), (Dialect::Gemini, "gemini")]
        {
            let losses = dialect.encode_request(&request, &target(provider)).losses;
            assert!(!fields(&losses, Disposition::Unsupported).is_empty(), "{provider}: {item}");
        }
    }
}

#[test]
fn allowed_tools_are_the_only_ones_that_are_sent_and_the_lost_cache_prefix_is_reported() {
    let tool = |name: &str| json!({"type": "function", "name": name, "parameters": {}});
    let request = read(&json!({"model": "m", "input": "x", "tools": [tool("f"), tool("g")],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}}));
    assert_eq!((request.tools.len(), request.tools[0].name.as_str()), (1, "g"));
    assert_eq!(request.tool_choice, Some(ToolChoice::Required));
    let losses = Dialect::OpenAiChat.encode_request(&request, &target("openai")).losses;
    assert_eq!(fields(&losses, Disposition::Converted), ["tool_choice.tools"]);
}

#[test]
fn sealed_reasoning_goes_back_to_the_provider_that_can_read_it() {
    let seal = |signature: &str, redacted| {
        let origin = Dialect::AnthropicMessages;
        let block = ReasoningPart { text: String::new(), signature: Some(signature.to_owned()), redacted, origin };
        foreign::seal(&block, "anthropic/c")
    };
    let call = foreign::seal_call("G1", "anthropic/c");
    let request = read(&json!({"model": "m", "input": [
        {"role": "user", "content": "q"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": seal("Sig==", false)},
        {"type": "reasoning", "summary": [], "encrypted_content": seal("Data", true)},
        {"type": "reasoning", "summary": [], "encrypted_content": call},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "r"}
    ]}));
    let [Part::Reasoning(own), Part::Reasoning(redacted), Part::ToolCall(call)] = request.turns[1].parts.as_slice()
    else {
        panic!("{:?}", request.turns[1].parts);
    };
    assert_eq!(
        (own.text.as_str(), own.signature.as_deref(), own.origin),
        ("t", Some("Sig=="), Dialect::AnthropicMessages)
    );
    assert_eq!((redacted.redacted, redacted.signature.as_deref()), (true, Some("Data")));
    assert_eq!(call.signature.as_deref(), Some("G1"));
    assert_eq!(request.signed_turns, [SignedTurn { turn: 1, by: "anthropic/c".to_owned() }]);
    let body = Dialect::AnthropicMessages.encode_request(&request, &target("anthropic")).body;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["messages"][1]["content"][0], json!({"type": "thinking", "thinking": "t", "signature": "Sig=="}));
    assert_eq!(body["messages"][1]["content"][1], json!({"type": "redacted_thinking", "data": "Data"}));
}

#[test]
fn a_chat_request_is_written_item_by_item_and_is_not_kept() {
    let (body, losses) = crossed(
        Dialect::OpenAiChat,
        &json!({
            "model": "m", "stream": true, "max_completion_tokens": 100, "reasoning_effort": "low", "verbosity": "high",
            "metadata": {"k": "v"}, "prompt_cache_key": "p", "service_tier": "flex", "user": "u",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]},
                {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1.0}"}}]},
                {"role": "tool", "tool_call_id": "c1", "content": "r"}
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}}, "parallel_tool_calls": false,
            "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {}, "additionalProperties": false}, "strict": true}}
        }),
    );
    assert_eq!(losses, []);
    assert_eq!(
        body["input"],
        json!([
            {"role": "developer", "content": "s"},
            {"role": "user", "content": [{"type": "input_text", "text": "q"}, {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"}]},
            {"role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"x\": 1.0}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"}
        ])
    );
    assert_eq!(
        body["tools"],
        json!([{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": false}])
    );
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "f"}));
    assert_eq!(
        body["text"],
        json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {}, "additionalProperties": false}, "strict": true}, "verbosity": "high"})
    );
    assert_eq!(
        (&body["store"], &body["reasoning"], &body["max_output_tokens"]),
        (&false.into(), &json!({"effort": "low"}), &100.into())
    );
    assert_eq!(
        (&body["metadata"]["k"], &body["prompt_cache_key"], &body["service_tier"]),
        (&"v".into(), &"p".into(), &"flex".into())
    );
    assert_eq!(
        (&body["safety_identifier"], &body["stream"], &body["parallel_tool_calls"]),
        (&"u".into(), &true.into(), &false.into())
    );
    super::super::view::view(&serde_json::to_vec(&body).unwrap()).unwrap();
}

#[test]
fn what_chat_has_and_this_dialect_has_not_is_refused_by_its_own_name() {
    let (body, losses) = crossed(
        Dialect::OpenAiChat,
        &json!({
            "model": "m", "messages": [{"role": "user", "content": "q"}], "n": 2, "stop": ["x"], "seed": 1, "logit_bias": {"1": 2},
            "frequency_penalty": 0.5, "presence_penalty": 0.5, "prediction": {"type": "content", "content": "x"},
            "audio": {"voice": "a", "format": "mp3"}, "modalities": ["text", "audio"]
        }),
    );
    assert_eq!(
        fields(&losses, Disposition::Unsupported),
        ["stop", "n", "seed", "frequency_penalty", "presence_penalty", "audio", "logit_bias", "modalities"]
    );
    assert_eq!(fields(&losses, Disposition::Advisory), ["prediction"]);
    assert_eq!(body.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>(), ["input", "model", "store"]);
}

#[test]
fn a_caller_who_asks_to_store_is_stored_and_a_small_bound_is_raised_with_a_report() {
    let (body, losses) = crossed(
        Dialect::OpenAiChat,
        &json!({
            "model": "m", "messages": [{"role": "user", "content": "q"}], "store": true, "max_tokens": 5
        }),
    );
    assert_eq!((&body["store"], &body["max_output_tokens"]), (&true.into(), &16.into()));
    assert_eq!(fields(&losses, Disposition::Converted), ["max_completion_tokens"]);
    assert_eq!(losses.len(), 1);
}

#[test]
fn an_anthropic_request_keeps_its_results_with_pictures_and_reports_what_cannot_be_read() {
    let (body, losses) = crossed(
        Dialect::AnthropicMessages,
        &json!({
            "model": "m", "max_tokens": 64, "system": "s", "stop_sequences": ["x"],
            "messages": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "S"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "is_error": false, "content": [{"type": "text", "text": "r"}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QQ=="}}]},
                    {"type": "text", "text": "go on"}]}
            ],
            "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any", "disable_parallel_tool_use": true}
        }),
    );
    let input = body["input"].as_array().unwrap();
    assert_eq!(input[2], json!({"type": "function_call", "call_id": "t1", "name": "f", "arguments": "{\"a\":1}"}));
    assert_eq!(
        input[3]["output"][1],
        json!({"type": "input_image", "image_url": "data:image/png;base64,QQ==", "detail": "auto"})
    );
    assert_eq!(input[4], json!({"role": "user", "content": "go on"}));
    assert_eq!((&body["tool_choice"], &body["parallel_tool_calls"]), (&"required".into(), &false.into()));
    assert_eq!(fields(&losses, Disposition::Unsupported), ["stop_sequences"]);
    assert_eq!(fields(&losses, Disposition::Advisory), ["messages[*].content[*]"], "foreign thinking stays behind");
}

#[test]
fn a_gemini_request_reaches_this_dialect_with_its_calls_paired() {
    let (body, losses) = crossed(
        Dialect::Gemini,
        &json!({
            "contents": [
                {"role": "user", "parts": [{"text": "q"}]},
                {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "r"}}}]}
            ],
            "tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "object"}}]}],
            "generationConfig": {"maxOutputTokens": 99, "temperature": 0.1}
        }),
    );
    assert_eq!(fields(&losses, Disposition::Unsupported), Vec::<&str>::new(), "{losses:?}");
    let input = body["input"].as_array().unwrap();
    assert_eq!(input[1]["call_id"], input[2]["call_id"]);
    assert_eq!((&input[1]["type"], &input[2]["type"]), (&"function_call".into(), &"function_call_output".into()));
    assert_eq!((&body["max_output_tokens"], &body["temperature"]), (&99.into(), &0.1.into()));
}

#[test]
fn own_reasoning_is_replayed_without_item_ids_and_a_begun_answer_is_not_continued() {
    let request = read(&json!({"model": "m", "input": [
        {"role": "user", "content": "q"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "gAAA"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "plain"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"}
    ]}));
    let (body, losses) = write(&request, "openai");
    assert_eq!(
        body["input"][1],
        json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "gAAA"})
    );
    assert_eq!(
        (body["input"].as_array().unwrap().len(), losses.len()),
        (3, 1),
        "OpenAI cannot read what is not encrypted"
    );
    let (body, losses) = write(&request, "deepseek");
    assert_eq!(body["input"][2]["content"], json!([{"type": "reasoning_text", "text": "plain"}]));
    assert_eq!(losses, []);
    let prefill = json!({"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "{"}]});
    let (body, losses) = crossed(Dialect::AnthropicMessages, &prefill);
    assert_eq!((body["input"].as_array().unwrap().len(), fields(&losses, Disposition::Unsupported).len()), (1, 1));
}

#[test]
fn files_by_id_are_openais_in_both_of_its_dialects() {
    let request = read(&json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_image", "file_id": "file-1"}, {"type": "input_file", "file_id": "file-2"}, {"type": "input_file", "file_url": "https://x/a.pdf"}]}]}));
    assert!(
        matches!(&request.turns[0].parts[0], Part::Image(image) if matches!(image.source, MediaSource::FileId { .. }))
    );
    let (body, losses) = write(&request, "openai");
    assert_eq!(losses, []);
    assert_eq!(
        body["input"][0]["content"],
        json!([
        {"type": "input_image", "file_id": "file-1", "detail": "auto"}, {"type": "input_file", "file_id": "file-2"}, {"type": "input_file", "file_url": "https://x/a.pdf"}])
    );
    let losses = Dialect::AnthropicMessages.encode_request(&request, &target("anthropic")).losses;
    assert_eq!(fields(&losses, Disposition::Unsupported).len(), 2, "{losses:?}");
}

#[test]
fn what_is_lost_of_a_chat_message_is_named_by_its_place_there() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let mut signed = call("c2");
    signed["extra_content"] = json!({"google": {"thought_signature": "U2ln"}});
    let (_, losses) = crossed(
        Dialect::OpenAiChat,
        &json!({"model": "m", "messages": [
            {"role": "user", "content": [{"type": "text", "text": "q"}, {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}]},
            {"role": "assistant", "content": "t", "reasoning_content": "hm", "tool_calls": [call("c1"), signed]},
            {"role": "tool", "tool_call_id": "c1", "content": "r"}, {"role": "tool", "tool_call_id": "c2", "content": "r"},
        ]}),
    );
    assert_eq!(fields(&losses, Disposition::Unsupported), ["messages[0].content[1]"]);
    let advisory = fields(&losses, Disposition::Advisory);
    assert_eq!(advisory, ["messages[1].reasoning_content", "messages[1].tool_calls[1]"], "{losses:?}");
}

#[test]
fn what_openais_helpers_add_to_an_answer_is_no_wish_when_it_comes_back() {
    let request = read(&json!({"model": "m", "input": [
        {"role": "user", "content": "q"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "{\"a\":1}", "parsed": {"a": 1}}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{\"b\":1.0}", "parsed_arguments": {"b": 1}},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
    ]}));
    assert!(request.extras.is_empty(), "{:?}", request.extras);
    let Part::ToolCall(call) = &request.turns[1].parts[1] else { panic!() };
    assert_eq!(call.arguments, "{\"b\":1.0}");
}
