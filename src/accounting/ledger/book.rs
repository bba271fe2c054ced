//! The books in memory: every sheet, and of sums and senders what has been needed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::grant::Lent;
use super::rates::Rates;
use super::shard::Shards;
use super::sheet::{Entry, Sheet, State};
use super::{forgotten_at, Batch, Key, Opened, Place, Row, Sent, Settled, LATE_MS};
use crate::accounting::counters::Counters;
use crate::accounting::limit::month_of;
use crate::sorted::{Map, Set};

/// The books. Sheets, slices and rates are in them whole ([`Book::is_open`]), sums and senders as far as they were needed.
#[derive(Debug, Default)]
pub struct Book {
    // Trees, because a busy principal has ten thousands of attempts, whose ids come in no order.
    pub(super) sheets: BTreeMap<String, Sheet>,
    pub(super) at: BTreeMap<Key, String>,
    pub(super) counters: Map<Place, Counters>,
    /// The month (`YYYY-MM`) of which every sum is here.
    month: Option<String>,
    senders: Map<String, Sender>,
    /// Picodollars granted to open attempts, by day and model.
    pub(super) reserved: Map<(String, String), u128>,
    pub(super) lent: Lent,
    pub(super) rates: Rates,
    opened: bool,
    torn: Set<String>,
    moved: Set<Place>,
    heard: Set<String>,
    pub(super) lent_changed: bool,
    pub(super) rates_changed: bool,
    pub(super) shards: Shards,
    pub(super) shards_changed: bool,
}

/// Sums that [`Book::tidy`] keeps in memory, and with a month under a limit.
const KEPT_PLACES: [usize; 2] = [64, 4_096];
/// Senders that it keeps.
const KEPT_SENDERS: usize = 64;

/// A sender of batches: one isolate's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sender {
    /// Number of its last batch.
    pub number: u64,
    /// When that was made, Unix ms.
    pub made_ms: u64,
}

impl Sender {
    /// When it can be forgotten, Unix ms.
    #[must_use]
    pub fn due_ms(&self) -> u64 {
        forgotten_at(self.made_ms)
    }
}

/// What became of a batch: messages, and attempts that came summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Messages that changed the books.
    pub applied: u64,
    /// Messages that said nothing new.
    pub repeated: u64,
    /// Messages about attempts too old to be known.
    pub late: u64,
    /// Messages that could not be read.
    pub malformed: u64,
    /// How many shards the ledger has: where new attempts are told from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<u32>,
}

