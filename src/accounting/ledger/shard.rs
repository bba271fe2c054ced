//! Hot principals: ledgers beside the first one, each with isolates of its own, that lease slices of what is left from it.
//!
//! A shard is a ledger like any other. In place of the caller's bounds it grants under one of its own: what the first
//! ledger has leased it of this month's money, by model. What it has not used of that goes back after [`LEASE_MS`] without
//! a question. The first ledger counts all of a lease as taken until the shard says otherwise, so the sum over all never
//! passes a limit; what a shard holds and does not use is missing to the others for that time.

use serde::{Deserialize, Serialize};

use super::book::Book;
use super::State;
use crate::accounting::day::day_of;
use crate::accounting::limit::{month_of, Ask, Bound, Need, Refused, Verdict};
use crate::config::choice::Pattern;
use crate::identity::limits::Period;
use crate::money::PicoSum;
use crate::sorted::Map;

/// Stands between a principal and the number of a shard in the shard's name; a principal's id has none.
pub const SHARD_MARK: char = '~';

/// Calls a second from which on a ledger wants shards, and more of them.
pub const BUSY_PER_SECOND: u64 = 400;
/// The most there are.
pub const MOST_SHARDS: u32 = 64;
/// How long a shard keeps what it has leased and nobody asks for.
pub const LEASE_MS: u64 = 5_000;
/// What a shard leases at a time: so many times what the attempt at hand needs, as far as
const LEASED_TIMES: u64 = 256;
/// this part of what is left holds it.
const PART_LEASED: u128 = 8;
/// But at least so many attempts' worth, if there is: each question serves a few who wait.
const FEW_LEASED: u64 = 4;

/// What one shard has of a model's money.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The month, `YYYY-MM`.
    pub month: String,
    /// Leased in it so far, less what went back.
    pub leased: PicoSum,
    /// Of that, settled, reserved or lent to isolates.
    pub used: PicoSum,
    /// The day of which `used_today` is a part of `used`.
    pub day: String,
    /// Settled, reserved or lent on that day.
    pub used_today: PicoSum,
}

/// What a shard tells the first ledger, and what it wants: the body of `POST /lease`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Everything that it has of any model.
    pub claims: Map<String, Claim>,
    /// The question that it cannot answer alone; absent: it only gives back. Its `by` is the shard.
    pub ask: Option<Ask>,
    /// The shard's name.
    pub by: String,
    /// Counter of its reports.
    pub number: u64,
    /// Calls that it has had within the second.
    pub calls: u64,
}

/// What the first ledger answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// How many shards there are.
    pub shards: u32,
    /// What it says to the question.
    pub lease: Lease,
}

/// What the first ledger says to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lease {
    /// The shard has so much of the model's money in this month now, in all.
    Leased {
        /// Picodollars.
        leased: PicoSum,
    },
    /// Nothing is left for it.
    Refused(Refused),
    /// Noted.
    Noted,
}

/// The books' part of it: what shards have of this ledger, and what it has as a shard of the first one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shards {
    /// How many there have ever been.
    pub(super) count: u32,
    /// By shard: the number of its last report, and what it has.
    of: Map<String, (u64, Map<String, Claim>)>,
    /// As a shard: reports so far, and by model what is leased in which month.
    reports: u64,
    own: Map<String, (String, PicoSum)>,
    /// As a shard: when it looks at what it does not use, Unix ms; 0 = it has nothing.
    pub(super) until_ms: u64,
    /// As a shard: the first ledger may not know of it yet that less is used.
    untold: bool,
}

impl Shards {
    /// What shards have taken of a bound in a period.
    pub(super) fn taken(&self, bound: &Bound, period: Period, day: &str) -> u128 {
        let claims = self.of.values().flat_map(|(_, claims)| claims).filter(|(model, _)| bound.covers(model));
        let taken = claims.map(|(_, claim)| {
            let this_month = claim.month == month_of(day);
            match period {
                Period::Month if this_month => claim.leased.max(claim.used).0,
                Period::Day if this_month => {
                    let today = if claim.day == day { claim.used_today.0 } else { 0 };
                    today.saturating_add(claim.leased.0.saturating_sub(claim.used.0))
                }
                Period::Day | Period::Month => 0,
            }
        });
        taken.fold(0, u128::saturating_add)
    }
}

impl Book {
    /// How many shards this ledger has.
    #[must_use]
    pub fn shards(&self) -> u32 {
        self.shards.count
    }

    /// So many calls came in a second: more shards are wanted where that is too many for one ledger.
    pub fn busy(&mut self, calls: u64) {
        if calls > BUSY_PER_SECOND && self.shards.count < MOST_SHARDS {
            self.shards.count = self.shards.count.saturating_mul(2).clamp(2, MOST_SHARDS);
            self.shards_changed = true;
        }
    }

