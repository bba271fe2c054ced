//! JSON objects written member by member, so that order and source text stay ours: nothing passes through a tree.

use crate::json::write_quoted;

/// An object under construction; [`Object::end`] closes it.
pub(super) struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a member's name; the caller writes its value. Names are plain identifiers.
    pub(super) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        self.out.extend_from_slice(if self.empty { b"\"" } else { b",\"" });
        self.empty = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        write_quoted(self.key(name), value);
    }

    /// A value that is JSON text already.
    pub(super) fn raw(&mut self, name: &str, json: &str) {
        self.key(name).extend_from_slice(json.as_bytes());
    }

    pub(super) fn count(&mut self, name: &str, value: u64) {
        self.raw(name, &value.to_string());
    }

    pub(super) fn number(&mut self, name: &str, value: f64) {
        // Writing a number into a Vec has no error path; what is not finite becomes `null`.
        let _ = serde_json::to_writer(self.key(name), &value);
    }

    pub(super) fn optional_text(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    pub(super) fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        let mut inner = Object::begin(self.key(name));
        write(&mut inner);
        inner.end();
    }

    pub(super) fn end(self) {
        self.out.push(b'}');
    }
}

/// Elements with commas between them, without their brackets.
#[derive(Debug, Default)]
pub(super) struct Elements {
    pub(super) bytes: Vec<u8>,
    pub(super) count: usize,
}

impl Elements {
    /// Room for the next element.
    pub(super) fn next(&mut self) -> &mut Vec<u8> {
        if self.count > 0 {
            self.bytes.push(b',');
        }
        self.count += 1;
        &mut self.bytes
    }

    pub(super) fn object(&mut self, write: impl FnOnce(&mut Object<'_>)) {
        let mut object = Object::begin(self.next());
        write(&mut object);
        object.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_nest_and_keep_their_order() {
        let mut out = Vec::new();
        let mut object = Object::begin(&mut out);
        object.text("b", "q\"uote");
        object.count("a", 3);
        object.object("c", |inner| inner.number("x", 0.5));
        object.optional_text("d", None);
        object.end();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"b":"q\"uote","a":3,"c":{"x":0.5},"d":null}"#);
        let mut list = Elements::default();
        list.object(|_| {});
        list.next().push(b'1');
        assert_eq!(list.bytes, b"{},1");
    }
}
