use proptest::prelude::*;
use serde_json::{json, Value};

use super::path::{Path, Paths};
use super::{Pattern, Redactor, Settings};

/// Of each form one that is nobody's.
const PLANTED: [&str; 26] = [
    "sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ",
    "sk-ant-api03-AbCdEf0123456789-_xyz",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "gsk_0123456789abcdefghijABCDEFGHIJ",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "xoxb-123456789012-abcdef",
    "hf_AbCdEfGhIjKlMnOpQrSt0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\nq9x2\n-----END RSA PRIVATE KEY-----",
    "ada.lovelace+notes@mail.example.org",
    "jürgen@münchen.example",
    "+49 30 901820-45",
    "+1 (415) 555-2671",
    "+14155552671",
    "0044 20 7946 0958",
    "415-555-2671",
    "(415) 555 2671",
    "030 90182045",
    "01 23 45 67 89",
    "4111 1111 1111 1111",
    "4111-1111-1111-1111",
    "378282246310005",
    "5555555555554444",
    "DE89 3704 0044 0532 0130 00",
    "GB29NWBK60161331926819",
];

fn settings() -> Settings {
    Settings::default()
}

fn text(text: &str) -> String {
    Redactor::new(&settings(), []).text(text)
}

fn body(value: &str) -> String {
    Redactor::new(&settings(), []).body(value)
}

#[test]
fn each_kind_is_masked_by_its_name_and_nothing_around_it() {
    for (given, kept) in [
        ("key sk-proj-4bC9dE0fG1hI2jK3lM4nO5pQ.", "key [redacted:secret]."),
        ("Authorization: Bearer abc123DEF456", "Authorization: [redacted:secret] [redacted:secret]"),
        ("curl -H 'x: Basic dXNlcjpwYXNz'", "curl -H 'x: Basic [redacted:secret]'"),
        ("password: hunter2, and", "password: [redacted:secret], and"),
        ("CLIENT_SECRET=\"a b c d\" x", "CLIENT_SECRET=\"[redacted:secret]\" x"),
        ("{'api-key': 'zzzz1'}", "{'api-key': '[redacted:secret]'}"),
        ("postgres://app:s3cr3t@db.example/x", "postgres://[redacted:secret]/x"),
        ("from <a.b@c.example>, to", "from <[redacted:email]>, to"),
        ("https://x.example/?m=a%40b.example&n=1", "https://x.example/?m=[redacted:email]&n=1"),
        ("call +1 415 555 2671 now", "call [redacted:phone] now"),
        ("tel. (415) 555-2671", "tel. [redacted:phone]"),
        ("card 4111 1111 1111 1111 exp 12/28", "card [redacted:card] exp 12/28"),
        ("4111 1111 1111 1111 123", "[redacted:card] 123"),
        ("to DE89 3704 0044 0532 0130 00 please", "to [redacted:iban] please"),
    ] {
        assert_eq!(text(given), kept);
    }
}

#[test]
fn what_only_looks_like_it_stays() {
    for kept in [
        "sk-learn-is-a-typo-for-scikit-learn",
        "a bearer of bad tidings, basic authentication",
        "2026-11-27 00:07:45, 27.11.2026 10:30, 01.02.2026 12:00",
        "0.1234567890123, 3.14159265358979, 192.168.100.200:8080",
        "1700000000000 ms, order 4111111111111112",
        "GB29NWBK60161331926818",
        "password: string; token count: 12; secret: true",
        "@mention, a@b, user@localhost, x@1.2.3.4",
        "chatcmpl-9x8y7z, req_011CSHoEeqs5C35K2UUqR7Fy, gpt-5.2-2026-01-01",
        "[redacted:secret]",
        "http://example.org:8080/a@b",
    ] {
        assert_eq!(text(kept), kept);
    }
}

#[test]
fn a_body_keeps_every_byte_that_is_not_masked() {
    let given =
        "{ \"n\" : 1.0e3,\n\"a\":\"x@y.example\" ,\"card\":4111111111111111, \"s\":\"\\u00e9\\/\",\"b\":[true , null]}";
    let kept = "{ \"n\" : 1.0e3,\n\"a\":\"[redacted:email]\" ,\"card\":\"[redacted:card]\", \"s\":\"\\u00e9\\/\",\"b\":[true , null]}";
    assert_eq!(body(given), kept);
    let untouched = r#"{"messages":[{"role":"user","content":"no secret"}],"seed":12345}"#;
    assert_eq!(body(untouched), untouched);
}

