//! What becomes of a field: the table of `data/fields`, one file per dialect, one row per field of its requests and answers,
//! one verdict per target.
//!
//! Decoders and encoders read it for every member that the hub has no typed place for: whether it stands at its default,
//! whether leaving it out changes what the answer means, and in which words that is told. Fields with a typed place are
//! decided by the encoders' code; for them the table is a claim that `tests/fields.rs` holds against the code, row by row.
//! The native path never looks in here. Notation and meaning of the columns: `data/fields/README.md`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::canonical::{Disposition, Extra, Loss};
use super::{cache_marks, Dialect};
use crate::sorted::{self, Map};

/// Each dialect with its file.
const DOCUMENTS: [(Dialect, &str); 4] = [
    (Dialect::OpenAiChat, include_str!(concat!(env!("OUT_DIR"), "/openai-chat.json"))),
    (Dialect::OpenAiResponses, include_str!(concat!(env!("OUT_DIR"), "/openai-responses.json"))),
    (Dialect::AnthropicMessages, include_str!(concat!(env!("OUT_DIR"), "/anthropic-messages.json"))),
    (Dialect::Gemini, include_str!(concat!(env!("OUT_DIR"), "/gemini.json"))),
];

/// The word for targets that have no column of their own.
const ANY: &str = "*";

/// A request member that the hub has no place for, with what the table says of it: at its default, a hint, or neither.
#[must_use]
pub fn extra(dialect: Dialect, field: impl Into<String>, value: Box<RawValue>) -> Extra {
    let field = field.into();
    let found = tables(dialect).and_then(|(requests, _)| row(requests, dialect, &field, value.get()));
    let is_default = found.map_or_else(|| says_nothing(&field, value.get()), |row| row.rests_at(value.get()));
    let advisory = found.is_some_and(|row| row.verdict(&[ANY]).is_some_and(|told| told.is(Disposition::Advisory)));
    Extra { field, value, advisory, is_default }
}

/// An answer's member that the hub has no place for, with what the table says of it. One that is not known matters.
#[must_use]
pub fn answer_extra(dialect: Dialect, field: String, value: Box<RawValue>) -> Extra {
    // A stream's pieces have the members of the whole.
    let name = field.replace(".delta.", ".message.");
    let found = tables(dialect).and_then(|(_, answers)| row(answers, dialect, &name, value.get()));
    let is_default = value.get() == "null" || found.is_some_and(|row| row.rests_at(value.get()));
    let advisory = found.is_some_and(|row| row.verdict(&[ANY]).is_some_and(|told| told.is(Disposition::Advisory)));
    Extra { field, value, advisory, is_default }
}

/// What a target that has no place for a member does with it; `None` at the member's default.
///
/// `origin` is the caller's dialect (absent = not known), `target` the name of the target's dialect, and `profile` the
/// accent of its server, whose column comes first.
#[must_use]
pub fn loss(origin: Option<Dialect>, extra: &Extra, target: Dialect, profile: &str) -> Option<Loss> {
    if extra.is_default {
        return None;
    }
    // Rows speak of marks on parts that can carry one; any other stays behind.
    if cache_marks::is_mark(extra) {
        return Some(cache_marks::unsaid(extra));
    }
    let found = origin.and_then(|origin| {
        let (requests, _) = tables(origin)?;
        row(requests, origin, &extra.field, extra.value.get())
    });
    let told = found.and_then(|row| row.verdict(&[profile, target.name(), ANY]));
    // A claim that the field can be said is no reason why it was not: then the general words stand.
    let words = told.filter(|told| !told.words.is_empty() && !told.is_said()).map(|told| told.words.as_str());
    let advisory = extra.advisory || told.is_some_and(|told| told.is(Disposition::Advisory));
    Some(match (advisory, found) {
        _ if told.is_some_and(|told| told.is(Disposition::Converted)) => {
            Loss::converted(&extra.field, told.map(|told| told.words.as_str()).unwrap_or_default())
        }
        (true, _) => Loss::advisory(&extra.field, words.unwrap_or("a hint that the target has no word for")),
        (false, Some(_)) => Loss::unsupported(&extra.field, words.unwrap_or("the target has no equivalent")),
        (false, None) => {
            Loss::unsupported(&extra.field, "not a field that is known here: only its own dialect takes it")
        }
    })
}

/// A field's row.
struct Row {
    /// The kind (`type` or `role`) of the last item or object in the field's name; empty = any.
    kind: &'static str,
    /// Values that mean what leaving the field out means, as compact JSON.
    default: Vec<String>,
    /// The row holds for these values only, as compact JSON; empty = for all that no other row is for.
    when: Vec<String>,
    /// By the name of a profile or a dialect, or [`ANY`].
    verdicts: Map<String, Verdict>,
}

struct Verdict {
    /// `None` = exact.
    disposition: Option<Disposition>,
    words: String,
}

