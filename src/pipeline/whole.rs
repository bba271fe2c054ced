//! Stage 6 and 7 for whole answers: one attempt from its call to its body.

use crate::attempt::plan::{Deadlines, Event};
use crate::dialect::canonical::{Extra, FinishReason};
use crate::dialect::{ProviderError, StreamFault};
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::pausing::Pause;
use crate::pipeline::reply;
use crate::pipeline::settle::Ending;
use crate::pipeline::work::{Answer, Rejected};
use crate::ports::{Interrupt, Platform, UpstreamCall};
use crate::upstream::failure::{classify_event, AttemptFailure, FailureClass};
use crate::upstream::told::told;

/// Largest answer that is taken: base64 media included, four of them fit into an isolate.
pub(super) const MAX_ANSWER_BYTES: usize = 32 * 1024 * 1024;

impl<P: Platform> Run<'_, P> {
    /// Makes one attempt at a whole answer; the event tells the machine how it went.
    pub async fn whole(&mut self, account: usize, candidate: usize, deadlines: Deadlines) -> Event {
        let choice = self.choice;
        let Some(chosen) = choice.candidates.get(candidate) else {
            return Event::Failed(AttemptFailure::silent(FailureClass::NotFound));
        };
        let until = deadlines.first_content_at.unwrap_or(deadlines.end_at).min(deadlines.end_at);
        let request = self.request(candidate, chosen);
        let mut call = self.call(account, request);
        self.may_outlive(&mut call, chosen);
        let (status, headers) = match call.head(until).await {
            Ok(head) => head,
            Err(Interrupt::ClientGone) => return self.left_waiting(&mut call, account, chosen, None).await,
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
            let failure = self.refused(chosen, status, &headers, &body);
            self.settle(account, Ending::Refused(failure.clone()));
            return self.failed(candidate, failure);
        }
        let body = match call.whole(until, MAX_ANSWER_BYTES).await {
            Ok(body) => body,
            Err(Interrupt::ClientGone) => return self.left_waiting(&mut call, account, chosen, Some(status)).await,
            Err(interrupt) => return self.lost(&mut call, account, interrupt),
        };
        self.heard(account, &body, false);
        match self.understood(account, candidate, chosen, status, body) {
            Ok(read) => self.answered(account, candidate, read),
            Err(event) => event,
        }
    }

    /// What came, with what its turn said before it was paused; or the attempt, settled, with what its failure means.
    pub(super) fn understood(
        &mut self,
        account: usize,
        candidate: usize,
        chosen: &Candidate<'_>,
        status: u16,
        body: Vec<u8>,
    ) -> Result<(Answer, Option<Pause>), Event> {
        let (body, pause) = self.gather(candidate, bare(body));
        match self.choice.work.understand(self.exchange, chosen, self.view.estimated_input_tokens, body) {
            Ok(answer) => Ok((answer, pause)),
            Err(rejected) => Err(self.rejected(account, candidate, chosen, status, *rejected)),
        }
    }

    /// Settles an attempt whose answer is none. Tokens that were counted or came with it were used, as in a stream that breaks.
    fn rejected(
        &mut self,
        account: usize,
        candidate: usize,
        chosen: &Candidate<'_>,
        status: u16,
        Rejected { fault, seen }: Rejected,
    ) -> Event {
        let (failure, is_told) = match fault {
            StreamFault::Provider(error) => (classify_event(chosen.dialect, &chosen.provider.profile, error), true),
            StreamFault::Malformed(what) => {
                let error = ProviderError { message: what, ..ProviderError::default() };
                let silent = AttemptFailure::silent(FailureClass::Server);
                (AttemptFailure { status: Some(status), error: Some(error), ..silent }, false)
            }
        };
        let ending = if seen.has_used() {
            Ending::Broken(failure.clone(), &seen)
        } else if is_told {
            Ending::Refused(failure.clone())
        } else {
            Ending::Unanswered(Some(failure.clone()))
        };
        self.settle(account, ending);
        if is_told {
            self.failed(candidate, failure)
        } else {
            Event::Failed(failure)
        }
    }

    /// Gives the caller its answer, unless it is to be gone on with.
    pub(super) fn answered(&mut self, account: usize, candidate: usize, read: (Answer, Option<Pause>)) -> Event {
        match read {
            (answer, None) => self.deliver(account, candidate, answer),
            (Answer::Native(_, seen) | Answer::Foreign(_, seen), Some(pause)) => {
                self.pause_whole(account, candidate, &seen, pause)
            }
        }
    }

    fn deliver(&mut self, account: usize, candidate: usize, answer: Answer) -> Event {
        let exchange = self.exchange;
        let now = exchange.platform.now_ms();
        self.first_content_ms = Some(now);
        self.answered_by = Some(candidate);
        let seen = match &answer {
            Answer::Native(_, seen) | Answer::Foreign(_, seen) => seen,
        };
        self.settle(account, Ending::Complete(seen));
        self.step(Event::Content);
        self.step(Event::Ended);
        let body = match answer {
            Answer::Native(body, seen) => {
                if seen.finish == Some(FinishReason::ContentFilter) {
                    // Rare enough to be read a second time.
                    let read = exchange.dialect.decode_response(&body).map(|answer| answer.extras);
                    self.beside = read.unwrap_or_default().into_iter().filter(Extra::is_verdict).collect();
                }
                if self.choice.candidates.get(candidate).is_some_and(|c| self.choice.work.tells_estimate(c.dialect)) {
                    self.report_estimate(&seen);
                }
                let tail = self.tail(account);
                reply::finish_native(exchange.dialect, body, &tail)
            }
            Answer::Foreign(mut response, seen) => {
                let chosen = self.choice.candidates.get(candidate);
                let context = chosen.map(|chosen| self.context(chosen)).unwrap_or_default();
                if context.one_call {
                    self.answer_losses.extend(response.keep_first_calls());
                }
                // The losses must be known before the explanation that lists them is written.
                let encoded = exchange.dialect.encode_response(&response, &context, &Default::default());
                self.answer_losses.extend(encoded.losses);
                self.report_estimate(&seen);
                self.report_pause(candidate, &seen);
                self.beside = response.extras.iter().filter(|e| e.goes_beside(exchange.dialect)).cloned().collect();
                let tail = self.tail(account);
                exchange.dialect.encode_response(&response, &context, &tail).body
            }
        };
        let head = reply::whole_head(self, candidate, account);
        self.status = head.status;
        exchange.reply(head, body);
        Event::Ended
    }

    /// An attempt that ended without a reply that could be read.
    pub fn lost(&mut self, call: &mut P::Call, account: usize, interrupt: Interrupt) -> Event {
        call.abort();
        let class = match interrupt {
            Interrupt::ClientGone => {
                self.settle(account, Ending::Unanswered(None));
                return Event::ClientGone;
            }
            Interrupt::Timeout => FailureClass::Timeout,
            Interrupt::Connect => FailureClass::Connect,
            Interrupt::Reset | Interrupt::TooLarge => FailureClass::Server,
        };
        // The same call would bring the same too large answer.
        let should_retry = (interrupt == Interrupt::TooLarge).then_some(false);
        let failure = AttemptFailure { should_retry, ..AttemptFailure::silent(class) };
        self.settle(account, Ending::Unanswered(Some(failure.clone())));
        Event::Failed(failure)
    }
}

/// A body without what some servers put around their JSON: a byte order mark, which a reader may ignore (RFC 8259 §8.1), or the
/// end of a stream (reported of 9router).
pub(super) fn bare(mut body: Vec<u8>) -> Vec<u8> {
    if body.starts_with(b"\xef\xbb\xbf") {
        body.drain(..3);
    }
    if let Some(json) = body.trim_ascii_end().strip_suffix(b"data: [DONE]").filter(|_| body.starts_with(b"{")) {
        body.truncate(json.trim_ascii_end().len());
    }
    body
}
