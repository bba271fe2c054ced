//! This isolate's exchange with the boards of providers, beside requests. What is told and when is `health::watch`'s.

use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::edge::seam::{call_object, now_ms};
use crate::gateway::Gateway;

/// Tells the boards what is due. Nobody waits for it, and a board that does not answer costs freshness only.
pub fn sync(boards: &JsValue, ctx: &Rc<Context>, gateway: &Rc<Gateway>) {
    if boards.is_undefined() {
        return;
    }
    for (provider, message) in gateway.boards_due(now_ms()) {
        let Ok(body) = serde_json::to_string(&message) else { continue };
        let (boards, gateway) = (boards.clone(), Rc::clone(gateway));
        ctx.wait_until(async move {
            let Some((200, answer)) = call_object(&boards, &provider, "POST", "/sync", &body).await else { return };
            if let Ok(answer) = crate::json::from_str(&answer) {
                gateway.board_said(&provider, answer, now_ms());
            }
        });
    }
}