impl Book {
    /// Whether what has to be here whole is here.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opened
    }

    /// Puts stored sheets here, all there are; with them the books are open.
    pub fn open(&mut self, sheets: impl IntoIterator<Item = (String, Sheet)>) {
        self.opened = true;
        for (id, sheet) in sheets {
            for entry in &sheet {
                self.at.insert(entry.opened.key(), id.clone());
                reserve(&mut self.reserved, entry, true);
            }
            self.sheets.insert(id, sheet);
        }
    }

    /// Puts stored sums here, where they are not. Must precede every change to what is counted there.
    pub fn load_counters(&mut self, place: Place, counters: Counters) {
        self.counters.entry(place).or_insert(counters);
    }

    /// Every sum of a month is here now.
    pub fn has_month(&mut self, month: &str) {
        self.month = Some(month.to_owned());
    }

    /// The month of a day, if not all its sums are here.
    #[must_use]
    pub fn lacks_month<'d>(&self, day: &'d str) -> Option<&'d str> {
        Some(month_of(day)).filter(|month| self.month.as_deref() != Some(month))
    }

    /// Puts a stored sender here.
    pub fn load_sender(&mut self, name: String, sender: Sender) {
        self.senders.insert(name, sender);
    }

    /// Whether a sender is here.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.senders.contains_key(name)
    }

    /// The sums that a batch can change, and that are not here yet.
    #[must_use]
    pub fn places(&self, batch: &Batch) -> Set<Place> {
        let told = batch.rows.iter().filter(|row| !matches!(row, Row::Open { .. })).map(|row| row.opened().place());
        let summed = batch.sums.iter().map(|(place, _)| place.clone());
        told.chain(summed).filter(|place| !self.counters.contains_key(place)).collect()
    }

    /// The sums that a sweep can change, and that are not here yet.
    #[must_use]
    pub fn places_due(&self, now_ms: u64) -> Set<Place> {
        let due = self.entries().filter(|entry| entry.due_ms() <= now_ms).map(|entry| entry.opened.place());
        due.filter(|place| !self.counters.contains_key(place)).collect()
    }

    /// Enters a batch.
    pub fn enter(&mut self, batch: Batch, now_ms: u64) -> Receipt {
        let mut receipt = Receipt { malformed: batch.malformed, ..Receipt::default() };
        let told: u64 = batch.sums.iter().map(|(_, sum)| sum.attempts).sum::<u64>() + batch.rows.len() as u64;
        match self.hear(&batch.sent, now_ms) {
            Heard::First => {}
            Heard::Before => {
                receipt.repeated = told;
                return receipt;
            }
            Heard::TooLate => {
                receipt.late = told;
                return receipt;
            }
        }
        for (place, sum) in batch.sums {
            receipt.applied += sum.attempts;
            self.counters.entry(place.clone()).or_default().add(&sum);
            self.moved.insert(place);
        }
        for (model, used) in &batch.used {
            self.lent_changed |= self.lent.take(&batch.sent.by, model, *used);
        }
        let sheet = format!("{}.{}", batch.sent.by, batch.sent.number);
        for row in batch.rows {
            let counter = if row.opened().ts_ms.saturating_add(LATE_MS) < now_ms {
                &mut receipt.late
            } else if self.apply(row, &sheet, now_ms) {
                &mut receipt.applied
            } else {
                &mut receipt.repeated
            };
            *counter += 1;
        }
        receipt
    }

    fn apply(&mut self, row: Row, sheet: &str, now_ms: u64) -> bool {
        let key = row.opened().key();
        let closed = |opened| Entry { opened, state: State::Closed, ended_ms: now_ms };
        match (row, self.state(&key)) {
            (Row::Open { opened }, None) => self.put(sheet, Entry::open(opened)),
            (Row::Open { .. }, Some(_)) | (_, Some(State::Closed)) => return false,
            (Row::Settle { opened, settled }, _) => match self.recall(&key) {
                // What the books opened is what they count: a grant knows what it reserved.
                Some(Entry { opened, .. }) => self.settle(&opened, &settled),
                None => {
                    self.settle(&opened, &settled);
                    self.put(sheet, closed(opened));
                }
            },
            (Row::Release { opened }, _) => match self.recall(&key) {
                Some(entry) => self.never_sent(&entry.opened),
                None => self.put(sheet, closed(opened)),
            },
        }
        true
    }

    fn hear(&mut self, sent: &Sent, now_ms: u64) -> Heard {
        if sent.made_ms.saturating_add(LATE_MS) < now_ms {
            return Heard::TooLate;
        }
        let known = self.senders.entry(sent.by.clone()).or_default();
        if sent.number <= known.number {
            return Heard::Before;
        }
        *known = Sender { number: sent.number, made_ms: sent.made_ms };
        self.heard.insert(sent.by.clone());
        Heard::First
    }

    fn settle(&mut self, opened: &Opened, settled: &Settled) {
        self.count(opened.place(), &Counters::settled(opened, settled), Counters::add);
        let used = settled.usage.prompt_tokens().saturating_add(settled.usage.completion_tokens());
        if let Some(reserved) = opened.reserved {
            self.rates_changed |= self.rates.settle(opened.ts_ms, reserved.tokens, used);
        }
    }

    fn never_sent(&mut self, opened: &Opened) {
        if let Some(reserved) = opened.reserved {
            self.rates_changed |= self.rates.settle(opened.ts_ms, reserved.tokens, 0);
        }
    }

    /// Closes what is overdue and forgets what is old enough.
    pub fn sweep(&mut self, now_ms: u64) {
        self.lent_changed |= self.lent.forget(now_ms);
        if !self.rates.is_empty() {
            self.rates.forget(now_ms);
            self.rates_changed = true;
        }
        let due: Vec<Key> =
            self.entries().filter(|entry| entry.due_ms() <= now_ms).map(|entry| entry.opened.key()).collect();
        for key in due {
            let Some(sheet) = self.at.get(&key).cloned() else { continue };
            let Some(entry) = self.take(&key).filter(|entry| entry.state == State::Open) else { continue };
            self.count(entry.opened.place(), &Counters::expired(&entry.opened), Counters::add);
            self.put(&sheet, Entry { state: State::Expired, ended_ms: now_ms, ..entry });
        }
    }

    /// Clears the marks of what has changed, after it is stored. Sums and senders stay, as far as they are few: who is alone
    /// in changing the store needs not read them again.
    pub fn tidy(&mut self) {
        self.torn.clear();
        self.moved.clear();
        self.heard.clear();
        (self.lent_changed, self.rates_changed, self.shards_changed) = (false, false, false);
        let [few, many] = KEPT_PLACES;
        if self.counters.len() > if self.month.is_some() { many } else { few } {
            self.counters.clear();
            self.month = None;
        }
        if self.senders.len() > KEPT_SENDERS {
            self.senders.clear();
        }
    }

    /// Sheets that differ from what is stored; `None`: it is torn up.
    pub fn torn(&self) -> impl Iterator<Item = (&String, Option<&Sheet>)> {
        self.torn.iter().map(|id| (id, self.sheets.get(id)))
    }

    /// Sums that differ from what is stored.
    pub fn moved(&self) -> impl Iterator<Item = (&Place, &Counters)> {
        self.moved.iter().filter_map(|place| self.counters.get_key_value(place))
    }

    /// Senders of which something new was heard.
    pub fn heard(&self) -> impl Iterator<Item = (&String, &Sender)> {
        self.heard.iter().filter_map(|name| self.senders.get_key_value(name))
    }

    /// When the earliest of the changed attempts and senders is due, Unix ms.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let attempts = self.torn().filter_map(|(_, sheet)| sheet).flatten().map(Entry::due_ms);
        let lease = self.lease_due_ms().filter(|_| self.shards_changed);
        attempts.chain(self.heard().map(|(_, sender)| sender.due_ms())).chain(lease).min()
    }

    /// When the earliest of all attempts is due, or what is leased, Unix ms.
    #[must_use]
    pub fn first_due_ms(&self) -> Option<u64> {
        self.entries().map(Entry::due_ms).chain(self.lease_due_ms()).min()
    }

    /// When a shard looks at what it does not use, Unix ms.
    #[must_use]
    pub fn lease_due_ms(&self) -> Option<u64> {
        Some(self.shards.until_ms).filter(|until_ms| *until_ms > 0)
    }

    /// Attempts under way: where they will be counted, and what they add until then.
    pub fn under_way(&self) -> impl Iterator<Item = (Place, Counters)> + '_ {
        self.entries().filter_map(|entry| Some((entry.opened.place(), entry.uncounted()?)))
    }

    /// The sums that are here, in order of day, model and task.
    pub fn counters(&self) -> impl Iterator<Item = (&Place, &Counters)> {
        self.counters.iter()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sheets.values().flatten()
    }

    pub(super) fn state(&self, key: &Key) -> Option<State> {
        self.entry(key).map(|entry| entry.state)
    }

    pub(super) fn entry(&self, key: &Key) -> Option<&Entry> {
        let sheet = self.sheets.get(self.at.get(key)?)?;
        sheet.iter().find(|entry| entry.opened.attempt == key.1 && entry.opened.id == key.0)
    }

    pub(super) fn put(&mut self, sheet: &str, entry: Entry) {
        self.at.insert(entry.opened.key(), sheet.to_owned());
        reserve(&mut self.reserved, &entry, true);
        self.sheets.entry(sheet.to_owned()).or_default().push(entry);
        self.torn.insert(sheet.to_owned());
    }

    /// Takes an attempt off its sheet, and what the clock has counted for it out of the sums.
    fn recall(&mut self, key: &Key) -> Option<Entry> {
        let entry = self.take(key)?;
        if entry.state == State::Expired {
            self.count(entry.opened.place(), &Counters::expired(&entry.opened), Counters::remove);
        }
        Some(entry)
    }

    /// Takes an attempt off its sheet.
    fn take(&mut self, key: &Key) -> Option<Entry> {
        let id = self.at.remove(key)?;
        let sheet = self.sheets.get_mut(&id)?;
        let at = sheet.iter().position(|entry| entry.opened.attempt == key.1 && entry.opened.id == key.0)?;
        let entry = sheet.swap_remove(at);
        if sheet.is_empty() {
            self.sheets.remove(&id);
        }
        self.torn.insert(id);
        reserve(&mut self.reserved, &entry, false);
        Some(entry)
    }

    fn count(&mut self, place: Place, own: &Counters, how: fn(&mut Counters, &Counters)) {
        how(self.counters.entry(place.clone()).or_default(), own);
        self.moved.insert(place);
    }
}

/// Adds an open attempt's grant to what is reserved, or takes it away.
fn reserve(sums: &mut Map<(String, String), u128>, entry: &Entry, add: bool) {
    let Some(reserved) = entry.opened.reserved.filter(|_| entry.state == State::Open) else { return };
    let (day, model, _) = entry.opened.place();
    let sum = sums.entry((day.clone(), model.clone())).or_default();
    let picousd = u128::from(reserved.picousd);
    *sum = if add { sum.saturating_add(picousd) } else { sum.saturating_sub(picousd) };
    if *sum == 0 {
        sums.remove(&(day, model));
    }
}

enum Heard {
    First,
    Before,
    TooLate,
}
