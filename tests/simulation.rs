//! Schedules of everything that can go wrong between a caller and its providers: a few thousand of them here, a million by
//! `npm run simulate -- --schedules 1000000 --seed 1`. What was once found wrong has a test of its own below, and every rule
//! is broken once on purpose. Read `schedules/mod.rs` first.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // test helpers

mod schedules;
mod support;

use std::cell::RefCell;

use signalbox::accounting::{Cost, Row};
use signalbox::dialect::Dialect::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses};

use schedules::check::verdict;
use schedules::schedule::{Answer, Call, Candidate, Fault, Schedule, Split};
use schedules::voice::say;
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
    let seen = [tally.rescued, tally.refused, tally.broken, tally.gone, tally.pumped];
    assert!(seen.iter().all(|times| *times > 100), "the schedules must bring every kind of end: {tally}");
}

#[test]
fn a_seed_brings_the_same_schedule_and_the_same_end() {
    let mut stage = Stage::new();
    for seed in [3, 77, 4_711] {
        let schedule = Schedule::draw(seed);
        assert_eq!(schedule, Schedule::draw(seed));
        let (one, other) = (stage.play(&schedule), stage.play(&schedule));
        assert_eq!((one.writes, one.rows), (other.writes, other.rows));
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
        keeps(&Schedule { jumps: vec![(nth, 60_000), (nth + 1, -2_000)], ..Schedule::plain(Gemini, candidates) });
    }
}

/// Plays a schedule, changes what came of it, and names the rule that sees the change.
fn rule_seen(schedule: &Schedule, doctor: impl Fn(&mut Transcript)) -> &'static str {
    let mut transcript = on_stage(|stage| stage.play(schedule));
    assert_eq!(verdict(schedule, &transcript), Ok(()));
    doctor(&mut transcript);
    verdict(schedule, &transcript).expect_err("the change goes unseen").rule
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
        let whole = on_stage(|stage| stage.play(&chat));
        t.writes.truncate(error);
        t.writes.extend_from_slice(&whole.writes[at_write(&whole, "\"finish_reason\":\"stop\"")..]);
    });
    assert!(faked == "a cut answer does not look complete" || faked == "bytes are the dialect's", "{faked}");
    let half = rule_seen(&broken, |t| t.end = End::Aborted);
    assert_eq!(half, "a transport error stands for half an event");
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
    assert_eq!(rule_seen(&limited, |t| t.calls[1].at_ms -= 1_500), "Retry-After is respected");
    let retried = Schedule::plain(OpenAiChat, vec![refuses(BROKEN)]);
    for row in [WRONG, EMPTY] {
        let rule = rule_seen(&retried, |t| {
            t.calls[0].said = std::rc::Rc::new(say(OpenAiChat, &Call::fails(Fault::Refuses(row)), true));
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