    /// As the first ledger: notes what a shard has, and leases it more if it asks. Sums of the month have to be here.
    pub fn lease(&mut self, report: Report, now_ms: u64) -> Lease {
        let known = self.shards.of.entry(report.by.clone()).or_default();
        if report.number <= known.0 {
            return Lease::Noted;
        }
        *known = (report.number, report.claims);
        self.busy(report.calls);
        self.shards_changed = true;
        let Some(ask) = report.ask else { return Lease::Noted };
        let wanted = ask.need.most_picousd.saturating_mul(LEASED_TIMES);
        let (room, refused) = self.room(&ask, now_ms);
        if let Some(refused) = refused {
            return Lease::Refused(refused);
        }
        let part = u64::try_from(room / PART_LEASED).unwrap_or(u64::MAX);
        let few = ask.need.most_picousd.saturating_mul(FEW_LEASED);
        let least = u64::try_from(room).unwrap_or(u64::MAX).min(few);
        let day = day_of(ask.opened.ts_ms);
        let Some((_, claims)) = self.shards.of.get_mut(&report.by) else { return Lease::Noted };
        let claim = claims.entry(ask.opened.name()).or_default();
        if claim.month != month_of(&day) {
            *claim = Claim { month: month_of(&day).to_owned(), ..Claim::default() };
        }
        claim.leased = claim.leased.plus(wanted.min(part).max(least));
        Lease::Leased { leased: claim.leased }
    }

    /// As a shard: grants out of what is leased; `whole`: all that is needed or nothing, as long as more may be had. `None`:
    /// more has to be leased first, see [`Book::report`].
    pub fn grant_leased(&mut self, ask: &Ask, whole: bool, now_ms: u64) -> Option<Verdict> {
        let name = ask.opened.name();
        let day = day_of(ask.opened.ts_ms);
        let leased = self.shards.own.get(&name).filter(|(month, _)| month == month_of(&day)).map_or(0, |(_, l)| l.0);
        let picousd = u64::try_from(leased).unwrap_or(u64::MAX);
        let own = Bound::Money { period: Period::Month, picousd, models: vec![Pattern::Model(name)] };
        let least_picousd = if whole { ask.need.most_picousd } else { ask.need.least_picousd };
        let need = Need { least_picousd, ..ask.need };
        match self.grant(&Ask { bounds: vec![own], need, ..ask.clone() }, now_ms) {
            Verdict::Refused(_) => None,
            granted @ Verdict::Granted { .. } => Some(granted),
        }
    }

    /// As a shard: what the first ledger is told. Sums of the month have to be here.
    pub fn report(&mut self, by: &str, ask: Option<&Ask>, calls: u64, now_ms: u64) -> Report {
        self.shards.reports = self.shards.reports.saturating_add(1);
        self.shards_changed = true;
        let day = day_of(now_ms);
        let own = self.shards.own.clone();
        let claims =
            own.into_iter().filter(|(_, (month, _))| month == month_of(&day)).map(|(model, (month, leased))| {
                let one =
                    Bound::Money { period: Period::Month, picousd: 0, models: vec![Pattern::Model(model.clone())] };
                let sum = |period| {
                    let (settled, under_way) = self.taken(&one, period, &day);
                    PicoSum(settled.saturating_add(under_way))
                };
                let (used, used_today) = (sum(Period::Month), sum(Period::Day));
                (model, Claim { month, leased, used, day: day.clone(), used_today })
            });
        let claims = claims.collect();
        Report { claims, ask: ask.cloned(), by: by.to_owned(), number: self.shards.reports, calls }
    }

    /// As a shard: the first ledger has answered a report. What it says to an older one has been overtaken.
    pub fn answered(&mut self, number: u64, answer: &Answer, ask: Option<&Ask>, now_ms: u64) {
        self.shards.count = self.shards.count.max(answer.shards);
        self.shards_changed = true;
        if number != self.shards.reports {
            return;
        }
        match (&answer.lease, ask) {
            (Lease::Leased { leased }, Some(ask)) => {
                let month = month_of(&day_of(ask.opened.ts_ms)).to_owned();
                self.shards.own.insert(ask.opened.name(), (month, *leased));
                self.shards.until_ms = now_ms.saturating_add(LEASE_MS);
            }
            (Lease::Noted, None) => self.shards.untold = false,
            _ => {}
        }
    }

    /// As a shard: keeps of its leases what is used, and says so. `None`: the first ledger knows. Sums of the month have to
    /// be here.
    pub fn give_back(&mut self, by: &str, now_ms: u64) -> Option<Report> {
        self.shards.own.retain(|_, (month, _)| month == month_of(&day_of(now_ms)));
        let mut report = self.report(by, None, 0, now_ms);
        for (model, claim) in report.claims.iter_mut() {
            if claim.leased > claim.used {
                claim.leased = claim.used;
                self.shards.untold = true;
                self.shards.own.insert(model.clone(), (claim.month.clone(), claim.leased));
            }
        }
        let goes_on = self.shards.untold || self.lent.is_out() || self.holds_grants();
        self.shards.until_ms = if goes_on { now_ms.saturating_add(LEASE_MS) } else { 0 };
        self.shards.untold.then_some(report)
    }

    fn holds_grants(&self) -> bool {
        self.entries().any(|entry| entry.state == State::Open && entry.opened.reserved.is_some())
    }
}
