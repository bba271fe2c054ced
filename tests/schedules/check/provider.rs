//! Invariant 4: no useless traffic, and no provider left out who could have answered.

use super::isolate::Isolate;
use super::plot::{Fate, Plot};
use super::require;
use crate::schedules::gateway::{self, Bounds, POLICIES};
use crate::schedules::refusals::{Hint, Scope};
use crate::schedules::schedule::{Candidate, Continues, Fault, Schedule};
use crate::schedules::world::{End, Seen, Transcript};
use crate::schedules::Finding;
use crate::support::{Head, Piece, START_MS};

/// How long the end of a connection is waited for when the answer is there already.
const LINGER_MS: u64 = 2_000;

/// How long an answer is read on for a caller who has left.
const DRAIN_MS: u64 = 20_000;

/// When a retry budget that was used up is there again.
const BUDGET_BACK_MS: u64 = 10_000;

pub fn check(schedule: &Schedule, transcript: &Transcript, plot: &Plot, isolate: &Isolate<'_>) -> Result<(), Finding> {
    let bounds = &POLICIES[schedule.policy];
    let calls = &transcript.calls;
    let steady = schedule.jumps.is_empty();
    let shown = || -> String {
        let one = |(call, came): (&Seen, &Fate)| {
            let name = gateway::name(&schedule.candidates[call.candidate], call.candidate);
            let after = |t: u64| t as i64 - START_MS as i64;
            format!(
                "\n{name} at {}: {came:?}, read {}, aborted {:?}, given {:?}",
                after(call.real_at),
                call.read,
                call.aborted_at.map(after),
                call.given
            )
        };
        calls.iter().zip(&plot.fates).map(one).collect()
    };
    let made = calls.len() + transcript.outrun.len();
    require(made <= bounds.max_attempts, "attempts are bounded", shown)?;
    let end = transcript.began + bounds.total_ms;
    require(calls.iter().all(|call| call.at_ms < end), "nobody is called after the deadline", shown)?;
    let alone = transcript.gone.is_some() || transcript.killed.is_some();
    if steady && schedule.reads_slowly == 0 && !alone {
        require(transcript.over_at <= end + LINGER_MS, "the deadline is kept", || {
            format!("{}{}", transcript.over_at - end, shown())
        })?;
    }
    for call in calls {
        let stopped = call.over || call.aborted_at.is_some() || transcript.killed.is_some();
        require(stopped, "who is not listened to is stopped", shown)?;
    }
    for (at, (call, came)) in calls.iter().zip(&plot.fates).enumerate() {
        let earlier = &calls[..at];
        in_order(schedule, transcript, isolate, earlier, call)
            .then_some(())
            .ok_or_else(|| Finding { rule: "candidates are asked in order", what: shown() })?;
        // What Responses says again of an event that could not be read may show that it differs.
        let may_differ = call.said.garbage && plot.first.is_some_and(|first| first < at);
        if steady && *came == Fate::Silent && !may_differ {
            let patience = if schedule.stream { bounds.first_content_ms.min(bounds.idle_ms) } else { bounds.whole_ms };
            let until = call.aborted_at.unwrap_or(transcript.over_at);
            let waited = until - call.real_at >= patience || until >= end;
            require(waited, "a provider is given its time", shown)?;
            let in_time = !hurried(schedule, earlier, call, &calls[at + 1..]) || until <= latest_end(call, bounds);
            require(in_time, "silence is noticed in time", shown)?;
        }
        for later in &calls[at + 1..] {
            let goes_on = plot.first.is_some_and(|first| first < at);
            follows(schedule, transcript, call, *came, goes_on, later)
                .map_err(|rule| Finding { rule, what: shown() })?;
        }
        let tries = earlier.iter().filter(|other| other.candidate == call.candidate).count();
        let most = usize::from(!schedule.no_budget || call.latest >= START_MS + BUDGET_BACK_MS);
        require(tries <= most, "a candidate is retried once at most, and within the budget", shown)?;
        if plot.first.is_some_and(|first| first < at) {
            goes_on_as_asked(schedule, call).map_err(|rule| Finding { rule, what: shown() })?;
        }
    }
    left(schedule, transcript, plot).map_err(|rule| Finding { rule, what: shown() })?;
    gave_up_too_early(schedule, transcript, plot, isolate, bounds).map_or(Ok(()), |name| {
        Err(Finding { rule: "who could answer is asked", what: format!("{name} was not{}", shown()) })
    })?;
    broke_off_too_early(schedule, transcript, plot, isolate, bounds).map_or(Ok(()), |name| {
        Err(Finding { rule: "who could go on is asked", what: format!("{name} was not{}", shown()) })
    })
}