#[test]
fn a_members_name_can_make_its_text_a_secret_and_can_be_one() {
    assert_eq!(
        body(r#"{"db":{"Password":"blue"},"x":"blue"}"#),
        r#"{"db":{"Password":"[redacted:secret]"},"x":"blue"}"#
    );
    assert_eq!(body(r#"{"a@b.example":1}"#), r#"{"[redacted:email]":1}"#);
    let schema = r#"{"properties":{"password":{"type":"string"}},"required":["password"]}"#;
    assert_eq!(body(schema), schema);
}

#[test]
fn json_within_a_string_stays_json() {
    let inner = json!({"to": "a@b.example", "deep": json!({"password": "hunter2", "u": "c%40d.example"}).to_string()});
    // An at sign that is escaped within the inner text.
    let inner = inner.to_string().replace("a@b", "a\\u0040b");
    let outer = json!({"arguments": inner}).to_string();
    let kept: Value = serde_json::from_str(&body(&outer)).unwrap();
    let kept: Value = serde_json::from_str(kept["arguments"].as_str().unwrap()).unwrap();
    assert_eq!(kept["to"], "[redacted:email]");
    let deep: Value = serde_json::from_str(kept["deep"].as_str().unwrap()).unwrap();
    assert_eq!(deep, json!({"password": "[redacted:secret]", "u": "[redacted:email]"}));
}

#[test]
fn places_can_be_left_alone_and_masked_whole() {
    let path = |text: &str| Path::parse(text).unwrap();
    let settings = Settings {
        paths: Paths {
            allow: vec![path("$.messages[*].content"), path("to")],
            deny: vec![path("messages.*.content.**.image"), path("user"), path("list[1]")],
        },
        ..settings()
    };
    let given = r#"{"to":"a@b.example","cc":"a@b.example","user":{"id":[1,"x"]},"list":[1,2,3],
        "messages":[{"content":"c@d.example"},{"content":[{"image":"data:","text":"e@f.example"}]}]}"#;
    let kept: Value = serde_json::from_str(&Redactor::new(&settings, []).body(given)).unwrap();
    assert_eq!(
        kept,
        json!({"to": "a@b.example", "cc": "[redacted:email]", "user": "[redacted:path]", "list": [1, "[redacted:path]", 3],
            "messages": [{"content": "c@d.example"}, {"content": [{"image": "[redacted:path]", "text": "e@f.example"}]}]})
    );
    for wrong in ["", "$", "a..b", "**", "a."] {
        assert!(Path::parse(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn the_operators_patterns_and_known_secrets_are_masked_too() {
    let regex = regex_lite::Regex::new("EMP-[0-9]{6}").unwrap();
    let settings = Settings { patterns: vec![Pattern { name: "staff".into(), regex }], ..settings() };
    let mut redactor = Redactor::new(&settings, ["sim-openai", "tiny"]);
    assert_eq!(redactor.text("EMP-123456 sim-openai tiny"), "[redacted:staff] [redacted:secret] tiny");
    assert_eq!(redactor.counts().get("staff"), Some(&1));
    let none = Settings { kinds: Vec::new(), ..self::settings() };
    assert_eq!(Redactor::new(&none, []).text("a@b.example"), "a@b.example", "kinds can be switched off");
}

/// Deltas of a text as each dialect writes them, in events that carry other things too.
fn deltas(dialect: usize, pieces: &[String]) -> Vec<String> {
    let mut events: Vec<Value> = match dialect {
        0 => vec![
            json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}),
        ],
        1 => vec![
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": pieces[0]}}),
        ],
        _ => Vec::new(),
    };
    let skipped = usize::from(dialect == 1);
    for piece in pieces.iter().skip(skipped) {
        events.push(match dialect {
            0 => json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": piece}, "logprobs": null}]}),
            1 => json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}),
            2 => json!({"candidates": [{"content": {"parts": [{"text": piece}], "role": "model"}, "index": 0}]}),
            3 => json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": piece}),
            4 => json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]}),
            _ => json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": piece}}),
        });
        // Another text beside it, whose pieces come between.
        events.push(json!({"choices": [{"index": 1, "delta": {"content": "meanwhile "}}], "type": "other"}));
    }
    events.iter().map(Value::to_string).collect()
}

