//! Places in a document, for the operator's lists: `messages.*.content`, `tools[0].name`, `**.image_url.url`. `*` is any one
//! member or item, `**` any number of them.

use super::tokens::Step;

/// What of a document is left alone, and what is masked whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Left alone, with all that is below.
    pub allow: Vec<Path>,
    /// Masked, with all that is below.
    pub deny: Vec<Path>,
}

/// A place or many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Named(String),
    Any,
    Deep,
}

/// What becomes of a value for its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is read.
    Read,
    /// It is left alone.
    Leave,
    /// It is masked.
    Mask,
}

impl Paths {
    /// What becomes of the value at a place. `whole`: nothing is below it.
    #[must_use]
    pub fn verdict(&self, at: &[Step], whole: bool) -> Verdict {
        if self.deny.iter().any(|path| matches(&path.0, at, false)) {
            Verdict::Mask
        } else if self.allow.iter().any(|path| matches(&path.0, at, true)) && (whole || !self.reaches_below(at)) {
            Verdict::Leave
        } else {
            Verdict::Read
        }
    }

    /// Whether something below a place may have to be masked: then the place cannot be passed over unread.
    fn reaches_below(&self, at: &[Step]) -> bool {
        self.deny.iter().any(|path| begins(&path.0, at))
    }
}

impl Path {
    /// Reads a path as operators write it; a leading `$` is the document. `None`: it names no place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('$').unwrap_or(text).replace('[', ".").replace(']', "");
        let steps = text.strip_prefix('.').unwrap_or(&text).split('.');
        let segments: Option<Vec<Segment>> = steps
            .map(|step| match step.trim_matches(['"', '\'']) {
                "" => None,
                "*" => Some(Segment::Any),
                "**" => Some(Segment::Deep),
                name => Some(Segment::Named(name.to_owned())),
            })
            .collect();
        segments.filter(|list| list.iter().any(|segment| *segment != Segment::Deep)).map(Self)
    }
}

/// Whether a path leads to a place, or with `below` to one above it.
fn matches(path: &[Segment], at: &[Step], below: bool) -> bool {
    match (path.split_first(), at.split_first()) {
        (None, rest) => below || rest.is_none(),
        (Some((Segment::Deep, rest)), _) if matches(rest, at, below) => true,
        (Some((Segment::Deep, _)), Some((_, inner))) => matches(path, inner, below),
        (Some((segment, rest)), Some((step, inner))) => fits(segment, step) && matches(rest, inner, below),
        (Some(_), None) => false,
    }
}

/// Whether a path leads on from a place.
fn begins(path: &[Segment], at: &[Step]) -> bool {
    match (path.split_first(), at.split_first()) {
        (Some((Segment::Deep, _)), _) | (Some(_), None) => true,
        (Some((segment, rest)), Some((step, below))) => fits(segment, step) && begins(rest, below),
        (None, _) => false,
    }
}

fn fits(segment: &Segment, step: &Step) -> bool {
    match (segment, step) {
        (Segment::Any, _) => true,
        (Segment::Named(name), Step::Member(member)) => name == member,
        (Segment::Named(name), Step::Item(at)) => name.parse() == Ok(*at),
        (Segment::Deep, _) => false,
    }
}
