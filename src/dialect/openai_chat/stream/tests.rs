//! Both directions, and that what is written reads back.

mod decoding;
mod encoding;

use proptest::prelude::*;

use self::encoding::{start, write};
use super::Decoder;
use crate::dialect::canonical::StreamEvent;
use crate::dialect::{StreamFault, Tail};
use crate::sse;

/// Feeds bytes; what was read, and what could not be.
fn feed(decoder: &mut Decoder, bytes: &[u8]) -> (Vec<StreamEvent>, Vec<StreamFault>) {
    let mut frames = sse::Decoder::new();
    frames.push(bytes).unwrap();
    let (mut events, mut faults) = (Vec::new(), Vec::new());
    while let Some(frame) = frames.next_frame() {
        if let Err(fault) = decoder.frame(&frame, &mut events) {
            faults.push(fault);
        }
    }
    (events, faults)
}

/// Events as a provider of any dialect may send them.
fn any_events() -> impl Strategy<Value = Vec<StreamEvent>> {
    let piece = (0u32..3, ".{1,6}", 0u8..4);
    (proptest::collection::vec(piece, 0..24), 0usize..4).prop_map(|(pieces, calls)| {
        let mut events = vec![start()];
        for (choice, text, kind) in pieces {
            events.push(match kind {
                0 => StreamEvent::TextDelta { choice, text },
                1 => StreamEvent::ReasoningDelta { choice, text },
                2 => StreamEvent::RefusalDelta { choice, text },
                _ => StreamEvent::ReasoningEnd { choice, signature: None, redacted: false },
            });
        }
        for index in 0..calls as u32 {
            events.push(StreamEvent::ToolCallStart {
                choice: 0,
                index,
                id: format!("id{index}"),
                name: "f".into(),
                signature: None,
            });
            events.push(StreamEvent::ToolCallDelta { choice: 0, index, arguments: format!("{{\"n\":{index}}}") });
            events.push(StreamEvent::ToolCallEnd { choice: 0, index });
        }
        events
    })
}

/// What a list of events says, per choice and kind.
fn summary(events: &[StreamEvent]) -> Vec<String> {
    let mut lines = vec![String::new(); 9];
    let mut calls = Vec::new();
    for event in events {
        match event {
            StreamEvent::TextDelta { choice, text } => lines[*choice as usize * 3].push_str(text),
            StreamEvent::ReasoningDelta { choice, text } => lines[*choice as usize * 3 + 1].push_str(text),
            StreamEvent::RefusalDelta { choice, text } => lines[*choice as usize * 3 + 2].push_str(text),
            StreamEvent::ToolCallStart { index, id, name, .. } => calls.push(format!("{index} {id} {name} ")),
            StreamEvent::ToolCallDelta { index, arguments, .. } => calls[*index as usize].push_str(arguments),
            _ => {}
        }
    }
    lines.extend(calls);
    lines
}

proptest! {
    #[test]
    fn every_token_that_is_written_is_read_back_once_and_in_order(events in any_events()) {
        let (_, bytes, losses) = write(&events, true, &Tail::default());
        prop_assert!(losses.is_empty());
        let mut decoder = Decoder::default();
        let (again, faults) = feed(&mut decoder, &bytes);
        prop_assert!(faults.is_empty());
        prop_assert!(decoder.complete());
        prop_assert_eq!(summary(&again), summary(&events));
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), json in "[\\[\\]{}\":,a-z0-9 ]{0,80}") {
        feed(&mut Decoder::default(), &bytes);
        feed(&mut Decoder::default(), format!("data: {json}\n\ndata: {{\"choices\":[{json}]}}\n\n").as_bytes());
    }
}