/// Whether a call had to bring something within the policy's bounds: there was somebody who could be asked instead, and was.
fn hurried(schedule: &Schedule, earlier: &[Seen], call: &Seen, later: &[Seen]) -> bool {
    let asked = |candidate: usize| earlier.iter().chain([call]).any(|other| other.candidate == candidate);
    let plain = schedule.stream && schedule.hedges.is_none() && schedule.reads_slowly == 0 && !call.plan.comments;
    plain && later.iter().any(|other| !asked(other.candidate))
}

/// When a call that brings no more has to be stopped. What the runtime moves is looked at now and then: its silence may be
/// noticed later by half its bound, and by no more than a second.
fn latest_end(call: &Seen, bounds: &Bounds) -> u64 {
    let Head::After(head_ms, ..) = call.said.script.head else { return call.real_at + bounds.first_content_ms };
    let stopped = call.aborted_at.unwrap_or(u64::MAX);
    let begun = super::plot::began_to_be_read(call);
    let came = call.said.script.body.iter().scan(call.real_at + head_ms, |at, (delay, piece)| {
        *at += delay;
        Some((*at, piece))
    });
    let bytes = came.filter(|(at, piece)| *at <= stopped && matches!(piece, Piece::Bytes(_)));
    match bytes.last() {
        Some((last, _)) if begun => last + bounds.idle_ms + 1_000.min(bounds.idle_ms / 2),
        _ => call.real_at + bounds.first_content_ms,
    }
}

/// A candidate is asked for the first time only when those before it have been, or could not be. One that the isolate has
/// seen fail may be passed over, or be asked last.
fn in_order(
    schedule: &Schedule,
    transcript: &Transcript,
    isolate: &Isolate<'_>,
    earlier: &[Seen],
    call: &Seen,
) -> bool {
    let first = earlier.iter().all(|other| other.candidate != call.candidate);
    let name = gateway::name(&schedule.candidates[call.candidate], call.candidate);
    let last = || isolate.may_be_open(&name, call.real_at);
    // Who has no price is asked beside nobody.
    let skipped = schedule.hedges.is_some() && !schedule.candidates[call.candidate].priced;
    !first
        || skipped
        || transcript.outrun.contains(&call.candidate)
        || transcript.outlasted.is_some_and(|(first, _)| first == call.candidate)
        || (call.candidate..schedule.candidates.len()).all(|later| earlier.iter().all(|o| o.candidate != later))
        || last()
}

