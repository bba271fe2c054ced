use super::*;
use crate::error::ErrorKind;

#[test]
fn an_error_event_has_the_members_that_clients_read_in_both_places() {
    let error =
        GatewayError { param: Some("input".to_owned()), ..GatewayError::new(ErrorKind::StreamCut, "it \"broke\"") };
    let bytes = encode_event(&error, "req_1", Some(r#"{"a":1}"#), 7);
    let text = std::str::from_utf8(&bytes).unwrap();
    let data = text.strip_prefix("event: error\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    let event: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!((&event["type"], &event["sequence_number"]), (&"error".into(), &7.into()));
    for holder in [&event, &event["error"]] {
        assert_eq!((&holder["code"], &holder["message"]), (&"stream_cut".into(), &"it \"broke\"".into()));
        assert_eq!(holder["param"], "input");
    }
    assert_eq!((&event["error"]["type"], &event["signalbox"]["a"]), (&"server_error".into(), &1.into()));
    assert_eq!(event["error"]["metadata"]["request_id"], "req_1");
    let report = decode(data.as_bytes()).unwrap();
    assert_eq!((report.code.as_deref(), report.kind.as_deref()), (Some("stream_cut"), Some("server_error")));
}

#[test]
fn a_failed_answer_is_a_report_and_others_are_none() {
    let unsaid = decode(br#"{"id":"r","status":"failed","error":null,"output":[]}"#).unwrap();
    assert_eq!(unsaid.code.as_deref(), Some("server_error"));
    for answer in [
        r#"{"id":"r","status":"completed","error":null,"output":[]}"#,
        r#"{"type":"response.completed","response":{"status":"completed","error":null,"output":[]}}"#,
        r#"{"type":"response.output_text.delta","delta":"x"}"#,
    ] {
        assert_eq!(decode(answer.as_bytes()), None, "{answer}");
    }
    let flat = decode(br#"{"type":"error","code":"invalid_prompt","message":"m","param":"input"}"#).unwrap();
    assert_eq!((flat.kind, flat.code.as_deref(), flat.param.as_deref()), (None, Some("invalid_prompt"), Some("input")));
}
