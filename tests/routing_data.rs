//! Routing over judged answers through the product's own code: what it reaches on recorded outcomes where the folder is at
//! hand (`SIGNALBOX_ROUTING_DATA`, else `../shared/routing-data`), and what holds for any pool without it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../examples/route/mod.rs"]
mod route;

use std::collections::BTreeSet;

use route::choose::World;
use route::learn::{learn, DECLARED};
use route::{metric, Pool, Row};

/// The pool's training rows and development rows.
fn recorded(name: &str) -> Option<(Pool, Vec<Row>, Vec<Row>)> {
    let Some(folder) = route::data_folder() else {
        println!("no routing data at hand: nothing to compare with");
        return None;
    };
    let pool = route::read_pool(&folder.join(format!("{name}.models.json"))).unwrap();
    let rows = |split: &str| route::read_rows(&folder.join(format!("{name}.{split}.jsonl")), &pool).unwrap();
    let (train, dev) = (rows("train"), rows("dev"));
    Some((pool, train, dev))
}

fn reaches(name: &str, gain: f64, cost_at_95: f64) {
    let Some((pool, train, dev)) = recorded(name) else { return };
    let ids: BTreeSet<&str> = train.iter().map(|row| row.id.as_str()).collect();
    let prompts: BTreeSet<&str> = train.iter().map(|row| row.prompt.as_str()).collect();
    assert!(dev.iter().all(|row| !ids.contains(row.id.as_str()) && !prompts.contains(row.prompt.as_str())));
    // Nothing of the development rows but their prompts is left to read.
    let blind: Vec<Row> =
        dev.iter().map(|row| Row { task: None, quality: Vec::new(), cost: Vec::new(), ..row.clone() }).collect();
    let world = World::new(&pool, &learn(&pool, &train, DECLARED, "training rows", "undated"), &blind).unwrap();
    let picks: Vec<Vec<usize>> = blind.iter().map(|row| world.picks_at(row, 2)).collect();
    let score = metric::score(&dev, &picks);
    println!("{name}: gain {:.4}, cost@0.95 {:?}", score.gain, score.cost_at_95);
    assert!(score.gain >= gain, "{name}: gain {}", score.gain);
    assert!(score.cost_at_95.unwrap() <= cost_at_95, "{name}: cost@0.95 {:?}", score.cost_at_95);
}

#[test]
fn two_models_are_told_apart_better_than_by_chance_at_half_the_cost() {
    reaches("duo", 0.16, 0.50);
}

#[test]
fn nine_models_are_told_apart_better_than_by_chance_at_a_quarter_of_the_cost() {
    reaches("nine", 0.19, 0.22);
}

/// Three models, two kinds of prompt: the cheap one can only do sums, the second only rhymes, the dear one both.
fn invented() -> (Pool, Vec<Row>) {
    let pool = Pool {
        name: "trio".into(),
        models: ["sums", "org/rhymes:free", "both"].map(str::to_owned).to_vec(),
        prices: Some(vec![[0.1, 0.1], [0.5, 0.5], [5.0, 10.0]]),
    };
    let subjects = ["apples", "the sea", "a lost dog", "seven trains", "my garden", "old clocks", "rain", "bread"];
    let mut rows = Vec::new();
    for at in 0..64 {
        let subject = subjects[at % 8];
        let sum = at % 2 == 0;
        let prompt = match sum {
            true => format!("How many {subject} are there in total if {at} come to {}?", at + 3),
            false => format!("Write verse number {at} of a poem about {subject}"),
        };
        let tokens = prompt.len() as f64 / 4.0;
        let cost = |input: f64, output: f64| (tokens * input + 50.0 * output) / 1e6;
        rows.push(Row {
            id: format!("row-{at}"),
            prompt,
            task: None,
            quality: if sum { vec![1.0, 0.0, 1.0] } else { vec![0.0, 1.0, 1.0] },
            cost: vec![cost(0.1, 0.1), cost(0.5, 0.5), cost(5.0, 10.0)],
        });
    }
    (pool, rows)
}

#[test]
fn any_pool_is_learned_and_each_kind_of_prompt_goes_to_the_cheapest_model_that_can() {
    let (pool, rows) = invented();
    let (train, held) = rows.split_at(48);
    let world = World::new(&pool, &learn(&pool, train, DECLARED, "invented", "2026-11-26"), held).unwrap();
    let picks: Vec<Vec<usize>> = held.iter().map(|row| world.picks(row)).collect();
    let right = |knob: usize| {
        let pick = |(row, picks): (&Row, &Vec<usize>)| picks[knob] == usize::from(row.quality[0] < 1.0);
        held.iter().zip(&picks).all(pick)
    };
    assert!((0..route::choose::KNOBS).any(right), "no setting sends each prompt where it belongs: {picks:?}");
    for (row, picks) in held.iter().zip(&picks) {
        let costs: Vec<f64> = picks.iter().map(|pick| row.cost[*pick]).collect();
        assert!(costs.windows(2).all(|pair| pair[0] >= pair[1]), "a higher weight of cost never costs more: {costs:?}");
    }
    assert_eq!(metric::score(held, &picks).cost_at_95.map(|cost| cost < 0.2), Some(true));
}

#[test]
fn the_same_rows_give_the_same_bytes_in_any_order_of_reading() {
    let (pool, rows) = invented();
    let profile = || learn(&pool, &rows, DECLARED, "invented", "2026-11-26").to_string();
    assert_eq!(profile(), profile());
}
