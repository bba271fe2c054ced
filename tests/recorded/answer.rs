//! An answer in no dialect's words, as far as every dialect can say it. Nothing here comes from the code under test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{json, Value};

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    pub choices: BTreeMap<u64, Choice>,
    pub usage: Option<Counts>,
    /// The message of an error that stands in the answer or in place of it.
    pub error: Option<String>,
    /// It is whole by its dialect's own rule.
    pub whole: bool,
    /// Paths of members that mean something and that this reading has no word for.
    pub beside: BTreeSet<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    pub text: String,
    pub reasoning: String,
    pub refusal: String,
    pub signatures: Vec<String>,
    pub calls: Vec<Call>,
    /// Calls of OpenAI's custom tools: name and input.
    pub custom: Vec<(String, String)>,
    pub stop: Option<Stop>,
    pub stop_sequence: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub name: String,
    /// As a value; text that is no JSON stays a string in `{"__raw": …}`.
    pub arguments: Value,
}

impl Call {
    /// A call from its arguments' text; nothing at all stands for no arguments.
    pub fn of_text(name: &str, arguments: &str) -> Self {
        let arguments = match arguments.trim() {
            "" => json!({}),
            text => serde_json::from_str(text).unwrap_or_else(|_| json!({ "__raw": arguments })),
        };
        Self { name: name.to_owned(), arguments }
    }

    pub fn is_broken(&self) -> bool {
        self.arguments.get("__raw").is_some()
    }
}

/// Why a choice ended (`wire.md` §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    End,
    Sequence,
    Length,
    Tools,
    Filter,
    Pause,
    Failed,
}

/// Token counts; `None` is "not said".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All prompt tokens, those read from and written to caches included.
    pub prompt: u64,
    /// All generated tokens, thinking included.
    pub completion: u64,
    pub cached: Option<u64>,
    pub written: Option<u64>,
    pub reasoning: Option<u64>,
}

impl Answer {
    pub fn choice(&mut self, index: u64) -> &mut Choice {
        self.choices.entry(index).or_default()
    }

    /// Notes the members of an object that mean something and are not `said`. A name that ends in a dot is walked into
    /// with what follows it.
    pub fn note(&mut self, path: &str, object: &Value, said: &[&str]) {
        for (name, value) in object.as_object().into_iter().flatten() {
            if !said.contains(&name.as_str()) && means_something(value) {
                self.beside.insert(if path.is_empty() { name.clone() } else { format!("{path}.{name}") });
            }
        }
    }
}

/// Nothing, none, zero and no are what servers write to say that there is nothing to say.
pub fn means_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => list.iter().any(means_something),
        Value::Object(members) => members.values().any(means_something),
    }
}
