//! Tool calls and JSON documents that go out when they are whole, so that a broken one is tried again unseen: an option of
//! the policy, since it costs the caller the sight of them growing.

use crate::dialect::canonical::FinishReason;
use crate::dialect::ProviderError;
use crate::pipeline::attempts::Run;
use crate::ports::Platform;
use crate::stream::held::is_sound;
use crate::stream::relay::Relay;
use crate::upstream::failure::{AttemptFailure, FailureClass};

impl<P: Platform> Run<'_, P> {
    /// Whether something of this answer may have to be held back.
    pub fn may_hold_back(&self) -> bool {
        self.choice.hold_back && (self.view.needs.tools || self.wants_json())
    }

    /// Whether what comes now goes out when the answer is whole. Text before a call goes out as it comes, unless an event
    /// before all of it could not be read: that may have been the call.
    pub fn holds_back(&self, relay: &Relay) -> bool {
        let gap = relay.has_gaps() && self.answered_by.is_none();
        self.may_hold_back() && (self.wants_json() || relay.observation().called || gap) && !relay.complete()
    }

    /// What was held back and is not whole, though its provider says so. Where an event could not be read, nobody knows what
    /// it held: a document without one of its elements is JSON too.
    pub fn unsound(&self, relay: &Relay, events: &[u8]) -> Option<AttemptFailure> {
        let checked = self.may_hold_back() && relay.complete();
        // Its finish reason may stand in what the relay has not given out yet, and so may the last of its text.
        let cut_short = matches!(relay.observation().finish, Some(FinishReason::Length | FinishReason::ContentFilter));
        let sound = || cut_short || is_sound(self.exchange.dialect, &relay.with_end(events), self.wants_json());
        let message = match checked {
            true if relay.has_gaps() => "an event of the answer could not be read",
            true if !sound() => "the answer is not the JSON that it was to be",
            _ => return None,
        };
        let error = ProviderError { message: message.to_owned(), ..ProviderError::default() };
        Some(AttemptFailure { error: Some(error), ..AttemptFailure::silent(FailureClass::Server) })
    }

    fn wants_json(&self) -> bool {
        self.view.needs.json_schema || self.view.needs.json_object
    }
}
