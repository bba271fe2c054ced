//! Keeping a request with its payloads: which ones (docs/captures.md), and what is copied of them on the way. Where none is to
//! be kept, nothing is copied.

use crate::capture::made::Made;
use crate::capture::tape::Tape;
use crate::capture::{Id, Why};
use crate::config::provider::Secret;
use crate::http::{Request, ResponseHead, UpstreamRequest};
use crate::identity::credential::is_credential;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::recorded;
use crate::pipeline::replaying::Outlet;
use crate::ports::Platform;
use crate::telemetry::record::RequestRecord;
use crate::upstream::keys::OWN_KEY_PREFIX;

/// Decides whether a request may be kept, and then lays a tape. `decision` tells what was decided, if that is asked for.
pub fn begin<P: Platform>(exchange: &Exchange<'_, P>, policy: &str, body: &[u8], decision: impl FnOnce() -> String) {
    let Some(settings) = exchange.gateway.config.capture.as_ref() else { return };
    if settings.lacks_key || !exchange.platform.keeps_captures() {
        return;
    }
    let replayed = exchange.replay.is_some();
    let rule = settings.rule(policy);
    let claimed = settings.claim && exchange.principal.as_ref().is_some_and(|principal| principal.capture);
    let sampled = || {
        let draw = i64::try_from(exchange.platform.random() % 1_000_000).unwrap_or(0);
        rule.sample_micro > 0 && draw < rule.sample_micro
    };
    let why = if claimed {
        Some(Why::Claim)
    } else if sampled() {
        Some(Why::Sample)
    } else {
        None
    };
    if why.is_some() || rule.errors || replayed {
        let id = Id::new(exchange.arrived_ms, &exchange.platform.secret(), exchange.principal_id());
        let tape = Tape::new(id, why, settings, body, decision());
        exchange.tape.replace(Some(Box::new(tape)));
    }
}

/// Ends the recording and has it stored beside other work, if the request is one that is kept; gives the capture's name.
pub fn finish<P: Platform>(run: &Run<'_, P>) -> Option<String> {
    let exchange = run.exchange;
    let tape = exchange.tape.take()?;
    let settings = exchange.gateway.config.capture.as_ref()?;
    let record = recorded::served(run, None);
    if exchange.replay.is_none() && tape.why.is_none() && !went_wrong(&record) {
        return None;
    }
    let request = exchange.request;
    let made = Made {
        record,
        request: Request {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: Vec::new(),
        },
        settings: settings.clone(),
        known: known(run),
        tape: *tape,
    };
    if let Some(replay) = &exchange.replay {
        replay.borrow_mut().made = Some(Box::new(made));
        return None;
    }
    let id = made.tape.id.as_str().to_owned();
    exchange.platform.keep_capture(Box::new(move || made.stored()), &settings.keys);
    Some(id)
}

/// It failed by somebody's fault other than the caller's, or would have, but for another candidate.
fn went_wrong(record: &RequestRecord) -> bool {
    record.failed() || record.attempts.iter().any(|attempt| attempt.class.is_some())
}

/// Keys of the caller's and of those who were asked.
pub fn known<P: Platform>(run: &Run<'_, P>) -> Vec<String> {
    let of_candidate = |chosen: &Candidate<'_>| -> Vec<String> {
        let own = chosen.provider.api_keys.iter().chain(chosen.provider.headers.iter().map(|(_, value)| value));
        own.chain(chosen.keys.current()).map(|secret: &Secret| secret.expose().to_owned()).collect()
    };
    let sent = run.exchange.request.headers.iter();
    let callers = sent.filter(|(name, _)| is_credential(name) || name.starts_with(OWN_KEY_PREFIX));
    // `Bearer x`: the word is nobody's secret.
    let callers = callers.filter_map(|(_, value)| value.rsplit(' ').next()).map(str::to_owned);
    run.choice.candidates.iter().flat_map(of_candidate).chain(callers).collect()
}

impl<P: Platform> Exchange<'_, P> {
    /// Whether what passes is recorded.
    pub fn is_taped(&self) -> bool {
        self.tape.borrow().is_some() || self.said.borrow().is_some()
    }

    /// Answers with a whole body; a replay's is only noted.
    pub fn reply(&self, head: ResponseHead, body: Vec<u8>) {
        self.said(&body, false);
        if self.replay.is_none() {
            self.platform.reply(head, body);
        }
    }

    /// Opens a stream; a replay's leads nowhere.
    pub fn open(&self, head: ResponseHead) -> Outlet<P::Sink> {
        match &self.replay {
            None => Outlet::Caller(self.platform.open(head)),
            Some(_) => Outlet::Nobody,
        }
    }

    /// The body that a replay sends to a candidate.
    pub fn replayed(&self, candidate: &str) -> Option<Vec<u8>> {
        let replay = self.replay.as_ref()?.borrow();
        replay.sends.as_ref().filter(|(name, _)| name == candidate).map(|(_, body)| body.clone())
    }

    /// The caller is sent something.
    pub fn said(&self, bytes: &[u8], stream: bool) {
        self.tape(|tape, now| tape.said(now, bytes, stream));
        if let Some(said) = self.said.borrow_mut().as_mut() {
            said.stream = stream;
            said.push(0, bytes);
        }
    }

    /// Notes something, if it is.
    pub fn tape(&self, note: impl FnOnce(&mut Tape, u64)) {
        if let Some(tape) = self.tape.borrow_mut().as_mut() {
            note(tape, self.platform.now_ms());
        }
    }
}

impl<P: Platform> Run<'_, P> {
    /// Calls a provider for an attempt.
    pub fn call(&self, account: usize, request: UpstreamRequest) -> P::Call {
        self.exchange.tape(|tape, _| tape.sent(account, &request));
        self.exchange.platform.call(request)
    }

    /// An attempt has brought something.
    pub fn heard(&self, account: usize, bytes: &[u8], stream: bool) {
        self.exchange.tape(|tape, now| tape.heard(account, now, bytes, stream));
    }

    /// The caller is sent events.
    pub fn said(&self, events: &[u8]) {
        self.exchange.said(events, true);
    }
}
