//! Which candidate is called when, and when it is time to stop: tables of scripted faults, and a simulation of random
//! ones in `simulation.rs`.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)] // test helpers

mod hedging;
mod simulation;

use signalbox::attempt::plan::{Action, Candidate, Deadlines, Event, Limits, Machine, Patience};
use signalbox::dialect::ProviderError;
use signalbox::error::{ErrorKind, GatewayError};
use signalbox::upstream::failure::{AttemptFailure, FailureClass};

const ARRIVED: u64 = 1_000_000;

fn candidate(name: &str, context: Option<u64>) -> Candidate {
    Candidate { name: name.to_owned(), context, patience: Patience::Normal, expected_ms: 10_000, hedge_after_ms: None }
}

fn named(names: &[&str]) -> Vec<Candidate> {
    names.iter().map(|name| candidate(name, None)).collect()
}

fn silent(class: FailureClass) -> AttemptFailure {
    AttemptFailure::silent(class)
}

/// A reply of this class and status, with a text that must not leak where the caller is not at fault.
fn reply(class: FailureClass, status: u16) -> AttemptFailure {
    let error = ProviderError {
        message: "key sk-secret".to_owned(),
        code: Some("their_code".to_owned()),
        kind: Some("their_type".to_owned()),
        param: Some("their.param".to_owned()),
        raw: "{}".to_owned(),
    };
    AttemptFailure { status: Some(status), error: Some(error), ..silent(class) }
}

fn after(ms: u64, failure: AttemptFailure) -> AttemptFailure {
    AttemptFailure { retry_after_ms: Some(ms), ..failure }
}

fn limited() -> AttemptFailure {
    reply(FailureClass::RateLimited, 429)
}

fn broken() -> AttemptFailure {
    reply(FailureClass::Server, 500)
}

/// What a scripted call does, each after 100 ms.
#[derive(Clone)]
enum Does {
    Answers,
    Fails(AttemptFailure),
    IsRepaired(AttemptFailure),
    BreaksAfterContent(AttemptFailure),
    /// After content; these may go on.
    IsInterrupted(AttemptFailure, Vec<usize>),
    LosesItsCaller,
}
use Does::{Answers, BreaksAfterContent, Fails, IsInterrupted, IsRepaired, LosesItsCaller};

/// Runs a script with no jitter; the trace is `send N`, `wait MS`, `finish`, `abandon`, `give up`.
fn run(mut machine: Machine, script: &[Does], budget: bool) -> (Vec<String>, Option<GatewayError>, Machine) {
    let mut now = ARRIVED;
    let mut calls = script.iter();
    let mut trace = Vec::new();
    let mut event = Event::Start;
    loop {
        match machine.step(event, now, 0, &mut |_| budget) {
            Action::Send { attempt, candidate, .. } => {
                assert_eq!(attempt as usize, machine.records().len() + 1);
                trace.push(format!("send {candidate}"));
                now += 100;
                event = match calls.next().unwrap_or_else(|| panic!("an unexpected call after {trace:?}")) {
                    Answers => {
                        assert_eq!(machine.step(Event::Content, now, 0, &mut |_| budget), Action::Commit);
                        Event::Ended
                    }
                    Fails(failure) => Event::Failed(failure.clone()),
                    IsRepaired(failure) => Event::Repaired(failure.clone()),
                    BreaksAfterContent(failure) => {
                        assert_eq!(machine.step(Event::Content, now, 0, &mut |_| budget), Action::Commit);
                        Event::Broke(failure.clone())
                    }
                    IsInterrupted(failure, by) => {
                        assert_eq!(machine.step(Event::Content, now, 0, &mut |_| budget), Action::Commit);
                        Event::Interrupted { failure: failure.clone(), by: by.clone() }
                    }
                    LosesItsCaller => Event::ClientGone,
                };
            }
            Action::Wait { ms } => {
                trace.push(format!("wait {ms}"));
                now += ms;
                event = Event::WaitOver;
            }
            ending @ (Action::Finish | Action::Abandon) => {
                trace.push(if ending == Action::Finish { "finish" } else { "abandon" }.to_owned());
                assert_eq!(calls.len(), 0, "{trace:?}");
                return (trace, None, machine);
            }
            Action::GiveUp(error) => {
                trace.push("give up".to_owned());
                assert_eq!(calls.len(), 0, "{trace:?}");
                return (trace, Some(*error), machine);
            }
            out_of_place => panic!("{out_of_place:?}"),
        }
    }
}

