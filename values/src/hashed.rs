//! A text as numbers: how often which word, pair of words and stem stands in it, each known by a hash only, and a few
//! measures of its shape. One pass, no allocation per word. What linear functions read (the kinds of task, and the
//! qualities that an operator has learned), so that a text is read once however many functions look at it.
//!
//! Letter case, the kind and number of white space, and line ends change nothing. Scripts that write without spaces are
//! read character by character. A number counts by its length.

/// The reading of texts that tables must have been learned on. It changes with any change to what a text's numbers are.
pub const FEATURES: u64 = 1;
/// Bits of a slot: hashes of words fall into 2^14 slots.
pub const BITS: u32 = 14;
/// Measures of a text's shape.
pub const MEASURES: usize = 16;
/// What stands for one in a text's values and measures.
pub const ONE: i64 = 64;

const SLOTS: usize = 1 << BITS;

/// A text as numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashed {
    /// Slots and how much stands in them, 64 for a single occurrence and growing with the logarithm of the count, in the
    /// order of first occurrence.
    pub slots: Vec<(u16, u16)>,
    /// Length of the vector of values; at least 1.
    pub length: i64,
    /// Measures of its shape, 64 standing for one: sizes, shares of digits and marks, kinds of marks.
    pub measures: [i64; MEASURES],
}

impl Hashed {
    /// Reads a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut reader = Reader::new();
        for c in text.chars() {
            match c {
                'a'..='z' => reader.letter(u32::from(c)),
                'A'..='Z' => reader.letter(u32::from(c.to_ascii_lowercase())),
                '0'..='9' => reader.digit(u32::from(c)),
                '\0'..='\x7f' => reader.mark(c),
                _ => reader.other(c),
            }
        }
        reader.finish()
    }
}

/// Kinds of hashes: what is the same word in another place is another thing to know.
const WORD: u32 = 0x9e37_79b9;
const PAIR: u32 = 0x85eb_ca6b;
const STEM: u32 = 0xc2b2_ae35;
const FIRST: u32 = 0x27d4_eb2f;
const LAST: u32 = 0x1656_67b1;
const MARK: u32 = 0xd3a2_646c;

/// Words at the beginning and at the end whose place counts.
const FIRST_WORDS: u32 = 6;
const LAST_WORDS: usize = 4;
/// Letters of a stem.
const STEM_LETTERS: u32 = 5;

struct Reader {
    counts: Vec<u8>,
    touched: Vec<u16>,
    word: u32,
    stem: u32,
    letters: u32,
    digits: u32,
    before: u32,
    last: [u32; LAST_WORDS],
    last_mark: u32,
    shape: Shape,
}

/// FNV's prime: one multiplication a letter.
const PRIME: u32 = 0x0100_0193;

fn step(hash: u32, value: u32) -> u32 {
    (hash ^ value).wrapping_mul(PRIME)
}

/// Spreads every bit over the whole.
fn mix(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x7feb_352d);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x846c_a68b);
    hash ^ (hash >> 16)
}

impl Reader {
    fn new() -> Self {
        Self {
            counts: vec![0; SLOTS],
            touched: Vec::with_capacity(1024),
            word: 0,
            stem: 0,
            letters: 0,
            digits: 0,
            before: 0,
            last: [0; LAST_WORDS],
            last_mark: 0,
            shape: Shape::default(),
        }
    }

    fn letter(&mut self, c: u32) {
        self.last_mark = 0;
        self.word = step(self.word, c);
        self.letters += 1;
        if self.letters == STEM_LETTERS {
            self.stem = self.word;
        }
    }

    fn digit(&mut self, c: u32) {
        self.digits += 1;
        self.shape.digits += 1;
        self.letter(c);
    }

    fn mark(&mut self, c: char) {
        self.end_word();
        if c.is_ascii_whitespace() || c.is_ascii_control() {
            self.last_mark = 0;
            return;
        }
        let code = u32::from(c);
        self.shape.mark(c, self.last_mark == code);
        // A run of one mark is one mark and one pair.
        self.count(MARK, code);
        if self.last_mark != 0 {
            self.count(MARK, step(self.last_mark, code));
        }
        self.last_mark = code;
    }

    fn other(&mut self, c: char) {
        if c.is_whitespace() {
            self.end_word();
            self.last_mark = 0;
        } else if !c.is_alphanumeric() {
            self.end_word();
            self.count(MARK, u32::from(c));
            self.shape.foreign_marks += 1;
        } else if has_no_spaces(c) {
            self.end_word();
            self.letter(u32::from(c));
            self.shape.characters += 1;
            self.end_word();
        } else {
            match c {
                // Their upper or lower case is ASCII.
                'ß' | 'ẞ' => {
                    self.letter(u32::from('s'));
                    self.letter(u32::from('s'));
                }
                'ı' | 'İ' => self.letter(u32::from('i')),
                _ => {
                    self.shape.foreign += 1;
                    let c = if c == 'ς' { 'σ' } else { c };
                    c.to_lowercase().for_each(|c| self.letter(u32::from(c)));
                }
            }
        }
    }

