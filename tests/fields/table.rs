//! The table as its test reads it: all columns, samples included.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use signalbox::dialect::canonical::Disposition;
use signalbox::dialect::{Dialect, ModelTraits, Target};

/// A target that claims are tried at.
pub struct Column {
    pub name: &'static str,
    pub dialect: Dialect,
    pub model: &'static str,
}

/// Models are of families that take what their API has: what single models refuse is not the table's matter.
const COLUMNS: [Column; 19] = [
    Column { name: "openai", dialect: Dialect::OpenAiChat, model: "any" },
    Column { name: "mistral", dialect: Dialect::OpenAiChat, model: "mistral-large-4" },
    Column { name: "deepseek", dialect: Dialect::OpenAiChat, model: "any" },
    Column { name: "qwen", dialect: Dialect::OpenAiChat, model: "qwen3.7-plus" },
    Column { name: "openrouter", dialect: Dialect::OpenAiChat, model: "x/y" },
    Column { name: "groq", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "xai", dialect: Dialect::OpenAiChat, model: "grok-x" },
    Column { name: "together", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "fireworks", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "azure", dialect: Dialect::OpenAiChat, model: "any" },
    Column { name: "vllm", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "llama.cpp", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "ollama", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "workers-ai", dialect: Dialect::OpenAiChat, model: "llama" },
    Column { name: "xai", dialect: Dialect::OpenAiResponses, model: "grok-x" },
    Column { name: "compatible", dialect: Dialect::OpenAiChat, model: "local" },
    Column { name: "openai-responses", dialect: Dialect::OpenAiResponses, model: "gpt-5.1" },
    Column { name: "anthropic-messages", dialect: Dialect::AnthropicMessages, model: "claude-opus-4-6" },
    Column { name: "gemini", dialect: Dialect::Gemini, model: "gemini-3-pro" },
];

impl Column {
    pub fn target(&self) -> Target<'_> {
        let provider = match self.dialect {
            Dialect::OpenAiChat => self.name,
            Dialect::OpenAiResponses if self.name == "xai" => self.name,
            Dialect::OpenAiResponses => "openai",
            other => other.name(),
        };
        Target { provider, model: self.model, traits: ModelTraits::PERMISSIVE, max_output_tokens: Some(64_000) }
    }
}

/// What a row claims of a target.
pub struct Claim {
    pub disposition: Option<Disposition>,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub field: String,
    /// Where the sample is put, if not at the field's first place.
    #[serde(default)]
    at: String,
    /// A value that is not the default and is told from others in a body.
    #[serde(default)]
    pub sample: Value,
    #[serde(default)]
    pub default: Vec<Value>,
    #[serde(default, rename = "when")]
    _when: Vec<Value>,
    #[serde(default)]
    to: BTreeMap<String, String>,
    /// What becomes of a chat caller's field at servers that speak chat with an accent; absent = it arrives as it was written.
    #[serde(default)]
    pub here: BTreeMap<String, String>,
    /// Verdicts on an answer's field that comes in a stream, where they are others.
    #[serde(default)]
    stream: BTreeMap<String, String>,
    /// Words that stand in a target's body for the sample, where they are not the sample's own.
    #[serde(default)]
    shows: BTreeMap<String, String>,
    /// Where the losses speak of the field under the name of its neighbour.
    #[serde(default)]
    pub told_as: String,
    /// The gateway acts on it; no target sees it.
    #[serde(default, rename = "ours")]
    pub is_ours: bool,
    /// The smallest request or answer for this row alone.
    #[serde(default)]
    base: Option<Value>,
    #[serde(default, rename = "of")]
    _of: Option<String>,
    #[serde(default, rename = "depends")]
    _depends: Option<String>,
    #[serde(default, rename = "case")]
    _case: Option<String>,
    #[serde(default, rename = "source")]
    _source: Option<String>,
}

impl Row {
    pub fn claim(&self, column: &Column) -> Option<Claim> {
        Self::read(&self.to, column)
    }

    /// What the row claims of a stream.
    pub fn stream_claim(&self, column: &Column) -> Option<Claim> {
        Self::read(&self.stream, column).or_else(|| self.claim(column))
    }

