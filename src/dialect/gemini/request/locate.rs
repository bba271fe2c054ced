//! Where a body is wrong, in the words of an error.

use serde::Deserialize;

use crate::dialect::gemini::values::place_of;
use crate::error::{ErrorKind, GatewayError};

/// The error of what is not what it should be: at the place that the error tells, inside the member that was read (empty =
/// the whole body). The text says what was expected and quotes nothing.
pub fn member(read: &str, error: &serde_json::Error) -> GatewayError {
    let text = error.to_string();
    let (place, what) = place_of(&text);
    let joint = if read.is_empty() || place.is_empty() || place.starts_with('[') { "" } else { "." };
    let param = format!("{read}{joint}{place}");
    let named = if param.is_empty() { "the request body" } else { &param };
    let expected = what.rsplit_once(", expected ").map(|(_, rest)| rest);
    let expected = expected.map(|rest| rest.rsplit_once(" at line ").map_or(rest, |(what, _)| what));
    let message = match expected {
        Some(what) => format!("{named} must be {what}"),
        None => format!("{named} is not valid"),
    };
    if param.is_empty() {
        return GatewayError::new(ErrorKind::InvalidRequest, message);
    }
    GatewayError::invalid(param, message)
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
        if error.is_data() {
            return member("", &error);
        }
        GatewayError::new(ErrorKind::InvalidRequest, format!("the request body is not valid JSON: {error}"))
    })
}
