//! JSON text without a tree: members are appended in order, source text goes through unchanged.

use crate::json::write_quoted;

/// An object that is being written. [`Object::end`] closes it.
pub(in crate::dialect) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    /// Opens an object.
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Goes on with an object whose brace and first members stand in `out` already.
    pub fn resume(out: &'o mut Vec<u8>) -> Self {
        Self { out, empty: false }
    }

    /// Writes a name; the value is up to the caller.
    pub fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        write_quoted(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member that is a string.
    pub fn text(&mut self, name: &str, value: &str) {
        write_quoted(self.key(name), value);
    }

    /// A member whose value is JSON text.
    pub fn raw(&mut self, name: &str, value: &str) {
        self.key(name).extend_from_slice(value.as_bytes());
    }

    /// Members as JSON text without braces; empty text adds none.
    pub fn raw_members(&mut self, members: &str) {
        if members.is_empty() {
            return;
        }
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(members.as_bytes());
    }

    /// A member that is an integer.
    pub fn number(&mut self, name: &str, value: impl Into<i128>) {
        let value: i128 = value.into();
        self.raw(name, &value.to_string());
    }

    /// A member that is a fraction; not-a-number has no JSON and is left out.
    pub fn fraction(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            let text =
                if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { value.to_string() };
            self.raw(name, &text);
        }
    }

    /// A member that is true or false.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.raw(name, if value { "true" } else { "false" });
    }

    /// A member that is an object.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        let mut inner = Object::begin(self.key(name));
        members(&mut inner);
        inner.end();
    }

    /// A member that is a list, one call per item.
    pub fn list<T>(&mut self, name: &str, items: impl IntoIterator<Item = T>, item: impl FnMut(&mut Vec<u8>, T)) {
        list(self.key(name), items, item);
    }

    /// A member that is a list of one object.
    pub fn single(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        self.key(name).push(b'[');
        let mut inner = Object::begin(self.out);
        members(&mut inner);
        inner.end();
        self.out.push(b']');
    }

    /// Closes the object.
    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// Writes a list, one call per item.
pub(in crate::dialect) fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut item: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, value) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        item(out, value);
    }
    out.push(b']');
}

/// Whether a text is a JSON number, so that it may stand in a body as it is.
pub(in crate::dialect) fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'))
        && crate::json::from_str::<f64>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_separated_whatever_their_kind() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "x\"\n");
        object.fraction("b", 0.7);
        object.fraction("c", 1.0);
        object.fraction("d", f64::NAN);
        object.object("e", |inner| inner.flag("f", true));
        object.single("h", |inner| inner.raw("i", "null"));
        object.list("g", [1u64, 2], |out, n| out.extend_from_slice(n.to_string().as_bytes()));
        object.end();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"a":"x\"\n","b":0.7,"c":1,"e":{"f":true},"h":[{"i":null}],"g":[1,2]}"#
        );
    }

    #[test]
    fn only_numbers_pass_for_numbers() {
        assert!(is_number("0.00012") && is_number("1e-7") && is_number("0"));
        assert!(!is_number(".5") && !is_number("") && !is_number("1,2") && !is_number("null") && !is_number(" 1"));
    }
}
