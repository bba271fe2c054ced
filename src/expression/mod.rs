//! Conditions that operators write, in CEL: parsed and checked whole when a configuration is loaded, evaluated per request.
//!
//! A panic ends every stream of an isolate, so the evaluator only ever sees trees that [`check`] has typed: known names,
//! known functions, one level of iteration over lists of bounded length. What can still fail while evaluating (a figure that
//! is not known, a sum that overflows) is an error value. Nothing in the language reads a clock, draws a number or depends on
//! the order of a map: the same facts give the same answer on every target (docs/adr/0020).

mod check;
mod evaluate;

use std::fmt;
use std::sync::Arc;

use cel::parser::PrattParser;

/// Longest source, in bytes. It also bounds the depth of the tree, and with it the stack.
pub const MOST_BYTES: usize = 1_000;
/// Deepest nesting of brackets.
const MOST_DEPTH: u16 = 24;
/// Most `?`: chains of choices are nested without counting, too.
const MOST_CHOICES: usize = 16;

/// The names that an expression may use: variables and their members. A variable without any is open: whatever is asked of
/// it, at any depth, has the type that its use wants ([`Facts::open`]).
pub type Scope = &'static [(&'static str, &'static [Member])];

/// A member of a variable.
#[derive(Debug, Clone, Copy)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// It may be unknown: reading it then is an error, `has()` tells.
    pub optional: bool,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of them.
    One(Scalar),
    /// A list of at most so many.
    Many(Scalar, u32),
}

/// Values that are not made of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// Text.
    Text,
}

/// Most values of a list in an open variable; a longer one is unknown.
pub const MOST_VALUES: u32 = 1_024;

/// A member that is always known.
#[must_use]
pub const fn always(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, optional: false }
}

/// A member that may be unknown.
#[must_use]
pub const fn perhaps(name: &'static str, kind: Kind) -> Member {
    Member { name, kind, optional: true }
}

/// The value of a member.
#[derive(Debug, Clone)]
pub enum Fact<'f> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// Text.
    Text(&'f str),
    /// Texts.
    Texts(Vec<&'f str>),
}

/// Who knows the members' values.
pub trait Facts: Send + Sync {
    /// The value of `variable.member`; `None` = unknown.
    fn fact(&self, name: &str) -> Option<Fact<'_>>;

    /// The value in an open variable at a JSON pointer, if it is of that kind; `None` = unknown. Whether it is there at all
    /// is asked with no kind.
    fn open(&self, _pointer: &str, _kind: Option<Kind>) -> Option<Fact<'_>> {
        None
    }
}

/// A condition without an answer: a fact that it needs is unknown, or a calculation in it is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

/// A condition, checked.
#[derive(Clone)]
pub struct Expression {
    source: String,
    tree: Arc<cel::IdedExpr>,
    opened: Vec<String>,
}

impl Expression {
    /// Parses and checks a condition. `budget` bounds the steps of one evaluation.
    ///
    /// # Errors
    /// What is wrong with it, for the operator who wrote it.
    pub fn read(source: &str, scope: Scope, budget: u32) -> Result<Self, String> {
        if source.len() > MOST_BYTES {
            return Err(format!("must be at most {MOST_BYTES} bytes long"));
        }
        // The lexer cuts tokens by bytes.
        if !source.bytes().all(|byte| (b' '..=b'~').contains(&byte) || matches!(byte, b'\n' | b'\t')) {
            return Err("must be ASCII text: write other characters in strings as \\u00e9".to_owned());
        }
        if has_long_prefix(source) || source.bytes().filter(|byte| *byte == b'?').count() > MOST_CHOICES {
            return Err("has too many signs in a row, or too many conditional parts".to_owned());
        }
        let parser = PrattParser::default().max_recursion_depth(MOST_DEPTH).max_expression_node_count(MOST_BYTES);
        let mut tree = parser.parse(source).map_err(|errors| {
            let first = errors.errors.first();
            first.map_or_else(String::new, |e| format!("line {}, column {}: {}", e.pos.0.max(1), e.pos.1.max(1), e.msg))
        })?;
        let opened = check::condition(&mut tree, scope, budget)?;
        Ok(Self { source: source.to_owned(), tree: Arc::new(tree), opened })
    }

    /// As it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it asks of open variables, as JSON pointers.
    #[must_use]
    pub fn opened(&self) -> &[String] {
        &self.opened
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// It has no answer.
    pub fn holds(&self, facts: &dyn Facts) -> Result<bool, Unknown> {
        evaluate::condition(&self.tree, facts)
    }
}

/// Two are the same that read the same: all of them are read in the scope of their place.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

/// Runs of `!` and `-`, which the parser nests without counting.
fn has_long_prefix(source: &str) -> bool {
    let mut run = 0_u32;
    source.bytes().any(|byte| {
        match byte {
            b'!' | b'-' => run += 1,
            byte if byte.is_ascii_whitespace() => {}
            _ => run = 0,
        }
        run > 8
    })
}

/// Before a name: whether it is known.
const HAS: &str = "has ";

/// Before a pointer into an open variable: of which kind its value is to be, none for whether it is there.
const OPEN: [(&str, Option<Kind>); 6] = [
    ("has/", None),
    ("bool/", Some(Kind::One(Scalar::Bool))),
    ("int/", Some(Kind::One(Scalar::Int))),
    ("double/", Some(Kind::One(Scalar::Double))),
    ("string/", Some(Kind::One(Scalar::Text))),
    ("list/", Some(Kind::Many(Scalar::Text, MOST_VALUES))),
];

#[cfg(test)]
mod tests;
