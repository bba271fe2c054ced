//! Invariant 2: each token at most once, in order, and one honest end.

use signalbox::dialect::Dialect;

use signalbox::accounting::Row;

use super::plot::{before_calls, content_of, counted, stopped_in_counts, text_read, text_went_out, Fate, Plot};
use super::require;
use crate::schedules::ear::{self, Heard};
use crate::schedules::gateway;
use crate::schedules::schedule::{Fault, Schedule};
use crate::schedules::voice::Content;
use crate::schedules::world::{End, Seen, Transcript};
use crate::schedules::Finding;

pub fn check(schedule: &Schedule, transcript: &Transcript, plot: &Plot) -> Result<(), Finding> {
    let body = transcript.body();
    let shown = || String::from_utf8_lossy(&body).into_owned();
    let status = transcript.head.as_ref().map_or(0, |head| head.status);
    match transcript.end {
        End::Nothing | End::Open => {
            let left = transcript.gone.is_some() || transcript.killed.is_some();
            require(left, "every caller gets an end", || format!("{:?}: {}", transcript.end, shown()))?;
            if transcript.end == End::Open {
                let heard = stream(schedule, &body)?;
                content_is_what_was_told(schedule, transcript, plot, &heard)?;
            }
            Ok(())
        }
        End::Whole if status == 200 => {
            require(!schedule.stream, "a stream that was asked for comes as a stream", shown)?;
            let heard =
                ear::whole(schedule.caller, &body).map_err(|what| Finding { rule: "bytes are the dialect's", what })?;
            let last = last(transcript)?;
            complete(schedule, transcript, plot, last, &heard)
        }
        End::Whole => refused(schedule, transcript, plot, status, &body),
        End::Closed | End::Aborted => {
            require(schedule.stream && status == 200, "a stream has status 200", || format!("{status}: {}", shown()))?;
            streamed(schedule, transcript, plot, &body)
        }
    }
}

/// What a client makes of a stream. An answer that is kept is kept as events, and laid out for each reader.
fn stream(schedule: &Schedule, body: &[u8]) -> Result<Heard, Finding> {
    let as_array = schedule.as_array && schedule.caller == Dialect::Gemini && schedule.kept.is_none();
    ear::stream(schedule.caller, as_array, body).map_err(|what| Finding {
        rule: "bytes are the dialect's",
        what: format!("{what}\n{}", String::from_utf8_lossy(body)),
    })
}

fn last(transcript: &Transcript) -> Result<&Seen, Finding> {
    transcript
        .calls
        .last()
        .ok_or_else(|| Finding { rule: "answers come from providers", what: "nobody was called".into() })
}

fn streamed(schedule: &Schedule, transcript: &Transcript, plot: &Plot, body: &[u8]) -> Result<(), Finding> {
    let heard = stream(schedule, body)?;
    let shown = || String::from_utf8_lossy(body).into_owned();
    let last = last(transcript)?;
    let came = plot.fates.last().copied();
    let alone = transcript.gone.is_some() || transcript.killed.is_some();
    content_is_what_was_told(schedule, transcript, plot, &heard)?;
    untouched(transcript, plot, body)?;
    let own = heard.contradiction.clone().filter(|_| !plot.vague && !last.said.garbage);
    require(own.is_none(), "the end repeats what was said", || format!("{own:?}"))?;
    let garbage_passes = transcript.calls.iter().any(|call| call.said.garbage && call.pumped);
    require(heard.unreadable == 0 || garbage_passes, "events can be read", shown)?;
    require(!(heard.complete && heard.error.is_some()), "one end", shown)?;
    if transcript.end == End::Aborted {
        require(heard.partial && last.pumped, "a transport error stands for half an event", shown)?;
        require(!heard.complete && heard.error.is_none(), "one end", shown)?;
        return require(came != Some(Fate::Answered), "a whole answer arrives", shown);
    }
    if !alone {
        require(!heard.partial, "a stream that is closed stops between events", shown)?;
        require(heard.complete || heard.error.is_some(), "a cut answer does not look complete", shown)?;
    }
    if heard.complete {
        return complete(schedule, transcript, plot, last, &heard);
    }
    require(alone || came != Some(Fate::Answered) || unsound(schedule, last), "a whole answer arrives", shown)?;
    if alone || heard.content.is_empty() || plot.vague || last.said.garbage || last.plan.fault == Fault::FailedTurn {
        return Ok(());
    }
    // What came went out before the error did.
    let (rule, all) = match (plot.first, held(schedule)) {
        (Some(first), true) => {
            ("what is held back goes out whole", text_before_calls(schedule, &transcript.calls[first]))
        }
        (Some(first), false) if plot.seams.is_empty() && first + 1 == transcript.calls.len() => {
            ("nothing that came is kept back", text_read(last).text)
        }
        _ => ("nothing that was told is kept back", plot.told.clone()),
    };
    require(heard.content.text == all, rule, || format!("{all:?} in\n{}", shown()))
}

