mod hot;

use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::accounting::counters::Counters;
use crate::accounting::day::DAY_MS;
use crate::accounting::limit::{Ask, Bound, Need, Refused, Verdict};
use crate::identity::limits::Period;
use crate::money::PicoSum;
use crate::sorted::Map;

const T0: u64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

fn opened(id: &str, attempt: u32, model: &str, ts_ms: u64) -> Opened {
    Opened {
        id: id.into(),
        attempt,
        ts_ms,
        deadline_ms: ts_ms + 600_000,
        provider: "p".into(),
        model: model.into(),
        task: "chat".into(),
        reserved: None,
        shard: 0,
        price_version: Some("2026-01-01".into()),
        estimate: Estimate {
            usage: Usage { input_tokens: 7, output_tokens: 9, ..Usage::default() },
            cost: Cost::Estimated { picousd: 5 },
        },
    }
}

fn settled(picousd: u64) -> Settled {
    Settled {
        usage: Usage { input_tokens: 10, output_tokens: 20, reasoning_tokens: Some(3), ..Usage::default() },
        cost: Cost::Exact { picousd },
        outcome: Outcome::Completed,
        duration_ms: 1_500,
    }
}

fn open(o: &Opened) -> Row {
    Row::Open { opened: o.clone() }
}

fn settle(o: &Opened, s: &Settled) -> Row {
    Row::Settle { opened: o.clone(), settled: s.clone() }
}

thread_local! {
    static BATCHES: Cell<u64> = const { Cell::new(0) };
}

/// A batch with a number of its own.
fn batch(rows: impl IntoIterator<Item = Row>) -> Batch {
    BATCHES.set(BATCHES.get() + 1);
    let sent = Sent { by: "a".into(), number: BATCHES.get(), made_ms: T0 + 20 * HOUR_MS };
    Batch { sent, rows: rows.into_iter().collect(), ..Batch::default() }
}

fn totals(book: &Book) -> Counters {
    let mut all = Counters::default();
    book.counters().for_each(|(_, sum)| all.add(sum));
    book.under_way().for_each(|(_, sum)| all.add(&sum));
    all
}

#[test]
fn an_attempt_is_open_then_settled_once() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut book = Book::default();
    assert_eq!(book.enter(batch([open(&o)]), T0).applied, 1);
    assert_eq!((totals(&book).open, totals(&book).picousd()), (1, PicoSum(0)));
    book.enter(batch([settle(&o, &s)]), T0 + 1);
    let sums = totals(&book);
    assert_eq!((sums.requests, sums.attempts, sums.open, sums.completed), (1, 1, 0, 1));
    assert_eq!((sums.exact_attempts, sums.exact_picousd), (1, PicoSum(100)));
    assert_eq!((sums.input_tokens, sums.output_tokens, sums.reasoning_tokens), (10, 20, 3));
}

#[test]
fn a_settle_that_overtakes_its_open_is_the_attempt() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut book = Book::default();
    book.enter(batch([settle(&o, &s)]), T0);
    let before = totals(&book);
    assert_eq!(book.enter(batch([open(&o)]), T0 + 5).repeated, 1);
    assert_eq!(totals(&book), before);
    assert_eq!((before.open, before.attempts, before.requests), (0, 1, 1));
}

#[test]
fn retries_are_attempts_of_one_request() {
    let mut book = Book::default();
    let failed = Settled { usage: Usage::default(), cost: Cost::NOTHING, outcome: Outcome::Failed, duration_ms: 3 };
    book.enter(
        batch([
            settle(&opened("r", 1, "a", T0), &failed),
            settle(&opened("r", 2, "b", T0), &settled(40)),
            settle(&opened("q", 1, "a", T0), &Settled { cost: Cost::UNPRICED, ..settled(0) }),
        ]),
        T0,
    );
    let sums = totals(&book);
    assert_eq!((sums.requests, sums.attempts, sums.failed, sums.completed), (2, 3, 1, 2));
    assert_eq!((sums.exact_attempts, sums.unpriced_attempts, sums.picousd()), (2, 1, PicoSum(40)));
    let places: Vec<&Place> = book.counters().map(|(place, _)| place).collect();
    let place = |model: &str| ("2026-01-01".to_owned(), model.to_owned(), "chat".to_owned());
    assert_eq!(places, [&place("p/a"), &place("p/b")]);
}

