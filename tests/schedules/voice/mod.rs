//! What providers say, byte for byte, and what of it means what: written from the dialects' own pages, without the
//! gateway's readers and writers.

mod chat;
mod gemini;
mod messages;
mod responses;

use serde_json::Value;
use signalbox::dialect::Dialect;

use super::random::Random;
use super::refusals::{self, Hint, Scope};
use super::schedule::{Answer, Call, Fault, Repeats, Split};
use crate::support::{Head, Piece, Script};

/// What an answer holds, whatever the dialect.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    pub thoughts: String,
    pub text: String,
    /// Name and arguments.
    pub tools: Vec<(String, String)>,
}

/// Tokens as the provider counts them. `input` includes `cached`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Counts {
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

/// One event of an answer.
#[derive(Debug, Clone, Default)]
pub struct Event {
    /// `event:` line, where the dialect names its events.
    pub name: &'static str,
    pub data: String,
    pub says: Says,
}

/// What an event means.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Says {
    /// Nothing that a caller reads.
    #[default]
    Nothing,
    Thought(String),
    Text(String),
    /// A call begins.
    Tool,
    Arguments(String),
    /// The whole call in one event.
    WholeTool(String),
}

/// A call's script, and what it means.
#[derive(Debug, Clone)]
pub struct Said {
    pub script: Script,
    /// Events in order: where their payload ends, and all content up to there.
    pub marks: Vec<(usize, Content)>,
    /// Where they end.
    pub ends: Vec<usize>,
    /// From this byte on the answer is complete by its dialect's rule; `None`: never.
    pub complete_from: Option<usize>,
    /// From this byte on the dialect's word for why it ended is known.
    pub finish_from: Option<usize>,
    /// From this byte on the final counts are known.
    pub counted_from: Option<usize>,
    pub counts: Counts,
    /// From this byte on the provider has reported an error.
    pub error_from: Option<usize>,
    /// What may follow a failure of this call; `None`: the fault is not a refusal.
    pub scope: Option<Scope>,
    pub hint: Hint,
    pub cut_short: bool,
    /// All bytes up to here will come if one waits.
    pub bytes: Vec<u8>,
    /// An event that cannot be read is among them.
    pub garbage: bool,
    /// It stands before the one that completes the answer, and from this byte on it is known.
    pub gap_from: Option<usize>,
    /// From this byte on nothing can be added to its text: its place is closed.
    pub text_closed_from: Option<usize>,
    /// What the whole answer is made of is no JSON where it should be.
    pub unsound: bool,
    /// Its lines end in CR and LF.
    pub crlf: bool,
    /// What of its text, in bytes, repeats the text that it goes on from.
    pub repeated: usize,
}

impl Content {
    /// Whether this is the beginning of that. A caller may not be shown thoughts.
    pub fn begins(&self, whole: &Self) -> bool {
        let hidden = self.thoughts.is_empty();
        let beyond_thoughts = !self.text.is_empty() || !self.tools.is_empty();
        if !hidden
            && (!whole.thoughts.starts_with(&self.thoughts) || (beyond_thoughts && self.thoughts != whole.thoughts))
        {
            return false;
        }
        if !whole.text.starts_with(&self.text) || (!self.tools.is_empty() && self.text != whole.text) {
            return false;
        }
        self.tools.len() <= whole.tools.len()
            && self.tools.iter().zip(&whole.tools).enumerate().all(|(at, (own, other))| {
                let last = at + 1 == self.tools.len();
                own.0 == other.0 && (same_json(&own.1, &other.1) || (last && other.1.starts_with(&own.1)))
            })
    }

    /// Whether this is the same. Thoughts may be hidden.
    pub fn is(&self, whole: &Self) -> bool {
        self.begins(whole)
            && self.text == whole.text
            && self.tools.len() == whole.tools.len()
            && self.tools.iter().zip(&whole.tools).all(|(own, other)| same_json(&own.1, &other.1))
    }

    pub fn is_empty(&self) -> bool {
        self.thoughts.is_empty() && self.text.is_empty() && self.tools.is_empty()
    }

