//! The platform, wasm32 only: Cloudflare's request, storage and crypto behind the ports of the core. Thin on purpose:
//! what can be decided without the platform is decided elsewhere.

pub mod gather;
pub mod ledger_object;
pub mod platform;
pub mod state;
pub mod webcrypto;

use std::rc::Rc;

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use worker::{event, Context, Env};

use crate::pipeline;
use platform::EdgePlatform;

/// Once per isolate: readable panics. Worker's own hook, which marks the instance for a restart, stays in the chain.
#[event(start)]
fn start() {
    let marks_the_reset = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        console_error_panic_hook::hook(info);
        marks_the_reset(info);
    }));
}

/// Takes a request in. The whole exchange runs in `waitUntil`: the answer is returned as soon as its status line is
/// known, and what follows (the stream, settlement, the log line) goes on, also when the caller has left.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, ctx: Context) -> worker::Result<web_sys::Response> {
    let ctx = Rc::new(ctx);
    let ledgers = binding(&env, "LEDGER");
    let platform = Rc::new(EdgePlatform::new(&request, ctx.clone(), ledgers));
    let response = platform.response();
    let background = ctx.clone();
    ctx.wait_until(async move {
        let gateway = state::gateway(&env, &background).await;
        pipeline::handle(&*platform, gateway, platform.request_head()).await;
        platform.ensure_answered();
    });
    let response = JsFuture::from(response).await.map_err(worker::Error::from)?;
    response.dyn_into().map_err(worker::Error::from)
}

/// A binding by name; `undefined` where it is not bound.
fn binding(env: &Env, name: &str) -> JsValue {
    js_sys::Reflect::get(env, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

/// A var or secret by name.
fn text(env: &Env, name: &str) -> Option<String> {
    binding(env, name).as_string().filter(|t| !t.is_empty())
}
