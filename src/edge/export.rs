//! Records of this isolate on their way to collectors and to the register, beside requests. The rules are in
//! `telemetry::outbox`; here are the waits and the calls.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::JsValue;
use worker::Context;

use crate::edge::seam::{call_object, flat, now_ms, post_export, random, sleep};
use crate::gateway::Gateway;
use crate::ports::MakeContent;
use crate::sorted::Map;
use crate::telemetry::outbox::{next, Export, Next, Outbox, Push, Told};
use crate::telemetry::record::RequestRecord;

thread_local! {
    static OUTBOX: RefCell<Outbox> = RefCell::new(Outbox::new(random()));
    /// Exports under way, by the collector's place in the configuration.
    static UNDER_WAY: RefCell<Map<usize, u32>> = const { RefCell::new(Map::new()) };
}

/// How long one request's background work flushes; the platform ends it half a minute after its answer.
const DUTY_MS: u64 = 12_000;
/// Exports to one collector under way; beyond it new ones are given up at once: it is slow or dead, and memory is not its
/// queue. Others go on getting theirs.
const MOST_UNDER_WAY: u32 = 16;

/// The name of a shard of the register among the `Health` objects: no provider's name has a slash in it.
#[must_use]
pub fn register_name(shard: u64) -> String {
    format!("register/{shard}")
}

/// Takes a record, and has what was said in the request made once its answer is on its way, if anybody asks for that.
pub fn send(
    record: RequestRecord,
    content: Option<MakeContent>,
    health: &JsValue,
    ctx: &Rc<Context>,
    gateway: &Rc<Gateway>,
) {
    let Some(make) = content else { return push(record.into(), health, ctx, gateway) };
    let (health, own, gateway) = (health.clone(), Rc::clone(ctx), Rc::clone(gateway));
    ctx.wait_until(async move {
        // The answer is sent in the turn that follows; reading and masking take one of their own.
        sleep(0).await;
        push(Told { record, content: Some(Box::new(make())) }, &health, &own, &gateway);
    });
}

/// Takes a request that is over; if nobody is about to, flushes after the gathering window, and what gathers meanwhile after the next.
fn push(told: Told, health: &JsValue, ctx: &Rc<Context>, gateway: &Rc<Gateway>) {
    if OUTBOX.with(|outbox| outbox.borrow_mut().push(told)) {
        let (health, ctx, gateway) = (health.clone(), Rc::clone(ctx), Rc::clone(gateway));
        let duty = flush_while_there_is_something(health, Rc::clone(&ctx), gateway);
        ctx.wait_until(duty);
    }
}

async fn flush_while_there_is_something(health: JsValue, ctx: Rc<Context>, gateway: Rc<Gateway>) {
    let began = now_ms();
    let settings = &gateway.config.telemetry;
    loop {
        sleep(u32::try_from(settings.flush_ms).unwrap_or(u32::MAX)).await;
        let now = now_ms();
        let last = now.saturating_sub(began) >= DUTY_MS;
        let (exports, push) = OUTBOX.with(|outbox| {
            let mut outbox = outbox.borrow_mut();
            let (mut exports, push) = outbox.flush(settings, now);
            exports.extend(outbox.flush_metrics(settings, now, last));
            (exports, push)
        });
        exports.into_iter().for_each(|export| dispatch(export, &ctx, &gateway));
        if let Some(push) = push {
            tell_register(&health, push, settings.shards).await;
        }
        if !OUTBOX.with(|outbox| outbox.borrow_mut().more()) {
            return;
        }
        if last {
            OUTBOX.with(|outbox| outbox.borrow_mut().retire());
            return;
        }
    }
}

fn dispatch(export: Export, ctx: &Rc<Context>, gateway: &Rc<Gateway>) {
    if under_way(export.collector, |count| count) >= MOST_UNDER_WAY {
        OUTBOX.with(|outbox| outbox.borrow_mut().dropped(&export));
        return;
    }
    under_way(export.collector, |count| count.saturating_add(1));
    let gateway = Rc::clone(gateway);
    ctx.wait_until(async move {
        if !delivered(&export, &gateway).await {
            OUTBOX.with(|outbox| outbox.borrow_mut().dropped(&export));
            worker::console_log!(
                r#"{{"message":"export given up","level":"warn","signal":"{}","collector":{}}}"#,
                export.signal,
                export.collector
            );
        }
        under_way(export.collector, |count| count.saturating_sub(1));
    });
}

/// Changes and tells how many exports to a collector are under way.
fn under_way(collector: usize, change: impl FnOnce(u32) -> u32) -> u32 {
    UNDER_WAY.with(|counts| {
        let mut counts = counts.borrow_mut();
        let count = counts.entry(collector).or_default();
        *count = change(*count);
        *count
    })
}

async fn delivered(export: &Export, gateway: &Gateway) -> bool {
    let Some(collector) = gateway.config.telemetry.otlp.get(export.collector) else { return false };
    let own = collector.headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
    let headers = flat(std::iter::once(("content-type", export.content_type)).chain(own));
    for tries in 1.. {
        let answer = post_export(&export.url, &headers, &export.body, collector.timeout_ms).await;
        let (status, retry_after) = answer.map_or((None, None), |(status, retry_after)| {
            (Some(status), retry_after.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000)))
        });
        match next(status, retry_after, tries, random()) {
            Next::Done => return true,
            Next::Drop => return false,
            Next::Again(ms) => sleep(u32::try_from(ms).unwrap_or(u32::MAX)).await,
        }
    }
    false
}

async fn tell_register(health: &JsValue, push: Push, shards: u64) {
    if health.is_undefined() {
        return;
    }
    let Ok(body) = serde_json::to_string(&push) else { return };
    let name = register_name(push.from % shards.max(1));
    if !matches!(call_object(health, &name, "POST", "/register", &body).await, Some((200, _))) {
        OUTBOX.with(|outbox| outbox.borrow_mut().refused(push));
    }
}
