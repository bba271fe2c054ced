//! The platform, wasm32 only: Cloudflare's request, storage and crypto behind the ports of the core. Thin on purpose:
//! what can be decided without the platform is decided elsewhere.

pub mod boards;
pub mod call;
pub mod export;
pub mod gather;
pub mod health_object;
pub mod ledger_object;
pub mod platform;
pub mod prices;
pub mod seam;
pub mod secrets;
pub mod state;
pub mod stream_log;
pub mod task;
pub mod webcrypto;

use std::rc::Rc;

use wasm_bindgen::prelude::*;
use worker::{event, worker_sys, Env};

use crate::pipeline;
use platform::{Bindings, EdgePlatform};

/// Once per instance: readable panics. Worker's own hook, which marks the instance for a restart, stays in the chain. Where a
/// panic ends the instance and not only what panicked, everybody in it is told.
#[event(start)]
fn start() {
    let marks_the_reset = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        marks_the_reset(info);
        if cfg!(panic = "abort") {
            seam::fall();
        }
    }));
}

/// Takes a request in. The exchange is a task of its own that keeps the event alive: the answer is there as soon as its
/// status line is known, and what follows (the stream, settlement, the log line) goes on, also when the caller has left.
///
/// Exported as it is, without `#[event(fetch)]`, whose promises and wrappers cost more than the rest (ADR 0003).
#[wasm_bindgen]
pub fn fetch(request: web_sys::Request, env: Env, ctx: worker_sys::Context) -> js_sys::Promise {
    #[cfg(feature = "inject-panic")]
    panic_where_asked(&request);
    let (name, step) = (task::name(), Rc::default());
    let platform = EdgePlatform::new(&request, ctx, name, Rc::clone(&step), Bindings::of(&env));
    let response = platform.response();
    task::begin(name, step, async move {
        let gateway = state::gateway(&env, &platform.context(), None).await;
        let known = gateway.as_ref().ok().map(Rc::clone);
        known.iter().for_each(|gateway| platform.serves_under(gateway));
        pipeline::handle(&platform, gateway, platform.request_head()).await;
        known.iter().for_each(|gateway| platform.tell(gateway));
        platform.finish();
    });
    response
}

/// In builds that measure what a panic does to the requests beside it (`tools/panics.mjs`), and in no other.
#[cfg(feature = "inject-panic")]
#[allow(clippy::panic)]
fn panic_where_asked(request: &web_sys::Request) {
    if request.url().ends_with("/__panic") {
        panic!("as asked");
    }
}

/// A binding by name; `undefined` where it is not bound.
fn binding(env: &Env, name: &str) -> JsValue {
    js_sys::Reflect::get(env, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// The query of a request to an object of ours. `Request::url` would parse an address that we wrote, and brings the tables of all
/// international names into the wasm.
fn query(request: &worker::Request) -> String {
    let address = request.inner().url();
    address.split_once('?').map_or_else(String::new, |(_, query)| query.to_owned())
}

/// A var or secret by name.
fn text(env: &Env, name: &str) -> Option<String> {
    binding(env, name).as_string().filter(|t| !t.is_empty())
}