    fn add(&mut self, says: &Says) {
        match says {
            Says::Nothing => {}
            Says::Thought(text) => self.thoughts.push_str(text),
            Says::Text(text) => self.text.push_str(text),
            Says::Tool => self.tools.push((TOOL.to_owned(), String::new())),
            Says::Arguments(text) => {
                if let Some((_, arguments)) = self.tools.last_mut() {
                    arguments.push_str(text);
                }
            }
            Says::WholeTool(text) => self.tools.push((TOOL.to_owned(), text.clone())),
        }
    }
}

/// What is no JSON is told as such where only an object can be.
fn same_json(a: &str, b: &str) -> bool {
    let raw = || serde_json::from_str::<Value>(a).is_ok_and(|a| a["__raw"] == b);
    a == b
        || raw()
        || matches!((serde_json::from_str::<Value>(a), serde_json::from_str::<Value>(b)), (Ok(a), Ok(b)) if a == b)
}

pub const TOOL: &str = "look";

/// The k-th word of a voice: its own, and not easy to carry.
pub fn word(voice: u8, k: u8) -> String {
    const DECOR: [&str; 8] = ["", "é", "\u{1F600}", "\"", "\\", "\n", "\u{2028}", "\t</"];
    format!("{}{k}{} ", char::from(b'a' + voice % 26), DECOR[usize::from(voice.wrapping_mul(3).wrapping_add(k)) % 8])
}

/// An answer as it is told.
#[derive(Debug, Clone)]
struct Told {
    answer: Answer,
    text: Vec<String>,
}

impl std::ops::Deref for Told {
    type Target = Answer;

    fn deref(&self) -> &Answer {
        &self.answer
    }
}

impl Told {
    fn text(&self) -> &[String] {
        &self.text
    }
}

/// What a request wants of an answer, as its provider reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'r> {
    pub stream: bool,
    /// A JSON document.
    pub json: bool,
    /// What is no whole call or document is seen before it goes out.
    pub held: bool,
    /// The answer goes on from this text.
    pub given: Option<&'r str>,
    /// Who is asked repeats such a text.
    pub echoes: bool,
}

impl Answer {
    /// Its text in pieces, and how many bytes of it repeat what was given.
    fn told(&self, asked: Asked<'_>) -> (Told, usize) {
        let (mut text, mut repeated) = (self.text(), 0);
        if asked.json {
            let (first, rest) = (text.is_empty(), text);
            text = rest
                .iter()
                .enumerate()
                .map(|(at, word)| format!("{}{}", if at > 0 { "," } else { "[" }, quoted(word)))
                .collect();
            text.push(if first { "[]" } else { "]" }.to_owned());
            if self.unsound {
                text.pop();
                text.push(",".to_owned());
            }
        }
        if let Some(given) = asked.given {
            let whole = text.concat();
            // Whoever would have said something else begins with that.
            let rest = whole.strip_prefix(given).unwrap_or(&whole);
            let repeats = self.repeated(given, asked.echoes);
            repeated = repeats.len();
            text = format!("{repeats}{rest}").split_inclusive(' ').map(str::to_owned).collect();
        }
        (Told { answer: self.clone(), text }, repeated)
    }

    /// The repetition that this answer begins with: none so short that it could be an accident, unless it is known for it.
    fn repeated<'g>(&self, given: &'g str, echoes: bool) -> &'g str {
        match self.repeats {
            Repeats::All if echoes || given.len() >= 16 => given,
            Repeats::End if given.len() >= 30 => {
                let from = given.len() - 20;
                let from = (from..given.len()).find(|at| given.is_char_boundary(*at)).unwrap_or(from);
                // What stands earlier too may well be said once more.
                if given.find(&given[from..]) == Some(from) {
                    &given[from..]
                } else {
                    ""
                }
            }
            _ => "",
        }
    }

    pub fn counts_of(&self) -> Counts {
        let reasoning = if self.thoughts > 0 { 7 } else { 0 };
        Counts { input: 20 + u64::from(self.voice), cached: 5, output: 3 + u64::from(self.words), reasoning }
    }

    pub fn text(&self) -> Vec<String> {
        (0..self.words).map(|k| word(self.voice, k)).collect()
    }

    pub fn thinking(&self) -> Vec<String> {
        (0..self.thoughts).map(|k| word(self.voice, 100 + k)).collect()
    }

    /// Arguments of each call, in two pieces.
    pub fn arguments(&self) -> Vec<[String; 2]> {
        let end = |k| if self.unsound && k + 1 == self.tools { "" } else { "}" };
        (0..self.tools)
            .map(|k| ["{\"q\":".to_owned(), format!("{}{}", quoted(&word(self.voice, 200 + k)), end(k))])
            .collect()
    }
}

pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// How a stream of a dialect is made: its events, which of them completes it, and which carries the final counts.
struct Spoken {
    events: Vec<Event>,
    completes: usize,
    counts: Option<usize>,
}

/// Writes the script of a call.
pub fn say(dialect: Dialect, call: &Call, asked: Asked<'_>) -> Said {
    let stream = asked.stream != (call.fault == Fault::OtherForm);
    let whole_error = |body: &str, kind: &str, scope: Scope| {
        let mut said = one_piece(call, 200, &[("content-type", kind)], body.as_bytes().to_vec());
        said.error_from = Some(said.bytes.len());
        said.scope = Some(scope);
        said
    };
    match call.fault {
        Fault::Refuses(row) => {
            let row = refusals::refusal(dialect, row);
            let kind = if row.body.starts_with('<') { "text/html" } else { "application/json" };
            let mut headers = vec![("content-type", kind)];
            headers.extend_from_slice(row.headers);
            let mut said = one_piece(call, row.status, &headers, row.body.as_bytes().to_vec());
            (said.error_from, said.scope, said.hint) = (Some(0), Some(row.scope), row.hint);
            return said;
        }
        Fault::NoConnection => {
            let mut said = one_piece(call, 0, &[], Vec::new());
            said.script = Script::refused();
            said.scope = Some(Scope::Again);
            return said;
        }
        Fault::NoHeaders => {
            let mut said = one_piece(call, 0, &[], Vec::new());
            said.script = Script::silent();
            return said;
        }
        Fault::ErrorBody(row) => {
            let row = refusals::event_error(dialect, row);
            return whole_error(row.body, "application/json", row.scope);
        }
        Fault::ErrorEvent { row, .. } if !stream => {
            let row = refusals::event_error(dialect, row);
            return whole_error(row.body, "application/json", row.scope);
        }
        Fault::Html => {
            let mut said = whole_error("<html><body>Sorry</body></html>", "text/html", Scope::Again);
            said.error_from = None;
            return said;
        }
        _ => {}
    }
    // Arguments of Gemini's are objects.
    let is_object = dialect == Dialect::Gemini || (dialect == Dialect::AnthropicMessages && !stream);
    let unsound = call.answer.unsound && (asked.json || (call.answer.tools > 0 && !is_object));
    let (mut told, repeated) = call.answer.told(asked);
    told.answer.unsound = unsound;
    let mut said = if stream { streamed(dialect, call, &told, asked.held) } else { whole(dialect, call, &told) };
    if stream && !asked.stream {
        // In the place of one piece it counts with its last byte. A message whose arguments are no JSON cannot be written.
        let fits = !(unsound && dialect == Dialect::AnthropicMessages);
        said.complete_from = said.complete_from.filter(|_| fits).map(|_| said.bytes.len());
    }
    Said { unsound, repeated, ..said }
}

