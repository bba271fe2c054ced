//! Schedules of everything that can go wrong between a caller and its providers: a few thousand of them here, a million by
//! `npm run simulate -- --schedules 1000000 --seed 1`. What was once found wrong has a test of its own below, and every rule
//! is broken once on purpose. Read `schedules/mod.rs` first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // test helpers

mod schedules;
mod support;

use std::cell::RefCell;

use signalbox::accounting::{Cost, Row};
use signalbox::dialect::Dialect;
use signalbox::dialect::Dialect::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};

use schedules::check::verdict;
use schedules::schedule::{Answer, Call, Candidate, Continues, Fault, Jump, Kept, Outage, Reader, Schedule, Split};
use schedules::voice::{say, Asked};
use schedules::world::{End, Transcript};
use schedules::{Stage, Tally};

#[test]
fn any_schedule_keeps_the_invariants() {
    let mut stage = Stage::new();
    let mut tally = Tally::default();
    for seed in 0..3_000 {
        let schedule = Schedule::draw(seed);
        let transcript = stage.play(&schedule);
        tally.add(&schedule, &transcript);
        if let Err(finding) = verdict(&schedule, &transcript) {
            let least = stage.shrink(&schedule, finding.rule);
            let finding = stage.judge(&least).unwrap_err();
            panic!("seed {seed}: {}\n{}\n{least:#?}", finding.rule, finding.what);
        }
    }
    let often = [tally.rescued, tally.refused, tally.broken, tally.gone, tally.pumped, tally.readers, tally.held];
    assert!(often.iter().all(|times| *times > 100), "the schedules must bring every kind of end: {tally}");
    let seldom =
        [tally.restarted, tally.prefilled, tally.drained, tally.killed, tally.deleted, tally.passed_over, tally.hedged];
    assert!(seldom.iter().all(|times| *times > 0), "the schedules must bring every kind of end: {tally}");
}

#[test]
fn a_seed_brings_the_same_schedule_and_the_same_end() {
    let mut stage = Stage::new();
    for seed in [3, 77, 4_711] {
        let schedule = Schedule::draw(seed);
        assert_eq!(schedule, Schedule::draw(seed));
        for (one, other) in stage.play(&schedule).iter().zip(stage.play(&schedule)) {
            assert_eq!((&one.writes, &one.rows), (&other.writes, &other.rows));
        }
    }
}

/// The gateway of one test's schedules: its configuration is read once.
fn on_stage<T>(act: impl FnOnce(&mut Stage) -> T) -> T {
    thread_local! {
        static STAGE: RefCell<Stage> = RefCell::new(Stage::new());
    }
    STAGE.with(|stage| act(&mut stage.borrow_mut()))
}

/// A schedule that was once found to break a rule.
fn keeps(schedule: &Schedule) {
    if let Err(finding) = on_stage(|stage| stage.judge(schedule)) {
        panic!("{}\n{}", finding.rule, finding.what);
    }
}

#[test]
fn the_last_event_counts_without_its_blank_line_however_it_is_laid_out() {
    for (caller, as_array, clean) in
        [(Gemini, true, false), (Gemini, true, true), (Gemini, false, false), (OpenAiChat, false, true)]
    {
        for at in 900..1_000 {
            let cut = Call::fails(Fault::Cuts { at, clean });
            keeps(&Schedule { as_array, ..Schedule::plain(caller, vec![Candidate::with(caller, vec![cut])]) });
        }
    }
}

#[test]
fn what_went_by_between_two_looks_is_no_silence() {
    let slow = Call { pace_ms: 250, fault: Fault::StaysOpen, split: Split::Bytes(100), ..Call::PLAIN };
    for policy in [1, 3] {
        let candidates =
            vec![Candidate::with(AnthropicMessages, vec![slow.clone()]), Candidate::plain(AnthropicMessages)];
        keeps(&Schedule { policy, ..Schedule::plain(AnthropicMessages, candidates) });
    }
}

