//! Gemini's clients over a scripted world: paths, both framings of a stream, their ends, errors and reports. Recorded
//! streams run through as a native client gets them and as other providers' answers to one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde_json::{json, Value};
use signalbox::accounting::{Cost, Outcome, Row};
use signalbox::gateway::Gateway;
use signalbox::http::Request;
use signalbox::pipeline;
use support::{Fake, Piece, Script, START_MS};

const CONFIG: &str = r#"{
  "identity": {"mode": "none"},
  "providers": {
    "openai": {"base_url": "http://127.0.0.1:9/openai/v1", "api_key": "k-openai"},
    "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k-anthropic"},
    "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k-gemini"},
    "google2": {"kind": "gemini", "base_url": "http://127.0.0.1:9/google2", "api_key": "k-google2", "prices_of": "gemini"}
  }
}"#;

const NATIVE: &str = "gemini/gemini-2.5-flash";
const CLAUDE: &str = "anthropic/claude-haiku-4-5";
const BODY: &str = r#"{ "contents" : [{"parts":[{"text":"Say hello"}]}] , "unknownField": 1.0 }"#;

thread_local! {
    static READ_ONCE: Gateway = Gateway::load_local(CONFIG).expect("the test's configuration is valid");
}

/// A gateway that remembers nothing.
fn gateway() -> Rc<Gateway> {
    READ_ONCE.with(support::forgetful)
}

fn request(method: &str, path: &str, query: &str, body: &str, headers: &[(&str, &str)]) -> Request {
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: headers.iter().copied().collect(),
        body: body.as_bytes().to_vec(),
    }
}

fn serve(fake: &Fake, request: Request) {
    let gateway = gateway();
    *fake.0.request_body.borrow_mut() = request.body.clone();
    futures::executor::block_on(pipeline::handle(fake, Ok(gateway), request));
    let rows = fake.0.rows.borrow();
    let settles = rows.iter().filter(|(_, row)| matches!(row, Row::Settle { .. })).count();
    assert_eq!((rows.len(), settles), (2 * fake.calls().len(), fake.calls().len()), "each attempt has one account");
    assert_ne!(fake.0.closed.get(), fake.0.aborted.get(), "an answer has one end");
}

fn generate(fake: &Fake, model: &str, body: &str, headers: &[(&str, &str)]) {
    serve(fake, request("POST", &format!("/v1beta/models/{model}:generateContent"), "", body, headers));
}

fn stream(fake: &Fake, model: &str, query: &str, body: &str, headers: &[(&str, &str)]) {
    serve(fake, request("POST", &format!("/v1beta/models/{model}:streamGenerateContent"), query, body, headers));
}

fn settled(fake: &Fake) -> (Outcome, Cost) {
    let rows = fake.0.rows.borrow();
    let found = rows.iter().rev().find_map(|(_, row)| match row {
        Row::Settle { settled, .. } => Some((settled.outcome, settled.cost)),
        Row::Open { .. } | Row::Release { .. } => None,
    });
    found.expect("an attempt is settled")
}

/// The payloads of an event stream.
fn events(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|json| serde_json::from_str(json).unwrap())
        .collect()
}

fn elements(body: &str) -> Vec<Value> {
    serde_json::from_str(body).expect("an array")
}

fn texts(chunks: &[Value], thoughts: bool) -> String {
    let parts =
        chunks.iter().flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().into_iter().flatten());
    parts.filter(|part| (part["thought"] == true) == thoughts).filter_map(|part| part["text"].as_str()).collect()
}

fn chunk(text: &str, rest: &str) -> String {
    format!("data: {{\"candidates\": [{{\"content\": {{\"parts\": [{{\"text\": {text:?}}}],\"role\": \"model\"}}{rest},\"index\": 0}}],\"usageMetadata\": {{\"promptTokenCount\": 7,\"candidatesTokenCount\": 2,\"totalTokenCount\": 9}},\"modelVersion\": \"m\",\"responseId\": \"r\"}}\r\n\r\n")
}

fn end(text: &str) -> String {
    chunk(text, ",\"finishReason\": \"STOP\"")
}

fn hello() -> [String; 3] {
    [chunk("Grü", ""), chunk("ße 😀", ""), end("!")]
}

const WHOLE: &str = r#"{ "candidates": [{"content": {"parts": [{"text": "Hello"}], "role": "model"}, "finishReason": "STOP", "index": 0, "citationMetadata": {"new": 1}}], "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 9}, "modelVersion": "m", "responseId": "r", "notKnown": 1.50 }"#;

