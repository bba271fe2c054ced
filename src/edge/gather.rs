//! Ledger rows of this isolate on their way to the ledgers. The rules are in `accounting::gather`; here are the wait and
//! the call.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::accounting::gather::{Gatherer, WINDOW_MS};
use crate::accounting::Row;
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
