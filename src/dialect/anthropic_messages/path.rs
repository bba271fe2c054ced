//! A field's place in a request as Anthropic writes it (`messages.1.content.0.text`), built only when someone asks.

use std::fmt;

use crate::error::GatewayError;

/// A place, linked to the place that holds it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Path<'p> {
    /// The body.
    Root,
    /// A member.
    Field(&'p Path<'p>, &'p str),
    /// An element.
    Item(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    pub(super) fn field(&'p self, name: &'p str) -> Path<'p> {
        Path::Field(self, name)
    }

    pub(super) fn item(&'p self, index: usize) -> Path<'p> {
        Path::Item(self, index)
    }

    /// The caller's request is wrong here.
    pub(super) fn invalid(&self, message: impl Into<String>) -> GatewayError {
        GatewayError::invalid(self.to_string(), message)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Field(Path::Root, name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Item(parent, index) => write!(f, "{parent}.{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_anthropic_writes_them() {
        let messages = Path::Root.field("messages");
        let message = messages.item(1);
        let content = message.field("content");
        assert_eq!(content.item(0).field("text").to_string(), "messages.1.content.0.text");
    }
}
