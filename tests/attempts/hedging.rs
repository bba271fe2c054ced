//! Two candidates at once: when the second is asked, and what becomes of either.

use signalbox::attempt::plan::{Action, Candidate, Deadlines, Event, Limits, Machine};
use signalbox::error::{ErrorKind, GatewayError};
use signalbox::upstream::failure::FailureClass;

use crate::{after, broken, limited, named, reply, silent, ARRIVED};

const LATE: u64 = 700;

fn late(names: &[&str]) -> Vec<Candidate> {
    named(names).into_iter().map(|c| Candidate { hedge_after_ms: Some(LATE), ..c }).collect()
}

/// A machine whose first candidate has been asked and is late.
fn slow(names: &[&str], limits: Limits) -> (Machine, Action) {
    let mut machine = Machine::new(late(names), limits, true, ARRIVED);
    let sent = machine.step(Event::Start, ARRIVED, 0, &mut |_| panic!("no budget is asked for a first call"));
    assert!(matches!(sent, Action::Send { candidate: 0, hedge_at: Some(at), .. } if at == ARRIVED + LATE), "{sent:?}");
    let action = tell(&mut machine, LATE, Event::Slow { by: (0..names.len()).collect() });
    (machine, action)
}

fn tell(machine: &mut Machine, after_ms: u64, event: Event) -> Action {
    machine.step(event, ARRIVED + after_ms, 0, &mut |_| true)
}

/// `openai/a` asked at once, `anthropic/b` beside it.
fn racing() -> Machine {
    let (machine, action) = slow(&["openai/a", "anthropic/b"], Limits::default());
    assert!(matches!(action, Action::Hedge { attempt: 2, candidate: 1, .. }), "{action:?}");
    machine
}

#[test]
fn who_has_content_first_answers_and_the_other_is_stopped() {
    for (winner, other, header) in
        [(1, 2, "openai/a:200,anthropic/b:hedged"), (2, 1, "openai/a:hedged,anthropic/b:200")]
    {
        let mut machine = racing();
        assert_eq!(tell(&mut machine, 900, Event::Won { attempt: winner }), Action::Cancel { attempt: other });
        assert_eq!(tell(&mut machine, 900, Event::Content), Action::Commit);
        assert_eq!(machine.attempts_header(), header, "in the order in which they were sent");
        assert_eq!(tell(&mut machine, 950, Event::Ended), Action::Finish);
        assert_eq!(machine.attempts_header(), header);
        let numbers: Vec<u32> = machine.records().iter().map(|record| record.attempt).collect();
        assert_eq!(numbers, [1, 2]);
    }
}

#[test]
fn a_failure_of_one_leaves_the_other_with_all_the_time_that_is_its_due() {
    for (failed, candidate) in [(1, 1), (2, 0)] {
        let mut machine = racing();
        let action = tell(&mut machine, 900, Event::Lost { attempt: failed, failure: broken() });
        let alone = Deadlines { first_content_at: None, idle_ms: None, end_at: ARRIVED + 600_000 };
        assert_eq!(action, Action::Stay { deadlines: alone }, "nobody else is left");
        assert_eq!(tell(&mut machine, 950, Event::Content), Action::Commit);
        assert_eq!(tell(&mut machine, 950, Event::Ended), Action::Finish);
        assert_eq!(machine.records()[candidate].outcome, "200");
    }
    let (mut machine, _) = slow(&["openai/a", "anthropic/b", "gemini/c"], Limits::default());
    let action = tell(&mut machine, 900, Event::Lost { attempt: 2, failure: broken() });
    let Action::Stay { deadlines } = action else { panic!("{action:?}") };
    assert_eq!(deadlines.first_content_at, Some(ARRIVED + 10_000), "from when it was sent");
}

#[test]
fn both_may_fail_and_the_rest_goes_its_usual_way() {
    let (mut machine, _) = slow(&["openai/a", "anthropic/b", "gemini/c"], Limits::default());
    tell(&mut machine, 900, Event::Lost { attempt: 1, failure: silent(FailureClass::Timeout) });
    let action = tell(&mut machine, 950, Event::Failed(broken()));
    assert!(matches!(action, Action::Send { attempt: 3, candidate: 1, hedge_at: None, .. }), "{action:?}");
    let action = tell(&mut machine, 960, Event::Failed(broken()));
    assert!(matches!(action, Action::Send { attempt: 4, candidate: 2, hedge_at: None, .. }), "{action:?}");
    let Action::GiveUp(error) = tell(&mut machine, 970, Event::Failed(after(60_000, limited()))) else { panic!() };
    assert_eq!(error.kind, ErrorKind::UpstreamFailed);
    assert_eq!(machine.attempts_header(), "openai/a:timeout,anthropic/b:500,anthropic/b:500,gemini/c:429");
}

