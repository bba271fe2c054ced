//! Learns the kinds of task from `data/training` and writes `data/classifier`: `npm run classify:train -- [--date DAY]`.
//! Seeded and in a fixed order: the same phrases give the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "tasks/phrases.rs"]
mod phrases;
#[path = "tasks/softmax.rs"]
mod softmax;

use std::fs;
use std::path::Path;

use serde_json::json;
use signalbox::catalogue::task::TASKS;
use signalbox::hashed::{Hashed, BITS, FEATURES, MEASURES, ONE};

use phrases::{Phrases, Random};
use softmax::{probabilities_at, train, Row, Settings};

/// The first one also lends its slots to the others.
const LANGUAGES: [&str; 15] =
    ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "tr", "zh", "ja", "ko", "ar", "hi"];
/// Texts per kind of task: in English, in each other language, and per point of a word.
const TEXTS: [usize; 3] = [1_500, 250, 4];
const SETTINGS: Settings = Settings { epochs: 6, step: 0.1, decay: 1e-5, dropped: 25 };
/// Weights are whole numbers from −7 to 7, two in a byte. The largest few are cut off, so that the others keep apart.
const LEVELS: f32 = 7.0;
const KEPT: f32 = 0.9995;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let date = match arguments.as_slice() {
        [] => "undated",
        [flag, date] if flag == "--date" => date,
        _ => panic!("usage: npm run classify:train -- [--date YYYY-MM-DD]"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let texts = texts(&root.join("training"));
    let rows: Vec<(Row, usize)> = texts.iter().map(|text| (row(&text.text), text.task)).collect();

    // How sure it may be is learned on instructions that it has not seen: each fifth is held back once.
    let seen: Vec<(Row, usize)> =
        rows.iter().zip(&texts).filter(|(_, text)| !text.held).map(|(row, _)| row.clone()).collect();
    let unseen: Vec<&(Row, usize)> =
        rows.iter().zip(&texts).filter(|(_, text)| text.held).map(|(row, _)| row).collect();
    let weights = train(&seen, columns(), TASKS.len(), &SETTINGS, 7);
    let loss = |temperature: f32| -> f32 {
        unseen.iter().map(|(row, task)| -probabilities_at(row, &weights, temperature)[*task].max(1e-9).ln()).sum()
    };
    let temperature = (5..40).map(|tenths| tenths as f32 / 10.0).min_by(|a, b| loss(*a).total_cmp(&loss(*b))).unwrap();
    let right = unseen.iter().filter(|(row, task)| best(&probabilities_at(row, &weights, 1.0)) == *task).count();
    println!(
        "{} texts; of {} from unseen instructions {right} right; temperature {temperature}",
        rows.len(),
        unseen.len()
    );

    let weights = train(&rows, columns(), TASKS.len(), &SETTINGS, 7);
    write(&root.join("classifier"), &weights, temperature, date);
}

struct Text {
    text: String,
    task: usize,
    /// Its instruction is held back while the temperature is found.
    held: bool,
}

fn texts(folder: &Path) -> Vec<Text> {
    let read = |name: &str| Phrases::read(&fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap());
    let languages: Vec<Phrases> = LANGUAGES.iter().map(|name| read(name)).collect();
    let words = read("words");
    let mut random = Random(1);
    let mut texts = vec![Text { text: String::new(), task: 0, held: false }];
    for (place, language) in languages.iter().enumerate() {
        for (task, name) in TASKS.iter().enumerate() {
            let instructions = language.of(name);
            assert!(!instructions.is_empty(), "{} has nothing for {name}", LANGUAGES[place]);
            for at in 0..TEXTS[usize::from(place > 0)] {
                let which = at % instructions.len();
                let text = language.make(&instructions[which], &languages[0], &mut random);
                texts.push(Text { text, task, held: which % 5 == 2 && *name != "default" });
            }
        }
    }
    for (task, name) in TASKS.iter().enumerate() {
        for line in words.of(name) {
            let (points, word) = line.split_once(' ').expect("points and a word");
            for at in 0..TEXTS[2] * points.parse::<usize>().expect("points") {
                let language = if random.below(2) == 0 { 0 } else { random.below(languages.len()) };
                let mut fill = |slot: &str| languages[language].make(slot, &languages[0], &mut random);
                let text = match at % 4 {
                    0 => word.to_owned(),
                    1 => format!("{} {word}", fill("<topic>")),
                    2 => format!("{word} {}", fill("<text>")),
                    _ => format!("{} {word} {}", fill("<topic>"), fill("<topic>")),
                };
                texts.push(Text { text, task, held: false });
            }
        }
    }
    texts
}

fn columns() -> usize {
    (1 << BITS) + MEASURES + 1
}

fn row(text: &str) -> Row {
    let text = Hashed::of(text);
    let slots = text.slots.iter().map(|(slot, value)| (u32::from(*slot), f32::from(*value) / text.length as f32));
    let measures = text.measures.iter().map(|measure| *measure as f32 / ONE as f32).chain([1.0]);
    slots.chain((1_u32 << BITS..).zip(measures)).collect()
}

fn best(probabilities: &[f32]) -> usize {
    (0..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b])).unwrap()
}

/// `tasks.bin`: for each slot a weight of each kind, two in a byte, the first in its low half. `tasks.json`: what they mean.
fn write(folder: &Path, weights: &[Vec<f32>], temperature: f32, date: &str) {
    let slots = 1_usize << BITS;
    let round = |number: f32| (f64::from(number) * 1e6).round() / 1e6;
    let scale = |weights: &[f32]| {
        let mut sizes: Vec<f32> = weights[..slots].iter().map(|weight| weight.abs()).collect();
        sizes.sort_by(f32::total_cmp);
        sizes[(slots as f32 * KEPT) as usize] / LEVELS
    };
    let scales: Vec<f32> = weights.iter().map(|weights| scale(weights)).collect();
    let level = |task: usize, slot: usize| {
        ((weights[task][slot] / scales[task]).round().clamp(-LEVELS, LEVELS) as i8) as u8 & 15
    };
    let pair =
        |slot: usize| (0..TASKS.len()).step_by(2).map(move |task| level(task, slot) | level(task + 1, slot) << 4);
    let bytes: Vec<u8> = (0..slots).flat_map(pair).collect();
    let tasks: Vec<serde_json::Value> = (0..TASKS.len())
        .map(|task| {
            let measures = weights[task][slots..slots + MEASURES].iter().map(|weight| round(weight / temperature));
            json!({"task": TASKS[task], "scale": round(scales[task] / temperature), "bias": round(weights[task][slots + MEASURES] / temperature), "measures": measures.collect::<Vec<_>>()})
        })
        .collect();
    let about = json!({
        "features": FEATURES, "date": date, "tasks": tasks,
        "source": "data/training, written for this project; npm run classify:train",
    });
    fs::write(folder.join("tasks.bin"), &bytes).unwrap();
    fs::write(folder.join("tasks.json"), format!("{about:#}\n")).unwrap();
}
