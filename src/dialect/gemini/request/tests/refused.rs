//! A caller's body that does not say one thing: refused by the name of the field, never altered in silence.

use super::*;
use crate::error::GatewayError;

#[test]
fn a_wrong_request_names_its_field_and_quotes_nothing() {
    for (body, param) in [
        (r#"{"contents":[{"parts":[{"text":"a"}]},{"parts":[{"text":"a"},{"text":5}]}]}"#, "contents[1].parts[1].text"),
        (r#"{"contents":{"parts":{"text":5}}}"#, "contents[0].parts[0].text"),
        (r#"{"contents":[{"parts":"secret"}]}"#, "contents[0].parts"),
        (r#"{"contents":[{"role":5}]}"#, "contents[0].role"),
        (r#"{"contents":"secret"}"#, "contents"),
        (r#"{"contents":[]}"#, "contents"),
        (r#"{"contents":[{}]}"#, "contents"),
        (r#"{"contents":[{"parts":[]},{"role":"model","parts":[{}]}],"systemInstruction":"be"}"#, "contents"),
        (r"{}", "contents"),
        (r#"{"contents":[{"role":"system","parts":[]}]}"#, "contents[0].role"),
        (
            r#"{"contents":[{"parts":[]}],"tools":[{"functionDeclarations":[{}]}]}"#,
            "tools[0].functionDeclarations[0].name",
        ),
        (r#"{"contents":[{"parts":[{"inlineData":{"data":"secret"}}]}]}"#, "contents[0].parts[0].inlineData"),
        (
            r#"{"contents":[{"parts":[{"inlineData":{"mime_type":5,"data":"secret"}}]}]}"#,
            "contents[0].parts[0].inlineData.mimeType",
        ),
        (
            r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#,
            "contents[0].parts[0].functionResponse",
        ),
        ("{", ""),
        ("[1]", ""),
    ] {
        let error = decode(body.as_bytes()).unwrap_err();
        assert_eq!(error.param.as_deref().unwrap_or_default(), param, "{body}: {error:?}");
        assert!(!error.message.contains("secret"), "{error:?}");
    }
}

/// A request for a word, with these members beside it.
fn beside(members: &str) -> Result<ChatRequest, GatewayError> {
    decode(format!(r#"{{"contents":[{{"parts":[{{"text":"a"}}]}}],{members}}}"#).as_bytes())
}

#[test]
fn a_setting_that_cannot_be_read_is_refused_by_its_name_and_not_altered() {
    for (setting, field, must) in [
        (r#""temperature":"secret""#, "temperature", "be a number"),
        (r#""temperature":"NaN""#, "temperature", "be a number"),
        (r#""topP":[1]"#, "topP", "be a number"),
        (r#""stopSequences":"secret""#, "stopSequences", "be a list"),
        (r#""stop_sequences":[5]"#, "stopSequences[0]", "be a string"),
        (r#""responseMimeType":5"#, "responseMimeType", "be a string"),
        (r#""seed":1.5"#, "seed", "be a whole number"),
        (r#""seed":1e20"#, "seed", "be a whole number that 64 bits can hold"),
        (r#""topK":-1"#, "topK", "be a whole number of at least 0 that 64 bits can hold"),
        (r#""topK":1.5"#, "topK", "be a whole number of at least 0 that 64 bits can hold"),
        (r#""topK":1e20"#, "topK", "be a whole number of at least 0 that 64 bits can hold"),
        (r#""candidateCount":1e20"#, "candidateCount", "be a whole number of at least 0 that 64 bits can hold"),
        (r#""candidateCount":-1"#, "candidateCount", "be a whole number of at least 0 that 64 bits can hold"),
        (r#""maxOutputTokens":-1"#, "maxOutputTokens", "be a whole number of at least 0 that 64 bits can hold"),
        (
            r#""thinkingConfig":{"thinkingBudget":-7}"#,
            "thinkingConfig.thinkingBudget",
            "be a whole number of at least -1 that 64 bits can hold",
        ),
        (r#""thinkingConfig":{"include_thoughts":"x"}"#, "thinkingConfig.includeThoughts", "be a boolean"),
    ] {
        let error = beside(&format!(r#""generationConfig":{{{setting}}}"#)).unwrap_err();
        assert_eq!(error.param, Some(format!("generationConfig.{field}")), "{setting}");
        assert_eq!(error.message, format!("generationConfig.{field} must {must}"));
    }
    let numbers = r#""generationConfig":{"temperature":"0.5","topP":"0.9","topK":"40","seed":"-3","maxOutputTokens":7.0,
        "thinkingConfig":{"thinkingBudget":-1}}"#;
    let read = beside(numbers).unwrap();
    assert_eq!((read.temperature, read.top_p, read.top_k), (Some(0.5), Some(0.9), Some(40)));
    assert_eq!((read.seed, read.max_output_tokens), (Some(-3), Some(7)));
    assert_eq!(read.reasoning, Some(Reasoning::Adaptive));
}

#[test]
fn alternatives_to_tokens_are_counted_only_where_log_probabilities_are_wanted() {
    let with = |config: &str| beside(&format!(r#""generationConfig":{{{config}}}"#));
    assert_eq!(with(r#""responseLogprobs":true,"logprobs":3"#).unwrap().logprobs, Some(3));
    assert_eq!(with(r#""logprobs":0"#).unwrap().logprobs, None);
    for config in [r#""logprobs":3"#, r#""logprobs":3,"responseLogprobs":false"#] {
        assert_eq!(with(config).unwrap_err().param.as_deref(), Some("generationConfig.logprobs"));
    }
}

#[test]
fn how_functions_are_called_is_one_of_googles_words() {
    let calling = |config: &str| {
        let tools = r#""tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]}]"#;
        let read = beside(&format!(r#"{tools},"toolConfig":{{"functionCallingConfig":{{{config}}}}}"#))?;
        let fields = read.extras.iter().map(|extra| extra.field.rsplit('.').next().unwrap_or_default().to_owned());
        Ok::<_, GatewayError>((read.tool_choice.clone(), fields.collect::<Vec<_>>()))
    };
    for mode in ["\"ZORK\"", "5"] {
        let error = calling(&format!(r#""mode":{mode}"#)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("toolConfig.functionCallingConfig.mode"));
    }
    for (config, choice, names_are_told) in [
        (r#""mode":"MODE_UNSPECIFIED""#, None, false),
        (r#""mode":null"#, None, false),
        (r#""mode":"auto""#, Some(ToolChoice::Auto), false),
        (r#""mode":"VALIDATED","allowedFunctionNames":["f","g"]"#, Some(ToolChoice::Auto), false),
        (r#""mode":"VALIDATED","allowedFunctionNames":["f"]"#, Some(ToolChoice::Auto), true),
        (r#""mode":"ANY","allowedFunctionNames":["g","f"]"#, Some(ToolChoice::Required), false),
        (r#""mode":"ANY","allowedFunctionNames":["f"]"#, Some(ToolChoice::Named("f".into())), false),
        (r#""mode":"ANY","allowedFunctionNames":["f","g","h"]"#, Some(ToolChoice::Required), true),
        (r#""mode":"AUTO","allowedFunctionNames":["f","g"]"#, Some(ToolChoice::Auto), true),
        (r#""mode":"NONE","allowedFunctionNames":["f"]"#, Some(ToolChoice::None), false),
        (r#""allowedFunctionNames":["f","g"]"#, None, true),
        (r#""allowed_function_names":[]"#, None, false),
    ] {
        let told = if names_are_told { vec!["allowedFunctionNames".to_owned()] } else { Vec::new() };
        assert_eq!(calling(config).unwrap(), (choice, told), "{config}");
    }
    // Without functions there are none to choose from.
    let alone = beside(r#""toolConfig":{"functionCallingConfig":{"allowedFunctionNames":["f"]}}"#).unwrap();
    assert_eq!(alone.extras.len(), 1);
}

#[test]
fn a_member_that_stands_twice_in_one_spelling_or_in_both_is_refused() {
    for (members, param) in [
        (r#""generationConfig":{},"generation_config":{}"#, "generationConfig"),
        (r#""generationConfig":{"topK":1,"topK":2}"#, "generationConfig.topK"),
        (r#""generationConfig":{"top_k":1,"topK":2}"#, "generationConfig.topK"),
        (
            r#""generation_config":{"thinking_config":{"thinkingBudget":1,"thinking_budget":2}}"#,
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        (r#""tools":[{"functionDeclarations":[],"function_declarations":[]}]"#, "tools[0].functionDeclarations"),
        (r#""tools":[{"googleSearch":{},"google_search":{}}]"#, "tools[0].googleSearch"),
        (r#""toolConfig":{},"tool_config":{}"#, "toolConfig"),
        (r#""safetySettings":[],"safety_settings":[]"#, "safetySettings"),
        (r#""system_instruction":"a","systemInstruction":"b""#, "systemInstruction"),
        (r#""systemInstruction":{"parts":[],"parts":[]}"#, "systemInstruction.parts"),
    ] {
        let error = beside(members).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{members}");
        assert_eq!(error.message, format!("{param} stands twice"));
    }
    let part = |part: &str| decode(format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#).as_bytes());
    for (twice, member) in [
        (r#"{"text":"a","text":"b"}"#, "text"),
        (r#"{"text":"a","partMetadata":{"a":1},"part_metadata":{"a":2}}"#, "partMetadata"),
        (r#"{"inlineData":{"mimeType":"image/png","mime_type":"image/png","data":"AA"}}"#, "inlineData.mimeType"),
    ] {
        assert_eq!(part(twice).unwrap_err().param, Some(format!("contents[0].parts[0].{member}")), "{twice}");
    }
    // What is the caller's own may be called as it likes, and `null` is absence.
    assert!(part(r#"{"text":"a"},{"functionCall":{"name":"f","args":{"a_b":1,"aB":2}}}"#).is_ok());
    assert_eq!(beside(r#""generationConfig":{"topK":null,"top_k":5}"#).unwrap().top_k, Some(5));
}

#[test]
fn a_part_says_one_thing() {
    let part = |part: &str| decode(format!(r#"{{"contents":[{{"parts":[{part}]}}]}}"#).as_bytes());
    let picture = r#""inlineData":{"mimeType":"image/png","data":"AA"}"#;
    for several in [
        format!(r#"{{"text":"a",{picture}}}"#),
        format!(r#"{{{picture},"file_data":{{"fileUri":"https://a/b"}}}}"#),
        r#"{"text":"a","functionCall":{"name":"f"}}"#.to_owned(),
        r#"{"text":"a","executable_code":{"code":"1"}}"#.to_owned(),
        r#"{"functionCall":{"name":"f"},"functionResponse":{"name":"f","response":{}}}"#.to_owned(),
    ] {
        let error = part(&several).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("contents[0].parts[0]"), "{several}");
    }
    for one in [
        format!(r#"{{"text":"",{picture}}}"#),
        format!(r#"{{{picture},"videoMetadata":{{"fps":1}},"mediaResolution":{{}}}}"#),
        r#"{"text":"a","thought":true,"thoughtSignature":"s","partMetadata":{}}"#.to_owned(),
        r#"{"functionCall":{"name":"f"},"thoughtSignature":"s"}"#.to_owned(),
    ] {
        part(&one).unwrap();
    }
    let noted = part(r#"{"functionCall":{"name":"f"}},{"functionResponse":{"name":"f"},"partMetadata":{"a":1}}"#);
    assert_eq!(noted.unwrap().extras[0].field, "contents[0].parts[1].partMetadata");
}

#[test]
fn a_mime_types_case_says_nothing() {
    let body = r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"IMAGE/PNG","data":"AA"}},
        {"fileData":{"mimeType":"Audio/WAV","fileUri":"https://a/b"}},
        {"inlineData":{"mimeType":"Text/Plain;charset=UTF-8","data":"AA"}}]}]}"#;
    let read = decode(body.as_bytes()).unwrap();
    let [Part::Image(picture), Part::Audio(_), Part::File(text)] = read.turns[0].parts.as_slice() else {
        panic!("{:?}", read.turns)
    };
    assert!(matches!(&picture.source, MediaSource::Base64 { mime, .. } if mime == "image/png"));
    assert!(matches!(&text.source, MediaSource::Base64 { mime, .. } if mime == "text/plain;charset=UTF-8"));
    let source = MediaSource::Base64 { mime: "IMAGE/JPG".to_owned(), data: "AA".to_owned() };
    let request = asking(vec![turn(Role::User, vec![Part::Image(Media { source, detail: None, name: None })])]);
    let (body, losses) = written(&request, "gemini-2.5-flash");
    assert_eq!(body["contents"][0]["parts"][0]["inlineData"]["mimeType"], "image/jpeg");
    assert!(losses.is_empty());
}
