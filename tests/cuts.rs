//! Streams cut at every byte: the caller has a whole answer, a typed end, or a transport error where half an event was out;
//! never a text twice, never one that looks whole and is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod support;

use serde_json::json;
use signalbox::dialect::canonical::StreamEvent;
use signalbox::dialect::{Dialect, ReplyContext, Tail};
use signalbox::gateway::Gateway;
use signalbox::sse;
use signalbox::stream::delivered::MOST_TEXT_BYTES;
use signalbox::stream::relay::{Relay, RelayFault};
use signalbox::stream::splice::Splice;
use support::callers::Caller::{Chat, Gemini, Messages, Responses};
use support::callers::{hear, Caller};
use support::recordings;
use support::{forgetful, post, serve, Fake, Piece, Script};

const PIECES: [&str; 2] = ["Grü", "ße 😀"];
const AGAIN: [&str; 1] = ["Grüße 😀"];

/// The caller's dialect, and a model that speaks it of its own.
const ALL: [(Caller, &str); 4] = [
    (Chat, "backup/gpt-4o-mini"),
    (Messages, "anthropic/claude-opus-4-6"),
    (Gemini, "gemini/gemini-3.6-flash"),
    (Responses, "responses/gpt-4o-mini"),
];

fn gateway() -> Gateway {
    let config = json!({
        "identity": {"mode": "none"},
        "providers": {
            "anthropic": {"base_url": "http://127.0.0.1:9/anthropic", "api_key": "k"},
            "gemini": {"base_url": "http://127.0.0.1:9/gemini", "api_key": "k"},
            "responses": {"kind": "openai-responses", "base_url": "http://127.0.0.1:9/responses/v1", "api_key": "k", "prices_of": "openai"},
            "backup": {"kind": "openai-chat", "base_url": "http://127.0.0.1:9/backup/v1", "api_key": "k", "prices_of": "openai"}
        }
    });
    Gateway::load_local(&config.to_string()).unwrap()
}

/// Cuts one stream at every `step`th byte, by turns cleanly and with a reset, and has it gone on with.
fn cut_everywhere(read: &Gateway, (caller, _): (Caller, &str), (provider, model): (Caller, &str), step: usize) {
    let stream = provider.events("one", &PIECES).concat();
    let body = caller.body(model, &json!({})).to_string();
    // Every byte for callers who say nothing; every third one for the other ways.
    for (mode, odd, step) in [
        ("auto", 0, step),
        ("auto", 1, 3 * step),
        ("off", 0, 3 * step),
        ("restart", 0, 3 * step),
        ("restart", 1, 3 * step),
    ] {
        for (nth, at) in (0..stream.len()).step_by(step).enumerate() {
            let reset = nth % 2 == odd;
            // In two pieces, so that an end inside what was seen before is met too.
            let pieces = [&stream.as_bytes()[..at / 2], &stream.as_bytes()[at / 2..at]];
            let mut first = Script::stream(pieces.into_iter().filter(|piece| !piece.is_empty()));
            first.body.extend(reset.then_some((1, Piece::Reset)));
            let fake = Fake::new([first, provider.whole("two", &AGAIN), provider.whole("three", &AGAIN)]);
            serve(&fake, &forgetful(read), post(&caller.path(model), &body, &[("x-signalbox-continue", mode)]));
            let which = format!("{caller:?} of {model}, {mode}, cut at {at} of {}, reset: {reset}", stream.len());
            check(&fake, caller, &which, mode);
        }
    }
}

fn check(fake: &Fake, caller: Caller, which: &str, mode: &str) {
    if fake.0.aborted.get() {
        assert!(caller == Messages || caller == Gemini, "{which}: whole events are never half out");
        assert_ne!(mode, "restart", "{which}: whoever insists gets whole events");
        let text = fake.body_lossy();
        assert!(!text.contains("\"type\":\"message_stop\"}\n"), "{which}: {text}");
        return;
    }
    assert_eq!(fake.status(), 200, "{which}: nothing went out that could not be asked for again");
    let heard = hear(caller, &fake.body());
    let whole = PIECES.concat();
    assert!(whole.starts_with(&heard.text), "{which}: {}", heard.text);
    assert_eq!(heard.ended + heard.errors, 1, "{which}: one end: {}", fake.body());
    assert!(heard.ended == 0 || heard.text == whole, "{which}: looks whole: {}", fake.body());
    assert!(heard.ids.len() <= 1, "{which}: {:?}", heard.ids);
}

#[test]
fn a_native_stream_cut_at_any_byte_has_one_honest_end() {
    let read = gateway();
    for one in ALL {
        cut_everywhere(&read, one, one, 1);
    }
}

