//! Ledger rows of this isolate on their way to the ledgers. The rules are in `accounting::gather`; here are the wait and
//! the call.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::accounting::gather::{Gatherer, WINDOW_MS};
use crate::edge::platform::{call_object, now_ms, sleep};

thread_local! {
    static GATHERER: RefCell<Gatherer> = RefCell::new(Gatherer::default());
}

/// Adds a row; if nobody is about to send this principal's rows, sends them after the gathering window.
pub fn record(ledgers: &JsValue, ctx: &Rc<Context>, principal: &str, row: String) {
    let must_flush = GATHERER.with(|g| g.borrow_mut().push(principal, row, now_ms()));
    if must_flush {
        let (ledgers, principal) = (ledgers.clone(), principal.to_owned());
        ctx.wait_until(async move {
            sleep(u32::try_from(WINDOW_MS).unwrap_or(u32::MAX)).await;
            flush(&ledgers, &principal).await;
        });
    }
}

/// Sends what has gathered for a principal.
pub async fn flush(ledgers: &JsValue, principal: &str) {
    loop {
        // The borrow ends before the wait: other requests push meanwhile.
        let Some(bundle) = GATHERER.with(|g| g.borrow_mut().take(principal)) else { return };
        let delivered = call_object(ledgers, principal, "POST", "/rows", &bundle.body()).await;
        if !matches!(delivered, Some((200..=299, _))) {
            GATHERER.with(|g| g.borrow_mut().put_back(principal, bundle));
            return;
        }
    }
}

/// Rows given up since the isolate began.
#[must_use]
pub fn lost() -> u64 {
    GATHERER.with(|g| g.borrow().lost)
}
