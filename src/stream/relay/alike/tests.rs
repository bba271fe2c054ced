use proptest::prelude::*;

use super::{Alike, MOST_BYTES};
use crate::dialect::{Dialect, Observation, Seen, StreamFault};
use crate::sse;
use crate::stream::delivered::Delivered;

const CHAT: &str = r#"data: {"id":"c1","object":"chat.completion.chunk","model":"m","service_tier":"default","choices":[{"index":0,"delta":{"content":"@"},"finish_reason":null}],"usage":null,"obfuscation":"%"}"#;
const FILLED_FIRST: &str = r#"data: {"obfuscation":"%","choices":[{"delta":{"content":"@"}}]}"#;
const NO_FILLING: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"@"}}]}"#;
const TWICE: &str = r#"data: {"choices":[{"delta":{"reasoning_content":"@","reasoning":"@"}}]}"#;
const BESIDE: &str = r#"data: {"choices":[{"delta":{"content":"@","reasoning":"always"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;
const ENDS: &str = r#"data: {"choices":[{"delta":{"content":"@"},"finish_reason":"stop"}]}"#;
const CALL: &str = r#"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"@"}}]}}]}"#;
const OTHER_CHOICE: &str = r#"data: {"choices":[{"index":1,"delta":{"content":"@"}}]}"#;
const ERROR: &str = r#"data: {"error":{"message":"@"}}"#;
const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"@\"}}";
const INPUT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"@\"}}";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}";

type Told = (Vec<Result<Seen, StreamFault>>, Observation, Option<String>);

const MOST_TEXT: usize = 64;

/// What a stream tells, also of the text that was delivered, and how many of its events had to be read.
fn with(dialect: Dialect, stream: &[u8]) -> (Told, usize) {
    let (mut alike, mut observation, mut told, mut read) = (Alike::default(), Observation::default(), Vec::new(), 0);
    let mut delivered = Delivered::native(dialect, MOST_TEXT);
    frames(stream, |frame| {
        read += usize::from(alike.0.as_ref().is_none_or(|known| known.said_in(frame.raw).is_none()));
        let seen = alike.observe(dialect, frame, &mut observation);
        if let Ok((_, said)) = seen {
            delivered.passed(frame.raw, said);
        }
        told.push(seen.map(|(seen, _)| seen));
    });
    ((told, observation, delivered.text().map(ToOwned::to_owned)), read)
}

fn without(dialect: Dialect, stream: &[u8]) -> Told {
    let (mut observation, mut told) = (Observation::default(), Vec::new());
    let mut delivered = Delivered::native(dialect, MOST_TEXT);
    frames(stream, |frame| {
        let seen = dialect.observe_event(frame, &mut observation);
        if seen.is_ok() {
            delivered.passed(frame.raw, None);
        }
        told.push(seen);
    });
    (told, observation, delivered.text().map(ToOwned::to_owned))
}

fn frames(stream: &[u8], mut take: impl FnMut(&sse::Frame<'_>)) {
    let mut decoder = sse::Decoder::new();
    decoder.push(stream).unwrap();
    while let Some(frame) = decoder.next_frame() {
        take(&frame);
    }
}

/// An event with something where its text stands, and something where its filling stands.
fn event(shape: &str, said: &[u8], filling: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, part) in shape.replace('%', filling).split('@').enumerate() {
        out.extend_from_slice(if at > 0 { said } else { b"" });
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"\n\n");
    out
}

fn said() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zé ]{0,6}".prop_map(String::into_bytes),
        1 => prop::sample::select(vec![r"\n", r#"\""#, r"\u00e9", r"\", r"\x", "\"", "\",\"role\":\"x", "\t", "\u{7f}", "\u{2028}", "null", "{", ""])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>().prop_filter("line ends end lines", |byte| !matches!(byte, b'\r' | b'\n')), 0..5),
    ]
}

proptest! {
    #[test]
    fn an_event_like_the_one_before_means_what_reading_it_says(
        anthropic in any::<bool>(),
        events in prop::collection::vec((0..9usize, said(), "[A-Za-z0-9]{0,4}"), 1..24),
    ) {
        let (dialect, shapes): (_, &[&str]) = if anthropic {
            (Dialect::AnthropicMessages, &[TEXT, TEXT, TEXT, INPUT, STOP])
        } else {
            let shapes = &[CHAT, CHAT, NO_FILLING, FILLED_FIRST, TWICE, BESIDE, ENDS, CALL, OTHER_CHOICE, ERROR];
            (Dialect::OpenAiChat, shapes)
        };
        let stream: Vec<u8> =
            events.iter().flat_map(|(at, said, filling)| event(shapes[at % shapes.len()], said, filling)).collect();
        prop_assert_eq!(with(dialect, &stream).0, without(dialect, &stream));
    }
}

#[test]
fn of_events_that_differ_in_text_and_filling_only_the_first_is_read() {
    for (dialect, shape) in [
        (Dialect::OpenAiChat, CHAT),
        (Dialect::OpenAiChat, FILLED_FIRST),
        (Dialect::OpenAiChat, NO_FILLING),
        (Dialect::OpenAiChat, BESIDE),
        (Dialect::AnthropicMessages, TEXT),
        (Dialect::AnthropicMessages, INPUT),
    ] {
        let stream: Vec<u8> =
            (0..20).flat_map(|at| event(shape, format!("wörd{at}").as_bytes(), &"x".repeat(at % 4 + 1))).collect();
        let (told, read) = with(dialect, &stream);
        assert_eq!(read, 1, "{shape}");
        assert_eq!(told, without(dialect, &stream), "{shape}");
    }
}

#[test]
fn an_event_of_more_than_some_kilobytes_is_not_kept() {
    let long = event(NO_FILLING, "x".repeat(MOST_BYTES).as_bytes(), "");
    assert_eq!(with(Dialect::OpenAiChat, &[long.clone(), long].concat()).1, 2);
}
