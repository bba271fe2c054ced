//! Arguments that Vertex streams value by value (`partialArgs`): put together by their JSON paths, written as JSON text
//! once the call is whole. Number text is kept as received.

use crate::json::write_quoted;

use super::types::PartialArg;

/// Deepest path; what nests deeper is refused instead of exhausting the stack.
const MAX_DEPTH: usize = 64;
/// Largest gap that a path may leave in an array.
const MAX_GAP: usize = 1024;

/// Arguments that grow.
#[derive(Debug, Default)]
pub struct PartialArgs {
    root: Node,
}

#[derive(Debug, Default)]
enum Node {
    #[default]
    Null,
    /// A number or truth value as JSON text.
    Scalar(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// One step of a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Name(String),
    Index(usize),
}

impl PartialArgs {
    /// Takes a value in at a path read by [`steps`]. Pieces of a text are appended to each other.
    ///
    /// # Errors
    /// The provider's: the path contradicts what is there; nothing is changed below the contradiction.
    pub fn set(&mut self, path: Vec<Step>, arg: &PartialArg<'_>) -> Result<(), String> {
        let mut node = &mut self.root;
        for step in path {
            node = node.child(step)?;
        }
        if let Some(piece) = &arg.string {
            if let Node::Text(text) = node {
                text.push_str(piece);
            } else {
                *node = Node::Text(piece.to_string());
            }
        } else if let Some(number) = arg.number {
            *node = Node::Scalar(number.get().to_owned());
        } else if let Some(truth) = arg.boolean {
            *node = Node::Scalar(truth.to_string());
        } else {
            *node = Node::Null;
        }
        Ok(())
    }

    /// The arguments as JSON text; `{}` when there are none.
    pub fn json(&self) -> String {
        let mut out = Vec::new();
        match &self.root {
            Node::Null => out.extend_from_slice(b"{}"),
            root => root.write(&mut out),
        }
        String::from_utf8(out).unwrap_or_default()
    }
}

impl Node {
    fn child(&mut self, step: Step) -> Result<&mut Node, String> {
        match step {
            Step::Name(name) => {
                if matches!(self, Node::Null) {
                    *self = Node::Object(Vec::new());
                }
                let Node::Object(members) = self else { return Err(format!("{name:?} is no member of a value")) };
                let at = members.iter().position(|(n, _)| *n == name).unwrap_or_else(|| {
                    members.push((name, Node::Null));
                    members.len() - 1
                });
                members.get_mut(at).map(|(_, node)| node).ok_or_else(String::new)
            }
            Step::Index(index) => {
                if matches!(self, Node::Null) {
                    *self = Node::Array(Vec::new());
                }
                let Node::Array(items) = self else { return Err(format!("[{index}] of what is no list")) };
                if index > items.len().saturating_add(MAX_GAP) {
                    return Err(format!("[{index}] leaves too large a gap"));
                }
                if index >= items.len() {
                    items.resize_with(index + 1, Node::default);
                }
                items.get_mut(index).ok_or_else(String::new)
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Node::Null => out.extend_from_slice(b"null"),
            Node::Scalar(text) => out.extend_from_slice(text.as_bytes()),
            Node::Text(text) => write_quoted(out, text),
            Node::Array(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
            Node::Object(members) => {
                out.push(b'{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_quoted(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Reads a path of names and indexes: `$.a.b[0]["c d"]` (the singular queries of RFC 9535).
///
/// # Errors
/// The provider's: not such a path.
pub fn steps(path: &str) -> Result<Vec<Step>, String> {
    let wrong = || format!("not a path to one value: {path:?}");
    let mut rest = path.strip_prefix('$').ok_or_else(wrong)?;
    let mut list = Vec::new();
    while !rest.is_empty() {
        if list.len() == MAX_DEPTH {
            return Err(format!("the path is deeper than {MAX_DEPTH} steps"));
        }
        let (step, after) = if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            let (name, after) = name.split_at(end);
            (Step::Name(name.to_owned()), after)
        } else {
            let inner = rest.strip_prefix('[').ok_or_else(wrong)?;
            match inner.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let (name, after) = quoted(inner.get(1..).unwrap_or_default(), quote).ok_or_else(wrong)?;
                    (Step::Name(name), after.strip_prefix(']').ok_or_else(wrong)?)
                }
                _ => {
                    let (index, after) = inner.split_once(']').ok_or_else(wrong)?;
                    (Step::Index(index.trim().parse().map_err(|_| wrong())?), after)
                }
            }
        };
        if step == Step::Name(String::new()) {
            return Err(wrong());
        }
        list.push(step);
        rest = after;
    }
    Ok(list)
}

/// A quoted name up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => name.push('\n'),
                'r' => name.push('\r'),
                't' => name.push('\t'),
                'b' => name.push('\u{8}'),
                'f' => name.push('\u{c}'),
                'u' => {
                    let digits: String = chars.by_ref().take(4).map(|(_, c)| c).collect();
                    name.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => name.push(other),
            },
            c if c == quote => return Some((name, text.get(at + 1..)?)),
            c => name.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(pieces: &[&str]) -> Result<String, String> {
        let mut args = PartialArgs::default();
        for piece in pieces {
            let arg: PartialArg<'_> = serde_json::from_str(piece).unwrap();
            args.set(steps(arg.path.as_deref().unwrap())?, &arg)?;
        }
        Ok(args.json())
    }

    #[test]
    fn values_are_put_together_by_their_paths() {
        assert_eq!(build(&[]).unwrap(), "{}");
        let pieces = [
            r#"{"jsonPath":"$.place","stringValue":"Bo","willContinue":true}"#,
            r#"{"jsonPath":"$.place","stringValue":"ston \"x\""}"#,
            r#"{"jsonPath":"$.list[0].n","numberValue":1.50}"#,
            r#"{"jsonPath":"$.list[1]","boolValue":true}"#,
            r#"{"jsonPath":"$['a b'][\"c\\\"d\"]","nullValue":"NULL_VALUE"}"#,
        ];
        assert_eq!(build(&pieces).unwrap(), r#"{"place":"Boston \"x\"","list":[{"n":1.50},true],"a b":{"c\"d":null}}"#);
    }

    #[test]
    fn contradictions_and_excesses_are_refused() {
        let text = r#"{"jsonPath":"$.a","stringValue":"x"}"#;
        assert!(build(&[text, r#"{"jsonPath":"$.a.b","stringValue":"x"}"#]).is_err());
        assert!(build(&[text, r#"{"jsonPath":"$.a[0]","stringValue":"x"}"#]).is_err());
        assert!(build(&[r#"{"jsonPath":"$.a[4000000000]","stringValue":"x"}"#]).is_err());
        for path in ["", "a", "$.", "$..a", "$[", "$[x]", "$['a", "$['a'", "$a", "$[-1]", "$.*[?@.x]"] {
            assert!(steps(path).is_err(), "{path}");
        }
        assert!(steps(&format!("${}", ".a".repeat(65))).is_err());
    }
}
