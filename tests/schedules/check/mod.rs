//! What must hold after every schedule: invariants 2 (`caller.rs`, `kept.rs`), 3 (`ledger.rs`) and 4 (`provider.rs`,
//! `isolate.rs`, `race.rs`) of the design. `plot.rs` is what they all judge by.

pub mod plot;

mod caller;
mod isolate;
mod kept;
mod ledger;
mod provider;
pub mod race;

pub use caller::held;

use super::schedule::Schedule;
use super::voice::Content;
use super::world::{Seen, Transcript};
use super::Finding;
use isolate::Isolate;
use plot::Plot;

/// Judges a schedule by what came of it.
///
/// # Errors
/// The first rule that does not hold.
pub fn verdict(schedule: &Schedule, transcripts: &[Transcript]) -> Result<(), Finding> {
    let requests: Vec<(&Schedule, &Transcript)> = schedule.requests().map(|(_, one)| one).zip(transcripts).collect();
    require(requests.len() == transcripts.len(), "every request is served", || {
        format!("{} of them", transcripts.len())
    })?;
    let isolate = Isolate::of(&requests);
    for (one, transcript) in &requests {
        if let Some(what) = transcript.objections.first() {
            return Err(Finding { rule: "the platform's rules are kept", what: what.clone() });
        }
        let transcript = &*race::apart(one, transcript)?;
        let plot = Plot::of(one, transcript);
        caller::check(one, transcript, &plot)?;
        kept::check(one, transcript)?;
        ledger::check(one, transcript, &plot)?;
        provider::check(one, transcript, &plot, &isolate)?;
    }
    isolate.check()
}

/// All content that the call's bytes up to `read` hold.
pub fn content_in(call: &Seen, read: usize) -> Content {
    call.said.marks.iter().rev().find(|(end, _)| *end <= read).map(|(_, content)| content.clone()).unwrap_or_default()
}

fn require(holds: bool, rule: &'static str, what: impl FnOnce() -> String) -> Result<(), Finding> {
    if holds {
        Ok(())
    } else {
        Err(Finding { rule, what: what() })
    }
}