fn check(candidates: Vec<Candidate>, script: &[Does], expected: &str, header: &str) -> Option<GatewayError> {
    let machine = Machine::new(candidates, Limits::default(), true, ARRIVED);
    let (trace, error, machine) = run(machine, script, true);
    assert_eq!(trace.join(", "), expected);
    assert_eq!(machine.attempts_header(), header);
    error
}

#[test]
fn a_failure_that_passes_is_retried_once_then_left() {
    let two = || named(&["openai/a", "anthropic/b"]);
    check(two(), &[Answers], "send 0, finish", "openai/a:200");
    check(two(), &[Fails(broken()), Answers], "send 0, send 0, finish", "openai/a:500,openai/a:200");
    check(
        two(),
        &[Fails(broken()), Fails(broken()), Answers],
        "send 0, send 0, send 1, finish",
        "openai/a:500,openai/a:500,anthropic/b:200",
    );
    for (class, word) in
        [(FailureClass::Connect, "connect"), (FailureClass::Cut, "cut"), (FailureClass::Server, "server_error")]
    {
        let header = format!("openai/a:{word},openai/a:200");
        check(two(), &[Fails(silent(class)), Answers], "send 0, send 0, finish", &header);
    }
    let script: Vec<Does> = vec![Fails(broken()); 4];
    let error = check(
        two(),
        &script,
        "send 0, send 0, send 1, send 1, give up",
        "openai/a:500,openai/a:500,anthropic/b:500,anthropic/b:500",
    );
    let error = error.unwrap();
    assert_eq!((error.kind, error.status(), error.should_retry), (ErrorKind::UpstreamFailed, 502, false));
    assert!(!error.message.contains("sk-secret"), "{error}");
}

#[test]
fn a_repaired_call_is_made_again_at_once_and_costs_no_retry() {
    let refused = || reply(FailureClass::InvalidRequest, 400);
    let two = || named(&["openai/a", "anthropic/b"]);
    // What was repaired takes neither the retry after a 500 nor the budget for it.
    check(
        two(),
        &[IsRepaired(refused()), Fails(broken()), Fails(broken()), Answers],
        "send 0, send 0, send 0, send 1, finish",
        "openai/a:400,openai/a:500,openai/a:500,anthropic/b:200",
    );
    let limits = Limits { max_attempts: 1, ..Limits::default() };
    let machine = Machine::new(two(), limits, true, ARRIVED);
    let (trace, error, _) = run(machine, &[IsRepaired(refused()), Fails(broken())], false);
    assert_eq!(trace.join(", "), "send 0, send 0, give up");
    assert_eq!(error.unwrap().status(), 502, "the repaired failure is not the answer");
}

#[test]
fn a_silent_route_is_left_a_reported_timeout_is_retried() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let silence = || Fails(silent(FailureClass::Timeout));
    check(two(), &[silence(), Answers], "send 0, send 1, finish", "openai/a:timeout,anthropic/b:200");
    let error =
        check(two(), &[silence(), silence()], "send 0, send 1, give up", "openai/a:timeout,anthropic/b:timeout");
    assert_eq!(error.unwrap().status(), 504);
    let reported = Fails(reply(FailureClass::Timeout, 504));
    check(two(), &[reported, Answers], "send 0, send 0, finish", "openai/a:504,openai/a:200");
}

