//! Stage 6 and 7 for streams: one attempt from its call to its end. The caller sees nothing of it until its first
//! content; from then on it is the answer (DESIGN §5 "Open", "Commit").

use crate::attempt::plan::{Deadlines, Event};
use crate::dialect::ProviderError;
use crate::http::Headers;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::replaying::Outlet;
use crate::pipeline::reply;
use crate::pipeline::settle::Ending;
use crate::ports::{CallerSink, Interrupt, Platform, UpstreamCall};
use crate::stream::relay::{Relay, RelayFault};
use crate::upstream::failure::{classify_event, classify_reply, AttemptFailure, FailureClass};
use crate::upstream::told::told;

/// How long the end of input is waited for once the dialect's terminator is there: long enough for the connection to be
/// used again, too short to matter to anyone.
const LINGER_MS: u64 = 1_000;

/// How long an answer that is complete, but for the terminator that its provider may owe or not have, is waited for:
/// usage comes late, and Google's tools write after a first finish reason.
const TAIL_MS: u64 = 15_000;

/// How a relay's loop ended.
pub(super) enum End {
    /// By its terminator, or at the end of input.
    Input,
    /// By a failure.
    Failed(AttemptFailure),
    /// By the provider's own error event, which the caller has got untouched.
    Told(AttemptFailure),
    /// By not going on where the answer before it stopped.
    Differs,
    /// Because nobody listens any more.
    Gone,
}

