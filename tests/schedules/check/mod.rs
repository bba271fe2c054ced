//! What must hold after every schedule: invariants 2 (`caller.rs`), 3 (`ledger.rs`) and 4 (`provider.rs`) of the design.

mod caller;
mod ledger;
mod provider;

use super::refusals::{Hint, Scope};
use super::schedule::{Fault, Schedule};
use super::voice::Content;
use super::world::{Seen, Transcript};
use super::Finding;

/// Judges a schedule by what came of it.
///
/// # Errors
/// The first rule that does not hold.
pub fn verdict(schedule: &Schedule, transcript: &Transcript) -> Result<(), Finding> {
    if let Some(what) = transcript.objections.first() {
        return Err(Finding { rule: "the platform's rules are kept", what: what.clone() });
    }
    caller::check(schedule, transcript)?;
    ledger::check(schedule, transcript)?;
    provider::check(schedule, transcript)
}

/// What became of a call, judged by what its provider did and how much of it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// A whole answer came.
    Answered,
    /// The provider said no.
    Refused(Scope, Hint),
    /// There was no connection.
    Unreached,
    /// The connection broke, or what came was no answer.
    Broken,
    /// Nobody waited for it any longer.
    Silent,
    /// The caller had left.
    Left,
}

pub fn fate(schedule: &Schedule, transcript: &Transcript, call: &Seen) -> Fate {
    let said = &call.said;
    let fault = fault(schedule, call);
    let refused = Fate::Refused(said.scope.unwrap_or(Scope::Again), said.hint);
    if fault == Fault::NoConnection && call.over {
        Fate::Unreached
    } else if matches!(fault, Fault::Refuses(_)) && call.head_at.is_some()
        || said.error_from.is_some_and(|from| call.read >= from && call.read > 0)
    {
        refused
    } else if said.complete_from.is_some_and(|from| call.read >= from) {
        Fate::Answered
    } else if call.over {
        Fate::Broken
    } else if transcript.gone && transcript.calls.last().is_some_and(|last| std::ptr::eq(last, call)) {
        Fate::Left
    } else {
        Fate::Silent
    }
}

pub fn fault(schedule: &Schedule, call: &Seen) -> Fault {
    let calls = &schedule.candidates[call.candidate].calls;
    calls.get(call.nth).or(calls.last()).map_or(Fault::None, |call| call.fault)
}

/// All content that the call's bytes up to `read` hold.
pub fn content_in(call: &Seen, read: usize) -> Content {
    call.said.marks.iter().rev().find(|(end, _)| *end <= read).map(|(_, content)| content.clone()).unwrap_or_default()
}

/// All content that it would have had.
pub fn content_of(call: &Seen) -> Content {
    call.said.marks.last().map(|(_, content)| content.clone()).unwrap_or_default()
}

fn require(holds: bool, rule: &'static str, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds {
        Ok(())
    } else {
        Err(Finding { rule, what: what() })
    }
}
