//! Invariant 4 where a policy asks a second candidate beside a late one: who was asked, when, and who was stopped for whom.
//! The other checkers see a request as if each of its calls had been alone: those that were stopped are judged here.

use std::borrow::Cow;

use signalbox::accounting::{Cost, Outcome, Row, Settled};

use super::plot::{began_to_be_read, taken};
use super::require;
use crate::schedules::gateway;
use crate::schedules::refusals::Scope;
use crate::schedules::schedule::{Fault, Schedule};
use crate::schedules::world::{Seen, Transcript};
use crate::schedules::Finding;

/// A call that was stopped.
struct Stopped {
    call: usize,
    /// For the caller had left, and not for another call.
    gone: bool,
    /// Only what was held back, or an answer without content, tells the winner: when it won is not exact.
    vague: bool,
}

/// Judges the calls that were under way together, and tells them from the others.
///
/// # Errors
/// The first rule that does not hold.
pub fn apart<'t>(schedule: &Schedule, transcript: &'t Transcript) -> Result<Cow<'t, Transcript>, Finding> {
    let calls = &transcript.calls;
    let shown = || -> String {
        calls.iter().map(|c| format!("\n{} at {}, ended {}", c.candidate, c.real_at, c.ended_at())).collect()
    };
    let mut races = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let under_way: Vec<usize> = (0..at).filter(|earlier| calls[*earlier].ended_at() > call.real_at).collect();
        match (under_way.as_slice(), schedule.hedges) {
            ([], _) => {}
            ([first], Some(after)) if races.is_empty() && first + 1 == at => {
                asked_beside(schedule, transcript, &calls[*first], call, after)
                    .map_err(|rule| Finding { rule, what: shown() })?;
                races.push((*first, at));
            }
            _ => require(false, "one call at a time, or two where the policy says so", shown)?,
        }
    }
    let Some((first, second)) = races.pop() else { return Ok(Cow::Borrowed(transcript)) };
    match stopped(schedule, transcript, first, second) {
        None if went_on_alone(schedule, &calls[first], &calls[second]) => {
            Ok(Cow::Owned(in_order_of_ends(transcript, first, second)))
        }
        None => Ok(Cow::Borrowed(transcript)),
        Some(stopped) => {
            account(schedule, transcript, &stopped)?;
            Ok(Cow::Owned(without(transcript, &stopped)))
        }
    }
}

/// Whether a second call may have been made beside a first one.
fn asked_beside(
    schedule: &Schedule,
    transcript: &Transcript,
    first: &Seen,
    second: &Seen,
    after: u64,
) -> Result<(), &'static str> {
    let own = &schedule.candidates[second.candidate];
    if second.at_ms < first.at_ms + after {
        return Err("a second candidate is asked when the first is late");
    }
    if content_at(schedule, first).is_some_and(|at| at < second.real_at) {
        return Err("nobody is asked beside an answer that has begun");
    }
    let others = || transcript.calls.iter().take_while(|call| call.real_at < second.real_at);
    if others().any(|call| call.candidate == second.candidate) {
        return Err("who is asked beside another was not asked before");
    }
    if !own.priced {
        return Err("who is asked beside another has a price");
    }
    Ok(())
}

/// When the first content of a call came that could go out.
fn content_at(schedule: &Schedule, call: &Seen) -> Option<u64> {
    if !schedule.stream || super::caller::held(schedule) || !began_to_be_read(call) {
        return None;
    }
    if call.plan.fault == Fault::OtherForm {
        // An answer in one piece is there with the end of its connection.
        return call.over_at;
    }
    let said = &call.said;
    let has = |read: &usize| {
        let closed = said.ends.iter().rposition(|end| end <= read);
        closed.is_some_and(|at| !said.marks[at].1.is_empty())
    };
    call.reads.iter().zip(&call.read_at).find(|(read, _)| has(read)).map(|(_, at)| *at)
}

/// Whether an event before a place in a call's bytes held content.
fn spoke_before(call: &Seen, place: usize) -> bool {
    call.said.ends.iter().zip(&call.said.marks).any(|(end, (_, content))| *end <= place && !content.is_empty())
}