impl Verdict {
    /// `exact`, `exact: how`, `converted: how`, `advisory: why`, `unsupported: why`.
    fn read(text: &str) -> Self {
        let (word, words) = text.split_once(':').unwrap_or((text, ""));
        let disposition = match word {
            "exact" => None,
            "converted" => Some(Disposition::Converted),
            "advisory" => Some(Disposition::Advisory),
            _ => Some(Disposition::Unsupported),
        };
        Self { disposition, words: words.trim().to_owned() }
    }

    fn is(&self, disposition: Disposition) -> bool {
        self.disposition == Some(disposition)
    }

    fn is_said(&self) -> bool {
        matches!(self.disposition, None | Some(Disposition::Converted))
    }
}

impl Row {
    /// The first column that the row has.
    fn verdict(&self, columns: &[&str]) -> Option<&Verdict> {
        columns.iter().find_map(|column| self.verdicts.get(*column))
    }

    fn rests_at(&self, value: &str) -> bool {
        value == "null" || self.default.contains(&compact(value))
    }

    fn holds_for(&self, value: &str) -> bool {
        self.when.is_empty() || self.when.contains(&compact(value))
    }
}

/// A dialect's rows by [`key`]. A field that is taken whole (`.**`) has its key in `whole` too.
#[derive(Default)]
struct Table {
    rows: HashMap<String, Vec<Row>>,
    whole: HashMap<String, Vec<Row>>,
}

#[derive(Default, Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    request: Vec<Line<'a>>,
    #[serde(default, borrow)]
    answer: Vec<Line<'a>>,
}

#[derive(Deserialize)]
struct Line<'a> {
    field: &'a str,
    #[serde(default, borrow)]
    default: Vec<&'a RawValue>,
    #[serde(default, borrow)]
    when: Vec<&'a RawValue>,
    to: Map<String, String>,
}