impl<P: Platform> Run<'_, P> {
    /// Makes one streamed attempt; the event tells the machine how it went.
    pub async fn streamed(&mut self, account: usize, candidate: usize, deadlines: Deadlines) -> Event {
        let choice = self.choice;
        let Some(chosen) = choice.candidates.get(candidate) else {
            return Event::Failed(AttemptFailure::silent(FailureClass::NotFound));
        };
        let mut request = self.request(candidate, chosen);
        if !self.prepare_to_go_on(candidate, chosen, &mut request) {
            let failure = AttemptFailure::silent(FailureClass::InvalidRequest);
            self.settle(account, Ending::Refused(failure.clone()));
            return Event::Failed(failure);
        }
        let mut call = self.call(account, request);
        self.may_outlive(&mut call, chosen);
        let first_at = deadlines.first_content_at.unwrap_or(deadlines.end_at).min(deadlines.end_at);
        let (status, headers) = match self.head(&mut call, first_at).await {
            Ok(head) => head,
            Err(Interrupt::ClientGone) => return self.left_streaming(&mut call, account, chosen, None).await,
            Err(interrupt) => return self.lost(&mut call, account, interrupt),
        };
        self.upstream_told = told(&headers, chosen.keys.current());
        if !(200..300).contains(&status) {
            let body = match self.error_body(&mut call, deadlines.end_at).await {
                Ok(body) => body,
                Err(interrupt) => return self.lost(&mut call, account, interrupt),
            };
            call.abort();
            self.heard(account, &body, false);
            let mut failure = self.refused(chosen, status, &headers, &body);
            self.prepared.forgive_our_option(self.exchange, self.view, chosen, &mut failure);
            self.settle(account, Ending::Refused(failure.clone()));
            return self.failed(candidate, failure);
        }
        let (mut relay, unsent) = self.relay_of_pause().unwrap_or_else(|| {
            let relay = self.relay_of_going_on(chosen).unwrap_or_else(|| self.relay(chosen));
            (relay, Vec::with_capacity(4096))
        });
        if relay.is_untouched() {
            call.watch();
        }
        let (end, begun) =
            self.pass_on(&mut call, &mut relay, unsent, account, candidate, deadlines, first_at, None).await;
        self.finish(call, relay, account, candidate, end, begun).await
    }

    pub(super) fn relay(&self, chosen: &Candidate<'_>) -> Relay {
        let exchange = self.exchange;
        let context = self.context(chosen);
        let added_to = self.opened_early || self.insists_on_going_on() || self.may_hold_back();
        let mut relay = if !chosen.answers_in(exchange.dialect) {
            Relay::translated(chosen.dialect, exchange.dialect, context)
        } else if self.prepared.leaves_untouched(exchange, chosen) && !added_to {
            Relay::untouched(exchange.dialect)
        } else {
            Relay::whole_events(exchange.dialect, context)
        };
        if self.may_go_on() {
            relay.keep_delivered(self.most_worth_keeping());
        }
        relay
    }

    /// Waits for the status line; pings the caller meanwhile.
    async fn head(&mut self, call: &mut P::Call, until: u64) -> Result<(u16, Headers), Interrupt> {
        loop {
            match call.head(self.wake_at(until)).await {
                Err(Interrupt::Timeout) if self.exchange.platform.now_ms() < until => self.ping_if_due().await?,
                other => return other,
            }
        }
    }

    /// What an error status means.
    pub(super) fn refused(
        &self,
        chosen: &Candidate<'_>,
        status: u16,
        headers: &Headers,
        body: &[u8],
    ) -> AttemptFailure {
        let now = self.exchange.platform.now_ms();
        classify_reply(chosen.dialect, chosen.provider.profile.as_str(), status, headers, body, now)
    }

    /// The loop: read, relay, write, watch the clocks. `out`: what an earlier attempt of this answer has left to send; `ahead`:
    /// what has been read of this one already. True: this attempt's content has begun.
    #[allow(clippy::too_many_arguments)] // one attempt
    pub(super) async fn pass_on(
        &mut self,
        call: &mut P::Call,
        relay: &mut Relay,
        mut out: Vec<u8>,
        account: usize,
        candidate: usize,
        deadlines: Deadlines,
        first_at: u64,
        mut ahead: Option<Vec<u8>>,
    ) -> (End, bool) {
        let platform = self.exchange.platform;
        // Who goes on with an answer writes to a stream that is open.
        let mut committed = self.answered_by.is_some();
        let mut begun = false;
        let mut quiet_until = first_at;
        let mut pumping = false;
        loop {
            let until = quiet_until.min(deadlines.end_at);
            let read = match ahead.take() {
                None => {
                    let read = call.read(if pumping { until } else { self.wake_at(until) }).await;
                    if let Ok(Some(bytes)) = &read {
                        self.heard(account, bytes, true);
                    }
                    read
                }
                bytes => Ok(bytes),
            };
            let progress = match read {
                Ok(Some(bytes)) => relay.push(&bytes, &mut out),
                Err(Interrupt::ClientGone) => return (End::Gone, begun),
                Err(Interrupt::Timeout) if platform.now_ms() < until => {
                    // Nothing can be written beside the pump, and what it moves keeps the connection alive.
                    if !pumping && self.ping_if_due().await.is_err() {
                        return (End::Gone, begun);
                    }
                    if let (true, Some(chosen)) = (self.opened_early, self.choice.candidates.get(candidate)) {
                        // The headers are out without a model: the last event has to say it.
                        relay.touch(self.context(chosen), &mut out);
                    }
                    continue;
                }
                // All of the answer is here; a provider that keeps the connection open is not waited for.
                Err(Interrupt::Timeout) if relay.complete() => {
                    call.abort();
                    self.unsent = if committed { Vec::new() } else { out };
                    return (End::Input, begun);
                }
                Err(Interrupt::Timeout) => {
                    call.abort();
                    if pumping {
                        self.see_the_rest(call, relay).await;
                    }
                    let end = if relay.complete() {
                        End::Input
                    } else {
                        End::Failed(AttemptFailure::silent(FailureClass::Timeout))
                    };
                    return (end, begun);
                }
                // What came before the end or the break may hold a whole last event: the end, or the provider's own error.
                Ok(None) | Err(_) => match relay.input_ended(&mut out) {
                    Err(fault) => Err(fault),
                    Ok(()) => {
                        begun |= self.begins_late(relay, begun, account, candidate);
                        let sends = committed && !pumping && !self.holds_back(relay);
                        let gone = sends && self.send(&out).await.is_err();
                        self.unsent = if committed { Vec::new() } else { out };
                        return (if gone { End::Gone } else { End::Input }, begun);
                    }
                },
            };
            let (ended, content) = match progress {
                Ok(progress) => (progress.ended, progress.content),
                Err(fault) => {
                    let end = match fault {
                        RelayFault::Provider(error) if pumping && !relay.inside_event() => {
                            End::Told(self.in_stream(candidate, error))
                        }
                        RelayFault::Provider(error) => End::Failed(self.in_stream(candidate, error)),
                        RelayFault::TooLong => End::Failed(AttemptFailure::silent(FailureClass::Server)),
                        RelayFault::Differs => return (End::Differs, begun),
                    };
                    begun |= self.begins_late(relay, begun, account, candidate);
                    let sends = committed && !pumping && !self.holds_back(relay);
                    if sends && self.send(&out).await.is_err() {
                        return (End::Gone, begun);
                    }
                    return (end, begun);
                }
            };
            if content {
                if let Some(idle) = deadlines.idle_ms {
                    quiet_until = platform.now_ms().saturating_add(idle);
                } else {
                    quiet_until = deadlines.end_at;
                }
            }
            let held = self.holds_back(relay);
            if !begun && relay.has_begun() && !held && (self.is_going_on() || relay.failed_finish().is_none()) {
                if let Some(failure) = self.unsound(relay, &out) {
                    return (End::Failed(failure), begun);
                }
                begun = true;
                self.begin(account, candidate);
                committed = true;
                if relay.is_untouched() {
                    if let Some(Outlet::Caller(sink)) = self.sink.as_mut() {
                        call.pump(sink);
                        pumping = true;
                    }
                }
            }
            if committed && !held {
                if !pumping && self.send(&out).await.is_err() {
                    return (End::Gone, begun);
                }
                out.clear();
            }
            if ended && !pumping {
                self.unsent = out;
                return (End::Input, begun);
            }
            if ended {
                quiet_until = platform.now_ms().saturating_add(LINGER_MS);
            } else if relay.complete() {
                quiet_until = quiet_until.min(platform.now_ms().saturating_add(TAIL_MS));
            }
        }
    }

    /// Whether content came only with what ended the attempt: where an answer is gone on with it goes out, and is told of.
    fn begins_late(&mut self, relay: &Relay, begun: bool, account: usize, candidate: usize) -> bool {
        let late = !begun && self.is_going_on() && relay.has_begun();
        if late {
            self.begin(account, candidate);
        }
        late
    }

    /// A pumped stream was stopped: what went out before that is looked at, so that what is said of it is true.
    async fn see_the_rest(&self, call: &mut P::Call, relay: &mut Relay) {
        let until = self.exchange.platform.now_ms().saturating_add(LINGER_MS);
        let mut unused = Vec::new();
        while let Ok(Some(bytes)) = call.read(until).await {
            if relay.push(&bytes, &mut unused).is_err() {
                return;
            }
        }
        // An error in half an event is that of a break.
        let _ = relay.input_ended(&mut unused);
    }

    /// This attempt's first content. Unless it goes on with an answer, the status line goes out with everything that is known
    /// now, and there is no way back.
    fn begin(&mut self, account: usize, candidate: usize) {
        let now = self.exchange.platform.now_ms();
        let opens = self.answered_by.is_none();
        if opens {
            self.first_content_ms = Some(now);
            self.answered_by = Some(candidate);
        }
        self.first_content_of(account, now);
        self.step(Event::Content);
        if opens && self.sink.is_none() {
            let head = reply::stream_head(self, Some(candidate));
            self.open(head);
        }
    }

    pub(super) fn in_stream(&self, candidate: usize, error: ProviderError) -> AttemptFailure {
        match self.choice.candidates.get(candidate) {
            Some(chosen) => classify_event(chosen.dialect, &chosen.provider.profile, error),
            None => AttemptFailure::silent(FailureClass::Server),
        }
    }

    /// The attempt's one end: complete, broken, or nobody there.
    pub(super) async fn finish(
        &mut self,
        mut call: P::Call,
        mut relay: Relay,
        account: usize,
        candidate: usize,
        end: End,
        begun: bool,
    ) -> Event {
        self.malformed = self.malformed.saturating_add(relay.malformed());
        if let (End::Input, true, Some(resume)) = (&end, relay.complete(), relay.paused()) {
            if self.may_resume(candidate) {
                self.end_call(&mut call).await;
                return self.pause_stream(account, candidate, relay, resume);
            }
        }
        if relay.repeats() {
            self.forget_resumed();
        }
        relay.accept_pause(&mut self.unsent);
        let failure = match end {
            End::Gone => {
                return match self.choice.candidates.get(candidate) {
                    Some(chosen) => self.left_streaming(&mut call, account, chosen, Some(relay)).await,
                    None => Event::ClientGone,
                };
            }
            End::Told(failure) => return self.told_by_provider(call, &relay, account, failure).await,
            End::Differs => {
                call.abort();
                let error =
                    ProviderError { message: "the answer came out different".to_owned(), ..ProviderError::default() };
                let cut = AttemptFailure::silent(FailureClass::Cut);
                // Nobody refused it: what was generated is charged.
                self.settle(account, Ending::Differs(relay.observation()));
                return Event::Broke(AttemptFailure { error: Some(error), ..cut });
            }
            End::Failed(failure) => Some(failure),
            End::Input if !relay.complete() => Some(AttemptFailure::silent(FailureClass::Cut)),
            End::Input if !begun && relay.failed_finish().is_none() => self.unsound(&relay, &self.unsent),
            End::Input => relay.failed_finish().map(|word| {
                let error = ProviderError {
                    message: format!("the model's turn failed: {word}"),
                    kind: Some(word.to_owned()),
                    ..ProviderError::default()
                };
                AttemptFailure { error: Some(error), ..AttemptFailure::silent(FailureClass::Server) }
            }),
        };
        if let Some(mut failure) = failure {
            call.abort();
            self.unsent.clear();
            if let Some(chosen) = self.choice.candidates.get(candidate).filter(|_| !begun) {
                self.prepared.forgive_our_option(self.exchange, self.view, chosen, &mut failure);
            }
            self.settle(account, Ending::Broken(failure.clone(), relay.observation()));
            if !begun {
                if !self.is_going_on() {
                    self.keep_pause(relay);
                } else if !self.take_back(candidate, relay) {
                    // Part of the answer is out, and nobody knows any more what.
                    return Event::Broke(failure);
                }
                return self.failed(candidate, failure);
            }
            self.forget_pause();
            if relay.is_untouched() && relay.inside_event() {
                // Half an event is already out: no typed end can follow it, so the transport says it.
                if let Some(mut sink) = self.sink.take() {
                    sink.abort().await;
                }
                return Event::Broke(failure);
            }
            return self.broke(candidate, relay, failure);
        }
        if !begun {
            // A whole answer without content (an empty turn): it is the answer all the same.
            self.begin(account, candidate);
            if relay.is_untouched() {
                if let Some(Outlet::Caller(sink)) = self.sink.as_mut() {
                    call.pump(sink);
                }
            }
        }
        self.answer_losses.extend_from_slice(relay.losses());
        self.beside.extend_from_slice(relay.beside());
        self.note_seam(candidate);
        self.report_pause(candidate, relay.observation());
        if relay.writes_usage() {
            self.report_estimate(relay.observation());
        }
        self.settle(account, Ending::Complete(relay.observation()));
        self.step(Event::Ended);
        let tail = self.tail(account);
        let mut out = std::mem::take(&mut self.unsent);
        relay.conclude(&tail, &mut out);
        self.end_with(&out).await;
        self.end_call(&mut call).await;
        Event::Ended
    }

    /// Lets a connection come to its end, so that it can be used again.
    async fn end_call(&self, call: &mut P::Call) {
        let until = self.exchange.platform.now_ms().saturating_add(LINGER_MS);
        if !matches!(call.read(until).await, Ok(None)) {
            call.abort();
        }
    }

    /// The provider has ended an untouched stream with its own typed error, which is the caller's dialect's: a second one
    /// after it would be one too many.
    async fn told_by_provider(
        &mut self,
        mut call: P::Call,
        relay: &Relay,
        account: usize,
        failure: AttemptFailure,
    ) -> Event {
        self.settle(account, Ending::Broken(failure.clone(), relay.observation()));
        // Aborting at once could take the last bytes back before they are through.
        let until = self.exchange.platform.now_ms().saturating_add(2 * LINGER_MS);
        loop {
            match call.read(until).await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => {
                    call.abort();
                    break;
                }
            }
        }
        if let Some(mut sink) = self.sink.take() {
            sink.close().await;
        }
        Event::Broke(failure)
    }
}
