//! What a request's calls came to, judged by what their providers did and how much of it was read: the fate of each, and
//! the text that its caller must have got of all of them.

use signalbox::accounting::{Outcome, Row};

use crate::schedules::gateway;
use crate::schedules::refusals::{Hint, Scope};
use crate::schedules::schedule::{Continues, Fault, Schedule};
use crate::schedules::voice::Content;
use crate::schedules::world::{Seen, Transcript};

/// What became of a call.
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
    /// It was to go on with an answer and said something else.
    Differs,
    /// Nobody waited for it any longer.
    Silent,
    /// The caller had left.
    Left,
}

/// Where one call's text ends and another's begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Seam {
    pub call: usize,
    pub prefill: bool,
    /// Characters of text before it.
    pub offset: usize,
}

/// All calls of a request together.
#[derive(Debug, Default)]
pub struct Plot {
    pub fates: Vec<Fate>,
    /// The call whose content went out first.
    pub first: Option<usize>,
    /// The text that went out.
    pub told: String,
    pub seams: Vec<Seam>,
    /// What was not given to whoever was to go on, though it was told, or the other way round.
    pub misgiven: Option<String>,
    /// An event that could not be read was among what went out: what it held may be missing or have been restored.
    pub vague: bool,
}

impl Plot {
    pub fn of(schedule: &Schedule, transcript: &Transcript) -> Self {
        let mut plot = Self::default();
        for (at, call) in transcript.calls.iter().enumerate() {
            let fate = own_fate(transcript, at, call);
            let fate = match plot.first {
                Some(_) if schedule.stream => {
                    plot.goes_on(schedule, at, call, fate, is_entered_as_whole(transcript, at))
                }
                _ => fate,
            };
            if plot.first.is_none() && began(schedule, transcript, at, call, fate) {
                plot.first = Some(at);
                plot.told = text_read(call).text;
                plot.vague = call.said.garbage;
            }
            plot.fates.push(fate);
        }
        plot
    }

