//! Changes to inputs: of bytes, and of JSON values so that what is damaged is still read deeply.

use serde_json::{json, Value};

use crate::random::Random;

/// Pieces that matter to readers of JSON and of event streams.
const TOKENS: [&str; 30] = [
    "\n",
    "\r\n",
    "\r",
    "\n\n",
    "data: ",
    "data:",
    "event: ",
    ": ",
    "\u{feff}",
    "\u{2028}",
    "😀",
    "\\ud83d",
    "\\u0000",
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "1e999",
    "18446744073709551616",
    "0.1",
    "[DONE]",
    "data: [DONE]\n\n",
    "\"",
    "\\",
    "{",
    "}",
    "[[[[[[[[",
    ",",
];

pub fn bytes(input: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        let length = random.below(24).min(input.len() - at);
        match random.below(8) {
            0 if at < input.len() => input[at] = random.next() as u8,
            1 if at < input.len() => input[at] ^= 1 << random.below(8),
            2 => drop(input.drain(at..at + length)),
            3 => {
                let copy = input[at..at + length].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let other = random.pick(corpus);
                let from = random.below(other.len() + 1);
                let piece = other[from..(from + random.below(200)).min(other.len())].to_vec();
                input.splice(at..at, piece);
            }
            5 if random.one_in(4) => input.truncate(at),
            _ => {
                let token = random.pick(&TOKENS).bytes();
                input.splice(at..at + length.min(random.below(3)), token);
            }
        }
    }
}

/// Changes some values of a JSON text; `None` where it is none.
pub fn json_text(text: &[u8], corpus: &[Vec<u8>], random: &mut Random) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(text).ok()?;
    let donor = random.pick(corpus);
    let donor: Value = serde_json::from_slice(donor).unwrap_or(Value::Null);
    for _ in 0..=random.below(4) {
        let count = nodes(&value);
        let at = random.below(count);
        change(&mut value, &mut { at }, &donor, random);
    }
    Some(if random.one_in(5) { serde_json::to_vec_pretty(&value).ok()? } else { serde_json::to_vec(&value).ok()? })
}

/// Changes the JSON of some events of a stream, or their order.
pub fn events(stream: &[u8], corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let text = String::from_utf8_lossy(stream).into_owned();
    let end = if text.contains("\r\n\r\n") { "\r\n\r\n" } else { "\n\n" };
    let mut blocks: Vec<String> = text.split_inclusive(end).map(str::to_owned).collect();
    for _ in 0..=random.below(3) {
        let at = random.below(blocks.len());
        if blocks.is_empty() {
            break;
        }
        match random.below(6) {
            0 => drop(blocks.remove(at)),
            1 => {
                let copy = blocks[at].clone();
                blocks.insert(random.below(blocks.len() + 1), copy);
            }
            2 => {
                let other = random.below(blocks.len());
                blocks.swap(at, other);
            }
            _ => {
                let block = &blocks[at];
                let Some(start) = block.find('{') else { continue };
                let close = block.rfind('}').map_or(block.len(), |at| at + 1);
                let Some(body) = block.get(start..close) else { continue };
                if let Some(changed) = json_text(body.as_bytes(), corpus, random) {
                    blocks[at] = format!("{}{}{end}", &block[..start], String::from_utf8_lossy(&changed));
                }
            }
        }
    }
    blocks.concat().into_bytes()
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(nodes).sum::<usize>(),
        Value::Object(members) => members.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Walks to the node number `at` and changes it.
fn change(value: &mut Value, at: &mut usize, donor: &Value, random: &mut Random) -> bool {
    if *at == 0 {
        mutate(value, donor, random);
        return true;
    }
    *at -= 1;
    match value {
        Value::Array(list) => list.iter_mut().any(|item| change(item, at, donor, random)),
        Value::Object(members) => members.values_mut().any(|member| change(member, at, donor, random)),
        _ => false,
    }
}

fn mutate(value: &mut Value, donor: &Value, random: &mut Random) {
    match (value, random.below(6)) {
        (Value::Object(members), 0) => {
            let names: Vec<String> = members.keys().cloned().collect();
            if !names.is_empty() {
                members.remove(random.pick(&names));
            }
        }
        (Value::Object(members), 1) => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = if names.is_empty() { "x".to_owned() } else { random.pick(&names).clone() };
            members.insert(if random.one_in(2) { format!("{name}_x") } else { name }, any(donor, random));
        }
        (Value::Array(list), 0) if !list.is_empty() => drop(list.remove(random.below(list.len()))),
        (Value::Array(list), 1) if !list.is_empty() => {
            let copy = random.pick(list).clone();
            list.push(copy);
        }
        (Value::String(text), 0..=2) => {
            let pieces =
                ["", " ", "😀", "\u{2028}\n\"\\", "call_1", "null", "{\"a\":1}", "{\"a\":", "stop", "STOP", "😀é\u{0}"];
            let piece = random.pick(&pieces);
            *text = if random.one_in(2) { (*piece).to_owned() } else { format!("{text}{piece}") };
        }
        (Value::Number(number), 0..=3) => {
            let numbers = [
                json!(0),
                json!(1),
                json!(-1),
                json!(2.5),
                json!(u64::MAX),
                json!(i64::MIN),
                json!(1e300),
                json!(4_294_967_296_u64),
            ];
            if let Value::Number(new) = random.pick(&numbers) {
                *number = new.clone();
            }
        }
        (other, _) => *other = any(donor, random),
    }
}

/// A value from another input, or a plain one.
fn any(donor: &Value, random: &mut Random) -> Value {
    if random.one_in(2) {
        let mut at = random.below(nodes(donor));
        return pick(donor, &mut at).cloned().unwrap_or_default();
    }
    let plain = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(""),
        json!([]),
        json!({}),
        json!("x"),
        json!([{}]),
        json!({"type": "text", "text": "x"}),
        json!(1.0),
    ];
    random.pick(&plain).clone()
}

fn pick<'v>(value: &'v Value, at: &mut usize) -> Option<&'v Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(list) => list.iter().find_map(|item| pick(item, at)),
        Value::Object(members) => members.values().find_map(|member| pick(member, at)),
        _ => None,
    }
}
