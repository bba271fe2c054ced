//! Events that differ from an earlier one in their text alone, which most of a stream's do: what they mean is known without
//! reading them as JSON. Reading is a multiple of comparing, and a native stream is passed on as it came anyway.

use std::ops::Range;

use crate::dialect::{Dialect, Observation, Seen, StreamFault, Varying};
use crate::sse::Frame;

/// Longest event that is kept to compare with.
const MOST_BYTES: usize = 4 * 1024;

/// The last event that was read, if others may be like it.
#[derive(Debug, Default)]
pub(super) struct Alike(Option<Known>);

#[derive(Debug)]
struct Known {
    raw: Vec<u8>,
    said: Range<usize>,
    is_text: bool,
    filling: Range<usize>,
    seen: Seen,
    /// Bytes that it counted besides those of `said`.
    beside: u64,
}

impl Alike {
    /// [`Dialect::observe_event`], with less work where an event is like one before. Such an event's text
    /// comes with it, if it is one of the answer.
    pub(super) fn observe<'f>(
        &mut self,
        dialect: Dialect,
        frame: &Frame<'f>,
        observation: &mut Observation,
    ) -> Result<(Seen, Option<&'f str>), StreamFault> {
        if let Some((known, said)) = self.0.as_ref().and_then(|known| Some((known, known.said_in(frame.raw)?))) {
            let counted = known.beside.saturating_add(said.len() as u64);
            observation.output_bytes = observation.output_bytes.saturating_add(counted);
            return Ok((known.seen, known.is_text.then_some(said)));
        }
        let before = observation.output_bytes;
        let (seen, varying) = dialect.observe_varying(frame, observation)?;
        if let Some(varying) = varying.filter(|_| frame.raw.len() <= MOST_BYTES) {
            let counted = observation.output_bytes.saturating_sub(before);
            self.learn(frame.raw, varying, seen, counted);
        }
        Ok((seen, None))
    }

    fn learn(&mut self, raw: &[u8], varying: Varying<'_>, seen: Seen, counted: u64) {
        let Some(said) = place(raw, varying.said) else { return };
        let filling = varying.filling.and_then(|filling| place(raw, filling));
        let filling = filling.unwrap_or(raw.len()..raw.len());
        let Some(beside) = counted.checked_sub(said.len() as u64) else { return };
        let mut kept = self.0.take().map(|known| known.raw).unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(raw);
        self.0 = Some(Known { raw: kept, said, is_text: varying.is_text, filling, seen, beside });
    }
}

impl Known {
    /// The text of an event that differs in nothing else.
    fn said_in<'f>(&self, raw: &'f [u8]) -> Option<&'f str> {
        let (first, second) = if self.said.start <= self.filling.start {
            (&self.said, &self.filling)
        } else {
            (&self.filling, &self.said)
        };
        let mut rest = raw.strip_prefix(self.raw.get(..first.start)?)?;
        let one = plain(rest, first)?;
        rest = rest.get(one.len()..)?.strip_prefix(self.raw.get(first.end..second.start)?)?;
        let other = plain(rest, second)?;
        rest = rest.get(other.len()..)?;
        let said = if std::ptr::eq(first, &self.said) { one } else { other };
        (!said.is_empty() && rest == self.raw.get(second.end..)?).then_some(said)
    }
}

/// What stands before the quote that ends a text, if none of it would have to be read: no escape, no control character, only
/// UTF-8. Nothing where the known event has no text either.
fn plain<'f>(rest: &'f [u8], known: &Range<usize>) -> Option<&'f str> {
    if known.is_empty() {
        return Some("");
    }
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    (rest.get(end) == Some(&b'"')).then_some(text)
}

/// Where a part of an event stands in it.
fn place(raw: &[u8], part: &str) -> Option<Range<usize>> {
    let start = part.as_ptr().addr().checked_sub(raw.as_ptr().addr())?;
    let place = start..start.checked_add(part.len())?;
    (raw.get(place.clone())? == part.as_bytes()).then_some(place)
}

#[cfg(test)]
mod tests;
