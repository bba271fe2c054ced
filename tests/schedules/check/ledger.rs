//! Invariant 3: every attempt is accounted exactly once, and its cost says how sure it is.

use signalbox::accounting::{Cost, Outcome, Row, Settled};

use super::plot::{counted, stopped_in_counts, Fate, Plot};
use super::require;
use crate::schedules::gateway::{self, RATES};
use crate::schedules::schedule::Schedule;
use crate::schedules::world::{Seen, Transcript};
use crate::schedules::Finding;

pub fn check(schedule: &Schedule, transcript: &Transcript, plot: &Plot) -> Result<(), Finding> {
    let mut opens = Vec::new();
    let mut settles: Vec<(u32, &Settled)> = Vec::new();
    for row in &transcript.rows {
        match row {
            Row::Open { opened } => opens.push(opened),
            Row::Settle { opened, settled } => {
                let known = opens.contains(&opened);
                require(known, "an attempt is opened before it is settled", || format!("{opened:?}"))?;
                settles.push((opened.attempt, settled));
            }
            Row::Release { .. } => require(false, "nothing is released where there are no limits", String::new)?,
        }
    }
    let rule = "each attempt is opened once and settled once";
    require(opens.len() == transcript.calls.len(), rule, || {
        format!("{} opens, {} calls", opens.len(), transcript.calls.len())
    })?;
    for (at, (open, call)) in opens.iter().zip(&transcript.calls).enumerate() {
        let candidate = &schedule.candidates[call.candidate];
        let same = open.attempt as usize == at + 1
            && open.provider == gateway::provider(candidate)
            && open.model == gateway::model(candidate, call.candidate);
        require(same, rule, || format!("{open:?} for call {at} at {}", gateway::name(candidate, call.candidate)))?;
        let own: Vec<_> = settles.iter().filter(|(attempt, _)| *attempt as usize == at + 1).collect();
        // With the runtime ends what is under way in it: the ledger's alarm settles that.
        let lost = transcript.killed.is_some() && at + 1 == opens.len();
        require(own.len() == 1 || (lost && own.is_empty()), rule, || {
            format!("{} settles of attempt {}", own.len(), at + 1)
        })?;
        if let [(_, settled)] = own[..] {
            judge(schedule, transcript, call, plot.fates[at], settled)?;
        }
    }
    let lost = usize::from(transcript.killed.is_some());
    require((settles.len()..=settles.len() + lost).contains(&opens.len()), rule, || {
        format!("{} settles, {} opens", settles.len(), opens.len())
    })
}

fn judge(
    schedule: &Schedule,
    transcript: &Transcript,
    call: &Seen,
    came: Fate,
    settled: &Settled,
) -> Result<(), Finding> {
    let said = &call.said;
    let priced = schedule.candidates[call.candidate].priced;
    let shown = || format!("{settled:?} for {came:?} of {:?}", call.plan.fault);
    let alone = transcript.gone.is_some();
    let unsound = super::caller::unsound(schedule, call);
    // A caller who leaves may do so at any moment of an attempt's end.
    let outcomes: &[Outcome] = match came {
        Fate::Answered if unsound => &[Outcome::Failed, Outcome::Cut, Outcome::ClientGone],
        Fate::Answered if alone => &[Outcome::Completed, Outcome::ClientGone],
        Fate::Answered => &[Outcome::Completed],
        _ if alone => &[Outcome::Failed, Outcome::Cut, Outcome::ClientGone],
        Fate::Refused(..) | Fate::Broken | Fate::Silent => &[Outcome::Failed, Outcome::Cut],
        Fate::Differs => &[Outcome::Cut],
        Fate::Unreached => &[Outcome::Failed],
        Fate::Left => &[Outcome::ClientGone, Outcome::Failed, Outcome::Cut],
    };
    require(outcomes.contains(&settled.outcome), "the ledger says how an attempt ended", shown)?;
    let usage = &settled.usage;
    let cached = usage.cached_input_tokens.unwrap_or(0);
    let output = usage.output_tokens + usage.reasoning_tokens.unwrap_or(0);
    let (input_rate, cached_rate, output_rate) = RATES;
    let price = usage.input_tokens * input_rate + cached * cached_rate + output * output_rate;
    let counts = said.counts;
    let counted = counted(call);
    let free = settled.cost == Cost::NOTHING && price == 0;
    // Also where nobody listened to the end any more.
    let heard_out = (schedule.stream || call.over) && !stopped_in_counts(call);
    if came == Fate::Answered && !unsound && counted && heard_out {
        let same = usage.input_tokens + cached == counts.input
            && cached == counts.cached
            && output == counts.output + counts.reasoning;
        require(same, "usage is what the provider counted", shown)?;
        let exact = if priced { Cost::Exact { picousd: price } } else { Cost::UNPRICED };
        return require(settled.cost == exact, "a cost is exact where the provider counted", shown);
    }
    let counted = counted || stopped_in_counts(call);
    let may_be_free = matches!(came, Fate::Refused(..) | Fate::Unreached);
    let fits = match settled.cost {
        Cost::Exact { picousd } => (free && may_be_free) || (counted && picousd == price),
        Cost::Estimated { picousd } => priced && picousd == price && price > 0,
        Cost::Unpriced {} => !priced,
    };
    require(fits, "unknown is estimated or unpriced, never 0", shown)
}
