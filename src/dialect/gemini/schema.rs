//! JSON schemas: the subset that Gemini enforces (`wire.md` §2.1), and its older OpenAPI notation.
//!
//! Schemas are rewritten member by member in source order, because a model writes properties in the schema's order. A
//! constraint that Gemini does not enforce is moved into the `description`, where the model still reads it, and reported.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::types::{Object, Text};
use super::write::Json;
use crate::dialect::canonical::Loss;
use crate::dialect::schema::{recursion, Through};
use crate::json::write_quoted;
use crate::sorted::Set;

mod openapi;

pub use openapi::to_json_schema;

/// Deepest schema that is rewritten.
const MAX_DEPTH: usize = 64;

/// Writes a schema for `responseJsonSchema`; what changed goes to `losses` under `field`.
pub fn subset(schema: &RawValue, field: &str, losses: &mut Vec<Loss>) -> String {
    let mut work = Work::default();
    let mut out = Vec::with_capacity(schema.get().len());
    work.schema(schema, 0, &mut out);
    work.cyclic = recursion(schema, Through::Required).is_some();
    work.report(field, losses);
    String::from_utf8(out).unwrap_or_else(|_| schema.get().to_owned())
}

/// Writes a schema of tool arguments: only `const` is said otherwise, for everything else is a hint there.
pub fn arguments<'s>(schema: &'s RawValue, field: &str, losses: &mut Vec<Loss>) -> Cow<'s, str> {
    if !schema.get().contains("\"const\"") {
        return Cow::Borrowed(schema.get());
    }
    let mut work = Work { lenient: true, ..Work::default() };
    let mut out = Vec::with_capacity(schema.get().len());
    work.schema(schema, 0, &mut out);
    work.report(field, losses);
    String::from_utf8(out).map_or(Cow::Borrowed(schema.get()), Cow::Owned)
}

/// Gives a schema a text keyword that it does not have yet; false when it has one, or is no object.
pub fn label(schema: &mut String, keyword: &str, text: &str) -> bool {
    let Ok(object) = crate::json::from_str::<Object<'_>>(schema) else { return false };
    if object.value(keyword).is_some() {
        return false;
    }
    let comma = if object.0.is_empty() { "" } else { "," };
    let Some(end) = schema.rfind('}') else { return false };
    schema.truncate(end);
    let text = serde_json::Value::from(text);
    schema.push_str(&format!("{comma}\"{keyword}\":{text}}}"));
    true
}

/// What was met on the way through a schema, by keyword. A keyword that is unknown is whatever a caller makes it, so those are
/// put in order once.
#[derive(Debug, Default)]
struct Work {
    /// Only `const` is changed.
    lenient: bool,
    /// Said in other keywords with the same meaning.
    reworded: Set<&'static str>,
    /// Moved into descriptions.
    described: Vec<String>,
    /// Annotations that were left out.
    omitted: Vec<String>,
    /// Cannot be said.
    refused: Set<&'static str>,
    cyclic: bool,
}

impl Work {
    fn report(self, field: &str, losses: &mut Vec<Loss>) {
        let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
        if !self.reworded.is_empty() {
            let names = list(&mut self.reworded.iter().map(ToString::to_string));
            losses.push(Loss::converted(field, format!("said in Gemini's keywords: {names}")));
        }
        if !self.described.is_empty() {
            let names = list(&mut Set::from_iter(self.described).into_iter());
            losses.push(Loss::converted(field, format!("Gemini does not enforce {names}: kept as description")));
        }
        if !self.omitted.is_empty() {
            let names = list(&mut Set::from_iter(self.omitted).into_iter());
            losses.push(Loss::advisory(field, format!("Gemini reads no {names}")));
        }
        if !self.refused.is_empty() {
            let names = list(&mut self.refused.iter().map(ToString::to_string));
            losses.push(Loss::unsupported(field, format!("Gemini cannot be given {names}")));
        }
        if self.cyclic {
            let reason = "Gemini takes recursive references in optional properties only";
            losses.push(Loss::unsupported(field, reason));
        }
    }