#[test]
fn a_comment_behind_the_usage_event_changes_nothing_of_the_end() {
    for caller in [OpenAiChat, AnthropicMessages, Gemini] {
        let call = Call { comments: true, ..Call::PLAIN };
        let explained = Schedule::plain(caller, vec![Candidate::with(caller, vec![call])]);
        keeps(&Schedule { explains: true, ..explained.clone() });
        keeps(&explained);
    }
}

#[test]
fn half_an_event_without_a_payload_is_no_event() {
    for at in 400..700 {
        let cut = Call::fails(Fault::Cuts { at, clean: true });
        keeps(&Schedule::plain(OpenAiResponses, vec![Candidate::with(OpenAiResponses, vec![cut])]));
    }
}

#[test]
fn an_empty_answer_on_a_connection_that_stays_open_is_an_answer() {
    let answer = Answer { words: 0, ..Answer::PLAIN };
    let open = Call { answer, fault: Fault::StaysOpen, ..Call::PLAIN };
    keeps(&Schedule::plain(Gemini, vec![Candidate::with(Gemini, vec![open]), Candidate::plain(Gemini)]));
}

#[test]
fn a_clock_that_steps_back_writes_nothing_beside_the_pump() {
    let call = Call { fault: Fault::Stalls(542), split: Split::Bytes(100), ..Call::PLAIN };
    for nth in 0..40 {
        let candidates = vec![Candidate::with(Gemini, vec![call.clone()])];
        keeps(&Schedule {
            jumps: vec![(nth, Jump::Step(60_000)), (nth + 1, Jump::Step(-2_000))],
            ..Schedule::plain(Gemini, candidates)
        });
    }
}

/// A stream of chat's with these events lost at its end.
fn cut(at: usize) -> Call {
    Call::fails(Fault::Cuts { at, clean: false })
}

/// A caller who wants its answer gone on with.
fn going_on(continues: Continues, candidates: Vec<Candidate>) -> Schedule {
    Schedule { continues, ..Schedule::plain(candidates[0].speaks, candidates) }
}

#[test]
fn who_was_called_before_is_retried_within_the_budget_whoever_was_called_in_between() {
    for candidates in [[Gemini, AnthropicMessages], [OpenAiChat, Gemini]] {
        let candidates = candidates.map(|speaks| Candidate::with(speaks, vec![cut(600)])).to_vec();
        keeps(&Schedule { no_budget: true, ..going_on(Continues::Restart, candidates) });
    }
}

#[test]
fn an_answer_that_came_out_different_is_charged() {
    for speaks in schedules::schedule::DIALECTS {
        let other = Answer { words: 0, ..Answer::PLAIN };
        let calls = vec![cut(700), Call { answer: other, ..Call::PLAIN }];
        keeps(&going_on(Continues::Restart, vec![Candidate::with(speaks, calls)]));
    }
}

#[test]
fn a_turn_that_fails_where_it_was_to_go_on_is_followed_by_no_answer_from_the_beginning() {
    let failing = Call { answer: Answer { words: 0, ..Answer::PLAIN }, ..Call::fails(Fault::FailedTurn) };
    let same = Call { answer: Answer { words: 1, ends_with_words: true, ..Answer::PLAIN }, ..failing.clone() };
    let exact = Candidate { account: 2, ..Candidate::with(Gemini, vec![failing]) };
    for caller in [OpenAiChat, Gemini, OpenAiResponses] {
        for at in [293, 456, 774] {
            let stalls = Candidate::with(Gemini, vec![Call::fails(Fault::Stalls(at)), same.clone()]);
            for continues in [Continues::Auto, Continues::Restart, Continues::Prefill] {
                let candidates = vec![stalls.clone(), exact.clone(), Candidate::plain(caller)];
                keeps(&Schedule { continues, ..Schedule::plain(caller, candidates) });
            }
        }
    }
}

