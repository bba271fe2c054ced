//! What `seam/*.js` offer, and the forms in which things cross: one import per step of an exchange, plain functions for what
//! is done outside of one. A string result is an interrupt.

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::config::provider::Secret;
use crate::edge::task::Step;
use crate::http::Headers;
use crate::ports::Interrupt;

#[wasm_bindgen(module = "/src/edge/seam/exchange.js")]
extern "C" {
    /// One caller's request and the answer to it.
    pub type Exchange;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(request: &JsValue, ctx: &JsValue, resume: &JsValue, task: u32) -> Exchange;
    #[wasm_bindgen(method)]
    pub(super) fn leave(this: &Exchange);
    #[wasm_bindgen(method, js_name = handOver)]
    pub(super) fn hand_over(
        this: &Exchange,
        namespace: &JsValue,
        name: &str,
        path: &str,
        sent: &[u8],
        headers: &str,
    ) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn head(this: &Exchange) -> String;
    #[wasm_bindgen(method)]
    pub(super) fn introduced(this: &Exchange) -> Option<String>;
    #[wasm_bindgen(method)]
    pub(super) fn body(this: &Exchange, limit: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn response(this: &Exchange) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn finish(this: &Exchange);
    #[wasm_bindgen(method, js_name = ensureAnswered)]
    pub(super) fn ensure_answered(this: &Exchange);
    #[wasm_bindgen(method)]
    pub(super) fn reply(this: &Exchange, status: u16, headers: &str, body: &[u8]);
    #[wasm_bindgen(method)]
    pub(super) fn open(this: &Exchange, status: u16, headers: &str) -> JsSink;
    #[wasm_bindgen(method)]
    pub(super) fn sleep(this: &Exchange, ms: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn either(this: &Exchange, first: &JsCall, second: &JsCall, ms: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn call(this: &Exchange, url: &str, headers: &str, body: &[u8]) -> JsCall;
    #[wasm_bindgen(method, js_name = runModel)]
    pub(super) fn run_model(this: &Exchange, ai: &JsValue, model: &str, body: &[u8]) -> JsCall;
}

#[wasm_bindgen(module = "/src/edge/seam/fall.js")]
extern "C" {
    /// The wasm instance is no more.
    pub(super) fn fall();
}

#[wasm_bindgen(module = "/src/edge/seam/call.js")]
extern "C" {
    /// One call to a provider.
    pub type JsCall;
    #[wasm_bindgen(method)]
    pub(super) fn head(this: &JsCall, ms: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn begin(this: &JsCall, step: &str, limit: f64);
    #[wasm_bindgen(method)]
    pub(super) fn whole(this: &JsCall, ms: f64, limit: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn read(this: &JsCall, ms: f64) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn watch(this: &JsCall);
    #[wasm_bindgen(method)]
    pub(super) fn pump(this: &JsCall, sink: &JsSink);
    #[wasm_bindgen(method)]
    pub(super) fn outlive(this: &JsCall);
    #[wasm_bindgen(method)]
    pub(super) fn abort(this: &JsCall);
}

#[wasm_bindgen(module = "/src/edge/seam/sink.js")]
extern "C" {
    /// The caller's end of a stream.
    pub type JsSink;
    #[wasm_bindgen(method)]
    pub(super) fn write(this: &JsSink, bytes: &[u8]) -> JsValue;
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &JsSink);
    #[wasm_bindgen(method)]
    pub(super) fn abort(this: &JsSink);

    /// The answer to one reader of a kept answer.
    pub type Outlet;
    #[wasm_bindgen(constructor)]
    pub(super) fn new(status: u16, headers: &str, empty: bool) -> Outlet;
    #[wasm_bindgen(method, getter)]
    pub(super) fn response(this: &Outlet) -> web_sys::Response;
    #[wasm_bindgen(method)]
    pub(super) fn write(this: &Outlet, bytes: &[u8]) -> Promise;
    #[wasm_bindgen(method)]
    pub(super) fn close(this: &Outlet);
}

#[wasm_bindgen(module = "/src/edge/seam/outside.js")]
extern "C" {
    #[wasm_bindgen(js_name = admits)]
    pub(super) fn js_admits(limit: &JsValue, key: &str) -> Promise;
    #[wasm_bindgen(js_name = asset)]
    pub(super) fn js_asset(path: &str) -> Option<String>;
    #[wasm_bindgen(js_name = weights)]
    pub(super) fn js_weights() -> Uint8Array;
    #[wasm_bindgen(js_name = secret)]
    pub(super) fn js_secret(bytes: f64) -> Uint8Array;
    #[wasm_bindgen(js_name = sleep)]
    pub(super) fn js_sleep(ms: f64) -> Promise;
    #[wasm_bindgen(js_name = soon)]
    pub(super) fn js_soon(resume: &JsValue, task: u32);
    #[wasm_bindgen(js_name = callObject)]
    pub(super) fn js_call_object(namespace: &JsValue, name: &str, method: &str, path: &str, body: &str) -> Promise;
    #[wasm_bindgen(js_name = postExport)]
    pub(super) fn js_post_export(url: &str, headers: &str, body: &[u8], ms: f64) -> Promise;
    #[wasm_bindgen(js_name = writePoint)]
    pub(super) fn js_write_point(dataset: &JsValue, index: &str, blobs: &str, doubles: &[f64]);
    #[wasm_bindgen(js_name = getDocument)]
    pub(super) fn js_get_document(url: &str, ms: f64, limit: f64) -> Promise;
    #[wasm_bindgen(js_name = readKeys)]
    pub(super) fn js_read_keys(namespace: &JsValue, keys: js_sys::Array) -> Promise;
    #[wasm_bindgen(js_name = writeKey)]
    pub(super) fn js_write_key(namespace: &JsValue, key: &str, value: &str) -> Promise;
    #[wasm_bindgen(js_name = deleteKey)]
    pub(super) fn js_delete_key(namespace: &JsValue, key: &str) -> Promise;
    #[wasm_bindgen(js_name = listKeys)]
    pub(super) fn js_list_keys(namespace: &JsValue, prefix: &str) -> Promise;
}

#[wasm_bindgen(module = "/src/edge/seam/captures.js")]
extern "C" {
    #[wasm_bindgen(js_name = storeCapture)]
    pub(super) fn js_store_capture(
        bucket: &JsValue,
        keys: &str,
        name: &str,
        entry: &str,
        meta: &str,
        bytes: &[u8],
    ) -> Promise;
    #[wasm_bindgen(js_name = listCaptures)]
    pub(super) fn js_list_captures(bucket: &JsValue, prefix: &str, after: &str, limit: f64) -> Promise;
    #[wasm_bindgen(js_name = readCapture)]
    pub(super) fn js_read_capture(bucket: &JsValue, keys: &str, name: &str) -> Promise;
    #[wasm_bindgen(js_name = eraseCaptures)]
    pub(super) fn js_erase_captures(bucket: &JsValue, names: &str) -> Promise;
}

// What only the others import: naming it here is what puts it into the build.
#[wasm_bindgen(module = "/src/edge/seam/reading.js")]
extern "C" {
    #[allow(dead_code)]
    type Gatherer;
}
#[wasm_bindgen(module = "/src/edge/seam/text.js")]
extern "C" {
    #[allow(dead_code)]
    #[wasm_bindgen(js_name = flatten)]
    fn js_flatten(headers: &JsValue, first: &str) -> String;
}

/// Unix milliseconds.
#[must_use]
pub fn now_ms() -> u64 {
    // Dates are positive and far below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let now = js_sys::Date::now() as u64;
    now
}

/// 64 random bits. `Math.random` is seeded per isolate and serves jitter, ids that are no secrets, and ties.
#[must_use]
pub fn random() -> u64 {
    const SCALE: f64 = 4_294_967_296.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let half = || (js_sys::Math::random() * SCALE) as u64;
    half() << 32 | half()
}

/// Waits outside an exchange's steps.
pub async fn settled(promise: Promise) -> Result<JsValue, Interrupt> {
    // The seam's promises do not reject; should one, its meaning is that of a broken connection.
    understood(JsFuture::from(promise).await.map_err(|_| Interrupt::Reset)?)
}

/// Waits for a step of the exchange.
pub async fn taken(step: &Step, at_once: JsValue) -> Result<JsValue, Interrupt> {
    understood(step.outcome(at_once).await)
}

fn understood(value: JsValue) -> Result<JsValue, Interrupt> {
    match value.as_string() {
        Some(word) => match word.as_str() {
            "timeout" => Err(Interrupt::Timeout),
            "gone" => Err(Interrupt::ClientGone),
            "connect" => Err(Interrupt::Connect),
            "reset" => Err(Interrupt::Reset),
            "large" => Err(Interrupt::TooLarge),
            _ => Ok(value),
        },
        None => Ok(value),
    }
}

/// A body or a piece of one.
pub fn bytes(value: &JsValue) -> Option<Vec<u8>> {
    value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec)
}

/// Milliseconds until an instant, as timers take them.
pub fn left(until_ms: u64) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let left = until_ms.saturating_sub(now_ms()) as f64;
    // setTimeout's bound is 2^31 - 1.
    left.min(2_000_000_000.0)
}

/// Headers as the seam takes them: names and values in turn, a line each.
pub fn flat<'h>(headers: impl Iterator<Item = (&'h str, &'h str)>) -> String {
    let mut text = String::with_capacity(256);
    for (name, value) in headers {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(name);
        text.push('\n');
        // A line end cannot stand in a header; one that came in through a value must not make another header.
        text.extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    text
}

/// Headers as the seam gives them: the reverse of [`flat`].
pub fn unflat<'t>(mut lines: impl Iterator<Item = &'t str>) -> Headers {
    let mut headers = Headers::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        headers.push(name, value);
    }
    headers
}

