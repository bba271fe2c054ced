//! What is fuzzed and what must hold for any bytes. A broken promise is a panic.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::Value;
use signalbox::config::provider::KINDS;
use signalbox::dialect::canonical::{Choice, Disposition, FinishReason};
use signalbox::dialect::gathered::{self, Whole};
use signalbox::dialect::{Dialect, ModelTraits, Observation, ReplyContext, StreamFault, Tail, Target as Model};
use signalbox::json::{Edit, Members};
use signalbox::sse::{Decoder, Ending, Frame};
use signalbox::stream::relay::{Relay, RelayFault};

use crate::door;
use crate::random::Random;

/// A target.
#[derive(Clone, Copy)]
pub enum Target {
    Request(Dialect),
    Response(Dialect),
    Stream(Dialect),
    Sse,
    Json,
    Door(door::Target),
}

/// Every dialect that is spoken, each once.
pub fn dialects() -> Vec<Dialect> {
    let mut list: Vec<Dialect> = Vec::new();
    for dialect in KINDS.iter().filter_map(|(_, kind)| kind.dialect()) {
        if !list.contains(&dialect) {
            list.push(dialect);
        }
    }
    list
}

pub fn all() -> Vec<Target> {
    let per_dialect = dialects().into_iter().flat_map(|d| [Target::Request(d), Target::Response(d), Target::Stream(d)]);
    let doors = door::ALL.into_iter().map(Target::Door);
    per_dialect.chain([Target::Sse, Target::Json]).chain(doors).collect()
}

impl Target {
    pub fn name(self) -> String {
        match self {
            Self::Request(dialect) => format!("{}-request", dialect.name()),
            Self::Response(dialect) => format!("{}-response", dialect.name()),
            Self::Stream(dialect) => format!("{}-stream", dialect.name()),
            Self::Sse => "sse".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Door(door) => door.name().to_owned(),
        }
    }

    pub fn run(self, input: &[u8], random: &mut Random) {
        match self {
            Self::Request(dialect) => request(dialect, input),
            Self::Response(dialect) => response(dialect, input),
            Self::Stream(dialect) => stream(dialect, input, random),
            Self::Sse => sse(input, random),
            Self::Json => json(input),
            Self::Door(door) => door.run(input),
        }
    }
}

/// What is decoded is written for every target as JSON, and what is written whole in its own dialect is read again.
fn request(dialect: Dialect, input: &[u8]) {
    let _ = dialect.view(input);
    let Ok(request) = dialect.decode_request(input) else { return };
    for target in dialects() {
        let model = Model { provider: "p", model: "m", traits: ModelTraits::PERMISSIVE, max_output_tokens: Some(4096) };
        let encoded = target.encode_request(&request, &model);
        valid(&encoded.body, "a request");
        // Another dialect has other bounds for numbers; which of them a provider enforces is its business.
        let whole = !encoded.losses.iter().any(|loss| loss.disposition == Disposition::Unsupported);
        if whole && target == dialect {
            if let Err(error) = target.decode_request(&encoded.body) {
                panic!("{} is not read again: {error}\n{}", target.name(), String::from_utf8_lossy(&encoded.body));
            }
        }
    }
}

/// What is written for a client is JSON, and its dialect's.
fn response(dialect: Dialect, input: &[u8]) {
    let _ = dialect.decode_error(input);
    let observed = dialect.observe_response(input);
    let Ok(answer) = dialect.decode_response(input) else { return };
    if let Err(fault) = observed {
        panic!("what can be read is watched: {fault:?}\n{}", String::from_utf8_lossy(input));
    }
    // A turn that failed is never written.
    let failed = |choice: &Choice| choice.finish.as_ref().is_some_and(|finish| finish.reason == FinishReason::Failed);
    if answer.choices.iter().any(failed) {
        return;
    }
    for client in dialects() {
        let context = ReplyContext { upstream: Some(dialect), ..ReplyContext::default() };
        let encoded = client.encode_response(&answer, &context, &Tail::default());
        valid(&encoded.body, "an answer");
        if let Err(fault) = client.decode_response(&encoded.body) {
            if is_nameless(&fault) {
                continue;
            }
            panic!("{} is not read again: {fault:?}\n{}", client.name(), String::from_utf8_lossy(&encoded.body));
        }
    }
}

/// Where the network cuts shows nowhere; what is written is an event stream of the client's dialect, whole when it ends.
fn stream(dialect: Dialect, input: &[u8], random: &mut Random) {
    let mut observed = Observation::default();
    for frame in frames(input) {
        let _ = dialect.observe_event(&frame.as_frame(), &mut observed);
    }
    in_one_piece(dialect, input);
    for client in dialects() {
        let relay = || {
            let context = ReplyContext { upstream: Some(dialect), include_usage: true, ..ReplyContext::default() };
            if client == dialect {
                Relay::whole_events(dialect, context)
            } else {
                Relay::translated(dialect, client, context)
            }
        };
        let whole = relayed(relay(), &[input]);
        let split = relayed(relay(), &pieces(input, random));
        assert_eq!((whole.1, &whole.2), (split.1, &split.2), "to {}: a cut changes how it ends", client.name());
        assert!(whole.0 == split.0, "to {}: a cut shows", client.name());
        if client == dialect {
            continue;
        }
        let mut decoder = client.stream_decoder();
        for frame in frames(&whole.0) {
            let data = frame.data.as_deref().unwrap_or_default();
            if data != b"[DONE]" && !data.is_empty() {
                valid(data, "an event");
            }
            if let Err(fault) = decoder.frame(&frame.as_frame(), &mut Vec::new()) {
                if is_nameless(&fault) {
                    return;
                }
                let told = format!("{fault:?}");
                let ended = told.contains("broke the answer off") || told.contains("the model's turn failed");
                assert!(ended, "{} is not read again: {told}", client.name());
                return;
            }
        }
        assert!(!whole.1 || decoder.complete(), "{}: a whole answer does not look so", client.name());
    }
}