#[test]
fn what_stays_open_is_estimated_after_its_deadline_and_corrected_if_it_settles_after_all() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut book = Book::default();
    book.enter(batch([open(&o)]), T0);
    book.sweep(o.deadline_ms + GRACE_MS - 1);
    assert_eq!(totals(&book).open, 1, "not before the grace is over");
    book.sweep(o.deadline_ms + GRACE_MS);
    let swept = totals(&book);
    assert_eq!((swept.open, swept.expired, swept.attempts), (0, 1, 1));
    assert_eq!((swept.estimated_attempts, swept.estimated_picousd, swept.input_tokens), (1, PicoSum(5), 7));
    book.sweep(o.deadline_ms + GRACE_MS + 1);
    assert_eq!(totals(&book), swept, "once");
    assert_eq!(book.enter(batch([open(&o)]), o.deadline_ms + GRACE_MS + 2).repeated, 1);
    book.enter(batch([settle(&o, &s)]), o.deadline_ms + GRACE_MS + 2);
    let mut straight = Book::default();
    straight.enter(batch([settle(&o, &s)]), T0);
    assert_eq!(totals(&book), totals(&straight));
}

#[test]
fn an_estimate_is_never_counted_as_exact() {
    let mut o = opened("r", 1, "m", T0);
    o.estimate.cost = Cost::Exact { picousd: 5 };
    let mut book = Book::default();
    book.enter(batch([open(&o)]), T0);
    book.sweep(o.deadline_ms + GRACE_MS);
    assert_eq!((totals(&book).exact_attempts, totals(&book).estimated_picousd), (0, PicoSum(5)));
}

#[test]
fn an_unpriced_estimate_stays_unpriced_when_it_expires() {
    let mut o = opened("r", 1, "m", T0);
    o.estimate.cost = Cost::UNPRICED;
    let mut book = Book::default();
    book.enter(batch([open(&o)]), T0);
    book.sweep(o.deadline_ms + GRACE_MS);
    assert_eq!((totals(&book).unpriced_attempts, totals(&book).expired), (1, 1));
}

#[test]
fn a_deadline_out_of_all_bounds_does_not_keep_an_attempt_open_for_ever() {
    let mut o = opened("r", 1, "m", T0);
    o.deadline_ms = u64::MAX;
    let mut book = Book::default();
    book.enter(batch([open(&o)]), T0);
    book.sweep(T0 + LONGEST_MS + GRACE_MS);
    assert_eq!(totals(&book).expired, 1);
}