#[test]
fn a_short_retry_after_is_waited_out_once_on_the_preferred_candidate() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let soon = || Fails(after(2_000, limited()));
    let later = || Fails(after(3_001, limited()));
    check(two(), &[soon(), Answers], "send 0, wait 2000, send 0, finish", "openai/a:429,openai/a:200");
    check(
        two(),
        &[Fails(after(3_000, limited())), Answers],
        "send 0, wait 3000, send 0, finish",
        "openai/a:429,openai/a:200",
    );
    check(two(), &[later(), Answers], "send 0, send 1, finish", "openai/a:429,anthropic/b:200");
    check(two(), &[Fails(limited()), Answers], "send 0, send 1, finish", "openai/a:429,anthropic/b:200");
    let overloaded = Fails(after(2_000, reply(FailureClass::Overloaded, 503)));
    check(two(), &[overloaded, Answers], "send 0, wait 2000, send 0, finish", "openai/a:503,openai/a:200");
    // Waited once already: not again, nowhere.
    let error = check(
        two(),
        &[soon(), soon(), soon()],
        "send 0, wait 2000, send 0, send 1, give up",
        "openai/a:429,openai/a:429,anthropic/b:429",
    );
    assert_eq!(error.unwrap().retry_after_ms, Some(1_900), "a's second 2 s have run for 100 ms");
    // Not preferred, but nobody else is left, and nothing has been waited for.
    check(
        two(),
        &[later(), soon(), Answers],
        "send 0, send 1, wait 2000, send 1, finish",
        "openai/a:429,anthropic/b:429,anthropic/b:200",
    );
    let three = named(&["openai/a", "anthropic/b", "gemini/c"]);
    check(
        three,
        &[later(), soon(), Answers],
        "send 0, send 1, send 2, finish",
        "openai/a:429,anthropic/b:429,gemini/c:200",
    );
}

#[test]
fn a_lone_candidate_without_a_hint_gets_a_pause_never_an_instant_retry() {
    let one = || named(&["deepseek/a"]);
    check(one(), &[Fails(limited()), Answers], "send 0, wait 250, send 0, finish", "deepseek/a:429,deepseek/a:200");
    let error = check(
        one(),
        &[Fails(limited()), Fails(limited())],
        "send 0, wait 250, send 0, give up",
        "deepseek/a:429,deepseek/a:429",
    );
    let error = error.unwrap();
    assert_eq!((error.status(), error.should_retry, error.retry_after_ms), (429, false, None));
}

#[test]
fn what_lasts_is_never_asked_again() {
    let quota = || Fails(reply(FailureClass::QuotaExhausted, 429));
    let auth = || Fails(reply(FailureClass::Auth, 401));
    let error = check(named(&["openai/a"]), &[quota()], "send 0, give up", "openai/a:429").unwrap();
    assert_eq!(
        (error.kind, error.code(), error.should_retry),
        (ErrorKind::UpstreamFailed, "upstream_quota_exhausted", false)
    );
    let error = check(named(&["openai/a"]), &[auth()], "send 0, give up", "openai/a:401").unwrap();
    assert_eq!((error.status(), error.code()), (502, "upstream_auth_failed"), "the caller's own key was fine");
    assert!(!format!("{error:?}").contains("sk-secret"));
    // A key's trouble is every model's trouble behind that key.
    let same_key = || named(&["openai/a", "openai/b", "anthropic/c", "openai/d"]);
    check(same_key(), &[quota(), Answers], "send 0, send 2, finish", "openai/a:429,anthropic/c:200");
    check(same_key(), &[auth(), auth()], "send 0, send 2, give up", "openai/a:401,anthropic/c:401");
    // A quota of one model, or a right to one model, is not.
    let mut per_model = reply(FailureClass::QuotaExhausted, 429);
    per_model.error.as_mut().unwrap().raw = r#"{"quotaId":"RequestsPerDayPerProjectPerModel"}"#.to_owned();
    check(
        named(&["gemini/a", "gemini/b"]),
        &[Fails(per_model), Answers],
        "send 0, send 1, finish",
        "gemini/a:429,gemini/b:200",
    );
    let mut denied = reply(FailureClass::Auth, 403);
    denied.error.as_mut().unwrap().message = "no access to model a".to_owned();
    check(
        named(&["openai/a", "openai/b"]),
        &[Fails(denied), Answers],
        "send 0, send 1, finish",
        "openai/a:403,openai/b:200",
    );
    // A model that is not there says nothing about others.
    let missing = || Fails(reply(FailureClass::NotFound, 404));
    check(
        named(&["openai/a", "openai/b"]),
        &[missing(), Answers],
        "send 0, send 1, finish",
        "openai/a:404,openai/b:200",
    );
    let error = check(named(&["openai/a"]), &[missing()], "send 0, give up", "openai/a:404").unwrap();
    assert_eq!((error.kind, error.status()), (ErrorKind::ModelNotFound, 404));
}