/// Whether calls and documents are held back until they are whole.
pub fn held(schedule: &Schedule) -> bool {
    schedule.holds_back && schedule.stream && (schedule.tools || schedule.json)
}

/// Whether an answer is whole in its dialect, but not the JSON that it should be or not to be read in one of its events, and
/// that was to be seen.
pub fn unsound(schedule: &Schedule, call: &Seen) -> bool {
    let said = &call.said;
    let whole = said.gap_from.is_none() && (!said.unsound || said.cut_short);
    held(schedule) && !whole && (schedule.json || !text_went_out(call))
}

/// What of an answer that is held back and was not whole went out.
fn text_before_calls(schedule: &Schedule, call: &Seen) -> String {
    let all = text_read(call);
    match (schedule.json, all.tools.is_empty()) {
        (true, _) => String::new(),
        (false, true) => all.text,
        (false, false) => before_calls(call).text,
    }
}

/// Nothing twice, nothing lost, nothing of two answers but where one goes on with the other.
fn content_is_what_was_told(
    schedule: &Schedule,
    transcript: &Transcript,
    plot: &Plot,
    heard: &Heard,
) -> Result<(), Finding> {
    require(plot.misgiven.is_none(), "who goes on is given what was told", || format!("{:?}", plot.misgiven))?;
    if heard.content.is_empty() {
        return Ok(());
    }
    let rule = "each token at most once, in order, of the last provider that was called";
    let goes_on = plot.first.is_some_and(|first| first + 1 < transcript.calls.len());
    let mut whole = content_of(last(transcript)?);
    if goes_on {
        require(Plot::may_go_on(schedule), "only plain text is gone on with", || format!("{:?}", heard.content))?;
        whole = Content { text: plot.told.clone(), ..Content::default() };
    }
    let mut calls = transcript.calls.iter().skip(plot.first.unwrap_or(0));
    let restored = calls.any(|call| call.said.garbage) && restored(&whole, heard);
    require(heard.content.begins(&whole) || restored, rule, || {
        format!("{:?}\nis no beginning of\n{whole:?}", heard.content)
    })
}

/// Responses says everything twice: what a broken event took away can be known from its end.
fn restored(whole: &Content, heard: &Heard) -> bool {
    let heard = &heard.content;
    heard.tools.len() <= whole.tools.len() && subsequence(&whole.text, &heard.text)
}

fn subsequence(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    short.chars().all(|c| rest.any(|other| other == c))
}

/// A stream that passes untouched is the provider's, byte for byte, up to its end, our error, or what goes on with it.
fn untouched(transcript: &Transcript, plot: &Plot, body: &[u8]) -> Result<(), Finding> {
    let Some(first) = plot.first.map(|at| (at, &transcript.calls[at])).filter(|(_, call)| call.pumped) else {
        return Ok(());
    };
    let (at, call) = first;
    let rule = "an untouched stream keeps its bytes";
    let said = &call.said.bytes;
    let same = body.iter().zip(said).take_while(|(a, b)| a == b).count();
    let ours = |same: usize| {
        let rest = &body[same..];
        rest.iter().all(|b| *b == b'\n')
            || rest.starts_with(b"event: error\n")
            || rest.starts_with(b"data: {\"error\"")
            || (body[..same].ends_with(b"event: error\n") && rest.starts_with(b"data: {\"type\":\"error\""))
    };
    // Our error may begin like the provider's next event, or like the half of one that did not come through.
    let line = || body[..same].iter().rposition(|b| matches!(b, b'\n' | b'\r')).map_or(0, |at| at + 1);
    let whole = same == body.len().min(said.len());
    let same = if whole && (same == body.len() || ours(same)) { same } else { line() };
    let rest = &body[same..];
    if at + 1 < transcript.calls.len() {
        // Who goes on writes events of the caller's dialect.
        let all = call.said.ends.iter().rev().find(|end| **end <= call.read).is_none_or(|end| same >= *end);
        return require(all, rule, || String::from_utf8_lossy(body).into_owned());
    }
    require(ours(same), rule, || String::from_utf8_lossy(body).into_owned())?;
    let cut_off = same < said.len() && rest.is_empty() && transcript.end == End::Closed && transcript.gone.is_none();
    require(!cut_off || call.aborted_at.is_some(), rule, || format!("{same} of {}", said.len()))
}

