//! What kind of work a request is: a guess from words and marks in the last user turn, with a confidence that says how
//! much of the evidence points one way. Cheap (a capped scan, no model call) and honest: without evidence the task is
//! `default`. White space, letter case and line ends change nothing (`routing.md` §3). Read `tests` first.

pub mod hashed;
#[rustfmt::skip] // lists of words, as many to a line as fit
mod lexicon;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::catalogue::task::DEFAULT;
use crate::dialect::view::{Needs, View};
use hashed::Hashed;

/// What routing knows of a request: free of content, recorded with the decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Features {
    /// The kind of work that the evidence points to; `default` without evidence.
    pub task: String,
    /// Share of the evidence that points there, in millionths; 1 000 000 when the caller said so.
    pub confidence_micro: i64,
    /// Who says so.
    pub source: TaskSource,
    /// Estimated prompt tokens, media excluded.
    pub estimated_input_tokens: u64,
    /// The caller's bound on generated tokens.
    pub max_output_tokens: Option<u64>,
    /// What the answer needs of a model.
    pub needs: Needs,
    /// How much thinking was asked for.
    pub thinking: Thinking,
    /// User, assistant and tool turns.
    pub turns: u32,
}

/// What learned tables say of a model for a text: free of content, recorded with the decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expected {
    /// How good its answer will be, 0 to 1 in millionths.
    pub quality_micro: Option<i64>,
    /// How many tokens it will generate, thinking excluded.
    pub output_tokens: Option<u64>,
}

/// Who says what kind of work it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskSource {
    /// This module.
    #[default]
    Classifier,
    /// The caller.
    Header,
}

/// How much thinking was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thinking {
    /// Nothing was said, or a word that is not known here.
    #[default]
    Unsaid,
    /// None.
    Off,
    /// Efforts `minimal` and `low`.
    Low,
    /// Effort `medium`.
    Medium,
    /// Efforts `high` and above.
    High,
}

impl Features {
    /// Reads the features of a request, `text` being its sample's numbers. `said`: the caller's own word for the task, already known to be one.
    #[must_use]
    pub fn of(view: &View<'_>, _text: &Hashed, said: Option<&str>) -> Self {
        let thinking = thinking(view.effort.as_deref());
        let (task, confidence_micro, source) = match said {
            Some(task) => (task, 1_000_000, TaskSource::Header),
            None => {
                let guess = guess(&view.sample, view.needs, thinking);
                (guess.task, guess.confidence_micro, TaskSource::Classifier)
            }
        };
        Self {
            task: task.to_owned(),
            confidence_micro,
            source,
            estimated_input_tokens: view.estimated_input_tokens,
            max_output_tokens: view.max_output_tokens,
            needs: view.needs,
            thinking,
            turns: view.turns,
        }
    }

    /// Whether thinking is on by what the request says; `None` = it says nothing.
    #[must_use]
    pub fn thinks(&self) -> Option<bool> {
        match self.thinking {
            Thinking::Unsaid => self.needs.reasoning.then_some(true),
            said => Some(said != Thinking::Off),
        }
    }

    /// The task as far as it is sure enough.
    #[must_use]
    pub fn task_above(&self, threshold_micro: i64) -> &str {
        if self.confidence_micro < threshold_micro {
            DEFAULT
        } else {
            &self.task
        }
    }
}

fn thinking(effort: Option<&str>) -> Thinking {
    match effort {
        Some("none" | "disabled" | "off") => Thinking::Off,
        Some("minimal" | "low") => Thinking::Low,
        Some("medium") => Thinking::Medium,
        Some("high" | "xhigh" | "max") => Thinking::High,
        _ => Thinking::Unsaid,
    }
}

/// A guess and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guess {
    /// The kind of work.
    pub task: &'static str,
    /// Share of the evidence, in millionths.
    pub confidence_micro: i64,
}

/// Points that stand for "it may be something else" in the confidence: with fewer than this the guess is weak.
const DOUBT: i64 = 4;

/// Guesses from a sample of the text and the request's shape.
#[must_use]
pub fn guess(sample: &str, needs: Needs, thinking: Thinking) -> Guess {
    let text = normalise(sample);
    let mut points = Points::default();
    // Long inputs carry their instruction at either end; the middle is material.
    let (head, tail) = ends(&text);
    scan_phrases(head, tail, &mut points);
    scan_characters(head, tail, &mut points);
    scan_marks(head, tail, &mut points);
    weigh_shape(needs, thinking, &mut points);
    points.verdict()
}