    /// A call that was to go on with an answer.
    fn goes_on(&mut self, schedule: &Schedule, at: usize, call: &Seen, fate: Fate, whole: bool) -> Fate {
        self.vague |= call.said.garbage;
        let before = self.told.clone();
        let came = text_read(call);
        let plain = came.thoughts.is_empty() && came.tools.is_empty();
        // A turn that failed has no end.
        let ends_at = call.said.finish_from.filter(|from| call.said.error_from != Some(*from));
        let finished = ends_at.is_some_and(|from| taken(call) >= from);
        let through = match &call.given {
            Some(given) => {
                if *given != before.trim_end() {
                    self.misgiven = Some(format!("{given:?} of {before:?}"));
                }
                let echoes = gateway::echoes(&schedule.candidates[call.candidate]);
                if finished || !is_held(given, &came.text, echoes) {
                    let new = came.text.get(call.said.repeated..).unwrap_or_default();
                    let space = &before[given.len().min(before.len())..];
                    let same =
                        space.chars().zip(new.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
                    self.told.push_str(&new[same..]);
                }
                plain
            }
            None if before.starts_with(&came.text) => plain && came.text.len() == before.len(),
            None if came.text.starts_with(&before) => {
                self.told = came.text;
                plain
            }
            None => return Fate::Differs,
        };
        let ends = fate == Fate::Answered;
        // Responses says at its end what an event held that could not be read: whether that was enough the ledger knows.
        let restored = plain && call.said.garbage && whole;
        if !plain || (finished && !through && !restored) {
            self.told = before;
            return Fate::Differs;
        }
        if ends || self.told.len() > before.len() {
            self.seams.push(Seam { call: at, prefill: call.given.is_some(), offset: before.chars().count() });
        }
        fate
    }

    /// Whether somebody may go on with what was told.
    pub fn may_go_on(schedule: &Schedule) -> bool {
        schedule.stream && schedule.continues != Continues::Off && !schedule.tools && !schedule.json
    }
}

fn is_entered_as_whole(transcript: &Transcript, at: usize) -> bool {
    let number = at as u32 + 1;
    transcript.rows.iter().any(|row| {
        matches!(row, Row::Settle { opened, settled } if opened.attempt == number && settled.outcome == Outcome::Completed)
    })
}

/// Whether a beginning of what goes on may yet turn out to repeat an end of what was given.
fn is_held(given: &str, came: &str, echoes: bool) -> bool {
    let ends = (0..given.len()).filter(|at| given.is_char_boundary(*at)).map(|at| &given[at..]);
    let mut counts = ends.enumerate().filter(|(at, end)| end.len() >= 16 || (*at == 0 && echoes));
    counts.any(|(_, end)| end.len() > came.len() && end.starts_with(came))
}

/// How far into its bytes a call's events were taken: an event counts when its blank line is there, or its connection has
/// ended, or its bytes were out already.
pub fn taken(call: &Seen) -> usize {
    if call.over || call.pumped || call.said.ends.is_empty() {
        return call.read;
    }
    call.said.ends.iter().rev().find(|end| **end <= call.read).copied().unwrap_or(0)
}

/// Whether the provider's counts were read.
pub fn counted(call: &Seen) -> bool {
    call.said.counted_from.is_some_and(|from| taken(call) >= from)
}

/// Whether a bound fell into the event with the counts: its last bytes came when the attempt was entered already.
pub fn stopped_in_counts(call: &Seen) -> bool {
    let (Some(from), Some(read)) = (call.said.counted_from, call.read_when_stopped) else { return false };
    let ends = &call.said.ends;
    let begins = ends.iter().rev().find(|end| **end < from).copied().unwrap_or(0);
    let closes = ends.iter().find(|end| **end >= from).copied().unwrap_or(from);
    !call.pumped && begins < read && read < closes
}

fn own_fate(transcript: &Transcript, at: usize, call: &Seen) -> Fate {
    let said = &call.said;
    let fault = call.plan.fault;
    let refused = Fate::Refused(said.scope.unwrap_or(Scope::Again), said.hint);
    let last = at + 1 == transcript.calls.len();
    let taken = taken(call);
    if fault == Fault::NoConnection && call.over {
        Fate::Unreached
    } else if matches!(fault, Fault::Refuses(_)) && call.head_at.is_some()
        || said.error_from.is_some_and(|from| taken >= from && taken > 0)
    {
        refused
    } else if said.complete_from.is_some_and(|from| taken >= from) {
        Fate::Answered
    } else if call.over {
        Fate::Broken
    } else if last && (transcript.gone.is_some() || transcript.killed.is_some()) {
        Fate::Left
    } else {
        Fate::Silent
    }
}

/// Whether content of a call went out. The status line says so, where it went out with it.
fn began(schedule: &Schedule, transcript: &Transcript, at: usize, call: &Seen, fate: Fate) -> bool {
    if !schedule.stream || transcript.head.as_ref().is_none_or(|head| head.status != 200) {
        return false;
    }
    match transcript.header("x-signalbox-attempts") {
        Some(attempts) if transcript.header("x-signalbox-model").is_some() => attempts.split(',').count() == at + 1,
        _ if !super::caller::held(schedule) => fate == Fate::Answered || began_to_be_read(call),
        _ if fate == Fate::Answered => !super::caller::unsound(schedule, call),
        _ => !schedule.json && !before_calls(call).is_empty(),
    }
}

/// Whether some read brought content and nothing that stops it.
pub fn began_to_be_read(call: &Seen) -> bool {
    let said = &call.said;
    call.reads.iter().any(|read| {
        let closed = said.ends.iter().rposition(|end| end <= read);
        // An error counts with the blank line behind it.
        closed.is_some_and(|at| !said.marks[at].1.is_empty() && said.error_from.is_none_or(|from| said.ends[at] < from))
    })
}

/// The content that had come, and could go out, before a read that brought the beginning of a call.
pub fn before_calls(call: &Seen) -> Content {
    before(call, call.said.error_from).unwrap_or_default()
}

/// Whether content, or the end of an answer without any, went out before a read that brought the beginning of a call or
/// completed the answer.
pub fn text_went_out(call: &Seen) -> bool {
    let said = &call.said;
    before(call, said.error_from.into_iter().chain(said.complete_from).min()).is_some()
}

/// The content of the reads before `stop` that had brought no call: none, if an event could not be read before there was any.
fn before(call: &Seen, stop: Option<usize>) -> Option<Content> {
    let said = &call.said;
    let content = |read: &usize| said.ends.iter().rposition(|end| end <= read).map(|at| &said.marks[at].1);
    let reads = call.reads.iter().filter(|read| stop.is_none_or(|from| **read < from));
    let read = reads.filter_map(|read| Some((read, content(read)?)));
    let finished = said.finish_from.and_then(|from| said.ends.iter().find(|end| **end > from));
    let nothing = |read: usize, content: &Content| content.is_empty() && finished.is_none_or(|end| read < *end);
    let mut read =
        read.take_while(|(_, content)| content.tools.is_empty()).skip_while(|(read, content)| nothing(**read, content));
    let (first, begun) = read.next()?;
    let in_time = said.gap_from.is_none_or(|gap| *first < gap);
    in_time.then(|| read.last().map_or(begun, |(_, content)| content).clone())
}

/// The content of all events that were taken.
pub fn text_read(call: &Seen) -> Content {
    super::content_in(call, taken(call))
}

/// All content that it would have had.
pub fn content_of(call: &Seen) -> Content {
    call.said.marks.last().map(|(_, content)| content.clone()).unwrap_or_default()
}
