//! The ports of the core on Cloudflare Workers. Each step is one import from `seam/`, which answers at once or resumes
//! the exchange's task later; a string result is an interrupt. Read `ports.rs` first.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::OnceLock;

use futures::future::LocalBoxFuture;
use js_sys::Promise;
use wasm_bindgen::prelude::*;
use worker::{worker_sys, Context, Env};

use crate::accounting::limit::{Ask, Verdict};
use crate::accounting::report::{Range, Sums};
use crate::accounting::Row;
use crate::capture::Stored;
use crate::config::provider::{Secret, AI_BINDING};
use crate::edge::binding;
use crate::edge::boards;
use crate::edge::call::{EdgeCall, EdgeSink};
use crate::edge::export;
use crate::edge::gather;
use crate::edge::health_object;
use crate::edge::seam::*;
use crate::edge::stream_log::Keeper;
use crate::edge::task::{self, Step};
use crate::edge::webcrypto::Verifier;
use crate::feedback::{Score, Verdict as ScoreVerdict};
use crate::gateway::Gateway;
use crate::http::{Headers, Request, ResponseHead, UpstreamRequest};
use crate::identity::jwks::MAX_BODY_BYTES;
use crate::identity::ports::{Fetcher, JwksSource, PortFailure, Served, SignatureVerifier};
use crate::identity::Algorithm;
use crate::ports::{Awaited, Interrupt, Kept, MakeContent, Platform, Side};
use crate::telemetry::events::{point, Point};
use crate::telemetry::record::RequestRecord;
/// One exchange on the platform.
pub struct EdgePlatform {
    exchange: Exchange,
    step: Rc<Step>,
    ctx: Rc<Context>,
    bindings: Rc<Bindings>,
    keeping: Option<Keeping>,
    /// Somebody reads records of requests.
    wants_records: Cell<bool>,
    record: Cell<Option<(RequestRecord, Option<MakeContent>)>>,
}

/// Where the answer goes that nobody waits for here.
struct Keeping {
    keeper: Rc<Keeper>,
    /// The request's body, which came with the errand.
    body: Cell<Vec<u8>>,
}

/// What the Worker is bound to; `undefined` where it is not.
pub struct Bindings {
    /// Durable Objects, one per principal.
    pub ledgers: JsValue,
    /// Durable Objects, one per kept answer.
    pub streams: JsValue,
    /// Workers AI.
    pub ai: JsValue,
    /// Durable Objects: boards of providers, the register.
    pub health: JsValue,
    /// A rate limit of the platform's, by principal.
    pub rate_limit: JsValue,
    /// Analytics Engine: a data point per request.
    pub events: JsValue,
    /// R2: requests that are kept with their payloads.
    pub captures: JsValue,
}

thread_local! {
    /// The environment that was met last, and its bindings: an isolate has one environment as long as it lives.
    static KNOWN: RefCell<Option<(JsValue, Rc<Bindings>)>> = const { RefCell::new(None) };
}

impl Bindings {
    /// What this environment has of them. They belong to no request.
    #[must_use]
    pub fn of(env: &Env) -> Rc<Self> {
        KNOWN.with(|known| {
            let mut known = known.borrow_mut();
            match known.as_ref().filter(|(own, _)| own == AsRef::<JsValue>::as_ref(env)) {
                Some((_, bindings)) => Rc::clone(bindings),
                None => Rc::clone(&known.insert((env.clone().into(), Rc::new(Self::read(env)))).1),
            }
        })
    }

    fn read(env: &Env) -> Self {
        Self {
            ledgers: binding(env, "LEDGER"),
            streams: binding(env, "STREAMS"),
            ai: binding(env, AI_BINDING),
            health: binding(env, "HEALTH"),
            rate_limit: binding(env, "RATE_LIMIT"),
            events: binding(env, "EVENTS"),
            captures: binding(env, "CAPTURES"),
        }
    }
}

