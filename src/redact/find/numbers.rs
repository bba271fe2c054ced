//! Numbers that are somebody's: phones, payment cards, bank accounts.

use std::ops::Range;

use super::{in_word, Kind};

/// Digits as they are grouped in a text: `+1 (555) 123-4567` is four groups.
struct Run {
    plus: bool,
    groups: Vec<Range<usize>>,
}

/// ITU-T E.164: at most 15 digits; fewer than 8 with a country code is no number that rings.
const PHONE: std::ops::RangeInclusive<usize> = 8..=15;
/// ISO/IEC 7812.
const CARD: std::ops::RangeInclusive<usize> = 13..=19;

/// Tells of phones and cards.
pub fn find(text: &str, found: &mut dyn FnMut(Range<usize>, Kind)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let opens = byte.is_ascii_digit() || matches!(byte, b'+' | b'(');
        let apart = at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|before| !in_word(*before));
        if !opens || !apart {
            at += 1;
            continue;
        }
        let (run, end) = run(bytes, at);
        cards(bytes, &run, found);
        phones(bytes, at, &run, found);
        at = end.max(at + 1);
    }
}

/// The groups of digits that begin here, and where they end. Between two groups stand at most two separators.
fn run(bytes: &[u8], from: usize) -> (Run, usize) {
    let plus = bytes.get(from) == Some(&b'+');
    let mut run = Run { plus, groups: Vec::new() };
    let mut at = if plus { from + 1 } else { from };
    let mut end = at;
    let mut gap = 0;
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            match run.groups.last_mut().filter(|group| group.end == at) {
                Some(group) => group.end = at + 1,
                None => run.groups.push(at..at + 1),
            }
            (gap, end) = (0, at + 1);
        } else if matches!(byte, b' ' | b'-' | b'.' | b'/' | b'(' | b')') && gap < 2 {
            gap += 1;
        } else {
            break;
        }
        at += 1;
    }
    (run, end)
}

fn cards(bytes: &[u8], run: &Run, found: &mut dyn FnMut(Range<usize>, Kind)) {
    let mut first = 0;
    while let Some(rest) = run.groups.get(first..).filter(|rest| !rest.is_empty()) {
        let ends = |count: &usize| {
            let groups = rest.get(..*count).unwrap_or_default();
            CARD.contains(&digits(groups)) && is_card(bytes, groups)
        };
        // A card of nineteen digits is in at most as many groups.
        let card = (1..=rest.len().min(19)).rev().find(ends);
        if let Some(at) = card.and_then(|count| span(rest.get(..count)?)) {
            found(at, Kind::Card);
        }
        first += card.unwrap_or(1);
    }
}

fn is_card(bytes: &[u8], groups: &[Range<usize>]) -> bool {
    let of_issuer = groups.first().and_then(|group| bytes.get(group.start)).is_some_and(|b| (b'2'..=b'6').contains(b));
    let joined = |pair: &[Range<usize>]| match pair {
        [one, next] => matches!(bytes.get(one.end..next.start), Some(b" " | b"-")),
        _ => true,
    };
    of_issuer && groups.windows(2).all(joined) && luhn(bytes, groups)
}