    /// Writes one schema.
    fn schema(&mut self, raw: &RawValue, depth: usize, out: &mut Vec<u8>) {
        let Some(object) = Object::read(raw) else {
            // `true`, `false`: schemas of their own.
            out.extend_from_slice(raw.get().as_bytes());
            return;
        };
        if depth == MAX_DEPTH {
            self.refused.insert("schemas nested deeper than 64 levels");
            out.extend_from_slice(raw.get().as_bytes());
            return;
        }
        let mut constraints = String::new();
        let mut writer = Json::object(out);
        // Beside `$ref` only `$…` keywords may stand: a reference with siblings becomes an `anyOf` of one.
        let siblings = object.0.iter().any(|(key, _)| !key.starts_with('$') && !is_annotation(key));
        let wrap = !self.lenient && siblings && object.value("$ref").is_some();
        if wrap && object.value("anyOf").is_some() {
            self.refused.insert("$ref beside anyOf");
        }
        for (key, value) in &object.0 {
            match key.as_ref() {
                "$ref" if wrap => {
                    self.reworded.insert("$ref with siblings");
                    let out = writer.member("anyOf");
                    out.extend_from_slice(b"[{\"$ref\":");
                    write_reference(value, out);
                    out.extend_from_slice(b"}]");
                }
                "$ref" => write_reference(value, writer.member("$ref")),
                "const" => {
                    self.reworded.insert("const");
                    let out = writer.member("enum");
                    out.push(b'[');
                    out.extend_from_slice(value.get().as_bytes());
                    out.push(b']');
                }
                // The constant is one of them.
                "enum" if object.value("const").is_some() => {}
                "properties" | "$defs" | "definitions" => {
                    let name = if key == "properties" { key } else { "$defs" };
                    self.map_of_schemas(value, depth, writer.member(name));
                }
                "items" | "additionalProperties" => self.schema(value, depth + 1, writer.member(key)),
                "anyOf" | "oneOf" | "prefixItems" => {
                    if key == "oneOf" && !self.lenient {
                        self.reworded.insert("oneOf (read as anyOf)");
                    }
                    self.list_of_schemas(value, depth, writer.member(key));
                }
                _ if self.lenient => writer.member(key).extend_from_slice(value.get().as_bytes()),
                "allOf" => match crate::json::from_str::<Vec<&RawValue>>(value.get()) {
                    Ok(list) if list.len() == 1 && object.value("anyOf").is_none() => {
                        self.reworded.insert("allOf of one");
                        self.list_of_schemas(value, depth, writer.member("anyOf"));
                    }
                    _ => {
                        self.refused.insert("allOf");
                    }
                },
                "$id" | "$anchor" | "type" | "format" | "title" | "enum" | "minItems" | "maxItems" | "minimum"
                | "maximum" | "required" | "propertyOrdering" => {
                    writer.member(key).extend_from_slice(value.get().as_bytes());
                }
                "description" | "$schema" | "$comment" => {}
                key if is_annotation(key) => {
                    self.omitted.push(key.to_owned());
                }
                key => {
                    self.described.push(key.to_owned());
                    constraints.push_str(if constraints.is_empty() { "Constraints: " } else { "; " });
                    constraints.push_str(key);
                    constraints.push_str(": ");
                    constraints.push_str(value.get());
                }
            }
        }
        let given = object.value("description").filter(|_| !self.lenient);
        let given = given.and_then(|raw| crate::json::from_str::<Text<'_>>(raw.get()).ok());
        match (given, constraints.is_empty()) {
            (Some(text), true) => write_quoted(writer.member("description"), &text),
            (Some(text), false) => write_quoted(writer.member("description"), &format!("{}\n{constraints}", &*text)),
            (None, false) => write_quoted(writer.member("description"), &constraints),
            (None, true) => {}
        }
    }

    fn map_of_schemas(&mut self, raw: &RawValue, depth: usize, out: &mut Vec<u8>) {
        let Some(object) = Object::read(raw) else {
            out.extend_from_slice(raw.get().as_bytes());
            return;
        };
        let mut writer = Json::object(out);
        for (name, schema) in &object.0 {
            self.schema(schema, depth + 1, writer.member(name));
        }
    }

    fn list_of_schemas(&mut self, raw: &RawValue, depth: usize, out: &mut Vec<u8>) {
        let Ok(list) = crate::json::from_str::<Vec<&RawValue>>(raw.get()) else {
            out.extend_from_slice(raw.get().as_bytes());
            return;
        };
        out.push(b'[');
        for (at, schema) in list.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.schema(schema, depth + 1, out);
        }
        out.push(b']');
    }
}

/// Keywords that constrain nothing.
fn is_annotation(key: &str) -> bool {
    matches!(
        key,
        "$schema"
            | "$comment"
            | "$vocabulary"
            | "default"
            | "examples"
            | "example"
            | "deprecated"
            | "readOnly"
            | "writeOnly"
    )
}

/// Definitions all stand under `$defs`.
fn write_reference(value: &RawValue, out: &mut Vec<u8>) {
    match crate::json::from_str::<Text<'_>>(value.get()) {
        Ok(target) => match target.strip_prefix("#/definitions/") {
            Some(name) => write_quoted(out, &format!("#/$defs/{name}")),
            None => write_quoted(out, &target),
        },
        Err(_) => out.extend_from_slice(value.get().as_bytes()),
    }
}

#[cfg(test)]
mod tests;