#[test]
fn words_that_come_with_the_failure_of_a_turn_that_goes_on_are_told_of() {
    let failing = Call { split: Split::Whole, ..Call::fails(Fault::FailedTurn) };
    for caller in [Gemini, OpenAiChat, AnthropicMessages] {
        for at in [250, 450, 650] {
            let candidates = [cut(at), failing.clone(), Call::PLAIN].map(|call| Candidate::with(Gemini, vec![call]));
            keeps(&Schedule { continues: Continues::Restart, ..Schedule::plain(caller, candidates.to_vec()) });
        }
    }
}

/// Three requests to a model that is down and was cut once, and says something else when it is to begin anew.
#[test]
fn who_says_something_else_when_asked_again_is_not_taken_for_broken() {
    /// OpenAI's row of the refusals: 500.
    const BROKEN: usize = 17;
    let empty = Call { answer: Answer { words: 0, ..Answer::PLAIN }, ..Call::PLAIN };
    let candidates = vec![Candidate::with(OpenAiChat, vec![cut(267), empty]), Candidate::plain(OpenAiChat)];
    let later = |after| (after, Schedule::plain(OpenAiChat, vec![Candidate::plain(OpenAiChat); 2]));
    let outages = vec![Outage { speaks: OpenAiChat, account: 0, during: (635, 10_635), fault: Fault::Refuses(BROKEN) }];
    let beside = vec![later(1_443), later(1_063), later(852)];
    keeps(&Schedule { beside, outages, ..going_on(Continues::Auto, candidates) });
}

#[test]
fn what_is_read_on_for_nobody_counts_up_to_the_break_that_ends_it() {
    for at in (900..1_000).step_by(3) {
        let cut =
            Call { answer: Answer { words: 1, ..Answer::PLAIN }, ..Call::fails(Fault::Cuts { at, clean: false }) };
        let schedule = Schedule::plain(OpenAiResponses, vec![Candidate::with(Gemini, vec![cut])]);
        keeps(&Schedule { leaves: Some(18), ..schedule });
    }
}

#[test]
fn what_comes_with_the_break_of_who_goes_on_is_told_of() {
    let row = 3; // an error of the provider's
    let answer = Answer { words: 9, ..Answer::PLAIN };
    let breaks = |fault, split| Call { answer: answer.clone(), split, ..Call::fails(fault) };
    for at in (500..900).step_by(20) {
        let error = breaks(Fault::ErrorEvent { at, row }, Split::Whole);
        let cut = breaks(Fault::Cuts { at, clean: true }, Split::Whole);
        for again in [error, cut] {
            let first = breaks(Fault::Cuts { at: 600, clean: false }, Split::Events);
            let mut candidates = [vec![first, again], vec![Call { answer: answer.clone(), ..Call::PLAIN }]]
                .map(|calls| Candidate::with(AnthropicMessages, calls));
            candidates.iter_mut().for_each(|candidate| candidate.account = 2);
            for continues in [Continues::Prefill, Continues::Restart] {
                let schedule = Schedule::plain(AnthropicMessages, candidates.to_vec());
                keeps(&Schedule { continues, ..schedule });
            }
        }
    }
}

#[test]
fn a_verdict_on_the_rest_of_an_answer_is_not_taken_elsewhere() {
    /// OpenAI's row of the refusals: a safety verdict.
    const VERDICT: usize = 2;
    let first = Candidate::with(OpenAiChat, vec![cut(700), Call::fails(Fault::Refuses(VERDICT))]);
    keeps(&going_on(Continues::Restart, vec![first, Candidate::plain(Gemini)]));
}

