//! Letting attempts out under limits. What a bound has left is the bound less what is settled, less what is reserved for
//! attempts under way, less what is lent to isolates; nothing of it is kept twice, so that no message can bring it out of
//! step. Without a wait between looking and reserving, whatever asks at the same time.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::sheet::{Entry, State};
use super::{Opened, Reserved};
use crate::accounting::day::day_of;
use crate::accounting::limit::{end_of, month_of, Ask, Bound, Refused, Slice, Verdict};
use crate::identity::limits::Period;
use crate::money::PicoSum;
use crate::sorted::{Map, Set};

/// Grants within a second that make an isolate hot: its next ones need not ask.
const HOT_PER_SECOND: u64 = 16;
/// How long a slice is lent.
pub const SLICE_MS: u64 = 1_000;
/// How much longer the ledger believes that it is in use: messages under way, clocks that differ.
const MARGIN_MS: u64 = 2_000;
/// A slice is at most this part of what is left, so that others find something, and
const PART_LENT: u64 = 4;
/// none is lent once that part holds fewer reservations than this: the last of a budget is granted one by one.
const FEWEST_IN_SLICE: u64 = 8;
/// When to ask again after a refusal for what is under way and may leave something over.
const UNDER_WAY_MS: u64 = 2_000;

/// What isolates hold, by sender and model: picodollars, and until when (Unix ms).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lent {
    slices: Vec<(String, String, PicoSum, u64)>,
    /// Grants of each sender in the current second and the one before. A hint: it is not stored.
    #[serde(skip)]
    pace: Map<String, (u64, u64, u64)>,
}

impl Lent {
    /// A sender has taken so much out of its slice, or put it back.
    pub(super) fn take(&mut self, by: &str, model: &str, used: i64) -> bool {
        let Some(slice) = self.slices.iter_mut().find(|slice| slice.0 == by && slice.1 == model) else { return false };
        let (held, change) = (slice.2 .0, u128::from(used.unsigned_abs()));
        slice.2 .0 = if used < 0 { held.saturating_add(change) } else { held.saturating_sub(change) };
        true
    }

    /// What runs out comes back.
    pub(super) fn forget(&mut self, now_ms: u64) -> bool {
        let before = self.slices.len();
        self.slices.retain(|slice| now_ms < slice.3);
        self.slices.len() != before
    }

    /// Whether anything is lent.
    pub(super) fn is_out(&self) -> bool {
        !self.slices.is_empty()
    }

    fn held(&self, bound: &Bound) -> u128 {
        self.slices.iter().filter(|slice| bound.covers(&slice.1)).map(|slice| slice.2 .0).fold(0, u128::saturating_add)
    }

    fn lend(&mut self, by: &str, model: &str, picousd: u64, until_ms: u64) {
        match self.slices.iter_mut().find(|slice| slice.0 == by && slice.1 == model) {
            Some(slice) => (slice.2, slice.3) = (slice.2.plus(picousd), until_ms),
            None => self.slices.push((by.to_owned(), model.to_owned(), PicoSum::default().plus(picousd), until_ms)),
        }
    }

    /// Counts a question of a sender's; how many a second it asks lately.
    fn pace(&mut self, by: &str, now_ms: u64) -> u64 {
        const SENDERS: usize = 256;
        let second = now_ms / 1_000;
        if self.pace.len() > SENDERS {
            self.pace.retain(|_, (last, ..)| *last >= second.saturating_sub(1));
        }
        let (last, current, before) = self.pace.entry(by.to_owned()).or_default();
        if *last != second {
            *before = if last.saturating_add(1) == second { *current } else { 0 };
            (*last, *current) = (second, 0);
        }
        *current = current.saturating_add(1);
        (*current).max(*before)
    }
}

impl Book {
    /// Grants an attempt what it may use, or says what stands in the way. Sums of the attempt's month have to be here.
    pub fn grant(&mut self, ask: &Ask, now_ms: u64) -> Verdict {
        let key = ask.opened.key();
        if let Some(entry) = self.entry(&key) {
            // Asked before: the answer was lost, or the attempt is given up already.
            let picousd = entry.opened.reserved.filter(|_| entry.state == State::Open).map_or(0, |r| r.picousd);
            return Verdict::Granted { picousd, slice: None, sliced: false };
        }
        self.lent_changed |= self.lent.forget(now_ms);
        self.rates.forget(now_ms);
        let pace = self.lent.pace(&ask.by, now_ms);
        let name = ask.opened.name();
        let (room, refused) = self.room(ask, now_ms);
        if let Some(refused) = refused {
            return Verdict::Refused(refused);
        }
        let granted = ask.need.most_picousd.min(u64::try_from(room).unwrap_or(u64::MAX));
        let reserved = Reserved { picousd: granted, tokens: ask.need.tokens, sliced: false };
        let opened = Opened { reserved: Some(reserved), ..ask.opened.clone() };
        if ask.bounds.iter().any(|bound| !bound.is_money()) {
            self.rates.add(opened.ts_ms, u64::from(opened.attempt == 1), ask.need.tokens);
            self.rates_changed = true;
        }
        let slice = self.slice(ask, &name, pace, room.saturating_sub(u128::from(granted)), now_ms);
        self.put(&format!("g.{}.{}", key.0, key.1), Entry::open(opened));
        Verdict::Granted { picousd: granted, slice, sliced: false }
    }

