use super::*;

type Event = (Option<String>, Option<String>, Option<String>);

fn text(bytes: Option<Cow<'_, [u8]>>) -> Option<String> {
    bytes.map(|b| String::from_utf8(b.into_owned()).unwrap())
}

fn events(input: &[u8]) -> Vec<Event> {
    let mut decoder = Decoder::new();
    decoder.push(input).unwrap();
    let mut all = Vec::new();
    while let Some(frame) = decoder.next_frame() {
        all.push((text(frame.event), text(frame.data), text(frame.id)));
    }
    all
}

fn data(value: &str) -> Event {
    (None, Some(value.into()), None)
}

#[test]
fn fields_are_read_as_whatwg_says() {
    let named = |event: &str, value: &str| (Some(event.to_owned()), Some(value.to_owned()), None);
    for (input, expected) in [
        ("data: a\n\n", vec![data("a")]),
        ("data:a\n\n", vec![data("a")]),
        ("data:  a \n\n", vec![data(" a ")]),
        ("data\n\n", vec![data("")]),
        ("data:\ndata\ndata: x\n\n", vec![data("\n\nx")]),
        ("event: e\ndata: a\n\n", vec![named("e", "a")]),
        ("data: a\nevent:e\nevent: f\n\n", vec![named("f", "a")]),
        ("event:\ndata: a\n\n", vec![data("a")]),
        ("id: 7\nretry: 10\nfoo: bar\ndata: a\n\n", vec![(None, Some("a".into()), Some("7".into()))]),
        ("id: 7\nid: 8\0\n\n", vec![(None, None, Some("7".into()))]),
        (": OPENROUTER PROCESSING\n\ndata: a\n\n", vec![(None, None, None), data("a")]),
        (": note\ndata: a\n\n", vec![data("a")]),
        ("data: a:b: c\n\n", vec![data("a:b: c")]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", vec![data("a"), (None, None, None)]),
        ("data: a\n\n\ndata: b\n\n", vec![data("a"), (None, None, None), data("b")]),
        ("data: a\u{2028}b\u{85}c\u{b}d\n\n", vec![data("a\u{2028}b\u{85}c\u{b}d")]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\r\ndata: d\r\n\n", vec![data("a"), data("b"), data("c"), data("d")]),
        ("Data: a\n data: b\n\n", vec![(None, None, None)]),
        ("data: a\n", vec![]),
    ] {
        assert_eq!(events(input.as_bytes()), expected, "{input:?}");
    }
}

#[test]
fn one_data_line_is_borrowed() {
    let mut decoder = Decoder::new();
    decoder.push(b"data: one\n\ndata: two\ndata: lines\n\n").unwrap();
    assert!(matches!(decoder.next_frame().unwrap().data, Some(Cow::Borrowed(b"one"))));
    assert!(matches!(decoder.next_frame().unwrap().data, Some(Cow::Owned(_))));
}

#[test]
fn a_carriage_return_at_the_boundary_waits_for_its_line_feed() {
    let mut decoder = Decoder::new();
    decoder.push(b"data: a\r\n\r").unwrap();
    assert_eq!(decoder.next_frame(), None);
    decoder.push(b"\ndata: b\r\r").unwrap();
    assert_eq!(decoder.next_frame().unwrap().raw, b"data: a\r\n\r\n");
    assert_eq!(decoder.next_frame(), None);
    let rest = decoder.finish().unwrap();
    assert_eq!((rest.frame.raw, rest.ending), (&b"data: b\r\r"[..], Ending::Closed));
}

#[test]
fn what_is_left_at_the_end_can_be_seen() {
    for (input, value, ending) in [
        ("data: {}\n", Some("{}"), Ending::Unclosed),
        ("data: {}\r", Some("{}"), Ending::Unclosed),
        ("data: [DONE]", Some("[DONE]"), Ending::Cut),
        ("data: {\"a", Some("{\"a"), Ending::Cut),
        (": half", None, Ending::Cut),
        ("\u{feff}data: x", Some("x"), Ending::Cut),
    ] {
        let mut decoder = Decoder::new();
        decoder.push(b"data: first\n\n").unwrap();
        if input.starts_with('\u{feff}') {
            decoder = Decoder::new();
        }
        decoder.push(input.as_bytes()).unwrap();
        while decoder.next_frame().is_some() {}
        let rest = decoder.finish().unwrap();
        assert_eq!(rest.frame.raw, input.as_bytes());
        assert_eq!((text(rest.frame.data).as_deref(), rest.ending), (value, ending), "{input:?}");
        assert_eq!(decoder.finish(), None);
    }
    assert_eq!(Decoder::new().finish(), None);
}

#[test]
fn an_error_without_data_prefix_is_found() {
    let mut decoder = Decoder::new();
    decoder.push(b"data: {}\r\n\r\n{\"error\": {\n \"code\": 503}\n}\n\n: c\n\n[{\"error\":{}}]\n").unwrap();
    assert_eq!(decoder.next_frame().unwrap().bare_json(), None);
    assert_eq!(decoder.next_frame().unwrap().bare_json(), Some(&b"{\"error\": {\n \"code\": 503}\n}"[..]));
    assert_eq!(decoder.next_frame().unwrap().bare_json(), None);
    assert_eq!(decoder.finish().unwrap().frame.bare_json(), Some(&b"[{\"error\":{}}]"[..]));
}

#[test]
fn a_block_over_the_limit_is_refused_at_any_split() {
    let input = b"data: ok\n\ndata: 0123456789\n\ndata: ok\n\n";
    for (limit, good) in [(17, 1), (18, 3)] {
        for step in 1..input.len() {
            let mut decoder = Decoder::with_limit(limit);
            let mut frames = 0;
            let mut failed = false;
            for chunk in input.chunks(step) {
                failed |= decoder.push(chunk).is_err();
                while decoder.next_frame().is_some() {
                    frames += 1;
                }
            }
            assert_eq!((frames, failed), (good, limit == 17), "limit {limit}, step {step}");
        }
    }
}

#[test]
fn memory_follows_the_largest_event_not_the_stream() {
    let mut decoder = Decoder::new();
    for _ in 0..10_000 {
        decoder.push(b"data: 0123456789\n\ndata: 01234").unwrap();
        decoder.push(b"56789\n\n").unwrap();
        while decoder.next_frame().is_some() {}
    }
    assert!(decoder.buffer.capacity() < 1024, "{}", decoder.buffer.capacity());
}

#[test]
fn what_is_written_is_read_back() {
    for (event, value, back) in [
        (None, "plain", "plain"),
        (Some("ping"), "{}", "{}"),
        (None, "", ""),
        (None, " led by a space", " led by a space"),
        (None, "a\nb\r\nc\rd", "a\nb\nc\nd"),
        (None, "\n", "\n"),
    ] {
        let mut out = Vec::new();
        write_comment(&mut out, "note\nof two lines");
        write_event(&mut out, event, value.as_bytes());
        let expected = vec![(None, None, None), (event.map(str::to_owned), Some(back.to_owned()), None)];
        assert_eq!(events(&out), expected, "{value:?}");
    }
}