/// Secrets as the seam takes them, a line each.
pub fn lines(secrets: &[Secret]) -> String {
    secrets.iter().map(Secret::expose).collect::<Vec<_>>().join("\n")
}

/// Waits outside any exchange.
pub async fn sleep(ms: u32) {
    let _ = settled(js_sleep(f64::from(ms))).await;
}

/// Calls a Durable Object by name; `None` when it could not be reached.
pub async fn call_object(
    namespace: &JsValue,
    name: &str,
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, String)> {
    let text = settled(js_call_object(namespace, name, method, path, body)).await.ok()?.as_string()?;
    let (status, body) = text.split_once('\n')?;
    Some((status.parse().ok()?, body.to_owned()))
}

/// Sends an export to a collector: status and `retry-after`; `None` where no answer came in `ms`.
pub async fn post_export(url: &str, headers: &str, body: &[u8], ms: u64) -> Option<(u16, String)> {
    #[allow(clippy::cast_precision_loss)] // bounded by the configuration
    let text = settled(js_post_export(url, headers, body, ms as f64)).await.ok()?.as_string()?;
    let (status, retry_after) = text.split_once('\n')?;
    Some((status.parse().ok()?, retry_after.to_owned()))
}

/// Fetches a small public document (a JWKS): status, cache-control, text.
pub async fn get_document(url: &str, ms: u32, limit: u32) -> Option<(u16, String, String)> {
    let text = settled(js_get_document(url, f64::from(ms), f64::from(limit))).await.ok()?.as_string()?;
    let mut parts = text.splitn(3, '\n');
    Some((parts.next()?.parse().ok()?, parts.next()?.to_owned(), parts.next()?.to_owned()))
}