/// Whether `later` may have been called after what became of `call`.
fn follows(
    schedule: &Schedule,
    transcript: &Transcript,
    call: &Seen,
    came: Fate,
    goes_on: bool,
    later: &Seen,
) -> Result<(), &'static str> {
    let own = &schedule.candidates[call.candidate];
    let other = &schedule.candidates[later.candidate];
    let same = call.candidate == later.candidate;
    if later.real_at < call.ended_at() {
        return Ok(()); // asked beside it
    }
    match came {
        Fate::Answered if super::caller::unsound(schedule, call) => Ok(()),
        Fate::Answered => Err("nobody is asked after an answer"),
        Fate::Differs => Err("nobody is asked after an answer that came out different"),
        Fate::Left => Err("nobody is asked for a caller who has left"),
        Fate::Silent if same => Err("a route that was silent is left"),
        Fate::Refused(scope, hint) => {
            let useless = match scope {
                // Somebody has taken the request already: it is wrong for this one, or what was added to it is.
                Scope::Never if goes_on => same,
                // What the second of two refuses, the first may still answer.
                Scope::Never | Scope::Verdict
                    if transcript.outlasted.is_some_and(|(_, second)| second == call.candidate) =>
                {
                    same
                }
                Scope::Never | Scope::Verdict => true,
                Scope::Elsewhere => same,
                Scope::OtherKey => same_key(own, other),
                Scope::Larger => same || smaller(other, own),
                Scope::Again => false,
            };
            if useless {
                return Err("what cannot succeed is not retried");
            }
            let (read_at, clock) = call.head_at.unwrap_or((call.real_at, call.at_ms));
            let wait = match hint {
                Hint::None => 0,
                Hint::In(ms) => ms,
                // By the gateway's clock, as it was then.
                Hint::At(at) => at.saturating_sub(clock),
            };
            // What the clock was set forward meanwhile has not passed, and nobody can know that.
            let between = read_at..=later.real_at;
            let forward: u64 = transcript.stepped.iter().filter(|(at, _)| between.contains(at)).map(|(_, ms)| ms).sum();
            if same && later.real_at + forward < read_at + wait {
                return Err("Retry-After is respected");
            }
            Ok(())
        }
        Fate::Silent | Fate::Broken | Fate::Unreached => Ok(()),
    }
}

/// Whether a call goes on with an answer in a way that was asked for and that its candidate knows.
fn goes_on_as_asked(schedule: &Schedule, call: &Seen) -> Result<(), &'static str> {
    let exact = gateway::goes_on(&schedule.candidates[call.candidate]);
    let fits = match (schedule.continues, &call.given) {
        (Continues::Off, _) => false,
        (Continues::Restart, given) => given.is_none(),
        (Continues::Prefill, given) => given.is_some() && exact,
        // What goes on exactly does so, unless there is nothing to go on from.
        (Continues::Auto, given) => given.is_some() == exact,
    };
    if fits {
        Ok(())
    } else {
        Err("who goes on does so as was asked")
    }
}

/// The caller has left: who stops charging is stopped, the answer of another is read to its end for a while.
fn left(schedule: &Schedule, transcript: &Transcript, plot: &Plot) -> Result<(), &'static str> {
    let (Some(gone), Some(call), Some(came)) = (transcript.gone, transcript.calls.last(), plot.fates.last()) else {
        return Ok(());
    };
    let ended = call.aborted_at.unwrap_or(transcript.over_at);
    if ended < gone
        || matches!(came, Fate::Refused(..) | Fate::Unreached | Fate::Answered | Fate::Broken | Fate::Differs)
    {
        return Ok(());
    }
    // Nobody charges for an error in place of an answer: it need not be read.
    let free = matches!(call.plan.fault, Fault::ErrorBody(_)) && call.head_at.is_some();
    let stops = schedule.stream && gateway::stops(&schedule.candidates[call.candidate]);
    match stops {
        true if ended > gone => Err("who stops charging is stopped when the caller leaves"),
        false if schedule.jumps.is_empty() && !free && ended < gone + DRAIN_MS => {
            Err("what is charged anyway is read to its end")
        }
        _ => Ok(()),
    }
}

fn same_key(a: &Candidate, b: &Candidate) -> bool {
    (a.speaks, a.account) == (b.speaks, b.account)
}

fn smaller(other: &Candidate, own: &Candidate) -> bool {
    matches!((other.window, own.window), (Some(other), Some(own)) if other <= own)
}

