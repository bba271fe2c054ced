//! The proof that nothing is flattened: every recorded exchange × every client dialect, through the real pipeline, against
//! an independent reading of the recording (`read/`). Recordings are read in place (`SIGNALBOX_FIXTURES`, else
//! `../shared/fixtures`); without them these tests say so and pass. Our own small fixtures in `tests/fixtures` have the
//! same layout and run through the same comparisons.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // of helpers; tests may fail loudly

mod answer;
mod cases;
mod errors;
mod expect;
mod gateway;
mod golden;
mod native;
mod read;
mod requests;
#[path = "../support/mod.rs"]
mod support;
mod verdict;

use answer::Answer;
use cases::Case;
use gateway::{dialects, Asking};
use signalbox::dialect::Dialect;
use verdict::Verdict;

/// The whole body first, then seeded cuts, then single bytes where characters are longer than one.
fn cuts_of(case: &Case) -> Vec<Vec<&[u8]>> {
    let mut all = vec![vec![case.response.as_slice()]];
    if case.is_sse() {
        all.extend((1..=2).map(|seed| gateway::split(&case.response, seed)));
        if (case.has("emoji") || case.has("unicode")) && case.response.len() < 20_000 {
            all.push(case.response.chunks(1).collect());
        }
    }
    all
}

/// Cases that hold a whole answer.
fn answers(cases: &[Case]) -> impl Iterator<Item = (&Case, Dialect, Answer)> {
    cases.iter().filter(|case| case.status() == 200 && case.generates()).filter_map(|case| {
        let dialect = case.dialect?;
        let said = read::answer(dialect, &case.response, case.is_sse());
        (said.error.is_none() && said.whole).then_some((case, dialect, said))
    })
}

/// Mistral's lists and objects are written anew also for clients of the dialect that it speaks with an accent.
fn is_native(case: &Case, dialect: Dialect, client: Dialect) -> bool {
    client == dialect && !case.name.starts_with("mistral/")
}

fn compare_answers(cases: &[Case], verdict: &mut Verdict) {
    for (case, dialect, said) in answers(cases) {
        for client in dialects().into_iter().filter(|client| !is_native(case, dialect, *client)) {
            let stream = case.is_stream();
            let got = gateway::ask(
                case,
                dialect,
                Asking { explain: true, ..Asking::plainly(client, stream) },
                &[&case.response],
            );
            verdict.add(case, client, expect::differences(&said, client, &got));
        }
    }
}

#[test]
fn every_recorded_answer_reaches_clients_of_other_dialects_unflattened() {
    let mut verdict = Verdict::default();
    compare_answers(&cases::recordings(), &mut verdict);
    verdict.close("answers");
}

#[test]
fn our_own_fixtures_stand_up_to_the_same_comparisons() {
    let cases = cases::own();
    let mut verdict = Verdict::default();
    compare_answers(&cases, &mut verdict);
    verdict.close_without_gaps("answers");
    let mut verdict = Verdict::default();
    compare_native(&cases, &mut verdict);
    verdict.close_without_gaps("native");
    let mut verdict = Verdict::default();
    compare_broken(&cases, &mut verdict);
    compare_errors(&cases, &mut verdict);
    verdict.close_without_gaps("errors");
}

/// A server that answers in one piece what was to be a stream, or streams what was to be one piece, is understood all the same.
#[test]
fn every_recorded_answer_in_the_other_form_than_was_asked_for_reaches_every_client_unflattened() {
    let mut verdict = Verdict::default();
    compare_other_forms(&cases::recordings(), &mut verdict);
    verdict.close("other-form");
    let mut verdict = Verdict::default();
    compare_other_forms(&cases::own(), &mut verdict);
    verdict.close_without_gaps("other-form");
}

fn compare_other_forms(cases: &[Case], verdict: &mut Verdict) {
    for (case, dialect, said) in answers(cases) {
        for client in dialects() {
            let asking = Asking { explain: true, ..Asking::plainly(client, !case.is_stream()) };
            let got = gateway::ask(case, dialect, asking, &[&case.response]);
            // Clients of the provider's dialect get blocks and pauses as they are, which the comparison takes to be reported.
            let body = String::from_utf8_lossy(&got.body).into_owned();
            let is_there = |line: &String| {
                let kind = line.strip_suffix("is carried or reported: got false, expected true");
                let kind = kind.map(|path| path.trim_matches(['`', ' ']).rsplit('.').next().unwrap_or_default());
                let paused = line.starts_with("stop: got Some(Pause)");
                client == dialect && (paused || kind.is_some_and(|kind| body.contains(&format!("\"{kind}\""))))
            };
            let mut differences = expect::differences(&said, client, &got);
            differences.retain(|line| !is_there(line));
            verdict.add(case, client, differences);
        }
    }
}

