//! The types and ranges of the request's top-level members. One table, so that both the native path and the translator
//! refuse the same bodies with the same words. Members that stand nowhere here are legal and pass.

use crate::error::GatewayError;
use crate::json::scalar::{count, inside_quotes, kind, Kind};
use crate::json::scan::{entries, entry, items};
use crate::json::Members;

/// What a member must be. `null` is always legal: it means absent.
#[derive(Debug, Clone, Copy)]
pub(in crate::dialect) enum Rule {
    Text,
    Flag,
    Object,
    List,
    Texts,
    TextOrTexts,
    TextOrObject,
    Number(f64, f64),
    /// An integer of at least this.
    Whole(i64),
    /// A number of tokens; -1 is how clients of llama.cpp and LM Studio say that there is no bound.
    Bound,
}

/// Sources: OpenAI's `CompletionCreateParams` (SDK 3.54.0) and the extensions of `wire.md` §1.5–1.8.
const RULES: &[(&str, Rule)] = &[
    ("stream", Rule::Flag),
    ("stream_options", Rule::Object),
    ("temperature", Rule::Number(0.0, 2.0)),
    ("top_p", Rule::Number(0.0, 1.0)),
    ("top_k", Rule::Whole(-1)),
    ("max_tokens", Rule::Bound),
    ("max_completion_tokens", Rule::Whole(1)),
    ("n", Rule::Whole(1)),
    ("seed", Rule::Whole(i64::MIN)),
    ("stop", Rule::TextOrTexts),
    ("frequency_penalty", Rule::Number(-2.0, 2.0)),
    ("presence_penalty", Rule::Number(-2.0, 2.0)),
    ("logit_bias", Rule::Object),
    ("logprobs", Rule::Flag),
    ("top_logprobs", Rule::Whole(0)),
    ("tools", Rule::List),
    ("tool_choice", Rule::TextOrObject),
    ("parallel_tool_calls", Rule::Flag),
    ("functions", Rule::List),
    ("function_call", Rule::TextOrObject),
    ("response_format", Rule::Object),
    ("reasoning_effort", Rule::Text),
    ("reasoning", Rule::Object),
    ("verbosity", Rule::Text),
    ("user", Rule::Text),
    ("safety_identifier", Rule::Text),
    ("metadata", Rule::Object),
    ("store", Rule::Flag),
    ("service_tier", Rule::Text),
    ("prompt_cache_key", Rule::Text),
    ("prompt_cache_options", Rule::Object),
    ("prompt_cache_retention", Rule::Text),
    ("modalities", Rule::Texts),
    ("audio", Rule::Object),
    ("prediction", Rule::Object),
    ("web_search_options", Rule::Object),
    ("moderation", Rule::Object),
    ("enable_thinking", Rule::Flag),
    ("thinking_budget", Rule::Whole(0)),
];

/// Checks every member but `model` and `messages`.
///
/// # Errors
/// The caller's: the first member of the wrong type or out of range.
pub(super) fn members(members: &Members<'_>) -> Result<(), GatewayError> {
    for (name, raw) in members.iter() {
        if let Some((_, rule)) = RULES.iter().find(|(known, _)| *known == name) {
            one(name, raw.get(), *rule)?;
        }
    }
    options(members)?;
    tools(members)?;
    format(members)?;
    bounds_agree(members)
}

/// Checks one member.
///
/// # Errors
/// The caller's.
pub(in crate::dialect) fn one(name: &str, text: &str, rule: Rule) -> Result<(), GatewayError> {
    let kind = kind(text);
    if kind == Kind::Null {
        return Ok(());
    }
    let expected = match rule {
        Rule::Text if kind != Kind::Text => "a string",
        Rule::Flag if kind != Kind::Flag => "true or false",
        Rule::Object if kind != Kind::Object => "an object",
        Rule::List if kind != Kind::List => "a list",
        Rule::Texts if !is_texts(text) => "a list of strings",
        Rule::TextOrTexts if kind != Kind::Text && !is_texts(text) => "a string or a list of strings",
        Rule::TextOrObject if !matches!(kind, Kind::Text | Kind::Object) => "a string or an object",
        Rule::Number(least, most) => return number(name, text, least, most),
        Rule::Whole(least) => return whole(name, text, least),
        Rule::Bound if text == "-1" => return Ok(()),
        Rule::Bound => return whole(name, text, 1),
        _ => return Ok(()),
    };
    Err(GatewayError::invalid(name, format!("`{name}` must be {expected}")))
}

fn number(name: &str, text: &str, least: f64, most: f64) -> Result<(), GatewayError> {
    let number: Option<f64> = (kind(text) == Kind::Number).then(|| text.parse().ok()).flatten();
    match number {
        Some(number) if (least..=most).contains(&number) => Ok(()),
        _ => Err(GatewayError::invalid(name, format!("`{name}` must be a number between {least} and {most}"))),
    }
}