/// A candidate that was never asked though nothing spoke against it.
fn gave_up_too_early(
    schedule: &Schedule,
    transcript: &Transcript,
    plot: &Plot,
    isolate: &Isolate<'_>,
    bounds: &Bounds,
) -> Option<String> {
    let calls = &transcript.calls;
    let last = calls.last()?;
    let answered = plot.fates.last() == Some(&Fate::Answered) && !super::caller::unsound(schedule, last);
    let failed = matches!(transcript.end, End::Whole | End::Closed) && !answered;
    let out_of_time = transcript.over_at >= transcript.began + bounds.total_ms || !schedule.jumps.is_empty();
    let alone = transcript.gone.is_some() || transcript.killed.is_some();
    if !failed
        || alone
        || out_of_time
        || plot.first.is_some()
        || calls.len() + transcript.outrun.len() >= bounds.max_attempts
    {
        return None;
    }
    // An open stream without a model in its headers may have committed as well.
    if transcript.end == End::Closed && last.read > 0 {
        return None;
    }
    unasked(schedule, transcript, plot, isolate)
}

/// Somebody who was not asked to go on with an answer that broke though nothing spoke against it.
fn broke_off_too_early(
    schedule: &Schedule,
    transcript: &Transcript,
    plot: &Plot,
    isolate: &Isolate<'_>,
    bounds: &Bounds,
) -> Option<String> {
    let (first, last) = (plot.first?, transcript.calls.last()?);
    let alone = transcript.gone.is_some() || transcript.killed.is_some();
    let ended = transcript.end != End::Closed || alone || !schedule.jumps.is_empty();
    let in_time = transcript.over_at + bounds.backoff_cap_ms < transcript.began + bounds.total_ms;
    let made = transcript.calls.len() + transcript.outrun.len();
    let out = ended || !in_time || made >= bounds.max_attempts || !Plot::may_go_on(schedule);
    let broke = matches!(
        plot.fates.last(),
        Some(Fate::Broken | Fate::Silent | Fate::Unreached | Fate::Refused(Scope::Again, _))
    );
    if out || !broke || plot.vague || last.plan.fault == Fault::FailedTurn {
        return None;
    }
    let heard = &transcript.calls[first..];
    // The provider's own error event has gone out.
    let told_by_provider = heard[0].pumped && heard.len() == 1 && matches!(plot.fates[first], Fate::Refused(..));
    let ends = |call: &Seen| call.said.text_closed_from.into_iter().chain(call.said.finish_from).min();
    let closed = heard.iter().any(|call| ends(call).is_some_and(|from| call.read >= from));
    let only_text = heard.iter().all(|call| super::content_in(call, call.read).thoughts.is_empty());
    if told_by_provider || closed || !only_text || plot.told.trim().is_empty() {
        return None;
    }
    // As an estimate of 32 tokens, from both sides.
    let short = plot.told.len() <= 100;
    let able = |candidate: &Candidate| match schedule.continues {
        Continues::Off => false,
        Continues::Restart => true,
        Continues::Prefill => gateway::goes_on(candidate),
        Continues::Auto => gateway::goes_on(candidate) || short,
    };
    let names = unasked(schedule, transcript, plot, isolate)?;
    let at = (0..schedule.candidates.len()).find(|at| gateway::name(&schedule.candidates[*at], *at) == names)?;
    able(&schedule.candidates[at]).then_some(names)
}

/// A candidate that was never called though no failure of another one's speaks against it.
fn unasked(schedule: &Schedule, transcript: &Transcript, plot: &Plot, isolate: &Isolate<'_>) -> Option<String> {
    let candidates = schedule.candidates.iter().enumerate();
    let mut left = candidates.filter(|(at, candidate)| {
        let open = isolate.may_be_open(&gateway::name(candidate, *at), transcript.began);
        !open
            && !transcript.outrun.contains(at)
            && transcript.calls.iter().zip(&plot.fates).all(|(call, came)| {
                let own = &schedule.candidates[call.candidate];
                call.candidate != *at
                    && match came {
                        Fate::Refused(Scope::Never | Scope::Verdict, _) => false,
                        Fate::Refused(Scope::OtherKey, _) => !same_key(own, candidate),
                        Fate::Refused(Scope::Larger, _) => !smaller(candidate, own),
                        _ => true,
                    }
            })
    });
    left.next().map(|(at, candidate)| gateway::name(candidate, at))
}
