//! Invariant 2: each token at most once, in order, and one honest end.

use signalbox::dialect::Dialect;

use super::{content_in, content_of, fate, fault, require, Fate};
use crate::schedules::ear::{self, Heard};
use crate::schedules::gateway;
use crate::schedules::schedule::{Fault, Schedule};
use crate::schedules::voice::Content;
use crate::schedules::world::{End, Seen, Transcript};
use crate::schedules::Finding;

pub fn check(schedule: &Schedule, transcript: &Transcript) -> Result<(), Finding> {
    let body = transcript.body();
    let shown = || String::from_utf8_lossy(&body).into_owned();
    let status = transcript.head.as_ref().map_or(0, |head| head.status);
    match transcript.end {
        End::Nothing | End::Open => {
            require(transcript.gone, "every caller gets an end", || format!("{:?}: {}", transcript.end, shown()))?;
            if transcript.end == End::Open {
                let heard = stream(schedule, &body)?;
                content_is_one_providers(transcript, &heard)?;
            }
            Ok(())
        }
        End::Whole if status == 200 => {
            require(!schedule.stream, "a stream that was asked for comes as a stream", shown)?;
            let heard =
                ear::whole(schedule.caller, &body).map_err(|what| Finding { rule: "bytes are the dialect's", what })?;
            let last = last(transcript)?;
            complete(schedule, transcript, last, &heard)
        }
        End::Whole => refused(schedule, transcript, status, &body),
        End::Closed | End::Aborted => {
            require(schedule.stream && status == 200, "a stream has status 200", || format!("{status}: {}", shown()))?;
            streamed(schedule, transcript, &body)
        }
    }
}

fn stream(schedule: &Schedule, body: &[u8]) -> Result<Heard, Finding> {
    let as_array = schedule.as_array && schedule.caller == Dialect::Gemini;
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

fn streamed(schedule: &Schedule, transcript: &Transcript, body: &[u8]) -> Result<(), Finding> {
    let heard = stream(schedule, body)?;
    let shown = || String::from_utf8_lossy(body).into_owned();
    let last = last(transcript)?;
    let came = fate(schedule, transcript, last);
    content_is_one_providers(transcript, &heard)?;
    untouched(transcript, last, body)?;
    let own = heard.contradiction.clone().filter(|_| !last.said.garbage);
    require(own.is_none(), "the end repeats what was said", || format!("{own:?}"))?;
    require(heard.unreadable == 0 || (last.said.garbage && last.pumped), "events can be read", shown)?;
    require(!(heard.complete && heard.error.is_some()), "one end", shown)?;
    if transcript.end == End::Aborted {
        require(heard.partial && last.pumped, "a transport error stands for half an event", shown)?;
        require(!heard.complete && heard.error.is_none(), "one end", shown)?;
        return require(came != Fate::Answered, "a whole answer arrives", shown);
    }
    if !transcript.gone {
        require(!heard.partial, "a stream that is closed stops between events", shown)?;
        require(heard.complete || heard.error.is_some(), "a cut answer does not look complete", shown)?;
    }
    if heard.complete {
        return complete(schedule, transcript, last, &heard);
    }
    require(transcript.gone || came != Fate::Answered, "a whole answer arrives", shown)?;
    // What came went out before the error did.
    let turned_down = fault(schedule, last) == Fault::FailedTurn;
    if !transcript.gone && !heard.content.is_empty() && !last.said.garbage && !turned_down {
        let all = content_in(last, last.read);
        require(heard.content.text == all.text, "nothing that came is kept back", || {
            format!("{all:?} in\n{}", shown())
        })?;
    }
    Ok(())
}

/// Nothing twice, nothing lost, nothing of two answers.
fn content_is_one_providers(transcript: &Transcript, heard: &Heard) -> Result<(), Finding> {
    if heard.content.is_empty() {
        return Ok(());
    }
    let whole = content_of(last(transcript)?);
    let holds = heard.content.begins(&whole) || restored(last(transcript)?, &heard.content);
    require(holds, "each token at most once, in order, of the last provider that was called", || {
        format!("{:?}\nis no beginning of\n{whole:?}", heard.content)
    })
}

/// Responses says everything twice: what a broken event took away can be known from its end.
fn restored(call: &Seen, heard: &Content) -> bool {
    let whole = content_of(call);
    call.said.garbage && heard.tools.len() <= whole.tools.len() && subsequence(&whole.text, &heard.text)
}

fn subsequence(short: &str, long: &str) -> bool {
    let mut rest = long.chars();
    short.chars().all(|c| rest.any(|other| other == c))
}

/// A stream that passes untouched is the provider's, byte for byte, up to its end or our error.
fn untouched(transcript: &Transcript, last: &Seen, body: &[u8]) -> Result<(), Finding> {
    if !last.pumped {
        return Ok(());
    }
    let said = &last.said.bytes;
    let same = body.iter().zip(said).take_while(|(a, b)| a == b).count();
    // Our error may begin like the provider's next event.
    let same = if same == body.len().min(said.len()) {
        same
    } else {
        body[..same].iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
    };
    let rest = &body[same..];
    let ours = rest.iter().all(|b| *b == b'\n')
        || rest.starts_with(b"event: error\n")
        || rest.starts_with(b"data: {\"error\"");
    require(ours, "an untouched stream keeps its bytes", || String::from_utf8_lossy(body).into_owned())?;
    let cut_off = same < said.len() && rest.is_empty() && transcript.end == End::Closed && !transcript.gone;
    require(!cut_off || last.aborted_at.is_some(), "an untouched stream keeps its bytes", || {
        format!("{same} of {}", said.len())
    })
}

fn complete(schedule: &Schedule, transcript: &Transcript, last: &Seen, heard: &Heard) -> Result<(), Finding> {
    let came = fate(schedule, transcript, last);
    require(came == Fate::Answered, "a cut answer does not look complete", || format!("{came:?}, {heard:?}"))?;
    let whole = content_of(last);
    let is = heard.content.is(&whole) || restored(last, &heard.content);
    require(is, "a complete answer has all its tokens", || format!("{:?}\ninstead of\n{whole:?}", heard.content))?;
    let answer = answer_of(schedule, last);
    let (finish, tools) = (heard.finish.as_deref(), !whole.tools.is_empty());
    let expected = if answer.cut_short {
        "length"
    } else if tools {
        "tool"
    } else {
        "stop"
    };
    require(finish == Some(expected), "the end says why", || format!("{finish:?} instead of {expected:?}"))?;
    usage(schedule, last, heard)?;
    told(schedule, transcript, last, heard)
}

fn answer_of<'s>(schedule: &'s Schedule, call: &Seen) -> &'s crate::schedules::schedule::Answer {
    let calls = &schedule.candidates[call.candidate].calls;
    &calls[call.nth.min(calls.len() - 1)].answer
}