impl EdgePlatform {
    /// Takes a request in. `task` carries it and waits for `step`.
    #[must_use]
    pub fn new(
        request: &web_sys::Request,
        ctx: worker_sys::Context,
        task: u32,
        step: Rc<Step>,
        bindings: Rc<Bindings>,
    ) -> Self {
        let exchange = Exchange::new(request, &ctx, &task::resumer(), task);
        Self::around(exchange, step, Rc::new(Context::new(ctx)), bindings, None)
    }

    fn around(
        exchange: Exchange,
        step: Rc<Step>,
        ctx: Rc<Context>,
        bindings: Rc<Bindings>,
        keeping: Option<Keeping>,
    ) -> Self {
        Self { exchange, step, ctx, bindings, keeping, wants_records: Cell::new(false), record: Cell::new(None) }
    }

    /// The same where the answer is kept: no caller waits here, or can leave. `ctx` is the object's state.
    #[must_use]
    pub fn keeping(ctx: Rc<Context>, task: u32, bindings: Rc<Bindings>, keeper: Rc<Keeper>, body: Vec<u8>) -> Self {
        let exchange = Exchange::new(&JsValue::UNDEFINED, ctx.as_ref().as_ref(), &task::resumer(), task);
        let keeping = Some(Keeping { keeper, body: Cell::new(body) });
        Self::around(exchange, Rc::default(), ctx, bindings, keeping)
    }

    /// The configuration that the request is served under is known.
    pub fn serves_under(&self, gateway: &Gateway) {
        let telemetry = &gateway.config.telemetry;
        let registers = telemetry.register && !self.bindings.health.is_undefined();
        let points = !self.bindings.events.is_undefined();
        self.wants_records.set(registers || points || !telemetry.otlp.is_empty());
    }

    /// The request is over: what has been seen of providers goes to their boards, and its record on its way.
    pub fn tell(&self, gateway: &Rc<Gateway>) {
        boards::sync(&self.bindings.health, &self.ctx, gateway);
        if let Some((record, content)) = self.record.take() {
            if !self.bindings.events.is_undefined() {
                let Point { index, blobs, doubles } = point(&record);
                js_write_point(&self.bindings.events, &index, &blobs.join("\n"), &doubles);
            }
            export::send(record, content, &self.bindings.health, &self.ctx, gateway);
        }
    }

    /// What waits for the exchange's steps.
    #[must_use]
    pub fn step(&self) -> Rc<Step> {
        self.step.clone()
    }

    /// What ends the exchange before its time, as if its caller had left.
    pub fn leaver(&self) -> impl Fn() + 'static {
        let exchange: Exchange = self.exchange.clone().unchecked_into();
        move || exchange.leave()
    }

    /// What background work is bound to.
    #[must_use]
    pub fn context(&self) -> Rc<Context> {
        self.ctx.clone()
    }

    /// Method, path, query and headers; the body is still to be read.
    #[must_use]
    pub fn request_head(&self) -> Request {
        let text = self.exchange.head();
        let mut lines = text.split('\n');
        let method = lines.next().unwrap_or_default().to_owned();
        let url = lines.next().unwrap_or_default();
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let path_and_query = after_scheme.find('/').and_then(|at| after_scheme.get(at..)).unwrap_or("/");
        let path_and_query = path_and_query.split('#').next().unwrap_or_default();
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        Request { method, path: path.to_owned(), query: query.to_owned(), headers: unflat(lines), body: Vec::new() }
    }

    /// The exchange is over. Answers with a 500 if nothing has answered: the caller must not wait for what will never come.
    pub fn finish(&self) {
        if self.keeping.is_none() {
            self.exchange.ensure_answered();
        }
        self.exchange.finish();
    }

    /// Resolves to the `Response` of whichever `reply` or `open` comes first.
    pub fn response(&self) -> Promise {
        self.exchange.response()
    }
}

impl Platform for EdgePlatform {
    type Call = EdgeCall;
    type Sink = EdgeSink;

    fn introduced(&self) -> Option<String> {
        self.exchange.introduced()
    }

