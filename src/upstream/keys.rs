//! With which key a call is made: one of the provider's own, or the one that the caller brought for it.
//!
//! Several keys of a provider are accounts that fail apart: each has circuits of its own, and a key that is refused, used up
//! or rate limited is replaced by the next one within the same request. What fails for another reason would fail with any key.

use std::borrow::Cow;
use std::cell::Cell;

use crate::config::provider::Secret;
use crate::http::Headers;
use crate::upstream::failure::FailureClass;

/// What a caller's own keys come in: the provider's name follows.
pub const OWN_KEY_PREFIX: &str = "x-signalbox-key-";
/// Longest key that a caller may bring.
const LONGEST_KEY: usize = 1024;

/// The keys that a candidate may be called with, and which one it is called with now.
#[derive(Debug)]
pub struct Keys<'g> {
    all: &'g [Secret],
    own: Option<Secret>,
    at: Cell<usize>,
    tried: Cell<usize>,
}

impl<'g> Keys<'g> {
    /// A provider's keys, beginning with one of them.
    #[must_use]
    pub fn beginning_at(all: &'g [Secret], at: usize) -> Self {
        Self { all, own: None, at: Cell::new(at), tried: Cell::new(1) }
    }

    /// The caller's own key and no other.
    #[must_use]
    pub fn of_caller(own: Secret) -> Self {
        Self { all: &[], own: Some(own), at: Cell::new(0), tried: Cell::new(1) }
    }

    /// The key to call with; `None` where the provider wants none.
    #[must_use]
    pub fn current(&self) -> Option<&Secret> {
        self.own.as_ref().or_else(|| self.all.get(self.at.get()))
    }

    /// Its place among the provider's keys.
    #[must_use]
    pub fn index(&self) -> usize {
        self.at.get()
    }

    /// Whether it is the caller's: how that fares says nothing about anybody else's.
    #[must_use]
    pub fn is_callers(&self) -> bool {
        self.own.is_some()
    }

    /// Whether there is another one to go over to.
    #[must_use]
    pub fn has_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Goes over to the next key that is `usable` and has not been tried. False: there is none.
    pub fn rotate(&self, usable: impl Fn(usize) -> bool) -> bool {
        while self.tried.get() < self.all.len() {
            self.tried.set(self.tried.get() + 1);
            self.at.set((self.at.get() + 1) % self.all.len());
            if usable(self.at.get()) {
                return true;
            }
        }
        false
    }
}

/// Whether a failure is the key's: another account may do what this one may not.
#[must_use]
pub fn is_of_key(class: FailureClass) -> bool {
    matches!(class, FailureClass::Auth | FailureClass::QuotaExhausted | FailureClass::RateLimited)
}

/// The name of a candidate's circuit under one of its provider's keys.
#[must_use]
pub fn circuit(candidate: &str, key: usize) -> Cow<'_, str> {
    match key {
        0 => Cow::Borrowed(candidate),
        key => Cow::Owned(format!("{candidate}#{key}")),
    }
}

/// Where among several keys somebody begins, so that a session stays with one account and sessions spread over all.
#[must_use]
pub fn place_of(session: &str, keys: usize) -> usize {
    // FNV-1a.
    let hash = session
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from(hash % (keys.max(1) as u64)).unwrap_or(0)
}

/// The keys that a caller brought, by provider.
///
/// # Errors
/// The header of a key that is none.
pub fn of_caller(headers: &Headers) -> Result<Vec<(&str, Secret)>, &str> {
    let mut keys: Vec<(&str, Secret)> = Vec::new();
    for (name, value) in headers.iter() {
        let Some(provider) = name.strip_prefix(OWN_KEY_PREFIX) else { continue };
        let plain = (1..=LONGEST_KEY).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        if !plain || keys.iter().any(|(other, _)| *other == provider) {
            return Err(name);
        }
        keys.push((provider, Secret::new(value)));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_tried_once_beginning_anywhere() {
        let all = ["a", "b", "c"].map(Secret::new);
        let keys = Keys::beginning_at(&all, 1);
        let mut used = vec![keys.current().unwrap().expose().to_owned()];
        while keys.rotate(|_| true) {
            used.push(keys.current().unwrap().expose().to_owned());
        }
        assert_eq!(used, ["b", "c", "a"]);
        let picky = Keys::beginning_at(&all, 0);
        assert!(picky.rotate(|key| key == 2) && picky.index() == 2);
        assert!(!picky.rotate(|_| true), "those that were passed over are not come back to");
        assert!(!Keys::beginning_at(&[], 0).rotate(|_| true));
        assert!(!Keys::of_caller(Secret::new("k")).rotate(|_| true), "a caller's key is never replaced by another's");
    }

    #[test]
    fn sessions_stay_with_a_key_and_spread_over_all() {
        let places: Vec<usize> = (0..100).map(|n| place_of(&format!("session {n}"), 3)).collect();
        assert!((0..3).all(|key| places.iter().filter(|place| **place == key).count() > 10), "{places:?}");
        assert_eq!(place_of("one", 3), place_of("one", 3));
        assert_eq!(place_of("one", 0), 0);
    }

    #[test]
    fn a_callers_key_is_one_visible_word_under_its_providers_name() {
        let found = |headers: &[(&str, &str)]| {
            let headers: Headers = headers.iter().copied().collect();
            of_caller(&headers).map(|keys| keys.len()).map_err(str::to_owned)
        };
        assert_eq!(found(&[("X-Signalbox-Key-OpenAI", "sk-1"), ("x-signalbox-key-b", "k"), ("x-other", "")]), Ok(2));
        for bad in ["", "two words", "schlüssel", &"k".repeat(LONGEST_KEY + 1)] {
            assert_eq!(found(&[("x-signalbox-key-a", bad)]), Err("x-signalbox-key-a".to_owned()), "{bad:.20}");
        }
        assert!(found(&[("x-signalbox-key-a", "k"), ("x-signalbox-key-a", "l")]).is_err());
    }
}
