//! Stage 6: the machine's actions carried out. Nothing is decided here: `attempt::plan` decides, this sends, waits,
//! answers and settles.

use crate::accounting::limit::Refused;
use crate::attempt::plan::{self, Action, Event, Machine};
use crate::config::provider::Secret;
use crate::dialect::canonical::{Extra, Loss};
use crate::dialect::view::View;
use crate::error::GatewayError;
use crate::http::{Headers, ResponseHead, UpstreamRequest};
use crate::pipeline::choose::{Candidate, Choice};
use crate::pipeline::continuing::Continuing;
use crate::pipeline::exchange::Exchange;
use crate::pipeline::hedging;
use crate::pipeline::pausing::Pausing;
use crate::pipeline::prepare::Prepared;
use crate::pipeline::replaying::Outlet;
use crate::pipeline::reply;
use crate::pipeline::settle::AttemptAccount;
use crate::ports::{CallerSink, Interrupt, Platform, UpstreamCall};
use crate::stream::framing::Framing;
use crate::upstream::failure::AttemptFailure;
use crate::upstream::keys::{circuit, is_of_key};

/// Silence on an open stream before a comment is sent, and the grace before the status line goes out without content
/// (DESIGN §5 "Open").
pub const PING_MS: u64 = 15_000;

/// How long an error's body is waited for, and how large it may be.
pub const ERROR_PATIENCE_MS: u64 = 5_000;
/// See [`ERROR_PATIENCE_MS`].
pub const MAX_ERROR_BYTES: usize = 256 * 1024;

/// A request on its way through its attempts.
pub struct Run<'a, P: Platform> {
    /// The exchange it belongs to.
    pub exchange: &'a Exchange<'a, P>,
    /// What the caller sent.
    pub view: &'a View<'a>,
    /// The choice made for it.
    pub choice: &'a Choice<'a>,
    /// Request bodies by candidate.
    pub prepared: Prepared<'a>,
    /// Decides.
    pub machine: Machine,
    /// How events are laid out for the caller.
    pub framing: Framing,
    /// The caller's open stream, once the status line is out.
    pub sink: Option<Outlet<P::Sink>>,
    /// The status line went out before anyone had answered.
    pub opened_early: bool,
    /// Bytes that may go out once the end is known.
    pub unsent: Vec<u8>,
    /// Number of the next event, for callers whose dialect counts them.
    pub next_number: u64,
    /// When bytes last went to the caller.
    pub last_sent_ms: u64,
    /// What each attempt used and cost.
    pub accounts: Vec<AttemptAccount>,
    /// When the first content of the answer came.
    pub first_content_ms: Option<u64>,
    /// Status that the caller got; 499 when it left first.
    pub status: u16,
    /// The error that the caller got.
    pub error: Option<GatewayError>,
    /// Candidate that answered.
    pub answered_by: Option<usize>,
    /// Malformed provider events that were skipped.
    pub malformed: u32,
    /// What the headers of the attempt in flight, or of the last one, tell the caller.
    pub upstream_told: Headers,
    /// What the attempt in flight, or the last one, lacks besides its candidate's known losses.
    pub sent_losses: Vec<Loss>,
    /// What the answer's translation could not carry.
    pub answer_losses: Vec<Loss>,
    /// Members of the answer for the `signalbox` member, raw: safety verdicts, and sources that the caller's dialect cannot
    /// cite.
    pub beside: Vec<Extra>,
    /// Candidates that have refused signed reasoning of the history: they are sent none.
    pub unsigned: Vec<usize>,
    /// An answer that broke and is gone on with.
    pub continuing: Continuing,
    /// A turn that its provider has paused.
    pub pausing: Pausing,
    /// Budgets that leave no room for some candidate.
    pub withheld: Vec<Refused>,
}

impl<'a, P: Platform> Run<'a, P> {
    /// A run that has done nothing.
    pub fn new(exchange: &'a Exchange<'a, P>, view: &'a View<'a>, choice: &'a Choice<'a>) -> Self {
        let candidates = choice.candidates.iter().map(|c| plan::Candidate {
            name: c.name.clone(),
            context: c.context,
            patience: c.patience,
            expected_ms: c.expected_ms,
            hedge_after_ms: hedging::after_ms(exchange.gateway, choice, c, view.stream),
        });
        hedging::count(exchange.gateway, choice);
        Self {
            exchange,
            view,
            choice,
            prepared: Prepared { canonical: choice.work.canonical() },
            machine: Machine::new(candidates.collect(), choice.limits.clone(), view.stream, exchange.arrived_ms),
            // What is kept is kept as events; each reader's are laid out for it.
            framing: Framing::of(exchange.array && exchange.kept.is_none()),
            sink: None,
            opened_early: false,
            unsent: Vec::new(),
            next_number: 0,
            last_sent_ms: exchange.arrived_ms,
            accounts: Vec::new(),
            first_content_ms: None,
            status: 0,
            error: None,
            answered_by: None,
            malformed: 0,
            upstream_told: Headers::new(),
            sent_losses: Vec::new(),
            answer_losses: Vec::new(),
            beside: Vec::new(),
            unsigned: Vec::new(),
            continuing: Continuing::default(),
            pausing: Pausing::default(),
            withheld: Vec::new(),
        }
    }

