//! What an isolate knows of candidates: its own observations, what the other isolates' boards said, and the circuits that
//! follow from both. Nothing here waits; what is to be told to a board is gathered and handed out when it is due.

use super::circuit::{Change, Circuit, Settings, Sign};
use super::meter::Observed;
use super::share::{Delta, Message, Seen};
use super::{Breaker, Health};
use crate::sorted::Map;

/// How often a board is told and asked while there is traffic.
const SYNC_MS: u64 = 5_000;
/// The same after a circuit has opened or closed.
const NEWS_MS: u64 = 100;
/// Candidates in memory; beyond it what has been idle longest is forgotten.
const MOST_CANDIDATES: usize = 1_000;

/// A finished attempt.
#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// When it was sent, Unix ms.
    pub sent_ms: u64,
    /// What it says of the candidate.
    pub sign: Sign,
    /// Its answer is complete.
    pub completed: bool,
    /// From sending to first content, where there was content.
    pub ttft_ms: Option<u64>,
    /// From sending to its end.
    pub duration_ms: u64,
    /// Tokens generated.
    pub output_tokens: u64,
}

/// All candidates of an isolate.
#[derive(Debug, Default)]
pub struct Watch {
    candidates: Map<String, Known>,
    boards: Map<String, Board>,
}

#[derive(Debug, Default)]
struct Known {
    own: Observed,
    circuit: Circuit,
    outstanding: u32,
    shared: Seen,
    delta: Option<Delta>,
    used_ms: u64,
}

impl Known {
    /// What was observed, as far as it counts now: the one request that a half-open circuit lets through is not to be scared off
    /// by what it is to find out.
    fn seen(&self, now_ms: u64) -> Observed {
        let is_probed = self.circuit.breaker(now_ms) == Breaker::HalfOpen;
        if is_probed {
            self.own.forgiven()
        } else {
            self.own
        }
    }
}

/// When the board of a provider was last told.
#[derive(Debug, Default)]
struct Board {
    synced_ms: u64,
    news: bool,
    traffic: bool,
}

impl Watch {
    /// A candidate's present state.
    #[must_use]
    pub fn health(&self, candidate: &str, now_ms: u64) -> Health {
        let Some(known) = self.candidates.get(candidate) else { return Health::default() };
        let own = known.seen(now_ms).health(now_ms);
        let breaker = known.circuit.breaker(now_ms);
        Health {
            ttft_ms: own.ttft_ms.or(known.shared.ttft_ms),
            us_per_token: own.us_per_token.or(known.shared.us_per_token),
            errors_micro: own.errors_micro,
            outstanding: known.outstanding,
            breaker,
        }
    }

    /// What of the time to first content in [`Watch::health`] is of failures and lost races, and not of answers.
    #[must_use]
    pub fn slowed_ms(&self, candidate: &str, now_ms: u64) -> u64 {
        self.candidates.get(candidate).map_or(0, |known| known.seen(now_ms).slowed_ms(now_ms))
    }

    /// The time to first content that 95 % of all isolates' attempts stay below.
    #[must_use]
    pub fn ttft_p95_ms(&self, candidate: &str) -> Option<u64> {
        self.candidates.get(candidate)?.shared.ttft_p95_ms
    }

    /// Whether a candidate that has just failed may be asked once more.
    #[must_use]
    pub fn lets_retry(&self, candidate: &str, now_ms: u64) -> bool {
        self.candidates.get(candidate).is_none_or(|known| known.circuit.lets_retry(now_ms))
    }

    /// An attempt is sent.
    pub fn sent(&mut self, candidate: &str, now_ms: u64) {
        let known = self.known(candidate, now_ms);
        known.outstanding = known.outstanding.saturating_add(1);
        known.circuit.sent(now_ms);
    }