#[test]
fn the_callers_fault_and_a_safety_verdict_end_it_at_once() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let error =
        check(two(), &[Fails(reply(FailureClass::InvalidRequest, 422))], "send 0, give up", "openai/a:422").unwrap();
    assert_eq!((error.kind, error.status(), error.code()), (ErrorKind::RejectedByProvider, 422, "their_code"));
    assert_eq!(error.param.as_deref(), Some("their.param"));
    assert_eq!(error.provider_type.as_deref(), Some("their_type"));
    assert!(!error.should_retry);
    let error =
        check(two(), &[Fails(reply(FailureClass::ContentFiltered, 403))], "send 0, give up", "openai/a:403").unwrap();
    assert_eq!((error.kind, error.status(), error.code()), (ErrorKind::ContentFiltered, 400, "content_filter"));
    // Also after others have failed: their trouble does not hide the verdict.
    let script = [Fails(silent(FailureClass::Timeout)), Fails(reply(FailureClass::InvalidRequest, 400))];
    let error = check(two(), &script, "send 0, send 1, give up", "openai/a:timeout,anthropic/b:400").unwrap();
    assert_eq!(error.kind, ErrorKind::RejectedByProvider);
    // A provider that asks for a retry gets one; what it then says again is final.
    let insists = AttemptFailure { should_retry: Some(true), ..reply(FailureClass::InvalidRequest, 400) };
    let one = named(&["openai/a"]);
    let script = [Fails(insists.clone()), Fails(insists)];
    let error = check(one, &script, "send 0, send 0, give up", "openai/a:400,openai/a:400").unwrap();
    assert_eq!(error.kind, ErrorKind::RejectedByProvider);
    // A 200 with an error inside has no status of its own to show.
    let mut inside = reply(FailureClass::InvalidRequest, 400);
    inside.status = None;
    inside.error.as_mut().unwrap().message = String::new();
    let error = check(two(), &[Fails(inside)], "send 0, give up", "openai/a:invalid_request").unwrap();
    assert_eq!((error.status(), error.message.as_str()), (400, "the provider rejected the request"));
}

#[test]
fn a_prompt_that_does_not_fit_goes_to_a_larger_or_unknown_window() {
    let windows = |sizes: &[Option<u64>]| -> Vec<Candidate> {
        sizes.iter().enumerate().map(|(at, size)| candidate(&format!("p{at}/m"), *size)).collect()
    };
    let too_long = || Fails(reply(FailureClass::ContextLength, 400));
    let mixed = windows(&[Some(8), Some(8), Some(4), None, Some(16)]);
    check(mixed.clone(), &[too_long(), Answers], "send 0, send 3, finish", "p0/m:400,p3/m:200");
    check(mixed, &[too_long(), too_long(), Answers], "send 0, send 3, send 4, finish", "p0/m:400,p3/m:400,p4/m:200");
    let error = check(windows(&[Some(8), Some(8)]), &[too_long()], "send 0, give up", "p0/m:400").unwrap();
    assert_eq!((error.kind, error.code()), (ErrorKind::ContextLength, "context_length_exceeded"));
    let quota = Fails(reply(FailureClass::QuotaExhausted, 402));
    let error =
        check(windows(&[Some(8), None]), &[too_long(), quota], "send 0, send 1, give up", "p0/m:400,p1/m:402").unwrap();
    assert_eq!(error.kind, ErrorKind::ContextLength, "what the caller can change is told first");
}