    /// The call to a candidate, as its next attempt sends it.
    pub fn request(&mut self, candidate: usize, chosen: &Candidate<'_>) -> UpstreamRequest {
        let unsigned = self.unsigned.contains(&candidate);
        let earlier = std::mem::take(&mut self.sent_losses);
        self.upstream_told = Headers::new();
        let mut request = self.choice.work.request(self.exchange, self.view, chosen, unsigned, &mut self.sent_losses);
        if let Some(body) = self.exchange.replayed(&chosen.name) {
            request.body = body;
        }
        self.go_on_with_pause(candidate, &mut request);
        if self.first_content_ms.is_some() {
            // The answer is partly another attempt's.
            self.sent_losses.retain(|loss| !earlier.contains(loss));
            self.sent_losses.extend(earlier);
        }
        request
    }

    /// Everything of the request and the answer that is not exact.
    pub fn losses(&self) -> impl Iterator<Item = &Loss> {
        let chosen = self.answered_by.and_then(|c| self.choice.candidates.get(c));
        let known = chosen.map(|c| c.losses.as_slice()).unwrap_or_default();
        known.iter().chain(&self.sent_losses).chain(&self.answer_losses)
    }

    /// What a failure before any content means. Where it is the key's, the provider's next key is taken. Signed reasoning
    /// that a candidate cannot read (another account's, a model's that was replaced) can be left out, once.
    pub fn failed(&mut self, candidate: usize, mut failure: AttemptFailure) -> Event {
        if is_of_key(failure.class) && self.choice.candidates.get(candidate).is_some_and(|c| c.keys.has_several()) {
            self.conceal_key(&mut failure);
            if self.takes_next_key(candidate) {
                return Event::Repaired(failure);
            }
        }
        if !failure.foreign_reasoning() || self.unsigned.contains(&candidate) {
            return Event::Failed(failure);
        }
        self.unsigned.push(candidate);
        Event::Repaired(failure)
    }

    /// Carries the request through to its one end.
    pub async fn drive(&mut self) {
        let mut event = Event::Start;
        loop {
            match self.step(event) {
                Action::Send { attempt, candidate, deadlines, hedge_at } => {
                    let index = match self.open_account(attempt, candidate).await {
                        Ok(index) => index,
                        Err(error) => {
                            event = Event::Withheld(error);
                            continue;
                        }
                    };
                    event = match hedge_at {
                        // Boxed: rare, and large.
                        Some(hedge_at) => Box::pin(self.hedged(attempt, index, candidate, deadlines, hedge_at)).await,
                        None if self.view.stream => self.streamed(index, candidate, deadlines).await,
                        None => self.whole(index, candidate, deadlines).await,
                    };
                }
                Action::Wait { ms } => event = self.wait(ms).await,
                // The others answer to what an attempt reports of itself while it runs.
                Action::Commit
                | Action::Finish
                | Action::Hedge { .. }
                | Action::Stay { .. }
                | Action::Cancel { .. } => return,
                Action::Abandon => {
                    self.status = 499;
                    return;
                }
                Action::GiveUp(error) => return self.give_up(*error).await,
            }
        }
    }

    /// Tells the machine what happened.
    pub fn step(&mut self, mut event: Event) -> Action {
        self.hide_secret(&mut event);
        let platform = self.exchange.platform;
        let gateway = self.exchange.gateway;
        let choice = self.choice;
        let now = platform.now_ms();
        let only = choice.candidates.len() == 1;
        self.machine.step(event, now, platform.random(), &mut |candidate| {
            let chosen = choice.candidates.get(candidate);
            chosen.is_some_and(|c| gateway.may_retry(&c.provider.name, &circuit(&c.name, c.keys.index()), only, now))
        })
    }

    fn takes_next_key(&self, candidate: usize) -> bool {
        let now = self.exchange.platform.now_ms();
        let is_closed = |name: &str| self.exchange.gateway.health(name, now).refuses_until(now).is_none();
        let chosen = self.choice.candidates.get(candidate);
        chosen.is_some_and(|c| c.keys.rotate(|key| is_closed(&circuit(&c.name, key))))
    }