fn whole(name: &str, text: &str, least: i64) -> Result<(), GatewayError> {
    // A number beyond 64 bits is still an integer; a fraction of zero (`10.0`) is one too.
    let fits = match text.parse::<i64>() {
        Ok(number) => number >= least,
        Err(_) => kind(text) == Kind::Number && text.parse().is_ok_and(|n: f64| n.fract() == 0.0 && n >= least as f64),
    };
    if fits {
        return Ok(());
    }
    let bound = if least == i64::MIN { String::new() } else { format!(" of at least {least}") };
    Err(GatewayError::invalid(name, format!("`{name}` must be an integer{bound}")))
}

fn is_texts(text: &str) -> bool {
    kind(text) == Kind::List && items(text).all(|item| kind(item) == Kind::Text)
}

fn options(members: &Members<'_>) -> Result<(), GatewayError> {
    let options = members.raw("stream_options").map_or("", |raw| raw.get());
    for (name, value) in entries(options) {
        if matches!(name.as_ref(), "include_usage" | "include_obfuscation") {
            one(&format!("stream_options.{name}"), value, Rule::Flag)?;
        }
    }
    Ok(())
}

fn tools(members: &Members<'_>) -> Result<(), GatewayError> {
    for (at, tool) in list(members, "tools") {
        if kind(tool) != Kind::Object {
            return Err(GatewayError::invalid(format!("tools[{at}]"), format!("`tools[{at}]` must be an object")));
        }
        let (declared, function) = (entry(tool, "type"), entry(tool, "function"));
        let is_function = declared.map_or(function.is_some(), |kind| kind == "\"function\"");
        if declared.is_none_or(|value| kind(value) != Kind::Text) && !is_function {
            let path = format!("tools[{at}].type");
            return Err(GatewayError::invalid(&path, format!("`{path}` must be a string")));
        }
        if is_function {
            named(|| format!("tools[{at}].function"), function)?;
        }
    }
    for (at, function) in list(members, "functions") {
        named(|| format!("functions[{at}]"), Some(function))?;
    }
    if let Some(choice) = members.present("function_call").map(|raw| raw.get()) {
        match inside_quotes(choice) {
            Some(word) => choice_word("function_call", word)?,
            None => named(|| "function_call".to_owned(), Some(choice))?,
        }
    }
    choice(members)
}

fn choice_word(name: &str, word: &str) -> Result<(), GatewayError> {
    if ["none", "auto", "required", "any"].contains(&word) {
        return Ok(());
    }
    Err(GatewayError::invalid(name, format!("`{name}` must be none, auto, required or an object")))
}

fn choice(members: &Members<'_>) -> Result<(), GatewayError> {
    let Some(text) = members.present("tool_choice").map(|raw| raw.get()) else { return Ok(()) };
    if let Some(word) = inside_quotes(text) {
        return choice_word("tool_choice", word);
    }
    let function = entry(text, "function");
    match entry(text, "type").and_then(inside_quotes) {
        Some("function") => named(|| "tool_choice.function".to_owned(), function),
        None if function.is_some() => named(|| "tool_choice.function".to_owned(), function),
        Some(_) => Ok(()),
        None => Err(GatewayError::invalid("tool_choice.type", "`tool_choice.type` must be a string")),
    }
}

/// An object whose `name` is a string that is not empty.
fn named(path: impl Fn() -> String, object: Option<&str>) -> Result<(), GatewayError> {
    let Some(object) = object.filter(|text| kind(text) == Kind::Object) else {
        return Err(GatewayError::invalid(path(), format!("`{}` must be an object", path())));
    };
    if entry(object, "name").and_then(inside_quotes).is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let path = path() + ".name";
    Err(GatewayError::invalid(&path, format!("`{path}` must be a string that is not empty")))
}

fn list<'a>(members: &Members<'a>, name: &str) -> impl Iterator<Item = (usize, &'a str)> {
    items(members.present(name).map_or("", |raw| raw.get())).enumerate()
}

fn format(members: &Members<'_>) -> Result<(), GatewayError> {
    let Some(format) = members.present("response_format").map(|raw| raw.get()) else { return Ok(()) };
    let declared = entry(format, "type").and_then(inside_quotes);
    if declared.is_none() {
        return Err(GatewayError::invalid("response_format.type", "`response_format.type` must be a string"));
    }
    if declared != Some("json_schema") {
        return Ok(());
    }
    let Some(schema) = entry(format, "json_schema").filter(|text| kind(text) == Kind::Object) else {
        return Err(GatewayError::invalid(
            "response_format.json_schema",
            "`response_format.json_schema` must be an object",
        ));
    };
    for (name, value) in entries(schema) {
        let rule = match name.as_ref() {
            "name" | "description" => Rule::Text,
            "schema" => Rule::Object,
            "strict" => Rule::Flag,
            _ => continue,
        };
        one(&format!("response_format.json_schema.{name}"), value, rule)?;
    }
    Ok(())
}

/// OpenAI's new and old name for one bound may both be there only with one value (`wire.md` §2).
fn bounds_agree(members: &Members<'_>) -> Result<(), GatewayError> {
    match (members.present("max_completion_tokens"), members.present("max_tokens")) {
        (Some(new), Some(old)) if count(Some(new)) != count(Some(old)) => Err(GatewayError::invalid(
            "max_completion_tokens",
            "`max_completion_tokens` and its old name `max_tokens` are both given, with different values",
        )),
        _ => Ok(()),
    }
}
