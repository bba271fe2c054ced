//! Random scripts of faults under a virtual clock: what must hold for any of them (`routing.md` §5 "Simulation tests to
//! require", as far as attempts are concerned).

use std::collections::HashMap;

use signalbox::attempt::budget::RetryBudget;
use signalbox::attempt::plan::{Action, Candidate, Deadlines, Event, Limits, Machine};
use signalbox::error::ErrorKind;
use signalbox::upstream::failure::{AttemptFailure, FailureClass, RetryScope};

use crate::{broken, candidate, named, reply, silent, ARRIVED};

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

fn any_failure(random: &mut Random) -> AttemptFailure {
    use FailureClass::{
        Auth, Connect, ContentFiltered, ContextLength, Cut, InvalidRequest, NotFound, Overloaded, QuotaExhausted,
        RateLimited, Server, Timeout,
    };
    let classes = [
        (RateLimited, 429),
        (RateLimited, 429),
        (Overloaded, 503),
        (Server, 500),
        (Server, 502),
        (Timeout, 504),
        (Connect, 0),
        (Cut, 0),
        (Timeout, 0),
        (QuotaExhausted, 429),
        (Auth, 401),
        (NotFound, 404),
        (ContextLength, 400),
        (ContentFiltered, 400),
        (InvalidRequest, 400),
    ];
    let (class, status) = classes[usize::try_from(random.below(classes.len() as u64)).unwrap()];
    let mut failure = if status == 0 { silent(class) } else { reply(class, status) };
    if random.chance(40) {
        failure.retry_after_ms = Some([0, 20, 900, 3_000, 3_001, 40_000][usize::try_from(random.below(6)).unwrap()]);
    }
    if random.chance(10) {
        failure.should_retry = Some(random.chance(50));
    }
    failure
}

/// What one simulated request may no longer do.
#[derive(Default)]
struct Watch {
    calls: HashMap<usize, u32>,
    /// Candidate → earliest instant of another call.
    not_before: HashMap<usize, u64>,
    /// Candidates that may not be called any more, and why.
    barred: HashMap<usize, &'static str>,
    over: Option<&'static str>,
    waited: u64,
}

impl Watch {
    fn may_send(&mut self, candidate: usize, now: u64, seed: u64) {
        assert_eq!(self.over, None, "seed {seed}: a call after the end");
        assert_eq!(self.barred.get(&candidate), None, "seed {seed}");
        assert!(now >= self.not_before.get(&candidate).copied().unwrap_or(0), "seed {seed}: Retry-After undercut");
        let calls = self.calls.entry(candidate).or_default();
        *calls += 1;
        assert!(*calls <= 2, "seed {seed}: a candidate was retried twice");
    }

    /// `decides`: it is not the second of two that are asked at once.
    fn failed(&mut self, candidates: &[Candidate], at: usize, failure: &AttemptFailure, decides: bool, now: u64) {
        let provider = |c: &Candidate| c.name.split('/').next().unwrap().to_owned();
        if let Some(hint) = failure.retry_after_ms {
            self.not_before.insert(at, now + hint);
        }
        match failure.retry_scope() {
            RetryScope::Never if decides => self.over = Some("the request was wrong"),
            RetryScope::Answer if decides => self.over = Some("a verdict was given"),
            RetryScope::Never | RetryScope::Answer => {}
            RetryScope::SameThenOther => {}
            RetryScope::OtherOnly => {
                self.barred.insert(at, "it lasts");
                if matches!(failure.class, FailureClass::Auth | FailureClass::QuotaExhausted) {
                    let hit = candidates.iter().enumerate().filter(|(_, c)| provider(c) == provider(&candidates[at]));
                    self.barred.extend(hit.map(|(other, _)| (other, "the same key")));
                }
            }
            RetryScope::LargerWindow => {
                let small =
                    |c: &Candidate| matches!((c.context, candidates[at].context), (Some(o), Some(own)) if o <= own);
                let hit = candidates.iter().enumerate().filter(|(other, c)| *other == at || small(c));
                self.barred.extend(hit.map(|(other, _)| (other, "too small a window")));
            }
        }
    }
}

/// A call and what will become of it.
struct Flight {
    attempt: u32,
    candidate: usize,
    ends: u64,
    failure: Option<AttemptFailure>,
}