fn complete(
    schedule: &Schedule,
    transcript: &Transcript,
    plot: &Plot,
    last: &Seen,
    heard: &Heard,
) -> Result<(), Finding> {
    let came = plot.fates.last();
    require(came == Some(&Fate::Answered), "a cut answer does not look complete", || format!("{came:?}, {heard:?}"))?;
    require(!unsound(schedule, last), "what is no JSON is not told", || format!("{heard:?}"))?;
    let mut whole = content_of(last);
    if !plot.seams.is_empty() {
        whole = Content { text: plot.told.clone(), ..Content::default() };
    }
    let is = heard.content.is(&whole) || ((plot.vague || last.said.garbage) && restored(&whole, heard));
    require(is, "a complete answer has all its tokens", || format!("{:?}\ninstead of\n{whole:?}", heard.content))?;
    let (finish, tools) = (heard.finish.as_deref(), !whole.tools.is_empty());
    let expected = if last.said.cut_short {
        "length"
    } else if tools {
        "tool"
    } else {
        "stop"
    };
    require(finish == Some(expected), "the end says why", || format!("{finish:?} instead of {expected:?}"))?;
    usage(schedule, transcript, plot, last, heard)?;
    told(schedule, transcript, plot, last, heard)
}

fn usage(schedule: &Schedule, transcript: &Transcript, plot: &Plot, last: &Seen, heard: &Heard) -> Result<(), Finding> {
    let counts = last.said.counts;
    let counted = counted(last) && !stopped_in_counts(last);
    let (at_least, at_most) = match (schedule.caller, schedule.stream) {
        (Dialect::OpenAiChat, true) => {
            // An explanation comes on a usage chunk.
            let explains = schedule.explains || heard.member.is_some();
            (usize::from(schedule.asks_usage), usize::from(schedule.asks_usage || explains))
        }
        (Dialect::AnthropicMessages, _) => (1, 1),
        _ => (usize::from(counted), 1),
    };
    let fits = (at_least..=at_most).contains(&heard.usages);
    require(fits, "usage arrives once", || format!("{} times, {at_least} to {at_most} expected", heard.usages))?;
    let expected =
        if plot.seams.is_empty() { (counts.input, counts.output + counts.reasoning) } else { of_all(transcript, plot) };
    let same = heard.usage.is_none_or(|usage| usage == expected) || !counted;
    require(same, "usage is what the provider counted", || format!("{:?} instead of {expected:?}", heard.usage))
}

/// Prompt and completion of all calls whose text the caller got, as the ledger has them.
fn of_all(transcript: &Transcript, plot: &Plot) -> (u64, u64) {
    let heard = |attempt: usize| {
        let at = attempt - 1;
        let answered = plot.fates.get(at) == Some(&Fate::Answered);
        plot.first <= Some(at) && (plot.first == Some(at) || answered || !text_read(&transcript.calls[at]).is_empty())
    };
    let settled = transcript.rows.iter().filter_map(|row| match row {
        Row::Settle { opened, settled } if heard(opened.attempt as usize) => Some(settled.usage),
        _ => None,
    });
    settled.fold((0, 0), |(prompt, completion), usage| {
        (prompt + usage.prompt_tokens(), completion + usage.completion_tokens())
    })
}