/// All that a stream says of the text: its strings joined.
fn joined(events: &[String]) -> String {
    let mut all = String::new();
    for event in events {
        let event: Value = serde_json::from_str(event).expect("events stay JSON");
        for pointer in [
            "/choices/0/delta/content",
            "/choices/0/delta/tool_calls/0/function/arguments",
            "/content_block/text",
            "/delta/text",
            "/delta/partial_json",
            "/delta",
            "/candidates/0/content/parts/0/text",
        ] {
            let beside = event["choices"][0]["index"] == 1;
            all.push_str(event.pointer(pointer).filter(|_| !beside).and_then(Value::as_str).unwrap_or_default());
        }
    }
    all
}

fn split(text: &str, cuts: &[usize]) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut % (chars.len() + 1)).chain([0, chars.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|pair| chars[pair[0]..pair[1]].iter().collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_planted_in_a_body_never_survives(
        planted in 0..PLANTED.len(),
        before in "[ -~é]{0,12}",
        layers in 0..4_usize,
        escape in any::<bool>(),
    ) {
        let secret = PLANTED[planted];
        let mut value = json!({"role": "user", "content": format!("{before} \"{secret}\" , end")});
        for _ in 0..layers {
            value = json!({"a": [1, {"arguments": value.to_string()}]});
        }
        let source = value.to_string();
        // Every letter of the innermost escape may itself be written as one.
        let source = if escape { source.replace('@', "\\u0040").replace("4111", "\\u0034111") } else { source };
        let kept = body(&source);
        prop_assert!(serde_json::from_str::<Value>(&kept).is_ok(), "{kept}");
        let mut seen = kept;
        for _ in 0..5 {
            for part in [secret, secret.lines().nth(1).unwrap_or(secret)] {
                prop_assert!(!seen.contains(part), "{seen}");
            }
            seen = seen.replace("\\u0040", "@").replace("\\u0034", "4").replace("\\n", "\n").replace("\\\"", "\"").replace("\\\\", "\\");
        }
    }

    #[test]
    fn what_is_planted_in_a_stream_never_survives_wherever_it_is_cut(
        planted in 0..PLANTED.len(),
        dialect in 0..6_usize,
        cuts in proptest::collection::vec(0..200_usize, 0..12),
    ) {
        let secret = PLANTED[planted];
        let text = format!("Here: {secret} it is.");
        let mut events = deltas(dialect, &split(&text, &cuts));
        Redactor::new(&settings(), []).events(&mut events);
        let kept = joined(&events);
        prop_assert!(kept.starts_with("Here: "), "{kept}");
        // A block's end that the text beside it may have torn is looked for in vain: what follows is masked too.
        let whole = kept.ends_with(" it is.");
        // The same where both texts stand in members of one name: joined by it, they may make a secret that neither holds.
        let mixed = dialect == 0 && kept.ends_with('.');
        prop_assert!(whole || mixed || secret.contains("PRIVATE KEY"), "{kept}");
        prop_assert!(kept.contains("[redacted:"), "{kept}");
        let middle = &kept["Here: ".len()..kept.len() - if whole { " it is.".len() } else { 0 }];
        prop_assert!(!middle.chars().any(|c| c.is_ascii_digit()), "{kept}");
    }

    #[test]
    fn a_stream_without_secrets_keeps_every_byte(words in proptest::collection::vec("[a-z]{1,8} ", 1..20), dialect in 0..6_usize) {
        let events = deltas(dialect, &words);
        let mut kept = events.clone();
        Redactor::new(&settings(), []).events(&mut kept);
        prop_assert_eq!(kept, events);
    }

    #[test]
    fn any_text_is_masked_without_harm(given in "\\PC{0,80}") {
        let once = text(&given);
        prop_assert_eq!(text(&once), once.clone());
        let _ = body(&given);
    }
}