/// Which of two was stopped.
fn stopped(schedule: &Schedule, transcript: &Transcript, first: usize, second: usize) -> Option<Stopped> {
    let calls = &transcript.calls;
    for (call, other) in [(second, first), (first, second)] {
        let (own, winner) = (&calls[call], &calls[other]);
        let Some(at) = own.aborted_at.filter(|_| !decided(own)) else { continue };
        let alone = winner.ended_at() < at;
        if alone {
            continue;
        }
        if let Some(won_at) = content_at(schedule, winner) {
            if at == won_at {
                return Some(Stopped { call, gone: false, vague: false });
            }
        } else if answered(winner) || finished(winner) {
            let exact = !schedule.stream && winner.over_at == Some(at);
            if exact || (schedule.stream && finished_at(winner).is_some_and(|finished| at >= finished)) {
                return Some(Stopped { call, gone: false, vague: !exact });
            }
        }
        // What an event held that could not be read, a later one may have told again.
        let came = |gap| winner.reads.iter().zip(&winner.read_at).any(|(read, when)| *when == at && *read > gap);
        let silent = |gap| content_at(schedule, winner).is_none() || !spoke_before(winner, gap);
        if schedule.stream && winner.said.gap_from.is_some_and(|gap| silent(gap) && came(gap)) {
            return Some(Stopped { call, gone: false, vague: true });
        }
        // What the one that was asked first says of the request is said of it.
        if call == second && is_verdict(winner) && (winner.aborted_at == Some(at) || winner.over_at == Some(at)) {
            return Some(Stopped { call, gone: false, vague: false });
        }
        // Whoever is to get its content may turn out to have left with it.
        let speaks = content_at(schedule, own).is_some() || finished(own);
        if call == second && transcript.gone == Some(at) && !speaks {
            return Some(Stopped { call, gone: true, vague: false });
        }
    }
    None
}

/// Whether the first of two calls was under way when the second one had ended.
fn went_on_alone(schedule: &Schedule, first: &Seen, second: &Seen) -> bool {
    let together = first.ended_at() == second.ended_at() && decided(second);
    let heard = answered(first) || content_at(schedule, first).is_some();
    // Its word is not the last one, where the other one has another and has not been heard.
    let overruled = is_verdict(second) && !is_verdict(first) && content_at(schedule, second).is_none();
    second.ended_at() < first.ended_at() || (together && (heard || overruled))
}

/// Whether a call has come to an end of its own.
fn decided(call: &Seen) -> bool {
    call.over || answered(call) || call.said.error_from.is_some_and(|from| taken(call) >= from && taken(call) > 0)
}

fn answered(call: &Seen) -> bool {
    call.said.complete_from.is_some_and(|from| taken(call) >= from)
}

/// Whether its end has come, which is the content of an answer without any.
fn finished(call: &Seen) -> bool {
    call.said.finish_from.is_some_and(|from| taken(call) >= from)
}

/// When the read came that brought its end: who ends before that has not been stopped for it.
fn finished_at(call: &Seen) -> Option<u64> {
    let from = call.said.finish_from.into_iter().chain(call.said.complete_from).min()?;
    // An event is there with its blank line, or with the end of its connection, and an answer in one piece with that alone.
    let end = call.said.ends.iter().find(|end| **end > from);
    let mut reads = call.reads.iter().zip(&call.read_at);
    let whole = end.and_then(|end| reads.find(|(read, _)| *read >= end).map(|(_, at)| *at));
    whole.or(call.over_at.filter(|_| call.read >= from))
}

fn refused(call: &Seen) -> bool {
    matches!(call.plan.fault, Fault::Refuses(_)) && call.head_at.is_some()
        || call.said.error_from.is_some_and(|from| taken(call) >= from && taken(call) > 0)
}

/// Whether it says of the request that nobody is to be asked.
fn is_verdict(call: &Seen) -> bool {
    matches!(call.said.scope, Some(Scope::Never | Scope::Verdict)) && refused(call)
}