    /// An attempt is over: what that did to its candidate's circuit. `random` is uniform.
    pub fn ended(
        &mut self,
        candidate: &str,
        attempt: &Attempt,
        now_ms: u64,
        random: u64,
        settings: &Settings,
    ) -> Option<Change> {
        let known = self.known(candidate, now_ms);
        known.outstanding = known.outstanding.saturating_sub(1);
        let change = known.circuit.ended(attempt.sign, attempt.sent_ms, now_ms, random, settings);
        if change == Some(Change::Closed) {
            known.own = known.own.forgiven();
        }
        if attempt.sign == Sign::Outrun {
            known.own.outrun(attempt.duration_ms, now_ms);
            // Without the slowest, who are the ones that are outrun, the rest would look quicker than the candidate is.
            if known.shared.ttft_p95_ms.is_some_and(|p95| p95 <= attempt.duration_ms) {
                known.delta.get_or_insert_default().ttft.add(attempt.duration_ms);
            }
        } else if attempt.sign != Sign::Unknown {
            let ok = attempt.sign == Sign::Alive;
            let ttft_ms = attempt.ttft_ms.filter(|_| attempt.completed);
            known.own.attempt(ok, ttft_ms, attempt.duration_ms, attempt.output_tokens, now_ms);
            let delta = known.delta.get_or_insert_default();
            delta.ok = delta.ok.saturating_add(u32::from(ok));
            delta.failed = delta.failed.saturating_add(u32::from(!ok));
            if let Some(ttft) = ttft_ms {
                delta.ttft.add(ttft);
                let after_first = attempt.duration_ms.saturating_sub(ttft).saturating_mul(1_000);
                delta.tokens.0 = delta.tokens.0.saturating_add(attempt.output_tokens);
                delta.tokens.1 = delta.tokens.1.saturating_add(after_first);
            }
        }
        match change {
            Some(Change::Opened) => known.delta.get_or_insert_default().opened = known.circuit.ejected(),
            Some(Change::Closed) => known.delta.get_or_insert_default().closed_ms = Some(now_ms),
            None => {}
        }
        let board = self.boards.entry(provider(candidate).to_owned()).or_default();
        board.traffic = true;
        board.news |= change.is_some();
        change
    }

    /// Providers whose boards are to be told now, and what. Whoever takes it sends it beside a request.
    pub fn due(&mut self, now_ms: u64) -> Vec<(String, Message<Delta>)> {
        let mut due = Vec::new();
        for (name, board) in self.boards.iter_mut() {
            let wait = if board.news { NEWS_MS } else { SYNC_MS };
            if !board.traffic || now_ms.saturating_sub(board.synced_ms) < wait {
                continue;
            }
            *board = Board { synced_ms: now_ms, news: false, traffic: false };
            let own = self.candidates.iter_mut().filter(|(candidate, _)| provider(candidate) == name);
            let told = own.filter_map(|(candidate, known)| Some((candidate.clone(), known.delta.take()?)));
            due.push((name.clone(), Message { candidates: told.collect() }));
        }
        due
    }

    /// What a board has answered.
    pub fn told(&mut self, answer: Message<Seen>, now_ms: u64, settings: &Settings) {
        for (candidate, seen) in answer.candidates {
            let known = self.known(&candidate, now_ms);
            known.shared = seen;
            if let Some((since_ms, until_ms)) =
                seen.opened.filter(|(since_ms, _)| seen.closed_ms.is_none_or(|at| at < *since_ms))
            {
                known.circuit.told_open(since_ms, until_ms, now_ms);
            }
            if let Some(at_ms) = seen.closed_ms {
                known.circuit.told_closed(at_ms, now_ms, settings);
            }
        }
    }

    fn known(&mut self, candidate: &str, now_ms: u64) -> &mut Known {
        if !self.candidates.contains_key(candidate) {
            if self.candidates.len() >= MOST_CANDIDATES {
                let idlest = self.candidates.iter().filter(|(_, known)| known.outstanding == 0);
                let idlest = idlest.min_by_key(|(_, known)| known.used_ms).map(|(name, _)| name.clone());
                idlest.and_then(|name| self.candidates.remove(&name));
            }
            self.candidates.insert(candidate.to_owned(), Known::default());
        }
        let known = self.candidates.entry(candidate.to_owned()).or_default();
        known.used_ms = now_ms;
        known
    }
}

