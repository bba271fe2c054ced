//! A hot principal, simulated: isolates that gather and hold slices, shards that lease, objects that are evicted, isolates
//! that die, answers that are lost. Deterministic: time and chance are the test's own.

use std::collections::VecDeque;

use super::*;
use crate::accounting::gather::{Gatherer, Pending, WINDOW_MS};
use crate::accounting::ledger::shard::{Answer, Lease, Report, BUSY_PER_SECOND};
use crate::sorted::Set;

const MODEL: &str = "p/m";
const MOST: u64 = 1_000;
const STEP_MS: u64 = 5;

/// How a run goes.
struct Plan {
    isolates: usize,
    requests_per_second: u64,
    seconds: u64,
    limit: u64,
    /// Evictions, deaths and lost answers happen.
    rough: bool,
}

#[derive(Debug, Default)]
struct Ran {
    served: u64,
    refused: u64,
    /// What attempts cost that were sent, told or not.
    spent: u128,
    /// Of that, above what was granted.
    above: u128,
    /// Calls to the busiest object in its busiest second, the first two seconds left out.
    busiest: u64,
    calls: u64,
    shards: u32,
}

struct Isolate {
    gatherer: Gatherer,
    shards: u32,
    flush_at: Map<String, u64>,
    under_way: VecDeque<(u64, Opened, u64)>,
}

struct Sim {
    plan: Plan,
    seed: u64,
    now: u64,
    objects: Map<String, Shelf>,
    calls: Map<(String, u64), u64>,
    noticed: Set<(String, u64)>,
    out: Ran,
    requests: u64,
    isolates_born: u64,
}

fn shard_name(shard: u32) -> String {
    if shard == 0 {
        "x".into()
    } else {
        format!("x~{shard}")
    }
}

impl Sim {
    fn chance(&mut self, of: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % of
    }

    fn lost(&mut self) -> bool {
        self.plan.rough && self.chance(200) == 0
    }

    fn object(&mut self, name: &str) -> &mut Shelf {
        let evicted = self.plan.rough && self.chance(500) == 0;
        *self.calls.entry((name.to_owned(), self.now / 1_000)).or_default() += 1;
        self.out.calls += 1;
        let stays = !self.plan.rough;
        let shelf = self.objects.entry(name.to_owned()).or_insert_with(|| Shelf { stays, ..Shelf::default() });
        if evicted {
            shelf.evict();
        }
        shelf
    }

    /// A ledger notices how busy it is, as the object does; what its receipts say of shards.
    fn shards(&mut self, name: &str) -> u32 {
        let second = (name.to_owned(), self.now / 1_000);
        let calls = self.calls.get(&second).copied().unwrap_or_default();
        let noticed = calls > BUSY_PER_SECOND && self.noticed.insert(second);
        if noticed && name == "x" {
            self.objects.get_mut(name).unwrap().work(|_, book| book.busy(calls));
        } else if noticed {
            let now = self.now;
            let report = self.objects.get_mut(name).unwrap().work(|shelf, book| {
                shelf.load_month(book, now);
                book.report(name, None, calls, now)
            });
            let number = report.number;
            let answer = self.first(report);
            self.objects.get_mut(name).unwrap().work(|_, book| book.answered(number, &answer, None, now));
        }
        self.objects.get_mut(name).map_or(0, |shelf| shelf.work(|_, book| book.shards()))
    }

    fn grant(&mut self, name: &str, ask: &Ask) -> Option<Verdict> {
        let now = self.now;
        let verdict = if name == "x" {
            self.object(name).grant(ask, now)
        } else {
            let granted = self.object(name).leased(ask, now);
            match granted {
                Some(verdict) => verdict,
                None => self.lease(name, ask)?,
            }
        };
        if self.lost() {
            None
        } else {
            Some(verdict)
        }
    }