#[test]
fn the_error_tells_whether_and_when_to_come_back() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let soon = || Fails(after(7_000, limited()));
    let later = || Fails(after(20_000, limited()));
    let hours = || Fails(after(36_000_000, reply(FailureClass::QuotaExhausted, 429)));
    let busy = || Fails(after(9_000, reply(FailureClass::Overloaded, 529)));
    let silence = || Fails(silent(FailureClass::Timeout));
    let auth = || Fails(reply(FailureClass::Auth, 401));
    let mut refused = after(1_000, limited());
    refused.should_retry = Some(false);
    // Kind, status, delay left at the end (the second call takes 100 ms of the first's delay).
    for (script, kind, status, delay) in [
        (vec![later(), soon()], ErrorKind::RateLimited, 429, Some(7_000)),
        (vec![soon(), later()], ErrorKind::RateLimited, 429, Some(6_900)),
        (vec![later(), hours()], ErrorKind::RateLimited, 429, Some(19_900)),
        (vec![auth(), later()], ErrorKind::RateLimited, 429, Some(20_000)),
        (vec![Fails(refused.clone()), Fails(refused)], ErrorKind::RateLimited, 429, None),
        (vec![busy(), later()], ErrorKind::Overloaded, 503, Some(8_900)),
        (vec![silence(), busy()], ErrorKind::Overloaded, 503, Some(9_000)),
        (vec![silence(), later()], ErrorKind::Timeout, 504, Some(20_000)),
        (vec![auth(), silence()], ErrorKind::Timeout, 504, None),
        (vec![auth(), hours()], ErrorKind::UpstreamFailed, 502, None),
    ] {
        let machine = Machine::new(two(), Limits::default(), true, ARRIVED);
        let (trace, error, _) = run(machine, &script, true);
        let error = error.unwrap();
        let told = (error.kind, error.status(), error.retry_after_ms, error.should_retry);
        assert_eq!(told, (kind, status, delay, delay.is_some()), "{trace:?}");
    }
}

#[test]
fn the_error_lists_the_attempts() {
    let script = [Fails(silent(FailureClass::Timeout)), Fails(reply(FailureClass::Auth, 401))];
    let error = check(
        named(&["openai/a\"b", "anthropic/c"]),
        &script,
        "send 0, send 1, give up",
        "openai/a\"b:timeout,anthropic/c:401",
    );
    let metadata: serde_json::Value = serde_json::from_str(&error.unwrap().metadata).unwrap();
    let expected = serde_json::json!({"attempts": [
        {"candidate": "openai/a\"b", "outcome": "timeout", "ms": 100}, {"candidate": "anthropic/c", "outcome": "401", "ms": 100},
    ]});
    assert_eq!(metadata, expected);
}

#[test]
fn after_commit_there_is_no_way_back() {
    let two = || named(&["openai/a", "anthropic/b"]);
    for (failure, kind) in [
        (silent(FailureClass::Cut), ErrorKind::StreamCut),
        (silent(FailureClass::Server), ErrorKind::StreamCut),
        (silent(FailureClass::Timeout), ErrorKind::Timeout),
        (reply(FailureClass::Overloaded, 529), ErrorKind::Overloaded),
        (reply(FailureClass::RateLimited, 429), ErrorKind::RateLimited),
        (reply(FailureClass::ContentFiltered, 400), ErrorKind::ContentFiltered),
        (reply(FailureClass::InvalidRequest, 400), ErrorKind::RejectedByProvider),
        (reply(FailureClass::Auth, 401), ErrorKind::UpstreamFailed),
    ] {
        let word = failure.status.map_or(failure.class.name().to_owned(), |status| status.to_string());
        let error =
            check(two(), &[BreaksAfterContent(failure)], "send 0, give up", &format!("openai/a:{word}")).unwrap();
        assert_eq!((error.kind, error.should_retry), (kind, false));
        assert!(error.metadata.contains("openai/a"));
    }
}