#[test]
fn what_is_held_back_is_judged_with_its_end() {
    let cut_short = Answer { cut_short: true, unsound: true, words: 2, ..Answer::PLAIN };
    let ends_with_words = Answer { ends_with_words: true, words: 2, ..Answer::PLAIN };
    for speaks in [OpenAiChat, Gemini, OpenAiResponses] {
        for answer in [&cut_short, &ends_with_words] {
            let calls = vec![Call { answer: answer.clone(), ..Call::PLAIN }];
            let document = Schedule::plain(speaks, vec![Candidate::with(speaks, calls)]);
            keeps(&Schedule { json: true, holds_back: true, ..document });
        }
    }
}

#[test]
fn what_is_held_back_with_an_event_that_cannot_be_read_is_tried_again() {
    for caller in [OpenAiChat, Gemini, OpenAiResponses] {
        for speaks in [OpenAiChat, Gemini, OpenAiResponses] {
            for (instead, split) in [(true, Split::Events), (false, Split::Events), (true, Split::Whole)] {
                for at in (0..1_000).step_by(90) {
                    let mute = Answer { words: 0, ..Answer::PLAIN };
                    let calls =
                        vec![Call { answer: mute, split, ..Call::fails(Fault::Garbage { at, instead }) }, Call::PLAIN];
                    let tools = Schedule::plain(caller, vec![Candidate::with(AnthropicMessages, calls)]);
                    keeps(&Schedule { tools: true, holds_back: true, ..tools });
                    let garbled = Call { split, ..Call::fails(Fault::Garbage { at, instead }) };
                    let candidate = Candidate::with(speaks, vec![garbled, Call::PLAIN]);
                    let document =
                        Schedule { json: true, holds_back: true, ..Schedule::plain(caller, vec![candidate]) };
                    keeps(&document);
                }
            }
        }
    }
}

#[test]
fn an_answer_that_could_not_be_read_is_not_free() {
    let lost =
        Call { answer: Answer { words: 0, ..Answer::PLAIN }, ..Call::fails(Fault::Garbage { at: 500, instead: true }) };
    for speaks in [OpenAiChat, Gemini, OpenAiResponses] {
        for counts in [false, true] {
            let mut call = lost.clone();
            call.answer.counts = counts;
            let schedule = Schedule::plain(speaks, vec![Candidate::with(speaks, vec![call])]);
            keeps(&Schedule { json: true, holds_back: true, ..schedule });
        }
    }
}

#[test]
fn a_broken_call_is_tried_again_for_callers_who_get_objects_too() {
    let broken = Answer { words: 0, tools: 1, unsound: true, ..Answer::PLAIN };
    let calls = vec![Call { answer: broken, ..Call::PLAIN }, Call::PLAIN];
    for caller in schedules::schedule::DIALECTS {
        let schedule = Schedule::plain(caller, vec![Candidate::with(OpenAiChat, calls.clone())]);
        keeps(&Schedule { tools: true, holds_back: true, ..schedule });
    }
}

#[test]
fn a_clock_that_is_set_shortens_no_wait_that_it_can_help() {
    /// OpenAI's row of the refusals: 503, again in a second.
    const BUSY: usize = 20;
    for (nth, ms) in [(0, 900), (1, -2_000), (1, 60_000), (2, -900)] {
        let busy = Candidate::with(OpenAiChat, vec![Call::fails(Fault::Refuses(BUSY))]);
        let jumps = vec![(0, Jump::Step(900)), (nth, Jump::Step(ms))];
        keeps(&Schedule { jumps, ..Schedule::plain(OpenAiChat, vec![busy]) });
    }
}

#[test]
fn an_answer_that_came_while_the_runtime_stood_still_is_read_for_a_caller_who_left_meanwhile() {
    for caller in schedules::schedule::DIALECTS {
        let left = Schedule::plain(caller, vec![Candidate::plain(caller)]);
        keeps(&Schedule { stream: false, leaves: Some(20_022), jumps: vec![(1, Jump::Pause(60_000))], ..left });
    }
}