#[test]
fn the_preferred_candidates_verdict_is_the_answer_and_the_second_ones_is_not() {
    for class in [FailureClass::InvalidRequest, FailureClass::ContentFiltered] {
        let mut machine = racing();
        let verdict = || reply(class, 400);
        assert_eq!(
            tell(&mut machine, 900, Event::Lost { attempt: 1, failure: verdict() }),
            Action::Cancel { attempt: 2 }
        );
        let action = tell(&mut machine, 900, Event::Failed(verdict()));
        assert!(matches!(&action, Action::GiveUp(error) if error.status() == 400), "{action:?}");
        assert_eq!(machine.attempts_header(), "openai/a:400,anthropic/b:hedged");

        let mut machine = racing();
        let action = tell(&mut machine, 900, Event::Lost { attempt: 2, failure: verdict() });
        assert!(matches!(action, Action::Stay { .. }), "{action:?}");
        assert_eq!(tell(&mut machine, 950, Event::Content), Action::Commit);
        assert_eq!(machine.attempts_header(), "openai/a:200,anthropic/b:400");
    }
}

#[test]
fn the_callers_leaving_ends_both() {
    let mut machine = racing();
    assert_eq!(tell(&mut machine, 900, Event::ClientGone), Action::Abandon);
    assert_eq!(machine.attempts_header(), "openai/a:cancelled,anthropic/b:cancelled");
}

#[test]
fn nobody_is_asked_beside_who_may_not_be() {
    let two = || late(&["openai/a", "anthropic/b"]);
    // Nobody else, no attempt left, no time left: the clock is not even watched.
    let hurried = Limits { total_ms: LATE, ..Limits::default() };
    let once = Limits { max_attempts: 1, ..Limits::default() };
    for (candidates, limits) in [
        (late(&["openai/a"]), Limits::default()),
        (two(), once),
        (two(), hurried),
        (named(&["a/a", "b/b"]), Limits::default()),
    ] {
        let mut machine = Machine::new(candidates, limits, true, ARRIVED);
        let sent = tell(&mut machine, 0, Event::Start);
        assert!(matches!(sent, Action::Send { hedge_at: None, .. }), "{sent:?}");
    }
    // Nobody within the bounds of cost, or no budget for it.
    for (by, budget) in [(vec![], true), (vec![0], true), (vec![1], false)] {
        let mut machine = Machine::new(two(), Limits::default(), true, ARRIVED);
        let Action::Send { deadlines, .. } = tell(&mut machine, 0, Event::Start) else { panic!() };
        let action = machine.step(Event::Slow { by }, ARRIVED + LATE, 0, &mut |_| budget);
        assert_eq!(action, Action::Stay { deadlines });
        assert!(matches!(tell(&mut machine, 800, Event::Failed(broken())), Action::Send { candidate: 0, .. }));
    }
    // Where an account is found to be empty, its other models are not asked.
    let mut machine = Machine::new(late(&["openai/a", "openai/b", "anthropic/c"]), Limits::default(), true, ARRIVED);
    tell(&mut machine, 0, Event::Start);
    tell(&mut machine, 10, Event::Failed(reply(FailureClass::QuotaExhausted, 429)));
    assert_eq!(machine.attempts_header(), "openai/a:429");
    assert!(matches!(tell(&mut machine, 800, Event::Slow { by: vec![0, 1, 2] }), Action::Stay { .. }));
}

#[test]
fn an_answer_that_is_gone_on_with_has_one_candidate_at_a_time() {
    let mut machine = Machine::new(late(&["openai/a", "anthropic/b"]), Limits::default(), true, ARRIVED);
    tell(&mut machine, 0, Event::Start);
    tell(&mut machine, 10, Event::Content);
    let action = tell(&mut machine, 20, Event::Interrupted { failure: silent(FailureClass::Cut), by: vec![1] });
    assert!(matches!(action, Action::Send { candidate: 1, hedge_at: None, .. }), "{action:?}");
}

#[test]
fn a_paused_turn_goes_on_alone() {
    let mut machine = Machine::new(late(&["openai/a", "anthropic/b"]), Limits::default(), false, ARRIVED);
    assert!(matches!(tell(&mut machine, 0, Event::Start), Action::Send { hedge_at: Some(_), .. }));
    let action = tell(&mut machine, 10, Event::Paused);
    assert!(matches!(action, Action::Send { candidate: 0, hedge_at: None, .. }), "{action:?}");
}

#[test]
fn a_second_call_that_a_limit_leaves_no_room_for_changes_nothing_but_who_is_left() {
    let mut machine = racing();
    let error = GatewayError::new(ErrorKind::RateLimited, "no room");
    let action = tell(&mut machine, LATE, Event::Withheld(Box::new(error)));
    let alone = Deadlines { first_content_at: None, idle_ms: None, end_at: ARRIVED + 600_000 };
    assert_eq!(action, Action::Stay { deadlines: alone });
    let action = tell(&mut machine, 900, Event::Failed(broken()));
    assert!(matches!(action, Action::Send { attempt: 2, candidate: 0, hedge_at: None, .. }), "{action:?}");
    assert_eq!(machine.attempts_header(), "openai/a:500");
}