fn streamed(dialect: Dialect, call: &Call, told: &Told, held: bool) -> Said {
    let failed = call.fault == Fault::FailedTurn && dialect == Dialect::Gemini;
    let spoken = match dialect {
        Dialect::OpenAiChat => chat::stream(told),
        Dialect::AnthropicMessages => messages::stream(told),
        Dialect::Gemini => gemini::stream(told, failed),
        Dialect::OpenAiResponses => responses::stream(told),
    };
    let Spoken { mut events, completes, counts } = spoken;
    // Anthropic's reason for the end stands before the event that ends the message.
    let mut finishes = Some(if dialect == Dialect::AnthropicMessages { completes - 1 } else { completes });
    let (mut completes, mut counts) = (Some(completes).filter(|_| !failed), counts);
    let mut error = None;
    let (mut garbage, mut gap) = (false, None);
    let share = |at: usize, of: usize| at * of / 1_000;
    match call.fault {
        Fault::Garbage { at, instead } => {
            garbage = true;
            let broken = Event { data: r#"{"broken": "#.to_owned(), ..Event::default() };
            // Only what holds content can be lost without harm to the order of events, and only of what is held back can it be
            // known that arguments are.
            let content = |says: &Says| matches!(says, Says::Text(_)) || (held && matches!(says, Says::Arguments(_)));
            let content: Vec<usize> = (0..events.len()).filter(|i| content(&events[*i].says)).collect();
            let later = |i: Option<usize>, place: usize| i.map(|i| if i >= place { i + 1 } else { i });
            if instead && !content.is_empty() {
                let place = content[share(at, content.len())];
                if Some(place) == completes {
                    garbage = false;
                } else {
                    events[place] = broken;
                    gap = Some(place);
                }
            } else {
                let place = share(at, events.len());
                events.insert(place, broken);
                gap = completes.is_some_and(|at| place <= at).then_some(place);
                (completes, counts) = (later(completes, place), later(counts, place));
                finishes = later(finishes, place);
            }
        }
        Fault::ErrorEvent { at, row } => {
            let place = share(at, completes.unwrap_or(events.len() - 1) + 1);
            let row = refusals::event_error(dialect, row);
            events.truncate(place);
            events.push(Event { name: row.event, data: row.body.to_owned(), says: Says::Nothing });
            (error, completes) = (Some((place, row.scope)), None);
            finishes = finishes.filter(|at| *at < place);
            counts = counts.filter(|at| *at < place);
        }
        Fault::NoTerminator => {
            // Chat's `[DONE]` may be missing.
            let last = events.len() - 1;
            events.truncate(last);
            completes = completes.filter(|at| *at < last);
            counts = counts.filter(|at| *at < last);
        }
        _ => {}
    }
    let late = if let Fault::LateContent(ms) = call.fault { ms } else { 0 };
    let first = events.iter().position(|e| e.says != Says::Nothing).unwrap_or(0);
    let mut bytes = Vec::with_capacity(events.len() * 200);
    let mut ends = Vec::with_capacity(events.len());
    let mut payload_ends = Vec::with_capacity(events.len());
    let mut marks = Vec::with_capacity(events.len());
    let mut content = Content::default();
    let end = if call.crlf || dialect == Dialect::Gemini { "\r\n" } else { "\n" };
    let mut due = 0;
    let mut text_closed_from = None;
    for (at, event) in events.iter().enumerate() {
        if call.comments && at > 0 {
            bytes.extend_from_slice(format!(": keep-alive{end}{end}").as_bytes());
        }
        if !event.name.is_empty() {
            bytes.extend_from_slice(format!("event: {}{end}", event.name).as_bytes());
        }
        bytes.extend_from_slice(b"data: ");
        bytes.extend_from_slice(event.data.as_bytes());
        payload_ends.push(bytes.len());
        content.add(&event.says);
        let closes = event.name == "content_block_stop" || event.name.ends_with(".done") || completes == Some(at);
        if closes && !content.text.is_empty() {
            text_closed_from.get_or_insert(bytes.len());
        }
        marks.push((bytes.len(), content.clone()));
        bytes.extend_from_slice(format!("{end}{end}").as_bytes());
        due += if at == first { late } else { 0 } + if at == 0 { 0 } else { call.pace_ms };
        ends.push((bytes.len(), due));
    }
    let mut said = Said {
        script: Script {
            head: Head::After(call.head_ms, 200, vec![("content-type", "text/event-stream".into())]),
            body: Vec::new(),
        },
        marks,
        ends: ends.iter().map(|(end, _)| *end).collect(),
        complete_from: completes.map(|at| payload_ends[at]),
        finish_from: finishes.and_then(|at| payload_ends.get(at).copied()),
        counted_from: counts.map(|at| payload_ends[at]),
        counts: call.answer.counts_of(),
        error_from: error.map(|(at, _)| payload_ends[at]).or(payload_ends.last().copied().filter(|_| failed)),
        scope: error.map(|(_, scope)| scope).or(failed.then_some(Scope::Again)),
        hint: Hint::None,
        cut_short: call.answer.cut_short,
        bytes,
        garbage,
        gap_from: gap.map(|at| ends[at].0),
        text_closed_from,
        crlf: end.len() == 2,
        unsound: false,
        repeated: 0,
    };
    deliver(call, &ends, &mut said, true);
    said
}

fn whole(dialect: Dialect, call: &Call, told: &Told) -> Said {
    let failed = call.fault == Fault::FailedTurn && dialect == Dialect::Gemini;
    let (body, counted) = match dialect {
        Dialect::OpenAiChat => (chat::whole(told), call.answer.counts),
        Dialect::AnthropicMessages => (messages::whole(told), true),
        Dialect::Gemini => (gemini::whole(told, failed), call.answer.counts),
        Dialect::OpenAiResponses => (responses::whole(told), call.answer.counts),
    };
    let mut said = one_piece(call, 200, &[("content-type", "application/json")], body.into_bytes());
    let mut content = Content::default();
    call.answer.thinking().iter().for_each(|text| content.thoughts.push_str(text));
    told.text().iter().for_each(|text| content.text.push_str(text));
    content.tools.extend(told.arguments().iter().map(|parts| (TOOL.to_owned(), parts.concat())));
    let end = said.bytes.len();
    (said.marks, said.ends) = (vec![(end, content)], vec![end]);
    said.complete_from = Some(end).filter(|_| !failed && !matches!(call.fault, Fault::Garbage { .. }));
    // In the place of a stream it is one event, and the last.
    said.finish_from = said.complete_from.filter(|_| call.fault == Fault::OtherForm);
    said.counted_from = Some(end).filter(|_| counted);
    said.counts = call.answer.counts_of();
    said.cut_short = call.answer.cut_short;
    said.scope = failed.then_some(Scope::Again);
    said.error_from = Some(end).filter(|_| failed);
    if let Fault::Garbage { at, .. } = call.fault {
        said.bytes.truncate(at * end / 1_000);
        said.scope = Some(Scope::Again);
    }
    let late = if let Fault::LateContent(ms) = call.fault { ms } else { 0 };
    let ends = [(said.bytes.len(), call.pace_ms + late)];
    deliver(call, &ends, &mut said, false);
    said
}

/// A reply of one piece, right after its head.
fn one_piece(call: &Call, status: u16, headers: &[(&'static str, &str)], bytes: Vec<u8>) -> Said {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let body = vec![(1, Piece::Bytes(bytes.clone()))];
    Said {
        script: Script { head: Head::After(call.head_ms, status, headers), body },
        marks: Vec::new(),
        ends: Vec::new(),
        complete_from: None,
        finish_from: None,
        counted_from: None,
        counts: Counts::default(),
        error_from: None,
        scope: None,
        hint: Hint::None,
        cut_short: false,
        bytes,
        garbage: false,
        gap_from: None,
        text_closed_from: None,
        crlf: false,
        unsound: false,
        repeated: 0,
    }
}

/// Cuts the bytes into pieces with their times; `ends` says when which byte is due.
fn deliver(call: &Call, ends: &[(usize, u64)], said: &mut Said, stream: bool) {
    let all = said.bytes.len();
    let upto = match call.fault {
        Fault::Stalls(at) | Fault::Cuts { at, .. } => at * all / 1_000,
        _ => all,
    };
    // Silence within an event's blank line leaves open whether the event is there: it begins behind it.
    let blank = said.marks.iter().zip(ends).find(|((payload, _), (end, _))| *payload <= upto && upto < *end);
    let upto = match (call.fault, blank) {
        (Fault::Stalls(_), Some((_, (end, _)))) => *end,
        _ => upto,
    };
    let due = |byte: usize| ends.iter().find(|(end, _)| byte <= *end).map_or(0, |(_, due)| *due);
    let mut random = Random(if let Split::Random(seed) = call.split { seed } else { 0 });
    let (mut at, mut before) = (0, 0);
    let mut body = Vec::new();
    while at < upto {
        let next = match call.split {
            Split::Whole => upto,
            Split::Events => ends.iter().map(|(end, _)| *end).find(|end| *end > at).unwrap_or(upto),
            Split::Bytes(size) => at + size,
            Split::Random(_) => at + 1 + random.below(300) as usize,
        }
        .min(upto);
        let when = due(next);
        body.push((when - before, Piece::Bytes(said.bytes[at..next].to_vec())));
        (at, before) = (next, when);
    }
    match call.fault {
        // A whole body has its length: what is left open behind it is nobody's concern.
        Fault::StaysOpen if !stream => {}
        Fault::Stalls(_) | Fault::StaysOpen => body.push((0, Piece::Hang)),
        Fault::Cuts { clean: false, .. } => body.push((1, Piece::Reset)),
        _ => {}
    }
    said.script.body = body;
    said.bytes.truncate(upto);
    said.complete_from = said.complete_from.filter(|from| *from <= upto);
    said.counted_from = said.counted_from.filter(|from| *from <= upto);
}
