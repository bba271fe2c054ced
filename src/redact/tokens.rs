//! The names, texts and numbers of a JSON document by their place in its text: nothing is built, so that what is not
//! changed stays byte for byte.

use std::ops::Range;

use super::path::{Paths, Verdict};

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A member of an object.
    Member(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A member's name, with its quotes.
    Name,
    /// A text, with its quotes.
    Text,
    /// A number.
    Number,
    /// A value of any kind that is to be masked for its place.
    Denied,
}

/// A piece of a document.
#[derive(Debug)]
pub struct Token<'w> {
    /// Where it stands in the text.
    pub at: Range<usize>,
    /// What it is.
    pub what: What,
    /// The way to it; a name's leads to its value.
    pub path: &'w [Step],
    /// The member that it is the value of, or an item of.
    pub name: &'w str,
}

/// Shows a document's tokens in order. What `paths` leave alone is passed over. The text is JSON; of another text nothing
/// useful is shown.
pub fn walk(text: &str, paths: &Paths, visit: &mut dyn FnMut(Token<'_>)) {
    let bytes = text.as_bytes();
    let mut path: Vec<Step> = Vec::new();
    let mut name_is_next = false;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let begins_value = match byte {
            b'"' => !name_is_next,
            b'{' | b'[' | b'-' | b't' | b'f' | b'n' => true,
            byte => byte.is_ascii_digit(),
        };
        if begins_value && !(paths.allow.is_empty() && paths.deny.is_empty()) {
            let end = end_of_value(bytes, at);
            match paths.verdict(&path, !matches!(byte, b'{' | b'[')) {
                Verdict::Read => {}
                Verdict::Leave => {
                    at = end;
                    continue;
                }
                Verdict::Mask => {
                    visit(Token { at: at..end, what: What::Denied, path: &path, name: "" });
                    at = end;
                    continue;
                }
            }
        }
        match byte {
            b'{' => {
                path.push(Step::Member(String::new()));
                name_is_next = true;
                at += 1;
            }
            b'[' => {
                path.push(Step::Item(0));
                name_is_next = false;
                at += 1;
            }
            b'}' | b']' => {
                path.pop();
                at += 1;
            }
            b',' => {
                name_is_next = match path.last_mut() {
                    Some(Step::Item(index)) => {
                        *index += 1;
                        false
                    }
                    _ => true,
                };
                at += 1;
            }
            b'"' => {
                let end = end_of_text(bytes, at);
                let what = if std::mem::take(&mut name_is_next) { What::Name } else { What::Text };
                if let (What::Name, Some(step)) = (what, path.last_mut()) {
                    let name = text.get(at..end).and_then(|text| crate::json::from_str(text).ok());
                    *step = Step::Member(name.unwrap_or_default());
                }
                visit(Token { at: at..end, what, path: &path, name: innermost(&path) });
                at = end;
            }
            byte if *byte == b'-' || byte.is_ascii_digit() => {
                let end = end_of_word(bytes, at);
                visit(Token { at: at..end, what: What::Number, path: &path, name: innermost(&path) });
                at = end;
            }
            _ => at += 1,
        }
    }
}

fn innermost(path: &[Step]) -> &str {
    let named = path.iter().rev().find_map(|step| match step {
        Step::Member(name) => Some(name.as_str()),
        Step::Item(_) => None,
    });
    named.unwrap_or_default()
}

/// Behind the closing quote of the text that begins here.
fn end_of_text(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found + 1;
        if bytes.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    bytes.len()
}

fn end_of_word(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let end = rest.iter().position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace());
    end.map_or(bytes.len(), |length| from + length)
}

fn end_of_value(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' => end_of_text(bytes, at),
            b'{' | b'[' => {
                depth += 1;
                at + 1
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at + 1
            }
            _ if depth == 0 => end_of_word(bytes, at),
            _ => at + 1,
        };
        if depth == 0 {
            break;
        }
    }
    at
}
