//! Every shape of report is read; every kind of error is written in OpenAI's words.

use serde_json::Value;

use super::*;

/// Body, message, kind, code, param.
type Shape = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, Option<&'static str>);

#[test]
fn every_known_shape_is_read() {
    let cases: &[Shape] = &[
        (r#"{"error":{"message":"m","type":"t","param":"p","code":"c"}}"#, "m", Some("t"), Some("c"), Some("p")),
        (r#"{"error":{"message":"m","type":null,"param":null,"code":429}}"#, "m", None, Some("429"), None),
        (r#"{"error":"plain"}"#, "plain", None, None, None),
        (r#"{"error":"plain","code":"c"}"#, "plain", None, Some("c"), None),
        (
            r#"{"object":"error","message":"m","type":"invalid_request_prompt","param":null,"code":"3210","raw_status_code":400}"#,
            "m",
            Some("invalid_request_prompt"),
            Some("3210"),
            None,
        ),
        (
            r#"{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}"#,
            "m",
            Some("BadRequestError"),
            Some("400"),
            None,
        ),
        (
            r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","foo"],"msg":"Extra inputs"}]},"type":"invalid_request_error","code":null}"#,
            "Extra inputs",
            Some("invalid_request_error"),
            None,
            Some("foo"),
        ),
        (
            r#"{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required"}]}"#,
            "Field required",
            Some("missing"),
            None,
            Some("messages.0.role"),
        ),
        (r#"{"detail":"Unauthorized"}"#, "Unauthorized", None, None, None),
        (
            r#"{"code":"DataInspectionFailed","message":"m","request_id":"r"}"#,
            "m",
            None,
            Some("DataInspectionFailed"),
            None,
        ),
        (r#"[{"error":{"message":"m","code":400}}]"#, "m", None, Some("400"), None),
        (
            r#"{"result":null,"success":false,"errors":[{"code":3040,"message":"no capacity"}],"messages":[]}"#,
            "no capacity",
            None,
            Some("3040"),
            None,
        ),
        (" \n{\"error\":{\"message\":\"m\"}}\n", "m", None, None, None),
    ];
    for (body, message, kind, code, param) in cases {
        let report = decode(body.as_bytes()).unwrap_or_else(|| panic!("{body}"));
        assert_eq!(
            (report.message.as_str(), report.kind.as_deref(), report.code.as_deref(), report.param.as_deref()),
            (*message, *kind, *code, *param),
            "{body}"
        );
        serde_json::from_str::<Value>(&report.raw).unwrap();
    }
}

#[test]
fn the_raw_report_is_the_error_object_with_its_details() {
    let body = br#"{"error":{"message":"m","code":402,"metadata":{"limit_source":"x"}},"user_id":"u"}"#;
    assert_eq!(decode(body).unwrap().raw, r#"{"message":"m","code":402,"metadata":{"limit_source":"x"}}"#);
    let cloudflare = r#"{"errors":[{"code":3036,"message":"m"}],"success":false}"#;
    assert_eq!(decode(cloudflare.as_bytes()).unwrap().raw, cloudflare, "the wrapper tells whose number 3036 is");
}

#[test]
fn answers_and_foreign_bytes_are_no_reports() {
    for body in [
        "",
        "<html>502</html>",
        "[]",
        "[1]",
        "null",
        r#"{"choices":[],"error":null}"#,
        r#"{"choices":[{"index":0}],"message":"m","code":"c"}"#,
        r#"{"id":"x","object":"list","data":[]}"#,
        r#"{"message":"only a message"}"#,
        r#"{"errors":[],"result":{}}"#,
    ] {
        assert_eq!(decode(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn an_error_is_written_in_official_words() {
    for (kind, word, code) in [
        (ErrorKind::InvalidRequest, "invalid_request_error", "invalid_request"),
        (ErrorKind::Unauthenticated, "authentication_error", "invalid_api_key"),
        (ErrorKind::Forbidden, "permission_error", "forbidden"),
        (ErrorKind::ModelNotFound, "invalid_request_error", "model_not_found"),
        (ErrorKind::ContextLength, "invalid_request_error", "context_length_exceeded"),
        (ErrorKind::RateLimited, "rate_limit_error", "rate_limit_exceeded"),
        (ErrorKind::LimitReached, "insufficient_quota", "insufficient_quota"),
        (ErrorKind::Overloaded, "service_unavailable_error", "server_is_overloaded"),
        (ErrorKind::StreamCut, "server_error", "stream_cut"),
    ] {
        let body: Value = serde_json::from_slice(&encode(&GatewayError::new(kind, "why \"so\""), "r1")).unwrap();
        let error = &body["error"];
        assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some(word), Some(code)));
        assert_eq!(error["message"], "why \"so\"");
        assert!(error.get("param").is_some_and(Value::is_null));
        assert_eq!(error["metadata"]["request_id"], "r1");
    }
}

#[test]
fn field_provider_words_and_metadata_are_kept() {
    let error = GatewayError {
        param: Some("messages[1].content".into()),
        provider_type: Some("invalid_request_prompt".into()),
        code: Some("3210".into()),
        metadata: r#"{"attempts":[1]}"#.into(),
        ..GatewayError::new(ErrorKind::RejectedByProvider, "m")
    };
    let body: Value = serde_json::from_slice(&encode(&error, "r1")).unwrap();
    assert_eq!(body["error"]["param"], "messages[1].content");
    assert_eq!(body["error"]["type"], "invalid_request_prompt");
    assert_eq!(body["error"]["code"], "3210");
    assert_eq!(body["error"]["metadata"], serde_json::json!({"attempts": [1], "request_id": "r1"}));
    let of_google = GatewayError { provider_type: Some("INVALID_ARGUMENT".into()), ..error };
    let body: Value = serde_json::from_slice(&encode(&of_google, "r1")).unwrap();
    assert_eq!(body["error"]["type"], "invalid_request_error", "no word of this dialect");
    let bare: Value = serde_json::from_slice(&encode(&GatewayError::new(ErrorKind::Internal, "m"), "")).unwrap();
    assert!(bare["error"].get("metadata").is_none());
}

#[test]
fn an_error_event_is_one_event_and_no_normal_end() {
    let error = GatewayError::new(ErrorKind::StreamCut, "line one\nline two");
    let event = String::from_utf8(encode_event(&error, "r1", Some(r#"{"attempts":2}"#))).unwrap();
    let data = event.strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
    assert!(!data.contains('\n') && !event.contains("[DONE]"));
    let body: Value = serde_json::from_str(data).unwrap();
    assert_eq!(body["error"]["code"], "stream_cut");
    assert_eq!(body["signalbox"]["attempts"], 2);
    assert_eq!(decode(data.as_bytes()).unwrap().message, "line one\nline two");
}