/// Model and attempts, in the headers or, where those were out already, in the last event.
fn told(schedule: &Schedule, transcript: &Transcript, plot: &Plot, last: &Seen, heard: &Heard) -> Result<(), Finding> {
    let all: Vec<String> = transcript
        .calls
        .iter()
        .map(|call| gateway::name(&schedule.candidates[call.candidate], call.candidate))
        .collect();
    // The headers went out with the first content.
    let names = &all[..=plot.first.unwrap_or(all.len() - 1)];
    let name = &names[names.len() - 1];
    let rule = "the caller is told who answered";
    seams(schedule, transcript, plot, heard)?;
    match transcript.header("x-signalbox-model") {
        Some(model) => {
            require(model == name, rule, || format!("{model} instead of {name}"))?;
            let attempts: Vec<&str> =
                transcript.header("x-signalbox-attempts").unwrap_or_default().split(',').collect();
            let same = attempts.len() == names.len()
                && attempts.iter().zip(names).all(|(told, name)| told.starts_with(&format!("{name}:")))
                && attempts.last().is_some_and(|told| told.ends_with(":200"));
            require(same, rule, || format!("{attempts:?} instead of {names:?}"))
        }
        None => {
            let member = heard.member.as_ref();
            let model = member.and_then(|member| member["model"].as_str());
            let attempts = member.and_then(|member| member["attempts"].as_array()).map_or(0, Vec::len);
            let same = model == Some(name.as_str()) && attempts == all.len() + transcript.outrun.len();
            require(same, rule, || format!("{member:?} instead of {names:?}, faults {:?}", last.plan.fault))
        }
    }
}

/// Where calls met stands in the last event.
fn seams(schedule: &Schedule, transcript: &Transcript, plot: &Plot, heard: &Heard) -> Result<(), Finding> {
    if plot.vague {
        return Ok(());
    }
    let expected: Vec<serde_json::Value> = plot
        .seams
        .iter()
        .map(|seam| {
            let candidate = transcript.calls[seam.call].candidate;
            let name = gateway::name(&schedule.candidates[candidate], candidate);
            let mode = if seam.prefill { "prefill" } else { "restart" };
            serde_json::json!({ "candidate": name, "mode": mode, "offset": seam.offset })
        })
        .collect();
    let told = heard.member.as_ref().and_then(|member| member["seams"].as_array()).cloned().unwrap_or_default();
    require(told == expected, "the seams are told", || format!("{told:?} instead of {expected:?}"))
}

/// An error in place of an answer.
fn refused(schedule: &Schedule, transcript: &Transcript, plot: &Plot, status: u16, body: &[u8]) -> Result<(), Finding> {
    let rule = "an error is the dialect's and says whether to come back";
    require((400..600).contains(&status), rule, || format!("status {status}"))?;
    ear::error(schedule.caller, body).map_err(|what| Finding { rule, what })?;
    let retry = transcript.header("x-should-retry");
    let when = transcript.header("retry-after");
    require(retry == Some("false") || (retry == Some("true") && when.is_some()), rule, || {
        format!("{retry:?}, {when:?}")
    })?;
    if let Some(last) = transcript.calls.last() {
        let came = plot.fates.last();
        require(came != Some(&Fate::Answered) || unsound(schedule, last), "a whole answer arrives", || {
            format!("status {status} after {came:?} of {:?}: {}", last.plan.fault, String::from_utf8_lossy(body))
        })?;
        let leaks = String::from_utf8_lossy(body).contains("<html");
        require(!leaks, rule, || String::from_utf8_lossy(body).into_owned())?;
    }
    require(fault_free(schedule, transcript).is_none(), "who could answer is asked", || {
        String::from_utf8_lossy(body).into_owned()
    })
}

/// A lone candidate without any fault, for a caller who waits: the answer must come.
fn fault_free(schedule: &Schedule, transcript: &Transcript) -> Option<()> {
    let plans = transcript.calls.iter().map(|call| &call.plan);
    let sound = plans.into_iter().all(|call| call.fault == Fault::None && call.pace_ms < 100 && !call.answer.unsound);
    (sound && schedule.jumps.is_empty() && schedule.reads_slowly == 0).then_some(())
}
