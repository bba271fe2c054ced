//! Which candidate first: the caller's order, then the caller's preferences among providers, then the score; equals are
//! balanced by their load.

use std::cmp::Reverse;

use super::decision::{Choice, Why};
use super::filter::Reason;
use super::input::Input;
use super::names::Pool;
use super::routing::{ProviderPreferences, Sort, SortBy};
use crate::config::choice::{Stickiness, Weights};
use crate::dialect::carried::Signer;
use crate::sorted;

/// An eligible candidate with all that ranking looks at.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Everything that the decision tells of it.
    pub choice: Choice,
    /// Place of its group in the caller's order.
    pub group: usize,
    /// Place in the configured order, across groups.
    pub position: usize,
    /// The model's own name, the same at every provider that has it.
    pub model_id: String,
    /// Fields that it cannot express, where such candidates are ranked at all.
    pub unable: Vec<Reason>,
    /// (attempts in flight + 1) × time to first content × failures.
    pub load: u128,
}

/// Puts candidates in the order in which they are tried.
pub(super) fn rank(mut entries: Vec<Entry>, input: &Input, pool: &Pool<'_>, weights: Weights) -> Vec<Entry> {
    let preferences = &input.request.routing.provider;
    let across = preferences.sort.is_some_and(|sort| sort.across_models);
    sorted::sort_by_cached_key(&mut entries, |entry| {
        let group = if across { 0 } else { entry.group };
        let listed = ProviderPreferences::names(&preferences.order, &entry.choice.provider);
        let slow = deprioritised(entry, preferences);
        (group, listed.unwrap_or(usize::MAX), slow, preference(entry, preferences.sort), tie(entry, weights))
    });
    if preferences.sort.is_none() && preferences.order.is_empty() {
        balance(&mut entries, input);
        stay(&mut entries, input, pool.policy.stickiness);
        if let Some(signer) = &input.signed_by {
            readers_first(&mut entries, signer, input.session.as_ref().and_then(|session| session.last.as_deref()));
        } else if pool.is_open && input.session.is_none() && input.request.routing.models.is_empty() {
            explore(&mut entries, input.seed, pool.policy.exploration_micro);
        }
    }
    if preferences.allow_fallbacks == Some(false) && preferences.order.is_empty() {
        let mut last = None;
        entries.retain(|entry| last.replace(entry.group) != Some(entry.group));
    }
    explain(&mut entries, input);
    entries
}

/// Smaller is better.
fn preference(entry: &Entry, sort: Option<Sort>) -> i128 {
    let estimate = &entry.choice.estimate;
    match sort.map(|sort| sort.by) {
        None => -i128::from(entry.choice.score.total_micro),
        Some(SortBy::Price) => estimate.cost_picousd.map_or(i128::MAX, i128::from),
        Some(SortBy::Throughput) => i128::from(estimate.us_per_token),
        Some(SortBy::Latency) => i128::from(estimate.ttft_ms),
    }
}

/// Lower cost, then the configured order; the configured order alone where nothing counts.
fn tie(entry: &Entry, weights: Weights) -> (u64, usize) {
    let cost = if weights.is_zero() { 0 } else { entry.choice.estimate.cost_picousd.unwrap_or(u64::MAX) };
    (cost, entry.position)
}

fn deprioritised(entry: &Entry, preferences: &ProviderPreferences) -> bool {
    let estimate = &entry.choice.estimate;
    preferences.preferred_max_latency_ms.is_some_and(|most| estimate.ttft_ms > most)
        || preferences.preferred_max_us_per_token.is_some_and(|most| estimate.us_per_token > most)
}

