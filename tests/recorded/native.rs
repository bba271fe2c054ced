//! The native path: the provider's bytes, less or more only what has to be.

use serde_json::Value;
use signalbox::dialect::Dialect;

use crate::cases::Case;
use crate::gateway::{Asking, Got};

/// Compares what a client of the provider's own dialect got with what the provider sent.
pub fn differences(case: &Case, asked: Asking, got: &Got) -> Vec<String> {
    let mut list = Vec::new();
    if got.status != 200 || !got.closed {
        list.push(format!("status {}, ended in order: {}", got.status, got.closed));
    }
    let expected = match asked.client {
        Dialect::OpenAiChat if case.is_sse() => whole_events(&case.response, asked.usage),
        // What stands behind the event that ends a response is nobody's.
        _ => case.response.strip_suffix(b"data: [DONE]\n\n").unwrap_or(&case.response).to_vec(),
    };
    let body = without_verdicts(&got.body);
    let priced = got.cost.is_some();
    assert!(!priced, "nothing is known of the recorded model, its price neither");
    if body != expected {
        let at = body.iter().zip(&expected).take_while(|(a, b)| a == b).count();
        let around = |body: &[u8]| {
            let rest = String::from_utf8_lossy(&body[at.saturating_sub(40).min(body.len())..]).into_owned();
            rest.chars().take(160).collect::<String>()
        };
        list.push(format!("bytes differ at {at}: got {:?}, expected {:?}", around(&body), around(&expected)));
    }
    list
}

/// OpenAI's stream, event by event: usage that only the gateway asked for is hidden, a missing `[DONE]` is given.
fn whole_events(body: &[u8], usage: bool) -> Vec<u8> {
    let text = std::str::from_utf8(body).unwrap();
    let mut expected = String::new();
    let mut done = false;
    for block in text.split_inclusive("\n\n") {
        let data = block.lines().find_map(|line| line.strip_prefix("data:")).unwrap_or_default().trim();
        let event: Value = serde_json::from_str(data).unwrap_or_default();
        let only_usage = event["usage"].is_object() && event["choices"].as_array().is_some_and(Vec::is_empty);
        if usage || !only_usage {
            expected.push_str(block);
        }
        if data == "[DONE]" {
            done = true;
            break;
        }
    }
    if !done {
        expected.push_str("data: [DONE]\n\n");
    }
    expected.into_bytes()
}

/// A whole answer without the member that repeats its safety verdicts; it stands last.
fn without_verdicts(body: &[u8]) -> Vec<u8> {
    let says_verdicts = |value: &Value| value["signalbox"]["safety"].as_array().is_some_and(|list| !list.is_empty());
    let start = memchr::memmem::rfind(body, b",\"signalbox\":{\"request_id\"");
    match (start, serde_json::from_slice::<Value>(body)) {
        (Some(start), Ok(value)) if says_verdicts(&value) => {
            let end = body.iter().rposition(|byte| *byte == b'}').expect("an object ends");
            let tail = body[start..end].iter().rposition(|byte| *byte == b'}').map_or(start, |at| start + at + 1);
            [&body[..start], &body[tail..]].concat()
        }
        _ => body.to_vec(),
    }
}
