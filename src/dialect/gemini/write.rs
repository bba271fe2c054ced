//! JSON text written member by member into a buffer: no tree, and borrowed source text goes through unchanged.

use crate::json::write_quoted;

/// An object or array that is being written; its closing bracket is written when it goes out of scope.
pub struct Json<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
    close: u8,
}

impl<'o> Json<'o> {
    /// Opens an object.
    pub fn object(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true, close: b'}' }
    }

    /// Opens an array.
    pub fn array(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, empty: true, close: b']' }
    }

    fn comma(&mut self) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
    }

    /// Begins a member; its value is to be written into the returned buffer.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        self.comma();
        write_quoted(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// A member with a text.
    pub fn text(&mut self, name: &str, value: &str) {
        write_quoted(self.member(name), value);
    }

    /// A member whose value is JSON text already.
    pub fn raw(&mut self, name: &str, json: &str) {
        self.member(name).extend_from_slice(json.as_bytes());
    }

    /// A member with a number or truth value.
    pub fn value<T: serde::Serialize>(&mut self, name: &str, value: T) {
        // Writing a scalar into a Vec has no error path.
        let _ = serde_json::to_writer(self.member(name), &value);
    }

    /// A member with an object.
    pub fn object_in(&mut self, name: &str) -> Json<'_> {
        Json::object(self.member(name))
    }

    /// A member with an array.
    pub fn array_in(&mut self, name: &str) -> Json<'_> {
        Json::array(self.member(name))
    }

    /// Begins an array's next item; it is to be written into the returned buffer.
    pub fn item(&mut self) -> &mut Vec<u8> {
        self.comma();
        self.out
    }

    /// An array's next item, an object.
    pub fn object_item(&mut self) -> Json<'_> {
        Json::object(self.item())
    }
}

impl Drop for Json<'_> {
    fn drop(&mut self) {
        self.out.push(self.close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_and_brackets_are_in_place() {
        let mut out = Vec::new();
        {
            let mut object = Json::object(&mut out);
            object.text("a", "x\"y");
            {
                let mut list = object.array_in("b");
                list.object_item().value("n", 1.5);
                list.item().extend_from_slice(b"null");
            }
            object.raw("c", "[ 1 ]");
            object.object_in("d");
        }
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a":"x\"y","b":[{"n":1.5},null],"c":[ 1 ],"d":{}}"#);
    }
}
