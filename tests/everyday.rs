//! Everyday prompts in several languages, written by hand and never learned from: how many are told for what they are, and
//! whether the probability that comes with a guess means what it says.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use signalbox::catalogue::task::TASKS;
use signalbox::classify::task::{guess, Guess, WEIGHTS};
use signalbox::classify::{Features, Text, Thinking};
use signalbox::dialect::view::{sample_of, Needs, View};
use signalbox::hashed::Hashed;

const PROMPTS: &str = include_str!("fixtures/everyday.tsv");

fn guessed() -> Vec<(&'static str, &'static str, Guess)> {
    let guess = |text: &str| guess(&Hashed::of(text), Needs::default(), Thinking::Unsaid, WEIGHTS);
    PROMPTS.lines().map(|line| line.split_once('\t').unwrap()).map(|(task, text)| (task, text, guess(text))).collect()
}

#[test]
fn nine_in_ten_everyday_prompts_are_told_for_what_they_are() {
    let all = guessed();
    assert!(all.len() >= 200);
    let mut table: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (task, _, guess) in &all {
        *table.entry((task, guess.task)).or_default() += 1;
    }
    let mut page = String::from("rows: what it is; columns: what was told\n           ");
    TASKS.iter().for_each(|task| write!(page, "{task:>10}").unwrap());
    for task in TASKS {
        write!(page, "\n{task:>10} ").unwrap();
        TASKS.iter().for_each(|told| write!(page, "{:>10}", table.get(&(task, *told)).unwrap_or(&0)).unwrap());
    }
    let right = all.iter().filter(|(task, _, guess)| *task == guess.task).count();
    println!("{page}\n{right} of {} right", all.len());
    assert!(right * 10 >= all.len() * 9, "{right} of {} right\n{page}", all.len());
}

#[test]
fn a_guess_that_counts_is_right_and_its_probability_is_no_boast() {
    // A policy looks at guesses from one half on.
    let sure: Vec<_> = guessed().into_iter().filter(|(_, _, guess)| guess.confidence_micro >= 500_000).collect();
    let right = sure.iter().filter(|(task, _, guess)| *task == guess.task).count();
    let promised: i64 = sure.iter().map(|(_, _, guess)| guess.confidence_micro).sum();
    println!("{right} of {} sure guesses right, {} promised", sure.len(), promised / 1_000_000);
    assert!(right * 100 >= sure.len() * 95);
    assert!(i64::try_from(right).unwrap() * 1_000_000 >= promised * 95 / 100);
}

#[test]
fn white_space_letter_case_and_line_ends_change_no_guess() {
    for (_, text, plain) in guessed() {
        for variant in [format!("{text}\n"), text.to_uppercase(), text.to_lowercase(), text.replace(' ', " \n ")] {
            assert_eq!(guess(&Hashed::of(&variant), Needs::default(), Thinking::Unsaid, WEIGHTS), plain, "{variant:?}");
        }
    }
}

#[test]
fn a_long_prompt_is_told_by_its_ends_however_it_is_spaced() {
    let material = "The council met on Monday. The river rose again and the bridge was closed. ".repeat(3_000);
    assert!(material.len() > 200_000);
    for (text, told) in [
        (format!("Summarize the text below.\n{material}"), Some("summarize")),
        // At the end of so much a short instruction can be overheard; it is so however it is spaced.
        (format!("{material}\nSummarize the text above."), None),
    ] {
        let features = |text: &str| {
            let view = View { sample: sample_of(text).into_owned().into(), ..View::default() };
            let features = Features::of(&view, &Text::new(&view.sample), None, || WEIGHTS);
            (features.task, features.confidence_micro)
        };
        let plain = features(&text);
        assert!(told.is_none_or(|told| told == plain.0), "{plain:?}");
        for variant in [text.to_uppercase(), text.replace(' ', "  "), format!("{text}\n\n")] {
            assert_eq!(features(&variant), plain);
        }
    }
}