#[test]
fn a_broken_answer_is_gone_on_with_by_whoever_can() {
    let three = || named(&["openai/a", "anthropic/b", "gemini/c"]);
    let cut = || silent(FailureClass::Cut);
    let header = "openai/a:cut,openai/a:200";
    check(three(), &[IsInterrupted(cut(), vec![0, 1]), Answers], "send 0, send 0, finish", header);
    // Whoever cannot, for whatever reason, is followed by the next; what broke twice in the same hands is left.
    let script = [
        IsInterrupted(cut(), vec![0, 2, 1]),
        Fails(reply(FailureClass::InvalidRequest, 400)),
        IsInterrupted(broken(), vec![2, 1]),
        Fails(limited()),
        Answers,
    ];
    let header = "openai/a:cut,openai/a:400,gemini/c:500,gemini/c:429,anthropic/b:200";
    check(three(), &script, "send 0, send 0, send 2, send 2, send 1, finish", header);
    // A silent route, a limit with a delay and a dead key are left at once.
    for failure in [silent(FailureClass::Timeout), after(20, limited()), reply(FailureClass::Auth, 401)] {
        let trace = "send 0, send 1, finish";
        let machine = Machine::new(three(), Limits::default(), true, ARRIVED);
        assert_eq!(run(machine, &[IsInterrupted(failure, vec![0, 1]), Answers], true).0.join(", "), trace);
    }
    // Without a budget nobody is asked twice.
    let machine = Machine::new(three(), Limits::default(), true, ARRIVED);
    let (trace, ..) = run(machine, &[IsInterrupted(cut(), vec![0, 1]), Answers], false);
    assert_eq!(trace.join(", "), "send 0, send 1, finish");
    // Who failed before content does not go on.
    let script = [
        Fails(reply(FailureClass::NotFound, 404)),
        IsInterrupted(silent(FailureClass::Timeout), vec![1, 0, 2]),
        Answers,
    ];
    check(three(), &script, "send 0, send 1, send 2, finish", "openai/a:404,anthropic/b:timeout,gemini/c:200");
}

#[test]
fn what_nobody_goes_on_with_ends_as_the_first_break_says() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let overloaded = || reply(FailureClass::Overloaded, 529);
    let script = [IsInterrupted(overloaded(), vec![1]), Fails(reply(FailureClass::InvalidRequest, 400))];
    let error = check(two(), &script, "send 0, send 1, give up", "openai/a:529,anthropic/b:400").unwrap();
    assert_eq!(error.kind, ErrorKind::Overloaded, "a rejected continuation does not hide why the answer broke");
    let script = [IsInterrupted(overloaded(), vec![1]), BreaksAfterContent(silent(FailureClass::Cut))];
    let error = check(two(), &script, "send 0, send 1, give up", "openai/a:529,anthropic/b:cut").unwrap();
    assert_eq!(error.kind, ErrorKind::Overloaded);
    // A verdict is not carried elsewhere, and neither is a wrong request.
    for class in [FailureClass::ContentFiltered, FailureClass::InvalidRequest] {
        check(two(), &[IsInterrupted(reply(class, 400), vec![0, 1])], "send 0, give up", "openai/a:400");
    }
    // Attempts and time bind.
    let limits = Limits { max_attempts: 1, ..Limits::default() };
    let machine = Machine::new(two(), limits, true, ARRIVED);
    assert_eq!(run(machine, &[IsInterrupted(overloaded(), vec![1])], true).0.join(", "), "send 0, give up");
    let limits = Limits { total_ms: 100, ..Limits::default() };
    let machine = Machine::new(two(), limits, true, ARRIVED);
    assert_eq!(run(machine, &[IsInterrupted(overloaded(), vec![1])], true).0.join(", "), "send 0, give up");
}