impl Flight {
    fn new(attempt: u32, candidate: usize, deadlines: Deadlines, now: u64, failing: u64, random: &mut Random) -> Self {
        let until = deadlines.first_content_at.unwrap_or(deadlines.end_at).min(deadlines.end_at);
        let takes = if random.chance(10) { random.below(400_000) } else { random.below(3_000) };
        let (ends, failure) = if now + takes >= until {
            (until, Some(silent(FailureClass::Timeout)))
        } else {
            (now + takes, random.chance(failing).then(|| any_failure(random)))
        };
        Self { attempt, candidate, ends, failure }
    }
}

/// One request with random candidates, faults and delays; returns its numbers of calls and of hedges.
fn simulate(seed: u64) -> (usize, usize) {
    let random = &mut Random(seed);
    let candidates: Vec<Candidate> = (0..=random.below(4))
        .map(|at| {
            let context = [None, Some(8_000), Some(32_000), Some(128_000)][usize::try_from(random.below(4)).unwrap()];
            let hedge_after_ms = random.chance(50).then(|| 1 + random.below(2_000));
            Candidate { hedge_after_ms, ..candidate(&format!("p{}/m{at}", random.below(3)), context) }
        })
        .collect();
    let limits = Limits {
        total_ms: [500, 5_000, 60_000, 600_000][usize::try_from(random.below(4)).unwrap()],
        max_attempts: u32::try_from(1 + random.below(7)).unwrap(),
        ..Limits::default()
    };
    let stream = random.chance(50);
    let (failing, budget) = (random.below(101), random.chance(80));
    let end = ARRIVED + limits.total_ms;
    let mut machine = Machine::new(candidates.clone(), limits.clone(), stream, ARRIVED);
    let (mut now, mut watch, mut sends, mut hedges) = (ARRIVED, Watch::default(), 0usize, 0usize);
    let mut event = Event::Start;
    let ending = loop {
        let gone = sends > 0 && random.chance(2);
        if gone {
            event = Event::ClientGone;
        }
        let action = machine.step(event, now, random.next(), &mut |_| budget);
        assert!(!gone || action == Action::Abandon, "seed {seed}");
        match action {
            Action::Send { attempt, candidate, deadlines, hedge_at } => {
                sends += 1;
                assert_eq!(attempt as usize, sends, "seed {seed}");
                assert!(attempt <= limits.max_attempts && now < end, "seed {seed}");
                watch.may_send(candidate, now, seed);
                let mut flight = Flight::new(attempt, candidate, deadlines, now, failing, random);
                if let Some(hedge_at) = hedge_at.filter(|at| *at < flight.ends) {
                    now = hedge_at;
                    let by = (0..candidates.len()).filter(|_| random.chance(70)).collect();
                    match machine.step(Event::Slow { by }, now, 0, &mut |_| budget) {
                        Action::Hedge { attempt, candidate: other, deadlines } => {
                            sends += 1;
                            hedges += 1;
                            assert!(budget && hedges == 1 && attempt as usize == sends, "seed {seed}");
                            assert!(attempt <= limits.max_attempts && now < end, "seed {seed}");
                            assert_ne!(other, candidate, "seed {seed}");
                            watch.may_send(other, now, seed);
                            let second = Flight::new(attempt, other, deadlines, now, failing, random);
                            let (sooner, later) =
                                if second.ends < flight.ends { (second, flight) } else { (flight, second) };
                            now = sooner.ends;
                            let event = match sooner.failure.clone() {
                                None => Event::Won { attempt: sooner.attempt },
                                Some(failure) => Event::Lost { attempt: sooner.attempt, failure },
                            };
                            flight = match machine.step(event, now, 0, &mut |_| panic!("a race costs no retry")) {
                                Action::Cancel { attempt } => {
                                    assert_eq!(attempt, later.attempt, "seed {seed}");
                                    sooner
                                }
                                Action::Stay { deadlines } => {
                                    let failure = sooner.failure.as_ref().unwrap();
                                    watch.failed(&candidates, sooner.candidate, failure, false, now);
                                    assert!(deadlines.end_at <= end, "seed {seed}");
                                    later
                                }
                                other => panic!("seed {seed}: {other:?}"),
                            };
                        }
                        Action::Stay { deadlines: same } => assert_eq!(same, deadlines, "seed {seed}"),
                        other => panic!("seed {seed}: {other:?}"),
                    }
                }
                now = flight.ends;
                event = match flight.failure {
                    Some(failure) => {
                        watch.failed(&candidates, flight.candidate, &failure, true, now);
                        Event::Failed(failure)
                    }
                    None if stream => {
                        assert_eq!(
                            machine.step(Event::Content, now, 0, &mut |_| budget),
                            Action::Commit,
                            "seed {seed}"
                        );
                        if random.chance(20) {
                            Event::Broke(any_failure(random))
                        } else {
                            Event::Ended
                        }
                    }
                    None => Event::Ended,
                };
            }
            Action::Wait { ms } => {
                assert_eq!(watch.over, None, "seed {seed}: a wait after the end");
                assert!(ms > 0 && now + ms < end, "seed {seed}: a wait beyond the deadline");
                watch.waited += ms;
                now += ms;
                event = Event::WaitOver;
            }
            Action::Commit => panic!("seed {seed}: commit out of place"),
            ending => break ending,
        }
    };
    assert!(now <= end && watch.waited <= limits.total_ms, "seed {seed}: past the deadline");
    assert_eq!(machine.records().len(), sends, "seed {seed}: every call is accounted once");
    if let Action::GiveUp(error) = &ending {
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&error.metadata).unwrap()["attempts"].as_array().unwrap().len(),
            sends
        );
        assert!(!error.should_retry || error.retry_after_ms.is_some(), "seed {seed}");
        let callers = matches!(
            error.kind,
            ErrorKind::RejectedByProvider
                | ErrorKind::ContentFiltered
                | ErrorKind::ContextLength
                | ErrorKind::ModelNotFound
        );
        assert!(callers || !error.message.contains("sk-secret"), "seed {seed}: {error}");
    }
    for event in [Event::Start, Event::WaitOver, Event::Ended, Event::Failed(broken()), Event::ClientGone] {
        let quiet = machine.step(event, now, 0, &mut |_| panic!("a retry after the end"));
        assert!(matches!(quiet, Action::Finish | Action::Abandon), "seed {seed}: a second end, {quiet:?}");
    }
    assert_eq!(machine.records().len(), sends, "seed {seed}");
    (sends, hedges)
}

