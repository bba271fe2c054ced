//! Typed members of a request, with the place named when the type is wrong.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::path::Path;
use crate::dialect::canonical::Extra;
use crate::dialect::{fields as table, Dialect};
use crate::error::{ErrorKind, GatewayError};
use crate::json::{Members, MembersError};

/// An object of the request with its place.
pub(super) struct Fields<'a, 'p> {
    pub(super) members: Members<'a>,
    pub(super) path: Path<'p>,
}

impl<'a, 'p> Fields<'a, 'p> {
    pub(super) fn body(source: &'a [u8]) -> Result<Self, GatewayError> {
        let members = Members::read(source).map_err(|error| unreadable(&error))?;
        Ok(Self { members, path: Path::Root })
    }

    pub(super) fn of(raw: &'a RawValue, path: Path<'p>) -> Result<Self, GatewayError> {
        let members = Members::read(raw.get().as_bytes()).map_err(|error| match error {
            MembersError::Duplicate(name) => path.invalid(format!("the member {name:?} stands twice")),
            _ => path.invalid("Input should be an object"),
        })?;
        Ok(Self { members, path })
    }

    /// A member as `T`; `None` when absent or null.
    pub(super) fn optional<T: Deserialize<'a>>(&self, name: &str, expected: &str) -> Result<Option<T>, GatewayError> {
        let wrong = |_| self.path.field(name).invalid(format!("Input should be {expected}"));
        self.members.parse(name).map_err(wrong)
    }

    pub(super) fn required<T: Deserialize<'a>>(&self, name: &str, expected: &str) -> Result<T, GatewayError> {
        self.optional(name, expected)?.ok_or_else(|| self.missing(name))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, GatewayError> {
        self.optional(name, "a valid string")
    }

    pub(super) fn required_text(&self, name: &str) -> Result<String, GatewayError> {
        self.required(name, "a valid string")
    }

    pub(super) fn missing(&self, name: &str) -> GatewayError {
        self.path.field(name).invalid("Field required")
    }

    /// Every member that is not in `known` goes to `extras`.
    pub(super) fn leave(&self, known: &[&str], extras: &mut Vec<Extra>) {
        for (name, raw) in self.members.iter().filter(|(name, _)| !known.contains(name)) {
            extras.push(extra(&self.path.field(name), raw));
        }
    }
}

/// A member that the hub has no word for.
pub(super) fn extra(path: &Path<'_>, raw: &RawValue) -> Extra {
    table::extra(Dialect::AnthropicMessages, path.to_string(), raw.to_owned())
}

/// A member that its neighbours make a mere hint.
pub(super) fn hint(path: &Path<'_>, raw: &RawValue) -> Extra {
    Extra { advisory: true, ..extra(path, raw) }
}

/// A body that cannot be read as an object.
pub(in crate::dialect::anthropic_messages) fn unreadable(error: &MembersError) -> GatewayError {
    match error {
        MembersError::Duplicate(name) => GatewayError::invalid(name.clone(), error.to_string()),
        _ => GatewayError::new(ErrorKind::InvalidRequest, error.to_string()),
    }
}
