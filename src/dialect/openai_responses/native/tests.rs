use super::*;
use crate::dialect::canonical::ReasoningPart;
use crate::dialect::Dialect;
use crate::sse::Decoder;

fn event(text: &str, cost: Option<&str>, signalbox: Option<&str>) -> String {
    let mut frames = Decoder::new();
    frames.push(text.as_bytes()).unwrap();
    String::from_utf8(add_cost_to_event(&frames.next_frame().unwrap(), cost, signalbox)).unwrap()
}

#[test]
fn the_terminal_event_carries_cost_and_report_and_keeps_every_other_byte() {
    let text = "event: response.completed\ndata: {\"type\":\"response.completed\", \"response\":{\"id\":\"r\" ,\"usage\":{\"input_tokens\":1.0},\"x\":[ ]},\"n\":1}\n\n";
    assert_eq!(
        event(text, Some("0.5"), Some("{\"a\":1}")),
        "event: response.completed\ndata: {\"type\":\"response.completed\", \"response\":{\"id\":\"r\" ,\"usage\":{\"input_tokens\":1.0,\"cost\":0.5},\"x\":[ ]},\"n\":1,\"signalbox\":{\"a\":1}}\n\n"
    );
    assert_eq!(event(text, None, None), text);
    let other = "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n";
    assert_eq!(event(other, Some("0.5"), None), other);
    let unpriced = "data: {\"response\":{\"usage\":null}}\n\n";
    assert_eq!(event(unpriced, Some("0.5"), None), unpriced);
}

#[test]
fn reasoning_of_other_providers_is_taken_out_and_the_providers_own_stays() {
    let block =
        ReasoningPart { text: "t".into(), signature: Some("S".into()), redacted: false, origin: Dialect::Gemini };
    let sealed = foreign::seal(&block, "p/m");
    let body = format!(
        r#"{{"model":"m", "input":[{{"role":"user","content":"{sealed}"}}, {{"type":"reasoning","summary":[],"encrypted_content":"{sealed}"}},{{"type":"reasoning","encrypted_content":"gAAA"}}],"store":false}}"#
    );
    let text = String::from_utf8(for_server(body.as_bytes(), false).unwrap().0).unwrap();
    assert_eq!(
        text,
        format!(
            r#"{{"model":"m", "input":[{{"role":"user","content":"{sealed}"}},{{"type":"reasoning","encrypted_content":"gAAA"}}],"store":false}}"#
        )
    );
    let mentioned = format!(r#"{{"model":"m","input":[{{"role":"user","content":"{sealed}"}}]}}"#);
    assert_eq!(for_server(mentioned.as_bytes(), false), None);
    assert_eq!(for_server(br#"{"input":"signalbox: a text"}"#, false), None);
    // What the server has refused goes whole.
    let (unsigned, losses) = for_server(body.as_bytes(), true).unwrap();
    assert!(!String::from_utf8(unsigned).unwrap().contains("gAAA") && losses.len() == 1);
    assert_eq!(signed_by(body.as_bytes()), Some(Signer::Dialect(Dialect::OpenAiResponses)));
    assert_eq!(signed_by(&body.as_bytes().to_vec()[..body.len() - 1]), None);
    let last = body.replace(r#",{"type":"reasoning","encrypted_content":"gAAA"}"#, "");
    assert_eq!(signed_by(last.as_bytes()), Some(Signer::Model("p/m".to_owned())));
}

#[test]
fn an_answer_repeats_what_the_request_said_and_the_defaults_of_what_it_did_not() {
    let body = br#"{"model":"m","tools":[ {"type":"function"} ],"temperature":0.50,"store":true,"metadata":null}"#;
    let text = format!("{{{}}}", echo(&Members::read(body).unwrap()));
    assert!(text.contains(r#""tools":[ {"type":"function"} ],"#) && text.contains(r#""temperature":0.50"#));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&value["store"], &value["metadata"]), (&false.into(), &serde_json::json!({})));
    assert_eq!((&value["tool_choice"], &value["parallel_tool_calls"]), (&"auto".into(), &true.into()));
    assert_eq!(value["instructions"], serde_json::Value::Null);
}