#[test]
fn a_policy_may_have_a_verdict_tried_elsewhere() {
    let two = || named(&["openai/a", "anthropic/b"]);
    let filtered = || reply(FailureClass::ContentFiltered, 400);
    let limits = Limits { verdicts_are_answers: false, ..Limits::default() };
    let machine = Machine::new(two(), limits.clone(), true, ARRIVED);
    assert_eq!(run(machine, &[Fails(filtered()), Answers], true).0.join(", "), "send 0, send 1, finish");
    let machine = Machine::new(two(), limits, true, ARRIVED);
    let (trace, error, _) = run(machine, &[Fails(filtered()), Fails(filtered())], true);
    assert_eq!(
        (trace.join(", ").as_str(), error.unwrap().kind),
        ("send 0, send 1, give up", ErrorKind::ContentFiltered)
    );
}

#[test]
fn the_header_counts_an_answer_from_its_first_content_on() {
    let mut machine = Machine::new(named(&["openai/a"]), Limits::default(), true, ARRIVED);
    let step = |machine: &mut Machine, event| machine.step(event, ARRIVED, 0, &mut |_| true);
    step(&mut machine, Event::Start);
    assert_eq!(machine.attempts_header(), "");
    step(&mut machine, Event::Content);
    assert_eq!(machine.attempts_header(), "openai/a:200");
    step(&mut machine, Event::Ended);
    assert_eq!(machine.attempts_header(), "openai/a:200");
    assert_eq!(machine.records().len(), 1);
}

#[test]
fn whoever_left_is_not_served() {
    check(named(&["openai/a", "b/b"]), &[LosesItsCaller], "send 0, abandon", "openai/a:cancelled");
    let mut machine = Machine::new(named(&["openai/a"]), Limits::default(), true, ARRIVED);
    let mut step = |event| machine.step(event, ARRIVED, 0, &mut |_| true);
    step(Event::Start);
    assert_eq!(step(Event::Failed(after(2_000, limited()))), Action::Wait { ms: 2_000 });
    assert_eq!(step(Event::ClientGone), Action::Abandon, "while waiting, too");
    assert_eq!(step(Event::WaitOver), Action::Abandon);
}

#[test]
fn an_empty_budget_forbids_retries_not_fallbacks() {
    let machine = Machine::new(named(&["openai/a", "anthropic/b"]), Limits::default(), true, ARRIVED);
    let (trace, error, _) = run(machine, &[Fails(broken()), Fails(broken())], false);
    assert_eq!(trace, ["send 0", "send 1", "give up"]);
    assert_eq!(error.unwrap().status(), 502);
    let machine = Machine::new(named(&["openai/a"]), Limits::default(), true, ARRIVED);
    let (trace, error, _) = run(machine, &[Fails(after(2_000, limited()))], false);
    assert_eq!(trace, ["send 0", "give up"]);
    assert_eq!(error.unwrap().retry_after_ms, Some(2_000));
}

#[test]
fn the_budget_is_asked_only_for_what_would_be_sent() {
    let mut machine = Machine::new(named(&["openai/a", "anthropic/b"]), Limits::default(), true, ARRIVED);
    let mut asked = 0;
    for event in [Event::Start, Event::Failed(after(60_000, limited())), Event::Failed(silent(FailureClass::Timeout))] {
        machine.step(event, ARRIVED, 0, &mut |_| {
            asked += 1;
            true
        });
    }
    assert_eq!(asked, 0);
}