    async fn admits(&self, principal: &str) -> bool {
        if self.bindings.rate_limit.is_undefined() {
            return true;
        }
        // A limit that cannot be asked protects nobody by closing the door.
        !settled(js_admits(&self.bindings.rate_limit, principal)).await.is_ok_and(|answer| answer == false)
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, Interrupt> {
        if let Some(keeping) = &self.keeping {
            return Ok(keeping.body.take());
        }
        #[allow(clippy::cast_precision_loss)]
        let value = taken(&self.step, self.exchange.body(limit as f64)).await?;
        Ok(bytes(&value).unwrap_or_default())
    }

    fn now_ms(&self) -> u64 {
        now_ms()
    }

    fn random(&self) -> u64 {
        random()
    }

    async fn sleep_until(&self, at_ms: u64) -> Result<(), Interrupt> {
        taken(&self.step, self.exchange.sleep(left(at_ms))).await.map(|_| ())
    }

    fn call(&self, request: UpstreamRequest) -> EdgeCall {
        let call = match &request.model {
            Some(model) => self.exchange.run_model(&self.bindings.ai, model, &request.body),
            None => self.exchange.call(&request.url, &flat(request.headers.iter()), &request.body),
        };
        EdgeCall { call, step: self.step.clone() }
    }

    async fn either(
        &self,
        (first, for_first): (&mut EdgeCall, Awaited),
        (second, for_second): (&mut EdgeCall, Awaited),
        until_ms: u64,
    ) -> Result<Side, Interrupt> {
        first.begin(for_first);
        second.begin(for_second);
        let value = taken(&self.step, self.exchange.either(&first.call, &second.call, left(until_ms))).await?;
        Ok(if value.as_f64() == Some(1.0) { Side::Second } else { Side::First })
    }

    fn reply(&self, head: ResponseHead, body: Vec<u8>) {
        if let Some(keeping) = &self.keeping {
            return keeping.keeper.reply(head, &body);
        }
        self.exchange.reply(head.status, &flat(head.headers.iter()), &body);
    }

    fn open(&self, head: ResponseHead) -> EdgeSink {
        if let Some(keeping) = &self.keeping {
            keeping.keeper.open(head);
            return EdgeSink::Keeper(keeping.keeper.clone());
        }
        EdgeSink::Caller(self.exchange.open(head.status, &flat(head.headers.iter())), self.step.clone())
    }

    fn record(&self, principal: &str, row: Row) {
        gather::record(&self.bindings.ledgers, &self.ctx, principal, row);
    }

    fn keeps_answers(&self) -> bool {
        !self.bindings.streams.is_undefined()
    }

    fn asset(&self, path: &str) -> Option<String> {
        js_asset(path)
    }

    fn weights(&self) -> &'static [u8] {
        static READ: OnceLock<Vec<u8>> = OnceLock::new();
        READ.get_or_init(|| js_weights().to_vec())
    }

    fn secret(&self) -> [u8; 18] {
        let mut bits = [0; 18];
        js_secret(18.0).copy_to(&mut bits);
        bits
    }

    async fn hand_over(&self, name: &str, path: &str, sent: &[u8], headers: &Headers) -> Result<Kept, Interrupt> {
        let step = self.exchange.hand_over(&self.bindings.streams, name, path, sent, &flat(headers.iter()));
        let word = taken(&self.step, step).await?.as_string().unwrap_or_default();
        WORDS.into_iter().find(|(_, known)| *known == word).map(|(kept, _)| kept).ok_or(Interrupt::Reset)
    }

    async fn grant(&self, principal: &str, ask: Ask) -> Option<Verdict> {
        gather::grant(&self.bindings.ledgers, &self.ctx, principal, ask).await
    }

    fn shard(&self, principal: &str, spread: bool) -> u32 {
        if spread {
            gather::shard(principal)
        } else {
            0
        }
    }

    async fn usage(&self, principal: &str, range: &Range) -> Option<Sums> {
        gather::usage(&self.bindings.ledgers, principal, range).await
    }

    async fn score(&self, score: Score) -> Option<ScoreVerdict> {
        health_object::score(&self.bindings.health, &score).await
    }

    fn log(&self, line: String) {
        worker::console_log!("{line}");
    }

    fn wants_records(&self) -> bool {
        self.wants_records.get()
    }

    fn record_request(&self, record: RequestRecord, content: Option<MakeContent>) {
        self.record.set(Some((record, content)));
    }