const CLAUDE_STREAM: [&str; 9] = [
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"c2ln\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Añb\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":6}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
];

#[test]
fn a_native_answer_keeps_every_byte_both_ways() {
    let fake = Fake::new([Script::json(200, WHOLE)]);
    generate(&fake, NATIVE, BODY, &[]);
    assert_eq!((fake.status(), fake.body().as_str()), (200, WHOLE));
    let call = &fake.calls()[0].request;
    assert_eq!(call.url, "http://127.0.0.1:9/gemini/v1beta/models/gemini-2.5-flash:generateContent");
    assert_eq!(call.headers.value("x-goog-api-key"), Some("k-gemini"));
    assert_eq!(String::from_utf8_lossy(&call.body), BODY);
    assert_eq!(fake.header("x-signalbox-model").as_deref(), Some(NATIVE));
    assert!(matches!(settled(&fake), (Outcome::Completed, Cost::Exact { .. })));
}

#[test]
fn numbers_may_be_texts_on_every_way() {
    let body = r#"{"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"temperature":"0.5","topK":"40"}}"#;
    let fake = Fake::new([Script::json(200, WHOLE)]);
    generate(&fake, NATIVE, body, &[]);
    assert_eq!(fake.status(), 200);
    assert_eq!(String::from_utf8_lossy(&fake.calls()[0].request.body), body);
    let fake = Fake::new([Script::stream(CLAUDE_STREAM.map(str::to_owned))]);
    stream(&fake, CLAUDE, "alt=sse", body, &[]);
    let sent: Value = serde_json::from_slice(&fake.calls()[0].request.body).unwrap();
    assert_eq!((&sent["temperature"], &sent["top_k"]), (&json!(0.5), &json!(40)));
}