#[test]
fn one_bad_message_does_not_cost_the_others_their_place() {
    let o = opened("r", 1, "m", T0);
    let body = format!(
        r#"{{"sent":{{"by":"s","number":1,"made_ms":1767225600000}},"sums":[],"rows":[{{"op":"open"}},{},{{"op":"close","id":"x"}},17,{}]}}"#,
        settle(&o, &settled(u64::MAX)).to_json(),
        open(&o).to_json().replace("open", "settle"),
    );
    let read = Batch::parse(body.as_bytes()).unwrap();
    assert_eq!(read.rows, [settle(&o, &settled(u64::MAX))]);
    assert_eq!(Book::default().enter(read, T0), Receipt { applied: 1, malformed: 4, ..Receipt::default() });
    for bad in ["", "[]", "{}", r#"{"sent":{"by":"s","number":1,"made_ms":1767225600000},"sums":[],"rows":{}}"#] {
        assert!(Batch::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn messages_are_read_as_they_were_written() {
    let o = opened("r", 1, "m", T0);
    for row in [open(&o), settle(&o, &settled(7)), Row::Release { opened: o.clone() }] {
        assert_eq!(Row::read(&row.to_json()).unwrap(), row);
    }
    assert!(Row::read(&open(&o).to_json().replace("\"open\"", "\"settle\"")).is_err(), "of what became of it nothing");
    let counters = serde_json::to_string(&Counters::settled(&o, &settled(7))).unwrap();
    let body = format!(
        r#"{{"sent":{{"by":"s","number":1,"made_ms":1}},"sums":[["2026-01-01","p/m",{counters}],["2026-01-01","p/m","qa",{counters}]],"rows":[]}}"#
    );
    let places: Vec<Place> = Batch::parse(body.as_bytes()).unwrap().sums.into_iter().map(|(place, _)| place).collect();
    let place = |task: &str| ("2026-01-01".to_owned(), "p/m".to_owned(), task.to_owned());
    assert_eq!(places, [place(""), place("qa")]);
    assert!(Batch::parse(body.replace(r#""qa","#, r#""qa","","#).as_bytes()).is_err());
}

fn summed(number: u64, made_ms: u64, attempts: impl IntoIterator<Item = (Opened, Settled)>) -> Batch {
    let mut sums: Map<Place, Counters> = Map::new();
    for (opened, settled) in attempts {
        let own = Counters::settled(&opened, &settled);
        sums.entry(opened.place()).or_default().add(&own);
    }
    Batch { sent: Sent { by: "s".into(), number, made_ms }, sums: sums.into_iter().collect(), ..Batch::default() }
}

#[test]
fn sums_are_entered_once_however_often_their_batch_arrives() {
    let attempts = || [(opened("q", 1, "m", T0), settled(30)), (opened("r", 1, "m", T0), settled(12))];
    let mut book = Book::default();
    assert_eq!(book.enter(summed(4, T0, attempts()), T0).applied, 2);
    let once = totals(&book);
    assert_eq!((once.attempts, once.picousd()), (2, PicoSum(42)));
    for number in [4, 3] {
        assert_eq!(book.enter(summed(number, T0, attempts()), T0 + 9).repeated, 2);
    }
    book.tidy();
    assert_eq!(book.enter(summed(4, T0, attempts()), T0 + 9).repeated, 2, "known also after the desk was cleared");
    assert_eq!(totals(&book), once);
    assert_eq!(book.enter(summed(5, T0, attempts()), T0).applied, 2);
}

#[test]
fn sums_whose_sender_may_be_forgotten_are_refused() {
    let batch = || summed(1, T0, [(opened("r", 1, "m", T0), settled(12))]);
    assert_eq!(Book::default().enter(batch(), T0 + LATE_MS + 1).late, 1);
    let mut book = Book::default();
    assert_eq!(book.enter(batch(), T0 + LATE_MS).applied, 1);
    let due = book.next_due_ms();
    assert!(due > Some(T0 + KEEP_MS) && due <= Some(T0 + KEEP_MS + HOUR_MS), "remembered for as long: {due:?}");
}

#[test]
fn a_batch_is_read_as_it_was_written() {
    let o = opened("r", 1, "m", T0);
    let mut sent = summed(7, T0, [(o.clone(), settled(u64::MAX))]);
    sent.rows = vec![open(&o), settle(&o, &settled(3)), Row::Release { opened: o }];
    sent.used = vec![("p/m".into(), -7)];
    let read = Batch::parse(sent.write().as_bytes()).unwrap();
    assert_eq!((read.sent, read.sums, read.rows, read.malformed), (sent.sent, sent.sums, sent.rows, 0));
    assert_eq!(read.used, sent.used);
}

#[test]
fn sums_of_senders_that_know_no_tasks_are_taken() {
    let sum = serde_json::to_string(&Counters { attempts: 3, ..Counters::default() }).unwrap();
    let body =
        format!(r#"{{"sent":{{"by":"s","number":1,"made_ms":0}},"sums":[["2026-01-01","p/m",{sum}]],"rows":[]}}"#);
    let read = Batch::parse(body.as_bytes()).unwrap();
    assert_eq!(read.sums[0].0, ("2026-01-01".into(), "p/m".into(), String::new()));
    assert_eq!(read.sums[0].1.attempts, 3);
}

#[test]
fn rows_are_the_documented_json() {
    let o = opened("req_1", 2, "m", T0);
    let json: serde_json::Value = serde_json::from_str(&settle(&o, &settled(12)).to_json()).unwrap();
    assert_eq!(json["op"], "settle");
    assert_eq!(json["id"], "req_1");
    assert_eq!(json["attempt"], 2);
    assert_eq!(json["estimate"]["cost"], serde_json::json!({"certainty": "estimated", "picousd": "5"}));
    assert_eq!(json["settled"]["cost"]["picousd"], "12");
    assert_eq!(json["settled"]["outcome"], "completed");
}

#[test]
fn a_batch_is_one_row_of_the_store_and_goes_with_its_last_attempt() {
    let attempts: Vec<Opened> = (0..50).map(|n| opened(&format!("r{n}"), 1, "m", T0)).collect();
    let mut shelf = Shelf::default();
    shelf.enter(batch(attempts.iter().map(open)), T0);
    assert_eq!((shelf.sheets.len(), shelf.sums.len()), (1, 0));
    shelf.enter(batch(attempts.iter().skip(1).map(|o| settle(o, &settled(1)))), T0 + 5);
    shelf.evict();
    assert_eq!((shelf.sheets.len(), shelf.totals().open), (1, 1));
    shelf.enter(batch([settle(&attempts[0], &settled(1))]), T0 + 6);
    assert_eq!((shelf.sheets.len(), shelf.totals().picousd()), (0, PicoSum(50)));
}

#[test]
fn what_the_clock_closed_is_forgotten_when_its_settle_would_be_refused() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut shelf = Shelf::default();
    shelf.enter(batch([open(&o)]), T0);
    shelf.sweep(T0 + HOUR_MS);
    let closed = shelf.totals();
    shelf.sweep(T0 + LATE_MS);
    assert_eq!(shelf.sheets.len(), 1, "its settle would be taken");
    shelf.sweep(T0 + HOUR_MS + KEEP_MS + HOUR_MS);
    assert_eq!(shelf.sheets.len(), 0);
    let late =
        Batch { sent: Sent { by: "z".into(), number: 1, made_ms: T0 + 26 * HOUR_MS }, ..batch([settle(&o, &s)]) };
    assert_eq!(shelf.enter(late, T0 + 26 * HOUR_MS).late, 1);
    assert_eq!(shelf.totals(), closed);
}

#[test]
fn old_days_become_months_and_keep_every_picodollar() {
    let now = T0 + 500 * DAY_MS;
    let first_kept = store::folds_before(now);
    assert_eq!(first_kept, "2026-04-01");
    let place = |day: &str| (day.to_owned(), "p/m".to_owned(), "chat".to_owned());
    let one =
        |picousd| Counters { attempts: 1, exact_attempts: 1, exact_picousd: PicoSum(picousd), ..Counters::default() };
    let old =
        [("2026-01-01", 1), ("2026-01-31", 2), ("2026-02-03", 4)].map(|(day, picousd)| (place(day), one(picousd)));
    let months = store::folded(old);
    let told: Vec<_> = months.iter().map(|((day, ..), sum)| (day.as_str(), sum.picousd().0, sum.attempts)).collect();
    assert_eq!(told, [("2026-01-01", 3, 2), ("2026-02-01", 4, 1)]);
}

const CENT: u64 = 10_000_000_000;

fn day(picousd: u64) -> Bound {
    Bound::Money { period: Period::Day, picousd, models: Vec::new() }
}

fn ask(opened: &Opened, least_picousd: u64, most_picousd: u64, bounds: &[Bound]) -> Ask {
    let need = Need { least_picousd, most_picousd, tokens: 100 };
    Ask { opened: opened.clone(), need, bounds: bounds.to_vec(), by: "a".into() }
}

fn granted(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Granted { picousd, .. } => picousd,
        Verdict::Refused(refused) => panic!("{refused:?}"),
    }
}

fn refused(verdict: Verdict) -> Refused {
    match verdict {
        Verdict::Refused(refused) => refused,
        Verdict::Granted { .. } => panic!("granted"),
    }
}

fn attempt(n: usize) -> Opened {
    opened(&format!("r{n}"), 1, "m", T0)
}

/// What the pipeline settles with: what it was granted is noted in the attempt.
fn with(opened: &Opened, picousd: u64) -> Opened {
    Opened { reserved: Some(Reserved { picousd, tokens: 100, sliced: false }), ..opened.clone() }
}

#[test]
fn of_a_hundred_that_ask_at_once_as_many_are_let_out_as_the_limit_holds() {
    let bounds = [day(10 * CENT)];
    let mut shelf = Shelf::default();
    let verdicts: Vec<Verdict> = (0..100).map(|n| shelf.grant(&ask(&attempt(n), CENT, CENT, &bounds), T0)).collect();
    let out = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Granted { .. })).count();
    assert_eq!(out, 10);
    let no = refused(verdicts[99].clone());
    assert_eq!((no.left, no.resets_at_ms, no.passes), (0, T0 + DAY_MS, true));
    // What the ten leave over serves others; what they cost does not.
    shelf.evict();
    for n in 0..10 {
        shelf.enter(batch([settle(&with(&attempt(n), CENT), &settled(CENT / 2))]), T0 + 1);
    }
    let more = (100..200)
        .filter(|n| matches!(shelf.grant(&ask(&attempt(*n), CENT, CENT, &bounds), T0), Verdict::Granted { .. }));
    assert_eq!(more.count(), 5);
    for n in 100..105 {
        shelf.enter(batch([settle(&with(&attempt(n), CENT), &settled(CENT))]), T0 + 1);
    }
    let no = refused(shelf.grant(&ask(&attempt(300), CENT, CENT, &bounds), T0));
    assert_eq!((no.left, no.passes), (0, false), "nothing is under way");
    assert_eq!(granted(shelf.grant(&ask(&opened("t", 1, "m", T0 + DAY_MS), CENT, CENT, &bounds), T0 + DAY_MS)), CENT);
}

#[test]
fn an_answer_without_a_stated_bound_takes_what_is_left_and_nobody_else_does() {
    let bounds = [day(10 * CENT)];
    let mut book = open_books();
    assert_eq!(granted(book.grant(&ask(&attempt(1), CENT, 99 * CENT, &bounds), T0)), 10 * CENT);
    assert!(refused(book.grant(&ask(&attempt(2), CENT, 99 * CENT, &bounds), T0)).passes);
    book.enter(batch([settle(&with(&attempt(1), 10 * CENT), &settled(9 * CENT + 1))]), T0);
    assert!(!refused(book.grant(&ask(&attempt(3), CENT, 99 * CENT, &bounds), T0)).passes);
}

#[test]
fn a_budget_for_a_group_of_models_binds_that_group() {
    let group = Bound::Money { period: Period::Month, picousd: CENT, models: vec!["p/dear".to_owned().into()] };
    let bounds = [day(3 * CENT), group.clone()];
    let mut book = open_books();
    let dear = |n: usize| opened(&format!("d{n}"), 1, "dear", T0 + DAY_MS * n as u64);
    assert_eq!(granted(book.grant(&ask(&dear(0), CENT, CENT, &bounds), T0)), CENT);
    let no = refused(book.grant(&ask(&dear(1), CENT, CENT, &bounds), T0 + DAY_MS));
    assert_eq!((no.bound, no.resets_at_ms), (group, T0 + 31 * DAY_MS), "another day, the same month");
    assert_eq!(granted(book.grant(&ask(&attempt(1), CENT, CENT, &bounds), T0)), CENT);
    assert_eq!(granted(book.grant(&ask(&dear(31), CENT, CENT, &bounds), T0 + 31 * DAY_MS)), CENT);
}

#[test]
fn a_lost_answer_a_repetition_and_a_release_change_nothing_twice() {
    let bounds = [day(2 * CENT)];
    for release_first in [false, true] {
        let mut shelf = Shelf::default();
        let first = attempt(1);
        if release_first {
            shelf.enter(batch([Row::Release { opened: first.clone() }]), T0);
            shelf.evict();
        }
        shelf.grant(&ask(&first, CENT, CENT, &bounds), T0);
        shelf.grant(&ask(&first, CENT, CENT, &bounds), T0);
        shelf.evict();
        if !release_first {
            shelf.enter(batch([Row::Release { opened: first.clone() }]), T0);
        }
        assert_eq!(shelf.totals(), Counters::default(), "it was never sent");
        for n in 2..4 {
            assert_eq!(granted(shelf.grant(&ask(&attempt(n), CENT, CENT, &bounds), T0)), CENT);
        }
    }
}

#[test]
fn what_never_settles_is_charged_its_estimate_and_its_reservation_comes_back() {
    let bounds = [day(CENT + 4)];
    let mut shelf = Shelf::default();
    shelf.grant(&ask(&attempt(1), CENT, CENT, &bounds), T0);
    assert_eq!(refused(shelf.grant(&ask(&attempt(2), CENT, CENT, &bounds), T0)).left, 4);
    shelf.evict();
    shelf.sweep(T0 + 600_000 + GRACE_MS);
    assert_eq!(shelf.totals().estimated_picousd, PicoSum(5));
    assert_eq!(refused(shelf.grant(&ask(&attempt(2), CENT, CENT, &bounds), T0)).left, CENT - 1);
}

#[test]
fn rates_count_a_sliding_minute_and_say_when_there_is_room() {
    let bounds = [Bound::Requests(2), Bound::Tokens(250), Bound::Concurrent(3)];
    let mut shelf = Shelf::default();
    let at = |n: u64| opened(&format!("r{n}"), 1, "m", T0 + n * 1_000);
    granted(shelf.grant(&ask(&at(0), 0, 0, &bounds), T0));
    granted(shelf.grant(&ask(&at(10), 0, 0, &bounds), T0 + 10_000));
    shelf.evict();
    let no = refused(shelf.grant(&ask(&at(20), 0, 0, &bounds), T0 + 20_000));
    assert_eq!((no.bound, no.resets_at_ms), (Bound::Requests(2), T0 + 61_000));
    // A retry is no request; its tokens count, and what was reserved and not used does not.
    let retry = Opened { attempt: 2, ..at(20) };
    assert_eq!(refused(shelf.grant(&ask(&retry, 0, 0, &bounds), T0 + 20_000)).bound, Bound::Tokens(250));
    shelf.enter(batch([settle(&with(&at(0), 0), &settled(0))]), T0 + 20_000);
    granted(shelf.grant(&ask(&retry, 0, 0, &bounds), T0 + 20_000));
    let at_once = [Bound::Concurrent(2)];
    assert_eq!(refused(shelf.grant(&ask(&at(21), 0, 0, &at_once), T0 + 21_000)).bound, Bound::Concurrent(2));
    granted(shelf.grant(&ask(&Opened { attempt: 3, ..at(20) }, 0, 0, &at_once), T0 + 21_000));
    granted(shelf.grant(&ask(&at(62), 0, 0, &bounds[..1]), T0 + 62_000));
}

fn open_books() -> Book {
    let mut book = Book::default();
    book.open([]);
    book
}

/// The store as SQLite would keep it, and the object in front of it, which may lose its memory at any time.
#[derive(Default)]
struct Shelf {
    sheets: Map<String, String>,
    sums: Map<Place, String>,
    senders: Map<String, String>,
    memos: Map<String, String>,
    memory: Option<Book>,
    /// Nothing will be evicted: nothing needs to be stored.
    stays: bool,
}

impl Shelf {
    fn evict(&mut self) {
        self.memory = None;
    }

    fn work<T>(&mut self, work: impl FnOnce(&mut Self, &mut Book) -> T) -> T {
        let mut book = self.memory.take().unwrap_or_default();
        if !book.is_open() {
            let sheets = self.sheets.iter().map(|(id, body)| store::read_sheet(&format!("[\"{id}\",{body}]")).unwrap());
            book.open(sheets.collect::<Vec<_>>());
            for (key, value) in &self.memos {
                store::load_memo(&mut book, &format!("[\"{key}\",{value}]")).unwrap();
            }
        }
        let done = work(self, &mut book);
        if !self.stays {
            self.keep(&book);
            book.tidy();
        }
        self.memory = Some(book);
        done
    }

    fn load(&self, book: &mut Book, wanted: impl Fn(&Place) -> bool) {
        for (place @ (day, model, task), body) in self.sums.iter().filter(|(place, _)| wanted(place)) {
            let row = format!("[\"{day}\",\"{model}\",\"{task}\",{body}]");
            assert_eq!(&store::read_counters(&row).unwrap().0, place);
            book.load_counters(place.clone(), store::read_counters(&row).unwrap().1);
        }
    }

    fn keep(&mut self, book: &Book) {
        let parse = |rows: Option<String>| -> Vec<serde_json::Value> {
            rows.map(|rows| serde_json::from_str(&rows).unwrap()).unwrap_or_default()
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        for row in parse(store::sheet_rows(book)) {
            self.sheets.insert(text(&row[0]), row[1].to_string());
        }
        for id in parse(store::torn_up(book)) {
            self.sheets.remove(&text(&id));
        }
        for row in parse(store::counter_rows(book.moved())) {
            self.sums.insert((text(&row[0]), text(&row[1]), text(&row[2])), row[3].to_string());
        }
        for row in parse(store::sender_rows(book)) {
            self.senders.insert(text(&row[0]), format!("[{},{}]", row[1], row[2]));
        }
        for row in parse(store::memo_rows(book)) {
            self.memos.insert(text(&row[0]), text(&row[1]));
        }
    }

    fn enter(&mut self, batch: Batch, now_ms: u64) -> Receipt {
        self.work(|shelf, book| {
            if !book.knows(&batch.sent.by) {
                let sender = shelf.senders.get(&batch.sent.by).map_or("[null,null]", String::as_str);
                store::load_sender(book, &batch.sent.by, sender).unwrap();
            }
            let places = book.places(&batch);
            shelf.load(book, |place| places.contains(place));
            book.enter(batch, now_ms)
        })
    }

    fn grant(&mut self, ask: &Ask, now_ms: u64) -> Verdict {
        self.work(|shelf, book| {
            shelf.load_month(book, ask.opened.ts_ms);
            book.grant(ask, now_ms)
        })
    }

    /// Grants as a shard does; `None`: it has to lease first.
    fn leased(&mut self, ask: &Ask, now_ms: u64) -> Option<Verdict> {
        self.work(|shelf, book| {
            shelf.load_month(book, now_ms);
            book.grant_leased(ask, true, now_ms)
        })
    }

    fn load_month(&self, book: &mut Book, now_ms: u64) {
        let day = day_of(now_ms);
        if let Some(month) = book.lacks_month(&day) {
            self.load(book, |(day, ..)| day.starts_with(month));
            book.has_month(month);
        }
    }

    fn sweep(&mut self, now_ms: u64) {
        self.work(|shelf, book| {
            let places = book.places_due(now_ms);
            shelf.load(book, |place| places.contains(place));
            book.sweep(now_ms);
        });
    }

    fn sums(&mut self) -> Map<Place, Counters> {
        let read = |body: &String| serde_json::from_str::<Counters>(body).unwrap();
        let mut sums: Map<Place, Counters> =
            self.sums.iter().map(|(place, body)| (place.clone(), read(body))).collect();
        let under_way = self.work(|_, book| book.under_way().collect::<Vec<_>>());
        under_way.into_iter().for_each(|(place, sum)| sums.entry(place).or_default().add(&sum));
        sums.retain(|_, sum| *sum != Counters::default());
        sums
    }

    fn totals(&mut self) -> Counters {
        let mut all = Counters::default();
        self.sums().values().for_each(|sum| all.add(sum));
        all
    }
}

/// What happens to some attempts: each is settled or not; its messages are told by two senders in any order.
#[derive(Debug, Clone)]
struct Story {
    attempts: Vec<(Opened, Option<Settled>)>,
    rows: Vec<Row>,
    /// After each batch: how often it is repeated, whether the object loses its memory, whether the clock closes.
    between: Vec<(usize, bool, bool)>,
}

fn story() -> impl Strategy<Value = Story> {
    let attempt = (0u8..6, 1u32..4, 0u8..3, 0u64..3 * 24, any::<u32>(), 0u8..5, any::<bool>());
    prop::collection::vec(attempt, 1..20)
        .prop_flat_map(|drawn| {
            let mut attempts: Map<Key, (Opened, Option<Settled>)> = Map::new();
            for (request, n, model, hour, picousd, kind, ends) in drawn {
                let o = opened(&format!("r{request}"), n, &format!("m{model}"), T0 + (hour % 20) * HOUR_MS);
                let picousd = u64::from(picousd);
                let cost = match kind {
                    0 => Cost::UNPRICED,
                    1 => Cost::Estimated { picousd },
                    _ => Cost::Exact { picousd },
                };
                let outcome = match kind {
                    3 => Outcome::Cut,
                    4 => Outcome::Hedged,
                    _ => Outcome::Completed,
                };
                let s = Settled { cost, outcome, ..settled(0) };
                attempts.insert(o.key(), (o, ends.then_some(s)));
            }
            let attempts: Vec<_> = attempts.into_values().collect();
            let rows: Vec<Row> = attempts
                .iter()
                .flat_map(|(o, s)| std::iter::once(open(o)).chain(s.as_ref().map(|s| settle(o, s))))
                .collect();
            let between = prop::collection::vec((1usize..4, any::<bool>(), any::<bool>()), rows.len());
            (Just(attempts), Just(rows).prop_shuffle(), between)
        })
        .prop_map(|(attempts, rows, between)| Story { attempts, rows, between })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_sums_depend_on_the_set_of_messages_alone(story in story(), cut in 1usize..9) {
        let end = T0 + 22 * HOUR_MS;
        let mut plain = Shelf::default();
        for (o, s) in &story.attempts {
            plain.enter(batch(std::iter::once(open(o)).chain(s.as_ref().map(|s| settle(o, s)))), T0 + 20 * HOUR_MS);
        }
        plain.sweep(end);

        // Shuffled, from two senders in turn, batches repeated, the object evicted and the clock at work between any two.
        let mut shelf = Shelf::default();
        for (number, (rows, (times, evicted, swept))) in (2u64..).zip(story.rows.chunks(cut).zip(&story.between)) {
            let sent = Sent { by: if number % 2 == 0 { "x" } else { "y" }.into(), number: number / 2, made_ms: T0 + 20 * HOUR_MS };
            for _ in 0..*times {
                if *evicted {
                    shelf.evict();
                }
                shelf.enter(Batch { sent: sent.clone(), rows: rows.to_vec(), ..Batch::default() }, T0 + 20 * HOUR_MS);
            }
            if *swept {
                shelf.sweep(T0 + 21 * HOUR_MS);
            }
        }
        shelf.sweep(end);
        prop_assert_eq!(shelf.sums(), plain.sums());
    }

    #[test]
    fn it_makes_no_difference_who_sums(story in story(), cut in 1usize..9, repeats in prop::collection::vec(1usize..4, 20)) {
        let now = T0 + 20 * HOUR_MS;
        let mut plain = Shelf::default();
        let mut shelf = Shelf::default();
        for ((number, chunk), repeats) in (1u64..).zip(story.attempts.chunks(cut)).zip(repeats) {
            let whole = chunk.iter().filter_map(|(o, s)| Some((o.clone(), s.clone()?)));
            plain.enter(batch(whole.clone().map(|(o, s)| settle(&o, &s))), now);
            for _ in 0..repeats {
                shelf.enter(summed(number, now, whole.clone()), now);
            }
        }
        prop_assert_eq!(shelf.sums(), plain.sums());
    }

    #[test]
    fn every_attempt_is_in_exactly_one_place_of_the_sums(story in story()) {
        let mut shelf = Shelf::default();
        shelf.enter(batch(story.rows.iter().cloned()), T0 + 20 * HOUR_MS);
        let sums = shelf.totals();
        prop_assert_eq!(sums.attempts, story.attempts.len() as u64);
        prop_assert_eq!(sums.attempts, sums.open + sums.exact_attempts + sums.estimated_attempts + sums.unpriced_attempts);
        let ended = sums.completed + sums.failed + sums.cut + sums.client_gone + sums.hedged + sums.expired;
        prop_assert_eq!(sums.attempts, sums.open + ended);
    }

    /// Whatever happens, what is settled and what is granted never passes the limit, as long as no attempt costs more than
    /// it was granted.
    #[test]
    fn grants_stay_within_the_limit_wherever_the_object_is_evicted(
        limit in 1u64..2_000,
        steps in prop::collection::vec((0u8..6, 0usize..40, 1u64..200, 0u64..=100, any::<bool>()), 1..120),
    ) {
        let bounds = [day(limit)];
        let mut shelf = Shelf::default();
        let mut out: Map<usize, u64> = Map::new();
        let mut over: Map<usize, u64> = Map::new();
        for (kind, n, most, share, evicted) in steps {
            if evicted {
                shelf.evict();
            }
            match kind {
                0..=2 => {
                    let verdict = shelf.grant(&ask(&attempt(n), most / 2, most, &bounds), T0);
                    if let (Verdict::Granted { picousd, .. }, false) = (verdict, over.contains_key(&n)) {
                        out.entry(n).or_insert(picousd);
                    }
                }
                3 => {
                    if let Some(picousd) = out.remove(&n) {
                        let cost = picousd * share / 100;
                        shelf.enter(batch([settle(&with(&attempt(n), picousd), &settled(cost))]), T0);
                        over.insert(n, cost);
                    }
                }
                4 => {
                    if out.remove(&n).is_some() {
                        shelf.enter(batch([Row::Release { opened: attempt(n) }]), T0);
                        over.insert(n, 0);
                    }
                }
                _ => shelf.sweep(T0 + 1),
            }
            let spent: u64 = over.values().sum();
            prop_assert!(spent + out.values().sum::<u64>() <= limit, "{spent} and {out:?} of {limit}");
            prop_assert_eq!(shelf.totals().picousd(), PicoSum(u128::from(spent)));
        }
    }
}
