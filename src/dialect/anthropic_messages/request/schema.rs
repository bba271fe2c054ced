//! The subset of JSON Schema that Anthropic compiles for `output_config.format` and strict tools (`wire.md` §2.1).
//!
//! A schema is written again member by member, in its own order (the order of properties is the order of the answer).
//! A constraint that cannot be kept moves into the description as text and is reported as unsupported; what only annotates
//! is reported as advisory. Left out on purpose: guessing whether the provider would compile it in time.

use serde_json::value::RawValue;

use super::super::write::{Elements, Object};
use crate::dialect::canonical::Loss;
use crate::dialect::schema::{recursion, Through};
use crate::json::Members;

/// String formats that are enforced.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Optional properties that a schema may have in all.
const MOST_OPTIONAL: usize = 24;

/// Deeper schemas are refused: reading them is recursive and a stack is finite.
const MOST_NESTED: usize = 48;

/// The schema as Anthropic takes it; `path` is its place in the caller's request.
pub(super) fn fit(schema: &RawValue, path: &str, losses: &mut Vec<Loss>) -> String {
    let mut fitter = Fitter { losses, optional: 0 };
    let mut out = Vec::with_capacity(schema.get().len() + 64);
    fitter.schema(schema, path, 0, &mut out);
    if fitter.optional > MOST_OPTIONAL {
        let reason = format!("{} optional properties; Anthropic compiles at most {MOST_OPTIONAL}", fitter.optional);
        fitter.losses.push(Loss::unsupported(path, reason));
    }
    // A reference to the root has been refused already.
    if let Some(name) = recursion(schema, Through::Anything).filter(|name| name != "#") {
        fitter.losses.push(Loss::unsupported(path, format!("{name:?} refers to itself; Anthropic rejects recursion")));
    }
    String::from_utf8(out).unwrap_or_else(|_| schema.get().to_owned())
}

struct Fitter<'l> {
    losses: &'l mut Vec<Loss>,
    optional: usize,
}