/// ISO/IEC 7812-1 annex B.
fn luhn(bytes: &[u8], groups: &[Range<usize>]) -> bool {
    let digits = groups.iter().rev().flat_map(|group| bytes.get(group.clone()).unwrap_or_default().iter().rev());
    let sum: u32 = digits
        .enumerate()
        .map(|(place, byte)| match (place % 2, u32::from(byte.saturating_sub(b'0'))) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn phones(bytes: &[u8], from: usize, run: &Run, found: &mut dyn FnMut(Range<usize>, Kind)) {
    let groups = run.groups.as_slice();
    let leading = |text: &[u8]| groups.first().and_then(|g| bytes.get(g.start..)).is_some_and(|b| b.starts_with(text));
    if run.plus || leading(b"00") {
        // More digits than a number has are another number's.
        let most = if run.plus { *PHONE.end() } else { PHONE.end() + 2 };
        let whole = (1..=groups.len()).rev().filter_map(|count| groups.get(..count)).find(|g| digits(g) <= most);
        if let Some(at) = whole.filter(|g| digits(g) >= *PHONE.start()).and_then(span) {
            found(from..at.end, Kind::Phone);
        }
        return;
    }
    if let Some(at) = national(groups, leading(b"0")).and_then(span) {
        let begins = if bytes.get(from) == Some(&b'(') { from } else { at.start };
        found(begins..at.end, Kind::Phone);
    }
    // North American, wherever it stands among other numbers.
    for three in groups.windows(3) {
        if lengths(three).eq([3, 3, 4]) {
            if let Some(at) = span(three) {
                let paren = at.start.checked_sub(1).filter(|before| bytes.get(*before) == Some(&b'('));
                found(paren.unwrap_or(at.start)..at.end, Kind::Phone);
            }
        }
    }
}

/// A number with its trunk prefix: `030 1234567`, `01 23 45 67 89`, `0171/1234567`. Dates begin like that and are none.
fn national(groups: &[Range<usize>], trunk: bool) -> Option<&[Range<usize>]> {
    let begins = |with: &[usize]| groups.len() >= with.len() && lengths(groups).zip(with).all(|(a, b)| a == *b);
    let first = groups.first().map(Range::len)?;
    let counted = (9..=12).contains(&digits(groups));
    let is_one = trunk && counted && first >= 2 && !begins(&[2, 2, 4]) && !begins(&[2, 2, 2, 2, 2, 2]);
    is_one.then_some(groups)
}

fn lengths(groups: &[Range<usize>]) -> impl Iterator<Item = usize> + '_ {
    groups.iter().map(Range::len)
}

fn digits(groups: &[Range<usize>]) -> usize {
    lengths(groups).sum()
}

fn span(groups: &[Range<usize>]) -> Option<Range<usize>> {
    Some(groups.first()?.start..groups.last()?.end)
}

/// Tells of bank accounts: two letters, two check digits, groups of what the country has.
pub fn ibans(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some([a, b, c, d]) = bytes.get(at..at + 4) {
        let apart = at.checked_sub(1).and_then(|before| bytes.get(before)).is_none_or(|before| !in_word(*before));
        let head = a.is_ascii_alphabetic() && b.is_ascii_alphabetic() && c.is_ascii_digit() && d.is_ascii_digit();
        match (apart && head).then(|| iban(bytes, at)).flatten() {
            Some(end) => {
                found(at..end);
                at = end;
            }
            None => at += 1,
        }
    }
}

/// The end of the account that begins here, if its check digits hold: ISO 13616, remainder 1 of 97.
fn iban(bytes: &[u8], from: usize) -> Option<usize> {
    let mut taken: Vec<u8> = Vec::with_capacity(34);
    let mut good = None;
    for (at, byte) in bytes.iter().enumerate().skip(from).take(34 + 12) {
        match byte {
            b' ' | b'-' => continue,
            byte if byte.is_ascii_alphanumeric() && taken.len() < 34 => taken.push(byte.to_ascii_uppercase()),
            _ => break,
        }
        let word_ends = bytes.get(at + 1).is_none_or(|next| !in_word(*next));
        if taken.len() >= 15 && word_ends && remainder(&taken) == 1 {
            good = Some(at + 1);
        }
    }
    good
}

fn remainder(account: &[u8]) -> u32 {
    let (head, rest) = account.split_at_checked(4).unwrap_or_default();
    rest.iter().chain(head).fold(0, |sum, byte| match byte {
        b'0'..=b'9' => (sum * 10 + u32::from(byte - b'0')) % 97,
        letter => (sum * 100 + u32::from(letter.saturating_sub(b'A')) + 10) % 97,
    })
}
