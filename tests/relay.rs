//! Streams on their way through, over recorded traffic: wherever the network cuts, the caller's bytes are the same; wherever
//! it breaks, the caller has a prefix of them and no terminator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use signalbox::dialect::{Dialect, ReplyContext, Tail};
use signalbox::stream::relay::{Relay, RelayFault};
use support::recordings;

/// Streams of our own, so that the promises are tested without the recordings too.
const OWN: [(&str, Dialect, &str); 3] = [
    (
        "openai text and tool call",
        Dialect::OpenAiChat,
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n\
         : keep-alive\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Grüße 😀\"},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\"\"}}]},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\":1}\"}}]},\"finish_reason\":null}]}\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n\
         data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n\
         data: [DONE]\n\n",
    ),
    (
        "anthropic thinking and text",
        Dialect::AnthropicMessages,
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":5,\"output_tokens\":1}}}\n\n\
         event: ping\ndata: {\"type\":\"ping\"}\n\n\
         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
         event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Añb 😀\"}}\n\n\
         event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
         event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":6}}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ),
    (
        "gemini with CRLF",
        Dialect::Gemini,
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Grü\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n\
         data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"ße\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":2,\"totalTokenCount\":5},\"modelVersion\":\"m\",\"responseId\":\"r\"}\r\n\r\n",
    ),
];

fn context() -> ReplyContext {
    ReplyContext {
        request_id: "req_0".into(),
        model: "m".into(),
        now_secs: 1_800_000_000,
        include_usage: true,
        estimated_input_tokens: 3,
        ..ReplyContext::default()
    }
}

fn relays(from: Dialect) -> Vec<(String, Box<dyn Fn() -> Relay>)> {
    let mut all: Vec<(String, Box<dyn Fn() -> Relay>)> =
        vec![("whole events".into(), Box::new(move || Relay::whole_events(from, context())))];
    for to in [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini] {
        if to != from {
            all.push((format!("to {}", to.name()), Box::new(move || Relay::translated(from, to, context()))));
        }
    }
    all
}

/// What the caller has got, and whether the stream was concluded as complete.
struct Got {
    bytes: Vec<u8>,
    complete: bool,
    fault: bool,
}

fn run<'p>(mut relay: Relay, pieces: impl Iterator<Item = &'p [u8]>) -> Got {
    let mut bytes = Vec::new();
    let mut fault = false;
    for piece in pieces {
        match relay.push(piece, &mut bytes) {
            Ok(_) => {}
            Err(RelayFault::Provider(_) | RelayFault::TooLong | RelayFault::Differs) => {
                fault = true;
                break;
            }
        }
    }
    fault = fault || relay.input_ended(&mut bytes).is_err();
    let complete = !fault && relay.complete();
    if complete {
        relay.conclude(&Tail { usage: relay.observation().usage, ..Tail::default() }, &mut bytes);
    }
    Got { bytes, complete, fault }
}

fn streams() -> Vec<(String, Dialect, Vec<u8>)> {
    let own = OWN.iter().map(|(name, dialect, text)| ((*name).to_owned(), *dialect, text.as_bytes().to_vec()));
    own.chain(recordings::streams()).collect()
}

#[test]
fn the_callers_bytes_do_not_depend_on_where_the_network_cuts() {
    for (name, dialect, input) in streams() {
        for (form, relay) in relays(dialect) {
            let whole = run(relay(), std::iter::once(input.as_slice()));
            for size in [1, 2, 3, 7, 64, 1000] {
                if input.len() > 60_000 && size < 7 {
                    continue;
                }
                let split = run(relay(), input.chunks(size));
                assert_eq!(split.complete, whole.complete, "{name} {form} pieces of {size}");
                assert!(split.bytes == whole.bytes, "{name} {form} pieces of {size}");
            }
        }
    }
}

#[test]
fn a_broken_stream_gives_a_prefix_of_the_whole_one_and_no_terminator() {
    for (name, dialect, input) in streams() {
        for (form, relay) in relays(dialect) {
            let whole = run(relay(), std::iter::once(input.as_slice()));
            let step = (input.len() / 150).max(1);
            for cut in (0..input.len()).step_by(step) {
                let got = run(relay(), std::iter::once(&input[..cut]));
                if got.complete || got.fault {
                    continue; // only a missing [DONE], or nothing after the terminator, or the provider's own error
                }
                // An event that came whole but without its blank line is closed by one.
                let bytes = got.bytes.strip_suffix(b"\n\n").unwrap_or(&got.bytes);
                let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
                assert!(whole.bytes.starts_with(bytes), "{name} {form} cut at {cut}");
                for end in [&b"data: [DONE]"[..], b"event: message_stop"] {
                    assert!(
                        !got.bytes.windows(end.len()).any(|w| w == end),
                        "{name} {form} cut at {cut} looks complete"
                    );
                }
            }
        }
    }
}

#[test]
fn our_own_streams_are_complete_in_every_form() {
    for (name, dialect, input) in OWN {
        for (form, relay) in relays(dialect) {
            let got = run(relay(), std::iter::once(input.as_bytes()));
            assert!(got.complete, "{name} {form}");
            let text = String::from_utf8(got.bytes).unwrap();
            assert!(text.contains("Grü") || text.contains("Añb 😀"), "{name} {form}: {text}");
        }
    }
}

#[test]
fn a_usage_event_without_its_blank_line_does_not_swallow_the_terminator() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\n";
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}";
    let input = format!("{text}{usage}");
    let got = run(Relay::whole_events(Dialect::OpenAiChat, context()), std::iter::once(input.as_bytes()));
    assert_eq!(String::from_utf8(got.bytes).unwrap(), format!("{input}\n\ndata: [DONE]\n\n"));
}

#[test]
fn usage_is_told_once_where_a_stream_ends_without_a_finish_reason() {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n";
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
    let input = format!("{text}{usage}data: [DONE]\n\n");
    let got = run(Relay::whole_events(Dialect::OpenAiChat, context()), std::iter::once(input.as_bytes()));
    assert!(got.complete);
    assert_eq!(String::from_utf8(got.bytes).unwrap(), input);
}

#[test]
fn tokens_that_are_counted_beside_an_error_are_known_in_every_form() {
    let text = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
    let error = "data: {\"error\":{\"message\":\"boom\",\"code\":502},\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";
    for (form, relay) in relays(Dialect::OpenAiChat) {
        let (mut relay, mut out) = (relay(), Vec::new());
        assert!(
            matches!(relay.push((text.to_owned() + error).as_bytes(), &mut out), Err(RelayFault::Provider(_))),
            "{form}"
        );
        assert_eq!(relay.observation().usage.map(|usage| usage.completion_tokens()), Some(4), "{form}");
    }
}