#[test]
fn nobody_to_ask_is_said_so() {
    let error = check(Vec::new(), &[], "give up", "").unwrap();
    assert_eq!((error.kind, error.metadata.as_str()), (ErrorKind::NoCandidate, ""));
}

#[test]
fn the_number_of_calls_is_bounded() {
    let limits = Limits { max_attempts: 3, ..Limits::default() };
    let machine = Machine::new(named(&["a/a", "b/b", "c/c"]), limits, true, ARRIVED);
    let (trace, error, _) = run(machine, &[Fails(broken()), Fails(broken()), Fails(broken())], true);
    assert_eq!(trace, ["send 0", "send 0", "send 1", "give up"]);
    assert_eq!(error.unwrap().status(), 502);
}

#[test]
fn waits_and_fallbacks_end_with_the_deadline() {
    let limits = Limits { total_ms: 2_000, ..Limits::default() };
    let start = |machine: &mut Machine| machine.step(Event::Start, ARRIVED, 0, &mut |_| true);
    // 100 ms are gone, 1,900 left: a wait of 1,900 would end with nothing.
    for (hint, expected) in [(1_899, Some(1_899)), (1_900, None)] {
        let mut machine = Machine::new(named(&["a/a"]), limits.clone(), true, ARRIVED);
        start(&mut machine);
        let action = machine.step(Event::Failed(after(hint, limited())), ARRIVED + 100, 0, &mut |_| true);
        match expected {
            Some(ms) => assert_eq!(action, Action::Wait { ms }),
            None => assert!(matches!(action, Action::GiveUp(error) if error.retry_after_ms == Some(hint))),
        }
    }
    let mut machine = Machine::new(named(&["a/a", "b/b"]), limits, true, ARRIVED);
    start(&mut machine);
    let action = machine.step(Event::Failed(silent(FailureClass::Timeout)), ARRIVED + 2_000, 0, &mut |_| true);
    assert!(matches!(action, Action::GiveUp(error) if error.kind == ErrorKind::Timeout && error.status() == 504));
}

#[test]
fn only_who_can_be_replaced_is_hurried() {
    let deadlines = |names: &[&str], stream: bool, max_attempts: u32| -> Deadlines {
        let candidates =
            named(names).into_iter().map(|c| Candidate { patience: Patience::Reasoning, expected_ms: 50_000, ..c });
        let limits = Limits { max_attempts, ..Limits::default() };
        let mut machine = Machine::new(candidates.collect(), limits, stream, ARRIVED);
        match machine.step(Event::Start, ARRIVED + 5, 0, &mut |_| true) {
            Action::Send { deadlines, .. } => deadlines,
            other => panic!("{other:?}"),
        }
    };
    let end_at = ARRIVED + 600_000;
    let hurried = Deadlines { first_content_at: Some(ARRIVED + 60_005), idle_ms: Some(60_000), end_at };
    let patient = Deadlines { first_content_at: None, idle_ms: None, end_at };
    assert_eq!(deadlines(&["a/a", "b/b"], true, 6), hurried);
    assert_eq!(deadlines(&["a/a"], true, 6), patient);
    assert_eq!(deadlines(&["a/a", "b/b"], true, 1), patient, "nobody comes after the last call");
    assert_eq!(deadlines(&["a/a", "b/b"], false, 6), Deadlines { end_at: ARRIVED + 150_005, ..patient });
    assert_eq!(deadlines(&["a/a"], false, 6), patient);
}

#[test]
fn a_driver_that_lost_track_still_gives_the_caller_one_end() {
    let mut machine = Machine::new(named(&["a/a"]), Limits::default(), true, ARRIVED);
    let mut step = |event| machine.step(event, ARRIVED, 0, &mut |_| true);
    assert!(matches!(step(Event::WaitOver), Action::GiveUp(error) if error.kind == ErrorKind::Internal));
    assert_eq!(step(Event::Start), Action::Finish);
}
