//! Where a body is wrong. Bodies are read in one pass; only when that fails are they searched for the place.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::gemini::types::{Content, Many, Object, Part, Request};
use crate::error::{ErrorKind, GatewayError};

/// The error of a member that is not what it should be. The text says what was expected and quotes nothing.
pub fn member(param: &str, error: &serde_json::Error) -> GatewayError {
    let text = error.to_string();
    let expected = text.rsplit(", expected ").next().filter(|_| text.contains(", expected "));
    let expected = expected.map(|rest| rest.rsplit_once(" at line ").map_or(rest, |(what, _)| what));
    let message = match expected {
        Some(what) => format!("{param} must be {what}"),
        None => format!("{param} is not valid"),
    };
    GatewayError::invalid(param, message)
}

/// The error of a `contents` member, with the turn and the part.
pub fn contents(raw: &RawValue, error: &serde_json::Error) -> GatewayError {
    let at_turn = first_wrong::<Content<'_>>(raw);
    let Some((turn, turn_raw, turn_error)) = at_turn else { return member("contents", error) };
    let path = format!("contents[{turn}]");
    let parts = Object::read(turn_raw).and_then(|object| object.value("parts"));
    match parts.map(|parts| (parts, first_wrong::<Part<'_>>(parts))) {
        Some((_, Some((part, _, part_error)))) => member(&format!("{path}.parts[{part}]"), &part_error),
        Some((parts, None)) if crate::json::from_str::<Many<Part<'_>>>(parts.get()).is_err() => {
            member(&format!("{path}.parts"), &turn_error)
        }
        _ => member(&path, &turn_error),
    }
}

fn first_wrong<'a, T: Deserialize<'a>>(list: &'a RawValue) -> Option<(usize, &'a RawValue, serde_json::Error)> {
    let items = match crate::json::from_str::<Vec<&RawValue>>(list.get()) {
        Ok(items) => items,
        Err(_) if list.get().starts_with('{') => vec![list],
        Err(_) => return None,
    };
    let errors = items.into_iter().enumerate();
    errors.filter_map(|(at, raw)| crate::json::from_str::<T>(raw.get()).err().map(|error| (at, raw, error))).next()
}

/// Whether a role is the model's.
///
/// # Errors
/// The caller's: Google knows two roles (and the old one of function results).
pub fn is_model(role: Option<&str>, turn: usize) -> Result<bool, GatewayError> {
    match role {
        None | Some("") => Ok(false),
        Some(role) if role.eq_ignore_ascii_case("model") => Ok(true),
        Some(role) if role.eq_ignore_ascii_case("user") || role.eq_ignore_ascii_case("function") => Ok(false),
        Some(_) => {
            Err(GatewayError::invalid(format!("contents[{turn}].role"), "Please use a valid role: user, model."))
        }
    }
}

/// Reads a whole body, naming what is wrong.
///
/// # Errors
/// The caller's.
pub fn body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, GatewayError> {
    crate::json::from_slice(body).map_err(|error| {
        if !error.is_data() {
            let message = format!("the request body is not valid JSON: {error}");
            return GatewayError::new(ErrorKind::InvalidRequest, message);
        }
        let object = crate::json::from_slice::<Object<'_>>(body);
        let list = object.map(|object| object.0).unwrap_or_default();
        for (name, raw) in list {
            // One member at a time, in a body of its own: the first that fails is the one.
            let alone = format!("{{{}:{}}}", serde_json::json!(name), raw.get());
            if crate::json::from_str::<Request<'_>>(&alone).is_err() {
                return if name == "contents" { contents(raw, &error) } else { member(&name, &error) };
            }
        }
        GatewayError { param: None, ..member("the request body", &error) }
    })
}