    fn unbound(&self) -> Vec<&'static str> {
        let Bindings { ledgers, streams, ai, health, rate_limit, events, captures } = self.bindings.as_ref();
        let optional = [
            (AI_BINDING, ai),
            ("CAPTURES", captures),
            ("EVENTS", events),
            ("HEALTH", health),
            ("LEDGER", ledgers),
            ("RATE_LIMIT", rate_limit),
            ("STREAMS", streams),
        ];
        optional.into_iter().filter(|(_, bound)| bound.is_undefined()).map(|(name, _)| name).collect()
    }

    fn keeps_captures(&self) -> bool {
        !self.bindings.captures.is_undefined()
    }

    fn keep_capture(&self, made: Box<dyn FnOnce() -> Stored>, keys: &[Secret]) {
        let (bucket, keys) = (self.bindings.captures.clone(), lines(keys));
        self.ctx.wait_until(async move {
            // The answer is sent in the turn that follows; masking takes one of its own.
            sleep(0).await;
            let Stored { id, meta, document } = made();
            let stored = js_store_capture(&bucket, &keys, &id.key(), &id.index_key(), &meta, &document);
            if settled(stored).await.is_err() {
                worker::console_log!(r#"{{"message":"capture not stored","level":"warn","id":"{}"}}"#, id.as_str());
            }
        });
    }

    async fn captures(&self, prefix: &str, after: &str, limit: usize) -> Option<Vec<String>> {
        #[allow(clippy::cast_precision_loss)]
        let listed = js_list_captures(&self.bindings.captures, prefix, after, limit as f64);
        let list: js_sys::Array = settled(listed).await.ok()?.dyn_into().ok()?;
        Some(list.iter().filter_map(|meta| meta.as_string()).collect())
    }

    async fn capture(&self, name: &str, keys: &[Secret]) -> Option<Option<Vec<u8>>> {
        let found = settled(js_read_capture(&self.bindings.captures, &lines(keys), name)).await.ok()?;
        Some(bytes(&found))
    }

    async fn erase_captures(&self, names: &[String]) -> bool {
        settled(js_erase_captures(&self.bindings.captures, &names.join("\n"))).await.is_ok()
    }

    async fn register(&self, shard: u64, path: &str) -> Option<String> {
        let answer = call_object(&self.bindings.health, &export::register_name(shard), "GET", path, "").await;
        answer.filter(|(status, _)| *status == 200).map(|(_, body)| body)
    }
}

impl SignatureVerifier for EdgePlatform {
    async fn verify(
        &self,
        algorithm: Algorithm,
        jwk: &str,
        input: &[u8],
        signature: &[u8],
    ) -> Result<bool, PortFailure> {
        Verifier.verify(algorithm, jwk, input, signature).await
    }
}

impl JwksSource for EdgePlatform {
    fn fetcher(&self) -> Fetcher {
        const PATIENCE_MS: u32 = 2_000;
        Rc::new(|url| {
            Box::pin(async move {
                let limit = u32::try_from(MAX_BODY_BYTES).unwrap_or(u32::MAX);
                let (status, cache_control, body) = get_document(&url, PATIENCE_MS, limit).await.ok_or(PortFailure)?;
                Ok(Served { status, cache_control, body: body.into_bytes() })
            })
        })
    }

    fn beside(&self, work: LocalBoxFuture<'static, ()>) {
        self.ctx.wait_until(work);
    }

    async fn pause(&self, ms: u64) {
        sleep(u32::try_from(ms).unwrap_or(u32::MAX)).await;
    }

    async fn first_use(&self, text: &str, until_ms: u64) -> Result<bool, PortFailure> {
        health_object::first_use(&self.bindings.health, text, until_ms).await.ok_or(PortFailure)
    }
}

/// The words for [`Kept`] between the Worker and the object.
pub const WORDS: [(Kept, &str); 6] = [
    (Kept::Began, "began"),
    (Kept::Found, "found"),
    (Kept::Cancelled, "cancelled"),
    (Kept::Unknown, "unknown"),
    (Kept::Differs, "differs"),
    (Kept::Ahead, "ahead"),
];