/// A first candidate, and one of another dialect that is asked beside it when it is late.
fn racing(caller: Dialect, first: Call, second: Call) -> Schedule {
    let candidates = vec![Candidate::with(OpenAiChat, vec![first]), Candidate::with(AnthropicMessages, vec![second])];
    Schedule { hedges: Some(60), ..Schedule::plain(caller, candidates) }
}

#[test]
fn of_two_calls_at_once_one_answers_and_the_other_is_stopped_whatever_becomes_of_either() {
    /// Rows of the refusals: a wrong request, 429 in 2 s.
    const WRONG: usize = 0;
    const LIMITED: usize = 8;
    let ends = [
        Fault::None,
        Fault::Refuses(WRONG),
        Fault::Refuses(LIMITED),
        Fault::NoConnection,
        Fault::NoHeaders,
        Fault::Stalls(200),
        Fault::Cuts { at: 200, clean: true },
        Fault::NoTerminator,
    ];
    for caller in [OpenAiChat, Gemini] {
        for (first_ms, second_ms) in [(61, 300), (100, 20), (500, 20), (500, 440)] {
            for (fault, others) in ends.iter().flat_map(|one| ends.iter().map(move |other| (*one, *other))) {
                let first = Call { head_ms: first_ms, fault, ..Call::PLAIN };
                let second = Call { head_ms: second_ms, fault: others, ..Call::PLAIN };
                let schedule = racing(caller, first, second);
                for leaves in [None, Some(90)] {
                    keeps(&Schedule { leaves, stream: leaves.is_none(), ..schedule.clone() });
                    keeps(&Schedule { leaves, continues: Continues::Auto, ..schedule.clone() });
                }
            }
        }
    }
}

/// A kept answer of every dialect, whose runtime is killed, or which is deleted, at any time; read by three.
#[test]
fn a_kept_answer_has_one_end_whatever_becomes_of_its_keeper() {
    for caller in schedules::schedule::DIALECTS {
        for as_array in [false, true] {
            for at in (0..200).step_by(11) {
                for (killed, cancelled) in [(Some(at), None), (None, Some(at))] {
                    let slow = Reader { slow: 60, ..Reader::PLAIN };
                    let leaving = Reader { cuts: vec![300, 500], away: 7, ..Reader::PLAIN };
                    let kept = Some(Kept { readers: vec![slow, leaving, Reader::PLAIN], killed, cancelled });
                    keeps(&Schedule { kept, as_array, ..Schedule::plain(caller, vec![Candidate::plain(caller)]) });
                }
            }
        }
    }
}

/// `npm run sabotage` breaks the code itself, in a copy: the list of what it breaks goes with the code.
#[test]
fn what_sabotage_breaks_is_there_to_be_broken() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let checkers = ["caller", "isolate", "kept", "ledger", "provider", "race"];
    let rules: String = checkers.iter().map(|name| read(&format!("tests/schedules/check/{name}.rs"))).collect();
    let breaks: Vec<serde_json::Value> = serde_json::from_str(&read("tests/schedules/sabotage.json")).unwrap();
    for one in &breaks {
        let text = one["text"].as_str().unwrap();
        assert_eq!(read(one["file"].as_str().unwrap()).matches(text).count(), 1, "{text}");
        assert!(one["instead"].as_str().unwrap().contains("BROKEN"));
        let seen = one["seen"].as_array().unwrap();
        assert!(
            !seen.is_empty() && seen.iter().all(|rule| rule == "a panic" || rules.contains(&rule.to_string())),
            "{seen:?}"
        );
    }
}

/// Plays a schedule, changes what came of it, and names the rule that sees the change.
fn rule_seen(schedule: &Schedule, doctor: impl Fn(&mut Transcript)) -> &'static str {
    let mut transcripts = on_stage(|stage| stage.play(schedule));
    assert_eq!(verdict(schedule, &transcripts), Ok(()));
    doctor(&mut transcripts[0]);
    verdict(schedule, &transcripts).expect_err("the change goes unseen").rule
}