/// Reads KV keys in one step; `None` when KV could not be read.
pub async fn read_keys<const N: usize>(namespace: &JsValue, keys: [&str; N]) -> Option<[Option<String>; N]> {
    let names: js_sys::Array = keys.iter().map(|k| JsValue::from_str(k)).collect();
    let values: js_sys::Array = settled(js_read_keys(namespace, names)).await.ok()?.dyn_into().ok()?;
    let mut values = values.iter();
    Some(std::array::from_fn(|_| values.next().and_then(|v| v.as_string())))
}

/// Writes a KV key; failure is not told, the next isolate writes again.
pub async fn write_key(namespace: &JsValue, key: &str, value: &str) {
    let _ = settled(js_write_key(namespace, key, value)).await;
}

/// Deletes a KV key; failure is not told, the next run tries again.
pub async fn delete_key(namespace: &JsValue, key: &str) {
    let _ = settled(js_delete_key(namespace, key)).await;
}

/// The first thousand names of KV keys with a prefix; `None` when KV could not be read.
pub async fn list_keys(namespace: &JsValue, prefix: &str) -> Option<Vec<String>> {
    let names: js_sys::Array = settled(js_list_keys(namespace, prefix)).await.ok()?.dyn_into().ok()?;
    Some(names.iter().filter_map(|name| name.as_string()).collect())
}