/// A call that was stopped is opened and settled once, by its name, and what it cost is estimated; the caller is told.
fn account(schedule: &Schedule, transcript: &Transcript, stopped: &Stopped) -> Result<(), Finding> {
    let rule = "a call that is stopped for another one is accounted as that";
    let candidate = &schedule.candidates[transcript.calls[stopped.call].candidate];
    let number = stopped.call as u32 + 1;
    let at = transcript.calls[stopped.call].aborted_at;
    let opens = transcript.rows.iter().filter(|row| matches!(row, Row::Open { opened } if opened.attempt == number));
    let settles: Vec<&Settled> = transcript
        .rows
        .iter()
        .filter_map(|row| match row {
            Row::Settle { opened, settled } if opened.attempt == number => Some(settled),
            _ => None,
        })
        .collect();
    let shown = || format!("{settles:?} of attempt {number}");
    let outcomes: &[Outcome] = match (stopped.gone, stopped.vague) {
        // A clock that was set may have brought its deadline at the same moment.
        (true, _) if !schedule.jumps.is_empty() => {
            &[Outcome::ClientGone, Outcome::Hedged, Outcome::Failed, Outcome::Cut]
        }
        // It is noticed when the status line goes out.
        (true, _) if transcript.headed_at == transcript.gone => &[Outcome::ClientGone, Outcome::Hedged],
        (true, _) => &[Outcome::ClientGone],
        // Both at once.
        (false, false) if transcript.gone.is_some() && at == transcript.gone => &[Outcome::Hedged, Outcome::ClientGone],
        (false, false) => &[Outcome::Hedged],
        // The caller may have left before it was known who wins.
        (false, true) if transcript.gone.is_some() => {
            &[Outcome::Hedged, Outcome::Failed, Outcome::Cut, Outcome::ClientGone]
        }
        (false, true) => &[Outcome::Hedged, Outcome::Failed, Outcome::Cut],
    };
    let costs = |cost: Cost| match cost {
        Cost::Estimated { picousd } => candidate.priced && picousd > 0,
        Cost::Unpriced {} => !candidate.priced,
        Cost::Exact { .. } => stopped.vague,
    };
    let [settled] = settles[..] else { return require(false, rule, shown) };
    require(opens.count() == 1 && outcomes.contains(&settled.outcome) && costs(settled.cost), rule, shown)?;
    // Headers that went out before anyone had answered say nothing of it.
    let early = transcript.head.as_ref().is_none_or(|head| head.status == 200)
        && transcript.header("x-signalbox-model").is_none();
    let told: Vec<&str> = transcript.header("x-signalbox-attempts").unwrap_or_default().split(',').collect();
    let name = gateway::name(candidate, transcript.calls[stopped.call].candidate);
    let is_told = told.get(stopped.call).is_none_or(|one| *one == format!("{name}:hedged"));
    require(is_told || early || stopped.gone || stopped.vague, rule, || format!("{told:?}"))
}

/// A request without one of its calls.
fn without(transcript: &Transcript, stopped: &Stopped) -> Transcript {
    let (mut other, at) = (transcript.clone(), stopped.call);
    other.outrun.push(other.calls.remove(at).candidate);
    let number = at as u32 + 1;
    other.rows.retain_mut(|row| match row {
        Row::Open { opened } | Row::Settle { opened, .. } => {
            let kept = opened.attempt != number;
            opened.attempt -= u32::from(opened.attempt > number);
            kept
        }
        Row::Release { .. } => true,
    });
    change_told(&mut other, |told| {
        // Where it is not exact who won, its own end may have come first.
        if told.get(at).is_some_and(|one| one.ends_with(":hedged") || (stopped.vague && told.len() > at + 1)) {
            told.remove(at);
        }
    });
    other
}

/// A request of which the first of two calls went on alone, as if it had been made when the other one had failed.
fn in_order_of_ends(transcript: &Transcript, first: usize, second: usize) -> Transcript {
    let mut other = transcript.clone();
    other.outlasted = Some((other.calls[first].candidate, other.calls[second].candidate));
    other.calls.swap(first, second);
    let numbers = (first as u32 + 1, second as u32 + 1);
    for row in &mut other.rows {
        if let Row::Open { opened } | Row::Settle { opened, .. } = row {
            opened.attempt = match opened.attempt {
                number if number == numbers.0 => numbers.1,
                number if number == numbers.1 => numbers.0,
                number => number,
            };
        }
    }
    let opened =
        |number: u32| other.rows.iter().position(|row| matches!(row, Row::Open { opened } if opened.attempt == number));
    if let (Some(one), Some(two)) = (opened(numbers.0), opened(numbers.1)) {
        other.rows.swap(one, two);
    }
    change_told(&mut other, |told| {
        if second < told.len() {
            told.swap(first, second);
        }
    });
    other
}

/// Changes what the headers say of attempts.
fn change_told(transcript: &mut Transcript, change: impl FnOnce(&mut Vec<&str>)) {
    let Some(text) = transcript.header("x-signalbox-attempts").map(str::to_owned) else { return };
    let mut told: Vec<&str> = text.split(',').collect();
    change(&mut told);
    if let Some(head) = &mut transcript.head {
        head.headers.set("x-signalbox-attempts", told.join(","));
    }
}
