//! Sorting whose code is there once: what is sorted are places, by a comparison that is called through a pointer. How the items
//! then change places is a list of swaps.

use std::cmp::Ordering;
use std::mem;

/// Sorts items; equal ones keep their order. O(n log n) comparisons, n of them where the order is right already.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let compare = |a: usize, b: usize| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    };
    let swaps = stable(items.len(), &compare);
    swaps.into_iter().for_each(|(a, b)| items.swap(a, b));
}

/// The same by a key, which is asked for at each comparison.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// The same by a key that is made once for each item.
pub fn sort_by_cached_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let keys: Vec<K> = items.iter().map(key).collect();
    let swaps = stable(items.len(), &|a, b| keys.get(a).cmp(&keys.get(b)));
    swaps.into_iter().for_each(|(a, b)| items.swap(a, b));
}

type Compare<'c> = &'c dyn Fn(usize, usize) -> Ordering;

/// Swaps of places, to be made one after the other.
type Swaps = Vec<(usize, usize)>;

/// The swaps that sort `len` items.
fn stable(len: usize, compare: Compare<'_>) -> Swaps {
    if pairs(len).all(|(a, b)| compare(a, b).is_le()) {
        return Vec::new();
    }
    swaps(sorted(len, compare))
}

/// The swaps after which the first so many of `len` items ascend, and of equal ones the last is among them.
pub(super) fn distinct(len: usize, compare: Compare<'_>) -> (Swaps, usize) {
    if pairs(len).all(|(a, b)| compare(a, b).is_lt()) {
        return (Vec::new(), len);
    }
    let (mut kept, mut repeated) = (Vec::with_capacity(len), Vec::new());
    let mut places = sorted(len, compare).into_iter().peekable();
    while let Some(at) = places.next() {
        let again = places.peek().is_some_and(|next| compare(at, *next).is_eq());
        if again { &mut repeated } else { &mut kept }.push(at);
    }
    let distinct = kept.len();
    kept.append(&mut repeated);
    (swaps(kept), distinct)
}

fn pairs(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..len).map(|at| (at - 1, at))
}

fn sorted(len: usize, compare: Compare<'_>) -> Vec<usize> {
    let mut places: Vec<usize> = (0..len).collect();
    places.sort_by(|a, b| compare(*a, *b));
    places
}

/// How each place gets the item that stands at `from`'s number for it, cycle by cycle.
fn swaps(mut from: Vec<usize>) -> Swaps {
    let mut swaps = Vec::new();
    for first in 0..from.len() {
        let mut at = first;
        while let Some(next) = from.get_mut(at).map(|next| mem::replace(next, at)).filter(|next| *next != first) {
            swaps.push((at, next));
            at = next;
        }
    }
    swaps
}