fn at_write(transcript: &Transcript, text: &str) -> usize {
    let has = |(_, bytes): &(u64, Vec<u8>)| String::from_utf8_lossy(bytes).contains(text);
    transcript.writes.iter().position(has).expect("it was written")
}

#[test]
fn a_token_twice_or_lost_is_seen_in_every_dialect() {
    for caller in schedules::schedule::DIALECTS {
        for provider in schedules::schedule::DIALECTS {
            let schedule = Schedule::plain(caller, vec![Candidate::plain(provider)]);
            let twice = rule_seen(&schedule, |t| {
                let mut body = String::from_utf8(t.body()).unwrap();
                let at = body.find("a1é").expect("a word");
                body.insert_str(at, "a1");
                t.writes = vec![(0, body.into_bytes())];
            });
            let lost = rule_seen(&schedule, |t| {
                let body = String::from_utf8(t.body()).unwrap();
                t.writes = vec![(0, body.replacen("a2\u{1F600}", "", 1).into_bytes())];
            });
            for rule in [twice, lost] {
                assert!(rule.contains("token") || rule.contains("dialect") || rule.contains("untouched"), "{rule}");
            }
        }
    }
}

#[test]
fn a_dishonest_end_is_seen() {
    let chat = Schedule::plain(OpenAiChat, vec![Candidate::plain(OpenAiChat)]);
    let cut_off = rule_seen(&chat, |t| {
        let mut body = t.body();
        body.truncate(body.len() - "data: [DONE]\n\n".len());
        t.writes = vec![(0, body)];
    });
    assert_eq!(cut_off, "a cut answer does not look complete");
    let second = rule_seen(&chat, |t| t.writes.push((0, b"data: {\"error\":{\"message\":\"no\"}}\n\n".to_vec())));
    assert_eq!(second, "bytes are the dialect's");
    assert_eq!(rule_seen(&chat, |t| t.end = End::Aborted), "a transport error stands for half an event");
    assert_eq!(rule_seen(&chat, |t| t.end = End::Open), "every caller gets an end");
    // What was cut, told as if it were whole.
    let cut = Call::fails(Fault::Cuts { at: 600, clean: true });
    let broken = Schedule::plain(OpenAiChat, vec![Candidate::with(OpenAiChat, vec![cut])]);
    let faked = rule_seen(&broken, |t| {
        let error = at_write(t, "\"error\"");
        let whole = on_stage(|stage| stage.play(&chat).remove(0));
        t.writes.truncate(error);
        t.writes.extend_from_slice(&whole.writes[at_write(&whole, "\"finish_reason\":\"stop\"")..]);
    });
    assert!(faked == "a cut answer does not look complete" || faked == "bytes are the dialect's", "{faked}");
    let half = rule_seen(&broken, |t| t.end = End::Aborted);
    assert_eq!(half, "a transport error stands for half an event");
}

#[test]
fn a_bad_seam_is_seen() {
    let restart = going_on(Continues::Restart, vec![Candidate::with(OpenAiChat, vec![cut(600), Call::PLAIN])]);
    let mut exact = Candidate::with(Gemini, vec![cut(600), Call::PLAIN]);
    exact.account = 2;
    let prefill = going_on(Continues::Prefill, vec![exact]);
    for schedule in [restart, prefill] {
        let replaced = |from: &'static str, to: &'static str| {
            rule_seen(&schedule, |t| {
                let body = String::from_utf8(t.body()).unwrap();
                assert!(body.contains(from), "{body}");
                t.writes = vec![(0, body.replacen(from, to, 1).into_bytes())];
            })
        };
        for rule in [replaced("a3", "a2\u{1F600} a3"), replaced("a2", ""), replaced("a1", "b1")] {
            assert!(rule.contains("token") || rule.contains("untouched"), "{rule}");
        }
        assert_eq!(replaced("\"offset\"", "\"begin\""), "the seams are told");
        let given = rule_seen(&schedule, |t| t.calls[1].given = Some("something else".into()));
        assert!(
            given == "who goes on is given what was told" || given == "who goes on does so as was asked",
            "{given}"
        );
    }
}

