//! JSON schemas seen from any dialect: where subschemas stand, which definitions need themselves, and what OpenAI's strict
//! subset lacks (`wire.md` §2.1). How a schema is written for a target is that dialect's own.

use serde_json::value::RawValue;

use crate::json::Members;
use crate::sorted::{Map, Set};

/// Deepest schema that is looked into: reading is recursive and a stack is finite.
const MAX_DEPTH: usize = 64;

/// Keywords whose value is a schema.
const ONE: [&str; 7] = ["items", "additionalProperties", "not", "if", "then", "else", "contains"];
/// Keywords whose value is a list of schemas.
const LISTS: [&str; 4] = ["anyOf", "oneOf", "allOf", "prefixItems"];
/// Keywords whose value is a table of schemas.
const TABLES: [&str; 4] = ["properties", "$defs", "definitions", "patternProperties"];

/// Shows every schema in a schema, the outer one first: its place (`$.properties.a.items`) and its keywords. Schemas that
/// are `true` or `false` have none. False where it is too deep to be seen whole.
fn visit<'a>(schema: &'a RawValue, path: &str, depth: usize, see: &mut dyn FnMut(&str, &Members<'a>)) -> bool {
    let Ok(members) = Members::read(schema.get().as_bytes()) else { return true };
    if depth > MAX_DEPTH {
        return false;
    }
    see(path, &members);
    let mut whole = true;
    for (keyword, value) in members.iter() {
        let place = format!("{path}.{keyword}");
        if ONE.contains(&keyword) {
            whole &= visit(value, &place, depth + 1, see);
        } else if LISTS.contains(&keyword) {
            for (at, schema) in list(value).into_iter().enumerate() {
                whole &= visit(schema, &format!("{place}[{at}]"), depth + 1, see);
            }
        } else if TABLES.contains(&keyword) {
            for (name, schema) in table(value).iter() {
                whole &= visit(schema, &format!("{place}.{name}"), depth + 1, see);
            }
        }
    }
    whole
}

fn list(raw: &RawValue) -> Vec<&RawValue> {
    crate::json::from_str(raw.get()).unwrap_or_default()
}

fn table(raw: &RawValue) -> Members<'_> {
    Members::read(raw.get().as_bytes()).unwrap_or_default()
}

/// The first thing about a schema that OpenAI's strict subset does not have, and where; `None` = it can be enforced.
///
/// Every object must be closed and every property required; what only restricts values is allowed or not by keyword. The
/// numeric limits (properties, levels, enumerated values) are left to OpenAI: their figures are unverified.
pub(in crate::dialect) fn beyond_openai_strict(schema: &RawValue) -> Option<String> {
    const NOT_THERE: [&str; 11] = [
        "allOf",
        "oneOf",
        "not",
        "if",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
        "propertyNames",
        "unevaluatedProperties",
        "prefixItems",
        "contains",
    ];
    let mut found: Option<String> = None;
    let root = table(schema);
    if root.raw("type").is_none_or(|kind| kind.get() != "\"object\"") || root.raw("anyOf").is_some() {
        return Some("the root must be an object".to_owned());
    }
    let whole = visit(schema, "$", 0, &mut |path, members| {
        if found.is_some() {
            return;
        }
        let odd = members.iter().map(|(keyword, _)| keyword).find(|keyword| NOT_THERE.contains(keyword));
        let lookaround = members.raw("pattern").is_some_and(|pattern| pattern.get().contains("(?"));
        let object = members.raw("type").is_some_and(|kind| kind.get().contains("\"object\""))
            || members.raw("properties").is_some();
        found = match odd {
            Some(keyword) => Some(format!("{keyword} at {path}")),
            None if lookaround => Some(format!("a pattern that looks around at {path}")),
            None if object => open_object(members).map(|what| format!("{what} at {path}")),
            None => None,
        };
    });
    found.or_else(|| (!whole).then(|| "it is nested too deeply".to_owned()))
}

fn open_object(members: &Members<'_>) -> Option<&'static str> {
    let closed = members.raw("additionalProperties").is_some_and(|open| open.get() == "false");
    let required: Vec<String> = members.parse("required").ok().flatten().unwrap_or_default();
    let properties = members.raw("properties").map(table).unwrap_or_default();
    let optional = properties.iter().any(|(name, _)| !required.iter().any(|r| r == name));
    match (closed, optional) {
        (false, _) => Some("an object that is not closed"),
        (true, true) => Some("an optional property"),
        (true, false) => None,
    }
}

/// Which references count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dialect) enum Through {
    /// All of them.
    Anything,
    /// Those that a value cannot do without: through required properties, items and alternatives.
    Required,
}

/// A definition that needs itself; `#` is the root.
pub(in crate::dialect) fn recursion(root: &RawValue, through: Through) -> Option<String> {
    if !root.get().contains("$ref") {
        return None;
    }
    let mut needs: Vec<(String, Set<String>)> = Vec::new();
    let outer = table(root);
    let needed = |schema: &RawValue| {
        let mut found = Vec::new();
        references(schema, through, 0, &mut found);
        found.into_iter().collect()
    };
    for keyword in ["$defs", "definitions"] {
        for (name, schema) in outer.raw(keyword).map(table).unwrap_or_default().iter() {
            needs.push((format!("#/$defs/{name}"), needed(schema)));
        }
    }
    needs.push(("#".to_owned(), needed(root)));
    let needs = Map::from_iter(needs);
    // Depth first without recursion: a definition met again while it is open is on a cycle.
    let of = |name: &str| needs.get(name).into_iter().flatten().collect::<Vec<_>>();
    let mut met: Map<&str, Met> = needs.keys().map(|name| (name.as_str(), Met::Never)).collect();
    for start in needs.keys() {
        let mut open: Vec<(&str, Vec<&String>)> = vec![(start, of(start))];
        met.insert(start, Met::OnPath);
        while let Some((name, next)) = open.last_mut() {
            let name = *name;
            match next.pop().map(|next| (next, met.get_mut(next.as_str()))) {
                // What is not defined needs nothing.
                Some((_, None | Some(Met::Before))) => {}
                Some((next, Some(Met::OnPath))) => return Some(next.clone()),
                Some((next, Some(met))) => {
                    *met = Met::OnPath;
                    open.push((next, of(next)));
                }
                None => {
                    met.insert(name, Met::Before);
                    open.pop();
                }
            }
        }
    }
    None
}

/// A definition on the way through all of them.
enum Met {
    Never,
    OnPath,
    Before,
}

/// Finds what a schema refers to, definitions apart.
fn references(schema: &RawValue, through: Through, depth: usize, found: &mut Vec<String>) {
    let Ok(members) = Members::read(schema.get().as_bytes()) else { return };
    if depth > MAX_DEPTH {
        return;
    }
    let required: Vec<String> = members.parse("required").ok().flatten().unwrap_or_default();
    for (keyword, value) in members.iter() {
        match keyword {
            "$ref" => {
                if let Ok(target) = crate::json::from_str::<String>(value.get()) {
                    found.push(target.replacen("#/definitions/", "#/$defs/", 1));
                }
            }
            "properties" => {
                for (name, schema) in table(value).iter() {
                    if through == Through::Anything || required.iter().any(|needed| needed == name) {
                        references(schema, through, depth + 1, found);
                    }
                }
            }
            _ if LISTS.contains(&keyword) => {
                list(value).into_iter().for_each(|schema| references(schema, through, depth + 1, found));
            }
            "items" | "additionalProperties" => references(value, through, depth + 1, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
