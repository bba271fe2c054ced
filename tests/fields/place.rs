//! Where in a request a row's field stands.

use serde_json::{json, Value};

/// A member's name, and the kind in its brackets: of an item, or of the object itself.
struct Step<'f> {
    name: &'f str,
    item: Option<&'f str>,
    object: Option<&'f str>,
}

fn steps(field: &str) -> Vec<Step<'_>> {
    let whole = field.strip_suffix(".**").unwrap_or(field);
    whole
        .split('.')
        .map(|piece| {
            let inside = |open: char, close: char| {
                let (_, rest) = piece.split_once(open)?;
                rest.strip_suffix(close)
            };
            let name = piece.split(['[', '(']).next().unwrap_or_default();
            Step { name, item: inside('[', ']'), object: inside('(', ')') }
        })
        .collect()
}

/// Sets a field; what holds it is made where it is not there yet.
pub fn put(request: &mut Value, field: &str, sample: Value) {
    let steps = steps(field);
    let (last, above) = steps.split_last().unwrap();
    let mut at = request;
    for step in above {
        at = enter(at, step);
    }
    let member = &mut at[last.name];
    match last.item {
        None => *member = sample,
        Some(kinds) => {
            if !member.is_array() {
                *member = json!([]);
            }
            let list = member.as_array_mut().unwrap();
            match last_of(list, kinds).filter(|_| !kinds.is_empty()) {
                Some(found) => list[found] = sample,
                None => list.push(sample),
            }
        }
    }
}

fn enter<'v>(at: &'v mut Value, step: &Step<'_>) -> &'v mut Value {
    let member = &mut at[step.name];
    if let Some(kinds) = step.item {
        if !member.is_array() {
            *member = json!([]);
        }
        let list = member.as_array_mut().unwrap();
        let found = last_of(list, kinds).unwrap_or_else(|| {
            list.push(typed(kinds));
            list.len() - 1
        });
        return &mut list[found];
    }
    if let Some(kinds) = step.object {
        if !is_of(member, kinds) {
            *member = typed(kinds);
        }
    } else if member.is_null() {
        *member = json!({});
    }
    member
}

fn typed(kinds: &str) -> Value {
    match kinds.split('|').next().unwrap_or_default() {
        "" | "*" => json!({}),
        kind => json!({ "type": kind }),
    }
}

/// The last item of the first kind that has one.
fn last_of(list: &[Value], kinds: &str) -> Option<usize> {
    kinds.split('|').find_map(|kind| list.iter().rposition(|item| is_of(item, kind)))
}

fn is_of(item: &Value, kinds: &str) -> bool {
    let kind = item["type"].as_str().or(item["role"].as_str()).unwrap_or_default();
    matches!(kinds, "" | "*") || kinds.split('|').any(|known| known == kind)
}

/// Whether a loss speaks of a field: of itself, of what it stands in, or of something inside it.
pub fn concerns(loss: &str, field: &str, told_as: &str) -> bool {
    let loss = plain(loss);
    std::iter::once(field).chain(told_as.split(',')).filter(|name| !name.is_empty()).any(|name| {
        let field = plain(name.strip_suffix(".**").unwrap_or(name));
        let inside = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        inside(&loss, &field) || inside(&field, &loss)
    })
}

/// A path without positions and kinds.
fn plain(path: &str) -> String {
    let mut out = String::new();
    for piece in path.split('.') {
        let name = piece.split(['[', '(']).next().unwrap_or_default();
        if name.is_empty() || name.bytes().any(|b| !b.is_ascii_digit()) {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
        }
    }
    out
}
