//! Ledger rows of this isolate on their way to the ledgers. The rules are in `accounting::gather`; here are the wait and
//! the call.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::accounting::gather::{Gatherer, WINDOW_MS};
use crate::accounting::ledger::Reserved;
use crate::accounting::limit::{Ask, Verdict};
use crate::accounting::{Opened, Row};
use crate::edge::platform::{call_object, now_ms, random, sleep};

thread_local! {
    static GATHERER: RefCell<Gatherer> = RefCell::new(Gatherer::new(random()));
}

/// How long one request's background work is a flusher; the platform ends it half a minute after its answer.
const DUTY_MS: u64 = 10_000;

/// Adds a row; if nobody is about to send this principal's rows, sends them after the gathering window, and what gathers
/// meanwhile after the next one.
pub fn record(ledgers: &JsValue, ctx: &Rc<Context>, principal: &str, row: Row) {
    let began = now_ms();
    let must_flush = GATHERER.with(|g| g.borrow_mut().push(principal, row, began));
    if must_flush {
        let (ledgers, principal) = (ledgers.clone(), principal.to_owned());
        ctx.wait_until(async move {
            while now_ms().saturating_sub(began) < DUTY_MS {
                sleep(u32::try_from(WINDOW_MS).unwrap_or(u32::MAX)).await;
                if !send(&ledgers, &principal).await {
                    return;
                }
            }
            flush(&ledgers, &principal).await;
        });
    }
}

/// Lets an attempt out under limits: out of what is lent to this isolate where that holds enough, else by asking the ledger.
/// `None`: it cannot be reached, or does not understand.
pub async fn grant(ledgers: &JsValue, ctx: &Rc<Context>, principal: &str, mut ask: Ask) -> Option<Verdict> {
    let asked_ms = now_ms();
    let (name, picousd) = (ask.opened.name(), ask.need.most_picousd);
    let bounds = serde_json::to_string(&ask.bounds).ok()?;
    if GATHERER.with(|g| g.borrow_mut().draw(principal, &name, &bounds, picousd, asked_ms)) {
        let reserved = Some(Reserved { picousd, tokens: ask.need.tokens, sliced: true });
        record(ledgers, ctx, principal, Row::Open { opened: Opened { reserved, ..ask.opened } });
        return Some(Verdict::Granted { picousd, slice: None, sliced: true });
    }
    ask.by = GATHERER.with(|g| g.borrow().sender().to_owned());
    let body = serde_json::to_string(&ask).ok()?;
    let (_, answer) =
        call_object(ledgers, principal, "POST", "/grant", &body).await.filter(|(status, _)| *status == 200)?;
    let verdict: Verdict = serde_json::from_str(&answer).ok()?;
    if let Verdict::Granted { slice: Some(slice), .. } = verdict {
        GATHERER.with(|g| g.borrow_mut().lend(principal, &name, &bounds, slice, asked_ms));
    }
    Some(verdict)
}

/// Sends all that has gathered for a principal.
pub async fn flush(ledgers: &JsValue, principal: &str) {
    while send(ledgers, principal).await {}
}

/// Sends one batch; false: there was none, or it waits for the next push because the ledger did not take it.
async fn send(ledgers: &JsValue, principal: &str) -> bool {
    // The borrow ends before the wait: other requests push meanwhile.
    let Some(batch) = GATHERER.with(|g| g.borrow_mut().take(principal, now_ms())) else { return false };
    let delivered = call_object(ledgers, principal, "POST", "/rows", &batch.body).await;
    let taken = matches!(delivered, Some((200..=299, _)));
    GATHERER.with(|g| match taken {
        true => g.borrow_mut().taken(principal, batch.number),
        false => g.borrow_mut().refused(principal),
    });
    taken
}
