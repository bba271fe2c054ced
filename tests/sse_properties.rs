//! The event-stream decoder against a second, naive reading of the same bytes: any split gives the same events, and no
//! byte is lost, moved or invented.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // test helpers

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use signalbox::sse::{Decoder, Ending, Frame};

/// A frame that owns its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    raw: Vec<u8>,
    event: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
    id: Option<Vec<u8>>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            raw: frame.raw.to_vec(),
            event: frame.event.map(|v| v.into_owned()),
            data: frame.data.map(|v| v.into_owned()),
            id: frame.id.map(|v| v.into_owned()),
        }
    }
}

/// Whole frames, then the leftover if there is one.
fn decode<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Owned>, Option<(Owned, Ending)>) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for chunk in chunks {
        decoder.push(chunk).unwrap();
        while let Some(frame) = decoder.next_frame() {
            frames.push(frame.into());
        }
    }
    let rest = decoder.finish().map(|rest| (Owned::from(rest.frame), rest.ending));
    assert_eq!(decoder.finish(), None);
    (frames, rest)
}

fn raw_of((frames, rest): &(Vec<Owned>, Option<(Owned, Ending)>)) -> Vec<u8> {
    let all = frames.iter().chain(rest.iter().map(|(frame, _)| frame));
    all.flat_map(|frame| frame.raw.iter().copied()).collect()
}

/// Data and event of every block that has data, read by normalising line ends first: nothing in common with the decoder.
fn naive(input: &[u8]) -> Vec<(Option<String>, String)> {
    let text = String::from_utf8(input.to_vec()).unwrap();
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let (mut event, mut data) = (None, Vec::new());
    let mut lines: Vec<&str> = text.split('\n').collect();
    lines.pop();
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                events.push((event.take(), data.join("\n")));
            }
            (event, data) = (None, Vec::new());
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => data.push(value),
            "event" => event = Some(value.to_owned()).filter(|v| !v.is_empty()),
            _ => {}
        }
    }
    events
}

fn dispatched((frames, rest): &(Vec<Owned>, Option<(Owned, Ending)>)) -> Vec<(Option<String>, String)> {
    let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).unwrap();
    let closed = rest.iter().filter(|(_, ending)| *ending == Ending::Closed).map(|(frame, _)| frame);
    let all = frames.iter().chain(closed);
    all.filter_map(|f| Some((f.event.as_ref().map(text), text(f.data.as_ref()?)))).collect()
}

fn line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(String::new()),
        Just("{\"delta\":\"caf\u{e9} \u{1f600}\u{2028}\u{85} x\"}".to_owned()),
        "[ :a-z0\u{e9}\u{2029}\u{1f680}]{0,12}",
    ];
    let field = prop_oneof![
        4 => Just("data: "), 2 => Just("data:"), 1 => Just("data"), 1 => Just("event: "), 1 => Just("id:"),
        1 => Just(": "), 1 => Just(":"), 1 => Just("retry: "), 1 => Just("other: "), 1 => Just("\u{feff}data: "),
    ];
    prop_oneof![5 => (field, value).prop_map(|(field, value)| format!("{field}{value}")), 3 => Just(String::new())]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let lines = prop::collection::vec((line(), end), 0..24);
    (prop::bool::ANY, lines, line()).prop_map(|(bom, lines, last)| {
        let mut text = String::from(if bom { "\u{feff}" } else { "" });
        for (line, end) in lines {
            text.push_str(&line);
            text.push_str(end);
        }
        text.push_str(&last);
        text.into_bytes()
    })
}

fn split<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.extend([0, input.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &input[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(input in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        let whole = decode([&input[..]]);
        prop_assert_eq!(&raw_of(&whole), &input);
        prop_assert_eq!(dispatched(&whole), naive(&input));
        prop_assert_eq!(&decode(split(&input, &cuts)), &whole);
        prop_assert_eq!(&decode(input.chunks(1)), &whole);
    }

    #[test]
    fn no_bytes_make_it_panic_or_lose_one(
        input in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b':')], 0..200),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let whole = decode([&input[..]]);
        prop_assert_eq!(&raw_of(&whole), &input);
        prop_assert_eq!(&decode(split(&input, &cuts)), &whole);
    }
}

#[test]
fn a_long_event_in_single_bytes_takes_linear_time() {
    // 2 MB byte by byte: with a rescan or a move per push this would be 10^12 steps and never end.
    let mut input = b"data: ".to_vec();
    input.resize(2_000_000, b'x');
    input.extend_from_slice(b"\n\n");
    let (frames, rest) = decode(input.chunks(1));
    assert_eq!((frames.len(), rest), (1, None));
    assert_eq!(frames[0].data.as_ref().unwrap().len(), 2_000_000 - 6);
}

#[test]
fn recorded_streams_can_be_cut_anywhere() {
    let folder = fixtures();
    let mut streams = Vec::new();
    recorded(&folder, &mut streams);
    if streams.is_empty() {
        println!("no recordings in {}: nothing to cut", folder.display());
    }
    for path in streams {
        let input = std::fs::read(&path).unwrap();
        let whole = decode([&input[..]]);
        assert_eq!(raw_of(&whole), input, "{}", path.display());
        assert_eq!(dispatched(&whole), naive(&input), "{}", path.display());
        assert!(!dispatched(&whole).is_empty() || whole.1.is_some(), "{}: no event", path.display());
        assert_eq!(decode(input.chunks(1)), whole, "{}: single bytes", path.display());
        // Every offset of a small recording; of a large one about 200, at a stride that shares no factor with
        // its line lengths.
        let stride = (input.len() / 200).max(1) | 1;
        for cut in (0..input.len()).step_by(stride) {
            let (head, tail) = input.split_at(cut);
            assert_eq!(decode([head, tail]), whole, "{} cut at {cut}", path.display());
        }
    }
}

fn fixtures() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("SIGNALBOX_FIXTURES").map_or_else(|| root.join("../shared/fixtures"), PathBuf::from)
}

fn recorded(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            recorded(&path, found);
        } else if path.extension().is_some_and(|e| e == "sse") {
            found.push(path);
        }
    }
}
