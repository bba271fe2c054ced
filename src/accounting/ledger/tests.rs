use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;
use crate::money::PicoSum;

const T0: u64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z

fn opened(id: &str, attempt: u32, model: &str, ts_ms: u64) -> Opened {
    Opened {
        id: id.into(),
        attempt,
        ts_ms,
        deadline_ms: ts_ms + 600_000,
        provider: "p".into(),
        model: model.into(),
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

fn batch(rows: impl IntoIterator<Item = Row>) -> Batch {
    Batch { rows: rows.into_iter().collect(), ..Batch::default() }
}

fn totals(book: &Book) -> Counters {
    book.counters().fold(Counters::default(), |mut sum, (_, c)| {
        sum.add(c);
        sum
    })
}

#[test]
fn an_attempt_is_open_then_settled_once() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut book = Book::default();
    assert_eq!(book.enter(batch([open(&o)]), T0).applied, 1);
    assert_eq!((totals(&book).open, totals(&book).picousd()), (1, PicoSum(0)));
    assert_eq!(book.enter(batch([settle(&o, &s), settle(&o, &settled(999)), open(&o)]), T0 + 1).repeated, 2);
    let sums = totals(&book);
    assert_eq!((sums.requests, sums.attempts, sums.open, sums.completed), (1, 1, 0, 1));
    assert_eq!((sums.exact_attempts, sums.exact_picousd), (1, PicoSum(100)), "the first settle counts");
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
    assert_eq!(places, [&("2026-01-01".into(), "p/a".into()), &("2026-01-01".into(), "p/b".into())]);
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
    book.enter(batch([open(&o), settle(&o, &s)]), o.deadline_ms + GRACE_MS + 2);
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
fn what_is_forgotten_cannot_be_counted_again() {
    let (o, s) = (opened("r", 1, "m", T0), settled(100));
    let mut book = Book::default();
    book.enter(batch([settle(&o, &s)]), T0);
    let sums = totals(&book);
    assert!(book.sweep(T0 + LATE_MS).is_empty(), "still known while its twin would be taken");
    let forgotten = book.sweep(T0 + KEEP_MS + HOUR_MS);
    assert_eq!(forgotten, [("r".to_owned(), 1)]);
    let receipt = book.enter(batch([settle(&o, &s), open(&o)]), T0 + KEEP_MS + HOUR_MS);
    assert_eq!((receipt.late, receipt.applied), (2, 0));
    assert_eq!(totals(&book), sums);
}

#[test]
fn one_bad_message_does_not_cost_the_others_their_place() {
    let o = opened("r", 1, "m", T0);
    let body = format!(
        r#"{{"sent":{{"by":"s","number":1,"made_ms":0}},"sums":[],"rows":[{{"op":"open"}},{},{{"op":"close","id":"x"}},17]}}"#,
        settle(&o, &settled(u64::MAX)).to_json()
    );
    let read = Batch::parse(body.as_bytes()).unwrap();
    assert_eq!(read.rows, [settle(&o, &settled(u64::MAX))]);
    assert_eq!(Book::default().enter(read, T0), Receipt { applied: 1, malformed: 3, ..Receipt::default() });
    for bad in ["", "[]", "{}", r#"{"sent":{"by":"s","number":1,"made_ms":0},"sums":[],"rows":{}}"#] {
        assert!(Batch::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn summed(number: u64, made_ms: u64, attempts: impl IntoIterator<Item = (Opened, Settled)>) -> Batch {
    let mut sums: BTreeMap<Place, Counters> = BTreeMap::new();
    for (opened, settled) in attempts {
        let own = Counters::of(&Attempt { opened: opened.clone(), end: Some(End::Settled(settled)), ended_ms: 0 });
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
    sent.rows = vec![open(&o), settle(&o, &settled(3))];
    let read = Batch::parse(sent.write().as_bytes()).unwrap();
    assert_eq!((read.sent, read.sums, read.rows, read.malformed), (sent.sent, sent.sums, sent.rows, 0));
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

/// The store as SQLite would keep it: bodies as text, read back for each batch.
#[derive(Default)]
struct Shelf {
    attempts: BTreeMap<Key, String>,
    counters: BTreeMap<Place, String>,
    senders: BTreeMap<String, String>,
}

impl Shelf {
    fn desk(&self, keys: &BTreeSet<Key>, batch: &Batch) -> Book {
        let mut book = Book::default();
        let sender = self.senders.get(&batch.sent.by).map_or("[null,null]", String::as_str);
        store::load_sender(&mut book, &batch.sent.by, sender).unwrap();
        let found: Vec<&str> = keys.iter().filter_map(|k| self.attempts.get(k)).map(String::as_str).collect();
        store::load_attempts(&mut book, &format!("[{}]", found.join(","))).unwrap();
        let places = book.places(batch);
        let rows = places.iter().filter_map(|p| self.counters.get_key_value(p));
        let rows: Vec<String> = rows.map(|((d, m), body)| format!("[\"{d}\",\"{m}\",{body}]")).collect();
        store::load_counters(&mut book, &format!("[{}]", rows.join(","))).unwrap();
        book
    }

    fn keep(&mut self, book: &Book) {
        if let Some(rows) = store::attempt_rows(book) {
            for (id, n, due, body) in serde_json::from_str::<Vec<(String, u32, u64, Box<RawValue>)>>(&rows).unwrap() {
                let attempt: Attempt = serde_json::from_str(body.get()).unwrap();
                assert_eq!(attempt.due_ms(), due);
                self.attempts.insert((id, n), body.get().to_owned());
            }
        }
        if let Some(rows) = store::sender_rows(book) {
            for (name, number, made_ms, _) in serde_json::from_str::<Vec<(String, u64, u64, u64)>>(&rows).unwrap() {
                self.senders.insert(name, format!("[{number},{made_ms}]"));
            }
        }
        if let Some(rows) = store::counter_rows(book) {
            for (day, model, body) in serde_json::from_str::<Vec<(String, String, Box<RawValue>)>>(&rows).unwrap() {
                self.counters.insert((day, model), body.get().to_owned());
            }
        }
    }

    fn enter(&mut self, batch: Batch, now_ms: u64) {
        let mut book = self.desk(&batch.keys(), &batch);
        book.enter(batch, now_ms);
        self.keep(&book);
    }

    fn sweep(&mut self, now_ms: u64) {
        let due = |body: &String| serde_json::from_str::<Attempt>(body).unwrap().due_ms() <= now_ms;
        let keys = self.attempts.iter().filter(|(_, body)| due(body)).map(|(key, _)| key.clone()).collect();
        let mut book = self.desk(&keys, &Batch::default());
        let forgotten = book.sweep(now_ms);
        self.keep(&book);
        forgotten.iter().for_each(|key| {
            self.attempts.remove(key);
        });
    }

    fn sums(&self) -> BTreeMap<Place, Counters> {
        let read = |body: &String| serde_json::from_str::<Counters>(body).unwrap();
        self.counters.iter().map(|(place, body)| (place.clone(), read(body))).collect()
    }
}

/// What happens to some attempts: each is settled or not, and its messages are shuffled, repeated and swept between.
#[derive(Debug, Clone)]
struct Story {
    attempts: Vec<(Opened, Option<Settled>)>,
    rows: Vec<Row>,
    sweeps: Vec<bool>,
}

fn story() -> impl Strategy<Value = Story> {
    let attempt = (0u8..6, 1u32..4, 0u8..3, 0u64..3 * 24, any::<u64>(), 0u8..5, any::<bool>());
    prop::collection::vec(attempt, 1..20)
        .prop_flat_map(|drawn| {
            let mut attempts: BTreeMap<Key, (Opened, Option<Settled>)> = BTreeMap::new();
            for (request, n, model, hour, picousd, kind, ends) in drawn {
                let o = opened(&format!("r{request}"), n, &format!("m{model}"), T0 + (hour % 20) * HOUR_MS);
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
                attempts.insert((o.id.clone(), n), (o, ends.then_some(s)));
            }
            let attempts: Vec<_> = attempts.into_values().collect();
            let once: Vec<Row> = attempts
                .iter()
                .flat_map(|(o, s)| std::iter::once(open(o)).chain(s.as_ref().map(|s| settle(o, s))))
                .collect();
            let twice = [once.clone(), once].concat();
            let rounds = twice.len();
            (Just(attempts), Just(twice).prop_shuffle(), prop::collection::vec(any::<bool>(), rounds))
        })
        .prop_map(|(attempts, rows, sweeps)| Story { attempts, rows, sweeps })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_sums_depend_on_the_set_of_messages_alone(story in story(), cut in 1usize..9) {
        // In order, each once, and swept at the end.
        let mut plain = Book::default();
        for (o, s) in &story.attempts {
            plain.enter(batch(std::iter::once(open(o)).chain(s.as_ref().map(|s| settle(o, s)))), T0 + 20 * HOUR_MS);
        }
        let end = T0 + 22 * HOUR_MS;
        plain.sweep(end);

        // Shuffled, each twice, in batches through the store, with sweeps between that may come too early or too late.
        let mut shelf = Shelf::default();
        for (rows, sweep) in story.rows.chunks(cut).zip(&story.sweeps) {
            shelf.enter(batch(rows.iter().cloned()), T0 + 20 * HOUR_MS);
            if *sweep {
                shelf.sweep(T0 + 21 * HOUR_MS);
            }
        }
        shelf.sweep(end);

        let expected: BTreeMap<Place, Counters> = plain.counters().map(|(p, c)| (p.clone(), c.clone())).collect();
        prop_assert_eq!(shelf.sums(), expected);
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
    fn the_sums_are_the_sums_of_the_attempts(story in story()) {
        let mut book = Book::default();
        book.enter(batch(story.rows.iter().cloned()), T0 + 20 * HOUR_MS);
        let mut expected = Counters::default();
        book.attempts.values().for_each(|attempt| expected.add(&Counters::of(attempt)));
        prop_assert_eq!(totals(&book), expected);
        let sums = totals(&book);
        prop_assert_eq!(sums.attempts, story.attempts.len() as u64);
        prop_assert_eq!(sums.attempts, sums.open + sums.exact_attempts + sums.estimated_attempts + sums.unpriced_attempts);
        let ended = sums.completed + sums.failed + sums.cut + sums.client_gone + sums.hedged + sums.expired;
        prop_assert_eq!(sums.attempts, sums.open + ended);
    }
}
