use serde_json::{json, Value};

use super::*;
use crate::dialect::openai_chat::request::decode;
use crate::dialect::ModelTraits;

/// What a server with a profile is sent of an OpenAI caller's body.
fn sent(body: &str, provider: &str, model: &str, dropping: bool) -> String {
    let members = Members::read(body.as_bytes()).unwrap();
    let request = decode(body.as_bytes()).unwrap();
    let target = Target { provider, model, traits: ModelTraits::PERMISSIVE, max_output_tokens: None };
    let list = adapt(&members, &request, &target, dropping);
    let edits: Vec<Edit<'_>> = edits(&list).collect();
    String::from_utf8(members.edit(&edits)).unwrap()
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_body_that_a_server_reads_as_it_is_stays_byte_for_byte() {
    for provider in ["mistral", "deepseek", "qwen", "groq", "ollama"] {
        let body = r#"{ "model":"big", "messages":[{"role":"system","content":"s"}, {"role":"user","content":"h\u0069"}],
            "temperature":0.70, "stream": true, "new_member": {"a": 1.0} }"#;
        assert_eq!(sent(body, provider, "big", false), body, "{provider}");
    }
}

#[test]
fn members_get_the_servers_names_and_the_rest_of_the_text_stays() {
    let body = r#"{"model":"big","messages":[{"role":"developer","content":"s"},{"role":"user","content":"h\u0069"}],"max_completion_tokens":9,"seed":7,"user":"me","n":1}"#;
    let mistral = sent(body, "mistral", "big", false);
    assert!(mistral.contains(r#"{"role":"user","content":"h\u0069"}"#), "the caller's text: {mistral}");
    let wanted = json!({"model": "big", "max_tokens": 9, "random_seed": 7,
        "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "hi"}]});
    assert_eq!(read(&mistral), wanted);
    let deepseek = read(&sent(body, "deepseek", "big", false));
    assert_eq!((&deepseek["user_id"], &deepseek["max_tokens"]), (&json!("me"), &json!(9)));
    assert_eq!(deepseek["seed"], json!(7), "no word for it: the provider decides");
    assert_eq!(read(&sent(body, "deepseek", "big", true)).get("seed"), None, "unless the caller lets it go");
    assert_eq!(read(&sent(body, "groq", "big", false))["max_completion_tokens"], json!(9));
}

/// `wire.md` §6 trap 37, in this dialect's own traffic.
#[test]
fn trap_37_mistral_gets_ids_of_nine_letters_on_call_and_result_alike() {
    let body = r#"{"model":"big","messages":[{"role":"user","content":"go"},
        {"role":"assistant","content":null,"refusal":null,"tool_calls":[
            {"id":"call_AbCdEfGhIjKl","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0}"}},
            {"id":"call_AbCdEfGhIjKm","type":"function","function":{"name":"g","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"call_AbCdEfGhIjKl","content":"1"},
        {"role":"tool","tool_call_id":"call_AbCdEfGhIjKm","content":"2"}],
        "tools":[{"type":"function","function":{"name":"f"}}]}"#;
    let written = read(&sent(body, "mistral", "big", false));
    let calls = written["messages"][1]["tool_calls"].as_array().unwrap();
    let ids: Vec<&str> = calls.iter().map(|call| call["id"].as_str().unwrap()).collect();
    for id in &ids {
        assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!([&written["messages"][2]["tool_call_id"], &written["messages"][3]["tool_call_id"]], [ids[0], ids[1]]);
    assert_eq!([&written["messages"][2]["name"], &written["messages"][3]["name"]], ["f", "g"]);
    assert_eq!(calls[0]["function"]["arguments"], json!("{\"a\": 1.0}"), "text, never written anew");
    assert!(written["messages"][1].get("refusal").is_none());
    assert_eq!(written["tools"][0]["function"]["parameters"]["type"], json!("object"));
}

#[test]
fn thinking_is_asked_for_in_the_servers_words() {
    let body = |effort: &str| {
        format!(r#"{{"model":"big","messages":[{{"role":"user","content":"x"}}],"reasoning_effort":"{effort}"}}"#)
    };
    let off = read(&sent(&body("none"), "deepseek", "big", false));
    assert_eq!((&off["thinking"], off.get("reasoning_effort")), (&json!({"type": "disabled"}), None));
    assert_eq!(read(&sent(&body("medium"), "deepseek", "big", false))["reasoning_effort"], json!("high"));
    let qwen = read(&sent(&body("low"), "qwen", "big", false));
    assert_eq!((&qwen["enable_thinking"], &qwen["thinking_budget"]), (&json!(true), &json!(2048)));
    assert_eq!(read(&sent(&body("low"), "mistral", "mistral-large-4", false))["reasoning_effort"], json!("high"));
    let own = r#"{"model":"big","messages":[{"role":"user","content":"x"}],"thinking":{"type":"enabled"}}"#;
    assert_eq!(sent(own, "deepseek", "big", false), own, "its own words stay");
}

#[test]
fn reasoning_and_refusals_of_earlier_turns_go_where_the_server_looks() {
    let body = r#"{"model":"big","messages":[{"role":"user","content":"x"},
        {"role":"assistant","content":"b","reasoning_content":"why"},
        {"role":"assistant","content":null,"refusal":"no"}]}"#;
    let mistral = read(&sent(body, "mistral", "big", false));
    assert_eq!(
        mistral["messages"][1]["content"],
        json!([{"type": "thinking", "thinking": [{"type": "text", "text": "why"}]}, {"type": "text", "text": "b"}])
    );
    assert_eq!(mistral["messages"][2], json!({"role": "assistant", "content": "no"}));
    assert_eq!(read(&sent(body, "groq", "big", false))["messages"][1]["reasoning"], json!("why"));
    let old_name = r#"{"model":"big","messages":[{"role":"user","content":"x"},{"role":"assistant","reasoning":"why","content":"c"}]}"#;
    let deepseek = read(&sent(old_name, "deepseek", "big", false));
    assert_eq!(
        (&deepseek["messages"][1]["reasoning_content"], deepseek["messages"][1].get("reasoning")),
        (&json!("why"), None)
    );
}

#[test]
fn what_a_server_has_no_form_for_is_not_taken_out_in_silence() {
    let body = r#"{"model":"big","messages":[{"role":"user","content":[{"type":"text","text":"read this"},{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="}}]}]}"#;
    for provider in ["deepseek", "qwen", "workers-ai"] {
        let native = sent(body, provider, "big", false);
        assert!(native.contains("JVBERi0="), "{provider}: {native}");
        assert!(!sent(body, provider, "big", true).contains("JVBERi0="), "{provider}: unless the caller lets it go");
    }
    assert!(sent(body, "mistral", "big", false).contains(r#""document_url":"data:application/pdf;base64,JVBERi0=""#));
}
