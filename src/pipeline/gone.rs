//! The caller has left before its answer was whole. A provider that then stops working, and charging, is stopped; the answer
//! of another is paid for in any case, so it is read on to its usage, for as long as that is allowed (DESIGN §5 "Client
//! gone"). A whole answer cannot be stopped anywhere: what was asked for in one piece is charged as one.
//!
//! Who stops: openrouter.ai/docs/api-reference/streaming, "Stream Cancellation", which lists it by provider.

use crate::attempt::plan::Event;
use crate::dialect::openai_chat::profile;
use crate::dialect::Dialect;
use crate::pipeline::attempts::Run;
use crate::pipeline::choose::Candidate;
use crate::pipeline::settle::Ending;
use crate::pipeline::whole::bare;
use crate::pipeline::work::Answer;
use crate::ports::{Platform, UpstreamCall};
use crate::stream::relay::Relay;

/// How long an answer is read on for nobody. The platform ends everything half a minute after the caller left, and the
/// ledger has to be told before.
const DRAIN_MS: u64 = 20_000;

/// Largest whole answer that is read on for its usage.
const DRAIN_BYTES: usize = 8 * 1024 * 1024;

/// Whether a streamed answer costs no more once its connection is closed.
pub fn stops(chosen: &Candidate<'_>) -> bool {
    chosen.dialect != Dialect::Gemini && profile::of(&chosen.provider.profile).stops_on_close
}

impl<P: Platform> Run<'_, P> {
    /// Lets a call outlive its caller where ending it would save nothing.
    pub fn may_outlive(&self, call: &mut P::Call, chosen: &Candidate<'_>) {
        if self.choice.work.is_charged() && (!self.view.stream || !stops(chosen)) {
            call.outlive();
        }
    }

    /// The end of a streamed attempt whose caller has left. `relay`: what has come of it; `None` before its headers.
    pub async fn left_streaming(
        &mut self,
        call: &mut P::Call,
        account: usize,
        chosen: &Candidate<'_>,
        relay: Option<Relay>,
    ) -> Event {
        let until = self.exchange.platform.now_ms().saturating_add(DRAIN_MS);
        let relay = match relay {
            None if !stops(chosen) && matches!(call.head(until).await, Ok((200..=299, _))) => Some(self.relay(chosen)),
            relay => relay,
        };
        let Some(mut relay) = relay else {
            call.abort();
            self.settle(account, Ending::Unanswered(None));
            return Event::ClientGone;
        };
        let mut nobody = Vec::new();
        let mut more = !stops(chosen);
        while more {
            more = match call.read(until).await {
                Ok(Some(bytes)) => relay.push(&bytes, &mut nobody).is_ok_and(|progress| !progress.ended),
                // Before a break, too, a whole last event may have come.
                Ok(None) | Err(_) => {
                    let _ = relay.input_ended(&mut nobody);
                    false
                }
            };
            nobody.clear();
        }
        call.abort();
        let seen = relay.observation();
        self.settle(account, if relay.complete() { Ending::Drained(seen) } else { Ending::Abandoned(seen) });
        Event::ClientGone
    }

    /// The end of an attempt at a whole answer whose caller has left; `status`: where its headers have come.
    pub async fn left_waiting(
        &mut self,
        call: &mut P::Call,
        account: usize,
        chosen: &Candidate<'_>,
        status: Option<u16>,
    ) -> Event {
        let until = self.exchange.platform.now_ms().saturating_add(DRAIN_MS);
        let status = match status {
            None if self.choice.work.is_charged() => call.head(until).await.map_or(0, |(status, _)| status),
            status => status.unwrap_or(0),
        };
        let body = match status {
            200..=299 => call.whole(until, DRAIN_BYTES).await.ok(),
            _ => None,
        };
        call.abort();
        let estimated = self.view.estimated_input_tokens;
        let answer = body.map(|body| self.choice.work.understand(self.exchange, chosen, estimated, bare(body)));
        match &answer {
            Some(Ok(Answer::Native(_, seen) | Answer::Foreign(_, seen))) => self.settle(account, Ending::Drained(seen)),
            Some(Err(rejected)) if rejected.seen.has_used() => {
                self.settle(account, Ending::Abandoned(&rejected.seen));
            }
            Some(Err(_)) | None => self.settle(account, Ending::Unanswered(None)),
        }
        Event::ClientGone
    }
}