/// Points per task, in the order of [`NAMES`].
#[derive(Debug, Default)]
struct Points([i64; NAMES.len()]);

const NAMES: [&str; 11] =
    ["translate", "summarize", "extract", "classify", "code", "math", "reasoning", "writing", "qa", "chat", "agent"];

impl Points {
    fn add(&mut self, task: &str, points: i64) {
        let at = NAMES.iter().position(|name| *name == task);
        if let Some(slot) = at.and_then(|at| self.0.get_mut(at)) {
            *slot = slot.saturating_add(points);
        }
    }

    fn verdict(&self) -> Guess {
        let (mut task, mut best, mut second) = (DEFAULT, 0, 0);
        for (name, points) in NAMES.iter().zip(self.0) {
            if points > best {
                (task, best, second) = (name, points, best);
            } else if points > second {
                second = points;
            }
        }
        let all = best + second + DOUBT;
        Guess { task, confidence_micro: best.saturating_mul(1_000_000) / all }
    }
}

/// Lower case, every run of white space one space, none at the ends.
fn normalise(sample: &str) -> String {
    let mut text = String::with_capacity(sample.len());
    for word in sample.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        if word.is_ascii() {
            text.extend(word.bytes().map(|b| char::from(b.to_ascii_lowercase())));
        } else {
            text.extend(word.chars().flat_map(char::to_lowercase));
        }
    }
    text
}

/// How much is read from each end, in bytes.
const END: usize = 4 * 1024;
/// How near an end a word must be to count twice: where instructions stand.
const NEAR: usize = 240;

fn ends(text: &str) -> (&str, &str) {
    let boundary = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at += 1;
        }
        at
    };
    if text.len() <= 2 * END {
        return (text, "");
    }
    let (head, tail) = (boundary(END), boundary(text.len() - END));
    (text.get(..head).unwrap_or_default(), text.get(tail..).unwrap_or_default())
}

struct Phrase {
    id: usize,
    text: &'static str,
    any_ending: bool,
    task: &'static str,
    points: i64,
}

/// Phrases by their first two bytes, so that a word meets one or two of them rather than hundreds.
fn phrases() -> &'static [Vec<Phrase>] {
    static INDEX: OnceLock<Vec<Vec<Phrase>>> = OnceLock::new();
    INDEX.get_or_init(|| {
        let mut index: Vec<Vec<Phrase>> = (0..BUCKETS).map(|_| Vec::new()).collect();
        let mut id = 0;
        for (task, list) in lexicon::PHRASES {
            for (text, points) in *list {
                let (text, any_ending) = text.strip_suffix('*').map_or((*text, false), |stem| (stem, true));
                if let Some(bucket) = bucket_of(text).and_then(|at| index.get_mut(at)) {
                    bucket.push(Phrase { id, text, any_ending, task, points: *points });
                }
                id += 1;
            }
        }
        index
    })
}

const BUCKETS: usize = 1024;

fn bucket_of(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().map(usize::from);
    Some((bytes.next()? * 31 + bytes.next()?) % BUCKETS)
}

fn scan_phrases(head: &str, tail: &str, points: &mut Points) {
    let index = phrases();
    let mut seen: Vec<(usize, u32)> = Vec::new();
    for (text, from_end) in [(head, false), (tail, true)] {
        let whole = tail.is_empty();
        for at in word_starts(text) {
            let Some(rest) = text.get(at..) else { continue };
            let bucket = bucket_of(rest).and_then(|at| index.get(at));
            for phrase in bucket.into_iter().flatten().filter(|phrase| matches(rest, phrase)) {
                // The same word over and over is one piece of evidence, not many.
                match seen.iter_mut().find(|(known, _)| *known == phrase.id) {
                    Some((_, count)) if *count >= 2 => continue,
                    Some((_, count)) => *count += 1,
                    None => seen.push((phrase.id, 1)),
                }
                let near_start = !from_end && at < NEAR;
                let near_end = (from_end || whole) && text.len() - at < NEAR;
                points.add(phrase.task, if near_start || near_end { 2 * phrase.points } else { phrase.points });
            }
        }
    }
}

/// Offsets at which words begin: after a space or a mark, or at a mark that begins a phrase (`#include`).
fn word_starts(text: &str) -> impl Iterator<Item = usize> + '_ {
    let mut inside = false;
    text.char_indices().filter_map(move |(at, c)| {
        let word = c.is_alphanumeric() || c == '_';
        let start = (word && !inside) || c == '#';
        inside = word;
        start.then_some(at)
    })
}