/// A stream put together is an answer like others.
fn in_one_piece(dialect: Dialect, input: &[u8]) {
    let Ok(whole) = gathered::whole(dialect, input) else { return };
    match whole {
        Whole::Native(body) => {
            valid(&body, "a message");
            if let Err(fault) = dialect.decode_response(&body) {
                panic!("{} is not read again: {fault:?}\n{}", dialect.name(), String::from_utf8_lossy(&body));
            }
        }
        Whole::Read(answer, _) => {
            for client in dialects() {
                let context = ReplyContext { upstream: Some(dialect), ..ReplyContext::default() };
                valid(&client.encode_response(&answer, &context, &Tail::default()).body, "an answer");
            }
        }
    }
}

/// A call without a name cannot be made: readers say so, and writers pass on what they were given.
fn is_nameless(fault: &StreamFault) -> bool {
    matches!(fault, StreamFault::Provider(error) if error.message.contains("without a name"))
}

/// Bytes for the client, whether the answer is whole, how it failed.
fn relayed(mut relay: Relay, pieces: &[&[u8]]) -> (Vec<u8>, bool, Option<RelayFault>) {
    let mut out = Vec::new();
    let mut fault = None;
    for piece in pieces {
        if let Err(error) = relay.push(piece, &mut out) {
            fault = Some(error);
            break;
        }
    }
    if fault.is_none() {
        fault = relay.input_ended(&mut out).err();
    }
    let whole = fault.is_none() && relay.complete();
    if whole {
        relay.conclude(&Tail { usage: relay.observation().usage, ..Tail::default() }, &mut out);
    }
    (out, whole, fault)
}

struct Owned {
    raw: Vec<u8>,
    event: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
}

impl Owned {
    fn as_frame(&self) -> Frame<'_> {
        Frame {
            raw: &self.raw,
            event: self.event.as_deref().map(Cow::Borrowed),
            data: self.data.as_deref().map(Cow::Borrowed),
            id: None,
        }
    }
}

fn owned(frame: &Frame<'_>) -> Owned {
    Owned {
        raw: frame.raw.to_vec(),
        event: frame.event.as_deref().map(<[u8]>::to_vec),
        data: frame.data.as_deref().map(<[u8]>::to_vec),
    }
}

fn frames(input: &[u8]) -> Vec<Owned> {
    let mut decoder = Decoder::new();
    let mut list = Vec::new();
    if decoder.push(input).is_ok() {
        while let Some(frame) = decoder.next_frame() {
            list.push(owned(&frame));
        }
    }
    list
}

/// Every byte stands in one frame, whatever the cuts.
fn sse(input: &[u8], random: &mut Random) {
    let read = |pieces: &[&[u8]]| {
        let mut decoder = Decoder::new();
        let mut list = Vec::new();
        for piece in pieces {
            decoder.push(piece).expect("short enough");
            while let Some(frame) = decoder.next_frame() {
                list.push((frame.raw.to_vec(), frame.data.map(|d| d.to_vec()), frame.event.map(|e| e.to_vec())));
            }
        }
        let rest: Option<(Vec<u8>, Ending)> = decoder.finish().map(|rest| (rest.frame.raw.to_vec(), rest.ending));
        (list, rest)
    };
    let whole = read(&[input]);
    assert_eq!(read(&pieces(input, random)), whole, "a cut shows");
    let raw: Vec<u8> =
        whole.0.iter().flat_map(|(raw, ..)| raw.clone()).chain(whole.1.into_iter().flat_map(|r| r.0)).collect();
    assert_eq!(raw, input, "no byte is lost");
}

/// Members are JSON themselves, and an edited object is one.
fn json(input: &[u8]) {
    let Ok(members) = Members::read(input) else { return };
    assert!(std::str::from_utf8(input).is_ok(), "JSON is text");
    for (_, value) in members.iter() {
        let _ = value.get();
    }
    let edited = members.edit(&[Edit::Set("model", "\"x\"".into()), Edit::Remove("stream")]);
    valid(&edited, "an edited object");
    if let Ok(value) = serde_json::from_slice::<Value>(&edited) {
        assert_eq!(value["model"], "x");
        assert!(value.get("stream").is_none());
    }
}

/// JSON by its grammar: a lone surrogate's escape is allowed, and kept where a caller's own text is passed on.
fn valid(body: &[u8], what: &str) -> Box<RawValue> {
    match serde_json::from_slice(body) {
        Ok(value) => value,
        Err(error) => panic!("{what} is no JSON: {error}\n{}", String::from_utf8_lossy(body)),
    }
}

fn pieces<'i>(input: &'i [u8], random: &mut Random) -> Vec<&'i [u8]> {
    let most = *random.pick(&[1, 3, 20, 300, 3000]);
    let (mut list, mut rest) = (Vec::new(), input);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((1 + random.below(most)).min(rest.len()));
        list.push(piece);
        rest = tail;
    }
    list
}