/// Power of two choices among equals: one model at several providers, in one group, at one cost. Two of them are drawn by
/// the seed and the less loaded one takes the first of their places; the others keep their order. Picking the least loaded
/// of all instead would send every isolate's traffic to the same place until the figures catch up.
///
/// A conversation's seed is always the same, and so is its first draw: it goes there, to a warm prompt cache, while that
/// candidate is not much more loaded than the other, and at any load with reasoning that only the account can read.
fn balance(entries: &mut Vec<Entry>, input: &Input) {
    let seed = input.seed;
    // How much less loaded the second must be, as a factor.
    let patience = match (&input.session, &input.signed_by) {
        (Some(_), Some(_)) => u128::MAX,
        (Some(_), None) => 4,
        (None, _) => 1,
    };
    let mut done: Vec<usize> = Vec::new();
    for first in 0..entries.len() {
        let Some(leader) = entries.get(first) else { return };
        if done.contains(&leader.position) {
            continue;
        }
        let equal = |entry: &Entry| {
            entry.group == leader.group
                && entry.choice.estimate.cost_picousd == leader.choice.estimate.cost_picousd
                && entry.model_id == leader.model_id
        };
        if !entries.iter().skip(first + 1).any(equal) {
            continue; // most models are one provider's
        }
        let mut set: Vec<(usize, &Entry)> = entries.iter().enumerate().skip(first).filter(|(_, e)| equal(e)).collect();
        done.extend(set.iter().map(|(_, entry)| entry.position));
        // A draw by hash needs no list length: the other draws stay when one candidate goes.
        sorted::sort_by_key(&mut set, |(_, entry)| Reverse(draw(seed, &entry.choice.name)));
        // Of two equally loaded ones the first drawn: a tie by place would starve the later one.
        let drawn = set
            .iter()
            .take(2)
            .enumerate()
            .min_by_key(|(at, (_, entry))| entry.load.saturating_mul(if *at == 0 { 1 } else { patience }));
        let Some(at) = drawn.map(|(_, (at, _))| *at) else { continue };
        let mut chosen = entries.remove(at);
        chosen.choice.why = Why::Balanced;
        entries.insert(first, chosen);
    }
}

/// A conversation stays with the model that answered last, unless the best of its group is better by more than the policy's
/// margin. What it would lose of a warm prompt cache is in the scores already.
fn stay(entries: &mut Vec<Entry>, input: &Input, stickiness: Stickiness) {
    let Some(last) = input.session.as_ref().and_then(|session| session.last.as_deref()) else { return };
    let Some(best) = entries.first() else { return };
    let (group, least) = (best.group, best.choice.score.total_micro.saturating_sub(stickiness.margin_micro));
    let stays =
        |entry: &Entry| entry.choice.name == last && entry.group == group && entry.choice.score.total_micro >= least;
    if stickiness.margin_micro > 0 {
        if let Some(at) = entries.iter().position(stays).filter(|at| *at > 0) {
            first(entries, at, Why::Sticky);
        }
    }
}

/// Gives a share of open choices to another than the best, each as likely.
fn explore(entries: &mut Vec<Entry>, seed: u64, share_micro: u64) {
    if draw(seed, "exploration") % 1_000_000 >= share_micro {
        return;
    }
    let others = entries.iter().enumerate().skip(1).filter(|(_, entry)| entry.unable.is_empty());
    if let Some((at, _)) = others.max_by_key(|(_, entry)| draw(seed, &entry.choice.name)) {
        first(entries, at, Why::Explored);
    }
}

fn first(entries: &mut Vec<Entry>, at: usize, why: Why) {
    let mut chosen = entries.remove(at);
    chosen.choice.why = why;
    entries.insert(0, chosen);
}

/// Who can read the signed reasoning of the history goes before others of its group: the model that signed it, then its
/// account, then its dialect. Elsewhere the reasoning is lost, and a tool loop with it (`wire.md` §3.2, trap 29). What came
/// back as its provider wrote it names nobody: then it is who answered the conversation `last`, where that is known.
fn readers_first(entries: &mut [Entry], signer: &Signer, last: Option<&str>) {
    let distance = |entry: &Entry| match signer {
        Signer::Model(name) if *name == entry.choice.name => 0,
        Signer::Dialect(dialect) if *dialect == entry.choice.dialect && last == Some(entry.choice.name.as_str()) => 0,
        Signer::Model(name) if name.split_once('/').is_some_and(|(maker, _)| maker == entry.choice.provider) => 1,
        Signer::Dialect(dialect) if *dialect == entry.choice.dialect => 1,
        _ => 2,
    };
    // Stable: among equally near ones the order stands.
    sorted::sort_by_key(entries, |entry| (entry.group, distance(entry)));
    for entry in entries.iter_mut().filter(|entry| distance(entry) < 2 && entry.choice.why == Why::Score) {
        entry.choice.why = Why::SignedHistory;
    }
}

/// A well-mixed number from seed and name (FNV-1a, then the finaliser of SplitMix64).
pub(super) fn draw(seed: u64, name: &str) -> u64 {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut mixed = seed ^ hash;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn explain(entries: &mut [Entry], input: &Input) {
    let routing = &input.request.routing;
    let ordered = !routing.models.is_empty();
    for entry in entries.iter_mut().filter(|entry| entry.choice.why == Why::Score) {
        entry.choice.why = if ProviderPreferences::names(&routing.provider.order, &entry.choice.provider).is_some() {
            Why::ProviderOrder
        } else if routing.provider.sort.is_some() {
            Why::Sort
        } else if ordered {
            Why::CallerOrder
        } else {
            Why::Score
        };
    }
}
