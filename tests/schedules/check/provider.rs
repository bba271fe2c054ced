//! Invariant 4: no useless traffic, and no provider left out who could have answered.

use super::{fate, require, Fate};
use crate::schedules::gateway::{self, Bounds, POLICIES};
use crate::schedules::refusals::{Hint, Scope};
use crate::schedules::schedule::{Candidate, Schedule};
use crate::schedules::world::{End, Seen, Transcript};
use crate::schedules::Finding;
use crate::support::START_MS;

/// How long the end of a connection is waited for when the answer is there already.
const LINGER_MS: u64 = 2_000;

pub fn check(schedule: &Schedule, transcript: &Transcript) -> Result<(), Finding> {
    let bounds = &POLICIES[schedule.policy];
    let calls = &transcript.calls;
    let steady = schedule.jumps.is_empty();
    let shown = || -> String {
        let one = |call: &Seen| {
            let name = gateway::name(&schedule.candidates[call.candidate], call.candidate);
            let came = fate(schedule, transcript, call);
            format!(
                "\n{name} at {}: {came:?}, read {}, aborted {:?}",
                call.at_ms - START_MS.min(call.at_ms),
                call.read,
                call.aborted_at.map(|t| t.wrapping_sub(START_MS))
            )
        };
        calls.iter().map(one).collect()
    };
    require(calls.len() <= bounds.max_attempts, "attempts are bounded", shown)?;
    let end = START_MS + bounds.total_ms;
    require(calls.iter().all(|call| call.at_ms < end), "nobody is called after the deadline", shown)?;
    if steady && schedule.reads_slowly == 0 && !transcript.gone {
        require(transcript.over_at <= end + LINGER_MS, "the deadline is kept", || {
            format!("{}{}", transcript.over_at - end, shown())
        })?;
    }
    for call in calls {
        require(call.over || call.aborted_at.is_some(), "who is not listened to is stopped", shown)?;
    }
    for (at, call) in calls.iter().enumerate() {
        let came = fate(schedule, transcript, call);
        let earlier = &calls[..at];
        in_order(schedule, earlier, call)
            .then_some(())
            .ok_or_else(|| Finding { rule: "candidates are asked in order", what: shown() })?;
        if steady && came == Fate::Silent {
            let patience = if schedule.stream { bounds.first_content_ms.min(bounds.idle_ms) } else { bounds.whole_ms };
            let until = call.aborted_at.unwrap_or(transcript.over_at);
            let waited = until - call.at_ms >= patience || until >= end;
            require(waited, "a provider is given its time", shown)?;
        }
        for later in &calls[at + 1..] {
            follows(schedule, call, came, later).map_err(|rule| Finding { rule, what: shown() })?;
        }
        let tries = earlier.iter().filter(|other| other.candidate == call.candidate).count();
        // A budget that is used up comes back after ten seconds.
        let most = usize::from(!schedule.no_budget || call.at_ms >= START_MS + 9_000);
        require(tries <= most, "a candidate is retried once at most, and within the budget", shown)?;
    }
    gave_up_too_early(schedule, transcript, bounds).map_or(Ok(()), |name| {
        Err(Finding { rule: "who could answer is asked", what: format!("{name} was not{}", shown()) })
    })
}

/// A candidate is asked for the first time only when those before it have been, or could not be.
fn in_order(schedule: &Schedule, earlier: &[Seen], call: &Seen) -> bool {
    let first = earlier.iter().all(|other| other.candidate != call.candidate);
    !first || (call.candidate..schedule.candidates.len()).all(|later| earlier.iter().all(|o| o.candidate != later))
}

/// Whether `later` may have been called after what became of `call`.
fn follows(schedule: &Schedule, call: &Seen, came: Fate, later: &Seen) -> Result<(), &'static str> {
    let own = &schedule.candidates[call.candidate];
    let other = &schedule.candidates[later.candidate];
    let same = call.candidate == later.candidate;
    match came {
        Fate::Answered => Err("nobody is asked after an answer"),
        Fate::Left => Err("nobody is asked for a caller who has left"),
        Fate::Silent if same => Err("a route that was silent is left"),
        Fate::Refused(scope, hint) => {
            let useless = match scope {
                Scope::Never | Scope::Verdict => true,
                Scope::Elsewhere => same,
                Scope::OtherKey => same_key(own, other),
                Scope::Larger => same || smaller(other, own),
                Scope::Again => false,
            };
            if useless {
                return Err("what cannot succeed is not retried");
            }
            let known = call.head_at.unwrap_or(call.at_ms);
            let not_before = match hint {
                Hint::None => 0,
                Hint::In(ms) => known + ms,
                Hint::At(at) => at,
            };
            if same && later.at_ms < not_before {
                return Err("Retry-After is respected");
            }
            Ok(())
        }
        Fate::Silent | Fate::Broken | Fate::Unreached => Ok(()),
    }
}

fn same_key(a: &Candidate, b: &Candidate) -> bool {
    (a.speaks, a.account) == (b.speaks, b.account)
}

fn smaller(other: &Candidate, own: &Candidate) -> bool {
    matches!((other.window, own.window), (Some(other), Some(own)) if other <= own)
}

/// A candidate that was never asked though nothing spoke against it.
fn gave_up_too_early(schedule: &Schedule, transcript: &Transcript, bounds: &Bounds) -> Option<String> {
    let calls = &transcript.calls;
    let last = calls.last()?;
    let failed =
        matches!(transcript.end, End::Whole | End::Closed) && fate(schedule, transcript, last) != Fate::Answered;
    let out_of_time = transcript.over_at >= START_MS + bounds.total_ms || !schedule.jumps.is_empty();
    let committed = schedule.stream && transcript.end != End::Whole && transcript.header("x-signalbox-model").is_some();
    if !failed || transcript.gone || out_of_time || committed || calls.len() >= bounds.max_attempts {
        return None;
    }
    // An open stream without a model in its headers may have committed as well.
    if transcript.end == End::Closed && last.read > 0 {
        return None;
    }
    let candidates = schedule.candidates.iter().enumerate();
    let mut left = candidates.filter(|(at, candidate)| {
        calls.iter().all(|call| {
            let own = &schedule.candidates[call.candidate];
            call.candidate != *at
                && match fate(schedule, transcript, call) {
                    Fate::Refused(Scope::Never | Scope::Verdict, _) => false,
                    Fate::Refused(Scope::OtherKey, _) => !same_key(own, candidate),
                    Fate::Refused(Scope::Larger, _) => !smaller(candidate, own),
                    _ => true,
                }
        })
    });
    left.next().map(|(at, candidate)| gateway::name(candidate, at))
}