    /// What all bounds leave for the attempt, or which of them stands in the way: of several the one that lasts longest.
    pub(super) fn room(&self, ask: &Ask, now_ms: u64) -> (u128, Option<Refused>) {
        let name = ask.opened.name();
        let mut room = u128::MAX;
        let mut refused: Option<Refused> = None;
        for bound in ask.bounds.iter().filter(|bound| bound.covers(&name)) {
            match self.left(bound, ask, now_ms) {
                Ok(left) => room = room.min(left),
                Err(no) if refused.as_ref().is_none_or(|known| known.resets_at_ms < no.resets_at_ms) => {
                    refused = Some(no)
                }
                Err(_) => {}
            }
        }
        (room, refused)
    }

    /// What a bound has left for the attempt: picodollars, or no end of them under a bound of another kind.
    fn left(&self, bound: &Bound, ask: &Ask, now_ms: u64) -> Result<u128, Refused> {
        let no = |left: u128, resets_at_ms: u64, passes: bool| {
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            Err(Refused { bound: bound.clone(), left, resets_at_ms, passes })
        };
        match bound {
            Bound::Money { period, picousd, .. } => {
                let day = day_of(ask.opened.ts_ms);
                let (settled, under_way) = self.taken(bound, *period, &day);
                let most = u128::from(*picousd);
                let left = most.saturating_sub(settled).saturating_sub(under_way);
                let least = u128::from(ask.need.least_picousd);
                if left >= least && (left > 0 || ask.need.most_picousd == 0) {
                    return Ok(left);
                }
                let passes = under_way > 0 && most.saturating_sub(settled) >= least.max(1);
                no(left, end_of(*period, ask.opened.ts_ms), passes)
            }
            Bound::Requests(most) => {
                let (requests, _) = self.rates.sums();
                // A retry is part of its request.
                if ask.opened.attempt > 1 || requests < *most {
                    return Ok(u128::MAX);
                }
                no(0, self.rates.free_at(*most, 1, |counted| counted.0, now_ms), true)
            }
            Bound::Tokens(most) => {
                let (_, tokens) = self.rates.sums();
                // What may need more than there ever is has to find the minute empty.
                let need = ask.need.tokens.min(*most).max(1);
                if tokens.saturating_add(need) <= *most {
                    return Ok(u128::MAX);
                }
                let free_at = self.rates.free_at(*most, need, |counted| counted.1, now_ms);
                no(u128::from(most.saturating_sub(tokens)), free_at, *most > 0)
            }
            Bound::Concurrent(most) => {
                let open = self.entries().filter(|entry| entry.state == State::Open);
                let others: Set<&str> =
                    open.map(|entry| entry.opened.id.as_str()).filter(|id| *id != ask.opened.id).collect();
                if (others.len() as u64) < *most {
                    return Ok(u128::MAX);
                }
                no(0, now_ms.saturating_add(UNDER_WAY_MS), *most > 0)
            }
        }
    }

    /// What of a budget is settled, and what is reserved, lent or leased.
    pub(super) fn taken(&self, bound: &Bound, period: Period, day: &str) -> (u128, u128) {
        let within = |at: &str| match period {
            Period::Day => at == day,
            Period::Month => month_of(at) == month_of(day),
        };
        let first = match period {
            Period::Day => day,
            Period::Month => month_of(day),
        };
        let from = (first.to_owned(), String::new(), String::new());
        let counted = self.counters.starting_at(&from).take_while(|((at, ..), _)| within(at));
        let settled = counted.filter(|((_, model, _), _)| bound.covers(model)).map(|(_, sums)| sums.picousd().0);
        let reserved = self.reserved.iter().filter(|((at, model), _)| within(at) && bound.covers(model));
        let under_way = reserved.map(|(_, picousd)| *picousd).fold(self.lent.held(bound), u128::saturating_add);
        let under_way = under_way.saturating_add(self.shards.taken(bound, period, day));
        (settled.fold(0, u128::saturating_add), under_way)
    }

    /// What is lent to a hot isolate beyond its grant: about what it will ask for until then, far from the end of a budget.
    fn slice(&mut self, ask: &Ask, name: &str, pace: u64, left: u128, now_ms: u64) -> Option<Slice> {
        let most = ask.need.most_picousd;
        if pace < HOT_PER_SECOND || most == 0 || ask.bounds.iter().any(|bound| !bound.is_money()) {
            return None;
        }
        let room = u64::try_from(left / u128::from(PART_LENT)).unwrap_or(u64::MAX);
        if room < most.saturating_mul(FEWEST_IN_SLICE) {
            return None;
        }
        let picousd = most.saturating_mul(pace).min(room);
        let ms = SLICE_MS.min(end_of(Period::Day, now_ms).saturating_sub(now_ms));
        self.lent.lend(&ask.by, name, picousd, now_ms.saturating_add(ms).saturating_add(MARGIN_MS));
        self.lent_changed = true;
        Some(Slice { picousd, ms })
    }
}