/// What becomes of one member.
enum Fate<'a> {
    Keep,
    /// Written with this text.
    Become(&'a str),
    Schemas(&'static str),
    Map,
    Schema,
    /// Leaves its place; its text goes to the description.
    Move,
    Gone,
}

impl Fitter<'_> {
    fn schema(&mut self, raw: &RawValue, path: &str, depth: usize, out: &mut Vec<u8>) {
        let Ok(members) = Members::read(raw.get().as_bytes()) else {
            self.losses.push(Loss::unsupported(path, "Anthropic takes only schemas that are objects"));
            out.extend_from_slice(raw.get().as_bytes());
            return;
        };
        if depth > MOST_NESTED {
            self.losses.push(Loss::unsupported(path, "nested too deeply"));
            out.extend_from_slice(b"{}");
            return;
        }
        let fates: Vec<Fate<'_>> = members.iter().map(|(name, value)| self.fate(name, value, &members, path)).collect();
        let moved: Vec<String> = members
            .iter()
            .zip(&fates)
            .filter(|(_, fate)| matches!(fate, Fate::Move))
            .map(|((name, value), _)| format!("{name}: {}", value.get()))
            .collect();
        const SHAPES: [&str; 8] = ["type", "properties", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];
        if SHAPES.iter().all(|name| members.raw(name).is_none()) {
            self.losses.push(Loss::unsupported(path, "Anthropic needs a type, enum, const, anyOf, allOf or $ref"));
        }
        let is_object = is_object(&members);
        self.count_optional(&members);
        let mut object = Object::begin(out);
        for ((name, value), fate) in members.iter().zip(fates) {
            let place = || format!("{path}.{name}");
            match fate {
                Fate::Keep if name == "description" => describe(&mut object, value, &moved),
                Fate::Keep => object.raw(name, value.get()),
                Fate::Become(text) => object.raw(name, text),
                Fate::Schema => self.schema(value, &place(), depth + 1, object.key(name)),
                Fate::Schemas(written) => self.list(value, &place(), depth, object.key(written)),
                Fate::Map => self.map(value, &place(), depth, object.key(name)),
                Fate::Move | Fate::Gone => {}
            }
        }
        if is_object && members.raw("type").is_none() {
            object.text("type", "object");
        }
        if is_object && members.raw("additionalProperties").is_none() {
            self.close(&members, path);
            object.raw("additionalProperties", "false");
        }
        if !moved.is_empty() && members.raw("description").is_none() {
            object.text("description", &format!("{{{}}}", moved.join(", ")));
        }
        object.end();
    }

    fn fate<'a>(&mut self, name: &str, value: &'a RawValue, members: &Members<'a>, path: &str) -> Fate<'a> {
        let text = value.get();
        match name {
            "type" | "title" | "description" | "required" => return Fate::Keep,
            "properties" | "$defs" | "definitions" if text.starts_with('{') => return Fate::Map,
            "items" if text.starts_with('{') => return Fate::Schema,
            "anyOf" if text.starts_with('[') => return Fate::Schemas("anyOf"),
            "allOf" if text.starts_with('[') => return Fate::Schemas("allOf"),
            "oneOf" if text.starts_with('[') && members.raw("anyOf").is_none() => {
                self.losses.push(Loss::converted(format!("{path}.oneOf"), "sent as anyOf"));
                return Fate::Schemas("anyOf");
            }
            "enum" if scalars(text) => return Fate::Keep,
            "const" if !text.starts_with(['{', '[']) => return Fate::Keep,
            "format" if string(text).is_some_and(|f| FORMATS.contains(&f.as_str())) => return Fate::Keep,
            "minItems" if matches!(text, "0" | "1") => return Fate::Keep,
            "additionalProperties" => {
                if text != "false" {
                    self.close(members, path);
                }
                return Fate::Become("false");
            }
            "$ref" => {
                if string(text).as_deref().and_then(definition).is_some() {
                    return Fate::Keep;
                }
                let reason = "Anthropic follows only references such as #/$defs/NAME";
                self.losses.push(Loss::unsupported(format!("{path}.$ref"), reason));
                return Fate::Move;
            }
            "$schema" | "$id" | "$comment" | "deprecated" | "readOnly" | "writeOnly" => {
                self.losses.push(Loss::advisory(format!("{path}.{name}"), "constrains nothing"));
                return Fate::Gone;
            }
            "default" | "examples" => {
                self.losses.push(Loss::advisory(format!("{path}.{name}"), "sent as text in the description"));
                return Fate::Move;
            }
            _ => {}
        }
        let reason = "Anthropic does not enforce it; sent as text in the description";
        self.losses.push(Loss::unsupported(format!("{path}.{name}"), reason));
        Fate::Move
    }

    /// Objects are always closed. One that names no property can then only be `{}`.
    fn close(&mut self, members: &Members<'_>, path: &str) {
        let field = format!("{path}.additionalProperties");
        let named = members.raw("properties").and_then(|p| Members::read(p.get().as_bytes()).ok());
        let empty = named.as_ref().is_none_or(|p| p.iter().next().is_none());
        let map = match members.raw("additionalProperties") {
            Some(open) => open.get().starts_with('{') || empty,
            None => named.is_none(),
        };
        self.losses.push(if map {
            Loss::unsupported(field, "Anthropic closes every object, so a map could hold nothing")
        } else {
            Loss::converted(field, "sent as false: Anthropic closes every object")
        });
    }

    fn list(&mut self, raw: &RawValue, path: &str, depth: usize, out: &mut Vec<u8>) {
        let list: Vec<&RawValue> = crate::json::from_str(raw.get()).unwrap_or_default();
        let mut elements = Elements::default();
        for (index, schema) in list.into_iter().enumerate() {
            self.schema(schema, &format!("{path}[{index}]"), depth + 1, elements.next());
        }
        out.push(b'[');
        out.extend_from_slice(&elements.bytes);
        out.push(b']');
    }

    fn map(&mut self, raw: &RawValue, path: &str, depth: usize, out: &mut Vec<u8>) {
        let Ok(map) = Members::read(raw.get().as_bytes()) else {
            self.losses.push(Loss::unsupported(path, "not a map of schemas"));
            out.extend_from_slice(b"{}");
            return;
        };
        let mut elements = Elements::default();
        for (name, schema) in map.iter() {
            let out = elements.next();
            crate::json::write_quoted(out, name);
            out.push(b':');
            self.schema(schema, &format!("{path}.{name}"), depth + 1, out);
        }
        out.push(b'{');
        out.extend_from_slice(&elements.bytes);
        out.push(b'}');
    }

    fn count_optional(&mut self, members: &Members<'_>) {
        let Some(properties) = members.raw("properties") else { return };
        let Ok(properties) = Members::read(properties.get().as_bytes()) else { return };
        let required: Vec<String> = members.parse("required").ok().flatten().unwrap_or_default();
        let optional = properties.iter().filter(|(name, _)| !required.iter().any(|r| r == name)).count();
        self.optional = self.optional.saturating_add(optional);
    }
}

/// The description with the constraints that had to move.
fn describe(object: &mut Object<'_>, value: &RawValue, moved: &[String]) {
    match string(value.get()) {
        Some(text) if !moved.is_empty() => {
            object.text("description", &format!("{text}\n\n{{{}}}", moved.join(", ")));
        }
        _ => object.raw("description", value.get()),
    }
}

fn is_object(members: &Members<'_>) -> bool {
    match members.raw("type") {
        Some(kind) => kind.get().contains("\"object\""),
        None => members.raw("properties").is_some(),
    }
}

fn string(json: &str) -> Option<String> {
    crate::json::from_str(json).ok()
}

fn scalars(json: &str) -> bool {
    let list: Result<Vec<&RawValue>, _> = crate::json::from_str(json);
    list.is_ok_and(|list| list.iter().all(|v| !v.get().starts_with(['{', '['])))
}

/// The name in `#/$defs/NAME`: the only references that cannot reach an ancestor unseen.
fn definition(reference: &str) -> Option<&str> {
    let name = reference.strip_prefix("#/$defs/").or_else(|| reference.strip_prefix("#/definitions/"))?;
    (!name.contains('/')).then_some(name)
}
