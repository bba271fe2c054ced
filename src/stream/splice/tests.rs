use super::*;
use crate::dialect::canonical::{Finish, FinishReason};

fn text(text: &str) -> StreamEvent {
    StreamEvent::TextDelta { choice: 0, text: text.to_owned() }
}

fn finish() -> StreamEvent {
    let finish = Finish { reason: FinishReason::Stop, raw: "stop".to_owned(), stop_sequence: None };
    StreamEvent::Finish { choice: 0, finish }
}

/// The text that is new, of a second stream in pieces of some size; `None` where it differs.
fn new_of(mut splice: Splice, second: &str, size: usize) -> Option<String> {
    let characters: Vec<char> = second.chars().collect();
    let pieces = characters.chunks(size).map(|piece| text(&piece.iter().collect::<String>()));
    let mut out = Vec::new();
    for event in pieces.chain([finish()]) {
        splice.pass(&event, &mut out).ok()?;
    }
    assert!(matches!(out.last(), Some(StreamEvent::Finish { .. })), "the end passes last");
    let texts =
        out.iter().map(|event| if let StreamEvent::TextDelta { text, .. } = event { text.as_str() } else { "" });
    Some(texts.collect())
}

#[test]
fn a_restart_passes_on_what_follows_the_delivered_text_and_nothing_else() {
    for size in 1..12 {
        for (delivered, second, new) in [
            ("Grüße", "Grüße 😀, alle", Some(" 😀, alle")),
            ("Hello", "Hello", Some("")),
            ("Hello", "Hell", None),
            ("Hello", "Hallo", None),
            ("Hello ", "Hello", None),
            ("na na ", "na na na", Some("na")),
        ] {
            assert_eq!(new_of(Splice::restart(delivered), second, size).as_deref(), new, "{delivered} {second} {size}");
        }
    }
}

#[test]
fn a_continuation_loses_what_it_repeats_and_nothing_else() {
    let long = "The quick brown fox jumps over the lazy dog";
    for size in 1..50 {
        for (delivered, echoes, second, new) in [
            // Goes on from the end.
            (long, false, " and runs", " and runs"),
            (long, false, "", ""),
            // The whole comes again.
            (long, false, "The quick brown fox jumps over the lazy dog and runs", " and runs"),
            ("Hi", true, "Hi there", " there"),
            ("Hi", false, "Hi there", "Hi there"),
            ("Hi ", true, "Hi there", "there"),
            // Its end comes again.
            (long, false, "over the lazy dog and runs", " and runs"),
            // A short end may be meant.
            (long, false, "dog and runs", "dog and runs"),
            // What repeats itself may do so once more.
            ("0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,", false, " 0, 0, 0, 0, 0, 0, 0, 1", " 0, 0, 0, 0, 0, 0, 0, 1"),
            // Begins like a repetition and is none.
            (long, false, "The quick brown fox sleeps", "The quick brown fox sleeps"),
            // White space at the seam comes once.
            ("one two ", false, " three", "three"),
            ("one two ", false, "three", "three"),
            ("one:\n\n  ", false, "\n\n  - a", "- a"),
            ("one two", false, " three", " three"),
        ] {
            let splice = Splice::prefill(delivered, echoes);
            assert_eq!(new_of(splice, second, size).as_deref(), Some(new), "{delivered:?} {second:?} {size}");
        }
    }
}

#[test]
fn what_is_no_plain_text_is_not_stitched() {
    let call = StreamEvent::ToolCallStart {
        choice: 0,
        index: 0,
        id: "call_1".to_owned(),
        name: "f".to_owned(),
        signature: None,
    };
    let thought = StreamEvent::ReasoningDelta { choice: 0, text: "hm".to_owned() };
    let other = StreamEvent::TextDelta { choice: 1, text: "x".to_owned() };
    for event in [call, thought, other] {
        for mut splice in [Splice::restart(""), Splice::prefill("a", false)] {
            assert_eq!(splice.pass(&event, &mut Vec::new()), Err(Differs), "{event:?}");
        }
    }
}