#[test]
fn a_translated_stream_cut_anywhere_has_one_honest_end() {
    let read = gateway();
    for caller in ALL {
        for provider in ALL.into_iter().filter(|(provider, _)| *provider != caller.0) {
            cut_everywhere(&read, caller, provider, 61);
        }
    }
}

/// Every offset of a short recording, or of all with `SIGNALBOX_CUT_EVERYWHERE`; of a long one the ends of some events and one
/// byte to either side, and offsets between that a seed chooses.
fn offsets(stream: &[u8]) -> Vec<usize> {
    const SHORT: usize = 500;
    const ENDS: usize = 12;
    if stream.len() <= SHORT || std::env::var_os("SIGNALBOX_CUT_EVERYWHERE").is_some() {
        return (0..stream.len()).collect();
    }
    let ends =
        stream.windows(2).enumerate().filter(|(_, pair)| pair == b"\n\n" || pair == b"\n\r").map(|(at, _)| at + 2);
    let ends: Vec<usize> = ends.collect();
    let ends = ends.iter().step_by(ends.len().div_ceil(ENDS).max(1)).flat_map(|end| [end - 1, *end, end + 1]);
    let mut seed = 0x9E37_79B9_u64;
    let between = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % stream.len()
    });
    ends.filter(|at| *at < stream.len()).chain(between.take(10)).collect()
}

fn context() -> ReplyContext {
    ReplyContext { request_id: "req_0".into(), model: "m".into(), include_usage: true, ..ReplyContext::default() }
}

/// Text of the first choice and number of its ends, read in the caller's dialect.
fn read(dialect: Dialect, bytes: &[u8]) -> (String, usize) {
    let (mut frames, mut decoder) = (sse::Decoder::new(), dialect.stream_decoder());
    let mut events = Vec::new();
    frames.push(bytes).unwrap();
    while let Some(frame) = frames.next_frame() {
        decoder.frame(&frame, &mut events).unwrap();
    }
    let mut text = String::new();
    let mut ends = 0;
    for event in events {
        match event {
            StreamEvent::TextDelta { choice: 0, text: more } => text.push_str(&more),
            StreamEvent::Finish { choice: 0, .. } => ends += 1,
            _ => {}
        }
    }
    (text, ends)
}

fn push(relay: &mut Relay, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let fault = match relay.push(bytes, out) {
        Ok(_) => false,
        Err(RelayFault::Provider(_) | RelayFault::TooLong | RelayFault::Differs) => true,
    };
    fault || relay.input_ended(out).is_err()
}

#[test]
fn a_recorded_text_cut_anywhere_is_told_to_its_end_once() {
    let (mut stitched, recorded) = (0, recordings::streams());
    for (name, from, input) in &recorded {
        let from = *from;
        for to in [Dialect::OpenAiChat, Dialect::AnthropicMessages, Dialect::Gemini, Dialect::OpenAiResponses] {
            let relay = || {
                let mut relay = if to == from {
                    Relay::whole_events(to, context())
                } else {
                    Relay::translated(from, to, context())
                };
                relay.keep_delivered(MOST_TEXT_BYTES);
                relay
            };
            let (mut whole, mut bytes) = (relay(), Vec::new());
            if push(&mut whole, input, &mut bytes) || !whole.complete() || whole.failed_finish().is_some() {
                continue; // a recorded error
            }
            whole.conclude(&Tail::default(), &mut bytes);
            let (expected, _) = read(to, &bytes);
            for at in offsets(input) {
                let (mut first, mut out) = (relay(), Vec::new());
                if push(&mut first, &input[..at], &mut out) || first.complete() {
                    continue;
                }
                let Some(mut broken) = first.broken(context()) else { continue };
                let delivered = broken.delivered.text().unwrap().to_owned();
                assert_eq!(read(to, &out).0, delivered, "{name} to {} cut at {at}", to.name());
                let mut second = Relay::continued(from, broken, Splice::restart(&delivered));
                if push(&mut second, input, &mut out) {
                    // More than plain text came after all.
                    assert!(expected.starts_with(&read(to, &out).0), "{name} to {} cut at {at}", to.name());
                    continue;
                }
                assert!(second.complete(), "{name} to {} cut at {at}", to.name());
                second.conclude(&Tail::default(), &mut out);
                assert_eq!(read(to, &out), (expected.clone(), 1), "{name} to {} cut at {at}", to.name());
                stitched += 1;
            }
        }
    }
    assert!(stitched > 0 || recorded.is_empty());
    println!("{stitched} cuts of recorded streams were stitched");
}