fn matches(rest: &str, phrase: &Phrase) -> bool {
    let Some(after) = rest.strip_prefix(phrase.text) else { return false };
    phrase.any_ending || !after.chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn scan_characters(head: &str, tail: &str, points: &mut Points) {
    // CJK, kana and Hangul begin at E3 in UTF-8; without one of them there is nothing to look for.
    if !head.bytes().chain(tail.bytes()).any(|b| (0xe3..=0xed).contains(&b)) {
        return;
    }
    for (task, list) in lexicon::CHARACTERS {
        for (text, value) in *list {
            if head.contains(text) || tail.contains(text) {
                points.add(task, 2 * value);
            }
        }
    }
}

/// Punctuation and digits: what code and formulas look like.
fn scan_marks(head: &str, tail: &str, points: &mut Points) {
    let mut marks = Marks::default();
    marks.scan(head.as_bytes());
    marks.scan(tail.as_bytes());
    let kinds = |counts: &[i64], cap: i64| counts.iter().map(|count| (*count).min(cap)).sum::<i64>();
    points.add("code", (marks.fences * 4).min(8) + (kinds(&marks.code, 3) - 1).clamp(0, 10));
    let length = i64::try_from(head.len().saturating_add(tail.len())).unwrap_or(i64::MAX);
    let dense = length > 0 && marks.digits.saturating_mul(25) >= length && marks.fences == 0;
    points.add("math", (kinds(&marks.formula, 2) * 3).min(12) + if dense { 2 } else { 0 });
    let options = marks.options.iter().filter(|seen| **seen).count();
    points.add("qa", if options >= 3 { 5 } else { 0 });
    let end = if tail.is_empty() { head } else { tail };
    let question = end.ends_with(['?', '？']);
    points.add("qa", if question && end.len() < 2 * NEAR { 2 } else { 0 });
}

/// Marks of code; none begins with a letter, a digit or a space.
const CODE_MARKS: [&str; 16] =
    ["();", "{ ", "};", "=>", "->", "==", "!=", "&&", "||", "</", "/>", "::", "+=", "): ", "[i]", "[0]"];
/// Marks of formulas, likewise.
const FORMULA_MARKS: [&str; 13] =
    ["\\frac", "\\sqrt", "\\sum", "\\int", "$$", "\\(", "^2", "^{", "∫", "√", "∑", "≤", "= 0"];

/// What one pass over the bytes finds.
#[derive(Default)]
struct Marks {
    fences: i64,
    digits: i64,
    code: [i64; CODE_MARKS.len()],
    formula: [i64; FORMULA_MARKS.len()],
    /// Answer options a to d: `a)`, `(a)`, `a.` after a space.
    options: [bool; 4],
}

impl Marks {
    fn scan(&mut self, text: &[u8]) {
        let (mut before, mut last) = (b' ', b' ');
        for (at, byte) in text.iter().copied().enumerate() {
            let rest = text.get(at..).unwrap_or_default();
            match byte {
                b'0'..=b'9' => self.digits += 1,
                b'a'..=b'z' | b' ' | b',' | b'\'' | b'"' => {}
                _ => {
                    self.fences += i64::from(rest.starts_with(b"```"));
                    for (mark, count) in CODE_MARKS.iter().zip(&mut self.code) {
                        *count += i64::from(rest.starts_with(mark.as_bytes()));
                    }
                    for (mark, count) in FORMULA_MARKS.iter().zip(&mut self.formula) {
                        *count += i64::from(rest.starts_with(mark.as_bytes()));
                    }
                    let letter = last.checked_sub(b'a').and_then(|at| self.options.get_mut(usize::from(at)));
                    if let Some(seen) = letter.filter(|_| matches!(byte, b')' | b'.') && matches!(before, b' ' | b'('))
                    {
                        *seen = true;
                    }
                }
            }
            (before, last) = (last, byte);
        }
    }
}

/// What the request's own fields say.
fn weigh_shape(needs: Needs, thinking: Thinking, points: &mut Points) {
    if needs.tools {
        points.add("agent", if needs.tool_results { 14 } else { 4 });
    }
    if needs.json_schema {
        points.add("extract", 3);
    }
    if thinking == Thinking::High {
        points.add("reasoning", 4);
    }
}

#[cfg(test)]
mod tests;
