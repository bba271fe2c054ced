//! Where a second stream goes on with a first one: what of it the caller has not had yet. Pure text in, text out; that a
//! stream is plain text is checked here, event by event.

use crate::dialect::canonical::StreamEvent;

/// Shortest end of the delivered text that, where it comes again, is taken for a repetition. Shorter ones happen.
const LEAST_OVERLAP_BYTES: usize = 16;

/// How far back such a repetition may begin, unless it is all of the text.
const MOST_OVERLAP_BYTES: usize = 1024;

/// The second stream does not go on where the first one stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Differs;

/// A seam in the making.
#[derive(Debug)]
pub enum Splice {
    /// The second stream begins anew: it is passed over while it equals what was delivered.
    Restart {
        /// What was delivered.
        delivered: String,
        /// How much of it has come again, in bytes.
        at: usize,
    },
    /// The second stream was given the text and goes on from its end.
    Prefill(Prefill),
}

/// A continuation that may repeat what it was given.
#[derive(Debug)]
pub struct Prefill {
    /// What it was given.
    given: String,
    /// White space that was delivered and not given: models begin a word with it.
    space: String,
    /// A repetition of any length counts: this target repeats the whole.
    echoes: bool,
    /// What may yet turn out to be a repetition.
    held: String,
    decided: bool,
}

/// What a continuation is given of a delivered text: all but the white space at its end, which some targets refuse
/// (`wire.md` §5).
#[must_use]
pub fn given(delivered: &str) -> &str {
    delivered.trim_end()
}

impl Splice {
    /// A second stream that begins anew.
    #[must_use]
    pub fn restart(delivered: &str) -> Self {
        Self::Restart { delivered: delivered.to_owned(), at: 0 }
    }

    /// A second stream that was given [`given`] of a delivered text. `echoes`: its target repeats what it was given.
    #[must_use]
    pub fn prefill(delivered: &str, echoes: bool) -> Self {
        let given = given(delivered);
        let space = delivered.get(given.len()..).unwrap_or_default().to_owned();
        Self::Prefill(Prefill { given: given.to_owned(), space, echoes, held: String::new(), decided: false })
    }

    /// Takes an event of the second stream, appends what of it is new.
    ///
    /// # Errors
    /// It differs from what was delivered, or is no plain text.
    pub fn pass(&mut self, event: &StreamEvent, out: &mut Vec<StreamEvent>) -> Result<(), Differs> {
        match event {
            // The caller knows the first stream's ids.
            StreamEvent::Start { .. } => {}
            StreamEvent::TextDelta { choice: 0, text } => {
                let text = self.text(text)?;
                out.extend((!text.is_empty()).then_some(StreamEvent::TextDelta { choice: 0, text }));
            }
            StreamEvent::Finish { choice: 0, .. } => {
                out.extend(self.end()?);
                out.push(event.clone());
            }
            StreamEvent::Usage(_) | StreamEvent::Extra(_) => out.push(event.clone()),
            _ => return Err(Differs),
        }
        Ok(())
    }

    /// Whether all that was delivered has come again, where it must.
    #[must_use]
    pub fn is_through(&self) -> bool {
        match self {
            Self::Restart { delivered, at } => *at == delivered.len(),
            Self::Prefill(_) => true,
        }
    }

    /// The end of the second stream: what was held back.
    ///
    /// # Errors
    /// It ended before it had said all that was delivered.
    pub fn end(&mut self) -> Result<Option<StreamEvent>, Differs> {
        if !self.is_through() {
            return Err(Differs);
        }
        let text = match self {
            Self::Restart { .. } => String::new(),
            Self::Prefill(prefill) => prefill.release(),
        };
        Ok((!text.is_empty()).then_some(StreamEvent::TextDelta { choice: 0, text }))
    }

    fn text(&mut self, text: &str) -> Result<String, Differs> {
        match self {
            Self::Restart { delivered, at } => {
                let rest = delivered.get(*at..).unwrap_or_default();
                let new = match (text.strip_prefix(rest), rest.starts_with(text)) {
                    (Some(new), _) => new,
                    (None, true) => "",
                    (None, false) => return Err(Differs),
                };
                *at += text.len() - new.len();
                Ok(new.to_owned())
            }
            Self::Prefill(prefill) => Ok(prefill.text(text)),
        }
    }
}

impl Prefill {
    fn text(&mut self, text: &str) -> String {
        if self.decided {
            return self.without_space(text);
        }
        self.held.push_str(text);
        let open = |end: &str| end.len() > self.held.len() && end.starts_with(&self.held);
        if self.ends().any(|(_, end)| open(end)) {
            return String::new();
        }
        self.release()
    }

    /// Lets go of what was held, less what it repeats.
    fn release(&mut self) -> String {
        self.decided = true;
        let repeated = |(at, end): &(usize, &str)| {
            self.held.starts_with(end)
                // What stands earlier too is a text that repeats itself: it may well do so once more.
                && (*at == 0 || self.given.find(end) == Some(*at))
        };
        let overlap = self.ends().find(repeated).map_or(0, |(_, end)| end.len());
        let new = std::mem::take(&mut self.held).split_off(overlap);
        self.without_space(&new)
    }

    /// The ends of the given text that count as repetitions, longest first.
    fn ends(&self) -> impl Iterator<Item = (usize, &str)> {
        let long = |at: usize| self.given.len() - at >= LEAST_OVERLAP_BYTES;
        let earliest = self.given.len().saturating_sub(MOST_OVERLAP_BYTES);
        let whole = (!self.given.is_empty() && (self.echoes || long(0))).then_some((0, self.given.as_str()));
        let parts = (earliest.max(1)..self.given.len()).take_while(move |at| long(*at));
        whole.into_iter().chain(parts.filter_map(|at| Some((at, self.given.get(at..)?))))
    }

    /// White space that was delivered already does not come twice.
    fn without_space(&mut self, text: &str) -> String {
        if self.space.is_empty() || text.is_empty() {
            return text.to_owned();
        }
        let same = self.space.chars().zip(text.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
        let new = text.get(same..).unwrap_or_default();
        self.space = if new.is_empty() { self.space.split_off(same) } else { String::new() };
        new.to_owned()
    }
}

#[cfg(test)]
mod tests;
