use super::task::{guess, Guess, WEIGHTS};
use super::*;
use crate::catalogue::task::DEFAULT;

fn task(text: &str) -> Guess {
    guess(&Hashed::of(&ends(text)), Needs::default(), Thinking::Unsaid, WEIGHTS)
}

const EXAMPLES: [(&str, &str); 46] = [
    ("translate", "Translate the following text to French: The train leaves at noon."),
    ("translate", "Übersetze den folgenden Satz ins Englische: Der Zug fährt ab."),
    ("translate", "Traduis cette phrase en anglais : le train part."),
    ("translate", "Traduce este texto al inglés: el tren sale."),
    ("translate", "请把下面的句子翻译成英文：火车开了。"),
    ("translate", "次の文を英語に翻訳してください。電車が出発します。"),
    ("summarize", "Summarize this article in three sentences: The council met on Monday to discuss the bridge."),
    ("summarize", "TL;DR of the thread below, please"),
    ("summarize", "Fasse den Text zusammen und nenne die Kernaussagen: Der Rat tagte am Montag."),
    ("summarize", "总结一下这篇文章的主要内容"),
    ("extract", "Extract all names and phone numbers from the following text and return JSON."),
    ("extract", "Pull out the invoice number and the total from this mail: ..."),
    ("classify", "Classify the sentiment of this review as positive or negative: I loved the soup."),
    ("classify", "Which category does this ticket belong to? Labels: billing, technical, other."),
    ("code", "Write a Python function that reverses a linked list."),
    ("code", "Why does this not compile?\n```rust\nfn main() { let x = 5; println!(\"{}\", y); }\n```"),
    ("code", "Fix the bug:\n\n```js\nconst f = () => { return a == b; };\n```"),
    ("code", "Traceback (most recent call last): File \"a.py\", line 3, in <module> import numpy as np"),
    ("code", "Schreibe ein Programm in Java, das Primzahlen ausgibt."),
    ("code", "用 python 写一个函数，反转链表的代码"),
    ("math", "Solve the equation x^2 - 5x + 6 = 0."),
    (
        "math",
        "Natalia sold clips to 48 friends in April, and half as many in May. How many clips did she sell altogether?",
    ),
    ("math", "Prove that the sum of two even numbers is divisible by 2."),
    ("math", "Evaluate the integral $$\\int_0^1 x^2 dx$$"),
    ("math", "Berechne die Wahrscheinlichkeit, zwei Sechsen zu würfeln."),
    ("math", "计算 12 的平方加上 7 等于多少"),
    (
        "reasoning",
        "Think carefully: knights and knaves live on an island. A says B lies. Deduce who is who, step by step.",
    ),
    ("reasoning", "Here is a logic puzzle with three boxes. Reason about each premise."),
    ("writing", "Write a short story about a lighthouse keeper."),
    ("writing", "Draft an email to my landlord about the heating."),
    ("writing", "Rewrite this paragraph in a friendlier tone: We regret to inform you."),
    ("writing", "Schreibe ein Gedicht über den Herbst."),
    ("writing", "写一篇关于秋天的文章"),
    ("qa", "What is the capital of Australia?"),
    ("qa", "Who wrote The Trial and when was it published?"),
    ("qa", "Which of the following is a noble gas? A) Oxygen B) Neon C) Nitrogen D) Iron"),
    ("qa", "Wer war der erste Mensch im Weltall?"),
    ("qa", "为什么天空是蓝色的？"),
    ("chat", "hi"),
    ("chat", "Hello! How are you today?"),
    ("chat", "Hallo, wie geht es dir?"),
    ("chat", "Hola, ¿cómo estás?"),
    ("chat", "你好"),
    ("default", "The quick brown fox jumps over the lazy dog."),
    ("default", ""),
    ("default", "banana"),
];

#[test]
fn plain_cases_are_told_apart_in_several_languages() {
    let threshold = 500_000;
    let wrong: Vec<String> = EXAMPLES
        .iter()
        .filter_map(|(wanted, text)| {
            let guess = task(text);
            let told = if guess.confidence_micro < threshold { DEFAULT } else { guess.task };
            (told != *wanted).then(|| format!("{text:?}: {guess:?}, wanted {wanted}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn white_space_letter_case_and_line_ends_change_nothing() {
    for (_, text) in EXAMPLES {
        let plain = task(text);
        for variant in [
            format!("{text}\n"),
            format!("\r\n\t  {text}  \n\n"),
            text.to_uppercase(),
            text.to_lowercase(),
            text.replace(' ', "  "),
            text.replace(' ', "\n"),
        ] {
            assert_eq!(task(&variant), plain, "{variant:?}");
        }
    }
}

#[test]
fn an_instruction_counts_at_either_end_of_long_material() {
    let material =
        "The council met on Monday. The river rose again and the bridge was closed to traffic. ".repeat(1_000);
    for text in [format!("Summarize the text below.\n{material}"), format!("{material}\nSummarize the text above.")] {
        assert_eq!(task(&crate::dialect::view::sample_of(&text)).task, "summarize");
    }
    assert_eq!(task(&material).task, DEFAULT, "material alone tells nothing");
}

#[test]
fn tool_results_make_an_agent_of_whatever_the_words_say() {
    let needs = Needs { tools: true, tool_results: true, ..Needs::default() };
    assert_eq!(guess(&Hashed::of("What is the weather in Bern?"), needs, Thinking::Unsaid, WEIGHTS).task, "agent");
    let needs = Needs { tools: true, ..Needs::default() };
    assert_ne!(
        guess(&Hashed::of("Translate to French: hello"), needs, Thinking::Unsaid, WEIGHTS).task,
        "agent",
        "declared tools are a hint"
    );
}

#[test]
fn the_callers_own_word_wins_and_is_certain() {
    let view = View { sample: "Translate this".into(), effort: Some("xhigh".into()), turns: 3, ..View::default() };
    let features = Features::of(&view, &Text::new(&view.sample), Some("legal"), || WEIGHTS);
    assert_eq!((features.task.as_str(), features.confidence_micro), ("legal", 1_000_000));
    assert_eq!((features.source, features.thinking, features.turns), (TaskSource::Header, Thinking::High, 3));
    let guessed = Features::of(&view, &Text::new(&view.sample), None, || WEIGHTS);
    assert_eq!(guessed.task_above(guessed.confidence_micro), "translate");
    assert_eq!(guessed.task_above(guessed.confidence_micro + 1), DEFAULT);
}
