use super::*;
use crate::dialect::canonical::FinishReason;
use crate::dialect::Observation;
use crate::dialect::StreamFault;

fn seen(body: &str) -> View<'_> {
    view(body.as_bytes()).unwrap()
}

#[test]
fn a_request_tells_what_it_needs() {
    let view = seen(
        r#"{"contents":[
              {"role":"user","parts":[{"text":"first"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},
              {"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},
              {"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]},
              {"role":"user","parts":[{"text":"last"},{"text":"words"},{"fileData":{"fileUri":"gs://x"}}]}],
            "tools":[{"functionDeclarations":[{"name":"f"}]}],
            "toolConfig":{"functionCallingConfig":{"mode":"ANY"}},
            "generationConfig":{"maxOutputTokens":64,"temperature":0.2,"responseMimeType":"application/json",
              "thinkingConfig":{"thinkingLevel":"HIGH"}}}"#,
    );
    let needs = Needs {
        tools: true,
        forced_tools: true,
        vision: true,
        files: true,
        json_object: true,
        reasoning: true,
        tool_results: true,
        sampling: true,
        ..Needs::default()
    };
    assert_eq!(view.needs, needs);
    assert_eq!((view.max_output_tokens, view.effort.as_deref(), view.turns), (Some(64), Some("high"), 4));
    assert_eq!(view.sample, "last\nwords");
    assert!(view.include_usage && !view.stream && view.model.is_empty());
    assert!(view.members.raw("contents").is_some());
}

#[test]
fn what_is_left_at_its_default_needs_nothing() {
    let view = seen(
        r#"{"contents":{"parts":{"text":"grüße"}},"generationConfig":{"temperature":1,"thinkingConfig":{"thinkingBudget":0}}}"#,
    );
    assert_eq!(view.needs, Needs::default());
    assert_eq!(view.effort.as_deref(), Some("none"));
    assert!(matches!(view.sample, Cow::Borrowed("grüße")));
}

#[test]
fn media_do_not_count_as_tokens() {
    let data = "A".repeat(100_000);
    let body = format!(
        r#"{{"contents":[{{"parts":[{{"text":"what is this, please?"}},{{"inlineData":{{"mimeType":"audio/wav","data":"{data}"}}}}]}}]}}"#
    );
    let view = seen(&body);
    assert!(view.needs.audio);
    assert!((5..10).contains(&view.estimated_input_tokens), "{}", view.estimated_input_tokens);
}

#[test]
fn a_wrong_request_names_its_field() {
    const NOT_A_LIST: &str = "must be a list";
    for (body, param, must) in [
        (r"{}", "contents", "is not specified"),
        (r#"{"contents":[]}"#, "contents", "is not specified"),
        (r#"{"contents":[{"parts":[{"text":1}]}]}"#, "contents[0].parts[0].text", "must be a string"),
        (r#"{"contents":[{"parts":[{"inline_data":1}]}]}"#, "contents[0].parts[0].inlineData", "must be an object"),
        (r#"{"contents":[{"parts":1}]}"#, "contents[0].parts", NOT_A_LIST),
        (r#"{"contents":[{"parts":[]}],"tools":3}"#, "tools", NOT_A_LIST),
        (r#"{"contents":[{"parts":[]}],"tools":[],"toolConfig":3}"#, "toolConfig", "must be an object"),
        (
            r#"{"contents":[{"parts":[]}],"tools":[],"toolConfig":{"functionCallingConfig":{"mode":5}}}"#,
            "toolConfig.functionCallingConfig.mode",
            "must be a string",
        ),
        (r#"{"contents":[{"parts":[]}],"generationConfig":{"topP":"x"}}"#, "generationConfig.topP", "must be a number"),
        (
            r#"{"contents":[{"parts":[]}],"generation_config":{"stopSequences":"x"}}"#,
            "generationConfig.stopSequences",
            NOT_A_LIST,
        ),
    ] {
        let error = view(body.as_bytes()).unwrap_err();
        assert_eq!((error.param.as_deref(), error.message), (Some(param), format!("{param} {must}")), "{body}");
    }
    let role = view(br#"{"contents":[{"role":"tool","parts":[]}]}"#).unwrap_err();
    assert_eq!(role.param.as_deref(), Some("contents[0].role"));
    assert_eq!(view(br#"{"contents":[],"contents":[]}"#).unwrap_err().param.as_deref(), Some("contents"));
}

#[test]
fn what_google_takes_in_another_form_or_refuses_itself_goes_as_it_was_written() {
    for config in [
        r#"{"temperature":"0.5","topP":"0.9","topK":"40","candidateCount":"1"}"#,
        r#"{"topK":1.5,"top_k":-1}"#,
        r#"{"logprobs":3}"#,
    ] {
        seen(&format!(r#"{{"contents":[{{"parts":[]}}],"generationConfig":{config}}}"#));
    }
    seen(r#"{"contents":[{}],"tools":[],"toolConfig":{"functionCallingConfig":{"mode":"OF_TOMORROW"}}}"#);
    let pictured = seen(r#"{"contents":[{"parts":[{"text":"a","inlineData":{"mimeType":"IMAGE/PNG","data":"AA"}}]}]}"#);
    assert!(pictured.needs.vision && !pictured.needs.files);
}

fn frame(data: &str) -> crate::sse::Frame<'_> {
    crate::sse::Frame { raw: data.as_bytes(), event: None, data: Some(data.as_bytes().into()), id: None }
}

#[test]
fn events_are_observed_in_passing() {
    let mut observation = Observation::default();
    let events = [
        (
            r#"{"responseId":"r","modelVersion":"m","usageMetadata":{"trafficType":"x"},"candidates":[{"content":{}}]}"#,
            false,
        ),
        (r#"{"candidates":[{"content":{"parts":[{"text":"a\u003cb\n"}]}}]}"#, true),
        (r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#, true),
    ];
    for (event, content) in events {
        let was = observe_event(&frame(event), &mut observation).unwrap();
        assert_eq!((was.content, was.terminal), (content, false), "{event}");
    }
    assert_eq!((observation.id.as_deref(), observation.model.as_deref()), (Some("r"), Some("m")));
    assert_eq!(observation.output_bytes, 4 + 12);
    assert_eq!((observation.usage, observation.finish, observation.done), (None, None, false));
    let last =
        r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}}"#;
    let was = observe_event(&frame(last), &mut observation).unwrap();
    assert!(was.content && was.usage && !was.usage_only && !was.terminal, "there is no terminator");
    assert_eq!(observation.finish, Some(FinishReason::ToolCalls));
    assert!(observation.done);
    observe_event(&frame(r#"{"candidates":[{"content":{"parts":[{"text":"more"}]}}]}"#), &mut observation).unwrap();
    assert!(!observation.done, "what goes on has not ended");
}

#[test]
fn an_answer_is_complete_when_each_of_its_candidates_is() {
    let mut observation = Observation::default();
    for (event, done) in [
        (r#"{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{}}]}"#, false),
        (r#"{"candidates":[{"index":0,"finishReason":"STOP"}]}"#, false),
        (r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"CONTINUATION"}]}"#, false),
        (r#"{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}"#, true),
        (r#"{"usageMetadata":{"promptTokenCount":1}}"#, true),
    ] {
        observe_event(&frame(event), &mut observation).unwrap();
        assert_eq!(observation.done, done, "{event}");
    }
    assert_eq!(observation.raw_finish.as_deref(), Some("STOP"));
}

#[test]
fn searches_are_counted_once_though_events_repeat_them() {
    let mut observation = Observation::default();
    let searched = |queries: &str, more: &str| {
        format!(r#"{{"candidates":[{{"content":{{}},"groundingMetadata":{{"webSearchQueries":[{queries}]}}}}]{more}}}"#)
    };
    let counts = r#","usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":2}"#;
    for event in [searched("\"a\"", ""), searched("\"a\",\"b\"", counts), searched("\"a\",\"b\"", "")] {
        observe_event(&frame(&event), &mut observation).unwrap();
    }
    assert_eq!(observation.billed().unwrap().web_searches, Some(2));
    let whole = observe_response(searched("\"a\"", counts).as_bytes()).unwrap();
    assert_eq!(whole.billed().unwrap().web_searches, Some(1));
    let none = observe_response(br#"{"candidates":[{}],"usageMetadata":{"promptTokenCount":1}}"#).unwrap();
    assert_eq!(none.billed().unwrap().web_searches, None);
}

#[test]
fn verdicts_are_ends_and_foreign_bodies_are_none() {
    let blocked = observe_response(br#"{"promptFeedback":{"blockReason":"OTHER"}}"#).unwrap();
    assert_eq!((blocked.finish, blocked.done), (Some(FinishReason::ContentFilter), true));
    let silent = [r#"{"candidates":[]}"#, r#"{"promptFeedback":{"safetyRatings":[]}}"#];
    for foreign in ["{}", "<html>", r#"{"choices":[]}"#, ""].into_iter().chain(silent) {
        assert!(matches!(observe_response(foreign.as_bytes()), Err(StreamFault::Malformed(_))), "{foreign}");
    }
    assert!(matches!(observe_response(br#"[{"error":{"code":500}}]"#), Err(StreamFault::Provider(_))));
}