fn usage(schedule: &Schedule, last: &Seen, heard: &Heard) -> Result<(), Finding> {
    let counts = last.said.counts;
    let counted = last.said.counted_from.is_some_and(|from| last.read >= from);
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
    let expected = (counts.input, counts.output + counts.reasoning);
    let same = heard.usage.is_none_or(|usage| usage == expected) || !counted;
    require(same, "usage is what the provider counted", || format!("{:?} instead of {expected:?}", heard.usage))
}

/// Model and attempts, in the headers or, where those were out already, in the last event.
fn told(schedule: &Schedule, transcript: &Transcript, last: &Seen, heard: &Heard) -> Result<(), Finding> {
    let names: Vec<String> = transcript
        .calls
        .iter()
        .map(|call| gateway::name(&schedule.candidates[call.candidate], call.candidate))
        .collect();
    let name = &names[names.len() - 1];
    let rule = "the caller is told who answered";
    match transcript.header("x-signalbox-model") {
        Some(model) => {
            require(model == name, rule, || format!("{model} instead of {name}"))?;
            let attempts: Vec<&str> =
                transcript.header("x-signalbox-attempts").unwrap_or_default().split(',').collect();
            let same = attempts.len() == names.len()
                && attempts.iter().zip(&names).all(|(told, name)| told.starts_with(&format!("{name}:")))
                && attempts.last().is_some_and(|told| told.ends_with(":200"));
            require(same, rule, || format!("{attempts:?} instead of {names:?}"))
        }
        None => {
            let member = heard.member.as_ref();
            let model = member.and_then(|member| member["model"].as_str());
            let attempts = member.and_then(|member| member["attempts"].as_array()).map_or(0, Vec::len);
            let same = model == Some(name.as_str()) && attempts == names.len();
            require(same, rule, || format!("{member:?} instead of {names:?}, faults {:?}", fault(schedule, last)))
        }
    }
}

/// An error in place of an answer.
fn refused(schedule: &Schedule, transcript: &Transcript, status: u16, body: &[u8]) -> Result<(), Finding> {
    let rule = "an error is the dialect's and says whether to come back";
    require((400..600).contains(&status), rule, || format!("status {status}"))?;
    ear::error(schedule.caller, body).map_err(|what| Finding { rule, what })?;
    let retry = transcript.header("x-should-retry");
    let when = transcript.header("retry-after");
    require(retry == Some("false") || (retry == Some("true") && when.is_some()), rule, || {
        format!("{retry:?}, {when:?}")
    })?;
    if let Some(last) = transcript.calls.last() {
        let came = fate(schedule, transcript, last);
        require(came != Fate::Answered, "a whole answer arrives", || {
            format!("status {status} after {came:?} of {:?}: {}", fault(schedule, last), String::from_utf8_lossy(body))
        })?;
        let leaks = String::from_utf8_lossy(body).contains("<html");
        require(!leaks, rule, || String::from_utf8_lossy(body).into_owned())?;
    }
    require(fault_free(schedule).is_none(), "who could answer is asked", || String::from_utf8_lossy(body).into_owned())
}

/// A lone candidate without any fault, for a caller who waits: the answer must come.
fn fault_free(schedule: &Schedule) -> Option<()> {
    let sound =
        schedule.candidates.iter().all(|c| c.calls.iter().all(|call| call.fault == Fault::None && call.pace_ms < 100));
    (sound && schedule.jumps.is_empty() && schedule.reads_slowly == 0).then_some(())
}