#[test]
fn where_the_network_cuts_a_recorded_stream_shows_nowhere() {
    for (case, dialect, _) in answers(&cases::recordings()).filter(|(case, ..)| case.is_sse()) {
        for client in dialects() {
            let asking = Asking::plainly(client, true);
            let mut cuts = cuts_of(case).into_iter().map(|pieces| gateway::ask(case, dialect, asking, &pieces).body);
            let whole = cuts.next().unwrap();
            for (at, body) in cuts.enumerate() {
                assert!(body == whole, "{} {}: cut {at} shows", case.name, client.name());
            }
        }
    }
}

/// Native traffic: no byte that does not have to change is changed.
#[test]
fn every_recorded_answer_reaches_clients_of_its_own_dialect_byte_for_byte() {
    let mut verdict = Verdict::default();
    compare_native(&cases::recordings(), &mut verdict);
    verdict.close("native");
}

fn compare_native(cases: &[Case], verdict: &mut Verdict) {
    let native =
        answers(cases).filter(|(case, dialect, _)| gateway::serves(*dialect) && is_native(case, *dialect, *dialect));
    for (case, dialect, said) in native {
        let asked = Asking::plainly(dialect, case.is_stream());
        let mut differences = native::differences(case, asked, &gateway::ask(case, dialect, asked, &[&case.response]));
        if dialect == Dialect::OpenAiChat && case.is_sse() {
            if said.usage.is_none() {
                // Without it the gateway adds an estimate where it was asked for usage.
                differences.clear();
            }
            let unasked = Asking { usage: false, ..asked };
            let got = gateway::ask(case, dialect, unasked, &gateway::split(&case.response, 3));
            differences.extend(native::differences(case, unasked, &got));
        }
        verdict.add(case, dialect, differences);
    }
}

#[test]
fn every_recorded_stream_that_breaks_off_ends_as_what_it_is() {
    let mut verdict = Verdict::default();
    compare_broken(&cases::recordings(), &mut verdict);
    verdict.close("broken");
}

fn compare_broken(cases: &[Case], verdict: &mut Verdict) {
    for (case, dialect) in broken(cases) {
        for client in dialects().into_iter().filter(|client| gateway::serves(*client)) {
            let asking = Asking::plainly(client, case.is_stream());
            for pieces in cuts_of(case) {
                // What comes in one piece with the failure is not delivered: the client gets a clean error then.
                let got = gateway::ask(case, dialect, asking, &pieces);
                verdict.add(case, client, errors::of_a_broken_stream(case, dialect, client, true, &got));
            }
            let lines: Vec<&[u8]> = case.response.split_inclusive(|byte| *byte == b'\n').collect();
            let got = gateway::ask(case, dialect, asking, &lines);
            verdict.add(case, client, errors::of_a_broken_stream(case, dialect, client, false, &got));
        }
    }
}

/// Streams without an end, or with an error in its place.
fn broken(cases: &[Case]) -> impl Iterator<Item = (&Case, Dialect)> {
    cases.iter().filter(|case| case.status() == 200 && case.generates()).filter_map(|case| {
        let dialect = case.dialect?;
        let said = read::answer(dialect, &case.response, case.is_sse());
        (said.error.is_some() || !said.whole).then_some((case, dialect))
    })
}

#[test]
fn every_recorded_error_reaches_every_client_in_its_own_words_and_class() {
    let mut verdict = Verdict::default();
    compare_errors(&cases::recordings(), &mut verdict);
    verdict.close("errors");
}

fn compare_errors(cases: &[Case], verdict: &mut Verdict) {
    for case in cases.iter().filter(|case| case.status() != 200 && case.generates()) {
        let Some(dialect) = case.dialect else { continue };
        for client in dialects().into_iter().filter(|client| gateway::serves(*client)) {
            let asking = Asking::plainly(client, case.is_stream());
            let got = gateway::ask(case, dialect, asking, &[&case.response]);
            verdict.add(case, client, errors::of_a_refusal(case, client, &got));
        }
    }
}
