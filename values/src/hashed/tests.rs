use super::*;

#[test]
fn white_space_letter_case_and_line_ends_change_nothing() {
    for text in [
        "Solve x^2 - 5x + 6 = 0, please!",
        "Größe und Straße: ÜBERSETZE das",
        "Ποιος είναι ο καλύτερος;",
        "把这句话翻译成英文",
        "def f(a):\n    return a[0]",
        "",
        "12 and 1234567",
    ] {
        let plain = Hashed::of(text);
        for variant in [
            format!("{text}\n"),
            format!("\r\n\t  {text}  \n\n"),
            text.to_uppercase(),
            text.to_lowercase(),
            text.replace(' ', "  "),
            text.replace(' ', "\n"),
            text.replace(' ', "\u{a0}\t"),
        ] {
            assert_eq!(Hashed::of(&variant), plain, "{variant:?}");
        }
    }
}

#[test]
fn what_a_text_says_and_in_which_order_makes_a_difference() {
    let texts =
        ["dog bites man", "man bites dog", "dog bites men", "dog, bites man", "dog bites 7 men", "狗咬人", "人咬狗"];
    for (at, one) in texts.iter().enumerate() {
        for other in &texts[at + 1..] {
            assert_ne!(Hashed::of(one).slots, Hashed::of(other).slots, "{one} / {other}");
        }
    }
}

#[test]
fn numbers_count_by_their_length_and_endings_by_their_stem() {
    assert_eq!(Hashed::of("add 17 and 23"), Hashed::of("add 48 and 99"));
    let shared = |a: &str, b: &str| {
        let (a, b) = (Hashed::of(a), Hashed::of(b));
        a.slots.iter().filter(|slot| b.slots.contains(slot)).count()
    };
    assert!(shared("summarize", "summarization") > shared("summarize", "sumptuous"));
}

/// A change here is a change of every table: raise `FEATURES` with it and learn again.
#[test]
fn the_numbers_of_a_text_are_those_that_tables_were_learned_on() {
    let text = Hashed::of("Write a Python function: def f(x) → 42 ✓ 你好, größer?");
    let sum = text.slots.iter().fold(0_u64, |sum, (slot, value)| {
        sum.wrapping_mul(1_000_003).wrapping_add(u64::from(*slot) << 16 | u64::from(*value))
    });
    assert_eq!((text.slots.len(), text.length, sum), PINNED);
    assert_eq!(FEATURES, 1);
}
const PINNED: (usize, i64, u64) = (41, 409, 13_167_840_807_927_663_680);

#[test]
fn repetition_counts_with_its_logarithm_and_never_overflows() {
    let value = |times: usize| Hashed::of(&"word ".repeat(times)).slots.iter().map(|(_, value)| *value).max().unwrap();
    assert_eq!(value(3), 128);
    assert!(value(1_000) == value(100_000) && value(1_000) <= 64 * 8);
}