    fn read(verdicts: &BTreeMap<String, String>, column: &Column) -> Option<Claim> {
        let columns = [column.name, column.dialect.name(), "*"];
        let text = columns.iter().find_map(|name| verdicts.get(*name))?.clone();
        let disposition = match text.split(':').next().unwrap_or_default() {
            "exact" => None,
            "converted" => Some(Disposition::Converted),
            "advisory" => Some(Disposition::Advisory),
            "unsupported" => Some(Disposition::Unsupported),
            _ => return None,
        };
        Some(Claim { disposition, text })
    }

    /// Where the sample is put.
    pub fn place(&self) -> &str {
        if self.at.is_empty() {
            &self.field
        } else {
            &self.at
        }
    }

    /// Whether the target does by itself what the field asks for, so that nothing has to show.
    pub fn is_silent(&self, column: &Column) -> bool {
        self.named_words(column).is_some_and(str::is_empty)
    }

    fn named_words(&self, column: &Column) -> Option<&str> {
        [column.name, column.dialect.name(), "*"].iter().find_map(|name| self.shows.get(*name)).map(String::as_str)
    }

    /// Whether the sample's own words, or those that the row names, stand in a body.
    pub fn shows(&self, body: &str, column: &Column) -> bool {
        match self.named_words(column) {
            _ if self.default.contains(&self.sample) => true,
            Some(words) => body.contains(words),
            None => self.arrives(body),
        }
    }

    /// Whether all words of the sample stand in a body.
    pub fn arrives(&self, body: &str) -> bool {
        words(&self.sample).iter().all(|word| body.contains(word))
    }

    /// Whether a sample that is told from all others stands in a body that must not have it.
    pub fn leaks(&self, body: &str) -> bool {
        words(&self.sample).iter().any(|word| word.contains("sample-") && body.contains(word))
    }
}

/// The texts and numbers of a value.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![number.to_string()],
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(members) => members.values().flat_map(words).collect(),
        Value::Null | Value::Bool(_) => Vec::new(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(rename = "about")]
    _about: String,
    bases: BTreeMap<String, Value>,
    request: Vec<Row>,
    #[serde(default)]
    answer_bases: BTreeMap<String, Value>,
    #[serde(default)]
    answer: Vec<Row>,
}

pub struct Table {
    pub name: String,
    pub dialect: Dialect,
    bases: BTreeMap<String, Value>,
    pub rows: Vec<Row>,
    answer_bases: BTreeMap<String, Value>,
    /// Rows of the dialect's answers.
    pub answers: Vec<Row>,
}

impl Table {
    /// Dialects whose callers get this one's answers: servers' accents do not matter there.
    pub fn callers(&self) -> Vec<&'static Column> {
        let mut seen = vec![self.dialect];
        let mut columns = Vec::new();
        for column in &COLUMNS {
            if !seen.contains(&column.dialect) {
                seen.push(column.dialect);
                columns.push(column);
            }
        }
        columns
    }

    /// The smallest answer that a row's sample can stand in.
    pub fn answer_base(&self, row: &Row) -> Value {
        row.base.clone().unwrap_or_else(|| longest(&self.answer_bases, &row.field))
    }

    /// Targets to which requests of this dialect are translated.
    pub fn columns(&self) -> Vec<&'static Column> {
        COLUMNS.iter().filter(|column| column.dialect != self.dialect).collect()
    }

    /// The smallest request that a row's sample can stand in.
    pub fn base(&self, row: &Row) -> Value {
        row.base.clone().unwrap_or_else(|| longest(&self.bases, &row.field))
    }
}

fn longest(bases: &BTreeMap<String, Value>, field: &str) -> Value {
    let prefix = bases.keys().filter(|prefix| field.starts_with(prefix.as_str())).max_by_key(|prefix| prefix.len());
    bases[prefix.unwrap()].clone()
}

pub fn all() -> Vec<Table> {
    [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::AnthropicMessages, Dialect::Gemini]
        .into_iter()
        .map(|dialect| read(dialect.name(), dialect))
        .collect()
}

/// The first column of a dialect.
pub fn column_of(dialect: Dialect) -> &'static Column {
    COLUMNS.iter().find(|column| column.dialect == dialect).unwrap()
}

/// The table of a document; `dialect` is that of its requests, or for embeddings none of them matters.
pub fn read(name: &str, dialect: Dialect) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/fields").join(format!("{name}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let document: Document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Table {
        name: name.to_owned(),
        dialect,
        bases: document.bases,
        rows: document.request,
        answer_bases: document.answer_bases,
        answers: document.answer,
    }
}