fn provider(candidate: &str) -> &str {
    candidate.split_once('/').map_or(candidate, |(provider, _)| provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::share;

    const FAILED: Sign = Sign::Failed { retry_after_ms: None, account: false };

    fn attempt(sign: Sign, sent_ms: u64) -> Attempt {
        Attempt {
            sent_ms,
            sign,
            completed: sign == Sign::Alive,
            ttft_ms: Some(80),
            duration_ms: 100,
            output_tokens: 10,
        }
    }

    fn one(watch: &mut Watch, sign: Sign, now_ms: u64) {
        watch.sent("p/m", now_ms);
        watch.ended("p/m", &attempt(sign, now_ms), now_ms, u64::MAX, &Settings::default());
    }

    #[test]
    fn what_is_in_flight_is_counted() {
        let mut watch = Watch::default();
        watch.sent("p/m", 0);
        watch.sent("p/m", 0);
        assert_eq!(watch.health("p/m", 0).outstanding, 2);
        watch.ended("p/m", &attempt(Sign::Unknown, 0), 0, 0, &Settings::default());
        assert_eq!(watch.health("p/m", 0).outstanding, 1);
    }

    #[test]
    fn a_recovered_candidate_is_used_again_at_once() {
        let mut watch = Watch::default();
        (0..5).for_each(|_| one(&mut watch, FAILED, 0));
        assert!(watch.health("p/m", 1).refuses_until(1).is_some());
        assert!(!watch.lets_retry("p/m", 1));
        let probing = watch.health("p/m", 500);
        assert_eq!((probing.breaker, probing.risk_micro()), (Breaker::HalfOpen, 0), "nothing speaks against the probe");
        one(&mut watch, Sign::Alive, 500);
        let after = watch.health("p/m", 501);
        assert_eq!((after.breaker, after.risk_micro()), (Breaker::Closed, 0));
    }

    #[test]
    fn boards_are_told_every_few_seconds_and_of_news_at_once() {
        let mut watch = Watch::default();
        assert!(watch.due(10_000).is_empty(), "without traffic there is nothing to ask");
        one(&mut watch, Sign::Alive, 10_000);
        let told = watch.due(10_000);
        assert_eq!(told[0].0, "p");
        assert_eq!((told[0].1.candidates["p/m"].ok, told[0].1.candidates["p/m"].ttft.total()), (1, 1));
        one(&mut watch, Sign::Alive, 10_001);
        assert!(watch.due(14_999).is_empty());
        (0..5).for_each(|_| one(&mut watch, FAILED, 14_999));
        let told = watch.due(14_999);
        assert_eq!(told[0].1.candidates["p/m"].opened, Some((14_999, 15_499)));
        assert_eq!(told[0].1.candidates["p/m"].failed, 5);
        assert!(watch.due(30_000).is_empty(), "told once");
    }

    #[test]
    fn isolates_learn_of_each_others_circuits_through_the_board() {
        let (mut here, mut there, mut board) = (Watch::default(), Watch::default(), share::Board::default());
        let settings = Settings::default();
        let sync = |watch: &mut Watch, board: &mut share::Board, now| {
            for (_, told) in watch.due(now) {
                let answer = board.sync(told, now);
                watch.told(answer, now, &settings);
            }
        };
        (0..5).for_each(|_| one(&mut here, FAILED, 10_000));
        sync(&mut here, &mut board, 10_000);
        one(&mut there, Sign::Alive, 10_050);
        sync(&mut there, &mut board, 10_100);
        assert!(there.health("p/m", 10_101).refuses_until(10_101).is_some());
        one(&mut here, Sign::Alive, 10_600);
        sync(&mut here, &mut board, 10_700);
        assert_eq!(here.health("p/m", 10_700).breaker, Breaker::Closed);
        one(&mut there, Sign::Unknown, 15_100);
        sync(&mut there, &mut board, 15_200);
        assert_eq!(there.health("p/m", 15_200).breaker, Breaker::Closed);
    }

    #[test]
    fn memory_is_bounded() {
        let mut watch = Watch::default();
        for n in 0..MOST_CANDIDATES as u64 + 5 {
            watch.sent(&format!("p/{n}"), n);
            watch.ended(&format!("p/{n}"), &attempt(Sign::Alive, n), n, 0, &Settings::default());
        }
        assert_eq!(watch.candidates.len(), MOST_CANDIDATES);
        assert!(!watch.candidates.contains_key("p/0"));
    }
}