    fn end_word(&mut self) {
        if self.letters == 0 {
            return;
        }
        let number = self.digits == self.letters;
        let word = if number { self.digits.min(4) } else { self.word };
        self.shape.word(self.letters, number);
        self.count(WORD, word);
        if self.before != 0 {
            self.count(PAIR, step(self.before, word));
        }
        if self.letters > STEM_LETTERS && !number {
            self.count(STEM, self.stem);
        }
        if self.shape.words <= FIRST_WORDS {
            self.count(FIRST, step(word, self.shape.words));
        }
        self.last.rotate_right(1);
        self.last[0] = word;
        self.before = mix(word) | 1;
        (self.word, self.stem, self.letters, self.digits) = (0, 0, 0, 0);
    }

    fn count(&mut self, kind: u32, value: u32) {
        let slot = (mix(step(kind, value)) >> (32 - BITS)) as u16;
        if let Some(count) = self.counts.get_mut(usize::from(slot)) {
            if *count == 0 {
                self.touched.push(slot);
            }
            *count = count.saturating_add(1);
        }
    }

    fn finish(mut self) -> Hashed {
        self.end_word();
        let words = self.shape.words as usize;
        for (place, word) in (0_u32..).zip(self.last).take(words.min(LAST_WORDS)) {
            self.count(LAST, step(word, place));
        }
        let mut squares = 0_u64;
        let mut slots = Vec::with_capacity(self.touched.len());
        for slot in &self.touched {
            let count = self.counts.get(usize::from(*slot)).copied().unwrap_or_default();
            let value = logarithm(u64::from(count) + 1);
            squares += u64::from(value) * u64::from(value);
            slots.push((*slot, value));
        }
        Hashed { slots, length: (squares.isqrt() as i64).max(1), measures: self.shape.measures() }
    }
}

/// Base 2, 64 standing for one, straight between powers of two: integers only.
fn logarithm(value: u64) -> u16 {
    let value = value.max(1);
    let whole = value.ilog2();
    let rest = ((value - (1 << whole)) << 6) >> whole;
    u16::try_from(u64::from(whole) * 64 + rest).unwrap_or(u16::MAX)
}

/// Whether a letter belongs to a script that writes without spaces, or with endings that hide the word (Hangul).
fn has_no_spaces(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0xa4cf | 0xac00..=0xd7af | 0xf900..=0xfaff | 0xff66..=0xff9f | 0x2_0000..=0x3_ffff)
}

/// What a text looks like.
#[derive(Debug, Default)]
struct Shape {
    words: u32,
    numbers: u32,
    letters: u64,
    long_words: u32,
    digits: u64,
    characters: u64,
    foreign: u64,
    foreign_marks: u64,
    marks: u64,
    questions: u64,
    code_marks: u64,
    formula_marks: u64,
    fences: u64,
    blanks: u64,
    commas: u64,
    closings: u64,
    stops: u64,
}

impl Shape {
    fn word(&mut self, letters: u32, number: bool) {
        self.words += 1;
        self.letters += u64::from(letters);
        self.numbers += u32::from(number);
        self.long_words += u32::from(letters > 8);
    }

    fn mark(&mut self, c: char, again: bool) {
        self.marks += 1;
        match c {
            '?' => self.questions += 1,
            '{' | '}' | ';' | '<' | '>' | '[' | ']' | '#' | '@' | '&' | '|' => self.code_marks += 1,
            '=' | '+' | '*' | '/' | '^' | '\\' | '$' => self.formula_marks += 1,
            '`' => self.fences += u64::from(again),
            '_' => self.blanks += u64::from(again),
            ',' => self.commas += 1,
            ')' => self.closings += 1,
            '.' => self.stops += 1,
            _ => {}
        }
    }

    /// Logarithms of counts and shares per word, 64 standing for one.
    fn measures(&self) -> [i64; MEASURES] {
        let words = u64::from(self.words).max(1);
        let all = (self.letters + self.marks + self.foreign_marks).max(1);
        let log = |count: u64| i64::from(logarithm(count + 1));
        let share = |part: u64, of: u64| (part.saturating_mul(64) / of) as i64;
        [
            log(all) / 8,
            log(words) / 8,
            log(self.digits) / 4,
            share(self.digits, all) * 4,
            share(self.marks, all) * 4,
            share(self.letters, words) / 6,
            share(u64::from(self.long_words), words) * 3,
            share(u64::from(self.numbers), words) * 3,
            share(self.foreign + self.characters, all),
            log(self.questions) / 2,
            log(self.code_marks) / 4,
            log(self.formula_marks) / 4,
            log(self.fences + self.blanks) / 2,
            log(self.commas) / 4,
            log(self.closings) / 4,
            log(self.stops) / 4,
        ]
    }
}

#[cfg(test)]
mod tests;
