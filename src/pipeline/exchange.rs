//! What belongs to one request from its first byte to its log line.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::accounting::{Opened, Row, Settled};
use crate::capture::tape::{Recording, Tape};
use crate::config::Mode;
use crate::cors;
use crate::dialect::Dialect;
use crate::gateway::{Gateway, Place};
use crate::http::Request;
use crate::identity::Principal;
use crate::pipeline::enter::Entered;
use crate::pipeline::replaying::Replay;
use crate::ports::Platform;
use crate::telemetry::trace::TraceContext;

/// One request's surroundings.
pub struct Exchange<'a, P: Platform> {
    /// The world.
    pub platform: &'a P,
    /// Configuration and the isolate's memory.
    pub gateway: &'a Gateway,
    /// What the caller sent, without its body.
    pub request: &'a Request,
    /// Our id for it.
    pub request_id: String,
    /// Its trace.
    pub trace: TraceContext,
    /// The language the caller speaks.
    pub dialect: Dialect,
    /// The browser origin to echo, where it may call.
    pub origin: Option<String>,
    /// Who calls, once it is known.
    pub principal: Option<Rc<Principal>>,
    /// The caller asked for the decision and the attempts.
    pub explain: bool,
    /// A stream is to be one JSON array (Gemini without `alt=sse`).
    pub array: bool,
    /// When it came.
    pub arrived_ms: u64,
    /// The name under which the answer is kept, where this is its keeper.
    pub kept: Option<String>,
    /// Its place among the principal's requests under way.
    pub place: Option<Place>,
    /// What is recorded of it, where it may be kept.
    pub tape: RefCell<Option<Box<Tape>>>,
    /// What its caller gets, where a collector may be told of it.
    pub said: RefCell<Option<Recording>>,
    /// Where it is a replay: what is different then.
    pub replay: Option<RefCell<Replay>>,
    /// What the caller got is an error.
    pub failed: bool,
    /// Span of the attempt that is sent next.
    span: Cell<u64>,
}

impl<'a, P: Platform> Exchange<'a, P> {
    /// A request under a configuration.
    pub fn new(platform: &'a P, gateway: &'a Gateway, request: &'a Request, entered: Entered) -> Self {
        let config = &gateway.config;
        let any_origin = config.mode == Mode::Local;
        let origin = cors::allowed_origin(&request.headers, &config.cors_origins, any_origin).map(str::to_owned);
        Self {
            platform,
            gateway,
            request,
            request_id: entered.request_id,
            trace: entered.trace,
            dialect: entered.dialect,
            origin,
            principal: None,
            explain: false,
            array: false,
            arrived_ms: entered.arrived_ms,
            kept: None,
            place: None,
            tape: RefCell::default(),
            said: RefCell::default(),
            replay: None,
            failed: false,
            span: Cell::new(0),
        }
    }

    /// The caller's opaque id; empty before it is known.
    pub fn principal_id(&self) -> &str {
        self.principal.as_ref().map_or("", |p| p.id.as_str())
    }

    /// An attempt gets a span of its own: its id.
    pub fn begin_span(&self) -> String {
        self.span.set(self.platform.random().max(1));
        self.attempt_span()
    }

    /// Trace context for a provider call, under the span that has begun.
    pub fn attempt_traceparent(&self) -> String {
        self.trace.traceparent(&self.attempt_span())
    }

    fn attempt_span(&self) -> String {
        format!("{:016x}", self.span.get())
    }

    /// An attempt is about to be sent.
    pub fn record_open(&self, opened: Opened) {
        self.platform.record(self.principal_id(), Row::Open { opened });
    }

    /// An attempt is over.
    pub fn record_settled(&self, opened: Opened, settled: Settled) {
        self.platform.record(self.principal_id(), Row::Settle { opened, settled });
    }
}