fn row(table: &'static Table, dialect: Dialect, field: &str, value: &str) -> Option<&'static Row> {
    let key = key(dialect, field);
    let key = key.trim_end_matches("[]");
    let of =
        |name: &str, list: &'static HashMap<String, Vec<Row>>| list.get(name).map(Vec::as_slice).unwrap_or_default();
    if let Some(row) = fitting(of(key, &table.rows).iter().chain(of(key, &table.whole)), value) {
        return Some(row);
    }
    // What stands inside something that is taken whole shares its fate.
    let mut ends = key.char_indices().rev().filter(|(_, c)| matches!(c, '.' | '[')).map(|(at, _)| at);
    ends.find_map(|end| fitting(of(key.get(..end)?, &table.whole).iter(), ""))
}

/// The row for a value: of several kinds the value's own, and one for this value before one for all.
fn fitting(rows: impl Iterator<Item = &'static Row>, value: &str) -> Option<&'static Row> {
    let kind = kind_of(value);
    let of_kind = |row: &Row| {
        row.kind.is_empty() || kind.as_deref().is_some_and(|kind| row.kind.split('|').any(|known| known == kind))
    };
    let mut first = None;
    for row in rows.filter(|row| row.holds_for(value)) {
        if of_kind(row) {
            return Some(row);
        }
        first = first.or(Some(row));
    }
    first
}

/// The `type` of an object.
fn kind_of(value: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    crate::json::from_str::<Typed<'_>>(value).ok().map(|typed| typed.kind)
}

/// A dialect's requests and answers.
fn tables(dialect: Dialect) -> Option<&'static (Table, Table)> {
    static TABLES: OnceLock<HashMap<Dialect, (Table, Table)>> = OnceLock::new();
    let read = || DOCUMENTS.iter().map(|(dialect, text)| (*dialect, read(*dialect, text))).collect();
    TABLES.get_or_init(read).get(&dialect)
}

/// A document that cannot be read gives no rows, so that everything counts as unknown; a test sees to it that all can.
fn read(dialect: Dialect, text: &'static str) -> (Table, Table) {
    let document = crate::json::from_str::<Document<'static>>(text).unwrap_or_default();
    (table(dialect, &document.request), table(dialect, &document.answer))
}

fn table(dialect: Dialect, lines: &[Line<'static>]) -> Table {
    let mut table = Table::default();
    for line in lines {
        let (name, list) = match line.field.strip_suffix(".**") {
            Some(name) => (name, &mut table.whole),
            None => (line.field, &mut table.rows),
        };
        let verdicts = line.to.iter().map(|(column, text)| (column.clone(), Verdict::read(text))).collect();
        let values = |list: &[&RawValue]| list.iter().map(|value| compact(value.get())).collect();
        let row = Row { kind: last_kind(name), default: values(&line.default), when: values(&line.when), verdicts };
        // A list's items and the list itself are one field here.
        let key = key(dialect, name);
        list.entry(key.trim_end_matches("[]").to_owned()).or_default().push(row);
    }
    for rows in table.rows.values_mut().chain(table.whole.values_mut()) {
        sorted::sort_by_key(rows, |row| row.when.is_empty());
    }
    table
}

/// The kind in the last brackets of a field's name.
fn last_kind(field: &'static str) -> &'static str {
    let Some(at) = field.rfind(['[', '(']) else { return "" };
    let inside = field.get(at + 1..).unwrap_or_default();
    inside.split([']', ')']).next().unwrap_or_default()
}

/// A field's name without positions and kinds, in its dialect's spelling: the same for `messages[3].content[0].text`,
/// `messages.3.content.0.text` and `messages[user].content[text].text`.
fn key(dialect: Dialect, field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for member in pieces(field) {
        let name = member.split(['[', '(']).next().unwrap_or_default();
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str("[]");
            continue;
        }
        if !out.is_empty() {
            out.push('.');
        }
        match dialect {
            // Google takes both spellings.
            Dialect::Gemini => out.push_str(&camel(name)),
            _ => out.push_str(name),
        }
        for _ in member.matches('[') {
            out.push_str("[]");
        }
    }
    out
}

/// The members of a path; dots inside brackets are part of a kind.
fn pieces(field: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    field.split(move |c| {
        match c {
            '[' | '(' => inside = true,
            ']' | ')' => inside = false,
            _ => {}
        }
        c == '.' && !inside
    })
}

/// Google's first spelling of a name, which may be in its second, with underscores.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut words = name.split('_');
    out.push_str(words.next().unwrap_or_default());
    for word in words {
        let mut chars = word.chars();
        out.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

/// Whether an unknown member says nothing: clients send empty ones back with the other members of an answer. At the top
/// level an empty object may well switch something on.
fn says_nothing(field: &str, value: &str) -> bool {
    let replayed = field.starts_with("messages") || field.starts_with("contents");
    value == "null" || (replayed && matches!(compact(value).as_str(), "\"\"" | "[]" | "{}" | "false"))
}

/// JSON without the spaces between its tokens.
fn compact(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut quoted = false;
    let mut escaped = false;
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            c if !quoted && c.is_ascii_whitespace() => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn told(origin: Dialect, field: &str, json: &str, target: Dialect) -> Option<Loss> {
        loss(Some(origin), &extra(origin, field, raw(json)), target, target.name())
    }

    #[test]
    fn every_document_is_read_whole() {
        for (dialect, text) in DOCUMENTS {
            let (requests, answers) = tables(dialect).unwrap();
            let lists = [&requests.rows, &requests.whole, &answers.rows, &answers.whole];
            let rows: usize = lists.iter().flat_map(|map| map.values()).map(Vec::len).sum();
            assert_eq!(rows, text.matches("{\"field\":").count(), "{dialect:?}");
            assert!(rows > 100);
        }
    }

    #[test]
    fn positions_and_kinds_do_not_matter_to_a_name() {
        for (dialect, concrete, row) in [
            (
                Dialect::OpenAiChat,
                "messages[3].content[0].image_url.detail",
                "messages[user].content[image_url].image_url.detail",
            ),
            (
                Dialect::AnthropicMessages,
                "messages.3.content.0.source.data",
                "messages[user|assistant].content[image].source(base64).data",
            ),
            (Dialect::Gemini, "generation_config.top_k", "generationConfig.topK"),
            (Dialect::Gemini, "contents[0].parts[1].function_call.args", "contents[].parts[].functionCall.args"),
        ] {
            assert_eq!(key(dialect, concrete), key(dialect, row));
        }
    }

    #[test]
    fn the_words_of_a_report_are_the_tables_and_a_default_is_not_reported() {
        let chat = Dialect::OpenAiChat;
        let loss = told(chat, "logit_bias", r#"{"1":2}"#, Dialect::Gemini).unwrap();
        assert_eq!(loss, Loss::unsupported("logit_bias", "tokens have other numbers there"));
        assert_eq!(told(chat, "logit_bias", "{ }", Dialect::Gemini), None);
        assert_eq!(told(chat, "modalities", r#"[ "text" ]"#, Dialect::Gemini), None);
        // What stands inside something that is taken whole shares its fate.
        let inside = told(chat, "metadata.team", r#""x""#, Dialect::AnthropicMessages).unwrap();
        assert_eq!(inside.disposition, Disposition::Advisory);
        // Of several kinds at one place the value's own counts.
        let tool = r#"{"type":"mcp_toolset"}"#;
        let server = told(Dialect::AnthropicMessages, "tools.0", tool, chat).unwrap();
        assert_eq!(server.reason, "a tool that only Anthropic has");
    }

    #[test]
    fn an_unknown_field_matters_and_an_empty_one_that_is_sent_back_does_not() {
        let chat = Dialect::OpenAiChat;
        for (field, json, reported) in [
            ("of_tomorrow", "1", true),
            ("of_tomorrow", "{}", true),
            ("of_tomorrow", "null", false),
            ("messages[0].of_tomorrow", "{}", false),
            ("messages[0].of_tomorrow", "true", true),
        ] {
            let loss = told(chat, field, json, Dialect::Gemini);
            assert_eq!(loss.is_some(), reported, "{field} {json}");
            assert!(loss.is_none_or(|loss| loss.disposition == Disposition::Unsupported));
        }
    }
}
