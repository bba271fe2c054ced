//! What isolates tell each other of candidates, through a board per provider that nobody waits for: deltas go up, snapshots
//! come down. A board that is lost costs freshness and nothing else.

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;
use super::meter::Observed;
use crate::sorted::Map;

/// What an isolate has seen since it last told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Delta {
    /// Attempts that were answered.
    pub ok: u32,
    /// Attempts that failed by the provider's fault.
    pub failed: u32,
    /// Times to first content.
    pub ttft: Histogram,
    /// Tokens generated after the first content, and the microseconds that they took.
    pub tokens: (u64, u64),
    /// Its circuit opened: since, until, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<(u64, u64)>,
    /// Its circuit closed, Unix ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_ms: Option<u64>,
}

/// What all isolates together have seen of a candidate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Median time to first content.
    pub ttft_ms: Option<u64>,
    /// Time to first content that 95 % stay below.
    pub ttft_p95_ms: Option<u64>,
    /// Microseconds per generated token.
    pub us_per_token: Option<u64>,
    /// Share of failures, in millionths.
    pub errors_micro: i64,
    /// The latest ejection.
    pub opened: Option<(u64, u64)>,
    /// When a circuit last closed.
    pub closed_ms: Option<u64>,
}

/// The message to a board and its answer: by candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Message<T> {
    /// `provider/model` → what is told of it.
    pub candidates: Map<String, T>,
}

/// A generation of times: old ones are forgotten after two.
const GENERATION_MS: u64 = 120_000;
/// Candidates on one board; beyond it new ones are not kept.
const MOST_CANDIDATES: usize = 2_000;

/// The board of one provider.
#[derive(Debug, Default)]
pub struct Board {
    entries: Map<String, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    generation: u64,
    young: Times,
    old: Times,
    errors: Observed,
    opened: Option<(u64, u64)>,
    closed_ms: Option<u64>,
}

#[derive(Debug, Default)]
struct Times {
    ttft: Histogram,
    tokens: (u64, u64),
}

impl Board {
    /// Takes an isolate's deltas in and answers with what is known of all candidates.
    pub fn sync(&mut self, told: Message<Delta>, now_ms: u64) -> Message<Seen> {
        for (name, delta) in told.candidates {
            if self.entries.len() < MOST_CANDIDATES || self.entries.contains_key(&name) {
                self.entries.entry(name).or_default().take(&delta, now_ms);
            }
        }
        let seen = self.entries.iter_mut().map(|(name, entry)| (name.clone(), entry.seen(now_ms)));
        Message { candidates: seen.collect() }
    }
}

impl Entry {
    fn take(&mut self, delta: &Delta, now_ms: u64) {
        self.age(now_ms);
        self.young.ttft.merge(&delta.ttft);
        self.young.tokens.0 = self.young.tokens.0.saturating_add(delta.tokens.0);
        self.young.tokens.1 = self.young.tokens.1.saturating_add(delta.tokens.1);
        self.errors.counted(delta.ok, delta.failed, now_ms);
        // The end of an ejection tells which of two is the later news.
        self.opened = [self.opened, delta.opened].into_iter().flatten().max_by_key(|(_, until_ms)| *until_ms);
        self.closed_ms = self.closed_ms.max(delta.closed_ms);
    }

    fn age(&mut self, now_ms: u64) {
        let generation = now_ms / GENERATION_MS;
        let passed = generation.saturating_sub(self.generation);
        if passed > 0 {
            self.old = if passed == 1 { std::mem::take(&mut self.young) } else { Times::default() };
            self.young = Times::default();
            self.generation = generation;
        }
    }

    fn seen(&mut self, now_ms: u64) -> Seen {
        self.age(now_ms);
        let mut ttft = self.old.ttft.clone();
        ttft.merge(&self.young.ttft);
        let tokens = self.old.tokens.0.saturating_add(self.young.tokens.0);
        let micros = self.old.tokens.1.saturating_add(self.young.tokens.1);
        Seen {
            ttft_ms: ttft.quantile(500_000),
            ttft_p95_ms: ttft.quantile(950_000),
            us_per_token: micros.checked_div(tokens),
            errors_micro: self.errors.health(now_ms).errors_micro,
            opened: self.opened.filter(|(_, until_ms)| now_ms < *until_ms),
            closed_ms: self.closed_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, delta: Delta) -> Message<Delta> {
        Message { candidates: [(name.to_owned(), delta)].into() }
    }

    fn times(ms: &[u64]) -> Histogram {
        ms.iter().fold(Histogram::default(), |mut histogram, ms| {
            histogram.add(*ms);
            histogram
        })
    }

    #[test]
    fn a_board_adds_up_what_isolates_tell() {
        let mut board = Board::default();
        board.sync(
            told("p/m", Delta { ok: 3, ttft: times(&[100, 100, 100]), tokens: (10, 50_000), ..Delta::default() }),
            0,
        );
        let seen = board
            .sync(told("p/m", Delta { ok: 1, ttft: times(&[4_000]), tokens: (10, 150_000), ..Delta::default() }), 5);
        let seen = seen.candidates["p/m"];
        assert_eq!((seen.ttft_ms, seen.ttft_p95_ms), (Some(112), Some(4_096)));
        assert_eq!((seen.us_per_token, seen.errors_micro), (Some(10_000), 0));
    }

    #[test]
    fn an_isolate_without_news_learns_of_the_others() {
        let mut board = Board::default();
        board.sync(told("p/m", Delta { opened: Some((10, 900)), ..Delta::default() }), 10);
        let seen = board.sync(Message::default(), 500).candidates["p/m"];
        assert_eq!(seen.opened, Some((10, 900)));
        assert_eq!(board.sync(Message::default(), 900).candidates["p/m"].opened, None, "over");
        let seen = board.sync(told("p/m", Delta { closed_ms: Some(950), ..Delta::default() }), 950).candidates["p/m"];
        assert_eq!(seen.closed_ms, Some(950));
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut board = Board::default();
        board.sync(told("p/m", Delta { failed: 9, ttft: times(&[100]), ..Delta::default() }), 0);
        let at = |board: &mut Board, now| board.sync(Message::default(), now).candidates["p/m"];
        assert!(at(&mut board, 1).errors_micro > 500_000);
        assert_eq!(at(&mut board, GENERATION_MS).ttft_ms, Some(112), "one generation back still counts");
        let later = at(&mut board, 2 * GENERATION_MS);
        assert_eq!(later.ttft_ms, None);
        assert!(later.errors_micro < 100_000);
    }

    #[test]
    fn messages_are_small_where_there_is_nothing_to_tell() {
        let json = serde_json::to_string(&told("p/m", Delta { ok: 1, ..Delta::default() })).unwrap();
        assert_eq!(json, r#"{"candidates":{"p/m":{"ok":1,"failed":0,"ttft":[],"tokens":[0,0]}}}"#);
        assert_eq!(
            serde_json::from_str::<Message<Delta>>(&json).unwrap(),
            told("p/m", Delta { ok: 1, ..Delta::default() })
        );
    }
}