    fn lease(&mut self, name: &str, ask: &Ask) -> Option<Verdict> {
        let now = self.now;
        let report = self.object(name).work(|shelf, book| {
            shelf.load_month(book, now);
            book.report(name, Some(ask), 0, now)
        });
        let number = report.number;
        let answer = self.first(report);
        if self.lost() {
            return None;
        }
        self.objects.get_mut(name).unwrap().work(|_, book| book.answered(number, &answer, Some(ask), now));
        match answer.lease {
            Lease::Leased { .. } => self.objects.get_mut(name).unwrap().leased(ask, now),
            Lease::Refused(refused) => Some(Verdict::Refused(refused)),
            Lease::Noted => None,
        }
    }

    /// A report at the first ledger.
    fn first(&mut self, report: Report) -> Answer {
        let now = self.now;
        self.object("x").work(|shelf, book| {
            shelf.load_month(book, now);
            let lease = book.lease(report, now);
            Answer { shards: book.shards(), lease }
        })
    }

    /// The alarms of shards.
    fn give_back(&mut self) {
        let now = self.now;
        let names: Vec<String> = self.objects.keys().filter(|name| *name != "x").cloned().collect();
        for name in names {
            let shelf = self.objects.get_mut(&name).unwrap();
            let due = shelf.work(|_, book| book.lease_due_ms());
            if due.is_none_or(|due| due > now) {
                continue;
            }
            let report = shelf.work(|shelf, book| {
                shelf.load_month(book, now);
                book.sweep(now);
                book.give_back(&name, now)
            });
            let Some(report) = report else { continue };
            let number = report.number;
            let answer = self.first(report);
            if !self.lost() {
                self.objects.get_mut(&name).unwrap().work(|_, book| book.answered(number, &answer, None, now));
            }
        }
    }

    fn request(&mut self, isolate: &mut Isolate) {
        self.requests += 1;
        let mut opened = opened(&format!("r{}", self.requests), 1, "m", self.now);
        opened.task = String::new();
        opened.shard = match isolate.shards {
            0 => 0,
            shards => 1 + u32::from_str_radix(isolate.gatherer.sender(), 16).unwrap() % shards,
        };
        let object = shard_name(opened.shard);
        let bounds = [day(self.plan.limit)];
        let text = serde_json::to_string(&bounds).unwrap();
        let mut ask = ask(&opened, MOST, MOST, &bounds);
        ask.by = isolate.gatherer.sender().to_owned();
        let sliced = isolate.gatherer.draw(&object, MODEL, &text, MOST, self.now);
        if !sliced {
            match self.grant(&object, &ask) {
                Some(Verdict::Granted { slice, .. }) => {
                    if let Some(slice) = slice {
                        isolate.gatherer.lend(&object, MODEL, &text, slice, self.now);
                    }
                }
                Some(Verdict::Refused(_)) => {
                    self.out.refused += 1;
                    return;
                }
                None => {
                    self.push(isolate, &object, Row::Release { opened });
                    return;
                }
            }
        }
        opened.reserved = Some(Reserved { picousd: MOST, tokens: 100, sliced });
        if sliced {
            self.push(isolate, &object, Row::Open { opened: opened.clone() });
        }
        // Mostly less than was granted, sometimes more.
        let cost = if self.chance(50) == 0 { MOST + self.chance(300) } else { self.chance(MOST) };
        self.out.served += 1;
        self.out.spent += u128::from(cost);
        self.out.above += u128::from(cost.saturating_sub(MOST));
        let ends = self.now + 10 + self.chance(600);
        isolate.under_way.push_back((ends, opened, cost));
    }

    fn push(&mut self, isolate: &mut Isolate, object: &str, row: Row) {
        if isolate.gatherer.push(object, row, self.now) {
            isolate.flush_at.insert(object.to_owned(), self.now + WINDOW_MS);
        }
    }

    fn flush(&mut self, isolate: &mut Isolate, all: bool) {
        let due: Vec<String> =
            isolate.flush_at.iter().filter(|(_, at)| all || **at <= self.now).map(|(name, _)| name.clone()).collect();
        for object in due {
            match isolate.gatherer.take(&object, self.now) {
                None => {
                    isolate.flush_at.remove(&object);
                }
                Some(Pending { number, body }) => {
                    let now = self.now;
                    let batch = Batch::parse(body.as_bytes()).unwrap();
                    self.object(&object).enter(batch, now);
                    isolate.shards = self.shards(&object);
                    isolate.flush_at.insert(object.clone(), self.now + WINDOW_MS);
                    if !self.lost() {
                        isolate.gatherer.taken(&object, number);
                    }
                }
            }
        }
    }