    /// A provider may quote our key in what it says of a request, and what it says may be shown to the caller.
    fn hide_secret(&self, event: &mut Event) {
        if let Event::Failed(failure)
        | Event::Broke(failure)
        | Event::Interrupted { failure, .. }
        | Event::Lost { failure, .. } = event
        {
            self.conceal_key(failure);
        }
    }

    fn conceal_key(&self, failure: &mut AttemptFailure) {
        let Some(error) = &mut failure.error else { return };
        let asked = self.accounts.iter().filter_map(|account| self.choice.candidates.get(account.candidate));
        let secrets = asked.filter_map(|chosen| chosen.keys.current()).map(Secret::expose);
        for secret in secrets.filter(|text| !text.is_empty()) {
            for text in [Some(&mut error.message), error.param.as_mut(), error.code.as_mut(), error.kind.as_mut()] {
                if let Some(text) = text.filter(|text| text.contains(secret)) {
                    *text = text.replace(secret, "[key]");
                }
            }
        }
    }

    async fn wait(&mut self, ms: u64) -> Event {
        let until = self.exchange.platform.now_ms().saturating_add(ms);
        loop {
            let wake = self.wake_at(until);
            if self.exchange.platform.sleep_until(wake).await.is_err() {
                return Event::ClientGone;
            }
            if self.exchange.platform.now_ms() >= until {
                return Event::WaitOver;
            }
            if self.ping_if_due().await.is_err() {
                return Event::ClientGone;
            }
        }
    }

    /// The next instant at which a wait must be looked at.
    pub fn wake_at(&self, until_ms: u64) -> u64 {
        if self.view.stream {
            until_ms.min(self.ping_at())
        } else {
            until_ms
        }
    }

    fn ping_at(&self) -> u64 {
        self.last_sent_ms.saturating_add(PING_MS)
    }

    /// Opens the stream after the grace, and keeps an open one alive: a comment, which every client skips.
    ///
    /// # Errors
    /// The caller left.
    pub async fn ping_if_due(&mut self) -> Result<(), Interrupt> {
        let now = self.exchange.platform.now_ms();
        if !self.view.stream || now < self.ping_at() {
            return Ok(());
        }
        if self.sink.is_none() {
            let head = reply::stream_head(self, None);
            self.open(head);
            self.opened_early = true;
        }
        let sign = self.framing.keep_alive();
        self.write(sign).await
    }

    /// Sends the status line.
    pub fn open(&mut self, head: ResponseHead) {
        self.status = head.status;
        self.last_sent_ms = self.exchange.platform.now_ms();
        self.sink = Some(self.exchange.open(head));
    }

    /// Writes events to the open stream.
    ///
    /// # Errors
    /// The caller left.
    pub async fn send(&mut self, events: &[u8]) -> Result<(), Interrupt> {
        self.next_number = self.exchange.dialect.number_behind(events).unwrap_or(self.next_number);
        self.said(events);
        let bytes = self.framing.lay_out(events);
        self.write(&bytes).await
    }

    /// Writes the last events and closes the stream.
    pub async fn end_with(&mut self, events: &[u8]) {
        self.said(events);
        let mut bytes = self.framing.lay_out(events).into_owned();
        bytes.extend_from_slice(&self.framing.end());
        let sent = self.write(&bytes).await;
        if let (Ok(()), Some(mut sink)) = (sent, self.sink.take()) {
            sink.close().await;
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Interrupt> {
        if let Some(sink) = self.sink.as_mut() {
            if !bytes.is_empty() {
                sink.write(bytes).await?;
                self.last_sent_ms = self.exchange.platform.now_ms();
            }
        }
        Ok(())
    }

    /// Reads an error's body, for its class: a few kilobytes, a few seconds.
    pub async fn error_body(&self, call: &mut P::Call, end_at: u64) -> Result<Vec<u8>, Interrupt> {
        let until = end_at.min(self.exchange.platform.now_ms().saturating_add(ERROR_PATIENCE_MS));
        match call.whole(until, MAX_ERROR_BYTES).await {
            Err(Interrupt::ClientGone) => Err(Interrupt::ClientGone),
            Err(_) => Ok(Vec::new()),
            Ok(body) => Ok(body),
        }
    }

    /// The one end that is an error: a status while it can be chosen, the dialect's typed event after.
    async fn give_up(&mut self, error: GatewayError) {
        let exchange = self.exchange;
        if self.sink.is_some() {
            let member = self.explanation();
            let (id, number) = (exchange.request_id.as_str(), self.next_number);
            let event = exchange.dialect.encode_stream_error(&error, id, member.as_deref(), number);
            self.end_with(&event).await;
        } else if self.status == 0 {
            self.status = error.status();
            let head = reply::error_head(exchange, &error, Some(self));
            exchange.reply(head, exchange.dialect.encode_error(&error, &exchange.request_id));
        } // else the transport has said it already
        self.error = Some(error);
    }
}
