//! What secrets and personal data look like. Found by hand-written scans and not by regular expressions: a body is read once per
//! kind at memory speed, where an interpreter of twenty patterns would take seconds of CPU for a megabyte (ADR 0029).
//!
//! Left out on purpose: names, addresses, dates of birth and what else only an understanding of the text could tell; numbers of
//! phones that are written without a sign of being one.

mod numbers;
mod secrets;

use std::ops::Range;

pub use secrets::names_secret;

/// A kind of thing that is masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keys by their prefixes, bearer tokens, JWTs, private keys, passwords by the name before them or in a URL.
    Secret,
    /// E-mail addresses.
    Email,
    /// Phone numbers: with a country code, or grouped as countries group them.
    Phone,
    /// Numbers of payment cards that pass Luhn's check.
    Card,
    /// Bank accounts whose check digits hold (ISO 13616).
    Iban,
}

/// Words for [`Kind`].
pub const KINDS: [(&str, Kind); 5] = [
    ("secret", Kind::Secret),
    ("email", Kind::Email),
    ("phone", Kind::Phone),
    ("card", Kind::Card),
    ("iban", Kind::Iban),
];

impl Kind {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// Tells of every place at which one of the kinds stands; places may overlap.
pub fn all(text: &str, kinds: &[Kind], found: &mut dyn FnMut(Range<usize>, Kind)) {
    let wanted = |kind| kinds.contains(&kind);
    if wanted(Kind::Secret) {
        secrets::find(text, &mut |at| found(at, Kind::Secret));
    }
    if wanted(Kind::Email) {
        emails(text, &mut |at| found(at, Kind::Email));
    }
    if wanted(Kind::Phone) || wanted(Kind::Card) {
        numbers::find(text, &mut |at, kind| {
            if wanted(kind) {
                found(at, kind);
            }
        });
    }
    if wanted(Kind::Iban) {
        numbers::ibans(text, &mut |at| found(at, Kind::Iban));
    }
}

/// Whether a byte belongs to a word; all of a letter beyond ASCII does.
fn in_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// RFC 5322's everyday form, letters beyond ASCII included (RFC 6531): no quotes, no comments, a domain with a dot in it.
fn emails(text: &str, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.as_bytes();
    let of_local = |b: &u8| in_word(*b) || b".%+-'".contains(b);
    let of_domain = |b: &u8| b.is_ascii_alphanumeric() || !b.is_ascii() || matches!(b, b'.' | b'-');
    for sign in memchr::memchr_iter(b'@', bytes) {
        let (before, after) = (bytes.get(..sign).unwrap_or_default(), bytes.get(sign + 1..).unwrap_or_default());
        let local = before.iter().rev().take_while(|b| of_local(b)).count();
        let mut domain = after.iter().take_while(|b| of_domain(b)).count();
        while domain > 0 && after.get(domain - 1).is_some_and(|b| matches!(b, b'.' | b'-')) {
            domain -= 1;
        }
        let name = text.get(sign + 1..sign + 1 + domain).unwrap_or_default();
        let last = name.rsplit_once('.').map_or("", |(_, last)| last);
        let is_domain = last.chars().count() >= 2 && last.chars().next().is_some_and(char::is_alphabetic);
        if local > 0 && is_domain {
            found(sign - local..sign + 1 + domain);
        }
    }
}