    fn isolate(&mut self) -> Isolate {
        self.isolates_born += 1;
        let (gatherer, flush_at) = (Gatherer::new(self.isolates_born), Map::new());
        Isolate { gatherer, shards: 0, flush_at, under_way: VecDeque::new() }
    }

    fn run(plan: Plan, seed: u64) -> Ran {
        let mut sim = Self {
            seed,
            now: T0,
            objects: Map::new(),
            calls: Map::new(),
            noticed: Set::new(),
            out: Ran::default(),
            requests: 0,
            isolates_born: 0,
            plan,
        };
        let mut isolates: Vec<Isolate> = (0..sim.plan.isolates).map(|_| sim.isolate()).collect();
        let per_step = sim.plan.requests_per_second * STEP_MS / 1_000;
        for _ in 0..sim.plan.seconds * 1_000 / STEP_MS {
            sim.now += STEP_MS;
            sim.give_back();
            for _ in 0..per_step {
                let at = sim.chance(isolates.len() as u64) as usize;
                sim.request(&mut isolates[at]);
            }
            for isolate in &mut isolates {
                let (over, going): (VecDeque<_>, VecDeque<_>) =
                    std::mem::take(&mut isolate.under_way).into_iter().partition(|(ends, ..)| *ends <= sim.now);
                isolate.under_way = going;
                for (_, opened, cost) in over {
                    let object = shard_name(opened.shard);
                    sim.push(isolate, &object, settle(&opened, &settled(cost)));
                }
                sim.flush(isolate, false);
            }
            if sim.plan.rough && sim.chance(400) == 0 {
                // One dies with all it holds; what it had sent goes on at the provider.
                let at = sim.chance(isolates.len() as u64) as usize;
                isolates[at] = sim.isolate();
            }
            assert!(sim.out.spent <= u128::from(sim.plan.limit) + sim.out.above + sim.untold(), "{:?}", sim.out);
        }
        let steady = T0 / 1_000 + 2;
        sim.out.busiest = sim.calls.iter().filter(|((_, s), _)| *s >= steady).map(|(_, n)| *n).max().unwrap_or(0);
        sim.out.shards = sim.shards("x");
        sim.out
    }

    /// What an isolate that dies had not told yet is lost to the account: its last window, and no more.
    fn untold(&self) -> u128 {
        let died = self.isolates_born - self.plan.isolates as u64;
        let window = self.plan.requests_per_second * (WINDOW_MS + STEP_MS) / 1_000 / self.plan.isolates as u64 + 8;
        u128::from(died * window * (MOST + 300))
    }
}

#[test]
fn slices_and_leases_never_pass_the_limit_whatever_is_evicted_dies_or_is_lost() {
    for seed in 1..=2 {
        for (isolates, rate, limit) in [(3, 400, 250_000), (8, 1_600, 1_400_000)] {
            let plan = Plan { isolates, requests_per_second: rate, seconds: 3, limit, rough: true };
            let out = Sim::run(plan, seed);
            assert!(out.refused > 0, "the limit was reached: {out:?}");
            // The rest is what was held where it was not needed, or by the dead.
            assert!(out.spent * 100 / u128::from(limit) >= 60, "most of the limit was used: {out:?}");
        }
    }
}

#[test]
fn a_hot_principal_is_served_by_objects_that_are_not() {
    // Far from its limit: what counts is how often which object is called.
    for (isolates, rate) in [(12, 1_200), (40, 4_000)] {
        let plan = Plan { isolates, requests_per_second: rate, seconds: 3, limit: u64::MAX / 4, rough: false };
        let out = Sim::run(plan, 7);
        assert_eq!(out.refused, 0);
        let per_request = out.calls * 100 / out.served;
        assert!(per_request < 100, "{per_request} calls for a hundred requests: {out:?}");
        assert!(out.busiest < 1_000, "no object is called a thousand times a second: {out:?}");
    }
}