#[test]
fn a_race_that_breaks_its_rules_is_seen() {
    let slow = Call { head_ms: 500, ..Call::PLAIN };
    let outrun = racing(OpenAiChat, slow, Call::PLAIN);
    assert_eq!(rule_seen(&outrun, |t| t.calls[1].at_ms -= 1), "a second candidate is asked when the first is late");
    assert_eq!(rule_seen(&outrun, |t| t.calls[1].candidate = 0), "who is asked beside another was not asked before");
    let accounted = "a call that is stopped for another one is accounted as that";
    assert_eq!(rule_seen(&outrun, |t| drop(t.rows.remove(2))), accounted);
    let unstopped = rule_seen(&outrun, |t| t.calls[0].aborted_at = None);
    assert_eq!(unstopped, "a cut answer does not look complete");
    let late = rule_seen(&outrun, |t| t.calls[0].aborted_at = t.calls[0].aborted_at.map(|at| at + 7));
    assert_eq!(late, "the ledger says how an attempt ended");
    let transcripts = on_stage(|stage| stage.play(&outrun));
    let alone = Schedule { hedges: None, ..outrun };
    let rule = verdict(&alone, &transcripts).unwrap_err().rule;
    assert_eq!(rule, "one call at a time, or two where the policy says so");
}

#[test]
fn a_reader_who_gets_an_event_twice_or_not_at_all_is_seen() {
    let kept =
        Some(Kept { readers: vec![Reader::PLAIN, Reader { from: 2, ..Reader::PLAIN }], killed: None, cancelled: None });
    let kept = Schedule { kept, ..Schedule::plain(OpenAiChat, vec![Candidate::plain(OpenAiChat)]) };
    let kept =
        Schedule { candidates: vec![Candidate::with(OpenAiChat, vec![Call { pace_ms: 0, ..Call::PLAIN }])], ..kept };
    let of = |t: &mut Transcript, change: &dyn Fn(&mut Vec<u8>)| {
        let connection = t.kept.as_mut().unwrap().connections.iter_mut().find(|c| !c.got.is_empty()).unwrap();
        change(&mut connection.got);
    };
    let rest = "a reader gets exactly the rest";
    assert_eq!(rule_seen(&kept, |t| of(t, &|got| got.extend_from_slice(&got.clone()[..40]))), rest);
    assert_eq!(rule_seen(&kept, |t| of(t, &|got| drop(got.drain(..40)))), rest);
    let numbered = rule_seen(&kept, |t| {
        let kept = t.kept.as_mut().unwrap();
        kept.connections.clear();
        let whole = String::from_utf8(kept.whole.take().unwrap()).unwrap();
        kept.whole = Some(whole.replacen("id: 3", "id: 4", 1).into_bytes());
    });
    assert_eq!(numbered, "events are numbered from 1 on");
}

#[test]
fn what_is_done_for_a_caller_who_has_left_is_seen() {
    let slow = Call { pace_ms: 250, ..Call::PLAIN };
    let leaving = |speaks| {
        let candidate = Candidate::with(speaks, vec![slow.clone()]);
        Schedule { leaves: Some(600), ..Schedule::plain(speaks, vec![candidate]) }
    };
    let on = rule_seen(&leaving(OpenAiChat), |t| t.calls[0].aborted_at = t.calls[0].aborted_at.map(|at| at + 500));
    assert_eq!(on, "who stops charging is stopped when the caller leaves");
    let stopped = rule_seen(&leaving(Gemini), |t| {
        (t.calls[0].read, t.calls[0].over, t.calls[0].aborted_at) = (300, false, t.gone);
        t.rows.pop();
        t.rows.extend(on_stage(|stage| stage.play(&leaving(OpenAiChat))).remove(0).rows.pop());
    });
    assert!(stopped == "what is charged anyway is read to its end" || stopped.contains("opened"), "{stopped}");
}

