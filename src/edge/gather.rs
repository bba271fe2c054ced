//! Ledger rows of this isolate on their way to the ledgers. The rules are in `accounting::gather`; here are the wait and
//! the call.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::accounting::gather::{Gatherer, WINDOW_MS};
use crate::accounting::ledger::shard::SHARD_MARK;
use crate::accounting::ledger::Reserved;
use crate::accounting::limit::{Ask, Verdict};
use crate::accounting::report::{Range, Sums};
use crate::accounting::{Opened, Row};
use crate::edge::seam::{call_object, now_ms, random, sleep};

thread_local! {
    static GATHERER: RefCell<Gatherer> = RefCell::new(Gatherer::new(random()));
    /// Hot principals, and how many shards their ledgers have, as far as this isolate has heard.
    static SHARDS: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// How long one request's background work is a flusher; the platform ends it half a minute after its answer.
const DUTY_MS: u64 = 10_000;

/// The shard to which this isolate tells a principal's new attempts: always the same one, while there are as many.
#[must_use]
pub fn shard(principal: &str) -> u32 {
    let count = SHARDS.with(|shards| shards.borrow().get(principal).copied());
    let Some(count) = count.filter(|count| *count > 0) else { return 0 };
    let own = GATHERER.with(|g| u64::from_str_radix(g.borrow().sender(), 16).unwrap_or_default());
    u32::try_from(own % u64::from(count)).unwrap_or_default().saturating_add(1)
}

/// The name of a principal's ledger, or of a shard of it.
#[must_use]
pub fn object(principal: &str, shard: u32) -> Cow<'_, str> {
    match shard {
        0 => Cow::Borrowed(principal),
        shard => Cow::Owned(format!("{principal}{SHARD_MARK}{shard}")),
    }
}

/// Adds a row; if nobody is about to send this principal's rows, sends them after the gathering window, and what gathers
/// meanwhile after the next one.
pub fn record(ledgers: &JsValue, ctx: &Rc<Context>, principal: &str, row: Row) {
    let began = now_ms();
    let object = object(principal, row.opened().shard);
    let must_flush = GATHERER.with(|g| g.borrow_mut().push(&object, row, began));
    if must_flush {
        let (ledgers, object) = (ledgers.clone(), object.into_owned());
        ctx.wait_until(async move {
            while now_ms().saturating_sub(began) < DUTY_MS {
                sleep(u32::try_from(WINDOW_MS).unwrap_or(u32::MAX)).await;
                if !send(&ledgers, &object).await {
                    return;
                }
            }
            flush(&ledgers, &object).await;
        });
    }
}

/// Lets an attempt out under limits: out of what is lent to this isolate where that holds enough, else by asking the ledger.
/// `None`: it cannot be reached, or does not understand.
pub async fn grant(ledgers: &JsValue, ctx: &Rc<Context>, principal: &str, mut ask: Ask) -> Option<Verdict> {
    let asked_ms = now_ms();
    let (name, picousd) = (ask.opened.name(), ask.need.most_picousd);
    let bounds = serde_json::to_string(&ask.bounds).ok()?;
    let object = object(principal, ask.opened.shard);
    if GATHERER.with(|g| g.borrow_mut().draw(&object, &name, &bounds, picousd, asked_ms)) {
        let reserved = Some(Reserved { picousd, tokens: ask.need.tokens, sliced: true });
        record(ledgers, ctx, principal, Row::Open { opened: Opened { reserved, ..ask.opened } });
        return Some(Verdict::Granted { picousd, slice: None, sliced: true });
    }
    ask.by = GATHERER.with(|g| g.borrow().sender().to_owned());
    let body = serde_json::to_string(&ask).ok()?;
    let (_, answer) =
        call_object(ledgers, &object, "POST", "/grant", &body).await.filter(|(status, _)| *status == 200)?;
    let verdict: Verdict = crate::json::from_str(&answer).ok()?;
    if let Verdict::Granted { slice: Some(slice), .. } = verdict {
        GATHERER.with(|g| g.borrow_mut().lend(&object, &name, &bounds, slice, asked_ms));
    }
    Some(verdict)
}

/// Sends all that has gathered for a ledger.
pub async fn flush(ledgers: &JsValue, object: &str) {
    while send(ledgers, object).await {}
}

/// A principal's sums: of its ledger and, where it is hot, of all shards. What has gathered here goes there first.
pub async fn usage(ledgers: &JsValue, principal: &str, range: &Range) -> Option<Sums> {
    let mut all = sums(ledgers, principal, range).await?;
    for shard in 1..=all.shards {
        all.join(sums(ledgers, &object(principal, shard), range).await?);
    }
    Some(all)
}

async fn sums(ledgers: &JsValue, object: &str, range: &Range) -> Option<Sums> {
    flush(ledgers, object).await;
    let path = format!("/sums?{}", range.query());
    let (_, body) = call_object(ledgers, object, "GET", &path, "").await.filter(|(status, _)| *status == 200)?;
    Sums::read(&body).ok()
}

/// Sends one batch; false: there was none, or it waits for the next push because the ledger did not take it.
async fn send(ledgers: &JsValue, object: &str) -> bool {
    // The borrow ends before the wait: other requests push meanwhile.
    let Some(batch) = GATHERER.with(|g| g.borrow_mut().take(object, now_ms())) else { return false };
    let delivered = call_object(ledgers, object, "POST", "/rows", &batch.body).await;
    let receipt = delivered.filter(|(status, _)| (200..=299).contains(status)).map(|(_, body)| body);
    GATHERER.with(|g| match &receipt {
        Some(_) => g.borrow_mut().taken(object, batch.number),
        None => g.borrow_mut().refused(object),
    });
    if let Some(body) = receipt.as_ref().filter(|body| body.contains("\"shards\"")) {
        #[derive(serde::Deserialize)]
        struct Told {
            shards: u32,
        }
        let principal = object.split(SHARD_MARK).next().unwrap_or(object);
        if let Ok(Told { shards }) = crate::json::from_str(body) {
            SHARDS.with(|known| known.borrow_mut().insert(principal.to_owned(), shards));
        }
    }
    receipt.is_some()
}