#[test]
fn any_script_of_faults_keeps_the_invariants() {
    let (mut calls, mut hedges) = (0, 0);
    for (sent, hedged) in (0..50_000).map(simulate) {
        calls += sent;
        hedges += hedged;
    }
    assert!(calls > 60_000, "the scripts must exercise retries and fallbacks, {calls} calls");
    assert!(hedges > 3_000, "and two calls at once, {hedges}");
}

#[test]
fn an_upstream_that_fails_everything_gets_at_most_a_quarter_more_calls() {
    let random = &mut Random(7);
    for (per_second, names) in [(20u64, &["a/a"][..]), (200, &["a/a"]), (100, &["a/a", "b/b"])] {
        let mut budgets = vec![RetryBudget::default(); names.len()];
        let mut calls = vec![0u64; names.len()];
        let mut retries = 0;
        let offered = per_second * 60;
        for request in 0..offered {
            let mut now = ARRIVED + request * 1_000 / per_second;
            let mut machine = Machine::new(named(names), Limits::default(), false, now);
            let mut event = Event::Start;
            let mut seen = vec![false; names.len()];
            loop {
                let budgets_now = &mut budgets;
                match machine.step(event, now, random.next(), &mut |at| budgets_now[at].withdraw(now)) {
                    Action::Send { candidate, .. } => {
                        calls[candidate] += 1;
                        if seen[candidate] {
                            retries += 1;
                        } else {
                            budgets[candidate].deposit(now);
                        }
                        seen[candidate] = true;
                        now += 30;
                        event = Event::Failed(broken());
                    }
                    Action::Wait { ms } => {
                        now += ms;
                        event = Event::WaitOver;
                    }
                    Action::GiveUp(_) => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(retries > offered / 10, "{retries} retries: the budget lets a share through");
        for (name, calls) in names.iter().zip(calls) {
            assert!(calls * 4 <= offered * 5, "{name}: {calls} calls for {offered} requests");
        }
    }
}