#[test]
fn a_row_twice_lost_or_wrong_is_seen() {
    let schedule = Schedule::plain(OpenAiChat, vec![Candidate::plain(AnthropicMessages)]);
    let once = "each attempt is opened once and settled once";
    assert_eq!(rule_seen(&schedule, |t| drop(t.rows.pop())), once);
    assert_eq!(rule_seen(&schedule, |t| t.rows.push(t.rows[1].clone())), once);
    assert_eq!(rule_seen(&schedule, |t| t.rows.insert(0, t.rows[0].clone())), once);
    assert_eq!(rule_seen(&schedule, |t| t.rows.swap(0, 1)), "an attempt is opened before it is settled");
    let costs = |cost: Cost| {
        rule_seen(&schedule, |t| {
            if let Row::Settle { settled, .. } = &mut t.rows[1] {
                settled.cost = cost;
            }
        })
    };
    for cost in [Cost::NOTHING, Cost::UNPRICED, Cost::Exact { picousd: 1 }, Cost::Estimated { picousd: 1 }] {
        assert_eq!(costs(cost), "a cost is exact where the provider counted");
    }
    let silent = Candidate::with(OpenAiChat, vec![Call::fails(Fault::Stalls(300))]);
    let unknown = rule_seen(&Schedule::plain(OpenAiChat, vec![silent]), |t| {
        if let Row::Settle { settled, .. } = &mut t.rows[1] {
            settled.cost = Cost::NOTHING;
        }
    });
    assert_eq!(unknown, "unknown is estimated or unpriced, never 0");
}

#[test]
fn useless_traffic_is_seen() {
    /// OpenAI's rows of the refusals: a wrong request, 429 in 2 s, 500, an empty account.
    const WRONG: usize = 0;
    const LIMITED: usize = 8;
    const BROKEN: usize = 17;
    const EMPTY: usize = 15;
    let refuses = |row: usize| Candidate::with(OpenAiChat, vec![Call::fails(Fault::Refuses(row)), Call::PLAIN]);
    let limited = Schedule::plain(OpenAiChat, vec![refuses(LIMITED)]);
    assert_eq!(rule_seen(&limited, |t| t.calls[1].real_at -= 1_500), "Retry-After is respected");
    let retried = Schedule::plain(OpenAiChat, vec![refuses(BROKEN)]);
    for row in [WRONG, EMPTY] {
        let rule = rule_seen(&retried, |t| {
            let plan = Call::fails(Fault::Refuses(row));
            let asked = Asked { stream: true, ..Asked::default() };
            (t.calls[0].said, t.calls[0].plan) = (std::rc::Rc::new(say(OpenAiChat, &plan, asked)), plan);
        });
        assert_eq!(rule, "what cannot succeed is not retried");
    }
    assert_eq!(rule_seen(&retried, |t| t.calls[0].at_ms += 700_000), "nobody is called after the deadline");
    assert_eq!(rule_seen(&retried, |t| t.over_at += 700_000), "the deadline is kept");
    let unstopped = rule_seen(&retried, |t| (t.calls[0].over, t.calls[0].aborted_at) = (false, None));
    assert_eq!(unstopped, "who is not listened to is stopped");
    // The same end, with somebody left who was not asked.
    let failing = Candidate::with(OpenAiChat, vec![Call::fails(Fault::Refuses(BROKEN))]);
    let alone = Schedule::plain(OpenAiChat, vec![failing]);
    let transcript = on_stage(|stage| stage.play(&alone));
    let mut with_another = alone.clone();
    with_another.candidates.push(Candidate::plain(Gemini));
    assert_eq!(verdict(&with_another, &transcript).unwrap_err().rule, "who could answer is asked");
}
