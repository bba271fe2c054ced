//! A text with its escapes taken away, and where each of its bytes stood: JSON within a string, a query within a URL.

use std::ops::Range;

/// How often escapes are taken away: JSON in JSON in JSON, and no further.
const DEEPEST: u8 = 3;

/// A text without one layer of escapes.
#[derive(Debug)]
pub struct Plain {
    text: String,
    /// Where each byte of the text stood in the source, and the source's end.
    from: Vec<usize>,
    depth: u8,
}

impl Plain {
    /// `None`: there are no escapes.
    #[must_use]
    pub fn of(source: &str) -> Option<Self> {
        let (text, from) = unescaped(source)?;
        Some(Self { text, from, depth: 1 })
    }

    /// The same once more.
    #[must_use]
    pub fn plainer(&self) -> Option<Self> {
        if self.depth >= DEEPEST {
            return None;
        }
        let (text, inner) = unescaped(&self.text)?;
        let from = inner.iter().map(|at| self.at(*at)).collect();
        Some(Self { text, from, depth: self.depth + 1 })
    }

    /// What is left.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of the source that a place of the text came from; whole escapes.
    #[must_use]
    pub fn source(&self, at: &Range<usize>) -> Range<usize> {
        self.at(at.start)..self.at(at.end)
    }

    fn at(&self, at: usize) -> usize {
        self.from.get(at).or(self.from.last()).copied().unwrap_or_default()
    }
}

/// The text without `\n`, `\"`, `\u0041` and `%41`, if it has any.
fn unescaped(source: &str) -> Option<(String, Vec<usize>)> {
    memchr::memchr2(b'\\', b'%', source.as_bytes())?;
    let (mut text, mut from) = (String::with_capacity(source.len()), Vec::with_capacity(source.len() + 1));
    let (mut at, mut changed) = (0, false);
    while let Some(first) = source.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = source.get(at..).unwrap_or_default();
        let (character, length) = match first {
            '\\' => json_escape(rest),
            '%' => percent_escape(rest),
            _ => None,
        }
        .inspect(|_| changed = true)
        .unwrap_or((first, first.len_utf8()));
        text.push(character);
        from.resize(text.len(), at);
        at += length;
    }
    from.push(source.len());
    changed.then_some((text, from))
}

/// RFC 8259 §7; half a surrogate pair is none.
fn json_escape(rest: &str) -> Option<(char, usize)> {
    let character = match rest.as_bytes().get(1)? {
        b'n' | b'r' | b'b' | b'f' => '\n',
        b't' => '\t',
        b'u' => {
            let unit = |from: usize| u16::from_str_radix(rest.get(from..from + 4)?, 16).ok();
            let first = unit(2)?;
            if let Some(character) = char::from_u32(u32::from(first)) {
                return Some((character, 6));
            }
            let second = rest.get(6..8).filter(|mark| *mark == "\\u").and_then(|_| unit(8))?;
            return char::decode_utf16([first, second]).next()?.ok().map(|character| (character, 12));
        }
        other => char::from(*other),
    };
    character.is_ascii().then_some((character, 2))
}

/// Of visible ASCII: `%40` in a query is an at sign.
fn percent_escape(rest: &str) -> Option<(char, usize)> {
    let byte = u8::from_str_radix(rest.get(1..3).filter(|hex| !hex.starts_with('+'))?, 16).ok()?;
    (byte == b' ' || byte.is_ascii_graphic()).then_some((char::from(byte), 3))
}