#[test]
fn what_is_wrong_is_told_by_its_exact_place() {
    for (model, config, place, must) in [
        (NATIVE, r#""temperature":[1]"#, "generationConfig.temperature", "be a number"),
        (NATIVE, r#""stopSequences":"x""#, "generationConfig.stopSequences", "be a list"),
        (CLAUDE, r#""responseMimeType":5"#, "generationConfig.responseMimeType", "be a string"),
        (CLAUDE, r#""top_k":1,"topK":2"#, "generationConfig.topK", ""),
    ] {
        let body = format!(r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}],"generationConfig":{{{config}}}}}"#);
        let fake = Fake::new([]);
        generate(&fake, model, &body, &[]);
        assert_eq!(fake.status(), 400, "{config}");
        let error: Value = serde_json::from_str(&fake.body()).unwrap();
        let details = error["error"]["details"].as_array().unwrap();
        let violation = details.iter().find_map(|detail| detail.get("fieldViolations")).unwrap();
        assert_eq!(violation[0]["field"], place);
        let wanted = if must.is_empty() { format!("{place} stands twice") } else { format!("{place} must {must}") };
        assert_eq!(error["error"]["message"], wanted);
    }
}

#[test]
fn a_native_event_stream_passes_untouched() {
    let fake = Fake::new([Script::stream(hello())]);
    stream(&fake, NATIVE, "alt=sse", BODY, &[]);
    assert_eq!(fake.body(), hello().concat());
    assert_eq!(fake.header("content-type").as_deref(), Some("text/event-stream; charset=utf-8"));
    assert!(fake.calls()[0].request.url.ends_with("/gemini-2.5-flash:streamGenerateContent?alt=sse"));
    assert!(matches!(settled(&fake), (Outcome::Completed, Cost::Exact { .. })));
}

#[test]
fn without_alt_sse_the_same_answers_are_one_array_element_by_element() {
    let fake = Fake::new([Script::stream(hello())]);
    stream(&fake, NATIVE, "", BODY, &[]);
    assert_eq!(fake.header("content-type").as_deref(), Some("application/json; charset=utf-8"));
    assert_eq!(elements(&fake.body()), events(&hello().concat()));
    for event in hello() {
        assert!(fake.body().contains(event["data: ".len()..].trim_end()), "each element keeps its bytes");
    }
    let written = fake.0.written.borrow();
    assert!(String::from_utf8_lossy(&written[0].1).starts_with("[{"), "{written:?}");
    assert_eq!(written[0].0 - START_MS, 30, "the first element goes out before the second comes");
    assert!(matches!(settled(&fake), (Outcome::Completed, Cost::Exact { .. })));
}

#[test]
fn what_comes_after_a_first_finish_reason_belongs_to_the_answer() {
    for (query, headers) in [("alt=sse", &[][..]), ("", &[]), ("alt=sse", &[("x-signalbox-explain", "true")])] {
        let late = "data: {\"candidates\":[],\"usageMetadata\":{\"promptTokenCount\":7,\"candidatesTokenCount\":1000,\"totalTokenCount\":1007}}\r\n\r\n";
        let fake = Fake::new([Script::stream([chunk("a", ""), end("b"), end("c"), late.to_owned()])]);
        stream(&fake, NATIVE, query, BODY, headers);
        let got = if query.is_empty() { elements(&fake.body()) } else { events(&fake.body()) };
        assert_eq!((got.len(), texts(&got, false).as_str()), (4, "abc"), "{query} {headers:?}");
        assert_eq!(got[3]["usageMetadata"]["candidatesTokenCount"], 1000);
        assert_eq!(got[3]["signalbox"].is_object(), !headers.is_empty(), "the report is in the last event");
        let rows = fake.0.rows.borrow();
        let counted = rows.iter().find_map(|(_, row)| match row {
            Row::Settle { settled, .. } => Some(settled.usage.output_tokens),
            Row::Open { .. } | Row::Release { .. } => None,
        });
        assert_eq!(counted, Some(1000));
    }
}

#[test]
fn an_explanation_is_in_the_last_chunk_whoever_answers_in_either_framing() {
    for query in ["alt=sse", ""] {
        for (model, script) in [(NATIVE, Script::stream(hello())), (CLAUDE, Script::stream(CLAUDE_STREAM))] {
            let fake = Fake::new([script]);
            stream(
                &fake,
                model,
                query,
                r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#,
                &[("x-signalbox-explain", "true")],
            );
            let got = if query.is_empty() { elements(&fake.body()) } else { events(&fake.body()) };
            let (last, before) = got.split_last().unwrap();
            assert_eq!(last["signalbox"]["model"], model, "{query}");
            assert!(last["signalbox"]["decision"].is_object() && last["signalbox"]["attempts"].is_array());
            assert_eq!(last["candidates"][0]["finishReason"], "STOP");
            assert!(before.iter().all(|chunk| chunk["signalbox"].is_null()));
        }
    }
    let fake = Fake::new([Script::json(200, WHOLE)]);
    generate(&fake, NATIVE, BODY, &[("x-signalbox-explain", "true")]);
    let answer: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((&answer["signalbox"]["model"], &answer["responseId"]), (&json!(NATIVE), &json!("r")));
}

#[test]
fn thoughts_are_shown_to_who_asked_for_them() {
    for (config, shown) in [
        ("", ""),
        (r#","generationConfig":{"thinkingConfig":{"includeThoughts":true}}"#, "hm"),
        (r#","generationConfig":{"thinkingConfig":{"includeThoughts":false}}"#, ""),
    ] {
        let body = format!(r#"{{"contents":[{{"parts":[{{"text":"Hi"}}]}}]{config}}}"#);
        let fake = Fake::new([Script::stream(CLAUDE_STREAM)]);
        stream(&fake, CLAUDE, "alt=sse", &body, &[]);
        let got = events(&fake.body());
        assert_eq!((texts(&got, true).as_str(), texts(&got, false).as_str()), (shown, "Añb"), "{config}");
        let signed =
            got.iter().any(|chunk| chunk["candidates"][0]["content"]["parts"][0]["thoughtSignature"].is_string());
        assert!(signed, "what Claude wants back is there in any case");

        let whole = r#"{"id":"msg_1","type":"message","role":"assistant","model":"c","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"text","text":"Añb"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"output_tokens":6}}"#;
        let fake = Fake::new([Script::json(200, whole)]);
        generate(&fake, CLAUDE, &body, &[]);
        let got = [serde_json::from_str(&fake.body()).unwrap()];
        assert_eq!((texts(&got, true).as_str(), texts(&got, false).as_str()), (shown, "Añb"), "{config}");
    }
}

#[test]
fn a_model_of_another_dialect_is_asked_in_its_own() {
    let whole = r#"{"id":"c1","object":"chat.completion","created":1,"model":"gpt-x","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"finish_reason":"length"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
    let fake = Fake::new([Script::json(200, whole)]);
    generate(
        &fake,
        "openai%2Fgpt-4o-mini",
        r#"{"contents":[{"parts":[{"text":"Hi"}]}],"generationConfig":{"maxOutputTokens":9}}"#,
        &[],
    );
    let sent: Value = serde_json::from_slice(&fake.calls()[0].request.body).unwrap();
    assert_eq!((&sent["model"], &sent["messages"][0]["content"]), (&json!("gpt-4o-mini"), &json!("Hi")));
    assert_ne!(sent["stream"], true);
    let answer: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!(answer["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(answer["usageMetadata"]["promptTokenCount"], 9);

    let fake = Fake::new([Script::stream(CLAUDE_STREAM)]);
    stream(&fake, CLAUDE, "", r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#, &[]);
    let sent: Value = serde_json::from_slice(&fake.calls()[0].request.body).unwrap();
    assert_eq!((&sent["model"], &sent["stream"]), (&json!("claude-haiku-4-5"), &json!(true)));
    assert_eq!(texts(&elements(&fake.body()), false), "Añb");
}

#[test]
fn the_end_of_input_without_a_finish_reason_is_an_error_and_never_an_end() {
    for query in ["alt=sse", ""] {
        let fake = Fake::new([Script::stream([chunk("a", ""), chunk("b", "")])]);
        stream(&fake, NATIVE, query, BODY, &[("x-signalbox-continue", "off")]);
        let got = if query.is_empty() { elements(&fake.body()) } else { events(&fake.body()) };
        assert_eq!(texts(&got, false), "ab");
        assert_eq!(got.last().unwrap()["error"]["status"], "UNAVAILABLE", "{query}");
        assert_eq!(settled(&fake).0, Outcome::Cut);
    }
}

#[test]
fn a_stream_cut_inside_an_event_that_is_out_ends_in_a_transport_error_and_an_array_in_a_typed_one() {
    for (query, aborted) in [("alt=sse", true), ("", false)] {
        let cut = Script::stream([chunk("a", ""), "data: {\"candidates\": [{\"content\": {\"par".to_owned()])
            .then(5, Piece::Reset);
        let fake = Fake::new([cut]);
        stream(&fake, NATIVE, query, BODY, &[]);
        assert_eq!(fake.0.aborted.get(), aborted, "{query}");
        if !aborted {
            assert_eq!(elements(&fake.body()).last().unwrap()["error"]["code"], 502);
        }
    }
}

#[test]
fn a_pause_for_which_google_gave_its_token_is_for_its_client_to_go_on_from() {
    let paused = chunk("b", ",\"finishReason\": \"CONTINUATION\",\"continuationToken\": \"t\"");
    for query in ["alt=sse", ""] {
        let fake = Fake::new([Script::stream([chunk("a", ""), paused.clone()])]);
        stream(&fake, NATIVE, query, BODY, &[]);
        let got = if query.is_empty() { elements(&fake.body()) } else { events(&fake.body()) };
        assert_eq!(got.last().unwrap()["candidates"][0]["continuationToken"], "t");
        assert_eq!(settled(&fake).0, Outcome::Completed);
    }
}

#[test]
fn the_providers_error_inside_a_stream_is_told_once() {
    let error = "data: {\"error\":{\"code\":503,\"message\":\"overloaded\",\"status\":\"UNAVAILABLE\"}}\r\n\r\n";
    for query in ["alt=sse", ""] {
        let fake = Fake::new([Script::stream([chunk("a", ""), error.to_owned()])]);
        stream(&fake, NATIVE, query, BODY, &[]);
        let got = if query.is_empty() { elements(&fake.body()) } else { events(&fake.body()) };
        assert_eq!(got.iter().filter(|chunk| chunk["error"].is_object()).count(), 1, "{}", fake.body());
        assert_eq!(got.last().unwrap()["error"]["code"], 503);
    }
    // Before any content it is a reason to ask somebody else, bare JSON without `data:` included.
    let fake = Fake::new([
        Script::stream(["{\"error\":{\"code\":503,\"message\":\"x\",\"status\":\"UNAVAILABLE\"}}\r\n"]),
        Script::stream(hello()),
    ]);
    stream(&fake, NATIVE, "", BODY, &[("x-signalbox-models", "google2/gemini-2.5-flash")]);
    assert_eq!(texts(&elements(&fake.body()), false), "Grüße 😀!");
    assert_eq!(fake.calls().len(), 2);
}

#[test]
fn a_slow_answer_keeps_an_array_alive_with_white_space() {
    let late = Script {
        head: support::Head::After(40_000, 200, vec![("content-type", "text/event-stream".into())]),
        ..Script::stream(hello())
    };
    let fake = Fake::new([late]);
    stream(&fake, NATIVE, "", BODY, &[]);
    assert!(fake.body().starts_with("\n\n["), "{}", fake.body());
    let got = elements(&fake.body());
    assert_eq!(texts(&got, false), "Grüße 😀!");
    assert_eq!(got.last().unwrap()["signalbox"]["model"], NATIVE, "the headers went out without it");
}

#[test]
fn errors_have_googles_form_and_words() {
    for (path, body, status, word, param) in [
        ("/v1beta/models/nowhere-model:generateContent", BODY, 404, "NOT_FOUND", Some("model")),
        ("/v1beta/models/gemini/x:generateContent", "{}", 400, "INVALID_ARGUMENT", Some("contents")),
        ("/v1beta/models/gemini/x:generateContent", "", 400, "INVALID_ARGUMENT", None),
        ("/v1beta/models/x:predict", BODY, 404, "NOT_FOUND", None),
    ] {
        let fake = Fake::new([]);
        serve(&fake, request("POST", path, "", body, &[]));
        let error = serde_json::from_str::<Value>(&fake.body()).unwrap()["error"].clone();
        assert_eq!((fake.status(), &error["code"], &error["status"]), (status, &json!(status), &json!(word)), "{path}");
        let fields: Vec<&Value> =
            error["details"].as_array().unwrap().iter().filter_map(|d| d["fieldViolations"][0].get("field")).collect();
        assert_eq!(fields.first().and_then(|f| f.as_str()), param, "{path}");
    }
    let limited = Script::json(
        429,
        r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"46s"}]}}"#,
    );
    let fake = Fake::new([limited]);
    generate(&fake, NATIVE, BODY, &[]);
    let error = serde_json::from_str::<Value>(&fake.body()).unwrap()["error"].clone();
    assert_eq!((fake.status(), &error["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    let delay = error["details"].as_array().unwrap().iter().find_map(|d| d["retryDelay"].as_str()).unwrap();
    assert!(delay.starts_with("46") || delay.starts_with("45"), "{delay}");
}

#[test]
fn other_providers_thoughts_do_not_reach_google_and_that_is_said() {
    // A Gemini client that talked to Claude replays what it got.
    let fake = Fake::new([Script::stream(CLAUDE_STREAM)]);
    stream(&fake, CLAUDE, "alt=sse", BODY_PLAIN, &[]);
    let parts: Vec<Value> = events(&fake.body())
        .iter()
        .flat_map(|c| c["candidates"][0]["content"]["parts"].as_array().unwrap().clone())
        .collect();
    let history = json!({"contents": [
        {"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": parts}, {"role": "user", "parts": [{"text": "and?"}]}]});
    let fake = Fake::new([Script::json(200, WHOLE)]);
    generate(&fake, NATIVE, &history.to_string(), &[]);
    let sent = String::from_utf8(fake.calls()[0].request.body.clone()).unwrap();
    assert!(sent.contains("Añb") && !sent.contains("thoughtSignature"), "{sent}");
    assert_eq!(fake.header("x-signalbox-losses").as_deref(), Some("contents:advisory"));
    // Claude gets them back.
    let fake = Fake::new([Script::json(200, WHOLE)]);
    generate(&fake, CLAUDE, &history.to_string(), &[]);
    let sent = String::from_utf8(fake.calls()[0].request.body.clone()).unwrap();
    assert!(sent.contains(r#""signature":"c2ln""#), "{sent}");
}

const BODY_PLAIN: &str = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;

#[test]
fn a_dry_run_takes_the_model_from_the_body() {
    for model in ["gemini/gemini-2.5-flash", "models/gemini/gemini-2.5-flash", "gemini-2.5-flash"] {
        let fake = Fake::new([]);
        let body = format!(r#"{{"model":"{model}","contents":[{{"parts":[{{"text":"Hi"}}]}}]}}"#);
        serve(&fake, request("POST", "/v1/route", "", &body, &[("x-signalbox-dialect", "gemini")]));
        let decision: Value = serde_json::from_str(&fake.body()).unwrap();
        assert_eq!((fake.status(), &decision["chosen"]), (200, &json!(NATIVE)), "{}", fake.body());
    }
    let fake = Fake::new([]);
    serve(&fake, request("POST", "/v1/route", "", BODY_PLAIN, &[("x-signalbox-dialect", "gemini")]));
    let error: Value = serde_json::from_str(&fake.body()).unwrap();
    assert_eq!((fake.status(), &error["error"]["status"]), (400, &json!("INVALID_ARGUMENT")), "no model is named");
}

#[test]
fn the_catalogue_has_googles_form_and_pages() {
    let page = |query: &str| -> Value {
        let fake = Fake::new([]);
        serve(&fake, request("GET", "/v1beta/models", query, "", &[]));
        assert_eq!(fake.status(), 200);
        serde_json::from_str(&fake.body()).unwrap()
    };
    let names = |page: &Value| -> Vec<String> {
        page["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = page("");
    assert!(all.get("nextPageToken").is_none());
    let all = names(&all);
    assert!(all.contains(&"models/auto".to_owned()) && all.contains(&format!("models/{NATIVE}")), "{all:?}");
    let (mut paged, mut token) = (Vec::new(), String::new());
    loop {
        let page = page(&format!("pageSize=7&pageToken={token}"));
        assert!(names(&page).len() <= 7);
        paged.extend(names(&page));
        match page["nextPageToken"].as_str() {
            Some(next) => token = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, all);
    for (path, status) in [
        (format!("/v1beta/models/{NATIVE}"), 200),
        ("/v1beta/models/gemini%2Fgemini-2.5-flash".into(), 200),
        ("/v1beta/models/none".into(), 404),
    ] {
        let fake = Fake::new([]);
        serve(&fake, request("GET", &path, "", "", &[]));
        assert_eq!(fake.status(), status, "{path}");
        let model: Value = serde_json::from_str(&fake.body()).unwrap();
        if status == 200 {
            assert!(
                model["inputTokenLimit"].is_u64() && model["supportedGenerationMethods"][0] == "generateContent",
                "{model}"
            );
        } else {
            assert_eq!(model["error"]["status"], "NOT_FOUND");
        }
    }
}

fn recorded() -> Option<PathBuf> {
    let folder = std::env::var("SIGNALBOX_FIXTURES").unwrap_or_else(|_| "../shared/fixtures".to_owned());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if !folder.is_dir() {
        eprintln!("no recordings at {}: nothing to replay", folder.display());
        return None;
    }
    Some(folder)
}

/// Every recorded stream of Google as its client gets it through here: the same bytes as events, the same payloads as an
/// array, wherever the network cuts.
/// Every recorded stream of Google as its client gets it through here: the same bytes as events, the same payloads as an
/// array, wherever the network cuts.
#[test]
fn recorded_streams_reach_a_gemini_client_whole() {
    let Some(folder) = recorded() else { return };
    let mut replayed = 0;
    for case in fs::read_dir(folder.join("gemini")).unwrap().map(|entry| entry.unwrap().path()) {
        let about: Value = serde_json::from_slice(&fs::read(case.join("case.json")).unwrap()).unwrap();
        // A recording that breaks off before any content is a failure, and another attempt.
        let cut = about["features"].as_array().unwrap().iter().any(|f| f == "stream-cut");
        if about["framing"] != "sse" || about["status"] != 200 || cut {
            continue;
        }
        let body = fs::read(case.join("response.sse")).unwrap();
        let plain = String::from_utf8(body.clone()).unwrap();
        for size in [if body.len() < 4000 { 1 } else { 61 }, body.len()] {
            // All at once, in whatever pieces: at ten milliseconds a byte it would be the patience that is tested.
            let pieces = body.chunks(size).map(|piece| (0, Piece::Bytes(piece.to_vec()))).collect();
            let script = Script { body: pieces, ..Script::stream([""]) };
            let fake = Fake::new([script.clone()]);
            stream(&fake, NATIVE, "alt=sse", BODY, &[]);
            assert_eq!(fake.body(), plain, "{} by {size}", case.display());
            let fake = Fake::new([script]);
            stream(&fake, NATIVE, "", BODY, &[]);
            assert_eq!(elements(&fake.body()), events(&plain), "{} by {size}", case.display());
        }
        replayed += 1;
    }
    assert!(replayed >= 5, "{replayed} streams");
}
